"""Exercises: what each loss does not see, attention maps, a decoupled loss, a standardised one to mend, distances."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import decoupling, distances, standardising
from kdcourse.losses import attention_transfer, relational, soft_targets, standardised

# ---------------------------------------------------------------- what_else.1

CHANGES = (
    "soft targets: all logits are doubled",
    "standardised logits: all logits are doubled",
    "RKD on features: all features are turned by one rotation",
    "attention: the channels change places",
    "a hint without a map A: the channels change places",
)


@lru_cache(maxsize=8)
def loss_stays(change: str) -> tuple[str, str]:
    g = torch.Generator().manual_seed(0)
    v, f = (torch.randn(*shape, generator=g, dtype=torch.float64) for shape in ((6, 10), (6, 4, 3, 3)))
    flat, turn = f.flatten(1), torch.linalg.qr(torch.randn(36, 36, generator=g, dtype=torch.float64)).Q
    losses = (
        lambda: soft_targets(2 * v, v, temperature=4.0, alpha=1.0),
        lambda: standardised(2 * v, v, alpha=1.0),
        lambda: relational(flat @ turn, flat),
        lambda: attention_transfer(f.flip(1), f),
        lambda: F.mse_loss(f.flip(1), f),
    )
    loss = float(losses[CHANGES.index(change)]())
    return ("zero", "0") if loss < 1e-9 else ("above zero", f"{loss:.2g}")


_believing = believer(CHANGES, loss_stays)

UNSEEN = prediction(
    id="what_else.1",
    title="Predict what a loss does not see",
    minutes=6,
    changes=CHANGES,
    found=loss_stays,
    answers=("zero", "above zero"),
    mistakes=(
        Mistake(
            "softmax does not see the size",
            _believing(c1="zero"),
            "Doubled logits make a surer answer, as half the temperature would. Soft targets see it.",
        ),
        Mistake(
            "standardised logits keep their size",
            _believing(c2="above zero"),
            "The spread is divided away, so the size of the logits is gone before the softmax.",
        ),
        Mistake(
            "RKD sees where features lie",
            _believing(c3="above zero"),
            "A rotation keeps all distances and all angles, and RKD sees nothing else.",
        ),
        Mistake(
            "attention knows the channels",
            _believing(c4="above zero"),
            "The squares of all channels are added up, and a sum does not depend on the order.",
        ),
        Mistake(
            "a hint does not know the channels",
            _believing(c5="zero"),
            "Without A each channel is compared with the channel of the same number. With A the order would not matter: A can learn it.",
        ),
    ),
    hints=(
        "Ask each loss what it computes first: a softmax, a spread, distances, a sum over channels. What survives that?",
        'The form:\n"soft targets: all logits are doubled": "____",',
    ),
    takeaway="A loss is chosen by what it does not see: that much freedom the student keeps.",
)

# ---------------------------------------------------------------- what_else.2


def attention(student_feature: Tensor, teacher_feature: Tensor) -> Tensor:
    ours, theirs = (f.square().sum(dim=1).flatten(1) for f in (student_feature, teacher_feature))
    return (F.normalize(ours, dim=1) - F.normalize(theirs, dim=1)).norm(dim=1).mean()


def _attention(
    s: Tensor, t: Tensor, *, power: float = 2.0, over: int = 1, unit: bool = True, size: str = "norm", order: int = 2,
    share: bool = True,
) -> Tensor:  # fmt: skip
    """The answer with mistakes left in it."""
    ours, theirs = (f.abs().pow(power).sum(dim=over).flatten(1) for f in (s, t))
    if unit and size == "norm":
        ours, theirs = F.normalize(ours, p=order, dim=1), F.normalize(theirs, p=order, dim=1)
    elif unit and size == "all":
        ours, theirs = ours / ours.norm(), theirs / theirs.norm()
    elif unit and size == "max":
        ours, theirs = (m / m.amax(dim=1, keepdim=True).clamp(min=1e-12) for m in (ours, theirs))
    apart = (ours - theirs).norm(dim=1)
    return apart.mean() if share else apart.sum()


def _attention_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    one = torch.tensor([[[[3.0, 0.0]], [[0.0, 2.0]]]])
    none = torch.cat([torch.randn(1, 3, 4, 4, generator=g), torch.zeros(1, 3, 4, 4)])
    return [
        (0.5 * one, one),
        (torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 1.0]]]])),
        (torch.tensor([[[[1.0, 1.0]]], [[[1.0, 0.0]]]]), torch.cat([one[:, :1], one[:, :1]])),
        (-one, one),
        (torch.randn(5, 3, 4, 4, generator=g), torch.randn(5, 8, 4, 4, generator=g)),
        (none, torch.randn(2, 6, 4, 4, generator=g)),
    ]


ATTENTION = Task(
    id="what_else.2",
    title="Where a network looks",
    kind="implement",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=("half as large", "elsewhere", "two images", "negative features", "random", "an image without any feature"),
    inputs=_attention_inputs,
    reference=attention,
    gradient="student_feature",
    judge=close,
    mistakes=(
        Mistake(
            "not divided by its length",
            lambda s, t: _attention(s, t, unit=False),
            "The maps are compared as they are. Divide each by its length first: then half as large is no difference.",
        ),
        Mistake(
            "not squared",
            lambda s, t: _attention(s, t, power=1.0),
            "The absolute values are added up. Their *squares* are asked for.",
        ),
        Mistake(
            "signs kept",
            lambda s, t: _plain_sum(s, t),
            "The features themselves are added up, so negative ones cancel positive ones. Square them first.",
        ),
        Mistake(
            "square of the sum",
            lambda s, t: _squared_sum(s, t),
            "First square, then add: this is the square of the *sum* over the channels.",
        ),
        Mistake(
            "summed over images",
            lambda s, t: _attention(s, t, share=False),
            "The sum over images came back. Their mean is asked for.",
        ),
        Mistake(
            "one length for the batch",
            lambda s, t: _attention(s, t, size="all"),
            "All maps together are divided by one length. Each image's map has its own: dim=1.",
        ),
        Mistake(
            "divided by the largest",
            lambda s, t: _attention(s, t, size="max"),
            "Each map is divided by its largest value. Divide it by its length, the root of the sum of its squares.",
        ),
        Mistake(
            "divided by the sum",
            lambda s, t: _attention(s, t, order=1),
            "Each map is divided by its sum. Divide it by its length, the root of the sum of its *squares*.",
        ),
        Mistake(
            "mean of squares",
            lambda s, t: (_maps(s) - _maps(t)).square().mean(),
            "This is the mean of the squared differences over places, as in the authors' code. The formula asks for the length of the difference.",
        ),
        Mistake(
            "squared length",
            lambda s, t: (_maps(s) - _maps(t)).square().sum(dim=1).mean(),
            "This is the *square* of the length. A root is missing.",
        ),
        Mistake(
            "cosine",
            lambda s, t: (1 - (_maps(s) * _maps(t)).sum(dim=1)).mean(),
            "This is 1 minus the cosine of the two maps. The length of their difference is asked for.",
        ),
        Mistake(
            "absolute differences",
            lambda s, t: (_maps(s) - _maps(t)).abs().sum(dim=1).mean(),
            "The absolute differences are added up. The length of the difference is the root of the sum of squares.",
        ),
        Mistake(
            "summed over places",
            lambda s, t: _by_channel(s, t),
            "The sum runs over the places, and one number a channel is left. Sum over the channels: dim=1.",
        ),
        Mistake(
            "0/0 for a map of zeros",
            lambda s, t: _without_care(s, t),
            "A map of zeros is divided by its length, 0/0. `F.normalize` leaves it at zero.",
        ),
        Mistake(
            "rows of places",
            lambda s, t: _unflattened(s, t),
            "The length is taken of each *row* of the map. Flatten the places first: one map is one vector.",
        ),
        Mistake(
            "one difference for the batch",
            lambda s, t: (_maps(s) - _maps(t)).norm(),
            "The length is taken of all images' differences together. One length an image, then the mean.",
        ),
        Mistake(
            "images without a map left out",
            lambda s, t: _only_with_maps(s, t),
            "An image whose map is 0 everywhere is left out of the mean. It counts like any other: its map is zeros, so the loss is the length of the other map.",
        ),
        Mistake(
            "one length, divided by the images",
            lambda s, t: (_maps(s) - _maps(t)).norm() / len(s),
            "The length is taken of all images' differences together and then divided by their number. Take one length an image, then the mean.",
        ),
        Mistake(
            "a root that never reaches 0",
            lambda s, t: ((_maps(s) - _maps(t)).square().sum(dim=1) + 1e-6).sqrt().mean(),
            "A small number is added under the root, so equal maps do not give 0. `.norm(dim=1)` has a gradient at 0 without such help.",
        ),
        Mistake("always zero", lambda s, t: 0 * s.sum(), "Zero came back for every input."),
        Mistake(
            "divided twice",
            lambda s, t: (_maps(s) - _maps(t)).norm(dim=1).mean() / len(s),
            "The mean is divided by the number of images once more.",
        ),
        Mistake(
            "the mean over channels and no length",
            lambda s, t: (s.square().mean(dim=1) - t.square().mean(dim=1)).flatten(1).norm(dim=1).mean(),
            "The maps are means over the channels, which does no harm, but they are not divided by their lengths.",
        ),
    ),
    hints=(
        "One map an image: square, sum over dim=1, flatten the places. `F.normalize(maps, dim=1)` divides by the lengths.",
        "The skeleton, with blanks:\nours, theirs = (f.____().sum(dim=____).flatten(1) for f in (student_feature, teacher_feature))\n"
        "return (F.normalize(ours, dim=1) - ____).norm(dim=____).mean()",
    ),
    takeaway="Squares, summed over channels, divided by their length: where a network looks, and nothing else.",
)


def _maps(feature: Tensor) -> Tensor:
    return F.normalize(feature.square().sum(dim=1).flatten(1), dim=1)


def _plain_sum(s: Tensor, t: Tensor) -> Tensor:
    ours, theirs = (F.normalize(f.sum(dim=1).flatten(1), dim=1) for f in (s, t))
    return (ours - theirs).norm(dim=1).mean()


def _squared_sum(s: Tensor, t: Tensor) -> Tensor:
    ours, theirs = (F.normalize(f.sum(dim=1).square().flatten(1), dim=1) for f in (s, t))
    return (ours - theirs).norm(dim=1).mean()


def _only_with_maps(s: Tensor, t: Tensor) -> Tensor:
    ours, theirs = _maps(s), _maps(t)
    some = (ours.sum(dim=1) > 0) & (theirs.sum(dim=1) > 0)
    return (ours - theirs)[some].norm(dim=1).mean()


def _by_channel(s: Tensor, t: Tensor) -> Tensor:
    ours, theirs = (F.normalize(f.square().sum(dim=(2, 3)), dim=1) for f in (s, t))
    return (ours - theirs).norm(dim=1).mean()


def _without_care(s: Tensor, t: Tensor) -> Tensor:
    ours, theirs = (f.square().sum(dim=1).flatten(1) for f in (s, t))
    ours, theirs = (m / m.norm(dim=1, keepdim=True) for m in (ours, theirs))
    return (ours - theirs).norm(dim=1).mean()


def _unflattened(s: Tensor, t: Tensor) -> Tensor:
    ours, theirs = (F.normalize(f.square().sum(dim=1), dim=2) for f in (s, t))
    return (ours - theirs).flatten(1).norm(dim=1).mean()


# ---------------------------------------------------------------- all

TASKS = [UNSEEN, ATTENTION, standardising.STANDARDISED, distances.DISTANCES, decoupling.DECOUPLED]

"""Exercises: what each loss does not see, attention maps, a decoupled loss, a standardised one to mend, distances."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import decoupling, distances
from kdcourse.losses import attention_transfer, relational, soft_targets, standardised

# ---------------------------------------------------------------- what_else.1

CHANGES = (
    "soft targets: 5 is added to all logits of an image",
    "soft targets: all logits are doubled",
    "standardised logits: all logits are doubled",
    "RKD on features: all features are turned by one rotation",
    "attention: the channels change places",
    "a hint without a map P: the channels change places",
)


@lru_cache(maxsize=8)
def loss_stays(change: str) -> tuple[str, str]:
    g = torch.Generator().manual_seed(0)
    v, f = (torch.randn(*shape, generator=g, dtype=torch.float64) for shape in ((6, 10), (6, 4, 3, 3)))
    flat, turn = f.flatten(1), torch.linalg.qr(torch.randn(36, 36, generator=g, dtype=torch.float64)).Q
    losses = (
        lambda: soft_targets(v + 5, v, temperature=4.0, alpha=1.0),
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
            "softmax sees an offset",
            _believing(c1="above zero"),
            "A softmax does not change when one number is added to all logits of an image: it cancels.",
        ),
        Mistake(
            "softmax does not see the size",
            _believing(c2="zero"),
            "Doubled logits make a surer answer, as half the temperature would. Soft targets see it.",
        ),
        Mistake(
            "standardised logits keep their size",
            _believing(c3="above zero"),
            "The spread is divided away, so the size of the logits is gone before the softmax.",
        ),
        Mistake(
            "RKD sees where features lie",
            _believing(c4="above zero"),
            "A rotation keeps all distances and all angles, and RKD sees nothing else.",
        ),
        Mistake(
            "attention knows the channels",
            _believing(c5="above zero"),
            "The squares of all channels are added up, and a sum does not depend on the order.",
        ),
        Mistake(
            "a hint does not know the channels",
            _believing(c6="zero"),
            "Without P each channel is compared with the channel of the same number. With P the order would not matter: P can learn it.",
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


# ---------------------------------------------------------------- what_else.4


def mended(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    def z(logits: Tensor) -> Tensor:
        return (logits - logits.mean(dim=1, keepdim=True)) / logits.std(dim=1, keepdim=True)

    log_q = F.log_softmax(z(student_logits) / temperature, dim=1)
    p = F.softmax(z(teacher_logits) / temperature, dim=1)
    return temperature**2 * F.kl_div(log_q, p, reduction="batchmean")


def _mended(
    s: Tensor, t: Tensor, temperature: float, *, rows: bool = True, both: bool = True, factor: bool = True,
    scaled: bool = True, own: bool = True,
) -> Tensor:  # fmt: skip
    """The loss with bugs left in it."""

    def z(logits: Tensor, model: Tensor) -> Tensor:
        among = model if rows else model.flatten()[None]
        mean, spread = among.mean(dim=1, keepdim=True), among.std(dim=1, keepdim=True)
        return (logits - mean) / (spread if scaled else 1)

    ours, theirs = z(s, s if own else t), z(t, t) if both else t
    log_q, p = F.log_softmax(ours / temperature, dim=1), F.softmax(theirs / temperature, dim=1)
    return (temperature**2 if factor else 1) * F.kl_div(log_q, p, reduction="batchmean")


def _standardised_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    v = torch.tensor([[12.0, 6.0, 0.0]])
    return [
        (0.5 * v, v, 2.0),
        (v + 5, v, 2.0),
        (torch.tensor([[1.0, 3.0, 2.0]]), v, 1.0),
        (torch.tensor([[1.0, 3.0, 2.0], [60.0, 30.0, 0.0]]), torch.cat([v, v / 4]), 2.0),
        (3 * torch.randn(6, 10, generator=g), 5 * torch.randn(6, 10, generator=g) + 2, 3.0),
    ]


STANDARDISED = Task(
    id="what_else.4",
    title="Debug a standardised loss",
    kind="debug",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=("half as large", "5 added", "one image by hand", "two images of unequal size", "random"),
    inputs=_standardised_inputs,
    reference=mended,
    gradient="student_logits",
    judge=close,
    mistakes=(
        Mistake(
            "as given",
            lambda s, t, T: _mended(s, t, T, rows=False, both=False, factor=False),
            "This computes what the given code computes. Three things are wrong; the first: whose mean and spread are taken?",
        ),
        Mistake(
            "rows mended",
            lambda s, t, T: _mended(s, t, T, both=False, factor=False),
            "Each image has its own mean and spread now. Two bugs are left: the teacher's logits are not standardised, and T² is missing.",
        ),
        Mistake(
            "the teacher mended",
            lambda s, t, T: _mended(s, t, T, rows=False, factor=False),
            "Both sides are standardised now. Two bugs are left: mean and spread run over the whole batch, and T² is missing.",
        ),
        Mistake(
            "T² mended",
            lambda s, t, T: _mended(s, t, T, rows=False, both=False),
            "T² is there now. Two bugs are left: mean and spread run over the whole batch, and the teacher's logits are not standardised.",
        ),
        Mistake(
            "T² missing",
            lambda s, t, T: _mended(s, t, T, factor=False),
            "Only T² is missing now.",
        ),
        Mistake(
            "the teacher as it is",
            lambda s, t, T: _mended(s, t, T, both=False),
            "Only the student's logits are standardised. The teacher's must be, too.",
        ),
        Mistake(
            "over the batch",
            lambda s, t, T: _mended(s, t, T, rows=False),
            "One mean and one spread are taken for the whole batch. Each image has its own: dim=1, keepdim=True.",
        ),
        Mistake(
            "not scaled",
            lambda s, t, T: _mended(s, t, T, scaled=False),
            "The spread is not divided away: the size of the logits stays. (Taking off the mean alone changes nothing, since a softmax does not see it.)",
        ),
        Mistake(
            "the teacher's spread for both",
            lambda s, t, T: _mended(s, t, T, own=False),
            "The student's logits are standardised by the *teacher's* mean and spread. Each side has its own.",
        ),
        Mistake(
            "over the images",
            lambda s, t, T: _over_images(s, t, T),
            "Mean and spread run over the images (dim=0). They run over the classes of one image: dim=1.",
        ),
        Mistake(
            "spread over n",
            lambda s, t, T: _spread(s, t, T, correction=0),
            "The spread divides by n. `logits.std(dim=1)` divides by n − 1, and so does the task.",
        ),
        Mistake(
            "variance for spread",
            lambda s, t, T: _spread(s, t, T, squared=True),
            "The logits are divided by the variance. Divide by its root, the standard deviation.",
        ),
        Mistake(
            "arguments swapped",
            lambda s, t, T: mended(t, s, T),
            "Student and teacher have changed places.",
        ),
        Mistake(
            "the mean over classes too",
            lambda s, t, T: mended(s, t, T) / s.shape[1],
            '`reduction="mean"` divides by the classes, too. `"batchmean"` was right.',
        ),
        Mistake(
            "T for T²",
            lambda s, t, T: mended(s, t, T) / T,
            "The factor is T in place of T².",
        ),
        Mistake(
            "length for spread",
            lambda s, t, T: _by_length(s, t, T),
            "The logits are divided by their length. Divide by their standard deviation.",
        ),
    ),
    hints=(
        "Look at the two images of unequal size: what do `logits.mean()` and `logits.std()` run over?",
        "The skeleton, with blanks:\ndef z(logits):\n    return (logits - logits.mean(dim=____, keepdim=True)) / logits.____(dim=____, keepdim=True)\n"
        "log_q = F.log_softmax(z(student_logits) / temperature, dim=1)\np = F.softmax(____ / temperature, dim=1)\n"
        'return ____ * F.kl_div(log_q, p, reduction="batchmean")',
    ),
    takeaway="Each image's logits, on both sides, by their own mean and spread; then softened, then T².",
)


def _spread(s: Tensor, t: Tensor, T: float, *, correction: int = 1, squared: bool = False) -> Tensor:
    ours, theirs = (
        (z - z.mean(dim=1, keepdim=True)) / z.std(dim=1, keepdim=True, correction=correction) ** (2 if squared else 1)
        for z in (s, t)
    )
    return T**2 * F.kl_div(F.log_softmax(ours / T, 1), F.softmax(theirs / T, 1), reduction="batchmean")


def _by_length(s: Tensor, t: Tensor, T: float) -> Tensor:
    ours, theirs = (F.normalize(z - z.mean(dim=1, keepdim=True), dim=1) for z in (s, t))
    return T**2 * F.kl_div(F.log_softmax(ours / T, 1), F.softmax(theirs / T, 1), reduction="batchmean")


def _over_images(s: Tensor, t: Tensor, T: float) -> Tensor:
    ours, theirs = ((z - z.mean(dim=0)) / z.std(dim=0) for z in (s, t))
    return T**2 * F.kl_div(F.log_softmax(ours / T, 1), F.softmax(theirs / T, 1), reduction="batchmean")


# ---------------------------------------------------------------- all

TASKS = [UNSEEN, ATTENTION, decoupling.DECOUPLED, STANDARDISED, distances.DISTANCES]

"""Exercises: what reaches a layer, the layer-wise loss, and the staircase of its gradients, measured."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import staircases

# ---------------------------------------------------------------- taylor_fo.1

CHANGES = (
    "layer 1, from the article's loss with λ = 0",
    "layer 3, from the article's loss with λ = 0",
    "layer 3, from the article's loss with λ = 0.01",
    "layer 1, from the article's first term alone with λ = 0",
    "layer 3, from deep supervision with λ = 0",
)


@lru_cache(maxsize=8)
def layer_gets(change: str) -> tuple[str, str]:
    g = torch.Generator().manual_seed(0)
    weights = [torch.randn(4, 4, generator=g, dtype=torch.float64).requires_grad_() for _ in range(3)]
    x, target = (torch.randn(8, 4, generator=g, dtype=torch.float64) for _ in range(2))
    given = [x]
    for w in weights:
        given.append(torch.tanh(given[-1] @ w.T))
    read = given[1:] if "deep" in change else given[:1] if "first term" in change else given[:-1]
    loss = torch.stack([0.5 * (f - target).square().mean() for f in read]).sum()
    if "0.01" in change:
        loss = loss + 0.01 * torch.stack([w.square().sum() for w in weights]).sum()
    w = weights[0 if "layer 1" in change else 2]
    grad = torch.autograd.grad(loss, w, allow_unused=True)[0] if loss.requires_grad else None
    if grad is None:
        return "nothing", "no gradient"
    penalty = "0.01" in change and torch.allclose(grad, 0.02 * w)
    length = f"gradient of length {float(grad.norm()):.2g}"
    return ("only the penalty", f"{length}, 2λ times the weights") if penalty else ("the teacher's answers", length)


_believing = believer(CHANGES, layer_gets)


REACHED = prediction(
    id="taylor_fo.1",
    title="Predict what reaches a layer",
    minutes=5,
    changes=CHANGES,
    found=layer_gets,
    answers=("the teacher's answers", "only the penalty", "nothing"),
    mistakes=(
        Mistake(
            "a term trains its own layer",
            _believing(c1="nothing"),
            "Its own term does not train layer 1, but those of layers 2 and 3 depend on what it gives.",
        ),
        Mistake(
            "λ = 0, and yet a penalty",
            _believing(c1="only the penalty"),
            "With λ = 0 there is no penalty. The terms of layers 2 and 3 depend on what layer 1 gives.",
        ),
        Mistake(
            "the last layer is trained like the others",
            _believing(c2="the teacher's answers"),
            "A term reads what *enters* a layer. What layer 3 gives enters no layer, so no term reads it.",
        ),
        Mistake(
            "a penalty of weight zero",
            _believing(c2="only the penalty"),
            "With λ = 0 there is no penalty either: layer 3 gets no gradient at all.",
        ),
        Mistake(
            "the penalty opens the way",
            _believing(c3="the teacher's answers"),
            "λ > 0 adds the penalty and nothing else: the distances still do not read what layer 3 gives.",
        ),
        Mistake(
            "the penalty forgotten",
            _believing(c3="nothing"),
            "The penalty λ‖θ‖² depends on the weights of layer 3 themselves: its gradient is 2 λ θ, which shrinks them.",
        ),
        Mistake(
            "the first term is about the first layer",
            _believing(c4="the teacher's answers"),
            "The first term reads f⁰, the input. No weight comes before it.",
        ),
        Mistake(
            "a penalty in the first term",
            _believing(c4="only the penalty"),
            "With λ = 0 there is no penalty; and the first term reads the input, which no weight changes.",
        ),
        Mistake(
            "deep supervision leaves the gap",
            _believing(c5="nothing"),
            "Deep supervision reads what each layer *gives*, and so the last one's answer, too.",
        ),
        Mistake(
            "deep supervision, and yet a penalty",
            _believing(c5="only the penalty"),
            "With λ = 0 there is no penalty. Deep supervision reads what layer 3 gives.",
        ),
    ),
    hints=(
        "For each term ask: which tensor does it read, and which weights were used to compute that tensor?",
        'The form:\n"layer 1, from the article\'s loss with λ = 0": "____",',
    ),
    takeaway="Term k trains the layers before k. The last layer is in nobody's past.",
)

# ---------------------------------------------------------------- taylor_fo.2


def layerwise(
    entering: list[Tensor], target: Tensor, maps: list[Tensor | None], parameters: list[Tensor], penalty: float
) -> Tensor:
    loss = torch.zeros((), dtype=target.dtype)
    for f, P in zip(entering, maps, strict=True):
        read = f.flatten(1) if P is None else f.flatten(1) @ P.T
        loss = loss + 0.5 * (read - target).square().mean()
    for theta in parameters:
        loss = loss + penalty * theta.square().sum()
    return loss


def _layer_terms(entering: list[Tensor], target: Tensor, maps: list[Tensor | None]) -> list[Tensor]:
    pairs = zip(entering, maps, strict=True)
    return [(f.flatten(1) if P is None else f.flatten(1) @ P.T) - target for f, P in pairs]


def _sizes(parameters: list[Tensor]) -> Any:
    return sum(theta.square().sum() for theta in parameters) if parameters else 0.0


def _layerwise_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g)

    two = [torch.tensor([[1.0]]), torch.tensor([[2.0]])]
    images, features, pooled, target = some(6, 1, 4, 4), some(6, 5), some(6, 3, 1, 1), some(6, 3)
    return [
        (two, torch.tensor([[4.0]]), [None, None], [torch.tensor([2.0]), torch.tensor([1.0])], 0.0),
        (two, torch.tensor([[4.0]]), [None, None], [torch.tensor([2.0]), torch.tensor([1.0])], 0.1),
        ([features], target, [some(3, 5)], [], 0.5),
        ([images, features, pooled], target, [some(3, 16), some(3, 5), None], [some(4, 4), some(3)], 0.0),
        ([images, features, pooled], target, [some(3, 16), some(3, 5), None], [some(4, 4), some(3)], 0.01),
    ]


LAYERWISE = Task(
    id="taylor_fo.2",
    title="The article's loss, literally",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=("by hand", "by hand, with a penalty", "one map, no parameters", "images and maps", "all of it"),
    inputs=_layerwise_inputs,
    reference=layerwise,
    gradient="entering",
    judge=close,
    mistakes=(
        Mistake(
            "no half",
            lambda e, t, m, p, w: sum(d.square().mean() for d in _layer_terms(e, t, m)) + w * _sizes(p),
            "The distances lack their ½.",
        ),
        Mistake(
            "no half, summed over the outputs",
            lambda e, t, m, p, w: sum(d.square().sum(1).mean() for d in _layer_terms(e, t, m)) + w * _sizes(p),
            "The distances lack their ½, and the squares are summed over the outputs where their mean is meant.",
        ),
        Mistake(
            "half of the penalty",
            lambda e, t, m, p, w: layerwise(e, t, m, p, w / 2),
            "The penalty is halved. The ½ belongs to the distances only.",
        ),
        Mistake(
            "summed over the outputs",
            lambda e, t, m, p, w: sum(0.5 * d.square().sum(1).mean() for d in _layer_terms(e, t, m)) + w * _sizes(p),
            "The squares are summed over the outputs. The mean is over images *and* outputs.",
        ),
        Mistake(
            "mean over the layers",
            lambda e, t, m, p, w: sum(0.5 * d.square().mean() for d in _layer_terms(e, t, m)) / len(e) + w * _sizes(p),
            "The distances are averaged over layers. The loss is their sum.",
        ),
        Mistake(
            "norm not squared",
            lambda e, t, m, p, w: (
                sum(0.5 * d.square().mean() for d in _layer_terms(e, t, m)) + w * sum(theta.norm() for theta in p)
            ),
            "The penalty takes the norms ‖θ‖, not their squares.",
        ),
        Mistake(
            "maps punished",
            lambda e, t, m, p, w: layerwise(e, t, m, [*p, *(P for P in m if P is not None)], w),
            "The maps P are in your penalty. It holds the layers' own parameters only.",
        ),
        Mistake(
            "penalty as a mean",
            lambda e, t, m, p, w: layerwise(e, t, m, [], 0.0) + w * sum(theta.square().mean() for theta in p),
            "The penalty averages the squares of the parameters. ‖θ‖² is their sum.",
        ),
        Mistake(
            "the first layer left out",
            lambda e, t, m, p, w: layerwise(e[1:], t, m[1:], p, w),
            "The first term, that of the input, is missing. It trains no weight of the network, yet belongs to the loss (and trains its map).",
        ),
        Mistake(
            "not flattened",
            lambda e, t, m, p, w: _unflattened(e, t, m, p, w),
            "What enters a layer is not flattened. An image has four dimensions: `f.flatten(1)`.",
        ),
        Mistake(
            "no parameters to stack",
            lambda e, t, m, p, w: (
                layerwise(e, t, m, p, w) + 0 * torch.stack([theta.square().sum() for theta in p]).sum()
            ),
            "`torch.stack` fails on an empty list. Begin the sum with 0.",
        ),
        Mistake(
            "layers without a map skipped",
            lambda e, t, m, p, w: layerwise(
                [f for f, P in zip(e, m, strict=True) if P is not None], t, [P for P in m if P is not None], p, w
            ),
            "A layer without a map is skipped. Where the map is None, what enters is compared as it is.",
        ),
        Mistake(
            "the example's 6.5",
            lambda e, t, m, p, w: 6.5,
            "6.5, the worked example's answer, came back for every input.",
        ),
        Mistake(
            "no penalty",
            lambda e, t, m, p, w: layerwise(e, t, m, p, 0.0),
            "The penalty is missing.",
        ),
        Mistake(
            "penalty not weighted",
            lambda e, t, m, p, w: layerwise(e, t, m, p, 1.0),
            "The penalty is added with its full size: its weight is not used.",
        ),
        Mistake(
            "the last layer left out",
            lambda e, t, m, p, w: layerwise(e[:-1], t, m[:-1], p, w),
            "The last layer's term is missing.",
        ),
        Mistake(
            "only the last layer",
            lambda e, t, m, p, w: layerwise(e[-1:], t, m[-1:], p, w),
            "Only the last layer's term is there. The loss has one for each layer: is the sum overwritten, or the `return` inside the loop?",
        ),
        Mistake(
            "only the first layer",
            lambda e, t, m, p, w: layerwise(e[:1], t, m[:1], p, w),
            "Only the first layer's term is there. Does the `return` stand inside the loop?",
        ),
        Mistake(
            "absolute distances",
            lambda e, t, m, p, w: sum(0.5 * d.abs().mean() for d in _layer_terms(e, t, m)) + w * _sizes(p),
            "The distances are absolute ones. Squares are asked for.",
        ),
        Mistake(
            "summed over everything",
            lambda e, t, m, p, w: sum(0.5 * d.square().sum() for d in _layer_terms(e, t, m)) + w * _sizes(p),
            "The squares are summed over images and outputs. Their mean is meant.",
        ),
        Mistake(
            "summed over the images",
            lambda e, t, m, p, w: sum(0.5 * d.square().sum(0).mean() for d in _layer_terms(e, t, m)) + w * _sizes(p),
            "The squares are summed over the images. The mean is over images *and* outputs.",
        ),
        Mistake(
            "penalty for every layer",
            lambda e, t, m, p, w: layerwise(e, t, m, p, w * len(e)),
            "The penalty is added once for each layer: it stands inside the loop. Once is enough.",
        ),
        Mistake(
            "as many parameters as layers",
            lambda e, t, m, p, w: layerwise(e[: len(p)], t, m[: len(p)], p[: len(e)], w),
            "`zip` ends with the shortest list: where there are fewer parameters than layers, terms get lost. Two loops, one for each sum.",
        ),
        Mistake(
            "no parameters to join",
            lambda e, t, m, p, w: layerwise(e, t, m, p, w) + 0 * torch.cat([theta.flatten() for theta in p]).sum(),
            "`torch.cat` fails on an empty list. Begin the sum with 0.",
        ),
        Mistake(
            "the largest singular value",
            lambda e, t, m, p, w: (
                layerwise(e, t, m, [], 0.0) + w * sum(torch.linalg.norm(theta, 2) ** 2 for theta in p)
            ),
            "`ord=2` of a matrix is its largest singular value. ‖θ‖² is the sum of all squares.",
        ),
    ),
    hints=(
        "Flatten what enters a layer to N×D. A map P is C×D: what does it take to get N×C?",
        "The skeleton, with blanks:\nloss = torch.zeros(())\nfor f, P in zip(entering, maps):\n    read = f.flatten(1) if P is None else f.flatten(1) @ ____\n"
        "    loss = loss + 0.5 * (read - target).square().____()\nfor theta in parameters:\n    loss = loss + penalty * ____\nreturn loss",
    ),
    takeaway="One line a term: what enters a layer, read by a linear map, against the teacher's answer.",
)


def _unflattened(e: list[Tensor], t: Tensor, m: list[Tensor | None], p: list[Tensor], w: float) -> Tensor:
    loss = w * _sizes(p)
    for f, P in zip(e, m, strict=True):
        loss = loss + 0.5 * ((f if P is None else f @ P.T) - t).square().mean()
    return torch.as_tensor(loss)


# ---------------------------------------------------------------- all

TASKS = [REACHED, LAYERWISE, staircases.STAIRCASE]

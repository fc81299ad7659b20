"""A gradient watched and guarded: one common limit for all layers, and its size in each layer of a deep network."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["GUARD", "NORMS", "guard", "norms"]

# ---------------------------------------------------------------- pitfalls.3


def guard(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    if not norm.isfinite():
        return [torch.zeros_like(gradient) for gradient in gradients]
    factor = min(1.0, limit / float(norm)) if norm > 0 else 1.0
    return [gradient * factor for gradient in gradients]


def _guard_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    nan, inf = float("nan"), float("inf")
    wide = [torch.randn(4, 3, generator=g), torch.randn(3, generator=g), 5 * torch.randn(2, 3, generator=g)]
    return [
        ([torch.tensor([3.0]), torch.tensor([4.0])], 1.0),
        ([torch.tensor([0.3]), torch.tensor([0.4])], 1.0),
        ([torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.tensor([0.0, -4.0])], 2.0),
        ([torch.zeros(2, 2), torch.zeros(3)], 1.0),
        ([torch.tensor([1.0, nan]), torch.tensor([2.0, 0.5])], 1.0),
        ([torch.tensor([0.1]), torch.tensor([inf, 1.0])], 5.0),
        (wide, 1.0),
        (wide, 100.0),
    ]


def _guard(
    gradients: Sequence[Tensor], limit: float, *, apart: bool = False, always: bool = False, squared: bool = False,
    total: bool = False, unsafe: str = "",
) -> list[Tensor]:  # fmt: skip
    """The answer with mistakes left in it."""
    kept = [torch.nan_to_num(v, 0.0, 0.0, 0.0) for v in gradients] if unsafe == "entries" else list(gradients)
    sizes = torch.stack([value.norm() for value in kept])
    norm = sizes.square().sum() if squared else sizes.sum() if total else sizes.norm()
    if not unsafe and not norm.isfinite():
        return [torch.zeros_like(value) for value in kept]
    norms = list(sizes) if apart else [norm] * len(kept)
    factors = [1.0 if n == 0 or (n <= limit and not always) else limit / n for n in norms]
    return [value * factor for value, factor in zip(kept, factors, strict=True)]


GUARD = Task(
    id="pitfalls.3",
    title="Mend a gradient guard",
    kind="debug",
    difficulty="core",
    minutes=8,
    points=3,
    rungs=(
        "two numbers",
        "within the limit",
        "two layers",
        "nothing at all",
        "a NaN",
        "an infinity",
        "three layers",
        "a high limit",
    ),
    inputs=_guard_inputs,
    reference=guard,
    judge=close,
    mistakes=(
        Mistake(
            "each layer for itself",
            lambda v, limit: _guard(v, limit, apart=True),
            "Each tensor has a limit of its own, which turns the step into another direction. One norm, of all together.",
        ),
        Mistake(
            "always as long as the limit",
            lambda v, limit: _guard(v, limit, always=True),
            "A gradient that is within the limit was made longer. Leave it as it is.",
        ),
        Mistake(
            "the square of the norm",
            lambda v, limit: _guard(v, limit, squared=True),
            "The root is missing: this is the norm's square.",
        ),
        Mistake(
            "norms added up",
            lambda v, limit: _guard(v, limit, total=True),
            "The layers' norms were added. The common norm is the root of the sum of their *squares*.",
        ),
        Mistake(
            "NaN let through",
            lambda v, limit: _guard(v, limit, unsafe="through"),
            "The norm is not finite, and the step is taken all the same: one NaN would spoil every weight. Return zeros.",
        ),
        Mistake(
            "only the bad entries removed",
            lambda v, limit: _guard(v, limit, unsafe="entries"),
            "Only the entries that are not finite became zero. The rest of such a step is worth nothing: zeros everywhere.",
        ),
        Mistake(
            "each value cut off",
            lambda v, limit: [value.clamp(-limit, limit) for value in v],
            "Each *value* was cut off at the limit, which changes the direction. Multiply all by one factor.",
        ),
        Mistake(
            "zeros above the limit",
            lambda v, limit: _dropped(v, limit),
            "A gradient above the limit became zero. Shorten it: its direction is worth keeping.",
        ),
        Mistake(
            "nothing done",
            lambda v, limit: list(v),
            "The gradients came back as they were.",
        ),
        Mistake(
            "to length one",
            lambda v, limit: [value / limit for value in _guard(v, limit)],
            "The longest allowed gradient has length `limit`, not one.",
        ),
        Mistake(
            "the largest value as the norm",
            lambda v, limit: _by_largest(v, limit),
            "The largest value stands for the norm. Take the root of the sum of all squares.",
        ),
    ),
    hints=(
        "Three questions. Is there one norm for all layers? What becomes of a gradient that is short enough? And of NaN?",
        "With blanks:\nnorm = torch.stack([g.____() for g in gradients]).norm()\nif not norm.____():\n    return [torch.zeros_like(g) for g in gradients]\nfactor = min(1.0, ____ / norm) if norm > 0 else 1.0\nreturn [g * ____ for g in gradients]",
    ),
    takeaway="Clipping shortens the whole gradient by one factor: its direction stays, and what is not finite is no step.",
)


def _dropped(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    norm = torch.stack([value.norm() for value in gradients]).norm()
    kept = bool(norm.isfinite()) and bool(norm <= limit)
    return [value if kept else torch.zeros_like(value) for value in gradients]


def _by_largest(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    norm = torch.stack([value.abs().max() for value in gradients]).max()
    if not norm.isfinite():
        return [torch.zeros_like(value) for value in gradients]
    return [value * (min(1.0, limit / float(norm)) if norm > 0 else 1.0) for value in gradients]


# ---------------------------------------------------------------- pitfalls.5


def norms(weights: Sequence[Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
    trained = [weight.clone().requires_grad_() for weight in weights]
    signal = inputs
    for weight in trained[:-1]:
        signal = torch.tanh(signal @ weight.T)
    loss = (signal @ trained[-1].T - targets).square().sum(dim=1).mean() / 2
    return torch.stack([gradient.norm() for gradient in torch.autograd.grad(loss, trained)])


def _norms_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def net(*widths: int, factor: float = 1.0) -> list[Tensor]:
        pairs = itertools.pairwise(widths)
        return [factor * torch.randn(n, m, generator=g) / m**0.5 for m, n in pairs]

    def rows(n: int, width: int) -> Tensor:
        return torch.randn(n, width, generator=g)

    return [
        ([torch.tensor([[2.0]])], torch.tensor([[1.0]]), torch.tensor([[1.0]])),
        ([torch.tensor([[1.0]]), torch.tensor([[2.0]])], torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5], [0.0]])),
        (net(4, 3, 2), rows(5, 4), rows(5, 2)),
        (net(4, *[6] * 5, 3, factor=0.4), rows(4, 4), rows(4, 3)),
        (net(3, *[6] * 3, 2, factor=1.5), rows(6, 3), rows(6, 2)),
    ]


def _gradients(
    weights: Sequence[Tensor], inputs: Tensor, targets: Tensor, *, last: bool = False, bent: str = "tanh",
    half: float = 2.0, over: str = "batch",
) -> list[Tensor]:  # fmt: skip
    """Each matrix's gradient, with mistakes left in it."""
    bend = {"tanh": torch.tanh, "relu": torch.relu, "not": torch.clone}[bent]
    trained = [weight.clone().requires_grad_() for weight in weights]
    signal = inputs
    for weight in trained[:-1]:
        signal = bend(signal @ weight.T)
    answer = signal @ trained[-1].T
    errors = ((torch.tanh(answer) if last else answer) - targets).square()
    loss = errors.sum() if over == "none" else errors.mean() if over == "all" else errors.sum(dim=1).mean()
    return list(torch.autograd.grad(loss / half, trained))


def _norms(weights: Sequence[Tensor], inputs: Tensor, targets: Tensor, **mistakes: Any) -> Tensor:
    return torch.stack([gradient.norm() for gradient in _gradients(weights, inputs, targets, **mistakes)])


NORMS = Task(
    id="pitfalls.5",
    title="Watch a gradient on its way down",
    kind="implement",
    difficulty="stretch",
    minutes=12,
    points=3,
    rungs=("one weight", "two weights", "two layers", "six layers, small weights", "four layers, large weights"),
    inputs=_norms_inputs,
    reference=norms,
    judge=close,
    mistakes=(
        Mistake(
            "tanh on the answer, too",
            lambda w, x, y: _norms(w, x, y, last=True),
            "The last layer's answer went through tanh as well. Only the layers before it do.",
        ),
        Mistake(
            "without tanh",
            lambda w, x, y: _norms(w, x, y, bent="not"),
            "Nothing is bent between the layers: tanh is missing.",
        ),
        Mistake(
            "without the half",
            lambda w, x, y: _norms(w, x, y, half=1.0),
            "Every norm is twice as large: the loss has a factor ½.",
        ),
        Mistake(
            "the sum over the images",
            lambda w, x, y: _norms(w, x, y, over="none"),
            "The loss is added up over the images. Take its mean over them.",
        ),
        Mistake(
            "the mean over the outputs",
            lambda w, x, y: _norms(w, x, y, over="all"),
            "The loss is a mean over the outputs, too. Add them up for each image, then take the mean over the images.",
        ),
        Mistake(
            "squares",
            lambda w, x, y: norms(w, x, y).square(),
            "These are the squares of the norms.",
        ),
        Mistake(
            "the other way round",
            lambda w, x, y: norms(w, x, y).flip(0),
            "The order is the other way round: the layer next to the inputs comes first.",
        ),
        Mistake(
            "the weights' own norms",
            lambda w, x, y: torch.stack([one.norm() for one in w]),
            "These are the norms of the weights. The norms of their *gradients* are asked for.",
        ),
        Mistake(
            "the mean of the entries' sizes",
            lambda w, x, y: torch.stack([value.abs().mean() for value in _gradients(w, x, y)]),
            "The mean absolute value came back. A norm is the root of the sum of all squares.",
        ),
        Mistake(
            "relu",
            lambda w, x, y: _norms(w, x, y, bent="relu"),
            "The layers are bent by ReLU here, and should be by tanh.",
        ),
        Mistake(
            "one norm of all",
            lambda w, x, y: norms(w, x, y).norm(),
            "One number for the whole network came back. Each layer has its own.",
        ),
    ),
    hints=(
        "Give each weight a gradient (`requires_grad_()` on a copy), compute the loss, then ask `torch.autograd.grad`.",
        "With blanks:\nfor weight in trained[:-1]:\n    signal = torch.____(signal @ weight.T)\nloss = (signal @ trained[____].T - targets).square().sum(dim=1).____() / 2\nreturn torch.stack([g.____() for g in torch.autograd.grad(loss, trained)])",
    ),
    takeaway="Each layer has its own gradient: look at the first one's norm beside the last one's before you blame the data.",
)

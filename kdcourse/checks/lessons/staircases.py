"""A task of the lesson on the layer-wise loss: which layer each term's gradient reaches."""

from collections.abc import Callable

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

# ---------------------------------------------------------------- taylor_fo.3


def staircase(weights: list[Tensor], x: Tensor, target: Tensor, own_output: bool) -> Tensor:
    weights = [w.detach().clone().requires_grad_() for w in weights]
    given = [x]
    for w in weights:
        given.append(torch.tanh(given[-1] @ w.T))
    table = torch.zeros(len(weights), len(weights), dtype=x.dtype)
    for k, f in enumerate(given[1:] if own_output else given[:-1]):
        if f.requires_grad:
            term = 0.5 * (f - target).square().mean()
            gradients = torch.autograd.grad(term, weights, allow_unused=True, retain_graph=True)
            table[k] = torch.stack([torch.zeros_like(x[0, 0]) if g is None else g.norm() for g in gradients])
    return table


def _stairs(
    weights: list[Tensor], x: Tensor, target: Tensor, own_output: bool, *, factor: float = 0.5, summed: bool = False,
    squared: bool = False, piled: bool = False, entries: bool = False,
) -> Tensor:  # fmt: skip
    """The answer with mistakes left in it."""
    weights = [w.detach().clone().requires_grad_() for w in weights]
    given = [x]
    for w in weights:
        given.append(torch.tanh(given[-1] @ w.T))
    rows, before = [], [torch.zeros_like(w) for w in weights]
    for f in given[1:] if own_output else given[:-1]:
        found = list(before) if piled else [torch.zeros_like(w) for w in weights]
        if f.requires_grad:
            square = (f - target).square()
            term = factor * (square.sum() if summed else square.mean())
            gradients = torch.autograd.grad(term, weights, allow_unused=True, retain_graph=True)
            found = [a if g is None else a + g for a, g in zip(found, gradients, strict=True)]
        before = found
        rows.append(
            torch.stack([g.square().sum() if squared else g.abs().mean() if entries else g.norm() for g in found])
        )
    return torch.stack(rows)


def _stairs_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def net(layers: int, width: int) -> tuple[list[Tensor], Tensor, Tensor]:
        weights = [0.7 * torch.randn(width, width, generator=g) for _ in range(layers)]
        return weights, torch.randn(6, width, generator=g), torch.randn(6, width, generator=g)

    two = ([torch.tensor([[1.0]]), torch.tensor([[2.0]])], torch.tensor([[1.0]]), torch.tensor([[0.0]]))
    three, four = net(3, 4), net(4, 5)
    return [(*two, False), (*three, False), (*three, True), (*four, False), (*four, True)]


STAIRCASE = Task(
    id="taylor_fo.3",
    title="Measure the staircase",
    kind="implement",
    difficulty="core",
    minutes=12,
    points=3,
    rungs=("two layers by hand", "three layers", "deep supervision", "four layers", "four layers, deep supervision"),
    inputs=_stairs_inputs,
    reference=staircase,
    judge=close,
    mistakes=(
        Mistake(
            "rows and columns exchanged",
            lambda *args: staircase(*args).T,
            "Rows and columns are exchanged: a row is a term, a column a layer.",
        ),
        Mistake(
            "always what enters",
            lambda w, x, t, own: staircase(w, x, t, False),
            "With own_output=True the terms read what each layer *gives*. Yours still read what enters.",
        ),
        Mistake(
            "always what it gives",
            lambda w, x, t, own: staircase(w, x, t, True),
            "With own_output=False the terms read what *enters* a layer: the input first, and never the last output.",
        ),
        Mistake(
            "the two exchanged",
            lambda w, x, t, own: staircase(w, x, t, not own),
            "own_output is read the wrong way round: True means what the layers give.",
        ),
        Mistake(
            "no half",
            lambda *args: _stairs(*args, factor=1.0),
            "The terms lack their ½, so every gradient is twice as long.",
        ),
        Mistake(
            "summed, not averaged",
            lambda *args: _stairs(*args, summed=True),
            "The squares are summed. A term is their mean over images and outputs.",
        ),
        Mistake(
            "squared lengths",
            lambda *args: _stairs(*args, squared=True),
            "These are squared lengths. The length is the root of the sum of squares: g.norm().",
        ),
        Mistake(
            "mean size of the entries",
            lambda *args: _stairs(*args, entries=True),
            "This is the mean size of a gradient's entries. Its length is g.norm().",
        ),
        Mistake(
            "gradients pile up",
            lambda *args: _stairs(*args, piled=True),
            "The gradient of one term is added to the last one's: `.grad` accumulates. Clear it between terms, or use torch.autograd.grad.",
        ),
        Mistake(
            "the last layer linear",
            lambda w, x, t, own: _other_stairs(w, x, t, own, linear_end=True),
            "The last layer has no tanh. Every layer gives tanh(f Wᵀ).",
        ),
        Mistake(
            "not transposed",
            lambda w, x, t, own: _other_stairs(w, x, t, own, transposed=False),
            "The layers multiply by W. A layer gives tanh(f Wᵀ): the transpose.",
        ),
        Mistake(
            "only the shape",
            lambda w, x, t, own: (staircase(w, x, t, own) > 0).to(x.dtype),
            "Ones stand where a gradient arrives. Its *length* is asked for.",
        ),
        Mistake(
            "NaN for nothing",
            lambda w, x, t, own: torch.where(staircase(w, x, t, own) == 0, torch.nan, staircase(w, x, t, own)),
            "NaN stands where no gradient arrives. Nothing arrives there: 0.",
        ),
        Mistake(
            "layers cut off",
            lambda w, x, t, own: _cut_stairs(w, x, t, own),
            "What enters each layer is detached, so a term reaches only the layer that made what it reads. Let the graph go on through all layers.",
        ),
        Mistake(
            "one term for all",
            lambda w, x, t, own: staircase(w, x, t, own).sum(0).expand(len(w), -1),
            "All rows are the same: the lengths of all terms together. Each row is one term's own.",
        ),
        Mistake(
            "no images averaged",
            lambda *args: _stairs(*args, summed=True, factor=1.0),
            "The squares are summed, and the ½ is missing. A term is half of their mean.",
        ),
        Mistake(
            "the largest entry",
            lambda w, x, t, own: _other_stairs(w, x, t, own, length=lambda g: g.abs().max()),
            "This is the largest entry of each gradient. Its length is g.norm().",
        ),
        Mistake(
            "ReLU for tanh",
            lambda w, x, t, own: _other_stairs(w, x, t, own, act=torch.relu),
            "The layers use ReLU. Every layer gives tanh(f Wᵀ).",
        ),
        Mistake(
            "no tanh",
            lambda w, x, t, own: _other_stairs(w, x, t, own, act=lambda f: f),
            "The tanh is missing: every layer gives tanh(f Wᵀ).",
        ),
        Mistake(
            "the target's length",
            lambda w, x, t, own: torch.zeros(len(w), len(w), dtype=x.dtype),
            "Zeros came back everywhere. Does a gradient reach the weights? They must require one, and be those that the terms were computed with.",
        ),
        Mistake(
            "own term alone",
            lambda w, x, t, own: staircase(w, x, t, own).diagonal().diag(),
            "Only the diagonal is filled. A term reaches all layers that come before what it reads.",
        ),
    ),
    hints=(
        "Keep all f in a list. For one term at a time: torch.autograd.grad(term, weights, allow_unused=True, retain_graph=True) gives None where nothing arrives.",
        "The skeleton, with blanks:\ngiven = [x]\nfor w in weights:\n    given.append(torch.tanh(____))\n"
        "for k, f in enumerate(given[1:] if own_output else ____):\n    if f.requires_grad:\n"
        "        term = 0.5 * (f - target).square().____()\n"
        "        gradients = torch.autograd.grad(term, weights, allow_unused=True, retain_graph=True)\n        table[k] = ____",
    ),
    takeaway="A gradient's length, layer by layer, shows at a glance what a loss teaches and what it leaves alone.",
)


def _other_stairs(
    weights: list[Tensor], x: Tensor, target: Tensor, own: bool, *, linear_end: bool = False, transposed: bool = True,
    act: Callable[[Tensor], Tensor] = torch.tanh, length: Callable[[Tensor], Tensor] = torch.norm,
) -> Tensor:  # fmt: skip
    weights = [w.detach().clone().requires_grad_() for w in weights]
    given = [x]
    for at, w in enumerate(weights, 1):
        f = given[-1] @ (w.T if transposed else w)
        given.append(f if linear_end and at == len(weights) else act(f))
    table = torch.zeros(len(weights), len(weights), dtype=x.dtype)
    for k, f in enumerate(given[1:] if own else given[:-1]):
        if f.requires_grad:
            term = 0.5 * (f - target).square().mean()
            found = torch.autograd.grad(term, weights, allow_unused=True, retain_graph=True)
            table[k] = torch.stack([torch.zeros_like(x[0, 0]) if g is None else length(g) for g in found])
    return table


def _cut_stairs(weights: list[Tensor], x: Tensor, target: Tensor, own_output: bool) -> Tensor:
    table = torch.zeros(len(weights), len(weights), dtype=x.dtype)
    f = x
    for k, w in enumerate(weights):
        at = w.detach().clone().requires_grad_()
        given = torch.tanh(f @ at.T)
        (slope,) = torch.autograd.grad(0.5 * (given - target).square().mean(), at)
        row = k if own_output else k + 1
        if row < len(weights):
            table[row, k] = slope.norm()
        f = given.detach()
    return table

"""Exercises: what reaches a layer, the layer-wise loss, and the staircase of its gradients, measured."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task

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
    ),
    hints=(
        "Flatten what enters a layer to N×D. A map P is C×D: what does it take to get N×C?",
        "The skeleton, with blanks:\nloss = torch.zeros(())\nfor f, P in zip(entering, maps):\n    read = f.flatten(1) if P is None else f.flatten(1) @ ____\n"
        "    loss = loss + 0.5 * (read - target).square().____()\nfor theta in parameters:\n    loss = loss + penalty * ____\nreturn loss",
    ),
    takeaway="One line a term: what enters a layer, read by a linear map, against the teacher's answer.",
)

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


def _unflattened(e: list[Tensor], t: Tensor, m: list[Tensor | None], p: list[Tensor], w: float) -> Tensor:
    loss = w * _sizes(p)
    for f, P in zip(e, m, strict=True):
        loss = loss + 0.5 * ((f if P is None else f @ P.T) - t).square().mean()
    return torch.as_tensor(loss)


def _other_stairs(
    weights: list[Tensor], x: Tensor, target: Tensor, own: bool, *, linear_end: bool = False, transposed: bool = True
) -> Tensor:  # fmt: skip
    weights = [w.detach().clone().requires_grad_() for w in weights]
    given = [x]
    for at, w in enumerate(weights, 1):
        f = given[-1] @ (w.T if transposed else w)
        given.append(f if linear_end and at == len(weights) else torch.tanh(f))
    table = torch.zeros(len(weights), len(weights), dtype=x.dtype)
    for k, f in enumerate(given[1:] if own else given[:-1]):
        if f.requires_grad:
            term = 0.5 * (f - target).square().mean()
            found = torch.autograd.grad(term, weights, allow_unused=True, retain_graph=True)
            table[k] = torch.stack([torch.zeros_like(x[0, 0]) if g is None else g.norm() for g in found])
    return table


# ---------------------------------------------------------------- all

TASKS = [REACHED, LAYERWISE, STAIRCASE]

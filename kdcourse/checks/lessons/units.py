"""Tasks about hidden units: what each is worth, by one backward pass and by an oracle.

The network is handed over as tensors: logits = relu(inputs @ first.T) @ second.T.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

# ---------------------------------------------------------------- channel_importance.2


def importance(batches: list[tuple[Tensor, Tensor]], first: Tensor, second: Tensor) -> Tensor:
    total = torch.zeros(len(first), dtype=first.dtype)
    for inputs, labels in batches:
        gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
        logits = (torch.relu(inputs @ first.T) * gate) @ second.T
        (slope,) = torch.autograd.grad(F.cross_entropy(logits, labels), gate)
        total += slope.square() / len(batches)
    return total


def _slopes(
    batches: list[tuple[Tensor, Tensor]], first: Tensor, second: Tensor, reduction: str = "mean"
) -> list[Tensor]:
    found: list[Tensor] = []
    for inputs, labels in batches:
        gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
        logits = (torch.relu(inputs @ first.T) * gate) @ second.T
        found += torch.autograd.grad(F.cross_entropy(logits, labels, reduction=reduction), gate)
    return found


def _image_slopes(batches: list[tuple[Tensor, Tensor]], first: Tensor, second: Tensor) -> Tensor:
    """Squared image by image, then averaged."""
    images = [[(x[i : i + 1], y[i : i + 1]) for i in range(len(x))] for x, y in batches]
    return torch.stack([importance(one, first, second) for one in images]).mean(dim=0)


def _hidden_slopes(batches: list[tuple[Tensor, Tensor]], first: Tensor, second: Tensor) -> Tensor:
    """By the units' outputs in place of gates: (sum over images of dL/dh)^2."""
    found = []
    for inputs, labels in batches:
        hidden = torch.relu(inputs @ first.T).requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(hidden @ second.T, labels), hidden)
        found.append(slope.sum(dim=0))
    return torch.stack(found).square().mean(dim=0)


def _weight_slopes(batches: list[tuple[Tensor, Tensor]], first: Tensor, second: Tensor, times: bool) -> Tensor:
    """Sum over a unit's weights of (dL/dw)^2, or of (w dL/dw)^2."""
    total = torch.zeros(len(first), dtype=first.dtype)
    for inputs, labels in batches:
        w = first.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(torch.relu(inputs @ w.T) @ second.T, labels), w)
        total += ((first if times else 1.0) * slope).square().sum(dim=1) / len(batches)
    return total


def network(g: torch.Generator, inputs: int, units: int, classes: int) -> tuple[Tensor, Tensor]:
    return torch.randn(units, inputs, generator=g), torch.randn(classes, units, generator=g)


def _batch(g: torch.Generator, n: int, inputs: int, classes: int) -> tuple[Tensor, Tensor]:
    return torch.randn(n, inputs, generator=g), torch.randint(0, classes, (n,), generator=g)


def _importance_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    by_hand = (torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    first, second = network(g, 6, 8, 4)
    dead = first.clone()
    dead[3] = 0.0  # a unit that is always silent
    return [
        ([(torch.tensor([[1.0]]), torch.tensor([1]))], *by_hand),
        ([_batch(g, 16, 6, 4)], first, second),
        ([_batch(g, n, 6, 4) for n in (16, 8, 16)], first, second),
        ([_batch(g, 16, 6, 4) for _ in range(2)], dead, second),
    ]


IMPORTANCE = Task(
    id="channel_importance.2",
    title="Importance by one backward pass",
    kind="implement",
    difficulty="core",
    minutes=12,
    points=3,
    rungs=("two units by hand", "one batch", "three batches", "a silent unit"),
    inputs=_importance_inputs,
    reference=importance,
    judge=close,
    mistakes=(
        Mistake(
            "averaged before squaring",
            lambda b, first, second: torch.stack(_slopes(b, first, second)).mean(dim=0).square(),
            "The gradients are averaged over batches *before* they are squared, so that they cancel. Square each batch's first.",
        ),
        Mistake(
            "one big batch",
            lambda b, first, second: importance(
                [(torch.cat([x for x, _ in b]), torch.cat([y for _, y in b]))], first, second
            ),
            "The batches are taken as one. Each batch has its own loss, its own gradient and its own square; average those.",
        ),
        Mistake(
            "gradients pile up",
            lambda b, first, second: torch.stack(_slopes(b, first, second)).cumsum(dim=0).square().mean(dim=0),
            "The gradient of one batch is added to the last one's: `.grad` accumulates. Take a fresh gate, or clear it, for each batch.",
        ),
        Mistake(
            "image by image",
            _image_slopes,
            "The gradient is squared image by image. The loss is that of the batch, so square the batch's gradient.",
        ),
        Mistake(
            "gradient by the unit",
            _hidden_slopes,
            "This is the gradient by what the unit *gives*. A gate multiplies it, so its gradient is that times the output, summed over images.",
        ),
        Mistake(
            "not squared",
            lambda b, first, second: torch.stack(_slopes(b, first, second)).mean(dim=0),
            "These are the gradients themselves. A unit whose removal *lowers* the loss matters too: square them.",
        ),
        Mistake(
            "absolute value",
            lambda b, first, second: torch.stack(_slopes(b, first, second)).abs().mean(dim=0),
            "These are absolute values of the gradients; the importance here is their square.",
        ),
        Mistake(
            "summed over images",
            lambda b, first, second: torch.stack(_slopes(b, first, second, "sum")).square().mean(dim=0),
            "The loss is summed over images. It is their mean: the score must not grow with the batch.",
        ),
        Mistake(
            "summed over batches",
            lambda b, first, second: torch.stack(_slopes(b, first, second)).square().sum(dim=0),
            "The squares are summed over batches. Average them.",
        ),
        Mistake(
            "gradient of the weights",
            lambda b, first, second: _weight_slopes(b, first, second, times=False),
            "These are squared gradients by the *weights*. Removing a weight moves it by −w, not by −1. Use a gate, which stands at 1.",
        ),
        Mistake(
            "weights one by one",
            lambda b, first, second: _weight_slopes(b, first, second, times=True),
            "(w ∂L/∂w)² is squared weight by weight and then summed. A unit is removed as a whole: sum first, or use a gate.",
        ),
        Mistake(
            "no ReLU",
            lambda b, first, second: _without_relu(b, first, second),
            "The ReLU is forgotten: hidden units are `relu(inputs @ first.T)`.",
        ),
        Mistake(
            "return inside the loop",
            lambda b, first, second: importance(b[:1], first, second),
            "The `return` stands inside the loop, so only the first batch is asked.",
        ),
        Mistake(
            "softmax twice",
            lambda b, first, second: _softmax_twice(b, first, second),
            "cross_entropy gets probabilities. It takes logits and makes the softmax itself.",
        ),
        Mistake(
            "weighted by images",
            lambda b, first, second: (
                sum(s.square() * len(x) for s, (x, _) in zip(_slopes(b, first, second), b, strict=True))
                / sum(len(x) for x, _ in b)
            ),
            "Each batch's square is weighted by its number of images. Asked for is the plain mean over the batches.",
        ),
        Mistake(
            "the example's numbers",
            lambda b, first, second: torch.cat([torch.tensor([0.534]), torch.zeros(len(first) - 1)]),
            "0.534 and zeros, the worked example's answer, came back for every input.",
        ),
        Mistake(
            "the last batch alone",
            lambda b, first, second: importance(b[-1:], first, second),
            "Only the last batch counts: each batch overwrites what the one before gave. Add up.",
        ),
        Mistake(
            "divided twice",
            lambda b, first, second: importance(b, first, second) / len(b),
            "The mean over the batches is taken twice.",
        ),
        Mistake(
            "the gate at zero",
            lambda b, first, second: _at_gate(b, first, second, 0.0),
            "The gates stand at 0, so nothing passes. They stand at 1: the network as it is.",
        ),
        Mistake(
            "the loss times the gradient",
            lambda b, first, second: torch.stack(_slopes(b, first, second)).abs().max(dim=0).values.square(),
            "The largest of the batches' squares came back. Average them.",
        ),
        Mistake(
            "the size of the weights",
            lambda b, first, second: first.square().sum(dim=1),
            "This is the size of the unit's weights; the loss is never asked.",
        ),
    ),
    hints=(
        "Multiply the hidden units by a vector of ones that requires a gradient. What is the gradient by that vector?",
        "The skeleton, with blanks:\ntotal = torch.zeros(len(first))\nfor inputs, labels in batches:\n"
        "    gate = torch.ones(len(first), requires_grad=True)\n"
        "    logits = (torch.relu(inputs @ first.T) * ____) @ second.T\n"
        "    (slope,) = torch.autograd.grad(____, gate)\n    total += ____ / len(batches)\nreturn total",
    ),
    takeaway="All gates hang on one loss, so one backward pass prices every unit.",
)

# ---------------------------------------------------------------- channel_importance.3


def oracle(inputs: Tensor, labels: Tensor, first: Tensor, second: Tensor) -> Tensor:
    hidden = torch.relu(inputs @ first.T)
    whole = F.cross_entropy(hidden @ second.T, labels)
    changes = []
    for unit in range(len(first)):
        without = hidden.clone()
        without[:, unit] = 0
        changes.append(F.cross_entropy(without @ second.T, labels) - whole)
    return torch.stack(changes).square()


def _oracle(
    x: Tensor, y: Tensor, first: Tensor, second: Tensor, *, restored: bool = True, change: bool = True,
    square: bool = True, only: bool = False,
) -> Tensor:  # fmt: skip
    """The oracle with bugs left in it: units not put back, the loss in place of its change, no square, only one kept."""
    hidden = torch.relu(x @ first.T)
    whole, found = F.cross_entropy(hidden @ second.T, y), []
    for unit in range(len(first)):
        at = hidden.clone() if restored else hidden
        if only:
            at[:, torch.arange(len(first)) != unit] = 0
        else:
            at[:, unit] = 0
        found.append(F.cross_entropy(at @ second.T, y) - (whole if change else 0.0))
    return torch.stack(found).square() if square else torch.stack(found)


def _oracle_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    two = torch.tensor([[1.0], [2.0]])
    first, second = network(g, 6, 8, 4)
    silent = first.clone()
    silent[0] = 0.0
    return [
        (torch.tensor([[1.0]]), torch.tensor([1]), two[:1], torch.tensor([[1.0], [0.0]])),
        (torch.tensor([[1.0]]), torch.tensor([1]), two, torch.tensor([[1.0, 0.0], [0.0, 0.5]])),
        (*_batch(g, 16, 6, 4), first, second),
        (*_batch(g, 16, 6, 4), silent, second),
    ]


ORACLE = Task(
    id="channel_importance.3",
    title="Debug an oracle",
    kind="debug",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=("one unit", "two units by hand", "random", "a silent unit"),
    inputs=_oracle_inputs,
    reference=oracle,
    judge=close,
    mistakes=(
        Mistake(
            "as given",
            lambda x, y, a, b: _oracle(x, y, a, b, restored=False, change=False, square=False),
            "This computes what the given code computes. Three things are wrong; the first: the score is the loss itself, "
            "not its *change*. (A silent unit must score 0.)",
        ),
        Mistake(
            "change mended",
            lambda x, y, a, b: _oracle(x, y, a, b, restored=False, square=False),
            "The change is right now. Two bugs are left: a unit that was removed is never put back, and nothing is squared.",
        ),
        Mistake(
            "only put back",
            lambda x, y, a, b: _oracle(x, y, a, b, change=False, square=False),
            "The units are put back now. Two bugs are left: the score is the loss itself, not its change, and nothing is squared.",
        ),
        Mistake(
            "only squared",
            lambda x, y, a, b: _oracle(x, y, a, b, restored=False, change=False),
            "Squared, and two bugs are left: the score is the loss itself, not its change, and no unit is ever put back.",
        ),
        Mistake(
            "absolute value",
            lambda x, y, a, b: _oracle(x, y, a, b, square=False).abs(),
            "These are absolute changes of the loss; the score is their square.",
        ),
        Mistake(
            "not put back",
            lambda x, y, a, b: _oracle(x, y, a, b, restored=False),
            "The units are removed one after the other and never put back: the last score is that of an empty layer.",
        ),
        Mistake(
            "not squared",
            lambda x, y, a, b: _oracle(x, y, a, b, square=False),
            "Only the square is missing: a removal that lowers the loss is a change, too.",
        ),
        Mistake(
            "the loss itself",
            lambda x, y, a, b: _oracle(x, y, a, b, change=False),
            "This squares the loss without the unit. The score is the squared *difference* from the whole network's loss.",
        ),
        Mistake(
            "the only unit left",
            lambda x, y, a, b: _oracle(x, y, a, b, only=True),
            "Here all *other* units are removed. Remove one, keep the others.",
        ),
        Mistake(
            "relative change",
            lambda x, y, a, b: oracle(x, y, a, b) / F.cross_entropy(torch.relu(x @ a.T) @ b.T, y).square(),
            "The change is divided by the whole network's loss. Asked for is the squared change itself.",
        ),
        Mistake(
            "no ReLU",
            lambda x, y, a, b: _linear_oracle(x, y, a, b),
            "The ReLU is forgotten: hidden units are `relu(inputs @ first.T)`.",
        ),
        Mistake(
            "the price",
            lambda x, y, a, b: importance([(x, y)], a, b),
            "This is the squared slope at an open gate, the price of the task before. The oracle really shuts the unit and looks.",
        ),
        Mistake(
            "each image's change squared",
            lambda x, y, a, b: torch.stack([oracle(x[i : i + 1], y[i : i + 1], a, b) for i in range(len(x))]).mean(
                dim=0
            ),
            "Each image's own change is squared, then averaged. The batch has *one* loss: square its change.",
        ),
        Mistake(
            "squares subtracted",
            lambda x, y, a, b: _changes(x, y, a, b, squares=True),
            "The squared losses are subtracted. The *difference* is squared.",
        ),
        Mistake(
            "only a rise counts",
            lambda x, y, a, b: _changes(x, y, a, b).clamp(min=0).square(),
            "A fall of the loss counts as 0. It is a change, too: square the difference as it is.",
        ),
        Mistake(
            "replaced by its mean",
            lambda x, y, a, b: _changes(x, y, a, b, to="mean").square(),
            "The unit is replaced by a mean. Removed means 0.",
        ),
        Mistake(
            "set to one",
            lambda x, y, a, b: _changes(x, y, a, b, to="one").square(),
            "The unit is set to 1. Removed means 0.",
        ),
        Mistake(
            "turned round",
            lambda x, y, a, b: -_changes(x, y, a, b),
            "The change has the other sign, and nothing is squared.",
        ),
        Mistake(
            "an image for a unit",
            lambda x, y, a, b: _changes(x, y, a, b, row=True).square(),
            "`hidden[unit]` is an *image*, a row. The unit is a column: `hidden[:, unit]`.",
        ),
        Mistake(
            "the first unit each time",
            lambda x, y, a, b: oracle(x, y, a, b)[:1].expand(len(a)),
            "The first unit is removed each time. Use the loop's number.",
        ),
    ),
    hints=(
        "Begin with the line printed above: a silent unit gives 0 for every image, so what changes when it is removed?",
        "The skeleton, with blanks:\nhidden = torch.relu(inputs @ first.T)\n"
        "whole, changes = F.cross_entropy(hidden @ second.T, labels), []\nfor unit in range(len(first)):\n"
        "    without = hidden.____()\n    without[:, unit] = 0\n    changes.append(____ - ____)\nreturn torch.stack(changes).____()",
    ),
    takeaway="The oracle asks about one removal at a time, from the whole network each time.",
)


def _without_relu(batches: list[tuple[Tensor, Tensor]], first: Tensor, second: Tensor) -> Tensor:
    found: list[Tensor] = []
    for inputs, labels in batches:
        gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
        found += torch.autograd.grad(F.cross_entropy((inputs @ first.T * gate) @ second.T, labels), gate)
    return torch.stack(found).square().mean(dim=0)


def _softmax_twice(batches: list[tuple[Tensor, Tensor]], first: Tensor, second: Tensor) -> Tensor:
    found: list[Tensor] = []
    for inputs, labels in batches:
        gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
        said = ((torch.relu(inputs @ first.T) * gate) @ second.T).softmax(dim=1)
        found += torch.autograd.grad(F.cross_entropy(said, labels), gate)
    return torch.stack(found).square().mean(dim=0)


def _linear_oracle(inputs: Tensor, labels: Tensor, first: Tensor, second: Tensor) -> Tensor:
    hidden, found = inputs @ first.T, []
    for unit in range(len(first)):
        without = hidden.clone()
        without[:, unit] = 0
        found.append(F.cross_entropy(without @ second.T, labels) - F.cross_entropy(hidden @ second.T, labels))
    return torch.stack(found).square()


def _changes(
    x: Tensor, y: Tensor, first: Tensor, second: Tensor, *, to: str = "", row: bool = False, squares: bool = False
) -> Tensor:
    """The changes of the loss, with mistakes in what a removal is."""
    hidden, found = torch.relu(x @ first.T), []
    whole = F.cross_entropy(hidden @ second.T, y)
    for unit in range(len(first)):
        without = hidden.clone()
        stays = {"mean": hidden[:, unit].mean(), "its mean": hidden[:, unit].mean(), "one": torch.ones(())}
        if row:
            without[unit] = 0
        else:
            without[:, unit] = stays.get(to, torch.zeros(()))
        loss = F.cross_entropy(without @ second.T, y)
        found.append(loss.square() - whole.square() if squares else loss - whole)
    return torch.stack(found)


def _at_gate(batches: list[tuple[Tensor, Tensor]], first: Tensor, second: Tensor, value: float) -> Tensor:
    found: list[Tensor] = []
    for inputs, labels in batches:
        gate = torch.full((len(first),), value, dtype=first.dtype, requires_grad=True)
        logits = (torch.relu(inputs @ first.T) * gate) @ second.T
        found += torch.autograd.grad(F.cross_entropy(logits, labels), gate)
    return torch.stack(found).square().mean(dim=0)

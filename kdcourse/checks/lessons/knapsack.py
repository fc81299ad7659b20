"""A task of the lesson on pruning: which channels stay within a budget."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

# ---------------------------------------------------------------- pruning.3


def pack(scores: Tensor, costs: Tensor, budget: float) -> Tensor:
    stays = torch.ones(len(scores), dtype=torch.bool)
    for i in (scores / costs).argsort(stable=True):
        if costs[stays].sum() <= budget:
            break
        stays[i] = False
    return stays


def _packed(
    scores: Tensor, costs: Tensor, budget: float, *, by: str = "density", highest: bool = False, late: int = 0,
    fill: bool = False,
) -> Tensor:  # fmt: skip
    """The answer with mistakes left in it."""
    price = {"density": scores / costs, "score": scores, "product": scores * costs}[by]
    stays, order = torch.ones(len(scores), dtype=torch.bool), price.argsort(stable=True, descending=highest)
    if fill:
        stays[:] = False
        for i in order.flip(0):
            if costs[stays].sum() + costs[i] <= budget:
                stays[i] = True
        return stays
    gone = 0
    while costs[stays].sum() > budget and gone < len(order):
        stays[order[gone]] = False
        gone += 1
    gone += late
    stays[:] = True
    stays[order[: max(gone, 0)]] = False
    return stays


def _pack_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    scores = torch.rand(30, generator=g).square() + 0.01
    costs = torch.tensor([4.0] * 6 + [2.0] * 10 + [1.0] * 14) + 0.5 * torch.rand(30, generator=g)
    small = (torch.tensor([4.0, 3.0, 1.0]), torch.tensor([4.0, 1.0, 1.0]))
    return [
        (*small, 2.0),
        (torch.tensor([10.0, 20.0, 1.0]), torch.tensor([1.0, 5.0, 1.0]), 3.0),
        (torch.tensor([2.0, 1.0, 5.0]), torch.tensor([2.0, 1.0, 1.0]), 2.5),
        (scores, costs, 0.75 * float(costs.sum())),
        (scores, costs, 0.5 * float(costs.sum())),
        (scores, costs, 0.1 * float(costs.sum())),
        (scores, costs, 2.0 * float(costs.sum())),
    ]


PACK = Task(
    id="pruning.3",
    title="Pack the knapsack",
    kind="implement",
    difficulty="core",
    minutes=12,
    points=3,
    rungs=(
        "three channels by hand",
        "a dear one in the middle",
        "a tie",
        "three quarters",
        "a half",
        "a tenth",
        "all of it fits",
    ),
    inputs=_pack_inputs,
    reference=pack,
    judge=close,
    mistakes=(
        Mistake(
            "by score alone",
            lambda *args: _packed(*args, by="score"),
            "The lowest *scores* go first here, whatever they cost. Divide each score by its cost.",
        ),
        Mistake(
            "score times cost",
            lambda *args: _packed(*args, by="product"),
            "Scores are multiplied by costs. A bargain is much score for little cost: divide.",
        ),
        Mistake(
            "the highest go",
            lambda *args: _packed(*args, highest=True),
            "The best bargains go first here. Divide score by cost (not cost by score), and remove the *lowest* quotient first.",
        ),
        Mistake(
            "one too many",
            lambda *args: _packed(*args, late=1),
            "One channel more goes than has to. Look whether it fits *before* you remove.",
        ),
        Mistake(
            "one too few",
            lambda *args: _packed(*args, late=-1),
            "What stays still costs more than the budget: one channel too few went.",
        ),
        Mistake(
            "filled from above",
            lambda *args: _packed(*args, fill=True),
            "You fill the sack from the best down and skip what does not fit. Asked is: remove from the worst up, and stop when it fits.",
        ),
        Mistake(
            "on where it fits exactly",
            lambda s, c, b: _packing(s, c, b, strict=True),
            "It goes on when the costs are exactly the budget. That fits: stop at ≤.",
        ),
        Mistake(
            "one at least",
            lambda s, c, b: _packing(s, c, b, least=1),
            "At least one channel goes, even where everything fits from the start. Ask *before* each removal.",
        ),
        Mistake(
            "the later of equals",
            lambda s, c, b: _packing(s, c, b, later=True),
            "Of two equal quotients the earlier channel goes first, alone; then ask again whether the rest fits. (`argsort(stable=True)` keeps the order of equals.)",
        ),
        Mistake(
            "nothing stays",
            lambda s, c, b: torch.zeros(len(s), dtype=torch.bool),
            "Every channel is removed. That fits any budget, and leaves no network.",
        ),
        Mistake(
            "those that go",
            lambda s, c, b: ~pack(s, c, b),
            "True and False are exchanged: True is for the channels that *stay*.",
        ),
        Mistake(
            "what went reaches the budget",
            lambda s, c, b: _until(s, c, b),
            "It stops when those that *went* have cost the budget. What *stays* must fit: `costs[stays].sum() <= budget`.",
        ),
        Mistake(
            "divided without remainder",
            lambda s, c, b: _by(s, c, b, s // c),
            "`//` divides without remainder, so different quotients come out equal. Divide with `/`.",
        ),
        Mistake(
            "the dearest go",
            lambda s, c, b: _by(s, c, b, -c),
            "The dearest channels go first, whatever they score. Divide each score by its cost.",
        ),
        Mistake(
            "the cheapest go",
            lambda s, c, b: _by(s, c, b, c),
            "The cheapest channels go first, whatever they score. Divide each score by its cost.",
        ),
        Mistake(
            "score minus cost",
            lambda s, c, b: _by(s, c, b, s - c),
            "Costs are subtracted from scores. Score per cost is asked for: divide.",
        ),
        Mistake(
            "in the order of the channels",
            lambda s, c, b: _by(s, c, b, torch.arange(len(s))),
            "The channels go in the order in which they stand. Sort by score per cost.",
        ),
        Mistake(
            "positions",
            lambda s, c, b: pack(s, c, b).nonzero().flatten(),
            "The positions of those that stay came back. A mask of True and False is asked for.",
        ),
        Mistake(
            "as many as fit on average",
            lambda s, c, b: _by_number(s, c, b),
            "The *number* of channels is computed from the budget's share of all costs. Channels cost differently: add up their costs.",
        ),
    ),
    hints=(
        "Sort by scores / costs. Go from the lowest up, and before each removal ask whether what stays already fits.",
        "The skeleton, with blanks:\nstays = torch.ones(len(scores), dtype=torch.bool)\nfor i in (____).argsort():\n"
        "    if costs[____].sum() <= budget:\n        break\n    stays[i] = ____\nreturn stays",
    ),
    takeaway="A budget in FLOPs wants a score per FLOP.",
)


def _packing(
    scores: Tensor, costs: Tensor, budget: float, *, strict: bool = False, least: int = 0, later: bool = False
) -> Tensor:  # fmt: skip
    stays, quotients = torch.ones(len(scores), dtype=torch.bool), scores / costs
    order = len(scores) - 1 - quotients.flip(0).argsort(stable=True) if later else quotients.argsort(stable=True)
    for gone, i in enumerate(order):
        left = costs[stays].sum()
        if gone >= least and (left < budget if strict else left <= budget):
            break
        stays[i] = False
    return stays


def _by(scores: Tensor, costs: Tensor, budget: float, price: Tensor) -> Tensor:
    stays = torch.ones(len(scores), dtype=torch.bool)
    for i in price.argsort(stable=True):
        if costs[stays].sum() <= budget:
            break
        stays[i] = False
    return stays


def _until(scores: Tensor, costs: Tensor, budget: float) -> Tensor:
    stays = torch.ones(len(scores), dtype=torch.bool)
    for i in (scores / costs).argsort(stable=True):
        if costs[~stays].sum() >= budget:
            break
        stays[i] = False
    return stays


def _by_number(scores: Tensor, costs: Tensor, budget: float) -> Tensor:
    stays = torch.ones(len(scores), dtype=torch.bool)
    gone = len(scores) - min(len(scores), int(len(scores) * budget / float(costs.sum())))
    stays[(scores / costs).argsort(stable=True)[:gone]] = False
    return stays

"""Exercises: what a removed channel saves, taking one out of its tensors, packing a knapsack; prune and recover."""

from functools import lru_cache

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import recovery

# ---------------------------------------------------------------- pruning.1

CUTS = (
    "layer 2, when half of layer 2's channels go",
    "layer 3, when half of layer 2's channels go",
    "layer 2, when half of layer 1's and half of layer 2's channels go",
    "layer 1, when half of layer 2's channels go",
    "layer 1, when half of every layer's channels go",
)
SHARES = {1.0: "all", 0.5: "a half", 0.25: "a quarter", 0.125: "an eighth"}


@lru_cache(maxsize=8)
def share_left(cut: str) -> tuple[str, str]:
    """FLOPs of one of three 3 x 3 convolutions (one grey image, 16, 32 and 64 channels) after a cut, as a share."""
    layer, halved = int(cut[6]), [1, 2, 3] if "every" in cut else [int(n) for n in "123" if f"layer {n}'s" in cut]
    whole, channels = [1, 16, 32, 64], [1, 16, 32, 64]
    for n in halved:
        channels[n] //= 2
    before, after = (2 * 9 * 7**2 * widths[layer - 1] * widths[layer] for widths in (whole, channels))
    return SHARES[after / before], f"{before:,} → {after:,} FLOPs"


_believing = believer(CUTS, share_left)

LEFT = prediction(
    id="pruning.1",
    title="Predict what is left to compute",
    minutes=5,
    changes=CUTS,
    found=share_left,
    answers=tuple(SHARES.values()),
    mistakes=(
        Mistake(
            "in and out at once",
            _believing(c1="a quarter"),
            "Half of what layer 2 *gives* goes. What it reads from layer 1 is as before, so half of its FLOPs are left.",
        ),
        Mistake(
            "the next layer does not notice",
            _believing(c2="all"),
            "Layer 3 reads layer 2's channels. Half of them are not there to be multiplied any more.",
        ),
        Mistake(
            "only the output counts",
            _believing(c3="a half"),
            "Layer 2 now gives half of its channels and reads half of layer 1's: a half of a half.",
        ),
        Mistake(
            "the layer before is cheaper, too",
            _believing(c4="a half"),
            "Layer 1 comes before layer 2. It reads the image and gives its own channels, all as before.",
        ),
        Mistake(
            "half of the image",
            _believing(c5="a quarter"),
            "Layer 1 gives half of its channels, but it reads the image, and the image loses nothing.",
        ),
    ),
    hints=(
        "FLOPs of a convolution: 2 × places × kernel × channels that it reads × channels that it gives. Which factors change?",
        'The form:\n"layer 2, when half of layer 2\'s channels go": "____",',
    ),
    takeaway="A channel that goes makes its own layer cheaper, and the next one.",
)

# ---------------------------------------------------------------- pruning.2


def without(channel: int, convolution: Tensor, norm: Tensor, reader: Tensor, places: int) -> list[Tensor]:
    stays = torch.arange(len(convolution)) != channel
    return [convolution[stays], norm[:, stays], reader[:, stays.repeat_interleave(places)]]


def _cut(
    channel: int, convolution: Tensor, norm: Tensor, reader: Tensor, places: int, *, zero: bool = False,
    one_column: bool = False, strided: bool = False, skip: str = "", other: bool = False,
) -> list[Tensor]:  # fmt: skip
    """The answer with mistakes left in it."""
    gone = torch.arange(len(convolution)) == channel
    columns = gone.repeat(places) if strided else gone.repeat_interleave(places)
    if one_column:
        columns = torch.arange(reader.shape[1]) == channel
    if zero:
        shape = (-1, *[1] * (convolution.ndim - 1))
        return [
            convolution * (~gone).view(shape), norm * ~gone, reader * (~columns).view(1, -1, *[1] * (reader.ndim - 2))
        ]  # fmt: skip
    if other:
        gone, columns = ~gone, ~columns
    cut = {"convolution": convolution[~gone], "norm": norm[:, ~gone], "reader": reader[:, ~columns]}
    whole = {"convolution": convolution, "norm": norm, "reader": reader}
    return [whole[name] if name == skip else cut[name] for name in cut]


def _without_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g)

    small = (some(2, 1, 1, 1), some(4, 2), some(3, 2, 1, 1))
    conv = (some(6, 4, 3, 3), some(4, 6), some(5, 6, 3, 3))
    head = (some(5, 3, 3, 3), some(4, 5), some(10, 20))
    return [(0, *small, 1), (2, *conv, 1), (5, *conv, 1), (1, *head, 4), (4, *head, 4)]


REMOVE = Task(
    id="pruning.2",
    title="Take a channel out",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=("two channels", "the third of six", "the last", "a head that reads four places", "its last channel"),
    inputs=_without_inputs,
    reference=without,
    judge=close,
    mistakes=(
        Mistake(
            "set to zero",
            lambda *args: _cut(*args, zero=True),
            "The channel is set to zero and still there: nothing is saved. Take it out, so that the tensors get smaller.",
        ),
        Mistake(
            "the next layer forgotten",
            lambda *args: _cut(*args, skip="reader"),
            "The layer that reads the channel still expects it. Its column has to go, too.",
        ),
        Mistake(
            "the norm forgotten",
            lambda *args: _cut(*args, skip="norm"),
            "The batch norm still has four numbers for the channel that went.",
        ),
        Mistake(
            "one column of the head",
            lambda *args: _cut(*args, one_column=True),
            "A head that reads several places of each channel has that many columns for it, side by side.",
        ),
        Mistake(
            "its first column alone",
            lambda c, w, n, r, p: [*without(c, w, n, r, p)[:2], r[:, torch.arange(r.shape[1]) != c * p]],
            "One column of the head is dropped. A channel that is read at several places takes as many columns.",
        ),
        Mistake(
            "every so many columns",
            lambda *args: _cut(*args, strided=True),
            "A channel's columns lie side by side: first all places of channel 0, then all of channel 1.",
        ),
        Mistake(
            "only the channel kept",
            lambda *args: _cut(*args, other=True),
            "You kept the channel and removed the others.",
        ),
        Mistake(
            "a row of the reader",
            lambda c, w, n, r, p: [*without(c, w, n, r, p)[:2], r[torch.arange(len(r)) != c]],
            "A *row* of the reader is dropped. It reads the channel through its columns: `reader[:, …]`.",
        ),
        Mistake(
            "columns from the channel's number",
            lambda c, w, n, r, p: [
                *without(c, w, n, r, p)[:2],
                r[:, [i for i in range(r.shape[1]) if not c <= i < c + p]],
            ],
            "The columns begin at the channel's number. Each channel before it takes `places` columns: begin at channel · places.",
        ),
        Mistake("as they were", lambda c, w, n, r, p: [w, n, r], "The three tensors came back as they were."),
        Mistake(
            "another order",
            lambda c, w, n, r, p: [without(c, w, n, r, p)[i] for i in (0, 2, 1)],
            "The reader comes before the norm. Asked for are convolution, norm, reader.",
        ),
        Mistake(
            "two dimensions kept",
            lambda c, w, n, r, p: [
                *without(c, w, n, r, p)[:2],
                (r.unflatten(1, (-1, p))[:, torch.arange(len(w)) != c] if p > 1 else without(c, w, n, r, p)[2]),
            ],
            "The head's channels and places stay two dimensions. Flatten them again: a head is a matrix.",
        ),
    ),
    hints=(
        "Make a mask of the channels that stay; it chooses rows of one tensor and columns of the other two. repeat_interleave repeats each entry.",
        "The skeleton, with blanks:\nstays = torch.arange(len(convolution)) ____ channel\n"
        "return [convolution[____], norm[:, stays], reader[:, stays.____(places)]]",
    ),
    takeaway="A channel has rows where it is made and columns where it is read. A mask that sets zeros saves nothing.",
)

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


# ---------------------------------------------------------------- all

TASKS = [LEFT, REMOVE, PACK, recovery.PRUNE]

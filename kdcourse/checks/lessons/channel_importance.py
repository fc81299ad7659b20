"""Exercises: which gate says something, importance by one backward pass, an oracle to mend, agreement inside blocks."""

from functools import lru_cache
from math import nan

import torch
from scipy import stats
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import units

# ---------------------------------------------------------------- channel_importance.1

GATES = (
    "a channel that the next layer reads with weights of zero",
    "a channel without which the loss is lower",
    "a channel that is zero for all images of the batch, but not for others",
    "a channel in front of a batch norm in training mode",
    "a channel behind the same batch norm",
)


@lru_cache(maxsize=8)
def price_is(channel: str) -> tuple[str, str]:
    """(dL/dgate)^2 of the first of two channels, or zero up to rounding; the loss is half the squared error."""
    g = torch.Generator().manual_seed(0)
    outputs, reads = torch.rand(64, 2, generator=g, dtype=torch.float64) + 0.5, torch.ones(2, dtype=torch.float64)
    target = 3 + torch.rand(64, generator=g, dtype=torch.float64)
    gate = torch.ones((), dtype=torch.float64, requires_grad=True)
    if channel == GATES[0]:
        reads[0] = 0
    if channel == GATES[1]:
        outputs[:, 0] *= -1  # it pulls the sum away from the target
    if channel == GATES[2]:
        outputs[:, 0] = 0
    first = gate * outputs[:, 0]
    if channel in GATES[3:]:
        first = outputs[:, 0] if channel == GATES[4] else first
        first = (first - first.mean()) / first.std(correction=0)
        first = gate * first if channel == GATES[4] else first
    loss = 0.5 * (first * reads[0] + outputs[:, 1] * reads[1] - target).square().mean()
    (slope,) = torch.autograd.grad(loss, gate)
    price = float(slope) ** 2
    return ("zero", "0") if price < 1e-20 else ("above zero", f"{price:.2g}")


_believing = believer(GATES, price_is)

SPEAKS = prediction(
    id="channel_importance.1",
    title="Predict the price",
    minutes=5,
    changes=GATES,
    found=price_is,
    answers=("zero", "above zero"),
    mistakes=(
        Mistake(
            "every channel has a price",
            _believing(c1="above zero"),
            "Its weights in the next layer are zero, so nothing that the channel says arrives at the loss.",
        ),
        Mistake(
            "harm costs nothing",
            _believing(c2="zero"),
            "The price is a *square*. A channel without which the loss falls moves the loss, too.",
        ),
        Mistake(
            "silence has a price",
            _believing(c3="above zero"),
            "Zero times a gate is zero for every gate: on this batch the loss cannot depend on it. Another batch may say more.",
        ),
        Mistake(
            "the norm keeps the gate",
            _believing(c4="above zero"),
            "In training mode the norm divides by the size of what it gets, and so by the gate. Nothing of the gate is left.",
        ),
        Mistake(
            "the norm hides what follows",
            _believing(c5="zero"),
            "Behind the norm nobody divides the gate away: the output really becomes smaller with it.",
        ),
    ),
    hints=(
        "For each channel ask: if its gate goes from 1 to 0.9, does the loss of this batch change at all?",
        'The form:\n"a channel that the next layer reads with weights of zero": "____",',
    ),
    takeaway="A price of zero says that this loss, on this batch, does not move with this gate. It is no licence to remove.",
)

# ---------------------------------------------------------------- channel_importance.4


def inside(scores: Tensor, truth: Tensor, blocks: Tensor) -> float:
    from scipy import stats

    found = []
    for block in blocks.unique():
        ours, true = scores[blocks == block], truth[blocks == block]
        if ours.min() < ours.max():
            found.append(stats.spearmanr(ours, true).statistic)
    return float(sum(found) / len(found)) if found else float("nan")


def _each(scores: Tensor, truth: Tensor, blocks: Tensor) -> list[tuple[Tensor, Tensor]]:
    pairs = [(scores[blocks == block], truth[blocks == block]) for block in blocks.unique()]
    return [(a, b) for a, b in pairs if a.min() < a.max()]


def _mean(values: list[float]) -> float:
    return float(sum(values) / len(values)) if values else nan


def _over_all(scores: Tensor, truth: Tensor, blocks: Tensor) -> float:
    return float(stats.spearmanr(scores, truth).statistic) if scores.min() < scores.max() else nan


def _constant_counts(scores: Tensor, truth: Tensor, blocks: Tensor) -> float:
    found = [stats.spearmanr(a, b).statistic for a, b in _each(scores, truth, blocks)]
    return float(sum(found) / len(blocks.unique()))


def _weighted(scores: Tensor, truth: Tensor, blocks: Tensor) -> float:
    pairs = _each(scores, truth, blocks)
    total = sum(len(a) for a, _ in pairs)
    return sum(len(a) * float(stats.spearmanr(a, b).statistic) for a, b in pairs) / total if pairs else nan


def _argsort_once(scores: Tensor, truth: Tensor, blocks: Tensor) -> float:
    return _mean([float(stats.pearsonr(a.argsort(), b.argsort()).statistic) for a, b in _each(scores, truth, blocks)])


def _pearson(scores: Tensor, truth: Tensor, blocks: Tensor) -> float:
    return _mean([float(stats.pearsonr(a, b).statistic) for a, b in _each(scores, truth, blocks)])


def _kendall(scores: Tensor, truth: Tensor, blocks: Tensor) -> float:
    return _mean([float(stats.kendalltau(a, b).statistic) for a, b in _each(scores, truth, blocks)])


def _inside_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    blocks = torch.tensor([1] * 6 + [2] * 10 + [3] * 15)
    truth = torch.rand(31, generator=g) ** 4 + 5.0 * (4 - blocks)
    noisy = truth + 0.3 * torch.randn(31, generator=g)
    known = torch.where(blocks == 2, torch.tensor(7.0), noisy)
    scored, true = torch.tensor([1.0, 2.0, 3.0, 8.0, 9.0, 4.0, 7.0]), torch.tensor([3.0, 2.0, 1.0, 5.0, 6.0, 8.0, 9.0])
    by_hand = (scored, true, torch.tensor([1, 1, 1, 2, 2, 3, 3]))
    order = torch.randperm(31, generator=g)
    return [
        by_hand,
        (noisy, truth, blocks),
        (noisy[order], truth[order], blocks[order]),
        (known, truth, blocks),
        ((2 * noisy).round() / 2, truth, blocks),
        (10.0 - blocks, truth, blocks),
        (torch.cat([noisy, noisy[:1]]), torch.cat([truth, truth[:1]]), torch.cat([blocks, torch.tensor([4])])),
    ]


INSIDE = Task(
    id="channel_importance.4",
    title="Look inside the blocks",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=(
        "three blocks by hand",
        "three larger blocks",
        "channels in any order",
        "a block of equal scores",
        "ties inside the blocks",
        "the block alone",
        "a block of one channel",
    ),
    inputs=_inside_inputs,
    reference=inside,
    judge=close,
    mistakes=(
        Mistake(
            "over all channels",
            _over_all,
            "This is the correlation over all channels together. It rewards a score that only knows the block.",
        ),
        Mistake(
            "equal scores count as zero",
            _constant_counts,
            "A block in which all scores are equal has no order. Leave it out of the mean, from the number of blocks, too.",
        ),
        Mistake(
            "weighted by channels",
            _weighted,
            "Large blocks count more here. Each block counts once.",
        ),
        Mistake(
            "argsort as ranks",
            _argsort_once,
            "`argsort` gives positions, not ranks. scipy.stats.spearmanr makes the ranks itself.",
        ),
        Mistake(
            "Pearson",
            _pearson,
            "This is Pearson's correlation of the values. Pruning needs the order: Spearman's.",
        ),
        Mistake(
            "Kendall",
            _kendall,
            "This is Kendall's correlation, another one of ranks. Spearman's is asked for.",
        ),
        Mistake(
            "equal scores make NaN",
            lambda *a: _by_blocks(*a, equal=float("nan")),
            "A block in which all scores are equal has no order and gives NaN, which reaches the mean. Leave it out.",
        ),
        Mistake(
            "0 where no block is left",
            lambda *a: _by_blocks(*a, none=0.0),
            "Where no block is left, 0 came back. Nothing is known then: NaN.",
        ),
        Mistake(
            "return inside the loop",
            lambda *a: _by_blocks(*a, only="first"),
            "The `return` stands inside the loop: only the first block is asked.",
        ),
        Mistake(
            "the last block missed",
            lambda *a: _by_blocks(*a, only="but the last"),
            "The last block is missed: `range(blocks.max())` ends before it. `blocks.unique()` gives all.",
        ),
        Mistake(
            "the p-value",
            lambda *a: _by_blocks(*a, p_value=True),
            "The p-value is taken, the second number that spearmanr gives. The correlation is the first: `.statistic`.",
        ),
        Mistake(
            "the example's third", lambda *a: 1 / 3, "1/3, the worked example's answer, came back for every input."
        ),
        Mistake(
            "summed over blocks",
            lambda s, t, b: sum(_all_of(s, t, b)) if _all_of(s, t, b) else nan,
            "The correlations are added up. Their mean is asked for.",
        ),
        Mistake(
            "one a block",
            lambda s, t, b: _all_of(s, t, b),
            "One correlation for each block came back. Their mean is asked for.",
        ),
        Mistake(
            "absolute correlations",
            lambda s, t, b: _mean([abs(v) for v in _all_of(s, t, b)]),
            "The correlations' absolute values are averaged. A ranking turned round is a bad one: keep the sign.",
        ),
        Mistake(
            "the means of the blocks",
            lambda s, t, b: float(
                stats.spearmanr(*(torch.stack([v[b == k].mean() for k in b.unique()]) for v in (s, t))).statistic
            ),
            "The blocks' *means* are correlated. Correlate the channels inside each block.",
        ),
        Mistake(
            "the last block alone",
            lambda s, t, b: _all_of(s, t, b)[-1] if _all_of(s, t, b) else nan,
            "Only the last block counts: each block overwrites the one before. Collect them in a list.",
        ),
        Mistake(
            "ranks without ties",
            lambda s, t, b: _mean(
                [
                    float(
                        stats.pearsonr(*(v.argsort(stable=True).argsort(stable=True).double() for v in pair)).statistic
                    )
                    for pair in _each(s, t, b)
                ]
            ),
            "Equal scores get *different* ranks (argsort of argsort). Equal values share their mean rank: `stats.spearmanr` sees to it.",
        ),
        Mistake(
            "runs of one block",
            lambda s, t, b: _by_runs(s, t, b),
            "A block whose channels stand in several pieces counts several times. `blocks == block` finds all its channels, wherever they stand.",
        ),
    ),
    hints=(
        "`blocks.unique()` gives each block once; `scores[blocks == block]` are its scores.",
        "The skeleton, with blanks:\nfound = []\nfor block in blocks.unique():\n    ours, true = scores[blocks == block], ____\n"
        "    if ours.min() < ours.max():\n        found.append(stats.____(ours, true).statistic)\n"
        'return float(sum(found) / len(found)) if found else float("nan")',
    ),
    takeaway="Put what is trivially known, here the block, beside every correlation.",
)


def _by_blocks(
    scores: Tensor, truth: Tensor, blocks: Tensor, *, equal: float | None = None, none: float = nan, only: str = "",
    p_value: bool = False,
) -> float:  # fmt: skip
    """The answer with mistakes left in it."""
    found, there = [], blocks.unique()
    for block in there[:-1] if only == "but the last" else there:
        a, b = scores[blocks == block], truth[blocks == block]
        if a.min() < a.max():
            both = stats.spearmanr(a, b)
            found.append(float(both.pvalue if p_value else both.statistic))
        elif equal is not None:
            found.append(equal)
        if only == "first" and found:
            break
    return sum(found) / len(found) if found else none


def _all_of(scores: Tensor, truth: Tensor, blocks: Tensor) -> list[float]:
    return [float(stats.spearmanr(a, b).statistic) for a, b in _each(scores, truth, blocks)]


def _by_runs(scores: Tensor, truth: Tensor, blocks: Tensor) -> float:
    pieces = torch.cat([torch.zeros(1, dtype=torch.long), (blocks[1:] != blocks[:-1]).long().cumsum(0)])
    return _mean([v for v in _all_of(scores, truth, pieces) if v == v])


# ---------------------------------------------------------------- all

TASKS = [SPEAKS, units.IMPORTANCE, units.ORACLE, INSIDE]

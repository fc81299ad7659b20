"""Two exercises: the smallest entry above the bar within a budget, and how many labels a teacher is worth."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["SMALLEST", "WORTH", "smallest", "worth"]

Entry = Mapping[str, Any]

# ---------------------------------------------------------------- outlook.4


def smallest(entries: Sequence[Entry], bar: float, budget: float) -> str | None:
    good = [e for e in entries if e["validation"] >= bar and e["price"] <= budget]
    best = min(good, key=lambda e: (e["parameters"], -e["validation"]), default=None)
    return None if best is None else best["name"]


def _entry(name: str, parameters: int, price: float, validation: float, test: float) -> dict[str, Any]:
    return {"name": name, "parameters": parameters, "price": price, "validation": validation, "test": test}


def _smallest_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def crowd(n: int, kinds: int) -> list[dict[str, Any]]:
        sizes = torch.randint(1, kinds + 1, (n,), generator=g)
        prices = torch.randint(5, 40, (n,), generator=g)
        noise = torch.randint(-20, 21, (2, n), generator=g) / 10
        made = []
        for i in range(n):
            score = 84 + 4 * float(sizes[i]) / kinds
            made.append(_entry(f"entry {i}", 100 * int(sizes[i]), float(prices[i]),
                               round(score + float(noise[0, i]), 1), round(score + float(noise[1, i]), 1)))  # fmt: skip
        return made

    a, b = _entry("wide", 900, 8.0, 90.0, 89.0), _entry("narrow", 300, 9.0, 88.0, 87.5)
    ties = [
        _entry("one", 300, 8.0, 87.5, 86.0), _entry("two", 300, 5.0, 87.9, 88.8), _entry("three", 300, 9.0, 88.9, 87.9),
        _entry("four", 300, 12.0, 87.2, 91.0), a, _entry("five", 500, 6.0, 91.0, 88.0),
        _entry("six", 300, 7.0, 88.9, 90.0),
    ]  # fmt: skip
    return [
        ([a, b, _entry("tiny", 100, 3.0, 85.0, 88.1)], 88.0, 10.0),
        ([a, b, _entry("dear", 200, 30.0, 89.0, 89.0)], 86.0, 9.0),
        (ties, 87.0, 20.0),
        ([a, b], 91.0, 100.0),
        (crowd(12, 4), 86.5, 25.0),
        (crowd(30, 9), 87.0, 18.0),
    ]


def _smallest(
    entries: Sequence[Entry], bar: float, budget: float, *, by: str = "validation", above: bool = False,
    below: bool = False, price: bool = True, tie: str = "score", last: bool = False, first: str = "parameters",
    sign: int = 1, never: str | None = None, bar_counts: bool = True,
) -> str | None:  # fmt: skip
    """The answer with mistakes left in it."""
    good = []
    for e in entries:
        enough = e[by] > bar if above else e[by] >= bar
        paid = e["price"] < budget if below else e["price"] <= budget
        if (enough or not bar_counts) and (paid or not price):
            good.append(e)
    if not good:
        return never
    ties = {"score": lambda e: -e[by], "none": lambda e: 0, "price": lambda e: e["price"], "test": lambda e: -e["test"]}
    return str(min(good[::-1] if last else good, key=lambda e: (sign * e[first], ties[tie](e)))["name"])


def _then_the_bar(entries: Sequence[Entry], bar: float, budget: float) -> str | None:
    """The smallest of all that can be paid, and only then the question whether it is good enough."""
    paid = [e for e in entries if e["price"] <= budget]
    best = min(paid, key=lambda e: (e["parameters"], -e["validation"]), default=None)
    return None if best is None or best["validation"] < bar else best["name"]


SMALLEST = Task(
    id="outlook.4",
    title="Mend a choice of entries",
    kind="debug",
    difficulty="core",
    minutes=8,
    points=3,
    rungs=("by hand", "at the edge of the budget", "ties", "none is good enough", "twelve entries", "thirty entries"),
    inputs=_smallest_inputs,
    reference=smallest,
    judge=close,
    mistakes=(
        Mistake(
            "chosen by test",
            lambda e, b, m: _smallest(e, b, m, by="test"),
            "The test images chose. Then their score is no estimate any more: choose by validation.",
        ),
        Mistake(
            "above the bar only",
            lambda e, b, m: _smallest(e, b, m, above=True),
            "An entry that reaches the bar exactly was refused. It is good enough.",
        ),
        Mistake(
            "below the budget only",
            lambda e, b, m: _smallest(e, b, m, below=True),
            "An entry that costs exactly the budget was refused. It can be paid.",
        ),
        Mistake(
            "at any price",
            lambda e, b, m: _smallest(e, b, m, price=False),
            "The price was not looked at. An entry above the budget does not count.",
        ),
        Mistake(
            "without a bar",
            lambda e, b, m: _smallest(e, b, m, bar_counts=False),
            "The smallest was taken, however bad it is. It must reach the bar.",
        ),
        Mistake(
            "the bar comes last",
            _then_the_bar,
            "The smallest of all was chosen first, and only then held against the bar. Leave out the bad ones first.",
        ),
        Mistake(
            "the first of a tie",
            lambda e, b, m: _smallest(e, b, m, tie="none"),
            "Of two that are equally small the first one was taken. The better one on validation is asked for.",
        ),
        Mistake(
            "the last of a tie",
            lambda e, b, m: _smallest(e, b, m, last=True),
            "Two are equally small and equally good. Then the *first* in the list is asked for.",
        ),
        Mistake(
            "the cheaper of a tie",
            lambda e, b, m: _smallest(e, b, m, tie="price"),
            "Of two that are equally small the cheaper one was taken. The better one on validation is asked for.",
        ),
        Mistake(
            "a tie decided by test",
            lambda e, b, m: _smallest(e, b, m, tie="test"),
            "A tie was decided by the test images. That is a choice, too: decide it by validation.",
        ),
        Mistake(
            "the best one",
            lambda e, b, m: _smallest(e, b, m, first="validation", sign=-1),
            "This is the *best* entry. The smallest one above the bar is asked for.",
        ),
        Mistake(
            "the largest",
            lambda e, b, m: _smallest(e, b, m, sign=-1),
            "This is the largest entry above the bar. The smallest one is asked for.",
        ),
        Mistake(
            "a name where there is none",
            lambda e, b, m: _smallest(e, b, m, never=""),
            "Where no entry is good enough, None is asked for.",
        ),
    ),
    hints=(
        "Which score may choose? Does an entry at the bar count, and one that costs the whole budget? Who wins a tie?",
        'With blanks:\ngood = [e for e in entries if e["____"] >= bar and e["price"] ____ budget]\nbest = min(good, key=lambda e: (e["parameters"], -e["____"]), default=____)',
    ),
    takeaway="Say the bar, the budget and the tie before you look, and leave the test images for the end.",
)

# ---------------------------------------------------------------- outlook.5


def worth(counts: Sequence[int], scores: Sequence[float], reached: float) -> float:
    if scores[0] >= reached:
        return float(counts[0])
    for i in range(1, len(counts)):
        if scores[i] >= reached:
            share = (reached - scores[i - 1]) / (scores[i] - scores[i - 1])
            return counts[i - 1] * (counts[i] / counts[i - 1]) ** share
    return float("inf")


def _worth_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    rise = [round(v, 2) for v in (70 + (3 + 3 * torch.rand(6, generator=g)).cumsum(0)).tolist()]
    counts = [250 * 2**k for k in range(6)]
    return [
        ([100, 400], [70.0, 80.0], 75.0),
        (counts, rise, round(0.3 * rise[3] + 0.7 * rise[4], 3)),
        (counts, rise, rise[0] - 5),
        (counts, rise, rise[-1] + 1),
        ([100, 300, 900, 2700], [70.0, 78.0, 76.0, 84.0], 77.0),
        ([100, 300, 900, 2700], [70.0, 75.0, 73.0, 84.0], 80.0),
        ([100, 200, 400, 800], [70.0, 80.0, 60.0, 75.0], 76.0),
        ([100, 200, 400], [70.0, 76.0, 82.0], 82.0),
    ]


def _worth(
    counts: Sequence[int], scores: Sequence[float], reached: float, *, straight: bool = False, next_count: bool = False,
    last: bool = False, above: float = math.inf, below: float | None = None, turned: bool = False,
) -> float:  # fmt: skip
    """The answer with mistakes left in it."""
    if scores[0] >= reached:
        return float(counts[0]) if below is None else below
    order = range(1, len(counts))
    for i in reversed(order) if last else order:
        if scores[i] >= reached > scores[i - 1]:
            share = (reached - scores[i - 1]) / (scores[i] - scores[i - 1])
            share = 1.0 if next_count else 1 - share if turned else share
            if straight:
                return counts[i - 1] + share * (counts[i] - counts[i - 1])
            return counts[i - 1] * (counts[i] / counts[i - 1]) ** share
    return above


def _nearest(counts: Sequence[int], scores: Sequence[float], reached: float) -> float:
    return float(min(zip(counts, scores, strict=True), key=lambda pair: abs(pair[1] - reached))[0])


def _sorted_curve(counts: Sequence[int], scores: Sequence[float], reached: float) -> float:
    return worth(counts, sorted(scores), reached)


def _whole_line(counts: Sequence[int], scores: Sequence[float], reached: float) -> float:
    """Along the straight line from the first to the last point."""
    ends = Tensor([counts[0], counts[-1]]).double().log()
    share = (reached - scores[0]) / (scores[-1] - scores[0])
    return float((ends[0] + share * (ends[1] - ends[0])).exp())


WORTH = Task(
    id="outlook.5",
    title="How many labels is a teacher worth?",
    kind="implement",
    difficulty="stretch",
    minutes=10,
    points=3,
    rungs=(
        "by hand",
        "six counts",
        "below the first",
        "above the last",
        "a curve that dips",
        "a dip before",
        "a fall at the end",
        "just as high",
    ),
    inputs=_worth_inputs,
    reference=worth,
    judge=close,
    mistakes=(
        Mistake(
            "a straight line over labels",
            lambda n, s, r: _worth(n, s, r, straight=True),
            "You interpolated over the counts. Over their *logarithms* is asked for: doubling is one step.",
        ),
        Mistake(
            "the next count",
            lambda n, s, r: _worth(n, s, r, next_count=True),
            "This is the first count that reaches the score. Read the curve between it and the one before.",
        ),
        Mistake(
            "the nearest count",
            _nearest,
            "This is the count whose score is nearest. Read the curve between two counts.",
        ),
        Mistake(
            "the last crossing",
            lambda n, s, r: _worth(n, s, r, last=True),
            "The curve dips and reaches the score twice. The first time counts.",
        ),
        Mistake(
            "the scores sorted",
            _sorted_curve,
            "The scores were sorted, which tears them from their counts. Take the curve as it is.",
        ),
        Mistake(
            "nothing above the last",
            lambda n, s, r: _worth(n, s, r, above=float(n[-1])),
            "No count reaches this score, so more labels would be needed than anybody counted: infinity.",
        ),
        Mistake(
            "zero below the first",
            lambda n, s, r: _worth(n, s, r, below=0.0),
            "The smallest count is enough here. What fewer would do, nobody measured: return that count.",
        ),
        Mistake(
            "the share turned round",
            lambda n, s, r: _worth(n, s, r, turned=True),
            "The share is turned round. A score just above the lower point belongs near the lower count.",
        ),
        Mistake(
            "one line through all",
            _whole_line,
            "A line from the first to the last point was taken. The curve bends: use the two points around the score.",
        ),
    ),
    hints=(
        "Find the first count whose score reaches it. How far is it from the point before, as a share of that step?",
        "With blanks:\nshare = (reached - scores[i - 1]) / (scores[i] - scores[____])\nreturn counts[i - 1] * (counts[i] / counts[____]) ** ____",
    ),
    takeaway="What a teacher is worth can be said in labels: how many of them would do the same?",
)

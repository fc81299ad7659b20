"""Exercises: when a judge tells two sets apart, how surprising its score is, and a camera that was replaced."""

from functools import lru_cache, partial
from math import comb, erf, inf, nan, sqrt

import torch

from kdcourse.checks._images import splits
from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import designs
from kdcourse.data import Part, shift

# ---------------------------------------------------------------- shift.1

SETS = (
    "the other half of the same images",
    "the other half, and its labels are mixed up",
    "the other half, without any shoe",
    "the other half, each image mirrored",
    "the other half, a little darker",
)
SHOES = (5, 7, 9)


@lru_cache(maxsize=8)
def judge_says(other: str) -> tuple[str, str]:
    """A logistic regression tries to tell 2,000 training images from 2,000 others; p below 0.01 is "apart"."""
    train = splits().train
    one, half = train.select(torch.arange(4000)), train.select(torch.arange(4000, 8000))
    mixed = Part(half.images, half.labels.roll(1))
    shoes = torch.isin(half.labels, torch.tensor(SHOES))
    second = {
        SETS[0]: half,
        SETS[1]: mixed,
        SETS[2]: half.select((~shoes).nonzero().flatten()),
        SETS[3]: Part(half.images.flip(3), half.labels),
        SETS[4]: Part(0.8 * half.images, half.labels),
    }[other]
    found = shift(one, second, n=4000)
    if found["p"] >= 0.01:  # the digits of chance are not the same on every processor
        return "alike", "about half are right, p is above 0.01"
    return "apart", f"{100 * found['accuracy']:.0f} % right, p = {found['p']:.2g}"


_believing = believer(SETS, judge_says)

JUDGE = prediction(
    id="shift.1",
    title="Predict the judge",
    minutes=5,
    changes=SETS,
    found=judge_says,
    answers=("apart", "alike"),
    mistakes=(
        Mistake(
            "other images are a shift",
            _believing(c1="apart"),
            "Other images of the same kind are no shift. A judge that learned by heart would tell them apart; this one is "
            "examined on images that it was not trained on.",
        ),
        Mistake(
            "labels are seen",
            _believing(c2="apart"),
            "The judge sees images alone. Whatever happens to the labels, it cannot notice.",
        ),
        Mistake(
            "only pixels count",
            _believing(c3="alike"),
            "Each image is as it was, but a shoe can now only come from the first set. Shares of classes are a part of the "
            "distribution.",
        ),
        Mistake(
            "a mirror hides",
            _believing(c4="alike"),
            "Most shoes point to the left in these photographs, and in a mirror to the right. The judge looks pixel by pixel.",
        ),
        Mistake(
            "a little is nothing",
            _believing(c5="alike"),
            "A fifth less light is little for you. The judge sees 2,000 images of each kind, and all differ in the same "
            "direction.",
        ),
    ),
    hints=(
        "What does the judge get to see, and what would it have to see to be right more often than a coin?",
        "Only images reach the judge, of two different sets, half of each held back for its exam. The form:\n"
        '"the other half of the same images": "____",',
    ),
    takeaway="The judge notices what changes the images as a set, their classes' shares too, and never the labels.",
)

# ---------------------------------------------------------------- shift.2


def p_value(right: int, n: int) -> float:
    from math import comb

    return sum(comb(n, k) for k in range(right, n + 1)) / 2**n  # whole numbers until the last division


def _two_sided(right: int, n: int) -> float:
    from scipy.stats import binomtest

    return float(binomtest(right, n).pvalue)


def _infinite(right: int, n: int) -> float:
    ways = [float(comb(n, k)) if comb(n, k).bit_length() < 1024 else inf for k in range(right, n + 1)]
    return nan if inf in ways else sum(ways) * 0.5**n


def _p_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    n = int(torch.randint(40, 90, (1,), generator=g))
    right = n // 2 + int(torch.randint(2, 9, (1,), generator=g))
    return [(4, 4), (1, 2), (0, 5), (4, 12), (60, 100), (right, n), (575, 1100)]


P_VALUE = Task(
    id="shift.2",
    title="How surprising is a score?",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=("four of four", "one of two", "none right", "4 of 12", "60 of 100", "random", "575 of 1,100"),
    inputs=_p_inputs,
    reference=p_value,
    judge=partial(close, rtol=1e-3),
    mistakes=(
        Mistake(
            "strictly more",
            lambda r, n: sum(comb(n, k) for k in range(r + 1, n + 1)) / 2**n,
            "This is the chance of *more* right answers than found. As many as found belong in: at least.",
        ),
        Mistake(
            "exactly",
            lambda r, n: comb(n, r) / 2**n,
            "This is the chance of *exactly* so many right answers. Add the chances of all higher counts.",
        ),
        Mistake(
            "at most",
            lambda r, n: sum(comb(n, k) for k in range(r + 1)) / 2**n,
            "This is the chance of *at most* so many right answers: the other tail.",
        ),
        Mistake(
            "the last one missing",
            lambda r, n: sum(comb(n, k) for k in range(r, n)) / 2**n,
            "The case that *all* are right is missing: range(right, n) ends at n − 1.",
        ),
        Mistake(
            "twice the tail",
            lambda r, n: min(1.0, 2 * p_value(r, n)),
            "This is twice the tail. Only scores *above* one half speak for a shift, so one tail is enough.",
        ),
        Mistake(
            "two-sided",
            _two_sided,
            "This is the two-sided test, scipy's default. Only scores *above* one half speak for a shift: "
            "alternative='greater'.",
        ),
        Mistake(
            "normal, corrected",
            lambda r, n: 0.5 * (1 - erf((r - 0.5 - n / 2) / sqrt(n / 2))),
            "This is the bell curve with the correction by one half: close, and still off for small n. Sum the exact chances.",
        ),
        Mistake(
            "infinite ways",
            _infinite,
            "Right until n is large: as floats the number of ways is infinite and 0.5**n is zero, and together they are "
            "not a number. Python's whole numbers have no such limit.",
        ),
        Mistake(
            "normal",
            lambda r, n: 0.5 * (1 - erf((r - n / 2) / sqrt(n / 2))),
            "This is the bell curve's approximation. It is off for small n: sum the exact chances.",
        ),
        Mistake(
            "overflow",
            lambda r, n: sum(comb(n, k) * 0.5**n for k in range(r, n + 1)),
            "Right until n is large: the number of ways for 1,100 is too large for a float. Add whole numbers, "
            "divide once at the end, or take logarithms.",
        ),
        Mistake(
            "the observed share",
            lambda r, n: _observed(r, n),
            "The coin falls right with the *observed* share, right / n. A coin that knows nothing is right with one half.",
        ),
        Mistake(
            "ways forgotten",
            lambda r, n: (n - r + 1) / 2**n,
            "Every count has weight one. There are many ways to get k of n right: `comb(n, k)`.",
        ),
        Mistake(
            "whole numbers",
            lambda r, n: sum(comb(n, k) for k in range(r, n + 1)) // 2**n,
            "The last division is one of whole numbers, `//`, and every chance below 1 becomes 0. Divide with `/`.",
        ),
        Mistake(
            "fewer",
            lambda r, n: sum(comb(n, k) for k in range(r)) / 2**n,
            "This is the chance of *fewer* right answers. At least as many are asked for: 1 minus this.",
        ),
        Mistake(
            "the score",
            lambda r, n: r / n,
            "This is the score itself. Asked for is how often guessing would reach it.",
        ),
        Mistake(
            "a half to the power of right",
            lambda r, n: 0.5**r,
            "½ to the power of `right` is the chance that these alone are right. Which of the n are right may differ: count the ways.",
        ),
        Mistake(
            "below a half nothing",
            lambda r, n: 1.0 if 2 * r < n else p_value(r, n),
            "Below a half, 1 came back. The chance of at least so many is asked for there, too.",
        ),
    ),
    hints=(
        "A classifier that only guesses has n coins to throw. How likely are `right` heads or more?",
        "The skeleton, with blanks:\nfrom math import comb\nways = sum(comb(n, k) for k in range(____, ____))\n"
        "return ways / ____",
    ),
    takeaway="A p-value is a tail: the chance of a result at least as extreme, if there were nothing to find.",
)


def _observed(right: int, n: int) -> float:
    from scipy.stats import binom

    return float(binom.sf(right - 1, n, right / n))


# ---------------------------------------------------------------- all

TASKS = [JUDGE, P_VALUE, designs.CAMERA]

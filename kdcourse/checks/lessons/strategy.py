"""Exercises: luck or not, points on a logarithmic scale, and from ``sweeping`` what a sweep may report."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import sweeping

# ---------------------------------------------------------------- strategy.1

CASES = {
    "s = 0.6, 1 seed each, 1.0 points apart": (0.6, 1, 1.0),
    "s = 0.6, 8 seeds each, 1.0 points apart": (0.6, 8, 1.0),
    "s = 0.6, 32 seeds each, 0.2 points apart": (0.6, 32, 0.2),
    "s = 0.2, 2 seeds each, 0.5 points apart": (0.2, 2, 0.5),
    "s = 1.2, 8 seeds each, 1.0 points apart": (1.2, 8, 1.0),
}


def is_luck(case: str) -> tuple[str, str]:
    s, n, apart = CASES[case]
    twice = 2 * s * (2 / n) ** 0.5
    return ("more than luck" if apart > twice else "may be luck"), f"twice the standard error is {twice:.1f}"


_believing = believer(tuple(CASES), is_luck)

LUCK = prediction(
    id="strategy.1",
    title="Predict what may be luck",
    minutes=4,
    changes=tuple(CASES),
    found=is_luck,
    answers=("may be luck", "more than luck"),
    mistakes=(
        Mistake(
            "more than the spread is more than luck",
            _believing(c1="more than luck"),
            "1.0 is more than s, but each of the two students has its own luck: a difference of two wobbles by 0.6 · √2, and twice that is 1.7.",
        ),
        Mistake(
            "seeds do not help",
            _believing(c2="may be luck"),
            "With eight seeds each the standard error is 0.6 · √(2/8) = 0.3, and 1.0 is more than twice as much.",
        ),
        Mistake(
            "many seeds make everything sure",
            _believing(c3="more than luck"),
            "32 seeds leave a standard error of 0.15. A difference of 0.2 is less than twice that.",
        ),
        Mistake(
            "half a point is always luck",
            _believing(c4="may be luck"),
            "Here seeds differ by 0.2 only: the standard error is 0.2 · √(2/2) = 0.2, and 0.5 is more than twice as much.",
        ),
        Mistake(
            "eight seeds are always enough",
            _believing(c5="more than luck"),
            "These seeds differ by 1.2: with eight each the standard error is 0.6, and twice that is 1.2.",
        ),
    ),
    hints=(
        "The standard error of the difference is s · √(2/n). Compare the difference with twice that.",
        'The form:\n"s = 0.6, 1 seed each, 1.0 points apart": "____",',
    ),
    takeaway="What counts is the difference over its standard error, s · √(2/n): neither the points nor the seeds alone.",
)

# ---------------------------------------------------------------- strategy.2


def spread(shares: Tensor, low: float, high: float) -> Tensor:
    return low * (high / low) ** shares


def _spread_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.tensor([0.0, 0.5, 1.0]), 0.001, 0.1),
        (torch.tensor([0.25, 0.75]), 0.0003, 0.03),
        (torch.tensor([0.5]), 1.0, 20.0),
        (torch.rand(6, generator=g), 0.002, 0.5),
        (torch.rand(4, 3, generator=g), 0.01, 10.0),
    ]


SPREAD = Task(
    id="strategy.2",
    title="Spread over orders of magnitude",
    kind="implement",
    difficulty="core",
    minutes=5,
    points=2,
    rungs=("by hand", "learning rates", "a temperature", "random shares", "a table of shares"),
    inputs=_spread_inputs,
    reference=spread,
    judge=close,
    mistakes=(
        Mistake(
            "evenly",
            lambda u, a, b: a + (b - a) * u,
            "These values are spread evenly from low to high: nine tenths of them lie in the last order of magnitude. Multiply, do not add.",
        ),
        Mistake(
            "from the upper end",
            lambda u, a, b: b * (a / b) ** u,
            "The share 0 gives `high`, and 1 gives `low`. It should be the other way round.",
        ),
        Mistake(
            "the exponent alone",
            lambda u, a, b: torch.log10(torch.as_tensor(a)) + u * torch.log10(torch.as_tensor(b / a)),
            "These are the exponents. Raise ten to them.",
        ),
        Mistake(
            "low left out",
            lambda u, a, b: (b / a) ** u,
            "The factor `low` is missing: the share 0 has to give `low`, not 1.",
        ),
        Mistake(
            "ten for e",
            lambda u, a, b: torch.exp(torch.log10(torch.as_tensor(a)) + u * torch.log10(torch.as_tensor(b / a))),
            "Logarithms to the base of ten were undone by `exp`, whose base is e.",
        ),
        Mistake(
            "high in place of the ratio",
            lambda u, a, b: a * b**u,
            "`low` is multiplied by a power of `high`. At the share 1 that is low · high: take the power of high / low.",
        ),
        Mistake(
            "squares",
            lambda u, a, b: a + (b - a) * u**2,
            "The shares are squared, which crowds the values near `low`, but not evenly over the orders of magnitude.",
        ),
        Mistake(
            "the nearest power of ten",
            lambda u, a, b: 10 ** torch.round(torch.log10(a * (b / a) ** u)),
            "Only whole powers of ten came back. Keep what lies between them.",
        ),
    ),
    hints=(
        "Half-way between 0.001 and 0.1 on a logarithmic scale lies 0.01: ten times the one, a tenth of the other.",
        "With blanks:\nreturn low * (____ / low) ** ____",
    ),
    takeaway="What is counted in orders of magnitude is spread by multiplying: low · (high / low)^u.",
)

TASKS = [LUCK, SPREAD, sweeping.REPORT, sweeping.CURSE, sweeping.EXPECTED]

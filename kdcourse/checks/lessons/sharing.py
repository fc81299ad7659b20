"""What several tasks cost each other: the mean change against one network for each."""

import torch

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["CHANGE", "mean_change"]

Row = list[float]

# ---------------------------------------------------------------- multi_task.4


def mean_change(scores: Row, singles: Row, lower_is_better: list[bool]) -> float:
    total = 0.0
    for score, single, lower in zip(scores, singles, lower_is_better, strict=True):
        change = (score - single) / single
        total += -change if lower else change
    return total / len(scores)


def _change_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def drawn(n: int) -> Row:
        return [round(float(v), 4) for v in 0.4 + 0.5 * torch.rand(n, generator=g)]

    return [
        ([0.9], [0.75], [False]),
        ([0.9, 0.6], [0.75, 0.75], [False, False]),
        ([0.5], [0.8], [True]),
        ([0.84, 3.0], [0.8, 4.0], [False, True]),
        ([0.8, 2.0, 40.0], [0.8, 1.6, 50.0], [False, True, False]),
        ([0.7, 0.7], [0.7, 0.7], [False, True]),
        ([0.5, 24.0, 6.0], [0.4, 20.0, 8.0], [True, True, True]),
        (drawn(4), drawn(4), [False, True, False, True]),
        (drawn(3), drawn(3), [True, False, False]),
    ]


def _changes(m: Row, s: Row, low: list[bool], *, signs: bool = True, over: str = "single") -> Row:
    """Each task's change, with mistakes left in it."""
    below = {"single": s, "score": m, "one": [1.0] * len(m)}[over]
    turned = [-1.0 if signs and lower else 1.0 for lower in low]
    return [sign * (a - b) / c for sign, a, b, c in zip(turned, m, s, below, strict=True)]


CHANGE = Task(
    id="multi_task.4",
    title="What two tasks cost each other",
    kind="implement",
    difficulty="core",
    minutes=6,
    points=2,
    rungs=(
        "one task",
        "one gains, one loses",
        "an error",
        "a score and an error",
        "three scales",
        "no change",
        "three errors",
        "four tasks",
        "three tasks",
    ),
    inputs=_change_inputs,
    reference=mean_change,
    judge=close,
    mistakes=(
        Mistake(
            "errors counted as scores",
            lambda m, s, low: sum(_changes(m, s, low, signs=False)) / len(m),
            "An error that *fell* came out as a loss. Where lower is better, turn the sign.",
        ),
        Mistake(
            "every sign turned",
            lambda m, s, low: -mean_change(m, s, low),
            "Every sign is turned round: a gain is positive.",
        ),
        Mistake(
            "scores counted as errors",
            lambda m, s, low: mean_change(m, s, [not lower for lower in low][:1] + low[1:]),
            "The first task's sign is turned the wrong way. Only where `lower_is_better` says True is the sign turned.",
        ),
        Mistake(
            "points",
            lambda m, s, low: sum(_changes(m, s, low, over="one")) / len(m),
            "Differences are added up that stand on different scales. Divide each by its single-task score first.",
        ),
        Mistake(
            "over the new score",
            lambda m, s, low: sum(_changes(m, s, low, over="score")) / len(m),
            "The change is divided by the two-task network's score. Divide by the single-task one: that is what it is "
            "compared with.",
        ),
        Mistake(
            "the ratio for errors",
            lambda m, s, low: (
                sum(b / a - 1 if lower else a / b - 1 for a, b, lower in zip(m, s, low, strict=True)) / len(m)
            ),
            "For an error the fraction is turned upside down. Keep (score − single) / single, and turn the sign.",
        ),
        Mistake(
            "ratios",
            lambda m, s, low: sum(a / b for a, b in zip(m, s, strict=True)) / len(m),
            "The mean of the ratios came back. A *change* is asked for: 0 where nothing changed.",
        ),
        Mistake(
            "the sum",
            lambda m, s, low: sum(_changes(m, s, low)),
            "The changes are added up. Their mean is asked for, or more tasks would always count more.",
        ),
        Mistake(
            "means first",
            lambda m, s, low: (sum(m) - sum(s)) / sum(s),
            "The scores are averaged over tasks first, so the task with the largest numbers decides. Take each task's "
            "change, then the mean.",
        ),
        Mistake(
            "without a sign",
            lambda m, s, low: sum(abs(v) for v in _changes(m, s, low)) / len(m),
            "Every change counts as a gain. A task that got worse counts below zero.",
        ),
        Mistake(
            "in percent",
            lambda m, s, low: 100 * mean_change(m, s, low),
            "The change came back in percent. A fraction is asked for.",
        ),
        Mistake(
            "the worst task",
            lambda m, s, low: min(_changes(m, s, low)),
            "The change of the worst task came back. The mean over tasks is asked for.",
        ),
        Mistake(
            "the first task",
            lambda m, s, low: _changes(m, s, low)[0],
            "Only the first task counts. Take the mean over all.",
        ),
        Mistake("always a fifth", lambda m, s, low: 0.2, "0.2, the example's answer, came back for every input."),
        Mistake(
            "rounded",
            lambda m, s, low: round(mean_change(m, s, low), 2),
            "The change is rounded to two digits. Return it as it is.",
        ),
    ),
    hints=(
        "Task by task: by which share of the single-task score did the score change, and is that good or bad?",
        "The skeleton, with blanks:\nchange = (score - ____) / ____\ntotal += ____ if lower else change\n"
        "return total / ____",
    ),
    takeaway="Δm compares a network for several tasks with one network for each: below zero, sharing has cost something.",
)

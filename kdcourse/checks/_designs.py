"""Design tasks: free choice, judged on three draws of the data, so that no lucky seed passes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import ceil, floor
from typing import Any

from torch import Tensor

import kdcourse
from kdcourse.checks._calling import Calls
from kdcourse.checks._card import Card
from kdcourse.checks._images import teacher_says
from kdcourse.checks._judges import shown, tensor_of
from kdcourse.checks._predict import points
from kdcourse.checks._task import Task

__all__ = ["DRAWS", "LIMIT", "draws", "judged", "sealed"]

DRAWS = ("first draw", "second draw", "third draw")
LIMIT = 10.0  # processor seconds for the three together
SUSPECT, COPY = 88, 0.97  # who is so good, in per cent, and agrees so often with the shipped teacher, has asked it


@contextmanager
def sealed() -> Iterator[None]:
    """While it lasts, nothing of the course's own can be loaded: a design works with what it is given."""

    def refused(*args: Any, **options: Any) -> Any:
        raise RuntimeError("nothing may be loaded inside: work with the arguments alone")

    names = [
        (m, n) for m in (kdcourse, kdcourse.data, kdcourse.export) for n in ("load", "load_teacher", "load_frozen")
    ]
    before = [(module, name, vars(module)[name]) for module, name in names if name in vars(module)]
    for module, name, _ in before:
        setattr(module, name, refused)
    try:
        yield
    finally:
        for module, name, own in before:
            setattr(module, name, own)


def draws(one: Callable[..., Any]) -> Callable[..., list[Any]]:
    """``one(seed, exam)`` three times, with seeds that no other check uses."""
    return lambda seed, exam="val": [one(len(DRAWS) * seed + k, exam) for k in range(len(DRAWS))]


def judged(task: Task, card: Card, inputs: Sequence[tuple[Any, ...]], calls: Calls, expected: Sequence[Any]) -> Card:
    """The card of predictions that all came back: their mean score in whole per cent against the mean bar."""
    values = [tensor_of(outcome.value) for outcome in calls.outcomes]
    for at, outcome in enumerate(calls.outcomes):
        found = task.judge(expected[at], outcome.value)
        if found.score is None or outcome.changed:
            difference = found.difference or f"{' and '.join(outcome.changed)} changed in place: the caller's own data"
            facts = (("Input", task.rungs[at]), ("Got", shown(outcome.value)), ("Result", difference))
            hint = found.hint or "Work on copies of the arguments." * bool(outcome.changed)
            return replace(card, state="not yet", facts=facts, hint=hint, arguments=inputs[at])
    found = task.judge(expected[0], calls.outcomes[0].value)
    scores = [task.judge(e, o.value).score or 0.0 for e, o in zip(expected, calls.outcomes, strict=True)]
    score, bar = floor(_percent(scores) + 1e-9), ceil(_percent([e["bar"] for e in expected]))
    result = f"≈ {score} % right, on average over three draws; ≈ {bar} are asked for"
    both = [(_classes(v), e) for v, e in zip(values, expected, strict=True) if v is not None]
    asked = all("images" in e for e in expected)
    if (
        asked
        and score >= SUSPECT
        and all((said == teacher_says(e["images"])).double().mean() >= COPY for said, e in both)
    ):
        hint = "These are the shipped teacher's own answers. Only what is handed over may be used."
        return replace(
            card, state="not yet", facts=(("Result", result),), hint=hint, mistake="the teacher sat the exam"
        )
    if score >= bar:
        return replace(card, state="passed", earned=1.0, says=f"{points(task, 1.0)}. {result}. {task.takeaway}")
    said = (("Draws", f"{len(DRAWS)}, of other images each"), ("Result", result))
    return replace(
        card, state="not yet", facts=said, hint=f"{found.hint} {_why(both, score)}".strip(), arguments=inputs[0]
    )


def _classes(value: Tensor) -> Tensor:
    """The predicted classes: the values themselves, or the first column where boxes stand behind them."""
    return (value if value.ndim == 1 else value[:, 0]).long()


def _percent(shares: Sequence[float]) -> float:
    return 100 * sum(shares) / len(shares)


def _why(both: Sequence[tuple[Tensor, dict[str, Any]]], score: int) -> str:
    """What can be said of predictions that miss the bar."""
    kinds = [int(said.bincount().count_nonzero()) for said, _ in both]
    alone = floor(_percent([e["alone"] for _, e in both]))
    if max(kinds) == 1:
        return "All predictions are one class: either nothing was learned, or it was learned from images unlike these."
    if score <= 12 and "boxes" not in both[0][1]:
        return f"No better than guessing. {GUESSING}"
    return str(both[0][1]["says"]).format(alone=alone)


GUESSING = (
    "Do images and labels (or logits) still belong together after shuffling? Are the answers in the order of the exam "
    "images, and are they classes? Do the exam images look like those that were learned from?"
)

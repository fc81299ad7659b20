"""Predict, then check: a task whose answer is one word for each of a few changes, and whose reference finds it out."""

from collections.abc import Callable, Sequence
from typing import Any

from kdcourse.checks._judges import words
from kdcourse.checks._task import Task

__all__ = ["believer", "prediction"]

Answer = Callable[[str], str]


def believer(changes: Sequence[str], reference: Answer) -> Callable[..., Answer]:
    """Makes wrong answers: ``believing(c2="up")`` answers as the reference does, but "up" to the second change."""

    def believing(**beliefs: str) -> Answer:
        return lambda change: beliefs.get(f"c{changes.index(change) + 1}", reference(change))

    return believing


def prediction(*, changes: tuple[str, ...], reference: Answer, answers: tuple[str, ...], **fields: Any) -> Task:
    """A warm-up of one point: ``reference(change)`` is one of ``answers``; ``fields`` are the task's other fields."""
    common: dict[str, Any] = {"kind": "predict", "difficulty": "warm-up", "points": 1, "rungs": changes}
    common |= {"inputs": lambda seed: [(change,) for change in changes], "judge": words(*answers)}
    return Task(reference=reference, **common, **fields)

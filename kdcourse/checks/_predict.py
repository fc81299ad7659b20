"""Predict, then check: one word for each of a few changes, committed once, then a table of what really happens.

A form is a dict of changes and words; a function from change to word is taken as well. Points are for the first
commitment; whoever predicts again sees the table again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

from kdcourse.checks._calling import call_all
from kdcourse.checks._card import Card
from kdcourse.checks._judges import shown
from kdcourse.checks._task import Mistake, Task, Verdict, plain, quoted

__all__ = ["BLANK", "HEADER", "believer", "committed", "form", "prediction", "reason"]

BLANK = "____"
HEADER = ("change", "you said", "what happens", "measured", "why")
Found = Callable[[str], tuple[str, str]]  # of a change: what happens, one word, and the measured number in words


def believer(changes: Sequence[str], found: Found) -> Callable[..., Callable[[str], str]]:
    """Makes wrong answers: ``believing(c2="up")`` answers what happens, but "up" to the second change."""

    def believing(**beliefs: str) -> Callable[[str], str]:
        return lambda change: beliefs.get(f"c{changes.index(change) + 1}", found(change)[0])

    return believing


def prediction(*, changes: tuple[str, ...], found: Found, answers: tuple[str, ...], **fields: Any) -> Task:
    """A warm-up of one point. ``found(change)`` gives one of ``answers`` and the number; ``fields`` are the task's."""

    @wraps(found)
    def reference(change: str) -> str:
        return found(change)[0]

    common: dict[str, Any] = {"kind": "predict", "difficulty": "warm-up", "points": 1, "rungs": changes}
    common |= {"inputs": lambda seed: [(change,) for change in changes], "words": answers}
    common |= {"measured": lambda change: found(change)[1], "judge": lambda right, got: Verdict(right == got)}
    return Task(reference=reference, **common, **fields)


def form(task: Task) -> str:
    """The prefilled cell: every change with a blank."""
    listed = [f'"{word}"' for word in task.words]
    note = f"  # {', '.join(listed[:-1])} or {listed[-1]}"
    return f"{task.reference.__name__} = {quoted(dict.fromkeys(task.rungs, BLANK), note)}"


def reason(task: Task, change: str, said: str) -> str:
    """Why it happens, said to the one who believed this."""
    truth = task.reference(change)
    about: list[Mistake] = [m for m in task.mistakes if m.function(change) != truth]
    own = [m for m in about if m.function(change) == said]
    return next((mistake.hint for mistake in [*own, *about]), "")


def committed(task: Task, card: Card, given: Any, seed: int) -> Card:
    """The card of a prediction: what is blank or no answer, else the table and the share of the point."""
    words, said = _words(task, given, seed)
    if said:
        return replace(card, state="not yet", says=said)
    blank = [change for change in task.rungs if words[change] in (BLANK, "", None)]
    if blank:
        some = f"{len(blank)} of {len(task.rungs)} are still blank" if len(blank) < len(words) else "Not done yet"
        return replace(card, state="not attempted", says=f"{some}. Fill in the form, run its cell, then this one.")
    odd = next((change for change in task.rungs if words[change] not in task.words), "")
    if odd:
        listed = ", ".join(map(repr, task.words))
        return replace(
            card, state="not yet", says=f"{shown(words[odd])} is no answer to {odd!r}; it must be one of {listed}."
        )
    rows = [(change, words[change], task.reference(change), task.measured(change), reason(task, change, words[change]))
            for change in task.rungs]  # fmt: skip
    right = sum(row[1] == row[2] for row in rows)
    return replace(
        card, state="passed" if right == len(rows) else "answered", table=(HEADER, *rows), earned=right / len(rows),
        says=f"{right} of {len(rows)} right: {points(task, right / len(rows))}. {task.takeaway}", said=words,
    )  # fmt: skip


def points(task: Task, share: float) -> str:
    """What a share of a task earns: "1 point", "0.6 of 1 point"."""
    whole = "1 point" if task.points == 1 else f"{task.points} points"
    return whole if share == 1 else f"{share * task.points:.2g} of {whole}"


def _words(task: Task, given: Any, seed: int) -> tuple[dict[str, Any], str]:
    """(every change with its word, or what is wrong with the form)."""
    if isinstance(given, Mapping):
        words = {str(key): plain(value) for key, value in given.items()}
        missing = [change for change in task.rungs if change not in words]
        more = [key for key in words if key not in task.rungs]
        if missing or more:
            parts = [f"{' and '.join(map(repr, missing))} missing"] * bool(missing)
            parts += [f"{' and '.join(map(repr, more))} unknown"] * bool(more)
            return words, f"The form's changes must stay as they were: {', '.join(parts)}."
        return words, ""
    calls = call_all(given, task.inputs(seed), task.parameters, limit=task.limit, seed=seed)
    if calls.outcomes[0].state == "untouched":
        return dict.fromkeys(task.rungs, BLANK), ""
    for change, outcome in zip(task.rungs, calls.outcomes, strict=False):
        if outcome.state != "returned":
            error = f" ({outcome.error}: {outcome.message})" if outcome.error else ""
            return {}, f"No answer to {change!r}{error}."
    return {change: o.value for change, o in zip(task.rungs, calls.outcomes, strict=True)}, ""

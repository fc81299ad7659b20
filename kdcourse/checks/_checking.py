"""``check``: holds a learner's function against a task and says what is right, what is not, and why."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from typing import Any

import torch

from kdcourse._arguments import fail
from kdcourse.checks import _progress
from kdcourse.checks._calling import PATIENCE, Calls, Outcome, call_all, error_name, gradient_at
from kdcourse.checks._card import Card, Note
from kdcourse.checks._designs import judged as judged_design
from kdcourse.checks._designs import sealed
from kdcourse.checks._facts import changed_alike, fact, overflow
from kdcourse.checks._judges import shown, tensor_of
from kdcourse.checks._predict import committed, points
from kdcourse.checks._task import Mistake, Task, copied, double, plain
from kdcourse.checks._tasks import find

__all__ = ["check", "recognise", "verdict"]


class _Check:
    """Checks, hints and solutions; the one object is called ``check``."""

    def __call__(self, task: str, function: Any, *, seed: int = 0) -> Card:
        """Hold a function against a task.

        Args:
            task: its id, "dark_knowledge.1".
            function: the function itself, not its result.
            seed: of the random inputs; the same seed gives the same verdict.

        Raises:
            ValueError: there is no such task.
        """
        found = find(task)
        card = verdict(found, function, seed=seed)
        _failed[found.id] = card.arguments
        if card.state in ("passed", "answered", "not yet"):
            entry, note = _progress.update(found.id, lambda entry: _count(entry, card))
            card = replace(card, note=" ".join(part for part in (card.note, note) if part))
            if card.table and float(entry["earned"]) != card.earned:
                first = f"Your first commitment counts: {points(found, float(entry['earned']))}."
                card = replace(card, earned=float(entry["earned"]), note=f"{first} {card.note}".strip())
        return card

    def input(self, task: str) -> tuple[Any, ...]:
        """The arguments with which the last check of this task failed, as copies: ``my_function(*check.input(id))``.

        Raises:
            ValueError: there is no such task, or its last check here failed with no input.
        """
        found = find(task)
        if not _failed.get(found.id):
            remedy = f"Run check('{found.id}', {found.reference.__name__}) first."
            raise fail("task", "be one whose last check here failed", f"{found.id}, with no failed input", remedy)
        return copied(_failed[found.id])

    def hint(self, task: str) -> Note:
        """The next hint; after the last one, all of them again."""
        found = find(task)
        entry, note = _progress.update(found.id, lambda e: e.update(hints=min(int(e["hints"]) + 1, len(found.hints))))
        given = _seen.setdefault(found.id, 0)
        _seen[found.id] = given = min(max(given + 1, int(entry["hints"])), len(found.hints))
        text, _, code = found.hints[given - 1].partition("\n")
        last = given == len(found.hints)
        after = f"Then there is check.solution('{found.id}')." if last else f"One more: check.hint('{found.id}')."
        return Note(
            f"{found.id}, hint {given} of {len(found.hints)}", f"{text} {note}".strip(), f"{code}\n\n# {after}".strip()
        )

    def solution(self, task: str) -> Note:
        """The reference's source; hints come first."""
        found = find(task)
        entry = _progress.read(_progress.path()).get(found.id, {})
        if not (_seen.get(found.id) or entry.get("hints") or entry.get("passed")):
            return Note(f"{found.id}: a hint first", f"Ask for `check.hint('{found.id}')`; then the solution opens.")
        _progress.update(found.id, lambda e: e.update(solution=True))
        return Note(f"{found.id}, one solution", found.takeaway, found.solution)

    def __repr__(self) -> str:
        return "check(task, function), check.input(task), check.hint(task), check.solution(task)"


NO_GRADIENT = (
    "The value is right, and nothing can be learned from it: `.item()`, `.detach()`, `torch.no_grad()`, NumPy or a "
    "Python number cuts the gradient. Compute with tensors to the end."
)
NAN_GRADIENT = (
    "The value is right, and its gradient is not a number. A root has an infinite slope at 0, and ∞ · 0 is NaN: take "
    "the root of what is above 0 only, or use a function that sees to it (`.norm`, `torch.cdist`)."
)
OTHER_GRADIENT = (
    "The value is right, and its gradient does not belong to it: a part of the loss stands under `.detach()`, "
    "`.item()` or `torch.no_grad()`, so nothing is learned from that part. Compute with tensors to the end."
)
_seen: dict[str, int] = {}  # hints given in this process, where progress is not kept
_failed: dict[str, tuple[Any, ...]] = {}  # the arguments that failed in a task's last check in this process
check = _Check()


def _count(entry: dict[str, Any], card: Card) -> None:
    entry.update(state=card.state, tries=int(entry["tries"]) + 1, last=date.today().isoformat())
    if card.table:
        entry.setdefault("earned", 1.0 if entry["passed"] else card.earned)  # the first commitment's, for good
        entry["state"] = "passed" if entry["earned"] == 1 else "answered"
    entry["passed"] = bool(entry["passed"]) or (entry["earned"] == 1 if card.table else card.passed)


# ---------------------------------------------------------------- the verdict


def verdict(task: Task, function: Any, *, seed: int = 0, exam: str = "val") -> Card:
    """The card, with nothing saved."""
    card = Card(task.id, task.title, "could not be checked")
    if task.kind == "predict" and (callable(function) or isinstance(function, Mapping)):
        return committed(task, card, function, seed)
    if not callable(function):
        call = f"Pass the function itself, without parentheses: check('{task.id}', {task.reference.__name__})."
        return replace(card, says=f"{shown(plain(function))} was passed, which cannot be called.", hint=call)
    inputs = task.inputs(seed, exam=exam) if task.kind == "design" else task.inputs(seed)
    with sealed() if task.kind == "design" else nullcontext():
        calls = call_all(function, inputs, task.parameters, limit=task.limit, seed=seed)
    card = replace(card, printed=calls.printed, seconds=calls.seconds)
    if not calls.limited:
        card = replace(card, note="No time limit here: this Python has no threads.")
    if calls.outcomes[0].state == "untouched":
        return replace(
            card, state="not attempted", says="Not done yet. Write the function, run its cell, then this one."
        )
    if calls.alive:
        says = f"{_late(task, calls)[:-1]} and cannot be stopped from outside. Restart the kernel."
        return replace(card, says=says)
    try:
        expected = task.expected(seed, exam)
        if task.kind == "design" and all(outcome.state == "returned" for outcome in calls.outcomes):
            return judged_design(task, card, inputs, calls, expected)
        judged = _judged(task, card, inputs, calls, expected)
        return _with_gradient(task, judged, function, inputs, seed) if judged.passed and task.gradient else judged
    except Exception as error:
        says = f"The check itself failed ({error_name(error)}: {error}). That is our mistake; please report it."
        return replace(card, says=says)


def _judged(task: Task, card: Card, inputs: Sequence[tuple[Any, ...]], calls: Calls, expected: Sequence[Any]) -> Card:
    for at, outcome in enumerate(calls.outcomes):
        facts, hint = [("Input", f"{at + 1} of {len(inputs)}, {task.rungs[at]}")], ""
        arguments = [(name, shown(value)) for name, value in zip(task.parameters, inputs[at], strict=True)]
        if outcome.state == "stopped":
            hint = (
                f"All inputs together may take {task.limit:g} s. Does a loop ever end? Can a loop become one operation?"
            )
            found_late: dict[str, Any] = {"says": _late(task, calls), "facts": (*facts, *arguments), "hint": hint}
            return replace(card, state="not yet", arguments=inputs[at], **found_late)
        if outcome.state == "raised":
            facts += [*arguments, ("Error", f"{outcome.error}: {outcome.message}")]
            facts += [("In", outcome.line)] if outcome.line else []
        else:
            found = task.judge(expected[at], outcome.value)
            if found and not outcome.changed:
                continue
            hint = found.hint
            facts += [*arguments, *_answers(task, expected[at], outcome, found.difference)]
        known = recognise(task, inputs, calls.outcomes)
        alike = "" if known or hint else _alike_everywhere(calls.outcomes, expected)
        hint = known.hint if known else hint or alike or _partly(task, inputs, calls.outcomes, expected)
        hint = hint or fact(task, inputs, calls.outcomes, expected, at)
        mistake, note = known.name if known else "", card.note if hint else f"check.hint('{task.id}') gives a push."
        told: dict[str, Any] = {"facts": tuple(facts), "hint": hint, "mistake": mistake, "note": note}
        return replace(card, state="not yet", arguments=inputs[at], **told)
    return replace(card, state="passed", earned=1.0, says=f"{points(task, 1.0)}. {task.takeaway}")


def _with_gradient(task: Task, card: Card, function: Any, inputs: Sequence[tuple[Any, ...]], seed: int) -> Card:
    """A loss that has the right value must let its whole gradient through, too."""
    at = max(range(len(inputs)), key=lambda i: sum(v.numel() for v in inputs[i] if isinstance(v, torch.Tensor)))
    options: dict[str, Any] = {"limit": task.limit, "seed": seed}
    found = gradient_at(function, inputs[at], task.parameters, task.gradient, **options)
    if found is None:
        what, hint, mistake = f"none reaches {task.gradient}", NO_GRADIENT, "no gradient"
    elif not all(bool(g.isfinite().all()) for g in found):
        what, hint, mistake = f"NaN or infinity at {task.gradient}", NAN_GRADIENT, "gradient of NaN"
    elif _far(found, gradient_at(task.reference, inputs[at], task.parameters, task.gradient, **options)):
        what, hint, mistake = f"another one reaches {task.gradient}", OTHER_GRADIENT, "another gradient"
    else:
        return card
    facts = (("Input", f"{at + 1} of {len(inputs)}, {task.rungs[at]}"), ("Gradient", what))
    told: dict[str, Any] = {"says": "", "facts": facts, "earned": 0.0, "arguments": inputs[at]}
    return replace(card, state="not yet", hint=hint, mistake=mistake, **told)


def _far(found: Sequence[torch.Tensor], right: Sequence[torch.Tensor] | None) -> bool:
    """Whether two gradients differ by more than rounding: by a thousandth of the right one's length."""
    pairs = list(zip(found, right or [], strict=True))
    apart, whole = (
        sum(float(v.double().square().sum()) for v in vs) for vs in ([a - b for a, b in pairs], right or [])
    )
    return apart > 1e-6 * whole


def _late(task: Task, calls: Calls) -> str:
    if calls.waited:
        return f"It did not return within {PATIENCE * task.limit:g} s, and it hardly computed in them."
    return f"It did not return within {task.limit:g} s."


def _answers(task: Task, expected: Any, outcome: Outcome, difference: str) -> list[tuple[str, str]]:
    facts = [("Expected", shown(_in_kind(expected, outcome.value))), ("Got", shown(outcome.value))]
    facts += [("Difference", difference)] if difference else []
    if outcome.changed:
        facts.append(("Changed", f"{' and '.join(outcome.changed)}, in place: the caller's own data"))
    return facts


def _in_kind(expected: Any, got: Any) -> Any:
    """What is expected, in the precision that came back: the difference lies in the values."""
    floats = [isinstance(v, torch.Tensor) and v.is_floating_point() for v in (expected, got)]
    return expected.to(got.dtype) if all(floats) else expected


def recognise(task: Task, inputs: Sequence[tuple[Any, ...]], outcomes: Sequence[Outcome]) -> Mistake | None:
    """The named mistake that gives the very same outputs on every input, if there is one.

    Where outputs that are finite agree and the others are NaN or infinite, the mistake is named and the overflow, too.
    """
    if not task.mistakes or len(outcomes) != len(inputs) or any(o.state == "stopped" for o in outcomes):
        return None
    for mistake in task.mistakes:
        if all(_alike(task, _try(mistake, args), o) for args, o in zip(inputs, outcomes, strict=True)):
            return mistake
    right = [Outcome("returned", plain(task.reference(*double(args)))) for args in inputs]
    lost = [at for at, outcome in enumerate(outcomes) if _lost(outcome) and not _lost(right[at])]
    finite = [at for at in range(len(inputs)) if at not in lost]
    for mistake in task.mistakes if lost and len(finite) > 1 else ():
        tried = {at: _try(mistake, inputs[at]) for at in finite}
        wrong = any(not _alike(task, right[at], tried[at]) for at in finite)
        if wrong and all(_alike(task, tried[at], outcomes[at]) for at in finite):
            return replace(mistake, hint=f"{mistake.hint} {overflow(task.rungs[lost[0]])}")
    return None


def _alike_everywhere(outcomes: Sequence[Outcome], expected: Sequence[Any]) -> str:
    """One change that explains every answer, which a mistake that explains only the wrong ones does not."""
    if len(outcomes) != len(expected) or any(o.state != "returned" or o.changed for o in outcomes):
        return ""
    return changed_alike(expected, [outcome.value for outcome in outcomes])


def _lost(outcome: Outcome) -> bool:
    """Whether numbers came back that are none any more."""
    value = tensor_of(outcome.value) if outcome.state == "returned" else None
    return value is not None and value.is_floating_point() and not bool(value.isfinite().all())


def _partly(
    task: Task, inputs: Sequence[tuple[Any, ...]], outcomes: Sequence[Outcome], expected: Sequence[Any]
) -> str:  # fmt: skip
    """The named mistakes that give the learner's numbers wherever these are wrong, if there are one or two."""
    if not task.mistakes or len(outcomes) != len(inputs) or any(o.state != "returned" or o.changed for o in outcomes):
        return ""
    wrong = [at for at, o in enumerate(outcomes) if not task.judge(expected[at], o.value)]
    same = [m for m in task.mistakes if all(_alike(task, _try(m, inputs[at]), outcomes[at]) for at in wrong)]
    if not same or len(same) > 2:
        return ""
    told = " Or: ".join(mistake.hint for mistake in same)
    return f"Where they are wrong, your answers are those of {' or of '.join(f'‘{m.name}’' for m in same)}: {told}"


def _try(mistake: Mistake, args: tuple[Any, ...]) -> Outcome:
    try:
        return Outcome("returned", plain(mistake.function(*copied(args))))
    except Exception as error:
        return Outcome("raised", error=error_name(error))


def _alike(task: Task, one: Outcome, other: Outcome) -> bool:
    if one.state != other.state:
        return False
    return one.error == other.error if one.state == "raised" else bool(task.judge(one.value, other.value))

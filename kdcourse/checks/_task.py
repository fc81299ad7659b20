"""What an exercise is: data and functions. ``inputs`` and the learner's answers are plain values, nothing else."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcourse._arguments import one_of

__all__ = ["Inputs", "Mistake", "Strange", "Task", "Verdict", "copied", "double", "plain", "quoted"]

Inputs = list[tuple[Any, ...]]  # one tuple of arguments a rung
KINDS = ("implement", "predict", "debug", "design")
DIFFICULTIES = ("warm-up", "core", "stretch")
LIMIT = 5.0  # processor seconds for all inputs of a task together
MOST = 1_000_000  # values in lists, tuples and dicts that an answer may hold


@dataclass(frozen=True)
class Verdict:
    """True where an answer is right; else ``difference`` says in words what differs, and ``hint`` what that shows.

    ``score``: of predictions that can be counted, the share of right ones.
    """

    right: bool
    difference: str = ""
    hint: str = ""
    score: float | None = None

    def __bool__(self) -> bool:
        return self.right


@dataclass(frozen=True)
class Mistake:
    """A wrong implementation that learners really write, and what to tell the one who wrote it."""

    name: str
    function: Callable[..., Any]
    hint: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """One exercise.

    Attributes:
        id: the lesson's slug and a number in it, "dark_knowledge.1".
        title: a few words.
        kind: "implement", "predict" (commit to an answer, then see it computed), "debug" or "design" (free choice,
            measured bar).
        difficulty: "warm-up", "core" or "stretch".
        minutes, points: what it takes, what it gives.
        rungs: a name for each input, from the plainest to the edge cases.
        inputs: seed -> argument tuples, one a rung; a design task's takes ``exam="val"`` or ``"test"`` besides.
        reference: the answer, readable: a learner may ask for its source.
        judge: (expected, got) -> Verdict; ``got`` is plain.
        mistakes: told apart by their outputs on the inputs.
        hints: from a first push to a skeleton with blanks.
        takeaway: what the one who passed now knows.
        limit: processor seconds for all inputs together.
        answers: for a design task: (seed, exam) -> what the judge holds the predictions against.
        words: for a predict task: what may be said of each rung.
        measured: for a predict task: the number behind what happens, in words.
        gradient: the argument that a loss's gradient must reach; "" where no gradient is asked for.
    """

    id: str
    title: str
    kind: str
    difficulty: str
    minutes: int
    points: int
    rungs: tuple[str, ...]
    inputs: Callable[..., list[tuple[Any, ...]]]
    reference: Callable[..., Any]
    judge: Callable[[Any, Any], Verdict]
    mistakes: tuple[Mistake, ...] = ()
    hints: tuple[str, ...]
    takeaway: str
    limit: float = LIMIT
    answers: Callable[..., list[Any]] | None = field(default=None)
    words: tuple[str, ...] = ()
    measured: Callable[[str], str] = str
    gradient: str = ""

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS)
        one_of("difficulty", self.difficulty, DIFFICULTIES)

    def __repr__(self) -> str:
        minutes, points = f"{self.minutes} minutes", "1 point" if self.points == 1 else f"{self.points} points"
        return f"{self.id}: {self.title} ({self.kind}, {self.difficulty}, {minutes}, {points})"

    @property
    def parameters(self) -> list[str]:
        """The names of the arguments, as the learner's function has them."""
        return list(inspect.signature(self.reference).parameters)

    def expected(self, seed: int, exam: str = "val") -> list[Any]:
        """What is right, one value an input: the reference's own answers in double precision, or ``answers``."""
        if self.answers is not None:
            return self.answers(seed, exam=exam)
        return [plain(self.reference(*double(args))) for args in self.inputs(seed)]

    @property
    def solution(self) -> str:
        """An answer to paste: the source of the reference without type hints, or the right predictions."""
        if self.kind == "predict":
            return f"{self.reference.__name__} = {quoted({c: self.reference(c) for c in self.rungs})}\n"
        head = f"def {self.reference.__name__}({', '.join(self.parameters)}):\n"
        return re.sub(r"def \w+\(.*?\) -> [^\n]+:\n", head, inspect.getsource(self.reference), count=1, flags=re.DOTALL)


def quoted(words: Mapping[str, str], note: str = "") -> str:
    """A dict of texts as a notebook's cell has it, a line each."""
    lines = "".join(f"    {_text(change)}: {_text(word)},\n" for change, word in words.items())
    return f"{{{note}\n{lines}}}"


def _text(value: str) -> str:
    return repr(value) if '"' in value else f'"{value}"'


# ---------------------------------------------------------------- plain values


@dataclass(frozen=True)
class Strange:
    """Stands for a value that is no number, text, array, or list of such; ``kind`` is its type's name."""

    kind: str


def plain(value: Any) -> Any:
    """Tensors without gradient on the CPU, numbers, texts, None, and lists, tuples and dicts of such.

    NumPy's arrays become tensors and its scalars numbers; anything else becomes ``Strange``, and so does what holds
    more than a million values in lists.
    """
    try:
        return _plain(value, [MOST])
    except _TooMany:
        return Strange(f"{type(value).__name__} of more than {MOST:,} values")


class _TooMany(Exception):
    """More values in lists than anybody asked for."""


def _plain(value: Any, left: list[int]) -> Any:
    left[0] -= len(value) if isinstance(value, (list, tuple, Mapping)) else 0
    if left[0] < 0:
        raise _TooMany
    if isinstance(value, Tensor):
        kinds = {"nested": value.is_nested, "quantized": value.is_quantized, "sparse": value.layout != torch.strided}
        odd = next((kind for kind, found in kinds.items() if found), "")
        return Strange(f"{odd} tensor") if odd else value.detach().cpu().clone()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy()) if value.dtype.kind in "fiub" else Strange(f"array of {value.dtype}")
    if isinstance(value, np.generic):
        return value.item() if value.dtype.kind in "iub" else float(value) if value.dtype.kind == "f" else str(value)
    if value is None or type(value) in (bool, int, float, str):
        return value
    exact = next((kind for kind in (str, int, float) if isinstance(value, kind)), None)
    if exact is not None:  # of a class of the learner's own, which may compare as it likes
        return {str: str.__str__, int: int.__int__, float: float.__float__}[exact](value)
    if isinstance(value, (list, tuple)):
        items = [_plain(item, left) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): _plain(item, left) for key, item in value.items()}
    return float(value) if isinstance(value, (Real, Decimal)) else Strange(type(value).__name__)


def copied(args: Sequence[Any]) -> tuple[Any, ...]:
    """The arguments anew, so that no call can change what the next one sees."""
    return tuple(plain(value) for value in args)


def double(value: Any) -> Any:
    """The same value with every floating-point tensor in double precision."""
    if isinstance(value, Tensor):
        return value.double() if value.is_floating_point() else value
    if isinstance(value, (list, tuple)):
        return type(value)(double(item) for item in value)
    if isinstance(value, dict):
        return {key: double(item) for key, item in value.items()}
    return value

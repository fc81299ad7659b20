"""Calls a learner's function: on copies, within a time limit, with its prints caught and its errors told as its own.

The limit counts processor seconds of this process, in which torch computes with one thread meanwhile, and is stretched
on a slow processor when it is reached: neither a busy machine nor an old one makes anybody fail. The function runs in a
thread of its own. When its time is up, an exception is raised inside it (CPython's ``PyThreadState_SetAsyncExc``): this
works on every system and in Colab, as soon as the function executes Python code again; one that hangs inside a single
call of a library cannot be stopped, and the card then says so.
"""

import builtins
import contextlib
import ctypes
import inspect
import io
import linecache
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

import torch
from torch import Tensor

from kdcourse.checks._pace import pace
from kdcourse.checks._task import copied, plain
from kdcourse.data import seeded

__all__ = ["Calls", "Outcome", "call_all", "error_name", "gradient_at"]

KEPT = 2000  # characters of what the function prints
SLICE = 0.1  # seconds
PATIENCE = 12  # times the limit by the clock on the wall: one that only waits uses no processor
WORKER = "kdcourse-check"
COMPILER, GRACE = "torch._dynamo", 10  # the first optimizer of a process imports it, which takes seconds


@dataclass(frozen=True)
class Outcome:
    """What one call did.

    Attributes:
        state: "returned", "raised", "untouched" (the stub's own NotImplementedError) or "stopped" (out of time).
        value: what came back, plain.
        error: the name of the exception's class; ``message`` and ``line``: its text and the learner's own line.
        changed: the arguments that the function changed in place.
    """

    state: str
    value: Any = None
    error: str = ""
    message: str = ""
    line: str = ""
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Calls:
    """All calls of one check.

    Attributes:
        seconds: the processor's.
        alive: the function could not be stopped.
        limited: a time limit was in force.
        waited: it was stopped by the clock on the wall.
    """

    outcomes: list[Outcome]
    printed: str
    seconds: float
    alive: bool = False
    limited: bool = True
    waited: bool = False


class _Stopped(BaseException):
    """Raised inside a function whose time is up; ``except Exception`` does not catch it."""


class _Bounded(io.StringIO):
    """Keeps the first characters only: a function that prints for ever must not fill the memory."""

    def write(self, text: str) -> int:
        if self.tell() < KEPT:
            super().write(text[: KEPT - self.tell()])
        return len(text)


def call_all(
    function: Callable[..., Any], inputs: Sequence[tuple[Any, ...]], names: Sequence[str], *, limit: float, seed: int
) -> Calls:
    """One call an input, until the first is untouched or the time is up. Same seed, same random numbers."""
    outcomes: list[Outcome] = []

    def job() -> None:
        torch.set_num_threads(1)
        try:
            for args in inputs:
                outcomes.append(_call(function, args, names, seed))
                if outcomes[-1].state == "untouched":
                    return
        except _Stopped:
            pass
        finally:
            done.set()

    done = threading.Event()
    printed, kept, threads = _Bounded(), torch.get_default_dtype(), torch.get_num_threads()
    worker, used = threading.Thread(target=job, daemon=True, name=WORKER), _Clock(limit)
    limited, alive = True, False
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            worker.start()
        except RuntimeError:  # no threads here (Python in a browser)
            limited = False
            job()
        else:
            alive = _wait(worker, done, used)
    torch.set_default_dtype(kept)
    torch.set_num_threads(threads)
    unfinished = limited and _unfinished(outcomes, len(inputs))
    stopped, text = [Outcome("stopped")] if unfinished else [], _without_bars(printed.getvalue())
    return Calls([*outcomes, *stopped], text, used.seconds, alive, limited, bool(unfinished and used.seconds < limit))


def _without_bars(text: str) -> str:
    """What was printed without progress bars, which write over their own line."""
    lines = [line.rpartition("\r")[2] for line in text.splitlines()]
    return "\n".join(line for line in lines if not re.search(r"\d+%\|", line))


def _unfinished(outcomes: Sequence[Outcome], wanted: int) -> bool:
    return len(outcomes) < wanted and not (outcomes and outcomes[-1].state == "untouched")


def gradient_at(
    function: Callable[..., Any], args: tuple[Any, ...], names: Sequence[str], to: str, *, limit: float, seed: int
) -> list[Tensor] | None:  # fmt: skip
    """What autograd brings to the argument ``to``, one tensor for each of its tensors; None where nothing arrives."""

    def watched(*given: Any) -> list[Tensor] | None:
        value = given[list(names).index(to)]
        tensors = [tensor.requires_grad_() for tensor in (value if isinstance(value, (list, tuple)) else [value])]
        result = function(*given)
        if not (isinstance(result, Tensor) and result.requires_grad):
            return None
        found = torch.autograd.grad(result.sum(), tensors, allow_unused=True)
        if all(g is None for g in found):
            return None
        return [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, found, strict=True)]

    found: list[Tensor] | None = call_all(watched, [args], names, limit=limit, seed=seed).outcomes[0].value
    return found


class _Clock:
    """What was used since it was made, of a limit in processor seconds."""

    def __init__(self, limit: float) -> None:
        self.limit, self.began, self.wall = limit, time.process_time(), time.monotonic()
        self.cold, self.paced = COMPILER not in sys.modules, False

    @property
    def seconds(self) -> float:
        """Of the processor, in this process."""
        return time.process_time() - self.began

    def up(self) -> bool:
        """Whether the time is up, by the processor or, much later, by the wall."""
        used_up = self._used_up()
        if used_up and not self.paced:  # a slow processor is no mistake of the learner's
            self.limit, self.paced = self.limit * pace(), True
            used_up = self._used_up()
        return used_up or time.monotonic() - self.wall >= PATIENCE * self.limit

    def _used_up(self) -> bool:
        imported = GRACE if self.cold and COMPILER in sys.modules else 0  # torch's seconds, not the learner's
        return self.seconds >= self.limit + imported


def _wait(worker: threading.Thread, done: threading.Event, used: _Clock) -> bool:
    """Wait until the job is done; stop it when its time is up or the learner interrupts. True if it lives on.

    An event, not ``join``: an interrupted join may take a thread for finished that is not.
    """
    try:
        while not done.is_set() and not used.up():
            done.wait(min(SLICE, used.limit))  # in slices: one long wait might not notice an interrupt
    except BaseException:  # the stop button
        _stop(worker, done)
        raise
    return not done.is_set() and not _stop(worker, done)


def _stop(worker: threading.Thread, done: threading.Event) -> bool:
    for _ in range(20):  # a bare except may swallow it, so again
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident or 0), ctypes.py_object(_Stopped))
        if done.wait(SLICE) or not worker.is_alive():
            return True
    return False


def _call(function: Callable[..., Any], args: tuple[Any, ...], names: Sequence[str], seed: int) -> Outcome:
    given = copied(args)
    refused = _signature(function, given, names)
    if refused:
        return Outcome("raised", error="TypeError", message=refused)
    try:
        with seeded(seed):
            value = plain(function(*given))
    except _Stopped:
        raise
    except BaseException as error:  # the learner's own, whatever it is: a real interrupt reaches the main thread only
        return _failed(error, function)
    changed = tuple(name for name, a, b in zip(names, args, given, strict=True) if not _equal(a, b))
    return Outcome("returned", value, changed=changed)


def _signature(function: Callable[..., Any], args: tuple[Any, ...], names: Sequence[str]) -> str:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin without one
        return ""
    try:
        signature.bind(*args)
    except TypeError as error:
        return f"it is called with {len(names)} arguments ({', '.join(names)}): {error}"
    return ""


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return (
            isinstance(other, Tensor)
            and one.shape == other.shape
            and one.dtype == other.dtype
            and torch.allclose(one.detach().cpu(), other.detach().cpu(), 0.0, 0.0, equal_nan=True)
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(_equal(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return bool(one == other)


def _failed(error: BaseException, function: Callable[..., Any]) -> Outcome:
    """The exception, with the last line of it that stands in the learner's own cell or file."""
    frames = traceback.extract_tb(error.__traceback__)
    code = getattr(inspect.unwrap(function), "__code__", None)
    own = [frame for frame in frames if isinstance(code, CodeType) and frame.filename == code.co_filename]
    line = ""
    if own:
        text = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
        line = f"line {own[-1].lineno}" + (f": {text}" if text else "")
    untouched = isinstance(error, NotImplementedError) and not error.args and bool(own) and frames[-1] == own[-1]
    name = error_name(error)
    return Outcome("untouched" if untouched else "raised", error=name, message=_short(str(error)), line=line)


def error_name(error: BaseException) -> str:
    """The class of an exception, with its module where it is not Python's own."""
    name = type(error).__name__
    return name if hasattr(builtins, name) else f"{type(error).__module__}.{name}"


def _short(text: str) -> str:
    first = text.strip().splitlines()[0] if text.strip() else ""
    return first if len(first) <= 300 else first[:297] + "…"

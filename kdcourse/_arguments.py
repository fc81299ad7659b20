"""Argument checks whose errors name the argument, the rule, the value received and the remedy."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any


def fail(argument: str, rule: str, got: Any, remedy: str, error: type[Exception] = ValueError) -> Exception:
    """The error to raise: ``argument must rule; got value. Remedy.``"""
    shown = got if isinstance(got, str) and " " in got else repr(got)
    return error(f"{argument} must {rule}; got {shown}. {remedy}")


def one_of(argument: str, value: str, allowed: Iterable[str]) -> str:
    """The name; refused if it is not among the known ones."""
    known = sorted(allowed)
    if value not in known:
        raise fail(argument, f"be one of {', '.join(known)}", value, "Check the spelling.")
    return value


def positive(argument: str, value: Any, *, whole: bool = False, zero: bool = False) -> None:
    """Refuse anything but a finite number above zero (``zero=True``: or zero; ``whole=True``: an integer).

    NumPy's numbers count as numbers.
    """
    rule = f"be a {'whole' if whole else 'finite'} number {'of at least 0' if zero else 'above 0'}"
    ok = isinstance(value, Integral if whole else Real) and not isinstance(value, bool) and math.isfinite(value)
    if not ok or value < 0 or (value == 0 and not zero):
        raise fail(argument, rule, value, "Choose another value.")


def fraction(argument: str, value: Any) -> None:
    """Refuse anything outside [0, 1]."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) <= 1:
        raise fail(argument, "lie between 0 and 1", value, "Choose a value in that range.")

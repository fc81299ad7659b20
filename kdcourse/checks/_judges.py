"""Judges: is the answer right, and if not, what exactly differs, in words."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kdcourse.checks._task import Strange, Verdict
from kdcourse.multitask import iou

__all__ = ["ATOL", "RTOL", "close", "number", "predictions", "sights", "shown", "tensor_of", "words"]

RTOL, ATOL = 1e-4, 1e-5  # relative to each value, and to the largest one
FLOOR = 1e-6  # what rounding leaves where zero is expected


# ---------------------------------------------------------------- values in words


def shown(value: Any) -> str:
    """A value in a line: its kind and shape, and its first numbers."""
    if isinstance(value, Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        if value.ndim == 0:
            return f"{number(value.item())} (tensor, {kind})"
        if value.numel() == 0:
            return f"tensor {_shape(value)}, {kind}, empty"
        inside = (
            _first(value) if value.ndim < 3 else f"from {number(value.min().item())} to {number(value.max().item())}"
        )
        return f"tensor {_shape(value)}, {kind}: {inside}"
    if isinstance(value, Strange):
        return f"an object of type {value.kind}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(shown(item) for item in value[:4]) + (", …" if len(value) > 4 else "")
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {shown(item)}" for key, item in list(value.items())[:6]) + "}"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "…")
    return number(value) if isinstance(value, float) else repr(value)


def number(value: Any) -> str:
    """A number as people write it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _shape(value: Tensor) -> str:
    return "×".join(map(str, value.shape))


def _first(value: Tensor) -> str:
    if value.ndim == 1:
        inside = ", ".join(number(v) for v in value[:6].tolist())
        return f"[{inside}{', …' if len(value) > 6 else ''}]"
    rows = ", ".join(_first(row) for row in value[:2])
    return f"[{rows}{', …' if len(value) > 2 else ''}]"


# ---------------------------------------------------------------- values compared


def close(expected: Any, got: Any, *, rtol: float = RTOL) -> Verdict:
    """Equal up to rounding: 1e-4 of each number, or 1e-5 of the largest; whole numbers and texts exactly.

    A 0-d tensor and a number are the same thing, and so are a list of numbers and a vector.
    """
    return _compare(expected, got, "", rtol)


def _compare(expected: Any, got: Any, where: str, rtol: float) -> Verdict:
    if got is None and expected is not None:
        return Verdict(False, f"{where}None came back. Is a return missing?")
    if isinstance(got, Strange):
        return Verdict(False, f"{where}an object of type {got.kind} came back; {_wanted(expected)} is expected")
    if isinstance(expected, dict):
        return _compare_dicts(expected, got, where, rtol)
    if isinstance(expected, (list, tuple)):
        return _compare_lists(expected, got, where, rtol)
    if isinstance(expected, str) or expected is None:
        right = type(got) is type(expected) and got == expected
        return Verdict(right, "" if right else f"{where}{shown(got)} where {shown(expected)} is expected")
    target, value = tensor_of(expected), tensor_of(got)
    if target is None or value is None or value.is_complex():
        return Verdict(False, f"{where}{shown(got)} came back; {_wanted(expected)} is expected")
    return _compare_tensors(target, value, where, rtol)


def _wanted(expected: Any) -> str:
    if isinstance(expected, Tensor) and expected.ndim:
        return f"a tensor {_shape(expected)}"
    if isinstance(expected, (list, tuple)):
        return f"{len(expected)} values"
    return "a text" if isinstance(expected, str) else "a dict" if isinstance(expected, dict) else "a number"


def tensor_of(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, int) and not -(2**63) <= value < 2**63:  # too long for a tensor of whole numbers
        value = (math.inf if value > 0 else -math.inf) if value.bit_length() > 1023 else float(value)
    if isinstance(value, (bool, int, float)):
        return torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)
    if isinstance(value, (list, tuple)):
        if not value:
            return torch.empty(0)
        items = [tensor_of(item) for item in value]
        known = [item for item in items if item is not None and not item.is_complex()]
        if len(known) == len(items) and all(item.shape == known[0].shape for item in known):
            return torch.stack([item.double() for item in known])
    return None


def _compare_tensors(expected: Tensor, got: Tensor, where: str, rtol: float) -> Verdict:
    if expected.shape != got.shape:
        shape = f"a tensor {_shape(got)}" if got.ndim else "a single number"
        return Verdict(False, f"{where}{shape} came back; {_wanted(expected)} is expected")
    target, value = expected.double(), got.double()
    largest = target[target.isfinite()].abs().max().item() if target.isfinite().any() else 0.0
    exact = not expected.is_floating_point()
    near = {"rtol": 0.0, "atol": 0.0} if exact else {"rtol": rtol, "atol": max(ATOL * largest, FLOOR)}
    wrong = ~torch.isclose(value, target, equal_nan=True, **near)
    if not wrong.any():
        return Verdict(True)
    at = tuple(wrong.nonzero()[0].tolist())
    got_one, wanted_one = got[at].item(), expected[at].item()
    if expected.ndim == 0:
        return Verdict(False, f"{where}{number(got_one)} where {number(wanted_one)} is expected")
    count = f"{int(wrong.sum())} of {wrong.numel()} values differ, first at {list(at)}"
    nan = int(value.isnan().sum())
    more = f"; {nan} are NaN" if nan else ""
    said = f"{where}{count}: {number(got_one)} where {number(wanted_one)} is expected{more}"
    return Verdict(False, said, _half(target, value, got.dtype))


def _half(target: Tensor, value: Tensor, dtype: torch.dtype) -> str:
    """The hint for values that are right up to the rounding of half precision."""
    if dtype not in (torch.float16, torch.bfloat16):
        return ""
    digits = 2 * torch.finfo(dtype).eps
    if not torch.isclose(value, target, rtol=digits, atol=digits * float(target.abs().max()), equal_nan=True).all():
        return ""
    name = str(dtype).removeprefix("torch.")
    return f"The values are right up to the rounding of {name}. Keep float32: leave the conversion to {name} out."


def _compare_lists(expected: Sequence[Any], got: Any, where: str, rtol: float) -> Verdict:
    if isinstance(got, Tensor) and got.ndim:
        got = list(got.unbind())
    if not isinstance(got, (list, tuple)):
        return Verdict(False, f"{where}{shown(got)} came back; {len(expected)} values are expected")
    if len(got) != len(expected):
        return Verdict(False, f"{where}{len(got)} values came back; {len(expected)} are expected")
    pairs = enumerate(zip(expected, got, strict=True), 1)
    verdicts = (_compare(e, g, f"{where}value {i}: ", rtol) for i, (e, g) in pairs)
    return next((verdict for verdict in verdicts if not verdict), Verdict(True))


def _compare_dicts(expected: dict[str, Any], got: Any, where: str, rtol: float) -> Verdict:
    if not isinstance(got, dict):
        return Verdict(False, f"{where}{shown(got)} came back; a dict with {', '.join(expected)} is expected")
    missing, more = [k for k in expected if k not in got], [k for k in got if k not in expected]
    if missing or more:
        parts = [f"{' and '.join(missing)} missing"] * bool(missing) + [f"{' and '.join(more)} unknown"] * bool(more)
        return Verdict(False, f"{where}keys: {', '.join(parts)}")
    verdicts = (_compare(expected[key], got[key], f"{where}{key}: ", rtol) for key in expected)
    return next((verdict for verdict in verdicts if not verdict), Verdict(True))


def words(*allowed: str) -> Any:
    """A judge of one word among a few: says so where the answer is none of them."""
    listed = ", ".join(map(repr, allowed))

    def judge(expected: Any, got: Any) -> Verdict:
        if got is None:
            return Verdict(False, "None came back. Is a return missing?")
        if not isinstance(got, str) or got not in allowed:
            return Verdict(False, f"{shown(got)} is no answer here; it must be one of {listed}")
        return Verdict(got == expected, "" if got == expected else f"{got!r} is not what happens")

    return judge


# ---------------------------------------------------------------- predictions held against a bar


def predictions(expected: dict[str, Any], got: Any) -> Verdict:
    """Predicted classes against ``expected["labels"]``: refused where they are none, else their score."""
    labels = expected["labels"]
    value = tensor_of(got)
    if value is None:
        return Verdict(False, f"{shown(got)} came back; one class for each of {len(labels)} images is expected")
    if value.is_complex():
        return Verdict(False, f"classes are whole numbers from 0 to 9; {shown(value)} came back")
    if value.shape != labels.shape:
        hint = "Take the class with the highest logit: argmax(dim=1)." if value.shape == (len(labels), 10) else ""
        other = "" if value.ndim != 1 else "Answer for the *exam* images: one class for each of them, in their order."
        return Verdict(False, f"a tensor {_shape(value)} came back; {len(labels)} classes are expected", hint or other)
    if not torch.equal(value.double(), value.double().round()) or value.min() < 0 or value.max() > 9:
        return Verdict(False, f"classes are whole numbers from 0 to 9; {shown(value)} came back")
    return Verdict(True, score=(value.long() == labels).double().mean().item())


def sights(expected: dict[str, Any], got: Any) -> Verdict:
    """Classes and boxes, N x 5 (class, x1, y1, x2, y2): refused where they are none, else the share of both right.

    A box is right where its IoU with ``expected["boxes"]`` is at least ``expected["near"]``.
    """
    labels, near = expected["labels"], expected["near"]
    value = tensor_of(got)
    wanted = f"{len(labels)} rows of a class and a box (x1, y1, x2, y2) are expected"
    if value is None or value.is_complex():
        return Verdict(False, f"{shown(got)} came back; {wanted}")
    if value.shape != (len(labels), 5):
        hint = "One row for each *exam* image, in their order: torch.cat([classes[:, None], boxes], dim=1)."
        return Verdict(False, f"a tensor {_shape(value)} came back; {wanted}", hint)
    classes, boxes = value[:, 0].double(), value[:, 1:].double()
    if not torch.equal(classes, classes.round()) or classes.min() < 0 or classes.max() > 9:
        hint = "The class comes first in a row, then the box."
        return Verdict(False, f"classes are whole numbers from 0 to 9; {shown(classes)} came back", hint)
    right, met = classes.long() == labels, iou(boxes, expected["boxes"].double()) >= near
    shares = (f"{100 * part.double().mean().item():.0f} %" for part in (right, met))
    told = "In the first draw {} of the classes and {} of the boxes are right.".format(*shares)
    return Verdict(True, hint=told, score=(right & met).double().mean().item())

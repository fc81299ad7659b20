"""What can be said of a wrong answer that is none of the named mistakes: facts about its outputs, no guesses."""

import math
import re
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from kdcourse.checks._calling import Outcome
from kdcourse.checks._judges import ATOL, RTOL, number, tensor_of
from kdcourse.checks._task import Task

__all__ = ["changed_alike", "fact", "overflow", "relation"]

Inputs = Sequence[tuple[Any, ...]]
OVERFLOW = "NaN and infinity come from exp() of a large number, log(0), 0/0 or ∞/∞. Which of them can happen there?"


def fact(task: Task, inputs: Inputs, outcomes: Sequence[Outcome], expected: Sequence[Any], at: int) -> str:
    """The first fact that holds, the most telling ones first; empty where none does."""
    here = outcomes[at]
    if here.state == "raised":
        return _of_error(here)
    if here.changed:
        name = here.changed[0]
        return (
            f"The function changes its argument. Work on a copy (`{name}.clone()`), or write `x = x + 1`, not `x += 1`."
        )
    if here.value is None and expected[at] is not None:
        return "None came back. Does the function end without `return`?"
    got = [outcome.value for outcome in outcomes]
    found = _of_kind(expected[at], got[at]) or _of_size(task, inputs[at], expected[at], got[at])
    if found:
        return found
    if all(outcome.state == "returned" for outcome in outcomes) and len(outcomes) == len(inputs):
        found = _always_the_same(expected, got) or _factor(task, inputs, expected, got) or relation(expected, got)
    return found or _of_places(expected[at], got[at]) or _one_rung(task, outcomes, expected, at)


def overflow(rung: str) -> str:
    """Said where a named mistake explains all inputs but one that leaves the range of numbers."""
    return f"Besides, *{rung}* gives NaN or infinity. {OVERFLOW}"


# ---------------------------------------------------------------- one answer


def _of_error(outcome: Outcome) -> str:
    """What an error of torch's means."""
    if "mat1 and mat2 shapes cannot be multiplied" in outcome.message:
        return "A matrix product takes n×k times k×m. Print both shapes: must one be flattened, or transposed?"
    if "must match the size of tensor b" in outcome.message:
        reduced = re.search(r"\.(sum|mean|amax|max|logsumexp|std|norm)\(", outcome.line)
        more = " A sum or maximum over `dim` drops that dimension; `keepdim=True` keeps it." if reduced else ""
        return f"Two shapes do not fit one another, on this input.{more or ' Print both.'}"
    if "is out of bounds" in outcome.message or outcome.error == "IndexError":
        return "On this input an index points behind the last place. What is not there that you count on?"
    if "non-empty TensorList" in outcome.message or "empty" in outcome.message:
        return "On this input a list or a tensor is empty. A sum of nothing is 0: begin with it, and add."
    if "does not require grad" in outcome.message:
        return "The gradient was lost on the way: `.item()`, `.detach()`, `torch.no_grad()` or a new tensor cuts it."
    return ""


def _of_kind(expected: Any, got: Any) -> str:
    """Whole numbers for fractions, a pair for its first part, a transposed or a longer shape."""
    if isinstance(got, tuple) and len(got) == 2 and not isinstance(expected, (tuple, list)):
        return "Two things came back. `.sort()`, `.max(dim)` and `.min(dim)` give values *and* indices: take `.values`."
    want, have = tensor_of(expected), tensor_of(got)
    if want is None or have is None:
        return ""
    whole = isinstance(got, Tensor) and not (got.is_floating_point() or got.is_complex() or got.dtype == torch.bool)
    if isinstance(got, Tensor) and got.dtype == torch.bool and want.dtype == torch.long and want.ndim:
        return "A mask of True and False came back. Numbers are asked for: `mask.nonzero().flatten()` gives positions."
    if whole and want.is_floating_point() and not torch.equal(want, want.round()):
        return f"A tensor of whole numbers came back ({have.dtype}): it cuts fractions off. Make it a float one."
    if have.ndim == 2 and want.shape == have.T.shape != have.shape:
        return "Rows and columns are exchanged: the shape is that of the transposed answer."
    if want.shape != have.shape and want.numel() == have.numel():
        shape = "×".join(map(str, want.shape)) or "a single number"
        return f"The right number of values in another shape; {shape} is asked for."
    if want.ndim == 0 and have.ndim:
        return "One number is asked for, and one for each row or class came back. What is missing, a sum or a mean?"
    if want.ndim and not have.ndim:
        return "A single number came back. Over which dimension should not be summed or averaged?"
    return ""


def _of_size(task: Task, args: tuple[Any, ...], expected: Any, got: Any) -> str:
    """Which argument says how many rows or columns there are to be."""
    want, have = tensor_of(expected), tensor_of(got)
    if want is None or have is None or want.ndim != have.ndim or not 0 < want.ndim < 3:
        return ""
    sizes: list[tuple[str, int]] = []
    for name, value in zip(task.parameters, args, strict=True):
        if isinstance(value, Tensor) and value.ndim:
            sizes += [(f"len({name})", len(value)), *((f"{name}.shape[1]", v) for v in value.shape[1:2])]
        elif isinstance(value, int) and not isinstance(value, bool):
            sizes.append((name, value))
    for what, wanted, found in zip(("rows", "columns"), want.shape, have.shape, strict=False):
        named = [text for text, size in sizes if size == wanted]
        if wanted != found and named:
            things = what if want.ndim == 2 else "values"
            return f"{found} {things} came back; {wanted} are asked for, as many as `{named[0]}` says."
    return ""


def _of_places(expected: Any, got: Any) -> str:
    """The right values at other places, or one row for all."""
    want, have = tensor_of(expected), tensor_of(got)
    if want is None or have is None or want.shape != have.shape or want.ndim == 0 or want.dtype == torch.bool:
        return ""
    want, have = want.double(), have.double()
    if (
        want.numel() > 2
        and bool((want != want.flatten()[0]).any())
        and _same(want.flatten().sort().values, have.flatten().sort().values)
    ):
        return "These are the right values, in another order."
    if (
        have.ndim == 2
        and len(have) > 1
        and _same(have, have[:1].expand_as(have))
        and not _same(want, want[:1].expand_as(want))
    ):
        return "All rows are the same one. What tells the rows apart, and where does it enter?"
    return ""


# ---------------------------------------------------------------- all answers together


def _always_the_same(expected: Sequence[Any], got: Sequence[Any]) -> str:
    """One answer to everything: the example's, or none that was computed."""
    want, have = [tensor_of(v) for v in expected], [tensor_of(v) for v in got]
    if len(got) < 3 or any(v is None for v in have) or any(v is None for v in want):
        return ""
    flat = [v.double().flatten() for v in have if v is not None]
    values = torch.cat(flat)
    if not values.numel() or values.isnan().any():
        return ""
    one = float(values[0])
    if (values == one).all():
        return f"Every value that came back, on every input, is {number(one)}. Which argument should decide it?"
    if all(v.shape == flat[0].shape and torch.equal(v, flat[0]) for v in flat[1:]):
        return "The same answer came back for every input. Which of the arguments does the function use?"
    return ""


def relation(expected: Sequence[Any], got: Sequence[Any]) -> str:
    """Each answer the same multiple of what is expected, or the same distance from it."""
    pairs = _pairs(expected, got)
    if not pairs:
        return ""
    target, value = (torch.cat([pair[i] for pair in pairs]) for i in (0, 1))
    slack = torch.cat([ATOL * v.abs().amax().expand(len(v)) for _, v in pairs if len(v)])
    some = target != 0
    if not (target.isfinite().all() and value.isfinite().all()) or int(some.sum()) < 2:
        return ""
    ratio, move = (value[some] / target[some]).median(), (value - target).median()
    if ratio != 0 and abs(ratio - 1) > 0.01 and ((value - ratio * target).abs() <= RTOL * value.abs() + slack).all():
        if abs(ratio + 1) < 1e-4:
            return "Every value has the wrong sign. Which of two things is subtracted from which?"
        return f"Every value is {number(float(f'{ratio.item():.4g}'))} times the expected one."
    if abs(move) > 1e-6 and ((value - target - move).abs() <= RTOL * abs(move) + slack).all():
        return f"Every value is {number(float(f'{move.item():.4g}'))} away from the expected one."
    return ""


def changed_alike(expected: Sequence[Any], got: Sequence[Any]) -> str:
    """Every value the same function of what is expected: its size without the sign, its square, its logarithm, …"""
    both = [(tensor_of(one), tensor_of(other)) for one, other in zip(expected, got, strict=True)]
    truths = [(a, b) for a, b in both if a is not None and b is not None and a.dtype == b.dtype == torch.bool]
    if len(truths) == len(both):
        turned = all(a.shape == b.shape and torch.equal(a, ~b) for a, b in truths)
        return "True and False are exchanged in every answer." if turned else ""
    pairs = _pairs(expected, got)
    if not pairs:
        return ""
    target, value = (torch.cat([pair[i] for pair in pairs]) for i in (0, 1))
    if not (target.isfinite().all() and value.isfinite().all()) or _kinds(value) < 3:
        return ""
    for text, function in CHANGES:
        made = function(target)
        if bool(made.isfinite().all()) and _kinds(made) > 2 and _same(made, value, 1e-3):
            return text
    return ""


def _kinds(values: Tensor) -> int:
    """How many different values there are."""
    return len(set(values.tolist()))


CHANGES: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("Every value is the right one without its sign: an absolute value stands where none is asked for.", torch.abs),
    ("Every value below zero came back as 0. Such values have a meaning here, too.", lambda v: v.clamp(min=0)),
    ("Every value is the *square* of the expected one.", torch.square),
    ("Every value is the *square root* of the expected one.", torch.sqrt),
    ("Every value is the *logarithm* of the expected one.", torch.log),
    ("Every value is exp() of the expected one: a logarithm is missing, or an exp() too many.", torch.exp),
    ("Every value is 1 minus the expected one.", lambda v: 1 - v),
    ("Every value is 1 divided by the expected one.", lambda v: 1 / v),
    ("Every value is rounded to a whole number.", torch.round),
    ("Every value is cut off to a whole number.", torch.trunc),
    ("Every value is rounded to two digits behind the point.", lambda v: v.round(decimals=2)),
)


def _pairs(expected: Sequence[Any], got: Sequence[Any]) -> list[tuple[Tensor, Tensor]]:
    """Both as flat doubles, input by input; empty where they cannot be compared."""
    found = []
    for one, other in zip(expected, got, strict=True):
        e, g = tensor_of(one), tensor_of(other)
        if e is None or g is None or e.shape != g.shape or any(v.is_complex() or v.dtype == torch.bool for v in (e, g)):
            return []
        found.append((e.double().flatten(), g.double().flatten()))
    return found


def _factor(task: Task, inputs: Inputs, expected: Sequence[Any], got: Sequence[Any]) -> str:
    """A factor that changes from input to input as a size or a number among the arguments does."""
    ratios: list[float | None] = [_ratio(e, g) for e, g in _pairs(expected, got)]
    if not ratios or any(r is not None and (math.isnan(r) or r == 0) for r in ratios):
        return ""
    known = [(args, r) for args, r in zip(inputs, ratios, strict=True) if r is not None]
    if len(known) < 2 or len({round(r, 6) for _, r in known}) < 2:
        return ""
    for text, value in _candidates(task, inputs):
        values = [value(args) for args, _ in known]
        if all(v and abs(r / v - 1) < 1e-3 for v, (_, r) in zip(values, known, strict=True)):
            return f"Every value is `{text}` times the expected one."
    return ""


def _ratio(expected: Tensor, got: Tensor) -> float | None:
    """The one factor between two answers; NaN where there is none, None where all is zero."""
    some = expected != 0
    if not (expected.isfinite().all() and got.isfinite().all()) or (got[~some].abs() > 1e-6).any():
        return math.nan
    if not some.any():
        return None
    found = got[some] / expected[some]
    return float(found.median()) if _same(found, found.median().expand_as(found), 1e-3) else math.nan


Size = Callable[[tuple[Any, ...]], float]


def _candidates(task: Task, inputs: Inputs) -> list[tuple[str, Size]]:
    """Sizes and numbers among the arguments, their inverses and squares, and quotients of two."""
    plain: list[tuple[str, Size]] = []
    for at, (name, value) in enumerate(zip(task.parameters, inputs[0], strict=True)):
        if isinstance(value, Tensor) and value.ndim:
            plain.append((f"len({name})", lambda args, at=at: float(len(args[at]))))  # type: ignore[misc]
            if value.ndim > 1:
                plain.append((f"{name}.shape[1]", lambda args, at=at: float(args[at].shape[1])))  # type: ignore[misc]
        elif isinstance(value, (list, tuple)):
            plain.append((f"len({name})", lambda args, at=at: float(len(args[at]))))  # type: ignore[misc]
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            plain.append((name, lambda args, at=at: float(args[at])))  # type: ignore[misc]
            plain.append((f"{name}**2", lambda args, at=at: float(args[at]) ** 2))  # type: ignore[misc]
            plain.append((f"(1 - {name})", lambda args, at=at: 1 - float(args[at])))  # type: ignore[misc]
    found = [*plain, *((f"1 / {text}", _inverse(size)) for text, size in plain)]
    for (one, a), (other, b) in combinations(plain, 2):
        found += [(f"{one} * {other}", _product(a, b)), (f"1 / ({one} * {other})", _inverse(_product(a, b)))]
        found += [(f"{one} / {other}", _product(a, _inverse(b))), (f"{other} / {one}", _product(b, _inverse(a)))]
    return found


def _inverse(size: Size) -> Size:
    return lambda args: 1 / value if (value := size(args)) else 0.0


def _product(one: Size, other: Size) -> Size:
    return lambda args: one(args) * other(args)


def _one_rung(task: Task, outcomes: Sequence[Outcome], expected: Sequence[Any], at: int) -> str:
    """Where a single input comes out wrong: its name; and whether it left the range of numbers."""
    value, want = tensor_of(outcomes[at].value), tensor_of(expected[at])
    odd = value is not None and want is not None and value.is_floating_point() and not value.isfinite().all()
    lost = odd and want is not None and bool(want.double().isfinite().all())
    if len(outcomes) < len(expected) or len(expected) < 3:
        return OVERFLOW if lost else ""
    right = [o.state == "returned" and not o.changed and bool(task.judge(e, o.value))
             for e, o in zip(expected, outcomes, strict=True)]  # fmt: skip
    if right.count(False) == 1:
        more = OVERFLOW if lost else "What is special there?"
        return f"All other inputs come out right; only *{task.rungs[at]}* does not. {more}"
    if lost or right.count(True) < 2:
        return OVERFLOW if lost else ""
    good, bad = ([name for name, well in zip(task.rungs, right, strict=True) if well is side] for side in (True, False))
    return f"Right: {_listed(good)}. Wrong: {_listed(bad)}. What do the wrong ones have that the right ones have not?"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(f"*{name}*" for name in names[:-1]), f"*{names[-1]}*"]))


def _same(one: Tensor, other: Tensor, rtol: float = RTOL) -> bool:
    return torch.allclose(one, other, rtol=rtol, atol=1e-6, equal_nan=True)

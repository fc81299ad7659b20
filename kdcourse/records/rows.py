"""One row of an experiment: run, named by its setting, compared with the recorded one."""

import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from kdcourse._arguments import fail
from kdcourse._profile import profile
from kdcourse.data import seeded
from kdcourse.records import notebook, provenance
from kdcourse.records.store import EACH, OWN, pack

__all__ = ["check_settings", "difference", "key", "methods", "run_row", "setting_of", "settings_of",
           "wanted_rows"]  # fmt: skip

LEAST = 0.02  # on another kind of processor a value may differ by this, or by three standard deviations over seeds
GRID = ("lr", "weight_decay", "baseline_lr", "baseline_weight_decay", "rates")  # what is tuned makes no other method
RAN: set[str] = set()  # functions of the package that ran in this process: caches may hide them from a later row
Function = Callable[..., Mapping[str, Any]]


def wanted_rows(settings: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Every setting with every seed, as plain data; refused where rows could not be told apart."""
    check_settings(settings, seeds)
    plain = json.loads(json.dumps([dict(setting) for setting in settings]))
    return [{**setting, "seed": int(seed)} for setting in plain for seed in seeds]


def check_settings(settings: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> None:
    """Refuse none at all, unlike names, repeated settings or seeds, and names that a row needs for itself."""
    if not settings or not len(seeds):
        raise fail("settings and seeds", "be one each at least", f"{len(settings)} and {len(seeds)}", "Add some.")
    names = [list(setting) for setting in settings]
    if any(own != names[0] for own in names):
        odd = next(own for own in names if own != names[0])
        raise fail("settings", f"all have the names {', '.join(names[0])}", odd, "Use None for what a setting lacks.")
    taken = {*OWN, "seed"} & set(names[0])
    if taken:
        raise fail("settings", "not use a row's own names", sorted(taken)[0], "Choose another name.")
    both: dict[str, list[Any]] = {"settings": [key(s, names[0]) for s in settings], "seeds": [float(s) for s in seeds]}
    for argument, values in both.items():
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise fail(argument, "differ from each other", twice[0], "Remove the repeated one.")
    if any(float(seed) != int(seed) for seed in seeds):
        raise fail("seeds", "be whole numbers", list(seeds), "Write [0, 1, 2, 3, 4], say.")


def key(row: Mapping[str, Any], names: Iterable[str]) -> str:
    """A row by these of its values."""
    return json.dumps({name: row.get(name) for name in names}, sort_keys=True)


def setting_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's setting and seed: a row holds these first, then what came out."""
    names = list(row)
    return {name: row[name] for name in names[: names.index("seed") + 1]}


def settings_of(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The different settings of rows, without the seed, in the order in which they come."""
    found: list[dict[str, Any]] = []
    for row in rows:
        setting = {name: value for name, value in setting_of(row).items() if name != "seed"}
        found += [setting] if setting not in found else []
    return found


def methods(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names that tell methods apart: all but the rates of a tuning grid."""
    return [name for name in settings[0] if name not in GRID]


def run_row(function: Function, setting: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """(a row, what made it): seeded, in one thread, traced.

    Raises:
        RuntimeError: the profile or the default dtype is not the one with which the course records.
        TypeError: a global of the notebook changed while the row ran.
    """
    _check_world()
    before, threads = notebook.used(function), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        started = time.perf_counter()
        with provenance.Tracer() as tracer, seeded(setting["seed"]):
            found = function(setting["seed"], **{name: value for name, value in setting.items() if name != "seed"})
        seconds = time.perf_counter() - started
    finally:
        torch.set_num_threads(threads)
    changed = [name for name, value in notebook.used(function).items() if before.get(name) != value]
    if changed:
        raise fail(f"the global {changed[0].partition(':')[2]}", "stay as it is while a row runs", "another value",
                   "Make what changes inside the function.", TypeError)  # fmt: skip
    RAN.update(tracer.names)
    row = dict(setting)
    for name, value in found.items():
        if name in row or name in OWN or name.endswith(EACH.format("")):
            raise fail("a result's name", "differ from the setting's and a row's own", name, "Choose another name.")
        packed = isinstance(value, torch.Tensor)
        row |= {name: float(value.float().mean()), EACH.format(name): pack(value)} if packed else {name: value}
    row["seconds"] = round(seconds, 2)
    return json.loads(json.dumps(row)), provenance.hashes(set(RAN), before)


def _check_world() -> None:
    if profile().full or torch.get_default_dtype() != torch.float32:
        was = f"profile {profile().name}, default dtype {torch.get_default_dtype()}"
        raise RuntimeError(f"rows are recorded in the quick profile with float32; here: {was}. Unset KDCOURSE_PROFILE.")
    if os.environ.get("KDCOURSE_DATA"):
        raise RuntimeError("rows are recorded with the bundled images; unset KDCOURSE_DATA.")


# ---------------------------------------------------------------- is it the same?


def difference(
    recorded: Mapping[str, Any], found: Mapping[str, Any], others: Sequence[Mapping[str, Any]] | None
) -> str:  # fmt: skip
    """Where two runs of a row differ, in words; empty where they agree.

    Args:
        recorded, found: the two.
        others: the rows of the same setting, for the tolerance on another kind of processor; None: to the bit.
    """
    names = [name for name in recorded if name not in OWN]
    unlike = set(names) ^ {name for name in found if name not in OWN}
    if unlike:
        return f"{sorted(unlike)[0]} is there once, not both times"
    compared = 0
    for name in names:
        if others is not None and name.endswith(EACH.format("")):
            continue  # its mean is compared
        values = None if others is None else [other[name] for other in others]
        text = _differs(recorded[name], found[name], values)
        if text:
            return f"{name} came out as {_shown(found[name])} here and was recorded as {_shown(recorded[name])}{text}"
        compared += name not in setting_of(recorded)
    return "" if compared else "there is nothing to compare"


def means_differ(
    recorded: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]
) -> str:
    """Where the means over seeds differ by more than three standard errors of a difference; empty if not.

    A training that amplifies last bits gives another draw on another kind of processor: a single row is then no
    evidence, several seeds together are. Values that are no numbers are not compared.

    Args:
        recorded, found: the same seeds of a setting, then and now.
        others: the rows of all its seeds, whose spread is allowed for.
    """
    n = min(len(recorded), len(found))
    if n < 2:
        return " "
    for name in recorded[0]:
        if name in OWN or name.endswith(EACH.format("")):
            continue
        before, after, spread = (_columns(rows, name) for rows in (recorded, found, others))
        if len(before) != len(after):
            return f"{name} came out with {len(after)} values, not {len(before)}"
        spread = spread if len(spread) == len(before) else before  # not all seeds have as many values
        for old, new, wide in zip(before, after, spread, strict=True):
            allowed = max(LEAST, 3 * statistics.stdev(wide) * math.sqrt(2 / n))
            mean, was = statistics.fmean(new), statistics.fmean(old)
            if not abs(mean - was) <= allowed:
                return f"the mean of {name} over {n} seeds is {mean:.6g}, recorded {was:.6g}; {allowed:.3g} is allowed"
    return ""


def _columns(rows: Sequence[Mapping[str, Any]], name: str) -> list[list[float]]:
    """The numbers of a value, each over the rows; none where it holds no numbers or not the same number of them."""
    values = [row[name] if isinstance(row[name], list) else [row[name]] for row in rows]
    columns = [list(column) for column in zip(*values, strict=False)]
    return [column for column in columns if all(_number(v) for v in column)]


def _differs(old: Any, new: Any, others: Sequence[Any] | None) -> str:
    """Empty where they agree; else what is allowed, in words."""
    if isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return f" ({len(new)} values, not {len(old)})"
        for at, pair in enumerate(zip(old, new, strict=True)):
            own = None if others is None else [o[at] for o in others if isinstance(o, list) and len(o) > at]
            text = _differs(*pair, own)
            if text:
                return f", value {at + 1}{text}"
        return ""
    if old == new or (_number(old) and _number(new) and math.isnan(old) and math.isnan(new)):
        return ""
    if others is None or not (_number(old) and _number(new)):
        return "" if others is not None and isinstance(old, bool) and isinstance(new, bool) else " "
    values = [value for value in others if _number(value) and math.isfinite(value)]
    allowed = max(LEAST, 3 * statistics.stdev(values) if len(values) > 1 else 0.0)
    return "" if abs(new - old) <= allowed else f"; {allowed:.3g} is allowed"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:40]

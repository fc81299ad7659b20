"""Experiments: rows that are read, checked against what made them, run, renewed and repeated."""

import functools
import json
import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kdcourse._arguments import fail, one_of
from kdcourse._measured import Measured
from kdcourse.records import provenance
from kdcourse.records.store import EACH, OWN, UNKNOWN, Record, load, pack, results, save

__all__ = ["Plan", "audit", "experiment", "live", "mode", "plans"]

MODES = (
    "read",
    "rebuild",
    "check",
    "plan",
)  # check: write nothing; plan: say what is stale
QUICK = 20.0  # seconds: rows that took longer are not run live
LEAST = 0.02  # on another kind of processor a value may differ by this, or by three standard deviations of its method
Function = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True)
class Open:
    """An experiment that was asked for in this process: what ``live`` and ``audit`` may run again."""

    record: Record
    function: Function
    settings: list[dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """What ``make experiments`` would do for a record: rows to run anew and to rerun for their hashes, in seconds."""

    name: str
    fresh: int
    renewed: int
    kept: int
    seconds: float
    why: str = ""


OPEN: dict[str, Open] = {}
plans: list[Plan] = []
_RAN: set[str] = set()  # functions of the package that ran in this process: caches may hide them from a later row


def mode() -> str:
    """What ``KDCOURSE_RECORDS`` asks for."""
    return one_of("KDCOURSE_RECORDS", os.environ.get("KDCOURSE_RECORDS", "read"), MODES)


def experiment(
    name: str, function: Function, *, settings: Sequence[Mapping[str, Any]], seeds: Sequence[int],
    method: Sequence[str] | None = None,
) -> Record:  # fmt: skip
    """Every setting with every seed: ``function(seed, **setting) -> dict`` of numbers, texts and lists.

    A value may also be ``evaluation.right(model, test)``: its mean is recorded, and beside it every image's answer.

    Args:
        name: a slug, unique in the course, "few_labels"; the file is notebooks/results/few_labels.json.
        function: shown in the evidence. What it runs and reads decides whether the recorded rows are still its own.
        settings: keyword arguments, one mapping a row.
        seeds: each setting is run with each.
        method: the settings' names that tell methods apart, of each of which one row is rerun after a change; by
            default those whose values are texts.

    Raises:
        RuntimeError: the file is missing, was tampered with, or another source made it (``make experiments`` mends
            that).
    """
    path, wanted = results(name), [{**s, "seed": int(seed)} for s in settings for seed in seeds]
    provenance.check_function(function)
    for setting in wanted:
        json.dumps(setting)  # a setting is plain data
    now, names = mode(), _methods(settings) if method is None else list(method)
    if now == "rebuild":
        record = _renew(name, function, wanted, names, path)
    elif now == "plan":
        record = _plan(name, function, wanted, names, path)
    else:
        record = load(path)
        _refuse_stale(record, function, wanted)
    OPEN[name] = Open(record, function, [dict(setting) for setting in settings])
    return record


def _methods(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    return [name for name in (settings[0] if settings else {}) if all(isinstance(s.get(name), str) for s in settings)]


def _key(row: Mapping[str, Any], names: Iterable[str]) -> str:
    return json.dumps({name: row.get(name) for name in names}, sort_keys=True)


# ---------------------------------------------------------------- is it stale?


def stale(record: Record, function: Function | None, wanted: Sequence[Mapping[str, Any]] | None = None) -> list[str]:
    """What changed since the rows were made, by name; empty where they are still today's.

    Without a function the package alone is compared.
    """
    found = []
    if wanted is not None:
        rows = [{name: row.get(name) for name in setting} for row, setting in zip(record.rows, wanted, strict=False)]
        if len(record.rows) != len(wanted) or rows != [dict(setting) for setting in wanted]:
            found.append("settings or seeds")
    if not record.made:
        return [*found, "what made it was not recorded"]
    for made in record.made:
        now = provenance.now(made["hashes"], function)
        names = sorted({*now, *made["hashes"]}) if function is not None else sorted(now)
        found += [name for name in names if now.get(name) != made["hashes"].get(name)]
    return list(dict.fromkeys(found))


def _refuse_stale(record: Record, function: Function, wanted: Sequence[Mapping[str, Any]]) -> None:
    changed = stale(record, function, wanted)
    if changed:
        shown = ", ".join(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
        raise RuntimeError(f"{record.name} is stale: {shown} changed after it was recorded. Run make experiments.")


# ---------------------------------------------------------------- one row


def run_row(function: Function, setting: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """(a row, what made it): one thread, traced."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        started = time.perf_counter()
        with provenance.Tracer() as tracer:
            found = function(setting["seed"], **{name: value for name, value in setting.items() if name != "seed"})
        seconds = time.perf_counter() - started
    finally:
        torch.set_num_threads(threads)
    _RAN.update(tracer.names)
    row = dict(setting)
    for key, value in found.items():
        if isinstance(value, torch.Tensor):
            row |= {key: float(value.float().mean()), EACH.format(key): pack(value)}
        else:
            row[key] = value
    row["seconds"] = round(seconds, 2)
    return json.loads(json.dumps(row)), provenance.hashes(set(_RAN), function)


def difference(
    recorded: Mapping[str, Any], found: Mapping[str, Any], others: Sequence[Mapping[str, Any]] | None
) -> str:
    """Where two runs of a row differ, in words; empty where they agree.

    Args:
        recorded, found: the two.
        others: the rows of the same method, for the tolerance on another kind of processor; None: to the bit.
    """
    for key in [key for key in recorded if key not in OWN]:
        old, new = recorded[key], found.get(key)
        if old == new or (others is not None and (key.endswith(EACH.format("")) or not _number(old))):
            continue
        if others is None or not _number(new):
            return f"{key} came out as {_shown(new)} here and was recorded as {_shown(old)}"
        values = [row[key] for row in others if _number(row.get(key))]
        allowed = max(LEAST, 3 * statistics.stdev(values) if len(values) > 1 else 0.0)
        if not abs(new - old) <= allowed:
            return f"{key} came out as {_shown(new)} here and was recorded as {_shown(old)}; {allowed:.3g} is allowed"
    return ""


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:40]


# ---------------------------------------------------------------- make experiments


def _sorted_out(
    record: Record | None, function: Function, wanted: list[dict[str, Any]], names: list[str]
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """(recorded rows that are wanted, by setting and seed; one stale row a method, the shortest)."""
    if record is None:
        return {}, []
    keys = list(wanted[0])
    have = {_key(row, keys): row for row in record.rows}
    kept = {_key(s, keys): have[_key(s, keys)] for s in wanted if _key(s, keys) in have}
    good = [not stale(Record(record.name, [], 0.0, [made]), function) for made in record.made]
    old = [row for row in kept.values() if not record.made or not good[row["by"]]]
    shortest: dict[str, dict[str, Any]] = {}
    for row in sorted(old, key=lambda row: float(row["seconds"])):
        shortest.setdefault(_key(row, names), row)
    return kept, list(shortest.values())


def _plan(name: str, function: Function, wanted: list[dict[str, Any]], names: list[str], path: Path) -> Record:
    record = load(path) if path.is_file() else None
    kept, again = _sorted_out(record, function, wanted, names)
    missing = len(wanted) - len(kept)
    mean = statistics.fmean(row["seconds"] for row in record.rows) if record and record.rows else 0.0
    why = ", ".join(stale(record, function, wanted)[:3]) if record else "missing"
    seconds = missing * mean + sum(row["seconds"] for row in again)
    plans.append(Plan(name, missing, len(again), len(kept), seconds, why))
    return record or Record(name, [])


def _renew(name: str, function: Function, wanted: list[dict[str, Any]], names: list[str], path: Path) -> Record:
    """Bring a record up to date: run what is missing; of what a change made stale rerun one row a method, else all."""
    record = load(path) if path.is_file() else None
    kept, again = _sorted_out(record, function, wanted, names)
    made = list(record.made) if record else []
    if again and record is not None:
        renewed = _renewed(record, function, again, names)
        if renewed is None:
            kept = {}
        else:
            made.append(renewed)
            stale_rows = {_key(row, names) for row in again}
            good = [not stale(Record(name, [], 0.0, [m]), function) for m in made[:-1]]
            for row in kept.values():
                if _key(row, names) in stale_rows and not (record.made and good[row["by"]]):
                    row["by"] = len(made) - 1
    rows, fresh = _run_missing(name, function, wanted, kept, path)
    for row in fresh:
        row["by"] += len(made)
    record = Record(name, *_tidied(rows, [*made, *_RUNS.pop(name, [])]))
    save(record, path)
    path.with_suffix(".partial").unlink(missing_ok=True)
    return load(path)


def _renewed(
    record: Record, function: Function, again: list[dict[str, Any]], names: list[str]
) -> dict[str, Any] | None:
    """What made the stale rows, with today's hashes, if one row a method comes out as it was recorded; else None."""
    hashes: dict[str, str] = {}
    old = record.made[again[0]["by"]] if record.made else {**UNKNOWN, "hashes": {}}
    exact = provenance.same_kind(old)
    how = "to the bit" if exact else f"within the tolerance of another processor ({old['processor']})"
    for row in again:
        setting = {k: v for k, v in row.items() if k in _settings_of(record, row)}
        found, own = run_row(function, setting)
        others = None if exact else [r for r in record.rows if _key(r, names) == _key(row, names)]
        text = difference(row, found, others)
        if text:
            print(f"{record.name}: {_key(row, names)} {text}: the whole record is run again", flush=True)
            return None
        hashes |= own
        print(f"{record.name}: {_key(row, names)} as recorded, {how}", flush=True)
    about = {name: old[name] for name in UNKNOWN if name in old}
    return {**about, "threads": 1, "hashes": dict(sorted(hashes.items())),
            "renewed": {"rows": len(again), "on": provenance.machine(), "equal": how}}  # fmt: skip


def _settings_of(record: Record, row: Mapping[str, Any]) -> list[str]:
    """The names before and including the seed: a row holds its setting, the seed, then what came out."""
    names = list(row)
    return names[: names.index("seed") + 1]


_RUNS: dict[str, list[dict[str, Any]]] = {}


def _run_missing(
    name: str, function: Function, wanted: list[dict[str, Any]], kept: Mapping[str, dict[str, Any]], path: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(all rows in order, those of them that were run); what an interrupted run of the same source finished is kept."""
    keys, unfinished = list(wanted[0]), path.with_suffix(".partial")
    signature = _signature(function, wanted)
    lines = unfinished.read_text(encoding="utf-8").splitlines() if unfinished.is_file() else []
    done = [json.loads(line) for line in lines[1:]] if lines and lines[0] == signature else []
    ran: dict[str, dict[str, Any]] = {_key(item["row"], keys): item for item in done}
    todo = [s for s in wanted if _key(s, keys) not in kept and _key(s, keys) not in ran]
    path.parent.mkdir(exist_ok=True)
    unfinished.write_text("\n".join([signature, *map(json.dumps, done), ""]), encoding="utf-8")
    taken: list[float] = [float(item["row"]["seconds"]) for item in done]
    for at, setting in enumerate(todo, 1):
        row, hashes = run_row(function, setting)
        item = {"row": row, "made": {**provenance.machine(), "threads": 1, "hashes": hashes}}
        ran[_key(setting, keys)] = item
        taken.append(row["seconds"])
        with unfinished.open("a", encoding="utf-8") as file:
            file.write(json.dumps(item) + "\n")
        left = (len(todo) - at) * statistics.fmean(taken)
        print(f"{name} {at}/{len(todo)} {setting} {row['seconds']:.0f} s, about {left / 60:.1f} min left", flush=True)
    made: list[dict[str, Any]] = []
    for item in ran.values():
        if item["made"] not in made:
            made.append(item["made"])
        item["row"]["by"] = made.index(item["made"])
    _RUNS[name] = made
    rows = [kept.get(_key(s, keys)) or ran[_key(s, keys)]["row"] for s in wanted]
    return rows, [item["row"] for item in ran.values()]


def _signature(function: Function, wanted: Sequence[Mapping[str, Any]]) -> str:
    """Of the notebook's own source, the settings and the package: whose rows an unfinished file holds."""
    parts = [json.dumps(provenance.notebook(function), sort_keys=True), json.dumps([dict(s) for s in wanted])]
    files = sorted(provenance.PACKAGE.rglob("*.py"))
    own = [p for p in files if p.relative_to(provenance.PACKAGE).parts[0].removesuffix(".py") not in provenance.QUIET]
    return provenance.short("\n".join([*parts, *(provenance.bare(p.read_text(encoding="utf-8")) for p in own)]))


def _tidied(
    rows: list[dict[str, Any]], made: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], float, list[dict[str, Any]]]:
    """Rows, their seconds, and what made them without what made none; ``by`` last in each row."""
    used = sorted({row["by"] for row in rows})
    rows = [{**{k: v for k, v in row.items() if k != "by"}, "by": used.index(row["by"])} for row in rows]
    return rows, sum(row["seconds"] for row in rows), [made[at] for at in used]


# ---------------------------------------------------------------- one row again


def live() -> Measured:
    """Train one recorded row again, here, and compare: the last cell of an evidence.

    The row is drawn, by the commit's hash, from those of this notebook's experiments that were recorded at under 20 s;
    ``KDCOURSE_LIVE=name:place`` repeats one. On the kind of processor that made it, it must be equal to the bit;
    elsewhere within the larger of 0.02 and three standard deviations of that method's seeds.

    Raises AssertionError where it differs.
    """
    name, at = _drawn()
    one = OPEN[name]
    return Measured(f"{_again(one, at)}; to repeat it: KDCOURSE_LIVE={name}:{at}")


def _again(one: Open, at: int) -> str:
    """Run a recorded row again and compare it; what was found, in words."""
    row = one.record.rows[at]
    setting = {key: value for key, value in row.items() if key in _settings_of(one.record, row)}
    found, _ = run_row(one.function, setting)
    made = one.record.made[row["by"]] if one.record.made else UNKNOWN
    exact, names = provenance.same_kind(made), _methods(one.settings)
    others = None if exact else [other for other in one.record.rows if _key(other, names) == _key(row, names)]
    text = difference(row, found, others)
    assert not text, f"{one.record.name}, {setting}: {text}."
    how = "to the bit" if exact else "within the tolerance of another processor"
    return f"{one.record.name}, {json.dumps(setting)}: as recorded, {how}, in {found['seconds']:.0f} s"


def _drawn() -> tuple[str, int]:
    told = os.environ.get("KDCOURSE_LIVE", "")
    name, _, at = told.partition(":")
    if name in OPEN and at.isdigit() and int(at) < len(OPEN[name].record.rows):
        return name, int(at)
    rows = [
        (n, i) for n, one in sorted(OPEN.items()) for i, row in enumerate(one.record.rows) if row["seconds"] < QUICK
    ]
    if not rows:
        raise fail("live()", "have a recorded row of under 20 s to repeat", "none", "Call experiment(...) first.")
    return random.Random(f"{_commit()} {sorted(OPEN)}").choice(rows)


@functools.lru_cache(maxsize=1)
def _commit() -> str:
    """The commit's hash; the installed version where there is no repository."""
    place = str(provenance.PACKAGE.parent)
    done = subprocess.run(["git", "-C", place, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return done.stdout.strip() or version("kdcourse")
    except PackageNotFoundError:
        return "unknown"


def audit(n: int, seed: int | None = None) -> list[str]:
    """Run ``n`` random rows of any length of the open experiments again; each one's outcome in words.

    Raises AssertionError at the first that differs.
    """
    rows = [(name, at) for name, one in sorted(OPEN.items()) for at in range(len(one.record.rows))]
    chosen = random.Random(seed).sample(rows, min(n, len(rows)))
    found = []
    for name, at in chosen:
        found.append(_again(OPEN[name], at))
        print(found[-1], flush=True)
    return found

"""Experiments: rows that are read, checked against what made them, run, renewed and repeated."""

import functools
import json
import multiprocessing
import os
import pickle
import random
import statistics
import subprocess
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdcourse._arguments import fail, one_of, positive
from kdcourse._measured import Measured
from kdcourse.records import notebook, package, provenance
from kdcourse.records.rows import (
    RAN,
    Function,
    difference,
    key,
    means_differ,
    methods,
    run_row,
    setting_of,
    wanted_rows,
)
from kdcourse.records.store import Record, load, results, save

__all__ = ["Plan", "audit", "experiment", "live", "mode", "plans", "stale", "watched"]

MODES = ("read", "rebuild", "check", "plan")  # check: write nothing; plan: say what is stale
QUICK = 20.0  # seconds: rows that took longer are not run live
TOGETHER = 40.0  # seconds of a setting's rows that are run live, or the evidence would take longer than it may


@dataclass(frozen=True)
class Open:
    """An experiment that was asked for in this process: what ``live`` and ``audit`` may run again."""

    record: Record
    function: Function


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
        settings: keyword arguments, one mapping a row, all with the same names.
        seeds: each setting is run with each.
        method: the settings' names that tell methods apart, of each of which one row is rerun after a change; by
            default all but the rates.

    Raises:
        RuntimeError: the file is missing, was tampered with, or another source made it (``make experiments`` mends
            that).
    """
    notebook.check_function(function)
    path, wanted = results(name), wanted_rows(settings, seeds)
    now, names = mode(), methods(settings) if method is None else list(method)
    if now == "rebuild":
        record = _renew(name, function, wanted, names, path)
    elif now == "plan":
        record = _plan(name, function, wanted, names, path)
    else:
        record = load(path)
        _refuse_stale(record, function, wanted)
    OPEN[name] = Open(record, function)
    return record


# ---------------------------------------------------------------- is it stale?


def stale(record: Record, function: Function | None, wanted: Sequence[Mapping[str, Any]] | None = None) -> list[str]:
    """What changed since the rows were made, by name; empty where they are still today's.

    Without a function the package alone is compared.
    """
    found = []
    if wanted is not None and [setting_of(row) for row in record.rows] != [dict(setting) for setting in wanted]:
        found.append("settings or seeds")
    for made in record.made:
        now = provenance.now(made["hashes"], function)
        names = sorted({*now, *made["hashes"]}) if function is not None else sorted(now)
        names = [name for name in names if not package.is_quiet(name)]  # a room may have become quiet since
        found += [name for name in names if now.get(name) != made["hashes"].get(name)]
    return list(dict.fromkeys(found))


def _refuse_stale(record: Record, function: Function, wanted: Sequence[Mapping[str, Any]]) -> None:
    changed = stale(record, function, wanted)
    if changed:
        shown = ", ".join(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
        raise RuntimeError(f"{record.name} is stale: {shown} changed after it was recorded. Run make experiments.")


@contextmanager
def watched() -> Iterator[None]:
    """Count what runs between the rows too: a cell that fills a cache before an experiment asks for it."""
    with provenance.Tracer() as tracer:
        _WATCHERS.append(tracer)
        try:
            yield
        finally:
            _WATCHERS.remove(tracer)


_WATCHERS: list[provenance.Tracer] = []


def _run(function: Function, setting: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    for tracer in _WATCHERS:
        RAN.update(tracer.names)
    return run_row(function, setting)


# ---------------------------------------------------------------- make experiments


def _loaded(path: Path) -> Record | None:
    """The record, if there is one that was not tampered with; else it is made anew, and that is said."""
    if not path.is_file():
        return None
    try:
        return load(path)
    except RuntimeError as error:
        print(f"{error} It is recorded anew.", flush=True)
        return None


def _sorted_out(
    record: Record | None, function: Function, wanted: list[dict[str, Any]], names: list[str]
) -> tuple[dict[str, dict[str, Any]], dict[int, list[dict[str, Any]]]]:
    """(recorded rows that are wanted, by setting and seed; for each stale ``made`` one row a method, the shortest)."""
    if record is None or owed(record):
        return {}, {}
    have = {key(setting_of(row), setting_of(row)): row for row in record.rows}
    kept = {key(s, s): have[key(s, s)] for s in wanted if key(s, s) in have}
    old = {at for at, made in enumerate(record.made) if stale(Record(record.name, [], 0.0, [made]), function)}
    again: dict[int, dict[str, dict[str, Any]]] = {}
    for row in sorted(kept.values(), key=lambda row: float(row["seconds"])):
        if row["by"] in old:
            again.setdefault(row["by"], {}).setdefault(key(row, names), row)
    return kept, {by: list(rows.values()) for by, rows in again.items()}


def _plan(name: str, function: Function, wanted: list[dict[str, Any]], names: list[str], path: Path) -> Record:
    record = _loaded(path)
    kept, again = _sorted_out(record, function, wanted, names)
    missing = len(wanted) - len(kept)
    mean = statistics.fmean(row["seconds"] for row in record.rows) if record and record.rows else 0.0
    why = owed(record) or ", ".join(stale(record, function, wanted)[:3]) if record else "missing"
    seconds = missing * mean + sum(row["seconds"] for rows in again.values() for row in rows)
    plans.append(Plan(name, missing, sum(map(len, again.values())), len(kept), seconds, why))
    return record or Record(name, [])


def _renew(name: str, function: Function, wanted: list[dict[str, Any]], names: list[str], path: Path) -> Record:
    """Bring a record up to date: run what is missing; of what a change made stale rerun one row a method, else all."""
    record = _loaded(path)
    kept, again = _sorted_out(record, function, wanted, names)
    made = list(record.made) if record else []
    for by, rows in again.items():
        renewed = _renewed(record, function, by, rows) if record is not None else None
        if renewed is None:
            kept, made = {}, []
            break
        made[by] = renewed
    rows, fresh = _run_missing(name, function, wanted, kept, path)
    for row in rows:
        row["by"] += len(made) if any(row is one for one in fresh) else 0
    record = _tidied(Record(name, rows, 0.0, [*made, *_RUNS.pop(name, [])]))
    save(record, path)
    path.with_suffix(".partial").unlink(missing_ok=True)
    return load(path)


def _renewed(record: Record, function: Function, by: int, again: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What made these rows, with today's hashes, if one row a method comes out as it was recorded; else None.

    What the rerun rows did not run keeps its name in the hashes, as it is today.
    """
    old = record.made[by]
    exact = provenance.same_kind(old)
    how = "to the bit" if exact else f"within the tolerance of another processor ({old['processor']})"
    hashes = {name: value for name, value in provenance.now(old["hashes"], function).items() if value != "gone"}
    for row in again:
        found, own = _run(function, setting_of(row))
        text = difference(row, found, None if exact else _same_setting(record, row))
        if text:
            print(f"{record.name}: {setting_of(row)} {text}: the whole record is run again", flush=True)
            return None
        hashes |= own
        print(f"{record.name}: {setting_of(row)} as recorded, {how}", flush=True)
    renewed = {"rows": len(again), "on": provenance.machine(), "equal": how}
    return {**old, "hashes": dict(sorted(hashes.items())), "renewed": renewed}


def _same_setting(record: Record, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the same setting, of all seeds."""
    names = [name for name in setting_of(row) if name != "seed"]
    return [other for other in record.rows if key(other, names) == key(row, names)]


_RUNS: dict[str, list[dict[str, Any]]] = {}


def _run_missing(
    name: str, function: Function, wanted: list[dict[str, Any]], kept: Mapping[str, dict[str, Any]], path: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(all rows in order, those of them that were run); what an interrupted run of the same source finished is kept."""
    unfinished, signature = path.with_suffix(".partial"), _signature(function, wanted)
    done = _finished(unfinished, signature)
    ran: dict[str, dict[str, Any]] = {key(setting_of(item["row"]), setting_of(item["row"])): item for item in done}
    todo = [s for s in wanted if key(s, s) not in kept and key(s, s) not in ran]
    path.parent.mkdir(exist_ok=True)
    unfinished.write_text("\n".join([signature, *map(_line, done), ""]), encoding="utf-8")
    taken: list[float] = [float(item["row"]["seconds"]) for item in done]
    for at, (row, hashes) in enumerate(_each(function, todo), 1):
        setting = setting_of(row)
        item = {"row": row, "made": {**provenance.machine(), "threads": 1, "hashes": hashes}}
        ran[key(setting, setting)] = item
        taken.append(row["seconds"])
        with unfinished.open("a", encoding="utf-8") as file:
            file.write(_line(item) + "\n")
        left = (len(todo) - at) * statistics.fmean(taken) / workers()
        print(f"{name} {at}/{len(todo)} {setting} {row['seconds']:.0f} s, about {left / 60:.1f} min left", flush=True)
    made: list[dict[str, Any]] = []
    for item in ran.values():
        if item["made"] not in made:
            made.append(item["made"])
        item["row"]["by"] = made.index(item["made"])
    _RUNS[name] = made
    rows = [kept.get(key(s, s)) or ran[key(s, s)]["row"] for s in wanted]
    return rows, [item["row"] for item in ran.values()]


def workers() -> int:
    """How many rows are run at a time, each in a process of its own: ``KDCOURSE_WORKERS``, by default one."""
    asked = int(os.environ.get("KDCOURSE_WORKERS", "1"))
    positive("KDCOURSE_WORKERS", asked, whole=True)
    return asked


def _each(function: Function, todo: Sequence[Mapping[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Run these settings; each row as soon as it is finished.

    Several processes are forked, so that each finds the notebook's functions and what they have cached so far; rows of
    one seed go to one process where they can, so that a teacher that they share is trained once.
    """
    if workers() == 1 or not todo:
        yield from (_run(function, setting) for setting in todo)
        return
    by_seed, context = sorted(todo, key=lambda setting: setting["seed"]), multiprocessing.get_context("fork")
    share, finished = -(-len(todo) // workers()), context.SimpleQueue()
    shares = [by_seed[at : at + share] for at in range(0, len(by_seed), share)]
    started = [context.Process(target=_hand_in, args=(function, own, finished), daemon=True) for own in shares]
    try:
        for process in started:
            process.start()
        for _ in todo:
            found = finished.get()
            if isinstance(found, bytes):
                raise pickle.loads(found)
            yield found
    finally:
        for process in started:
            process.terminate()


def _hand_in(function: Function, settings: Sequence[Mapping[str, Any]], finished: Any) -> None:
    """What a process does: its rows, or the error that ended them."""
    try:
        for setting in settings:
            finished.put(_run(function, setting))
    except Exception as error:
        finished.put(_carried(error))


def _carried(error: Exception) -> bytes:
    """An error by value: what torch shares in a queue, such as tensors that it holds, would die with the process."""
    try:
        text = pickle.dumps(error)
        pickle.loads(text)
    except Exception:  # of a class that cannot be pickled: what it says arrives all the same
        text = pickle.dumps(RuntimeError("".join(traceback.format_exception(error))))
    return text


def _line(item: Mapping[str, Any]) -> str:
    """A finished row and its digest, as one line of an unfinished file."""
    text = json.dumps(item)
    return f"{package.short(text)} {text}"


def _finished(unfinished: Path, signature: str) -> list[dict[str, Any]]:
    """The rows of an unfinished file of the same source; lines that are not whole are left out."""
    lines = unfinished.read_text(encoding="utf-8").splitlines() if unfinished.is_file() else []
    if not lines or lines[0] != signature:
        return []
    pairs = [line.partition(" ") for line in lines[1:]]
    return [json.loads(text) for digest, _, text in pairs if package.short(text) == digest]


def _signature(function: Function, wanted: Sequence[Mapping[str, Any]]) -> str:
    """Of the notebook's own source, the settings, the package and the assets: whose rows an unfinished file holds."""
    parts = [json.dumps(v, sort_keys=True) for v in (notebook.used(function), provenance.assets())]
    parts.append(json.dumps([dict(s) for s in wanted]))
    sources = {path.relative_to(package.PACKAGE): text for path, text in sorted(package.SOURCES.items())}
    own = [text for path, text in sources.items() if path.parts[0].removesuffix(".py") not in package.QUIET]
    return package.short("\n".join([*parts, *map(package.bare, own)]))


def _tidied(record: Record) -> Record:
    """The record without what made none of its rows; ``by`` last in each row."""
    used = sorted({row["by"] for row in record.rows})
    rows = [{**{k: v for k, v in row.items() if k != "by"}, "by": used.index(row["by"])} for row in record.rows]
    return Record(record.name, rows, sum(row["seconds"] for row in rows), [record.made[at] for at in used])


# ---------------------------------------------------------------- one row again


def live() -> Measured:
    """Train one recorded row again, here, and compare: the last cell of an evidence.

    The row is drawn, by the commit's hash, from those of this notebook's experiments that were recorded at under 20 s
    and whose last renewal repeated all that it ran (``owed``): from those made on this kind of processor, if any, which
    must be equal to the bit. ``KDCOURSE_LIVE=name:place`` repeats one. On another kind settings with several seeds come
    first, since their spread says by how much a row may differ: by the larger of 0.02 and three standard deviations.
    Where it lies beyond, more of its seeds are run too, as many as took 40 s together, and the means are compared: a
    training that amplifies last bits is another draw there.

    Raises AssertionError where it differs.
    """
    name, at = _drawn()
    return Measured(f"{_again(OPEN[name], at)}; to repeat it: KDCOURSE_LIVE={name}:{at}")


def _again(one: Open, at: int) -> str:
    """Run a recorded row again and compare it; what was found, in words."""
    row, others = one.record.rows[at], _same_setting(one.record, one.record.rows[at])
    found = _quietly(one, row)
    exact = provenance.same_kind(one.record.made[row["by"]])
    text, how = difference(row, found, None if exact else others), "within the tolerance of another processor"
    met = [row] if exact else _fitting(row, others)
    if text and len(met) > 1:
        means = means_differ(met, [found, *(_quietly(one, other) for other in met[1:])], others)
        text, how = means and f"{text}; {means}", f"{len(met)} seeds together {how}, this one not"
    assert not text, f"{one.record.name}, {setting_of(row)}: {text}."
    how = "to the bit" if exact else how
    return f"{one.record.name}, {json.dumps(setting_of(row))}: as recorded, {how}, in {found['seconds']:.0f} s"


def _fitting(row: dict[str, Any], others: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The row, and after it those of its setting that can be run beside it, the quickest first."""
    met, seconds = [row], float(row["seconds"])
    for other in sorted(others, key=lambda other: float(other["seconds"])):
        seconds += 0.0 if other is row else float(other["seconds"])
        if other is not row and seconds < TOGETHER:
            met.append(other)
    return met


def _quietly(one: Open, row: Mapping[str, Any]) -> dict[str, Any]:
    with warnings.catch_warnings():  # what the row warns of, it warned of when it was recorded
        warnings.simplefilter("ignore")
        return run_row(one.function, setting_of(row))[0]


def _drawn() -> tuple[str, int]:
    told = os.environ.get("KDCOURSE_LIVE", "")
    name, _, at = told.partition(":")
    if name in OPEN and at.isdigit() and int(at) < len(OPEN[name].record.rows):
        return name, int(at)
    places = [(n, i, row) for n, one in sorted(OPEN.items()) if not owed(one.record)
              for i, row in enumerate(one.record.rows)]  # fmt: skip
    quick = [(n, i, OPEN[n].record.made[row["by"]]) for n, i, row in places if row["seconds"] < QUICK]
    own = [(n, i) for n, i, made in quick if provenance.same_kind(made)]
    several = [(n, i) for n, i, _ in quick if len(_same_setting(OPEN[n].record, OPEN[n].record.rows[i])) > 1]
    rows = own or several or [(n, i) for n, i, _ in quick]
    if not rows:
        raise fail("live()", "have a recorded row of under 20 s to repeat", "none", "Call experiment(...) first.")
    return random.Random(f"{_commit()} {sorted(OPEN)}").choice(rows)


def owed(record: Record) -> str:
    """What the last renewal could not repeat, in words; such a record is to be made anew, and lends no live row."""
    short = [
        (m["renewed"]["outside"], m["renewed"]["rows"]) for m in record.made if m.get("renewed", {}).get("outside")
    ]
    return "; ".join(f"{record.name}: {k} of {n} rows came out differently, record it anew" for k, n in short)


@functools.lru_cache(maxsize=1)
def _commit() -> str:
    """The commit's hash; the installed version where there is no repository."""
    place = str(package.PACKAGE.parent)
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

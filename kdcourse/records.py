"""What we found: recorded experiments, and rulings on the article's claims.

A lesson shows its experiment as a function and hands it to ``experiment``, which draws the rows from
``notebooks/results/name.json``, trains one of them again, live, and refuses a file that another function made.
``make experiments`` (``KDCOURSE_RECORDS=rebuild``) makes the files.
"""

import base64
import dis
import functools
import inspect
import io
import json
import math
import os
import platform
import re
import statistics
import time
import tokenize
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdcourse._arguments import fail, one_of
from kdcourse._tables import CELL
from kdcourse.evaluation import t_interval

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef,import-not-found,unused-ignore]

__all__ = ["Paired", "Record", "Ruling", "claims", "experiment", "fingerprint", "folder", "paired", "rule"]

VERDICTS = ("held", "failed", "unclear")
EACH = "{}, each"  # the key of every image's answers, beside their mean
MODES = ("read", "rebuild", "check")  # check: compare with what is recorded, write nothing


# ---------------------------------------------------------------- where the files lie


def folder() -> Path:
    """The folder of claims.toml and results/: the notebook's own, the source tree's, or the package's copy."""
    here = Path(__file__).parent
    for place in (Path.cwd(), here.parent / "notebooks", here / "notebooks"):
        if (place / "claims.toml").is_file():
            return place
    raise FileNotFoundError("claims.toml lies neither beside the notebook nor in the installed kdcourse. Reinstall it.")


def _mode() -> str:
    return one_of("KDCOURSE_RECORDS", os.environ.get("KDCOURSE_RECORDS", "read"), MODES)


def _write(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


# ---------------------------------------------------------------- experiments


@dataclass(frozen=True)
class Paired:
    """A paired difference, seed by seed.

    Attributes:
        difference: the mean over seeds.
        interval: 95%, over seeds (Student's t).
        per_seed: one difference a seed.
        over_images: 95%, over the images that all seeds share, by bootstrap; None where each seed has its own.
    """

    difference: float
    interval: tuple[float, float]
    per_seed: list[float]
    over_images: tuple[float, float] | None = None

    @property
    def low(self) -> float:
        """The lowest end of the intervals: above zero, the difference is resolved and positive."""
        return min(low for low, _ in self._intervals())

    @property
    def high(self) -> float:
        """The highest end of the intervals: below zero, the difference is resolved and negative."""
        return max(high for _, high in self._intervals())

    @property
    def resolved(self) -> bool:
        """Whether no interval holds zero."""
        return not self.low <= 0 <= self.high

    def text(self, scale: float = 100, unit: str = "") -> str:
        """The difference in points with its interval or intervals; trained numbers carry a ≈."""
        ends = [f"[≈ {scale * low + 0.0:+.2f}, ≈ {scale * high + 0.0:+.2f}]" for low, high in self._intervals()]
        shown = ends[0] if len(ends) == 1 else f"{ends[0]} seeds, {ends[1]} images"
        return f"≈ {scale * self.difference + 0.0:+.2f}{unit} {shown}" + ("" if self.resolved else ", not resolved")

    def _intervals(self) -> list[tuple[float, float]]:
        return [interval for interval in (self.interval, self.over_images) if interval]


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Paired:
    """Ours minus theirs, one value a seed each, in the same order of seeds."""
    differences = [float(a) - float(b) for a, b in zip(ours, theirs, strict=True)]
    return Paired(statistics.fmean(differences), t_interval(differences), differences)


@dataclass(frozen=True)
class Record:
    """An experiment's rows, one a setting and seed, each the setting, the seed, and what the function returned.

    Attributes:
        name: a slug.
        rows: in the order of settings, then seeds.
        seconds: what all rows took together, on one thread.
        versions: of Python and torch.
        live: the row that was run again here; None while rebuilding.
    """

    name: str
    rows: list[dict[str, Any]]
    seconds: float
    versions: dict[str, str]
    live: dict[str, Any] | None = None

    def where(self, **setting: Any) -> list[dict[str, Any]]:
        """The rows that have these values."""
        found = [row for row in self.rows if all(row.get(name) == value for name, value in setting.items())]
        if not found:
            raise fail("setting", f"be one of {self.name}'s", setting, f"A row has: {', '.join(self.rows[0])}.")
        return found

    def values(self, key: str, **setting: Any) -> list[Any]:
        """``key`` of the rows that have these values, seed by seed."""
        return [row[key] for row in self._by_seed(**setting)]

    def _by_seed(self, **setting: Any) -> list[dict[str, Any]]:
        return sorted(self.where(**setting), key=lambda row: row["seed"])

    def mean(self, key: str, **setting: Any) -> float:
        """The mean over seeds."""
        return statistics.fmean(self.values(key, **setting))

    def each(self, key: str, **setting: Any) -> list[np.ndarray] | None:
        """One row of zeros and ones a seed: which images were answered right. None where that was not recorded."""
        rows = self._by_seed(**setting)
        return [_unpack(row[EACH.format(key)]) for row in rows] if EACH.format(key) in rows[0] else None

    def paired(
        self, key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], *, minus: str = "",
        of: "Record | None" = None,
    ) -> Paired:  # fmt: skip
        """``key`` of ours minus ``key`` (or ``minus``) of theirs, or of another record (``of``), seed by seed.

        Where both hold every image's answers (to the same images with all seeds) it has an interval over images too.
        """
        other, minus = of or self, minus or key
        found = paired(self.values(key, **ours), other.values(minus, **theirs))
        one, two = self.each(key, **ours), other.each(minus, **theirs)
        if one is None or two is None:
            return found
        return replace(found, over_images=t_interval(np.mean([a - b for a, b in zip(one, two, strict=True)], axis=0)))

    def best(self, key: str, by: str | Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
        """For each value of ``by``: the setting (its ``names``) with the highest mean of ``key`` over seeds."""
        by = [by] if isinstance(by, str) else list(by)
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in self.rows:
            group, setting = tuple(row[name] for name in by), {name: row[name] for name in names}
            now = found.get(group)
            if now is None or self.mean(key, **_of(by, group), **setting) > self.mean(key, **_of(by, group), **now):
                found[group] = setting
        return [{**_of(by, group), **setting} for group, setting in found.items()]


def _of(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


def experiment(
    name: str,
    function: Callable[..., Mapping[str, Any]],
    *,
    settings: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    live: Mapping[str, Any] | None = None,
    tolerance: Mapping[str, float] | None = None,
) -> Record:
    """Every setting with every seed: ``function(seed, **setting) -> dict`` of numbers, texts and lists.

    A value may also be ``evaluation.right(model, test)``: its mean is recorded, and beside it every image's answer.

    Args:
        name: a slug, unique in the course, "few_labels"; the file is notebooks/results/few_labels.json.
        function: shown in the lesson. Its source, and that of the notebook's functions and constants it uses, decide
            whether the recorded rows are still its own.
        settings: keyword arguments, one mapping a row.
        seeds: each setting is run with each.
        live: what names one setting, and "seed": the row that a lesson runs again; None runs nothing.
        tolerance: {key: largest absolute difference} between the live row and the recorded one.

    Raises:
        RuntimeError: the file is missing or another function made it (``make experiments`` mends that).
        AssertionError: the live row is further from the recorded one than the tolerance allows.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*(?<!_claims)", name):
        rule = "be a slug: small letters, digits and _, a letter first, not ending in _claims"
        raise fail("name", rule, name, "Write few_labels, say.")
    if (live is None) != (tolerance is None):
        raise fail("live and tolerance", "be given together", (live, tolerance), "Give both, or neither.")
    path, source = folder() / "results" / f"{name}.json", fingerprint(function, settings, seeds)
    if _mode() == "rebuild":
        return _rebuild(name, function, settings, seeds, path, source)
    if not path.is_file():
        raise RuntimeError(f"{name} has no recorded rows ({path.name} is missing). Run make experiments.")
    saved = json.loads(path.read_text(encoding="utf-8"))
    if saved["source"] != source:
        raise RuntimeError(f"{name}: the function or its settings changed after it was recorded. Run make experiments.")
    record = Record(name, saved["rows"], saved["seconds"], saved["versions"])
    if live is None or tolerance is None:
        return record
    chosen = [s for s in settings if all(s.get(key, value) == value for key, value in live.items())]
    if len(chosen) != 1 or live.get("seed") not in seeds:
        raise fail(
            "live", "name one setting and one seed", dict(live), f"{len(chosen)} settings match; say more or less."
        )
    found = _live(record, function, {**chosen[0], "seed": live["seed"]}, tolerance)
    return Record(name, record.rows, record.seconds, record.versions, found)


def _live(
    record: Record, function: Callable[..., Mapping[str, Any]], live: Mapping[str, Any], tolerance: Mapping[str, float]
) -> dict[str, Any]:
    (recorded,) = record.where(**live)
    found = {**live, **_run(function, live)}
    for key, allowed in tolerance.items():
        difference = abs(found[key] - recorded[key])
        text = f"{record.name}: {key} came out as {found[key]:.4g} here and was recorded as {recorded[key]:.4g}"
        assert difference <= allowed, f"{text}; they may differ by {allowed:g}."
    return found


def _run(function: Callable[..., Mapping[str, Any]], setting: Mapping[str, Any]) -> dict[str, Any]:
    seed, found = setting["seed"], dict[str, Any]()
    for key, value in function(seed, **{name: value for name, value in setting.items() if name != "seed"}).items():
        if isinstance(value, torch.Tensor):
            found |= {key: float(value.float().mean()), EACH.format(key): _pack(value)}
        else:
            found[key] = value
    return found


def _pack(values: torch.Tensor) -> str:
    """Bits in base64, after their number: 10,000 take 1,674 characters."""
    if values.dtype != torch.bool or values.ndim != 1:
        got = f"{values.dtype} of shape {tuple(values.shape)}"
        raise fail(
            "a returned tensor", "be a row of bool, right or wrong", got, "Return evaluation.right(…), or floats."
        )
    return f"{len(values)}:{base64.b64encode(np.packbits(values.numpy()).tobytes()).decode()}"


def _unpack(text: str) -> np.ndarray:
    number, bits = text.split(":")
    found = np.unpackbits(np.frombuffer(base64.b64decode(bits), np.uint8), count=int(number))
    return found.astype(float)


def _rebuild(
    name: str, function: Callable[..., Mapping[str, Any]], settings: Sequence[Mapping[str, Any]],
    seeds: Sequence[int], path: Path, source: str,
) -> Record:  # fmt: skip
    """Run all; what an interrupted rebuild of the same source had finished is not run twice."""
    unfinished = path.with_suffix(".partial")
    lines = unfinished.read_text(encoding="utf-8").splitlines() if unfinished.is_file() else []
    done = [json.loads(line) for line in lines[1:]] if lines and lines[0] == source else []
    path.parent.mkdir(exist_ok=True)
    unfinished.write_text("\n".join([source, *map(json.dumps, done), ""]), encoding="utf-8")
    wanted = [{**setting, "seed": seed} for setting in settings for seed in seeds]
    for setting in wanted[len(done) :]:
        started = time.perf_counter()
        row = {**setting, **_run(function, setting)}
        row["seconds"] = round(time.perf_counter() - started, 2)
        done.append(row)
        with unfinished.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{name} {len(done)}/{len(wanted)} {setting} {row['seconds']:.0f} s", flush=True)
    versions = {"python": platform.python_version(), "torch": torch.__version__.partition("+")[0]}
    seconds = round(math.fsum(row["seconds"] for row in done), 1)
    _write(path, {"name": name, "seconds": seconds, "versions": versions, "source": source, "rows": done})
    unfinished.unlink()
    return Record(name, done, seconds, versions)


# ---------------------------------------------------------------- whose rows are these?


def fingerprint(function: Callable[..., Any], settings: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> str:
    """SHA-256 of what decides the rows: the function, all it uses from its own notebook, the settings, the seeds.

    Comments and white space do not count; functions and plain constants that it names are followed.
    """
    seen: dict[str, str] = {}
    _follow(function, seen)
    parts = [f"{name}={text}" for name, text in sorted(seen.items())]
    parts.append(json.dumps([dict(setting) for setting in settings], sort_keys=True))
    parts.append(json.dumps(list(seeds)))
    return sha256("\n".join(parts).encode()).hexdigest()


def _follow(function: Callable[..., Any], seen: dict[str, str]) -> None:
    function = inspect.unwrap(function)
    if isinstance(function, functools.partial) or not isinstance(function, types.FunctionType):
        raise fail("function", "be a plain function", type(function).__name__, "Define it with def.", TypeError)
    seen[function.__name__] = _bare(inspect.getsource(function))
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        if name in seen or name not in function.__globals__:
            continue
        if callable(value) and isinstance(inspect.unwrap(value), types.FunctionType):
            if value.__module__ == function.__module__:
                _follow(value, seen)
        elif isinstance(value, (bool, int, float, str, list, tuple, dict)):
            seen[name] = repr(value)


def _names(code: types.CodeType) -> set[str]:
    """Global names that the code reads, attributes left out."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    read = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return read.union(*(_names(c) for c in inner))


def _bare(source: str) -> str:
    """The source without comments and white space."""
    tokens = tokenize.generate_tokens(io.StringIO(inspect.cleandoc("\n" + source)).readline)
    return re.sub(r"\s+", "", "".join(token.string for token in tokens if token.type != tokenize.COMMENT))


# ---------------------------------------------------------------- rulings


def claims() -> list[dict[str, Any]]:
    """The article's claims in our words: ``row``, ``claim``, ``evidence`` (a list of slugs)."""
    found: list[dict[str, Any]] = tomllib.loads((folder() / "claims.toml").read_text(encoding="utf-8"))["claim"]
    return found


@dataclass(frozen=True)
class Ruling:
    """A claim of the article, what was measured, the verdict, and what the field does; shows as a small table."""

    row: int
    claim: str
    measured: str
    verdict: str
    field: str
    source: str
    evidence: str = ""

    def lines(self) -> list[tuple[str, str]]:
        """(title, text) pairs."""
        return [
            (f"The article ({self.row})", self.claim),
            ("We measured", self.measured),
            ("Verdict", self.verdict),
            ("The field", f"{self.field} ({self.source})"),
        ]

    def __repr__(self) -> str:
        return "\n".join(f"{title}: {text}" for title, text in self.lines())

    def _repr_html_(self) -> str:
        cell = f"text-align:left;vertical-align:top;{CELL}"
        rows = [
            f'<tr><th scope="row" style="white-space:nowrap;{cell}">{escape(title)}</th>'
            f'<td style="{cell}">{escape(text)}</td></tr>'
            for title, text in self.lines()
        ]
        return f'<table style="border-collapse:collapse;max-width:60em">{"".join(rows)}</table>'


def rule(row: int, *, evidence: str, measured: str, verdict: str, field: str, source: str) -> Ruling:
    """Rule on a claim of the article; the last expression of a cell shows the ruling.

    Args:
        row: the claim's number in claims.toml.
        evidence: the slug of the evidence that rules, which claims.toml names for this row.
        measured: a text made from values that its cells computed; trained numbers carry a ≈.
        verdict: "held", "failed" or "unclear".
        field: what the field does.
        source: authors and year.

    Writes ``results/why_distil_claims.json``, say; with ``KDCOURSE_RECORDS=check`` it writes nothing and fails where
    the recorded verdict is another.
    """
    known = {claim["row"]: claim for claim in claims()}
    if row not in known:
        raise fail("row", f"be one of {min(known)} to {max(known)}", row, "See claims.toml.")
    if evidence not in known[row]["evidence"]:
        named = ", ".join(known[row]["evidence"])
        raise fail("evidence", f"be one that rules on row {row}: {named}", evidence, "See claims.toml.")
    one_of("verdict", verdict, VERDICTS)
    ruling = Ruling(row, known[row]["claim"], measured, verdict, field, source, evidence)
    path = folder() / "results" / f"{evidence}_claims.json"
    saved = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    entry = {"row": row, "measured": measured, "verdict": verdict, "field": field, "source": source}
    if _mode() == "check":
        recorded = [other["verdict"] for other in saved if other["row"] == row]
        assert recorded == [verdict], f"row {row}: {verdict} here, {recorded} on record. Run make notebooks."
    elif os.access(path.parent, os.W_OK):
        others = [other for other in saved if other["row"] != row]
        _write(path, sorted([*others, entry], key=lambda other: int(other["row"])))
    return ruling

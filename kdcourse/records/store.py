"""A recorded experiment: rows on disk that cannot be changed unnoticed, and what they say."""

import base64
import json
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdcourse._arguments import fail
from kdcourse._intervals import Difference, by_images, by_seeds

__all__ = ["Record", "folder", "load", "pack", "paired", "read", "save"]

EACH = "{}, each"  # the key of every image's answers, beside their mean
OWN = ("seconds", "by")  # a row's keys that are neither setting nor result


def folder() -> Path:
    """The folder of claims.toml and results/: the notebook's own, the source tree's, or the package's copy."""
    here, package = Path.cwd(), Path(__file__).parent.parent
    for place in (here, here.parent, package.parent / "notebooks", package / "notebooks"):
        if (place / "claims.toml").is_file():
            return place
    raise FileNotFoundError("claims.toml lies neither beside the notebook nor in the installed kdcourse. Reinstall it.")


def results(name: str) -> Path:
    """The file of a record; its name is checked."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*(?<!_claims)", name):
        rule = "be a slug: small letters, digits and _, a letter first, not ending in _claims"
        raise fail("name", rule, name, "Write few_labels, say.")
    return folder() / "results" / f"{name}.json"


def write(path: Path, value: Any) -> None:
    """JSON, whole or not at all, and only where it changed."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)


@dataclass(frozen=True)
class Record:
    """An experiment's rows, one a setting and seed, each the setting, the seed, and what the function returned.

    Attributes:
        name: a slug.
        rows: in the order of settings, then seeds; ``row["by"]`` is the place in ``made`` of what made the row.
        seconds: what all rows took together, on one thread.
        made: what made the rows: processor, instruction set, versions, and the hashes of code, constants and data.
    """

    name: str
    rows: list[dict[str, Any]]
    seconds: float = 0.0
    made: list[dict[str, Any]] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """SHA-256 over the rows and what made them."""
        return sha256(json.dumps([self.rows, self.made]).encode()).hexdigest()

    def where(self, **setting: Any) -> list[dict[str, Any]]:
        """The rows that have these values."""
        unknown = [name for name in setting if self.rows and name not in self.rows[0]]
        found = [r for r in self.rows if not unknown and all(_same(r[name], v) for name, v in setting.items())]
        if not found:
            names = [name for name in self.rows[0] if name not in OWN] if self.rows else ["nothing"]
            raise fail("setting", f"be one of {self.name}'s", setting, f"A row has: {', '.join(names)}.")
        return found

    def values(self, key: str, **setting: Any) -> list[Any]:
        """``key`` of the rows that have these values, seed by seed."""
        return [row[key] for row in self._by_seed(**setting)]

    def _by_seed(self, **setting: Any) -> list[dict[str, Any]]:
        return sorted(self.where(**setting), key=lambda row: int(row["seed"]))

    def mean(self, key: str, **setting: Any) -> float:
        """The mean over seeds."""
        return statistics.fmean(self.values(key, **setting))

    def each(self, key: str, **setting: Any) -> list[np.ndarray] | None:
        """One row of zeros and ones a seed: which images were answered right. None where that was not recorded."""
        rows = self._by_seed(**setting)
        return [unpack(row[EACH.format(key)]) for row in rows] if EACH.format(key) in rows[0] else None

    def paired(
        self, key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], *, minus: str = "",
        of: "Record | None" = None,
    ) -> Difference:  # fmt: skip
        """``key`` of ours minus ``key`` (or ``minus``) of theirs, or of another record (``of``), seed by seed.

        One interval over seeds and images where both hold every image's answers (to the same images with all seeds),
        else over seeds.
        """
        other, minus = of or self, minus or key
        seeds = [[row["seed"] for row in r._by_seed(**s)] for r, s in ((self, ours), (other, theirs))]
        if seeds[0] != seeds[1] or len(set(seeds[0])) < len(seeds[0]):
            raise fail("ours and theirs", "have the same seeds, one row each", f"{seeds[0]} and {seeds[1]}",
                       "Name the whole setting.")  # fmt: skip
        one, two = self.each(key, **ours), other.each(minus, **theirs)
        if one is None or two is None or {len(a) for a in one} != {len(b) for b in two}:
            return paired(self.values(key, **ours), other.values(minus, **theirs))
        return by_images(np.stack([a - b for a, b in zip(one, two, strict=True)]))

    def best(self, key: str, by: str | Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
        """For each value of ``by``: the setting (its ``names``) with the highest mean of ``key`` over seeds."""
        by = [by] if isinstance(by, str) else list(by)
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in self.rows:
            group, setting = tuple(row[name] for name in by), {name: row[name] for name in names}
            now, score = found.get(group), self.mean(key, **_of(by, group), **setting)
            if now is None or not score <= self.mean(key, **_of(by, group), **now):
                found[group] = setting if score == score else found.get(group, setting)  # never a NaN over a number
        return [{**_of(by, group), **setting} for group, setting in found.items()]


def _same(one: Any, other: Any) -> bool:
    """Equal, and not a number for a truth value."""
    return bool(one == (list(other) if isinstance(other, tuple) else other)) and isinstance(one, bool) == isinstance(
        other, bool
    )


def _of(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Ours minus theirs, one value a seed each, in the same order of seeds; the interval is over seeds."""
    return by_seeds([float(a) - float(b) for a, b in zip(ours, theirs, strict=True)])


# ---------------------------------------------------------------- on disk


def pack(values: torch.Tensor) -> str:
    """Bits in base64, after their number: 10,000 take 1,674 characters."""
    if values.dtype != torch.bool or values.ndim != 1:
        got = f"{values.dtype} of shape {tuple(values.shape)}"
        raise fail(
            "a returned tensor", "be a row of bool, right or wrong", got, "Return evaluation.right(…), or floats."
        )
    return f"{len(values)}:{base64.b64encode(np.packbits(values.numpy()).tobytes()).decode()}"


def unpack(text: str) -> np.ndarray:
    """The bits as zeros and ones."""
    number, bits = text.split(":")
    return np.unpackbits(np.frombuffer(base64.b64decode(bits), np.uint8), count=int(number)).astype(float)


def save(record: Record, path: Path) -> None:
    """Write the record with its digest."""
    seconds = round(sum(row["seconds"] for row in record.rows), 1)
    body = {"name": record.name, "digest": record.digest, "seconds": seconds, "made": record.made, "rows": record.rows}
    write(path, body)


def load(path: Path) -> Record:
    """A record from its file; refused where its rows are not those that were written.

    Raises:
        RuntimeError: the file is missing or no record, its digest is another, or a mean is not that of its own bits.
    """
    if not path.is_file():
        raise RuntimeError(f"{path.stem} has no recorded rows ({path.name} is missing). Run make experiments.")
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        record = Record(saved["name"], saved["rows"], saved["seconds"], saved["made"])
    except (ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"{path.name} is no record ({error!r}). Take it from the repository again.") from error
    if record.name != path.stem:
        raise RuntimeError(f"{path.name} holds the record {record.name}. A file has its record's name.")
    if saved.get("digest") != record.digest:
        raise RuntimeError(f"{record.name}: its rows are not those that were recorded (the digest is another). "
                           "Take the file from the repository again, or run make experiments.")  # fmt: skip
    for row in record.rows:
        _check_row(record, row)
    return record


def _check_row(record: Record, row: dict[str, Any]) -> None:
    if not isinstance(row["by"], int) or not 0 <= row["by"] < len(record.made):
        raise RuntimeError(f"{record.name}: a row names {row['by']!r} as what made it. Run make experiments.")
    for key in [key for key in row if key.endswith(EACH.format(""))]:
        name, bits = key.removesuffix(EACH.format("")), unpack(row[key])
        mean = float(np.float32(bits.mean())) if len(bits) else float("nan")
        if not abs(mean - row[name]) <= 1e-6:
            rule = f"{name} of seed {row['seed']} is not the mean of its own bits, {mean:.4f}"
            raise RuntimeError(f"{record.name}: {rule}. Run make experiments.")


def read(name: str) -> Record:
    """A record by its name, as lessons use it: ``kd.records.read("few_labels")``.

    Raises RuntimeError where the rows are missing or are not those that were recorded.
    """
    return load(results(name))

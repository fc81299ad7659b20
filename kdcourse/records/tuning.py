"""Rates chosen by validation, for all methods by the same rule, and contrasts that must not hang on that choice."""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdcourse._arguments import fail
from kdcourse._intervals import Difference
from kdcourse._tables import Table
from kdcourse.records import experiments
from kdcourse.records.rows import Function, key
from kdcourse.records.store import Record

__all__ = ["Contrast", "Tuned", "contrast", "tune"]

FINALISTS = 3  # of each method, after the first round
Point = dict[str, Any]


@dataclass(frozen=True)
class Tuned:
    """What two rounds of tuning chose.

    Attributes:
        methods: what is compared, one mapping each.
        grid: {rate: its values}, the same for all methods.
        within: the methods' names inside whose values methods are compared; common rates are common inside these.
        first, second: the records of the two rounds.
        score: the validation score's name.
    """

    methods: list[Point]
    grid: dict[str, list[Any]]
    within: tuple[str, ...]
    first: Record
    second: Record
    score: str

    def own(self, method: Mapping[str, Any]) -> Point:
        """A method's own rates; the common ones where its lead over them is below that lead's standard error."""
        best = max(self._finalists(method), key=lambda point: self.mean(method, point))
        common = self.common(method)
        lead = [a - b for a, b in zip(self._scores(method, best), self._scores(method, common), strict=True)]
        sure = statistics.fmean(lead) >= statistics.stdev(lead) / math.sqrt(len(lead))
        return best if sure and any(lead) else common

    def common(self, method: Mapping[str, Any]) -> Point:
        """The rates with the highest mean of the first round over all methods that this one is compared with."""
        rivals = [m for m in self.methods if key(m, self.within) == key(method, self.within)]
        means = {str(p): statistics.fmean(self.first.mean(self.score, **m, **p) for m in rivals) for p in self.points}
        return max(self.points, key=lambda point: means[str(point)])

    @property
    def points(self) -> list[Point]:
        """Every point of the grid."""
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]

    def mean(self, method: Mapping[str, Any], point: Mapping[str, Any]) -> float:
        """A finalist's mean over all tuning seeds."""
        return statistics.fmean(self._scores(method, point))

    def _scores(self, method: Mapping[str, Any], point: Mapping[str, Any]) -> list[float]:
        return [value for r in (self.first, self.second) for value in r.values(self.score, **method, **point)]

    def _finalists(self, method: Mapping[str, Any]) -> list[Point]:
        rows = self.second.where(**method)
        return [point for point in self.points if any(key(row, point) == key(point, point) for row in rows)]

    def settings(self) -> list[Point]:
        """For the test: each method at its own rates and, where these are others, at the common ones."""
        found = []
        for method in self.methods:
            for name, rates in (("own", self.own(method)), ("common", self.common(method))):
                if name == "own" or rates != self.own(method):
                    found.append({**method, "rates": name, **rates})
        return found

    def edges(self, method: Mapping[str, Any]) -> list[str]:
        """The rates of which a method chose the grid's first or last value."""
        own = self.own(method)
        return [name for name, values in self.grid.items() if len(values) > 1 and own[name] in (values[0], values[-1])]

    def table(self) -> Table:
        """Each method's own rates, the common ones, and which of its own lie at the grid's edge."""
        rows = []
        for method in self.methods:
            own, common = (", ".join(f"{v:g}" for v in p.values()) for p in (self.own(method), self.common(method)))
            named = ", ".join(str(value) for value in method.values())
            rows.append([named, own, common, ", ".join(self.edges(method)) or None])
        names = ", ".join(self.grid)
        return Table(["method", f"own rates ({names})", "common rates", "at the grid's edge"], rows)


def tune(
    name: str, function: Function, *, methods: Sequence[Mapping[str, Any]], grid: Mapping[str, Sequence[Any]],
    within: Sequence[str] = (), seeds: Sequence[int] = (100, 101, 102), score: str = "val",
) -> Tuned:  # fmt: skip
    """Choose every method's rates on validation, in two rounds, and the rates that are common to all.

    The whole grid with the first seed; then each method's best three points, and the common one, with the others; the
    mean over all seeds decides. Two records: ``name_grid`` and ``name_finals``. None of the seeds may be used again.

    Args:
        name: of the experiment; the records' names begin with it.
        function: ``function(seed, **method, **rates) -> {score: a validation score}``, higher is better.
        methods: what is compared.
        grid: {rate: values from low to high}; every combination is a point.
        within: names of the methods that separate comparisons: common rates are sought inside each.
        seeds: three or more, for tuning alone.
        score: the name of the validation score.
    """
    if len(seeds) < 3:
        raise fail("seeds", "be three or more", list(seeds), "A lead's standard error needs them.")
    compared: list[Point] = [dict(method) for method in methods]
    offered: dict[str, list[Any]] = {rate: list(values) for rate, values in grid.items()}
    points = [dict(zip(offered, values, strict=True)) for values in itertools.product(*offered.values())]
    every = [{**method, **point} for method in compared for point in points]
    names = list(compared[0])
    first = experiments.experiment(f"{name}_grid", function, settings=every, seeds=seeds[:1], method=names)
    half = Tuned(compared, offered, tuple(within), first, first, score)
    finals = []
    for method in compared:
        best = sorted(points, key=lambda p: -first.mean(score, **method, **p))[:FINALISTS]
        common = half.common(method)
        finals += [{**method, **point} for point in best + ([] if common in best else [common])]
    second = experiments.experiment(f"{name}_finals", function, settings=finals, seeds=seeds[1:], method=names)
    return Tuned(compared, offered, tuple(within), first, second, score)


@dataclass(frozen=True)
class Contrast:
    """One difference at each method's own rates and at common rates: a sentence may rest on it where they agree."""

    own: Difference
    common: Difference

    @property
    def agree(self) -> bool:
        """Whether both say the same: above zero, below, or no difference that we can measure."""
        return _side(self.own) == _side(self.common)

    @property
    def verdict(self) -> str:
        """In words: more, less, no difference that we can measure, or depends on the rates."""
        return _side(self.own) if self.agree else "depends on the rates"

    def __str__(self) -> str:
        return f"{self.own} (own rates), {self.common} (common rates): {self.verdict}"


def _side(difference: Difference) -> str:
    if not difference.resolved:
        return "no difference that we can measure"
    return "more" if difference.difference > 0 else "less"


def contrast(
    record: Record, score: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], *, minus: str = "",
    of: Record | None = None,
) -> Contrast:  # fmt: skip
    """``Record.paired`` twice: at own and at common rates, for a record whose settings are ``Tuned.settings()``."""
    found = []
    for rates in ("own", "common"):
        one, two = _at(record, ours, rates), _at(of or record, theirs, rates)
        found.append(record.paired(score, one, two, minus=minus, of=of))
    return Contrast(*found)


def _at(record: Record, method: Mapping[str, Any], rates: str) -> Point:
    """The method at these rates; its own are the common ones where it has no rows of its own at those."""
    there = {row["rates"] for row in record.where(**method)}
    return {**method, "rates": rates if rates in there else "own"}

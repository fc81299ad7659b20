"""One interval for a difference: over training seeds and test images together.

Crossed random effects (Gallas 2006; for benchmarks Bouthillier et al. 2021): a difference of two methods is a mean over
a table of S seeds by I images. Its variance is that of a new draw of both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdcourse._arguments import fail, positive

__all__ = ["Difference", "by_images", "by_seeds", "holm", "redrawn", "t_interval", "variance"]

CONFIDENCE = 0.95
FEWEST = 5  # with fewer seeds than this the seeds' values are shown, and no interval


@dataclass(frozen=True)
class Difference:
    """A paired difference, ours minus theirs, with one 95% interval.

    Attributes:
        difference: the mean over seeds and images.
        low, high: the interval; None with two to four seeds, which are too few for one.
        per_seed: one difference a seed.
        over_seeds, over_images: the parts: what another draw of seeds alone, or of images alone, may give.
        p: two-sided, from the same t and degrees of freedom; None without an interval.
        kind: "seeds and images", "images" (one seed), "seeds" (no answers by image), "values" (two to four seeds),
            "identical" (all answers equal).
        scale, unit: how it is shown: 100 and "points" for fractions.
    """

    difference: float
    low: float | None
    high: float | None
    per_seed: list[float]
    over_seeds: tuple[float, float] | None = None
    over_images: tuple[float, float] | None = None
    p: float | None = None
    kind: str = "seeds and images"
    scale: float = 100.0
    unit: str = "points"

    @property
    def resolved(self) -> bool:
        """Whether there is an interval and it leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def reading(self) -> str:
        """What may be said of it."""
        if self.kind == "identical":
            return "identical"
        if self.low is None:
            count = len(self.per_seed)
            return f"{count} seed{'s are' if count > 1 else ' is'} too few for an interval"
        return "a difference" if self.resolved else "no difference that we can measure"

    def text(self, scale: float | None = None, unit: str = "") -> str:
        """``+2.9 ± 0.9`` in the unit asked for; with too few seeds their values."""
        scale = self.scale if scale is None else scale
        if self.kind == "identical":
            return "identical"
        if self.low is None or self.high is None:
            digits = 2 if abs(scale) >= 100 else 4
            values = ", ".join(f"{scale * v + 0.0:+.{digits}f}" for v in self.per_seed)
            return f"{scale * self.difference + 0.0:+.{digits}f}{unit} (seeds: {values})"
        half = scale * (self.high - self.low) / 2
        middle, digits = scale * self.difference, _decimals(half)
        while digits < 6 and round(abs(middle), digits) == round(half, digits):  # show on which side zero lies
            digits += 1
        return f"{round(middle, digits) + 0.0:+.{digits}f} ± {half:.{digits}f}{unit}"

    def __format__(self, form: str) -> str:
        """``f"{difference:+.1f}"``: the number alone, in its unit."""
        shown = format(self.scale * self.difference, form) if form else self.text()
        return shown.replace("-", "+", 1) if form and shown.startswith("-") and float(shown) == 0 else shown

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        if self.kind == "identical":
            return "identical"
        several = len(self.per_seed)
        over = {
            "seeds and images": f"95% over {several} seeds and all images",
            "images": "95% over images alone: one seed",
            "seeds": f"95% over {several} seeds",
        }.get(self.kind, "")
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.text()}{unit}" + (f" ({over})" if over else "") + f": {self.reading}"


def _decimals(half: float) -> int:
    """One digit of the half width that matters, two where it begins with 1 or 2; at least one decimal."""
    if half <= 0 or not math.isfinite(half):
        return 1
    power = math.floor(math.log10(half))
    return int(min(6, max(1, -power + (round(half / 10**power, 6) < 3))))


def variance(ms_seeds: Any, ms_images: Any, ms_rest: Any, seeds: int, images: int) -> tuple[Any, Any]:
    """(variance of the mean, degrees of freedom) from the mean squares of the two-way table; arrays serve too.

    V = V_seeds + V_images - V_rest with V_x = MS_x / (S I), by Satterthwaite's degrees of freedom, never below S - 1
    (or I - 1, with fewer images). Where V is not above 0, the larger of V_seeds and V_images with that.
    """
    cells = seeds * images
    parts = [np.asarray(ms, dtype=float) / cells for ms in (ms_seeds, ms_images, ms_rest)]
    total = parts[0] + parts[1] - parts[2]
    free = (seeds - 1, images - 1, (seeds - 1) * (images - 1))
    spread = sum(part**2 / n for part, n in zip(parts, free, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        nu = np.where(spread > 0, total**2 / spread, seeds - 1)
    least = min(seeds, images) - 1
    nu = np.maximum(nu, least)
    bad = total <= 0
    return np.where(bad, np.maximum(parts[0], parts[1]), total), np.where(bad, least, nu)


def mean_squares(table: np.ndarray) -> tuple[float, float, float]:
    """(MS_seeds, MS_images, MS_rest) of a table, one row a seed, one column an image."""
    seeds, images = table.shape
    mean, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    ms_seeds = images * ((rows - mean) ** 2).sum() / (seeds - 1)
    ms_images = seeds * ((columns - mean) ** 2).sum() / (images - 1)
    total = ((table - mean) ** 2).sum()
    rest = total - images * ((rows - mean) ** 2).sum() - seeds * ((columns - mean) ** 2).sum()
    return float(ms_seeds), float(ms_images), float(max(rest, 0.0) / ((seeds - 1) * (images - 1)))


def by_images(table: np.ndarray, *, scale: float = 100.0, unit: str = "points") -> Difference:
    """The difference from each seed's difference on each image. Shape: S x I, the same images in every row."""
    table = np.asarray(table, dtype=float)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        got = f"shape {table.shape}" if table.ndim != 2 or not table.size else "NaN or infinity among them"
        raise fail("table", "hold finite differences, one row a seed, one column an image", got, "Check the answers.")
    seeds, images = table.shape
    mean, per_seed = float(table.mean()), table.mean(axis=1).tolist()
    shown: dict[str, Any] = {"per_seed": per_seed, "scale": scale, "unit": unit}
    if not table.any():
        return Difference(0.0, 0.0, 0.0, kind="identical", over_images=(0.0, 0.0), **shown)
    over_images = t_interval(table.mean(axis=0)) if images > 1 else None
    if seeds == 1 and over_images is not None:
        return Difference(mean, *over_images, over_images=over_images, kind="images",
                          p=_p(mean, _error(table[0]), images - 1), **shown)  # fmt: skip
    if seeds < FEWEST or images < 2:
        return Difference(mean, None, None, over_images=over_images, kind="values", **shown)
    found, nu = (float(v) for v in variance(*mean_squares(table), seeds, images))
    half = _t(nu) * math.sqrt(found)
    return Difference(mean, mean - half, mean + half, over_seeds=t_interval(per_seed), over_images=over_images,
                      p=_p(mean, math.sqrt(found), nu), **shown)  # fmt: skip


def by_seeds(differences: Sequence[float], *, scale: float = 100.0, unit: str = "points") -> Difference:
    """The difference from one value a seed, where there are no answers by image (an AUC, say): Student's t."""
    values = [float(v) for v in differences]
    if not values or not all(map(math.isfinite, values)):
        got = values if values else "none"
        raise fail("differences", "be finite, one a seed", got, "Look for the seed whose value is missing.")
    mean = math.fsum(values) / len(values)
    shown: dict[str, Any] = {"per_seed": values, "scale": scale, "unit": unit}
    if len(values) < FEWEST:
        return Difference(mean, None, None, kind="values", **shown)
    if not any(values):
        return Difference(0.0, 0.0, 0.0, kind="identical", **shown)
    interval = t_interval(values)
    p = _p(mean, _error(np.asarray(values)), len(values) - 1)
    return Difference(mean, *interval, over_seeds=interval, p=p, kind="seeds", **shown)


def redrawn(
    differences: Sequence[float], test_share: float, *, scale: float = 100.0, unit: str = "points"
) -> Difference:
    """The difference where every seed redraws its split from one pool, so that the seeds share images.

    Args:
        differences: one value a seed.
        test_share: n_test / n_train of one split.
        scale, unit: as shown.

    The variance is s^2 (1/S + n_test/n_train) (Nadeau & Bengio 2003); plain t covers 84% with five redraws.
    """
    positive("test_share", test_share)
    found = by_seeds(differences, scale=scale, unit=unit)
    if found.low is None or found.kind == "identical":
        return found
    values = np.asarray(found.per_seed)
    error = float(values.std(ddof=1) * math.sqrt(1 / len(values) + test_share))
    half = _t(len(values) - 1) * error
    mean = found.difference
    return Difference(mean, mean - half, mean + half, found.per_seed, over_seeds=(mean - half, mean + half),
                      p=_p(mean, error, len(values) - 1), kind="seeds", scale=scale, unit=unit)  # fmt: skip


def holm(differences: Sequence[Difference]) -> list[bool]:
    """Which differences stay after Holm's correction for all of a family at 5% (Holm 1979); in the order given."""
    ps = [1.0 if d.p is None else d.p for d in differences]
    order, kept = sorted(range(len(ps)), key=lambda i: ps[i]), [False] * len(ps)
    for rank, i in enumerate(order):
        if not ps[i] <= (1 - CONFIDENCE) / (len(ps) - rank):
            break
        kept[i] = True
    return kept


def t_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The 95% interval of a mean by Student's t. Shape: one value a seed (or an image)."""
    array = np.asarray(values, dtype=float)
    half = _t(len(array) - 1) * _error(array)
    return float(array.mean() - half), float(array.mean() + half)


def _error(values: np.ndarray) -> float:
    return float(np.asarray(values).std(ddof=1) / math.sqrt(len(values)))


def _t(nu: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, nu))


def _p(mean: float, error: float, nu: float) -> float:
    from scipy.stats import t

    return 0.0 if error == 0 and mean else float(2 * t.sf(abs(mean) / error, nu)) if error else 1.0

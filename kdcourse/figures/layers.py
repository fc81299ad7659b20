"""Figures of ``taylor_fo``, ``channel_importance`` and ``pruning``: what a layer and a channel are worth."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from kdcourse import plots
from kdcourse.evaluation import Difference
from kdcourse.figures._shapes import rows_of_dots
from kdcourse.records import Record

__all__ = ["agreements", "cloud", "layer_readings", "layerwise_gains", "priced", "reach", "recovery", "widths_left"]

MARKERS = "osD^vPX"

# ---------------------------------------------------------------- the layer-wise loss


def reach(
    tables: Mapping[str, Sequence[Sequence[float | None]]], layers: Sequence[str], *, title: str
) -> plots.Shown:  # fmt: skip
    """Heat maps of how far a gradient reaches: a row a term, a column a layer, the darker the longer.

    Args:
        tables: {loss: a row a term, in each one length a layer, None where no gradient arrives}.
        layers: their names.
        title: as in ``plots.show``.
    """
    lengths = [v for table in tables.values() for row in table for v in row if v is not None]
    figure, axes = plots.styled(1, len(tables), size=(4.3 * len(tables), 3.4), squeeze=False)
    said = []
    for axis, (name, table) in zip(axes[0], tables.items(), strict=True):
        _heat(axis, table, max(lengths))
        axis.set(title=name, xticks=range(len(layers)), xticklabels=layers, xlabel="length of the gradient at")
        axis.set(yticks=range(len(table)), yticklabels=[f"term {k}" for k in range(1, len(table) + 1)])
        axis.grid(visible=False)
        found = [", ".join(n for n, v in zip(layers, row, strict=True) if v is not None) or "none" for row in table]
        said.append(f"{name}: " + "; ".join(f"term {k} reaches {words}" for k, words in enumerate(found, 1)))
    return plots.show(figure, title=title, alt=". ".join(said) + ".")


def _heat(axis: Axes, table: Sequence[Sequence[float | None]], most: float) -> None:
    shown = np.array([[np.nan if v is None else v for v in row] for row in table], dtype=float)
    axis.imshow(np.where(np.isnan(shown), 0, np.sqrt(shown / most)), cmap="Oranges", vmin=0, vmax=1.3, aspect="auto")
    for i, row in enumerate(table):
        for j, value in enumerate(row):
            words = "none" if value is None else f"{value:.2f}"
            axis.text(j, i, words, ha="center", va="center", fontsize=9, color="#666" if value is None else "#222")


def layerwise_gains(record: Record, *, title: str) -> plots.Shown:
    """What the layer-wise loss beside soft targets adds to soft targets alone, at each method's own rates.

    Args:
        record: ``layerwise``: rows by ``method``.
        title: its fields are {least} and {most}, the smallest and the largest difference in points, and {heaviest},
            the difference with the largest weight of the article's terms.
    """
    alone = {"method": "soft targets", "rates": "own"}
    names = [m for m in dict.fromkeys(row["method"] for row in record.rows) if m.startswith("soft targets +")]
    rows = {name: record.paired("test", {"method": name, "rates": "own"}, alone) for name in names}
    points = [100 * d.difference for d in rows.values()]
    heaviest = max((name for name in names if "article" in name), key=lambda name: float(name.split()[3]))
    return plots.differences(
        {name.replace("soft targets + ", "+ "): d for name, d in rows.items()}, title=title,
        fields={"least": min(points), "most": max(points), "heaviest": rows[heaviest]},
        xlabel="with this term − soft targets alone, points of test accuracy",
    )  # fmt: skip


def layer_readings(record: Record, width: int, *, title: str) -> plots.Shown:
    """In each layer, over the seeds: does a term go with what it is said to measure?

    Spearman's rank correlation over the seeds, with its 95% interval (Fisher's transformation, with the standard
    error of Bonett and Wright, 2000).

    Args:
        record: ``layer_terms``: rows by ``width`` with "distance", "size", "dependence" and "instability" a layer.
        width: which towers.
        title: as in ``plots.show``.
    """
    pairs = {
        "term with dependence": ("distance", "dependence", 1),  # term 1 reads the image, whatever the layers do
        "penalty with instability": ("size", "instability", 0),
    }
    figure, axes = plots.styled(1, 2, size=(9, 3.6), sharey=True)
    said = []
    for axis, (heading, (term, reading, first)) in zip(axes, pairs.items(), strict=True):
        ours, theirs = (np.array(record.values(key, width=width)).T for key in (term, reading))
        names = [f"layer {k}" for k in range(1, len(ours))] + ["head", "mean of all"]
        found = [rank_correlation(a, b) for a, b in zip(ours[first:], theirs[first:], strict=True)]
        found.append(mean_correlation(ours[first:], theirs[first:]))
        for at, (middle, low, high) in enumerate(found, first):
            colour = plots.COLOURS[at == len(ours)]
            axis.plot([low, high], [at, at], color=colour, linewidth=2)
            face = colour if low > 0 or high < 0 else "white"
            axis.plot([middle], [at], "o", color=colour, markerfacecolor=face, markeredgewidth=1.8)
        axis.axvline(0, color="#555", linewidth=1.2)
        axis.set(title=heading, xlim=(-1, 1), xticks=(-1, -0.5, 0, 0.5, 1), xlabel="rank correlation over seeds")
        axis.grid(axis="y", visible=False)
        said.append(
            f"{heading}: " + ", ".join(f"{n} {m:+.2f}" for n, (m, _, _) in zip(names[first:], found, strict=True))
        )
    axes[0].set(yticks=range(len(names)), yticklabels=names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    caption = "Bars: 95% intervals over the seeds. Hollow: holds zero. Right of zero is what the article says."
    return plots.show(figure, title=title, alt="; ".join(said) + ".", caption=caption)


def rank_correlation(a: Any, b: Any) -> tuple[float, float, float]:
    """Spearman's correlation of two samples and its 95% interval (Bonett and Wright, 2000)."""
    middle = float(stats.spearmanr(a, b).statistic)
    error = np.sqrt((1 + middle**2 / 2) / (len(a) - 3))
    low, high = np.tanh(np.arctanh(np.clip(middle, -0.999999, 0.999999)) + 1.96 * error * np.array([-1, 1]))
    return middle, float(low), float(high)


def mean_correlation(ours: Any, theirs: Any) -> tuple[float, float, float]:
    """The mean over layers of Spearman's correlation over seeds, with Student's t over the seeds' shares in it.

    Args:
        ours, theirs: a row a layer, a column a seed.
    """
    a, b = (stats.zscore(stats.rankdata(v, axis=1), axis=1) for v in (np.asarray(ours), np.asarray(theirs)))
    shares = (a * b).mean(axis=0)  # their mean is the mean correlation
    half = stats.t.ppf(0.975, len(shares) - 1) * shares.std(ddof=1) / np.sqrt(len(shares))
    return float(shares.mean()), float(shares.mean() - half), float(shares.mean() + half)


# ---------------------------------------------------------------- prices of channels

RANKINGS = {
    "Taylor 512 of other images": "price, one batch",
    "Taylor 64 of other images": "price, 8 batches",
    "Taylor 64": "price, oracle's own images",
    "oracle of other images": "oracle of other images",
    "block alone": "block alone",
    "weights": "size of the weights",
    "batch norm's scale": "batch norm's scale",
}


def agreements(record: Record, *, title: str) -> plots.Shown:
    """How well each ranking agrees with the oracle: over all channels, and inside each block.

    Args:
        record: ``channel_ranks``: rows by ``ranking`` with Spearman's correlation over "all" and "inside".
        title: its fields are {price} (8 batches of other images) and {block} (alone): means over all channels.
    """
    groups = {
        group: {name: _known(record.values(key, ranking=ranking)) for ranking, name in RANKINGS.items()}
        for group, key in (("over all channels", "all"), ("inside a block", "inside"))
    }
    means = {g: {n: float(np.mean(v)) for n, v in rows.items() if v} for g, rows in groups.items()}
    first = means["over all channels"]
    alt = "; ".join(f"{g}: " + ", ".join(f"{n} {v:.2f}" for n, v in rows.items()) for g, rows in means.items()) + "."
    return rows_of_dots(
        groups, xlabel="rank correlation with the oracle", title=title, alt=alt, form="{:.2f}",
        fields={"price": first[RANKINGS["Taylor 64 of other images"]], "block": first["block alone"]},
        caption="A large dot: the mean of ten networks; a small one: one network.",
    )  # fmt: skip


def _known(values: Sequence[float | None]) -> list[float]:
    return [v for v in values if v is not None]


# ---------------------------------------------------------------- pruning

STEPS_AN_EPOCH = 63
CHOSEN_BY = {"Taylor": "price", "oracle": "oracle", "weights": "size of the weights",
             "batch norm's scale": "batch norm's scale", "block alone": "block alone", "random": "chance"}  # fmt: skip
BLOCKS = (16, 32, 64)  # channels before the cut


def recovery(record: Record, budget: float, *, title: str, whole: Record | None = None) -> plots.Shown:
    """Accuracy over the steps of recovery, a curve a ranking, from before the first step on.

    Args:
        record: ``pruning``: rows by ``method``, ``budget`` and ``epochs``.
        budget: the share of FLOPs that is left.
        title: its fields are {taylor}, {oracle}, {weights}, {batch} and {block}: each minus chance, after the longest
            recovery.
        whole: ``before_the_cut``: the networks before they were cut, as a dotted line.
    """
    lengths = sorted({row["epochs"] for row in record.rows})
    steps, curves = [0, *(STEPS_AN_EPOCH * n for n in lengths)], {}
    for method in CHOSEN_BY:
        there = {"method": method, "budget": budget, "rates": "own"}
        after = [record.mean("after", epochs=n, **there) for n in lengths]
        curves[CHOSEN_BY[method]] = [100 * v for v in (record.mean("before", epochs=lengths[0], **there), *after)]
    fields = {
        name.partition(" ")[0].lower(): _against(record, name, "random", budget, lengths[-1])
        for name in list(CHOSEN_BY)[:-1]
    }
    said = "; ".join(f"{name}: " + ", ".join(f"{v:.1f}" for v in values) for name, values in curves.items())
    figure, axis = plots.styled(size=(8, 3.8))
    for name, values in curves.items():
        axis.plot(range(len(steps)), values, marker="o", label=name, linestyle="--" if name == "chance" else "-")
    if whole is not None:
        before = 100 * whole.mean("test")
        axis.axhline(before, color="#555", linestyle=":", label="before the cut")
        said += f"; before the cut {before:.1f}"
    axis.set(xlabel="steps of recovery", ylabel="test accuracy, %")
    axis.set_xticks(range(len(steps)), [f"{n:,}" for n in steps])
    axis.legend(frameon=False, fontsize=9, bbox_to_anchor=(1.02, 1), loc="upper left")
    return plots.show(
        figure, title=title, fields=fields, alt=f"After {', '.join(map(str, steps))} steps: {said}.",
        caption="Means of five networks.",
    )  # fmt: skip


def _against(record: Record, method: str, rival: str, budget: float, epochs: int) -> Difference:
    one, other = ({"method": m, "budget": budget, "epochs": epochs, "rates": "own"} for m in (method, rival))
    return record.paired("after", one, other)


def widths_left(record: Record, budget: float, *, title: str) -> plots.Shown:
    """How many of each block's channels each ranking leaves, as bars in three panels.

    Args:
        record: ``pruning``.
        budget: the share of FLOPs that is left.
        title: as in ``plots.show``.
    """
    longest = max(row["epochs"] for row in record.rows)
    left = {}
    for method, name in CHOSEN_BY.items():
        widths = record.values("widths", method=method, budget=budget, epochs=longest, rates="own")
        left[name] = [float(np.mean([w[k] for w in widths])) for k in range(len(BLOCKS))]
    figure, axes = plots.styled(1, len(BLOCKS), size=(9, 0.36 * len(left) + 1.3), sharey=True)
    for k, (axis, whole) in enumerate(zip(axes, BLOCKS, strict=True)):
        drawn = axis.barh(list(left), [row[k] for row in left.values()], color=plots.COLOURS[1])
        axis.bar_label(drawn, fmt="%.0f", fontsize=9, padding=2)
        axis.set(title=f"block {k + 1}", xlabel=f"channels left of {whole}", xlim=(0, 1.12 * whole))
        axis.grid(axis="y", visible=False)
        axis.set_axisbelow(True)
    axes[0].invert_yaxis()
    said = "; ".join(f"{name}: " + ", ".join(f"{v:.0f}" for v in row) for name, row in left.items())
    alt = f"Channels left in blocks 1, 2 and 3: {said}."
    return plots.show(figure, title=title, alt=alt, caption="Means of five networks.")


def cloud(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    *,
    xlabel: str,
    ylabel: str,
    finding: str = "",
    title: str = "",
    fields: Mapping[str, Any] | None = None,
    caption: str = "",
) -> plots.Shown:
    """Many points, coloured and shaped by group, over a logarithmic y axis (a zero has no place there).

    Args:
        panels: {title: {group: (x values, y values)}}.
        xlabel, ylabel: of the axes; ylabel stands at the first panel. A panel whose x values span more than a factor
            of 30 has a logarithmic x axis.
        finding: the alt text.
        title, fields: the visible title, as in ``show``.
        caption: below the picture.
    """
    figure, axes = plots.styled(1, len(panels), size=(10, 3.4), squeeze=False, sharey=True)
    for axis, (heading, groups) in zip(axes[0], panels.items(), strict=True):
        for marker, (name, (x, y)) in zip(MARKERS, groups.items(), strict=False):
            axis.plot(x, y, marker, ms=4, alpha=0.7, label=name)
        values = [v for x, _ in groups.values() for v in x if v > 0]
        wide = bool(values) and max(values) > 30 * min(values)
        axis.set(title=heading, xlabel=xlabel, xscale="log" if wide else "linear", yscale="log")
    axes[0, 0].set_ylabel(ylabel)
    axes[0, -1].legend(frameon=False, fontsize=8)
    return plots.show(figure, alt=finding, title=title, fields=fields, caption=caption)


def priced(record: Record, budget: float, *, title: str) -> plots.Shown:
    """What it changes to divide scores by the FLOPs that a channel saves, and where they stand against chance then.

    Args:
        record: ``pruning``.
        budget: the share of FLOPs that is left.
        title: its fields are {weights}, {oracle} and {taylor}: per FLOP minus plain, after the longest recovery.
    """
    longest = max(row["epochs"] for row in record.rows)
    rows, fields = {}, {}
    for name in ("Taylor", "oracle", "weights"):
        priced, called = f"{name}, per FLOP", CHOSEN_BY[name]
        fields[name.lower()] = rows[f"{called}, per FLOP − plain"] = _against(record, priced, name, budget, longest)
        rows[f"{called}, per FLOP − chance"] = _against(record, priced, "random", budget, longest)
    return plots.differences(rows, title=title, fields=fields, xlabel="points of test accuracy after recovery")

"""What a person looks at: every figure, from plain arrays and dicts, in one calm style."""

import base64
import io
import json
import string
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.figure import Figure

from kdcourse._arguments import fail
from kdcourse._intervals import Difference
from kdcourse._tables import Table

__all__ = [
    "Shown", "Table", "differences", "filled", "gallery", "history", "lines", "pipeline",
    "show", "styled",
]  # fmt: skip

# Okabe & Ito's palette (2008) stays distinct under the common colour blindnesses.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
FINDING = "application/vnd.kdcourse.finding+json"  # the signs of a title's numbers, compared by nbval
STYLE = {
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white", "figure.dpi": 110,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e4e4e4",
    "axes.prop_cycle": cycler(color=COLOURS), "axes.titlesize": 11, "axes.labelsize": 10, "font.size": 10,
    "figure.constrained_layout.use": True, "image.cmap": "gray",
}  # fmt: skip


class Shown:
    """A figure with its title, alt text and caption; shows itself once, as HTML where HTML is read."""

    def __init__(self, figure: Figure, alt: str, caption: str, title: str = "", signs: Mapping[str, str] | None = None):
        self.figure, self.alt, self.caption, self.title, self.signs = figure, alt, caption, title, dict(signs or {})

    def png(self) -> bytes:
        """The picture."""
        file = io.BytesIO()
        self.figure.savefig(file, format="png", metadata={"Software": None})
        return file.getvalue()

    def save(self, path: Any) -> None:
        """Write the picture as PNG."""
        with open(path, "wb") as file:
            file.write(self.png())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        data = base64.b64encode(self.png()).decode()
        image = f'<img src="data:image/png;base64,{data}" alt="{escape(self.alt)}" style="max-width:100%">'
        html = f"<figure>{image}<figcaption>{escape(self.caption)}</figcaption></figure>"
        bundle = {"text/html": html, "image/png": data, "text/plain": repr(self)}
        return bundle | ({FINDING: json.dumps(self.signs, sort_keys=True)} if self.signs else {})

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"


def show(
    figure: Figure, *, alt: str = "", title: str = "", fields: Mapping[str, Any] | None = None, caption: str = ""
) -> Shown:
    """Give a figure its visible title and its alt text, and close it for pyplot.

    Args:
        figure: matplotlib's.
        alt: the finding in words, at least 40 characters; with a title, what else there is to see.
        title: one sentence that says the finding, drawn above the picture; the alt text begins with it. Fields in
            braces are filled from ``fields``: "Taught by a large network it gains {gain:.1f} points".
        fields: numbers or differences by name. Their signs are kept beside the picture, so that a comparison of the
            notebook's outputs fails where one changes.
        caption: below the picture.

    Raises ValueError where the alt text is too short, a field is missing, or a difference in the title has an interval
    that holds zero (say "no difference that we can measure" then).
    """
    said, signs = filled(title, fields or {})
    alt = " ".join(f"{said} {alt}".split())
    if len(alt) < 40:
        raise fail(
            "alt", "state the finding in at least 40 characters", alt, "Say what the picture shows, with numbers."
        )
    if said:
        wide = int(figure.get_figwidth() * 10.5)
        text = textwrap.fill(said, wide)
        figure.suptitle(text, x=0.012, ha="left", fontsize=12, fontweight="bold")
    plt.close(figure)
    return Shown(figure, alt, caption, said, signs)


def filled(title: str, fields: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """(the title with its fields, the sign of each): what a lesson's sentence says of the recorded numbers."""
    used = [name for _, name, _, _ in string.Formatter().parse(title) if name]
    missing = [name for name in used if name.partition(".")[0] not in fields]
    if missing:
        raise fail(
            "title", "use fields that the figure has", f"{{{missing[0]}}} in it", f"It has: {', '.join(fields)}."
        )
    signs = {}
    for name in dict.fromkeys(used):
        value = fields[name.partition(".")[0]]
        if isinstance(value, Difference) and not value.resolved and "." not in name and "no difference" not in title:
            remedy = "Say that there is no difference that we can measure, or leave it out of the title."
            raise fail(f"the title's field {name}", "have an interval that leaves out zero", repr(value), remedy)
        number = value.difference if isinstance(value, Difference) else value
        if isinstance(number, (int, float)):
            signs[name] = "+" if number > 0 else "-" if number < 0 else "0"
    return title.format(**fields) if used else title, signs


def differences(
    rows: Mapping[str, Difference], *, title: str, fields: Mapping[str, Any] | None = None, xlabel: str = "",
    alt: str = "", caption: str = "",
) -> Shown:  # fmt: skip
    """Differences as dots with 95% whiskers around a zero line, each with its number at the right.

    A hollow dot: the interval holds zero. With two to four seeds their values are small dots, without whiskers.

    Args:
        rows: {name: difference}, from above to below.
        title, fields: as in ``show``; the rows are fields too, by their names where these are words.
        xlabel: of the axis; the differences' unit by default.
        alt: what else there is to see; the numbers by default.
        caption: below the picture.
    """
    figure, axis = styled(size=(8, 0.46 * len(rows) + 1.3))
    for at, d in enumerate(rows.values()):
        middle = d.scale * d.difference
        if d.low is not None and d.high is not None:
            axis.plot([d.scale * d.low, d.scale * d.high], [at, at], color=COLOURS[0], linewidth=2)
        else:
            axis.plot([d.scale * v for v in d.per_seed], [at] * len(d.per_seed), ".", color=COLOURS[0], alpha=0.6)
        face = COLOURS[0] if d.resolved else "white"
        axis.plot([middle], [at], "o", markersize=8, color=COLOURS[0], markerfacecolor=face, markeredgewidth=1.8)
        shown = str(d) if d.low is not None else f"{middle:+.1f}"
        axis.annotate(shown, (1.01, at), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    axis.axvline(0, color="#555", linewidth=1.2)
    unit = next((d.unit for d in rows.values()), "")
    axis.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel=xlabel or f"difference, {unit}".rstrip(", "))
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.margins(x=0.08)
    axis.grid(axis="y", visible=False)
    words = alt or "; ".join(f"{name} {d}" for name, d in rows.items()) + f" {unit}, with 95% intervals."
    named = {**{name: d for name, d in rows.items() if name.isidentifier()}, **(fields or {})}
    return show(
        figure, alt=words, title=title, fields=named, caption=caption or "Bars: 95% intervals. Hollow: holds zero."
    )


def styled(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (9, 3.2), **options: Any
) -> tuple[Figure, Any]:
    """``plt.subplots`` in the course's style."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        return plt.subplots(rows, columns, figsize=size, **options)


def history(
    values: Mapping[str, Sequence[float]], *, best_epoch: int | None = None,
    other: Mapping[str, Sequence[float]] | None = None, names: tuple[str, str] = ("this run", "the other"),
) -> Shown:  # fmt: skip
    """Losses by term, the validation metric, and the gradient norm, over epochs, which count from one.

    Args:
        values: a run's history.
        best_epoch: index of the epoch whose weights were kept.
        other: another run's history, drawn dashed beside it.
        names: of the two.
    """
    figure, (left, middle, right) = styled(1, 3, size=(9, 3.2 if other is None else 3.6))
    runs = {"": values} if other is None else {names[0]: values, names[1]: other}
    for (name, one), style in zip(runs.items(), ("-", "--"), strict=False):
        _history_of(one, (left, middle, right), name, style)
    metric = next((n for n in values if n.startswith("val_")), None)
    finding = f"The loss went from {values['loss'][0]:.3g} to {values['loss'][-1]:.3g} in {len(values['loss'])} epochs"
    if metric is not None and best_epoch is not None:
        middle.axvline(best_epoch + 1, color="#888", linestyle=":", label=f"kept: epoch {best_epoch + 1}")
        shown, best = metric[4:].replace("_", " "), values[metric][best_epoch]
        finding += f"; the best validation {shown} is {best:.4g}"
        if other is not None and metric in other:
            rival = (min if metric == "val_loss" else max)(other[metric])
            finding = f"Best validation {shown}: {best:.3f} ({names[0]}), {rival:.3f} ({names[1]})"
    left.set(title="loss" if other is not None else "loss, each term unweighted", xlabel="epoch", yscale="log")
    middle.set(title="validation" if metric is None else f"validation {metric[4:].replace('_', ' ')}", xlabel="epoch")
    right.set(title="gradient norm", xlabel="epoch", yscale="log")
    for axis in (left, middle, right):
        axis.xaxis.get_major_locator().set_params(integer=True)
    if other is None:
        left.legend(frameon=False, fontsize=8)
        if metric is not None:
            middle.legend(frameon=False, fontsize=8)
    else:
        figure.legend(*middle.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return show(figure, title=finding, alt="Losses, validation and the gradient's norm.", caption="One point an epoch.")


def _history_of(values: Mapping[str, Sequence[float]], axes: Sequence[Any], name: str, style: str) -> None:
    """One run's curves; beside another run its loss alone, by itself each term too where there are several."""
    left, middle, right = axes
    colour = {"color": COLOURS[0] if style == "-" else COLOURS[1]} if name else {}
    epochs = range(1, len(values["loss"]) + 1)
    apart = ("loss", "grad_norm", "lr", "seconds")
    terms = [n for n in values if n not in apart and not n.startswith(("val_", "grad_norm/"))]
    for term in ["loss", *(terms if len(terms) > 1 and not name else [])]:
        left.plot(epochs, values[term], style, marker=".", label=term.replace("_", " "), **colour)
    for metric in [n for n in values if n.startswith("val_")][:1]:
        label = name or metric[4:].replace("_", " ")
        middle.plot(epochs, values[metric], style, marker=".", label=label, **colour)
    right.plot(epochs, values["grad_norm"], style, marker=".", **colour)


def pipeline(
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    scores: Mapping[str, Mapping[str, float]],
    *,
    finding: str = "",
    title: str = "",
    fields: Mapping[str, Any] | None = None,
) -> Shown:
    """The pipeline's closing figure: validation curves of both regimes, and the test scores as bars.

    Args:
        curves: {regime: {arm: validation accuracy at each epoch}}: distilled, fine-tuned after it, labels only.
        scores: {regime: {model: test accuracy}}.
        finding: the alt text.
        title, fields: the visible title, as in ``show``.
    """
    figure, axes = styled(2, len(curves), size=(10, 5.4), squeeze=False, height_ratios=[2, 1])
    colours = dict(zip(next(iter(scores.values())), [COLOURS[6], *COLOURS], strict=False))
    for axis, (regime, arms) in zip(axes[0], curves.items(), strict=True):
        first, then, alone = arms.values()
        name, tuned, other = arms
        epochs = range(1, len(first) + len(then) + 1)
        axis.plot(epochs[: len(first)], 100 * np.array(first), marker=".", label=name, color=colours[name])
        joined = 100 * np.array([first[-1], *then])
        axis.plot(epochs[len(first) - 1 :], joined, marker=".", ls="--", label=tuned, color=colours[name])
        axis.plot(epochs, 100 * np.array(alone), marker=".", label=other, color=colours[other])
        axis.set(title=regime, xlabel="epoch", ylabel="validation accuracy, %")
        axis.legend(fontsize=8, loc="lower right", frameon=False)
        axis.xaxis.get_major_locator().set_params(integer=True)
    for axis, models in zip(axes[1], scores.values(), strict=True):
        for name, value in models.items():
            axis.plot([100 * value], [name], marker="o", markersize=9, color=colours[name])
            axis.annotate(f"{100 * value:.1f}", (100 * value, name), (9, -4), textcoords="offset points")
        axis.set(xlabel="test accuracy, %")
        axis.margins(x=0.25, y=0.3)
        axis.invert_yaxis()
    return show(
        figure,
        alt=finding,
        title=title,
        fields=fields,
        caption="Validation while training; test accuracy read once at the end.",
    )


def gallery(
    images: Any,
    titles: Sequence[str],
    *,
    finding: str = "",
    title: str = "",
    fields: Mapping[str, Any] | None = None,
    columns: int = 8,
    caption: str = "",
) -> Shown:
    """Images in a grid, each under its title.

    Args:
        images: N x H x W or N x 1 x H x W.
        titles: one an image; may hold line breaks.
        finding: the alt text.
        title, fields: the visible title, as in ``show``.
        columns: images a row.
        caption: below the picture.
    """
    lines = -(-len(titles) // columns)
    height = 1.3 + 0.17 * max(title.count("\n") + 1 for title in titles)
    figure, axes = styled(lines, columns, size=(columns * 1.2, lines * height), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    pictures = np.asarray(images).reshape(len(titles), *np.shape(images)[-2:])
    for axis, image, heading in zip(axes.flat, pictures, titles, strict=False):
        axis.imshow(image, vmin=0, vmax=1, cmap="gray")
        axis.set_title(heading, fontsize=8)
    return show(figure, alt=finding, title=title, fields=fields, caption=caption)


def lines(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    x: Sequence[float] | None = None,
    xlabel: str,
    ylabel: str,
    finding: str = "",
    title: str = "",
    fields: Mapping[str, Any] | None = None,
    caption: str = "",
    log: str = "",
    shared: bool = True,
) -> Shown:
    """Curves in one or more panels side by side.

    Args:
        panels: {title: {name: values}}.
        x: the places of the values; 1, 2, … by default.
        xlabel, ylabel: of the axes.
        finding: the alt text.
        title, fields: the visible title, as in ``show``.
        caption: below the picture.
        log: the logarithmic axes: "x", "y" or "xy".
        shared: one y axis for all panels; else each has its own.
    """
    width = 5.2 * len(panels) if len(panels) > 1 else 7
    figure, axes = styled(1, len(panels), size=(width, 3.3), squeeze=False, sharey=shared)
    alike = len({tuple(curves) for curves in panels.values()}) == 1  # then one legend is enough
    for axis, (heading, curves) in zip(axes[0], panels.items(), strict=True):
        for name, values in curves.items():
            axis.plot(range(1, len(values) + 1) if x is None else x, values, marker=".", label=name)
        axis.set(title=heading, xlabel=xlabel, ylabel=ylabel, **{f"{name}scale": "log" for name in log})
        if axis is axes[0, -1] or not alike:
            outside = {"bbox_to_anchor": (1.02, 1), "loc": "upper left"} if len(curves) > 5 else {}
            axis.legend(frameon=False, fontsize=8, **outside)
        if x is None:
            axis.xaxis.get_major_locator().set_params(integer=True)
    return show(figure, alt=finding, title=title, fields=fields, caption=caption)

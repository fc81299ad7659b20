"""Shapes of pictures: points that move, a ladder, dumbbells, rows of dots, a difference with its whiskers."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kdcourse._intervals import Difference
from kdcourse.plots import COLOURS, Shown, show, styled

__all__ = ["demonstration", "dumbbells", "moves", "rows_of_dots", "rungs", "scatter", "whisker"]


def moves(
    points: Mapping[str, tuple[float, float, float]], fixed: Mapping[str, tuple[float, float]], *, xlabel: str,
    ylabel: str, before: str, after: str, title: str, fields: Mapping[str, Any] | None = None, alt: str = "",
    caption: str = "",
) -> Shown:  # fmt: skip
    """Points that move up or down at their place on a logarithmic x axis, as arrows from hollow to filled dots.

    Args:
        points: {name: (x, y before, y after)}.
        fixed: {name: (x, y)} of points that stay.
        xlabel, ylabel: of the axes.
        before, after: what the two kinds of dots are.
        title, fields: the visible title, as in ``show``.
        alt: what there is to see.
        caption: below the picture.
    """
    figure, axis = styled(size=(7.5, 4.2))
    for name, (x, low, high) in points.items():
        axis.annotate("", (x, high), (x, low), arrowprops={"arrowstyle": "-|>", "color": COLOURS[1], "lw": 1.6})
        axis.plot([x], [low], "o", color=COLOURS[1], markerfacecolor="white", markeredgewidth=1.6, markersize=7)
        axis.plot([x], [high], "o", color=COLOURS[1], markersize=8)
        axis.annotate(name, (x, low), (-9, -3), textcoords="offset points", fontsize=9, ha="right")
    for name, (x, y) in fixed.items():
        axis.plot([x], [y], "s", color=COLOURS[0], markersize=9)
        axis.annotate(name, (x, y), (0, -18), textcoords="offset points", fontsize=9, ha="center")
    axis.plot([], [], "o", color=COLOURS[1], markerfacecolor="white", markeredgewidth=1.6, label=before)
    axis.plot([], [], "o", color=COLOURS[1], label=after)
    axis.legend(frameon=False, fontsize=9, loc="lower right")
    axis.set(xlabel=xlabel, ylabel=ylabel, xscale="log")
    axis.margins(x=0.12, y=0.15)
    return show(figure, alt=alt, title=title, fields=fields, caption=caption)


def rungs(
    values: Mapping[str, Sequence[float]], steps: Sequence[Difference], *, ylabel: str, title: str,
    fields: Mapping[str, Any] | None = None, alt: str = "", caption: str = "",
) -> Shown:  # fmt: skip
    """A ladder from left to right: a rung at each mean, a dot a seed, and between neighbours their difference.

    Args:
        values: {name: one value a seed}, from left to right.
        steps: for each rung but the first its difference from the one before it.
        ylabel: of the axis.
        title, fields: the visible title, as in ``show``.
        alt: what there is to see.
        caption: below the picture.
    """
    figure, axis = styled(size=(8, 4.4))
    means = [float(np.mean(v)) for v in values.values()]
    for at, (own, mean) in enumerate(zip(values.values(), means, strict=True)):
        axis.plot([at - 0.36, at + 0.36], [mean, mean], color=COLOURS[0], linewidth=4, solid_capstyle="round")
        axis.plot(at + np.linspace(-0.12, 0.12, len(own)), own, "o", color=COLOURS[0], alpha=0.45, markeredgewidth=0)
        place = {"textcoords": "offset points", "fontsize": 9, "ha": "left", "va": "top"}
        axis.annotate(f"{mean:.1f}", (at - 0.36, mean), (0, -5), **place)
    for at, step in enumerate(steps):
        grey = "#666" if not step.resolved else COLOURS[1]
        arrow = {"arrowstyle": "-|>", "color": grey, "lw": 1.4}
        axis.annotate("", (at + 0.5, means[at + 1]), (at + 0.5, means[at]), arrowprops=arrow)
        above = max(means[at], means[at + 1])
        axis.annotate(str(step), (at + 0.5, above), (0, 9), textcoords="offset points", ha="center", fontsize=9,
                      color=grey)  # fmt: skip
    names = [textwrap.fill(name, 17) for name in values]
    axis.set(xticks=range(len(names)), xticklabels=names, ylabel=ylabel)
    axis.grid(axis="x", visible=False)
    axis.margins(y=0.12)
    return show(figure, alt=alt, title=title, fields=fields, caption=caption)


def dumbbells(
    panels: Mapping[str, Mapping[str, tuple[float, float]]], *, xlabel: str, before: str, after: str, title: str,
    beside: Mapping[str, float] | None = None, third: str = "", fields: Mapping[str, Any] | None = None, alt: str = "",
    caption: str = "",
) -> Shown:  # fmt: skip
    """One row a name, in one or two panels: a hollow dot before, a filled one after, a line between them.

    Args:
        panels: {heading: {name: (x before, x after)}}, the rows from above to below.
        xlabel: of the axes.
        before, after: what the two kinds of dots are.
        title, fields: the visible title, as in ``show``.
        beside: {name: x} of a third mark in every panel, a short stroke.
        third: what the third mark is.
        alt: what there is to see.
        caption: below the picture.
    """
    names = list(next(iter(panels.values())))
    size = (4.2 * len(panels) + 1.2 if len(panels) > 1 else 7.5, 0.42 * len(names) + 1.4)
    figure, axes = styled(1, len(panels), size=size, squeeze=False, sharey=True, sharex=True)
    for axis, (heading, rows) in zip(axes[0], panels.items(), strict=True):
        for at, (low, high) in enumerate(rows.values()):
            axis.plot([low, high], [at, at], color=COLOURS[1], linewidth=1.6, zorder=1)
            axis.plot([low], [at], "o", color=COLOURS[1], markerfacecolor="white", markeredgewidth=1.6)
            axis.plot([high], [at], "o", color=COLOURS[1])
        for name, x in (beside or {}).items():
            axis.plot([x], [names.index(name)], "|", color=COLOURS[0], markersize=16, markeredgewidth=2.5)
        axis.set(title=heading, xlabel=xlabel, yticks=range(len(names)), yticklabels=names)
        axis.grid(axis="y", visible=False)
    axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
    last = axes[0, -1]
    last.plot([], [], "o", color=COLOURS[1], markerfacecolor="white", markeredgewidth=1.6, label=before)
    last.plot([], [], "o", color=COLOURS[1], label=after)
    if third:
        last.plot([], [], "|", color=COLOURS[0], markersize=12, markeredgewidth=2.5, label=third)
    last.legend(frameon=False, fontsize=9, bbox_to_anchor=(1.02, 1), loc="upper left")
    return show(figure, alt=alt, title=title, fields=fields, caption=caption)


def rows_of_dots(
    groups: Mapping[str, Mapping[str, Sequence[float]]], *, xlabel: str, title: str,
    fields: Mapping[str, Any] | None = None, alt: str = "", caption: str = "", form: str = "{:.1f}",
) -> Shown:  # fmt: skip
    """One row a name, one colour a group: a small dot a seed, a large one at the mean with its number.

    Args:
        groups: {group: {name: one value a seed}}, all with the same names, from above to below; a row may be empty.
        xlabel: of the axis.
        form: how the means are written, as for str.format.
        title, fields: the visible title, as in ``show``.
        alt: what there is to see.
        caption: below the picture.
    """
    names = list(next(iter(groups.values())))
    figure, axis = styled(size=(8, 0.34 * len(names) * len(groups) + 1.2))
    for shift, (group, rows), colour in zip(_around(len(groups)), groups.items(), COLOURS, strict=False):
        axis.plot([], [], "o", color=colour, markersize=8, label=group)
        for at, own in enumerate(rows.values()):
            if not own:
                continue
            mean, y = float(np.mean(own)), at + shift
            axis.plot(own, [y] * len(own), "o", color=colour, alpha=0.35, markeredgewidth=0, markersize=5)
            axis.plot([mean], [y], "o", color=colour, markersize=8)
            axis.annotate(form.format(mean), (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=9,
                          color=colour)  # fmt: skip
    axis.set(xlabel=xlabel, yticks=range(len(names)), yticklabels=[textwrap.fill(name, 24) for name in names])
    axis.grid(axis="y", visible=False)
    axis.invert_yaxis()
    if len(groups) > 1:
        axis.legend(frameon=False, fontsize=9)
    return show(figure, alt=alt, title=title, fields=fields, caption=caption)


def _around(count: int) -> list[float]:
    """Places beside zero for so many groups in one row."""
    return [0.3 * (k - (count - 1) / 2) for k in range(count)]


def whisker(axis: Axes, at: float, found: Difference, colour: str) -> None:
    """A difference as a dot with its interval, and its number at the right."""
    axis.plot([found.scale * (found.low or 0), found.scale * (found.high or 0)], [at, at], color=colour, linewidth=2)
    face = colour if found.resolved else "white"
    axis.plot([found.scale * found.difference], [at], "o", color=colour, markerfacecolor=face, markersize=8)
    axis.annotate(str(found), (1.01, at), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    axis.axvline(0, color="#555555", linewidth=1.2)
    axis.grid(axis="y", visible=False)


def demonstration(
    rows: Mapping[str, Any],
    classes: Sequence[str],
    *,
    finding: str = "",
    title: str = "",
    fields: Mapping[str, Any] | None = None,
    caption: str = "One column a class.",
) -> Shown:
    """Rows of images side by side, one column a class.

    Args:
        rows: {title: images}, each N x H x W or N x 1 x H x W, one image a column.
        classes: the columns' names.
        finding: what the picture shows; the alt text.
        title, fields: the visible title, as in ``show``.
        caption: below the picture.
    """
    figure, axes = styled(len(rows), len(classes), size=(len(classes) * 0.95, len(rows) * 1.12), squeeze=False)
    for line, (heading, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, np.asarray(images).reshape(len(classes), *np.shape(images)[-2:]), strict=True):
            axis.imshow(image, vmin=0, vmax=1, cmap="gray")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(heading, fontsize=8)
    for axis, name in zip(axes[0], classes, strict=True):
        axis.set_title(name, fontsize=7)
    return show(figure, alt=finding, title=title, fields=fields, caption=caption)


def scatter(
    points: Mapping[str, tuple[float, float]],
    *,
    xlabel: str,
    ylabel: str,
    finding: str = "",
    title: str = "",
    fields: Mapping[str, Any] | None = None,
    caption: str = "",
    left: Sequence[str] = (),
) -> Shown:
    """Named points over a logarithmic x axis.

    Args:
        points: {name: (x, y)}.
        xlabel, ylabel: of the axes.
        finding: the alt text.
        title, fields: the visible title, as in ``show``.
        caption: below the picture.
        left: names to be written left of their point, where others stand close.
    """
    figure, axis = styled(size=(7, 3.6))
    for name, (x, y) in points.items():
        axis.plot([x], [y], "o", color=COLOURS[0])
        place, side = ((-7, -3), "right") if name in left else ((7, -3), "left")
        axis.annotate(name, (x, y), place, textcoords="offset points", fontsize=8, ha=side)
    axis.set(xlabel=xlabel, ylabel=ylabel, xscale="log")
    axis.margins(x=0.2, y=0.15)
    return show(figure, alt=finding, title=title, fields=fields, caption=caption)

"""Shapes of pictures that lessons need once: points that move, and a ladder."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kdcourse._intervals import Difference
from kdcourse.plots import COLOURS, Shown, show, styled

__all__ = ["moves", "rungs"]


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

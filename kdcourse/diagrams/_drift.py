"""Client drift in the space of two weights: many local steps end near each owner's own best, not at the common one."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import COLOURS, Shown

BEST = {"1": np.array([0.55, 1.15]), "2": np.array([2.25, 0.4])}  # each owner's own best weights
CURVED = {"1": np.array([0.5, 2.0]), "2": np.array([2.0, 0.5])}  # how steep its loss is along each weight
START, RATE = np.array([1.95, 1.55]), 0.2
FEW, MANY, LONG = 1, 20, 400  # local steps a round, and rounds until nothing moves
COLOUR = {"1": COLOURS[2], "2": COLOURS[3]}
PANELS = {"few": (0.4, FEW), "many": (4.7, MANY)}  # where each begins
SCALE, LOW = 1.25, 0.66


def drift() -> Shown:
    """Two owners whose losses are bowls, L = 1/2 sum_i h_i (w_i - c_i)^2; federated averaging with few and many steps.

    Source: Karimireddy et al. 2020 (client drift); Li et al. 2020.
    """
    figure, axis = draw.canvas()
    ends = {name: _panel(axis, *PANELS[name]) for name in PANELS}
    away = {name: float(np.linalg.norm(end - common())) for name, end in ends.items()}
    return draw.finish(
        figure,
        "After many steps alone, the mean of the owners is not the best for both.",
        "The plane of two weights, twice. Around the best weights of owners 1 and 2 lie ellipses of equal loss. "
        f"A cross marks what is best for both together. On the left each owner takes {FEW} step a round: after many "
        f"rounds the mean stands {away['few']:.2f} from the cross. On the right each takes {MANY} steps a round, close "
        f"to its own best: the mean stands {away['many']:.2f} from the cross.",
        "Dots: one round from the same start. Diamond: where the mean is after many rounds. Cross: the best for both.",
    )


def common() -> draw.Array:
    """The weights with the smallest sum of both losses."""
    weighted = sum((CURVED[k] * BEST[k] for k in BEST), np.zeros(2))
    best: draw.Array = weighted / sum(CURVED.values(), np.zeros(2))
    return best


def walk(owner: str, start: draw.Array, steps: int) -> draw.Array:
    """The weights at the start and after each step down one owner's loss."""
    places = [start]
    for _ in range(steps):
        places.append(places[-1] - RATE * CURVED[owner] * (places[-1] - BEST[owner]))
    return np.array(places)


def settled(steps: int) -> draw.Array:
    """Where federated averaging with so many local steps ends."""
    w = START
    for _ in range(LONG):
        w = np.mean([walk(owner, w, steps)[-1] for owner in BEST], axis=0)
    return w


def _panel(axis: Axes, left: float, steps: int) -> draw.Array:
    """One way of walking, drawn with its left edge there; where its mean ends."""

    def place(w: draw.Array) -> tuple[Any, Any]:
        return left + 0.15 + SCALE * w[..., 0], LOW + SCALE * w[..., 1]

    draw.heading(axis, left, f"{steps} local step{'s' * (steps > 1)} a round")
    for owner, best in BEST.items():
        colour = COLOUR[owner]
        for level in (0.04, 0.14):
            width, height = 2 * SCALE * np.sqrt(2 * level / CURVED[owner])
            axis.add_patch(Ellipse(place(best), width, height, fc="none", ec=colour, lw=0.9, alpha=0.55, zorder=1))
        axis.plot(*place(best), "o", color=colour, markersize=5, zorder=3)
        x, y = place(walk(owner, START, steps))
        axis.plot(x, y, "o-", color=colour, lw=1.2, markersize=2.6, zorder=3)
    away = {"1": (-0.02, -0.15), "2": (0.44, -0.02)}
    for owner, best in BEST.items():
        x, y = place(best)
        draw.text(axis, x + away[owner][0], y + away[owner][1], f"best for {owner}", colour=COLOUR[owner])
    end = settled(steps)
    axis.plot(*place(common()), "x", color=draw.INK, markersize=9, mew=2, zorder=4)
    axis.plot(*place(end), "D", color=draw.TEACHER, markersize=6, zorder=5, mfc="none", mew=1.6)
    axis.plot(*place(START), "s", color=draw.INK, markersize=5, zorder=4)
    x, y = place(START)
    draw.text(axis, x + 0.3, y + 0.1, "start")
    x, y = place(end)
    draw.text(axis, x - 0.45, y - 0.27, "the mean, many rounds later", colour=draw.TEACHER)
    x, y = place(common())
    draw.text(axis, x - (0.62 if steps == 1 else 0.2), y + (0.01 if steps == 1 else 0.2), "best for both")
    return end

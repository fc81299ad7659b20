"""Nine settings on a grid and nine spread evenly: how many different learning rates does each try?"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from scipy.stats import qmc

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

SIDE, LOW = 1.75, 0.72  # of the two squares, and where they stand
LEFT = {"grid": 1.75, "spread": 5.35}
NINE = 9


def points() -> dict[str, np.ndarray]:
    """{name: nine points in the unit square}: rate to the right, temperature upwards."""
    thirds = (np.arange(3) + 0.5) / 3
    grid = np.array([(x, y) for x in thirds for y in thirds])
    return {"grid": grid, "spread": qmc.Halton(2, seed=0).random(NINE)}


def spread_points() -> Shown:
    """Two squares of settings, and below each the learning rates that its nine points try (Bergstra & Bengio 2012)."""
    figure, axis = draw.canvas()
    found, tried = points(), {}
    for name, colour in (("grid", draw.TEACHER), ("spread", draw.STUDENT)):
        tried[name] = _square(axis, name, found[name], colour)
    draw.text(axis, LEFT["grid"] + SIDE / 2, LOW + SIDE + 0.22, "a grid", weight="bold", size=10)
    draw.text(axis, LEFT["spread"] + SIDE / 2, LOW + SIDE + 0.22, "a Halton sequence", weight="bold", size=10)
    return draw.finish(
        figure,
        f"Nine points of a grid try {tried['grid']} learning rates; nine spread points try {tried['spread']}.",
        "Two squares, learning rate to the right and temperature upwards, with nine settings each. On the left they "
        f"form a grid, and below it there are {tried['grid']} different learning rates. On the right a Halton sequence "
        f"spreads them, and below there are {tried['spread']} different learning rates.",
        "Each dot is a setting: one student. The marks below are the learning rates that are tried.",
    )


def _square(axis: Axes, name: str, settings: np.ndarray, colour: str) -> int:
    """One square, its dots and the marks below it; how many different rates there are."""
    left = LEFT[name]
    axis.add_patch(Rectangle((left, LOW), SIDE, SIDE, facecolor="white", edgecolor=draw.DATA))
    rates = sorted({round(float(x), 6) for x, _ in settings})
    for x, y in settings:
        axis.plot([left + SIDE * x], [LOW + SIDE * y], "o", color=colour, markersize=6, gid=f"{name}:{x:.6f}")
    for x in rates:
        axis.plot(
            [left + SIDE * x] * 2, [LOW - 0.16, LOW - 0.03], color=colour, linewidth=2, gid=f"rate:{name}:{x:.6f}"
        )
    draw.text(axis, left + SIDE / 2, LOW - 0.3, "learning rate")
    draw.text(axis, left + SIDE / 2, LOW - 0.52, f"{len(rates)} different ones", colour=colour, weight="bold")
    draw.text(axis, left - 0.14, LOW + SIDE / 2, "temperature", rotation=90)
    return len(rates)

"""A channel's gate: the loss along it from 1 to 0, and the tangent that predicts the end of the way."""

import numpy as np
from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

OUTPUTS, TARGET = (2.0, 0.5, -0.8), 3.0  # three channels, added up, and what the sum should be
LEFT, RIGHT, FOOT, HIGH, MOST = 5.2, 8.0, 0.62, 2.75, 6.0  # the curve's frame, in inches, and the highest loss


def loss(gate: float) -> float:
    """Half the squared error of the sum where the first channel has that gate."""
    return 0.5 * (gate * OUTPUTS[0] + sum(OUTPUTS[1:]) - TARGET) ** 2


def slope() -> float:
    """The derivative of the loss by the gate, where it is 1."""
    return (sum(OUTPUTS) - TARGET) * OUTPUTS[0]


def gate() -> Shown:
    """Left: a gate behind one of three channels. Right: the loss as the gate goes from 1 to 0, and the tangent."""
    figure, axis = draw.canvas()
    _network(axis)
    _curve(axis)
    return draw.finish(
        figure,
        "The slope at the open gate gives a first guess of the loss with the gate shut.",
        f"Left: three channels give {OUTPUTS[0]:g}, {OUTPUTS[1]:g} and {OUTPUTS[2]:g}. The first passes a gate before "
        f"all are added up, and the loss compares the sum with {TARGET:g}. Right: the loss over the gate, from 1 to 0. "
        f"It rises from {loss(1):.1f} to {loss(0):.1f}; the tangent at gate 1 predicts {loss(1) - slope():.1f}.",
        "An example: the loss is half the squared error of the sum. The tangent does not see that the curve bends.",
    )


def _network(axis: Axes) -> None:
    for i, (value, y) in enumerate(zip(OUTPUTS, (2.35, 1.6, 0.85), strict=True), 1):
        draw.box(axis, 0.3, y - 0.24, 1.15, 0.48, f"Channel {i}", colour=draw.STUDENT)
        draw.text(axis, 1.62, y + 0.14, f"{value:g}", ha="left", size=10)
        way = {1: [(3.1, y), (3.1, 1.75)], 2: [(2.95, y)], 3: [(3.1, y), (3.1, 1.45)]}[i]
        draw.arrow(axis, (2.7 if i == 1 else 1.45, y), *way, colour=draw.STUDENT)
    draw.arrow(axis, (1.45, 2.35), (2.08, 2.35), colour=draw.STUDENT)
    draw.box(axis, 2.08, 2.17, 0.62, 0.36, "gate", colour=draw.ACCENT)
    draw.text(axis, 3.1, 1.6, "+", size=11, weight="bold")
    draw.arrow(axis, (3.25, 1.6), (3.6, 1.6))
    draw.box(axis, 3.6, 1.36, 0.75, 0.48, "Loss")


def _place(gate_value: float, height: float) -> draw.Point:
    return LEFT + (1 - gate_value) * (RIGHT - LEFT), FOOT + height / MOST * (HIGH - FOOT)


def _curve(axis: Axes) -> None:
    axis.plot([LEFT, LEFT, RIGHT], [HIGH, FOOT, FOOT], color=draw.INK, lw=0.9)
    values = np.linspace(1, 0, 60)
    ways = [_place(v, loss(v)) for v in values]
    axis.plot(*zip(*ways, strict=True), color=draw.STUDENT, lw=2.2, zorder=4)
    predicted = loss(1) - slope()
    axis.plot(*zip(_place(1, loss(1)), _place(0, predicted), strict=True), "--", color=draw.TEACHER, lw=1.8, zorder=4)
    for end, colour, words in ((loss(0), draw.STUDENT, "true"), (predicted, draw.TEACHER, "predicted")):
        x, y = _place(0, end)
        axis.plot([x], [y], "o", color=colour, ms=6, zorder=5)
        draw.text(axis, x + 0.12, y, f"{words}\n{end:.1f}", ha="left", colour=colour)
    x, y = _place(1, loss(1))
    axis.plot([x], [y], "o", color=draw.INK, ms=6, zorder=5)
    draw.text(axis, x - 0.1, y, f"{loss(1):.1f}", ha="right")
    draw.text(axis, LEFT - 0.1, HIGH, "loss", ha="right", weight="bold")
    draw.text(axis, LEFT, FOOT - 0.16, "gate 1: open")
    draw.text(axis, RIGHT, FOOT - 0.16, "gate 0: shut")

"""Three places to look at while a student learns: what the teacher sees, what reaches each layer, the curve."""

import numpy as np
from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

IMAGE = "image:Sneaker"
LAYERS, FACTOR = 5, 0.25  # of the example: the steepest slope that a sigmoid has
ROWS = {"teacher": 2.0, "student": 0.75}  # feet of the two rows


def gauges() -> Shown:
    """A teacher, a student, and where three faults show that no error message names.

    The gradients and the curve are examples.
    """
    figure, axis = draw.canvas()
    _inputs(axis)
    _layers(axis)
    _curve(axis)
    shares = [FACTOR**k for k in range(LAYERS)]
    return draw.finish(
        figure,
        "Three faults that raise no error show in three places, if one looks.",
        "First: an image goes to the student as it is, and to the teacher upside down; a shift check of the teacher's "
        "images would tell. Second: a dashed gradient goes back through the student's layers, and of what starts at "
        f"the last of {LAYERS} the first gets {100 * shares[-1]:.1g} %; norms by layer would tell. Third: a curve of "
        "validation accuracy, and a stop where it had only paused; a plateau rule would have gone on.",
        f"Gradients and curve are examples: each layer passes on {FACTOR:g} of the gradient.",
    )


def _mark(axis: Axes, number: int, x: float, y: float, words: str, colour: str = draw.ACCENT) -> None:
    """A number in a circle, and beside it what to look at."""
    axis.plot([x], [y], "o", color=colour, markerfacecolor="white", markeredgewidth=1.6, markersize=15, zorder=5)
    draw.text(axis, x, y - 0.005, str(number), weight="bold", colour=colour, zorder=6)
    draw.text(axis, x + 0.2, y, words, ha="left", weight="bold", colour=colour)


def _inputs(axis: Axes) -> None:
    pixels = draw.asset(IMAGE)
    _mark(axis, 1, 0.42, 2.92, "What does the teacher see?", draw.TEACHER)
    draw.image(axis, np.flipud(pixels), 0.45, ROWS["teacher"] - 0.08, 0.72, gid="seen by the teacher")
    draw.image(axis, pixels, 0.45, ROWS["student"] - 0.08, 0.72, "the image", gid="seen by the student")
    for name, colour in (("teacher", draw.TEACHER), ("student", draw.STUDENT)):
        middle = ROWS[name] + 0.28
        draw.arrow(axis, (1.22, middle), (1.6, middle), colour=draw.DATA)
        if name == "teacher":
            draw.box(axis, 1.6, ROWS[name], 1.15, 0.56, "Teacher", colour=colour)
    draw.arrow(axis, (2.75, 2.28), (5.05, 2.28), (5.05, 1.32), colour=draw.TEACHER)
    draw.text(axis, 3.9, 2.43, "answers", colour=draw.TEACHER)


def _layers(axis: Axes) -> None:
    _mark(axis, 2, 1.72, 1.66, "What arrives at each layer?")
    middle = ROWS["student"] + 0.28
    for k in range(LAYERS):
        left = 1.6 + 0.56 * k
        draw.box(axis, left, ROWS["student"] + 0.06, 0.4, 0.44, str(k + 1), colour=draw.STUDENT)
        if k:
            draw.arrow(axis, (left - 0.16, middle), (left, middle), colour=draw.STUDENT)
        share = FACTOR ** (LAYERS - 1 - k)
        low = ROWS["student"] - 0.08 - 0.34 * share
        axis.fill_between([left + 0.08, left + 0.32], low, ROWS["student"] - 0.08, color=draw.STUDENT, lw=0)
        draw.text(axis, left + 0.2, 0.2, draw.percent(share), size=8)
    draw.box(axis, 4.7, ROWS["student"] + 0.01, 0.7, 0.54, "Loss")
    draw.arrow(axis, (4.24, middle), (4.7, middle), colour=draw.STUDENT)
    draw.arrow(axis, (4.8, 0.76), (4.8, 0.5), (4.3, 0.5), colour=draw.STUDENT, back=True)


def _curve(axis: Axes) -> None:
    _mark(axis, 3, 5.95, 2.92, "Does the curve still rise?")
    steps = np.arange(40)
    wobble = np.random.default_rng(3).normal(0, 0.035, len(steps))
    height = 1.0 - 0.75 * np.exp(-steps / 11.0) + wobble
    best = next(k for k in range(3, len(steps)) if max(height[k - 2 : k + 1]) <= max(height[: k - 2]))
    x, y = 5.95 + steps * 2.55 / len(steps), 0.62 + 1.75 * height
    axis.plot([5.85, 5.85, 8.6], [2.5, 0.62, 0.62], color=draw.INK, lw=0.9)
    axis.plot(x, y, color=draw.STUDENT, lw=1.6)
    axis.plot([x[best]] * 2, [0.62, y[best]], color=draw.ACCENT, lw=1.2, ls=":")
    axis.plot([x[best]], [y[best]], "X", color=draw.ACCENT, markersize=8)
    draw.text(axis, x[best] + 0.1, 0.9, "stopped here:\nthree epochs\nno better", ha="left", colour=draw.ACCENT)
    draw.text(axis, 7.25, 0.42, "epochs")
    draw.text(axis, 5.9, 2.62, "validation accuracy", ha="left", size=8)

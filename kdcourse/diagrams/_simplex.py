"""The gradient on the triangle of three classes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon

from kdcourse._arguments import fail
from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

NAMES = ("Sandal", "Sneaker", "Ankle boot")
CORNERS = np.array([(2.25, 2.72), (0.92, 0.42), (3.58, 0.42)])  # inches; one row a class


def simplex(
    student: Sequence[float] = (0.15, 0.25, 0.60), teacher: Sequence[float] = (0.60, 0.30, 0.10), label: int = 0
) -> Shown:
    """Three classes' probabilities as a triangle, and where each loss pulls the student's answer.

    With respect to the logits the gradient of the cross-entropy is q - y and that of KL(p || q) is q - p. Descent goes
    against it: along y - q to the label's corner, along p - q to the teacher's answer. The arrows are those vectors.

    Args:
        student: its three probabilities, q.
        teacher: its three probabilities, p.
        label: the right class: 0, 1 or 2.
    """
    q, p = _checked("student", student), _checked("teacher", teacher)
    if label not in (0, 1, 2):
        raise fail("label", "be 0, 1 or 2", label, "Pass the number of the right class.")
    y = np.eye(3)[label]
    figure, axis = draw.canvas()
    _triangle(axis, q, p, label)
    _table(axis, {"student q": q, "label y": y, "teacher p": p, "y − q": y - q, "p − q": p - q})
    return draw.finish(
        figure,
        "The label pulls the student's answer to a corner, the teacher to a point inside.",
        f"A triangle with a class at each corner: {', '.join(NAMES)}. The student's answer q is {_said(q)}, the "
        f"teacher's answer p is {_said(p)}, the label y is the corner {NAMES[label]}. From q one arrow leads to the "
        f"corner, y − q = {_said(y - q)}, against the gradient of the cross-entropy; one leads to p, p − q = "
        f"{_said(p - q)}, against the gradient of the KL divergence.",
        "An example. The arrows are minus the gradient with respect to the logits, drawn at the student's answer. The "
        "answer itself follows them on a path that may bend.",
    )


def _checked(argument: str, values: Sequence[float]) -> draw.Array:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != (3,) or not (found >= 0).all() or not np.isclose(found.sum(), 1):
        rule, remedy = "be three probabilities that add up to 1", "Pass (0.2, 0.45, 0.35), say."
        raise fail(argument, rule, tuple(values), remedy)
    return found


def _said(values: draw.Array) -> str:
    return "(" + ", ".join(f"{v:.2f}" for v in values).replace("-", "−") + ")"


def _triangle(axis: Axes, q: draw.Array, p: draw.Array, label: int) -> None:
    axis.add_patch(Polygon(CORNERS, fc="#f4f4f4", ec=draw.DATA, lw=1.2, zorder=1))
    for name, (x, y), (right, up) in zip(NAMES, CORNERS, ((0.2, -0.3), (-0.65, -0.02), (0.13, -0.02)), strict=True):
        draw.image(axis, draw.asset(f"image:{name}"), x + right, y + up, 0.52)
        beside = name == NAMES[0]
        place = (x + right + 0.6, y + up + 0.26) if beside else (x + right + 0.26, y + up - 0.12)
        draw.text(axis, *place, name, ha="left" if beside else "center")
    points = {"q": q @ CORNERS, "p": p @ CORNERS, "y": CORNERS[label]}
    colours = {"q": draw.STUDENT, "p": draw.TEACHER, "y": draw.DATA}
    at = {name: (float(x), float(y)) for name, (x, y) in points.items()}
    for name in ("y", "p"):
        if np.linalg.norm(points[name] - points["q"]) > 0.2:  # else the dots touch
            draw.arrow(axis, at["q"], at[name], colour=colours[name], gid=f"to {name}", short=0.08)
    for name, (x, y) in at.items():
        axis.plot([x], [y], "o", ms=8, color=colours[name], mec="white", mew=1, zorder=4)
        right = 0.17 if name == "q" else -0.17
        draw.text(axis, x + right, y, name, size=11, colour=colours[name], va="center_baseline", weight="bold")


def _table(axis: Axes, rows: dict[str, draw.Array]) -> None:
    """The numbers of the picture, class by class."""
    for j, name in enumerate(NAMES):
        draw.text(axis, 6.7 + 0.83 * j, 2.72, name, weight="bold")
    colours = [draw.STUDENT, draw.DATA, draw.TEACHER, draw.DATA, draw.TEACHER]
    words = ["student's answer q", "label y", "teacher's answer p", "y − q  (cross-entropy)", "p − q  (KL)"]
    for (name, values), told, colour, y in zip(rows.items(), words, colours, (2.4, 2.1, 1.8, 1.2, 0.9), strict=True):
        draw.text(axis, 4.6, y, told, ha="left", colour=colour, weight="bold")
        for j, value in enumerate(values):
            draw.text(axis, 6.7 + 0.83 * j, y, (f"{value:+.2f}" if "−" in name else f"{value:.2f}").replace("-", "−"))
    axis.plot([4.6, 8.75], [2.57, 2.57], color="#bbbbbb", lw=0.8)
    draw.text(axis, 4.6, 1.48, "Minus the gradient with respect to the logits:", ha="left")

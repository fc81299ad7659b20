"""How answers relate: the shape of a batch (RKD), and rows and columns by correlation (DIST)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

IMAGES = ("Sneaker", "Bag", "Trouser")
SHRUNK, TURNED = 0.7, 2.2  # the student's triangle: the teacher's, so much smaller and turned so far
CELL, T = 0.5, 4.0


def relations() -> Shown:
    """Three images as a triangle in the teacher's space of logits and in a student's, and two tables of answers.

    The teacher's distances and probabilities are the shipped teacher's; the student's are an example.
    Sources: Park et al. 2019 (RKD), Huang et al. 2022 (DIST).
    """
    figure, axis = draw.canvas()
    logits = np.array([draw.asset(f"logits:{name}") for name in IMAGES])
    shape = triangle(logits)
    turn = np.array([[np.cos(TURNED), -np.sin(TURNED)], [np.sin(TURNED), np.cos(TURNED)]])
    draw.heading(axis, 0.3, "RKD: the shape", y=2.8)
    _triangle(axis, shape, (1.2, 1.6), "teacher")
    _triangle(axis, SHRUNK * shape @ turn.T, (3.35, 1.6), "student")
    answers = np.array([draw.softmax(row, T) for row in logits])[:, [draw.CLASSES.index(name) for name in IMAGES]]
    draw.heading(axis, 4.95, "DIST: rows and columns", y=2.8)
    _table(axis, 5.15, "teacher", answers)
    _table(axis, 7.2, "student", 0.5 * answers + 0.05)
    return draw.finish(
        figure,
        "Other losses look at how the answers of a batch relate to each other.",
        "Left, RKD: the answers to a sneaker, a bag and trousers are the corners of a triangle in the teacher's "
        f"space. The student's triangle is {SHRUNK:g} times as large and turned, but has the same angles and the same "
        "ratios of sides; so its loss is 0. Right, DIST: two tables with a row an image and a column a class, three of "
        "the ten. The student's probabilities are half of the teacher's plus 0.05. A row of the one is compared with "
        "the same row of the other by its correlation, a column likewise; all are 1, and the loss is 0.",
        "The teacher's answers are real (three of ten classes), the student's an example. In both pictures the student "
        "agrees perfectly, though no number is the same.",
    )


def triangle(points: draw.Array) -> draw.Array:
    """Three points of any space in the plane, at their true distances, around their middle; the longest side is 1.6."""
    a, b, c = (float(np.linalg.norm(points[i] - points[j])) for i, j in ((1, 2), (0, 2), (0, 1)))
    x = (b**2 + c**2 - a**2) / (2 * c)
    flat = np.array([[0, 0], [c, 0], [x, float(b**2 - x**2) ** 0.5]])
    found: draw.Array = (flat - flat.mean(axis=0)) * 1.6 / max(a, b, c)
    return found


def _triangle(axis: Axes, shape: draw.Array, middle: tuple[float, float], name: str) -> None:
    colour = draw.TEACHER if name == "teacher" else draw.STUDENT
    corners = shape + np.array(middle)
    axis.add_patch(Polygon(corners, fc="none", ec=colour, lw=1.6, zorder=1, gid=f"triangle:{name}"))
    for image, (x, y) in zip(IMAGES, corners, strict=True):
        draw.image(axis, draw.asset(f"image:{image}"), x - 0.18, y - 0.18, 0.36, edge=colour, line=1.2)
    draw.text(axis, middle[0], 0.42, f"the {name}'s answers", colour=colour, weight="bold")


def _table(axis: Axes, left: float, name: str, values: draw.Array) -> None:
    """Three images by three classes; the middle row and the last column are framed."""
    colour = draw.TEACHER if name == "teacher" else draw.STUDENT
    top = 2.3
    for i, image in enumerate(IMAGES):
        draw.image(axis, draw.asset(f"image:{image}"), left - 0.42, top - (i + 1) * CELL + 0.07, 0.36)
        for j, value in enumerate(values[i]):
            draw.text(axis, left + (j + 0.5) * CELL, top - (i + 0.5) * CELL, f"{value:.2f}")
    for j, word in enumerate(("sneaker", "bag", "trousers")):
        draw.text(axis, left + (j + 0.5) * CELL, top + 0.12, word, size=8)
    frames = (((left + 0.02, top - 2 * CELL + 0.03), 3 * CELL - 0.04, CELL - 0.06),
              ((left + 2 * CELL + 0.05, top - 3 * CELL + 0.02), CELL - 0.1, 3 * CELL - 0.04))  # fmt: skip
    for place, width, height in frames:
        axis.add_patch(Rectangle(place, width, height, fc="none", ec=colour, lw=1.3, zorder=3))
    draw.text(axis, left + 1.5 * CELL, 0.42, f"the {name}'s answers", colour=colour, weight="bold")

"""Two heads on one trunk, in the teacher and in the student, and a loss for each kind of answer."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

ITEM, AT = "Ankle boot", (22, 26)  # its upper left corner on the canvas, down and to the right
PIECES = {"Pullover": (8, 4), "Bag": (47, 10), "Dress": (4, 42)}  # middle thirds of other images, likewise
ROWS = {"teacher": 2.35, "student": 0.8}  # middles of the rows
HEADS = {"class": (4.3, "KL(p ‖ q)", "what is it?"), "box": (6.9, "|s − t| and GIoU", "where is it?")}


def two_heads() -> Shown:
    """A canvas goes to a frozen network and to a student; each has one trunk and two heads, and each pair a loss."""
    figure, axis = draw.canvas()
    scene, box = canvas()
    draw.image(axis, scene, 0.28, 0.98, 1.3, "a canvas")
    scale = 1.3 / len(scene)
    left, top = 0.28 + scale * box[0], 0.98 + 1.3 - scale * box[1]
    size = (scale * (box[2] - box[0]), scale * (box[3] - box[1]))
    axis.add_patch(Rectangle((left, top - size[1]), *size, fc="none", ec=draw.ACCENT, lw=1.8, zorder=3))
    for name, colour in (("teacher", draw.TEACHER), ("student", draw.STUDENT)):
        _row(axis, name, colour)
    for x, loss, words in HEADS.values():
        draw.box(axis, x - 0.25, 1.3, 1.7, 0.54, words, loss)
    return draw.finish(
        figure,
        "One trunk sees the canvas once. Two heads answer two questions, and each has its own loss.",
        "A canvas of 64 by 64 pixels holds an ankle boot among pieces of other items, with a box around the boot. "
        "It goes to a teacher and to a student. Each has a trunk, and on it a head for the class and a head for "
        "the box. Between the two heads for the class stands the question what is it, and the divergence KL of p "
        "and q; between the two heads for the box the question where is it, and the absolute difference of s and "
        "t with GIoU.",
        "The teacher is finished. Both losses change the student's trunk, and each changes its own head.",
    )


def canvas() -> tuple[draw.Array, tuple[int, int, int, int]]:
    """A canvas of 64 x 64 and the box (x1, y1, x2, y2) of what is inked of its item."""
    scene = np.zeros((64, 64))
    for name, (top, left) in PIECES.items():
        piece = draw.asset(f"image:{name}")[9:19, 9:19]
        scene[top : top + 10, left : left + 10] = piece
    item = draw.asset(f"image:{ITEM}")
    inked = item > 0.1
    place = scene[AT[0] : AT[0] + 28, AT[1] : AT[1] + 28]
    place[inked] = item[inked]
    rows, columns = (np.flatnonzero(inked.any(axis=1 - k)) for k in (0, 1))
    corners = (AT[1] + columns[0], AT[0] + rows[0], AT[1] + columns[-1] + 1, AT[0] + rows[-1] + 1)
    return scene, (int(corners[0]), int(corners[1]), int(corners[2]), int(corners[3]))


def _row(axis: Axes, name: str, colour: str) -> None:
    """A trunk, its two heads, and their answers on the way to the losses."""
    middle, up = ROWS[name], 1 if name == "teacher" else -1
    draw.arrow(axis, (1.63, 1.63), (1.82, 1.63), (1.82, middle), (2.05, middle), colour=draw.DATA)
    draw.box(axis, 2.05, middle - 0.3, 1.25, 0.6, f"{name.capitalize()}'s", "trunk", colour=colour)
    for head, (x, _, _) in HEADS.items():
        if head == "class":
            draw.arrow(axis, (3.3, middle), (x, middle), colour=colour)
        else:
            over = middle + 0.42 * up
            draw.arrow(axis, (3.6, middle), (3.6, over), (x + 0.6, over), (x + 0.6, middle + 0.21 * up), colour=colour)
        draw.box(axis, x, middle - 0.21, 1.2, 0.42, head, colour=colour)
        draw.arrow(axis, (x + 0.6, middle - 0.21 * up), (x + 0.6, 1.57 + 0.27 * up), colour=colour)
        letter = {"class": ("p", "q"), "box": ("t", "s")}[head][0 if name == "teacher" else 1]
        draw.text(axis, x + 0.74, (middle + 1.57) / 2 + 0.02 * up, letter, colour=colour, weight="bold")

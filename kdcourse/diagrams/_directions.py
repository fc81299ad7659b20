"""Big to small, small to big, and to itself: three pairs and one call."""

from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

BIG, SMALL, GAP = (1.2, 0.92), (0.75, 0.46), 0.74  # width and height of a network's box; what lies between two
LEFT, APART = 0.4, 3.0  # of the first pair, and between two
PAIRS = {  # name: the source's box, the target's, and what the field calls it
    "big to small": (BIG, SMALL, "the usual way\nHinton 2015"),
    "small to big": (SMALL, BIG, "reversed\nYuan 2020"),
    "to itself": (SMALL, SMALL, "born again\nFurlanello 2018"),
}


def directions() -> Shown:
    """Three pairs of source and target, which differ in size alone; an arrow takes the source's answers to the target.

    Source: Hinton, Vinyals and Dean 2015; Furlanello et al. 2018; Yuan et al. 2020.
    """
    figure, axis = draw.canvas()
    for k, name in enumerate(PAIRS):
        _pair(axis, LEFT + APART * k, name)
    draw.text(axis, draw.WIDTH / 2, 0.3, "kd.distill(source, target, data)", size=10, family="monospace")
    return draw.finish(
        figure,
        "The call is the same in every direction; what the source knows is not.",
        "Three pairs of boxes, and in each an arrow of answers from a source to a target. Big to small: a large "
        "source, a small target; the usual way, Hinton 2015. Small to big: a small source, a large target; "
        "reversed, Yuan 2020. To itself: source and target of one size; born again, Furlanello 2018. Below all "
        "three stands one call, kd.distill(source, target, data).",
        "The size of a box stands for the size of the network.",
    )


def _pair(axis: Axes, left: float, name: str) -> None:
    """A source, its answers and a target, on one line; the names of the way below."""
    source, target, known = PAIRS[name]
    middle, start = 1.72, left + source[0]
    draw.heading(axis, left, name.capitalize())
    draw.box(axis, left, middle - source[1] / 2, *source, "source", colour=draw.TEACHER)
    draw.box(axis, start + GAP, middle - target[1] / 2, *target, "target", colour=draw.STUDENT)
    draw.arrow(axis, (start, middle), (start + GAP, middle), colour=draw.TEACHER)
    draw.text(axis, start + GAP / 2, middle + 0.16, "answers", colour=draw.TEACHER)
    draw.text(axis, start + GAP / 2, 0.88, known)

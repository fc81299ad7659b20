"""Distilling a linear regression: two projections are one."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

LABELS = np.array((1.45, 1.5, 1.3))  # y; the teacher's space is the plane whose third coordinate is 0
LINE = np.array((1.0, 0.1, 0.0))  # the student's space, a line in the plane
VIEW = np.array(((1.25, -0.06), (0.75, 0.72), (0.0, 0.95)))  # inches on the page for a unit of each coordinate
ORIGIN = np.array((0.85, 0.64))


def nested_subspaces() -> Shown:
    """Least squares as a projection: labels on the teacher's space, then on the student's space, which lies within it.

    Both roads, by way of the teacher and directly, end at the same point: the two projections are computed one by one.
    """
    figure, axis = draw.canvas()
    plane = np.eye(3)[:2]
    answer = _projected(LABELS, plane)
    places = {"labels": LABELS, "teacher": answer, "by way of the teacher": _projected(answer, LINE[None])}
    places["directly"] = _projected(LABELS, LINE[None])
    _spaces(axis)
    _roads(axis, places)
    _words(axis)
    return draw.finish(
        figure,
        "By way of the teacher or directly, the student's answer is the same point.",
        "Three dimensions in perspective: a plane, the teacher's space; a line in it, the student's space; the labels "
        "y, a point above the plane. Road 1 goes from y straight down to the nearest point of the plane, the teacher's "
        "answer, and from there at a right angle to the line. Road 2 goes from y at a right angle to the line. Both "
        "end at one point of the line.",
        "Linear models, nested, on the same inputs. Distilling then changes nothing; noise in what the student gets, "
        "or new inputs, can change that.",
    )


def _projected(point: draw.Array, basis: draw.Array) -> draw.Array:
    """The nearest point of the space that the basis' rows span, by least squares."""
    weights = np.linalg.lstsq(basis.T, point, rcond=None)[0]
    nearest: draw.Array = weights @ basis
    return nearest


def _seen(point: Sequence[float] | draw.Array) -> draw.Point:
    x, y = np.asarray(point) @ VIEW + ORIGIN
    return float(x), float(y)


def _spaces(axis: Axes) -> None:
    """The plane and the line."""
    corners = [_seen(corner) for corner in ((-0.2, -0.4, 0), (2.75, -0.4, 0), (2.75, 1.9, 0), (-0.2, 1.9, 0))]
    axis.add_patch(Polygon(corners, fc=draw.mix(draw.TEACHER, "#ffffff", 0.12), ec=draw.TEACHER, lw=1, zorder=1))
    ends = np.array([_seen(-0.1 * LINE), _seen(2.7 * LINE)])
    axis.plot(*ends.T, color=draw.STUDENT, lw=2.2, zorder=2)
    draw.text(axis, *_seen((0.4, 1.68, 0)), "the teacher's space", colour=draw.TEACHER)
    draw.text(axis, *_seen((0.6, 0.25, 0)), "the student's space", colour=draw.STUDENT)


def _roads(axis: Axes, places: dict[str, draw.Array]) -> None:
    """The perpendiculars, with a mark in each right angle, and the points."""
    y, answer, end = places["labels"], places["teacher"], places["by way of the teacher"]
    draw.arrow(axis, _seen(y), _seen(answer), colour=draw.TEACHER, gid="to teacher", short=0.07)
    draw.arrow(axis, _seen(answer), _seen(end), colour=draw.TEACHER, gid="by way of the teacher", short=0.07)
    draw.arrow(axis, _seen(y), _seen(places["directly"]), colour=draw.DATA, gid="directly", short=0.07)
    for foot, one, other in ((answer, y, end), (end, answer, 2.7 * LINE), (places["directly"], y, 0 * LINE)):
        sides = [0.2 * (to - foot) / np.linalg.norm(to - foot) for to in (one, other)]
        mark = np.array([_seen(foot + sides[0]), _seen(foot + sides[0] + sides[1]), _seen(foot + sides[1])])
        axis.plot(*mark.T, color=draw.INK, lw=0.9, zorder=3)
    points = {"labels": draw.DATA, "teacher": draw.TEACHER, "directly": draw.STUDENT}
    for name, colour in points.items():
        axis.plot(*[[v] for v in _seen(places[name])], "o", ms=8, color=colour, mec="white", mew=1, zorder=5)
    named = (("labels", "labels y", (0.14, 0)), ("teacher", "the teacher's\nanswer", (0.14, 0)),
             ("directly", "the student's answer", (0, -0.17)))  # fmt: skip
    for name, words, (right, up) in named:
        x, height = _seen(places[name])
        side = "left" if right else "center"
        draw.text(axis, x + right, height + up, words, ha=side, colour=points[name], weight="bold")


def _words(axis: Axes) -> None:
    """What the two roads are."""
    roads = (
        (2.62, draw.TEACHER, "By way of the teacher", "the nearest point of the plane,\nthen of the line"),
        (1.75, draw.DATA, "Directly", "the nearest point of the line"),
    )
    for y, colour, title, words in roads:
        draw.arrow(axis, (6.1, y), (6.5, y), colour=colour)
        draw.text(axis, 6.62, y, title, ha="left", colour=colour, size=10, weight="bold")
        draw.text(axis, 6.62, y - 0.14, words, ha="left", va="top")
    axis.plot([6.3], [1.05], "o", ms=8, color=draw.STUDENT, mec="white", mew=1)
    draw.text(axis, 6.62, 1.05, "Both roads end here.", ha="left", colour=draw.STUDENT, size=10, weight="bold")

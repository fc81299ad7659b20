"""A distillation program as a way from data to a number, and where twelve mistakes sit on it."""

from matplotlib.axes import Axes
from matplotlib.patches import Circle

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

# number: (name, place)
MISTAKES = {
    1: ("a name that nobody defined", (3.7, 0.5)),
    2: ("one number in, one number out", (2.62, 2.5)),
    3: ("one output for ten classes", (3.38, 2.5)),
    4: ("class numbers as targets", (5.75, 2.48)),
    5: ("two models of one kind", (2.62, 1.0)),
    6: ("fed its own output", (2.85, 0.42)),
    7: ("no_grad around the wrong model", (3.38, 1.0)),
    8: ("the graph is gone", (4.15, 1.75)),
    9: ("kl_div's arguments swapped", (4.85, 1.68)),
    10: ("divided again and again", (5.75, 1.68)),
    11: ("every tenth batch", (1.75, 1.32)),
    12: ("the source is examined", (5.45, 0.58)),
}
RAISING = (1, 2, 4, 6, 8)  # these raise an error


def mistakes() -> Shown:
    """A source that learns from labels, a target that learns from the source, and twelve places to go wrong."""
    figure, axis = draw.canvas()
    _program(axis)
    for number, (name, (x, y)) in MISTAKES.items():
        loud = number in RAISING
        fill = draw.mix(draw.ACCENT, "#ffffff", 0.55) if loud else "white"
        axis.add_patch(Circle((x, y), 0.135, fc=fill, ec=draw.ACCENT, lw=1.8, zorder=5))
        draw.text(axis, x, y - 0.005, str(number), size=8, weight="bold", va="center_baseline", zorder=6)
        draw.text(axis, 6.35, 2.86 - 0.215 * (number - 1), f"{number}  {name}", ha="left")
    said = "; ".join(f"{number} {name}" for number, (name, _) in MISTAKES.items())
    raising = ", ".join(map(str, RAISING))
    return draw.finish(
        figure,
        "Twelve mistakes of one short program: five raise an error, seven do not.",
        "Batches of images and labels go to a source, which learns from the labels by an error, and to a target. The "
        "target's loss compares its answer with the source's, by a divergence, and with the labels. At the end one "
        f"model is examined. {said}. These raise an error: {raising}.",
        "Filled discs raise an error. The source learns from the labels, the target from the labels and the source.",
    )


def _program(axis: Axes) -> None:
    """Data, two models, two losses, one examination."""
    draw.box(axis, 0.3, 1.35, 1.15, 0.66, "Batches", "images, labels", colour=draw.DATA)
    draw.arrow(axis, (1.45, 1.85), (1.95, 1.85), (1.95, 2.25), (2.3, 2.25), colour=draw.DATA)
    draw.arrow(axis, (1.45, 1.51), (1.95, 1.51), (1.95, 0.75), (2.3, 0.75), colour=draw.DATA)
    draw.box(axis, 2.3, 1.98, 1.4, 0.5, "Source", colour=draw.TEACHER)
    draw.box(axis, 2.3, 0.5, 1.4, 0.5, "Target", colour=draw.STUDENT)
    draw.box(axis, 4.6, 1.98, 1.4, 0.5, "its loss", "labels")
    draw.box(axis, 4.6, 1.12, 1.4, 0.54, "its loss", "KL(p ‖ q), labels")
    draw.arrow(axis, (3.7, 2.25), (4.6, 2.25), colour=draw.TEACHER)
    draw.arrow(axis, (4.0, 2.25), (4.0, 1.5), (4.6, 1.5), colour=draw.TEACHER)
    draw.arrow(axis, (3.7, 0.87), (4.0, 0.87), (4.0, 1.28), (4.6, 1.28), colour=draw.STUDENT)
    draw.box(axis, 4.6, 0.4, 0.85, 0.36, "Exam")
    draw.arrow(axis, (3.7, 0.66), (4.6, 0.58), colour=draw.STUDENT)

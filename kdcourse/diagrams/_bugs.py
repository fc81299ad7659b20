"""Where a distillation loss goes wrong."""

from matplotlib.axes import Axes
from matplotlib.patches import Circle

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

NAMES = (
    "T² left out", "mean for batchmean", "arguments swapped", "probabilities for logarithms", "softmax twice",
    "T on one side", "teacher against itself", "teacher in train mode",
)  # fmt: skip
PLACES = ((8.35, 1.96), (7.12, 1.96), (5.9, 1.96), (4.75, 1.13), (1.78, 0.64), (3.28, 1.13), (2.12, 0.64), (1.1, 2.62))
ROWS = {"teacher": 2.05, "student": 0.57}


def bugs() -> Shown:
    """The way from two networks' logits to one number, and the eight places where it is often written wrongly.

    Source: the reports that the evidence ``bugs`` names.
    """
    figure, axis = draw.canvas()
    for name, letter in (("teacher", "v"), ("student", "z")):
        _row(axis, name, letter)
    _loss(axis)
    for number, (x, y) in enumerate(PLACES, 1):
        axis.add_patch(Circle((x, y), 0.13, fc="white", ec=draw.ACCENT, lw=1.8, zorder=5))
        draw.text(axis, x, y - 0.005, str(number), size=9, weight="bold", va="center_baseline", zorder=6)
        row = 2.92 - 0.2 * (number - 1) if number < 5 else 0.86 - 0.2 * (number - 5)
        draw.text(axis, 6.4, row, f"{number}  {NAMES[number - 1]}", ha="left")
    said = "; ".join(f"{i} {name}" for i, name in enumerate(NAMES, 1))
    return draw.finish(
        figure,
        "Eight places where a distillation goes wrong, and still trains.",
        "The teacher's logits v and the student's logits z are divided by T. A softmax makes p of the teacher's, a log "
        f"softmax makes log q of the student's; KL(p || q), the mean over images and a factor T² follow. {said}.",
        said + ".",
    )


def _row(axis: Axes, name: str, letter: str) -> None:
    """A network, its logits, the division by T, and what the divergence gets."""
    colour, low = (draw.TEACHER if name == "teacher" else draw.STUDENT), ROWS[name]
    middle = low + 0.25
    draw.box(axis, 0.3, low, 1.15, 0.5, name.capitalize(), colour=colour)
    draw.arrow(axis, (1.45, middle), (2.45, middle), colour=colour)
    draw.text(axis, 1.95, middle + 0.16, f"logits {letter}", colour=colour)
    draw.box(axis, 2.45, low, 0.75, 0.5, "÷ T", colour=colour)
    draw.arrow(axis, (3.2, middle), (3.55, middle), colour=colour)
    draw.box(axis, 3.55, low, 1.15, 0.5, "softmax" if name == "teacher" else "log softmax", colour=colour)
    end = 1.72 if name == "teacher" else 1.32
    draw.arrow(axis, (4.7, middle), (5.45, middle), (5.45, end), colour=colour)
    draw.text(axis, 5.55, middle, "p" if name == "teacher" else "log q", colour=colour, ha="left", weight="bold")


def _loss(axis: Axes) -> None:
    draw.box(axis, 4.95, 1.32, 1.1, 0.4, "KL(p ‖ q)")
    draw.arrow(axis, (6.05, 1.52), (6.35, 1.52))
    draw.box(axis, 6.35, 1.32, 1.05, 0.4, "mean")
    draw.text(axis, 6.875, 1.16, "over images", size=8)
    draw.arrow(axis, (7.4, 1.52), (7.7, 1.52))
    draw.box(axis, 7.7, 1.32, 0.7, 0.4, "× T²")
    draw.text(axis, 8.55, 1.52, "loss", weight="bold", ha="left")
    draw.arrow(axis, (8.4, 1.52), (8.53, 1.52), head=False)

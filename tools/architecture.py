"""Draw docs/architecture.png: one batch on its way through ``kd.distill``.

python tools/architecture.py
"""

from pathlib import Path

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

TARGET = Path(__file__).parent.parent / "docs/architecture.png"
ALT = (
    "Data become a feed, which yields batches. Each batch goes to the student, and to the supervisor, which asks the "
    "teacher or reads its kept answer. Both sides and the labels make a step, the loss turns it into named terms and "
    "their weighted sum; a dashed arrow goes back from the sum to the student. What was measured goes into the history."
)


def picture() -> Shown:
    """The whole figure."""
    figure, axis = draw.canvas()
    draw.box(axis, 0.25, 1.45, 1.35, 0.75, "Feed", "open_feed(data)")
    draw.box(axis, 2.1, 1.45, 1.0, 0.75, "Batch", "inputs, labels", colour=draw.DATA)
    draw.box(axis, 3.65, 2.2, 1.7, 0.75, "Supervisor", "asks, or remembers", colour=draw.TEACHER)
    draw.box(axis, 3.65, 0.7, 1.7, 0.75, "student", "forward, looked at inside", colour=draw.STUDENT)
    draw.box(axis, 5.95, 1.45, 1.0, 0.75, "Step", "both, labels", colour=draw.DATA)
    draw.box(axis, 7.45, 1.45, 1.3, 0.75, "Loss.total", "terms and sum")
    draw.arrow(axis, (1.6, 1.82), (2.1, 1.82))
    draw.arrow(axis, (3.1, 1.82), (3.35, 1.82), (3.35, 2.57), (3.65, 2.57))
    draw.arrow(axis, (3.1, 1.82), (3.35, 1.82), (3.35, 1.07), (3.65, 1.07))
    draw.arrow(axis, (5.35, 2.57), (5.65, 2.57), (5.65, 1.95), (5.95, 1.95), colour=draw.TEACHER)
    draw.arrow(axis, (5.35, 1.07), (5.65, 1.07), (5.65, 1.7), (5.95, 1.7), colour=draw.STUDENT)
    draw.arrow(axis, (6.95, 1.82), (7.45, 1.82))
    draw.arrow(axis, (8.1, 1.45), (8.1, 0.45), (4.5, 0.45), (4.5, 0.7), colour=draw.ACCENT, back=True)
    draw.text(axis, 6.3, 0.3, "gradient, clipped; the optimizer's step")
    draw.text(axis, 8.1, 2.4, "History, once an epoch")
    return draw.finish(figure, "One batch on its way through kd.distill; train leaves the upper road out.", ALT, "")


if __name__ == "__main__":
    picture().save(TARGET)

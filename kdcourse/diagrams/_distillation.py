"""Who gives what to whom."""

from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

CLASSES = ("Sandal", "Sneaker", "Ankle boot")  # the others are added up
EXAMPLE = (0.35, 0.25, 0.20, 0.20)  # what a student says in the middle of its training
ROWS = {"teacher": 2.12, "student": 0.64}  # feet of the two rows, which are 0.7 high


def distillation() -> Shown:
    """Teacher, student, and the two losses that reach the student: from the label and from the teacher's answer.

    The teacher's bars are the shipped teacher's answer to the image; the student's are an example.
    Source: Hinton, Vinyals and Dean 2015.
    """
    figure, axis = draw.canvas()
    answer = dict(zip(draw.CLASSES, draw.softmax(draw.asset("logits:Sandal 2")), strict=True))
    teacher = [float(answer[name]) for name in CLASSES]
    teacher.append(1 - sum(teacher))
    draw.image(axis, draw.asset("image:Sandal 2"), 0.3, 1.23, 1.0, "an image")
    _row(axis, "teacher", "frozen", teacher, draw.TEACHER)
    _row(axis, "student", "learns", EXAMPLE, draw.STUDENT)
    _losses(axis)
    said = ", ".join(f"{name} {draw.percent(p)}" for name, p in zip(CLASSES, teacher, strict=False))
    return draw.finish(
        figure,
        "The student learns from the label and from the teacher's answer; only the student changes.",
        f"One image goes to a frozen teacher and to a student. The teacher answers with probabilities p: {said}. The "
        "student answers with probabilities q. Two losses compare q: the KL divergence with the teacher's p, the "
        "cross-entropy with the label y, which says Sandal. Dashed arrows lead from both losses to the student's "
        "weights; none leads to the teacher.",
        "The teacher's bars are the shipped teacher's answer to this image; the student's are an example.",
    )


def _row(axis: Axes, name: str, state: str, answer: tuple[float, ...] | list[float], colour: str) -> None:
    """A network, the image that it sees, and its answer."""
    low = ROWS[name]
    draw.arrow(axis, (1.38, 1.73), (1.68, 1.73), (1.68, low + 0.35), (2.0, low + 0.35), colour=draw.DATA)
    draw.box(axis, 2.0, low, 1.35, 0.7, name.capitalize(), state, colour=colour)
    draw.arrow(axis, (3.35, low + 0.35), (3.72, low + 0.35), colour=colour)
    draw.bars(
        axis, answer, 4.72, low - 0.02, 1.2, 0.74, colour=colour, names=[*CLASSES, "seven others"],
        written=[draw.percent(value) for value in answer], gid=name,
    )  # fmt: skip


def _losses(axis: Axes) -> None:
    """Both losses, the label, and the gradients, which go back to the student only."""
    draw.text(axis, 5.0, 2.97, "the teacher's answer p", colour=draw.TEACHER, weight="bold")
    draw.text(axis, 5.0, 0.48, "the student's answer q", colour=draw.STUDENT, weight="bold")
    draw.box(axis, 4.35, 1.55, 1.3, 0.36, "KL(p ‖ q)")
    draw.arrow(axis, (5.0, 2.08), (5.0, 1.91), colour=draw.TEACHER)
    draw.arrow(axis, (5.0, 1.38), (5.0, 1.55), colour=draw.STUDENT)
    draw.box(axis, 6.35, 0.81, 1.3, 0.36, "cross-entropy")
    draw.arrow(axis, (5.85, 0.99), (6.35, 0.99), colour=draw.STUDENT)
    draw.arrow(axis, (8.0, 0.99), (7.65, 0.99), colour=draw.DATA)
    draw.bars(axis, (1, 0, 0, 0), 8.08, 0.62, 0.6, 0.74, colour=draw.DATA, gid="label")
    draw.text(axis, 8.06, 1.47, "Sandal", ha="left")
    draw.text(axis, 8.38, 0.48, "the label y", colour=draw.DATA, weight="bold")
    draw.arrow(axis, (4.35, 1.73), (2.9, 1.73), (2.9, 1.34), colour=draw.STUDENT, back=True)
    draw.arrow(axis, (7.0, 0.81), (7.0, 0.23), (2.675, 0.23), (2.675, 0.64), colour=draw.STUDENT, back=True)
    draw.arrow(axis, (6.1, 2.62), (6.56, 2.62), colour=draw.INK)
    draw.text(axis, 6.66, 2.62, "what is given", ha="left")
    draw.arrow(axis, (6.1, 2.32), (6.56, 2.32), colour=draw.STUDENT, back=True)
    draw.text(axis, 6.66, 2.32, "a gradient changes weights", ha="left")

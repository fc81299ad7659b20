"""What is paid once and what is paid by every student: a teacher's training, its kept answers, the students' own."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

ANSWER = 40  # operations of the teacher's answer, where the student's has one
TRAINED, VERSIONS, EPOCHS = 10, 4, 60  # epochs of the teacher, answers to each photograph, epochs of a student
PRICES = {"teacher": 3 * ANSWER * TRAINED, "answers": ANSWER * VERSIONS, "student": 3 * EPOCHS}
INCH = 1.5 / PRICES["teacher"]  # of a bar for one operation


def share(students: int) -> float:
    """The price of one student, its share of the teacher and of the answers included."""
    return PRICES["student"] + (PRICES["teacher"] + PRICES["answers"]) / students


def shared_teacher() -> Shown:
    """One teacher, trained once; its answers, asked for once; three students that read them; a bar for each price."""
    figure, axis = draw.canvas()
    for x, words in ((0.3, "paid once"), (6.25, "paid by each")):
        draw.heading(axis, x, words, y=2.86)
    draw.box(axis, 0.3, 1.55, 1.9, 0.75, "teacher", f"{TRAINED} epochs", colour=draw.TEACHER)
    draw.box(axis, 3.3, 1.55, 1.9, 0.75, "its answers, kept", f"{VERSIONS} to each photograph", colour=draw.TEACHER)
    draw.arrow(axis, (2.2, 1.92), (3.3, 1.92), colour=draw.TEACHER)
    draw.text(axis, 2.75, 2.06, "asked once")
    for y in (0.55, 1.3, 2.05):
        draw.box(axis, 6.25, y, 1.3, 0.55, "student", f"{EPOCHS} epochs", colour=draw.STUDENT)
        draw.arrow(axis, (5.2, 1.92), (5.75, 1.92), (5.75, y + 0.27), (6.25, y + 0.27), colour=draw.TEACHER)
        _bar(axis, 7.65, y + 0.16, "student", draw.STUDENT)
    _bar(axis, 0.3, 1.15, "teacher", draw.TEACHER)
    _bar(axis, 3.3, 1.15, "answers", draw.TEACHER)
    draw.text(axis, 0.3, 0.55, f"together {PRICES['teacher'] + PRICES['answers']:,}, for one student or for many",
              ha="left")  # fmt: skip
    one, ten = share(1), share(10)
    return draw.finish(
        figure,
        "A teacher is trained once and asked once; only a student's own training is paid by each.",
        f"A teacher's training costs {PRICES['teacher']:,}, its answers {PRICES['answers']}; an arrow leads from the "
        f"kept answers to three students, whose own training costs {PRICES['student']} each. A single student costs "
        f"{one:,.0f} in all, one of ten {ten:,.0f}.",
        f"Prices for one photograph. An answer of the student costs 1, of the teacher {ANSWER}; training costs three "
        "times an answer, for each photograph and epoch.",
    )


def _bar(axis: Axes, x: float, y: float, name: str, colour: str) -> None:
    bar = Rectangle((x, y), PRICES[name] * INCH, 0.22, fc=colour, ec="none", zorder=2)
    bar.set_gid(name)
    axis.add_patch(bar)
    draw.text(axis, x + PRICES[name] * INCH + 0.06, y + 0.11, f"{PRICES[name]:,}", ha="left")

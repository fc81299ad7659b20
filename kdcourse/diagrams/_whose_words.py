"""Who writes the sentence that is learned from: the teacher, whose sentences hold no mistake, or the student itself."""

from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

PROMPT, TEACHERS, STUDENTS = "([", "])", ")])"  # what each writes after the prompt
PARTNER = {")": "(", "]": "["}
SIDE, GAP = 0.44, 0.52


def first_mistake(sentence: str) -> int | None:
    """The place, from 0, of the first bracket that closes none; None in a valid sentence."""
    opened: list[str] = []
    for place, one in enumerate(sentence):
        if one not in PARTNER:
            opened.append(one)
        elif not opened or opened.pop() != PARTNER[one]:
            return place
    return None


def whose_words() -> Shown:
    """Above, the teacher writes and the student reads; below, the student writes and the teacher says what it would."""
    figure, axis = draw.canvas()
    draw.heading(axis, 0.3, "off-policy: the teacher writes", y=2.86, colour=draw.TEACHER)
    _row(axis, 1.95, "teacher", TEACHERS, draw.TEACHER)
    draw.box(axis, 6.9, 1.95, 1.8, 0.66, "student", "says the same?", colour=draw.STUDENT)
    draw.heading(axis, 0.3, "on-policy: the student writes", y=1.36, colour=draw.STUDENT)
    _row(axis, 0.45, "student", STUDENTS, draw.STUDENT)
    draw.box(axis, 6.9, 0.45, 1.8, 0.66, "teacher", "what now?", colour=draw.TEACHER)
    wrong = first_mistake(PROMPT + STUDENTS)
    assert wrong is not None  # the student's sentence is there to show one
    draw.text(axis, 2.35 + GAP * wrong + SIDE / 2, 0.3, "closes the wrong one", colour=draw.ACCENT)
    return draw.finish(
        figure,
        "On its own sentences a student meets its own mistakes, and hears how to go on from them.",
        f"Both rows begin with the prompt {PROMPT}. Off-policy the teacher writes {TEACHERS} after it, a valid "
        f"sentence, and the student learns from that. On-policy the student writes {STUDENTS}; bracket {wrong + 1} "
        "closes the wrong one, and the teacher says for each place what it would write there.",
        "Grey: the prompt. A student that only reads its teacher's sentences hardly ever meets such a beginning.",
    )


def _row(axis: Axes, y: float, writer: str, written: str, colour: str) -> None:
    draw.box(axis, 0.3, y, 1.3, 0.66, writer, "writes", colour=colour)
    draw.arrow(axis, (1.6, y + 0.33), (2.25, y + 0.33), colour=colour)
    wrong = first_mistake(PROMPT + written)
    for place, one in enumerate(PROMPT + written):
        own = draw.DATA if place < len(PROMPT) else colour
        own = draw.ACCENT if place == wrong else own
        draw.box(axis, 2.35 + GAP * place, y + 0.11, SIDE, SIDE, one, colour=own)
    end = 2.35 + GAP * len(PROMPT + written)
    draw.arrow(axis, (end, y + 0.33), (6.8, y + 0.33), colour=colour)

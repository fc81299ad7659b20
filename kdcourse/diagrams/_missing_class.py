"""The bias of a class that was never shown."""

from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

MISSING, RAISE = "Ankle boot", 2.5
LOGITS = {"Sneaker": 4.0, "Ankle boot": 2.6, "Sandal": 1.2, "Bag": 0.3}  # an example


def missing_class() -> Shown:
    """A student that never saw one class, and its logits before and after the bias of that class is raised.

    The logits are an example; the percentages are their softmax.
    Source: Hinton, Vinyals and Dean 2015, whose student of digits had never seen a 3.
    """
    figure, axis = draw.canvas()
    _student(axis)
    after = {name: z + (RAISE if name == MISSING else 0) for name, z in LOGITS.items()}
    draw.heading(axis, 5.72, "Logits as learned")
    draw.heading(axis, 7.22, f"Bias raised by {RAISE:g}", colour=draw.ACCENT)
    before_says, after_says = _panel(axis, 5.72, LOGITS, "before"), _panel(axis, 7.22, after, "after")
    return draw.finish(
        figure,
        "A class that was never shown has too low a bias; raising that bias brings it back.",
        "A student learns from a transfer set of nine classes, without any ankle boot. Then it sees an ankle boot. As "
        f"learned, its logits are {_said(LOGITS)}, so it says {before_says}. With the bias of that one class raised by "
        f"{RAISE:g}, the logits are {_said(after)}, and it says {after_says}.",
        "The logits are an example. Hinton et al. (2015) left all 3s out of a transfer set of digits; with that one "
        "bias raised by 3.5, which they chose on the test set, the student named 98.6 % of that set's 3s.",
    )


def _said(logits: dict[str, float]) -> str:
    return ", ".join(f"{name} {z:.1f}" for name, z in logits.items())


def _student(axis: Axes) -> None:
    """The transfer set with its gap, the student, and the image of the class that is missing."""
    draw.heading(axis, 0.3, "Transfer set", colour=draw.DATA)
    for i, name in enumerate(draw.CLASSES):
        left, low = 0.3 + 0.53 * (i % 5), (2.25, 1.72)[i // 5]
        if name == MISSING:
            axis.add_patch(Rectangle((left, low), 0.48, 0.48, fc="none", ec=draw.ACCENT, lw=1.5, ls=(0, (3, 2))))
            draw.text(axis, left + 0.24, low + 0.24, "never\nshown", size=8, colour=draw.ACCENT)
        else:
            draw.image(axis, draw.asset(f"image:{name}"), left, low, 0.48, gid=f"transfer:{name}")
    draw.box(axis, 3.3, 1.87, 1.15, 0.7, "Student", "trained", colour=draw.STUDENT)
    draw.arrow(axis, (2.98, 2.22), (3.3, 2.22), colour=draw.DATA)
    draw.image(axis, draw.asset(f"image:{MISSING}"), 1.9, 0.36, 0.95, edge=draw.ACCENT, line=2)
    draw.text(axis, 1.75, 0.835, "Then it sees\nan ankle boot", ha="right")
    draw.arrow(axis, (2.93, 0.835), (3.87, 0.835), (3.87, 1.87), colour=draw.DATA)
    draw.arrow(axis, (4.45, 2.22), (4.75, 2.22), colour=draw.STUDENT)


def _panel(axis: Axes, left: float, logits: dict[str, float], gid: str) -> str:
    """Bars of the logits, the raised part in another colour, and the answer that they give."""
    names, values = list(logits), np.array(list(logits.values()))
    written = [f"{z:.1f}" for z in values]
    bars = partial(draw.bars, axis, x=left, y=1.08, width=0.95, height=1.62, whole=5.1)
    bars(values, colour=draw.ACCENT, written=written, names=names if gid == "before" else (), gid=gid)
    bars(list(LOGITS.values()), colour=draw.STUDENT)
    answer = draw.softmax(values)
    best = int(answer.argmax())
    words = f"{names[best]}, {draw.percent(answer[best])}"
    draw.text(axis, left, 0.78, "The student says:", ha="left")
    draw.text(axis, left, 0.53, words, ha="left", weight="bold", colour=draw.STUDENT)
    return words

"""Parts of an answer: label against rest, the rest among itself (DKD); and logits without their size."""

import numpy as np
from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

CLASSES = ("Sandal", "Sneaker", "Ankle boot")  # the others are added up
T = 4.0
LOGITS = (6.0, 3.0, 0.0)  # of a student, an example; the teacher's are twice as large


def parts() -> Shown:
    """The shipped teacher's answer to a sandal, taken apart in two; and two rows of logits that differ in size alone.

    Sources: Zhao et al. 2022 (DKD), Sun et al. 2024 (standardised logits).
    """
    figure, axis = draw.canvas()
    answer = dict(zip(draw.CLASSES, draw.softmax(draw.asset("logits:Sandal"), T), strict=True))
    p = answer["Sandal"]
    others = [float(answer[name]) for name in CLASSES[1:]]
    others.append(1 - p - sum(others))
    _decoupled(axis, p, others)
    _standardised(axis)
    among = [
        f"{name} {draw.percent(v / (1 - p))}" for name, v in zip((*CLASSES[1:], "seven others"), others, strict=True)
    ]
    return draw.finish(
        figure,
        "An answer has parts, and a loss may weigh them anew or leave one out.",
        f"Left, the teacher's answer to a sandal at T = {T:g}: Sandal {draw.percent(p)}. It is taken apart: Sandal "
        f"against all others together, {draw.percent(p)} and {draw.percent(1 - p)}; and the others among themselves, "
        f"which add up to 100 % again: {', '.join(among)}. Right, three logits of the teacher, 12, 6 and 0, and three "
        "of the student, 6, 3 and 0. After the mean is taken off and the spread divided away both are 1, 0 and -1.",
        f"The answer is the shipped teacher's, softened at T = {T:g} and rounded; the logits on the right are an "
        "example. The spread divides by n − 1.",
    )


def _decoupled(axis: Axes, p: float, others: list[float]) -> None:
    draw.heading(axis, 0.3, "DKD: two parts, each with its own weight")
    names, blue = (*CLASSES, "seven others"), draw.TEACHER
    draw.image(axis, draw.asset("image:Sandal"), 0.3, 1.85, 0.62)
    draw.bars(
        axis, [p, *others], 1.95, 1.72, 0.95, 0.88, colour=blue, names=names, gid="whole", size=9,
        written=[draw.percent(v) for v in (p, *others)],
    )  # fmt: skip
    draw.arrow(axis, (3.2, 2.2), (3.55, 2.45), colour=blue)
    draw.arrow(axis, (2.2, 1.66), (2.2, 1.24), colour=blue)
    draw.bars(
        axis, [p, 1 - p], 4.3, 2.18, 0.75, 0.44, colour=blue, names=("Sandal", "the rest"), gid="target", size=9,
        written=[draw.percent(v) for v in (p, 1 - p)],
    )  # fmt: skip
    draw.text(axis, 4.55, 1.98, "label against the rest", weight="bold")
    draw.bars(
        axis, [v / (1 - p) for v in others], 1.95, 0.5, 0.95, 0.66, colour=blue, names=names[1:], gid="others", size=9,
        written=[draw.percent(v / (1 - p)) for v in others],
    )  # fmt: skip
    draw.text(axis, 2.0, 0.33, "the rest among itself", weight="bold")


def _standardised(axis: Axes) -> None:
    draw.heading(axis, 5.75, "Standardised: the size left out")
    rows = (("teacher", draw.TEACHER, 2.0, 1.85), ("student", draw.STUDENT, 1.0, 0.75))
    for name, colour, times, low in rows:
        logits = times * np.array(LOGITS)
        z = (logits - logits.mean()) / logits.std(ddof=1)
        draw.text(axis, 5.75, low + 0.78, f"the {name}'s logits", ha="left", colour=colour, weight="bold")
        draw.bars(axis, logits, 5.85, low, 1.0, 0.66, colour=colour, whole=14, gid=f"logits:{name}",
                  written=[f"{v:g}" for v in logits])  # fmt: skip
        draw.arrow(axis, (7.1, low + 0.33), (7.6, low + 0.33), colour=colour)
        draw.bars(axis, z, 8.2, low, 0.4, 0.66, colour=colour, gid=f"z:{name}",
                  written=[f"{v:+.0f}".replace("-", "−").replace("+0", "0") for v in z])  # fmt: skip
    draw.text(axis, 7.2, 0.42, "(z − mean) / spread: both the same", ha="center")

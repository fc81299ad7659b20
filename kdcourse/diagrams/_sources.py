"""Six targets for one photograph, from the bare label to the teacher's answer, and what each of them tells."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

CLASS, T, SMOOTHING = "Sandal", 4.0, 0.3
TELLS = ("which class", "how sure", "what is alike", "this image")
KNOWS = {
    "the label": (True, False, False, False),
    "the label, smoothed": (True, False, False, False),
    "random answers": (False, True, False, False),
    "the label, a random rest": (True, True, False, False),
    "the answer to another sandal": (True, False, True, False),
    "the teacher's answer": (True, True, True, True),
}
LEFT, COLUMNS, MARKS = 3.1, 1.75, (5.6, 6.5, 7.4, 8.4)  # inches: where the columns begin, their width, the marks


def targets() -> dict[str, draw.Array]:
    """{what the student is told: a probability for each of the ten classes}."""
    at = draw.CLASSES.index(CLASS)
    label, answer = np.eye(10)[at], draw.softmax(draw.asset(f"logits:{CLASS}"), T)
    luck = np.random.default_rng(7)
    rest = np.insert(luck.permutation(np.delete(answer, at)), at, answer[at])
    kinds = (
        label, (1 - SMOOTHING) * label + SMOOTHING / 10, luck.permutation(answer), rest,
        draw.softmax(draw.asset(f"logits:{CLASS} 2"), T), answer,
    )  # fmt: skip
    return dict(zip(KNOWS, kinds, strict=True))


def sources() -> Shown:
    """What a student can be told about a sandal, and what each target knows; the teacher's answers are real."""
    figure, axis = draw.canvas()
    draw.image(axis, draw.asset(f"image:{CLASS}"), 0.3, 1.2, 0.95, "a sandal")
    draw.text(axis, LEFT, 2.9, "a share for each class", ha="left", va="baseline", weight="bold")
    for x, words in zip(MARKS, TELLS, strict=True):
        draw.text(axis, x, 2.9, words, va="baseline", weight="bold")
    drawn = targets()
    for row, (name, shares) in enumerate(drawn.items()):
        _row(axis, 2.4 - 0.42 * row, name, shares)
    told = "; ".join(f"{n}, up to {draw.percent(v.max())}: {' and '.join(_told(n))}" for n, v in drawn.items())
    return draw.finish(
        figure,
        "Five targets share one trait or another with the teacher's answer; none has them all.",
        f"Six targets for a photograph of a sandal, each as ten columns, with the largest share and what it tells: "
        f"{told}.",
        f"Blue: real answers of the course's teacher at T = {T:g}, to this sandal and to another sandal. Smoothed by "
        f"{SMOOTHING:g}. How sure: what the teacher's largest share is for this photograph.",
    )


def _told(name: str) -> list[str]:
    return [words for words, known in zip(TELLS, KNOWS[name], strict=True) if known]


def _row(axis: Axes, y: float, name: str, shares: draw.Array) -> None:
    real = "answer to" in name or "teacher's answer" in name
    colour = draw.TEACHER if real else draw.DATA
    draw.text(axis, LEFT - 0.12, y + 0.14, name, ha="right", colour=draw.TEACHER if real else draw.INK)
    step = COLUMNS / 10
    for i, share in enumerate(shares):
        bar = Rectangle((LEFT + i * step, y), 0.72 * step, 0.34 * float(share), fc=colour, ec="none", zorder=2)
        bar.set_gid(f"{name}:{i}")
        axis.add_patch(bar)
    axis.plot([LEFT, LEFT + COLUMNS], [y, y], color=draw.INK, lw=0.9, zorder=3)
    for x, known in zip(MARKS, KNOWS[name], strict=True):
        if known:
            axis.plot([x], [y + 0.14], "o", color=colour, markersize=8)
        else:
            axis.plot([x - 0.05, x + 0.05], [y + 0.14, y + 0.14], color=draw.DATA, lw=1.2)

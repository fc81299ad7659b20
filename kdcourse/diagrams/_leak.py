"""A leak: one image in the training pile and in the exam."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

TRAINING = ("Coat", "Sneaker", "Sandal", "Pullover", "Bag", "Trouser")  # the third stands at the upper right
EXAM = ("Sandal", "Ankle boot", "Shirt", "Dress", "Sneaker 2", "T-shirt/top")  # the first stands at the upper left
KNOWN = 0.7  # an example: the share of images never seen before that the model gets right


def leak() -> Shown:
    """Two piles with one image in both, and what that does to the score (an example, computed from the piles)."""
    figure, axis = draw.canvas()
    shared = set(TRAINING) & set(EXAM)
    _pile(axis, 0.3, "Training pile", TRAINING, shared)
    _pile(axis, 3.85, "Exam pile", EXAM, shared)
    draw.text(axis, 1.7, 0.52, "The model learns from these.")
    draw.text(axis, 5.25, 0.52, "Its score is counted on these.")
    draw.arrow(axis, (3.97, 2.16), (2.98, 2.16), colour=draw.ACCENT)
    draw.text(axis, 3.475, 2.4, "the same\nimage", colour=draw.ACCENT, weight="bold")
    share = len(shared) / len(EXAM)
    score = share + (1 - share) * KNOWN  # what was seen is remembered
    rows = {"this exam, without the leak": KNOWN, "this exam, with the leak": score, "new images, with the leak": KNOWN}
    draw.arrow(axis, (6.65, 1.72), (6.93, 1.72))
    draw.heading(axis, 7.02, "Right answers")
    for low, (words, value) in zip((2.04, 1.28, 0.52), rows.items(), strict=True):
        draw.text(axis, 7.02, low + 0.43, words, ha="left")
        draw.bars(axis, (value,), 7.02, low, 1.7, 0.3, colour=draw.ACCENT, written=(draw.percent(value),), gid=words)
        draw.bars(axis, (KNOWN,), 7.02, low, 1.7, 0.3, colour=draw.STUDENT)
    return draw.finish(
        figure,
        "A leaked image raises the exam score, and new images are answered no better.",
        f"Six images in a training pile, six in an exam pile; one sandal is in both. An example: the model gets "
        f"{draw.percent(KNOWN)} of images right that it has never seen. Without the leak its exam score is "
        f"{draw.percent(KNOWN)}, with the leak {draw.percent(score)}, and on new images still {draw.percent(KNOWN)}.",
        f"An example: the model gets {draw.percent(KNOWN)} of new images right and remembers every image it has seen.",
    )


def _pile(axis: Axes, left: float, title: str, names: tuple[str, ...], shared: set[str]) -> None:
    draw.heading(axis, left, title)
    style = "round,pad=0,rounding_size=0.1"
    axis.add_patch(FancyBboxPatch((left, 0.76), 2.8, 1.92, boxstyle=style, fc="#f4f4f4", ec=draw.DATA, lw=1.3))
    for i, name in enumerate(names):
        both = name in shared
        draw.image(
            axis, draw.asset(f"image:{name}"), left + 0.12 + 0.88 * (i % 3), 1.76 - 0.88 * (i // 3), 0.8,
            edge=draw.ACCENT if both else draw.DATA, line=3 if both else 0.8, gid=f"{title}:{name}",
        )  # fmt: skip

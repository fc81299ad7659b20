"""The inversion loop: pixels are changed, weights are not."""

from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

WANTED, STEPS, IN_THE_LOOP = "Ankle boot", (0, 30, 100, 300), 30


def inversion() -> Shown:
    """The loop of model inversion, and one image at four steps of a real inversion of the shipped teacher.

    Sources: Yin et al. 2020 (DeepInversion); the inversion was made by ``tools/build_diagrams.py``.
    """
    figure, axis = draw.canvas()
    _loop(axis)
    sure = [float(draw.softmax(draw.asset(f"inversion-logits:{s}"))[draw.CLASSES.index(WANTED)]) for s in STEPS]
    for i, (step, p) in enumerate(zip(STEPS, sure, strict=True)):
        left = 0.3 + 2.2 * i
        draw.image(axis, draw.asset(f"inversion:{step}"), left, 0.25, 0.88, gid=f"step {step}")
        draw.text(axis, left + 0.98, 0.89, f"step {step}", ha="left", weight="bold")
        draw.text(axis, left + 0.98, 0.57, f"ankle boot\n{draw.percent(p)}", ha="left", colour=draw.TEACHER)
    said = ", ".join(f"{draw.percent(p)} at step {s}" for s, p in zip(STEPS, sure, strict=True))
    return draw.finish(
        figure,
        "Inversion changes the pixels, never the weights, until the teacher sees an ankle boot.",
        "An image that begins as noise goes to a frozen teacher. Two questions are asked: does the teacher answer "
        "Ankle boot (cross-entropy), and do its layers see the mean and variance that they saw in training (batch "
        "norm)? A dashed gradient leads back to the pixels. Below, the image at steps 0, 30, 100 and 300: noise turns "
        f"into the outline of a boot. The teacher's probability of an ankle boot is {said}.",
        "A real inversion of the shipped teacher, the clearest of 100 images. The teacher is sure long before we see "
        "a boot.",
    )


def _loop(axis: Axes) -> None:
    """Image, teacher, two questions, and the gradient back to the image."""
    draw.image(axis, draw.asset(f"inversion:{IN_THE_LOOP}"), 0.3, 1.93, 0.88)
    draw.text(axis, 0.74, 2.93, "pixels", weight="bold", colour=draw.DATA)
    draw.arrow(axis, (1.26, 2.37), (2.2, 2.37), colour=draw.DATA)
    draw.box(axis, 2.2, 2.0, 1.4, 0.74, "Teacher", "frozen", colour=draw.TEACHER)
    draw.box(axis, 4.4, 2.44, 4.0, 0.5, "Is the answer “ankle boot”?", "cross-entropy")
    draw.box(axis, 4.4, 1.8, 4.0, 0.5, "Do the layers see what they saw in training?", "batch norm's mean and variance")
    for middle in (2.69, 2.05):
        draw.arrow(axis, (3.6, 2.37), (4.0, 2.37), (4.0, middle), (4.4, middle), colour=draw.TEACHER)
    draw.arrow(axis, (8.4, 2.69), (8.65, 2.69), (8.65, 1.48), (0.74, 1.48), (0.74, 1.86), gid="gradient", back=True)
    draw.arrow(axis, (8.4, 2.05), (8.65, 2.05), head=False, back=True)
    words = "the gradient changes the pixels, not the weights"
    white = {"facecolor": "white", "edgecolor": "none", "pad": 2}
    draw.text(axis, 4.6, 1.48, words, weight="bold", bbox=white, zorder=4)

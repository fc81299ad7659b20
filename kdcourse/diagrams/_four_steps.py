"""The four steps as a flow: two networks, three sets, one loss, and what is done with them."""

from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

SETS = {"Training set": "real images, augmented", "Demonstration set": "made by the source", "Test set": "real images"}
DONE = ("a  teach the target", "b  fine-tune it", "c  judge it", "d  freeze it")


def four_steps() -> Shown:
    """Choose two networks, split the data into three sets, design a loss, distil; from left to right."""
    figure, axis = draw.canvas()
    for x, words in ((0.3, "1 · Choose"), (2.55, "2 · Split"), (5.0, "3 · Design"), (6.95, "4 · Distil")):
        draw.heading(axis, x, words)
    draw.box(axis, 0.3, 1.66, 1.55, 0.76, "Target", "larger, untrained", colour=draw.STUDENT)
    draw.box(axis, 0.3, 0.66, 1.55, 0.62, "Source", "small, trained", colour=draw.TEACHER)
    for y, (name, words) in zip((1.86, 1.12, 0.38), SETS.items(), strict=True):
        draw.box(axis, 2.55, y, 1.9, 0.56, name, words, colour=draw.DATA)
    draw.box(axis, 4.95, 1.22, 1.5, 0.96, "")
    draw.text(axis, 5.7, 1.98, "Loss", size=10, weight="bold")
    draw.text(axis, 5.7, 1.55, "soft targets\n+ labels\n+ Taylor term")
    for y, words in zip((1.9, 1.4, 0.9, 0.4), DONE, strict=True):
        draw.box(axis, 6.95, y, 1.75, 0.38, words)
    _arrows(axis)
    return draw.finish(
        figure,
        "The article's four steps: a small network teaches a larger one.",
        "From left to right. Step 1, choose: a small trained source and a larger untrained target. Step 2, split: a "
        "training set of real, augmented images, a demonstration set that the source makes, a test set of real images. "
        "Step 3, design a loss: soft targets, labels, the layer-wise Taylor term. Step 4, distil: the source's answers "
        "to the training and the demonstration set teach the target, which is then fine-tuned on the labels, judged "
        "on the test set, and frozen.",
        "Blue: the network that teaches; vermilion: the network that learns; grey: data.",
    )


def _arrows(axis: Axes) -> None:
    draw.arrow(axis, (1.85, 0.97), (2.2, 0.97), (2.2, 1.4), (2.55, 1.4), colour=draw.TEACHER)
    draw.arrow(axis, (1.07, 0.66), (1.07, 0.22), (5.7, 0.22), (5.7, 1.22), colour=draw.TEACHER)
    draw.text(axis, 5.15, 0.34, "its answers", colour=draw.TEACHER, ha="center")
    for middle in (2.14, 1.4):
        draw.arrow(axis, (4.45, middle), (4.7, middle), (4.7, 1.7), (4.95, 1.7), colour=draw.DATA)
    draw.arrow(axis, (6.45, 1.7), (6.68, 1.7), (6.68, 2.05), (6.95, 2.05))
    draw.arrow(axis, (1.85, 2.2), (2.2, 2.2), (2.2, 2.62), (6.68, 2.62), (6.68, 2.2), (6.95, 2.2), colour=draw.STUDENT)
    draw.arrow(axis, (4.45, 0.66), (6.68, 0.66), (6.68, 1.09), (6.95, 1.09), colour=draw.DATA)
    for above in (1.9, 1.4, 0.9):
        draw.arrow(axis, (7.82, above), (7.82, above - 0.12))

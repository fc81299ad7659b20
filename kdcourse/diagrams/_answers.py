"""Federated distillation: owners of different networks answer the same public image, and the mean of it is learned."""

import numpy as np
from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

CLASSES = ("coat", "shirt", "bag")
OWNERS = {  # name: its network, and its logits for the classes (an example)
    "1": ("a perceptron", (0.5, 3.5, -1.0)),
    "2": ("a small convolution", (2.5, -0.5, 0.0)),
    "3": ("a larger one", (-1.0, 2.0, 1.0)),
}
IMAGE = (0.3, 1.12, 0.95)  # left, low, size
LEFT, WIDE, HIGH = 1.75, 1.75, 0.6
ROWS = (2.2, 1.3, 0.4)
BARS, LONG = 4.25, 1.0  # where the owners' bars begin, and how long a bar of 1 is
MEAN = (6.75, 1.3)  # left and low of the common answer's bars


def answers() -> Shown:
    """One public image to three owners, their answers to the server, the mean to whoever learns it.

    Sources: Lin et al. 2020 (FedDF), Li & Wang 2019 (FedMD).
    """
    figure, axis = draw.canvas()
    left, low, size = IMAGE
    draw.image(axis, draw.asset("image:Shirt"), left, low, size, "① a public image,\nwithout a label")
    middle = low + size / 2
    for name, row in zip(OWNERS, ROWS, strict=True):
        _owner(axis, name, row)
        centre = row + HIGH / 2
        corner = left + size + 0.25
        draw.arrow(axis, (left + size, middle), (corner, middle), (corner, centre), (LEFT, centre), colour=draw.DATA)
        draw.arrow(
            axis,
            (BARS + LONG + 0.5, centre),
            (5.98, centre),
            (5.98, ROWS[1] + HIGH / 2),
            (6.2, ROWS[1] + HIGH / 2),
            colour=draw.TEACHER,
        )
    x, y = MEAN
    shares = common()
    draw.bars(axis, shares, x, y, LONG, HIGH, colour=draw.TEACHER, names=CLASSES,
              written=[draw.percent(p) for p in shares])  # fmt: skip
    draw.text(axis, x + 0.55, y + HIGH + 0.34, "③ softmax of\nthe mean logits", weight="bold", colour=draw.TEACHER)
    draw.box(axis, 6.35, 0.26, 2.3, 0.62, "④ Who learns it?", "the server, or every owner", colour=draw.STUDENT)
    draw.arrow(axis, (7.5, y - 0.06), (7.5, 0.88), colour=draw.STUDENT)
    told = "; ".join(f"Owner {name}, {kind}: {_said(logits)}" for name, (kind, logits) in OWNERS.items())
    return draw.finish(
        figure,
        "Answers have the same shape for all networks, so their mean can always be taken.",
        f"One public image, a shirt without its label, goes to three owners with different networks. {told}. The "
        f"softmax of the mean of their logits is {_words(shares)}. The server's network learns it, or every owner's.",
        "An example: its logits are chosen by hand. ② Owner 2 has never seen a shirt; the mean calls it one.",
    )


def common() -> draw.Array:
    """The softmax of the owners' mean logits."""
    return draw.softmax(np.mean([logits for _, logits in OWNERS.values()], axis=0))


def _said(logits: tuple[float, ...]) -> str:
    return _words(draw.softmax(logits))


def _words(shares: draw.Array) -> str:
    return ", ".join(f"{name} {draw.percent(p)}" for name, p in zip(CLASSES, shares, strict=True))


def _owner(axis: Axes, name: str, low: float) -> None:
    """One owner's box and its answer."""
    kind, logits = OWNERS[name]
    draw.box(axis, LEFT, low, WIDE, HIGH, f"② Owner {name}", kind, colour=draw.TEACHER)
    shares = draw.softmax(logits)
    draw.bars(axis, shares, BARS, low + 0.03, LONG, HIGH - 0.06, colour=draw.TEACHER, names=CLASSES,
              written=[draw.percent(p) for p in shares])  # fmt: skip

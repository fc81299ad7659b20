"""A shift: what comes in use is not what came in training."""

import numpy as np
from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

SHOWN = ("T-shirt/top", "Trouser", "Coat", "Sneaker", "Ankle boot")
LOW = {"logits": 2.02, "camera": 0.55}  # feet of the two rows of images


def other_camera(image: draw.Array) -> draw.Array:
    """What another camera sees: each pixel the mean of its 3 x 3 neighbours, then black for white."""
    wide = np.pad(image, 1, mode="edge")
    high, across = image.shape
    shifted = [wide[i : i + high, j : j + across] for i in range(3) for j in range(3)]
    seen: draw.Array = 1 - np.mean(shifted, axis=0)
    return seen


def shift() -> Shown:
    """Five images as in training and as another camera sees them, and what the shipped teacher calls them."""
    figure, axis = draw.canvas()
    before, after = _row(axis, "logits", "As in\ntraining"), _row(axis, "camera", "In use:\nanother\ncamera")
    draw.box(axis, 6.4, 1.25, 1.35, 0.9, "Network", "same weights", colour=draw.TEACHER)
    for kind, place, edge, called in (("logits", 1.9, -0.16, before), ("camera", 1.5, 0.16, after)):
        middle = LOW[kind] + 0.39
        draw.arrow(axis, (5.98, middle), (6.19, middle), (6.19, place), (6.4, place), colour=draw.DATA)
        draw.arrow(axis, (7.75, place), (8.25, place), (8.25, middle + edge), colour=draw.TEACHER)
        words = f"{_right(called)} of {len(SHOWN)} right"
        draw.text(axis, 8.25, middle, words, size=10, weight="bold")
    said = ", ".join(f"{name} is called {other}" for name, other in zip(SHOWN, after, strict=True))
    return draw.finish(
        figure,
        "The network is the same, but in use the images are not of the kind it was trained on.",
        f"Upper row: {len(SHOWN)} images as in training; the network names {_right(before)} of them rightly. Below: "
        f"the same images from another camera, blurred and with black for white; the same network names "
        f"{_right(after)} rightly: {said}.",
        "The other camera blurs (each pixel is the mean of 3 x 3) and turns black into white. The names are the "
        "shipped teacher's answers; the five images were chosen.",
    )


def _right(called: list[str]) -> int:
    return sum(name == other for name, other in zip(SHOWN, called, strict=True))


def _row(axis: Axes, kind: str, title: str) -> list[str]:
    """Draw one row of images, each over what the network calls it; the names it gives."""
    low = LOW[kind]
    draw.text(axis, 0.3, low + 0.39, title, ha="left", size=10, weight="bold", colour=draw.DATA)
    called = [draw.CLASSES[int(draw.asset(f"{kind}:{name}").argmax())] for name in SHOWN]
    for i, (name, other) in enumerate(zip(SHOWN, called, strict=True)):
        pixels = draw.asset(f"image:{name}")
        left = 1.2 + 0.98 * i
        draw.image(axis, other_camera(pixels) if kind == "camera" else pixels, left, low, 0.78, gid=f"{kind}:{name}")
        mark, colour = ("✓", draw.INK) if other == name else ("✗", draw.ACCENT)
        draw.text(axis, left + 0.39, low - 0.15, f"{mark} {other}", colour=colour)
    return called

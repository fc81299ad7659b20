"""What all diagrams are drawn with: one canvas, whose unit is the inch, and boxes, arrows, images and bars upon it."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path as File
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path
from matplotlib.text import Text
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import load_file

from kdcourse.plots import COLOURS, Shown, show, styled

Array = NDArray[np.float64]
Point = tuple[float, float]
WIDTH, HEIGHT = 9.0, 3.6  # inches
TEACHER, STUDENT, DATA, ACCENT, INK = COLOURS[0], COLOURS[1], "#767676", COLOURS[3], "#222222"
CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


@lru_cache(maxsize=1)
def _assets() -> dict[str, Array]:
    return load_file(File(__file__).parent.parent / "assets" / "diagrams.safetensors")


def asset(name: str) -> Array:
    """An array of the asset file as floats; an image's pixels in [0, 1]."""
    held = _assets()[name]
    values: Array = np.asarray(held, dtype=np.float64) / (255 if held.dtype == np.uint8 else 1)
    return values


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Array:
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max())
    shares: Array = powers / powers.sum()
    return shares


def mix(colour: str, other: str, share: float) -> tuple[float, ...]:
    return tuple(share * a + (1 - share) * b for a, b in zip(to_rgb(colour), to_rgb(other), strict=True))


def percent(value: float) -> str:
    """A probability as people write it, with no 0 that is none and no 100 either."""
    p = 100 * value
    return (
        f"{p:.0f} %"
        if 0.95 <= p < 99.5 or p == 100
        else f"{p:.1f} %"
        if 0.1 <= p < 99.95
        else ">99.9 %"
        if p > 50
        else "<0.1 %"
    )


def canvas() -> tuple[Figure, Axes]:
    """An empty figure; one unit of its only axes is an inch, counted from the lower left corner."""
    figure, axis = styled(size=(WIDTH, HEIGHT))
    figure.set_layout_engine("none")
    axis.set_position((0, 0, 1, 1))
    axis.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axis.axis("off")
    return figure, axis


def text(axis: Axes, x: float, y: float, words: str, *, size: float = 9, colour: str = INK, **options: Any) -> Text:
    """Words around (x, y); in a colour of the palette they are a little darker, to be read on white."""
    options = {"ha": "center", "va": "center", "linespacing": 1.3, **options}
    dark = mix(colour, INK, 0.65 if colour == ACCENT else 0.8)
    return axis.text(x, y, words, fontsize=size, color=INK if colour == INK else dark, **options)


def heading(axis: Axes, x: float, words: str, *, y: float = 2.86, colour: str = INK) -> None:
    """Words in bold over a part of the picture, from x to the right; all headings stand on one line."""
    text(axis, x, y, words, size=10, colour=colour, ha="left", va="baseline", weight="bold")


def box(
    axis: Axes, x: float, y: float, width: float, height: float, title: str, words: str = "", *, colour: str = INK
) -> None:
    """A rounded box whose lower left corner is (x, y): a title in bold, and words below it."""
    style = f"round,pad=0,rounding_size={min(0.1, height / 3)}"
    fill = "white" if colour == INK else mix(colour, "#ffffff", 0.12)
    axis.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, fc=fill, ec=colour, lw=1.3))
    middle = y + height / 2
    apart = min(0.13, 0.21 * height) if words else 0
    text(axis, x + width / 2, middle + apart, title, size=10, colour=colour, weight="bold")
    if words:
        text(axis, x + width / 2, middle - apart, words)


def arrow(
    axis: Axes, *points: Point, colour: str = INK, back: bool = False, gid: str = "", head: bool = True,
    short: float = 0,
) -> None:  # fmt: skip
    """An arrow through the points, round at its corners; a gradient, which goes back, is dashed.

    It ends ``short`` inches before its last point, where a dot stands.
    """
    places = [np.array(point, dtype=np.float64) for point in points]
    places[-1] = _towards(places[-1], places[-2], short)
    vertices, codes = [places[0]], [Path.MOVETO]
    for before, corner, after in zip(places, places[1:], places[2:], strict=False):
        radius = min(0.1, *(float(np.linalg.norm(end - corner)) / 2 for end in (before, after)))
        vertices += [_towards(corner, before, radius), corner, _towards(corner, after, radius)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    style = "-|>,head_length=5,head_width=2.6" if head else "-"
    drawn = FancyArrowPatch(
        path=Path([*vertices, places[-1]], [*codes, Path.LINETO]), arrowstyle=style, color=colour, lw=1.4,
        ls=(0, (4, 2.2)) if back else "-", mutation_scale=1, capstyle="butt", joinstyle="miter", zorder=3,
    )  # fmt: skip
    drawn.set_gid(gid or None)
    axis.add_patch(drawn)


def _towards(start: Array, end: Array, distance: float) -> Array:
    step: Array = start + (end - start) * distance / max(float(np.linalg.norm(end - start)), 1e-9)
    return step


def image(
    axis: Axes, pixels: Array, x: float, y: float, size: float, words: str = "", *, edge: str = DATA, line: float = 0.8,
    gid: str = "",
) -> None:  # fmt: skip
    """A square image whose lower left corner is (x, y), framed, with words below it."""
    drawn = axis.imshow(pixels, cmap="gray", vmin=0, vmax=1, extent=(x, x + size, y, y + size), aspect="auto", zorder=2)
    drawn.set_gid(gid or None)
    axis.add_patch(Rectangle((x, y), size, size, fc="none", ec=edge, lw=line, zorder=2.5))
    axis.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))  # imshow would zoom in
    if words:
        text(axis, x + size / 2, y - 0.06, words, va="top")


def bars(
    axis: Axes, values: Sequence[float] | Array, x: float, y: float, width: float, height: float, *, colour: str,
    names: Sequence[str] = (), written: Sequence[str] = (), whole: float = 1.0, gid: str = "", size: float = 9,
) -> None:  # fmt: skip
    """Horizontal bars from x to the right, the first at the top; a bar of ``whole`` is ``width`` long.

    Names stand to the left of the bars, what is ``written`` to the right of their ends; y is the lowest bar's foot.
    """
    row = height / len(values)
    for i, value in enumerate(values):
        middle = y + height - (i + 0.5) * row
        length = width * float(value) / whole
        bar = Rectangle((x, middle - 0.36 * row), length, 0.72 * row, fc=colour, ec="none", zorder=2)
        bar.set_gid(f"{gid}:{i}" if gid else None)
        axis.add_patch(bar)
        if names:
            text(axis, x - 0.07, middle + 0.015, names[i], ha="right", va="center_baseline", size=size)
        if written:
            text(
                axis, x + max(length, 0) + 0.05, middle + 0.015, written[i], ha="left", va="center_baseline", size=size
            )
    axis.plot([x, x], [y, y + height], color=INK, lw=0.9, zorder=3)


def finish(figure: Figure, title: str, alt: str, caption: str) -> Shown:
    """Put the title above the picture, and the picture on a card, which is seen as one on dark pages too."""
    figure.suptitle(title, x=0.28 / WIDTH, y=1 - 0.2 / HEIGHT, ha="left", va="top", size=11, weight="bold", color=INK)
    figure.patch.set_alpha(0)
    card = FancyBboxPatch(
        (0.03, 0.03), WIDTH - 0.06, HEIGHT - 0.06, boxstyle="round,pad=0,rounding_size=0.14", fc="white", ec="#d4d4d4",
        lw=1, zorder=-1,
    )  # fmt: skip
    figure.axes[0].add_patch(card)
    return show(figure, alt=f"{title} {alt}", caption=caption)

"""One training in two frameworks: the same weights to begin with, the same batches, and then a comparison."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

LANES = {"PyTorch": (1.92, draw.TEACHER), "PaddlePaddle": (0.3, draw.STUDENT)}  # name: low, colour
SHAPES = {"PyTorch": (10, 784), "PaddlePaddle": (784, 10)}  # of the weights of one and the same layer
LONG, SHORT = 0.86, 0.2  # of the drawn weights: not to scale
CENTRE = 1.6  # of the weights
LEFT, WIDE, HIGH = 3.25, 2.15, 0.72  # of the boxes
ANSWERS = 6.3


def frameworks() -> Shown:
    """One layer in PyTorch and, transposed, in PaddlePaddle; the same batches to both; are the answers the same?"""
    figure, axis = draw.canvas()
    for name in LANES:
        _lane(axis, name)
    draw.arrow(axis, (CENTRE, 1.98), (CENTRE, 1.22), colour=draw.INK)
    draw.text(axis, CENTRE + 0.62, 1.6, ".T, by NumPy", weight="bold")
    middle = LEFT + WIDE / 2
    draw.text(axis, middle, 1.47, "② the same batches,\nin the same order", weight="bold")
    draw.arrow(axis, (middle, 1.72), (middle, 1.9), colour=draw.DATA)
    draw.arrow(axis, (middle, 1.22), (middle, 1.04), colour=draw.DATA)
    draw.box(axis, ANSWERS + 0.35, 1.1, 1.75, 0.74, "③ Same answers?", "image by image", colour=draw.INK)
    shapes = "; ".join(f"{name} {_shape(name)}" for name in SHAPES)
    return draw.finish(
        figure,
        "Two frameworks can be compared once start and batches are the same.",
        f"The weights of one linear layer in two shapes: {shapes}. NumPy carries them over, transposed. Both "
        "frameworks train ten owners for ten rounds on the same batches in the same order, and then their answers are "
        "compared.",
        "The drawn weights are not to scale.",
    )


def _shape(name: str) -> str:
    return " × ".join(map(str, SHAPES[name]))


def _lane(axis: Axes, name: str) -> None:
    """One framework: its weights at the start, its training, an arrow to the comparison."""
    low, colour = LANES[name]
    rows, columns = SHAPES[name]
    width, height = (LONG, SHORT) if rows < columns else (SHORT, LONG)
    middle = low + HIGH / 2
    axis.add_patch(
        Rectangle(
            (CENTRE - width / 2, middle - height / 2),
            width,
            height,
            facecolor=draw.mix(colour, "white", 0.3),
            edgecolor=colour,
        )
    )
    draw.text(axis, CENTRE - (0.93 if rows < columns else 0.6), middle, f"① {_shape(name)}")
    draw.box(axis, LEFT, low, WIDE, HIGH, name, "10 owners, 10 rounds", colour=colour)
    draw.arrow(axis, (CENTRE + width / 2 + 0.08, middle), (LEFT, middle), colour=colour)
    end = ANSWERS + 0.35 + 1.75 / 2
    draw.arrow(axis, (LEFT + WIDE, middle), (end, middle), (end, 1.84 if middle > 1.5 else 1.1), colour=colour)

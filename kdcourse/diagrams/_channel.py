"""One channel taken out: what goes from the convolution that makes it, from its batch norm, and from what reads it."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

CHANNELS, BEFORE, AFTER, GONE = 6, 4, 5, 2  # channels of the layer, of the one before, of the next; which one goes
CELL, TOP = 0.24, 2.45


def channel() -> Shown:
    """Three grids of little squares: rows and columns are channels; those of the channel that goes are hatched."""
    figure, axis = draw.canvas()
    _grid(axis, 0.95, CHANNELS, BEFORE, rows={GONE}, name="convolution")
    _grid(axis, 3.75, CHANNELS, 4, rows={GONE}, name="batch norm")
    _grid(axis, 6.35, AFTER, CHANNELS, columns={GONE}, name="next convolution")
    for x, title, words in (
        (0.95, "Convolution", "a row goes"),
        (3.75, "Batch norm", "four numbers go"),
        (6.35, "Next convolution", "a column goes"),
    ):
        draw.heading(axis, x, title, y=2.62)
        draw.text(axis, x, 0.62, words, ha="left", colour=draw.ACCENT, size=10)
    middle = TOP - (GONE + 0.5) * CELL
    draw.arrow(axis, (0.95 + BEFORE * CELL + 0.08, middle), (3.67, middle), colour=draw.ACCENT)
    column = 6.35 + (GONE + 0.5) * CELL
    way = [(5.7, middle), (5.7, 0.88), (column, 0.88), (column, TOP - AFTER * CELL - 0.03)]
    draw.arrow(axis, (3.75 + 4 * CELL + 0.08, middle), *way, colour=draw.ACCENT)
    draw.text(axis, 2.8, middle + 0.17, "the channel", colour=draw.ACCENT)
    draw.text(axis, 0.88, TOP - CHANNELS * CELL / 2, "gives", ha="right")
    draw.text(axis, 0.95, TOP - CHANNELS * CELL - 0.12, "reads", ha="left")
    draw.text(axis, 6.28, TOP - AFTER * CELL / 2, "gives", ha="right")
    draw.text(axis, 6.35, TOP - AFTER * CELL - 0.12, "reads", ha="left")
    return draw.finish(
        figure,
        "To remove a channel, cut a row, four numbers and a column.",
        f"Three grids. The convolution's has a row for each of {CHANNELS} channels that it gives and a column for each "
        f"of {BEFORE} that it reads; row {GONE + 1} goes. The batch norm's has four numbers a channel; row {GONE + 1} "
        f"goes. The next convolution's has a row for each of {AFTER} channels that it gives and a column for each of "
        f"the {CHANNELS} that it reads; column {GONE + 1} goes.",
        "A square of a convolution's grid is a whole kernel. The batch norm's four: scale, shift, running mean and "
        "variance.",
    )


def _grid(
    axis: Axes, left: float, high: int, wide: int, *, rows: set[int] | None = None, columns: set[int] | None = None,
    name: str,
) -> None:  # fmt: skip
    """Squares from the upper left corner (left, TOP); a square of a row or column that goes is coloured."""
    for i in range(high):
        for j in range(wide):
            gone = i in (rows or ()) or j in (columns or ())
            place = (left + j * CELL, TOP - (i + 1) * CELL)
            fill = draw.mix(draw.ACCENT, "#ffffff", 0.55) if gone else draw.mix(draw.STUDENT, "#ffffff", 0.2)
            square = Rectangle(place, CELL, CELL, fc=fill, ec="white", lw=1.5, hatch="////" if gone else None, zorder=2)
            square.set_gid(f"{name}:{i}:{j}:{'gone' if gone else 'stays'}")
            axis.add_patch(square)

"""The course as a map: its parts, its lessons, and the way for three hours."""

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.text import Text

from kdcourse._course import label, lessons, path
from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

LEFT, PITCH = 0.25, 1.72  # inches: the first column, and from column to column
TOP, GAP, INSIDE = 2.77, 0.06, 0.05  # where the boxes begin; between two boxes, and from a box to its words
ONE, TWO = 0.27, 0.42  # heights of a box of one line, and of two
ABOVE, BETWEEN, LAST = 0.09, 0.42, "Appendices"  # a heading over its boxes; room above the last part's


def _broken(words: Text, width: float) -> bool:
    """Words that are wider than this many inches become two lines; whether they did."""
    taken = words.get_window_extent().width / words.get_figure(root=True).dpi  # type: ignore[union-attr]
    if taken <= width:
        return False
    name = words.get_text()
    words.set_text(textwrap.fill(name, len(name) // 2 + 4, break_on_hyphens=False))
    return True


def course() -> Shown:
    """The lessons that are there, a column a part, appendices below the shortest; the three hours' ones are filled."""
    figure, axis = draw.canvas()
    parts = list(dict.fromkeys(lesson["part"] for lesson in lessons()))
    columns = [part for part in parts if part != LAST]
    pitch = PITCH if len(columns) > 4 else (draw.WIDTH - 2 * LEFT) / len(columns)
    lows, said = [TOP] * len(columns), []
    for part in parts:
        column = parts.index(part)
        if part == LAST:  # the appendices stand where there is most room, as far to the right as that is so
            column = max(range(len(columns)), key=lambda c: (round(lows[c], 2), c))
            lows[column] -= BETWEEN
        left, own = LEFT + column * pitch, [lesson for lesson in lessons() if lesson["part"] == part]
        draw.heading(axis, left, part, y=lows[column] + ABOVE)
        for lesson in own:
            lows[column] = _lesson(axis, lesson, left, lows[column], pitch - GAP)
        said.append(f"{part}: " + ", ".join(f"{label(lesson)} {lesson['title']}" for lesson in own))
    return draw.finish(
        figure,
        "Each lesson has one idea; the blue ones are a way through the course for three hours.",
        "; ".join(said) + ".",
        "Read downwards and to the right. Each lesson says what it needs.",
    )


def _lesson(axis: Axes, lesson: dict[str, Any], left: float, top: float, width: float) -> float:
    """A lesson's box below ``top``; where it ends."""
    on, name = lesson["slug"] in path(), f"{label(lesson)} {lesson['title']}"
    words = draw.text(axis, left + INSIDE, 0, name, ha="left", weight="bold" if on else "normal", zorder=4)
    high = TWO if _broken(words, width - 2 * INSIDE) else ONE
    low = top - high - GAP + 0.005
    words.set_y(low + high / 2)
    draw.box(axis, left, low, width, high, "", colour=draw.TEACHER if on else draw.INK)
    return low

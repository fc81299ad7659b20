"""The course as a map: its parts, its lessons, and the way for three hours."""

from matplotlib.text import Text

from kdcourse._course import label, lessons, path
from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

LEFT, PITCH = 0.25, 1.72  # inches: the first column, and from column to column
TOP, ROW = 2.5, 0.345
GAP, INSIDE = 0.08, 0.05  # between two columns, and from a box to its words


def _fit(words: Text, width: float) -> None:
    """Words that are wider than this many inches become smaller."""
    taken = words.get_window_extent().width / words.get_figure(root=True).dpi  # type: ignore[union-attr]
    if taken > width:
        words.set_fontsize(float(words.get_fontsize()) * width / taken)


def course() -> Shown:
    """The lessons that are there, a column a part; those on the way for three hours are filled."""
    figure, axis = draw.canvas()
    parts = list(dict.fromkeys(lesson["part"] for lesson in lessons()))
    pitch = PITCH if len(parts) > 4 else (draw.WIDTH - 2 * LEFT) / len(parts)
    way, said = path(), []
    for column, part in enumerate(parts):
        left, own = LEFT + column * pitch, [lesson for lesson in lessons() if lesson["part"] == part]
        draw.heading(axis, left, part)
        for row, lesson in enumerate(own):
            on = lesson["slug"] in way
            name, width = f"{label(lesson)} {lesson['title']}", pitch - GAP
            draw.box(axis, left, TOP - row * ROW, width, 0.27, "", colour=draw.TEACHER if on else draw.INK)
            middle = TOP - row * ROW + 0.135
            _fit(
                draw.text(axis, left + INSIDE, middle, name, ha="left", weight="bold" if on else "normal"),
                width - 2 * INSIDE,
            )
        said.append(f"{part}: " + ", ".join(f"{label(lesson)} {lesson['title']}" for lesson in own))
    return draw.finish(
        figure,
        "Each lesson has one idea; the blue ones are a way through the course for three hours.",
        "; ".join(said) + ".",
        "Read downwards and to the right. Each lesson says what it needs.",
    )

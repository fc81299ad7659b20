"""The course as a map: its parts, its lessons, and the way for three hours."""

import textwrap

from kdcourse._course import label, lessons, path
from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

LEFT, PITCH = 0.25, 1.72  # inches: the first column, and from column to column
TOP, ROW = 2.5, 0.345


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
            name = textwrap.shorten(f"{label(lesson)} {lesson['title']}", int(12.3 * pitch), placeholder="…")
            width = pitch - 0.2
            draw.box(axis, left, TOP - row * ROW, width, 0.27, "", colour=draw.TEACHER if on else draw.INK)
            middle = TOP - row * ROW + 0.135
            draw.text(axis, left + 0.08, middle, name, ha="left", weight="bold" if on else "normal")
        said.append(f"{part}: " + ", ".join(f"{label(lesson)} {lesson['title']}" for lesson in own))
    return draw.finish(
        figure,
        "Each lesson has one idea; the blue ones are a way through the course for three hours.",
        "; ".join(said) + ".",
        "Read downwards and to the right. Each lesson says what it needs.",
    )

"""The course's lessons: what ``notebooks/course.toml`` says of each, in the order of their numbers."""

from functools import lru_cache
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef,import-not-found,unused-ignore]

__all__ = ["label", "lessons", "path", "read", "slugs", "title"]


def label(lesson: dict[str, Any]) -> str:
    """A lesson's number as file names and links show it: "03"; an appendix has a letter."""
    number = lesson["number"]
    return f"{number:02}" if isinstance(number, int) else str(number)


def read(text: str) -> list[dict[str, Any]]:
    """The lessons of a course.toml in order: numbers first, then letters."""
    found: list[dict[str, Any]] = tomllib.loads(text)["lesson"]
    return sorted(found, key=label)


@lru_cache(maxsize=1)
def _text() -> str:
    """The package's own copy of course.toml (an installed wheel), or the source tree's."""
    here = Path(__file__).parent
    for place in (here / "notebooks", here.parent / "notebooks"):
        if (place / "course.toml").is_file():
            return (place / "course.toml").read_text(encoding="utf-8")
    raise FileNotFoundError("course.toml lies neither in the installed kdcourse nor beside it. Reinstall it.")


@lru_cache(maxsize=1)
def lessons() -> list[dict[str, Any]]:
    """The package's lessons."""
    return read(_text())


def path() -> list[str]:
    """The slugs of the way through the course for three hours."""
    return list(tomllib.loads(_text())["path"])


def slugs() -> list[str]:
    """The lessons' names, in order."""
    return [str(lesson["slug"]) for lesson in lessons()]


def title(slug: str) -> str:
    """A lesson's title; the slug itself where there is no such lesson."""
    return next((str(lesson["title"]) for lesson in lessons() if lesson["slug"] == slug), slug)

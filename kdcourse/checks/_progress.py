"""A learner's progress: one small JSON file beside the notebooks, written whole or not at all, under a lock.

``KDCOURSE_PROGRESS`` names another file; empty, nothing is kept. A file with the task ids of an earlier version is
carried over to today's, and kept under another name as it was.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kdcourse._course import title
from kdcourse.checks._renamed import VERSION, carried
from kdcourse.checks._task import Task

__all__ = ["Progress", "path", "read", "update"]

NAME = "kdcourse-progress.json"
PATIENCE = 10.0  # seconds to wait for another kernel that is writing
BAR = "height:0.8em;border-radius:2px;display:"
EMPTY = "inline-block;vertical-align:middle;width:12em;background:var(--jp-border-color2,#ccc)"


def path(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """The file: that in ``folder``, else ``KDCOURSE_PROGRESS``, else the one here, where the notebook is.

    From the project's root it is the one in exercises/.
    """
    named = os.environ.get("KDCOURSE_PROGRESS")
    if folder is not None:
        return Path(folder) / NAME
    if named is not None:
        return Path(named) if named else None
    below = Path("exercises") / NAME
    return below if below.is_file() and not Path(NAME).is_file() else Path(NAME)


def read(file: Path | None) -> dict[str, dict[str, Any]]:
    """{task id: {"state", "passed", "tries", "hints", "solution"}}; empty where there is no file or it is damaged.

    An earlier version's file is carried over where it can be written; else it is only shown under today's ids.
    """
    if file is None:
        return {}
    version, entries = _loaded(file) or (VERSION, {})
    if version < VERSION:
        with contextlib.suppress(OSError, Timeout), FileLock(f"{file}.lock", timeout=PATIENCE):
            _carry_over(file)
    return carried(entries, version)


def update(task: str, change: Callable[[dict[str, Any]], None]) -> tuple[dict[str, Any], str]:
    """Change one task's entry in the file. Returns the entry, and a sentence where it could not be saved."""
    entry: dict[str, Any] = {"state": "not attempted", "passed": False, "tries": 0, "hints": 0, "solution": False}
    file = path()
    if file is None:
        change(entry)
        return entry, ""
    try:
        with FileLock(f"{file}.lock", timeout=PATIENCE):
            note = _set_aside(file)
            version, tasks = _carry_over(file)
            entry |= tasks.get(task, {})
            change(entry)
            _write(file, {**tasks, task: entry}, version)
            return entry, note
    except (OSError, Timeout) as error:
        change(entry)
        return entry, f"Your progress was not saved: {error}"


def _loaded(file: Path) -> tuple[int, dict[str, dict[str, Any]]] | None:
    """(version, entries) as they stand in the file; None where there is no file or it is damaged."""
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        version = found.get("version", 1)
        return max(1, int(version)), {str(name): dict(entry) for name, entry in found["tasks"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _carry_over(file: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """(version, entries) under today's ids; an earlier version's file is written anew, and kept as it was.

    Called under the lock. A later version's file stays one: this kdcourse is older than the one that made it.
    """
    version, entries = _loaded(file) or (VERSION, {})
    if version >= VERSION:
        return version, entries
    entries, kept = carried(entries, version), file.with_suffix(f".v{version}.json")
    if not kept.exists():
        _replace(kept, file.read_text(encoding="utf-8"))
    _write(file, entries, VERSION)
    return VERSION, entries


def _set_aside(file: Path) -> str:
    """Keep a damaged file under another name rather than write over it."""
    if not file.is_file() or _loaded(file) is not None:
        return ""
    broken = file.with_suffix(".broken.json")
    os.replace(file, broken)
    return f"{file.name} could not be read; it is kept as {broken.name}, and a new one was begun."


def _write(file: Path, tasks: dict[str, dict[str, Any]], version: int) -> None:
    _replace(file, json.dumps({"version": version, "tasks": dict(sorted(tasks.items()))}, indent=1) + "\n")


def _replace(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    handle, fresh = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        os.replace(fresh, file)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


class Progress:
    """What is done, lesson by lesson; bars in a notebook, text elsewhere, with the tasks of lessons that are begun."""

    def __init__(self, tasks: Sequence[Task], entries: dict[str, dict[str, Any]]) -> None:
        self.tasks, self.entries = list(tasks), entries

    def passed(self, task: Task) -> bool:
        """Whether the task has been passed once."""
        return bool(self.entries.get(task.id, {}).get("passed"))

    def earned(self, task: Task) -> float:
        """Points reached: all of them once it is passed; a prediction, partly right at first, has its share."""
        entry = self.entries.get(task.id, {})
        return task.points * (1.0 if self.passed(task) else float(entry.get("earned", 0.0)))

    def points(self, lesson: str | None = None) -> tuple[float, int]:
        """(points reached, points there are), of one lesson ("why_distil") or of all."""
        some = self.tasks if lesson is None else self._of(lesson)
        return round(sum(map(self.earned, some)), 2), sum(task.points for task in some)

    def _of(self, lesson: str) -> list[Task]:
        return [task for task in self.tasks if task.id.partition(".")[0] == lesson]

    def _lessons(self) -> list[str]:
        return list(dict.fromkeys(task.id.partition(".")[0] for task in self.tasks))

    def _line(self, task: Task) -> str:
        entry = self.entries.get(task.id, {})
        tries, hints = int(entry.get("tries", 0)), int(entry.get("hints", 0))
        words = [f"{tries} {'try' if tries == 1 else 'tries'}"] if tries else []
        words += [f"{hints} {'hint' if hints == 1 else 'hints'}"] if hints else []
        words += ["solution seen"] if entry.get("solution") else []
        state = "passed" if self.passed(task) else str(entry.get("state", "not attempted"))
        return ", ".join([state, *words])

    def __str__(self) -> str:
        lines, width = [], max((len(title(lesson)) for lesson in self._lessons()), default=0)
        for lesson in self._lessons():
            got, of = self.points(lesson)
            filled = round(20 * got / of)
            lines.append(f"{title(lesson):{width}}  {'█' * filled}{'░' * (20 - filled)}  {got:g} of {of} points")
            begun = any(t.id in self.entries for t in self._of(lesson))
            lines += [
                f"  {'✓' if self.passed(t) else '·'} {_named(t)}: {self._line(t)}" for t in self._of(lesson) if begun
            ]
        got, of = self.points()
        return "\n".join([*lines, f"all  {got:g} of {of} points"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for lesson in [*self._lessons(), None]:
            got, of = self.points(lesson)
            own = [] if lesson is None else self._of(lesson)
            detail = "".join(f"<li>{escape(f'{_named(t)}: {self._line(t)}')}</li>" for t in own)
            name = "all lessons" if lesson is None else escape(title(lesson))
            fold = f"<details><summary>{name}</summary><ul>{detail}</ul></details>" if detail else f"<b>{name}</b>"
            rows.append(f"<tr>{_cell(fold)}{_cell(_bar(got, of))}{_cell(f'{got:g} of {of} points')}</tr>")
        return f'<table style="border-collapse:collapse">{"".join(rows)}</table>'


def _named(task: Task) -> str:
    points = "1 point" if task.points == 1 else f"{task.points} points"
    return f"{task.title} ({task.id}, {points})"


def _cell(inside: str) -> str:
    style = "text-align:left;vertical-align:top;padding:2px 12px;color:var(--jp-ui-font-color1,inherit)"
    return f'<td style="{style}">{inside}</td>'


def _bar(got: float, of: int) -> str:
    filled = f'<span style="{BAR}block;width:{100 * got / of:.0f}%;background:#1a7f4b"></span>'
    return f'<span role="img" aria-label="{got:g} of {of} points"><span style="{BAR}{EMPTY}">{filled}</span></span>'

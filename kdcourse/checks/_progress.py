"""A learner's progress: one small JSON file beside the notebooks, written whole or not at all, under a lock.

``KDCOURSE_PROGRESS`` names another file; empty, nothing is kept.
"""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

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
    """{task id: {"state", "passed", "tries", "hints", "solution"}}; empty where there is no file or it is damaged."""
    if file is None or not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["tasks"]
        return {str(name): dict(entry) for name, entry in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


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
            tasks = read(file)
            entry |= tasks.get(task, {})
            change(entry)
            _replace(file, {**tasks, task: entry})
            return entry, note
    except (OSError, Timeout) as error:
        change(entry)
        return entry, f"Your progress was not saved: {error}"


def _set_aside(file: Path) -> str:
    """Keep a damaged file under another name rather than write over it."""
    if not file.is_file() or read(file):
        return ""
    try:
        if json.loads(file.read_text(encoding="utf-8")) == {"version": 1, "tasks": {}}:
            return ""
    except ValueError:
        pass
    broken = file.with_suffix(".broken.json")
    os.replace(file, broken)
    return f"{file.name} could not be read; it is kept as {broken.name}, and a new one was begun."


def _replace(file: Path, tasks: dict[str, dict[str, Any]]) -> None:
    text = json.dumps({"version": 1, "tasks": dict(sorted(tasks.items()))}, indent=1) + "\n"
    handle, fresh = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        os.replace(fresh, file)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


class Progress:
    """What is done, lesson by lesson; bars in a notebook, text elsewhere."""

    def __init__(self, tasks: Sequence[Task], entries: dict[str, dict[str, Any]]) -> None:
        self.tasks, self.entries = list(tasks), entries

    def passed(self, task: Task) -> bool:
        """Whether the task has been passed once."""
        return bool(self.entries.get(task.id, {}).get("passed"))

    def points(self, lesson: str | None = None) -> tuple[int, int]:
        """(points reached, points there are), of one lesson ("02") or of all."""
        some = [task for task in self.tasks if lesson is None or task.id.startswith(f"{lesson}.")]
        return sum(task.points for task in some if self.passed(task)), sum(task.points for task in some)

    def _lessons(self) -> list[str]:
        return sorted({task.id.partition(".")[0] for task in self.tasks})

    def _line(self, task: Task) -> str:
        entry = self.entries.get(task.id, {})
        tries, hints = int(entry.get("tries", 0)), int(entry.get("hints", 0))
        words = [f"{tries} {'try' if tries == 1 else 'tries'}"] if tries else []
        words += [f"{hints} {'hint' if hints == 1 else 'hints'}"] if hints else []
        words += ["solution seen"] if entry.get("solution") else []
        state = "passed" if self.passed(task) else str(entry.get("state", "not attempted"))
        return ", ".join([state, *words])

    def __str__(self) -> str:
        lines = []
        for lesson in self._lessons():
            got, of = self.points(lesson)
            filled = round(20 * got / of)
            lines.append(f"lesson {lesson}  {'█' * filled}{'░' * (20 - filled)}  {got} of {of} points")
            own = [task for task in self.tasks if task.id.startswith(f"{lesson}.")]
            lines += [f"  {'✓' if self.passed(t) else '·'} {t.id} {t.title} ({t.points}): {self._line(t)}" for t in own]
        got, of = self.points()
        return "\n".join([*lines, f"all  {got} of {of} points"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for lesson in [*self._lessons(), None]:
            got, of = self.points(lesson)
            own = [] if lesson is None else [t for t in self.tasks if t.id.startswith(f"{lesson}.")]
            detail = "".join(f"<li>{escape(f'{t.id} {t.title}: {self._line(t)}')}</li>" for t in own)
            name = "all lessons" if lesson is None else f"lesson {lesson}"
            fold = f"<details><summary>{name}</summary><ul>{detail}</ul></details>" if detail else f"<b>{name}</b>"
            rows.append(f"<tr>{_cell(fold)}{_cell(_bar(got, of))}{_cell(f'{got} of {of} points')}</tr>")
        return f'<table style="border-collapse:collapse">{"".join(rows)}</table>'


def _cell(inside: str) -> str:
    style = "text-align:left;vertical-align:top;padding:2px 12px;color:var(--jp-ui-font-color1,inherit)"
    return f'<td style="{style}">{inside}</td>'


def _bar(got: int, of: int) -> str:
    filled = f'<span style="{BAR}block;width:{100 * got / of:.0f}%;background:#1a7f4b"></span>'
    return f'<span role="img" aria-label="{got} of {of} points"><span style="{BAR}{EMPTY}">{filled}</span></span>'

"""A corpus of answers as learners give them, to try the checks on: a cell each, ``# %% task | what is special``.

``wrong`` and ``unread`` were written by people outside the team who had seen the exercises and not the checks.
``unread`` holds a quarter of the wrong ones, drawn by a hash, which was not read by those who wrote hints before it was
judged; ``fresh`` came later, from somebody else, when the hints that these two had taught stood already.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Answer:
    """One cell: the task it answers, what its writer says of it, and its source with the file's imports."""

    task: str
    about: str
    source: str

    def value(self, name: str) -> Any:
        """What the cell defines under that name."""
        space: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(self.source, f"<{self.task}>", "exec"), space)
        return space[name]


def answers(kind: str) -> list[Answer]:
    """All answers of one kind: "wrong", "unread", "fresh" or "right"."""
    found = []
    for path in sorted((FOLDER / kind).glob("*.py")):
        head, *cells = re.split(r"^# %% ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for cell in cells:
            first, _, body = cell.partition("\n")
            task, _, about = first.partition(" | ")
            found.append(Answer(task.strip(), about.strip(), head + body))
    return found

"""Graded exercises: ``check("dark_knowledge.1", my_function)`` says within seconds what is right, what is not, and why.

``check.hint(id)`` and ``check.solution(id)`` help; ``check.input(id)`` gives the arguments that failed; ``progress()``
shows what is done; ``tasks()`` lists all tasks. ``capstone`` scores the entries of the course's last task.
"""

from kdcourse.checks import _progress, capstone
from kdcourse.checks._card import Card, Note
from kdcourse.checks._checking import check, verdict
from kdcourse.checks._progress import Progress
from kdcourse.checks._task import Mistake, Task, Verdict
from kdcourse.checks._tasks import find, tasks

__all__ = [
    "Card",
    "Mistake",
    "Note",
    "Progress",
    "Task",
    "Verdict",
    "capstone",
    "check",
    "find",
    "progress",
    "tasks",
    "verdict",
]


def progress(folder: str | None = None) -> Progress:
    """The progress kept in ``folder`` (default: here, beside the notebook)."""
    return Progress(tasks(), _progress.read(_progress.path(folder)))

"""All tasks: the module named after a lesson holds its own in ``TASKS``, in order."""

from importlib import import_module
from importlib.util import find_spec

from kdcourse._arguments import fail
from kdcourse._course import slugs
from kdcourse._tables import Table
from kdcourse.checks._renamed import name_of_today
from kdcourse.checks._task import Task

__all__ = ["Tasks", "find", "tasks"]

MODULE = "kdcourse.checks.lessons.{}"


class Tasks(list[Task]):
    """A list that shows itself as a short table: what there is to do, and nothing of how."""

    def _table(self) -> Table:
        rows = [[task.id, task.title, task.kind, task.difficulty, task.minutes, task.points] for task in self]
        return Table(["task", "title", "kind", "difficulty", "minutes", "points"], rows)

    def __repr__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()


def with_tasks() -> list[str]:
    """The slugs of the lessons that have exercises, in the order of the course."""
    return [slug for slug in slugs() if find_spec(MODULE.format(slug)) is not None]


def tasks(lesson: str | None = None) -> Tasks:
    """The tasks of one lesson ("why_distil"), or of all, in the order of the course."""
    there = with_tasks()
    if lesson is not None and lesson not in there:
        raise fail("lesson", "be the slug of a lesson with exercises", lesson, f"There are: {', '.join(there)}.")
    wanted = there if lesson is None else [lesson]
    return Tasks(task for slug in wanted for task in import_module(MODULE.format(slug)).TASKS)


def find(task: str) -> Task:
    """The task of that id; refused with those there are, or with the name that an old id has today."""
    lesson, there = str(task).partition(".")[0], with_tasks()
    found = {one.id: one for one in (tasks(lesson) if lesson in there else [])}
    if task in found:
        return found[task]
    today = name_of_today(str(task))
    known = ", ".join(found) or f"lessons {', '.join(there)}"
    raise fail("task", "be the id of a task", task, f'It is "{today}" now.' if today else f"There are: {known}.")

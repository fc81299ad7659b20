"""All tasks: the module named after a lesson holds its own in ``TASKS``, in order."""

from importlib import import_module
from importlib.util import find_spec

from kdcourse._arguments import fail
from kdcourse._course import slugs
from kdcourse.checks._renamed import name_of_today
from kdcourse.checks._task import Task

__all__ = ["find", "tasks"]

MODULE = "kdcourse.checks.lessons.{}"


def with_tasks() -> list[str]:
    """The slugs of the lessons that have exercises, in the order of the course."""
    return [slug for slug in slugs() if find_spec(MODULE.format(slug)) is not None]


def tasks(lesson: str | None = None) -> list[Task]:
    """The tasks of one lesson ("why_distil"), or of all, in the order of the course."""
    there = with_tasks()
    if lesson is not None and lesson not in there:
        raise fail("lesson", "be the slug of a lesson with exercises", lesson, f"There are: {', '.join(there)}.")
    wanted = there if lesson is None else [lesson]
    return [task for slug in wanted for task in import_module(MODULE.format(slug)).TASKS]


def find(task: str) -> Task:
    """The task of that id; refused with those there are, or with the name that an old id has today."""
    lesson, there = str(task).partition(".")[0], with_tasks()
    found = {one.id: one for one in (tasks(lesson) if lesson in there else [])}
    if task in found:
        return found[task]
    today = name_of_today(str(task))
    known = ", ".join(found) or f"lessons {', '.join(there)}"
    raise fail("task", "be the id of a task", task, f'It is "{today}" now.' if today else f"There are: {known}.")

"""All tasks: each lesson's module holds its own in ``TASKS``, in order."""

import pkgutil
from importlib import import_module

from kdcourse._arguments import fail
from kdcourse.checks import lessons
from kdcourse.checks._task import Task

__all__ = ["find", "tasks"]


def numbers() -> list[str]:
    """The numbers of the lessons that have exercises."""
    names = [module.name for module in pkgutil.iter_modules(lessons.__path__)]
    return sorted(name.removeprefix("lesson") for name in names if name.startswith("lesson"))


def tasks(lesson: str | None = None) -> list[Task]:
    """The tasks of one lesson ("02"), or of all, in order."""
    wanted = numbers() if lesson is None else [lesson]
    return [task for number in wanted for task in import_module(f"kdcourse.checks.lessons.lesson{number}").TASKS]


def find(task: str) -> Task:
    """The task of that id; refused with those there are."""
    number = str(task).partition(".")[0]
    found = {one.id: one for one in (tasks(number) if number in numbers() else [])}
    if task not in found:
        known = ", ".join(found) or f"lessons {', '.join(numbers())}"
        raise fail("task", "be the id of a task", task, f"There are: {known}.")
    return found[task]

"""Write the learners' notebooks from the solutions, with nbgrader's own preprocessors.

    python tools/exercises.py [--check]

In ``solutions/NN_slug.ipynb`` an author writes prose and answers. This fills in what the tasks say: a heading ``## 1``
gets the title and its box, a cell tagged ``answer:slug.1`` nbgrader's metadata, a cell tagged ``check:slug.1`` its code
and points. ``exercises/NN_slug.ipynb`` is made from it and never edited by hand. ``--check`` writes nothing and fails
where a file is out of step.
"""

import copy
import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from course import SETUP, Lesson, address, colab, course, file, fold, map_of
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)

from kdcourse.checks import Task, find, tasks
from kdcourse.checks._predict import form

ROOT = Path(__file__).parent.parent
# The order of nbgrader's generate_assignment, its database aside.
STEPS = (
    LockCells, ClearSolutions, ClearOutput, CheckCellMetadata, ComputeChecksums, ClearHiddenTests, ClearMarkScheme,
    ComputeChecksums, CheckCellMetadata,
)  # fmt: skip
RULES = """\
**Rules of all checks.** Arguments are tensors where nothing else is said; a tensor, an array, a list or a number may
come back. An argument must stay as it came: work on a copy. All inputs of a task together may take 5 seconds of the
processor's time, those of a *design* 10. Where two things tie, the first counts. After a wrong answer
`check.input("…")` gives the arguments that failed."""
CHECK = """\
card = check("{id}", {name})
### BEGIN HIDDEN TESTS
assert card.passed, str(card)
### END HIDDEN TESTS
card"""
# nbgrader takes a last value above 0 for the points; none right is an error, as any failed check.
CHECK_FORM = """\
card = check("{id}", {name})
card
### BEGIN HIDDEN TESTS
print(card)
assert card.earned > 0, "no prediction is right"
card.earned * {points}
### END HIDDEN TESTS"""


def box(task: Task) -> str:
    """What stands in front of a task: kind, difficulty, minutes, points, and the id that check() takes."""
    points = "1 point" if task.points == 1 else f"{task.points} points"
    kind = {"predict": "predict, then check"}.get(task.kind, task.kind)
    return f"> **{kind}** · {task.difficulty} · about {task.minutes} minutes · **{points}** · `{task.id}`"


def metadata(task: Task, role: str) -> dict[str, Any]:
    """The metadata that nbgrader wants of an answer or a check."""
    name = f"{role}-{task.id.replace('.', '-')}"
    graded = role == "check"
    common = {"grade": graded, "grade_id": name, "locked": graded, "schema_version": 3, "solution": not graded}
    return common | {"task": False} | ({"points": task.points} if graded else {})


def frame(lesson: Lesson, lessons: list[Lesson]) -> str:
    """The first line: back to the lesson, the map, Colab."""
    back = f"[← {lesson['title']}](../notebooks/{file(lesson)})"
    link = colab(lesson).replace("/notebooks/", "/exercises/")
    return f"{back} · [map](../notebooks/{map_of(lessons)}) · {link}"


def filled(cell: Any, lesson: Lesson, lessons: list[Lesson]) -> None:
    """A cell with what the tasks say."""
    heading = re.match(r"## (\d+)(?: ·[^\n]*)?(?:\n\n> \*\*[^\n]*)?(?=\n|\Z)", cell.source)
    if cell.cell_type == "markdown" and heading:
        task = find(f"{lesson['slug']}.{heading[1]}")
        cell.source = f"## {heading[1]} · {task.title}\n\n{box(task)}" + cell.source[heading.end() :]
    for tag in cell.metadata.get("tags", []):
        role, _, name = tag.partition(":")
        if role in ("answer", "check"):
            cell.metadata["nbgrader"] = metadata(find(name), role)
        if role == "check":
            task = find(name)
            text = CHECK_FORM if task.kind == "predict" else CHECK
            cell.source = text.format(id=name, name=task.reference.__name__, points=task.points)
        if role == "answer" and find(name).kind == "predict":
            cell.source = f"### BEGIN SOLUTION\n{find(name).solution}### END SOLUTION"
        if role == "setup":
            fold(cell.metadata)
            cell.source = SETUP.replace("ADDRESS", address()).strip()
    if cell.cell_type == "markdown" and "\n\n# " in cell.source and "[map]" in cell.source:
        prose = cell.source.partition("\n\n")[2].partition("\n\n**Rules of all checks.**")[0]
        cell.source = f"{frame(lesson, lessons)}\n\n{prose}\n\n{RULES}"


def solution(path: Path, lesson: Lesson, lessons: list[Lesson]) -> Any:
    """The solution notebook, filled in; every task of the lesson must be there."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    notebook.metadata.pop("widgets", None)
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        filled(cell, lesson, lessons)
    found = [t for cell in notebook.cells for t in cell.metadata.get("tags", []) if t.startswith(("answer:", "check:"))]
    wanted = [f"{role}:{task.id}" for task in tasks(lesson["slug"]) for role in ("answer", "check")]
    if found != wanted:
        raise SystemExit(f"{path.name} has the cells {found}; its tasks want {wanted}")
    return notebook


def exercise(notebook: Any) -> Any:
    """The learner's notebook."""
    made, resources = copy.deepcopy(notebook), dict[str, Any]()
    for step in STEPS:
        made, resources = step().preprocess(made, resources)
        if step is ClearSolutions:
            for cell in made.cells:
                _blank(cell)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.metadata.pop("execution", None)
    return made


def _blank(cell: Any) -> None:
    """A prediction's answer is a form to fill in."""
    for tag in cell.metadata.get("tags", []):
        if tag.startswith("answer:") and find(tag.removeprefix("answer:")).kind == "predict":
            cell.source = form(find(tag.removeprefix("answer:")))


def text(notebook: Any) -> str:
    """The notebook as it is saved."""
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Write, or check."""
    wanted: dict[Path, str] = {}
    lessons = course()
    by_name = {file(lesson): lesson for lesson in lessons}
    for path in sorted((ROOT / "solutions").glob("*.ipynb")):
        if path.name not in by_name:
            raise SystemExit(f"solutions/{path.name} is out of step with course.toml; run make course")
        source = solution(path, by_name[path.name], lessons)
        wanted[path] = text(source)
        wanted[ROOT / "exercises" / path.name] = text(exercise(source))
    stray = [p for p in (ROOT / "exercises").glob("*.ipynb") if p not in wanted]
    stale = [str(p.relative_to(ROOT)) for p, t in wanted.items() if not p.is_file() or p.read_text() != t]
    stale += [f"{p.relative_to(ROOT)} (no solution)" for p in stray]
    if "--check" in sys.argv:
        if stale:
            raise SystemExit(f"out of step: {', '.join(stale)}; run make exercises")
        return
    for path, content in wanted.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)


if __name__ == "__main__":
    main()

"""The exercise notebooks: made from the solutions, accepted by nbgrader, harmless when untouched."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from kdcourse.checks import check, find, tasks

from .conftest import COURSE, ROOT, file

SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))
by_name = {"ids": lambda path: path.stem}


def own_tasks(path):
    return tasks(next(lesson["slug"] for lesson in COURSE if file(lesson["slug"]).name == path.name))


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A nbgrader course in a folder of its own; nbgrader calls alembic by its name."""
    pytest.importorskip("nbgrader")
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'kd'\n")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KDCOURSE_PROGRESS", "")
    return tmp_path


def run(*command, **options):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, **options)


def test_exercises_and_solutions_are_in_step():
    pytest.importorskip("nbgrader")
    done = run("tools/exercises.py", "--check", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert [p.name for p in SOLUTIONS] == [p.name for p in EXERCISES]


def test_the_readmes_card_is_what_a_learner_sees(monkeypatch):
    monkeypatch.setenv("KDCOURSE_PROGRESS", "")
    call, card = re.search(r"```\n>>> (check\(.*)\n((?:.+\n)+)```", (ROOT / "README.md").read_text()).groups()
    assert str(eval(call, {"check": check})) == card.strip()


def test_the_points_of_a_lesson_are_those_of_its_tasks():
    for lesson in COURSE:
        own = [task for task in tasks() if task.id.startswith(f"{lesson['slug']}.")]
        assert lesson["points"] == sum(task.points for task in own)
        assert bool(own) == file(lesson["slug"], "exercises").is_file()


@pytest.mark.parametrize("path", EXERCISES, **by_name)
def test_an_exercise_shows_no_answer_and_needs_only_kdcourse(path):
    notebook = nbformat.read(path, as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "SOLUTION" not in text and "HIDDEN" not in text and "card.passed" not in text
    assert "nbgrader" not in text
    for cell in (c for c in notebook.cells if c.cell_type == "code"):
        assert cell.outputs == [] and cell.execution_count is None
        if any(tag.startswith("answer:") for tag in cell.metadata.get("tags", [])):
            blank = ("    # YOUR CODE HERE\n    raise NotImplementedError()", '": "____",\n}', '\': "____",\n}')
            assert cell.source.endswith(blank)


@pytest.mark.parametrize("path", EXERCISES, **by_name)
def test_every_task_has_its_box_its_folds_and_its_check(path):
    sources = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    for number, task in enumerate(own_tasks(path), start=1):
        at = next(i for i, source in enumerate(sources) if source.startswith(f"## {number} · {task.title}\n"))
        box = rf"> \*\*.+\*\* · {task.difficulty} · about {task.minutes} minutes · \*\*{task.points} points?\*\* · `{task.id}`\n"
        assert re.search(box, sources[at])
        check = next(i for i, source in enumerate(sources) if source.startswith(f'card = check("{task.id}", '))
        assert at < check
        assert sources[check + 1].startswith("<details><summary>")


@pytest.mark.slow
@pytest.mark.parametrize("path", EXERCISES, **by_name)
def test_an_untouched_exercise_stops_at_nothing_worse_than_not_done_yet(path, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("KDCOURSE_PROGRESS", str(tmp_path / "progress.json"))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in shown if output.output_type == "error" or output.get("name") == "stderr"]
    cards = [output.data["text/plain"] for output in shown if "data" in output]
    for task in own_tasks(path):
        assert any(card.startswith(f"○ {task.title} ({task.id}): not attempted") for card in cards)
    assert not (tmp_path / "progress.json").exists()


@pytest.mark.slow
def test_nbgrader_makes_the_same_exercises_from_the_same_solutions(course):
    for path in SOLUTIONS:
        folder = course / "source" / path.stem
        folder.mkdir(parents=True)
        (folder / path.name).write_text(path.read_text())
    for path in SOLUTIONS:
        done = run("-m", "nbgrader", "generate_assignment", path.stem, "--create", cwd=course)
        assert done.returncode == 0, done.stderr
        theirs = json.loads((course / "release" / path.stem / path.name).read_text())
        ours = json.loads((ROOT / "exercises" / path.name).read_text())
        assert [_bare(cell) for cell in theirs["cells"]] == [_bare(cell) for cell in ours["cells"]]


def _bare(cell):
    """What a learner and a grader see of a cell; of a prediction's answer all but its form, which nbgrader cannot make."""
    tags = [t.removeprefix("answer:") for t in cell["metadata"].get("tags", []) if t.startswith("answer:")]
    if tags and find(tags[0]).kind == "predict":
        return cell["cell_type"], {**cell["metadata"]["nbgrader"], "checksum": ""}, cell.get("outputs")
    return cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("nbgrader"), cell.get("outputs")


@pytest.mark.slow
def test_nbgrader_grades_a_solution_in_full_and_an_untouched_notebook_with_nothing(course):
    """Autograding puts the hidden tests back; a task is worth its points or nothing, a prediction its share."""
    from nbgrader.api import Gradebook

    name = file("four_steps").stem
    for folder, source in (("source", "solutions"), ("submitted/ada", "solutions"), ("submitted/bob", "exercises")):
        place = course / folder / name
        place.mkdir(parents=True)
        (place / f"{name}.ipynb").write_text((ROOT / source / f"{name}.ipynb").read_text())
    eve = course / "submitted/eve" / name / f"{name}.ipynb"
    eve.parent.mkdir(parents=True)
    right = (ROOT / "solutions" / f"{name}.ipynb").read_text()
    wrong = right.replace('once more, in eval mode\\": \\"same\\"', 'once more, in eval mode\\": \\"changed\\"')
    assert wrong != right, "one prediction of five"
    eve.write_text(wrong)
    for command in (["generate_assignment", name, "--create"], ["autograde", name, "--create"]):
        done = run("-m", "nbgrader", *command, cwd=course)
        assert done.returncode == 0, done.stderr[-3000:]
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        scores = {student: book.find_submission(name, student).score for student in ("ada", "bob", "eve")}
    every = sum(task.points for task in tasks("four_steps"))
    assert scores == {"ada": every, "bob": 0, "eve": pytest.approx(every - 0.2)}


def test_the_reference_of_every_task_stands_under_the_name_that_the_exercise_asks_for():
    for path in SOLUTIONS:
        for cell in nbformat.read(path, as_version=4).cells:
            for tag in cell.metadata.get("tags", []):
                if tag.startswith("answer:"):
                    task = find(tag.removeprefix("answer:"))
                    if task.kind == "predict":
                        assert f"\n{task.reference.__name__} = {{" in cell.source
                        continue
                    head = re.search(r"def (\w+)\(([^)]*)\)", cell.source)
                    assert head[1] == task.reference.__name__
                    assert [name.strip() for name in head[2].split(",")] == task.parameters

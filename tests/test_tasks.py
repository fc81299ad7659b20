"""The proof of every exercise: wrong answers refused, each named mistake met with its own hint, right answers accepted.

Ten seeds, single and double precision; a design task, which trains, two seeds.
"""

import dataclasses
import importlib
import re

import pytest
import torch

import kdcourse as kd
from kdcourse.checks import tasks, verdict
from kdcourse.checks._calling import Outcome
from kdcourse.checks._checking import _alike, _try
from kdcourse.checks._task import Strange, double, plain

from .conftest import COURSE

TASKS = tasks()
SMALL = [task for task in TASKS if task.kind != "design"]
CALLED = [task for task in SMALL if task.kind != "predict"]  # predictions: test_predictions.py
DESIGN = [task for task in TASKS if task.kind == "design"]
LESSONS = list(dict.fromkeys(task.id.partition(".")[0] for task in TASKS))
ANSWERS = [importlib.import_module(f"tests.answers.{slug}") for slug in LESSONS]
RIGHT = {key: value for module in ANSWERS for key, value in module.RIGHT.items()}
WRONG = {key: value for module in ANSWERS for key, value in module.WRONG.items()}
SEEDS = range(10)
by_id = {"ids": lambda task: task.id}


def in_double(task):
    """The same task on inputs in double precision."""
    return dataclasses.replace(task, inputs=lambda seed: [double(args) for args in task.inputs(seed)])


def both(task):
    return (task, in_double(task))


def test_a_task_of_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be one of debug, design, implement, predict; got 'guess'"):
        dataclasses.replace(TASKS[0], kind="guess")
    with pytest.raises(ValueError, match="difficulty must be one of core, stretch, warm-up; got 'hard'"):
        dataclasses.replace(TASKS[0], difficulty="hard")


def test_every_lesson_with_exercises_has_each_kind_and_its_points():
    assert [lesson["slug"] for lesson in COURSE if lesson["points"]] == LESSONS, "in the order of the course"
    assert [task.id for task in TASKS] == [f"{slug}.{n + 1}" for slug in LESSONS for n in range(len(tasks(slug)))]
    assert set(RIGHT) == {task.id for task in TASKS}
    assert set(WRONG) == {task.id for task in TASKS if task.kind != "predict"}
    for lesson in LESSONS:
        own = tasks(lesson)
        assert len(own) in (3, 4, 5)
        assert len({task.kind for task in own}) >= 2
        assert any(task.kind == "design" for task in own) or lesson not in (
            "why_distil",
            "shift",
            "four_steps",
        )
        steps = [("warm-up", "core", "stretch").index(task.difficulty) for task in own]
        assert steps == sorted(steps) and steps[0] == 0 and steps[-1] > 0


def sendable(value):
    """Tensors, numbers, texts, None, and lists and dicts of such."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and sendable(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(sendable(item) for item in value)
    return value is None or isinstance(value, (torch.Tensor, int, float, str))


def same(a, b):
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if not isinstance(a, torch.Tensor):
        return a == b
    return a.shape == b.shape and a.dtype == b.dtype and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("task", TASKS, **by_id)
def test_a_task_is_data_and_functions_of_plain_values(task):
    inputs = task.inputs(0)
    assert len(inputs) == len(task.rungs) == len(set(task.rungs))
    assert len(task.hints) >= 2 and "____" in task.hints[-1]
    assert task.minutes > 0 and task.points > 0 and task.limit <= 10
    assert task.solution.startswith((f"def {task.reference.__name__}(", f"{task.reference.__name__} = {{"))
    assert len(task.parameters) == len(inputs[0])
    for args in inputs:
        for value in args:
            assert sendable(value), "a grader must be able to send it"
    assert not any(isinstance(plain(value), Strange) for value in task.expected(0))
    for mistake in task.mistakes:
        assert len(mistake.hint) > 20
    assert len({m.hint for m in task.mistakes}) == len({m.name for m in task.mistakes}) == len(task.mistakes)


@pytest.mark.parametrize("task", TASKS, **by_id)
def test_the_same_seed_makes_the_same_inputs(task):
    assert same(task.inputs(3), task.inputs(3))


@pytest.mark.parametrize("task", SMALL, **by_id)
def test_any_two_mistakes_and_the_reference_differ(task):
    reference = [("reference", task.reference)]
    named = reference + [(mistake.name, mistake.function) for mistake in task.mistakes]
    assert len(task.mistakes) >= 4
    for seed in SEEDS:
        inputs = task.inputs(seed)
        found = {name: [_try(kd.checks.Mistake(name, f, ""), args) for args in inputs] for name, f in named}
        for i, (one, _) in enumerate(named):
            for other, _ in named[i + 1 :]:
                pairs = list(zip(found[one], found[other], strict=True))[::-1]  # the last inputs tell most apart
                assert not all(_alike(task, a, b) for a, b in pairs), f"seed {seed}: {one} and {other} are alike"


@pytest.mark.parametrize("task", CALLED, **by_id)
def test_each_named_mistake_is_met_with_its_own_hint(task):
    for seed in list(SEEDS)[:2]:  # that mistakes can be told apart is tested above, with all seeds
        for variant in both(task):
            for mistake in task.mistakes:
                card = verdict(variant, mistake.function, seed=seed)
                assert (card.state, card.mistake, card.hint) == ("not yet", mistake.name, mistake.hint), (seed, card)


@pytest.mark.parametrize("task", SMALL, **by_id)
def test_right_answers_are_accepted(task):
    assert len(RIGHT[task.id]) >= 3
    for seed in SEEDS:
        for variant in both(task):
            for answer in (*RIGHT[task.id], task.reference):
                card = verdict(variant, answer, seed=seed)
                assert card.passed, (seed, answer, card)


@pytest.mark.parametrize("task", CALLED, **by_id)
def test_wrong_answers_are_refused_each_for_its_own_reason(task):
    assert len({reason for _, reason in WRONG[task.id]}) >= 4
    for seed in SEEDS:
        for variant in both(task):
            for answer, reason in WRONG[task.id]:
                card = verdict(variant, answer, seed=seed)
                assert card.state == "not yet", (seed, reason, card)
                assert reason in str(card), (seed, reason, card)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("task", DESIGN, **by_id)
def test_designs_are_judged_by_what_they_reach(task, seed):
    assert len(RIGHT[task.id]) >= 3 and len({reason for _, reason in WRONG[task.id]}) >= 4
    for answer, reason in WRONG[task.id]:
        card = verdict(task, answer, seed=seed)
        assert card.state == "not yet" and reason in str(card), (seed, reason, card)
        assert not re.search(r"Expected|labels", "".join(name for name, _ in card.facts if name not in task.parameters))
    patient = dataclasses.replace(task, limit=60.0)  # tests share two cores with one another
    for answer in (*RIGHT[task.id], task.reference):
        card = verdict(patient, answer, seed=seed)
        assert card.passed, (seed, answer, card)


@pytest.mark.slow
@pytest.mark.parametrize("task", DESIGN, **by_id)
def test_a_grader_asks_on_test_images_and_the_bar_lies_above_the_labels(task):
    for seed in (0, 1):
        for exam in ("val", "test"):
            for expected in task.expected(seed, exam):
                assert expected["alone"] + 0.02 < expected["bar"] < 0.9
        val, test = ([args[-1] for args in task.inputs(seed, exam=exam)] for exam in ("val", "test"))
        assert len({tuple(images.flatten()[:2000].tolist()) for images in [*val, *test]}) == 6, "three draws an exam"
        answers = {tuple(e["labels"].tolist()) for exam in ("val", "test") for e in task.expected(seed, exam)}
        assert len(answers) == 6


def pasted(task):
    """The published solution, run in a notebook that has only the exercises' own imports."""
    namespace = {"torch": torch, "F": torch.nn.functional, "kd": kd}
    exec(task.solution, namespace)
    return namespace[task.reference.__name__]


@pytest.mark.parametrize("task", SMALL, **by_id)
def test_the_published_solution_can_be_pasted_and_passes(task):
    assert verdict(task, pasted(task)).passed
    assert "Tensor" not in task.solution and "->" not in task.solution


@pytest.mark.slow
@pytest.mark.parametrize("task", DESIGN, **by_id)
def test_the_published_design_can_be_pasted_and_passes(task):
    assert verdict(dataclasses.replace(task, limit=60.0), pasted(task)).passed


def test_a_mistake_that_raises_is_recognised_too():
    task = kd.checks.find("shift.2")
    overflow = next(mistake for mistake in task.mistakes if mistake.name == "overflow")
    assert _try(overflow, (575, 1100)) == Outcome("raised", error="OverflowError")
    assert verdict(task, overflow.function).mistake == "overflow"

"""Predict tasks: a form, one commitment, then a table of what was said, what happens, the number and the reason."""

import json

import pytest

from kdcourse.checks import _checking as checking
from kdcourse.checks import check, progress, tasks, verdict
from kdcourse.checks._predict import HEADER, form

PREDICT = [task for task in tasks() if task.kind == "predict"]
by_id = {"ids": lambda task: task.id}
TASK = next(task for task in PREDICT if task.id == "dark_knowledge.2")


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("KDCOURSE_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(checking, "_failed", {})
    return tmp_path / "progress.json"


def right(task):
    return {change: task.reference(change) for change in task.rungs}


def filled(text, name):
    space = {}
    exec(text, space)
    return space[name]


@pytest.mark.parametrize("task", PREDICT, **by_id)
def test_the_form_is_prefilled_with_blanks_and_says_which_words_there_are(task):
    text = form(task)
    blank = filled(text, task.reference.__name__)
    assert list(blank) == list(task.rungs) and set(blank.values()) == {"____"}
    assert all(f'"{word}"' in text.splitlines()[0] for word in task.words)
    card = verdict(task, blank)
    assert card.state == "not attempted" and card.says == "Not done yet. Fill in the form, run its cell, then this one."


@pytest.mark.parametrize("task", PREDICT, **by_id)
def test_the_solution_fills_the_form_and_passes(task):
    card = verdict(task, filled(task.solution, task.reference.__name__))
    assert card.passed and card.earned == 1 and card.says.startswith("5 of 5 right: 1 point. ")


@pytest.mark.parametrize("task", PREDICT, **by_id)
def test_the_table_tells_truth_number_and_reason_of_every_change(task):
    card = verdict(task, right(task))
    assert card.table[0] == HEADER
    for change, (said_of, said, truth, measured, why) in zip(task.rungs, card.table[1:], strict=True):
        assert said_of == change and said == truth == task.reference(change) and truth in task.words
        assert any(c.isdigit() for c in measured) or measured == "no gradient"
        assert len(why) > 20
        assert change in str(card) and measured in str(card) and why in str(card)
    assert len({row[4] for row in card.table[1:]}) == len(task.rungs), "each change has a reason of its own"


@pytest.mark.parametrize("task", PREDICT, **by_id)
def test_each_wrong_word_is_met_with_the_reason_against_its_own_belief(task):
    for change in task.rungs:
        for word in set(task.words) - {task.reference(change)}:
            card = verdict(task, right(task) | {change: word})
            assert card.state == "answered" and card.earned == 0.8
            row = next(row for row in card.table[1:] if row[0] == change)
            assert (row[1], row[2]) == (word, task.reference(change))
            own = [m.hint for m in task.mistakes if m.function(change) == word]
            assert row[4] in (own or [m.hint for m in task.mistakes if m.function(change) != task.reference(change)])
            assert f"✗ {change}: you said {word}; {task.reference(change)} (" in str(card)


@pytest.mark.parametrize("task", PREDICT, **by_id)
def test_a_function_is_taken_as_well(task):
    assert verdict(task, task.reference).table == verdict(task, right(task)).table


def unfinished(change):
    raise NotImplementedError


def confused(change):
    return {"T from 1 to 4": "up"}[change]


@pytest.mark.parametrize(
    ("given", "state", "says"),
    [
        (right(TASK) | {"T from 1 to 4": "____"}, "not attempted", "1 of 5 are still blank. Fill in the form, run its cell, then this one."),
        (right(TASK) | {"T from 1 to 4": None}, "not attempted", "1 of 5 are still blank. Fill in the form, run its cell, then this one."),
        (right(TASK) | {"T from 1 to 4": "upwards"}, "not yet", "'upwards' is no answer to 'T from 1 to 4'; it must be one of 'up', 'down', 'same'."),
        (right(TASK) | {"T from 1 to 4": 1}, "not yet", "1 is no answer to 'T from 1 to 4'; it must be one of 'up', 'down', 'same'."),
        (right(TASK) | {"T from 1 to 4": ["up"]}, "not yet", "['up'] is no answer to 'T from 1 to 4'; it must be one of 'up', 'down', 'same'."),
        (right(TASK) | {"T from 1 to 5": "up"}, "not yet", "The form's changes must stay as they were: 'T from 1 to 5' unknown."),
        ({"T from 1 to 4": "up"}, "not yet", "missing."),
        (unfinished, "not attempted", "Not done yet. Fill in the form, run its cell, then this one."),
        (confused, "not yet", "No answer to 'every logit plus 100' (KeyError: 'every logit plus 100')."),
        (lambda: "up", "not yet", "No answer to 'T from 1 to 4' (TypeError: it is called with 1 arguments (change): too many positional arguments)."),
        ("up", "could not be checked", "'up' was passed, which cannot be called."),
    ],
)  # fmt: skip
def test_what_is_no_commitment_reveals_nothing_and_counts_for_nothing(given, state, says, kept):
    card = check(TASK.id, given)
    assert card.state == state and card.says.endswith(says) and not card.table and card.earned == 0
    entry = json.loads(kept.read_text())["tasks"][TASK.id] if kept.exists() else {}
    assert "earned" not in entry and not entry.get("passed")


def test_points_are_for_the_first_commitment(kept):
    first = check(TASK.id, right(TASK) | {"T from 1 to 4": "down", "every logit plus 100": "up"})
    assert first.state == "answered" and first.earned == 0.6 and first.note == ""
    assert first.says.startswith("3 of 5 right: 0.6 of 1 point. ")
    again = check(TASK.id, right(TASK))
    assert again.earned == 0.6 and again.note == "Your first commitment counts: 0.6 of 1 point."
    entry = json.loads(kept.read_text())["tasks"][TASK.id]
    assert entry["earned"] == 0.6 and entry["state"] == "answered" and entry["tries"] == 2 and not entry["passed"]
    assert progress().points("dark_knowledge") == (0.6, 6)
    assert "0.6 of 6 points" in str(progress()) and "0.6 of 6 points" in progress()._repr_html_()
    assert "Predict the entropy (dark_knowledge.2, 1 point): answered, 2 tries" in str(progress())


def test_who_is_right_at_once_has_passed(kept):
    assert check(TASK.id, right(TASK)).passed
    check(TASK.id, right(TASK) | {"T from 1 to 4": "down"})
    entry = json.loads(kept.read_text())["tasks"][TASK.id]
    assert entry["passed"] and entry["earned"] == 1 and entry["state"] == "passed"


def test_the_card_is_a_table_that_a_screen_reader_can_follow():
    page = verdict(TASK, right(TASK) | {"T from 1 to 4": "down"})._repr_html_()
    assert page.count('scope="col"') == len(HEADER) and page.count("<tr") == 6
    assert "✗&nbsp;down" in page and "✓&nbsp;same" in page and "0.730 → 1.340" in page

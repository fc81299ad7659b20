"""The machinery of the exercises: what a check does with whatever a learner hands it, and how progress is kept."""

import _thread
import contextlib
import dataclasses
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from kdcourse.__main__ import main
from kdcourse.checks import Card, Note, check, find, progress, tasks, verdict
from kdcourse.checks import _calling as calling
from kdcourse.checks import _checking as checking
from kdcourse.checks import _pace as pacing
from kdcourse.checks import _progress as progress_file
from kdcourse.checks import _renamed as renamed
from kdcourse.checks._facts import relation
from kdcourse.checks._judges import close, shown, sights
from kdcourse.checks._task import Strange, plain

from .conftest import COURSE, ROOT

TASK = find("dark_knowledge.1")


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """Progress in a folder of its own, and nothing remembered from other tests."""
    monkeypatch.setenv("KDCOURSE_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(checking, "_seen", {})
    monkeypatch.setattr(checking, "_failed", {})
    return tmp_path / "progress.json"


def right(logits, temperature):
    return (logits / temperature).softmax(dim=1)


def quick(limit=0.3):
    return dataclasses.replace(TASK, limit=limit)


# ---------------------------------------------------------------- the four states


def test_a_right_answer_passes_and_says_what_was_learned():
    card = check("dark_knowledge.1", right)
    assert card.passed and card.state == "passed" and card.hint == ""
    assert str(card).startswith("✓ Soften an answer (dark_knowledge.1): passed\n2 points. ")


def test_a_wrong_answer_shows_input_expected_got_difference_and_hint():
    card = check("dark_knowledge.1", lambda logits, temperature: logits.softmax(dim=1))
    assert card.state == "not yet" and card.mistake == "no temperature"
    facts = dict(card.facts)
    assert facts["Input"] == "3 of 7, by hand, T = 2"
    assert facts["temperature"] == "2"
    assert facts["Expected"].startswith("tensor 1×3, float32: [[0.142857"), "in the precision that came back"
    assert facts["Got"].startswith("tensor 1×3, float32: [[0.047")
    assert facts["Difference"] == "3 of 3 values differ, first at [0, 0]: 0.047619 where 0.142857 is expected"
    assert card.hint in str(card)


def test_an_untouched_stub_is_not_attempted_and_counts_as_no_try(kept):
    def stub(logits, temperature):
        raise NotImplementedError()

    card = check("dark_knowledge.1", stub)
    assert card.state == "not attempted" and "Not done yet" in card.says
    assert not kept.exists()


def test_an_error_of_torch_is_not_an_untouched_stub():
    def unsupported(logits, temperature):
        return torch.Tensor.__torch_function__ and _raise(logits)

    assert check("dark_knowledge.1", unsupported).state == "not yet"


def _raise(_):
    raise NotImplementedError("this operator is not implemented for this device")


@pytest.mark.parametrize(
    ("thing", "says"), [(3.0, "3 was passed"), (None, "None was passed"), (torch.zeros(2), "tensor 2")]
)
def test_what_is_no_function_could_not_be_checked(thing, says):
    card = check("dark_knowledge.1", thing)
    assert card.state == "could not be checked" and says in card.says
    assert "without parentheses: check('dark_knowledge.1', softened)" in card.hint


def test_an_unknown_task_names_those_there_are():
    with pytest.raises(
        ValueError, match=r"be the id of a task; got 'why_distil.9'. There are: why_distil.1, why_distil.2"
    ):
        check("why_distil.9", right)
    with pytest.raises(ValueError, match="There are: lessons start_here, why_distil, "):
        check("77.1", right)
    with pytest.raises(
        ValueError, match="lesson must be the slug of a lesson with exercises; got '01'. There are: start_here, why_d"
    ):
        tasks("01")


def test_an_old_id_names_the_new_one(monkeypatch):
    for refused in (lambda: check("01.1", right), lambda: check.hint("01.1"), lambda: check.solution("01.1")):
        with pytest.raises(ValueError, match=r"be the id of a task; got '01.1'. It is \"dark_knowledge.1\" now."):
            refused()
    monkeypatch.setattr(renamed, "RENAMED", [*renamed.RENAMED, {"dark_knowledge.1": "dark_knowledge.3"}])
    assert renamed.name_of_today("01.1") == renamed.name_of_today("dark_knowledge.1") == "dark_knowledge.3"
    assert renamed.name_of_today("77.1") is None


def test_every_id_that_was_ever_used_names_a_task_of_today():
    there = {task.id for task in tasks()}
    for table in renamed.RENAMED:
        assert {renamed.name_of_today(old) for old in table} <= there


# ---------------------------------------------------------------- whatever comes back


@pytest.mark.parametrize(
    "answer",
    [
        lambda z, t: right(z, t).numpy(),
        lambda z, t: right(z.double(), t),
        lambda z, t: right(z, t).requires_grad_(),
        lambda z, t: right(z, t).tolist(),
        lambda z, t: right(z.clone().requires_grad_(), t),
        torch.compiler.disable(right),
    ],
    ids=["numpy", "float64", "needs a gradient", "lists", "through autograd", "wrapped"],
)
def test_the_same_values_in_another_form_are_right(answer):
    assert verdict(TASK, answer).passed


def test_autograd_works_inside():
    def by_gradient(z, t):
        z = z.clone().requires_grad_()
        return t * torch.autograd.grad((z / t).logsumexp(dim=1).sum(), z)[0]

    assert verdict(TASK, by_gradient).passed


def test_a_right_value_with_another_gradient_is_not_passed():
    """Half of a loss under detach has the right value, and half of what should be learned is not."""
    task = next(t for t in tasks("what_else") if t.gradient)
    reference = task.reference

    def halved(*arguments):
        return (reference(*arguments) + reference(*arguments).detach()) / 2

    def rootless(*arguments):
        value = reference(*arguments)
        return value + 0 * (value - value).abs().sqrt()

    assert verdict(task, reference).passed
    card = verdict(task, halved)
    assert (card.state, card.mistake, card.earned) == ("not yet", "another gradient", 0.0)
    assert "does not belong to it" in card.hint and "another one reaches" in str(card)
    assert verdict(task, lambda *a: reference(*a).detach()).mistake == "no gradient"
    assert verdict(task, rootless).mistake == "gradient of NaN"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda z, t: None, "None came back. Is a return missing?"),
        (lambda z, t: (v for v in z), "an object of type generator came back; a tensor 2×3 is expected"),
        (lambda z, t: torch.nn.Softmax(1), "an object of type Softmax came back"),
        (lambda z, t: right(z, t).to_sparse(), "an object of type sparse tensor"),
        (lambda z, t: right(z, t).to(torch.complex64), "came back; a tensor 2×3 is expected"),
        (lambda z, t: "0.33", "'0.33' came back"),
        (lambda z, t: right(z, t)[:, :2], "a tensor 2×2 came back; a tensor 2×3 is expected"),
        (lambda z, t: right(z, t) * float("nan"), "6 of 6 values differ, first at [0, 0]: nan where 0.333333 is expected; 6 are NaN"),
        (lambda z, t: np.array(["a"]), "array of <U1"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_named(answer, says):
    card = verdict(TASK, answer)
    assert card.state == "not yet" and says in str(card)


def test_a_changed_argument_is_refused_though_the_values_are_right():
    def careless(logits, temperature):
        logits /= temperature
        return logits.softmax(dim=1)

    card = verdict(TASK, careless)
    assert card.state == "not yet"
    assert dict(card.facts)["Changed"] == "logits, in place: the caller's own data"
    assert "logits.clone()" in card.hint


def test_an_exception_shows_the_learners_own_line_and_arguments():
    def broken(logits, temperature):
        z = logits / temperature
        return torch.stack([z, z[0]])

    card = verdict(TASK, broken)
    facts = dict(card.facts)
    assert facts["Error"].startswith("RuntimeError: stack expects each tensor to be equal size")
    assert facts["In"].endswith("return torch.stack([z, z[0]])") and facts["In"].startswith("line ")
    assert facts["logits"].startswith("tensor 2×3") and facts["temperature"] == "1"
    assert "Traceback" not in str(card) and "kdcourse" not in str(card)


def test_an_exception_of_ones_own_class_is_named_in_full():
    class Mine(Exception):
        pass

    def raising(z, t):
        raise Mine("no")

    assert "test_checks.Mine: no" in str(verdict(TASK, raising))


@pytest.mark.parametrize("leaving", [SystemExit, RecursionError, MemoryError, AssertionError, KeyboardInterrupt])
def test_no_exception_gets_past_the_check(leaving):
    def raising(z, t):
        raise leaving()

    assert f"Error: {leaving.__name__}" in str(verdict(TASK, raising))


@pytest.mark.parametrize("answer", [lambda z: z, lambda z, t, more: z, lambda: 1])
def test_the_wrong_number_of_arguments_is_named(answer):
    assert "it is called with 2 arguments (logits, temperature)" in str(verdict(TASK, answer))


def test_prints_are_caught_and_bounded(capsys):
    def talking(z, t):
        print("shape", tuple(z.shape))
        print("x" * 10**6, file=sys.stderr)
        return right(z, t)

    card = verdict(TASK, talking)
    assert card.passed and card.printed.startswith("shape (2, 3)")
    assert len(card.printed) == 2000
    assert capsys.readouterr() == ("", "")
    assert "<summary>Your function printed</summary>" in card._repr_html_()


# ---------------------------------------------------------------- functions that do not come back


def forever(z, t):
    while True:
        pass


def stubborn(z, t):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.001)


@pytest.mark.parametrize(
    ("answer", "says"),
    [(forever, "It did not return within 0.3 s."),
     (stubborn, "It did not return within 1.2 s, and it hardly computed in them.")],
)  # fmt: skip
def test_a_function_that_never_returns_is_stopped(answer, says, monkeypatch):
    monkeypatch.setattr(calling, "PATIENCE", 4)
    monkeypatch.setattr(checking, "PATIENCE", 4)
    card = verdict(quick(), answer)
    assert card.state == "not yet" and card.says == says
    _wait_for(lambda: not _workers())


def test_the_limit_counts_the_processors_seconds_not_the_walls(monkeypatch):
    def patient(z, t):
        time.sleep(0.2)  # as on a busy machine: the wall's clock runs, the processor's does not
        return right(z, t)

    card = verdict(quick(1.0), patient)
    assert card.passed and card.seconds < 1.0
    monkeypatch.setattr(calling.time, "process_time", iter([0.0, *[9.0] * 99]).__next__)
    assert verdict(quick(1.0), patient).says == "It did not return within 1 s."


@pytest.mark.parametrize(("slower", "passed"), [(1.0, False), (2.0, False), (3.0, True)])
def test_a_slow_processor_stretches_the_limit_once_and_only_when_it_is_reached(slower, passed, monkeypatch):
    def slow(z, t):
        time.sleep(0.2)
        return right(z, t)

    asked = []
    monkeypatch.setattr(calling, "pace", lambda: asked.append(slower) or slower)
    monkeypatch.setattr(calling.time, "process_time", iter([0.0, 0.0, *[2.5] * 99]).__next__)
    assert verdict(quick(3.0), slow).passed and not asked
    monkeypatch.setattr(calling.time, "process_time", iter([0.0, 0.0, *[2.5] * 99]).__next__)
    card = verdict(quick(1.0), slow)
    assert card.passed is passed and asked == [slower]
    assert passed or card.says == "It did not return within 1 s."


def test_the_pace_is_that_of_a_fixed_piece_of_work_within_its_bounds(monkeypatch):
    assert 1.0 <= pacing.pace() <= pacing.MOST
    for seconds, expected in ((pacing.QUIET / 2, 1.0), (2 * pacing.QUIET, 2.0), (99.0, pacing.MOST)):
        monkeypatch.setattr(pacing, "_work", lambda seconds=seconds: seconds)
        assert pacing.pace() == expected


def test_the_first_optimizer_of_a_process_may_take_the_seconds_that_torch_needs_to_import(monkeypatch):
    """torch.optim imports the compiler at its first use: on a slow machine longer than a task's limit."""

    def importing(z, t):
        monkeypatch.setitem(calling.sys.modules, "torch._dynamo", calling)
        time.sleep(0.2)
        return right(z, t)

    def only_slow(z, t):
        time.sleep(0.2)
        return right(z, t)

    monkeypatch.setattr(calling.time, "process_time", iter([0.0, 0.0, *[4.0] * 99]).__next__)
    monkeypatch.delitem(calling.sys.modules, "torch._dynamo", raising=False)
    assert verdict(quick(1.0), importing).passed
    monkeypatch.setattr(calling.time, "process_time", iter([0.0, 0.0, *[4.0] * 99]).__next__)
    monkeypatch.delitem(calling.sys.modules, "torch._dynamo", raising=False)
    assert verdict(quick(1.0), only_slow).says == "It did not return within 1 s."


def test_a_function_computes_with_one_thread_and_the_caller_keeps_theirs():
    before, seen = torch.get_num_threads(), []

    def counting(z, t):
        seen.append(torch.get_num_threads())
        return right(z, t)

    assert verdict(TASK, counting).passed
    assert set(seen) == {1} and torch.get_num_threads() == before


@pytest.mark.parametrize("many", [[0.0] * 1_000_001, [[0.0] * 1001] * 1000, {str(i): i for i in range(1_000_001)}])
def test_a_returned_object_of_millions_of_values_is_cut_off(many):
    card = verdict(TASK, lambda z, t: many)
    assert card.state == "not yet" and "of more than 1,000,000 values" in dict(card.facts)["Got"]


class Agreeable(str):
    """A text that claims to be equal to anything."""

    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


@pytest.mark.parametrize(("value", "kind"), [(Agreeable("x"), str), (type("Whole", (int,), {})(3), int), (type("Real", (float,), {})(0.5), float)])  # fmt: skip
def test_a_value_of_a_class_of_ones_own_is_taken_for_what_it_is(value, kind):
    assert type(plain(value)) is kind and kind.__eq__(plain(value), kind(value))


def test_a_text_that_equals_anything_is_no_right_answer():
    assert verdict(find("start_here.3"), lambda difference, half: Agreeable("x")).state == "not yet"


def test_a_returned_tensor_may_be_large():
    card = verdict(TASK, lambda z, t: torch.zeros(2000, 1000))
    assert card.state == "not yet" and "2000×1000" in dict(card.facts)["Got"]


# ---------------------------------------------------------------- the arguments that failed


def test_check_input_gives_copies_of_the_arguments_that_failed(kept):
    with pytest.raises(ValueError, match=r"task must be one whose last check here failed; got dark_knowledge.1, with no failed input. Run check\('dark_knowledge.1', softened\) first."):  # fmt: skip
        check.input("dark_knowledge.1")
    task = find("dark_knowledge.1")
    assert not check(task.id, lambda logits, temperature: logits).passed
    failed = check.input(task.id)
    failed[0].zero_()
    first = check.input(task.id)
    assert torch.equal(first[0], task.inputs(0)[0][0]) and first[1] == task.inputs(0)[0][1]
    assert check(task.id, task.reference).passed
    with pytest.raises(ValueError, match="with no failed input"):
        check.input(task.id)


def test_a_list_of_tasks_is_a_short_table_without_spoilers():
    shown = repr(tasks("cross_entropy"))
    lines = shown.splitlines()
    assert lines[0].split() == ["task", "title", "kind", "difficulty", "minutes", "points"] and len(lines) == 6
    assert "Label smoothing as soft targets" in shown and max(map(len, lines)) <= 100
    assert "<table" in tasks()._repr_html_() and "Mistake" not in repr(tasks()) + repr(tasks()[0])
    assert repr(find("cross_entropy.2")) == "cross_entropy.2: Label smoothing as soft targets (implement, warm-up, 5 minutes, 2 points)"  # fmt: skip


def _workers():
    """The threads of checks that are still at work."""
    return [thread for thread in threading.enumerate() if thread.name == calling.WORKER]


def _wait_for(true, seconds=5):
    """A thread that has done its work still needs a moment to end; a process needs more to begin."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_later_inputs_count_towards_the_limit():
    def slower(z, t):
        if z.shape[0] == 5:
            forever(z, t)
        return right(z, t)

    card = verdict(quick(), slower)
    assert dict(card.facts)["Input"].startswith("4 of 7") and "Can a loop become one operation" in card.hint


def test_one_that_hangs_in_a_library_is_said_to_live_on(monkeypatch):
    release = threading.Event()

    def hanging(z, t):
        release.wait(20)  # one call in C

    monkeypatch.setattr(calling, "_stop", lambda worker, done: False)
    card = verdict(quick(), hanging)
    (worker,) = _workers()
    release.set()
    worker.join()
    assert card.state == "could not be checked" and "Restart the kernel" in card.says


@pytest.fixture
def interruptible():
    """Python's own answer to an interrupt: a shell starts a job in the background with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before or signal.default_int_handler)


def test_the_stop_button_stops_the_function_and_is_passed_on(interruptible):
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        verdict(quick(30.0), forever)
    timer.join()
    _wait_for(lambda: not _workers())


def test_without_threads_there_is_no_limit_and_the_card_says_so(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    card = verdict(TASK, right)
    assert card.passed and "No time limit here" in card.note


# ---------------------------------------------------------------- the same seed, the same verdict


def test_a_function_that_draws_gets_the_same_numbers_each_time():
    def drawing(z, t):
        return z + torch.rand(z.shape) + np.random.rand() + random.random()

    torch.manual_seed(1)
    one, expected = verdict(TASK, drawing, seed=5), torch.rand(1)
    torch.manual_seed(2)
    assert str(verdict(TASK, drawing, seed=5)) == str(one)
    assert str(verdict(TASK, drawing, seed=6)) != str(one)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), expected), "the caller's own random numbers go on as if nothing had been"


def test_settings_that_a_function_changes_are_given_back():
    def meddling(z, t):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return right(z, t)

    assert verdict(TASK, meddling).passed
    assert torch.get_default_dtype() == torch.float32 and torch.is_grad_enabled()


# ---------------------------------------------------------------- judges and words


@pytest.mark.parametrize(
    ("expected", "got", "says"),
    [
        ((1, 2.5), [1, 2.5], None),
        ((1, 2.5), torch.tensor([1.0, 2.5]), None),
        ((1, 2.5), (1,), "1 values came back; 2 are expected"),
        ((1, 2.5), (1, 2.6), "value 2: 2.6 where 2.5 is expected"),
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": 1}, {"b": 1}, "keys: a missing, b unknown"),
        ({"a": 1}, 1, "1 came back; a dict with a is expected"),
        ({"a": 1}, {"a": None}, "a: None came back"),
        (torch.tensor(0.25), 0.25, None),
        (0.25, torch.tensor([0.25]), "a tensor 1 came back; a number is expected"),
        (torch.tensor([True, False]), [1, 0], None),
        (torch.tensor([3, 4]), torch.tensor([3.0, 4.0]), None),
        (torch.tensor([3, 4]), torch.tensor([3.0, 4.00001]), "1 of 2 values differ"),
        (torch.tensor([1e-12, 1.0]), torch.tensor([0.0, 1.0]), None),
        (torch.tensor([float("inf"), 1.0]), torch.tensor([float("inf"), 1.0]), None),
        ("up", "Up", "'Up' where 'up' is expected"),
        ([torch.zeros(2)], [torch.zeros(3)], "value 1: a tensor 3 came back"),
    ],
)
def test_the_judge_of_equality(expected, got, says):
    found = close(expected, plain(got))
    assert bool(found) == (says is None)
    assert says is None or says in found.difference


def test_facts_about_all_answers_together():
    expected = [torch.tensor([1.0, 2.0]), torch.tensor([-3.0])]
    assert relation(expected, [e / 10 for e in expected]) == "Every value is 0.1 times the expected one."
    assert relation(expected, [e + 5 for e in expected]) == "Every value is 5 away from the expected one."
    assert relation(expected, [expected[0] / 10, expected[1]]) == ""
    assert relation(expected, [e * float("nan") for e in expected]) == ""
    assert relation(["up"], ["down"]) == ""
    assert relation([1000, 1], [1001, 2]) == "Every value is 1 away from the expected one."
    assert relation([10_000, 208], [10_000, 201]) == "" and relation([2.0, 4.0], [2.0002, 4.0004]) == ""
    assert relation([torch.tensor([True, False])], [torch.tensor([False, True])]) == ""
    assert relation([1.0, 2.0], [1j * torch.ones(()), torch.ones(())]) == ""


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (Fraction(1, 4), 0.25),
        (Decimal("0.25"), 0.25),
        (np.longdouble(0.25), 0.25),
        (np.float32(0.25), 0.25),
        (np.bool_(True), True),
        (torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]), Strange("nested tensor")),
        (torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8), Strange("quantized tensor")),
        (1 + 2j, Strange("complex")),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_counts_as_a_plain_value(value, found):
    assert plain(value) == found and type(plain(value)) is type(found)


@pytest.mark.parametrize("huge", [10**30, -(10**400), 2**63, [10**400, 1], [[1, 2], [3]]])
def test_numbers_too_long_for_a_tensor_are_wrong_not_a_crash(huge):
    assert verdict(find("shift.2"), lambda r, n: huge).state == "not yet"
    assert verdict(TASK, lambda z, t: huge).state == "not yet"


def test_a_failure_of_the_check_itself_is_owned_up_to():
    def judge(expected, got):
        raise ValueError("oh")

    card = verdict(dataclasses.replace(TASK, judge=judge), right)
    assert card.state == "could not be checked" and "That is our mistake" in card.says and "ValueError: oh" in card.says


def test_progress_bars_do_not_fill_the_card():
    def training(z, t):
        print("begun")
        for i in range(3):
            print(f"\r{33 * i}%|███   | {i}/3", end="", file=sys.stderr)
        print("\ndone")
        return right(z, t)

    assert verdict(TASK, training).printed.split() == ["begun", "done"] * 7


def test_values_are_shown_short():
    assert shown(torch.arange(1000.0)) == "tensor 1000, float32: [0, 1, 2, 3, 4, 5, …]"
    assert shown(torch.zeros(3, 1, 28, 28)) == "tensor 3×1×28×28, float32: from 0 to 0"
    assert shown([1.0, "a", None]) == "[1, 'a', None]"
    assert shown(Strange("module")) == "an object of type module"
    assert len(shown("a" * 500)) < 70


def test_a_card_escapes_what_a_learner_wrote():
    card = Card(
        "dark_knowledge.1", "<b>", "not yet", says="<script>", facts=(("Got", "<i>&"),), hint="`a < b` and *this*"
    )
    page = card._repr_html_()
    assert "<script>" not in page and "<i>&" not in page
    assert "a &lt; b</code>" in page and "<em>this</em>" in page
    assert 'role="status"' in page
    assert "<pre" in Note("x", code="a < b")._repr_html_()


# ---------------------------------------------------------------- hints, solutions, progress


def test_hints_come_one_by_one_and_before_the_solution(kept):
    assert "a hint first" in str(check.solution("splits_and_leaks.3"))
    one, two, again = (check.hint("splits_and_leaks.3") for _ in range(3))
    assert one.heading == "splits_and_leaks.3, hint 1 of 2" and "check.hint('splits_and_leaks.3')" in str(one)
    assert two.heading == again.heading == "splits_and_leaks.3, hint 2 of 2" and "____" in two.code
    assert "def leaked(train" in str(check.solution("splits_and_leaks.3"))
    entry = json.loads(kept.read_text())["tasks"]["splits_and_leaks.3"]
    assert entry["hints"] == 2 and entry["solution"] is True and entry["passed"] is False


def test_hints_work_where_nothing_is_kept(monkeypatch):
    monkeypatch.setenv("KDCOURSE_PROGRESS", "")
    assert "hint 1" in str(check.hint("dark_knowledge.1")) and "hint 2" in str(check.hint("dark_knowledge.1"))
    assert "def softened" in str(check.solution("dark_knowledge.1"))


def test_progress_is_kept_and_what_is_passed_stays_passed(kept, capsys):
    check("dark_knowledge.1", lambda z, t: z)
    check("dark_knowledge.1", right)
    check("dark_knowledge.1", lambda z, t: z)
    entry = json.loads(kept.read_text())["tasks"]["dark_knowledge.1"]
    assert entry["tries"] == 3 and entry["passed"] and entry["state"] == "not yet"
    found = progress()
    assert found.points("dark_knowledge") == (2, sum(task.points for task in tasks("dark_knowledge")))
    assert found.points() == (2, sum(task.points for task in tasks()))
    assert "✓ Soften an answer (dark_knowledge.1, 2 points): passed, 3 tries" in str(found)
    assert 'aria-label="2 of 6 points"' in found._repr_html_()
    assert main(["progress"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(re.match("Dark knowledge +███+░", line) for line in lines)
    titles = [lesson["title"] for lesson in COURSE if lesson["points"]]
    assert [line.partition("  ")[0] for line in lines if line[0] != " "] == [*titles, "all"], "in the course's order"


def test_the_command_finds_the_exercises_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("KDCOURSE_PROGRESS")
    (tmp_path / "exercises").mkdir()
    monkeypatch.chdir(tmp_path / "exercises")
    check("dark_knowledge.1", right)
    monkeypatch.chdir(tmp_path)
    assert main(["progress"]) == 0
    assert "2 of 6 points" in capsys.readouterr().out
    assert main(["progress", str(tmp_path / "exercises")]) == 0
    assert "2 of 6 points" in capsys.readouterr().out


def test_two_kernels_that_write_at_once_lose_nothing(kept, tmp_path):
    code = (  # both wait for a starting signal: else the first may be done before the second has imported torch
        "import sys, time\nfrom pathlib import Path\nfrom kdcourse.checks import _progress\n"
        "folder, n = Path(sys.argv[1]), sys.argv[2]\n(folder / f'ready{n}').touch()\n"
        "while not (folder / 'go').exists():\n    time.sleep(0.001)\n"
        "for i in range(40):\n    _progress.update(f'some{n}.{i}', lambda e: e.update(tries=e['tries'] + 1))\n"
        "    _progress.update('four_steps.1', lambda e: e.update(tries=e['tries'] + 1))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), n], cwd=ROOT) for n in "12"]
    _wait_for(lambda: all((tmp_path / f"ready{n}").exists() for n in "12"), seconds=120)
    (tmp_path / "go").touch()
    assert [writer.wait(120) for writer in writers] == [0, 0]
    saved = json.loads(kept.read_text())["tasks"]
    assert len(saved) == 81 and saved["four_steps.1"]["tries"] == 80
    assert not list(kept.parent.glob("*.tmp"))


@pytest.mark.parametrize("text", ["{ not json", "[]", '{"tasks": 3}', '{"version": 1}'])
def test_a_damaged_file_is_set_aside_not_overwritten(kept, text):
    kept.write_text(text)
    card = check("dark_knowledge.1", right)
    assert "kept as progress.broken.json" in card.note
    assert (kept.parent / "progress.broken.json").read_text() == text
    assert json.loads(kept.read_text())["tasks"]["dark_knowledge.1"]["passed"]


# ---------------------------------------------------------------- a progress file with the ids of an earlier version

OLD = {
    "01.1": {"state": "passed", "passed": True, "tries": 3, "hints": 0, "solution": False, "last": "2026-01-02"},
    "01.2": {"state": "not yet", "passed": True, "tries": 7, "hints": 2, "solution": True, "last": "2026-01-03"},
    "02.3": {"state": "not attempted", "passed": False, "tries": 0, "hints": 1, "solution": False},
    "10.5": {"state": "not yet", "passed": False, "tries": 1, "hints": 0, "solution": False, "last": "2026-01-04"},
    "99.1": {"state": "passed", "passed": True, "tries": 1, "mine": "a lesson of my own"},
}
NEW = {
    "01.1": "dark_knowledge.1",
    "01.2": "dark_knowledge.2",
    "02.3": "splits_and_leaks.3",
    "10.5": "four_steps.5",
    "99.1": "99.1",
}


@pytest.fixture
def old(kept):
    """A file of the first version, with every state that a task can be in, and an id that nobody knows."""
    kept.write_text(json.dumps({"version": 1, "tasks": OLD}, indent=1))
    return kept


def carried_over():
    return {NEW[name]: entry for name, entry in OLD.items()}


@pytest.mark.parametrize("use", [progress, lambda: check.solution("four_steps.1")], ids=["progress", "solution"])
def test_an_old_file_is_carried_over_when_it_is_read(old, use):
    before = old.read_text()
    use()
    assert json.loads(old.read_text()) == {"version": 6, "tasks": carried_over()}
    assert (old.parent / "progress.v1.json").read_text() == before
    assert progress().points() == (3, sum(task.points for task in tasks()))


def test_an_old_file_is_carried_over_when_it_is_written(old):
    before = old.read_text()
    assert check("dark_knowledge.2", lambda change: "up").note == "Your first commitment counts: 1 point."
    saved = json.loads(old.read_text())
    assert saved["version"] == 6 and set(saved["tasks"]) == set(NEW.values())
    entry = saved["tasks"].pop("dark_knowledge.2")
    assert entry["tries"] == 8 and entry["passed"] and entry["hints"] == 2 and entry["solution"]
    assert saved["tasks"] == {name: entry for name, entry in carried_over().items() if name != "dark_knowledge.2"}
    assert (old.parent / "progress.v1.json").read_text() == before


def test_the_file_kept_by_its_usual_name(tmp_path):
    file = tmp_path / progress_file.NAME
    file.write_text(json.dumps({"version": 1, "tasks": OLD}))
    assert progress(str(tmp_path)).points("dark_knowledge") == (3, 6)
    assert (tmp_path / "kdcourse-progress.v1.json").is_file()


@pytest.mark.parametrize(
    "text", ["{ not json", '{"version": 1, "tasks": {"01.1": 3}}', '{"version": "x", "tasks": {}}']
)
def test_a_damaged_old_file_is_shown_as_nothing_and_set_aside_when_one_writes(kept, text):
    kept.write_text(text)
    assert progress().points()[0] == 0
    assert kept.read_text() == text, "reading changes nothing"
    assert "kept as progress.broken.json" in check("dark_knowledge.1", right).note
    assert (kept.parent / "progress.broken.json").read_text() == text
    assert not (kept.parent / "progress.v1.json").exists()


def test_where_nothing_can_be_written_an_old_file_is_shown_under_the_new_ids(old, monkeypatch):
    before = old.read_text()

    def refused(*a, **k):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(progress_file, "FileLock", refused)
    assert progress().points("dark_knowledge") == (3, 6)
    assert "not attempted, 1 hint" in str(progress())
    monkeypatch.undo()
    assert old.read_text() == before and [p.name for p in old.parent.iterdir()] == [old.name]


def test_a_disk_that_is_full_costs_an_old_file_nothing(old, monkeypatch):
    before = old.read_text()

    def full(*a):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert progress().points("dark_knowledge") == (3, 6)
    assert "was not saved" in check("why_distil.2", right).note
    assert old.read_text() == before and not list(old.parent.glob("*.v1.json"))


def test_an_older_kdcourse_that_writes_once_more_loses_nothing(old):
    """A kernel that was not restarted adds its old ids, and its version, to a file of today's."""
    progress()
    saved = json.loads(old.read_text())["tasks"]
    again = {"state": "not yet", "passed": False, "tries": 2, "hints": 3, "solution": True, "last": "2026-02-01"}
    old.write_text(json.dumps({"version": 1, "tasks": {**saved, "01.1": again}}))
    progress()
    both = {"state": "not yet", "passed": True, "tries": 5, "hints": 3, "solution": True, "last": "2026-02-01"}
    assert json.loads(old.read_text())["tasks"] == {**saved, "dark_knowledge.1": both}
    assert json.loads((old.parent / "progress.v1.json").read_text())["tasks"] == OLD, "the first one is kept"


def test_tasks_that_move_later_are_carried_over_too(old, monkeypatch):
    moved = {"dark_knowledge.1": "dark_knowledge.2", "dark_knowledge.2": "dark_knowledge.1", "four_steps.5": "owners.1"}
    progress()
    monkeypatch.setattr(renamed, "RENAMED", [*renamed.RENAMED, moved])
    monkeypatch.setattr(progress_file, "VERSION", 7)
    progress()
    saved, before = json.loads(old.read_text()), carried_over()
    assert saved == {"version": 7, "tasks": {moved.get(name, name): entry for name, entry in before.items()}}
    assert (old.parent / "progress.v6.json").is_file()


def test_two_tasks_that_changed_places_are_carried_over(kept):
    entry = {"state": "passed", "passed": True, "tries": 1, "hints": 0, "solution": False, "last": "2026-11-01"}
    bound = {"mean_squared_error.5": entry}
    kept.write_text(json.dumps({"version": 5, "tasks": bound}))
    progress()
    assert json.loads(kept.read_text()) == {"version": 6, "tasks": {"mean_squared_error.4": entry}}


def test_a_later_versions_file_stays_one(kept):
    kept.write_text(json.dumps({"version": 9, "tasks": {"01.1": OLD["01.1"]}}))
    check("dark_knowledge.1", right)
    saved = json.loads(kept.read_text())
    assert (
        saved["version"] == 9 and saved["tasks"]["01.1"] == OLD["01.1"] and saved["tasks"]["dark_knowledge.1"]["passed"]
    )


def test_an_interrupted_write_leaves_the_old_file(kept, monkeypatch):
    check("dark_knowledge.1", right)
    before = kept.read_text()

    def full(*a):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    card = check("dark_knowledge.2", lambda change: "up")
    assert "Your progress was not saved: No space left on device" in card.note
    assert kept.read_text() == before and not list(kept.parent.glob(".*.tmp"))


def test_a_place_that_cannot_be_written_costs_no_verdict(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KDCOURSE_PROGRESS", str(tmp_path / "file" / "progress.json"))
    card = check("dark_knowledge.1", right)
    assert card.passed and "was not saved" in card.note


def test_classes_and_boxes_are_judged_together():
    boxes = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.2, 0.2, 0.6, 0.6], [0.1, 0.1, 0.4, 0.9]])
    expected = {"labels": torch.tensor([1, 2, 3]), "boxes": boxes, "near": 0.5}
    both = torch.cat([torch.tensor([[1.0], [2.0], [9.0]]), boxes], dim=1)
    assert sights(expected, both).score == pytest.approx(2 / 3), "the third class is wrong"
    moved = both.clone()
    moved[0, [1, 3]] += 0.25  # an IoU of a third
    found = sights(expected, moved)
    assert found.score == pytest.approx(1 / 3) and found.hint.startswith(
        "In the first draw 67 % of the classes and 67 %"
    )
    assert "3 rows of a class and a box" in sights(expected, both[:, :4]).difference
    turned = torch.cat([both[:, 1:], both[:, :1]], dim=1)
    assert (
        not sights(expected, turned)
        and sights(expected, turned).hint == "The class comes first in a row, then the box."
    )
    assert not sights(expected, None) and not sights(expected, torch.cat([both, both]))

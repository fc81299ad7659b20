"""What a lesson's sentences say of recorded and of freshly trained numbers, so that a sentence cannot outlive its number."""

import json

import matplotlib as mpl
import pytest
import torch

import kdcourse as kd
from kdcourse.figures import best_of
from kdcourse.records import contrast, read

from .conftest import file


def told(record, ours, theirs):
    return contrast(read(record), "test", ours, theirs).verdict


def test_every_small_network_gains_at_its_own_rates_and_at_common_ones():
    for network in ("linear", "mlp", "cnn 4", "cnn 8"):
        alone = best_of(read("cost"), ("labels", "labels, copies"), network=network)
        sides = ({"network": network, "method": method} for method in ("taught", alone))
        assert told("cost", *sides) == "more", network


def test_the_ladder_is_as_dark_knowledge_tells_it():
    alone = best_of(read("ladder"), ("labels", "labels, smoothed"))
    steps = {
        ("class mean", alone): "no difference that we can measure",
        ("another image", alone): "less",
        ("class mean", "another image"): "more",
        ("own", "class mean"): "more",
        ("unlabelled", "own"): "more",
    }
    for (one, other), verdict in steps.items():
        assert told("ladder", {"method": one}, {"method": other}) == verdict, (one, other)


def test_the_digits_tell_the_fourth_rung_and_the_fifth_from_the_others_alone():
    digits = read("digits")
    alone = best_of(digits, ("labels", "labels, smoothed"))
    chain = {("another image", alone): False, ("class mean", "another image"): False, ("own", "class mean"): True,
             ("unlabelled", "own"): True}  # fmt: skip
    for (one, other), clear in chain.items():
        found = contrast(digits, "test", {"method": one}, {"method": other})
        wide = [kd.evaluation.redrawn(d.per_seed, 400 / 1197) for d in (found.own, found.common)]
        assert [d.resolved for d in wide] == [clear, clear], (one, other)


def test_the_bugs_cost_what_the_lesson_says():
    bugs = read("bugs")
    cost = {name: -100 * bugs.paired("test", {"arm": name}, {"arm": "right"}).difference
            for name in dict.fromkeys(row["arm"] for row in bugs.rows) if name != "right"}  # fmt: skip
    dearest, *others = sorted(cost, key=lambda name: -cost[name])
    assert dearest == "teacher against itself"
    four, rest = others[:4], others[4:]
    assert min(cost[name] for name in four) > 1.35 and max(cost[name] for name in four) < 2.35
    assert set(rest) == {"teacher in train mode", "arguments swapped", "T on one side"}
    assert not any(bugs.paired("test", {"arm": name}, {"arm": "right"}).resolved for name in rest)


def run(slug, until):
    """A lesson's cells up to the one that holds a text, run here in one thread; what they left."""
    namespace, threads = {"__name__": "__main__"}, torch.get_num_threads()
    torch.set_num_threads(1)
    mpl.use("agg")
    try:
        for cell in json.loads(file(slug).read_text())["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and "setup" not in cell["metadata"].get("tags", []):
                exec(compile(source, slug, "exec"), namespace)
                if until in source:
                    return namespace
    finally:
        torch.set_num_threads(threads)
    raise AssertionError(f"{slug} has no cell with {until!r}")


@pytest.mark.slow
def test_in_start_here_the_student_beats_its_twin(splits):
    found = run("start_here", "kd.evaluation.compare")
    assert kd.evaluation.compare([found["run"]], [found["base"]], splits.test).low > 0.02
    curves = [found[name].history["val_accuracy"] for name in ("run", "base")]
    assert all(ours > theirs for ours, theirs in zip(*(curve[1:] for curve in curves), strict=True)), "after the first"


@pytest.mark.slow
def test_in_why_distil_all_labels_are_worth_a_teacher_and_an_equal_is_worth_little(splits):
    found = run("why_distil", '"taught by its equal"')
    score = {name: kd.evaluation.accuracy(found[name], splits.test) for name in ("alone", "taught", "every", "equal")}
    assert score["taught"] > score["alone"] + 0.03
    assert abs(score["every"] - score["taught"]) < 0.02
    assert abs(score["equal"] - score["alone"]) < 0.02


@pytest.mark.slow
def test_in_eight_bugs_two_change_the_length_and_one_stands_at_a_right_angle():
    found = run("eight_bugs", 'kd.plots.Table(["bug"')
    table = {name: (float(length), direction) for name, length, direction in found["rows"]}
    assert {name for name, (_, direction) in table.items() if direction == "+1.00"} == {
        "T² left out",
        "mean for batchmean",
    }
    assert table["T² left out"][0] == pytest.approx(1 / 16, abs=0.01) and table["mean for batchmean"][0] == 0.10
    assert abs(float(table["T on one side"][1])) < 0.2
    assert table["teacher against itself"] == (0.0, "none")

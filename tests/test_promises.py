"""What a lesson's sentences say of recorded and of freshly trained numbers, so that a sentence cannot outlive its number."""

import ast
import json
import linecache
import re

import matplotlib as mpl
import numpy as np
import pytest
import torch

import kdcourse as kd
from kdcourse.checks.lessons.entries import worth
from kdcourse.figures import best_of, sweeps
from kdcourse.figures.layers import mean_correlation, rank_correlation
from kdcourse.records import contrast, read

from .conftest import ROOT, file


def told(record, ours, theirs):
    return contrast(read(record), "test", ours, theirs).verdict


def test_every_small_network_gains_at_its_own_rates_and_at_common_ones():
    for network in ("linear", "mlp", "cnn 4", "cnn 8"):
        alone = best_of(read("cost"), ("labels", "labels, copies"), network=network)
        sides = ({"network": network, "method": method} for method in ("taught", alone))
        assert told("cost", *sides) == "more", network


def test_what_is_left_of_the_gain_with_all_labels_or_an_equal_teacher():
    cost, pays, labels = read("cost"), read("pays"), ("labels", "labels, copies")
    few = {"network": "cnn 8", "method": best_of(cost, labels, network="cnn 8")}
    every = {"labels": "all", "method": best_of(pays, labels, labels="all")}
    better, equal = ({"labels": "all", "method": method} for method in ("taught", "taught by an equal"))
    assert told("pays", better, every) == "more"
    assert 5 * contrast(pays, "test", better, every).own.difference < contrast(
        cost, "test", {**few, "method": "taught"}, few).own.difference, "far less"  # fmt: skip
    same = contrast(pays, "test", {**equal, "labels": "500"}, few, of=cost)
    assert same.verdict == told("pays", equal, {**every, "method": "labels"}) == "no difference that we can measure"
    assert every["method"] == "labels, copies" and told("pays", equal, every) == "less", "it falls behind copies"


def test_squared_error_on_logits_is_behind_at_first_and_no_more_in_the_end():
    def lead(epochs):
        one, other = ({"loss": loss, "epochs": epochs} for loss in ("squared error", "KL, T = 4"))
        return told("logits", one, other)

    unclear = "no difference that we can measure"
    assert [lead(13), lead(40), lead(120)] == ["less", unclear, unclear]


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
    arms = [arm for arm in dict.fromkeys(row["arm"] for row in read("bugs").rows) if arm != "right"]
    found = {arm: contrast(read("bugs"), "test", {"arm": arm}, {"arm": "right"}) for arm in arms}
    dearest, *others = sorted(found, key=lambda arm: found[arm].own.difference)
    assert dearest == "teacher against itself" and found[dearest].verdict == "less"
    four, rest = others[:4], others[4:]
    costs = [-100 * found[arm].own.difference for arm in four]
    assert min(costs) > 0.65 and max(costs) < 1.75 and {found[arm].verdict for arm in four} == {"less"}
    assert set(rest) == {"teacher in train mode", "arguments swapped", "T on one side"}
    assert {found[arm].verdict for arm in rest} == {"no difference that we can measure"}


def run(slug, until):
    """A lesson's cells up to the one that holds a text, run here in one thread; what they left."""
    namespace, threads = {"__name__": "__main__"}, torch.get_num_threads()
    torch.set_num_threads(1)
    mpl.use("agg")
    try:
        for number, cell in enumerate(json.loads(file(slug).read_text())["cells"]):
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and "setup" not in cell["metadata"].get("tags", []):
                name = f"<{slug} {number}>"
                linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # for inspect
                exec(compile(source, name, "exec"), namespace)
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
def test_in_why_distil_the_taught_twin_knows_more(splits):
    found = run("why_distil", '"taught by the teacher": taught')
    score = {name: kd.evaluation.accuracy(found[name], splits.test) for name in ("alone", "taught")}
    assert score["taught"] > score["alone"] + 0.03


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


@pytest.mark.slow
def test_in_single_task_the_mistakes_do_what_the_lesson_says(recwarn):
    found = run("single_task", "tensors of the target")
    table = {name: (float(accuracy.rstrip("%")), warned) for name, accuracy, warned in found["rows"]}
    assert set(found["RAISING"]) | set(found["SILENT"]) == set(named_in_mistakes()), "the figure's and the diagram's"
    for name in found["RAISING"]:
        with pytest.raises((RuntimeError, ValueError, NameError)):
            found["with_mistake"](name, steps=1)
    guessing = {name for name, (accuracy, _) in table.items() if accuracy < 15}
    assert guessing == {"kl_div's arguments swapped", "no_grad around the wrong model"}
    assert {n for n, (_, w) in table.items() if w == "yes"} == {"one output for ten classes", "divided again and again"}
    assert max(table, key=lambda name: table[name][0]) == "divided again and again"
    one = table["one output for ten classes"][0] - table["none"][0]
    assert one < 0.5, "one seed does not show its gain"
    swapped = found["with_mistake"]("kl_div's arguments swapped", steps=3)
    assert any(bool(p.isnan().any()) for p in swapped.parameters())


def named_in_mistakes():
    from kdcourse.diagrams import _mistakes

    return [name for name, _ in _mistakes.MISTAKES.values()]


@pytest.mark.slow
def test_each_change_of_the_two_mistakes_made_of_several_raises_an_error_alone():
    found = run("single_task", "def with_mistake")
    for name in ("one output for ten classes", "no_grad around the wrong model"):
        for change in found["SILENT"][name][: 2 if name[0] == "n" else 1]:
            found["RAISING"]["alone"] = [change]
            with pytest.raises((RuntimeError, IndexError)):
                found["with_mistake"]("alone", steps=2)
    found["RAISING"]["advice"] = [
        *found["RAISING"]["the graph is gone"],
        found["SILENT"]["no_grad around the wrong model"][2],
    ]
    right, advised = found["program"](steps=20), found["with_mistake"]("advice", steps=20)
    assert all(torch.equal(a, b) for a, b in zip(right.parameters(), advised.parameters(), strict=True)), "luck"


@pytest.mark.slow
def test_the_lessons_mistakes_are_the_evidences():
    lesson, evidence = run("single_task", "def with_mistake"), {"__name__": "__main__"}
    path = ROOT / "notebooks/evidence/single_task.ipynb"
    for cell in json.loads(path.read_text())["cells"]:
        if "experiment" in cell["metadata"].get("tags", []):
            source = "".join(cell["source"]).replace("STEPS = 4.0, 400", "STEPS = 4.0, 12").split("mistakes = kd.")[0]
            exec(compile(source, "evidence", "exec"), evidence)
    for name in ("none", *lesson["SILENT"]):
        ours = lesson["with_mistake"](name, steps=12)
        theirs, _ = evidence["program"](0, name)
        pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
        assert all(torch.equal(a, b) or (a.isnan() & b.isnan()).any() for a, b in pairs), name
    assert set(lesson["RAISING"]) == set(read_cell(path, "SHOUT = ["))


def read_cell(path, text):
    source = next("".join(c["source"]) for c in json.loads(path.read_text())["cells"] if text in "".join(c["source"]))
    lists = [ast.literal_eval(found) for found in re.findall(r"SHOUT \+?= (\[.*?\])", source)]
    return [name for names in lists for name in names]


def test_what_else_is_worth_what_the_lesson_says():
    unclear, rates = "no difference that we can measure", "depends on the rates"

    def verdict(ours, theirs="labels"):
        return told("what_else", {"method": ours}, {"method": theirs})

    others = ("decoupled", "standardised", "DIST", "relations", "hint", "attention", "born again")
    assert verdict("soft targets") == "more" and "more" not in {verdict(m, "soft targets") for m in others}
    assert [verdict(m) for m in others] == ["more"] * 5 + [rates] * 2
    means = {m: read("what_else").mean("test", method=m, rates="own") for m in ("soft targets", *others)}
    assert sorted(means, key=lambda m: -means[m])[:4] == ["soft targets", "decoupled", "standardised", "DIST"]
    assert min(means[m] for m in others[:3]) > max(means[m] for m in others[3:])
    assert verdict("labels, copies", "relations") == unclear and verdict("labels, copies") == "more"
    at = {
        m: contrast(read("what_else"), "test", {"method": m}, {"method": "labels"}) for m in ("attention", "born again")
    }
    assert at["attention"].own.high < 0 and not at["attention"].common.resolved
    assert not at["born again"].own.resolved and at["born again"].common.low > 0
    spread = [np.std(read("what_else").values("test", method=m, rates="own"), ddof=1) for m in ("labels", *means)]
    assert 0.2 < 100 * np.mean(spread) < 0.45
    hints = {row["scale"] for row in read("what_else_grid").rows if row["method"] == "hint"}
    assert hints == {0.03}, "of the weight in common use, 100"


def test_a_sweep_pays_and_its_winner_was_lucky():
    sweep, record, choices = read("sweep"), read("optimizers"), read("chosen")
    values = sweeps.scores(sweep)
    assert values.shape == (24, 5) and [f"{v:.1f}" for v in (values[22, 0], values[5].mean())] == ["88.5", "86.8"]
    assert values[:, 0].argmax() == 22 and values.mean(axis=1).argmax() == 5, "settings 23 and 6, counted from 1"
    assert f"{values[22, 0] - values[5, 0]:.1f}" == "1.2"
    there, again = sweeps.losses(sweep)
    assert (there > again).all() and f"{again[0]:.1f}" == "86.4"
    fall = kd.records.paired((there / 100).tolist(), (again / 100).tolist())
    assert f"{100 * fall.difference:.1f}" == "0.9" and fall.low < 0 < fall.high and fall.low > -0.001, "just holds zero"
    assert np.ptp(np.sort(values.mean(axis=1))[-5:]) < 0.4 < 2 * 0.51 * (2 / 5) ** 0.5, (
        "five seeds cannot tell them apart"
    )
    of = {name: contrast(record, "test", {"optimizer": name}, {"optimizer": "adamw"}) for name in ("sgd", "plain sgd")}
    assert of["sgd"].common.low > 0 and not of["sgd"].own.resolved and f"{-100 * of['sgd'].own.difference:.1f}" == "0.5"
    assert not of["plain sgd"].common.resolved and f"{-100 * of['plain sgd'].own.difference:.1f}" == "2.1"
    rates = {row["optimizer"]: row["lr"] for row in record.rows if row["rates"] == "own"}
    common = {row["lr"] for row in record.rows if row["rates"] == "common"}
    assert common == {rates["plain sgd"]} and rates["adamw"] not in common, "the common rate suits plain SGD, not AdamW"
    gain = {
        n: choices.paired("test", {"choice": f"best with {n}"}, {"choice": "defaults"})
        for n in ("one seed", "five seeds")
    }
    assert all(f"{100 * g.difference:.1f}" == "1.9" and g.low > 0 for g in gain.values())
    both = [{"choice": f"best with {n}"} for n in ("five seeds", "one seed")]
    assert str(choices.paired("test", *both)).startswith("-0.1 ± 0.3") and not choices.paired("test", *both).resolved


def test_no_direction_pays_where_source_and_target_learned_from_the_same_labels():
    unclear, record = "no difference that we can measure", read("directions")

    def verdict(labels, target, ours, theirs="labels"):
        of = {"labels": labels, "target": target}
        return told("directions", {**of, "told": ours}, {**of, "told": theirs})

    assert verdict("500", "big", "small") == verdict("all", "big", "small") == "less"
    assert verdict("500", "small", "big") == unclear and verdict("all", "small", "big") == "depends on the rates"
    for target in ("small", "big"):
        assert verdict("all", target, "itself") == verdict("all", target, "smoothed labels") == unclear
    assert verdict("all", "big", "a poor small") == "less"
    assert verdict("all", "small", "big", "smoothed labels") == "more"
    assert verdict("all", "small", "big", "itself") == unclear
    few = {"labels": "500", "target": "big", "rates": "own"}
    sides = [100 * record.mean("test", **few, told=told) for told in ("labels", "small")]
    assert [f"{v:.1f}" for v in (*sides, 100 * record.mean("source", **few, told="small"))] == ["81.7", "80.5", "80.2"]
    sizes = [kd.models.parameter_count(kd.build("cnn", width=width)) for width in (16, 4)]
    assert round(sizes[0] / sizes[1]) == 8, "the big network has eight times as many parameters"
    poor = record.where(told="a poor small", rates="own")
    assert {row["weight"] for row in poor} == {0.1} and round(100 * record.mean("source", told="a poor small")) == 67


def test_a_strong_network_recovers_a_ninth_of_the_gap_with_features_or_without():
    record, weak = read("recovered"), {"start": "weak"}
    assert f"{100 * record.mean('test', **weak):.1f}" == "79.6"
    found = {}
    for start in ("random weights", "rotations"):
        student, truth = ({"start": start, "told": told} for told in ("the weak one's answers", "the truth"))
        gain, left = record.paired("test", student, weak), record.paired("test", truth, student)
        assert gain.low > 0 and left.low > 0
        found[start] = [f"{100 * d.difference:.1f}" for d in (gain, left)]
    assert found == {"random weights": ["0.9", "7.6"], "rotations": ["0.8", "6.8"]}
    told = {"start": "random weights", "told": "the weak one's answers"}
    assert f"{100 * record.mean('test', **told):.1f}" == "80.5"
    features = {"start": "rotations", "told": "the weak one's answers"}
    assert not record.paired("test", features, told).resolved, "features learned before bring nothing"


def two_heads(score, ours, theirs, labels="all"):
    return contrast(read("multi_task"), score, *({"labels": labels, "method": name} for name in (ours, theirs)))


def test_answers_help_one_task_and_the_trunk_both():
    told = {
        (ours, theirs, score): two_heads(score, ours, theirs).own
        for ours, theirs in (("labels", "class alone"), ("taught", "labels"), ("taught, features", "taught"))
        for score in ("class",)
    }
    told |= {(a, b, "mean_iou"): two_heads("mean_iou", a, b).own
             for a, b in (("labels", "box alone"), ("taught", "labels"), ("taught, features", "taught"))}  # fmt: skip
    assert [str(d) for d in told.values()] == [
        "-4.5 ± 2.5", "+4.0 ± 2.3", "+5.1 ± 2.2", "-1.7 ± 0.9", "-4.5 ± 1.8", "+2.2 ± 0.8",
    ]  # fmt: skip
    for ours, theirs in (("labels, gradients", "labels"), ("taught, bounded", "taught")):
        assert not any(two_heads(score, ours, theirs).own.resolved for score in ("class", "mean_iou"))
    few = [str(two_heads(score, "taught", "labels", "1000").own) for score in ("class", "mean_iou")]
    assert few == ["+21.1 ± 4.8", "+6.8 ± 2.5"]
    assert {(row["lr"], row["weight_decay"]) for row in read("multi_task").rows} == {(0.015, 0.1)}, (
        "own are common rates"
    )


def test_two_heads_cost_what_the_lesson_says():
    record = read("multi_task")

    def scores(*methods):
        pairs = zip(methods, ("class", "mean_iou"), strict=True)
        return zip(*(record.values(key, labels="all", method=m) for m, key in pairs), strict=True)

    found = []
    for name in ("labels", "taught", "taught, features"):
        pairs = zip(scores(name, name), scores("class alone", "box alone"), strict=True)
        found.append(str(kd.records.paired([kd.multitask.delta_m(ours, alone) for ours, alone in pairs], [0.0] * 5)))
    assert found == ["-4.8 ± 2.0", "-4.8 ± 1.3", "+0.8 ± 1.8"]
    sizes = [kd.models.parameter_count(kd.multitask.two_headed("cnn", width=8, heads=h))
             for h in (("class", "box"), ("class",), ("box",))]  # fmt: skip
    assert sizes[0] / (sizes[1] + sizes[2]) == pytest.approx(0.5, abs=0.04), "half of the parameters"


def test_the_weight_of_the_box_trades_the_tasks_and_the_curves_cross():
    record = read("task_weights_grid")

    def at(method, weight):
        return [100 * record.mean(key, method=method, weight=weight) for key in ("accuracy", "mean_iou")]

    assert [f"{v:.1f}" for w in (0.3, 30.0) for v in at("labels", w)] == ["65.5", "58.8", "35.0", "70.7"]
    for method in ("labels", "taught"):
        curve = [at(method, w) for w in (0.3, 1.0, 3.0, 10.0, 30.0)]
        assert [c for c, _ in curve] == sorted((c for c, _ in curve), reverse=True)
        assert [b for _, b in curve] == sorted(b for _, b in curve)
    (told, told_box), (taught, taught_box) = at("labels", 3.0), at("taught", 3.0)
    assert taught > told and taught_box < told_box, "at one weight each is ahead in one task"
    assert np.all(np.array(at("labels", 3.0)) > at("taught", 10.0)) and np.all(
        np.array(at("taught", 3.0)) > at("labels", 1.0)
    )


@pytest.mark.slow
def test_in_what_else_both_imitations_are_learned():
    history = run("what_else", "run = kd.distill(")["run"].history
    assert all(history[term][-1] < history[term][0] for term in ("cross_entropy", "dist", "hint"))


def test_the_five_believable_mistakes_are_as_single_task_tells_them():
    mistakes = read("mistakes")
    names = [n for n in dict.fromkeys(r["mistake"] for r in mistakes.rows) if mistakes.mean("test", mistake=n) > 0.2]
    found = {n: mistakes.paired("test", {"mistake": n}, {"mistake": "none"}) for n in names if n != "none"}
    order = sorted(found, key=lambda n: -found[n].difference)
    assert order == ["divided again and again", "one output for ten classes", "the source is examined",
                     "two models of one kind", "every tenth batch"]  # fmt: skip
    assert [found[n].resolved for n in order] == [True, True, False, True, True]
    assert found[order[0]].low > 0 and found[order[1]].low > 0 and found[order[3]].high < 0
    sides = [mistakes.mean(key, mistake="two models of one kind") for key in ("test", "source")]
    assert sides[0] < sides[1] - 0.01, "it ends below its source"
    seeds = [100 * v for v in mistakes.values("test", mistake="none")]
    assert max(seeds) - min(seeds) > 0.6, "two seeds differ by more than the last two lines of the lesson"


def test_a_leak_raises_the_score_and_hardly_the_network():
    leak = read("leak")
    rise = {key: 100 * (leak.mean(key, share=1.0) - leak.mean(key, share=0.0)) for key in ("exam", "new images")}
    assert rise["exam"] > 12 and 0 < rise["new images"] < 2
    scores = [leak.mean("exam", share=share) for share in (0.0, 0.1, 0.5, 1.0)]
    assert scores == sorted(scores), "the more of the exam leaked, the higher it is"
    expected = 0.5 * scores[3] + 0.5 * scores[0]
    assert abs(scores[2] - expected) < 0.005, "the formula fits well"


def test_the_ladder_holds_with_parts_drawn_anew():
    redrawn = read("redrawn")
    steps = {(a, b): contrast(redrawn, "test", {"method": a}, {"method": b})
             for a, b in (("own", "class mean"), ("unlabelled", "own"), ("another image", "class mean"))}  # fmt: skip
    assert [step.verdict for step in steps.values()] == ["more", "more", "less"]
    prose = "\n".join("".join(c["source"]) for c in json.loads(file("dark_knowledge").read_text())["cells"])
    for pair, words in (("own", "class mean"), "rung was"), (("unlabelled", "own"), "and the fifth"):
        step = steps[pair].own
        assert f"{words} {100 * step.difference:.1f} ± {50 * (step.high - step.low):.1f} points" in prose


def test_fine_tuning_is_as_shift_tells_it():
    shift = read("shift")
    verdicts = {}
    for kind in ("none", "blurred", "inverted", "other classes"):
        home, fresh = {"kind": kind, "start": "from home"}, {"kind": kind, "start": "fresh"}
        own = {**home, "rates": "own"}
        step = contrast(shift, "after", home, fresh)
        found = (shift.paired("after", own, own, minus="before"), step.own, step.common)
        verdicts[kind] = [0 if not d.resolved else 1 if d.difference > 0 else -1 for d in found]
    assert verdicts == {"none": [-1, 1, 1], "blurred": [1, 1, 1], "inverted": [1, 0, 0], "other classes": [-1, 1, 1]}


def test_alarms_are_as_rare_and_as_sure_as_shift_says():
    alarms = read("alarms")
    counts = {k: sum(p < 0.01 for p in alarms.values("shift p", kind=k)) for k in ("none", "blurred", "inverted")}
    counts["shares"] = sum(p < 0.01 for p in alarms.values("shift p", kind="other classes"))
    assert counts == {"none": 1, "blurred": 100, "inverted": 100, "shares": 100}


def test_a_lopsided_teacher_makes_a_lopsided_student():
    spread, lopsided, balanced = read("spread"), {"kind": "lopsided"}, {"kind": "balanced"}
    for who in ("source", "target"):
        assert spread.paired(f"{who} says hard", lopsided, balanced).low > 0.05
        assert spread.paired(who, lopsided, balanced).high < 0
        assert abs(spread.mean(f"{who} says hard", **balanced) - 0.4) < 0.01, "about as often as there is one"


def test_transfer_sets_are_as_the_lesson_tells_them():
    verdicts = {
        (images, augment): told("transfer", *({"images": i, "augment": augment} for i in (images, "real")))
        for images in ("mixed", "generated", "noise")
        for augment in ("flip-shift", None)
    }
    assert verdicts.pop(("mixed", "flip-shift")) == "depends on the rates" and set(verdicts.values()) == {"less"}
    mixed = [{"images": images, "augment": "flip-shift"} for images in ("mixed", "real")]
    found = kd.records.contrast(read("transfer"), "test", *mixed)
    assert found.own.high < 0 and not found.common.resolved, "a little with their own rates, nothing with common ones"
    transfer = read("transfer")
    worth = {images: transfer.mean("test", images=images, augment="flip-shift", rates="own")
             - transfer.mean("test", images=images, augment=None, rates="own")
             for images in ("real", "mixed", "generated", "noise")}  # fmt: skip
    assert worth["real"] < 0.005 and worth["mixed"] < 0.005, "lose nothing without augmentation"
    assert 0.1 < worth["generated"] < worth["noise"], "dreams and noise lose much, noise most"


def test_a_class_never_shown_comes_back_with_its_bias_where_a_teacher_told_of_it():
    omitted = read("omitted")
    recall = {
        (taught, when): [1 - omitted.mean(f"{when}, missing class", missing=c, told=taught) / 1000 for c in range(10)]
        for taught in ("soft", "labels")
        for when in ("as it is", "corrected")
    }
    assert sum(r < 0.02 for r in recall["soft", "as it is"]) == 4, "four hardly ever name it"
    assert min(recall["soft", "corrected"]) > 0.5 and max(recall["soft", "corrected"]) < 0.92
    known = dict(enumerate(recall["labels", "corrected"]))
    assert min(known.pop(3), known.pop(8)) > 0.3, "dress and bag are the exceptions"
    prose = "\n".join("".join(c["source"]) for c in json.loads(file("transfer_sets").read_text())["cells"])
    assert f"at most {100 * max(known.values()):.0f} % of a class, with two" in prose


def test_cross_entropys_lead_shrinks_with_longer_training():
    square = read("square")
    lead = []
    for epochs in (13, 40, 120):
        sides = [{"loss": loss, "epochs": epochs} for loss in ("cross-entropy", "squared error")]
        step = contrast(square, "test", *sides)
        assert step.verdict == "more"
        lead.append(step.own.difference)
    assert lead == sorted(lead, reverse=True) and lead[2] < lead[0] / 2, "more than half of it was a head start"


def test_of_the_four_steps_nothing_is_sure_after_seven_looks():
    few, whole = read("pipeline_few"), {"method": "the four steps"}
    others = dict.fromkeys(row["method"] for row in few.rows if row["method"] != "the four steps")
    found = {m: contrast(few, "test", whole, {"method": m}) for m in others}
    own = {**whole, "rates": "own"}
    tuning = few.paired("test", own, own, minus="before fine-tuning")
    assert found.pop("with an untuned source").verdict == "more" and tuning.low > 0
    assert found["without generated images"].own.high < 0 and not found["without generated images"].agree
    assert sum(step.own.resolved for step in found.values()) == 1 and len(found) == 5
    family = [contrast(few, "test", whole, {"method": m}).own for m in others]
    assert not any(kd.evaluation.holm([*family, tuning]))
    assert all(abs(d.difference) < 0.01 for d in family)


def test_the_four_steps_gain_from_a_large_source_with_all_labels_alone():
    few, cases, found = read("pipeline_few"), read("pipeline_cases"), {}
    for direction in ("small-to-big", "big-to-small"):
        for labels in ("500", "all"):
            case = {"direction": direction, "labels": labels}
            record = few if (direction, labels) == ("small-to-big", "500") else cases
            ours, theirs = ({**case, "method": m} for m in ("the four steps", "labels only"))
            found[direction, labels] = contrast(record, "test", ours, theirs)
    gained = [case for case, step in found.items() if step.own.resolved or step.common.resolved]
    assert gained == [("big-to-small", "all")] and found["big-to-small", "all"].verdict == "more"
    assert kd.evaluation.holm([step.own for step in found.values()]) == [False, False, False, True]
    said = []
    for labels in ("all", "500"):
        case = {"direction": "big-to-small", "labels": labels, "rates": "own"}
        said.append(f"{100 * cases.mean('source', **case, method='the four steps'):.1f} %")
        said.append(f"{100 * cases.mean('test', **case, method='labels only'):.1f} %")
    assert said == ["88.3 %", "87.3 %", "81.3 %", "81.1 %"]
    prose = "\n".join("".join(c["source"]) for c in json.loads(file("four_steps").read_text())["cells"])
    assert all(number in prose for number in said)


def test_four_steps_trains_with_the_rates_that_validation_chose():
    code = "\n".join("".join(c["source"]) for c in json.loads(file("four_steps").read_text())["cells"])
    few, names = read("pipeline_few"), ("lr", "weight_decay")
    found = {
        m: [few.where(method=m, rates="own")[0][name] for name in names] for m in ("the four steps", "labels only")
    }
    lr, decay = found["the four steps"]
    baseline_lr, baseline_decay = found["labels only"]
    said = re.search(r"rates = (\{.*?\})", code)[1]
    assert ast.literal_eval(said) == {
        "lr": lr, "weight_decay": decay, "baseline_lr": baseline_lr, "baseline_weight_decay": baseline_decay
    }  # fmt: skip
    means = {}
    for row in (row for round_ in ("grid", "finals") for row in read(f"sources_{round_}").where(width=8, labels="500")):
        means.setdefault((row["lr"], row["weight_decay"]), []).append(row["val"])
    best = max((point for point in means if len(means[point]) == 3), key=lambda point: sum(means[point]))
    assert f"lr={best[0]:.0e}".replace("e-0", "e-") + f", weight_decay={best[1]}" in code, "the source's"


# ---------------------------------------------------------------- layers, channels, pruning


def test_prices_of_channels_are_as_the_lesson_tells_them():
    ranks = read("channel_ranks")

    def lead(one, other, key):
        return ranks.paired(key, {"ranking": one}, {"ranking": other})

    assert lead("block alone", "Taylor 64 of other images", "all").low > 0
    for key in ("all", "inside"):
        assert lead("Taylor 64 of other images", "Taylor 512 of other images", key).low > 0, "square small batches"
    assert lead("oracle of other images", "Taylor 64 of other images", "inside").low > 0
    assert lead("Taylor 64", "Taylor 64 of other images", "inside").low > 0, "shared luck"
    assert not lead("Taylor 64 of other images", "weights", "all").resolved, "the size of the weights does as well"
    assert lead("Taylor 64 of other images", "weights", "inside").low > 0
    assert lead("Taylor 64 of other images", "batch norm's scale", "inside").low > 0
    assert max(ranks.values("all", ranking="batch norm's scale")) < 0 < min(ranks.values("inside", ranking="batch norm's scale"))  # fmt: skip
    shares = [sum(a) / sum(b) for a, b in zip(*(read("tangents").values(k) for k in ("foretold", "true")), strict=True)]
    assert min(shares) > 0.2 and max(shares) < 0.3, "about a quarter"
    assert min(sum(v > 0 for v in row) for row in read("tangents").values("true")) == 106


def test_pruning_is_as_the_lesson_tells_it():
    pruning = read("pruning")

    def after(one, other="random", budget=0.25, epochs=16):
        pair = ({"method": m, "budget": budget, "epochs": epochs} for m in (one, other))
        return kd.records.contrast(pruning, "after", *pair)

    for method in ("Taylor", "oracle", "weights", "block alone", "oracle, per FLOP"):
        assert after(method).verdict == "less", "behind chance"
    for method in ("batch norm's scale", "Taylor, per FLOP", "weights, per FLOP"):
        assert after(method).verdict == "no difference that we can measure"
    for name in ("Taylor", "oracle", "weights"):
        assert after(f"{name}, per FLOP", name).verdict == "more"
    for budget in (0.25, 0.5):
        rivals = {row["method"] for row in pruning.rows if row["budget"] == budget} - {"random"}
        assert not any(after(m, budget=budget).verdict == "more" for m in rivals), "none beats chance"
        assert after("Taylor, labels alone", "Taylor", budget).verdict == "no difference that we can measure"
        assert after("Taylor, fresh weights", "Taylor", budget).verdict == "no difference that we can measure"
    assert after("Taylor, fresh weights", "Taylor", epochs=1).verdict == "less"
    there, rankings = {"budget": 0.25, "rates": "own"}, ("Taylor", "oracle", "weights", "batch norm's scale", "block alone", "random")  # fmt: skip
    right = {k: [pruning.mean(key, method=m, epochs=e, **there) for m in rankings]
             for k, (key, e) in {0: ("before", 1), 63: ("after", 1), 1008: ("after", 16)}.items()}  # fmt: skip
    rounded = {k: (round(100 * min(v)), round(100 * max(v))) for k, v in right.items()}
    assert rounded == {0: (14, 30), 63: (72, 86), 1008: (83, 87)}
    left = {m: [w[2] for w in pruning.values("widths", method=m, epochs=16, **there)] for m in rankings}
    assert set(left["oracle"] + left["weights"]) == {1} and round(sum(left["Taylor"]) / 5) == 2


def test_the_layerwise_loss_helps_little_and_its_terms_measure_little():
    alone = {"method": "soft targets"}
    verdicts = {m: told("layerwise", {"method": m}, alone) for m in (
        "soft targets + 0.01 · the article's", "soft targets + 0.1 · the article's",
        "soft targets + 1 · the article's", "soft targets + 0.1 · deep supervision", "the article's alone")}  # fmt: skip
    same = "no difference that we can measure"
    assert list(verdicts.values()) == [same, same, "depends on the rates", "depends on the rates", "less"]
    layerwise = read("layerwise")
    for method in ("soft targets + 1 · the article's", "soft targets + 0.1 · deep supervision"):
        found = kd.records.contrast(layerwise, "test", {"method": method}, alone)
        assert found.own.low > 0 and not found.common.resolved, "only at its own rates"
        rates = {m: {row["lr"] for row in layerwise.where(method=m, rates="own")} for m in (method, "soft targets")}
        assert min(rates[method]) > max(rates["soft targets"]), "a higher rate"
    terms = read("layer_terms")
    for width in (32, 64, 128):
        distance, dependence, size, instability = (
            np.array(terms.values(key, width=width)).T for key in ("distance", "dependence", "size", "instability")
        )
        _, low, high = mean_correlation(distance[1:], dependence[1:])
        assert low < 0 < high, "the terms say nothing about dependence"
        middle, low, _ = mean_correlation(size, instability)
        assert low > 0 and middle < 0.5, "weakly"
    distance, dependence, size, instability = (
        np.array(terms.values(key, width=64)).T for key in ("distance", "dependence", "size", "instability")
    )
    left, right = (
        [rank_correlation(a, b) for a, b in zip(one, other, strict=True)]
        for one, other in ((distance[1:], dependence[1:]), (size, instability))
    )
    assert all(low < 0 < high for _, low, high in left) and min(middle for middle, _, _ in right) > 0


def merged(division, method="average"):
    return {"division": division, "method": method, "rates": "own"}


def test_merging_costs_nothing_among_owners_who_are_alike_and_much_among_others():
    record = read("averaged")
    names = ("one hand", "even", "Dirichlet 0.1", "two shards")
    assert [f"{100 * record.mean('accuracy', **merged(name)):.1f}" for name in names] == [
        "83.4",
        "84.1",
        "80.3",
        "73.6",
    ]
    pairs = (("even", "one hand"), ("Dirichlet 0.1", "even"), ("two shards", "even"))
    found = [record.paired("test", merged(ours), merged(theirs)) for ours, theirs in pairs]
    assert [str(d) for d in found] == ["+0.7 ± 0.8", "-3.8 ± 2.1", "-10.5 ± 0.8"]
    assert [d.resolved for d in found] == [False, True, True]
    apart = [100 * record.mean(key, **merged("Dirichlet 0.1", "apart")) for key in ("accuracy", "best")]
    assert [f"{v:.0f}" for v in apart] == ["39", "54"]


def test_uneven_owners_need_more_rounds():
    record, found = read("averaged"), {}
    for division in ("even", "Dirichlet 0.1", "two shards"):
        rounds = [next(k for k, v in enumerate(curve, 1) if v >= 0.75)
                  for curve in record.values("curve", **merged(division))]  # fmt: skip
        found[division] = min(rounds), max(rounds)
    assert found == {"even": (2, 3), "Dirichlet 0.1": (4, 11), "two shards": (24, 28)}


def test_rates_of_owners_lie_inside_their_grid():
    grid = sorted({row["lr"] for row in read("owner_rates_grid").rows})
    assert all(grid[0] < row["lr"] < grid[-1] for row in read("averaged").rows)


def fused(method):
    return {"method": method, "rates": "own"}


def test_what_the_server_distils_gains_where_weights_meet_once_and_nothing_where_they_meet_often():
    record = read("exchanged")
    told = [f"{100 * record.mean('test', **fused(name)):.1f}" for name in ("average", "bigger", "once")]
    assert told == ["78.3", "77.9", "61.2"]
    found = {name: record.paired("test", fused(name), fused("average")) for name in ("made", "noise", "real", "bigger")}
    assert [d.resolved for d in found.values()] == [False, False, True, False]
    assert (str(found["real"]), str(found["bigger"])) == ("-0.74 ± 0.30", "-0.4 ± 1.8")
    once = read("once_averaged")
    gain = record.paired("test", fused("once"), fused("average"), of=once)
    assert f"{100 * once.mean('test', **fused('average')):.1f}" == "48.6"
    assert str(gain) == "+12.6 ± 6.9" and gain.resolved
    seldom = read("seldom")
    assert [f"{100 * seldom.mean('test', **fused(name)):.0f}" for name in ("average", "real")] == ["69", "73"]
    assert str(gap := seldom.paired("test", fused("real"), fused("average"))) == "+3.6 ± 4.9" and not gap.resolved


def test_answers_teach_different_networks_and_labels_would_teach_them_more():
    record = read("shared")
    each = [100 * record.mean("accuracy", **fused(name)) for name in ("apart", "shared", "public labels")]
    assert [f"{v:.1f}" for v in each] == ["36.5", "41.3", "81.2"]
    assert str(record.paired("together", fused("shared"), fused("apart"))) == "+12.3 ± 9.3"
    assert f"{100 * record.mean('listened', **fused('shared')):.1f}" == "56.1"
    weights = sum(p.numel() for p in kd.build("mlp", width=32).parameters())
    assert (weights, 2000 * 10) == (26_506, 20_000)


def test_a_fair_attack_wins_little_and_a_naive_one_sees_classes():
    record = read("membership")
    wins = {n: [record.mean(key, epochs=n, width=32) for key in ("easy", "fair")] for n in (1, 20, 80)}
    assert [f"{100 * fair:.0f}" for _, fair in wins.values()] == ["51", "54", "55"]
    assert all(naive > 0.84 for naive, _ in wins.values())
    assert [f"{100 * read('noised').mean('test', epsilon=e, rates='own'):.0f}" for e in (0, 8)] == ["64", "13"]


def test_three_faults_cost_what_the_lesson_says():
    inputs, deep, high = read("inputs"), read("gradients"), read("high_rates")
    own = {"rates": "own"}

    def right(change, student="the same", key="test"):
        return 100 * inputs.mean(key, teacher_sees=change, student_sees=student, **own)

    same = {"teacher_sees": "the same", "student_sees": "the same"}
    shifted = contrast(inputs, "test", {**same, "teacher_sees": "shifted by 4 pixels"}, same)
    assert shifted.verdict == "less" and -0.01 < shifted.own.difference < 0, "less than a point"
    both = ("shifted by 4 pixels", "shifted by 4 pixels")
    assert (f"{right('the same'):.0f}", f"{right(*both):.0f}") == ("85", "37") and right(*both, key="teacher") > 93
    for change in ("blurred", "inverted", "upside down"):
        assert right(change, key="teacher") < 45 and abs(right(change, key="teacher") - right(change)) < 2
    for trouble in ("vanishing", "exploding"):
        for remedy in ("loss threshold", "decaying rate"):
            ours, theirs = ({"trouble": trouble, "mend": m} for m in (remedy, "nothing"))
            assert told("gradients", ours, theirs) != "more"
    at_high = {m: 100 * high.mean("test", mend=m) for m in ("nothing", "loss threshold", "decaying rate", "clipping")}
    assert max(at_high["loss threshold"], at_high["decaying rate"]) < at_high["nothing"] + 0.01 < 12
    assert sum(high.values("diverged", mend="decaying rate")) == 5
    start = 100 * deep.mean("test", trouble="vanishing", mend="He's start and ReLU", **own)
    assert (f"{at_high['clipping']:.0f}", f"{start:.0f}") == ("81", "78")
    assert len({row["lr"] for row in read("gradients_grid").rows}) == 9, "the best of nine rates"
    norms = {m: np.array(deep.values("norms", mend=m, trouble=t, **own))
             for t, m in (("vanishing", "nothing"), ("vanishing", "He's start and ReLU"))}  # fmt: skip
    steps = norms["nothing"][:, 2:] / norms["nothing"][:, 1:-1]
    assert 1 / 5 < 1 / np.exp(np.log(steps).mean()) < 1 / 3, "about a quarter a layer"
    loud = np.array(deep.values("norms", mend="nothing", trouble="exploding", **own))
    assert (loud.mean(axis=0) > 1e4 * norms["He's start and ReLU"].mean(axis=0)).all()


def test_a_short_patience_stops_too_early_and_a_long_one_does_not():
    record, lengths = read("stopping"), read("lengths")
    of = {s: {"teaching": "consistent", "schedule": s} for s in ("cosine", "constant")}
    costs = {(s, rule): record.paired(f"{rule} test", of[s], of[s], minus="never test")
             for s in of for rule in ("patience 3", "patience 10", "plateau", "patience 30")}  # fmt: skip
    assert all(cost.high < 0 for (_, rule), cost in costs.items() if rule != "patience 30")
    assert not costs["cosine", "patience 30"].resolved and not costs["constant", "patience 30"].resolved
    assert all(abs(costs["cosine", r].difference - costs["constant", r].difference) < 0.01 for _, r in costs)
    assert f"{-100 * costs['cosine', 'plateau'].difference:.1f}" == "1.8"
    ends = {r: sorted(record.values(f"{r} epochs", **of["cosine"])) for r in ("plateau", "patience 10")}
    assert {r: (e[0], e[-1]) for r, e in ends.items()} == {"plateau": (37, 57), "patience 10": (26, 67)}

    def waits(rule, epochs):
        curves = record.values("curve", **of["cosine"])
        stops = [kd.widgets._records._stop(np.array(c), rule, epochs) for c in curves]
        return np.mean(stops), 100 * np.mean([max(c) - max(c[:n]) for c, n in zip(curves, stops, strict=True)])

    for rule, epochs, stop in (("patience", 30, 126), ("window", 21, 124)):
        assert round(waits(rule, epochs)[0]) == stop and waits(rule, epochs)[1] < 0.5
        assert all(waits(rule, fewer)[1] >= 0.5 for fewer in range(2, epochs)), "no shorter one does"

    def gain(teaching, short):
        both = ({"teaching": teaching, "rates": "own", "epochs": n} for n in (200, short))
        return lengths.paired("test", *both)

    assert not gain("labels", 60).resolved and gain("consistent", 60).low > 0
    means = [100 * lengths.mean("test", teaching="consistent", rates="own", epochs=n) for n in (60, 200)]
    assert [f"{m:.0f}" for m in means] == ["83", "85"]
    ours, theirs = ({"teaching": t, "epochs": 200} for t in ("consistent", "fixed"))
    assert told("lengths", ours, theirs) == "no difference that we can measure"


def test_only_what_the_teacher_knows_regularises_where_labels_are_right():
    record = read("regulariser")

    def step(source, wrong=0.0, key="test"):
        ours, theirs = ({"wrong": wrong, "source": name} for name in (source, "labels alone"))
        return contrast(record, key, ours, theirs)

    others = [source for source in kd.figures.regularising.SHORT if source != "teacher"]
    assert all(step(source).own.high <= 0 or not step(source).own.resolved for source in others), "none adds anything"
    assert [source for source in others if step(source).verdict == "less"] == [
        "random answers", "answer to another image",
    ]  # fmt: skip
    assert step("teacher").verdict == step("teacher", 0.2).verdict == "more"
    earned = {"weight decay": "+1.5", "its equal": "+2.4", "label, random rest": "+2.7", "teacher": "+8.5"}
    assert {source: str(step(source, 0.2).own)[:4] for source in earned} == earned
    assert all(step(source, 0.2).verdict == "more" for source in earned)
    chosen = {
        row["strength"] for row in record.rows if (row["source"], row["rates"], row["wrong"]) == ("teacher", "own", 0.2)
    }
    assert chosen == {1.0}
    for key in ("half as bright", "blurred"):
        assert step("teacher", key=key).verdict == "more"
    for key in ("worst", "shifted by 2 pixels"):
        assert step("teacher", key=key).own.resolved and not step("teacher", key=key).common.resolved
    common = {
        row["strength"]
        for row in record.rows
        if (row["source"], row["rates"], row["wrong"]) == ("teacher", "common", 0.0)
    }
    assert common == {0.03}
    fallen = {"teacher": "-6.8", "weight decay": "-14.4", "smoothed labels": "-9.5"}
    assert {s: str(step(s, key="calibration").own)[: len(v)] for s, v in fallen.items()} == fallen
    assert f"{100 * record.mean('calibrated', wrong=0.0, source='labels alone', rates='own'):.1f}" == "1.9"
    assert str(step("teacher", key="calibrated").own).startswith("+1.2")
    strengths = read("strengths")
    errors = {
        (row["source"], row["strength"]): strengths.mean("calibration", source=row["source"], strength=row["strength"])
        for row in strengths.rows
    }
    best = min(errors, key=errors.get)
    assert best == ("untrained network", 1.0) and f"{100 * errors[best]:.1f}" == "0.9"
    assert 0.095 < strengths.mean("accuracy", source="untrained network", strength=1.0) < 0.105


def test_errors_are_handed_on_where_labels_leave_little_to_learn():
    record = read("fidelity")

    def handed(key, images):
        return record.paired(key, *({"source": source, "images": images} for source in ("teacher", "labels")))

    assert [str(handed("successes", n))[:4] for n in (500, 8000)] == ["+2.0", "+0.7"]
    assert not handed("errors", 500).resolved and str(handed("errors", 8000)).startswith("+3.2")
    assert handed("errors", 2000).low > 0 and handed("successes", 2000).low > 0
    assert not handed("test", 8000).resolved and handed("test", 500).low > 0
    shares = [100 * record.mean("errors", source=source, images=8000) for source in ("teacher", "labels")]
    assert [f"{share:.0f}" for share in shares] == ["56", "53"]
    assert round(100 * record.mean("source right", source="teacher", images=500)) == 93, "wrong on seven of a hundred"
    equal = {"source": "its equal"}
    agreement = [100 * record.mean(key, **equal, images=n) for key, n in
                 (("on training", 500), ("on test", 500), ("on test", 8000))]  # fmt: skip
    assert [f"{share:.0f}" for share in agreement] == ["100", "87", "91"]


def test_partners_add_more_to_the_teacher_than_to_labels():
    record, small = read("partners"), read("int8")

    def step(ours, theirs, key="test"):
        ours, theirs = (dict(zip(("taught", "partner"), one, strict=True)) for one in (ours, theirs))
        return contrast(record, key, ours, theirs)

    added = {(who, partner): step((who, partner), (who, "nothing")) for who in ("labels", "teacher")
             for partner in ("copies", "mixup")}  # fmt: skip
    assert {key: str(found.own)[:4] for key, found in added.items()} == {
        ("labels", "copies"): "+1.3", ("labels", "mixup"): "-1.9", ("teacher", "copies"): "+2.9",
        ("teacher", "mixup"): "+2.3",
    }  # fmt: skip
    assert [found.verdict for found in added.values()] == ["more", "less", "more", "more"]
    assert all(step(("teacher", p), ("labels", p)).verdict == "more" for p in ("copies", "mixup", "copies and mixup"))
    assert str(step(("teacher", "mixup"), ("labels", "mixup"), "errors").own).startswith("+8.2")
    for taught in ("labels", "teacher"):
        own = {"taught": taught, "rates": "own"}
        assert not small.paired("after", own, own, minus="before").resolved
    assert round(small.mean("bytes before") / small.mean("bytes after")) == 4
    assert contrast(small, "after", {"taught": "teacher"}, {"taught": "labels"}).verdict == "more"
    equal, base = ({"wrong": 0.0, "source": source} for source in ("its equal", "labels alone"))
    assert str(contrast(read("regulariser"), "test", equal, base).common).startswith("+0.86")


def test_a_teacher_adds_a_point_and_new_versions_of_the_photographs_add_two():
    record, fresh, own = read("compute"), read("fresh"), {"rates": "own"}

    def step(teacher, epochs=60):
        return contrast(record, "test", *({"teacher": name, "epochs": epochs} for name in (teacher, "none")))

    verdicts = {name: step(name).verdict for name in ("1", "3", "10", "30", "shipped")}
    same = "no difference that we can measure"
    assert verdicts == {"1": same, "3": same, "10": "more", "30": "more", "shipped": "more"}
    assert [str(step(name).own)[:4] for name in ("30", "shipped")] == ["+1.1", "+1.1"]
    labels = {n: record.mean("test", teacher="none", epochs=n, **own) for n in (2, 6, 20, 60, 200)}
    assert max(labels, key=labels.get) == 60 and labels[60] - labels[200] > 0.005, "at 200 the student is worse"
    taught = {"teacher": "30", "epochs": 60, **own}
    assert not record.paired("test", taught, {"epochs": 60}, of=fresh).resolved, "new versions at 60 epochs: as good"
    two = [{"teacher": name, "epochs": 60} for name in ("shipped", "30")]
    assert not contrast(record, "test", *two).own.resolved, "the dearest teacher teaches no better"
    right = [100 * record.mean("teacher right", **one, **own) for one in two]
    assert f"{right[0] - right[1]:.1f}" == "3.6"
    grid = read("compute_grid")
    alone = max(grid.mean("val", teacher="1", lr=lr, alpha=1.0) for lr in {row["lr"] for row in grid.rows})
    assert f"{100 * alone:.1f}" == "72.5" and record.where(teacher="1", **own)[0]["alpha"] == 0.1
    longest, last = read("longer"), {"epochs": 200}
    assert not fresh.paired("test", last, last, of=longest).resolved, "the teacher's students have caught up"
    assert [f"{100 * found.mean('test', epochs=200):.1f}" for found in (fresh, longest)] == ["88.9", "88.7"]
    assert longest.paired("test", last, {"teacher": "shipped", "epochs": 60, **own}, of=record).low > 0, "they go on"
    price = longest.mean("learning") + longest.mean("asking")
    assert f"{price / 1e9:,.0f}" == "3,539"


def test_what_a_teacher_costs():
    record, own = read("compute"), {"rates": "own"}

    def billions(key, teacher, epochs=60):
        return record.mean(key, teacher=teacher, epochs=epochs, **own) / 1e9

    student = billions("learning", "none")
    assert f"{student:.0f}" == "503" and f"{billions('asking', '30'):.0f}" == "470"
    assert f"{student + billions('asking', '30'):.0f}" == "972"
    assert [f"{billions('raising', name) / student:.0f}" for name in ("30", "shipped")] == ["21", "282"]
    assert f"{billions('raising', 'shipped') / billions('raising', '30'):.0f}" == "13"
    shared = [student + (billions("raising", "30") + billions("asking", "30")) / students for students in (20, 22)]
    assert [f"{price:,.0f}" for price in shared] == ["1,054", "1,004"], "with 22 the teacher is less than half"
    assert f"{billions('learning', 'none', 200):,.0f}" == "1,675"
    small = kd.evaluation.flops(kd.build("deep_cnn", width=16, seed=0), torch.zeros(1, 1, 28, 28))
    assert f"{60 * 8000 * small / 1e9:,.0f}" == "7,045", "answers anew in 60 epochs"
    assert round(kd.evaluation.flops(kd.load_teacher(), torch.zeros(1, 1, 28, 28)) / small) == 4


def test_answers_to_500_photographs_are_worth_nearly_2000_labels():
    record, counts, own = read("worth"), (250, 500, 1000, 2000, 4000, 8000), {"rates": "own"}

    def step(n):
        return contrast(record, "test", *({"source": source, "n": n} for source in ("teacher", "labels")))

    verdicts = [step(n).verdict for n in counts]
    assert verdicts == ["more"] * 5 + ["depends on the rates"], "at 8,000 it depends on the rates"
    labels = [record.mean("test", source="labels", n=n, **own) for n in counts]
    enough = worth(counts, labels, record.mean("test", source="teacher", n=500, **own))
    assert f"{enough:,.0f}" == "1,980"


def spoken(start, imitates, writer):
    return {"start": start, "imitates": imitates, "writer": writer}


def test_reverse_kl_fails_from_scratch_and_says_less_that_is_wrong_after_a_warm_up():
    speaking = read("speaking")
    ways = {start: [spoken(start, loss, "teacher") for loss in ("reverse", "between", "forward")]
            for start in ("from scratch", "warmed up")}  # fmt: skip
    for writer in ("teacher", "student"):
        early = [spoken("from scratch", loss, writer) for loss in ("reverse", "forward")]
        assert contrast(speaking, "valid", *early).verdict == "less"
        assert contrast(speaking, "nats", *early).verdict == "more"
    reverse, between, forward = ways["warmed up"]
    assert contrast(speaking, "valid", reverse, forward).verdict == "more"
    assert contrast(speaking, "valid", between, forward).verdict == "more"
    gains = [100 * contrast(speaking, "valid", one, forward).own.difference for one in (reverse, between)]
    assert [f"{gain:.1f}" for gain in gains] == ["3.2", "2.8"]
    recipes = [speaking.mean("valid", **spoken(*one, "teacher"), rates="own")
               for one in (("from scratch", "forward"), ("warmed up", "reverse"))]  # fmt: skip
    assert [f"{100 * valid:.1f}" for valid in recipes] == ["79.2", "80.8"]
    own = [spoken("warmed up", loss, "student") for loss in ("reverse", "forward")]
    price = contrast(speaking, "nats", *own)
    assert price.verdict == "more" and f"{price.own.difference:.3f}" == "0.029", "it pays with surprise"


def test_writing_cures_the_exposure_bias_and_brings_no_more_valid_sentences():
    speaking = read("speaking")
    steps = []
    for loss in ("forward", "between", "reverse"):
        step = contrast(speaking, "valid", *(spoken("warmed up", loss, who) for who in ("student", "teacher")))
        assert (step.verdict == "less") == (loss == "between"), "the others' are no more than noise"
        steps.append(-100 * step.own.difference)
    assert [f"{min(steps):.1f}", f"{max(steps):.1f}"] == ["0.9", "1.7"]
    early = [spoken("from scratch", "reverse", who) for who in ("student", "teacher")]
    assert contrast(speaking, "nats", *early).verdict == "less"
    behind = [spoken("from scratch", loss, "student") for loss in ("reverse", "forward")]
    assert contrast(speaking, "valid", *behind).own.difference < -0.05
    for loss in ("forward", "between", "reverse"):
        gaps = {}
        for who in ("teacher", "student"):
            one = {**spoken("warmed up", loss, who), "rates": "own"}
            gaps[who] = speaking.paired("apart_own", one, one, minus="apart_read")
        assert gaps["teacher"].resolved and gaps["teacher"].difference > 0, loss
        assert gaps["student"].difference < gaps["teacher"].difference
    one = {**spoken("warmed up", "forward", "student"), "rates": "own"}
    assert not speaking.paired("apart_own", one, one, minus="apart_read").resolved, "about as near on both"


def test_top_k_loses_the_rarest_bracket_and_draws_do_not():
    kept, own = read("kept"), {"rates": "own"}
    count = {name: kept.mean("rare", kept=name, **own) for name in ("everything", "top 2", "2 drawn", "top 4")}
    assert count["top 2"] < 0.35 * count["everything"]
    assert all(abs(count[name] / count["everything"] - 1) < 0.15 for name in ("2 drawn", "top 4"))
    assert contrast(kept, "nats", {"kept": "top 2"}, {"kept": "everything"}).verdict == "more"
    assert kept.mean("nats", kept="2 drawn", **own) - kept.mean("nats", kept="everything", **own) < 0.05
    assert abs(kept.mean("nats", kept="top 4", **own) - kept.mean("nats", kept="everything", **own)) < 0.01


def test_after_any_beginning_at_most_four_tokens_can_be_right():
    sentences = kd.language.brackets(3000, seed=0)
    after = {}
    for row in sentences.tolist():
        for end in range(3, row.index(kd.language.EOS) + 1):
            stack = []
            for one in row[1:end]:
                if one >= kd.language.CLOSE:
                    stack.pop()
                else:
                    stack.append(one)
            after.setdefault(tuple(stack), set()).add(row[end])
    assert max(map(len, after.values())) == 4


def test_a_student_of_the_likeliest_token_is_valid_and_says_little():
    kept, own = read("kept"), {"rates": "own"}
    assert kept.mean("valid", kept="top 1", **own) > 0.95, "nearly all; of the teacher's own the evidence prints 90 %"
    assert kept.mean("nats", kept="top 1", **own) > 2 * kept.mean("nats", kept="everything", **own)


def test_with_four_times_the_steps_the_writer_makes_no_difference():
    longer, steps = read("speaking_on"), 1600
    for loss, share in (("forward", 1.0), ("reverse", 0.5), ("reverse", 1.0)):
        sides = [{"steps": steps, "imitates": loss, "share": s} for s in (share, 0.0)]
        assert not contrast(longer, "valid", *sides).own.resolved, (loss, share)
    leads = {share: contrast(longer, "valid", *({"steps": steps, "imitates": loss, "share": share}
             for loss in ("reverse", "forward"))) for share in (0.0, 1.0)}  # fmt: skip
    assert not leads[0.0].own.resolved, "where the teacher writes the reverse KL's lead is lost in the noise"
    assert leads[1.0].verdict == "more"

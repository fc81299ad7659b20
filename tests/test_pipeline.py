"""The four steps, in small: every promise of the pipeline, and one whole run of the command at a tiny budget."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from sklearn.linear_model import LogisticRegression

import kdcourse as kd
from kdcourse import __main__, pipeline

from .conftest import ROOT, same


@pytest.fixture
def tiny(monkeypatch, small):
    """The same code at a tiny budget: 400 images, one epoch a phase, 20 generated images."""
    for name in ("SOURCE_EPOCHS", "REFINE_EPOCHS", "DISTIL_EPOCHS", "TUNE_EPOCHS"):
        monkeypatch.setattr(pipeline, name, 1)
    original = pipeline.synthesise
    monkeypatch.setattr(pipeline, "synthesise", lambda s, n, **k: original(s, 20, steps=5, confidence=0.0, **k))
    small.provenance = {"name": "fashion-mnist"}
    return small


def test_the_rules_of_thumb_are_measured(tiny):
    choice = pipeline.choose(tiny, seed=0)
    good, simple, same_data = choice.checks
    assert "linear" in good.measured
    assert simple.met
    assert same_data.met
    assert pipeline.parameter_count(choice.source) < pipeline.parameter_count(choice.target)
    reverse = pipeline.choose(tiny, direction="big-to-small")
    assert not reverse.checks[1].met, "the big source is not the simpler one, and the check says so"


def test_a_shifted_source_is_fine_tuned(tiny, monkeypatch):
    calls = []
    monkeypatch.setattr(kd.data, "shift", lambda *a, **k: {"accuracy": 0.9, "p": 1e-9})
    original = pipeline.train
    monkeypatch.setattr(pipeline, "train", lambda m, *a, **k: calls.append(k.get("lr")) or original(m, *a, **k))
    choice = pipeline.choose(tiny)
    assert not choice.checks[2].met
    assert calls[-1] == 5e-4


def test_the_four_steps_share_budget_and_start(tiny, monkeypatch, weights):
    steps, starts, alive = {}, {}, []  # a model that is gone could lend its id to the next
    for name in ("train", "distill"):
        original = getattr(pipeline, name)

        def watched(*args, original=original, **kwargs):
            model = args[1] if original.__name__ == "distill" else args[0]
            alive.append(model)
            starts.setdefault(id(model), weights(model))
            run = original(*args, **kwargs)
            steps.setdefault(id(model), []).append(len(run.history["loss"]) * run.config["steps"])
            return run

        monkeypatch.setattr(pipeline, name, watched)
    choice = pipeline.choose(tiny, labels=50)
    sets = pipeline.split(choice, tiny, labels=50, progress=False)
    assert len(sets.labelled) == 50
    assert int((sets.train.labels == -100).sum()) == 350
    assert sets.leaks == 0
    loss = pipeline.design(taylor=0.02, soft=1.0, labels=0.3)
    assert [(w, p.name) for w, p in loss.parts] == [(0.02, "layerwise"), (1.0, "soft_targets"), (0.3, "cross_entropy")]
    outcome = pipeline.distil(choice, sets, loss, regime="50 labels", progress=False)
    baseline = outcome.runs["labels only"].student
    assert sum(steps[id(outcome.target)]) == sum(steps[id(baseline)]) == outcome.notes["gradient steps"]
    assert same(starts[id(outcome.target)], starts[id(baseline)])
    assert same(starts[id(baseline)], weights(choice.target)), "the choice's own target stays untrained"
    assert sum(share for *_, share in outcome.shares) == pytest.approx(1)
    assert outcome.reports["distilled target"].agreement is not None
    assert set(outcome.reports) == {"source", "distilled target", "target, labels only"}


def test_each_arm_has_its_own_rates_and_test_images_are_not_read(tiny, monkeypatch):
    seen = []
    for name in ("train", "distill"):
        original = getattr(pipeline, name)
        monkeypatch.setattr(
            pipeline, name, lambda *a, f=original, **k: seen.append((k.get("lr"), k.get("weight_decay"))) or f(*a, **k)
        )
    choice = pipeline.choose(tiny)
    sets = pipeline.split(choice, tiny, progress=False)
    sets.test = None
    seen.clear()
    runs, notes = pipeline.fit(choice, sets, pipeline.design(), lr=3e-3, weight_decay=0.1, baseline_lr=4e-3, baseline_weight_decay=0.2, progress=False)  # fmt: skip
    _refined, distilled, tuned, alone, second = seen
    assert distilled == (3e-3, 0.1)
    assert tuned == (pipeline.TUNE_LR, 0.1)
    assert alone == (4e-3, 0.2)
    assert second == (pipeline.TUNE_LR, 0.2)
    for name, run in (("target", "distilled"), ("labels only", "labels only")):
        assert notes[f"{name} on validation"] == kd.evaluation.accuracy(runs[run].student, tiny.val)


def test_fine_tuning_and_refining_never_keep_the_worse_by_validation(tiny, monkeypatch):
    choice = pipeline.choose(tiny)
    sets = pipeline.split(choice, tiny, progress=False)
    before = kd.evaluation.accuracy(choice.source, tiny.val)

    def spoil(model, *args, **kwargs):
        with torch.no_grad():
            for p in model.parameters():
                p.zero_()

    monkeypatch.setattr(pipeline, "train", spoil)
    notes = pipeline._refine(choice, sets, {})
    assert notes["refined kept"] is False
    assert kd.evaluation.accuracy(choice.source, tiny.val) == before


def test_the_gap_recovered_is_burns_formula():
    def outcome(**scores):
        reports = {name: kd.evaluation.Report(1, accuracy=value) for name, value in scores.items()}
        return pipeline.Outcome("", None, None, {}, reports, None)

    every = outcome(**{"target, labels only": 0.9})
    few = outcome(**{"source": 0.6, "distilled target": 0.75})
    assert pipeline.performance_gap_recovered({"all": every, "few": few}) == pytest.approx(0.5)
    assert pipeline.performance_gap_recovered({"all": outcome(**{"target, labels only": 0.5}), "few": few}) is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_command_runs_both_regimes_and_freezes(tiny, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(kd.data, "split", lambda *a, **k: tiny)
    original = pipeline.in_new_process
    hashes = []
    monkeypatch.setattr(pipeline, "in_new_process", lambda paths: hashes.extend(original(paths)) or hashes)
    # the new process reads all 10,000 test images; so does the comparison here
    everything = kd.load().test
    monkeypatch.setattr(pipeline, "logits_hash", lambda m, part, f=pipeline.logits_hash: f(m, everything))
    outcomes = pipeline.run(labels=50, root=tmp_path, name="t", direction="big-to-small", progress=False)
    said = capsys.readouterr().out
    for text in (
        "Step 1",
        "Step 2",
        "Step 3",
        "Step 4",
        "performance gap recovered",
        "distilled target",
        "loss term layerwise",
    ):
        assert text in said
    assert max(len(line) for line in said.splitlines() if str(tmp_path) not in line) <= 100
    assert "        met: " in said and "Step 2  split: " in said
    assert all(o.notes["reloaded bit for bit"] is True for o in outcomes.values())
    folder = tmp_path / "t"
    assert (folder / "figure.png").read_bytes()[:4] == b"\x89PNG"
    report = json.loads((folder / "report.json").read_text())
    assert set(report) == {"all labels", "50 labels"}
    model = kd.load_frozen(folder / "all-labels-target", device="cpu")
    assert kd.evaluation.accuracy(model, tiny.test) == report["all labels"]["reports"]["distilled target"]["accuracy"]


def test_a_new_head_leaves_the_frozen_blocks_alone(small, teacher, weights):
    before = weights(teacher)
    score = pipeline.new_head(teacher, small.train, small.test)
    assert 0.3 < score <= 1
    assert same(before, weights(teacher))


@pytest.mark.filterwarnings("error")  # a regression that has not converged warns
def test_a_new_head_is_trained_to_its_end_on_untrained_layers_too():
    splits = kd.split(kd.load("fashion-mnist"), val=0.2, seed=0)
    some, model = splits.train.select(torch.arange(500)), kd.build("cnn", width=8, seed=0).eval()
    with torch.no_grad():
        x, v = (kd.models.features(model, p.images, ["block3"])["block3"].flatten(1) for p in (some, splits.test))
    groups, mean, std = torch.tensor(pipeline.GROUPS), x.mean(dim=0), x.std(dim=0, correction=0)
    std[std == 0] = 1.0
    head = LogisticRegression(C=0.01, max_iter=20_000, tol=1e-8).fit((x - mean) / std, groups[some.labels])
    expected = head.score((v - mean) / std, groups[splits.test.labels])
    assert pipeline.new_head(model, some, splits.test) == pytest.approx(expected, abs=0.002)
    assert expected > 0.9, (
        "four easy groups: random layers will do, and no claim may rest on a head that hardly trained"
    )


# ---------------------------------------------------------------- what Ctrl-C leaves


@pytest.fixture
def made(tiny, monkeypatch):
    """An outcome at next to no cost, and a pipeline whose regimes are such outcomes."""
    run = kd.train(kd.build("cnn", width=4), tiny, epochs=1, progress=False)
    loss = pipeline.design()

    def outcome(regime):
        source, target = (kd.build("cnn", width=w, seed=w) for w in (4, 8))
        checks = [pipeline.Check("good", "0.5", True)]
        choice = pipeline.Choice(source, target, "small-to-big", run, checks, 0)
        sets = pipeline.Sets(tiny.train, tiny.train, tiny.train, tiny.val, tiny.test, 0)
        distilled = kd.training.Run(target, loss, run.history, None, "epochs", 1.0, {})
        runs = {"distilled": distilled, "fine-tuned": run, "labels only": run}
        reports = {name: kd.evaluate(target, tiny.test, timed=False) for name in ("source", "distilled target", "target, labels only")}  # fmt: skip
        versus = kd.evaluation.compare([target], [source], tiny.test)
        return pipeline.Outcome(regime, choice, sets, runs, reports, versus, {"gradient steps": 3}, [("layerwise", 0.01, 1.0)])  # fmt: skip

    monkeypatch.setattr(kd.data, "split", lambda *a, **k: tiny)
    return outcome


def stop_at(regime, made):
    def make(name, *args):
        if name == regime:
            raise KeyboardInterrupt
        return made(name)

    return make


def test_a_finished_regime_is_saved_before_the_next_begins(made, monkeypatch, tmp_path, capsys):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "figure.png").write_bytes(b"an earlier run's")
    monkeypatch.setattr(pipeline, "_regime", stop_at("50 labels", made))
    with pytest.raises(kd.Interrupted, match=r"the pipeline was interrupted with all labels finished and saved below .*t \(report.json is marked as incomplete\); the same call starts anew") as caught:  # fmt: skip
        pipeline.run(labels=50, root=tmp_path, name="t", progress=False)
    folder = tmp_path / "t"
    assert sorted(p.name for p in folder.iterdir()) == ["all-labels-source", "all-labels-target", "report.json"]
    report = json.loads((folder / "report.json").read_text())
    assert report["incomplete"] == "the run has not come to its end; finished: all labels"
    (outcome,) = caught.value.outcomes.values()
    assert list(caught.value.outcomes) == ["all labels"]
    accuracy = outcome.reports["distilled target"].accuracy
    assert report["all labels"]["reports"]["distilled target"]["accuracy"] == accuracy
    model = kd.load_frozen(folder / "all-labels-target", device="cpu")
    assert kd.evaluation.accuracy(model, outcome.sets.test) == accuracy
    assert "Step 4d" not in capsys.readouterr().out


def test_the_command_says_in_one_line_what_ctrl_c_left(made, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "_regime", stop_at("50 labels", made))
    assert __main__.main(["pipeline", "--labels", "50", "--name", "t"]) == 130
    line = f"kdcourse: the pipeline was interrupted with all labels finished and saved below {Path('runs', 't')} (report.json is marked as incomplete); the same call starts anew.\n"
    assert capsys.readouterr().err == line
    monkeypatch.setattr(pipeline, "_regime", stop_at("all labels", made))
    assert __main__.main(["pipeline", "--labels", "50", "--name", "u"]) == 130
    assert "interrupted with no regime finished and nothing saved; the same" in capsys.readouterr().err
    assert not Path("runs", "u").exists()


def test_ctrl_c_while_reloading_keeps_the_mark_and_a_whole_run_has_none(made, monkeypatch, tmp_path):
    def stopped(paths):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "_regime", lambda name, *args: made(name))
    monkeypatch.setattr(pipeline, "in_new_process", stopped)
    with pytest.raises(kd.Interrupted, match="all labels and 50 labels finished and saved") as caught:
        pipeline.run(labels=50, root=tmp_path, name="t", progress=False)
    assert list(caught.value.outcomes) == ["all labels", "50 labels"]
    report = json.loads((tmp_path / "t" / "report.json").read_text())
    assert list(report) == ["incomplete", "all labels", "50 labels"]
    monkeypatch.setattr(pipeline, "in_new_process", lambda paths: ["0"] * len(paths))
    monkeypatch.setattr(pipeline, "new_head", lambda *args: 0.5)
    monkeypatch.setattr(pipeline, "_figure", lambda outcomes: Figure())
    outcomes = pipeline.run(labels=50, root=tmp_path, name="t", progress=False, say=lambda text: None)
    report = json.loads((tmp_path / "t" / "report.json").read_text())
    assert list(report) == ["all labels", "50 labels"]
    assert report["50 labels"]["notes"]["reloaded bit for bit"] is False
    assert [o.notes["new head, frozen blocks"] for o in outcomes.values()] == [0.5, 0.5]


def test_the_closing_leads_with_the_finding_and_fits_100_columns(made):
    outcomes = {name: made(name) for name in ("all labels", "500 labels")}
    for outcome, (low, high) in zip(outcomes.values(), ((0.01, 0.03), (-0.01, 0.03)), strict=True):
        outcome.versus_baseline = kd.evaluation.Difference(
            (low + high) / 2, low, high, [(low + high) / 2], kind="images"
        )
        outcome.notes |= {"new head, untrained blocks": 0.4123, "reloaded bit for bit": True}
    finding, table, facts = pipeline.closing(outcomes)
    lines = finding.splitlines()
    right = [outcomes["all labels"].reports[n].accuracy for n in ("distilled target", "target, labels only")]
    assert lines[1] == f"  all labels: distilled {right[0]:.1%}, labels alone {right[1]:.1%}: better by 2.0 points (+2.0 ± 1.0)"  # fmt: skip
    assert lines[2].endswith("no difference that we can measure (+1.0 ± 2.0)")
    assert max(len(line) for text in (finding, table, facts) for line in text.splitlines()) <= 100
    assert "distilled target" in table and "performance gap recovered" in facts


def test_a_warning_in_the_pipeline_is_a_sentence(made, monkeypatch, tmp_path):
    def regime(name, *args):
        warnings.warn("3 of 1000 images stayed below confidence 0.5 after 3 rounds", stacklevel=1)
        return made(name)

    monkeypatch.setattr(pipeline, "_regime", regime)
    monkeypatch.setattr(pipeline, "in_new_process", lambda paths: ["0"] * len(paths))
    monkeypatch.setattr(pipeline, "new_head", lambda *args: 0.5)
    monkeypatch.setattr(pipeline, "_figure", lambda outcomes: Figure())
    said, before = [], warnings.showwarning
    pipeline.run(labels=50, root=tmp_path, name="t", progress=False, say=said.append)
    assert "Note: 3 of 1000 images stayed below confidence 0.5 after 3 rounds." in said
    assert warnings.showwarning is before


class Figure:
    def save(self, path):
        path.write_bytes(b"")


def test_an_interrupted_training_is_handed_on(made, monkeypatch, tmp_path):
    inner = kd.Interrupted("stopped by you")
    inner.run = object()

    def make(*args):
        raise inner

    monkeypatch.setattr(pipeline, "_regime", make)
    with pytest.raises(kd.Interrupted) as caught:
        pipeline.run(root=tmp_path, labels=50)
    assert caught.value.run is inner.run
    assert caught.value.outcomes == {}
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- wrong arguments are named


def without(small, **parts):
    return kd.data.Splits(*(parts.get(name, getattr(small, name)) for name in ("train", "val", "test")))


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda s, c: pipeline.choose(s, direction="sideways"), ValueError, "direction must be one of big-to-small, small-to-big; got 'sideways'"),
    (lambda s, c: pipeline.choose(s, labels=7), ValueError, r"labels must be a multiple of 10 \(the classes\) and at most 400; got 7. The nearest that fits is 10"),
    (lambda s, c: pipeline.choose(s, labels=999), ValueError, r"labels must be a multiple of 10 \(the classes\) and at most 400; got 999. The nearest that fits is 400"),
    (lambda s, c: pipeline.choose(s, labels=396), ValueError, "got 396. The nearest that fits is 400"),
    (lambda s, c: pipeline.choose(s, labels="all"), ValueError, "labels must be a whole number above 0; got 'all'"),
    (lambda s, c: pipeline.choose(s, seed=-1), ValueError, "seed must be a whole number of at least 0; got -1"),
    (lambda s, c: pipeline.choose((s.train, s.val)), TypeError, r"splits must be what kd.split returns; got 'tuple'. Write kd.split\(kd.load\(\)\)"),
    (lambda s, c: pipeline.choose(without(s, val=s.val.select([]))), ValueError, "splits must have validation images; got no image"),
    (lambda s, c: pipeline.choose(without(s, train=kd.data.Part(torch.rand(20, 1, 8, 8), torch.arange(20) % 10))), ValueError, r"splits must hold images of 1 x 28 x 28, .* got \(1, 8, 8\)"),
    (lambda s, c: pipeline.split(c, without(s, test=None)), ValueError, "splits must have test images; got no image. Use the bundle"),
    (lambda s, c: pipeline.split(c, s, demonstration="many"), ValueError, "demonstration must be a whole number above 0; got 'many'"),
    (lambda s, c: pipeline.split(c, s, demonstration=0), ValueError, "demonstration must be a whole number above 0; got 0"),
    (lambda s, c: pipeline.split(c, s, labels=15), ValueError, "labels must be a multiple of 10 .* got 15. The nearest that fits is 20"),
    (lambda s, c: pipeline.split(c.source, s), TypeError, r"choice must be a Choice of kdcourse.pipeline; got 'Blocks'. Write choose\(splits\)"),
    (lambda s, c: pipeline.design(taylor="much"), ValueError, "taylor must be a finite number of at least 0; got 'much'"),
    (lambda s, c: pipeline.design(temperature=0), ValueError, "temperature must be a finite number above 0; got 0"),
    (lambda s, c: pipeline.fit(c, s, pipeline.design()), TypeError, r"sets must be a Sets of kdcourse.pipeline; got 'Splits'. Write split\(choice, splits\)"),
    (lambda s, c: pipeline.fit(c, sets(s), pipeline.design(), baseline_lr=0), ValueError, "baseline_lr must be a finite number above 0; got 0"),
    (lambda s, c: pipeline.fit(c, sets(s), pipeline.design(), baseline_weight_decay=-1), ValueError, "baseline_weight_decay must be a finite number of at least 0; got -1"),
    (lambda s, c: pipeline.fit(c, sets(s), 3), TypeError, "loss must be a Loss or a callable"),
    (lambda s, c: pipeline.distil(c, sets(s, test=None), pipeline.design()), ValueError, r"sets must have test images; got no image. Make them with split\(choice, splits\)"),
    (lambda s, c: pipeline.shares(c), TypeError, "run must be a Run of kdcourse.pipeline; got 'Choice'"),
    (lambda s, c: pipeline.shares(c.source_run, 3), ValueError, "epoch must be the number of one of the run's 1 epochs; got 3. Count from 0"),
])  # fmt: skip
def test_the_steps_name_the_argument_that_is_wrong(small, call, error, text):
    run = kd.training.Run(None, pipeline.design(), {"loss": [1.0]}, None, "epochs", 1.0, {})
    choice = pipeline.Choice(kd.build("cnn", width=4), kd.build("cnn", width=4), "small-to-big", run, [], 0)
    with pytest.raises(error, match=text):
        call(small, choice)


def sets(small, **parts):
    test = parts.get("test", small.test)
    return pipeline.Sets(small.train, small.train, small.train, small.val, test, 0)


@pytest.mark.parametrize("name", ["../../etc", "/etc", "a/b", "a\\b", "", " ", ".", "..", "C:", "a\n", "x ", None, 7])
def test_a_name_is_a_plain_folder_name(tmp_path, name):
    with pytest.raises(ValueError, match=r"name must be a plain folder name; got .* Write my-run, say; the folder lies below runs/"):  # fmt: skip
        pipeline.run(root=tmp_path / "deep" / "down", name=name)
    assert not list(tmp_path.iterdir())


def test_progress_false_shows_no_bar_in_any_step(tiny, monkeypatch):
    shown = []
    for name in ("train", "distill"):
        original = getattr(pipeline, name)
        monkeypatch.setattr(pipeline, name, lambda *a, f=original, **k: shown.append(k.get("progress", True)) or f(*a, **k))  # fmt: skip
    pipeline.choose(tiny, progress=False)
    assert shown == [False, False]


# ---------------------------------------------------------------- profiles


def idx(path, values):
    """Write bytes as a genuine IDX file."""
    head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    path.write_bytes(head + values.astype("uint8").tobytes())


def test_the_profile_is_read_in_one_place(monkeypatch):
    monkeypatch.delenv("KDCOURSE_PROFILE", raising=False)
    quick = kd.profile()
    assert (quick.name, quick.full, quick.images, quick.epochs, quick.precision) == (
        "quick",
        False,
        10_000,
        1,
        "float32",
    )
    monkeypatch.setenv("KDCOURSE_PROFILE", "full")
    full = kd.profile()
    assert full.full
    assert full.images == 60_000
    assert full.epochs > quick.epochs
    monkeypatch.setenv("KDCOURSE_PROFILE", "huge")
    with pytest.raises(ValueError, match="KDCOURSE_PROFILE must be one of full, quick; got 'huge'"):
        kd.profile()
    readers = [p for p in (ROOT / "kdcourse").rglob("*.py") if "KDCOURSE_PROFILE" in p.read_text()]
    names = ["__main__.py", "_profile.py", "rows.py"]
    assert sorted(p.name for p in readers) == names, "the command sets it, one reads it, one names it in an error"
    assert 'environ |= {"KDCOURSE_PROFILE"' in (ROOT / "kdcourse/__main__.py").read_text()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*below confidence")
def test_the_pipeline_runs_in_a_tiny_full_profile(monkeypatch, small, tmp_path):
    """Whole sets are read from KDCOURSE_DATA, and a training takes as many times as long as the profile says."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, part in (("train", small.train), ("t10k", small.test)):
        idx(folder / f"{name}-images-idx3-ubyte", (255 * part.images[:, 0]).round().numpy())
        idx(folder / f"{name}-labels-idx1-ubyte", part.labels.numpy())
    monkeypatch.setenv("KDCOURSE_PROFILE", "full")
    monkeypatch.setenv("KDCOURSE_DATA", str(folder))
    for name in ("SOURCE_EPOCHS", "REFINE_EPOCHS", "DISTIL_EPOCHS", "TUNE_EPOCHS"):
        monkeypatch.setattr(pipeline, name, 1)
    original = pipeline.synthesise
    monkeypatch.setattr(pipeline, "synthesise", lambda s, n, **k: original(s, 20, steps=5, confidence=0.0, **k))
    said = []
    outcomes = pipeline.run(labels=50, root=tmp_path / "runs", progress=False, say=said.append)
    for outcome in outcomes.values():
        assert len(outcome.sets.test) == 300
        assert len(outcome.sets.train) == 320
        assert len(outcome.runs["distilled"].history["loss"]) == kd.profile().epochs
        assert outcome.runs["distilled"].config["precision"] == kd.profile().precision
        assert outcome.notes["reloaded bit for bit"] is True

"""The four steps, in small: every promise of the pipeline, and one whole run of the command at a tiny budget."""

import json

import pytest
import torch

import kdcourse as kd
from kdcourse import __main__, pipeline

from .conftest import same


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
    steps, starts = {}, {}
    for name in ("train", "distill"):
        original = getattr(pipeline, name)

        def watched(*args, original=original, **kwargs):
            model = args[1] if original.__name__ == "distill" else args[0]
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


def test_the_command_refuses_bad_input_before_any_work(capsys, tmp_path):
    assert __main__.main(["pipeline", "--labels", "501", "--name", "x"]) == 2
    assert "n must be a multiple of 10" in capsys.readouterr().err
    with pytest.raises(ValueError, match="direction must be one of big-to-small, small-to-big; got 'sideways'"):
        pipeline.run(direction="sideways", root=tmp_path)
    assert not list(tmp_path.iterdir())
    assert __main__.main(["predict", str(tmp_path)]) == 2
    assert "path must hold model.safetensors" in capsys.readouterr().err


def test_doctor_says_what_is_there_and_what_is_missing(capsys, monkeypatch):
    assert __main__.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "torch 2" in out
    assert "device:" in out
    monkeypatch.setattr(__main__, "NEEDED", ("torch", "no-such-package"))
    assert __main__.main(["doctor"]) == 1
    assert 'no-such-package MISSING: pip install "no-such-package"' in capsys.readouterr().out

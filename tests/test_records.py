"""Recorded experiments and rulings: rows are rebuilt, read, refused where stale, and compared with a live row."""

import json
import re

import pytest
import torch

import kdcourse as kd
from kdcourse import records

SCALE = 2


def helper(x):
    return SCALE * x


def measured(seed, factor):
    curve = [seed]
    curve.append(factor)
    return {"score": helper(factor) + 0.1 * seed, "curve": curve}


SETTINGS = [{"factor": 1}, {"factor": 3}]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of notebooks of its own, with two claims."""
    text = '[[claim]]\nrow = 1\nclaim = "one"\nevidence = ["cost"]\n[[claim]]\nrow = 2\nclaim = "two"\nevidence = ["leak", "sets"]\n'
    (tmp_path / "claims.toml").write_text(text)
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KDCOURSE_RECORDS", raising=False)
    return tmp_path


@pytest.fixture
def rebuilt(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_RECORDS", "rebuild")
    records.experiment("score", measured, settings=SETTINGS, seeds=[0, 1, 2])
    monkeypatch.delenv("KDCOURSE_RECORDS")
    return place / "results/score.json"


def read(**options):
    return records.experiment("score", measured, **{"settings": SETTINGS, "seeds": [0, 1, 2], **options})


def test_rebuilding_runs_every_setting_with_every_seed(rebuilt):
    saved = json.loads(rebuilt.read_text())
    assert [(row["factor"], row["seed"]) for row in saved["rows"]] == [(f, s) for f in (1, 3) for s in range(3)]
    assert saved["rows"][4] == {
        "factor": 3,
        "seed": 1,
        "score": 6.1,
        "curve": [1, 3],
        "seconds": pytest.approx(0, abs=1),
    }
    assert {"python", "torch"} == set(saved["versions"])
    assert not rebuilt.with_suffix(".partial").exists()


def test_reading_runs_the_live_row_and_no_other(rebuilt, monkeypatch):
    ran = []
    monkeypatch.setattr(records, "_run", lambda function, setting: ran.append(setting) or {"score": 6.11, "curve": []})
    record = read(live={"factor": 3, "seed": 1}, tolerance={"score": 0.02})
    assert ran == [{"factor": 3, "seed": 1}]
    assert record.live["score"] == 6.11
    assert read().live is None


def test_live_may_name_a_setting_by_a_part_of_it(place, monkeypatch):
    def scaled(seed, arm, factor):
        return {"score": factor}

    settings = [{"arm": "x", "factor": 2}, {"arm": "y", "factor": 5}]
    monkeypatch.setenv("KDCOURSE_RECORDS", "rebuild")
    records.experiment("scaled", scaled, settings=settings, seeds=[0])
    monkeypatch.delenv("KDCOURSE_RECORDS")
    options = {"settings": settings, "seeds": [0], "tolerance": {"score": 0}}
    record = records.experiment("scaled", scaled, live={"arm": "y", "seed": 0}, **options)
    assert record.live == {"arm": "y", "factor": 5, "seed": 0, "score": 5}
    for live in ({"seed": 0}, {"arm": "z", "seed": 0}, {"arm": "y", "seed": 3}):
        with pytest.raises(ValueError, match="live must name one setting and one seed"):
            records.experiment("scaled", scaled, live=live, **options)


def test_a_live_row_out_of_tolerance_is_refused(rebuilt, monkeypatch):
    monkeypatch.setattr(records, "_run", lambda function, setting: {"score": 6.2})
    with pytest.raises(AssertionError, match=r"score: score came out as 6.2 here and was recorded as 6.1; .* by 0.02"):
        read(live={"factor": 3, "seed": 1}, tolerance={"score": 0.02})


def test_a_missing_or_stale_file_names_the_remedy(rebuilt):
    with pytest.raises(RuntimeError, match="score: the function or its settings changed .* Run make experiments"):
        read(seeds=[0, 1])
    rebuilt.unlink()
    with pytest.raises(RuntimeError, match="score has no recorded rows .* Run make experiments"):
        read()


def test_the_fingerprint_follows_functions_and_constants_but_not_comments(monkeypatch):
    before = records.fingerprint(measured, SETTINGS, [0])
    assert records.fingerprint(measured, SETTINGS, [1]) != before
    assert records.fingerprint(measured, [{"factor": 2}], [0]) != before
    monkeypatch.setitem(globals(), "SCALE", 3)
    assert records.fingerprint(measured, SETTINGS, [0]) != before
    monkeypatch.undo()
    assert records._bare("def f(x):\n    # a remark\n    return  x\n") == records._bare("def f(x):\n\n    return x\n")
    assert records._bare("def f(x):\n    return x\n") != records._bare("def f(x):\n    return -x\n")
    monkeypatch.setitem(globals(), "append", "an attribute's name, not a global that is read")
    seen = {}
    records._follow(measured, seen)
    assert set(seen) == {"measured", "helper", "SCALE"}


def test_an_interrupted_rebuild_goes_on_where_it_stopped(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_RECORDS", "rebuild")
    ran = []

    def stop(function, setting):
        ran.append(setting)
        if len(ran) == 3:
            raise KeyboardInterrupt
        return {"score": float(len(ran))}

    monkeypatch.setattr(records, "_run", stop)
    with pytest.raises(KeyboardInterrupt):
        records.experiment("score", measured, settings=SETTINGS, seeds=[0, 1, 2])
    record = records.experiment("score", measured, settings=SETTINGS, seeds=[0, 1, 2])
    assert [row["score"] for row in record.rows] == [1, 2, 4, 5, 6, 7]
    assert len(ran) == 7, "the two finished rows are not run twice"


def test_the_rows_of_another_experiment_are_not_resumed(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_RECORDS", "rebuild")
    (place / "results/score.partial").write_text('another hash\n{"factor": 1, "seed": 0, "score": 99, "seconds": 1}\n')
    record = records.experiment("score", measured, settings=SETTINGS, seeds=[0])
    assert record.values("score") == pytest.approx([2, 6])


def test_values_means_and_paired_differences_go_by_seed():
    rows = [{"arm": a, "seed": s, "v": v} for a, s, v in [("x", 1, 0.5), ("x", 0, 0.3), ("y", 0, 0.2), ("y", 1, 0.1)]]
    record = records.Record("t", rows, 1.0, {})
    assert record.values("v", arm="x") == [0.3, 0.5]
    assert record.mean("v", arm="y") == pytest.approx(0.15)
    paired = record.paired("v", {"arm": "x"}, {"arm": "y"})
    assert paired.per_seed == pytest.approx([0.1, 0.4])
    assert paired.interval == pytest.approx(kd.evaluation.t_interval([0.1, 0.4]))
    assert not paired.resolved
    assert paired.text() == "≈ +25.00 [≈ -165.59, ≈ +215.59], not resolved"
    with pytest.raises(ValueError, match="setting must be one of t's; got .*'z'.*A row has: arm, seed, v"):
        record.where(arm="z")


def answered(seed, skill):
    """Of 1,000 questions the first 10 * skill are answered right, and with an odd seed ten more."""
    return {"test": torch.arange(1000) < 10 * skill + 10 * (seed % 2)}


def test_every_images_answer_is_recorded_beside_the_mean(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_RECORDS", "rebuild")
    settings, seeds = [{"skill": 60}, {"skill": 61}, {"skill": 80}], [0, 1, 2, 3]
    record = records.experiment("answers", answered, settings=settings, seeds=seeds)
    assert record.values("test", skill=60) == pytest.approx([0.6, 0.61, 0.6, 0.61])
    again = json.loads((place / "results/answers.json").read_text())["rows"]
    record = records.Record("answers", again[::-1], 1.0, {})
    each = record.each("test", skill=60)
    assert [int(row.sum()) for row in each] == [600, 610, 600, 610], "seed by seed, however the rows lie"
    assert each[1][:610].all()
    assert len(each[1]) == 1000
    assert record.each("skill") is None


def test_a_difference_of_recorded_answers_has_two_intervals(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_RECORDS", "rebuild")
    settings, seeds = [{"skill": 60}, {"skill": 61}, {"skill": 80}], [0, 1, 2, 3]
    record = records.experiment("answers", answered, settings=settings, seeds=seeds)
    far = record.paired("test", {"skill": 80}, {"skill": 60})
    error = 1.96 * (0.2 * 0.8 / 1000) ** 0.5
    assert far.interval == pytest.approx((0.2, 0.2)), "the seeds' luck is shared, and cancels"
    assert far.over_images == pytest.approx((0.2 - error, 0.2 + error), abs=0.004)
    assert (far.low, far.high) == far.over_images
    assert far.resolved
    assert far.text().startswith("≈ +20.00 [≈ +20.00, ≈ +20.00] seeds, [≈ +17.")
    near = record.paired("test", {"skill": 61}, {"skill": 60})
    assert near.low > 0, "each of the two alone leaves out zero"
    few = records.Record("few", [row for row in record.rows if row["seed"] < 2], 1.0, {})
    half = [records.Record("half", [{**r, "skill": 1} for r in rows], 1.0, {}) for rows in (few.where(skill=61), few.where(skill=60))]  # fmt: skip
    assert half[0].paired("test", {"skill": 1}, {"skill": 1}, of=half[1]).difference == pytest.approx(0.01)


def test_a_difference_is_resolved_only_where_both_intervals_leave_out_zero():
    for over_seeds, over_images, resolved in [
        ((1, 2), (1, 3), True),
        ((1, 2), (-1, 3), False),
        ((-1, 2), (1, 3), False),
    ]:
        found = records.Paired(1.5, over_seeds, [1, 2], over_images)
        assert found.resolved == resolved
        assert found.text().endswith("not resolved") != resolved
    assert (found.low, found.high) == (-1, 3)


def test_a_tables_lines_break_beside_an_interval_not_inside():
    shown = kd.plots.Table(["<arm>", "points"], [["x", "+1 [+0, +2] seeds, [-1, +3] images, not resolved"]])
    whole = [
        re.sub(r"<[^>]*>", "", part) for part in re.findall(r"<span[^>]*nowrap[^>]*>.*?</span>", shown._repr_html_())
    ]
    assert whole == ["[+0, +2] seeds", "[-1, +3] images", "not resolved"]
    assert "&lt;arm&gt;" in shown._repr_html_()
    assert "<span" not in str(shown)


def test_only_right_or_wrong_can_be_recorded_image_by_image(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_RECORDS", "rebuild")
    with pytest.raises(ValueError, match=r"be a row of bool, right or wrong; got torch.float32 of shape \(2, 3\)"):
        records.experiment("wrong", unfit, settings=[{}], seeds=[0])


def unfit(seed):
    return {"test": torch.zeros(2, 3)}


def test_best_takes_the_highest_mean_of_each_group():
    rows = [
        {"arm": a, "lr": lr, "seed": s, "v": v}
        for a, lr, s, v in [
            ("x", 1, 0, 0.9),
            ("x", 1, 1, 0.1),
            ("x", 2, 0, 0.6),
            ("x", 2, 1, 0.6),
            ("y", 1, 0, 0.3),
            ("y", 2, 0, 0.2),
        ]
    ]
    record = records.Record("t", rows, 1.0, {})
    assert record.best("v", by="arm", names=["lr"]) == [{"arm": "x", "lr": 2}, {"arm": "y", "lr": 1}]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {"name": "01_score"},
            ValueError,
            "name must be a slug: small letters, digits and _.*; got '01_score'. Write few_",
        ),
        ({"name": "Score"}, ValueError, "a letter first, not ending in _claims; got 'Score'"),
        ({"name": "cost_claims"}, ValueError, "not ending in _claims; got 'cost_claims'"),
        ({"live": {"factor": 1, "seed": 0}}, ValueError, "live and tolerance must be given together"),
        ({"function": len}, TypeError, "function must be a plain function; got 'builtin_function_or_method'"),
    ],
)
def test_wrong_arguments_are_named(place, options, error, text):
    call = {"name": "score", "function": measured, "settings": SETTINGS, "seeds": [0], **options}
    with pytest.raises(error, match=text):
        records.experiment(call.pop("name"), call.pop("function"), **call)


# ---------------------------------------------------------------- rulings


def rule(row=1, evidence="cost", verdict="held", measured="≈ 3"):
    return records.rule(row, evidence=evidence, measured=measured, verdict=verdict, field="does so", source="Who 2020")


def test_a_ruling_is_shown_and_written(place):
    ruling = rule()
    rule(2, "leak", "failed")
    saved = json.loads((place / "results/cost_claims.json").read_text())
    assert saved == [{"row": 1, "measured": "≈ 3", "verdict": "held", "field": "does so", "source": "Who 2020"}]
    assert (place / "results/leak_claims.json").exists()
    for part in ("one", "≈ 3", "held", "does so (Who 2020)"):
        assert part in repr(ruling)
        assert part in ruling._repr_html_()


def test_ruling_again_replaces_and_sorts(place):
    (place / "claims.toml").write_text((place / "claims.toml").read_text().replace('"leak", "sets"', '"cost"'))
    rule(2, verdict="failed")
    rule(1)
    rule(2, verdict="unclear")
    saved = json.loads((place / "results/cost_claims.json").read_text())
    assert [(r["row"], r["verdict"]) for r in saved] == [(1, "held"), (2, "unclear")]


def test_checking_writes_nothing_and_refuses_another_verdict(place, monkeypatch):
    rule()
    before = (place / "results/cost_claims.json").read_text()
    monkeypatch.setenv("KDCOURSE_RECORDS", "check")
    rule(measured="≈ 4")
    assert (place / "results/cost_claims.json").read_text() == before
    with pytest.raises(AssertionError, match=r"row 1: failed here, \['held'\] on record"):
        rule(verdict="failed")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"row": 9}, "row must be one of 1 to 2; got 9"),
        ({"row": 2, "evidence": "cost"}, "evidence must be one that rules on row 2: leak, sets; got 'cost'"),
        ({"verdict": "true"}, "verdict must be one of failed, held, unclear; got 'true'"),
    ],
)
def test_wrong_rulings_are_named(place, options, text):
    with pytest.raises(ValueError, match=text):
        rule(**options)


def test_html_is_escaped(place):
    assert "&lt;b&gt;" in rule(measured="<b>")._repr_html_()


def test_an_unknown_mode_is_named(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_RECORDS", "write")
    with pytest.raises(ValueError, match="KDCOURSE_RECORDS must be one of check, read, rebuild; got 'write'"):
        rule()

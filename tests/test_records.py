"""Records that cannot lie: what made a row, staleness, tampering, renewing, live rows, rulings."""

import json
import os
import re
import subprocess

import numpy as np
import pytest
import torch
from torch import nn

import kdcourse as kd
from kdcourse import records
from kdcourse.records import experiments, provenance, store

SCALE, TABLE = 2, {"rate": 0.1}
MODEL = nn.Linear(2, 1)
SPLITS = kd.data.Splits(
    kd.data.Part(torch.zeros(3, 1, 2, 2), torch.arange(3)), kd.data.Part(torch.ones(2, 1, 2, 2)), None
)


class Answers:
    """A class of the notebook's."""

    def of(self, x):
        return x


def helper(x):
    return SCALE * Answers().of(x)


def measured(seed, arm, factor):
    """Says that it ran."""
    kd.data.flip_shift(torch.zeros(1, 1, 4, 4))
    return {"score": helper(factor) + 0.1 * seed, "curve": [seed, factor], "kept": bool(seed % 2)}


SETTINGS = [{"arm": "x", "factor": 1}, {"arm": "y", "factor": 3}]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of notebooks of its own, with two claims."""
    text = '[[claim]]\nrow = 1\nclaim = "one"\nevidence = ["here"]\n'
    text += (
        '[[claim]]\nrow = 2\nclaim = "two"\nevidence = ["there", "elsewhere"]\nparts = { a = "first", b = "second" }\n'
    )
    (tmp_path / "claims.toml").write_text(text)
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("KDCOURSE_RECORDS", "KDCOURSE_LIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(experiments, "OPEN", {})
    return tmp_path


def ask(mode="read", function=measured, monkeypatch=None, **options):
    before = os.environ.get("KDCOURSE_RECORDS")
    os.environ["KDCOURSE_RECORDS"] = mode
    try:
        return records.experiment("score", function, **{"settings": SETTINGS, "seeds": [0, 1, 2], **options})
    finally:
        os.environ.pop("KDCOURSE_RECORDS")
        if before is not None:
            os.environ["KDCOURSE_RECORDS"] = before


@pytest.fixture
def rebuilt(place):
    ask("rebuild")
    return place / "results/score.json"


def change(path, edit):
    saved = json.loads(path.read_text())
    edit(saved)
    path.write_text(json.dumps(saved))


# ---------------------------------------------------------------- rows and what made them


def test_rebuilding_runs_every_setting_with_every_seed(rebuilt):
    saved = json.loads(rebuilt.read_text())
    assert [(row["arm"], row["seed"]) for row in saved["rows"]] == [(a, s) for a in "xy" for s in range(3)]
    row = saved["rows"][4]
    assert {k: row[k] for k in ("arm", "factor", "seed", "score", "curve", "kept", "by")} == {
        "arm": "y", "factor": 3, "seed": 1, "score": 6.1, "curve": [1, 3], "kept": True, "by": 0}  # fmt: skip
    assert not rebuilt.with_suffix(".partial").exists()


def test_a_row_names_processor_code_constants_data_and_assets(rebuilt):
    (made,) = json.loads(rebuilt.read_text())["made"]
    assert {k: made[k] for k in ("processor", "instructions", "torch")} == {
        k: provenance.machine()[k] for k in ("processor", "instructions", "torch")
    }
    assert made["threads"] == 1
    names = set(made["hashes"])
    assert {"notebook:measured", "notebook:helper", "notebook:SCALE", "notebook:Answers"} <= names
    assert "ran:kdcourse.data.batching:flip_shift" in names
    assert {"asset:bundle", "asset:teacher"} <= names
    assert not [name for name in names if "records" in name]


def test_rows_run_inside_one_thread(place):
    def threads(seed, arm, factor):
        return {"threads": torch.get_num_threads()}

    torch.set_num_threads(2)
    try:
        record = ask("rebuild", threads)
        assert record.values("threads", arm="x") == [1, 1, 1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_what_ran_is_traced_whatever_called_it_and_the_hook_is_given_back():
    import sys

    before = sys.getprofile()
    with provenance.Tracer() as tracer:
        kd.build("linear", seed=3)
    assert {"kdcourse.models:build", "kdcourse.models:_linear", "kdcourse.models:Normalise.__init__"} <= tracer.names
    assert "kdcourse.models:_cnn" not in tracer.names
    assert sys.getprofile() is before


def test_reading_a_record_trains_nothing(rebuilt, monkeypatch):
    monkeypatch.setattr(experiments, "run_row", lambda *a: pytest.fail("nothing is run"))
    assert ask().mean("score", arm="y") == pytest.approx(6.1)
    assert records.read("score").values("curve", arm="x") == [[0, 1], [1, 1], [2, 1]]


@pytest.mark.parametrize(("name", "value", "told"), [
    ("SCALE", 3, "notebook:SCALE"),
    ("helper", lambda x: x, "notebook:helper"),
])  # fmt: skip
def test_a_changed_global_makes_the_record_stale(rebuilt, monkeypatch, name, value, told):
    monkeypatch.setitem(globals(), name, value)
    with pytest.raises(RuntimeError, match=f"score is stale: .*{told}.*Run make experiments"):
        ask()


def test_changed_settings_or_seeds_make_the_record_stale(rebuilt):
    for options in ({"seeds": [0, 1]}, {"settings": SETTINGS[:1]}, {"settings": SETTINGS[::-1]}):
        with pytest.raises(RuntimeError, match="score is stale: settings or seeds changed"):
            ask(**options)


def test_a_missing_file_names_the_remedy(place):
    with pytest.raises(RuntimeError, match="score has no recorded rows .* Run make experiments"):
        ask()
    with pytest.raises(RuntimeError, match="cost has no recorded rows"):
        records.read("cost")


def test_globals_are_hashed_by_what_they_hold():
    same = kd.data.Splits(
        kd.data.Part(torch.zeros(3, 1, 2, 2), torch.arange(3)), kd.data.Part(torch.ones(2, 1, 2, 2)), None
    )
    held = provenance._held
    assert held("s", SPLITS) == held("s", same)
    other = kd.data.Splits(same.train.select([0, 2, 1]), same.val, None)
    assert held("s", SPLITS) != held("s", other)
    torch.manual_seed(0)
    assert held("m", MODEL) != held("m", nn.Linear(2, 1))
    assert held("d", {"b": 1, "a": {2, 1}}) == held("d", {"a": {1, 2}, "b": 1})
    assert held("d", {"a": 1}) != held("d", {"a": 1.0})
    assert held("n", np.arange(3)) != held("n", np.arange(4))


def test_a_global_that_cannot_be_hashed_is_refused(place, monkeypatch):
    def odd(seed, arm, factor):
        return {"x": len(str(ODD))}  # noqa: F821

    monkeypatch.setitem(globals(), "ODD", object())
    with pytest.raises(TypeError, match="the global ODD must be of a kind that can be hashed; got 'object'"):
        ask("rebuild", odd)


def test_docstrings_comments_and_annotations_do_not_count():
    one = provenance.bare(
        "def f(x: int, *, t: float = 1.0) -> int:\n    'doc'\n    # a remark\n    y: int = x\n    return y"
    )
    assert one == provenance.bare("def f(x, *, t=1.0):\n    y = x\n    return y")
    for other in ("def f(x, *, t=2.0):\n    y = x\n    return y", "def f(x, *, t=1.0):\n    y = -x\n    return y"):
        assert one != provenance.bare(other)
    assert provenance.bare("class A:\n    'doc'\n    b = 1") != provenance.bare("class A:\n    b = 2")


def test_constants_inside_containers_of_classes_count():
    name = "kdcourse._settings:OPTIMIZERS"
    before = provenance._constant(name)
    from kdcourse import _settings

    old = _settings.OPTIMIZERS["adamw"]
    _settings.OPTIMIZERS["adamw"] = (old[0], {**old[1], "lr": 1e-3})
    try:
        assert provenance._constant(name) != before
    finally:
        _settings.OPTIMIZERS["adamw"] = old
    assert provenance._constant(name) == before
    read = provenance._code("kdcourse._settings:make_optimizer")[1]
    assert name in read


# ---------------------------------------------------------------- tampering


def test_a_number_that_was_moved_is_noticed(rebuilt):
    change(rebuilt, lambda saved: saved["rows"][2].update(score=saved["rows"][2]["score"] + 0.004))
    for reading in (ask, lambda: records.read("score")):
        with pytest.raises(RuntimeError, match="score: its rows are not those that were recorded"):
            reading()


def answered(seed, skill):
    """Of 1,000 questions the first 10 * skill are answered right, and with an odd seed ten more."""
    return {"test": torch.arange(1000) < 10 * skill + 10 * (seed % 2)}


def answers(seeds=(0, 1, 2, 3, 4), skills=(60, 61, 80)):
    os.environ["KDCOURSE_RECORDS"] = "rebuild"
    try:
        return records.experiment("answers", answered, settings=[{"skill": s} for s in skills], seeds=list(seeds))
    finally:
        os.environ.pop("KDCOURSE_RECORDS")


def test_a_mean_that_contradicts_its_own_bits_is_noticed_even_with_a_new_digest(place):
    answers()

    def edit(saved):
        saved["rows"][0]["test"] += 0.01
        saved["digest"] = store.Record("answers", saved["rows"]).digest

    change(place / "results/answers.json", edit)
    with pytest.raises(RuntimeError, match="answers: test of seed 0 is not the mean of its own bits, 0.6000"):
        records.read("answers")


def test_a_file_under_another_name_is_noticed(rebuilt):
    rebuilt.rename(rebuilt.with_name("other.json"))
    with pytest.raises(RuntimeError, match="other.json holds the record score"):
        records.read("other")


# ---------------------------------------------------------------- make experiments


def test_an_interrupted_rebuild_goes_on_where_it_stopped(place, monkeypatch):
    ran, original = [], experiments.run_row

    def stop(function, setting):
        ran.append(setting)
        if len(ran) == 3:
            raise KeyboardInterrupt
        return original(function, setting)

    monkeypatch.setattr(experiments, "run_row", stop)
    with pytest.raises(KeyboardInterrupt):
        ask("rebuild")
    assert [row["score"] for row in ask("rebuild").rows] == pytest.approx([2, 2.1, 2.2, 6, 6.1, 6.2])
    assert len(ran) == 7, "the two finished rows are not run twice"


def test_the_rows_of_another_source_are_not_resumed(place):
    (place / "results/score.partial").write_text('another signature\n{"row": {"score": 99}, "made": {}}\n')
    assert ask("rebuild").values("score", arm="x") == pytest.approx([2, 2.1, 2.2])


def counted(monkeypatch):
    ran, original = [], experiments.run_row
    monkeypatch.setattr(experiments, "run_row", lambda f, s: ran.append((s["arm"], s["seed"])) or original(f, s))
    return ran


def test_new_settings_and_seeds_run_alone(rebuilt, monkeypatch):
    ran = counted(monkeypatch)
    record = ask("rebuild", settings=[*SETTINGS, {"arm": "z", "factor": 5}], seeds=[0, 1, 2, 3])
    assert sorted(ran) == [("x", 3), ("y", 3), ("z", 0), ("z", 1), ("z", 2), ("z", 3)]
    assert len(record.rows) == 12


def test_a_change_that_changes_nothing_renews_the_hashes_by_one_row_a_method(rebuilt, monkeypatch, capsys):
    ran = counted(monkeypatch)

    def same(x):
        return Answers().of(x) * SCALE

    same.__qualname__ = same.__name__ = "helper"
    monkeypatch.setitem(globals(), "helper", same)
    before = json.loads(rebuilt.read_text())
    record = ask("rebuild")
    assert len(ran) == 2
    assert {arm for arm, _ in ran} == {"x", "y"}
    after = json.loads(rebuilt.read_text())
    assert [r["score"] for r in after["rows"]] == [r["score"] for r in before["rows"]]
    assert len(after["made"]) == 1
    assert after["made"][0]["renewed"]["equal"] == "to the bit"
    assert after["made"][0]["hashes"]["notebook:helper"] != before["made"][0]["hashes"]["notebook:helper"]
    assert "as recorded, to the bit" in capsys.readouterr().out
    assert ask().rows == record.rows, "it is no longer stale"


def test_a_change_that_changes_a_row_runs_the_whole_record(rebuilt, monkeypatch, capsys):
    ran = counted(monkeypatch)
    monkeypatch.setitem(globals(), "SCALE", 3)
    assert ask("rebuild").values("score", arm="y") == pytest.approx([9, 9.1, 9.2])
    assert len(ran) == 1 + 6
    assert "the whole record is run again" in capsys.readouterr().out


def test_on_another_processor_hashes_are_renewed_within_the_tolerance_and_it_says_so(rebuilt, monkeypatch, capsys):
    change(rebuilt, lambda saved: saved["made"][0].update(processor="another"))
    moved = json.loads(rebuilt.read_text())
    for row in moved["rows"]:
        row["score"] += 0.015
    moved["digest"] = store.Record("score", moved["rows"]).digest
    rebuilt.write_text(json.dumps(moved))
    monkeypatch.setitem(globals(), "TABLE", TABLE)
    change(rebuilt, lambda saved: saved["made"][0]["hashes"].update({"notebook:helper": "old"}))
    ask("rebuild")
    (made,) = json.loads(rebuilt.read_text())["made"]
    assert made["processor"] == "another", "the rows were made there"
    assert made["renewed"]["on"]["processor"] == provenance.machine()["processor"]
    assert "within the tolerance of another processor (another)" in capsys.readouterr().out


def test_a_plan_says_what_is_stale_and_about_how_long_it_takes(rebuilt, monkeypatch):
    monkeypatch.setattr(experiments, "plans", [])
    change(rebuilt, lambda saved: [row.update(seconds=2.0) for row in saved["rows"]])
    change(rebuilt, lambda saved: saved.update(digest=store.Record("score", saved["rows"]).digest))
    ask("plan")
    ask("plan", seeds=[0, 1, 2, 3, 4])
    monkeypatch.setitem(globals(), "SCALE", 3)
    ask("plan")
    one, two, three = experiments.plans
    assert (one.fresh, one.renewed, one.kept, one.seconds) == (0, 0, 6, 0)
    assert (two.fresh, two.kept, two.seconds) == (4, 6, 8.0)
    assert (three.renewed, three.seconds, three.why) == (2, 4.0, "notebook:SCALE")


# ---------------------------------------------------------------- live rows


def test_a_live_row_is_drawn_by_the_commit_and_must_be_equal_to_the_bit(rebuilt, monkeypatch):
    ask()
    shown = str(records.live())
    name = re.search(r"KDCOURSE_LIVE=(score:\d)", shown)[1]
    assert "to the bit" in shown
    assert re.search(r"KDCOURSE_LIVE=(score:\d)", str(records.live()))[1] == name, "one commit, one row"
    drawn = set()
    for commit in range(40):
        monkeypatch.setattr(experiments, "_commit", lambda commit=commit: str(commit))
        drawn.add(re.search(r"KDCOURSE_LIVE=score:(\d)", str(records.live()))[1])
    assert drawn == set("012345"), "every row's turn comes"
    monkeypatch.setenv("KDCOURSE_LIVE", "score:4")
    assert '"arm": "y", "factor": 3, "seed": 1' in str(records.live())


def test_a_live_row_that_differs_by_a_little_fails_on_the_same_kind_of_processor(rebuilt, monkeypatch):
    ask()
    monkeypatch.setenv("KDCOURSE_LIVE", "score:4")
    monkeypatch.setitem(globals(), "SCALE", 2.0001)
    with pytest.raises(AssertionError, match=r"score, .*: score came out as 6.1003 here and was recorded as 6.1"):
        records.live()


def test_elsewhere_a_live_row_may_differ_by_three_standard_deviations(rebuilt, monkeypatch):
    change(rebuilt, lambda saved: saved["made"][0].update(processor="another"))
    ask()
    monkeypatch.setenv("KDCOURSE_LIVE", "score:4")  # its method's three seeds have a standard deviation of 0.1
    monkeypatch.setitem(globals(), "SCALE", 2.09)
    assert "within the tolerance of another processor" in str(records.live())
    monkeypatch.setitem(globals(), "SCALE", 2.11)
    with pytest.raises(AssertionError, match="score came out as 6.43 .*0.3 is allowed"):
        records.live()


def test_rows_that_took_long_are_not_drawn(rebuilt):
    def slow(saved):
        for row in saved["rows"][:5]:
            row["seconds"] = 20.0
        saved["digest"] = store.Record("score", saved["rows"]).digest

    change(rebuilt, slow)
    ask()
    assert "KDCOURSE_LIVE=score:5" in str(records.live())
    assert len(records.audit(6, seed=1)) == 6, "an audit takes rows of any length"


def test_what_is_shown_of_a_live_row_is_blanked_in_a_comparison(rebuilt):
    ask()
    found = records.live()
    assert str(found).startswith("≈⟨")
    assert str(found).endswith("⟩")
    assert 'class="measured"' in found._repr_html_()


# ---------------------------------------------------------------- what a record says


def test_values_means_and_paired_differences_go_by_seed():
    rows = [{"arm": a, "seed": s, "v": v} for a, s, v in [("x", 1, 0.5), ("x", 0, 0.3), ("y", 0, 0.2), ("y", 1, 0.1)]]
    record = records.Record("t", rows)
    assert record.values("v", arm="x") == [0.3, 0.5]
    assert record.mean("v", arm="y") == pytest.approx(0.15)
    paired = record.paired("v", {"arm": "x"}, {"arm": "y"})
    assert paired.per_seed == pytest.approx([0.1, 0.4])
    assert paired.kind == "values"
    assert paired.text() == "+25.00 (seeds: +10.00, +40.00)"
    with pytest.raises(ValueError, match="setting must be one of t's; got .*'z'.*A row has: arm, seed, v"):
        record.where(arm="z")


def test_every_images_answer_is_recorded_beside_the_mean(place):
    record = answers()
    assert record.values("test", skill=60) == pytest.approx([0.6, 0.61, 0.6, 0.61, 0.6])
    record = records.Record("answers", json.loads((place / "results/answers.json").read_text())["rows"][::-1])
    each = record.each("test", skill=60)
    assert [int(row.sum()) for row in each] == [600, 610, 600, 610, 600], "seed by seed, however the rows lie"
    assert each[1][:610].all()
    assert len(each[1]) == 1000
    assert record.each("skill") is None


def test_a_difference_of_recorded_answers_has_one_interval(place):
    record = answers()
    far = record.paired("test", {"skill": 80}, {"skill": 60})
    error = 1.96 * (0.2 * 0.8 / 1000) ** 0.5
    assert far.over_seeds == pytest.approx((0.2, 0.2)), "the seeds' luck is shared, and cancels"
    assert (far.low, far.high) == pytest.approx((0.2 - error, 0.2 + error), abs=0.002)
    assert far.resolved
    assert str(far) == "+20.0 ± 2.4"


def test_only_right_or_wrong_can_be_recorded_image_by_image(place):
    def unfit(seed):
        return {"test": torch.zeros(2, 3)}

    with pytest.raises(ValueError, match=r"be a row of bool, right or wrong; got torch.float32 of shape \(2, 3\)"):
        experiments.run_row(unfit, {"seed": 0})


def test_best_takes_the_highest_mean_of_each_group():
    values = [
        ("x", 1, 0, 0.9),
        ("x", 1, 1, 0.1),
        ("x", 2, 0, 0.6),
        ("x", 2, 1, 0.6),
        ("y", 1, 0, 0.3),
        ("y", 2, 0, 0.2),
    ]
    record = records.Record("t", [{"arm": a, "lr": lr, "seed": s, "v": v} for a, lr, s, v in values])
    assert record.best("v", by="arm", names=["lr"]) == [{"arm": "x", "lr": 2}, {"arm": "y", "lr": 1}]


@pytest.mark.parametrize(("options", "error", "text"), [
    ({"name": "01_score"}, ValueError, "name must be a slug: small letters, digits and _, a letter first, .* got '01_score'"),
    ({"name": "score_claims"}, ValueError, "name must be a slug"),
    ({"function": len}, TypeError, "function must be a plain function; got 'builtin_function_or_method'"),
])  # fmt: skip
def test_wrong_arguments_are_named(place, monkeypatch, options, error, text):
    monkeypatch.setenv("KDCOURSE_RECORDS", "rebuild")
    call = {"name": "score", "function": measured, "settings": SETTINGS, "seeds": [0], **options}
    with pytest.raises(error, match=text):
        records.experiment(call.pop("name"), call.pop("function"), **call)


def test_a_tables_lines_break_beside_an_interval_not_inside():
    shown = kd.plots.Table(["<arm>", "points"], [["x", "+1 [+0, +2] seeds, +2.9 ± 0.9, not resolved"]])
    whole = [
        re.sub(r"<[^>]*>", "", part) for part in re.findall(r"<span[^>]*nowrap[^>]*>.*?</span>", shown._repr_html_())
    ]
    assert whole == ["[+0, +2] seeds", "+2.9 ± 0.9", "not resolved"]
    assert "&lt;arm&gt;" in shown._repr_html_()
    assert "<span" not in str(shown)


# ---------------------------------------------------------------- rulings


def rule(row=1, evidence="here", verdict="held", measured="3", **more):
    return records.rule(
        row, evidence=evidence, measured=measured, verdict=verdict, field="does so", source="Who 2020", **more
    )


def test_a_ruling_is_shown_and_written(place):
    ruling = rule()
    rule(2, "there", "failed", part="a")
    saved = json.loads((place / "results/here_claims.json").read_text())
    assert saved == [{"row": 1, "measured": "3", "verdict": "held", "field": "does so", "source": "Who 2020"}]
    assert json.loads((place / "results/there_claims.json").read_text())[0]["part"] == "a"
    for part in ("one", "3", "held", "does so (Who 2020)"):
        assert part in repr(ruling)
        assert part in ruling._repr_html_()


def test_a_rows_verdict_is_its_parts_or_mixed(place):
    rule()
    rule(2, "there", "held", part="a")
    assert records.verdicts() == {1: "held", 2: "held"}
    rule(2, "there", "failed", part="b")
    assert records.verdicts() == {1: "held", 2: "mixed"}
    rule(2, "there", "failed", part="a")
    assert records.verdicts() == {1: "held", 2: "failed"}
    assert "too noisy" not in str(records.ledger())
    assert "failed" in str(records.ledger())


def test_checking_writes_nothing_and_refuses_another_verdict(place, monkeypatch):
    rule()
    before = (place / "results/here_claims.json").read_text()
    monkeypatch.setenv("KDCOURSE_RECORDS", "check")
    rule(measured="4")
    assert (place / "results/here_claims.json").read_text() == before
    with pytest.raises(AssertionError, match=r"row 1: failed here, \['held'\] on record"):
        rule(verdict="failed")


@pytest.mark.parametrize(("options", "text"), [
    ({"row": 9}, "row must be one of 1 to 2; got 9"),
    ({"row": 2, "evidence": "nowhere"}, "evidence must be one that rules on row 2: there, elsewhere; got 'nowhere'"),
    ({"row": 2, "evidence": "there"}, r"part must be one of row 2's \(a, b\); got ''"),
    ({"part": "a"}, "part must be one of row 1's .none: the claim is ruled on whole.; got 'a'"),
    ({"verdict": "unclear"}, "verdict must be one of depends on the rates, failed, held, mixed, not isolated, too noisy to tell; got 'unclear'"),
])  # fmt: skip
def test_wrong_rulings_are_named(place, options, text):
    with pytest.raises(ValueError, match=text):
        rule(**options)


def test_html_is_escaped(place):
    assert "&lt;b&gt;" in rule(measured="<b>")._repr_html_()


def test_an_unknown_mode_is_named(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_RECORDS", "write")
    with pytest.raises(ValueError, match="KDCOURSE_RECORDS must be one of check, plan, read, rebuild; got 'write'"):
        rule()


def test_the_commit_is_this_repositorys():
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=kd.__path__[0])
    experiments._commit.cache_clear()
    assert experiments._commit() == (done.stdout.strip() or kd.__version__)

"""Records that cannot lie: what made a row, staleness, tampering, renewing, live rows, rulings."""

import json
import os
import re
import subprocess
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import kdcourse as kd
from kdcourse import records
from kdcourse.records import experiments, notebook, package, provenance, rows, store

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


def change(path, edit, digest=True):
    """Edit a file; with a digest that fits, as only one who writes records could."""
    saved = json.loads(path.read_text())
    edit(saved)
    if digest:
        saved["digest"] = store.Record(saved["name"], saved["rows"], 0.0, saved["made"]).digest
    path.write_text(json.dumps(saved))


def held(value):
    """The hash of a global by what it holds."""
    globals()["HELD"] = value
    return notebook.used(uses)["notebook:HELD"]


def uses(seed):
    return {"x": HELD}  # noqa: F821


# ---------------------------------------------------------------- rows and what made them


@pytest.mark.parametrize(
    ("name", "quiet"),
    [("ran:kdcourse:__getattr__", True), ("ran:kdcourse.plots:lines", True), ("ran:kdcourse.figures.cost:moves", True),
     ("ran:kdcourse.training:distill", False), ("constant:kdcourse._settings:OPTIMIZERS", False), ("notebook:plots", False),
     ("asset:teacher", False), ("ran:kdcourse._feeds:progress_bar", True), ("bound:kdcourse.training:progress_bar", False),
     ("ran:kdcourse._feeds:move", False)],
)  # fmt: skip
def test_a_room_that_decides_no_number_makes_no_record_stale(name, quiet, rebuilt):
    assert package.is_quiet(name) == quiet
    change(rebuilt, lambda saved: saved["made"][0]["hashes"].update({name: "0" * 16}))
    found = experiments.stale(store.load(rebuilt), measured)
    assert (name in found) != quiet


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
    assert held(SPLITS) == held(same)
    other = kd.data.Splits(same.train.select([0, 2, 1]), same.val, None)
    assert held(SPLITS) != held(other)
    torch.manual_seed(0)
    assert held(MODEL) != held(nn.Linear(2, 1))
    assert held({"b": 1, "a": {2, 1}}) == held({"a": {1, 2}, "b": 1})
    assert held({"a": 1}) != held({"a": 1.0})
    assert held(np.arange(3)) != held(np.arange(4))


def test_a_global_that_cannot_be_hashed_is_refused(place, monkeypatch):
    def odd(seed, arm, factor):
        return {"x": len(str(ODD))}  # noqa: F821

    monkeypatch.setitem(globals(), "ODD", object())
    with pytest.raises(TypeError, match="the global ODD must be of a kind that can be hashed; got 'object'"):
        ask("rebuild", odd)


def test_docstrings_comments_and_annotations_do_not_count():
    one = package.bare(
        "def f(x: int, *, t: float = 1.0) -> int:\n    'doc'\n    # a remark\n    y: int = x\n    return y"
    )
    assert one == package.bare("def f(x, *, t=1.0):\n    y = x\n    return y")
    for other in ("def f(x, *, t=2.0):\n    y = x\n    return y", "def f(x, *, t=1.0):\n    y = -x\n    return y"):
        assert one != package.bare(other)
    assert package.bare("class A:\n    'doc'\n    b = 1") != package.bare("class A:\n    b = 2")


def test_constants_inside_containers_of_classes_count():
    name = "constant:kdcourse._settings:OPTIMIZERS"
    before = package.reading(name)
    from kdcourse import _settings

    old = _settings.OPTIMIZERS["adamw"]
    _settings.OPTIMIZERS["adamw"] = (old[0], {**old[1], "lr": 1e-3})
    try:
        assert package.reading(name) != before
    finally:
        _settings.OPTIMIZERS["adamw"] = old
    assert package.reading(name) == before
    read = package.code("kdcourse._settings:make_optimizer")[1]
    assert name in read


# ---------------------------------------------------------------- tampering


def test_a_number_that_was_moved_is_noticed(rebuilt):
    change(rebuilt, lambda saved: saved["rows"][2].update(score=saved["rows"][2]["score"] + 0.004), digest=False)
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

    change(place / "results/answers.json", edit)
    with pytest.raises(RuntimeError, match="answers: test of seed 0 is not the mean of its own bits, 0.6000"):
        records.read("answers")


def test_a_file_under_another_name_is_noticed(rebuilt):
    rebuilt.rename(rebuilt.with_name("other.json"))
    with pytest.raises(RuntimeError, match="other.json holds the record score"):
        records.read("other")


# ---------------------------------------------------------------- make experiments


def interrupted(monkeypatch, at):
    """Ctrl-C comes when row number ``at`` begins, once; what was begun."""
    ran, original = [], experiments.run_row

    def stop(function, setting):
        ran.append(setting)
        if len(ran) == at:
            raise KeyboardInterrupt
        return original(function, setting)

    monkeypatch.setattr(experiments, "run_row", stop)
    return ran


def test_an_interrupted_rebuild_goes_on_where_it_stopped(place, monkeypatch):
    ran = interrupted(monkeypatch, at=3)
    with pytest.raises(KeyboardInterrupt):
        ask("rebuild")
    assert [row["score"] for row in ask("rebuild").rows] == pytest.approx([2, 2.1, 2.2, 6, 6.1, 6.2])
    assert len(ran) == 7, "the two finished rows are not run twice"


def test_the_rows_of_another_source_are_not_resumed(place, monkeypatch):
    interrupted(monkeypatch, at=5)
    with pytest.raises(KeyboardInterrupt):
        ask("rebuild")
    monkeypatch.setitem(globals(), "SCALE", 3)
    assert (place / "results/score.partial").exists()
    assert ask("rebuild").values("score", arm="x") == pytest.approx([3, 3.1, 3.2])


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
    moved["digest"] = store.Record("score", moved["rows"], 0.0, moved["made"]).digest
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


def test_elsewhere_a_row_beyond_the_tolerance_is_met_by_all_seeds_of_its_setting(rebuilt, monkeypatch):
    def strays(*offsets):
        left, run = list(offsets), rows.run_row

        def ran(function, setting):
            row, hashes = run(function, setting)
            return {**row, "score": row["score"] + left.pop(0)}, hashes

        monkeypatch.setattr(experiments, "run_row", ran)

    change(rebuilt, lambda saved: saved["made"][0].update(processor="another"))
    ask()
    monkeypatch.setenv("KDCOURSE_LIVE", "score:4")
    strays(0.35, 0.0, 0.0)  # one draw, and the mean hardly moves
    assert "3 seeds together within the tolerance of another processor" in str(records.live())
    strays(0.35, 0.2, 0.2)
    with pytest.raises(AssertionError, match="the mean of score over 3 seeds is 6.35, recorded 6.1; 0.245 is allowed"):
        records.live()
    change(rebuilt, lambda saved: saved["rows"][3].update(seconds=40.0))  # too slow to be run as well
    ask()
    strays(0.35, 0.0)
    assert "2 seeds together within the tolerance of another processor" in str(records.live())
    change(rebuilt, lambda saved: saved["rows"][5].update(seconds=40.0))  # none can be run as well: no second chance
    ask()
    strays(0.35)
    with pytest.raises(AssertionError, match="0.3 is allowed"):
        records.live()


def test_different_settings_are_named_once_in_their_order():
    found = rows.settings_of({"lr": lr, "arm": "a", "seed": s, "val": 0.5} for lr in (0.3, 0.1) for s in (0, 1))
    assert found == [{"lr": 0.3, "arm": "a"}, {"lr": 0.1, "arm": "a"}]


def test_means_are_compared_value_by_value():
    recorded = [{"seed": seed, "curve": [0.1 * seed, 5.0], "name": "a", "seconds": 1} for seed in range(3)]
    strays = [{**row, "curve": [row["curve"][0], 5.03]} for row in recorded]
    assert rows.means_differ(recorded, recorded, recorded) == ""
    text = "the mean of curve over 3 seeds is 5.03, recorded 5;"
    assert rows.means_differ(recorded, strays, recorded).startswith(text)
    assert "1 values, not 2" in rows.means_differ(recorded, [{**row, "curve": [1.0]} for row in recorded], recorded)
    assert rows.means_differ(recorded, [{**row, "curve": [float("nan"), 5.0]} for row in recorded], recorded)
    assert rows.means_differ(recorded[:1], recorded[:1], recorded), "one seed is no mean"
    near = [{**row, "curve": [row["curve"][0] + 0.2, 5.0]} for row in recorded[:2]]  # whose own spread is smaller
    assert rows.means_differ(recorded[:2], near, recorded) == ""


def test_rows_of_this_kind_of_processor_are_drawn_before_others(rebuilt, monkeypatch):
    def two_kinds(saved):
        saved["made"].append({**saved["made"][0], "processor": "another"})
        for row in saved["rows"][:4]:
            row["by"] = 1

    change(rebuilt, two_kinds)
    ask()
    drawn = set()
    for commit in range(20):
        monkeypatch.setattr(experiments, "_commit", lambda commit=commit: str(commit))
        drawn.add(re.search(r"KDCOURSE_LIVE=score:(\d)", str(records.live()))[1])
    assert drawn == set("45")


def test_on_another_processor_settings_with_several_seeds_are_drawn(rebuilt, monkeypatch):
    """One seed at an extreme rate may come out anywhere there, and no spread says how far."""
    monkeypatch.setenv("KDCOURSE_RECORDS", "rebuild")
    records.experiment("alone", measured, settings=SETTINGS, seeds=[0])
    monkeypatch.delenv("KDCOURSE_RECORDS")
    for path in (rebuilt, rebuilt.with_name("alone.json")):
        change(path, lambda saved: saved["made"][0].update(processor="another"))
    ask()
    records.experiment("alone", measured, settings=SETTINGS, seeds=[0])
    drawn = set()
    for commit in range(12):
        monkeypatch.setattr(experiments, "_commit", lambda commit=commit: str(commit))
        drawn.add(re.search(r"KDCOURSE_LIVE=(\w+):", str(records.live()))[1])
    assert drawn == {"score"}


def test_rows_that_took_long_are_not_drawn(rebuilt):
    def slow(saved):
        for row in saved["rows"][:5]:
            row["seconds"] = 20.0

    change(rebuilt, slow)
    ask()
    assert "KDCOURSE_LIVE=score:5" in str(records.live())
    assert len(records.audit(6, seed=1)) == 6, "an audit takes rows of any length"


def test_a_record_that_a_renewal_could_not_repeat_lends_no_live_row_and_is_made_anew(rebuilt, monkeypatch):
    change(rebuilt, lambda saved: saved["made"][0].update(renewed={"rows": 2, "outside": 1}))
    record = ask()
    assert experiments.owed(record) == "score: 1 of 2 rows came out differently, record it anew"
    with pytest.raises(ValueError, match="must have a recorded row"):
        records.live()
    monkeypatch.setattr(experiments, "plans", [])
    ask("plan")
    assert (experiments.plans[0].fresh, experiments.plans[0].kept, experiments.plans[0].why) == (
        6,
        0,
        experiments.owed(record),
    )
    assert experiments.owed(ask("rebuild")) == ""
    assert "renewed" not in json.loads(rebuilt.read_text())["made"][0]


def test_a_live_row_may_warn_as_it_did_when_it_was_recorded(rebuilt, monkeypatch, recwarn):
    ask()
    one = experiments.OPEN["score"]

    def warns(function, setting):
        warnings.warn("as ever", stacklevel=1)
        return dict(one.record.rows[0]), {}

    monkeypatch.setattr(experiments, "run_row", warns)
    monkeypatch.setenv("KDCOURSE_LIVE", "score:0")
    records.live()
    assert not recwarn.list


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
        rows.run_row(unfit, {"seed": 0})


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


# ---------------------------------------------------------------- what an attacker found


def cells(source, name="<cell>"):
    """A namespace made as a notebook's cells are: the source is found through linecache alone."""
    import linecache

    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace = {"__name__": "__main__", "kd": kd, "torch": torch, "nn": nn}
    exec(compile(source, name, "exec"), namespace)
    return namespace


def differ(one, other):
    """Whether two sources of a function ``f`` are told apart."""
    found = [notebook.used(cells(source, f"<cell {i}>")["f"]) for i, source in enumerate((one, other))]
    return found[0] != found[1]


CACHED = "import functools\nclass A:\n    v = 1\n    def of(self):\n        return self.v\n\nmade = functools.cache(A)\n\ndef f(seed):\n    return {'v': made().of()}\n"


@pytest.mark.parametrize(("source", "text", "replacement"), [
    (CACHED, "v = 1", "v = 2"),
    ("class A:\n    def of(self, x):\n        return x\ndef f(seed):\n    return {'v': A().of(1)}\n", "return x", "return -x"),
    ("def a(x):\n    return 1.0\nT = {'x': a}\ndef f(seed):\n    return {'v': T['x'](0)}\n", "1.0", "2.0"),
    ("T = [lambda x: x + 1]\ndef f(seed):\n    return {'v': T[0](0)}\n", "x + 1", "x + 2"),
    ("ACT = nn.ReLU\ndef f(seed):\n    return {'v': 1 if ACT else 0}\n", "ReLU", "Tanh"),
    ("from math import sin as g\ndef f(seed):\n    return {'v': g(seed)}\n", "import sin", "import cos"),
    ("import torch.nn.functional as F\ndef f(seed):\n    return {'v': F}\n", "torch.nn.functional as F", "torch.nn as F"),
    ("class C:\n    def __init__(self, n):\n        self.n = n\n    def go(self):\n        return self.n\ng = C(1).go\ndef f(seed):\n    return {'v': g()}\n", "C(1)", "C(2)"),
    ("import functools\ndef twice(g):\n    @functools.wraps(g)\n    def w(*a):\n        return 2 * g(*a)\n    return w\ndef one(x):\n    return x\nh = twice(one)\ndef f(seed):\n    return {'v': h(1)}\n", "2 * g", "3 * g"),
    ("def make(n):\n    return lambda x: x + n\na = make(1)\nb = make(2)\ndef f(seed):\n    return {'v': a(b(1))}\n", "make(2)", "make(3)"),
    ("import functools, math\ng = functools.partial(math.pow, 2)\ndef f(seed):\n    return {'v': g(seed)}\n", "math.pow, 2", "math.pow, 3"),
    ("def f(seed):\n    return {'v': kd.data.NO_LABEL, 'w': kd.pipeline.TUNE_LR}\n", "TUNE_LR", "PATIENCE"),
    ("X = [1, 23]\ndef f(seed):\n    return {'v': X}\n", "[1, 23]", "[12, 3]"),
    ("M = nn.Dropout()\ndef f(seed):\n    return {'v': M}\n", "nn.Dropout()", "nn.Dropout().eval()"),
    ("class N(nn.Module):\n    def forward(self, x):\n        return x\nM = N()\ndef f(seed):\n    return {'v': M}\n", "return x", "return 2 * x"),
    ("def f(seed, n=[1]):\n    return {'v': n}\n", "[1]", "[2]"),
])  # fmt: skip
def test_what_a_notebook_holds_is_told_apart(source, text, replacement):
    assert text in source
    assert differ(source, source.replace(text, replacement))
    assert not differ(source, source + "\n# a remark\n")


def test_a_local_name_is_no_global():
    source = "def f(seed):\n    model = seed\n    return {'v': model}\n"
    assert not differ(source, source + "model = object()\n")
    source = "class A:\n    def of(self, images):\n        return images\ndef f(seed):\n    return {'v': A().of(1)}\n"
    assert not differ(source, source + "images = object()\n")
    source = "BASE = 1\nclass A:\n    v = BASE\n    def of(self):\n        return 1\ndef f(seed):\n    return {'v': A().of()}\n"
    assert differ(source, source.replace("BASE = 1", "BASE = 2"))


def test_constants_deep_in_the_package_are_found():
    found = notebook.used(
        cells(
            "def f(seed):\n    from kdcourse.pipeline import TUNE_LR\n    return {'v': kd.data.NO_LABEL, 'w': TUNE_LR}\n"
        )["f"]
    )
    assert {"constant:kdcourse.data:NO_LABEL", "constant:kdcourse.pipeline:TUNE_LR"} <= set(found)


def test_the_package_is_known_by_bindings_classes_and_fields():
    _, read = package.code("kdcourse.losses.soft_targets:soft_targets")
    assert "bound:kdcourse.losses.soft_targets:cross_entropy" in read, "an import under another name changes this"
    _, read = package.code("kdcourse.models:Normalise.forward")
    assert "class:kdcourse.models:Normalise" in read
    _, read = package.code("kdcourse._answers:Supervisor.answer")
    assert "class:kdcourse._answers:Side" in read, "a dataclass has no method that runs"
    one, other = ("class A:\n    a: int\n    b: int = 1\n", "class A:\n    b: int = 1\n    a: int\n")
    assert package.bare(one) != package.bare(other)
    assert package.bare(one) == package.bare("class A:\n    a: float\n    b: float = 1\n")
    from kdcourse import models

    before = package.reading("bound:kdcourse.models:Normalise"), package._class(models.Normalise)
    assert before[1] != package._class(models.Blocks)


def test_sources_are_those_of_the_process():
    path = package.PACKAGE / "models.py"
    assert package.SOURCES[path] == path.read_text(encoding="utf-8")
    assert package._tree(path) is package._tree(path)


@pytest.mark.parametrize(("options", "text"), [
    ({"settings": [{"arm": "x"}, {"arm": "y", "extra": 5}]}, "settings must all have the names arm"),
    ({"settings": [{"arm": "x", "factor": 1}] * 2}, "settings must differ from each other"),
    ({"seeds": [0, 0]}, "seeds must differ from each other"),
    ({"seeds": [0.5]}, "seeds must be whole numbers"),
    ({"settings": []}, "settings and seeds must be one each at least"),
    ({"settings": [{"seed": 1, "factor": 1}]}, "settings must not use a row's own names; got 'seed'"),
])  # fmt: skip
def test_rows_that_could_not_be_told_apart_are_refused(place, options, text):
    with pytest.raises(ValueError, match=text):
        ask("rebuild", **options)


def test_results_may_not_take_a_rows_own_names(place):
    for name in ("seconds", "by", "arm", "test, each"):
        with pytest.raises(ValueError, match="a result's name must differ"):
            rows.run_row(lambda seed, arm, name=name: {name: 1}, {"arm": "x", "seed": 0})


def test_a_renewal_keeps_the_names_that_its_rows_did_not_run(rebuilt, monkeypatch):
    change(
        rebuilt,
        lambda saved: saved["made"][0]["hashes"].update(
            {
                "ran:kdcourse.data.comparing:shift": package.code("kdcourse.data.comparing:shift")[0],
                "notebook:helper": "old",
            }
        ),
    )
    ask("rebuild")
    (made,) = json.loads(rebuilt.read_text())["made"]
    assert "ran:kdcourse.data.comparing:shift" in made["hashes"]


def test_fewer_seeds_are_due_and_mended(rebuilt, monkeypatch):
    monkeypatch.setattr(experiments, "plans", [])
    ask("plan", seeds=[1, 0])
    assert experiments.plans[0].why == "settings or seeds"
    assert [row["seed"] for row in ask("rebuild", seeds=[1, 0]).rows] == [1, 0, 1, 0]
    assert ask(seeds=[1, 0]).rows


def test_a_tampered_or_broken_file_is_recorded_anew(rebuilt, capsys):
    for text in (rebuilt.read_text().replace("6.1", "6.2"), rebuilt.read_text()[:200], "{}"):
        rebuilt.write_text(text)
        with pytest.raises(RuntimeError):
            records.read("score")
        assert ask("rebuild").values("score", arm="y") == pytest.approx([6, 6.1, 6.2])
        assert "It is recorded anew" in capsys.readouterr().out


def test_a_half_or_changed_line_of_an_unfinished_file_is_run_again(place, monkeypatch):
    ran = interrupted(monkeypatch, at=4)
    with pytest.raises(KeyboardInterrupt):
        ask("rebuild")
    path = place / "results/score.partial"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace('"score": 2.0', '"score": 99.0')
    path.write_text("\n".join(lines)[:-20])
    assert ask("rebuild").values("score", arm="x") == pytest.approx([2, 2.1, 2.2])
    assert len(ran) == 4 + 5, "one line was whole"


def test_no_digest_no_record_and_what_made_it_lies_under_it(rebuilt):
    for edit in (
        lambda s: s.pop("digest"),
        lambda s: s["made"][0].update(processor="mine"),
        lambda s: s["made"][0]["hashes"].clear(),
    ):
        text = rebuilt.read_text()
        change(rebuilt, edit, digest=False)
        with pytest.raises(RuntimeError, match="its rows are not those that were recorded"):
            records.read("score")
        rebuilt.write_text(text)
    change(rebuilt, lambda s: s["rows"][0].update(by=5))
    with pytest.raises(RuntimeError, match="a row names 5 as what made it"):
        records.read("score")


def test_elsewhere_lists_texts_and_names_are_compared_too():
    row = {"arm": "x", "seed": 0, "curve": [0.5, 0.6], "text": "a", "flag": True, "score": float("nan")}
    others = [{**row, "curve": [0.5 + d, 0.6]} for d in (0.0, 0.01, 0.02)]
    assert rows.difference(row, {**row, "curve": [0.525, 0.6], "flag": False}, others) == ""
    for key, value in (("curve", [0.6, 0.6]), ("curve", [0.5]), ("text", "b")):
        assert key in rows.difference(row, {**row, key: value}, others)
    assert "new is there once" in rows.difference(row, {**row, "new": 1}, others)
    assert rows.difference({"seed": 0}, {"seed": 0}, others) == "there is nothing to compare"


def test_the_tolerance_is_that_of_one_setting():
    values = [
        {"arm": "x", "factor": f, "seed": s, "score": 10 * f + s / 10, "by": 0, "seconds": 1}
        for f in (1, 9)
        for s in range(3)
    ]
    record = records.Record("t", values)
    assert [row["factor"] for row in experiments._same_setting(record, values[0])] == [1, 1, 1]


def test_pairs_want_the_same_seeds_once_and_names_that_exist():
    values = [{"arm": a, "w": w, "seed": s, "v": 0.1 * s} for a in "xy" for w in (1, 2) for s in range(5)]
    record = records.Record("t", values)
    with pytest.raises(ValueError, match="ours and theirs must have the same seeds, one row each"):
        record.paired("v", {"arm": "x"}, {"arm": "y"})
    with pytest.raises(ValueError, match="ours and theirs must have the same seeds"):
        record.paired(
            "v",
            {"arm": "x", "w": 1},
            {"arm": "x", "w": 1},
            of=records.Record("o", [{**r, "seed": r["seed"] + 9} for r in values]),
        )
    with pytest.raises(ValueError, match="setting must be one of t's"):
        record.where(lables=None)
    nan = [{"lr": 1, "seed": 0, "v": float("nan")}, {"lr": 2, "seed": 0, "v": 0.9}]
    for order in (nan, nan[::-1]):
        assert records.Record("t", [{"a": 0, **row} for row in order]).best("v", by="a", names=["lr"]) == [
            {"a": 0, "lr": 2}
        ]


def test_a_profiler_that_is_on_stays_on():
    import cProfile

    profile = cProfile.Profile()
    profile.enable()
    try:
        with provenance.Tracer() as tracer:
            kd.build("linear")
        assert "kdcourse.models:build" in tracer.names
    finally:
        profile.disable()


def test_threads_are_traced():
    import threading

    with provenance.Tracer() as tracer:
        thread = threading.Thread(target=lambda: kd.build("linear"))
        thread.start()
        thread.join()
    assert "kdcourse.models:build" in tracer.names


def test_rows_are_recorded_in_the_quick_profile_with_float32(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_PROFILE", "full")
    with pytest.raises(RuntimeError, match="rows are recorded in the quick profile with float32"):
        ask("rebuild")


def test_unseeded_draws_of_a_row_are_seeded_by_it(place):
    def draws(seed, arm, factor):
        return {"x": float(torch.rand(())), "y": float(np.random.rand())}

    one = ask("rebuild", draws).values("x", arm="x")
    torch.manual_seed(123)
    (place / "results/score.json").unlink()
    assert ask("rebuild", draws).values("x", arm="x") == one
    assert len(set(one)) == 3


def test_rulings_that_claims_no_longer_asks_for_do_not_count(place):
    rule(2, "there", "failed", part="a")
    rule(2, "there", "held", part="b")
    (place / "claims.toml").write_text(
        (place / "claims.toml").read_text().replace('parts = { a = "first", b = "second" }', 'parts = { b = "second" }')
    )
    assert records.verdicts() == {2: "held"}


def test_what_made_a_row_names_the_constants_and_classes_that_ran_functions_read():
    found = provenance.hashes({"kdcourse._settings:make_optimizer"}, {})
    for name in package.code("kdcourse._settings:make_optimizer")[1]:
        assert found[name] == package.reading(name)
    assert "constant:kdcourse._settings:OPTIMIZERS" in found


# ---------------------------------------------------------------- several processes, and what trained a row


def process(seed, arm, factor):
    return {"score": measured(seed, arm, factor)["score"], "process": os.getpid()}


def test_several_processes_make_the_rows_that_one_makes(place, monkeypatch):
    alone = ask("rebuild", process)
    (place / "results/score.json").unlink()
    monkeypatch.setenv("KDCOURSE_WORKERS", "3")
    together = ask("rebuild", process)
    assert [(row["arm"], row["seed"], row["score"]) for row in together.rows] == [
        (row["arm"], row["seed"], row["score"]) for row in alone.rows
    ]
    assert [made["hashes"] for made in together.made] == [made["hashes"] for made in alone.made]
    assert {row["process"] for row in alone.rows} == {os.getpid()}
    assert os.getpid() not in {row["process"] for row in together.rows}


def test_rows_of_one_seed_go_to_one_process(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_WORKERS", "3")
    rows = ask("rebuild", process).rows
    assert all(len({row["process"] for row in rows if row["seed"] == seed}) == 1 for seed in (0, 1, 2))


def faulty(seed, arm, factor):
    if (seed, arm) == (2, "y"):
        raise ValueError("this row cannot be run")
    return measured(seed, arm, factor)


def test_what_several_processes_finished_is_kept_when_one_fails(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_WORKERS", "2")
    with pytest.raises(ValueError, match="this row cannot be run"):
        ask("rebuild", faulty)
    kept = (place / "results/score.partial").read_text().splitlines()[1:]
    assert len(kept) >= 2, "rows are written as they are finished, not at the end"


def diverging(seed, arm, factor):
    error = kd.training.TrainingDiverged("it went astray")
    error.run = torch.arange(100_000.0) if arm == "x" else (lambda: seed)  # a tensor; what no process can send
    raise error


@pytest.mark.parametrize("arm", ["x", "y"])
def test_an_error_arrives_whatever_it_holds(arm, place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_WORKERS", "2")
    with pytest.raises(RuntimeError, match="it went astray"):
        list(experiments._each(diverging, [{"seed": seed, "arm": arm, "factor": 1} for seed in (0, 1)]))


def test_a_wrong_number_of_processes_is_named(place, monkeypatch):
    monkeypatch.setenv("KDCOURSE_WORKERS", "0")
    with pytest.raises(ValueError, match="KDCOURSE_WORKERS must be a whole number above 0; got 0"):
        ask("rebuild")


def test_a_row_that_an_accelerator_trained_says_so_and_is_of_another_kind(monkeypatch):
    here = dict(provenance.machine())
    assert provenance.same_kind(here) and "accelerator" not in here
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    there = provenance.machine.__wrapped__()
    assert there == {**here, "accelerator": "a card"} and not provenance.same_kind(there)

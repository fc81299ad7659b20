"""Tuning in two rounds: who reaches the second, which rates are own and which common, and what a contrast may say."""

import pytest
import torch

from kdcourse import records
from kdcourse.records import experiments

GRID = {"lr": (1, 2, 3, 4), "weight_decay": (0.1, 0.3)}
METHODS = [{"method": "plain"}, {"method": "taught"}]
# the score at each rate, the seeds' luck aside: plain is best at 2, taught at 3, and both together at 3
HEIGHT = {"plain": (0.50, 0.70, 0.68, 0.10), "taught": (0.30, 0.70, 0.80, 0.60), "even": (0.5, 0.6, 0.61, 0.5)}
LUCK = {("even", 3): (0.05, -0.05, 0.0)}  # its lead at 3 is made of luck


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of notebooks of its own."""
    (tmp_path / "claims.toml").write_text('[[claim]]\nrow = 1\nclaim = "one"\nevidence = ["here"]\n')
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDCOURSE_RECORDS", "rebuild")
    monkeypatch.setattr(experiments, "OPEN", {})
    return tmp_path


def score(seed, method, lr, weight_decay):
    luck = LUCK.get((method, lr), (0.001, 0.0, -0.001))[seed - 100]
    return {"val": HEIGHT[method][lr - 1] + luck - (0.25 if weight_decay == 0.3 else 0.0)}


def grouped(seed, data, method, lr, weight_decay):
    """On other data what is taught is best at the highest rate."""
    return {"val": score(seed, method, lr, weight_decay)["val"] + (0.5 if data == "other" and lr == 4 else 0.0)}


def judged(seed, method, rates, lr, weight_decay):
    """Right on the first images: more of them for what is taught, at its own rates alone."""
    share = 600 + 10 * (seed % 2) + (100 if method == "taught" and rates == "own" else 0)
    return {"test": torch.arange(1000) < share}


def tuned(**options):
    return records.tune("score", score, **{"methods": METHODS, "grid": GRID, **options})


def test_the_whole_grid_on_one_seed_then_the_best_three_and_the_common_point_on_two_more(place):
    found = tuned()
    assert {row["seed"] for row in found.first.rows} == {100} and len(found.first.rows) == 2 * 8
    assert {row["seed"] for row in found.second.rows} == {101, 102}
    plain = [(row["lr"], row["weight_decay"]) for row in found.second.where(method="plain") if row["seed"] == 101]
    assert sorted(plain) == [(1, 0.1), (2, 0.1), (3, 0.1)]
    assert {path.name for path in (place / "results").iterdir()} == {"score_grid.json", "score_finals.json"}


def test_own_rates_are_the_best_of_three_seeds_and_common_ones_the_best_for_all(place):
    found = tuned()
    assert found.own({"method": "plain"}) == {"lr": 2, "weight_decay": 0.1}
    assert found.own({"method": "taught"}) == {"lr": 3, "weight_decay": 0.1}
    for method in METHODS:
        assert found.common(method) == {"lr": 3, "weight_decay": 0.1}
    assert found.mean({"method": "taught"}, {"lr": 3, "weight_decay": 0.1}) == pytest.approx(0.8)


def test_a_lead_smaller_than_its_standard_error_is_none(place):
    found = tuned(methods=[{"method": "plain"}, {"method": "even"}])
    assert found.common({"method": "even"}) == {"lr": 3, "weight_decay": 0.1}
    assert found.own({"method": "even"}) == found.common({"method": "even"}), "0.61 against 0.60 with so much luck"
    assert found.own({"method": "plain"}) == {"lr": 2, "weight_decay": 0.1}


def test_the_test_runs_each_method_at_its_own_rates_and_at_the_common_ones_where_they_differ(place):
    assert tuned().settings() == [
        {"method": "plain", "rates": "own", "lr": 2, "weight_decay": 0.1},
        {"method": "plain", "rates": "common", "lr": 3, "weight_decay": 0.1},
        {"method": "taught", "rates": "own", "lr": 3, "weight_decay": 0.1},
    ]


def test_common_rates_are_common_inside_a_group_alone(place):
    methods = [{"data": d, "method": m} for d in ("one", "other") for m in ("plain", "taught")]
    found = records.tune("score", grouped, methods=methods, grid=GRID, within=["data"])
    assert found.common({"data": "one", "method": "plain"}) == {"lr": 3, "weight_decay": 0.1}
    assert found.common({"data": "other", "method": "plain"}) == {"lr": 4, "weight_decay": 0.1}


def test_choices_at_the_edge_of_the_grid_are_named(place):
    found = tuned()
    assert found.edges({"method": "plain"}) == ["weight_decay"], "0.1 is the first of two"
    table = str(found.table())
    assert "own rates (lr, weight_decay)" in table and "2, 0.1" in table and "3, 0.1" in table
    methods = [{"data": "other", "method": "taught"}]
    far = records.tune("far", grouped, methods=methods, grid=GRID)
    assert far.edges(methods[0]) == ["lr", "weight_decay"]


def test_two_tuning_seeds_are_too_few(place):
    with pytest.raises(ValueError, match=r"seeds must be three or more; got \[100, 101\]. A lead's standard error"):
        tuned(seeds=[100, 101])


def test_a_contrast_that_hangs_on_the_rates_says_so(place):
    settings = [*tuned().settings(), {"method": "taught", "rates": "common", "lr": 4, "weight_decay": 0.1}]
    record = records.experiment("test", judged, settings=settings, seeds=[0, 1, 2, 3, 4])
    found = records.contrast(record, "test", {"method": "taught"}, {"method": "plain"})
    assert found.own.difference == pytest.approx(0.1) and found.own.resolved
    assert found.common.kind == "identical" and not found.agree
    assert found.verdict == "depends on the rates"
    assert str(found) == "+10.0 ± 1.8 (own rates), identical (common rates): depends on the rates"


def test_own_rates_stand_for_the_common_ones_where_they_are_the_same(place):
    record = records.experiment("test", judged, settings=tuned().settings(), seeds=[0, 1, 2, 3, 4])
    found = records.contrast(record, "test", {"method": "taught"}, {"method": "plain"})
    assert found.own.difference == found.common.difference == pytest.approx(0.1)
    assert found.agree and found.verdict == "more"
    back = records.contrast(record, "test", {"method": "plain"}, {"method": "taught"})
    assert back.verdict == "less"
    same = records.contrast(record, "test", {"method": "plain"}, {"method": "plain"})
    assert same.verdict == "no difference that we can measure"

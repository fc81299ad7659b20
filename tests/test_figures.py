"""Figures of recorded experiments: what is drawn is what the rows say, and the title's numbers are theirs."""

import json

import numpy as np
import pytest
import torch

import kdcourse as kd
from kdcourse import figures
from kdcourse.plots import FINDING
from kdcourse.records.store import Record, pack

SEEDS = range(5)


def answers(share, seed):
    """200 images, of which about this share are right; the same luck for every method of a seed."""
    luck = np.random.default_rng(seed).random(200)
    return torch.from_numpy(luck < share)


def row(seed, share, **setting):
    right = answers(share, seed)
    curve = [share - 0.1, share]
    return {**setting, "seed": seed, "curve": curve, "test": float(right.float().mean()), "test, each": pack(right)}


def record(name, *settings):
    """One row a setting and seed; a setting's last entry is its share of right answers."""
    rows = [row(seed, share, **setting) for setting, share in settings for seed in SEEDS]
    return Record(name, rows)


COST = record(
    "cost",
    *(
        ({"network": n, "method": m, "rates": "own"}, share)
        for n, shares in {"linear": (0.6, 0.5, 0.7), "cnn 4": (0.5, 0.6, 0.8)}.items()
        for m, share in zip(("labels", "labels, copies", "taught"), shares, strict=True)
    ),
)
RUNGS = {
    "labels": 0.5,
    "labels, smoothed": 0.55,
    "class mean": 0.55,
    "another image": 0.5,
    "own": 0.7,
    "unlabelled": 0.8,
}
LADDER = record("ladder", *(({"method": m, "rates": "own"}, share) for m, share in RUNGS.items()))


EVEN = record("even", *(({"method": m, "rates": "own"}, 0.5) for m in RUNGS))


def heights(shown):
    """The y values of all lines of one point in the first panel."""
    return sorted(
        {round(float(line.get_ydata()[0]), 3) for line in shown.figure.axes[0].lines if len(line.get_ydata()) == 1}
    )


def test_the_better_method_of_labels_is_chosen_by_validation():
    assert figures.best_of(COST, ("labels", "labels, copies"), network="linear") == "labels"
    assert figures.best_of(COST, ("labels", "labels, copies"), network="cnn 4") == "labels, copies"


def test_each_network_moves_from_its_best_labels_to_what_the_teacher_made_of_it():
    shown = figures.cost_and_accuracy(COST, title="They gain {least:.0f} to {most:.0f} points")
    means = {n: [100 * COST.mean("test", network=n, method=m) for m in ms] for n, ms in
             {"linear": ("labels", "taught"), "cnn 4": ("labels, copies", "taught")}.items()}  # fmt: skip
    drawn = heights(shown)
    for low, high in means.values():
        assert round(low, 3) in drawn and round(high, 3) in drawn
    assert 93.3 in drawn, "the teacher"
    gains = sorted(high - low for low, high in means.values())
    assert shown.title == f"They gain {gains[0]:.0f} to {gains[1]:.0f} points"
    assert json.loads(shown._repr_mimebundle_()[FINDING]) == {"least": "+", "most": "+"}
    assert "58 million operations" in shown.alt


def test_the_ladder_shows_each_rung_against_the_one_before_it():
    shown = figures.ladder(LADDER, title="Knowledge is worth {knowledge:.1f}, more images {more:.1f}")
    own = LADDER.paired("test", {"method": "own"}, {"method": "class mean"})
    more = LADDER.paired("test", {"method": "unlabelled"}, {"method": "own"})
    assert shown.title == f"Knowledge is worth {own:.1f}, more images {more:.1f}"
    written = [text.get_text() for text in shown.figure.axes[0].texts]
    assert (
        str(more) in written
        and str(LADDER.paired("test", {"method": "class mean"}, {"method": "another image"})) in written
    )
    assert "the labels alone 5" in shown.alt.replace("\n", " "), "the smoothed ones, which validation prefers"


def test_redrawn_splits_have_a_wider_interval_and_a_title_may_not_claim_what_holds_zero():
    narrow = figures.ladder(LADDER, title="{knowledge}")
    wide = figures.ladder(LADDER, title="{knowledge}", redrawn=0.5)
    assert float(wide.title.split("±")[1]) > float(narrow.title.split("±")[1])
    with pytest.raises(ValueError, match="the title's field another must have an interval that leaves out zero"):
        figures.ladder(EVEN, title="Another image is worth {another:.1f}")


def test_the_dearest_bug_comes_first_and_those_without_a_price_are_counted():
    shares = {"right": 0.8, "cheap": 0.8, "dear": 0.5}
    bugs = record("bugs", *(({"arm": a}, share) for a, share in shares.items()))
    shown = figures.costs_of_bugs(bugs, title="{worst:.0f} points, {unseen} unseen")
    cost = -100 * bugs.paired("test", {"arm": "dear"}, {"arm": "right"}).difference
    assert shown.title == f"{cost:.0f} points, 1 unseen"
    assert [t.get_text() for t in shown.figure.axes[0].get_yticklabels()] == ["dear", "cheap"]


def test_gradients_are_shown_with_and_without_the_factor():
    shown = figures.gradient_lengths([1, 2, 4], [1.0, 0.5, 0.1], title="between {least:.1f} and {most:.1f}")
    assert shown.title == "between 1.0 and 2.0"
    assert shown.figure.axes[1].lines[0].get_ydata().tolist() == pytest.approx([1.0, 2.0, 1.6])


def test_an_image_is_shown_beside_one_of_the_class_that_its_answer_names_next():
    g = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 0, 1, 2])
    logits = torch.tensor([[12.0, 4.0, 0.0], [12.0, 0.0, 3.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    images = torch.rand(4, 1, 6, 6, generator=g)
    options = {"pairs": [(0, 1), (0, 2)], "title": "at least {least:.1f} %"}
    shown = figures.resemblance(images, labels, logits, ["a", "b", "c"], **options)
    drawn = [axis.images[0].get_array() for axis in shown.figure.axes]
    for place, image in enumerate((0, 2, 1, 3)):
        assert np.allclose(drawn[place], images[image, 0]), place
    soft = (logits / 4).softmax(dim=1)
    assert f"b {100 * float(soft[0, 1]):.0f} % at T = 4" in shown.alt
    assert shown.title == f"at least {100 * float(logits.softmax(dim=1)[:2, 0].min()):.1f} %"


def test_the_figures_are_reached_by_their_room():
    assert kd.figures is figures

"""Figures of recorded experiments: what is drawn is what the rows say, and the title's numbers are theirs."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

import kdcourse as kd
from kdcourse import figures
from kdcourse.figures import layers, regularising
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


def test_when_it_pays_compares_each_teacher_with_the_better_of_the_labels():
    shares = {"labels": 0.5, "labels, copies": 0.6, "taught": 0.9}
    few = record("cost", *(({"network": "cnn 8", "method": m, "rates": "own"}, share) for m, share in shares.items()))
    more = {**shares, "taught": 0.7, "taught by an equal": 0.55}
    settings = [({"labels": "all", "method": m, "rates": "own"}, share) for m, share in more.items()]
    settings += [({"labels": "500", "method": "taught by an equal", "rates": "own"}, 0.6)]
    pays = record("pays", *settings)
    shown = figures.when_it_pays(few, pays, title="{few:.0f}, then {all:.0f}")
    means = [round(100 * (a - b)) for a, b in ((0.9, 0.6), (0.7, 0.6), (0.6, 0.6), (0.55, 0.6))]
    drawn = [line.get_xdata()[0] for line in shown.figure.axes[0].lines if line.get_marker() == "o"]
    assert np.allclose(drawn, means, atol=3)
    assert [t.get_text() for t in shown.figure.axes[0].get_yticklabels()][2] == "500 labels, a teacher no better"


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
    bugs = record("bugs", *(({"arm": a, "rates": "own"}, share) for a, share in shares.items()))
    shown = figures.costs_of_bugs(bugs, title="{worst:.0f} points, {unseen} unseen")
    cost = -100 * bugs.paired("test", {"arm": "dear"}, {"arm": "right"}).difference
    assert shown.title == f"{cost:.0f} points, 1 unseen"
    assert [t.get_text() for t in shown.figure.axes[0].get_yticklabels()] == ["dear", "cheap"]


def test_imitations_are_ordered_by_what_they_add_to_the_labels():
    shares = {name: 0.6 + 0.02 * k for k, name in enumerate(figures.losses.IMITATED)} | {"labels": 0.5}
    made = record("what_else", *(({"method": m, "rates": "own"}, share) for m, share in shares.items()))
    shown = figures.imitations(made, title="Soft targets gain {soft:.1f} points, the best {best:.1f}")
    last = figures.losses.IMITATED["born again"]
    axis = shown.figure.axes[0]
    names = [t.get_text() for t in axis.get_yticklabels()]
    assert names[0] == last and names[-1] == "no teacher, new copies of the images", "the best first"
    found = {m: 100 * (made.mean("test", method=m) - made.mean("test", method="labels")) for m in shares}
    assert f"Soft targets gain {found['soft targets']:.1f} points, the best {found['born again']:.1f}" in shown.alt


def test_mistakes_that_leave_nothing_are_not_drawn():
    shares = {"none": 0.6, "helps": 0.75, "hides": 0.6, "breaks": 0.1, "costs": 0.4}
    made = record("mistakes", *(({"mistake": m}, share) for m, share in shares.items()))
    shown = figures.mistakes(made, title="One raises it by {most:.1f} points, one lowers it by {least:.1f}")
    assert [t.get_text() for t in shown.figure.axes[0].get_yticklabels()] == ["helps", "hides", "costs"]
    most, least = (100 * (made.mean("test", mistake=m) - made.mean("test", mistake="none")) for m in ("helps", "costs"))
    assert f"One raises it by {most:.1f} points, one lowers it by {-least:.1f}" in shown.alt


DIRECTIONS = {
    ("small", "labels"): 0.5, ("small", "big"): 0.7, ("small", "itself"): 0.6, ("big", "labels"): 0.8,
    ("big", "small"): 0.6, ("big", "itself"): 0.8,
}  # fmt: skip


def test_each_direction_is_measured_against_its_own_target_alone():
    rows = [({"labels": n, "target": t, "told": s, "rates": "own"}, share)
            for n in ("500", "all") for (t, s), share in DIRECTIONS.items()]  # fmt: skip
    made = record("directions", *rows)
    shown = figures.directions(made, title="{few_small:.0f} points, back {few_big:.0f}; {all_small:.0f}, {all_big:.0f}")
    names = [t.get_text() for t in shown.figure.axes[0].get_yticklabels()]
    assert sorted(names) == [f"{n} labels: {way}" for n in ("500", "all") for way in ("big → small", "small → big")]

    def gain(target, told):
        of = {"labels": "500", "target": target}
        return 100 * (made.mean("test", **of, told=told) - made.mean("test", **of, told="labels"))

    there, back = gain("small", "big"), gain("big", "small")
    assert there > 0 > back and shown.title == f"{there:.0f} points, back {back:.0f}; {there:.0f}, {back:.0f}"
    beside = figures.directions(made, controls=True, title="Of its own kind it gains {small_itself:.0f} points")
    names = [t.get_text() for t in beside.figure.axes[0].get_yticklabels()]
    assert names == ["big → small", "itself → small", "itself → big", "small → big"], "each target's best first"


def test_what_is_recovered_is_a_share_of_the_gap():
    weak, told, truth = "500 labels", "the weak one's answers", "the truth"
    shares = {("weak", weak): 0.5, ("random weights", told): 0.6, ("random weights", truth): 0.9}
    shares |= {("rotations", told): 0.7, ("rotations", truth): 0.8}
    made = record("recovered", *(({"start": s, "told": t}, share) for (s, t), share in shares.items()))
    shown = figures.recovered(made, title="{scratch:.0f} % and {before:.0f} %")
    at = {key: made.mean("test", start=key[0], told=key[1]) for key in shares}
    low = at[("weak", weak)]
    found = [100 * (at[(s, told)] - low) / (at[(s, truth)] - low) for s in ("random weights", "rotations")]
    assert shown.title == f"{found[0]:.0f} % and {found[1]:.0f} %"


def two_task_rows():
    shares = {"class alone": 0.7, "labels": 0.5, "taught": 0.8, "box alone": 0.7}
    rows = []
    for method, share in shares.items():
        for seed in SEEDS:
            made = {"labels": "all", "method": method, "rates": "own", "seed": seed}
            right = answers(share, seed)
            if method != "box alone":
                made |= {"class": float(right.float().mean()), "class, each": pack(right)}
            if method != "class alone":
                made |= {"mean_iou": share - 0.01 * seed}
            rows.append(made)
    return Record("multi_task", rows)


def test_two_tasks_are_one_dot_and_one_task_is_a_line():
    made = two_task_rows()
    shown = figures.two_tasks(made, title="{accuracy:.0f} points of accuracy, {boxes:.0f} of IoU")
    axis = shown.figure.axes[0]
    large = {
        line.get_label(): [float(v[0]) for v in line.get_data()] for line in axis.lines if line.get_markersize() == 9
    }
    assert set(large) == {"labels", "taught"}
    expected = [100 * made.mean(key, labels="all", method="taught") for key in ("class", "mean_iou")]
    assert large["taught"] == pytest.approx(expected) and expected[1] == pytest.approx(78)
    assert axis.lines[0].get_xdata()[0] == pytest.approx(100 * made.mean("class", labels="all", method="class alone"))
    assert axis.lines[1].get_ydata()[0] == pytest.approx(100 * made.mean("mean_iou", labels="all", method="box alone"))
    singles = [made.values(k, labels="all", method=m) for k, m in (("class", "class alone"), ("mean_iou", "box alone"))]
    shared = [made.values(k, labels="all", method="labels") for k in ("class", "mean_iou")]
    change = np.mean(
        [(m / s - 1) for ours, alone in zip(shared, singles, strict=True) for m, s in zip(ours, alone, strict=True)]
    )
    told = figures.two_tasks(made, title="Sharing costs {sharing:.1f} %").title
    assert told == f"Sharing costs {-100 * change:.1f} %"


def test_the_weight_of_a_task_is_shown_for_both_answers():
    rows = [{"method": m, "weight": w, "seed": 100, "accuracy": 0.9 - w / 20, "mean_iou": 0.5 + w / 20}
            for m in ("labels", "taught") for w in (3.0, 1.0)]  # fmt: skip
    shown = figures.task_weights(Record("task_weights_grid", rows), title="More weight for the box costs the class")
    told, taught = shown.figure.axes[0].lines
    assert told.get_xdata().tolist() == pytest.approx([85.0, 75.0]) and told.get_ydata().tolist() == pytest.approx(
        [55, 65]
    )
    assert taught.get_label() == "taught"
    assert [text.get_text() for text in shown.figure.axes[0].texts] == ["1", "3", "1", "3"]


def test_a_division_is_drawn_dot_by_dot(small):
    made = {"even": kd.federated.partition(small.train, clients=5),
            "shards": kd.federated.partition(small.train, clients=5, how="shards")}  # fmt: skip
    shown = figures.holdings(made, title="Two ways to divide 400 images")
    for axis, owners in zip(shown.figure.axes, made.values(), strict=True):
        (dots,) = axis.collections
        counts = owners.counts[dots.get_offsets()[:, 0].astype(int), dots.get_offsets()[:, 1].astype(int)]
        assert len(dots.get_sizes()) == int((owners.counts > 0).sum())
        assert dots.get_sizes() / dots.get_sizes()[0] == pytest.approx((counts / counts[0]).numpy())
    assert "even: 80 to 80 images an owner, 10 to 10 classes" in shown.alt


def averaged_rows():
    shares = {"one hand": 0.9, "even": 0.85, "Dirichlet 0.1": 0.8, "two shards": 0.7}
    rows = []
    for division, share in shares.items():
        for seed in SEEDS:
            right = answers(share, seed)
            made = {"division": division, "method": "average", "rates": "own", "seed": seed}
            made |= {"test": float(right.float().mean()), "test, each": pack(right), "curve": [share - 0.2, share]}
            rows.append(made)
    rows += [
        {"division": "Dirichlet 0.1", "method": "apart", "rates": "own", "seed": s, "accuracy": 0.4} for s in SEEDS
    ]
    return Record("averaged", rows)


def test_every_division_is_a_line_of_its_rounds():
    made = averaged_rows()
    shown = figures.merged(made, title="{hand:.0f}, {shards:.0f} and {dirichlet:.0f} points; apart {apart:.0f} %")
    lines = shown.figure.axes[0].lines
    assert [line.get_ydata().tolist() for line in lines] == [
        pytest.approx([100 * s - 20, 100 * s]) for s in (0.9, 0.85, 0.8, 0.7)
    ]
    of = lambda d: {"division": d, "method": "average", "rates": "own"}  # noqa: E731
    lost = [made.paired("test", of(a), of(b)).difference
            for a, b in (("one hand", "even"), ("even", "two shards"), ("even", "Dirichlet 0.1"))]  # fmt: skip
    told = [f"{100 * value:.0f}" for value in lost]
    assert shown.title == f"{told[0]}, {told[1]} and {told[2]} points; apart 40 %"


def test_canvases_show_the_true_box_and_the_students():
    part = kd.multitask.canvases((torch.rand(3, 1, 28, 28), torch.tensor([1, 2, 3])), seed=0)
    alone = figures.canvases(part, rows=[0, 2], title="Two canvases and their boxes, which we know")
    assert [len(axis.patches) for axis in alone.figure.axes] == [1, 1]
    drawn = alone.figure.axes[1].patches[0].get_bbox()
    wide = part.labels["box"][2] * 64
    assert [drawn.x0 + 0.5, drawn.y0 + 0.5, drawn.x1 + 0.5, drawn.y1 + 0.5] == pytest.approx(wide.tolist(), abs=1e-4)
    found = kd.multitask.evaluate(kd.multitask.two_headed("cnn", width=4), part)
    shown = figures.canvases(part, found, rows=[2, 0], title="Two canvases with the student's answers")
    assert [len(axis.patches) for axis in shown.figure.axes] == [2, 2]
    assert shown.figure.axes[0].get_title().endswith(f"IoU {float(found.ious[2]):.2f}")


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


# ---------------------------------------------------------------- the lessons on data

LEAK = Record("leak", [{"share": share, "seed": seed, "exam": 0.8 + 0.2 * share, "new images": 0.8 + 0.01 * share}
                       for share in (0.0, 0.5, 1.0) for seed in SEEDS])  # fmt: skip


def test_the_leaks_curve_says_how_much_the_score_rises_and_how_much_the_network_gets_better():
    shown = figures.leak_curve(LEAK, title="The score rises by {score:.0f}, the network by {truth:.0f}")
    assert shown.title == "The score rises by 20, the network by 1"
    exam, truth = (line.get_ydata().tolist() for line in shown.figure.axes[0].lines)
    assert exam == pytest.approx([80, 90, 100]) and truth == pytest.approx([80, 80.5, 81])
    assert "80.0, 90.0, 100.0" in shown.alt


def shifted(kind, start, before, after, seed):
    found = {"kind": kind, "start": start, "rates": "own", "seed": seed}
    for key, share in (("before", before), ("after", after)):
        right = answers(share, seed)
        found |= {key: float(right.float().mean()), f"{key}, each": pack(right)}
    return found


def test_shifts_are_drawn_before_and_after_fine_tuning_beside_a_fresh_network():
    shares = {"none": (0.8, 0.8), "blurred": (0.5, 0.7), "inverted": (0.1, 0.6), "other classes": (0.7, 0.7)}
    rows = [shifted(kind, "from home", *pair, seed) for kind, pair in shares.items() for seed in SEEDS]
    rows += [shifted(kind, "fresh", pair[0], 0.4, seed) for kind, pair in shares.items() for seed in SEEDS]
    shift = Record("shift", rows)
    shown = figures.shifts(shift, title="It gains {inverted} points")
    lines = [line for line in shown.figure.axes[0].lines if len(line.get_xdata()) == 2]
    drawn = [tuple(round(float(x), 3) for x in line.get_xdata()) for line in lines]
    for kind in shares:
        home = {"kind": kind, "start": "from home"}
        assert tuple(round(100 * shift.mean(key, **home), 3) for key in ("before", "after")) in drawn
    against = shift.paired("after", {"kind": "inverted", "start": "from home"}, {"kind": "inverted", "start": "fresh"})
    assert shown.title == f"It gains {against} points"


def test_transfer_sets_show_every_seed_and_the_mean_of_each_kind():
    worth = {"real": 0.8, "mixed": 0.8, "generated": 0.7, "noise": 0.3}
    transfer = record(
        "transfer",
        *(({"images": i, "augment": a, "rates": "own"}, share - (a is None) * 0.1) for i, share in worth.items()
          for a in ("flip-shift", None)),
    )  # fmt: skip
    shown = figures.transfer_sets(transfer, title="Noise loses {noise} points")
    labels = {text.get_text() for text in shown.figure.axes[0].texts}
    for images in worth:
        for augment in ("flip-shift", None):
            assert f"{100 * transfer.mean('test', images=images, augment=augment):.1f}" in labels
    pair = [{"images": images, "augment": "flip-shift"} for images in ("noise", "real")]
    assert shown.title == f"Noise loses {transfer.paired('test', *pair)} points"


def test_a_missing_class_is_drawn_before_and_after_for_both_kinds_of_students():
    rows = [
        {"missing": c, "told": told, "seed": seed, "as it is, missing class": 900 if told == "soft" else 1000,
         "corrected, missing class": 200 if told == "soft" else 950}
        for c in range(10) for told in ("soft", "labels") for seed in SEEDS
    ]  # fmt: skip
    shown = figures.missing_class(Record("omitted", rows), title="{before:.0f} {after:.0f} {labels:.0f}")
    assert shown.title == "10 80 5"
    left, right = shown.figure.axes
    for axis, ends in ((left, (10, 80)), (right, (0, 5))):
        pairs = {tuple(line.get_xdata()) for line in axis.lines if len(line.get_xdata()) == 2}
        assert pairs == {ends}


def test_budgets_show_the_lead_at_every_length():
    lead = record(
        "square",
        *(({"loss": loss, "epochs": e, "rates": "own"}, share) for e, pair in {10: (0.8, 0.5), 90: (0.8, 0.7)}.items()
          for loss, share in zip(("one", "other"), pair, strict=True)),
    )  # fmt: skip
    shown = figures.budgets(lead, "one", "other", title="From {short} to {long} points")
    found = [lead.paired("test", *({"loss": loss, "epochs": e} for loss in ("one", "other"))) for e in (10, 90)]
    assert shown.title == f"From {found[0]} to {found[1]} points"
    assert [label.get_text() for label in shown.figure.axes[0].get_yticklabels()] == ["10 epochs", "90 epochs"]


# ---------------------------------------------------------------- numbers, and the four steps


def test_the_distance_from_the_limit_is_named_at_two_temperatures():
    temperatures, distances = [1, 4, 64], [0.5, 0.8, 0.05]
    shown = figures.distance_from_limit(temperatures, distances, title="{at_4:.0%} and {at_64:.0%}")
    assert shown.title == "80% and 5%"
    measured, falling = (line.get_ydata().tolist() for line in shown.figure.axes[0].lines)
    assert measured == distances and falling == pytest.approx([3.2, 0.8, 0.05])


def test_noisy_labels_are_compared_within_each_noise_and_its_interval_allows_for_overlap():
    rng = np.random.default_rng(0)
    worth = {"labels": 0.6, "teacher": 0.5, "half and half": 0.55, "a teacher with clean labels": 0.4}
    rows = [
        {"method": m, "noise": noise, "rates": "own", "seed": seed, "mse": error + 0.01 * rng.standard_normal()}
        for noise in (0.0, 2.0) for m, error in worth.items() for seed in range(20)
        if noise or not m.startswith("a teacher")
    ]  # fmt: skip
    regression = Record("regression", rows)
    shown = figures.noisy_labels(regression, title="Three differences")
    labels = [label.get_text() for label in shown.figure.axes[0].get_yticklabels()]
    assert len(labels) == 3 and labels[0] == "noise 0: the teacher's answers"
    pair = [{"method": m, "noise": 2.0, "rates": "own"} for m in ("teacher", "labels")]
    plain = regression.paired("mse", *pair)
    wide = next(line for line in shown.figure.axes[0].lines if line.get_ydata()[0] == 1 and len(line.get_xdata()) == 2)
    low, high = wide.get_xdata()
    assert low < plain.low and high > plain.high, "wider than seeds alone would have it"
    assert (low + high) / 2 == pytest.approx(plain.difference)


FOUR = record(
    "pipeline_few",
    *(({"method": m, "rates": "own"}, share) for m, share in {
        "the four steps": 0.8, "labels only": 0.6, "without unlabelled images": 0.7, "without generated images": 0.8,
        "without the Taylor term": 0.8, "with an untuned source": 0.75, "taught by its equal": 0.9}.items()),
)  # fmt: skip
for each in FOUR.rows:
    before = answers(0.5, each["seed"])
    each |= {"before fine-tuning": float(before.float().mean()), "before fine-tuning, each": pack(before)}


def test_each_step_is_left_out_once_and_labels_alone_come_first():
    shown = figures.steps_left_out(FOUR, title="{labels} against labels, {fine_tuning} by fine-tuning")
    ours = {"method": "the four steps"}
    against = FOUR.paired("test", ours, {"method": "labels only"})
    tuning = FOUR.paired("test", ours, ours, minus="before fine-tuning")
    assert shown.title == f"{against} against labels, {tuning} by fine-tuning"
    labels = [label.get_text() for label in shown.figure.axes[0].get_yticklabels()]
    assert labels[0] == "labels alone, no source" and labels[-1] == "without fine-tuning" and len(labels) == 7


def test_regimes_are_four_differences_from_labels_alone():
    def made(name, cases, lost):
        rows = []
        for case in cases:
            for method, share in (("the four steps", 0.7 - lost[case]), ("labels only", 0.7)):
                setting = {"direction": case[0], "labels": case[1], "method": method, "rates": "own"}
                rows.append((setting, share))
        return record(name, *rows)

    lost = {("small-to-big", "500"): 0.0, ("big-to-small", "500"): 0.0, ("small-to-big", "all"): 0.2}
    lost["big-to-small", "all"] = -0.1
    first, *others = lost
    few, cases = made("pipeline_few", [first], lost), made("pipeline_cases", others, lost)
    shown = figures.regimes(few, cases, title="With all labels {small} and {large}")
    case = {"direction": "small-to-big", "labels": "all"}
    small, large = (
        cases.paired("test", {**at, "method": "the four steps"}, {**at, "method": "labels only"})
        for at in (case, {**case, "direction": "big-to-small"})
    )
    assert small.high < 0 < large.low and shown.title == f"With all labels {small} and {large}"
    labels = [label.get_text() for label in shown.figure.axes[0].get_yticklabels()]
    assert labels[0] == "small to large, 500 labels" and labels[3] == "large to small, all labels"


# ---------------------------------------------------------------- layers, channels, pruning


def test_the_staircase_writes_every_length_and_where_none_arrives():
    tables = {"literal": [[None, None], [0.5, None]], "deep": [[0.25, None], [1.0, 2.0]]}
    shown = figures.reach(tables, ["block1", "head"], title="Each term teaches only what comes before its tap")
    written = [[t.get_text() for t in axis.texts] for axis in shown.figure.axes]
    assert written == [["none", "none", "0.50", "none"], ["0.25", "none", "1.00", "2.00"]]
    assert "literal: term 1 reaches none; term 2 reaches block1. deep: term 1 reaches block1; term 2" in shown.alt


def test_gains_of_the_layerwise_loss_are_against_soft_targets_alone():
    shares = {"soft targets": 0.7, "the article's alone": 0.2, "soft targets + 0.1 · the article's": 0.6,
              "soft targets + 1 · the article's": 0.4}  # fmt: skip
    made = record("layerwise", *(({"method": m, "rates": "own"}, share) for m, share in shares.items()))
    shown = figures.layerwise_gains(made, title="From {least:.1f} to {most:.1f} points")
    worst = made.paired("test", {"method": "soft targets + 1 · the article's"}, {"method": "soft targets"})
    assert figures.layerwise_gains(made, title="With weight 1 {heaviest}").title == f"With weight 1 {worst}"
    found = [100 * made.paired("test", {"method": m}, {"method": "soft targets"}).difference for m in list(shares)[2:]]
    assert shown.title == f"From {min(found):.1f} to {max(found):.1f} points"
    labels = [label.get_text() for label in shown.figure.axes[0].get_yticklabels()]
    assert labels == ["+ 0.1 · the article's", "+ 1 · the article's"]


def test_readings_inside_a_layer_are_correlations_over_the_seeds():
    draw, rows = np.random.default_rng(0), []
    for seed in range(20):
        distance, noise = draw.random(3), draw.random(3)
        rows.append({"width": 8, "seed": seed, "distance": distance.tolist(), "dependence": (2 * distance).tolist(),
                     "size": noise.tolist(), "instability": (-noise).tolist()})  # fmt: skip
    shown = figures.layer_readings(Record("layer_terms", rows), 8, title="One part measures it and the other does not")
    left, right = shown.figure.axes
    dots = [[float(line.get_xdata()[0]) for line in axis.lines if line.get_marker() == "o"] for axis in (left, right)]
    assert dots == [pytest.approx([1.0] * 3), pytest.approx([-1.0] * 4)], "term 1 reads the image and is left out"
    assert [label.get_text() for label in left.get_yticklabels()] == ["layer 1", "layer 2", "head", "mean of all"]


def test_the_mean_correlation_is_the_mean_of_spearmans_and_its_interval_covers():
    draw, covered, rho, true = np.random.default_rng(2), 0, 0.5, 6 / np.pi * np.arcsin(0.25)
    for _ in range(1000):
        pairs = draw.multivariate_normal([0, 0], [[1, rho], [rho, 1]], (7, 20))
        a, b = pairs[..., 0], pairs[..., 1]
        middle, low, high = layers.mean_correlation(a, b)
        covered += low <= true <= high
    assert middle == pytest.approx(np.mean([spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]))
    assert covered / 1000 > 0.9


def test_the_interval_of_a_rank_correlation_covers_it_as_often_as_it_says():
    from kdcourse.figures.layers import rank_correlation

    draw, covered, rho = np.random.default_rng(1), 0, 0.6
    true = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's of two normals
    for _ in range(2000):
        a, b = draw.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 20).T
        _, low, high = rank_correlation(a, b)
        covered += low <= true <= high
    assert 0.93 < covered / 2000 < 0.97


def test_agreements_show_both_correlations_and_leave_out_what_is_not_known():
    rows = []
    for i, ranking in enumerate(layers.RANKINGS):
        for seed in SEEDS:
            inside = None if ranking == "block alone" else 0.1 * i
            rows.append({"ranking": ranking, "seed": seed, "all": 0.5 + 0.05 * i, "inside": inside})
    shown = figures.agreements(Record("channel_ranks", rows), title="{price:.2f} and {block:.2f}")
    assert shown.title == "0.55 and 0.70"
    means = [line for line in shown.figure.axes[0].lines if len(line.get_xdata()) == 1 and line.get_markersize() == 8]
    assert len(means) == 2 * len(layers.RANKINGS) - 1


def pruned():
    rows, shares = [], dict.fromkeys(layers.CHOSEN_BY, 0.5) | {"oracle": 0.4, "weights": 0.3}
    for method in [*layers.CHOSEN_BY, "Taylor, per FLOP", "oracle, per FLOP", "weights, per FLOP"]:
        for epochs in (1, 4):
            for seed in SEEDS:
                before, after = answers(0.2, seed), answers(shares.get(method, 0.6) + 0.05 * epochs, seed)
                rows.append({
                    "method": method, "budget": 0.25, "epochs": epochs, "rates": "own", "seed": seed,
                    "before": float(before.float().mean()), "before, each": pack(before),
                    "after": float(after.float().mean()), "after, each": pack(after), "widths": [4, 8 + seed, 16],
                })  # fmt: skip
    return Record("pruning", rows)


def test_recovery_begins_before_the_first_step_and_ends_after_the_longest():
    made = pruned()
    shown = figures.recovery(made, 0.25, title="Everything recovers, the oracle less than chance: {oracle}")
    curves = {line.get_label(): line.get_ydata() for line in shown.figure.axes[0].lines}
    assert set(curves) == set(layers.CHOSEN_BY.values())
    expected = [100 * made.mean("before", method="oracle", epochs=1), *(100 * made.mean("after", method="oracle", epochs=e) for e in (1, 4))]  # fmt: skip
    assert list(curves["oracle"]) == pytest.approx(expected)
    dotted = figures.recovery(
        made, 0.25, title="Everything recovers", whole=(uncut := record("before_the_cut", ({}, 0.9)))
    )
    assert "before the cut" in [t.get_text() for t in dotted.figure.axes[0].get_legend().get_texts()]
    assert f"; before the cut {100 * uncut.mean('test'):.1f}." in dotted.alt
    labels = [label.get_text() for label in shown.figure.axes[0].get_xticklabels()]
    assert labels == ["0", "63", "252"]
    assert (
        str(made.paired("after", {"method": "oracle", "epochs": 4}, {"method": "random", "epochs": 4})) in shown.title
    )


def test_widths_are_what_is_left_of_each_block():
    shown = figures.widths_left(pruned(), 0.25, title="Where each ranking took its channels")
    bars = [patch.get_width() for axis in shown.figure.axes for patch in axis.patches]
    assert set(np.round(bars, 6)) == {4.0, 10.0, 16.0}


def test_prices_per_flop_are_compared_with_plain_ones_and_with_chance():
    made = pruned()
    shown = figures.priced(made, 0.25, title="The weights' ranking wins {weights}")
    longest = {"epochs": 4, "budget": 0.25}
    gain = made.paired("after", {"method": "weights, per FLOP", **longest}, {"method": "weights", **longest})
    assert shown.title == f"The weights' ranking wins {gain}"
    assert len(shown.figure.axes[0].get_yticklabels()) == 6


def exchanged_rows():
    shares, rows = {"average": 0.8, "made": 0.82, "noise": 0.8, "real": 0.7, "bigger": 0.81, "once": 0.5}, []
    for method, share in shares.items():
        for seed in SEEDS:
            right = answers(share, seed)
            made = {"method": method, "rates": "own", "seed": seed, "up": 1e6 if method == "once" else 2e6, "down": 4e6}
            rows.append(made | {"test": float(right.float().mean()), "test, each": pack(right)})
    return Record("exchanged", rows)


def test_what_a_server_distils_is_compared_with_averaged_weights():
    made = exchanged_rows()
    rows = [{"method": "average", "rates": "own", "seed": s, "test": float(r.float().mean()), "test, each": pack(r)}
            for s in SEEDS for r in (answers(0.3, s),)]  # fmt: skip
    single = Record("once_averaged", rows)
    shown = figures.exchanged(
        made, single, title="Real photographs cost {real_cost:.1f} points, one round gains {once:.0f}"
    )
    of = lambda m: {"method": m, "rates": "own"}  # noqa: E731
    cost = -100 * made.paired("test", of("real"), of("average")).difference
    gain = 100 * made.paired("test", of("once"), of("average"), of=single).difference
    assert shown.title == f"Real photographs cost {cost:.1f} points, one round gains {gain:.0f}" and gain > 10
    assert len(shown.figure.axes[0].get_yticks()) == 5


def test_bytes_of_one_owner_stand_against_accuracy():
    rows = [{"method": "shared", "rates": "own", "seed": s, "together": 0.6, "accuracy": 0.4, "up": 1e7, "down": 7e7}
            for s in SEEDS]  # fmt: skip
    title = "{average_mb:.2f}, {once_mb:.2f} and {shared_mb:.1f} MB; {shared:.0f} and {each:.0f} %"
    shown = figures.bytes_and_accuracy(exchanged_rows(), Record("shared", rows), title=title)
    assert shown.title == "0.60, 0.50 and 8.0 MB; 60 and 40 %"
    points = [line.get_xdata()[0] for line in shown.figure.axes[0].lines]
    assert points == pytest.approx([0.6, 0.5, 8.0, 8.0])


def swept():
    settings = ({"optimizer": "sgd", "lr": 0.1}, {"optimizer": "adamw", "lr": 0.01}, {"optimizer": "sgd", "lr": 0.3})
    scores = ((0.70, 0.72), (0.80, 0.90), (0.84, 0.86))
    rows = [
        {**setting, "seed": i, "val": v}
        for setting, own in zip(settings, scores, strict=True)
        for i, v in enumerate(own)
    ]
    return Record("sweep", rows)


def test_a_sweep_stands_beside_its_noise():
    many = [{"lr": 0.01 * i, "seed": s, "val": 0.5 + 0.01 * i} for i in range(1, 13) for s in (0, 1)]
    same = Record("repeats", [{"lr": 0.5, "seed": s, "val": v} for s, v in enumerate((0.60, 0.63, 0.61))])
    title = "Settings differ by {settings:.0f} points, the five best by {best_five:.0f}, one setting from itself by {same:.0f}"
    shown = figures.noise(Record("sweep", many), same, title=title)
    assert shown.title == "Settings differ by 11 points, the five best by 4, one setting from itself by 3"
    assert "from 51.0 to 62.0 %" in shown.alt and "from 60.0 to 63.0 %, with a mean of 61.3 %" in shown.alt


def test_winners_are_met_by_their_other_seeds():
    shown = figures.winners(
        swept(), title="Winners of two sweeps fall by {least:.0f} to {most:.0f} points, {mean:.0f} on average"
    )
    assert shown.title == "Winners of two sweeps fall by -2 to 10 points, 4 on average"
    assert shown.alt.endswith("seed 0: setting 3: 84.0, again 86.0; seed 1: setting 2: 90.0, again 80.0.")


def test_optimisers_are_compared_at_own_and_at_common_rates():
    rows = [{"optimizer": o, "rates": r, "lr": lr, "seed": s, "test": v + 0.001 * s}
            for o, r, lr, v in (("adamw", "own", 0.01, 0.86), ("sgd", "own", 0.1, 0.87), ("sgd", "common", 0.01, 0.80),
                                ("plain sgd", "own", 0.3, 0.86), ("plain sgd", "common", 0.01, 0.60)) for s in range(5)]  # fmt: skip
    title = "At the common rate SGD loses {common_sgd_cost:.0f} points, at its own it gains {own_sgd:.0f}"
    shown = figures.optimizers(Record("optimizers", rows), title=title)
    assert shown.title == "At the common rate SGD loses 6 points, at its own it gains 1"


def test_what_was_chosen_is_compared_with_the_defaults():
    rows = [{"choice": c, "seed": s, "test": v + 0.001 * s}
            for c, v in (("defaults", 0.80), ("best with one seed", 0.82), ("best with five seeds", 0.83)) for s in range(5)]  # fmt: skip
    shown = figures.chosen(
        Record("chosen", rows), title="The best with one seed gains {one:.0f} points, with five {five:.0f}"
    )
    assert shown.title == "The best with one seed gains 2 points, with five 3"


def test_what_a_teacher_loses_is_drawn_beside_what_its_student_loses():
    scores = {("the same", "the same"): (0.94, 0.87), ("upside down", "the same"): (0.32, 0.34),
              ("shifted by 4 pixels", "the same"): (0.93, 0.86), ("upside down", "upside down"): (0.32, 0.30),
              ("shifted by 4 pixels", "shifted by 4 pixels"): (0.93, 0.5)}  # fmt: skip
    rows = [{"teacher_sees": t, "student_sees": s, "rates": "own", "seed": n, "teacher": a, "test": b + 0.001 * n}
            for (t, s), (a, b) in scores.items() for n in SEEDS]  # fmt: skip
    title = "{upside_lost:.0f} points lost upside down, {shifted_lost:.0f} shifted, {shifted_both_lost:.0f} if both are"
    shown = figures.seen(Record("inputs", rows), title=title)
    assert shown.title == "53 points lost upside down, 1 shifted, 37 if both are"
    assert "only the teacher sees the change: the same 94 and 87, upside down 32 and 34" in shown.alt
    assert len(shown.figure.axes) == 2 and len(shown.figure.axes[0].get_yticks()) == 3


def deep_rows():
    scores = {("vanishing", "nothing"): (0.1, 1e-6), ("vanishing", "decaying rate"): (0.1, 1e-6),
              ("vanishing", "He's start and ReLU"): (0.8, 3.0), ("exploding", "nothing"): (0.24, 2.0),
              ("exploding", "clipping"): (0.75, 2.0)}  # fmt: skip
    return [{"trouble": t, "mend": m, "rates": "own", "seed": s, "norms": [first, 1.0, 1.0], "test": score}
            for (t, m), (score, first) in scores.items() for s in SEEDS]  # fmt: skip


def test_a_gradients_way_down_is_drawn_for_three_starts():
    title = "Vanishing {vanishing:.0e}, exploding {exploding:.1f}, healthy {healthy:.0f}"
    shown = figures.arrivals(Record("gradients", deep_rows()), title=title)
    assert shown.title == "Vanishing 1e-06, exploding 0.9, healthy 3", "0.9: the cube root of 2/3, over three layers"
    assert shown.figure.axes[0].get_yscale() == "log" and len(shown.figure.axes[0].lines) == 3 * (len(SEEDS) + 1)


def test_remedies_stand_under_their_troubles():
    high = [{"trouble": "rate", "mend": m, "seed": s, "test": v}
            for m, v in (("nothing", 0.13), ("a tenth of the rate", 0.81)) for s in SEEDS]  # fmt: skip
    title = "{vanishing_decay:.0f}, {exploding_clipping:.0f} and {rate_tenth:.0f} %"
    shown = figures.mends(Record("gradients", deep_rows()), Record("high_rates", high), title=title)
    assert shown.title == "10, 75 and 81 %"
    assert shown.alt.endswith("exploding: rate too high: nothing 13, a tenth of the rate 81.")


def test_stops_are_drawn_on_a_curve_with_their_costs():
    curve = [0.5 + 0.01 * n for n in range(20)]
    rows = []
    for s in SEEDS:
        never, early = answers(0.8, s), answers(0.8, s) * (torch.arange(len(answers(0.8, s))) % 10 > 0)
        row = {"teaching": "consistent", "schedule": "cosine", "seed": s, "curve": curve}
        for rule, epochs in (
            ("patience 3", 4),
            ("patience 10", 12),
            ("plateau", 15),
            ("patience 30", 20),
            ("never", 20),
        ):
            found = early if rule == "patience 3" else never
            row |= {
                f"{rule} epochs": epochs,
                f"{rule} test": float(found.float().mean()),
                f"{rule} test, each": pack(found),
            }
        rows.append(row)
    title = "Patience of 3 stops after {three_epochs:.0f} epochs and costs {three_cost:.0f} points"
    shown = figures.stops(Record("stopping", rows), title=title)
    cost = np.mean([r["never test"] - r["patience 3 test"] for r in rows])
    assert shown.title == f"Patience of 3 stops after 4 epochs and costs {100 * cost:.0f} points" and cost > 0.05
    assert "patience 30: after 20 of 20 epochs, " in shown.alt


def test_longer_trainings_are_drawn_by_teaching():
    rows = [{"teaching": t, "rates": "own", "epochs": e, "seed": s, "test": base + gain * i + 0.001 * s * (i + 1)}
            for t, base, gain in (("labels", 0.78, 0.0), ("fixed", 0.78, 0.02), ("consistent", 0.78, 0.03))
            for i, e in enumerate((6, 20, 60, 200)) for s in SEEDS]  # fmt: skip
    title = (
        "The teacher's student gains {consistent_gain:.0f} points, {lead.difference:.2f} more than with fixed answers"
    )
    shown = figures.lengths(Record("lengths", rows), title=title)
    assert shown.title == "The teacher's student gains 6 points, 0.03 more than with fixed answers"
    assert shown.figure.axes[0].get_xscale() == "log" and len(shown.figure.axes[0].lines) == 3


def regulariser_rows():
    """Per source: its share of right answers with right and with wrong labels; all else moves with it or against it."""
    scores = dict.fromkeys(regularising.SHORT, (0.8, 0.6)) | {
        "labels alone": (0.8, 0.6), "teacher": (0.9, 0.85), "random answers": (0.6, 0.5),
    }  # fmt: skip
    rows = []
    for source, pair in scores.items():
        for wrong, share in zip((0.0, 0.2), pair, strict=True):
            for s in SEEDS:
                made = row(s, share, source=source, wrong=wrong, rates="own")
                made |= dict.fromkeys((*regularising.SHIFTS, "worst", "errors", "successes"), made["test"] - 0.1)
                rows.append(made | {"calibration": 0.3 - 0.2 * share, "calibrated": 0.02 + 0.001 * s})
    return Record("regulariser", rows)


def test_each_source_of_targets_is_held_against_the_labels_alone():
    title = "The teacher adds {teacher_gain:.0f} points, {wrong_teacher:.0f} where labels are wrong; chance takes "
    title += "{random_cost:.0f}"
    made = regulariser_rows()
    shown = figures.controls(made, title=title)
    found = [
        made.paired("test", {"source": s, "wrong": w}, {"source": "labels alone", "wrong": w})
        for s, w in (("teacher", 0.0), ("teacher", 0.2), ("random answers", 0.0))
    ]
    one, two, three = (100 * d.difference for d in found)
    assert shown.title == (
        f"The teacher adds {one:.0f} points, {two:.0f} where labels are wrong; chance takes {-three:.0f}"
    )
    left, right = shown.figure.axes
    assert [t.get_text() for t in left.get_yticklabels()] == list(regularising.SHORT)
    assert left.get_title() == "all labels are right" and right.get_title() == "one label in five is wrong"
    with pytest.raises(ValueError, match="the title's field equal must have an interval that leaves out zero"):
        figures.controls(made, title="Its equal adds {equal:.1f}")


def test_a_bill_has_all_lines_and_says_of_which_less_is_better():
    shown = figures.bill(regulariser_rows(), title="{test:.0f} points more, calibration {calibration:.0f}")
    assert shown.title.endswith("calibration -2") and len(shown.figure.axes[0].get_yticks()) == 8
    assert "calibration error, once calibrated identical" in shown.alt
    drawn = [line for line in shown.figure.axes[0].lines if line.get_marker() == "o" and len(line.get_ydata())]
    colours = {int(line.get_ydata()[0]): line.get_color() for line in drawn}
    less = {at for at, key in enumerate(regularising.LINES) if key in regularising.LESS}
    assert {at for at, colour in colours.items() if colour == regularising.COLOURS[1]} == less


def test_what_is_copied_goes_beyond_what_a_student_of_labels_says():
    rows = [{"source": source, "images": n, "seed": s, "errors": e + (n > 500) * e / 10 + 0.001 * s, "successes": 0.9 + more}
            for source, e, more in (("labels", 0.4, 0.0), ("its equal", 0.7, 0.0), ("teacher", 0.5, 0.05))
            for n in (500, 8000) for s in SEEDS]  # fmt: skip
    title = "{few_errors_gain:.0f} points of errors, then {errors_gain:.0f}; {successes_gain:.0f} of right answers"
    shown = figures.copied(Record("fidelity", rows), title=title)
    assert shown.title == "10 points of errors, then 11; 5 of right answers"
    axis = shown.figure.axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["500 photographs", "8,000 photographs"]
    dots = [(float(line.get_xdata()[0]), round(float(line.get_ydata()[0]), 2)) for line in axis.lines
            if line.get_marker() == "o" and len(line.get_xdata())]  # fmt: skip
    assert np.allclose(dots, [(5, -0.14), (5, 0.86), (10, 0.14), (11, 1.14)])


def test_partners_stand_under_each_other_with_labels_and_with_the_teacher():
    shares = {"nothing": (0.7, 0.74), "mixup": (0.7, 0.76), "copies": (0.74, 0.8), "copies and mixup": (0.74, 0.82)}
    rows = [row(s, share, taught=taught, partner=partner, rates="own")
            for partner, pair in shares.items() for taught, share in zip(("labels", "teacher"), pair, strict=True)
            for s in SEEDS]  # fmt: skip
    made = Record("partners", rows)
    title = "{teacher_copies_gain:.1f}, {labels_both_gain:.1f} and {taught_mixup:.1f}"
    shown = figures.partners(made, title=title)
    means = {p: [100 * made.mean("test", taught=t, partner=p) for t in ("labels", "teacher")] for p in shares}
    expected = (
        means["copies"][1] - means["nothing"][1],
        means["copies and mixup"][0] - means["nothing"][0],
        means["mixup"][1] - means["mixup"][0],
    )
    assert shown.title == "{:.1f}, {:.1f} and {:.1f}".format(*expected)
    axis = shown.figure.axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == list(regularising.PARTNERS)
    drawn = {c: [np.mean(line.get_xdata()) for line in axis.lines if len(line.get_xdata()) == 5 and line.get_color() == c]
             for c in regularising.COLOURS[:2]}  # fmt: skip
    blue, orange = (np.array(rows) for rows in drawn.values())
    assert len(blue) == len(orange) == 4 and (blue > orange).all(), "blue is the teacher, and ahead everywhere"


def compute_rows():
    """Shares of right answers that rise with the epochs; a teacher of 1 epoch costs its students points, others add."""
    shares = {"none": 0.8, "1": 0.7, "30": 0.84, "shipped": 0.86}
    right = {"1": 0.6, "30": 0.88, "shipped": 0.94}
    rows = []
    for teacher, share in shares.items():
        for epochs in (2, 6, 20, 60, *((200,) if teacher == "none" else ())):
            for s in SEEDS:
                made = row(s, share - 0.1 / epochs, teacher=teacher, epochs=epochs, rates="own", lr=0.01)
                given = teacher == "none"
                made |= {"learning": 1e9 * epochs, "raising": 0 if given else 120e9, "asking": 0 if given else 30e9}
                rows.append(made if given else made | {"teacher right": right[teacher]})
    return Record("compute", rows)


def test_the_teachers_training_is_counted_on_the_right_and_its_answers_on_both_sides():
    made = compute_rows()
    fresh = Record("fresh", [row(s, share, epochs=n) for n, share in ((60, 0.83), (200, 0.9)) for s in SEEDS])
    longer = Record(
        "longer", [r | {"epochs": 200, "learning": 200e9} for r in made.where(teacher="shipped", epochs=60)]
    )
    shown = figures.who_pays(made, longer, fresh, title="{gain:.1f} points and {fresh:.1f}")
    labels = {"teacher": "none", "epochs": 60}
    points = (
        longer.paired("test", {"epochs": 200}, labels, of=made),
        fresh.paired("test", {"epochs": 200}, labels, of=made),
    )
    assert shown.title == "{:.1f} points and {:.1f}".format(*(100 * d.difference for d in points))
    left, right = shown.figure.axes
    prices = [[list(line.get_xdata()) for line in axis.lines] for axis in (left, right)]
    assert prices[0][0] == prices[1][0] == [2, 6, 20, 60, 200], "labels alone buy nothing"
    assert prices[0][1] == [32, 36, 50, 90] and prices[1][1] == [152, 156, 170, 210]
    assert prices[0][2][-1] == 230 and prices[1][2][-1] == 350
    assert prices[0][3] == prices[1][3] == [60, 200], "and new versions are free"
    mean = 100 * made.mean("test", teacher="shipped", epochs=60)
    assert left.lines[2].get_ydata()[-2] == pytest.approx(mean)
    assert [line.get_label() for line in left.lines] == [
        "labels alone", "a teacher of 30 epochs", "the course's teacher", "labels alone, new versions",
    ]  # fmt: skip


def test_teachers_stand_by_their_own_accuracy_and_gain_or_cost_points():
    made = compute_rows()
    tuning = Record(
        "finals", [{"teacher": "none", "lr": lr, "seed": 0, "val": v} for lr, v in ((0.01, 0.8), (0.03, 0.83))]
    )
    shown = figures.strength_of_teacher(
        made, tuning, title="The weakest costs {first_cost:.1f}, the strongest adds {last_gain:.1f}"
    )
    base = {"teacher": "none", "epochs": 60}
    costs = [100 * made.paired("test", {"teacher": name, "epochs": 60}, base).difference for name in ("1", "shipped")]
    assert shown.title == f"The weakest costs {-costs[0]:.1f}, the strongest adds {costs[1]:.1f}"
    dots = [line for line in shown.figure.axes[0].lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in dots] == pytest.approx([60, 88, 94])
    assert shown.alt.endswith("Labels alone reach 83.0 %.")
    assert "a teacher of 1 epoch," in shown.alt and "a teacher of 30 epochs," in shown.alt


def test_an_arrow_leads_to_as_many_labels_as_the_teachers_answers_are_worth():
    shares = {("labels", 250): 0.6, ("labels", 500): 0.7, ("labels", 1000): 0.8, ("teacher", 250): 0.65,
              ("teacher", 500): 0.75, ("teacher", 1000): 0.9}  # fmt: skip
    rows = [row(s, share, source=source, n=n, rates="own") for (source, n), share in shares.items() for s in SEEDS]
    made = Record("worth", rows)
    shown = figures.labels_worth(made, photographs=500, title="{labels:.0f} labels, {gain:.1f} points")
    low, high, reached = (made.mean("test", **one) for one in (
        {"source": "labels", "n": 500}, {"source": "labels", "n": 1000}, {"source": "teacher", "n": 500}
    ))  # fmt: skip
    enough = 500 * 2 ** ((reached - low) / (high - low))
    assert shown.title == f"{enough:.0f} labels, {100 * (reached - low):.1f} points"
    (arrow,) = [note for note in shown.figure.axes[0].texts if getattr(note, "arrow_patch", None)]
    assert arrow.xy == pytest.approx((enough, 100 * reached))
    never = figures.labels_worth(made, photographs=1000, title="{gain:.1f} points")
    assert not [note for note in never.figure.axes[0].texts if getattr(note, "arrow_patch", None)]


def spoken(start, imitates, writer, share, nats):
    """Five rows of a method of ``speaking``."""
    rows = []
    for s in SEEDS:
        right = answers(share, s)
        setting = {"start": start, "imitates": imitates, "writer": writer, "rates": "own", "lr": 0.01, "seed": s}
        found = {"valid": float(right.float().mean()), "valid, each": pack(right), "nats": nats + 0.01 * s}
        rows.append(setting | found | {"apart_read": 0.1, "apart_own": 0.2 if start == "from scratch" else 0.1 * nats})
    return rows


SPEAKING = Record("speaking", [
    r for start, low in (("from scratch", 0.3), ("warmed up", 0.8)) for one in (
        spoken(start, "sentences", "teacher", 0.6, 1.2), spoken(start, "forward", "teacher", 0.7, 1.1),
        spoken(start, "forward", "student", 0.75, 1.15), spoken(start, "reverse", "teacher", low, 1.4),
        spoken(start, "reverse", "student", 0.5, 1.3),
    ) for r in one
])  # fmt: skip


def test_valid_sentences_stand_over_surprise_in_a_panel_for_each_start():
    shown = figures.valid_and_surprised(SPEAKING, title="{early:+.1f}, {late:+.1f}, {wrote:+.1f}")
    pairs = [("reverse", "teacher", "forward", "teacher", "from scratch"),
             ("reverse", "teacher", "forward", "teacher", "warmed up"),
             ("reverse", "student", "reverse", "teacher", "warmed up")]  # fmt: skip
    wanted = []
    for a, b, c, d, start in pairs:
        ours, theirs = ({"start": start, "imitates": i, "writer": w} for i, w in ((a, b), (c, d)))
        wanted.append(100 * SPEAKING.paired("valid", ours, theirs).difference)
    assert shown.title == "{:+.1f}, {:+.1f}, {:+.1f}".format(*wanted)
    for axis, start in zip(shown.figure.axes, ("from scratch", "warmed up"), strict=True):
        means = [line for line in axis.lines if len(line.get_xdata()) == 1]
        rows = [("sentences", "teacher", "o"), ("forward", "teacher", "o"), ("forward", "student", "^"),
                ("reverse", "teacher", "o"), ("reverse", "student", "^")]  # fmt: skip
        assert [line.get_marker() for line in means] == [mark for *_, mark in rows]
        for line, (imitates, writer, _) in zip(means, rows, strict=True):
            one = {"start": start, "imitates": imitates, "writer": writer}
            assert line.get_xdata()[0] == pytest.approx(SPEAKING.mean("nats", **one))
            assert line.get_ydata()[0] == pytest.approx(100 * SPEAKING.mean("valid", **one))
    assert "reverse KL (the student writes), warmed up" in shown.alt


def test_a_students_own_words_stand_beside_those_that_it_read():
    shown = figures.own_words(SPEAKING, start="warmed up", title="{read:.2f} and {wrote:.2f} times")
    assert shown.title == "1.10 and 1.15 times"
    assert "forward KL, the student writes: 0.100 and 0.115" in shown.alt


def test_kept_answers_show_how_often_the_rarest_bracket_comes():
    shares = {"everything": (1.1, 0.1), "top 2": (1.5, 0.02), "2 drawn": (1.12, 0.09)}
    rows = [{"kept": kept, "rates": "own", "lr": 0.01, "seed": s, "nats": nats + 0.01 * s, "rare": rare}
            for kept, (nats, rare) in shares.items() for s in SEEDS]  # fmt: skip
    names = {"everything": "all nine", "top 2": "the two likeliest", "2 drawn": "two draws"}
    shown = figures.kept_answers(
        Record("kept", rows), names=names, truth=0.1, title="{cut:.1f}, {drawn:.1f} of {truth:.1f}"
    )
    assert shown.title == "2.0, 9.0 of 10.0"
    left, right = shown.figure.axes
    assert [t.get_text() for t in left.get_yticklabels()] == list(names.values())
    means = [[line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 1] for axis in (left, right)]
    assert means[0] == pytest.approx([1.12, 1.52, 1.14])
    assert means[1] == pytest.approx([10, 2, 9])
    assert len({line.get_color() for line in left.lines}) == 3
    assert "in the language 10" in shown.alt and "the two likeliest: 1.52 nats, 2" in shown.alt

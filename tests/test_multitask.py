"""Canvases, two-headed networks, their scores; torchvision's and torchmetrics' own numbers beside ours."""

import json
import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

import kdcourse as kd

from .test_heads import boxes

MT = kd.multitask
L = kd.losses


@pytest.fixture(scope="module")
def splits():
    data = kd.load()
    return kd.split(data, train=300, val=100, seed=0)


@pytest.fixture(scope="module")
def scenes(splits):
    small = kd.data.Splits(splits.train, splits.val, splits.test.select(torch.arange(100)), splits.classes)
    return MT.canvases(small, seed=0)


# ---------------------------------------------------------------- canvases


def test_the_same_seed_draws_the_same_canvases_and_another_one_others(splits):
    one, two, other = (MT.canvases(splits.train, seed=s) for s in (3, 3, 4))
    assert torch.equal(one.images, two.images) and torch.equal(one.labels["box"], two.labels["box"])
    assert not torch.equal(one.images, other.images)


def test_a_box_is_tight_around_the_item(splits):
    """Without clutter every pixel above the threshold belongs to the item, so the box can be found again."""
    made = MT.canvases(splits.train, clutter=0, seed=1)
    for image, box in zip(made.images[:100, 0], made.labels["box"][:100], strict=True):
        rows, columns = np.nonzero(image.numpy() > 0.1)
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert (64 * box).tolist() == expected
    assert torch.equal(made.labels["class"], splits.train.labels)


def test_boxes_lie_on_the_canvas_and_have_an_area(scenes):
    for part in (scenes.train, scenes.val, scenes.test):
        kd.losses.check_boxes(part.labels["box"])
        assert part.images.shape[1:] == (1, 64, 64) and part.images.min() >= 0 and part.images.max() <= 1
    sides = scenes.train.labels["box"][:, 2:] - scenes.train.labels["box"][:, :2]
    assert float(sides.min()) > 0.05 and float(sides.max()) <= 0.75 + 1 / 64
    assert float(sides.max(dim=1).values.std()) > 0.05, "of many sizes"


def test_clutter_lies_behind_the_item(splits):
    bare, full = (MT.canvases(splits.val, clutter=n, seed=2) for n in (0, 3))
    assert float((full.images > 0.1).float().mean()) > 1.1 * float((bare.images > 0.1).float().mean())
    assert float(full.images.mean()) > float(bare.images.mean())


def test_parts_share_no_source_image():
    """Each part's canvases hold nothing of another part: with all of the others' images black, nothing changes."""
    data = kd.load()
    splits = kd.split(data, train=60, val=60, seed=0)
    black = kd.data.Part(torch.zeros_like(splits.val.images), splits.val.labels)
    one = MT.canvases(kd.data.Splits(splits.train, splits.val, None, splits.classes), seed=0)
    two = MT.canvases(kd.data.Splits(splits.train, black, None, splits.classes), seed=0)
    assert torch.equal(one.train.images, two.train.images)
    assert set(one.train.indices.tolist()).isdisjoint(one.val.indices.tolist())
    assert (two.val.labels["box"] == -100).all(), "an item without any pixel has no box"


def test_few_labels_takes_class_and_box_together(scenes):
    few = MT.few_labels(scenes.train, 50, seed=0)
    known = few.labels["class"] != -100
    assert int(known.sum()) == 50 and torch.equal(known, (few.labels["box"] != -100).any(dim=1))
    assert torch.equal(few.labels["box"][known], scenes.train.labels["box"][known])
    assert torch.bincount(few.labels["class"][known]).tolist() == [5] * 10


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda p: MT.canvases(p, size=20), "size must be at least the images' 28; got 20"),
        (lambda p: MT.canvases(p, clutter=-1), "clutter must be a whole number of at least 0"),
        (lambda p: MT.canvases((p.images, None)), "labels must be class numbers; got 'none'"),
        (lambda p: MT.canvases((p.images[:, 0], p.labels)), "images must be N x C x H x W floats"),
        (lambda p: MT.canvases(MT.canvases(p)), "labels must be class numbers; got several heads"),
        (lambda p: MT.two_headed("resnet"), "name must be one of cnn, deep_cnn, mini_googlenet"),
        (lambda p: MT.two_headed(heads=()), "heads must be some of class and box"),
        (lambda p: MT.two_headed(heads=("mask",)), "heads must be some of class and box"),
        (lambda p: MT.evaluate(MT.two_headed(width=4), p), "data must have labels"),
        (lambda p: MT.evaluate(kd.build("linear", shape=(1, 64, 64)), MT.canvases(p)), "the model must have a head"),
        (lambda p: MT.delta_m([0.5], [0.5, 0.5]), "have one entry a task"),
        (lambda p: MT.delta_m([0.5], [0.0]), "singles must be above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(splits, call, match):
    with pytest.raises(ValueError, match=match):
        call(splits.val)


# ---------------------------------------------------------------- networks


@pytest.mark.parametrize("name", ["cnn", "deep_cnn", "mini_googlenet"])
@pytest.mark.parametrize("heads", [("class",), ("box",), ("class", "box")])
def test_a_network_answers_with_its_heads(name, heads):
    model = MT.two_headed(name, width=4, num_classes=7, heads=heads, seed=1).eval()
    with torch.no_grad():
        found = model(torch.rand(5, 1, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert tuple(found) == heads
    if "class" in found:
        assert found["class"].shape == (5, 7)
    if "box" in found:
        assert found["box"].shape == (5, 4) and (found["box"][:, 2:] > found["box"][:, :2]).all()


def test_the_same_seed_builds_the_same_network_and_leaves_random_states_alone():
    before = torch.get_rng_state()
    one, two, other = (MT.two_headed("cnn", width=4, seed=s) for s in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    a, b, c = (torch.cat([p.flatten() for p in m.parameters()]) for m in (one, two, other))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_frozen_weights_come_back(tmp_path):
    model = MT.two_headed("cnn", width=4, seed=0).eval()
    kd.save_frozen(model, tmp_path / "two")
    again = kd.load_frozen(tmp_path / "two", into=MT.two_headed("cnn", width=4, seed=5))
    x = torch.rand(3, 1, 64, 64)
    with torch.no_grad():
        assert all(torch.equal(model(x)[k], again(x)[k]) for k in ("class", "box"))


def test_the_shipped_teacher_is_frozen_and_as_good_as_it_says():
    teacher = MT.load_teacher()
    assert not teacher.training and not any(p.requires_grad for p in teacher.parameters())
    folder = kd.data.ASSETS / "two_heads"
    about = json.loads((folder / "config.json").read_text())["about"]
    assert sum(file.stat().st_size for file in folder.iterdir()) < 3_000_000
    accuracy, mean_iou, half = (float(v) for v in re.findall(r"(\d\.\d{3})", about["test"]))
    test = kd.split(kd.load(), val=0.2, seed=0).test
    some = MT.canvases(test.select(torch.arange(1000)), seed=5)  # other canvases than those that it was measured on
    found = MT.evaluate(teacher, some)
    assert abs(found.accuracy - accuracy) < 0.04 and abs(found.mean_iou - mean_iou) < 0.02
    assert abs(found.iou_at_half - half) < 0.02


# ---------------------------------------------------------------- scores


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_iou_is_torchvisions(seed):
    a, b = boxes(seed, 8), boxes(seed + 1, 8)
    torch.testing.assert_close(MT.iou(a, b), box_iou(a, b).diagonal())


def test_iou_by_hand_and_at_the_edges():
    one = torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    half, apart, thin = (torch.tensor([b]) for b in ([0.0, 0.0, 0.5, 0.25], [0.6, 0.6, 0.9, 0.9], [0.2, 0.2, 0.2, 0.4]))
    turned = torch.tensor([[0.5, 0.5, 0.0, 0.0]])
    assert [float(MT.iou(box, one)) for box in (one, half, apart, thin, turned)] == [1.0, 0.5, 0.0, 0.0, 0.0]


def test_mean_iou_is_torchmetrics(scenes):
    from torchmetrics.detection import IntersectionOverUnion

    model = MT.two_headed("cnn", width=4, seed=0)
    found = MT.evaluate(model, scenes.test)
    metric = IntersectionOverUnion(respect_labels=False)
    pairs = zip(found.outputs["box"], scenes.test.labels["box"], strict=True)
    values = []
    for ours, true in pairs:
        label = torch.zeros(1, dtype=torch.long)
        metric.reset()
        metric.update([{"boxes": 64 * ours[None].clamp(-1, 2), "scores": torch.ones(1), "labels": label}],
                      [{"boxes": 64 * true[None], "labels": label}])  # fmt: skip
        values.append(max(0.0, float(metric.compute()["iou"])))
    assert found.mean_iou == pytest.approx(sum(values) / len(values), abs=1e-4)


def test_evaluate_counts_what_has_a_label(scenes):
    few = MT.few_labels(scenes.train, 50, seed=0)
    model = MT.two_headed("cnn", width=4, seed=0)
    found, all_of = MT.evaluate(model, few), MT.evaluate(model, scenes.train)
    known = few.labels["class"] != -100
    assert len(found.right) == len(found.ious) == 50
    assert torch.equal(found.right, all_of.right[known]) and torch.equal(found.ious, all_of.ious[known])
    assert found.iou_at_half == float((found.ious >= 0.5).float().mean())
    assert str(found).startswith("accuracy 0.") and "IoU of at least 0.5" in str(found)


def test_a_network_of_one_head_is_judged_by_that(scenes):
    found = MT.evaluate(MT.two_headed("cnn", width=4, heads=("box",)), scenes.val)
    assert found.accuracy is None and found.mean_iou is not None and str(found).startswith("mean IoU")


def test_score_is_the_mean_of_accuracy_and_mean_iou(scenes):
    model = MT.two_headed("cnn", width=4, seed=0)
    found = MT.evaluate(model, scenes.val)
    assert MT.score(found.outputs, scenes.val.labels) == pytest.approx((found.accuracy + found.mean_iou) / 2, abs=1e-6)
    only = {"box": found.outputs["box"]}
    assert MT.score(only, scenes.val.labels) == pytest.approx(found.mean_iou, abs=1e-6)


def test_delta_m_by_hand():
    assert MT.delta_m([0.9, 0.6], [0.8, 0.8]) == pytest.approx((0.125 - 0.25) / 2)
    assert MT.delta_m([0.9, 2.0], [0.8, 4.0], lower_is_better=[False, True]) == pytest.approx((0.125 + 0.5) / 2)


# ---------------------------------------------------------------- the whole


def test_distilling_two_heads_by_the_one_loop(scenes):
    """Class by soft targets, box by the teacher's box, features through an adaptor; the teacher is left as found."""
    teacher, student = MT.two_headed("cnn", width=8, seed=1), MT.two_headed("cnn", width=4, seed=0)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    loss = L.PerHead({"class": L.SoftTargets(), "box": L.BoundedBox(margin=0.01)}) + L.Adaptor({"trunk": "trunk"})
    run = kd.distill(teacher, student, scenes, loss=loss, metric=MT.score, epochs=2, progress=False)
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert set(run.history) >= {"class", "box", "adaptor", "val_score"}
    assert run.config["teacher_cache"].startswith("on: logits, trunk")
    assert all(math.isfinite(v) for values in run.history.values() for v in values)

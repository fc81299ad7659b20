"""Several heads: a loss each, boxes, adaptors, and how two tasks are weighed; the formulas in loops, and torchjd."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.ops import generalized_box_iou

import kdcourse as kd
from kdcourse.losses import Side, Step

L = kd.losses
SEEDS = st.integers(0, 10_000)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def boxes(seed, n):
    corners = torch.rand(n, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).sort(dim=1).values
    return torch.cat([corners[:, 0] * 0.9, corners[:, 1] * 0.9 + 0.1], dim=1)


def of_torchjd(how, rows):
    """Their step; their solver regularises by 1e-4 unless told otherwise."""
    from torchjd.aggregation import PCGrad, UPGrad
    from torchjd.linalg import QuadprogProjector

    return (PCGrad() if how == "pcgrad" else UPGrad(projector=QuadprogProjector(reg_eps=1e-7)))(rows)


class Two(nn.Module):
    """A shared layer under two heads."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.trunk, self.one, self.box = nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(5, 4)

    def forward(self, x):
        seen = torch.tanh(self.trunk(x))
        low = self.box(seen).sigmoid() * 0.5
        return {"class": self.one(seen), "box": torch.cat([low[:, :2], low[:, :2] + low[:, 2:] + 0.01], dim=1)}


def data(seed=0, n=32):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=g)
    return x, {"class": torch.randint(3, (n,), generator=g), "box": boxes(seed, n).float()}


def step(model, x, labels, teacher=None):
    theirs = None if teacher is None else Side({k: v.detach() for k, v in teacher(x).items()}, {}, teacher)
    return Step(x, labels, Side(model(x), {}, model), theirs)


# ---------------------------------------------------------------- boxes


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.floats(0, 0.2))
def test_bounded_regression_is_the_published_rule_in_a_loop(seed, margin):
    ours, theirs, labels = (boxes(seed + k, 7) for k in range(3))
    labels[3] = -100
    total, known = 0.0, [i for i in range(7) if i != 3]
    for i in known:
        s, t = (sum((float(b[i][j]) - float(labels[i][j])) ** 2 for j in range(4)) for b in (ours, theirs))
        total += s if s + margin > t else 0.0
    assert float(L.bounded_box(ours, theirs, labels, margin=margin)) == pytest.approx(total / len(known), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_giou_is_torchvisions_own_for_all_pairs(seed):
    a, b = boxes(seed, 6), boxes(seed + 1, 6)
    expected = 1 - generalized_box_iou(a, b).diagonal()
    torch.testing.assert_close(L.giou_loss(a, b), expected, atol=1e-4, rtol=1e-4)


def test_giou_by_hand_for_boxes_that_do_not_meet():
    a, b = torch.tensor([[0.0, 0.0, 0.25, 0.5]]), torch.tensor([[0.75, 0.0, 1.0, 0.5]])
    assert float(L.giou_loss(a, b)) == pytest.approx(1.5)  # the hull is twice the union: 1 - (0 - 0.5)
    moved = a.clone().requires_grad_()
    L.giou_loss(moved, b).sum().backward()
    assert moved.grad.abs().sum() > 0, "a gradient where IoU has none"


def test_the_distance_of_boxes_is_the_sum_of_four_sides_and_of_giou():
    a, b = torch.tensor([[0.1, 0.1, 0.5, 0.5]]), torch.tensor([[0.2, 0.1, 0.5, 0.7]])
    assert float(L.box_distance(a, b, giou=0.0)) == pytest.approx(0.3)
    assert float(L.box_distance(a, b, giou=2.0)) == pytest.approx(0.3 + 2 * float(L.giou_loss(a, b)))


@pytest.mark.parametrize(
    ("box", "match"),
    [
        ([0.5, 0.5, 1.2, 0.9], r"lie on the canvas, in \[0, 1\].*\(0.5, 0.5, 1.2, 0.9\)"),
        ([-0.1, 0.5, 0.2, 0.9], "lie on the canvas"),
        ([0.5, 0.5, 0.5, 0.9], "have x1 < x2 and y1 < y2"),
        ([0.5, 0.9, 0.6, 0.2], "have x1 < x2 and y1 < y2"),
    ],
)
@pytest.mark.parametrize("loss", [L.Box(), L.BoundedBox()])
def test_a_label_that_is_no_box_is_refused(box, match, loss):
    labels, right = torch.tensor([[0.1, 0.1, 0.2, 0.2], box]), boxes(0, 2).float()
    with pytest.raises(ValueError, match=match):
        loss(right, right, labels)


@pytest.mark.parametrize("loss", [L.Box(), L.Box(0.5), L.BoundedBox()])
def test_rows_without_a_box_are_left_out_and_a_batch_without_any_gives_zero(loss):
    ours, theirs, labels = (boxes(k, 4).float() for k in range(3))
    some, none = labels.clone(), torch.full((4, 4), -100.0)
    some[1:] = -100
    by_teacher = loss.alpha * float(L.box_distance(ours, theirs).mean()) if isinstance(loss, L.Box) else 0.0
    assert float(loss(ours, theirs, none)) == pytest.approx(by_teacher)
    alone = float(loss(ours[:1], theirs[:1], labels[:1]))
    if isinstance(loss, L.Box):
        alone += loss.alpha * float(L.box_distance(ours, theirs).mean() - L.box_distance(ours, theirs)[0])
    assert float(loss(ours, theirs, some)) == pytest.approx(alone, rel=1e-5)


def test_a_student_that_is_better_than_the_teacher_is_left_in_peace():
    labels = torch.tensor([[0.2, 0.2, 0.6, 0.6]])
    near, far = labels + 0.01, labels + 0.1
    assert float(L.bounded_box(near, far, labels)) == 0
    assert float(L.bounded_box(far, near, labels)) == pytest.approx(0.04)
    assert float(L.bounded_box(near, far, labels, margin=0.05)) == pytest.approx(0.0004), "not better by the margin"


# ---------------------------------------------------------------- one loss a head


def test_per_head_adds_what_each_head_says_of_its_own():
    model, (x, labels), teacher = Two(), data(), Two(1)
    loss = L.PerHead({"class": L.SoftTargets(2.0, 0.5), "box": 5 * L.Box(0.5)})
    total, terms = loss.total(step(model, x, labels, teacher))
    answer, theirs = model(x), teacher(x)
    expected = {
        "class": L.soft_targets(answer["class"], theirs["class"], labels["class"], temperature=2.0, alpha=0.5),
        "box": 2.5 * L.box_distance(answer["box"], theirs["box"]).mean()
        + 2.5 * L.box_distance(answer["box"], labels["box"]).mean(),
    }
    assert list(terms) == ["class", "box"]
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
    torch.testing.assert_close(total, sum(expected.values()))


def test_uncertainty_is_kendalls_formula_and_its_weights_learn():
    model, (x, labels) = Two(), data()
    loss = L.PerHead({"class": L.CrossEntropy(), "box": L.Box()}, weighting="uncertainty")
    with torch.no_grad():
        loss.log_variances.copy_(torch.tensor([0.5, -1.0]))
    plain = L.PerHead({"class": L.CrossEntropy(), "box": L.Box()}).total(step(model, x, labels))[1]
    total, _ = loss.total(step(model, x, labels))
    expected = 0.5 * math.exp(-0.5) * plain["class"] + 0.25 + 0.5 * math.exp(1.0) * plain["box"] - 0.5
    torch.testing.assert_close(total, expected)
    run = kd.train(model, (x, labels), loss=loss, epochs=3, progress=False)
    assert not torch.equal(run.loss.log_variances, loss.log_variances), "they join the optimiser"
    assert torch.equal(loss.log_variances, torch.tensor([0.5, -1.0])), "of the run's own copy"


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(["pcgrad", "upgrad"]))
def test_the_step_of_two_tasks_is_torchjds(seed, how):
    rows = drawn(seed, 2, 5)
    a, b = L.surgery_weights(list(rows), how)
    torch.testing.assert_close(a * rows[0] + b * rows[1], of_torchjd(how, rows), atol=1e-5, rtol=1e-5)


def test_no_step_goes_against_either_task():
    for seed in range(50):
        g, h = drawn(seed, 2, 4)
        a, b = L.surgery_weights([g, h])
        both = a * g + b * h
        assert float(both @ g) >= -1e-9 and float(both @ h) >= -1e-9


def test_a_gradient_of_zero_has_no_direction():
    assert L.surgery_weights([torch.zeros(3), torch.ones(3)]) == (1.0, 1.0)
    assert L.surgery_weights([torch.ones(3), torch.zeros(3)], "upgrad") == (0.5, 0.5)


@pytest.mark.parametrize("how", ["pcgrad", "upgrad"])
def test_in_a_loss_the_shared_parameters_get_that_step(how):
    model, (x, labels) = Two(3), data(3)
    heads = {"class": L.CrossEntropy(), "box": 30 * L.Box()}
    rows = []
    for head in heads:
        model.zero_grad()
        L.PerHead(heads).total(step(model, x, labels))[1][head].backward()
        rows.append(torch.cat([p.grad.flatten() for p in model.trunk.parameters()]))
    assert float(rows[0] @ rows[1]) < 0, "an example with a conflict"
    model.zero_grad()
    L.PerHead(heads, weighting=how).total(step(model, x, labels))[0].backward()
    found = torch.cat([p.grad.flatten() for p in model.trunk.parameters()])
    expected = of_torchjd(how, torch.stack(rows).double()).float()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_weights_by_gradients_train_through_the_loop():
    x, labels = data(0, 64)
    loss = L.PerHead({"class": L.CrossEntropy(), "box": L.Box()}, weighting="pcgrad")
    run = kd.train(Two(), (x, labels), loss=loss, epochs=30, batch_size=16, lr=0.02, progress=False)
    assert run.history["class"][-1] < run.history["class"][0] and run.history["box"][-1] < run.history["box"][0]


def test_a_head_that_lacks_labels_in_a_batch_contributes_nothing():
    model, (x, _) = Two(), data()
    bare = {"class": torch.full((32,), -100), "box": torch.full((32, 4), -100.0)}
    total, terms = L.PerHead({"class": L.CrossEntropy(), "box": L.Box()}).total(step(model, x, bare))
    assert float(total.detach()) == 0 and total.requires_grad
    assert all(float(v.detach()) == 0 for v in terms.values())


def test_a_missing_head_is_named_before_any_work():
    x, labels = data()
    teacher = nn.Sequential(nn.Linear(6, 3))
    both = L.PerHead({"class": L.SoftTargets(), "box": L.Box(0.5)})
    with pytest.raises(TypeError, match="the teacher's answer must be a dict with the head class"):
        kd.distill(teacher, Two(), (x, labels), loss=both, epochs=1, progress=False)

    class One(Two):
        def forward(self, x):
            return {"class": super().forward(x)["class"]}

    with pytest.raises(ValueError, match="the teacher's answer must have the head box; got class only"):
        kd.distill(One(), Two(), (x, labels), loss=both, epochs=1, progress=False)
    with pytest.raises(ValueError, match="the student's answer must have the head box"):
        kd.train(One(), (x, labels), loss=L.PerHead({"box": L.Box()}), epochs=1, progress=False)
    with pytest.raises(ValueError, match="labels must have the head box"):
        kd.train(Two(), (x, {"class": labels["class"]}), loss=L.PerHead({"box": L.Box()}), epochs=1, progress=False)


def test_a_teacher_may_lack_a_head_that_nobody_asks_it_for():
    class One(Two):
        def forward(self, x):
            return {"class": super().forward(x)["class"]}

    x, labels = data()
    loss = L.PerHead({"class": L.SoftTargets(), "box": L.Box()})
    run = kd.distill(One(1), Two(), (x, labels), loss=loss, epochs=1, progress=False)
    assert set(run.history) >= {"class", "box"}


def test_a_task_that_diverges_is_named():
    x, labels = data()

    class Wild(Two):
        def forward(self, x):
            found = super().forward(x)
            return {**found, "class": found["class"] * 1e30}

    loss = L.PerHead({"class": 1e30 * L.CrossEntropy(), "box": L.Box()})
    with pytest.raises(kd.training.TrainingDiverged, match=r"the loss is inf in epoch 1 \(class inf, box "):
        kd.train(Wild(), (x, labels), loss=loss, epochs=1, progress=False)


# ---------------------------------------------------------------- adaptors


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_an_adaptors_distance_is_that_of_unit_vectors(seed):
    ours, theirs = drawn(seed, 3, 2, 2, 2), drawn(seed + 1, 3, 2, 2, 2)
    total = 0.0
    for a, b in zip(ours, theirs, strict=True):
        a, b = a.flatten().tolist(), b.flatten().tolist()
        la, lb = (math.sqrt(sum(v * v for v in row)) for row in (a, b))
        total += sum((u / la - v / lb) ** 2 for u, v in zip(a, b, strict=True))
    assert float(L.unit_distance(ours, theirs)) == pytest.approx(total / 3, rel=1e-9)
    assert float(L.unit_distance(7 * theirs, theirs)) == pytest.approx(0, abs=1e-12)


def test_an_adaptor_learns_its_map_inside_distill():
    x, labels = data()
    teacher, student = Two(1), Two()
    loss = L.PerHead({"class": L.CrossEntropy(), "box": L.Box()}) + L.Adaptor({"trunk": "trunk"})
    run = kd.distill(teacher, student, (x, labels), loss=loss, epochs=8, lr=0.02, progress=False)
    assert run.history["adaptor"][-1] < run.history["adaptor"][0]

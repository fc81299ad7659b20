"""Losses: against NumPy in loops, against autograd by finite differences, at the edges of float32, and in sums."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.losses import Side, Step

L = kd.losses


def np_softmax(row, t):
    top = max(row)
    e = [math.exp((v - top) / t) for v in row]
    return [v / sum(e) for v in e]


def np_soft_targets(student, teacher, labels, t, alpha):
    """The formula in loops, by plain probabilities."""
    total = 0.0
    for s, z, y in zip(student, teacher, labels, strict=True):
        p, q, plain = np_softmax(z, t), np_softmax(s, t), np_softmax(s, 1.0)
        kl = sum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True) if a > 0)
        total += alpha * t * t * kl - (1 - alpha) * math.log(plain[y])
    return total / len(student)


@st.composite
def logits_and_labels(draw):
    n, c = draw(st.integers(1, 6)), draw(st.integers(2, 7))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    scale = draw(st.floats(0.1, 5))
    return rng.normal(size=(n, c)) * scale, rng.normal(size=(n, c)) * scale, rng.integers(0, c, n)


@settings(max_examples=60, deadline=None)
@given(logits_and_labels(), st.floats(0.5, 50), st.floats(0, 1))
def test_soft_targets_equal_the_formula_in_loops(drawn, temperature, alpha):
    student, teacher, labels = drawn
    got = L.soft_targets(
        torch.tensor(student), torch.tensor(teacher), torch.tensor(labels), temperature=temperature, alpha=alpha
    )
    assert got.dtype == torch.float64
    assert float(got) == pytest.approx(
        np_soft_targets(student, teacher, labels, temperature, alpha), rel=1e-6, abs=1e-6
    )


@settings(max_examples=40, deadline=None)
@given(logits_and_labels(), st.floats(0, 1))
def test_cross_entropy_equals_the_formula_in_loops(drawn, smoothing):
    student, _, labels = drawn
    expected = 0.0
    for row, y in zip(student, labels, strict=True):
        p = np_softmax(row, 1.0)
        target = [smoothing / len(row) + (1 - smoothing) * (i == y) for i in range(len(row))]
        expected -= sum(w * math.log(q) for w, q in zip(target, p, strict=True)) / len(student)
    got = L.cross_entropy(torch.tensor(student), torch.tensor(labels), label_smoothing=smoothing)
    assert float(got) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(logits_and_labels())
def test_squared_errors_equal_the_formula_in_loops(drawn):
    student, teacher, _ = drawn
    cells = [(a - b) ** 2 for x, y in zip(student, teacher, strict=True) for a, b in zip(x, y, strict=True)]
    for function in (L.logit_mse, L.mse, L.hint):
        assert float(function(torch.tensor(student), torch.tensor(teacher))) == pytest.approx(
            sum(cells) / len(cells), abs=1e-6
        )


def test_reductions_are_over_images():
    s, t, y = (
        torch.randn(5, 3, dtype=torch.float64),
        torch.randn(5, 3, dtype=torch.float64),
        torch.tensor([0, 1, 2, 0, 1]),
    )
    for function, args in (
        (L.soft_targets, (s, t, y)),
        (L.cross_entropy, (s, y)),
        (L.logit_mse, (s, t)),
        (L.mse, (s, t)),
    ):
        each = function(*args, reduction="none")
        assert each.shape == (5,), function
        assert torch.allclose(each.sum(), function(*args, reduction="sum"))
        assert torch.allclose(each.mean(), function(*args, reduction="mean"))


def test_gradients_agree_with_finite_differences():
    torch.manual_seed(0)
    s = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    t, y = torch.randn(4, 5, dtype=torch.float64), torch.tensor([0, 4, -100, 2])
    assert torch.autograd.gradcheck(lambda z: L.soft_targets(z, t, y, temperature=3.0, alpha=0.4), s)
    assert torch.autograd.gradcheck(lambda z: L.cross_entropy(z, y, label_smoothing=0.1), s)
    assert torch.autograd.gradcheck(lambda z: L.logit_mse(z, t), s)
    assert torch.autograd.gradcheck(lambda z: L.mse(z, t), s)
    assert torch.autograd.gradcheck(lambda z: L.hint(z, t), s)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 4.0, 1e3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_at_extreme_logits(temperature, dtype):
    extreme = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [0.0, 0.0, 0.0]], dtype=dtype)
    for s, t in ((extreme, extreme.flip(0)), (extreme, -extreme)):
        z = s.clone().requires_grad_()
        value = L.soft_targets(z, t, torch.tensor([0, 1, 2]), temperature=temperature, alpha=0.5) + L.logit_mse(z, t)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(z.grad).all()
        assert value.dtype == dtype


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_gives_float32(half):
    s, t, y = torch.randn(4, 3).to(half), torch.randn(4, 3).to(half), torch.tensor([0, 1, 2, 0])
    for value in (L.soft_targets(s, t, y), L.cross_entropy(s, y), L.logit_mse(s, t), L.hint(s, t)):
        assert value.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        product = torch.randn(4, 8) @ torch.randn(8, 3)
        assert product.dtype == torch.bfloat16
        assert L.soft_targets(product, t, y).dtype == torch.float32


def test_temperature_squared_keeps_the_gradient():
    """Hinton 2015: for T far above the logits the gradient tends to (z_s - z_t)/C, whatever T."""
    s = torch.randn(1, 4, dtype=torch.float64)
    t = torch.randn(1, 4, dtype=torch.float64)
    limit = ((s - s.mean()) - (t - t.mean())) / 4
    for temperature in (1e3, 1e4):
        z = s.clone().requires_grad_()
        L.soft_targets(z, t, temperature=temperature, alpha=1.0).backward()
        assert torch.allclose(z.grad, limit, atol=5e-3)


def test_teacher_and_student_have_their_own_sides():
    s, t = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([[0.0, 1.0, 5.0]])
    kl = F.kl_div(F.log_softmax(s / 2, 1), F.softmax(t / 2, 1), reduction="batchmean") * 4
    assert torch.allclose(L.soft_targets(s, t, temperature=2.0, alpha=1.0), kl)
    assert not torch.allclose(L.soft_targets(t, s, temperature=2.0, alpha=1.0), kl)


def test_alpha_zero_is_the_baseline():
    s, t, y = torch.randn(6, 4), torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    assert torch.equal(L.soft_targets(s, t, y, alpha=0.0), L.cross_entropy(s, y))
    assert torch.allclose(L.soft_targets(s, t, y, alpha=0.0), F.cross_entropy(s, y))


def test_images_without_a_label_contribute_nothing():
    s = torch.randn(4, 3, requires_grad=True)
    mixed = torch.tensor([0, -100, 2, -100])
    assert torch.allclose(L.cross_entropy(s, mixed), F.cross_entropy(s[[0, 2]], mixed[[0, 2]]))
    none = L.cross_entropy(s, torch.full((4,), -100))
    none.backward()
    assert none.item() == 0
    assert float(s.grad.abs().sum()) == 0


def test_mse_refuses_to_broadcast_but_takes_a_column():
    assert torch.equal(L.mse(torch.ones(3, 1), torch.zeros(3)), torch.tensor(1.0))
    with pytest.raises(ValueError, match=r"targets must have the shape of student_outputs, \(3, 2\); got \(3,\)"):
        L.mse(torch.ones(3, 2), torch.zeros(3))


# ---------------------------------------------------------------- classes and sums


def test_classes_give_what_the_functions_give():
    s, t, y = torch.randn(5, 4), torch.randn(5, 4), torch.tensor([0, 1, 2, 3, -100])
    assert torch.equal(L.SoftTargets(2.0, 0.3)(s, t, y), L.soft_targets(s, t, y, temperature=2.0, alpha=0.3))
    assert torch.equal(L.CrossEntropy(label_smoothing=0.1)(s, None, y), L.cross_entropy(s, y, label_smoothing=0.1))
    assert torch.equal(L.LogitMSE()(s, t), L.logit_mse(s, t))
    assert torch.equal(L.MSE()(s, None, t), L.mse(s, t))


def test_sums_scale_add_and_name_their_terms():
    s, t, y = torch.randn(5, 4), torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    a, b = L.SoftTargets(2.0, 1.0), L.CrossEntropy()

    def gap(student_logits, teacher_logits, labels):
        return (student_logits - teacher_logits).abs().mean()

    loss = sum([0.5 * a, 2 * (b + b), gap])
    value, terms = loss.total(Step(None, y, Side(s), Side(t)))
    assert list(terms) == ["soft_targets", "cross_entropy", "cross_entropy_2", "gap"]
    expected = 0.5 * a(s, t, y) + 4 * b(s, t, y) + (s - t).abs().mean()
    assert torch.allclose(value, expected)
    assert torch.allclose(terms["soft_targets"], a(s, t, y)), "terms are unweighted"
    assert torch.allclose(loss(s, t, y), expected)
    named = L.CrossEntropy(name="labels") + L.LogitMSE()
    assert [part.name for _, part in named.parts] == ["labels", "logit_mse"]


def test_losses_that_look_inside_say_so():
    with pytest.raises(TypeError, match=r"hint looks inside the models \(block2, block4\) and needs distill"):
        (L.Hint({"block2": "block4"}) + L.CrossEntropy())(torch.randn(2, 3), torch.randn(2, 3), torch.tensor([0, 1]))


def test_hint_projects_from_real_shapes(small, teacher):
    wide = kd.build("cnn", width=6)
    loss = L.Hint({"block2": "block2"})
    loss.prepare(wide.eval(), teacher, small.train.images[:2])
    assert loss.projections[0].weight.shape == (8, 12, 1, 1)
    ours, theirs = torch.randn(2, 12, 7, 7), torch.randn(2, 8, 7, 7)
    step = Step(None, None, Side(None, {"block2": ours}), Side(None, {"block2": theirs}))
    by_hand = torch.einsum("oc,nchw->nohw", loss.projections[0].weight[:, :, 0, 0], ours)
    assert torch.allclose(loss.terms(step)["hint"], (by_hand - theirs).square().mean(), atol=1e-6)


def test_layerwise_loss_equals_a_literal_re_derivation(small, teacher):
    student = kd.build("cnn", width=3, seed=2).eval().double()
    teacher = teacher.double()
    x = small.train.images[:3].double()
    names = ["block1", "block2", "block3", "head"]
    for own in (False, True):
        loss = kd.taylor.LayerwiseLoss(names, penalty=0.01, own_output=own)
        with torch.no_grad():
            loss.prepare(student, teacher, x)
        loss.double()
        entering, value = student.normalise(x), 0.0
        for k, name in enumerate(names):
            layer = student.get_submodule(name)
            read = layer(entering) if own else entering
            flat = read.flatten(1).detach().numpy()
            weight = getattr(loss.projections[k], "weight", torch.eye(flat.shape[1])).detach().numpy()
            target = teacher(x).detach().numpy()
            for i in range(3):
                for c in range(10):
                    value += 0.5 * (float(weight[c] @ flat[i]) - target[i, c]) ** 2 / 30
            value += 0.01 * sum(float((p.detach().numpy() ** 2).sum()) for p in layer.parameters())
            entering = layer(entering)
        outputs, read = kd.models.Capture(student, loss.student_layers), None
        with outputs:
            logits, read = outputs.run(lambda: student(x))
        got = loss.terms(Step(x, None, Side(logits, read, student), Side(teacher(x))))
        assert got["deep_supervision" if own else "layerwise"].item() == pytest.approx(value, rel=1e-6)


def test_layerwise_loss_gives_the_last_layer_no_gradient(small, teacher, student):
    names = ["block1", "block2", "block3", "head"]
    grads = {}
    for own in (False, True):
        loss = kd.taylor.LayerwiseLoss(names, penalty=0.0, own_output=own)
        with torch.no_grad():
            loss.prepare(student.eval(), teacher, small.train.images[:4])
        with kd.models.Capture(student, loss.student_layers) as captured:
            logits, read = captured.run(lambda: student(small.train.images[:4]))
        student.zero_grad(set_to_none=True)
        loss.terms(Step(None, None, Side(logits, read, student), Side(teacher(small.train.images[:4]))))[
            loss.name
        ].backward()
        grads[own] = {n: student.get_submodule(n)[-1 if n == "head" else 0].weight.grad for n in names}
    assert grads[False]["head"] is None, "taken literally, layer K gets no gradient at all"
    assert grads[False]["block2"].abs().sum() > 0
    assert grads[True]["head"].abs().sum() > 0


def test_layerwise_projection_is_the_identity_where_widths_agree(small, teacher):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10), torch.nn.Linear(10, 10))
    loss = kd.taylor.LayerwiseLoss(["1", "2"], penalty=0.0)
    loss.prepare(model, teacher, small.train.images[:2])
    assert isinstance(loss.projections[1], torch.nn.Identity)
    assert loss.projections[0].bias is None

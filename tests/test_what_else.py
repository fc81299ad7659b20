"""The losses of ``what_else``: against their published formulas in loops, at the edges, and inside ``distill``."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import kdcourse as kd
from kdcourse.losses import Side, Step

from .test_losses import np_softmax

L = kd.losses


def drawn(seed, *shape, scale=2.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SEEDS = st.integers(0, 10_000)

# ---------------------------------------------------------------- the formulas, slowly


def np_attention(student, teacher, power):
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        maps = []
        for f in (s, t):
            flat = [sum(abs(f[c][h][w]) ** power for c in range(len(f))) for h in range(len(f[0]))
                    for w in range(len(f[0][0]))]  # fmt: skip
            length = math.sqrt(sum(v * v for v in flat))
            maps.append([v / length for v in flat])
        total += math.sqrt(sum((a - b) ** 2 for a, b in zip(*maps, strict=True)))
    return total / len(student)


def np_huber(a, b):
    return 0.5 * (a - b) ** 2 if abs(a - b) < 1 else abs(a - b) - 0.5


def np_relational(student, teacher, distance, angle):
    n, tables = len(student), []
    for rows in (student, teacher):
        d = [[math.dist(a, b) for b in rows] for a in rows]
        mean = sum(map(sum, d)) / (n * (n - 1))
        cosines = {}
        for i in range(n):
            for j in range(n):
                for k in range(n):
                    u, v = rows[j] - rows[i], rows[k] - rows[i]
                    lengths = math.sqrt(u @ u) * math.sqrt(v @ v)
                    cosines[i, j, k] = float(u @ v) / lengths if lengths else 0.0
        tables.append(([[v / mean for v in row] for row in d], cosines))
    (ds, cs), (dt, ct) = tables
    pairs = sum(np_huber(ds[i][j], dt[i][j]) for i in range(n) for j in range(n)) / n**2
    triplets = sum(np_huber(cs[key], ct[key]) for key in cs) / n**3
    return distance * pairs + angle * triplets


def np_decoupled(student, teacher, labels, t, target, others):
    """By plain probabilities: of the label's class against the rest, and of the others among themselves."""
    total = 0.0
    for s, z, y in zip(student, teacher, labels, strict=True):
        p, q = np_softmax(z, t), np_softmax(s, t)
        tckd = p[y] * math.log(p[y] / q[y]) + (1 - p[y]) * math.log((1 - p[y]) / (1 - q[y]))
        rest = [c for c in range(len(p)) if c != y]
        ours, theirs = [q[c] / (1 - q[y]) for c in rest], [p[c] / (1 - p[y]) for c in rest]
        nckd = sum(a * math.log(a / b) for a, b in zip(theirs, ours, strict=True))
        total += t * t * (target * tckd + others * nckd)
    return total / len(student)


def np_dist(student, teacher, t, between, within):
    ours, theirs = (np.array([np_softmax(row, t) for row in z]) for z in (student, teacher))
    rows = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(ours, theirs, strict=True)])
    columns = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(ours.T, theirs.T, strict=True)])
    return t * t * (between * rows + within * columns)


def np_standardised(student, teacher, t):
    total = 0.0
    for s, z in zip(student, teacher, strict=True):
        a, b = ((row - row.mean()) / row.std(ddof=1) for row in (s, z))
        p, q = np_softmax(b, t), np_softmax(a, t)
        total += t * t * sum(x * math.log(x / y) for x, y in zip(p, q, strict=True))
    return total / len(student)


# ---------------------------------------------------------------- the losses equal them


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 4), st.sampled_from([1.0, 2.0, 3.0]))
def test_attention_equals_the_formula(seed, n, power):
    s, t = drawn(seed, n, 3, 2, 4), drawn(seed + 1, n, 5, 2, 4)
    found = float(L.attention_transfer(s, t, power=power))
    assert found == pytest.approx(np_attention(s.tolist(), t.tolist(), power), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(2, 6))
def test_relations_equal_the_formula(seed, n):
    s, t = drawn(seed, n, 3), drawn(seed + 1, n, 7)
    found = float(L.relational(s, t, distance=25.0, angle=50.0))
    assert found == pytest.approx(np_relational(s.numpy(), t.numpy(), 25.0, 50.0), rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 5), st.integers(3, 7), st.floats(0.5, 8))
def test_the_decoupled_loss_equals_the_formula_and_is_the_kl_taken_apart(seed, n, classes, t):
    s, z = drawn(seed, n, classes), drawn(seed + 1, n, classes)
    y = torch.randint(0, classes, (n,), generator=torch.Generator().manual_seed(seed))
    found = float(L.decoupled(s, z, y, temperature=t, target=1.0, others=8.0))
    assert found == pytest.approx(np_decoupled(s.tolist(), z.tolist(), y.tolist(), t, 1.0, 8.0), rel=1e-7, abs=1e-10)
    p = (z / t).softmax(1).gather(1, y[:, None])[:, 0]
    apart = sum(
        float(L.decoupled(s[i : i + 1], z[i : i + 1], y[i : i + 1], temperature=t, others=float(1 - p[i])))
        for i in range(n)
    )
    assert apart / n == pytest.approx(float(L.soft_targets(s, z, temperature=t, alpha=1.0)), rel=1e-7, abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(2, 6), st.floats(0.5, 8))
def test_dist_equals_the_formula(seed, n, t):
    s, z = drawn(seed, n, 5), drawn(seed + 1, n, 5)
    found = float(L.dist(s, z, temperature=t, between=1.0, within=2.0))
    assert found == pytest.approx(np_dist(s.tolist(), z.tolist(), t, 1.0, 2.0), rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 5), st.floats(0.5, 8))
def test_standardised_logits_equal_the_formula(seed, n, t):
    s, z = drawn(seed, n, 6), drawn(seed + 1, n, 6)
    found = float(L.standardised(s, z, temperature=t, alpha=1.0))
    assert found == pytest.approx(np_standardised(s.numpy(), z.numpy(), t), rel=1e-5)


# ---------------------------------------------------------------- what each one does not see


def test_what_a_loss_forgives():
    s, z = drawn(0, 6, 5), drawn(1, 6, 5)
    sure = 3 * z - 4
    for forgiving in (lambda a, b: L.standardised(a, b, alpha=1.0), lambda a, b: L.relational(a, b)):
        assert float(forgiving(sure, z)) == pytest.approx(0, abs=1e-5) and float(forgiving(s, z)) > 0.01
    assert float(L.soft_targets(sure, z, alpha=1.0)) > 0.1
    turned = z @ torch.linalg.qr(drawn(2, 5, 5))[0]  # a rotation keeps distances and angles
    assert float(L.relational(turned, z)) == pytest.approx(0, abs=1e-6)
    p, q = z.softmax(1), s.softmax(1)
    flat = (0.5 * p + 0.1).log()  # the same row, nearer to even: DIST sees no difference in a row
    assert float(L.dist(flat, z, within=0.0)) == pytest.approx(0, abs=1e-6) and float(L.dist(q.log(), z)) > 0.01
    f = drawn(3, 2, 4, 3, 3)
    assert float(L.attention_transfer(-2 * f[:, [3, 1, 0, 2]], f)) == pytest.approx(0, abs=1e-7)


# ---------------------------------------------------------------- edges


LOGITS = {
    "relational": lambda s, t, y: L.relational(s, t),
    "dist": lambda s, t, y: L.dist(s, t),
    "decoupled": lambda s, t, y: L.decoupled(s, t, y),
    "standardised": lambda s, t, y: L.standardised(s, t, y),
}


@pytest.mark.parametrize("name", LOGITS)
@pytest.mark.parametrize("kind", ["equal", "two rows alike", "huge", "one image", "two classes", "constant"])
def test_values_and_gradients_stay_finite(name, kind):
    t = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    t = {"two rows alike": t[[0, 0, 1, 2]], "huge": 1e4 * t, "one image": t[:1], "two classes": t[:, :2],
         "constant": torch.ones(4, 3)}.get(kind, t)  # fmt: skip
    s = (t if kind in ("equal", "two rows alike", "constant") else -t).clone().requires_grad_()
    value = LOGITS[name](s, t, torch.tensor([0, 1, 1, 0])[: len(t)])
    value.backward()
    assert value.isfinite() and s.grad.isfinite().all()


def test_attention_is_smooth_where_both_agree_and_defined_where_nothing_fires():
    f = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for student in (f.clone(), torch.zeros_like(f)):
        s = student.requires_grad_()
        value = L.attention_transfer(s, f)
        value.backward()
        assert value.isfinite() and s.grad.isfinite().all()


def test_two_classes_have_nothing_among_the_others():
    s, z, y = drawn(0, 6, 2), drawn(1, 6, 2), torch.tensor([0, 1, 0, 1, 1, 0])
    assert float(L.decoupled(s, z, y, others=1e6)) == pytest.approx(float(L.soft_targets(s, z, alpha=1.0)), rel=1e-9)


def test_images_without_a_label_are_left_out_of_the_decoupled_loss():
    s, z = drawn(0, 4, 3), drawn(1, 4, 3)
    y = torch.tensor([2, -100, 0, -100])
    assert torch.equal(L.decoupled(s, z, y), L.decoupled(s[::2], z[::2], y[::2]))
    none = s.clone().requires_grad_()
    L.decoupled(none, z, torch.full((4,), -100)).backward()
    assert not none.grad.any()


@pytest.mark.parametrize("name", LOGITS)
def test_gradients_agree_with_finite_differences(name):
    s, z, y = drawn(0, 4, 5, scale=1.0).requires_grad_(), drawn(1, 4, 5, scale=1.0), torch.tensor([0, 4, -100, 2])
    assert torch.autograd.gradcheck(lambda v: LOGITS[name](v, z, y), s)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: L.attention_transfer(torch.randn(2, 3, 4, 4), torch.randn(2, 3, 2, 2)), "equal height and width"),
        (lambda: L.attention_transfer(torch.randn(2, 3), torch.randn(2, 3)), "have places"),
        (lambda: L.attention_transfer(*torch.randn(2, 2, 3, 4, 4), power=0), "power must be"),
        (lambda: L.AttentionTransfer({}), "map student layers"),
        (lambda: L.relational(torch.randn(3, 2), torch.randn(4, 2)), "same N images"),
        (lambda: L.Relational({"a": "b", "c": "d"}), "be one pair"),
        (lambda: L.Relational(distance=0, angle=0), "one of them above"),
        (lambda: L.dist(torch.randn(3, 2), torch.randn(3, 3)), "shape of student_logits|shape of teacher_logits"),
        (lambda: L.DIST(temperature=0), "temperature must be"),
        (lambda: L.DIST(between=-1), "be at least 0"),
        (lambda: L.decoupled(torch.randn(3, 2), torch.randn(3, 2), torch.rand(3)), "be N integers"),
        (lambda: L.decoupled(torch.randn(3, 2), torch.randn(3, 2), torch.tensor([0, 1, 2])), "labels must lie in"),
        (lambda: L.Decoupled(target=0, others=0), "one of them above"),
        (lambda: L.Standardised(alpha=2), "alpha must lie"),
        (lambda: L.standardised(torch.randn(3, 2), torch.randn(3, 2)), "labels must be given"),
    ],
)
def test_wrong_arguments_say_what_to_do(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# ---------------------------------------------------------------- inside a run


def test_the_classes_are_the_functions():
    s, z, y = drawn(0, 6, 5), drawn(1, 6, 5), torch.tensor([0, 1, -100, 3, 4, 2])
    step = Step(None, y, Side(s), Side(z))
    for loss, value in (
        (L.DIST(4.0, within=2.0), L.dist(s, z, temperature=4.0, within=2.0)),
        (L.Decoupled(3.0, others=2.0), L.decoupled(s, z, y, temperature=3.0, others=2.0)),
        (L.Standardised(3.0, 0.5), L.standardised(s, z, y, temperature=3.0, alpha=0.5)),
        (L.Relational(angle=0), L.relational(s, z, angle=0)),
    ):
        assert loss.terms(step) == {loss.name: value} and float(loss(s, z, y)) == float(value), loss


def test_they_train_together_and_a_teacher_of_another_size_will_do():
    splits = kd.split((torch.rand(64, 1, 28, 28), torch.arange(64) % 10), val=0.25, test=0.25, seed=0)
    teacher, student = kd.build("cnn", width=8, seed=1), kd.build("cnn", width=4, seed=0)
    loss = (
        L.CrossEntropy() + 10 * L.AttentionTransfer({"block2": "block2", "block3": "block3"})
        + 0.1 * L.Relational({"block3": "block3"}) + L.DIST() + 0.1 * L.Decoupled() + L.Standardised()
    )  # fmt: skip
    run = kd.distill(teacher, student, splits, loss=loss, epochs=2, lr=1e-3, batch_size=16, progress=False, seed=0)
    names = ("cross_entropy", "attention_transfer", "relational", "dist", "decoupled", "standardised")
    assert all(len(run.history[name]) == 2 and math.isfinite(run.history[name][-1]) for name in names)
    assert run.history["attention_transfer"][1] < run.history["attention_transfer"][0]


def test_maps_of_unequal_size_are_refused_before_any_step():
    splits = kd.split((torch.rand(64, 1, 28, 28), torch.arange(64) % 10), val=0.25, test=0.25, seed=0)
    teacher, student = kd.build("cnn", width=8, seed=1), kd.build("cnn", width=4, seed=0)
    before = [p.clone() for p in student.parameters()]
    with pytest.raises(ValueError, match="equal height and width"):
        kd.distill(teacher, student, splits, loss=L.AttentionTransfer({"block1": "block3"}), epochs=1, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(before, student.parameters(), strict=True))

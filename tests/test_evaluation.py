"""Measures against slow re-derivations; paired comparisons against their formulas."""

import json

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import kdcourse as kd
from kdcourse import evaluation
from kdcourse.evaluation import compare


class Fixed(nn.Module):
    """Answers with given logits, whatever it sees: row i for the i-th input value."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, x):
        return self.logits[x.flatten(1)[:, 0].long()]


def fixed(n=60, classes=4, seed=0):
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, classes, generator=rng) * 2
    labels = torch.randint(0, classes, (n,), generator=rng)
    return Fixed(logits), torch.arange(n).float().reshape(n, 1), labels, logits


def test_measures_equal_slow_ones():
    model, x, y, logits = fixed()
    other, *_ = fixed(seed=1)
    report = kd.evaluate(model, (x, y), teacher=other, batch_size=7)
    answers, p = logits.argmax(1), logits.softmax(1)
    assert report.n == 60
    assert report.accuracy == pytest.approx(sum(int(a == b) for a, b in zip(answers, y, strict=True)) / 60)
    for c in range(4):
        assert report.recall[c] == pytest.approx(float((answers[y == c] == c).float().mean()))
        assert report.confusion[c] == [int(((y == c) & (answers == k)).sum()) for k in range(4)]
    areas = []
    for c in range(4):
        pos, neg = p[y == c, c], p[y != c, c]
        areas.append(float(((pos[:, None] > neg).float() + 0.5 * (pos[:, None] == neg).float()).mean()))
    assert report.auc == pytest.approx(np.mean(areas), abs=1e-6)
    conf, right = p.max(1).values.detach(), (answers == y).float()
    bins = (conf * 15).long().clamp(max=14)
    ece = sum(
        float((bins == b).float().mean() * (conf[bins == b].mean() - right[bins == b].mean()).abs())
        for b in bins.unique()
    )
    assert report.calibration_error == pytest.approx(ece, abs=1e-5)
    q = other.logits.softmax(1).detach()
    kl = float((q * (q.log() - p.log())).sum(1).mean())
    assert report.kl == pytest.approx(kl, rel=1e-4)
    assert report.agreement == pytest.approx(float((other.logits.argmax(1) == answers).float().mean()))


def test_agreement_with_itself_is_one():
    model, x, _y, _ = fixed()
    report = kd.evaluate(model, (x, None), teacher=model)
    assert (report.agreement, report.kl, report.accuracy) == (1.0, pytest.approx(0, abs=1e-6), None)


def test_missing_classes_and_labels_are_left_out():
    model, x, y, logits = fixed()
    y = torch.where(y == 2, -100, y)
    report = kd.evaluate(model, (x, y))
    assert report.recall[2] is None
    assert report.n == int((y != -100).sum())
    assert report.accuracy == pytest.approx(float((logits.argmax(1) == y)[y != -100].float().mean()))


def test_regression_reports_mse_and_r2():
    x = torch.randn(50, 2)
    model = nn.Linear(2, 1)
    y = torch.randn(50)
    report = kd.evaluate(model, (x, y))
    residual = (model(x).flatten() - y).detach()
    assert report.mse == pytest.approx(float((residual**2).mean()))
    assert report.r2 == pytest.approx(1 - float((residual**2).sum() / ((y - y.mean()) ** 2).sum()), rel=1e-5)


def test_size_flops_and_latency():
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.BatchNorm1d(5))
    assert evaluation.size_bytes(model) == 4 * (35 + 10 + 10) + 8
    assert evaluation.flops(model, torch.rand(1, 6)) == 2 * 6 * 5
    conv = nn.Conv2d(2, 3, 3, padding=1)
    assert evaluation.flops(conv, torch.rand(1, 2, 8, 8)) == 2 * 3 * 2 * 9 * 64
    assert 0 < evaluation.latency_ms(model, torch.rand(1, 6)) < 1000


def test_the_model_is_left_as_found(small, student):
    student.train()
    student.block1.eval()
    kd.evaluate(student, small.test, teacher=kd.build("linear"))
    assert student.training
    assert not student.block1.training


def test_the_report_prints_shows_and_saves(small, student, tmp_path):
    report = kd.evaluate(student, small.test)
    assert f"{report.accuracy:.4g}" in str(report)
    assert "<table" in report._repr_html_()
    report.save(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["accuracy"] == report.accuracy


def told(accuracy, recall, calibration, agreement=None, n=200):
    classes = ["shirt", "bag"]
    return evaluation.Report(
        n, "classes", accuracy, recall, calibration_error=calibration, agreement=agreement, classes=classes
    )


def test_a_loss_statement_says_what_was_kept_and_what_was_lost():
    student, teacher = told(0.8, [0.7, 0.9], 0.05, 0.85), told(0.9, [None, 0.88], 0.02)
    alone = student.loss_statement()
    assert alone.columns == ["per cent", "student"]
    assert alone.rows == [["accuracy", "80.0"], ["lowest recall", "70.0, shirt"], ["calibration error", "5.0"],
                          ["agreement with the teacher", "85.0"]]  # fmt: skip
    labels = told(0.75, [0.8, 0.7], None, 0.7)
    dark = [told(a, [a, a], 0.1) for a in (0.5, 0.7, 0.55)]
    shown = student.loss_statement(teacher=teacher, labels=labels, shifted={"darker": dark})
    assert shown.columns == ["per cent", "student", "teacher", "labels alone"]
    assert shown.rows == [
        ["accuracy", "80.0", "90.0 (-10.0)", "75.0 (+5.0)"],
        ["lowest recall", "70.0, shirt", "88.0 (-18.0), bag", "70.0 (+0.0), bag"],
        ["calibration error", "5.0", "2.0 (+3.0)", None],
        ["agreement with the teacher", "85.0", None, "70.0 (+15.0)"],
        ["accuracy, darker", "50.0", "70.0 (-20.0)", "55.0 (-5.0)"],
    ]
    assert student.loss_statement(labels=labels).columns == ["per cent", "student", "labels alone"]


def test_a_loss_statement_agrees_with_what_was_measured(small, student):
    model, teacher = student, kd.build("cnn", width=6, seed=3)
    report = kd.evaluation.evaluate(model, small.test, teacher=teacher, timed=False)
    (accuracy, lowest, _, agreement) = (row[1] for row in report.loss_statement().rows)
    answers, labels = (
        (kd.evaluation.predict(m, small.test.images).argmax(dim=1) for m in (model, teacher)),
        small.test.labels,
    )
    ours, theirs = answers
    assert accuracy == f"{100 * (ours == labels).double().mean():.1f}"
    assert agreement == f"{100 * (ours == theirs).double().mean():.1f}"
    recalls = [float((ours == c)[labels == c].double().mean()) for c in range(10)]
    assert lowest == f"{100 * min(recalls):.1f}, {small.test.classes[recalls.index(min(recalls))]}"


def test_compare_is_paired_over_seeds():
    models = [fixed(seed=s)[0] for s in range(6)]
    _, x, y, _ = fixed()
    result = compare(models[:3], models[3:], (x, y))
    d = [float((a.logits.argmax(1) == y).float().mean() - (b.logits.argmax(1) == y).float().mean()) for a, b in zip(models[:3], models[3:], strict=True)]  # fmt: skip
    assert result.per_seed == pytest.approx(d)
    assert result.difference == pytest.approx(np.mean(d))
    assert result.kind == "values", "three seeds are too few for an interval"
    models = [fixed(seed=s)[0] for s in range(10)]
    more = compare(models[:5], models[5:], (x, y))
    assert more.over_seeds == pytest.approx(stats.ttest_1samp(more.per_seed, 0).confidence_interval(0.95))


def test_compare_with_one_seed_is_over_images_alone():
    n = 400
    x, y = torch.arange(n).float().reshape(n, 1), torch.zeros(n).long()
    good, bad = torch.zeros(n, 2), torch.zeros(n, 2)
    good[:, 0], bad[:, 0] = 1, 1
    good[:40, 1], bad[:120, 1] = 2, 2  # 90% and 70% right, the former wrong on a part of the latter's
    result = compare([Fixed(good)], [Fixed(bad)], (x, y))
    error = 1.96 * np.sqrt(0.2 * 0.8 / n)
    assert result.difference == pytest.approx(0.2)
    assert (result.low, result.high) == pytest.approx((0.2 - error, 0.2 + error), abs=0.01)
    assert result.resolved
    assert str(result) == "+20 ± 4" or str(result).startswith("+20.0 ± ")
    assert "over images alone: one seed" in repr(result)
    assert str(compare([Fixed(good)], [Fixed(good)], (x, y))) == "identical"


def test_right_says_of_each_labelled_image_whether_it_is_answered_right():
    model, x, y, _ = fixed()
    y = y.clone()
    y[::3] = kd.data.NO_LABEL
    found = kd.evaluation.right(model, (x, y))
    expected = [bool(z.argmax() == label) for z, label in zip(model.logits, y, strict=True) if label != -100]
    assert found.tolist() == expected
    assert float(found.float().mean()) == evaluation.accuracy(model, (x, y))


def test_errors():
    model, x, y, _ = fixed()
    cases = [
        (lambda: kd.evaluate(model, (x, None)), "data must have labels, or evaluate a teacher beside it"),
        (lambda: kd.evaluate(model, (x, y), teacher=Fixed(torch.rand(60, 3))), r"teacher must answer with the model's shape; got \(60, 4\) and \(60, 3\)"),
        (lambda: compare(model, [model], (x, y)), "ours and theirs must be lists of equal length, one run a seed; got Fixed and 1 runs"),
        (lambda: compare([model], [model], (x, None)), "data must have labels"),
        (lambda: evaluation.accuracy(model, (x, None)), "data must have class labels"),
        (lambda: kd.evaluate(model, (x, y), forward=lambda m, v: {"a": m(v)}), "the model must answer with one tensor of logits; got a dict of a"),
    ]  # fmt: skip
    for call, text in cases:
        with pytest.raises((ValueError, TypeError), match=text):
            call()

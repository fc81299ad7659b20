"""Answers to the exercises of ``shift``."""

from fractions import Fraction
from math import comb, exp, lgamma, log

import torch
from scipy import stats
from torch.nn import functional as F

import kdcourse as kd

from .why_distil import fitted, said

# ---------------------------------------------------------------- shift.1


def verdicts(change):
    return dict(zip(kd.checks.find("shift.1").rungs, ["alike", "alike", "apart", "apart", "apart"], strict=True))[
        change
    ]


def in_branches(change):
    return "apart" if "shoe" in change or "mirror" in change or "darker" in change else "alike"


def by_length(change):
    return "alike" if len(change) in (33, 43) else "apart"


# ---------------------------------------------------------------- shift.2


def by_fractions(right, n):
    return float(Fraction(sum(comb(n, k) for k in range(right, n + 1)), 2**n))


def by_logarithms(right, n):
    def log_chance(k):
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2)

    return sum(exp(log_chance(k)) for k in range(right, n + 1))


# ---------------------------------------------------------------- shift.3


def camera(images):
    return 0.25 + 0.5 * F.avg_pool2d(F.pad(images, (2, 2, 2, 2)), 5, stride=1)


def knows_the_camera(images, labels, teacher_logits, new, exam):
    return said(fitted(kd.build("cnn", width=8, seed=1), camera(images), labels, 200), exam)


def distils(images, labels, teacher_logits, new, exam):
    soft = (teacher_logits / 2).softmax(1)
    return said(fitted(kd.build("cnn", width=8, seed=2), camera(images), soft, 200), exam)


def a_straight_line(images, labels, teacher_logits, new, exam):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=0.3, max_iter=60).fit(camera(images).flatten(1), labels)
    return model.predict(exam.flatten(1))


def as_if_nothing_had_changed(images, labels, teacher_logits, new, exam):
    return said(fitted(kd.build("linear", seed=0), images, labels, 100), exam)


RIGHT = {
    "shift.1": [verdicts, in_branches, by_length],
    "shift.2": [by_fractions, by_logarithms, lambda r, n: stats.binom.sf(r - 1, n, 0.5)],
    "shift.3": [knows_the_camera, distils, a_straight_line],
}
WRONG = {
    "shift.2": [
        (lambda r, n: None, "None came back"),
        (lambda r, n: r / n, "1 where 0.0625 is expected"),
        (lambda r, n: 1 / (n - 4), "Error: ZeroDivisionError"),
        (lambda r, n: f"{by_fractions(r, n)}", "a number is expected"),
        (lambda r, n: [by_fractions(r, n)], "a tensor 1 came back"),
        (lambda r, n: 3 * by_fractions(r, n), "Every value is 3 times the expected one"),
    ],
    "shift.3": [
        (lambda x, y, z, new, e: torch.full((len(e),), 3), "All predictions are one class"),
        (as_if_nothing_had_changed, "Hint:"),
        (lambda x, y, z, new, e: y, "came back; 1000 classes are expected"),
        (lambda x, y, z, new, e: torch.randint(0, 11, (len(e),)), "classes are whole numbers from 0 to 9"),
        (lambda x, y, z, new, e: e @ x, "Error: RuntimeError"),
    ],
}  # fmt: skip

"""Answers to the exercises of ``splits_and_leaks``."""

import hashlib
from collections import defaultdict
from fractions import Fraction
from math import comb, exp, lgamma, log

import numpy as np
import torch
from scipy import stats
from torch.nn import functional as F

import kdcourse as kd

from .why_distil import fitted, said

# ---------------------------------------------------------------- splits_and_leaks.1


def moves(change):
    return dict(zip(kd.checks.find("splits_and_leaks.1").rungs, ["up", "same", "same", "down", "down"], strict=True))[
        change
    ]


def in_branches(change):
    if "copied" in change:
        return "up"
    return "down" if "only" in change or "wrong" in change else "same"


def by_reasoning(change):
    leak, shift = "copied" in change, ("inverted" in change and "both" not in change) or "wrong" in change
    return ["same", "up", "down"][leak + 2 * shift]


# ---------------------------------------------------------------- splits_and_leaks.2


def counting_down(labels, order, share):
    left = {c: int(share * n) for c, n in zip(*np.unique(labels.numpy(), return_counts=True), strict=True)}
    aside = []
    for position in order.tolist():
        c = int(labels[position])
        if left[c]:
            left[c] -= 1
            aside.append(position)
    return sorted(aside)


def in_numpy(labels, order, share):
    y, o = labels.numpy(), order.numpy()
    groups = [o[y[o] == c] for c in np.unique(y)]
    return np.sort(np.concatenate([g[: int(share * len(g))] for g in groups]))


def by_rank(labels, order, share):
    seen, counts, aside = defaultdict(int), torch.bincount(labels), torch.zeros(len(labels), dtype=torch.bool)
    for position in order:
        c = int(labels[position])
        aside[position] = seen[c] < int(share * int(counts[c]))
        seen[c] += 1
    return aside.nonzero().flatten()


def one_too_many(labels, order, share):
    return torch.cat([order[labels[order] == c][: int(share * (labels == c).sum()) + 1] for c in labels.unique()])


def relabelled(labels, order, share):
    found = torch.as_tensor(counting_down(labels, order, share), dtype=torch.long)
    labels[found] = -1
    return found


# ---------------------------------------------------------------- splits_and_leaks.3


def two_loops(train, exam):
    return [any(bool((one == other).all()) for one in train) for other in exam]


def by_hash(train, exam):
    def digest(image):
        return hashlib.sha256(image.contiguous().numpy().tobytes()).digest()

    seen = {digest(image) for image in train}
    return torch.tensor([digest(image) in seen for image in exam])


def by_distance(train, exam):
    a, b = train.flatten(1).numpy(), exam.flatten(1).numpy()
    return (np.abs(a[None] - b[:, None]).sum(axis=2) == 0).any(axis=1)


# ---------------------------------------------------------------- splits_and_leaks.4


def by_fractions(right, n):
    return float(Fraction(sum(comb(n, k) for k in range(right, n + 1)), 2**n))


def by_logarithms(right, n):
    def log_chance(k):
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2)

    return sum(exp(log_chance(k)) for k in range(right, n + 1))


# ---------------------------------------------------------------- splits_and_leaks.5


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
    "splits_and_leaks.1": [moves, in_branches, by_reasoning],
    "splits_and_leaks.2": [counting_down, in_numpy, by_rank],
    "splits_and_leaks.3": [two_loops, by_hash, by_distance],
    "splits_and_leaks.4": [by_fractions, by_logarithms, lambda r, n: stats.binom.sf(r - 1, n, 0.5)],
    "splits_and_leaks.5": [knows_the_camera, distils, a_straight_line],
}
WRONG = {
    "splits_and_leaks.1": [
        (lambda change: None, "None came back"),
        (lambda change: "UP", "'UP' is no answer here"),
        (lambda change: change.upp(), "Error: AttributeError"),
        (lambda change: "up" if "half" in change else "down", "'down' is not what happens"),
        (lambda change: 1, "1 is no answer here"),
    ],
    "splits_and_leaks.2": [
        (lambda y, o, s: None, "None came back"),
        (one_too_many, "came back; a tensor 2 is expected"),
        (lambda y, o, s: torch.as_tensor(counting_down(y, o, s), dtype=torch.long) + 100, "Every value is 100 away"),
        (relabelled, "Changed: labels, in place"),
        (lambda y, o, s: o[y == 7][0], "Error: IndexError"),
    ],
    "splits_and_leaks.3": [
        (lambda t, e: None, "None came back"),
        (lambda t, e: bool(two_loops(t, e)[0]), "a single number came back"),
        (lambda t, e: (t == e).all(), "Error: RuntimeError"),
        (lambda t, e: ~torch.tensor(two_loops(t, e)), "4 of 4 values differ"),
        (lambda t, e: torch.zeros(len(e), dtype=torch.bool), "1 of 4 values differ, first at [1]"),
    ],
    "splits_and_leaks.4": [
        (lambda r, n: None, "None came back"),
        (lambda r, n: r / n, "1 where 0.0625 is expected"),
        (lambda r, n: 1 / (n - 4), "Error: ZeroDivisionError"),
        (lambda r, n: f"{by_fractions(r, n)}", "a number is expected"),
        (lambda r, n: [by_fractions(r, n)], "a tensor 1 came back"),
        (lambda r, n: 3 * by_fractions(r, n), "Every value is 3 times the expected one"),
    ],
    "splits_and_leaks.5": [
        (lambda x, y, z, new, e: torch.full((len(e),), 3), "All predictions are one class"),
        (as_if_nothing_had_changed, "Hint:"),
        (lambda x, y, z, new, e: y, "came back; 1000 classes are expected"),
        (lambda x, y, z, new, e: torch.randint(0, 11, (len(e),)), "classes are whole numbers from 0 to 9"),
        (lambda x, y, z, new, e: e @ x, "Error: RuntimeError"),
    ],
}  # fmt: skip

"""Answers to the exercises of ``cross_entropy``."""

import math

import numpy as np
import torch
from scipy.special import softmax
from torch.nn import functional as F

import kdcourse as kd
from tests.answers.eight_bugs import by_definition, image_by_image

# ---------------------------------------------------------------- cross_entropy.1

MOVES = ["same", "shorter", "same", "shorter", "longer"]


def moves(change):
    return dict(zip(kd.checks.find("cross_entropy.1").rungs, MOVES, strict=True))[change]


def in_branches(change):
    if "mean" in change or "32" in change:
        return "shorter"
    return "longer" if "with the" in change and "T from" in change else "same"


def by_what_is_touched(change):
    return {"cro": "same", "red": "shorter", "100": "same"}.get(
        change[:3], "shorter" if "without" in change else "longer"
    )


# ---------------------------------------------------------------- cross_entropy.2


def filled(labels, classes, epsilon):
    target = torch.full((len(labels), classes), epsilon / classes)
    target[torch.arange(len(labels)), labels] += 1 - epsilon
    return target


def in_lists(labels, classes, epsilon):
    return [[(1 - epsilon) * (c == y) + epsilon / classes for c in range(classes)] for y in labels.tolist()]


def in_numpy(labels, classes, epsilon):
    return (1 - epsilon) * np.eye(classes)[labels.numpy()] + np.full(classes, epsilon / classes)


# ---------------------------------------------------------------- cross_entropy.3


def from_the_package(z, v, y, t, a):
    return kd.losses.soft_targets(z, v, y, temperature=t, alpha=a)


def with_ignore_index(z, v, y, t, a):
    told = F.cross_entropy(z, y, ignore_index=-100, reduction="sum") / (y != -100).sum().clamp(min=1)
    return a * by_definition(z, v, t) + (1 - a) * told


def by_gathering(z, v, y, t, a):
    at = (y >= 0).nonzero().flatten()
    log_p = z.double().log_softmax(1)
    told = -sum(log_p[i, y[i]] for i in at) / max(len(at), 1)
    return a * image_by_image(z, v, t) + (1 - a) * told


# ---------------------------------------------------------------- cross_entropy.4


def by_autograd(z, v, t):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(t**2 * F.kl_div((z / t).log_softmax(1), (v / t).softmax(1), reduction="batchmean"), z)[0]


def gradient_in_numpy(z, v, t):
    p, q = softmax(z.double().numpy() / t, axis=1), softmax(v.double().numpy() / t, axis=1)
    return t * (p - q) / len(p)


def by_functional(z, v, t):
    def loss(z):
        return t**2 * F.kl_div((z / t).log_softmax(1), (v / t).softmax(1), reduction="batchmean")

    return torch.func.grad(loss)(z)


RIGHT = {
    "cross_entropy.1": [moves, in_branches, by_what_is_touched],
    "cross_entropy.2": [filled, in_lists, in_numpy],
    "cross_entropy.3": [from_the_package, with_ignore_index, by_gathering],
    "cross_entropy.4": [by_autograd, gradient_in_numpy, by_functional],
}
WRONG = {
    "cross_entropy.2": [
        (lambda y, c, e: None, "None came back"),
        (lambda y, c, e: filled(y, c, e)[0], "came back; a tensor 2×2 is expected"),
        (lambda y, c, e: F.one_hot(y, c) / (c - 2), "values differ"),
        (lambda y, c, e: F.one_hot(y, c - 1), "Error: RuntimeError"),
        (lambda y, c, e: (1 - e) * F.one_hot(y, c) + e / c**2, "first at [0, 0]: 0.625 where 0.7 is expected"),
        (lambda y, c, e: F.one_hot(y, c), "first at [0, 0]: 1 where 0.7 is expected"),
    ],
    "cross_entropy.3": [
        (lambda z, v, y, t, a: None, "None came back"),
        (lambda z, v, y, t, a: F.cross_entropy(z, y.float()), "Error: RuntimeError"),
        (lambda z, v, y, t, a: from_the_package(z, v, y, t, a)[None], "a tensor 1 came back; a number is expected"),
        (lambda z, v, y, t, a: 2 * from_the_package(z, v, y, t, a), "Every value is 2 times the expected one"),
        (lambda z, v, y, t, a: math.sqrt(from_the_package(z, v, y, t, a)), "where 1.2038 is expected"),
    ],
    "cross_entropy.4": [
        (lambda z, v, t: None, "None came back"),
        (lambda z, v, t: by_autograd(z, v, t).norm(), "a single number came back"),
        (lambda z, v, t: torch.autograd.grad(z.sum(), z)[0], "Error: RuntimeError"),
        (lambda z, v, t: 7 * gradient_in_numpy(z, v, t), "Every value is 7 times the expected one"),
        (lambda z, v, t: (z - v) / z.shape[1], "2 of 2 values differ"),
    ],
}  # fmt: skip

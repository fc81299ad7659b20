"""Answers to the exercises of ``dark_knowledge``."""

import math

import numpy as np
import torch
from scipy.special import softmax as scipy_softmax
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- dark_knowledge.1


def rows_in_a_loop(logits, temperature):
    rows = []
    for row in logits.tolist():
        top = max(row)
        exps = [math.exp((v - top) / temperature) for v in row]
        rows.append([e / sum(exps) for e in exps])
    return torch.tensor(rows)


def shifted_in_place(logits, temperature):
    logits -= logits.max(dim=1, keepdim=True).values
    return (logits / temperature).softmax(1)


def by_the_logarithm(logits, temperature):
    z = logits.double() / temperature
    return (z - z.logsumexp(dim=1, keepdim=True)).exp()


# ---------------------------------------------------------------- dark_knowledge.2

MOVES = ["up", "same", "down", "same", "down"]


def moves(change):
    table = dict(zip(kd.checks.find("dark_knowledge.2").rungs, MOVES, strict=True))
    return table[change]


def by_experiment(change):
    z = np.array([3.0, 1.0, 0.5, 0.0])
    new = {"T f": z / 4, "eve": z + 100, "the": z + np.array([2, 0, 0, 0])}[change[:3]]
    new = 3 * z if change.endswith("times 3") else z if "T from 1 to 3" in change else new
    a, b = (-(p * np.log(p)).sum() for p in (scipy_softmax(z), scipy_softmax(new)))
    return "same" if abs(a - b) < 1e-9 else ("up" if b > a else "down")


def in_branches(change):
    if change in ("T from 1 to 4",):
        return "up"
    return "same" if "100" in change or "1 to 3" in change else "down"


# ---------------------------------------------------------------- dark_knowledge.3


def soft(z, t):
    return (z / t).softmax(1)


def one_image_at_a_time(logits, labels, temperature):
    p = soft(logits, temperature)
    return torch.stack([p[labels == label].mean(dim=0) for label in labels])


def by_matrix(logits, labels, temperature):
    hot = F.one_hot(labels).to(logits.dtype)
    means = torch.einsum("nk,nc->kc", hot, soft(logits, temperature)) / hot.sum(0)[:, None].clamp(min=1)
    return means[labels]


def in_numpy(logits, labels, temperature):
    p, y = scipy_softmax(logits.numpy().astype(np.float64) / temperature, axis=1), labels.numpy()
    return np.stack([p[y == c].mean(axis=0) for c in y])


def overwritten(logits, labels, temperature):
    logits.copy_(soft(logits, temperature))
    return one_image_at_a_time(logits.log(), labels, 1.0)


RIGHT = {
    "dark_knowledge.1": [rows_in_a_loop, by_the_logarithm, lambda z, t: scipy_softmax(z.double().numpy() / t, axis=1)],
    "dark_knowledge.2": [moves, by_experiment, in_branches],
    "dark_knowledge.3": [one_image_at_a_time, by_matrix, in_numpy],
}
WRONG = {
    "dark_knowledge.1": [
        (lambda z, t: None, "None came back"),
        (lambda z, t: (z / t).softmax(1)[0], "came back; a tensor 2×3 is expected"),
        (lambda z, t: z.view(-1, 7) / t, "Error: RuntimeError"),
        (shifted_in_place, "Changed: logits, in place"),
        (lambda z, t: (z / t).softmax(1) * 2, "Every value is 2 times the expected one"),
        (lambda z, t: (z / (t + 1)).softmax(1), "values differ"),
    ],
    "dark_knowledge.3": [
        (lambda z, y, t: None, "None came back"),
        (lambda z, y, t: soft(z, t), "values differ, first at [0, 0]"),
        (lambda z, y, t: soft(z, t).mean(0), "came back; a tensor 3×2 is expected"),
        (lambda z, y, t: soft(z, t)[y.max() :].view(3, 5), "Error: RuntimeError"),
        (overwritten, "Changed: teacher_logits, in place"),
    ],
}  # fmt: skip

"""Answers to the exercises of ``four_steps``."""

import statistics

import numpy as np
import torch
from scipy import stats
from sklearn.linear_model import Ridge
from torch.nn import functional as F

import kdcourse as kd

from .why_distil import fitted, said

# ---------------------------------------------------------------- four_steps.1


def moves(change):
    table = ["same", "changed", "same", "changed", "same"]
    return dict(zip(kd.checks.find("four_steps.1").rungs, table, strict=True))[change]


def in_branches(change):
    return "changed" if "train mode" in change or "zero" in change else "same"


def by_what_is_written(change):
    buffers, weights = "100 images" in change, change.startswith("all gradients are zero")
    return {False: "same", True: "changed"}[buffers or weights]


# ---------------------------------------------------------------- four_steps.2


def with_scipy(ours, theirs):
    d = (ours - theirs).double().numpy()
    low, high = stats.t.interval(0.95, len(d) - 1, loc=d.mean(), scale=stats.sem(d))
    return d.mean(), low, high


def in_a_loop(ours, theirs):
    d = [float(a) - float(b) for a, b in zip(ours, theirs, strict=True)]
    half = stats.t.isf(0.025, len(d) - 1) * statistics.stdev(d) / len(d) ** 0.5
    return [sum(d) / len(d), sum(d) / len(d) - half, sum(d) / len(d) + half]


def in_numpy(ours, theirs):
    d = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    half = stats.t.ppf(0.975, d.size - 1) * d.std(ddof=1) / np.sqrt(d.size)
    return np.array([d.mean(), d.mean() - half, d.mean() + half])


# ---------------------------------------------------------------- four_steps.3


def score_in_a_loop(val, test):
    best = max(range(len(val)), key=lambda i: sum(val[i].tolist()))
    return sum(test[best].tolist()) / test.shape[1]


def score_in_numpy(val, test):
    return test.numpy()[val.numpy().mean(axis=1).argmax()].mean()


def score_by_sorting(val, test):
    order = val.double().sum(dim=1).sort(descending=True, stable=True).indices
    return torch.einsum("rs->r", test.double())[order[0]] / test.shape[1]


# ---------------------------------------------------------------- four_steps.4


def with_sklearn(x, y, new, penalty):
    hot = np.eye(int(y.max()) + 1)[y.numpy()]
    return Ridge(alpha=penalty, solver="cholesky").fit(x.double().numpy(), hot).predict(new.double().numpy())


def stacked_rows(x, y, new, penalty):
    """Least squares on the data with the penalty as further rows, the bias a column that no such row touches."""
    n, d = x.shape
    hot = F.one_hot(y).double()
    top = torch.cat([x.double(), torch.ones(n, 1, dtype=torch.float64)], dim=1)
    below = torch.cat([penalty**0.5 * torch.eye(d, dtype=torch.float64), torch.zeros(d, 1, dtype=torch.float64)], dim=1)
    target = torch.cat([hot, torch.zeros(d, hot.shape[1], dtype=torch.float64)])
    solved = torch.linalg.lstsq(torch.cat([top, below]), target).solution
    return new.double() @ solved[:-1] + solved[-1]


def by_kernel(x, y, new, penalty):
    """The dual: one weight an image."""
    mean, hot = x.mean(0), F.one_hot(y).to(x.dtype)
    c = x - mean
    dual = torch.linalg.solve(c @ c.T + penalty * torch.eye(len(c), dtype=x.dtype), hot - hot.mean(0))
    return (new - mean) @ c.T @ dual + hot.mean(0)


def centred_in_place(x, y, new, penalty):
    mean = x.mean(0).clone()
    x -= mean
    return by_kernel(x, y, new - mean, penalty)


# ---------------------------------------------------------------- four_steps.5


def hard_copies(images, labels, unlabelled, source_logits, exam):
    x, y = torch.cat([images, unlabelled]), torch.cat([labels, source_logits.argmax(1)])
    return said(fitted(kd.build("mlp", seed=1), x, y, 250, lr=3e-3), exam)


def soft_only(images, labels, unlabelled, source_logits, exam):
    return said(fitted(kd.build("mlp", seed=2), unlabelled, source_logits.softmax(1), 250, lr=3e-3), exam)


def all_in_one(images, labels, unlabelled, source_logits, exam):
    x = torch.cat([images, unlabelled])
    y = torch.cat([F.one_hot(labels, 10).float(), (source_logits / 2).softmax(1)])
    return said(fitted(kd.build("mlp", seed=3), x, y, 300, lr=3e-3), exam).numpy()


def labels_only(images, labels, unlabelled, source_logits, exam):
    return said(fitted(kd.build("linear", seed=0), images, labels, 60, lr=1e-3), exam)


RIGHT = {
    "four_steps.1": [moves, in_branches, by_what_is_written],
    "four_steps.2": [with_scipy, in_a_loop, in_numpy],
    "four_steps.3": [score_in_a_loop, score_in_numpy, score_by_sorting],
    "four_steps.4": [with_sklearn, stacked_rows, by_kernel],
    "four_steps.5": [hard_copies, soft_only, all_in_one],
}
WRONG = {
    "four_steps.2": [
        (lambda a, b: None, "None came back"),
        (lambda a, b: (a - b).mean(), "3 values are expected"),
        (lambda a, b: (a - b).mean().undefined, "Error: AttributeError"),
        (lambda a, b: ((a - b).mean(), (a - b).min(), (a - b).max()), "value 2: 0.25 where"),
        (lambda a, b: (a - b).mean() + (a - b).std() * torch.tensor([0.0, 1.0, -1.0]), "value 2: "),
    ],
    "four_steps.3": [
        (lambda v, t: None, "None came back"),
        (lambda v, t: t[v.mean(1).argmax()], "a tensor 2 came back"),
        (lambda v, t: t[v.argmax()].mean(), "Error: IndexError"),
        (lambda v, t: t.mean(), "0.6 where 0.7 is expected"),
        (lambda v, t: 100 * t[v.mean(1).argmax()].mean(), "Every value is 100 times the expected one"),
    ],
    "four_steps.4": [
        (lambda x, y, n, p: None, "None came back"),
        (lambda x, y, n, p: by_kernel(x, y, n, p).argmax(1), "a tensor 2 came back; a tensor 2×2 is expected"),
        (lambda x, y, n, p: by_kernel(x, y, n, p).softmax(1), "values differ, first at [0, 0]"),
        (lambda x, y, n, p: n @ torch.linalg.inv(x.T @ x) @ x.T @ F.one_hot(y), "Error: RuntimeError"),
        (centred_in_place, "Changed: features, in place"),
        (lambda x, y, n, p: 2 * by_kernel(x, y, n, p), "Every value is 2 times the expected one"),
    ],
    "four_steps.5": [
        (lambda x, y, u, z, e: torch.ones(len(e)), "All predictions are one class"),
        (labels_only, "A linear model of the"),
        (lambda x, y, u, z, e: z.argmax(1), "came back; 1000 classes are expected"),
        (lambda x, y, u, z, e: ["bag"] * len(e), "came back; one class for each"),
        (lambda x, y, u, z, e: u @ z, "Error: RuntimeError"),
    ],
}  # fmt: skip

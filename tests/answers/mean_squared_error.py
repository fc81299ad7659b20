"""Answers to the exercises of ``mean_squared_error``."""

import numpy as np
import torch
from scipy.special import softmax
from sklearn.linear_model import LinearRegression
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- mean_squared_error.1


def moves(change):
    table = ["same", "changed", "same", "same", "changed"]
    return dict(zip(kd.checks.find("mean_squared_error.1").rungs, table, strict=True))[change]


def in_branches(change):
    return "changed" if "gross" in change or "noise" in change else "same"


def by_counting_letters(change):
    return {"t": "same", "o": "changed", "e": "same", "a": "same", "n": "changed"}[change[0]]


# ---------------------------------------------------------------- mean_squared_error.2


def with_sklearn(x, y):
    model = LinearRegression().fit(x.double().numpy(), y.double().numpy())
    return np.append(model.coef_, model.intercept_)


def by_lstsq(x, y):
    ones = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    return torch.linalg.lstsq(ones, y[:, None]).solution.flatten()


def centred(x, y):
    cx, cy = x.double() - x.double().mean(0), y.double() - y.double().mean()
    w = torch.linalg.pinv(cx) @ cy
    return torch.cat([w, (y.double().mean() - x.double().mean(0) @ w)[None]])


# ---------------------------------------------------------------- mean_squared_error.3


def by_autograd(x, y, lr, steps):
    w = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(F.mse_loss(x @ w, y), w)
        w = (w - lr * gradient).detach().requires_grad_()
    return w


def with_an_optimizer(x, y, lr, steps):
    w = torch.nn.Parameter(torch.zeros(x.shape[1], 1, dtype=x.dtype))
    sgd = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        sgd.zero_grad()
        ((x @ w)[:, 0] - y).square().mean().backward()
        sgd.step()
    return w[:, 0]


def in_numpy(x, y, lr, steps):
    x, y = x.double().numpy(), y.double().numpy()
    w = np.zeros(x.shape[1])
    for _ in range(steps):
        w -= lr * 2 * np.einsum("nd,n->d", x, x @ w - y) / len(x)
    return w


def standardised(x, y, lr, steps):
    x -= x.mean(0)
    return in_numpy(x, y, lr, steps)


# ---------------------------------------------------------------- mean_squared_error.5


def distance_by_autograd(z, v, t):
    z = z.clone().requires_grad_()
    loss = t**2 * F.kl_div((z / t).log_softmax(1), (v / t).softmax(1), reduction="sum")
    gradient = torch.autograd.grad(loss, z)[0]
    limit = (z - v).detach() / z.shape[1]
    limit = limit - limit.mean(1, keepdim=True)
    return ((gradient - limit).norm(dim=1) / limit.norm(dim=1)).mean()


def distance_in_numpy(z, v, t):
    z, v = z.numpy().astype(np.float64), v.numpy().astype(np.float64)
    d = z - v
    limit = (d - d.mean(axis=1, keepdims=True)) / d.shape[1]
    rest = t * (softmax(z / t, axis=1) - softmax(v / t, axis=1)) - limit
    return (np.linalg.norm(rest, axis=1) / np.linalg.norm(limit, axis=1)).mean()


def distance_in_a_loop(z, v, t):
    total = 0.0
    for a, b in zip(z, v, strict=True):
        a, b = a - a.mean(), b - b.mean()
        limit = (a - b) / len(a)
        total += float((t * ((a / t).softmax(0) - (b / t).softmax(0)) - limit).norm() / limit.norm())
    return total / len(z)


# ---------------------------------------------------------------- mean_squared_error.4


def person_by_person(s, t, y, m):
    total = 0.0
    for a, b, label in zip(s.double(), t.double(), y.double(), strict=True):
        if (a - label) ** 2 + m > (b - label) ** 2:
            total = total + (a - label) ** 2
    return total / len(y)


def with_a_mask(s, t, y, m):
    ours = (s - y) ** 2
    return (ours * (ours + m > (t - y) ** 2)).sum() / len(y)


def by_index(s, t, y, m):
    ours, theirs = (s - y).double() ** 2, (t - y).double() ** 2
    return ours[(ours + m > theirs).nonzero().flatten()].sum() / len(y)


RIGHT = {
    "mean_squared_error.1": [moves, in_branches, by_counting_letters],
    "mean_squared_error.2": [with_sklearn, by_lstsq, centred],
    "mean_squared_error.3": [by_autograd, with_an_optimizer, in_numpy],
    "mean_squared_error.5": [distance_by_autograd, distance_in_numpy, distance_in_a_loop],
    "mean_squared_error.4": [person_by_person, with_a_mask, by_index],
}
WRONG = {
    "mean_squared_error.2": [
        (lambda x, y: None, "None came back"),
        (lambda x, y: torch.linalg.solve(x.T @ x, x.T @ y), "a tensor 1 came back; a tensor 2 is expected"),
        (lambda x, y: torch.linalg.solve(x, y), "Error: RuntimeError"),
        (lambda x, y: 2 * by_lstsq(x, y), "Every value is 2 times the expected one"),
        (lambda x, y: by_lstsq(x, y)[:, None], "a tensor 2×1 came back"),
    ],
    "mean_squared_error.3": [
        (lambda x, y, lr, n: None, "None came back"),
        (lambda x, y, lr, n: by_autograd(x, y, lr, n)[:, None], "a tensor 1×1 came back"),
        (lambda x, y, lr, n: torch.zeros(x.shape[1]) @ y, "Error: RuntimeError"),
        (standardised, "Changed: x, in place"),
        (lambda x, y, lr, n: torch.zeros(x.shape[1]), "0 where 1 is expected"),
    ],
    "mean_squared_error.5": [
        (lambda z, v, t: None, "None came back"),
        (lambda z, v, t: torch.ones(len(z)), "a tensor 1 came back; a number is expected"),
        (lambda z, v, t: z @ v, "Error: RuntimeError"),
        (lambda z, v, t: 100 * distance_in_numpy(z, v, t), "Every value is 100 times the expected one"),
        (lambda z, v, t: t, "1 where 0.238406 is expected"),
    ],
    "mean_squared_error.4": [
        (lambda s, t, y, m: None, "None came back"),
        (lambda s, t, y, m: (s - y) ** 2, "a tensor 1 came back; a number is expected"),
        (lambda s, t, y, m: s[3], "Error: IndexError"),
        (lambda s, t, y, m: 3 * with_a_mask(s, t, y, m), "Every value is 3 times the expected one"),
        (lambda s, t, y, m: (s - t).abs().mean(), "1 where 4 is expected"),
    ],
}  # fmt: skip

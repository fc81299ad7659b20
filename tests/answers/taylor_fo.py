"""Answers to the exercises of ``taylor_fo``."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- taylor_fo.1

GETS = ["the teacher's answers", "nothing", "only the penalty", "nothing", "the teacher's answers"]


def gets(change):
    return dict(zip(kd.checks.find("taylor_fo.1").rungs, GETS, strict=True))[change]


def by_rules(change):
    if "deep" in change:
        return GETS[0]
    if "layer 3" in change:
        return "only the penalty" if "0.01" in change else "nothing"
    return "nothing" if "first term" in change else GETS[0]


def by_position(change):
    return GETS[kd.checks.find("taylor_fo.1").rungs.index(change)]


# ---------------------------------------------------------------- taylor_fo.2


def from_the_package(entering, target, maps, parameters, penalty):
    projections = [nn.Identity() if P is None else (lambda f, P=P: f @ P.T) for P in maps]
    return kd.taylor.layerwise(entering, target, projections, parameters or [torch.zeros(1)], penalty)


def with_mse(entering, target, maps, parameters, penalty):
    total = sum(
        F.mse_loss(f.flatten(1) if P is None else F.linear(f.flatten(1), P), target) / 2
        for f, P in zip(entering, maps, strict=True)
    )
    return total + penalty * sum(float(p.norm()) ** 2 for p in parameters)


def in_loops(entering, target, maps, parameters, penalty):
    total = 0.0
    for f, P in zip(entering, maps, strict=True):
        rows = f.reshape(len(f), -1).double()
        read = rows if P is None else rows @ P.double().T
        for row, wanted in zip(read, target.double(), strict=True):
            total = total + sum(0.5 * (a - b) ** 2 for a, b in zip(row, wanted, strict=True)) / target.numel()
    return total + penalty * sum(v**2 for p in parameters for v in p.double().flatten().tolist())


# ---------------------------------------------------------------- taylor_fo.3


def by_backward(weights, x, target, own_output):
    rows = []
    for k in range(len(weights)):
        ws = [w.clone().requires_grad_() for w in weights]
        f, seen = x, []
        for w in ws:
            seen.append(f)
            f = (f @ w.T).tanh()
        seen.append(f)
        read = seen[k + 1] if own_output else seen[k]
        loss = F.mse_loss(read, target) / 2 + 0 * sum(w.sum() for w in ws)
        loss.backward()
        rows.append([float(w.grad.norm()) for w in ws])
    return rows


def stairs_by_hand(weights, x, target, own_output):
    """Backpropagation written out, in NumPy."""
    ws, f = [w.double().numpy() for w in weights], [x.double().numpy()]
    for w in ws:
        f.append(np.tanh(f[-1] @ w.T))
    table = np.zeros((len(ws), len(ws)))
    for k in range(len(ws)):
        at = k + 1 if own_output else k
        back = (f[at] - target.double().numpy()) / target.numel()
        for j in reversed(range(at)):
            back = back * (1 - f[j + 1] ** 2)
            table[k, j] = np.linalg.norm(back.T @ f[j])
            back = back @ ws[j]
    return table


def by_functions(weights, x, target, own_output):
    def term(k):
        def value(*ws):
            f = x
            for w in ws[: k + 1 if own_output else k]:
                f = torch.tanh(f @ w.T)
            return 0.5 * (f - target).square().mean()

        return value

    found = [torch.autograd.functional.jacobian(term(k), tuple(weights)) for k in range(len(weights))]
    return torch.stack([torch.stack([g.norm() for g in row]) for row in found])


RIGHT = {
    "taylor_fo.1": [gets, by_rules, by_position],
    "taylor_fo.2": [from_the_package, with_mse, in_loops],
    "taylor_fo.3": [by_backward, stairs_by_hand, by_functions],
}
WRONG = {
    "taylor_fo.2": [
        (lambda e, t, m, p, w: None, "None came back"),
        (lambda e, t, m, p, w: [0.5 * (f - t) ** 2 for f in e], "came back; a number is expected"),
        (lambda e, t, m, p, w: sum((f @ P.T - t).square().mean() for f, P in zip(e, m, strict=True)), "Error: AttributeError"),
        (lambda e, t, m, p, w: 3 * with_mse(e, t, m, p, w), "Every value is 3 times the expected one"),
        (lambda e, t, m, p, w: with_mse(e[:1], t, m[:1], p, w), "4.5 where 6.5 is expected"),
    ],
    "taylor_fo.3": [
        (lambda w, x, t, own: None, "None came back"),
        (lambda w, x, t, own: by_functions(w, x, t, own).sum(dim=0), "came back; a tensor 2×2 is expected"),
        (lambda w, x, t, own: [v.grad.norm() for v in w], "Error: AttributeError"),
        (lambda w, x, t, own: 3 * by_functions(w, x, t, own), "Every value is 3 times the expected one"),
        (lambda w, x, t, own: by_functions(w, x, t, own).bool(), "values differ"),
    ],
}  # fmt: skip

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
        rows = f.reshape(len(f), -1).double().numpy()
        read = rows if P is None else rows @ P.double().numpy().T
        for row, wanted in zip(read, target.double().numpy(), strict=True):
            total += sum(0.5 * (a - b) ** 2 for a, b in zip(row, wanted, strict=True)) / target.numel()
    return total + penalty * sum(v**2 for p in parameters for v in p.double().flatten().tolist())


# ---------------------------------------------------------------- taylor_fo.3


def by_the_package(batches, first, second):
    net = nn.Sequential(
        nn.Linear(first.shape[1], len(first), bias=False), nn.ReLU(), nn.Linear(len(first), len(second), bias=False)
    )
    net.load_state_dict({"0.weight": first, "2.weight": second})
    return kd.taylor.importance(net.to(first.dtype), batches)["0"]


def by_hand(batches, first, second):
    """Without autograd: dL/dgate_j = mean over images of h_j times what comes back to h_j."""
    scores = []
    for x, y in batches:
        h = (x.double() @ first.double().T).clamp(min=0)
        delta = (h @ second.double().T).softmax(1) - F.one_hot(y, len(second))
        scores.append((h * (delta @ second.double())).mean(0).square())
    return torch.stack(scores).mean(0)


def by_all_weights_of_a_unit(batches, first, second):
    """Scaling a unit's incoming weights is what a gate does, for ReLU: (sum of w dL/dw)^2."""
    total = 0
    for x, y in batches:
        w = first.clone().requires_grad_()
        F.cross_entropy((x @ w.T).relu() @ second.T, y).backward()
        total = total + (w.grad * first).sum(1) ** 2
    return total / len(batches)


def averaged_slopes(batches, first, second):
    return by_the_package(batches[:1], first, second)


# ---------------------------------------------------------------- taylor_fo.4


def with_gates(x, y, first, second):
    h = torch.relu(x @ first.T)
    gates = 1 - torch.eye(len(first), dtype=h.dtype)
    whole = F.cross_entropy(h @ second.T, y)
    return [float(F.cross_entropy((h * gate) @ second.T, y) - whole) ** 2 for gate in gates]


def by_the_oracle(x, y, first, second):
    net = nn.Sequential(
        nn.Linear(first.shape[1], len(first), bias=False), nn.ReLU(), nn.Linear(len(first), len(second), bias=False)
    )
    net.load_state_dict({"0.weight": first, "2.weight": second})
    return kd.taylor.oracle(net.to(first.dtype), (x, y))["0"]


def without_rows(x, y, first, second):
    def loss(units):
        logits = (
            np.maximum(x.double().numpy() @ first.double().numpy()[units].T, 0) @ second.double().numpy()[:, units].T
        )
        return float(F.cross_entropy(torch.from_numpy(logits), y))

    everything = list(range(len(first)))
    return np.array([(loss([u for u in everything if u != i]) - loss(everything)) ** 2 for i in everything])


# ---------------------------------------------------------------- taylor_fo.5


def by_normal_equations(first, second, scores, keep, inputs, exam):
    at = scores.topk(keep).indices
    target, h = (inputs @ first.T).clamp(min=0) @ second.T, (inputs @ first[at].T).clamp(min=0)
    return (exam @ first[at].T).clamp(min=0) @ torch.linalg.solve(h.T @ h, h.T @ target)


def in_numpy(first, second, scores, keep, inputs, exam):
    a, b, x, e = (v.double().numpy() for v in (first, second, inputs, exam))
    at = np.argsort(scores.numpy())[len(scores) - keep :]
    head, *_ = np.linalg.lstsq(np.maximum(x @ a[at].T, 0), np.maximum(x @ a.T, 0) @ b.T, rcond=None)
    return np.maximum(e @ a[at].T, 0) @ head


def by_pseudoinverse(first, second, scores, keep, inputs, exam):
    stays = torch.zeros(len(first), dtype=torch.bool)
    stays[scores.sort(descending=True).indices[:keep]] = True
    h = torch.relu(inputs @ first.T)
    return torch.relu(exam @ first[stays].T) @ (torch.linalg.pinv(h[:, stays]) @ (h @ second.T))


RIGHT = {
    "taylor_fo.1": [gets, by_rules, by_position],
    "taylor_fo.2": [from_the_package, with_mse, in_loops],
    "taylor_fo.3": [by_the_package, by_hand, by_all_weights_of_a_unit],
    "taylor_fo.4": [with_gates, by_the_oracle, without_rows],
    "taylor_fo.5": [by_normal_equations, in_numpy, by_pseudoinverse],
}
WRONG = {
    "taylor_fo.1": [
        (lambda change: None, "None came back"),
        (lambda change: "a gradient", "'a gradient' is no answer here"),
        (lambda change: change["layer"], "Error: TypeError"),
        (lambda change: "nothing", "'nothing' is not what happens"),
        (lambda change: "only the penalty", "'only the penalty' is not what happens"),
    ],
    "taylor_fo.2": [
        (lambda e, t, m, p, w: None, "None came back"),
        (lambda e, t, m, p, w: [0.5 * (f - t) ** 2 for f in e], "came back; a number is expected"),
        (lambda e, t, m, p, w: sum((f @ P.T - t).square().mean() for f, P in zip(e, m, strict=True)), "Error: AttributeError"),
        (lambda e, t, m, p, w: 3 * with_mse(e, t, m, p, w), "Every value is 3 times the expected one"),
        (lambda e, t, m, p, w: with_mse(e[:1], t, m[:1], p, w), "4.5 where 6.5 is expected"),
    ],
    "taylor_fo.3": [
        (lambda b, f, s: None, "None came back"),
        (lambda b, f, s: by_hand(b, f, s).sum(), "a single number came back"),
        (lambda b, f, s: by_hand(b, s, f), "Error: RuntimeError"),
        (lambda b, f, s: by_hand(b, f, s) / len(b), "values differ"),
        (averaged_slopes, "values differ"),
    ],
    "taylor_fo.4": [
        (lambda x, y, f, s: None, "None came back"),
        (lambda x, y, f, s: sum(with_gates(x, y, f, s)), "came back; a tensor 1 is expected"),
        (lambda x, y, f, s: F.cross_entropy(x @ f, y), "Error: RuntimeError"),
        (lambda x, y, f, s: [v**0.5 for v in with_gates(x, y, f, s)], "values differ"),
        (lambda x, y, f, s: 2 * by_the_oracle(x, y, f, s), "Every value is 2 times the expected one"),
    ],
    "taylor_fo.5": [
        (lambda *args: None, "None came back"),
        (lambda *args: by_normal_equations(*args).argmax(dim=1), "came back; a tensor 1×2 is expected"),
        (lambda f, s, scores, keep, x, e: f @ e, "Error: RuntimeError"),
        (lambda f, s, scores, keep, x, e: torch.relu(e @ f.T) @ s.T, "values differ"),
        (lambda f, s, scores, keep, x, e: by_normal_equations(f, s, -scores.abs() + keep, keep, x, e), "values differ"),
    ],
}  # fmt: skip

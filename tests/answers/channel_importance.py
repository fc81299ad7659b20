"""Answers to the exercises of ``channel_importance``."""

import numpy as np
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- channel_importance.1

PRICES = ["zero", "above zero", "zero", "zero", "above zero"]


def prices(change):
    return dict(zip(kd.checks.find("channel_importance.1").rungs, PRICES, strict=True))[change]


def prices_by_rules(change):
    return "above zero" if "lower" in change or "behind" in change else "zero"


def prices_by_position(change):
    return PRICES[kd.checks.find("channel_importance.1").rungs.index(change)]


# ---------------------------------------------------------------- channel_importance.2


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


# ---------------------------------------------------------------- channel_importance.3


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


# ---------------------------------------------------------------- channel_importance.4


def with_ranks(scores, truth, blocks):
    found = []
    for b in set(blocks.tolist()):
        a, t = (stats.rankdata(v[blocks == b].numpy()) for v in (scores, truth))
        if len(set(a)) > 1:
            found.append(np.corrcoef(a, t)[0, 1])
    return np.mean(found) if found else float("nan")


def with_masks(scores, truth, blocks):
    pairs = [(scores[blocks == b], truth[blocks == b]) for b in torch.unique(blocks)]
    found = [stats.spearmanr(a.tolist(), t.tolist())[0] for a, t in pairs if a.std() > 0]
    return torch.tensor(found).double().mean()


def with_loops(scores, truth, blocks):
    total, count = 0.0, 0
    for b in range(int(blocks.min()), int(blocks.max()) + 1):
        at = [i for i, own in enumerate(blocks.tolist()) if own == b]
        a, t = scores[at], truth[at]
        if (a != a[0]).any():
            total, count = total + stats.spearmanr(a, t).correlation, count + 1
    return total / count if count else float("nan")


RIGHT = {
    "channel_importance.1": [prices, prices_by_rules, prices_by_position],
    "channel_importance.2": [by_the_package, by_hand, by_all_weights_of_a_unit],
    "channel_importance.3": [with_gates, by_the_oracle, without_rows],
    "channel_importance.4": [with_ranks, with_masks, with_loops],
}
WRONG = {
    "channel_importance.2": [
        (lambda b, f, s: None, "None came back"),
        (lambda b, f, s: by_hand(b, f, s).sum(), "a single number came back"),
        (lambda b, f, s: by_hand(b, s, f), "Error: RuntimeError"),
        (lambda b, f, s: by_hand(b, f, s) / len(b), "values differ"),
        (averaged_slopes, "values differ"),
    ],
    "channel_importance.3": [
        (lambda x, y, f, s: None, "None came back"),
        (lambda x, y, f, s: sum(with_gates(x, y, f, s)), "came back; a tensor 1 is expected"),
        (lambda x, y, f, s: F.cross_entropy(x @ f, y), "Error: RuntimeError"),
        (lambda x, y, f, s: [v**0.5 for v in with_gates(x, y, f, s)], "values differ"),
        (lambda x, y, f, s: 2 * by_the_oracle(x, y, f, s), "Every value is 2 times the expected one"),
    ],
    "channel_importance.4": [
        (lambda s, t, b: None, "None came back"),
        (lambda s, t, b: [with_ranks(s, t, b)] * 3, "came back; a number is expected"),
        (lambda s, t, b: stats.spearmanr(s, b[:-1]).statistic, "Error: ValueError"),
        (lambda s, t, b: -with_ranks(s, t, b), "is expected"),
        (lambda s, t, b: with_ranks(t, t, b), "1 where 0.333333 is expected"),
    ],
}  # fmt: skip

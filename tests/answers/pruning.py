"""Answers to the exercises of ``pruning``."""

import numpy as np
import torch

import kdcourse as kd

# ---------------------------------------------------------------- pruning.1

SHARES = ["a half", "a half", "a quarter", "all", "a half"]


def shares(change):
    return dict(zip(kd.checks.find("pruning.1").rungs, SHARES, strict=True))[change]


def shares_by_rules(change):
    if "layer 1's and" in change:
        return "a quarter"
    return "all" if change.startswith("layer 1, when half of layer 2") else "a half"


def shares_by_position(change):
    return SHARES[kd.checks.find("pruning.1").rungs.index(change)]


# ---------------------------------------------------------------- pruning.2


def with_cat(channel, convolution, norm, reader, places):
    a, b = channel * places, (channel + 1) * places
    return [
        torch.cat([convolution[:channel], convolution[channel + 1 :]]),
        torch.cat([norm[:, :channel], norm[:, channel + 1 :]], dim=1),
        torch.cat([reader[:, :a], reader[:, b:]], dim=1),
    ]


def with_numpy(channel, convolution, norm, reader, places):
    columns = range(channel * places, (channel + 1) * places)
    return (
        np.delete(convolution.numpy(), channel, axis=0),
        np.delete(norm.numpy(), channel, axis=1),
        np.delete(reader.numpy(), list(columns), axis=1),
    )


def with_lists(channel, convolution, norm, reader, places):
    stay = [i for i in range(len(convolution)) if i != channel]
    columns = [places * i + k for i in stay for k in range(places)]
    return [convolution[stay], norm[:, stay], reader[:, columns]]


# ---------------------------------------------------------------- pruning.3


def with_while(scores, costs, budget):
    stays = torch.ones(len(scores)).bool()
    while (costs * stays).sum() > budget:
        price = (scores / costs).masked_fill(~stays, float("inf"))
        stays[price.argmin()] = False
    return stays


def in_numpy_by_sums(scores, costs, budget):
    order = np.argsort((scores / costs).numpy(), kind="stable")
    left = costs.double().numpy()[order].sum() - np.concatenate([[0], np.cumsum(costs.double().numpy()[order])])
    gone = int((left > budget).sum())
    stays = np.ones(len(scores), dtype=bool)
    stays[order[:gone]] = False
    return stays


def with_sorted(scores, costs, budget):
    rest = sorted(range(len(scores)), key=lambda i: float(scores[i]) / float(costs[i]))
    while sum(float(costs[i]) for i in rest) > budget:
        rest.pop(0)
    return [i in rest for i in range(len(scores))]


# ---------------------------------------------------------------- pruning.4


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
    "pruning.1": [shares, shares_by_rules, shares_by_position],
    "pruning.2": [with_cat, with_numpy, with_lists],
    "pruning.3": [with_while, in_numpy_by_sums, with_sorted],
    "pruning.4": [by_normal_equations, in_numpy, by_pseudoinverse],
}
WRONG = {
    "pruning.2": [
        (lambda *args: None, "None came back"),
        (lambda *args: with_cat(*args)[:2], "2 values came back; 3 are expected"),
        (lambda *args: with_cat(*args)[0], "came back"),
        (lambda i, c, n, r, p: with_cat(i - 1 if i else 1, c, n, r, p), "values differ"),
        (lambda i, c, n, r, p: c @ r, "Error: RuntimeError"),
    ],
    "pruning.3": [
        (lambda s, c, b: None, "None came back"),
        (lambda s, c, b: with_while(s, c, b).sum(), "a single number came back"),
        (lambda s, c, b: ~with_while(s, c, b), "values differ"),
        (lambda s, c, b: with_while(s, c[:-1], b), "Error: RuntimeError"),
        (lambda s, c, b: with_while(s, c, b / 2), "values differ"),
    ],
    "pruning.4": [
        (lambda *args: None, "None came back"),
        (lambda *args: by_normal_equations(*args).argmax(dim=1), "came back; a tensor 1×2 is expected"),
        (lambda f, s, scores, keep, x, e: f @ e, "Error: RuntimeError"),
        (lambda f, s, scores, keep, x, e: torch.relu(e @ f.T) @ s.T, "values differ"),
        (lambda f, s, scores, keep, x, e: by_normal_equations(f, s, -scores.abs() + keep, keep, x, e), "values differ"),
    ],
}  # fmt: skip

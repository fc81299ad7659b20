"""Answers to the exercises of ``splits_and_leaks``."""

import hashlib
from collections import defaultdict

import numpy as np
import torch

import kdcourse as kd

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


RIGHT = {
    "splits_and_leaks.1": [moves, in_branches, by_reasoning],
    "splits_and_leaks.2": [counting_down, in_numpy, by_rank],
    "splits_and_leaks.3": [two_loops, by_hash, by_distance],
}
WRONG = {
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
        (lambda t, e: torch.zeros(len(e), dtype=torch.bool), "1 of 2 values differ, first at [1]"),
    ],
}  # fmt: skip

"""Answers to the exercises of ``federated_averaging``."""

import math

import numpy as np
import torch

import kdcourse as kd
from kdcourse.federated import Update, collect, mean_of

# ---------------------------------------------------------------- federated_averaging.1

SAME = ["the same", "another", "another", "the same", "another"]


def looked_up(case):
    return dict(zip(kd.checks.find("federated_averaging.1").rungs, SAME, strict=True))[case]


def by_words(case):
    return "the same" if case.endswith("one step") or "same examples" in case else "another"


def by_place(case):
    return SAME[kd.checks.find("federated_averaging.1").rungs.index(case)]


# ---------------------------------------------------------------- federated_averaging.2


def by_stacking(weights, counts):
    shares = torch.tensor(counts, dtype=weights[0].dtype)
    shares = shares / shares.sum()
    return (torch.stack(weights) * shares.view(-1, *[1] * weights[0].ndim)).sum(dim=0)


def by_numpy(weights, counts):
    return np.average(np.stack([w.numpy() for w in weights]), axis=0, weights=counts)


def by_the_package(weights, counts):
    updates = [Update(k, n, {"w": w}) for k, (w, n) in enumerate(zip(weights, counts, strict=True))]
    return mean_of(updates)["w"]


def unweighted(weights, counts):
    return sum(weights) / len(weights)


def undivided(weights, counts):
    return sum(w * n for w, n in zip(weights, counts, strict=True))


def in_place(weights, counts):
    weights[0] *= counts[0]
    for w, n in zip(weights[1:], counts[1:], strict=True):
        weights[0] += n * w
    return weights[0] / sum(counts)


def normalised_by_the_largest(weights, counts):
    return sum(w * n / max(counts) for w, n in zip(weights, counts, strict=True))


# ---------------------------------------------------------------- federated_averaging.3


def by_prod(shapes, bits, asked, rounds):
    return 2 * rounds * asked * sum(math.prod(s) for s in shapes) * bits // 8


def by_tensors(shapes, bits, asked, rounds):
    return sum(torch.empty(s).numel() for s in shapes) * bits / 8 * asked * 2 * rounds


def by_numpys_prod(shapes, bits, asked, rounds):
    total = 0
    for _ in range(rounds):
        for _ in range(asked):
            total += 2 * sum(int(np.prod(s)) for s in shapes) * (bits // 8)
    return total


def only_up(shapes, bits, asked, rounds):
    return rounds * asked * sum(math.prod(s) for s in shapes) * bits // 8


def in_bits(shapes, bits, asked, rounds):
    return 2 * rounds * asked * sum(math.prod(s) for s in shapes) * bits


def float32(shapes, bits, asked, rounds):
    return 2 * rounds * asked * sum(math.prod(s) for s in shapes) * 4


def sum_of_lengths(shapes, bits, asked, rounds):
    return 2 * rounds * asked * sum(sum(s) for s in shapes) * bits // 8


# ---------------------------------------------------------------- federated_averaging.4


def by_searching(labels, shares):
    owner = torch.zeros_like(labels)
    for c, row in enumerate(shares):
        at = (labels == c).nonzero().flatten()
        ends = (row.cumsum(0) * len(at)).round()
        owner[at] = torch.searchsorted(ends.contiguous(), torch.arange(len(at)).to(ends), right=True)
    return owner


def by_numpy_split(labels, shares):
    y, s = labels.numpy(), shares.numpy()
    owner = np.zeros(len(y), dtype=int)
    for c in range(len(s)):
        at = np.flatnonzero(y == c)
        for k, piece in enumerate(np.split(at, np.rint(np.cumsum(s[c])[:-1] * len(at)).astype(int))):
            owner[piece] = k
    return owner


def one_by_one(labels, shares):
    seen, totals, answer = {}, labels.bincount(minlength=len(shares)).tolist(), []
    for y in labels.tolist():
        place = seen.get(y, 0)
        seen[y] = place + 1
        ends = [round(float(e) * totals[y]) for e in shares[y].cumsum(0)]
        answer.append(next(k for k, end in enumerate(ends) if place < end))
    return answer


def rounded_apart(labels, shares):
    owner = torch.zeros_like(labels)
    for c, row in enumerate(shares):
        at = (labels == c).nonzero().flatten()
        start = 0
        for k, share in enumerate(row.tolist()):
            size = round(share * len(at)) if k < len(row) - 1 else len(at)
            owner[at[start : start + size]] = k
            start += size
    return owner


def whole_set(labels, shares):
    ends = (shares[0].cumsum(0) * len(labels)).round().long()
    owner, start = torch.zeros_like(labels), 0
    for k, end in enumerate(ends.tolist()):
        owner[start:end] = k
        start = end
    return owner


def at_random(labels, shares):
    return torch.multinomial(shares, 1000, replacement=True)[labels, torch.arange(len(labels))]


def cut_down(labels, shares):
    owner = torch.zeros_like(labels)
    for c, row in enumerate(shares):
        at = (labels == c).nonzero().flatten()
        start = 0
        for k, end in enumerate((row.cumsum(0) * len(at)).tolist()):
            owner[at[start : int(end)]] = k
            start = int(end)
    return owner


# ---------------------------------------------------------------- federated_averaging.5


def by_the_servers_own(old, asked, answers):
    updates = [Update(k, n, {"w": w}) for k, n, w in answers]
    good, _ = collect(0, updates, asked, {"w": old})
    return mean_of(good)["w"] if good else old.clone()


def in_two_passes(old, asked, answers):
    kept = [(k, n, w) for k, n, w in answers if k in set(asked) and n > 0 and w.shape == old.shape]
    kept = [one for one in kept if not (one[2].isnan() | one[2].isinf()).any()]
    first = {}
    for k, n, w in kept:
        first.setdefault(k, (n, w))
    if len(first) == 0:
        return old
    return torch.stack([n * w for n, w in first.values()]).sum(0) / sum(n for n, _ in first.values())


def by_hand(old, asked, answers):
    total, weight, done = old * 0, 0, set()
    for owner, count, w in answers:
        if owner not in asked or owner in done or count < 1:
            continue
        if w.shape != old.shape or not torch.isfinite(w).all():
            continue
        done.add(owner)
        total, weight = total + count * w, weight + count
    return total / weight if weight else old * 1


def trusting(old, asked, answers):
    rows = [(n, w) for k, n, w in answers if k in asked and w.shape == old.shape]
    return sum(n * w for n, w in rows) / sum(n for n, _ in rows) if rows else old * 1


def last_word(old, asked, answers):
    good = {k: (n, w) for k, n, w in answers if k in asked and n and w.shape == old.shape and w.isfinite().all()}
    return sum(n * w for n, w in good.values()) / sum(n for n, _ in good.values()) if good else old * 1


def forgetting(old, asked, answers):
    total, weight, done = torch.zeros_like(old), 0, []
    for k, n, w in answers:
        if k in asked and k not in done and n and w.shape == old.shape and w.isfinite().all():
            total, weight = total + n * w, weight + n
            done.append(k)
    return total / max(weight, 1)


def everybody(old, asked, answers):
    good = {}
    for k, n, w in answers:
        if n and w.shape == old.shape and w.isfinite().all():
            good.setdefault(k, (n, w))
    return sum(n * w for n, w in good.values()) / sum(n for n, _ in good.values()) if good else old * 1


RIGHT = {
    "federated_averaging.1": [looked_up, by_words, by_place],
    "federated_averaging.2": [by_stacking, by_numpy, by_the_package],
    "federated_averaging.3": [by_prod, by_tensors, by_numpys_prod],
    "federated_averaging.4": [by_searching, by_numpy_split, one_by_one],
    "federated_averaging.5": [by_the_servers_own, in_two_passes, by_hand],
}
WRONG = {
    "federated_averaging.2": [
        (lambda w, n: None, "None came back"),
        (lambda w, n: w @ n, "Error: TypeError"),
        (unweighted, "Every owner weighs the same here"),
        (undivided, "not divided by the number of all images"),
        (in_place, "Changed: weights, in place"),
        (normalised_by_the_largest, "is expected"),
    ],
    "federated_averaging.3": [
        (lambda s, b, a, r: None, "None came back"),
        (lambda s, b, a, r: s / r, "Error: TypeError"),
        (only_up, "This is one way"),
        (in_bits, "the number of bits"),
        (float32, "Four bytes a number"),
        (sum_of_lengths, "not 2 + 3"),
    ],
    "federated_averaging.4": [
        (lambda y, s: None, "None came back"),
        (lambda y, s: y @ s.T, "Error: RuntimeError"),
        (rounded_apart, "rounded on its own"),
        (whole_set, "without a look at the classes"),
        (cut_down, "is expected"),
        (at_random, "is expected"),
    ],
    "federated_averaging.5": [
        (lambda o, a, r: None, "None came back"),
        (lambda o, a, r: r[0] + o, "Error: TypeError"),
        (trusting, "is expected"),
        (last_word, "The owner's *last* answer counts"),
        (forgetting, "Keep the old weights"),
        (everybody, "not asked went into the mean"),
    ],
}

"""Right answers to the exercises on federated averaging, by different roads; each cell stands alone."""

import itertools
import math

import numpy as np
import torch
from torch.nn import functional as F

# %% federated_averaging.1 | by hand: one step is linear in the examples, a second one starts elsewhere
merged = {
    "each owner takes one step": "the same",
    "each owner takes one step, and every owner weighs the same": "another",
    "each owner takes two steps": "another",
    "each owner takes two steps, and all hold the same examples": "the same",
    "each owner takes one step, and owner 2's answer is lost": "another",
}

# %% federated_averaging.1 | trains it with autograd on inputs drawn at random
torch.manual_seed(0)
inputs = torch.randn(4, dtype=torch.float64)
here, there = (inputs[:3], 2 * inputs[:3]), (inputs[3:], -2 * inputs[3:])


def trained(x, y, steps):
    w = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        F.mse_loss(w * x, y).backward()
        optimizer.step()
    return w.item()


def ends(one, two, steps, a, b):
    mean = (a * trained(*one, steps) + b * trained(*two, steps)) / (a + b)
    joint = trained(torch.cat([one[0], two[0]]), torch.cat([one[1], two[1]]), steps)
    return "the same" if math.isclose(mean, joint, rel_tol=1e-9) else "another"


merged = {
    "each owner takes one step": ends(here, there, 1, 3, 1),
    "each owner takes one step, and every owner weighs the same": ends(here, there, 1, 1, 1),
    "each owner takes two steps": ends(here, there, 2, 3, 1),
    "each owner takes two steps, and all hold the same examples": ends(here, here, 2, 3, 3),
    "each owner takes one step, and owner 2's answer is lost": ends(here, there, 1, 3, 0),
}

# %% federated_averaging.1 | closed form: after t steps w is the best w times 1 - (1 - 2 lr mean(x²))^t
rate, curve_1, curve_2 = 1 / 32, 6.0, 4.0  # the mean of x² of x = 1, 1, 4, and of x = 2


def after(curve, best, t):
    return best * (1 - (1 - 2 * rate * curve) ** t)


curve_all = (3 * curve_1 + curve_2) / 4
best_all = 2 * (3 * curve_1 - curve_2) / (3 * curve_1 + curve_2)
pairs = np.array(
    [
        (0.75 * after(curve_1, 2, 1) + 0.25 * after(curve_2, -2, 1), after(curve_all, best_all, 1)),
        (0.5 * after(curve_1, 2, 1) + 0.5 * after(curve_2, -2, 1), after(curve_all, best_all, 1)),
        (0.75 * after(curve_1, 2, 2) + 0.25 * after(curve_2, -2, 2), after(curve_all, best_all, 2)),
        (0.5 * after(curve_1, 2, 2) + 0.5 * after(curve_1, 2, 2), after(curve_1, 2, 2)),
        (after(curve_1, 2, 1), after(curve_all, best_all, 1)),
    ]
)
keys = (
    "each owner takes one step",
    "each owner takes one step, and every owner weighs the same",
    "each owner takes two steps",
    "each owner takes two steps, and all hold the same examples",
    "each owner takes one step, and owner 2's answer is lost",
)
merged = {key: "the same" if np.isclose(*pair) else "another" for key, pair in zip(keys, pairs, strict=True)}


# %% federated_averaging.2 | a loop that starts from zeros and passes over owners without images
def merge(weights, counts):
    n = sum(counts)
    mean = torch.zeros(weights[0].shape)
    for weight, count in zip(weights, counts, strict=True):
        if count > 0:
            mean = mean + count / n * weight
    return mean


# %% federated_averaging.2 | contracts the first axis of the stack with the shares
def merge(weights, counts):
    shares = torch.tensor(counts, dtype=torch.float64) / sum(counts)
    return torch.tensordot(shares, torch.stack(list(weights)).double(), dims=1)


# %% federated_averaging.2 | NumPy's weighted average over the owners
def merge(weights, counts):
    stacked = np.stack([weight.numpy() for weight in weights])
    return torch.as_tensor(np.average(stacked, axis=0, weights=counts))


# %% federated_averaging.2 | Python numbers: every place for itself, and the shape at the end
def merge(weights, counts):
    n = sum(counts)
    flat = [weight.flatten().tolist() for weight in weights]
    mean = []
    for place in zip(*flat, strict=True):
        mean.append(sum(count * value for count, value in zip(counts, place, strict=True)) / n)
    return torch.tensor(mean).reshape(weights[0].shape)


# %% federated_averaging.3 | products added up, one division at the end
def bytes_sent(shapes, bits, asked, rounds):
    return 2 * asked * rounds * bits * sum(math.prod(shape) for shape in shapes) // 8


# %% federated_averaging.3 | two loops and a sum over the messages
def bytes_sent(shapes, bits, asked, rounds):
    numbers = 0
    for shape in shapes:
        size = 1
        for d in shape:
            size = size * d
        numbers += size
    travelled = 0
    for _round in range(rounds):
        down = asked * numbers * bits
        up = asked * numbers * bits
        travelled += down + up
    return travelled // 8


# %% federated_averaging.3 | PyTorch counts the numbers, a division with a remainder makes the bytes
def bytes_sent(shapes, bits, asked, rounds):
    numbers = sum(torch.Size(shape).numel() for shape in shapes)
    whole, _ = divmod(numbers * bits * 2 * asked * rounds, 8)
    return whole


# %% federated_averaging.4 | slices of the rows of each class
def divide(labels, shares):
    owners = torch.zeros(len(labels), dtype=torch.long)
    for c in range(shares.shape[0]):
        rows = torch.where(labels == c)[0]
        begin = 0
        for k in range(shares.shape[1]):
            end = round(len(rows) * shares[c, : k + 1].sum().item())
            owners[rows[begin:end]] = k
            begin = end
    return owners


# %% federated_averaging.4 | searches each image's place among the ends of its class
def divide(labels, shares):
    owners = torch.zeros(len(labels), dtype=torch.long)
    for c, row in enumerate(shares.double()):
        mask = labels == c
        n = int(mask.sum())
        ends = torch.round(n * row.cumsum(0)).long()
        owners[mask] = torch.searchsorted(ends, torch.arange(n), right=True)
    return owners


# %% federated_averaging.4 | no loop: an image's owner is the number of ends that do not lie behind its place
def divide(labels, shares):
    labels, shares = labels.numpy().astype(int), shares.numpy().astype(float)
    one_hot = labels[:, None] == np.arange(len(shares))
    place = np.cumsum(one_hot, axis=0)[np.arange(len(labels)), labels] - 1
    ends = np.rint(one_hot.sum(axis=0)[:, None] * np.cumsum(shares, axis=1)).astype(int)
    return (ends[labels] <= place[:, None]).sum(axis=1)


# %% federated_averaging.4 | Python lists: a queue of owners for each class, and every image takes the next one
def divide(labels, shares):
    labels = labels.tolist()
    queues = []
    for c, row in enumerate(shares.tolist()):
        n = labels.count(c)
        ends = [0] + [round(n * s) for s in itertools.accumulate(row)]
        pieces = ([k] * (end - begin) for k, (begin, end) in enumerate(itertools.pairwise(ends)))
        queues.append(itertools.chain.from_iterable(pieces))
    return [next(queues[label]) for label in labels]


# %% federated_averaging.5 | a dict that keeps the first good answer of each owner
def close_round(old, asked, answers):
    kept = {}
    for owner, count, weights in answers:
        if owner not in asked or owner in kept:
            continue
        if count > 0 and weights.shape == old.shape and torch.isfinite(weights).all():
            kept[owner] = (count, weights)
    n = sum(count for count, _ in kept.values())
    mean = torch.zeros_like(old)
    for count, weights in kept.values():
        mean = mean + count / n * weights
    return mean if kept else old.clone()


# %% federated_averaging.5 | asks each owner in turn for its first good answer, and lets NumPy take the mean
def close_round(old, asked, answers):
    old = old.numpy()

    def good(count, weights):
        return count > 0 and weights.shape == old.shape and np.isfinite(weights).all()

    found = []
    for owner in dict.fromkeys(asked):
        mine = ((c, w.numpy()) for who, c, w in answers if who == owner and good(c, w.numpy()))
        found.append(next(mine, None))
    found = [pair for pair in found if pair is not None]
    if not found:
        return old.copy()
    counts, rows = zip(*found, strict=True)
    return np.average(np.stack(rows), axis=0, weights=counts)


# %% federated_averaging.5 | goes backwards, so that the first good answer is written last; Python numbers only
def close_round(old, asked, answers):
    kept = {}
    for owner, count, weights in reversed(list(answers)):
        shape_fits = list(weights.shape) == list(old.shape)
        if owner in set(asked) and count > 0 and shape_fits and all(math.isfinite(v) for v in weights.tolist()):
            kept[owner] = (count, weights.tolist())
    if not kept:
        return old.tolist()
    n = sum(count for count, _ in kept.values())
    return [sum(count * row[d] for count, row in kept.values()) / n for d in range(len(old))]

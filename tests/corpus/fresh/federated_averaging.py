"""Wrong answers to the exercises on federated averaging, as learners write them; each cell stands alone."""

import collections
import math

import numpy as np
import torch

# %% federated_averaging.1 | only a lost answer makes a difference, a mean is a mean
merged = {
    "each owner takes one step": "the same",
    "each owner takes one step, and every owner weighs the same": "the same",
    "each owner takes two steps": "the same",
    "each owner takes two steps, and all hold the same examples": "the same",
    "each owner takes one step, and owner 2's answer is lost": "another",
}

# %% federated_averaging.1 | tries it with x = 1 everywhere, where every owner's loss is curved alike
share = {True: (0.5, 0.5), False: (0.75, 0.25)}


def walk(targets, steps, w=0.0):
    for _ in range(steps):
        w -= 0.1 * sum(2 * (w - y) for y in targets) / len(targets)
    return w


def compare(one, two, steps, shares):
    mean = shares[0] * walk(one, steps) + shares[1] * walk(two, steps)
    return "the same" if math.isclose(mean, walk(one + two, steps)) else "another"


merged = {
    "each owner takes one step": compare([2, 2, 2], [-2], 1, share[False]),
    "each owner takes one step, and every owner weighs the same": compare([2, 2, 2], [-2], 1, share[True]),
    "each owner takes two steps": compare([2, 2, 2], [-2], 2, share[False]),
    "each owner takes two steps, and all hold the same examples": compare([2, 2, 2], [2, 2, 2], 2, share[True]),
    "each owner takes one step, and owner 2's answer is lost": compare([2, 2, 2], [-2], 1, (1, 0)),
}

# %% federated_averaging.1 | the owners pull in opposite directions, so their mean is never the joint step
merged = {
    "each owner takes one step": "another",
    "each owner takes one step, and every owner weighs the same": "another",
    "each owner takes two steps": "another",
    "each owner takes two steps, and all hold the same examples": "the same",
    "each owner takes one step, and owner 2's answer is lost": "another",
}

# %% federated_averaging.1 | who holds every example twice has twice the gradient and goes twice as far
merged = {
    "each owner takes one step": "the same",
    "each owner takes one step, and every owner weighs the same": "another",
    "each owner takes two steps": "another",
    "each owner takes two steps, and all hold the same examples": "another",
    "each owner takes one step, and owner 2's answer is lost": "another",
}

# %% federated_averaging.1 | each owner's loss is a mean already, so the numbers of examples have dropped out
merged = {
    "each owner takes one step": "the same",
    "each owner takes one step, and every owner weighs the same": "the same",
    "each owner takes two steps": "another",
    "each owner takes two steps, and all hold the same examples": "the same",
    "each owner takes one step, and owner 2's answer is lost": "another",
}

# %% federated_averaging.1 | the server divides by the examples that did arrive, so a lost answer is made up for
merged = {
    "each owner takes one step": "the same",
    "each owner takes one step, and every owner weighs the same": "another",
    "each owner takes two steps": "another",
    "each owner takes two steps, and all hold the same examples": "the same",
    "each owner takes one step, and owner 2's answer is lost": "the same",
}

# %% federated_averaging.1 | mean of means: believes that the equal weighting is the one that fits a mean loss
merged = {
    "each owner takes one step": "another",
    "each owner takes one step, and every owner weighs the same": "the same",
    "each owner takes two steps": "another",
    "each owner takes two steps, and all hold the same examples": "the same",
    "each owner takes one step, and owner 2's answer is lost": "another",
}

# %% federated_averaging.1 | computes it, but with the sum of the squared errors instead of their mean
first, second = [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)], [(2.0, -4.0)]


def train(examples, steps):
    w = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        loss = sum((w * x - y) ** 2 for x, y in examples)
        (slope,) = torch.autograd.grad(loss, w)
        w = (w - 0.01 * slope).detach().requires_grad_()
    return w.item()


def verdict(one, two, steps, a, b):
    mean = (a * train(one, steps) + b * train(two, steps)) / (a + b)
    return "the same" if abs(mean - train(one + two, steps)) < 1e-9 else "another"


merged = {
    "each owner takes one step": verdict(first, second, 1, 3, 1),
    "each owner takes one step, and every owner weighs the same": verdict(first, second, 1, 1, 1),
    "each owner takes two steps": verdict(first, second, 2, 3, 1),
    "each owner takes two steps, and all hold the same examples": verdict(first, first, 2, 3, 3),
    "each owner takes one step, and owner 2's answer is lost": verdict(first, second, 1, 3, 0),
}


# %% federated_averaging.2 | takes the plain mean of the owners
def merge(weights, counts):
    return torch.stack(weights).mean(dim=0)


# %% federated_averaging.2 | multiplies by the counts and divides by the number of owners
def merge(weights, counts):
    total = torch.zeros(weights[0].shape)
    for weight, count in zip(weights, counts, strict=True):
        total = total + count * weight
    return total / len(weights)


# %% federated_averaging.2 | adds into the first owner's tensor
def merge(weights, counts):
    n = sum(counts)
    mean = weights[0]
    mean *= counts[0] / n
    for k in range(1, len(weights)):
        mean += counts[k] / n * weights[k]
    return mean


# %% federated_averaging.2 | turns the caller's list of counts into shares
def merge(weights, counts):
    n = sum(counts)
    for k in range(len(counts)):
        counts[k] = counts[k] / n
    return sum(share * weight for share, weight in zip(counts, weights, strict=True))


# %% federated_averaging.2 | a matrix product of shares and stack, which does for vectors only
def merge(weights, counts):
    shares = torch.tensor(counts, dtype=torch.float32) / sum(counts)
    return shares @ torch.stack(weights).float()


# %% federated_averaging.2 | makes the shares a column, whatever the shape of the weights
def merge(weights, counts):
    shares = torch.tensor(counts, dtype=torch.float32).view(-1, 1) / sum(counts)
    return (shares * torch.stack(weights)).sum(dim=0)


# %% federated_averaging.2 | flattens the weights and forgets to restore their shape
def merge(weights, counts):
    rows = np.stack([weight.numpy().reshape(-1) for weight in weights])
    return torch.from_numpy(np.average(rows, axis=0, weights=counts))


# %% federated_averaging.2 | is afraid of the zero and counts every owner as one image at least
def merge(weights, counts):
    counts = [max(count, 1) for count in counts]
    n = sum(counts)
    return sum((count / n) * weight for count, weight in zip(counts, weights, strict=True))


# %% federated_averaging.2 | running mean that forgets to raise the number of images seen so far
def merge(weights, counts):
    seen = counts[0]
    mean = weights[0].clone()
    for weight, count in zip(weights[1:], counts[1:], strict=True):
        if count == 0:
            continue
        mean = (seen * mean + count * weight) / (seen + count)
    return mean


# %% federated_averaging.2 | running mean, which divides 0 by 0 where the first two owners have no images
def merge(weights, counts):
    seen = counts[0]
    mean = weights[0].clone()
    for weight, count in zip(weights[1:], counts[1:], strict=True):
        mean = (seen * mean + count * weight) / (seen + count)
        seen += count
    return mean


# %% federated_averaging.2 | throws out the zeros among the counts, but not their weights
def merge(weights, counts):
    counts = [count for count in counts if count > 0]
    n = sum(counts)
    mean = torch.zeros_like(weights[0])
    for count, weight in zip(counts, weights, strict=False):
        mean = mean + count / n * weight
    return mean


# %% federated_averaging.2 | np.average without an axis, which raises
def merge(weights, counts):
    stacked = np.stack([weight.numpy() for weight in weights])
    return torch.tensor(np.average(stacked, weights=counts))


# %% federated_averaging.3 | counts one way only
def bytes_sent(shapes, bits, asked, rounds):
    numbers = sum(math.prod(shape) for shape in shapes)
    return numbers * bits * asked * rounds // 8


# %% federated_averaging.3 | adds the sizes of a shape instead of multiplying them
def bytes_sent(shapes, bits, asked, rounds):
    numbers = sum(sum(shape) if shape else 1 for shape in shapes)
    return 2 * numbers * bits * asked * rounds // 8


# %% federated_averaging.3 | the shape [] has nothing in it, so it counts as nothing
def bytes_sent(shapes, bits, asked, rounds):
    numbers = 0
    for shape in shapes:
        if len(shape) == 0:
            continue
        numbers += math.prod(shape)
    return 2 * numbers * bits * asked * rounds // 8


# %% federated_averaging.3 | starts the product with the first size, which [] does not have
def bytes_sent(shapes, bits, asked, rounds):
    numbers = 0
    for shape in shapes:
        size = shape[0]
        for d in shape[1:]:
            size *= d
        numbers += size
    return numbers * bits * asked * rounds * 2 // 8


# %% federated_averaging.3 | whole bytes of one number first: 4 bits become 0 bytes, 12 bits become 1
def bytes_sent(shapes, bits, asked, rounds):
    bytes_each = bits // 8
    return sum(math.prod(shape) for shape in shapes) * bytes_each * asked * rounds * 2


# %% federated_averaging.3 | multiplies the sizes of all parameters together
def bytes_sent(shapes, bits, asked, rounds):
    numbers = 1
    for shape in shapes:
        for size in shape:
            numbers *= size
    return numbers * bits // 8 * 2 * asked * rounds


# %% federated_averaging.3 | the server sends one broadcast a round, only the answers come once an owner
def bytes_sent(shapes, bits, asked, rounds):
    numbers = sum(math.prod(shape) for shape in shapes)
    return numbers * bits * (1 + asked) * rounds // 8


# %% federated_averaging.3 | the server sends in the first round only, afterwards the owners have the network
def bytes_sent(shapes, bits, asked, rounds):
    model = sum(math.prod(shape) for shape in shapes) * bits
    down = asked * model
    up = asked * rounds * model
    return (down + up) // 8


# %% federated_averaging.3 | lets PyTorch count the bytes, which always takes 32 bits
def bytes_sent(shapes, bits, asked, rounds):
    total = 0
    for shape in shapes:
        parameter = torch.empty(shape)
        total += parameter.numel() * parameter.element_size()
    return 2 * total * asked * rounds


# %% federated_averaging.3 | knows biases and matrices, but no filters with four sizes
def bytes_sent(shapes, bits, asked, rounds):
    numbers = 0
    for shape in shapes:
        if len(shape) == 0:
            numbers += 1
        elif len(shape) == 1:
            numbers += shape[0]
        else:
            numbers += shape[0] * shape[1]
    return 2 * asked * rounds * numbers * bits // 8


# %% federated_averaging.3 | each of the asked owners gets its part of the parameters, so asked drops out
def bytes_sent(shapes, bits, asked, rounds):
    numbers = sum(math.prod(shape) for shape in shapes)
    return 2 * rounds * numbers * bits // 8


# %% federated_averaging.3 | eats up the caller's shapes with pop
def bytes_sent(shapes, bits, asked, rounds):
    numbers = 0
    for shape in shapes:
        size = 1
        while shape:
            size *= shape.pop()
        numbers += size
    return 2 * numbers * bits * asked * rounds // 8


# %% federated_averaging.3 | keeps the sizes in a dict by shape, where two parameters of one shape fall together
def bytes_sent(shapes, bits, asked, rounds):
    sizes = {tuple(shape): math.prod(shape) for shape in shapes}
    return sum(sizes.values()) * bits * 2 * asked * rounds // 8


# %% federated_averaging.4 | rounds each owner's share of images, the last owner takes what is left over
def divide(labels, shares):
    owners = torch.zeros(len(labels), dtype=torch.long)
    for c in range(len(shares)):
        rows = torch.nonzero(labels == c).flatten()
        begin = 0
        for k in range(shares.shape[1]):
            last = k == shares.shape[1] - 1
            end = len(rows) if last else begin + round(len(rows) * shares[c, k].item())
            owners[rows[begin:end]] = k
            begin = end
    return owners


# %% federated_averaging.4 | cuts the ends off with int instead of rounding them
def divide(labels, shares):
    owners = torch.zeros(len(labels), dtype=torch.long)
    for c in range(len(shares)):
        rows = torch.nonzero(labels == c).flatten()
        begin, s = 0, 0.0
        for k, share in enumerate(shares[c].tolist()):
            s += share
            end = int(len(rows) * s + 1e-6)
            owners[rows[begin:end]] = k
            begin = end
    return owners


# %% federated_averaging.4 | adds the shares up over the classes instead of the owners
def divide(labels, shares):
    ends = shares.cumsum(dim=0)
    owners = torch.zeros(len(labels), dtype=torch.long)
    for c in range(shares.shape[0]):
        rows = torch.where(labels == c)[0]
        begin = 0
        for k in range(shares.shape[1]):
            end = round(len(rows) * ends[c, k].item())
            owners[rows[begin:end]] = k
            begin = end
    return owners


# %% federated_averaging.4 | takes a row of the table for an owner and a column for a class
def divide(labels, shares):
    table = shares.T
    owners = torch.zeros(len(labels), dtype=torch.long)
    for c in range(table.shape[0]):
        rows = (labels == c).nonzero().squeeze(1)
        ends = torch.round(len(rows) * table[c].cumsum(0)).long().tolist()
        for k, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
            owners[rows[begin:end]] = k
    return owners


# %% federated_averaging.4 | returns the owners class after class, not in the order of the labels
def divide(labels, shares):
    owners = []
    for c, row in enumerate(shares.tolist()):
        n = int((labels == c).sum())
        begin, s = 0, 0.0
        for k, share in enumerate(row):
            s += share
            end = round(n * s)
            owners += [k] * (end - begin)
            begin = end
    return owners


# %% federated_averaging.4 | believes that all classes have equally many images
def divide(labels, shares):
    n = len(labels) / len(shares)
    owners = torch.zeros(len(labels), dtype=torch.long)
    for c in range(len(shares)):
        rows = torch.where(labels == c)[0]
        ends = [round(n * s) for s in shares[c].cumsum(0).tolist()]
        begin = 0
        for k, end in enumerate(ends):
            owners[rows[begin:end]] = k
            begin = end
    return owners


# %% federated_averaging.4 | searches the end on the wrong side: the image at the end still belongs to the piece
def divide(labels, shares):
    owners = torch.zeros(len(labels), dtype=torch.long)
    for c in range(len(shares)):
        mask = labels == c
        n = int(mask.sum())
        ends = torch.round(n * shares[c].cumsum(0))
        owners[mask] = torch.searchsorted(ends, torch.arange(n, dtype=ends.dtype))
    return owners


# %% federated_averaging.4 | goes through the classes that occur and counts the rows of the table along with them
def divide(labels, shares):
    owners = torch.zeros(len(labels), dtype=torch.long)
    for row, c in zip(shares, labels.unique(), strict=False):
        rows = torch.where(labels == c)[0]
        begin = 0
        for k, s in enumerate(row.cumsum(0).tolist()):
            end = round(len(rows) * s)
            owners[rows[begin:end]] = k
            begin = end
    return owners


# %% federated_averaging.4 | drops the empty pieces before numbering the owners
def divide(labels, shares):
    owners = np.zeros(len(labels), dtype=int)
    for c, row in enumerate(shares.numpy()):
        rows = np.flatnonzero(labels.numpy() == c)
        ends = np.round(len(rows) * np.cumsum(row)).astype(int)
        pieces = [piece for piece in np.split(rows, ends[:-1]) if len(piece) > 0]
        for k, piece in enumerate(pieces):
            owners[piece] = k
    return owners


# %% federated_averaging.4 | does not go back to the begin for the next class
def divide(labels, shares):
    owners = -torch.ones(len(labels), dtype=torch.long)
    begin = 0
    for c in range(len(shares)):
        rows = torch.where(labels == c)[0]
        for k, s in enumerate(shares[c].cumsum(0).tolist()):
            end = round(len(rows) * s)
            owners[rows[begin:end]] = k
            begin = end
    return owners


# %% federated_averaging.4 | writes owners over a copy of the labels and looks for the next class in it
def divide(labels, shares):
    owners = labels.clone()
    for c in range(len(shares)):
        rows = torch.where(owners == c)[0]
        begin = 0
        for k, s in enumerate(shares[c].cumsum(0).tolist()):
            end = round(len(rows) * s)
            owners[rows[begin:end]] = k
            begin = end
    return owners


# %% federated_averaging.4 | adds the shares up in the caller's table
def divide(labels, shares):
    shares.cumsum_(dim=1)
    owners = torch.zeros(len(labels), dtype=torch.long)
    for c in range(len(shares)):
        rows = torch.where(labels == c)[0]
        ends = torch.round(len(rows) * shares[c]).long().tolist()
        for k in range(len(ends)):
            owners[rows[ends[k - 1] if k else 0:ends[k]]] = k
    return owners


# %% federated_averaging.4 | makes each owner's column add up to 1
def divide(labels, shares):
    shares = shares / shares.sum(dim=0, keepdim=True).clamp(min=1e-9)
    owners = torch.zeros(len(labels), dtype=torch.long)
    for c in range(len(shares)):
        rows = torch.where(labels == c)[0]
        begin = 0
        for k, s in enumerate(shares[c].cumsum(0).tolist()):
            end = round(len(rows) * s)
            owners[rows[begin:end]] = k
            begin = end
    return owners


# %% federated_averaging.5 | repairs NaN and infinity with 0 instead of leaving the answer out
def close_round(old, asked, answers):
    total, n, seen = torch.zeros(old.shape), 0, set()
    for owner, count, weights in answers:
        if owner not in asked or owner in seen or count <= 0 or weights.shape != old.shape:
            continue
        seen.add(owner)
        total = total + count * torch.nan_to_num(weights, nan=0.0, posinf=0.0, neginf=0.0)
        n += count
    return total / n if n else old.clone()


# %% federated_averaging.5 | looks for NaN only, infinity passes
def close_round(old, asked, answers):
    good = {}
    for owner, count, weights in answers:
        if owner in asked and count > 0 and weights.shape == old.shape and not torch.isnan(weights).any():
            good.setdefault(owner, (count, weights))
    n = sum(count for count, _ in good.values())
    if n == 0:
        return old.clone()
    return sum(count / n * weights for count, weights in good.values())


# %% federated_averaging.5 | a later good answer of an owner replaces the earlier one
def close_round(old, asked, answers):
    good = {}
    for owner, count, weights in answers:
        if owner in asked and count > 0 and weights.shape == old.shape and torch.isfinite(weights).all():
            good[owner] = (count, weights)
    if not good:
        return old.clone()
    n = sum(count for count, _ in good.values())
    return sum(count / n * weights for count, weights in good.values())


# %% federated_averaging.5 | lets only an owner's very first answer through, good or not
def close_round(old, asked, answers):
    seen, counts, kept = set(), [], []
    for owner, count, weights in answers:
        if owner in seen:
            continue
        seen.add(owner)
        if owner in asked and count > 0 and weights.shape == old.shape and torch.isfinite(weights).all():
            counts.append(count)
            kept.append(weights)
    if not kept:
        return old.clone()
    shares = torch.tensor(counts, dtype=old.dtype) / sum(counts)
    return shares @ torch.stack(kept).to(old.dtype)


# %% federated_averaging.5 | returns zeros where nothing counts
def close_round(old, asked, answers):
    first = {}
    for owner, count, weights in answers:
        good = count > 0 and weights.shape == old.shape and bool(weights.isfinite().all())
        if owner in asked and owner not in first and good:
            first[owner] = (count, weights)
    mean = torch.zeros_like(old)
    n = sum(count for count, _ in first.values())
    for count, weights in first.values():
        mean = mean + count / n * weights
    return mean


# %% federated_averaging.5 | leaves out negative counts only, so a 0 takes its owner's place
def close_round(old, asked, answers):
    taken = {}
    for owner, count, weights in answers:
        if owner not in asked or owner in taken or count < 0:
            continue
        if weights.shape == old.shape and torch.isfinite(weights).all():
            taken[owner] = (count, weights)
    n = sum(count for count, _ in taken.values())
    if n == 0:
        return old.clone()
    return sum((count / n) * weights for count, weights in taken.values())


# %% federated_averaging.5 | takes answers from anybody
def close_round(old, asked, answers):
    good = collections.OrderedDict()
    for owner, count, weights in answers:
        if count > 0 and weights.shape == old.shape and torch.isfinite(weights).all() and owner not in good:
            good[owner] = (count, weights)
    if len(good) == 0:
        return old.clone()
    n = sum(count for count, _ in good.values())
    return sum(count * weights for count, weights in good.values()) / n


# %% federated_averaging.5 | compares how many numbers there are, and reshapes what fits
def close_round(old, asked, answers):
    total, n, seen = torch.zeros_like(old), 0, set()
    for owner, count, weights in answers:
        if owner not in asked or owner in seen or count <= 0:
            continue
        if weights.numel() != old.numel() or not torch.isfinite(weights).all():
            continue
        seen.add(owner)
        total = total + count * weights.reshape(old.shape)
        n += count
    return total / n if n > 0 else old.clone()


# %% federated_averaging.5 | writes the mean into the old weights
def close_round(old, asked, answers):
    good = {}
    for owner, count, weights in answers:
        if owner in asked and count > 0 and weights.shape == old.shape and torch.isfinite(weights).all():
            good.setdefault(owner, (count, weights))
    if good:
        n = sum(count for count, _ in good.values())
        old[:] = sum(count / n * weights for count, weights in good.values())
    return old


# %% federated_averaging.5 | crosses the owner off the caller's list once its good answer has come
def close_round(old, asked, answers):
    total, n = torch.zeros_like(old), 0
    for owner, count, weights in answers:
        if owner in asked and count > 0 and weights.shape == old.shape and torch.isfinite(weights).all():
            asked.remove(owner)
            total = total + count * weights
            n += count
    return total / n if n else old.clone()


# %% federated_averaging.5 | stops at the first answer that is not good
def close_round(old, asked, answers):
    good = {}
    for owner, count, weights in answers:
        if owner not in asked or count <= 0 or weights.shape != old.shape:
            break
        if not torch.isfinite(weights).all():
            break
        if owner not in good:
            good[owner] = (count, weights)
    n = sum(count for count, _ in good.values())
    return sum(count / n * weights for count, weights in good.values()) if n else old.clone()


# %% federated_averaging.5 | counts every good answer, also the second one of an owner
def close_round(old, asked, answers):
    good = [
        (count, weights)
        for owner, count, weights in answers
        if owner in asked and count > 0 and weights.shape == old.shape and torch.isfinite(weights).all()
    ]
    if not good:
        return old.clone()
    n = sum(count for count, _ in good)
    return torch.stack([count / n * weights for count, weights in good]).sum(dim=0)


# %% federated_averaging.5 | takes the answers for updates and adds their mean to the old weights
def close_round(old, asked, answers):
    good = {}
    for owner, count, weights in answers:
        if owner in asked and count > 0 and weights.shape == old.shape and torch.isfinite(weights).all():
            good.setdefault(owner, (count, weights))
    n = sum(count for count, _ in good.values())
    new = old.clone()
    for count, weights in good.values():
        new = new + (count / n) * weights
    return new


# %% federated_averaging.5 | reads asked as the owners 0 to len(asked) - 1
def close_round(old, asked, answers):
    slots = [None] * len(asked)
    for owner, count, weights in answers:
        if not 0 <= owner < len(asked) or slots[owner] is not None:
            continue
        if count > 0 and weights.shape == old.shape and torch.isfinite(weights).all():
            slots[owner] = (count, weights)
    good = [slot for slot in slots if slot is not None]
    if not good:
        return old.clone()
    n = sum(count for count, _ in good)
    return sum(count / n * weights for count, weights in good)

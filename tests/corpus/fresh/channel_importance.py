"""Wrong answers to the exercises of channel_importance."""

import torch
from scipy import stats
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% channel_importance.2 | squares each weight times its gradient and adds then: the sum belongs inside the square
def importance(batches, first, second):
    w = first.detach().clone().requires_grad_()
    scores = torch.zeros(len(first), dtype=first.dtype)
    for inputs, labels in batches:
        loss = F.cross_entropy(torch.relu(inputs @ w.T) @ second.T, labels)
        (g,) = torch.autograd.grad(loss, w)
        scores += (w.detach() * g).square().sum(dim=1)
    return scores / len(batches)


# %% channel_importance.2 | never clears gate.grad: the second batch squares the sum of two gradients
def importance(batches, first, second):
    gate = torch.ones(first.shape[0], dtype=first.dtype, requires_grad=True)
    squares = []
    for inputs, labels in batches:
        logits = (gate * torch.relu(inputs @ first.T)) @ second.T
        F.cross_entropy(logits, labels).backward()
        squares.append(gate.grad**2)
    return torch.stack(squares).mean(dim=0)


# %% channel_importance.2 | a gate for each image: squares the images' gradients one by one and takes their mean
def importance(batches, first, second):
    per_batch = []
    for inputs, labels in batches:
        hidden = torch.relu(inputs @ first.T)
        gates = torch.ones_like(hidden).requires_grad_()
        loss = F.cross_entropy((gates * hidden) @ second.T, labels, reduction="sum")
        (g,) = torch.autograd.grad(loss, gates)
        per_batch.append(g.square().mean(dim=0))
    return torch.stack(per_batch).mean(dim=0)


# %% channel_importance.3 | squares the change of each image's loss and takes the mean, not the change of the mean loss
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    before = F.cross_entropy(hidden @ second.T, labels, reduction="none")
    changes = []
    for unit in range(len(first)):
        without = hidden.clone()
        without[:, unit] = 0
        after = F.cross_entropy(without @ second.T, labels, reduction="none")
        changes.append((after - before).square().mean())
    return torch.stack(changes)


# %% channel_importance.3 | the difference of the squares in place of the square of the difference
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    whole = F.cross_entropy(hidden @ second.T, labels)
    losses = []
    for unit in range(len(first)):
        mask = torch.ones(len(first), dtype=hidden.dtype)
        mask[unit] = 0
        losses.append(F.cross_entropy((hidden * mask) @ second.T, labels))
    return torch.stack(losses) ** 2 - whole**2


# %% channel_importance.3 | holds first[:] for a copy, as with lists: the removed units pile up, and the argument changes
def oracle(inputs, labels, first, second):
    def loss(weights):
        return F.cross_entropy(torch.relu(inputs @ weights.T) @ second.T, labels)

    whole = loss(first)
    scores = []
    for unit in range(len(first)):
        pruned = first[:]
        pruned[unit] = 0
        scores.append((loss(pruned) - whole) ** 2)
    return torch.stack(scores)


# %% channel_importance.4 | itertools.groupby without sorting: a block that lies in several pieces counts several times
def inside(scores, truth, blocks):
    from itertools import groupby

    rows = zip(blocks.tolist(), scores.tolist(), truth.tolist())
    correlations = []
    for _, group in groupby(rows, key=lambda row: row[0]):
        _, a, b = zip(*group)
        if len(set(a)) > 1:
            correlations.append(stats.spearmanr(a, b).statistic)
    if not correlations:
        return float("nan")
    return sum(correlations) / len(correlations)


# %% channel_importance.4 | ranks by argsort of argsort: equal values get different ranks
def inside(scores, truth, blocks):
    found = []
    for block in blocks.unique():
        here = blocks == block
        a, b = scores[here], truth[here]
        if (a == a[0]).all():
            continue
        ranks = torch.stack([a.argsort(stable=True).argsort(), b.argsort(stable=True).argsort()]).double()
        found.append(torch.corrcoef(ranks)[0, 1])
    return torch.stack(found).mean() if found else float("nan")


# %% channel_importance.4 | leaves a block without order out of the sum but still divides by the number of all blocks
def inside(scores, truth, blocks):
    names = blocks.unique()
    total, used = 0.0, 0
    for block in names:
        s, t = scores[blocks == block], truth[blocks == block]
        if s.min() == s.max():
            continue
        total += stats.spearmanr(s.numpy(), t.numpy()).statistic
        used += 1
    return total / len(names) if used else float("nan")

"""Wrong answers to the exercises of pruning."""

import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% pruning.2 | mask.repeat in place of repeat_interleave: drops every so-many-th column, not those side by side
def without(channel, convolution, norm, reader, places):
    stays = torch.arange(len(convolution)) != channel
    return [convolution[stays], norm[:, stays], reader[:, stays.repeat(places)]]


# %% pruning.2 | drops the columns channel … channel + places − 1: the first of them is channel · places
def without(channel, convolution, norm, reader, places):
    def cut(tensor, dim, start, length):
        before = tensor.narrow(dim, 0, start)
        after = tensor.narrow(dim, start + length, tensor.shape[dim] - start - length)
        return torch.cat([before, after], dim=dim)

    return [cut(convolution, 0, channel, 1), cut(norm, 1, channel, 1), cut(reader, 1, channel, places)]


# %% pruning.2 | np.delete without an axis flattens the norm and takes one number out
def without(channel, convolution, norm, reader, places):
    import numpy as np

    convolution = np.delete(convolution.numpy(), channel, axis=0)
    norm = np.delete(norm.numpy(), channel)
    columns = range(channel * places, (channel + 1) * places)
    reader = np.delete(reader.numpy(), list(columns), axis=1)
    return [torch.tensor(convolution), torch.tensor(norm), torch.tensor(reader)]


# %% pruning.3 | pops from the lists while it removes, so that later indices point to the wrong channels
def pack(scores, costs, budget):
    quotients = (scores / costs).tolist()
    prices = costs.tolist()
    stays = [True] * len(prices)
    while sum(prices) > budget:
        worst = quotients.index(min(quotients))
        stays[worst] = False
        quotients.pop(worst)
        prices.pop(worst)
    return torch.tensor(stays)


# %% pruning.3 | looks at the budget after a removal only: one channel goes even where all fit
def pack(scores, costs, budget):
    order = (scores / costs).argsort(stable=True)
    stays = torch.ones(len(scores), dtype=torch.bool)
    for channel in order:
        stays[channel] = False
        if costs[stays].sum() <= budget:
            break
    return stays


# %% pruning.3 | rounds the quotients down with //, which makes ties that there are not
def pack(scores, costs, budget):
    value = (scores // costs).tolist()
    left = float(costs.sum())
    keep = torch.ones_like(scores, dtype=torch.bool)
    for i in sorted(range(len(value)), key=lambda i: value[i]):
        if left <= budget:
            break
        keep[i] = False
        left -= float(costs[i])
    return keep


# %% pruning.4 | keeps all units that reach the keep-th highest score: too many where scores tie
def prune_and_recover(first, second, scores, keep, inputs, exam):
    limit = scores.sort(descending=True).values[keep - 1]
    kept = first[scores >= limit]
    target = torch.relu(inputs @ first.T) @ second.T
    head = torch.linalg.lstsq(torch.relu(inputs @ kept.T), target).solution
    return torch.relu(exam @ kept.T) @ head


# %% pruning.4 | prunes before it asks: the targets are the pruned network's logits, not the whole one's
def prune_and_recover(first, second, scores, keep, inputs, exam):
    best = scores.argsort(descending=True, stable=True)[:keep]
    first, second = first[best], second[:, best]
    hidden = torch.relu(inputs @ first.T)
    logits = hidden @ second.T
    new_head = torch.linalg.pinv(hidden) @ logits
    return torch.relu(exam @ first.T) @ new_head


# %% pruning.4 | fits the new head on the exam's own inputs
def prune_and_recover(first, second, scores, keep, inputs, exam):
    def hidden(x, weights):
        return (x @ weights.T).clamp(min=0)

    best = torch.sort(scores, descending=True, stable=True).indices[:keep]
    whole = hidden(exam, first) @ second.T
    small = hidden(exam, first[best])
    return small @ torch.linalg.lstsq(small, whole).solution

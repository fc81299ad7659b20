"""Wrong answers to the exercises of ``pruning``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd
from kdcourse.checks import check

# %% pruning.2 | drops what the convolution reads (dimension 1) in place of what it gives
def without(channel, convolution, norm, reader, places):
    mask = torch.ones(norm.shape[1], dtype=torch.bool)
    mask[channel] = False
    smaller = torch.cat([convolution[:, :channel], convolution[:, channel + 1 :]], dim=1)
    return [smaller, norm[:, mask], reader[:, mask.repeat_interleave(places)]]


# %% pruning.2 | the batch norm keeps its four numbers of the channel that went
def without(channel, convolution, norm, reader, places):
    mask = torch.ones(len(convolution), dtype=torch.bool)
    mask[channel] = False
    return [convolution[mask], norm, reader[:, mask.repeat_interleave(places)]]


# %% pruning.3 | ranks by the score alone, not divided by the cost
def pack(scores, costs, budget):
    stays = torch.ones(len(scores), dtype=torch.bool)
    for channel in scores.argsort(stable=True):
        if costs[stays].sum() <= budget:
            break
        stays[channel] = False
    return stays


# %% pruning.3 | True marks the channels that go in place of those that stay
def pack(scores, costs, budget):
    goes = torch.zeros(len(scores), dtype=torch.bool)
    for channel in (scores / costs).argsort(stable=True):
        if costs[~goes].sum() <= budget:
            break
        goes[channel] = True
    return goes


# %% pruning.3 | stops as soon as the costs of those that went reach the budget
def pack(scores, costs, budget):
    stays = torch.ones(len(scores), dtype=torch.bool)
    for channel in (scores / costs).argsort(stable=True):
        if costs[~stays].sum() >= budget:
            break
        stays[channel] = False
    return stays


# %% pruning.3 | all channels of equal quotient go together, because a threshold decides
def pack(scores, costs, budget):
    quotients = scores / costs
    stays = torch.ones(len(scores), dtype=torch.bool)
    for threshold in quotients.sort().values:
        if costs[stays].sum() <= budget:
            break
        stays = quotients > threshold
    return stays


# %% pruning.3 | divides without remainder, so that different quotients become equal
def pack(scores, costs, budget):
    stays = torch.ones(len(scores), dtype=torch.bool)
    for channel in (scores // costs).argsort(stable=True):
        if costs[stays].sum() <= budget:
            break
        stays[channel] = False
    return stays


# %% pruning.4 | keeps the units with the lowest scores
def prune_and_recover(first, second, scores, keep, inputs, exam):
    stays = scores.argsort()[:keep]
    whole = torch.relu(inputs @ first.T) @ second.T
    head = torch.linalg.lstsq(torch.relu(inputs @ first[stays].T), whole).solution
    return torch.relu(exam @ first[stays].T) @ head


# %% pruning.4 | the ReLU of the kept units is forgotten
def prune_and_recover(first, second, scores, keep, inputs, exam):
    stays = scores.topk(keep).indices
    whole = torch.relu(inputs @ first.T) @ second.T
    head = torch.linalg.lstsq(inputs @ first[stays].T, whole).solution
    return exam @ first[stays].T @ head


# %% pruning.4 | keeps one unit too few: only those above the lowest of the best scores
def prune_and_recover(first, second, scores, keep, inputs, exam):
    threshold = scores.sort(descending=True).values[keep - 1]
    small = first[scores > threshold]
    whole = torch.relu(inputs @ first.T) @ second.T
    head = torch.linalg.lstsq(torch.relu(inputs @ small.T), whole).solution
    return torch.relu(exam @ small.T) @ head

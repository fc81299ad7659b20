"""Wrong answers to the exercises of ``pruning``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd
from kdcourse.checks import check

# %% pruning.1 | believes that layer 1 reads half as much, too, though it reads one grey image
def share_left(cut):
    return {
        "layer 2, when half of layer 2's channels go": "a half",
        "layer 3, when half of layer 2's channels go": "a half",
        "layer 2, when half of layer 1's and half of layer 2's channels go": "a quarter",
        "layer 1, when half of layer 2's channels go": "all",
        "layer 1, when half of every layer's channels go": "a quarter",
    }[cut]


# %% pruning.1 | forgets that layer 3 reads layer 2's channels
def share_left(cut):
    if cut in ("layer 3, when half of layer 2's channels go", "layer 1, when half of layer 2's channels go"):
        return "all"
    if cut == "layer 2, when half of layer 1's and half of layer 2's channels go":
        return "a quarter"
    return "a half"


# %% pruning.1 | does not multiply the two halves when a layer loses channels on both sides
def share_left(cut):
    if cut == "layer 1, when half of layer 2's channels go":
        return "all"
    return "a half"


# %% pruning.1 | sly: always "a half", the commonest answer
def share_left(cut):
    return "a half"


# %% pruning.2 | repeats the whole mask in place of each entry, so the reader loses scattered columns
def without(channel, convolution, norm, reader, places):
    mask = torch.ones(len(convolution), dtype=torch.bool)
    mask[channel] = False
    return [convolution[mask], norm[:, mask], reader[:, mask.repeat(places)]]


# %% pruning.2 | drops a row of the reader in place of its columns
def without(channel, convolution, norm, reader, places):
    stays = [c for c in range(len(convolution)) if c != channel]
    rows = [r for r in range(len(reader)) if r != channel]
    return [convolution[stays], norm[:, stays], reader[rows]]


# %% pruning.2 | sets the channel to zero in place of taking it out
def without(channel, convolution, norm, reader, places):
    convolution, norm, reader = convolution.clone(), norm.clone(), reader.clone()
    convolution[channel] = 0
    norm[:, channel] = 0
    reader[:, channel * places : (channel + 1) * places] = 0
    return [convolution, norm, reader]


# %% pruning.2 | drops a single column of the reader, whatever the number of places
def without(channel, convolution, norm, reader, places):
    mask = torch.arange(len(convolution)) != channel
    columns = torch.arange(reader.shape[1]) != channel * places
    return [convolution[mask], norm[:, mask], reader[:, columns]]


# %% pruning.2 | the reader's columns begin at the channel's number, not at channel times places
def without(channel, convolution, norm, reader, places):
    mask = torch.arange(len(convolution)) != channel
    head = torch.cat([reader[:, :channel], reader[:, channel + places :]], dim=1)
    return [convolution[mask], norm[:, mask], head]


# %% pruning.2 | the mask is the wrong way round: keeps only that channel
def without(channel, convolution, norm, reader, places):
    mask = torch.zeros(len(convolution), dtype=torch.bool)
    mask[channel] = True
    return [convolution[mask], norm[:, mask], reader[:, mask.repeat_interleave(places)]]


# %% pruning.2 | sly: hands the three tensors back as they were
def without(channel, convolution, norm, reader, places):
    return [convolution, norm, reader]


# %% pruning.2 | returns the reader before the norm
def without(channel, convolution, norm, reader, places):
    mask = torch.ones(len(convolution), dtype=torch.bool)
    mask[channel] = False
    return [convolution[mask], reader[:, mask.repeat_interleave(places)], norm[:, mask]]


# %% pruning.2 | a head's channels and places stay two dimensions of the returned reader
def without(channel, convolution, norm, reader, places):
    mask = torch.ones(len(convolution), dtype=torch.bool)
    mask[channel] = False
    if places > 1:
        reader = reader.reshape(len(reader), -1, places)
    return [convolution[mask], norm[:, mask], reader[:, mask]]


# %% pruning.3 | fills the sack with the best quotients first and skips what does not fit
def pack(scores, costs, budget):
    stays = torch.zeros(len(scores), dtype=torch.bool)
    spent = 0
    for channel in (scores / costs).argsort(descending=True, stable=True):
        if spent + costs[channel] <= budget:
            stays[channel] = True
            spent = spent + costs[channel]
    return stays


# %% pruning.3 | goes on removing when the costs are exactly the budget
def pack(scores, costs, budget):
    stays = torch.ones(len(scores), dtype=torch.bool)
    for channel in (scores / costs).argsort(stable=True):
        if costs[stays].sum() < budget:
            break
        stays[channel] = False
    return stays


# %% pruning.3 | removes at least one channel, even if everything fits from the start
def pack(scores, costs, budget):
    stays = torch.ones(len(scores), dtype=torch.bool)
    for channel in torch.argsort(scores / costs, stable=True):
        stays[channel] = False
        if costs[stays].sum() <= budget:
            break
    return stays


# %% pruning.3 | the channel with the highest quotient goes first
def pack(scores, costs, budget):
    stays = torch.ones(len(scores), dtype=torch.bool)
    order = torch.argsort(scores / costs, descending=True, stable=True)
    for channel in order:
        if costs[stays].sum() <= budget:
            return stays
        stays[channel] = False
    return stays


# %% pruning.3 | of two equal quotients the later channel goes
def pack(scores, costs, budget):
    stays = torch.ones(len(scores), dtype=torch.bool)
    quotients = (scores / costs).tolist()
    order = sorted(range(len(quotients)), key=lambda c: (quotients[c], -c))
    for channel in order:
        if costs[stays].sum() <= budget:
            break
        stays[channel] = False
    return stays


# %% pruning.3 | sly: removes every channel, which fits any budget
def pack(scores, costs, budget):
    return torch.zeros(len(scores), dtype=torch.bool)


# %% pruning.4 | keeps the old head's columns; no new head is fitted
def prune_and_recover(first, second, scores, keep, inputs, exam):
    stays = scores.topk(keep).indices
    return torch.relu(exam @ first[stays].T) @ second[:, stays].T


# %% pruning.4 | the new head is fitted on the exam's inputs in place of `inputs`
def prune_and_recover(first, second, scores, keep, inputs, exam):
    small = first[scores.topk(keep).indices]
    hidden = torch.relu(exam @ small.T)
    whole = torch.relu(exam @ first.T) @ second.T
    return hidden @ torch.linalg.lstsq(hidden, whole).solution


# %% pruning.4 | the new head has a bias
def prune_and_recover(first, second, scores, keep, inputs, exam):
    small = first[scores.topk(keep).indices]

    def units(x):
        hidden = torch.relu(x @ small.T)
        return torch.cat([hidden, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)

    whole = torch.relu(inputs @ first.T) @ second.T
    return units(exam) @ torch.linalg.lstsq(units(inputs), whole).solution


# %% pruning.4 | the new head is fitted to the whole network's probabilities in place of its logits
def prune_and_recover(first, second, scores, keep, inputs, exam):
    stays = scores.topk(keep).indices
    whole = (torch.relu(inputs @ first.T) @ second.T).softmax(dim=1)
    head = torch.linalg.lstsq(torch.relu(inputs @ first[stays].T), whole).solution
    return torch.relu(exam @ first[stays].T) @ head


# %% pruning.4 | the new head is fitted to the class that the whole network prefers, as one-hot targets
def prune_and_recover(first, second, scores, keep, inputs, exam):
    stays = scores.topk(keep).indices
    whole = torch.relu(inputs @ first.T) @ second.T
    targets = torch.nn.functional.one_hot(whole.argmax(dim=1), len(second)).to(inputs.dtype)
    head = torch.linalg.lstsq(torch.relu(inputs @ first[stays].T), targets).solution
    return torch.relu(exam @ first[stays].T) @ head


# %% pruning.4 | returns the logits on `inputs` in place of the exam's
def prune_and_recover(first, second, scores, keep, inputs, exam):
    stays = scores.topk(keep).indices
    hidden = torch.relu(inputs @ first[stays].T)
    whole = torch.relu(inputs @ first.T) @ second.T
    head = torch.linalg.lstsq(hidden, whole).solution
    return hidden @ head


# %% pruning.4 | sly: the whole network's logits, nothing is pruned
def prune_and_recover(first, second, scores, keep, inputs, exam):
    return torch.relu(exam @ first.T) @ second.T


# %% pruning.4 | a penalty on the new head's weights, the identity added to the system
def prune_and_recover(first, second, scores, keep, inputs, exam):
    stays = scores.topk(keep).indices
    hidden = torch.relu(inputs @ first[stays].T)
    whole = torch.relu(inputs @ first.T) @ second.T
    gram = hidden.T @ hidden + torch.eye(keep, dtype=first.dtype)
    head = torch.linalg.solve(gram, hidden.T @ whole)
    return torch.relu(exam @ first[stays].T) @ head

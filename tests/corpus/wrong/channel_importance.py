"""Wrong answers to the exercises of ``channel_importance``, written by someone who had not seen the checks."""
import torch
from scipy import stats
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% channel_importance.1 | believes that a channel that is silent in this batch has a price because it matters for other images
def price_is(channel):
    if "weights of zero" in channel or "in front of" in channel:
        return "zero"
    return "above zero"


# %% channel_importance.1 | sly: always "above zero", since a square is seldom exactly zero
def price_is(channel):
    return "above zero"


# %% channel_importance.2 | the absolute value of the gradient in place of its square
def importance(batches, first, second):
    total = torch.zeros(len(first), dtype=first.dtype)
    for inputs, labels in batches:
        gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
        logits = (torch.relu(inputs @ first.T) * gate) @ second.T
        F.cross_entropy(logits, labels).backward()
        total += gate.grad.abs()
    return total / len(batches)


# %% channel_importance.2 | the sum over the batches in place of the mean
def importance(batches, first, second):
    total = torch.zeros(len(first), dtype=first.dtype)
    for inputs, labels in batches:
        gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
        loss = F.cross_entropy((torch.relu(inputs @ first.T) * gate) @ second.T, labels)
        (slope,) = torch.autograd.grad(loss, gate)
        total = total + slope.square()
    return total


# %% channel_importance.2 | the ReLU is forgotten
def importance(batches, first, second):
    total = torch.zeros(len(first), dtype=first.dtype)
    for inputs, labels in batches:
        gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
        logits = (inputs @ first.T * gate) @ second.T
        (slope,) = torch.autograd.grad(F.cross_entropy(logits, labels), gate)
        total = total + slope.square() / len(batches)
    return total


# %% channel_importance.2 | returns inside the loop, after the first batch
def importance(batches, first, second):
    scores = []
    for inputs, labels in batches:
        gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
        logits = (torch.relu(inputs @ first.T) * gate) @ second.T
        (slope,) = torch.autograd.grad(F.cross_entropy(logits, labels), gate)
        scores.append(slope.square())
        return torch.stack(scores).mean(dim=0)


# %% channel_importance.2 | squares the gradient of each image's own loss, not that of the batch's mean loss
def importance(batches, first, second):
    result = []
    for inputs, labels in batches:
        squares = []
        for x, y in zip(inputs, labels):
            gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
            logits = (torch.relu(x[None] @ first.T) * gate) @ second.T
            (slope,) = torch.autograd.grad(F.cross_entropy(logits, y[None]), gate)
            squares.append(slope.square())
        result.append(torch.stack(squares).mean(dim=0))
    return torch.stack(result).mean(dim=0)


# %% channel_importance.2 | the gate's .grad is not cleared between the batches
def importance(batches, first, second):
    gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
    scores = []
    for inputs, labels in batches:
        logits = (torch.relu(inputs @ first.T) * gate) @ second.T
        F.cross_entropy(logits, labels).backward()
        scores.append(gate.grad.square())
    return torch.stack(scores).mean(dim=0)


# %% channel_importance.2 | hands probabilities to cross_entropy, so the softmax is taken twice
def importance(batches, first, second):
    total = torch.zeros(len(first), dtype=first.dtype)
    for inputs, labels in batches:
        gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
        probabilities = ((torch.relu(inputs @ first.T) * gate) @ second.T).softmax(dim=1)
        loss = F.cross_entropy(probabilities, labels)
        total += torch.autograd.grad(loss, gate)[0].square()
    return total / len(batches)


# %% channel_importance.2 | weights each batch's square by its number of images, so that unequal batches do not count alike
def importance(batches, first, second):
    total, images = torch.zeros(len(first), dtype=first.dtype), 0
    for inputs, labels in batches:
        gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
        logits = (torch.relu(inputs @ first.T) * gate) @ second.T
        (slope,) = torch.autograd.grad(F.cross_entropy(logits, labels), gate)
        total += len(labels) * slope.square()
        images += len(labels)
    return total / images


# %% channel_importance.3 | the units removed earlier are still zero when the next one's turn comes
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    whole = F.cross_entropy(hidden @ second.T, labels)
    changes = []
    for unit in range(len(first)):
        hidden[:, unit] = 0
        changes.append((F.cross_entropy(hidden @ second.T, labels) - whole) ** 2)
    return torch.stack(changes)


# %% channel_importance.3 | squares the loss without the unit; the whole network's loss is not subtracted
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    losses = []
    for unit in range(len(first)):
        without = hidden.clone()
        without[:, unit] = 0
        losses.append(F.cross_entropy(without @ second.T, labels))
    return torch.stack(losses).square()


# %% channel_importance.3 | the change of the loss is not squared
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    whole = F.cross_entropy(hidden @ second.T, labels)
    losses = []
    for unit in range(len(first)):
        without = hidden.clone()
        without[:, unit] = 0
        losses.append(F.cross_entropy(without @ second.T, labels) - whole)
    return torch.stack(losses)


# %% channel_importance.3 | the change is divided by the whole network's loss before it is squared
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    whole = F.cross_entropy(hidden @ second.T, labels)
    changes = []
    for unit in range(len(first)):
        without = hidden.clone()
        without[:, unit] = 0
        loss = F.cross_entropy(without @ second.T, labels)
        changes.append(((loss - whole) / whole) ** 2)
    return torch.stack(changes)


# %% channel_importance.3 | the ReLU is forgotten
def oracle(inputs, labels, first, second):
    hidden = inputs @ first.T
    whole = F.cross_entropy(hidden @ second.T, labels)
    losses = []
    for unit in range(len(first)):
        without = hidden.clone()
        without[:, unit] = 0
        losses.append(F.cross_entropy(without @ second.T, labels))
    return (torch.stack(losses) - whole).square()


# %% channel_importance.3 | the squared slope at an open gate, task 2's price, in place of the true change
def oracle(inputs, labels, first, second):
    gate = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
    loss = F.cross_entropy((torch.relu(inputs @ first.T) * gate) @ second.T, labels)
    return torch.autograd.grad(loss, gate)[0].square()


# %% channel_importance.3 | squares each image's own change and then takes the mean
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    whole = F.cross_entropy(hidden @ second.T, labels, reduction="none")
    changes = []
    for unit in range(len(first)):
        without = hidden.clone()
        without[:, unit] = 0
        loss = F.cross_entropy(without @ second.T, labels, reduction="none")
        changes.append((loss - whole).square().mean())
    return torch.stack(changes)


# %% channel_importance.4 | one correlation over all channels; the blocks are ignored
def inside(scores, truth, blocks):
    if len(set(torch.as_tensor(scores).tolist())) < 2:
        return float("nan")
    return float(stats.spearmanr(scores, truth).statistic)


# %% channel_importance.4 | Pearson's correlation of the values in place of Spearman's of the ranks
def inside(scores, truth, blocks):
    scores, truth, blocks = (torch.as_tensor(v) for v in (scores, truth, blocks))
    found = []
    for block in blocks.unique():
        here = blocks == block
        if len(scores[here].unique()) > 1:
            found.append(float(stats.pearsonr(scores[here].numpy(), truth[here].numpy()).statistic))
    return sum(found) / len(found) if found else float("nan")


# %% channel_importance.4 | a block in which all scores are equal counts as a correlation of 0
def inside(scores, truth, blocks):
    scores, truth, blocks = (torch.as_tensor(v) for v in (scores, truth, blocks))
    found, ordered = [], 0
    for block in blocks.unique():
        here = blocks == block
        if (scores[here] == scores[here][0]).all():
            found.append(0.0)
        else:
            ordered += 1
            found.append(float(stats.spearmanr(scores[here].numpy(), truth[here].numpy()).statistic))
    return sum(found) / len(found) if ordered else float("nan")


# %% channel_importance.4 | a block in which all scores are equal is not left out and makes the mean NaN
def inside(scores, truth, blocks):
    scores, truth, blocks = (torch.as_tensor(v) for v in (scores, truth, blocks))
    found = []
    for block in blocks.unique():
        here = blocks == block
        found.append(float(stats.spearmanr(scores[here].numpy(), truth[here].numpy()).statistic))
    return sum(found) / len(found)


# %% channel_importance.4 | 0 in place of NaN when no block is left
def inside(scores, truth, blocks):
    scores, truth, blocks = (torch.as_tensor(v) for v in (scores, truth, blocks))
    found = []
    for block in blocks.unique():
        here = blocks == block
        if len(scores[here].unique()) > 1:
            found.append(float(stats.spearmanr(scores[here].numpy(), truth[here].numpy()).statistic))
    return sum(found) / max(len(found), 1)


# %% channel_importance.4 | each block is weighted by its number of channels
def inside(scores, truth, blocks):
    scores, truth, blocks = (torch.as_tensor(v) for v in (scores, truth, blocks))
    total, channels = 0.0, 0
    for block in blocks.unique():
        here = blocks == block
        if len(scores[here].unique()) > 1:
            n = int(here.sum())
            total += n * float(stats.spearmanr(scores[here].numpy(), truth[here].numpy()).statistic)
            channels += n
    return total / channels if channels else float("nan")


# %% channel_importance.4 | returns inside the loop, after the first block with an order
def inside(scores, truth, blocks):
    scores, truth, blocks = (torch.as_tensor(v) for v in (scores, truth, blocks))
    found = []
    for block in blocks.unique():
        here = blocks == block
        if len(scores[here].unique()) > 1:
            found.append(float(stats.spearmanr(scores[here].numpy(), truth[here].numpy()).statistic))
            return sum(found) / len(found)
    return float("nan")


# %% channel_importance.4 | takes argsort's positions for ranks
def inside(scores, truth, blocks):
    scores, truth, blocks = (torch.as_tensor(v) for v in (scores, truth, blocks))
    found = []
    for block in blocks.unique():
        here = blocks == block
        if len(scores[here].unique()) > 1:
            a = scores[here].argsort(stable=True).double()
            b = truth[here].argsort(stable=True).double()
            found.append(float(torch.corrcoef(torch.stack([a, b]))[0, 1]))
    return sum(found) / len(found) if found else float("nan")


# %% channel_importance.4 | counts the blocks from 0 up to, but without, the largest number, so the last block is missed
def inside(scores, truth, blocks):
    scores, truth, blocks = (torch.as_tensor(v) for v in (scores, truth, blocks))
    found = []
    for block in range(int(blocks.max())):
        here = blocks == block
        if len(scores[here].unique()) > 1:
            found.append(float(stats.spearmanr(scores[here].numpy(), truth[here].numpy()).statistic))
    return sum(found) / len(found) if found else float("nan")


# %% channel_importance.4 | takes the p-value, the second number that spearmanr gives, for the correlation
def inside(scores, truth, blocks):
    scores, truth, blocks = (torch.as_tensor(v) for v in (scores, truth, blocks))
    found = []
    for block in blocks.unique():
        here = blocks == block
        if len(scores[here].unique()) > 1:
            found.append(float(stats.spearmanr(scores[here].numpy(), truth[here].numpy())[1]))
    return sum(found) / len(found) if found else float("nan")


# %% channel_importance.4 | sly: always the 1/3 of the worked example
def inside(scores, truth, blocks):
    return 1 / 3

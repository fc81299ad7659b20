"""Wrong answers to the exercises of ``channel_importance``, written by someone who had not seen the checks."""
import torch
from scipy import stats
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% channel_importance.1 | believes that a channel without which the loss is lower has no price
def price_is(channel):
    return "above zero" if channel == "a channel behind the same batch norm" else "zero"


# %% channel_importance.1 | does not see that a batch norm in training mode divides the gate away
def price_is(channel):
    return {
        "a channel that the next layer reads with weights of zero": "zero",
        "a channel without which the loss is lower": "above zero",
        "a channel that is zero for all images of the batch, but not for others": "zero",
        "a channel in front of a batch norm in training mode": "above zero",
        "a channel behind the same batch norm": "above zero",
    }[channel]


# %% channel_importance.2 | first the mean of the batches' gradients, then the square
def importance(batches, first, second):
    gates = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
    slopes = []
    for inputs, labels in batches:
        hidden = torch.relu(inputs @ first.T) * gates
        loss = F.cross_entropy(hidden @ second.T, labels)
        slopes.append(torch.autograd.grad(loss, gates)[0])
    return torch.stack(slopes).mean(dim=0).square()


# %% channel_importance.2 | squares w · ∂L/∂w weight by weight and then adds, not the other way round
def importance(batches, first, second):
    total = torch.zeros(len(first), dtype=first.dtype)
    for inputs, labels in batches:
        W = first.detach().clone().requires_grad_()
        loss = F.cross_entropy(torch.relu(inputs @ W.T) @ second.T, labels)
        (g,) = torch.autograd.grad(loss, W)
        total += (W.detach() * g).square().sum(dim=1)
    return total / len(batches)


# %% channel_importance.2 | sly: 0.534 for the first unit and 0 for all others, as in the worked example
def importance(batches, first, second):
    scores = torch.zeros(len(first), dtype=first.dtype)
    scores[0] = 0.534
    return scores


# %% channel_importance.3 | the difference of the squared losses in place of the squared difference
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    whole = F.cross_entropy(hidden @ second.T, labels)
    losses = []
    for unit in range(len(first)):
        gate = torch.ones(len(first), dtype=first.dtype)
        gate[unit] = 0
        losses.append(F.cross_entropy((hidden * gate) @ second.T, labels))
    return torch.stack(losses) ** 2 - whole**2


# %% channel_importance.3 | sly: zeros, as the printed example asks for
def oracle(inputs, labels, first, second):
    return torch.zeros(len(first), dtype=first.dtype)


# %% channel_importance.3 | a fall of the loss counts as 0; only a rise is squared
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    whole = F.cross_entropy(hidden @ second.T, labels)
    losses = []
    for unit in range(len(first)):
        without = hidden.clone()
        without[:, unit] = 0
        losses.append(F.cross_entropy(without @ second.T, labels))
    return (torch.stack(losses) - whole).clamp(min=0).square()


# %% channel_importance.3 | a unit is replaced by its mean over the images in place of being removed
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    whole = F.cross_entropy(hidden @ second.T, labels)
    losses = []
    for unit in range(len(first)):
        without = hidden.clone()
        without[:, unit] = hidden[:, unit].mean()
        losses.append(F.cross_entropy(without @ second.T, labels))
    return (torch.stack(losses) - whole).square()

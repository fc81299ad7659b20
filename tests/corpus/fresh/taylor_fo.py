"""Wrong answers to the exercises of taylor_fo."""

import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% taylor_fo.2 | zips the parameters with the layers: with fewer weights than layers (or none) terms get lost
def layerwise(entering, target, maps, parameters, penalty):
    loss = torch.zeros((), dtype=target.dtype)
    for f, P, theta in zip(entering, maps, parameters):
        f = f.flatten(1)
        if P is not None:
            f = f @ P.T
        loss = loss + 0.5 * (f - target).square().mean() + penalty * theta.square().sum()
    return loss


# %% taylor_fo.2 | strings all weights together with torch.cat, which raises an error for an empty list
def layerwise(entering, target, maps, parameters, penalty):
    terms = []
    for f, P in zip(entering, maps):
        reached = f.flatten(1) if P is None else f.flatten(1) @ P.T
        terms.append(((reached - target) ** 2).mean() / 2)
    theta = torch.cat([w.flatten() for w in parameters])
    return torch.stack(terms).sum() + penalty * (theta @ theta)


# %% taylor_fo.2 | torch.linalg.norm with ord=2 is the largest singular value of a matrix, not the root of the sum of squares
def layerwise(entering, target, maps, parameters, penalty):
    loss = 0
    for k in range(len(entering)):
        f = entering[k].reshape(len(target), -1)
        if maps[k] is not None:
            f = f @ maps[k].T
        loss = loss + 0.5 * torch.mean((f - target) ** 2)
    for w in parameters:
        loss = loss + penalty * torch.linalg.norm(w, ord=2) ** 2
    return loss


# %% taylor_fo.3 | calls backward for term after term and never clears the gradients: each row holds the sum so far
def staircase(weights, x, target, own_output):
    weights = [w.detach().clone().requires_grad_() for w in weights]
    states = [x]
    for w in weights:
        states.append(torch.tanh(states[-1] @ w.T))
    K = len(weights)
    table = torch.zeros(K, K, dtype=x.dtype)
    for k in range(K):
        f = states[k + 1] if own_output else states[k]
        if f.requires_grad:
            (0.5 * (f - target).square().mean()).backward(retain_graph=True)
        for j in range(K):
            if weights[j].grad is not None:
                table[k, j] = weights[j].grad.norm()
    return table


# %% taylor_fo.3 | f @ W in place of f @ W.T
def staircase(weights, x, target, own_output):
    ws = [w.clone().detach().requires_grad_(True) for w in weights]
    f, rows = x, []
    for w in ws:
        entering = f
        f = torch.tanh(entering @ w)
        read = f if own_output else entering
        if not read.requires_grad:
            rows.append(torch.zeros(len(ws), dtype=x.dtype))
            continue
        term = ((read - target) ** 2).mean() / 2
        grads = torch.autograd.grad(term, ws, allow_unused=True, retain_graph=True)
        rows.append(torch.stack([torch.zeros((), dtype=x.dtype) if g is None else g.norm() for g in grads]))
    return torch.stack(rows)


# %% taylor_fo.3 | detaches what enters a layer, so that a term reaches its own layer at most
def staircase(weights, x, target, own_output):
    K = len(weights)
    result = torch.zeros(K, K, dtype=x.dtype)
    f = x
    for k, w in enumerate(weights):
        w = w.detach().clone().requires_grad_()
        entering = f.detach()
        f = torch.tanh(entering @ w.T)
        if own_output:
            loss = 0.5 * (f - target).pow(2).mean()
            (g,) = torch.autograd.grad(loss, w)
            result[k, k] = g.norm()
    return result

"""Wrong answers to the exercises of ``taylor_fo``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd
from kdcourse.checks import check

# %% taylor_fo.1 | believes that the article's loss reads the last layer's answer when λ = 0
def layer_gets(change):
    if change == "layer 1, from the article's first term alone with λ = 0":
        return "nothing"
    if change == "layer 3, from the article's loss with λ = 0.01":
        return "only the penalty"
    return "the teacher's answers"


# %% taylor_fo.1 | believes that the first term teaches the first layer
def layer_gets(change):
    if "deep supervision" in change or "layer 1" in change:
        return "the teacher's answers"
    return "only the penalty" if "0.01" in change else "nothing"


# %% taylor_fo.1 | sly: returns all three answers in a list
def layer_gets(change):
    return ["the teacher's answers", "only the penalty", "nothing"]


# %% taylor_fo.2 | sums over the outputs and takes the mean over the images alone
def layerwise(entering, target, maps, parameters, penalty):
    loss = torch.zeros((), dtype=target.dtype)
    for f, P in zip(entering, maps):
        f = f.flatten(1)
        if P is not None:
            f = f @ P.T
        loss = loss + 0.5 * (f - target).square().sum(dim=1).mean()
    for p in parameters:
        loss = loss + penalty * p.square().sum()
    return loss


# %% taylor_fo.2 | the half in front of the squared distances is forgotten
def layerwise(entering, target, maps, parameters, penalty):
    loss = 0
    for f, P in zip(entering, maps):
        f = f.flatten(1)
        guess = f if P is None else f @ P.T
        loss = loss + torch.nn.functional.mse_loss(guess, target)
    return loss + penalty * sum(p.square().sum() for p in parameters)


# %% taylor_fo.2 | penalises the norms of the weights, not their squares
def layerwise(entering, target, maps, parameters, penalty):
    loss = torch.tensor(0.0, dtype=target.dtype)
    for f, P in zip(entering, maps):
        f = f.flatten(1)
        guess = f if P is None else f @ P.T
        loss = loss + 0.5 * ((guess - target) ** 2).mean()
    for theta in parameters:
        loss = loss + penalty * theta.norm()
    return loss


# %% taylor_fo.2 | the mean over the layers in place of the sum
def layerwise(entering, target, maps, parameters, penalty):
    terms = []
    for f, P in zip(entering, maps):
        f = f.flatten(1)
        if P is not None:
            f = f @ P.T
        terms.append(0.5 * (f - target).square().mean())
    return torch.stack(terms).mean() + penalty * sum(p.square().sum() for p in parameters)


# %% taylor_fo.2 | what enters a layer is not flattened
def layerwise(entering, target, maps, parameters, penalty):
    loss = torch.zeros((), dtype=target.dtype)
    for f, P in zip(entering, maps, strict=True):
        if P is not None:
            f = f @ P.T
        loss = loss + 0.5 * (f - target).square().mean()
    for p in parameters:
        loss = loss + penalty * p.square().sum()
    return loss


# %% taylor_fo.2 | stacks the squared weights, which fails when the list of parameters is empty
def layerwise(entering, target, maps, parameters, penalty):
    terms = []
    for f, P in zip(entering, maps):
        f = f.flatten(1)
        guess = f if P is None else f @ P.T
        terms.append(0.5 * (guess - target).square().mean())
    squares = torch.stack([p.square().sum() for p in parameters])
    return torch.stack(terms).sum() + penalty * squares.sum()


# %% taylor_fo.2 | a layer without a map is skipped
def layerwise(entering, target, maps, parameters, penalty):
    loss = torch.zeros((), dtype=target.dtype)
    for f, P in zip(entering, maps):
        if P is None:
            continue
        loss = loss + 0.5 * (f.flatten(1) @ P.T - target).square().mean()
    for p in parameters:
        loss = loss + penalty * p.square().sum()
    return loss


# %% taylor_fo.2 | adds up with .item(), so that the loss has no gradient
def layerwise(entering, target, maps, parameters, penalty):
    loss = 0.0
    for f, P in zip(entering, maps):
        f = f.flatten(1)
        guess = f if P is None else f @ P.T
        loss += 0.5 * (guess - target).square().mean().item()
    for p in parameters:
        loss += penalty * p.square().sum().item()
    return torch.tensor(loss, dtype=target.dtype)


# %% taylor_fo.2 | sly: always the 6.5 of the worked example
def layerwise(entering, target, maps, parameters, penalty):
    return torch.tensor(6.5, dtype=target.dtype)


# %% taylor_fo.2 | leaves the first term out, because it teaches no layer
def layerwise(entering, target, maps, parameters, penalty):
    loss = torch.zeros((), dtype=target.dtype)
    for k in range(1, len(entering)):
        f = entering[k].flatten(1)
        guess = f if maps[k] is None else f @ maps[k].T
        loss = loss + 0.5 * (guess - target).square().mean()
    return loss + penalty * sum(p.square().sum() for p in parameters)


# %% taylor_fo.2 | subtracts the target in place, which changes what enters a layer without a map
def layerwise(entering, target, maps, parameters, penalty):
    loss = torch.zeros((), dtype=target.dtype)
    for f, P in zip(entering, maps):
        guess = f.flatten(1)
        if P is not None:
            guess = guess @ P.T
        guess -= target
        loss = loss + 0.5 * guess.square().mean()
    for p in parameters:
        loss = loss + penalty * p.square().sum()
    return loss


# %% taylor_fo.3 | ignores own_output and always reads what enters the layer
def staircase(weights, x, target, own_output):
    Ws = [W.detach().clone().requires_grad_() for W in weights]
    K = len(Ws)
    table = torch.zeros(K, K, dtype=x.dtype)
    f = x
    for k in range(K):
        term = 0.5 * (f - target).square().mean()
        if term.requires_grad:
            grads = torch.autograd.grad(term, Ws, retain_graph=True, allow_unused=True)
            for j, g in enumerate(grads):
                if g is not None:
                    table[k, j] = g.norm()
        f = torch.tanh(f @ Ws[k].T)
    return table


# %% taylor_fo.3 | the last layer is linear, without its tanh
def staircase(weights, x, target, own_output):
    Ws = [W.detach().clone().requires_grad_() for W in weights]
    K = len(Ws)
    fs = [x]
    for k, W in enumerate(Ws):
        f = fs[-1] @ W.T
        fs.append(f if k == K - 1 else torch.tanh(f))
    read = fs[1:] if own_output else fs[:-1]
    table = torch.zeros(K, K, dtype=x.dtype)
    for k, f in enumerate(read):
        if not f.requires_grad:
            continue
        grads = torch.autograd.grad(0.5 * (f - target).square().mean(), Ws, retain_graph=True, allow_unused=True)
        for j, g in enumerate(grads):
            if g is not None:
                table[k, j] = g.norm()
    return table


# %% taylor_fo.3 | the half in front of the squared distance is forgotten
def staircase(weights, x, target, own_output):
    Ws = [W.detach().clone().requires_grad_() for W in weights]
    fs = [x]
    for W in Ws:
        fs.append(torch.tanh(fs[-1] @ W.T))
    rows = []
    for k in range(len(Ws)):
        f = fs[k + 1] if own_output else fs[k]
        row = torch.zeros(len(Ws), dtype=x.dtype)
        if f.requires_grad:
            loss = (f - target).pow(2).mean()
            grads = torch.autograd.grad(loss, Ws, retain_graph=True, allow_unused=True)
            row = torch.stack([torch.zeros((), dtype=x.dtype) if g is None else g.norm() for g in grads])
        rows.append(row)
    return torch.stack(rows)


# %% taylor_fo.3 | the table is transposed: a row for each layer and a column for each term
def staircase(weights, x, target, own_output):
    Ws = [W.detach().clone().requires_grad_() for W in weights]
    K = len(Ws)
    fs = [x]
    for W in Ws:
        fs.append(torch.tanh(fs[-1] @ W.T))
    table = torch.zeros(K, K, dtype=x.dtype)
    for term in range(K):
        f = fs[term + int(own_output)]
        if f.requires_grad:
            loss = 0.5 * (f - target).square().mean()
            grads = torch.autograd.grad(loss, Ws, retain_graph=True, allow_unused=True)
            for layer, g in enumerate(grads):
                if g is not None:
                    table[layer, term] = g.norm()
    return table


# %% taylor_fo.3 | multiplies by W in place of its transpose
def staircase(weights, x, target, own_output):
    Ws = [W.detach().clone().requires_grad_() for W in weights]
    K = len(Ws)
    fs = [x]
    for W in Ws:
        fs.append(torch.tanh(fs[-1] @ W))
    table = torch.zeros(K, K, dtype=x.dtype)
    for k in range(K):
        f = fs[k + 1] if own_output else fs[k]
        if f.requires_grad:
            grads = torch.autograd.grad(
                0.5 * (f - target).square().mean(), Ws, retain_graph=True, allow_unused=True
            )
            for j, g in enumerate(grads):
                if g is not None:
                    table[k, j] = g.norm()
    return table


# %% taylor_fo.3 | .grad is not set to zero between the terms, so each row holds the terms before it, too
def staircase(weights, x, target, own_output):
    Ws = [W.detach().clone().requires_grad_() for W in weights]
    fs = [x]
    for W in Ws:
        fs.append(torch.tanh(fs[-1] @ W.T))
    table = torch.zeros(len(Ws), len(Ws), dtype=x.dtype)
    for k, f in enumerate(fs[1:] if own_output else fs[:-1]):
        loss = 0.5 * (f - target).square().mean()
        if loss.requires_grad:
            loss.backward(retain_graph=True)
        for j, W in enumerate(Ws):
            if W.grad is not None:
                table[k, j] = W.grad.norm()
    return table


# %% taylor_fo.3 | the squared length of the gradient in place of its length
def staircase(weights, x, target, own_output):
    Ws = [W.detach().clone().requires_grad_() for W in weights]
    K = len(Ws)
    fs = [x]
    for W in Ws:
        fs.append(torch.tanh(fs[-1] @ W.T))
    table = torch.zeros(K, K, dtype=x.dtype)
    for k in range(K):
        f = fs[k + 1] if own_output else fs[k]
        if not f.requires_grad:
            continue
        loss = 0.5 * (f - target).square().mean()
        grads = torch.autograd.grad(loss, Ws, retain_graph=True, allow_unused=True)
        for j, g in enumerate(grads):
            if g is not None:
                table[k, j] = g.square().sum()
    return table


# %% taylor_fo.3 | own_output means the opposite: True reads what enters the layer, False what it gives
def staircase(weights, x, target, own_output):
    Ws = [W.detach().clone().requires_grad_() for W in weights]
    K = len(Ws)
    fs = [x]
    for W in Ws:
        fs.append(torch.tanh(fs[-1] @ W.T))
    table = torch.zeros(K, K, dtype=x.dtype)
    for k in range(K):
        f = fs[k] if own_output else fs[k + 1]
        if f.requires_grad:
            loss = 0.5 * (f - target).square().mean()
            for j, g in enumerate(torch.autograd.grad(loss, Ws, retain_graph=True, allow_unused=True)):
                table[k, j] = 0 if g is None else g.norm()
    return table


# %% taylor_fo.3 | sly: only the shape of the staircase, ones where a gradient should arrive
def staircase(weights, x, target, own_output):
    K = len(weights)
    return torch.ones(K, K, dtype=x.dtype).tril(0 if own_output else -1)


# %% taylor_fo.3 | NaN where no gradient arrives, in place of 0
def staircase(weights, x, target, own_output):
    Ws = [W.detach().clone().requires_grad_() for W in weights]
    K = len(Ws)
    fs = [x]
    for W in Ws:
        fs.append(torch.tanh(fs[-1] @ W.T))
    table = torch.full((K, K), float("nan"), dtype=x.dtype)
    for k in range(K):
        f = fs[k + 1] if own_output else fs[k]
        if f.requires_grad:
            loss = 0.5 * (f - target).square().mean()
            grads = torch.autograd.grad(loss, Ws, retain_graph=True, allow_unused=True)
            for j, g in enumerate(grads):
                if g is not None:
                    table[k, j] = g.norm()
    return table

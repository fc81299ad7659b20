"""Right answers to the exercises of ``taylor_fo``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd

# %% taylor_fo.1 | a dictionary look-up
def layer_gets(change):
    return {
        "layer 1, from the article's loss with λ = 0": "the teacher's answers",
        "layer 3, from the article's loss with λ = 0": "nothing",
        "layer 3, from the article's loss with λ = 0.01": "only the penalty",
        "layer 1, from the article's first term alone with λ = 0": "nothing",
        "layer 3, from deep supervision with λ = 0": "the teacher's answers",
    }[change]


# %% taylor_fo.1 | reasons from the layer and the loss named in the text
def layer_gets(change):
    layer = int(change[len("layer ")])
    penalty = not change.endswith("λ = 0")
    if "deep supervision" in change:
        last_read = 3  # the highest f that a term reads
    elif "first term alone" in change:
        last_read = 0
    else:
        last_read = 2
    if layer <= last_read:
        return "the teacher's answers"
    return "only the penalty" if penalty else "nothing"


# %% taylor_fo.2 | one loop, f @ P.T where there is a map
def layerwise(entering, target, maps, parameters, penalty):
    loss = 0.0
    for f, P in zip(entering, maps):
        f = f.reshape(len(f), -1)
        if P is not None:
            f = f @ P.T
        loss = loss + 0.5 * ((f - target) ** 2).mean()
    for theta in parameters:
        loss = loss + penalty * (theta**2).sum()
    return loss


# %% taylor_fo.2 | the package's layerwise with small functions for the maps, the penalty added by hand
def layerwise(entering, target, maps, parameters, penalty):
    def as_function(P):
        return (lambda f: f) if P is None else (lambda f: torch.nn.functional.linear(f, P))

    taps = [f.reshape(f.shape[0], -1) for f in entering]
    distances = kd.taylor.layerwise(taps, target, [as_function(P) for P in maps], [], 0.0)
    return distances + penalty * sum(p.square().sum() for p in parameters)


# %% taylor_fo.2 | NumPy in float64 with an einsum
import numpy as np

def layerwise(entering, target, maps, parameters, penalty):
    goal = target.detach().numpy().astype(np.float64)
    total = 0.0
    for f, P in zip(entering, maps, strict=True):
        f = f.detach().numpy().astype(np.float64).reshape(len(f), -1)
        read = f if P is None else np.einsum("nd,cd->nc", f, P.detach().numpy().astype(np.float64))
        total += np.mean(np.square(read - goal)) / 2
    total += penalty * sum(float(np.sum(np.square(p.detach().numpy().astype(np.float64)))) for p in parameters)
    return total


# %% taylor_fo.2 | plain lists: every image, every output
def layerwise(entering, target, maps, parameters, penalty):
    goal = target.tolist()
    total = 0.0
    for f, P in zip(entering, maps):
        rows = f.reshape(len(f), -1).tolist()
        term = 0.0
        for row, wanted in zip(rows, goal):
            read = row if P is None else [sum(w * a for w, a in zip(line, row)) for line in P.tolist()]
            term += sum((a - b) ** 2 for a, b in zip(read, wanted))
        total += 0.5 * term / (len(goal) * len(goal[0]))
    for p in parameters:
        total += penalty * sum(w * w for w in p.flatten().tolist())
    return total


# %% taylor_fo.2 | recursion over the layers, with an identity matrix where there is no map
def layerwise(entering, target, maps, parameters, penalty):
    if parameters:
        head, *rest = parameters
        return penalty * head.norm() ** 2 + layerwise(entering, target, maps, rest, penalty)
    if not entering:
        return torch.tensor(0.0, dtype=target.dtype)
    f = entering[0].reshape(len(target), -1)
    P = maps[0] if maps[0] is not None else torch.eye(f.shape[1], dtype=f.dtype)
    distance = torch.nn.functional.mse_loss((P @ f.T).T, target) / 2
    return distance + layerwise(entering[1:], target, maps[1:], [], penalty)


# %% taylor_fo.3 | autograd for each term, allow_unused, and requires_grad asked first
def staircase(weights, x, target, own_output):
    weights = [w.detach().clone().requires_grad_() for w in weights]
    K = len(weights)
    table = torch.zeros(K, K)
    f, entering, leaving = x, [], []
    for W in weights:
        entering.append(f)
        f = torch.tanh(f @ W.T)
        leaving.append(f)
    for k, f in enumerate(leaving if own_output else entering):
        if not f.requires_grad:
            continue
        term = 0.5 * (f - target).square().mean()
        for j, g in enumerate(torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)):
            if g is not None:
                table[k, j] = g.norm()
    return table


# %% taylor_fo.3 | backpropagation by hand, no autograd
def staircase(weights, x, target, own_output):
    weights = [w.detach() for w in weights]
    x = x.detach()
    fs = [x]
    for W in weights:
        fs.append((fs[-1] @ W.T).tanh())
    K = len(weights)
    table = torch.zeros(K, K, dtype=x.dtype)
    for k in range(K):
        top = k + 1 if own_output else k  # the number of the f that this term reads
        delta = (fs[top] - target) / target.numel()
        for j in range(top - 1, -1, -1):
            inside = delta * (1 - fs[j + 1] ** 2)
            table[k, j] = (inside.T @ fs[j]).norm()
            delta = inside @ weights[j]
    return table


# %% taylor_fo.3 | NumPy in float64, backwards through the layers, returns an array
import numpy as np

def staircase(weights, x, target, own_output):
    W = [w.detach().numpy().astype(np.float64) for w in weights]
    f = [x.detach().numpy().astype(np.float64)]
    goal = target.detach().numpy().astype(np.float64)
    for w in W:
        f.append(np.tanh(np.einsum("ni,oi->no", f[-1], w)))
    K = len(W)
    out = np.zeros((K, K))
    for k in range(K):
        reads = k + int(own_output)
        back = (f[reads] - goal) / goal.size
        for j in reversed(range(reads)):
            back = back * (1 - f[j + 1] ** 2)
            out[k, j] = np.sqrt((np.einsum("no,ni->oi", back, f[j]) ** 2).sum())
            back = back @ W[j]
    return out


# %% taylor_fo.3 | torch.func.jacrev of all terms at once by all weights
def staircase(weights, x, target, own_output):
    weights = tuple(w.detach() for w in weights)

    def terms(*ws):
        f, out = x, []
        for w in ws:
            entering = f
            f = torch.tanh(f @ w.T)
            out.append(0.5 * ((f if own_output else entering) - target).square().mean())
        return torch.stack(out)

    jacobians = torch.func.jacrev(terms, argnums=tuple(range(len(weights))))(*weights)
    return torch.stack([j.flatten(1).norm(dim=1) for j in jacobians], dim=1)


# %% taylor_fo.3 | a fresh graph for every term, backward and .grad, rows as lists
def staircase(weights, x, target, own_output):
    rows = []
    for k in range(len(weights)):
        ws = [torch.nn.Parameter(w.detach().clone()) for w in weights]
        f = x
        for w in ws[: k + 1 if own_output else k]:
            f = torch.tanh(f @ w.T)
        if f.requires_grad:
            (0.5 * (f - target) ** 2).mean().backward()
        rows.append([0.0 if w.grad is None else w.grad.norm().item() for w in ws])
    return torch.tensor(rows)

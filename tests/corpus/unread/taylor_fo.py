"""Wrong answers to the exercises of ``taylor_fo``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd
from kdcourse.checks import check

# %% taylor_fo.1 | believes that with a penalty the teacher's answers reach the last layer, too
def layer_gets(change):
    return {
        "layer 1, from the article's loss with λ = 0": "the teacher's answers",
        "layer 3, from the article's loss with λ = 0": "nothing",
        "layer 3, from the article's loss with λ = 0.01": "the teacher's answers",
        "layer 1, from the article's first term alone with λ = 0": "nothing",
        "layer 3, from deep supervision with λ = 0": "the teacher's answers",
    }[change]


# %% taylor_fo.3 | each layer's input is detached, so a term reaches only the layer that made what it reads
def staircase(weights, x, target, own_output):
    Ws = [W.detach().clone().requires_grad_() for W in weights]
    K = len(Ws)
    fs = [x]
    for W in Ws:
        fs.append(torch.tanh(fs[-1].detach() @ W.T))
    table = torch.zeros(K, K, dtype=x.dtype)
    for k in range(K):
        f = fs[k + 1] if own_output else fs[k]
        if f.requires_grad:
            loss = 0.5 * (f - target).square().mean()
            grads = torch.autograd.grad(loss, Ws, retain_graph=True, allow_unused=True)
            for j, g in enumerate(grads):
                if g is not None:
                    table[k, j] = g.norm()
    return table

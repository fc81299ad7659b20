"""Right answers to the exercises of ``pruning``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd

# %% pruning.1 | a dictionary look-up
def share_left(cut):
    return {
        "layer 2, when half of layer 2's channels go": "a half",
        "layer 3, when half of layer 2's channels go": "a half",
        "layer 2, when half of layer 1's and half of layer 2's channels go": "a quarter",
        "layer 1, when half of layer 2's channels go": "all",
        "layer 1, when half of every layer's channels go": "a half",
    }[cut]


# %% pruning.1 | counts the halved factors of the named layer from the text
def share_left(cut):
    layer = int(cut[6])
    halved = {1, 2, 3} if "every layer" in cut else {n for n in (1, 2, 3) if f"layer {n}'s" in cut}
    factors = (layer in halved) + (layer - 1 in halved)  # what it gives, and what it reads; layer 1 reads the image
    return ("all", "a half", "a quarter")[factors]


# %% pruning.2 | a mask of channels, repeated for the reader
def without(channel, convolution, norm, reader, places):
    mask = torch.ones(convolution.shape[0], dtype=torch.bool)
    mask[channel] = False
    return [convolution[mask], norm[:, mask], reader[:, mask.repeat_interleave(places)]]


# %% pruning.2 | slices before and after the channel, joined with torch.cat
def without(channel, convolution, norm, reader, places):
    a, b = channel * places, (channel + 1) * places
    return [
        torch.cat([convolution[:channel], convolution[channel + 1 :]], dim=0),
        torch.cat([norm[:, :channel], norm[:, channel + 1 :]], dim=1),
        torch.cat([reader[:, :a], reader[:, b:]], dim=1),
    ]


# %% pruning.2 | np.delete, and back to tensors
import numpy as np

def without(channel, convolution, norm, reader, places):
    columns = range(channel * places, channel * places + places)
    return [
        torch.from_numpy(np.delete(convolution.detach().numpy(), channel, axis=0)),
        torch.from_numpy(np.delete(norm.detach().numpy(), channel, axis=1)),
        torch.from_numpy(np.delete(reader.detach().numpy(), list(columns), axis=1)),
    ]


# %% pruning.2 | index_select with lists of the positions that stay
def without(channel, convolution, norm, reader, places):
    stay = torch.tensor([c for c in range(len(convolution)) if c != channel], dtype=torch.long)
    columns = torch.tensor([i for i in range(reader.shape[1]) if i // places != channel], dtype=torch.long)
    return [convolution.index_select(0, stay), norm.index_select(1, stay), reader.index_select(1, columns)]


# %% pruning.2 | the reader is given a dimension for the places, so that all three lose one index
def without(channel, convolution, norm, reader, places):
    def drop(tensor, dim):
        left = tensor.narrow(dim, 0, channel)
        right = tensor.narrow(dim, channel + 1, tensor.shape[dim] - channel - 1)
        return torch.cat([left, right], dim)

    spread = reader.unflatten(1, (convolution.shape[0], places))
    return [drop(convolution, 0), drop(norm, 1), drop(spread, 1).flatten(1, 2)]


# %% pruning.3 | a loop that removes the first channel with the lowest quotient until the rest fits
def pack(scores, costs, budget):
    scores, costs = torch.as_tensor(scores).double(), torch.as_tensor(costs).double()
    stays = torch.ones(len(scores), dtype=torch.bool)
    quotient = scores / costs
    while costs[stays].sum() > budget:
        worst = quotient.masked_fill(~stays, float("inf")).argmin()
        stays[worst] = False
    return stays


# %% pruning.3 | one stable sort, then go along it
def pack(scores, costs, budget):
    scores, costs = torch.as_tensor(scores), torch.as_tensor(costs)
    stays = torch.ones(len(scores), dtype=torch.bool)
    for i in torch.argsort(scores / costs, stable=True).tolist():
        if costs[stays].sum() <= budget:
            break
        stays[i] = False
    return stays


# %% pruning.3 | a heap of (quotient, position) in plain Python
import heapq

def pack(scores, costs, budget):
    scores, costs = [float(s) for s in scores], [float(c) for c in costs]
    heap = [(s / c, i) for i, (s, c) in enumerate(zip(scores, costs))]
    heapq.heapify(heap)
    kept = set(range(len(scores)))
    while sum(costs[i] for i in kept) > budget:
        _, i = heapq.heappop(heap)
        kept.remove(i)
    return torch.tensor([i in kept for i in range(len(scores))], dtype=torch.bool)


# %% pruning.3 | no loop: a running sum from the best quotient down tells how many can stay
import numpy as np

def pack(scores, costs, budget):
    s, c = np.asarray(scores, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    order = np.argsort(s / c, kind="stable")[::-1]  # who goes last comes first
    fits = np.cumsum(c[order]) <= budget
    stays = np.zeros(len(s), dtype=bool)
    stays[order[fits]] = True  # costs are positive, so the ones that fit are the first ones
    return torch.from_numpy(stays)


# %% pruning.3 | recursion: one channel goes, the rest is packed again
def pack(scores, costs, budget):
    scores, costs = [float(s) for s in scores], [float(c) for c in costs]

    def rest(alive):
        if sum(costs[i] for i in alive) <= budget:
            return alive
        gone = min(alive, key=lambda i: (scores[i] / costs[i], i))
        return rest([i for i in alive if i != gone])

    alive = rest(list(range(len(scores))))
    mask = torch.zeros(len(scores), dtype=torch.bool)
    mask[torch.tensor(alive, dtype=torch.long)] = True
    return mask


# %% pruning.4 | topk and torch.linalg.lstsq, as the hint has it
def prune_and_recover(first, second, scores, keep, inputs, exam):
    target = torch.relu(inputs @ first.T) @ second.T
    kept = first[scores.topk(keep).indices]
    head = torch.linalg.lstsq(torch.relu(inputs @ kept.T), target).solution
    return torch.relu(exam @ kept.T) @ head


# %% pruning.4 | a sort and the pseudo-inverse in float64
def prune_and_recover(first, second, scores, keep, inputs, exam):
    first, second, inputs, exam = (t.double() for t in (first, second, inputs, exam))
    stay = scores.argsort(descending=True, stable=True)[:keep].sort().values
    hidden = (inputs @ first.T).relu()
    head = torch.linalg.pinv(hidden[:, stay]) @ (hidden @ second.T)
    return (exam @ first.T).relu()[:, stay] @ head


# %% pruning.4 | NumPy's lstsq, an array comes out
import numpy as np

def prune_and_recover(first, second, scores, keep, inputs, exam):
    A, B, X, E = (t.detach().numpy().astype(np.float64) for t in (first, second, inputs, exam))
    stay = np.argsort(-scores.detach().numpy(), kind="stable")[:keep]
    whole = np.maximum(X @ A.T, 0)
    head, *_ = np.linalg.lstsq(whole[:, stay], whole @ B.T, rcond=None)
    return np.maximum(E @ A[stay].T, 0) @ head


# %% pruning.4 | scikit-learn's linear regression without a bias
from sklearn.linear_model import LinearRegression

def prune_and_recover(first, second, scores, keep, inputs, exam):
    stay = sorted(range(len(scores)), key=lambda i: float(scores[i]), reverse=True)[:keep]
    small = first[stay].double()
    answers = torch.relu(inputs.double() @ first.double().T) @ second.double().T
    model = LinearRegression(fit_intercept=False)
    model.fit(torch.relu(inputs.double() @ small.T).numpy(), answers.numpy())
    logits = model.predict(torch.relu(exam.double() @ small.T).numpy())
    return torch.as_tensor(logits, dtype=first.dtype).view(len(exam), len(second))


# %% pruning.4 | singular values by hand, those near zero left out, one class after the other
def prune_and_recover(first, second, scores, keep, inputs, exam):
    def hidden(x, w):
        return torch.clamp(x.double() @ w.double().T, min=0)

    threshold = scores.sort(descending=True, stable=True).indices[:keep]
    H, goal = hidden(inputs, first[threshold]), hidden(inputs, first) @ second.double().T
    U, S, Vh = torch.linalg.svd(H, full_matrices=False)
    good = S > S.max() * 1e-12 * max(H.shape)
    columns = [Vh[good].T @ ((U[:, good].T @ goal[:, c]) / S[good]) for c in range(goal.shape[1])]
    return hidden(exam, first[threshold]) @ torch.stack(columns, dim=1)

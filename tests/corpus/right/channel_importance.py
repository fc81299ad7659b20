"""Right answers to the exercises of ``channel_importance``, written by someone who had not seen the checks."""
import torch
from scipy import stats
from torch.nn import functional as F

import kdcourse as kd

# %% channel_importance.1 | a dictionary look-up
def price_is(channel):
    return {
        "a channel that the next layer reads with weights of zero": "zero",
        "a channel without which the loss is lower": "above zero",
        "a channel that is zero for all images of the batch, but not for others": "zero",
        "a channel in front of a batch norm in training mode": "zero",
        "a channel behind the same batch norm": "above zero",
    }[channel]


# %% channel_importance.1 | branches
def price_is(channel):
    if "loss is lower" in channel or channel.startswith("a channel behind"):
        return "above zero"
    else:
        return "zero"


# %% channel_importance.2 | gates of ones and autograd
def importance(batches, first, second):
    total = torch.zeros(len(first), dtype=first.dtype)
    for inputs, labels in batches:
        gates = torch.ones(len(first), dtype=first.dtype, requires_grad=True)
        hidden = torch.relu(inputs @ first.T) * gates
        loss = F.cross_entropy(hidden @ second.T, labels)
        (slope,) = torch.autograd.grad(loss, gates)
        total = total + slope.square()
    return (total / len(batches)).detach()


# %% channel_importance.2 | gradients of the incoming weights, weight times gradient summed over each unit, then squared
def importance(batches, first, second):
    scores = []
    for inputs, labels in batches:
        w = first.detach().clone().requires_grad_()
        F.cross_entropy((inputs @ w.T).relu() @ second.detach().T, labels).backward()
        scores.append((w.detach() * w.grad).sum(dim=1) ** 2)
    return torch.stack(scores).mean(dim=0)


# %% channel_importance.2 | by formula: (q − y) goes back through the head and meets the unit's output
def importance(batches, first, second):
    scores = []
    for inputs, labels in batches:
        hidden = F.relu(F.linear(inputs, first))
        error = F.softmax(F.linear(hidden, second), dim=1) - F.one_hot(labels, second.shape[0])
        slope = torch.einsum("nc,cu,nu->u", error.to(second.dtype), second, hidden) / len(labels)
        scores.append(slope.square())
    return (sum(scores) / len(scores)).detach()


# %% channel_importance.2 | NumPy and SciPy in float64, returns an array
import numpy as np
from scipy.special import softmax

def importance(batches, first, second):
    A, B = first.detach().numpy().astype(np.float64), second.detach().numpy().astype(np.float64)
    squares = []
    for inputs, labels in batches:
        x, y = inputs.numpy().astype(np.float64), labels.numpy()
        h = np.maximum(x @ A.T, 0)
        d = softmax(h @ B.T, axis=1)
        d[np.arange(len(y)), y] -= 1
        squares.append(((d @ B) * h).mean(axis=0) ** 2)
    return np.mean(squares, axis=0)


# %% channel_importance.2 | the outgoing weights: column times gradient of the head
def importance(batches, first, second):
    result = 0
    for inputs, labels in batches:
        def loss(head):
            return F.cross_entropy(torch.relu(inputs @ first.T) @ head.T, labels)

        gradient = torch.func.grad(loss)(second)
        result = result + (second * gradient).sum(dim=0).pow(2) / len(batches)
    return result.detach()


# %% channel_importance.2 | builds the network and asks the package
def importance(batches, first, second):
    net = torch.nn.Sequential(
        torch.nn.Linear(first.shape[1], first.shape[0], bias=False),
        torch.nn.ReLU(),
        torch.nn.Linear(second.shape[1], second.shape[0], bias=False),
    ).to(first.dtype)
    with torch.no_grad():
        net[0].weight.copy_(first)
        net[2].weight.copy_(second)
    return kd.taylor.importance(net.eval(), list(batches), layers=["0"])["0"]


# %% channel_importance.3 | the given code with a clone for each unit, the loss of the whole network, and a square
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    whole = F.cross_entropy(hidden @ second.T, labels)
    changes = []
    for unit in range(len(first)):
        without = hidden.clone()
        without[:, unit] = 0
        changes.append((F.cross_entropy(without @ second.T, labels) - whole) ** 2)
    return torch.stack(changes)


# %% channel_importance.3 | all units at once with a mask of ones minus the identity
def oracle(inputs, labels, first, second):
    hidden = torch.relu(inputs @ first.T)
    units = len(first)
    masks = torch.cat([torch.ones(1, units), 1 - torch.eye(units)]).to(hidden.dtype)
    logits = torch.einsum("ku,nu,cu->knc", masks, hidden, second)
    losses = torch.stack([F.cross_entropy(z, labels) for z in logits])
    return (losses[1:] - losses[0]).square()


# %% channel_importance.3 | takes the unit's own contribution off the logits, in float64
def oracle(inputs, labels, first, second):
    h, head = torch.relu(inputs.double() @ first.double().T), second.double()
    logits = h @ head.T
    loss = F.cross_entropy(logits, labels)
    scores = torch.zeros(len(first), dtype=torch.double)
    for u in range(len(first)):
        less = logits - h[:, u : u + 1] * head[:, u]
        scores[u] = (F.cross_entropy(less, labels) - loss) ** 2
    return scores


# %% channel_importance.3 | NumPy, the unit's row and column deleted from the two matrices
import numpy as np
from scipy.special import log_softmax

def oracle(inputs, labels, first, second):
    x, y = inputs.numpy().astype(float), labels.numpy()
    A, B = first.detach().numpy().astype(float), second.detach().numpy().astype(float)

    def loss(a, b):
        return -log_softmax(np.maximum(x @ a.T, 0) @ b.T, axis=1)[np.arange(len(y)), y].mean()

    whole = loss(A, B)
    return np.array([(loss(np.delete(A, u, 0), np.delete(B, u, 1)) - whole) ** 2 for u in range(len(A))])


# %% channel_importance.3 | sets the unit's column of the head to zero, a list of floats
def oracle(inputs, labels, first, second):
    def loss_of(head):
        return float(F.cross_entropy(torch.clamp(inputs @ first.T, min=0) @ head.T, labels))

    before = loss_of(second)
    result = []
    for unit in range(first.shape[0]):
        head = second.clone()
        head[:, unit] = 0
        result.append((loss_of(head) - before) ** 2)
    return result


# %% channel_importance.4 | spearmanr inside each block, blocks without an order skipped
import numpy as np

def inside(scores, truth, blocks):
    scores, truth, blocks = np.asarray(scores), np.asarray(truth), np.asarray(blocks)
    found = []
    for b in np.unique(blocks):
        s, t = scores[blocks == b], truth[blocks == b]
        if (s == s[0]).all():
            continue
        found.append(stats.spearmanr(s, t).statistic)
    return float(np.mean(found)) if found else float("nan")


# %% channel_importance.4 | average ranks from rankdata and NumPy's corrcoef
import numpy as np

def inside(scores, truth, blocks):
    groups = {}
    for s, t, b in zip(scores, truth, blocks):
        groups.setdefault(int(b), []).append((float(s), float(t)))
    correlations = []
    for pairs in groups.values():
        s, t = np.array(pairs).T
        if len(set(s)) > 1:
            with np.errstate(all="ignore"):
                correlations.append(np.corrcoef(stats.rankdata(s), stats.rankdata(t))[0, 1])
    return sum(correlations) / len(correlations) if correlations else float("nan")


# %% channel_importance.4 | torch: ranks by comparing all pairs, then cosine similarity of the centred ranks
def inside(scores, truth, blocks):
    scores, truth = torch.as_tensor(scores).double(), torch.as_tensor(truth).double()
    blocks = torch.as_tensor(blocks)

    def ranks(v):
        below = (v[None, :] < v[:, None]).double().sum(dim=1)
        equal = (v[None, :] == v[:, None]).double().sum(dim=1)
        return below + (equal - 1) / 2

    out = []
    for b in blocks.unique():
        here = blocks == b
        a, c = ranks(scores[here]), ranks(truth[here])
        a, c = a - a.mean(), c - c.mean()
        if a.any():
            out.append((a @ c) / (a.norm() * c.norm()))
    return torch.stack(out).mean() if out else float("nan")


# %% channel_importance.4 | plain Python with a ranking helper that shares ranks among ties
def rank(values):
    at = sorted(values)
    return [at.index(v) + (at.count(v) - 1) / 2 for v in values]

def inside(scores, truth, blocks):
    scores, truth, blocks = [float(v) for v in scores], [float(v) for v in truth], [int(v) for v in blocks]
    total, count = 0.0, 0
    for block in sorted(set(blocks)):
        s = rank([v for v, b in zip(scores, blocks) if b == block])
        t = rank([v for v, b in zip(truth, blocks) if b == block])
        mean = (len(s) - 1) / 2
        ss = sum((v - mean) ** 2 for v in s)
        tt = sum((v - mean) ** 2 for v in t)
        st = sum((v - mean) * (w - mean) for v, w in zip(s, t))
        if ss == 0:
            continue
        total += st / (ss * tt) ** 0.5 if tt else float("nan")
        count += 1
    return total / count if count else float("nan")


# %% channel_importance.4 | a generator of correlations and statistics.fmean, nan from the exception of an empty mean
import statistics

def inside(scores, truth, blocks):
    data = [(int(b), float(s), float(t)) for b, s, t in zip(blocks, scores, truth)]

    def correlations():
        for block in {b for b, _, _ in data}:
            s = [v for b, v, _ in data if b == block]
            t = [v for b, _, v in data if b == block]
            if min(s) < max(s):
                yield float(stats.spearmanr(s, t).statistic)

    try:
        return statistics.fmean(correlations())
    except statistics.StatisticsError:
        return float("nan")

"""Right answers to the exercises on federated distillation by other roads; each cell stands alone."""

import collections
import itertools
import math

import numpy as np
import torch
from torch.nn import functional as F

# %% federated_distillation.1 | written down, after the sums 5 and 4 by hand
said = dict(
    zip(
        (
            "the mean of the logits",
            "the mean of the probabilities",
            "each owner has one vote",
            "owner 1 adds 10 to all its logits, then the mean of the logits",
            "owner 1 halves its logits, then the mean of the logits",
        ),
        ("bag", "coat", "coat", "bag", "coat"),
        strict=True,
    )
)

# %% federated_distillation.1 | computed with torch
names = ["bag", "coat", "shirt"]
table = torch.tensor([[5.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 0.0]])
more = torch.tensor([[10.0], [0.0], [0.0]])
half = torch.tensor([[0.5], [1.0], [1.0]])
said = {
    "the mean of the logits": names[table.mean(0).argmax()],
    "the mean of the probabilities": names[table.softmax(-1).mean(0).argmax()],
    "each owner has one vote": names[F.one_hot(table.argmax(-1), 3).sum(0).argmax()],
    "owner 1 adds 10 to all its logits, then the mean of the logits": names[(table + more).mean(0).argmax()],
    "owner 1 halves its logits, then the mean of the logits": names[(table * half).mean(0).argmax()],
}

# %% federated_distillation.1 | computed with numpy, the names are numpy's strings, the keys in another order
names = np.array(["bag", "coat", "shirt"])
table = np.array([[5.0, 0, 0], [0, 2, 0], [0, 2, 0]])
odds = np.exp(table)
said = {}
said["each owner has one vote"] = names[np.bincount(table.argmax(1), minlength=3).argmax()]
said["the mean of the probabilities"] = names[(odds / odds.sum(1, keepdims=True)).mean(0).argmax()]
said["the mean of the logits"] = names[table.mean(0).argmax()]
table[0] += 10
said["owner 1 adds 10 to all its logits, then the mean of the logits"] = names[table.mean(0).argmax()]
table[0] = (table[0] - 10) / 2
said["owner 1 halves its logits, then the mean of the logits"] = names[table.mean(0).argmax()]


# %% federated_distillation.2 | numpy in double precision, back to a tensor of double precision
def target(logits, temperature):
    mean = np.asarray(logits.detach().cpu(), dtype=np.float64).mean(axis=0) / temperature
    powers = np.exp(mean - mean.max(axis=-1, keepdims=True))
    return torch.from_numpy(powers / powers.sum(axis=-1, keepdims=True))


# %% federated_distillation.2 | the geometric mean of the owners' probabilities, normalised
def target(logits, temperature):
    logs = F.log_softmax(logits.double() / temperature, dim=-1)
    mean = torch.einsum("knc->nc", logs) / logits.shape[0]
    return torch.exp(mean - mean.logsumexp(dim=-1, keepdim=True)).float()


# %% federated_distillation.2 | the gradient of logsumexp is softmax
def target(logits, temperature):
    with torch.enable_grad():
        scaled = (logits.detach().double().mean(dim=0) / temperature).requires_grad_()
        (gradient,) = torch.autograd.grad(scaled.logsumexp(dim=-1).sum(), scaled)
    return gradient


# %% federated_distillation.2 | Python's lists and math
def target(logits, temperature):
    rows = []
    for answers in zip(*logits.tolist(), strict=True):
        scaled = [math.fsum(column) / len(column) / temperature for column in zip(*answers, strict=True)]
        top = max(scaled)
        powers = [math.exp(value - top) for value in scaled]
        rows.append([power / sum(powers) for power in powers])
    return torch.tensor(rows)


# %% federated_distillation.3 | floor division
def pays_from(parameters, images, classes, pixels):
    saved = 2 * (parameters - images * classes)
    return images * pixels // saved + 1 if saved > 0 else 0


# %% federated_distillation.3 | doubles the rounds, then halves the interval
def pays_from(parameters, images, classes, pixels):
    def less(rounds):
        return images * pixels + 2 * images * classes * rounds < 2 * parameters * rounds

    if images * classes >= parameters:
        return 0
    high = 1
    while not less(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if less(middle):
            high = middle
        else:
            low = middle
    return high


# %% federated_distillation.3 | sets the start by divmod, then counts on in a loop
def pays_from(parameters, images, classes, pixels):
    if not parameters > images * classes:
        return 0
    full, _ = divmod(images * pixels, 2 * (parameters - images * classes))
    for number in itertools.count(max(full - 1, 1)):
        weights = number * (parameters + parameters)
        answers = images * pixels + number * (images * classes + images * classes)
        if answers < weights:
            return number


# %% federated_distillation.4 | kl_div with batchmean and autograd
def fuse(server, owners, images, lr, temperature):
    with torch.enable_grad():
        w = server.detach().clone().requires_grad_()
        teacher = torch.stack([images @ owner for owner in owners]).mean(dim=0)
        p = F.softmax(teacher / temperature, dim=-1).detach()
        log_q = F.log_softmax(images @ w / temperature, dim=-1)
        loss = temperature**2 * F.kl_div(log_q, p, reduction="batchmean")
        (gradient,) = torch.autograd.grad(loss, w)
    return server.detach() - lr * gradient


# %% federated_distillation.4 | a layer and SGD on the cross-entropy, which has the same gradient
def fuse(server, owners, images, lr, temperature):
    layer = torch.nn.Linear(server.shape[0], server.shape[1], bias=False, dtype=server.dtype)
    layer.weight.data = server.detach().T.clone()
    p = torch.softmax(images @ (sum(owners) / len(owners)) / temperature, dim=-1).detach()
    optimizer = torch.optim.SGD(layer.parameters(), lr=lr)
    with torch.enable_grad():
        loss = F.cross_entropy(layer(images) / temperature, p) * temperature**2
        loss.backward()
    optimizer.step()
    return layer.weight.detach().T


# %% federated_distillation.4 | numpy, the gradient by hand in double precision
def fuse(server, owners, images, lr, temperature):
    def soft(z):
        powers = np.exp((z - z.max(1, keepdims=True)) / temperature)
        return powers / powers.sum(1, keepdims=True)

    x, w = (np.asarray(t.detach(), dtype=np.float64) for t in (images, server))
    teacher = np.mean([x @ np.asarray(owner.detach(), dtype=np.float64) for owner in owners], axis=0)
    step = lr * temperature * x.T @ (soft(x @ w) - soft(teacher)) / len(x)
    return torch.from_numpy(w - step)


# %% federated_distillation.4 | einsum, image by image
def fuse(server, owners, images, lr, temperature):
    teacher = torch.einsum("nd,kdc->nc", images, torch.stack(list(owners))) / len(owners)
    step = torch.zeros_like(server)
    for x, z in zip(images, teacher, strict=True):
        q = torch.softmax(torch.einsum("d,dc->c", x, server) / temperature, dim=0)
        step += torch.outer(x, q - torch.softmax(z / temperature, dim=0))
    return server - lr * temperature * step / len(images)


# %% federated_distillation.5 | heaviside of all differences, weighed with the mask
def leak(inside, outside, inside_labels, outside_labels):
    difference = inside.double()[:, None] - outside.double()[None, :]
    same = (inside_labels[:, None] == outside_labels[None, :]).double()
    won = torch.heaviside(difference, torch.tensor(0.5, dtype=torch.float64))
    return (won * same).sum() / same.sum()


# %% federated_distillation.5 | sorts each class once, and searches from the left and from the right
def leak(inside, outside, inside_labels, outside_labels):
    a, b, ya, yb = (np.asarray(t) for t in (inside, outside, inside_labels, outside_labels))
    won = pairs = 0
    for c in np.unique(ya):
        mine, others = a[ya == c], np.sort(b[yb == c])
        won += np.searchsorted(others, mine, "left").sum() + np.searchsorted(others, mine, "right").sum()
        pairs += len(mine) * len(others)
    return won / (2 * pairs)


# %% federated_distillation.5 | mean ranks in each class, as Mann and Whitney do
def leak(inside, outside, inside_labels, outside_labels):
    won, pairs = 0.0, 0
    for c in set(map(int, inside_labels)) & set(map(int, outside_labels)):
        mine = [float(s) for s, y in zip(inside, inside_labels, strict=True) if int(y) == c]
        others = [float(s) for s, y in zip(outside, outside_labels, strict=True) if int(y) == c]
        rank, below = {}, 0
        for score, count in sorted(collections.Counter(mine + others).items()):
            rank[score] = below + (count + 1) / 2
            below += count
        won += sum(rank[s] for s in mine) - len(mine) * (len(mine) + 1) / 2
        pairs += len(mine) * len(others)
    return won / pairs


# %% federated_distillation.5 | Python's loops over the pairs of a class
def leak(inside, outside, inside_labels, outside_labels):
    groups = collections.defaultdict(lambda: ([], []))
    for score, label in zip(inside.tolist(), inside_labels.tolist(), strict=True):
        groups[label][0].append(score)
    for score, label in zip(outside.tolist(), outside_labels.tolist(), strict=True):
        groups[label][1].append(score)
    twice = [(a > b) + (a >= b) for mine, others in groups.values() for a, b in itertools.product(mine, others)]
    return sum(twice) / len(twice) / 2

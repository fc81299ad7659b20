"""Wrong answers to the exercises on federated distillation, as learners write them; each cell stands alone."""

import collections
import itertools
import math

import numpy as np
import torch
from torch.nn import functional as F

# %% federated_distillation.1 | rows and columns swapped: sums per owner, and takes the first as the bag
names = ["bag", "coat", "shirt"]
table = torch.tensor([[5.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 0.0]])
shifted, halved = table.clone(), table.clone()
shifted[0] += 10
halved[0] /= 2
said = {
    "the mean of the logits": names[table.mean(dim=1).argmax()],
    "the mean of the probabilities": names[table.softmax(dim=0).mean(dim=1).argmax()],
    "each owner has one vote": names[table.argmax(dim=0).mode().values],
    "owner 1 adds 10 to all its logits, then the mean of the logits": names[shifted.mean(dim=1).argmax()],
    "owner 1 halves its logits, then the mean of the logits": names[halved.mean(dim=1).argmax()],
}

# %% federated_distillation.1 | two owners against one: the majority always wins
said = {
    "the mean of the logits": "coat",
    "the mean of the probabilities": "coat",
    "each owner has one vote": "coat",
    "owner 1 adds 10 to all its logits, then the mean of the logits": "coat",
    "owner 1 halves its logits, then the mean of the logits": "coat",
}

# %% federated_distillation.1 | softmax keeps the order, so probabilities name what logits name
said = {
    "the mean of the logits": "bag",
    "the mean of the probabilities": "bag",
    "each owner has one vote": "coat",
    "owner 1 adds 10 to all its logits, then the mean of the logits": "bag",
    "owner 1 halves its logits, then the mean of the logits": "coat",
}

# %% federated_distillation.1 | only 10 more logits let owner 1 win
said = {
    "the mean of the logits": "coat",
    "the mean of the probabilities": "coat",
    "each owner has one vote": "coat",
    "owner 1 adds 10 to all its logits, then the mean of the logits": "bag",
    "owner 1 halves its logits, then the mean of the logits": "coat",
}

# %% federated_distillation.1 | halving changes no order, so the mean names the same
said = {
    "the mean of the logits": "bag",
    "the mean of the probabilities": "coat",
    "each owner has one vote": "coat",
    "owner 1 adds 10 to all its logits, then the mean of the logits": "bag",
    "owner 1 halves its logits, then the mean of the logits": "bag",
}

# %% federated_distillation.1 | with 10 more on its coat too, owner 1 helps the coat
said = {
    "the mean of the logits": "bag",
    "the mean of the probabilities": "coat",
    "each owner has one vote": "coat",
    "owner 1 adds 10 to all its logits, then the mean of the logits": "coat",
    "owner 1 halves its logits, then the mean of the logits": "coat",
}

# %% federated_distillation.1 | logits and probabilities the wrong way round
said = {
    "the mean of the logits": "coat",
    "the mean of the probabilities": "bag",
    "each owner has one vote": "coat",
    "owner 1 adds 10 to all its logits, then the mean of the logits": "coat",
    "owner 1 halves its logits, then the mean of the logits": "coat",
}

# %% federated_distillation.1 | a vote weighs as much as its logit
names = ["bag", "coat", "shirt"]
votes = collections.Counter()
for row in [[5, 0, 0], [0, 2, 0], [0, 2, 0]]:
    votes[names[row.index(max(row))]] += max(row)
said = {
    "the mean of the logits": "bag",
    "the mean of the probabilities": "coat",
    "each owner has one vote": votes.most_common(1)[0][0],
    "owner 1 adds 10 to all its logits, then the mean of the logits": "bag",
    "owner 1 halves its logits, then the mean of the logits": "coat",
}

# %% federated_distillation.1 | halves all owners' logits, and the largest logit of all decides the vote
names = ["bag", "coat", "shirt"]
table = np.array([[5.0, 0, 0], [0, 2, 0], [0, 2, 0]])
odds = np.exp(table)
said = {
    "the mean of the logits": names[table.mean(axis=0).argmax()],
    "the mean of the probabilities": names[(odds / odds.sum(axis=1, keepdims=True)).mean(axis=0).argmax()],
    "each owner has one vote": names[table.argmax() % 3],
    "owner 1 adds 10 to all its logits, then the mean of the logits": names[(table + 10).mean(axis=0).argmax()],
    "owner 1 halves its logits, then the mean of the logits": names[(table / 2).mean(axis=0).argmax()],
}

# %% federated_distillation.1 | gives the numbers of the classes, not their names
table = torch.tensor([[5.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 0.0]])
more = torch.tensor([[10.0], [0.0], [0.0]])
half = torch.tensor([[0.5], [1.0], [1.0]])
said = {
    "the mean of the logits": table.mean(0).argmax().item(),
    "the mean of the probabilities": table.softmax(-1).mean(0).argmax().item(),
    "each owner has one vote": table.argmax(-1).mode().values.item(),
    "owner 1 adds 10 to all its logits, then the mean of the logits": (table + more).mean(0).argmax().item(),
    "owner 1 halves its logits, then the mean of the logits": (table * half).mean(0).argmax().item(),
}


# %% federated_distillation.2 | mean over the images, not over the owners
def target(logits, temperature):
    return torch.softmax(logits.mean(dim=1) / temperature, dim=-1)


# %% federated_distillation.2 | softmax over the images
def target(logits, temperature):
    mean = logits.mean(dim=0)
    return torch.softmax(mean / temperature, dim=0)


# %% federated_distillation.2 | mean of the probabilities
def target(logits, temperature):
    probabilities = F.softmax(logits / temperature, dim=-1)
    return probabilities.mean(dim=0)


# %% federated_distillation.2 | multiplies by the temperature
def target(logits, temperature):
    return (temperature * logits.mean(0)).softmax(-1)


# %% federated_distillation.2 | divides the probabilities, not the logits, by the temperature
def target(logits, temperature):
    return torch.softmax(torch.mean(logits, dim=0), dim=1) / temperature


# %% federated_distillation.2 | softmax by hand, overflows with large logits
def target(logits, temperature):
    mean = logits.mean(dim=0) / temperature
    powers = torch.exp(mean)
    return powers / powers.sum(dim=1, keepdim=True)


# %% federated_distillation.2 | adds the owners up and never divides by their number
def target(logits, temperature):
    total = torch.zeros_like(logits[0])
    for answer in logits:
        total = total + answer
    return torch.softmax(total / temperature, dim=-1)


# %% federated_distillation.2 | takes the largest logit of all away, small rows become 0 / 0
def target(logits, temperature):
    mean = logits.mean(dim=0) / temperature
    powers = (mean - mean.max()).exp()
    return powers / powers.sum(dim=-1, keepdim=True)


# %% federated_distillation.2 | a view to N, K, C in place of a transpose
def target(logits, temperature):
    owners, images, classes = logits.shape
    per_image = logits.reshape(images, owners, classes)
    return torch.softmax(per_image.mean(dim=1) / temperature, dim=1)


# %% federated_distillation.2 | floor division in the mean
def target(logits, temperature):
    mean = logits.sum(dim=0) // len(logits)
    return torch.softmax(mean / temperature, dim=-1)


# %% federated_distillation.2 | divides by the sum of a row without keepdim
def target(logits, temperature):
    mean = logits.mean(dim=0) / temperature
    powers = torch.exp(mean - mean.amax(dim=-1, keepdim=True))
    return powers / powers.sum(dim=-1)


# %% federated_distillation.2 | clamps large logits against the overflow
def target(logits, temperature):
    mean = (logits.mean(dim=0) / temperature).clamp(-50, 50)
    powers = mean.exp()
    return powers / powers.sum(dim=-1, keepdim=True)


# %% federated_distillation.2 | adds into the first owner's answers, the caller's tensor is changed
def target(logits, temperature):
    total = logits[0]
    for answer in logits[1:]:
        total += answer
    return torch.softmax(total / len(logits) / temperature, dim=-1)


# %% federated_distillation.2 | the logarithm of the probabilities, as kl_div wants its input
def target(logits, temperature):
    return F.log_softmax(logits.mean(dim=0) / temperature, dim=-1)


# %% federated_distillation.3 | a round of equal cost already counts as less
def pays_from(parameters, images, classes, pixels):
    saved = 2 * parameters - 2 * images * classes
    if saved <= 0:
        return 0
    return math.ceil(images * pixels / saved)


# %% federated_distillation.3 | weights are counted one way only
def pays_from(parameters, images, classes, pixels):
    saved = parameters - 2 * images * classes
    if saved <= 0:
        return 0
    return images * pixels // saved + 1


# %% federated_distillation.3 | answers are sent, but the mean is not received
def pays_from(parameters, images, classes, pixels):
    saved = 2 * parameters - images * classes
    if saved <= 0:
        return 0
    return images * pixels // saved + 1


# %% federated_distillation.3 | the public images come anew in every round
def pays_from(parameters, images, classes, pixels):
    weights = 2 * parameters
    answers = images * pixels + 2 * images * classes
    return 1 if answers < weights else 0


# %% federated_distillation.3 | one image's pixels only
def pays_from(parameters, images, classes, pixels):
    saved = 2 * (parameters - images * classes)
    return pixels // saved + 1 if saved > 0 else 0


# %% federated_distillation.3 | rounds count from 0
def pays_from(parameters, images, classes, pixels):
    saved = 2 * (parameters - images * classes)
    if saved <= 0:
        return 0
    return images * pixels // saved


# %% federated_distillation.3 | gives up after 1000 rounds
def pays_from(parameters, images, classes, pixels):
    weights, answers = 0, images * pixels
    for number in range(1, 1001):
        weights += 2 * parameters
        answers += 2 * images * classes
        if answers < weights:
            return number
    return 0


# %% federated_distillation.3 | equal costs a round divide by zero
def pays_from(parameters, images, classes, pixels):
    if images * classes > parameters:
        return 0
    return images * pixels // (2 * parameters - 2 * images * classes) + 1


# %% federated_distillation.3 | never asks whether it happens at all, rounds below 0
def pays_from(parameters, images, classes, pixels):
    start = images * pixels
    each = 2 * parameters - 2 * images * classes
    return start // each + 1 if each else 0


# %% federated_distillation.3 | None where it never happens
def pays_from(parameters, images, classes, pixels):
    saved = 2 * (parameters - images * classes)
    if saved > 0:
        return images * pixels // saved + 1


# %% federated_distillation.3 | in bytes, 4 for a number and 1 for a pixel
def pays_from(parameters, images, classes, pixels):
    saved = 4 * 2 * (parameters - images * classes)
    if saved <= 0:
        return 0
    return images * pixels * 1 // saved + 1


# %% federated_distillation.3 | compares each round by itself, not all rounds so far
def pays_from(parameters, images, classes, pixels):
    for number in itertools.count(1):
        weights = 2 * parameters
        answers = 2 * images * classes
        if number == 1:
            answers += images * pixels
        if answers < weights:
            return number
        if number > 1:
            return 0


# %% federated_distillation.3 | the mean comes back as C numbers in all, not for each image
def pays_from(parameters, images, classes, pixels):
    saved = 2 * parameters - (images * classes + classes)
    return 0 if saved <= 0 else images * pixels // saved + 1


# %% federated_distillation.4 | goes up the gradient
def fuse(server, owners, images, lr, temperature):
    p = torch.softmax(torch.stack([images @ w for w in owners]).mean(0) / temperature, dim=-1)
    q = torch.softmax(images @ server / temperature, dim=-1)
    gradient = temperature * images.T @ (q - p) / len(images)
    return server + lr * gradient


# %% federated_distillation.4 | sums over the images
def fuse(server, owners, images, lr, temperature):
    p = torch.softmax(torch.stack([images @ w for w in owners]).mean(0) / temperature, dim=-1)
    q = torch.softmax(images @ server / temperature, dim=-1)
    return server - lr * temperature * images.T @ (q - p)


# %% federated_distillation.4 | forgets the square of the temperature in the loss
def fuse(server, owners, images, lr, temperature):
    w = server.clone().requires_grad_(True)
    teacher = sum(images @ owner for owner in owners) / len(owners)
    p = F.softmax(teacher / temperature, dim=1)
    log_q = F.log_softmax(images @ w / temperature, dim=1)
    F.kl_div(log_q, p, reduction="batchmean").backward()
    return (w - lr * w.grad).detach()


# %% federated_distillation.4 | squares the temperature in the gradient by hand
def fuse(server, owners, images, lr, temperature):
    answers = torch.stack([images @ w for w in owners])
    p = torch.softmax(answers.mean(dim=0) / temperature, dim=1)
    q = torch.softmax(images @ server / temperature, dim=1)
    gradient = temperature**2 * images.T @ (q - p) / images.shape[0]
    return server - lr * gradient


# %% federated_distillation.4 | kl_div with its default mean, over classes too
def fuse(server, owners, images, lr, temperature):
    w = server.detach().clone().requires_grad_()
    teacher = torch.stack([images @ owner for owner in owners]).mean(dim=0)
    loss = temperature**2 * F.kl_div(
        F.log_softmax(images @ w / temperature, dim=-1), F.softmax(teacher / temperature, dim=-1), reduction="mean"
    )
    (gradient,) = torch.autograd.grad(loss, w)
    return server - lr * gradient


# %% federated_distillation.4 | KL the other way round
def fuse(server, owners, images, lr, temperature):
    w = server.detach().clone().requires_grad_()
    teacher = torch.stack([images @ owner for owner in owners]).mean(dim=0)
    log_p = F.log_softmax(teacher / temperature, dim=-1)
    log_q = F.log_softmax(images @ w / temperature, dim=-1)
    loss = temperature**2 * F.kl_div(log_p, log_q, reduction="batchmean", log_target=True)
    loss.backward()
    return server - lr * w.grad


# %% federated_distillation.4 | gives kl_div probabilities in place of their logarithms
def fuse(server, owners, images, lr, temperature):
    w = server.detach().clone().requires_grad_()
    teacher = torch.stack([images @ owner for owner in owners]).mean(dim=0)
    p = torch.softmax(teacher / temperature, dim=-1)
    q = torch.softmax(images @ w / temperature, dim=-1)
    loss = temperature**2 * F.kl_div(q, p, reduction="batchmean")
    loss.backward()
    return server - lr * w.grad


# %% federated_distillation.4 | the teacher is the mean of the owners' probabilities
def fuse(server, owners, images, lr, temperature):
    p = torch.stack([(images @ w / temperature).softmax(-1) for w in owners]).mean(0)
    q = (images @ server / temperature).softmax(-1)
    return server - lr * temperature * images.T @ (q - p) / len(images)


# %% federated_distillation.4 | the temperature is missing on the student's side
def fuse(server, owners, images, lr, temperature):
    teacher = sum(images @ w for w in owners) / len(owners)
    p = torch.softmax(teacher / temperature, dim=1)
    q = torch.softmax(images @ server, dim=1)
    return server - lr * temperature * images.T @ (q - p) / len(images)


# %% federated_distillation.4 | softmax over the images of the batch
def fuse(server, owners, images, lr, temperature):
    teacher = torch.stack([images @ w for w in owners]).mean(0)
    p = torch.softmax(teacher / temperature, 0)
    q = torch.softmax(images @ server / temperature, 0)
    return server - lr * temperature * images.T @ (q - p) / len(images)


# %% federated_distillation.4 | starts from the owners' mean weights, as federated averaging would
def fuse(server, owners, images, lr, temperature):
    start = torch.stack(list(owners)).mean(dim=0)
    teacher = torch.stack([images @ w for w in owners]).mean(dim=0)
    p = torch.softmax(teacher / temperature, dim=-1)
    q = torch.softmax(images @ server / temperature, dim=-1)
    return start - lr * temperature * images.T @ (q - p) / len(images)


# %% federated_distillation.4 | one step for each owner, one after the other
def fuse(server, owners, images, lr, temperature):
    w = server.clone()
    for owner in owners:
        p = torch.softmax(images @ owner / temperature, dim=-1)
        q = torch.softmax(images @ w / temperature, dim=-1)
        w = w - lr * temperature * images.T @ (q - p) / len(images)
    return w


# %% federated_distillation.4 | a step of Adam
def fuse(server, owners, images, lr, temperature):
    w = torch.nn.Parameter(server.detach().clone())
    optimizer = torch.optim.Adam([w], lr=lr)
    teacher = torch.stack([images @ owner for owner in owners]).mean(dim=0)
    p = F.softmax(teacher / temperature, dim=-1)
    log_q = F.log_softmax(images @ w / temperature, dim=-1)
    loss = temperature**2 * F.kl_div(log_q, p, reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return w.detach()


# %% federated_distillation.4 | KL written out with p.log(), not a number where p is 0
def fuse(server, owners, images, lr, temperature):
    w = server.detach().clone().requires_grad_()
    teacher = torch.stack([images @ owner for owner in owners]).mean(dim=0)
    p = torch.softmax(teacher / temperature, dim=-1)
    q = torch.softmax(images @ w / temperature, dim=-1)
    loss = temperature**2 * (p * (p.log() - q.log())).sum(dim=-1).mean()
    loss.backward()
    return server - lr * w.grad


# %% federated_distillation.4 | writes the step into the caller's server weights
def fuse(server, owners, images, lr, temperature):
    teacher = sum(images @ w for w in owners) / len(owners)
    p = torch.softmax(teacher / temperature, dim=-1)
    q = torch.softmax(images @ server / temperature, dim=-1)
    server -= lr * temperature * images.T @ (q - p) / len(images)
    return server


# %% federated_distillation.5 | all pairs, whatever the class
def leak(inside, outside, inside_labels, outside_labels):
    a, b = inside[:, None], outside[None, :]
    return ((a > b).float() + 0.5 * (a == b).float()).mean().item()


# %% federated_distillation.5 | a tie counts nothing
def leak(inside, outside, inside_labels, outside_labels):
    same = inside_labels[:, None] == outside_labels[None, :]
    higher = inside[:, None] > outside[None, :]
    return (higher & same).sum().item() / same.sum().item()


# %% federated_distillation.5 | a tie counts as won
def leak(inside, outside, inside_labels, outside_labels):
    same = inside_labels.unsqueeze(1) == outside_labels.unsqueeze(0)
    higher = inside.unsqueeze(1) >= outside.unsqueeze(0)
    return float(higher[same].float().mean())


# %% federated_distillation.5 | the mean of the classes' shares, each class counts the same
def leak(inside, outside, inside_labels, outside_labels):
    shares = []
    for c in torch.unique(inside_labels):
        a = inside[inside_labels == c][:, None]
        b = outside[outside_labels == c][None, :]
        if a.numel() and b.numel():
            shares.append(((a > b).double() + 0.5 * (a == b).double()).mean().item())
    return sum(shares) / len(shares)


# %% federated_distillation.5 | divides by all pairs, also those of two classes
def leak(inside, outside, inside_labels, outside_labels):
    won = 0.0
    for a, ya in zip(inside.tolist(), inside_labels.tolist(), strict=True):
        for b, yb in zip(outside.tolist(), outside_labels.tolist(), strict=True):
            if ya == yb:
                won += 1.0 if a > b else 0.5 if a == b else 0.0
    return won / (len(inside) * len(outside))


# %% federated_distillation.5 | pairs up by position with zip
def leak(inside, outside, inside_labels, outside_labels):
    won, pairs = 0.0, 0
    for a, b, ya, yb in zip(inside, outside, inside_labels, outside_labels, strict=False):
        if ya == yb:
            pairs += 1
            if a > b:
                won += 1
            elif a == b:
                won += 0.5
    return won / max(pairs, 1)


# %% federated_distillation.5 | ties are left out of the pairs
def leak(inside, outside, inside_labels, outside_labels):
    same = inside_labels[:, None] == outside_labels[None, :]
    difference = (inside[:, None] - outside[None, :])[same]
    won, lost = (difference > 0).sum().item(), (difference < 0).sum().item()
    return won / (won + lost) if won + lost else 0.5


# %% federated_distillation.5 | counts where the image outside is higher
def leak(inside, outside, inside_labels, outside_labels):
    same = inside_labels[:, None] == outside_labels[None, :]
    sign = torch.sign(outside[None, :] - inside[:, None])[same]
    return ((sign + 1) / 2).mean().item()


# %% federated_distillation.5 | a class that only the inside has makes it not a number
def leak(inside, outside, inside_labels, outside_labels):
    won, pairs = 0.0, 0
    for c in torch.unique(inside_labels):
        a = inside[inside_labels == c][:, None]
        b = outside[outside_labels == c][None, :]
        share = ((a > b).float() + (a == b).float() / 2).mean()
        won += share * a.numel() * b.numel()
        pairs += a.numel() * b.numel()
    return float(won / pairs)


# %% federated_distillation.5 | pairs of two classes count as ties
def leak(inside, outside, inside_labels, outside_labels):
    same = (inside_labels[:, None] == outside_labels[None, :]).float()
    sign = torch.sign(inside[:, None] - outside[None, :]) * same
    return (0.5 + 0.5 * sign.mean()).item()


# %% federated_distillation.5 | takes it that the labels are 0, 1, 2 and so on
def leak(inside, outside, inside_labels, outside_labels):
    won, pairs = 0.0, 0
    for c in range(len(torch.unique(inside_labels))):
        a, b = inside[inside_labels == c], outside[outside_labels == c]
        won += (a[:, None] > b).sum().item() + (a[:, None] == b).sum().item() / 2
        pairs += len(a) * len(b)
    return won / max(pairs, 1)


# %% federated_distillation.5 | sorts the scores, and the labels stay where they were
def leak(inside, outside, inside_labels, outside_labels):
    a = np.sort(np.asarray(inside))[:, None]
    b = np.sort(np.asarray(outside))[None, :]
    same = np.asarray(inside_labels)[:, None] == np.asarray(outside_labels)[None, :]
    return float(np.where(a > b, 1.0, np.where(a == b, 0.5, 0.0))[same].mean())


# %% federated_distillation.5 | isclose makes ties of scores that differ a little
def leak(inside, outside, inside_labels, outside_labels):
    same = inside_labels[:, None] == outside_labels[None, :]
    a, b = (pair[same] for pair in torch.broadcast_tensors(inside[:, None], outside[None, :]))
    tie = torch.isclose(a, b)
    return (((a > b) & ~tie).double() + 0.5 * tie.double()).mean().item()


# %% federated_distillation.5 | weighs each class by its images inside, not by its pairs
def leak(inside, outside, inside_labels, outside_labels):
    each = []
    for score, label in zip(inside, inside_labels, strict=True):
        others = outside[outside_labels == label]
        if len(others):
            each.append(((score > others).double() + 0.5 * (score == others).double()).mean())
    return torch.stack(each).mean().item()


# %% federated_distillation.5 | in per cent
def leak(inside, outside, inside_labels, outside_labels):
    same = inside_labels[:, None] == outside_labels[None, :]
    difference = (inside[:, None] - outside[None, :])[same]
    return 100 * torch.heaviside(difference, torch.tensor(0.5, dtype=difference.dtype)).mean().item()

"""Answers to the exercises of ``federated_distillation``."""

import numpy as np
import torch
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- federated_distillation.1

NAMED = ["bag", "coat", "coat", "bag", "coat"]


def looked_up(case):
    return dict(zip(kd.checks.find("federated_distillation.1").rungs, NAMED, strict=True))[case]


def by_words(case):
    return "coat" if any(word in case for word in ("probabilities", "vote", "halves")) else "bag"


def by_adding(case):
    first = np.array([5.0, 0.0, 0.0]) * (0.5 if "halves" in case else 1.0) + (10.0 if "adds" in case else 0.0)
    logits = np.stack([first, [0, 2, 0], [0, 2, 0]])
    if "probabilities" in case:
        logits = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if "vote" in case:
        logits = np.eye(3)[logits.argmax(1)]
    return ["bag", "coat", "shirt"][int(logits.mean(0).argmax())]


# ---------------------------------------------------------------- federated_distillation.2


def by_einsum(logits, temperature):
    return F.softmax(torch.einsum("knc->nc", logits) / len(logits) / temperature, dim=-1)


def by_numpy(logits, temperature):
    mean = logits.numpy().mean(0) / temperature
    powers = np.exp(mean - mean.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def through_logs(logits, temperature):
    scaled = sum(logits) / (len(logits) * temperature)
    return (scaled - scaled.logsumexp(1, keepdim=True)).exp()


def mean_of_probabilities(logits, temperature):
    return (logits / temperature).softmax(-1).mean(0)


def sum_of_logits(logits, temperature):
    return (logits.sum(0) / temperature).softmax(1)


def cold(logits, temperature):
    return logits.mean(0).softmax(1)


def by_votes(logits, temperature):
    return F.one_hot(logits.argmax(-1), logits.shape[-1]).float().mean(0)


# ---------------------------------------------------------------- federated_distillation.3


def by_counting(parameters, images, classes, pixels):
    if parameters <= images * classes:
        return 0
    low, high = 0, 1
    while images * pixels + 2 * images * classes * high >= 2 * parameters * high:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        cheaper = images * pixels + 2 * images * classes * middle < 2 * parameters * middle
        low, high = (low, middle) if cheaper else (middle, high)
    return high


def by_floor(parameters, images, classes, pixels):
    gain = parameters - images * classes
    return int(np.floor(images * pixels / (2 * gain))) + 1 if gain > 0 else 0


def by_divmod(parameters, images, classes, pixels):
    gain = 2 * parameters - 2 * images * classes
    return 0 if gain <= 0 else 1 + divmod(images * pixels, gain)[0]


def by_ceiling(parameters, images, classes, pixels):
    gain = 2 * (parameters - images * classes)
    return max(1, -(-images * pixels // gain)) if gain > 0 else 0


def one_way(parameters, images, classes, pixels):
    gain = parameters - images * classes
    return images * pixels // gain + 1 if gain > 0 else 0


def free_images(parameters, images, classes, pixels):
    return int(parameters > images * classes)


def hopeful(parameters, images, classes, pixels):
    return images * pixels // (2 * (parameters - images * classes) or 1) + 1


# ---------------------------------------------------------------- federated_distillation.4


def by_autograd(server, owners, images, lr, temperature):
    p = (sum(images @ w for w in owners) / len(owners) / temperature).softmax(1)
    w = server.clone().requires_grad_()
    loss = temperature**2 * F.kl_div((images @ w / temperature).log_softmax(1), p, reduction="batchmean")
    loss.backward()
    return (w - lr * w.grad).detach()


def by_cross_entropy(server, owners, images, lr, temperature):
    p = (torch.stack([images @ w for w in owners]).mean(0) / temperature).softmax(1)
    w = server.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(temperature**2 * F.cross_entropy(images @ w / temperature, p), w)
    return server - lr * slope


def image_by_image(server, owners, images, lr, temperature):
    slope = torch.zeros_like(server)
    for x in images:
        p = torch.softmax(sum(x @ w for w in owners) / len(owners) / temperature, dim=0)
        q = torch.softmax(x @ server / temperature, dim=0)
        slope += torch.outer(x, q - p) * temperature / len(images)
    return server - lr * slope


def unscaled(server, owners, images, lr, temperature):
    p = (torch.stack([images @ w for w in owners]).mean(0) / temperature).softmax(1)
    q = (images @ server / temperature).softmax(1)
    return server - lr * images.T @ (q - p) / len(images) / temperature


def averaging(server, owners, images, lr, temperature):
    return sum(owners) / len(owners)


def away(server, owners, images, lr, temperature):
    p = (torch.stack([images @ w for w in owners]).mean(0) / temperature).softmax(1)
    q = (images @ server / temperature).softmax(1)
    return server - lr * temperature * images.T @ (p - q) / len(images)


def in_place(server, owners, images, lr, temperature):
    p = (torch.stack([images @ w for w in owners]).mean(0) / temperature).softmax(1)
    q = (images @ server / temperature).softmax(1)
    server -= lr * temperature * images.T @ (q - p) / len(images)
    return server


# ---------------------------------------------------------------- federated_distillation.5


def by_loops(inside, outside, inside_labels, outside_labels):
    won, pairs = 0.0, 0
    for a, ya in zip(inside.tolist(), inside_labels.tolist(), strict=True):
        for b, yb in zip(outside.tolist(), outside_labels.tolist(), strict=True):
            if ya == yb:
                won, pairs = won + (a > b) + 0.5 * (a == b), pairs + 1
    return won / pairs


def by_signs(inside, outside, inside_labels, outside_labels):
    same = inside_labels[:, None] == outside_labels[None]
    return ((inside[:, None] - outside[None]).sign()[same].double().mean() + 1) / 2


def by_heaviside(inside, outside, inside_labels, outside_labels):
    same = (inside_labels[:, None] == outside_labels).numpy()
    return np.heaviside(inside.numpy()[:, None] - outside.numpy(), 0.5)[same].mean()


def every_pair(inside, outside, inside_labels, outside_labels):
    gap = inside[:, None] - outside
    return ((gap > 0).float() + 0.5 * (gap == 0).float()).mean()


def strictly(inside, outside, inside_labels, outside_labels):
    same = inside_labels[:, None] == outside_labels
    return (inside[:, None] > outside)[same].float().mean()


def generously(inside, outside, inside_labels, outside_labels):
    same = inside_labels[:, None] == outside_labels
    return (inside[:, None] >= outside)[same].float().mean()


def gap_of_means(inside, outside, inside_labels, outside_labels):
    return inside.mean() - outside.mean()


RIGHT = {
    "federated_distillation.1": [looked_up, by_words, by_adding],
    "federated_distillation.2": [by_einsum, by_numpy, through_logs],
    "federated_distillation.3": [by_counting, by_floor, by_divmod],
    "federated_distillation.4": [by_autograd, by_cross_entropy, image_by_image],
    "federated_distillation.5": [by_loops, by_signs, by_heaviside],
}
WRONG = {
    "federated_distillation.2": [
        (lambda z, t: None, "None came back"),
        (lambda z, t: z @ t, "Error: TypeError"),
        (mean_of_probabilities, "The owners' probabilities were averaged"),
        (sum_of_logits, "not divided by the number of owners"),
        (cold, "The temperature is missing"),
        (by_votes, "The owners voted"),
    ],
    "federated_distillation.3": [
        (lambda p, n, c, x: None, "None came back"),
        (lambda p, n, c, x: len(p), "Error: TypeError"),
        (by_ceiling, "one round more"),
        (one_way, "Was one direction forgotten"),
        (free_images, "have to be sent once"),
        (hopeful, "is expected"),
    ],
    "federated_distillation.4": [
        (lambda s, o, x, r, t: None, "None came back"),
        (lambda s, o, x, r, t: s @ o, "Error: TypeError"),
        (unscaled, "Without T²"),
        (averaging, "That is federated averaging"),
        (away, "uphill"),
        (in_place, "Changed: server, in place"),
    ],
    "federated_distillation.5": [
        (lambda a, b, ya, yb: None, "None came back"),
        (lambda a, b, ya, yb: a + "b", "Error: TypeError"),
        (every_pair, "Images of different classes were compared"),
        (strictly, "A tie counts as lost"),
        (generously, "A tie counts as won"),
        (gap_of_means, "difference of two mean scores"),
    ],
}

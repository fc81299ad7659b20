"""Answers to the exercises of ``pitfalls``."""

import math

import numpy as np
import torch

import kdcourse as kd

# ---------------------------------------------------------------- pitfalls.1

SAID = ["arrives", "vanishes", "arrives", "vanishes", "explodes"]


def looked_up(case):
    return dict(zip(kd.checks.find("pitfalls.1").rungs, SAID, strict=True))[case]


def by_multiplying(case):
    layers, factor = int(case.split()[0]), float(case.split()[2])
    left = 1.0
    for _ in range(layers):
        left *= factor
    return "vanishes" if left < 0.001 else "explodes" if left > 1000 else "arrives"


def by_logarithms(case):
    words = case.split()
    orders = int(words[0]) * math.log10(float(words[2]))
    return "arrives" if abs(orders) < 3 else "vanishes" if orders < 0 else "explodes"


# ---------------------------------------------------------------- pitfalls.2


def by_arrays(values, window):
    v = values.numpy()
    for end in range(2 * window, len(v) + 1):
        a, b = v[end - 2 * window : end].reshape(2, window)
        if b.mean() - a.mean() <= np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / window):
            return end
    return len(v)


def by_unfolding(values, window):
    parts = values.double().unfold(0, window, 1)
    means, variances = parts.mean(dim=1), parts.var(dim=1)
    gain = means[window:] - means[:-window]
    flat = gain <= ((variances[window:] + variances[:-window]) / window).sqrt()
    return int(flat.nonzero()[0]) + 2 * window if flat.any() else len(values)


def by_the_package(values, window):
    stops = [n for n in range(1, len(values) + 1) if kd.training.plateaued(values[:n].tolist(), window=window)]
    return stops[0] if stops else len(values)


def by_unfolding_safely(values, window):
    return len(values) if len(values) < 2 * window else by_unfolding(values, window)


# ---------------------------------------------------------------- pitfalls.3


def by_one_vector(gradients, limit):
    flat = torch.cat([g.flatten() for g in gradients])
    if not torch.isfinite(flat).all():
        return [0 * torch.ones_like(g) for g in gradients]
    size = flat.square().sum().sqrt()
    return [g / torch.clamp(size / limit, min=1) for g in gradients]


def by_torch(gradients, limit):
    parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g.clone()
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters])
    if norm.isnan() or norm.isinf():
        return [torch.zeros_like(g) for g in gradients]
    if norm > limit:
        torch.nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    return [p.grad for p in parameters]


def by_numpy(gradients, limit):
    arrays = [g.numpy().astype(np.float64) for g in gradients]
    size = math.sqrt(sum(float((a**2).sum()) for a in arrays))
    if not math.isfinite(size):
        return [np.zeros_like(a) for a in arrays]
    return [a * (limit / size if size > limit else 1.0) for a in arrays]


# ---------------------------------------------------------------- pitfalls.4


def by_counting(answers, labels, most):
    counts = {name: int((z.argmax(1) == labels).sum()) for name, z in answers.items()}
    return [name for name, count in counts.items() if counts["unchanged"] - count <= most * len(labels)]


def by_a_loop(answers, labels, most):
    def accuracy(z):
        return float((z.max(dim=1).indices == labels).float().mean())

    own, found = accuracy(answers["unchanged"]), []
    for name in answers:
        if accuracy(answers[name]) >= own - most:
            found.append(name)
    return found


def by_errors(answers, labels, most):
    wrong = {name: np.mean(z.numpy().argmax(1) != labels.numpy()) for name, z in answers.items()}
    return [name for name in wrong if wrong[name] - wrong["unchanged"] <= most]


# ---------------------------------------------------------------- pitfalls.5


def by_backward(weights, inputs, targets):
    leaves = [w.detach().clone().requires_grad_(True) for w in weights]
    x = inputs
    for i, w in enumerate(leaves):
        x = x @ w.t()
        x = x.tanh() if i < len(leaves) - 1 else x
    (0.5 * ((x - targets) ** 2).sum() / len(inputs)).backward()
    return [float(w.grad.norm()) for w in leaves]


def by_hand(weights, inputs, targets):
    signals = [inputs]
    for w in weights[:-1]:
        signals.append(torch.tanh(signals[-1] @ w.T))
    error = (signals[-1] @ weights[-1].T - targets) / len(inputs)
    found = [(error.T @ signals[-1]).norm()]
    for w, signal, before in zip(weights[:0:-1], signals[:0:-1], signals[-2::-1], strict=True):
        error = (error @ w) * (1 - signal**2)
        found.insert(0, (error.T @ before).norm())
    return torch.stack(found)


def by_functional(weights, inputs, targets):
    def loss(*ws):
        x = inputs
        for w in ws[:-1]:
            x = torch.tanh(torch.nn.functional.linear(x, w))
        return (torch.nn.functional.linear(x, ws[-1]) - targets).pow(2).sum(1).mean() / 2

    grads = torch.func.grad(loss, argnums=tuple(range(len(weights))))(*weights)
    return torch.tensor([g.norm().item() for g in grads])


RIGHT = {
    "pitfalls.1": [looked_up, by_multiplying, by_logarithms],
    "pitfalls.2": [by_arrays, by_unfolding_safely, by_the_package],
    "pitfalls.3": [by_one_vector, by_torch, by_numpy],
    "pitfalls.4": [by_counting, by_a_loop, by_errors],
    "pitfalls.5": [by_backward, by_hand, by_functional],
}
WRONG = {
    "pitfalls.2": [
        (lambda v, w: None, "None came back"),
        (lambda v, w: v[1000], "Error: IndexError"),
        (lambda v, w: (by_arrays(v, w), v.zero_())[0], "Changed: values, in place"),
        (lambda v, w: len(v), "It never stops"),
        (lambda v, w: by_arrays(v, w) - 1, "counted from 0"),
    ],
    "pitfalls.3": [
        (lambda g, limit: None, "None came back"),
        (lambda g, limit: g / limit, "Error: TypeError"),
        (lambda g, limit: (by_torch(g, limit), [x.zero_() for x in g])[0], "Changed: gradients, in place"),
        (lambda g, limit: [x.clamp(-limit, limit) for x in g], "Each *value* was cut off"),
        (lambda g, limit: list(g), "as they were"),
    ],
    "pitfalls.4": [
        (lambda a, y, m: None, "None came back"),
        (lambda a, y, m: a["as they are"], "Error: KeyError"),
        (lambda a, y, m: list(a), "Every change came back"),
        (lambda a, y, m: sorted(by_errors(a, y, m)), "The names are sorted. Keep"),
        (lambda a, y, m: (by_errors(a, y, m), y.zero_())[0], "Changed: labels, in place"),
    ],
    "pitfalls.5": [
        (lambda w, x, y: None, "None came back"),
        (lambda w, x, y: w[99], "Error: IndexError"),
        (lambda w, x, y: by_hand(w, x, y) ** 2, "the squares of the norms"),
        (lambda w, x, y: torch.stack([v.norm() for v in w]), "norms of the weights"),
        (lambda w, x, y: (by_hand(w, x, y), w[0].zero_())[0], "Changed: weights, in place"),
    ],
}

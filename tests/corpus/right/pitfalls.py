"""Right answers to the exercises on pitfalls, by different roads; each cell stands alone."""

import math

import numpy as np
import torch

# %% pitfalls.1 | the power, in a loop
cases = {
    "3 layers, 0.25 each": (3, 0.25),
    "12 layers, 0.25 each": (12, 0.25),
    "12 layers, 0.9 each": (12, 0.9),
    "100 layers, 0.9 each": (100, 0.9),
    "12 layers, 2 each": (12, 2),
}
arrives = {}
for key, (layers, factor) in cases.items():
    left = factor**layers
    if left < 1 / 1000:
        arrives[key] = "vanishes"
    elif left > 1000:
        arrives[key] = "explodes"
    else:
        arrives[key] = "arrives"

# %% pitfalls.1 | powers of ten, read from the words
keys = [
    "3 layers, 0.25 each",
    "12 layers, 0.25 each",
    "12 layers, 0.9 each",
    "100 layers, 0.9 each",
    "12 layers, 2 each",
]
arrives = {}
for key in keys:
    powers = int(key.split()[0]) * math.log10(float(key.split()[2]))
    arrives[key] = "vanishes" if powers < -3 else "explodes" if powers > 3 else "arrives"

# %% pitfalls.1 | by numpy, for all at once
layers = np.array([3, 12, 12, 100, 12])
factors = np.array([0.25, 0.25, 0.9, 0.9, 2])
words = np.select([factors**layers < 1e-3, factors**layers > 1e3], ["vanishes", "explodes"], "arrives")
arrives = {f"{n} layers, {f:g} each": str(word) for n, f, word in zip(layers, factors, words)}

# %% pitfalls.1 | by hand, written down
arrives = {
    "3 layers, 0.25 each": "arrives",
    "12 layers, 0.25 each": "vanishes",
    "12 layers, 0.9 each": "arrives",
    "100 layers, 0.9 each": "vanishes",
    "12 layers, 2 each": "explodes",
}


# %% pitfalls.2 | two slices an epoch
def stops_at(values, window):
    for epochs in range(2 * window, len(values) + 1):
        last = values[epochs - window : epochs]
        before = values[epochs - 2 * window : epochs - window]
        error = torch.sqrt((before.var() + last.var()) / window)
        if last.mean() - before.mean() <= error:
            return epochs
    return len(values)


# %% pitfalls.2 | all windows at once, by unfold
def stops_at(values, window):
    if len(values) < 2 * window:
        return len(values)
    windows = values.double().unfold(0, window, 1)
    means, variances = windows.mean(1), windows.var(1)
    gains = means[window:] - means[:-window]
    errors = ((variances[window:] + variances[:-window]) / window).sqrt()
    stops = torch.nonzero(gains <= errors).flatten()
    return 2 * window + stops[0].item() if len(stops) else len(values)


# %% pitfalls.2 | pure Python, with the sums of squares written out
def stops_at(values, window):
    def mean(part):
        return math.fsum(part) / len(part)

    def variance(part):
        middle = mean(part)
        return math.fsum((value - middle) ** 2 for value in part) / (len(part) - 1)

    seen = []
    for value in values.tolist():
        seen.append(value)
        if len(seen) < 2 * window:
            continue
        before, last = seen[-2 * window : -window], seen[-window:]
        if mean(last) - mean(before) <= math.sqrt((variance(before) + variance(last)) / window):
            break
    return len(seen)


# %% pitfalls.2 | numpy, both windows as the rows of a table, and a while
def stops_at(values, window):
    values = values.detach().cpu().double().numpy()
    epochs = 2 * window
    while epochs <= len(values):
        before, last = values[epochs - 2 * window : epochs].reshape(2, window)
        error = np.sqrt((np.var(before, ddof=1) + np.var(last, ddof=1)) / window)
        if np.mean(last) - np.mean(before) <= error:
            return epochs
        epochs += 1
    return len(values)


# %% pitfalls.3 | the squares added in double precision, as shares of the largest value
def guard(gradients, limit):
    if not all(torch.isfinite(gradient).all() for gradient in gradients):
        return [torch.zeros_like(gradient) for gradient in gradients]
    largest = max([gradient.abs().max().item() for gradient in gradients if gradient.numel()], default=0.0) or 1.0
    norm = largest * math.sqrt(sum((gradient.double() / largest).square().sum().item() for gradient in gradients))
    if norm <= limit:
        return [gradient.clone() for gradient in gradients]
    return [(gradient.double() * (limit / norm)).to(gradient.dtype) for gradient in gradients]


# %% pitfalls.3 | pure Python, with hypot over all values
def guard(gradients, limit):
    values = [value for gradient in gradients for value in gradient.flatten().tolist()]
    for value in values:
        if not math.isfinite(value):
            return [torch.zeros_like(gradient) for gradient in gradients]
    norm = math.hypot(*values)
    factor = limit / norm if norm > limit else 1.0
    return [(gradient.double() * factor).to(gradient.dtype) for gradient in gradients]


# %% pitfalls.3 | numpy, one long array in extended precision
def guard(gradients, limit):
    parts = [gradient.detach().cpu().double().numpy().ravel() for gradient in gradients]
    values = np.concatenate([np.zeros(1), *parts]).astype(np.longdouble)
    if not np.isfinite(values).all():
        return [gradient.new_zeros(gradient.shape) for gradient in gradients]
    norm = np.sqrt(np.sum(values**2))
    if norm > limit:
        factor = float(limit / norm)
        return [gradient.double().mul(factor).to(gradient.dtype) for gradient in gradients]
    return [gradient.clone() for gradient in gradients]


# %% pitfalls.3 | recursion: the norm of two halves, and not finite shows in the largest value
def guard(gradients, limit):
    def common(part):
        if len(part) == 0:
            return 0.0
        if len(part) == 1:
            values = part[0].double().flatten()
            largest = values.abs().max().item() if len(values) else 0.0
            if largest == 0 or not math.isfinite(largest):
                return largest
            return largest * (values / largest).norm().item()
        middle = len(part) // 2
        return math.hypot(common(part[:middle]), common(part[middle:]))

    if any((gradient - gradient != 0).any() for gradient in gradients):
        return [torch.zeros_like(gradient) for gradient in gradients]
    norm = common(gradients)
    factor = limit / norm if norm > limit else 1.0
    return [(gradient.double() * factor).to(gradient.dtype) for gradient in gradients]


# %% pitfalls.4 | counts of right answers, with a little slack for the rounding of `most`
def trusted(answers, labels, most):
    hits = {name: (logits.argmax(1) == labels).sum().item() for name, logits in answers.items()}
    bound = hits["unchanged"] - most * len(labels) - 1e-6
    return [name for name in answers if name == "unchanged" or hits[name] >= bound]


# %% pitfalls.4 | pure Python, row by row
def trusted(answers, labels, most):
    def mistakes(logits):
        count = 0
        for row, label in zip(logits.tolist(), labels.tolist()):
            if row.index(max(row)) != label:
                count += 1
        return count

    base = mistakes(answers["unchanged"])
    names = []
    for name, logits in answers.items():
        more = mistakes(logits) - base
        if name == "unchanged" or more <= most * len(labels) + 1e-6:
            names.append(name)
    return names


# %% pitfalls.4 | numpy, accuracies in double precision, less or close
def trusted(answers, labels, most):
    right = labels.cpu().numpy()
    accuracy = {}
    for name, logits in answers.items():
        accuracy[name] = np.mean(np.argmax(logits.detach().cpu().double().numpy(), axis=1) == right)
    drops = {name: accuracy["unchanged"] - value for name, value in accuracy.items()}
    return [k for k, drop in drops.items() if k == "unchanged" or drop < most or np.isclose(drop, most, 0, 1e-9)]


# %% pitfalls.4 | all changes stacked, one sum, and a mask over the names
def trusted(answers, labels, most):
    names = list(answers)
    stacked = torch.stack([answers[name].double() for name in names])
    hits = (stacked.argmax(dim=-1) == labels).sum(dim=1).double()
    home = names.index("unchanged")
    keep = (hits[home] - hits) / max(1, len(labels)) <= most + 1e-9
    keep[home] = True
    return [name for name, kept in zip(names, keep.tolist()) if kept]


# %% pitfalls.5 | autograd on copies
def norms(weights, inputs, targets):
    with torch.enable_grad():
        copies = [weight.detach().clone().requires_grad_() for weight in weights]
        x = inputs.detach()
        for weight in copies[:-1]:
            x = torch.tanh(x @ weight.T)
        loss = (x @ copies[-1].T - targets.detach()).square().sum() / (2 * len(inputs))
        gradients = torch.autograd.grad(loss, copies)
    return torch.stack([gradient.norm() for gradient in gradients])


# %% pitfalls.5 | back by hand with torch, layer after layer
def norms(weights, inputs, targets):
    with torch.no_grad():
        entering = [inputs]
        for weight in weights[:-1]:
            entering.append(torch.tanh(entering[-1] @ weight.T))
        delta = (entering[-1] @ weights[-1].T - targets) / len(inputs)
        found = [None] * len(weights)
        for layer in range(len(weights) - 1, -1, -1):
            found[layer] = (delta.T @ entering[layer]).square().sum().sqrt()
            delta = (delta @ weights[layer]) * (1 - entering[layer] ** 2)
        return torch.stack(found)


# %% pitfalls.5 | numpy in double precision, image by image
def norms(weights, inputs, targets):
    matrices = [weight.detach().cpu().double().numpy() for weight in weights]
    images, wanted = inputs.detach().cpu().double().numpy(), targets.detach().cpu().double().numpy()
    totals = [np.zeros_like(matrix) for matrix in matrices]
    for image, target in zip(images, wanted):
        entering = [image]
        for matrix in matrices[:-1]:
            entering.append(np.tanh(matrix @ entering[-1]))
        delta = matrices[-1] @ entering[-1] - target
        for layer in reversed(range(len(matrices))):
            totals[layer] += np.outer(delta, entering[layer]) / len(images)
            delta = (matrices[layer].T @ delta) * (1 - entering[layer] ** 2)
    return torch.tensor([float(np.sqrt((total**2).sum())) for total in totals], dtype=torch.float64)


# %% pitfalls.5 | recursion: a layer asks the layers above it for the gradient of what it gives
def norms(weights, inputs, targets):
    found = []

    def back(layer, x):
        answer = x @ weights[layer].T
        if layer == len(weights) - 1:
            delta = (answer - targets) / len(inputs)
        else:
            answer = torch.tanh(answer)
            delta = back(layer + 1, answer) * (1 - answer * answer)
        found.append(torch.linalg.vector_norm(torch.einsum("no,ni->oi", delta, x)))
        return delta @ weights[layer]

    with torch.no_grad():
        back(0, inputs)
        return torch.stack(found[::-1])

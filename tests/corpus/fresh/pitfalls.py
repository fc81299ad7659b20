"""Wrong answers to the exercises on pitfalls, as learners write them; each cell stands alone."""

import math

import numpy as np
import torch

# %% pitfalls.1 | looks at the factor alone: every one below 1 vanishes, every one above 1 explodes
factors = {
    "3 layers, 0.25 each": 0.25,
    "12 layers, 0.25 each": 0.25,
    "12 layers, 0.9 each": 0.9,
    "100 layers, 0.9 each": 0.9,
    "12 layers, 2 each": 2,
}
arrives = {key: "vanishes" if factor < 1 else "explodes" for key, factor in factors.items()}

# %% pitfalls.1 | the natural logarithm held against 3, which is a thousand only to base ten
cases = {
    "3 layers, 0.25 each": (3, 0.25),
    "12 layers, 0.25 each": (12, 0.25),
    "12 layers, 0.9 each": (12, 0.9),
    "100 layers, 0.9 each": (100, 0.9),
    "12 layers, 2 each": (12, 2),
}
arrives = {}
for key, (layers, factor) in cases.items():
    powers = layers * math.log(factor)
    arrives[key] = "vanishes" if powers < -3 else "explodes" if powers > 3 else "arrives"

# %% pitfalls.1 | takes 0.9 for as good as 1, whatever the depth
arrives = {
    "3 layers, 0.25 each": "arrives",
    "12 layers, 0.25 each": "vanishes",
    "12 layers, 0.9 each": "arrives",
    "100 layers, 0.9 each": "arrives",
    "12 layers, 2 each": "explodes",
}

# %% pitfalls.1 | reckons twelve doublings as 24 times as large
arrives = {
    "3 layers, 0.25 each": "arrives",
    "12 layers, 0.25 each": "vanishes",
    "12 layers, 0.9 each": "arrives",
    "100 layers, 0.9 each": "vanishes",
    "12 layers, 2 each": "arrives",
}

# %% pitfalls.1 | layers times factor in place of factor to the power of layers
cases = {
    "3 layers, 0.25 each": (3, 0.25),
    "12 layers, 0.25 each": (12, 0.25),
    "12 layers, 0.9 each": (12, 0.9),
    "100 layers, 0.9 each": (100, 0.9),
    "12 layers, 2 each": (12, 2),
}
arrives = {}
for key, (layers, factor) in cases.items():
    left = layers * factor
    if left < 1 / 1000:
        arrives[key] = "vanishes"
    elif left > 1000:
        arrives[key] = "explodes"
    else:
        arrives[key] = "arrives"

# %% pitfalls.1 | divides by the factor in each layer, so that the two ends change places
cases = {
    "3 layers, 0.25 each": (3, 0.25),
    "12 layers, 0.25 each": (12, 0.25),
    "12 layers, 0.9 each": (12, 0.9),
    "100 layers, 0.9 each": (100, 0.9),
    "12 layers, 2 each": (12, 2),
}
arrives = {}
for key, (layers, factor) in cases.items():
    left = 1.0
    for _ in range(layers):
        left /= factor
    arrives[key] = "vanishes" if left < 0.001 else "explodes" if left > 1000 else "arrives"

# %% pitfalls.1 | squares twice and takes that, the fourth power, for twelve layers
arrives = {
    "3 layers, 0.25 each": "arrives",
    "12 layers, 0.25 each": "arrives",
    "12 layers, 0.9 each": "arrives",
    "100 layers, 0.9 each": "vanishes",
    "12 layers, 2 each": "arrives",
}

# %% pitfalls.1 | a millionth and a million as the limits
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
    arrives[key] = "vanishes" if left < 1e-6 else "explodes" if left > 1e6 else "arrives"

# %% pitfalls.1 | adds up what each layer loses or gains in place of multiplying
cases = {
    "3 layers, 0.25 each": (3, 0.25),
    "12 layers, 0.25 each": (12, 0.25),
    "12 layers, 0.9 each": (12, 0.9),
    "100 layers, 0.9 each": (100, 0.9),
    "12 layers, 2 each": (12, 2),
}
arrives = {}
for key, (layers, factor) in cases.items():
    left = 1 + layers * (factor - 1)
    arrives[key] = "vanishes" if left < 1 / 1000 else "explodes" if left > 1000 else "arrives"

# %% pitfalls.1 | holds twelve layers for deep, so that with 0.9 nothing arrives either
arrives = {
    "3 layers, 0.25 each": "arrives",
    "12 layers, 0.25 each": "vanishes",
    "12 layers, 0.9 each": "vanishes",
    "100 layers, 0.9 each": "vanishes",
    "12 layers, 2 each": "explodes",
}

# %% pitfalls.1 | believes that the steepest slope of the sigmoid is the safe one
arrives = {
    "3 layers, 0.25 each": "arrives",
    "12 layers, 0.25 each": "arrives",
    "12 layers, 0.9 each": "arrives",
    "100 layers, 0.9 each": "vanishes",
    "12 layers, 2 each": "explodes",
}

# %% pitfalls.1 | multiplies by a sigmoid's slope of 0.25 in each layer besides the factor
cases = {
    "3 layers, 0.25 each": (3, 0.25),
    "12 layers, 0.25 each": (12, 0.25),
    "12 layers, 0.9 each": (12, 0.9),
    "100 layers, 0.9 each": (100, 0.9),
    "12 layers, 2 each": (12, 2),
}
arrives = {}
for key, (layers, factor) in cases.items():
    left = np.prod(np.full(layers, factor * 0.25))
    arrives[key] = "vanishes" if left < 0.001 else "explodes" if left > 1000 else "arrives"


# %% pitfalls.2 | stops only below one standard error, so that a flat curve never stops
def stops_at(values, window):
    for epochs in range(2 * window, len(values) + 1):
        last = values[epochs - window : epochs]
        before = values[epochs - 2 * window : epochs - window]
        error = ((before.var() + last.var()) / window).sqrt()
        if last.mean() - before.mean() < error:
            return epochs
    return len(values)


# %% pitfalls.2 | returns the index of the last epoch, one less than the number of epochs
def stops_at(values, window):
    for epoch in range(2 * window - 1, len(values)):
        last = values[epoch - window + 1 : epoch + 1]
        before = values[epoch - 2 * window + 1 : epoch - window + 1]
        error = torch.sqrt((before.var() + last.var()) / window)
        if last.mean() - before.mean() <= error:
            return epoch
    return len(values)


# %% pitfalls.2 | numpy's variance, which divides by n and not by n - 1
def stops_at(values, window):
    values = values.numpy()
    for epochs in range(2 * window, len(values) + 1):
        last = values[epochs - window : epochs]
        before = values[epochs - 2 * window : epochs - window]
        error = np.sqrt((before.var() + last.var()) / window)
        if last.mean() - before.mean() <= error:
            return epochs
    return len(values)


# %% pitfalls.2 | the spread of one epoch's difference: never divides by the window
def stops_at(values, window):
    for epochs in range(2 * window, len(values) + 1):
        last = values[epochs - window : epochs]
        before = values[epochs - 2 * window : epochs - window]
        if last.mean() - before.mean() <= (before.var() + last.var()).sqrt():
            return epochs
    return len(values)


# %% pitfalls.2 | takes the size of the difference, so that a falling curve goes on
def stops_at(values, window):
    for epochs in range(2 * window, len(values) + 1):
        last = values[epochs - window : epochs]
        before = values[epochs - 2 * window : epochs - window]
        error = torch.sqrt((before.var() + last.var()) / window)
        if abs(last.mean() - before.mean()) <= error:
            return epochs
    return len(values)


# %% pitfalls.2 | makes do with a shorter window before, from two values on
def stops_at(values, window):
    for epochs in range(window + 2, len(values) + 1):
        last = values[epochs - window : epochs]
        before = values[max(0, epochs - 2 * window) : epochs - window]
        error = ((before.var() + last.var()) / window).sqrt()
        if last.mean() - before.mean() <= error:
            return epochs
    return len(values)


# %% pitfalls.2 | looks only once a window, not after each epoch
def stops_at(values, window):
    for epochs in range(2 * window, len(values) + 1, window):
        last = values[epochs - window : epochs]
        before = values[epochs - 2 * window : epochs - window]
        error = ((before.var() + last.var()) / window).sqrt()
        if last.mean() - before.mean() <= error:
            return epochs
    return len(values)


# %% pitfalls.2 | compares with the first window of the run, not with the one right before
def stops_at(values, window):
    before = values[:window]
    for epochs in range(2 * window, len(values) + 1):
        last = values[epochs - window : epochs]
        error = ((before.var() + last.var()) / window).sqrt()
        if last.mean() - before.mean() <= error:
            return epochs
    return len(values)


# %% pitfalls.2 | forgets the root: compares with the squared standard error
def stops_at(values, window):
    for epochs in range(2 * window, len(values) + 1):
        last = values[epochs - window : epochs]
        before = values[epochs - 2 * window : epochs - window]
        if last.mean() - before.mean() <= (before.var() + last.var()) / window:
            return epochs
    return len(values)


# %% pitfalls.2 | does not break, and keeps the last epoch at which the rule holds
def stops_at(values, window):
    stop = len(values)
    for epochs in range(2 * window, len(values) + 1):
        last = values[epochs - window : epochs]
        before = values[epochs - 2 * window : epochs - window]
        error = ((before.var() + last.var()) / window).sqrt()
        if last.mean() - before.mean() <= error:
            stop = epochs
    return stop


# %% pitfalls.2 | adds the two standard errors, not their squares
def stops_at(values, window):
    for epochs in range(2 * window, len(values) + 1):
        last = values[epochs - window : epochs]
        before = values[epochs - 2 * window : epochs - window]
        error = (before.std() + last.std()) / math.sqrt(window)
        if last.mean() - before.mean() <= error:
            return epochs
    return len(values)


# %% pitfalls.2 | returns nothing where the rule never stops
def stops_at(values, window):
    for epochs in range(2 * window, len(values) + 1):
        last = values[epochs - window : epochs]
        before = values[epochs - 2 * window : epochs - window]
        error = ((before.var() + last.var()) / window).sqrt()
        if last.mean() - before.mean() <= error:
            return epochs


# %% pitfalls.3 | clips each layer for itself
def guard(gradients, limit):
    if any(not torch.isfinite(gradient).all() for gradient in gradients):
        return [torch.zeros_like(gradient) for gradient in gradients]
    clipped = []
    for gradient in gradients:
        norm = gradient.norm().item()
        clipped.append(gradient * (limit / norm) if norm > limit else gradient.clone())
    return clipped


# %% pitfalls.3 | makes short gradients longer too
def guard(gradients, limit):
    if any(not torch.isfinite(gradient).all() for gradient in gradients):
        return [torch.zeros_like(gradient) for gradient in gradients]
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
    if norm == 0:
        return [gradient.clone() for gradient in gradients]
    return [gradient * (limit / norm) for gradient in gradients]


# %% pitfalls.3 | the sum of the layers' norms for the common norm
def guard(gradients, limit):
    if any(not torch.isfinite(gradient).all() for gradient in gradients):
        return [torch.zeros_like(gradient) for gradient in gradients]
    norm = sum(gradient.norm().item() for gradient in gradients)
    factor = limit / norm if norm > limit else 1.0
    return [gradient * factor for gradient in gradients]


# %% pitfalls.3 | scales the given tensors in place and returns them in a new list
def guard(gradients, limit):
    if any(not torch.isfinite(gradient).all() for gradient in gradients):
        return [torch.zeros_like(gradient) for gradient in gradients]
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
    if norm > limit:
        for gradient in gradients:
            gradient *= limit / norm
    return list(gradients)


# %% pitfalls.3 | looks for NaN only, and an infinite value becomes one
def guard(gradients, limit):
    if any(torch.isnan(gradient).any() for gradient in gradients):
        return [torch.zeros_like(gradient) for gradient in gradients]
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
    factor = limit / norm if norm > limit else 1.0
    return [gradient * factor for gradient in gradients]


# %% pitfalls.3 | zeros only for the layer that holds the bad value
def guard(gradients, limit):
    kept = [g.clone() if torch.isfinite(g).all() else torch.zeros_like(g) for g in gradients]
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in kept))
    factor = limit / norm if norm > limit else 1.0
    return [gradient * factor for gradient in kept]


# %% pitfalls.3 | skips only where a layer has no finite value at all: any in place of all
def guard(gradients, limit):
    if not all(torch.isfinite(gradient).any() for gradient in gradients):
        return [torch.zeros_like(gradient) for gradient in gradients]
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
    factor = limit / norm if norm > limit else 1.0
    return [gradient * factor for gradient in gradients]


# %% pitfalls.3 | returns a single zero for each layer, without the layer's shape
def guard(gradients, limit):
    if any(not torch.isfinite(gradient).all() for gradient in gradients):
        return [torch.tensor(0.0) for _ in gradients]
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
    factor = limit / norm if norm > limit else 1.0
    return [gradient * factor for gradient in gradients]


# %% pitfalls.3 | cuts off each value at the limit in place of scaling
def guard(gradients, limit):
    if any(not torch.isfinite(gradient).all() for gradient in gradients):
        return [torch.zeros_like(gradient) for gradient in gradients]
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
    if norm > limit:
        return [gradient.clamp(-limit, limit) for gradient in gradients]
    return [gradient.clone() for gradient in gradients]


# %% pitfalls.3 | hands back the very list that it was given where nothing is to be clipped
def guard(gradients, limit):
    if any(not torch.isfinite(gradient).all() for gradient in gradients):
        return [torch.zeros_like(gradient) for gradient in gradients]
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
    if norm <= limit:
        return gradients
    return [gradient * (limit / norm) for gradient in gradients]


# %% pitfalls.3 | a millionth added to the norm, which tells where the gradients are small
def guard(gradients, limit):
    if any(not torch.isfinite(gradient).all() for gradient in gradients):
        return [torch.zeros_like(gradient) for gradient in gradients]
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
    factor = min(1.0, limit / (norm + 1e-6))
    return [gradient * factor for gradient in gradients]


# %% pitfalls.3 | asks the norm whether it is finite, and large finite values overflow when squared
def guard(gradients, limit):
    norm = torch.cat([gradient.flatten() for gradient in gradients]).square().sum().sqrt()
    if not torch.isfinite(norm):
        return [torch.zeros_like(gradient) for gradient in gradients]
    if norm > limit:
        return [gradient * (limit / norm) for gradient in gradients]
    return [gradient.clone() for gradient in gradients]


# %% pitfalls.4 | less than `most` below, where it says at most
def trusted(answers, labels, most):
    hits = {name: (logits.argmax(1) == labels).sum().item() for name, logits in answers.items()}
    return [name for name in answers if hits["unchanged"] - hits[name] < most * len(labels)]


# %% pitfalls.4 | the size of the difference: a change that makes the teacher better is thrown out
def trusted(answers, labels, most):
    hits = {name: (logits.argmax(1) == labels).sum().item() for name, logits in answers.items()}
    return [name for name in answers if abs(hits["unchanged"] - hits[name]) <= most * len(labels) + 1e-6]


# %% pitfalls.4 | takes the first name of the dict for the unchanged images
def trusted(answers, labels, most):
    hits = [(logits.argmax(1) == labels).sum().item() for logits in answers.values()]
    return [name for name, right in zip(answers, hits) if hits[0] - right <= most * len(labels) + 1e-6]


# %% pitfalls.4 | leaves out "unchanged"
def trusted(answers, labels, most):
    base = (answers["unchanged"].argmax(1) == labels).sum().item()
    names = []
    for name, logits in answers.items():
        if name == "unchanged":
            continue
        if base - (logits.argmax(1) == labels).sum().item() <= most * len(labels) + 1e-6:
            names.append(name)
    return names


# %% pitfalls.4 | sorts the names by accuracy, the best first
def trusted(answers, labels, most):
    hits = {name: (logits.argmax(1) == labels).sum().item() for name, logits in answers.items()}
    names = [name for name in answers if hits["unchanged"] - hits[name] <= most * len(labels) + 1e-6]
    return sorted(names, key=lambda name: -hits[name])


# %% pitfalls.4 | takes `most` as a share of the unchanged accuracy
def trusted(answers, labels, most):
    hits = {name: (logits.argmax(1) == labels).sum().item() for name, logits in answers.items()}
    return [name for name in answers if hits[name] >= hits["unchanged"] * (1 - most) - 1e-6]


# %% pitfalls.4 | measures from 100%, not from the accuracy on the unchanged images
def trusted(answers, labels, most):
    names = []
    for name, logits in answers.items():
        wrong = (logits.argmax(1) != labels).sum().item()
        if wrong <= most * len(labels) + 1e-6:
            names.append(name)
    return names


# %% pitfalls.4 | counts where the teacher answers as on the unchanged image, and never uses the labels
def trusted(answers, labels, most):
    before = answers["unchanged"].argmax(1)
    names = []
    for name, logits in answers.items():
        other = (logits.argmax(1) != before).sum().item()
        if other <= most * len(before) + 1e-6:
            names.append(name)
    return names


# %% pitfalls.4 | subtracts in single precision without slack, and 1 - 0.9 is more than 0.1
def trusted(answers, labels, most):
    base = (answers["unchanged"].argmax(1) == labels).float().mean()
    return [name for name in answers if base - (answers[name].argmax(1) == labels).float().mean() <= most]


# %% pitfalls.4 | accuracies in percent, compared with `most` as it stands
def trusted(answers, labels, most):
    percent = {name: 100 * np.mean((logits.argmax(1) == labels).numpy()) for name, logits in answers.items()}
    return [name for name in answers if percent["unchanged"] - percent[name] <= most + 1e-6]


# %% pitfalls.4 | compares the largest logits with the labels, not their places
def trusted(answers, labels, most):
    hits = {name: (logits.max(dim=1).values == labels).sum().item() for name, logits in answers.items()}
    return [name for name in answers if hits["unchanged"] - hits[name] <= most * len(labels) + 1e-6]


# %% pitfalls.4 | takes "unchanged" out of the caller's dict and puts its name at the end
def trusted(answers, labels, most):
    base = (answers.pop("unchanged").argmax(1) == labels).sum().item()
    names = []
    for name, logits in answers.items():
        if base - (logits.argmax(1) == labels).sum().item() <= most * len(labels) + 1e-6:
            names.append(name)
    return names + ["unchanged"]


# %% pitfalls.5 | adds over the images, does not average
def norms(weights, inputs, targets):
    copies = [weight.detach().clone().requires_grad_() for weight in weights]
    x = inputs
    for weight in copies[:-1]:
        x = torch.tanh(x @ weight.T)
    loss = 0.5 * (x @ copies[-1].T - targets).square().sum()
    return torch.stack([gradient.norm() for gradient in torch.autograd.grad(loss, copies)])


# %% pitfalls.5 | averages over the outputs as well
def norms(weights, inputs, targets):
    copies = [weight.detach().clone().requires_grad_() for weight in weights]
    x = inputs
    for weight in copies[:-1]:
        x = torch.tanh(x @ weight.T)
    loss = torch.nn.functional.mse_loss(x @ copies[-1].T, targets) / 2
    return torch.stack([gradient.norm() for gradient in torch.autograd.grad(loss, copies)])


# %% pitfalls.5 | forgets the half, so that every norm is twice as large
def norms(weights, inputs, targets):
    copies = [weight.detach().clone().requires_grad_() for weight in weights]
    x = inputs
    for weight in copies[:-1]:
        x = torch.tanh(x @ weight.T)
    loss = (x @ copies[-1].T - targets).square().sum(dim=1).mean()
    return torch.stack([gradient.norm() for gradient in torch.autograd.grad(loss, copies)])


# %% pitfalls.5 | a tanh after the last layer too
def norms(weights, inputs, targets):
    copies = [weight.detach().clone().requires_grad_() for weight in weights]
    x = inputs
    for weight in copies:
        x = torch.tanh(x @ weight.T)
    loss = (x - targets).square().sum() / (2 * len(inputs))
    return torch.stack([gradient.norm() for gradient in torch.autograd.grad(loss, copies)])


# %% pitfalls.5 | in the order of the way back: the layer next to the outputs first
def norms(weights, inputs, targets):
    outputs = [inputs]
    for weight in weights[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight.T))
    delta = (outputs[-1] @ weights[-1].T - targets) / len(inputs)
    found = []
    for weight, entering in zip(reversed(weights), reversed(outputs)):
        found.append((delta.T @ entering).norm())
        delta = (delta @ weight) * (1 - entering**2)
    return torch.stack(found)


# %% pitfalls.5 | calls backward on the given matrices: they keep a gradient, and a second call adds to it
def norms(weights, inputs, targets):
    for weight in weights:
        weight.requires_grad_()
    x = inputs
    for weight in weights[:-1]:
        x = torch.tanh(x @ weight.T)
    loss = (x @ weights[-1].T - targets).square().sum() / (2 * len(inputs))
    loss.backward()
    return torch.stack([weight.grad.norm() for weight in weights])


# %% pitfalls.5 | by hand, without the slope of tanh on the way back
def norms(weights, inputs, targets):
    outputs = [inputs]
    for weight in weights[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight.T))
    delta = (outputs[-1] @ weights[-1].T - targets) / len(inputs)
    found = []
    for weight, entering in zip(reversed(weights), reversed(outputs)):
        found.insert(0, (delta.T @ entering).norm())
        delta = delta @ weight
    return torch.stack(found)


# %% pitfalls.5 | by hand, with the slope of tanh taken at its output: tanh twice
def norms(weights, inputs, targets):
    outputs = [inputs]
    for weight in weights[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight.T))
    delta = (outputs[-1] @ weights[-1].T - targets) / len(inputs)
    found = []
    for weight, entering in zip(reversed(weights), reversed(outputs)):
        found.insert(0, (delta.T @ entering).norm())
        delta = (delta @ weight) * (1 - torch.tanh(entering) ** 2)
    return torch.stack(found)


# %% pitfalls.5 | the sum of the squares, without the root
def norms(weights, inputs, targets):
    copies = [weight.detach().clone().requires_grad_() for weight in weights]
    x = inputs
    for weight in copies[:-1]:
        x = torch.tanh(x @ weight.T)
    loss = (x @ copies[-1].T - targets).square().sum() / (2 * len(inputs))
    return torch.stack([gradient.square().sum() for gradient in torch.autograd.grad(loss, copies)])


# %% pitfalls.5 | does not transpose the matrices
def norms(weights, inputs, targets):
    copies = [weight.detach().clone().requires_grad_() for weight in weights]
    x = inputs
    for weight in copies[:-1]:
        x = torch.tanh(x @ weight)
    loss = (x @ copies[-1] - targets).square().sum() / (2 * len(inputs))
    return torch.stack([gradient.norm() for gradient in torch.autograd.grad(loss, copies)])


# %% pitfalls.5 | the average of each image's own norm, not the norm of the average gradient
def norms(weights, inputs, targets):
    total = torch.zeros(len(weights), dtype=inputs.dtype)
    for image, target in zip(inputs, targets):
        copies = [weight.detach().clone().requires_grad_() for weight in weights]
        x = image
        for weight in copies[:-1]:
            x = torch.tanh(weight @ x)
        loss = (copies[-1] @ x - target).square().sum() / 2
        total += torch.stack([gradient.norm() for gradient in torch.autograd.grad(loss, copies)])
    return total / len(inputs)


# %% pitfalls.5 | linalg.norm with 2, which is a matrix's largest singular value
def norms(weights, inputs, targets):
    copies = [weight.detach().clone().requires_grad_() for weight in weights]
    x = inputs
    for weight in copies[:-1]:
        x = torch.tanh(x @ weight.T)
    loss = (x @ copies[-1].T - targets).square().sum() / (2 * len(inputs))
    return torch.stack([torch.linalg.norm(gradient, 2) for gradient in torch.autograd.grad(loss, copies)])

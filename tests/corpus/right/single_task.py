"""Right answers to the exercises on the single task, by different roads; each cell stands alone."""

import math

import numpy as np
import torch
from torch.nn import functional as F

# %% single_task.1 | written down
shows = {
    "the student's forward pass stands under no_grad, the teacher's does not": "no learning",
    "both forward passes stand under no_grad": "an error",
    "the teacher answers once before the loop, without no_grad": "an error",
    "the divergence is divided by the batch size once more, under Adam": "a plausible number",
    "the optimiser was given the teacher's parameters": "no learning",
}

# %% single_task.1 | grouped by the answer, then turned round: another order of the keys
_groups = {
    "an error": [
        "both forward passes stand under no_grad",
        "the teacher answers once before the loop, without no_grad",
    ],
    "no learning": [
        "the optimiser was given the teacher's parameters",
        "the student's forward pass stands under no_grad, the teacher's does not",
    ],
    "a plausible number": [
        "the divergence is divided by the batch size once more, under Adam",
    ],
}
shows = {case: answer for answer, cases in _groups.items() for case in cases}


# %% single_task.1 | really runs the six mistakes
def _run(case, steps=100):
    maker = torch.Generator().manual_seed(0)
    x = torch.randn(200, 8, generator=maker)
    teacher = torch.nn.Linear(8, 4)
    student = torch.nn.Linear(8, 4)
    with torch.no_grad():
        teacher.weight.copy_(3 * torch.randn(4, 8, generator=maker))
        teacher.bias.zero_()
        student.weight.copy_(0.3 * torch.randn(4, 8, generator=maker))
        student.bias.zero_()
        labels = teacher(x).argmax(1)

    def right(model):
        with torch.no_grad():
            return (model(x).argmax(1) == labels).double().mean().item()

    start = right(student)
    held = teacher if case.startswith("the optimiser") else student
    optimiser = torch.optim.Adam(held.parameters(), lr=0.05)
    student_graph = "under no_grad" not in case or case.startswith("the optimiser")
    teacher_graph = case.startswith(("the student's", "the optimiser", "the teacher answers"))
    if case.startswith("the teacher answers"):
        once = teacher(x)
    try:
        for _ in range(steps):
            if case.startswith("the teacher answers"):
                z = once
            else:
                with torch.set_grad_enabled(teacher_graph):
                    z = teacher(x)
            with torch.set_grad_enabled(student_graph):
                answer = student(x)
            loss = F.kl_div(answer.log_softmax(1), z.softmax(1), reduction="batchmean")
            if "once more" in case:
                loss = loss / len(x)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    except RuntimeError:
        return "an error"
    end = right(teacher if "examined" in case else student)
    return "a plausible number" if end > start + 0.2 else "no learning"


shows = {
    case: _run(case)
    for case in (
        "the student's forward pass stands under no_grad, the teacher's does not",
        "both forward passes stand under no_grad",
        "the teacher answers once before the loop, without no_grad",
        "the divergence is divided by the batch size once more, under Adam",
        "the optimiser was given the teacher's parameters",
    )
}


# %% single_task.2 | torch.equal, which looks at the shape as well
def moved(before, after):
    return [n for n, v in after.items() if n not in before or not torch.equal(before[n], v)]


# %% single_task.2 | numpy.array_equal in a loop, with a default that never fits
def moved(before, after):
    names = []
    for name, value in after.items():
        old = before.get(name)
        same = old is not None and np.array_equal(old.cpu().numpy(), value.cpu().numpy())
        if not same:
            names.append(name)
    return names


# %% single_task.2 | by lists and shapes, in plain Python, three small functions
def moved(before, after):
    def new(name):
        return name not in before

    def reshaped(name):
        return before[name].shape != after[name].shape

    def changed(name):
        old, now = before[name].flatten().tolist(), after[name].flatten().tolist()
        return any(a != b for a, b in zip(old, now, strict=True))

    return list(filter(lambda n: new(n) or reshaped(n) or changed(n), after))


# %% single_task.3 | the given function, mended
def step(inputs, labels, teacher, student, temperature, lr):
    weights = student.clone().requires_grad_()
    answer, z = inputs @ weights.T, inputs @ teacher.T
    log_q, p = F.log_softmax(answer / temperature, dim=1), (z / temperature).softmax(dim=1)
    kl = F.kl_div(log_q, p, reduction="none").sum(dim=1).mean()
    loss = temperature**2 * kl + F.cross_entropy(answer, labels)
    (gradient,) = torch.autograd.grad(loss, weights)
    return weights.detach() - lr * gradient, teacher


# %% single_task.3 | the gradient by hand in numpy, T (q - p) and no autograd; arrays come back
def step(inputs, labels, teacher, student, temperature, lr):
    x, y = inputs.detach().numpy().astype(float), labels.numpy()
    w_t, w_s = teacher.detach().numpy().astype(float), student.detach().numpy().astype(float)

    def softmax(a):
        a = np.exp(a - a.max(axis=1, keepdims=True))
        return a / a.sum(axis=1, keepdims=True)

    hard = softmax(x @ w_s.T)
    hard[np.arange(len(y)), y] -= 1
    soft = softmax(x @ w_s.T / temperature) - softmax(x @ w_t.T / temperature)
    gradient = (temperature * soft + hard).T @ x / len(x)
    return w_s - lr * gradient, w_t


# %% single_task.3 | nn.Linear and torch.optim.SGD; soft cross-entropy, whose gradient is the divergence's
def step(inputs, labels, teacher, student, temperature, lr):
    classes, features = student.shape
    model = torch.nn.Linear(features, classes, bias=False, dtype=student.dtype)
    with torch.no_grad():
        model.weight.copy_(student)
        targets = F.softmax(inputs @ teacher.T / temperature, dim=1)
    optimiser = torch.optim.SGD(model.parameters(), lr=lr)
    logits = model(inputs)
    loss = temperature**2 * F.cross_entropy(logits / temperature, targets)
    loss = loss + F.cross_entropy(logits, labels)
    loss.backward()
    optimiser.step()
    return [model.weight.detach(), teacher.clone()]


# %% single_task.3 | image by image, torch.func.grad, log_target, the gradients averaged
def step(inputs, labels, teacher, student, temperature, lr):
    def loss(weights, x, y):
        log_q = torch.log_softmax(weights @ x / temperature, dim=0)
        log_p = torch.log_softmax(teacher @ x / temperature, dim=0)
        kl = torch.sum(log_p.exp() * (log_p - log_q))
        return temperature**2 * kl - torch.log_softmax(weights @ x, dim=0)[y]

    slope = torch.func.grad(loss)
    total = torch.zeros_like(student)
    for x, y in zip(inputs, labels.tolist(), strict=True):
        total = total + slope(student, x, y)
    return student - lr * total / len(inputs), teacher


# %% single_task.4 | counts, as the loop does
def distilling_steps(images, batch_size, epochs, every):
    steps = 0
    for _ in range(epochs):
        for i, _start in enumerate(range(0, images, batch_size)):
            if i % every == 0:
                steps += 1
    return steps


# %% single_task.4 | rounding up twice
def distilling_steps(images, batch_size, epochs, every):
    return epochs * math.ceil(math.ceil(images / batch_size) / every)


# %% single_task.4 | one floor division: a distilling step for every batch_size * every images begun
def distilling_steps(images, batch_size, epochs, every):
    return -(-images // (batch_size * every)) * epochs


# %% single_task.4 | ranges of ranges, and a tensor comes back
def distilling_steps(images, batch_size, epochs, every):
    batches = torch.arange(images).split(batch_size) if images else ()
    return epochs * torch.tensor(len(batches[::every]))

"""Answers to the exercises of ``single_task``."""

import math

import torch
from torch import nn
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- single_task.1

SHOWN = ["no learning", "an error", "an error", "a plausible number", "no learning"]


def looked_up(slip):
    return dict(zip(kd.checks.find("single_task.1").rungs, SHOWN, strict=True))[slip]


def by_the_word(slip):
    if "both" in slip or "once before" in slip:
        return "an error"
    return "a plausible number" if "Adam" in slip else "no learning"


def by_place(slip):
    return SHOWN[kd.checks.find("single_task.1").rungs.index(slip)]


# ---------------------------------------------------------------- single_task.2


def in_a_loop(before, after):
    found = []
    for name in after:
        old = before.get(name)
        if old is None or old.shape != after[name].shape or (old != after[name]).any():
            found.append(name)
    return found


def by_lists(before, after):
    return [name for name, value in after.items() if name not in before or before[name].tolist() != value.tolist()]


def by_sets(before, after):
    same = {name for name in before if name in after and torch.equal(before[name], after[name])}
    return [name for name in after if name not in same]


# ---------------------------------------------------------------- single_task.3


def with_modules(inputs, labels, teacher, student, temperature, lr):
    model = nn.Linear(student.shape[1], len(student), bias=False, dtype=student.dtype)
    model.weight.data = student.clone()
    loss = kd.losses.soft_targets(model(inputs), inputs @ teacher.T, temperature=temperature, alpha=1.0)
    (loss + F.cross_entropy(model(inputs), labels)).backward()
    torch.optim.SGD(model.parameters(), lr=lr).step()
    return model.weight.detach(), teacher


def by_the_formula(inputs, labels, teacher, student, temperature, lr):
    T, z, v = temperature, inputs @ student.T, inputs @ teacher.T
    by_logits = T * ((z / T).softmax(1) - (v / T).softmax(1)) + z.softmax(1) - F.one_hot(labels, len(student))
    return student - lr * by_logits.T @ inputs / len(inputs), teacher


def with_functional(inputs, labels, teacher, student, temperature, lr):
    def loss(weights):
        q, p = ((inputs @ w.T / temperature).log_softmax(1) for w in (weights, teacher))
        kl = temperature**2 * (p.exp() * (p - q)).sum(1).mean()
        return kl + F.cross_entropy(inputs @ weights.T, labels)

    return (student - lr * torch.func.grad(loss)(student), teacher)


def in_place(inputs, labels, teacher, student, temperature, lr):
    student -= lr * (student - by_the_formula(inputs, labels, teacher, student, temperature, 1.0)[0])
    return student, teacher


# ---------------------------------------------------------------- single_task.4


def by_ranges(images, batch_size, epochs, every):
    return epochs * len(range(0, len(range(0, images, batch_size)), every))


def by_whole_numbers(images, batch_size, epochs, every):
    batches = (images + batch_size - 1) // batch_size
    return epochs * ((batches + every - 1) // every)


def counted(images, batch_size, epochs, every):
    return sum(1 for _ in range(epochs) for i in range(math.ceil(images / batch_size)) if i % every == 0)


RIGHT = {
    "single_task.1": [looked_up, by_the_word, by_place],
    "single_task.2": [in_a_loop, by_lists, by_sets],
    "single_task.3": [with_modules, by_the_formula, with_functional],
    "single_task.4": [by_ranges, by_whole_numbers, counted],
}
WRONG = {
    "single_task.2": [
        (lambda b, a: None, "None came back"),
        (lambda b, a: list(a) + b["nothing"], "Error: KeyError"),
        (lambda b, a: list(a), "2 values came back; 0 are expected"),
        (lambda b, a: "weight", "'weight' came back; 0 values are expected"),
        (lambda b, a: [], "0 values came back; 1 are expected"),
    ],
    "single_task.3": [
        (lambda x, y, t, s, T, lr: None, "None came back"),
        (lambda x, y, t, s, T, lr: x @ t, "Error: RuntimeError"),
        (in_place, "Changed: student, in place"),
        (lambda x, y, t, s, T, lr: (s, t, t), "3 values came back; 2 are expected"),
        (lambda x, y, t, s, T, lr: (by_the_formula(x, y, t, s, T, lr)[0].T, t), "came back; a tensor"),
    ],
    "single_task.4": [
        (lambda n, b, e, k: None, "None came back"),
        (lambda n, b, e, k: n / 0, "Error: ZeroDivisionError"),
        (lambda n, b, e, k: [n], "came back; a number is expected"),
        (lambda n, b, e, k: 2 * counted(n, b, e, k), "Every value is 2 times the expected one"),
        (lambda n, b, e, k: 10, "Every value that came back, on every input, is 10"),
    ],
}  # fmt: skip

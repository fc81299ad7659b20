"""Answers to the exercises of ``why_distil``."""

import math
import time

import numpy as np
import torch
from scipy.special import softmax as scipy_softmax
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- why_distil.1


def rows_in_a_loop(logits, temperature):
    rows = []
    for row in logits.tolist():
        top = max(row)
        exps = [math.exp((v - top) / temperature) for v in row]
        rows.append([e / sum(exps) for e in exps])
    return torch.tensor(rows)


def shifted_in_place(logits, temperature):
    logits -= logits.max(dim=1, keepdim=True).values
    return (logits / temperature).softmax(1)


def by_the_logarithm(logits, temperature):
    z = logits.double() / temperature
    return (z - z.logsumexp(dim=1, keepdim=True)).exp()


# ---------------------------------------------------------------- why_distil.2

MOVES = ["up", "same", "down", "same", "down"]


def moves(change):
    table = dict(zip(kd.checks.find("why_distil.2").rungs, MOVES, strict=True))
    return table[change]


def by_experiment(change):
    z = np.array([3.0, 1.0, 0.5, 0.0])
    new = {"T f": z / 4, "eve": z + 100, "the": z + np.array([2, 0, 0, 0])}[change[:3]]
    new = 3 * z if change.endswith("times 3") else z if "T from 1 to 3" in change else new
    a, b = (-(p * np.log(p)).sum() for p in (scipy_softmax(z), scipy_softmax(new)))
    return "same" if abs(a - b) < 1e-9 else ("up" if b > a else "down")


def in_branches(change):
    if change in ("T from 1 to 4",):
        return "up"
    return "same" if "100" in change or "1 to 3" in change else "down"


# ---------------------------------------------------------------- why_distil.3


def placed_one_by_one(i, o, k, size, stride, padding):
    places = len(range(0, size + 2 * padding - k + 1, stride))
    multiplications = sum(i * k * k for _ in range(places) for _ in range(places)) * o
    return o * (i * k * k + 1), 2 * multiplications


def asked_of_torch(i, o, k, size, stride, padding):
    layer = torch.nn.Conv2d(i, o, k, stride=stride, padding=padding)
    return kd.models.parameter_count(layer), kd.evaluation.flops(layer, torch.rand(1, i, size, size))


def as_floats(i, o, k, size, stride, padding):
    out = math.floor((size + 2 * padding - k) / stride) + 1
    weights = float(i * o * k * k)
    return np.array([weights + o, 2.0 * weights * out * out])


# ---------------------------------------------------------------- why_distil.4


def soft(z, t):
    return (z / t).softmax(1)


def one_image_at_a_time(logits, labels, temperature):
    p = soft(logits, temperature)
    return torch.stack([p[labels == label].mean(dim=0) for label in labels])


def by_matrix(logits, labels, temperature):
    hot = F.one_hot(labels).to(logits.dtype)
    means = torch.einsum("nk,nc->kc", hot, soft(logits, temperature)) / hot.sum(0)[:, None].clamp(min=1)
    return means[labels]


def in_numpy(logits, labels, temperature):
    p, y = scipy_softmax(logits.numpy().astype(np.float64) / temperature, axis=1), labels.numpy()
    return np.stack([p[y == c].mean(axis=0) for c in y])


def overwritten(logits, labels, temperature):
    logits.copy_(soft(logits, temperature))
    return one_image_at_a_time(logits.log(), labels, 1.0)


# ---------------------------------------------------------------- why_distil.5


def fitted(student, images, targets, steps, lr=1e-2):
    optimizer = torch.optim.AdamW(student.parameters(), lr=lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    student.train()
    for _ in range(steps):
        at = torch.randint(len(images), (128,))
        loss = F.cross_entropy(student(images[at]), targets[at])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return student.eval()


@torch.no_grad()
def said(student, exam):
    return student(exam).argmax(dim=1)


def at_temperature_one(images, labels, unlabelled, teacher_logits, exam):
    return said(fitted(kd.build("cnn", width=8, seed=1), unlabelled, teacher_logits.softmax(1), 300), exam)


def pseudo_labels(images, labels, unlabelled, teacher_logits, exam):
    x, y = torch.cat([images, unlabelled]), torch.cat([labels, teacher_logits.argmax(1)])
    return said(fitted(kd.build("cnn", width=8, seed=2), x, y, 300), exam).numpy()


def with_the_package(images, labels, unlabelled, teacher_logits, exam):
    soft = (teacher_logits / 4).softmax(dim=1)
    student = kd.build("cnn", width=8, seed=3)

    def imitate(student_logits, _, soft):
        return 16 * F.cross_entropy(student_logits / 4, soft)

    kd.train(student, (unlabelled, soft), loss=imitate, epochs=20, lr=1e-2, progress=False)
    return said(student, exam)


def labels_only(images, labels, unlabelled, teacher_logits, exam):
    return said(fitted(kd.build("linear", seed=0), images, labels, 60, lr=1e-3), exam)


def slow(*arrays):
    time.sleep(30)


RIGHT = {
    "why_distil.1": [rows_in_a_loop, by_the_logarithm, lambda z, t: scipy_softmax(z.double().numpy() / t, axis=1)],
    "why_distil.2": [moves, by_experiment, in_branches],
    "why_distil.3": [placed_one_by_one, asked_of_torch, as_floats],
    "why_distil.4": [one_image_at_a_time, by_matrix, in_numpy],
    "why_distil.5": [at_temperature_one, pseudo_labels, with_the_package],
}
WRONG = {
    "why_distil.1": [
        (lambda z, t: None, "None came back"),
        (lambda z, t: (z / t).softmax(1)[0], "came back; a tensor 2×3 is expected"),
        (lambda z, t: z.view(-1, 7) / t, "Error: RuntimeError"),
        (shifted_in_place, "Changed: logits, in place"),
        (lambda z, t: (z / t).softmax(1) * 2, "Every value is 2 times the expected one"),
        (lambda z, t: (z / (t + 1)).softmax(1), "values differ"),
    ],
    "why_distil.2": [
        (lambda change: None, "None came back"),
        (lambda change: "sideways", "'sideways' is no answer here"),
        (lambda change: {}[change], "Error: KeyError"),
        (lambda change: "up", "'up' is not what happens"),
        (lambda: "up", "too many positional arguments"),
    ],
    "why_distil.3": [
        (lambda i, o, k, s, st, p: None, "None came back"),
        (lambda i, o, k, s, st, p: i * o * k * k + o, "2 values are expected"),
        (lambda i, o, k, s, st, p: (i * o * k * k + o, i / (s - 4)), "Error: ZeroDivisionError"),
        (lambda i, o, k, s, st, p: (i * o * k * k + 1, 2 * i * o * k * k * ((s + 2 * p - k) // st + 1) ** 2), "value 1: 201 where 208 is expected"),
        (lambda i, o, k, s, st, p: (i * o * k * k + o, 2 * i * o * k * k * ((s - k) // st + 1) ** 2), "value 2: 57600 where 78400 is expected"),
        (lambda i, o, k, s, st, p: f"{i}", "'1' came back"),
    ],
    "why_distil.4": [
        (lambda z, y, t: None, "None came back"),
        (lambda z, y, t: soft(z, t), "values differ, first at [0, 0]"),
        (lambda z, y, t: soft(z, t).mean(0), "came back; a tensor 3×2 is expected"),
        (lambda z, y, t: soft(z, t)[y.max() :].view(3, 5), "Error: RuntimeError"),
        (overwritten, "Changed: teacher_logits, in place"),
    ],
    "why_distil.5": [
        (lambda x, y, u, z, e: torch.zeros(len(e)), "All predictions are one class"),
        (lambda x, y, u, z, e: None, "None came back"),
        (lambda x, y, u, z, e: torch.rand(len(e), 10), "Take the class with the highest logit"),
        (lambda x, y, u, z, e: torch.arange(len(e)) % 10, "No better than guessing"),
        (labels_only, "No better than the labels alone"),
        (lambda x, y, u, z, e: torch.rand(len(e)), "classes are whole numbers from 0 to 9"),
    ],
}  # fmt: skip

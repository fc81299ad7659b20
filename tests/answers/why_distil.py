"""Answers to the exercises of ``why_distil``."""

import math
import time

import numpy as np
import torch
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- why_distil.2


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


# ---------------------------------------------------------------- why_distil.1


def by_torch(z, v):
    return F.cross_entropy(z, v.softmax(1))


def by_einsum(z, v):
    return -torch.einsum("nc,nc->", v.double().softmax(1), z.double().log_softmax(1)) / len(z)


def image_by_image(z, v):
    values = [-(b.softmax(0) * a.log_softmax(0)).sum() for a, b in zip(z.double(), v.double(), strict=True)]
    return sum(values) / len(values)


# ---------------------------------------------------------------- why_distil.3


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
    "why_distil.2": [placed_one_by_one, asked_of_torch, as_floats],
    "why_distil.1": [by_torch, by_einsum, image_by_image],
    "why_distil.3": [at_temperature_one, pseudo_labels, with_the_package],
}
WRONG = {
    "why_distil.2": [
        (lambda i, o, k, s, st, p: None, "None came back"),
        (lambda i, o, k, s, st, p: i * o * k * k + o, "2 values are expected"),
        (lambda i, o, k, s, st, p: (i * o * k * k + o, i / (s - 4)), "Error: ZeroDivisionError"),
        (lambda i, o, k, s, st, p: (i * o * k * k + 1, 2 * i * o * k * k * ((s + 2 * p - k) // st + 1) ** 2), "value 1: 201 where 208 is expected"),
        (lambda i, o, k, s, st, p: (i * o * k * k + o, 2 * i * o * k * k * ((s - k) // st + 1) ** 2), "value 2: 57600 where 78400 is expected"),
        (lambda i, o, k, s, st, p: f"{i}", "'1' came back"),
    ],
    "why_distil.1": [
        (lambda z, v: None, "None came back"),
        (lambda z, v: F.cross_entropy(z, v.softmax(1), reduction="none"), "a tensor 1 came back; a number is expected"),
        (lambda z, v: F.cross_entropy(z, v.argmax()), "Error: "),
        (lambda z, v: 3 * by_torch(z, v), "Every value is 3 times the expected one"),
        (lambda z, v: F.mse_loss(z, v), "0 where 1.38629 is expected"),
    ],
    "why_distil.3": [
        (lambda x, y, u, z, e: torch.zeros(len(e)), "All predictions are one class"),
        (lambda x, y, u, z, e: None, "None came back"),
        (lambda x, y, u, z, e: torch.rand(len(e), 10), "Take the class with the highest logit"),
        (lambda x, y, u, z, e: torch.arange(len(e)) % 10, "No better than guessing"),
        (labels_only, "A linear model of the"),
        (lambda x, y, u, z, e: torch.rand(len(e)), "classes are whole numbers from 0 to 9"),
    ],
}  # fmt: skip

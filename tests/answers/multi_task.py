"""Answers to the exercises of ``multi_task``."""

import numpy as np
import torch
from torch.nn import functional as F
from torchvision.ops import box_iou

import kdcourse as kd

# ---------------------------------------------------------------- multi_task.1

SHOWN = ["above a half", "below a half", "0", "below a half", "a half"]


def looked_up(case):
    return dict(zip(kd.checks.find("multi_task.1").rungs, SHOWN, strict=True))[case]


def by_words(case):
    if "all of" in case:
        return "0"
    if "around" in case:
        return "a half"
    return "above a half" if "a quarter" in case else "below a half"


def by_place(case):
    return SHOWN[kd.checks.find("multi_task.1").rungs.index(case)]


# ---------------------------------------------------------------- multi_task.2


def by_torchvision(boxes, others):
    flat = [(b[:, 2:] <= b[:, :2]).any(dim=1) for b in (boxes, others)]
    found = box_iou(boxes, others).diagonal()
    return torch.where(flat[0] | flat[1], torch.zeros_like(found), found)


def by_numpy(boxes, others):
    a, b = boxes.numpy().astype(float), others.numpy().astype(float)
    sides = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None)
    areas = [np.prod(np.clip(v[:, 2:] - v[:, :2], 0, None), axis=1) for v in (a, b)]
    both = sides.prod(axis=1)
    union = areas[0] + areas[1] - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


def pair_by_pair(boxes, others):
    found = []
    for (a, b, c, d), (e, f, g, h) in zip(boxes.tolist(), others.tolist(), strict=True):
        shared = max(0, min(c, g) - max(a, e)) * max(0, min(d, h) - max(b, f))
        union = max(0, c - a) * max(0, d - b) + max(0, g - e) * max(0, h - f) - shared
        found.append(shared / union if union > 0 else 0.0)
    return found


# ---------------------------------------------------------------- multi_task.3


def by_a_mask(student, teacher, truth, margin):
    ours, theirs = ((box - truth).pow(2).sum(1) for box in (student, teacher))
    return ((ours + margin > theirs) * ours).mean()


def by_a_loop(student, teacher, truth, margin):
    total = student.sum() * 0
    for s, t, y in zip(student, teacher, truth, strict=True):
        if (s - y) @ (s - y) + margin > (t - y) @ (t - y):
            total = total + F.mse_loss(s, y, reduction="sum")
    return total / len(student)


def by_the_package(student, teacher, truth, margin):
    return kd.losses.bounded_box(student, teacher, truth, margin=margin)


# ---------------------------------------------------------------- multi_task.4


def by_arrays(scores, singles, lower_is_better):
    changes = np.array(scores) / np.array(singles) - 1
    return np.where(lower_is_better, -changes, changes).mean()


def by_tensors(scores, singles, lower_is_better):
    m, s = (torch.tensor(row, dtype=torch.float64) for row in (scores, singles))
    return ((1 - 2 * torch.tensor(lower_is_better).double()) * (m - s) / s).mean()


def by_the_package_too(scores, singles, lower_is_better):
    return kd.multitask.delta_m(scores, singles, lower_is_better=lower_is_better)


# ---------------------------------------------------------------- multi_task.5


def learned(canvases, classes, boxes, exam, *, weight=0.4, steps=150, lr=3e-2, optimizer="adamw"):
    net = kd.multitask.two_headed("cnn", width=8, size=32, seed=1)
    if optimizer == "adamw":
        opt = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.02)
    else:
        opt = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    plan = torch.optim.lr_scheduler.OneCycleLR(opt, lr, total_steps=steps)
    net.train()
    for _ in range(steps):
        at = torch.randperm(len(canvases))[:64]
        found = net(canvases[at])
        apart = kd.losses.box_distance(found["box"], boxes[at]).mean()
        loss = F.cross_entropy(found["class"], classes[at]) + weight * apart
        opt.zero_grad()
        loss.backward()
        opt.step()
        plan.step()
    with torch.no_grad():
        found = net.eval()(exam)
    return found["class"].argmax(dim=1), found["box"]


def side_by_side(canvases, classes, boxes, exam):
    said, where = learned(canvases, classes, boxes, exam, weight=0.5, steps=170)
    return torch.cat([said[:, None].float(), where], dim=1)


def in_numpy(canvases, classes, boxes, exam):
    said, where = learned(canvases, classes, boxes, exam, weight=0.3, steps=160)
    return np.concatenate([said.numpy()[:, None], where.numpy()], axis=1)


def by_the_loop(canvases, classes, boxes, exam):
    net = kd.multitask.two_headed("cnn", width=8, size=32, seed=0)
    loss = kd.losses.PerHead({"class": kd.losses.CrossEntropy(), "box": 0.4 * kd.losses.Box()})
    part = kd.data.Part(canvases, {"class": classes, "box": boxes})
    kd.train(net, part, loss=loss, epochs=8, batch_size=64, lr=2e-2, progress=False)
    with torch.no_grad():
        found = net(exam)
    return [[float(c), *b] for c, b in zip(found["class"].argmax(1).tolist(), found["box"].tolist(), strict=True)]


# ---------------------------------------------------------------- wrong ones


def class_alone(canvases, classes, boxes, exam):
    said, _ = learned(canvases, classes, boxes, exam, weight=0.0, steps=60)
    middle = torch.tensor([[0.25, 0.25, 0.75, 0.75]]).expand(len(exam), 4)
    return torch.cat([said[:, None].float(), middle], dim=1)


def box_above_all(canvases, classes, boxes, exam):
    said, where = learned(canvases, classes, boxes, exam, weight=100.0, steps=60)
    return torch.cat([said[:, None].float(), where], dim=1)


def boxes_forgotten(canvases, classes, boxes, exam):
    return torch.zeros(len(exam), dtype=torch.long)


def box_before_class(canvases, classes, boxes, exam):
    return torch.cat([boxes.mean(dim=0).expand(len(exam), 4), torch.ones(len(exam), 1)], dim=1)


RIGHT = {
    "multi_task.1": [looked_up, by_words, by_place],
    "multi_task.2": [by_torchvision, by_numpy, pair_by_pair],
    "multi_task.3": [by_a_mask, by_a_loop, by_the_package],
    "multi_task.4": [by_arrays, by_tensors, by_the_package_too],
    "multi_task.5": [side_by_side, in_numpy, by_the_loop],
}
WRONG = {
    "multi_task.2": [
        (lambda a, b: None, "None came back"),
        (lambda a, b: a @ b, "Error: RuntimeError"),
        (lambda a, b: by_numpy(a, b)[:, None], "a tensor 1×1 came back; a tensor 1 is expected"),
        (lambda a, b: box_iou(a, b).diagonal(), "are NaN"),
        (lambda a, b: (by_torchvision(a, b), a.clamp_(0, 0.5))[0], "Changed: boxes, in place"),
    ],
    "multi_task.3": [
        (lambda s, t, y, m: None, "None came back"),
        (lambda s, t, y, m: s @ t, "Error: RuntimeError"),
        (lambda s, t, y, m: 2 * by_a_mask(s, t, y, m), "Every value is 2 times the expected one"),
        (lambda s, t, y, m: by_a_mask(s, t, y, m).item(), "none reaches student"),
        (lambda s, t, y, m: by_a_mask(s.detach() / 2 + s / 2, t, y, m), "another one reaches student"),
    ],
    "multi_task.4": [
        (lambda m, s, low: None, "None came back"),
        (lambda m, s, low: sum(m) / 0, "Error: ZeroDivisionError"),
        (lambda m, s, low: [by_arrays(m, s, low)], "came back; a number is expected"),
        (lambda m, s, low: 100 * by_arrays(m, s, low), "A fraction is asked for"),
        (lambda m, s, low: (by_arrays(m, s, low), m.append(0.5))[0], "Changed: scores, in place"),
    ],
    "multi_task.5": [
        (class_alone, "of the boxes are right"),
        (box_above_all, "Which of the two shares is low?"),
        (boxes_forgotten, "rows of a class and a box"),
        (box_before_class, "The class comes first in a row"),
    ],
}  # fmt: skip

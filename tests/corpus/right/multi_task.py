"""Right answers to the exercises on multi-task learning, by different roads; each cell stands alone."""

import math

import kdcourse as kd
import numpy as np
import torch
from torch.nn import functional as F

# %% multi_task.1 | by hand: 3/5, 1/3, 0, 1/4 and 1/2
how_much = {
    "a quarter of its width to the right": "above a half",
    "half of its width to the right": "below a half",
    "all of its width to the right": "0",
    "in the same middle, half as wide and half as high": "below a half",
    "around it, as wide and twice as high": "a half",
}

# %% multi_task.1 | whole numbers for the corners, and twice the intersection against the union
true = (4, 4, 8, 8)
cases = {
    "a quarter of its width to the right": (5, 4, 9, 8),
    "half of its width to the right": (6, 4, 10, 8),
    "all of its width to the right": (8, 4, 12, 8),
    "in the same middle, half as wide and half as high": (5, 5, 7, 7),
    "around it, as wide and twice as high": (4, 2, 8, 10),
}
how_much = {}
for key, box in cases.items():
    width = max(0, min(true[2], box[2]) - max(true[0], box[0]))
    height = max(0, min(true[3], box[3]) - max(true[1], box[1]))
    shared = width * height
    union = 16 + (box[2] - box[0]) * (box[3] - box[1]) - shared
    if shared == 0:
        how_much[key] = "0"
    elif 2 * shared < union:
        how_much[key] = "below a half"
    else:
        how_much[key] = "a half" if 2 * shared == union else "above a half"


# %% multi_task.1 | colours the cells of a grid and counts them
def coloured(x1, y1, x2, y2):
    grid = np.zeros((12, 12), dtype=bool)
    grid[y1:y2, x1:x2] = True
    return grid


def in_words(box):
    label = coloured(4, 4, 8, 8)
    both, either = int((label & box).sum()), int((label | box).sum())
    if both == 0:
        return "0"
    return ["below a half", "a half", "above a half"][1 + (2 * both > either) - (2 * both < either)]


how_much = {
    "a quarter of its width to the right": in_words(coloured(5, 4, 9, 8)),
    "half of its width to the right": in_words(coloured(6, 4, 10, 8)),
    "all of its width to the right": in_words(coloured(8, 4, 12, 8)),
    "in the same middle, half as wide and half as high": in_words(coloured(5, 5, 7, 7)),
    "around it, as wide and twice as high": in_words(coloured(4, 2, 8, 10)),
}


# %% multi_task.2 | torch, one area function for boxes and intersections
def overlap(boxes, others):
    def area(near, far):
        return (far - near).clamp(min=0).prod(dim=1)

    shared = area(torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:]))
    union = area(boxes[:, :2], boxes[:, 2:]) + area(others[:, :2], others[:, 2:]) - shared
    return torch.where(union > 0, shared / union, 0.0)


# %% multi_task.2 | pair by pair in plain Python
def overlap(boxes, others):
    result = []
    for (ax, ay, bx, by), (cx, cy, dx, dy) in zip(boxes.tolist(), others.tolist(), strict=True):
        first = (bx - ax) * (by - ay) if bx > ax and by > ay else 0
        second = (dx - cx) * (dy - cy) if dx > cx and dy > cy else 0
        wide, high = min(bx, dx) - max(ax, cx), min(by, dy) - max(ay, cy)
        shared = wide * high if wide > 0 and high > 0 else 0
        union = first + second - shared
        result.append(shared / union if union > 0 else 0.0)
    return result


# %% multi_task.2 | numpy in double precision, np.divide with where
def overlap(boxes, others):
    a, b = (np.array(rows.tolist(), dtype=np.float64).reshape(-1, 2, 2) for rows in (boxes, others))
    sides = np.minimum(a[:, 1], b[:, 1]) - np.maximum(a[:, 0], b[:, 0])
    shared = np.prod(np.clip(sides, 0, None), axis=1)
    areas = [np.prod(np.clip(c[:, 1] - c[:, 0], 0, None), axis=1) for c in (a, b)]
    union = areas[0] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros_like(union), where=union > 0)


# %% multi_task.2 | all pairs by broadcasting, then the diagonal, nan made 0
def overlap(boxes, others):
    boxes, others = boxes.double(), others.double()
    x1, y1, x2, y2 = (torch.stack([a, b]) for a, b in zip(boxes.T, others.T, strict=True))
    first, second = F.relu(x2 - x1) * F.relu(y2 - y1)
    wide = F.relu(torch.min(x2[0][:, None], x2[1]) - torch.max(x1[0][:, None], x1[1]))
    high = F.relu(torch.min(y2[0][:, None], y2[1]) - torch.max(y1[0][:, None], y1[1]))
    iou = wide * high / (first[:, None] + second - wide * high)
    return iou.diagonal().nan_to_num(nan=0.0)


# %% multi_task.3 | torch.where
def bounded_box(student, teacher, truth, margin):
    own = ((student - truth) ** 2).sum(dim=1)
    bar = ((teacher - truth) ** 2).sum(dim=1)
    return torch.where(own + margin > bar, own, torch.zeros_like(own)).mean()


# %% multi_task.3 | picks the boxes that count, and divides their sum by the number of all
def bounded_box(student, teacher, truth, margin):
    own = F.mse_loss(student, truth, reduction="none").sum(dim=1)
    with torch.no_grad():
        bar = F.mse_loss(teacher, truth, reduction="none").sum(dim=1)
        counts = own + margin > bar
    return own[counts].sum() / len(student)


# %% multi_task.3 | box by box, with a list of tensors
def bounded_box(student, teacher, truth, margin):
    losses = []
    for s, t, y in zip(student, teacher, truth, strict=True):
        own = (s - y).square().sum()
        bar = (t - y).square().sum()
        losses.append(own if bool(own + margin > bar) else 0 * own)
    return torch.stack(losses).mean()


# %% multi_task.3 | one stack for both errors, and the decision as a factor of 0 or 1
def bounded_box(student, teacher, truth, margin):
    errors = torch.stack([student, teacher]) - truth
    own, bar = torch.einsum("kns,kns->kn", errors, errors)
    factor = (own + margin).gt(bar).to(own.dtype)
    return torch.dot(factor, own) / own.numel()


# %% multi_task.4 | a loop with a sign
def mean_change(scores, singles, lower_is_better):
    total = 0.0
    for score, single, lower in zip(scores, singles, lower_is_better, strict=True):
        change = (score - single) / single
        total += -change if lower else change
    return total / len(scores)


# %% multi_task.4 | numpy and np.where
def mean_change(scores, singles, lower_is_better):
    score, single = np.array(scores, dtype=np.float64), np.array(singles, dtype=np.float64)
    return float(np.mean(np.where(lower_is_better, single - score, score - single) / single))


# %% multi_task.4 | torch, with the sign from 1 - 2 * lower
def mean_change(scores, singles, lower_is_better):
    score, single, lower = (torch.tensor(x, dtype=torch.float64) for x in (scores, singles, lower_is_better))
    return ((1 - 2 * lower) * (score / single - 1)).mean()


# %% multi_task.4 | statistics.fmean over a power of -1
def mean_change(scores, singles, lower_is_better):
    from statistics import fmean

    tasks = range(len(scores))
    return fmean((-1) ** bool(lower_is_better[i]) * (scores[i] - singles[i]) / singles[i] for i in tasks)


# %% multi_task.5 | AdamW with one cycle up to 0.03, half the weight for the box, random batches
def see(canvases, classes, boxes, exam):
    torch.manual_seed(0)
    steps = 180
    network = kd.multitask.two_headed("cnn", width=8, size=32)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.03, total_steps=steps)
    network.train()
    for _ in range(steps):
        batch = torch.randint(len(canvases), (64,))
        logits, found = network(canvases[batch]).values()
        distance = kd.losses.box_distance(found, boxes[batch]).mean()
        loss = F.cross_entropy(logits, classes[batch]) + 0.5 * distance
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.no_grad():
        logits, found = network(exam).values()
    return torch.cat([logits.argmax(dim=1, keepdim=True).to(found.dtype), found], dim=1)


# %% multi_task.5 | ten epochs of Adam, a short warm-up and a cosine; the box's weight falls from 0.7 to 0.3
def see(canvases, classes, boxes, exam):
    torch.manual_seed(7)
    network = kd.multitask.two_headed("cnn", width=8, size=32).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    epochs, size = 10, 64
    per_epoch = len(canvases) // size
    total, done = epochs * per_epoch, 0
    for _ in range(epochs):
        order = torch.randperm(len(canvases))
        for batch in order[: per_epoch * size].view(per_epoch, size):
            share = done / total
            rate = 0.02 * min((done + 1) / 20, 0.5 * (1 + math.cos(math.pi * share)))
            for group in optimizer.param_groups:
                group["lr"] = rate
            logits, found = network(canvases[batch]).values()
            weight = 0.7 - 0.4 * share
            losses = F.cross_entropy(logits, classes[batch], reduction="none")
            losses = losses + weight * kd.losses.box_distance(found, boxes[batch])
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
            done += 1
    network.eval()
    rows = []
    with torch.no_grad():
        for part in exam.split(250):
            logits, found = network(part).values()
            rows += [[float(c), *box] for c, box in zip(logits.argmax(dim=1).tolist(), found.tolist(), strict=True)]
    return rows

"""Wrong answers to the exercises on multi-task learning, as learners write them; each cell stands alone."""

import kdcourse as kd
import numpy as np
import torch
from torch.nn import functional as F

# %% multi_task.1 | takes the share of the true box that is covered
how_much = {
    "a quarter of its width to the right": "above a half",
    "half of its width to the right": "a half",
    "all of its width to the right": "0",
    "in the same middle, half as wide and half as high": "below a half",
    "around it, as wide and twice as high": "above a half",
}

# %% multi_task.1 | adds the two areas and forgets that the shared part is then counted twice
areas = {  # shared, true, predicted
    "a quarter of its width to the right": (0.12, 0.16, 0.16),
    "half of its width to the right": (0.08, 0.16, 0.16),
    "all of its width to the right": (0.0, 0.16, 0.16),
    "in the same middle, half as wide and half as high": (0.04, 0.16, 0.04),
    "around it, as wide and twice as high": (0.16, 0.16, 0.32),
}
how_much = {}
for key, (shared, true, predicted) in areas.items():
    iou = shared / (true + predicted)
    if iou == 0:
        how_much[key] = "0"
    elif iou < 0.5:
        how_much[key] = "below a half"
    elif iou == 0.5:
        how_much[key] = "a half"
    else:
        how_much[key] = "above a half"

# %% multi_task.1 | thinks that a box inside the other one overlaps fully
how_much = {
    "a quarter of its width to the right": "above a half",
    "half of its width to the right": "below a half",
    "all of its width to the right": "0",
    "in the same middle, half as wide and half as high": "above a half",
    "around it, as wide and twice as high": "above a half",
}

# %% multi_task.1 | half as wide and half as high: takes that for half the area
how_much = {
    "a quarter of its width to the right": "above a half",
    "half of its width to the right": "below a half",
    "all of its width to the right": "0",
    "in the same middle, half as wide and half as high": "a half",
    "around it, as wide and twice as high": "a half",
}

# %% multi_task.1 | computes the Dice coefficient, twice the shared part over the sum of the areas
units = {
    "a quarter of its width to the right": (12, 16, 16),
    "half of its width to the right": (8, 16, 16),
    "all of its width to the right": (0, 16, 16),
    "in the same middle, half as wide and half as high": (4, 16, 4),
    "around it, as wide and twice as high": (16, 16, 32),
}


def in_words(shared, first, second):
    dice = 2 * shared / (first + second)
    if dice in (0, 0.5):
        return "a half" if dice else "0"
    return "above a half" if dice > 0.5 else "below a half"


how_much = {key: in_words(*three) for key, three in units.items()}

# %% multi_task.1 | boxes that touch still share an edge, so it is not 0
how_much = {
    "a quarter of its width to the right": "above a half",
    "half of its width to the right": "below a half",
    "all of its width to the right": "below a half",
    "in the same middle, half as wide and half as high": "below a half",
    "around it, as wide and twice as high": "a half",
}


# %% multi_task.2 | the sides of the intersection may be negative
def overlap(boxes, others):
    left = torch.maximum(boxes[:, 0], others[:, 0])
    top = torch.maximum(boxes[:, 1], others[:, 1])
    right = torch.minimum(boxes[:, 2], others[:, 2])
    bottom = torch.minimum(boxes[:, 3], others[:, 3])
    shared = (right - left) * (bottom - top)
    area = lambda b: (b[:, 2] - b[:, 0]).clamp(min=0) * (b[:, 3] - b[:, 1]).clamp(min=0)
    union = area(boxes) + area(others) - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union))


# %% multi_task.2 | clamps the product and not the two sides, so boxes that lie diagonally apart overlap
def overlap(boxes, others):
    near = torch.max(boxes[:, :2], others[:, :2])
    far = torch.min(boxes[:, 2:], others[:, 2:])
    shared = (far - near).prod(dim=1).clamp(min=0)
    area_1 = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp(min=0)
    area_2 = (others[:, 2:] - others[:, :2]).prod(dim=1).clamp(min=0)
    union = area_1 + area_2 - shared
    return torch.where(union > 0, shared / union, 0.0)


# %% multi_task.2 | each box with each other one: N×N numbers
def overlap(boxes, others):
    near = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    far = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (far - near).clamp(min=0).prod(dim=2)
    first = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
    second = (others[:, 2:] - others[:, :2]).clamp(min=0).prod(dim=1)
    union = first[:, None] + second[None, :] - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union))


# %% multi_task.2 | adds 1 to each width and height, as detectors of old did with pixels
def overlap(boxes, others):
    def area(x1, y1, x2, y2):
        return max(0, x2 - x1 + 1) * max(0, y2 - y1 + 1)

    result = []
    for a, b in zip(boxes.tolist(), others.tolist(), strict=True):
        shared = area(max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
        union = area(*a) + area(*b) - shared
        result.append(shared / union if union > 0 else 0.0)
    return result


# %% multi_task.2 | cuts both boxes off at the edge of the canvas
def overlap(boxes, others):
    boxes, others = boxes.clamp(0, 1), others.clamp(0, 1)
    size = (torch.min(boxes[:, 2:], others[:, 2:]) - torch.max(boxes[:, :2], others[:, :2])).clamp(min=0)
    shared = size[:, 0] * size[:, 1]
    w, h = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).unbind(1)
    v, g = (others[:, 2:] - others[:, :2]).clamp(min=0).unbind(1)
    union = w * h + v * g - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union))


# %% multi_task.2 | the union is the sum of the areas, and the intersection is in it twice
def overlap(boxes, others):
    def area(corners):
        return (corners[:, 2:] - corners[:, :2]).clamp(min=0).prod(1)

    both = torch.cat([torch.max(boxes[:, :2], others[:, :2]), torch.min(boxes[:, 2:], others[:, 2:])], dim=1)
    union = area(boxes) + area(others)
    iou = area(both) / union
    iou[union == 0] = 0
    return iou


# %% multi_task.2 | divides by a union without area and returns nan
def overlap(boxes, others):
    a, b = boxes.numpy(), others.numpy()
    near, far = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    shared = np.prod(np.maximum(far - near, 0), axis=1)
    area_a = np.prod(np.maximum(a[:, 2:] - a[:, :2], 0), axis=1)
    area_b = np.prod(np.maximum(b[:, 2:] - b[:, :2], 0), axis=1)
    return shared / (area_a + area_b - shared)


# %% multi_task.2 | sorts the corners first, so a box that is turned round gets its area back
def overlap(boxes, others):
    def tidy(b):
        return torch.cat([torch.minimum(b[:, :2], b[:, 2:]), torch.maximum(b[:, :2], b[:, 2:])], dim=1)

    a, b = tidy(boxes), tidy(others)
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(dim=1)
    union = (a[:, 2:] - a[:, :2]).prod(dim=1) + (b[:, 2:] - b[:, :2]).prod(dim=1) - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union))


# %% multi_task.2 | two equal boxes always overlap fully, even those without an area
def overlap(boxes, others):
    out = []
    for a, b in zip(boxes, others, strict=True):
        if torch.equal(a, b):
            out.append(1.0)
            continue
        w = max(float(min(a[2], b[2]) - max(a[0], b[0])), 0.0)
        h = max(float(min(a[3], b[3]) - max(a[1], b[1])), 0.0)
        area_a = max(float(a[2] - a[0]), 0.0) * max(float(a[3] - a[1]), 0.0)
        area_b = max(float(b[2] - b[0]), 0.0) * max(float(b[3] - b[1]), 0.0)
        union = area_a + area_b - w * h
        out.append(w * h / union if union > 0 else 0.0)
    return out


# %% multi_task.2 | guards the division by a union of at least 1, which is right for pixels only
def overlap(boxes, others):
    near = torch.max(boxes[:, :2], others[:, :2])
    far = torch.min(boxes[:, 2:], others[:, 2:])
    shared = (far - near).clamp(min=0).prod(dim=1)
    area = sum((b[:, 2:] - b[:, :2]).clamp(min=0).prod(dim=1) for b in (boxes, others))
    return shared / (area - shared).clamp(min=1)


# %% multi_task.2 | reads the last two numbers of a box as its width and height
def overlap(boxes, others):
    x, y, w, h = boxes.T
    u, v, p, q = others.T
    wide = (torch.minimum(x + w, u + p) - torch.maximum(x, u)).clamp(min=0)
    high = (torch.minimum(y + h, v + q) - torch.maximum(y, v)).clamp(min=0)
    shared = wide * high
    union = w.clamp(min=0) * h.clamp(min=0) + p.clamp(min=0) * q.clamp(min=0) - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union))


# %% multi_task.2 | reads the columns as x1, x2, y1, y2
def overlap(boxes, others):
    def length(low, high):
        return (high - low).clamp(min=0)

    a_x1, a_x2, a_y1, a_y2 = boxes.unbind(dim=1)
    b_x1, b_x2, b_y1, b_y2 = others.unbind(dim=1)
    width = length(torch.maximum(a_x1, b_x1), torch.minimum(a_x2, b_x2))
    height = length(torch.maximum(a_y1, b_y1), torch.minimum(a_y2, b_y2))
    union = length(a_x1, a_x2) * length(a_y1, a_y2) + length(b_x1, b_x2) * length(b_y1, b_y2) - width * height
    return torch.where(union > 0, width * height / union, torch.zeros_like(union))


# %% multi_task.2 | the mean over all pairs instead of one number each
def overlap(boxes, others):
    sides = torch.minimum(boxes, others)[:, 2:] - torch.maximum(boxes, others)[:, :2]
    shared = sides.clamp(min=0).prod(dim=1)
    union = -shared
    for b in (boxes, others):
        union = union + (b[:, 2:] - b[:, :2]).clamp(min=0).prod(dim=1)
    return torch.where(union > 0, shared / union, torch.zeros_like(union)).mean()


# %% multi_task.2 | turns the far corners into sizes in the caller's own tensors
def overlap(boxes, others):
    far = torch.minimum(boxes[:, 2:], others[:, 2:])
    near = torch.maximum(boxes[:, :2], others[:, :2])
    shared = (far - near).clamp(min=0).prod(dim=1)
    boxes[:, 2:] -= boxes[:, :2]
    others[:, 2:] -= others[:, :2]
    union = boxes[:, 2:].clamp(min=0).prod(dim=1) + others[:, 2:].clamp(min=0).prod(dim=1) - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union))


# %% multi_task.2 | takes the box around both for the union
def overlap(boxes, others):
    low, high = torch.minimum(boxes, others), torch.maximum(boxes, others)
    shared = (low[:, 2:] - high[:, :2]).clamp(min=0).prod(dim=1)
    union = (high[:, 2:] - low[:, :2]).clamp(min=0).prod(dim=1)
    return torch.where(union > 0, shared / union, torch.zeros_like(union))


# %% multi_task.2 | skips the pairs whose union has no area, so fewer than N numbers come back
def overlap(boxes, others):
    shared = (torch.min(boxes[:, 2:], others[:, 2:]) - torch.max(boxes[:, :2], others[:, :2])).clamp(min=0).prod(1)
    first = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
    second = (others[:, 2:] - others[:, :2]).clamp(min=0).prod(1)
    union = first + second - shared
    keep = union > 0
    return shared[keep] / union[keep]


# %% multi_task.2 | divides by the smaller of the two areas
def overlap(boxes, others):
    area = lambda near, far: (far - near).clamp(min=0).prod(dim=1)
    shared = area(torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:]))
    smaller = torch.minimum(area(boxes[:, :2], boxes[:, 2:]), area(others[:, :2], others[:, 2:]))
    return torch.nan_to_num(shared / smaller, nan=0.0)


# %% multi_task.3 | the mean over the four sides instead of their sum
def bounded_box(student, teacher, truth, margin):
    own = ((student - truth) ** 2).mean(dim=1)
    bar = ((teacher - truth) ** 2).mean(dim=1)
    return torch.where(own + margin > bar, own, torch.zeros_like(own)).mean()


# %% multi_task.3 | a student that is exactly at the bar counts
def bounded_box(student, teacher, truth, margin):
    own = (student - truth).pow(2).sum(dim=1)
    bar = (teacher - truth).pow(2).sum(dim=1)
    return (own * (own + margin >= bar)).mean()


# %% multi_task.3 | the mean over those boxes only that count
def bounded_box(student, teacher, truth, margin):
    own = ((student - truth) ** 2).sum(dim=1)
    bar = ((teacher - truth) ** 2).sum(dim=1)
    counts = own + margin > bar
    if not counts.any():
        return 0 * own.sum()
    return own[counts].mean()


# %% multi_task.3 | a hinge: only what lies above the bar
def bounded_box(student, teacher, truth, margin):
    own = (student - truth).square().sum(dim=1)
    bar = (teacher - truth).square().sum(dim=1)
    return F.relu(own + margin - bar).mean()


# %% multi_task.3 | the margin on the teacher's side, so the student is spared too early
def bounded_box(student, teacher, truth, margin):
    own = F.mse_loss(student, truth, reduction="none").sum(dim=1)
    bar = F.mse_loss(teacher, truth, reduction="none").sum(dim=1)
    return torch.where(own > bar + margin, own, 0.0).mean()


# %% multi_task.3 | compares the means of the whole batch, not box with box
def bounded_box(student, teacher, truth, margin):
    own = ((student - truth) ** 2).sum(dim=1).mean()
    bar = ((teacher - truth) ** 2).sum(dim=1).mean()
    return own if own + margin > bar else own * 0


# %% multi_task.3 | compares side with side, not box with box
def bounded_box(student, teacher, truth, margin):
    own = (student - truth) ** 2
    bar = (teacher - truth) ** 2
    return torch.where(own + margin > bar, own, torch.zeros_like(own)).sum(dim=1).mean()


# %% multi_task.3 | the bare norm, nothing is squared
def bounded_box(student, teacher, truth, margin):
    own = torch.linalg.vector_norm(student - truth, dim=1)
    bar = torch.linalg.vector_norm(teacher - truth, dim=1)
    return (own * (own + margin > bar).float()).mean()


# %% multi_task.3 | pulls the student to the teacher where it is behind
def bounded_box(student, teacher, truth, margin):
    own = ((student - truth) ** 2).sum(dim=1)
    bar = ((teacher - truth) ** 2).sum(dim=1)
    to_teacher = ((student - teacher) ** 2).sum(dim=1)
    return torch.where(own + margin > bar, to_teacher, torch.zeros_like(own)).mean()


# %% multi_task.3 | the two cases exchanged: counts the students that beat the teacher
def bounded_box(student, teacher, truth, margin):
    own = ((student - truth) ** 2).sum(dim=1)
    bar = ((teacher - truth) ** 2).sum(dim=1)
    return torch.where(own + margin > bar, torch.zeros_like(own), own).mean()


# %% multi_task.3 | adds up Python numbers, and the gradient is gone
def bounded_box(student, teacher, truth, margin):
    total = 0.0
    for s, t, y in zip(student, teacher, truth, strict=True):
        own = ((s - y) ** 2).sum().item()
        bar = ((t - y) ** 2).sum().item()
        if own + margin > bar:
            total += own
    return total / len(student)


# %% multi_task.3 | in numpy, and at the end a new tensor that asks for a gradient but is linked to nothing
def bounded_box(student, teacher, truth, margin):
    s, t, y = (x.detach().numpy() for x in (student, teacher, truth))
    own = ((s - y) ** 2).sum(axis=1)
    bar = ((t - y) ** 2).sum(axis=1)
    loss = np.where(own + margin > bar, own, 0).mean()
    return torch.tensor(loss, requires_grad=True)


# %% multi_task.3 | the margin is part of what a box counts
def bounded_box(student, teacher, truth, margin):
    own = ((student - truth) ** 2).sum(dim=1) + margin
    bar = ((teacher - truth) ** 2).sum(dim=1)
    return (own * (own > bar)).mean()


# %% multi_task.3 | a box that is left in peace counts the teacher's distance
def bounded_box(student, teacher, truth, margin):
    own = ((student - truth) ** 2).sum(dim=1)
    bar = ((teacher - truth) ** 2).sum(dim=1)
    return torch.where(own + margin > bar, own, bar).mean()


# %% multi_task.3 | the sum over the boxes
def bounded_box(student, teacher, truth, margin):
    loss = student.new_zeros(())
    for s, t, y in zip(student, teacher, truth, strict=True):
        own, bar = (s - y).dot(s - y), (t - y).dot(t - y)
        if own + margin > bar:
            loss = loss + own
    return loss


# %% multi_task.3 | takes the label off the teacher's own tensor
def bounded_box(student, teacher, truth, margin):
    teacher -= truth
    bar = teacher.pow(2).sum(dim=1)
    own = (student - truth).pow(2).sum(dim=1)
    return torch.where(own + margin > bar, own, torch.zeros_like(own)).mean()


# %% multi_task.3 | both distances without a gradient, though only the bar should have none
def bounded_box(student, teacher, truth, margin):
    with torch.no_grad():
        own = ((student - truth) ** 2).sum(dim=1)
        bar = ((teacher - truth) ** 2).sum(dim=1)
        above = own + margin > bar
    return (own * above).sum() / len(own)


# %% multi_task.3 | sums over the boxes and compares the four sides
def bounded_box(student, teacher, truth, margin):
    own = ((student - truth) ** 2).sum(dim=0)
    bar = ((teacher - truth) ** 2).sum(dim=0)
    return torch.where(own + margin > bar, own, torch.zeros_like(own)).mean()


# %% multi_task.4 | the sign is never turned
def mean_change(scores, singles, lower_is_better):
    changes = [(score - single) / single for score, single in zip(scores, singles, strict=True)]
    return sum(changes) / len(changes)


# %% multi_task.4 | turns the sign where higher is better
def mean_change(scores, singles, lower_is_better):
    total = 0
    for score, single, lower in zip(scores, singles, lower_is_better, strict=True):
        change = (score - single) / single
        total += change if lower else -change
    return total / len(scores)


# %% multi_task.4 | the share of the new score, not of the single-task one
def mean_change(scores, singles, lower_is_better):
    s, b = np.array(scores, dtype=float), np.array(singles, dtype=float)
    sign = np.where(lower_is_better, -1, 1)
    return float((sign * (s - b) / s).mean())


# %% multi_task.4 | in per cent
def mean_change(scores, singles, lower_is_better):
    signs = [-1 if lower else 1 for lower in lower_is_better]
    changes = [sign * (score - single) / single for sign, score, single in zip(signs, scores, singles, strict=True)]
    return 100 * sum(changes) / len(changes)


# %% multi_task.4 | the sum over tasks
def mean_change(scores, singles, lower_is_better):
    total = 0.0
    for i in range(len(scores)):
        change = (scores[i] - singles[i]) / singles[i]
        if lower_is_better[i]:
            change = -change
        total += change
    return total


# %% multi_task.4 | adds up the signed differences and the single scores first, and divides the sums
def mean_change(scores, singles, lower_is_better):
    difference = 0
    for score, single, lower in zip(scores, singles, lower_is_better, strict=True):
        difference += single - score if lower else score - single
    return difference / sum(singles)


# %% multi_task.4 | points, not shares
def mean_change(scores, singles, lower_is_better):
    score, single = torch.tensor(scores), torch.tensor(singles)
    sign = 1 - 2 * torch.tensor(lower_is_better).float()
    return (sign * (score - single)).mean()


# %% multi_task.4 | negates both scores of an error, and the share comes out as it was
def mean_change(scores, singles, lower_is_better):
    changes = []
    for score, single, lower in zip(scores, singles, lower_is_better, strict=True):
        if lower:
            score, single = -score, -single
        changes.append((score - single) / single)
    return np.mean(changes)


# %% multi_task.4 | for an error the ratio is turned over, not the sign
def mean_change(scores, singles, lower_is_better):
    changes = []
    for score, single, lower in zip(scores, singles, lower_is_better, strict=True):
        ratio = single / score if lower else score / single
        changes.append(ratio - 1)
    return sum(changes) / len(changes)


# %% multi_task.4 | an error is made an accuracy, 1 - error, and the share is taken of that
def mean_change(scores, singles, lower_is_better):
    s = np.where(lower_is_better, 1 - np.array(scores), scores)
    b = np.where(lower_is_better, 1 - np.array(singles), singles)
    return ((s - b) / b).mean()


# %% multi_task.4 | turns the whole mean once, when any of the tasks is an error
def mean_change(scores, singles, lower_is_better):
    mean = sum(score / single - 1 for score, single in zip(scores, singles, strict=True)) / len(scores)
    return -mean if any(lower_is_better) else mean


# %% multi_task.4 | takes the entries out of the caller's lists
def mean_change(scores, singles, lower_is_better):
    n, total = len(scores), 0.0
    while scores:
        score, single, lower = scores.pop(), singles.pop(), lower_is_better.pop()
        total += (single - score) / single if lower else (score - single) / single
    return total / n


# %% multi_task.4 | one change a task comes back, the mean is missing
def mean_change(scores, singles, lower_is_better):
    return [
        (score - single) / single * (-1 if lower else 1)
        for score, single, lower in zip(scores, singles, lower_is_better, strict=True)
    ]


# %% multi_task.5 | forgets optimizer.step(), so the network is never trained
def see(canvases, classes, boxes, exam):
    network = kd.multitask.two_headed("cnn", width=8, size=32)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.03)
    for _ in range(30):
        batch = torch.randint(len(canvases), (64,))
        logits, found = network(canvases[batch]).values()
        loss = F.cross_entropy(logits, classes[batch])
        loss = loss + 0.5 * kd.losses.box_distance(found, boxes[batch]).mean()
        optimizer.zero_grad()
        loss.backward()
    network.eval()
    with torch.no_grad():
        logits, found = network(exam).values()
    return torch.cat([logits.argmax(dim=1, keepdim=True), found], dim=1)


# %% multi_task.5 | a weight of 1000 for the box and few steps: no class is learned
def see(canvases, classes, boxes, exam):
    torch.manual_seed(1)
    network = kd.multitask.two_headed("cnn", width=8, size=32)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0001, momentum=0.9)
    for _ in range(40):
        batch = torch.randperm(len(canvases))[:64]
        logits, found = network(canvases[batch]).values()
        distance = kd.losses.box_distance(found, boxes[batch]).mean()
        loss = F.cross_entropy(logits, classes[batch]) + 1000 * distance
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        logits, found = network(exam).values()
    return torch.cat([logits.argmax(dim=1)[:, None].float(), found], dim=1)


# %% multi_task.5 | all logits come back in front of the box, not the class
def see(canvases, classes, boxes, exam):
    network = kd.multitask.two_headed("cnn", width=8, size=32)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for batch in torch.randperm(len(canvases)).split(64):
        logits, found = network(canvases[batch]).values()
        distance = kd.losses.box_distance(found, boxes[batch]).mean()
        loss = F.cross_entropy(logits, classes[batch]) + 0.5 * distance
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        return torch.cat(list(network(exam).values()), dim=1)


# %% multi_task.5 | only the classes come back, the boxes are forgotten
def see(canvases, classes, boxes, exam):
    network = kd.multitask.two_headed("cnn", width=8, size=32)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02)
    for _ in range(40):
        batch = torch.randint(0, len(canvases), (64,))
        logits, _ = network(canvases[batch]).values()
        loss = F.cross_entropy(logits, classes[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        return network(exam)["class"].argmax(dim=1)


# %% multi_task.5 | no network: the class of the most similar canvas, and the mean box for everyone
def see(canvases, classes, boxes, exam):
    nearest = torch.cdist(exam.flatten(1), canvases.flatten(1)).argmin(dim=1)
    mean_box = boxes.mean(dim=0).expand(len(exam), 4)
    return torch.cat([classes[nearest].float()[:, None], mean_box], dim=1)

"""Right answers to the exercises on regularisation, by different roads; each cell stands alone."""

import math
import re

import numpy as np
import torch

# %% regulariser.1 | reads the numbers out of the keys and mixes as the text says
keys = [
    "α = 0.3, the teacher says coat 0.9, shirt 0.1",
    "α = 0.6, the teacher says coat 0.9, shirt 0.1",
    "α = 0.5, the teacher says coat 0.8, shirt 0",
    "α = 0.6, the teacher says coat 0.7, shirt 0.3",
    "α = 0.8, the teacher says coat 0.6, shirt 0.3",
]
wins = {}
for key in keys:
    a, c, s = (float(x) for x in re.findall(r"\d+(?:\.\d+)?", key))
    shirt = (1 - a) * 1 + a * s
    coat = (1 - a) * 0 + a * c
    wins[key] = "coat" if coat > shirt else "shirt"

# %% regulariser.1 | typed, both shares reckoned on paper
wins = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": "shirt",  # shirt 0.73, coat 0.27
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": "coat",  # shirt 0.46, coat 0.54
    "α = 0.5, the teacher says coat 0.8, shirt 0": "shirt",  # shirt 0.50, coat 0.40, rest 0.10
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": "shirt",  # shirt 0.58, coat 0.42
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": "coat",  # shirt 0.44, coat 0.48, rest 0.08
}

# %% regulariser.1 | solves for the tipping point: coat wins above α = 1 / (1 + coat − shirt)
cases = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}
wins = {}
for key, (a, c, s) in cases.items():
    tipping = 1 / (1 + c - s)
    wins[key] = "coat" if a > tipping else "shirt"

# %% regulariser.1 | trains free logits on the two-part loss and looks which class the student ends up with
cases = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}
wins = {}
for key, (a, c, s) in cases.items():
    label = np.array([1.0, 0.0, 0.0])
    teacher = np.array([s, c, max(0.0, 1 - c - s)])
    z = np.zeros(3)
    for step in range(3000):
        p = np.exp(z) / np.exp(z).sum()
        z = z - ((1 - a) * (p - label) + a * (p - teacher))  # the gradients of the two cross-entropies
    wins[key] = "shirt" if p[0] > p[1] else "coat"

# %% regulariser.2 | class by class, with roll
def dealt(answers, labels):
    labels = torch.as_tensor(labels)
    out = answers.clone()
    for label in labels.unique():
        mine = labels == label
        out[mine] = answers[mine].roll(-1, dims=0)
    return out


# %% regulariser.2 | walks round the list from every image until it meets the class again
def dealt(answers, labels):
    names = [int(label) for label in labels]
    order = []
    for i, name in enumerate(names):
        j = (i + 1) % len(names)
        while names[j] != name:
            j = (j + 1) % len(names)
        order.append(j)
    return answers[torch.tensor(order, dtype=torch.long)]


# %% regulariser.2 | the nearest image of the class downwards, from a table of all pairs in numpy
def dealt(answers, labels):
    labels = np.asarray(labels)
    place = np.arange(len(labels))
    steps = (place[None, :] - place[:, None] - 1) % len(labels)
    steps = np.where(labels[:, None] == labels[None, :], steps, len(labels))
    return answers.index_select(0, torch.from_numpy(steps.argmin(axis=1)))


# %% regulariser.2 | one pass from the end with a dict of who comes next, then the last of each class
def dealt(answers, labels):
    names = [int(label) for label in labels]
    after, last = {}, {}
    rows = [None] * len(names)
    for i in range(len(names) - 1, -1, -1):
        if names[i] in after:
            rows[i] = answers[after[names[i]]]
        else:
            last[names[i]] = i
        after[names[i]] = i
    for name, i in last.items():
        rows[i] = answers[after[name]]
    return torch.stack(rows)


# %% regulariser.3 | the broken loop, mended
def calibration(probabilities, labels):
    sure, said = probabilities.max(dim=1)
    right = (said == labels).to(sure.dtype)
    total = 0.0
    for k in range(10):
        mine = (sure > k / 10) & (sure <= (k + 1) / 10)
        if mine.any():
            gap = abs(float(right[mine].mean() - sure[mine].mean()))
            total += gap * int(mine.sum()) / len(labels)
    return total


# %% regulariser.3 | sums of right minus sure by bin with bincount: count times gap is the size of the sum
def calibration(probabilities, labels):
    sure, said = probabilities.double().max(dim=1)
    bins = torch.bucketize(sure, torch.arange(1, 10, dtype=torch.float64) / 10)
    surplus = torch.bincount(bins, weights=(said == labels).double() - sure, minlength=10)
    return surplus.abs().sum() / len(labels)


# %% regulariser.3 | numpy, with digitize and the bins that occur
def calibration(probabilities, labels):
    table = np.asarray(probabilities.detach(), dtype=np.float64)
    sure = table.max(axis=1)
    right = table.argmax(axis=1) == np.asarray(labels)
    bins = np.digitize(sure, np.linspace(0, 1, 11)[1:-1], right=True)
    total = 0.0
    for k in np.unique(bins):
        mine = bins == k
        total += mine.mean() * abs(right[mine].mean() - sure[mine].mean())
    return float(total)


# %% regulariser.3 | plain Python: a dict of lists, keyed by the tenth rounded up
def calibration(probabilities, labels):
    bins = {}
    for row, label in zip(probabilities.tolist(), labels.tolist()):
        sure = max(row)
        bins.setdefault(math.ceil(10 * sure), []).append((row.index(sure) == label, sure))
    count = sum(len(members) for members in bins.values())
    error = 0.0
    for members in bins.values():
        share = sum(right for right, _ in members) / len(members)
        mean = sum(sure for _, sure in members) / len(members)
        error += len(members) / count * abs(share - mean)
    return error


# %% regulariser.4 | two masks and a helper for the share
def copied(taught, control, teacher, labels):
    def share(student, mask):
        return (student[mask] == teacher[mask]).float().mean().item() if mask.any() else 0.0

    wrong = teacher != labels
    return share(taught, wrong) - share(control, wrong), share(taught, ~wrong) - share(control, ~wrong)


# %% regulariser.4 | counts image by image in plain Python
def copied(taught, control, teacher, labels):
    ahead, count = [0, 0], [0, 0]
    for a, b, t, y in zip(taught.tolist(), control.tolist(), teacher.tolist(), labels.tolist()):
        is_right = int(t == y)
        count[is_right] += 1
        ahead[is_right] += int(a == t) - int(b == t)
    return tuple(n / m if m else 0.0 for n, m in zip(ahead, count))


# %% regulariser.4 | weighted bincounts: the sum of the differences in both groups, over their sizes
def copied(taught, control, teacher, labels):
    group = (teacher == labels).long()
    ahead = (taught == teacher).double() - (control == teacher).double()
    sums = torch.bincount(group, weights=ahead, minlength=2)
    sizes = torch.bincount(group, minlength=2).clamp(min=1)
    return sums[0] / sizes[0], sums[1] / sizes[1]


# %% regulariser.4 | numpy, with the mean of the differences in each group
def copied(taught, control, teacher, labels):
    taught, control, teacher, labels = (np.asarray(x) for x in (taught, control, teacher, labels))
    ahead = np.equal(taught, teacher).astype(float) - np.equal(control, teacher)
    numbers = []
    for mine in (teacher != labels, teacher == labels):
        numbers.append(float(np.average(ahead, weights=mine)) if mine.any() else 0.0)
    return numbers[0], numbers[1]


# %% regulariser.5 | amax, where and round
def in_bytes(weight):
    largest = weight.detach().abs().amax(dim=1)
    scales = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
    whole = (weight.detach() / scales[:, None]).round().to(torch.int8)
    return whole, scales


# %% regulariser.5 | row by row, number by number in plain Python
def in_bytes(weight):
    whole, scales = [], []
    for row in weight.tolist():
        largest = max(max(row), -min(row))
        scale = largest / 127 if largest else 1.0
        whole.append([round(w / scale) for w in row])
        scales.append(scale)
    return torch.tensor(whole, dtype=torch.int8), torch.tensor(scales, dtype=weight.dtype)


# %% regulariser.5 | numpy, with rint
def in_bytes(weight):
    table = weight.detach().numpy()
    scales = np.abs(table).max(axis=1) / 127
    scales[~table.any(axis=1)] = 1
    whole = np.rint(table / scales[:, np.newaxis]).astype(np.int8)
    return torch.from_numpy(whole), torch.from_numpy(scales)


# %% regulariser.5 | counts how many of the 254 half steps from −126.5 to 126.5 lie below the weight
def in_bytes(weight):
    weight = weight.detach()
    scales = torch.linalg.vector_norm(weight, ord=math.inf, dim=1) / 127
    scales = scales.masked_fill(scales == 0, 1.0)
    half_steps = torch.arange(-126.5, 127, dtype=weight.dtype)
    places = torch.bucketize((weight / scales.unsqueeze(1)).contiguous(), half_steps)
    return (places - 127).to(torch.int8), scales

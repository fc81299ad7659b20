"""Wrong answers to the exercises on regularisation, as learners write them; each cell stands alone."""

import math

import numpy as np
import torch

# %% regulariser.1 | α taken as the weight of the label, 1 − α as the teacher's
cases = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}
wins = {}
for key, (a, c, s) in cases.items():
    shirt = a + (1 - a) * s
    coat = (1 - a) * c
    wins[key] = "coat" if coat > shirt else "shirt"

# %% regulariser.1 | forgets that the teacher gives something to shirt too: 1 − α against α · coat
cases = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}
wins = {}
for key, (a, c, s) in cases.items():
    shirt = 1 - a
    coat = a * c
    wins[key] = "coat" if coat > shirt else "shirt"

# %% regulariser.1 | the label is wrong, so it is thrown out, and the teacher's favourite is always on top
wins = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": "coat",
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": "coat",
    "α = 0.5, the teacher says coat 0.8, shirt 0": "coat",
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": "coat",
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": "coat",
}

# %% regulariser.1 | label kept at full weight 1, the teacher's α-share merely added: (1 − α) forgotten
cases = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}
wins = {}
for key, (a, c, s) in cases.items():
    shirt = 1 + a * s
    coat = a * c
    wins[key] = "coat" if coat > shirt else "shirt"

# %% regulariser.1 | takes the teacher's answer as a hard label: coat gets all of α, half is enough
cases = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}
wins = {}
for key, (a, c, s) in cases.items():
    shirt, coat = 1 - a, a
    wins[key] = "coat" if coat >= shirt else "shirt"

# %% regulariser.1 | wants an absolute majority: coat only when it holds more than half of the target
cases = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}
wins = {}
for key, (a, c, s) in cases.items():
    coat = a * c
    wins[key] = "coat" if coat > 0.5 else "shirt"

# %% regulariser.1 | renormalises the teacher over the two classes before mixing, and gives the tie to coat
cases = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}
wins = {}
for key, (a, c, s) in cases.items():
    c, s = c / (c + s), s / (c + s)
    shirt = (1 - a) + a * s
    coat = a * c
    wins[key] = "shirt" if shirt > coat else "coat"

# %% regulariser.1 | all that is not coat is counted as shirt: the other classes' share is given to shirt
cases = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}
wins = {}
for key, (a, c, s) in cases.items():
    coat = a * c
    shirt = 1 - coat
    wins[key] = "coat" if coat > shirt else "shirt"

# %% regulariser.1 | only the label is weighted: the teacher is added with weight 1 instead of α
cases = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}
wins = {}
for key, (a, c, s) in cases.items():
    shirt = (1 - a) + s
    coat = c
    wins[key] = "coat" if round(coat - shirt, 6) > 0 else "shirt"

# %% regulariser.1 | reads the question backwards and names the class that is outvoted
wins = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": "coat",
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": "shirt",
    "α = 0.5, the teacher says coat 0.8, shirt 0": "coat",
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": "coat",
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": "shirt",
}

# %% regulariser.1 | counts heads, not shares: shirt wins as soon as the teacher gives it anything at all
wins = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": "shirt",  # label and teacher both say some shirt
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": "shirt",  # both again
    "α = 0.5, the teacher says coat 0.8, shirt 0": "coat",  # teacher has no shirt at all
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": "shirt",  # both
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": "shirt",  # both
}

# %% regulariser.1 | looks only at how sure the teacher is (0.8 and up outvotes the label) and ignores α
cases = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}
wins = {}
for key, (a, c, s) in cases.items():
    wins[key] = "coat" if c >= 0.8 else "shirt"

# %% regulariser.2 | rolls the wrong way: every image gets the answer to the previous image of its class
def dealt(answers, labels):
    out = answers.clone()
    for label in labels.unique():
        places = (labels == label).nonzero().flatten()
        out[places] = answers[places.roll(1)]
    return out


# %% regulariser.2 | the next image in the list, of whatever class
def dealt(answers, labels):
    return torch.roll(answers, shifts=-1, dims=0)


# %% regulariser.2 | the last image of a class keeps its own answer, and nothing goes round to the first
def dealt(answers, labels):
    out = answers.clone()
    for i in range(len(labels)):
        for j in range(i + 1, len(labels)):
            if labels[j] == labels[i]:
                out[i] = answers[j]
                break
    return out


# %% regulariser.2 | reads from the copy that it writes to: the last of a class gets the second's answer
def dealt(answers, labels):
    out = answers.clone()
    for label in set(labels.tolist()):
        places = [i for i, other in enumerate(labels.tolist()) if other == label]
        for here, there in zip(places, places[1:] + places[:1]):
            out[here] = out[there]
    return out


# %% regulariser.2 | shuffles within the class at random, in place of taking the next
def dealt(answers, labels):
    generator = torch.Generator().manual_seed(0)
    out = answers.clone()
    for label in labels.unique():
        places = torch.where(labels == label)[0]
        order = torch.randperm(len(places), generator=generator)
        out[places] = answers[places[order]]
    return out


# %% regulariser.2 | right answers, but written into the tensor that was given
def dealt(answers, labels):
    for label in labels.unique():
        mine = labels == label
        answers[mine] = answers[mine].roll(-1, dims=0)
    return answers


# %% regulariser.2 | range(labels.max()) stops one class early, and the last class keeps its own answers
def dealt(answers, labels):
    out = answers.clone()
    for label in range(int(labels.max())):
        mine = labels == label
        out[mine] = answers[mine].roll(-1, dims=0)
    return out


# %% regulariser.2 | takes the list for sorted by class: looks no further than the next row
def dealt(answers, labels):
    out = []
    first = 0
    for i in range(len(labels)):
        if labels[i] != labels[first]:
            first = i
        if i + 1 < len(labels) and labels[i + 1] == labels[i]:
            out.append(answers[i + 1])
        else:
            out.append(answers[first])
    return torch.stack(out)


# %% regulariser.2 | glues the classes together one after the other, so the rows are no longer the images' rows
def dealt(answers, labels):
    groups = [answers[labels == label].roll(-1, dims=0) for label in labels.unique()]
    return torch.cat(groups)


# %% regulariser.2 | roll without dims: the group is flattened, and the numbers move by one place, not the rows
def dealt(answers, labels):
    out = torch.empty_like(answers)
    for label in labels.unique():
        mine = labels == label
        out[mine] = answers[mine].roll(-1)
    return out


# %% regulariser.2 | looks for another image of the class and raises StopIteration where there is none
def dealt(answers, labels):
    count = len(labels)
    order = []
    for i in range(count):
        later = [(i + step) % count for step in range(1, count)]
        order.append(next(j for j in later if labels[j] == labels[i]))
    return answers[order]


# %% regulariser.2 | the class is taken from the answer's own argmax and not from the labels
def dealt(answers, labels):
    said = answers.numpy().argmax(axis=1)
    out = answers.clone()
    for k in np.unique(said):
        places = np.flatnonzero(said == k)
        out[places] = answers[np.roll(places, -1)]
    return out


# %% regulariser.3 | mends three bugs, but still asks how likely the label was
def calibration(probabilities, labels):
    sure = probabilities[range(len(labels)), labels]
    right = (probabilities.argmax(dim=1) == labels).float()
    total = 0.0
    for k in range(10):
        mine = (sure > k / 10) & (sure <= (k + 1) / 10)
        if mine.any():
            total += abs(right[mine].mean() - sure[mine].mean()).item() * mine.float().mean().item()
    return total


# %% regulariser.3 | the gaps keep their signs and cancel
def calibration(probabilities, labels):
    sure, said = probabilities.max(dim=1)
    right = (said == labels).float()
    total = 0.0
    for k in range(10):
        mine = (sure > k / 10) & (sure <= (k + 1) / 10)
        if mine.sum() == 0:
            continue
        gap = sure[mine].mean() - right[mine].mean()
        total += float(gap) * int(mine.sum()) / len(labels)
    return total


# %% regulariser.3 | abs comes too late, round the sum and not round each gap
def calibration(probabilities, labels):
    sure = probabilities.amax(dim=1)
    right = (probabilities.argmax(dim=1) == labels).float()
    gaps = []
    for k in range(10):
        mine = (sure > k / 10) & (sure <= (k + 1) / 10)
        if mine.any():
            gaps.append(float(right[mine].mean() - sure[mine].mean()) * float(mine.float().mean()))
    return abs(sum(gaps))


# %% regulariser.3 | weighs an empty bin with 0 and hopes that this is enough: 0 times NaN is NaN
def calibration(probabilities, labels):
    sure = probabilities.max(dim=1).values
    right = (probabilities.argmax(dim=1) == labels).float()
    gaps = []
    for k in range(10):
        mine = (sure > k / 10) & (sure <= (k + 1) / 10)
        weight = mine.sum() / len(labels)
        gaps.append(weight * (right[mine].mean() - sure[mine].mean()).abs())
    return float(sum(gaps))


# %% regulariser.3 | every bin that holds any answers counts alike
def calibration(probabilities, labels):
    sure, said = probabilities.max(dim=1)
    right = (said == labels).float()
    gaps = []
    for k in range(10):
        mine = (sure > k / 10) & (sure <= (k + 1) / 10)
        if mine.any():
            gaps.append(abs(float(right[mine].mean() - sure[mine].mean())))
    return sum(gaps) / len(gaps)


# %% regulariser.3 | ten edges from 0 to 1 make nine bins, not ten
def calibration(probabilities, labels):
    sure, said = probabilities.max(dim=1)
    right = (said == labels).float()
    edges = torch.linspace(0, 1, 10)
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        mine = (sure > low) & (sure <= high)
        if mine.any():
            total += mine.float().mean() * (right[mine].mean() - sure[mine].mean()).abs()
    return float(total)


# %% regulariser.3 | takes the gap of each image (right is 0 or 1) before the mean, so the bins no longer matter
def calibration(probabilities, labels):
    sure, said = probabilities.max(dim=1)
    right = (said == labels).float()
    total = 0.0
    for k in range(10):
        mine = (sure > k / 10) & (sure <= (k + 1) / 10)
        if mine.any():
            total += (right[mine] - sure[mine]).abs().mean().item() * mine.sum().item() / len(mine)
    return total


# %% regulariser.3 | compares with the middle of the bin, not with the mean of how sure its answers are
def calibration(probabilities, labels):
    table = probabilities.numpy()
    sure = table.max(axis=1)
    right = table.argmax(axis=1) == labels.numpy()
    bins = np.ceil(sure * 10).astype(int) - 1
    total = 0.0
    for k in np.unique(bins):
        mine = bins == k
        total += mine.mean() * abs(right[mine].mean() - (k + 0.5) / 10)
    return float(total)


# %% regulariser.3 | an answer is called right where the label has more than 0.5: true for two classes only
def calibration(probabilities, labels):
    sure = probabilities.max(dim=1).values
    right = (probabilities.gather(1, labels[:, None])[:, 0] > 0.5).float()
    total = 0.0
    for k in range(10):
        mine = (sure > k / 10) & (sure <= (k + 1) / 10)
        if mine.any():
            total += float(mine.float().mean() * (right[mine].mean() - sure[mine].mean()).abs())
    return total


# %% regulariser.3 | the wrong axis: the largest of every column, which raises unless there are as many rows
def calibration(probabilities, labels):
    sure, said = probabilities.max(dim=0)
    right = (said == labels).float()
    total = 0.0
    for k in range(10):
        mine = (sure > k / 10) & (sure <= (k + 1) / 10)
        if mine.any():
            total += float(mine.float().mean() * (right[mine].mean() - sure[mine].mean()).abs())
    return total


# %% regulariser.3 | passes over the bins without a right answer, in place of the bins without any answer
def calibration(probabilities, labels):
    sure, said = probabilities.max(dim=1)
    right = (said == labels).float()
    total = 0.0
    for k in range(10):
        mine = (sure > k / 10) & (sure <= (k + 1) / 10)
        if right[mine].sum() > 0:
            total += abs(right[mine].mean() - sure[mine].mean()).item() * mine.sum().item() / len(right)
    return total


# %% regulariser.3 | rounds to the nearest tenth: bins from 0.85 to 0.95 and so on
def calibration(probabilities, labels):
    sure, said = probabilities.max(dim=1)
    right = (said == labels).to(sure.dtype)
    bins = (sure * 10).round().long()
    surplus = torch.zeros(11, dtype=sure.dtype).index_add(0, bins, right - sure)
    return float(surplus.abs().sum() / len(labels))


# %% regulariser.4 | the two numbers in the wrong order: first where the teacher is right
def copied(taught, control, teacher, labels):
    numbers = []
    for mine in (teacher == labels, teacher != labels):
        if not mine.any():
            numbers.append(0.0)
            continue
        a = (taught[mine] == teacher[mine]).float().mean()
        b = (control[mine] == teacher[mine]).float().mean()
        numbers.append(float(a - b))
    return tuple(numbers)


# %% regulariser.4 | divides by all images and not by those on which the teacher is wrong (or right)
def copied(taught, control, teacher, labels):
    wrong = teacher != labels
    more = (taught == teacher).float() - (control == teacher).float()
    return (more * wrong).mean().item(), (more * ~wrong).mean().item()


# %% regulariser.4 | asks for the length of the mask, which is never 0, so a teacher that never errs gives NaN
def copied(taught, control, teacher, labels):
    def share(student, mask):
        if len(mask) == 0:
            return 0.0
        return (student[mask] == teacher[mask]).float().mean().item()

    wrong, right = teacher != labels, teacher == labels
    return share(taught, wrong) - share(control, wrong), share(taught, right) - share(control, right)


# %% regulariser.4 | any error counts as a copy, not only the teacher's own
def copied(taught, control, teacher, labels):
    wrong = teacher != labels
    right = ~wrong
    first = second = 0.0
    if wrong.any():
        errors = (taught != labels)[wrong].float().mean() - (control != labels)[wrong].float().mean()
        first = errors.item()
    if right.any():
        hits = (taught == labels)[right].float().mean() - (control == labels)[right].float().mean()
        second = hits.item()
    return first, second


# %% regulariser.4 | the wrong sign: control minus taught
def copied(taught, control, teacher, labels):
    out = []
    for mine in (teacher != labels, teacher == labels):
        count = max(int(mine.sum()), 1)
        a = int((mine & (taught == teacher)).sum()) / count
        b = int((mine & (control == teacher)).sum()) / count
        out.append(b - a)
    return out[0], out[1]


# %% regulariser.4 | the shares of the taught student alone; the control is an argument that is never used
def copied(taught, control, teacher, labels):
    taught, teacher, labels = taught.numpy(), teacher.numpy(), labels.numpy()
    wrong = teacher != labels
    same = taught == teacher
    first = same[wrong].mean() if wrong.any() else 0.0
    second = same[~wrong].mean() if (~wrong).any() else 0.0
    return float(first), float(second)


# %% regulariser.4 | sorts the images by whether the student is wrong, not by whether the teacher is
def copied(taught, control, teacher, labels):
    numbers = []
    for mine in (taught != labels, taught == labels):
        if mine.any():
            a = (taught == teacher)[mine].float().mean()
            b = (control == teacher)[mine].float().mean()
            numbers.append((a - b).item())
        else:
            numbers.append(0.0)
    return tuple(numbers)


# %% regulariser.4 | counts what only taught repeats, and never takes off what only control repeats
def copied(taught, control, teacher, labels):
    only = (taught == teacher) & (control != teacher)

    def share(mask):
        return only[mask].double().mean().item() if mask.any() else 0.0

    return share(teacher != labels), share(teacher == labels)


# %% regulariser.4 | where one number has no images it returns 0 for both
def copied(taught, control, teacher, labels):
    wrong = teacher != labels
    if wrong.all() or not wrong.any():
        return 0.0, 0.0
    more = (taught == teacher).float() - (control == teacher).float()
    return more[wrong].mean().item(), more[~wrong].mean().item()


# %% regulariser.4 | the control's agreement is taken once over all images and taken off both shares
def copied(taught, control, teacher, labels):
    baseline = (control == teacher).float().mean().item()
    numbers = []
    for mine in (teacher != labels, teacher == labels):
        if mine.sum() > 0:
            numbers.append((taught[mine] == teacher[mine]).float().mean().item() - baseline)
        else:
            numbers.append(0)
    return tuple(numbers)


# %% regulariser.4 | holds less than nothing for impossible: a number below 0 becomes 0
def copied(taught, control, teacher, labels):
    rows = list(zip(taught.tolist(), control.tolist(), teacher.tolist(), labels.tolist()))
    wrong = [(a == t) - (b == t) for a, b, t, y in rows if t != y]
    right = [(a == t) - (b == t) for a, b, t, y in rows if t == y]
    first = sum(wrong) / len(wrong) if wrong else 0.0
    second = sum(right) / len(right) if right else 0.0
    return max(first, 0.0), max(second, 0.0)


# %% regulariser.4 | the mean of True and False: torch raises without a float() before it
def copied(taught, control, teacher, labels):
    numbers = []
    for mine in (teacher != labels, teacher == labels):
        if not mine.any():
            numbers.append(0.0)
        else:
            numbers.append((taught == teacher)[mine].mean() - (control == teacher)[mine].mean())
    return tuple(numbers)


# %% regulariser.5 | one scale for the whole matrix, repeated for every row
def in_bytes(weight):
    largest = weight.abs().max()
    scale = largest / 127 if largest > 0 else torch.tensor(1.0)
    return (weight / scale).round().to(torch.int8), scale.repeat(len(weight))


# %% regulariser.5 | divides by the scales without a new axis: raises, or in a square matrix divides the columns
def in_bytes(weight):
    scales = weight.abs().amax(dim=1) / 127
    scales[scales == 0] = 1
    return torch.round(weight / scales).to(torch.int8), scales


# %% regulariser.5 | divides by 128, since a byte has 256 values, and clips the largest
def in_bytes(weight):
    largest = weight.abs().amax(dim=1)
    scales = torch.where(largest > 0, largest / 128, torch.ones_like(largest))
    whole = (weight / scales[:, None]).round().clamp(-127, 127)
    return whole.to(torch.int8), scales


# %% regulariser.5 | converts without rounding, which cuts off towards zero
def in_bytes(weight):
    scales = weight.abs().max(dim=1).values / 127
    scales = torch.where(scales == 0, torch.ones_like(scales), scales)
    return (weight / scales.unsqueeze(1)).to(torch.int8), scales


# %% regulariser.5 | rounds with int(x + 0.5), which is wrong below zero: −30.2 becomes −29
def in_bytes(weight):
    whole, scales = [], []
    for row in weight.tolist():
        scale = max(abs(w) for w in row) / 127 or 1.0
        scales.append(scale)
        whole.append([int(w / scale + 0.5) for w in row])
    return torch.tensor(whole, dtype=torch.int8), torch.tensor(scales)


# %% regulariser.5 | the largest weight, not the largest size: a row whose greatest is negative is clipped
def in_bytes(weight):
    scales = weight.amax(dim=1) / 127
    scales[scales <= 0] = 1
    whole = (weight / scales[:, None]).round().clamp(-127, 127)
    return whole.to(torch.int8), scales


# %% regulariser.5 | no thought of a row of zeros: its scale is 0, and 0/0 is NaN
def in_bytes(weight):
    scales = torch.linalg.vector_norm(weight, ord=math.inf, dim=1) / 127
    return (weight / scales[:, None]).round().to(torch.int8), scales


# %% regulariser.5 | guards the division with a tiny number, so a row of zeros gets 1e-8 and not 1
def in_bytes(weight):
    scales = (weight.abs().amax(dim=1) / 127).clamp(min=1e-8)
    return torch.round(weight / scales[:, None]).to(torch.int8), scales


# %% regulariser.5 | keepdim leaves the scales as a column, not as a vector
def in_bytes(weight):
    scales = weight.abs().amax(dim=1, keepdim=True) / 127
    scales = scales.masked_fill(scales == 0, 1.0)
    return (weight / scales).round().to(torch.int8), scales


# %% regulariser.5 | the range from least to greatest over 254 steps, in place of the largest size over 127
def in_bytes(weight):
    least, greatest = weight.aminmax(dim=1)
    scales = (greatest - least) / 254
    scales = torch.where(scales > 0, scales, torch.ones_like(scales))
    whole = torch.clamp(torch.round(weight / scales[:, None]), -127, 127)
    return whole.to(torch.int8), scales


# %% regulariser.5 | a byte without a sign: −30 becomes 226
def in_bytes(weight):
    table = weight.detach().numpy()
    scales = np.abs(table).max(axis=1) / 127
    scales[scales == 0] = 1
    whole = np.rint(table / scales[:, None]).astype(np.int64).astype(np.uint8)
    return torch.from_numpy(whole), torch.from_numpy(scales)


# %% regulariser.5 | gives the factor 127 / largest that it multiplied by, the scale turned upside down
def in_bytes(weight):
    largest = weight.abs().amax(dim=1)
    factors = torch.where(largest > 0, 127 / largest, torch.ones_like(largest))
    return (weight * factors[:, None]).round().to(torch.int8), factors

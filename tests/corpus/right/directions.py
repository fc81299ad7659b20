"""Right answers to the exercises on directions, by different roads; each cell stands alone."""

import math

import numpy as np
import torch
from torch.nn import functional as F

# %% directions.1 | a chain of comparisons in a loop
cases = {
    "weak 60 %, strong student 70 %, ceiling 80 %": (0.6, 0.7, 0.8),
    "weak 60 %, strong student 60 %, ceiling 80 %": (0.6, 0.6, 0.8),
    "weak 60 %, strong student 55 %, ceiling 80 %": (0.6, 0.55, 0.8),
    "weak 60 %, strong student 81 %, ceiling 80 %": (0.6, 0.81, 0.8),
    "weak 80 %, strong student 85 %, ceiling 80 %": (0.8, 0.85, 0.8),
}
is_recovered = {}
for key, (weak, student, ceiling) in cases.items():
    if ceiling <= weak:
        is_recovered[key] = "there is no gap"
    elif student < weak:
        is_recovered[key] = "less than nothing"
    elif student == weak:
        is_recovered[key] = "nothing"
    elif student < ceiling:
        is_recovered[key] = "a part"
    else:
        is_recovered[key] = "all and more"

# %% directions.1 | the share as a number, nan where there is no gap, in a dict comprehension
cases = {
    "weak 60 %, strong student 70 %, ceiling 80 %": (0.6, 0.7, 0.8),
    "weak 60 %, strong student 60 %, ceiling 80 %": (0.6, 0.6, 0.8),
    "weak 60 %, strong student 55 %, ceiling 80 %": (0.6, 0.55, 0.8),
    "weak 60 %, strong student 81 %, ceiling 80 %": (0.6, 0.81, 0.8),
    "weak 80 %, strong student 85 %, ceiling 80 %": (0.8, 0.85, 0.8),
}


def in_words(weak, student, ceiling):
    share = (student - weak) / (ceiling - weak) if ceiling > weak else math.nan
    if math.isnan(share):
        return "there is no gap"
    if share <= 0:
        return "nothing" if share == 0 else "less than nothing"
    return "a part" if share < 1 else "all and more"


is_recovered = {key: in_words(*numbers) for key, numbers in cases.items()}

# %% directions.1 | numpy columns and np.select
cases = {
    "weak 60 %, strong student 70 %, ceiling 80 %": (0.6, 0.7, 0.8),
    "weak 60 %, strong student 60 %, ceiling 80 %": (0.6, 0.6, 0.8),
    "weak 60 %, strong student 55 %, ceiling 80 %": (0.6, 0.55, 0.8),
    "weak 60 %, strong student 81 %, ceiling 80 %": (0.6, 0.81, 0.8),
    "weak 80 %, strong student 85 %, ceiling 80 %": (0.8, 0.85, 0.8),
}
weak, student, ceiling = np.array(list(cases.values())).T
words = np.select(
    [ceiling <= weak, student < weak, student == weak, student < ceiling],
    ["there is no gap", "less than nothing", "nothing", "a part"],
    "all and more",
)
is_recovered = dict(zip(cases, words.tolist(), strict=True))

# %% directions.1 | counts the marks on the line that the student has reached or passed
cases = {
    "weak 60 %, strong student 70 %, ceiling 80 %": (0.6, 0.7, 0.8),
    "weak 60 %, strong student 60 %, ceiling 80 %": (0.6, 0.6, 0.8),
    "weak 60 %, strong student 55 %, ceiling 80 %": (0.6, 0.55, 0.8),
    "weak 60 %, strong student 81 %, ceiling 80 %": (0.6, 0.81, 0.8),
    "weak 80 %, strong student 85 %, ceiling 80 %": (0.8, 0.85, 0.8),
}
ladder = ["less than nothing", "nothing", "a part", "all and more"]
is_recovered = {
    key: ladder[(s >= w) + (s > w) + (s >= c)] if c > w else "there is no gap" for key, (w, s, c) in cases.items()
}


# %% directions.2 | statistics.fmean
def gap_recovered(weak, student, ceiling):
    from statistics import fmean

    w, s, c = fmean(weak), fmean(student), fmean(ceiling)
    return (s - w) / (c - w) if c > w else float("nan")


# %% directions.2 | numpy means
def gap_recovered(weak, student, ceiling):
    w, s, c = (np.mean(np.array(values, dtype=np.float64)) for values in (weak, student, ceiling))
    if c <= w:
        return float("nan")
    return (s - w) / (c - w)


# %% directions.2 | torch, double precision, torch.where at the end
def gap_recovered(weak, student, ceiling):
    w, s, c = [torch.tensor(values, dtype=torch.float64).mean() for values in (weak, student, ceiling)]
    gap = c - w
    return torch.where(gap > 0, (s - w) / gap, torch.full_like(gap, float("nan")))


# %% directions.2 | plain loops and the share that is left
def gap_recovered(weak, student, ceiling):
    means = []
    for values in (weak, student, ceiling):
        total = 0.0
        for value in values:
            total += value
        means.append(total / len(values))
    if not means[2] > means[0]:
        return math.nan
    return 1 - (means[2] - means[1]) / (means[2] - means[0])


# %% directions.3 | index of the maximum, and the seeds of taught that alone has too
def gain(taught, alone):
    def chosen(run):
        val, test = run
        return test[val.index(max(val))]

    differences = [chosen(taught[seed]) - chosen(alone[seed]) for seed in taught if seed in alone]
    return 100 * sum(differences) / len(differences)


# %% directions.3 | np.argmax, dict comprehensions and the keys that both have
def gain(taught, alone):
    ours = {seed: test[np.argmax(val)] for seed, (val, test) in taught.items()}
    theirs = {seed: test[np.argmax(val)] for seed, (val, test) in alone.items()}
    return float(np.mean([100 * (ours[seed] - theirs[seed]) for seed in ours.keys() & theirs.keys()]))


# %% directions.3 | explicit loops with a running best
def gain(taught, alone):
    total, count = 0.0, 0
    for seed in alone:
        if seed not in taught:
            continue
        reached = []
        for val, test in (taught[seed], alone[seed]):
            best = 0
            for epoch in range(1, len(val)):
                if val[epoch] > val[best]:
                    best = epoch
            reached.append(test[best])
        total += reached[0] - reached[1]
        count += 1
    return total / count * 100


# %% directions.3 | torch, and the difference of two means over the shared seeds
def gain(taught, alone):
    def chosen(run):
        val, test = (torch.tensor(values, dtype=torch.float64) for values in run)
        return test[val.argmax()]

    shared = set(taught).intersection(alone)
    ours = torch.stack([chosen(taught[seed]) for seed in shared])
    theirs = torch.stack([chosen(alone[seed]) for seed in shared])
    return 100 * (ours.mean() - theirs.mean())


# %% directions.4 | cross_entropy twice
def confident(student_logits, weak_probabilities, alpha):
    first = F.cross_entropy(student_logits, weak_probabilities.to(student_logits.dtype))
    second = F.cross_entropy(student_logits, student_logits.argmax(dim=1))
    return (1 - alpha) * first + alpha * second


# %% directions.4 | log_softmax and gather
def confident(student_logits, weak_probabilities, alpha):
    log_p = F.log_softmax(student_logits, dim=1)
    own = student_logits.argmax(dim=1, keepdim=True)
    first = -(weak_probabilities * log_p).sum(dim=1).mean()
    second = -log_p.gather(1, own).mean()
    return (1 - alpha) * first + alpha * second


# %% directions.4 | one mixed target with a one-hot of the own class
def confident(student_logits, weak_probabilities, alpha):
    own = F.one_hot(student_logits.argmax(dim=1), student_logits.shape[1])
    target = torch.lerp(weak_probabilities, own.to(weak_probabilities.dtype), alpha)
    return -(target * student_logits.log_softmax(dim=1)).sum() / len(student_logits)


# %% directions.4 | image by image with logsumexp; the class is found in numpy, where no gradient is needed
def confident(student_logits, weak_probabilities, alpha):
    own = np.argmax(student_logits.detach().numpy(), axis=1)
    losses = []
    for logits, weak, k in zip(student_logits, weak_probabilities, own, strict=True):
        norm = torch.logsumexp(logits, dim=0)
        first = norm - (weak * logits).sum()
        second = norm - logits[int(k)]
        losses.append((1 - alpha) * first + alpha * second)
    return torch.stack(losses).mean()

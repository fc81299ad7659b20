"""Wrong answers to the exercises on directions, as learners write them; each cell stands alone."""

import math

import numpy as np
import torch
from torch.nn import functional as F

# %% directions.1 | takes "nothing" for a student below the weak network, and "less than nothing" for one that is level
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
        is_recovered[key] = "nothing"
    elif student == weak:
        is_recovered[key] = "less than nothing"
    elif student < ceiling:
        is_recovered[key] = "a part"
    else:
        is_recovered[key] = "all and more"

# %% directions.1 | never asks whether there is a gap at all
cases = {
    "weak 60 %, strong student 70 %, ceiling 80 %": (0.6, 0.7, 0.8),
    "weak 60 %, strong student 60 %, ceiling 80 %": (0.6, 0.6, 0.8),
    "weak 60 %, strong student 55 %, ceiling 80 %": (0.6, 0.55, 0.8),
    "weak 60 %, strong student 81 %, ceiling 80 %": (0.6, 0.81, 0.8),
    "weak 80 %, strong student 85 %, ceiling 80 %": (0.8, 0.85, 0.8),
}


def where(weak, student, ceiling):
    if student < weak:
        return "less than nothing"
    if student == weak:
        return "nothing"
    return "all and more" if student >= ceiling else "a part"


is_recovered = {key: where(*numbers) for key, numbers in cases.items()}

# %% directions.1 | thinks the gap is the one between the student and the ceiling: a student at or over it leaves no gap
cases = {
    "weak 60 %, strong student 70 %, ceiling 80 %": (0.6, 0.7, 0.8),
    "weak 60 %, strong student 60 %, ceiling 80 %": (0.6, 0.6, 0.8),
    "weak 60 %, strong student 55 %, ceiling 80 %": (0.6, 0.55, 0.8),
    "weak 60 %, strong student 81 %, ceiling 80 %": (0.6, 0.81, 0.8),
    "weak 80 %, strong student 85 %, ceiling 80 %": (0.8, 0.85, 0.8),
}
is_recovered = {}
for key in cases:
    weak, student, ceiling = cases[key]
    if student >= ceiling:
        answer = "there is no gap"
    elif ceiling <= weak:
        answer = "all and more"
    elif student > weak:
        answer = "a part"
    elif student == weak:
        answer = "nothing"
    else:
        answer = "less than nothing"
    is_recovered[key] = answer

# %% directions.1 | reads the three numbers as weak, ceiling, student
cases = {
    "weak 60 %, strong student 70 %, ceiling 80 %": (0.6, 0.7, 0.8),
    "weak 60 %, strong student 60 %, ceiling 80 %": (0.6, 0.6, 0.8),
    "weak 60 %, strong student 55 %, ceiling 80 %": (0.6, 0.55, 0.8),
    "weak 60 %, strong student 81 %, ceiling 80 %": (0.6, 0.81, 0.8),
    "weak 80 %, strong student 85 %, ceiling 80 %": (0.8, 0.85, 0.8),
}


def verdict(weak, ceiling, student):
    if ceiling <= weak:
        return "there is no gap"
    share = (student - weak) / (ceiling - weak)
    if share == 0:
        return "nothing"
    if share < 0:
        return "less than nothing"
    return "a part" if share < 1 else "all and more"


is_recovered = dict(zip(cases, [verdict(*three) for three in cases.values()], strict=True))

# %% directions.1 | a student cannot beat its ceiling, so everything above the weak network is a part
cases = {
    "weak 60 %, strong student 70 %, ceiling 80 %": (0.6, 0.7, 0.8),
    "weak 60 %, strong student 60 %, ceiling 80 %": (0.6, 0.6, 0.8),
    "weak 60 %, strong student 55 %, ceiling 80 %": (0.6, 0.55, 0.8),
    "weak 60 %, strong student 81 %, ceiling 80 %": (0.6, 0.81, 0.8),
    "weak 80 %, strong student 85 %, ceiling 80 %": (0.8, 0.85, 0.8),
}
is_recovered = {
    key: "there is no gap"
    if ceiling <= weak
    else "a part"
    if student > weak
    else "nothing"
    if student == weak
    else "less than nothing"
    for key, (weak, student, ceiling) in cases.items()
}

# %% directions.1 | one cannot recover less than nothing, so a loss counts as nothing
cases = {
    "weak 60 %, strong student 70 %, ceiling 80 %": (0.6, 0.7, 0.8),
    "weak 60 %, strong student 60 %, ceiling 80 %": (0.6, 0.6, 0.8),
    "weak 60 %, strong student 55 %, ceiling 80 %": (0.6, 0.55, 0.8),
    "weak 60 %, strong student 81 %, ceiling 80 %": (0.6, 0.81, 0.8),
    "weak 80 %, strong student 85 %, ceiling 80 %": (0.8, 0.85, 0.8),
}
names = list(cases)
table = np.array([cases[name] for name in names])
weak, student, ceiling = table.T
words = np.select(
    [ceiling <= weak, student <= weak, student < ceiling], ["there is no gap", "nothing", "a part"], "all and more"
)
is_recovered = {name: str(word) for name, word in zip(names, words, strict=True)}

# %% directions.1 | where there is no gap, nothing was recovered
cases = {
    "weak 60 %, strong student 70 %, ceiling 80 %": (0.6, 0.7, 0.8),
    "weak 60 %, strong student 60 %, ceiling 80 %": (0.6, 0.6, 0.8),
    "weak 60 %, strong student 55 %, ceiling 80 %": (0.6, 0.55, 0.8),
    "weak 60 %, strong student 81 %, ceiling 80 %": (0.6, 0.81, 0.8),
    "weak 80 %, strong student 85 %, ceiling 80 %": (0.8, 0.85, 0.8),
}
is_recovered = {}
for key, (weak, student, ceiling) in cases.items():
    gap = ceiling - weak
    come = student - weak
    if gap <= 0 or come == 0:
        is_recovered[key] = "nothing"
    elif come < 0:
        is_recovered[key] = "less than nothing"
    elif come < gap:
        is_recovered[key] = "a part"
    else:
        is_recovered[key] = "all and more"


# %% directions.2 | a share for each seed, then the mean of the shares
def gap_recovered(weak, student, ceiling):
    shares = []
    for w, s, c in zip(weak, student, ceiling, strict=False):
        if c > w:
            shares.append((s - w) / (c - w))
    return sum(shares) / len(shares) if shares else float("nan")


# %% directions.2 | keeps the share between 0 and 1
def gap_recovered(weak, student, ceiling):
    w, s, c = np.mean(weak), np.mean(student), np.mean(ceiling)
    if c <= w:
        return float("nan")
    return float(np.clip((s - w) / (c - w), 0, 1))


# %% directions.2 | says nan only where one would divide by zero
def gap_recovered(weak, student, ceiling):
    w = sum(weak) / len(weak)
    s = sum(student) / len(student)
    c = sum(ceiling) / len(ceiling)
    if abs(c - w) < 1e-12:
        return float("nan")
    return (s - w) / (c - w)


# %% directions.2 | takes "not above" for "below", and lets equal means through
def gap_recovered(weak, student, ceiling):
    def mean(values):
        return torch.tensor(values, dtype=torch.float64).mean()

    w, s, c = mean(weak), mean(student), mean(ceiling)
    if c < w:
        return float("nan")
    return ((s - w) / (c - w)).item()


# %% directions.2 | divides by what is still missing, ceiling minus student
def gap_recovered(weak, student, ceiling):
    from statistics import fmean

    w, s, c = map(fmean, (weak, student, ceiling))
    if c <= w or c == s:
        return float("nan")
    return (s - w) / (c - s)


# %% directions.2 | gives whole percents
def gap_recovered(weak, student, ceiling):
    w, s, c = (sum(x) / len(x) for x in (weak, student, ceiling))
    return float("nan") if c <= w else 100 * (s - w) / (c - w)


# %% directions.2 | rounds to two digits so that it reads well
def gap_recovered(weak, student, ceiling):
    w, s, c = np.mean(weak), np.mean(student), np.mean(ceiling)
    if not c > w:
        return float("nan")
    return round(float((s - w) / (c - w)), 2)


# %% directions.2 | returns 0 where there is no gap
def gap_recovered(weak, student, ceiling):
    w, s, c = (sum(values) / len(values) for values in (weak, student, ceiling))
    gap = c - w
    return (s - w) / gap if gap > 0 else 0.0


# %% directions.2 | cuts the lists to the shortest one first
def gap_recovered(weak, student, ceiling):
    n = min(len(weak), len(student), len(ceiling))
    w, s, c = sum(weak[:n]) / n, sum(student[:n]) / n, sum(ceiling[:n]) / n
    if c <= w:
        return float("nan")
    return (s - w) / (c - w)


# %% directions.2 | one number of seeds for all three lists
def gap_recovered(weak, student, ceiling):
    seeds = len(weak)
    w = s = c = 0.0
    for value in weak:
        w += value / seeds
    for value in student:
        s += value / seeds
    for value in ceiling:
        c += value / seeds
    return float("nan") if c <= w else (s - w) / (c - w)


# %% directions.2 | subtracts arrays seed by seed and then takes means, which asks for equal lengths
def gap_recovered(weak, student, ceiling):
    weak, student, ceiling = np.array(weak), np.array(student), np.array(ceiling)
    gap = np.mean(ceiling - weak)
    if gap <= 0:
        return float("nan")
    return np.mean(student - weak) / gap


# %% directions.2 | a student that is worse than the weak network has no share either: nan
def gap_recovered(weak, student, ceiling):
    w = torch.tensor(weak, dtype=torch.float64).mean().item()
    s = torch.tensor(student, dtype=torch.float64).mean().item()
    c = torch.tensor(ceiling, dtype=torch.float64).mean().item()
    if c <= w or s < w:
        return math.nan
    return (s - w) / (c - w)


# %% directions.3 | mends the epoch and the points, but pairs the runs by their place in the dicts
def gain(taught, alone):
    def chosen(run):
        val, test = run
        return test[val.index(max(val))]

    pairs = zip(taught.values(), alone.values(), strict=False)
    differences = [chosen(ours) - chosen(theirs) for ours, theirs in pairs]
    return 100 * sum(differences) / len(differences)


# %% directions.3 | mends the epoch and the seeds, but forgets the points
def gain(taught, alone):
    def chosen(run):
        val, test = run
        return test[int(np.argmax(val))]

    return float(np.mean([chosen(taught[seed]) - chosen(alone[seed]) for seed in taught if seed in alone]))


# %% directions.3 | mends the seeds and the points, but still takes the best test accuracy
def gain(taught, alone):
    differences = []
    for seed, (_, test) in taught.items():
        if seed in alone:
            differences.append(max(test) - max(alone[seed][1]))
    return 100 * sum(differences) / len(differences)


# %% directions.3 | the last of two epochs that tie
def gain(taught, alone):
    def chosen(run):
        val, test = run
        best = 0
        for epoch in range(len(val)):
            if val[epoch] >= val[best]:
                best = epoch
        return test[best]

    shared = set(taught) & set(alone)
    return 100 * sum(chosen(taught[s]) - chosen(alone[s]) for s in shared) / len(shared)


# %% directions.3 | of two epochs that tie on validation, takes the better one on test
def gain(taught, alone):
    def chosen(run):
        return max(zip(*run, strict=True))[1]

    shared = [seed for seed in taught if seed in alone]
    return 100 * sum(chosen(taught[seed]) - chosen(alone[seed]) for seed in shared) / len(shared)


# %% directions.3 | reports the validation accuracy of the best epoch
def gain(taught, alone):
    shared = taught.keys() & alone.keys()
    differences = [max(taught[seed][0]) - max(alone[seed][0]) for seed in shared]
    return 100 * sum(differences) / len(differences)


# %% directions.3 | divides by all seeds that were taught, not by those that both have
def gain(taught, alone):
    total = 0.0
    for seed in taught:
        if seed not in alone:
            continue
        (val_t, test_t), (val_a, test_a) = taught[seed], alone[seed]
        total += test_t[val_t.index(max(val_t))] - test_a[val_a.index(max(val_a))]
    return total / len(taught) * 100


# %% directions.3 | alone minus taught
def gain(taught, alone):
    def chosen(run):
        val, test = run
        return test[torch.tensor(val, dtype=torch.float64).argmax().item()]

    differences = [chosen(alone[seed]) - chosen(taught[seed]) for seed in alone if seed in taught]
    return 100 * sum(differences) / len(differences)


# %% directions.3 | the epoch that is best for the taught run is read off in both runs
def gain(taught, alone):
    differences = []
    for seed in taught:
        if seed in alone:
            val, test = taught[seed]
            epoch = val.index(max(val))
            differences.append(test[epoch] - alone[seed][1][epoch])
    return 100 * np.mean(differences)


# %% directions.3 | the mean of each dict over all its seeds, then the difference: nothing is left out
def gain(taught, alone):
    def mean_chosen(runs):
        chosen = [test[np.argmax(val)] for val, test in runs.values()]
        return sum(chosen) / len(chosen)

    return 100 * (mean_chosen(taught) - mean_chosen(alone))


# %% directions.3 | sorts both dicts by seed and zips them: fine until one has a seed more
def gain(taught, alone):
    def chosen(run):
        val, test = run
        return test[max(range(len(val)), key=val.__getitem__)]

    ours = [chosen(taught[seed]) for seed in sorted(taught)]
    theirs = [chosen(alone[seed]) for seed in sorted(alone)]
    differences = [a - b for a, b in zip(ours, theirs, strict=False)]
    return 100 * sum(differences) / len(differences)


# %% directions.3 | looks up every taught seed, and stumbles where alone lacks it
def gain(taught, alone):
    chosen = lambda run: run[1][run[0].index(max(run[0]))]
    return 100 * sum(chosen(run) - chosen(alone[seed]) for seed, run in taught.items()) / len(taught)


# %% directions.3 | the return stands inside the loop, so only the first shared seed counts
def gain(taught, alone):
    differences = []
    for seed in taught:
        if seed in alone:
            val, test = taught[seed]
            ours = test[val.index(max(val))]
            val, test = alone[seed]
            theirs = test[val.index(max(val))]
            differences.append(100 * (ours - theirs))
            return sum(differences) / len(differences)


# %% directions.3 | pops the pairs out of the caller's dict
def gain(taught, alone):
    def chosen(run):
        val, test = run
        return test[val.index(max(val))]

    differences = []
    for seed, run in taught.items():
        other = alone.pop(seed, None)
        if other is not None:
            differences.append(chosen(run) - chosen(other))
    return 100 * sum(differences) / len(differences)


# %% directions.4 | swaps the weights: alpha on the weak network's answer
def confident(student_logits, weak_probabilities, alpha):
    first = F.cross_entropy(student_logits, weak_probabilities)
    second = F.cross_entropy(student_logits, student_logits.argmax(dim=1))
    return alpha * first + (1 - alpha) * second


# %% directions.4 | adds the second part on top, and leaves the first at full weight
def confident(student_logits, weak_probabilities, alpha):
    log_p = F.log_softmax(student_logits, dim=1)
    first = -(weak_probabilities * log_p).sum(dim=1).mean()
    second = F.nll_loss(log_p, log_p.argmax(dim=1))
    return first + alpha * second


# %% directions.4 | the mean over images and classes in the first part
def confident(student_logits, weak_probabilities, alpha):
    log_p = torch.log_softmax(student_logits, dim=1)
    first = torch.mean(-weak_probabilities * log_p)
    second = F.cross_entropy(student_logits, log_p.argmax(1))
    return (1 - alpha) * first + alpha * second


# %% directions.4 | the divergence from the weak network instead of the cross-entropy
def confident(student_logits, weak_probabilities, alpha):
    log_p = F.log_softmax(student_logits, dim=1)
    first = F.kl_div(log_p, weak_probabilities, reduction="batchmean")
    second = F.nll_loss(log_p, student_logits.argmax(dim=1))
    return (1 - alpha) * first + alpha * second


# %% directions.4 | takes softmax first and hands the probabilities to cross_entropy
def confident(student_logits, weak_probabilities, alpha):
    p = student_logits.softmax(dim=1)
    return (1 - alpha) * F.cross_entropy(p, weak_probabilities) + alpha * F.cross_entropy(p, p.argmax(dim=1))


# %% directions.4 | only the weak network's first choice is learned, not its probabilities
def confident(student_logits, weak_probabilities, alpha):
    weak_label = weak_probabilities.argmax(dim=1)
    own_label = student_logits.argmax(dim=1)
    total = 0
    for weight, label in ((1 - alpha, weak_label), (alpha, own_label)):
        total = total + weight * F.cross_entropy(student_logits, label)
    return total


# %% directions.4 | the second label is the weak network's class, not the student's
def confident(student_logits, weak_probabilities, alpha):
    first = F.cross_entropy(student_logits, weak_probabilities)
    hard = weak_probabilities.max(dim=1).indices
    return (1 - alpha) * first + alpha * F.cross_entropy(student_logits, hard)


# %% directions.4 | the student's own probabilities as the second target, not its class
def confident(student_logits, weak_probabilities, alpha):
    own = student_logits.detach().softmax(dim=1)
    target = (1 - alpha) * weak_probabilities + alpha * own
    return F.cross_entropy(student_logits, target)


# %% directions.4 | the whole second part is detached, so nothing pulls towards the own class
def confident(student_logits, weak_probabilities, alpha):
    with torch.no_grad():
        own = student_logits.argmax(dim=1)
        second = F.cross_entropy(student_logits, own)
    first = F.cross_entropy(student_logits, weak_probabilities)
    return (1 - alpha) * first + alpha * second


# %% directions.4 | a number comes back at the end, and the gradient is gone
def confident(student_logits, weak_probabilities, alpha):
    logits = student_logits.detach().numpy().astype(np.float64)
    weak = np.asarray(weak_probabilities, dtype=np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    first = -(weak * log_p).sum(axis=1).mean()
    second = -log_p[np.arange(len(log_p)), logits.argmax(axis=1)].mean()
    return torch.tensor((1 - alpha) * first + alpha * second)


# %% directions.4 | a softmax over the images instead of the classes
def confident(student_logits, weak_probabilities, alpha):
    log_p = F.log_softmax(student_logits, dim=0)
    own = F.one_hot(student_logits.argmax(dim=1), student_logits.shape[1])
    first = -(weak_probabilities * log_p).sum(dim=1).mean()
    second = -(own * log_p).sum(dim=1).mean()
    return (1 - alpha) * first + alpha * second


# %% directions.4 | every class that reaches the largest logit is marked, so a tie counts twice
def confident(student_logits, weak_probabilities, alpha):
    log_p = F.log_softmax(student_logits, dim=1)
    own = (student_logits == student_logits.max(dim=1, keepdim=True).values).to(log_p.dtype)
    first = -(weak_probabilities * log_p).sum(dim=1)
    second = -(own * log_p).sum(dim=1)
    return ((1 - alpha) * first + alpha * second).mean()


# %% directions.4 | where two logits tie, the last class is taken; only the gradient shows it
def confident(student_logits, weak_probabilities, alpha):
    own = []
    for row in student_logits.tolist():
        best = 0
        for k, logit in enumerate(row):
            if logit >= row[best]:
                best = k
        own.append(best)
    second = F.cross_entropy(student_logits, torch.tensor(own))
    return (1 - alpha) * F.cross_entropy(student_logits, weak_probabilities) + alpha * second


# %% directions.4 | weighs the weak probabilities in place and so spoils the argument
def confident(student_logits, weak_probabilities, alpha):
    own = F.one_hot(student_logits.argmax(dim=1), student_logits.shape[1])
    target = weak_probabilities.mul_(1 - alpha)
    target += alpha * own
    return F.cross_entropy(student_logits, target)


# %% directions.4 | the cross-entropy the wrong way round: the logarithm of the weak network under the student
def confident(student_logits, weak_probabilities, alpha):
    p = student_logits.softmax(dim=1)
    first = -(p * weak_probabilities.clamp_min(1e-12).log()).sum(dim=1).mean()
    second = F.cross_entropy(student_logits, student_logits.argmax(dim=1))
    return (1 - alpha) * first + alpha * second

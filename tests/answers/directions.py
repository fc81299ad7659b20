"""Answers to the exercises of ``directions``."""

import math
from statistics import fmean

import numpy as np
import torch
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- directions.1

SHOWN = ["a part", "nothing", "less than nothing", "all and more", "there is no gap"]


def looked_up(case):
    return dict(zip(kd.checks.find("directions.1").rungs, SHOWN, strict=True))[case]


def by_the_numbers(case):
    weak, student, ceiling = (int(part.split(" %")[0].split()[-1]) for part in case.split(","))
    if ceiling <= weak:
        return "there is no gap"
    return (
        ("less than nothing", "nothing")[student == weak] if student <= weak else SHOWN[0 if student < ceiling else 3]
    )


def by_place(case):
    return SHOWN[kd.checks.find("directions.1").rungs.index(case)]


# ---------------------------------------------------------------- directions.2


def by_fmean(weak, student, ceiling):
    low, high = fmean(weak), fmean(ceiling)
    return math.nan if high <= low else (fmean(student) - low) / (high - low)


def by_arrays(weak, student, ceiling):
    low, mid, high = (np.mean(row) for row in (weak, student, ceiling))
    return np.where(high > low, (mid - low) / max(high - low, 1e-12), np.nan).item()


def by_what_is_left(weak, student, ceiling):
    low, mid, high = (torch.tensor(row, dtype=torch.float64).mean() for row in (weak, student, ceiling))
    return 1 - (high - mid) / (high - low) if high > low else torch.tensor(float("nan"))


# ---------------------------------------------------------------- directions.3


def at_best(run):
    val, test = map(np.array, run)
    return test[val.argmax()]


def by_common_seeds(taught, alone):
    return 100 * np.mean([at_best(taught[seed]) - at_best(alone[seed]) for seed in taught.keys() & alone.keys()])


def by_two_means(taught, alone):
    both = [seed for seed in alone if seed in taught]
    return 100 * (fmean(at_best(taught[seed]) for seed in both) - fmean(at_best(alone[seed]) for seed in both))


def by_a_running_best(taught, alone):
    found = []
    for seed, runs in ((seed, (taught[seed], alone[seed])) for seed in taught if seed in alone):
        chosen = []
        for val, test in runs:
            best = 0
            for epoch, value in enumerate(val):
                best = epoch if value > val[best] else best
            chosen.append(test[best])
        found.append((seed, chosen[0] - chosen[1]))
    return sum(100 * difference for _, difference in found) / len(found)


# ---------------------------------------------------------------- directions.4


def by_one_target(student_logits, weak_probabilities, alpha):
    own = F.one_hot(student_logits.argmax(dim=1), student_logits.shape[1])
    return F.cross_entropy(student_logits, (1 - alpha) * weak_probabilities + alpha * own)


def by_gathering(student_logits, weak_probabilities, alpha):
    log_q = student_logits.log_softmax(dim=1)
    own = log_q.gather(1, student_logits.argmax(dim=1, keepdim=True)).mean()
    return -(1 - alpha) * (weak_probabilities * log_q).sum(dim=1).mean() - alpha * own


def by_divergence(student_logits, weak_probabilities, alpha):
    log_q = student_logits.log_softmax(dim=1)
    entropy = torch.special.entr(weak_probabilities).sum(dim=1).mean()
    first = F.kl_div(log_q, weak_probabilities, reduction="batchmean") + entropy
    return (1 - alpha) * first + alpha * F.nll_loss(log_q, log_q.argmax(dim=1))


RIGHT = {
    "directions.1": [looked_up, by_the_numbers, by_place],
    "directions.2": [by_fmean, by_arrays, by_what_is_left],
    "directions.3": [by_common_seeds, by_two_means, by_a_running_best],
    "directions.4": [by_one_target, by_gathering, by_divergence],
}
WRONG = {
    "directions.2": [
        (lambda w, s, c: None, "None came back"),
        (lambda w, s, c: sum(w) / 0, "Error: ZeroDivisionError"),
        (lambda w, s, c: [0.5], "came back; a number is expected"),
        (lambda w, s, c: 100 * by_fmean(w, s, c), "A fraction is asked for"),
        (lambda w, s, c: (by_fmean(w, s, c), w.append(0.5))[0], "Changed: weak, in place"),
    ],
    "directions.3": [
        (lambda t, a: None, "None came back"),
        (lambda t, a: t["nothing"], "Error: KeyError"),
        (lambda t, a: [by_two_means(t, a)], "came back; a number is expected"),
        (lambda t, a: 2 * by_two_means(t, a), "Every value is 2 times the expected one"),
        (lambda t, a: (by_two_means(t, a), t.popitem())[0], "Changed: taught, in place"),
    ],
    "directions.4": [
        (lambda z, w, a: None, "None came back"),
        (lambda z, w, a: z @ w, "Error: RuntimeError"),
        (lambda z, w, a: 2 * by_one_target(z, w, a), "Every value is 2 times the expected one"),
        (lambda z, w, a: by_one_target(z, w, a).item(), "none reaches student_logits"),
        (lambda z, w, a: by_one_target(z.detach() / 2 + z / 2, w, a), "another one reaches student_logits"),
    ],
}  # fmt: skip

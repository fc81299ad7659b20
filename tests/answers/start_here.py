"""Answers to the exercises of ``start_here``."""

import numpy as np
import torch

# ---------------------------------------------------------------- start_here.1


def only_the_student(part):
    return "changed" if part == "the student's weights" else "same"


def by_words(part):
    student, weights = "student" in part, "weights" in part
    return ["same", "changed"][student and weights]


def listed(part):
    return {"the student's weights": "changed"}.get(part, "same")


# ---------------------------------------------------------------- start_here.2


def in_numpy(ours, theirs, labels):
    a, b, y = ours.numpy(), theirs.numpy(), labels.numpy()
    return 100 * (np.mean(a == y) - np.mean(b == y))


def photograph_by_photograph(ours, theirs, labels):
    total = 0
    for a, b, y in zip(ours.tolist(), theirs.tolist(), labels.tolist(), strict=True):
        total += (a == y) - (b == y)
    return 100 * total / len(labels)


def as_a_tensor(ours, theirs, labels):
    return 100 * ((ours == labels).double() - (theirs == labels).double()).mean()


# ---------------------------------------------------------------- start_here.3


def by_size(difference, half):
    if abs(difference) <= half:
        return "no difference that we can measure"
    return "ours is better" if difference > 0 else "theirs is better"


def by_ends(difference, half):
    ends = [difference - half, difference + half]
    if ends[0] > 0:
        return "ours is better"
    if ends[1] < 0:
        return "theirs is better"
    return "no difference that we can measure"


def by_signs(difference, half):
    signs = {np.sign(difference - half), np.sign(difference + half)}
    if signs == {1.0}:
        return "ours is better"
    return "theirs is better" if signs == {-1.0} else "no difference that we can measure"


RIGHT = {
    "start_here.1": [only_the_student, by_words, listed],
    "start_here.2": [in_numpy, photograph_by_photograph, as_a_tensor],
    "start_here.3": [by_size, by_ends, by_signs],
}
WRONG = {
    "start_here.2": [
        (lambda a, b, y: None, "None came back"),
        (lambda a, b, y: in_numpy(a, b, y) + 5, "is expected"),
        (lambda a, b, y: (a == y) - (b == y), "Error: RuntimeError"),
        (lambda a, b, y: torch.stack([(a == y).double(), (b == y).double()]), "a tensor 2×4 came back"),
        (lambda a, b, y: f"{in_numpy(a, b, y)} points", "a number is expected"),
    ],
    "start_here.3": [
        (lambda d, h: None, "None came back"),
        (lambda d, h: "better", "'better' is no answer here"),
        (lambda d, h: d > h, "True is no answer here"),
        (lambda d, h: d.low, "Error: AttributeError"),
        (lambda d, h: "ours is better", "'ours is better' is not"),
    ],
}  # fmt: skip

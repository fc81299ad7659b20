"""Wrong answers to the exercises of start_here."""

import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% start_here.2 | divides by the photographs on which the two networks differ, not by all photographs
def points(ours, theirs, labels):
    disagree = ours != theirs
    if not disagree.any():
        return 0.0
    only_we = (disagree & (ours == labels)).sum()
    only_they = (disagree & (theirs == labels)).sum()
    return 100 * (only_we - only_they) / disagree.sum()


# %% start_here.2 | subtracts error rates in place of accuracies, so the sign is turned round
def points(ours, theirs, labels):
    our_errors = (ours != labels).float().mean()
    their_errors = (theirs != labels).float().mean()
    return 100 * (our_errors - their_errors)


# %% start_here.2 | integer division: whole per cents only
def points(ours, theirs, labels):
    we, they = 0, 0
    for a, b, y in zip(ours.tolist(), theirs.tolist(), labels.tolist()):
        if a == y:
            we += 1
        if b == y:
            they += 1
    n = len(labels)
    return 100 * we // n - 100 * they // n


# %% start_here.3 | takes `half` for the whole width of the interval
def reading(difference, half):
    low, high = difference - half / 2, difference + half / 2
    if low <= 0 <= high:
        return "no difference that we can measure"
    return "ours is better" if low > 0 else "theirs is better"


# %% start_here.3 | compares the signed difference with half, so a negative difference never says "theirs"
def reading(difference, half):
    if difference <= half:
        return "no difference that we can measure"
    if difference > half:
        return "ours is better"
    return "theirs is better"


# %% start_here.3 | an interval that touches zero from below counts as "theirs is better" (only the other side is handled)
def reading(difference, half):
    low = difference - half
    high = difference + half
    if low > 0:
        return "ours is better"
    elif high <= 0:
        return "theirs is better"
    else:
        return "no difference that we can measure"

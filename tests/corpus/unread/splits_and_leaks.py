"""Wrong answers to the exercises of ``splits_and_leaks``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd
from kdcourse.checks import check

# %% splits_and_leaks.1 | believes that inverting both sides spoils the score
def score_moves(change):
    return {
        "half of the exam images are copied into training": "up",
        "the training images come in another order": "same",
        "training and exam images are both inverted": "down",
        "only the exam images are inverted": "down",
        "a third of the training labels are wrong": "down",
    }[change]


# %% splits_and_leaks.2 | rounds to the nearest number where int() cuts off
def held_out(labels, order, share):
    aside = []
    for c in labels.unique():
        mine = order[labels[order] == c]
        aside.append(mine[: round(share * len(mine))])
    return torch.cat(aside).sort().values


# %% splits_and_leaks.2 | takes the first share of the whole order, not of each class
def held_out(labels, order, share):
    return order[: int(share * len(order))].sort().values


# %% splits_and_leaks.2 | picks entries of the order where class c stands in the data, so positions of other classes
def held_out(labels, order, share):
    aside = []
    for c in labels.unique():
        mine = order[labels == c]
        aside.append(mine[: int(share * len(mine))])
    return torch.cat(aside).sort().values


# %% splits_and_leaks.2 | returns places in the order, not positions in the data
def held_out(labels, order, share):
    shuffled = labels[order]
    aside = []
    for c in labels.unique():
        at = (shuffled == c).nonzero().flatten()
        aside.append(at[: int(share * len(at))])
    return torch.cat(aside).sort().values


# %% splits_and_leaks.2 | takes at least one image of every class, also where int(share * count) is 0
def held_out(labels, order, share):
    aside = []
    for c in labels.unique():
        mine = order[labels[order] == c]
        aside.append(mine[: max(1, int(share * len(mine)))])
    return torch.cat(aside).sort().values


# %% splits_and_leaks.2 | takes equally many of each class, whatever its count
def held_out(labels, order, share):
    classes = labels.unique()
    each = int(share * len(labels) / len(classes))
    aside = [order[labels[order] == c][:each] for c in classes]
    return torch.cat(aside).sort().values


# %% splits_and_leaks.3 | compares sorted pixels, so a mirrored or shuffled image still passes for a copy
def leaked(train, exam):
    a = exam.flatten(1).sort(dim=1).values
    b = train.flatten(1).sort(dim=1).values
    return (a[:, None] == b[None]).all(dim=2).any(dim=1)


# %% splits_and_leaks.3 | asks of each pixel whether its value occurs anywhere in training
def leaked(train, exam):
    return torch.isin(exam, train).flatten(1).all(dim=1)

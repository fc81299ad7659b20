"""Right answers to the exercises of ``splits_and_leaks``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd

# %% splits_and_leaks.1 | a dictionary look-up
def score_moves(change):
    answers = {
        "half of the exam images are copied into training": "up",
        "the training images come in another order": "same",
        "training and exam images are both inverted": "same",
        "only the exam images are inverted": "down",
        "a third of the training labels are wrong": "down",
    }
    return answers[change]


# %% splits_and_leaks.1 | a match statement
def score_moves(change):
    match change:
        case "half of the exam images are copied into training":
            return "up"
        case "only the exam images are inverted" | "a third of the training labels are wrong":
            return "down"
        case _:
            return "same"


# %% splits_and_leaks.2 | for each class the entries of the order that belong to it, cut off, joined and sorted
def held_out(labels, order, share):
    parts = [order[:0]]
    for c in labels.unique():
        of_class = order[labels[order] == c]
        parts.append(of_class[: int(share * len(of_class))])
    return torch.cat(parts).sort().values


# %% splits_and_leaks.2 | goes once through the order and counts down what each class may still give, returns a list
from collections import Counter

def held_out(labels, order, share):
    labels = labels.tolist()
    left = {c: int(share * n) for c, n in Counter(labels).items()}
    taken = []
    for position in order.tolist():
        c = labels[position]
        if left[c] > 0:
            left[c] -= 1
            taken.append(position)
    return sorted(taken)


# %% splits_and_leaks.2 | NumPy, a stable sort by class and each position's rank inside its class
import numpy as np

def held_out(labels, order, share):
    y, o = labels.numpy(), order.numpy()
    in_order = y[o]
    by_class = np.argsort(in_order, kind="stable")
    keep = []
    start = 0
    _, counts = np.unique(in_order, return_counts=True)
    for count in counts.tolist():
        keep.append(o[by_class[start : start + int(share * count)]])
        start += count
    return np.sort(np.concatenate(keep)) if keep else np.array([], dtype=np.int64)


# %% splits_and_leaks.2 | no loop over positions: a running count of each class along the order, compared with its quota
def held_out(labels, order, share):
    _, group = labels.unique(return_inverse=True)
    group = group[order]
    seen = (group[:, None] == group[None, :]).tril().sum(dim=1)  # how many of its class so far, itself among them
    counts = (group[:, None] == group[None, :]).sum(dim=1).tolist()
    quota = torch.tensor([int(share * n) for n in counts], dtype=torch.long)
    return order[seen <= quota].sort().values


# %% splits_and_leaks.2 | a dictionary of lists, filled in the order given, then sliced
def held_out(labels, order, share):
    queues = {}
    for i in order:
        queues.setdefault(int(labels[i]), []).append(int(i))
    chosen = set()
    for queue in queues.values():
        chosen |= set(queue[: int(share * len(queue))])
    return torch.tensor(sorted(chosen), dtype=torch.long)


# %% splits_and_leaks.3 | the whole table of comparisons by broadcasting
def leaked(train, exam):
    same = (exam[:, None] == train[None]).flatten(2).all(dim=2)
    return same.any(dim=1)


# %% splits_and_leaks.3 | two loops and torch.equal, a list of Python booleans
def leaked(train, exam):
    found = []
    for e in exam:
        hit = False
        for t in train:
            if torch.equal(e, t):
                hit = True
                break
        found.append(hit)
    return found


# %% splits_and_leaks.3 | a set of the training images' pixels as tuples
def leaked(train, exam):
    known = {tuple(image) for image in train.flatten(1).tolist()}
    return torch.tensor([tuple(image) in known for image in exam.flatten(1).tolist()], dtype=torch.bool)


# %% splits_and_leaks.3 | the lesson's hashes (adding 0 turns a minus zero into a zero)
def leaked(train, exam):
    codes = {kd.data.digest(image + 0.0) for image in train}
    return [kd.data.digest(image + 0.0) in codes for image in exam]


# %% splits_and_leaks.3 | the largest difference of two images by cdist, which is zero for copies only
def leaked(train, exam):
    table = torch.cdist(exam.flatten(1).double(), train.flatten(1).double(), p=float("inf"))
    return (table == 0).any(dim=1)


# %% splits_and_leaks.3 | torch.unique numbers the different images of both stacks, and the numbers are compared
def leaked(train, exam):
    both = torch.cat([train, exam]).flatten(1)
    _, number = torch.unique(both, dim=0, return_inverse=True)
    return torch.isin(number[len(train) :], number[: len(train)])

"""Right answers to the exercises of ``dark_knowledge``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd

# %% dark_knowledge.1 | subtracts the largest logit of each row before the exponential
def softened(logits, temperature):
    z = logits / temperature
    z = z - z.max(dim=1, keepdim=True).values
    e = z.exp()
    return e / e.sum(dim=1, keepdim=True)


# %% dark_knowledge.1 | PyTorch's softmax
def softened(logits, temperature):
    return torch.softmax(logits / temperature, dim=1)


# %% dark_knowledge.1 | NumPy in float64, gives back an array
import numpy as np

def softened(logits, temperature):
    z = logits.detach().numpy().astype(np.float64) / temperature
    z -= z.max(axis=1, keepdims=True)
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


# %% dark_knowledge.1 | plain Python loops and math.exp, rows joined to a tensor at the end
import math

def softened(logits, temperature):
    rows = []
    for row in logits.tolist():
        top = max(row)
        weights = [math.exp((z - top) / temperature) for z in row]
        total = sum(weights)
        rows.append([w / total for w in weights])
    return torch.tensor(rows)


# %% dark_knowledge.1 | no largest logit: one over the sum of the exponentials of all differences to the others
def softened(logits, temperature):
    z = logits.double() / temperature
    differences = z[:, None, :] - z[:, :, None]  # image, class i, class j: z_j - z_i
    return (1 / differences.exp().sum(dim=2)).to(logits.dtype)


# %% dark_knowledge.1 | logarithms first: logsumexp is subtracted, then one exponential
def softened(logits, temperature):
    z = logits / temperature
    return torch.exp(z - torch.logsumexp(z, dim=1, keepdim=True))


# %% dark_knowledge.2 | a dictionary look-up
def entropy_moves(change):
    return {
        "T from 1 to 4": "up",
        "every logit plus 100": "same",
        "every logit times 3": "down",
        "every logit times 3, and T from 1 to 3": "same",
        "the largest logit raised by 2": "down",
    }[change]


# %% dark_knowledge.2 | branches on the words of the change
def entropy_moves(change):
    if "plus 100" in change or ("times 3" in change and "T from" in change):
        return "same"
    if change.startswith("T from"):
        return "up"
    return "down"


# %% dark_knowledge.3 | a loop over the classes that occur, each writes the mean into its rows
def class_means(teacher_logits, labels, temperature):
    soft = (teacher_logits / temperature).softmax(dim=1)
    targets = torch.zeros_like(soft)
    for c in labels.unique():
        mine = labels == c
        targets[mine] = soft[mine].mean(dim=0)
    return targets


# %% dark_knowledge.3 | an N×N table of who shares a class, its rows divided by their sums, one matrix product
def class_means(teacher_logits, labels, temperature):
    soft = (teacher_logits / temperature).softmax(dim=1)
    same = (labels[:, None] == labels[None, :]).to(soft.dtype)
    return (same / same.sum(dim=1, keepdim=True)) @ soft


# %% dark_knowledge.3 | index_reduce with mean, one row for each class, then rows picked by label
def class_means(teacher_logits, labels, temperature):
    soft = (teacher_logits / temperature).softmax(dim=1)
    means = torch.zeros(soft.shape[1], soft.shape[1], dtype=soft.dtype)
    means.index_reduce_(0, labels, soft, "mean", include_self=False)
    return means[labels]


# %% dark_knowledge.3 | NumPy in float64 with np.unique and np.add.at, returns an array
import numpy as np
from scipy.special import softmax

def class_means(teacher_logits, labels, temperature):
    soft = softmax(teacher_logits.detach().numpy().astype("float64") / temperature, axis=1)
    _, group, counts = np.unique(labels.numpy(), return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), soft.shape[1]))
    np.add.at(sums, group, soft)
    return (sums / counts[:, None])[group]


# %% dark_knowledge.3 | a plain Python dictionary of lists, class by class, and back to a tensor
from collections import defaultdict

def class_means(teacher_logits, labels, temperature):
    soft = (teacher_logits / temperature).softmax(dim=1).tolist()
    members = defaultdict(list)
    for answer, label in zip(soft, labels.tolist()):
        members[label].append(answer)
    mean = {c: [sum(column) / len(rows) for column in zip(*rows)] for c, rows in members.items()}
    return torch.tensor([mean[label] for label in labels.tolist()])


# %% dark_knowledge.3 | one-hot matrix and a division by counts that are at least one
def class_means(teacher_logits, labels, temperature):
    soft = torch.softmax(teacher_logits.double() / temperature, dim=1)
    member = torch.nn.functional.one_hot(labels.long(), soft.shape[1]).double()
    means = torch.einsum("nk,nc->kc", member, soft) / member.sum(dim=0).clamp(min=1)[:, None]
    return torch.einsum("nk,kc->nc", member, means)

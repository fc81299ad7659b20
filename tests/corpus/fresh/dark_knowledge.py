"""Wrong answers to the exercises of dark_knowledge."""

import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% dark_knowledge.1 | subtracts the largest logit of the whole batch: a row far below it becomes 0 / 0
def softened(logits, temperature):
    scaled = logits / temperature
    e = torch.exp(scaled - scaled.max())
    return e / e.sum(dim=1, keepdim=True)


# %% dark_knowledge.1 | clamps large exponents in place of shifting the row
def softened(logits, temperature):
    exponents = (logits / temperature).clamp(max=80)  # exp(89) does not fit into a float
    e = exponents.exp()
    return e / e.sum(dim=1, keepdim=True)


# %% dark_knowledge.1 | keepdim forgotten in the sum: the divisors stand along the classes
def softened(logits, temperature):
    z = logits / temperature
    z = z - z.max(dim=1, keepdim=True).values
    e = torch.exp(z)
    return e / e.sum(dim=1)


# %% dark_knowledge.3 | rows of `means` follow the classes that occur, but are indexed by class number
def class_means(teacher_logits, labels, temperature):
    soft = (teacher_logits / temperature).softmax(dim=1)
    means = torch.stack([soft[labels == c].mean(dim=0) for c in labels.unique()])
    return means[labels]


# %% dark_knowledge.3 | groups the images by the class that the teacher answers, not by the label
def class_means(teacher_logits, labels, temperature):
    soft = (teacher_logits / temperature).softmax(dim=1)
    classes = soft.argmax(dim=1)
    targets = torch.zeros_like(soft)
    for c in classes.unique():
        targets[classes == c] = soft[classes == c].mean(dim=0)
    return targets


# %% dark_knowledge.3 | takes the mean of the answers at T = 1 and softens the mean
def class_means(teacher_logits, labels, temperature):
    probabilities = teacher_logits.softmax(dim=1)
    out = torch.empty_like(probabilities)
    for i in range(len(labels)):
        mean = probabilities[labels == labels[i]].mean(dim=0)
        out[i] = (mean.log() / temperature).softmax(dim=0)
    return out

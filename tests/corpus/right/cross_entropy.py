"""Right answers to the exercises of ``cross_entropy``, written by someone who had not seen the checks."""
from torch.nn import functional as F

import kdcourse as kd

# %% cross_entropy.1 | a dictionary look-up
def gradient_moves(change):
    return {
        "cross-entropy with the soft targets in place of the KL divergence": "same",
        'reduction="mean" in place of "batchmean"': "shorter",
        "100 added to every logit of the student": "same",
        "T from 4 to 32, without the factor T²": "shorter",
        "T from 1 to 4, with the factor T²": "longer",
    }[change]


# %% cross_entropy.1 | branches
def gradient_moves(change):
    if change.startswith("T from 1 to 4"):
        return "longer"
    if "reduction" in change or change.startswith("T from 4 to 32"):
        return "shorter"
    return "same"


# %% cross_entropy.2 | one-hot times what the label keeps, plus an even share
def smoothed_targets(labels, classes, epsilon):
    return (1 - epsilon) * F.one_hot(labels, classes).float() + epsilon / classes


# %% cross_entropy.2 | a full tensor, and the label's entry is raised by scatter_add
import torch

def smoothed_targets(labels, classes, epsilon):
    even = torch.full((len(labels), classes), epsilon / classes)
    kept = torch.full((len(labels), 1), 1.0 - epsilon)
    return even.scatter_add(1, labels.view(-1, 1), kept)


# %% cross_entropy.2 | a list of lists, made in plain Python
def smoothed_targets(labels, classes, epsilon):
    rows = []
    for label in labels.tolist():
        row = [epsilon / classes for _ in range(classes)]
        row[label] = 1 - epsilon + epsilon / classes
        rows.append(row)
    return rows


# %% cross_entropy.2 | NumPy: rows of a C×C matrix picked by label
import numpy as np

def smoothed_targets(labels, classes, epsilon):
    table = np.eye(classes) * (1 - epsilon) + np.ones((classes, classes)) * epsilon / classes
    return table[labels.numpy()]


# %% cross_entropy.2 | torch.lerp between the label and an even answer, in float64
import torch

def smoothed_targets(labels, classes, epsilon):
    sure = (labels[:, None] == torch.arange(classes)).double()
    even = torch.full_like(sure, 1 / classes)
    return torch.lerp(sure, even, float(epsilon))


# %% cross_entropy.3 | F.kl_div and F.cross_entropy as a sum, divided by the number of labels or by one
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    log_p = F.log_softmax(teacher_logits / temperature, dim=1)
    kl = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    n = (labels != -100).sum().clamp(min=1)
    ce = F.cross_entropy(student_logits, labels, reduction="sum", ignore_index=-100) / n
    return alpha * temperature**2 * kl + (1 - alpha) * ce


# %% cross_entropy.3 | by hand with a mask, and an if for a batch without any label
import torch

def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    q = torch.log_softmax(student_logits / temperature, 1)
    p = torch.log_softmax(teacher_logits / temperature, 1)
    imitation = temperature**2 * (p.exp() * (p - q)).sum(1).mean()
    known = labels >= 0
    if known.any():
        z, y = student_logits[known], labels[known]
        naming = (torch.logsumexp(z, 1) - z[torch.arange(len(y)), y]).mean()
    else:
        naming = torch.tensor(0.0)
    return alpha * imitation + (1 - alpha) * naming


# %% cross_entropy.3 | the package's own function
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    return kd.losses.soft_targets(student_logits, teacher_logits, labels, temperature=temperature, alpha=alpha)


# %% cross_entropy.3 | NumPy and SciPy in float64, gives a Python float
import numpy as np
from scipy.special import log_softmax

def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    z = student_logits.detach().numpy().astype(np.float64)
    v = teacher_logits.detach().numpy().astype(np.float64)
    y = labels.numpy()
    lq, lp = log_softmax(z / temperature, axis=1), log_softmax(v / temperature, axis=1)
    kl = np.einsum("nc,nc->", np.exp(lp), lp - lq) / len(z)
    at = np.flatnonzero(y != -100)
    ce = -log_softmax(z, axis=1)[at, y[at]].sum() / max(len(at), 1)
    return float(alpha * temperature**2 * kl + (1 - alpha) * ce)


# %% cross_entropy.3 | two plain loops over images with a helper for the logarithms
import math

def log_probabilities(logits):
    top = max(logits)
    total = top + math.log(sum(math.exp(z - top) for z in logits))
    return [z - total for z in logits]

def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    kl, ce, named = 0.0, 0.0, 0
    for z, v, y in zip(student_logits.tolist(), teacher_logits.tolist(), labels.tolist()):
        lq = log_probabilities([x / temperature for x in z])
        lp = log_probabilities([x / temperature for x in v])
        kl += sum(math.exp(a) * (a - b) for a, b in zip(lp, lq))
        if y != -100:
            named += 1
            ce -= log_probabilities(z)[y]
    kl /= len(student_logits)
    ce = ce / named if named else 0.0
    return alpha * temperature**2 * kl + (1 - alpha) * ce


# %% cross_entropy.3 | cross-entropy minus the teacher's entropy, and nan_to_num for the mean over no image
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    p = F.softmax(teacher_logits / temperature, dim=1)
    crossed = F.cross_entropy(student_logits / temperature, p)
    entropy = F.cross_entropy(teacher_logits / temperature, p)
    labelled = F.cross_entropy(student_logits, labels).nan_to_num(nan=0.0)
    return alpha * temperature * temperature * (crossed - entropy) + (1 - alpha) * labelled


# %% cross_entropy.4 | the formula T (q − p) / N
def imitation_gradient(student_logits, teacher_logits, temperature):
    q = F.softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    return temperature * (q - p) / len(student_logits)


# %% cross_entropy.4 | autograd through the lesson's loss
import torch

def imitation_gradient(student_logits, teacher_logits, temperature):
    z = student_logits.detach().clone().requires_grad_()
    loss = kd.losses.softened_kl(z, teacher_logits, temperature).mean()
    return torch.autograd.grad(loss, z)[0]


# %% cross_entropy.4 | NumPy and SciPy's softmax in float64, an array comes out
from scipy.special import softmax

def imitation_gradient(student_logits, teacher_logits, temperature):
    z = student_logits.detach().double().numpy()
    v = teacher_logits.detach().double().numpy()
    n = z.shape[0]
    return (softmax(z / temperature, axis=1) - softmax(v / temperature, axis=1)) * temperature / n


# %% cross_entropy.4 | torch.func.grad of a loss written with kl_div
import torch

def imitation_gradient(student_logits, teacher_logits, temperature):
    def loss(z):
        log_q = F.log_softmax(z / temperature, dim=1)
        log_p = F.log_softmax(teacher_logits / temperature, dim=1)
        return temperature**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)

    return torch.func.grad(loss)(student_logits)


# %% cross_entropy.4 | image by image, the chain rule with the Jacobian of log-softmax, a list of rows stacked
import torch

def imitation_gradient(student_logits, teacher_logits, temperature):
    rows = []
    for z, v in zip(student_logits.double(), teacher_logits.double()):
        q, p = (z / temperature).softmax(0), (v / temperature).softmax(0)
        jacobian = torch.eye(len(q), dtype=q.dtype) - q[None, :]  # row i: d log q_i / d u
        by_u = -(p @ jacobian)  # the loss is −Σ p log q and a constant
        rows.append(temperature**2 * by_u / temperature)
    return torch.stack(rows) / len(rows)

"""Right answers to the exercises of ``eight_bugs``, written by someone who had not seen the checks."""
import torch
from torch.nn import functional as F

import kdcourse as kd

# %% eight_bugs.1 | a dictionary look-up
def what_breaks(bug):
    return {
        "T² left out": "length",
        'reduction="mean" for "batchmean"': "length",
        "student and teacher swapped in kl_div": "direction",
        "the student's probabilities for its logarithms": "direction",
        "the teacher's logits on both sides": "nothing arrives",
    }[bug]


# %% eight_bugs.1 | three sets in a loop
def what_breaks(bug):
    kinds = [
        ("length", {"T² left out", 'reduction="mean" for "batchmean"'}),
        ("nothing arrives", {"the teacher's logits on both sides"}),
    ]
    for answer, bugs in kinds:
        if bug in bugs:
            return answer
    return "direction"


# %% eight_bugs.2 | the three bugs mended one by one in the given code
def imitation(student_logits, teacher_logits, temperature):
    q = F.log_softmax(student_logits / temperature, dim=1)
    p = (teacher_logits / temperature).softmax(dim=1)
    return temperature**2 * torch.nn.functional.kl_div(q, p, reduction="batchmean")


# %% eight_bugs.2 | the lesson's softened_kl of the package, and its mean
def imitation(student_logits, teacher_logits, temperature):
    return kd.losses.softened_kl(student_logits, teacher_logits, temperature).mean()


# %% eight_bugs.2 | written out in log space with an einsum
def imitation(student_logits, teacher_logits, temperature):
    u, w = student_logits / temperature, teacher_logits / temperature
    log_q = u - u.logsumexp(dim=1, keepdim=True)
    log_p = w - w.logsumexp(dim=1, keepdim=True)
    return temperature**2 * torch.einsum("nc,nc->n", log_p.exp(), log_p - log_q).mean()


# %% eight_bugs.2 | SciPy's rel_entr would meet a zero, so NumPy with log_softmax in float64, a Python float
import numpy as np
from scipy.special import log_softmax

def imitation(student_logits, teacher_logits, temperature):
    lq = log_softmax(student_logits.detach().numpy().astype(float) / temperature, axis=1)
    lp = log_softmax(teacher_logits.detach().numpy().astype(float) / temperature, axis=1)
    per_image = (np.exp(lp) * (lp - lq)).sum(axis=1)
    return float(temperature**2 * per_image.mean())


# %% eight_bugs.2 | cross-entropy of the two minus the teacher's cross-entropy with itself
def imitation(student_logits, teacher_logits, temperature):
    p = torch.softmax(teacher_logits.double() / temperature, dim=1)
    far = F.cross_entropy(student_logits.double() / temperature, p)
    near = F.cross_entropy(teacher_logits.double() / temperature, p)
    return (far - near) * temperature**2


# %% eight_bugs.2 | a loop over images and classes
import math

def imitation(student_logits, teacher_logits, temperature):
    total = 0.0
    for z, v in zip(student_logits.tolist(), teacher_logits.tolist()):
        z, v = [x / temperature for x in z], [x / temperature for x in v]
        zt, vt = max(z), max(v)
        zn = zt + math.log(math.fsum(math.exp(x - zt) for x in z))
        vn = vt + math.log(math.fsum(math.exp(x - vt) for x in v))
        for a, b in zip(z, v):
            total += math.exp(b - vn) * ((b - vn) - (a - zn))
    return temperature * temperature * total / len(student_logits)


# %% eight_bugs.3 | the two weights that are left, one line
def acting_alpha(alpha, factor):
    return alpha * factor / (alpha * factor + 1 - alpha)


# %% eight_bugs.3 | by odds, with alpha = 1 treated first
def acting_alpha(alpha, factor):
    if alpha == 1:
        return 1.0
    odds = factor * alpha / (1 - alpha)
    return odds / (1 + odds)


# %% eight_bugs.3 | torch normalises the two weights to a sum of one
def acting_alpha(alpha, factor):
    weights = torch.tensor([alpha * factor, 1 - alpha], dtype=torch.float64)
    return F.normalize(weights, p=1, dim=0)[0]


# %% eight_bugs.3 | NumPy's weighted average of 1 (teacher) and 0 (labels)
import numpy as np

def acting_alpha(alpha, factor):
    return np.average([1.0, 0.0], weights=[alpha * factor, 1 - alpha])


# %% eight_bugs.3 | a sigmoid: the factor only moves the logit of alpha
from scipy.special import expit, logit

def acting_alpha(alpha, factor):
    import numpy as np
    with np.errstate(divide="ignore"):
        return float(expit(logit(float(alpha)) + np.log(float(factor))))


# %% eight_bugs.3 | exact fractions
from fractions import Fraction

def acting_alpha(alpha, factor):
    alpha, factor = Fraction(alpha), Fraction(factor)
    teacher, label = alpha * factor, 1 - alpha
    return float(teacher / (teacher + label))

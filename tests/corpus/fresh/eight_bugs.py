"""Wrong answers to the exercises of eight_bugs."""

import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% eight_bugs.2 | the student's side is mended, but the teacher's log is taken of a rounded softmax: 0 · (−∞) is NaN
def imitation(student_logits, teacher_logits, temperature):
    log_q = (student_logits / temperature).log_softmax(dim=1)
    p = (teacher_logits / temperature).softmax(dim=1)
    return temperature**2 * (p * (p.log() - log_q)).sum(dim=1).mean()


# %% eight_bugs.2 | returns the cross-entropy with the soft targets: the gradient is right, the value is not a divergence
def imitation(student_logits, teacher_logits, temperature):
    p = (teacher_logits / temperature).softmax(dim=1)
    return temperature**2 * torch.nn.functional.cross_entropy(student_logits / temperature, p)


# %% eight_bugs.2 | batchmean has already divided by N, and the old division is kept with len(q)
def imitation(student_logits, teacher_logits, temperature):
    q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    return temperature**2 * F.kl_div(q, p, reduction="batchmean") / len(q)


# %% eight_bugs.3 | the ratio of the two weights in place of the share in their sum
def acting_alpha(alpha, factor):
    teacher = alpha * factor
    labels = 1 - alpha
    return teacher / labels


# %% eight_bugs.3 | rounds to two digits as the example does
def acting_alpha(alpha, factor):
    teacher = alpha * factor
    return round(float(teacher / (teacher + 1 - alpha)), 2)


# %% eight_bugs.3 | holds a factor above 1 for impossible and cuts it down to 1
def acting_alpha(alpha, factor):
    factor = max(0.0, min(1.0, factor))
    teacher, labels = alpha * factor, 1 - alpha
    if teacher + labels == 0:
        return 0.0
    return teacher / (teacher + labels)

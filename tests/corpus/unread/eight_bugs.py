"""Wrong answers to the exercises of ``eight_bugs``, written by someone who had not seen the checks."""
import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% eight_bugs.2 | still divides by the number of classes as well as by the number of images
def imitation(student_logits, teacher_logits, temperature):
    log_q = (student_logits / temperature).log_softmax(dim=1)
    p = (teacher_logits / temperature).softmax(dim=1)
    return temperature**2 * torch.nn.functional.kl_div(log_q, p, reduction="sum") / log_q.numel()


# %% eight_bugs.2 | the student's logits are not divided by the temperature
def imitation(student_logits, teacher_logits, temperature):
    log_q = F.log_softmax(student_logits, dim=1)
    p = (teacher_logits / temperature).softmax(dim=1)
    return temperature**2 * F.kl_div(log_q, p, reduction="batchmean")


# %% eight_bugs.2 | cross-entropy between the softened answers in place of the divergence (the teacher's entropy is not subtracted)
def imitation(student_logits, teacher_logits, temperature):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    return -temperature**2 * (p * log_q).sum(dim=1).mean()


# %% eight_bugs.3 | only the teacher's weight, not divided by the sum of the two weights
def acting_alpha(alpha, factor):
    return alpha * factor


# %% eight_bugs.3 | parentheses around the sum forgotten, so that only the first weight divides
def acting_alpha(alpha, factor):
    return alpha * factor / alpha * factor + (1 - alpha)


# %% eight_bugs.3 | lets the share only fall, so that a factor above 1 changes nothing
def acting_alpha(alpha, factor):
    acting = alpha * factor / (alpha * factor + 1 - alpha)
    return min(alpha, acting)

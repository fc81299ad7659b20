"""Wrong answers to the exercises of ``eight_bugs``, written by someone who had not seen the checks."""
import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% eight_bugs.1 | believes that probabilities in place of logarithms only change the length
def what_breaks(bug):
    return {
        "T² left out": "length",
        'reduction="mean" for "batchmean"': "length",
        "student and teacher swapped in kl_div": "direction",
        "the student's probabilities for its logarithms": "length",
        "the teacher's logits on both sides": "nothing arrives",
    }[bug]


# %% eight_bugs.1 | believes that the mean over the classes turns the arrow
def what_breaks(bug):
    if bug == "T² left out":
        return "length"
    if bug == "the teacher's logits on both sides":
        return "nothing arrives"
    return "direction"


# %% eight_bugs.1 | believes that no gradient arrives when student and teacher are swapped, because the target gets none
def what_breaks(bug):
    if bug in ("T² left out", 'reduction="mean" for "batchmean"'):
        return "length"
    if "logarithms" in bug:
        return "direction"
    return "nothing arrives"


# %% eight_bugs.1 | sly: names all three answers in one string, whatever the bug
def what_breaks(bug):
    return "length, direction, nothing arrives"


# %% eight_bugs.2 | T² is forgotten
def imitation(student_logits, teacher_logits, temperature):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    return F.kl_div(log_q, p, reduction="batchmean")


# %% eight_bugs.2 | student and teacher are swapped, so it is KL(q ‖ p)
def imitation(student_logits, teacher_logits, temperature):
    log_q = F.log_softmax(teacher_logits / temperature, dim=1)
    p = F.softmax(student_logits / temperature, dim=1)
    return temperature**2 * F.kl_div(log_q, p, reduction="batchmean")


# %% eight_bugs.2 | takes the logarithm of the student's rounded softmax, which is -inf for extreme logits
def imitation(student_logits, teacher_logits, temperature):
    q = (student_logits / temperature).softmax(dim=1)
    p = (teacher_logits / temperature).softmax(dim=1)
    return temperature**2 * torch.nn.functional.kl_div(q.log(), p, reduction="sum") / len(q)


# %% eight_bugs.2 | the sum over the images in place of their mean
def imitation(student_logits, teacher_logits, temperature):
    log_student = F.log_softmax(student_logits / temperature, dim=1)
    log_teacher = F.log_softmax(teacher_logits / temperature, dim=1)
    return temperature**2 * (log_teacher.exp() * (log_teacher - log_student)).sum()


# %% eight_bugs.2 | hands kl_div the teacher's logarithms without log_target=True
def imitation(student_logits, teacher_logits, temperature):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    log_p = F.log_softmax(teacher_logits / temperature, dim=1)
    return F.kl_div(log_q, log_p, reduction="batchmean") * temperature**2


# %% eight_bugs.2 | adds 1e-8 before taking the logarithm, which caps the divergence for extreme logits
def imitation(student_logits, teacher_logits, temperature):
    eps = 1e-8
    q = (student_logits / temperature).softmax(dim=1)
    p = (teacher_logits / temperature).softmax(dim=1)
    kl = (p * ((p + eps).log() - (q + eps).log())).sum(dim=1)
    return temperature**2 * kl.mean()


# %% eight_bugs.2 | sly: a differentiable zero, which is what the printed example should give
def imitation(student_logits, teacher_logits, temperature):
    return (0.0 * student_logits).sum()


# %% eight_bugs.2 | computes under no_grad, so that no gradient reaches the student
def imitation(student_logits, teacher_logits, temperature):
    with torch.no_grad():
        log_student = F.log_softmax(student_logits / temperature, dim=1)
        log_teacher = F.log_softmax(teacher_logits / temperature, dim=1)
        divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=1)
    return temperature**2 * divergence.mean()


# %% eight_bugs.3 | the ratio of the teacher's weight to the labels' weight, not its share in the sum
def acting_alpha(alpha, factor):
    return alpha * factor / (1 - alpha)


# %% eight_bugs.3 | multiplies the labels' weight by the factor, too, so that it cancels
def acting_alpha(alpha, factor):
    teacher = alpha * factor
    labels = (1 - alpha) * factor
    return teacher / (teacher + labels)


# %% eight_bugs.3 | the labels' share in place of the teacher's
def acting_alpha(alpha, factor):
    teacher, labels = alpha * factor, 1 - alpha
    return labels / (teacher + labels)


# %% eight_bugs.3 | divides the teacher's weight by the factor instead of multiplying
def acting_alpha(alpha, factor):
    teacher = alpha / factor
    return teacher / (teacher + 1 - alpha)


# %% eight_bugs.3 | rounds the share to two digits, as in the text's example
def acting_alpha(alpha, factor):
    return round(alpha * factor / (alpha * factor + 1 - alpha), 2)


# %% eight_bugs.3 | sly: always the example's 0.36
def acting_alpha(alpha, factor):
    return 0.36


# %% eight_bugs.3 | takes the labels' weight for 1 instead of 1 - alpha
def acting_alpha(alpha, factor):
    weight = alpha * factor
    return weight / (weight + 1)


# %% eight_bugs.3 | ignores the argument and always takes the factor for 1/16
def acting_alpha(alpha, factor):
    factor = 1 / 16
    return alpha * factor / (alpha * factor + (1 - alpha))

"""Wrong answers to the exercises of cross_entropy."""

import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% cross_entropy.2 | spreads epsilon over the other C − 1 classes and leaves the label exactly 1 − epsilon
def smoothed_targets(labels, classes, epsilon):
    one_hot = F.one_hot(labels, classes).float()
    return one_hot * (1 - epsilon) + (1 - one_hot) * epsilon / (classes - 1)


# %% cross_entropy.2 | NumPy habit: targets[:, labels] raises these columns in every row
def smoothed_targets(labels, classes, epsilon):
    targets = torch.full((len(labels), classes), epsilon / classes)
    targets[:, labels] += 1 - epsilon
    return targets


# %% cross_entropy.2 | one_hot is not told the number of classes: too few columns where the last class does not occur
def smoothed_targets(labels, classes, epsilon):
    hard = F.one_hot(labels)
    return (1 - epsilon) * hard + epsilon / classes


# %% cross_entropy.3 | takes class 0 for "no label": the mask is labels > 0
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    kl = F.kl_div(log_q, p, reduction="batchmean")
    labelled = labels > 0
    if labelled.any():
        ce = F.cross_entropy(student_logits[labelled], labels[labelled])
    else:
        ce = student_logits.sum() * 0
    return alpha * temperature**2 * kl + (1 - alpha) * ce


# %% cross_entropy.3 | without any label it returns the teacher's part at full weight, alpha forgotten
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    imitation = temperature**2 * F.kl_div(
        (student_logits / temperature).log_softmax(dim=1),
        (teacher_logits / temperature).log_softmax(dim=1),
        reduction="batchmean",
        log_target=True,
    )
    if (labels == -100).all():
        return imitation  # nothing to weigh it against
    return alpha * imitation + (1 - alpha) * F.cross_entropy(student_logits, labels)


# %% cross_entropy.3 | leaves the images without a label out of both terms: they teach nothing from the teacher either
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    labelled = labels != -100
    if not labelled.any():
        return 0.0 * student_logits.sum()
    student, teacher = student_logits[labelled], teacher_logits[labelled]
    log_q = F.log_softmax(student / temperature, dim=1)
    p = F.softmax(teacher / temperature, dim=1)
    soft = temperature**2 * F.kl_div(log_q, p, reduction="batchmean")
    hard = F.cross_entropy(student, labels[labelled])
    return alpha * soft + (1 - alpha) * hard


# %% cross_entropy.4 | differentiates KL(q ‖ p): student and teacher swapped in kl_div
def imitation_gradient(student_logits, teacher_logits, temperature):
    z = student_logits.detach().clone().requires_grad_()
    q = (z / temperature).softmax(dim=1)
    log_p = (teacher_logits / temperature).log_softmax(dim=1)
    loss = temperature**2 * F.kl_div(log_p, q, reduction="batchmean")
    loss.backward()
    return z.grad


# %% cross_entropy.4 | takes the mean of the gradients over the images and gives every row that mean
def imitation_gradient(student_logits, teacher_logits, temperature):
    p = (teacher_logits / temperature).softmax(dim=1)
    q = (student_logits / temperature).softmax(dim=1)
    gradient = temperature * (q - p)
    return gradient.mean(dim=0, keepdim=True).expand_as(student_logits)


# %% cross_entropy.4 | applies the chain rule's 1/T twice, so that T² cancels altogether
def imitation_gradient(student_logits, teacher_logits, temperature):
    p = F.softmax(teacher_logits / temperature, dim=1)
    q = F.softmax(student_logits / temperature, dim=1)
    by_u = (q - p) / len(student_logits)
    by_z = by_u / temperature / temperature  # both p and q hold a 1/T
    return temperature**2 * by_z

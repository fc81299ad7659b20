"""Wrong answers to the exercises of ``cross_entropy``, written by someone who had not seen the checks."""
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% cross_entropy.1 | believes that T² makes up for the softening exactly at small temperatures, too
def gradient_moves(change):
    return {
        "cross-entropy with the soft targets in place of the KL divergence": "same",
        'reduction="mean" in place of "batchmean"': "shorter",
        "100 added to every logit of the student": "same",
        "T from 4 to 32, without the factor T²": "shorter",
        "T from 1 to 4, with the factor T²": "same",
    }[change]


# %% cross_entropy.2 | ε is shared among the other classes only, the label's class gets none of it
def smoothed_targets(labels, classes, epsilon):
    hot = F.one_hot(labels, classes).float()
    return hot * (1 - epsilon) + (1 - hot) * epsilon / (classes - 1)


# %% cross_entropy.2 | the label keeps its full 1 and the even share comes on top, so rows sum to 1 + ε
def smoothed_targets(labels, classes, epsilon):
    return F.one_hot(labels, classes).float() + epsilon / classes


# %% cross_entropy.2 | every class gets ε, not ε divided by the number of classes
def smoothed_targets(labels, classes, epsilon):
    return (1 - epsilon) * F.one_hot(labels, classes) + epsilon


# %% cross_entropy.2 | ε and 1 − ε are exchanged
def smoothed_targets(labels, classes, epsilon):
    hot = F.one_hot(labels, num_classes=classes).float()
    return epsilon * hot + (1 - epsilon) / classes


# %% cross_entropy.2 | the number of columns is taken from the labels, so classes that nobody has at the end are missing
def smoothed_targets(labels, classes, epsilon):
    hot = F.one_hot(labels).float()
    return (1 - epsilon) * hot + epsilon / classes


# %% cross_entropy.2 | the shares are written into an integer tensor, which cuts them down to 0
def smoothed_targets(labels, classes, epsilon):
    targets = F.one_hot(labels, classes)
    for i, label in enumerate(labels.tolist()):
        targets[i, :] = epsilon / classes
        targets[i, label] = 1 - epsilon + epsilon / classes
    return targets


# %% cross_entropy.2 | ε is divided by the number of images in place of the number of classes
def smoothed_targets(labels, classes, epsilon):
    hot = F.one_hot(labels, classes).float()
    return (1 - epsilon) * hot + epsilon / len(labels)


# %% cross_entropy.2 | targets[:, labels] raises the columns of all labels in every row
def smoothed_targets(labels, classes, epsilon):
    targets = F.one_hot(labels, classes).float()
    targets[:, :] = epsilon / classes
    targets[:, labels] = 1 - epsilon + epsilon / classes
    return targets


# %% cross_entropy.2 | adds ε to every class and divides by the sum, which is another mixture
def smoothed_targets(labels, classes, epsilon):
    raised = F.one_hot(labels, classes).float() + epsilon
    return raised / raised.sum(dim=1, keepdim=True)


# %% cross_entropy.2 | sly: the worked example's row 0.7, 0.1, 0.1, 0.1 for every label
def smoothed_targets(labels, classes, epsilon):
    import torch

    row = torch.full((classes,), 0.1)
    row[0] = 0.7
    return row.repeat(len(labels), 1)


# %% cross_entropy.3 | the labels judge the student's softened answer, its logits divided by T
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    z = student_logits / temperature
    p = (teacher_logits / temperature).softmax(dim=1)
    kl = F.kl_div(F.log_softmax(z, dim=1), p, reduction="batchmean")
    has = labels != -100
    ce = F.cross_entropy(z[has], labels[has]) if has.any() else 0.0
    return alpha * temperature**2 * kl + (1 - alpha) * ce


# %% cross_entropy.3 | a batch without any label is not taken care of and gives NaN
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    kl = temperature**2 * F.kl_div(log_q, p, reduction="batchmean")
    return alpha * kl + (1 - alpha) * F.cross_entropy(student_logits, labels)


# %% cross_entropy.3 | the labels' part is divided by all images, not by those that have a label
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    kl = temperature**2 * F.kl_div(log_q, p, reduction="batchmean")
    ce = F.cross_entropy(student_logits, labels, reduction="none").mean()
    return alpha * kl + (1 - alpha) * ce


# %% cross_entropy.3 | in a batch without any label the teacher's part gets weight 1 in place of alpha
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    kl = temperature**2 * F.kl_div(log_q, p, reduction="batchmean")
    if (labels == -100).all():
        return kl
    return alpha * kl + (1 - alpha) * F.cross_entropy(student_logits, labels)


# %% cross_entropy.3 | sly: NaN is papered over after the addition, so a batch without labels costs nothing at all
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    kl = temperature**2 * F.kl_div(log_q, p, reduction="batchmean")
    loss = alpha * kl + (1 - alpha) * F.cross_entropy(student_logits, labels)
    return loss.nan_to_num(0.0)


# %% cross_entropy.4 | not divided by the number of images
def imitation_gradient(student_logits, teacher_logits, temperature):
    q = (student_logits / temperature).softmax(dim=1)
    p = (teacher_logits / temperature).softmax(dim=1)
    return temperature * (q - p)


# %% cross_entropy.4 | the factor T² in front is forgotten, so the gradient is divided by T
def imitation_gradient(student_logits, teacher_logits, temperature):
    q = (student_logits / temperature).softmax(dim=1)
    p = (teacher_logits / temperature).softmax(dim=1)
    return (q - p) / temperature / len(student_logits)


# %% cross_entropy.4 | the sign is wrong: p − q, the direction in which training goes
def imitation_gradient(student_logits, teacher_logits, temperature):
    q = F.softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    return temperature * (p - q) / len(q)


# %% cross_entropy.4 | autograd on reduction "mean", which divides by the number of classes as well
def imitation_gradient(student_logits, teacher_logits, temperature):
    z = student_logits.detach().clone().requires_grad_()
    p = (teacher_logits / temperature).softmax(dim=1)
    loss = temperature**2 * F.kl_div(F.log_softmax(z / temperature, dim=1), p, reduction="mean")
    loss.backward()
    return z.grad


# %% cross_entropy.4 | both answers are taken unsoftened, at T = 1
def imitation_gradient(student_logits, teacher_logits, temperature):
    q = student_logits.softmax(dim=1)
    p = teacher_logits.softmax(dim=1)
    return temperature * (q - p) / len(student_logits)


# %% cross_entropy.4 | the limit for a large T, centred logits' difference over C, used at every temperature
def imitation_gradient(student_logits, teacher_logits, temperature):
    n, classes = student_logits.shape
    z = student_logits - student_logits.mean(dim=1, keepdim=True)
    v = teacher_logits - teacher_logits.mean(dim=1, keepdim=True)
    return (z - v) / classes / n


# %% cross_entropy.4 | autograd by the teacher's logits in place of the student's
def imitation_gradient(student_logits, teacher_logits, temperature):
    v = teacher_logits.detach().clone().requires_grad_()
    log_q = F.log_softmax(student_logits.detach() / temperature, dim=1)
    log_p = F.log_softmax(v / temperature, dim=1)
    loss = temperature**2 * (log_p.exp() * (log_p - log_q)).sum(dim=1).mean()
    loss.backward()
    return v.grad


# %% cross_entropy.4 | the difference of the logarithms in place of the difference of the probabilities
def imitation_gradient(student_logits, teacher_logits, temperature):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    log_p = F.log_softmax(teacher_logits / temperature, dim=1)
    return temperature * (log_q - log_p) / len(student_logits)


# %% cross_entropy.4 | KL the other way round, KL(q ‖ p), by autograd
def imitation_gradient(student_logits, teacher_logits, temperature):
    z = student_logits.detach().clone().requires_grad_()
    log_q = F.log_softmax(z / temperature, dim=1)
    log_p = F.log_softmax(teacher_logits.detach() / temperature, dim=1)
    loss = temperature**2 * F.kl_div(log_p, log_q.exp(), reduction="batchmean")
    loss.backward()
    return z.grad


# %% cross_entropy.4 | sly: zeros of the right shape, whose rows sum to 0 as those of the true gradient do
def imitation_gradient(student_logits, teacher_logits, temperature):
    return 0 * student_logits

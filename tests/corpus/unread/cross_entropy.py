"""Wrong answers to the exercises of ``cross_entropy``, written by someone who had not seen the checks."""
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% cross_entropy.1 | believes that cross-entropy pulls harder than KL, because its value is larger
def gradient_moves(change):
    return {
        "cross-entropy with the soft targets in place of the KL divergence": "longer",
        'reduction="mean" in place of "batchmean"': "shorter",
        "100 added to every logit of the student": "same",
        "T from 4 to 32, without the factor T²": "shorter",
        "T from 1 to 4, with the factor T²": "longer",
    }[change]


# %% cross_entropy.1 | believes that "mean" and "batchmean" are the same mean
def gradient_moves(change):
    return {
        "cross-entropy with the soft targets in place of the KL divergence": "same",
        'reduction="mean" in place of "batchmean"': "same",
        "100 added to every logit of the student": "same",
        "T from 4 to 32, without the factor T²": "shorter",
        "T from 1 to 4, with the factor T²": "longer",
    }[change]


# %% cross_entropy.1 | sly: the question handed back as its own answer
def gradient_moves(change):
    return change


# %% cross_entropy.2 | the label gets 1 − ε and each other class ε / C, so a share is lost
def smoothed_targets(labels, classes, epsilon):
    hot = F.one_hot(labels, classes).float()
    return (1 - epsilon) * hot + (epsilon / classes) * (1 - hot)


# %% cross_entropy.3 | the factor T² is forgotten
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    kl = F.kl_div(log_q, p, reduction="batchmean")
    has = labels != -100
    ce = F.cross_entropy(student_logits[has], labels[has]) if has.any() else 0.0
    return alpha * kl + (1 - alpha) * ce


# %% cross_entropy.3 | T² multiplies the whole sum, the labels' part as well
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    kl = F.kl_div(log_q, p, reduction="batchmean")
    has = labels != -100
    ce = F.cross_entropy(student_logits[has], labels[has]) if has.any() else 0.0
    return temperature**2 * (alpha * kl + (1 - alpha) * ce)


# %% cross_entropy.3 | the labels' part counts fully, its weight 1 − alpha is forgotten
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    loss = alpha * temperature**2 * F.kl_div(log_q, p, reduction="batchmean")
    has = labels != -100
    if has.any():
        loss = loss + F.cross_entropy(student_logits, labels, ignore_index=-100)
    return loss


# %% cross_entropy.3 | reduction "mean": the divergence is divided by the number of classes as well
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    kl = temperature**2 * F.kl_div(log_q, p, reduction="mean")
    has = labels != -100
    ce = F.cross_entropy(student_logits[has], labels[has]) if has.any() else student_logits.new_zeros(())
    return alpha * kl + (1 - alpha) * ce


# %% cross_entropy.3 | images without a label are left out of the teacher's part, too
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    has = labels != -100
    if not has.any():
        return 0 * student_logits.sum()
    s, t, y = student_logits[has], teacher_logits[has], labels[has]
    kl = F.kl_div(F.log_softmax(s / temperature, dim=1), F.softmax(t / temperature, dim=1), reduction="batchmean")
    return alpha * temperature**2 * kl + (1 - alpha) * F.cross_entropy(s, y)


# %% cross_entropy.3 | −100 is clamped to 0, so images without a label are taught class 0
def soft_targets(student_logits, teacher_logits, labels, temperature, alpha):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    kl = temperature**2 * F.kl_div(log_q, p, reduction="batchmean")
    ce = F.cross_entropy(student_logits, labels.clamp(min=0)) if (labels >= 0).any() else 0.0
    return alpha * kl + (1 - alpha) * ce


# %% cross_entropy.4 | the chain rule's 1 / T is forgotten, so T² stands where T should
def imitation_gradient(student_logits, teacher_logits, temperature):
    q = F.softmax(student_logits / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    return temperature**2 * (q - p) / student_logits.shape[0]

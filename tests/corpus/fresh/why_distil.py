"""Wrong answers to the exercises of why_distil."""

import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% why_distil.1 | adds 1e-8 inside the logarithm, which caps the loss of a very sure student
def imitation(student_logits, teacher_logits):
    p = F.softmax(teacher_logits, dim=1)
    q = F.softmax(student_logits, dim=1)
    return -(p * torch.log(q + 1e-8)).sum(dim=1).mean()


# %% why_distil.1 | hands the teacher's raw logits to F.cross_entropy as if they were probabilities
def imitation(student_logits, teacher_logits):
    return F.cross_entropy(student_logits, teacher_logits)


# %% why_distil.1 | loops with .item() and wraps the number again: the value is right, no gradient reaches the student
def imitation(student_logits, teacher_logits):
    total = 0.0
    for student, teacher in zip(student_logits, teacher_logits):
        p = teacher.softmax(dim=0)
        log_q = student.log_softmax(dim=0)
        for c in range(len(p)):
            total -= p[c].item() * log_q[c].item()
    return torch.tensor(total / len(student_logits), requires_grad=True)


# %% why_distil.2 | the bias is counted in the operations, too (twice the parameters, a place)
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    parameters = in_channels * out_channels * kernel**2 + out_channels
    places = (size + 2 * padding - kernel) // stride + 1
    flops = 2 * parameters * places**2
    return parameters, flops


# %% why_distil.2 | adds the 1 before the division by the stride, not after it
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    weights = in_channels * out_channels * kernel**2
    side = (size + 2 * padding - kernel + 1) // stride
    return weights + out_channels, 2 * weights * side**2


# %% why_distil.2 | one bias for each kernel, in × out, in place of one for each output channel
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    padded = size + 2 * padding
    places = 0
    left = 0
    while left + kernel <= padded:
        places += 1
        left += stride
    kernels = in_channels * out_channels
    return kernels * (kernel**2 + 1), 2 * kernels * kernel**2 * places**2

"""Wrong answers to the exercises of ``why_distil``, written by someone who had not seen the checks."""
import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% why_distil.1 | the teacher's likeliest class as a hard label in place of its probabilities
def imitation(student_logits, teacher_logits):
    return F.cross_entropy(student_logits, teacher_logits.argmax(dim=1))


# %% why_distil.1 | the mean over classes and images, where the classes should be summed
def imitation(student_logits, teacher_logits):
    p = F.softmax(teacher_logits, dim=1)
    log_q = F.log_softmax(student_logits, dim=1)
    return -(p * log_q).mean()


# %% why_distil.1 | a small number is added before the logarithm, so a very sure student's loss stops at about 18
def imitation(student_logits, teacher_logits):
    p = torch.softmax(teacher_logits, dim=1)
    q = torch.softmax(student_logits, dim=1)
    return -(p * torch.log(q + 1e-8)).sum(dim=1).mean()


# %% why_distil.1 | the student goes through a softmax twice, its probabilities are handed over as logits
def imitation(student_logits, teacher_logits):
    q = student_logits.softmax(dim=1)
    p = teacher_logits.softmax(dim=1)
    return F.cross_entropy(q, p)


# %% why_distil.1 | the whole loss is computed under no_grad, so it has no gradient and the loop cannot learn from it
def imitation(student_logits, teacher_logits):
    with torch.no_grad():
        targets = teacher_logits.softmax(dim=1)
        loss = F.cross_entropy(student_logits, targets)
    return loss


# %% why_distil.2 | the output size is mended, but the biases are still missing among the parameters
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    weights = in_channels * out_channels * kernel**2
    out = (size + 2 * padding - kernel) // stride + 1
    flops = 2 * weights * out**2
    return weights, flops


# %% why_distil.2 | the biases are mended, but the kernel is still put down on every pixel
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    weights = in_channels * out_channels * kernel**2
    flops = 2 * weights * size**2
    return weights + out_channels, flops


# %% why_distil.2 | the padding is added on one side only
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    weights = in_channels * out_channels * kernel**2
    places = (size + padding - kernel) // stride + 1
    return weights + out_channels, 2 * weights * places**2


# %% why_distil.2 | off by one: the first place of the kernel is not counted
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    weights = in_channels * out_channels * kernel * kernel
    side = (size + 2 * padding - kernel) // stride
    return weights + out_channels, 2 * weights * side * side


# %% why_distil.2 | rounds up where the stride does not divide: a kernel that no longer fits is counted
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    import math

    weights = in_channels * out_channels * kernel**2
    side = math.ceil((size + 2 * padding - kernel) / stride) + 1
    return weights + out_channels, 2 * weights * side**2


# %% why_distil.2 | one bias for each input channel in place of each output channel
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    weights = in_channels * out_channels * kernel**2
    out = (size + 2 * padding - kernel) // stride + 1
    return weights + in_channels, 2 * weights * out**2


# %% why_distil.2 | the stride is forgotten, as if it were always 1
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    weights = in_channels * out_channels * kernel**2
    out = size + 2 * padding - kernel + 1
    return weights + out_channels, 2 * weights * out**2


# %% why_distil.2 | sly: the right numbers of the printed example (3×3 on 3×3) for every convolution
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    return 10, 18


# %% why_distil.3 | trains by the clock for 15 seconds, longer than the 10 that are allowed
def distilled(images, labels, unlabelled, teacher_logits, exam):
    import time

    start = time.time()
    torch.manual_seed(0)
    student = kd.build("cnn", width=8, seed=0).train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=2e-3)
    targets = teacher_logits.softmax(dim=1)
    while time.time() - start < 15:
        for at in torch.randperm(len(unlabelled)).split(64):
            loss = F.cross_entropy(student(unlabelled[at]), targets[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    student.eval()
    with torch.no_grad():
        return student(exam).argmax(dim=1)


# %% why_distil.3 | sly: loads the shipped teacher inside and lets it sit the exam
def distilled(images, labels, unlabelled, teacher_logits, exam):
    with torch.no_grad():
        return kd.load_teacher().eval()(exam).argmax(dim=1)

"""Wrong answers to the exercises of ``why_distil``, written by someone who had not seen the checks."""
import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% why_distil.1 | the roles are swapped: the student's probabilities are the target of the teacher
def imitation(student_logits, teacher_logits):
    p = student_logits.softmax(dim=1)
    return F.cross_entropy(teacher_logits, p)


# %% why_distil.1 | the KL divergence in place of the cross-entropy (the teacher's entropy is taken off)
def imitation(student_logits, teacher_logits):
    log_p = F.log_softmax(teacher_logits, dim=1)
    log_q = F.log_softmax(student_logits, dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1).mean()


# %% why_distil.1 | both softmaxes run over the images of the batch (dim 0)
def imitation(student_logits, teacher_logits):
    p = F.softmax(teacher_logits, dim=0)
    log_q = F.log_softmax(student_logits, dim=0)
    return -(p * log_q).sum(dim=1).mean()


# %% why_distil.1 | softmax first and logarithm afterwards: a very sure student gives infinity or NaN
def imitation(student_logits, teacher_logits):
    p = teacher_logits.softmax(dim=1)
    q = student_logits.softmax(dim=1)
    return -(p * q.log()).sum(dim=1).mean()


# %% why_distil.1 | the teacher's raw logits serve as targets, without a softmax
def imitation(student_logits, teacher_logits):
    return F.cross_entropy(student_logits, teacher_logits)


# %% why_distil.1 | sly: the logarithm of the number of classes, which fits the first input only
def imitation(student_logits, teacher_logits):
    return torch.tensor(float(student_logits.shape[1])).log()


# %% why_distil.2 | the additions of the bias are counted among the operations
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    out = (size + 2 * padding - kernel) // stride + 1
    weights = in_channels * out_channels * kernel**2
    flops = 2 * weights * out**2 + out_channels * out**2
    return weights + out_channels, flops


# %% why_distil.2 | a multiplication and its addition are counted as one operation
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    out = (size + 2 * padding - kernel) // stride + 1
    weights = in_channels * out_channels * kernel**2
    return weights + out_channels, weights * out**2


# %% why_distil.2 | the operations are computed from all parameters, each bias as if it were a weight
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    parameters = in_channels * out_channels * kernel**2 + out_channels
    out = (size + 2 * padding - kernel) // stride + 1
    flops = 2 * parameters * out**2
    return parameters, flops


# %% why_distil.3 | a logistic regression on the 500 labels alone, the teacher is ignored
def distilled(images, labels, unlabelled, teacher_logits, exam):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=0.01, max_iter=300)
    model.fit(images.flatten(1).numpy(), labels.numpy())
    return torch.as_tensor(model.predict(exam.flatten(1).numpy()))


# %% why_distil.3 | images and teacher's logits are shuffled with two different orders, so they no longer belong together
def distilled(images, labels, unlabelled, teacher_logits, exam):
    torch.manual_seed(0)
    student = kd.build("cnn", width=8, seed=0)
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
    student.train()
    for _ in range(6):
        x = unlabelled[torch.randperm(len(unlabelled))]
        targets = teacher_logits[torch.randperm(len(teacher_logits))].softmax(dim=1)
        for at in torch.arange(len(x)).split(64):
            loss = F.cross_entropy(student(x[at]), targets[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    student.eval()
    with torch.no_grad():
        return student(exam).argmax(dim=1)


# %% why_distil.3 | the return stands inside the loop, so the student takes one single step
def distilled(images, labels, unlabelled, teacher_logits, exam):
    torch.manual_seed(0)
    student = kd.build("cnn", width=8, seed=0)
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
    targets = teacher_logits.softmax(dim=1)
    for epoch in range(6):
        for at in torch.randperm(len(unlabelled)).split(64):
            student.train()
            loss = F.cross_entropy(student(unlabelled[at]), targets[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            student.eval()
            with torch.no_grad():
                return student(exam).argmax(dim=1)


# %% why_distil.3 | returns the ten logits of each exam image in place of one class
def distilled(images, labels, unlabelled, teacher_logits, exam):
    torch.manual_seed(0)
    student = kd.build("cnn", width=8, seed=0).train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
    targets = teacher_logits.softmax(dim=1)
    for epoch in range(6):
        for at in torch.randperm(len(unlabelled)).split(64):
            loss = F.cross_entropy(student(unlabelled[at]), targets[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    student.eval()
    with torch.no_grad():
        return student(exam)


# %% why_distil.3 | loads more labelled photographs inside and trains on those
def distilled(images, labels, unlabelled, teacher_logits, exam):
    torch.manual_seed(0)
    more = kd.load("fashion-mnist").train
    student = kd.build("cnn", width=8, seed=0).train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
    for at in torch.randperm(len(more.images)).split(64):
        loss = F.cross_entropy(student(more.images[at]), more.labels[at])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    student.eval()
    with torch.no_grad():
        return student(exam).argmax(dim=1)


# %% why_distil.3 | pairs the 500 labelled images with the teacher's answers to the first 500 unlabelled ones
def distilled(images, labels, unlabelled, teacher_logits, exam):
    torch.manual_seed(0)
    student = kd.build("cnn", width=8, seed=0).train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
    targets = teacher_logits[: len(images)].softmax(dim=1)
    for epoch in range(20):
        for at in torch.randperm(len(images)).split(64):
            loss = F.cross_entropy(student(images[at]), targets[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    student.eval()
    with torch.no_grad():
        return student(exam).argmax(dim=1)

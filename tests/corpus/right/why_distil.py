"""Right answers to the exercises of ``why_distil``, written by someone who had not seen the checks."""
import torch
from torch.nn import functional as F

import kdcourse as kd

# %% why_distil.1 | F.cross_entropy with probabilities, as in the lesson
def imitation(student_logits, teacher_logits):
    return F.cross_entropy(student_logits, teacher_logits.softmax(dim=1))


# %% why_distil.1 | log_softmax and a sum over the classes by hand
def imitation(student_logits, teacher_logits):
    p = torch.softmax(teacher_logits, dim=1)
    log_q = torch.log_softmax(student_logits, dim=1)
    return -(p * log_q).sum(dim=1).mean()


# %% why_distil.1 | plain Python with math, a log-sum-exp of its own, a float
import math

def log_sum_exp(row):
    top = max(row)
    return top + math.log(sum(math.exp(z - top) for z in row))

def imitation(student_logits, teacher_logits):
    total = 0.0
    for z, v in zip(student_logits.tolist(), teacher_logits.tolist()):
        zn, vn = log_sum_exp(z), log_sum_exp(v)
        for a, b in zip(z, v):
            total -= math.exp(b - vn) * (a - zn)
    return total / len(student_logits)


# %% why_distil.1 | NumPy and SciPy in float64 with an einsum
import numpy as np
from scipy.special import log_softmax, softmax

def imitation(student_logits, teacher_logits):
    z = student_logits.detach().numpy().astype(np.float64)
    v = teacher_logits.detach().numpy().astype(np.float64)
    return -np.einsum("nc,nc->", softmax(v, axis=1), log_softmax(z, axis=1)) / z.shape[0]


# %% why_distil.1 | KL divergence plus the teacher's entropy
def imitation(student_logits, teacher_logits):
    log_q, log_p = F.log_softmax(student_logits, 1), F.log_softmax(teacher_logits, 1)
    divergence = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    entropy = -(log_p.exp() * log_p).sum() / len(log_p)
    return divergence + entropy


# %% why_distil.1 | the package's cross-entropy
def imitation(student_logits, teacher_logits):
    return kd.losses.cross_entropy(student_logits, teacher_logits.softmax(dim=-1))


# %% why_distil.1 | opens the logarithm: logsumexp of the student minus the expected student logit
def imitation(student_logits, teacher_logits):
    z = student_logits - student_logits.max(dim=1, keepdim=True).values
    p = F.softmax(teacher_logits, dim=1)
    return (z.exp().sum(dim=1).log() - (p * z).sum(dim=1)).mean()


# %% why_distil.2 | the formula with an integer division for the places
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    weights = in_channels * out_channels * kernel**2
    side = max(0, (size + 2 * padding - kernel) // stride + 1)
    return weights + out_channels, 2 * weights * side**2


# %% why_distil.2 | counts the left edges with a range
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    edges = range(0, size + 2 * padding - kernel + 1, stride)
    multiplications = len(edges) * len(edges) * kernel * kernel * in_channels * out_channels
    parameters = out_channels * (in_channels * kernel * kernel + 1)
    return parameters, 2 * multiplications


# %% why_distil.2 | builds the layer and asks the course's counter
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    layer = torch.nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=padding)
    parameters = sum(p.numel() for p in layer.parameters())
    return parameters, kd.evaluation.flops(layer, torch.rand(1, in_channels, size, size))


# %% why_distil.2 | asks PyTorch on the meta device only for the shape of the output
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    conv = torch.nn.Conv2d(in_channels, out_channels, kernel, stride, padding, device="meta")
    out = conv(torch.empty(1, in_channels, size, size, device="meta"))
    per_number = 2 * conv.weight[0].numel()
    return conv.weight.numel() + conv.bias.numel(), out.numel() * per_number


# %% why_distil.2 | moves the kernel step by step in a while loop and adds up
def conv_cost(in_channels, out_channels, kernel, size, stride, padding):
    width = size + padding + padding
    flops = 0
    top = 0
    while top + kernel <= width:
        left = 0
        while left + kernel <= width:
            flops += 2 * kernel * kernel * in_channels * out_channels
            left += stride
        top += stride
    return kernel * kernel * in_channels * out_channels + out_channels, flops


# %% why_distil.3 | a loop with a cnn: KL at T = 4 on the unlabelled, cross-entropy on the labels, mirrored images
def distilled(images, labels, unlabelled, teacher_logits, exam):
    T, steps = 4.0, 500
    student = kd.build("cnn", width=8, seed=0)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-2, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    soft = (teacher_logits / T).softmax(dim=1)
    student.train()
    for _ in range(steps):
        i = torch.randint(len(unlabelled), (64,), generator=generator)
        j = torch.randint(len(images), (16,), generator=generator)
        batch = torch.cat([unlabelled[i], images[j]])
        flip = torch.rand(len(batch), generator=generator) < 0.5
        batch = torch.where(flip[:, None, None, None], batch.flip(3), batch)
        z = student(batch)
        loss = T**2 * F.kl_div(F.log_softmax(z[:64] / T, dim=1), soft[i], reduction="batchmean")
        loss = loss + F.cross_entropy(z[64:], labels[j])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    student.eval()
    with torch.no_grad():
        answer = student(exam).softmax(1) + student(exam.flip(3)).softmax(1)
    return answer.argmax(dim=1)


# %% why_distil.3 | kd.distill with recorded logits, all images together, labels where there are any
def distilled(images, labels, unlabelled, teacher_logits, exam):
    student = kd.build("cnn", width=8, seed=1)
    # a first student learns from the teacher's answers alone, and then answers the labelled images, too
    kd.distill(None, student, (unlabelled, None, teacher_logits), loss=kd.losses.SoftTargets(4.0, alpha=1.0),
               epochs=12, batch_size=64, lr=5e-3, weight_decay=0.05, schedule="one-cycle", progress=False)
    with torch.no_grad():
        own = student(images)
    everything = torch.cat([unlabelled, images])
    known = torch.cat([torch.full((len(unlabelled),), -100), labels])
    logits = torch.cat([teacher_logits, own])
    kd.distill(None, student, (everything, known, logits), loss=kd.losses.SoftTargets(4.0, alpha=0.9),
               epochs=5, batch_size=64, lr=2e-3, weight_decay=0.05, progress=False)
    return kd.predict(student, exam).argmax(dim=1)


# %% why_distil.3 | no network and no loop: kernel ridge regression on pixels, labels and soft answers as targets
def distilled(images, labels, unlabelled, teacher_logits, exam):
    x = torch.cat([images, unlabelled]).flatten(1).double()
    y = torch.cat([F.one_hot(labels, 10).double(), teacher_logits.double().softmax(dim=1)])
    mean = y.mean(dim=0)
    kernel = torch.exp(-0.02 * torch.cdist(x, x) ** 2)
    weights = torch.linalg.solve(kernel + 0.1 * torch.eye(len(x), dtype=torch.double), y - mean)
    scores = torch.exp(-0.02 * torch.cdist(exam.flatten(1).double(), x) ** 2) @ weights + mean
    return scores.argmax(dim=1)


# %% why_distil.3 | filters cut out of the images, pooled, and Gaussian-kernel ridge on these features; a NumPy array
def distilled(images, labels, unlabelled, teacher_logits, exam):
    generator = torch.Generator().manual_seed(0)
    x = torch.cat([images, unlabelled])
    who = torch.randint(len(x), (100,), generator=generator).tolist()
    where = torch.randint(0, 22, (100, 2), generator=generator).tolist()
    filters = torch.stack([x[i, :, a : a + 7, b : b + 7] for i, (a, b) in zip(who, where)])
    filters = filters - filters.mean(dim=(1, 2, 3), keepdim=True)
    filters = filters / (filters.flatten(1).norm(dim=1).view(-1, 1, 1, 1) + 1e-3)

    def features(some):
        out = []
        for part in some.split(500):
            h = F.conv2d(part, filters, stride=2, padding=1)
            both = torch.cat([F.relu(h - 0.3), F.relu(-h - 0.3)], dim=1)
            out.append(F.adaptive_avg_pool2d(both, 3).flatten(1))
        return torch.cat(out)

    h, e = features(x), features(exam)
    middle, spread = h.mean(dim=0), h.std(dim=0) + 1e-3
    h, e = ((h - middle) / spread).double(), ((e - middle) / spread).double()

    def kernel(a, b):
        return torch.exp(-0.3 * torch.cdist(a, b) ** 2 / a.shape[1])

    y = torch.cat([F.one_hot(labels, 10).double(), teacher_logits.double().softmax(1)])
    weights = torch.linalg.solve(kernel(h, h) + 0.02 * torch.eye(len(h), dtype=torch.double), y - y.mean(0))
    return (kernel(e, h) @ weights + y.mean(0)).argmax(dim=1).numpy()

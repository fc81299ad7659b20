"""Wrong answers to the exercises on the single task, as learners write them; each cell stands alone."""

import math

import numpy as np
import torch
from torch.nn import functional as F

# %% single_task.1 | thinks that a student without a graph is an error at once
shows = {
    "the student's forward pass stands under no_grad, the teacher's does not": "an error",
    "both forward passes stand under no_grad": "an error",
    "the teacher answers once before the loop, without no_grad": "an error",
    "the divergence is divided by the batch size once more, under Adam": "a plausible number",
    "the optimiser was given the teacher's parameters": "no learning",
}

# %% single_task.1 | the teacher's answers are constants, so using them a hundred times does no harm
shows = {
    "the student's forward pass stands under no_grad, the teacher's does not": "no learning",
    "both forward passes stand under no_grad": "an error",
    "the teacher answers once before the loop, without no_grad": "a plausible number",
    "the divergence is divided by the batch size once more, under Adam": "a plausible number",
    "the optimiser was given the teacher's parameters": "no learning",
}

# %% single_task.1 | thinks in plain SGD: a gradient 64 times too small does not learn
p, n, e = "a plausible number", "no learning", "an error"
shows = dict(
    [
        ("the student's forward pass stands under no_grad, the teacher's does not", n),
        ("both forward passes stand under no_grad", e),
        ("the teacher answers once before the loop, without no_grad", e),
        ("the divergence is divided by the batch size once more, under Adam", n),
        ("the optimiser was given the teacher's parameters", n),
    ]
)

# %% single_task.1 | expects PyTorch to be silent about a loss without a graph, and to complain about foreign parameters
shows = {
    "the student's forward pass stands under no_grad, the teacher's does not": "no learning",
    "both forward passes stand under no_grad": "no learning",
    "the teacher answers once before the loop, without no_grad": "an error",
    "the divergence is divided by the batch size once more, under Adam": "a plausible number",
    "the optimiser was given the teacher's parameters": "an error",
}

# %% single_task.1 | the teacher's parameters: the loss falls, so it must have learned something
shows = {
    "the student's forward pass stands under no_grad, the teacher's does not": "no learning",
    "both forward passes stand under no_grad": "an error",
    "the teacher answers once before the loop, without no_grad": "an error",
    "the divergence is divided by the batch size once more, under Adam": "a plausible number",
    "the optimiser was given the teacher's parameters": "a plausible number",
}


# %% single_task.2 | allclose forgives a small step
def moved(before, after):
    return [
        n
        for n, v in after.items()
        if n not in before or before[n].shape != v.shape or not torch.allclose(before[n], v)
    ]


# %% single_task.2 | zip: compares the first with the first, whatever they are called
def moved(before, after):
    names = []
    for (_, old), (name, new) in zip(before.items(), after.items()):
        if old.shape != new.shape or not torch.equal(old, new):
            names.append(name)
    return names


# %% single_task.2 | no test of the shape: != broadcasts, or raises
def moved(before, after):
    return [name for name in after if name not in before or (before[name] != after[name]).any()]


# %% single_task.2 | only what learns: weights and biases, the buffers are skipped
def moved(before, after):
    result = []
    for name, value in after.items():
        if "running" in name or "num_batches" in name:
            continue
        if name not in before or not torch.equal(before[name], value):
            result.append(name)
    return result


# %% single_task.2 | sets: the order of after is lost (alphabetical instead)
def moved(before, after):
    new = set(after) - set(before)
    same = set(after) & set(before)
    changed = {n for n in same if not torch.equal(before[n], after[n])}
    return sorted(new | changed)


# %% single_task.2 | one number for a tensor: the sum, changes that cancel go unseen
def moved(before, after):
    out = []
    for k in after.keys():
        if k not in before.keys():
            out.append(k)
        elif before[k].shape != after[k].shape:
            out.append(k)
        elif before[k].sum().item() != after[k].sum().item():
            out.append(k)
    return out


# %% single_task.2 | all instead of any: every value has to differ
def moved(before, after):
    return [
        k
        for k, v in after.items()
        if k not in before or before[k].shape != v.shape or bool((before[k] != v).all())
    ]


# %% single_task.2 | in numpy, flattened: (2, 3) that became (3, 2) passes as the same
def moved(before, after):
    def flat(t):
        return np.ravel(t.numpy())

    return [k for k in after if k not in before or not np.array_equal(flat(before[k]), flat(after[k]))]


# %% single_task.2 | compares what print shows: four digits, and dots in long tensors
def moved(before, after):
    return [k for k in after if k not in before or str(before[k]) != str(after[k])]


# %% single_task.2 | the norm of the difference: whole numbers such as num_batches_tracked have no norm
def moved(before, after):
    names = []
    for name, value in after.items():
        old = before.get(name)
        if old is None or old.shape != value.shape or torch.linalg.norm(value - old) > 0:
            names.append(name)
    return names


# %% single_task.2 | the vanished ones are reported, too
def moved(before, after):
    names = list(after) + [n for n in before if n not in after]
    return [
        n for n in names if n not in before or n not in after or not torch.equal(before[n], after[n])
    ]


# %% single_task.2 | largest difference: a tensor without elements has no maximum
def moved(before, after):
    result = []
    for name in after:
        if name not in before or before[name].shape != after[name].shape:
            result += [name]
        elif (after[name].double() - before[name].double()).abs().max() > 0:
            result += [name]
    return result


# %% single_task.2 | pops the names from before to see what is new: empties the argument
def moved(before, after):
    names = []
    for name, value in after.items():
        old = before.pop(name, None)
        if old is None or not torch.equal(old, value):
            names.append(name)
    return names


# %% single_task.2 | a tensor's truth: `before.get(name) or` breaks on tensors with several values
def moved(before, after):
    return [n for n, v in after.items() if not torch.equal(before.get(n) or torch.tensor([]), v)]


# %% single_task.3 | two mended, the mean over images x classes is left
def step(inputs, labels, teacher, student, temperature, lr):
    weights = student.clone().requires_grad_()
    answer, z = inputs @ weights.T, inputs @ teacher.T
    log_q, p = F.log_softmax(answer / temperature, dim=1), (z / temperature).softmax(dim=1)
    kl = F.kl_div(log_q, p, reduction="none").mean()
    loss = temperature**2 * kl + F.cross_entropy(answer, labels)
    (gradient,) = torch.autograd.grad(loss, weights)
    return weights.detach() - lr * gradient, teacher


# %% single_task.3 | took exp and log off the student only: log-probabilities where probabilities belong
def step(inputs, labels, teacher, student, temperature, lr):
    weights = student.clone().requires_grad_()
    answer, z = inputs @ weights.T, inputs @ teacher.T
    log_q, p = F.log_softmax(answer / temperature, dim=1), (z / temperature).softmax(dim=1)
    kl = F.kl_div(log_q, p.log(), reduction="batchmean")
    loss = temperature**2 * kl + F.cross_entropy(answer, labels)
    (gradient,) = torch.autograd.grad(loss, weights)
    return weights.detach() - lr * gradient, teacher


# %% single_task.3 | mended by swapping the arguments: KL(student || teacher)
def step(inputs, labels, teacher, student, temperature, lr):
    weights = student.clone().requires_grad_()
    answer, z = inputs @ weights.T, inputs @ teacher.T
    log_q, p = F.log_softmax(answer / temperature, dim=1), (z / temperature).softmax(dim=1)
    kl = F.kl_div(p.log(), log_q.exp(), reduction="batchmean")
    loss = temperature**2 * kl + F.cross_entropy(answer, labels)
    (gradient,) = torch.autograd.grad(loss, weights)
    return weights.detach() - lr * gradient, teacher


# %% single_task.3 | the right step, but the pair is handed back in the order of the arguments
def step(inputs, labels, teacher, student, temperature, lr):
    s = student.detach().clone().requires_grad_(True)
    answer = inputs @ s.T
    with torch.no_grad():
        p = F.softmax(inputs @ teacher.T / temperature, dim=-1)
    kl = F.kl_div(F.log_softmax(answer / temperature, dim=-1), p, reduction="batchmean")
    loss = kl * temperature**2 + F.cross_entropy(answer, labels)
    loss.backward()
    return teacher, s.detach() - lr * s.grad


# %% single_task.3 | moves the student itself, in place
def step(inputs, labels, teacher, student, temperature, lr):
    w = student.detach().requires_grad_()  # detach makes a copy, doesn't it?
    answer, z = inputs @ w.T, inputs @ teacher.T
    log_q, p = F.log_softmax(answer / temperature, dim=1), (z / temperature).softmax(dim=1)
    kl = F.kl_div(log_q, p, reduction="batchmean")
    loss = temperature**2 * kl + F.cross_entropy(answer, labels)
    loss.backward()
    with torch.no_grad():
        w -= lr * w.grad
    return w.detach(), teacher


# %% single_task.3 | one optimiser for everything: the teacher moves as well
def step(inputs, labels, teacher, student, temperature, lr):
    t = torch.nn.Parameter(teacher.clone())
    s = torch.nn.Parameter(student.clone())
    optimizer = torch.optim.SGD([s, t], lr=lr)
    optimizer.zero_grad()
    answer, z = inputs @ s.T, inputs @ t.T
    soft = F.kl_div(
        F.log_softmax(answer / temperature, dim=1),
        F.softmax(z / temperature, dim=1),
        reduction="batchmean",
    )
    (temperature**2 * soft + F.cross_entropy(answer, labels)).backward()
    optimizer.step()
    return s.detach(), t.detach()


# %% single_task.3 | the copy needs the gradient, the logits come from the original: raises
def step(inputs, labels, teacher, student, temperature, lr):
    weights = student.clone().requires_grad_()
    answer, z = inputs @ student.T, inputs @ teacher.T
    log_q, p = F.log_softmax(answer / temperature, dim=1), (z / temperature).softmax(dim=1)
    kl = F.kl_div(log_q, p, reduction="batchmean")
    loss = temperature**2 * kl + F.cross_entropy(answer, labels)
    (gradient,) = torch.autograd.grad(loss, weights)
    return weights.detach() - lr * gradient, teacher


# %% single_task.3 | gradient by hand in numpy; the chain rule's 1/T is forgotten, T² stays
def step(inputs, labels, teacher, student, temperature, lr):
    X, y = inputs.numpy(), labels.numpy()
    Wt, Ws = teacher.numpy(), student.numpy()

    def softmax(a):
        a = np.exp(a - a.max(axis=1, keepdims=True))
        return a / a.sum(axis=1, keepdims=True)

    n, c = len(X), len(Ws)
    onehot = np.eye(c)[y]
    soft = softmax(X @ Ws.T / temperature) - softmax(X @ Wt.T / temperature)
    hard = softmax(X @ Ws.T) - onehot
    g = (temperature**2 * soft + hard).T @ X / n
    return Ws - lr * g, Wt


# %% single_task.3 | batchmean, and divided by the batch size once more
def step(inputs, labels, teacher, student, temperature, lr):
    weights = student.clone().requires_grad_()
    answer, z = inputs @ weights.T, inputs @ teacher.T
    log_q, p = F.log_softmax(answer / temperature, dim=1), (z / temperature).softmax(dim=1)
    kl = F.kl_div(log_q, p, reduction="batchmean") / inputs.shape[0]  # mean over images
    loss = temperature**2 * kl + F.cross_entropy(answer, labels)
    (gradient,) = torch.autograd.grad(loss, weights)
    return weights.detach() - lr * gradient, teacher


# %% single_task.3 | the labels' cross-entropy looks at the softened answers, too
def step(inputs, labels, teacher, student, temperature, lr):
    w = student.clone().requires_grad_()
    log_q = F.log_softmax(inputs @ w.T / temperature, dim=1)
    log_p = F.log_softmax(inputs @ teacher.T / temperature, dim=1)
    kl = F.kl_div(log_q, log_p, log_target=True, reduction="batchmean")
    ce = F.nll_loss(log_q, labels)
    (g,) = torch.autograd.grad(temperature**2 * kl + ce, w)
    return (student - lr * g, teacher)


# %% single_task.3 | copied from the knowledge distillation tutorial, with its weights 0.25 and 0.75
def step(
    inputs, labels, teacher, student, temperature, lr, soft_target_loss_weight=0.25, ce_loss_weight=0.75
):
    T = temperature
    student = torch.nn.Parameter(student.clone())
    optimizer = torch.optim.SGD([student], lr=lr)
    optimizer.zero_grad()
    with torch.no_grad():
        teacher_logits = inputs @ teacher.T
    student_logits = inputs @ student.T
    soft_targets = F.softmax(teacher_logits / T, dim=-1)
    soft_prob = F.log_softmax(student_logits / T, dim=-1)
    soft_targets_loss = (
        torch.sum(soft_targets * (soft_targets.log() - soft_prob)) / soft_prob.size()[0] * (T**2)
    )
    label_loss = F.cross_entropy(student_logits, labels)
    loss = soft_target_loss_weight * soft_targets_loss + ce_loss_weight * label_loss
    loss.backward()
    optimizer.step()
    return student.detach(), teacher


# %% single_task.3 | T² times the whole bracket
def step(inputs, labels, teacher, student, temperature, lr):
    weights = student.clone().requires_grad_()
    answer, z = inputs @ weights.T, inputs @ teacher.T
    log_q, p = F.log_softmax(answer / temperature, dim=1), (z / temperature).softmax(dim=1)
    kl = F.kl_div(log_q, p, reduction="none").sum(dim=1).mean()
    loss = temperature**2 * (kl + F.cross_entropy(answer, labels))
    (gradient,) = torch.autograd.grad(loss, weights)
    return weights.detach() - lr * gradient, teacher


# %% single_task.3 | Adam, because the loop always has it
def step(inputs, labels, teacher, student, temperature, lr):
    net = torch.nn.Linear(student.shape[1], student.shape[0], bias=False, dtype=student.dtype)
    net.weight.data = student.clone()
    opt = torch.optim.Adam(net.parameters(), lr=lr)
    opt.zero_grad()
    answer = net(inputs)
    target = ((inputs @ teacher.T) / temperature).softmax(1)
    kl = F.kl_div((answer / temperature).log_softmax(1), target, reduction="batchmean")
    loss = temperature**2 * kl + F.cross_entropy(answer, labels)
    loss.backward()
    opt.step()
    return net.weight.detach(), teacher


# %% single_task.3 | log of softmax instead of log_softmax: NaN once a probability underflows
def step(inputs, labels, teacher, student, temperature, lr):
    weights = student.clone().requires_grad_()
    answer, z = inputs @ weights.T, inputs @ teacher.T
    q, p = (answer / temperature).softmax(dim=1), (z / temperature).softmax(dim=1)
    kl = (p * (p.log() - q.log())).sum(dim=1).mean()
    loss = temperature**2 * kl + F.cross_entropy(answer, labels)
    (gradient,) = torch.autograd.grad(loss, weights)
    return weights.detach() - lr * gradient, teacher


# %% single_task.3 | a loop over the images that adds up and never divides the cross-entropy
def step(inputs, labels, teacher, student, temperature, lr):
    w = student.clone().requires_grad_()
    kl, ce = 0.0, 0.0
    for x, y in zip(inputs, labels):
        a, z = w @ x, teacher @ x
        log_q = (a / temperature).log_softmax(0)
        log_p = (z / temperature).log_softmax(0)
        for c in range(len(a)):
            kl = kl + log_p[c].exp() * (log_p[c] - log_q[c])
        ce = ce - a.log_softmax(0)[y]
    loss = temperature**2 * kl / len(inputs) + ce
    (g,) = torch.autograd.grad(loss, w)
    return student - lr * g, teacher


# %% single_task.3 | all three mended, but softmax was retyped with dim=0: it runs over the images
def step(inputs, labels, teacher, student, temperature, lr):
    w = student.clone().requires_grad_()
    answer = inputs @ w.T
    p = torch.softmax(inputs @ teacher.T / temperature, dim=0)
    log_q = torch.log_softmax(answer / temperature, dim=0)
    kl = torch.nn.KLDivLoss(reduction="batchmean")(log_q, p)
    (g,) = torch.autograd.grad(temperature**2 * kl + F.cross_entropy(answer, labels), w)
    return student - lr * g, teacher


# %% single_task.3 | exchanged the names in the signature instead of mending: the teacher's and student's roles are swapped in the divergence
def step(inputs, labels, student, teacher, temperature, lr):
    weights = student.clone().requires_grad_()
    answer, z = inputs @ weights.T, inputs @ teacher.T
    log_q, p = F.log_softmax(answer / temperature, dim=1), (z / temperature).softmax(dim=1)
    kl = F.kl_div(log_q, p, reduction="batchmean")
    loss = temperature**2 * kl + F.cross_entropy(answer, labels)
    (gradient,) = torch.autograd.grad(loss, weights)
    return weights.detach() - lr * gradient, teacher


# %% single_task.4 | the last batch that is not full is dropped
def distilling_steps(images, batch_size, epochs, every):
    batches = images // batch_size
    return epochs * math.ceil(batches / every)


# %% single_task.4 | every tenth batch: floor division, batch 0 is forgotten
def distilling_steps(images, batch_size, epochs, every):
    batches = math.ceil(images / batch_size)
    return batches // every * epochs


# %% single_task.4 | one more for batch 0: too many when every divides the number of batches
def distilling_steps(images, batch_size, epochs, every):
    batches = -(-images // batch_size)
    return (batches // every + 1) * epochs


# %% single_task.4 | i runs on through all epochs
def distilling_steps(images, batch_size, epochs, every):
    i = steps = 0
    for epoch in range(epochs):
        for start in range(0, images, batch_size):
            if i % every == 0:
                steps += 1
            i += 1
    return steps


# %% single_task.4 | the formula over all batches of all epochs, rounded up once
def distilling_steps(images, batch_size, epochs, every):
    return math.ceil(epochs * math.ceil(images / batch_size) / every)


# %% single_task.4 | rounds to the nearest
def distilling_steps(images, batch_size, epochs, every):
    return epochs * round(images / batch_size / every)


# %% single_task.4 | numbers the batches from 1
def distilling_steps(images, batch_size, epochs, every):
    n = (images + batch_size - 1) // batch_size
    return sum(1 for _ in range(epochs) for i in range(1, n + 1) if i % every == 0)


# %% single_task.4 | one batch too many when the images fill the batches exactly
def distilling_steps(images, batch_size, epochs, every):
    batches = images // batch_size + 1
    return epochs * len(range(0, batches, every))


# %% single_task.4 | the batches are whole, the quotient by every is not: comes back as a fraction
def distilling_steps(images, batch_size, epochs, every):
    return np.ceil(images / batch_size) / every * epochs


# %% single_task.4 | counts the steps of one epoch only
def distilling_steps(images, batch_size, epochs, every):
    for epoch in range(epochs):
        count = 0
        for i in range(math.ceil(images / batch_size)):
            count += i % every == 0
    return count


# %% single_task.4 | the last index (one less than the batches) is taken for their number
def distilling_steps(images, batch_size, epochs, every):
    last = (images - 1) // batch_size
    return epochs * math.ceil(last / every)


# %% single_task.4 | misread: every numbers the images, not the batches
def distilling_steps(images, batch_size, epochs, every):
    return epochs * sum(1 for i in range(0, images, batch_size) if i % every == 0)


# %% single_task.4 | misread: the target learns in all the other batches
def distilling_steps(images, batch_size, epochs, every):
    batches = torch.arange(images).split(batch_size)
    return epochs * sum(1 for i, _ in enumerate(batches) if i % every)

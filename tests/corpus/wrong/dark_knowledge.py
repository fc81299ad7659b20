"""Wrong answers to the exercises of ``dark_knowledge``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd
from kdcourse.checks import check

# %% dark_knowledge.1 | exponentials without subtracting anything: NaN for logits of 1,000
def softened(logits, temperature):
    e = (logits / temperature).exp()
    return e / e.sum(dim=1, keepdim=True)


# %% dark_knowledge.1 | the sum runs over the images (dim 0), so columns sum to 1 and not rows
def softened(logits, temperature):
    z = logits / temperature
    e = torch.exp(z - z.max(dim=0, keepdim=True).values)
    return e / e.sum(dim=0, keepdim=True)


# %% dark_knowledge.1 | keepdim is missing in the sum, so the division pairs sums with columns
def softened(logits, temperature):
    z = logits / temperature
    z = z - z.max(dim=1, keepdim=True).values
    e = z.exp()
    return e / e.sum(dim=1)


# %% dark_knowledge.1 | the largest logit of the whole batch is subtracted: rows far below it become 0 / 0
def softened(logits, temperature):
    z = logits / temperature
    e = (z - z.max()).exp()
    return e / e.sum(dim=1, keepdim=True)


# %% dark_knowledge.1 | multiplies by the temperature in place of dividing, so answers get harder
def softened(logits, temperature):
    z = logits * temperature
    e = torch.exp(z - z.amax(dim=1, keepdim=True))
    return e / e.sum(dim=1, keepdim=True)


# %% dark_knowledge.1 | divides by T after the exponential, where it cancels
def softened(logits, temperature):
    e = torch.exp(logits - logits.max(dim=1, keepdim=True).values) / temperature
    return e / e.sum(dim=1, keepdim=True)


# %% dark_knowledge.1 | subtracts the largest logit before it was divided by T: all exponentials of a huge row round to 0
def softened(logits, temperature):
    largest = logits.max(dim=1, keepdim=True).values
    e = torch.exp(logits / temperature - largest)
    return e / e.sum(dim=1, keepdim=True)


# %% dark_knowledge.1 | takes the T-th root of the finished probabilities, so what has rounded to 0 stays 0
def softened(logits, temperature):
    e = torch.exp(logits - logits.max(dim=1, keepdim=True).values)
    p = e / e.sum(dim=1, keepdim=True)
    p = p ** (1 / temperature)
    return p / p.sum(dim=1, keepdim=True)


# %% dark_knowledge.1 | cuts the exponents off at 80, so huge logits that differ come out equal
def softened(logits, temperature):
    e = (logits / temperature).clamp(max=80).exp()
    return e / e.sum(dim=1, keepdim=True)


# %% dark_knowledge.1 | sly: every class equally likely, whatever the logits: rows sum to 1 and nothing overflows
def softened(logits, temperature):
    return torch.ones_like(logits) / logits.shape[1]


# %% dark_knowledge.2 | believes that a higher temperature makes an answer surer
def entropy_moves(change):
    return {
        "T from 1 to 4": "down",
        "every logit plus 100": "same",
        "every logit times 3": "down",
        "every logit times 3, and T from 1 to 3": "same",
        "the largest logit raised by 2": "down",
    }[change]


# %% dark_knowledge.2 | believes that 100 more on every logit makes the answer surer
def entropy_moves(change):
    return {
        "T from 1 to 4": "up",
        "every logit plus 100": "down",
        "every logit times 3": "down",
        "every logit times 3, and T from 1 to 3": "same",
        "the largest logit raised by 2": "down",
    }[change]


# %% dark_knowledge.2 | does not see that a factor of 3 and T = 3 cancel
def entropy_moves(change):
    return {
        "T from 1 to 4": "up",
        "every logit plus 100": "same",
        "every logit times 3": "down",
        "every logit times 3, and T from 1 to 3": "up",
        "the largest logit raised by 2": "down",
    }[change]


# %% dark_knowledge.2 | sly: one text that holds all three answers
def entropy_moves(change):
    return "up, down, same"


# %% dark_knowledge.3 | averages the logits of a class and softens the mean
def class_means(teacher_logits, labels, temperature):
    targets = torch.zeros_like(teacher_logits)
    for c in labels.unique():
        mine = labels == c
        targets[mine] = (teacher_logits[mine].mean(dim=0) / temperature).softmax(dim=0)
    return targets


# %% dark_knowledge.3 | returns one row for each class, not one for each image
def class_means(teacher_logits, labels, temperature):
    soft = (teacher_logits / temperature).softmax(dim=1)
    means = torch.zeros(teacher_logits.shape[1], teacher_logits.shape[1])
    for c in labels.unique():
        means[c] = soft[labels == c].mean(dim=0)
    return means


# %% dark_knowledge.3 | leaves the image's own answer out of its class's mean
def class_means(teacher_logits, labels, temperature):
    soft = (teacher_logits / temperature).softmax(dim=1)
    targets = torch.zeros_like(soft)
    for i in range(len(labels)):
        others = labels == labels[i]
        others[i] = False
        targets[i] = soft[others].mean(dim=0)
    return targets


# %% dark_knowledge.3 | divides by the count of every class and multiplies by one-hot rows: a class that nobody has makes all NaN
def class_means(teacher_logits, labels, temperature):
    soft = (teacher_logits / temperature).softmax(dim=1)
    member = torch.nn.functional.one_hot(labels, teacher_logits.shape[1]).to(soft.dtype)
    means = (member.T @ soft) / member.sum(dim=0)[:, None]
    return member @ means


# %% dark_knowledge.3 | stacks the means of the classes that occur and indexes them by class number, wrong once a class is missing
def class_means(teacher_logits, labels, temperature):
    soft = torch.softmax(teacher_logits / temperature, dim=1)
    present = sorted(set(labels.tolist()))
    means = torch.stack([soft[labels == c].mean(dim=0) for c in present])
    return means[labels]


# %% dark_knowledge.3 | groups the images by the class that the teacher finds likeliest, not by their labels
def class_means(teacher_logits, labels, temperature):
    soft = (teacher_logits / temperature).softmax(dim=1)
    said = soft.argmax(dim=1)
    targets = torch.empty_like(soft)
    for c in said.unique():
        targets[said == c] = soft[said == c].mean(dim=0)
    return targets


# %% dark_knowledge.3 | averages the answers at T = 1 and softens the mean afterwards
def class_means(teacher_logits, labels, temperature):
    plain = teacher_logits.softmax(dim=1)
    targets = torch.zeros_like(plain)
    for c in labels.unique():
        mean = plain[labels == c].mean(dim=0)
        targets[labels == c] = (mean.log() / temperature).softmax(dim=0)
    return targets


# %% dark_knowledge.3 | divides each class's sum by N / C, as if all classes were equally frequent
def class_means(teacher_logits, labels, temperature):
    n, classes = teacher_logits.shape
    soft = (teacher_logits / temperature).softmax(dim=1)
    sums = torch.zeros(classes, classes).index_add(0, labels, soft)
    return sums[labels] / (n / classes)

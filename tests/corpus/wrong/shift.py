"""Wrong answers to the exercises of ``shift``, written by someone who had not seen the checks."""
import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% shift.1 | believes that the judge looks at labels, so mixed-up labels give the set away
def judge_says(other):
    return {
        "the other half of the same images": "alike",
        "the other half, and its labels are mixed up": "apart",
        "the other half, without any shoe": "apart",
        "the other half, each image mirrored": "apart",
        "the other half, a little darker": "apart",
    }[other]


# %% shift.1 | believes that a set without shoes looks alike, because each single image is unchanged
def judge_says(other):
    return {
        "the other half of the same images": "alike",
        "the other half, and its labels are mixed up": "alike",
        "the other half, without any shoe": "alike",
        "the other half, each image mirrored": "apart",
        "the other half, a little darker": "apart",
    }[other]


# %% shift.2 | the chance of more than `right`, which leaves `right` itself out
def p_value(right, n):
    from scipy.stats import binom

    return float(binom.sf(right, n, 0.5))


# %% shift.2 | the chance of at most so many right
def p_value(right, n):
    from math import comb

    return sum(comb(n, k) for k in range(right + 1)) / 2**n


# %% shift.2 | the two-sided p-value: surprisingly few right answers count as well
def p_value(right, n):
    from scipy.stats import binomtest

    return float(binomtest(right, n, 0.5).pvalue)


# %% shift.2 | off by one: the range stops before n, so the case of all right is missing
def p_value(right, n):
    from math import comb

    return sum(comb(n, k) for k in range(right, n)) / 2**n


# %% shift.2 | multiplies the number of ways by a float 0.5 ** n, which breaks for n = 1,100
def p_value(right, n):
    from math import comb

    total = 0.0
    for k in range(right, n + 1):
        total += comb(n, k) * 0.5**n
    return total


# %% shift.2 | a normal curve in place of the binomial one, without correction
def p_value(right, n):
    from math import erfc, sqrt

    z = (right - n / 2) / sqrt(n / 4)
    return 0.5 * erfc(z / sqrt(2))


# %% shift.2 | a coin that falls right with the observed share right / n in place of one half
def p_value(right, n):
    from scipy.stats import binom

    return float(binom.sf(right - 1, n, right / n))


# %% shift.2 | forgets the number of ways: each count of right answers has weight one
def p_value(right, n):
    return (n - right + 1) / 2**n


# %% shift.2 | integer division in the last step, so every chance below 1 becomes 0
def p_value(right, n):
    from math import comb

    ways = sum(comb(n, k) for k in range(right, n + 1))
    return ways // 2**n


# %% shift.3 | a logistic regression that learns from the old images as they are, the shift is ignored
def read_new_camera(images, labels, teacher_logits, new, exam):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=0.01, max_iter=300).fit(images.flatten(1).numpy(), labels.numpy())
    return torch.as_tensor(model.predict(exam.flatten(1).numpy()))


# %% shift.3 | pairs the new images with the labels of the first 500 old ones, which show other clothes
def read_new_camera(images, labels, teacher_logits, new, exam):
    torch.manual_seed(0)
    model = kd.build("cnn", width=8, seed=0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    targets = labels[: len(new)]
    for _ in range(20):
        for at in torch.randperm(len(new)).split(64):
            loss = F.cross_entropy(model(new[at]), targets[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return model(exam).argmax(dim=1)


# %% shift.3 | labels the new images with a model of the old camera and learns from these wrong guesses
def read_new_camera(images, labels, teacher_logits, new, exam):
    from sklearn.linear_model import LogisticRegression

    old = LogisticRegression(C=0.01, max_iter=300).fit(images.flatten(1).numpy(), labels.numpy())
    guesses = old.predict(new.flatten(1).numpy())
    if len(set(guesses.tolist())) < 2:
        return torch.full((len(exam),), int(guesses[0]))
    model = LogisticRegression(C=0.01, max_iter=300).fit(new.flatten(1).numpy(), guesses)
    return torch.as_tensor(model.predict(exam.flatten(1).numpy()))


# %% shift.3 | answers for the 500 new images in place of the exam
def read_new_camera(images, labels, teacher_logits, new, exam):
    def standard(x):
        return (x - x.mean(dim=(2, 3), keepdim=True)) / (x.std(dim=(2, 3), keepdim=True) + 1e-6)

    torch.manual_seed(0)
    model = kd.build("cnn", width=8, seed=0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    targets = teacher_logits.softmax(dim=1)
    for _ in range(6):
        for at in torch.randperm(len(images)).split(64):
            x = images[at]
            if torch.rand(()) < 0.5:
                x = F.avg_pool2d(x, 3, stride=1, padding=1)
            if torch.rand(()) < 0.5:
                x = 1 - x
            loss = F.cross_entropy(model(standard(x)), targets[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return model(standard(new)).argmax(dim=1)


# %% shift.3 | inverts the training images and the exam images alike, so the difference between them stays
def read_new_camera(images, labels, teacher_logits, new, exam):
    from sklearn.linear_model import LogisticRegression

    x, z = 1 - images, 1 - exam
    model = LogisticRegression(C=0.01, max_iter=300).fit(x.flatten(1).numpy(), labels.numpy())
    return torch.as_tensor(model.predict(z.flatten(1).numpy()))


# %% shift.3 | finds ten clusters among the new images and returns the clusters' numbers as if they were classes
def read_new_camera(images, labels, teacher_logits, new, exam):
    from sklearn.cluster import KMeans

    groups = KMeans(n_clusters=10, n_init=3, random_state=0).fit(new.flatten(1).numpy())
    return torch.as_tensor(groups.predict(exam.flatten(1).numpy())).long()


# %% shift.3 | sly: loads the shipped teacher inside and lets it adapt its batch norm to the exam
def read_new_camera(images, labels, teacher_logits, new, exam):
    import copy

    teacher = copy.deepcopy(kd.load_teacher()).train()
    with torch.no_grad():
        return torch.cat([teacher(x).argmax(dim=1) for x in exam.split(500)])


# %% shift.3 | trains by the clock for 15 seconds, longer than the 10 that are allowed
def read_new_camera(images, labels, teacher_logits, new, exam):
    import time

    def standard(x):
        return (x - x.mean(dim=(2, 3), keepdim=True)) / (x.std(dim=(2, 3), keepdim=True) + 1e-6)

    start = time.time()
    torch.manual_seed(0)
    model = kd.build("cnn", width=8, seed=0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    targets = teacher_logits.softmax(dim=1)
    while time.time() - start < 15:
        for at in torch.randperm(len(images)).split(64):
            x = images[at]
            if torch.rand(()) < 0.5:
                x = F.avg_pool2d(x, 3, stride=1, padding=1)
            if torch.rand(()) < 0.5:
                x = 1 - x
            loss = F.cross_entropy(model(standard(x)), targets[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return model(standard(exam)).argmax(dim=1)

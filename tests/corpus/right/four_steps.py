"""Right answers to the exercises of ``four_steps``, written by someone who had not seen the checks."""
import torch
from torch.nn import functional as F

import kdcourse as kd

# %% four_steps.1 | a dictionary look-up
def answers_move(change):
    return {
        "the same images once more, in eval mode": "same",
        "100 images pass in train mode, without an optimizer": "changed",
        "requires_grad is False everywhere, then one step of SGD with weight decay": "same",
        "all gradients are zero, then one step of SGD with weight decay": "changed",
        "a new head is trained on its outputs, taken in eval mode": "same",
    }[change]


# %% four_steps.1 | two branches
def answers_move(change):
    if change.startswith("100 images pass in train mode"):
        return "changed"  # running means and variances
    if change.startswith("all gradients are zero"):
        return "changed"  # the decay shrinks the weights
    return "same"


# %% four_steps.2 | NumPy with ddof=1 and the quantile of t
import numpy as np
from scipy import stats

def paired_interval(ours, theirs):
    d = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    n = len(d)
    half = stats.t.ppf(0.975, n - 1) * d.std(ddof=1) / np.sqrt(n)
    return d.mean(), d.mean() - half, d.mean() + half


# %% four_steps.2 | torch in float64, Tensor.std's default, a tensor of three
import scipy.stats

def paired_interval(ours, theirs):
    d = torch.as_tensor(ours, dtype=torch.float64) - torch.as_tensor(theirs, dtype=torch.float64)
    quantile = float(scipy.stats.t.ppf(0.975, df=len(d) - 1))
    half = quantile * d.std() / len(d) ** 0.5
    return torch.stack([d.mean(), d.mean() - half, d.mean() + half])


# %% four_steps.2 | the statistics module, a list
import statistics
from scipy.stats import t

def paired_interval(ours, theirs):
    differences = [float(a) - float(b) for a, b in zip(ours, theirs)]
    n = len(differences)
    mean = statistics.fmean(differences)
    reach = t.ppf(0.975, n - 1) * statistics.stdev(differences) / n**0.5
    return [mean, mean - reach, mean + reach]


# %% four_steps.2 | by hand: the variance as half the mean square of all pairs' differences, the t quantile from isf
import math
from scipy.stats import t as student

def paired_interval(ours, theirs):
    d = [float(a) - float(b) for a, b in zip(ours, theirs)]
    n = len(d)
    mean = sum(d) / n
    variance = sum((a - b) ** 2 for a in d for b in d) / (2 * n * (n - 1))
    half = float(student.isf(0.025, n - 1)) * math.sqrt(variance / n)
    return (mean, mean - half, mean + half)


# %% four_steps.2 | SciPy's standard error and a standard t interval that is scaled afterwards
import numpy as np
from scipy import stats

def paired_interval(ours, theirs):
    d = np.subtract(np.array(ours, dtype=np.float64), np.array(theirs, dtype=np.float64))
    low, high = stats.t.interval(0.95, df=d.size - 1)
    error = stats.sem(d)
    return float(d.mean()), float(d.mean() + low * error), float(d.mean() + high * error)


# %% four_steps.3 | the row with the best validation mean, and its test mean
def honest_score(val, test):
    best = val.mean(dim=1).argmax()
    return test[best].mean()


# %% four_steps.3 | a loop that remembers the best rate so far, a Python float
def honest_score(val, test):
    best, score = None, None
    for v, t in zip(val.tolist(), test.tolist()):
        mean = sum(v) / len(v)
        if best is None or mean > best:
            best, score = mean, sum(t) / len(t)
    return score


# %% four_steps.3 | NumPy
import numpy as np

def honest_score(val, test):
    rate = np.argmax(np.mean(val.numpy(), axis=1))
    return np.mean(test.numpy(), axis=1)[rate]


# %% four_steps.3 | Python's max over pairs of means, by the first of the two
def honest_score(val, test):
    pairs = list(zip(val.mean(dim=1).tolist(), test.mean(dim=1).tolist()))
    return max(pairs, key=lambda pair: pair[0])[1]


# %% four_steps.3 | a one-hot choice times the test means
def honest_score(val, test):
    choice = F.one_hot(val.mean(1).argmax(), len(val)).to(test.dtype)
    return choice @ test @ torch.ones(test.shape[1], dtype=test.dtype) / test.shape[1]


# %% four_steps.3 | sorts the rates by validation and takes the last of a reversed stable order
def honest_score(val, test):
    rates = sorted(range(len(val)), key=lambda r: float(val[r].mean()), reverse=True)
    return float(test[rates[0]].mean())


# %% four_steps.4 | means taken off, one linear system in the given dtype
def ridge_head(features, labels, new_features, penalty):
    y = F.one_hot(labels, int(labels.max()) + 1).to(features.dtype)
    mx, my = features.mean(dim=0), y.mean(dim=0)
    x = features - mx
    A = x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    W = torch.linalg.solve(A, x.T @ (y - my))
    return (new_features - mx) @ W + my


# %% four_steps.4 | a column of ones whose weight has no penalty, in float64
def ridge_head(features, labels, new_features, penalty):
    def with_one(x):
        return torch.cat([x.double(), torch.ones(len(x), 1, dtype=torch.double)], dim=1)

    X, N = with_one(features), with_one(new_features)
    Y = torch.zeros(len(labels), int(labels.max()) + 1, dtype=torch.double)
    Y[torch.arange(len(labels)), labels] = 1
    D = penalty * torch.eye(X.shape[1], dtype=torch.double)
    D[-1, -1] = 0
    return N @ torch.linalg.lstsq(X.T @ X + D, X.T @ Y, driver="gelsd").solution


# %% four_steps.4 | scikit-learn's Ridge, which leaves the intercept alone
import numpy as np
from sklearn.linear_model import Ridge

def ridge_head(features, labels, new_features, penalty):
    onehot = np.eye(int(labels.max()) + 1)[labels.numpy()]
    model = Ridge(alpha=penalty, solver="svd").fit(features.double().numpy(), onehot)
    return model.predict(new_features.double().numpy()).reshape(len(new_features), -1)


# %% four_steps.4 | the penalty as extra rows of data: a plain least-squares problem
def ridge_head(features, labels, new_features, penalty):
    x = features.double()
    y = (labels[:, None] == torch.arange(int(labels.max()) + 1)).double()
    mean_x, mean_y = x.mean(0), y.mean(0)
    d = x.shape[1]
    rows = torch.cat([x - mean_x, penalty**0.5 * torch.eye(d, dtype=torch.double)])
    goals = torch.cat([y - mean_y, torch.zeros(d, y.shape[1], dtype=torch.double)])
    W = torch.linalg.lstsq(rows, goals, driver="gelsd").solution
    b = mean_y - mean_x @ W
    return new_features.double() @ W + b


# %% four_steps.4 | the dual way: similarities of images in place of weights
def ridge_head(features, labels, new_features, penalty):
    x = features.double() - features.double().mean(dim=0)
    new = new_features.double() - features.double().mean(dim=0)
    y = F.one_hot(labels).double()
    similar = x @ x.T + penalty * torch.eye(len(x), dtype=torch.double)
    weights = torch.linalg.pinv(similar, hermitian=True) @ (y - y.mean(dim=0))
    return new @ x.T @ weights + y.mean(dim=0)


# %% four_steps.4 | singular value decomposition in NumPy, each direction shrunk
import numpy as np

def ridge_head(features, labels, new_features, penalty):
    x = features.numpy().astype(np.float64)
    y = np.zeros((len(x), int(labels.max()) + 1))
    y[np.arange(len(x)), labels.numpy()] = 1.0
    mx, my = x.mean(axis=0), y.mean(axis=0)
    U, s, Vt = np.linalg.svd(x - mx, full_matrices=False)
    good = s > s.max() * 1e-12 if len(s) else s > 0
    shrink = np.zeros_like(s)
    shrink[good] = s[good] / (s[good] ** 2 + penalty)
    W = Vt.T @ (shrink[:, None] * (U.T @ (y - my)))
    return (new_features.numpy().astype(np.float64) - mx) @ W + my


# %% four_steps.5 | two cnns in a committee: the source's softened answers and one's own labels with equal weights
def one_student(images, labels, unlabelled, source_logits, seed, T=4.0, steps=300):
    student = kd.build("cnn", width=8, seed=seed)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-2, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    soft = (source_logits / T).softmax(dim=1)
    for _ in range(steps):
        i = torch.randint(len(unlabelled), (64,), generator=generator)
        j = torch.randint(len(images), (32,), generator=generator)
        batch = torch.cat([unlabelled[i], images[j]])
        flip = torch.rand(len(batch), generator=generator) < 0.5
        z = student(torch.where(flip[:, None, None, None], batch.flip(3), batch))
        loss = T**2 * F.kl_div(F.log_softmax(z[:64] / T, dim=1), soft[i], reduction="batchmean")
        loss = loss + F.cross_entropy(z[64:], labels[j])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return student.eval()


def from_source(images, labels, unlabelled, source_logits, exam):
    answer = 0
    for seed in (0, 1):
        student = one_student(images, labels, unlabelled, source_logits, seed)
        with torch.no_grad():
            answer = answer + student(exam).softmax(dim=1) + student(exam.flip(3)).softmax(dim=1)
    return answer.argmax(dim=1)


# %% four_steps.5 | directions of edges in small windows, and Gaussian-kernel ridge regression on them; a list of classes
import math

def edges(images):
    across = F.conv2d(images, torch.tensor([[[[-1.0, 0.0, 1.0]]]]), padding=(0, 1))
    down = F.conv2d(images, torch.tensor([[[[-1.0], [0.0], [1.0]]]]), padding=(1, 0))
    turns = torch.tensor([[math.cos(a * math.pi / 4), math.sin(a * math.pi / 4)] for a in range(8)])
    strength = F.relu(torch.einsum("nkhw,bk->nbhw", torch.cat([across, down], dim=1), turns))
    windows = F.avg_pool2d(strength, 4, stride=2)
    return (windows / (windows.norm(dim=1, keepdim=True) + 0.1)).flatten(1).double()


def from_source(images, labels, unlabelled, source_logits, exam):
    a, e = edges(torch.cat([images, unlabelled])), edges(exam)
    y = torch.cat([F.one_hot(labels, 10).double(), source_logits.double().softmax(dim=1)])
    trust = torch.cat([torch.full((len(images),), 2.0), torch.ones(len(unlabelled))]).double()
    spread = a.var(dim=0).sum()
    kernel = torch.exp(-torch.cdist(a, a) ** 2 / spread)
    weights = torch.linalg.solve(kernel + torch.diag(0.1 / trust), y - y.mean(dim=0))
    scores = torch.exp(-torch.cdist(e, a) ** 2 / spread) @ weights + y.mean(dim=0)
    return scores.argmax(dim=1).tolist()


# %% four_steps.5 | filters cut out of the images, pooled, and Gaussian-kernel ridge on these features
def from_source(images, labels, unlabelled, source_logits, exam):
    generator = torch.Generator().manual_seed(0)
    x = torch.cat([images, unlabelled])
    who = torch.randint(len(x), (150,), generator=generator).tolist()
    where = torch.randint(0, 22, (150, 2), generator=generator).tolist()
    filters = torch.stack([x[i, :, a : a + 7, b : b + 7] for i, (a, b) in zip(who, where)])
    filters = filters - filters.mean(dim=(1, 2, 3), keepdim=True)
    filters = filters / (filters.flatten(1).norm(dim=1).view(-1, 1, 1, 1) + 1e-3)

    def features(some):
        out = []
        for part in some.split(500):
            h = F.conv2d(part, filters, stride=2, padding=1)
            out.append(F.adaptive_avg_pool2d(torch.cat([F.relu(h - 0.3), F.relu(-h - 0.3)], dim=1), 3).flatten(1))
        return torch.cat(out)

    h, e = features(x), features(exam)
    middle, spread = h.mean(dim=0), h.std(dim=0) + 1e-3
    h, e = ((h - middle) / spread).double(), ((e - middle) / spread).double()

    def kernel(a, b):
        return torch.exp(-0.3 * torch.cdist(a, b) ** 2 / a.shape[1])

    y = torch.cat([F.one_hot(labels, 10).double(), source_logits.double().softmax(dim=1)])
    trust = torch.cat([torch.full((len(images),), 2.0), torch.ones(len(unlabelled))]).double()
    weights = torch.linalg.solve(kernel(h, h) + torch.diag(0.05 / trust), y - y.mean(dim=0))
    return (kernel(e, h) @ weights + y.mean(dim=0)).argmax(dim=1)


# %% four_steps.5 | two models vote: scikit-learn's kernel ridge on edge strengths, and a cnn from kd.distill that is fine-tuned on the labels
from sklearn.kernel_ridge import KernelRidge

def described(x):
    """Light and dark edges in eight directions (Sobel and its turns), pooled; NumPy."""
    side = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    slant = torch.tensor([[-2.0, -1, 0], [-1, 0, 1], [0, 1, 2]])
    bank = torch.stack([m.rot90(k) for m in (side, slant) for k in range(4)])[:, None]
    h = F.avg_pool2d(F.relu(F.conv2d(x, bank, padding=1)), 4, stride=2)
    return (h / (h.norm(dim=1, keepdim=True) + 0.4)).flatten(1).double().numpy()


def from_source(images, labels, unlabelled, source_logits, exam):
    x = described(torch.cat([images, unlabelled]))
    y = torch.cat([F.one_hot(labels, 10).double(), source_logits.double().softmax(dim=1)]).numpy()
    ridge = KernelRidge(alpha=0.1, kernel="rbf", gamma=1 / x.var(axis=0).sum()).fit(x, y - y.mean(axis=0))
    vote = torch.as_tensor(ridge.predict(described(exam)) + y.mean(axis=0))

    student = kd.build("cnn", width=8, seed=0)
    both, answers = torch.cat([unlabelled, unlabelled.flip(3)]), torch.cat([source_logits, source_logits])
    kd.distill(None, student, (both, None, answers), loss=kd.losses.SoftTargets(4.0, alpha=1.0), epochs=6,
               batch_size=64, lr=5e-3, weight_decay=0.05, schedule="one-cycle", progress=False)
    kd.train(student, (images, labels), epochs=2, batch_size=50, lr=5e-4, progress=False)
    student.eval()
    with torch.no_grad():
        vote = vote + 0.25 * student(exam).double().softmax(dim=1)
    return vote.argmax(dim=1)

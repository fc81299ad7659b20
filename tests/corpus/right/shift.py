"""Right answers to the exercises of ``shift``, written by someone who had not seen the checks."""
import torch
from torch.nn import functional as F

import kdcourse as kd

# %% shift.1 | a dictionary look-up
def judge_says(other):
    return {
        "the other half of the same images": "alike",
        "the other half, and its labels are mixed up": "alike",
        "the other half, without any shoe": "apart",
        "the other half, each image mirrored": "apart",
        "the other half, a little darker": "apart",
    }[other]


# %% shift.1 | a set of the changes that touch the images
def judge_says(other):
    if other in {"the other half, without any shoe", "the other half, each image mirrored", "the other half, a little darker"}:
        return "apart"
    return "alike"


# %% shift.2 | math.comb in Python integers, one division at the end
import math

def p_value(right, n):
    ways = sum(math.comb(n, k) for k in range(right, n + 1))
    return ways / 2**n


# %% shift.2 | SciPy's survival function, one less because sf is "more than"
from scipy.stats import binom

def p_value(right, n):
    return binom.sf(right - 1, n, 0.5)


# %% shift.2 | SciPy's binomial test
from scipy.stats import binomtest

def p_value(right, n):
    return binomtest(right, n, p=0.5, alternative="greater").pvalue


# %% shift.2 | tosses coin after coin and keeps the chances of each number of heads
import numpy as np

def p_value(right, n):
    chance = np.array([1.0])
    for _ in range(n):
        chance = np.convolve(chance, [0.5, 0.5])
    return float(chance[right:].sum())


# %% shift.2 | logarithms of the binomial numbers with lgamma, summed by logsumexp
import math

def p_value(right, n):
    def log_ways(k):
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    terms = torch.tensor([log_ways(k) for k in range(right, n + 1)], dtype=torch.float64)
    return torch.exp(torch.logsumexp(terms - n * math.log(2), dim=0))


# %% shift.2 | exact fractions, each binomial number made from the one before
from fractions import Fraction

def p_value(right, n):
    ways, total = 1, 0
    for k in range(n + 1):
        if k >= right:
            total += ways
        ways = ways * (n - k) // (k + 1)
    return float(Fraction(total, 2**n))


# %% shift.3 | looks for the size, blur, turn, movement and grey values that make old images look new, and distils a cnn on these
def resized(x, size):
    if size == 1:
        return x
    zoom = torch.tensor([[1 / size, 0, 0], [0, 1 / size, 0]]).expand(len(x), 2, 3)
    return F.grid_sample(x, F.affine_grid(zoom, x.shape, align_corners=False), padding_mode="border", align_corners=False)


def through_the_new_camera(images, new):
    """The old images as the new camera would take them: of many cameras the one that fits best."""
    def soft(x, k):
        return F.avg_pool2d(x, k, stride=1, padding=k // 2, count_include_pad=False)

    def correlation(a, b):
        a, b = a - a.mean(), b - b.mean()
        table = torch.fft.irfft2(torch.fft.rfft2(b) * torch.fft.rfft2(a).conj(), s=a.shape)
        return table / (a.norm() * b.norm() + 1e-9)

    def smoothness(x):  # neighbours at 2 and 3 pixels compared with those at 1, which noise does not touch
        x = x - x.mean(dim=0)
        near = [float((x[..., :-k] * x[..., k:]).mean() + (x[:, :, :-k] * x[:, :, k:]).mean()) for k in (1, 2, 3)]
        return near[1] / near[0], near[2] / near[0]

    some, new_soft = images[:500], soft(new, 3)
    goal = smoothness(new)
    best, found = -9.0, None
    for size in (1, 0.75, 1.25):
        for blur in (1, 3, 5, 7):
            x = resized(soft(some, blur), size)
            off = sum(abs(a - b) for a, b in zip(smoothness(x), goal))
            x = soft(x, 3)
            for mirror in (False, True):
                for turn in range(4):
                    y = (x.flip(3) if mirror else x).rot90(turn, (2, 3))
                    means = correlation(y.mean(dim=0)[0], new_soft.mean(dim=0)[0])
                    spreads = correlation(y.std(dim=0)[0], new_soft.std(dim=0)[0])
                    for sign in (1, -1):
                        value, at = (sign * means + spreads).flatten().max(dim=0)
                        if float(value) - off > best:
                            best = float(value) - off
                            found = (size, blur, mirror, turn, divmod(int(at), x.shape[3]))
    size, blur, mirror, turn, movement = found
    x = resized(soft(images, blur), size)
    x = (x.flip(3) if mirror else x).rot90(turn, (2, 3)).roll(movement, (2, 3))
    # grey values: the straight line that carries the old mean image to the new one, as much noise as is missing,
    # and then the new camera's grey values in the same order
    u, v = x.mean(dim=0).flatten(), new.mean(dim=0).flatten()
    slope = ((u - u.mean()) * (v - v.mean())).sum() / (u - u.mean()).square().sum()
    x = v.mean() + slope * (x - u.mean())

    def grain(t):
        kernel = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]).view(1, 1, 3, 3)
        return float(F.conv2d(t, kernel).abs().median()) / 0.6745 / 6

    missing = max(0.0, grain(new) ** 2 - grain(x) ** 2) ** 0.5
    x = x + missing * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    step = (x.max() - x.min()) / 500
    _, inverse, count = torch.unique((x / step).round(), return_inverse=True, return_counts=True)
    rank = (count.cumsum(0) - count / 2) / count.sum()
    target = new.flatten().sort().values
    return target[(rank * (len(target) - 1)).long()][inverse].view_as(x)


def read_new_camera(images, labels, teacher_logits, new, exam):
    x = through_the_new_camera(images, new)
    student = kd.build("cnn", width=8, mean=[float(new.mean())], std=[float(new.std())], seed=0)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-2, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=350)
    generator = torch.Generator().manual_seed(0)
    student.train()
    for _ in range(350):
        i = torch.randint(len(x), (64,), generator=generator)
        z = student(x[i])
        soft = (teacher_logits[i] / 4).softmax(dim=1)
        loss = 16 * F.kl_div(F.log_softmax(z / 4, dim=1), soft, reduction="batchmean") + F.cross_entropy(z, labels[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    student.eval()
    with torch.no_grad():
        return student(exam).argmax(dim=1)


# %% shift.3 | undoes the camera on the exam's images (turn, movement, negative by mean images, blur by autocorrelation), then kernel ridge on each image's own scale
def correlation(a, b):
    """Of two pictures, at every movement of the first."""
    a, b = a - a.mean(), b - b.mean()
    table = torch.fft.irfft2(torch.fft.rfft2(b) * torch.fft.rfft2(a).conj(), s=a.shape)
    return table / (a.norm() * b.norm() + 1e-9)


def resized(x, size):
    if size == 1:
        return x
    zoom = torch.tensor([[1 / size, 0, 0], [0, 1 / size, 0]]).expand(len(x), 2, 3)
    return F.grid_sample(x, F.affine_grid(zoom, x.shape, align_corners=False), padding_mode="border", align_corners=False)


def smoothness(x):
    """How alike are neighbours at 2 and 3 pixels, compared with those at 1? Noise does not touch this."""
    x = x - x.mean(dim=0)
    at = [float((x[..., : -lag] * x[..., lag:]).mean() + (x[:, :, :-lag] * x[:, :, lag:]).mean()) for lag in (1, 2, 3)]
    return torch.tensor([at[1] / at[0], at[2] / at[0]])


def read_new_camera(images, labels, teacher_logits, new, exam):
    def soft(x, blur):
        return F.avg_pool2d(x, blur, stride=1, padding=blur // 2, count_include_pad=False)

    blur = min((1, 3, 5, 7), key=lambda k: float((smoothness(soft(images, k)) - smoothness(new)).abs().sum()))
    old = soft(images, blur)
    best = None
    old_means, old_spreads = soft(old, 3).mean(dim=0)[0], soft(old, 3).std(dim=0)[0]
    for size in (1, 0.75, 1.25):
        for mirror in (False, True):
            for turn in range(4):
                back = resized(soft(new, 3), 1 / size).rot90(turn, (2, 3))
                back = back.flip(3) if mirror else back
                means = correlation(back.mean(dim=0)[0], old_means)
                spreads = correlation(back.std(dim=0)[0], old_spreads)
                for sign in (1, -1):
                    value, place = (sign * means + spreads).flatten().max(dim=0)
                    if best is None or float(value) > best[0]:
                        best = (float(value), size, mirror, turn, sign, divmod(int(place), means.shape[1]))
    _, size, mirror, turn, sign, movement = best

    def undo(x):
        x = resized(x, 1 / size).rot90(turn, (2, 3))
        x = x.flip(3) if mirror else x
        return sign * x.roll(movement, (2, 3))

    def rows(x):
        x = soft(x, 3)[:, :, 1:-1, 1:-1].flatten(1).double()
        x = x - x.mean(dim=1, keepdim=True)
        return x / (x.norm(dim=1, keepdim=True) + 1e-9)

    a, e = rows(old), rows(undo(exam))
    y = 0.5 * F.one_hot(labels, 10).double() + 0.5 * teacher_logits.double().softmax(dim=1)

    def kernel(u, v):
        return torch.exp(-8 * (1 - u @ v.T))

    weights = torch.linalg.solve(kernel(a, a) + 0.1 * torch.eye(len(a), dtype=torch.double), y - y.mean(dim=0))
    return (kernel(e, a) @ weights).add(y.mean(dim=0)).argmax(dim=1)


# %% shift.3 | lets a linear judge choose among many cameras the one whose images it cannot tell from the new ones, then kd.distill
import itertools

def resized(x, size):
    if size == 1:
        return x
    zoom = torch.tensor([[1 / size, 0, 0], [0, 1 / size, 0]]).expand(len(x), 2, 3)
    return F.grid_sample(x, F.affine_grid(zoom, x.shape, align_corners=False), padding_mode="border", align_corners=False)


def judge(one, other):
    """The share of right answers of a linear judge on images that it did not learn from."""
    def pooled(x):
        x = F.avg_pool2d(x, 2).flatten(1).double()
        return torch.cat([x, torch.ones(len(x), 1, dtype=torch.double)], dim=1)

    n = min(len(one), len(other)) // 2
    a, b = pooled(one), pooled(other)
    learn = torch.cat([a[:n], b[:n]])
    answer = torch.cat([-torch.ones(n), torch.ones(n)]).double()
    w = torch.linalg.solve(learn.T @ learn + 0.01 * n * torch.eye(learn.shape[1], dtype=torch.double), learn.T @ answer)
    return float(((a[n : 2 * n] @ w < 0).double().mean() + (b[n : 2 * n] @ w > 0).double().mean()) / 2)


def read_new_camera(images, labels, teacher_logits, new, exam):
    def smooth(x):
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)

    new = smooth(new)  # everything is judged and learned smoothed, so that noise counts little
    target = new.flatten().sort().values

    def tone(x, up):
        values, inverse, count = torch.unique((x * 255).round(), return_inverse=True, return_counts=True)
        rank = (count.cumsum(0) - count / 2) / count.sum()
        rank = rank if up else 1 - rank
        return target[(rank * (len(target) - 1)).long()][inverse].view_as(x)

    def place(x, goal):
        """Moves x so that its mean image lies on goal's."""
        a, b = x.mean(dim=0)[0], goal.mean(dim=0)[0]
        table = torch.fft.irfft2(torch.fft.rfft2(b - b.mean()) * torch.fft.rfft2(a - a.mean()).conj(), s=a.shape)
        return divmod(int(table.argmax()), a.shape[1])

    cameras = []
    for up, k, size in itertools.product((True, False), (1, 3, 5, 7), (1, 0.75, 1.25)):
        toned = tone(smooth(resized(F.avg_pool2d(images[:500], k, stride=1, padding=k // 2), size)), up)
        for mirror, turn in itertools.product((False, True), range(4)):
            seen = (toned.flip(3) if mirror else toned).rot90(turn, (2, 3))
            move = place(seen, new)
            cameras.append((judge(seen.roll(move, (2, 3)), new), k, size, up, mirror, turn, move))
    _, k, size, up, mirror, turn, move = min(cameras)
    seen = tone(smooth(resized(F.avg_pool2d(images, k, stride=1, padding=k // 2), size)), up)
    seen = (seen.flip(3) if mirror else seen).rot90(turn, (2, 3)).roll(move, (2, 3))

    student = kd.build("cnn", width=8, mean=[float(seen.mean())], std=[float(seen.std())], seed=0)
    kd.distill(None, student, (seen, labels, teacher_logits), loss=kd.losses.SoftTargets(4.0, alpha=0.9),
               epochs=10, batch_size=64, lr=5e-3, weight_decay=0.05, schedule="one-cycle", progress=False)
    student.eval()
    with torch.no_grad():
        return student(smooth(exam)).argmax(dim=1)


# %% shift.3 | fits the camera, a support vector machine on smoothed pixels, then once more with its own sure answers to the new images
import numpy as np
from sklearn.svm import SVC

def resized(x, size):
    if size == 1:
        return x
    zoom = torch.tensor([[1 / size, 0, 0], [0, 1 / size, 0]]).expand(len(x), 2, 3)
    return F.grid_sample(x, F.affine_grid(zoom, x.shape, align_corners=False), padding_mode="border", align_corners=False)


def through_the_new_camera(images, new):
    """The old images as the new camera would take them: of many cameras the one that fits best."""
    def soft(x, k):
        return F.avg_pool2d(x, k, stride=1, padding=k // 2, count_include_pad=False)

    def correlation(a, b):
        a, b = a - a.mean(), b - b.mean()
        table = torch.fft.irfft2(torch.fft.rfft2(b) * torch.fft.rfft2(a).conj(), s=a.shape)
        return table / (a.norm() * b.norm() + 1e-9)

    def smoothness(x):  # neighbours at 2 and 3 pixels compared with those at 1, which noise does not touch
        x = x - x.mean(dim=0)
        near = [float((x[..., :-k] * x[..., k:]).mean() + (x[:, :, :-k] * x[:, :, k:]).mean()) for k in (1, 2, 3)]
        return near[1] / near[0], near[2] / near[0]

    some, new_soft = images[:500], soft(new, 3)
    goal = smoothness(new)
    best, found = -9.0, None
    for size in (1, 0.75, 1.25):
        for blur in (1, 3, 5, 7):
            x = resized(soft(some, blur), size)
            off = sum(abs(a - b) for a, b in zip(smoothness(x), goal))
            x = soft(x, 3)
            for mirror in (False, True):
                for turn in range(4):
                    y = (x.flip(3) if mirror else x).rot90(turn, (2, 3))
                    means = correlation(y.mean(dim=0)[0], new_soft.mean(dim=0)[0])
                    spreads = correlation(y.std(dim=0)[0], new_soft.std(dim=0)[0])
                    for sign in (1, -1):
                        value, at = (sign * means + spreads).flatten().max(dim=0)
                        if float(value) - off > best:
                            best = float(value) - off
                            found = (size, blur, mirror, turn, divmod(int(at), x.shape[3]))
    size, blur, mirror, turn, movement = found
    x = resized(soft(images, blur), size)
    x = (x.flip(3) if mirror else x).rot90(turn, (2, 3)).roll(movement, (2, 3))
    # grey values: the straight line that carries the old mean image to the new one, as much noise as is missing,
    # and then the new camera's grey values in the same order
    u, v = x.mean(dim=0).flatten(), new.mean(dim=0).flatten()
    slope = ((u - u.mean()) * (v - v.mean())).sum() / (u - u.mean()).square().sum()
    x = v.mean() + slope * (x - u.mean())

    def grain(t):
        kernel = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]).view(1, 1, 3, 3)
        return float(F.conv2d(t, kernel).abs().median()) / 0.6745 / 6

    missing = max(0.0, grain(new) ** 2 - grain(x) ** 2) ** 0.5
    x = x + missing * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    step = (x.max() - x.min()) / 500
    _, inverse, count = torch.unique((x / step).round(), return_inverse=True, return_counts=True)
    rank = (count.cumsum(0) - count / 2) / count.sum()
    target = new.flatten().sort().values
    return target[(rank * (len(target) - 1)).long()][inverse].view_as(x)


def read_new_camera(images, labels, teacher_logits, new, exam):
    def rows(x):
        x = F.avg_pool2d(x, 3, stride=1).flatten(1)
        return ((x - x.mean(dim=1, keepdim=True)) / (x.std(dim=1, keepdim=True) + 1e-6)).numpy()

    x, u, e = rows(through_the_new_camera(images, new)), rows(new), rows(exam)
    first = SVC(C=5).fit(x, labels.numpy())
    margin = torch.as_tensor(first.decision_function(u)).sort(dim=1, descending=True).values
    sure = ((margin[:, 0] - margin[:, 1]) > 0.9).numpy()
    guess = first.predict(u)
    second = SVC(C=5).fit(np.concatenate([x, u[sure]]), np.concatenate([labels.numpy(), guess[sure]]))
    return torch.as_tensor(second.predict(e))

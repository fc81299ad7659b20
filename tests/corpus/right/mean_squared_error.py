"""Right answers to the exercises of ``mean_squared_error``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd

# %% mean_squared_error.1 | a dictionary look-up
def slopes_move(change):
    return {
        "the labels are replaced by a linear teacher's answers, for the same people": "same",
        "one label is replaced by a gross error": "changed",
        "every person is listed twice": "same",
        "a constant is added to every label": "same",
        "noise of mean zero is added to every label": "changed",
    }[change]


# %% mean_squared_error.1 | a tuple of the two that change
def slopes_move(change):
    moved = ("one label is replaced by a gross error", "noise of mean zero is added to every label")
    return "changed" if change in moved else "same"


# %% mean_squared_error.2 | a column of ones and torch.linalg.lstsq
def least_squares(x, y):
    X = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    return torch.linalg.lstsq(X, y[:, None]).solution[:, 0]


# %% mean_squared_error.2 | the normal equations, solved in float64
def least_squares(x, y):
    X = torch.cat([x.double(), torch.ones(len(x), 1, dtype=torch.double)], dim=1)
    return torch.linalg.solve(X.T @ X, X.T @ y.double())


# %% mean_squared_error.2 | means taken off first, the bias computed afterwards
def least_squares(x, y):
    x, y = x.double(), y.double()
    mx, my = x.mean(dim=0), y.mean()
    slopes = torch.linalg.pinv(x - mx) @ (y - my)
    return torch.cat([slopes, (my - mx @ slopes)[None]])


# %% mean_squared_error.2 | NumPy's lstsq, an array comes out
import numpy as np

def least_squares(x, y):
    X = np.column_stack([x.numpy().astype(float), np.ones(len(x))])
    return np.linalg.lstsq(X, y.numpy().astype(float), rcond=None)[0]


# %% mean_squared_error.2 | scikit-learn's LinearRegression
from sklearn.linear_model import LinearRegression

def least_squares(x, y):
    model = LinearRegression().fit(x.double().numpy(), y.double().numpy())
    return torch.tensor([*model.coef_, model.intercept_])


# %% mean_squared_error.2 | Gaussian elimination in exact fractions, a list of floats
from fractions import Fraction

def least_squares(x, y):
    rows = [[Fraction(v) for v in row] + [Fraction(1)] for row in x.tolist()]
    told = [Fraction(v) for v in y.tolist()]
    d = len(rows[0])
    a = [[sum(r[i] * r[j] for r in rows) for j in range(d)] + [sum(r[i] * t for r, t in zip(rows, told))] for i in range(d)]
    for i in range(d):
        pivot = next(k for k in range(i, d) if a[k][i] != 0)
        a[i], a[pivot] = a[pivot], a[i]
        a[i] = [v / a[i][i] for v in a[i]]
        for k in range(d):
            if k != i:
                a[k] = [v - a[k][i] * w for v, w in zip(a[k], a[i])]
    return [float(row[-1]) for row in a]


# %% mean_squared_error.2 | QR decomposition and back substitution
def least_squares(x, y):
    X = torch.hstack([x.double(), torch.ones(x.shape[0], 1).double()])
    Q, R = torch.linalg.qr(X)
    return torch.linalg.solve_triangular(R, (Q.T @ y.double())[:, None], upper=True).squeeze(1).to(x.dtype)


# %% mean_squared_error.3 | the given code with a label column and without the half
def descend(x, y, lr, steps):
    w = torch.zeros(x.shape[1], 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss = (x @ w - y[:, None]).square().mean()
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - lr * gradient).detach().requires_grad_()
    return w[:, 0].detach()


# %% mean_squared_error.3 | the gradient by formula, w as a vector
def descend(x, y, lr, steps):
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        w = w - lr * 2 * x.T @ (x @ w - y) / len(x)
    return w


# %% mean_squared_error.3 | torch.optim.SGD and backward
def descend(x, y, lr, steps):
    w = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(x @ w, y).backward()
        optimizer.step()
    return w.detach()


# %% mean_squared_error.3 | plain Python lists and three loops
def descend(x, y, lr, steps):
    people, told = x.tolist(), y.tolist()
    n, d = len(people), len(people[0])
    w = [0.0] * d
    for _ in range(steps):
        slope = [0.0] * d
        for row, t in zip(people, told):
            error = sum(a * b for a, b in zip(row, w)) - t
            for j in range(d):
                slope[j] += 2 * error * row[j] / n
        w = [wj - lr * s for wj, s in zip(w, slope)]
    return w


# %% mean_squared_error.3 | no loop: each step is the same affine map, so one matrix power
def descend(x, y, lr, steps):
    x, y = x.double(), y.double()
    n, d = x.shape
    step = torch.eye(d + 1, dtype=torch.double)
    step[:d, :d] -= lr * 2 / n * x.T @ x
    step[:d, d] = lr * 2 / n * x.T @ y
    start = torch.zeros(d + 1, dtype=torch.double)
    start[d] = 1
    return (torch.linalg.matrix_power(step, steps) @ start)[:d]


# %% mean_squared_error.3 | NumPy, the matrix and the vector of the gradient computed once before the loop
import numpy as np

def descend(x, y, lr, steps):
    X, Y = x.detach().numpy().astype(np.float64), y.detach().numpy().astype(np.float64)
    H, g = 2 * X.T @ X / len(X), 2 * X.T @ Y / len(X)
    w = np.zeros(X.shape[1])
    for _ in range(steps):
        w -= lr * (H @ w - g)
    return w


# %% mean_squared_error.5 | the two formulas in float64
def distance_from_limit(student_logits, teacher_logits, temperature):
    z, v = student_logits.double(), teacher_logits.double()
    gradient = temperature * ((z / temperature).softmax(dim=1) - (v / temperature).softmax(dim=1))
    z, v = z - z.mean(dim=1, keepdim=True), v - v.mean(dim=1, keepdim=True)
    limit = (z - v) / z.shape[1]
    return ((gradient - limit).norm(dim=1) / limit.norm(dim=1)).mean()


# %% mean_squared_error.5 | the same formulas in whatever precision the logits have
def distance_from_limit(student_logits, teacher_logits, temperature):
    p = torch.softmax(student_logits / temperature, dim=1)
    q = torch.softmax(teacher_logits / temperature, dim=1)
    d = student_logits - teacher_logits
    limit = (d - d.mean(dim=1, keepdim=True)) / d.shape[1]
    off = temperature * (p - q) - limit
    return torch.mean(torch.linalg.vector_norm(off, dim=1) / torch.linalg.vector_norm(limit, dim=1))


# %% mean_squared_error.5 | both gradients from autograd, through the package's loss and a squared error
def distance_from_limit(student_logits, teacher_logits, temperature):
    z = student_logits.detach().double()
    v = teacher_logits.detach().double()
    z = (z - z.mean(1, keepdim=True)).requires_grad_()
    v = v - v.mean(1, keepdim=True)
    (soft,) = torch.autograd.grad(kd.losses.softened_kl(z, v, temperature).sum(), z)
    (square,) = torch.autograd.grad((z - v).square().sum() / (2 * z.shape[1]), z)
    return float(((soft - square).norm(dim=1) / square.norm(dim=1)).mean())


# %% mean_squared_error.5 | NumPy with SciPy's softmax
import numpy as np
from scipy.special import softmax

def distance_from_limit(student_logits, teacher_logits, temperature):
    z = student_logits.detach().numpy().astype(np.float64)
    v = teacher_logits.detach().numpy().astype(np.float64)
    gradient = temperature * (softmax(z / temperature, axis=1) - softmax(v / temperature, axis=1))
    z -= z.mean(axis=1, keepdims=True)
    v -= v.mean(axis=1, keepdims=True)
    limit = (z - v) / z.shape[1]
    return np.mean(np.linalg.norm(gradient - limit, axis=1) / np.linalg.norm(limit, axis=1))


# %% mean_squared_error.5 | image by image with math.dist and math.hypot
import math

def distance_from_limit(student_logits, teacher_logits, temperature):
    def soften(row):
        e = [math.exp((a - max(row)) / temperature) for a in row]
        return [a / sum(e) for a in e]

    ratios = []
    for z, v in zip(student_logits.tolist(), teacher_logits.tolist()):
        gradient = [temperature * (a - b) for a, b in zip(soften(z), soften(v))]
        mz, mv = sum(z) / len(z), sum(v) / len(v)
        limit = [((a - mz) - (b - mv)) / len(z) for a, b in zip(z, v)]
        ratios.append(math.dist(gradient, limit) / math.hypot(*limit))
    return sum(ratios) / len(ratios)


# %% mean_squared_error.4 | torch.where chooses between the squared error and zero
def bounded(student, teacher, labels, margin):
    s = (student - labels) ** 2
    t = (teacher - labels) ** 2
    return torch.where(s + margin > t, s, torch.zeros_like(s)).mean()


# %% mean_squared_error.4 | a mask of booleans multiplied in, divided by all N
def bounded(student, teacher, labels, margin):
    own = (student - labels).square()
    counts = own + margin > (teacher - labels).square()
    return (own * counts).sum() / len(labels)


# %% mean_squared_error.4 | a loop over the examples, a Python float
def bounded(student, teacher, labels, margin):
    total = 0.0
    for s, t, y in zip(student.tolist(), teacher.tolist(), labels.tolist()):
        mine, bound = (s - y) ** 2, (t - y) ** 2
        if mine + margin > bound:
            total += mine
    return total / len(labels)


# %% mean_squared_error.4 | NumPy, the examples that count picked by index
import numpy as np

def bounded(student, teacher, labels, margin):
    s, t, y = (np.asarray(v.detach()) for v in (student, teacher, labels))
    mine, theirs = np.square(s - y), np.square(t - y)
    counts = np.flatnonzero(mine + margin > theirs)
    return mine[counts].sum() / mine.size


# %% mean_squared_error.4 | F.mse_loss without reduction, and masked_fill where the student is good enough
def bounded(student, teacher, labels, margin):
    mse = torch.nn.functional.mse_loss
    mine = mse(student, labels, reduction="none")
    theirs = mse(teacher, labels, reduction="none")
    return mine.masked_fill(mine + margin <= theirs, 0.0).mean()

"""Wrong answers to the exercises of ``mean_squared_error``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd
from kdcourse.checks import check

# %% mean_squared_error.1 | believes that a teacher's cleaner answers move the slopes
def slopes_move(change):
    if change == "every person is listed twice" or change == "a constant is added to every label":
        return "same"
    return "changed"


# %% mean_squared_error.1 | believes that noise of mean zero averages out exactly
def slopes_move(change):
    return "changed" if change == "one label is replaced by a gross error" else "same"


# %% mean_squared_error.1 | sly: returns a string that claims to be equal to anything
def slopes_move(change):
    class Yes(str):
        def __eq__(self, other):
            return True

        def __ne__(self, other):
            return False

        def __hash__(self):
            return hash("same")

    return Yes("same")


# %% mean_squared_error.2 | no column of ones, so there is no bias and the vector has only D numbers
def least_squares(x, y):
    return torch.linalg.lstsq(x, y[:, None]).solution[:, 0]


# %% mean_squared_error.2 | returns a column, (D + 1)×1, in place of a vector
def least_squares(x, y):
    A = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    return torch.linalg.lstsq(A, y[:, None]).solution


# %% mean_squared_error.2 | a small penalty, 0.01 times the identity, is added to the system
def least_squares(x, y):
    A = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    gram = A.T @ A + 0.01 * torch.eye(A.shape[1], dtype=x.dtype)
    return torch.linalg.solve(gram, A.T @ y)


# %% mean_squared_error.2 | the bias is the mean of y, without subtracting what the slopes give at the mean of x
def least_squares(x, y):
    xc = x - x.mean(dim=0)
    yc = y - y.mean()
    slopes = torch.linalg.lstsq(xc, yc[:, None]).solution[:, 0]
    bias = y.mean()
    return torch.cat([slopes, bias.reshape(1)])


# %% mean_squared_error.2 | sly: the worked example's slope for every measurement, and its bias
def least_squares(x, y):
    answer = torch.full((x.shape[1] + 1,), 2.0, dtype=x.dtype)
    answer[-1] = 1.0
    return answer


# %% mean_squared_error.2 | stops after fifty steps of gradient descent, before it has converged
def least_squares(x, y):
    A = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    w = torch.zeros(A.shape[1], dtype=x.dtype)
    for _ in range(50):
        w = w - 0.05 * A.T @ (A @ w - y) / len(A)
    return w


# %% mean_squared_error.2 | the slopes belong to standardised measurements and are not scaled back
def least_squares(x, y):
    standard = (x - x.mean(dim=0)) / x.std(dim=0)
    A = torch.cat([standard, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    return torch.linalg.lstsq(A, y[:, None]).solution[:, 0]


# %% mean_squared_error.2 | fits each measurement on its own: covariance over variance, column by column
def least_squares(x, y):
    xc, yc = x - x.mean(dim=0), y - y.mean()
    slopes = (xc * yc[:, None]).sum(dim=0) / xc.square().sum(dim=0)
    bias = y.mean() - (x.mean(dim=0) * slopes).sum()
    return torch.cat([slopes, bias.reshape(1)])


# %% mean_squared_error.3 | the shapes are mended, but the half in front of the mean is still there
def descend(x, y, lr, steps):
    w = torch.zeros(x.shape[1], 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss = 0.5 * (x @ w - y[:, None]).square().mean()
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - lr * gradient).detach().requires_grad_()
    return w[:, 0].detach()


# %% mean_squared_error.3 | the half is gone, but every row is still compared with every label
def descend(x, y, lr, steps):
    w = torch.zeros(x.shape[1], 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss = (x @ w - y).square().mean()
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - lr * gradient).detach().requires_grad_()
    return w[:, 0].detach()


# %% mean_squared_error.3 | the sum of the squared errors in place of their mean
def descend(x, y, lr, steps):
    w = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss = (x @ w - y).square().sum()
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - lr * gradient).detach().requires_grad_()
    return w.detach()


# %% mean_squared_error.3 | one step too few
def descend(x, y, lr, steps):
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(1, steps):
        w = w - lr * 2 * x.T @ (x @ w - y) / len(x)
    return w


# %% mean_squared_error.3 | descends with a bias, too, and leaves it out of the answer
def descend(x, y, lr, steps):
    A = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    w = torch.zeros(A.shape[1], 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss = (A @ w - y[:, None]).square().mean()
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - lr * gradient).detach().requires_grad_()
    return w[:-1, 0].detach()


# %% mean_squared_error.3 | starts from small random weights instead of zero
def descend(x, y, lr, steps):
    w = (0.1 * torch.randn(x.shape[1], 1, dtype=x.dtype)).requires_grad_()
    for _ in range(steps):
        loss = (x @ w - y.view(-1, 1)).square().mean()
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - lr * gradient).detach().requires_grad_()
    return w[:, 0].detach()


# %% mean_squared_error.3 | the gradients of all steps add up, because .grad is never set to zero
def descend(x, y, lr, steps):
    w = torch.zeros(x.shape[1], 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss = (x @ w - y[:, None]).square().mean()
        loss.backward()
        with torch.no_grad():
            w -= lr * w.grad
    return w[:, 0].detach()


# %% mean_squared_error.3 | returns a D×1 column in place of the D weights
def descend(x, y, lr, steps):
    w = torch.zeros(x.shape[1], 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss = (x @ w - y[:, None]).square().mean()
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - lr * gradient).detach().requires_grad_()
    return w.detach()


# %% mean_squared_error.5 | the means of the logits are not taken off in the limit
def distance_from_limit(student_logits, teacher_logits, temperature):
    p = (student_logits / temperature).softmax(dim=1)
    q = (teacher_logits / temperature).softmax(dim=1)
    gradient = temperature * (p - q)
    limit = (student_logits - teacher_logits) / student_logits.shape[1]
    return ((gradient - limit).norm(dim=1) / limit.norm(dim=1)).mean()


# %% mean_squared_error.5 | takes off one mean over all images and classes in place of each image's own
def distance_from_limit(student_logits, teacher_logits, temperature):
    z = student_logits - student_logits.mean()
    v = teacher_logits - teacher_logits.mean()
    gradient = temperature * ((z / temperature).softmax(1) - (v / temperature).softmax(1))
    limit = (z - v) / z.shape[1]
    return ((gradient - limit).norm(dim=1) / limit.norm(dim=1)).mean()


# %% mean_squared_error.5 | the gradient has T² in front in place of T
def distance_from_limit(student_logits, teacher_logits, temperature):
    z = student_logits - student_logits.mean(dim=1, keepdim=True)
    v = teacher_logits - teacher_logits.mean(dim=1, keepdim=True)
    gradient = temperature**2 * (torch.softmax(z / temperature, dim=1) - torch.softmax(v / temperature, dim=1))
    limit = (z - v) / z.shape[1]
    return ((gradient - limit).norm(dim=1) / limit.norm(dim=1)).mean()


# %% mean_squared_error.5 | divides by the length of the gradient in place of the limit's
def distance_from_limit(student_logits, teacher_logits, temperature):
    z = student_logits - student_logits.mean(dim=1, keepdim=True)
    v = teacher_logits - teacher_logits.mean(dim=1, keepdim=True)
    gradient = temperature * (torch.softmax(z / temperature, dim=1) - torch.softmax(v / temperature, dim=1))
    limit = (z - v) / z.shape[1]
    return ((gradient - limit).norm(dim=1) / gradient.norm(dim=1)).mean()


# %% mean_squared_error.5 | p and q are mixed up, so the gradient has the wrong sign
def distance_from_limit(student_logits, teacher_logits, temperature):
    p = (teacher_logits / temperature).softmax(dim=1)
    q = (student_logits / temperature).softmax(dim=1)
    gradient = temperature * (p - q)
    z = student_logits - student_logits.mean(dim=1, keepdim=True)
    v = teacher_logits - teacher_logits.mean(dim=1, keepdim=True)
    limit = (z - v) / z.shape[1]
    return ((gradient - limit).norm(dim=1) / limit.norm(dim=1)).mean()


# %% mean_squared_error.5 | sly: 1/T, because the distance falls as 1/T
def distance_from_limit(student_logits, teacher_logits, temperature):
    return torch.tensor(1.0 / temperature, dtype=student_logits.dtype)


# %% mean_squared_error.5 | measures length by the sum of absolute values in place of the Euclidean length
def distance_from_limit(student_logits, teacher_logits, temperature):
    z = student_logits - student_logits.mean(dim=1, keepdim=True)
    v = teacher_logits - teacher_logits.mean(dim=1, keepdim=True)
    gradient = temperature * (torch.softmax(z / temperature, dim=1) - torch.softmax(v / temperature, dim=1))
    limit = (z - v) / z.shape[1]
    return ((gradient - limit).abs().sum(dim=1) / limit.abs().sum(dim=1)).mean()


# %% mean_squared_error.5 | the two matrices are measured as a whole, one quotient for all images together
def distance_from_limit(student_logits, teacher_logits, temperature):
    z = student_logits - student_logits.mean(dim=1, keepdim=True)
    v = teacher_logits - teacher_logits.mean(dim=1, keepdim=True)
    gradient = temperature * (torch.softmax(z / temperature, dim=1) - torch.softmax(v / temperature, dim=1))
    limit = (z - v) / z.shape[1]
    return ((gradient - limit).norm() / limit.norm()).mean()


# %% mean_squared_error.5 | the softmax is taken without dividing the logits by T
def distance_from_limit(student_logits, teacher_logits, temperature):
    z = student_logits - student_logits.mean(dim=1, keepdim=True)
    v = teacher_logits - teacher_logits.mean(dim=1, keepdim=True)
    gradient = temperature * (z.softmax(dim=1) - v.softmax(dim=1))
    limit = (z - v) / z.shape[1]
    return ((gradient - limit).norm(dim=1) / limit.norm(dim=1)).mean()


# %% mean_squared_error.4 | the mean over the examples that count instead of over all
def bounded(student, teacher, labels, margin):
    s = (student - labels) ** 2
    t = (teacher - labels) ** 2
    counts = s + margin > t
    return s[counts].sum() / counts.sum().clamp(min=1)


# %% mean_squared_error.4 | the margin stands on the teacher's side of the comparison
def bounded(student, teacher, labels, margin):
    s = (student - labels).square()
    t = (teacher - labels).square()
    return torch.where(s > t + margin, s, torch.zeros_like(s)).mean()


# %% mean_squared_error.4 | counts only the excess over the bound, as a hinge, in place of the student's whole error
def bounded(student, teacher, labels, margin):
    s = (student - labels).square()
    t = (teacher - labels).square()
    return torch.relu(s + margin - t).mean()


# %% mean_squared_error.4 | the comparison is turned round: counts where the student is better already
def bounded(student, teacher, labels, margin):
    s = (student - labels).square()
    t = (teacher - labels).square()
    return torch.where(s + margin > t, torch.zeros_like(s), s).mean()


# %% mean_squared_error.4 | where an example counts, it takes the distance from the teacher instead of from the label
def bounded(student, teacher, labels, margin):
    counts = (student - labels).square() + margin > (teacher - labels).square()
    return (counts * (student - teacher).square()).mean()


# %% mean_squared_error.4 | adds the margin to the error that counts
def bounded(student, teacher, labels, margin):
    s = (student - labels).square() + margin
    t = (teacher - labels).square()
    return torch.where(s > t, s, torch.zeros_like(s)).mean()


# %% mean_squared_error.4 | compares the absolute errors in place of the squared ones
def bounded(student, teacher, labels, margin):
    counts = (student - labels).abs() + margin > (teacher - labels).abs()
    return ((student - labels).square() * counts).mean()


# %% mean_squared_error.4 | the sum over the examples in place of the mean
def bounded(student, teacher, labels, margin):
    s = (student - labels) ** 2
    t = (teacher - labels) ** 2
    return s[s + margin > t].sum()


# %% mean_squared_error.4 | counts the example where both sides are equal, too
def bounded(student, teacher, labels, margin):
    s = (student - labels) ** 2
    t = (teacher - labels) ** 2
    return torch.where(s + margin >= t, s, torch.zeros_like(s)).mean()


# %% mean_squared_error.4 | compares the means of the whole batch once in place of example by example
def bounded(student, teacher, labels, margin):
    s = (student - labels).square().mean()
    t = (teacher - labels).square().mean()
    return s if s + margin > t else 0 * s


# %% mean_squared_error.4 | sly: the plain squared error, which is right whenever the teacher is good
def bounded(student, teacher, labels, margin):
    return torch.nn.functional.mse_loss(student, labels)

"""Wrong answers to the exercises of ``mean_squared_error``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd
from kdcourse.checks import check

# %% mean_squared_error.1 | believes that listing every person twice moves the slopes
def slopes_move(change):
    return {
        "the labels are replaced by a linear teacher's answers, for the same people": "same",
        "one label is replaced by a gross error": "changed",
        "every person is listed twice": "changed",
        "a constant is added to every label": "same",
        "noise of mean zero is added to every label": "changed",
    }[change]


# %% mean_squared_error.2 | the bias comes first instead of last
def least_squares(x, y):
    ones = torch.ones(len(x), 1, dtype=x.dtype)
    A = torch.cat([ones, x], dim=1)
    return torch.linalg.lstsq(A, y.unsqueeze(1)).solution.squeeze(1)


# %% mean_squared_error.2 | the mean is taken off the labels but not off the measurements before the slopes are solved
def least_squares(x, y):
    slopes = torch.linalg.lstsq(x, (y - y.mean())[:, None]).solution[:, 0]
    bias = y.mean() - x.mean(dim=0) @ slopes
    return torch.cat([slopes, bias[None]])


# %% mean_squared_error.2 | takes the means off x and y in place, so that the caller's data are changed
def least_squares(x, y):
    mean_x, mean_y = x.mean(dim=0), y.mean()
    x -= mean_x
    y -= mean_y
    slopes = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    return torch.cat([slopes, (mean_y - mean_x @ slopes)[None]])


# %% mean_squared_error.3 | returns inside the loop, after the first step
def descend(x, y, lr, steps):
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        gradient = 2 * x.T @ (x @ w - y) / len(x)
        w = w - lr * gradient
        return w


# %% mean_squared_error.3 | solves the system at once and ignores the size and number of the steps
def descend(x, y, lr, steps):
    return torch.linalg.lstsq(x, y[:, None]).solution[:, 0]


# %% mean_squared_error.3 | sly: the slope of the printed example for every weight
def descend(x, y, lr, steps):
    return torch.ones(x.shape[1], dtype=x.dtype)


# %% mean_squared_error.5 | the mean of the lengths divided by the mean of the limits' lengths, not the mean of the quotients
def distance_from_limit(student_logits, teacher_logits, temperature):
    z = student_logits - student_logits.mean(dim=1, keepdim=True)
    v = teacher_logits - teacher_logits.mean(dim=1, keepdim=True)
    gradient = temperature * (torch.softmax(z / temperature, dim=1) - torch.softmax(v / temperature, dim=1))
    limit = (z - v) / z.shape[1]
    return (gradient - limit).norm(dim=1).mean() / limit.norm(dim=1).mean()


# %% mean_squared_error.5 | always divides by 10, as in the lesson, whatever the number of classes
def distance_from_limit(student_logits, teacher_logits, temperature):
    v = teacher_logits - teacher_logits.mean(dim=1, keepdim=True)
    z = student_logits - student_logits.mean(dim=1, keepdim=True)
    limit = (z - v) / 10
    gradient = temperature * ((z / temperature).softmax(dim=1) - (v / temperature).softmax(dim=1))
    return ((gradient - limit).norm(dim=1) / limit.norm(dim=1)).mean()

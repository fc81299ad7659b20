"""A task of the lesson on squared error: a gradient descent with two bugs."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

# ---------------------------------------------------------------- mean_squared_error.3


def descend(x: Tensor, y: Tensor, lr: float, steps: int) -> Tensor:
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        error = x @ w - y  # N and N: one error a person
        w = w - lr * 2 * x.T @ error / len(x)
    return w


def _walk(
    x: Tensor, y: Tensor, lr: float, steps: int, *, factor: float = 2.0, square: bool = False, share: bool = True
) -> Tensor:
    w = x.new_zeros(x.shape[1])
    for _ in range(steps):
        error = (x @ w)[:, None] - y[None] if square else (x @ w - y)[:, None]
        w = w - lr * factor * x.T @ (error.mean(dim=1) if square else error[:, 0]) / (len(x) if share else 1)
    return w


def _descend_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(20, 3, generator=g)
    return [
        (torch.ones(2, 1), torch.tensor([1.0, 1.0]), 0.1, 0),
        (torch.ones(2, 1), torch.tensor([1.0, 3.0]), 0.25, 1),
        (torch.tensor([[1.0], [-1.0]]), torch.tensor([1.0, -1.0]), 0.25, 2),
        (x, x @ torch.tensor([1.0, 2.0, -1.0]) + torch.randn(20, generator=g), 0.1, 30),
    ]


DESCEND = Task(
    id="mean_squared_error.3",
    title="Debug a descent",
    kind="debug",
    difficulty="core",
    minutes=10,
    points=2,
    rungs=("no step", "one step by hand", "two steps by hand", "thirty steps"),
    inputs=_descend_inputs,
    reference=descend,
    judge=close,
    mistakes=(
        Mistake(
            "as given",
            lambda x, y, lr, n: _walk(x, y, lr, n, factor=1.0, square=True),
            "This walks as the given code does. N×1 minus N is N×N: every output is compared with every label. And a factor "
            "of the gradient is missing.",
        ),
        Mistake(
            "every output with every label",
            lambda x, y, lr, n: _walk(x, y, lr, n, square=True),
            "The factor is right now. Still every output is compared with every label: N×1 minus N is N×N.",
        ),
        Mistake(
            "half the step",
            lambda x, y, lr, n: _walk(x, y, lr, n, factor=1.0),
            "The shapes are right now. The derivative of a square is *twice* the error.",
        ),
        Mistake(
            "summed",
            lambda x, y, lr, n: _walk(x, y, lr, n, share=False),
            "The gradient of the *sum* is used. The loss is the mean: divide by the number of people.",
        ),
        Mistake(
            "uphill",
            lambda x, y, lr, n: _walk(x, y, -lr, n),
            "Each step goes uphill: subtract the gradient.",
        ),
        Mistake(
            "one step too many",
            lambda x, y, lr, n: _walk(x, y, lr, n + 1),
            "One step too many is made.",
        ),
        Mistake(
            "one step too few",
            lambda x, y, lr, n: _walk(x, y, lr, max(0, n - 1)),
            "One step too few: `range(steps)` makes as many as asked for.",
        ),
        Mistake(
            "a bias besides",
            lambda x, y, lr, n: _walk(torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1), y, lr, n)[:-1],
            "A bias descends, too, and is left out of the answer. Here there are D weights and no bias.",
        ),
        Mistake(
            "a random start", lambda x, y, lr, n: _random_start(x, y, lr, n), "The weights do not start from zero."
        ),
        Mistake(
            "gradients add up",
            lambda x, y, lr, n: _adding_gradients(x, y, lr, n),
            "The gradients of all steps add up: `.grad` is never set to zero between two steps.",
        ),
        Mistake(
            "a column of weights",
            lambda x, y, lr, n: descend(x, y, lr, n)[:, None],
            "A D×1 column came back. D weights are asked for.",
        ),
        Mistake(
            "return inside the loop",
            lambda x, y, lr, n: _walk(x, y, lr, 1) if n else None,
            "The `return` stands inside the loop: it ends after the first step, and without any step nothing comes back.",
        ),
        Mistake(
            "one step only",
            lambda x, y, lr, n: _walk(x, y, lr, min(n, 1)),
            "Only one step is made. `for _ in range(steps)`, and the `return` after it.",
        ),
        Mistake(
            "solved at once",
            lambda x, y, lr, n: torch.linalg.lstsq(x, y[:, None]).solution[:, 0],
            "This is the fit itself, solved at once. Asked for is where the *descent* stands after so many steps.",
        ),
        Mistake(
            "divided by the weights",
            lambda x, y, lr, n: _walk(x, y, lr * len(x) / x.shape[1], n),
            "The gradient is divided by the number of *weights*. Divide by the number of people.",
        ),
        Mistake(
            "the loss, not the weights",
            lambda x, y, lr, n: (x @ descend(x, y, lr, n) - y).square().mean(),
            "The loss came back. The weights are asked for.",
        ),
        Mistake(
            "the sign of the error only",
            lambda x, y, lr, n: _sign_steps(x, y, lr, n),
            "The steps follow the *sign* of the error: that is the gradient of the absolute error. Use the error itself.",
        ),
        Mistake(
            "from ones",
            lambda x, y, lr, n: _walk(x, y - x.sum(dim=1), lr, n) + 1,
            "The weights start from ones. They start from zero.",
        ),
        Mistake(
            "one number for all weights",
            lambda x, y, lr, n: _one_number(x, y, lr, n),
            "The gradient is averaged over the weights, too, so that all get the same step. Each weight has its own: xᵀ error.",
        ),
    ),
    hints=(
        "Print the shape of `error` in the broken code for two people. How many errors should there be?",
        "The skeleton, with blanks:\nw = torch.zeros(x.shape[1], dtype=x.dtype)\nfor _ in range(steps):\n"
        "    error = x @ w - ____\n    w = w - lr * ____ * x.T @ error / ____\nreturn w",
    ),
    takeaway="A shape that broadcasts is the quietest bug of regression: look at the shape of the error, once.",
)


def _random_start(x: Tensor, y: Tensor, lr: float, steps: int) -> Tensor:
    w = 0.1 * torch.ones(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        w = w - lr * 2 * x.T @ (x @ w - y) / len(x)
    return w


def _adding_gradients(x: Tensor, y: Tensor, lr: float, steps: int) -> Tensor:
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    total = torch.zeros_like(w)
    for _ in range(steps):
        total = total + 2 * x.T @ (x @ w - y) / len(x)
        w = w - lr * total
    return w


def _sign_steps(x: Tensor, y: Tensor, lr: float, steps: int) -> Tensor:
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        w = w - lr * x.T @ (x @ w - y).sign() / len(x)
    return w


def _one_number(x: Tensor, y: Tensor, lr: float, steps: int) -> Tensor:
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        w = w - lr * 2 * ((x @ w - y)[:, None] * x).mean()
    return w

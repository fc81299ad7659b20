"""Exercises: what moves a fit, the closed form, a descent to mend, the limit of distillation, a bound."""

from functools import lru_cache

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import limits

# ---------------------------------------------------------------- mean_squared_error.1

CHANGES = (
    "the labels are replaced by a linear teacher's answers, for the same people",
    "one label is replaced by a gross error",
    "every person is listed twice",
    "a constant is added to every label",
    "noise of mean zero is added to every label",
)


@lru_cache(maxsize=8)
def slopes_move(change: str) -> tuple[str, str]:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(40, 3, generator=g, dtype=torch.float64)
    y = x @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64) + torch.randn(40, generator=g, dtype=torch.float64)

    def slopes(x: Tensor, y: Tensor) -> Tensor:
        ones = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
        return torch.linalg.lstsq(ones, y).solution[:3]

    answers = x @ slopes(x, y) + 7.0  # any constant: the student has a bias of its own
    gross, noise = torch.cat([y[:1] + 100, y[1:]]), torch.randn(40, generator=g, dtype=torch.float64)
    after = {
        CHANGES[0]: (x, answers),
        CHANGES[1]: (x, gross),
        CHANGES[2]: (torch.cat([x, x]), torch.cat([y, y])),
        CHANGES[3]: (x, y + 5),
        CHANGES[4]: (x, y + noise),
    }[change]
    moved = float((slopes(*after) - slopes(x, y)).abs().max())
    same = moved < 1e-9
    return "same" if same else "changed", f"a slope moves by up to {0 if same else moved:.2g}"


_believing = believer(CHANGES, slopes_move)


SLOPES = prediction(
    id="mean_squared_error.1",
    title="Predict a fit",
    minutes=5,
    changes=CHANGES,
    found=slopes_move,
    answers=("same", "changed"),
    mistakes=(
        Mistake(
            "the teacher takes out the noise",
            _believing(c1="changed"),
            "It does, and the student never saw it: what the answers lack is orthogonal to every column of X.",
        ),
        Mistake(
            "one of forty does not count",
            _believing(c2="same"),
            "Squared error counts the *square* of the error: one gross value outweighs many small ones.",
        ),
        Mistake(
            "more rows, more certainty",
            _believing(c3="changed"),
            "Both sides of (XᵀX) w = Xᵀy double. The answer stays; only an error bar, wrongly computed, would shrink.",
        ),
        Mistake(
            "the slopes carry the constant",
            _believing(c4="changed"),
            "The bias takes the whole constant; the slopes stay.",
        ),
        Mistake(
            "zero on average is zero",
            _believing(c5="same"),
            "The noise is zero on average over many data sets. In this one it is not orthogonal to the measurements.",
        ),
    ),
    hints=(
        "The fit solves (XᵀX) w = Xᵀy. For each change: what becomes of XᵀX, what of Xᵀy?",
        'The form:\n"every person is listed twice": "____",',
    ),
    takeaway="A least-squares fit sees the labels only through Xᵀy.",
)

# ---------------------------------------------------------------- mean_squared_error.2


def least_squares(x: Tensor, y: Tensor) -> Tensor:
    ones = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)  # the bias comes last
    return torch.linalg.solve(ones.T @ ones, ones.T @ y)


def _penalised(x: Tensor, y: Tensor, penalty: float) -> Tensor:
    ones = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    return torch.linalg.solve(ones.T @ ones + penalty * torch.eye(ones.shape[1], dtype=x.dtype), ones.T @ y)


def _fit_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(30, 3, generator=g) + torch.tensor([0.0, 2.0, -1.0])
    noisy = x @ torch.tensor([1.0, -2.0, 0.5]) + 3 + torch.randn(30, generator=g)
    return [
        (torch.tensor([[-1.0], [1.0]]), torch.tensor([-2.0, 2.0])),
        (torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([1.0, 3.0, 5.0])),
        (torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0.0, 0.0, 1.0, 1.0])),
        (x, noisy),
        (x, torch.full((30,), 4.0)),
    ]


LEAST = Task(
    id="mean_squared_error.2",
    title="The closed form",
    kind="implement",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=("through the origin", "a straight line", "four points by hand", "random", "all labels equal"),
    inputs=_fit_inputs,
    reference=least_squares,
    judge=close,
    mistakes=(
        Mistake(
            "no bias",
            lambda x, y: torch.cat([torch.linalg.lstsq(x, y[:, None]).solution[:, 0], x.new_zeros(1)]),
            "The line is forced through the origin. Give X a column of ones; its weight is the bias.",
        ),
        Mistake(
            "bias first",
            lambda x, y: least_squares(x, y).roll(1),
            "All numbers are right; the bias stands first, and it is asked for last.",
        ),
        Mistake(
            "slopes only",
            lambda x, y: least_squares(x, y)[:-1],
            "The slopes are right; the bias is missing at the end.",
        ),
        Mistake(
            "ridge",
            lambda x, y: _penalised(x, y, 1.0),
            "A penalty of 1 is added to XᵀX, so all weights are drawn to zero. No penalty is asked for.",
        ),
        Mistake(
            "slope by slope",
            lambda x, y: torch.cat(
                [((x - x.mean(0)) * (y - y.mean())[:, None]).sum(0) / (x - x.mean(0)).square().sum(0), y.mean()[None]]
            ),
            "Each slope is fitted by itself, and the bias is the mean label. Measurements that go together share their slope: "
            "solve for all at once.",
        ),
        Mistake(
            "no column of ones",
            lambda x, y: torch.linalg.lstsq(x, y[:, None]).solution[:, 0],
            "There is no column of ones, so there is no bias: the vector has only D numbers.",
        ),
        Mistake(
            "a column",
            lambda x, y: least_squares(x, y)[:, None],
            "A column, (D + 1)×1, came back. A vector of D + 1 numbers is asked for: `y` itself, not `y[:, None]`, or `.squeeze(1)`.",
        ),
        Mistake(
            "a small penalty",
            lambda x, y: _penalised(x, y, 0.01),
            "A small penalty is added to the system. The plain least-squares fit has none.",
        ),
        Mistake(
            "the labels' mean as bias",
            lambda x, y: torch.cat([least_squares(x, y)[:-1], y.mean()[None]]),
            "The bias is the mean of y. That is right only where the measurements are zero on average: subtract what the slopes give at their mean.",
        ),
        Mistake(
            "the example's line",
            lambda x, y: torch.cat([torch.full((x.shape[1],), 2.0), torch.ones(1)]),
            "Slope 2 and bias 1, the worked example's, came back for every input.",
        ),
        Mistake(
            "fifty steps",
            lambda x, y: _fifty_steps(x, y),
            "This is gradient descent that has not arrived. Solve the system: there is no need to descend.",
        ),
        Mistake(
            "slopes of standardised measurements",
            lambda x, y: _standardised(x, y),
            "These slopes belong to standardised measurements. Scale them back, or do not standardise.",
        ),
    ),
    hints=(
        "Give X a column of ones. Where the gradient of the squared error is zero, (XᵀX) w = Xᵀy.",
        "The skeleton, with blanks:\nones = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=____)\n"
        "return torch.linalg.solve(____, ____)",
    ),
    takeaway="Where the model is linear and the error squared, training is one linear system.",
)

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
    ),
    hints=(
        "Print the shape of `error` in the broken code for two people. How many errors should there be?",
        "The skeleton, with blanks:\nw = torch.zeros(x.shape[1], dtype=x.dtype)\nfor _ in range(steps):\n"
        "    error = x @ w - ____\n    w = w - lr * ____ * x.T @ error / ____\nreturn w",
    ),
    takeaway="A shape that broadcasts is the quietest bug of regression: look at the shape of the error, once.",
)


def _fifty_steps(x: Tensor, y: Tensor) -> Tensor:
    ones = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    w = torch.zeros(ones.shape[1], dtype=x.dtype)
    for _ in range(50):
        w = w - 0.05 * 2 * ones.T @ (ones @ w - y) / len(x)
    return w


def _standardised(x: Tensor, y: Tensor) -> Tensor:
    return least_squares((x - x.mean(dim=0)) / x.std(dim=0), y)


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


# ---------------------------------------------------------------- all

TASKS = [SLOPES, LEAST, DESCEND, limits.LIMIT, limits.BOUNDED]

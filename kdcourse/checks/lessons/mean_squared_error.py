"""Exercises: what moves a fit, the closed form, a descent to mend, the limit of distillation, a bound."""

from functools import lru_cache

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import descent, limits

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
        Mistake(
            "only the labels centred",
            lambda x, y: _labels_centred(x, y),
            "The mean is taken off the labels, and not off the measurements from which the slopes are solved. Take it off both, or give X a column of ones.",
        ),
        Mistake(
            "ones in front, then moved",
            lambda x, y: torch.cat([least_squares(x, y)[-1:], least_squares(x, y)[:-1]]).flip(0),
            "The order of the weights is turned round.",
        ),
        Mistake(
            "predictions",
            lambda x, y: torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1) @ least_squares(x, y),
            "These are the *predictions*, one a person. The weights are asked for.",
        ),
        Mistake(
            "the residuals",
            lambda x, y: y - torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1) @ least_squares(x, y),
            "These are the residuals, one a person. The weights are asked for.",
        ),
        Mistake(
            "not solved",
            lambda x, y: torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1).T @ y,
            "This is Xᵀy, the right-hand side. Solve (XᵀX) w = Xᵀy.",
        ),
        Mistake(
            "a bias of zero",
            lambda x, y: torch.cat([least_squares(x, y)[:-1], x.new_zeros(1)]),
            "The slopes are right, and the bias is 0.",
        ),
        Mistake(
            "the bias from what is left",
            lambda x, y: _bias_afterwards(x, y),
            "The slopes are fitted *without* a bias, and the bias is the mean of what is left. Fit both at once: a column of ones.",
        ),
        Mistake(
            "a tiny penalty",
            lambda x, y: _penalised(x, y, 1e-3),
            "A tiny penalty is added to the system. The plain least-squares fit has none.",
        ),
        Mistake(
            "one mean of all measurements",
            lambda x, y: torch.cat(
                [least_squares(x, y)[:-1], (y.mean() - x.mean() * least_squares(x, y)[:-1].sum())[None]]
            ),
            "The bias uses one mean over *all* measurements. Each column has its own: `x.mean(dim=0)`.",
        ),
    ),
    hints=(
        "Give X a column of ones. Where the gradient of the squared error is zero, (XᵀX) w = Xᵀy.",
        "The skeleton, with blanks:\nones = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=____)\n"
        "return torch.linalg.solve(____, ____)",
    ),
    takeaway="Where the model is linear and the error squared, training is one linear system.",
)


def _fifty_steps(x: Tensor, y: Tensor) -> Tensor:
    ones = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    w = torch.zeros(ones.shape[1], dtype=x.dtype)
    for _ in range(50):
        w = w - 0.05 * 2 * ones.T @ (ones @ w - y) / len(x)
    return w


def _standardised(x: Tensor, y: Tensor) -> Tensor:
    return least_squares((x - x.mean(dim=0)) / x.std(dim=0), y)


def _labels_centred(x: Tensor, y: Tensor) -> Tensor:
    slopes = torch.linalg.lstsq(x, (y - y.mean())[:, None]).solution[:, 0]
    return torch.cat([slopes, (y.mean() - x.mean(dim=0) @ slopes)[None]])


def _bias_afterwards(x: Tensor, y: Tensor) -> Tensor:
    slopes = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    return torch.cat([slopes, (y - x @ slopes).mean()[None]])


# ---------------------------------------------------------------- all

TASKS = [SLOPES, LEAST, descent.DESCEND, limits.BOUNDED, limits.LIMIT]

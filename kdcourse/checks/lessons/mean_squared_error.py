"""Exercises: what moves a fit, the closed form, a descent to mend, the limit of distillation, a bound."""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task

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
    ),
    hints=(
        "Print the shape of `error` in the broken code for two people. How many errors should there be?",
        "The skeleton, with blanks:\nw = torch.zeros(x.shape[1], dtype=x.dtype)\nfor _ in range(steps):\n"
        "    error = x @ w - ____\n    w = w - lr * ____ * x.T @ error / ____\nreturn w",
    ),
    takeaway="A shape that broadcasts is the quietest bug of regression: look at the shape of the error, once.",
)

# ---------------------------------------------------------------- mean_squared_error.4


def distance_from_limit(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> float:
    z, v = (s - s.mean(dim=1, keepdim=True) for s in (student_logits, teacher_logits))
    gradient = temperature * ((z / temperature).softmax(dim=1) - (v / temperature).softmax(dim=1))
    limit = (z - v) / z.shape[1]
    return float(((gradient - limit).norm(dim=1) / limit.norm(dim=1)).mean())


def _distance(z: Tensor, v: Tensor, t: float, *, centred: bool = True, power: int = 1, share: bool = True,
              by: str = "limit", each: bool = True) -> float:  # fmt: skip
    gradient = t**power * ((z / t).softmax(dim=1) - (v / t).softmax(dim=1))
    limit = (z - v) / (z.shape[1] if share else 1)
    limit = limit - limit.mean(dim=1, keepdim=True) if centred else limit
    below = limit if by == "limit" else gradient
    if not each:
        return float((gradient - limit).norm() / below.norm())
    return float(((gradient - limit).norm(dim=1) / below.norm(dim=1)).mean())


def _limit_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    z, v = (3 * torch.randn(8, 10, generator=g).double() for _ in range(2))
    return [
        (torch.tensor([[1.0, -1.0]]).double(), torch.tensor([[0.0, 0.0]]).double(), 1.0),
        (torch.tensor([[2.0, 0.0]]).double(), torch.tensor([[0.0, 0.0]]).double(), 4.0),
        (z, v, 4.0),
        (z + 5, v, 32.0),
        (torch.cat([z, 0.1 * z]), torch.cat([v, 0.2 * v]), 8.0),
    ]


LIMIT = Task(
    id="mean_squared_error.4",
    title="How far from the limit?",
    kind="implement",
    difficulty="core",
    minutes=12,
    points=3,
    rungs=("two classes, centred", "two classes, moved", "random, T = 4", "moved, T = 32", "small and large logits"),
    inputs=_limit_inputs,
    reference=distance_from_limit,
    judge=close,
    mistakes=(
        Mistake(
            "not centred",
            lambda z, v, t: _distance(z, v, t, centred=False),
            "The squared error's gradient still holds the mean of the logits, which no softmax sees: take the means off first.",
        ),
        Mistake(
            "no T",
            lambda z, v, t: _distance(z, v, t, power=0),
            "The gradient is p − q here. T² in front and 1/T from the chain rule leave a factor T.",
        ),
        Mistake(
            "T² kept",
            lambda z, v, t: _distance(z, v, t, power=2),
            "T² (p − q) forgets the 1/T of the chain rule.",
        ),
        Mistake(
            "C forgotten",
            lambda z, v, t: _distance(z, v, t, share=False),
            "The limit is (z − v) / C: divide by the number of classes.",
        ),
        Mistake(
            "relative to the gradient",
            lambda z, v, t: _distance(z, v, t, by="gradient"),
            "The difference is divided by the length of the gradient. Relative to the *limit* is asked for.",
        ),
        Mistake(
            "all images at once",
            lambda z, v, t: _distance(z, v, t, each=False),
            "One ratio of two lengths over all images together. Take the ratio for each image, then the mean.",
        ),
    ),
    hints=(
        "Two N×C tables: the gradient T (p − q), and the limit (z − v) / C of centred logits. Then one ratio an image.",
        "The skeleton, with blanks:\nz, v = (s - s.mean(dim=____, keepdim=True) for s in (student_logits, teacher_logits))\n"
        "gradient = ____ * ((z / temperature).softmax(dim=1) - (v / temperature).softmax(dim=1))\n"
        "limit = (z - v) / ____\nreturn ((gradient - limit).norm(dim=1) / ____.norm(dim=1)).mean()",
    ),
    takeaway="Doubling T halves what separates distillation from squared error on logits, once T is large.",
)

# ---------------------------------------------------------------- mean_squared_error.5


def bounded(student: Tensor, teacher: Tensor, labels: Tensor, margin: float) -> Tensor:
    ours, theirs = (student - labels).square(), (teacher - labels).square()
    return torch.where(ours + margin > theirs, ours, torch.zeros_like(ours)).mean()


def _bounded(s: Tensor, t: Tensor, y: Tensor, m: float, rule: Callable[[Tensor, Tensor, float], Tensor]) -> Tensor:
    ours, theirs = (s - y).square(), (t - y).square()
    return (ours * rule(ours, theirs, m).to(ours.dtype)).mean()


def _bounded_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    y, near, far = torch.randn(40, generator=g), torch.randn(40, generator=g), torch.randn(40, generator=g)
    return [
        (torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([0.0]), 0.0),
        (torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0]), torch.tensor([0.0, 0.0]), 0.0),
        (torch.tensor([1.0, 3.0, 0.5]), torch.tensor([2.0, 2.0, 2.0]), torch.zeros(3), 3.5),
        (y + near, y + far, y, 0.3),
        (y + 0.01 * near, y + far, y, 0.0),
    ]


BOUNDED = Task(
    id="mean_squared_error.5",
    title="A teacher as a bound",
    kind="implement",
    difficulty="stretch",
    minutes=12,
    points=4,
    rungs=("one person", "better and worse", "with a margin", "random", "nearly always better"),
    inputs=_bounded_inputs,
    reference=bounded,
    judge=close,
    mistakes=(
        Mistake(
            "the wrong way round",
            lambda s, t, y, m: _bounded(s, t, y, m, lambda a, b, m: a + m <= b),
            "The error counts where the student is *better*. It should count where he is not yet better by the margin.",
        ),
        Mistake(
            "margin on the other side",
            lambda s, t, y, m: _bounded(s, t, y, m, lambda a, b, m: a > b + m),
            "The margin stands on the teacher's side: the student may then be worse by it. It belongs to the student's error.",
        ),
        Mistake(
            "margin forgotten",
            lambda s, t, y, m: _bounded(s, t, y, m, lambda a, b, m: a > b),
            "The margin is never used.",
        ),
        Mistake(
            "mean over those that count",
            lambda s, t, y, m: _over_active(s, t, y, m),
            "The mean is over those whose error counts. It is over all: a person that is good enough contributes 0.",
        ),
        Mistake(
            "the excess",
            lambda s, t, y, m: ((s - y).square() + m - (t - y).square()).clamp(min=0).mean(),
            "This is how much the student is worse than the teacher. The student's *own* error counts, all of it or nothing.",
        ),
        Mistake(
            "no bound",
            lambda s, t, y, m: (s - y).square().mean(),
            "Every error counts: the teacher is never asked.",
        ),
    ),
    hints=(
        "Two squared errors against the label, the student's and the teacher's. The teacher only decides whether the student's counts.",
        "The skeleton, with blanks:\nours, theirs = (student - labels).square(), (____ - labels).square()\n"
        "return torch.where(____ > ____, ours, torch.zeros_like(ours)).mean()",
    ),
    takeaway="In regression a teacher can be far off; as a bound it says only when to stop.",
)


def _over_active(s: Tensor, t: Tensor, y: Tensor, m: float) -> Tensor:
    ours, theirs = (s - y).square(), (t - y).square()
    active = ours + m > theirs
    return ours[active].sum() / max(1, int(active.sum()))


# ---------------------------------------------------------------- all

TASKS = [SLOPES, LEAST, DESCEND, LIMIT, BOUNDED]

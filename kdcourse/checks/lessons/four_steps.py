"""Exercises: what freezes, a paired interval, an honest choice, a new head, learning from a source."""

from functools import lru_cache
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

import kdcourse as kd
from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import designs, heads
from kdcourse.data import seeded

# ---------------------------------------------------------------- four_steps.1

CHANGES = (
    "the same images once more, in eval mode",
    "100 images pass in train mode, without an optimizer",
    "requires_grad is False everywhere, then one step of SGD with weight decay",
    "all gradients are zero, then one step of SGD with weight decay",
    "a new head is trained on its outputs, taken in eval mode",
)


@lru_cache(maxsize=8)
def answers_move(change: str) -> tuple[str, str]:
    with seeded(0):
        model, images = kd.build("cnn", width=4, seed=0).eval(), torch.rand(100, 1, 28, 28)
        before = model(images).detach()
        sgd = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
        if change == CHANGES[1]:
            model.train()(images)
        if change == CHANGES[2]:
            model.requires_grad_(False)
            sgd.step()
        if change == CHANGES[3]:
            for parameter in model.parameters():
                parameter.grad = torch.zeros_like(parameter)
            sgd.step()
        if change == CHANGES[4]:
            head = nn.Linear(10, 4)
            head(model(images).detach()).sum().backward()
            torch.optim.SGD(head.parameters(), lr=0.1).step()
        moved = float((model.eval()(images).detach() - before).abs().max())
        return "changed" if moved else "same", f"a logit moves by up to {moved:.2g}"


_believing = believer(CHANGES, answers_move)


FROZEN = prediction(
    id="four_steps.1",
    title="Predict what moves a frozen model",
    minutes=5,
    changes=CHANGES,
    found=answers_move,
    answers=("same", "changed"),
    mistakes=(
        Mistake(
            "eval is random",
            _believing(c1="changed"),
            "In eval mode nothing is drawn and nothing is kept: the same images give the same answers.",
        ),
        Mistake(
            "train mode is harmless",
            _believing(c2="same"),
            "In train mode batch norm updates its running mean and variance with every batch, no optimizer needed. They "
            "are buffers, and eval mode answers with them.",
        ),
        Mistake(
            "weight decay reaches all",
            _believing(c3="changed"),
            "A parameter without a gradient (None) is skipped by the optimizer, weight decay included.",
        ),
        Mistake(
            "zero is none",
            _believing(c4="same"),
            "A gradient of zero is not no gradient: weight decay is added to it, and the weights shrink.",
        ),
        Mistake(
            "the head moves the blocks",
            _believing(c5="changed"),
            "The head learns from detached outputs; its gradient ends there, and the blocks stay in eval mode.",
        ),
    ),
    hints=(
        "A model's answers depend on parameters *and* buffers. Who changes the one, who the other?",
        "Ask for each: does anything write into a weight, or into batch norm's running mean? The form:\n"
        '"the same images once more, in eval mode": "____",',
    ),
    takeaway="Frozen means three things: no gradient (None, not zero), eval mode, and buffers that nobody writes.",
)

# ---------------------------------------------------------------- four_steps.2


def paired_interval(ours: Tensor, theirs: Tensor) -> Any:
    from scipy.stats import t

    differences = ours - theirs
    n, mean = len(differences), float(differences.mean())
    half = float(t.ppf(0.975, n - 1)) * float(differences.std()) / n**0.5  # std divides by n - 1
    return mean, mean - half, mean + half


def _interval(a: Tensor, b: Tensor, *, level: float = 0.975, normal: bool = False, population: bool = False,
              spread: bool = False, unpaired: bool = False) -> Any:  # fmt: skip
    from scipy.stats import norm, t

    n, mean = len(a), float((a - b).mean())
    deviation = float((a - b).std(unbiased=not population))
    degrees = n - 1
    if unpaired:
        deviation, degrees = sqrt(float(a.var() + b.var())), 2 * n - 2
    factor = float(norm.ppf(level)) if normal else float(t.ppf(level, degrees))
    half = factor * deviation / (1 if spread else sqrt(n))
    return mean, mean - half, mean + half


def _interval_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    base = 0.8 + 0.03 * torch.randn(5, generator=g)
    return [
        (torch.tensor([0.5, 0.75]), torch.tensor([0.25, 0.4375])),
        (torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3)),
        (torch.tensor([0.25, 1.0]), torch.tensor([0.0, 0.5])),
        (0.8 + 0.02 * torch.randn(5, generator=g), 0.79 + 0.02 * torch.randn(5, generator=g)),
        (base + 0.01 + 0.001 * torch.randn(5, generator=g), base),
    ]


INTERVAL = Task(
    id="four_steps.2",
    title="A paired interval",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=2,
    rungs=(
        "nearly the same difference",
        "by hand",
        "two seeds",
        "random",
        "seeds that differ, differences that do not",
    ),
    inputs=_interval_inputs,
    reference=paired_interval,
    judge=close,
    mistakes=(
        Mistake(
            "unpaired",
            lambda a, b: _interval(a, b, unpaired=True),
            "The two groups are compared as if they had nothing in common. Both arms share seeds: take differences first.",
        ),
        Mistake(
            "1.96",
            lambda a, b: _interval(a, b, normal=True),
            "1.96 belongs to the normal distribution. With few seeds the deviation is itself uncertain: Student's t with "
            "n − 1 degrees of freedom.",
        ),
        Mistake(
            "divided by n",
            lambda a, b: _interval(a, b, population=True),
            "The standard deviation divides by n here, NumPy's default. For a sample it is n − 1: ddof=1.",
        ),
        Mistake(
            "spread, not error",
            lambda a, b: _interval(a, b, spread=True),
            "This is the spread of single differences. The mean of n is surer: divide by the root of n.",
        ),
        Mistake(
            "1.96 spreads",
            lambda a, b: _interval(a, b, normal=True, spread=True),
            "1.96 standard deviations hold single differences, if they are normal. The mean's interval is narrower by the root "
            "of n, and few seeds need Student's t.",
        ),
        Mistake(
            "one-sided",
            lambda a, b: _interval(a, b, level=0.95),
            "With the 0.95 quantile on both sides the interval holds 90 %. For 95 % take 0.975.",
        ),
        Mistake(
            "turned round",
            lambda a, b: _interval(b, a),
            "This is theirs minus ours. Ours minus theirs is asked for: above zero where we are better.",
        ),
        Mistake(
            "Welch's",
            lambda a, b: _welch(a, b),
            "This is Welch's interval for two independent groups. The seeds are pairs: take the differences first.",
        ),
        Mistake(
            "n for √n",
            lambda a, b: _half(a, b, lambda d, t: t.ppf(0.975, len(d) - 1) * float(d.std()) / len(d)),
            "The deviation is divided by n. The mean's error shrinks with √n.",
        ),
        Mistake(
            "n degrees of freedom",
            lambda a, b: _half(a, b, lambda d, t: t.ppf(0.975, len(d)) * float(d.std()) / len(d) ** 0.5),
            "t has n degrees of freedom here. One is used up by the mean: n − 1.",
        ),
        Mistake(
            "the mean in the middle",
            lambda a, b: tuple(paired_interval(a, b)[i] for i in (1, 0, 2)),
            "The mean stands between the two ends. Asked for are mean, lower end, upper end.",
        ),
        Mistake(
            "from −∞ to ∞",
            lambda a, b: (float((a - b).mean()), float("-inf"), float("inf")),
            "The interval is the whole line. It holds the truth, and says nothing.",
        ),
        Mistake(
            "the half for an end",
            lambda a, b: (paired_interval(a, b)[0], *(paired_interval(a, b)[2] - paired_interval(a, b)[0],) * 2),
            "The half width came back in place of the ends. The ends are mean − half and mean + half.",
        ),
        Mistake(
            "upper end first",
            lambda a, b: tuple(paired_interval(a, b)[i] for i in (0, 2, 1)),
            "The ends are exchanged: the lower one comes first. (The 0.025 quantile is negative; take 0.975.)",
        ),
        Mistake(
            "from the worst to the best seed",
            lambda a, b: (float((a - b).mean()), float((a - b).min()), float((a - b).max())),
            "These are the smallest and the largest difference. The interval is about the *mean*.",
        ),
        Mistake(
            "two degrees of freedom less",
            lambda a, b: _half(
                a, b, lambda d, t: t.ppf(0.975, max(1, 2 * len(d) - 2)) * float(d.std()) / len(d) ** 0.5
            ),
            "The degrees of freedom are those of two groups. There is one difference a seed: n − 1.",
        ),
        Mistake(
            "twice the error",
            lambda a, b: _half(a, b, lambda d, t: 2 * float(d.std()) / len(d) ** 0.5),
            "Twice the error holds 95 % only with many seeds. With few it is Student's t with n − 1 degrees of freedom.",
        ),
        Mistake(
            "one error",
            lambda a, b: _half(a, b, lambda d, t: float(d.std()) / len(d) ** 0.5),
            "One standard error on each side holds about two thirds. Multiply by Student's t for 95 %.",
        ),
        Mistake(
            "per cent of theirs",
            lambda a, b: paired_interval(a / b, torch.ones_like(b)),
            "The quotient of the two is averaged. Take differences.",
        ),
    ),
    hints=(
        "One difference a seed first. Their mean, their standard deviation, how many they are: that is all you need.",
        "The skeleton, with blanks:\nd = ours - theirs\nhalf = scipy.stats.t.ppf(____, len(d) - 1) * d.std() / ____\n"
        "return d.mean(), d.mean() - half, d.mean() + half",
    ),
    takeaway="Seeds that make both arms better or worse cancel in the differences; that is why a paired interval is short.",
)

# ---------------------------------------------------------------- four_steps.3


def honest_score(val: Tensor, test: Tensor) -> float:
    chosen = val.mean(dim=1).argmax()  # the rate that validation prefers, over all seeds
    return float(test[chosen].mean())


def _score_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    worth = torch.tensor([0.80, 0.82, 0.81, 0.78])[:, None]
    return [
        (torch.tensor([[0.5, 0.7]]), torch.tensor([[0.4, 0.6]])),
        (torch.tensor([[0.6, 0.6], [0.8, 0.8]]), torch.tensor([[0.5, 0.5], [0.7, 0.7]])),
        (torch.tensor([[0.8, 0.8], [0.7, 0.7]]), torch.tensor([[0.6, 0.5], [0.7, 0.75]])),
        (torch.tensor([[0.8, 0.8, 0.8], [0.9, 0.9, 0.7]]), torch.tensor([[0.7, 0.7, 0.7], [0.8, 0.8, 0.65]])),
        (torch.tensor([[0.8, 0.8, 0.8], [0.79, 0.79, 0.95]]), torch.tensor([[0.7, 0.7, 0.7], [0.69, 0.7, 0.9]])),
        (torch.tensor([[0.7, 0.72, 0.71], [0.95, 0.5, 0.5]]), torch.tensor([[0.7, 0.7, 0.71], [0.9, 0.4, 0.45]])),
        (torch.tensor([[0.5, 0.75], [0.75, 0.5]]), torch.tensor([[0.5, 0.625], [0.75, 0.875]])),
        (torch.tensor([[0.5, 0.75], [0.75, 0.5]]), torch.tensor([[0.75, 0.875], [0.5, 0.625]])),
        (worth + 0.02 * torch.randn(4, 5, generator=g), worth + 0.02 * torch.randn(4, 5, generator=g)),
    ]


HONEST = Task(
    id="four_steps.3",
    title="Debug a results table",
    kind="debug",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=(
        "one rate",
        "validation and test agree",
        "they disagree",
        "an unlucky seed",
        "a good seed",
        "a lucky seed",
        "a tie",
        "another tie",
        "random",
    ),
    inputs=_score_inputs,
    reference=honest_score,
    judge=close,
    mistakes=(
        Mistake(
            "as given",
            lambda v, t: t.mean(1).max(),
            "The rate is chosen on test, as in the code that was given: the number then tells of luck as well. Choose on "
            "validation, read test once.",
        ),
        Mistake(
            "a rate for each seed",
            lambda v, t: t.gather(0, v.argmax(0, keepdim=True)).mean(),
            "Each seed picks its own rate. The arm has *one* rate: the one with the best mean over seeds.",
        ),
        Mistake(
            "the luckiest run",
            lambda v, t: t[int(v.argmax()) // v.shape[1]].mean(),
            "One single lucky run decides. Average validation over the seeds before you choose.",
        ),
        Mistake(
            "the worst seed",
            lambda v, t: t[v.min(1).values.argmax()].mean(),
            "The rate with the best *worst* seed is chosen. Average validation over the seeds.",
        ),
        Mistake(
            "the middle seed",
            lambda v, t: t[v.median(1).values.argmax()].mean(),
            "The rate with the best *median* seed is chosen. Average validation over the seeds.",
        ),
        Mistake(
            "validation reported",
            lambda v, t: v.mean(1).max(),
            "This is the validation score of the chosen rate: a choice made on it flatters it. Report the test score.",
        ),
        Mistake(
            "the best run reported",
            lambda v, t: t[v.mean(1).argmax()].max(),
            "The rate is right; then the best *seed* is reported. Report the mean over seeds.",
        ),
        Mistake(
            "score by score",
            lambda v, t: t[v.mean(1).argmax()],
            "The chosen rate's scores came back, one a seed. Their mean is asked for.",
        ),
        Mistake("no rate chosen", lambda v, t: t.mean(), "The mean over *all* rates came back. Choose one rate first."),
        Mistake(
            "the best seed's test score",
            lambda v, t: t[v.mean(1).argmax(), v[v.mean(1).argmax()].argmax()],
            "Of the chosen rate only one seed is reported, the one that did best on validation. Report the mean over seeds.",
        ),
        Mistake(
            "ties broken by test",
            lambda v, t: t.mean(1)[v.mean(1) == v.mean(1).max()].max(),
            "Where two rates tie on validation, *test* decides: that is the leak once more. Take the first.",
        ),
        Mistake(
            "the best seed of all rates",
            lambda v, t: t[:, v.mean(0).argmax()].mean(),
            "The mean runs over the *rates*, so a seed is chosen. A row is a rate: mean(dim=1).",
        ),
        Mistake(
            "the lowest on test",
            lambda v, t: t.mean(1).min(),
            "The rate with the *lowest* test score is reported. Test does not choose, in neither direction.",
        ),
        Mistake(
            "the lowest on validation",
            lambda v, t: t[v.mean(1).argmin()].mean(),
            "The rate with the *lowest* validation score is chosen: argmax, not argmin.",
        ),
        Mistake(
            "the chosen rate's number",
            lambda v, t: int(v.mean(1).argmax()),
            "The place of the chosen rate came back. Its test score is asked for.",
        ),
        Mistake(
            "the last of equals",
            lambda v, t: t[len(v) - 1 - int(v.mean(1).flip(0).argmax())].mean(),
            "Where two rates tie on validation, the last is taken. Take the first.",
        ),
        Mistake(
            "the first seed alone",
            lambda v, t: t[v[:, 0].argmax()].mean(),
            "The first seed alone chooses the rate. Average validation over the seeds.",
        ),
        Mistake(
            "the median reported",
            lambda v, t: t[v.mean(1).argmax()].median(),
            "The rate is right; then the *median* over the seeds is reported. Report their mean.",
        ),
        Mistake(
            "the worst seed reported",
            lambda v, t: t[v.mean(1).argmax()].min(),
            "The rate is right; then the *worst* seed is reported. Report the mean over seeds.",
        ),
        Mistake(
            "the first seed reported",
            lambda v, t: t[v.mean(1).argmax(), 0],
            "The rate is right; then one seed alone is reported. Report the mean over seeds.",
        ),
        Mistake(
            "the mean of those that tie",
            lambda v, t: t[v.mean(1) == v.mean(1).max()].mean(),
            "Where rates tie on validation, the mean over all of them is reported. The first counts.",
        ),
        Mistake(
            "a seed's number for a rate",
            lambda v, t: t[v.mean(0).argmax()].mean(),
            "The mean runs over the *rates*, so the number that is found is a seed's. A row is a rate: mean(dim=1).",
        ),
    ),
    hints=(
        "Two questions, one after the other: which rate? (Ask validation.) How good is it? (Ask test, once.)",
        "The skeleton, with blanks:\nchosen = ____.mean(dim=1).argmax()\nreturn ____[chosen].____()",
    ),
    takeaway="Validation chooses, over all seeds; test only says how good the choice was.",
)


def _half(a: Tensor, b: Tensor, half: Any) -> Any:
    from scipy.stats import t

    d = a - b
    return float(d.mean()), float(d.mean()) - float(half(d, t)), float(d.mean()) + float(half(d, t))


def _welch(a: Tensor, b: Tensor) -> Any:
    ours, theirs = (float(v.var()) / len(v) for v in (a, b))
    degrees = (ours + theirs) ** 2 / (ours**2 / (len(a) - 1) + theirs**2 / (len(b) - 1)) if ours + theirs else 1.0
    return _half(a, b, lambda d, t: t.ppf(0.975, degrees) * sqrt(ours + theirs))


# ---------------------------------------------------------------- all

TASKS = [FROZEN, INTERVAL, HONEST, heads.RIDGE, designs.SOURCE]

"""Exercises: what a mistake shows, a step to mend, who has moved, and how many steps really distil."""

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Mistake
from kdcourse.checks.lessons import counting, stepping

# ---------------------------------------------------------------- single_task.1

SLIPS = (
    "the student's forward pass stands under no_grad, the teacher's does not",
    "both forward passes stand under no_grad",
    "the teacher answers once before the loop, without no_grad",
    "the divergence is divided by the batch size once more, under Adam",
    "the optimiser was given the teacher's parameters",
)


@lru_cache(maxsize=8)
def shows(slip: str) -> tuple[str, str]:
    """What a training of 100 steps on a toy set does: a word, and the numbers or the error behind it."""
    at, g = SLIPS.index(slip), torch.Generator().manual_seed(0)
    x = torch.randn(400, 10, generator=g)
    rule = torch.randn(10, 3, generator=g)
    y = (x @ rule).argmax(dim=1)
    teacher, student = _linear(2 * rule.T), _linear(0.1 * torch.randn(3, 10, generator=g))
    first = _share(student, x, y)
    steps = 0
    with torch.enable_grad():
        try:
            for done in _distilled(at, teacher, student, x):
                steps = done
        except RuntimeError as error:
            return "an error", f"in step {steps + 1}: {str(error)[:40]}…"
    last = _share(student, x, y)
    return ("a plausible number" if last > first + 0.1 else "no learning"), f"{last:.0%}, at first {first:.0%}"


def _linear(weights: Tensor) -> nn.Linear:
    with torch.random.fork_rng():
        layer = nn.Linear(weights.shape[1], len(weights), bias=False)
    layer.weight.data = weights.clone()
    return layer


def _share(model: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return float((model(x).argmax(dim=1) == y).float().mean())


def _distilled(at: int, teacher: nn.Module, student: nn.Module, x: Tensor) -> Iterator[int]:
    """One step after another; the number of those that are done."""
    optimizer = torch.optim.Adam((teacher if at == 4 else student).parameters(), lr=0.05)
    once = teacher(x)
    for done in range(1, 101):
        with torch.set_grad_enabled(at in (0, 4)):
            z = teacher(x)
        z = once if at == 2 else z
        with torch.set_grad_enabled(at not in (0, 1)):
            answer = student(x)
        loss = F.kl_div(answer.log_softmax(dim=1), z.softmax(dim=1), reduction="batchmean")
        optimizer.zero_grad()
        (loss / len(x) if at == 3 else loss).backward()
        optimizer.step()
        yield done


_believing = believer(SLIPS, shows)

SHOWS = prediction(
    id="single_task.1",
    title="Predict the symptom",
    minutes=6,
    changes=SLIPS,
    found=shows,
    answers=("an error", "no learning", "a plausible number"),
    mistakes=(
        Mistake(
            "a student without a graph is an error",
            _believing(c1="an error"),
            "The loss has a gradient: it flows through the teacher's answer into the teacher. So backward() is content, and the student stays as it was.",
        ),
        Mistake(
            "a student without a graph learns",
            _believing(c1="a plausible number"),
            "Under no_grad no graph leads to the student's weights, so no gradient reaches them.",
        ),
        Mistake(
            "no graph at all only means no learning",
            _believing(c2="no learning"),
            "If nothing in the loss has a graph, backward() has nowhere to go and says so.",
        ),
        Mistake(
            "no graph at all still learns",
            _believing(c2="a plausible number"),
            "Without a graph there is no gradient, and backward() raises an error.",
        ),
        Mistake(
            "answering once only saves time",
            _believing(c3="a plausible number"),
            "It would, under no_grad. Without it the answer keeps the teacher's graph. The first backward() frees that graph, and the second one fails.",
        ),
        Mistake(
            "answering once stops the learning",
            _believing(c3="no learning"),
            "The first step is made. The second backward() meets the teacher's graph, which the first has freed, and raises an error.",
        ),
        Mistake(
            "a small loss does not learn",
            _believing(c4="no learning"),
            "Adam divides by the gradient's size, so a factor in front of the only loss hardly matters. Beside a labels' loss it would.",
        ),
        Mistake(
            "a small loss is an error",
            _believing(c4="an error"),
            "A number that is too small is a number. Nothing can raise an error here.",
        ),
        Mistake(
            "a wrong optimiser is an error",
            _believing(c5="an error"),
            "The teacher's parameters are parameters like any others, and here they even have gradients.",
        ),
        Mistake(
            "a wrong optimiser still teaches",
            _believing(c5="a plausible number"),
            "The student's weights get gradients, but nobody makes a step with them.",
        ),
    ),
    hints=(
        "Follow the gradient: where does backward() go, and whose weights does the optimiser hold?",
        'The form:\n"both forward passes stand under no_grad": "____",',
    ),
    takeaway="backward() is content with any graph, and an optimiser with any weights. Whether they are the right ones, you must ask.",
)

# ---------------------------------------------------------------- all

TASKS = [SHOWS, stepping.MOVED, stepping.STEP, counting.STEPS]

"""Exercises: when a mean of weights is one step, weights by images, bytes, who holds what, and answers that do not count."""

import math
from typing import Any

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import dividing, rounds

# ---------------------------------------------------------------- federated_averaging.1

CASES: dict[str, dict[str, Any]] = {
    "each owner takes one step": {},
    "each owner takes one step, and every owner weighs the same": {"weighted": False},
    "each owner takes two steps": {"steps": 2},
    "each owner takes two steps, and all hold the same examples": {"steps": 2, "same": True},
    "each owner takes one step, and owner 2's answer is lost": {"lost": True},
}
OWN = ((torch.tensor([1.0, 2.0, 1.0]).double(), 2.0), (torch.tensor([1.0]).double(), -2.0))  # x, and y / x
RATE = 0.1


def descend(w: float, x: Tensor, y: Tensor, steps: int) -> float:
    for _ in range(steps):
        w -= RATE * float(((w * x - y) * x).mean())
    return w


def merged(case: str) -> tuple[str, str]:
    told = CASES[case]
    steps, (first, second) = told.get("steps", 1), OWN
    owners = [first, first] if told.get("same") else [first, second]
    ends = [descend(0.0, x, slope * x, steps) for x, slope in owners]
    counts = [len(x) if told.get("weighted", True) else 1 for x, _ in owners]
    if told.get("lost"):
        ends, counts = ends[:1], counts[:1]
    mean = sum(n * w for n, w in zip(counts, ends, strict=True)) / sum(counts)
    x = torch.cat([x for x, _ in owners])
    place = descend(0.0, x, torch.cat([slope * x for x, slope in owners]), steps)
    return "the same" if math.isclose(mean, place, abs_tol=1e-9) else "another", f"{mean:.4f} and {place:.4f}"


_believing = believer(tuple(CASES), merged)

SAME = prediction(
    id="federated_averaging.1",
    title="Predict the mean",
    minutes=5,
    changes=tuple(CASES),
    found=merged,
    answers=("the same", "another"),
    mistakes=(
        Mistake(
            "a mean is never a step",
            _believing(c1="another"),
            "After one step from the same weights, the mean of the weights is the start minus the mean of the gradients; "
            "weighted by examples, that is the gradient of all of them.",
        ),
        Mistake(
            "weights do not matter",
            _believing(c2="the same"),
            "Owner 1 holds three examples of four. Where every owner weighs the same, owner 2's one example counts as much "
            "as its three.",
        ),
        Mistake(
            "two steps are twice one",
            _believing(c3="the same"),
            "At its second step each owner stands on its own weights, not on the common ones, and takes the gradient there.",
        ),
        Mistake(
            "many steps always drift",
            _believing(c4="another"),
            "Who holds the same examples takes the same steps. A mean of equal weights is these weights.",
        ),
        Mistake(
            "a lost answer changes nothing",
            _believing(c5="the same"),
            "The mean is then taken over those who answered, and owner 2's example is in no gradient.",
        ),
    ),
    hints=(
        "Write the weights after one step as the start minus 0.1 times a gradient. What is the mean of two of these?",
        'The form:\n"each owner takes one step": "____",',
    ),
    takeaway="One step a round is ordinary training. Drift needs both: several steps, and owners who differ.",
)

# ---------------------------------------------------------------- federated_averaging.3


def bytes_sent(shapes: list[list[int]], bits: int, asked: int, rounds: int) -> int:
    numbers = 0
    for shape in shapes:
        size = 1
        for length in shape:
            size *= length
        numbers += size
    return 2 * rounds * asked * numbers * bits // 8


def _numbers(shapes: list[list[int]]) -> int:
    return sum(math.prod(shape) for shape in shapes)


def _sent_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def drawn(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=g))

    layers = [[drawn(3, 30), drawn(3, 30)], [drawn(3, 30)]]
    return [
        ([[2, 3]], 32, 1, 1),
        ([[2, 3], [4]], 32, 1, 1),
        ([[784, 10], [10]], 32, 10, 1),
        ([[10], [784, 10]], 16, 10, 1),
        ([[8, 1, 5, 5], [8], []], 32, 3, 4),
        ([[5, 2]], 8, 7, 3),
        ([[4, 4], [4], [4, 4], [4]], 32, 2, 5),
        (layers, 64, drawn(2, 20), drawn(2, 50)),
    ]


SENT = Task(
    id="federated_averaging.3",
    title="Bytes of a federation",
    kind="implement",
    difficulty="core",
    minutes=6,
    points=2,
    rungs=(
        "one parameter",
        "two",
        "ten owners",
        "half precision",
        "a convolution and a number",
        "8 bits",
        "two alike",
        "random",
    ),
    inputs=_sent_inputs,
    reference=bytes_sent,
    judge=close,
    mistakes=(
        Mistake(
            "one way",
            lambda s, b, a, r: bytes_sent(s, b, a, r) // 2,
            "This is one way. The weights travel down to the owners, and up again.",
        ),
        Mistake(
            "bits",
            lambda s, b, a, r: 8 * bytes_sent(s, b, a, r),
            "This is the number of bits. A byte has eight.",
        ),
        Mistake(
            "always four bytes",
            lambda s, b, a, r: bytes_sent(s, 32, a, r),
            "Four bytes a number are right for 32 bits alone. `bits` says how many there are.",
        ),
        Mistake(
            "numbers",
            lambda s, b, a, r: bytes_sent(s, 8, a, r),
            "The *numbers* that travel were counted. Each takes bits / 8 bytes.",
        ),
        Mistake(
            "lengths added",
            lambda s, b, a, r: 2 * r * a * sum(map(sum, s)) * b // 8,
            "A parameter of the shape [2, 3] holds 2 · 3 numbers, not 2 + 3.",
        ),
        Mistake(
            "the number of no shape forgotten",
            lambda s, b, a, r: bytes_sent([shape for shape in s if shape], b, a, r),
            "The shape [] is one number, as of a count of batches. It travels too.",
        ),
        Mistake(
            "the first parameter",
            lambda s, b, a, r: bytes_sent(s[:1], b, a, r),
            "Only the first parameter was counted. All of them travel.",
        ),
        Mistake(
            "one owner",
            lambda s, b, a, r: bytes_sent(s, b, 1, r),
            "One owner's bytes came back. Every owner that is asked gets the weights and sends its own.",
        ),
        Mistake(
            "one round",
            lambda s, b, a, r: bytes_sent(s, b, a, 1),
            "These are the bytes of one round. The weights travel in each.",
        ),
        Mistake(
            "down once",
            lambda s, b, a, r: (r + 1) * a * _numbers(s) * b // 8,
            "The weights go down in *every* round: the mean is new each time.",
        ),
        Mistake(
            "one copy down",
            lambda s, b, a, r: r * (a + 1) * _numbers(s) * b // 8,
            "One copy goes down for all owners here. Each owner that is asked gets its own.",
        ),
        Mistake(
            "kilobytes",
            lambda s, b, a, r: bytes_sent(s, b, a, r) / 1000,
            "The answer came back in kilobytes. Bytes are asked for.",
        ),
        Mistake(
            "largest parameter",
            lambda s, b, a, r: bytes_sent([max(s, key=math.prod)], b, a, r),
            "Only the largest parameter was counted. The small ones travel too.",
        ),
    ),
    hints=(
        "How many numbers does one copy of the weights hold? How many copies travel in a round, and in which directions?",
        "The skeleton, with blanks:\nfor shape in shapes:\n    size = 1\n    for length in shape:\n        size *= ____\n"
        "    numbers += size\nreturn 2 * ____ * ____ * numbers * bits // ____",
    ),
    takeaway="Bytes grow with the network, not with the images: a round costs twice its weights for every owner asked.",
)

# ---------------------------------------------------------------- all

TASKS = [SAME, rounds.MERGE, SENT, dividing.DIVIDE, rounds.CLOSE]

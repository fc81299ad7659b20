"""What answers give away: how often an image that was learned looks better than one that was not."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["LEAK"]

# ---------------------------------------------------------------- federated_distillation.5


def leak(inside: Tensor, outside: Tensor, inside_labels: Tensor, outside_labels: Tensor) -> float:
    gap = inside.unsqueeze(1) - outside.unsqueeze(0)  # every image inside with every image outside
    pairs = inside_labels.unsqueeze(1) == outside_labels.unsqueeze(0)
    won = (gap > 0).double() + 0.5 * (gap == 0).double()
    return float(won[pairs].mean())


def _leak_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    zeros = torch.zeros(2, dtype=torch.long)
    labels = torch.randint(0, 3, (40,), generator=g)
    drawn = torch.randn(40, generator=g).round(decimals=1)
    return [
        (torch.tensor([0.9, 0.4]), torch.tensor([0.5, 0.3]), zeros, zeros.clone()),
        (torch.tensor([0.5, 0.4]), torch.tensor([0.5, 0.6]), zeros, zeros.clone()),
        (torch.tensor([0.9, 0.2]), torch.tensor([0.5, 0.1]), torch.tensor([0, 1]), torch.tensor([0, 1])),
        (
            torch.tensor([0.9, 0.2]),
            torch.tensor([0.5, 0.6, 0.1, 0.3]),
            torch.tensor([0, 1]),
            torch.tensor([0, 0, 2, 1]),
        ),
        (
            torch.tensor([0.8, 0.7, 0.1]),
            torch.tensor([0.9, 0.6, 0.2]),
            torch.tensor([1, 1, 0]),
            torch.tensor([1, 1, 0]),
        ),
        (torch.tensor([-2.0, -0.1, -3.0]), torch.tensor([-1.0]), torch.tensor([4, 4, 1]), torch.tensor([4])),
        (torch.tensor([0.3, 0.3, 0.3]), torch.tensor([0.3, 0.3]), torch.zeros(3, dtype=torch.long), zeros.clone()),
        (drawn[:18] + 0.3, drawn[18:], labels[:18], labels[18:]),
    ]


def _share(
    a: Tensor, b: Tensor, ya: Tensor, yb: Tensor, *, tie: float = 0.5, same: bool = True, ties: bool = True
) -> float:
    """``leak`` with ties that count otherwise or not at all, or all pairs."""
    gap = a.unsqueeze(1) - b.unsqueeze(0)
    pairs = ya.unsqueeze(1) == yb.unsqueeze(0) if same else torch.ones_like(gap, dtype=torch.bool)
    if not ties:
        pairs &= gap != 0
    won = (gap > 0).double() + tie * (gap == 0).double()
    return float(won[pairs].mean())


def _classes(a: Tensor, b: Tensor, ya: Tensor, yb: Tensor) -> float:
    """The mean over the classes, each weighing the same."""
    shared = [c for c in ya.unique().tolist() if bool((yb == c).any())]
    return sum(_share(a[ya == c], b[yb == c], ya[ya == c], yb[yb == c]) for c in shared) / len(shared)


LEAK = Task(
    id="federated_distillation.5",
    title="A fair membership test",
    kind="implement",
    difficulty="stretch",
    minutes=12,
    points=3,
    rungs=(
        "one class",
        "a tie",
        "two classes",
        "other classes outside",
        "unequal classes",
        "log-probabilities",
        "nothing but ties",
        "random",
    ),
    inputs=_leak_inputs,
    reference=leak,
    judge=close,
    mistakes=(
        Mistake(
            "all pairs",
            lambda a, b, ya, yb: _share(a, b, ya, yb, same=False),
            "Images of different classes were compared. An owner's network is surer about classes that it knows, whether it "
            "has seen the image or not: compare within a class.",
        ),
        Mistake(
            "ties count nothing",
            lambda a, b, ya, yb: _share(a, b, ya, yb, tie=0.0),
            "A tie counts as lost here. It counts one half: guessing would be right half the time.",
        ),
        Mistake(
            "ties count one",
            lambda a, b, ya, yb: _share(a, b, ya, yb, tie=1.0),
            "A tie counts as won here (>=). It counts one half.",
        ),
        Mistake(
            "the other way round",
            lambda a, b, ya, yb: 1 - leak(a, b, ya, yb),
            "The pairs in which the image *outside* scores higher were counted.",
        ),
        Mistake(
            "class by class",
            _classes,
            "This is the mean over classes. Every *pair* counts the same, so a class with more pairs counts more.",
        ),
        Mistake(
            "how many",
            lambda a, b, ya, yb: leak(a, b, ya, yb) * float((ya.unsqueeze(1) == yb.unsqueeze(0)).sum()),
            "The number of pairs that were won came back. Divide by the number of pairs.",
        ),
        Mistake(
            "divided by all pairs",
            lambda a, b, ya, yb: (
                leak(a, b, ya, yb) * float((ya.unsqueeze(1) == yb.unsqueeze(0)).sum()) / (len(a) * len(b))
            ),
            "Pairs of different classes were left out above, but not below: divide by the pairs of one class alone.",
        ),
        Mistake(
            "the means",
            lambda a, b, ya, yb: float(a.double().mean() - b.double().mean()),
            "The difference of two mean scores came back. Count pairs.",
        ),
        Mistake(
            "above the mean outside",
            lambda a, b, ya, yb: float((a > b.mean()).double().mean()),
            "The images inside that score above the mean outside were counted. Compare image with image.",
        ),
        Mistake(
            "one beside one",
            lambda a, b, ya, yb: float((a[: len(b)] > b[: len(a)]).double().mean()),
            "The images were compared by their places: the first with the first. Compare each inside with each outside.",
        ),
        Mistake(
            "ties left out",
            lambda a, b, ya, yb: _share(a, b, ya, yb, tie=0.0, ties=False),
            "Ties were left out of the pairs. Each counts as a pair, and as half a win.",
        ),
        Mistake(
            "per cent",
            lambda a, b, ya, yb: 100 * leak(a, b, ya, yb),
            "This is in per cent. A share lies between 0 and 1.",
        ),
        Mistake(
            "twice the lead over chance",
            lambda a, b, ya, yb: 2 * leak(a, b, ya, yb) - 1,
            "This is 0 where nothing leaks. The share of pairs is asked for, which is then a half.",
        ),
    ),
    hints=(
        "inside.unsqueeze(1) - outside.unsqueeze(0) is a table: each image inside against each image outside. Which of its "
        "cells are pairs of one class?",
        "The skeleton, with blanks:\ngap = inside.unsqueeze(1) - outside.unsqueeze(0)\n"
        "pairs = inside_labels.____ == outside_labels.____\nwon = (gap > 0).double() + ____ * (gap == 0).double()\n"
        "return won[____].mean()",
    ),
    takeaway="A membership test is as honest as the images outside: such as the owner could have held.",
)

"""A task of the lesson on cross-entropy: label smoothing as soft targets."""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

# ---------------------------------------------------------------- cross_entropy.2


def smoothed_targets(labels: Tensor, classes: int, epsilon: float) -> Tensor:
    certain = F.one_hot(labels, classes).double()
    return (1 - epsilon) * certain + epsilon / classes  # the label keeps its even share, too


def _one_hot(labels: Tensor, classes: int) -> Tensor:
    return F.one_hot(labels, classes).double()


def _smoothed_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.tensor([0, 1]), 2, 0.0),
        (torch.tensor([0]), 4, 0.4),
        (torch.tensor([2, 0]), 5, 0.1),
        (torch.randint(0, 10, (20,), generator=g), 10, 0.2),
        (torch.tensor([1, 0]), 3, 1.0),
    ]


SMOOTHED = Task(
    id="cross_entropy.2",
    title="Label smoothing as soft targets",
    kind="implement",
    difficulty="warm-up",
    minutes=5,
    points=2,
    rungs=("no smoothing", "by hand", "five classes", "random", "nothing but smoothing"),
    inputs=_smoothed_inputs,
    reference=smoothed_targets,
    judge=close,
    mistakes=(
        Mistake(
            "the others share",
            lambda y, c, e: (1 - e) * _one_hot(y, c) + e / (c - 1) * (1 - _one_hot(y, c)),
            "ε is spread over the *wrong* classes only. In the usual definition all classes share it, the label's too.",
        ),
        Mistake(
            "ε for each",
            lambda y, c, e: (1 - e) * _one_hot(y, c) + e,
            "Every class gets the whole ε, so the rows sum to more than 1. Divide it by the number of classes.",
        ),
        Mistake(
            "nothing taken away",
            lambda y, c, e: _one_hot(y, c) + e / c,
            "The label keeps its whole 1, so the rows sum to 1 + ε. Take ε away from it first.",
        ),
        Mistake(
            "nothing given",
            lambda y, c, e: (1 - e) * _one_hot(y, c),
            "ε is taken from the label and given to nobody: the rows sum to 1 − ε.",
        ),
        Mistake(
            "the wrong way round",
            lambda y, c, e: e * _one_hot(y, c) + (1 - e) / c,
            "ε and 1 − ε have changed places: at ε = 0 the label must have everything.",
        ),
        Mistake(
            "columns from the labels",
            lambda y, c, e: smoothed_targets(y, c, e)[:, : int(y.max()) + 1],
            "The number of columns comes from the labels. A class that nobody has here needs its column, too: `classes` says how many.",
        ),
        Mistake(
            "divided by the images",
            lambda y, c, e: (1 - e) * _one_hot(y, c) + e / len(y),
            "ε is divided by the number of *images*. The classes share it: divide by `classes`.",
        ),
        Mistake(
            "everybody's label",
            lambda y, c, e: _all_rows(y, c, e),
            "`targets[:, labels]` raises these columns in *every* row. A row has one label: `targets[torch.arange(len(labels)), labels]`.",
        ),
        Mistake(
            "divided by the sum",
            lambda y, c, e: (_one_hot(y, c) + e) / (1 + c * e),
            "ε is added to every class and the row divided by its sum. That sums to 1, but it is another mixture: the label's share must be 1 − ε + ε/C.",
        ),
        Mistake(
            "the example's row",
            lambda y, c, e: torch.tensor([[0.7, 0.1, 0.1, 0.1]] * len(y)),
            "The row of the worked example comes back for every label.",
        ),
        Mistake(
            "cut to whole numbers",
            lambda y, c, e: ((1 - e) * _one_hot(y, c) + e / c).long(),
            "The shares are written into a tensor of whole numbers, which cuts them off. Make it a float one: `.float()`.",
        ),
        Mistake(
            "ε over C for the others alone",
            lambda y, c, e: (1 - e) * _one_hot(y, c) + e / c * (1 - _one_hot(y, c)),
            "The label gets 1 − ε and each other class ε/C, so a share is lost: the label keeps its even share, too.",
        ),
        Mistake(
            "evenly, for every label",
            lambda y, c, e: torch.full((len(y), c), 1 / c, dtype=torch.float64),
            "Every class gets 1/C, whatever ε and the label say.",
        ),
        Mistake(
            "labels alone",
            lambda y, c, e: _one_hot(y, c),
            "Nothing is smoothed: ε is not used.",
        ),
        Mistake(
            "ε of the one less",
            lambda y, c, e: (1 - e) * _one_hot(y, c) + e / (c - 1),
            "ε is divided by C − 1 and given to *all* C classes, so a row sums to more than 1. Divide it by C.",
        ),
    ),
    hints=(
        "A mixture of two distributions: with weight 1 − ε the label alone, with weight ε all classes evenly.",
        "The skeleton, with blanks:\ncertain = F.one_hot(labels, ____).double()\nreturn ____ * certain + ____ / classes",
    ),
    takeaway="Label smoothing is distillation from a teacher who finds every class equally likely.",
)


def _all_rows(labels: Tensor, classes: int, epsilon: float) -> Tensor:
    targets = torch.full((len(labels), classes), epsilon / classes, dtype=torch.float64)
    targets[:, labels] = 1 - epsilon + epsilon / classes
    return targets

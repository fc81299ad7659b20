"""How many steps of a loop really distil, as an exercise."""

import math

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["STEPS", "distilling_steps"]


def distilling_steps(images: int, batch_size: int, epochs: int, every: int) -> int:
    batches = len(range(0, images, batch_size))
    return epochs * len(range(0, batches, every))


def _inputs(seed: int) -> Inputs:
    return [
        (640, 64, 1, 1),
        (640, 64, 1, 10),
        (60_000, 64, 1, 10),
        (60_000, 64, 3, 10),
        (650, 64, 2, 10),
        (10, 64, 5, 10),
        (1000 + 37 * (seed % 11), 32, 4, 7),
        (6464, 64, 3, 10),
        (1217, 64, 2, 10),
    ]


STEPS = Task(
    id="single_task.4",
    title="How many steps distil?",
    kind="implement",
    difficulty="core",
    minutes=6,
    points=2,
    rungs=(
        "every batch",
        "every tenth of ten",
        "MNIST, one epoch",
        "MNIST, three epochs",
        "a last batch that is not full",
        "fewer images than a batch",
        "drawn",
        "101 batches, three epochs",
        "a last batch of one",
    ),
    inputs=_inputs,
    reference=distilling_steps,
    judge=close,
    mistakes=(
        Mistake(
            "the last batch left out",
            lambda n, b, e, k: e * math.ceil((n // b) / k),
            "The last batch, which is not full, is a batch, too. Round the number of batches up.",
        ),
        Mistake(
            "batch 0 left out",
            lambda n, b, e, k: e * (math.ceil(n / b) // k),
            "The first batch has the number 0, and 0 % every is 0: it distils. Round up, not down.",
        ),
        Mistake(
            "both rounded down",
            lambda n, b, e, k: e * (n // b // k),
            "Both divisions round down. The last batch counts though it is not full, and so does batch 0.",
        ),
        Mistake(
            "counted through all epochs",
            lambda n, b, e, k: math.ceil(e * math.ceil(n / b) / k),
            "The count goes on from one epoch to the next. In the loop i begins at 0 in *every* epoch.",
        ),
        Mistake(
            "every batch distils",
            lambda n, b, e, k: e * math.ceil(n / b),
            "These are all steps. Only the batches with i % every == 0 distil.",
        ),
        Mistake(
            "one epoch",
            lambda n, b, e, k: math.ceil(math.ceil(n / b) / k),
            "The epochs are not counted: each of them has so many steps.",
        ),
        Mistake(
            "a fraction",
            lambda n, b, e, k: e * n / b / k,
            "A fraction came back. Steps are whole: count batches, then those that distil.",
        ),
        Mistake(
            "rounded to the nearest",
            lambda n, b, e, k: e * round(math.ceil(n / b) / k),
            "The quotient is rounded to the nearest number. A few batches more than a multiple still hold one that distils: round up.",
        ),
        Mistake(
            "the last number for their count",
            lambda n, b, e, k: e * math.ceil((math.ceil(n / b) - 1) / k),
            "The last batch's number is one less than their count, since they are numbered from 0. Count the batches.",
        ),
        Mistake(
            "whole batches over every",
            lambda n, b, e, k: e * math.ceil(n / b) / k,
            "The batches are whole, and their quotient by `every` is not. Round it up: the last few hold one more that distils.",
        ),
        Mistake(
            "one batch more",
            lambda n, b, e, k: e * math.ceil((n // b + 1) / k),
            "One batch is added even where the images fill the batches exactly. Round up instead.",
        ),
        Mistake(
            "images",
            lambda n, b, e, k: e * math.ceil(n / k),
            "Every tenth *image* is counted. The loop counts batches.",
        ),
        Mistake(
            "one too many",
            lambda n, b, e, k: e * (math.ceil(n / b) // k + 1),
            "One is added after rounding down. Where the number of batches is a multiple of `every` that is one too many.",
        ),
        Mistake(
            "the others",
            lambda n, b, e, k: e * (math.ceil(n / b) - math.ceil(math.ceil(n / b) / k)),
            "These are the steps that do *not* distil.",
        ),
    ),
    hints=(
        "How many batches has an epoch? Which numbers i from 0 on have i % every == 0?",
        "The skeleton, with blanks:\nbatches = len(range(0, images, ____))\nreturn epochs * len(range(0, ____, every))",
    ),
    takeaway="Every tenth batch distils: 94 of 938 in an epoch of MNIST. The other 844 only train the source.",
)

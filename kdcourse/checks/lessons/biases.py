"""A task of the lesson on transfer sets: the bias of a class that was never shown."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Mistake, Task

# ---------------------------------------------------------------- transfer_sets.3


def best_bias(logits: Tensor, labels: Tensor, missing: int, biases: Sequence[float]) -> float:
    scores = []
    for bias in biases:
        raised = logits.clone()
        raised[:, missing] += bias
        scores.append(int((raised.argmax(dim=1) == labels).sum()))
    return biases[scores.index(max(scores))]


def _best(
    logits: Tensor, labels: Tensor, missing: int, biases: Sequence[float], score: Any, *, last: bool = False
) -> float:
    scores = []
    for bias in biases:
        raised = logits.clone()
        raised[:, missing] += bias
        scores.append(score(raised.argmax(dim=1), labels))
    at = max(range(len(scores)), key=lambda i: (scores[i], i if last else -i))
    return biases[at]


def _right(said: Tensor, labels: Tensor) -> int:
    return int((said == labels).sum())


def _recall(missing: int) -> Any:
    return lambda said, labels: int(((said == labels) & (labels == missing)).sum())


def _bias_inputs(seed: int) -> list[tuple[Any, ...]]:
    g = torch.Generator().manual_seed(seed)
    hand = torch.tensor([[2.0, 1.0], [2.0, 0.0], [0.0, -1.5], [5.0, 0.0]])
    some, labels = torch.randn(40, 4, generator=g), torch.randint(0, 4, (40,), generator=g)
    some[labels == 3, 3] += 1.5
    some[:, 3] -= 4  # the class that was never shown: known, and never said
    tied, unequal = torch.tensor([[3.0, 0.0], [3.0, 0.0]]), torch.tensor([0] * 8 + [1] * 2)
    steps = [k / 4 for k in range(33)]
    return [
        (hand, torch.tensor([1, 0, 0, 1]), 1, [0.0, 1.25, 6.0]),
        (some, labels, 3, steps),
        (some.roll(1, dims=1), (labels + 1) % 4, 0, steps),
        (some + 7, labels, 3, steps),
        (tied, torch.tensor([1, 0]), 1, [0.0, 1.0, 5.0]),
        (some, labels, 3, [0.0]),
        (tied, torch.tensor([1, 0]), 1, [5.0, 0.0, 1.0]),
        (torch.tensor([[0.5, 0.0], [2.5, 0.0], [2.5, 0.0]]), torch.tensor([0, 1, 1]), 1, [0.25, 1.0, 3.0]),
        (torch.tensor([[1.0, 0.0]] * 5 + [[0.4, 0.0]] * 3 + [[0.5, 0.0]] * 2), unequal, 1, [0.0, 0.75]),
    ]


BEST_BIAS = Task(
    id="transfer_sets.3",
    title="Raise a bias",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=(
        "four images",
        "forty images",
        "another class",
        "all logits moved by 7",
        "a tie",
        "one bias only",
        "a tie, biases in no order",
        "worse, then better",
        "classes of unequal size",
    ),
    inputs=_bias_inputs,
    reference=best_bias,
    judge=close,
    mistakes=(
        Mistake(
            "the recall of the class",
            lambda z, y, c, b: _best(z, y, c, b, _recall(c)),
            "This is the bias with the best recall of the missing class. With a high enough bias everything is called so: count the "
            "right answers of *all* classes.",
        ),
        Mistake(
            "the last of equals",
            lambda z, y, c, b: _best(z, y, c, b, _right, last=True),
            "Of several biases that are equally good the last was taken. Take the first, the smallest change.",
        ),
        Mistake(
            "raised for all classes",
            lambda z, y, c, b: b[0],
            "The first bias came back each time. It does so when the bias is added to *all* logits (then no answer changes), "
            "or subtracted. Add it to the logit of the missing class.",
        ),
        Mistake(
            "added up",
            lambda z, y, c, b: _adding_up(z, y, c, b),
            "The biases were added one on top of the other, because the logits were changed in place. Begin anew from the "
            "student's logits for each bias.",
        ),
        Mistake(
            "the highest",
            lambda z, y, c, b: b[-1],
            "The highest bias came back each time. Then the missing class is named always.",
        ),
        Mistake(
            "the place",
            lambda z, y, c, b: list(b).index(best_bias(z, y, c, b)),
            "This is the *place* of the best bias in the list. Return the bias itself.",
        ),
        Mistake(
            "the score",
            lambda z, y, c, b: _top_score(z, y, c, b),
            "This is the accuracy at the best bias. Return the bias.",
        ),
        Mistake(
            "the lowest cross-entropy",
            lambda z, y, c, b: _lowest_ce(z, y, c, b),
            "The bias with the lowest *cross-entropy* is chosen. Asked for is the one with the most right answers.",
        ),
        Mistake(
            "multiplied",
            lambda z, y, c, b: _multiplying(z, y, c, b),
            "The class's logit is *multiplied* by the bias. A bias is added.",
        ),
        Mistake(
            "mean over the classes",
            lambda z, y, c, b: _best(
                z, y, c, b, lambda said, own: sum(float((said[own == k] == k).double().mean()) for k in own.unique())
            ),
            "The mean of the classes' own accuracies decides. Asked for is the number of right answers over all images.",
        ),
        Mistake(
            "the middle one",
            lambda z, y, c, b: b[len(b) // 2],
            "The middle one of the biases comes back, whatever the logits say.",
        ),
        Mistake(
            "the fewest right",
            lambda z, y, c, b: _best(z, y, c, b, lambda said, own: -_right(said, own)),
            "The bias with the *fewest* right answers is chosen: `max`, not `min`.",
        ),
        Mistake(
            "the first that names the class",
            lambda z, y, c, b: _best(z, y, c, b, lambda said, own: int((said == c).any())),
            "The first bias at which the class is named at all is chosen. Count the right answers.",
        ),
        Mistake(
            "how often the class is named",
            lambda z, y, c, b: _best(z, y, c, b, lambda said, own: int((said == c).sum())),
            "The bias at which the class is named most often is chosen, rightly or not. Count the right answers of all classes.",
        ),
        Mistake(
            "the other classes alone",
            lambda z, y, c, b: _best(z, y, c, b, lambda said, own: int(((said == own) & (own != c)).sum())),
            "Only the *other* classes' right answers are counted. Count all.",
        ),
        Mistake(
            "stops where it gets worse",
            lambda z, y, c, b: _until_worse(z, y, c, b),
            "The search ends at the first bias that is worse than the one before. A later one may be the best: try all.",
        ),
        Mistake(
            "no bias to begin with",
            lambda z, y, c, b: _from_none(z, y, c, b),
            "Where no bias is better than none at all, 0 came back. One of the given ones is asked for.",
        ),
    ),
    hints=(
        "For each bias: add it to one column of the logits, and count how many answers are right.",
        "The skeleton, with blanks:\nfor bias in biases:\n    raised = logits.____()\n    raised[:, ____] += bias\n"
        "    scores.append((raised.argmax(dim=1) == labels).sum())",
    ),
    takeaway="One number decides how readily a class is named; what the class looks like the student must know already.",
)


def _adding_up(logits: Tensor, labels: Tensor, missing: int, biases: Sequence[float]) -> float:
    raised, scores = logits.clone(), []
    for bias in biases:
        raised[:, missing] += bias
        scores.append(_right(raised.argmax(dim=1), labels))
    return biases[scores.index(max(scores))]


def _top_score(logits: Tensor, labels: Tensor, missing: int, biases: Sequence[float]) -> float:
    raised = logits.clone()
    raised[:, missing] += best_bias(logits, labels, missing, biases)
    return float((raised.argmax(dim=1) == labels).double().mean())


def _lowest_ce(logits: Tensor, labels: Tensor, missing: int, biases: Sequence[float]) -> float:
    losses = []
    for bias in biases:
        raised = logits.clone()
        raised[:, missing] += bias
        losses.append(float(torch.nn.functional.cross_entropy(raised, labels)))
    return biases[losses.index(min(losses))]


def _multiplying(logits: Tensor, labels: Tensor, missing: int, biases: Sequence[float]) -> float:
    scores = []
    for bias in biases:
        raised = logits.clone()
        raised[:, missing] *= bias
        scores.append(_right(raised.argmax(dim=1), labels))
    return biases[scores.index(max(scores))]


def _scores(logits: Tensor, labels: Tensor, missing: int, biases: Sequence[float]) -> list[int]:
    found = []
    for bias in biases:
        raised = logits.clone()
        raised[:, missing] += bias
        found.append(_right(raised.argmax(dim=1), labels))
    return found


def _until_worse(logits: Tensor, labels: Tensor, missing: int, biases: Sequence[float]) -> float:
    scores = _scores(logits, labels, missing, biases)
    end = next((i for i in range(1, len(scores)) if scores[i] < scores[i - 1]), len(scores))
    return biases[scores.index(max(scores[:end]))]


def _from_none(logits: Tensor, labels: Tensor, missing: int, biases: Sequence[float]) -> float:
    scores = _scores(logits, labels, missing, [0.0, *biases])
    return [0.0, *biases][scores.index(max(scores))]

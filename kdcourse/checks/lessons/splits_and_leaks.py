"""Exercises: what flatters a score, a stratified cut, a leak detector."""

from collections.abc import Callable
from functools import lru_cache
from math import ceil
from typing import Any

import torch
from torch import Tensor

from kdcourse.checks._images import order, splits
from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import copies

# ---------------------------------------------------------------- splits_and_leaks.1

CHANGES = (
    "half of the exam images are copied into training",
    "the training images come in another order",
    "training and exam images are both inverted",
    "only the exam images are inverted",
    "a third of the training labels are wrong",
)


@lru_cache(maxsize=8)
def score_moves(change: str) -> tuple[str, str]:
    train, exam = splits().train, splits().val
    x, y, ex, ey = train.images[:400].flatten(1), train.labels[:400], exam.images[:100].flatten(1), exam.labels[:100]

    def nearest_neighbour(x: Tensor, y: Tensor, ex: Tensor) -> int:
        distance = torch.cdist(ex, x, compute_mode="donot_use_mm_for_euclid_dist")
        return int((y[distance.argmin(dim=1)] == ey).sum())

    mixed, wrong = order(400, 0), torch.where(torch.arange(400) % 3 == 0, (y + 1) % 10, y)
    arguments = {
        CHANGES[0]: (torch.cat([x, ex[:50]]), torch.cat([y, ey[:50]]), ex),
        CHANGES[1]: (x[mixed], y[mixed], ex),
        CHANGES[2]: (1 - x, y, 1 - ex),
        CHANGES[3]: (x, y, 1 - ex),
        CHANGES[4]: (x, wrong, ex),
    }
    before, after = nearest_neighbour(x, y, ex), nearest_neighbour(*arguments[change])
    word = "same" if after == before else "up" if after > before else "down"
    return word, f"{before} → {after} of 100 right"


_believing = believer(CHANGES, score_moves)


SCORE = prediction(
    id="splits_and_leaks.1",
    title="Predict a score",
    minutes=5,
    changes=CHANGES,
    found=score_moves,
    answers=("up", "down", "same"),
    mistakes=(
        Mistake(
            "a leak is harmless",
            _believing(c1="same"),
            "A copied exam image is its own nearest neighbour, at distance 0, and carries the right label: it is always "
            "answered right.",
        ),
        Mistake(
            "copies confuse",
            _believing(c1="down"),
            "The copies carry the right labels. Nothing is nearer to an exam image than its own copy.",
        ),
        Mistake(
            "order matters",
            _believing(c2="down"),
            "The nearest neighbour is searched among all images; the place where it stands does not count.",
        ),
        Mistake(
            "inverting both hurts",
            _believing(c3="down"),
            "(1 − a) − (1 − b) is b − a: every distance stays. Where both sides move alike there is no shift between them.",
        ),
        Mistake(
            "a negative is as good",
            _believing(c4="same"),
            "A negative lies far from every positive, most of all from those of its own class. This is a shift.",
        ),
        Mistake(
            "wrong labels are harmless",
            _believing(c5="same"),
            "A neighbour with a wrong label gives a wrong answer; a third of them are wrong now.",
        ),
    ),
    hints=(
        "One nearest neighbour: each exam image gets the label of the closest training image. Think in distances.",
        "The distance between two images does not ask in which order they stand. The form:\n"
        '"half of the exam images are copied into training": "____",',
    ),
    takeaway="A leak flatters, a shift between the two sides hurts, and what moves both sides alike does neither.",
)

# ---------------------------------------------------------------- splits_and_leaks.2


def held_out(labels: Tensor, order: Tensor, share: float) -> Tensor:
    aside = []
    for c in labels.unique():
        own = order[labels[order] == c]  # this class's positions, in the given order
        aside.append(own[: int(share * len(own))])
    return torch.cat(aside).sort().values


def _held(labels: Tensor, order: Tensor, share: float, *, cut: Any = int, of_all: bool = False) -> Tensor:
    aside = []
    for c in labels.unique():
        own = order[labels[order] == c]
        n = share * len(labels) / len(labels.unique()) if of_all else share * len(own)
        aside.append(own[: cut(n)])
    return torch.cat(aside)


def _by_class(labels: Tensor, share: float, own: Callable[[Any], Tensor]) -> Tensor:
    return torch.cat([own(c)[: int(share * int((labels == c).sum()))] for c in labels.unique()]).sort().values


def _held_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    many = torch.randint(0, 10, (200,), generator=g)
    unequal = torch.tensor([0] * 10 + [1] * 4 + [2] * 6)
    return [
        (torch.zeros(4, dtype=torch.long), torch.tensor([2, 0, 3, 1]), 0.5),
        (torch.tensor([0, 1, 0, 1]), torch.tensor([3, 2, 1, 0]), 0.5),
        (unequal, order(20, seed), 0.5),
        (many, order(200, seed + 1), 0.25),
        (torch.tensor([0, 0, 0, 0, 1, 2, 2, 2]), torch.tensor([7, 4, 5, 0, 2, 6, 1, 3]), 0.5),
        (torch.tensor([12, 40, 12, 40, 12]), torch.tensor([4, 1, 3, 0, 2]), 0.5),
        (torch.tensor([0, 1, 1, 0]), torch.tensor([1, 0, 3, 2]), 0.0),
    ]


HELD_OUT = Task(
    id="splits_and_leaks.2",
    title="Cut a stratified part",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=2,
    rungs=(
        "one class",
        "two classes",
        "classes of unequal size",
        "ten classes",
        "a class of one image",
        "classes 12 and 40",
        "share 0",
    ),
    inputs=_held_inputs,
    reference=held_out,
    judge=close,
    mistakes=(
        Mistake(
            "not stratified",
            lambda y, o, s: o[: int(s * len(o))].sort().values,
            "The first share of the *whole* order is taken, so some classes give more than others. Take the share of "
            "each class.",
        ),
        Mistake(
            "order ignored",
            lambda y, o, s: _held(y, torch.arange(len(y)), s).sort().values,
            "In each class the images are taken as they stand in the data; the given order is ignored, so nothing is random.",
        ),
        Mistake(
            "rounded up",
            lambda y, o, s: _held(y, o, s, cut=ceil).sort().values,
            "The count of a class is rounded up. Here it is rounded down: int(share * count).",
        ),
        Mistake(
            "rounded to the nearest",
            lambda y, o, s: _held(y, o, s, cut=round).sort().values,
            "The count of a class is rounded to the nearest number. Here it is rounded down: int(share * count).",
        ),
        Mistake(
            "places in the order",
            lambda y, o, s: _by_class(y, s, lambda c: (y[o] == c).nonzero().flatten()),
            "These are places *in the order*, not positions in the data: take the entries of `order` that stand there.",
        ),
        Mistake(
            "mask of the data",
            lambda y, o, s: _by_class(y, s, lambda c: o[y == c]),
            "`labels == c` says where class c stands in the data, and `order` is then read at the wrong places: ask "
            "`labels[order] == c`.",
        ),
        Mistake(
            "not sorted",
            lambda y, o, s: _held(y, o, s),
            "The positions are right, but not sorted.",
        ),
        Mistake(
            "classes 0 to 9 only",
            lambda y, o, s: (held := _held(y, o, s))[y[held] < 10].sort().values,
            "Only classes 0 to 9 are cut. Ask the labels which classes there are: `labels.unique()`.",
        ),
        Mistake(
            "the rest",
            lambda y, o, s: torch.tensor(sorted(set(range(len(y))) - set(_held(y, o, s).tolist())), dtype=torch.long),
            "These are the positions that *stay* in training. Return those that are put aside.",
        ),
        Mistake(
            "equal classes",
            lambda y, o, s: _held(y, o, s, of_all=True).sort().values,
            "The same number is taken from every class. It must be the same *share* of every class.",
        ),
        Mistake(
            "a pair of values and indices",
            lambda y, o, s: list(_held(y, o, s).sort()),
            "`.sort()` gives a pair, values and indices. Take `.values`.",
        ),
        Mistake(
            "return inside the loop",
            lambda y, o, s: _class_parts(y, o, s)[0].sort().values,
            "The `return` stands inside the loop, so only the first class is cut.",
        ),
        Mistake(
            "sorted class by class",
            lambda y, o, s: torch.cat([own.sort().values for own in _class_parts(y, o, s)]),
            "Each class is sorted by itself. Sort all positions together, after they are joined.",
        ),
        Mistake(
            "the example's positions",
            lambda y, o, s: torch.tensor([2, 3]),
            "Positions 2 and 3 came back, the worked example's, for every input.",
        ),
        Mistake(
            "one of each at least",
            lambda y, o, s: _held(y, o, s, cut=lambda n: max(1, int(n))).sort().values,
            "At least one image of every class is taken. `int(share * count)` may be 0; then none is.",
        ),
        Mistake(
            "the last of the order",
            lambda y, o, s: torch.cat([own[len(own) - int(s * len(own)) :] for own in _wholes(y, o)]).sort().values,
            "The *last* positions of each class's order are taken. Take the first ones.",
        ),
        Mistake(
            "labels for positions",
            lambda y, o, s: y[_held(y, o, s).sort().values],
            "These are the *labels* of the images put aside. Return their positions.",
        ),
        Mistake(
            "a mask",
            lambda y, o, s: torch.zeros(len(y), dtype=torch.bool).index_fill(0, _held(y, o, s), True),
            "A mask of True and False came back. Return the positions: `mask.nonzero().flatten()`.",
        ),
        Mistake(
            "from the highest down",
            lambda y, o, s: _held(y, o, s).sort(descending=True).values,
            "The positions are sorted from the highest down. Sort them upwards.",
        ),
        Mistake(
            "a list for each class",
            lambda y, o, s: [part.tolist() for part in _class_parts(y, o, s)],
            "One list for each class came back. Join them, and sort: one row of positions.",
        ),
        Mistake(
            "one more of each",
            lambda y, o, s: _held(y, o, s, cut=lambda n: int(n) + 1).sort().values,
            "One image more of each class is taken.",
        ),
        Mistake(
            "the first class of the order alone",
            lambda y, o, s: _class_parts(y, o, s)[-1].sort().values,
            "Only the last class is cut: each class overwrites what the one before gave. Collect them in a list.",
        ),
    ),
    hints=(
        "labels[order] are the labels in the given order. Which entries of order belong to class c?",
        "The skeleton, with blanks:\nfor c in labels.unique():\n    own = order[labels[order] == ____]\n"
        "    aside.append(own[: int(____ * len(own))])\nreturn torch.cat(aside).____().values",
    ),
    takeaway="A part of a part keeps the proportions when each class gives the same share.",
)


def _class_parts(labels: Tensor, order: Tensor, share: float) -> list[Tensor]:
    owns = [order[labels[order] == c] for c in labels.unique()]
    return [own[: int(share * len(own))] for own in owns]


def _wholes(labels: Tensor, order: Tensor) -> list[Tensor]:
    return [order[labels[order] == c] for c in labels.unique()]


# ---------------------------------------------------------------- all

TASKS = [SCORE, HELD_OUT, copies.LEAKED]

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
        (torch.tensor([0, 1, 1, 0]), torch.tensor([1, 0, 3, 2]), 0.0),
    ]


HELD_OUT = Task(
    id="splits_and_leaks.2",
    title="Cut a stratified part",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=2,
    rungs=("one class", "two classes", "classes of unequal size", "ten classes", "a class of one image", "share 0"),
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
    ),
    hints=(
        "labels[order] are the labels in the given order. Which entries of order belong to class c?",
        "The skeleton, with blanks:\nfor c in labels.unique():\n    own = order[labels[order] == ____]\n"
        "    aside.append(own[: int(____ * len(own))])\nreturn torch.cat(aside).____().values",
    ),
    takeaway="A part of a part keeps the proportions when each class gives the same share.",
)

# ---------------------------------------------------------------- splits_and_leaks.3


def leaked(train: Tensor, exam: Tensor) -> Tensor:
    equal = train.flatten(1)[None] == exam.flatten(1)[:, None]  # exam x train x pixels
    return equal.all(dim=2).any(dim=1)


def _pairs(train: Tensor, exam: Tensor) -> Tensor:
    return train.flatten(1)[None] == exam.flatten(1)[:, None]


def _same_place(train: Tensor, exam: Tensor) -> Tensor:
    n = min(len(train), len(exam))
    found = torch.zeros(len(exam), dtype=torch.bool)
    found[:n] = (train[:n] == exam[:n]).flatten(1).all(dim=1)
    return found


def _leaked_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def images(n: int) -> Tensor:  # shades of 1/64, so that sums are exact
        return torch.randint(0, 65, (n, 1, 4, 4), generator=g) / 64

    train, exam = images(6), images(4)
    elsewhere, place = images(4), images(4)
    elsewhere[0], elsewhere[3] = train[5], train[2]
    place[1] = train[1]
    mirrored = torch.stack([train[2].flip(-1), train[4].flip(-2), train[3]])
    shade = train[:3].clone()
    for i, at in ((0, 1), (2, 0)):
        shade[i, 0, at, at] += 1 / 64 if shade[i, 0, at, at] < 0.5 else -1 / 64
    twice = torch.cat([train, train[:2], train[:1]])
    many = torch.rand(40, 1, 4, 4, generator=g)
    some = [(train, exam), (train, place), (train, elsewhere), (train, mirrored), (train, shade), (twice, train[:3])]
    return [*some, (many, torch.cat([many[30:], torch.rand(20, 1, 4, 4, generator=g)]))]


LEAKED = Task(
    id="splits_and_leaks.3",
    title="Debug a leak detector",
    kind="debug",
    difficulty="core",
    minutes=10,
    points=2,
    rungs=(
        "no copy",
        "a copy at its own place",
        "copies elsewhere",
        "mirrored",
        "one shade apart",
        "three times in training",
        "many images",
    ),
    inputs=_leaked_inputs,
    reference=leaked,
    judge=close,
    mistakes=(
        Mistake(
            "as given",
            lambda t, e: torch.isin(e.flatten(1).mean(1), t.flatten(1).mean(1)),
            "Images that differ are taken for copies, as by the code that was given: a mirrored image, say, has the mean of "
            "its original, and the same pixels in another order. Compare pixel by pixel, each at its place.",
        ),
        Mistake(
            "same place only",
            _same_place,
            "Image i is compared with image i only. A copy may stand anywhere in training.",
        ),
        Mistake(
            "any pixel",
            lambda t, e: _pairs(t, e).any(2).any(1),
            "One equal pixel is enough here. An image is a copy where *all* pixels are equal.",
        ),
        Mistake(
            "near is equal",
            lambda t, e: torch.cdist(e.flatten(1), t.flatten(1)).min(1).values < 0.5,
            "Images that are merely near count as copies. Exact copies are asked for here.",
        ),
        Mistake(
            "counted",
            lambda t, e: _pairs(t, e).all(2).sum(1),
            "The number of copies came back. True or False is asked for: any(), not sum().",
        ),
        Mistake(
            "of the training images",
            lambda t, e: _pairs(t, e).all(2).any(0),
            "This says which *training* images stand in the exam. One answer for each exam image is asked for.",
        ),
        Mistake(
            "bytes without 255",
            lambda t, e: _pairs(t.to(torch.uint8), e.to(torch.uint8)).all(2).any(1),
            "The pixels are turned into bytes without multiplying by 255, so every shade below 1 becomes 0.",
        ),
        Mistake(
            "nothing is found",
            lambda t, e: torch.zeros(len(e), dtype=torch.bool),
            "No copy is ever found. (Tensors in a Python set or dict are compared as *objects*, not pixel by pixel.)",
        ),
        Mistake(
            "mirrored copies count",
            lambda t, e: _pairs(t, e).all(2).any(1) | _pairs(t.flip(-1), e).all(2).any(1),
            "Mirror images are called copies, too. Asked for is the very same image.",
        ),
        Mistake(
            "means, mirrored ones aside",
            lambda t, e: torch.isin(e.flatten(1).mean(1), t.flatten(1).mean(1)) & ~_pairs(t.flip(-1), e).all(2).any(1),
            "Mean brightness is still compared, with mirror images taken out. Other images can have the same mean: compare all pixels.",
        ),
    ),
    hints=(
        "Compare every exam image with every training image. Which shape has the table of all comparisons?",
        "The skeleton, with blanks:\nequal = train.flatten(1)[None] == exam.flatten(1)[:, None]\n"
        "return equal.____(dim=2).____(dim=1)",
    ),
    takeaway="A copy is equal in all pixels to any training image: all over pixels, any over images.",
)


def _class_parts(labels: Tensor, order: Tensor, share: float) -> list[Tensor]:
    owns = [order[labels[order] == c] for c in labels.unique()]
    return [own[: int(share * len(own))] for own in owns]


# ---------------------------------------------------------------- all

TASKS = [SCORE, HELD_OUT, LEAKED]

"""A task of the lesson on splits and leaks: a leak detector."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

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

    def images(n: int, size: int = 4) -> Tensor:  # photographs have 256 shades
        return torch.randint(0, 256, (n, 1, size, size), generator=g) / 255

    train, exam = images(6), images(4)
    train[:, 0, 0, 0] = 102 / 255
    patchwork = torch.where(torch.arange(16).view(1, 4, 4) % 2 == 0, train[0], train[1])[None]
    elsewhere, place = images(4), images(4)
    elsewhere[0], elsewhere[3] = train[5], train[2]
    place[1] = train[1]
    black = torch.randint(0, 2, (6, 1, 4, 4), generator=g).float()  # and white: sums are exact
    black[:, 0, :2, :2] = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    mirrored = torch.stack([black[2].flip(-1), black[4].flip(-2), black[3]])
    turned = black[:2].clone()
    turned[:, 0, :2, :2] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # each row and column sums to what it did
    apart = train[:3].clone()
    apart[[0, 2], 0, 0, 0] = 103 / 255  # to two digits the same 0.40
    many = images(40, 16)  # so large that torch.cdist rounds in every draw
    return [
        (train, exam), (train, torch.cat([patchwork, train[4:5]])), (train, place), (train, elsewhere),
        (black, mirrored), (black, torch.cat([turned, black[5:]])), (train, apart),
        (torch.cat([train, train[:2], train[:1]]), train[:3]), (many, torch.cat([many[20:], images(20, 16)])),
    ]  # fmt: skip


ROUNDED = (
    "With more than 25 images `torch.cdist` finds distances by a product of matrices, and rounds: an image's distance to "
    "its own copy is then a little above 0. Compare pixels with ==."
)

LEAKED = Task(
    id="splits_and_leaks.3",
    title="Debug a leak detector",
    kind="debug",
    difficulty="core",
    minutes=10,
    points=2,
    rungs=(
        "no copy",
        "a patchwork of two images",
        "a copy at its own place",
        "copies elsewhere",
        "mirrored",
        "the same in all rows and columns",
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
            "Images that are merely near count as copies. Exact copies are asked for here: two photographs may differ by one shade, 1/255.",
        ),
        Mistake(
            "distances rounded",
            lambda t, e: (torch.cdist(e.flatten(1), t.flatten(1)) == 0).any(1),
            ROUNDED,
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
            "pixels from several images",
            lambda t, e: _pairs(t, e).any(1).all(1),
            "Each pixel may come from *another* training image. One image must have them all: all() over pixels, then any() "
            "over images.",
        ),
        Mistake(
            "rows and columns, not pixels",
            lambda t, e: _profiles(e, t),
            "Means of rows and of columns are compared. Two images can have all of them alike: compare pixel by pixel.",
        ),
        Mistake(
            "nothing is found",
            lambda t, e: torch.zeros(len(e), dtype=torch.bool),
            "No copy is ever found. Must *all* training images be equal, or is the exam compared with itself? (Tensors in a Python set or dict are compared as *objects*, not pixel by pixel.)",
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
        Mistake(
            "each pixel somewhere",
            lambda t, e: torch.isin(e.flatten(1), t).all(dim=1),
            "Each pixel is looked up among all pixels of all training images. One image must have them all, each at its place.",
        ),
        Mistake(
            "those that are no copies",
            lambda t, e: ~_pairs(t, e).all(2).any(1),
            "True and False are exchanged: True is for a copy.",
        ),
        Mistake(
            "a table",
            lambda t, e: _pairs(t, e).all(2),
            "The whole table of comparisons came back. One answer for each exam image is asked for: any() over the training images.",
        ),
        Mistake(
            "the positions of copies",
            lambda t, e: _pairs(t, e).all(2).any(1).nonzero().flatten(),
            "The positions of the copies came back. One True or False for each exam image is asked for.",
        ),
        Mistake(
            "is there any",
            lambda t, e: _pairs(t, e).all(2).any(),
            "One answer for the whole exam came back. Each exam image needs its own.",
        ),
    ),
    hints=(
        "Compare every exam image with every training image. Which shape has the table of all comparisons?",
        "The skeleton, with blanks:\nequal = train.flatten(1)[None] == exam.flatten(1)[:, None]\n"
        "return equal.____(dim=2).____(dim=1)",
    ),
    takeaway="A copy is equal in all pixels to any training image: all over pixels, any over images.",
)


def _profiles(exam: Tensor, train: Tensor) -> Tensor:
    ours, theirs = (torch.cat([x.mean(dim=2), x.mean(dim=3)], dim=-1).flatten(1) for x in (exam, train))
    return (ours[:, None] == theirs[None]).all(dim=2).any(dim=1)

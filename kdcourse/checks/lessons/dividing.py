"""Who holds what: each class of a data set divided among owners by its own shares."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["DIVIDE"]

# ---------------------------------------------------------------- federated_averaging.4


def divide(labels: Tensor, shares: Tensor) -> Tensor:
    owner = torch.zeros_like(labels)
    for c in range(len(shares)):
        places = (labels == c).nonzero().flatten()
        ends = (shares[c].cumsum(dim=0) * len(places)).round().long()
        start = 0
        for k in range(shares.shape[1]):
            owner[places[start : ends[k]]] = k
            start = int(ends[k])
    return owner


def _divide_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    drawn = torch.rand(3, 4, generator=g) + 0.02
    labels = torch.randint(0, 3, (37,), generator=g)
    return [
        (torch.tensor([0, 0, 0, 0]), torch.tensor([[0.5, 0.5]])),
        (torch.tensor([0, 1, 0, 1, 0, 1, 0, 1]), torch.tensor([[0.75, 0.25], [0.5, 0.5]])),
        (torch.tensor([1, 1, 0, 0, 0, 1]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])),
        (torch.tensor([0] * 10), torch.tensor([[0.32, 0.34, 0.34]])),
        (torch.tensor([0, 0, 2, 2, 2, 0]), torch.tensor([[0.4, 0.6], [0.5, 0.5], [0.0, 1.0]])),
        (labels, drawn / drawn.sum(dim=1, keepdim=True)),
    ]


def _by_ends(labels: Tensor, shares: Tensor, ends: list[list[int]]) -> Tensor:
    """Images in the order of their class, cut at these places of every class; what lies behind the last goes to it."""
    owner = torch.zeros_like(labels)
    for c in range(len(shares)):
        places, start = (labels == c).nonzero().flatten(), 0
        for k in range(shares.shape[1]):
            owner[places[start : ends[c][k]]] = k
            start = ends[c][k]
        owner[places[start:]] = shares.shape[1] - 1
    return owner


def _sizes(labels: Tensor, shares: Tensor) -> list[Tensor]:
    """How many images of each class every owner should hold, before any rounding."""
    return [len((labels == c).nonzero()) * shares[c] for c in range(len(shares))]


def _rounded(labels: Tensor, shares: Tensor) -> Tensor:
    return _by_ends(labels, shares, [v.round().long().cumsum(dim=0).tolist() for v in _sizes(labels, shares)])


def _floored(labels: Tensor, shares: Tensor) -> Tensor:
    return _by_ends(labels, shares, [v.floor().long().cumsum(dim=0).tolist() for v in _sizes(labels, shares)])


def _ends_floored(labels: Tensor, shares: Tensor) -> Tensor:
    return _by_ends(labels, shares, [v.cumsum(dim=0).floor().long().tolist() for v in _sizes(labels, shares)])


def _late(labels: Tensor, shares: Tensor) -> Tensor:
    """Every piece one image longer."""
    return _by_ends(labels, shares, [(v.cumsum(dim=0).round() + 1).long().tolist() for v in _sizes(labels, shares)])


def _over_classes(labels: Tensor, shares: Tensor) -> Tensor:
    """Shares added up down the table in place of along its rows."""
    down = shares.cumsum(dim=0)
    counts = [len((labels == c).nonzero()) for c in range(len(shares))]
    return _by_ends(labels, shares, [(n * down[c]).round().long().tolist() for c, n in enumerate(counts)])


def _held(labels: Tensor, shares: Tensor) -> Tensor:
    """How many images of each class every owner holds."""
    owner, (classes, owners) = divide(labels, shares), shares.shape
    return torch.bincount(labels * owners + owner, minlength=classes * owners).view(classes, owners)


DIVIDE = Task(
    id="federated_averaging.4",
    title="Divide by class",
    kind="implement",
    difficulty="core",
    minutes=12,
    points=3,
    rungs=("one class", "two classes", "a class each", "thirds", "a class without images", "random"),
    inputs=_divide_inputs,
    reference=divide,
    judge=close,
    mistakes=(
        Mistake(
            "each share rounded",
            _rounded,
            "Every share was rounded on its own, and the rest went to the last owner. Round where each owner *ends*: the "
            "shares so far, added up, times the images.",
        ),
        Mistake(
            "each share cut down",
            _floored,
            "Every share was cut down to a whole number, so the last owner gets all that is left over.",
        ),
        Mistake(
            "ends cut down",
            _ends_floored,
            "The ends were cut down. They are rounded to the nearest whole number: int() and // do not.",
        ),
        Mistake(
            "one image late",
            _late,
            "Each piece holds one image too many: the image at the place of the end belongs to the next owner already.",
        ),
        Mistake(
            "added up over classes",
            _over_classes,
            "The shares are added up over the classes. A row is one class: add up along it, over the owners.",
        ),
        Mistake(
            "all classes together",
            lambda y, s: divide(torch.zeros_like(y), s.mean(dim=0, keepdim=True)),
            "The images were cut without a look at their classes. Divide each class by its own row of shares.",
        ),
        Mistake(
            "the first row for the whole set",
            lambda y, s: divide(torch.zeros_like(y), s[:1]),
            "The whole set was cut by the first row of shares, without a look at the classes.",
        ),
        Mistake(
            "sorted",
            lambda y, s: divide(y.sort(stable=True).values, s),
            "The owners are given for images sorted by class. Answer in the order in which the images came.",
        ),
        Mistake(
            "the largest share takes all",
            lambda y, s: s.argmax(dim=1)[y],
            "All images of a class went to the owner with its largest share.",
        ),
        Mistake(
            "dealt",
            lambda y, s: torch.arange(len(y)) % s.shape[1],
            "The images were dealt out in turn. The shares say how many each owner gets of a class.",
        ),
        Mistake(
            "the first row for all",
            lambda y, s: divide(y, s[:1].expand_as(s)),
            "Every class was divided by the first row of shares. Class c has row c.",
        ),
        Mistake(
            "owners in reverse",
            lambda y, s: divide(y, s.flip(1)),
            "The shares are read from the right: column k belongs to owner k.",
        ),
        Mistake(
            "from the end",
            lambda y, s: divide(y.flip(0), s).flip(0),
            "Owner 0 got the *last* images of each class. It gets the first ones.",
        ),
        Mistake(
            "counted from one",
            lambda y, s: divide(y, s) + 1,
            "The owners are counted from 1. The first is owner 0.",
        ),
        Mistake(
            "how many",
            _held,
            "How many images each owner holds came back. The owner of every image is asked for.",
        ),
        Mistake("the label", lambda y, s: y * 1, "The labels came back unchanged."),
        Mistake(
            "everything to the first",
            lambda y, s: torch.zeros_like(y),
            "Everything went to owner 0. Is the answer filled in at the places of the class?",
        ),
    ),
    hints=(
        "Take one class. Where do its images stand, and after how many of them does the first owner's share end?",
        "The skeleton, with blanks:\nfor c in range(len(shares)):\n    places = (labels == ____).nonzero().flatten()\n"
        "    ends = (shares[c].cumsum(dim=0) * ____).round().long()\n    start = 0\n    for k in range(shares.shape[1]):\n"
        "        owner[places[start:ends[k]]] = ____\n        start = ____",
    ),
    takeaway="Draw each row of shares from Dirichlet(α), and this is how most papers make owners that differ.",
)

"""Distances between the answers of a batch, as an exercise: the shape of the batch without its size."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["DISTANCES", "shape_loss"]


def shape_loss(student_feature: Tensor, teacher_feature: Tensor) -> Tensor:
    ours, theirs = (torch.cdist(feature, feature) for feature in (student_feature, teacher_feature))
    ours, theirs = (apart / apart[apart > 0].mean() for apart in (ours, theirs))
    return F.smooth_l1_loss(ours, theirs)


def _shape(
    s: Tensor, t: Tensor, *, mean: str = "differing", squared: bool = False, loss: str = "huber", over: str = "mean",
    by_hand: bool = False, order: float = 2.0,
) -> Tensor:  # fmt: skip
    """The answer with mistakes left in it."""

    def shape(feature: Tensor) -> Tensor:
        apart = torch.cdist(feature, feature, p=order)
        apart = apart.square() if squared else apart
        known = apart[apart > 0] if mean == "differing" else apart
        size = {"differing": known.mean(), "all": known.mean(), "max": apart.max(), "norm": apart.norm(), "none": 1.0}
        return apart / size[mean]

    pair = shape(s), shape(t)
    kinds: dict[str, Any] = {"huber": F.smooth_l1_loss, "mse": F.mse_loss, "l1": F.l1_loss, "half": _half}
    return kinds[loss](*pair, reduction=over)


def _half(a: Tensor, b: Tensor, reduction: str) -> Tensor:
    return 0.5 * F.mse_loss(a, b, reduction=reduction)


def _inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    turned = torch.tensor([[0.0, 0.0], [0.0, 1.5], [-2.0, 0.0]])
    line = torch.tensor([[0.0], [1.0], [20.0], [20.0]])
    return [
        (corners, corners),
        (turned, corners),
        (torch.tensor([[0.0], [1.0], [3.0]]), corners),
        (line, torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 1.0], [0.0, 0.0]])),
        (torch.randn(6, 3, generator=g), torch.randn(6, 10, generator=g)),
    ]


DISTANCES = Task(
    id="what_else.4",
    title="The shape of a batch",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=2,
    rungs=("the same", "half as large and turned", "by hand", "an image twice", "random, of unequal width"),
    inputs=_inputs,
    reference=shape_loss,
    gradient="student_feature",
    judge=close,
    mistakes=(
        Mistake(
            "mean over all pairs",
            lambda s, t: _shape(s, t, mean="all"),
            "The mean also counts the zeros: each image with itself. Take it over the distances above 0.",
        ),
        Mistake(
            "not divided",
            lambda s, t: _shape(s, t, mean="none"),
            "The distances are compared as they are. Divided by their mean, half as large is no difference.",
        ),
        Mistake(
            "divided by the largest",
            lambda s, t: _shape(s, t, mean="max"),
            "The distances are divided by the largest. Divide by their mean.",
        ),
        Mistake(
            "divided by the length",
            lambda s, t: _shape(s, t, mean="norm"),
            "The distances are divided by the length of the whole matrix. Divide by their mean.",
        ),
        Mistake(
            "squared distances",
            lambda s, t: _shape(s, t, squared=True),
            "These are squared distances. A root is missing.",
        ),
        Mistake(
            "mean squared error",
            lambda s, t: _shape(s, t, loss="mse"),
            "This is the mean squared error. Huber's loss is half of the square for small differences: `F.smooth_l1_loss`.",
        ),
        Mistake(
            "half the mean squared error",
            lambda s, t: _shape(s, t, loss="half"),
            "Half the square is right for differences up to 1. Beyond, Huber's loss grows along a straight line: `F.smooth_l1_loss`.",
        ),
        Mistake(
            "absolute differences",
            lambda s, t: _shape(s, t, loss="l1"),
            "These are absolute differences. Huber's loss is half of the square where they are below 1: `F.smooth_l1_loss`.",
        ),
        Mistake(
            "summed",
            lambda s, t: _shape(s, t, over="sum"),
            "The sum over pairs came back. Their mean is asked for.",
        ),
        Mistake(
            "distances in steps",
            lambda s, t: _shape(s, t, order=1.0),
            "These distances are sums of absolute differences. The straight one is asked for: the root of the sum of squares.",
        ),
        Mistake(
            "only pairs that differ",
            lambda s, t: _once(s, t),
            "The mean of the loss runs over pairs of different images. It runs over all N·N places of the matrix, an image with itself too.",
        ),
        Mistake(
            "the teacher's mean for both",
            lambda s, t: _one_mean(s, t),
            "Both matrices are divided by the teacher's mean. Each by its own.",
        ),
        Mistake(
            "rows divided",
            lambda s, t: _by_rows(s, t),
            "Each row is divided by the mean of its own distances above 0. The whole matrix has one mean.",
        ),
        Mistake(
            "products",
            lambda s, t: F.smooth_l1_loss(_cosines(s), _cosines(t)),
            "These are cosines between the answers. Distances are asked for: `torch.cdist`.",
        ),
        Mistake(
            "Huber without its half",
            lambda s, t: _huber_by_hand(s, t),
            "Beyond a difference of 1 Huber's loss is the difference minus ½. Without the ½ there is a jump at 1.",
        ),
        Mistake(
            "features of length 1",
            lambda s, t: _shape(F.normalize(s, dim=1), F.normalize(t, dim=1)),
            "The features are brought to length 1 first. Leave them as they are: only the distances are divided by their mean.",
        ),
        Mistake(
            "rows divided by what is above 0",
            lambda s, t: F.smooth_l1_loss(_row_means(s), _row_means(t)),
            "Each row is divided by its own mean. The whole matrix has one mean.",
        ),
        Mistake(
            "divided by the images",
            lambda s, t: len(s) * shape_loss(s, t),
            "The sum is divided by the number of images. The mean runs over all N·N places.",
        ),
        Mistake("always zero", lambda s, t: 0 * s.sum(), "Zero came back for every input."),
        Mistake(
            "the mean of the pairs with another index",
            lambda s, t: _other_index(s, t),
            "The mean runs over pairs with different *numbers*. The same image twice has distance 0 and is not counted: distances above 0.",
        ),
    ),
    hints=(
        "`torch.cdist(feature, feature)` gives all distances. `apart[apart > 0].mean()` is their mean without the zeros.",
        "The skeleton, with blanks:\ndef shape(feature):\n    apart = torch.____(feature, feature)\n    return apart / apart[____].mean()\n"
        "return F.____(shape(student_feature), shape(teacher_feature))",
    ),
    takeaway="Distances over their mean: the shape of a batch, whatever the two networks' features measure.",
)


def _normal(s: Tensor) -> Tensor:
    apart = torch.cdist(s, s)
    return apart / apart[apart > 0].mean()


def _once(s: Tensor, t: Tensor) -> Tensor:
    places = ~torch.eye(len(s), dtype=torch.bool)
    return F.smooth_l1_loss(_normal(s)[places], _normal(t)[places])


def _one_mean(s: Tensor, t: Tensor) -> Tensor:
    theirs = torch.cdist(t, t)
    mean = theirs[theirs > 0].mean()
    return F.smooth_l1_loss(torch.cdist(s, s) / mean, theirs / mean)


def _by_rows(s: Tensor, t: Tensor) -> Tensor:
    ours, theirs = (apart / apart.mean(dim=1, keepdim=True) for apart in (torch.cdist(s, s), torch.cdist(t, t)))
    return F.smooth_l1_loss(ours, theirs)


def _cosines(feature: Tensor) -> Tensor:
    unit = F.normalize(feature, dim=1)
    return unit @ unit.T


def _other_index(s: Tensor, t: Tensor) -> Tensor:
    places = ~torch.eye(len(s), dtype=torch.bool)
    ours, theirs = (apart / apart[places].mean() for apart in (torch.cdist(s, s), torch.cdist(t, t)))
    return F.smooth_l1_loss(ours, theirs)


def _huber_by_hand(s: Tensor, t: Tensor) -> Tensor:
    apart = (_normal(s) - _normal(t)).abs()
    return torch.where(apart < 1, 0.5 * apart.square(), apart).mean()


def _row_means(feature: Tensor) -> Tensor:
    apart = torch.cdist(feature, feature)
    return apart * (apart > 0).sum(dim=1, keepdim=True) / apart.sum(dim=1, keepdim=True)

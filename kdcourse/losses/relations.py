"""Relations: how answers to several images relate, not the answers themselves (RKD, Park 2019; DIST, Huang 2022)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse._arguments import fail, positive
from kdcourse.losses._checks import _full, _rows, _same_shape
from kdcourse.losses.base import Loss, Step, _teacher

__all__ = ["DIST", "Relational", "dist", "relational"]

TINY = 1e-8  # below this a vector has no direction, a row no spread
ALIKE = 1e-14  # squared distances below this share of the longest row's are rounding: the rows are the same


def relational(
    student_feature: Tensor, teacher_feature: Tensor, *, distance: float = 25.0, angle: float = 50.0,
    most: int | None = None,
) -> Tensor:  # fmt: skip
    """Distances between all images of a batch, and angles, each by Huber's loss (RKD, Park et al. 2019).

    L = distance * mean H(d_s, d_t) + angle * mean H(a_s, a_t)

    Distances of pairs are divided by their mean over pairs that differ; an angle is the cosine at the first one of
    three images. Huber's loss with threshold 1, the mean over all pairs (N^2) and triplets (N^3). The features may
    have different sizes, since only relations are compared.

    Args:
        student_feature, teacher_feature: N x anything, flattened to N x D.
        distance, angle: weights, 25 and 50 in common use. A batch of one image has no relations and gives 0.
        most: take the angles among the first so many images only; None: among all, N^3 of them.
    """
    if len(student_feature) != len(teacher_feature) or min(student_feature.ndim, teacher_feature.ndim) < 2:
        shapes = f"{tuple(student_feature.shape)} and {tuple(teacher_feature.shape)}"
        raise fail("the features", "be N x D for the same N images", shapes, "Flatten them, one row an image.")
    ours, theirs = (_squares(feature) for feature in (student_feature, teacher_feature))
    loss = distance * F.smooth_l1_loss(_distances(ours), _distances(theirs))
    if not angle:
        return loss
    return loss + angle * F.smooth_l1_loss(_angles(ours[:most, :most]), _angles(theirs[:most, :most]))


def _squares(feature: Tensor) -> Tensor:
    """N x N squared distances. In double precision: near rows are a small difference of large products."""
    rows = feature.flatten(1).double()
    rows = rows - rows.mean(dim=0).detach()
    products = rows @ rows.T
    own = products.diagonal()
    found = (own[:, None] + own[None] - 2 * products).clamp(min=0)
    found = found * (1 - torch.eye(len(rows), dtype=found.dtype, device=found.device))
    return torch.where(found > own.max() * ALIKE, found, torch.zeros_like(found)).to(_full(feature).dtype)


def _lengths(squares: Tensor) -> Tensor:
    """Their roots; the same row twice is at distance 0, without a gradient."""
    apart = squares > 0
    return torch.where(apart, squares, torch.ones_like(squares)).sqrt() * apart


def _distances(squares: Tensor) -> Tensor:
    """N x N distances over their mean."""
    lengths = _lengths(squares)
    return lengths / (lengths.sum() / (squares > 0).sum().clamp(min=1)).clamp(min=TINY)


def _angles(squares: Tensor) -> Tensor:
    """N x N x N cosines: at image i, between the ways to j and to k, by the law of cosines."""
    lengths = _lengths(squares)
    inverse = torch.where(lengths > 0, 1 / lengths.clamp(min=TINY), torch.zeros_like(lengths))
    sides = squares[:, :, None] + squares[:, None, :] - squares[None]
    return 0.5 * sides * inverse[:, :, None] * inverse[:, None, :]


class Relational(Loss):
    """``relational`` between the logits, or between the features of a pair of layers.

    Args:
        layers: {student layer: teacher layer}, one pair; None compares logits.
        distance, angle: the two weights.
        most: angles among the first so many images of a batch only.
        name: the term's name.
    """

    def __init__(
        self, layers: Mapping[str, str] | None = None, *, distance: float = 25.0, angle: float = 50.0,
        most: int | None = None, name: str = "relational",
    ) -> None:  # fmt: skip
        super().__init__(name)
        if layers is not None and (not isinstance(layers, Mapping) or len(layers) != 1):
            raise fail("layers", "be one pair {student layer: teacher layer}, or None", layers, "Add two losses.")
        if min(distance, angle) < 0 or distance + angle == 0:
            rule, got = "be at least 0, and one of them above", f"{distance} and {angle}"
            raise fail("distance and angle", rule, got, "25 and 50 are in common use.")
        self.layers, self.distance, self.angle = dict(layers or {}), float(distance), float(angle)
        self.most = most if most is None else int(most)
        self.needs_teacher, self.reads_logits = True, not self.layers
        self.student_layers, self.teacher_layers = tuple(self.layers), tuple(self.layers.values())

    def options(self) -> dict[str, Any]:
        shown = {"layers": self.layers or None, "most": self.most, "distance": self.distance, "angle": self.angle}
        return {name: value for name, value in shown.items() if value is not None}

    def terms(self, step: Step) -> dict[str, Tensor]:
        teacher = _teacher(step, self.name)
        pairs = [(step.student.features[s], teacher.features[t]) for s, t in self.layers.items()]
        ours, theirs = pairs[0] if pairs else (step.student.logits, teacher.logits)
        return {self.name: relational(ours, theirs, distance=self.distance, angle=self.angle, most=self.most)}


def dist(
    student_logits: Tensor, teacher_logits: Tensor, *, temperature: float = 1.0, between: float = 1.0,
    within: float = 1.0,
) -> Tensor:  # fmt: skip
    """T^2 (between (1 - r of rows) + within (1 - r of columns)) of probabilities, r Pearson's (DIST, Huang 2022).

    A row holds the classes of one image, a column one class over the batch; the means over rows and over columns.
    Pearson's correlation forgets size and offset, so the student need not be as sure as the teacher. Where nothing
    varies (a column of a batch of one image) there is no correlation, and that term is left out of its mean.

    Args:
        student_logits, teacher_logits: N x C, C at least 2.
        temperature: T of both softmaxes.
        between, within: the weights of rows and columns, beta and gamma in the paper, 1 and 1 there.
    """
    positive("temperature", temperature)
    _same_shape("student_logits", student_logits, "teacher_logits", teacher_logits)
    ours, theirs = (
        (_full(_rows(name, z, None)) / temperature).softmax(dim=1)
        for name, z in (("student_logits", student_logits), ("teacher_logits", teacher_logits))
    )
    return temperature**2 * (between * _uncorrelated(ours, theirs) + within * _uncorrelated(ours.T, theirs.T))


def _uncorrelated(ours: Tensor, theirs: Tensor) -> Tensor:
    """1 - Pearson's r of each pair of rows, the mean over the rows in which the teacher varies."""
    ours, theirs = (rows - rows.mean(dim=1, keepdim=True) for rows in (ours, theirs))
    varies = theirs.norm(dim=1) > TINY
    r = F.cosine_similarity(ours, theirs, dim=1, eps=TINY)
    total: Tensor = torch.where(varies, 1 - r, torch.zeros_like(r)).sum() / varies.sum().clamp(min=1)
    return total


class DIST(Loss):
    """``dist`` as a loss term."""

    def __init__(
        self, temperature: float = 1.0, *, between: float = 1.0, within: float = 1.0, name: str = "dist"
    ) -> None:  # fmt: skip
        super().__init__(name)
        positive("temperature", temperature)
        if min(between, within) < 0 or between + within == 0:
            rule, got = "be at least 0, and one of them above", f"{between} and {within}"
            raise fail("between and within", rule, got, "1 and 1 are the paper's.")
        self.temperature, self.between, self.within = float(temperature), float(between), float(within)
        self.needs_teacher = True

    def options(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "between": self.between, "within": self.within}

    def terms(self, step: Step) -> dict[str, Tensor]:
        theirs = _teacher(step, self.name).logits
        return {self.name: dist(step.student.logits, theirs, **self.options())}

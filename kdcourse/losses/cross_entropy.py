"""Softmax and cross-entropy against labels (label smoothing: Szegedy et al. 2016)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse._arguments import fail, fraction, one_of
from kdcourse._targets import SUM_TOLERANCE, check_range
from kdcourse.data import NO_LABEL, tidy
from kdcourse.losses._checks import REDUCTIONS, _full, _reduce, _rows
from kdcourse.losses.base import Loss, Step

__all__ = ["CrossEntropy", "cross_entropy"]


def cross_entropy(
    student_logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0, weight: Tensor | None = None,
    reduction: str = "mean", dim: int | None = None, checked: bool = False,
) -> Tensor:  # fmt: skip
    """Softmax and cross-entropy: -log softmax(z)[y], the mean over the images that have a label.

    Args:
        student_logits: N x C.
        labels: N integers in [0, C); -100 means no label: such an image contributes 0, as does a batch without any.
            Or N x C probabilities (mixup, a one-hot row): the loss is then -sum_c y_c log softmax(z)_c.
        label_smoothing: the share of the target that is spread evenly over all classes (Szegedy et al. 2016).
        weight: C weights, one a class; the mean is then weighted by them, as in torch.
        reduction: "mean", "sum" or "none" (one value an image).
        dim: where the classes are in logits of another shape (-1 for N x T x V, 1 for N x C x H x W); each position
            then counts as one image, and labels have the shape without that dimension.
        checked: the labels' values were checked before.

    Raises ValueError for labels that are no class numbers of these logits, logits over fewer than two classes.
    """
    fraction("label_smoothing", label_smoothing)
    one_of("reduction", reduction, REDUCTIONS)
    shape, logits = tuple(student_logits.shape), _full(_rows("student_logits", student_logits, dim))
    labels = _targets(tidy(labels), student_logits, dim)
    options: dict[str, Any] = {"label_smoothing": label_smoothing, "weight": _weights(weight, logits)}
    if labels.is_floating_point():
        return _reduce(_soft(logits, labels, shape, options, checked), reduction)
    if not checked:
        check_range(labels, logits.shape[1])
    options["ignore_index"] = NO_LABEL
    if reduction == "none":
        return F.cross_entropy(logits, labels, reduction="none", **options)
    total = F.cross_entropy(logits, labels, reduction="sum", **options)
    if reduction == "sum":
        return total
    known = labels != NO_LABEL
    if weight is None:
        return total / known.sum().clamp(min=1)
    counted = torch.where(known, options["weight"][labels.clamp(min=0)], 0.0).sum()
    return total / torch.where(counted > 0, counted, 1.0)


def _targets(labels: Tensor, student_logits: Tensor, dim: int | None) -> Tensor:
    """Labels beside N x C logits: N, or N x C where they are probabilities."""
    if labels.is_floating_point():
        if dim is not None and labels.shape == student_logits.shape:
            return labels.movedim(dim, -1).flatten(0, -2)
        if labels.shape == student_logits.shape:
            return labels
        if bool((labels != labels.round()).any()):
            remedy = "Use MSE or LogitMSE for regression; probabilities are N x C."
            raise fail("labels", "be whole numbers", f"{labels.dtype} with fractions", remedy)
        labels = labels.long()
    labels = labels.flatten() if dim is not None or (labels.ndim == 2 and labels.shape[1] == 1) else labels
    n = student_logits.numel() // student_logits.shape[1 if dim is None else dim]
    if labels.ndim != 1 or len(labels) != n:
        shapes = f"{tuple(student_logits.shape)} and {tuple(labels.shape)}"
        raise fail("student_logits and labels", "be N x C and N", shapes, "Give one label an image.")
    return labels


def _weights(weight: Tensor | None, logits: Tensor) -> Tensor | None:
    if weight is None:
        return None
    weight = torch.as_tensor(weight, dtype=logits.dtype, device=logits.device)
    if weight.shape != logits.shape[1:]:
        raise fail("weight", f"have one value for each of {logits.shape[1]} classes", tuple(weight.shape),
                   "Give one a class.")  # fmt: skip
    return weight


def _soft(logits: Tensor, labels: Tensor, shape: tuple[int, ...], options: dict[str, Any], checked: bool) -> Tensor:
    if not checked and (bool((labels < 0).any()) or bool(((labels.sum(dim=1) - 1).abs() > SUM_TOLERANCE).any())):
        remedy = "Multi-hot labels want BCEWithLogitsLoss, other targets MSE."
        raise fail("labels", "be probabilities: rows at least 0 that sum to 1", f"{shape} of other numbers", remedy)
    return F.cross_entropy(logits, labels.to(logits.dtype), reduction="none", **options)


class CrossEntropy(Loss):
    """``cross_entropy`` as a loss term; ``weight`` holds one weight a class."""

    weight: Tensor | None

    def __init__(
        self, *, label_smoothing: float = 0.0, weight: Any = None, reduction: str = "mean", dim: int | None = None,
        name: str = "cross_entropy",
    ) -> None:  # fmt: skip
        super().__init__(name)
        fraction("label_smoothing", label_smoothing)
        one_of("reduction", reduction, REDUCTIONS[:2])
        self.label_smoothing, self.reduction, self.dim, self.needs_labels = label_smoothing, reduction, dim, True
        self.register_buffer("weight", class_weights("weight", weight))

    def options(self) -> dict[str, Any]:
        shown = {"label_smoothing": self.label_smoothing, "weight": self.weight, "dim": self.dim}
        return {
            name: value for name, value in shown.items() if value is not None and not (name[0] == "l" and not value)
        }

    def terms(self, step: Step) -> dict[str, Tensor]:
        logits = step.student.logits
        if step.labels is None:
            return {self.name: logits.sum() * 0.0}
        options: dict[str, Any] = {"label_smoothing": self.label_smoothing, "reduction": self.reduction}
        options |= {"weight": self.weight, "dim": self.dim, "checked": step.checked}
        return {self.name: cross_entropy(logits, step.labels, **options)}


def class_weights(argument: str, weight: Any) -> Tensor | None:
    """One finite weight of at least 0 a class, as a tensor."""
    if weight is None:
        return None
    try:
        found = torch.as_tensor(weight, dtype=torch.float32).detach().clone()
    except (TypeError, ValueError) as error:
        raise fail(argument, "be a row of numbers", weight, "Give one a class: [1.0, 2.0, 0.5].", TypeError) from error
    if found.ndim != 1 or not bool((found.isfinite() & (found >= 0)).all()) or not bool(found.any()):
        raise fail(argument, "be a row of finite weights of at least 0", weight, "Give one a class.")
    return found

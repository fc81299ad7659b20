"""Softmax and cross-entropy against labels (label smoothing: Szegedy et al. 2016)."""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from kdcourse._arguments import fail, fraction, one_of
from kdcourse.data import NO_LABEL
from kdcourse.losses._checks import REDUCTIONS, _full, _reduce
from kdcourse.losses.base import Loss, Step

__all__ = ["CrossEntropy", "cross_entropy"]


def cross_entropy(
    student_logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Softmax and cross-entropy: -log softmax(z)[y], the mean over the images that have a label.

    Args:
        student_logits: N x C.
        labels: N integers in [0, C); -100 means no label: such an image contributes 0, as does a batch without any.
        label_smoothing: the share of the target that is spread evenly over all classes (Szegedy et al. 2016).
        reduction: "mean", "sum" or "none" (one value an image).
    """
    if student_logits.ndim != 2 or labels.shape != student_logits.shape[:1]:
        shapes = f"{tuple(student_logits.shape)} and {tuple(labels.shape)}"
        raise fail("student_logits and labels", "be N x C and N", shapes, "Give one label an image.")
    fraction("label_smoothing", label_smoothing)
    if labels.is_floating_point():
        remedy = "Use MSE or LogitMSE for regression; .long() for classes stored as floats."
        raise fail("labels", "be whole numbers", str(labels.dtype), remedy)
    low, high = (int(v) for v in labels.aminmax()) if len(labels) else (0, 0)
    classes, logits = student_logits.shape[1], _full(student_logits)
    options: dict[str, Any] = {"label_smoothing": label_smoothing, "ignore_index": NO_LABEL}
    if low >= 0 and high < classes and len(labels):  # the usual case: every image has a label
        return F.cross_entropy(logits, labels.long(), reduction=one_of("reduction", reduction, REDUCTIONS), **options)
    wrong = ((labels < 0) & (labels != NO_LABEL)) | (labels >= classes)
    if bool(wrong.any()):
        rule = f"lie in [0, {classes}) or be -100"
        raise fail("labels", rule, labels[wrong][0].item(), "Count classes from 0; check num_classes.")
    per_image = F.cross_entropy(logits, labels.long(), reduction="none", **options)
    if reduction == "mean":
        return per_image.sum() / (labels != NO_LABEL).sum().clamp(min=1)
    return _reduce(per_image, reduction)


class CrossEntropy(Loss):
    """``cross_entropy`` as a loss term."""

    def __init__(self, *, label_smoothing: float = 0.0, reduction: str = "mean", name: str = "cross_entropy") -> None:
        super().__init__(name)
        fraction("label_smoothing", label_smoothing)
        one_of("reduction", reduction, REDUCTIONS[:2])
        self.label_smoothing, self.reduction, self.needs_labels = label_smoothing, reduction, True

    def terms(self, step: Step) -> dict[str, Tensor]:
        logits = step.student.logits
        if step.labels is None:
            return {self.name: logits.sum() * 0.0}
        options: dict[str, Any] = {"label_smoothing": self.label_smoothing, "reduction": self.reduction}
        return {self.name: cross_entropy(logits, step.labels, **options)}

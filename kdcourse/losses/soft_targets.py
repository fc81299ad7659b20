"""Soft targets: the teacher's probabilities at a temperature (Hinton et al. 2015)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse._arguments import fail, fraction, one_of, positive
from kdcourse.data import NO_LABEL
from kdcourse.losses._checks import REDUCTIONS, _full, _reduce, _same_shape
from kdcourse.losses.base import Loss, Step, _teacher
from kdcourse.losses.cross_entropy import cross_entropy

__all__ = ["SoftTargets", "soft_targets", "softened_kl"]


def softened_kl(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(z_t/T) || softmax(z_s/T)), summed over classes. Shapes: N x C, N x C to N (Hinton et al. 2015)."""
    log_student = F.log_softmax(student_logits / temperature, dim=1)
    log_teacher = F.log_softmax(teacher_logits / temperature, dim=1)
    return temperature**2 * (log_teacher.exp() * (log_teacher - log_student)).sum(dim=1)


def soft_targets(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None = None, *, temperature: float = 4.0,
    alpha: float = 0.9, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Alpha T^2 KL(softmax(z_t/T) || softmax(z_s/T)) + (1 - alpha) CE(z_s, y) (Hinton et al. 2015).

    The KL is summed over classes and averaged over images (PyTorch's "batchmean"): its "mean" would divide by the
    number of classes too. T^2 keeps the gradient's size as T changes.

    Args:
        student_logits, teacher_logits: N x C.
        labels: N integers, -100 where there is none; needed only where alpha < 1.
        temperature: T above 0.
        alpha: the weight of the teacher, in [0, 1].
        reduction: "mean", "sum" or "none".

    Example:
        >>> z = torch.tensor([[2.0, 0.0]])
        >>> float(soft_targets(z, z, alpha=1.0))
        0.0
    """
    positive("temperature", temperature)
    fraction("alpha", alpha)
    _same_shape("student_logits", student_logits, "teacher_logits", teacher_logits)
    if alpha < 1 and labels is None:
        raise fail(
            "labels", "be given where alpha is below 1", None, "Pass labels, or alpha=1.0 to use the teacher only."
        )
    kl = softened_kl(_full(student_logits), _full(teacher_logits), temperature)
    loss = alpha * _reduce(kl, reduction)
    if labels is not None and alpha < 1:
        loss = loss + (1 - alpha) * cross_entropy(student_logits, labels, reduction=reduction)
    return loss


class SoftTargets(Loss):
    """``soft_targets`` as a loss term: T 4 and alpha 0.9 are the values in common use."""

    def __init__(
        self, temperature: float = 4.0, alpha: float = 0.9, *, reduction: str = "mean", name: str = "soft_targets"
    ) -> None:
        super().__init__(name)
        positive("temperature", temperature)
        fraction("alpha", alpha)
        one_of("reduction", reduction, REDUCTIONS[:2])
        self.temperature, self.alpha, self.reduction = temperature, alpha, reduction
        self.needs_teacher, self.needs_labels = True, alpha < 1

    def terms(self, step: Step) -> dict[str, Tensor]:
        teacher_logits = _teacher(step, self.name).logits
        options: dict[str, Any] = {"temperature": self.temperature, "reduction": self.reduction}
        labels, logits = step.labels, step.student.logits
        if labels is None:  # a batch without any contributes 0 to the second term
            labels = torch.full((len(logits),), NO_LABEL, device=logits.device)
        return {self.name: soft_targets(logits, teacher_logits, labels, alpha=self.alpha, **options)}

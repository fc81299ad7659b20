"""Soft targets: the teacher's probabilities at a temperature (Hinton et al. 2015)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse._arguments import fail, fraction, one_of, positive
from kdcourse.data import NO_LABEL
from kdcourse.losses._checks import REDUCTIONS, _full, _reduce, _rows, _same_shape
from kdcourse.losses.base import Loss, Step, _teacher
from kdcourse.losses.cross_entropy import class_weights, cross_entropy

__all__ = ["SoftTargets", "soft_targets", "softened_kl"]

MASKED = 1e4  # a masked class lies so many temperatures below the highest logit: its probability is 0 in float32


def softened_kl(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(z_t/T) || softmax(z_s/T)), summed over classes. Shapes: N x C, N x C to N (Hinton et al. 2015)."""
    log_student = F.log_softmax(student_logits / temperature, dim=1)
    log_teacher = F.log_softmax(teacher_logits / temperature, dim=1)
    return temperature**2 * (log_teacher.exp() * (log_teacher - log_student)).sum(dim=1)


def soft_targets(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None = None, *, temperature: float = 4.0,
    alpha: float = 0.9, class_weight: Tensor | None = None, reduction: str = "mean", dim: int | None = None,
    checked: bool = False,
) -> Tensor:  # fmt: skip
    """Alpha T^2 KL(softmax(z_t/T) || softmax(z_s/T)) + (1 - alpha) CE(z_s, y) (Hinton et al. 2015).

    The KL is summed over classes and averaged over images (PyTorch's "batchmean"): its "mean" would divide by the
    number of classes too. T^2 keeps the gradient's size as T changes. A class whose logit is -inf with the teacher
    (a masked one) contributes 0: its probability is 0.

    Args:
        student_logits, teacher_logits: N x C, C at least 2.
        labels: N integers, -100 where there is none, or N x C probabilities; needed only where alpha < 1.
        temperature: T above 0.
        alpha: the weight of the teacher, in [0, 1].
        class_weight: C weights of the labels' cross-entropy.
        reduction: "mean", "sum" or "none".
        dim: where the classes are in logits of another shape (-1 for N x T x V); the mean is then over all positions.
        checked: the labels' values were checked before.

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
    ours, theirs = (_full(_rows(n, z, dim)) for n, z in
                    (("student_logits", student_logits), ("teacher_logits", teacher_logits)))  # fmt: skip
    kl = softened_kl(*_unmasked(ours, theirs, temperature), temperature)
    loss = alpha * _reduce(kl, reduction)
    if labels is not None and alpha < 1:
        options: dict[str, Any] = {"weight": class_weight, "reduction": reduction, "dim": dim, "checked": checked}
        loss = loss + (1 - alpha) * cross_entropy(student_logits, labels, **options)
    return loss


def _unmasked(ours: Tensor, theirs: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Both logits with the teacher's -inf made finite and as good as -inf, so that 0 times infinity is not NaN."""
    masked = torch.isneginf(theirs)
    low = theirs.detach().amax(dim=1, keepdim=True) - MASKED * temperature
    lowest = ours.detach().amax(dim=1, keepdim=True) - MASKED * temperature
    return torch.where(masked & torch.isneginf(ours), lowest, ours), torch.where(masked, low, theirs)


class SoftTargets(Loss):
    """``soft_targets`` as a loss term: T 4 and alpha 0.9 are the values in common use."""

    class_weight: Tensor | None

    def __init__(
        self, temperature: float = 4.0, alpha: float = 0.9, *, class_weight: Any = None, reduction: str = "mean",
        dim: int | None = None, name: str = "soft_targets",
    ) -> None:  # fmt: skip
        super().__init__(name)
        positive("temperature", temperature)
        fraction("alpha", alpha)
        one_of("reduction", reduction, REDUCTIONS[:2])
        if class_weight is not None and alpha == 1:
            rule = "be left out where alpha is 1: it weighs the labels, and they do not count"
            raise fail("class_weight", rule, class_weight, "Lower alpha, or remove it.")
        self.temperature, self.alpha, self.reduction, self.dim = float(temperature), float(alpha), reduction, dim
        self.needs_teacher, self.needs_labels = True, alpha < 1
        self.register_buffer("class_weight", class_weights("class_weight", class_weight))

    def options(self) -> dict[str, Any]:
        shown = {"temperature": self.temperature, "alpha": self.alpha, "class_weight": self.class_weight,
                 "dim": self.dim}  # fmt: skip
        return {name: value for name, value in shown.items() if value is not None}

    def terms(self, step: Step) -> dict[str, Tensor]:
        teacher_logits = _teacher(step, self.name).logits
        options: dict[str, Any] = {"temperature": self.temperature, "reduction": self.reduction, "dim": self.dim}
        options |= {"class_weight": self.class_weight, "checked": step.checked}
        labels, logits = step.labels, step.student.logits
        if labels is None and self.alpha < 1:  # a batch without any contributes 0 to the second term
            shape = logits.select(self.dim if self.dim is not None else 1, 0).shape
            labels = torch.full(shape, NO_LABEL, device=logits.device)
        return {self.name: soft_targets(logits, teacher_logits, labels, alpha=self.alpha, **options)}

"""Squared errors: between logits (Ba & Caruana 2014), and against float labels."""

from torch import Tensor

from kdcourse._arguments import one_of
from kdcourse.losses._checks import REDUCTIONS, _full, _reduce, _same_shape
from kdcourse.losses.base import Loss, Step, _teacher

__all__ = ["MSE", "LogitMSE", "logit_mse", "mse"]


def logit_mse(student_logits: Tensor, teacher_logits: Tensor, *, reduction: str = "mean") -> Tensor:
    """(z_s - z_t)^2, the mean over batch and classes (Ba & Caruana 2014). Shapes: N x C, N x C.

    "none" gives one value an image, the mean over its classes; "sum" their sum.
    """
    _same_shape("student_logits", student_logits, "teacher_logits", teacher_logits)
    squares = (_full(student_logits) - _full(teacher_logits)).square()
    return _reduce(squares.reshape(len(squares), -1).mean(dim=1), reduction)


def mse(student_outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """(output - target)^2, the mean over batch and outputs: regression.

    Args:
        student_outputs: N x D, or N.
        targets: the same shape, or N where the outputs are N x 1. Any other pair is refused: broadcasting
            N against N x 1 would compare every output with every target.
        reduction: "mean", "sum" or "none" (one value an example).
    """
    if student_outputs.shape == (*targets.shape, 1):
        targets = targets.unsqueeze(-1)
    _same_shape("targets", targets, "student_outputs", student_outputs)
    squares = (_full(student_outputs) - _full(targets)).square()
    return _reduce(squares.reshape(len(squares), -1).mean(dim=1), reduction)


class LogitMSE(Loss):
    """``logit_mse`` as a loss term."""

    def __init__(self, *, reduction: str = "mean", name: str = "logit_mse") -> None:
        super().__init__(name)
        one_of("reduction", reduction, REDUCTIONS[:2])
        self.reduction, self.needs_teacher = reduction, True

    def terms(self, step: Step) -> dict[str, Tensor]:
        teacher_logits = _teacher(step, self.name).logits
        return {self.name: logit_mse(step.student.logits, teacher_logits, reduction=self.reduction)}


class MSE(Loss):
    """``mse`` against float labels as a loss term."""

    def __init__(self, *, reduction: str = "mean", name: str = "mse") -> None:
        super().__init__(name)
        one_of("reduction", reduction, REDUCTIONS[:2])
        self.reduction, self.needs_labels, self.squared = reduction, True, True

    def terms(self, step: Step) -> dict[str, Tensor]:
        if step.labels is None:
            return {self.name: step.student.logits.sum() * 0.0}
        return {self.name: mse(step.student.logits, step.labels, reduction=self.reduction)}

"""Parts of an answer: the target class apart from the others (DKD, Zhao 2022), and logits without size (Sun 2024)."""

from typing import Any

import torch
from torch import Tensor

from kdcourse._arguments import fail, positive
from kdcourse._targets import check_range
from kdcourse.data import NO_LABEL
from kdcourse.losses._checks import _full, _rows, _same_shape
from kdcourse.losses.base import Loss, Step, _teacher
from kdcourse.losses.soft_targets import soft_targets

__all__ = ["Decoupled", "Standardised", "decoupled", "standardised", "z_scores"]


def decoupled(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, *, temperature: float = 4.0, target: float = 1.0,
    others: float = 8.0, checked: bool = False,
) -> Tensor:  # fmt: skip
    """T^2 (target TCKD + others NCKD), the mean over labelled images (DKD, Zhao et al. 2022).

    TCKD is the KL of (label's class, all others together); NCKD is the KL among the other classes, renormalised. With
    p the teacher's probability of the label's class, KL = TCKD + (1 - p) NCKD: plain distillation weighs the others
    by how unsure the teacher is, this loss does not. All of it is computed with logarithms, so that nothing is
    log(0). With two classes NCKD is 0.

    Args:
        student_logits, teacher_logits: N x C, C at least 2.
        labels: N integers, -100 where there is none: such an image has no target class and is left out.
        temperature: T, 4 in the paper.
        target, others: the weights, alpha and beta in the paper: 1 and 8 in common use; the second depends on the pair.
        checked: the labels' values were checked before.
    """
    positive("temperature", temperature)
    _same_shape("student_logits", student_logits, "teacher_logits", teacher_logits)
    if labels.is_floating_point() or labels.shape != student_logits.shape[:1]:
        raise fail("labels", "be N integers", f"{tuple(labels.shape)} {labels.dtype}", "The target class is needed.")
    if not checked:
        check_range(labels, student_logits.shape[1])
    known = labels != NO_LABEL
    ours, theirs = (
        _full(_rows(name, z, None))[known] / temperature
        for name, z in (("student_logits", student_logits), ("teacher_logits", teacher_logits))
    )
    if not len(ours):
        return student_logits.sum() * 0.0
    (q, q_rest, q_others), (p, p_rest, p_others) = (_apart(z, labels[known]) for z in (ours, theirs))
    tckd = p.exp() * (p - q) + p_rest.exp() * (p_rest - q_rest)
    nckd = (p_others.exp() * (p_others - q_others)).sum(dim=1)
    return temperature**2 * (target * tckd + others * nckd).mean()


def _apart(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities: of the label's class, of all others together, and of each other among the others."""
    classes = logits.shape[1]
    at = labels[:, None]
    own = logits.gather(1, at)
    other = logits[torch.arange(classes, device=logits.device) != at].view(len(logits), classes - 1)
    rest = other.logsumexp(dim=1, keepdim=True)
    both = torch.cat([own, rest], dim=1).log_softmax(dim=1)
    return both[:, 0], both[:, 1], other - rest


class Decoupled(Loss):
    """``decoupled`` as a loss term: T 4, weights 1 and 8. It needs labels; images without one are left out.

    The paper adds it to the labels' cross-entropy, and lets its weight grow over the first epochs.
    """

    def __init__(
        self, temperature: float = 4.0, *, target: float = 1.0, others: float = 8.0, name: str = "decoupled"
    ) -> None:  # fmt: skip
        super().__init__(name)
        positive("temperature", temperature)
        if min(target, others) < 0 or target + others == 0:
            rule, got = "be at least 0, and one of them above", f"{target} and {others}"
            raise fail("target and others", rule, got, "1 and 8 are in common use.")
        self.temperature, self.target, self.others = float(temperature), float(target), float(others)
        self.needs_teacher = self.needs_labels = True

    def options(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "target": self.target, "others": self.others}

    def terms(self, step: Step) -> dict[str, Tensor]:
        ours, theirs = step.student.logits, _teacher(step, self.name).logits
        if step.labels is None:
            return {self.name: ours.sum() * 0.0}
        return {self.name: decoupled(ours, theirs, step.labels, checked=step.checked, **self.options())}


def z_scores(logits: Tensor, *, eps: float = 1e-7) -> Tensor:
    """(z - mean) / (deviation + eps), image by image: N x C to N x C (Sun et al. 2024). The deviation is over n - 1."""
    return (logits - logits.mean(dim=1, keepdim=True)) / (logits.std(dim=1, keepdim=True) + eps)


def standardised(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None = None, *, temperature: float = 2.0,
    alpha: float = 0.9,
) -> Tensor:  # fmt: skip
    """Alpha T^2 KL(softmax(Z(z_t)/T) || softmax(Z(z_s)/T)) + (1 - alpha) CE(z_s, y), Z the z-score (Sun et al. 2024).

    The student need not copy how large the teacher's logits are, only how they stand to one another. The labels'
    cross-entropy sees the logits as they are.

    Args:
        student_logits, teacher_logits: N x C, C at least 2.
        labels: N integers, -100 where there is none, or N x C probabilities; needed only where alpha < 1.
        temperature: T, 2 in the paper.
        alpha: the weight of the teacher, in [0, 1].
    """
    ours, theirs = (
        _full(_rows(name, z, None))
        for name, z in (("student_logits", student_logits), ("teacher_logits", teacher_logits))
    )
    _same_shape("student_logits", student_logits, "teacher_logits", teacher_logits)
    loss = alpha * soft_targets(z_scores(ours), z_scores(theirs), temperature=temperature, alpha=1.0)
    if alpha == 1:
        return loss
    return loss + soft_targets(ours, theirs, labels, temperature=temperature, alpha=0.0) * (1 - alpha)


class Standardised(Loss):
    """``standardised`` as a loss term: T 2, alpha 0.9."""

    def __init__(self, temperature: float = 2.0, alpha: float = 0.9, *, name: str = "standardised") -> None:
        super().__init__(name)
        soft_targets(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1).long(), temperature=temperature, alpha=alpha)
        self.temperature, self.alpha = float(temperature), float(alpha)
        self.needs_teacher, self.needs_labels = True, alpha < 1

    def options(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "alpha": self.alpha}

    def terms(self, step: Step) -> dict[str, Tensor]:
        ours, theirs, labels = step.student.logits, _teacher(step, self.name).logits, step.labels
        if labels is None and self.alpha < 1:  # a batch without any contributes 0 to the second term
            labels = torch.full((len(ours),), NO_LABEL, device=ours.device)
        return {self.name: standardised(ours, theirs, labels, **self.options())}

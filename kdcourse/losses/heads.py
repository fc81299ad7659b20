"""Several heads: a loss for each, and how they are weighed: fixed, by uncertainty, or by their gradients."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse._arguments import fail, one_of
from kdcourse.losses.base import Loss, Side, Step, as_loss

__all__ = ["PerHead", "surgery_weights"]

WEIGHTINGS = ("fixed", "uncertainty", "pcgrad", "upgrad")


def surgery_weights(gradients: Sequence[Tensor], how: str = "pcgrad") -> tuple[float, float]:
    """The weights (a, b) with which two tasks' gradients g and h become one step a g + b h without conflict.

    Where g and h point apart (g.h < 0) PCGrad takes from each its part along the other and adds the two up:
    a = 1 - g.h / |g|^2, b = 1 - g.h / |h|^2; else a = b = 1 (Yu et al. 2020). UPGrad projects each gradient on the
    directions that make no task worse and takes the mean; for two tasks that is half of the same step (Quinton and
    Rey 2024). A gradient of zero has no direction, and the other one stays as it is.

    Args:
        gradients: two flat tensors of equal length.
        how: "pcgrad" or "upgrad".
    """
    one_of("how", how, ("pcgrad", "upgrad"))
    if len(gradients) != 2 or gradients[0].shape != gradients[1].shape:
        shapes = ", ".join(str(tuple(g.shape)) for g in gradients)
        raise fail("gradients", "be two of one shape", shapes, "For more tasks use torchjd.")
    g, h = (gradient.flatten().double() for gradient in gradients)
    conflict = float(torch.dot(g, h))
    squares = [float(torch.dot(v, v)) for v in (g, h)]
    scale = 0.5 if how == "upgrad" else 1.0
    if conflict >= 0 or min(squares) == 0:
        return scale, scale
    return scale * (1 - conflict / squares[0]), scale * (1 - conflict / squares[1])


class PerHead(Loss):
    """One loss a head: logits and labels are dicts of tensors, and so are the teacher's logits.

        PerHead({"class": SoftTargets(), "box": 5 * Box(alpha=0.5)})

    Args:
        heads: {head: loss}; a weight in front of a loss is that head's weight.
        weighting: "fixed": the sum of the losses. "uncertainty": the sum of exp(-s) L / 2 + s / 2 with one learned s
            a head (Kendall, Gal and Cipolla 2018). "pcgrad", "upgrad": two heads, whose gradients on the parameters
            that both reach decide their weights in every step (see ``surgery_weights``).
        name: of the whole; the terms are named after the heads.

    In the history a head's term is what it adds to the loss. Labels may lack: -100 for a class, a row of -100 for a
    box; a head without any in a batch contributes 0.
    """

    def __init__(self, heads: Mapping[str, Any], *, weighting: str = "fixed", name: str = "per_head") -> None:
        super().__init__(name)
        one_of("weighting", weighting, WEIGHTINGS)
        if not isinstance(heads, Mapping) or not heads:
            raise fail("heads", "map each head to its loss", heads, 'Write {"class": SoftTargets(), "box": Box()}.')
        if weighting in ("pcgrad", "upgrad") and len(heads) != 2:
            raise fail("heads", f"be two for {weighting}", len(heads), "For more tasks use torchjd.")
        self.heads, self.weighting = tuple(heads), weighting
        self.losses = nn.ModuleList(as_loss(loss) for loss in heads.values())
        parts = [loss for loss in self.losses if isinstance(loss, Loss)]
        self.needs_teacher = any(loss.needs_teacher for loss in parts)
        self.needs_labels = any(loss.needs_labels for loss in parts)
        self.reads_logits = any(loss.needs_teacher and loss.reads_logits for loss in parts)
        self.student_layers = tuple(dict.fromkeys(n for loss in parts for n in loss.student_layers))
        self.teacher_layers = tuple(dict.fromkeys(n for loss in parts for n in loss.teacher_layers))
        learned = weighting == "uncertainty"
        self.log_variances = nn.Parameter(torch.zeros(len(self.heads))) if learned else None

    def by_head(self) -> dict[str, Loss]:
        """{head: its loss}."""
        return {h: loss for h, loss in zip(self.heads, self.losses, strict=True) if isinstance(loss, Loss)}

    def options(self) -> dict[str, Any]:
        return {**self.by_head(), "weighting": self.weighting}

    def prepare(self, student: nn.Module, teacher: nn.Module | None, inputs: Any) -> None:
        for loss in self.by_head().values():
            loss.prepare(student, teacher, inputs)

    def terms(self, step: Step) -> dict[str, Tensor]:
        values = {head: loss.total(self._of(step, head, loss))[0] for head, loss in self.by_head().items()}
        if self.log_variances is not None:
            pairs = zip(values.items(), self.log_variances, strict=True)
            return {head: 0.5 * torch.exp(-s) * value + 0.5 * s for (head, value), s in pairs}
        if self.weighting == "fixed" or not torch.is_grad_enabled():
            return values
        weights = surgery_weights(_shared_gradients(step.student.module, list(values.values())), self.weighting)
        return {head: w * value for w, (head, value) in zip(weights, values.items(), strict=True)}

    def _of(self, step: Step, head: str, loss: Loss) -> Step:
        """The step as one head sees it."""
        ours = replace(step.student, logits=_pick(step.student.logits, head, "the student's answer"))
        theirs: Side | None = step.teacher
        if theirs is not None and loss.needs_teacher and loss.reads_logits:
            theirs = replace(theirs, logits=_pick(theirs.logits, head, "the teacher's answer"))
        labels = step.labels
        if labels is not None:
            labels = _pick(labels, head, "labels") if loss.needs_labels else labels.get(head)
        return replace(step, student=ours, teacher=theirs, labels=labels, checked=False)


def _pick(values: Any, head: str, what: str) -> Any:
    if not isinstance(values, Mapping):
        remedy = 'Return {"class": ..., "box": ...}, or pass forward= that does.'
        raise fail(what, f"be a dict with the head {head}", type(values).__name__, remedy, TypeError)
    if head not in values:
        raise fail(what, f"have the head {head}", f"{', '.join(map(str, values))} only", "Leave that head's loss out.")
    return values[head]


def _shared_gradients(model: nn.Module | None, losses: Sequence[Tensor]) -> list[Tensor]:
    """Each loss's gradient on the parameters that all of them reach, flat."""
    if model is None:
        raise fail("weighting", "be fixed or uncertainty without a model", "gradients", "Use distill or train.")
    parameters = [p for p in model.parameters() if p.requires_grad]
    found = [torch.autograd.grad(v, parameters, retain_graph=True, allow_unused=True) for v in losses]
    shared = [i for i in range(len(parameters)) if all(row[i] is not None for row in found)]
    if not shared:
        raise fail("the student", "have parameters that both heads reach", "none", "Use weighting='fixed'.")
    return [torch.cat([g.flatten() for i, g in enumerate(row) if i in set(shared) and g is not None]) for row in found]

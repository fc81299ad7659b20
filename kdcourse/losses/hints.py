"""Hints: a student's feature imitates a teacher's after a learned projection (Romero et al. 2015)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse._arguments import fail
from kdcourse.losses._checks import _full, _same_shape
from kdcourse.losses.base import Loss, Step, _teacher
from kdcourse.models import features

__all__ = ["Hint", "hint"]


def hint(student_feature: Tensor, teacher_feature: Tensor) -> Tensor:
    """(f_s - f_t)^2, the mean over batch and elements (Romero et al. 2015); the student's already projected."""
    _same_shape("student_feature", student_feature, "teacher_feature", teacher_feature)
    return (_full(student_feature) - _full(teacher_feature)).square().mean()


class Hint(Loss):
    """``hint`` between pairs of layers, after a learned 1 x 1 (or linear) projection of the student's feature.

    Args:
        layers: {student layer: teacher layer}, names from ``named_modules()``.
        name: the term's name.

    Features are N x C x H x W, N x L x C or N x C. The projections are built in ``prepare`` from real shapes and train
    with the student, but are no part of it.
    """

    def __init__(self, layers: Mapping[str, str], *, name: str = "hint") -> None:
        super().__init__(name)
        if not isinstance(layers, Mapping) or not layers:
            raise fail("layers", "map student layers to teacher layers", layers, 'Write {"block2": "block4"}.')
        self.layers, self.needs_teacher, self.reads_logits = dict(layers), True, False
        self.student_layers, self.teacher_layers = tuple(layers), tuple(layers.values())
        self.projections = nn.ModuleList()

    def prepare(self, student: nn.Module, teacher: nn.Module | None, inputs: Any) -> None:
        if teacher is None:
            raise fail(f"the loss {self.name}", "have a teacher", None, "Use distill(teacher, student, ...).")
        ours, theirs = features(student, inputs, self.student_layers), features(teacher, inputs, self.teacher_layers)
        self.projections = nn.ModuleList(_projection(s, ours[s], t, theirs[t]) for s, t in self.layers.items())

    def terms(self, step: Step) -> dict[str, Tensor]:
        theirs = _teacher(step, self.name).features
        pairs = zip(self.layers.items(), self.projections, strict=True)
        values = [hint(project(step.student.features[s]), theirs[t]) for (s, t), project in pairs]
        return {self.name: torch.stack(values).sum()}


def _projection(name: str, ours: Tensor, other_name: str, theirs: Tensor) -> nn.Module:
    unequal = ours.shape[2:] != theirs.shape[2:] if ours.ndim == 4 else ours.shape[:-1] != theirs.shape[:-1]
    if ours.ndim != theirs.ndim or unequal:
        shapes = f"{tuple(ours.shape)} and {tuple(theirs.shape)}"
        raise fail(f"the features of {name} and {other_name}", "have equal height and width", shapes,
                   "Choose layers of the same resolution.")  # fmt: skip
    if ours.ndim == 4:
        return nn.Conv2d(ours.shape[1], theirs.shape[1], 1, bias=False, device=ours.device)
    return nn.Linear(ours.shape[-1], theirs.shape[-1], bias=False, device=ours.device)

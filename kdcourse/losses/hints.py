"""Hints: a student's feature imitates a teacher's after a learned projection (Romero et al. 2015)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse._arguments import fail, one_of
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
        channels: "first", "last", or "auto": second in N x C x H x W and N x C x D x H x W, last in N x C; in three
            dimensions the one in which the two features differ.
        name: the term's name.

    The projections are built in ``prepare`` from real shapes and train
    with the student, but are no part of it.
    """

    def __init__(self, layers: Mapping[str, str], *, channels: str = "auto", name: str = "hint") -> None:
        super().__init__(name)
        one_of("channels", channels, ["auto", "first", "last"])
        if not isinstance(layers, Mapping) or not layers:
            raise fail("layers", "map student layers to teacher layers", layers, 'Write {"block2": "block4"}.')
        self.layers, self.needs_teacher, self.reads_logits = dict(layers), True, False
        self.student_layers, self.teacher_layers = tuple(layers), tuple(layers.values())
        self.projections, self.channels = nn.ModuleList(), channels

    def options(self) -> dict[str, Any]:
        return {"layers": self.layers}

    def prepare(self, student: nn.Module, teacher: nn.Module | None, inputs: Any) -> None:
        if teacher is None:
            raise fail(f"the loss {self.name}", "have a teacher", None, "Use distill(teacher, student, ...).")
        ours, theirs = features(student, inputs, self.student_layers), features(teacher, inputs, self.teacher_layers)
        self.projections = nn.ModuleList(
            _projection(s, ours[s], t, theirs[t], self.channels) for s, t in self.layers.items()
        )

    def terms(self, step: Step) -> dict[str, Tensor]:
        theirs = _teacher(step, self.name).features
        pairs = zip(self.layers.items(), self.projections, strict=True)
        values = [hint(project(step.student.features[s]), theirs[t]) for (s, t), project in pairs]
        return {self.name: torch.stack(values).sum()}


def _projection(name: str, ours: Tensor, other_name: str, theirs: Tensor, channels: str) -> nn.Module:
    """A 1 x 1 convolution or a linear map from the student's channels to the teacher's, in the student's dtype."""
    which = f"the features of {name} and {other_name}"
    shapes = f"{tuple(ours.shape)} and {tuple(theirs.shape)}"
    if ours.ndim != theirs.ndim or not 2 <= ours.ndim <= 5:
        raise fail(which, "have the same number of dimensions, two to five, the first the examples", shapes,
                   "Name layers of one kind; N x 1 for a single number.")  # fmt: skip
    at = _channel_dim(which, ours, theirs, channels)
    if [s for d, s in enumerate(ours.shape) if d != at] != [s for d, s in enumerate(theirs.shape) if d != at]:
        rule = "have equal height and width" if ours.ndim == 4 else "differ in their channels only"
        raise fail(which, rule, shapes, "Choose layers of the same resolution.")
    options: dict[str, Any] = {"bias": False, "device": ours.device, "dtype": ours.dtype}
    if at == ours.ndim - 1:
        return nn.Linear(ours.shape[-1], theirs.shape[-1], **options)
    kind = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[ours.ndim]
    return kind(ours.shape[1], theirs.shape[1], 1, **options)


def _channel_dim(which: str, ours: Tensor, theirs: Tensor, channels: str) -> int:
    """Where the channels are: second in images and volumes, last in rows; in N x A x B where the two differ."""
    if channels != "auto" or ours.ndim != 3:
        last = channels == "last" or ours.ndim == 2
        return ours.ndim - 1 if last else 1
    first, last = ours.shape[2] == theirs.shape[2], ours.shape[1] == theirs.shape[1]
    if first == last:
        remedy = 'Say channels="first" (N x C x L, convolutions) or channels="last" (N x L x C, tokens).'
        shapes = f"{tuple(ours.shape)} and {tuple(theirs.shape)}"
        raise fail(which, "show which dimension holds the channels", shapes, remedy)
    return 1 if first else 2

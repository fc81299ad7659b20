"""Adaptors: features of several teachers or tasks, each after its own map, at unit length (Li & Bilen 2020)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.losses._checks import _full, _same_shape
from kdcourse.losses.base import Step, _teacher
from kdcourse.losses.hints import Hint

__all__ = ["Adaptor", "unit_distance"]


def unit_distance(student_feature: Tensor, teacher_feature: Tensor) -> Tensor:
    """|f_s/|f_s| - f_t/|f_t||^2, the mean over images; the student's feature already mapped (Li & Bilen 2020).

    Each image's feature is flattened and divided by its length, so a loss of large features drowns no other.
    """
    _same_shape("student_feature", student_feature, "teacher_feature", teacher_feature)
    ours, theirs = (F.normalize(_full(f).flatten(1), dim=1) for f in (student_feature, teacher_feature))
    return (ours - theirs).square().sum(dim=1).mean()


class Adaptor(Hint):
    """``unit_distance`` between pairs of layers after a learned 1 x 1 map of the student's feature (an *adaptor*).

    Args:
        layers: {student layer: teacher layer}, names from ``named_modules()``.
        channels: as in ``Hint``.
        name: the term's name.
    """

    def __init__(self, layers: Any, *, channels: str = "auto", name: str = "adaptor") -> None:
        super().__init__(layers, channels=channels, name=name)

    def terms(self, step: Step) -> dict[str, Tensor]:
        theirs = _teacher(step, self.name).features
        pairs = zip(self.layers.items(), self.projections, strict=True)
        values = [unit_distance(project(step.student.features[s]), theirs[t]) for (s, t), project in pairs]
        return {self.name: torch.stack(values).sum()}

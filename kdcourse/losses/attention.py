"""Attention transfer: where the student looks imitates where the teacher looks (Zagoruyko & Komodakis 2017)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse._arguments import fail, positive
from kdcourse.losses._checks import _full
from kdcourse.losses.base import Loss, Step, _teacher
from kdcourse.models import features

__all__ = ["AttentionTransfer", "attention_map", "attention_transfer"]


def attention_map(feature: Tensor, *, power: float = 2.0) -> Tensor:
    """Q / ||Q|| with Q = sum over channels of |F|^p, flattened. Shapes: N x C x H x W (or longer) to N x H*W.

    An image whose feature is zero everywhere has a map of zeros.
    """
    if feature.ndim < 3:
        rule = "have places: N x C x H x W or N x C x L"
        raise fail("feature", rule, tuple(feature.shape), "Name a layer before the pooling.")
    return F.normalize(_full(feature).abs().pow(power).sum(dim=1).flatten(1), dim=1)


def attention_transfer(student_feature: Tensor, teacher_feature: Tensor, *, power: float = 2.0) -> Tensor:
    """||Q_s/||Q_s|| - Q_t/||Q_t|| ||, the mean over images (Zagoruyko & Komodakis 2017, equation 2).

    The channels may differ, height and width may not. This is the paper's loss. The authors' code takes the mean over
    places of the *squared* difference, which is far smaller: their weight 1000 is for that.

    Args:
        student_feature, teacher_feature: N x C x H x W (or N x C x L), of equal height and width.
        power: p of the map, 2 in the paper.
    """
    positive("power", power)
    ours, theirs = attention_map(student_feature, power=power), attention_map(teacher_feature, power=power)
    if student_feature.shape[2:] != teacher_feature.shape[2:] or len(ours) != len(theirs):
        shapes = f"{tuple(student_feature.shape)} and {tuple(teacher_feature.shape)}"
        raise fail("the features", "have equal height and width", shapes, "Choose layers of the same resolution.")
    apart: Tensor = torch.linalg.vector_norm(ours - theirs, dim=1).mean()
    return apart


class AttentionTransfer(Loss):
    """``attention_transfer`` between pairs of layers, added up; nothing is learned.

    Args:
        layers: {student layer: teacher layer}, names from ``named_modules()``.
        power: p of the maps.
        name: the term's name.
    """

    def __init__(self, layers: Mapping[str, str], *, power: float = 2.0, name: str = "attention_transfer") -> None:
        super().__init__(name)
        positive("power", power)
        if not isinstance(layers, Mapping) or not layers:
            raise fail("layers", "map student layers to teacher layers", layers, 'Write {"block2": "block4"}.')
        self.layers, self.power = dict(layers), float(power)
        self.needs_teacher, self.reads_logits = True, False
        self.student_layers, self.teacher_layers = tuple(layers), tuple(layers.values())

    def options(self) -> dict[str, Any]:
        return {"layers": self.layers, "power": self.power}

    def prepare(self, student: nn.Module, teacher: nn.Module | None, inputs: Any) -> None:
        """Try the pairs once, so that unequal sizes are found before any step."""
        if teacher is None:
            raise fail(f"the loss {self.name}", "have a teacher", None, "Use distill(teacher, student, ...).")
        ours, theirs = features(student, inputs, self.student_layers), features(teacher, inputs, self.teacher_layers)
        for s, t in self.layers.items():
            attention_transfer(ours[s], theirs[t], power=self.power)

    def terms(self, step: Step) -> dict[str, Tensor]:
        ours, theirs = step.student.features, _teacher(step, self.name).features
        pairs = [attention_transfer(ours[s], theirs[t], power=self.power) for s, t in self.layers.items()]
        return {self.name: torch.stack(pairs).sum()}

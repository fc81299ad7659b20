"""What a layer is worth: the article's layer-wise "Taylor FO" loss, taken literally."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse._arguments import fail, positive
from kdcourse.losses import Loss, Step
from kdcourse.models import features

__all__ = ["LayerwiseLoss", "layerwise"]


def layerwise(
    entering: Sequence[Tensor], target: Tensor, projections: Sequence[nn.Module], parameters: Sequence[Tensor],
    penalty: float,
) -> Tensor:  # fmt: skip
    """sum_k mean 1/2 (P_k f^(k-1) - f*)^2 + penalty sum_k ||theta_k||^2: the article's formula (1).

    Args:
        entering: for each layer k, f^(k-1), N x anything; flattened here.
        target: f*, the teacher's logits, N x C.
        projections: for each layer P_k, a map from the flattened width to C.
        parameters: the parameters of all layers; not read where penalty is 0.
        penalty: the weight of the squared norm, at least 0.
    """
    pairs = zip(entering, projections, strict=True)
    distances = [0.5 * (project(f.flatten(1)) - target).square().mean() for f, project in pairs]
    loss = torch.stack(distances).sum()
    if penalty > 0:
        loss = loss + penalty * torch.stack([p.square().sum() for p in parameters]).sum()
    return loss


class LayerwiseLoss(Loss):
    """``layerwise`` over named layers of the student, the last of which is layer K.

    Taken literally, layer k is trained only by the terms of later layers, and layer K by none: with ``penalty=0``
    it gets no gradient at all. ``own_output=True`` reads f^k, each layer's own output, instead: deep supervision
    (Lee et al. 2015), which stands in the history under that name.

    Args:
        layers: the student's layers in order, names from ``named_modules()``.
        penalty: the weight of the squared norm of their parameters.
        own_output: read what each layer gives instead of what enters it.
    """

    def __init__(
        self, layers: Sequence[str], *, penalty: float, own_output: bool = False, name: str | None = None
    ) -> None:
        super().__init__(name or ("deep_supervision" if own_output else "layerwise"))
        positive("penalty", penalty, zero=True)
        if isinstance(layers, str) or not layers or len(set(layers)) != len(layers):
            raise fail("layers", "be a list of different layer names", layers, 'Write ["block1", "head"], say.')
        self.layers, self.penalty, self.needs_teacher = tuple(layers), float(penalty), True
        self.student_layers = self.layers if own_output else tuple(f"{layer}:in" for layer in layers)
        self.projections = nn.ModuleList()

    def prepare(self, student: nn.Module, teacher: nn.Module | None, inputs: Any) -> None:
        if teacher is None:
            raise fail(f"the loss {self.name}", "have a teacher", None, "Use distill(teacher, student, ...).")
        outputs = teacher(inputs).shape[1]
        read = features(student, inputs, self.student_layers)
        self.projections = nn.ModuleList(_projection(read[layer], outputs) for layer in self.student_layers)

    def terms(self, step: Step) -> dict[str, Tensor]:
        assert step.teacher is not None and step.student.module is not None  # distill gives both
        modules = [step.student.module.get_submodule(layer) for layer in self.layers]
        own = list(dict.fromkeys(p for module in modules for p in module.parameters()))
        read = [step.student.features[layer] for layer in self.student_layers]
        return {self.name: layerwise(read, step.teacher.logits, list(self.projections), own, self.penalty)}


def _projection(feature: Tensor, outputs: int) -> nn.Module:
    width = feature[0].numel()
    return nn.Identity() if width == outputs else nn.Linear(width, outputs, bias=False, device=feature.device)

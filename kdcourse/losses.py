"""What to imitate: every loss once, a function with the mathematics and a class with the options.

The student's output comes first, always. ``number * loss`` and ``loss + loss`` give a ``Loss`` again.
Sources: Hinton et al. 2015 (soft targets), Romero et al. 2015 (hints), Szegedy et al. 2016 (label smoothing),
Ba & Caruana 2014 (regression on logits).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse._arguments import fail, fraction, one_of, positive
from kdcourse.data import NO_LABEL
from kdcourse.models import features

__all__ = [
    "CrossEntropy", "Hint", "LogitMSE", "Loss", "MSE", "Side", "SoftTargets", "Step", "Weighted", "as_loss",
    "cross_entropy", "hint", "logit_mse", "mse", "soft_targets", "softened_kl",
]  # fmt: skip

REDUCTIONS = ("mean", "sum", "none")
RESERVED = ("loss", "grad_norm", "lr", "seconds")  # what a history says besides the terms


# ---------------------------------------------------------------- functions: the mathematics


def _full(values: Tensor) -> Tensor:
    """Half precision becomes float32: a loss needs its digits. float32 and float64 stay."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _same_shape(argument: str, value: Tensor, name: str, other: Tensor) -> None:
    if value.shape != other.shape:
        rule = f"have the shape of {name}, {tuple(other.shape)}"
        raise fail(argument, rule, tuple(value.shape), "Check that both models answer the same batch and classes.")


def _reduce(per_image: Tensor, reduction: str) -> Tensor:
    one_of("reduction", reduction, REDUCTIONS)
    return per_image if reduction == "none" else per_image.sum() if reduction == "sum" else per_image.mean()


def cross_entropy(
    student_logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Softmax and cross-entropy: -log softmax(z)[y], the mean over the images that have a label.

    Args:
        student_logits: N x C.
        labels: N integers in [0, C); -100 means no label: such an image contributes 0, as does a batch without any.
        label_smoothing: the share of the target that is spread evenly over all classes (Szegedy et al. 2016).
        reduction: "mean", "sum" or "none" (one value an image).
    """
    if student_logits.ndim != 2 or labels.shape != student_logits.shape[:1]:
        shapes = f"{tuple(student_logits.shape)} and {tuple(labels.shape)}"
        raise fail("student_logits and labels", "be N x C and N", shapes, "Give one label an image.")
    fraction("label_smoothing", label_smoothing)
    if labels.is_floating_point():
        remedy = "Use MSE or LogitMSE for regression; .long() for classes stored as floats."
        raise fail("labels", "be whole numbers", str(labels.dtype), remedy)
    low, high = (int(v) for v in labels.aminmax()) if len(labels) else (0, 0)
    classes, logits = student_logits.shape[1], _full(student_logits)
    options: dict[str, Any] = {"label_smoothing": label_smoothing, "ignore_index": NO_LABEL}
    if low >= 0 and high < classes and len(labels):  # the usual case: every image has a label
        return F.cross_entropy(logits, labels.long(), reduction=one_of("reduction", reduction, REDUCTIONS), **options)
    wrong = ((labels < 0) & (labels != NO_LABEL)) | (labels >= classes)
    if bool(wrong.any()):
        rule = f"lie in [0, {classes}) or be -100"
        raise fail("labels", rule, labels[wrong][0].item(), "Count classes from 0; check num_classes.")
    per_image = F.cross_entropy(logits, labels.long(), reduction="none", **options)
    if reduction == "mean":
        return per_image.sum() / (labels != NO_LABEL).sum().clamp(min=1)
    return _reduce(per_image, reduction)


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


def hint(student_feature: Tensor, teacher_feature: Tensor) -> Tensor:
    """(f_s - f_t)^2, the mean over batch and elements (Romero et al. 2015); the student's already projected."""
    _same_shape("student_feature", student_feature, "teacher_feature", teacher_feature)
    return (_full(student_feature) - _full(teacher_feature)).square().mean()


# ---------------------------------------------------------------- classes: the options


@dataclass
class Side:
    """One model's share of a step: its logits, the captured features by layer, and the model itself."""

    logits: Any
    features: Mapping[str, Tensor] = field(default_factory=dict)
    module: nn.Module | None = None


@dataclass
class Step:
    """What a loss may look at: inputs, labels (None where there are none), student, teacher (None without one)."""

    inputs: Any
    labels: Any
    student: Side
    teacher: Side | None


class Loss(nn.Module):
    """A loss with a name. Subclasses give ``terms(step)``; ``prepare`` is for those with parts of their own.

    Attributes:
        name: the term's name in a run's history.
        needs_teacher, needs_labels: whether it needs a teacher, the labels.
        reads_logits: whether it reads the teacher's logits (a hint reads features only).
        student_layers, teacher_layers: names from ``named_modules()`` that it looks at; ``"name:in"`` enters a layer.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.needs_teacher = self.needs_labels = False
        self.reads_logits = True
        self.student_layers: tuple[str, ...] = ()
        self.teacher_layers: tuple[str, ...] = ()

    @property
    def parts(self) -> list[tuple[float, "Loss"]]:
        """(weight, loss) pairs: itself once, or what a sum was made of."""
        return [(1.0, self)]

    def prepare(self, student: nn.Module, teacher: nn.Module | None, inputs: Any) -> None:
        """Build what depends on real shapes. Called once, in eval mode, without gradients."""

    def terms(self, step: Step) -> dict[str, Tensor]:
        """The loss of one batch, by name, unweighted."""
        raise NotImplementedError(f"{type(self).__name__} must define terms(step) -> dict of scalars")

    def forward(self, student_logits: Any, teacher_logits: Any = None, labels: Any = None) -> Tensor:
        """The scalar for plain logits; a loss that looks inside the models says that it needs ``distill``."""
        if self.student_layers or self.teacher_layers:
            layers = ", ".join(self.student_layers + self.teacher_layers)
            inside = [part.name for _, part in self.parts if part.student_layers or part.teacher_layers]
            raise TypeError(f"{', '.join(inside)} looks inside the models ({layers}) and needs distill(..., loss=...).")
        if self.needs_teacher and teacher_logits is None:
            raise fail("teacher_logits", f"be given: {self.name} compares with the teacher", None, "Pass them second.")
        if self.needs_labels and labels is None:
            raise fail("labels", f"be given: {self.name} needs them", None, "Pass them third.")
        teacher = None if teacher_logits is None else Side(teacher_logits)
        return self.total(Step(None, labels, Side(student_logits), teacher))[0]

    def total(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of all terms, and each term by name, unweighted."""
        named: dict[str, Tensor] = {}
        weighted: list[Tensor] = []
        for weight, part in self.parts:
            for name, value in part.terms(step).items():
                named[_free_name(name, {*RESERVED, *named})] = value
                weighted.append(weight * value)
        return torch.stack([w.reshape(()) for w in weighted]).sum() if len(weighted) > 1 else weighted[0], named

    def __add__(self, other: Any) -> "Loss":
        if isinstance(other, (int, float)) and other == 0:  # sum() starts from 0
            return self
        return Weighted([*self.parts, *as_loss(other).parts])

    def __radd__(self, other: Any) -> "Loss":
        return self if isinstance(other, (int, float)) and other == 0 else as_loss(other) + self

    def __mul__(self, weight: float) -> "Loss":
        if not isinstance(weight, (int, float)) or not math.isfinite(weight):
            raise fail("a loss's weight", "be a finite number", weight, "Write 0.5 * loss.", TypeError)
        return Weighted([(weight * w, part) for w, part in self.parts])

    __rmul__ = __mul__


def _free_name(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(f"{name}_{i}" for i in range(2, len(taken) + 3) if f"{name}_{i}" not in taken)


class Weighted(Loss):
    """A weighted sum of losses: what ``0.9 * a + 0.1 * b`` gives. The same loss may stand in it twice."""

    def __init__(self, parts: Sequence[tuple[float, Loss]]) -> None:
        super().__init__(" + ".join(loss.name for _, loss in parts))
        self.weights = [float(weight) for weight, _ in parts]
        self.losses = nn.ModuleList(loss for _, loss in parts)
        self.needs_teacher = any(loss.needs_teacher for _, loss in parts)
        self.needs_labels = any(loss.needs_labels for _, loss in parts)
        self.reads_logits = any(loss.needs_teacher and loss.reads_logits for _, loss in parts)
        self.student_layers = tuple(dict.fromkeys(n for _, loss in parts for n in loss.student_layers))
        self.teacher_layers = tuple(dict.fromkeys(n for _, loss in parts for n in loss.teacher_layers))

    @property
    def parts(self) -> list[tuple[float, Loss]]:
        return [(w, loss) for w, loss in zip(self.weights, self.losses, strict=True) if isinstance(loss, Loss)]

    def prepare(self, student: nn.Module, teacher: nn.Module | None, inputs: Any) -> None:
        for loss in dict.fromkeys(loss for _, loss in self.parts):
            loss.prepare(student, teacher, inputs)

    def terms(self, step: Step) -> dict[str, Tensor]:
        return self.total(step)[1]


class Plain(Loss):
    """Any callable ``(student_logits, teacher_logits, labels) -> scalar``, under its own name."""

    def __init__(self, function: Callable[..., Tensor], name: str | None = None) -> None:
        own = getattr(function, "__name__", type(function).__name__)
        super().__init__(name or ("custom" if own == "<lambda>" else own))
        self.function = function
        self.needs_teacher = True

    def terms(self, step: Step) -> dict[str, Tensor]:
        value = self.function(step.student.logits, step.teacher and step.teacher.logits, step.labels)
        if not isinstance(value, Tensor) or value.numel() != 1:
            shown = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise fail(f"the loss {self.name}", "return a scalar tensor", shown, "Reduce it with .mean().", TypeError)
        return {self.name: value}


def as_loss(loss: Any) -> Loss:
    """A ``Loss`` as it is; a plain callable wrapped under its ``__name__``."""
    if isinstance(loss, Loss):
        return loss
    if not callable(loss):
        rule = "be a Loss or a callable (student_logits, teacher_logits, labels) -> scalar"
        raise fail("loss", rule, loss, "Write kd.losses.SoftTargets(), say.", TypeError)
    return Plain(loss)


def _teacher(step: Step, name: str) -> Side:
    if step.teacher is None:
        raise fail(f"the loss {name}", "have a teacher", None, "Use distill(teacher, student, ...).")
    return step.teacher


class CrossEntropy(Loss):
    """``cross_entropy`` as a loss term."""

    def __init__(self, *, label_smoothing: float = 0.0, reduction: str = "mean", name: str = "cross_entropy") -> None:
        super().__init__(name)
        fraction("label_smoothing", label_smoothing)
        one_of("reduction", reduction, REDUCTIONS[:2])
        self.label_smoothing, self.reduction, self.needs_labels = label_smoothing, reduction, True

    def terms(self, step: Step) -> dict[str, Tensor]:
        logits = step.student.logits
        if step.labels is None:
            return {self.name: logits.sum() * 0.0}
        options: dict[str, Any] = {"label_smoothing": self.label_smoothing, "reduction": self.reduction}
        return {self.name: cross_entropy(logits, step.labels, **options)}


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
        self.reduction, self.needs_labels = reduction, True

    def terms(self, step: Step) -> dict[str, Tensor]:
        return {self.name: mse(step.student.logits, step.labels, reduction=self.reduction)}


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

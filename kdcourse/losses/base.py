"""What a loss is: terms by name that add and scale, with the student's output first.

``number * loss`` and ``loss + loss`` give a ``Loss`` again; a plain callable in a sum is wrapped under its name.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.loss import _Loss

from kdcourse._arguments import fail
from kdcourse.data import NO_LABEL

__all__ = ["Criterion", "Loss", "Plain", "Side", "Step", "Weighted", "as_loss"]

RESERVED = ("loss", "grad_norm", "lr", "seconds")  # what a history says besides the terms


@dataclass
class Side:
    """One model's share of a step: its logits, the captured features by layer, and the model itself."""

    logits: Any
    features: Mapping[str, Tensor] = field(default_factory=dict)
    module: nn.Module | None = None


@dataclass
class Step:
    """What a loss may look at: inputs, labels (None where there are none), student, teacher (None without one).

    ``checked``: the labels were checked where they entered, so a loss need not read their values again.
    """

    inputs: Any
    labels: Any
    student: Side
    teacher: Side | None
    checked: bool = False


class Loss(nn.Module):
    """A loss with a name. Subclasses give ``terms(step)``; ``prepare`` is for those with parts of their own.

    Attributes:
        name: the term's name in a run's history.
        needs_teacher, needs_labels: whether it needs a teacher, the labels.
        reads_logits: whether it reads the teacher's logits (a hint reads features only).
        squared: whether it is a squared error on labels, so that labels are the targets of a regression.
        student_layers, teacher_layers: names from ``named_modules()`` that it looks at; ``"name:in"`` enters a layer.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.needs_teacher = self.needs_labels = False
        self.reads_logits, self.squared = True, False
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
            for name, value in _terms(part, step).items():
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
        if not isinstance(weight, Real) or isinstance(weight, bool) or not math.isfinite(weight):
            raise fail("a loss's weight", "be a finite number", weight, "Write 0.5 * loss.", TypeError)
        return Weighted([(float(weight) * w, part) for w, part in self.parts])

    __rmul__ = __mul__

    def options(self) -> dict[str, Any]:
        """What distinguishes this loss from another of its class, for its repr."""
        return {}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_short(value)}" for name, value in self.options().items())
        return f"{type(self).__name__}({shown})"


def _short(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"[{', '.join(f'{v:.3g}' for v in value.flatten()[:6].tolist())}{', …' if value.numel() > 6 else ''}]"
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _free_name(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(f"{name}_{i}" for i in range(2, len(taken) + 3) if f"{name}_{i}" not in taken)


def _terms(part: Loss, step: Step) -> Mapping[str, Tensor]:
    """A loss's terms, each one number."""
    found = part.terms(step)
    if not isinstance(found, Mapping):
        raise fail(
            f"the loss {part.name}",
            "give its terms by name",
            type(found).__name__,
            "Return {self.name: value}.",
            TypeError,
        )
    for name, value in found.items():
        if not isinstance(value, Tensor) or value.numel() != 1:
            shown = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise fail(f"the term {name}", "be a scalar tensor", shown, "Reduce it with .mean().", TypeError)
    return found


class Weighted(Loss):
    """A weighted sum of losses: what ``0.9 * a + 0.1 * b`` gives. The same loss may stand in it twice."""

    def __init__(self, parts: Sequence[tuple[float, Loss]]) -> None:
        super().__init__(" + ".join(loss.name for _, loss in parts))
        self.weights = [float(weight) for weight, _ in parts]
        self.losses = nn.ModuleList(loss for _, loss in parts)
        self.needs_teacher = any(loss.needs_teacher for _, loss in parts)
        self.needs_labels = any(loss.needs_labels for _, loss in parts)
        self.reads_logits = any(loss.needs_teacher and loss.reads_logits for _, loss in parts)
        self.squared = any(loss.squared for _, loss in parts)
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

    def __repr__(self) -> str:
        return " + ".join(f"{weight:g} {loss!r}" for weight, loss in self.parts)


class Plain(Loss):
    """Any callable ``(student_logits, teacher_logits, labels) -> scalar``, under its own name."""

    def __init__(self, function: Callable[..., Tensor], name: str | None = None) -> None:
        own = getattr(function, "__name__", type(function).__name__)
        super().__init__(name or ("custom" if own == "<lambda>" else own))
        self.function = function
        self.needs_teacher = True

    def terms(self, step: Step) -> dict[str, Tensor]:
        return self._scalar(self.function(step.student.logits, step.teacher and step.teacher.logits, step.labels))

    def _scalar(self, value: Any) -> dict[str, Tensor]:
        if not isinstance(value, Tensor) or value.numel() != 1:
            shown = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise fail(f"the loss {self.name}", "return a scalar tensor", shown, "Reduce it with .mean().", TypeError)
        return {self.name: value}

    def __repr__(self) -> str:
        return self.name


class Criterion(Plain):
    """A criterion of two arguments (outputs, labels), as torch's own are; it never sees the teacher."""

    def __init__(self, function: Callable[..., Tensor], name: str | None = None) -> None:
        super().__init__(function, name)
        self.needs_teacher, self.needs_labels = False, True
        if isinstance(function, nn.Module):
            self.criterion = function  # a submodule: its class weights follow the run's device
        squares = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.GaussianNLLLoss, nn.PoissonNLLLoss)
        named = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss")
        self.squared = isinstance(function, squares) or self.name in named

    def terms(self, step: Step) -> dict[str, Tensor]:
        outputs, labels = step.student.logits, step.labels
        if labels is None:
            return {self.name: outputs.sum() * 0.0}
        outputs, labels = self._beside(outputs, labels)
        if isinstance(labels, Tensor) and not bool((labels != NO_LABEL).any()):  # a batch without any contributes 0
            return {self.name: outputs.sum() * 0.0}
        try:
            return self._scalar(self.function(outputs, labels))
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            shapes = f"outputs {_about(outputs)} and labels {_about(labels)}: {error}"
            remedy = f"Adapt them: loss=lambda s, t, y: F.{_functional(self.function)}(s, y)."
            raise fail(f"the criterion {self.name}", "accept (outputs, labels)", shapes, remedy) from error

    def _beside(self, outputs: Any, labels: Any) -> tuple[Any, Any]:
        """Labels of N beside outputs of N x 1 (torch would compare each with every other), whole bits as floats."""
        bits = isinstance(self.function, (nn.BCEWithLogitsLoss, nn.BCELoss)) or "binary_cross_entropy" in self.name
        if not (bits or self.squared) or not isinstance(outputs, Tensor) or not isinstance(labels, Tensor):
            return outputs, labels
        labels = labels.to(outputs.dtype)
        if labels.shape != outputs.shape and labels.numel() == outputs.numel():
            labels = labels.reshape(outputs.shape)
        if labels.shape != outputs.shape:
            shapes = f"{tuple(outputs.shape)} and {tuple(labels.shape)}"
            raise fail("outputs and labels", f"have one shape for {self.name}", shapes, "Reshape the labels.")
        known = labels != NO_LABEL
        if bits and not bool(known.all()):
            outputs, labels = outputs[known], labels[known]
        if bits and not bool(((labels >= 0) & (labels <= 1)).all()):
            odd = labels[(labels < 0) | (labels > 1)][0].item()
            raise fail("labels", f"lie in [0, 1] for {self.name}", odd, "Write -100 where a label is unknown.")
        return outputs, labels


def _about(value: Any) -> str:
    return f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else type(value).__name__


def as_loss(loss: Any) -> Loss:
    """A ``Loss`` as it is; a plain callable wrapped under its ``__name__``.

    torch's criteria (``nn.CrossEntropyLoss(weight=w)``, ``F.mse_loss``) and callables of two arguments are called with
    (outputs, labels), all others with (student_logits, teacher_logits, labels).
    """
    if isinstance(loss, Loss):
        return loss
    if not callable(loss) or isinstance(loss, type):
        rule = "be a Loss or a callable (student_logits, teacher_logits, labels) -> scalar"
        raise fail("loss", rule, loss, "Write kd.losses.SoftTargets(), say.", TypeError)
    if _takes_two(loss):
        return Criterion(loss)
    return Plain(loss) if _takes_three(loss) else Plain(_of_both(loss))


def _takes_three(function: Callable[..., Any]) -> bool:
    try:
        return _binds(inspect.signature(function.forward if isinstance(function, nn.Module) else function), 3)
    except (TypeError, ValueError):
        return True


def _of_both(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """A function of (student, teacher) as one of three arguments, under its name."""

    def both(student_logits: Any, teacher_logits: Any, labels: Any) -> Tensor:
        found: Tensor = function(student_logits, teacher_logits)
        return found

    both.__name__ = getattr(function, "__name__", type(function).__name__)
    return both


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether this is one of torch's criteria, or can be called with two arguments and not with three."""
    if isinstance(function, _Loss) or getattr(function, "__module__", "") in ("torch.nn.functional", "torch._C._nn"):
        return True
    try:
        signature = inspect.signature(function.forward if isinstance(function, nn.Module) else function)
    except (TypeError, ValueError):
        return False
    names = list(signature.parameters)
    return _binds(signature, 2) and not _binds(signature, 3) and not _teachers(names[1])


def _teachers(name: str) -> bool:
    """Whether a second argument of that name is the teacher's answer, not the label."""
    return "teacher" in name or name in ("t", "zt", "z_t", "logits_t", "soft")


def _binds(signature: inspect.Signature, n: int) -> bool:
    try:
        signature.bind(*[None] * n)
    except TypeError:
        return False
    return True


def _functional(criterion: Any) -> str:
    """The function behind one of torch's criteria, for a message: CrossEntropyLoss -> cross_entropy."""
    names = {
        "CrossEntropyLoss": "cross_entropy", "MSELoss": "mse_loss", "KLDivLoss": "kl_div", "L1Loss": "l1_loss",
        "BCEWithLogitsLoss": "binary_cross_entropy_with_logits", "BCELoss": "binary_cross_entropy",
    }  # fmt: skip
    return names.get(type(criterion).__name__, getattr(criterion, "__name__", type(criterion).__name__))


def three_arguments(loss: Criterion) -> str:
    """How to write this criterion for ``distill``, between the two models."""
    name = _functional(loss.function)
    theirs = "t.softmax(1)" if name == "cross_entropy" else "t.sigmoid()" if "binary" in name else "t"
    return f"loss=lambda s, t, y: torch.nn.functional.{name}(s, {theirs})"


def _teacher(step: Step, name: str) -> Side:
    if step.teacher is None:
        raise fail(f"the loss {name}", "have a teacher", None, "Use distill(teacher, student, ...).")
    return step.teacher

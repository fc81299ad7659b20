"""Do model, labels, loss and metric fit together? Asked once, on one batch, before anything long begins."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kdcourse._answers import Adapted, check_images, first_answer, logits_of
from kdcourse._arguments import fail
from kdcourse._feeds import Batch, Feed, autocast, labelled
from kdcourse._scores import accuracies
from kdcourse._settings import Metric, Settings, name_of
from kdcourse._targets import kind_of, probabilities
from kdcourse.data import seed_all
from kdcourse.losses import MSE, Criterion, CrossEntropy, Loss, Plain, Side, SoftTargets, Step
from kdcourse.losses.base import three_arguments
from kdcourse.models import preserved


@dataclass
class Read:
    """What the labels turned out to be beside the student's first outputs."""

    outputs: Any
    kind: str
    val_kind: str
    squared: bool


def read_labels(
    student: nn.Module, feed: Feed, held: Feed | None, loss: Loss | None, s: Settings, device: torch.device
) -> Read:
    """Ask the student once about each feed's first batch and fix what the labels mean."""
    kinds, outputs = [], None
    squared = loss.squared if loss is not None else False
    own = loss is not None and all(
        isinstance(part, Plain) and not isinstance(part, Criterion) for _, part in loss.parts
    )
    with preserved(student), torch.no_grad(), autocast(device, s.precision):
        for one in (feed, held) if held is not None else (feed,):
            check_images(student, one.sample(augmented=False).inputs, "student")
            inputs = one.sample().inputs
            answer = first_answer(partial(s.forwards()[1], student, inputs), student, inputs, "student")
            heads = isinstance(one.labels, Mapping) or own
            outputs = logits_of(answer, "student", heads=heads) if outputs is None else outputs
            if loss is None and isinstance(one.labels, Tensor) and one is feed:
                squared = one.labels.is_floating_point() and kind_of(answer, one.labels) in ("binary", "regression")
            kind = _kind(answer, one.labels, squared, own and (one is feed or "own" in kinds))
            one.read_as(kind, answer)
            kinds.append(kind)
    if not own:
        _same_kind(kinds)
    return Read(outputs, kinds[0], kinds[-1] if held is not None else "none", squared)


def _kind(answer: Any, labels: Any, squared: bool, own: bool) -> str:
    """The labels' kind; "own" where they fit none and the caller's function alone reads them."""
    try:
        return kind_of(answer, labels, squared=squared)
    except ValueError:
        if not own:
            raise
        return "own"


def _same_kind(kinds: list[str]) -> None:
    """Training and validation labels mean the same.

    Classes may stand beside probabilities and judge who was trained on a teacher's logits; none stand beside anything.
    """
    if kinds == ["regression", "classes"]:
        return
    met = {"classes" if kind == "soft" else kind for kind in kinds if kind not in ("none", "heads")}
    if len(met) > 1:
        raise fail(
            "val", f"have labels of the training labels' kind, {kinds[0]}", kinds[1], "Check both label tensors."
        )


def default_loss(read: Read) -> Loss:
    """``train``'s loss where none was given: cross-entropy for classes and probabilities, squared error for floats."""
    if read.kind == "dense":
        raise fail("loss", "be given for dense outputs", f"outputs of shape {tuple(read.outputs.shape)}",
                   "Pass loss=kd.losses.CrossEntropy(dim=1), or the dimension that holds the classes.")  # fmt: skip
    if read.kind in ("binary", "multilabel"):
        what = "one output and labels 0 and 1" if read.kind == "binary" else "many-hot labels"
        raise fail("loss", "be given for several labels an example or one output", what,
                   "Pass loss=torch.nn.BCEWithLogitsLoss().")  # fmt: skip
    if read.kind in ("none", "heads"):
        kind = "no labels" if read.kind == "none" else "several heads"
        raise fail("loss", "be given where the labels are not one tensor", kind, "Pass loss=.")
    return MSE() if read.kind == "regression" else CrossEntropy()


def _softmax_labels(loss: Loss, kind: str, what: str) -> None:
    """Refuse a softmax cross-entropy on labels that are neither class numbers nor probabilities."""
    reading = [part.name for _, part in loss.parts
               if part.name in ("CrossEntropyLoss", "cross_entropy") or (isinstance(part, (CrossEntropy, SoftTargets))
               and part.needs_labels)]  # fmt: skip
    if reading and kind not in ("classes", "soft", "dense", "none", "heads"):
        remedy = (
            "Many-hot labels and one logit: torch.nn.BCEWithLogitsLoss() beside SoftTargets(alpha=1.0); targets: MSE()."
        )
        rule = f"be class numbers or probabilities for the loss {reading[0]}"
        raise fail(f"{what}labels", rule, {"multilabel": "many-hot", "binary": "one output"}.get(kind, kind), remedy)


def fit_together(
    loss: Loss, feed: Feed, held: Feed | None, teaching: bool, teacher: nn.Module | None, s: Settings
) -> None:
    """Refuse a loss without its labels or its teacher, and options without effect."""
    _softmax_labels(loss, feed.kind, "")
    loose = [part.name for _, part in loss.parts if part.needs_labels]
    unlabelled = (feed.part is not None and not labelled(feed.labels)) or feed.labels is None
    if loose and unlabelled:
        raise fail("data", f"have labels for the loss {', '.join(loose)}", "no label at all",
                   "Pass labelled data, or a loss without labels such as SoftTargets(alpha=1.0).")  # fmt: skip
    asking = [part.name for _, part in loss.parts if part.needs_teacher and not isinstance(part, Plain)]
    if not teaching and asking:
        raise fail("loss", "need no teacher in train()", ", ".join(asking), "Use distill(teacher, student, ...).")
    if teaching and all(isinstance(part, Criterion) for _, part in loss.parts):
        first = next(part for _, part in loss.parts if isinstance(part, Criterion))
        rule = "look at the teacher in distill: a criterion of two arguments compares outputs with labels"
        remedy = f"Write {three_arguments(first)}, or use kd.train; in a sum with SoftTargets() it may stay."
        raise fail("loss", rule, loss.name, remedy)
    if teaching and teacher is None and loss.teacher_layers:
        raise fail("loss", "look at logits only where they are recorded", ", ".join(loss.teacher_layers),
                   "Pass the teacher itself.")  # fmt: skip
    if held is None and s.patience is not None:
        raise fail("patience", "be left out without validation data", s.patience, "Pass val=, or remove it.")
    if held is None and s.metric != "auto":
        raise fail("metric", "be left out without validation data", name_of(s.metric), "Pass val=, or remove it.")


# ---------------------------------------------------------------- the metric that selects


@dataclass
class Chosen:
    """The metric that selects an epoch: its name in the history, how it is measured, and which way is better."""

    name: str
    function: Metric | None = None
    kind: str = "none"

    @property
    def by_teacher(self) -> bool:
        """Whether it compares with the teacher's answers."""
        return self.name == "agreement" and self.function is None

    @property
    def by_loss(self) -> bool:
        """Whether it is the validation loss."""
        return self.name == "loss" and self.function is None

    def measured(self, outputs: Sequence[Any], labels: Any, losses: Sequence[tuple[int, float]]) -> dict[str, float]:
        """``val_<name>`` and, where the loss selects but answers can be right, the accuracy too."""
        if self.function is not None:
            value = self.function(outputs[0], labels)
            if not isinstance(value, (Tensor, np.ndarray, Real)) or np.size(value) != 1:
                raise fail("metric", "return a number", type(value).__name__, "Return float(...).", TypeError)
            return {f"val_{self.name}": float(value)}
        if self.by_teacher:
            same = outputs[0].argmax(dim=1) == outputs[1].argmax(dim=1)
            return {"val_agreement": float(same.float().mean())}
        if self.by_loss:
            counted = [(size, value) for size, value in losses if size]
            total = sum(size for size, _ in counted)
            found = {"val_loss": sum(size * value for size, value in counted) / max(total, 1)}
            right = self.kind in ("binary", "multilabel", "classes", "soft", "dense")
            return found | ({"val_accuracy": _mean(accuracies(outputs[0], labels, self.kind))} if right else {})
        if self.name == "neg_mse":
            return {"val_neg_mse": -float((outputs[0].reshape(labels.shape) - labels).square().mean())}
        return {f"val_{self.name}": _mean(accuracies(outputs[0], labels, self.kind))}

    def score(self, averages: Mapping[str, float]) -> float:
        """What should rise."""
        value = averages[f"val_{self.name}"]
        return -value if self.by_loss else value


def _mean(values: Tensor) -> float:
    return float(values.float().mean())


def choose_metric(
    read: Read, held: Feed | None, loss: Loss, s: Settings, teaching: bool, teacher: nn.Module | None
) -> Chosen:
    """The metric by the labels' kind; see ``distill``."""
    if callable(s.metric):
        return Chosen(getattr(s.metric, "__name__", "metric").replace("<lambda>", "metric"), s.metric)
    if held is None:
        return Chosen("none")
    if not labelled(held.labels):
        if not teaching:
            raise fail("val", "have labels in train()", "no label at all", "Pass labelled validation data.")
        shapes = read.outputs.shape[1:] if isinstance(read.outputs, Tensor) else ()
        if len(shapes) != 1 or shapes[0] < 2:
            raise fail("metric", "be a function where outputs are no classes and val has no labels", "auto",
                       "Pass (outputs, labels) -> float, or labelled validation data.")  # fmt: skip
        if teacher is None and (held.part is None or held.part.soft is None):
            raise fail("val", "carry recorded logits or labels where there is no teacher", "neither",
                       "Pass val=(inputs, None, logits), or labels.")  # fmt: skip
        return Chosen("agreement")
    if read.val_kind == "heads":
        raise fail("metric", "be a function where there are several heads", "auto", "Pass (outputs, labels) -> float.")
    own = any(isinstance(part, Plain) and not part.squared for _, part in loss.parts)
    if read.val_kind in ("binary", "multilabel", "own") or (read.val_kind == "regression" and own):
        return Chosen("loss", None, read.val_kind)
    return Chosen("neg_mse" if read.val_kind == "regression" else "accuracy", None, read.val_kind)


# ---------------------------------------------------------------- the rehearsal


def rehearse(student: nn.Module, teacher: nn.Module | None, loss: Loss, loop: Any) -> None:
    """One batch through both models and the loss, in eval and in train mode, before the teacher answers everything.

    Builds the loss's projections; buffers and modes are given back.
    """
    s: Settings = loop.s
    first: Batch = loop.feed.sample()
    ask_teacher, ask_student = s.forwards()
    answer = None
    if teacher is not None:
        check_images(teacher, loop.feed.sample(augmented=False).inputs, "teacher")
        asking = partial(loop.supervisor.answer, loop.feed, first)
        answer = first_answer(asking, teacher, first.inputs, "teacher")
        logits_of(answer.logits, "teacher", heads=_own(loss) or isinstance(first.labels, Mapping))
        _same_classes(loop, student, first, answer)
    elif loop.supervisor is not None:
        answer = loop.supervisor.answer(loop.feed, first)
    seed_all(s.seed)
    with preserved(student), torch.no_grad():
        theirs = None if teacher is None else Adapted(teacher, ask_teacher)
        loss.prepare(Adapted(student, ask_student), theirs, first.inputs)
        _pass(student, loss, first, answer, loop)
    with preserved(student):
        loop.train_mode(student)
        logits, seen = _pass(student, loss, first, answer, loop, " in train mode")
        _check_gradients(loss, logits, seen)


def _pass(
    student: nn.Module, loss: Loss, batch: Batch, theirs: Side | None, loop: Any, mode: str = ""
) -> tuple[Any, Mapping[str, Tensor]]:
    with loop.looking, autocast(loop.device, loop.s.precision):
        run: Callable[[], Any] = lambda: loop.looking.run(lambda: loop.forward(student, batch.inputs))  # noqa: E731
        logits, seen = first_answer(run, student, batch.inputs, f"student{mode}")
        plain = _own(loss)
        if mode and isinstance(logits, tuple) and not plain:
            rule = "answer with one tensor of logits in train mode too"
            remedy = "Switch its side heads off (aux_logits=False), or let forward= pick the logits."
            raise fail("the student", rule, f"a {type(logits).__name__} of {len(logits)}", remedy, TypeError)
        logits_of(logits, f"student{mode}", heads=plain or isinstance(batch.labels, Mapping))
        _check_logits(loss, logits, theirs)
        _try_loss(loss, batch, Side(logits, seen, student), theirs, mode, long=loop.supervisor is not None)
        return logits, seen


def _try_loss(loss: Loss, batch: Batch, ours: Side, theirs: Side | None, mode: str, *, long: bool) -> None:
    """The loss once: without gradients, and where much work follows or the loss takes some itself with them."""
    bare = Side(_bare(ours.logits), _bare(ours.features), ours.module)
    if not mode or not long:
        try:
            with torch.no_grad():
                loss.total(Step(batch.inputs, batch.labels, bare, theirs, checked=True))
            return
        except RuntimeError as error:
            if "grad" not in str(error):
                raise
            if not mode:
                return
    total, _ = loss.total(Step(batch.inputs, batch.labels, ours, theirs, checked=True))
    if not total.requires_grad and isinstance(ours.logits, Tensor) and ours.logits.requires_grad:
        remedy = "Leave out .detach(), .item(), argmax and comparisons."
        raise fail("loss", "depend on a parameter that trains, by steps that have a gradient", loss.name, remedy)


def _check_logits(loss: Loss, logits: Any, theirs: Side | None) -> None:
    """Refuse probabilities where a loss takes the softmax itself, and a teacher that answers NaN."""
    softmax = [p for _, p in loss.parts if isinstance(p, (SoftTargets, CrossEntropy)) or p.name == "CrossEntropyLoss"]
    sides = {"student": logits, "teacher": theirs.logits if theirs is not None else None}
    for role, value in sides.items():
        if softmax and probabilities(value, "classes"):
            remedy = f"Leave the last Softmax of the {role} out, or pass forward=lambda model, x: model(x).log()."
            rule = "answer with logits: the loss takes the softmax itself"
            raise fail(f"the {role}", rule, "rows that sum to 1", remedy)
        if role == "teacher" and isinstance(value, Tensor) and bool(value.isnan().any()):
            raise fail("the teacher", "answer with numbers", "NaN", "Check its weights and the inputs.")


def _bare(value: Any) -> Any:
    """Tensors without their graph."""
    if isinstance(value, Mapping):
        return {name: _bare(item) for name, item in value.items()}
    return value.detach() if isinstance(value, Tensor) else value


def _same_classes(loop: Any, student: nn.Module, batch: Batch, theirs: Side) -> None:
    """Refuse to select by agreement between answers over different classes."""
    if not loop.metric.by_teacher:
        return
    with preserved(student), torch.no_grad(), autocast(loop.device, loop.s.precision):
        ours = loop.forward(student, batch.inputs)
    if tuple(ours.shape[1:]) != tuple(theirs.logits.shape[1:]):
        shapes = f"{tuple(ours.shape)} and {tuple(theirs.logits.shape)}"
        raise fail("metric", "be a function where student and teacher answer over different classes", shapes,
                   "Pass (outputs, labels) -> float, or labelled validation data.")  # fmt: skip


def _own(loss: Loss) -> bool:
    """Whether the caller's own functions alone read the outputs, which may then be anything."""
    return all(type(part) is Plain for _, part in loss.parts)


def _check_gradients(loss: Loss, logits: Any, seen: Mapping[str, Tensor]) -> None:
    """What the loss reads must come from parameters that train, and so must a feature that is imitated."""
    if isinstance(logits, Tensor) and not logits.requires_grad and not any(v.requires_grad for v in seen.values()):
        raise fail("loss", "depend on a parameter that trains", loss.name, "Unfreeze a layer that it reads.")
    dead = [layer for layer, value in seen.items() if not layer.endswith(":in") and not value.requires_grad]
    if dead:
        remedy = "Unfreeze what leads to it, or take it out of no_grad or a reentrant checkpoint."
        rule = "give a feature with a gradient: else only the projection would learn"
        raise fail("the student's layer", rule, dead[0], remedy)

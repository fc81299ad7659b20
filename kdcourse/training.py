"""The training loop: ``distill`` and its teacherless twin ``train``, one loop for both."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from kdcourse._arguments import fail
from kdcourse._feeds import Adapted, Batch, Feed, Supervisor, autocast, labelled, open_feed, predict, progress_bar
from kdcourse._settings import Metric, Settings, make_optimizer, make_scheduler, name_of
from kdcourse.data import NO_LABEL, Part, Splits, augmenter, epoch_seed, pick_device, seed_all, seeded
from kdcourse.losses import MSE, CrossEntropy, Loss, Plain, Side, SoftTargets, Step, as_loss
from kdcourse.models import Capture, preserved

__all__ = ["History", "Run", "TrainState", "TrainingDiverged", "distill", "train"]

EXPLODED = 1e4  # a batch's loss above this many times the first batch's (or above this, if that is below 1)


class TrainingDiverged(RuntimeError):
    """The loss or its gradient became NaN, infinite or huge. ``.run`` is the run so far, with the last good weights."""

    run: "Run"


class History(dict[str, list[float]]):
    """One list a quantity, one value an epoch: loss, every term, val_<metric>, grad_norm, lr, seconds."""

    def table(self) -> Any:
        """All epochs as a table that prints, and shows as HTML in a notebook."""
        from kdcourse.plots import Table

        rows = [[epoch, *values] for epoch, values in enumerate(zip(*self.values(), strict=True))]
        return Table(["epoch", *self], rows)


@dataclass
class TrainState:
    """All that a resumed run would need: random states are re-made from (seed, epoch) at every epoch."""

    student: nn.Module
    loss: Loss
    optimizer: torch.optim.Optimizer
    scheduler: LRScheduler | None
    history: History = field(default_factory=History)
    epoch: int = 0
    first_loss: float | None = None
    best_metric: float = -math.inf
    best_epoch: int | None = None
    good: dict[str, Tensor] = field(default_factory=dict)  # weights of the best, else the last, finished epoch

    def keep(self) -> None:
        """Remember the student's present weights as the ones to end with."""
        self.good = {name: value.detach().clone() for name, value in self.student.state_dict().items()}

    def restore(self) -> None:
        """Give the student the remembered weights."""
        self.student.load_state_dict(self.good)


@dataclass
class Run:
    """What a training leaves: the student (the object that was passed in), the history, and how it came about.

    Attributes:
        student: trained in place; with validation data it holds the weights of the best validation epoch.
        loss: the run's own copy of the loss, with its projections.
        history: lists, one value an epoch.
        best_epoch: index into the history's lists; None without validation data.
        stopped_by: "epochs" or "plateau" ("diverged" on the run that a ``TrainingDiverged`` carries).
        seconds: wall-clock time of the whole run.
        config: every setting, as plain data.
    """

    student: nn.Module
    loss: Loss
    history: History
    best_epoch: int | None
    stopped_by: str
    seconds: float
    config: dict[str, Any]

    def plot(self) -> Any:
        """The history as a figure with its alt text; ``.figure`` is matplotlib's."""
        from kdcourse import plots

        if not self.history:
            raise fail("the run", "have finished an epoch to be drawn", "none", "Mend what made it diverge first.")
        return plots.history(self.history, best_epoch=self.best_epoch)

    def __repr__(self) -> str:
        best = "" if self.best_epoch is None else f", best epoch {self.best_epoch}"
        return (
            f"Run({len(self.history.get('loss', []))} epochs, stopped by {self.stopped_by}{best}, {self.seconds:.1f} s)"
        )


def distill(
    teacher: nn.Module, student: nn.Module, data: Any, *, val: Any = None, loss: Any = None, epochs: int = 10,
    batch_size: int = 128, optimizer: Any = "adamw", lr: float | None = None, weight_decay: float | None = None,
    schedule: Any = "cosine", metric: str | Metric = "auto", augment: Any = None, patience: int | None = None,
    min_epochs: int = 0, clip: float | None = None, device: str | torch.device | None = None,
    precision: str = "float32", forward: Any = None, unpack: Callable[[Any], Any] | None = None,
    callbacks: Sequence[Callable[[Run], None]] = (), cache_mb: float = 512, progress: bool = True, seed: int = 0,
) -> Run:  # fmt: skip
    """Train ``student`` in place to imitate ``teacher``: from -> to, whichever is the larger.

    Args:
        teacher: works in eval mode without gradients and is left exactly as found, also after an error.
        student: any module that returns logits; ``run.student is student``, in eval mode when the run ends.
        data: Splits (train and val are used, test never), a part, a pair of tensors, a DataLoader or a Dataset.
        val: validation data where ``data`` holds none. Without any, nothing is selected.
        loss: a Loss, a sum of them, or a callable (student_logits, teacher_logits, labels) -> scalar;
            ``SoftTargets(4.0, 0.9)`` by default. The run works on a copy, ``run.loss``.
        epochs, batch_size: whole numbers; ``batch_size`` does not touch a DataLoader.
        optimizer: "adamw" (lr 2e-3, weight decay 0.01), "sgd" (lr 0.05, Nesterov 0.9, weight decay 5e-4), a
            torch optimizer, or a callable of the parameter groups.
        lr, weight_decay: instead of the defaults. Projections of the loss train without weight decay.
        schedule: "cosine", "one-cycle", "constant", a callable (optimizer, steps) -> scheduler (stepped every
            batch), or a scheduler object (stepped every epoch).
        metric: "auto" (accuracy; for float labels -MSE; without labels agreement with the teacher) or a callable
            (outputs, labels) -> float, higher is better.
        augment: "flip-shift" or a function of a batch of images; teacher and student see the same images.
        patience: stop once this many epochs brought no better validation metric, but
        min_epochs: never before so many epochs.
        clip: the largest gradient norm allowed.
        device: by default the accelerator that torch reports, else the CPU.
        precision: "float32" or "bfloat16" (autocast).
        forward: ``lambda model, inputs: logits`` for models that return something else, or a pair: teacher's, then
            student's.
        unpack: ``lambda batch: (inputs, labels)`` for a loader's batches.
        callbacks: each called with the run after each epoch.
        cache_mb: the teacher's answers are kept up to this size, for tensors without augmentation.
        progress: show a progress bar.
        seed: decides order, augmentation and projections; random states are restored afterwards.

    Raises:
        ValueError, TypeError: an argument that cannot work, before any training.
        TrainingDiverged: the loss became NaN, infinite or huge; the student holds the last good weights.

    Source: Hinton et al. 2015.
    """
    settings = Settings(
        epochs, batch_size, optimizer, lr, weight_decay, schedule, metric, augment, patience, min_epochs, clip,
        device, precision, forward, unpack, callbacks, cache_mb, progress, seed,
    )  # fmt: skip
    _check_models(teacher, student)
    return _fit(teacher, student, data, val, SoftTargets(4.0, 0.9) if loss is None else as_loss(loss), settings)


def train(
    model: nn.Module, data: Any, *, val: Any = None, loss: Any = None, epochs: int = 10, batch_size: int = 128,
    optimizer: Any = "adamw", lr: float | None = None, weight_decay: float | None = None, schedule: Any = "cosine",
    metric: str | Metric = "auto", augment: Any = None, patience: int | None = None, min_epochs: int = 0,
    clip: float | None = None, device: str | torch.device | None = None, precision: str = "float32",
    forward: Any = None, unpack: Callable[[Any], Any] | None = None, callbacks: Sequence[Callable[[Run], None]] = (),
    cache_mb: float = 512, progress: bool = True, seed: int = 0,
) -> Run:  # fmt: skip
    """Train ``model`` in place on labels: ``distill``'s loop without a teacher, with the same arguments.

    ``loss=None``: cross-entropy for integer labels, mean squared error for float ones.
    """
    settings = Settings(
        epochs, batch_size, optimizer, lr, weight_decay, schedule, metric, augment, patience, min_epochs, clip,
        device, precision, forward, unpack, callbacks, cache_mb, progress, seed,
    )  # fmt: skip
    _check_models(None, model)
    return _fit(None, model, data, val, None if loss is None else as_loss(loss), settings)


def _check_models(teacher: nn.Module | None, student: nn.Module) -> None:
    if not isinstance(student, nn.Module) or not (teacher is None or isinstance(teacher, nn.Module)):
        got = f"{type(teacher).__name__} and {type(student).__name__}"
        raise fail("teacher and student", "be torch.nn.Module objects", got, "Pass the models first.", TypeError)
    if teacher is student:
        raise fail("student", "be another object than the teacher", "the same module", "Use copy.deepcopy(teacher).")
    if not any(p.requires_grad for p in student.parameters()):
        raise fail("student", "have a parameter to train", "none with requires_grad",
                   "Call student.requires_grad_(True), or build another.")  # fmt: skip
    if teacher is not None and not set(teacher.parameters()).isdisjoint(student.parameters()):
        raise fail("student", "share no parameter with the teacher", "shared modules",
                   "Use copy.deepcopy for the shared part.")  # fmt: skip


# ---------------------------------------------------------------- one run


def _fit(teacher: nn.Module | None, student: nn.Module, data: Any, val: Any, loss: Loss | None, s: Settings) -> Run:
    started = time.perf_counter()
    device = pick_device(s.device)
    if isinstance(data, Splits):
        val = data.val if val is None and len(data.val) else val
        data = data.train
    with seeded(s.seed), ExitStack() as stack:
        feed = open_feed(data, s.batch_size, device, unpack=s.unpack, augment=augmenter(s.augment), shuffle=True)
        held = None if val is None else _open_val(val, s, device)
        loss = _default_loss(feed) if loss is None else loss
        metric = _metric(s, held, teacher)
        _check_fit(loss, feed, held, teacher, s)
        looking = Capture(student, loss.student_layers, "student")
        at_teacher = None if teacher is None else Capture(teacher, loss.teacher_layers, "teacher")
        student.to(device)
        supervisor = None
        if teacher is not None and at_teacher is not None:
            stack.enter_context(preserved(teacher)).to(device)
            stack.enter_context(at_teacher)
            supervisor = Supervisor(teacher, at_teacher, device, s.forwards()[0], s.precision)
        loop = _Loop(s, device, feed, held, supervisor, looking, metric, started)
        loop.start(student, teacher, loss, data)
        stack.enter_context(looking)
        return loop.run()


def _open_val(val: Any, s: Settings, device: torch.device) -> Feed:
    held_as_tensors = isinstance(val, Part) or (isinstance(val, (tuple, list)) and isinstance(val[0], Tensor))
    unpack = None if held_as_tensors else s.unpack
    return open_feed(val, max(s.batch_size, 512), device, unpack=unpack, scan=True, name="val")


def _default_loss(feed: Feed) -> Loss:
    if isinstance(feed.labels, Tensor):
        return MSE() if feed.labels.is_floating_point() else CrossEntropy()
    raise fail("loss", "be given where the labels are not one tensor", type(feed.labels).__name__, "Pass loss=.")


def _check_fit(loss: Loss, feed: Feed, held: Feed | None, teacher: nn.Module | None, s: Settings) -> None:
    loose = [part.name for _, part in loss.parts if part.needs_labels]
    unlabelled = (feed.part is not None and not labelled(feed.labels)) or feed.labels is None
    if loose and unlabelled:
        raise fail("data", f"have labels for the loss {', '.join(loose)}", "no label at all",
                   "Pass labelled data, or a loss without labels such as SoftTargets(alpha=1.0).")  # fmt: skip
    asking = [part.name for _, part in loss.parts if part.needs_teacher and not isinstance(part, Plain)]
    if teacher is None and asking:
        raise fail("loss", "need no teacher in train()", ", ".join(asking), "Use distill(teacher, student, ...).")
    if held is None and s.patience is not None:
        raise fail("patience", "be left out without validation data", s.patience, "Pass val=, or remove it.")
    if held is None and s.metric != "auto":
        raise fail("metric", "be left out without validation data", name_of(s.metric), "Pass val=, or remove it.")
    if feed.steps is None and not (s.schedule == "constant" or isinstance(s.schedule, LRScheduler)):
        raise fail("schedule", 'be "constant" for a loader without a length', name_of(s.schedule), 'Use "constant".')


def _metric(s: Settings, held: Feed | None, teacher: nn.Module | None) -> tuple[str, Metric | None]:
    """(name, function); None as function: agreement with the teacher."""
    if callable(s.metric):
        return getattr(s.metric, "__name__", "metric").replace("<lambda>", "metric"), s.metric
    if held is None:
        return "none", None
    if labelled(held.labels):
        if not isinstance(held.labels, Tensor):
            raise fail(
                "metric", "be a function where there are several heads", "auto", "Pass (outputs, labels) -> float."
            )
        return ("neg_mse", _neg_mse) if held.labels.is_floating_point() else ("accuracy", _accuracy)
    if teacher is None:
        raise fail("val", "have labels in train()", "no label at all", "Pass labelled validation data.")
    return "agreement", None


def _accuracy(outputs: Tensor, labels: Tensor) -> float:
    known = labels != NO_LABEL
    return float((outputs.argmax(dim=1) == labels)[known].float().mean())


def _neg_mse(outputs: Tensor, labels: Tensor) -> float:
    return -float((outputs.reshape(labels.shape) - labels).square().mean())


class _Loop:
    """The epochs of one run over one ``TrainState``."""

    def __init__(
        self, settings: Settings, device: torch.device, feed: Feed, held: Feed | None, supervisor: Supervisor | None,
        looking: Capture, metric: tuple[str, Metric | None], started: float,
    ) -> None:  # fmt: skip
        self.s, self.device, self.feed, self.held = settings, device, feed, held
        self.supervisor, self.looking, self.metric, self.started = supervisor, looking, metric, started
        self.forward = settings.forwards()[1]

    def start(self, student: nn.Module, teacher: nn.Module | None, loss: Loss, data: Any) -> None:
        """Prepare loss, optimizer, schedule and cache: everything before the first epoch."""
        s = self.s
        loss = copy.deepcopy(loss).to(self.device)
        first = next(self.feed.epoch(shuffle=False))
        self.asks = bool(loss.needs_teacher or loss.teacher_layers)
        seed_all(s.seed)
        with preserved(student), torch.no_grad():
            theirs = None if teacher is None else Adapted(teacher, s.forwards()[0])
            loss.prepare(Adapted(student, self.forward), theirs, first.inputs)
            self._rehearse(student, loss, first)
        optimizer = make_optimizer(s, student, loss)
        total = None if self.feed.steps is None else s.epochs * self.feed.steps
        self.state = TrainState(student, loss, optimizer, make_scheduler(s, optimizer, total))
        self.state.keep()
        cached = "off: no teacher" if self.supervisor is None else "off: the loss does not ask the teacher"
        if self.supervisor is not None and self.asks:
            cached = self.supervisor.cache(self.feed, s.cache_mb, logits=loss.reads_logits)
        if self.supervisor is not None and self.held is not None and self.metric[0] == "agreement":
            self.supervisor.cache(self.held, s.cache_mb)
        self.config = s.describe() | {
            "device": str(self.device), "loss": loss.name, "teacher_cache": cached, "metric": self.metric[0],
            "steps": self.feed.steps, "data": getattr(data, "provenance", {}), "torch": torch.__version__,
        }  # fmt: skip

    def _rehearse(self, student: nn.Module, loss: Loss, batch: Batch) -> None:
        """The loss on one batch, in eval mode: what cannot work fails here, before the teacher answers everything."""
        theirs = self.supervisor.answer(self.feed, batch) if self.supervisor is not None else None
        with self.looking, autocast(self.device, self.s.precision):
            logits, seen = self.looking.run(lambda: self.forward(student, batch.inputs))
            loss.total(Step(batch.inputs, batch.labels, Side(logits, seen, student), theirs))
        if self.metric == ("agreement", None) and (logits.ndim != 2 or logits.shape[1] < 2):
            raise fail("metric", "be a function where outputs are no classes and val has no labels", "auto",
                       "Pass (outputs, labels) -> float, or labelled validation data.")  # fmt: skip

    def run(self) -> Run:
        """All epochs; the run. However it ends, the student holds the best (else last) finished epoch's weights."""
        try:
            return self._result(self._epochs())
        finally:
            self.state.restore()
            self.state.student.eval()
            self.state.optimizer.zero_grad(set_to_none=True)
            if self.state.optimizer is self.s.optimizer and any(True for _ in self.state.loss.parameters()):
                self.s.optimizer.param_groups.pop()  # the caller's optimizer goes back without our projections

    def _epochs(self) -> str:
        """Train until the end or the plateau; which of the two it was."""
        state, s = self.state, self.s
        total = None if self.feed.steps is None else (s.epochs - state.epoch) * self.feed.steps
        with progress_bar(s.progress, total=total) as bar:
            while state.epoch < s.epochs:
                began = time.perf_counter()
                seed_all(epoch_seed(s.seed, state.epoch))
                averages = self._epoch(bar)
                if self.held is not None:
                    averages[f"val_{self.metric[0]}"] = self._validate()
                averages["seconds"] = time.perf_counter() - began
                self._finish_epoch(averages)
                bar.set_postfix({k: f"{v:.3f}" for k, v in averages.items() if k == "loss" or k.startswith("val_")})
                for callback in s.callbacks:
                    callback(self._result("epochs"))
                if self._flat():
                    return "plateau"
        return "epochs"

    def _result(self, stopped_by: str) -> Run:
        state = self.state
        seconds = time.perf_counter() - self.started
        return Run(state.student, state.loss, state.history, state.best_epoch, stopped_by, seconds, self.config)

    def _epoch(self, bar: Any) -> dict[str, float]:
        state = self.state
        _train_mode(state.student)
        params = [p for group in state.optimizer.param_groups for p in group["params"]]
        steps: list[tuple[int, dict[str, Tensor]]] = []
        lr, known = state.optimizer.param_groups[0]["lr"], False
        needing = [part.name for _, part in state.loss.parts if part.needs_labels]
        for batch in self.feed.epoch(shuffle=True):
            steps.append((batch.size, self._step(batch, params)))
            known = known or not needing or labelled(batch.labels)
            bar.update()
        if not steps:
            raise fail("data", "yield at least one batch in every epoch", "an empty epoch", "Check the loader.")
        if not known:
            raise fail("data", f"have labels for the loss {', '.join(needing)}", "no label in a whole epoch",
                       "Pass labelled data, or a loss without labels such as SoftTargets(alpha=1.0).")  # fmt: skip
        seen = sum(size for size, _ in steps)
        return {n: sum(size * float(values[n]) for size, values in steps) / seen for n in steps[0][1]} | {"lr": lr}

    def _step(self, batch: Batch, params: list[Tensor]) -> dict[str, Tensor]:
        state = self.state
        asked = self.supervisor is not None and self.asks
        theirs = self.supervisor.answer(self.feed, batch) if asked and self.supervisor else None
        with autocast(self.device, self.s.precision):
            logits, seen = self.looking.run(lambda: self.forward(state.student, batch.inputs))
            ours = Side(logits, seen, state.student)
            loss, terms = state.loss.total(Step(batch.inputs, batch.labels, ours, theirs))
        value = float(loss.detach())
        state.first_loss = value if state.first_loss is None else state.first_loss
        if not math.isfinite(value) or value > EXPLODED * max(1.0, state.first_loss):
            self._diverged(f"the loss is {value:g}", terms)
        if not loss.requires_grad:
            raise fail("loss", "depend on a parameter that trains", state.loss.name, "Unfreeze a layer that it reads.")
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        grads = [p.grad for p in params if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
        if not math.isfinite(float(norm)):
            self._diverged(f"the loss is {value:g}, its gradient's norm {float(norm):g}", terms)
        if self.s.clip is not None:
            nn.utils.clip_grads_with_norm_(params, self.s.clip, norm)
        state.optimizer.step()
        if state.scheduler is not None and not isinstance(self.s.schedule, LRScheduler):
            state.scheduler.step()
        return {name: v.detach() for name, v in {"loss": loss, **terms, "grad_norm": norm}.items()}

    def _diverged(self, what: str, terms: dict[str, Tensor]) -> None:
        state = self.state
        shown = ", ".join(f"{name} {float(value.detach()):g}" for name, value in terms.items())
        kept = "the initial weights" if state.epoch == 0 else "the weights of the best or last finished epoch"
        error = TrainingDiverged(
            f"{what} in epoch {state.epoch} ({shown}). The student holds {kept}. Lower lr, set clip=1.0, or lower the "
            "weight of the largest term."
        )
        error.run = self._result("diverged")
        raise error

    def _validate(self) -> float:
        assert self.held is not None
        self.state.student.eval()
        function = self.metric[1]
        held, supervisor, student = self.held, self.supervisor, self.state.student
        ask: list[Callable[[Batch], Any]] = [lambda batch: self.forward(student, batch.inputs)]
        if function is None and supervisor is not None:
            ask.append(lambda batch: supervisor.answer(held, batch).logits)
        outputs, labels = predict(ask, held, self.device, precision=self.s.precision)
        if function is None:
            return float((outputs[0].argmax(dim=1) == outputs[1].argmax(dim=1)).float().mean())
        return float(function(outputs[0], labels))

    def _finish_epoch(self, averages: dict[str, float]) -> None:
        state = self.state
        for name, value in averages.items():
            state.history.setdefault(name, []).append(value)
        metric = averages.get(f"val_{self.metric[0]}") if self.held is not None else None
        if metric is not None and not math.isfinite(metric):
            raise fail(f"metric {self.metric[0]}", "be finite", metric, "Check the metric and the validation data.")
        if metric is None or metric > state.best_metric:
            state.keep()
        if metric is not None and metric > state.best_metric:
            state.best_metric, state.best_epoch = metric, state.epoch
        if isinstance(self.s.schedule, ReduceLROnPlateau):
            watched = averages["loss"] if metric is None else -metric  # what should fall
            self.s.schedule.step(watched if self.s.schedule.mode == "min" else -watched)
        elif isinstance(self.s.schedule, LRScheduler):
            self.s.schedule.step()
        state.epoch += 1

    def _flat(self) -> bool:
        """Whether the plateau rule stops here: never before ``min_epochs``."""
        state = self.state
        if self.s.patience is None or state.best_epoch is None or state.epoch < self.s.min_epochs:
            return False
        return state.epoch - 1 - state.best_epoch >= self.s.patience


def _train_mode(student: nn.Module) -> None:
    """Train mode everywhere but in frozen parts: batch norm whose weights are frozen keeps its statistics."""
    student.train()
    for module in student.modules():
        own = list(module.parameters())
        if own and not any(p.requires_grad for p in own):
            module.eval()

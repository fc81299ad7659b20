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

from kdcourse._answers import Recorded, Supervisor, predict, recorded
from kdcourse._arguments import fail
from kdcourse._feeds import Batch, Feed, autocast, labelled, open_feed, progress_bar
from kdcourse._fitting import Chosen, choose_metric, default_loss, fit_together, read_labels, rehearse
from kdcourse._interrupts import Interrupted
from kdcourse._scores import known_rows
from kdcourse._settings import Metric, Settings, make_optimizer, make_scheduler
from kdcourse._watching import layer_norms, plateaued
from kdcourse.data import Part, Splits, augmenter, epoch_seed, is_pair, pick_device, seed_all, seeded
from kdcourse.losses import Loss, Side, SoftTargets, Step, as_loss
from kdcourse.models import Capture, preserved, sent

__all__ = ["History", "Run", "TrainState", "TrainingDiverged", "distill", "layer_norms", "plateaued", "train"]

EXPLODED = 1e4  # a batch's loss above this many times the first batch's (or above this, if that is below 1)
EVERY = 16  # on an accelerator the loss and its gradient's norm are read once in so many steps: a read makes it wait


class TrainingDiverged(RuntimeError):
    """The loss or its gradient became NaN, infinite or huge. ``.run`` is the run so far, with the last good weights."""

    run: "Run"


class History(dict[str, list[float]]):
    """One list a quantity, one value an epoch: loss, every term, val_<metric>, grad_norm, lr, seconds."""

    def table(self) -> Any:
        """All epochs as a table that prints, and shows as HTML in a notebook."""
        from kdcourse.plots import Table

        rows = [[epoch, *values] for epoch, values in enumerate(zip(*self.values(), strict=True), 1)]
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
    good: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # of the best, else the last, finished epoch

    def keep(self) -> None:
        """Remember the student's present weights and buffers, all of them, as the ones to end with."""
        held = [*self.student.parameters(), *self.student.buffers()]
        self.good = [(value, value.detach().clone()) for value in held]

    def restore(self) -> None:
        """Give the student the remembered weights and buffers."""
        with torch.no_grad():
            for value, kept in self.good:
                if value.shape == kept.shape:
                    value.copy_(kept)
                else:
                    value.data = kept.clone()


@dataclass
class Run:
    """What a training leaves: the student (the object that was passed in), the history, and how it came about.

    Attributes:
        student: trained in place; with validation data it holds the weights of the best validation epoch.
        loss: the run's own copy of the loss, with its projections.
        history: lists, one value an epoch.
        best_epoch: index into the history's lists; None without validation data.
        stopped_by: "epochs" or "plateau"; "diverged" on the run that a ``TrainingDiverged`` carries, "interrupted" on
            that of an ``Interrupted``.
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

    def plot(self, other: "Run | None" = None, *, names: tuple[str, str] = ("this run", "the other")) -> Any:
        """The history as a figure with its alt text, beside another run's where one is given.

        ``.figure`` is matplotlib's. Epochs count from one in the figure, from zero in the lists.
        """
        from kdcourse import plots

        if not self.history or (other is not None and not other.history):
            raise fail("the run", "have finished an epoch to be drawn", "none", "Mend what made it diverge first.")
        beside = None if other is None else other.history
        return plots.history(self.history, best_epoch=self.best_epoch, other=beside, names=names)

    def __repr__(self) -> str:
        best = "" if self.best_epoch is None else f", best epoch {self.best_epoch + 1}"
        return (
            f"Run({len(self.history.get('loss', []))} epochs, stopped by {self.stopped_by}{best}, {self.seconds:.1f} s)"
        )


def distill(
    teacher: nn.Module | None, student: nn.Module, data: Any, *, val: Any = None, loss: Any = None, epochs: int = 10,
    batch_size: int = 128, optimizer: Any = "adamw", lr: float | None = None, weight_decay: float | None = None,
    schedule: Any = "cosine", metric: str | Metric = "auto", augment: Any = None, patience: int | None = None,
    min_epochs: int = 0, clip: float | None = None, device: str | torch.device | None = None,
    precision: str = "float32", forward: Any = None, unpack: Callable[[Any], Any] | None = None,
    callbacks: Sequence[Callable[[Run], None]] = (), cache_mb: float = 512, progress: bool = True, seed: int = 0,
) -> Run:  # fmt: skip
    """Train ``student`` in place to imitate ``teacher``: from -> to, whichever is the larger.

    Args:
        teacher: works in eval mode without gradients and is left exactly as found, also after an error. None where the
            data carry recorded logits: (inputs, labels, logits), a part with ``.soft``, a loader of such triples.
        student: any module that returns logits; ``run.student is student``, in eval mode when the run ends.
        data: Splits (train and val are used, test never), a part, a pair of tensors, a DataLoader or a Dataset.
        val: validation data where ``data`` holds none. Without any, nothing is selected.
        loss: a Loss, a sum of them, or a callable (student_logits, teacher_logits, labels) -> scalar;
            ``SoftTargets(4.0, 0.9)`` by default. A criterion of torch's is one of (outputs, labels) and may stand in a
            sum. The run works on a copy, ``run.loss``.
        epochs, batch_size: whole numbers; ``batch_size`` does not touch a DataLoader.
        optimizer: "adamw" (lr 2e-3, weight decay 0.01), "sgd" (lr 0.05, Nesterov 0.9, weight decay 5e-4), a
            torch optimizer, or a callable of the parameter groups.
        lr, weight_decay: instead of the defaults. Projections of the loss train without weight decay.
        schedule: "cosine", "one-cycle", "constant", a callable (optimizer, steps) -> scheduler (stepped every
            batch), or a scheduler object (stepped every epoch, or every batch where its own length says so). For a
            loader without a length all are stepped every epoch.
        metric: "auto" (accuracy; for float labels -MSE; for one logit, many-hot labels and losses of one's own on
            float labels the validation loss; without labels agreement with the teacher) or a callable
            (outputs, labels) -> float, higher is better, which stands in the history under its name.
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
        seed: decides order, augmentation and projections; random states are restored afterwards. Runs in several
            threads wait for each other, as random states belong to the process.

    Returns:
        The run: ``.student`` (the module that was passed, with the weights of its best epoch on validation),
        ``.history`` (one value an epoch of each term, metric and rate), ``.plot()``, and what it was set up with.

    Raises:
        ValueError, TypeError: an argument that cannot work, before any training.
        TrainingDiverged: the loss became NaN, infinite or huge; the student holds the last good weights.
        Interrupted: Ctrl-C; ``.run`` is the run so far, and the student holds its best (else last) finished epoch.

    Source: Hinton et al. 2015.

    Example::

        splits = kd.split(kd.load("fashion-mnist"), val=0.2, seed=0)
        run = kd.distill(kd.load_teacher(), kd.build("cnn", width=8, seed=0), splits, epochs=5, seed=0)
        run.history["val_accuracy"], kd.evaluate(run.student, splits.test).accuracy
    """
    settings = Settings(
        epochs, batch_size, optimizer, lr, weight_decay, schedule, metric, augment, patience, min_epochs, clip,
        device, precision, forward, unpack, callbacks, cache_mb, progress, seed,
    )  # fmt: skip
    _check_models(teacher, student, data, augment)
    loss = SoftTargets(4.0, 0.9) if loss is None else as_loss(loss)
    with torch.inference_mode(False), torch.enable_grad():
        return _fit(teacher, student, data, val, loss, settings, teaching=True)


def train(
    model: nn.Module, data: Any, *, val: Any = None, loss: Any = None, epochs: int = 10, batch_size: int = 128,
    optimizer: Any = "adamw", lr: float | None = None, weight_decay: float | None = None, schedule: Any = "cosine",
    metric: str | Metric = "auto", augment: Any = None, patience: int | None = None, min_epochs: int = 0,
    clip: float | None = None, device: str | torch.device | None = None, precision: str = "float32",
    forward: Any = None, unpack: Callable[[Any], Any] | None = None, callbacks: Sequence[Callable[[Run], None]] = (),
    cache_mb: float = 512, progress: bool = True, seed: int = 0,
) -> Run:  # fmt: skip
    """Train ``model`` in place on labels: ``distill``'s loop without a teacher, with the same arguments.

    ``loss=None``: cross-entropy for class numbers and probabilities, mean squared error for other float labels.

    Returns:
        The run, as ``distill``'s; ``.student`` is the model.

    Example::

        run = kd.train(my_model, my_loader, val=my_other_loader, epochs=5, seed=0)
    """
    settings = Settings(
        epochs, batch_size, optimizer, lr, weight_decay, schedule, metric, augment, patience, min_epochs, clip,
        device, precision, forward, unpack, callbacks, cache_mb, progress, seed,
    )  # fmt: skip
    _check_models(None, model)
    if not isinstance(data, (Part, Splits)) and recorded(data) and is_pair(data):
        _refuse_third()
    with torch.inference_mode(False), torch.enable_grad():
        return _fit(None, model, data, val, None if loss is None else as_loss(loss), settings, teaching=False)


def _check_models(teacher: nn.Module | None, student: nn.Module, data: Any = (), augment: Any = None) -> None:
    if not isinstance(student, nn.Module) or not (teacher is None or isinstance(teacher, nn.Module)):
        got = f"{type(teacher).__name__} and {type(student).__name__}"
        raise fail("teacher and student", "be torch.nn.Module objects", got, "Pass the models first.", TypeError)
    if teacher is not None and not isinstance(data, (Part, Splits)) and recorded(data) and is_pair(data):
        _refuse_third()
    if teacher is None and isinstance(data, (Part, Splits, tuple, list)):
        part = data.train if isinstance(data, Splits) else data
        if augment and recorded(part):
            rule = "be left out where logits were recorded: they belong to the images as they were"
            raise fail("augment", rule, augment, "Pass the teacher itself.")
        if (data != () and is_pair(part) and not recorded(part)) or (isinstance(part, Part) and not recorded(part)):
            raise fail("teacher", "be given where no logits were recorded", None,
                       "Pass a teacher, a part with .soft, or (inputs, labels, logits).")  # fmt: skip
    if teacher is student:
        raise fail("student", "be another object than the teacher", "the same module", "Use copy.deepcopy(teacher).")
    if not any(p.requires_grad for p in student.parameters()):
        raise fail("student", "have a parameter to train", "none with requires_grad",
                   "Call student.requires_grad_(True), or build another.")  # fmt: skip
    if teacher is not None and not set(teacher.parameters()).isdisjoint(student.parameters()):
        raise fail("student", "share no parameter with the teacher", "shared modules",
                   "Use copy.deepcopy for the shared part.")  # fmt: skip


def _refuse_third() -> None:
    """A third tensor is a teacher's recorded logits; where these have no use it may have been meant otherwise."""
    raise fail("data", "be (inputs, labels) where no recorded logits are used", "three tensors",
               "Weights of examples go into the loss, or into a WeightedRandomSampler.")  # fmt: skip


# ---------------------------------------------------------------- one run


def _fit(
    teacher: nn.Module | None, student: nn.Module, data: Any, val: Any, loss: Loss | None, s: Settings, *,
    teaching: bool,
) -> Run:  # fmt: skip
    started = time.perf_counter()
    device = pick_device(s.device)
    if isinstance(data, Splits):
        val = data.val if val is None and len(data.val) else val
        data = data.train
    with seeded(s.seed), ExitStack() as stack:
        opening: dict[str, Any] = {"unpack": s.unpack, "augment": augmenter(s.augment), "shuffle": True}
        feed = open_feed(data, s.batch_size, device, triples=teaching and teacher is None, **opening)
        held = None if val is None else _open_val(val, s, device)
        student_layers = () if loss is None else loss.student_layers
        looking = Capture(student, student_layers, "student")
        sent(student, device, "student")
        supervisor: Supervisor | Recorded | None = Recorded() if teaching else None
        if teacher is not None and loss is not None:
            at_teacher = Capture(teacher, loss.teacher_layers, "teacher")
            sent(stack.enter_context(preserved(teacher)), device, "teacher")
            stack.enter_context(at_teacher)
            supervisor = Supervisor(teacher, at_teacher, device, s.forwards()[0], s.precision)
        read = read_labels(student, feed, held, loss, s, device)
        loss = default_loss(read) if loss is None else loss
        fit_together(loss, feed, held, teaching, teacher, s)
        chosen = choose_metric(read, held, loss, s, teaching, teacher)
        loop = _Loop(s, device, feed, held, supervisor, looking, chosen, started)
        loop.start(student, teacher, loss, data)
        stack.enter_context(looking)
        return loop.run()


def _open_val(val: Any, s: Settings, device: torch.device) -> Feed:
    unpack = None if isinstance(val, Part) or is_pair(val) else s.unpack
    return open_feed(val, max(s.batch_size, 128), device, unpack=unpack, scan=True, name="val")


class _Loop:
    """The epochs of one run over one ``TrainState``."""

    def __init__(
        self, settings: Settings, device: torch.device, feed: Feed, held: Feed | None,
        supervisor: Supervisor | Recorded | None, looking: Capture, metric: Chosen, started: float,
    ) -> None:  # fmt: skip
        self.s, self.device, self.feed, self.held = settings, device, feed, held
        self.supervisor, self.looking, self.metric, self.started = supervisor, looking, metric, started
        self.forward = settings.forwards()[1]
        self.name = "train" if supervisor is None else "distil"
        self.unread: list[tuple[Tensor, dict[str, Tensor]]] = []

    def start(self, student: nn.Module, teacher: nn.Module | None, loss: Loss, data: Any) -> None:
        """Prepare loss, optimizer, schedule and cache: everything before the first epoch."""
        s = self.s
        loss = _own_copy(loss, student, teacher).to(self.device)
        self.asks = bool(loss.needs_teacher or loss.teacher_layers)
        self.resting = _resting(student)
        rehearse(student, teacher, loss, self)
        given = s.optimizer.param_groups if isinstance(s.optimizer, torch.optim.Optimizer) else []
        self.options = [{name: value for name, value in group.items() if name != "params"} for group in given]
        optimizer = make_optimizer(s, student, teacher, loss)
        scheduler, self.counts = make_scheduler(s, optimizer, self.feed.steps)
        own = (
            scheduler is not s.schedule and self.feed.steps is not None
        )  # a loader may yield more than its length says
        self.left = s.epochs * self.feed.steps if own and self.feed.steps else -1
        self.state = TrainState(student, loss, optimizer, scheduler)
        self.state.keep()
        self.config = s.describe() | {
            "device": str(self.device), "loss": loss.name, "teacher_cache": self._fill(loss),
            "metric": self.metric.name, "steps": self.feed.steps, "schedule_counts": self.counts,
            "labels": self.feed.kind, "data": getattr(data, "provenance", {}), "torch": torch.__version__,
        }  # fmt: skip

    def _fill(self, loss: Loss) -> str:
        """Fill the teacher's caches; what was done with the training data, in words."""
        if self.supervisor is None:
            return "off: no teacher"
        show, limit = self.s.progress, self.s.cache_mb
        if self.held is not None and (self.metric.by_teacher or (self.metric.by_loss and self.asks)):
            self.supervisor.cache(self.held, limit, progress=show)
        if not self.asks:
            return "off: the loss does not ask the teacher"
        return self.supervisor.cache(self.feed, limit, logits=loss.reads_logits, progress=show)

    def train_mode(self, student: nn.Module) -> None:
        """Train mode everywhere but in frozen parts and in parts that their owner had put in eval mode."""
        student.train()
        for module in student.modules():
            own = list(module.parameters())
            if module in self.resting or (own and not any(p.requires_grad for p in own)):
                module.eval()

    def run(self) -> Run:
        """All epochs; the run. However it ends, the student holds the best (else last) finished epoch's weights."""
        try:
            return self._result(self._epochs())
        except KeyboardInterrupt as error:
            raise self._interrupted() from error
        finally:
            self.state.restore()
            self.state.student.eval()
            self.state.optimizer.zero_grad(set_to_none=True)
            self._give_optimizer_back()

    def _give_optimizer_back(self) -> None:
        """The caller's optimizer without our projections, with the rates that it came with.

        A caller's own scheduler keeps what it has done to them.
        """
        if self.state.optimizer is not self.s.optimizer:
            return
        groups = self.s.optimizer.param_groups
        for group in groups[len(self.options) :]:
            for p in group["params"]:
                self.s.optimizer.state.pop(p, None)
        del groups[len(self.options) :]
        if not isinstance(self.s.schedule, LRScheduler):
            for group, options in zip(groups, self.options, strict=True):
                for name in [name for name in group if name != "params" and name not in options]:
                    del group[name]
                group.update(options)

    def _epochs(self) -> str:
        """Train until the end or the plateau; which of the two it was."""
        state, s = self.state, self.s
        total = None if self.feed.steps is None else (s.epochs - state.epoch) * self.feed.steps
        with progress_bar(s.progress, total=total, desc=self.name) as bar:
            while state.epoch < s.epochs:
                began = time.perf_counter()
                seed_all(epoch_seed(s.seed, state.epoch))
                averages = self._epoch(bar)
                if self.held is not None:
                    averages |= self._validate()
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

    def _interrupted(self) -> Interrupted:
        """What Ctrl-C raises: the run so far, and how to go on."""
        done = self.state.epoch
        kept = "its initial weights" if done == 0 else "the weights of its best (else last) finished epoch"
        error = Interrupted(
            f"stopped by you after {done} of {self.s.epochs} epochs. The student holds {kept}; the history is in .run "
            "of this exception (in a notebook: sys.last_value.run). Train the same student again to go on from there."
        )
        error.run = self._result("interrupted")
        return error

    def _epoch(self, bar: Any) -> dict[str, float]:
        state = self.state
        params = [p for group in state.optimizer.param_groups for p in group["params"]]
        self.train_mode(state.student)
        if self.supervisor is not None:
            self.supervisor.begin_epoch()
        self._refuse_unfrozen(params)
        steps: list[tuple[int, dict[str, Tensor]]] = []
        lr, known = state.optimizer.param_groups[0]["lr"], False
        needing = [part.name for _, part in state.loss.parts if part.needs_labels]
        for batch in self.feed.epoch(shuffle=True):
            steps.append(self._step(batch, params))
            known = known or not needing or labelled(batch.labels)
            bar.update()
        self._watch()
        if not steps:
            raise fail("data", "yield at least one batch in every epoch", "an empty epoch", "Check the loader.")
        if not known:
            raise fail("data", f"have labels for the loss {', '.join(needing)}", "no label in a whole epoch",
                       "Pass labelled data, or a loss without labels such as SoftTargets(alpha=1.0).")  # fmt: skip
        seen = sum(size for size, _ in steps)
        averages = {"lr": lr}
        for name in steps[0][1]:  # one read a quantity
            values = torch.stack([values[name].reshape(()) for _, values in steps]).tolist()
            averages[name] = sum(size * value for (size, _), value in zip(steps, values, strict=True)) / seen
        return {**{name: averages[name] for name in steps[0][1]}, "lr": lr}

    def _refuse_unfrozen(self, params: list[Tensor]) -> None:
        """Parameters that a callback unfroze are in no group of an optimizer of ours: say so."""
        held = {id(p) for p in params}
        loose = [name for name, p in self.state.student.named_parameters() if p.requires_grad and id(p) not in held]
        if loose and self.state.optimizer is not self.s.optimizer:
            raise fail("the student", "train the parameters that it had at the start", f"{loose[0]} was unfrozen later",
                       "Pass an optimizer object that holds all parameters, or call train once a phase.")  # fmt: skip

    def _step(self, batch: Batch, params: list[Tensor]) -> tuple[int, dict[str, Tensor]]:
        state = self.state
        asked = self.supervisor is not None and self.asks
        theirs = self.supervisor.answer(self.feed, batch) if asked and self.supervisor else None
        with autocast(self.device, self.s.precision):
            logits, seen = self.looking.run(lambda: self.forward(state.student, batch.inputs))
            ours = Side(logits, seen, state.student)
            loss, terms = state.loss.total(Step(batch.inputs, batch.labels, ours, theirs, checked=True))
        if not loss.requires_grad:
            raise fail("loss", "depend on a parameter that trains", state.loss.name, "Unfreeze a layer that it reads.")
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        grads = [p.grad for p in params if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
        self.unread.append((torch.stack([loss.detach().reshape(()).float(), norm.detach().float()]), terms))
        if len(self.unread) >= _every(self.device):
            self._watch()
        if self.s.clip is not None:
            nn.utils.clip_grads_with_norm_(params, self.s.clip, norm)
        state.optimizer.step()
        if state.scheduler is not None and self.counts == "batches" and self.left != 0:
            state.scheduler.step()
            self.left -= 1
        size = batch.size or len(logits if isinstance(logits, Tensor) else next(iter(logits.values())))
        return size, {name: v.detach() for name, v in {"loss": loss, **terms, "grad_norm": norm}.items()}

    def _watch(self) -> None:
        """Read the losses and gradient norms that were not read yet, all at once; stop at the first bad one."""
        waiting, self.unread = self.unread, []
        if not waiting:
            return
        state = self.state
        for (value, norm), (_, terms) in zip(torch.stack([pair for pair, _ in waiting]).tolist(), waiting, strict=True):
            state.first_loss = value if state.first_loss is None else state.first_loss
            if not math.isfinite(value) or value > EXPLODED * max(1.0, state.first_loss):
                self._diverged(f"the loss is {value:g}", terms)
            if not math.isfinite(norm):
                self._diverged(f"the loss is {value:g}, its gradient's norm {norm:g}", terms)

    def _diverged(self, what: str, terms: dict[str, Tensor]) -> None:
        state = self.state
        shown = ", ".join(f"{name} {float(value.detach()):g}" for name, value in terms.items())
        kept = "the initial weights" if state.epoch == 0 else "the weights of the best or last finished epoch"
        error = TrainingDiverged(
            f"{what} in epoch {state.epoch + 1} ({shown}). The student holds {kept}. Lower lr, set clip=1.0, or lower "
            "the weight of the largest term."
        )
        error.run = self._result("diverged")
        raise error

    def _validate(self) -> dict[str, float]:
        """The metric on the validation data by its name in the history, and what else is worth a look."""
        assert self.held is not None
        self.state.student.eval()
        held, supervisor, student, losses = self.held, self.supervisor, self.state.student, list[tuple[int, float]]()

        def ours(batch: Batch) -> Any:
            logits, seen = self.looking.run(lambda: self.forward(student, batch.inputs))
            if self.metric.by_loss:
                theirs = supervisor.answer(held, batch) if supervisor is not None and self.asks else None
                step = Step(batch.inputs, batch.labels, Side(logits, seen, student), theirs, checked=True)
                known = (
                    int(known_rows(batch.labels, held.kind).sum()) if isinstance(batch.labels, Tensor) else batch.size
                )
                losses.append((known, float(self.state.loss.total(step)[0]) if known else 0.0))
            return logits

        ask: list[Callable[[Batch], Any]] = [ours]
        if self.metric.by_teacher and supervisor is not None:
            ask.append(lambda batch: supervisor.answer(held, batch).logits)
        outputs, labels = predict(ask, held, self.device, precision=self.s.precision)
        return self.metric.measured(outputs, labels, losses)

    def _finish_epoch(self, averages: dict[str, float]) -> None:
        state = self.state
        for name, value in averages.items():
            state.history.setdefault(name, []).append(value)
        metric = self.metric.score(averages) if self.held is not None else None
        if metric is not None and not math.isfinite(metric):
            raise fail(f"metric {self.metric.name}", "be finite", metric, "Check the metric and the validation data.")
        if metric is None or metric > state.best_metric:
            state.keep()
        if metric is not None and metric > state.best_metric:
            state.best_metric, state.best_epoch = metric, state.epoch
        if isinstance(state.scheduler, ReduceLROnPlateau):
            watched = averages["loss"] if metric is None else -metric  # what should fall
            state.scheduler.step(watched if state.scheduler.mode == "min" else -watched)
        elif state.scheduler is not None and self.counts == "epochs":
            state.scheduler.step()
        state.epoch += 1

    def _flat(self) -> bool:
        """Whether the plateau rule stops here: never before ``min_epochs``."""
        state = self.state
        if self.s.patience is None or state.best_epoch is None or state.epoch < self.s.min_epochs:
            return False
        return state.epoch - 1 - state.best_epoch >= self.s.patience


def _own_copy(loss: Loss, *models: nn.Module | None) -> Loss:
    """A deep copy of the loss that still sees the very student and teacher, where it holds one of them."""
    memo: dict[int, Any] = {}
    for model in models:
        if model is not None:
            memo |= {id(v): v for v in [*model.modules(), *model.parameters(), *model.buffers()]}
    return copy.deepcopy(loss, memo)


def _every(device: torch.device) -> int:
    """How many steps' losses are read at once: reading is free on a CPU."""
    return 1 if device.type == "cpu" else EVERY


def _resting(student: nn.Module) -> set[nn.Module]:
    """Modules that their owner put in eval mode inside a model in train mode: batch norm with fixed statistics, say."""
    return {module for module in student.modules() if not module.training} if student.training else set()

"""Many students of one architecture on the same data, each as ``kd.train`` or ``kd.distill`` would leave it."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse import training
from kdcourse._arguments import fail, one_of
from kdcourse._settings import OPTIMIZERS, Settings, make_scheduler
from kdcourse.data import NO_LABEL, Part, Splits, as_part, batch_sizes, batches, epoch_seed, seed_all, seeded
from kdcourse.evaluation import predict
from kdcourse.losses import CrossEntropy, LogitMSE, Loss, SoftTargets, cross_entropy, logit_mse, soft_targets
from kdcourse.stacked.fitting import HOW, Job, faster, fitting, image_losses
from kdcourse.stacked.stack import Rule, Stack
from kdcourse.training import History, Run, TrainingDiverged

__all__ = ["train"]


def train(
    students: Sequence[nn.Module], data: Any, *, settings: Sequence[Mapping[str, Any]] | None = None,
    teacher: nn.Module | None = None, val: Any = None, loss: Loss | None = None, epochs: int = 10,
    batch_size: int = 128, optimizer: str = "adamw", lr: float | None = None, weight_decay: float | None = None,
    schedule: Any = "cosine", how: str = "auto", chunk: int | None = None, seed: int = 0,
) -> list[Run]:  # fmt: skip
    """Train many students of one architecture on the same data, in place; one ``Run`` each, as ``kd.train`` leaves it.

    Args:
        students: models that differ in their weights alone. In a stack: no batch norm (see ``group_normed``).
        data: ``Splits`` (train and val are used), a part or a pair of tensors; every image with a label.
        settings: one a student, each with any of lr, weight_decay, seed: instead of the common ones.
        teacher: with one, all imitate it, as ``kd.distill`` would have them.
        val: validation data where ``data`` holds none. Each student ends with its own best epoch's weights.
        loss: CrossEntropy, SoftTargets or LogitMSE. The default is that of ``kd.train``, or of ``kd.distill``.
        epochs, batch_size, optimizer, lr, weight_decay, schedule, seed: as for ``kd.train``, by name.
        how: "stack", "loop", or "auto", which measures a few steps both ways; ``run.config["how"]`` says which.
        chunk: so many are stacked at most; by default as many as fit into 256 MB.

    A student whose loss is no longer finite ends alone: its run is ``stopped_by`` "diverged".
    Raises ValueError for models of unequal layers, batch norm in a stack, unknown settings.
    """
    one_of("how", how, HOW)
    own = _settings(students, settings, {"lr": lr, "weight_decay": weight_decay, "seed": seed})
    loss = (CrossEntropy() if teacher is None else SoftTargets()) if loss is None else loss
    common = {"epochs": epochs, "batch_size": batch_size, "optimizer": optimizer, "schedule": schedule}
    part, held = (data.train, val or data.val) if isinstance(data, Splits) else (as_part(data), val)
    said: dict[str, Any] = {"how": how}
    if how == "auto":
        jobs = [Job(part, list(batches(part, batch_size)))] * len(students)
        said = faster(students[0], [s.state_dict() for s in students], jobs, Rule(lr=0.0), image_losses)
    if said["how"] == "loop":
        return [_alone(student, part, held, teacher, loss, common | one, said)
                for student, one in zip(students, own, strict=True)]  # fmt: skip
    rows = _Rows(part, None if held is None or not len(held) else as_part(held), teacher, loss)
    size = fitting(students[0], [Job(part, list(batches(part, batch_size)))]) if chunk is None else chunk
    taken = [slice(at, at + size) for at in range(0, len(students), size)]
    return [run for few in taken for run in _together(students[few], rows, [common | one for one in own[few]], said)]


def _settings(
    students: Sequence[nn.Module], settings: Sequence[Mapping[str, Any]] | None, common: Mapping[str, Any]
) -> list[dict[str, Any]]:
    given = [{}] * len(students) if settings is None else list(settings)
    if not students or len(given) != len(students):
        raise fail("settings", f"be one for each of {len(students)} students", len(given), "Write [{}, {}, ...].")
    unknown = sorted({name for one in given for name in one} - set(common))
    if unknown:
        remedy = "What differs otherwise is trained apart, with kd.train."
        raise fail("settings", f"hold {', '.join(common)} alone", unknown[0], remedy)
    return [{**common, **one} for one in given]


def _alone(
    student: nn.Module, part: Part, held: Any, teacher: nn.Module | None, loss: Loss, options: dict[str, Any],
    said: Mapping[str, Any],
) -> Run:  # fmt: skip
    """One student by the course's own loop."""
    held = None if held is None or not len(held) else held
    options = {**options, "val": held, "loss": loss, "progress": False}
    try:
        run = training.train(student, part, **options) if teacher is None else training.distill(
            teacher, student, part, **options)  # fmt: skip
    except TrainingDiverged as error:
        run = error.run
    run.config |= said
    return run


class _Rows:
    """The data of all students: a batch is a row of positions, from which the loss reads labels and answers."""

    def __init__(self, part: Part, held: Part | None, teacher: nn.Module | None, loss: Loss) -> None:
        if part.labels is None or bool((part.labels == NO_LABEL).any()):
            raise fail("data", "have a label for every image in a stack", "images without one", 'Use how="loop".')
        if type(loss) not in (CrossEntropy, SoftTargets, LogitMSE):
            remedy = 'Use CrossEntropy, SoftTargets or LogitMSE, or how="loop".'
            raise fail("loss", "be a mean over images that reads logits alone in a stack", loss.name, remedy)
        if loss.needs_teacher and teacher is None:
            raise fail("loss", "need no teacher where none is given", loss.name, "Pass teacher=.")
        self.part, self.held, self.loss = part, held, loss
        self.soft = None if teacher is None else predict(teacher, part.images)
        self.options = {name: value for name, value in loss.options().items() if value is not None}

    def losses(self, logits: Tensor, positions: Tensor) -> Tensor:
        """One value an image."""
        options: dict[str, Any] = {**self.options, "reduction": "none"}
        labels = self.part.labels[positions]
        if isinstance(self.loss, CrossEntropy):
            return cross_entropy(logits, labels, checked=True, **options)
        assert self.soft is not None
        if isinstance(self.loss, LogitMSE):
            return logit_mse(logits, self.soft[positions], **options)
        return soft_targets(logits, self.soft[positions], labels, checked=True, **options)

    def right(self, stack: Stack) -> list[float] | None:
        """Each model's accuracy on the validation images."""
        if self.held is None:
            return None
        stack.model.eval()
        with torch.no_grad():
            said = [
                stack.logits(stack.parameters, x, shared=True).argmax(dim=2) for x in torch.split(self.held.images, 512)
            ]
        return (torch.cat(said, dim=1) == self.held.labels).float().mean(dim=1).tolist()  # type: ignore[no-any-return]


def _together(
    students: Sequence[nn.Module], rows: _Rows, options: Sequence[Mapping[str, Any]], said: Mapping[str, Any]
) -> list[Run]:
    """All epochs of one chunk."""
    began, count = time.perf_counter(), len(students)
    s = [_checked(one) for one in options]
    steps = len(batch_sizes(len(rows.part), s[0].batch_size))
    rule = _rule(s, steps)
    stack = Stack.of(students[0], [student.state_dict() for student in students])
    histories, kept, best = [History() for _ in s], stack.states(), [(-math.inf, -1)] * count
    ended = ["epochs"] * count
    with seeded(s[0].seed):
        for epoch in range(s[0].epochs):
            means = _epoch(stack, rows, s, rule, epoch)
            right = rows.right(stack)
            states = stack.states()
            for i in range(count):
                ended[i] = "diverged" if not math.isfinite(means[i]) else ended[i]
                if ended[i] == "diverged":
                    continue
                rate = rule.at(i, epoch * steps)["lr"]
                values = {"loss": means[i], rows.loss.name: means[i], "lr": rate}
                values |= {} if right is None else {"val_accuracy": right[i]}
                for name, value in values.items():
                    histories[i].setdefault(name, []).append(value)
                if right is None or right[i] > best[i][0]:
                    kept[i], best[i] = states[i], (0.0 if right is None else right[i], epoch)
    seconds, runs = (time.perf_counter() - began) / count, []
    for i, student in enumerate(students):
        student.load_state_dict(kept[i])
        config = s[i].describe() | {**said, "how": "stack", "stacked": count}
        found = best[i][1] if rows.held is not None and best[i][1] >= 0 else None
        runs.append(Run(student.eval(), rows.loss, histories[i], found, ended[i], seconds, config))
    return runs


def _epoch(stack: Stack, rows: _Rows, s: Sequence[Settings], rule: Rule, epoch: int) -> list[float]:
    """One epoch; each model's mean loss. Every student's order is the one that ``kd.train`` would give it."""
    orders = {}
    for one in {one.seed for one in s}:
        seed_all(epoch_seed(one, epoch))
        orders[one] = list(batches(rows.part, s[0].batch_size, shuffle=True))
    seed_all(epoch_seed(s[0].seed, epoch))
    stack.model.train()
    shared, total, steps = len(orders) == 1, torch.zeros(len(s)), len(orders[s[0].seed])
    for step in range(steps):
        at = torch.stack([orders[one.seed][step] for one in s])
        inputs = rows.part.images[at[0] if shared else at]
        means, gradients = stack.gradients(len(s), inputs, at, None, rows.losses, shared=shared)
        stack.step(gradients, rule, epoch * steps + step)
        total += means * at.shape[1]
    return (total / len(rows.part)).tolist()


def _checked(options: Mapping[str, Any]) -> Settings:
    """The options of one student as ``kd.train`` checks them."""
    one_of("optimizer", str(options["optimizer"]), OPTIMIZERS)
    rest: dict[str, Any] = {"metric": "auto", "augment": None, "patience": None, "min_epochs": 0, "clip": None,
                            "device": "cpu", "precision": "float32", "forward": None, "unpack": None, "callbacks": (),
                            "cache_mb": 512, "progress": False}  # fmt: skip
    return Settings(**{**rest, **options})


def _rule(s: Sequence[Settings], steps: int) -> Rule:
    """Rates of every student at every step, read off torch's own schedules."""
    defaults = OPTIMIZERS[s[0].optimizer][1]
    rates, decays = [], []
    for one in s:
        dummy = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=defaults["lr"] if one.lr is None else one.lr)
        scheduler, counts = make_scheduler(one, dummy, steps)
        row = []
        for step in range(one.epochs * steps):
            row.append(dummy.param_groups[0]["lr"])
            if scheduler is not None and (counts == "batches" or (step + 1) % steps == 0):
                dummy.step()
                scheduler.step()
        rates.append(row)
        decays.append(defaults["weight_decay"] if one.weight_decay is None else one.weight_decay)
    momentum = {"momentum": defaults["momentum"], "nesterov": True} if s[0].optimizer == "sgd" else {}
    return Rule(s[0].optimizer, rates, decays, **momentum)

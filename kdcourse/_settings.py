"""The settings of a run: each argument checked before any work, and the optimizer and schedule that they name."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from kdcourse._arguments import fail, one_of, positive
from kdcourse._feeds import Forward, call
from kdcourse.data import augmenter
from kdcourse.losses import Loss

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "adamw": (torch.optim.AdamW, {"lr": 2e-3, "weight_decay": 0.01}),
    "sgd": (torch.optim.SGD, {"lr": 0.05, "weight_decay": 5e-4, "momentum": 0.9, "nesterov": True}),
}
SCHEDULES = ("constant", "cosine", "one-cycle")

Metric = Callable[[Any, Any], float]


@dataclass
class Settings:
    """The arguments of ``distill`` and ``train`` that need no model and no data to be checked."""

    epochs: int
    batch_size: int
    optimizer: Any
    lr: float | None
    weight_decay: float | None
    schedule: Any
    metric: str | Metric
    augment: Any
    patience: int | None
    min_epochs: int
    clip: float | None
    device: str | torch.device | None
    precision: str
    forward: Any
    unpack: Callable[[Any], Any] | None
    callbacks: Sequence[Callable[[Any], None]]
    cache_mb: float
    progress: bool
    seed: int

    def __post_init__(self) -> None:
        self._check_numbers()
        one_of("precision", self.precision, ["float32", "bfloat16"])
        if self.min_epochs and self.patience is None:
            raise fail("min_epochs", "be left out where patience=None", self.min_epochs, "Set patience too.")
        if isinstance(self.optimizer, str):
            one_of("optimizer", self.optimizer, OPTIMIZERS)
        elif isinstance(self.optimizer, torch.optim.Optimizer) and (self.lr or self.weight_decay is not None):
            given = {"lr": self.lr, "weight_decay": self.weight_decay}
            raise fail(
                "lr and weight_decay", "be left out with an optimizer object", given, "Set them in the optimizer."
            )
        if isinstance(self.schedule, str):
            one_of("schedule", self.schedule, SCHEDULES)
        if self.metric != "auto" and not callable(self.metric):
            raise fail("metric", 'be "auto" or a callable (outputs, labels) -> float', self.metric, "Pass a function.")
        augmenter(self.augment)
        self._check_kinds()

    def _check_numbers(self) -> None:
        """Refuse what is no such number; NumPy's become Python's, so that a config is plain data."""
        wanted: list[tuple[str, dict[str, bool]]] = [
            ("epochs", {"whole": True}), ("batch_size", {"whole": True}), ("min_epochs", {"whole": True, "zero": True}),
            ("cache_mb", {"zero": True}), ("seed", {"whole": True, "zero": True}), ("patience", {"whole": True}),
            ("clip", {}), ("lr", {}), ("weight_decay", {"zero": True}),
        ]  # fmt: skip
        for name, options in wanted:
            value = getattr(self, name)
            if value is None and name in ("patience", "clip", "lr", "weight_decay"):
                continue
            positive(name, value, **options)
            setattr(self, name, int(value) if isinstance(value, Integral) else float(value))

    def _check_kinds(self) -> None:
        """Refuse what is neither a known name nor an object of the right kind."""
        pair = self.forward if isinstance(self.forward, (tuple, list)) else (self.forward, self.forward)
        cases = [
            ("optimizer", (str, torch.optim.Optimizer), self.optimizer),
            ("schedule", (str, LRScheduler), self.schedule),
            ("unpack", (type(None),), self.unpack),
            *(("forward", (type(None),), one) for one in pair),
        ]
        for name, kinds, value in cases:
            if not (isinstance(value, kinds) or callable(value)):
                raise fail(name, "be a name, an object or a function", value, "See help(kd.distill).")
        if len(pair) != 2:
            raise fail("forward", "be a function or a pair: teacher's, student's", len(pair), "Give both.")
        if not isinstance(self.callbacks, Sequence) or not all(callable(one) for one in self.callbacks):
            raise fail("callbacks", "be a list of functions of the run", self.callbacks, "Write [my_function].")
        try:
            torch.device("cpu" if self.device is None else self.device)
        except RuntimeError as error:
            raise fail("device", "be one that torch knows", self.device, "Write cpu, cuda or mps.") from error

    def forwards(self) -> tuple[Forward, Forward]:
        """(teacher's, student's) forward."""
        pair = self.forward if isinstance(self.forward, (tuple, list)) else (self.forward, self.forward)
        return pair[0] or call, pair[1] or call

    def describe(self) -> dict[str, Any]:
        """The settings as plain data."""
        plain = (str, int, float, bool, type(None))
        shown = {k: v if isinstance(v, plain) else name_of(v) for k, v in vars(self).items() if k != "callbacks"}
        if isinstance(self.optimizer, str):
            defaults = OPTIMIZERS[self.optimizer][1]
            shown |= {k: defaults[k] for k in ("lr", "weight_decay") if shown[k] is None}
        return shown


def name_of(value: Any) -> str:
    return str(value) if isinstance(value, (str, torch.device)) else getattr(value, "__name__", type(value).__name__)


def make_optimizer(s: Settings, student: nn.Module, teacher: nn.Module | None, loss: Loss) -> torch.optim.Optimizer:
    """The optimizer of the student's parameters and the loss's own; a loss may hold the models, and trains neither."""
    ours = [p for p in student.parameters() if p.requires_grad]
    held = {id(p) for model in (student, teacher) if model is not None for p in model.parameters()}
    projections = [p for p in loss.parameters() if p.requires_grad and id(p) not in held]
    extra: dict[str, Any] = {"params": projections, "weight_decay": 0.0}
    if isinstance(s.optimizer, torch.optim.Optimizer):
        _check_held(s.optimizer, student, [])
        if projections and isinstance(s.schedule, LRScheduler):
            rule = "be a name or a callable where the loss has projections and the optimizer is an object"
            raise fail("schedule", rule, name_of(s.schedule), 'Write schedule="cosine", say.')
        if projections:
            s.optimizer.add_param_group(extra)
        return _stepping(s.optimizer)
    groups = [{"params": ours}, *([extra] if projections else [])]
    given = {k: v for k, v in (("lr", s.lr), ("weight_decay", s.weight_decay)) if v is not None}
    if isinstance(s.optimizer, str):
        kind, defaults = OPTIMIZERS[s.optimizer]
        return kind(groups, **(defaults | given), **_fused([*ours, *projections]))
    made = _stepping(s.optimizer(groups, **given))
    _check_held(made, student, projections)
    return made


def _check_held(optimizer: torch.optim.Optimizer, student: nn.Module, projections: list[nn.Parameter]) -> None:
    """Refuse an optimizer of other parameters, and one that was built before a layer was replaced.

    It may hold the parameters of a caller's own loss as well, or a part of the student alone.
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    named = dict(student.named_parameters())
    missing = [name for name, p in named.items() if p.requires_grad and id(p) not in held]
    if not any(p.requires_grad and id(p) in held for p in named.values()):
        rule = "hold the student's trainable parameters"
        raise fail("optimizer", rule, "those of another model", "Build it from student.parameters().")
    if missing and held - {id(p) for p in named.values()} - {id(p) for p in projections}:
        rule = "hold the student's parameters, not those of a layer that was replaced"
        raise fail("optimizer", rule, f"{missing[0]} missing", "Build it after the last change of the student.")
    if not all(id(p) in held for p in projections):
        rule = "hold what it is given: the loss has projections to train"
        raise fail("optimizer", rule, "projections missing", "Write lambda groups: torch.optim.SGD(groups, 0.1).")


def _stepping(made: Any) -> torch.optim.Optimizer:
    """An optimizer that steps without a closure."""
    if not isinstance(made, torch.optim.Optimizer):
        raise fail(
            "optimizer",
            "return a torch optimizer",
            type(made).__name__,
            "Write lambda groups: torch.optim.SGD(groups, 0.1).",
        )
    needed = [p.name for p in inspect.signature(type(made).step).parameters.values() if p.default is p.empty]
    if "closure" in needed:
        raise fail(
            "optimizer", "step without a closure", type(made).__name__, "Use SGD, AdamW or another first-order one."
        )
    return made


def _fused(parameters: list[torch.nn.Parameter]) -> dict[str, Any]:
    """One kernel for all parameters, where torch has it: a quarter of the default's time on a small network."""
    plain = (torch.float32, torch.float64)
    devices = {p.device.type for p in parameters}
    fits = devices <= {"cpu", "cuda"} and len(devices) == 1 and all(p.dtype in plain for p in parameters)
    return {"fused": True} if fits else {}


def make_scheduler(s: Settings, optimizer: torch.optim.Optimizer, steps: int | None) -> tuple[LRScheduler | None, str]:
    """The scheduler and what it counts: "batches" or "epochs". A stream without a length is scheduled by epoch."""
    if isinstance(s.schedule, LRScheduler):
        if s.schedule.optimizer is not optimizer:
            rule = "belong to the optimizer that trains"
            raise fail("schedule", rule, "a scheduler of another one", "Pass that optimizer as optimizer=.")
        return s.schedule, _counts(s.schedule, s.epochs, steps)
    total, unit = (s.epochs, "epochs") if steps is None else (s.epochs * steps, "batches")
    made = _named_scheduler(s, optimizer, total)
    return made, "epochs" if isinstance(made, ReduceLROnPlateau) else unit


def _counts(schedule: LRScheduler, epochs: int, steps: int | None) -> str:
    """What a scheduler object counts: batches where its own length is that of the run in batches, else epochs."""
    if isinstance(schedule, CyclicLR):
        return "batches"
    own = next((int(getattr(schedule, name)) for name in ("total_steps", "T_max", "total_iters")
                if isinstance(getattr(schedule, name, None), (int, float))), None)  # fmt: skip
    batches = None if steps is None else epochs * steps
    if own is not None and own == batches != epochs:
        return "batches"
    if isinstance(schedule, OneCycleLR) and own != epochs:
        fits = f"{epochs} (one step an epoch)" + (f" or {batches} (one a batch)" if batches else "")
        raise fail("schedule", f"have total_steps {fits}", own, "OneCycleLR ends in an error after its last step.")
    return "epochs"


def _named_scheduler(s: Settings, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler | None:
    if s.schedule == "constant":
        return None
    if s.schedule == "cosine":
        return CosineAnnealingLR(optimizer, steps)
    if s.schedule == "one-cycle":
        return OneCycleLR(optimizer, [group["lr"] for group in optimizer.param_groups], steps)
    made: LRScheduler = s.schedule(optimizer, steps)
    if not isinstance(made, (LRScheduler, ReduceLROnPlateau)):
        raise fail(
            "schedule", "return a torch scheduler", type(made).__name__, "Write lambda o, n: StepLR(o, n // 3), say."
        )
    return made

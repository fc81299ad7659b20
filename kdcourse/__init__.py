"""kdcourse: the helper package of a course on knowledge distillation. Start with ``kd.load()`` and ``kd.distill``."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from kdcourse import data, evaluation, export, language, losses, models, multitask, synthesis, taylor, training
from kdcourse._interrupts import Interrupted
from kdcourse._measured import measured
from kdcourse._profile import profile
from kdcourse.data import load, split
from kdcourse.evaluation import evaluate, predict
from kdcourse.export import load_frozen, load_teacher, save_frozen
from kdcourse.models import build
from kdcourse.repeats import over_seeds
from kdcourse.synthesis import synthesise
from kdcourse.training import distill, train

if TYPE_CHECKING:
    from kdcourse import checks, diagrams, federated, figures, pipeline, plots, records, stacked, widgets

try:
    __version__ = version("kdcourse")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = [
    "Interrupted", "build", "checks", "data", "diagrams", "distill", "evaluate", "evaluation", "export", "federated",
    "figures", "language", "load", "load_frozen", "load_teacher", "losses", "measured", "models", "multitask",
    "over_seeds", "pipeline", "plots", "predict", "profile", "records", "save_frozen", "split", "stacked", "synthesis",
    "synthesise", "taylor", "train", "training", "widgets",
]  # fmt: skip


ROOMS = ("checks", "diagrams", "federated", "figures", "pipeline", "plots", "records", "stacked", "widgets")


def __getattr__(name: str) -> Any:
    """Rooms that cost an import of their own load when they are first used."""
    if name in ROOMS:
        return import_module(f"kdcourse.{name}")
    raise AttributeError(f"module 'kdcourse' has no attribute {name!r}")

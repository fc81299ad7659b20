"""Is it any good: accuracy and its relatives, agreement with the teacher, size and speed; paired comparisons."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse._arguments import fail
from kdcourse._feeds import Batch, Feed, Forward, call, labelled, open_feed, predict
from kdcourse._tables import Table
from kdcourse.data import NO_LABEL, pick_device, seeded
from kdcourse.models import parameter_count, preserved

__all__ = [
    "Comparison",
    "Report",
    "accuracy",
    "compare",
    "evaluate",
    "flops",
    "image_interval",
    "latency_ms",
    "right",
    "size_bytes",
    "t_interval",
]

CONFIDENCE = 0.95
RESAMPLES = 2000
BATCH = 128  # on a CPU, a large network answers batches of 500 at little more than half that speed


@dataclass
class Report:
    """What ``evaluate`` measured; prints, shows as HTML, saves as JSON. None: not applicable.

    Attributes:
        n: number of examples with a label (of all examples where none has one).
        accuracy, agreement: fractions in [0, 1]; agreement counts equal top-1 answers of model and teacher.
        recall: one fraction a class; None where the class does not occur.
        auc: area under the ROC curve, the mean over one class against the rest.
        confusion: rows are true classes, columns predicted ones.
        calibration_error: expected calibration error in 15 bins (Guo et al. 2017).
        kl: mean KL(teacher || model) over images, in nats.
        mse, r2: for float labels; R^2 is the mean over the outputs.
        parameters, bytes: of the model, buffers included in the bytes.
        flops: of one example; a multiplication and an addition count as two.
        latency_ms: of one example, median after warm-up, on ``device``.
    """

    n: int
    accuracy: float | None = None
    recall: list[float | None] = field(default_factory=list)
    auc: float | None = None
    confusion: list[list[int]] = field(default_factory=list)
    calibration_error: float | None = None
    agreement: float | None = None
    kl: float | None = None
    mse: float | None = None
    r2: float | None = None
    parameters: int = 0
    bytes: int = 0
    flops: int | None = None
    latency_ms: float | None = None
    device: str = "cpu"
    provenance: dict[str, Any] = field(default_factory=dict)

    def table(self) -> Table:
        """The single numbers, by name."""
        plain = {k: v for k, v in asdict(self).items() if not isinstance(v, (list, dict)) and v is not None}
        worst = [r for r in self.recall if r is not None]
        if worst:
            plain["lowest recall"] = f"{min(worst):.4g} (class {self.recall.index(min(worst))})"
        return Table(["measure", "value"], [[k.replace("_", " "), v] for k, v in plain.items()])

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_json(self) -> str:
        """Everything, as JSON."""
        return json.dumps(asdict(self), indent=1)

    def save(self, path: str | Path) -> None:
        """Write ``to_json`` to a file."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")


def evaluate(
    model: nn.Module, data: Any, *, teacher: nn.Module | None = None, batch_size: int = BATCH,
    device: str | torch.device | None = None, forward: Any = None, unpack: Callable[[Any], Any] | None = None,
    timed: bool = True,
) -> Report:  # fmt: skip
    """Measure a model on a part, a pair of tensors, a DataLoader or a Dataset.

    Args:
        model: in eval mode while it is measured, left as found.
        data: test data, say ``splits.test``.
        teacher: adds agreement and KL.
        batch_size: for tensors.
        device: where to measure; by default the accelerator that torch reports, else the CPU.
        forward: as in ``distill``: a callable, or a pair: teacher's, model's.
        unpack: as in ``distill``.
        timed: measure the latency too.

    Raises ValueError where there is nothing to measure: neither labels nor a teacher.
    """
    place = pick_device(device)
    theirs, ours = forward if isinstance(forward, (tuple, list)) else (forward, forward)
    ours, models = ours or call, [model] if teacher is None else [model, teacher]
    with lent(models, place), seeded(0):
        feed = open_feed(data, batch_size, place, unpack=unpack, scan=True)
        outputs, labels = _answers(models, [ours, theirs or call], feed, place)
        if not isinstance(outputs[0], Tensor):
            got = type(outputs[0]).__name__
            raise fail("forward", "return one tensor of logits here", got, "Evaluate one head at a time.")
        if teacher is None and not labelled(labels):
            raise fail("data", "have labels, or evaluate a teacher beside it", "neither", "Pass labels or teacher=.")
        report = Report(len(outputs[0]), device=str(place), provenance=getattr(data, "provenance", {}))
        if labelled(labels):
            _score(report, outputs[0], labels)
        if teacher is not None:
            _against(report, outputs[0], outputs[1])
        report.parameters, report.bytes = parameter_count(model), size_bytes(model)
        one = _first(next(feed.epoch(shuffle=False)).inputs)
        report.flops = flops(model, one, forward=ours)
        report.latency_ms = latency_ms(model, one, forward=ours) if timed else None
    return report


@contextmanager
def lent(models: Sequence[nn.Module], device: torch.device) -> Iterator[None]:
    """All models in eval mode on ``device``; afterwards each is exactly as found."""
    for model in models:
        if not isinstance(model, nn.Module):
            raise fail("model", "be a torch.nn.Module", type(model).__name__, "Pass run.student, say.", TypeError)
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(preserved(model)).to(device)
        yield


def _answers(
    models: Sequence[nn.Module], forwards: Sequence[Forward], feed: Feed, device: torch.device
) -> tuple[list[Any], Any]:
    def asking(model: nn.Module, forward: Forward) -> Callable[[Batch], Any]:
        return lambda batch: forward(model, batch.inputs)

    return predict([asking(m, f) for m, f in zip(models, forwards, strict=False)], feed, device)


def _first(inputs: Any) -> Any:
    """A batch of one, of a tensor or of a dict or sequence of tensors."""
    if isinstance(inputs, Mapping):
        return {name: _first(value) for name, value in inputs.items()}
    return type(inputs)(_first(value) for value in inputs) if isinstance(inputs, (tuple, list)) else inputs[:1]


def _score(report: Report, outputs: Tensor, labels: Tensor) -> None:
    if labels.is_floating_point():
        squares = (outputs.reshape(labels.shape) - labels).square().reshape(len(labels), -1).mean(dim=0)
        spread = labels.reshape(len(labels), -1).var(dim=0, unbiased=False)
        report.mse = float(squares.mean())
        report.r2 = float((1 - squares / spread).mean()) if bool((spread > 0).all()) else None
        return
    from sklearn.metrics import confusion_matrix, roc_auc_score
    from torchmetrics.functional.classification import multiclass_calibration_error

    known = labels != NO_LABEL
    outputs, labels = outputs[known].float().cpu(), labels[known].cpu()
    probabilities, answers, classes = outputs.softmax(dim=1), outputs.argmax(dim=1), outputs.shape[1]
    report.n, report.accuracy = len(labels), float((answers == labels).float().mean())
    counts = confusion_matrix(labels, answers, labels=range(classes))
    report.confusion = counts.tolist()
    report.recall = [float(row[c] / row.sum()) if row.sum() else None for c, row in enumerate(counts)]
    present = [c for c in range(classes) if 0 < int((labels == c).sum()) < len(labels)]
    areas = [float(roc_auc_score(labels == c, probabilities[:, c])) for c in present]
    report.auc = sum(areas) / len(areas) if areas else None
    error = multiclass_calibration_error(probabilities, labels, num_classes=classes, n_bins=15, norm="l1")
    report.calibration_error = float(error)


def _against(report: Report, outputs: Tensor, theirs: Tensor) -> None:
    if outputs.shape != theirs.shape:
        shapes = f"{tuple(outputs.shape)} and {tuple(theirs.shape)}"
        raise fail("teacher", "answer with the model's shape", shapes, "Compare models of the same classes.")
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        return
    log_theirs, log_ours = F.log_softmax(theirs.float(), dim=1), F.log_softmax(outputs.float(), dim=1)
    report.agreement = float((outputs.argmax(dim=1) == theirs.argmax(dim=1)).float().mean())
    report.kl = float((log_theirs.exp() * (log_theirs - log_ours)).sum(dim=1).mean())


def right(
    model: nn.Module, data: Any, *, batch_size: int = BATCH, device: Any = None, forward: Forward = call,
    unpack: Callable[[Any], Any] | None = None,
) -> Tensor:  # fmt: skip
    """For each labelled example whether the top answer is the label: a row of bool on the CPU, in the data's order.

    A recorded experiment that returns it keeps every image's answer, and its differences get an interval over images
    beside the one over seeds.
    """
    place = pick_device(device)
    with lent([model], place), seeded(0):
        feed = open_feed(data, batch_size, place, unpack=unpack)
        (outputs,), labels = _answers([model], [forward], feed, place)
    if not labelled(labels) or labels.is_floating_point():
        raise fail("data", "have class labels", "none", "Pass labelled data.")
    found: Tensor = (outputs.argmax(dim=1) == labels)[labels != NO_LABEL]
    return found.cpu()


def accuracy(
    model: nn.Module, data: Any, *, batch_size: int = BATCH, device: Any = None, forward: Forward = call,
    unpack: Callable[[Any], Any] | None = None,
) -> float:  # fmt: skip
    """The fraction of labelled examples whose top answer is the label."""
    answers = right(model, data, batch_size=batch_size, device=device, forward=forward, unpack=unpack)
    return float(answers.float().mean())


def size_bytes(model: nn.Module) -> int:
    """Bytes of all parameters and buffers."""
    return sum(v.numel() * v.element_size() for v in [*model.parameters(), *model.buffers()])


def flops(model: nn.Module, inputs: Any, *, forward: Forward = call) -> int:
    """Floating point operations of one forward pass, by torch's own counter (matrix products and convolutions)."""
    from torch.utils.flop_counter import FlopCounterMode

    with preserved(model), torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward(model, inputs)
    return int(counter.get_total_flops())


def latency_ms(model: nn.Module, inputs: Any, *, forward: Forward = call, repeats: int = 30) -> float:
    """Milliseconds of one forward pass: the median of ``repeats`` after five to warm up."""
    seconds = []
    with preserved(model), torch.no_grad():
        for _ in range(5 + repeats):
            started = time.perf_counter()
            forward(model, inputs)
            if next(model.parameters(), torch.empty(0)).device.type != "cpu":
                torch.accelerator.synchronize()
            seconds.append(time.perf_counter() - started)
    return 1000 * median(seconds[5:])


# ---------------------------------------------------------------- paired comparison


@dataclass
class Comparison:
    """The paired difference ``ours - theirs`` of an accuracy (or of -MSE), as a fraction.

    Attributes:
        difference: the mean over seeds.
        interval: 95%, over seeds (Student's t); over images where there is one seed only.
        over_images: 95% over images, by bootstrap of the images that all seeds share.
        per_seed: one difference a seed.
        fractions: whether these are fractions (accuracies), shown in points.
    """

    difference: float
    interval: tuple[float, float]
    over_images: tuple[float, float]
    per_seed: list[float]
    fractions: bool = True

    @property
    def resolved(self) -> bool:
        """Whether neither interval holds zero."""
        return all(low > 0 or high < 0 for low, high in (self.interval, self.over_images))

    def __str__(self) -> str:
        scale, unit = (100, " points") if self.fractions else (1, "")

        def ends(interval: tuple[float, float]) -> str:
            return f"[{scale * interval[0]:+.2f}, {scale * interval[1]:+.2f}]"

        several = len(self.per_seed) > 1
        kind = f"over {len(self.per_seed)} seeds" if several else "over images, one seed"
        images = f", over images {ends(self.over_images)}" if several else ""
        verdict = "" if self.resolved else "; not resolved"
        return f"{scale * self.difference:+.2f}{unit}, 95% interval {kind} {ends(self.interval)}{images}{verdict}"

    __repr__ = __str__


def compare(
    ours: Sequence[Any], theirs: Sequence[Any], data: Any, *, device: Any = None, seed: int = 0,
    forward: Forward = call, unpack: Callable[[Any], Any] | None = None,
) -> Comparison:  # fmt: skip
    """Compare two methods seed by seed on the same examples.

    Args:
        ours, theirs: lists of runs or models, one a seed, in the same order of seeds.
        data: a test part or pair with class labels.
        device: where to predict.
        seed: of the bootstrap.
        forward, unpack: as in ``distill``, for all models alike.

    All models see the same batches, so a loader may shuffle.
    """
    if (
        not isinstance(ours, (list, tuple))
        or not isinstance(theirs, (list, tuple))
        or len(ours) != len(theirs)
        or not ours
    ):
        got = f"{_length(ours)} and {_length(theirs)}"
        raise fail("ours and theirs", "be lists of equal length, one run a seed", got, "Write [run], [base].")
    models = [getattr(run, "student", run) for run in (*ours, *theirs)]
    place = pick_device(device)
    with lent(models, place), seeded(seed):
        feed = open_feed(data, BATCH, place, unpack=unpack)
        outputs, labels = _answers(models, [forward] * len(models), feed, place)
    right = np.stack([_right(output, labels) for output in outputs])
    differences = right[: len(ours)] - right[len(ours) :]
    per_seed = differences.mean(axis=1)
    over_images = image_interval(differences.mean(axis=0), seed=seed)
    interval = t_interval(per_seed) if len(per_seed) > 1 else over_images
    fractions = bool((np.abs(differences) <= 1).all() and (differences == differences.round()).all())
    return Comparison(float(per_seed.mean()), interval, over_images, per_seed.tolist(), fractions)


def _length(value: Any) -> str:
    return f"{len(value)} runs" if isinstance(value, (list, tuple)) else type(value).__name__


def _right(outputs: Tensor, labels: Any) -> np.ndarray:
    """1 where the model is right, 0 where it is wrong (-squared error for float labels), one value an example."""
    if not labelled(labels):
        raise fail("data", "have labels", "none", "Pass labelled test data.")
    if labels.is_floating_point():
        squares = (outputs.reshape(labels.shape) - labels).square()
        return np.asarray(-squares.reshape(len(labels), -1).mean(dim=1).cpu().double())
    known = labels != NO_LABEL
    return np.asarray((outputs.argmax(dim=1) == labels)[known].cpu().double())


def t_interval(differences: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The 95% interval of a mean of paired differences, by Student's t. Shape: one value a seed."""
    from scipy.stats import t

    values = np.asarray(differences)
    half = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def image_interval(values: Sequence[float] | np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """The 95% interval of a mean over images, by bootstrap (percentiles of 2,000 draws). Shape: one value an image.

    A draw with replacement is known by how often each *distinct* value came up, which is multinomial; right-or-wrong
    differences have few distinct values, so this takes milliseconds (Efron 1979).
    """
    distinct, counts = np.unique(np.asarray(values, dtype=float), return_counts=True)
    rng, n = np.random.default_rng(seed), int(counts.sum())
    draws = [rng.multinomial(n, counts / n, size=100) @ distinct / n for _ in range(RESAMPLES // 100)]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(np.concatenate(draws), [tail, 100 - tail])
    return float(low), float(high)

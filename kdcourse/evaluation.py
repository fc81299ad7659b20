"""Is it any good: accuracy and its relatives, agreement with the teacher, size and speed; paired comparisons."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse._answers import check_images, first_answer, logits_of
from kdcourse._answers import predict as answers_of
from kdcourse._arguments import fail
from kdcourse._feeds import Batch, Feed, Forward, call, checked, labelled, open_feed, rebuilt
from kdcourse._intervals import Difference, by_images, by_seeds, holm, redrawn, t_interval
from kdcourse._scores import accuracies, agreements, class_scores, multilabel_auc
from kdcourse._tables import Table
from kdcourse._targets import kind_of, probabilities
from kdcourse.data import NO_LABEL, pick_device, seeded
from kdcourse.models import parameter_count, preserved, sent

__all__ = [
    "Difference", "Report", "accuracy", "compare", "evaluate", "flops", "holm", "latency_ms", "predict", "redrawn",
    "right", "size_bytes", "t_interval",
]  # fmt: skip

BATCH = 128  # on a CPU, a large network answers batches of 500 at little more than half that speed


@dataclass
class Report:
    """What ``evaluate`` measured; prints, shows as HTML, saves as JSON. None: not applicable.

    Attributes:
        n: number of examples with a label (of all examples where none has one).
        kind: what the labels are: classes, soft, dense, binary, multilabel, regression or none.
        accuracy, agreement: fractions in [0, 1]; agreement counts equal top-1 answers of model and teacher. Of dense
            outputs and many-hot labels the mean over examples of each one's share.
        recall: one fraction a class; None where the class does not occur.
        auc: area under the ROC curve, the mean over one class against the rest (up to 256 classes).
        confusion: rows are true classes, columns predicted ones (up to 256 classes).
        calibration_error: expected calibration error in 15 bins (Guo et al. 2017).
        kl: mean KL(teacher || model) over images, in nats.
        mse, r2: for float labels; R^2 is the mean over the outputs.
        metrics: of one's own, by name.
        parameters, bytes: of the model, buffers included in the bytes; None where packed weights hide their number.
        flops: of one example; a multiplication and an addition count as two. None where they cannot be counted.
        latency_ms: of one example, median after warm-up, on ``device``.
        classes: the classes' names, where they are known.
    """

    n: int
    kind: str = "none"
    accuracy: float | None = None
    recall: list[float | None] = field(default_factory=list)
    auc: float | None = None
    confusion: list[list[int]] = field(default_factory=list)
    calibration_error: float | None = None
    agreement: float | None = None
    kl: float | None = None
    mse: float | None = None
    r2: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    parameters: int | None = None
    bytes: int | None = None
    flops: int | None = None
    latency_ms: float | None = None
    device: str = "cpu"
    classes: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)

    def table(self) -> Table:
        """The single numbers, by name."""
        plain = {k: v for k, v in asdict(self).items() if not isinstance(v, (list, dict)) and v is not None}
        plain.pop("kind")
        plain |= self.metrics
        worst = [r for r in self.recall if r is not None]
        if worst:
            at = self.recall.index(min(worst))
            plain["lowest recall"] = f"{min(worst):.4g} ({self.named(at)})"
        return Table(["measure", "value"], [[k.replace("_", " "), v] for k, v in plain.items()])

    def named(self, c: int) -> str:
        """A class's name, or its number."""
        return self.classes[c] if c < len(self.classes) else f"class {c}"

    def by_class(self) -> Table:
        """Recall class by class, by name."""
        return Table(["class", "recall"], [[self.named(c), r] for c, r in enumerate(self.recall)])

    def loss_statement(
        self, *, teacher: "Report | None" = None, labels: "Report | None" = None,
        shifted: Mapping[str, Sequence["Report"]] | None = None,
    ) -> Table:  # fmt: skip
        """What this student kept and what it lost, in per cent, and in brackets how much more than its rival it has.

        Accuracy, the class with the lowest recall, calibration error, agreement with the teacher and the accuracy under
        shifts (Wang 2026, who asks for such a statement beside every distilled model).

        Args:
            teacher: its report on the same data.
            labels: that of the same student taught by labels alone.
            shifted: {a shift's name: reports on data so shifted, as many as there are columns, in their order}.

        Raises ValueError for reports without classes, of other data, or not one for each column.
        """
        rivals = {"teacher": teacher, "labels alone": labels}
        columns = {"student": self, **{name: rival for name, rival in rivals.items() if rival is not None}}
        held: dict[str, Sequence[Report]] = {"": list(columns.values()), **(shifted or {})}
        for name, reports in held.items():
            _comparable(name, reports, list(columns))
        ours = held.pop("")
        worst = [_worst(report) for report in ours]
        recalls = _beside([recall for recall, _ in worst])
        named = [f"{text}, {r.named(c)}" for text, (_, c), r in zip(recalls, worst, ours, strict=True)]
        rows: list[list[Any]] = [["accuracy", *_beside([r.accuracy for r in ours])], ["lowest recall", *named]]
        rows += [["calibration error", *_beside([r.calibration_error for r in ours])]]
        rows += [["agreement with the teacher", *_beside([r.agreement for r in ours])]]
        rows += [[f"accuracy, {name}", *_beside([r.accuracy for r in reports])] for name, reports in held.items()]
        return Table(["per cent", *columns], rows)

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


def _worst(report: Report) -> tuple[float, int]:
    """The lowest recall of a class, and which class it is."""
    return min((recall, c) for c, recall in enumerate(report.recall) if recall is not None)


def _beside(values: Sequence[float | None]) -> list[str | None]:
    """Per cent; beside each but the first how much more than it the first one is."""
    first, *others = values
    found = [None if first is None else f"{100 * first:.1f}"]
    for value in others:
        more = "" if value is None or first is None else f" ({100 * (first - value):+.1f})"
        found.append(None if value is None else f"{100 * value:.1f}{more}")
    return found


def _comparable(name: str, reports: Sequence[Report], columns: Sequence[str]) -> None:
    if len(reports) != len(columns):
        rule = f"hold one report for each of {', '.join(columns)}"
        raise fail(f"shifted[{name!r}]", rule, len(reports), "Evaluate each model on the shifted data.")
    if any(report.kind != "classes" for report in reports):
        got = ", ".join(report.kind for report in reports)
        raise fail(
            f"the reports {name}".rstrip(), "be of labelled classes", got, "Evaluate on data with one label an image."
        )
    if len({report.n for report in reports}) > 1:
        got = ", ".join(str(report.n) for report in reports)
        raise fail(
            f"the reports {name}".rstrip(), "be of the same images", f"{got} of them", "Evaluate all on one set."
        )


def evaluate(
    model: nn.Module, data: Any, *, teacher: nn.Module | None = None, metric: Any = None, classes: Sequence[str] = (),
    batch_size: int = BATCH, device: str | torch.device | None = None, forward: Any = None,
    unpack: Callable[[Any], Any] | None = None, timed: bool = True, everything: bool | None = None,
    progress: bool = False,
) -> Report:  # fmt: skip
    """Measure a model on a part, a pair of tensors, a DataLoader or a Dataset.

    Args:
        model: in eval mode while it is measured, left as found.
        data: test data, say ``splits.test``.
        teacher: adds agreement and KL.
        metric: one's own: a callable (outputs, labels) -> float, or a dict of such by name.
        classes: the classes' names; those of the part where left out.
        batch_size: for tensors.
        device: where to measure; by default the accelerator that torch reports, else the CPU.
        forward: as in ``distill``: a callable, or a pair: teacher's, model's.
        unpack: as in ``distill``.
        timed: measure the latency too.
        everything: confusion matrix and AUC also above 256 classes, where both grow with their square; False: never.
        progress: show a progress bar.

    Raises ValueError where there is nothing to measure (neither labels nor a teacher) or labels fit no outputs.
    """
    place = pick_device(device)
    theirs, ours = forward if isinstance(forward, (tuple, list)) else (forward, forward)
    ours, models = ours or call, [model] if teacher is None else [model, teacher]
    own = _named_metrics(metric)
    with lent(models, place), seeded(0):
        feed = open_feed(data, batch_size, place, unpack=unpack, scan=True)
        _read(models, [ours, theirs or call], feed, needs_labels=teacher is None)
        outputs, labels, kind = _answers(models, [ours, theirs or call], feed, place, progress)
        report = Report(len(outputs[0]), kind, device=str(place), provenance=getattr(data, "provenance", {}))
        report.classes = list(classes or getattr(data, "classes", ()))
        if labelled(labels):
            _score(report, outputs[0], labels, everything)
        if teacher is not None:
            _against(report, outputs[0], outputs[1])
        report.metrics = {name: float(function(outputs[0], labels)) for name, function in own.items()}
        batch = feed.sample()
        one = _first(batch.inputs, batch.size)
        report.parameters, report.bytes = parameter_count_or_none(model), size_bytes(model)
        report.flops = _flops_or_none(model, one, ours)
        report.latency_ms = _latency_or_none(model, one, ours) if timed else None
    return report


def _named_metrics(metric: Any) -> dict[str, Callable[[Any, Any], float]]:
    named = metric if isinstance(metric, Mapping) else {} if metric is None else {_name(metric): metric}
    if not all(callable(function) for function in named.values()):
        raise fail("metric", "be a callable (outputs, labels) -> float, or a dict of such", metric, "Pass a function.")
    return dict(named)


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", "metric")).replace("<lambda>", "metric")


@contextmanager
def lent(models: Sequence[nn.Module], device: torch.device) -> Iterator[None]:
    """All models in eval mode on ``device``; afterwards each is exactly as found."""
    for model in models:
        if not isinstance(model, nn.Module):
            raise fail("model", "be a torch.nn.Module", type(model).__name__, "Pass run.student, say.", TypeError)
    with ExitStack() as stack:
        for model in models:
            sent(stack.enter_context(preserved(model)), device)
        yield


def _read(models: Sequence[nn.Module], forwards: Sequence[Forward], feed: Feed, *, needs_labels: bool) -> str:
    """What the labels seem to mean beside the first answers; refuse what cannot be measured before the long pass."""
    kind, batch, shapes = "none", feed.sample(), list[tuple[int, ...]]()
    with torch.no_grad():
        for at, (model, forward) in enumerate(zip(models, forwards, strict=False)):
            check_images(model, batch.inputs, "model")
            answer = first_answer(partial(forward, model, batch.inputs), model, batch.inputs, "model")
            outputs = logits_of(answer, "model")
            shapes = list(dict.fromkeys([*shapes, tuple(outputs.shape)]))
            if at == 0:
                kind = kind_of(outputs, feed.labels)
                checked(feed.labels, kind, outputs)
    if len(shapes) > 1:
        raise fail("teacher", "answer with the model's shape", " and ".join(map(str, shapes)),
                   "Compare models of the same classes.")  # fmt: skip
    if needs_labels and not labelled(feed.labels):
        raise fail("data", "have labels, or evaluate a teacher beside it", "neither", "Pass labels or teacher=.")
    return kind


def _answers(
    models: Sequence[nn.Module], forwards: Sequence[Forward], feed: Feed, device: torch.device, progress: bool = False
) -> tuple[list[Any], Any, str]:
    """(each model's outputs, labels as their kind wants them, their kind), decided by all labels, not by the first."""

    def asking(model: nn.Module, forward: Forward) -> Callable[[Batch], Any]:
        return lambda batch: forward(model, batch.inputs)

    asked = [asking(m, f) for m, f in zip(models, forwards, strict=False)]
    outputs, labels = answers_of(asked, feed, device, progress=progress)
    for values in outputs:
        lost = int(values.flatten(1).isnan().any(dim=1).sum()) if values.ndim > 1 else int(values.isnan().sum())
        if lost:
            raise fail("the model", "answer with numbers", f"NaN for {lost} of {len(values)} examples",
                       "Check its weights and the inputs.")  # fmt: skip
    if isinstance(labels, Tensor) and len(labels) != len(outputs[0]):
        raise fail("labels", f"have one row for each of the model's {len(outputs[0])} answers", len(labels),
                   "The model must answer one row an example, the batch first.")  # fmt: skip
    kind = kind_of(outputs[0], labels)
    return outputs, checked(labels, kind, outputs[0]), kind


def _first(inputs: Any, size: int) -> Any:
    """A batch of one, of tensors with one row an example; what is none of these (a table of edges, say) stays whole."""
    if isinstance(inputs, Mapping):
        return {name: _first(value, size) for name, value in inputs.items()}
    if isinstance(inputs, (tuple, list)) and not isinstance(inputs, torch.nn.utils.rnn.PackedSequence):
        return rebuilt(inputs, [_first(value, size) for value in inputs])
    return inputs[:1] if isinstance(inputs, Tensor) and inputs.ndim and len(inputs) == size else inputs


def _score(report: Report, outputs: Tensor, labels: Any, everything: bool | None) -> None:
    kind = report.kind
    if kind == "heads":  # one's own metric alone
        return
    if labels.is_floating_point() and kind != "soft" and not bool((labels == NO_LABEL).any()):
        targets = labels.reshape(outputs.shape) if labels.numel() == outputs.numel() else labels
        squares = (outputs - targets).square().reshape(len(labels), -1).mean(dim=0)
        spread = labels.reshape(len(labels), -1).var(dim=0, unbiased=False)
        report.mse = float(squares.mean())
        report.r2 = float((1 - squares / spread).mean()) if bool((spread > 0).all()) else None
    if kind == "regression":
        return
    right = accuracies(outputs, labels, kind)
    report.n, report.accuracy = len(right), float(right.float().mean())
    if kind == "multilabel":
        report.auc = multilabel_auc(outputs, labels) if everything is not False else None
        return
    for name, value in class_scores(outputs, labels, kind, everything).items():
        setattr(report, name, value)


def _against(report: Report, outputs: Tensor, theirs: Tensor) -> None:
    if outputs.shape != theirs.shape:
        shapes = f"{tuple(outputs.shape)} and {tuple(theirs.shape)}"
        raise fail("teacher", "answer with the model's shape", shapes, "Compare models of the same classes.")
    same = agreements(outputs, theirs, report.kind)
    report.agreement = None if same is None else float(same.float().mean())
    if same is not None and outputs.ndim == 2 and outputs.shape[1] > 1 and report.kind != "multilabel":
        theirs, outputs = (v.clamp(min=1e-30).log() if probabilities(v, "classes") else v for v in (theirs, outputs))
        log_theirs, log_ours = F.log_softmax(theirs.float(), dim=1), F.log_softmax(outputs.float(), dim=1)
        p = log_theirs.exp()
        report.kl = float(torch.where(p > 0, p * (log_theirs - log_ours), 0.0).sum(dim=1).mean())


def predict(
    model: nn.Module, data: Any, *, batch_size: int = BATCH, device: Any = None, forward: Forward | None = None,
    unpack: Callable[[Any], Any] | None = None, progress: bool = False,
) -> Tensor:  # fmt: skip
    """The model's outputs for every example, in the data's order, on the CPU, without gradients.

    Args:
        model: in eval mode while it is asked, left as found.
        data: a part, a pair of tensors, a tensor of inputs, a DataLoader or a Dataset; labels are not read.
        batch_size: for tensors.
        device, forward, unpack, progress: as in ``evaluate``.

    Returns: N x C for a classifier; ``.softmax(dim=1)`` gives probabilities, ``.argmax(dim=1)`` answers.
    """
    place, forward = pick_device(device), forward or call
    data = (data, None) if isinstance(data, (Tensor, np.ndarray)) else data
    tensors = isinstance(data, list) and len(data) > 1 and all(isinstance(one, Tensor) for one in data)
    if tensors and data[0].ndim > 1 and data[0].is_floating_point() and data[0].shape[1:] == data[1].shape[1:]:
        rule, remedy = "be one tensor, or a pair (inputs, labels)", "Join batches: torch.cat(batches)."
        raise fail("data", rule, f"a list of {len(data)} tensors of inputs", remedy)
    with lent([model], place), seeded(0):
        feed = open_feed(data, batch_size, place, unpack=unpack)
        batch = feed.sample()
        check_images(model, batch.inputs, "model")
        with torch.no_grad():
            answer = first_answer(lambda: forward(model, batch.inputs), model, batch.inputs, "model")
        logits_of(answer, "model")
        (outputs,), _ = answers_of([lambda batch: forward(model, batch.inputs)], feed, place, progress=progress)
    return outputs.cpu()  # type: ignore[no-any-return]


def right(
    model: nn.Module, data: Any, *, batch_size: int = BATCH, device: Any = None, forward: Forward | None = None,
    unpack: Callable[[Any], Any] | None = None,
) -> Tensor:  # fmt: skip
    """For each labelled example whether the answer is right: a row of bool on the CPU, in the data's order.

    Of dense outputs and many-hot labels each example's share, as floats. A recorded experiment that returns it keeps
    every image's answer, and its differences get one interval over seeds and images.
    """
    place, forward = pick_device(device), forward or call
    with lent([model], place), seeded(0):
        feed = open_feed(data, batch_size, place, unpack=unpack, scan=True)
        if not labelled(feed.labels):
            raise fail("data", "have class labels", "none", "Pass labelled data.")
        kind = _read([model], [forward], feed, needs_labels=True)
        if kind in ("regression", "heads"):
            got = "float labels" if kind == "regression" else "labels for several heads"
            raise fail(
                "data", "have class labels", got, "Use evaluate(..., metric=...), or .mse of it for a regression."
            )
        (outputs,), labels, kind = _answers([model], [forward], feed, place)
    return accuracies(outputs, labels, kind).cpu()


def accuracy(
    model: nn.Module, data: Any, *, batch_size: int = BATCH, device: Any = None, forward: Forward | None = None,
    unpack: Callable[[Any], Any] | None = None,
) -> float:  # fmt: skip
    """The fraction of labelled examples whose answer is right."""
    answers = right(model, data, batch_size=batch_size, device=device, forward=forward, unpack=unpack)
    return float(answers.float().mean())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)


def size_bytes(model: nn.Module) -> int | None:
    """Bytes of all parameters and buffers, packed (quantised) ones included; None where none can be seen."""
    values = [*model.parameters(), *model.buffers()]
    values += [v for v in _packed(model) if all(v is not w for w in values)]
    return sum(v.numel() * v.element_size() for v in values) if values else _nothing(model)


def parameter_count_or_none(model: nn.Module) -> int | None:
    """Number of parameters, packed (quantised) ones included; None where 4-bit packing hides it."""
    if any(not p.is_floating_point() and not p.is_complex() for p in model.parameters()):
        return None
    packed = sum(v.numel() for v in _packed(model))
    return parameter_count(model) + packed or _nothing(model)


def _packed(model: nn.Module) -> list[Tensor]:
    """Weights that torch's quantised modules keep packed, where ``parameters`` does not see them."""
    packing = [m for m in model.modules() if callable(getattr(m, "_weight_bias", None))]
    inner = [m for m in packing if not any(child in packing for child in m.children())]
    return [v.detach() for module in inner for v in _tensors(_unpacked(module))]


def _unpacked(module: Any) -> Any:
    return module._weight_bias()


def _nothing(model: nn.Module) -> int | None:
    """0 for a model that holds nothing; None for one whose state is of a kind that cannot be measured."""
    return 0 if not any(True for _ in _tensors(list(model.state_dict().values()))) and _plain(model) else None


def _plain(model: nn.Module) -> bool:
    return all(
        type(m).__module__.startswith(("torch.nn.modules", "kdcourse")) or not m._modules for m in model.modules()
    )


def _latency_or_none(model: nn.Module, one: Any, forward: Forward) -> float | None:
    try:
        return latency_ms(model, one, forward=forward)
    except Exception:  # a model that takes no batch of one
        return None


def _flops_or_none(model: nn.Module, one: Any, forward: Forward) -> int | None:
    try:
        return flops(model, one, forward=forward)
    except Exception:  # a compiled, exported or scripted model may refuse the counter
        return None


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


def compare(
    ours: Sequence[Any], theirs: Sequence[Any], data: Any, *, metric: Callable[[Any, Any], float] | None = None,
    device: Any = None, forward: Forward | None = None, unpack: Callable[[Any], Any] | None = None,
) -> Difference:  # fmt: skip
    """Compare two methods seed by seed on the same examples: ours minus theirs.

    Args:
        ours, theirs: lists of runs or models, one a seed, in the same order of seeds.
        data: a test part or pair with labels; accuracies are compared, -squared errors for float labels.
        metric: one's own, (outputs, labels) -> float of all examples; its interval is over seeds alone.
        device: where to predict.
        forward, unpack: as in ``distill``, for all models alike.

    Returns one difference with one 95% interval over seeds and images together; with one run a side it is over images
    alone, with two to four there is none. All models see the same batches, so a loader may shuffle.
    """
    lists = isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple))
    if not lists or len(ours) != len(theirs) or not ours:
        got = f"{_length(ours)} and {_length(theirs)}"
        raise fail("ours and theirs", "be lists of equal length, one run a seed", got, "Write [run], [base].")
    models, forward = [getattr(run, "student", run) for run in (*ours, *theirs)], forward or call
    for argument, some in (("ours", models[: len(ours)]), ("theirs", models[len(ours) :])):
        if len({id(model) for model in some}) < len(some):
            raise fail(argument, "hold one model a seed", "the same module more than once", "Build a new one a seed.")
    place, n = pick_device(device), len(ours)
    with lent(models, place), seeded(0):
        feed = open_feed(data, BATCH, place, unpack=unpack, scan=True)
        if not labelled(feed.labels):
            raise fail("data", "have labels", "none", "Pass labelled test data.")
        _read(models, [forward] * len(models), feed, needs_labels=True)
        outputs, labels, kind = _answers(models, [forward] * len(models), feed, place)
    if metric is None and kind == "heads":
        raise fail("metric", "be given where there are several heads", None, "Pass (outputs, labels) -> float.")
    if metric is not None:
        values = [float(metric(output, labels)) for output in outputs]
        return by_seeds([a - b for a, b in zip(values[:n], values[n:], strict=True)], scale=1.0, unit="")
    table = np.stack([_each(output, labels, kind) for output in outputs])
    shown: dict[str, Any] = {"scale": 1.0, "unit": ""} if kind == "regression" else {}
    return by_images(table[:n] - table[n:], **shown)


def _length(value: Any) -> str:
    return f"{len(value)} runs" if isinstance(value, (list, tuple)) else type(value).__name__


def _each(outputs: Tensor, labels: Any, kind: str) -> np.ndarray:
    """1 where the model is right, 0 where it is wrong (a share, or -squared error), one value an example."""
    if kind == "regression":
        squares = (outputs.reshape(labels.shape) - labels).square()
        return np.asarray(-squares.reshape(len(labels), -1).mean(dim=1).cpu().double())
    return np.asarray(accuracies(outputs, labels, kind).cpu().double())

"""What a run eats: batches from tensors or anyone's loader, and the teacher's answers, cached where they can be."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from kdcourse._arguments import fail
from kdcourse.data import NO_LABEL, Part, Splits, batch_sizes, batches, take
from kdcourse.data.part import as_part
from kdcourse.losses import Side
from kdcourse.models import Capture

Forward = Callable[[nn.Module, Any], Any]
MB = 2**20


@dataclass
class Batch:
    """Inputs, labels (or None), and the positions in the part where the data are tensors."""

    inputs: Any
    labels: Any
    positions: Tensor | None = None

    @property
    def size(self) -> int:
        """Number of examples."""
        inputs = self.inputs
        while not isinstance(inputs, Tensor) and isinstance(inputs, (Mapping, tuple, list)):
            inputs = next(iter(inputs.values())) if isinstance(inputs, Mapping) else inputs[0]
        return len(inputs)


def call(model: nn.Module, inputs: Any) -> Any:
    """The default ``forward``: the model on the inputs."""
    return model(inputs)


def progress_bar(show: bool, **options: Any) -> Any:
    """Tqdm for notebook or terminal; silent where ``show`` is False or the environment sets TQDM_DISABLE."""
    from tqdm.auto import tqdm

    silent = not show or bool(os.environ.get("TQDM_DISABLE"))  # tqdm's notebook form does not read it
    return tqdm(leave=False, unit="step", disable=silent, **options)


def move(value: Any, device: torch.device) -> Any:
    """A tensor, dict or sequence of tensors on ``device``; anything else as it is."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {key: move(item, device) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(move(item, device) for item in value)
    return value


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """bfloat16 where it is asked for; a context that does nothing for float32."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def labelled(labels: Any) -> bool:
    """Whether at least one example has a label."""
    if labels is None:
        return False
    if isinstance(labels, Mapping):
        return any(labelled(value) for value in labels.values())
    return labels.is_floating_point() or bool((labels != NO_LABEL).any())


class TensorFeed:
    """A part on the device, cut into batches there: no worker processes, no copies batch by batch."""

    def __init__(
        self, part: Part, batch_size: int, device: torch.device, augment: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.part = Part(move(part.images, device), move(part.labels, device), part.indices)
        self.batch_size, self.augment = batch_size, augment
        self.steps: int | None = len(batch_sizes(len(part), batch_size))
        self.labels = self.part.labels

    def epoch(self, *, shuffle: bool) -> Iterator[Batch]:
        """One pass; the order is ``torch.randperm`` from torch's own generator where ``shuffle``."""
        for at in batches(self.part, self.batch_size, shuffle=shuffle):
            inputs = self.part.images[at]
            yield Batch(self.augment(inputs) if self.augment else inputs, take(self.labels, at), at)


class LoaderFeed:
    """Anyone's loader, read afresh every epoch; ``unpack`` turns its batches into (inputs, labels)."""

    part = None

    def __init__(
        self, loader: Any, device: torch.device, unpack: Callable[[Any], Any] | None = None,
        augment: Callable[[Tensor], Tensor] | None = None, scan: bool = False,
    ) -> None:  # fmt: skip
        if isinstance(loader, Iterator):
            raise fail(
                "data", "be readable more than once", "an iterator", "Pass the DataLoader itself, not iter() of it."
            )
        self.loader, self.device, self.unpack, self.augment = loader, device, unpack or _unpack, augment
        self.steps = len(loader) if hasattr(loader, "__len__") else None
        first = next(self.epoch(shuffle=False), None)
        if first is None:
            raise fail("data", "yield at least one batch", "an empty loader", "Check the data set behind it.")
        self.labels = first.labels
        if scan:  # whether validation data are labelled is no matter of their first batch
            labels = [batch.labels for batch in self.epoch(shuffle=False)]
            self.labels = next((value for value in labels if labelled(value)), first.labels)

    def epoch(self, *, shuffle: bool) -> Iterator[Batch]:
        """One pass in the loader's own order."""
        for batch in self.loader:
            unpacked = self.unpack(batch)
            if not isinstance(unpacked, (tuple, list)) or len(unpacked) != 2:
                raise fail(
                    "unpack", "return a pair (inputs, labels)", type(unpacked).__name__, "Return (x, None) for none."
                )
            inputs, labels = (move(value, self.device) for value in unpacked)
            yield Batch(self.augment(inputs) if self.augment else inputs, labels)


Feed = TensorFeed | LoaderFeed


def _unpack(batch: Any) -> Any:
    if isinstance(batch, Tensor):
        return batch, None
    if isinstance(batch, (tuple, list)) and 1 <= len(batch) <= 2:
        return (batch[0], None) if len(batch) == 1 else batch
    shown = f"{type(batch).__name__} of {len(batch)}" if hasattr(batch, "__len__") else type(batch).__name__
    raise fail("a batch of the loader", "be (inputs, labels)", shown,
               "Pass unpack=lambda batch: (inputs, labels).", TypeError)  # fmt: skip


def open_feed(
    data: Any, batch_size: int, device: torch.device, *, unpack: Callable[[Any], Any] | None = None,
    augment: Callable[[Tensor], Tensor] | None = None, shuffle: bool = False, scan: bool = False, name: str = "data",
) -> Feed:  # fmt: skip
    """A feed for a part, a pair of tensors, a DataLoader or any other map-style Dataset."""
    if isinstance(data, Part) or (isinstance(data, (tuple, list)) and len(data) == 2 and isinstance(data[0], Tensor)):
        if unpack is not None:
            raise fail("unpack", "be left out for tensors: they are no batches", "a function", "Remove the argument.")
        part = as_part(data)
        if len(part) == 0:
            raise fail("data", "hold at least one example", 0, "Check the split.")
        return TensorFeed(part, batch_size, device, augment)
    if isinstance(data, Dataset) and hasattr(data, "__getitem__"):
        data = DataLoader(data, batch_size, shuffle=shuffle)
    if not hasattr(data, "__iter__") or isinstance(data, (Tensor, str, Mapping)):
        rule = "be a Part, a DataLoader, a Dataset or a pair (inputs, labels) of tensors"
        remedy = "Pass one part, such as splits.test." if isinstance(data, Splits) else "Wrap it in one of these."
        raise fail(name, rule, type(data).__name__, remedy, TypeError)
    if isinstance(data, (tuple, list)) and data and hasattr(data[0], "__array_interface__"):
        raise fail(name, "hold tensors", "NumPy arrays", "Wrap each with torch.as_tensor.", TypeError)
    return LoaderFeed(data, device, unpack, augment, scan)


class Supervisor:
    """The teacher's answers to a batch: logits and the features that the loss asks for, without gradients."""

    def __init__(
        self, teacher: nn.Module, captured: Capture, device: torch.device, forward: Forward, precision: str
    ) -> None:
        self.teacher, self.captured, self.device = teacher, captured, device
        self.forward, self.precision = forward, precision
        self._cached: dict[int, dict[str, Any]] = {}

    def answer(self, feed: Feed, batch: Batch) -> Side:
        """From the cache, by position, or by running the teacher."""
        store = self._cached.get(id(feed))
        if store is not None:
            features = {name: value[batch.positions] for name, value in store["features"].items()}
            return Side(take(store["logits"], batch.positions), features, self.teacher)
        with torch.no_grad(), autocast(self.device, self.precision):
            logits, features = self.captured.run(lambda: self.forward(self.teacher, batch.inputs))
        return Side(logits, features, self.teacher)

    def cache(self, feed: Feed, limit_mb: float, *, logits: bool = True) -> str:
        """Fill the cache for ``feed`` where possible, with what the loss asks for; say what was done."""
        if feed.part is None:
            return "off: a loader's batches have no fixed index"
        if feed.augment is not None:
            return "off: augmented images differ every epoch"
        pieces: list[Side] = []
        size = 0.0
        for batch in feed.epoch(shuffle=False):
            answer = self.answer(feed, batch)
            pieces.append(answer if logits else Side(None, answer.features))
            size = size or _bytes(pieces[0]) / batch.size * len(feed.part)
            if size > limit_mb * MB:
                return f"off: {size / MB:.1f} MB would exceed cache_mb={limit_mb:g}"
        names = list(pieces[0].features)
        self._cached[id(feed)] = {
            "logits": _cat([piece.logits for piece in pieces]) if logits else None,
            "features": {name: torch.cat([piece.features[name] for piece in pieces]) for name in names},
        }
        return f"on: {', '.join([*(['logits'] if logits else []), *names])}, {size / MB:.1f} MB"


def _cat(values: list[Any]) -> Any:
    if isinstance(values[0], Mapping):
        return {name: torch.cat([value[name] for value in values]) for name in values[0]}
    return torch.cat(values)


def _bytes(side: Side) -> int:
    logits = list(side.logits.values()) if isinstance(side.logits, Mapping) else [side.logits]
    logits = [] if side.logits is None else logits
    return sum(value.numel() * value.element_size() for value in [*logits, *side.features.values()])


def predict(
    ask: Sequence[Callable[[Batch], Any]], feed: Feed, device: torch.device, *, precision: str = "float32"
) -> tuple[list[Any], Any]:
    """(each one's outputs, labels) of one pass, without gradients.

    All are asked about the same batch: two passes over a shuffled loader would compare different images.
    """
    rows, labels = [], []
    with torch.no_grad(), autocast(device, precision):
        for batch in feed.epoch(shuffle=False):
            rows.append([one(batch) for one in ask])
            labels.append(batch.labels)
    return [_cat(list(column)) for column in zip(*rows, strict=True)], None if labels[0] is None else _cat(labels)


class Adapted(nn.Module):
    """A model as the caller's ``forward`` runs it; its layers keep their names."""

    inner: nn.Module
    ask: Forward

    def __init__(self, model: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.__dict__["inner"], self.__dict__["ask"] = model, forward

    def forward(self, inputs: Any) -> Any:
        return self.ask(self.inner, inputs)

    def named_modules(self, *args: Any, **kwargs: Any) -> Any:
        """The inner model's."""
        return self.inner.named_modules(*args, **kwargs)

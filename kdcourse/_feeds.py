"""What a run eats: batches from tensors or anyone's loader, the same rules for all of them."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from kdcourse._arguments import fail
from kdcourse._bars import open_bar
from kdcourse._targets import check_range, check_values, class_dim, fitted
from kdcourse.data import NO_LABEL, Part, Splits, as_part, batch_sizes, batches, is_pair, take, tidy

Forward = Callable[[nn.Module, Any], Any]


@dataclass
class Batch:
    """Inputs, labels (or None), the teacher's recorded logits (or None), and positions where the data are tensors."""

    inputs: Any
    labels: Any
    positions: Tensor | None = None
    soft: Tensor | None = None

    @property
    def size(self) -> int:
        """Number of examples: of labels where there are any, else of the first tensor among the inputs; 0: unknown."""
        return _count(self.labels) or _count(self.inputs)


def _count(value: Any) -> int:
    if isinstance(value, Tensor):
        return len(value) if value.ndim else 0
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return int(value.batch_sizes[0])
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return next((n for n in map(_count, value) if n), 0)
    return 0


def call(model: nn.Module, inputs: Any) -> Any:
    """The default ``forward``: the model on the inputs, floats in the precision that its first weights have."""
    if isinstance(inputs, Tensor) and inputs.is_floating_point():
        first = next((p for p in model.parameters() if p.is_floating_point()), None)
        if first is not None and first.dtype != inputs.dtype and not torch.is_autocast_enabled(inputs.device.type):
            inputs = inputs.to(first.dtype)
    return model(inputs)


def progress_bar(show: bool, **options: Any) -> Any:
    """A bar that says what is running; silent where ``show`` is False or the environment sets TQDM_DISABLE."""
    silent = not show or bool(os.environ.get("TQDM_DISABLE"))  # tqdm's notebook form does not read it
    return open_bar(silent, **options)


def rebuilt(value: Any, items: list[Any]) -> Any:
    """A tuple, list or NamedTuple of the kind of ``value``."""
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def move(value: Any, device: torch.device) -> Any:
    """A tensor, anything with ``.to``, a dict or sequence of such on ``device``; anything else as it is."""
    if isinstance(value, Tensor):  # without the graph or the inference mode in which it was made
        value = value.clone() if value.is_inference() else value.detach()
        return value.to(device, non_blocking=True)
    if hasattr(value, "to") and not isinstance(value, (Mapping, type)):  # packed sequences, graphs, one's own objects
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: move(item, device) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return rebuilt(value, [move(item, device) for item in value])
    return value


def joined(one: Any, other: Any) -> Any:
    """Two batches' values as one along the first dimension; raises TypeError where they cannot be."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.cat([one, other])
    if one is None and other is None:
        return None
    if type(one) is type(other) and isinstance(one, Mapping) and one.keys() == other.keys():
        return {key: joined(one[key], other[key]) for key in one}
    if type(one) is type(other) and isinstance(one, (tuple, list)) and not isinstance(one, str):
        if isinstance(one, torch.nn.utils.rnn.PackedSequence):
            raise TypeError("packed sequences cannot be joined")
        if all(not isinstance(v, (Tensor, Mapping, tuple, list)) for v in [*one, *other]):
            return [*one, *other]  # a list of texts, say
        if len(one) == len(other):
            return rebuilt(one, [joined(a, b) for a, b in zip(one, other, strict=True)])
    raise TypeError(f"{type(one).__name__} and {type(other).__name__} cannot be joined")


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

    kind = "unread"

    def __init__(
        self, part: Part, batch_size: int, device: torch.device, augment: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        soft = None if part.soft is None else move(part.soft, device)
        self.part = Part(move(part.images, device), move(part.labels, device), part.indices, soft=soft)
        self.batch_size, self.augment, self.device = batch_size, augment, device
        self.steps: int | None = len(batch_sizes(len(part), batch_size))
        self.labels = self.part.labels

    def read_as(self, kind: str, outputs: Any) -> None:
        """Fix what the labels mean, from the outputs for the first batch: converted and checked once, here."""
        self.kind = kind
        self.labels = self.part.labels = checked(self.labels, kind, outputs)

    def sample(self, *, augmented: bool = True) -> Batch:
        """The first batch, as a step sees it or as it lies there."""
        at = torch.arange(batch_sizes(len(self.part), self.batch_size)[0], device=self.device)
        inputs = self.part.images[at]
        inputs = self.augment(inputs) if self.augment and augmented else inputs
        return Batch(inputs, take(self.labels, at), at, take(self.part.soft, at))

    def epoch(self, *, shuffle: bool) -> Iterator[Batch]:
        """One pass; the order is ``torch.randperm`` from torch's own CPU generator where ``shuffle``.

        The order goes to the device once, not batch by batch.
        """
        order = torch.cat(list(batches(self.part, self.batch_size, shuffle=shuffle))).to(self.device)
        for at in torch.split(order, batch_sizes(len(self.part), self.batch_size)):
            inputs = self.part.images[at]
            inputs = self.augment(inputs) if self.augment else inputs
            yield Batch(inputs, take(self.labels, at), at, take(self.part.soft, at))


class LoaderFeed:
    """Anyone's loader, read afresh every epoch; ``unpack`` turns its batches into (inputs, labels)."""

    part = None
    kind = "unread"

    def __init__(
        self, loader: Any, device: torch.device, unpack: Callable[[Any], Any] | None = None,
        augment: Callable[[Tensor], Tensor] | None = None, scan: bool = False, name: str = "data",
        triples: bool = False,
    ) -> None:  # fmt: skip
        if isinstance(loader, Iterator):
            raise fail(
                name, "be readable more than once", "an iterator", "Pass the DataLoader itself, not iter() of it."
            )
        self.loader, self.device, self.unpack, self.augment = (
            loader,
            device,
            unpack or (_triple if triples else _unpack),
            augment,
        )
        self.name, self.outputs, self.labels = name, None, None
        self.steps = length(loader)
        _warn_of_workers(loader)
        first = next(self._batches(), None)
        if first is None:
            raise fail(name, "yield at least one batch", "an empty loader", "Check the data set behind it.")
        self.first = first
        self.labels = first.labels
        if scan and not labelled(first.labels):  # whether data are labelled is no matter of their first batch
            self.labels = next((b.labels for b in self._batches() if labelled(b.labels)), first.labels)

    def read_as(self, kind: str, outputs: Any) -> None:
        """Fix what the labels mean; each batch is converted and checked as it comes, before it moves to the device."""
        self.kind, self.outputs = kind, outputs
        self.labels = checked(self.labels, kind, outputs)

    def sample(self, *, augmented: bool = True) -> Batch:
        """The first batch that was read, as a step sees it or as the loader gave it; both on the device."""
        return self._ready(self.first, augmented)

    def epoch(self, *, shuffle: bool) -> Iterator[Batch]:
        """One pass in the loader's own order. A last batch of one joins the batch before it."""
        for batch in _without_a_last_one(self._batches(), self.steps):
            yield self._ready(batch, True)

    def _ready(self, batch: Batch, augmented: bool) -> Batch:
        labels = checked(batch.labels, self.kind, self.outputs)
        inputs, labels, soft = (move(value, self.device) for value in (batch.inputs, labels, batch.soft))
        return Batch(self.augment(inputs) if self.augment and augmented else inputs, labels, soft=soft)

    def _batches(self) -> Iterator[Batch]:
        iterator = iter(_understood(self.loader, self.name))
        for batch in iterator:
            unpacked = self.unpack(batch)
            if not isinstance(unpacked, (tuple, list)) or len(unpacked) != (3 if self.unpack is _triple else 2):
                raise fail(
                    "unpack", "return a pair (inputs, labels)", type(unpacked).__name__, "Return (x, None) for none."
                )
            inputs, labels, *soft = unpacked
            yield Batch(inputs, self._labels(labels, inputs), soft=soft[0] if soft else None)

    def _labels(self, labels: Any, inputs: Any) -> Any:
        """Tidied; -100 for a batch without any beside others that have some; single examples refused."""
        if isinstance(labels, (int, float)) or (isinstance(labels, Tensor) and not labels.ndim):
            raise fail(self.name, "give batches", "single examples", "Wrap it: DataLoader(data, batch_size=32).")
        labels = tidy(labels)
        if labels is None and isinstance(self.labels, Tensor) and isinstance(inputs, Tensor):
            shape = (len(inputs), *self.labels.shape[1:])
            return torch.full(shape, NO_LABEL, dtype=self.labels.dtype)
        return labels


Feed = TensorFeed | LoaderFeed


def checked(labels: Any, kind: str, outputs: Any) -> Any:
    """Labels as their kind wants them, class numbers in [0, C) or -100."""
    if labels is None or kind in ("unread", "none", "heads"):
        return labels
    labels = fitted(labels, kind)
    if kind == "classes":
        check_range(labels, outputs.shape[1])
    if kind == "dense":
        check_range(labels, outputs.shape[class_dim(outputs, labels)])
    if kind in ("soft", "multilabel", "binary"):
        check_values(labels, kind)
    return labels


def length(loader: Any) -> int | None:
    """The number of batches; None for a stream, whose ``__len__`` is missing or raises."""
    try:
        return len(loader)
    except TypeError:
        return None


def _warn_of_workers(loader: Any) -> None:
    if getattr(loader, "persistent_workers", False) and getattr(loader, "num_workers", 0):
        warnings.warn(
            "persistent_workers=True keeps the workers' random states from one epoch and one run to the next, so the "
            "seed does not decide what they draw. Set persistent_workers=False where that matters.",
            stacklevel=2,
        )


def _understood(loader: Any, name: str) -> Iterator[Any]:
    """The loader's batches; what PyTorch cannot put into a batch is an error that names the remedy."""
    try:
        yield from loader
    except TypeError as error:
        if "PIL" not in str(error):
            raise
        raise fail(name, "give tensors", "PIL images",
                   "Give the data set transform=torchvision.transforms.ToTensor().", TypeError) from error  # fmt: skip


def _without_a_last_one(stream: Iterator[Batch], steps: int | None) -> Iterator[Batch]:
    """The same batches; a last one of a single example joins the one before, as batch norm cannot train on one.

    Looks one batch ahead only where the last one may come next, so that a loader draws as it would in a plain loop.
    """
    for at, batch in enumerate(stream, 1):
        if steps is not None and at < steps - 1:
            yield batch
            continue
        waiting = batch
        for ahead in stream:
            both = _both(waiting, ahead)
            if both is None:
                yield waiting
            waiting = both or ahead
        yield waiting


def _both(one: Batch, other: Batch) -> Batch | None:
    """One batch where the second holds a single example and can be joined to the first; else None."""
    if other.size != 1 or one.size < 2 or not (_by_row(one.inputs, one.size) and _by_row(other.inputs, 1)):
        return None
    try:
        values = [joined(getattr(one, name), getattr(other, name)) for name in ("inputs", "labels", "soft")]
    except (TypeError, RuntimeError):
        return None
    return Batch(values[0], values[1], soft=values[2])


def _by_row(value: Any, size: int) -> bool:
    """Whether every tensor has one row an example, so that two batches can be one."""
    if isinstance(value, Tensor):
        return value.ndim > 0 and len(value) == size
    items = list(value.values()) if isinstance(value, Mapping) else value
    return all(_by_row(item, size) for item in items) if isinstance(items, (list, tuple)) else True


def _unpack(batch: Any) -> Any:
    if isinstance(batch, Tensor):
        return batch, None
    if isinstance(batch, (tuple, list)) and 1 <= len(batch) <= 2:
        return (batch[0], None) if len(batch) == 1 else tuple(batch)
    shown = f"{type(batch).__name__} of {len(batch)}" if hasattr(batch, "__len__") else type(batch).__name__
    remedy = "Pass unpack=lambda batch: (inputs, labels)."
    if isinstance(batch, Mapping):
        shown += f": {', '.join(map(str, list(batch)[:4]))}"
    raise fail("a batch of the loader", "be (inputs, labels)", shown, remedy, TypeError)


def _triple(batch: Any) -> Any:
    """(inputs, labels, a teacher's recorded logits)."""
    if isinstance(batch, (tuple, list)) and len(batch) == 3:
        return batch
    shown = f"{type(batch).__name__} of {len(batch)}" if hasattr(batch, "__len__") else type(batch).__name__
    raise fail("a batch of the loader", "be (inputs, labels, logits) where no teacher is given", shown,
               "Pass the teacher, or a data set of such triples.", TypeError)  # fmt: skip


class _Sizes:
    """A batch sampler of ``batch_sizes``: the last example joins the batch before."""

    def __init__(self, n: int, batch_size: int, shuffle: bool) -> None:
        self.n, self.batch_size, self.shuffle = n, batch_size, shuffle

    def __len__(self) -> int:
        return len(batch_sizes(self.n, self.batch_size))

    def __iter__(self) -> Iterator[list[int]]:
        order = torch.randperm(self.n) if self.shuffle else torch.arange(self.n)
        yield from (at.tolist() for at in torch.split(order, batch_sizes(self.n, self.batch_size)))


def open_feed(
    data: Any, batch_size: int, device: torch.device, *, unpack: Callable[[Any], Any] | None = None,
    augment: Callable[[Tensor], Tensor] | None = None, shuffle: bool = False, scan: bool = False, name: str = "data",
    triples: bool = False,
) -> Feed:  # fmt: skip
    """A feed for a part, a pair of tensors or arrays, a DataLoader or any other Dataset."""
    if isinstance(data, Part) or is_pair(data):
        if unpack is not None:
            raise fail("unpack", "be left out for tensors: they are no batches", "a function", "Remove the argument.")
        part = as_part(data)
        if len(part) == 0:
            raise fail(name, "hold at least one example", 0, "Check the split.")
        return TensorFeed(part, batch_size, device, augment)
    if isinstance(data, IterableDataset):
        data = DataLoader(data, batch_size)
    elif isinstance(data, Dataset) and hasattr(data, "__getitem__"):
        n = length(data)
        if n is None:
            raise fail(name, "have a length", type(data).__name__, "Define __len__, or make it an IterableDataset.")
        data = DataLoader(data, batch_sampler=_Sizes(n, batch_size, shuffle)) if n else []
    if not hasattr(data, "__iter__") or isinstance(data, (Tensor, str, Mapping)):
        rule = "be a Part, a DataLoader, a Dataset or a pair (inputs, labels) of tensors"
        remedy = "Pass one part, such as splits.test." if isinstance(data, Splits) else "Wrap it in one of these."
        raise fail(name, rule, type(data).__name__, remedy, TypeError)
    return LoaderFeed(data, device, unpack, augment, scan, name, triples)

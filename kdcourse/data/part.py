"""What data is held as: a part (inputs and labels as tensors), a loaded set, three disjoint splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from kdcourse._arguments import fail

__all__ = ["NO_LABEL", "ImageData", "Part", "Splits", "as_part", "describe_labels", "is_pair", "take", "tidy"]

NO_LABEL = -100  # PyTorch's own ignore_index: an image that carries no label in a mixed set


class Part(Dataset[tuple[Tensor, Tensor]]):
    """Images held as tensors, a map-style ``Dataset`` of (image, label).

    Attributes:
        images: float32, N x C x H x W, in [0, 1].
        labels: int64 or float32 of length N, or None where nothing is labelled; -100 means *no label*.
        indices: int64, each image's place in the set that it came from.
        soft: a teacher's logits for these very images (``synthesise`` gives its source's), else None.
        provenance: where the part comes from, as plain data.
        classes: the classes' names, where they are known.

    Raises ValueError where labels, indices or soft are not one for each image.
    """

    def __init__(
        self, images: Tensor, labels: Any = None, indices: Tensor | None = None, *, soft: Tensor | None = None,
        provenance: Mapping[str, Any] | None = None, classes: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.images, self.labels, self.soft = images, tidy(labels), soft
        self.indices = torch.arange(len(images)) if indices is None else indices
        self.provenance, self.classes = dict(provenance or {}), tuple(classes)
        heads = self.labels if isinstance(self.labels, Mapping) else {"labels": self.labels}
        for name, value in {**heads, "indices": self.indices, "soft": soft}.items():
            if value is not None and (value.ndim == 0 or len(value) != len(images)):
                rule = f"have one entry for each of the {len(images)} inputs"
                raise fail(name, rule, len(value) if value.ndim else "one number", "Check the pair.")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: Any) -> tuple[Tensor, Tensor]:
        label = torch.tensor(NO_LABEL) if self.labels is None else take(self.labels, i)
        return self.images[i], label

    def __repr__(self) -> str:
        return f"Part({len(self)} inputs of shape {tuple(self.images.shape[1:])}, {describe_labels(self.labels)})"

    def select(self, positions: Any) -> "Part":
        """The images at ``positions`` (a tensor or list), with everything that belongs to them."""
        positions = torch.as_tensor(positions)
        positions = positions.long() if not len(positions) else positions  # an empty list would be float
        soft = None if self.soft is None else self.soft[positions]
        return Part(
            self.images[positions], take(self.labels, positions), self.indices[positions], soft=soft,
            provenance=self.provenance, classes=self.classes,
        )  # fmt: skip


@dataclass
class ImageData:
    """A loaded set: a training part, the official test part where there is one, and the classes' names."""

    name: str
    train: Part
    test: Part | None
    classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        test = "no test set" if self.test is None else f"{len(self.test)} test"
        return f"ImageData({self.name}: {len(self.train)} training, {test}, {len(self.classes)} classes)"


@dataclass
class Splits:
    """Disjoint parts for training, validation and test, with a provenance that travels into reports."""

    train: Part
    val: Part
    test: Part | None
    classes: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{n} {len(p)}" for n, p in vars(self).items() if isinstance(p, Part))
        return f"Splits({self.provenance.get('name', 'tensors')}: {sizes}; seed {self.provenance.get('seed')})"


def describe_labels(labels: Any) -> str:
    """How many have a label, in words."""
    if labels is None:
        return "no labels"
    if isinstance(labels, Mapping):
        return "labels for " + ", ".join(labels)
    missing = int((labels == NO_LABEL).sum())
    return f"{len(labels) - missing} labelled" + (f", {missing} without a label" if missing else "")


def take(values: Any, positions: Any) -> Any:
    """``values[positions]`` for a tensor, each tensor of a dict (several heads), or None."""
    if values is None:
        return None
    if isinstance(values, Mapping):
        return {name: value[positions] for name, value in values.items()}
    return values[positions]


def as_part(data: Any) -> Part:
    """A part as it is; a pair (inputs, labels) or a triple (inputs, labels, teacher's logits) as one."""
    if isinstance(data, Part):
        return data
    if not is_pair(data):
        raise fail("data", "be a loaded set, a Part, or a pair (inputs, labels) of tensors", type(data).__name__,
                   "Unlabelled data is (inputs, None); recorded answers come third.", TypeError)  # fmt: skip
    inputs, labels, *soft = data
    labels = np.asarray(labels) if hasattr(labels, "__array__") and not isinstance(labels, Tensor) else labels
    return Part(tensor(inputs), labels, soft=None if not soft else tensor(soft[0]))


def tensor(value: Any) -> Tensor:
    """A tensor as it is; an array as one, whatever its strides, byte order and writability."""
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def is_pair(data: Any) -> bool:
    """Whether this is (inputs, labels) or (inputs, labels, logits), held as tensors or NumPy arrays."""
    numbers = (Tensor, np.ndarray)
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3) or not isinstance(data[0], numbers):
        return False
    labels = data[1]
    row = isinstance(labels, (list, tuple)) and len(labels) == len(data[0])
    column = hasattr(labels, "__array__")  # a column of a table, say
    plain = labels is None or isinstance(labels, (*numbers, Mapping)) or row or column
    return plain and all(value is None or isinstance(value, numbers) for value in data[2:])


def tidy(labels: Any, name: str = "labels") -> Any:
    """Labels as tensors: NumPy converted, whole numbers and bools as int64, N x 1 whole numbers as N.

    Raises TypeError for what is no number at all.
    """
    if labels is None:
        return None
    if isinstance(labels, Mapping):
        return {key: tidy(value, f"{name}[{key!r}]") for key, value in labels.items()}
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iufb":
        labels = tensor(labels)
    if isinstance(labels, (list, tuple)) and labels and all(isinstance(v, (int, float)) for v in labels):
        labels = torch.tensor(labels)
    if not isinstance(labels, Tensor) or labels.is_complex():
        got = f"{type(labels).__name__} of {labels.dtype}" if hasattr(labels, "dtype") else type(labels).__name__
        raise fail(name, "be a tensor of numbers (or a dict of them, one a head)", got,
                   "Number the classes from 0: torch.tensor([0, 1, ...]).", TypeError)  # fmt: skip
    if not labels.is_floating_point():
        labels = labels.long()
        labels = labels.squeeze(1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    return labels

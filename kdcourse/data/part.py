"""What data is held as: a part (inputs and labels as tensors), a loaded set, three disjoint splits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from kdcourse._arguments import fail

__all__ = ["NO_LABEL", "ImageData", "Part", "Splits", "take"]

NO_LABEL = -100  # PyTorch's own ignore_index: an image that carries no label in a mixed set


class Part(Dataset[tuple[Tensor, Tensor]]):
    """Images held as tensors, a map-style ``Dataset`` of (image, label).

    Attributes:
        images: float32, N x C x H x W, in [0, 1].
        labels: int64 or float32 of length N, or None where nothing is labelled; -100 means *no label*.
        indices: int64, each image's place in the set that it came from.
        soft: the source's logits where ``synthesise`` made the images, else None.
        provenance: where the part comes from, as plain data.
    """

    def __init__(
        self, images: Tensor, labels: Any = None, indices: Tensor | None = None, *, soft: Tensor | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.images, self.labels, self.soft = images, labels, soft
        self.indices = torch.arange(len(images)) if indices is None else indices
        self.provenance = dict(provenance or {})

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
            provenance=self.provenance,
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
    if isinstance(data, Part):
        return data
    if not (isinstance(data, (tuple, list)) and len(data) == 2 and isinstance(data[0], Tensor)):
        raise fail("data", "be a loaded set, a Part, or a pair (inputs, labels) of tensors", type(data).__name__,
                   "Wrap arrays with torch.as_tensor; unlabelled data is (inputs, None).", TypeError)  # fmt: skip
    inputs, labels = data
    lengths = labels.values() if isinstance(labels, Mapping) else [] if labels is None else [labels]
    for value in lengths:
        if len(value) != len(inputs):
            raise fail("labels", f"have one entry for each of the {len(inputs)} inputs", len(value), "Check the pair.")
    return Part(inputs, labels)

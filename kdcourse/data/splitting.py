"""Disjoint, stratified, seeded parts; parts with few labels, with none, joined, repeated."""

import hashlib
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcourse._arguments import fail, positive
from kdcourse.data.part import NO_LABEL, ImageData, Part, Splits, as_part, describe_labels

__all__ = ["few_labels", "join", "split", "tile", "unlabelled"]


def split(
    data: Any,
    *,
    train: float | int | None = None,
    val: float | int = 0.2,
    test: float | int | None = None,
    seed: int = 0,
) -> Splits:
    """Split into disjoint, stratified, seeded parts.

    Args:
        data: an ``ImageData``, or a pair (inputs, labels) of tensors.
        train: a fraction or a number of examples; None takes all that remain.
        val: likewise for validation.
        test: likewise; only for data without a test set of its own, where None means 0.2. From a part that an
            earlier split made no test set is cut unless asked for: its own has been cut already.
        seed: the same seed gives the same parts.

    Float labels are not stratified. Raises ValueError where the sizes do not fit or ``test`` would have no effect.
    """
    positive("seed", seed, whole=True, zero=True)
    source = data if isinstance(data, ImageData) else ImageData("tensors", as_part(data), None)
    if source.test is not None and test is not None:
        raise fail("test", f"be left out: {source.name} has a test set of its own", test, "Remove the argument.")
    n = len(source.train)
    split_before = isinstance(data, Part) and "part" in data.provenance
    none = source.test is not None or (split_before and test is None)
    size_test = 0 if none else _count("test", 0.2 if test is None else test, n)
    size_val = _count("val", val, n)
    size_train = n - size_test - size_val if train is None else _count("train", train, n)
    if size_train < 1 or size_train + size_val + size_test > n:
        asked = f"train {size_train}, val {size_val}, test {size_test}"
        raise fail("train, val and test", f"fit into {n} examples, one for training at least", asked, "Ask for less.")
    rest, test_at = _cut(source.train.labels, torch.arange(n), size_test, seed)
    rest, val_at = _cut(source.train.labels, rest, size_val, seed)
    train_at, _ = _cut(source.train.labels, rest, len(rest) - size_train, seed, leftover=True)
    provenance = {"name": source.name, "seed": seed, "hash": _hash(train_at, val_at, test_at)}
    held_out = source.train if source.test is None else source.test
    at = test_at if source.test is None else torch.arange(len(held_out))
    classes = source.classes or source.train.classes
    parts = {"train": (source.train, train_at), "val": (source.train, val_at), "test": (held_out, at)}
    made = {name: _part(part, at, {**provenance, "part": name}, classes) for name, (part, at) in parts.items()}
    test_part = None if split_before and test is None else made["test"]
    return Splits(made["train"], made["val"], test_part, classes, provenance)


def _part(source: Part, positions: Tensor, provenance: dict[str, Any], classes: tuple[str, ...]) -> Part:
    part = source.select(positions)
    part.provenance, part.classes = provenance, classes
    return part


def _count(argument: str, size: float | int, n: int) -> int:
    whole = isinstance(size, Integral) and not isinstance(size, bool)
    if (not whole and not (isinstance(size, Real) and 0 <= size < 1)) or size < 0:
        raise fail(argument, "be a fraction below 1 or a number of examples", size, "Write 0.2 or 2000, say.")
    return int(size) if whole else round(size * n)


def _cut(labels: Any, positions: Tensor, size: int, seed: int, *, leftover: bool = False) -> tuple[Tensor, Tensor]:
    """Part ``positions`` into (kept, held out); stratified where the labels are classes."""
    if size == 0:
        return positions, positions[:0]
    from sklearn.model_selection import train_test_split

    numbers = isinstance(labels, Tensor) and not labels.is_floating_point() and labels.ndim == 1
    classes = labels[positions] if numbers else None
    if leftover and classes is not None and size < len(set(classes.tolist())):
        classes = None  # too few left over to have one of each class
    try:
        kept, out = train_test_split(positions.numpy(), test_size=size, random_state=int(seed), stratify=classes)
    except ValueError as error:
        raise fail("val, test and train", "leave enough of every class to stratify", str(error),
                   "Use larger parts or fewer classes.") from error  # fmt: skip
    return torch.from_numpy(np.sort(kept)), torch.from_numpy(np.sort(out))


def _hash(*parts: Tensor) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.numpy().astype("<i8").tobytes() + b"|")
    return digest.hexdigest()[:16]


def few_labels(part: Part, n: int, seed: int = 0) -> Part:
    """Keep ``n`` labels, balanced over the classes; every other label becomes -100."""
    positive("n", n, whole=True)
    part, labels = as_part(part), as_part(part).labels
    one = isinstance(labels, Tensor) and not labels.is_floating_point() and labels.ndim == 1
    if not one or bool((labels == NO_LABEL).all()):
        raise fail("part", "have class labels to choose from", describe_labels(part.labels), "Pass a labelled part.")
    classes = sorted(set(part.labels.tolist()) - {NO_LABEL})
    smallest = int(min((part.labels == c).sum() for c in classes))
    if n % len(classes) or n // len(classes) > smallest:
        rule = f"be a multiple of {len(classes)} (the classes) and at most {smallest * len(classes)}"
        raise fail("n", rule, n, "Choose such a number.")
    generator = torch.Generator().manual_seed(int(seed))
    labels = torch.full_like(part.labels, NO_LABEL)
    for c in classes:
        at = (part.labels == c).nonzero().flatten()
        kept = at[torch.randperm(len(at), generator=generator)[: n // len(classes)]]
        labels[kept] = c
    provenance = {**part.provenance, "labels": n, "labels_seed": seed}
    return Part(part.images, labels, part.indices, soft=part.soft, provenance=provenance, classes=part.classes)


def unlabelled(part: Part) -> Part:
    """The same images, with no labels at all."""
    part = as_part(part)
    return Part(part.images, None, part.indices, soft=part.soft, provenance=part.provenance, classes=part.classes)


def join(*parts: Part) -> Part:
    """One part after another; where some carry class labels and some none, the latter get -100."""
    parts = tuple(as_part(part) for part in parts)
    _check_joined(parts)
    bare = [part for part in parts if part.labels is None]
    if bare and any(isinstance(p.labels, Tensor) and p.labels.is_floating_point() for p in parts):
        raise fail("parts", "all have labels where one has float labels", f"{len(bare)} without", "Leave those out.")
    if any(part.labels is not None for part in parts):
        tail = next(part.labels.shape[1:] for part in parts if part.labels is not None)
        labels = [torch.full((len(p), *tail), NO_LABEL) if p.labels is None else p.labels for p in parts]
        joined = torch.cat(labels)
    else:
        joined = None
    images = torch.cat([part.images for part in parts])
    soft = [part.soft for part in parts if part.soft is not None]
    kept = torch.cat(soft) if len(soft) == len(parts) else None
    provenance = {"joined": [part.provenance for part in parts]}
    return Part(images, joined, soft=kept, provenance=provenance, classes=parts[0].classes)


def _check_joined(parts: tuple[Part, ...]) -> None:
    """Refuse parts that are not of one kind: images of one shape, labels of one dtype and shape."""
    if not parts:
        raise fail("parts", "be one at least", "none", "Pass the parts to join.")
    kinds = {str(p.labels.dtype) if isinstance(p.labels, Tensor) else type(p.labels).__name__
             for p in parts if p.labels is not None}  # fmt: skip
    shapes = {tuple(part.images.shape[1:]) for part in parts}
    tails = {tuple(p.labels.shape[1:]) for p in parts if isinstance(p.labels, Tensor)}
    for what, found in (("inputs of one shape", shapes), ("labels of one shape", tails), ("labels of one kind", kinds)):
        if len(found) > 1 or "dict" in found:
            raise fail("parts", f"have {what}", " and ".join(map(str, sorted(found))), "Convert one of them first.")


def tile(part: Part, n: int) -> Part:
    """The part repeated up to ``n`` examples: a smaller set then has as many steps an epoch as a larger one."""
    part = as_part(part)
    positive("n", n, whole=True)
    if not len(part):
        raise fail("part", "hold at least one example", 0, "Check the split.")
    return part.select(torch.arange(int(n)) % len(part))

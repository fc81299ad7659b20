"""Real images for exercises: the bundle cut once, the shipped teacher's answers asked once, what labels alone reach."""

import warnings
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from kdcourse.data import NO_LABEL, Part, Splits, few_labels, load, split
from kdcourse.export import load_teacher

__all__ = [
    "POOL", "EXAM", "few", "labels_alone", "order", "regression", "sat_by", "splits", "teacher_answers",
    "teacher_says",
]  # fmt: skip

POOL, EXAM = 2000, 1000  # images without a label, images in an exam


@lru_cache(maxsize=1)
def splits() -> Splits:
    """The bundle, cut as in the lessons."""
    return split(load("fashion-mnist"), val=0.2, seed=0)


@lru_cache(maxsize=1)
def teacher_answers() -> Tensor:
    """The shipped teacher's logits for the first 2,000 training images; the same for every seed: they cost seconds."""
    teacher = load_teacher(device="cpu")
    with torch.no_grad():
        return torch.cat([teacher(images) for images in splits().train.images[:POOL].split(250)])  # type: ignore[no-untyped-call]


def teacher_says(images: Tensor) -> Tensor:
    """The classes that the shipped teacher names."""
    teacher = load_teacher(device="cpu")
    with torch.no_grad():
        return torch.cat([teacher(some).argmax(dim=1) for some in images.split(250)])  # type: ignore[no-untyped-call]


def order(n: int, seed: int) -> Tensor:
    """A random order of n positions."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def few(n: int, seed: int) -> Part:
    """As many as n labelled training images, equally many of each class."""
    part = few_labels(splits().train, n, seed)
    return part.select((part.labels != NO_LABEL).nonzero().flatten())


def sat_by(exam: str, seed: int) -> Part:
    """The images of an exam: 1,000 of validation, or of the test set where a class is graded."""
    part = splits().test if exam == "test" else splits().val
    assert part is not None  # the bundle has one
    return part.select(order(len(part), 1000 + seed)[:EXAM])


def regression(known: Part) -> Any:
    """A logistic regression on the pixels: what a few labels give with no help at all."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=0.1, max_iter=100)
        return model.fit(known.images.flatten(1).numpy(), known.labels.numpy())


def labels_alone(known: Part, exam: Part) -> float:
    """The regression's accuracy on an exam."""
    model = regression(known)
    return float(model.score(exam.images.flatten(1).numpy(), exam.labels.numpy()))

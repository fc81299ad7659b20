"""Shared fixtures: loaded data and trained models are made once a worker and never changed by a test."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import kdcourse as kd
from kdcourse._course import label, read

ROOT = Path(__file__).parent.parent
OFFICIAL = Path("/usr/share/datasets/fashion-mnist")
COURSE = read((ROOT / "notebooks/course.toml").read_text(encoding="utf-8"))


def file(slug, folder="notebooks"):
    """A lesson's notebook in one of the three folders."""
    lesson = next(lesson for lesson in COURSE if lesson["slug"] == slug)
    return ROOT / folder / f"{label(lesson)}_{slug}.ipynb"


@pytest.fixture(scope="session")
def splits():
    return kd.split(kd.load(), val=0.2, seed=0)


@pytest.fixture(scope="session")
def small(splits):
    """400 training, 200 validation, 300 test images, all classes equally often."""

    def first(part, n):
        at = torch.cat([(part.labels == c).nonzero().flatten()[: n // 10] for c in range(10)])
        return part.select(at)

    return kd.data.Splits(first(splits.train, 400), first(splits.val, 200), first(splits.test, 300), splits.classes)


@pytest.fixture(scope="session")
def _teacher(small):
    """A tiny trained teacher with batch norm."""
    model = kd.build("cnn", width=4, seed=7)
    return kd.train(model, small, epochs=25, lr=5e-3, progress=False).student


@pytest.fixture
def teacher(_teacher):
    return copy.deepcopy(_teacher)


@pytest.fixture
def student():
    return kd.build("cnn", width=4, seed=1)


@pytest.fixture(scope="session")
def official():
    if not OFFICIAL.is_dir():
        pytest.skip("the official Fashion-MNIST files are not installed (Debian: dataset-fashion-mnist)")
    return OFFICIAL


@pytest.fixture
def weights() -> Callable[[nn.Module], list[torch.Tensor]]:
    """A copy of all parameters and buffers."""
    return lambda model: [v.detach().clone() for v in model.state_dict().values()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    """Whether two lists of tensors are equal to the bit."""
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

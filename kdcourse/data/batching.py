"""Batches of positions, seeds for order and draws, the device, augmentation of a batch."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from torch import Tensor

from kdcourse._arguments import one_of
from kdcourse.data.part import Part

__all__ = [
    "augmenter", "batch_sizes", "batches", "drawing", "epoch_seed", "flip_shift", "pick_device", "seed_all", "seeded",
]  # fmt: skip


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed from which an epoch's order and all its other draws come: public, so that a loop can repeat a run."""
    return (seed * 1_000_003 + epoch) % 2**32


# Random states belong to the process, not to a thread: whoever draws holds this lock, so that runs in several threads
# give what they give one after another. A run may start another one inside itself.
_DRAWING = threading.RLock()


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Seed torch alone; its state is given back afterwards."""
    with _DRAWING, torch.random.fork_rng():
        torch.manual_seed(int(seed))
        yield


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch, NumPy and Python; give each its own state back afterwards, also after an error.

    One thread at a time: another one that asks waits.
    """
    with _DRAWING, torch.random.fork_rng():
        states = random.getstate(), np.random.get_state()
        try:
            seed_all(seed)
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def seed_all(seed: int) -> None:
    """Seed torch, NumPy and Python; torch first, and nothing is drawn."""
    seed = int(seed)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """``device``, or the accelerator that torch reports, or the CPU."""
    if device is not None:
        return torch.device(device)
    if torch.accelerator.is_available():
        return cast(torch.device, torch.accelerator.current_accelerator())
    return torch.device("cpu")


def batches(part: Part, batch_size: int, *, shuffle: bool = False) -> Iterator[Tensor]:
    """Positions of each batch; shuffled by ``torch.randperm`` from torch's own generator."""
    order = torch.randperm(len(part)) if shuffle else torch.arange(len(part))
    yield from torch.split(order, batch_sizes(len(part), batch_size))


def batch_sizes(n: int, batch_size: int) -> list[int]:
    """Full batches and the rest; a rest of one joins the batch before it, as batch norm cannot train on one image."""
    sizes = [batch_size] * (n // batch_size) + ([n % batch_size] if n % batch_size else [])
    return [*sizes[:-2], sizes[-2] + 1] if len(sizes) > 1 and sizes[-1] == 1 else sizes


def flip_shift(images: Tensor, pixels: int = 2) -> Tensor:
    """Each image flipped left to right with probability one half and shifted by up to ``pixels``, filled with 0."""
    n, _, height, width = images.shape
    device = images.device
    padded = torch.nn.functional.pad(images, [pixels] * 4)
    down, right = torch.randint(0, 2 * pixels + 1, (2, n), device=device)
    columns = torch.arange(width, device=device).expand(n, width)
    flipped = torch.rand(n, 1, device=device) < 0.5
    columns = torch.where(flipped, width - 1 - columns, columns) + right[:, None]
    rows = torch.arange(height, device=device) + down[:, None]
    at = torch.arange(n, device=device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[at, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def augmenter(augment: str | Callable[[Tensor], Tensor] | None) -> Callable[[Tensor], Tensor] | None:
    """The augmentation by name (``"flip-shift"``), the caller's own function of a batch, or none."""
    if augment is None or callable(augment):
        return augment
    one_of("augment", augment, ["flip-shift"])
    return flip_shift

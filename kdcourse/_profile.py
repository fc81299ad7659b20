"""How large a run is: ``KDCOURSE_PROFILE`` is read here and nowhere else."""

import os
from dataclasses import dataclass

import torch

from kdcourse._arguments import one_of

__all__ = ["Profile", "profile"]


@dataclass(frozen=True)
class Profile:
    """What follows from the profile that is on.

    Attributes:
        name: "quick" or "full".
        images: training images that ``load`` brings: the bundle's 10,000, or the whole set's 60,000.
        epochs: how many times as long as in the quick profile a training runs.
        teacher: the large network.
        device: where it runs.
        precision: "float32", or "bfloat16" on an accelerator.
    """

    name: str
    images: int
    epochs: int
    teacher: str
    device: str
    precision: str

    @property
    def full(self) -> bool:
        """Whether whole data sets are read (from ``KDCOURSE_DATA``, or downloaded once)."""
        return self.name == "full"


def profile() -> Profile:
    """The profile that ``KDCOURSE_PROFILE`` names: "quick" (the default; what the course was recorded with) or "full".

    Raises ValueError for another name.
    """
    name = one_of("KDCOURSE_PROFILE", os.environ.get("KDCOURSE_PROFILE", "quick"), ["quick", "full"])
    there = torch.accelerator.is_available()
    device = torch.accelerator.current_accelerator().type if there else "cpu"  # type: ignore[union-attr]
    if name == "quick":
        return Profile(name, 10_000, 1, "deep_cnn", device, "float32")
    return Profile(name, 60_000, 3, "resnet18", device, "bfloat16" if device == "cuda" else "float32")

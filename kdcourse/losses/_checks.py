"""What every loss asks of its arguments, and how it reduces one value an image to one."""

import torch
from torch import Tensor

from kdcourse._arguments import fail, one_of

REDUCTIONS = ("mean", "sum", "none")


def _full(values: Tensor) -> Tensor:
    """Half precision becomes float32: a loss needs its digits. float32 and float64 stay."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _same_shape(argument: str, value: Tensor, name: str, other: Tensor) -> None:
    if value.shape != other.shape:
        rule = f"have the shape of {name}, {tuple(other.shape)}"
        raise fail(argument, rule, tuple(value.shape), "Check that both models answer the same batch and classes.")


def _reduce(per_image: Tensor, reduction: str) -> Tensor:
    one_of("reduction", reduction, REDUCTIONS)
    return per_image if reduction == "none" else per_image.sum() if reduction == "sum" else per_image.mean()

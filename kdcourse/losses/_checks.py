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


def _rows(name: str, logits: Tensor, dim: int | None) -> Tensor:
    """Logits as N x C, one row a softmax. ``dim`` names the classes' dimension of others (N x T x V, N x C x H x W).

    Without it N x C is wanted, C at least 2: a softmax over anything else would run over time, rows or one number.
    """
    if dim is not None:
        if not -logits.ndim <= dim < logits.ndim or logits.ndim < 2 or dim % logits.ndim == 0:
            remedy = "Name the classes' dimension; the first one holds the examples."
            raise fail("dim", f"name a dimension of {name}, {tuple(logits.shape)}", dim, remedy)
        logits = logits.movedim(dim, -1).flatten(0, -2)
    if logits.ndim != 2 or logits.shape[1] < 2:
        one = logits.ndim == 1 or (logits.ndim == 2 and logits.shape[1] == 1)
        remedy = (
            "A softmax over one number is always 1: give the model one output a class, or for one logit pass "
            "loss=torch.nn.BCEWithLogitsLoss() in train, a function of both outputs in distill."
            if one
            else "Say where the classes are with dim= (dim=-1 for tokens, dim=1 for pixels)."
        )
        raise fail(name, "be N x C, C at least 2 classes", tuple(logits.shape), remedy)
    return logits


def _reduce(per_image: Tensor, reduction: str) -> Tensor:
    one_of("reduction", reduction, REDUCTIONS)
    return per_image if reduction == "none" else per_image.sum() if reduction == "sum" else per_image.mean()

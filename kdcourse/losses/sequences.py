"""Distances between two distributions over the next token, averaged over the tokens that count."""

import math

import torch
from torch import Tensor

from kdcourse._arguments import fail, fraction

__all__ = ["generalised_jsd"]


def generalised_jsd(
    student_logits: Tensor, teacher_logits: Tensor, *, beta: float, mask: Tensor | None = None
) -> Tensor:
    """The mix beta KL(p || m) + (1 - beta) KL(q || m) with m = beta p + (1 - beta) q (Agarwal et al. 2024).

    p is the teacher's distribution, q the student's; beta 0 stands for KL(p || q), forward, and beta 1 for KL(q || p),
    reverse. These two are not the formula's limits, which are 0: the loss jumps at both ends. A token of probability 0
    (a logit of -inf) contributes 0 where the formula multiplies by it, and an infinite loss where it divides by it.

    Args:
        student_logits, teacher_logits: N x T x V, or any shape whose last dimension is the vocabulary.
        beta: in [0, 1].
        mask: N x T, True where a token counts; without one all do.

    Returns the mean over the tokens that count, in nats; 0 where none does. Half precision is summed in float32.

    Example:
        >>> z = torch.tensor([[[2.0, 0.0]]])
        >>> float(generalised_jsd(z, z, beta=0.5))
        0.0
    """
    fraction("beta", beta)
    if student_logits.shape != teacher_logits.shape:
        shapes = f"{tuple(student_logits.shape)} and {tuple(teacher_logits.shape)}"
        remedy = "Two vocabularies of unequal size have no common token ids: cut padded ids off, or let the teacher's \
texts teach."
        raise fail("student_logits and teacher_logits", "have one shape", shapes, remedy)
    counts = torch.ones(student_logits.shape[:-1], device=student_logits.device) if mask is None else mask
    if counts.shape != student_logits.shape[:-1]:
        raise fail("mask", f"be of shape {tuple(student_logits.shape[:-1])}", tuple(counts.shape), "One mark a token.")
    exact = torch.promote_types(student_logits.dtype, torch.float32)  # half precision overflows in the sum
    log_q, log_p = (
        torch.where(counts[..., None] > 0, z.to(exact), 0.0).log_softmax(-1) for z in (student_logits, teacher_logits)
    )
    counts = counts.to(exact)
    return (_between(log_p, log_q, float(beta)) * counts).sum() / counts.sum().clamp(min=1)


def _between(log_p: Tensor, log_q: Tensor, beta: float) -> Tensor:
    if beta in (0.0, 1.0):
        return _kl(log_p, log_q) if beta == 0 else _kl(log_q, log_p)
    neither = torch.isneginf(log_p) & torch.isneginf(log_q)  # the gradient of the sum of two nothings is NaN
    ours, theirs = (torch.where(neither, 0.0, log) for log in (log_q, log_p))
    log_m = torch.logaddexp(theirs + math.log(beta), ours + math.log1p(-beta))
    return beta * _kl(log_p, log_m) + (1 - beta) * _kl(log_q, log_m)


def _kl(log_a: Tensor, log_b: Tensor) -> Tensor:
    """KL(a || b) over the last dimension; where a is 0 nothing is added, and no NaN enters the gradient."""
    absent = log_a.exp() == 0  # a logit of -inf, and what is too small to be told from it
    kept = torch.where(absent, 0.0, log_a)
    return torch.where(absent, 0.0, kept.exp() * (kept - torch.where(absent, 0.0, log_b))).sum(-1)

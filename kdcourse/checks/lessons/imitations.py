"""The softened divergence that several exercises ask for, ways to get it wrong, and its inputs."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._task import Inputs

__all__ = ["buggy", "imitation", "imitation_inputs", "pairs"]


def imitation(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = (teacher_logits / temperature).softmax(dim=1)
    return temperature**2 * F.kl_div(log_q, p, reduction="batchmean")


def buggy(z: Tensor, v: Tensor, t: float, *, logs: bool = True, share: bool = True, factor: bool = True) -> Tensor:
    """The loss with bugs left in it: without logarithms, divided by the classes too, without T²."""
    q, p = F.log_softmax(z / t, dim=1) if logs else (z / t).softmax(dim=1), (v / t).softmax(dim=1)
    total = F.kl_div(q, p, reduction="sum")
    return total / (len(z) if share else z.numel()) * (t**2 if factor else 1)


def pairs(seed: int, more: Callable[[torch.Generator], Inputs]) -> Inputs:
    """Student's and teacher's logits, and a temperature, from equal ones to random ones."""
    g = torch.Generator().manual_seed(seed)
    two, three = torch.tensor([2.0, 3.0]).log().tolist()
    return [
        (torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[1.0, 0.0, -1.0]]), 2.0),
        (torch.tensor([[0.0, 0.0]]), torch.tensor([[two, 0.0]]), 1.0),
        (torch.tensor([[0.0, 2 * three], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [2 * two, 0.0]]), 2.0),
        (3 * torch.randn(6, 10, generator=g), 3 * torch.randn(6, 10, generator=g), 4.0),
        *more(g),
    ]


def imitation_inputs(seed: int) -> Inputs:
    return pairs(seed, lambda g: [(500 * torch.randn(3, 4, generator=g), 500 * torch.randn(3, 4, generator=g), 0.5)])

"""What an owner does in a round: take the weights, learn from its own images, send what it has become.

The same function runs in the notebook's simulation and on a real engine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse._arguments import one_of, positive
from kdcourse.data import Part, batch_sizes
from kdcourse.federated.server import Update
from kdcourse.stacked import Job, Rule, fit
from kdcourse.stacked.fitting import HOW

__all__ = ["Local", "batches_of", "train_owners"]


@dataclass(frozen=True)
class Local:
    """How every owner trains in a round.

    Attributes:
        epochs, batch_size: passes over its own images, and images a step.
        lr, momentum, weight_decay: SGD's, which starts afresh in every round.
        proximal: mu of FedProx (Li et al. 2020), the pull towards the weights that the owner was sent; 0 is FedAvg.
        seed: decides, with round and owner, the order of the images.
    """

    epochs: int = 1
    batch_size: int = 10
    lr: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    proximal: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            positive(name, getattr(self, name), whole=True)
        positive("lr", self.lr)
        for name in ("momentum", "weight_decay", "proximal"):
            positive(name, getattr(self, name), zero=True)
        positive("seed", self.seed, whole=True, zero=True)

    @property
    def rule(self) -> Rule:
        """The optimizer's step."""
        return Rule("sgd", self.lr, self.weight_decay, self.momentum, proximal=self.proximal)


def batches_of(part: Part, local: Local, round: int, owner: int) -> list[Tensor]:
    """The positions of every batch of one owner's round: a new order each epoch, made from (seed, round, owner)."""
    seed = ((local.seed * 1_000_003 + round) * 1_000_003 + owner) % 2**63
    generator = torch.Generator().manual_seed(seed)
    sizes = batch_sizes(len(part), local.batch_size)
    orders = [torch.randperm(len(part), generator=generator) for _ in range(local.epochs)]
    return [positions for order in orders for positions in torch.split(order, sizes)]


def train_owners(
    model: nn.Module, weights: Mapping[str, Tensor], parts: Mapping[int, Part], local: Local, round: int, *,
    how: str = "auto",
) -> tuple[list[Update], dict[str, Any]]:  # fmt: skip
    """Every owner of ``parts`` starts from ``weights`` and trains on its own images; (updates, how it was done).

    Args:
        model: the architecture; left as it is.
        weights: its ``state_dict`` as the server sent it.
        parts: each owner's images, by the owner's number.
        round: counts from 0.
        how: "stack" (all owners as one model), "loop", or "auto"; see ``kd.stacked.fit``.
    """
    one_of("how", how, HOW)
    jobs = [Job(part, batches_of(part, local, round, owner)) for owner, part in parts.items()]
    ended, said = fit(model, [weights] * len(jobs), jobs, local.rule, how=how, seed=local.seed + round)
    sizes: Sequence[int] = [len(part) for part in parts.values()]
    return [Update(owner, n, state) for owner, n, state in zip(parts, sizes, ended, strict=True)], said

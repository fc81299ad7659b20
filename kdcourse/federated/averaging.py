"""FedAvg and FedProx: owners train copies of one model on their own images, the server takes the mean of the weights.

Sources: McMahan et al. 2017; Li et al. 2020 (FedProx).
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse._arguments import fail, fraction, positive
from kdcourse._feeds import progress_bar
from kdcourse.data import Part
from kdcourse.evaluation import accuracy
from kdcourse.federated.owners import Local, train_owners
from kdcourse.federated.server import Network, Skipped, State, Update, bytes_of, mean_of, perfect

__all__ = ["Federation", "average", "chosen", "rounds_of"]

Fuse = Callable[[list[Update], State], dict[str, Tensor]]


@dataclass
class Federation:
    """What the rounds leave.

    Attributes:
        model: the server's, in eval mode (for ``share_logits``: the first owner's).
        models: every model of the federation.
        state: everything that further rounds need; ``state.save(folder)``, then ``resume=folder``.
    """

    model: nn.Module
    models: list[nn.Module]
    state: State

    @property
    def history(self) -> dict[str, list[float]]:
        """Lists, one value a round: val_accuracy, answers, bytes_up, bytes_down, seconds."""
        return self.state.history

    @property
    def bytes_up(self) -> int:
        """All that the owners sent."""
        return self.state.bytes_up

    @property
    def bytes_down(self) -> int:
        """All that was sent to them."""
        return self.state.bytes_down

    @property
    def skipped(self) -> list[Skipped]:
        """Who did not count, when and why."""
        return self.state.skipped

    def __repr__(self) -> str:
        size = (self.bytes_up + self.bytes_down) / 2**20
        return f"Federation({self.state.round} rounds, {size:.1f} MB sent, {len(self.skipped)} answers skipped)"


def average(
    model: nn.Module, owners: Sequence[Part], *, rounds: int = 20, local_epochs: int = 1, batch_size: int = 10,
    lr: float = 0.1, momentum: float = 0.0, weight_decay: float = 0.0, proximal: float = 0.0, share: float = 1.0,
    val: Part | None = None, network: Network = perfect, how: str = "auto", resume: str | Path | State | None = None,
    callbacks: Sequence[Callable[[State], None]] = (), progress: bool = True, seed: int = 0,
) -> Federation:  # fmt: skip
    """Federated averaging: in each round the owners asked train from the server's weights, and the mean becomes them.

    w = sum_k (n_k / n) w_k, over the owners k whose answers count, n_k images each.

    Args:
        model: the architecture and the first weights; trained in place.
        owners: one part each, from ``kd.federated.partition``.
        rounds: in all, those of a resumed state included.
        local_epochs, batch_size, lr, momentum, weight_decay, proximal: see ``Local``; proximal above 0 is FedProx.
        share: the share of the owners that is asked in a round, at random; one at least.
        val: the server's validation images: their accuracy after each round joins the history. Nothing is selected.
        network: (round, update) -> updates that arrive: [] where it is lost, two where it comes twice. An answer that
            is lost, not finite, of another shape or a second one is skipped and reported, and the round closes.
        how: "stack", "loop" or "auto"; see ``kd.stacked.fit``.
        resume: a saved state, or its folder: its rounds are not run again.
        callbacks: each called with the state after each round.
        seed: decides who is asked, and each owner's order of images.

    Raises ValueError for owners without images or labels, settings of another federation in ``resume``.
    Sources: McMahan et al. 2017; Li et al. 2020.
    """
    local = Local(local_epochs, batch_size, lr, momentum, weight_decay, proximal, seed)
    state = rounds_of(
        model, owners, local, rounds=rounds, share=share, val=val, network=network, how=how, resume=resume,
        callbacks=callbacks, progress=progress, name="average",
    )  # fmt: skip
    return Federation(model, [model], state)


def rounds_of(
    model: nn.Module, owners: Sequence[Part], local: Local, *, rounds: int, share: float, val: Part | None,
    network: Network, how: str, resume: str | Path | State | None, callbacks: Sequence[Callable[[State], None]],
    progress: bool, name: str, fuse: Fuse | None = None, more: dict[str, Any] | None = None,
    also: Callable[[], dict[str, float]] = dict,
) -> State:  # fmt: skip
    """The rounds of all who send weights; ``fuse`` makes the server's new weights of the updates, by default the mean.

    ``model`` ends with them, in eval mode. Where no answer counts, the weights stay.
    """
    positive("rounds", rounds, whole=True)
    fraction("share", share)
    parts = _checked(owners)
    config = {"name": name, "owners": [len(part) for part in parts], "share": share, **asdict(local), **(more or {})}
    state = opened(resume, {"model": copied(model)}, config)
    with progress_bar(progress, total=rounds - state.round, desc=name) as bar:
        while state.round < rounds:
            began = time.perf_counter()
            weights = state.weights["model"]
            asked = chosen(len(parts), share, local.seed, state.round)
            state.bytes_down += bytes_of(weights) * len(asked)
            sent, _ = train_owners(model, weights, {i: parts[i] for i in asked}, local, state.round, how=how)
            good = state.receive(sent, asked, weights, network)
            if good:
                state.weights["model"] = mean_of(good) if fuse is None else fuse(good, state)
            model.load_state_dict(state.weights["model"])
            scores = {} if val is None else {"val_accuracy": accuracy(model, val)}
            state.close(**scores, **also(), answers=len(good), seconds=time.perf_counter() - began)
            bar.update()
            for callback in callbacks:
                callback(state)
    model.load_state_dict(state.weights["model"])
    model.eval()
    return state


def chosen(owners: int, share: float, seed: int, round: int) -> list[int]:
    """Who is asked in a round: all, or a random share of them, one at least."""
    count = max(1, round_half_up(share * owners))
    generator = torch.Generator().manual_seed((seed * 1_000_003 + round) % 2**63)
    return sorted(torch.randperm(owners, generator=generator)[:count].tolist())


def round_half_up(value: float) -> int:
    """0.5 becomes 1: Python's own rounding goes to the even number."""
    return int(value + 0.5)


def copied(model: nn.Module) -> dict[str, Tensor]:
    """A model's ``state_dict`` of its own."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def opened(resume: str | Path | State | None, weights: dict[str, dict[str, Tensor]], config: dict[str, Any]) -> State:
    """A new state, or the one to go on from: it must be of the same settings."""
    if resume is None:
        return State(weights=weights, config=config)
    state = copy.deepcopy(resume) if isinstance(resume, State) else State.load(resume)
    different = [name for name in config if state.config.get(name) != config[name]]
    if different:
        got = f"{different[0]} {state.config.get(different[0])!r} there, {config[different[0]]!r} here"
        raise fail("resume", "be a state of the same owners and settings", got, "Give the same, or start afresh.")
    return state


def _checked(owners: Sequence[Part]) -> list[Part]:
    parts = list(owners)
    if not parts or not all(isinstance(part, Part) and len(part) for part in parts):
        remedy = "Make them with kd.federated.partition(part, clients=10)."
        raise fail("owners", "be parts with an image each", f"{len(parts)} owners", remedy)
    for at, part in enumerate(parts):
        if not isinstance(part.labels, Tensor):
            raise fail("owners", "have labelled images", f"owner {at} has none", "Keep the labels in the parts.")
    return parts

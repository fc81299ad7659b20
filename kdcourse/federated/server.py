"""What a server does with what arrives: count it, refuse what is broken, and take the mean of the rest."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from kdcourse._arguments import fail

__all__ = ["Network", "Skipped", "State", "Update", "bytes_of", "collect", "mean_of", "perfect"]

Values = Mapping[str, Tensor]


@dataclass(frozen=True)
class Update:
    """What one owner sends: tensors by name (parameters, or logits), and how many images it learned from."""

    owner: int
    examples: int
    values: Values


Network = Callable[[int, Update], Sequence[Update]]


def perfect(round: int, update: Update) -> Sequence[Update]:
    """A network on which every update arrives once."""
    return [update]


@dataclass(frozen=True)
class Skipped:
    """An owner whose update did not count in a round, and why."""

    round: int
    owner: int
    reason: str


def bytes_of(values: Tensor | Values | Iterable[Tensor]) -> int:
    """The bytes that these tensors take as they are: the one meter for parameters, logits and images."""
    tensors = [values] if isinstance(values, Tensor) else values.values() if isinstance(values, Mapping) else values
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def collect(
    round: int, sent: Sequence[Update], asked: Sequence[int], like: Values
) -> tuple[list[Update], list[Skipped]]:
    """(the updates that count, by owner; who was skipped and why).

    Args:
        round: for the report.
        sent: what arrived.
        asked: the owners who were to answer.
        like: tensors of the names and shapes that are expected.
    """
    good: dict[int, Update] = {}
    skipped = []
    for update in sent:
        reason = _wrong(update, asked, good, like)
        if reason:
            skipped.append(Skipped(round, update.owner, reason))
        else:
            good[update.owner] = update
    heard = set(good) | {one.owner for one in skipped}
    skipped += [Skipped(round, owner, "no answer") for owner in asked if owner not in heard]
    return [good[owner] for owner in sorted(good)], skipped


def _wrong(update: Update, asked: Sequence[int], good: Mapping[int, Update], like: Values) -> str:
    """Why an update cannot count; empty where it can."""
    if update.owner not in asked:
        return "not asked"
    if update.owner in good:
        return "answered twice"
    if update.examples < 1:
        return f"learned from {update.examples} images"
    different = sorted(set(like) ^ set(update.values))
    if different:
        return f"names differ: {different[0]}"
    for name, value in update.values.items():
        if value.shape != like[name].shape:
            return f"wrong shape: {name} {tuple(value.shape)}, not {tuple(like[name].shape)}"
        if not bool(value.isfinite().all()):
            return f"not finite: {name}"
    return ""


def mean_of(updates: Sequence[Update], *, weighted: bool = True) -> dict[str, Tensor]:
    """The mean of the updates' tensors, by default weighted by the images behind each (McMahan et al. 2017).

    Whole numbers (batch norm's counts) are rounded. Raises ValueError where there is no update.
    """
    if not updates:
        raise fail("updates", "be one at least", "none", "Close the round without a change.")
    weights = torch.tensor([u.examples if weighted else 1 for u in updates], dtype=torch.float64)
    weights = weights / weights.sum()
    means = {}
    for name, first in updates[0].values.items():
        total = sum((w * u.values[name].double() for w, u in zip(weights, updates, strict=True)), torch.zeros(()))
        means[name] = (total if first.is_floating_point() else total.round()).to(first.dtype)
    return means


@dataclass
class State:
    """All that a federation needs to go on after any round: random numbers are made from (seed, round, owner).

    Attributes:
        round: rounds that are closed.
        weights: the ``state_dict`` of each model, by the model's name.
        history: lists, one value a round.
        bytes_up, bytes_down: sent by owners, sent to them.
        skipped: who did not count, when and why.
        config: the settings, as plain data.
    """

    round: int = 0
    weights: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    bytes_up: int = 0
    bytes_down: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)

    def close(self, **values: float) -> None:
        """End a round: its values join the history, with the bytes so far."""
        for name, value in {**values, "bytes_up": self.bytes_up, "bytes_down": self.bytes_down}.items():
            self.history.setdefault(name, []).append(value)
        self.round += 1

    def receive(self, sent: Sequence[Update], asked: Sequence[int], like: Values, network: Network) -> list[Update]:
        """Send the owners' updates through the network; those that count. Bytes count as they were sent."""
        self.bytes_up += sum(bytes_of(update.values) for update in sent)
        arrived = [one for update in sent for one in network(self.round, update)]
        good, skipped = collect(self.round, arrived, asked, like)
        self.skipped += skipped
        return good

    def save(self, folder: str | Path) -> None:
        """Write ``state.safetensors`` and ``state.json``."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        tensors = {f"{model}/{name}": value.contiguous() for model, own in self.weights.items()
                   for name, value in own.items()}  # fmt: skip
        save_file(tensors, place / "state.safetensors")
        rest = {name: value for name, value in asdict(self).items() if name != "weights"}
        (place / "state.json").write_text(json.dumps(rest, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "State":
        """What ``save`` wrote."""
        place = Path(folder)
        if not (place / "state.json").is_file():
            raise fail("resume", "be a folder with a saved state", str(folder), "Call .state.save(folder) first.")
        rest = json.loads((place / "state.json").read_text(encoding="utf-8"))
        rest["skipped"] = [Skipped(**one) for one in rest["skipped"]]
        weights: dict[str, dict[str, Tensor]] = {}
        for key, value in load_file(place / "state.safetensors").items():
            model, _, name = key.partition("/")
            weights.setdefault(model, {})[name] = value
        return cls(weights=weights, **rest)

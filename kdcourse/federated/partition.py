"""Who holds what: one data set divided among owners, evenly or not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcourse._arguments import fail, one_of, positive
from kdcourse.data import NO_LABEL, Part

__all__ = ["CONVENTIONS", "Owners", "partition"]

CONVENTIONS = ("classes", "balanced", "owners")
TRIES = 1000  # draws of a division in which every owner has enough


class Owners(list[Part]):
    """One part an owner: disjoint, and together the whole. ``.config`` says how they were made."""

    config: dict[str, Any]

    @property
    def counts(self) -> Tensor:
        """How many images of each class every owner holds: owners x classes."""
        labels = [part.labels for part in self]
        classes = 1 + max(int(y.max()) for y in labels if len(y))
        return torch.stack([torch.bincount(y, minlength=classes) for y in labels])

    def __repr__(self) -> str:
        sizes = [len(part) for part in self]
        return f"Owners({len(self)} of {min(sizes)} to {max(sizes)} images, {self.config['how']})"


def partition(
    part: Part, *, clients: int, how: str = "iid", alpha: float | None = None, convention: str = "classes",
    shards: int = 2, least: int = 1, seed: int = 0,
) -> Owners:  # fmt: skip
    """Divide a labelled part among owners.

    Args:
        part: images with a class number each.
        clients: how many owners.
        how: "iid" (at random, sizes equal within one), "dirichlet" (unequal classes), "shards" (sorted by class and cut
            into pieces, ``shards`` of them an owner: McMahan et al. 2017) or "quantity" (at random, sizes by
            Dirichlet(alpha)).
        alpha: concentration, for "dirichlet" and "quantity": the smaller, the more unequal.
        convention: what Dirichlet(alpha) means, as the literature does not agree. "classes": every class is divided
            among the owners by its own draw (Yurochkin et al. 2019); sizes differ. "balanced": so too, but an owner
            who has its even share of all images gets no more (that paper's program). "owners": every owner draws the
            classes' shares among its own images from Dirichlet(alpha p), p being their shares in the whole (Hsu et al.
            2019); sizes are equal, and ten classes make the same alpha ten times as strong.
        least: every owner holds so many images; "dirichlet" and "quantity" are drawn again until it is true.
        seed: the same seed gives the same owners.

    Raises ValueError for labels that are no classes, more owners than images, an alpha that leaves someone empty.
    """
    _check(part, clients, how, alpha, convention, shards, least, seed)
    rng = np.random.default_rng(seed)
    labels = part.labels.numpy()
    draws: dict[str, Callable[[], list[np.ndarray]]] = {
        "iid": lambda: np.array_split(rng.permutation(len(labels)), clients),
        "shards": lambda: _sharded(labels, clients, shards, rng),
        "quantity": lambda: _cut(rng.permutation(len(labels)), rng.dirichlet([float(alpha or 1)] * clients)),
        "dirichlet": lambda: DIRICHLET[convention](labels, clients, float(alpha or 1), rng),
    }
    for _ in range(TRIES):
        found = draws[how]()
        if min(len(one) for one in found) >= least:
            break
    else:
        remedy = "Raise alpha, lower least, or take fewer clients."
        raise fail("alpha", f"leave every owner {least} images", f"{alpha}, in {TRIES} draws", remedy)
    owners = Owners(part.select(torch.from_numpy(np.sort(one))) for one in found)
    said = {"how": how, "alpha": alpha, "convention": convention if how == "dirichlet" else None, "seed": seed}
    owners.config = {"clients": clients, **said} | ({"shards": shards} if how == "shards" else {})
    for at, owner in enumerate(owners):
        owner.provenance = {**part.provenance, "owner": at, **owners.config}
    return owners


def _check(
    part: Part, clients: int, how: str, alpha: float | None, convention: str, shards: int, least: int, seed: int
) -> None:
    one_of("how", how, ("iid", "dirichlet", "shards", "quantity"))
    one_of("convention", convention, CONVENTIONS)
    for name, value in (("clients", clients), ("shards", shards), ("least", least)):
        positive(name, value, whole=True)
    positive("seed", seed, whole=True, zero=True)
    if how in ("dirichlet", "quantity"):
        if alpha is None:
            raise fail("alpha", f"be given for {how}", None, "Write alpha=0.1 for owners that differ much.")
        positive("alpha", alpha)
    elif alpha is not None:
        raise fail("alpha", f"be left out for {how}", alpha, 'Write how="dirichlet".')
    if not isinstance(part.labels, Tensor) or part.labels.is_floating_point() or bool((part.labels == NO_LABEL).any()):
        raise fail("part", "have a class number for each image", part, "Divide labelled images.")
    if clients * max(least, shards if how == "shards" else 1) > len(part):
        raise fail("clients", f"leave each its images of {len(part)}", clients, "Take fewer, or more images.")


def _cut(order: np.ndarray, shares: np.ndarray) -> list[np.ndarray]:
    """Consecutive pieces of an order, by their shares."""
    return np.split(order, np.round(np.cumsum(shares)[:-1] * len(order)).astype(int))


def _sharded(labels: np.ndarray, clients: int, shards: int, rng: np.random.Generator) -> list[np.ndarray]:
    pieces = np.array_split(np.argsort(labels, kind="stable"), clients * shards)
    dealt = rng.permutation(len(pieces)).reshape(clients, shards)
    return [np.concatenate([pieces[i] for i in own]) for own in dealt]


def _by_classes(
    labels: np.ndarray, clients: int, alpha: float, rng: np.random.Generator, *, even: bool = False
) -> list[np.ndarray]:
    """Each class among the owners by its own draw; ``even``: only among those who lack images of their even share."""
    held: list[list[np.ndarray]] = [[] for _ in range(clients)]
    for c in np.unique(labels):
        shares = rng.dirichlet([alpha] * clients)
        if even:
            shares = shares * [sum(map(len, own)) < len(labels) / clients for own in held]
            shares = shares / shares.sum() if shares.sum() > 0 else np.full(clients, 1 / clients)
        for own, piece in zip(held, _cut(rng.permutation(np.flatnonzero(labels == c)), shares), strict=True):
            own.append(piece)
    return [np.concatenate(own) for own in held]


def _by_owners(labels: np.ndarray, clients: int, alpha: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Each owner draws its classes' shares, then its images; a class that is used up leaves its share to the others."""
    classes, counts = np.unique(labels, return_counts=True)
    left = {c: list(rng.permutation(np.flatnonzero(labels == c))) for c in classes}
    held = []
    for size in [len(one) for one in np.array_split(labels, clients)]:
        mix, own = rng.dirichlet(np.maximum(alpha * counts / len(labels), 1e-9)), list[int]()
        while len(own) < size:
            there = np.array([len(left[c]) > 0 for c in classes])
            shares = np.where(there, mix, 0.0)
            shares = shares / shares.sum() if shares.sum() > 0 else there / there.sum()
            for c, n in zip(classes, rng.multinomial(size - len(own), shares), strict=True):
                own += [left[c].pop() for _ in range(min(n, len(left[c])))]
        held.append(np.array(own))
    return held


DIRICHLET: dict[str, Callable[..., list[np.ndarray]]] = {
    "classes": _by_classes,
    "balanced": lambda *args: _by_classes(*args, even=True),
    "owners": _by_owners,
}

"""The capstone: the smallest network above a bar, trained within a budget; every entry is scored by the same rules.

An ``Entry`` counts what its training costs and how often validation was looked at, and is closed once, by one look at
the test images. Closed entries stand on a local ``leaderboard``, beside the course's own.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from filelock import FileLock
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdcourse import evaluation
from kdcourse._arguments import fail
from kdcourse._tables import Table
from kdcourse.data import Splits, load, split
from kdcourse.models import build
from kdcourse.records import read
from kdcourse.records.store import write

__all__ = ["BAR", "BUDGET", "Entry", "EntryCard", "baselines", "leaderboard", "splits"]

BAR = 0.87  # of test accuracy
BUDGET = 1e12  # operations in training, a teacher's answers among them
NAME = "kdcourse-capstone.json"


@cache
def splits() -> Splits:
    """The photographs of the capstone: 8,000 to learn from, 2,000 for validation, 10,000 for the test."""
    return split(load("fashion-mnist"), val=0.2, seed=0)


@dataclass(frozen=True)
class EntryCard:
    """What is known of a closed entry.

    Attributes:
        name: the entry's.
        bytes: of all its parameters and buffers.
        operations: counted in ``Entry.paid``.
        looks: how often it was scored on validation.
        validation: the accuracy at the last look; None where there was none.
        test: the accuracy on the test images, which were looked at once.
    """

    name: str
    bytes: int
    operations: int
    looks: int
    validation: float | None
    test: float

    @property
    def counts(self) -> bool:
        """Whether it reaches the bar within the budget; training that nobody counted is none."""
        return self.test >= BAR and 0 < self.operations <= BUDGET

    def __str__(self) -> str:
        known = "never looked at" if self.validation is None else f"{self.validation:.1%} at the last of {self.looks}"
        why = "counts" if self.counts else f"does not count: {', '.join(self._short())}"
        return (
            f"{self.name}: {why}\n  {self.bytes:,} bytes\n  {self.operations / 1e9:,.0f} billion operations of "
            f"{BUDGET / 1e9:,.0f}\n  validation {known}\n  test {self.test:.1%}; the bar is {BAR:.0%}"
        )

    __repr__ = __str__

    def _short(self) -> list[str]:
        found = [f"below the bar of {BAR:.0%}"] if self.test < BAR else []
        found += ["above the budget"] if self.operations > BUDGET else []
        return found + (["no operation was counted"] if not self.operations else [])


class Entry:
    """One's own entry: train inside ``paid()``, ``look`` at validation, ``close`` once.

    Args:
        name: as it will stand on the leaderboard; a closed entry's name is taken.
        folder: where the leaderboard is kept; default: ``KDCOURSE_CAPSTONE``, else beside the notebook.
    """

    def __init__(self, name: str, *, folder: str | os.PathLike[str] | None = None) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"\S(?:.{0,38}\S)?", name):
            raise fail("name", "have 1 to 40 characters, and no space at its ends", name, 'Write "narrow cnn", say.')
        self.name, self.file = name, _file(folder)
        self.operations, self.looks, self.validation = 0, 0, None  # type: int, int, float | None
        self._refuse_a_second_time()

    def _refuse_a_second_time(self) -> None:
        if any(card.name == self.name for card in _read(self.file)):
            rule = "be an entry that is not closed: its test images have been looked at"
            raise fail("name", rule, self.name, "Take another name for another attempt; the board shows both.")

    @contextlib.contextmanager
    def paid(self) -> Iterator[None]:
        """Count all operations inside: matrix products and convolutions, forwards and backwards, of any network.

        A teacher that answers inside is counted, too. Counting more than doubles the seconds of a small network.
        """
        counter = FlopCounterMode(display=False)
        try:
            with counter:
                yield
        finally:  # what was spent before an error is spent
            self.operations += int(counter.get_total_flops())

    def look(self, model: nn.Module) -> float:
        """The share of right answers on the validation photographs; the look is counted."""
        self.looks += 1
        self.validation = evaluation.accuracy(model, splits().val)
        return self.validation

    def close(self, model: nn.Module) -> EntryCard:
        """Look at the test images, once, and write the card. The name cannot be used again.

        Raises ValueError where an entry of that name is closed, or where the model's size cannot be seen.
        """
        size = evaluation.size_bytes(model)
        if size is None:
            raise fail("model", "show all its weights", type(model).__name__, "Hand in an nn.Module.")
        with FileLock(f"{self.file}.lock"):
            self._refuse_a_second_time()
            score = evaluation.accuracy(model, splits().test)
            card = EntryCard(self.name, size, self.operations, self.looks, self.validation, score)
            write(self.file, [asdict(other) for other in [*_read(self.file), card]])
        return card


def leaderboard(*, folder: str | os.PathLike[str] | None = None) -> Table:
    """All closed entries, and the course's own: those that count, the smallest first; then the others, the best first.

    Args:
        folder: where the leaderboard is kept, as for ``Entry``.
    """
    cards = [*_read(_file(folder)), *baselines()]
    cards.sort(key=lambda card: (not card.counts, card.bytes if card.counts else -card.test, card.operations))
    rows = [
        [f"{at + 1}. {card.name}" if card.counts else f"– {card.name}", f"{card.bytes:,}",
         f"{card.operations / 1e9:,.0f} billion, {card.looks} looks", f"{card.test:.1%}"]
        for at, card in enumerate(cards)
    ]  # fmt: skip
    title = f"The smallest network with {BAR:.0%} of the test images right, for {BUDGET / 1e9:,.0f} billion operations"
    return Table(["entry", "bytes", "operations", "test"], rows, title=title)


def baselines() -> list[EntryCard]:
    """The course's own entries: students of the evidence ``outlook`` with seed 0, and every look that tuning took."""
    compute, fresh = read("compute"), read("fresh")
    size = evaluation.size_bytes(build("cnn", width=8)) or 0
    plain = {"teacher": "none", "epochs": 60}
    epoch = compute.mean("learning", **plain, rates="own") / 60
    found = []
    for words, record, one in (
        ("labels", compute, plain),
        ("the course's teacher", compute, {"teacher": "shipped", "epochs": 60}),
        ("labels, new versions", fresh, {"epochs": 60}),
        ("labels, new versions, 200 epochs", fresh, {"epochs": 200}),
    ):
        (row,) = [r for r in record.where(**one, seed=0) if r.get("rates", "own") == "own"]
        looks = sum(
            len(read(name).where(teacher=one.get("teacher", "none"))) for name in ("compute_grid", "compute_finals")
        )
        spent = int(row["epochs"] * epoch + row.get("asking", 0))
        found.append(EntryCard(f"cnn 8, {words} (ours)", size, spent, looks, None, row["test"]))
    return found


def _file(folder: str | os.PathLike[str] | None) -> Path:
    place = folder if folder is not None else os.environ.get("KDCOURSE_CAPSTONE") or "."
    return Path(place) / NAME


def _read(file: Path) -> list[EntryCard]:
    if not file.is_file():
        return []
    try:
        return [EntryCard(**card) for card in json.loads(file.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise fail(
            str(file), "hold closed entries", str(error), "Move the file elsewhere; a new one is begun."
        ) from None

"""The capstone: every entry is scored by the same rules, counted, and closed once."""

import json

import pytest
import torch

import kdcourse as kd
from kdcourse.checks import capstone
from kdcourse.checks.capstone import BAR, BUDGET, Entry, EntryCard, leaderboard
from kdcourse.records import read


@pytest.fixture
def small(monkeypatch):
    """A hundred photographs of each kind in place of thousands."""
    data = kd.split(kd.load("fashion-mnist"), val=0.2, seed=0)
    few = kd.data.Splits(*(part.select(range(100)) for part in (data.train, data.val, data.test)), data.classes)
    monkeypatch.setattr(capstone, "splits", lambda: few)
    return few


def entry(tmp_path, name="mine"):
    return Entry(name, folder=tmp_path)


def test_only_what_is_inside_paid_is_counted_forwards_and_backwards_of_any_network(tmp_path, small):
    mine, model = entry(tmp_path), torch.nn.Linear(784, 10)
    x = small.train.images.flatten(1)
    one = kd.evaluation.flops(model, x[:1])
    with mine.paid():
        model(x).sum().backward()
    assert mine.operations == 2 * 100 * one, "forwards, and the gradient of the weights; none flows into the images"
    model(x)
    mine.look(kd.build("linear"))
    assert mine.operations == 2 * 100 * one
    with mine.paid():
        torch.nn.Linear(784, 10)(x)
    assert mine.operations == 3 * 100 * one


def test_what_was_spent_before_an_error_is_spent(tmp_path, small):
    mine = entry(tmp_path)
    with pytest.raises(RuntimeError, match="halfway"), mine.paid():
        torch.nn.Linear(784, 10)(small.train.images.flatten(1))
        raise RuntimeError("halfway")
    assert mine.operations > 0


def test_looks_are_counted_and_the_test_images_looked_at_once(tmp_path, small, monkeypatch):
    seen = []
    real = kd.evaluation.accuracy
    monkeypatch.setattr(capstone.evaluation, "accuracy", lambda model, part: seen.append(part) or real(model, part))
    mine, model = entry(tmp_path), kd.build("cnn", width=2, seed=0)
    assert mine.look(model) == mine.look(model) == real(model, small.val)
    assert [part is small.val for part in seen] == [True, True]
    card = mine.close(model)
    assert [part is small.test for part in seen] == [False, False, True]
    assert (card.looks, card.validation, card.test) == (2, real(model, small.val), real(model, small.test))
    assert card.bytes == kd.evaluation.size_bytes(model)
    for again in (lambda: mine.close(model), lambda: entry(tmp_path)):
        with pytest.raises(ValueError, match="name must be an entry that is not closed"):
            again()
    assert len(seen) == 3, "a second closing looks at nothing"
    (saved,) = json.loads((tmp_path / capstone.NAME).read_text())
    assert EntryCard(**saved) == card


def test_an_entry_counts_at_the_bar_and_the_budget_and_not_beyond():
    def card(test=BAR, operations=int(BUDGET)):
        return EntryCard("mine", 100, operations, 1, 0.9, test)

    assert card().counts and "mine: counts" in str(card())
    for other, why in (
        (card(test=BAR - 1e-4), "below the bar of 87%"),
        (card(operations=int(BUDGET) + 1), "above the budget"),
        (card(operations=0), "no operation was counted"),
    ):
        assert not other.counts and f"does not count: {why}" in str(other)
    unseen = EntryCard("mine", 100, 1, 0, None, 0.9)
    assert "validation never looked at" in str(unseen) and "validation 90.0% at the last of 1" in str(card())


def test_the_smallest_that_counts_stands_first_and_the_others_by_accuracy(tmp_path, small, monkeypatch):
    found = {"wide": (900, 0.9), "narrow": (300, 0.88), "tiny": (100, 0.7), "tinier": (50, 0.8)}
    for name, (size, test) in found.items():
        mine = entry(tmp_path, name)
        mine.operations = 5
        monkeypatch.setattr(capstone.evaluation, "size_bytes", lambda model, size=size: size)
        monkeypatch.setattr(capstone.evaluation, "accuracy", lambda model, part, test=test: test)
        mine.close(kd.build("linear"))
    ours = EntryCard("cnn 4 (ours)", 400, 9, 14, None, 0.89)
    monkeypatch.setattr(capstone, "baselines", lambda: [ours])
    board = leaderboard(folder=tmp_path)
    assert [row[0] for row in board.rows] == ["1. narrow", "2. cnn 4 (ours)", "3. wide", "– tinier", "– tiny"]
    assert board.rows[1][1:] == ["400", "0 billion, 14 looks", "89.0%"]
    assert [row[0] for row in leaderboard(folder=tmp_path / "elsewhere").rows] == ["1. cnn 4 (ours)"]


def test_the_courses_own_entries_are_recorded_students_with_all_their_looks():
    cards = {card.name: card for card in capstone.baselines()}
    record, fresh, own = read("compute"), read("fresh"), {"rates": "own", "seed": 0}
    size = kd.evaluation.size_bytes(kd.build("cnn", width=8))
    assert len(cards) == 4 and {card.bytes for card in cards.values()} == {size}
    plain = cards["cnn 8, labels (ours)"]
    (row,) = record.where(teacher="none", epochs=60, **own)
    assert (plain.test, plain.operations, plain.looks) == (row["test"], row["learning"], 20 + 3 * 2)
    taught = cards["cnn 8, the course's teacher (ours)"]
    (row,) = record.where(teacher="shipped", epochs=60, **own)
    assert taught.operations == row["learning"] + row["asking"] > BUDGET, "the teacher itself is given"
    (row,) = fresh.where(epochs=200, seed=0)
    longest = cards["cnn 8, labels, new versions, 200 epochs (ours)"]
    assert longest.test == row["test"] and longest.operations == pytest.approx(plain.operations * 200 / 60)
    assert [card.name for card in cards.values() if card.counts] == ["cnn 8, labels, new versions (ours)"]


def test_the_board_lies_where_it_is_told(tmp_path, small, monkeypatch):
    monkeypatch.setenv("KDCOURSE_CAPSTONE", str(tmp_path))
    Entry("mine").close(kd.build("linear"))
    monkeypatch.setattr(capstone, "baselines", list)
    assert [row[0] for row in leaderboard().rows] == ["– mine"]
    monkeypatch.delenv("KDCOURSE_CAPSTONE")
    monkeypatch.chdir(tmp_path)
    assert [row[0] for row in leaderboard().rows] == ["– mine"]


@pytest.mark.parametrize("name", ["", " mine", "mine ", "x" * 41, None, 3])
def test_a_name_is_short_and_clean(tmp_path, name):
    with pytest.raises(ValueError, match="name must have 1 to 40 characters"):
        entry(tmp_path, name)


def test_a_damaged_board_and_a_model_without_a_size_are_refused(tmp_path, small, monkeypatch):
    mine = entry(tmp_path)
    monkeypatch.setattr(capstone.evaluation, "size_bytes", lambda model: None)
    with pytest.raises(ValueError, match="model must show all its weights"):
        mine.close(kd.build("linear"))
    (tmp_path / capstone.NAME).write_text('[{"name": 3}]')
    with pytest.raises(ValueError, match="must hold closed entries"):
        leaderboard(folder=tmp_path)


def test_the_capstones_photographs_are_the_courses():
    data = capstone.splits()
    assert [len(part) for part in (data.train, data.val, data.test)] == [8000, 2000, 10000]
    assert capstone.splits() is data

"""What small language models say: valid or not, how surprised they are, and what a file of answers makes of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from kdcourse import plots
from kdcourse.figures._shapes import dumbbells
from kdcourse.plots import COLOURS
from kdcourse.records import Record

__all__ = ["kept_answers", "own_words", "valid_and_surprised"]

STARTS = ("from scratch", "warmed up")
IMITATES = {"sentences": "the teacher's sentences", "forward": "forward KL", "between": "between, β = 0.5",
            "reverse": "reverse KL"}  # fmt: skip
MARKS = {"teacher": "o", "student": "^"}
WRITERS = {"teacher": "the teacher writes", "student": "the student writes"}
SAID = {"sentences": "the teacher's sentences", "forward": "forward KL", "between": "between the two",
        "reverse": "reverse KL"}  # fmt: skip


def _methods(record: Record) -> list[dict[str, Any]]:
    """Each start, loss and writer of the record, at its own rates."""
    names = [(row["start"], row["imitates"], row["writer"]) for row in record.where(rates="own")]
    keys = ("start", "imitates", "writer", "rates")
    return [dict(zip(keys, (*one, "own"), strict=True)) for one in dict.fromkeys(names)]


def _between(record: Record, start: str, one: tuple[str, str], other: tuple[str, str]) -> Any:
    ours, theirs = ({"start": start, "imitates": loss, "writer": who, "rates": "own"} for loss, who in (one, other))
    return record.paired("valid", ours, theirs)


def valid_and_surprised(record: Record, *, title: str) -> plots.Shown:
    """Surprise at others' sentences against valid sentences of its own: a panel for each start, a mark for each method.

    Args:
        record: ``speaking``: rows by ``start``, ``imitates`` and ``writer``.
        title: its fields are differences in valid sentences: {early}, reverse minus forward KL on the teacher's
            sentences, from scratch; {late}, the same after a warm-up; {wrote}, reverse KL on the student's own
            sentences minus the same on the teacher's, after a warm-up.
    """
    figure, axes = plots.styled(1, 2, size=(10.5, 4.4))
    told = []
    for one in _methods(record):
        axis = axes[STARTS.index(one["start"])]
        colour, marker = COLOURS[list(IMITATES).index(one["imitates"])], MARKS[one["writer"]]
        x, y = ([scale * v for v in record.values(key, **one)] for key, scale in (("nats", 1), ("valid", 100)))
        axis.plot(x, y, marker, color=colour, alpha=0.35, markeredgewidth=0, markersize=5)
        axis.plot([np.mean(x)], [np.mean(y)], marker, color=colour, markersize=10)
        words = f"{SAID[one['imitates']]} ({WRITERS[one['writer']]}), {one['start']}"
        told.append(f"{words}: {np.mean(y):.1f} % valid at {np.mean(x):.2f} nats")
    for axis, start in zip(axes, STARTS, strict=True):
        axis.set(title=start, xlabel="surprise at other people's sentences, nats a token")
        axis.margins(0.08)
    axes[0].set(ylabel="valid sentences of its own, %")
    marks = [
        Line2D([], [], marker="o", ls="", color=COLOURS[i], label=name) for i, name in enumerate(IMITATES.values())
    ]
    marks += [Line2D([], [], marker=m, ls="", color="#444444", label=WRITERS[who]) for who, m in MARKS.items()]
    figure.legend(handles=marks, frameon=False, fontsize=9, ncols=6, loc="outside lower center")
    reverse, forward = ("reverse", "teacher"), ("forward", "teacher")
    fields = {
        "early": _between(record, STARTS[0], reverse, forward),
        "late": _between(record, STARTS[1], reverse, forward),
        "wrote": _between(record, STARTS[1], ("reverse", "student"), reverse),
    }
    return plots.show(
        figure, title=title, fields=fields, alt=f"Valid sentences in %, and surprise. {'; '.join(told)}.",
        caption="The upper left is best; the right panel is enlarged. Large: the mean of five students; small: each of "
        "them. All were trained for equally many steps, the warm-up among them.",
    )  # fmt: skip


def own_words(record: Record, *, start: str, title: str) -> plots.Shown:
    """How far a student is from its teacher, token by token: on the teacher's sentences and on its own.

    Args:
        record: ``speaking``, with ``apart_read`` and ``apart_own``.
        start: "from scratch" or "warmed up".
        title: its fields are {read} and {wrote}, how many times as far apart on the student's own sentences where it
            was taught by forward KL, on the teacher's sentences or on its own.
    """
    rows, times = {}, {}
    for one in _methods(record):
        if one["start"] == start:
            name = f"{SAID[one['imitates']]}, {WRITERS[one['writer']]}"
            rows[name] = (record.mean("apart_read", **one), record.mean("apart_own", **one))
            times[one["imitates"], one["writer"]] = rows[name][1] / rows[name][0]
    fields = {"read": times["forward", "teacher"], "wrote": times["forward", "student"]}
    told = "; ".join(f"{name}: {read:.3f} and {own:.3f}" for name, (read, own) in rows.items())
    return dumbbells(
        {"": rows}, xlabel="KL(p ‖ q) from the teacher, nats a token", before="on the teacher's sentences",
        after="on its own", title=title, fields=fields,
        alt=f"Distance from the teacher in nats a token, on the teacher's sentences and on the student's own. {told}.",
        caption=f"Means of five students, {start}.",
    )  # fmt: skip


def kept_answers(record: Record, *, names: Mapping[str, str], truth: float, title: str) -> plots.Shown:
    """What a file keeps of the teacher's answers: how surprised its students are, and how often they open a ``{``.

    Args:
        record: ``kept``: rows by ``kept``.
        names: {``kept``: how it is called}, from above to below.
        truth: how many ``{`` a sentence of the language opens after its prompt.
        title: its fields are {cut}, {drawn} and {truth}, how many a hundred sentences open where the two likeliest
            tokens were kept, where two draws were, and in the language.
    """
    figure, axes = plots.styled(1, 2, size=(10.5, 0.36 * len(names) + 1.7), sharey=True)
    told = []
    for at, (kept, words) in enumerate(names.items()):
        colour = COLOURS[1] if kept.startswith("top") else COLOURS[2] if kept.endswith("drawn") else COLOURS[0]
        means = []
        for axis, key, scale in zip(axes, ("nats", "rare"), (1, 100), strict=True):
            own = [scale * value for value in record.values(key, kept=kept, rates="own")]
            means.append(_row(axis, at, own, colour))
        told.append(f"{words}: {means[0]:.2f} nats, {means[1]:.0f}")
    axes[1].axvline(100 * truth, color="#555555", linewidth=1.2, ls="--")
    axes[0].set(xlabel="surprise at other people's sentences, nats a token", yticks=range(len(names)))
    axes[0].set_yticklabels(list(names.values()))
    axes[0].invert_yaxis()
    axes[1].set(xlabel="{ in a hundred sentences of its own")
    count = {key: 100 * record.mean("rare", kept=kept, rates="own") for key, kept in
             (("cut", "top 2"), ("drawn", "2 drawn"))}  # fmt: skip
    return plots.show(
        figure, title=title, fields=count | {"truth": 100 * truth},
        alt=f"Surprise, and how many {{ in a hundred sentences, in the language {100 * truth:.0f}. {'; '.join(told)}.",
        caption="Small: each of five students; large: their mean. Dashed: the language itself.",
    )  # fmt: skip


def _row(axis: Axes, at: int, own: list[float], colour: str) -> float:
    mean = float(np.mean(own))
    axis.plot(own, [at] * len(own), "o", color=colour, alpha=0.35, markeredgewidth=0, markersize=5)
    axis.plot([mean], [at], "o", color=colour, markersize=8)
    axis.grid(axis="y", visible=False)
    return mean

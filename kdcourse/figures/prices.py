"""What distillation costs: operations with and without the teacher's, the teacher's strength, what a label is worth."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kdcourse import plots
from kdcourse._intervals import Difference
from kdcourse.plots import COLOURS
from kdcourse.records import Record, contrast

__all__ = ["labels_worth", "strength_of_teacher", "who_pays"]

NONE, GIVEN = "none", "shipped"
PRICES = ("learning", "raising", "asking")  # operations: the student's training, the teacher's, its answers
BILLION = 1e9
LOOKS = (
    {"color": COLOURS[1], "marker": "o"}, {"color": COLOURS[0], "marker": "o"}, {"color": COLOURS[2], "marker": "o"},
    {"color": COLOURS[1], "marker": "s", "ls": "--"},
)  # fmt: skip


def said_of(teacher: str) -> str:
    """A method of the record in words."""
    if teacher in (NONE, GIVEN):
        return "labels alone" if teacher == NONE else "the course's teacher"
    return f"a teacher of {teacher} epoch" + "s" * (teacher != "1")


def curve(record: Record, teacher: str, *, paid: bool) -> list[tuple[float, float]]:
    """(billions of operations, test accuracy in %) for each length; ``paid``: the teacher's training is counted."""
    points = []
    for epochs in sorted({row["epochs"] for row in record.where(teacher=teacher, rates="own")}):
        one = {"teacher": teacher, "epochs": epochs, "rates": "own"}
        price = sum(record.mean(key, **one) for key in PRICES if paid or key != "raising")
        points.append((price / BILLION, 100 * record.mean("test", **one)))
    return points


def who_pays(record: Record, longer: Record, fresh: Record, *, title: str) -> plots.Shown:
    """Operations for one student against its accuracy: on the left the teacher is given, on the right it is paid for.

    Args:
        record: ``compute``: rows by ``teacher`` and ``epochs``.
        longer: ``longer``: the same for the course's teacher's longest students.
        fresh: ``fresh``: labels alone with a new version of each photograph in every epoch, by ``epochs``.
        title: its fields are {gain}, the course's teacher's longest students minus those of labels after 60 epochs,
            when they are at their best, and {fresh}, the longest training with new versions minus the same.
    """
    figure, axes = plots.styled(1, 2, size=(10.5, 4.1), sharey=True, sharex=True)
    lengths = sorted({row["epochs"] for row in fresh.rows})
    epoch = record.mean("learning", teacher=NONE, epochs=60, rates="own") / 60 / BILLION
    told = []
    for axis, paid in zip(axes, (False, True), strict=True):
        plans = {said_of(name): curve(record, name, paid=paid) for name in (NONE, "30", GIVEN)}
        plans[said_of(GIVEN)] = plans[said_of(GIVEN)] + curve(longer, GIVEN, paid=paid)
        plans["labels alone, new versions"] = [(n * epoch, 100 * fresh.mean("test", epochs=n)) for n in lengths]
        for (words, points), look in zip(plans.items(), LOOKS, strict=True):
            axis.plot(*zip(*points, strict=True), markersize=6, label=words, **look)
            told.append(f"{words}: " + ", ".join(f"{a:.1f} at {p:,.0f}" for p, a in points))
        axis.set(xscale="log", xlabel="billion operations in training, for one student")
        axis.set(title="one student pays for its training, too" if paid else "somebody else trained the teacher")
    axes[0].set(ylabel="test accuracy, %")
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, fontsize=9, ncols=4, loc="outside lower center")
    base = {"teacher": NONE, "epochs": 60, "rates": "own"}
    fields = {
        "gain": longer.paired("test", {"teacher": GIVEN}, base, of=record),
        "fresh": fresh.paired("test", {"epochs": lengths[-1]}, base, of=record),
    }
    return plots.show(
        figure, title=title, fields=fields,
        alt=f"Test accuracy in % at billions of operations. The teacher is given: {'; '.join(told[:4])}. Its training "
        f"is paid for: {'; '.join(told[4:])}.",
        caption="Each dot: the mean of five students, after 2, 6, 20, 60 or 200 epochs (squares: from 20). The "
        "teacher's answers are counted on both sides.",
    )  # fmt: skip


def strength_of_teacher(record: Record, tuning: Record, *, title: str) -> plots.Shown:
    """A teacher's own accuracy against what its students gain over labels alone, after equally many epochs.

    Args:
        record: ``compute``: rows by ``teacher`` and ``epochs``.
        tuning: ``compute_finals``, for what labels alone reach on validation.
        title: its fields are {first} and {last}, the weakest's and the strongest's gain, each also with _gain and _cost
            behind it: the number of points, and its opposite.
    """
    longest = max(row["epochs"] for row in record.where(teacher=GIVEN))
    names = [name for name in dict.fromkeys(row["teacher"] for row in record.rows) if name != NONE]
    figure, axis = plots.styled(size=(8, 3.9))
    found: list[tuple[float, str, Difference]] = []
    for name in names:
        one, base = ({"teacher": teacher, "epochs": longest} for teacher in (name, NONE))
        gain = contrast(record, "test", one, base).own
        found.append((100 * record.mean("teacher right", **one, rates="own"), name, gain))
    for x, name, gain in sorted(found):
        _upright(axis, x, gain, COLOURS[0])
        words = "the course's" if name == GIVEN else f"{name} epoch" + "s" * (name != "1")
        foot = (x, gain.scale * (gain.low or 0))
        axis.annotate(words, foot, (0, -5), textcoords="offset points", ha="center", va="top", fontsize=9)
    axis.axhline(0, color="#555555", linewidth=1.2)
    student = 100 * max(tuning.mean("val", teacher=NONE, lr=row["lr"]) for row in tuning.where(teacher=NONE))
    axis.axvline(student, color=COLOURS[1], linewidth=1.2, ls="--")
    axis.annotate("labels alone", (student, 0.95), (-6, 0), xycoords=("data", "axes fraction"), ha="right", fontsize=9,
                  textcoords="offset points", color=COLOURS[1])  # fmt: skip
    axis.set(xlabel="accuracy of the teacher on validation photographs, %", ylabel="minus labels alone, points")
    axis.margins(x=0.1, y=0.14)
    ends = {"first": min(found)[2], "last": max(found)[2]}
    fields: dict[str, Any] = dict(ends)
    for key, gain in ends.items():
        fields |= {f"{key}_gain": gain.scale * gain.difference, f"{key}_cost": -gain.scale * gain.difference}
    said = "; ".join(f"{said_of(name)}, {x:.1f} %: {gain}" for x, name, gain in sorted(found))
    said += f". Labels alone reach {student:.1f} %"
    return plots.show(
        figure, title=title, fields=fields, alt=f"What its students gain over labels alone, in points. {said}.",
        caption=f"Students of {longest} epochs; bars: 95% intervals over five of them; hollow: holds zero.",
    )  # fmt: skip


def _upright(axis: Axes, x: float, found: Difference, colour: str) -> None:
    """A difference as a dot with an upright whisker."""
    axis.plot([x, x], [found.scale * (found.low or 0), found.scale * (found.high or 0)], color=colour, linewidth=2)
    face = colour if found.resolved else "white"
    axis.plot([x], [found.scale * found.difference], "o", color=colour, markerfacecolor=face, markersize=8)


def labels_worth(record: Record, *, photographs: int, title: str) -> plots.Shown:
    """Photographs against accuracy: with their labels, and with a teacher's answers in their place.

    Args:
        record: ``worth``: rows by ``source`` ("labels" or "teacher") and ``n``.
        photographs: from where an arrow leads to as many labelled ones as do the same.
        title: its fields are {labels}, that number, and {gain}, the points between the lines at ``photographs``.
    """
    counts = sorted({row["n"] for row in record.rows})
    figure, axis = plots.styled(size=(8, 3.9))
    means, told = {}, []
    for colour, source, words in (
        (COLOURS[1], "labels", "their labels"),
        (COLOURS[0], "teacher", "a teacher's answers"),
    ):
        each = [[100 * v for v in record.values("test", source=source, n=n, rates="own")] for n in counts]
        means[source] = [float(np.mean(values)) for values in each]
        for n, values in zip(counts, each, strict=True):
            axis.plot([n] * len(values), values, "o", color=colour, alpha=0.35, markeredgewidth=0, markersize=5)
        axis.plot(counts, means[source], "o-", color=colour, markersize=7, label=words)
        told.append(f"{words}: " + ", ".join(f"{m:.1f} with {n:,}" for n, m in zip(counts, means[source], strict=True)))
    reached = means["teacher"][counts.index(photographs)]
    enough = float(np.exp(np.interp(reached, means["labels"], np.log(counts), right=np.inf)))
    if np.isfinite(enough):
        axis.annotate("", (enough, reached), (photographs, reached),
                      arrowprops={"arrowstyle": "-|>", "color": "#444444", "lw": 1.4})  # fmt: skip
    axis.set(xscale="log", xlabel="photographs that the student learns from", ylabel="test accuracy, %")
    axis.set_xticks(counts, [f"{n:,}" for n in counts])
    axis.minorticks_off()
    axis.legend(frameon=False, fontsize=9, loc="lower right")
    gain = contrast(record, "test", *({"source": s, "n": photographs} for s in ("teacher", "labels"))).own
    return plots.show(
        figure, title=title, fields={"labels": enough, "gain": gain},
        alt=f"Test accuracy in %, by what the student hears of its photographs. {'; '.join(told)}.",
        caption="A small dot: a student; a large one: the mean of five. 1,500 steps of 100; flipped, shifted copies.",
    )  # fmt: skip

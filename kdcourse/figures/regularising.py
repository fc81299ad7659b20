"""Distillation as a regulariser: what each source of targets is worth, what a student pays, what its partners add."""

from kdcourse import plots
from kdcourse._intervals import Difference
from kdcourse.figures._shapes import rows_of_dots, whisker
from kdcourse.plots import COLOURS
from kdcourse.records import Record, contrast

__all__ = ["bill", "controls", "copied", "partners"]

LABELS = "labels alone"
SHORT = {
    "weight decay": "decay", "smoothed labels": "smoothed", "untrained network": "untrained",
    "random answers": "random", "label, random rest": "rest", "answer to another image": "another",
    "its equal": "equal", "teacher": "teacher",
}  # fmt: skip
PANELS = {0.0: "all labels are right", 0.2: "one label in five is wrong"}
SHIFTS = ("blurred", "noisy", "half as bright", "shifted by 2 pixels")
LINES = {
    "test": "accuracy", **{name: f"accuracy, {name}" for name in SHIFTS}, "worst": "recall of the worst class",
    "calibration": "calibration error", "calibrated": "calibration error, once calibrated",
}  # fmt: skip
LESS = ("calibration", "calibrated")  # of these less is better
PARTNERS = {"nothing": "nothing", "mixup": "mixup", "copies": "copies", "copies and mixup": "both"}


def controls(record: Record, *, title: str) -> plots.Shown:
    """What each source of targets adds to the labels alone, at own rates and strengths; with right and wrong labels.

    Args:
        record: ``regulariser``: rows by ``wrong`` and ``source``.
        title: its fields are {teacher}, {equal}, {another}, {rest}, {random}, {untrained}, {smoothed} and {decay}, each
            also with _gain and _cost behind it, the number of points and its opposite; and all of these with wrong_
            before them, where one label in five is wrong.
    """
    figure, axes = plots.styled(1, 2, size=(10.5, 3.7), sharey=True)
    fields: dict[str, Difference | float] = {}
    said = []
    for axis, (wrong, heading) in zip(axes, PANELS.items(), strict=True):
        rows = {source: _against_labels(record, "test", wrong, source) for source in SHORT}
        for at, (source, found) in enumerate(rows.items()):
            whisker(axis, at, found, COLOURS[0] if source == "teacher" else "#666666")
            name = f"wrong_{SHORT[source]}" if wrong else SHORT[source]
            fields |= _named(name, found)
        axis.set(title=heading, xlabel="minus labels alone, points of test accuracy")
        said.append(f"{heading}: " + ", ".join(f"{source} {found}" for source, found in rows.items()))
    axes[0].set(yticks=range(len(SHORT)), yticklabels=list(SHORT), ylim=(len(SHORT) - 0.5, -0.5))
    return plots.show(
        figure, title=title, fields=fields, alt=". ".join(said) + ".",
        caption="Bars: 95% intervals; hollow: holds zero. Five networks each; rate and strength of every source were "
        "chosen on validation photographs.",
    )  # fmt: skip


def _against_labels(record: Record, key: str, wrong: float, source: str) -> Difference:
    """At own rates, as a sentence would have it."""
    one, base = ({"wrong": wrong, "source": name} for name in (source, LABELS))
    return contrast(record, key, one, base).own


def _named(name: str, found: Difference) -> dict[str, Difference | float]:
    points = found.scale * found.difference
    return {name: found, f"{name}_gain": points, f"{name}_cost": -points}


def bill(record: Record, *, title: str) -> plots.Shown:
    """All lines of a loss statement: the teacher's students against those of the labels alone, which are right.

    Args:
        record: ``regulariser``: rows by ``wrong`` and ``source``.
        title: its fields are {test}, {blurred}, {noisy}, {half}, {shifted}, {worst}, {calibration} and {calibrated},
            each also with _gain and _cost behind it.
    """
    rows = {key: _against_labels(record, key, 0.0, "teacher") for key in LINES}
    figure, axis = plots.styled(size=(8, 4.3))
    fields: dict[str, Difference | float] = {}
    for at, (key, found) in enumerate(rows.items()):
        whisker(axis, at, found, COLOURS[1] if key in LESS else COLOURS[0])
        fields |= _named(key.split()[0], found)
    axis.plot([], [], "o", color=COLOURS[0], label="more is better")
    axis.plot([], [], "o", color=COLOURS[1], label="less is better")
    axis.legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    axis.set(yticks=range(len(rows)), yticklabels=list(LINES.values()), ylim=(len(rows) - 0.5, -0.5))
    axis.set(xlabel="teacher minus labels alone, percentage points")
    said = ", ".join(f"{LINES[key]} {found}" for key, found in rows.items())
    return plots.show(
        figure, title=title, fields=fields, alt=f"In percentage points: {said}.",
        caption="95% intervals; hollow: holds zero. Five networks each, 10,000 test photographs.",
    )  # fmt: skip


def copied(record: Record, *, title: str) -> plots.Shown:
    """What a student has from its teacher, errors and right answers, beyond what a student of labels says as well.

    Args:
        record: ``fidelity``: rows by ``source`` ("labels" or "teacher" here) and ``images``.
        title: its fields are {errors} and {successes}, with the most images, and {few_errors} and {few_successes},
            with the fewest: taught by the teacher minus taught by labels; each also with _gain and _cost behind it.
    """
    images = sorted({row["images"] for row in record.rows})
    kinds = {"successes": ("the teacher's right answers", 0.14), "errors": ("the teacher's errors", -0.14)}
    figure, axis = plots.styled(size=(8, 0.75 * len(images) + 1.3))
    fields: dict[str, Difference | float] = {}
    said = []
    for (key, (words, shift)), colour in zip(kinds.items(), COLOURS, strict=False):
        for at, n in enumerate(images):
            ours, theirs = ({"source": source, "images": n} for source in ("teacher", "labels"))
            found = record.paired(key, ours, theirs)
            whisker(axis, at - shift, found, colour)
            said.append(f"{n:,} photographs, {words} {found}")
            fields |= _named(key, found) if n == images[-1] else _named(f"few_{key}", found) if at == 0 else {}
        axis.plot([], [], "o", color=colour, label=words)
    axis.legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    axis.set(yticks=range(len(images)), yticklabels=[f"{n:,} photographs" for n in images])
    axis.set(xlabel="said by students of the teacher − by students of labels, points", ylim=(len(images) - 0.5, -0.5))
    return plots.show(
        figure, title=title, fields=fields, alt="; ".join(said) + ".",
        caption="Of the test photographs on which the teacher is right, or wrong: the share on which a student names "
        "the teacher's class. Strength 1. 95% intervals over five students; hollow: holds zero.",
    )  # fmt: skip


def partners(record: Record, *, title: str) -> plots.Shown:
    """Beside each partner of distillation: students of the teacher, and of labels, with that partner.

    Args:
        record: ``partners``: rows by ``taught`` and ``partner``.
        title: its fields are {labels_mixup}, {teacher_mixup} and so on: what mixup, copies or both add to labels or to
            the teacher; {taught_nothing}, {taught_mixup} and so on: what the teacher adds to the labels beside that
            partner; each also with _gain and _cost behind it.
    """
    groups: dict[str, dict[str, list[float]]] = {}
    fields: dict[str, Difference | float] = {}
    for who, words in (("teacher", "taught by the teacher"), ("labels", "taught by labels")):
        scores = {name: record.values("test", taught=who, partner=name, rates="own") for name in PARTNERS}
        groups[words] = {name: [100 * value for value in values] for name, values in scores.items()}
        for partner, short in PARTNERS.items():
            if partner != "nothing":
                fields |= _named(f"{who}_{short}", _more(record, (who, partner), (who, "nothing")))
    for partner, short in PARTNERS.items():
        fields |= _named(f"taught_{short}", _more(record, ("teacher", partner), ("labels", partner)))
    said = "; ".join(
        f"{words}: " + ", ".join(f"{name} {sum(values) / len(values):.1f}" for name, values in rows.items())
        for words, rows in groups.items()
    )
    return rows_of_dots(
        groups, xlabel="test accuracy, %", title=title, fields=fields, alt=f"Test accuracy in %. {said}.",
        caption="A small dot: a student; a large one: the mean of five. 500 photographs, 1,500 steps, own rates; here "
        "the teacher's strength is 0.9.",
    )  # fmt: skip


def _more(record: Record, ours: tuple[str, str], theirs: tuple[str, str]) -> Difference:
    """Test accuracy of (taught by, partner) minus that of another, at own rates."""
    one, two = (dict(zip(("taught", "partner"), names, strict=True)) for names in (ours, theirs))
    return contrast(record, "test", one, two).own

"""What another network's answers add to the labels in each direction, and what is recovered of a gap."""

from kdcourse import plots
from kdcourse._intervals import Difference
from kdcourse.figures import _shapes
from kdcourse.records import Record, contrast

__all__ = ["directions", "recovered"]

LABELLED = {"500": "500 labels", "all": "all labels"}
STARTS = {"random weights": "from random weights", "rotations": "on frozen layers\nthat had learned before"}


def directions(record: Record, *, title: str, controls: bool = False) -> plots.Shown:
    """What a source's answers add to the same target taught by the labels alone, at own rates.

    Args:
        record: rows by ``labels``, ``target`` and ``told``, which is "labels" for the target alone.
        title: its fields are the gains, {few_small} and {all_small} of the small target, {few_big} and {all_big} of the
            big one (the losses with _cost behind it); with controls {small_big}, {small_itself}, {small_smoothed} and
            so on, target and source.
        controls: show what the targets were told besides, with all labels, in place of the two directions.
    """
    rows: dict[str, Difference] = {}
    fields: dict[str, Difference | float] = {}
    for row in record.rows:
        one, told = {"labels": row["labels"], "target": row["target"]}, row["told"]
        shown = row["labels"] == "all" and told != "labels" if controls else told in ("big", "small")
        if shown:
            found = contrast(record, "test", {**one, "told": told}, {**one, "told": "labels"}).own
            name = f"{told} → {one['target']}"
            rows[name if controls else f"{LABELLED[one['labels']]}: {name}"] = found
            short = "few" if one["labels"] == "500" else "all"
            key = f"{one['target']}_{told.split()[0]}" if controls else f"{short}_{one['target']}"
            fields[key], fields[f"{key}_cost"] = found, -100 * found.difference
    ordered = dict(sorted(rows.items(), key=lambda item: (item[0].split(" → ")[1] != "small", -item[1].difference)))
    return plots.differences(
        ordered if controls else rows, title=title, fields=fields,
        xlabel="told something besides − labels alone, points of test accuracy",
        caption="Bars: 95% intervals. Hollow: holds zero. 10,000 test photographs, five networks each.",
    )  # fmt: skip


def recovered(record: Record, *, title: str) -> plots.Shown:
    """A weak network, the strong ones that learn from its answers, and their ceilings, which learn the truth.

    Args:
        record: rows by ``start`` ("weak", "random weights", "rotations") and ``told``.
        title: its fields are {scratch} and {before}, the shares of the gap recovered in %.
    """
    weak = 100 * record.mean("test", start="weak")
    found = {
        start: [100 * record.mean("test", start=start, told=told) for told in ("the weak one's answers", "the truth")]
        for start in STARTS
    }
    shares = [100 * (student - weak) / (ceiling - weak) for student, ceiling in found.values()]
    told = "; ".join(f"{s}: {weak:.1f}, {a:.1f}, {b:.1f}" for s, (a, b) in found.items())
    return _shapes.dumbbells(
        {"": {STARTS[start]: (weak, student) for start, (student, _) in found.items()}},
        xlabel="test accuracy, %", before="the weak network", after="a strong one told its answers",
        beside={STARTS[start]: ceiling for start, (_, ceiling) in found.items()}, third="the same told the truth",
        title=title, fields={"scratch": shares[0], "before": shares[1]},
        alt=f"Accuracy of the weak network, of a strong one told its answers, of a strong one told the truth: {told}.",
        caption="Means of ten seeds.",
    )  # fmt: skip

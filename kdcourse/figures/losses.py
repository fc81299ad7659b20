"""Figures of the lessons on losses."""

from collections.abc import Sequence
from dataclasses import replace

from kdcourse import plots
from kdcourse.evaluation import redrawn
from kdcourse.records import Record, contrast

__all__ = [
    "budgets", "costs_of_bugs", "distance_from_limit", "gradient_lengths", "imitations", "mistakes", "noisy_labels",
]  # fmt: skip


def budgets(record: Record, ours: str, theirs: str, *, title: str) -> plots.Shown:
    """How much one loss leads another by, after short, middling and long training.

    Args:
        record: rows by loss and epochs.
        ours, theirs: two of its losses.
        title: its fields {short} and {long} are the differences after the fewest and the most epochs.
    """
    lengths = sorted({row["epochs"] for row in record.rows})
    found = {}
    for n in lengths:
        one, other = ({"loss": name, "epochs": n, "rates": "own"} for name in (ours, theirs))
        found[n] = record.paired("test", one, other)
    fields = {"short": found[lengths[0]], "long": found[lengths[-1]]}
    rows = {f"{n} epochs": d for n, d in found.items()}
    return plots.differences(rows, title=title, fields=fields, xlabel=f"{ours} − {theirs}, points of test accuracy")


def gradient_lengths(temperatures: Sequence[float], lengths: Sequence[float], *, title: str) -> plots.Shown:
    """The length of a gradient over the temperature: as it is, beside a line that falls as 1/T², and times T².

    Args:
        temperatures: T, from low to high.
        lengths: of the gradient at each T.
        title: its fields {least} and {most} are the smallest and the largest T² times the length.
    """
    scaled = [t**2 * length for t, length in zip(temperatures, lengths, strict=True)]
    falling = [lengths[-1] * (temperatures[-1] / t) ** 2 for t in temperatures]
    figure, (left, right) = plots.styled(1, 2, size=(8.5, 3.4))
    left.plot(temperatures, lengths, marker="o", label="the gradient")
    left.plot(temperatures, falling, "--", color="#888", label="1/T², through the last point")
    left.set(title="the gradient's length", xscale="log", yscale="log", xlabel="temperature T")
    left.legend(frameon=False, fontsize=9)
    right.plot(temperatures, scaled, marker="o")
    right.set(title="T² times the gradient's length", xscale="log", xlabel="temperature T", ylim=(0, 1.2 * max(scaled)))
    for axis in (left, right):
        axis.set_xticks(temperatures, [f"{t:g}" for t in temperatures])
        axis.minorticks_off()
    return plots.show(
        figure, title=title, fields={"least": min(scaled), "most": max(scaled)},
        alt=f"The length falls from {lengths[0]:.2g} at T = {temperatures[0]:g} to {lengths[-1]:.2g} at T = "
        f"{temperatures[-1]:g}, in the end as 1/T²; times T² it goes from {scaled[0]:.2f} over {max(scaled):.2f} to "
        f"{scaled[-1]:.2f}.",
    )  # fmt: skip


def costs_of_bugs(record: Record, *, title: str) -> plots.Shown:
    """What each wrong loss costs against the right one, the dearest first; at each loss's own rates.

    Args:
        record: rows by ``arm``, one of them "right".
        title: its fields are {worst} (the largest cost in points) and {unseen} (how many cost nothing that we can
            measure, at own and at common rates).
    """
    names = [name for name in dict.fromkeys(row["arm"] for row in record.rows) if name != "right"]
    found = {name: contrast(record, "test", {"arm": name}, {"arm": "right"}) for name in names}
    rows = dict(sorted(((name, c.own) for name, c in found.items()), key=lambda item: item[1].difference))
    worst, unseen = next(iter(rows.values())), sum(c.verdict not in ("more", "less") for c in found.values())
    return plots.differences(
        rows, title=title, fields={"worst": -100 * worst.difference, "unseen": unseen},
        xlabel="wrong loss − right loss, points of test accuracy",
    )  # fmt: skip


def distance_from_limit(temperatures: Sequence[float], distances: Sequence[float], *, title: str) -> plots.Shown:
    """How far the gradient of distillation is from that of squared error on logits, over the temperature.

    Args:
        temperatures: T, from low to high.
        distances: the length of the difference over the length of the limit, at each T.
        title: its fields {at_4} and {at_64} are the distances at these temperatures.
    """
    at = dict(zip(temperatures, distances, strict=True))
    falling = [distances[-1] * temperatures[-1] / t for t in temperatures]
    shown = plots.lines(
        {"": {"measured": list(distances), "1/T, through the last point": falling}}, x=temperatures, log="xy",
        xlabel="temperature T", ylabel="distance, as a share of the limit", title=title,
        fields={f"at_{t:g}": at[t] for t in (4, 64) if t in at},
        finding="Distance of the gradients: " + ", ".join(f"{d:.3g} at T = {t:g}" for t, d in at.items()) + ".",
    )  # fmt: skip
    axis = shown.figure.axes[0]
    axis.set_xticks(temperatures[::2], [f"{t:g}" for t in temperatures[::2]])
    axis.minorticks_off()
    return shown


TOLD = {"teacher": "the teacher's answers", "a teacher with clean labels": "a teacher with clean labels"}


def noisy_labels(record: Record, *, title: str) -> plots.Shown:
    """The test error of students told other things than noisy labels, minus that of students told the labels.

    Args:
        record: ``regression``: rows by ``method`` and ``noise``; each seed cut 250 people for training and 100 for
            the test from one pool.
        title: as in ``plots.show``.
    """
    rows = {}
    for noise in sorted({row["noise"] for row in record.rows}):
        there = {row["method"] for row in record.rows if row["noise"] == noise}
        for method, name in TOLD.items():
            if method in there:
                pair = [{"method": m, "noise": noise, "rates": "own"} for m in (method, "labels")]
                found = redrawn(record.paired("mse", *pair).per_seed, 100 / 250)
                rows[f"noise {noise:g}: {name}"] = replace(found, scale=1.0, unit="")
    return plots.differences(
        rows, title=title, xlabel="mean squared error on test people − that with labels (left of zero: it helps)",
        caption="Twenty cuts of the 442 people. The cuts overlap, and the intervals allow for it.",
    )  # fmt: skip


IMITATED = {
    "labels, copies": "no teacher, new copies of the images", "soft targets": "the answer: soft targets",
    "decoupled": "parts: decoupled (DKD)", "standardised": "parts: standardised logits",
    "relations": "relations: distances and angles (RKD)", "DIST": "relations: correlations (DIST)",
    "hint": "seen: a hint", "attention": "seen: attention transfer",
    "born again": "the answer of an equal: born again",
}  # fmt: skip


def imitations(record: Record, *, title: str) -> plots.Shown:
    """What imitating something besides the labels adds to the labels alone, from most to least, at own rates.

    Args:
        record: rows by ``method``, one of them "labels".
        title: its fields {soft} and {best} are the gains of soft targets and of the best method.
    """
    found = {name: contrast(record, "test", {"method": name}, {"method": "labels"}).own for name in IMITATED}
    ordered = sorted(found, key=lambda name: -found[name].difference)
    rows = {IMITATED[name]: found[name] for name in ordered}
    fields = {"soft": found["soft targets"], "best": found[ordered[0]]}
    return plots.differences(rows, title=title, fields=fields, xlabel="method − labels alone, points of test accuracy")


def mistakes(record: Record, *, title: str) -> plots.Shown:
    """What each mistake that is silent and still learns changes in the number that a program prints.

    Args:
        record: rows by ``mistake``, one of them "none"; a mistake that leaves less than 20% is not drawn.
        title: its fields are {most}, the largest difference, and {least}, the largest loss, both in points.
    """
    names = [name for name in dict.fromkeys(row["mistake"] for row in record.rows) if name != "none"]
    seen = [name for name in names if record.mean("test", mistake=name) > 0.2]
    found = {name: record.paired("test", {"mistake": name}, {"mistake": "none"}) for name in seen}
    rows = dict(sorted(found.items(), key=lambda item: -item[1].difference))
    ends = list(rows.values())
    return plots.differences(
        rows, title=title, fields={"most": ends[0], "least": -100 * ends[-1].difference},
        xlabel="with the mistake − without, points of test accuracy",
    )  # fmt: skip

"""Figures of the lessons on losses."""

from collections.abc import Sequence

from kdcourse import plots
from kdcourse.records import Record

__all__ = ["budgets", "costs_of_bugs", "gradient_lengths"]


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
    """What each wrong loss costs against the right one, the dearest first.

    Args:
        record: rows by ``arm``, one of them "right".
        title: its fields are {worst} (the largest cost in points) and {unseen} (how many cost nothing that we can
            measure).
    """
    names = [name for name in dict.fromkeys(row["arm"] for row in record.rows) if name != "right"]
    found = {name: record.paired("test", {"arm": name}, {"arm": "right"}) for name in names}
    rows = dict(sorted(found.items(), key=lambda item: item[1].difference))
    worst, unseen = next(iter(rows.values())), sum(not d.resolved for d in rows.values())
    return plots.differences(
        rows, title=title, fields={"worst": -100 * worst.difference, "unseen": unseen},
        xlabel="wrong loss − right loss, points of test accuracy",
    )  # fmt: skip

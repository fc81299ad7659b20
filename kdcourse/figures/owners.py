"""Many owners: who holds what, and how good the merged model is after every round."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kdcourse import plots
from kdcourse._intervals import Difference
from kdcourse.federated import Owners
from kdcourse.plots import COLOURS
from kdcourse.records import Record

__all__ = ["holdings", "merged"]

CURVES = {
    "one hand": "all images in one hand",
    "even": "ten owners, even",
    "Dirichlet 0.1": "ten owners, Dirichlet 0.1",
    "two shards": "ten owners, two shards each",
}
LOSSES = {"shards": ("two shards", "even"), "dirichlet": ("Dirichlet 0.1", "even"), "hand": ("even", "one hand")}


def holdings(owners: Mapping[str, Owners], *, title: str, classes: Sequence[str] = ()) -> plots.Shown:
    """A panel a division: owners from left to right, classes from top to bottom, a dot as large as what is held.

    Args:
        owners: what stands above each panel, and the division.
        title: as in ``plots.show``.
        classes: the classes' names; those of the first owner by default.
    """
    names = tuple(classes) or next(iter(owners.values()))[0].classes
    figure, axes = plots.styled(1, len(owners), size=(2.9 * len(owners) + 1.2, 3.6))
    most = max(int(made.counts.max()) for made in owners.values())
    said = []
    for at, (axis, (heading, made)) in enumerate(zip(np.ravel(axes), owners.items(), strict=True)):
        counts = made.counts.numpy()
        x, y = np.nonzero(counts)
        axis.scatter(x, y, s=140 * counts[x, y] / most, color=COLOURS[0], linewidths=0, zorder=3)
        axis.grid(visible=False)
        axis.set(xlim=(-0.7, len(made) - 0.3), ylim=(counts.shape[1] - 0.4, -0.6), xlabel="owner", title=heading)
        axis.set_xticks(range(len(made)), [str(i) for i in range(len(made))], fontsize=8)
        shown = [names[c] if names else str(c) for c in range(counts.shape[1])] if at == 0 else [""] * counts.shape[1]
        axis.set_yticks(range(counts.shape[1]), shown, fontsize=9)
        kinds = (counts > counts.sum(axis=1, keepdims=True) / 50).sum(axis=1)
        sizes = counts.sum(axis=1)
        held = (
            f"{sizes.min()} to {sizes.max()} images an owner, {kinds.min()} to {kinds.max()} classes of more than 2 %"
        )
        said.append(f"{heading}: {held}")
    return plots.show(
        figure, title=title, alt=f"{'; '.join(said)}.", caption="The area of a dot is the number of images."
    )


def merged(record: Record, *, title: str) -> plots.Shown:
    """Validation accuracy after each round, a line a division: the mean of the seeds at own rates.

    Args:
        record: ``averaged``: rows by ``division`` and ``method``.
        title: its fields are {shards} and {dirichlet}, what uneven owners lose against even ones on test images, in
            points, {hand} what even ones lose against one hand, {apart} the accuracy of uneven owners that never merge.
    """
    figure, axis = plots.styled(size=(8, 4.2))
    said = []
    for colour, (division, name) in zip(COLOURS, CURVES.items(), strict=False):
        rows = record.values("curve", rates="own", division=division, method="average")
        mean = 100 * np.mean(np.array(rows), axis=0)
        axis.plot(range(1, len(mean) + 1), mean, color=colour, label=name)
        said.append(f"{name} {mean[0]:.1f} after one round, {mean[-1]:.1f} after {len(mean)}")
    axis.set(xlabel="rounds (for one hand: epochs)", ylabel="right validation images, %")
    axis.legend(frameon=False, loc="lower right")
    fields: dict[str, Any] = {name: _loss(record, *pair) for name, pair in LOSSES.items()}
    apart = record.values("accuracy", rates="own", division="Dirichlet 0.1", method="apart")
    fields["apart"] = float(100 * np.mean(apart))
    return plots.show(figure, title=title, fields=fields, alt=f"Validation accuracy in %: {'; '.join(said)}.",
                      caption="Means of five seeds.")  # fmt: skip


def _loss(record: Record, division: str, against: str) -> Difference:
    """How many points of test accuracy one division lies behind another."""
    ours, theirs = ({"division": name, "method": "average", "rates": "own"} for name in (against, division))
    return record.paired("test", ours, theirs)

"""A sweep beside its noise, its winners trained again, optimisers at own and common rates, what was chosen at last."""

import numpy as np

from kdcourse import plots
from kdcourse._intervals import Difference
from kdcourse.figures._shapes import dumbbells
from kdcourse.plots import COLOURS
from kdcourse.records import Record, contrast
from kdcourse.records.rows import settings_of

__all__ = ["chosen", "noise", "optimizers", "winners"]

OPTIMIZERS = {"sgd": "SGD with momentum", "plain sgd": "SGD without momentum"}


def scores(sweep: Record) -> np.ndarray:
    """Validation accuracies in %: one row a setting, one column a seed."""
    return np.array([[100 * v for v in sweep.values("val", **setting)] for setting in settings_of(sweep.rows)])


def noise(sweep: Record, repeats: Record, *, title: str) -> plots.Shown:
    """Every setting's seeds, from the worst setting to the best, and beside them the seeds of one setting alone.

    Args:
        sweep: rows of validation accuracies by setting and seed.
        repeats: rows of one setting.
        title: its fields are {settings}, by how many points the means of the settings lie apart, {best_five}, the same
            for the five best, and {same}, by how many the seeds of one setting.
    """
    values, same = scores(sweep), np.array([100 * v for v in repeats.values("val")])
    values = values[values.mean(axis=1).argsort()]
    figure, axis = plots.styled(size=(8, 4))
    for at, own in enumerate(values):
        axis.plot([at] * len(own), own, "o", color=COLOURS[0], alpha=0.45, markersize=4, markeredgewidth=0)
    axis.plot(range(len(values)), values.mean(axis=1), "_", color=COLOURS[0], markersize=13, markeredgewidth=2.5)
    away = len(values) + 2
    axis.plot([away] * len(same), same, "o", color=COLOURS[1], alpha=0.45, markersize=4, markeredgewidth=0)
    axis.plot([away], [same.mean()], "_", color=COLOURS[1], markersize=13, markeredgewidth=2.5)
    axis.set(xticks=[(len(values) - 1) / 2, away], ylabel="right answers on validation images, %")
    axis.set_xticklabels([f"{len(values)} settings, from the worst to the best", f"one setting,\n{len(same)} seeds"])
    axis.grid(axis="x", visible=False)
    means = values.mean(axis=1)
    fields = {"settings": means[-1] - means[0], "best_five": means[-1] - means[-5], "same": same.max() - same.min()}
    return plots.show(
        figure, title=title, fields=fields,
        alt=f"Means of the settings from {means[0]:.1f} to {means[-1]:.1f} %; one setting alone from {same.min():.1f} "
        f"to {same.max():.1f} %, with a mean of {same.mean():.1f} %.",
        caption=f"A dot: one student. A dash: the mean of a setting's {values.shape[1]} seeds, or of all {len(same)}.",
    )  # fmt: skip


def losses(sweep: Record) -> tuple[np.ndarray, np.ndarray]:
    """(what each seed's best setting had there, what the same setting has on the mean of the other seeds), in %."""
    values = scores(sweep)
    best = values.argmax(axis=0)
    seeds = range(values.shape[1])
    there = np.array([values[best[s], s] for s in seeds])
    again = np.array([np.delete(values[best[s]], s).mean() for s in seeds])
    return there, again


def winners(sweep: Record, *, title: str) -> plots.Shown:
    """For each seed the best of all settings: as it was when it was chosen, and with the other seeds.

    Args:
        sweep: rows of validation accuracies by setting and seed.
        title: its fields are by how many points the winners fall: {least} and {most}, one of them, {mean} on average.
    """
    there, again = losses(sweep)
    places = scores(sweep).argmax(axis=0) + 1
    rows = {f"seed {s}: setting {places[s]}": (there[s], again[s]) for s in range(len(there))}
    return dumbbells(
        {"": rows}, xlabel="right answers on validation images, %", before="when it was chosen",
        after="the same setting, other seeds", title=title,
        fields={"least": min(there - again), "most": max(there - again), "mean": float((there - again).mean())},
        alt="; ".join(f"{name}: {a:.1f}, again {b:.1f}" for name, (a, b) in rows.items()) + ".",
        caption=f"Each row: the best of {len(scores(sweep))} students of one seed; then the mean of the other seeds.",
    )  # fmt: skip


def optimizers(record: Record, *, title: str) -> plots.Shown:
    """Each optimiser minus AdamW, each at its own rate, and all at the common one.

    Args:
        record: ``optimizers``: rows by ``optimizer`` and ``rates``.
        title: its fields are {own_sgd}, {own_plain}, {common_sgd}, {common_plain}, each also with _cost behind it.
    """
    rows: dict[str, Difference] = {}
    fields: dict[str, Difference | float] = {}
    for kind in ("own", "common"):
        for optimizer, name in OPTIMIZERS.items():
            both = contrast(record, "test", {"optimizer": optimizer}, {"optimizer": "adamw"})
            found = getattr(both, kind)
            rows[f"{kind} rate: {name}"] = found
            key = f"{kind}_{'plain' if 'plain' in optimizer else 'sgd'}"
            fields[key], fields[f"{key}_cost"] = found, -100 * found.difference
    return plots.differences(
        rows, title=title, fields=fields, xlabel="minus AdamW, points of test accuracy",
        caption="Bars: 95% intervals. Hollow: holds zero. 10,000 test photographs, five networks each.",
    )  # fmt: skip


def chosen(record: Record, *, title: str) -> plots.Shown:
    """What the sweep's choices gain over the defaults, with seeds that no choice has seen.

    Args:
        record: ``chosen``: rows by ``choice``.
        title: its fields are {one} and {five}: the best with one seed and the best with five, minus the defaults.
    """
    found = {
        name: record.paired("test", {"choice": f"best with {name}"}, {"choice": "defaults"})
        for name in ("one seed", "five seeds")
    }
    rows = {f"best of the sweep with {name}": value for name, value in found.items()}
    return plots.differences(
        rows, title=title, fields={"one": found["one seed"], "five": found["five seeds"]},
        xlabel="minus the defaults, points of test accuracy",
        caption="Bars: 95% intervals. 10,000 test photographs, ten networks each, with new seeds.",
    )  # fmt: skip

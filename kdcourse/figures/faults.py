"""Faults that raise no error: what a teacher sees, what arrives at each layer, where a training was stopped."""

import numpy as np
from matplotlib.axes import Axes

from kdcourse import plots
from kdcourse._intervals import Difference
from kdcourse.figures._shapes import dumbbells, whisker
from kdcourse.plots import COLOURS
from kdcourse.records import Record, contrast
from kdcourse.records.rows import settings_of

__all__ = ["arrivals", "lengths", "mends", "seen", "stops"]

RULES = {"patience 3": "three", "patience 10": "ten", "plateau": "plateau", "patience 30": "thirty"}
HEALTHY = "He's start and ReLU"
MENDS = {
    "nothing": "nothing", "loss threshold": "threshold", "decaying rate": "decay", "clipping": "clipping",
    "AdamW": "adamw", "batch norm": "norm", HEALTHY: "start", "a tenth of the rate": "tenth",
}  # fmt: skip
PROPOSED = ("loss threshold", "decaying rate")
TEACHINGS = {"labels": "labels", "fixed": "teacher, on the image itself", "consistent": "teacher, on the same copy"}
STARTS = {"vanishing": "sigmoids, Glorot's start", "exploding": "ReLU, weights twice as large"}


def _own(**setting: str) -> dict[str, object]:
    return {**setting, "rates": "own"}


def seen(record: Record, *, title: str) -> plots.Shown:
    """For each change of the images: the teacher's own accuracy on them, and that of the student that it taught.

    Args:
        record: ``inputs``: rows by ``teacher_sees`` and ``student_sees``.
        title: its fields are {same}, the student where nobody's images were changed, {shifted}, {upside},
            {inverted}, {blurred} and {half}, that where the teacher's alone were, each also minus {same} with _lost
            behind it, and each with _both where both saw the change.
    """
    kinds = [row["teacher_sees"] for row in settings_of(record.rows) if row["student_sees"] == "the same"]
    panels: dict[str, dict[str, tuple[float, float]]] = {"only the teacher sees the change": {}, "both see it": {}}
    fields: dict[str, float] = {}
    for kind in dict.fromkeys(kinds):
        for panel, student in zip(panels, ("the same", kind), strict=True):
            own = _own(teacher_sees=kind, student_sees=student)
            pair = (100 * record.mean("teacher", **own), 100 * record.mean("test", **own))
            panels[panel][kind] = pair
            name = kind.removeprefix("the ").split()[0]
            fields[name if student == "the same" else f"{name}_both"] = pair[1]
    fields |= {f"{name}_lost": fields["same"] - value for name, value in fields.items()}
    said = "; ".join(
        f"{panel}: " + ", ".join(f"{kind} {low:.0f} and {high:.0f}" for kind, (low, high) in rows.items())
        for panel, rows in panels.items()
    )
    return dumbbells(
        panels, xlabel="right answers, %", before="the teacher, on what it sees",
        after="the student, on unchanged images",
        title=title, fields=fields, alt=f"The teacher's and the student's right answers in %. {said}.",
        caption="Means of five students each; 10,000 test photographs, which nobody changed.",
    )  # fmt: skip


def arrivals(record: Record, *, title: str) -> plots.Shown:
    """The gradient's norm in every layer before the first step, in three deep networks.

    Args:
        record: ``gradients``: rows by ``trouble`` and ``mend``.
        title: its fields are {vanishing} and {healthy}, the first layer's norm over the last one's, and {exploding},
            the exploding network's norms over the healthy one's.
    """
    figure, axis = plots.styled(size=(8.5, 3.4))
    starts = {words: {"trouble": trouble, "mend": "nothing"} for trouble, words in STARTS.items()}
    starts["ReLU, He's start"] = {"trouble": "vanishing", "mend": HEALTHY}
    means = []
    for (words, setting), colour in zip(starts.items(), COLOURS, strict=False):
        norms = np.array(record.values("norms", **_own(**setting)))
        layers = range(1, norms.shape[1] + 1)
        for own in norms:
            axis.plot(layers, own, color=colour, alpha=0.35, linewidth=1)
        means.append(np.exp(np.log(norms).mean(axis=0)))
        axis.plot(layers, means[-1], "o-", color=colour, markersize=5, label=words)
    axis.set(xlabel="layer, from the images to the answer", ylabel="the gradient's norm", yscale="log", xticks=layers)
    axis.legend(frameon=False, fontsize=9, bbox_to_anchor=(1.02, 1), loc="upper left")
    vanishing, exploding, healthy = means
    fields = {"vanishing": vanishing[0] / vanishing[-1], "healthy": healthy[0] / healthy[-1]}
    fields["exploding"] = np.exp(np.log(exploding / healthy).mean())
    said = "; ".join(f"{words}: {mean[0]:.2g} and {mean[-1]:.2g}" for words, mean in zip(starts, means, strict=True))
    return plots.show(
        figure, title=title, fields={name: float(value) for name, value in fields.items()},
        alt=f"Norms in the first and in the last layer. {said}.",
        caption="Twelve hidden layers of 64 units, before the first step; thin lines: five starts each.",
    )  # fmt: skip


def mends(record: Record, high: Record, *, title: str) -> plots.Shown:
    """What each remedy is worth against each trouble: test accuracy, a dot a seed.

    Args:
        record: ``gradients``: rows by ``trouble`` and ``mend``, each at its own rate.
        high: ``high_rates``: rows by ``mend``, all at a rate that is too high.
        title: its fields are {vanishing_decay}, {exploding_threshold} and so on: trouble, then nothing, threshold,
            decay, clipping, adamw, norm or start; "rate" is the third trouble, and rate_tenth a tenth of the rate.
    """
    panels: dict[str, tuple[Record, dict[str, str]]] = {
        "vanishing: sigmoids": (record, {"trouble": "vanishing", "rates": "own"}),
        "exploding: weights too large": (record, {"trouble": "exploding", "rates": "own"}),
        "exploding: rate too high": (high, {"trouble": "rate"}),
    }
    figure, axes = plots.styled(1, 3, size=(10.5, 3.5), sharey=True, sharex=True)
    fields: dict[str, float] = {}
    said = []
    for axis, (heading, (rows, setting)) in zip(axes, panels.items(), strict=True):
        means = _mended(axis, rows, setting)
        axis.set(title=heading, xlabel="right answers, %", xlim=(0, 100))
        fields |= {f"{setting['trouble']}_{MENDS[mend]}": value for mend, value in means.items()}
        said.append(f"{heading}: {', '.join(f'{mend} {value:.0f}' for mend, value in means.items())}")
    axes[0].set(yticks=range(len(MENDS)), yticklabels=list(MENDS))
    axes[0].set_ylim(len(MENDS) - 0.5, -0.5)
    return plots.show(
        figure, title=title, fields=fields, alt="Test accuracy in %. " + "; ".join(said) + ".",
        caption="Blue: what the article proposes. A dot: a network; a stroke: the mean of five. A guess is right in "
        "10 %. In the first two panels every remedy has the best of nine learning rates.",
    )  # fmt: skip


def _mended(axis: Axes, rows: Record, setting: dict[str, str]) -> dict[str, float]:
    """Draw one trouble's remedies; the mean of each, in %."""
    means = {}
    for mend in dict.fromkeys(str(row["mend"]) for row in rows.where(**setting)):
        values = [100 * v for v in rows.values("test", mend=mend, **setting)]
        at, means[mend] = list(MENDS).index(mend), float(np.mean(values))
        colour = "#666666" if mend == "nothing" else COLOURS[0] if mend in PROPOSED else COLOURS[1]
        axis.plot(values, [at] * len(values), "o", color=colour, alpha=0.4, markeredgewidth=0)
        axis.plot([means[mend]], [at], "|", color=colour, markersize=14, markeredgewidth=2.5)
    axis.grid(axis="y", visible=False)
    return means


def stops(record: Record, *, title: str, schedule: str = "cosine") -> plots.Shown:
    """One training's validation curve with the places where four rules stop it; beside it what each stop costs.

    Args:
        record: ``stopping``: rows by ``teaching`` and ``schedule``.
        title: its fields are {three}, {ten}, {thirty} and {plateau}: the rule minus never stopping, in points of test
            accuracy; each also with _cost, the same without its sign, and _epochs, the mean epoch at which it stops.
        schedule: of the trainings.
    """
    setting = {"teaching": "consistent", "schedule": schedule}
    figure, (left, right) = plots.styled(1, 2, size=(10.5, 3.5), width_ratios=(1.25, 1))
    row = record.where(**setting)[0]
    curve = 100 * np.array(row["curve"])
    left.plot(range(1, len(curve) + 1), curve, color="#999999", linewidth=1.2)
    fields: dict[str, Difference | float] = {}
    said = []
    for at, (rule, name) in enumerate(RULES.items()):
        left.plot([row[f"{rule} epochs"]], [curve[row[f"{rule} epochs"] - 1]], "o", color=COLOURS[at], markersize=9)
        cost = record.paired(f"{rule} test", setting, setting, minus="never test")
        whisker(right, at, cost, COLOURS[at])
        epochs = record.mean(f"{rule} epochs", **setting)
        fields |= {name: cost, f"{name}_cost": -cost.scale * cost.difference, f"{name}_epochs": epochs}
        said.append(f"{rule}: after {epochs:.0f} of {len(curve)} epochs, {cost} points")
    left.set(xlabel="epoch", ylabel="right on validation images, %", title="one training, and where each rule stops it")
    left.set_ylim(curve.max() - 15, curve.max() + 1)  # the climb of the first epochs is left out
    right.set(yticks=range(len(RULES)), yticklabels=list(RULES), xlabel="minus all epochs, points of test accuracy")
    right.set(title="what stopping costs, five trainings", ylim=(len(RULES) - 0.5, -0.5))
    return plots.show(
        figure, title=title, fields=fields, alt="; ".join(said) + ".",
        caption="Left: where a rule stops; its best epoch is kept. Right: 95% intervals; hollow: holds zero.",
    )  # fmt: skip


def lengths(record: Record, *, title: str) -> plots.Shown:
    """Test accuracy over the length of the training: taught by labels, by fixed answers, by consistent answers.

    Args:
        record: ``lengths``: rows by ``teaching`` and ``epochs``.
        title: its fields are {labels}, {fixed} and {consistent}: the longest minus the second shortest training, each
            also as a number of points with _gain behind it, and {lead}: consistent minus fixed after the longest.
    """
    epochs = sorted({row["epochs"] for row in record.rows})
    curves = {
        words: [100 * record.mean("test", teaching=kind, rates="own", epochs=n) for n in epochs]
        for kind, words in TEACHINGS.items()
    }
    long, short = epochs[-1], epochs[1]
    fields: dict[str, Difference | float] = {}
    for kind in TEACHINGS:
        gain = record.paired("test", _at(kind, long), _at(kind, short))
        fields |= {kind: gain, f"{kind}_gain": gain.scale * gain.difference}
    fields["lead"] = contrast(
        record, "test", {"teaching": "consistent", "epochs": long}, {"teaching": "fixed", "epochs": long}
    ).own
    said = "; ".join(f"{words}: {', '.join(f'{v:.1f}' for v in values)}" for words, values in curves.items())
    shown = plots.lines(
        {"": curves}, x=epochs, xlabel="epochs (log scale)", ylabel="test accuracy, %", log="x", title=title,
        fields=fields, finding=f"{said}.",
        caption="A point: five trainings of that length; 1,000 photographs in flipped and shifted copies.",
    )  # fmt: skip
    axis = shown.figure.axes[0]
    axis.set_xticks(epochs, [str(n) for n in epochs])
    axis.minorticks_off()
    return shown


def _at(teaching: str, epochs: int) -> dict[str, object]:
    return {"teaching": teaching, "epochs": epochs, "rates": "own"}

"""Owners who exchange answers: what it brings against exchanged weights, and what each way costs in bytes."""

from typing import Any

from kdcourse import plots
from kdcourse._intervals import Difference
from kdcourse.figures._shapes import scatter
from kdcourse.records import Record

__all__ = ["bytes_and_accuracy", "exchanged"]

WAYS = {
    "made": "images made of the server's own network",
    "noise": "images of noise",
    "real": "2,000 real photographs",
    "bigger": "real photographs, into a bigger network",
    "once": "real photographs, one round of 20 epochs",
}
POINTS = {"average": "averaging, 20 rounds", "once": "weights once, then distilled"}


def exchanged(record: Record, single: Record, *, title: str) -> plots.Shown:
    """What the server's distillation adds to federated averaging, for each kind of public images, at own rates.

    Args:
        record: ``exchanged``: rows by ``method``, "average" among them.
        single: ``once_averaged``: the mean of weights that met only once, which "once" is compared with.
        title: its fields are {made}, {noise}, {real}, {bigger} and {once}, differences in points; with _cost, losses.
    """
    found = {way: _over_average(record, way, single if way == "once" else record) for way in WAYS}
    costs = {f"{way}_cost": -100 * d.difference for way, d in found.items()}
    return plots.differences(
        {WAYS[way]: d for way, d in found.items()}, title=title, fields={**found, **costs},
        xlabel="with the server's distillation − the mean of weights, points of test accuracy",
        caption="Bars: 95% intervals. Hollow: holds zero. Ten owners, Dirichlet 0.1; 10,000 test images, five seeds.",
    )  # fmt: skip


def _over_average(record: Record, way: str, rival: Record) -> Difference:
    ours, theirs = ({"method": name, "rates": "own"} for name in (way, "average"))
    return record.paired("test", ours, theirs, of=rival)


def bytes_and_accuracy(weights: Record, answers: Record, *, title: str) -> plots.Shown:
    """What one owner sends and receives, in megabytes, against test accuracy.

    Args:
        weights: ``exchanged``.
        answers: ``shared``: rows by ``method``, with the accuracy of the owners' common answer as ``together``.
        title: its fields are the megabytes and the accuracies, {average_mb}, {average}, {once_mb}, {once}, {shared_mb},
            {shared} of the common answer, and {each} of an owner's own network.
    """
    points = {name: _point(weights, "test", way) for way, name in POINTS.items()}
    points["FedMD, ten rounds: the common answer"] = _point(answers, "together", "shared")
    points["FedMD, ten rounds: each network"] = _point(answers, "accuracy", "shared")
    fields: dict[str, Any] = {}
    for way, (x, y) in zip(("average", "once", "shared", "each"), points.values(), strict=True):
        fields |= {f"{way}_mb": x, way: y}
    said = "; ".join(f"{name}: {x:.1f} MB, {y:.1f} %" for name, (x, y) in points.items())
    return scatter(
        points, xlabel="MB that one owner sends and receives (log scale)", ylabel="test accuracy, %",
        finding=f"{said}.", title=title, fields=fields,
        caption="Means of five seeds. Weights: of a perceptron, 0.1 MB. Answers: to 2,000 images.",
        left=("FedMD, ten rounds: the common answer", "FedMD, ten rounds: each network"),
    )  # fmt: skip


def _point(record: Record, score: str, way: str) -> tuple[float, float]:
    """(megabytes of one owner of ten, accuracy in %) at own rates."""
    sent = record.mean("up", method=way, rates="own") + record.mean("down", method=way, rates="own")
    return sent / 10 / 1e6, 100 * record.mean(score, method=way, rates="own")

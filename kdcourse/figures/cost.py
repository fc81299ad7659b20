"""Figures of ``why_distil``: what an answer costs, and what it is worth."""

import torch

from kdcourse import plots
from kdcourse.data import ASSETS
from kdcourse.evaluation import flops
from kdcourse.export import read_config
from kdcourse.figures._rates import best_of, percent
from kdcourse.figures._shapes import moves
from kdcourse.models import build
from kdcourse.records import Record

__all__ = ["cost_and_accuracy", "when_it_pays"]

LABELS = ("labels", "labels, copies")  # alone; validation chooses between them for each network


def cost_and_accuracy(record: Record, *, title: str) -> plots.Shown:
    """Millions of operations against test accuracy: small networks before and after, and the teacher.

    Args:
        record: of the evidence ``cost``: rows by network and method.
        title: its fields {least}, {most} are the smallest and the largest gain in points.
    """
    moved, gains = {}, []
    for network in dict.fromkeys(row["network"] for row in record.rows):
        name, _, width = network.partition(" ")
        model = build(name, width=int(width) if width else None)
        alone = best_of(record, LABELS, network=network)
        before, after = (percent(record, network=network, method=m) for m in (alone, "taught"))
        moved[network] = (_millions(model), before, after)
        gains.append(after - before)
    card = read_config(ASSETS / "teacher")
    teacher = (_millions(build(**card["model"])), 100 * card["about"]["test_accuracy"])
    said = "; ".join(f"{name} from {a:.1f} to {b:.1f}" for name, (_, a, b) in moved.items())
    return moves(
        moved, {"the teacher": teacher}, xlabel="million operations for one answer (log scale)",
        ylabel="test accuracy, %", before="500 labels alone", after="taught by the teacher", title=title,
        fields={"least": min(gains), "most": max(gains)},
        alt=f"Test accuracy in %, {said}; the teacher {teacher[1]:.1f} at {teacher[0]:.0f} million operations.",
    )  # fmt: skip


def when_it_pays(cost: Record, pays: Record, *, title: str) -> plots.Shown:
    """What a teacher adds to the labels of a cnn of width 8: few labels or all, a better teacher or an equal one.

    Args:
        cost, pays: the records of the evidence ``cost``.
        title: its fields are {few}, {all}, {few_equal} and {all_equal}, differences in points.
    """
    few = {"network": "cnn 8", "method": best_of(cost, LABELS, network="cnn 8"), "rates": "own"}
    every = {"labels": "all", "method": best_of(pays, LABELS, labels="all"), "rates": "own"}
    equal = {"labels": "500", "method": "taught by an equal", "rates": "own"}
    found = {
        "few": cost.paired("test", {**few, "method": "taught"}, few),
        "all": pays.paired("test", {**every, "method": "taught"}, every),
        "few_equal": pays.paired("test", equal, few, of=cost),
        "all_equal": pays.paired("test", {**every, "method": "taught by an equal"}, every),
    }
    names = ("500 labels, a better teacher", "all 8,000 labels, a better teacher", "500 labels, a teacher no better",
             "all 8,000 labels, a teacher no better")  # fmt: skip
    return plots.differences(
        dict(zip(names, found.values(), strict=True)), title=title, fields=found,
        xlabel="with the teacher − without, points of test accuracy",
    )  # fmt: skip


def _millions(model: torch.nn.Module) -> float:
    return flops(model, torch.zeros(1, 1, 28, 28)) / 1e6

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

__all__ = ["cost_and_accuracy"]

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


def _millions(model: torch.nn.Module) -> float:
    return flops(model, torch.zeros(1, 1, 28, 28)) / 1e6

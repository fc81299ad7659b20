"""Two tasks at once: how good at both, what the weight between them does, and canvases with their boxes."""

import numpy as np
from matplotlib.patches import Rectangle

from kdcourse import plots
from kdcourse.data import Part
from kdcourse.multitask import TwoTasks
from kdcourse.plots import COLOURS
from kdcourse.records import Record

__all__ = ["canvases", "task_weights", "two_tasks"]

NAMES = {
    "labels": "labels", "labels, uncertainty": "labels, weighed by uncertainty",
    "labels, gradients": "labels, gradients without conflict", "taught": "taught",
    "taught, bounded": "taught, boxes with a bar", "taught, features": "taught, features too",
}  # fmt: skip


def two_tasks(record: Record, *, title: str, labels: str = "all") -> plots.Shown:
    """Accuracy to the right, mean IoU upwards: a large dot a method, small ones its seeds; lines for one-task students.

    Args:
        record: ``multi_task``: rows by ``labels`` and ``method``, at own rates.
        title: its fields are {accuracy} and {boxes}: taught minus labels, in points.
        labels: which of the record's two budgets of labels.
    """
    of = {"labels": labels, "rates": "own"}
    figure, axis = plots.styled(size=(8, 4.6))
    alone = [100 * record.mean(k, **of, method=m) for k, m in (("class", "class alone"), ("mean_iou", "box alone"))]
    axis.axvline(alone[0], color="#777", lw=1.2, ls="--", label="a student for the class alone")
    axis.axhline(alone[1], color="#777", lw=1.2, ls=":", label="a student for the box alone")
    said = [f"for the class alone {alone[0]:.1f} % accuracy, for the box alone {alone[1]:.1f} % mean IoU"]
    there = {row["method"] for row in record.rows if row["labels"] == labels}
    for colour, method in zip(COLOURS, [m for m in NAMES if m in there], strict=False):
        x, y = ([100 * v for v in record.values(key, **of, method=method)] for key in ("class", "mean_iou"))
        axis.plot(x, y, "o", color=colour, alpha=0.4, markersize=4, markeredgewidth=0)
        axis.plot([np.mean(x)], [np.mean(y)], "o", color=colour, markersize=9, label=NAMES[method])
        said.append(f"{NAMES[method]} {np.mean(x):.1f} and {np.mean(y):.1f}")
    axis.set(xlabel="right classes, % of test canvases", ylabel="mean IoU of the boxes, %")
    axis.legend(frameon=False, fontsize=9, bbox_to_anchor=(1.01, 1), loc="upper left")
    ours, theirs = ({"labels": labels, "method": method} for method in ("taught", "labels"))
    pair = [{**one, "rates": "own"} for one in (ours, theirs)]
    fields = {"accuracy": record.paired("class", *pair), "boxes": record.paired("mean_iou", *pair)}
    return plots.show(
        figure, title=title, fields=fields, alt=f"Accuracy and mean IoU in %: {'; '.join(said)}.",
        caption="Large dots: means of five seeds; small dots: the seeds.",
    )  # fmt: skip


def task_weights(record: Record, *, title: str, labels: str = "all") -> plots.Shown:
    """What the weight of the box does to both answers on validation canvases, for labels alone and taught.

    Args:
        record: ``task_weights_grid``: rows by ``labels``, ``method`` and ``weight``.
        title: as in ``plots.show``.
        labels: which of the record's two budgets of labels.
    """
    weights = sorted({row["weight"] for row in record.rows})
    panels = {
        heading: {
            method: [100 * record.mean(key, labels=labels, method=method, weight=w) for w in weights]
            for method in ("labels", "taught")
        }
        for heading, key in (("right classes, %", "accuracy"), ("mean IoU of the boxes, %", "mean_iou"))
    }
    said = "; ".join(f"{h}, {m}: {', '.join(f'{v:.1f}' for v in c)}" for h, of in panels.items() for m, c in of.items())
    return plots.lines(
        panels, x=weights, log="x", xlabel="weight of the box", ylabel="validation canvases", shared=False,
        title=title, finding=f"At weights {', '.join(f'{w:g}' for w in weights)}: {said}.", caption="One seed each.",
    )  # fmt: skip


def canvases(part: Part, found: TwoTasks | None = None, *, rows: list[int], title: str) -> plots.Shown:
    """Some canvases with their true boxes and, where there are answers, with the predicted class and box.

    Args:
        part: canvases with labels, as ``kd.multitask.canvases`` makes them.
        found: answers to them, from ``kd.multitask.evaluate``.
        rows: positions in ``part``.
        title: as in ``plots.show``.
    """
    columns = min(4, len(rows))
    figure, axes = plots.styled(-(-len(rows) // columns), columns, size=(8, 2.3 * -(-len(rows) // columns) + 0.4))
    names, said = part.classes or tuple(map(str, range(10))), []
    for axis in np.ravel(axes):
        axis.axis("off")
    for axis, k in zip(np.ravel(axes), rows, strict=False):
        axis.imshow(part.images[k, 0].numpy(), vmin=0, vmax=1, cmap="gray")
        boxes, heading = [(part.labels["box"][k], COLOURS[2], 3.2)], names[int(part.labels["class"][k])]
        if found is not None and found.ious is not None:
            boxes.append((found.outputs["box"][k], COLOURS[1], 1.6))
            heading = f"{names[int(found.outputs['class'][k].argmax())]}? IoU {float(found.ious[k]):.2f}"
        size = part.images.shape[-1]
        for (left, top, right, low), colour, wide in ((box.tolist(), *rest) for box, *rest in boxes):
            corner = (size * left - 0.5, size * top - 0.5)
            axis.add_patch(Rectangle(corner, size * (right - left), size * (low - top), fc="none", ec=colour, lw=wide))
        axis.set_title(heading, fontsize=9)
        said.append(heading)
    caption = "Green: the true box." if found is None else "Green: the true box. Vermilion: the student's."
    return plots.show(figure, title=title, alt=f"Canvases: {'; '.join(said)}.", caption=caption)

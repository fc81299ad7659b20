"""Two tasks at once: how good at both, what the weight between them does, and canvases with their boxes."""

import numpy as np
from matplotlib.patches import Rectangle

from kdcourse import plots
from kdcourse._intervals import Difference
from kdcourse.data import Part
from kdcourse.multitask import TwoTasks, delta_m
from kdcourse.plots import COLOURS
from kdcourse.records import Record, paired

__all__ = ["canvases", "task_weights", "two_tasks"]

NAMES = {
    "labels": "labels", "labels, uncertainty": "labels, weighed by uncertainty",
    "labels, gradients": "labels, gradients mended", "taught": "taught",
    "taught, bounded": "taught, the box as a bar", "taught, features": "taught, and shown the trunk",
}  # fmt: skip


def two_tasks(record: Record, *, title: str, labels: str = "all") -> plots.Shown:
    """Accuracy to the right, mean IoU upwards: a large dot a method, small ones its seeds; lines for one-task students.

    Args:
        record: ``multi_task``: rows by ``labels`` and ``method``, at own rates.
        title: its fields are {accuracy} and {boxes}, taught minus labels, in points, and what two heads cost against
            one student a task, minus delta m in %: {sharing} told labels, {answers} taught, {trunk} shown the trunk.
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
    costs = {"sharing": "labels", "answers": "taught", "trunk": "taught, features"}
    fields |= {name: _cost(record, labels, method) for name, method in costs.items() if method in there}
    return plots.show(
        figure, title=title, fields=fields, alt=f"Accuracy and mean IoU in %: {'; '.join(said)}.",
        caption="Large dots: means of five seeds; small dots: the seeds.",
    )  # fmt: skip


def _cost(record: Record, labels: str, method: str) -> Difference:
    """Minus delta m of a two-headed student against the two students for one task, seed by seed."""
    of = {"labels": labels, "rates": "own"}
    ours, alone = (
        list(zip(record.values("class", **of, method=a), record.values("mean_iou", **of, method=b), strict=True))
        for a, b in ((method, method), ("class alone", "box alone"))
    )
    return paired([0.0] * len(ours), [delta_m(m, s) for m, s in zip(ours, alone, strict=True)])


def task_weights(record: Record, *, title: str) -> plots.Shown:
    """Accuracy to the right, mean IoU upwards: one dot a weight of the box, on validation, labels alone and taught.

    Args:
        record: ``task_weights_grid``: rows by ``method`` and ``weight``.
        title: as in ``plots.show``.
    """
    weights, said = sorted({row["weight"] for row in record.rows}), []
    figure, axis = plots.styled(size=(7, 4.2))
    for colour, (method, name) in zip(COLOURS, (("labels", "labels alone"), ("taught", "taught")), strict=False):
        x, y = ([100 * record.mean(key, method=method, weight=w) for w in weights] for key in ("accuracy", "mean_iou"))
        axis.plot(x, y, "o-", color=colour, label=name)
        for w, *at in zip(weights, x, y, strict=True):
            axis.annotate(f"{w:g}", at, xytext=(6, 5), textcoords="offset points", fontsize=9, color=colour)
        said.append(f"{name} {', '.join(f'{a:.1f} and {b:.1f}' for a, b in zip(x, y, strict=True))}")
    axis.set(xlabel="right classes, % of validation canvases", ylabel="mean IoU of the boxes, %")
    axis.legend(frameon=False, loc="lower left")
    alt = f"Accuracy and mean IoU in % at weights {', '.join(f'{w:g}' for w in weights)}: {'; '.join(said)}."
    return plots.show(
        figure, title=title, alt=alt, caption="The number at a dot is the weight of the box. One seed each."
    )


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
            told = names[int(found.outputs["class"][k].argmax())]
            heading = f"{told}, {'right' if told == heading else 'is ' + heading}\nIoU {float(found.ious[k]):.2f}"
        size = part.images.shape[-1]
        for (left, top, right, low), colour, wide in ((box.tolist(), *rest) for box, *rest in boxes):
            corner = (size * left - 0.5, size * top - 0.5)
            axis.add_patch(Rectangle(corner, size * (right - left), size * (low - top), fc="none", ec=colour, lw=wide))
        axis.set_title(heading, fontsize=9)
        corners = ", ".join(f"{v:.2f}" for v in part.labels["box"][k].tolist())
        said.append(f"{heading.replace(chr(10), ', ')}, box ({corners})")
    caption = "Green: the true box." if found is None else "Green: the true box. Vermilion: the student's."
    return plots.show(figure, title=title, alt=f"Canvases: {'; '.join(said)}.", caption=caption)

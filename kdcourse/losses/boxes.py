"""Boxes: how far from a true or a teacher's one (GIoU, Rezatofighi 2019), and a bound on it (Chen et al. 2017).

A box is (x1, y1, x2, y2) in shares of the canvas, from its upper left corner: N x 4, in [0, 1], x1 < x2 and y1 < y2.
A row of -100 means *no box*.
"""

from typing import Any

import torch
from torch import Tensor

from kdcourse._arguments import fail, fraction
from kdcourse.data import NO_LABEL
from kdcourse.losses._checks import _full, _same_shape
from kdcourse.losses.base import Loss, Step, _teacher

__all__ = ["BoundedBox", "Box", "bounded_box", "box_distance", "check_boxes", "giou_loss"]

TINY = 1e-7  # an area's floor: a predicted box without any has IoU 0


def giou_loss(boxes: Tensor, others: Tensor) -> Tensor:
    """1 - GIoU of each pair: N x 4, N x 4 to N (Rezatofighi et al. 2019).

    GIoU = IoU - (hull - union) / hull, in [-1, 1], where the hull is the smallest box around both. Unlike the IoU it
    has a gradient where the two do not meet.
    """
    from torchvision.ops import generalized_box_iou_loss

    _same_shape("boxes", boxes, "others", others)
    found: Tensor = generalized_box_iou_loss(_full(boxes), _full(others), reduction="none", eps=TINY)
    return found


def box_distance(boxes: Tensor, others: Tensor, *, giou: float = 1.0) -> Tensor:
    """|b - o| summed over the four sides, plus ``giou`` (1 - GIoU): N x 4, N x 4 to N."""
    _same_shape("boxes", boxes, "others", others)
    apart = (_full(boxes) - _full(others)).abs().sum(dim=1)
    return apart + giou * giou_loss(boxes, others) if giou else apart


def bounded_box(student_boxes: Tensor, teacher_boxes: Tensor, labels: Tensor, *, margin: float = 0.0) -> Tensor:
    """|s - y|^2 where |s - y|^2 + margin > |t - y|^2, else 0; the mean over boxes with a label (Chen et al. 2017).

    The teacher is no target but a bar: a student that is nearer to the label by the margin is left in peace.

    Args:
        student_boxes, teacher_boxes: N x 4.
        labels: N x 4; a row of -100 has none.
        margin: m, at least 0, in squared shares of the canvas.
    """
    _same_shape("student_boxes", student_boxes, "teacher_boxes", teacher_boxes)
    _same_shape("labels", labels, "student_boxes", student_boxes)
    known = known_boxes(labels)
    ours, theirs = (
        (_full(boxes)[known] - labels[known]).square().sum(dim=1) for boxes in (student_boxes, teacher_boxes)
    )
    if not len(ours):
        return student_boxes.sum() * 0.0
    return torch.where(ours + margin > theirs, ours, torch.zeros_like(ours)).mean()


def known_boxes(labels: Tensor) -> Tensor:
    """Which rows have a box: N, bool."""
    return (labels != NO_LABEL).any(dim=1)


def check_boxes(boxes: Tensor, name: str = "boxes") -> None:
    """Refuse what is no box on the canvas: another shape, a corner outside [0, 1], or no width or height."""
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not boxes.is_floating_point():
        raise fail(name, "be N x 4 floats (x1, y1, x2, y2)", f"{tuple(boxes.shape)} {boxes.dtype}", "Stack them.")
    held = boxes[known_boxes(boxes)]
    if not len(held):
        return
    inside = ((held >= 0) & (held <= 1)).all(dim=1)
    if not bool(inside.all()):
        rule = "lie on the canvas, in [0, 1]; -100 four times means no box"
        raise fail(name, rule, _written(held[~inside][0]), "Divide pixels by the canvas's size, and clip.")
    thin = (held[:, 2:] <= held[:, :2]).any(dim=1)
    if bool(thin.any()):
        rule, remedy = "have x1 < x2 and y1 < y2", "Sort the corners; write -100 four times where there is none."
        raise fail(name, rule, _written(held[thin][0]), remedy)


def _written(box: Tensor) -> str:
    return "(" + ", ".join(f"{v:.3g}" for v in box.tolist()) + ")"


class Box(Loss):
    """Boxes by labels and by the teacher's boxes: alpha d(s, t) + (1 - alpha) d(s, y), d being ``box_distance``.

    Args:
        alpha: the teacher's share, in [0, 1]. With 0 no teacher is needed, with 1 no label.
        giou: the weight of 1 - GIoU beside the sum of absolute differences.
        name: the term's name.

    The teacher's term counts every image, the labels' those that have a box.
    """

    def __init__(self, alpha: float = 0.0, *, giou: float = 1.0, name: str = "box") -> None:
        super().__init__(name)
        fraction("alpha", alpha)
        if giou < 0:
            raise fail("giou", "be at least 0", giou, "1 is common; 0 leaves the absolute differences alone.")
        self.alpha, self.giou = float(alpha), float(giou)
        self.needs_teacher, self.needs_labels, self.squared = alpha > 0, alpha < 1, True

    def options(self) -> dict[str, Any]:
        return {"alpha": self.alpha, "giou": self.giou}

    def terms(self, step: Step) -> dict[str, Tensor]:
        boxes, loss = step.student.logits, step.student.logits.sum() * 0.0
        if self.alpha:
            theirs = _teacher(step, self.name).logits
            loss = loss + self.alpha * box_distance(boxes, theirs, giou=self.giou).mean()
        if self.alpha < 1 and step.labels is not None:
            check_boxes(step.labels, "labels")
            known = known_boxes(step.labels)
            if bool(known.any()):
                apart = box_distance(boxes[known], step.labels[known], giou=self.giou)
                loss = loss + (1 - self.alpha) * apart.mean()
        return {self.name: loss}


class BoundedBox(Loss):
    """``bounded_box`` as a loss term (Chen et al. 2017), beside the distance to the label.

    L = d(s, y) + weight * bounded_box(s, t, y)

    Args:
        margin: m: how much better than the teacher a student must be to be left in peace.
        weight: of the bounded part; the paper's nu.
        giou: as in ``Box``, for the distance to the label.
        name: the term's name.
    """

    def __init__(self, margin: float = 0.0, *, weight: float = 1.0, giou: float = 1.0, name: str = "box") -> None:
        super().__init__(name)
        for argument, value in (("margin", margin), ("weight", weight), ("giou", giou)):
            if not value >= 0:
                raise fail(argument, "be at least 0", value, "margin 0.01, weight 1 and giou 1 are a start.")
        self.margin, self.weight, self.giou = float(margin), float(weight), float(giou)
        self.needs_teacher = self.needs_labels = self.squared = True

    def options(self) -> dict[str, Any]:
        return {"margin": self.margin, "weight": self.weight, "giou": self.giou}

    def terms(self, step: Step) -> dict[str, Tensor]:
        boxes, labels = step.student.logits, step.labels
        if labels is None or not bool(known_boxes(labels).any()):
            return {self.name: boxes.sum() * 0.0}
        check_boxes(labels, "labels")
        known = known_boxes(labels)
        apart = box_distance(boxes[known], labels[known], giou=self.giou).mean()
        bounded = bounded_box(boxes, _teacher(step, self.name).logits, labels, margin=self.margin)
        return {self.name: apart + self.weight * bounded}

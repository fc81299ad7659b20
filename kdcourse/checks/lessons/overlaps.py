"""Intersection over union with its edge cases, and a box with a bar to clear."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["BOUNDED", "OVERLAP", "bounded_box", "overlap"]


def _boxes(n: int, g: torch.Generator) -> Tensor:
    """Boxes on the canvas, with a width and a height."""
    corners, sides = torch.rand(n, 2, generator=g) * 0.6, 0.1 + 0.3 * torch.rand(n, 2, generator=g)
    return torch.cat([corners, corners + sides], dim=1)


# ---------------------------------------------------------------- multi_task.2


def overlap(boxes: Tensor, others: Tensor) -> Tensor:
    start = torch.maximum(boxes[:, :2], others[:, :2])
    end = torch.minimum(boxes[:, 2:], others[:, 2:])
    both = (end - start).clamp(min=0).prod(dim=1)
    first = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
    second = (others[:, 2:] - others[:, :2]).clamp(min=0).prod(dim=1)
    union = first + second - both
    return torch.where(union > 0, both / union, torch.zeros_like(union))


def _overlap_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def row(*sides: float) -> Tensor:
        return torch.tensor([sides])

    boxes = _boxes(8, g)
    near = (boxes + 0.05 * torch.randn(8, 4, generator=g)).clamp(0, 1)
    return [
        (row(0.0, 0.0, 0.5, 0.5), row(0.25, 0.0, 0.75, 0.5)),
        (row(0.1, 0.2, 0.5, 0.9), row(0.1, 0.2, 0.5, 0.9)),
        (row(0.1, 0.1, 0.9, 0.5), row(0.2, 0.2, 0.4, 0.4)),
        (row(0.0, 0.0, 0.5, 0.5), row(0.5, 0.0, 1.0, 0.5)),
        (row(0.0, 0.1, 0.2, 0.9), row(0.6, 0.2, 0.9, 0.8)),
        (row(0.0, 0.0, 0.25, 0.25), row(0.5, 0.5, 0.875, 0.75)),
        (row(0.5, 0.5, 0.5, 0.75), row(0.5, 0.5, 0.5, 0.75)),
        (row(0.75, 0.75, 0.25, 0.25), row(0.25, 0.25, 0.75, 0.75)),
        (row(-0.25, 0.25, 0.25, 0.75), row(0.0, 0.25, 0.5, 0.75)),
        (boxes, near),
        (_boxes(3, g) * torch.tensor([64.0, 64.0, 64.0, 64.0]), _boxes(3, g) * 64),
    ]


def _overlap(
    a: Tensor, b: Tensor, *, apart: bool = True, late: bool = False, twice: bool = False,
    over: str = "union", pixel: float = 0.0,
) -> Tensor:  # fmt: skip
    """The answer with mistakes left in it."""
    sides = torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2]) + pixel
    both = sides.clamp(min=0).prod(dim=1) if apart and not late else sides.prod(dim=1)
    both = both.clamp(min=0) if late else both
    first, second = ((v[:, 2:] - v[:, :2] + pixel).clamp(min=0).prod(dim=1) for v in (a, b))
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(dim=1)
    below = {
        "union": first + second - (0 if twice else 1) * both,
        "second": second, "first": first, "smaller": torch.minimum(first, second), "hull": hull, "mean": (first + second) / 2,
    }[over]  # fmt: skip
    return torch.where(below > 0, both / below.where(below > 0, torch.ones_like(below)), torch.zeros_like(below))


def _shared(a: Tensor, b: Tensor) -> Tensor:
    return (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(dim=1)


def _as_sizes(a: Tensor, b: Tensor) -> Tensor:
    """Read as (x, y, width, height)."""
    return overlap(*(torch.cat([v[:, :2], v[:, :2] + v[:, 2:]], dim=1) for v in (a, b)))


def _generalised(a: Tensor, b: Tensor) -> Tensor:
    shared = _shared(a, b)
    union = sum((v[:, 2:] - v[:, :2]).prod(dim=1) for v in (a, b)) - shared
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(dim=1)
    return shared / union - (hull - union) / hull


OVERLAP = Task(
    id="multi_task.2",
    title="Intersection over union",
    kind="implement",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=(
        "half of each",
        "the same box",
        "one inside the other",
        "side by side",
        "apart to the side",
        "apart both ways",
        "two boxes without an area",
        "corners exchanged",
        "out of the canvas",
        "eight pairs",
        "in pixels",
    ),
    inputs=_overlap_inputs,
    reference=overlap,
    judge=close,
    mistakes=(
        Mistake(
            "negative sides",
            lambda a, b: _overlap(a, b, apart=False),
            "Where two boxes are apart, the sides of their intersection come out negative, and two negative sides "
            "multiply to a positive area. Cut each *side* at 0.",
        ),
        Mistake(
            "cut too late",
            lambda a, b: _overlap(a, b, late=True),
            "The *area* is cut at 0, after the sides were multiplied. Boxes that are apart both ways have two negative "
            "sides and a positive product: cut the sides.",
        ),
        Mistake(
            "the intersection twice",
            lambda a, b: _overlap(a, b, twice=True),
            "The two areas are added, which counts the intersection twice. Take it away once.",
        ),
        Mistake(
            "over the second box",
            lambda a, b: _overlap(a, b, over="second"),
            "The intersection is divided by the area of the second box. Divide by the union: a box that covers the "
            "whole canvas would be perfect otherwise.",
        ),
        Mistake(
            "over the first box",
            lambda a, b: _overlap(a, b, over="first"),
            "The intersection is divided by the area of the first box. Divide by the union: a tiny box inside the "
            "other one would be perfect otherwise.",
        ),
        Mistake(
            "over the smaller box",
            lambda a, b: _overlap(a, b, over="smaller"),
            "The intersection is divided by the smaller area. Divide by the union of both.",
        ),
        Mistake(
            "over the hull",
            lambda a, b: _overlap(a, b, over="hull"),
            "The intersection is divided by the smallest box around both. The union leaves that box's empty corners out.",
        ),
        Mistake(
            "Dice",
            lambda a, b: _overlap(a, b, over="mean"),
            "This is twice the intersection over the sum of the areas, the Dice score. Divide by the union.",
        ),
        Mistake(
            "one more pixel",
            lambda a, b: _overlap(a, b, pixel=1.0),
            "Each side is one longer than it should be: that belongs to boxes that count whole pixels. Here x2 − x1 is "
            "the width.",
        ),
        Mistake(
            "width and height for the far corner",
            lambda a, b: _as_sizes(a, b),
            "The last two numbers are read as width and height. They are the far corner.",
        ),
        Mistake(
            "nothing by nothing",
            lambda a, b: torch.where(overlap(a, b) > 0, overlap(a, b), _shared(a, b) / (_shared(a, b) + _areas(a, b))),
            "Two boxes without an area have no union, and 0 / 0 is NaN. The answer is 0 there.",
        ),
        Mistake(
            "a small number in the union",
            lambda a, b: _shared(a, b) / (_areas(a, b) - _shared(a, b) + 1e-3),
            "Something is added to the union against a division by 0, and it is large enough to be seen. Ask whether "
            "the union is above 0 instead.",
        ),
        Mistake(
            "corners sorted",
            lambda a, b: overlap(
                *(torch.cat([v[:, :2].minimum(v[:, 2:]), v[:, :2].maximum(v[:, 2:])], 1) for v in (a, b))
            ),
            "Exchanged corners are put in order. A box whose far corner lies *before* its first one has no area here.",
        ),
        Mistake(
            "the same box, without an area",
            lambda a, b: torch.where((a == b).all(dim=1), 1.0, overlap(a, b)),
            "Two equal boxes without an area come out as 1. Where the union has no area, 0 is asked for.",
        ),
        Mistake(
            "cut to the canvas",
            lambda a, b: overlap(a.clamp(0, 1), b.clamp(0, 1)),
            "The boxes are cut to the canvas first. They may stick out, and they may be given in pixels: leave them.",
        ),
        Mistake(
            "the generalised one",
            lambda a, b: _generalised(a, b),
            "This is the generalised IoU, which falls below 0 where boxes are apart. The plain one is asked for.",
        ),
        Mistake(
            "the loss",
            lambda a, b: 1 - overlap(a, b),
            "This is 1 − IoU, the loss. The IoU itself is asked for.",
        ),
        Mistake(
            "every pair",
            lambda a, b: torch.stack([overlap(a[k : k + 1].expand_as(b), b) for k in range(len(a))]),
            "Every box is compared with every other one. Compare the first with the first, the second with the second.",
        ),
        Mistake(
            "the mean over pairs",
            lambda a, b: overlap(a, b).mean(),
            "The mean came back. One number for each pair is asked for.",
        ),
        Mistake(
            "the intersection alone",
            lambda a, b: _shared(a, b),
            "This is the area of the intersection. Divide it by that of the union.",
        ),
        Mistake("always a third", lambda a, b: torch.full((len(a),), 1 / 3), "A third came back for every pair."),
    ),
    hints=(
        "The intersection starts at the larger of the two starts and ends at the smaller of the two ends. What if it "
        "ends before it starts?",
        "The skeleton, with blanks:\nstart = torch.____(boxes[:, :2], others[:, :2])\n"
        "end = torch.____(boxes[:, 2:], others[:, 2:])\nboth = (end - start).____.prod(dim=1)\n"
        "union = first + second - ____\nreturn torch.where(union > 0, both / union, ____)",
    ),
    takeaway="IoU is 1 for the same box and 0 for boxes apart; cut sides at 0, not areas.",
)


def _areas(a: Tensor, b: Tensor) -> Tensor:
    """Both areas, added."""
    return (a[:, 2:] - a[:, :2]).clamp(min=0).prod(dim=1) + (b[:, 2:] - b[:, :2]).clamp(min=0).prod(dim=1)


# ---------------------------------------------------------------- multi_task.3


def bounded_box(student: Tensor, teacher: Tensor, truth: Tensor, margin: float) -> Tensor:
    ours = (student - truth).square().sum(dim=1)
    theirs = (teacher - truth).square().sum(dim=1)
    return torch.where(ours + margin > theirs, ours, torch.zeros_like(ours)).mean()


def _bounded_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    truth = _boxes(8, g)
    ours, theirs = (truth + s * torch.randn(8, 4, generator=g) for s in (0.06, 0.05))
    middle = torch.tensor([[0.25, 0.25, 0.75, 0.75]])
    off = torch.tensor([[0.125, 0.0, 0.0, 0.0]])
    sides = torch.tensor([[0.5, 0.0, 0.0, 0.0]])
    turned = torch.tensor([[0.125, 0.125, 0.125, 0.125]])
    return [
        (middle + 2 * off, middle + off, middle, 0.0),
        (middle + off, middle + 2 * off, middle, 0.0),
        (middle + off, middle + 2 * off, middle, 0.25),
        (middle + off, middle - off, middle, 0.0),
        (middle, middle + off, middle, 0.5),
        (middle + turned, middle + sides / 2, middle, 0.0),
        (torch.cat([middle + 2 * off, middle]), torch.cat([middle + off] * 2), torch.cat([middle] * 2), 0.0),
        (ours, theirs, truth, 0.0),
        (ours, theirs, truth, 0.01),
        (40 * ours, 40 * theirs, 40 * truth, 2.0),
    ]


def _bounded(s: Tensor, t: Tensor, y: Tensor, m: float, *, sign: float = 1.0, at_least: bool = False) -> Tensor:
    ours, theirs = (s - y).square().sum(dim=1), (t - y).square().sum(dim=1)
    open_ = ours + sign * m >= theirs if at_least else ours + sign * m > theirs
    return torch.where(open_, ours, torch.zeros_like(ours)).mean()


def _kept(s: Tensor, t: Tensor, y: Tensor, m: float, values: Tensor) -> Tensor:
    """The mean of ``values`` where the student has not cleared the bar."""
    open_ = (s - y).square().sum(dim=1) + m > (t - y).square().sum(dim=1)
    return torch.where(open_, values, torch.zeros_like(values)).mean()


def _those_alone(s: Tensor, t: Tensor, y: Tensor, m: float) -> Tensor:
    ours = (s - y).square().sum(dim=1)
    open_ = ours + m > (t - y).square().sum(dim=1)
    return ours[open_].mean() if bool(open_.any()) else 0.0 * ours.sum()


def _side_by_side(s: Tensor, t: Tensor, y: Tensor, m: float) -> Tensor:
    ours, theirs = (s - y).square(), (t - y).square()
    return torch.where(ours + m > theirs, ours, torch.zeros_like(ours)).sum(dim=1).mean()


BOUNDED = Task(
    id="multi_task.3",
    title="A teacher as a bar",
    kind="implement",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=(
        "farther than the teacher",
        "nearer than the teacher",
        "nearer, but not by the margin",
        "equally far",
        "on the label",
        "four sides a little, one side much",
        "one of two is left in peace",
        "eight boxes",
        "eight boxes with a margin",
        "in pixels",
    ),
    inputs=_bounded_inputs,
    reference=bounded_box,
    gradient="student",
    judge=close,
    mistakes=(
        Mistake(
            "the margin on the other side",
            lambda s, t, y, m: _bounded(s, t, y, m, sign=-1.0),
            "The margin stands on the teacher's side. It makes the bar *harder*: the student must be better than the "
            "teacher by the margin.",
        ),
        Mistake(
            "no margin",
            lambda s, t, y, m: _bounded(s, t, y, 0.0),
            "The margin plays no part. It is added to the student's distance before the two are compared.",
        ),
        Mistake(
            "equality counts",
            lambda s, t, y, m: _bounded(s, t, y, m, at_least=True),
            "Where both are equally far and there is no margin, the student has reached its teacher: the loss is 0.",
        ),
        Mistake(
            "the teacher's box as the target",
            lambda s, t, y, m: _kept(s, t, y, m, (s - t).square().sum(dim=1)),
            "The distance to the *teacher's* box came back. The teacher only decides whether; the target is the label.",
        ),
        Mistake(
            "what is above the bar",
            lambda s, t, y, m: _kept(s, t, y, m, ((s - y).square() - (t - y).square()).sum(dim=1) + m),
            "What lies above the bar came back. The whole distance to the label is asked for, as soon as it is above.",
        ),
        Mistake(
            "the margin added to the loss",
            lambda s, t, y, m: _kept(s, t, y, m, (s - y).square().sum(dim=1) + m),
            "The margin is in the loss. It is in the comparison alone.",
        ),
        Mistake(
            "no bar",
            lambda s, t, y, m: (s - y).square().sum(dim=1).mean(),
            "Every student's box counts. One that is nearer to the label than the teacher's, by the margin, counts 0.",
        ),
        Mistake(
            "the wrong way round",
            lambda s, t, y, m: (s - y).square().sum(dim=1).mean() - bounded_box(s, t, y, m),
            "The boxes that clear the bar count, and the others do not. It is the other way round.",
        ),
        Mistake(
            "the mean over the others alone",
            lambda s, t, y, m: _those_alone(s, t, y, m),
            "The mean is taken over the boxes that miss the bar. Take it over all: those that clear it count 0.",
        ),
        Mistake(
            "side by side",
            lambda s, t, y, m: _side_by_side(s, t, y, m),
            "Each side has a bar of its own. Add the squares of a box's four sides first, then compare.",
        ),
        Mistake(
            "the mean over sides",
            lambda s, t, y, m: _bounded(s, t, y, 4 * m) / 4,
            "The squares of the four sides are averaged. Their sum is asked for; the mean is over boxes alone.",
        ),
        Mistake(
            "one bar for all",
            lambda s, t, y, m: (
                (s - y).square().sum(dim=1).mean()
                * ((s - y).square().sum(dim=1).mean() + m > (t - y).square().sum(dim=1).mean())
            ),
            "The means over all boxes are compared. Each box has a bar of its own.",
        ),
        Mistake(
            "absolute differences",
            lambda s, t, y, m: _kept_by(s, t, y, m, 1),
            "Absolute differences are added up. Squares are asked for.",
        ),
        Mistake(
            "lengths",
            lambda s, t, y, m: _kept_by(s, t, y, m, 2),
            "The square root is taken of the sum of squares. The squared distance is asked for, without the root.",
        ),
        Mistake(
            "summed over boxes",
            lambda s, t, y, m: len(s) * bounded_box(s, t, y, m),
            "The sum over boxes came back. Their mean is asked for.",
        ),
        Mistake(
            "one number a box",
            lambda s, t, y, m: torch.where(
                (s - y).square().sum(1) + m > (t - y).square().sum(1), (s - y).square().sum(1), 0.0 * s.sum(1)
            ),
            "One number for each box came back. Their mean is asked for.",
        ),
        Mistake("always zero", lambda s, t, y, m: 0 * s.sum(), "Zero came back for every input."),
    ),
    hints=(
        "Two squared distances a box: the student's from the label, and the teacher's from the label. When does the "
        "first one count?",
        "The skeleton, with blanks:\nours = (student - ____).square().sum(dim=1)\n"
        "theirs = (____ - truth).square().sum(dim=1)\n"
        "return torch.where(ours + ____ > theirs, ____, torch.zeros_like(ours)).mean()",
    ),
    takeaway="A bounded teacher pulls up whoever is worse than it, and never pulls down whoever is better.",
)


def _kept_by(s: Tensor, t: Tensor, y: Tensor, m: float, power: int) -> Tensor:
    ours, theirs = (torch.linalg.vector_norm(v - y, ord=power, dim=1) for v in (s, t))
    return torch.where(ours + m > theirs, ours, torch.zeros_like(ours)).mean()

"""Exercises: how far boxes overlap, with edge cases; a teacher as a bar; the mean change; two tasks to weigh."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks._designs import DRAWS, LIMIT, draws
from kdcourse.checks._images import order, sat_by, splits
from kdcourse.checks._judges import sights
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Mistake, Task
from kdcourse.checks.lessons import overlaps, sharing
from kdcourse.data import Part

# ---------------------------------------------------------------- multi_task.1

CASES = {
    "a quarter of its width to the right": (0.5, 0.25, 0.9, 0.65),
    "half of its width to the right": (0.6, 0.25, 1.0, 0.65),
    "all of its width to the right": (0.8, 0.25, 1.2, 0.65),
    "in the same middle, half as wide and half as high": (0.5, 0.35, 0.7, 0.55),
    "around it, as wide and twice as high": (0.4, 0.05, 0.8, 0.85),
}
TRUE = (0.4, 0.25, 0.8, 0.65)


def how_much(case: str) -> tuple[str, str]:
    found = float(kd.multitask.iou(torch.tensor([CASES[case]]).double(), torch.tensor([TRUE]).double()))
    found = round(found, 6)
    word = "0" if found == 0 else "a half" if found == 0.5 else "below a half" if found < 0.5 else "above a half"
    return word, f"IoU {found:.2f}"


_believing = believer(tuple(CASES), how_much)

HOW_MUCH = prediction(
    id="multi_task.1",
    title="Predict the overlap",
    minutes=4,
    changes=tuple(CASES),
    found=how_much,
    answers=("0", "below a half", "a half", "above a half"),
    mistakes=(
        Mistake(
            "three quarters of each",
            _believing(c1="below a half"),
            "Three quarters of each box lie in the other. The union is 5 quarters wide: 3 / 5.",
        ),
        Mistake(
            "half of each is a half",
            _believing(c2="a half"),
            "Half of each box lies in the other, but the union is one and a half boxes: 0.5 / 1.5 is a third.",
        ),
        Mistake(
            "touching counts",
            _believing(c3="below a half"),
            "They touch, and share no area.",
        ),
        Mistake(
            "half of each side is a half",
            _believing(c4="a half"),
            "Half the width times half the height is a *quarter* of the area, and the union is the whole true box.",
        ),
        Mistake(
            "twice as high is below a half",
            _believing(c5="below a half"),
            "The true box is the intersection, the predicted one the union: 1 / 2.",
        ),
    ),
    hints=(
        "Take the true box's area as 1. What is the area that both share, and what is the area that both cover together?",
        'The form:\n"a quarter of its width to the right": "____",',
    ),
    takeaway="The union grows where the intersection shrinks, so IoU falls fast: half a width off leaves a third.",
)

# ---------------------------------------------------------------- multi_task.5

SIDE, LABELLED, EXAM, NEAR, BAR = 32, 1200, 500, 0.5, 0.36


def see(canvases: Tensor, classes: Tensor, boxes: Tensor, exam: Tensor) -> Tensor:
    weight, steps = 0.4, 90
    net = kd.multitask.two_headed("cnn", width=8, size=32, seed=0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-2, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-2, total_steps=steps)
    net.train()
    for _ in range(steps):
        at = torch.randint(len(canvases), (64,))
        found = net(canvases[at])
        box = kd.losses.box_distance(found["box"], boxes[at]).mean()
        loss = F.cross_entropy(found["class"], classes[at]) + weight * box
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        found = net.eval()(exam)
    return torch.cat([found["class"].argmax(dim=1, keepdim=True), found["box"]], dim=1)


def _scene(part: Part, seed: int) -> Part:
    return kd.multitask.canvases(part, size=SIDE, clutter=0, seed=seed)


def _weigh_inputs(seed: int, exam: str) -> tuple[Any, ...]:
    train = splits().train
    known = _scene(train.select(order(len(train), seed)[:LABELLED]), seed)
    sat = _exam(seed, exam)
    return known.images, known.labels["class"], known.labels["box"], sat.images


@lru_cache(maxsize=12)
def _exam(seed: int, exam: str) -> Part:
    part = sat_by(exam, seed)
    return _scene(part.select(torch.arange(EXAM)), 5000 + seed)


def _weigh_answers(seed: int, exam: str) -> dict[str, Any]:
    sat = _exam(seed, exam)
    says = (
        "A canvas counts where class *and* box are right. Which of the two shares is low? Give that task more weight, or "
        "take more steps."
    )
    return {
        "labels": sat.labels["class"], "boxes": sat.labels["box"], "near": NEAR, "bar": BAR, "alone": 0.0, "says": says,
    }  # fmt: skip


WEIGH = Task(
    id="multi_task.5",
    title="Weigh two tasks",
    kind="design",
    difficulty="stretch",
    minutes=20,
    points=3,
    rungs=DRAWS,
    inputs=draws(_weigh_inputs),
    reference=see,
    judge=sights,
    answers=draws(_weigh_answers),
    limit=LIMIT,
    hints=(
        "Train once with the class alone, once with the box alone, and see how far each gets. How large are the two "
        "losses at the start, and at the end?",
        "The skeleton, with blanks:\nfound = net(canvases[at])\nbox = kd.losses.box_distance(____, boxes[at]).mean()\n"
        'loss = F.cross_entropy(found["class"], ____) + ____ * box\n'
        'return torch.cat([found["class"].argmax(dim=1, keepdim=True), ____], dim=1)',
    ),
    takeaway="One number decides how two tasks share a trunk, and only validation says which.",
)

# ---------------------------------------------------------------- all

TASKS = [HOW_MUCH, overlaps.OVERLAP, overlaps.BOUNDED, sharing.CHANGE, WEIGH]

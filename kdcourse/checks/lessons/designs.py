"""Design tasks of several lessons: free choice, measured bar. Each trains on real images and is judged on an exam."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks._designs import DRAWS, LIMIT, draws
from kdcourse.checks._images import POOL, few, labels_alone, order, regression, sat_by, splits, teacher_answers
from kdcourse.checks._judges import predictions
from kdcourse.checks._task import Task
from kdcourse.data import Part

# ---------------------------------------------------------------- why_distil.3

LABELS_LEAD = 0.035  # over what the 500 labels alone reach on the same exam


def distilled(images: Tensor, labels: Tensor, unlabelled: Tensor, teacher_logits: Tensor, exam: Tensor) -> Tensor:
    student, steps = kd.build("cnn", width=8, seed=0), 150
    optimizer = torch.optim.AdamW(student.parameters(), lr=2e-2, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, total_steps=steps)
    student.train()
    for _ in range(steps):
        at = torch.randint(len(unlabelled), (64,))
        soft = (teacher_logits[at] / 4).softmax(dim=1)
        loss = 16 * F.cross_entropy(student(unlabelled[at]) / 4, soft)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return student.eval()(exam).argmax(dim=1)


def _distilled_inputs(seed: int, exam: str) -> tuple[Any, ...]:
    known = few(500, seed)
    return known.images, known.labels, splits().train.images[:POOL], teacher_answers(), sat_by(exam, seed).images


@lru_cache(maxsize=12)
def _distilled_answers(seed: int, exam: str) -> dict[str, Any]:
    part = sat_by(exam, seed)
    alone = labels_alone(few(500, seed), part)
    says = (
        "A linear model of the 500 labels reaches {alone} % here. Do the logits of all 2,000 images enter the loss, softened? "
        "Does the student take enough steps with a large enough learning rate?"
    )
    return {"labels": part.labels, "images": part.images, "bar": alone + LABELS_LEAD, "alone": alone, "says": says}


DISTILLED = Task(
    id="why_distil.3",
    title="Beat the labels",
    kind="design",
    difficulty="stretch",
    minutes=20,
    points=4,
    rungs=DRAWS,
    inputs=draws(_distilled_inputs),
    reference=distilled,
    judge=predictions,
    answers=draws(_distilled_answers),
    limit=LIMIT,
    hints=(
        "The 500 labels are the smaller half of what you are given. What do the logits of 2,000 images say?",
        "The skeleton, with blanks:\nfor _ in range(150):\n    at = torch.randint(len(unlabelled), (64,))\n"
        "    soft = (teacher_logits[at] / T).softmax(dim=1)\n    loss = T**2 * F.cross_entropy(____ / T, soft)\n    ____",
    ),
    takeaway="A teacher's answers to images without labels are worth more than the labels you have.",
)

# ---------------------------------------------------------------- shift.3

CAMERA_BAR = 0.7


def new_camera(images: Tensor) -> Tensor:
    """What the exam's camera does: blurs and greys."""
    return 0.25 + 0.5 * F.avg_pool2d(F.pad(images, (2, 2, 2, 2)), 5, stride=1)


def read_new_camera(images: Tensor, labels: Tensor, teacher_logits: Tensor, new: Tensor, exam: Tensor) -> Tensor:
    like_new = F.avg_pool2d(images, 5, stride=1, padding=2)  # blurred, then given the new camera's mean and spread
    like_new = (like_new - like_new.mean()) / like_new.std() * new.std() + new.mean()
    student, steps = kd.build("cnn", width=8, seed=0), 120
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-2, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    student.train()
    for _ in range(steps):
        at = torch.randint(len(images), (64,))
        loss = F.cross_entropy(student(like_new[at]), labels[at])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return student.eval()(exam).argmax(dim=1)


def _camera_inputs(seed: int, exam: str) -> tuple[Any, ...]:
    train = splits().train
    others = train.images[POOL + order(len(train) - POOL, seed)[:500]]
    sat = new_camera(sat_by(exam, seed).images)
    return train.images[:POOL], train.labels[:POOL], teacher_answers(), new_camera(others), sat


@lru_cache(maxsize=12)
def _camera_answers(seed: int, exam: str) -> dict[str, Any]:
    part = sat_by(exam, seed)
    alone = labels_alone(splits().train.select(torch.arange(POOL)), Part(new_camera(part.images), part.labels))
    says = (
        "A linear model of the old camera's images reaches {alone} % on the new one's. Did your network learn from images "
        "that look like the new ones? Compare means, spreads and sharpness of what it learned from with `new`."
    )
    return {"labels": part.labels, "images": part.images, "bar": CAMERA_BAR, "alone": alone, "says": says}


CAMERA = Task(
    id="shift.3",
    title="A new camera",
    kind="design",
    difficulty="stretch",
    minutes=20,
    points=4,
    rungs=DRAWS,
    inputs=draws(_camera_inputs),
    reference=read_new_camera,
    judge=predictions,
    answers=draws(_camera_answers),
    limit=LIMIT,
    hints=(
        "Look at five old and five new images side by side, and compare their mean and spread. What did the camera do?",
        "Make the labelled images look like the new ones, then train on them. The skeleton:\n"
        "like_new = F.avg_pool2d(images, ____, stride=1, padding=____)\n"
        "like_new = (like_new - like_new.mean()) / like_new.std() * ____ + ____",
    ),
    takeaway="Without a single new label: make the lessons look like the exam.",
)

# ---------------------------------------------------------------- four_steps.5

SOURCE_LEAD = 0.03  # over what the 250 labels alone reach on the same exam
OWN, THEIRS, OPEN = 250, 1000, 2000


def from_source(images: Tensor, labels: Tensor, unlabelled: Tensor, source_logits: Tensor, exam: Tensor) -> Tensor:
    target, steps = kd.build("mlp", seed=0), 300
    optimizer = torch.optim.AdamW(target.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    target.train()
    for _ in range(steps):
        some, more = torch.randint(len(images), (64,)), torch.randint(len(unlabelled), (96,))
        logits = target(torch.cat([images[some], unlabelled[more]]))
        told = F.cross_entropy(logits[:64], labels[some])
        imitated = F.cross_entropy(logits[64:], source_logits[more].softmax(dim=1))
        optimizer.zero_grad()
        (0.5 * told + 0.5 * imitated).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return target.eval()(exam).argmax(dim=1)


@lru_cache(maxsize=12)
def _source(seed: int) -> tuple[Tensor, Tensor]:
    """An order of the training images, and a source's logits on its last 2,000: a regression on 1,000 labels you lack."""
    at = order(len(splits().train), seed)[: OWN + THEIRS + OPEN]
    theirs, open_ = splits().train.select(at[OWN : OWN + THEIRS]), splits().train.images[at[OWN + THEIRS :]]
    return at, torch.from_numpy(regression(theirs).decision_function(open_.flatten(1).numpy())).float()


def _source_inputs(seed: int, exam: str) -> tuple[Any, ...]:
    at, logits = _source(seed)
    own, open_ = splits().train.select(at[:OWN]), splits().train.images[at[OWN + THEIRS :]]
    return own.images, own.labels, open_, logits, sat_by(exam, seed).images


@lru_cache(maxsize=12)
def _source_answers(seed: int, exam: str) -> dict[str, Any]:
    part, own = sat_by(exam, seed), splits().train.select(_source(seed)[0][:OWN])
    alone = labels_alone(own, part)
    says = (
        "A linear model of the 250 labels reaches {alone} % here. Do the source's logits teach, each with its own image, "
        "beside the labels? Softened answers of 2,000 images say more than 250 labels."
    )
    return {"labels": part.labels, "images": part.images, "bar": alone + SOURCE_LEAD, "alone": alone, "says": says}


SOURCE = Task(
    id="four_steps.5",
    title="Learn from a source",
    kind="design",
    difficulty="stretch",
    minutes=20,
    points=4,
    rungs=DRAWS,
    inputs=draws(_source_inputs),
    reference=from_source,
    judge=predictions,
    answers=draws(_source_answers),
    limit=LIMIT,
    hints=(
        "The source learned from 1,000 labels that you do not have. How do its logits tell you what it learned?",
        "Two losses, one batch. The skeleton:\ntold = F.cross_entropy(logits_on_your_images, ____)\n"
        "imitated = F.cross_entropy(logits_on_the_others, source_logits[more].____(dim=1))\n"
        "(____ * told + ____ * imitated).backward()",
    ),
    takeaway="A source gives away what it learned through its outputs, without its data and without its weights.",
)

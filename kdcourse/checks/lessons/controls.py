"""A task of the lesson on dark knowledge: the mean answer of an image's class."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

# ---------------------------------------------------------------- dark_knowledge.3


def class_means(teacher_logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    soft = (teacher_logits / temperature).softmax(dim=1)
    told = torch.empty_like(soft)
    for c in labels.unique():
        told[labels == c] = soft[labels == c].mean(dim=0)
    return told


def _means(soft: Tensor, labels: Tensor) -> Tensor:
    same = (labels[:, None] == labels).to(soft.dtype)
    return same @ soft / same.sum(dim=1, keepdim=True)


def _left_out(z: Tensor, y: Tensor, t: float) -> Tensor:
    same = (y[:, None] == y).to(z.dtype) - torch.eye(len(y), dtype=z.dtype)
    return same @ (z / t).softmax(1) / same.sum(dim=1, keepdim=True)


def _class_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    by_hand = torch.tensor([[1.0, 1.0], [1.0, 3.0], [3.0, 1.0], [1.0, 1.0]]).log()  # halves and quarters
    return [
        (torch.zeros(3, 2), torch.tensor([0, 0, 1]), 1.0),
        (by_hand, torch.tensor([0, 0, 1, 1]), 1.0),
        (3 * torch.randn(3, 3, generator=g), torch.tensor([2, 0, 1]), 2.0),
        (4 * torch.randn(12, 5, generator=g), torch.randint(0, 5, (12,), generator=g), 4.0),
        (4 * torch.randn(9, 10, generator=g), torch.tensor([7, 7, 7, 2, 2, 7, 2, 7, 2]), 1.5),
    ]


CLASS_MEANS = Task(
    id="dark_knowledge.3",
    title="A control that knows classes only",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=("equal answers", "two classes", "one image a class", "random", "most classes absent"),
    inputs=_class_inputs,
    reference=class_means,
    judge=close,
    mistakes=(
        Mistake(
            "mean of logits",
            lambda z, y, t: (_means(z, y) / t).softmax(1),
            "The logits are averaged and then softened. Soften each answer first, then average the probabilities.",
        ),
        Mistake(
            "all images",
            lambda z, y, t: (z / t).softmax(1).mean(0).expand(len(z), -1),
            "This is the mean over *all* images. Average within each image's own class.",
        ),
        Mistake(
            "own answer left out",
            _left_out,
            "The image's own answer is left out of its class's mean. Here it belongs in: one target for the whole class.",
        ),
        Mistake(
            "no temperature",
            lambda z, y, t: _means(z.softmax(1), y),
            "The answers are averaged at T = 1: the temperature is never used.",
        ),
        Mistake(
            "one row a class",
            lambda z, y, t: torch.stack([(z / t).softmax(1)[y == c].mean(0) for c in y.unique()]),
            "One row for each class came back. Every image needs its target: give each image the row of its class.",
        ),
        Mistake(
            "one row a class of all",
            lambda z, y, t: torch.stack([(z / t).softmax(1)[y == c].mean(0) for c in range(z.shape[1])]),
            "A table of all classes came back, with NaN for those that nobody has. Give each image the row of its class.",
        ),
        Mistake(
            "NaN from a class without images",
            lambda z, y, t: _by_counts(z, y, t),
            "A class that nobody has is divided by 0, and its NaN reaches all rows. Average only the classes that occur.",
        ),
        Mistake(
            "indexed by class number",
            lambda z, y, t: torch.stack([(z / t).softmax(1)[y == c].mean(0) for c in y.unique()])[y],
            "The means of the classes that occur stand one below the other, and are then read by class *number*. That is wrong as soon as a class is missing.",
        ),
        Mistake(
            "the teacher's classes",
            lambda z, y, t: _means((z / t).softmax(1), z.argmax(1)),
            "The images are grouped by the class that the *teacher* finds likeliest. The groups are the labels'.",
        ),
        Mistake(
            "softened afterwards",
            lambda z, y, t: (_means(z.softmax(1), y).log() / t).softmax(1),
            "The answers are averaged at T = 1 and softened afterwards. Soften first, then average.",
        ),
        Mistake(
            "classes counted as equal",
            lambda z, y, t: (
                _means((z / t).softmax(1), y) * (y[:, None] == y).sum(1, keepdim=True) * z.shape[1] / len(z)
            ),
            "Each class's sum is divided by N / C, as if all classes had as many images. Divide by the images of this class.",
        ),
        Mistake(
            "grouped by class",
            lambda z, y, t: class_means(z, y, t)[y.argsort(stable=True)],
            "The rows come class by class. Row i belongs to image i: `told[labels == c] = …`.",
        ),
        Mistake(
            "the highest class missed",
            lambda z, y, t: class_means(z, y, t) * (y < y.max())[:, None],
            "The highest class keeps zeros: `range(labels.max())` ends before it. `labels.unique()` gives every class.",
        ),
        Mistake(
            "class 0 missed",
            lambda z, y, t: class_means(z, y, t) * (y > 0)[:, None],
            "Class 0 keeps zeros. Does the loop begin at 1, or does `if c` leave it out?",
        ),
        Mistake(
            "its own answer",
            lambda z, y, t: (z / t).softmax(1),
            "Every image got its *own* softened answer. It should get the mean of its class's.",
        ),
        Mistake(
            "summed over the class",
            lambda z, y, t: class_means(z, y, t) * (y[:, None] == y).sum(1, keepdim=True),
            "The answers of a class are added up, not averaged, so a row sums to more than 1.",
        ),
        Mistake(
            "divided by all images",
            lambda z, y, t: class_means(z, y, t) * (y[:, None] == y).sum(1, keepdim=True) / len(y),
            "A class's sum is divided by the number of *all* images. Divide by how many the class has.",
        ),
        Mistake(
            "mean of logits, not softened",
            lambda z, y, t: _means(z, y),
            "These are means of logits. Soften each answer first: the mean of probabilities is asked for.",
        ),
        Mistake(
            "means of hard answers",
            lambda z, y, t: _means(torch.eye(z.shape[1], dtype=z.dtype)[z.argmax(1)], y),
            "Each answer is turned into one class before the mean is taken. Soft answers are averaged.",
        ),
        Mistake(
            "the labels as targets",
            lambda z, y, t: torch.eye(z.shape[1], dtype=z.dtype)[y],
            "These are the labels, one-hot. The teacher's mean answer for the class is asked for.",
        ),
        Mistake(
            "the class's first answer",
            lambda z, y, t: (z / t).softmax(1)[(y[:, None] == y).int().argmax(1)],
            "Every image got the answer of its class's *first* image. Take the class's mean.",
        ),
        Mistake(
            "multiplied by T",
            lambda z, y, t: _means((z * t).softmax(1), y),
            "The logits are multiplied by T. Divide them.",
        ),
        Mistake(
            "means over the classes",
            lambda z, y, t: (z / t).softmax(1).mean(1, keepdim=True).expand_as(z),
            "The mean runs over the classes of one image. It runs over the images of one class: dim=0.",
        ),
        Mistake(
            "softened over the images",
            lambda z, y, t: _means((z / t).softmax(0), y),
            "The softmax runs over the images (dim=0). Each row must sum to 1: dim=1.",
        ),
    ),
    hints=(
        "First soften all answers. Then, class by class, the images with that label share one mean.",
        "The skeleton, with blanks:\nsoft = (teacher_logits / ____).softmax(dim=1)\ntold = torch.empty_like(soft)\n"
        "for c in labels.unique():\n    told[____] = soft[____].mean(dim=____)\nreturn told",
    ),
    takeaway="Whoever does better than this control has learned something about single images.",
)


def _by_counts(logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    soft = (logits / temperature).softmax(dim=1)
    members = (labels[:, None] == torch.arange(logits.shape[1])).to(soft.dtype)
    return members @ ((members.T @ soft) / members.sum(dim=0)[:, None])

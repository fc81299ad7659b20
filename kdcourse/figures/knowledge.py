"""Figures of ``dark_knowledge``: what a sure answer still tells, and how much of it is knowledge."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from kdcourse import plots
from kdcourse.figures._rates import best_of
from kdcourse.figures._shapes import rungs
from kdcourse.records import Record

__all__ = ["ladder", "resemblance", "second_thoughts"]

LABELS = ("labels", "labels, smoothed")
RUNGS = {"another image": "the answer to another image of its class", "class mean": "the mean answer of its class",
         "own": "the answer to this very image"}  # fmt: skip


def ladder(record: Record, *, title: str, more: str = "7,500", redrawn: float | None = None) -> plots.Shown:
    """Students that are told more and more: the label, another image's answer, their class's mean answer, their own.

    Args:
        record: of the evidence ``ladder``: rows by method.
        title: its fields are {another}, {class_mean}, {knowledge} and {more}, each rung against the one before it:
            {knowledge} is the image's own answer against the mean answer of its class.
        more: how many images without a label the last student sees.
        redrawn: n_test / n_train where each seed cut its own split.
    """
    from kdcourse.evaluation import redrawn as wider

    alone = best_of(record, LABELS)
    names = {alone: "the labels alone", **RUNGS, "unlabelled": f"the answers to {more} more images"}
    settings = {m: {"method": m, "rates": "own"} for m in names}
    pairs = list(pairwise(names))
    found = [record.paired("test", settings[above], settings[below]) for below, above in pairs]
    if redrawn is not None:
        found = [wider(d.per_seed, redrawn) for d in found]
    values = {name: [100 * v for v in record.values("test", **settings[m])] for m, name in names.items()}
    fields = dict(zip(("another", "class_mean", "knowledge", "more"), found, strict=True))
    said = ", ".join(f"{name} {sum(v) / len(v):.1f}" for name, v in values.items())
    return rungs(
        values, found, ylabel="test accuracy, %", title=title, fields=fields,
        alt=f"Test accuracy in % of students that are told: {said}.",
        caption="A bar: the mean; a dot: one seed. Between two rungs: the difference with its 95% interval; grey: "
        "no difference that we can measure.",
    )  # fmt: skip


PAIRS = ((5, 7), (5, 9), (3, 0), (3, 4))  # a flat sandal and one with a heel, and two dresses


def second_thoughts(
    labels: Tensor, logits: Tensor, *, pairs: Sequence[tuple[int, int]] = PAIRS, temperature: float = 4.0,
    sure: float = 0.999,
) -> list[int]:  # fmt: skip
    """Which images are sure of their class and each think of another one next: for each pair the clearest.

    Args:
        labels, logits: of the images to choose from.
        pairs: (the class, the class that comes second) of each image.
        temperature: at which the second class is compared.
        sure: the least probability of the first class at T = 1.
    """
    plain, soft = logits.softmax(dim=1), (logits / temperature).softmax(dim=1)
    first, second = soft.topk(2, dim=1).indices.T
    found = []
    for c, other in pairs:
        fits = (labels == c) & (first == c) & (second == other) & (plain[:, c] > sure)
        found.append(int((soft[:, other] * fits).argmax()))
    return found


def resemblance(
    images: Tensor, labels: Tensor, logits: Tensor, classes: Sequence[str], *, title: str, temperature: float = 4.0,
    **choice: Any,
) -> plots.Shown:  # fmt: skip
    """Sure answers that differ all the same: images of one class, each beside an image of the class it is next like.

    Args:
        images, labels, logits: of the images to choose from.
        classes: the names.
        title: as in ``plots.show``; its field {least} is the smallest probability of a first class in %, at T = 1.
        temperature: at which the second class is written.
        choice: options of ``second_thoughts``, which chooses the images.
    """
    plain, soft = logits.softmax(dim=1), (logits / temperature).softmax(dim=1)
    shown, titles, least = [], [], 1.0
    for i in second_thoughts(labels, logits, temperature=temperature, **choice):
        c, other = soft[i].topk(2).indices.tolist()
        alike = int((plain[:, other] * (labels == other)).argmax())
        shown += [images[i], images[alike]]
        least = min(least, float(plain[i, c]))
        titles += [f"{classes[c]}\n{100 * float(plain[i, c]):.2f} % at T = 1",
                   f"{classes[other]}\n{100 * float(soft[i, other]):.0f} % at T = {temperature:g}"]  # fmt: skip
    return plots.gallery(
        torch.stack(shown), titles, columns=4, title=title, fields={"least": 100 * least},
        finding="; ".join(text.replace("\n", " ") for text in titles) + ".",
        caption="In pairs: an image about which the teacher is sure, and one of the class that its answer names next.",
    )  # fmt: skip

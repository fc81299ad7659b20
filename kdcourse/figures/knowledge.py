"""Figures of ``dark_knowledge``: what a sure answer still tells, and how much of it is knowledge."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kdcourse import plots
from kdcourse.figures._rates import best_of
from kdcourse.figures._shapes import rungs
from kdcourse.records import Record

__all__ = ["ladder", "resemblance", "second_thoughts"]

LABELS = ("labels", "labels, smoothed")
RUNGS = {"class mean": "the mean answer of its class", "another image": "the answer to another image of its class",
         "own": "the answer to this very image", "unlabelled": "the answers to 7,500 more images"}  # fmt: skip


def ladder(record: Record, *, title: str, redrawn: float | None = None) -> plots.Shown:
    """Students that are told more and more: the labels, their class's mean answer, another image's, their own, more.

    Args:
        record: of the evidence ``ladder``: rows by method.
        title: its fields are {class_mean}, {another}, {own}, {more} (each against the rung before it), and
            {knowledge}: the own answer against the class mean.
        redrawn: n_test / n_train where each seed cut its own split.
    """
    from kdcourse.evaluation import redrawn as wider

    alone = best_of(record, LABELS)
    chain = [alone, *RUNGS]
    settings = {m: {"method": m, "rates": "own"} for m in chain}
    pairs = [*zip(chain[1:], chain, strict=False), ("own", "class mean")]
    found = [record.paired("test", settings[one], settings[other]) for one, other in pairs]
    if redrawn is not None:
        found = [wider(d.per_seed, redrawn) for d in found]
    names = {alone: "the labels alone", **RUNGS}
    values = {names[m]: [100 * v for v in record.values("test", **settings[m])] for m in chain}
    fields = dict(zip(("class_mean", "another", "own", "more", "knowledge"), found, strict=True))
    said = ", ".join(f"{name} {sum(v) / len(v):.1f}" for name, v in values.items())
    return rungs(
        values, found[:-1], ylabel="test accuracy, %", title=title, fields=fields,
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

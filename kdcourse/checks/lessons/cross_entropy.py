"""Exercises: what moves a gradient, smoothed targets, the whole loss, its gradient."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import gradients, smoothing
from kdcourse.checks.lessons.imitations import buggy, imitation, pairs

# ---------------------------------------------------------------- cross_entropy.1

CHANGES = (
    "cross-entropy with the soft targets in place of the KL divergence",
    'reduction="mean" in place of "batchmean"',
    "100 added to every logit of the student",
    "T from 4 to 32, without the factor T²",
    "T from 1 to 4, with the factor T²",
)


@lru_cache(maxsize=8)
def gradient_moves(change: str) -> tuple[str, str]:
    g = torch.Generator().manual_seed(0)
    student, teacher = (3 * torch.randn(32, 10, generator=g, dtype=torch.float64) for _ in range(2))

    def length(
        temperature: float, *, reduction: str = "batchmean", move: float = 0, factor: int = 0, ce: bool = False
    ) -> float:
        z = (student + move).requires_grad_()
        log_q, p = F.log_softmax(z / temperature, dim=1), (teacher / temperature).softmax(dim=1)
        total = -(p * log_q).sum() if ce else F.kl_div(log_q, p, reduction="sum")
        loss = total / (len(z) if reduction == "batchmean" else z.numel()) * temperature**factor
        return float(torch.autograd.grad(loss, z)[0].norm())

    before, after = {
        CHANGES[0]: (length(4), length(4, ce=True)),
        CHANGES[1]: (length(4), length(4, reduction="mean")),
        CHANGES[2]: (length(4), length(4, move=100)),
        CHANGES[3]: (length(4), length(32)),
        CHANGES[4]: (length(1, factor=2), length(4, factor=2)),
    }[change]
    word = "same" if abs(after / before - 1) < 1e-6 else "longer" if after > before else "shorter"
    return word, f"{after / before:.3g} times as long"


_believing = believer(CHANGES, gradient_moves)


GRADIENT = prediction(
    id="cross_entropy.1",
    title="Predict the gradient",
    minutes=5,
    changes=CHANGES,
    found=gradient_moves,
    answers=("longer", "shorter", "same"),
    mistakes=(
        Mistake(
            "the entropy pulls",
            _believing(c1="longer"),
            "They differ by the teacher's entropy, which does not depend on the student: a constant has no gradient.",
        ),
        Mistake(
            "the entropy holds back",
            _believing(c1="shorter"),
            "The KL is the smaller *value*. The gradients are the same: the teacher's entropy is a constant.",
        ),
        Mistake(
            "mean is the mean over images",
            _believing(c2="same"),
            '`reduction="mean"` divides by images *and* classes; `"batchmean"` by images only.',
        ),
        Mistake(
            "mean makes it longer",
            _believing(c2="longer"),
            "A division by the number of classes, ten here, makes every gradient ten times shorter.",
        ),
        Mistake(
            "large logits pull more",
            _believing(c3="longer"),
            "A constant added to all logits cancels in the softmax: q stays, and the gradient is q − p.",
        ),
        Mistake(
            "large logits saturate",
            _believing(c3="shorter"),
            "Saturation comes from *differences* of logits. A constant added to all of them cancels.",
        ),
        Mistake(
            "T is free",
            _believing(c4="same"),
            "Both q − p and the factor 1/T shrink as T grows: about as 1/T² together. That is what T² is for.",
        ),
        Mistake(
            "T pulls",
            _believing(c4="longer"),
            "A higher temperature makes both sides flatter and so more alike: there is less to correct.",
        ),
        Mistake(
            "T² mends all",
            _believing(c5="same"),
            "T² keeps the size for *large* T. Between 1 and 4 the answers soften a lot, and the product still grows.",
        ),
        Mistake(
            "T² is too little",
            _believing(c5="shorter"),
            "For small T, q − p shrinks more slowly than 1/T, so with T² the gradient grows.",
        ),
    ),
    hints=(
        "The gradient by a logit is (q − p) / T, for each image. Which of the changes touches q, p, T, or a factor in front?",
        'The form:\n"T from 4 to 32, without the factor T²": "____",',
    ),
    takeaway="The gradient sees q − p, T and factors in front. Constants in the loss and in the logits it does not see.",
)


# ---------------------------------------------------------------- cross_entropy.3


def soft_targets(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float, alpha: float
) -> Tensor:
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p = (teacher_logits / temperature).softmax(dim=1)
    imitate = temperature**2 * F.kl_div(log_q, p, reduction="batchmean")
    known = labels != -100
    told = F.cross_entropy(student_logits[known], labels[known]) if known.any() else 0.0
    return alpha * imitate + (1 - alpha) * told


def _labelled(z: Tensor, y: Tensor, *, over_all: bool = False, t: float = 1.0) -> Any:
    known = y != -100
    total = F.cross_entropy(z[known] / t, y[known], reduction="sum") if known.any() else torch.zeros(())
    return total / (len(y) if over_all else max(1, int(known.sum())))


def _soft_inputs(seed: int) -> Inputs:
    base = pairs(seed, lambda g: [])
    g = torch.Generator().manual_seed(seed + 100)
    some = torch.randint(0, 10, (6,), generator=g)
    mixed = torch.where(torch.arange(6) % 2 == 0, some, -100)
    z, v, t = base[3]
    return [
        (*base[0][:2], torch.tensor([2]), 2.0, 0.5),
        (*base[2][:2], torch.tensor([1, 0]), 2.0, 0.25),
        (z, v, some, t, 0.9),
        (z, v, some, t, 0.0),
        (z, v, mixed, t, 0.7),
        (z, v, torch.full((6,), -100), t, 0.7),
    ]


SOFT = Task(
    id="cross_entropy.3",
    title="The whole loss",
    kind="implement",
    difficulty="core",
    minutes=12,
    points=3,
    rungs=("like the teacher", "by hand", "random", "alpha = 0", "half of the images labelled", "no image labelled"),
    inputs=_soft_inputs,
    reference=soft_targets,
    gradient="student_logits",
    judge=close,
    mistakes=(
        Mistake(
            "no T²",
            lambda z, v, y, t, a: a * buggy(z, v, t, factor=False) + (1 - a) * _labelled(z, y),
            "T² is missing in front of the teacher's part.",
        ),
        Mistake(
            "mean for batchmean",
            lambda z, v, y, t, a: a * buggy(z, v, t, share=False) + (1 - a) * _labelled(z, y),
            'The teacher\'s part is divided by the number of classes: `reduction="mean"` where `"batchmean"` is meant.',
        ),
        Mistake(
            "roles swapped",
            lambda z, v, y, t, a: a * imitation(v, z, t) + (1 - a) * _labelled(z, y),
            "In the teacher's part student and teacher have changed places.",
        ),
        Mistake(
            "alpha swapped",
            lambda z, v, y, t, a: (1 - a) * imitation(z, v, t) + a * _labelled(z, y),
            "alpha weighs the *teacher's* part, 1 − alpha the labels'.",
        ),
        Mistake(
            "labels softened",
            lambda z, v, y, t, a: a * imitation(z, v, t) + (1 - a) * _labelled(z, y, t=t),
            "The labels' part sees logits divided by T. Labels are meant for T = 1, the temperature of use.",
        ),
        Mistake(
            "unlabelled counted",
            lambda z, v, y, t, a: a * imitation(z, v, t) + (1 - a) * _labelled(z, y, over_all=True),
            "The labels' part is divided by *all* images. Its mean is over the images that have a label.",
        ),
        Mistake(
            "NaN without labels",
            lambda z, v, y, t, a: a * imitation(z, v, t) + (1 - a) * F.cross_entropy(z, y),
            "Right until a batch has no label at all: then the mean over nothing is NaN. Such a batch contributes 0.",
        ),
        Mistake(
            "the teacher's whole weight without labels",
            lambda z, v, y, t, a: imitation(z, v, t) if (y == -100).all() else soft_targets(z, v, y, t, a),
            "Without any label the teacher's part gets weight 1. Its weight is alpha, in every batch.",
        ),
        Mistake(
            "everything lost without labels",
            lambda z, v, y, t, a: torch.zeros(()) if (y == -100).all() else soft_targets(z, v, y, t, a),
            "Without any label the *whole* loss becomes 0. Only the labels' part is 0 then; the teacher still speaks.",
        ),
        Mistake(
            "1 − alpha forgotten",
            lambda z, v, y, t, a: a * imitation(z, v, t) + _labelled(z, y),
            "The labels' part has no weight: 1 − alpha is missing in front of it.",
        ),
        Mistake(
            "T² over everything",
            lambda z, v, y, t, a: t**2 * (a * imitation(z, v, t) / t**2 + (1 - a) * _labelled(z, y)),
            "T² multiplies the labels' part, too. It belongs to the teacher's part alone.",
        ),
        Mistake(
            "cross-entropy for KL",
            lambda z, v, y, t, a: a * t**2 * F.cross_entropy(z / t, (v / t).softmax(dim=1)) + (1 - a) * _labelled(z, y),
            "The teacher's part is a cross-entropy with soft targets. Its gradient is that of KL, but KL is what is asked for: it is 0 where both agree.",
        ),
        Mistake(
            "not softened",
            lambda z, v, y, t, a: a * t**2 * imitation(z, v, 1.0) + (1 - a) * _labelled(z, y),
            "The teacher's part compares the answers at T = 1. Both sides are softened.",
        ),
        Mistake(
            "the teacher for labelled images alone",
            lambda z, v, y, t, a: (
                soft_targets(z[y != -100], v[y != -100], y[y != -100], t, a) if (y != -100).any() else 0 * z.sum()
            ),
            "Images without a label are left out of the *teacher's* part, too. The teacher answers for all of them: that is what they are for.",
        ),
        Mistake(
            "class 0 for the unlabelled",
            lambda z, v, y, t, a: (
                a * imitation(z, v, t) + (1 - a) * (F.cross_entropy(z, y.clamp(min=0)) if (y >= 0).any() else 0.0)
            ),
            "Images without a label are taught class 0, because −100 is clamped to it. Leave them out of the labels' part.",
        ),
        Mistake(
            "class 0 for all unlabelled",
            lambda z, v, y, t, a: a * imitation(z, v, t) + (1 - a) * F.cross_entropy(z, y.clamp(min=0)),
            "Images without a label are taught class 0, because −100 is clamped to it, even where nobody has a label.",
        ),
        Mistake(
            "teacher alone",
            lambda z, v, y, t, a: imitation(z, v, t),
            "Only the teacher's part came back. The labels' part, weighted with 1 − alpha, is missing.",
        ),
        Mistake(
            "labels alone",
            lambda z, v, y, t, a: _labelled(z, y),
            "Only the labels' part came back.",
        ),
        Mistake(
            "alpha not used",
            lambda z, v, y, t, a: imitation(z, v, t) + _labelled(z, y),
            "The two parts are added without weights: alpha and 1 − alpha are missing.",
        ),
        Mistake(
            "teacher's part summed",
            lambda z, v, y, t, a: a * len(z) * imitation(z, v, t) + (1 - a) * _labelled(z, y),
            "The teacher's part is summed over the images. Its mean is asked for: `batchmean`.",
        ),
        Mistake(
            "labels' part summed",
            lambda z, v, y, t, a: a * imitation(z, v, t) + (1 - a) * _labelled(z, y) * int((y != -100).sum()),
            "The labels' part is summed over the images. Its mean is asked for.",
        ),
        Mistake(
            "the teacher's first class",
            lambda z, v, y, t, a: a * t**2 * F.cross_entropy(z / t, v.argmax(1)) + (1 - a) * _labelled(z, y),
            "Only the teacher's *first* class is used, as if it were a label. Use all of its probabilities.",
        ),
        Mistake(
            "T for T²",
            lambda z, v, y, t, a: a * imitation(z, v, t) / t + (1 - a) * _labelled(z, y),
            "The factor in front of the teacher's part is T in place of T².",
        ),
        Mistake(
            "only the student softened",
            lambda z, v, y, t, a: (
                a * t**2 * F.kl_div((z / t).log_softmax(1), v.softmax(1), reduction="batchmean")
                + (1 - a) * _labelled(z, y)
            ),
            "Only the student is softened. Both sides are divided by T.",
        ),
        Mistake(
            "only the teacher softened",
            lambda z, v, y, t, a: (
                a * t**2 * F.kl_div(z.log_softmax(1), (v / t).softmax(1), reduction="batchmean")
                + (1 - a) * _labelled(z, y)
            ),
            "Only the teacher is softened. Both sides are divided by T.",
        ),
        Mistake(
            "class 0 taken for no label",
            lambda z, v, y, t, a: a * imitation(z, v, t) + (1 - a) * _labelled(z, torch.where(y == 0, -100, y)),
            "Class 0 counts as *no label*. The mark is −100; 0 is a class like any other: `labels != -100`.",
        ),
    ),
    hints=(
        "Two parts, each right by itself. For the second: which images have a label, and what if none has?",
        'The skeleton, with blanks:\nimitate = temperature**2 * F.kl_div(____, ____, reduction="batchmean")\n'
        "known = labels != -100\ntold = F.cross_entropy(student_logits[known], labels[known]) if ____ else 0.0\n"
        "return ____ * imitate + ____ * told",
    ),
    takeaway="The teacher's part softened, with T²; the labels' part at T = 1, averaged over what is labelled.",
)


# ---------------------------------------------------------------- all

TASKS = [GRADIENT, smoothing.SMOOTHED, SOFT, gradients.PULL]

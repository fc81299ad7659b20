"""Exercises: what moves a gradient, smoothed targets, the whole loss, its gradient."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons.imitations import buggy, imitation, imitation_inputs, pairs

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

# ---------------------------------------------------------------- cross_entropy.2


def smoothed_targets(labels: Tensor, classes: int, epsilon: float) -> Tensor:
    certain = F.one_hot(labels, classes).double()
    return (1 - epsilon) * certain + epsilon / classes  # the label keeps its even share, too


def _one_hot(labels: Tensor, classes: int) -> Tensor:
    return F.one_hot(labels, classes).double()


def _smoothed_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.tensor([0, 1]), 2, 0.0),
        (torch.tensor([0]), 4, 0.4),
        (torch.tensor([2, 0]), 5, 0.1),
        (torch.randint(0, 10, (20,), generator=g), 10, 0.2),
        (torch.tensor([1, 0]), 3, 1.0),
    ]


SMOOTHED = Task(
    id="cross_entropy.2",
    title="Label smoothing as soft targets",
    kind="implement",
    difficulty="warm-up",
    minutes=5,
    points=2,
    rungs=("no smoothing", "by hand", "five classes", "random", "nothing but smoothing"),
    inputs=_smoothed_inputs,
    reference=smoothed_targets,
    judge=close,
    mistakes=(
        Mistake(
            "the others share",
            lambda y, c, e: (1 - e) * _one_hot(y, c) + e / (c - 1) * (1 - _one_hot(y, c)),
            "ε is spread over the *wrong* classes only. In the usual definition all classes share it, the label's too.",
        ),
        Mistake(
            "ε for each",
            lambda y, c, e: (1 - e) * _one_hot(y, c) + e,
            "Every class gets the whole ε, so the rows sum to more than 1. Divide it by the number of classes.",
        ),
        Mistake(
            "nothing taken away",
            lambda y, c, e: _one_hot(y, c) + e / c,
            "The label keeps its whole 1, so the rows sum to 1 + ε. Take ε away from it first.",
        ),
        Mistake(
            "nothing given",
            lambda y, c, e: (1 - e) * _one_hot(y, c),
            "ε is taken from the label and given to nobody: the rows sum to 1 − ε.",
        ),
        Mistake(
            "the wrong way round",
            lambda y, c, e: e * _one_hot(y, c) + (1 - e) / c,
            "ε and 1 − ε have changed places: at ε = 0 the label must have everything.",
        ),
        Mistake(
            "columns from the labels",
            lambda y, c, e: smoothed_targets(y, c, e)[:, : int(y.max()) + 1],
            "The number of columns comes from the labels. A class that nobody has here needs its column, too: `classes` says how many.",
        ),
        Mistake(
            "divided by the images",
            lambda y, c, e: (1 - e) * _one_hot(y, c) + e / len(y),
            "ε is divided by the number of *images*. The classes share it: divide by `classes`.",
        ),
        Mistake(
            "everybody's label",
            lambda y, c, e: _all_rows(y, c, e),
            "`targets[:, labels]` raises these columns in *every* row. A row has one label: `targets[torch.arange(len(labels)), labels]`.",
        ),
        Mistake(
            "divided by the sum",
            lambda y, c, e: (_one_hot(y, c) + e) / (1 + c * e),
            "ε is added to every class and the row divided by its sum. That sums to 1, but it is another mixture: the label's share must be 1 − ε + ε/C.",
        ),
        Mistake(
            "the example's row",
            lambda y, c, e: torch.tensor([[0.7, 0.1, 0.1, 0.1]] * len(y)),
            "The row of the worked example comes back for every label.",
        ),
        Mistake(
            "cut to whole numbers",
            lambda y, c, e: ((1 - e) * _one_hot(y, c) + e / c).long(),
            "The shares are written into a tensor of whole numbers, which cuts them off. Make it a float one: `.float()`.",
        ),
    ),
    hints=(
        "A mixture of two distributions: with weight 1 − ε the label alone, with weight ε all classes evenly.",
        "The skeleton, with blanks:\ncertain = F.one_hot(labels, ____).double()\nreturn ____ * certain + ____ / classes",
    ),
    takeaway="Label smoothing is distillation from a teacher who finds every class equally likely.",
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
    ),
    hints=(
        "Two parts, each right by itself. For the second: which images have a label, and what if none has?",
        'The skeleton, with blanks:\nimitate = temperature**2 * F.kl_div(____, ____, reduction="batchmean")\n'
        "known = labels != -100\ntold = F.cross_entropy(student_logits[known], labels[known]) if ____ else 0.0\n"
        "return ____ * imitate + ____ * told",
    ),
    takeaway="The teacher's part softened, with T²; the labels' part at T = 1, averaged over what is labelled.",
)

# ---------------------------------------------------------------- cross_entropy.4


def imitation_gradient(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    q = (student_logits / temperature).softmax(dim=1)
    p = (teacher_logits / temperature).softmax(dim=1)
    return temperature * (q - p) / len(q)  # T² from the factor, 1/T from the chain rule


PULL = Task(
    id="cross_entropy.4",
    title="The gradient, by hand",
    kind="implement",
    difficulty="stretch",
    minutes=15,
    points=4,
    rungs=("nothing to learn", "one image by hand", "two images by hand", "random", "extreme logits"),
    inputs=imitation_inputs,
    reference=imitation_gradient,
    judge=close,
    mistakes=(
        Mistake(
            "no T²",
            lambda z, v, t: imitation_gradient(z, v, t) / t**2,
            "This is the gradient without the factor T².",
        ),
        Mistake(
            "no chain rule",
            lambda z, v, t: imitation_gradient(z, v, t) * t,
            "T² is there, and the 1/T of the chain rule is missing: the logits enter as z / T.",
        ),
        Mistake(
            "neither",
            lambda z, v, t: imitation_gradient(z, v, t) / t,
            "This is (q − p) / N: neither T² nor the 1/T of the chain rule. Together they make a factor T.",
        ),
        Mistake(
            "the other sign",
            lambda z, v, t: -imitation_gradient(z, v, t),
            "The sign is turned round: this is the way downhill, p − q. The gradient points uphill.",
        ),
        Mistake(
            "summed",
            lambda z, v, t: imitation_gradient(z, v, t) * len(z),
            "The loss is the mean over images, so each image's gradient is divided by their number.",
        ),
        Mistake(
            "not softened",
            lambda z, v, t: t * (z.softmax(1) - v.softmax(1)) / len(z),
            "The probabilities are those at T = 1. Both sides are softened.",
        ),
        Mistake(
            "mean over classes",
            lambda z, v, t: imitation_gradient(z, v, t) / z.shape[1],
            'This is the gradient of `reduction="mean"`, which divides by the number of classes as well.',
        ),
        Mistake(
            "the limit",
            lambda z, v, t: (z - z.mean(1, keepdim=True) - v + v.mean(1, keepdim=True)) / z.shape[1] / len(z),
            "This is the *limit* for a large T, the difference of centred logits over C. At this T the probabilities are asked for.",
        ),
        Mistake(
            "by the teacher's logits",
            lambda z, v, t: _by_autograd(z, v, t, of="teacher"),
            "This is the gradient by the *teacher's* logits. The student's are asked for, and the teacher is a constant.",
        ),
        Mistake(
            "difference of logarithms",
            lambda z, v, t: t * ((z / t).log_softmax(1) - (v / t).log_softmax(1)) / len(z),
            "The *logarithms* of the probabilities are subtracted. The gradient is the difference of the probabilities.",
        ),
        Mistake(
            "KL the other way round",
            lambda z, v, t: _by_autograd(z, v, t, swapped=True),
            "This is the gradient of KL(q ‖ p). The teacher's p stands in front: KL(p ‖ q).",
        ),
        Mistake(
            "always zero",
            lambda z, v, t: torch.zeros_like(z),
            "Zeros came back for every input. Only where student and teacher agree is the gradient zero.",
        ),
    ),
    hints=(
        "Write the loss as a function of u = z / T. What is the derivative by u, and what does the chain rule add?",
        "The skeleton, with blanks:\np = (student_logits / temperature).softmax(dim=1)\n"
        "p = (____ / temperature).softmax(dim=1)\nreturn ____ * (q - p) / ____",
    ),
    takeaway="T · (q − p) / N: for large T the difference is about (z − v) / (C T), and the T cancels.",
)


def _all_rows(labels: Tensor, classes: int, epsilon: float) -> Tensor:
    targets = torch.full((len(labels), classes), epsilon / classes, dtype=torch.float64)
    targets[:, labels] = 1 - epsilon + epsilon / classes
    return targets


def _by_autograd(z: Tensor, v: Tensor, t: float, *, of: str = "student", swapped: bool = False) -> Tensor:
    z, v = z.clone().requires_grad_(), v.clone().requires_grad_()
    log_q, log_p = (z / t).log_softmax(dim=1), (v / t).log_softmax(dim=1)
    log_p, log_q = (log_q, log_p) if swapped else (log_p, log_q)
    loss = t**2 * (log_p.exp() * (log_p - log_q)).sum(dim=1).mean()
    return torch.autograd.grad(loss, v if of == "teacher" else z)[0]


# ---------------------------------------------------------------- all

TASKS = [GRADIENT, SMOOTHED, SOFT, PULL]

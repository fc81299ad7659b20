"""A task of the lesson on cross-entropy: the gradient by hand."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Mistake, Task
from kdcourse.checks.lessons.imitations import imitation_inputs

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
            "This is (q − p) / N: a factor T is missing. T² in front, and *one* 1/T from the chain rule, make T.",
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
        Mistake(
            "T² kept whole",
            lambda z, v, t: imitation_gradient(z, v, t) * t * len(z),
            "T² is there without the 1/T of the chain rule, and nothing is divided by the number of images.",
        ),
        Mistake(
            "no factor, summed",
            lambda z, v, t: imitation_gradient(z, v, t) / t * len(z),
            "This is q − p. The factor T is missing, and the division by the number of images.",
        ),
        Mistake(
            "over the images",
            lambda z, v, t: t * ((z / t).softmax(0) - (v / t).softmax(0)) / len(z),
            "The softmax runs over the images (dim=0). Each row must sum to 1: dim=1.",
        ),
        Mistake(
            "only the student softened",
            lambda z, v, t: t * ((z / t).softmax(1) - v.softmax(1)) / len(z),
            "Only the student is softened. Both sides are divided by T.",
        ),
        Mistake(
            "difference of logits",
            lambda z, v, t: (z - v) / len(z),
            "The logits are subtracted. The gradient is a difference of probabilities.",
        ),
        Mistake(
            "one number for all",
            lambda z, v, t: imitation_gradient(z, v, t).norm(),
            "The gradient's length came back. The gradient has a number for each image and class.",
        ),
        Mistake(
            "one mean for all images",
            lambda z, v, t: imitation_gradient(z, v, t).mean(0, keepdim=True).expand_as(z),
            "Every row got the mean over the images. Each image's row has a gradient of its own.",
        ),
    ),
    hints=(
        "Write the loss as a function of u = z / T. What is the derivative by u, and what does the chain rule add?",
        "The skeleton, with blanks:\np = (student_logits / temperature).softmax(dim=1)\n"
        "p = (____ / temperature).softmax(dim=1)\nreturn ____ * (q - p) / ____",
    ),
    takeaway="T · (q − p) / N: for large T the difference is about (z − v) / (C T), and the T cancels.",
)


def _by_autograd(z: Tensor, v: Tensor, t: float, *, of: str = "student", swapped: bool = False) -> Tensor:
    z, v = z.clone().requires_grad_(), v.clone().requires_grad_()
    log_q, log_p = (z / t).log_softmax(dim=1), (v / t).log_softmax(dim=1)
    log_p, log_q = (log_q, log_p) if swapped else (log_p, log_q)
    loss = t**2 * (log_p.exp() * (log_p - log_q)).sum(dim=1).mean()
    return torch.autograd.grad(loss, v if of == "teacher" else z)[0]

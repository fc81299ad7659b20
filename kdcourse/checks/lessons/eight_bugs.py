"""Exercises: what each bug breaks, a kl_div to mend, the weight that a shrunken loss really has."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons.imitations import buggy, imitation, imitation_inputs

# ---------------------------------------------------------------- eight_bugs.2


IMITATION = Task(
    id="eight_bugs.2",
    title="Debug a kl_div",
    kind="debug",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=("nothing to learn", "one image by hand", "two images by hand", "random", "extreme logits"),
    inputs=imitation_inputs,
    reference=imitation,
    gradient="student_logits",
    judge=close,
    mistakes=(
        Mistake(
            "as given",
            lambda z, v, t: buggy(z, v, t, logs=False, share=False, factor=False),
            "This computes what the given code computes. Three things are wrong; the first: kl_div wants the student's "
            "*logarithms*. (Student and teacher alike must give 0.)",
        ),
        Mistake(
            "logarithms mended",
            lambda z, v, t: buggy(z, v, t, share=False, factor=False),
            'The logarithms are right now. Two bugs are left: `reduction="mean"` divides by the classes too, and T² is missing.',
        ),
        Mistake(
            "T² missing",
            lambda z, v, t: buggy(z, v, t, factor=False),
            "Only T² is missing now: without it the gradient falls as 1/T².",
        ),
        Mistake(
            "mean for batchmean",
            lambda z, v, t: buggy(z, v, t, share=False),
            'The value is the right one divided by the number of classes: `reduction="mean"` where `"batchmean"` is meant.',
        ),
        Mistake(
            "no logarithms",
            lambda z, v, t: buggy(z, v, t, logs=False),
            "kl_div still gets the student's probabilities. It wants their logarithms: `F.log_softmax`.",
        ),
        Mistake(
            "arguments swapped",
            lambda z, v, t: imitation(v, z, t),
            "Student and teacher have changed places: this is KL(q ‖ p). kl_div takes the student's logarithms first, then "
            "the teacher's probabilities.",
        ),
        Mistake(
            "sum",
            lambda z, v, t: len(z) * imitation(z, v, t),
            'The sum over images came back. `"batchmean"` divides by their number.',
        ),
        Mistake(
            "rounded before the logarithm",
            lambda z, v, t: _by_hand(z, v, t, (z / t).softmax(1).log()),
            "The logarithm is taken of the *rounded* softmax: it is −∞ where a probability has rounded to 0. `F.log_softmax` does both at once.",
        ),
        Mistake(
            "logarithms of the teacher",
            lambda z, v, t: t**2 * F.kl_div((z / t).log_softmax(1), (v / t).log_softmax(1), reduction="batchmean"),
            "kl_div gets the teacher's *logarithms*. It wants probabilities there, or `log_target=True`.",
        ),
        Mistake(
            "a little added",
            lambda z, v, t: _by_hand(z, v, t, ((z / t).softmax(1) + 1e-8).log()),
            "A small number is added before the logarithm, which caps the divergence for extreme logits. `F.log_softmax` needs no such help.",
        ),
        Mistake(
            "always zero",
            lambda z, v, t: 0 * z.sum(),
            "Zero came back for every input. Only where student and teacher agree is the divergence zero.",
        ),
        Mistake(
            "not softened",
            lambda z, v, t: t**2 * imitation(z, v, 1.0),
            "The answers are compared at T = 1. Both sides are softened.",
        ),
        Mistake(
            "cross-entropy",
            lambda z, v, t: t**2 * F.cross_entropy(z / t, (v / t).softmax(1)),
            "This is the cross-entropy with soft targets. Its gradient is that of KL, but it is not 0 where both agree.",
        ),
        Mistake("T for T²", lambda z, v, t: imitation(z, v, t) / t, "The factor is T in place of T²."),
        Mistake(
            "the student not softened",
            lambda z, v, t: t**2 * F.kl_div(z.log_softmax(1), (v / t).softmax(1), reduction="batchmean"),
            "The student's logits are not divided by T. Both sides are softened.",
        ),
        Mistake(
            "the teacher not softened",
            lambda z, v, t: t**2 * F.kl_div((z / t).log_softmax(1), v.softmax(1), reduction="batchmean"),
            "The teacher's logits are not divided by T. Both sides are softened.",
        ),
        Mistake(
            "over the images",
            lambda z, v, t: t**2 * F.kl_div((z / t).log_softmax(0), (v / t).softmax(0), reduction="batchmean"),
            "The softmax runs over the images (dim=0). Each row must sum to 1: dim=1.",
        ),
        Mistake(
            "divided by T²",
            lambda z, v, t: imitation(z, v, t) / t**4,
            "The loss is divided by T². It is multiplied by it.",
        ),
        Mistake(
            "one number an image",
            lambda z, v, t: t**2 * F.kl_div((z / t).log_softmax(1), (v / t).softmax(1), reduction="none").sum(1),
            "One number for each image came back. Their mean is asked for.",
        ),
        Mistake(
            "logits on the teacher's side",
            lambda z, v, t: t**2 * F.kl_div((z / t).log_softmax(1), v / t, reduction="batchmean"),
            "The teacher's side is logits, not probabilities: its softmax is missing.",
        ),
        Mistake(
            "divided by the images twice",
            lambda z, v, t: imitation(z, v, t) / len(z),
            '`"batchmean"` has divided by the number of images already; it is divided once more.',
        ),
    ),
    hints=(
        "Begin with the first input: student and teacher agree, so the divergence must be 0. What does the code give there?",
        "The skeleton, with blanks:\nlog_p = F.____(student_logits / temperature, dim=1)\n"
        "p = (teacher_logits / temperature).softmax(dim=1)\nreturn ____ * F.kl_div(____, ____, reduction=____)",
    ),
    takeaway="kl_div: the student's logarithms, then the teacher's probabilities, `\"batchmean\"`, and T² in front.",
)

# ---------------------------------------------------------------- eight_bugs.1

BUGS = (
    "T² left out",
    'reduction="mean" for "batchmean"',
    "student and teacher swapped in kl_div",
    "the student's probabilities for its logarithms",
    "the teacher's logits on both sides",
)


@lru_cache(maxsize=8)
def what_breaks(bug: str) -> tuple[str, str]:
    g = torch.Generator().manual_seed(0)
    student, v = (3 * torch.randn(32, 10, generator=g, dtype=torch.float64) for _ in range(2))

    def pull(wrong: int | None) -> Tensor:
        z, t = student.clone().requires_grad_(), 4.0
        if wrong == 2:
            loss = imitation(v, z, t)
        elif wrong == 4:
            loss = imitation(v + 0 * z, v, t)
        else:
            loss = buggy(z, v, t, factor=wrong != 0, share=wrong != 1, logs=wrong != 3)
        return torch.autograd.grad(loss, z)[0].flatten()

    right, found = pull(None), pull(BUGS.index(bug))
    if float(found.norm()) < 1e-12:
        return "nothing arrives", "length 0"
    cosine, length = float(F.cosine_similarity(found, right, dim=0)), float(found.norm() / right.norm())
    return "direction" if 1 - cosine > 1e-6 else "length", f"{length:.2f} times as long, cosine {cosine:.2f}"


_believing = believer(BUGS, what_breaks)

WHAT_BREAKS = prediction(
    id="eight_bugs.1",
    title="Predict what breaks",
    minutes=5,
    changes=BUGS,
    found=what_breaks,
    answers=("length", "direction", "nothing arrives"),
    mistakes=(
        Mistake(
            "T² turns it",
            _believing(c1="direction"),
            "T² is one number in front of the whole loss. It makes every part of the gradient longer alike.",
        ),
        Mistake(
            "the mean turns it",
            _believing(c2="direction"),
            "Dividing by the number of classes, too, is one factor in front of everything: the direction stays.",
        ),
        Mistake(
            "swapping is harmless",
            _believing(c3="length"),
            "KL(q ‖ p) is another function than KL(p ‖ q), with another way downhill, though both are 0 in the same place.",
        ),
        Mistake(
            "logarithms are only a scale",
            _believing(c4="length"),
            "The derivative of a logarithm is 1/q: without it, each class is weighed by its own probability once more.",
        ),
        Mistake(
            "some gradient is left",
            _believing(c5="direction"),
            "With the teacher on both sides the loss does not depend on the student at all.",
        ),
        Mistake(
            "the teacher on both sides only shrinks it",
            _believing(c5="length"),
            "A shorter arrow is still an arrow. Here the student does not stand in the loss, so there is none.",
        ),
        Mistake(
            "swapping cancels",
            _believing(c3="nothing arrives"),
            "Swapped, the student still stands in the loss, as the probabilities: a gradient arrives.",
        ),
    ),
    hints=(
        "A factor in front of the whole loss changes the length alone. Which of the bugs are such a factor?",
        'The form:\n"T² left out": "____",',
    ),
    takeaway="A factor is a bug of length. Another function is a bug of direction. No student, no gradient.",
)

# ---------------------------------------------------------------- eight_bugs.3


def acting_alpha(alpha: float, factor: float) -> float:
    teacher, labels = alpha * factor, 1 - alpha
    return teacher / (teacher + labels)


def _alpha_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    alpha, factor = (round(float(v), 3) for v in 0.1 + 0.8 * torch.rand(2, generator=g))
    return [(0.5, 1.0), (0.9, 1 / 16), (0.9, 0.1), (0.0, 0.25), (1.0, 0.25), (0.5, 2.0), (alpha, factor)]


ACTING_ALPHA = Task(
    id="eight_bugs.3",
    title="The alpha that acts",
    kind="implement",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=(
        "no bug",
        "T² left out at T = 4",
        "mean over ten classes",
        "labels alone",
        "teacher alone",
        "a factor above 1",
        "random",
    ),
    inputs=_alpha_inputs,
    reference=acting_alpha,
    judge=close,
    mistakes=(
        Mistake(
            "as written",
            lambda a, f: a,
            "This is the alpha that was written: the factor is not used, or it cancels. It changes the teacher's weight alone.",
        ),
        Mistake(
            "not shared out",
            lambda a, f: a * f,
            "The teacher's weight shrinks, and the labels' stays 1 − alpha: divide by the sum of the two, so that they "
            "share 1 again.",
        ),
        Mistake(
            "the labels' share",
            lambda a, f: (1 - a) / (a * f + 1 - a),
            "This is the labels' share. The teacher's is asked for.",
        ),
        Mistake(
            "nothing left for the labels",
            lambda a, f: a * f / (a + f),
            "Two weights act: the teacher's, alpha times the factor, and the labels', 1 − alpha. Neither is the factor itself.",
        ),
        Mistake(
            "the other way",
            lambda a, f: a / f / (a / f + 1 - a),
            "The teacher's weight is divided by the factor. It is multiplied: a factor of 1/16 makes it smaller.",
        ),
        Mistake(
            "a ratio",
            lambda a, f: a * f / (1 - a),
            "This is the ratio of the two weights. A share is a part of the whole: divide by their *sum*.",
        ),
        Mistake(
            "rounded",
            lambda a, f: round(acting_alpha(a, f), 2),
            "The share is rounded to two digits. Return it as it is.",
        ),
        Mistake("the example's 0.36", lambda a, f: 0.36, "0.36, the example's answer, came back for every input."),
        Mistake(
            "labels at full weight",
            lambda a, f: a * f / (a * f + 1),
            "The labels' weight is taken for 1. It is 1 − alpha.",
        ),
        Mistake(
            "always 1/16",
            lambda a, f: acting_alpha(a, 1 / 16),
            "The factor is taken for 1/16 each time. It is an argument.",
        ),
        Mistake(
            "brackets missing",
            lambda a, f: a * f / a * f + (1 - a),
            "Brackets are missing: without them only the first factor below the line divides. `teacher / (teacher + labels)`.",
        ),
        Mistake(
            "brackets missing in the sum",
            lambda a, f: (a * f) / (a * f) + (1 - a),
            "Brackets are missing around the sum: `teacher / (teacher + labels)`.",
        ),
        Mistake(
            "a square of the factor",
            lambda a, f: a * f**2 / (a * f**2 + 1 - a),
            "The factor is squared. It is already the whole factor, 1/16 where T² is left out at T = 4.",
        ),
        Mistake(
            "at most 1",
            lambda a, f: a * min(1.0, f) / (a * min(1.0, f) + 1 - a),
            "A factor above 1 is cut to 1. It makes the teacher's part larger.",
        ),
    ),
    hints=(
        "Write down the two weights that really act: the teacher's and the labels'. What is the teacher's share of their sum?",
        "The skeleton, with blanks:\nteacher, labels = alpha * ____, 1 - ____\nreturn teacher / (____ + ____)",
    ),
    takeaway="A shrunken loss is a changed alpha: 0.9 without T² at T = 4 acts like 0.36.",
)


def _by_hand(z: Tensor, v: Tensor, t: float, log_q: Tensor) -> Tensor:
    p = (v / t).softmax(dim=1)
    return t**2 * (p * ((v / t).log_softmax(dim=1) - log_q)).sum(dim=1).mean()


# ---------------------------------------------------------------- all

TASKS = [WHAT_BREAKS, IMITATION, ACTING_ALPHA]

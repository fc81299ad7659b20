"""Exercises: what is left of a gap, the gap recovered, a comparison to mend, a student that trusts itself."""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import gains

# ---------------------------------------------------------------- directions.1

CASES = {
    "weak 60 %, strong student 70 %, ceiling 80 %": (0.6, 0.7, 0.8),
    "weak 60 %, strong student 60 %, ceiling 80 %": (0.6, 0.6, 0.8),
    "weak 60 %, strong student 55 %, ceiling 80 %": (0.6, 0.55, 0.8),
    "weak 60 %, strong student 81 %, ceiling 80 %": (0.6, 0.81, 0.8),
    "weak 80 %, strong student 85 %, ceiling 80 %": (0.8, 0.85, 0.8),
}


def is_recovered(case: str) -> tuple[str, str]:
    weak, student, ceiling = CASES[case]
    if ceiling <= weak:
        return "there is no gap", f"{ceiling:.2f} − {weak:.2f} = 0"
    share = (student - weak) / (ceiling - weak)
    word = (
        "nothing"
        if abs(share) < 1e-9
        else "less than nothing"
        if share < 0
        else "all and more"
        if share >= 1
        else "a part"
    )
    return word, f"{share:.0%}"


_believing = believer(tuple(CASES), is_recovered)

RECOVERED = prediction(
    id="directions.1",
    title="Predict what is recovered",
    minutes=4,
    changes=tuple(CASES),
    found=is_recovered,
    answers=("nothing", "a part", "all and more", "less than nothing", "there is no gap"),
    mistakes=(
        Mistake(
            "10 points are nothing",
            _believing(c1="nothing"),
            "The student stands half-way between the weak one and the ceiling: half of the gap is recovered.",
        ),
        Mistake(
            "equal to its teacher is a part",
            _believing(c2="a part"),
            "A student that is as good as its weak teacher has recovered nothing of the gap above it.",
        ),
        Mistake(
            "worse than its teacher is nothing",
            _believing(c3="nothing"),
            "The student is *worse* than the weak one: (55 − 60) / (80 − 60) is below zero.",
        ),
        Mistake(
            "above the ceiling is impossible",
            _believing(c4="a part"),
            "A ceiling is only a training with true labels. A student may pass it, by luck or because weak answers are soft.",
        ),
        Mistake(
            "a share of no gap",
            _believing(c5="all and more"),
            "The ceiling is no better than the weak one, so there is no gap, and a share of nothing has no meaning.",
        ),
    ),
    hints=(
        "The gap reaches from the weak one to the ceiling. Where in it does the student stand?",
        'The form:\n"weak 60 %, strong student 70 %, ceiling 80 %": "____",',
    ),
    takeaway="Gap recovered = (student − weak) / (ceiling − weak): 0 is the weak one, 1 the ceiling.",
)

# ---------------------------------------------------------------- directions.4


def confident(student_logits: Tensor, weak_probabilities: Tensor, alpha: float) -> Tensor:
    own = student_logits.argmax(dim=1)
    return (1 - alpha) * F.cross_entropy(student_logits, weak_probabilities) + alpha * F.cross_entropy(
        student_logits, own
    )


def _confident_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    soft = torch.randn(6, 10, generator=g).softmax(dim=1)
    return [
        (torch.zeros(1, 2), torch.tensor([[0.9, 0.1]]), 0.5),
        (torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.6, 0.3, 0.1]]), 0.0),
        (torch.tensor([[0.0, 3.0]]).log1p(), torch.tensor([[1.0, 0.0]]), 1.0),
        (torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 3.0]]), torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]), 0.5),
        (3 * torch.randn(6, 10, generator=g), soft, 0.3),
        (800 * torch.randn(6, 10, generator=g), soft, 0.75),
    ]


def _confident(
    z: Tensor, w: Tensor, a: float, *, hard: bool = False, soft_self: bool = False, swapped: bool = False,
    share: bool = True, whose: bool = False,
) -> Tensor:  # fmt: skip
    """The answer with mistakes left in it."""
    told = w.argmax(dim=1) if hard else w
    own = z.softmax(dim=1).detach() if soft_self else (w if whose else z).argmax(dim=1)
    first, second = F.cross_entropy(z, told), F.cross_entropy(z, own)
    if swapped:
        first, second = second, first
    return ((1 - a) if share else 1.0) * first + a * second


def _over_images(z: Tensor, w: Tensor, a: float) -> Tensor:
    log_q = z.log_softmax(dim=0)
    own = F.one_hot(z.argmax(dim=1), z.shape[1])
    return -((1 - a) * (w * log_q).sum(dim=1) + a * (own * log_q).sum(dim=1)).mean()


CONFIDENT = Task(
    id="directions.4",
    title="A student that trusts itself",
    kind="implement",
    difficulty="stretch",
    minutes=10,
    points=3,
    rungs=("by hand", "the weak one alone", "itself alone", "half and half", "random", "extreme logits"),
    inputs=_confident_inputs,
    reference=confident,
    gradient="student_logits",
    judge=close,
    mistakes=(
        Mistake(
            "the weak one hardened",
            lambda z, w, a: _confident(z, w, a, hard=True),
            "The weak one's *favourite* is taken for its answer. Its probabilities are asked for: they say how sure it is.",
        ),
        Mistake(
            "itself softly",
            lambda z, w, a: _confident(z, w, a, soft_self=True),
            "The student is compared with its own probabilities, which asks for nothing new. Its own *class*, hardened, is asked for.",
        ),
        Mistake(
            "weights exchanged",
            lambda z, w, a: _confident(z, w, a, swapped=True),
            "The weights have changed places: alpha belongs to the student's own class.",
        ),
        Mistake(
            "not shared out",
            lambda z, w, a: _confident(z, w, a, share=False),
            "The weak one keeps its full weight. It has 1 − alpha.",
        ),
        Mistake(
            "the weak one's class for its own",
            lambda z, w, a: _confident(z, w, a, whose=True),
            "The second term takes the weak one's class. It takes the *student's* own.",
        ),
        Mistake(
            "the weak one alone",
            lambda z, w, a: F.cross_entropy(z, w),
            "Only the weak one's answers are there. The student's own class is missing.",
        ),
        Mistake(
            "itself alone",
            lambda z, w, a: F.cross_entropy(z, z.argmax(dim=1)),
            "Only the student's own class is there. The weak one's answers are missing.",
        ),
        Mistake(
            "summed over images",
            lambda z, w, a: len(z) * confident(z, w, a),
            "The sum over images came back. Their mean is asked for.",
        ),
        Mistake(
            "a divergence",
            lambda z, w, a: confident(z, w, a) - (1 - a) * torch.special.entr(w).sum(dim=1).mean(),
            "The first term is the KL divergence. The cross-entropy is asked for, which is larger by the weak answer's entropy.",
        ),
        Mistake(
            "logarithm of a rounded softmax",
            lambda z, w, a: (1 - a) * -(w * z.softmax(1).log()).sum(1).mean() - a * z.softmax(1).log().amax(1).mean(),
            "A logarithm is taken of a softmax that has rounded to 0. `F.cross_entropy` takes logits.",
        ),
        Mistake(
            "the mean over classes, too",
            lambda z, w, a: (1 - a) * F.cross_entropy(z, w) / z.shape[1] + a * F.cross_entropy(z, z.argmax(dim=1)),
            "The first part is a mean over images *and* classes. Add the classes up; the mean is over images alone.",
        ),
        Mistake(
            "two softmaxes",
            lambda z, w, a: confident(z.softmax(dim=1), w, a),
            "`F.cross_entropy` takes logits and has a softmax inside. Here it gets probabilities, so there are two.",
        ),
        Mistake(
            "softmax over images",
            lambda z, w, a: _over_images(z, w, a),
            "The softmax runs over the images. It belongs over the classes, dim=1.",
        ),
        Mistake(
            "the wrong way round",
            lambda z, w, a: (
                (1 - a) * -(z.softmax(1) * w.clamp_min(1e-12).log()).sum(1).mean() + a * F.cross_entropy(z, z.argmax(1))
            ),
            "The first part is turned round: the logarithm is taken of the weak one's probabilities. It belongs to the "
            "student's, and the weak one's stand in front.",
        ),
        Mistake(
            "a tie twice",
            lambda z, w, a: (
                (1 - a) * F.cross_entropy(z, w) - a * ((z == z.amax(1, keepdim=True)) * z.log_softmax(1)).sum(1).mean()
            ),
            "Where two logits tie for the largest, both classes count. The first one is the student's own.",
        ),
        Mistake("always zero", lambda z, w, a: 0 * z.sum(), "Zero came back for every input."),
        Mistake(
            "one number an image",
            lambda z, w, a: (
                (1 - a) * F.cross_entropy(z, w, reduction="none")
                + a * F.cross_entropy(z, z.argmax(1), reduction="none")
            ),
            "One number for each image came back. Their mean is asked for.",
        ),
    ),
    hints=(
        "`F.cross_entropy` takes logits first, and probabilities or class numbers second. Which is needed where?",
        "The skeleton, with blanks:\nown = student_logits.____(dim=1)\nreturn (1 - alpha) * F.cross_entropy(student_logits, ____) + ____ * F.cross_entropy(student_logits, own)",
    ),
    takeaway="A strong student may know better than its weak teacher. The second term lets it believe itself.",
)

# ---------------------------------------------------------------- all

TASKS = [RECOVERED, gains.GAP, gains.GAIN, CONFIDENT]

"""Standardised logits as an exercise: a loss with three bugs, to be mended."""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["STANDARDISED", "mended"]


def mended(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    ours, theirs = (
        (z - z.mean(dim=1, keepdim=True)) / z.std(dim=1, keepdim=True) for z in (student_logits, teacher_logits)
    )
    log_q, p = F.log_softmax(ours / temperature, dim=1), F.softmax(theirs / temperature, dim=1)
    return temperature**2 * F.kl_div(log_q, p, reduction="batchmean")


def _mended(
    s: Tensor, t: Tensor, temperature: float, *, rows: bool = True, both: bool = True, factor: bool = True,
    scaled: bool = True, own: bool = True,
) -> Tensor:  # fmt: skip
    """The loss with bugs left in it."""

    def z(logits: Tensor, model: Tensor) -> Tensor:
        among = model if rows else model.flatten()[None]
        mean, spread = among.mean(dim=1, keepdim=True), among.std(dim=1, keepdim=True)
        return (logits - mean) / (spread if scaled else 1)

    ours, theirs = z(s, s if own else t), z(t, t) if both else t
    log_q, p = F.log_softmax(ours / temperature, dim=1), F.softmax(theirs / temperature, dim=1)
    return (temperature**2 if factor else 1) * F.kl_div(log_q, p, reduction="batchmean")


def _standardised_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    v = torch.tensor([[12.0, 6.0, 0.0]])
    return [
        (0.5 * v, v, 2.0),
        (v + 5, v, 2.0),
        (torch.tensor([[1.0, 3.0, 2.0]]), v, 1.0),
        (torch.tensor([[1.0, 3.0, 2.0], [60.0, 30.0, 0.0]]), torch.cat([v, v / 4]), 2.0),
        (3 * torch.randn(6, 10, generator=g), 5 * torch.randn(6, 10, generator=g) + 2, 3.0),
    ]


STANDARDISED = Task(
    id="what_else.3",
    title="Debug a standardised loss",
    kind="debug",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=("half as large", "5 added", "one image by hand", "two images of unequal size", "random"),
    inputs=_standardised_inputs,
    reference=mended,
    gradient="student_logits",
    judge=close,
    mistakes=(
        Mistake(
            "as given",
            lambda s, t, T: _mended(s, t, T, rows=False, both=False, factor=False),
            "This computes what the given code computes. Three things are wrong; the first: whose mean and spread are taken?",
        ),
        Mistake(
            "rows mended",
            lambda s, t, T: _mended(s, t, T, both=False, factor=False),
            "Each image has its own mean and spread now. Two bugs are left: the teacher's logits are not standardised, and T² is missing.",
        ),
        Mistake(
            "the teacher mended",
            lambda s, t, T: _mended(s, t, T, rows=False, factor=False),
            "Both sides are standardised now. Two bugs are left: mean and spread run over the whole batch, and T² is missing.",
        ),
        Mistake(
            "T² mended",
            lambda s, t, T: _mended(s, t, T, rows=False, both=False),
            "T² is there now. Two bugs are left: mean and spread run over the whole batch, and the teacher's logits are not standardised.",
        ),
        Mistake(
            "T² missing",
            lambda s, t, T: _mended(s, t, T, factor=False),
            "Only T² is missing now.",
        ),
        Mistake(
            "the teacher as it is",
            lambda s, t, T: _mended(s, t, T, both=False),
            "Only the student's logits are standardised. The teacher's must be, too.",
        ),
        Mistake(
            "over the batch",
            lambda s, t, T: _mended(s, t, T, rows=False),
            "One spread is taken for the whole batch. Each image has its own mean and spread: dim=1, keepdim=True.",
        ),
        Mistake(
            "not scaled",
            lambda s, t, T: _mended(s, t, T, scaled=False),
            "The spread is not divided away: the size of the logits stays. (Taking off the mean alone changes nothing, since a softmax does not see it.)",
        ),
        Mistake(
            "the teacher's spread for both",
            lambda s, t, T: _mended(s, t, T, own=False),
            "The student's logits are standardised by the *teacher's* mean and spread. Each side has its own.",
        ),
        Mistake(
            "softened before",
            lambda s, t, T: T**2 * F.kl_div(*_z_pair(s, t, 1.0), reduction="batchmean"),
            "T is divided away again: standardise first, *then* divide by T. (The spread of z / T is the spread of z over T.)",
        ),
        Mistake(
            "log_target",
            lambda s, t, T: T**2 * F.kl_div(*_z_pair(s, t, T), reduction="batchmean", log_target=True),
            "`log_target=True` says that the teacher's side holds logarithms. It holds probabilities.",
        ),
        Mistake(
            "over the images",
            lambda s, t, T: _over_images(s, t, T),
            "Mean and spread run over the images (dim=0). They run over the classes of one image: dim=1.",
        ),
        Mistake(
            "spread over n",
            lambda s, t, T: _spread(s, t, T, correction=0),
            "The spread divides by n. `logits.std(dim=1)` divides by n − 1, and so does the task.",
        ),
        Mistake(
            "variance for spread",
            lambda s, t, T: _spread(s, t, T, squared=True),
            "The logits are divided by the variance. Divide by its root, the standard deviation.",
        ),
        Mistake(
            "arguments swapped",
            lambda s, t, T: mended(t, s, T),
            "Student and teacher have changed places.",
        ),
        Mistake(
            "the mean over classes too",
            lambda s, t, T: mended(s, t, T) / s.shape[1],
            '`reduction="mean"` divides by the classes, too. `"batchmean"` was right.',
        ),
        Mistake(
            "T for T²",
            lambda s, t, T: mended(s, t, T) / T,
            "The factor is T in place of T².",
        ),
        Mistake(
            "length for spread",
            lambda s, t, T: _by_length(s, t, T),
            "The logits are divided by their length. Divide by their standard deviation.",
        ),
    ),
    hints=(
        "Look at the two images of unequal size: what do `logits.mean()` and `logits.std()` run over?",
        "The skeleton, with blanks:\ndef z(logits):\n    return (logits - logits.mean(dim=____, keepdim=True)) / logits.____(dim=____, keepdim=True)\n"
        "log_q = F.log_softmax(z(student_logits) / temperature, dim=1)\np = F.softmax(____ / temperature, dim=1)\n"
        'return ____ * F.kl_div(log_q, p, reduction="batchmean")',
    ),
    takeaway="Each image's logits, on both sides, by their own mean and spread; then softened, then T².",
)


def _spread(s: Tensor, t: Tensor, T: float, *, correction: int = 1, squared: bool = False) -> Tensor:
    ours, theirs = (
        (z - z.mean(dim=1, keepdim=True)) / z.std(dim=1, keepdim=True, correction=correction) ** (2 if squared else 1)
        for z in (s, t)
    )
    return T**2 * F.kl_div(F.log_softmax(ours / T, 1), F.softmax(theirs / T, 1), reduction="batchmean")


def _z_pair(s: Tensor, t: Tensor, T: float) -> tuple[Tensor, Tensor]:
    ours, theirs = ((z - z.mean(dim=1, keepdim=True)) / z.std(dim=1, keepdim=True) / T for z in (s, t))
    return F.log_softmax(ours, dim=1), F.softmax(theirs, dim=1)


def _by_length(s: Tensor, t: Tensor, T: float) -> Tensor:
    ours, theirs = (F.normalize(z - z.mean(dim=1, keepdim=True), dim=1) for z in (s, t))
    return T**2 * F.kl_div(F.log_softmax(ours / T, 1), F.softmax(theirs / T, 1), reduction="batchmean")


def _over_images(s: Tensor, t: Tensor, T: float) -> Tensor:
    ours, theirs = ((z - z.mean(dim=0)) / z.std(dim=0) for z in (s, t))
    return T**2 * F.kl_div(F.log_softmax(ours / T, 1), F.softmax(theirs / T, 1), reduction="batchmean")

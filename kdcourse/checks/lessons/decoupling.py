"""The decoupled loss as an exercise: two parts of one divergence, each with its own weight."""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons.imitations import imitation

__all__ = ["DECOUPLED", "decoupled"]


def decoupled(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float, target: float, others: float
) -> Tensor:
    known = F.one_hot(labels, student_logits.shape[1]).bool()
    both = [logits / temperature for logits in (student_logits, teacher_logits)]
    pairs = [(z[known][:, None], z[~known].view(len(z), -1)) for z in both]
    two = [torch.cat([own, rest.logsumexp(dim=1, keepdim=True)], dim=1) for own, rest in pairs]
    (q, q_rest), (p, p_rest) = (
        (t.log_softmax(dim=1), rest.log_softmax(dim=1)) for t, (_, rest) in zip(two, pairs, strict=True)
    )
    tckd = F.kl_div(q, p, reduction="batchmean", log_target=True)
    nckd = F.kl_div(q_rest, p_rest, reduction="batchmean", log_target=True)
    return temperature**2 * (target * tckd + others * nckd)


def _parts(
    s: Tensor, t: Tensor, y: Tensor, T: float, *, softened: bool = True, swapped: bool = False, careless: bool = False,
    renormalised: bool = True, argmax: bool = False, whose: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """TCKD, NCKD and (1 - p), one value an image, with mistakes left in them."""
    scale = T if softened else 1.0
    label = t.argmax(dim=1) if argmax else y
    known = F.one_hot(label, s.shape[1]).bool()

    def split(logits: Tensor) -> tuple[Tensor, Tensor]:
        log_p = (logits / scale).softmax(1).log() if careless else F.log_softmax(logits / scale, dim=1)
        own, other = log_p[known], log_p[~known].view(len(logits), -1)
        rest = (1 - own.exp()).log() if careless else other.logsumexp(dim=1)
        return torch.stack([own, rest], dim=1), other - (rest[:, None] if renormalised else 0)

    (q, q_other), (p, p_other) = split(s), split(t)
    if swapped:
        (q, q_other), (p, p_other) = (p, p_other), (q, q_other)
    share = (q if whose else p)[:, 1].exp()
    return (p.exp() * (p - q)).sum(dim=1), (p_other.exp() * (p_other - q_other)).sum(dim=1), share


def _inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    two, three = torch.tensor([2.0, 3.0]).log().tolist()
    equal = torch.tensor([[2.0, 0.0, -1.0]])
    extreme = torch.tensor([[600.0, -600.0, 0.0, 20.0], [0.0, 500.0, -100.0, -400.0], [-400.0, -100.0, 0.0, 600.0]])
    labels = torch.randint(10, (6,), generator=g)
    return [
        (equal, equal, torch.tensor([0]), 2.0, 1.0, 8.0),
        (torch.zeros(1, 3), torch.tensor([[two, 0.0, 0.0]]), torch.tensor([0]), 1.0, 1.0, 8.0),
        (torch.zeros(1, 3), torch.tensor([[0.0, three, 0.0]]), torch.tensor([0]), 1.0, 1.0, 8.0),
        (torch.zeros(2, 3), torch.tensor([[0.0, 0.0, 2 * two], [2 * three, 0.0, 0.0]]), torch.tensor([2, 1]), 2.0, 1.0, 2.0),
        (2 * torch.randn(6, 10, generator=g), 3 * torch.randn(6, 10, generator=g), labels, 4.0, 1.0, 8.0),
        (2 * torch.randn(6, 10, generator=g), 3 * torch.randn(6, 10, generator=g), labels, 3.0, 0.5, 2.0),
        (extreme, extreme.flip(1) / 2 + extreme / 3, torch.tensor([0, 1, 3]), 0.5, 1.0, 8.0),
    ]  # fmt: skip


def _sum(s: Tensor, t: Tensor, y: Tensor, T: float, a: float, b: float, *, factor: float = 2.0, **how: bool) -> Tensor:
    tckd, nckd, _ = _parts(s, t, y, T, **how)
    return T**factor * (a * tckd + b * nckd).mean()


def _coupled(s: Tensor, t: Tensor, y: Tensor, T: float, a: float, b: float, *, whose: bool = False) -> Tensor:
    tckd, nckd, share = _parts(s, t, y, T, whose=whose)
    return T**2 * (a * tckd + b * share * nckd).mean()


def _masked(s: Tensor, t: Tensor, y: Tensor, T: float, a: float, b: float) -> Tensor:
    """The label's logit made 0 and not taken out: a class too many among the others."""
    known = F.one_hot(y, s.shape[1]).bool()
    q, p = (F.log_softmax((z / T).masked_fill(known, 0.0), dim=1) for z in (s, t))
    tckd, _, _ = _parts(s, t, y, T)
    return T**2 * (a * tckd.mean() + b * F.kl_div(q, p, reduction="batchmean", log_target=True))


DECOUPLED = Task(
    id="what_else.5",
    title="The decoupled loss",
    kind="implement",
    difficulty="stretch",
    minutes=15,
    points=4,
    rungs=(
        "nothing to learn",
        "the label against the rest",
        "both parts by hand",
        "two images",
        "random",
        "other weights",
        "extreme logits",
    ),
    inputs=_inputs,
    reference=decoupled,
    gradient="student_logits",
    judge=close,
    mistakes=(
        Mistake(
            "coupled",
            _coupled,
            "The second part is still multiplied by 1 − p, the teacher's doubt. That is what this loss takes away.",
        ),
        Mistake(
            "coupled by the student",
            lambda *x: _coupled(*x, whose=True),
            "The second part is multiplied by the *student's* 1 − q. It has no factor but `others`.",
        ),
        Mistake(
            "not renormalised",
            lambda *x: _sum(*x, renormalised=False),
            "The other classes' probabilities do not add up to 1. Divide them by their sum, which is 1 minus the label's: a softmax over these logits alone.",
        ),
        Mistake(
            "T² missing",
            lambda *x: _sum(*x, factor=0.0),
            "T² in front of both parts is missing.",
        ),
        Mistake("T for T²", lambda *x: _sum(*x, factor=1.0), "The factor is T in place of T²."),
        Mistake(
            "arguments swapped",
            lambda *x: _sum(*x, swapped=True),
            "Student and teacher have changed places: this is KL(q ‖ p) of both parts.",
        ),
        Mistake(
            "not softened",
            lambda *x: _sum(*x, softened=False),
            "The logits are not divided by T. Both sides are softened first.",
        ),
        Mistake(
            "weights swapped",
            lambda s, t, y, T, a, b: _sum(s, t, y, T, b, a),
            "The two weights have changed places: `target` belongs to the label against the rest.",
        ),
        Mistake(
            "the first part alone",
            lambda s, t, y, T, a, b: _sum(s, t, y, T, a, 0.0),
            "Only the first part, the label against the rest, is there.",
        ),
        Mistake(
            "the second part alone",
            lambda s, t, y, T, a, b: _sum(s, t, y, T, 0.0, b),
            "Only the second part, the others among themselves, is there.",
        ),
        Mistake(
            "no weights",
            lambda s, t, y, T, a, b: _sum(s, t, y, T, 1.0, 1.0),
            "The weights `target` and `others` are not used.",
        ),
        Mistake(
            "plain",
            lambda s, t, y, T, a, b: imitation(s, t, T),
            "These are plain soft targets: the whole answer, not its parts.",
        ),
        Mistake(
            "the teacher's favourite",
            lambda *x: _sum(*x, argmax=True),
            "The answer is taken apart at the teacher's favourite class. It is taken apart at the *label*.",
        ),
        Mistake(
            "the label's logit made 0",
            _masked,
            "The label's logit is set to 0 and stays among the others, whose probabilities then do not add up to 1. Take it out, or set it to −∞.",
        ),
        Mistake(
            "summed over images",
            lambda s, *x: len(s) * _sum(s, *x),
            "The sum over images came back. Their mean is asked for.",
        ),
        Mistake(
            "the mean over classes too",
            lambda s, t, y, T, a, b: _class_means(s, t, y, T, a, b),
            '`reduction="mean"` divides each part by its number of classes, too: `"batchmean"`.',
        ),
        Mistake(
            "logarithms of rounded numbers",
            lambda *x: _sum(*x, careless=True),
            "A logarithm is taken of a probability that has rounded to 0, or of 1 minus one that has rounded to 1. "
            "Stay with logarithms: `log_softmax`, and `logsumexp` for the rest.",
        ),
        Mistake(
            "the first part without the rest",
            lambda *x: _half(*x),
            "The first part is p·(log p − log q) of the label alone. The rest has such a term, too: two classes, two terms.",
        ),
        Mistake(
            "cut off at a small number",
            lambda *x: _clamped(*x),
            "Probabilities are kept above a small number before the logarithm, which caps the loss for extreme logits. `log_softmax` and `logsumexp` need no such floor.",
        ),
        Mistake(
            "a bracket missing",
            lambda s, t, y, T, a, b: (T**2 * a * _parts(s, t, y, T)[0] + b * _parts(s, t, y, T)[1]).mean(),
            "T² multiplies the first part alone: a bracket is missing around the sum.",
        ),
        Mistake(
            "one softmax for the batch",
            lambda *x: _flattened(*x),
            "A mask flattens: after `logits[mask]` the others of all images stand in one row, and one softmax runs over all of them. `.view(len(logits), -1)` makes rows again.",
        ),
        Mistake(
            "taken out by its value",
            lambda *x: _by_value(*x),
            "The label is taken out by the *value* of its logit, so a class with an equal logit goes with it. Take it out by its number: `F.one_hot(labels, classes).bool()`.",
        ),
        Mistake(
            "−∞ against −∞",
            lambda *x: _infinite(*x),
            "With −∞ at the label both sides are −∞ there, and 0 · (−∞ − (−∞)) is NaN. Take the label out of the row, and use the others only.",
        ),
        Mistake(
            "pushed down too little",
            lambda *x: _pushed(*x),
            "The label's logit is pushed down by a large number, and not out of reach of logits of several hundreds. Take it out of the row.",
        ),
        Mistake("always zero", lambda s, *x: 0 * s.sum(), "Zero came back for every input."),
        Mistake(
            "one number an image",
            lambda s, t, y, T, a, b: T**2 * (a * _parts(s, t, y, T)[0] + b * _parts(s, t, y, T)[1]),
            "One number for each image came back. Their mean is asked for.",
        ),
    ),
    hints=(
        "Work with logits. The rest as *one* class has the logit `other.logsumexp(dim=1)`; the others among themselves are a softmax of `other`.",
        "The skeleton, with blanks:\nknown = F.one_hot(labels, classes).bool()\nown, other = logits[known][:, None], logits[____].view(len(logits), -1)\n"
        "against_rest = torch.cat([own, ____], dim=1)\n# log_softmax of both, for student and teacher; two kl_div with log_target=True\n"
        "return temperature**2 * (target * ____ + others * ____)",
    ),
    takeaway="KL = TCKD + (1 − p) NCKD. Decoupling replaces the teacher's doubt 1 − p by a number that you choose.",
)


def _class_means(s: Tensor, t: Tensor, y: Tensor, T: float, a: float, b: float) -> Tensor:
    tckd, nckd, _ = _parts(s, t, y, T)
    return T**2 * (a * tckd / 2 + b * nckd / (s.shape[1] - 1)).mean()


def _half(s: Tensor, t: Tensor, y: Tensor, T: float, a: float, b: float) -> Tensor:
    q, p = (F.log_softmax(z / T, dim=1).gather(1, y[:, None])[:, 0] for z in (s, t))
    return T**2 * (a * p.exp() * (p - q) + b * _parts(s, t, y, T)[1]).mean()


def _clamped(s: Tensor, t: Tensor, y: Tensor, T: float, a: float, b: float) -> Tensor:
    known = F.one_hot(y, s.shape[1]).bool()

    def split(logits: Tensor) -> tuple[Tensor, Tensor]:
        probabilities = (logits / T).softmax(dim=1)
        own, other = probabilities[known], probabilities[~known].view(len(logits), -1)
        two = torch.stack([own, 1 - own], dim=1)
        return two.clamp(min=1e-8), (other / other.sum(dim=1, keepdim=True).clamp(min=1e-8)).clamp(min=1e-8)

    (q, q_other), (p, p_other) = split(s), split(t)
    tckd, nckd = (p * (p / q).log()).sum(dim=1), (p_other * (p_other / q_other).log()).sum(dim=1)
    return T**2 * (a * tckd + b * nckd).mean()


def _flattened(s: Tensor, t: Tensor, y: Tensor, T: float, a: float, b: float) -> Tensor:
    known = F.one_hot(y, s.shape[1]).bool()
    q, p = (F.log_softmax((z / T)[~known], dim=0) for z in (s, t))
    return T**2 * (a * _parts(s, t, y, T)[0].mean() + b * (p.exp() * (p - q)).sum() / len(s))


def _by_value(s: Tensor, t: Tensor, y: Tensor, T: float, a: float, b: float) -> Tensor:
    def others(logits: Tensor) -> Tensor:
        own = logits.gather(1, y[:, None])
        return F.log_softmax((logits / T).masked_fill(logits == own, -1e9), dim=1)

    q, p = others(s), others(t)
    return T**2 * (a * _parts(s, t, y, T)[0] + b * (p.exp() * (p - q)).sum(dim=1)).mean()


def _infinite(s: Tensor, t: Tensor, y: Tensor, T: float, a: float, b: float) -> Tensor:
    known = F.one_hot(y, s.shape[1]).bool()
    q, p = (F.log_softmax((z / T).masked_fill(known, -torch.inf), dim=1) for z in (s, t))
    return T**2 * (a * _parts(s, t, y, T)[0] + b * (p.exp() * (p - q)).sum(dim=1)).mean()


def _pushed(s: Tensor, t: Tensor, y: Tensor, T: float, a: float, b: float) -> Tensor:
    known = F.one_hot(y, s.shape[1])
    q, p = (F.log_softmax(z / T - 1000.0 * known, dim=1) for z in (s, t))
    return T**2 * (a * _parts(s, t, y, T)[0] + b * (p.exp() * (p - q)).sum(dim=1)).mean()

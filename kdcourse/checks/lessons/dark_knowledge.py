"""Exercises: temperature, entropy, a control that knows classes only."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import controls

# ---------------------------------------------------------------- dark_knowledge.1


def softened(logits: Tensor, temperature: float) -> Tensor:
    z = logits / temperature
    z = z - z.max(dim=1, keepdim=True).values  # nothing above exp(0) = 1, so nothing overflows
    return z.exp() / z.exp().sum(dim=1, keepdim=True)


def _softened_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    two, four = torch.tensor([2.0, 4.0]).log().tolist()
    return [
        (torch.zeros(2, 3), 1.0),
        (torch.tensor([[0.0, two, four]]), 1.0),
        (torch.tensor([[0.0, 2 * two, 2 * four]]), 2.0),
        (3 * torch.randn(5, 10, generator=g), 4.0),
        (torch.randn(4, 10, generator=g), 0.5),
        (torch.tensor([[3000.0, 2999.0, 0.0], [-1000.0, -999.0, -998.0]]), 1.0),
        (torch.tensor([[1000.0, 800.0, 0.0], [-1000.0, -1100.0, -2000.0]]), 100.0),
    ]


SOFTENED = Task(
    id="dark_knowledge.1",
    title="Soften an answer",
    kind="implement",
    difficulty="warm-up",
    minutes=5,
    points=2,
    rungs=(
        "all logits equal",
        "by hand",
        "by hand, T = 2",
        "random, T = 4",
        "random, T = 0.5",
        "huge logits",
        "huge logits, T = 100",
    ),
    inputs=_softened_inputs,
    reference=softened,
    judge=close,
    mistakes=(
        Mistake(
            "no temperature",
            lambda z, t: z.softmax(1),
            "These are the probabilities at T = 1: the temperature is not used, or it cancels. Divide the logits by it.",
        ),
        Mistake(
            "multiplied",
            lambda z, t: (z * t).softmax(1),
            "The logits are multiplied by T where they must be divided: a high temperature must flatten the answer.",
        ),
        Mistake(
            "over the images",
            lambda z, t: (z / t).softmax(0),
            "The softmax runs over the images (dim=0). Each image's own row must sum to 1: dim=1.",
        ),
        Mistake(
            "T after the softmax",
            lambda z, t: z.softmax(1) / t,
            "The probabilities are divided by T, so they no longer sum to 1. Divide the logits, before the softmax.",
        ),
        Mistake(
            "overflow",
            lambda z, t: (z / t).exp() / (z / t).exp().sum(1, keepdim=True),
            "Right until the logits are large: exp(1000) is infinite, and infinity by infinity is NaN. Subtract the "
            "row's maximum first; it cancels in the fraction.",
        ),
        Mistake("logarithm", lambda z, t: (z / t).log_softmax(1), "These are log-probabilities. Take softmax."),
        Mistake(
            "keepdim forgotten",
            lambda z, t: _shares((z / t - (z / t).max(1, keepdim=True).values).exp(), keepdim=False),
            "`keepdim=True` is missing in the sum: each row must be divided by its own sum, and those sums must stay a column.",
        ),
        Mistake(
            "the batch's maximum",
            lambda z, t: _shares((z / t - (z / t).max()).exp()),
            "The largest logit of the whole *batch* is subtracted. A row that lies far below it becomes 0 / 0: subtract each row's own maximum.",
        ),
        Mistake(
            "exponents cut off",
            lambda z, t: _shares((z / t).clamp(max=80).exp()),
            "The exponents are cut off, so two large logits that differ come out equal. Subtracting the row's maximum loses nothing.",
        ),
        Mistake(
            "every class alike",
            lambda z, t: torch.full_like(z, 1 / z.shape[1]),
            "Every class gets the same probability, whatever the logits say.",
        ),
        Mistake(
            "powers of the probabilities",
            lambda z, t: _shares(z.softmax(1) ** (1 / t)),
            "The *probabilities* are raised to the power 1/T. On paper that is the same; but one that has rounded to 0 stays 0. Divide the logits.",
        ),
        Mistake(
            "maximum before the division",
            lambda z, t: _shares((z / t - z.max(1, keepdim=True).values).exp()),
            "The maximum is that of the logits *before* the division by T. Take away the maximum of z / T, else exp() rounds to 0 everywhere.",
        ),
        Mistake(
            "not the maximum subtracted",
            lambda z, t: _shares((z / t - (z / t).mean(1, keepdim=True)).exp()),
            "What is subtracted from a row is not its maximum (its mean, perhaps, or its minimum), so the largest logit may still lie far above 0, and exp() overflows.",
        ),
        Mistake(
            "each class's maximum",
            lambda z, t: _shares((z / t - (z / t).max(0, keepdim=True).values).exp()),
            "The maximum is taken over the images (dim=0). A different number is then subtracted from each class: take each *row's* maximum, dim=1.",
        ),
        Mistake(
            "softmax twice",
            lambda z, t: (z / t).softmax(1).softmax(1),
            "The softmax is taken twice: of probabilities once more.",
        ),
        Mistake(
            "softmax, then T",
            lambda z, t: (z.softmax(1) / t).softmax(1),
            "T divides the *probabilities*, and a second softmax follows. Divide the logits, and take one softmax.",
        ),
        Mistake(
            "not divided by the sum",
            lambda z, t: (z / t - (z / t).max(1, keepdim=True).values).exp(),
            "The exponentials are not divided by their sum, so a row does not sum to 1.",
        ),
        Mistake(
            "powers of two",
            lambda z, t: _shares(2 ** (z / t - (z / t).max(1, keepdim=True).values)),
            "These are powers of 2. The softmax takes powers of e: `.exp()`.",
        ),
        Mistake(
            "shares of the logits",
            lambda z, t: _shares(z / t),
            "The logits themselves are divided by their sum. Take their exponentials first.",
        ),
        Mistake(
            "the sum of the batch",
            lambda z, t: (
                (z / t - (z / t).max(1, keepdim=True).values).exp()
                / (z / t - (z / t).max(1, keepdim=True).values).exp().sum()
            ),
            "One sum over the whole batch divides everything. Each row has its own: `sum(dim=1, keepdim=True)`.",
        ),
        Mistake(
            "a root of T",
            lambda z, t: (z / t**0.5).softmax(1),
            "The logits are divided by the root of T. Divide them by T.",
        ),
        Mistake(
            "T squared",
            lambda z, t: (z / t**2).softmax(1),
            "The logits are divided by T². Divide them by T; T² belongs to a loss.",
        ),
    ),
    hints=(
        "A constant taken from every logit of a row changes no probability. Which constant keeps exp() small?",
        "The skeleton, with blanks:\nz = logits / ____\nz = z - z.max(dim=____, keepdim=True).values\n"
        "return z.exp() / z.exp().sum(dim=____, keepdim=True)",
    ),
    takeaway="Divide by T before the softmax; subtract the maximum, and no logit is too large.",
)

# ---------------------------------------------------------------- dark_knowledge.2

CHANGES = (
    "T from 1 to 4",
    "every logit plus 100",
    "every logit times 3",
    "every logit times 3, and T from 1 to 3",
    "the largest logit raised by 2",
)


def entropy_moves(change: str) -> tuple[str, str]:
    logits = torch.tensor([3.0, 1.0, 0.5, 0.0], dtype=torch.float64)
    raised = logits + torch.tensor([2.0, 0.0, 0.0, 0.0])
    after = dict(zip(CHANGES, (logits / 4, logits + 100, 3 * logits, 3 * logits / 3, raised), strict=True))[change]
    one, two = (float(-(p * p.log()).sum()) for p in (logits.softmax(0), after.softmax(0)))
    word = "same" if abs(one - two) < 1e-9 else "up" if two > one else "down"
    return word, f"{one:.3f} → {two:.3f}"


_believing = believer(CHANGES, entropy_moves)


ENTROPY = prediction(
    id="dark_knowledge.2",
    title="Predict the entropy",
    minutes=4,
    changes=CHANGES,
    found=entropy_moves,
    answers=("up", "down", "same"),
    mistakes=(
        Mistake(
            "the shift counts",
            _believing(c2="down"),
            "A constant added to every logit cancels: exp(z + 100) is exp(z) times the same number, above and below.",
        ),
        Mistake(
            "the shift flattens",
            _believing(c2="up"),
            "Large logits are not flat ones. Only their differences matter, and adding 100 leaves these alone.",
        ),
        Mistake(
            "temperature upside down",
            _believing(c1="down"),
            "Dividing by a larger T brings the logits together: a flatter answer, so more entropy.",
        ),
        Mistake(
            "multiplying flattens",
            _believing(c3="up"),
            "Multiplying moves the logits apart: a surer answer, so less entropy.",
        ),
        Mistake(
            "temperature does nothing",
            _believing(c1="same"),
            "Dividing by 4 makes all differences of logits four times smaller: a flatter answer, with more entropy.",
        ),
        Mistake(
            "the scale is forgotten",
            _believing(c3="same"),
            "Only *adding* a constant changes nothing. Multiplying by 3 triples the differences, as T = 1/3 would.",
        ),
        Mistake(
            "surer is more",
            _believing(c5="up"),
            "Raising the largest logit makes the answer surer of its first class. Entropy measures doubt: it falls.",
        ),
        Mistake(
            "both at once do not cancel",
            _believing(c4="up"),
            "Three times the logits, divided by T = 3, are the old logits.",
        ),
    ),
    hints=(
        "The softmax sees nothing but differences of logits, divided by T. Which differences change, and how?",
        "Larger differences mean a surer answer, and less entropy. The form:\n"
        '"T from 1 to 4": "____", "every logit plus 100": "____",',
    ),
    takeaway="Only differences of logits over T count: shifts cancel, scale and temperature undo one another.",
)


def _shares(powers: Tensor, keepdim: bool = True) -> Tensor:
    return powers / powers.sum(dim=1, keepdim=keepdim)


# ---------------------------------------------------------------- all

TASKS = [SOFTENED, ENTROPY, controls.CLASS_MEANS]

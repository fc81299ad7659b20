"""Exercises: temperature, entropy, a control that knows classes only."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task

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
        (torch.tensor([[1000.0, 999.0, 0.0], [-1000.0, -999.0, -998.0]]), 1.0),
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

# ---------------------------------------------------------------- dark_knowledge.3


def class_means(teacher_logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    soft = (teacher_logits / temperature).softmax(dim=1)
    told = torch.empty_like(soft)
    for c in labels.unique():
        told[labels == c] = soft[labels == c].mean(dim=0)
    return told


def _means(soft: Tensor, labels: Tensor) -> Tensor:
    same = (labels[:, None] == labels).to(soft.dtype)
    return same @ soft / same.sum(dim=1, keepdim=True)


def _left_out(z: Tensor, y: Tensor, t: float) -> Tensor:
    same = (y[:, None] == y).to(z.dtype) - torch.eye(len(y), dtype=z.dtype)
    return same @ (z / t).softmax(1) / same.sum(dim=1, keepdim=True)


def _class_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    by_hand = torch.tensor([[1.0, 1.0], [1.0, 3.0], [3.0, 1.0], [1.0, 1.0]]).log()  # halves and quarters
    return [
        (torch.zeros(3, 2), torch.tensor([0, 0, 1]), 1.0),
        (by_hand, torch.tensor([0, 0, 1, 1]), 1.0),
        (3 * torch.randn(3, 3, generator=g), torch.tensor([2, 0, 1]), 2.0),
        (4 * torch.randn(12, 5, generator=g), torch.randint(0, 5, (12,), generator=g), 4.0),
        (4 * torch.randn(9, 10, generator=g), torch.tensor([7, 7, 7, 2, 2, 7, 2, 7, 2]), 1.5),
    ]


CLASS_MEANS = Task(
    id="dark_knowledge.3",
    title="A control that knows classes only",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=("equal answers", "two classes", "one image a class", "random", "most classes absent"),
    inputs=_class_inputs,
    reference=class_means,
    judge=close,
    mistakes=(
        Mistake(
            "mean of logits",
            lambda z, y, t: (_means(z, y) / t).softmax(1),
            "The logits are averaged and then softened. Soften each answer first, then average the probabilities.",
        ),
        Mistake(
            "all images",
            lambda z, y, t: (z / t).softmax(1).mean(0).expand(len(z), -1),
            "This is the mean over *all* images. Average within each image's own class.",
        ),
        Mistake(
            "own answer left out",
            _left_out,
            "The image's own answer is left out of its class's mean. Here it belongs in: one target for the whole class.",
        ),
        Mistake(
            "no temperature",
            lambda z, y, t: _means(z.softmax(1), y),
            "The answers are averaged at T = 1: the temperature is never used.",
        ),
        Mistake(
            "one row a class",
            lambda z, y, t: torch.stack([(z / t).softmax(1)[y == c].mean(0) for c in y.unique()]),
            "One row for each class came back. Every image needs its target: give each image the row of its class.",
        ),
        Mistake(
            "one row a class of all",
            lambda z, y, t: torch.stack([(z / t).softmax(1)[y == c].mean(0) for c in range(z.shape[1])]),
            "A table of all classes came back, with NaN for those that nobody has. Give each image the row of its class.",
        ),
        Mistake(
            "NaN from a class without images",
            lambda z, y, t: _by_counts(z, y, t),
            "A class that nobody has is divided by 0, and its NaN reaches all rows. Average only the classes that occur.",
        ),
        Mistake(
            "indexed by class number",
            lambda z, y, t: torch.stack([(z / t).softmax(1)[y == c].mean(0) for c in y.unique()])[y],
            "The means of the classes that occur stand one below the other, and are then read by class *number*. That is wrong as soon as a class is missing.",
        ),
        Mistake(
            "the teacher's classes",
            lambda z, y, t: _means((z / t).softmax(1), z.argmax(1)),
            "The images are grouped by the class that the *teacher* finds likeliest. The groups are the labels'.",
        ),
        Mistake(
            "softened afterwards",
            lambda z, y, t: (_means(z.softmax(1), y).log() / t).softmax(1),
            "The answers are averaged at T = 1 and softened afterwards. Soften first, then average.",
        ),
        Mistake(
            "classes counted as equal",
            lambda z, y, t: (
                _means((z / t).softmax(1), y) * (y[:, None] == y).sum(1, keepdim=True) * z.shape[1] / len(z)
            ),
            "Each class's sum is divided by N / C, as if all classes had as many images. Divide by the images of this class.",
        ),
    ),
    hints=(
        "First soften all answers. Then, class by class, the images with that label share one mean.",
        "The skeleton, with blanks:\nsoft = (teacher_logits / ____).softmax(dim=1)\ntold = torch.empty_like(soft)\n"
        "for c in labels.unique():\n    told[____] = soft[____].mean(dim=____)\nreturn told",
    ),
    takeaway="Whoever does better than this control has learned something about single images.",
)


def _shares(powers: Tensor, keepdim: bool = True) -> Tensor:
    return powers / powers.sum(dim=1, keepdim=keepdim)


def _by_counts(logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    soft = (logits / temperature).softmax(dim=1)
    members = (labels[:, None] == torch.arange(logits.shape[1])).to(soft.dtype)
    return members @ ((members.T @ soft) / members.sum(dim=0)[:, None])


# ---------------------------------------------------------------- all

TASKS = [SOFTENED, ENTROPY, CLASS_MEANS]

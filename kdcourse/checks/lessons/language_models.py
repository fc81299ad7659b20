"""Exercises: what moves a loss over tokens, which tokens count, the loss between two KLs; ``talking`` goes on."""

import math

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import talking
from kdcourse.losses import generalised_jsd

# ---------------------------------------------------------------- language_models.1

CHANGES = (
    "beta = 0.5: the student's logits at the padding are drawn anew",
    "beta = 0.5: 5 is added to all the student's logits",
    "beta = 0.5: student and teacher change places",
    "beta = 0: student and teacher change places",
    "beta goes from 0 to 0.01",
)


def moves(case: str) -> tuple[str, str]:
    g = torch.Generator().manual_seed(0)
    student, teacher, other = 2 * torch.randn(3, 4, 6, 9, generator=g)
    mask = torch.arange(6) < 4
    mask = mask.expand(4, 6)
    beta = 0.5 if "0.5" in case else 0.0
    before = float(generalised_jsd(student, teacher, beta=beta, mask=mask))
    if "padding" in case:
        student = torch.where(mask[..., None], student, other)
    elif "5 is added" in case:
        student = student + 5
    elif "places" in case:
        student, teacher = teacher, student
    after = float(generalised_jsd(student, teacher, beta=0.01 if "0.01" in case else beta, mask=mask))
    return "stays" if math.isclose(before, after, rel_tol=1e-5) else "moves", f"{before:.3f} before, {after:.3f} after"


_believing = believer(CHANGES, moves)

MOVES = prediction(
    id="language_models.1",
    title="Predict what moves the loss",
    minutes=5,
    changes=CHANGES,
    found=moves,
    answers=("stays", "moves"),
    mistakes=(
        Mistake(
            "padding counts",
            _believing(c1="moves"),
            "The mask leaves the padding out, so what the student says there has no effect.",
        ),
        Mistake(
            "the size of logits",
            _believing(c2="moves"),
            "Adding one number to all logits of a token changes no probability: the softmax divides it out.",
        ),
        Mistake(
            "never symmetric",
            _believing(c3="moves"),
            "With beta = 0.5 both KLs have half the weight, and the mixture is the same from either side.",
        ),
        Mistake(
            "always symmetric",
            _believing(c4="stays"),
            "With beta = 0 this is KL(p ‖ q). Exchanged, it is KL(q ‖ p): another number.",
        ),
        Mistake(
            "smooth at the end",
            _believing(c5="stays"),
            "With beta = 0 it is the forward KL. With 0.01 the mixture is almost the student, and the loss is almost 0.",
        ),
    ),
    hints=(
        "Write the loss for beta = 0.5. Which of p, q and m change?",
        'The form:\n"beta = 0.5: the student\'s logits at the padding are drawn anew": "____",',
    ),
    takeaway="A mask decides what counts. The middle is symmetric, the ends are not, and the loss jumps at both ends.",
)

# ---------------------------------------------------------------- language_models.2


def counted(sentences: Tensor, prompt: int) -> Tensor:
    targets = sentences[:, 1:]
    positions = torch.arange(1, sentences.shape[1])
    return (positions >= prompt) & (targets != 0)


def _counted_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    rows = torch.zeros(6, 9, dtype=torch.long)
    for row, end in zip(rows, torch.randint(4, 9, (6,), generator=g).tolist(), strict=True):
        row[0], row[end] = 1, 2
        row[1:end] = torch.randint(3, 9, (end - 1,), generator=g)
    return [
        (torch.tensor([[1, 3, 6, 4, 7, 2, 0]]), 2),
        (torch.tensor([[1, 3, 6, 2], [1, 4, 7, 2]]), 1),
        (torch.tensor([[1, 5, 8, 2, 0, 0], [1, 3, 3, 6, 6, 2]]), 3),
        (rows, 3),
        (torch.tensor([[1, 3, 4, 7, 6, 2, 0, 0]]), 5),
    ]


COUNTED = Task(
    id="language_models.2",
    title="Which tokens count",
    kind="implement",
    difficulty="warm-up",
    minutes=5,
    points=2,
    rungs=("by hand", "the prompt is <bos> alone", "two lengths", "random", "only the end is left"),
    inputs=_counted_inputs,
    reference=counted,
    judge=close,
    mistakes=(
        Mistake(
            "the prompt counts",
            lambda s, p: s[:, 1:] != 0,
            "The prompt is counted. Nobody asked the student to write it: only what comes after it counts.",
        ),
        Mistake(
            "the padding counts",
            lambda s, p: (torch.arange(1, s.shape[1]) >= p).expand(len(s), -1).clone(),
            "The padding is counted. After <eos> there is nothing to be right or wrong about.",
        ),
        Mistake(
            "one too late",
            lambda s, p: (torch.arange(1, s.shape[1]) > p) & (s[:, 1:] != 0),
            "The first token after the prompt is missing. The last token of the prompt is what it is predicted from.",
        ),
        Mistake(
            "one too early",
            lambda s, p: (torch.arange(1, s.shape[1]) >= p - 1) & (s[:, 1:] != 0),
            "The prompt's last token is counted. Column j of the answer stands for token j + 1 of the sentence.",
        ),
        Mistake(
            "no end",
            lambda s, p: counted(s, p) & (s[:, 1:] != 2),
            "<eos> is left out. A student that never learns to stop goes on talking: the end counts.",
        ),
        Mistake(
            "by the input",
            lambda s, p: (torch.arange(s.shape[1] - 1) >= p) & (s[:, :-1] != 0),
            "The mark lies with the token that is *read*. It belongs to the one that is predicted, the next one.",
        ),
        Mistake(
            "a column too many",
            lambda s, p: (torch.arange(s.shape[1]) >= p) & (s != 0),
            "There is a column for <bos>, which nothing predicts. The answer has one column less than the sentences.",
        ),
    ),
    hints=(
        "The targets are sentences[:, 1:]. Which of their places lie in the prompt, and which are padding?",
        "With blanks:\npositions = torch.arange(1, sentences.shape[1])\nreturn (positions >= ____) & (sentences[:, 1:] != ____)",
    ),
    takeaway="Count what the student must say: after the prompt, up to and with the end, and no padding.",
)

# ---------------------------------------------------------------- language_models.3


def jsd(student_logits: Tensor, teacher_logits: Tensor, beta: float) -> Tensor:
    q, p = student_logits.softmax(-1), teacher_logits.softmax(-1)
    if beta == 0:
        return (p * (p / q).log()).sum(-1).mean()
    if beta == 1:
        return (q * (q / p).log()).sum(-1).mean()
    m = beta * p + (1 - beta) * q
    each = beta * (p * (p / m).log()).sum(-1) + (1 - beta) * (q * (q / m).log()).sum(-1)
    return each.mean()


def _jsd_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def logits(*shape: int) -> Tensor:
        return 1.5 * torch.randn(shape, generator=g)

    one, two = torch.tensor([[0.0, math.log(3)]]), torch.tensor([[0.0, 0.0]])
    return [
        (one, two, 0.5),
        (logits(3, 4), logits(3, 4), 0.0),
        (logits(3, 4), logits(3, 4), 1.0),
        (logits(2, 5, 9), logits(2, 5, 9), 0.2),
        (logits(2, 5, 9), logits(2, 5, 9), 0.01),
    ]


def _jsd(
    z: Tensor, v: Tensor, beta: float, *, ends: str = "kl", weights: bool = False, mixture: bool = False,
    over: str = "mean", logs: bool = False, middle: float | None = None,
) -> Tensor:  # fmt: skip
    """The answer with mistakes left in it."""
    q, p = z.softmax(-1), v.softmax(-1)
    forward, reverse = (p * (p / q).log()).sum(-1), (q * (q / p).log()).sum(-1)
    if beta in (0, 1) and ends != "limit":
        each = (forward if beta == 0 else reverse) if ends == "kl" else (reverse if beta == 0 else forward)
    else:
        a, b = (1 - beta, beta) if mixture else (beta, 1 - beta)
        m = (a * v + b * z).softmax(-1) if logs else a * p + b * q
        a, b = (1 - beta, beta) if weights else (beta, 1 - beta)
        each = a * (p * (p / m).log()).sum(-1) + b * (q * (q / m).log()).sum(-1)
        each = beta * reverse + (1 - beta) * forward if middle is not None else each
    return {"mean": each.mean(), "sum": each.sum(), "vocabulary": each.mean() / z.shape[-1]}[over]


JSD = Task(
    id="language_models.3",
    title="Between the two KLs",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=("by hand", "beta 0", "beta 1", "N x T x V", "near the end"),
    inputs=_jsd_inputs,
    reference=jsd,
    judge=close,
    mistakes=(
        Mistake(
            "no special ends",
            lambda z, v, b: _jsd(z, v, b, ends="limit"),
            "At beta 0 and 1 the formula gives 0, whatever the student says. There the two KLs are asked for.",
        ),
        Mistake(
            "the ends exchanged",
            lambda z, v, b: _jsd(z, v, b, ends="exchanged"),
            "The ends have changed places: beta 0 is the forward KL(p ‖ q), with the teacher in front.",
        ),
        Mistake(
            "the weights exchanged",
            lambda z, v, b: _jsd(z, v, b, weights=True),
            "The two weights have changed places: beta stands before the teacher's KL(p ‖ m).",
        ),
        Mistake(
            "the mixture exchanged",
            lambda z, v, b: _jsd(z, v, b, mixture=True),
            "The mixture has beta at the wrong side: m = beta p + (1 − beta) q.",
        ),
        Mistake(
            "all exchanged",
            lambda z, v, b: _jsd(v, z, b),
            "Student and teacher have changed places throughout.",
        ),
        Mistake(
            "a sum",
            lambda z, v, b: _jsd(z, v, b, over="sum"),
            "The tokens are summed. Asked for is their mean.",
        ),
        Mistake(
            "mean over the vocabulary",
            lambda z, v, b: _jsd(z, v, b, over="vocabulary"),
            "The mean runs over the vocabulary too. A KL is a *sum* over it, and the mean is over the tokens.",
        ),
        Mistake(
            "logits mixed",
            lambda z, v, b: _jsd(z, v, b, logs=True),
            "The *logits* were mixed. The mixture is one of probabilities.",
        ),
        Mistake(
            "a mixture of the two KLs",
            lambda z, v, b: _jsd(z, v, b, middle=b),
            "This is (1 − beta) KL(p ‖ q) + beta KL(q ‖ p). Each side is compared with the mixture m, not with the other.",
        ),
    ),
    hints=(
        "Three cases. In the third you need the mixture m, and each side's KL to it.",
        "With blanks:\nif beta == 0:\n    return (p * (p / ____).log()).sum(-1).mean()\nif beta == 1:\n    return (____ * (q / p).log()).sum(-1).mean()\nm = ____ * p + (1 - beta) * q\neach = beta * (p * (p / m).log()).sum(-1) + ____ * (q * (q / m).log()).sum(-1)",
    ),
    takeaway="The ends are two other losses, not the limits of the middle: next to an end the loss is almost 0.",
)


TASKS = [MOVES, COUNTED, JSD, talking.FROM_FILE, talking.PULL]

"""Exercises of the appendix on language models: a loss from a file of answers, and from what the student said."""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

# ---------------------------------------------------------------- language_models.4


def from_file(student_logits: Tensor, ids: Tensor, shares: Tensor) -> Tensor:
    kept = shares / shares.sum(-1, keepdim=True)
    log_q = student_logits.log_softmax(-1).gather(-1, ids)
    return (kept * (kept.log() - log_q)).sum(-1).mean()


def _file_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def file(tokens: int, words: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
        shares, ids = (1.5 * torch.randn(tokens, words, generator=g)).softmax(-1).topk(k)
        return torch.randn(tokens, words, generator=g), ids, shares

    by_hand = (torch.zeros(1, 4), torch.tensor([[2, 0]]), torch.tensor([[0.6, 0.2]]))
    return [by_hand, file(3, 6, 1), file(4, 9, 3), file(5, 7, 7), file(6, 9, 2)]


def _file(
    z: Tensor, ids: Tensor, shares: Tensor, *, kept: bool = True, ours: bool = False, over: str = "tokens",
    entropy: bool = True, first: bool = False, reverse: bool = False, softmax: bool = False,
) -> Tensor:  # fmt: skip
    """The answer with mistakes left in it."""
    p = shares / shares.sum(-1, keepdim=True) if kept else shares
    p = shares.softmax(-1) if softmax else p
    log_q = z.log_softmax(-1).gather(-1, ids)
    log_q = z.gather(-1, ids).log_softmax(-1) if ours else log_q
    log_q = z.log_softmax(-1)[:, : ids.shape[1]] if first else log_q
    each = p * ((p.log() if entropy else 0) - log_q)
    each = log_q.exp() * (log_q - p.log()) if reverse else each
    return {"tokens": each.sum(-1).mean(), "all": each.mean(), "sum": each.sum()}[over]


FROM_FILE = Task(
    id="language_models.4",
    title="A loss from a file",
    kind="implement",
    difficulty="core",
    minutes=8,
    points=3,
    rungs=("by hand", "one token kept", "three of nine", "all kept", "two of nine"),
    inputs=_file_inputs,
    reference=from_file,
    judge=close,
    mistakes=(
        Mistake(
            "not renormalised",
            lambda *a: _file(*a, kept=False),
            "The kept shares sum to less than 1, so they are no distribution, and the loss can fall below 0. Divide by their sum.",
        ),
        Mistake(
            "the student renormalised",
            lambda *a: _file(*a, ours=True),
            "The student's softmax runs over the kept tokens alone, so it never learns to leave the others out. Take it over the whole vocabulary.",
        ),
        Mistake(
            "mean over the kept",
            lambda *a: _file(*a, over="all"),
            "The mean runs over the kept tokens too. Sum over them, and take the mean over the rows.",
        ),
        Mistake(
            "a sum",
            lambda *a: _file(*a, over="sum"),
            "The rows are summed. Asked for is their mean.",
        ),
        Mistake(
            "a cross-entropy",
            lambda *a: _file(*a, entropy=False),
            "This is the cross-entropy: it is never 0, however well the student does. The KL takes the teacher's own entropy off.",
        ),
        Mistake(
            "the first columns",
            lambda *a: _file(*a, first=True),
            "The student's first columns were read. `ids` says which token each share belongs to: `gather`.",
        ),
        Mistake(
            "reverse",
            lambda *a: _file(*a, reverse=True),
            "This has the student in front, KL(q ‖ p). The file's shares stand in front.",
        ),
        Mistake(
            "a softmax of probabilities",
            lambda *a: _file(*a, softmax=True),
            "The shares went through a softmax. They are probabilities already: divide by their sum.",
        ),
    ),
    hints=(
        "Make the shares a distribution. Then pick the student's log-probabilities of the same tokens with gather.",
        "With blanks:\nkept = shares / ____\nlog_q = student_logits.log_softmax(-1).gather(-1, ____)\nreturn (kept * (____ - log_q)).sum(-1).mean()",
    ),
    takeaway="What was cut off is divided among what was kept: the loss is right, and its target is not the teacher.",
)

# ---------------------------------------------------------------- language_models.5


def sampled_pull(student_logits: Tensor, teacher_logits: Tensor, said: Tensor) -> Tensor:
    log_q, log_p = student_logits.log_softmax(-1), teacher_logits.log_softmax(-1)
    rows = torch.arange(len(said))
    excess = (log_q - log_p)[rows, said]
    one_hot = F.one_hot(said, student_logits.shape[-1])
    return excess[:, None] * (one_hot - log_q.exp()) / len(said)


def _pull_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def case(tokens: int, words: int, size: float) -> tuple[Tensor, Tensor, Tensor]:
        z, v = size * torch.randn(2, tokens, words, generator=g)
        return z, v, torch.randint(0, words, (tokens,), generator=g)

    z, v = torch.zeros(1, 2), torch.tensor([[1.0, 1.0 + torch.tensor(3.0).log().item()]])
    return [(z, v, torch.tensor([0])), (z, v, torch.tensor([1])), case(3, 4, 1.0), case(6, 9, 2.0), case(4, 5, 0.3)]


def _pull(
    z: Tensor, v: Tensor, said: Tensor, *, sign: float = 1, by: str = "q", more: float = 0, mean: bool = True,
    ratio: bool = False,
) -> Tensor:  # fmt: skip
    """The answer with mistakes left in it."""
    log_q, log_p = z.log_softmax(-1), v.log_softmax(-1)
    rows, one = torch.arange(len(said)), F.one_hot(said, z.shape[-1])
    excess = (log_q.exp() - log_p.exp() if ratio else log_q - log_p)[rows, said] + more
    from_ = {"q": log_q.exp(), "p": log_p.exp(), "none": 0 * log_q}[by]
    return sign * excess[:, None] * (one - from_) / (len(said) if mean else 1)


def _exact(z: Tensor, v: Tensor) -> Tensor:
    """The gradient itself, over the whole vocabulary."""
    q, gap = z.softmax(-1), z.log_softmax(-1) - v.log_softmax(-1)
    return q * (gap - (q * gap).sum(-1, keepdim=True)) / len(z)


PULL = Task(
    id="language_models.5",
    title="Reverse KL from what was said",
    kind="implement",
    difficulty="stretch",
    minutes=12,
    points=3,
    rungs=("by hand", "the other token", "three tokens", "large logits", "small logits"),
    inputs=_pull_inputs,
    reference=sampled_pull,
    judge=close,
    mistakes=(
        Mistake(
            "the other sign",
            lambda *a: _pull(*a, sign=-1),
            "The sign is turned round. A token that the student likes more than the teacher does must *lose*: its gradient is above 0.",
        ),
        Mistake(
            "one more",
            lambda *a: _pull(*a, more=1),
            "The excess is larger by 1: its own derivative came in. Over many tokens that part is 0 on average; here it only adds noise.",
        ),
        Mistake(
            "minus the teacher",
            lambda *a: _pull(*a, by="p"),
            "The derivative of log q by the student's logits is one-hot minus *q*, the student's own probabilities.",
        ),
        Mistake(
            "the said token alone",
            lambda *a: _pull(*a, by="none"),
            "Only the said token's logit has a gradient. All of them change its probability: one-hot minus q.",
        ),
        Mistake(
            "a sum",
            lambda *a: _pull(*a, mean=False),
            "The tokens are summed. Divide by their number.",
        ),
        Mistake(
            "probabilities",
            lambda *a: _pull(*a, ratio=True),
            "The excess is a difference of probabilities. Asked for is that of their logarithms.",
        ),
        Mistake(
            "over the whole vocabulary",
            lambda z, v, s: _exact(z, v),
            "This is the exact gradient, over the whole vocabulary. Here only the tokens that were said may be used.",
        ),
        Mistake(
            "forward",
            lambda z, v, s: (z.softmax(-1) - v.softmax(-1)) / len(z),
            "This is q − p, the gradient of the *forward* KL. It needs the teacher's whole distribution, and not what was said.",
        ),
        Mistake(
            "the excess itself",
            lambda z, v, s: (z.log_softmax(-1) - v.log_softmax(-1))[torch.arange(len(s)), s],
            "This is the excess of each token. It still has to be multiplied by the derivative of log q.",
        ),
        Mistake(
            "one-hot minus q",
            lambda z, v, s: (F.one_hot(s, z.shape[-1]) - z.softmax(-1)) / len(s),
            "This is the derivative of log q without the excess: it would make everything that was said rarer.",
        ),
    ),
    hints=(
        "Two factors: how much more the student likes the token than the teacher does, and the derivative of log q by all the logits.",
        "With blanks:\nexcess = (log_q - ____)[torch.arange(len(said)), said]\none_hot = F.one_hot(said, student_logits.shape[-1])\nreturn excess[:, None] * (one_hot - ____) / ____",
    ),
    takeaway="The student speaks, the teacher marks each token: enough to follow the reverse KL, without a whole distribution.",
)

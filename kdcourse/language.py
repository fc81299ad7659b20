"""Small language models of brackets: a language whose sentences can be checked exactly (appendix B).

A sentence is a row of token ids: <bos>, brackets of three kinds, <eos>, then padding. A prompt is its beginning. The
losses are ``kd.losses.generalised_jsd`` and the cross-entropy of the next token.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse._arguments import fail, fraction, positive
from kdcourse.data.batching import drawing
from kdcourse.losses import generalised_jsd
from kdcourse.models import preserved

__all__ = [
    "BOS", "EOS", "LENGTH", "PAD", "VOCABULARY", "Fluency", "GRULanguageModel", "answer_mask", "brackets", "distil",
    "evaluate", "fit", "generate", "is_valid", "language_model", "nats", "sampled", "text", "tokens", "top_k",
]  # fmt: skip

VOCABULARY = ("<pad>", "<bos>", "<eos>", "(", "[", "{", ")", "]", "}")
PAD, BOS, EOS, OPEN, CLOSE, KINDS = 0, 1, 2, 3, 6, 3
LENGTH = 32  # tokens of a sentence, <bos> and <eos> among them
SHORTEST = 4
SHARES = (0.6, 0.3, 0.1)  # of the kinds, where a bracket opens
IGNORED = -100  # of cross_entropy
DEEPEST, OPENS, ENDS = 6, 0.45, 0.4  # levels; how often a bracket opens inside another; how often a sentence ends

Keep = Callable[[Tensor], Tensor]


# ---------------------------------------------------------------- the language


def brackets(count: int, *, seed: int, length: int = LENGTH) -> Tensor:
    """N x ``length`` token ids: ``count`` valid sentences, padded.

    A sentence is drawn token by token: inside a bracket another opens with probability 0.45 (never at six levels),
    outside the sentence ends with 0.4; the kinds ( [ { open with probabilities 0.6, 0.3, 0.1. One that is too long is
    drawn again, so that in those that are left brackets open less often.
    """
    positive("count", count, whole=True)
    if length < SHORTEST:
        raise fail(
            "length", f"be at least {SHORTEST}", length, "A pair of brackets, a beginning and an end are four tokens."
        )
    generator = torch.Generator().manual_seed(seed)
    found: list[list[int]] = []
    while len(found) < count:
        one = _sentence(torch.rand(2 * length, generator=generator).tolist())
        if len(one) <= length:
            found.append(one + [PAD] * (length - len(one)))
    return torch.tensor(found)


def _sentence(chances: list[float]) -> list[int]:
    """One sentence: a chance to open, close or end, and a chance for the kind, at each token."""
    ids, stack = [BOS], list[int]()
    for act, which in zip(chances[::2], chances[1::2], strict=True):
        if not stack and len(ids) > 1 and act < ENDS:
            break
        if not stack or (len(stack) < DEEPEST and act < OPENS):
            kind = sum(which >= edge for edge in (SHARES[0], SHARES[0] + SHARES[1]))
            stack.append(kind)
            ids.append(OPEN + kind)
        else:
            ids.append(CLOSE + stack.pop())
    return [*ids, EOS] if not stack else [*ids, EOS] * 2  # too long, so that it is drawn again


def is_valid(sentences: Tensor) -> Tensor:
    """N truths: whether each row is <bos>, brackets that all close in their order, <eos>, and padding alone."""
    return torch.tensor([_balanced(row) for row in sentences.tolist()], dtype=torch.bool)


def _balanced(row: list[int]) -> bool:
    if row[0] != BOS or EOS not in row:
        return False
    end, stack = row.index(EOS), list[int]()
    for token in row[1:end]:
        if OPEN <= token < OPEN + KINDS:
            stack.append(token - OPEN)
        elif token < CLOSE or not stack or stack.pop() != token - CLOSE:
            return False
    return end > 1 and not stack and set(row[end + 1 :]) <= {PAD}


def text(sentences: Tensor) -> list[str]:
    """Each row as written, without its frame: "([])"; a special token inside it stands as its name."""
    rows = [row[1 : row.index(EOS)] if EOS in row else row[1:] for row in sentences.tolist()]
    return ["".join(VOCABULARY[token] for token in row) for row in rows]


def tokens(texts: Sequence[str], *, length: int = LENGTH) -> Tensor:
    """N x ``length`` token ids of texts of brackets; the reverse of ``text``."""
    for one in texts:
        unknown = sorted(set(one) - set(VOCABULARY[OPEN:]))
        if unknown or len(one) > length - 2:
            raise fail("texts", f"hold at most {length - 2} of ( ) [ ] {{ }}", one, "Remove what else stands there.")
    rows = [[BOS, *(VOCABULARY.index(letter) for letter in one), EOS] for one in texts]
    return torch.tensor([row + [PAD] * (length - len(row)) for row in rows])


# ---------------------------------------------------------------- the models


class GRULanguageModel(nn.Module):
    """Embedding, one GRU (Cho et al. 2014) and a linear head: N x T token ids to N x T x V logits of the next token."""

    def __init__(self, width: int, vocabulary: int = len(VOCABULARY)) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids: Tensor) -> Tensor:
        return self.further(ids, None)[0]

    def further(self, ids: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits and the state after them, from the state before: what ``generate`` asks token by token."""
        hidden, state = self.gru(self.embedding(ids), state)
        return self.head(hidden), state


def language_model(width: int, *, seed: int = 0) -> GRULanguageModel:
    """A ``GRULanguageModel`` over the brackets' vocabulary; the global random state is left as it was."""
    positive("width", width, whole=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GRULanguageModel(width)


@torch.no_grad()
def generate(
    model: nn.Module, prompts: Tensor, *, length: int = LENGTH, temperature: float = 1.0, seed: int = 0
) -> Tensor:
    """N x ``length`` token ids: each prompt and what the model says after it, token by token, until <eos>.

    Args:
        model: N x T ids to N x T x V logits; one with ``further(ids, state)`` is asked one token at a time.
        prompts: N x P ids that begin with <bos>.
        temperature: of the sampling; 0 takes the likeliest token.
    """
    positive("temperature", temperature, zero=True)
    if not 0 < prompts.shape[1] < length:
        raise fail("prompts", f"hold 1 to {length - 1} tokens each", prompts.shape[1], "Raise length=, or cut them.")
    generator = torch.Generator(prompts.device).manual_seed(seed)
    ids, state, new, further = prompts, None, prompts, getattr(model, "further", None)
    done = (prompts == EOS).any(1)
    with preserved(model):
        for _ in range(length - prompts.shape[1]):
            logits, state = (model(ids), None) if further is None else further(new, state)
            new = torch.where(done, PAD, _drawn(logits[:, -1], temperature, generator))[:, None]
            ids, done = torch.cat([ids, new], 1), done | (new[:, 0] == EOS)
            if done.all():
                break
    return F.pad(ids, (0, length - ids.shape[1]), value=PAD)


def _drawn(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]


# ---------------------------------------------------------------- training


def answer_mask(sentences: Tensor, prompt: int) -> Tensor:
    """N x (T - 1) truths: which *next* tokens count: those after the first ``prompt`` ones, up to and with <eos>.

    A <pad> before the end is a token like any other: a model that says one has something to be corrected.
    """
    after = torch.arange(1, sentences.shape[1], device=sentences.device) >= prompt
    return after & ((sentences[:, :-1] == EOS).cumsum(1) == 0)


def _counted(sentences: Tensor, prompt: int) -> Tensor:
    """``answer_mask``, refused where no token counts."""
    mask = answer_mask(sentences, prompt)
    if not mask.any():
        raise fail("prompt", "leave tokens that count", prompt, "Pass longer sentences, or shorter prompts.")
    return mask


def fit(model: nn.Module, sentences: Tensor, *, prompt: int = 1, **options: Any) -> list[float]:
    """Train on sentences by the cross-entropy of the next token; on a teacher's it is sequence-level distillation.

    Sequence-level: Kim & Rush 2016. ``prompt`` and ``options`` as in ``distil``. Returns the losses.
    """
    _counted(sentences, prompt)

    def loss(batch: Tensor, _: int) -> Tensor:
        rows = sentences[batch]
        targets = torch.where(answer_mask(rows, prompt), rows[:, 1:], IGNORED)
        return F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)

    return _steps(model, len(sentences), loss, **options)


def distil(
    teacher: nn.Module, student: nn.Module, prompts: Tensor, *, texts: Tensor | None = None, on_policy: float = 0.5,
    beta: float = 0.5, keep: Keep | None = None, seed: int = 0, **options: Any,
) -> list[float]:  # fmt: skip
    """Train the student to say after each token what the teacher would say there (Agarwal et al. 2024).

    Args:
        teacher, student: N x T ids to N x T x V logits.
        prompts: N x P ids, all of one length.
        texts: sentences that begin with the prompts, for the batches that are not the student's own; without them the
            teacher writes one for each prompt.
        on_policy: the share of batches that the student itself writes, in [0, 1].
        beta: of ``generalised_jsd``: 0 forward KL, 1 reverse KL.
        keep: what a file of the teacher's answers to ``texts`` holds, ``top_k(k)`` or ``sampled(n)``: it is asked once,
            before the training; with beta 0 and on_policy 0 alone.
        seed: of the order, of the sampling and of the share.
        options: steps (400), batch_size (64), lr (3e-3), clip (1.0).

    Returns the loss of each step.
    """
    fraction("on_policy", on_policy)
    if keep is not None and (beta or on_policy):
        remedy = "What was not kept has probability 0, and nothing is kept for sentences that are still to come."
        raise fail("beta and on_policy", "be 0 with keep=", f"{beta} and {on_policy}", remedy)
    size, chances = prompts.shape[1], torch.Generator().manual_seed(seed)
    if texts is not None and not torch.equal(texts[:, :size], prompts):
        raise fail("texts", "begin with the prompts, row by row", "other tokens", "Pass prompts=texts[:, :3], say.")
    written = F.pad(prompts, (0, LENGTH - size), value=PAD) if texts is None else texts
    if texts is None and on_policy < 1:
        written = generate(teacher, prompts, seed=seed)
    _counted(written, size)

    def loss(batch: Tensor, step: int) -> Tensor:
        rows = written[batch]
        if float(torch.rand((), generator=chances)) < on_policy:
            rows = generate(student, rows[:, :size], length=rows.shape[1], seed=seed * 1_000_003 + step)
        theirs = answers(rows) if kept is None else kept[batch].log()
        return generalised_jsd(student(rows[:, :-1]), theirs, beta=beta, mask=answer_mask(rows, size))

    @torch.no_grad()
    def answers(rows: Tensor) -> Tensor:
        logits: Tensor = teacher(rows[:, :-1])
        return logits

    with preserved(teacher):
        kept = None if keep is None else keep(answers(written).softmax(-1))
        return _steps(student, len(written), loss, seed=seed, **options)


def _steps(
    model: nn.Module, rows: int, loss: Callable[[Tensor, int], Tensor], *, steps: int = 400, batch_size: int = 64,
    lr: float = 3e-3, clip: float = 1.0, seed: int = 0,
) -> list[float]:  # fmt: skip
    """AdamW steps on batches of rows' numbers, the rate falling along a cosine; the losses.

    Dropout is drawn from the seed, too. The model is left in train mode; whoever asks it here asks in eval mode.
    """
    for name, value in (("steps", steps), ("batch_size", batch_size), ("lr", lr), ("clip", clip)):
        positive(name, value, whole=name in ("steps", "batch_size"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator, order, losses = torch.Generator().manual_seed(seed), torch.empty(0, dtype=torch.long), list[float]()
    model.train()
    with drawing(seed):
        for step in range(steps):
            while len(order) < batch_size:
                order = torch.cat([order, torch.randperm(rows, generator=generator)])
            batch, order = order[:batch_size], order[batch_size:]
            optimizer.zero_grad()
            found = loss(batch, step)
            if not torch.isfinite(found):
                remedy = "Lower it; at step 0, look for NaN in the logits."
                raise fail("lr", f"keep the loss finite; it was {float(found)} at step {step}", lr, remedy)
            found.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            falling.step()
            losses.append(float(found.detach()))
    return losses


# ---------------------------------------------------------------- what is kept of the teacher's answers


def top_k(k: int) -> Keep:
    """Keep the k likeliest tokens' probabilities, divided by their sum: cheap, and biased."""
    positive("k", k, whole=True)

    def kept(probabilities: Tensor) -> Tensor:
        values, ids = probabilities.topk(min(k, probabilities.shape[-1]), dim=-1)
        return torch.zeros_like(probabilities).scatter(-1, ids, values / values.sum(-1, keepdim=True))

    return kept


def sampled(n: int, *, seed: int = 0) -> Keep:
    """Keep n draws from the teacher's probabilities, as shares: unbiased at any n (Anshumann et al. 2025)."""
    positive("n", n, whole=True)

    def kept(probabilities: Tensor) -> Tensor:
        flat = probabilities.float().cpu().flatten(0, -2)
        ids = torch.multinomial(flat, n, replacement=True, generator=torch.Generator().manual_seed(seed))
        counts = torch.zeros_like(flat).scatter_add(-1, ids, torch.full(ids.shape, 1 / n))
        return counts.view_as(probabilities).to(probabilities)

    return kept


# ---------------------------------------------------------------- how well a model speaks


@dataclass(frozen=True)
class Fluency:
    """What a model says after prompts, and what it thinks of sentences that others wrote.

    Attributes:
        valid: share of its sentences that are valid.
        nats: its mean surprise, nats a token, at held-out sentences: what it does not cover costs here.
        distinct: the number of different sentences that it says, as a share of all.
        right: one truth for each sentence.
    """

    valid: float
    nats: float
    distinct: float
    right: Tensor = field(repr=False, compare=False)


def evaluate(model: nn.Module, sentences: Tensor, *, prompt: int = 3, seed: int = 0) -> Fluency:
    """Let the model finish the first ``prompt`` tokens of each sentence, and be surprised by the sentence itself."""
    if (sentences[:, :prompt] == EOS).any():
        raise fail("prompt", "end before every sentence does", prompt, "Lower it, or leave short sentences out.")
    own = generate(model, sentences[:, :prompt], length=sentences.shape[1], seed=seed)
    right, once = is_valid(own), len({tuple(row) for row in own.tolist()})
    return Fluency(float(right.float().mean()), nats(model, sentences, prompt=prompt), once / len(own), right)


@torch.no_grad()
def nats(model: nn.Module, sentences: Tensor, *, prompt: int = 1) -> float:
    """Mean surprise -log q of the tokens that count, in nats."""
    mask = _counted(sentences, prompt)
    with preserved(model):
        log_q = model(sentences[:, :-1]).log_softmax(-1)
    return -float(log_q.gather(-1, sentences[:, 1:, None])[..., 0][mask].mean())

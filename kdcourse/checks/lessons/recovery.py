"""A task about hidden units: prune to a budget, and recover by one linear map."""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons.units import network

# ---------------------------------------------------------------- pruning.4


def prune_and_recover(first: Tensor, second: Tensor, scores: Tensor, keep: int, inputs: Tensor, exam: Tensor) -> Tensor:
    teacher_logits = torch.relu(inputs @ first.T) @ second.T
    kept = first[scores.argsort(descending=True)[:keep]]
    head = torch.linalg.lstsq(torch.relu(inputs @ kept.T), teacher_logits).solution
    return torch.relu(exam @ kept.T) @ head


def _pruned(
    first: Tensor, second: Tensor, scores: Tensor, keep: int, inputs: Tensor, exam: Tensor, *,
    lowest: bool = False, recover: bool = True, softened: bool = False, on_exam: bool = False, bias: bool = False,
    mask: bool = False,
) -> Tensor:  # fmt: skip
    """The answer with mistakes left in it."""
    order = scores.argsort(descending=not lowest)
    at = (order < keep).nonzero().flatten() if mask else order[:keep]
    if not recover:
        return torch.relu(exam @ first[at].T) @ second[:, at].T

    def hidden(x: Tensor) -> Tensor:
        h = torch.relu(x @ first[at].T)
        return torch.cat([h, torch.ones(len(h), 1, dtype=h.dtype)], dim=1) if bias else h

    seen = exam if on_exam else inputs
    target = torch.relu(seen @ first.T) @ second.T
    return hidden(exam) @ torch.linalg.lstsq(hidden(seen), target.softmax(dim=1) if softened else target).solution


def _prune_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    first, second = network(g, 6, 10, 4)
    inputs, exam = torch.randn(80, 6, generator=g), torch.randn(40, 6, generator=g)
    scores = torch.rand(10, generator=g)
    small = (torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.eye(2), torch.tensor([0.1, 0.9]), 1)
    return [
        (*small, torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.tensor([[2.0, 1.0]])),
        (first, second, scores, 10, inputs, exam),
        (first, second, scores, 5, inputs, exam),
        (first, second, scores, 1, inputs, exam),
    ]


PRUNE = Task(
    id="pruning.4",
    title="Prune to a budget and recover",
    kind="implement",
    difficulty="stretch",
    minutes=15,
    points=3,
    rungs=("two units, one stays, by hand", "all stay", "half of them", "one stays"),
    inputs=_prune_inputs,
    reference=prune_and_recover,
    judge=lambda expected, got: close(expected, got, rtol=2e-3),
    mistakes=(
        Mistake(
            "no recovery",
            lambda *args: _pruned(*args, recover=False),
            "The units are the right ones, and the head is the old one. Let it learn again from the whole network's logits.",
        ),
        Mistake(
            "the lowest kept",
            lambda *args: _pruned(*args, lowest=True),
            "The units with the *lowest* scores stay here. They are the ones to remove.",
        ),
        Mistake(
            "the lowest kept, no recovery",
            lambda *args: _pruned(*args, lowest=True, recover=False),
            "The units with the *lowest* scores stay here, and the head does not learn again.",
        ),
        Mistake(
            "probabilities",
            lambda *args: _pruned(*args, softened=True),
            "The new head imitates the teacher's *probabilities*. A linear map by squared error wants its logits.",
        ),
        Mistake(
            "recovered on the exam",
            lambda *args: _pruned(*args, on_exam=True),
            "The head learned from the exam's inputs. Only answer them; learn from `inputs`.",
        ),
        Mistake(
            "a bias in the new head",
            lambda *args: _pruned(*args, bias=True),
            "The new head has a bias (a column of ones). The old one had none, and neither may this.",
        ),
        Mistake(
            "argsort as a mask",
            lambda *args: _pruned(*args, mask=True),
            "`argsort(...) < keep` is no mask of the best units: argsort gives *positions*. Take its first `keep` entries.",
        ),
        Mistake(
            "one-hot targets",
            lambda *args: _other_target(*args, kind="class"),
            "The new head is fitted to the class that the whole network prefers, as one-hot targets. Its *logits* are the target.",
        ),
        Mistake(
            "logits of the inputs",
            lambda f, s, p, k, x, e: prune_and_recover(f, s, p, k, x, x),
            "The logits of `inputs` came back. The exam's are asked for.",
        ),
        Mistake(
            "nothing is pruned",
            lambda f, s, p, k, x, e: torch.relu(e @ f.T) @ s.T,
            "These are the whole network's logits. Nothing is pruned.",
        ),
        Mistake(
            "a penalty",
            lambda *args: _other_target(*args, kind="penalty"),
            "A penalty is added to the system. The nearest linear map is the plain least-squares one.",
        ),
        Mistake(
            "no ReLU behind the units",
            lambda *args: _kept_units(*args, relu=False),
            "The ReLU of the units that stay is forgotten: hidden units are `relu(inputs @ kept.T)`.",
        ),
        Mistake(
            "one unit too few",
            lambda *args: _kept_units(*args, more=-1),
            "One unit too few stays. Keep as many as `keep` says.",
        ),
        Mistake(
            "one unit too many",
            lambda *args: _kept_units(*args, more=1),
            "One unit too many stays. Keep as many as `keep` says.",
        ),
        Mistake(
            "the first units",
            lambda f, s, p, k, x, e: prune_and_recover(f, s, -torch.arange(len(p)).to(f.dtype), k, x, e),
            "The first units stay, whatever their scores. Take those with the highest scores.",
        ),
        Mistake(
            "no ReLU in the teacher",
            lambda f, s, p, k, x, e: (
                torch.relu(e @ _best(f, p, k).T)
                @ torch.linalg.lstsq(torch.relu(x @ _best(f, p, k).T), x @ f.T @ s.T).solution
            ),
            "The whole network's logits lack their ReLU. It is `relu(inputs @ first.T) @ second.T`.",
        ),
        Mistake(
            "as many as go",
            lambda f, s, p, k, x, e: prune_and_recover(f, s, p, max(1, len(p) - k), x, e),
            "`keep` is read as the number of units that *go*. It is how many stay.",
        ),
    ),
    hints=(
        "With the units chosen, what is left to learn is one linear map, from the hidden units that stay to the teacher's logits. The lesson *Mean squared error* showed how to find one by formula.",
        "The skeleton, with blanks:\nteacher_logits = torch.relu(inputs @ first.T) @ second.T\n"
        "kept = first[scores.argsort(descending=____)[:keep]]\n"
        "head = torch.linalg.lstsq(torch.relu(____ @ kept.T), ____).solution\nreturn torch.relu(____ @ kept.T) @ head",
    ),
    takeaway="Prune, then distil: the whole network is the teacher of what is left of it.",
)


def _other_target(
    first: Tensor, second: Tensor, scores: Tensor, keep: int, inputs: Tensor, exam: Tensor, *, kind: str
) -> Tensor:  # fmt: skip
    target = torch.relu(inputs @ first.T) @ second.T
    if kind == "class":
        target = F.one_hot(target.argmax(dim=1), target.shape[1]).to(target.dtype)
    kept = first[scores.argsort(descending=True)[:keep]]
    hidden, eye = torch.relu(inputs @ kept.T), torch.eye(keep, dtype=first.dtype)
    if kind == "penalty":
        return torch.relu(exam @ kept.T) @ torch.linalg.solve(hidden.T @ hidden + eye, hidden.T @ target)
    return torch.relu(exam @ kept.T) @ torch.linalg.lstsq(hidden, target).solution


def _best(first: Tensor, scores: Tensor, keep: int) -> Tensor:
    return first[scores.argsort(descending=True)[:keep]]


def _kept_units(
    first: Tensor, second: Tensor, scores: Tensor, keep: int, inputs: Tensor, exam: Tensor, *, relu: bool = True,
    more: int = 0,
) -> Tensor:  # fmt: skip
    kept = _best(first, scores, keep + more)
    target = torch.relu(inputs @ first.T) @ second.T
    seen, asked = (torch.relu(x @ kept.T) if relu else x @ kept.T for x in (inputs, exam))
    return asked @ torch.linalg.lstsq(seen, target).solution

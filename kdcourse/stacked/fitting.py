"""N models trained, each on its own data: in a stack or in a loop, whichever is the faster."""

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse._arguments import fail, one_of, positive
from kdcourse.data import Part, seeded
from kdcourse.losses import cross_entropy
from kdcourse.models import parameter_count
from kdcourse.stacked.stack import PerImage, Rule, Stack, State, has_batch_norm

__all__ = ["HOW", "Job", "image_losses", "faster", "fit", "fitting"]

HOW = ("auto", "loop", "stack")
MEMORY = 256 * 2**20  # bytes that parameters, gradients, optimizer states and activations of one chunk may take
TRIED = 3  # steps by which "auto" measures both ways
FEW = 4  # models by which it measures the loop
MEASURED: dict[str, dict[str, float]] = {}  # seconds a step of what was measured before in this process


@dataclass(frozen=True)
class Job:
    """What one model is trained on: a part, and the positions of each batch in the order in which they come."""

    part: Part
    batches: Sequence[Tensor]


def fit(
    model: nn.Module, states: Sequence[State], jobs: Sequence[Job], rule: Rule, *, how: str = "auto",
    loss: PerImage | None = None, chunk: int | None = None, seed: int = 0,
) -> tuple[list[dict[str, Tensor]], dict[str, Any]]:  # fmt: skip
    """Train N models, each on its own job; (their states afterwards, how it was done).

    Args:
        model: the architecture; it is left as it is.
        states: the models' ``state_dict`` at the start.
        jobs: one a model. They may differ in length: whose batches are used up rests.
        rule: the optimizer. It starts afresh.
        how: "stack", "loop", or "auto": a few steps are measured both ways, and the faster one is taken.
        loss: (logits N x C, labels N) -> N values; cross-entropy by default.
        chunk: so many models are stacked at most; by default as many as fit into 256 MB.
        seed: for dropout.

    Raises ValueError for batch norm under "stack"; "auto" then takes the loop.
    """
    one_of("how", how, HOW)
    if not states or len(states) != len(jobs):
        raise fail("states and jobs", "be as many, one at least", f"{len(states)} and {len(jobs)}", "Give one each.")
    if chunk is not None:
        positive("chunk", chunk, whole=True)
    loss = image_losses if loss is None else loss
    with seeded(seed):
        said: dict[str, Any] = {"how": how}
        if how == "auto":
            said = faster(model, states, jobs, rule, loss)
        if said["how"] == "loop":
            return _loop(model, states, jobs, rule, loss), said
        chunk = fitting(model, jobs) if chunk is None else chunk
        return _stacked(model, states, jobs, rule, loss, chunk), said | {"chunk": min(chunk, len(jobs))}


def image_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, one value an image: the loss where none is given."""
    return cross_entropy(logits, labels, reduction="none", checked=True)


def _loop(
    model: nn.Module, states: Sequence[State], jobs: Sequence[Job], rule: Rule, loss: PerImage
) -> list[dict[str, Tensor]]:
    """One model after another."""
    worker, ended = copy.deepcopy(model).train(), []
    for i, (state, job) in enumerate(zip(states, jobs, strict=True)):
        worker.load_state_dict(state)
        trained = [p for p in worker.parameters() if p.requires_grad]
        start = [p.detach().clone() for p in trained] if rule.proximal else []
        optimizer = rule.optimizer_of(trained, i)
        for at, positions in enumerate(job.batches):
            optimizer.param_groups[0].update(rule.at(i, at))
            values = loss(worker(job.part.images[positions]), job.part.labels[positions])
            optimizer.zero_grad()
            values.mean().backward()  # type: ignore[no-untyped-call]
            for p, first in zip(trained, start, strict=bool(start)):
                p.grad = p.grad if p.grad is None else p.grad + rule.proximal * (p.detach() - first)
            optimizer.step()
        ended.append({name: value.detach().clone() for name, value in worker.state_dict().items()})
    return ended


def _stacked(
    model: nn.Module, states: Sequence[State], jobs: Sequence[Job], rule: Rule, loss: PerImage, chunk: int
) -> list[dict[str, Tensor]]:
    """Chunks of models, those with most batches first: at each step the models that still train are the first ones."""
    order = sorted(range(len(jobs)), key=lambda i: -len(jobs[i].batches))
    ended: dict[int, dict[str, Tensor]] = {}
    for at in range(0, len(order), chunk):
        taken = order[at : at + chunk]
        stack = Stack.of(model, [states[i] for i in taken])
        stack.model.train()
        start = {name: value.clone() for name, value in stack.parameters.items()} if rule.proximal else None
        own = _rule_of(rule, taken)
        for step, (k, inputs, targets, known, shared) in enumerate(_batches([jobs[i] for i in taken])):
            _, gradients = stack.gradients(k, inputs, targets, known, loss, shared=shared)
            stack.step(gradients, own, step, start)
        ended |= dict(zip(taken, stack.states(), strict=True))
    return [ended[i] for i in range(len(jobs))]


def _rule_of(rule: Rule, taken: Sequence[int]) -> Rule:
    """The rule of some of the models, in another order."""
    picked = {name: [value[i] for i in taken] if isinstance(value, (list, tuple)) else value
              for name, value in (("lr", rule.lr), ("weight_decay", rule.weight_decay))}  # fmt: skip
    return Rule(rule.optimizer, picked["lr"], picked["weight_decay"], rule.momentum, rule.nesterov, rule.proximal)


def _batches(jobs: Sequence[Job]) -> Iterator[tuple[int, Tensor, Tensor, Tensor | None, bool]]:
    """(how many models still train, inputs, labels, which of them count, whether all see the same) step by step."""
    if all(job.part is jobs[0].part and job.batches is jobs[0].batches for job in jobs):
        for positions in jobs[0].batches:
            labels = jobs[0].part.labels[positions]
            yield len(jobs), jobs[0].part.images[positions], labels.expand(len(jobs), *labels.shape), None, True
        return
    parts = {id(job.part): job.part for job in jobs}
    offsets, total = {}, 0
    for key, part in parts.items():
        offsets[key], total = total, total + len(part)
    images, labels = (torch.cat([getattr(part, name) for part in parts.values()]) if len(parts) > 1
                      else getattr(jobs[0].part, name) for name in ("images", "labels"))  # fmt: skip
    for step in range(len(jobs[0].batches)):
        rows = [job.batches[step] + offsets[id(job.part)] for job in jobs if step < len(job.batches)]
        sizes = [len(row) for row in rows]
        at = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        known = None if len(set(sizes)) == 1 else torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
        yield len(rows), images[at], labels[at], known, False


def fitting(model: nn.Module, jobs: Sequence[Job]) -> int:
    """How many models a chunk holds: parameters five times (gradients, states, copies), a batch's inputs ten times."""
    longest = max((len(job.batches[0]) for job in jobs if job.batches), default=1)
    batch = longest * jobs[0].part.images[:1].numel()
    return max(1, MEMORY // (4 * (5 * parameter_count(model) + 10 * batch)))


def faster(
    model: nn.Module, states: Sequence[State], jobs: Sequence[Job], rule: Rule, loss: PerImage
) -> dict[str, Any]:
    """Seconds a step both ways, on copies; batch norm leaves the loop alone.

    So many models of one kind with batches of one size are measured once: rounds of a federation do not ask again.
    """
    if has_batch_norm(model) or len(jobs) == 1:
        return {"how": "loop", "why": "batch norm" if len(jobs) > 1 else "one model"}
    chunk = min(len(jobs), fitting(model, jobs))
    least = min(len(job.batches) for job in jobs[:chunk])
    if least <= TRIED:  # so little work that a measurement would cost more
        return {"how": "loop", "why": f"{least} steps"}
    longest, image = max(len(job.batches[0]) for job in jobs[:chunk]), jobs[0].part.images[:1]
    case = f"{model} {chunk} {longest} {tuple(image.shape)} {rule.optimizer} {rule.momentum} {rule.proximal} {loss}"
    if case not in MEASURED:
        MEASURED[case] = _seconds_a_step(model, states[:chunk], jobs[:chunk], rule, loss)
    best = MEASURED[case]
    return {"how": min(best, key=best.__getitem__), "seconds_a_step": dict(best)}


def _seconds_a_step(
    model: nn.Module, states: Sequence[State], jobs: Sequence[Job], rule: Rule, loss: PerImage
) -> dict[str, float]:
    """One reading where one way is then twice as fast as the other, else the best of three.

    In a loop every model takes as long as another: a few say what all would take.
    """
    models = {"loop": min(len(jobs), FEW), "stack": len(jobs)}

    def seconds(how: str, steps: int) -> float:
        few = [Job(job.part, job.batches[:steps]) for job in jobs[: models[how]]]
        began = time.perf_counter()
        if how == "loop":
            _loop(model, states[: len(few)], few, rule, loss)
        else:
            _stacked(model, states[: len(few)], few, rule, loss, len(few))
        return time.perf_counter() - began

    lengths = [(how, steps) for how in models for steps in (1, TRIED + 1)]
    shortest = dict.fromkeys(lengths, float("inf"))
    best: dict[str, float] = {}
    for how in models:
        seconds(how, 1)  # the first call of all loads what torch needs
    for _ in range(TRIED):
        shortest = {one: min(shortest[one], seconds(*one)) for one in lengths}
        best = {h: (shortest[h, TRIED + 1] - shortest[h, 1]) / TRIED * len(jobs) / n for h, n in models.items()}
        if max(best.values()) > 2 * min(best.values()) > 0:
            break
    return best

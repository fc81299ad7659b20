"""N models of one architecture as one: parameters stacked, one forward and one backward pass, one step for all."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.modules.batchnorm import _BatchNorm

from kdcourse._arguments import fail, one_of, positive

__all__ = ["PerImage", "Rule", "Stack", "State", "group_normed", "has_batch_norm"]

State = Mapping[str, Tensor]
PerImage = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Rule:
    """One step of an optimizer, the same for all models.

    Attributes:
        optimizer: "sgd" or "adamw", as torch defines them.
        lr, weight_decay: a number, or a list, one for each model; for ``lr`` each may again be a list, one a step.
        momentum, nesterov: for "sgd".
        proximal: mu of (mu / 2) ||w - w_0||^2, the pull towards the weights at the start (FedProx, Li et al. 2020).
    """

    optimizer: str = "sgd"
    lr: Any = 0.1
    weight_decay: Any = 0.0
    momentum: float = 0.0
    nesterov: bool = False
    proximal: float = 0.0

    def __post_init__(self) -> None:
        one_of("optimizer", self.optimizer, ("sgd", "adamw"))
        positive("momentum", self.momentum, zero=True)
        positive("proximal", self.proximal, zero=True)
        if self.nesterov and not self.momentum:
            raise fail("nesterov", "come with a momentum above 0", self.momentum, "Set momentum=0.9, say.")

    def at(self, model: int, step: int) -> dict[str, float]:
        """Learning rate and weight decay of one model at one step."""
        lr = self.lr[model] if isinstance(self.lr, (list, tuple)) else self.lr
        lr = lr[step] if isinstance(lr, (list, tuple)) else lr
        decay = self.weight_decay
        return {"lr": float(lr), "weight_decay": float(decay[model] if isinstance(decay, (list, tuple)) else decay)}

    def optimizer_of(self, parameters: Sequence[Tensor], model: int) -> torch.optim.Optimizer:
        """Torch's own optimizer, for one model in a loop."""
        rates: dict[str, Any] = self.at(model, 0)
        if self.optimizer == "adamw":
            return torch.optim.AdamW(parameters, **rates)
        return torch.optim.SGD(parameters, momentum=self.momentum, nesterov=self.nesterov, **rates)


@dataclass
class Stack:
    """N models of one architecture: parameters of shape N x ..., their buffers likewise.

    Raises ValueError for models that differ in their layers, and for batch norm, whose running statistics cannot be
    updated in a stack: ``group_normed(model)`` gives a copy with group norm (Wu & He 2018).
    """

    model: nn.Module
    parameters: dict[str, Tensor]
    buffers: dict[str, Tensor]
    memory: dict[str, list[Tensor]] = field(default_factory=dict)

    @classmethod
    def of(cls, model: nn.Module, states: Sequence[State]) -> "Stack":
        """The models whose ``state_dict`` are ``states``, all built as ``model``."""
        refuse_batch_norm(model)
        own, trained = model.state_dict(), {name for name, p in model.named_parameters() if p.requires_grad}
        for at, state in enumerate(states):
            _check_same(own, state, at)
        stacked = {name: torch.stack([state[name].detach() for state in states]) for name in own}
        base = copy.deepcopy(model).train(model.training)
        return cls(base, {n: stacked[n] for n in own if n in trained}, {n: stacked[n] for n in own if n not in trained})

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    def states(self) -> list[dict[str, Tensor]]:
        """Each model's ``state_dict``, copied."""
        held = {**self.parameters, **self.buffers}
        order = list(self.model.state_dict())
        return [{name: held[name][i].clone() for name in order} for i in range(len(self))]

    def logits(self, parameters: Mapping[str, Tensor], inputs: Tensor, *, shared: bool = False) -> Tensor:
        """The answers of the first K models to K x B inputs, or to the same B inputs (``shared``): K x B x C."""
        k = len(next(iter(parameters.values())))
        buffers = {name: value[:k] for name, value in self.buffers.items()}

        def one(own: dict[str, Tensor], rest: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(self.model, {**own, **rest}, (x,))  # type: ignore[no-any-return]

        answer = vmap(one, in_dims=(0, 0, None if shared else 0), randomness="different")
        return answer(dict(parameters), buffers, inputs)

    def gradients(
        self, k: int, inputs: Tensor, targets: Tensor, known: Tensor | None, loss: PerImage, *, shared: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(loss of each of the first k models, gradients): a mean over the images that are ``known`` (k x B)."""
        leaves = {name: value[:k].detach().requires_grad_() for name, value in self.parameters.items()}
        logits = self.logits(leaves, inputs, shared=shared)
        values = loss(logits.flatten(0, 1), targets.flatten(0, 1)).view(logits.shape[:2])
        counted = torch.ones_like(values, dtype=torch.bool) if known is None else known
        means = torch.where(counted, values, 0.0).sum(dim=1) / counted.sum(dim=1)
        found = torch.autograd.grad(means.sum(), list(leaves.values()), allow_unused=True)
        return means.detach(), {n: g for n, g in zip(leaves, found, strict=True) if g is not None}

    @torch.no_grad()
    def step(self, gradients: Mapping[str, Tensor], rule: Rule, at: int, start: State | None = None) -> None:
        """One step of the optimizer for the first k models, whose ``at`` steps before this one were all taken."""
        k = len(next(iter(gradients.values())))
        rates = [rule.at(i, at) for i in range(k)] if _varies(rule) else [rule.at(0, at)]
        lr, decay = (torch.tensor([one[name] for one in rates]) for name in ("lr", "weight_decay"))
        for name, grad in gradients.items():
            weights = self.parameters[name][:k]
            shape = (-1, *[1] * (weights.ndim - 1))
            if start is not None and rule.proximal:
                grad = grad + rule.proximal * (weights - start[name][:k])
            self._update(name, weights, grad, rule, at, lr.view(shape), decay.view(shape))

    def _update(self, name: str, weights: Tensor, grad: Tensor, rule: Rule, at: int, lr: Tensor, decay: Tensor) -> None:
        k = len(weights)
        if rule.optimizer == "adamw":
            first, second = (kept[:k] for kept in self._kept(name, 2))
            weights.mul_(1 - lr * decay)
            first.lerp_(grad, 0.1)
            second.mul_(0.999).addcmul_(grad, grad, value=0.001)
            root = (second.sqrt() / (1 - 0.999 ** (at + 1)) ** 0.5).add_(1e-8)
            weights.sub_(lr / (1 - 0.9 ** (at + 1)) * first / root)
            return
        if bool(decay.any()):
            grad = grad + decay * weights
        if rule.momentum:
            (velocity,) = (kept[:k] for kept in self._kept(name, 1))
            velocity.mul_(rule.momentum).add_(grad)
            grad = grad + rule.momentum * velocity if rule.nesterov else velocity
        weights.sub_(lr * grad)

    def _kept(self, name: str, count: int) -> list[Tensor]:
        """The optimizer's running averages of one parameter, all models'."""
        if name not in self.memory:
            self.memory[name] = [torch.zeros_like(self.parameters[name]) for _ in range(count)]
        return self.memory[name]


def _varies(rule: Rule) -> bool:
    """Whether models differ in their rates."""
    return isinstance(rule.lr, (list, tuple)) or isinstance(rule.weight_decay, (list, tuple))


def _check_same(own: State, state: State, at: int) -> None:
    different = [name for name in {**own, **state} if name not in own or name not in state]
    different += [name for name in own if name in state and own[name].shape != state[name].shape]
    if different:
        remedy = "A stack holds one architecture: train the others in a stack of their own, or with kd.train."
        raise fail("models", "have the same layers", f"model {at} differs in {different[0]}", remedy)


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a layer keeps statistics of its batches."""
    return any(isinstance(module, _BatchNorm) for module in model.modules())


def refuse_batch_norm(model: nn.Module) -> None:
    """Batch norm changes its buffers in place, model by model, which a stack cannot do."""
    found = [name for name, module in model.named_modules() if isinstance(module, _BatchNorm)]
    if found:
        remedy = 'Use kd.stacked.group_normed(model) (group norm, which has no statistics to keep), or how="loop".'
        raise fail("the model", "have no batch norm in a stack", found[0], remedy)


def group_normed(model: nn.Module, *, groups: int = 4) -> nn.Module:
    """A copy of ``model`` with group norm in place of batch norm (Wu & He 2018).

    Args:
        groups: at most so many groups of channels; fewer where they do not divide a layer's channels.
    """
    positive("groups", groups, whole=True)
    copied = copy.deepcopy(model)
    for name, module in list(copied.named_modules()):
        if isinstance(module, _BatchNorm):
            channels = module.num_features
            fitting = next(g for g in range(min(groups, channels), 0, -1) if channels % g == 0)
            parent, _, child = name.rpartition(".")
            setattr(copied.get_submodule(parent), child, nn.GroupNorm(fitting, channels))
    return copied

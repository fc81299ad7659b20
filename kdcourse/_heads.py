"""Which layers give a model's result: one forward pass, followed back from the result through autograd's graph."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

__all__ = ["BETWEEN", "Trace", "tensors"]

BETWEEN = " and "  # joins the names of the batch norms behind a layer that runs more than once
PRODUCT = re.compile(
    "Mm|Addmm|Bmm|Baddbmm|Addbmm|Mv|Addmv|Dot|Linear|Cdist|EuclideanDist|.*(Convolution|Rnn|Lstm|Gru|Attention)"
)


class Trace:
    """A forward pass with every convolution and linear layer marked; ask it once, after it is made.

    Each layer's output is multiplied by a 1 that records gradients, so that the graph leads back to it whatever
    stands behind it (log_softmax, in-place operations, a dict) and also where all of the model's parameters are frozen.

    Attributes:
        found: the layers that the result depends on.
        heads: those whose channels reach the result without another layer or matrix product on the way.
        certain: the heads that have as many channels as the result has along one of its dimensions.
        doubtful: the layers behind a matrix product that is no module, with as many channels as the result.
    """

    def __init__(self, model: nn.Module, run: Callable[[], Any]) -> None:
        self._ends: dict[str, list[str]] = {}  # layer: for each of its calls, the module behind which a gate stands
        self._made: dict[int, tuple[str, int, Any]] = {}  # the tensors are kept, so that no two share an id
        self._nodes: dict[Any, str] = {}
        self._channels: dict[str, int] = {}
        kinds = (_ConvNd, nn.Linear, _BatchNorm)
        modules = [(name, module) for name, module in model.named_modules() if isinstance(module, kinds)]
        handles = [module.register_forward_hook(self._hook(name)) for name, module in modules]
        try:
            result = list(tensors(run()))
        finally:
            for handle in handles:
                handle.remove()
        self._follow(result)
        self._made.clear()
        self._nodes.clear()

    def _hook(self, name: str) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            if isinstance(module, _BatchNorm):
                if args and id(args[0]) in self._made:
                    layer, call, _ = self._made[id(args[0])]
                    self._ends[layer][call] = name
                    self._made[id(output)] = (layer, call, output)
                return None
            if not isinstance(output, Tensor):
                return None
            calls = self._ends.setdefault(name, [])
            calls.append(name)
            self._channels[name] = output.shape[-1] if isinstance(module, nn.Linear) else output.shape[1]
            marked = output * torch.ones((), dtype=output.dtype, device=output.device, requires_grad=True)
            self._made[id(marked)] = (name, len(calls) - 1, marked)
            if marked.grad_fn is not None:
                self._nodes[marked.grad_fn] = name
            return marked

        return hook

    def _follow(self, result: list[Tensor]) -> None:
        starts = [tensor.grad_fn for tensor in result if tensor.grad_fn is not None]
        sizes = {size for tensor in result for size in tensor.shape[1:]}
        self.found = self._back(starts, lambda node: False)
        near = self._back(starts, lambda node: node in self._nodes)
        self.heads = self._back(starts, lambda node: node in self._nodes or bool(PRODUCT.match(node.name())))
        self.certain = {layer for layer in self.heads if self._channels[layer] in sizes}
        self.doubtful = {layer for layer in near - self.heads if self._channels[layer] in sizes}

    def _back(self, starts: Iterable[Any], stop: Callable[[Any], bool]) -> set[str]:
        """The layers met on the way back, which ends at nodes where ``stop(node)``."""
        seen = set(starts)
        waiting, met = list(seen), set()
        while waiting:
            node = waiting.pop()
            if node in self._nodes:
                met.add(self._nodes[node])
            if not stop(node):
                fresh = {before for before, _ in node.next_functions if before is not None} - seen
                seen |= fresh
                waiting += fresh
        return met

    def places(self) -> dict[str, str]:
        """{layer: the module after which its gate stands}, in the order in which they run.

        Behind the batch norm that reads the layer, where one reads every call of it and no other layer; several such
        batch norms, one a call, are joined by ``BETWEEN``.
        """
        readers = Counter(end for layer, ends in self._ends.items() for end in {*ends} - {layer})
        found = {}
        for layer, ends in self._ends.items():
            own = layer in ends or any(readers[end] > 1 for end in ends)
            found[layer] = layer if own else BETWEEN.join(dict.fromkeys(ends))
        return found


def tensors(value: Any) -> Iterable[Tensor]:
    """All tensors in a result: a tensor, dicts, sequences and dataclasses of them, nested."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors(one)
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from tensors(one)
    elif is_dataclass(value):
        for field in fields(value):
            yield from tensors(getattr(value, field.name, None))

"""What a layer is worth: the article's layer-wise "Taylor FO" loss, taken literally, and first-order Taylor importance.

The importance of a channel is the squared change of the loss that a first-order expansion predicts for its removal
(Molchanov et al. 2019). A gate of value 1 multiplies the channel's output; removing the channel sets it to 0.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from kdcourse._arguments import fail, positive
from kdcourse._tables import Table
from kdcourse.losses import Loss, Step
from kdcourse.models import features, preserved

__all__ = ["Importance", "LayerwiseLoss", "gated", "gates", "importance", "layerwise", "oracle"]

BatchLoss = Callable[[Any, Any], Tensor]


def layerwise(
    entering: Sequence[Tensor], target: Tensor, projections: Sequence[nn.Module], parameters: Sequence[Tensor],
    penalty: float,
) -> Tensor:  # fmt: skip
    """sum_k mean 1/2 (P_k f^(k-1) - f*)^2 + penalty sum_k ||theta_k||^2: the article's formula (1).

    Args:
        entering: for each layer k, f^(k-1), N x anything; flattened here.
        target: f*, the teacher's logits, N x C.
        projections: for each layer P_k, a map from the flattened width to C.
        parameters: the parameters of all layers; not read where penalty is 0.
        penalty: the weight of the squared norm, at least 0.
    """
    pairs = zip(entering, projections, strict=True)
    distances = [0.5 * (project(f.flatten(1)) - target).square().mean() for f, project in pairs]
    loss = torch.stack(distances).sum()
    if penalty > 0:
        loss = loss + penalty * torch.stack([p.square().sum() for p in parameters]).sum()
    return loss


class LayerwiseLoss(Loss):
    """``layerwise`` over named layers of the student, the last of which is layer K.

    Taken literally, layer k is trained only by the terms of later layers, and layer K by none: with ``penalty=0``
    it gets no gradient at all. ``own_output=True`` reads f^k, each layer's own output, instead: deep supervision
    (Lee et al. 2015), which stands in the history under that name.

    Args:
        layers: the student's layers in order, names from ``named_modules()``.
        penalty: the weight of the squared norm of their parameters.
        own_output: read what each layer gives instead of what enters it.
    """

    def __init__(
        self, layers: Sequence[str], *, penalty: float, own_output: bool = False, name: str | None = None
    ) -> None:
        super().__init__(name or ("deep_supervision" if own_output else "layerwise"))
        positive("penalty", penalty, zero=True)
        if isinstance(layers, str) or not layers or len(set(layers)) != len(layers):
            raise fail("layers", "be a list of different layer names", layers, 'Write ["block1", "head"], say.')
        self.layers, self.penalty, self.needs_teacher = tuple(layers), float(penalty), True
        self.student_layers = self.layers if own_output else tuple(f"{layer}:in" for layer in layers)
        self.projections = nn.ModuleList()

    def prepare(self, student: nn.Module, teacher: nn.Module | None, inputs: Any) -> None:
        if teacher is None:
            raise fail(f"the loss {self.name}", "have a teacher", None, "Use distill(teacher, student, ...).")
        outputs = teacher(inputs).shape[1]
        read = features(student, inputs, self.student_layers)
        self.projections = nn.ModuleList(_projection(read[layer], outputs) for layer in self.student_layers)

    def terms(self, step: Step) -> dict[str, Tensor]:
        assert step.teacher is not None and step.student.module is not None  # distill gives both
        modules = [step.student.module.get_submodule(layer) for layer in self.layers]
        own = list(dict.fromkeys(p for module in modules for p in module.parameters()))
        read = [step.student.features[layer] for layer in self.student_layers]
        return {self.name: layerwise(read, step.teacher.logits, list(self.projections), own, self.penalty)}


def _projection(feature: Tensor, outputs: int) -> nn.Module:
    width = feature[0].numel()
    return nn.Identity() if width == outputs else nn.Linear(width, outputs, bias=False, device=feature.device)


# ---------------------------------------------------------------- importance of channels


class Importance(dict[str, Tensor]):
    """{layer name: one score a channel}. ``gates`` names the module after which each layer's gate stands."""

    def __init__(self, scores: Mapping[str, Tensor], gates: Mapping[str, str]) -> None:
        super().__init__(scores)
        self.gates = dict(gates)

    def table(self) -> Table:
        """Which layers were taken, where their gates stand, how many channels, and the range of their scores."""
        rows = [[n, self.gates[n], len(s), float(s.min()), float(s.max())] for n, s in self.items()]
        return Table(["layer", "gate after", "channels", "lowest", "highest"], rows, digits=3)

    def __repr__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def gates(model: nn.Module, inputs: Any) -> dict[str, str]:
    """{convolution or linear layer: the module after which its gate stands}, in the order in which they run.

    The gate stands after the batch norm that reads the layer's output, where there is one: the scale of a
    convolution before batch norm changes nothing, so gates in front of it would score about zero. A layer that gives
    the model's own output (the head) has no gate: its channels are the classes.
    """
    places: dict[str, str] = {}
    made: dict[int, tuple[str, Any]] = {}  # the tensors are kept, so that no two share an id

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if isinstance(module, (_ConvNd, nn.Linear)):
                places[name] = name
                made[id(output)] = (name, output)
            elif args and id(args[0]) in made:
                layer = made[id(args[0])][0]
                places[layer] = name
                made[id(output)] = (layer, output)

        return hook

    kinds = (_ConvNd, nn.Linear, _BatchNorm)
    handles = [m.register_forward_hook(watch(n)) for n, m in model.named_modules() if isinstance(m, kinds)]
    try:
        with preserved(model), torch.no_grad():
            result = model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    places.pop(made.get(id(result), ("", None))[0], None)
    if not places:
        remedy = "It needs a convolution or a linear layer before its last one."
        raise fail("model", "have a layer whose channels can be removed", type(model).__name__, remedy)
    return places


@contextmanager
def gated(model: nn.Module, places: Mapping[str, str], values: Mapping[str, Tensor]) -> Iterator[None]:
    """While it lasts, each layer's output is multiplied by its gates, one value a channel."""

    def multiply(layer: str, module: nn.Module) -> Callable[..., Tensor]:
        linear = isinstance(module, nn.Linear)  # its channels come last, a convolution's second

        def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
            gate = values[layer]
            return output * (gate if linear else gate.view(-1, *[1] * (output.ndim - 2)))

        return hook

    modules = dict(model.named_modules())
    handles = [modules[at].register_forward_hook(multiply(layer, modules[layer])) for layer, at in places.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def importance(
    model: nn.Module, data: Any, *, loss: BatchLoss = F.cross_entropy, layers: Sequence[str] | None = None
) -> Importance:
    """(dL/dgate)^2 for every channel of every layer, from one backward pass a batch (Molchanov et al. 2019).

    Args:
        model: any ``nn.Module`` with convolutions or linear layers; in eval mode while it is asked, left as found.
        data: a batch (inputs, labels), or several of them (a DataLoader); scores are averaged over batches.
        loss: (outputs, labels) -> scalar.
        layers: names of convolutions or linear layers; all that have channels to remove by default.

    Returns:
        {layer: tensor of one score a channel}; ``.gates`` says where each gate stands.

    Raises:
        ValueError: there is no such layer, or none at all; there is no batch.
    """
    batches = _batches(data)
    places = _chosen(model, batches[0][0], layers)
    total: dict[str, Tensor] = {}
    with preserved(model), torch.enable_grad():
        for inputs, labels in batches:
            values = _open(model, places)
            with gated(model, places, values):
                gradients = torch.autograd.grad(loss(model(inputs), labels), list(values.values()))
            for layer, gradient in zip(values, gradients, strict=True):
                total[layer] = total.get(layer, 0) + gradient.square() / len(batches)
    return Importance(total, places)


def oracle(
    model: nn.Module, data: Any, *, loss: BatchLoss = F.cross_entropy, layers: Sequence[str] | None = None
) -> Importance:
    """(L without the channel - L)^2 for every channel: what ``importance`` predicts, by removing each in turn.

    Takes one forward pass a channel and batch. The arguments are those of ``importance``.
    """
    batches = _batches(data)
    places = _chosen(model, batches[0][0], layers)
    values = {layer: value.detach() for layer, value in _open(model, places).items()}
    total = {layer: torch.zeros_like(value) for layer, value in values.items()}
    with preserved(model), torch.no_grad(), gated(model, places, values):
        for inputs, labels in batches:
            whole = loss(model(inputs), labels)
            for layer, gate in values.items():
                for channel in range(len(gate)):
                    gate[channel] = 0
                    total[layer][channel] += (loss(model(inputs), labels) - whole).square() / len(batches)
                    gate[channel] = 1
    return Importance(total, places)


def _batches(data: Any) -> list[tuple[Any, Any]]:
    many = isinstance(data, Iterable) and not isinstance(data, Tensor)
    one = isinstance(data, (tuple, list)) and len(data) == 2 and isinstance(data[0], Tensor)
    found = [(data[0], data[1])] if one else [(x, y) for x, y in data] if many else []
    if not found:
        raise fail(
            "data", "be a batch (inputs, labels) or several of them", type(data).__name__, "Pass a DataLoader, say."
        )
    return found


def _chosen(model: nn.Module, inputs: Any, layers: Sequence[str] | None) -> dict[str, str]:
    places = gates(model, inputs)
    unknown = [layer for layer in layers or [] if layer not in places]
    if unknown:
        raise fail(
            "layers", f"be among {', '.join(places)}", unknown[0], "The head and layers that did not run have none."
        )
    return places if layers is None else {layer: places[layer] for layer in layers}


def _open(model: nn.Module, places: Mapping[str, str]) -> dict[str, Tensor]:
    """Gates of value 1, which record gradients."""
    modules, found = dict(model.named_modules()), {}
    for layer in places:
        weight = modules[layer].weight
        assert isinstance(weight, Tensor)
        channels = getattr(modules[layer], "out_channels", None) or modules[layer].out_features
        found[layer] = torch.ones(int(channels), dtype=weight.dtype, device=weight.device, requires_grad=True)
    return found

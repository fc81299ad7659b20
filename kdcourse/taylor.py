"""What a layer is worth: the article's layer-wise "Taylor FO" loss, taken literally, and first-order Taylor importance.

The importance of a channel is the squared change of the loss that a first-order expansion predicts for its removal
(Molchanov et al. 2019). A gate of value 1 multiplies the channel's output; removing the channel sets it to 0.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse._arguments import fail, positive
from kdcourse._feeds import Forward, call, move
from kdcourse._heads import BETWEEN, Trace
from kdcourse._tables import Table
from kdcourse._targets import check_range, class_dim, fitted, kind_of, tidy
from kdcourse.export import original
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
        target = teacher(inputs)
        if not isinstance(target, Tensor) or target.ndim != 2:
            got = tuple(target.shape) if isinstance(target, Tensor) else type(target).__name__
            remedy = "Adapt it with forward=(lambda teacher, inputs: teacher(inputs)[0], None), say."
            raise fail(f"the teacher's output for the loss {self.name}", "be N x C", got, remedy, TypeError)
        outputs = target.shape[1]
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
    kind = {"device": feature.device, "dtype": feature.dtype if feature.is_floating_point() else None}
    return nn.Identity() if width == outputs else nn.Linear(width, outputs, bias=False, **kind)


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


def gates(
    model: nn.Module, inputs: Any, *, layers: Sequence[str] | None = None, forward: Forward | None = None
) -> dict[str, str]:
    """{convolution or linear layer: the module after which its gate stands}, in the order in which they run.

    The gate stands after the batch norm that reads the layer's output, where there is one: the scale of a
    convolution before batch norm changes nothing, so gates in front of it would score about zero. A layer whose
    channels reach the model's result without another convolution or linear layer on the way (a head) has no gate:
    its channels are the classes.

    Args:
        model: any ``nn.Module``.
        inputs: a batch; its first image is looked at, or all of it where the model refuses a batch of one.
        layers: the layers to take; all that have channels to remove by default.
        forward: ``(model, inputs) -> outputs``; ``model(inputs)`` by default.

    Raises:
        ValueError: there is no such layer, or none at all, or it cannot be told which layers give the result.
    """
    model, ask = original(model), forward or call
    with preserved(model), torch.inference_mode(False), torch.enable_grad():
        try:
            trace = Trace(model, lambda: ask(model, _one(inputs)))
        except Exception:
            trace = Trace(model, lambda: ask(model, inputs))
    ran = trace.places()
    if layers is None:
        return _free(ran, trace, model)
    allowed = {layer: at for layer, at in ran.items() if layer not in trace.certain}
    for layer in layers:
        if layer not in allowed:
            remedy = "The head and layers that did not run have none."
            raise fail("layers", f"be among {', '.join(allowed)}", layer, remedy)
    return {layer: allowed[layer] for layer in layers}


def _free(ran: dict[str, str], trace: Trace, model: nn.Module) -> dict[str, str]:
    """The layers that have channels to remove; an error where that cannot be told."""
    places = {layer: at for layer, at in ran.items() if layer in trace.found - trace.heads}
    lost = sorted(trace.doubtful) or ([] if places else [layer for layer in ran if layer not in trace.found])
    if lost:
        rule = "be given where the way from the model's result back to its layers cannot be followed"
        rest = ", ".join(layer for layer in ran if layer not in trace.certain)
        remedy = f"Unclear: {', '.join(lost)}. Name those whose channels are not the classes, among {rest}."
        raise fail("layers", rule, None, remedy)
    if not places:
        remedy = "It needs a convolution or a linear layer before its last one."
        raise fail("model", "have a layer whose channels can be removed", type(model).__name__, remedy)
    return places


def _one(inputs: Any) -> Any:
    """The first image of a batch: of a tensor, or of a dict or sequence of tensors."""
    if isinstance(inputs, Tensor):
        return inputs[:1]
    if isinstance(inputs, Mapping):
        return {name: _one(value) for name, value in inputs.items()}
    if isinstance(inputs, (tuple, list)):
        items = [_one(value) for value in inputs]
        return type(inputs)(*items) if hasattr(inputs, "_fields") else type(inputs)(items)
    return inputs


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
    behind = [(layer, modules[at]) for layer, ends in places.items() for at in ends.split(BETWEEN)]
    handles = [module.register_forward_hook(multiply(layer, modules[layer])) for layer, module in behind]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def importance(
    model: nn.Module, data: Any, *, loss: BatchLoss = F.cross_entropy, layers: Sequence[str] | None = None,
    forward: Forward | None = None, unpack: Callable[[Any], Any] | None = None,
) -> Importance:  # fmt: skip
    """(dL/dgate)^2 for every channel of every layer, from one backward pass a batch (Molchanov et al. 2019).

    Args:
        model: any ``nn.Module`` with convolutions or linear layers; in eval mode while it is asked, left as found.
        data: a batch (inputs, labels), or several of them (a DataLoader), read once, one after another; scores are
            averaged over batches.
        loss: (outputs, labels) -> scalar.
        layers: names of convolutions or linear layers; all that have channels to remove by default.
        forward: ``(model, inputs) -> outputs`` for models that want or return something else.
        unpack: ``batch -> (inputs, labels)`` for loaders that give something else.

    Returns:
        {layer: tensor of one score a channel}; ``.gates`` says where each gate stands.

    Raises:
        ValueError: there is no such layer, or none at all; there is no batch; a gradient or the loss is not finite.
    """
    model, ask = original(model), forward or call
    first, batches = _batches(data, unpack, model)
    places = gates(model, first[0], layers=layers, forward=forward)
    with torch.inference_mode(False):
        values = _open(model, places)
        total = {layer: torch.zeros_like(value) for layer, value in values.items()}
    seen, count = set(), 0
    with preserved(model), torch.inference_mode(False), torch.enable_grad(), gated(model, places, values):
        for inputs, labels in batches:
            whole, count = _scalar(loss, ask(model, inputs), labels), count + 1
            if not whole.requires_grad:
                raise fail("loss", "depend on the model's layers", "no gradient", "Compute it from the outputs.")
            gradients = torch.autograd.grad(whole, list(values.values()), allow_unused=True)
            for layer, gradient in zip(values, gradients, strict=True):
                if gradient is not None:
                    _check_finite(layer, gradient)
                    seen.add(layer)
                    total[layer] += gradient.square()
    for layer in values:
        if layer not in seen:
            remedy = "Name the others in layers=, or let forward= return what it feeds."
            raise fail(f"layer {layer}", "take part in the loss", "no gradient", remedy)
    return Importance({layer: scores.detach() / count for layer, scores in total.items()}, places)


def oracle(
    model: nn.Module, data: Any, *, loss: BatchLoss = F.cross_entropy, layers: Sequence[str] | None = None,
    forward: Forward | None = None, unpack: Callable[[Any], Any] | None = None,
) -> Importance:  # fmt: skip
    """(L without the channel - L)^2 for every channel: what ``importance`` predicts, by removing each in turn.

    Takes one forward pass a channel and batch. The arguments are those of ``importance``.
    """
    model, ask = original(model), forward or call
    first, batches = _batches(data, unpack, model)
    places = gates(model, first[0], layers=layers, forward=forward)
    values = {layer: value.detach() for layer, value in _open(model, places).items()}
    total, count = {layer: torch.zeros_like(value) for layer, value in values.items()}, 0
    with preserved(model), torch.no_grad(), gated(model, places, values):
        for inputs, labels in batches:
            whole, count = _scalar(loss, ask(model, inputs), labels), count + 1
            for layer, gate in values.items():
                for channel in range(len(gate)):
                    gate[channel] = 0
                    total[layer][channel] += (_scalar(loss, ask(model, inputs), labels) - whole).square().squeeze()
                    gate[channel] = 1
    return Importance({layer: scores / count for layer, scores in total.items()}, places)


def _check_finite(layer: str, gradient: Tensor) -> None:
    if not bool(gradient.isfinite().all()):
        remedy = "Check the layers behind it: a square root or a division at 0, or numbers too large for its precision."
        raise fail(f"the gradient of layer {layer}", "be finite", "NaN or infinity", remedy)


def _scalar(loss: BatchLoss, outputs: Any, labels: Any) -> Tensor:
    """The loss of one batch, checked."""
    if loss is F.cross_entropy:
        remedy = "Pass loss=lambda outputs, labels: ..., or forward=lambda model, inputs: model(inputs)[0], say."
        if not isinstance(outputs, Tensor):
            raise fail("loss", "be given where outputs are no tensor", type(outputs).__name__, remedy, TypeError)
        if outputs.ndim < 2 or outputs.shape[1] < 2 or labels is None:
            shown = "no labels" if labels is None else f"outputs of shape {tuple(outputs.shape)}"
            raise fail("loss", "be given where there are no labels or no two classes (N x C)", shown, remedy)
        labels = _classes(outputs, labels, remedy)
    value = loss(outputs, labels)
    if not isinstance(value, Tensor) or value.numel() != 1:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise fail("loss", "return a scalar tensor", got, "Reduce it with .mean().", TypeError)
    if not bool(value.isfinite()):
        raise fail("loss", "be finite", float(value), "Check the images, the labels and the model's weights.")
    return value


def _classes(outputs: Tensor, labels: Any, remedy: str) -> Any:
    """Labels as cross-entropy wants them: class numbers in range, or probabilities."""
    labels = tidy(labels)
    kind = kind_of(outputs, labels)
    if kind not in ("classes", "soft", "dense"):
        raise fail("loss", "be given where labels are no classes and no probabilities", kind, remedy)
    if kind != "soft":
        check_range(labels, outputs.shape[1 if outputs.ndim == 2 else class_dim(outputs, labels)])
    return fitted(labels, kind)


Pair = tuple[Any, Any]


def _batches(data: Any, unpack: Callable[[Any], Any] | None, model: nn.Module) -> tuple[Pair, Iterator[Pair]]:
    """(the first batch, all batches): read one by one, on the model's device, never held together."""
    home = next((p.device for p in model.parameters()), None)
    batches = (pair if home is None else (move(pair[0], home), move(pair[1], home)) for pair in _read(data, unpack))
    first = next(batches, None)
    if first is None:
        raise _no_batch(data)
    return first, chain((first,), batches)


def _read(data: Any, unpack: Callable[[Any], Any] | None) -> Iterator[Pair]:
    sequence = isinstance(data, (tuple, list))
    pair = sequence and len(data) == 2 and (isinstance(data[0], Tensor) or isinstance(data[1], Tensor))
    if isinstance(data, Mapping) or pair or (unpack and sequence and all(isinstance(one, Tensor) for one in data)):
        yield _pair(data, unpack)
    elif isinstance(data, Iterable) and not isinstance(data, (Tensor, str)):
        for batch in data:
            yield _pair(batch, unpack)
    else:
        raise _no_batch(data)


def _no_batch(data: Any) -> Exception:
    rule, remedy = "be a batch (inputs, labels) or several of them", "Pass a DataLoader, say."
    return fail("data", rule, type(data).__name__, remedy)


def _pair(batch: Any, unpack: Callable[[Any], Any] | None) -> Pair:
    found = batch if unpack is None else unpack(batch)
    if isinstance(found, (tuple, list)) and len(found) == 2:
        return found[0], found[1]
    shown = f"{type(found).__name__} of {len(found)}" if hasattr(found, "__len__") else type(found).__name__
    name = "a batch of data" if unpack is None else "unpack"
    rule = "be a pair (inputs, labels)" if unpack is None else "return a pair (inputs, labels)"
    raise fail(name, rule, shown, 'Pass unpack=lambda batch: (batch["image"], batch["label"]), say.', TypeError)


def _open(model: nn.Module, places: Mapping[str, str]) -> dict[str, Tensor]:
    """Gates of value 1, which record gradients."""
    modules, found = dict(model.named_modules()), {}
    for layer in places:
        weight = modules[layer].weight
        assert isinstance(weight, Tensor)
        channels = getattr(modules[layer], "out_channels", None) or modules[layer].out_features
        found[layer] = torch.ones(int(channels), dtype=weight.dtype, device=weight.device, requires_grad=True)
    return found

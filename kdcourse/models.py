"""Who learns: a registry of models with named blocks, and the features of any module by name.

Every registry model normalises in its first layer (buffers), so frozen weights carry the normalisation.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse._arguments import fail, one_of, positive
from kdcourse.data.batching import drawing

__all__ = ["Capture", "Normalise", "build", "features", "names", "parameter_count", "preserved", "sent"]

MEAN, STD = (0.2860,), (0.3530,)  # Fashion-MNIST's 60,000 training images


class Normalise(nn.Module):
    """(x - mean) / std per channel; one channel is repeated where the model wants more.

    Shape: N x C x H x W to N x len(mean) x H x W.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, pool: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2, ceil_mode=True)] if pool else []))


class Blocks(nn.Sequential):
    """Named blocks from image to logits; ``config`` says how to build the model again."""

    config: dict[str, Any]


def _blocks(blocks: Sequence[nn.Module], head: nn.Module) -> dict[str, nn.Module]:
    return {**{f"block{i}": block for i, block in enumerate(blocks, 1)}, "head": head}


def _linear(width: int, classes: int, shape: tuple[int, int, int]) -> dict[str, nn.Module]:
    return _blocks([], nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), classes)))


def _mlp(width: int, classes: int, shape: tuple[int, int, int]) -> dict[str, nn.Module]:
    first = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width), nn.ReLU())
    return _blocks([first, nn.Sequential(nn.Linear(width, width), nn.ReLU())], nn.Linear(width, classes))


def _cnn(width: int, classes: int, shape: tuple[int, int, int]) -> dict[str, nn.Module]:
    channels, height, breadth = shape
    blocks = [_conv(channels, width, 5, 2), _conv(width, 2 * width, 3, 2), _conv(2 * width, 4 * width, 3, 2)]
    cells = math.ceil(height / 8) * math.ceil(breadth / 8)
    return _blocks(blocks, nn.Sequential(nn.Flatten(), nn.Linear(4 * width * cells, classes)))


def _deep_cnn(width: int, classes: int, shape: tuple[int, int, int]) -> dict[str, nn.Module]:
    sizes = [shape[0], width, width, 2 * width, 2 * width, 4 * width, 4 * width]
    blocks = [_conv(sizes[i], sizes[i + 1], 3, pool=i in (1, 3)) for i in range(6)]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes))
    return _blocks(blocks, head)


class Inception(nn.Module):
    """Four branches side by side, joined along the channels (Szegedy et al. 2015). Out: 4 x width channels."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.one = _conv(in_channels, width, 1)
        self.three = nn.Sequential(_conv(in_channels, width // 2, 1), _conv(width // 2, width, 3))
        self.five = nn.Sequential(_conv(in_channels, width // 2, 1), _conv(width // 2, width, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), _conv(in_channels, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], dim=1)


def _mini_googlenet(width: int, classes: int, shape: tuple[int, int, int]) -> dict[str, nn.Module]:
    if width < 2:
        raise fail("width", "be at least 2 for mini_googlenet, whose branches halve it", width, "Choose 8 or more.")
    blocks = [
        _conv(shape[0], 2 * width, 5, 2),
        Inception(2 * width, width),
        nn.Sequential(Inception(4 * width, width), nn.MaxPool2d(2, ceil_mode=True)),
        Inception(4 * width, 2 * width),
    ]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, classes))
    return _blocks(blocks, head)


REGISTRY: dict[str, tuple[Callable[[int, int, tuple[int, int, int]], dict[str, nn.Module]], int | None]] = {
    "linear": (_linear, None),
    "mlp": (_mlp, 200),
    "cnn": (_cnn, 16),
    "deep_cnn": (_deep_cnn, 32),
    "mini_googlenet": (_mini_googlenet, 16),
}
TORCHVISION = {"alexnet": 63, "googlenet": 15, "resnet18": 1}  # name: the smallest height and width it can take


def names() -> list[str]:
    """The models that ``build`` knows."""
    return sorted([*REGISTRY, *TORCHVISION])


def build(
    name: str, *, width: int | None = None, num_classes: int = 10, shape: tuple[int, int, int] = (1, 28, 28),
    mean: Sequence[float] | None = None, std: Sequence[float] | None = None, seed: int = 0,
) -> nn.Module:  # fmt: skip
    """Build an untrained model that maps images in [0, 1] to logits.

    Args:
        name: ``linear``, ``mlp``, ``cnn``, ``deep_cnn``, ``mini_googlenet``, or torchvision's ``alexnet``,
            ``googlenet``, ``resnet18``.
        width: channels (units) of the first block; refused where the model has no width.
        num_classes: size of the output.
        shape: (C, H, W) of one image.
        mean, std: per channel, for the first layer; Fashion-MNIST's by default.
        seed: the same seed gives the same weights; torch's random state is left as found.

    Sources: Krizhevsky et al. 2012, Szegedy et al. 2015, He et al. 2016 for the last three.
    """
    one_of("name", name, names())
    default = REGISTRY[name][1] if name in REGISTRY else None
    if width is not None and default is None:
        raise fail("width", f"be left out: {name} has none", width, "Remove the argument.")
    width = default if width is None else width
    if width is not None:
        positive("width", width, whole=True)
        width = int(width)
    positive("num_classes", num_classes, whole=True)
    positive("seed", seed, whole=True, zero=True)
    num_classes, shape = int(num_classes), _whole(shape)
    _check_shape(name, shape)
    channels = shape[0] if name in REGISTRY else 3
    mean, std = _per_channel("mean", MEAN, mean, channels), _per_channel("std", STD, std, channels)
    if not all(s > 0 for s in std):
        raise fail("std", "be above 0 in every channel", std, "Leave it out for Fashion-MNIST's.")
    with drawing(seed), _float32():
        if name in REGISTRY:
            layers = REGISTRY[name][0](width or 0, num_classes, shape)
        else:
            layers = {"net": _torchvision(name, num_classes)}
        layers = {"normalise": Normalise(mean, std), **layers}
    model = Blocks()
    for key, layer in layers.items():
        model.add_module(key, layer)
    model.config = {
        "name": name, "width": width, "num_classes": num_classes, "shape": list(shape),
        "mean": list(mean), "std": list(std),
    }  # fmt: skip
    return model


@contextmanager
def _float32() -> Iterator[None]:
    """Registry models are float32, whatever the caller's default is; call it under the lock of ``drawing``."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _check_shape(name: str, shape: Sequence[int]) -> None:
    if not isinstance(shape, Sequence) or len(shape) != 3 or not all(isinstance(s, int) and s > 0 for s in shape):
        raise fail("shape", "be (channels, height, width)", shape, "Write (1, 28, 28), say.")
    least = TORCHVISION.get(name, 1)
    if min(shape[1:]) < least:
        raise fail("shape", f"be at least {least} x {least} for {name}", shape, "Use larger images or another model.")
    if name in TORCHVISION and shape[0] not in (1, 3):
        raise fail("shape", f"have 1 or 3 channels for {name}", shape, "Convert the images to one or three channels.")


def _whole(shape: Any) -> Any:
    """NumPy's whole numbers as Python's."""
    return tuple(int(s) if isinstance(s, Integral) else s for s in shape) if isinstance(shape, Sequence) else shape


def _per_channel(
    argument: str, default: Sequence[float], given: Sequence[float] | None, channels: int
) -> Sequence[float]:
    values = tuple(default) * channels if given is None else tuple(float(v) for v in given)
    values = values * channels if len(values) == 1 else values
    if len(values) != channels:
        raise fail(argument, f"have one value for each of {channels} channels", given, "Give one a channel.")
    return values


def _torchvision(name: str, classes: int) -> nn.Module:
    from torchvision import models

    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    net: nn.Module = getattr(models, name)(weights=None, num_classes=classes, **options)
    return net


def parameter_count(model: nn.Module) -> int:
    """Number of parameters, frozen ones included."""
    return sum(p.numel() for p in model.parameters())


# ---------------------------------------------------------------- features of any module


class Capture:
    """Keeps what named layers put out (``"block2"``) or take in (``"block2:in"``) during a forward pass.

    Works on any ``nn.Module`` by hooks, which are gone when the ``with`` block ends, however it ends:

        with Capture(model, ["block2"]) as captured:
            logits, features = captured.run(lambda: model(x))     # features: {"block2": tensor}

    Raises (in ``run``) RuntimeError naming the layer and the remedy: the layer did not run, ran more than once,
    returned something other than a tensor, or its tensor was changed in place before the pass was over.
    """

    def __init__(self, model: nn.Module, layers: Sequence[str], role: str = "model") -> None:
        known = dict(model.named_modules())
        for layer in layers:
            if layer.removesuffix(":in") not in known or layer in ("", ":in"):
                near = ", ".join(n for n in known if n and n.count(".") <= 1)
                raise fail(f"the {role}'s layer", "be a name from named_modules()", layer, f"It has: {near}.")
        self.layers = list(dict.fromkeys(layers))
        self._modules, self._handles = known, list[Any]()
        self._seen: dict[str, list[tuple[Any, int]]] = {}
        self._listening = False

    def __enter__(self) -> "Capture":
        for layer in self.layers:
            module = self._modules[layer.removesuffix(":in")]
            if layer.endswith(":in"):
                hook = module.register_forward_pre_hook(self._hook(layer), with_kwargs=True)
            else:
                hook = module.register_forward_hook(self._hook(layer))
            self._handles.append(hook)
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _hook(self, layer: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], result: Any) -> None:
            entering = args[0] if args else next(iter(result.values()), None) if isinstance(result, dict) else None
            value = entering if layer.endswith(":in") else result
            if self._listening:
                self._seen.setdefault(layer, []).append((value, value._version if isinstance(value, Tensor) else 0))

        return hook

    def run(self, forward: Callable[[], Any]) -> tuple[Any, dict[str, Tensor]]:
        """What ``forward()`` returns, and the captured tensors by layer."""
        self._listening, self._seen = True, {}
        try:
            outputs = forward()
            return outputs, {layer: self._one(layer, self._seen.get(layer, [])) for layer in self.layers}
        finally:
            self._listening, self._seen = False, {}

    @staticmethod
    def _one(layer: str, calls: list[tuple[Any, int]]) -> Tensor:
        if len(calls) != 1:
            raise RuntimeError(
                f"layer {layer} must run exactly once in a forward pass; it ran {len(calls)} times. "
                "Name a layer that runs once, such as the block around it; of a compiled model pass the original."
            )
        value, version = calls[0]
        if not isinstance(value, Tensor):
            raise RuntimeError(
                f"layer {layer} must give one tensor; got {type(value).__name__}. Name a layer inside it that does."
            )
        if value._version != version:
            raise RuntimeError(
                f"the tensor of layer {layer} was changed in place after it was captured (by ReLU(inplace=True) or +=, "
                "say). Name the layer after it, or build that operation with inplace=False."
            )
        return value


def features(model: nn.Module, inputs: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """What the named layers give for ``inputs``, from one forward pass in the model's present mode."""
    with Capture(model, layers) as captured:
        return captured.run(lambda: model(inputs))[1]


@contextmanager
def preserved(model: nn.Module) -> Iterator[nn.Module]:
    """Lend a model in eval mode: modes, buffers and device are afterwards exactly as found, also after an error.

    Buffers may grow, start as None or appear in between. A model that refuses ``eval`` is lent as it is.
    """
    modes = {module: module.training for module in model.modules()}
    buffers = {module: dict(module._buffers.items()) for module in modes}
    copies = {id(b): b.detach().clone() for own in buffers.values() for b in own.values() if b is not None}
    home = {id(p): p.device for p in model.parameters()}
    try:
        yield asked(model)
    finally:
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for p in model.parameters():
                if id(p) in home and p.device != home[id(p)]:
                    p.data = p.data.to(home[id(p)])
            for module, own in buffers.items():
                _give_back(module, own, copies)


def _give_back(module: nn.Module, own: dict[str, Tensor | None], copies: dict[int, Tensor]) -> None:
    """The buffers that the module had, the same tensors with their old values and places; no others."""
    scripted = isinstance(module, torch.jit.ScriptModule)  # its buffers are its own: values go back, places stay
    for name in [name for name in list(module._buffers.keys()) if name not in own and not scripted]:
        del module._buffers[name]
    for name, buffer in own.items():
        if not scripted:
            module._buffers[name] = buffer
        if buffer is None:
            continue
        old = copies[id(buffer)]
        if buffer.device != old.device or buffer.shape != old.shape or buffer.is_inference():
            buffer.data = old
        else:
            buffer.copy_(old)


def asked(model: nn.Module) -> nn.Module:
    """The model in eval mode; one that refuses ``eval`` (an exported program, say) as it is."""
    try:
        return model.eval()
    except Exception:
        return model


def sent(model: nn.Module, device: torch.device, role: str = "model") -> nn.Module:
    """The model on ``device``; one that is there already is not asked to move (4-bit models refuse that)."""
    places = {value.device for value in [*model.parameters(), *model.buffers()]}
    if all(place.type == device.type and device.index in (None, place.index) for place in places):
        return model
    try:
        return model.to(device)
    except Exception as error:
        found = ", ".join(sorted(map(str, places)))
        raise fail(f"the {role}", f"be on {device} or let itself be moved there", f"it is on {found}: {error}",
                   "Load it on that device, or pass device= where it is.") from error  # fmt: skip

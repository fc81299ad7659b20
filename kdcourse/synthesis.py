"""Images a model dreams up: the demonstration set, by model inversion (DeepInversion, Yin et al. 2020)."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse._arguments import fail, fraction, positive
from kdcourse._feeds import Forward, call, progress_bar
from kdcourse._interrupts import Interrupted
from kdcourse.data import Part, pick_device, seeded
from kdcourse.models import preserved, sent

__all__ = ["batch_norm_distance", "synthesise", "total_variation"]

Ask = Callable[[Tensor], Any]


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels. Shape: N x C x H x W to a scalar."""
    down, right = images[:, :, 1:] - images[:, :, :-1], images[:, :, :, 1:] - images[:, :, :, :-1]
    return sum((d.abs().mean() for d in (down, right) if d.numel()), torch.zeros((), device=images.device))


def batch_norm_distance(inputs: Tensor, module: nn.Module) -> Tensor:
    """||mu - mu_BN|| + ||sigma^2 - sigma^2_BN|| of one batch norm layer: the batch's statistics against the stored."""
    dims = [d for d in range(inputs.ndim) if d != 1]
    mean = inputs.mean(dims, keepdim=True)
    variance = (inputs - mean).square().mean(dims)  # inputs.var(...) takes a fifth longer, with its gradient
    stored_mean, stored_variance = module.running_mean, module.running_var
    assert isinstance(stored_mean, Tensor) and isinstance(stored_variance, Tensor)
    distance: Tensor = (mean.flatten() - stored_mean).norm() + (variance - stored_variance).norm()
    return distance


def _norms(model: nn.Module) -> list[nn.Module]:
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    return [m for m in model.modules() if isinstance(m, kinds) and m.running_mean is not None]


@contextmanager
def _listening(norms: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """The distances of all batch norm layers in the pass just made; the list is the caller's to clear."""
    heard: list[Tensor] = []

    def hook(module: nn.Module, args: Any) -> None:
        heard.append(batch_norm_distance(args[0], module))

    handles = [norm.register_forward_pre_hook(hook) for norm in norms]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def synthesise(
    source: nn.Module, n: int = 1000, *, num_classes: int | None = None, shape: Sequence[int] | None = None,
    steps: int = 120, lr: float = 0.05, norm_weight: float = 5.0, variation_weight: float = 1.0,
    square_weight: float = 0.05, jitter: int = 2, flip: bool = True, confidence: float = 0.5, rounds: int = 3,
    batch_size: int = 1000, forward: Forward | None = None,
    device: str | torch.device | None = None, progress: bool = True, seed: int = 0,
) -> Part:  # fmt: skip
    """Images for which the source is confident, equally many of each class, made from the source alone.

    Minimises, over the pixels, CE(source(x), class) + norm_weight sum_l (||mu_l - mu_BN|| + ||sigma_l^2 - sigma_BN^2||)
    + variation_weight TV(x) + square_weight mean x^2 by Adam, each step on images shifted by up to ``jitter`` pixels
    and flipped; pixels stay in [0, 1]. Images that the source calls something else, or with a probability below
    ``confidence``, are made again, up to ``rounds`` times.

    Args:
        source: any classifier of images, left exactly as found.
        n: number of images.
        num_classes, shape: of the source; read from a registry model's config where left out.
        steps, lr: of Adam.
        confidence: the least probability of the intended class, in [0, 1].
        batch_size: how many images are made at once, at most; lower it where memory is short.
        flip: let steps see mirrored images; turn it off for digits and letters.
        forward: ``(source, images) -> logits`` for a source that returns something else.

    Returns a part with the intended classes as ``labels`` and the source's logits as ``soft``. Its ``provenance`` says
    whether batch norm statistics were used and how many images stayed below ``confidence``; a warning says so too.
    Ctrl-C raises ``Interrupted``, whose ``.part`` holds the images of all finished batches.
    Source: Yin et al. 2020, without its adaptive term.
    """
    num_classes, shape = _sizes(source, num_classes, shape)
    _check_numbers(
        {"n": n, "num_classes": num_classes, "steps": steps, "rounds": rounds, "batch_size": batch_size},
        {"norm_weight": norm_weight, "variation_weight": variation_weight, "square_weight": square_weight},
        {"jitter": jitter, "seed": seed},
    )
    positive("lr", lr)
    fraction("confidence", confidence)
    place = pick_device(device)
    n, seed, weights = int(n), int(seed), (float(norm_weight), float(variation_weight), float(square_weight))
    options = {"steps": int(steps), "lr": float(lr), "weights": weights, "jitter": int(jitter), "flip": flip,
               "progress": progress, "batch_size": int(batch_size)}  # fmt: skip
    with seeded(seed), preserved(source), torch.inference_mode(False), torch.enable_grad():
        sent(source, place, "source")
        ask = partial(forward or call, source)
        _check_answer(ask, num_classes, shape, place)
        norms = _norms(source)
        if not norms:
            warnings.warn("the source has no batch norm statistics: images are made without that term", stacklevel=2)
        work = _Work(ask, norms, num_classes, shape, options, torch.arange(n, device=place) % num_classes)
        about = {"made_by": "synthesise", "seed": seed, "batch_norm": bool(norms), "n": n, **options}
        try:
            work.run(confidence, rounds)
        except KeyboardInterrupt as stop:
            raise _interrupted(work, n, confidence, about) from stop
    part = work.part(confidence, about)
    weak = part.provenance["below_confidence"]
    if weak:
        warnings.warn(f"{weak} of {n} images stayed below confidence {confidence} after {rounds} rounds", stacklevel=2)
    return part


def _sizes(source: nn.Module, num_classes: int | None, shape: Sequence[int] | None) -> tuple[int, tuple[int, ...]]:
    """(classes, shape) as given, else the config's."""
    config = getattr(source, "config", None)
    config = config if isinstance(config, dict) else {}
    num_classes = config.get("num_classes") if num_classes is None else num_classes
    shape = config.get("shape") if shape is None else shape
    if num_classes is None or shape is None:
        argument = "num_classes" if num_classes is None else "shape"
        remedy = "Pass num_classes=10, shape=(1, 28, 28), say."
        raise fail(argument, "be given: the source has no config", None, remedy)
    if not isinstance(shape, Sequence) or len(shape) != 3:
        shown = tuple(shape) if isinstance(shape, Sequence) else shape
        raise fail("shape", "be (channels, height, width)", shown, "Write (1, 28, 28), say.")
    for size in shape:
        positive("each number of shape", size, whole=True)
    return num_classes, tuple(int(size) for size in shape)


def _check_numbers(counts: dict[str, int], weights: dict[str, float], from_zero: dict[str, int]) -> None:
    for argument, count in counts.items():
        positive(argument, count, whole=True)
    for argument, weight in weights.items():
        positive(argument, weight, zero=True)
    for argument, count in from_zero.items():
        positive(argument, count, whole=True, zero=True)
    if counts["num_classes"] < 2:
        raise fail("num_classes", "be at least 2", counts["num_classes"], WRAP_ONE)


WRAP = "Pass forward=lambda model, images: model(images)[0] (or .logits), say."
WRAP_ONE = (
    "A model with one logit for two classes is wrapped by num_classes=2, "
    "forward=lambda model, images: torch.nn.functional.pad(model(images).reshape(-1, 1), (1, 0))."
)


def _check_answer(ask: Ask, classes: int, shape: Sequence[int], device: torch.device) -> None:
    images = torch.zeros(2, *shape, device=device)
    with torch.no_grad():
        try:
            answer = ask(images)
        except (RuntimeError, ValueError, IndexError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise fail("shape", "fit the source", f"{tuple(shape)}: {reason}", "Check shape and forward.") from error
    if not isinstance(answer, Tensor):
        raise fail("source", f"answer a tensor of logits, 2 x {classes} to two images", type(answer).__name__, WRAP)
    if answer.shape != (2, classes):
        remedy = WRAP_ONE if answer.shape in ((2, 1), (2,)) else "Check num_classes, shape and the model."
        raise fail("num_classes", f"fit the source, which should answer (2, {classes}) to two images",
                   tuple(answer.shape), remedy)  # fmt: skip


class _Work:
    """The images so far, batch by batch: logits, and the chance of the intended class (-1: not made yet)."""

    def __init__(
        self, ask: Ask, norms: list[nn.Module], classes: int, shape: tuple[int, ...], options: dict[str, Any],
        labels: Tensor,
    ) -> None:  # fmt: skip
        self.ask, self.norms, self.options, self.labels = ask, norms, options, labels
        self.images = torch.zeros(len(labels), *shape, device=labels.device)
        self.soft = torch.zeros(len(labels), classes, device=labels.device)
        self.sure = torch.full((len(labels),), -1.0, device=labels.device)

    def run(self, confidence: float, rounds: int) -> None:
        """Make all images; make those below ``confidence`` again and keep the better of the two."""
        for again in range(rounds):
            poor = (self.sure < confidence).nonzero().flatten()
            if not len(poor):
                break
            pieces = torch.tensor_split(poor, -(-len(poor) // self.options["batch_size"]))
            name = f"synthesise again, {len(poor)} images" if again else "synthesise"
            total = len(pieces) * self.options["steps"]
            with progress_bar(self.options["progress"], total=total, desc=name) as bar:
                for at in pieces:
                    self._batch(at, bar)

    def _batch(self, at: Tensor, bar: Any) -> None:
        wanted = self.labels[at] if len(at) > 1 else self.labels[at].repeat(2)  # a batch's variance needs two images
        made = _invert(self.ask, self.norms, wanted, self.images.shape[1:], self.options, bar)[: len(at)]
        with torch.no_grad():
            logits = self.ask(made).float()
        chance = logits.softmax(dim=1).gather(1, self.labels[at, None]).squeeze(1).nan_to_num(0)
        better = chance > self.sure[at]
        at, made, logits, chance = at[better], made[better], logits[better], chance[better]
        self.images[at], self.soft[at], self.sure[at] = made, logits, chance

    def part(self, confidence: float, about: dict[str, Any]) -> Part:
        """The images that were made, on the CPU."""
        made = (self.sure >= 0).nonzero().flatten()
        weak = int((self.sure[made] < confidence).sum())
        images, labels, soft = (values[made].cpu() for values in (self.images, self.labels, self.soft))
        return Part(images, labels, soft=soft, provenance={**about, "below_confidence": weak})


def _interrupted(work: _Work, n: int, confidence: float, about: dict[str, Any]) -> Interrupted:
    part = work.part(confidence, {**about, "interrupted": True})
    weak = part.provenance["below_confidence"]
    stop = Interrupted(
        f"synthesise was interrupted with {len(part)} of {n} images made, {weak} of them below confidence. They are in "
        ".part of this exception (in a notebook: sys.last_value.part). The same call starts anew."
    )
    stop.part = part
    return stop


def _invert(
    ask: Ask, norms: list[nn.Module], labels: Tensor, shape: Sequence[int], options: dict[str, Any], bar: Any
) -> Tensor:
    """One inversion of a whole batch."""
    norm_weight, variation_weight, square_weight = options["weights"]
    images = (
        (0.5 + 0.2 * torch.randn(len(labels), *shape, device=labels.device, dtype=torch.float32))
        .clamp(0, 1)
        .requires_grad_()
    )
    optimizer = torch.optim.Adam([images], lr=options["lr"])
    with _listening(norms) as heard:
        for step in range(options["steps"]):
            optimizer.param_groups[0]["lr"] = options["lr"] * (1 + math.cos(math.pi * step / options["steps"])) / 2
            heard.clear()
            seen = _jittered(images, options["jitter"], options["flip"])
            loss = F.cross_entropy(ask(seen).float(), labels)
            if heard:
                loss = loss + norm_weight * torch.stack(heard).sum()
            loss = loss + variation_weight * total_variation(images) + square_weight * images.square().mean()
            (images.grad,) = torch.autograd.grad(loss, [images])
            if not bool(torch.isfinite(images.grad).all()):
                raise fail(
                    "source", "give finite gradients", "NaN or infinity", "Train it, or lower lr and norm_weight."
                )
            optimizer.step()
            with torch.no_grad():
                images.clamp_(0, 1)
            bar.update()
    return images.detach()


def _jittered(images: Tensor, jitter: int, flip: bool) -> Tensor:
    if jitter:
        down, right = (int(v) for v in torch.randint(-jitter, jitter + 1, (2,)))
        images = images.roll((down, right), dims=(2, 3))
    return images.flip(3) if flip and bool(torch.rand(()) < 0.5) else images

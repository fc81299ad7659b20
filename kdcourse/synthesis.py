"""Images a model dreams up: the demonstration set, by model inversion (DeepInversion, Yin et al. 2020)."""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse._arguments import fail, fraction, positive
from kdcourse._feeds import progress_bar
from kdcourse.data import Part, pick_device, seeded
from kdcourse.models import preserved

__all__ = ["batch_norm_distance", "synthesise", "total_variation"]


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels. Shape: N x C x H x W to a scalar."""
    down, right = images[:, :, 1:] - images[:, :, :-1], images[:, :, :, 1:] - images[:, :, :, :-1]
    return sum((d.abs().mean() for d in (down, right) if d.numel()), torch.zeros((), device=images.device))


def batch_norm_distance(inputs: Tensor, module: nn.Module) -> Tensor:
    """||mu - mu_BN|| + ||sigma^2 - sigma^2_BN|| of one batch norm layer: the batch's statistics against the stored."""
    dims = [d for d in range(inputs.ndim) if d != 1]
    mean, variance = inputs.mean(dims), inputs.var(dims, unbiased=False)
    stored_mean, stored_variance = module.running_mean, module.running_var
    assert isinstance(stored_mean, Tensor) and isinstance(stored_variance, Tensor)
    distance: Tensor = (mean - stored_mean).norm() + (variance - stored_variance).norm()
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
    batch_size: int = 1000,
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
        batch_size: how many images are made at once; lower it where memory is short.
        flip: let steps see mirrored images; turn it off for digits and letters.

    Returns a part with the intended classes as ``labels`` and the source's logits as ``soft``. Its ``provenance`` says
    whether batch norm statistics were used and how many images stayed below ``confidence``; a warning says so too.
    Source: Yin et al. 2020, without its adaptive term.
    """
    config = getattr(source, "config", None)
    config = config if isinstance(config, dict) else {}
    num_classes = config.get("num_classes") if num_classes is None else num_classes
    shape = config.get("shape") if shape is None else shape
    if num_classes is None or shape is None:
        argument = "num_classes" if num_classes is None else "shape"
        remedy = "Pass num_classes=10, shape=(1, 28, 28), say."
        raise fail(argument, "be given: the source has no config", None, remedy)
    _check_numbers(
        {"n": n, "num_classes": num_classes, "steps": steps, "rounds": rounds, "batch_size": batch_size},
        {"norm_weight": norm_weight, "variation_weight": variation_weight, "square_weight": square_weight},
    )
    positive("jitter", jitter, whole=True, zero=True)
    positive("lr", lr)
    fraction("confidence", confidence)
    if len(shape) != 3:
        raise fail("shape", "be (channels, height, width)", tuple(shape), "Write (1, 28, 28), say.")
    place = pick_device(device)
    options = {"steps": steps, "lr": lr, "weights": (norm_weight, variation_weight, square_weight), "jitter": jitter,
               "flip": flip, "progress": progress, "batch_size": batch_size}  # fmt: skip
    labels = torch.arange(n, device=place) % num_classes
    with seeded(seed), preserved(source):
        source.to(place)
        _check_answer(source, num_classes, shape, place)
        norms = _norms(source)
        if not norms:
            warnings.warn("the source has no batch norm statistics: images are made without that term", stacklevel=2)
        images, soft, weak = _rounds(source, norms, labels, tuple(shape), confidence, rounds, options)
    if weak:
        warnings.warn(f"{weak} of {n} images stayed below confidence {confidence} after {rounds} rounds", stacklevel=2)
    about = {"made_by": "synthesise", "seed": seed, "batch_norm": bool(norms), "below_confidence": weak, **options}
    return Part(images, labels.cpu(), soft=soft, provenance=about)


def _check_numbers(counts: dict[str, int], weights: dict[str, float]) -> None:
    for argument, count in counts.items():
        positive(argument, count, whole=True)
    for argument, weight in weights.items():
        positive(argument, weight, zero=True)


def _check_answer(source: nn.Module, classes: int, shape: Sequence[int], device: torch.device) -> None:
    with torch.no_grad():
        answer = source(torch.zeros(2, *shape, device=device))
    if not isinstance(answer, Tensor) or answer.shape != (2, classes):
        got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise fail("num_classes", f"fit the source, which should answer (2, {classes}) to two images", got,
                   "Check num_classes, shape and the model.")  # fmt: skip


def _rounds(
    source: nn.Module, norms: list[nn.Module], labels: Tensor, shape: tuple[int, ...], confidence: float, rounds: int,
    options: dict[str, Any],
) -> tuple[Tensor, Tensor, int]:  # fmt: skip
    """Make all images; make those below ``confidence`` again and keep the better of the two."""
    images = torch.zeros(len(labels), *shape, device=labels.device)
    soft = torch.zeros(len(labels), 0, device=labels.device)
    sure = torch.full((len(labels),), -1.0, device=labels.device)
    for _ in range(rounds):
        poor = (sure < confidence).nonzero().flatten()
        if not len(poor):
            break
        wanted = labels[poor] if len(poor) > 1 else labels[poor].repeat(2)  # a batch's variance needs two images
        pieces = [_invert(source, norms, some, shape, options) for some in torch.split(wanted, options["batch_size"])]
        made = torch.cat(pieces)[: len(poor)]
        with torch.no_grad():
            logits = source(made).float()
        chance = logits.softmax(dim=1).gather(1, labels[poor, None]).squeeze(1)
        soft = logits.new_zeros(len(labels), logits.shape[1]) if not soft.shape[1] else soft
        better = chance > sure[poor]
        images[poor[better]], soft[poor[better]], sure[poor[better]] = made[better], logits[better], chance[better]
    return images.cpu(), soft.cpu(), int((sure < confidence).sum())


def _invert(
    source: nn.Module, norms: list[nn.Module], labels: Tensor, shape: tuple[int, ...], options: dict[str, Any]
) -> Tensor:
    """One inversion of a whole batch."""
    norm_weight, variation_weight, square_weight = options["weights"]
    images = (0.5 + 0.2 * torch.randn(len(labels), *shape, device=labels.device)).clamp(0, 1).requires_grad_()
    optimizer = torch.optim.Adam([images], lr=options["lr"])
    with _listening(norms) as heard:
        for step in progress_bar(options["progress"], iterable=range(options["steps"])):
            optimizer.param_groups[0]["lr"] = options["lr"] * (1 + math.cos(math.pi * step / options["steps"])) / 2
            heard.clear()
            seen = _jittered(images, options["jitter"], options["flip"])
            loss = F.cross_entropy(source(seen).float(), labels)
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
    return images.detach()


def _jittered(images: Tensor, jitter: int, flip: bool) -> Tensor:
    if jitter:
        down, right = (int(v) for v in torch.randint(-jitter, jitter + 1, (2,)))
        images = images.roll((down, right), dims=(2, 3))
    return images.flip(3) if flip and bool(torch.rand(()) < 0.5) else images

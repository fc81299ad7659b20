"""Two tasks on one image: what is it, and where? Canvases with one item each, two-headed networks, how good they are.

A canvas is a larger image with one Fashion-MNIST item (of any set of images, in truth) at a random place and scale,
among pieces of others. Class and box are known because we put the item there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse._answers import predict
from kdcourse._arguments import fail, one_of, positive
from kdcourse._feeds import open_feed
from kdcourse.data import ASSETS, NO_LABEL, Part, Splits, as_part, pick_device, seeded
from kdcourse.data.batching import drawing
from kdcourse.evaluation import lent
from kdcourse.export import load_frozen
from kdcourse.losses import check_boxes
from kdcourse.losses.boxes import known_boxes
from kdcourse.models import build

__all__ = [
    "TwoHeads",
    "TwoTasks",
    "canvases",
    "delta_m",
    "evaluate",
    "few_labels",
    "iou",
    "load_teacher",
    "score",
    "two_headed",
]

INK = 0.1  # pixels above this belong to the item, and its box is drawn around them
SCALES = (0.3, 0.75)  # the item's side as a share of the canvas's
PIECES = (0.15, 0.3)  # a piece's side, likewise
HEADS = ("class", "box")


# ---------------------------------------------------------------- canvases


def canvases(data: Any, *, size: int = 64, clutter: int = 3, seed: int = 0) -> Any:
    """One canvas for each image: the item at a random place and scale, over ``clutter`` pieces of other items.

    Args:
        data: splits (each part's canvases are made of that part's images alone), a part, or a pair (images, labels).
        size: height and width of a canvas, at least that of an image.
        clutter: pieces of other images of the same part behind the item.
        seed: the same seed gives the same canvases.

    Returns splits (or a part) whose images are N x C x size x size and whose labels are {"class": N, "box": N x 4},
    the box (x1, y1, x2, y2) in shares of the canvas, tight around the item's pixels above 0.1. An item without any
    such pixel has no box: a row of -100.
    """
    if isinstance(data, Splits):
        parts = [None if part is None else part for part in (data.train, data.val, data.test)]
        made = [None if p is None else _canvases(p, size, clutter, (seed, k)) for k, p in enumerate(parts)]
        told = {"canvas": size, "clutter": clutter, "canvas_seed": seed}
        assert made[0] is not None and made[1] is not None
        return Splits(made[0], made[1], made[2], data.classes, {**data.provenance, **told})
    return _canvases(as_part(data), size, clutter, (seed, 0))


def _canvases(part: Part, size: int, clutter: int, seed: tuple[int, int]) -> Part:
    images = part.images
    positive("clutter", clutter, whole=True, zero=True)
    positive("size", size, whole=True)
    if images.ndim != 4 or not images.is_floating_point():
        raise fail("images", "be N x C x H x W floats", f"{tuple(images.shape)} {images.dtype}", "Convert them.")
    if size < max(images.shape[2:]):
        raise fail("size", f"be at least the images' {max(images.shape[2:])}", size, "64 suits images of 28.")
    if part.labels is None or isinstance(part.labels, Mapping):
        raise fail("labels", "be class numbers", "none" if part.labels is None else "several heads", "Pass a part.")
    g = torch.Generator().manual_seed(seed[0] * 1000 + seed[1])
    found = torch.zeros(len(images), images.shape[1], size, size)
    for _ in range(clutter if len(images) > 1 else 0):
        others = torch.randint(1, len(images), (len(images),), generator=g)  # never the item itself
        _paste(found, images[(torch.arange(len(images)) + others) % len(images)], PIECES, g, whole=False)
    boxes = _paste(found, images, SCALES, g, whole=True)
    labels = {"class": part.labels, "box": boxes}
    return Part(found, labels, part.indices, provenance=part.provenance, classes=part.classes)


def _paste(onto: Tensor, images: Tensor, share: tuple[float, float], g: torch.Generator, *, whole: bool) -> Tensor:
    """Put one image (or a piece out of its middle) on each canvas; the boxes of what was put there."""
    size, n = onto.shape[-1], len(images)
    low, high = (max(2, round(v * size)) for v in share)
    sides = torch.randint(low, high + 1, (n,), generator=g)
    at = (torch.rand(n, 2, generator=g) * (size + 1 - sides)[:, None]).long()
    boxes = torch.full((n, 4), float(NO_LABEL))
    for side in sorted(set(sides.tolist())):
        rows = (sides == side).nonzero().flatten().tolist()
        items = images[rows] if whole else _pieces(images[rows])
        items = F.interpolate(items, size=(side, side), mode="bilinear", antialias=True).clamp(0, 1)
        for k, item in zip(rows, items, strict=True):
            top, left = at[k].tolist()
            place = onto[k, :, top : top + side, left : left + side]
            inked = item.amax(dim=0) > INK
            onto[k, :, top : top + side, left : left + side] = torch.where(inked, item, place)
            if bool(inked.any()):
                boxes[k] = _tight(inked, top, left) / size
    return boxes


def _pieces(images: Tensor) -> Tensor:
    """The middle third of each image: something of an item, and no item."""
    height, width = images.shape[2:]
    return images[:, :, height // 3 : height - height // 3, width // 3 : width - width // 3]


def _tight(inked: Tensor, top: int, left: int) -> Tensor:
    """(x1, y1, x2, y2) in pixels around what is inked; the far sides are behind the last pixel."""
    rows, columns = inked.any(dim=1).nonzero().flatten(), inked.any(dim=0).nonzero().flatten()
    sides = (left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1)
    return torch.stack([torch.as_tensor(side) for side in sides]).float()


def few_labels(part: Part, n: int, seed: int = 0) -> Part:
    """Keep class and box of ``n`` canvases, balanced over the classes; all others lose both (-100)."""
    from kdcourse.data import few_labels as of_classes

    classes = of_classes(Part(part.images, part.labels["class"]), n, seed).labels
    boxes = torch.where((classes != NO_LABEL)[:, None], part.labels["box"], float(NO_LABEL))
    return Part(part.images, {"class": classes, "box": boxes}, part.indices, provenance=part.provenance,
                classes=part.classes)  # fmt: skip


# ---------------------------------------------------------------- networks


class TwoHeads(nn.Module):
    """One trunk, and a head for the class, for the box, or for both: images to {"class": N x C, "box": N x 4}.

    The class head averages the trunk's map over its places: what, wherever it is. The box head reads every place, and
    gives a middle and a size between 0 and 1, written as (x1, y1, x2, y2); a side may stick out of the canvas.

    Attributes:
        trunk: the blocks of a registry model, normalising first, and one more, ``neck``, that halves its map.
        heads: by name.
    """

    def __init__(self, trunk: nn.Module, channels: int, cells: int, num_classes: int, heads: Sequence[str]) -> None:
        super().__init__()
        self.trunk = trunk
        of: dict[str, nn.Module] = {
            "class": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)),
            "box": nn.Sequential(nn.Conv2d(channels, 16, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * cells, 4)),
        }
        self.heads = nn.ModuleDict({name: of[name] for name in heads})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        seen = self.trunk(x)
        found = {name: head(seen) for name, head in self.heads.items()}
        if "box" in found:
            middle, extent = found["box"].sigmoid().chunk(2, dim=1)
            found["box"] = torch.cat([middle - extent / 2, middle + extent / 2], dim=1)
        return found


def two_headed(
    name: str = "cnn", *, width: int | None = None, num_classes: int = 10, size: int = 64, channels: int = 1,
    heads: Sequence[str] = HEADS, seed: int = 0,
) -> TwoHeads:  # fmt: skip
    """An untrained network for canvases: the trunk of a registry model under one head or two.

    Args:
        name: "cnn", "deep_cnn" or "mini_googlenet" (which is pooled once more after its first block, as GoogLeNet is).
        width: of the registry model.
        num_classes: C of the class head.
        size, channels: of a canvas.
        heads: "class", "box" or both.
        seed: the same seed gives the same weights.
    """
    one_of("name", name, ("cnn", "deep_cnn", "mini_googlenet"))
    if not heads or [head for head in heads if head not in HEADS]:
        raise fail("heads", "be some of class and box", tuple(heads), 'Write ("class", "box").')
    whole = build(name, width=width, num_classes=num_classes, shape=(channels, size, size), seed=seed)
    trunk = nn.Sequential()
    for key, block in whole.named_children():
        if key != "head":
            trunk.add_module(key, block)
        if name == "mini_googlenet" and key == "block1":
            trunk.add_module("pool", nn.MaxPool2d(2, ceil_mode=True))
    with torch.no_grad(), drawing(seed):
        _, wide, high, broad = trunk.eval()(torch.zeros(1, channels, size, size)).shape
        neck = nn.Conv2d(wide, wide, 3, 2, padding=1, bias=False)
        trunk.add_module("neck", nn.Sequential(neck, nn.BatchNorm2d(wide), nn.ReLU()))
        cells = ((high + 1) // 2) * ((broad + 1) // 2)
        return TwoHeads(trunk.train(), wide, cells, num_classes, tuple(heads))


def load_teacher(device: Any = None) -> TwoHeads:
    """The shipped two-headed teacher for canvases of 64 x 64: a ``mini_googlenet`` of width 16, frozen.

    It learned on canvases of 45,000 images of which the bundle holds none. Recipe and scores stand in
    ``kdcourse/assets/two_heads/config.json``.
    """
    model = two_headed("mini_googlenet", width=16)
    load_frozen(ASSETS / "two_heads", into=model, device=device)
    return model


# ---------------------------------------------------------------- how good


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of each pair: N x 4, N x 4 to N. A predicted box without an area has 0."""
    corner, end = torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:])
    both = (end - corner).clamp(min=0).prod(dim=1)
    areas = [(b[:, 2:] - b[:, :2]).clamp(min=0).prod(dim=1) for b in (boxes, others)]
    union = areas[0] + areas[1] - both
    return torch.where(union > 0, both / union.clamp(min=1e-12), torch.zeros_like(union))


@dataclass
class TwoTasks:
    """How good a network is at both tasks; what its heads or the labels lack is None.

    Attributes:
        accuracy: the share of right classes.
        mean_iou: the mean intersection over union with the true boxes.
        iou_at_half: the share of boxes with an IoU of at least 0.5.
        right, ious: the same canvas by canvas, N bool and N floats, of those with a label.
        outputs: the network's answers.
    """

    accuracy: float | None = None
    mean_iou: float | None = None
    iou_at_half: float | None = None
    right: Tensor | None = field(default=None, repr=False)
    ious: Tensor | None = field(default=None, repr=False)
    outputs: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        found = {"accuracy": self.accuracy, "mean IoU": self.mean_iou, "IoU of at least 0.5": self.iou_at_half}
        return ", ".join(f"{name} {value:.3f}" for name, value in found.items() if value is not None)


def evaluate(model: nn.Module, data: Any, *, batch_size: int = 256, device: Any = None) -> TwoTasks:
    """Ask a two-headed (or one-headed) network about canvases; see ``TwoTasks``.

    Raises ValueError where the labels are no dict of heads, or where network and labels have no head in common.
    """
    place = pick_device(device)
    with lent([model], place), seeded(0):
        feed = open_feed(data, batch_size, place, scan=True)
        if not isinstance(feed.labels, Mapping):
            raise fail("data", 'have labels {"class": ..., "box": ...}', type(feed.labels).__name__, "See canvases().")
        (outputs,), labels = predict([lambda batch: model(batch.inputs)], feed, place)
    if not isinstance(outputs, Mapping) or not set(outputs) & set(labels) & set(HEADS):
        got = ", ".join(map(str, outputs)) if isinstance(outputs, Mapping) else type(outputs).__name__
        raise fail("the model", f"have a head that the labels have: {', '.join(labels)}", got, "See two_headed().")
    outputs = {name: value.float().cpu() for name, value in outputs.items()}
    found = TwoTasks(outputs=outputs)
    if "class" in outputs and "class" in labels:
        known = labels["class"].cpu() != NO_LABEL
        found.right = (outputs["class"].argmax(dim=1) == labels["class"].cpu())[known]
        found.accuracy = float(found.right.float().mean())
    if "box" in outputs and "box" in labels:
        boxes = labels["box"].cpu()
        check_boxes(boxes, "labels['box']")
        known = known_boxes(boxes)
        found.ious = iou(outputs["box"][known], boxes[known])
        found.mean_iou, found.iou_at_half = float(found.ious.mean()), float((found.ious >= 0.5).float().mean())
    return found


def score(outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> float:
    """What validation chooses an epoch by: the mean of accuracy and mean IoU, of the heads that there are."""
    found = []
    if "class" in outputs:
        known = labels["class"] != NO_LABEL
        found.append(float((outputs["class"].argmax(dim=1) == labels["class"])[known].float().mean()))
    if "box" in outputs:
        known = known_boxes(labels["box"])
        found.append(float(iou(outputs["box"][known], labels["box"][known]).mean()))
    if not found:
        raise fail("outputs", "have a head class or box", ", ".join(outputs), "See two_headed().")
    return sum(found) / len(found)


def delta_m(
    scores: Sequence[float], singles: Sequence[float], *, lower_is_better: Sequence[bool] | None = None
) -> float:
    """The mean relative change against single-task networks, task by task (Maninis et al. 2019).

    Delta_m = mean over tasks of (-1)^l (M - M_single) / M_single, l = 1 where lower is better.

    Args:
        scores: of the network for all tasks, one a task.
        singles: of a network for each task alone.
        lower_is_better: for each task, whether its score is an error.
    """
    lower = [False] * len(scores) if lower_is_better is None else list(lower_is_better)
    if not len(scores) == len(singles) == len(lower) or not scores:
        counts = f"{len(scores)}, {len(singles)} and {len(lower)}"
        raise fail("scores, singles and lower_is_better", "have one entry a task", counts, "Give one of each a task.")
    if min(singles) <= 0:
        raise fail("singles", "be above 0", min(singles), "A relative change of nothing has no meaning.")
    changes = [(m - s) / s * (-1 if turned else 1) for m, s, turned in zip(scores, singles, lower, strict=True)]
    return sum(changes) / len(changes)

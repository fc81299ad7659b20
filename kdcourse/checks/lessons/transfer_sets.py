"""Exercises: images laid over each other, the memory of batch norm, the bias of a class that was never shown."""

from typing import Any

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import biases

# ---------------------------------------------------------------- transfer_sets.1


def mixed(images: Tensor, order: Tensor, weight: Tensor) -> Tensor:
    w = weight.view(-1, 1, 1, 1)
    return w * images + (1 - w) * images[order]


def _scalar_weight(images: Tensor, order: Tensor, weight: Tensor) -> Tensor:
    return weight[0] * images + (1 - weight[0]) * images[order]


def _inverse(order: Tensor) -> Tensor:
    return order.argsort()


def _mixed_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def images(n: int, c: int = 1, h: int = 3, w: int = 3) -> Tensor:
        return torch.rand(n, c, h, w, generator=g)

    flat = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    return [
        (flat, torch.tensor([1, 0]), torch.tensor([0.25, 0.25])),
        (images(3), torch.tensor([2, 0, 1]), torch.tensor([0.5, 0.9, 0.1])),
        (images(3), torch.tensor([0, 1, 2]), torch.rand(3, generator=g)),
        (images(3), torch.tensor([1, 2, 0]), torch.tensor([1.0, 0.0, 1.0])),
        (images(4, 3, 4, 2), torch.tensor([3, 0, 1, 2]), torch.rand(4, generator=g)),
    ]


MIXED = Task(
    id="transfer_sets.1",
    title="Lay images over each other",
    kind="implement",
    difficulty="warm-up",
    minutes=5,
    points=2,
    rungs=("black and white", "a weight for each image", "each with itself", "weights of 0 and 1", "three colours"),
    inputs=_mixed_inputs,
    reference=mixed,
    judge=close,
    mistakes=(
        Mistake(
            "one weight for all",
            _scalar_weight,
            "The first weight was used for every image. Each image has a weight of its own: weight.view(-1, 1, 1, 1).",
        ),
        Mistake(
            "the weights changed places",
            lambda x, o, w: mixed(x, o, 1 - w),
            "The weight belongs to the image itself, and 1 − weight to its partner. Here they have changed places.",
        ),
        Mistake(
            "the partner's weight",
            lambda x, o, w: mixed(x, o, w[o]),
            "Here each image got the weight of its *partner*. The order picks the partner, not the weight.",
        ),
        Mistake(
            "the order read backwards",
            lambda x, o, w: mixed(x, _inverse(o), w),
            "The partner of image i is images[order[i]]. Here it is the image whose partner i is.",
        ),
        Mistake(
            "added up",
            lambda x, o, w: x + (1 - w.view(-1, 1, 1, 1)) * x[o],
            "The image itself came in with its full weight, so the pixels leave [0, 1]: the two weights must add up to 1.",
        ),
        Mistake(
            "always half and half",
            lambda x, o, w: (x + x[o]) / 2,
            "Every image was mixed half and half; the weights were not used.",
        ),
        Mistake(
            "weights along the columns",
            lambda x, o, w: w * x + (1 - w) * x[o],
            "The weights are not reshaped, so they run along the columns of pixels. One weight belongs to a whole image: `weight.view(-1, 1, 1, 1)`.",
        ),
        Mistake(
            "the mean weight",
            lambda x, o, w: mixed(x, o, w.mean().expand_as(w)),
            "All images get the *mean* of the weights. Each image has a weight of its own.",
        ),
        Mistake(
            "the partner in full",
            lambda x, o, w: w.view(-1, 1, 1, 1) * x + x[o],
            "The partner comes with full strength: 1 − weight is missing in front of it.",
        ),
        Mistake(
            "the order ignored",
            lambda x, o, w: mixed(x, torch.arange(len(x)).roll(1), w),
            "`order` is ignored: each image is laid over its neighbour. `images[order]` are the partners.",
        ),
        Mistake(
            "two new dimensions",
            lambda x, o, w: w.view(-1, 1, 1) * x + (1 - w.view(-1, 1, 1)) * x[o],
            "The weights have two new dimensions, so they meet the *channels*. Images have four dimensions: `view(-1, 1, 1, 1)`.",
        ),
        Mistake(
            "partners of weighted images",
            lambda x, o, w: w.view(-1, 1, 1, 1) * x + (1 - w.view(-1, 1, 1, 1)) * (w.view(-1, 1, 1, 1) * x)[o],
            "The partner is taken from images that are weighted already. Take it from the images as they came.",
        ),
        Mistake(
            "the example's weights",
            lambda x, o, w: 0.25 * x + 0.75 * x[o],
            "0.25 and 0.75, the worked example's weights, are used for every image.",
        ),
        Mistake(
            "the sum",
            lambda x, o, w: x + x[o],
            "Both images come with their full strength. weight and 1 − weight share 1.",
        ),
        Mistake(
            "partners alone",
            lambda x, o, w: x[o],
            "The partners came back. The weights are not used.",
        ),
        Mistake(
            "minus the partner",
            lambda x, o, w: w.view(-1, 1, 1, 1) * x - (1 - w.view(-1, 1, 1, 1)) * x[o],
            "The partner is subtracted. Lay it over the image: add.",
        ),
        Mistake(
            "chosen, not mixed",
            lambda x, o, w: torch.where(w.view(-1, 1, 1, 1) >= 0.5, x, x[o]),
            "One of the two images is *chosen* by its weight. Mix them: both stay visible.",
        ),
        Mistake(
            "mixed in the copy",
            lambda x, o, w: _one_by_one(x, o, w),
            "The images are mixed one after the other *in the copy*, so that a later one gets a partner that is mixed already. Take partners from the images as they came.",
        ),
        Mistake(
            "the partner's weight for the partner",
            lambda x, o, w: w.view(-1, 1, 1, 1) * x + (1 - w[o]).view(-1, 1, 1, 1) * x[o],
            "The partner comes with 1 − *its own* weight. Both weights are the image's: weight and 1 − weight.",
        ),
    ),
    hints=(
        "Which shape must the weights have so that one of them reaches all pixels of its image?",
        "The skeleton, with blanks:\nw = weight.view(____, 1, 1, 1)\nreturn w * images + (1 - w) * images[____]",
    ),
    takeaway="A mixed image is a photograph that nobody took, and the source has an opinion about it all the same.",
)

# ---------------------------------------------------------------- transfer_sets.2


def memory(features: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    seen = features.transpose(0, 1).flatten(1)  # channels x everything else
    return (seen.mean(dim=1) - mean).square().sum() + (seen.std(dim=1) - std).square().sum()


def _parts(features: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return features.mean(dim=dims), features.std(dim=dims)


def _as_given(features: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    m, s = _parts(features, (0,))
    return (m - mean.view(-1, 1, 1)).square().sum() + (s - std.view(-1, 1, 1)).square().sum()


def _by_image(features: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    m, s = _parts(features, (2, 3))
    return (m - mean).square().sum() + (s - std).square().sum()


def _after(change: Any) -> Any:
    def wrong(features: Tensor, mean: Tensor, std: Tensor) -> Any:
        return change(*_parts(features, (0, 2, 3)), mean, std)

    return wrong


def _memory_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    hand = torch.tensor([[[[0.0, 2.0]]], [[[2.0, 4.0]]]])
    two, many = torch.randn(3, 2, 2, 2, generator=g), torch.randn(5, 4, 3, 2, generator=g)
    own = _parts(many, (0, 2, 3))
    return [
        (hand, torch.tensor([2.0]), torch.tensor([1.0])),
        (two, torch.tensor([1.0, -1.0]), torch.tensor([1.0, 2.0])),
        (many, *own),
        (many + 3, *own),
        (2 * many, own[0], own[1]),
        (100 * torch.randn(4, 3, 2, 2, generator=g), torch.zeros(3), torch.ones(3)),
    ]


MEMORY = Task(
    id="transfer_sets.2",
    title="Debug a memory",
    kind="debug",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=("one channel", "two channels", "as remembered", "all moved by 3", "twice as wide", "large values"),
    inputs=_memory_inputs,
    reference=memory,
    judge=close,
    mistakes=(
        Mistake(
            "as given",
            _as_given,
            "Mean and spread were taken over the images alone, one for every *place*, as in the code that was given. Batch norm has "
            "one for each channel: over images, rows and columns.",
        ),
        Mistake(
            "image by image",
            _by_image,
            "Mean and spread were taken for each image by itself. Batch norm takes them over the whole batch: one image may be "
            "dark where another is bright.",
        ),
        Mistake(
            "not squared",
            _after(lambda m, s, mean, std: (m - mean).sum() + (s - std).sum()),
            "The differences were added as they are, so one channel's too much hides another's too little. Square them first.",
        ),
        Mistake(
            "absolute",
            _after(lambda m, s, mean, std: (m - mean).abs().sum() + (s - std).abs().sum()),
            "These are the absolute differences. Squares are asked for.",
        ),
        Mistake(
            "mean over channels",
            _after(lambda m, s, mean, std: (m - mean).square().mean() + (s - std).square().mean()),
            "The squares were averaged over the channels. They are added up here.",
        ),
        Mistake(
            "the mean alone",
            _after(lambda m, s, mean, std: (m - mean).square().sum()),
            "Only the means are compared. The spread belongs in, too: else a grey image would do.",
        ),
        Mistake(
            "the spread alone",
            _after(lambda m, s, mean, std: (s - std).square().sum()),
            "Only the spread is compared. The means belong in, too.",
        ),
        Mistake(
            "variances",
            _after(lambda m, s, mean, std: (m - mean).square().sum() + (s.square() - std.square()).square().sum()),
            "Variances are compared here. The standard deviations are asked for.",
        ),
        Mistake(
            "a root over all",
            _after(lambda m, s, mean, std: (m - mean).norm() + (s - std).norm()),
            "This is the distance, the root of the sum of squares. The squares' sum is asked for.",
        ),
        Mistake(
            "over n",
            lambda f, mean, std: (
                memory(f, mean, f.transpose(0, 1).flatten(1).std(dim=1))
                + (f.std(dim=(0, 2, 3), correction=0) - std).square().sum()
            ),
            "The spread was divided by n instead of n − 1. Tensor.std's default is asked for.",
        ),
        Mistake(
            "over the channels, too",
            lambda f, mean, std: (f.mean() - mean).square().sum() + (f.std() - std).square().sum(),
            "One mean and one standard deviation are taken over everything, the channels too. Each channel has its own.",
        ),
        Mistake(
            "added before squaring",
            _after(lambda m, s, mean, std: (m - mean).sum().square() + (s - std).sum().square()),
            "The differences are added up before they are squared, so channels cancel one another. Square each, then add.",
        ),
        Mistake(
            "everybody's memory",
            _after(
                lambda m, s, mean, std: (
                    (m - mean.view(-1, 1, 1)).square().sum() + (s - std.view(-1, 1, 1)).square().sum()
                )
            ),
            "`view(-1, 1, 1)` is still there: now every channel is compared with every channel's memory. Both have one number a channel already.",
        ),
        Mistake(
            "always zero",
            lambda f, mean, std: torch.zeros(()),
            "Zero came back for every input. Only where mean and spread are as remembered is it zero.",
        ),
        Mistake(
            "the spread within images",
            lambda f, mean, std: (
                (f.mean((0, 2, 3)) - mean).square().sum() + (f.std((2, 3)).mean(0) - std).square().sum()
            ),
            "The spread is taken within each image and then averaged. Batch norm's spread is over all images together.",
        ),
        Mistake(
            "the spread of means",
            lambda f, mean, std: (
                (f.mean((2, 3)).mean(0) - mean).square().sum() + (f.mean((2, 3)).std(0) - std).square().sum()
            ),
            "This is the spread of the images' *means*. Batch norm's is over all values: images, rows and columns.",
        ),
        Mistake(
            "one square",
            _after(lambda m, s, mean, std: ((m - mean) + (s - std)).square().sum()),
            "The two differences are added before they are squared. Square each by itself.",
        ),
        Mistake(
            "half",
            _after(lambda m, s, mean, std: 0.5 * ((m - mean).square().sum() + (s - std).square().sum())),
            "Everything is halved. There is no ½ here.",
        ),
        Mistake(
            "variance against spread",
            _after(lambda m, s, mean, std: (m - mean).square().sum() + (s.square() - std).square().sum()),
            "A variance is compared with a standard deviation. Take the root of the one: `.std`, not `.var`.",
        ),
        Mistake(
            "one number a channel",
            _after(lambda m, s, mean, std: (m - mean).square() + (s - std).square()),
            "One number for each channel came back. Their sum is asked for.",
        ),
        Mistake(
            "the batch's own memory",
            lambda f, mean, std: f.mean((0, 2, 3)).square().sum() + f.std((0, 2, 3)).square().sum(),
            "The remembered mean and spread are not used.",
        ),
        Mistake(
            "reshaped without moving the channels",
            lambda f, mean, std: memory(f.reshape(1, f.shape[1], -1, 1), mean, std),
            "Reshaped to C rows, a row does not hold one channel: images stand in front. Move the channels first (`transpose(0, 1)`), or give `dim=(0, 2, 3)`.",
        ),
        Mistake(
            "the places' spreads averaged",
            lambda f, mean, std: (
                (f.mean((0, 2, 3)) - mean).square().sum() + (f.std(0).mean((1, 2)) - std).square().sum()
            ),
            "The spread is taken at each place over the images, and these are averaged. Batch norm's spread is over all values of a channel at once.",
        ),
    ),
    hints=(
        "A batch has four dimensions. Which of them does batch norm average over, and which one is left?",
        "The skeleton, with blanks:\nm, s = features.mean(dim=(____)), features.std(dim=(____))\n"
        "return (m - mean).square().sum() + (____).square().sum()",
    ),
    takeaway="Batch norm remembers one mean and one spread a channel, and an image that fits them looks like training.",
)


def _one_by_one(images: Tensor, order: Tensor, weight: Tensor) -> Tensor:
    made = images.clone()
    for i in range(len(made)):
        made[i] = weight[i] * made[i] + (1 - weight[i]) * made[order[i]]
    return made


# ---------------------------------------------------------------- all

TASKS = [MIXED, MEMORY, biases.BEST_BIAS]

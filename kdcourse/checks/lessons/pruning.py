"""Exercises: what a removed channel saves, taking one out of its tensors, packing a knapsack; prune and recover."""

from functools import lru_cache

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import knapsack, recovery

# ---------------------------------------------------------------- pruning.1

CUTS = (
    "layer 2, when half of layer 2's channels go",
    "layer 3, when half of layer 2's channels go",
    "layer 2, when half of layer 1's and half of layer 2's channels go",
    "layer 1, when half of layer 2's channels go",
    "layer 1, when half of every layer's channels go",
)
SHARES = {1.0: "all", 0.5: "a half", 0.25: "a quarter", 0.125: "an eighth"}


@lru_cache(maxsize=8)
def share_left(cut: str) -> tuple[str, str]:
    """FLOPs of one of three 3 x 3 convolutions (one grey image, 16, 32 and 64 channels) after a cut, as a share."""
    layer, halved = int(cut[6]), [1, 2, 3] if "every" in cut else [int(n) for n in "123" if f"layer {n}'s" in cut]
    whole, channels = [1, 16, 32, 64], [1, 16, 32, 64]
    for n in halved:
        channels[n] //= 2
    before, after = (2 * 9 * 7**2 * widths[layer - 1] * widths[layer] for widths in (whole, channels))
    return SHARES[after / before], f"{before:,} → {after:,} FLOPs"


_believing = believer(CUTS, share_left)

LEFT = prediction(
    id="pruning.1",
    title="Predict what is left to compute",
    minutes=5,
    changes=CUTS,
    found=share_left,
    answers=tuple(SHARES.values()),
    mistakes=(
        Mistake(
            "in and out at once",
            _believing(c1="a quarter"),
            "Half of what layer 2 *gives* goes. What it reads from layer 1 is as before, so half of its FLOPs are left.",
        ),
        Mistake(
            "the next layer does not notice",
            _believing(c2="all"),
            "Layer 3 reads layer 2's channels. Half of them are not there to be multiplied any more.",
        ),
        Mistake(
            "only the output counts",
            _believing(c3="a half"),
            "Layer 2 now gives half of its channels and reads half of layer 1's: a half of a half.",
        ),
        Mistake(
            "the layer before is cheaper, too",
            _believing(c4="a half"),
            "Layer 1 comes before layer 2. It reads the image and gives its own channels, all as before.",
        ),
        Mistake(
            "half of the image",
            _believing(c5="a quarter"),
            "Layer 1 gives half of its channels, but it reads the image, and the image loses nothing.",
        ),
    ),
    hints=(
        "FLOPs of a convolution: 2 × places × kernel × channels that it reads × channels that it gives. Which factors change?",
        'The form:\n"layer 2, when half of layer 2\'s channels go": "____",',
    ),
    takeaway="A channel that goes makes its own layer cheaper, and the next one.",
)

# ---------------------------------------------------------------- pruning.2


def without(channel: int, convolution: Tensor, norm: Tensor, reader: Tensor, places: int) -> list[Tensor]:
    stays = torch.arange(len(convolution)) != channel
    return [convolution[stays], norm[:, stays], reader[:, stays.repeat_interleave(places)]]


def _cut(
    channel: int, convolution: Tensor, norm: Tensor, reader: Tensor, places: int, *, zero: bool = False,
    one_column: bool = False, strided: bool = False, skip: str = "", other: bool = False,
) -> list[Tensor]:  # fmt: skip
    """The answer with mistakes left in it."""
    gone = torch.arange(len(convolution)) == channel
    columns = gone.repeat(places) if strided else gone.repeat_interleave(places)
    if one_column:
        columns = torch.arange(reader.shape[1]) == channel
    if zero:
        shape = (-1, *[1] * (convolution.ndim - 1))
        return [
            convolution * (~gone).view(shape), norm * ~gone, reader * (~columns).view(1, -1, *[1] * (reader.ndim - 2))
        ]  # fmt: skip
    if other:
        gone, columns = ~gone, ~columns
    cut = {"convolution": convolution[~gone], "norm": norm[:, ~gone], "reader": reader[:, ~columns]}
    whole = {"convolution": convolution, "norm": norm, "reader": reader}
    return [whole[name] if name == skip else cut[name] for name in cut]


def _without_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g)

    small = (some(2, 1, 1, 1), some(4, 2), some(3, 2, 1, 1))
    conv = (some(6, 4, 3, 3), some(4, 6), some(5, 6, 3, 3))
    head = (some(5, 3, 3, 3), some(4, 5), some(10, 20))
    return [(0, *small, 1), (2, *conv, 1), (5, *conv, 1), (1, *head, 4), (4, *head, 4)]


REMOVE = Task(
    id="pruning.2",
    title="Take a channel out",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=("two channels", "the third of six", "the last", "a head that reads four places", "its last channel"),
    inputs=_without_inputs,
    reference=without,
    judge=close,
    mistakes=(
        Mistake(
            "set to zero",
            lambda *args: _cut(*args, zero=True),
            "The channel is set to zero and still there: nothing is saved. Take it out, so that the tensors get smaller.",
        ),
        Mistake(
            "the next layer forgotten",
            lambda *args: _cut(*args, skip="reader"),
            "The layer that reads the channel still expects it. Its column has to go, too.",
        ),
        Mistake(
            "the norm forgotten",
            lambda *args: _cut(*args, skip="norm"),
            "The batch norm still has four numbers for the channel that went.",
        ),
        Mistake(
            "one column of the head",
            lambda *args: _cut(*args, one_column=True),
            "A head that reads several places of each channel has that many columns for it, side by side.",
        ),
        Mistake(
            "its first column alone",
            lambda c, w, n, r, p: [*without(c, w, n, r, p)[:2], r[:, torch.arange(r.shape[1]) != c * p]],
            "One column of the head is dropped. A channel that is read at several places takes as many columns.",
        ),
        Mistake(
            "every so many columns",
            lambda *args: _cut(*args, strided=True),
            "A channel's columns lie side by side: first all places of channel 0, then all of channel 1.",
        ),
        Mistake(
            "only the channel kept",
            lambda *args: _cut(*args, other=True),
            "You kept the channel and removed the others.",
        ),
        Mistake(
            "a row of the reader",
            lambda c, w, n, r, p: [*without(c, w, n, r, p)[:2], r[torch.arange(len(r)) != c]],
            "A *row* of the reader is dropped. It reads the channel through its columns: `reader[:, …]`.",
        ),
        Mistake(
            "columns from the channel's number",
            lambda c, w, n, r, p: [
                *without(c, w, n, r, p)[:2],
                r[:, [i for i in range(r.shape[1]) if not c <= i < c + p]],
            ],
            "The columns begin at the channel's number. Each channel before it takes `places` columns: begin at channel · places.",
        ),
        Mistake("as they were", lambda c, w, n, r, p: [w, n, r], "The three tensors came back as they were."),
        Mistake(
            "another order",
            lambda c, w, n, r, p: [without(c, w, n, r, p)[i] for i in (0, 2, 1)],
            "The reader comes before the norm. Asked for are convolution, norm, reader.",
        ),
        Mistake(
            "two dimensions kept",
            lambda c, w, n, r, p: [
                *without(c, w, n, r, p)[:2],
                (r.unflatten(1, (-1, p))[:, torch.arange(len(w)) != c] if p > 1 else without(c, w, n, r, p)[2]),
            ],
            "The head's channels and places stay two dimensions. Flatten them again: a head is a matrix.",
        ),
        Mistake(
            "what the convolution reads",
            lambda c, w, n, r, p: [torch.cat([w[:, :c], w[:, c + 1 :]], dim=1), *without(c, w, n, r, p)[1:]],
            "The channel is taken out of what the convolution *reads* (dimension 1). It gives the channel: dimension 0.",
        ),
        Mistake(
            "the convolution forgotten",
            lambda *args: _cut(*args, skip="convolution"),
            "The convolution still computes the channel. Take its row out, too.",
        ),
        Mistake(
            "a row of the norm",
            lambda c, w, n, r, p: [without(c, w, n, r, p)[0], n[torch.arange(len(n)) != c], without(c, w, n, r, p)[2]],
            "A *row* of the norm is dropped: one of its four vectors. The channels are its columns.",
        ),
        Mistake(
            "up to the channel",
            lambda c, w, n, r, p: [w[:c], n[:, :c], r[:, : c * p]],
            "What comes behind the channel is lost, too. Join the two sides.",
        ),
        Mistake(
            "the last channel",
            lambda c, w, n, r, p: without(len(w) - 1, w, n, r, p),
            "The last channel is taken out, whichever is asked for.",
        ),
        Mistake(
            "the first channel",
            lambda c, w, n, r, p: without(0, w, n, r, p),
            "The first channel is taken out, whichever is asked for.",
        ),
        Mistake(
            "a tuple in a list",
            lambda c, w, n, r, p: without(c, w, n, r, p)[0],
            "Only the convolution came back. All three tensors are asked for.",
        ),
        Mistake(
            "the norm flattened",
            lambda c, w, n, r, p: [
                without(c, w, n, r, p)[0],
                n.flatten()[torch.arange(n.numel()) != c],
                without(c, w, n, r, p)[2],
            ],
            "The norm is flattened, and one single number is taken out of it. Take out its *column*: `axis=1`.",
        ),
    ),
    hints=(
        "Make a mask of the channels that stay; it chooses rows of one tensor and columns of the other two. repeat_interleave repeats each entry.",
        "The skeleton, with blanks:\nstays = torch.arange(len(convolution)) ____ channel\n"
        "return [convolution[____], norm[:, stays], reader[:, stays.____(places)]]",
    ),
    takeaway="A channel has rows where it is made and columns where it is read. A mask that sets zeros saves nothing.",
)


# ---------------------------------------------------------------- all

TASKS = [LEFT, REMOVE, knapsack.PACK, recovery.PRUNE]

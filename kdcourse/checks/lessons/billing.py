"""Two lines of a student's bill: its calibration error, and its weights as whole numbers of one byte."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["CALIBRATION", "IN_BYTES", "calibration", "in_bytes"]

# ---------------------------------------------------------------- regulariser.3


def calibration(probabilities: Tensor, labels: Tensor) -> float:
    sure, said = probabilities.max(dim=1)
    right, found = (said == labels).double(), 0.0
    for k in range(10):
        mine = (sure > k / 10) & (sure <= (k + 1) / 10)
        if mine.any():
            found += float(mine.double().mean() * (right[mine].mean() - sure[mine].double().mean()).abs())
    return found


def _off_the_edges(probabilities: Tensor) -> Tensor:
    """No largest probability at a tenth, where rounding would decide on its bin."""
    tenths = 10 * probabilities.max(dim=1).values
    return probabilities[(tenths - tenths.round()).abs() > 1e-3]


def _calibration_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def drawn(n: int, classes: int, spread: float) -> tuple[Tensor, Tensor]:
        p = _off_the_edges((spread * torch.randn(n, classes, generator=g)).softmax(dim=1))
        said = p.argmax(dim=1)
        labels = torch.where(
            torch.rand(len(p), generator=g) < 0.7, said, torch.randint(0, classes, said.shape, generator=g)
        )
        return p, labels

    sure = torch.tensor([[0.95, 0.05], [0.95, 0.05], [0.95, 0.05], [0.65, 0.35]])
    both = torch.tensor([[0.85, 0.15], [0.85, 0.15], [0.45, 0.55], [0.45, 0.55]])
    return [
        (sure, torch.tensor([0, 0, 1, 0])),
        (both, torch.tensor([1, 1, 1, 1])),
        (torch.tensor([[0.34, 0.33, 0.33], [0.1, 0.15, 0.75]]), torch.tensor([2, 2])),
        drawn(60, 3, 1.0),
        drawn(200, 10, 3.0),
    ]  # fmt: skip


def _calibration(
    probabilities: Tensor, labels: Tensor, *, of_label: bool = False, signed: bool = False, even: bool = False,
    bins: int = 10, middle: bool = False, squared: bool = False, largest: bool = False,
) -> float:  # fmt: skip
    """The answer with mistakes left in it."""
    sure, said = probabilities.double().max(dim=1)
    sure = probabilities.double()[torch.arange(len(labels)), labels] if of_label else sure
    right, found = (said == labels).double(), []
    for k in range(bins):
        mine = (sure > k / bins) & (sure <= (k + 1) / bins)
        if mine.any():
            gap = right[mine].mean() - ((k + 0.5) / bins if middle else sure[mine].mean())
            gap = gap if signed else gap.square() if squared else gap.abs()
            found.append(float(gap if even or largest else mine.double().mean() * gap))
    return max(found) if largest else sum(found) / (len(found) if even else 1)


CALIBRATION = Task(
    id="regulariser.3",
    title="Mend a calibration error",
    kind="debug",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=("four answers", "gaps of two signs", "two answers", "three classes", "ten classes"),
    inputs=_calibration_inputs,
    reference=calibration,
    judge=close,
    mistakes=(
        Mistake(
            "the label's probability",
            lambda p, y: _calibration(p, y, of_label=True),
            "The probability of the *label* was taken. How sure an answer is says its *largest* probability.",
        ),
        Mistake(
            "gaps that cancel",
            lambda p, y: abs(_calibration(p, y, signed=True)),
            "Gaps of both signs cancel, as if all images were in one bin. Take the size of each bin's gap before you add.",
        ),
        Mistake(
            "gaps with their signs",
            lambda p, y: _calibration(p, y, signed=True),
            "The gaps kept their signs, so the error may be negative. Take each gap's size before you add.",
        ),
        Mistake(
            "all bins alike",
            lambda p, y: _calibration(p, y, even=True),
            "Each bin counts alike, with two images or with two hundred. Weigh it by its share of the images.",
        ),
        Mistake(
            "fifteen bins",
            lambda p, y: _calibration(p, y, bins=15),
            "Fifteen bins are the package's. Ten are asked for here.",
        ),
        Mistake(
            "the middle of the bin",
            lambda p, y: _calibration(p, y, middle=True),
            "The bin's middle stands for how sure the answers were. Take the mean of their largest probabilities.",
        ),
        Mistake(
            "squares",
            lambda p, y: _calibration(p, y, squared=True),
            "The gaps were squared. Their sizes are asked for.",
        ),
        Mistake(
            "the largest gap",
            lambda p, y: _calibration(p, y, largest=True),
            "This is the largest gap of a bin. The mean is asked for, each bin weighed by its images.",
        ),
        Mistake(
            "the error rate",
            lambda p, y: float((p.argmax(dim=1) != y).double().mean()),
            "This is the share of wrong answers. A model may be often wrong and know it: that is well calibrated.",
        ),
        Mistake(
            "in per cent",
            lambda p, y: 100 * calibration(p, y),
            "It is a hundred times too large: a share is asked for, not per cent.",
        ),
    ),
    hints=(
        "Four questions. Whose probability? What of an empty bin? May two gaps cancel? How much does a bin weigh?",
        "With blanks:\nsure, said = probabilities.____(dim=1)\nfor k in range(10):\n    mine = (sure > k / 10) & (sure <= (k + 1) / 10)\n    if mine.____():\n        found += mine.double().____() * (right[mine].mean() - sure[mine].mean()).____()",
    ),
    takeaway="A calibration error asks, among answers that are equally sure, whether so many are right.",
)

# ---------------------------------------------------------------- regulariser.5


def in_bytes(weight: Tensor) -> tuple[Tensor, Tensor]:
    largest = weight.abs().amax(dim=1)
    scales = torch.where(largest > 0, largest / 127, 1.0)
    return (weight / scales[:, None]).round().to(torch.int8), scales


def _in_bytes_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    uneven = torch.randn(5, 7, generator=g) * torch.tensor([[0.01], [1.0], [20.0], [0.3], [5.0]])
    negative = torch.randn(3, 6, generator=g)
    negative[:, 0] = -4.0
    empty = torch.randn(4, 3, generator=g)
    empty[2] = 0.0
    return [
        (torch.tensor([[1.27, -0.304, 0.642], [0.0, 2.54, -0.506]]),),
        (torch.tensor([[0.5]]),),
        (negative,),
        (uneven,),
        (empty,),
        (torch.randn(16, 32, generator=g),),
    ]


def _in_bytes(
    weight: Tensor, *, dim: int | None = 1, steps: float = 127.0, cut: str = "round", signed: bool = False,
    empty: float | None = 1.0,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The answer with mistakes left in it."""
    sizes = weight if signed else weight.abs()
    largest = sizes.max() if dim is None else sizes.amax(dim=dim)
    scales = largest / steps
    scales = scales if empty is None else torch.where(scales == 0, empty, scales)
    spread = scales.expand(len(weight)) if dim is None else scales
    divided = weight / (spread[:, None] if dim != 0 else spread[None])
    return getattr(divided, cut)().clamp(-128, 127), spread


IN_BYTES = Task(
    id="regulariser.5",
    title="A layer in bytes",
    kind="implement",
    difficulty="stretch",
    minutes=10,
    points=3,
    rungs=(
        "by hand",
        "one weight",
        "the largest is negative",
        "rows of many sizes",
        "a row of zeros",
        "a layer",
    ),
    inputs=_in_bytes_inputs,
    reference=in_bytes,
    judge=close,
    mistakes=(
        Mistake(
            "one scale for all",
            lambda w: _in_bytes(w, dim=None),
            "All rows share one scale, so a row of small weights is left with a few whole numbers. One scale a row.",
        ),
        Mistake(
            "one scale a column",
            lambda w: _in_bytes(w, dim=0),
            "The scales belong to the columns. A row of the matrix is one output: it has its own.",
        ),
        Mistake(
            "cut off",
            lambda w: _in_bytes(w, cut="trunc"),
            "The digits after the point were cut off. Round to the *nearest* whole number: half the error.",
        ),
        Mistake(
            "rounded down",
            lambda w: _in_bytes(w, cut="floor"),
            "Everything was rounded down, which makes every weight too small. Round to the nearest.",
        ),
        Mistake(
            "128 steps",
            lambda w: _in_bytes(w, steps=128.0),
            "The largest weight should become 127: a byte ends there, and 128 would wrap around.",
        ),
        Mistake(
            "both ends in one byte",
            lambda w: _in_bytes(w, steps=255.0),
            "There are 127 steps to each side of zero, not 255.",
        ),
        Mistake(
            "the largest with its sign",
            lambda w: _in_bytes(w, signed=True),
            "The largest weight was sought with its sign. A large negative weight needs room, too: its size counts.",
        ),
        Mistake(
            "a row of zeros",
            lambda w: _in_bytes(w, empty=None),
            "A row of zeros was divided by zero. Its scale is 1, and its whole numbers are 0.",
        ),
        Mistake(
            "the weights as rounded",
            lambda w: (_in_bytes(w)[0] * _in_bytes(w)[1][:, None], _in_bytes(w)[1]),
            "The rounded *weights* came back. The whole numbers are asked for, and the scales beside them.",
        ),
        Mistake(
            "the scale turned round",
            lambda w: (_in_bytes(w)[0], 1 / _in_bytes(w)[1]),
            "The scales are turned round: whole number *times* scale should give the weight.",
        ),
        Mistake(
            "scales as a column",
            lambda w: (_in_bytes(w)[0], _in_bytes(w)[1][:, None]),
            "The scales have a second dimension. Return one number a row, in a vector.",
        ),
    ),
    hints=(
        "How large is a row's largest weight, whatever its sign? A 127th of it is one step.",
        "With blanks:\nlargest = weight.____().amax(dim=____)\nscales = torch.where(largest > 0, largest / ____, 1.0)\nreturn (weight / scales[:, ____]).round().to(torch.int8), scales",
    ),
    takeaway="A byte holds 255 whole numbers; with one scale a row, a weight is off by half a step at most.",
)

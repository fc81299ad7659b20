"""Exercises: what depth does to a gradient, when a curve is flat, what a teacher may see; ``guarding`` has the rest."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import guarding

# ---------------------------------------------------------------- pitfalls.1

CASES = {
    "3 layers, 0.25 each": (3, 0.25),
    "12 layers, 0.25 each": (12, 0.25),
    "12 layers, 0.9 each": (12, 0.9),
    "100 layers, 0.9 each": (100, 0.9),
    "12 layers, 2 each": (12, 2.0),
}


def arrives(case: str) -> tuple[str, str]:
    layers, factor = CASES[case]
    left = factor**layers
    word = "vanishes" if left < 1e-3 else "explodes" if left > 1e3 else "arrives"
    return word, f"{factor:g} to the power of {layers} is {left:.2g}"


_believing = believer(tuple(CASES), arrives)

ARRIVES = prediction(
    id="pitfalls.1",
    title="Predict what arrives",
    minutes=3,
    changes=tuple(CASES),
    found=arrives,
    answers=("vanishes", "arrives", "explodes"),
    mistakes=(
        Mistake(
            "below one is lost",
            _believing(c1="vanishes"),
            "0.25³ is 0.016: small, but a usual learning rate still moves the first layer. Depth does the harm.",
        ),
        Mistake(
            "a quarter is not so little",
            _believing(c2="arrives"),
            "Twelve quarters multiply to 0.00000006. That is a deep network with sigmoids.",
        ),
        Mistake(
            "every deep network loses it",
            _believing(c3="vanishes"),
            "0.9 to the power of 12 is still 0.28: the same depth as before, with a better factor.",
        ),
        Mistake(
            "0.9 is near enough to one",
            _believing(c4="arrives"),
            "A hundred layers turn 0.9 into 0.00003. With such a depth the factor must be very near one.",
        ),
        Mistake(
            "twice is little",
            _believing(c5="arrives"),
            "Two to the power of twelve is 4,096.",
        ),
    ),
    hints=(
        "Multiply the factor by itself, once for each layer: a calculator is allowed.",
        'The form:\n"3 layers, 0.25 each": "____",',
    ),
    takeaway="Factors multiply over the layers: a factor far from one and many layers are too much, each alone is not.",
)

# ---------------------------------------------------------------- pitfalls.2


def stops_at(values: Tensor, window: int) -> int:
    for epoch in range(2 * window, len(values) + 1):
        before, last = values[epoch - 2 * window : epoch - window], values[epoch - window : epoch]
        if last.mean() - before.mean() <= ((before.var() + last.var()) / window).sqrt():
            return epoch
    return len(values)


def _stop(
    values: Tensor, window: int, *, sure: float = 1.0, correction: int = 1, divided: bool = True,
    best: bool = False, first: int | None = None, rooted: bool = True, size: bool = False,
) -> int:  # fmt: skip
    """The answer with mistakes left in it."""
    for epoch in range(2 * window if first is None else first, len(values) + 1):
        before, last = values[max(0, epoch - 2 * window) : epoch - window], values[epoch - window : epoch]
        gain = last.max() - before.max() if best else last.mean() - before.mean()
        noise = (before.var(correction=correction) + last.var(correction=correction)) / (window if divided else 1)
        gain = gain.abs() if size else gain
        if gain <= sure * (noise.sqrt() if rooted else noise):
            return epoch
    return len(values)


def _curve(g: torch.Generator, epochs: int, pace: float, noise: float) -> Tensor:
    at = torch.arange(epochs, dtype=torch.float32)
    return 0.9 - 0.3 * (-at / pace).exp() + noise * torch.randn(epochs, generator=g)


def _stop_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    wobble = torch.tensor([0.0, 0.02] * 12)
    return [
        (torch.tensor([1.0, 3.0, 3.0, 5.0, 4.0, 5.0, 4.0]), 2),
        (torch.linspace(0.2, 0.9, 20), 3),
        (torch.tensor([0.5, 0.6, 0.7]), 2),
        (torch.full((9,), 0.5), 2),
        (torch.tensor([0.9, 0.8, 0.6, 0.5, 0.4, 0.2]), 2),
        (torch.tensor([0.1, 0.3, 0.5, 0.7, 0.7, 0.7, 0.7, 0.7]), 2),
        (torch.linspace(0.5, 0.62, 24) + wobble, 4),
        (torch.linspace(0.5, 0.53, 24) + wobble, 3),
        (_curve(g, 60, 6.0, 0.004), 5),
        (_curve(g, 80, 12.0, 0.008), 10),
        (_curve(g, 80, 5.0, 0.003), 4),
        (_curve(g, 60, 8.0, 0.01), 6),
    ]


STOPS = Task(
    id="pitfalls.2",
    title="A plateau rule",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=(
        "by hand",
        "a straight climb",
        "too short to judge",
        "flat from the start",
        "falling",
        "flat without noise",
        "a climb with a wobble",
        "a slow climb with a wobble",
        "a training",
        "a wider window",
        "a narrower one",
        "a noisy one",
    ),
    inputs=_stop_inputs,
    reference=stops_at,
    judge=close,
    mistakes=(
        Mistake(
            "patience",
            lambda v, w: next(
                (e for e in range(1, len(v) + 1) if e - 1 - int(v[:e].argmax()) >= w),
                len(v),
            ),
            "This is patience: it waits for a new best epoch. Compare the means of two windows.",
        ),
        Mistake(
            "only a fall is flat",
            lambda v, w: _stop(v, w, sure=0.0),
            "It stops only where the mean falls. A gain within the noise, one standard error, counts as none.",
        ),
        Mistake(
            "two standard errors",
            lambda v, w: _stop(v, w, sure=2.0),
            "It stops where the gain is within *two* standard errors. One is asked for.",
        ),
        Mistake(
            "not divided by the window",
            lambda v, w: _stop(v, w, divided=False),
            "The variances are not divided by `window`: a mean of many epochs wobbles less than one epoch.",
        ),
        Mistake(
            "without the root",
            lambda v, w: _stop(v, w, rooted=False),
            "The square root is missing: a gain is compared with a *variance*.",
        ),
        Mistake(
            "variances of a whole population",
            lambda v, w: _stop(v, w, correction=0),
            "The variance is divided by n, not by n − 1: `tensor.var()` as it stands is meant.",
        ),
        Mistake(
            "the best of each window",
            lambda v, w: _stop(v, w, best=True),
            "The windows' *best* epochs are compared. Take their means: a best epoch is partly luck.",
        ),
        Mistake(
            "a fall goes on",
            lambda v, w: _stop(v, w, size=True),
            "The *size* of the difference is compared, so a curve that falls goes on. A fall is no rise: stop.",
        ),
        Mistake(
            "one epoch too late",
            lambda v, w: _stop(v, w, first=2 * w + 1),
            "The first judgement comes one epoch too late: two full windows are enough.",
        ),
        Mistake(
            "counted from zero",
            lambda v, w: stops_at(v, w) - 1,
            "The epochs are counted from 0. Return how many were *trained*.",
        ),
        Mistake(
            "windows far apart",
            lambda v, w: next(
                (
                    e
                    for e in range(2 * w, len(v) + 1)
                    if v[e - w : e].mean() - v[:w].mean() <= ((v[:w].var() + v[e - w : e].var()) / w).sqrt()
                ),
                len(v),
            ),
            "The last window is compared with the *first* epochs of all. Compare it with the window right before it.",
        ),
        Mistake(
            "never",
            lambda v, w: len(v),
            "It never stops. Some of these curves are flat long before their end.",
        ),
        Mistake(
            "as soon as it can",
            lambda v, w: min(2 * w, len(v)),
            "It stops as soon as there are two windows, whatever they say.",
        ),
    ),
    hints=(
        "Walk through the epochs. At each look at the last `window` values and the `window` before, as if no more were known.",
        "With blanks:\nfor epoch in range(____ * window, len(values) + 1):\n    before, last = values[epoch - 2 * window : ____], values[____ : epoch]\n    if last.mean() - before.mean() <= ((before.var() + last.var()) / ____).sqrt():\n        return epoch\nreturn ____",
    ),
    takeaway="A rule that knows the noise waits as long as the curve rises, however slowly, and no longer.",
)

# ---------------------------------------------------------------- pitfalls.4


def trusted(answers: dict[str, Tensor], labels: Tensor, most: float) -> list[str]:
    right = {name: (logits.argmax(dim=1) == labels).double().mean() for name, logits in answers.items()}
    return [name for name in answers if right["unchanged"] - right[name] <= most]


def _logits(g: torch.Generator, labels: Tensor, wrong: int, at: int = 0) -> Tensor:
    """Answers of which exactly so many are wrong, those from ``at`` on."""
    answer = labels.clone()
    answer[at : at + wrong] = (answer[at : at + wrong] + 1) % 4
    return torch.nn.functional.one_hot(answer, 4) * 3.0 + torch.rand(len(labels), 4, generator=g)


def _trusted_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    few, many = (torch.randint(0, 4, (n,), generator=g) for n in (8, 64))
    return [
        ({"unchanged": _logits(g, few, 0), "inverted": _logits(g, few, 7)}, few, 0.125),
        ({"unchanged": _logits(g, few, 1), "shifted": _logits(g, few, 1), "blurred": _logits(g, few, 6)}, few, 0.0),
        ({"unchanged": _logits(g, few, 2), "cleaner": _logits(g, few, 1), "darker": _logits(g, few, 3)}, few, 0.0),
        ({"unchanged": _logits(g, many, 8), "a": _logits(g, many, 12), "b": _logits(g, many, 13)}, many, 0.0625),
        (
            {
                "z": _logits(g, many, 20),
                "unchanged": _logits(g, many, 4),
                "y": _logits(g, many, 6),
                "x": _logits(g, many, 40),
                "w": _logits(g, many, 5, at=40),
            },
            many,
            0.03125,
        ),
    ]


def _trust(
    answers: dict[str, Tensor], labels: Tensor, most: float, *, strictly: bool = False, itself: bool = True,
    absolute: bool = False, relative: bool = False, agreement: bool = False,
) -> list[str]:  # fmt: skip
    """The answer with mistakes left in it."""
    said = answers["unchanged"].argmax(dim=1)
    right = {n: float((z.argmax(dim=1) == (said if agreement else labels)).double().mean()) for n, z in answers.items()}
    whole = 1.0 if agreement else right["unchanged"]
    falls = {name: whole - value for name, value in right.items()}
    falls = {name: abs(fall) if absolute else fall / whole if relative else fall for name, fall in falls.items()}
    return [
        n for n, fall in falls.items() if (fall < most if strictly else fall <= most) and (itself or n != "unchanged")
    ]


TRUSTED = Task(
    id="pitfalls.4",
    title="What a teacher may see",
    kind="implement",
    difficulty="core",
    minutes=6,
    points=2,
    rungs=("one change", "nothing may be lost", "a change that helps", "at the limit", "four changes"),
    inputs=_trusted_inputs,
    reference=trusted,
    judge=close,
    mistakes=(
        Mistake(
            "below the limit",
            lambda a, y, m: _trust(a, y, m, strictly=True),
            "A fall of exactly `most` is allowed: *at most* means <=.",
        ),
        Mistake(
            "without the images as they are",
            lambda a, y, m: _trust(a, y, m, itself=False),
            '"unchanged" is missing. It falls by 0, and so it belongs to the list.',
        ),
        Mistake(
            "a rise counts as a fall",
            lambda a, y, m: _trust(a, y, m, absolute=True),
            "A change that *raises* the teacher's accuracy was left out. Only a fall does harm: leave out `abs`.",
        ),
        Mistake(
            "a share of its accuracy",
            lambda a, y, m: _trust(a, y, m, relative=True),
            "The fall was divided by the teacher's accuracy. `most` is a plain difference of accuracies.",
        ),
        Mistake(
            "agreement with itself",
            lambda a, y, m: _trust(a, y, m, agreement=True),
            "The changed answers were compared with the unchanged *answers*. Compare each with the labels.",
        ),
        Mistake(
            "the others",
            lambda a, y, m: [name for name in a if name not in _trust(a, y, m)],
            "These are the changes that the teacher must *not* see.",
        ),
        Mistake(
            "an accuracy above most",
            lambda a, y, m: [n for n, z in a.items() if float((z.argmax(1) == y).double().mean()) >= 1 - m],
            "Each accuracy was held against 1 − `most`. Hold it against the teacher's own, on the unchanged images.",
        ),
        Mistake(
            "sorted by name",
            lambda a, y, m: sorted(_trust(a, y, m)),
            "The names are sorted. Keep the order in which they were given.",
        ),
        Mistake(
            "the best first",
            lambda a, y, m: sorted(_trust(a, y, m), key=lambda n: -float((a[n].argmax(1) == y).double().mean())),
            "The names are sorted by accuracy. Keep the order in which they were given.",
        ),
        Mistake(
            "the accuracies",
            lambda a, y, m: [float((a[n].argmax(1) == y).double().mean()) for n in _trust(a, y, m)],
            "Accuracies came back. The *names* of the changes are asked for.",
        ),
        Mistake(
            "everything",
            lambda a, y, m: list(a),
            "Every change came back, those too that cost the teacher more than `most`.",
        ),
    ),
    hints=(
        'For each name: the share of images on which the largest logit stands at the label. Then compare with "unchanged".',
        "With blanks:\nright = {name: (logits.____(dim=1) == labels).double().mean() for name, logits in answers.items()}\nreturn [name for name in answers if right[____] - right[name] <= ____]",
    ),
    takeaway="Ask the teacher on a few labelled images before it teaches: what it loses there, its student will lose.",
)

TASKS = [ARRIVES, STOPS, guarding.GUARD, TRUSTED, guarding.NORMS]

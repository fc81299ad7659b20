"""The gap recovered over several seeds, and a comparison of two methods with three mistakes, to be mended."""

from math import nan
from statistics import fmean

import torch

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["GAIN", "GAP", "gain", "gap_recovered"]

Row = list[float]


def gap_recovered(weak: Row, student: Row, ceiling: Row) -> float:
    low, mid, high = (sum(row) / len(row) for row in (weak, student, ceiling))
    return (mid - low) / (high - low) if high > low else float("nan")


def _gap_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def around(middle: float, n: int) -> Row:
        return [round(float(v), 4) for v in middle + 0.02 * torch.randn(n, generator=g)]

    return [
        ([0.6], [0.7], [0.8]),
        ([0.566], [0.607], [0.637]),
        ([0.6, 0.7], [0.65, 0.75], [0.8, 0.72]),
        ([0.6, 0.62], [0.55, 0.57], [0.8, 0.81]),
        ([0.8, 0.8], [0.85, 0.83], [0.7, 0.85]),
        ([0.75, 0.75], [0.8], [0.75, 0.75]),
        (around(0.6, 5), around(0.66, 5), around(0.75, 5)),
        (around(0.7, 3), around(0.74, 6), around(0.8, 4)),
    ]


GAP = Task(
    id="directions.2",
    title="The gap recovered",
    kind="implement",
    difficulty="core",
    minutes=6,
    points=2,
    rungs=(
        "one seed",
        "Burns and others, AlexNet to ResNet-50",
        "two seeds",
        "worse than the weak one",
        "a ceiling below",
        "no gap",
        "five seeds",
        "unequal numbers of seeds",
    ),
    inputs=_gap_inputs,
    reference=gap_recovered,
    judge=close,
    mistakes=(
        Mistake(
            "the mean of the seeds' shares",
            lambda w, s, c: _mean_of_shares(w, s, c),
            "Each seed's share is taken, and then their mean. A seed with a small gap then counts far too much: take the means first, then the share.",
        ),
        Mistake(
            "the mean of the shares of seeds with a gap",
            lambda w, s, c: fmean(
                [(b - a) / (d - a) for a, b, d in zip(w, s, c, strict=False) if d > a] or [nan],
            ),
            "Each seed's share is taken where that seed has a gap, and then their mean. Take the three means first, then "
            "one share.",
        ),
        Mistake(
            "equal means pass",
            lambda w, s, c: nan if fmean(c) < fmean(w) else _over(fmean(s) - fmean(w), fmean(c) - fmean(w)),
            "A ceiling that equals the weak one leaves no gap: NaN is asked for, and a division by 0 gives infinity.",
        ),
        Mistake(
            "a share of what is missing",
            lambda w, s, c: nan if fmean(c) <= fmean(w) else _over(fmean(s) - fmean(w), fmean(c) - fmean(s)),
            "The gain is divided by what is still *missing*, ceiling minus student. Divide it by the whole gap, ceiling "
            "minus weak.",
        ),
        Mistake(
            "cut to the shortest list",
            lambda w, s, c: gap_recovered(*(row[: min(len(w), len(s), len(c))] for row in (w, s, c))),
            "The lists are cut to the shortest one. Each list has its own number of seeds, and all of them count.",
        ),
        Mistake(
            "one length for all",
            lambda w, s, c: gap_recovered(*([sum(row) / len(w)] for row in (w, s, c))),
            "All three sums are divided by the number of weak seeds. Divide each by the length of its own list.",
        ),
        Mistake(
            "no share below the weak one",
            lambda w, s, c: nan if fmean(s) < fmean(w) else gap_recovered(w, s, c),
            "A student that is worse than the weak one has a share below 0: it says how much worse. NaN is for no gap only.",
        ),
        Mistake(
            "a share of the ceiling",
            lambda w, s, c: (fmean(s) - fmean(w)) / fmean(c),
            "The gain is divided by the ceiling. Divide it by the *gap*, ceiling minus weak.",
        ),
        Mistake(
            "a share of what the student has",
            lambda w, s, c: (fmean(s) - fmean(w)) / fmean(s),
            "The gain is divided by the student's accuracy. Divide it by the gap, ceiling minus weak.",
        ),
        Mistake(
            "what is left",
            lambda w, s, c: (fmean(c) - fmean(s)) / (fmean(c) - fmean(w)) if fmean(c) > fmean(w) else nan,
            "This is the share that is *left*: 1 minus the one that is asked for.",
        ),
        Mistake(
            "cut to 0 and 1",
            lambda w, s, c: min(1.0, max(0.0, g)) if (g := gap_recovered(w, s, c)) == g else nan,
            "The share is cut to lie between 0 and 1. A student may be worse than the weak one, or better than the ceiling: say so.",
        ),
        Mistake(
            "0 where there is no gap",
            lambda w, s, c: g if (g := gap_recovered(w, s, c)) == g else 0.0,
            "Where there is no gap, 0 came back. Nothing can be said then: NaN.",
        ),
        Mistake(
            "any gap",
            lambda w, s, c: (fmean(s) - fmean(w)) / (fmean(c) - fmean(w)) if fmean(c) != fmean(w) else nan,
            "A ceiling that is *below* the weak one is no gap, either: NaN.",
        ),
        Mistake(
            "in percent",
            lambda w, s, c: 100 * gap_recovered(w, s, c),
            "The share came back in percent. A fraction is asked for.",
        ),
        Mistake(
            "a difference",
            lambda w, s, c: fmean(s) - fmean(w),
            "This is the gain. Divide it by the gap, ceiling minus weak.",
        ),
        Mistake(
            "the best seeds",
            lambda w, s, c: (max(s) - max(w)) / (max(c) - max(w)) if max(c) > max(w) else nan,
            "The best seed of each is taken. Take the means.",
        ),
        Mistake(
            "the first seed",
            lambda w, s, c: gap_recovered(w[:1], s[:1], c[:1]),
            "Only the first seed counts. Take the means over all.",
        ),
        Mistake("always a half", lambda w, s, c: 0.5, "0.5, the example's answer, came back for every input."),
        Mistake(
            "rounded",
            lambda w, s, c: round(gap_recovered(w, s, c), 2),
            "The share is rounded to two digits. Return it as it is.",
        ),
    ),
    hints=(
        "Three means first. Then: how far has the student come on the way from the weak one to the ceiling?",
        "The skeleton, with blanks:\nlow, mid, high = (sum(row) / ____ for row in (weak, student, ceiling))\n"
        'return (mid - ____) / (____ - low) if ____ else float("nan")',
    ),
    takeaway="Means first, then the share. And where there is no gap, there is nothing to recover.",
)


def _mean_of_shares(w: Row, s: Row, c: Row) -> float:
    if fmean(c) <= fmean(w):
        return nan
    shares = [(b - a) / (d - a) for a, b, d in zip(w, s, c, strict=False)]
    return fmean(shares)


def _over(a: float, b: float) -> float:
    return a / b if b else a * float("inf")


# ---------------------------------------------------------------- directions.3


def gain(taught: dict[str, list[Row]], alone: dict[str, list[Row]]) -> float:
    differences = []
    for seed in taught:
        if seed in alone:
            ours, theirs = (test[val.index(max(val))] for val, test in (taught[seed], alone[seed]))
            differences.append(100 * (ours - theirs))
    return sum(differences) / len(differences)


def _gain(
    taught: dict[str, list[Row]], alone: dict[str, list[Row]], *, by: str = "val", paired: bool = True,
    scale: float = 100.0, last: bool = False, turned: bool = False, total: bool = False,
) -> float:  # fmt: skip
    """The answer with mistakes left in it."""

    def chosen(curves: list[Row]) -> float:
        val, test = curves
        if by == "test":
            return max(test)
        if by == "best val":
            return max(val)
        if by == "last":
            return test[-1]
        best = [k for k, v in enumerate(val) if v == max(val)]
        return test[best[-1 if last else 0]]

    if paired:
        pairs = [(taught[seed], alone[seed]) for seed in taught if seed in alone]
    else:
        pairs = list(zip(taught.values(), alone.values(), strict=False))
    found = [(chosen(a) - chosen(b)) * (-1 if turned else 1) for a, b in pairs]
    return scale * (sum(found) if total else fmean(found))


def _best(val: Row, test: Row) -> float:
    return test[val.index(max(val))]


def _gain_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def curves(middle: float) -> list[Row]:
        rise = torch.tensor([-0.1, -0.03, 0.0, 0.0, -0.01])
        return [[round(float(v), 4) for v in middle + rise + 0.01 * torch.randn(5, generator=g)] for _ in range(2)]

    one = {"0": [[0.5, 0.7, 0.6], [0.51, 0.68, 0.72]]}
    other = {"0": [[0.6, 0.65, 0.64], [0.6, 0.66, 0.65]]}
    tie = {"0": [[0.5, 0.7, 0.7], [0.5, 0.6, 0.65]]}
    return [
        (one, other),
        (tie, other),
        ({"0": curves(0.8), "1": curves(0.82)}, {"1": curves(0.79), "0": curves(0.78)}),
        ({"0": curves(0.8), "1": curves(0.82), "2": curves(0.81)}, {"1": curves(0.79), "2": curves(0.78)}),
        ({str(k): curves(0.7) for k in range(5)}, {str(k): curves(0.72) for k in (4, 2, 0, 3, 1)}),
    ]


GAIN = Task(
    id="directions.3",
    title="Mend a comparison",
    kind="debug",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=("one seed by hand", "two best epochs", "another order", "a seed is missing", "five seeds"),
    inputs=_gain_inputs,
    reference=gain,
    judge=close,
    mistakes=(
        Mistake(
            "as given",
            lambda t, a: _gain(t, a, by="test", paired=False, scale=1.0),
            "This computes what the given code computes. Three things are wrong; the first: which curve chooses the epoch?",
        ),
        Mistake(
            "the epoch mended",
            lambda t, a: _gain(t, a, paired=False, scale=1.0),
            "Validation chooses the epoch now. Two mistakes are left: which runs are compared, and the unit.",
        ),
        Mistake(
            "chosen on test",
            lambda t, a: _gain(t, a, by="test"),
            "The best *test* epoch is taken. Test images choose nothing: take the epoch that is best on validation.",
        ),
        Mistake(
            "in the order of the dicts",
            lambda t, a: _gain(t, a, paired=False),
            "Runs are paired in the order in which they stand. Pair those of the same seed.",
        ),
        Mistake(
            "a fraction",
            lambda t, a: _gain(t, a, scale=1.0),
            "The difference is a fraction. Points are asked for: times 100.",
        ),
        Mistake(
            "the last epoch",
            lambda t, a: _gain(t, a, by="last"),
            "The last epoch is taken. Take the one that is best on validation.",
        ),
        Mistake(
            "validation reported",
            lambda t, a: _gain(t, a, by="best val"),
            "The best *validation* accuracy is compared. It chose the epoch, so it flatters: compare the test accuracy of that epoch.",
        ),
        Mistake(
            "the last of two best",
            lambda t, a: _gain(t, a, last=True),
            "Where two epochs tie, the later one is taken. The first counts.",
        ),
        Mistake(
            "divided by all that were taught",
            lambda t, a: _gain(t, a) * len([seed for seed in t if seed in a]) / len(t),
            "The sum is divided by all taught seeds. A seed that only one of the dicts has does not count: divide by the "
            "number of differences.",
        ),
        Mistake(
            "one epoch for both",
            lambda t, a: fmean([100 * (_best(*t[k]) - _best(t[k][0], a[k][1])) for k in t if k in a]),
            "The taught run's best epoch is read off in both runs. Each run has a best epoch of its own.",
        ),
        Mistake(
            "the mean of each dict",
            lambda t, a: (
                100 * (fmean([_best(*run) for run in t.values()]) - fmean([_best(*run) for run in a.values()]))
            ),
            "Each dict's mean is taken over all its seeds. Leave out a seed that the other dict has not.",
        ),
        Mistake(
            "one seed alone",
            lambda t, a: next(100 * (_best(*t[k]) - _best(*a[k])) for k in t if k in a),
            "Only the first common seed counts. Does a `return` stand inside the loop?",
        ),
        Mistake(
            "turned round", lambda t, a: _gain(t, a, turned=True), "The difference is turned round: taught minus alone."
        ),
        Mistake(
            "summed", lambda t, a: _gain(t, a, total=True), "The differences are added up. Their mean is asked for."
        ),
    ),
    hints=(
        "Three lines: the one with `max(test)`, the one with `zip`, and the unit.",
        "The skeleton, with blanks:\ndifferences = []\nfor seed in taught:\n    if seed in ____:\n"
        "        ours, theirs = (test[val.index(max(____))] for val, test in (taught[seed], alone[____]))\n"
        "        differences.append(____ * (ours - theirs))\nreturn sum(differences) / len(differences)",
    ),
    takeaway="Choose on validation, compare on test, seed by seed, in points.",
)

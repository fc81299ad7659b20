"""What a sweep may report: a choice that never looks at test images, the winner's curse, the best of n to be expected."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["CURSE", "EXPECTED", "REPORT", "curse", "expected_best", "report"]

# ---------------------------------------------------------------- strategy.3


def report(val: Tensor, test: Tensor) -> Tensor:
    means = val.mean(dim=0)
    chosen = torch.where(means.isnan(), -1.0, means).argmax()
    return test[:, chosen].mean()


def _scores(g: torch.Generator, seeds: int, settings: int) -> Tensor:
    good = 0.8 + 0.05 * torch.rand(settings, generator=g)
    return (good + 0.03 * torch.randn(seeds, settings, generator=g)).clamp(0.01, 0.99)


def _report_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    nan = float("nan")
    return [
        (torch.tensor([[0.80, 0.85]]), torch.tensor([[0.82, 0.81]])),
        (torch.tensor([[0.90, 0.84], [0.70, 0.86]]), torch.tensor([[0.88, 0.83], [0.72, 0.87]])),
        (torch.tensor([[0.80, nan, 0.83], [0.81, 0.95, 0.82]]), torch.tensor([[0.84, nan, 0.79], [0.83, 0.9, 0.80]])),
        (torch.tensor([[0.7, 0.95]] * 5 + [[0.7, nan]]), torch.tensor([[0.72, 0.93]] * 5 + [[0.69, nan]])),
        (torch.tensor([[0.8, 0.8], [0.8, 0.8]]), torch.tensor([[0.70, 0.90], [0.74, 0.92]])),
        (_scores(g, 5, 8), _scores(g, 5, 8)),
        (_scores(g, 3, 24), _scores(g, 3, 24)),
    ]


def _report(
    val: Tensor, test: Tensor, *, by: str = "val", single: bool = False, diverged: str = "out", gives: str = "test"
) -> Tensor:
    """The answer with mistakes left in it."""
    judged = test if by == "test" else val
    judged = judged[:1] if single else judged
    if diverged == "out":
        means = judged.mean(dim=0)
        means = torch.where(means.isnan(), -1.0, means)
    else:
        means = judged.nanmean(dim=0)
    at = means.argmax()
    return (val if gives == "val" else test)[:, at].nanmean()


def _of_each_seed(val: Tensor, test: Tensor) -> Tensor:
    best = torch.where(val.isnan(), -1.0, val).argmax(dim=1, keepdim=True)
    return test.gather(1, best).mean()


def _any_seed(val: Tensor, test: Tensor) -> Tensor:
    highest = torch.where(val.isnan(), -1.0, val).max(dim=0).values
    return test[:, highest.argmax()].nanmean()


REPORT = Task(
    id="strategy.3",
    title="Mend a report",
    kind="debug",
    difficulty="core",
    minutes=8,
    points=3,
    rungs=(
        "one seed",
        "two seeds",
        "one that diverged",
        "the last seed diverged",
        "a tie",
        "eight settings",
        "24 settings",
    ),
    inputs=_report_inputs,
    reference=report,
    judge=close,
    mistakes=(
        Mistake(
            "chosen by test",
            lambda v, t: _report(v, t, by="test"),
            "The setting is the best on the *test* images. They may judge, but not choose: choose by `val`.",
        ),
        Mistake(
            "validation reported",
            lambda v, t: _report(v, t, gives="val"),
            "The validation accuracy of the winner came back, which the winner's curse has raised. Report `test`.",
        ),
        Mistake(
            "the first seed alone",
            lambda v, t: _report(v, t, single=True),
            "Only the first seed chooses. Take each setting's mean over all seeds.",
        ),
        Mistake(
            "the seeds that are left",
            lambda v, t: _report(v, t, diverged="rest"),
            "A setting that diverged with one seed is judged by its other seeds. It must not be chosen at all.",
        ),
        Mistake(
            "NaN as zero",
            lambda v, t: t[:, v.nan_to_num(0.0).mean(dim=0).argmax()].nanmean(),
            "NaN was counted as 0 in the mean: with good other seeds the setting may still win. It must not be chosen.",
        ),
        Mistake(
            "every seed its own winner",
            _of_each_seed,
            "Each seed has chosen its own setting. One setting is asked for, the best by the mean over seeds.",
        ),
        Mistake(
            "the luckiest student",
            _any_seed,
            "The setting of the single best student is chosen. Take the mean over the seeds first, then the best.",
        ),
        Mistake(
            "the best test accuracy",
            lambda v, t: t.nan_to_num(-1).max(),
            "The highest test accuracy of all students came back. Choose a setting by `val`, then take its mean on `test`.",
        ),
        Mistake(
            "test of the winner's best seed",
            lambda v, t: t[:, torch.where((m := v.mean(dim=0)).isnan(), -1.0, m).argmax()].max(),
            "The right setting is chosen, and then its *best* seed on the test images is reported. Report the mean.",
        ),
        Mistake(
            "the worst",
            lambda v, t: t[:, v.mean(dim=0).nan_to_num(2.0).argmin()].mean(),
            "The setting with the *lowest* mean is chosen.",
        ),
        Mistake(
            "NaN is the largest",
            lambda v, t: t[:, v.mean(dim=0).argmax()].mean(),
            "`argmax` takes NaN for the largest number, so the setting that diverged is chosen.",
        ),
        Mistake(
            "the last of two that tie",
            lambda v, t: t[:, v.shape[1] - 1 - v.mean(dim=0).nan_to_num(-1).flip(0).argmax()].mean(),
            "Where two settings tie, the last one is taken. The first one counts.",
        ),
    ),
    hints=(
        "Three questions: who chooses, `val` or `test`? By one seed or by their mean? And what does argmax do with NaN?",
        "With blanks:\nmeans = val.mean(dim=____)\nchosen = torch.where(means.isnan(), -1.0, means).____()\nreturn ____[:, chosen].mean()",
    ),
    takeaway="Validation chooses by the mean over seeds; the test images only judge what was chosen.",
)

# ---------------------------------------------------------------- strategy.4


def curse(scores: Tensor) -> Tensor:
    falls = []
    for seed, row in enumerate(scores):
        best = row.argmax()
        others = torch.cat([scores[:seed, best], scores[seed + 1 :, best]])
        falls.append(row[best] - others.mean())
    return torch.stack(falls).mean()


def _curse_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.tensor([[0.80, 0.86], [0.84, 0.82]]),),
        (torch.tensor([[0.8, 0.7], [0.8, 0.7], [0.8, 0.7]]),),
        (torch.tensor([[0.7, 0.75], [0.9, 0.8], [0.8, 0.85]]),),
        (torch.tensor([[0.8, 0.8, 0.7], [0.6, 0.9, 0.7]]),),
        (_scores(g, 5, 24),),
        (_scores(g, 4, 6),),
    ]


def _curse(scores: Tensor, *, own: bool = False, by: str = "seed", against: str = "mean") -> Tensor:
    falls = []
    for seed, row in enumerate(scores):
        best = scores.mean(dim=0).argmax() if by == "mean" else row.argmax()
        column = scores[:, best]
        others = column if own else torch.cat([column[:seed], column[seed + 1 :]])
        falls.append(row[best] - (others.max() if against == "max" else others.mean()))
    return torch.stack(falls).mean()


CURSE = Task(
    id="strategy.4",
    title="The winner's curse",
    kind="implement",
    difficulty="core",
    minutes=8,
    points=3,
    rungs=("two seeds, two settings", "no luck at all", "three seeds", "a tie", "a sweep of 24", "four seeds"),
    inputs=_curse_inputs,
    reference=curse,
    judge=close,
    mistakes=(
        Mistake(
            "its own seed among the others",
            lambda s: _curse(s, own=True),
            "The mean holds the lucky seed itself. Only the *other* seeds can tell how much was luck.",
        ),
        Mistake(
            "the best by the mean",
            lambda s: _curse(s, by="mean"),
            "One setting, the best by the mean, is followed in every seed. Each seed has its own winner.",
        ),
        Mistake(
            "against the best of the others",
            lambda s: _curse(s, against="max"),
            "The winner is compared with the *best* of its other seeds. Take their mean.",
        ),
        Mistake(
            "against all settings",
            lambda s: (s.max(dim=1).values - s.mean(dim=1)).mean(),
            "The winner is compared with the mean of all settings in its seed. Compare it with *itself*, in other seeds.",
        ),
        Mistake(
            "against the second",
            lambda s: (s.topk(2, dim=1).values @ torch.tensor([1.0, -1.0], dtype=s.dtype)).mean(),
            "The winner is compared with the second best. Compare it with itself, in the other seeds.",
        ),
        Mistake(
            "the other way round",
            lambda s: -curse(s),
            "The sign is wrong: a winner that falls has a positive fall.",
        ),
        Mistake(
            "seeds and settings exchanged",
            lambda s: curse(s.T),
            "Rows and columns have changed places: each *row* is a seed, and the best is sought along it.",
        ),
        Mistake(
            "the sum",
            lambda s: len(s) * curse(s),
            "The falls are added up. Their mean over the seeds is asked for.",
        ),
        Mistake(
            "the largest fall",
            lambda s: torch.stack(
                [
                    row.max() - torch.cat([s[:i, row.argmax()], s[i + 1 :, row.argmax()]]).mean()
                    for i, row in enumerate(s)
                ]
            ).max(),
            "The largest of the falls came back. Their mean over the seeds is asked for.",
        ),
        Mistake(
            "the first seed alone",
            lambda s: s[0].max() - s[1:, s[0].argmax()].mean(),
            "Only the first seed has chosen. Let each seed choose, and take the mean of the falls.",
        ),
        Mistake(
            "no seed falls below zero",
            lambda s: torch.stack(
                [
                    (row.max() - torch.cat([s[:i, row.argmax()], s[i + 1 :, row.argmax()]]).mean()).clamp_min(0)
                    for i, row in enumerate(s)
                ]
            ).mean(),
            "Falls below zero are cut off. A winner may do better the next time, and that counts, too.",
        ),
    ),
    hints=(
        "For one seed: which setting is its best, and what does this setting have in the other seeds?",
        "With blanks:\nbest = row.____()\nothers = torch.cat([scores[:seed, best], scores[____:, best]])\nfalls.append(row[best] - others.____())",
    ),
    takeaway="The best of a sweep was partly chosen for its luck; how much so is seen when it is trained again.",
)

# ---------------------------------------------------------------- strategy.5


def expected_best(scores: Tensor, n: int) -> Tensor:
    ordered = scores.sort().values
    at = torch.arange(len(scores) + 1, dtype=scores.dtype) / len(scores)
    return (at[1:] ** n - at[:-1] ** n) @ ordered


def _expected_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.tensor([0.7, 0.9]), 2),
        (torch.tensor([0.9, 0.7, 0.8]), 1),
        (torch.tensor([0.8, 0.8, 0.8, 0.8]), 5),
        (torch.tensor([0.6, 0.7, 0.6, 0.9]), 3),
        (_scores(g, 1, 24)[0], 6),
        (_scores(g, 1, 24)[0], 200),
    ]


def _expected(
    scores: Tensor, n: int, *, ordered: bool = True, descending: bool = False, without: bool = False
) -> Tensor:
    values = scores.sort(descending=descending).values if ordered else scores
    size = len(scores)
    at = torch.arange(size + 1, dtype=scores.dtype)
    if without:
        powers = torch.tensor([_choose(i, min(n, size)) for i in range(size + 1)], dtype=scores.dtype)
        return (powers[1:] - powers[:-1]) / powers[-1] @ values
    return ((at[1:] / size) ** n - (at[:-1] / size) ** n) @ values


def _choose(n: int, k: int) -> float:
    found = 1.0
    for i in range(k):
        found *= (n - i) / (k - i)
    return max(found, 0.0)


EXPECTED = Task(
    id="strategy.5",
    title="The best of n, to be expected",
    kind="implement",
    difficulty="stretch",
    minutes=12,
    points=3,
    rungs=("two scores, two draws", "one draw", "all equal", "a tie", "six of 24", "more draws than scores"),
    inputs=_expected_inputs,
    reference=expected_best,
    judge=close,
    mistakes=(
        Mistake(
            "the best of all",
            lambda s, n: s.max(),
            "The best of all scores came back. It is one of the draws only with some probability.",
        ),
        Mistake("the mean", lambda s, n: s.mean(), "The mean came back: that is what *one* draw is worth."),
        Mistake(
            "not sorted",
            lambda s, n: _expected(s, n, ordered=False),
            "The scores are taken as they stand. Sort them first, from the lowest to the highest.",
        ),
        Mistake(
            "sorted the other way",
            lambda s, n: _expected(s, n, descending=True),
            "The scores are sorted from the highest down, so this is the *worst* of n draws.",
        ),
        Mistake(
            "without putting back",
            lambda s, n: _expected(s, n, without=True),
            "A score that is drawn is not put back here. In the task it is: each draw is from all scores.",
        ),
        Mistake(
            "the probability of not being reached",
            lambda s, n: ((torch.arange(1, len(s) + 1, dtype=s.dtype) / len(s)) ** n) @ s.sort().values,
            "(i/N)^n is the probability that the best is *at most* the i-th score. That it is exactly this one takes a difference.",
        ),
        Mistake(
            "n times the mean",
            lambda s, n: n * s.mean(),
            "The scores of n draws are added up. The best of them is asked for.",
        ),
        Mistake(
            "the first n",
            lambda s, n: s[:n].max(),
            "The best of the *first* n scores came back. The draws are random: take the mean over all of them.",
        ),
        Mistake(
            "one draw too few",
            lambda s, n: _expected(s, n - 1),
            "This is the best of n − 1 draws.",
        ),
        Mistake(
            "one draw too many",
            lambda s, n: _expected(s, n + 1),
            "This is the best of n + 1 draws.",
        ),
        Mistake(
            "a quantile",
            lambda s, n: s.quantile(1 - 1 / (n + 1)),
            "A quantile came back, which is near. The exact mean over all draws is asked for.",
        ),
    ),
    hints=(
        "Sort the scores. The best of n draws is at most the i-th of N with probability (i/N)^n: all n draws must be.",
        "With blanks:\nat = torch.arange(N + 1) / N\nreturn (at[1:] ** ____ - at[____] ** n) @ scores.____().values",
    ),
    takeaway="More tries raise the best of them even where no setting is better: say how many you made.",
)

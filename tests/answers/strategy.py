"""Answers to the exercises of ``strategy``."""

import numpy as np
import torch

import kdcourse as kd

# ---------------------------------------------------------------- strategy.1

SAID = ["may be luck", "more than luck", "may be luck", "more than luck", "may be luck"]


def looked_up(case):
    return dict(zip(kd.checks.find("strategy.1").rungs, SAID, strict=True))[case]


def by_the_numbers(case):
    words = case.replace(",", "").split()
    s, n, apart = float(words[2]), int(words[3]), float(words[6])
    return SAID[apart > 2 * s * (2 / n) ** 0.5]


def by_variances(case):
    s, n, apart = (float(part.split()[i]) for part, i in zip(case.split(", "), (2, 0, 0), strict=True))
    return "more than luck" if apart**2 > 4 * (s**2 / n + s**2 / n) else "may be luck"


# ---------------------------------------------------------------- strategy.2


def by_exponents(shares, low, high):
    first, last = np.log10(low), np.log10(high)
    return 10 ** (first + (last - first) * shares.numpy())


def by_logarithms(shares, low, high):
    ends = torch.tensor([low, high], dtype=torch.float64).log()
    return torch.lerp(ends[0], ends[1], shares.double()).exp()


def by_two_powers(shares, low, high):
    return low ** (1 - shares) * high**shares


# ---------------------------------------------------------------- strategy.3


def by_columns(val, test):
    means = [float(column.mean()) for column in val.T]
    best = max((m for m in means if m == m), default=0.0)
    return float(test[:, means.index(best)].mean())


def by_arrays(val, test):
    means = np.nan_to_num(val.numpy().mean(axis=0), nan=-np.inf)
    return test.numpy()[:, means.argmax()].mean()


def by_sums(val, test):
    sums = val.sum(dim=0)
    kept = (~sums.isnan()).nonzero().flatten()
    return test[:, kept[sums[kept].argmax()]].sum() / len(test)


# ---------------------------------------------------------------- strategy.4


def by_totals(scores):
    best = scores.argmax(dim=1)
    won = scores.gather(1, best[:, None]).flatten()
    return (won - (scores.sum(dim=0)[best] - won) / (len(scores) - 1)).mean()


def by_deleting(scores):
    table = scores.numpy()
    falls = [row.max() - np.delete(table[:, row.argmax()], i).mean() for i, row in enumerate(table)]
    return float(np.mean(falls))


def by_lists(scores):
    table, total = scores.tolist(), 0.0
    for i, row in enumerate(table):
        at = row.index(max(row))
        others = [other[at] for j, other in enumerate(table) if j != i]
        total += row[at] - sum(others) / len(others)
    return total / len(table)


# ---------------------------------------------------------------- strategy.5


def by_differences(scores, n):
    ordered, size = sorted(scores.tolist()), len(scores)
    return sum(((i / size) ** n - ((i - 1) / size) ** n) * score for i, score in enumerate(ordered, 1))


def by_steps_down(scores, n):
    ordered = scores.double().sort().values  # the highest, minus what is lost where all draws are lower
    below = (torch.arange(1, len(ordered), dtype=torch.float64) / len(ordered)) ** n
    return ordered[-1] - (below * ordered.diff()).sum()


def by_distinct_scores(scores, n):
    values, counts = np.unique(scores.numpy(), return_counts=True)
    reached = (np.cumsum(counts) / counts.sum()) ** n
    return float(np.diff(reached, prepend=0.0) @ values)


RIGHT = {
    "strategy.1": [looked_up, by_the_numbers, by_variances],
    "strategy.2": [by_exponents, by_logarithms, by_two_powers],
    "strategy.3": [by_columns, by_arrays, by_sums],
    "strategy.4": [by_totals, by_deleting, by_lists],
    "strategy.5": [by_differences, by_steps_down, by_distinct_scores],
}
WRONG = {
    "strategy.2": [
        (lambda u, a, b: None, "None came back"),
        (lambda u, a, b: a / 0, "Error: ZeroDivisionError"),
        (lambda u, a, b: (by_exponents(u, a, b), u.mul_(2))[0], "Changed: shares, in place"),
        (lambda u, a, b: a + (b - a) * u, "spread evenly from low to high"),
        (lambda u, a, b: by_exponents(u, b, a), "The share 0 gives `high`"),
    ],
    "strategy.3": [
        (lambda v, t: None, "None came back"),
        (lambda v, t: v @ t, "Error: RuntimeError"),
        (lambda v, t: by_arrays(t, t), "on the *test* images"),
        (lambda v, t: by_arrays(v, v), "The validation accuracy of the winner"),
        (lambda v, t: (by_arrays(v, t), v.zero_())[0], "Changed: val, in place"),
    ],
    "strategy.4": [
        (lambda s: None, "None came back"),
        (lambda s: s[1000], "Error: IndexError"),
        (lambda s: -by_totals(s), "The sign is wrong"),
        (lambda s: 2 * by_totals(s), "where 0.04 is expected"),
        (lambda s: (by_totals(s), s.zero_())[0], "Changed: scores, in place"),
    ],
    "strategy.5": [
        (lambda s, n: None, "None came back"),
        (lambda s, n: s[n * 1000], "Error: IndexError"),
        (lambda s, n: s.max(), "The best of all scores"),
        (lambda s, n: s.mean(), "that is what *one* draw is worth"),
        (lambda s, n: (by_differences(s, n), s.zero_())[0], "Changed: scores, in place"),
    ],
}

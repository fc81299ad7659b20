"""Right answers to the exercises on strategy, by different roads; each cell stands alone."""

import math

import numpy as np
import torch

# %% strategy.1 | twice the standard error in a loop
cases = {
    "s = 0.6, 1 seed each, 1.0 points apart": (0.6, 1, 1.0),
    "s = 0.6, 8 seeds each, 1.0 points apart": (0.6, 8, 1.0),
    "s = 0.6, 32 seeds each, 0.2 points apart": (0.6, 32, 0.2),
    "s = 0.2, 2 seeds each, 0.5 points apart": (0.2, 2, 0.5),
    "s = 1.2, 8 seeds each, 1.0 points apart": (1.2, 8, 1.0),
}
is_luck = {}
for key, (s, n, apart) in cases.items():
    error = s * math.sqrt(2 / n)
    if apart > 2 * error:
        is_luck[key] = "more than luck"
    else:
        is_luck[key] = "may be luck"

# %% strategy.1 | the difference in standard errors, by numpy
cases = {
    "s = 0.6, 1 seed each, 1.0 points apart": (0.6, 1, 1.0),
    "s = 0.6, 8 seeds each, 1.0 points apart": (0.6, 8, 1.0),
    "s = 0.6, 32 seeds each, 0.2 points apart": (0.6, 32, 0.2),
    "s = 0.2, 2 seeds each, 0.5 points apart": (0.2, 2, 0.5),
    "s = 1.2, 8 seeds each, 1.0 points apart": (1.2, 8, 1.0),
}
s, n, apart = np.array(list(cases.values())).T
errors_apart = apart / (s * np.sqrt(2 / n))
is_luck = dict(zip(cases, np.where(errors_apart > 2, "more than luck", "may be luck").tolist()))

# %% strategy.1 | by hand, written down
is_luck = {
    "s = 0.6, 1 seed each, 1.0 points apart": "may be luck",
    "s = 0.6, 8 seeds each, 1.0 points apart": "more than luck",
    "s = 0.6, 32 seeds each, 0.2 points apart": "may be luck",
    "s = 0.2, 2 seeds each, 0.5 points apart": "more than luck",
    "s = 1.2, 8 seeds each, 1.0 points apart": "may be luck",
}


# %% strategy.2 | a power of the factor between the two ends
def spread(shares, low, high):
    return low * (high / low) ** shares


# %% strategy.2 | exponents of ten, in double precision all the way
def spread(shares, low, high):
    start, stop = math.log10(low), math.log10(high)
    return 10.0 ** (start + (stop - start) * shares.double())


# %% strategy.2 | a weighted geometric mean of the two ends
def spread(shares, low, high):
    return low ** (1 - shares) * high**shares


# %% strategy.2 | one number at a time, in natural logarithms, and the shape put back at the end
def spread(shares, low, high):
    values = []
    for share in shares.flatten().tolist():
        values.append(math.exp((1 - share) * math.log(low) + share * math.log(high)))
    return torch.tensor(values).reshape(shares.shape)


# %% strategy.3 | minus infinity for the means that are NaN, then argmax
def report(val, test):
    means = val.mean(dim=0)
    means = means.masked_fill(means.isnan(), -math.inf)
    return test[:, means.argmax()].mean()


# %% strategy.3 | the diverged columns left out of both tables
def report(val, test):
    whole = ~val.isnan().any(dim=0)
    best = val[:, whole].double().mean(dim=0).argmax()
    return test[:, whole][:, best].mean().item()


# %% strategy.3 | lists column by column, with math.fsum and a strict comparison
def report(val, test):
    best, best_mean = None, -math.inf
    for setting, column in enumerate(zip(*val.tolist())):
        if any(math.isnan(score) for score in column):
            continue
        mean = math.fsum(column) / len(column)
        if mean > best_mean:
            best, best_mean = setting, mean
    return math.nan if best is None else math.fsum(test[:, best].tolist()) / len(test)


# %% strategy.3 | numpy and a stable sort of the negative means, NaN last by itself
def report(val, test):
    means = val.double().numpy().mean(axis=0)
    order = np.argsort(-means, kind="stable")
    return test.double().numpy()[:, order[0]].mean()


# %% strategy.4 | sums over the columns less the winner, all rows at once
def curse(scores):
    highest, best = scores.max(dim=1)
    elsewhere = (scores.sum(dim=0)[best] - highest) / (len(scores) - 1)
    return (highest - elsewhere).mean()


# %% strategy.4 | row by row, the other rows joined by cat
def curse(scores):
    falls = []
    for row in range(len(scores)):
        best = scores[row].argmax()
        others = torch.cat([scores[:row], scores[row + 1 :]])
        falls.append(scores[row, best] - others[:, best].mean())
    return torch.stack(falls).mean()


# %% strategy.4 | plain lists, index finds the first of the greatest
def curse(scores):
    rows = scores.tolist()
    total = 0.0
    for i, row in enumerate(rows):
        best = row.index(max(row))
        rest = [other[best] for j, other in enumerate(rows) if j != i]
        total += row[best] - sum(rest) / len(rest)
    return total / len(rows)


# %% strategy.4 | numpy in double precision, np.delete takes the row out
def curse(scores):
    table = scores.double().numpy()
    falls = [
        table[row, best] - np.delete(table[:, best], row).mean()
        for row, best in enumerate(table.argmax(axis=1))
    ]
    return np.mean(falls)


# %% strategy.5 | differences of the powers, in torch and double precision
def expected_best(scores, n):
    count = len(scores)
    at_most = (torch.arange(count + 1, dtype=torch.float64) / count) ** n
    return at_most.diff() @ scores.double().sort().values


# %% strategy.5 | a loop over the sorted list with the formula of the text
def expected_best(scores, n):
    ordered = sorted(scores.tolist())
    count = len(ordered)
    total = 0.0
    for i in range(1, count + 1):
        total += ordered[i - 1] * ((i / count) ** n - ((i - 1) / count) ** n)
    return total


# %% strategy.5 | from the greatest score down, less every gap times the chance to stay below it
def expected_best(scores, n):
    ordered = np.sort(scores.double().numpy())
    below = (np.arange(1, len(ordered)) / len(ordered)) ** n
    return ordered[-1] - (below * np.diff(ordered)).sum()


# %% strategy.5 | unique values with their counts, draw after draw
def expected_best(scores, n):
    values, counts = scores.unique(return_counts=True)
    at_most = counts.cumsum(dim=0).double() / len(scores)
    chance = torch.ones_like(at_most)
    for _ in range(n):
        chance = chance * at_most
    exactly = chance - torch.cat([torch.zeros(1, dtype=torch.float64), chance[:-1]])
    return (values * exactly).sum()

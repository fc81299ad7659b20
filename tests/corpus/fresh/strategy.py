"""Wrong answers to the exercises on strategy, as learners write them; each cell stands alone."""

import math

import numpy as np
import torch

# %% strategy.1 | the two answers are the wrong way round
cases = {
    "s = 0.6, 1 seed each, 1.0 points apart": (0.6, 1, 1.0),
    "s = 0.6, 8 seeds each, 1.0 points apart": (0.6, 8, 1.0),
    "s = 0.6, 32 seeds each, 0.2 points apart": (0.6, 32, 0.2),
    "s = 0.2, 2 seeds each, 0.5 points apart": (0.2, 2, 0.5),
    "s = 1.2, 8 seeds each, 1.0 points apart": (1.2, 8, 1.0),
}
is_luck = {}
for key, (s, n, apart) in cases.items():
    if apart > 2 * s * math.sqrt(2 / n):
        is_luck[key] = "may be luck"
    else:
        is_luck[key] = "more than luck"

# %% strategy.1 | compares with one standard error, not with two
cases = {
    "s = 0.6, 1 seed each, 1.0 points apart": (0.6, 1, 1.0),
    "s = 0.6, 8 seeds each, 1.0 points apart": (0.6, 8, 1.0),
    "s = 0.6, 32 seeds each, 0.2 points apart": (0.6, 32, 0.2),
    "s = 0.2, 2 seeds each, 0.5 points apart": (0.2, 2, 0.5),
    "s = 1.2, 8 seeds each, 1.0 points apart": (1.2, 8, 1.0),
}
is_luck = {}
for key, (s, n, apart) in cases.items():
    is_luck[key] = "more than luck" if apart > s * math.sqrt(2 / n) else "may be luck"

# %% strategy.1 | compares with twice s and never asks how many seeds there were
cases = {
    "s = 0.6, 1 seed each, 1.0 points apart": (0.6, 1, 1.0),
    "s = 0.6, 8 seeds each, 1.0 points apart": (0.6, 8, 1.0),
    "s = 0.6, 32 seeds each, 0.2 points apart": (0.6, 32, 0.2),
    "s = 0.2, 2 seeds each, 0.5 points apart": (0.2, 2, 0.5),
    "s = 1.2, 8 seeds each, 1.0 points apart": (1.2, 8, 1.0),
}
is_luck = {key: "more than luck" if apart > 2 * s else "may be luck" for key, (s, n, apart) in cases.items()}

# %% strategy.1 | the standard error of one mean, s over the root of n, in place of that of a difference
cases = {
    "s = 0.6, 1 seed each, 1.0 points apart": (0.6, 1, 1.0),
    "s = 0.6, 8 seeds each, 1.0 points apart": (0.6, 8, 1.0),
    "s = 0.6, 32 seeds each, 0.2 points apart": (0.6, 32, 0.2),
    "s = 0.2, 2 seeds each, 0.5 points apart": (0.2, 2, 0.5),
    "s = 1.2, 8 seeds each, 1.0 points apart": (1.2, 8, 1.0),
}
is_luck = {}
for key, (s, n, apart) in cases.items():
    error = s / math.sqrt(n)
    is_luck[key] = "more than luck" if apart > 2 * error else "may be luck"

# %% strategy.1 | forgets the square root: 2/n as it stands
cases = {
    "s = 0.6, 1 seed each, 1.0 points apart": (0.6, 1, 1.0),
    "s = 0.6, 8 seeds each, 1.0 points apart": (0.6, 8, 1.0),
    "s = 0.6, 32 seeds each, 0.2 points apart": (0.6, 32, 0.2),
    "s = 0.2, 2 seeds each, 0.5 points apart": (0.2, 2, 0.5),
    "s = 1.2, 8 seeds each, 1.0 points apart": (1.2, 8, 1.0),
}
s, n, apart = np.array(list(cases.values())).T
answers = np.where(apart > 2 * s * (2 / n), "more than luck", "may be luck")
is_luck = dict(zip(cases, answers.tolist()))

# %% strategy.1 | the fraction under the root is upside down: n/2
cases = {
    "s = 0.6, 1 seed each, 1.0 points apart": (0.6, 1, 1.0),
    "s = 0.6, 8 seeds each, 1.0 points apart": (0.6, 8, 1.0),
    "s = 0.6, 32 seeds each, 0.2 points apart": (0.6, 32, 0.2),
    "s = 0.2, 2 seeds each, 0.5 points apart": (0.2, 2, 0.5),
    "s = 1.2, 8 seeds each, 1.0 points apart": (1.2, 8, 1.0),
}
is_luck = {}
for key, (s, n, apart) in cases.items():
    is_luck[key] = "more than luck" if apart > 2 * s * (n / 2) ** 0.5 else "may be luck"

# %% strategy.1 | by eye: a whole point is always a real difference, less than a point never
is_luck = {
    "s = 0.6, 1 seed each, 1.0 points apart": "more than luck",
    "s = 0.6, 8 seeds each, 1.0 points apart": "more than luck",
    "s = 0.6, 32 seeds each, 0.2 points apart": "may be luck",
    "s = 0.2, 2 seeds each, 0.5 points apart": "may be luck",
    "s = 1.2, 8 seeds each, 1.0 points apart": "more than luck",
}

# %% strategy.1 | by eye: with fewer than ten seeds it is always luck, with 32 never
is_luck = {
    "s = 0.6, 1 seed each, 1.0 points apart": "may be luck",
    "s = 0.6, 8 seeds each, 1.0 points apart": "may be luck",
    "s = 0.6, 32 seeds each, 0.2 points apart": "more than luck",
    "s = 0.2, 2 seeds each, 0.5 points apart": "may be luck",
    "s = 1.2, 8 seeds each, 1.0 points apart": "may be luck",
}

# %% strategy.1 | answers with True and False in place of the words
cases = {
    "s = 0.6, 1 seed each, 1.0 points apart": (0.6, 1, 1.0),
    "s = 0.6, 8 seeds each, 1.0 points apart": (0.6, 8, 1.0),
    "s = 0.6, 32 seeds each, 0.2 points apart": (0.6, 32, 0.2),
    "s = 0.2, 2 seeds each, 0.5 points apart": (0.2, 2, 0.5),
    "s = 1.2, 8 seeds each, 1.0 points apart": (1.2, 8, 1.0),
}
is_luck = {key: apart <= 2 * s * math.sqrt(2 / n) for key, (s, n, apart) in cases.items()}


# %% strategy.2 | evenly between low and high, not over the orders of magnitude
def spread(shares, low, high):
    return low + shares * (high - low)


# %% strategy.2 | stops at the exponents and never raises ten to them
def spread(shares, low, high):
    start, stop = math.log10(low), math.log10(high)
    return start + shares * (stop - start)


# %% strategy.2 | the share 0 gives high and 1 gives low
def spread(shares, low, high):
    return high * (low / high) ** shares


# %% strategy.2 | takes natural logarithms, then powers of ten
def spread(shares, low, high):
    start, stop = math.log(low), math.log(high)
    return 10 ** (start + shares * (stop - start))


# %% strategy.2 | takes logarithms of base ten, then exp
def spread(shares, low, high):
    start, stop = np.log10(low), np.log10(high)
    return torch.exp(start + (stop - start) * shares)


# %% strategy.2 | low times high over low, with the brackets forgotten: only the last low is raised
def spread(shares, low, high):
    return low * high / low**shares


# %% strategy.2 | raises the product of low and high: right half-way, at 0.5, and nowhere else
def spread(shares, low, high):
    return (low * high) ** shares


# %% strategy.2 | rounds the exponents: only whole powers of ten come out
def spread(shares, low, high):
    start, stop = math.log10(low), math.log10(high)
    return 10 ** torch.round(start + shares * (stop - start))


# %% strategy.2 | a regular grid of as many values, whatever the shares are
def spread(shares, low, high):
    grid = torch.logspace(math.log10(low), math.log10(high), shares.numel())
    return grid.reshape(shares.shape)


# %% strategy.2 | stretches the shares first, so that the least becomes 0 and the greatest 1
def spread(shares, low, high):
    width = (shares.max() - shares.min()).clamp(min=1e-12)
    shares = (shares - shares.min()) / width
    return low * (high / low) ** shares


# %% strategy.2 | a flat list of numbers comes back, and the shape is lost
def spread(shares, low, high):
    return [low * (high / low) ** share for share in shares.flatten().tolist()]


# %% strategy.2 | sorts the two ends, so that a low above high is turned round
def spread(shares, low, high):
    low, high = min(low, high), max(low, high)
    exponents = shares * (math.log(high) - math.log(low)) + math.log(low)
    return exponents.exp()


# %% strategy.3 | mends the mean and the NaN, but still lets the test table choose
def report(val, test):
    return test.mean(dim=0).nan_to_num(0).max()


# %% strategy.3 | nanmean: a diverged setting is judged by the seeds that are left
def report(val, test):
    best = val.nanmean(dim=0).argmax()
    return test[:, best].nanmean()


# %% strategy.3 | NaN counts as 0 before the mean: with good other seeds the setting can still win
def report(val, test):
    best = val.nan_to_num(0).mean(dim=0).argmax()
    return test.nan_to_num(0)[:, best].mean()


# %% strategy.3 | no thought of NaN at all: argmax takes it for the greatest
def report(val, test):
    best = torch.argmax(val.mean(dim=0))
    return test.mean(dim=0)[best]


# %% strategy.3 | throws out the seeds with a NaN, in place of the settings
def report(val, test):
    whole = ~val.isnan().any(dim=1)
    best = val[whole].mean(dim=0).argmax()
    return test[whole][:, best].mean()


# %% strategy.3 | leaves the diverged columns out of val only, so the place points to another column of test
def report(val, test):
    whole = ~val.isnan().any(dim=0)
    best = val[:, whole].mean(dim=0).argmax()
    return test[:, best].mean()


# %% strategy.3 | the luckiest seed of validation still chooses, in place of the mean
def report(val, test):
    highest = val.amax(dim=0)
    highest[val.isnan().any(dim=0)] = -1
    return test[:, highest.argmax()].mean()


# %% strategy.3 | returns the test accuracy of the best seed only, not the mean over seeds
def report(val, test):
    means = val.mean(dim=0).nan_to_num(-1)
    return test[:, means.argmax()].max()


# %% strategy.3 | returns the mean of validation of the chosen setting, not of test
def report(val, test):
    return val.mean(dim=0).nan_to_num(0).max()


# %% strategy.3 | the last of two tied settings, by >= in the loop
def report(val, test):
    best, best_mean = 0, 0.0
    for column in range(val.shape[1]):
        mean = val[:, column].mean().item()
        if mean >= best_mean:
            best, best_mean = column, mean
    return test[:, best].mean()


# %% strategy.3 | looks for NaN in the first row only, as in the example, and takes nanmean for the rest
def report(val, test):
    means = val.nanmean(dim=0)
    means[val[0].isnan()] = -1
    best = means.argmax()
    return test.nanmean(dim=0)[best]


# %% strategy.3 | every seed chooses a setting of its own, and the mean is over these
def report(val, test):
    whole = ~val.isnan().any(dim=0)
    val, test = val[:, whole], test[:, whole]
    best = val.argmax(dim=1, keepdim=True)
    return test.gather(1, best).mean()


# %% strategy.3 | prints the accuracy and returns nothing
def report(val, test):
    means = val.mean(dim=0).nan_to_num(-1)
    print(f"{test[:, means.argmax()].mean():.3f}")


# %% strategy.4 | the mean that is subtracted has the winning row in it as well
def curse(scores):
    best = scores.argmax(dim=1)
    falls = scores.max(dim=1).values - scores.mean(dim=0)[best]
    return falls.mean()


# %% strategy.4 | the best seed of every setting, in place of the best setting of every seed
def curse(scores):
    falls = []
    for column in scores.T:
        best = column.argmax()
        others = torch.cat([column[:best], column[best + 1 :]])
        falls.append(column[best] - others.mean())
    return torch.stack(falls).mean()


# %% strategy.4 | one winner for all the rows, the setting with the best mean
def curse(scores):
    best = scores.mean(dim=0).argmax()
    column = scores[:, best]
    others = (column.sum() - column) / (len(column) - 1)
    return (column - others).mean()


# %% strategy.4 | the wrong sign: the other rows minus the winning one
def curse(scores):
    falls = []
    for row in range(len(scores)):
        best = scores[row].argmax()
        elsewhere = torch.cat([scores[:row, best], scores[row + 1 :, best]])
        falls.append(elsewhere.mean() - scores[row, best])
    return torch.stack(falls).mean()


# %% strategy.4 | the sum of the falls, not their mean
def curse(scores):
    total = 0.0
    for row in range(len(scores)):
        best = scores[row].argmax()
        rest = [scores[other, best].item() for other in range(len(scores)) if other != row]
        total += scores[row, best].item() - sum(rest) / len(rest)
    return total


# %% strategy.4 | a fall below zero is taken for none
def curse(scores):
    highest, best = scores.max(dim=1)
    elsewhere = (scores.sum(dim=0)[best] - highest) / (len(scores) - 1)
    return (highest - elsewhere).clamp(min=0).mean()


# %% strategy.4 | the lead over the other settings of the same row
def curse(scores):
    highest = scores.max(dim=1).values
    others = (scores.sum(dim=1) - highest) / max(scores.shape[1] - 1, 1)
    return (highest - others).mean()


# %% strategy.4 | only ever one other row, the next one: right with two rows
def curse(scores):
    highest, best = scores.max(dim=1)
    following = scores.roll(-1, dims=0)
    return (highest - following.gather(1, best[:, None])[:, 0]).mean()


# %% strategy.4 | the sum of the other rows is divided by the number of all rows
def curse(scores):
    table = scores.numpy()
    falls = []
    for row, best in enumerate(table.argmax(axis=1)):
        rest = table[:, best].sum() - table[row, best]
        falls.append(table[row, best] - rest / len(table))
    return float(np.mean(falls))


# %% strategy.4 | in the other rows it takes their own winners, not the same setting
def curse(scores):
    falls = []
    for row in range(len(scores)):
        rest = torch.cat([scores[:row], scores[row + 1 :]])
        falls.append(scores[row].max() - rest.max(dim=1).values.mean())
    return torch.stack(falls).mean()


# %% strategy.4 | the last of the tied settings, by sorting and taking the end
def curse(scores):
    falls = []
    for row in range(len(scores)):
        best = sorted(range(scores.shape[1]), key=lambda column: scores[row, column].item())[-1]
        rest = [scores[other, best].item() for other in range(len(scores)) if other != row]
        falls.append(scores[row, best].item() - sum(rest) / len(rest))
    return sum(falls) / len(falls)


# %% strategy.4 | crosses out the winner in the table itself, where the next rows then miss it
def curse(scores):
    falls = []
    for row in range(len(scores)):
        best = scores[row].argmax()
        score = scores[row, best].item()
        scores[row, best] = float("nan")
        falls.append(score - scores[:, best].nanmean().item())
    return sum(falls) / len(falls)


# %% strategy.4 | returns the falls of all the rows and forgets their mean
def curse(scores):
    highest, best = scores.max(dim=1)
    elsewhere = (scores.sum(dim=0)[best] - highest) / (len(scores) - 1)
    return highest - elsewhere


# %% strategy.5 | calls sort and drops what it returns: the scores stay in the order they came in
def expected_best(scores, n):
    scores.sort()
    count = len(scores)
    total = 0.0
    for i in range(1, count + 1):
        total += scores[i - 1].item() * ((i / count) ** n - ((i - 1) / count) ** n)
    return total


# %% strategy.5 | sorts from the best down: the expected worst of n
def expected_best(scores, n):
    ordered = scores.sort(descending=True).values
    edges = (torch.arange(len(scores) + 1) / len(scores)) ** n
    return (ordered * edges.diff()).sum()


# %% strategy.5 | draws without putting back: the number of subsets in which the i-th is the best
def expected_best(scores, n):
    count = len(scores)
    n = min(n, count)
    ordered = sorted(scores.tolist())
    return sum(score * math.comb(i, n - 1) for i, score in enumerate(ordered)) / math.comb(count, n)


# %% strategy.5 | at most in place of exactly: the probabilities are never subtracted
def expected_best(scores, n):
    ordered = scores.sort().values
    at_most = (torch.arange(1, len(scores) + 1) / len(scores)) ** n
    return (ordered * at_most).sum()


# %% strategy.5 | at most in place of exactly, made to sum to one by a division
def expected_best(scores, n):
    ordered = scores.sort().values
    weights = (torch.arange(1, len(scores) + 1) / len(scores)) ** n
    return (ordered * weights / weights.sum()).sum()


# %% strategy.5 | counts from 0 as Python does, so that the best score never gets its share
def expected_best(scores, n):
    count = len(scores)
    total = 0.0
    for i, score in enumerate(sorted(scores.tolist())):
        total += score * ((i / count) ** n - (max(i - 1, 0) / count) ** n)
    return total


# %% strategy.5 | the best of all the scores, whatever n is
def expected_best(scores, n):
    return scores.max()


# %% strategy.5 | drops the equal scores first, since nothing changes with them
def expected_best(scores, n):
    ordered = sorted(set(scores.tolist()))
    count = len(ordered)
    return sum(x * (((i + 1) / count) ** n - (i / count) ** n) for i, x in enumerate(ordered))


# %% strategy.5 | n and N changed places in the probabilities
def expected_best(scores, n):
    ordered = scores.sort().values
    count = len(ordered)
    i = torch.arange(1, count + 1)
    return (ordered * ((i / n) ** count - ((i - 1) / n) ** count)).sum()


# %% strategy.5 | the exponent of the example, 2, in place of n
def expected_best(scores, n):
    ordered = np.sort(scores.numpy())
    edges = np.linspace(0, 1, len(ordered) + 1) ** 2
    return float((np.diff(edges) * ordered).sum())


# %% strategy.5 | tries a thousand draws at random, not all possible ones
def expected_best(scores, n):
    generator = torch.Generator().manual_seed(0)
    places = torch.randint(len(scores), (1000, n), generator=generator)
    return scores[places].max(dim=1).values.mean()


# %% strategy.5 | every set of draws counts once, in whatever number of orders it can be drawn
def expected_best(scores, n):
    count = len(scores)
    ordered = sorted(scores.tolist())
    ways = [math.comb(i + n - 1, n - 1) for i in range(count)]
    return sum(way * score for way, score in zip(ways, ordered)) / sum(ways)


# %% strategy.5 | powers of whole numbers before the division: with many draws they overflow
def expected_best(scores, n):
    ordered = scores.sort().values
    edges = torch.arange(len(scores) + 1) ** n
    return (ordered * edges.diff() / edges[-1]).sum()

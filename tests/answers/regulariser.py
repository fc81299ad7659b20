"""Answers to the exercises of ``regulariser``."""

import numpy as np
import torch
from torch import nn

import kdcourse as kd

# ---------------------------------------------------------------- regulariser.1

SAID = ["shirt", "coat", "shirt", "shirt", "coat"]


def looked_up(case):
    return dict(zip(kd.checks.find("regulariser.1").rungs, SAID, strict=True))[case]


def by_shares(case):
    alpha, coat, shirt = (float(word.strip(",")) for word in case.split() if word.strip(",").replace(".", "").isdigit())
    return "coat" if alpha * coat > 1 - alpha + alpha * shirt else "shirt"


def by_the_lead(case):
    numbers = [float(word.strip(",")) for word in case.split() if word.strip(",")[0].isdigit()]
    return ("shirt", "coat")[numbers[1] - numbers[2] > (1 - numbers[0]) / numbers[0]]


# ---------------------------------------------------------------- regulariser.2


def by_a_walk(answers, labels):
    rows = []
    for i in range(len(labels)):
        j = (i + 1) % len(labels)
        while labels[j] != labels[i]:
            j = (j + 1) % len(labels)
        rows.append(answers[j])
    return torch.stack(rows)


def by_sorting(answers, labels):
    order = labels.argsort(stable=True)
    source = order.clone()
    for c in set(labels.tolist()):
        at = labels[order] == c
        source[at] = order[at].roll(-1)
    found = torch.empty_like(answers)
    found[order] = answers[source]
    return found


def by_arrays(answers, labels):
    a, y = answers.numpy(), labels.numpy()
    out = a.copy()
    for c in np.unique(y):
        (mine,) = np.nonzero(y == c)
        out[mine] = a[np.roll(mine, -1)]
    return out


# ---------------------------------------------------------------- regulariser.3


def by_numpy_bins(probabilities, labels):
    p, y = probabilities.numpy().astype(float), labels.numpy()
    sure, right = p.max(1), p.argmax(1) == y
    at = np.digitize(sure, np.linspace(0, 1, 11), right=True) - 1
    return sum(abs(right[at == k].sum() - sure[at == k].sum()) for k in set(at.tolist())) / len(y)


def by_bincount(probabilities, labels):
    sure, said = probabilities.double().max(dim=1)
    gaps = (said == labels).double() - sure
    return torch.bincount((10 * sure).ceil().long(), weights=gaps).abs().sum() / len(gaps)


def by_scatter(probabilities, labels):
    sure = probabilities.amax(1)
    gaps = (probabilities.argmax(1) == labels).to(sure) - sure
    sums = torch.zeros(11, dtype=sure.dtype).index_add_(0, (sure * 10).floor().long(), gaps)
    return float(sums.abs().sum()) / len(labels)


# ---------------------------------------------------------------- regulariser.4


def by_counts(taught, control, teacher, labels):
    wrong = teacher != labels

    def share(who, mask):
        return float((who[mask] == teacher[mask]).sum()) / max(int(mask.sum()), 1)

    return tuple(share(taught, mask) - share(control, mask) for mask in (wrong, ~wrong))


def by_lists(taught, control, teacher, labels):
    rows = list(zip(taught.tolist(), control.tolist(), teacher.tolist(), labels.tolist(), strict=True))
    found = []
    for group in ([r for r in rows if r[2] != r[3]], [r for r in rows if r[2] == r[3]]):
        more = [(a == t) - (b == t) for a, b, t, _ in group]
        found.append(sum(more) / len(more) if more else 0.0)
    return found


def by_weights(taught, control, teacher, labels):
    more = (taught == teacher).double() - (control == teacher).double()
    wrong = (teacher != labels).double()
    return torch.stack([(more * w).sum() / w.sum().clamp(min=1) for w in (wrong, 1 - wrong)])


# ---------------------------------------------------------------- regulariser.5


def by_rows(weight):
    whole, scales = [], []
    for row in weight.tolist():
        scale = max(abs(v) for v in row) / 127 or 1.0
        whole.append([round(v / scale) for v in row])
        scales.append(scale)
    return torch.tensor(whole, dtype=torch.int8), torch.tensor(scales)


def by_norms(weight):
    scales = weight.norm(float("inf"), dim=1) / 127
    scales[scales == 0] = 1
    return torch.round((weight.T / scales).T), scales


def by_numpy_bytes(weight):
    w = weight.numpy().astype(np.float64)
    scales = np.abs(w).max(axis=1) / 127
    scales = np.where(scales == 0, 1.0, scales)
    return np.rint(w / scales[:, None]).astype(np.int8), scales


def rounded_down(weight):
    largest = weight.abs().amax(dim=1)
    scales = torch.where(largest > 0, largest / 127, 1.0)
    return (weight / scales[:, None]).floor(), scales


RIGHT = {
    "regulariser.1": [looked_up, by_shares, by_the_lead],
    "regulariser.2": [by_a_walk, by_sorting, by_arrays],
    "regulariser.3": [by_numpy_bins, by_bincount, by_scatter],
    "regulariser.4": [by_counts, by_lists, by_weights],
    "regulariser.5": [by_rows, by_norms, by_numpy_bytes],
}
WRONG = {
    "regulariser.2": [
        (lambda a, y: None, "None came back"),
        (lambda a, y: a[1000], "Error: IndexError"),
        (lambda a, y: (by_a_walk(a, y), a.zero_())[0], "Changed: answers, in place"),
        (lambda a, y: a.roll(-1, 0), "The next image of *any* class"),
        (lambda a, y: a, "came back as they were"),
    ],
    "regulariser.3": [
        (lambda p, y: None, "None came back"),
        (lambda p, y: p[1000], "Error: IndexError"),
        (lambda p, y: float((p.argmax(1) != y).float().mean()), "the share of wrong answers"),
        (lambda p, y: 100 * by_bincount(p, y), "a hundred times too large"),
        (lambda p, y: (by_bincount(p, y), y.zero_())[0], "Changed: labels, in place"),
    ],
    "regulariser.4": [
        (lambda s, c, t, y: None, "None came back"),
        (lambda s, c, t, y: s[1000], "Error: IndexError"),
        (lambda s, c, t, y: by_counts(s, c, t, y)[::-1], "The two are exchanged"),
        (lambda s, c, t, y: by_counts(c, s, t, y), "The sign is turned"),
        (lambda s, c, t, y: (by_counts(s, c, t, y), t.zero_())[0], "Changed: teacher, in place"),
    ],
    "regulariser.5": [
        (lambda w: None, "None came back"),
        (lambda w: nn.Linear(2, 2)(w), "Error: RuntimeError"),
        (lambda w: (by_rows(w)[0], 1 / by_rows(w)[1]), "The scales are turned round"),
        (rounded_down, "rounded down"),
        (lambda w: (by_rows(w), w.zero_())[0], "Changed: weight, in place"),
    ],
}

"""Right answers to the exercises on the price of distillation, by different roads; each cell stands alone."""

import math

import numpy as np
import torch

# %% outlook.1 | the price of each plan in a loop
# raised, answers, epochs, students
cases = {
    "100 epochs of labels; or a teacher that is given, 1 answer, 60 epochs": (0, 1, 60, 1),
    "100 epochs of labels; or a teacher that is given, asked anew in each of 20 epochs": (0, 20, 20, 1),
    "100 epochs of labels; or a teacher of 1 epoch, 1 answer, 20 epochs": (1, 1, 20, 1),
    "100 epochs of labels; or a teacher of 10 epochs, 1 answer, 20 epochs": (10, 1, 20, 1),
    "100 epochs of labels; or a teacher of 10 epochs for 10 students, 1 answer, 20 epochs": (10, 1, 20, 10),
}
cheaper = {}
for key, (raised, answers, epochs, students) in cases.items():
    taught = 3 * epochs + (3 * 40 * raised + 40 * answers) / students
    cheaper[key] = "teacher" if taught < 3 * 100 else "labels"

# %% outlook.1 | all plans at once, by numpy
# raised, answers, epochs, students
cases = {
    "100 epochs of labels; or a teacher that is given, 1 answer, 60 epochs": (0, 1, 60, 1),
    "100 epochs of labels; or a teacher that is given, asked anew in each of 20 epochs": (0, 20, 20, 1),
    "100 epochs of labels; or a teacher of 1 epoch, 1 answer, 20 epochs": (1, 1, 20, 1),
    "100 epochs of labels; or a teacher of 10 epochs, 1 answer, 20 epochs": (10, 1, 20, 1),
    "100 epochs of labels; or a teacher of 10 epochs for 10 students, 1 answer, 20 epochs": (10, 1, 20, 10),
}
raised, answers, epochs, students = np.array(list(cases.values())).T
taught = 3 * epochs + 40 * (3 * raised + answers) / students
cheaper = dict(zip(cases, np.where(taught < 300, "teacher", "labels").tolist()))

# %% outlook.1 | by hand, written down
cheaper = {
    "100 epochs of labels; or a teacher that is given, 1 answer, 60 epochs": "teacher",
    "100 epochs of labels; or a teacher that is given, asked anew in each of 20 epochs": "labels",
    "100 epochs of labels; or a teacher of 1 epoch, 1 answer, 20 epochs": "teacher",
    "100 epochs of labels; or a teacher of 10 epochs, 1 answer, 20 epochs": "labels",
    "100 epochs of labels; or a teacher of 10 epochs for 10 students, 1 answer, 20 epochs": "teacher",
}

# %% outlook.1 | the saved epochs must pay for the share of the teacher, in torch
# raised, answers, epochs, students
cases = {
    "100 epochs of labels; or a teacher that is given, 1 answer, 60 epochs": (0, 1, 60, 1),
    "100 epochs of labels; or a teacher that is given, asked anew in each of 20 epochs": (0, 20, 20, 1),
    "100 epochs of labels; or a teacher of 1 epoch, 1 answer, 20 epochs": (1, 1, 20, 1),
    "100 epochs of labels; or a teacher of 10 epochs, 1 answer, 20 epochs": (10, 1, 20, 1),
    "100 epochs of labels; or a teacher of 10 epochs for 10 students, 1 answer, 20 epochs": (10, 1, 20, 10),
}
plans = torch.tensor(list(cases.values()), dtype=torch.float64)
saved = 3 * (100 - plans[:, 2])
share = (plans[:, :2] @ torch.tensor([120.0, 40.0], dtype=torch.float64)) / plans[:, 3]
cheaper = {key: "teacher" if pays else "labels" for key, pays in zip(cases, (saved > share).tolist())}


# %% outlook.2 | the formula, part by part
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs
    training = 3 * teacher * photographs * raised
    answers = teacher * photographs * min(versions, epochs)
    return own + (training + answers) / students


# %% outlook.2 | counts epoch by epoch, in loops
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 0
    shared = 0
    for _ in range(raised):
        shared += 3 * teacher * photographs
    for epoch in range(epochs):
        own += 3 * student * photographs
        if epoch < versions:
            shared += teacher * photographs
    return own + shared / students


# %% outlook.2 | for one photograph first, by a product of vectors in numpy
def price(student, teacher, photographs, epochs, raised, versions, students):
    costs = np.array([3 * student, 3 * teacher, teacher], dtype=float)
    times = np.array([epochs, raised / students, min(epochs, versions) / students])
    return photographs * float(costs @ times)


# %% outlook.2 | all students together, then divided
def price(student, teacher, photographs, epochs, raised, versions, students):
    seen = versions if versions < epochs else epochs
    everybody = students * 3 * student * epochs + teacher * (3 * raised + seen)
    return everybody * photographs / students


# %% outlook.3 | tries every price that occurs
def pays_from(labels, taught):
    for budget in sorted(price for price, _ in labels + taught):
        by_labels = max([a for p, a in labels if p <= budget], default=0)
        by_teacher = max([a for p, a in taught if p <= budget], default=0)
        if by_teacher > by_labels:
            return budget
    return None


# %% outlook.3 | one walk over all plans by price, labels before the teacher at equal prices
def pays_from(labels, taught):
    events = [(p, 0, a) for p, a in labels] + [(p, 1, a) for p, a in taught]
    best = [0, 0]
    for price, side, accuracy in sorted(events):
        best[side] = max(best[side], accuracy)
        if side == 1 and best[1] > best[0]:
            return price
    return None


# %% outlook.3 | each plan with the teacher against all labels it could have bought, by comprehension
def pays_from(labels, taught):
    pays = [p for p, a in taught if a > 0 and all(a > other for q, other in labels if q <= p)]
    return min(pays, default=None)


# %% outlook.3 | recursion: the cheapest plan with the teacher, then the rest
def pays_from(labels, taught):
    if not taught:
        return None
    cheapest = min(taught, key=lambda plan: (plan[0], -plan[1]))
    by_labels = max([0] + [a for p, a in labels if p <= cheapest[0]])
    if cheapest[1] > by_labels:
        return cheapest[0]
    rest = list(taught)
    rest.remove(cheapest)
    return pays_from(labels, rest)


# %% outlook.4 | one key of two parts
def smallest(entries, bar, budget):
    good = [e for e in entries if e["validation"] >= bar and e["price"] <= budget]
    if not good:
        return None
    return min(good, key=lambda e: (e["parameters"], -e["validation"]))["name"]


# %% outlook.4 | a loop that keeps the best so far
def smallest(entries, bar, budget):
    best = None
    for e in entries:
        if e["validation"] < bar or e["price"] > budget:
            continue
        if best is None or e["parameters"] < best["parameters"]:
            best = e
        elif e["parameters"] == best["parameters"] and e["validation"] > best["validation"]:
            best = e
    return None if best is None else best["name"]


# %% outlook.4 | two stable sorts, the less important first
def smallest(entries, bar, budget):
    good = list(filter(lambda e: e["validation"] >= bar and e["price"] <= budget, entries))
    good.sort(key=lambda e: e["validation"], reverse=True)
    good.sort(key=lambda e: e["parameters"])
    return good[0]["name"] if good else None


# %% outlook.4 | narrows the list down step by step
def smallest(entries, bar, budget):
    good = [e for e in entries if e["validation"] >= bar and e["price"] <= budget]
    if not good:
        return None
    fewest = min(e["parameters"] for e in good)
    good = [e for e in good if e["parameters"] == fewest]
    highest = max(e["validation"] for e in good)
    return next(e["name"] for e in good if e["validation"] == highest)


# %% outlook.5 | a loop over the neighbours, with log and exp
def worth(counts, scores, reached):
    if scores[0] >= reached:
        return counts[0]
    for i in range(1, len(counts)):
        if scores[i] >= reached:
            part = (reached - scores[i - 1]) / (scores[i] - scores[i - 1])
            low, high = math.log(counts[i - 1]), math.log(counts[i])
            return math.exp(low + part * (high - low))
    return math.inf


# %% outlook.5 | the first place by numpy, the ratio to a power
def worth(counts, scores, reached):
    enough = np.asarray(scores) >= reached
    if not enough.any():
        return math.inf
    i = int(enough.argmax())
    if i == 0:
        return counts[0]
    part = (reached - scores[i - 1]) / (scores[i] - scores[i - 1])
    return counts[i - 1] * (counts[i] / counts[i - 1]) ** part


# %% outlook.5 | recursion over the rest of the curve
def worth(counts, scores, reached):
    if scores[0] >= reached:
        return counts[0]
    if len(counts) == 1:
        return math.inf
    if scores[1] < reached:
        return worth(counts[1:], scores[1:], reached)
    slope = math.log2(counts[1] / counts[0]) / (scores[1] - scores[0])
    return counts[0] * 2 ** (slope * (reached - scores[0]))


# %% outlook.5 | np.interp, on the one line that reaches it
def worth(counts, scores, reached):
    i = next((i for i, score in enumerate(scores) if score >= reached), None)
    if i is None:
        return math.inf
    if i == 0:
        return counts[0]
    return float(10 ** np.interp(reached, scores[i - 1 : i + 1], np.log10(counts[i - 1 : i + 1])))

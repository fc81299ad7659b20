"""Answers to the exercises of ``outlook``."""

import math
import re

import numpy as np

import kdcourse as kd

# ---------------------------------------------------------------- outlook.1

SAID = ["teacher", "labels", "teacher", "labels", "teacher"]


def looked_up(case):
    return dict(zip(kd.checks.find("outlook.1").rungs, SAID, strict=True))[case]


def by_reading(case):
    labels, plan = case.split(";")
    epochs = int(re.findall(r"(\d+) epochs$", plan)[0])
    asked = epochs if "anew" in plan else 1
    raised = re.search(r"a teacher of (\d+) epoch", plan)
    students = re.search(r"for (\d+) students", plan)
    shared = 40 * (3 * int(raised[1] if raised else 0) + asked) / int(students[1] if students else 1)
    return "teacher" if shared + 3 * epochs < 3 * int(re.findall(r"\d+", labels)[0]) else "labels"


def by_two_reasons(case):
    return "labels" if "anew" in case or ("of 10" in case and "students" not in case) else "teacher"


# ---------------------------------------------------------------- outlook.2


def by_parts(student, teacher, photographs, epochs, raised, versions, students):
    total = {"own": 3 * student * epochs, "raising": 3 * teacher * raised / students}
    total["answers"] = (versions if versions < epochs else epochs) * teacher / students
    return photographs * sum(total.values())


def by_loops(student, teacher, photographs, epochs, raised, versions, students):
    cost = 0.0
    for epoch in range(epochs):
        cost += 3 * student * photographs
        if epoch < versions:
            cost += teacher * photographs / students
    for _ in range(raised):
        cost += 3 * teacher * photographs / students
    return cost


def by_vectors(student, teacher, photographs, epochs, raised, versions, students):
    passes = np.array([3 * epochs, 3 * raised, min(versions, epochs)])
    return float(photographs * passes @ np.array([student, teacher / students, teacher / students]))


# ---------------------------------------------------------------- outlook.3


def by_a_walk(labels, taught):
    plans = sorted([(p, a, 0) for p, a in labels] + [(p, a, 1) for p, a in taught])
    best = [0.0, 0.0]
    for at, (price, accuracy, who) in enumerate(plans):
        best[who] = max(best[who], accuracy)
        paid = at + 1 == len(plans) or plans[at + 1][0] > price
        if paid and best[1] > best[0]:
            return price
    return None


def by_arrays(labels, taught):
    (p, a), (q, b) = (np.array(plan, dtype=float).T for plan in (labels, taught))
    budgets = np.unique(np.concatenate([p, q]))
    ahead = [c for c in budgets if np.max(b[q <= c], initial=0) > np.max(a[p <= c], initial=0)]
    return float(ahead[0]) if ahead else None


def by_winners(labels, taught):
    def rival(price):
        return max([a for p, a in labels if p <= price] + [0])

    return min((p for p, a in taught if a > rival(p)), default=None)


# ---------------------------------------------------------------- outlook.4


def by_sorting(entries, bar, budget):
    order = sorted(entries, key=lambda e: (e["parameters"], -e["validation"]))
    return next((e["name"] for e in order if e["validation"] >= bar and not e["price"] > budget), None)


def by_a_champion(entries, bar, budget):
    best = None
    for entry in entries:
        if entry["validation"] < bar or entry["price"] > budget:
            continue
        smaller = best is None or entry["parameters"] < best["parameters"]
        if smaller or (entry["parameters"] == best["parameters"] and entry["validation"] > best["validation"]):
            best = entry
    return best and best["name"]


def by_two_steps(entries, bar, budget):
    good = [e for e in entries if e["validation"] >= bar if e["price"] <= budget]
    if not good:
        return None
    few = min(e["parameters"] for e in good)
    return max((e for e in good if e["parameters"] == few), key=lambda e: e["validation"])["name"]


# ---------------------------------------------------------------- outlook.5


def by_doublings(counts, scores, reached):
    if reached <= scores[0]:
        return counts[0]
    for (m, a), (n, b) in zip(zip(counts, scores, strict=True), zip(counts[1:], scores[1:], strict=True), strict=False):
        if b >= reached:
            return m * (n / m) ** ((reached - a) / (b - a))
    return float("inf")


def by_interp(counts, scores, reached):
    peaks = np.maximum.accumulate(scores)
    if reached > peaks[-1]:
        return math.inf
    i = int(np.argmax(peaks >= reached))
    if i == 0:
        return float(counts[0])
    return float(np.exp(np.interp(reached, scores[i - 1 : i + 1], np.log(counts[i - 1 : i + 1]))))


def by_bisection(counts, scores, reached):
    if scores[0] >= reached:
        return float(counts[0])
    i = next((k for k, s in enumerate(scores) if s >= reached), None)
    if i is None:
        return math.inf
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if (1 - middle) * scores[i - 1] + middle * scores[i] >= reached else (middle, high)
    return counts[i - 1] ** (1 - high) * counts[i] ** high


RIGHT = {
    "outlook.1": [looked_up, by_reading, by_two_reasons],
    "outlook.2": [by_parts, by_loops, by_vectors],
    "outlook.3": [by_a_walk, by_arrays, by_winners],
    "outlook.4": [by_sorting, by_a_champion, by_two_steps],
    "outlook.5": [by_doublings, by_interp, by_bisection],
}
WRONG = {
    "outlook.2": [
        (lambda *a: None, "None came back"),
        (lambda *a: a[20], "Error: IndexError"),
        (lambda f, t, n, e, r, k, m: by_parts(f / 3, t, n, e, r, k, m), "once forwards"),
        (lambda f, t, n, e, r, k, m: by_parts(f, t, n, e, r, k, 1), "pays for the whole teacher"),
        (lambda f, t, n, e, r, k, m: 3 * n * (f * e + t * (r + min(k, e)) / m), "An answer has no pass backwards"),
    ],
    "outlook.3": [
        (lambda a, b: "8", "is expected"),
        (lambda a, b: a[1000], "Error: IndexError"),
        (lambda a, b: by_a_walk(b, a), "The sides are exchanged"),
        (lambda a, b: by_a_walk(a, b) or math.inf, "Where no budget is enough, None"),
        (lambda a, b: (by_a_walk(a, b), b.clear())[0], "Changed: taught, in place"),
    ],
    "outlook.4": [
        (lambda e, b, m: 3, "is expected"),
        (lambda e, b, m: e[1000], "Error: IndexError"),
        (lambda e, b, m: by_sorting(e, b, math.inf), "The price was not looked at"),
        (lambda e, b, m: by_sorting([{**x, "validation": x["test"]} for x in e], b, m), "The test images chose"),
        (lambda e, b, m: (by_sorting(e, b, m), e.clear())[0], "Changed: entries, in place"),
    ],
    "outlook.5": [
        (lambda n, s, r: None, "None came back"),
        (lambda n, s, r: n[1000], "Error: IndexError"),
        (lambda n, s, r: by_doublings(n, sorted(s), r), "The scores were sorted"),
        (lambda n, s, r: min(by_doublings(n, s, r), n[-1]), "No count reaches this score"),
        (lambda n, s, r: (by_doublings(n, s, r), s.clear())[0], "Changed: scores, in place"),
    ],
}

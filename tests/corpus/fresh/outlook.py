"""Wrong answers to the exercises on the price of distillation, as learners write them; each cell stands alone."""

import math

import numpy as np

# %% outlook.1 | the two answers are the wrong way round
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
    cheaper[key] = "labels" if taught < 3 * 100 else "teacher"

# %% outlook.1 | forgets that a teacher that is not given must be trained first
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
    taught = 3 * epochs + 40 * answers / students
    cheaper[key] = "teacher" if taught < 3 * 100 else "labels"

# %% outlook.1 | the teacher's answers cost nothing, only training does
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
    taught = 3 * epochs + 3 * 40 * raised / students
    cheaper[key] = "teacher" if taught < 3 * 100 else "labels"

# %% outlook.1 | does not share: one student pays for the whole teacher
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
    taught = 3 * epochs + 3 * 40 * raised + 40 * answers
    cheaper[key] = "teacher" if taught < 3 * 100 else "labels"

# %% outlook.1 | answers are not kept: the teacher is asked in every epoch of every plan
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
    taught = 3 * epochs + (3 * 40 * raised + 40 * epochs) / students
    cheaper[key] = "teacher" if taught < 3 * 100 else "labels"

# %% outlook.1 | by eye: a teacher is forty times as dear, so labels are always cheaper
cheaper = {
    "100 epochs of labels; or a teacher that is given, 1 answer, 60 epochs": "labels",
    "100 epochs of labels; or a teacher that is given, asked anew in each of 20 epochs": "labels",
    "100 epochs of labels; or a teacher of 1 epoch, 1 answer, 20 epochs": "labels",
    "100 epochs of labels; or a teacher of 10 epochs, 1 answer, 20 epochs": "labels",
    "100 epochs of labels; or a teacher of 10 epochs for 10 students, 1 answer, 20 epochs": "labels",
}

# %% outlook.1 | compares only the student's own epochs, so that the teacher always wins
# raised, answers, epochs, students
cases = {
    "100 epochs of labels; or a teacher that is given, 1 answer, 60 epochs": (0, 1, 60, 1),
    "100 epochs of labels; or a teacher that is given, asked anew in each of 20 epochs": (0, 20, 20, 1),
    "100 epochs of labels; or a teacher of 1 epoch, 1 answer, 20 epochs": (1, 1, 20, 1),
    "100 epochs of labels; or a teacher of 10 epochs, 1 answer, 20 epochs": (10, 1, 20, 1),
    "100 epochs of labels; or a teacher of 10 epochs for 10 students, 1 answer, 20 epochs": (10, 1, 20, 10),
}
cheaper = {key: "teacher" if epochs < 100 else "labels" for key, (_, _, epochs, _) in cases.items()}

# %% outlook.1 | by eye: a teacher that is given is cheap, one that must be trained is dear
cheaper = {
    "100 epochs of labels; or a teacher that is given, 1 answer, 60 epochs": "teacher",
    "100 epochs of labels; or a teacher that is given, asked anew in each of 20 epochs": "teacher",
    "100 epochs of labels; or a teacher of 1 epoch, 1 answer, 20 epochs": "labels",
    "100 epochs of labels; or a teacher of 10 epochs, 1 answer, 20 epochs": "labels",
    "100 epochs of labels; or a teacher of 10 epochs for 10 students, 1 answer, 20 epochs": "labels",
}

# %% outlook.1 | the 40 twice: an epoch of the teacher is 3 times 40 answers, and each of these costs 40
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
    epoch_of_teacher = 3 * 40
    teacher_answers = raised * epoch_of_teacher + answers
    taught = 3 * epochs + 40 * teacher_answers / students
    cheaper[key] = "teacher" if taught < 3 * 100 else "labels"

# %% outlook.1 | by eye: a trained teacher pays only where several students share it
cheaper = {
    "100 epochs of labels; or a teacher that is given, 1 answer, 60 epochs": "teacher",
    "100 epochs of labels; or a teacher that is given, asked anew in each of 20 epochs": "labels",
    "100 epochs of labels; or a teacher of 1 epoch, 1 answer, 20 epochs": "labels",
    "100 epochs of labels; or a teacher of 10 epochs, 1 answer, 20 epochs": "labels",
    "100 epochs of labels; or a teacher of 10 epochs for 10 students, 1 answer, 20 epochs": "teacher",
}

# %% outlook.1 | the student's epoch counts twice, once for the labels and once for the teacher's answers
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
    taught = 2 * 3 * epochs + (3 * 40 * raised + 40 * answers) / students
    cheaper[key] = "teacher" if taught < 3 * 100 else "labels"

# %% outlook.1 | asked anew and kept are mixed up: the kept answers are paid in every epoch, the others once
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
    asked = 1 if "anew" in key else epochs
    taught = 3 * epochs + (3 * 40 * raised + 40 * asked) / students
    cheaper[key] = "teacher" if taught < 300 else "labels"


# %% outlook.2 | answers for all versions, even where there are fewer epochs
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs
    training = 3 * teacher * photographs * raised
    answers = teacher * photographs * versions
    return own + (training + answers) / students


# %% outlook.2 | the student's own training is shared as well
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs
    training = 3 * teacher * photographs * raised
    answers = teacher * photographs * min(versions, epochs)
    return (own + training + answers) / students


# %% outlook.2 | nothing is shared, students is never used
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs
    training = 3 * teacher * photographs * raised
    answers = teacher * photographs * min(versions, epochs)
    return own + training + answers


# %% outlook.2 | brackets forgotten: only the answers are shared
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs
    training = 3 * teacher * photographs * raised
    answers = teacher * photographs * min(versions, epochs)
    return own + training + answers / students


# %% outlook.2 | only the teacher's training is shared, each student has it answer again
def price(student, teacher, photographs, epochs, raised, versions, students):
    total = 3 * student * photographs * epochs
    total += 3 * teacher * photographs * raised / students
    total += teacher * photographs * min(epochs, versions)
    return total


# %% outlook.2 | an epoch of the teacher costs one answer for each photograph, not three
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs
    training = teacher * photographs * raised
    answers = teacher * photographs * min(versions, epochs)
    return own + (training + answers) / students


# %% outlook.2 | the teacher answers in every epoch, nothing is kept
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs
    training = 3 * teacher * photographs * raised
    answers = teacher * photographs * epochs
    return own + (training + answers) / students


# %% outlook.2 | the teacher answers once for each photograph, the versions are forgotten
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs
    training = 3 * teacher * photographs * raised
    answers = teacher * photographs
    return own + (training + answers) / students


# %% outlook.2 | a teacher that was given costs nothing at all, not even its answers
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs
    if raised == 0:
        return own
    shared = 3 * teacher * photographs * raised + teacher * photographs * min(versions, epochs)
    return own + shared / students


# %% outlook.2 | the versions are compared with the teacher's epochs, not with the student's
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs
    seen = min(versions, raised) if raised > 0 else versions
    shared = teacher * photographs * (3 * raised + seen)
    return own + shared / students


# %% outlook.2 | whole division: the rest of the share is lost
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs
    training = 3 * teacher * photographs * raised
    answers = teacher * photographs * min(versions, epochs)
    return own + (training + answers) // students


# %% outlook.2 | the student trains on every version in every epoch
def price(student, teacher, photographs, epochs, raised, versions, students):
    own = 3 * student * photographs * epochs * versions
    training = 3 * teacher * photographs * raised
    answers = teacher * photographs * min(versions, epochs)
    return own + (training + answers) / students


# %% outlook.3 | equally good is taken for better, by >=
def pays_from(labels, taught):
    for budget in sorted(price for price, _ in taught):
        by_labels = max([a for p, a in labels if p <= budget], default=0)
        by_teacher = max([a for p, a in taught if p <= budget], default=0)
        if by_teacher >= by_labels:
            return budget
    return None


# %% outlook.3 | the dearest plan that can be paid in place of the best
def pays_from(labels, taught):
    for budget in sorted(price for price, _ in taught):
        can_labels = [plan for plan in labels if plan[0] <= budget]
        can_taught = [plan for plan in taught if plan[0] <= budget]
        by_labels = max(can_labels)[1] if can_labels else 0
        by_teacher = max(can_taught)[1] if can_taught else 0
        if by_teacher > by_labels:
            return budget
    return None


# %% outlook.3 | compares with the best of all the plans by labels, whatever they cost
def pays_from(labels, taught):
    best = max((accuracy for _, accuracy in labels), default=0)
    prices = [price for price, accuracy in taught if accuracy > best]
    return min(prices) if prices else None


# %% outlook.3 | takes the plans in the order of the list and returns the first that pays, not the cheapest
def pays_from(labels, taught):
    for budget, accuracy in taught:
        by_labels = 0
        for price, other in labels:
            if price <= budget and other > by_labels:
                by_labels = other
        if accuracy > by_labels:
            return budget
    return None


# %% outlook.3 | a plan by labels that costs exactly the budget is left out
def pays_from(labels, taught):
    for budget, accuracy in sorted(taught):
        by_labels = max([a for p, a in labels if p < budget], default=0)
        if accuracy > by_labels:
            return budget
    return None


# %% outlook.3 | waits until both sides can pay for something, in place of counting 0
def pays_from(labels, taught):
    budgets = sorted({price for price, _ in labels + taught})
    for budget in budgets:
        first = [a for p, a in labels if p <= budget]
        second = [a for p, a in taught if p <= budget]
        if not first or not second:
            continue
        if max(second) > max(first):
            return budget
    return None


# %% outlook.3 | an infinite budget in place of None where none is enough
def pays_from(labels, taught):
    smallest = math.inf
    for budget, accuracy in taught:
        by_labels = max([a for p, a in labels if p <= budget], default=0)
        if accuracy > by_labels:
            smallest = min(smallest, budget)
    return smallest


# %% outlook.3 | from here on for good: the teacher must stay ahead at all greater budgets too
def pays_from(labels, taught):
    answer = None
    for budget in sorted({p for p, _ in labels} | {p for p, _ in taught}):
        by_labels = max([a for p, a in labels if p <= budget], default=0)
        by_teacher = max([a for p, a in taught if p <= budget], default=0)
        if by_teacher <= by_labels:
            answer = None
        elif answer is None:
            answer = budget
    return answer


# %% outlook.3 | halving search over the prices, as if a teacher that pays once paid ever after
def pays_from(labels, taught):
    prices = sorted(p for p, _ in taught)

    def pays(budget):
        by_labels = max([a for p, a in labels if p <= budget], default=0)
        return max([a for p, a in taught if p <= budget], default=0) > by_labels

    low, high = 0, len(prices)
    while low < high:
        middle = (low + high) // 2
        if pays(prices[middle]):
            high = middle
        else:
            low = middle + 1
    return prices[low] if low < len(prices) else None


# %% outlook.3 | compares the plans pair by pair, the cheapest with the cheapest and so on
def pays_from(labels, taught):
    for (_, by_labels), (budget, by_teacher) in zip(sorted(labels), sorted(taught)):
        if by_teacher > by_labels:
            return budget
    return None


# %% outlook.3 | the two sides have changed places: the budget from which labels are better
def pays_from(labels, taught):
    for budget in sorted(p for p, _ in labels):
        best_label = max([a for p, a in labels if p <= budget], default=0)
        best_taught = max([a for p, a in taught if p <= budget], default=0)
        if best_label > best_taught:
            return budget
    return None


# %% outlook.3 | returns the accuracy at that budget, not the budget
def pays_from(labels, taught):
    for budget, accuracy in sorted(taught):
        by_labels = max([a for p, a in labels if p <= budget], default=0)
        if accuracy > by_labels:
            return accuracy
    return None


# %% outlook.4 | the test accuracy still decides which entries count
def smallest(entries, bar, budget):
    good = [e for e in entries if e["test"] >= bar and e["price"] <= budget]
    if not good:
        return None
    return min(good, key=lambda e: (e["parameters"], -e["validation"]))["name"]


# %% outlook.4 | an entry that just reaches the bar is left out
def smallest(entries, bar, budget):
    good = [e for e in entries if e["validation"] > bar and e["price"] <= budget]
    if not good:
        return None
    return min(good, key=lambda e: (e["parameters"], -e["validation"]))["name"]


# %% outlook.4 | the budget is still looked at after the choice only
def smallest(entries, bar, budget):
    good = [e for e in entries if e["validation"] >= bar]
    if not good:
        return None
    best = min(good, key=lambda e: (e["parameters"], -e["validation"]))
    return best["name"] if best["price"] <= budget else None


# %% outlook.4 | no thought of an empty choice: min of nothing is an error
def smallest(entries, bar, budget):
    good = [e for e in entries if e["validation"] >= bar and e["price"] <= budget]
    return min(good, key=lambda e: (e["parameters"], -e["validation"]))["name"]


# %% outlook.4 | equally few parameters: the first in the list, validation is not asked
def smallest(entries, bar, budget):
    good = [e for e in entries if e["validation"] >= bar and e["price"] <= budget]
    if not good:
        return None
    return min(good, key=lambda e: e["parameters"])["name"]


# %% outlook.4 | equally few parameters: the worst on validation, by a forgotten minus
def smallest(entries, bar, budget):
    good = [e for e in entries if e["validation"] >= bar and e["price"] <= budget]
    if not good:
        return None
    good = sorted(good, key=lambda e: (e["parameters"], e["validation"]))
    return good[0]["name"]


# %% outlook.4 | the last of two that are equal in everything, by >= in the loop
def smallest(entries, bar, budget):
    best = None
    for e in entries:
        if e["validation"] < bar or e["price"] > budget:
            continue
        if best is None or e["parameters"] < best["parameters"]:
            best = e
        elif e["parameters"] == best["parameters"] and e["validation"] >= best["validation"]:
            best = e
    return best["name"] if best else None


# %% outlook.4 | an entry whose price is exactly the budget is left out
def smallest(entries, bar, budget):
    good = [e for e in entries if e["validation"] >= bar and e["price"] < budget]
    if not good:
        return None
    return min(good, key=lambda e: (e["parameters"], -e["validation"]))["name"]


# %% outlook.4 | the best on validation first, and the fewest parameters only among equals
def smallest(entries, bar, budget):
    good = [e for e in entries if e["validation"] >= bar and e["price"] <= budget]
    if not good:
        return None
    return max(good, key=lambda e: (e["validation"], -e["parameters"]))["name"]


# %% outlook.4 | of two equal ones the name that comes first in the alphabet, by min over tuples
def smallest(entries, bar, budget):
    good = []
    for e in entries:
        if e["validation"] >= bar and e["price"] <= budget:
            good.append((e["parameters"], -e["validation"], e["name"]))
    return min(good)[2] if good else None


# %% outlook.4 | equally few parameters: the best on test
def smallest(entries, bar, budget):
    good = [e for e in entries if e["validation"] >= bar and e["price"] <= budget]
    if not good:
        return None
    fewest = min(e["parameters"] for e in good)
    good = [e for e in good if e["parameters"] == fewest]
    return max(good, key=lambda e: e["test"])["name"]


# %% outlook.4 | validation and test must both reach the bar
def smallest(entries, bar, budget):
    good = []
    for e in entries:
        if min(e["validation"], e["test"]) >= bar and e["price"] <= budget:
            good.append(e)
    good.sort(key=lambda e: -e["validation"])
    good.sort(key=lambda e: e["parameters"])
    return good[0]["name"] if good else None


# %% outlook.5 | a straight line over the count, not over its logarithm
def worth(counts, scores, reached):
    if scores[0] >= reached:
        return counts[0]
    for i in range(1, len(counts)):
        if scores[i] >= reached:
            part = (reached - scores[i - 1]) / (scores[i] - scores[i - 1])
            return counts[i - 1] + part * (counts[i] - counts[i - 1])
    return math.inf


# %% outlook.5 | the first count that is enough, with nothing in between
def worth(counts, scores, reached):
    for count, score in zip(counts, scores):
        if score >= reached:
            return count
    return math.inf


# %% outlook.5 | np.interp over scores that need not rise
def worth(counts, scores, reached):
    if scores[0] >= reached:
        return counts[0]
    if max(scores) < reached:
        return math.inf
    return float(np.exp(np.interp(reached, scores, np.log(counts))))


# %% outlook.5 | the last time the curve climbs to it, not the first
def worth(counts, scores, reached):
    answer = counts[0] if scores[0] >= reached else math.inf
    for i in range(len(counts) - 1):
        if scores[i] < reached <= scores[i + 1]:
            part = (reached - scores[i]) / (scores[i + 1] - scores[i])
            answer = counts[i] * (counts[i + 1] / counts[i]) ** part
    return answer


# %% outlook.5 | the last count in place of infinity where no score is enough
def worth(counts, scores, reached):
    if scores[0] >= reached:
        return counts[0]
    for i in range(1, len(counts)):
        if scores[i] >= reached:
            part = (reached - scores[i - 1]) / (scores[i] - scores[i - 1])
            low, high = math.log(counts[i - 1]), math.log(counts[i])
            return math.exp(low + part * (high - low))
    return counts[-1]


# %% outlook.5 | goes on along the last line where no score is enough
def worth(counts, scores, reached):
    if scores[0] >= reached:
        return counts[0]
    for i in range(1, len(counts)):
        if scores[i] >= reached:
            part = (reached - scores[i - 1]) / (scores[i] - scores[i - 1])
            low, high = math.log(counts[i - 1]), math.log(counts[i])
            return math.exp(low + part * (high - low))
    if len(scores) < 2 or scores[-1] <= scores[-2]:
        return math.inf
    part = (reached - scores[-2]) / (scores[-1] - scores[-2])
    return counts[-2] * (counts[-1] / counts[-2]) ** part


# %% outlook.5 | stops at the logarithm and forgets exp
def worth(counts, scores, reached):
    if scores[0] >= reached:
        return counts[0]
    for i in range(1, len(counts)):
        if scores[i] >= reached:
            part = (reached - scores[i - 1]) / (scores[i] - scores[i - 1])
            low, high = math.log(counts[i - 1]), math.log(counts[i])
            return low + part * (high - low)
    return math.inf


# %% outlook.5 | the part is counted from the upper end: right halfway and nowhere else
def worth(counts, scores, reached):
    if scores[0] >= reached:
        return counts[0]
    for a, b, low, high in zip(counts, counts[1:], scores, scores[1:]):
        if low < reached <= high:
            part = (high - reached) / (high - low)
            return a * (b / a) ** part
    return math.inf


# %% outlook.5 | makes the scores rise first, by their running maximum, and so moves the start of the line
def worth(counts, scores, reached):
    scores = np.maximum.accumulate(scores)
    if scores[-1] < reached:
        return math.inf
    place = int(np.searchsorted(scores, reached))
    if place == 0:
        return counts[0]
    part = (reached - scores[place - 1]) / (scores[place] - scores[place - 1])
    return float(counts[place - 1] * (counts[place] / counts[place - 1]) ** part)


# %% outlook.5 | asks only the last score whether any is enough
def worth(counts, scores, reached):
    if scores[0] >= reached:
        return counts[0]
    if scores[-1] < reached:
        return math.inf
    for i in range(1, len(counts)):
        if scores[i] >= reached:
            part = (reached - scores[i - 1]) / (scores[i] - scores[i - 1])
            low, high = math.log(counts[i - 1]), math.log(counts[i])
            return math.exp(low + part * (high - low))
    return math.inf


# %% outlook.5 | a best score that is just as high does not count as enough
def worth(counts, scores, reached):
    if scores[0] >= reached:
        return counts[0]
    if not max(scores) > reached:
        return math.inf
    for i in range(1, len(counts)):
        if scores[i] >= reached:
            part = (reached - scores[i - 1]) / (scores[i] - scores[i - 1])
            low, high = math.log(counts[i - 1]), math.log(counts[i])
            return math.exp(low + part * (high - low))
    return math.inf


# %% outlook.5 | goes back along the first line where the first score is more than enough
def worth(counts, scores, reached):
    if max(scores) < reached:
        return math.inf
    for i in range(1, len(counts)):
        low, high = scores[i - 1], scores[i]
        if low == high:
            continue
        if high >= reached or low >= reached:
            part = (reached - low) / (high - low)
            return counts[i - 1] * (counts[i] / counts[i - 1]) ** part
    return counts[0]

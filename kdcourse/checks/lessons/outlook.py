"""Exercises: which plan is cheaper, the price of a student, from which budget on a teacher pays; ``entries`` goes on."""

import math
from collections.abc import Sequence

import torch

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import entries

# ---------------------------------------------------------------- outlook.1

TEACHER = 40  # operations of the teacher's answer, where the student's has one
PLANS = {  # (epochs of labels alone), (epochs of the teacher, answers to each photograph, epochs, students)
    "100 epochs of labels; or a teacher that is given, 1 answer, 60 epochs": (100, (0, 1, 60, 1)),
    "100 epochs of labels; or a teacher that is given, asked anew in each of 20 epochs": (100, (0, 20, 20, 1)),
    "100 epochs of labels; or a teacher of 1 epoch, 1 answer, 20 epochs": (100, (1, 1, 20, 1)),
    "100 epochs of labels; or a teacher of 10 epochs, 1 answer, 20 epochs": (100, (10, 1, 20, 1)),
    "100 epochs of labels; or a teacher of 10 epochs for 10 students, 1 answer, 20 epochs": (100, (10, 1, 20, 10)),
}


def cheaper(case: str) -> tuple[str, str]:
    labels, (raised, answers, epochs, students) = PLANS[case]
    prices = {
        "labels": 3 * labels,
        "teacher": 3 * epochs + TEACHER * (3 * raised + answers) / students,
    }
    return min(prices, key=lambda name: prices[name]), f"labels {prices['labels']:g}, teacher {prices['teacher']:g}"


_believing = believer(tuple(PLANS), cheaper)

CHEAPER = prediction(
    id="outlook.1",
    title="Predict which plan is cheaper",
    minutes=5,
    changes=tuple(PLANS),
    found=cheaper,
    answers=("labels", "teacher"),
    mistakes=(
        Mistake(
            "answers cost as much as training",
            _believing(c1="labels"),
            "An answer needs no pass backwards: 40, and not 120. With 3 · 60 = 180 for the student that makes 220.",
        ),
        Mistake(
            "answers cost nothing",
            _believing(c2="teacher"),
            "Asked anew in each of 20 epochs, the teacher costs 20 · 40 = 800. Labels for 100 epochs cost 300.",
        ),
        Mistake(
            "a teacher is always too dear",
            _believing(c3="labels"),
            "One epoch of the teacher costs 3 · 40 = 120, an answer 40 and 20 epochs of the student 60: 220 of 300.",
        ),
        Mistake(
            "a teacher always pays",
            _believing(c4="teacher"),
            "Ten epochs of the teacher cost 3 · 10 · 40 = 1,200. For that price you get 400 epochs of the student.",
        ),
        Mistake(
            "the price is not shared",
            _believing(c5="labels"),
            "Ten students share the teacher and its answers: 1,240 / 10 = 124 each, and 60 for their own training.",
        ),
    ),
    hints=(
        "Count in the student's passes forwards, for one photograph. An epoch of training costs the student 3, the "
        "teacher 120. An answer of the teacher costs 40.",
        'The form:\n"100 epochs of labels; or a teacher that is given, 1 answer, 60 epochs": "____",',
    ),
    takeaway="Whether a teacher is cheap depends on who trained it, how often it is asked, and how many share it.",
)

# ---------------------------------------------------------------- outlook.2


def price(
    student: float, teacher: float, photographs: int, epochs: int, raised: int, versions: int, students: int
) -> float:
    own = 3 * student * photographs * epochs
    answers = teacher * photographs * min(versions, epochs)
    return own + (3 * teacher * photographs * raised + answers) / students


def _price_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def of(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=g))

    return [
        (2, 10, 100, 5, 3, 1, 2),
        (of(2, 9), of(20, 60), of(10, 99), of(4, 20), 0, 1, 1),
        (of(2, 9), of(20, 60), of(10, 99), of(12, 20), of(3, 9), 4, 1),
        (of(2, 9), 25, 10, 2, of(3, 9), 8, 3),
        (3, 4, 50, 10, 0, 0, 7),
    ]


def _price(
    f: float, t: float, n: int, e: int, raised: int, k: int, m: int, *, thrice: float = 3, asking: float = 1,
    kept: bool = True, alone: bool = False, answers_alone: bool = False, all_shared: bool = False, raising: float = 3,
    whole: bool = False,
) -> float:  # fmt: skip
    """The answer with mistakes left in it; ``kept``: no more versions than epochs."""
    own = thrice * f * n * e
    trained, answers = raising * t * n * raised, asking * t * n * (min(k, e) if kept else k)
    if whole:
        return m * own + trained + answers
    if all_shared:
        return (own + trained + answers) / m
    if answers_alone:
        return own + answers + trained / m
    return own + (trained + answers) / (1 if alone else m)


PRICE = Task(
    id="outlook.2",
    title="The price of a student",
    kind="implement",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=("by hand", "the teacher is given", "four versions", "more versions than epochs", "no teacher"),
    inputs=_price_inputs,
    reference=price,
    judge=close,
    mistakes=(
        Mistake(
            "forwards only",
            lambda *a: _price(*a, thrice=1),
            "The student's training was counted once forwards. The pass backwards costs about twice as much again.",
        ),
        Mistake(
            "the teacher's training forwards only",
            lambda *a: _price(*a, raising=1),
            "The teacher was trained, too: each photograph costs it three times an answer.",
        ),
        Mistake(
            "answers at the price of training",
            lambda *a: _price(*a, asking=3),
            "An answer has no pass backwards. It costs the teacher its operations once.",
        ),
        Mistake(
            "answers in every epoch",
            lambda f, t, n, e, raised, k, m: _price(f, t, n, e, raised, e, m),
            "The teacher was asked anew in every epoch. Its answers are kept: it is asked once for each version.",
        ),
        Mistake(
            "versions that nobody sees",
            lambda *a: _price(*a, kept=False),
            "With fewer epochs than versions some versions are never shown, and nobody needs to ask about them.",
        ),
        Mistake(
            "nothing is shared",
            lambda *a: _price(*a, alone=True),
            "This student pays for the whole teacher. Its share is one part in `students`.",
        ),
        Mistake(
            "the student's training shared",
            lambda *a: _price(*a, all_shared=True),
            "The student's own training was shared, too. Every student trains for itself.",
        ),
        Mistake(
            "answers not shared",
            lambda *a: _price(*a, answers_alone=True),
            "The teacher's training is shared, and its answers are not. They are kept: all students read the same ones.",
        ),
        Mistake(
            "the price of all",
            lambda *a: _price(*a, whole=True),
            "This is the price of all the students together. Asked for is the price of one.",
        ),
    ),
    hints=(
        "Three parts: the student's training, the teacher's training, the teacher's answers. Which are shared?",
        "With blanks:\nown = 3 * student * photographs * ____\nanswers = teacher * photographs * min(____, epochs)\nreturn own + (____ * teacher * photographs * raised + answers) / ____",
    ),
    takeaway="Training costs three answers a photograph. A teacher's price is shared by all who learn from it.",
)

# ---------------------------------------------------------------- outlook.3


def pays_from(labels: Sequence[tuple[float, float]], taught: Sequence[tuple[float, float]]) -> float | None:
    for budget in sorted(price for price, _ in [*labels, *taught]):
        ours, theirs = (max((a for p, a in plan if p <= budget), default=0.0) for plan in (taught, labels))
        if ours > theirs:
            return budget
    return None


def _pays_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def curve(first: float, end: float, n: int) -> list[tuple[float, float]]:
        prices = first * 2.0 ** torch.arange(n) * (1 + 0.3 * torch.rand(n, generator=g))
        scores = end - (end - 50) * 0.5 ** torch.arange(1, n + 1) + torch.rand(n, generator=g)
        return [(round(p, 2), round(s, 2)) for p, s in zip(prices.tolist(), scores.tolist(), strict=True)]

    def mixed(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [points[i] for i in torch.randperm(len(points), generator=g).tolist()]

    return [
        ([(1, 70), (4, 80)], [(5, 75), (8, 84)]),
        ([(1, 82), (2, 86), (4, 79)], [(9, 88), (2, 83), (6, 87), (5, 85)]),
        ([(3, 60), (6, 90)], [(1, 30), (4, 70), (9, 90)]),
        ([(1, 70), (4, 80)], [(5, 75), (8, 80)]),
        ([(1, 70), (4, 85), (6, 86), (7, 87), (30, 90)], [(3, 75), (5, 80), (20, 88), (25, 91)]),
        (mixed(curve(1, 80, 7)), mixed(curve(5, 90, 6))),
        (mixed(curve(1, 85, 5)), mixed(curve(9, 88, 7))),
    ]


def _pays(
    labels: Sequence[tuple[float, float]], taught: Sequence[tuple[float, float]], *, equal: bool = False,
    last: bool = False, best: bool = False, own: bool = False, turned: bool = False, never: float | None = None,
) -> float | None:  # fmt: skip
    """The answer with mistakes left in it."""
    labels, taught = (taught, labels) if turned else (labels, taught)
    for budget in sorted(p for p, _ in (taught if own else [*labels, *taught])):
        can = [[(p, a) for p, a in plan if p <= budget] for plan in (taught, labels)]
        if last:  # the dearest plan that can be paid, not the best one
            ours, theirs = (max(plan)[1] if plan else 0.0 for plan in can)
        else:
            ours, theirs = (max((a for _, a in plan), default=0.0) for plan in can)
        theirs = max(a for _, a in labels) if best else theirs
        if ours > theirs or (equal and ours == theirs):
            return budget
    return never


def _side_by_side(labels: Sequence[tuple[float, float]], taught: Sequence[tuple[float, float]]) -> float | None:
    return next((p for (_, a), (p, b) in zip(labels, taught, strict=False) if b > a), None)


def _for_good(labels: Sequence[tuple[float, float]], taught: Sequence[tuple[float, float]]) -> float | None:
    """From where on the labels are never ahead again."""
    found = None
    for budget in sorted(p for p, _ in [*labels, *taught]):
        ours, theirs = (max((a for p, a in plan if p <= budget), default=0.0) for plan in (taught, labels))
        found = None if ours <= theirs else budget if found is None else found
    return found


def _as_listed(labels: Sequence[tuple[float, float]], taught: Sequence[tuple[float, float]]) -> float | None:
    for budget, score in taught:
        if score > max((a for p, a in labels if p <= budget), default=0.0):
            return budget
    return None


PAYS_FROM = Task(
    id="outlook.3",
    title="The first budget at which it pays",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=(
        "by hand",
        "longer is not better",
        "the teacher is cheap at first",
        "never",
        "first for a while",
        "plans in any order",
        "two more",
    ),
    inputs=_pays_inputs,
    reference=pays_from,
    judge=close,
    mistakes=(
        Mistake(
            "side by side",
            _side_by_side,
            "The plans were compared place by place. Two plans in the same place may have very different prices.",
        ),
        Mistake(
            "the longest that can be paid",
            lambda a, b: _pays(a, b, last=True),
            "The dearest plan that can be paid was taken. A longer training may be worse: take the *best* one.",
        ),
        Mistake(
            "a tie is enough",
            lambda a, b: _pays(a, b, equal=True),
            "A tie was counted. With the teacher more answers must be right, not as many.",
        ),
        Mistake(
            "against the best at any price",
            lambda a, b: _pays(a, b, best=True),
            "The labels' best plan was taken, whatever its price. Both sides have the same budget.",
        ),
        Mistake(
            "the wrong way round",
            lambda a, b: _pays(a, b, turned=True),
            "The sides are exchanged: this is the budget from which the *labels* are ahead.",
        ),
        Mistake(
            "as listed",
            _as_listed,
            "The first plan of the list that wins was taken. The plans come in any order: the smallest budget is asked for.",
        ),
        Mistake(
            "for good",
            _for_good,
            "This is the budget from which on the teacher is ahead for good. It was ahead before, for a while: that counts.",
        ),
        Mistake(
            "infinity for never",
            lambda a, b: _pays(a, b, never=math.inf),
            "Where no budget is enough, None is asked for.",
        ),
        Mistake(
            "zero for never",
            lambda a, b: _pays(a, b, never=0.0),
            "Where no budget is enough, None is asked for. 0 would mean: from the first operation on.",
        ),
        Mistake(
            "the price of the best plan",
            lambda a, b: max(b, key=lambda plan: plan[1])[0],
            "This is what the best plan with a teacher costs. A smaller budget may be enough to be ahead.",
        ),
    ),
    hints=(
        "Go through all prices from the smallest up. What is the best that each side can pay for?",
        "With blanks:\nfor budget in sorted(price for price, _ in [*labels, *taught]):\n    ours, theirs = (max((a for p, a in plan if p <= ____), default=0) for plan in (taught, labels))\n    if ours ____ theirs:\n        return budget\nreturn ____",
    ),
    takeaway="Compare two ways at the same budget, each with the best that it can buy.",
)


TASKS = [CHEAPER, PRICE, PAYS_FROM, entries.SMALLEST, entries.WORTH]

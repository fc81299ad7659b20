"""What a server does in a round: merge weights by images, and leave out the answers that cannot count."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["CLOSE", "MERGE"]

Weights = list[Tensor]
Answers = list[tuple[int, int, Tensor]]

# ---------------------------------------------------------------- federated_averaging.2


def merge(weights: Weights, counts: list[int]) -> Tensor:
    total = sum(counts)
    mean = torch.zeros_like(weights[0])
    for own, count in zip(weights, counts, strict=True):
        mean = mean + count / total * own
    return mean


def _merge_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(3, 2, generator=g) for _ in range(4)]
    counts = torch.randint(5, 90, (4,), generator=g).tolist()
    return [
        ([torch.tensor([0.0, 4.0]), torch.tensor([8.0, 0.0])], [3, 1]),
        ([torch.tensor([1.5, -2.0])], [7]),
        ([torch.tensor([1.0]), torch.tensor([3.0])], [50, 50]),
        ([torch.tensor([2.0, 2.0]), torch.tensor([9.0, 9.0]), torch.tensor([4.0, 4.0])], [10, 0, 10]),
        ([torch.tensor([7.0]), torch.tensor([5.0]), torch.tensor([1.5])], [0, 0, 5]),
        ([torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0], [7.0, 8.0]])], [1, 9]),
        (drawn, counts),
    ]


def _stacked(weights: Weights) -> Tensor:
    return torch.stack(weights)


MERGE = Task(
    id="federated_averaging.2",
    title="Merge by images",
    kind="implement",
    difficulty="core",
    minutes=6,
    points=2,
    rungs=(
        "three to one",
        "one owner",
        "two alike",
        "an owner without images",
        "two without images",
        "matrices",
        "random",
    ),
    inputs=_merge_inputs,
    reference=merge,
    judge=close,
    mistakes=(
        Mistake(
            "every owner weighs the same",
            lambda w, n: _stacked(w).mean(dim=0),
            "Every owner weighs the same here. One with three times as many images should weigh three times as much.",
        ),
        Mistake(
            "not divided",
            lambda w, n: sum((c * v for c, v in zip(n, w, strict=True)), torch.zeros_like(w[0])),
            "The weighted sum is not divided by the number of all images.",
        ),
        Mistake(
            "divided by owners",
            lambda w, n: sum((c * v for c, v in zip(n, w, strict=True)), torch.zeros_like(w[0])) / len(w),
            "The sum is divided by the number of owners. The weights n_k must add up to 1: divide by all images.",
        ),
        Mistake(
            "summed",
            lambda w, n: _stacked(w).sum(dim=0),
            "The owners' weights are added up, and neither weighted nor divided.",
        ),
        Mistake(
            "the largest owner",
            lambda w, n: w[max(range(len(n)), key=n.__getitem__)],
            "The weights of the largest owner came back. Everyone counts, by its images.",
        ),
        Mistake("the first owner", lambda w, n: w[0] * 1, "The first owner's weights came back."),
        Mistake("the last owner", lambda w, n: w[-1] * 1, "The last owner's weights came back: is += missing?"),
        Mistake(
            "the other way round",
            lambda w, n: merge(w, n[::-1]),
            "The counts are matched to the owners in reverse order.",
        ),
        Mistake(
            "fewer images weigh more",
            lambda w, n: merge(w, [sum(n) - c for c in n]) if len(w) > 1 else w[0] * 1,
            "An owner with fewer images weighs more here.",
        ),
        Mistake(
            "softmax",
            lambda w, n: sum(
                (s * v for s, v in zip(torch.tensor(n).float().softmax(dim=0), w, strict=True)), torch.zeros_like(w[0])
            ),
            "The counts went through a softmax. Shares are n_k / n.",
        ),
        Mistake(
            "who has images",
            lambda w, n: merge(w, [int(c > 0) for c in n]),
            "Whoever has images weighs the same here. Weigh by how many.",
        ),
        Mistake(
            "pairwise",
            lambda w, n: _pairwise(w),
            "The mean is taken two by two, so that the last owner weighs a half. Add first, divide once.",
        ),
        Mistake(
            "a single number",
            lambda w, n: merge(w, n).mean(),
            "One number came back. The mean is over *owners*: the result has the shape of one owner's weights.",
        ),
        Mistake(
            "the median",
            lambda w, n: _stacked(w).median(dim=0).values,
            "The median of the owners came back. The weighted mean is asked for.",
        ),
        Mistake(
            "squares",
            lambda w, n: merge(w, [c * c for c in n]),
            "The counts are squared, perhaps because they are multiplied in twice.",
        ),
    ),
    hints=(
        "Which share of all images does each owner hold? These shares add up to 1.",
        "The skeleton, with blanks:\ntotal = ____\nmean = torch.zeros_like(weights[0])\n"
        "for own, count in zip(weights, counts):\n    mean = mean + ____ * own\nreturn mean",
    ),
    takeaway="FedAvg weighs each owner by its images, as if every image had one vote.",
)


def _pairwise(weights: Weights) -> Tensor:
    mean = weights[0] * 1
    for own in weights[1:]:
        mean = (mean + own) / 2
    return mean


# ---------------------------------------------------------------- federated_averaging.5


def close_round(old: Tensor, asked: list[int], answers: Answers) -> Tensor:
    fitting = [a for a in answers if a[0] in asked and a[1] > 0 and a[2].shape == old.shape]
    good = [a for a in fitting if bool(a[2].isfinite().all())]
    first = {owner: (count, weights) for owner, count, weights in reversed(good)}  # the first one is written last
    if not first:
        return old.clone()
    total = sum(count for count, _ in first.values())
    return sum((count / total * weights for count, weights in first.values()), torch.zeros_like(old))


NAN, INF = float("nan"), float("inf")


def _close_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    old = torch.tensor([1.0, -1.0])
    two: Answers = [(0, 3, torch.tensor([0.0, 4.0])), (1, 1, torch.tensor([8.0, 0.0]))]
    drawn = [(k, int(n), torch.randn(3, generator=g)) for k, n in enumerate(torch.randint(1, 60, (6,), generator=g))]
    drawn[1] = (1, 40, torch.tensor([0.5, INF, 1.0]))
    return [
        (old, [0, 1], list(two)),
        (old, [0, 1, 2], list(two)),
        (old, [0, 1, 2], [*two, (2, 4, torch.tensor([NAN, 1.0]))]),
        (old, [0, 1, 2], [*two, (2, 4, torch.tensor([2.0, INF]))]),
        (old, [0, 1, 2], [(2, 4, torch.tensor([5.0])), *two]),
        (old, [0, 1, 2], [(2, 4, torch.tensor([[5.0, 5.0]])), *two]),
        (old, [0, 1], [two[0], (0, 5, torch.tensor([100.0, 100.0])), two[1]]),
        (old, [0, 2], [*two, (2, 1, torch.tensor([6.0, 6.0]))]),
        (old, [0, 1, 2], [*two, (2, 0, torch.tensor([9.0, 9.0]))]),
        (old, [0, 1, 2], [*two, (2, 0, torch.tensor([9.0, 9.0])), (2, 4, torch.tensor([6.0, 6.0]))]),
        (old, [0], [(0, 2, torch.tensor([NAN, NAN])), (0, 2, torch.tensor([3.0, 3.0]))]),
        (old, [0, 1], []),
        (old, [0, 1], [(0, 2, torch.tensor([NAN, NAN])), (5, 2, torch.tensor([3.0, 3.0]))]),
        (torch.randn(3, generator=g), [0, 1, 2, 4, 5], drawn),
    ]


def _closed(
    old: Tensor, asked: list[int], answers: Answers, *, finite: bool = True, nan: bool = True, shape: bool = True,
    once: str = "first", strangers: bool = False, empty: bool = False, weighted: bool = True,
) -> Tensor:  # fmt: skip
    """``close_round`` with rules left out."""
    good: dict[int, list[tuple[int, Tensor]]] = {}
    for owner, count, weights in answers:
        there = bool(weights.isfinite().all()) or not finite or (not nan and not bool(weights.isnan().any()))
        if (
            (owner in asked or strangers)
            and (count > 0 or empty)
            and there
            and (weights.shape == old.shape or not shape)
        ):
            kept = good.setdefault(owner, [])
            if once == "all" or not kept:
                kept.append((count, weights))
            elif once == "last":
                kept[0] = (count, weights)
    rows = [row for kept in good.values() for row in kept]
    counts = [count if weighted else 1 for count, _ in rows]
    if not sum(counts):
        return old.clone()
    return sum((n / sum(counts) * w for n, (_, w) in zip(counts, rows, strict=True)), torch.zeros_like(old))


def _first_only(old: Tensor, asked: list[int], answers: Answers) -> Tensor:
    """Of each owner only the first answer is looked at, good or bad."""
    seen: set[int] = set()
    kept = []
    for answer in answers:
        if answer[0] not in seen:
            kept.append(answer)
        seen.add(answer[0])
    return close_round(old, asked, kept)


def _all_or_nothing(old: Tensor, asked: list[int], answers: Answers) -> Tensor:
    bad = any(w.shape != old.shape or not bool(w.isfinite().all()) for _, _, w in answers)
    return old.clone() if bad else close_round(old, asked, answers)


CLOSE = Task(
    id="federated_averaging.5",
    title="Close the round",
    kind="implement",
    difficulty="stretch",
    minutes=12,
    points=3,
    rungs=(
        "all is well",
        "no answer from one",
        "not a number",
        "infinite",
        "another shape",
        "a row",
        "answered twice",
        "not asked",
        "no images",
        "no images, then some",
        "bad, then good",
        "nobody answers",
        "nobody counts",
        "random",
    ),
    inputs=_close_inputs,
    reference=close_round,
    judge=close,
    mistakes=(
        Mistake(
            "anything goes into the mean",
            lambda o, a, r: _closed(o, a, r, finite=False),
            "A weight that is no number went into the mean, and now the whole network is none. Look with isfinite().",
        ),
        Mistake(
            "infinite passes",
            lambda o, a, r: _closed(o, a, r, nan=False),
            "NaN is refused, but an infinite weight went into the mean. isfinite() refuses both.",
        ),
        Mistake(
            "mended with zeros",
            lambda o, a, r: _closed(o, a, [(k, n, w.nan_to_num(0.0, 0.0, 0.0)) for k, n, w in r]),
            "Weights that are no numbers were replaced by 0. An answer that is broken in one place is not to be trusted in "
            "the others: leave it out.",
        ),
        Mistake(
            "spread over all",
            lambda o, a, r: _closed(o, a, r, shape=False),
            "An answer of another shape was spread over all weights by broadcasting. Compare the shapes first.",
        ),
        Mistake(
            "twice as heavy",
            lambda o, a, r: _closed(o, a, r, once="all"),
            "An owner that answered twice counts twice. Its first good answer counts.",
        ),
        Mistake(
            "the last answer",
            lambda o, a, r: _closed(o, a, r, once="last"),
            "The owner's *last* answer counts here. The first good one should.",
        ),
        Mistake(
            "the first answer, good or bad",
            _first_only,
            "An owner's first answer was bad, its second one good: the good one counts.",
        ),
        Mistake(
            "strangers are heard",
            lambda o, a, r: _closed(o, a, r, strangers=True),
            "An owner that was not asked went into the mean.",
        ),
        Mistake(
            "one bad answer ends the round",
            _all_or_nothing,
            "One bad answer threw the whole round away. Leave that answer out, and take the mean of the others.",
        ),
        Mistake(
            "every owner weighs the same",
            lambda o, a, r: _closed(o, a, r, weighted=False),
            "The answers weigh the same here. Weigh each by its images.",
        ),
        Mistake(
            "nothing becomes zero",
            lambda o, a, r: _or(o, a, r, torch.zeros_like(o)),
            "Where no answer counts, 0 came back, and the network would have forgotten everything. Keep the old weights.",
        ),
        Mistake(
            "the old weights take part",
            lambda o, a, r: (close_round(o, a, r) + o) / 2,
            "The old weights went into the mean. They stay only where no answer counts.",
        ),
        Mistake(
            "silence counts as the old weights",
            lambda o, a, r: _silent(o, a, r),
            "An owner that did not answer was counted with the old weights. Only those who answered count.",
        ),
        Mistake("nothing changes", lambda o, a, r: o.clone(), "The old weights came back, whatever was answered."),
    ),
    hints=(
        "Go through the answers one by one. Which five things must be true before one of them may count?",
        "The skeleton, with blanks:\ngood = {}\nfor owner, count, weights in answers:\n"
        "    fits = weights.shape == ____ and weights.isfinite().____\n"
        "    if owner in asked and owner not in ____ and count > ____ and fits:\n        good[owner] = (count, weights)\n"
        "if not good:\n    return ____",
    ),
    takeaway="One NaN in a mean makes the whole network NaN. A server looks at every answer before it counts.",
)


def _or(old: Tensor, asked: list[int], answers: Answers, instead: Tensor) -> Tensor:
    """``instead`` where nobody counts; a mark that is no answer tells that apart from old weights."""
    mark = torch.full_like(old, 12345.0)
    found = close_round(mark, asked, answers)
    return instead if torch.equal(found, mark) else found


def _silent(old: Tensor, asked: list[int], answers: Answers) -> Tensor:
    heard = {owner for owner, _, _ in answers}
    return close_round(old, asked, [*answers, *((k, 1, old) for k in asked if k not in heard)])

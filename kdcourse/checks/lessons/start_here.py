"""Exercises: who changes in a distillation, a difference in points, and what an interval lets you say."""

from functools import lru_cache

import torch
from torch import Tensor

import kdcourse as kd
from kdcourse.checks._images import splits
from kdcourse.checks._judges import close, words
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task

# ---------------------------------------------------------------- start_here.1

PARTS = (
    "the student's weights",
    "the teacher's weights",
    "the teacher's batch-norm statistics",
    "the student's number of parameters",
    "the training images",
)


@lru_cache(maxsize=1)
def _before_and_after() -> dict[str, tuple[str, str]]:
    """A tiny distillation, and how many numbers of each part are not as they were."""
    part = splits().train.select(torch.arange(128))
    teacher, student = kd.build("cnn", width=4, seed=0), kd.build("cnn", width=4, seed=1)

    def weights(model: torch.nn.Module) -> Tensor:
        return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()

    def measure() -> list[Tensor]:
        statistics = torch.cat([b.flatten().double() for b in teacher.buffers()]).clone()
        count = torch.tensor(kd.models.parameter_count(student))
        return [weights(student), weights(teacher), statistics, count, part.images.clone()]

    before = measure()
    kd.distill(teacher, student, part, epochs=1, progress=False)
    pairs = zip(before, measure(), strict=True)
    moved = [(int((was != now).sum()), was.numel()) for was, now in pairs]
    return {
        name: ("changed" if some else "same", f"{some:,} of {every:,} numbers moved")
        for name, (some, every) in zip(PARTS, moved, strict=True)
    }


def after_distilling(part: str) -> tuple[str, str]:
    return _before_and_after()[part]


_believing = believer(PARTS, after_distilling)

WHO = prediction(
    id="start_here.1",
    title="Who changes?",
    minutes=4,
    changes=PARTS,
    found=after_distilling,
    answers=("changed", "same"),
    mistakes=(
        Mistake(
            "the student stays",
            _believing(c1="same"),
            "The student is the one that learns, and learning is changing its weights.",
        ),
        Mistake(
            "the teacher learns, too",
            _believing(c2="changed"),
            "The teacher is finished. It answers, and nothing is computed that could change it.",
        ),
        Mistake(
            "the teacher's statistics move",
            _believing(c3="changed"),
            "They would move in train mode, with every batch. `kd.distill` asks the teacher in eval mode and leaves it as found.",
        ),
        Mistake(
            "the student grows",
            _believing(c4="changed"),
            "Its architecture stays as it is, so an answer of the student costs as much as before.",
        ),
        Mistake(
            "the images change",
            _believing(c5="changed"),
            "Images are only shown. Augmentation would change copies, not the images in the set.",
        ),
    ),
    hints=(
        "Who answers, and who learns?",
        'Only one of the five is trained. The form:\n"the student\'s weights": "____",',
    ),
    takeaway="Only the student's weights change. The teacher and the images are as they were, and the student costs the same.",
)

# ---------------------------------------------------------------- start_here.2


def points(ours: Tensor, theirs: Tensor, labels: Tensor) -> float:
    gained = (ours == labels).double().mean() - (theirs == labels).double().mean()
    return 100 * float(gained)


def _share(answers: Tensor, labels: Tensor) -> float:
    return float((answers == labels).double().mean())


def _points_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 10, (50,), generator=g)

    def answers(right: int) -> Tensor:
        said = (labels + 1) % 10
        said[torch.randperm(50, generator=g)[:right]] = -1
        return torch.where(said == -1, labels, said)

    hand = torch.tensor([0, 1, 2, 3])
    return [
        (torch.tensor([0, 1, 2, 0]), torch.tensor([0, 1, 0, 0]), hand),
        (answers(40), answers(25), labels),
        (answers(20), answers(30), labels),
        (answers(33), answers(33), labels),
        (labels, (labels + 1) % 10, labels),
        (torch.tensor([0, 1, 0]), torch.tensor([0, 0, 0]), hand[:3]),
    ]


POINTS = Task(
    id="start_here.2",
    title="A difference in points",
    kind="implement",
    difficulty="warm-up",
    minutes=5,
    points=2,
    rungs=("four photographs", "ahead", "behind", "equally good", "all and none", "three photographs"),
    inputs=_points_inputs,
    reference=points,
    judge=close,
    mistakes=(
        Mistake(
            "a share, not points",
            lambda a, b, y: _share(a, y) - _share(b, y),
            "This is a difference of shares. In points it is a hundred times as much.",
        ),
        Mistake(
            "the other way round",
            lambda a, b, y: -points(a, b, y),
            "The sign is the other way round: ours minus theirs.",
        ),
        Mistake(
            "in per cent of theirs",
            lambda a, b, y: 100 * (_share(a, y) - _share(b, y)) / _share(b, y),
            "This says by how many per cent *of theirs* ours is better. Points are a plain difference: 80 % − 50 % are 30 points.",
        ),
        Mistake(
            "where they differ",
            lambda a, b, y: 100 * float((a != b).double().mean()),
            "This counts where the two answer differently. They may differ and both be wrong.",
        ),
        Mistake(
            "counted, not shared",
            lambda a, b, y: float((a == y).sum() - (b == y).sum()),
            "This is a difference of *counts*. Divide by the number of photographs, then it holds for any number of them.",
        ),
        Mistake(
            "theirs forgotten",
            lambda a, b, y: 100 * _share(a, y),
            "This is our accuracy alone. Subtract theirs.",
        ),
        Mistake(
            "always four photographs",
            lambda a, b, y: 25 * float((a == y).sum() - (b == y).sum()),
            "The count is divided by 4, whatever the number of photographs is. Use `len(labels)`, or a mean.",
        ),
        Mistake(
            "brackets missing",
            lambda a, b, y: 100 * _share(a, y) - _share(b, y),
            "Only our accuracy is multiplied by 100: brackets are missing around the difference.",
        ),
        Mistake(
            "errors in place of right answers",
            lambda a, b, y: 100 * (float((a != y).double().mean()) - float((b == y).double().mean())),
            "Ours counts the *wrong* answers, theirs the right ones.",
        ),
        Mistake(
            "the mean of both",
            lambda a, b, y: 50 * (_share(a, y) + _share(b, y)),
            "This is the mean of the two accuracies. Their difference is asked for.",
        ),
        Mistake(
            "their agreement",
            lambda a, b, y: 100 * float((a == b).double().mean()),
            "This counts where the two give the *same* answer. Compare each with the labels.",
        ),
        Mistake(
            "theirs alone",
            lambda a, b, y: 100 * _share(b, y),
            "This is their accuracy alone. Ours minus theirs is asked for.",
        ),
        Mistake(
            "in per cent of ours",
            lambda a, b, y: 100 * (_share(a, y) - _share(b, y)) / _share(a, y),
            "This is a per cent *of ours*. Points are a plain difference of percentages.",
        ),
        Mistake(
            "only where ours alone is right",
            lambda a, b, y: 100 * float(((a == y) & (b != y)).double().mean()),
            "This counts where ours alone is right. Where theirs alone is right must be subtracted.",
        ),
        Mistake(
            "rounded to whole points",
            lambda a, b, y: float(round(points(a, b, y))),
            "The points are rounded to whole numbers. Return them as they are.",
        ),
        Mistake(
            "of those where they differ",
            lambda a, b, y: 100 * float((a == y).sum() - (b == y).sum()) / max(1, int((a != b).sum())),
            "The difference is divided by the number of photographs on which the two *differ*. Divide by all photographs.",
        ),
    ),
    hints=(
        "What share of the photographs does each answer rightly?",
        "The skeleton, with blanks:\ngained = (ours == ____).double().mean() - (theirs == ____).double().mean()\n"
        "return ____ * float(gained)",
    ),
    takeaway="Results in this course are differences in points: percentages of the test photographs, ours minus theirs.",
)

# ---------------------------------------------------------------- start_here.3

NONE = "no difference that we can measure"


def reading(difference: float, half: float) -> str:
    low, high = difference - half, difference + half
    if low <= 0 <= high:
        return "no difference that we can measure"
    return "ours is better" if low > 0 else "theirs is better"


def _by_sign(difference: float, half: float) -> str:
    return "ours is better" if difference > 0 else "theirs is better"


def _reading_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    half = 0.5 + float(torch.rand(1, generator=g))
    touching = [(1.5, 1.5), (-1.5, 1.5)]
    return [(2.9, 0.9), (0.4, 0.7), (-1.6, 0.6), (-0.3, 1.2), *touching, (half + 0.01, half), (0.01 - half, half)]


READING = Task(
    id="start_here.3",
    title="Read an interval",
    kind="implement",
    difficulty="core",
    minutes=5,
    points=2,
    rungs=(
        "clearly ahead",
        "ahead by luck",
        "clearly behind",
        "behind by luck",
        "touching zero from above",
        "touching zero from below",
        "just above",
        "just inside",
    ),
    inputs=_reading_inputs,
    reference=reading,
    judge=words("ours is better", "theirs is better", NONE),
    mistakes=(
        Mistake(
            "the sign alone",
            _by_sign,
            "Only the sign of the difference was read. An interval that holds zero allows both signs.",
        ),
        Mistake(
            "one side only",
            lambda d, h: "ours is better" if d - h > 0 else NONE,
            "Where the whole interval lies below zero, theirs is better, and that is a finding, too.",
        ),
        Mistake(
            "the interval is twice as wide",
            lambda d, h: reading(d, 2 * h),
            "The number behind ± is half of the interval's width: it reaches from d − h to d + h.",
        ),
        Mistake(
            "half of the half",
            lambda d, h: reading(d, h / 2),
            "The interval reaches from d − h to d + h. Here it is half as wide.",
        ),
        Mistake(
            "touching zero counts",
            lambda d, h: reading(d, h - 1e-9) if abs(d) == h else reading(d, h),
            "An interval that just touches zero holds it: 1.5 ± 1.5 begins at 0. That is no difference that we can measure.",
        ),
        Mistake(
            "the other way round",
            lambda d, h: reading(-d, h),
            "A positive difference, ours minus theirs, speaks for ours.",
        ),
        Mistake(
            "the wrong ends",
            lambda d, h: "ours is better" if d + h > 0 else "theirs is better" if d - h < 0 else NONE,
            "The wrong ends are asked: ours is better only if even the *lower* end lies above zero, theirs only if the *upper* one lies below.",
        ),
        Mistake(
            "the example's half",
            lambda d, h: reading(d, 0.9),
            "Every interval is read with the 0.9 of the example. `half` is another one each time.",
        ),
        Mistake(
            "touching from below counts",
            lambda d, h: "theirs is better" if d == -h else reading(d, h),
            "An interval that just touches zero from below holds it, too: −1.5 ± 1.5 ends at 0.",
        ),
        Mistake(
            "touching from above counts",
            lambda d, h: "ours is better" if d == h else reading(d, h),
            "An interval that just touches zero from above holds it: 1.5 ± 1.5 begins at 0. That is no difference that we can measure.",
        ),
        Mistake(
            "ours, on either side of zero",
            lambda d, h: "ours is better" if abs(d) > h else NONE,
            "Every interval that leaves out zero is called ours. Below zero, theirs is better.",
        ),
        Mistake(
            "theirs, on either side of zero",
            lambda d, h: "theirs is better" if abs(d) > h else NONE,
            "Every interval that leaves out zero is called theirs. Above zero, ours is better.",
        ),
        Mistake(
            "ours or nothing known",
            lambda d, h: "ours is better" if d - h > 0 else "theirs is better",
            "What is not clearly ours is called theirs. Three answers are possible: an interval may hold zero.",
        ),
        Mistake(
            "theirs or ours",
            lambda d, h: "theirs is better" if d + h < 0 else "ours is better",
            "What is not clearly theirs is called ours. Three answers are possible: an interval may hold zero.",
        ),
    ),
    hints=(
        "From where to where does the interval reach, and does zero lie in it?",
        "The skeleton, with blanks:\nlow, high = difference - half, difference + ____\nif low <= ____ <= high:\n"
        "    return 'no difference that we can measure'\nreturn 'ours is better' if ____ > 0 else 'theirs is better'",
    ),
    takeaway="A difference is a finding only where its interval leaves out zero.",
)

# ---------------------------------------------------------------- all

TASKS = [WHO, POINTS, READING]

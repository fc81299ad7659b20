"""Exercises: who outvotes a wrong label, answers dealt out within a class, what is copied; ``billing`` has the rest."""

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import billing

# ---------------------------------------------------------------- regulariser.1

CASES = {
    "α = 0.3, the teacher says coat 0.9, shirt 0.1": (0.3, 0.9, 0.1),
    "α = 0.6, the teacher says coat 0.9, shirt 0.1": (0.6, 0.9, 0.1),
    "α = 0.5, the teacher says coat 0.8, shirt 0": (0.5, 0.8, 0.0),
    "α = 0.6, the teacher says coat 0.7, shirt 0.3": (0.6, 0.7, 0.3),
    "α = 0.8, the teacher says coat 0.6, shirt 0.3": (0.8, 0.6, 0.3),
}


def wins(case: str) -> tuple[str, str]:
    alpha, coat, shirt = CASES[case]
    shares = {"shirt": 1 - alpha + alpha * shirt, "coat": alpha * coat}
    return max(shares, key=lambda name: shares[name]), f"shirt has {shares['shirt']:.2f}, coat {shares['coat']:.2f}"


_believing = believer(tuple(CASES), wins)

WINS = prediction(
    id="regulariser.1",
    title="Predict who outvotes whom",
    minutes=4,
    changes=tuple(CASES),
    found=wins,
    answers=("shirt", "coat"),
    mistakes=(
        Mistake(
            "a sure teacher always wins",
            _believing(c1="coat"),
            "However sure the teacher is, it has a share of 0.3 to give: 0.27 for coat. The label has 0.7 of its own.",
        ),
        Mistake(
            "a label always wins",
            _believing(c2="shirt"),
            "The label is left with 0.4 and gets 0.06 from the teacher. 0.6 times 0.9 is more: 0.54 for coat.",
        ),
        Mistake(
            "half and half is enough",
            _believing(c3="coat"),
            "Half of 0.8 is 0.4, and the label has the other half whole. At 0.5 no doubt of the teacher is allowed.",
        ),
        Mistake(
            "more than half is enough",
            _believing(c4="coat"),
            "0.6 times 0.7 is 0.42. The label keeps 0.4, and the teacher gives its class another 0.6 times 0.3.",
        ),
        Mistake(
            "a doubting teacher never wins",
            _believing(c5="shirt"),
            "Coat has 0.8 times 0.6 = 0.48. Shirt has 0.2, and what the teacher gives it counts 0.8 times, too: 0.44 in all.",
        ),
    ),
    hints=(
        "Write down the target: (1 − α) for the label's class, and α times each of the teacher's probabilities.",
        'The form:\n"α = 0.3, the teacher says coat 0.9, shirt 0.1": "____",',
    ),
    takeaway="A teacher mends a wrong label only where its share, times how sure it is, is more than what the label has.",
)

# ---------------------------------------------------------------- regulariser.2


def dealt(answers: Tensor, labels: Tensor) -> Tensor:
    found = answers.clone()
    for c in labels.unique():
        mine = (labels == c).nonzero()[:, 0]
        found[mine] = answers[mine.roll(-1)]
    return found


def _dealt_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    two = torch.tensor([[3.0, 1.0], [0.0, 2.0], [5.0, 4.0], [1.5, 2.5]])
    mixed = torch.tensor([2, 0, 1, 1, 0, 2, 2, 0, 1, 0])
    alone = torch.tensor([3, 0, 0, 1, 0, 1, 0])
    gap = torch.tensor([7, 2, 7, 7, 2, 4, 4, 2])
    return [
        (two, torch.tensor([0, 1, 0, 0])),
        (torch.randn(5, 3, generator=g), torch.ones(5, dtype=torch.long)),
        (torch.randn(7, 4, generator=g), alone),
        (4 * torch.randn(10, 3, generator=g), mixed),
        (torch.randn(8, 9, generator=g).softmax(dim=1), gap),
    ]


def _dealt(answers: Tensor, labels: Tensor, *, by: int = -1, kept: bool = False, sort: bool = False) -> Tensor:
    """The answer with mistakes left in it."""
    found, order = answers.clone(), []
    for c in labels.unique():
        mine = (labels == c).nonzero()[:, 0]
        found[mine] = answers[mine.roll(by)]
        order.append(mine)
        if kept:
            found[mine[-1]] = answers[mine[-1]]
    return found[torch.cat(order)] if sort else found


def _class_means(answers: Tensor, labels: Tensor) -> Tensor:
    return torch.stack([answers[labels == y].mean(dim=0) for y in labels])


DEALT = Task(
    id="regulariser.2",
    title="Answers dealt out within a class",
    kind="implement",
    difficulty="core",
    minutes=8,
    points=3,
    rungs=("by hand", "one class", "a class with one image", "three classes", "class numbers with gaps"),
    inputs=_dealt_inputs,
    reference=dealt,
    judge=close,
    mistakes=(
        Mistake(
            "the one before",
            lambda a, y: _dealt(a, y, by=1),
            "Each image got the answer to the image of its class *before* it. The next one is asked for.",
        ),
        Mistake(
            "across the classes",
            lambda a, y: a.roll(-1, dims=0),
            "The next image of *any* class was taken. A sandal that hears of a coat gets a wrong label.",
        ),
        Mistake(
            "the class's mean",
            _class_means,
            "This is each class's mean answer, which is softer than any single one. Take the answer to one image.",
        ),
        Mistake(
            "nothing done",
            lambda a, y: a.clone(),
            "The answers came back as they were, each with its own image.",
        ),
        Mistake(
            "the last one keeps its own",
            lambda a, y: _dealt(a, y, kept=True),
            "The last image of a class kept its own answer. It gets that of the first one: nobody keeps his own.",
        ),
        Mistake(
            "class by class",
            lambda a, y: _dealt(a, y, sort=True),
            "The rows are sorted by class. Row i must belong to image i, as it was given.",
        ),
        Mistake(
            "by what the teacher says",
            lambda a, y: _dealt(a, a.argmax(dim=1)),
            "The classes were read off the answers. The labels say which images belong together.",
        ),
        Mistake(
            "two steps on",
            lambda a, y: _dealt(a, y, by=-2),
            "The image after the next one was taken. One step is asked for.",
        ),
        Mistake(
            "all get the first one's",
            lambda a, y: torch.stack([a[int((y == c).nonzero()[0, 0])] for c in y]),
            "All images of a class got the same answer, that of its first image. Each gets another one's.",
        ),
    ),
    hints=(
        "Class by class: at which rows do its images stand? Shift that list by one, and read the answers there.",
        "With blanks:\nfound = answers.____()\nfor c in labels.unique():\n    mine = (labels == c).nonzero()[:, 0]\n    found[____] = answers[mine.roll(____)]\nreturn found",
    ),
    takeaway="An answer that is dealt out within its class is as soft as before. Only the tie to its own image is gone.",
)

# ---------------------------------------------------------------- regulariser.4


def copied(taught: Tensor, control: Tensor, teacher: Tensor, labels: Tensor) -> tuple[float, float]:
    found = []
    for group in (teacher != labels, teacher == labels):
        more = (taught == teacher)[group].double() - (control == teacher)[group].double()
        found.append(float(more.mean()) if group.any() else 0.0)
    return found[0], found[1]


def _copied_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)

    def drawn(n: int, share: float, other: Tensor) -> Tensor:
        """The other's classes, of which about this share is replaced by chance."""
        return torch.where(torch.rand(n, generator=g) < share, torch.randint(0, 6, (n,), generator=g), other)

    found: Inputs = [
        (
            torch.tensor([1, 2, 2, 1]),
            torch.tensor([1, 0, 2, 1]),
            torch.tensor([1, 2, 0, 1]),
            torch.tensor([1, 0, 1, 1]),
        ),
        (torch.tensor([3, 1, 0]), torch.tensor([3, 3, 0]), torch.tensor([3, 3, 0]), torch.tensor([3, 3, 0])),
        (torch.tensor([1, 1, 2]), torch.tensor([1, 0, 2]), torch.tensor([1, 0, 2]), torch.tensor([0, 1, 0])),
    ]
    for n, wrong in ((40, 0.3), (90, 0.5)):
        labels = torch.randint(0, 6, (n,), generator=g)
        teacher = drawn(n, wrong, labels)
        found.append((drawn(n, 0.3, teacher), drawn(n, 0.5, labels), teacher, labels))
    return found


def _copied(
    taught: Tensor, control: Tensor, teacher: Tensor, labels: Tensor, *, alone: bool = False, any_error: bool = False,
    of_all: bool = False, turned: bool = False, relative: bool = False, right: Tensor | None = None,
) -> tuple[float, float]:  # fmt: skip
    """The answer with mistakes left in it."""
    correct, found = teacher == labels if right is None else right, []
    for group in (~correct, correct):
        ours, theirs = (
            (who != labels if any_error and group is not correct else who == teacher) for who in (taught, control)
        )
        total = len(labels) if of_all else int(group.sum())
        a, b = (float((same & group).sum()) / total if total else 0.0 for same in (ours, theirs))
        found.append(a if alone else (a / b - 1 if b else 0.0) if relative else b - a if turned else a - b)
    return found[0], found[1]


COPIED = Task(
    id="regulariser.4",
    title="What is copied",
    kind="implement",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=("by hand", "a teacher that is always right", "a teacher that is always wrong", "40 images", "90 images"),
    inputs=_copied_inputs,
    reference=copied,
    judge=close,
    mistakes=(
        Mistake(
            "without the control",
            lambda s, c, t, y: _copied(s, c, t, y, alone=True),
            "These are the taught student's own shares. Take off the control's: it repeats errors that nobody taught it.",
        ),
        Mistake(
            "any error counts",
            lambda s, c, t, y: _copied(s, c, t, y, any_error=True),
            "Every error of the student was counted. It is copied only where the student names the teacher's wrong class.",
        ),
        Mistake(
            "shares of all images",
            lambda s, c, t, y: _copied(s, c, t, y, of_all=True),
            "Both were divided by the number of all images. The first is a share of the teacher's *errors* alone.",
        ),
        Mistake(
            "the control minus the taught one",
            lambda s, c, t, y: _copied(s, c, t, y, turned=True),
            "The sign is turned: it is the taught student minus the control.",
        ),
        Mistake(
            "successes first",
            lambda s, c, t, y: copied(s, c, t, y)[::-1],
            "The two are exchanged: the errors come first.",
        ),
        Mistake(
            "relative",
            lambda s, c, t, y: _copied(s, c, t, y, relative=True),
            "The difference was divided by the control's share. A plain difference of two shares is asked for.",
        ),
        Mistake(
            "by the student's own luck",
            lambda s, c, t, y: _copied(s, c, t, y, right=s == y),
            "The images were parted by whether the *student* is right. Part them by whether the teacher is.",
        ),
        Mistake(
            "agreement",
            lambda s, c, t, y: (float((s == t).double().mean()), float((c == t).double().mean())),
            "This is the agreement of each with the teacher on all images. Part them: teacher wrong, teacher right.",
        ),
        Mistake(
            "gains in accuracy",
            lambda s, c, t, y: (float((s == y).double().mean() - (c == y).double().mean()),) * 2,
            "This is the gain in *accuracy*. The question is what the student has from its teacher.",
        ),
    ),
    hints=(
        "Two groups of images: `teacher != labels` and the others. In each: how often does either student say the same?",
        "With blanks:\nfor group in (teacher != ____, teacher == labels):\n    more = (taught == ____)[group].double() - (control == ____)[group].double()\n    found.append(float(more.mean()) if group.____() else 0.0)",
    ),
    takeaway="A student without this teacher makes some of its errors, too. Only what goes beyond that was copied.",
)

TASKS = [WINS, DEALT, billing.CALIBRATION, COPIED, billing.IN_BYTES]

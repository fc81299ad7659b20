"""Exercises: what a mean of answers names, one target, when answers cost less, a step of FedDF, and a fair attack."""

from typing import Any

import torch

from kdcourse.checks._judges import close
from kdcourse.checks._predict import believer, prediction
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import answering, leaking

# ---------------------------------------------------------------- federated_distillation.1

CASES: dict[str, dict[str, Any]] = {
    "the mean of the logits": {},
    "the mean of the probabilities": {"how": "probabilities"},
    "each owner has one vote": {"how": "votes"},
    "owner 1 adds 10 to all its logits, then the mean of the logits": {"add": 10.0},
    "owner 1 halves its logits, then the mean of the logits": {"times": 0.5},
}
LOGITS = torch.tensor([[5.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 0.0]]).double()
NAMES = ("bag", "coat", "shirt")


def said(case: str) -> tuple[str, str]:
    told = CASES[case]
    logits = LOGITS.clone()
    logits[0] = logits[0] * told.get("times", 1.0) + told.get("add", 0.0)
    how = told.get("how", "logits")
    votes = torch.nn.functional.one_hot(logits.argmax(dim=1), 3).double()
    scores = {"logits": logits, "probabilities": logits.softmax(dim=1), "votes": votes}[how].mean(dim=0)
    return NAMES[int(scores.argmax())], f"bag {scores[0]:.2f}, coat {scores[1]:.2f}"


_believing = believer(tuple(CASES), said)

NAMED = prediction(
    id="federated_distillation.1",
    title="Predict the common answer",
    minutes=4,
    changes=tuple(CASES),
    found=said,
    answers=("bag", "coat"),
    mistakes=(
        Mistake(
            "two against one",
            _believing(c1="coat"),
            "In a mean of logits it counts how far apart they are. Owner 1 puts the bag 5 above the coat, the two others "
            "the coat only 2 above the bag: 5 is more than 2 + 2.",
        ),
        Mistake(
            "probabilities are logits",
            _believing(c2="bag"),
            "A probability cannot be above 1, however sure owner 1 is. Two owners who are fairly sure outweigh it.",
        ),
        Mistake(
            "a vote knows how sure one is",
            _believing(c3="bag"),
            "In a vote it does not matter how sure one is: two owners say coat.",
        ),
        Mistake(
            "shouting helps",
            _believing(c4="coat"),
            "The same number on all of an owner's logits raises all classes of the mean alike: the order stays.",
        ),
        Mistake(
            "the scale of logits does not matter",
            _believing(c5="bag"),
            "With half its logits owner 1 puts the bag 2.5 above the coat, the others the coat 2 + 2 above the bag. Who has "
            "large logits has more to say in the mean.",
        ),
    ),
    hints=(
        "Write the three classes' means for the first case: bag (5 + 0 + 0) / 3, coat (0 + 2 + 2) / 3. Which is larger?",
        'A probability is at most 1, however large the logit. The form:\n"the mean of the logits": "____",',
    ),
    takeaway="In a mean of logits, whoever is surest has most to say, whether rightly or not.",
)

# ---------------------------------------------------------------- federated_distillation.3


def pays_from(parameters: int, images: int, classes: int, pixels: int) -> int:
    saved = 2 * (parameters - images * classes)  # numbers that an owner need not send and receive, each round
    return images * pixels // saved + 1 if saved > 0 else 0


def _pays_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    return [
        (100, 5, 10, 30),
        (100, 5, 10, 20),
        (100, 5, 10, 40),
        (100, 20, 10, 40),
        (100, 10, 10, 10),
        (26506, 2000, 10, 784),
        (10_001, 1000, 10, 784),
        (5_000_000, 2000, 10, 784),
        (7_010_959, 500, 100, 150_528),
        (int(torch.randint(2000, 9000, (), generator=g)), int(torch.randint(20, 90, (), generator=g)), 7, 300),
    ]


def _both(parameters: int, images: int, classes: int, pixels: int, saved: float, once: float) -> int:
    """The first round at which ``saved`` numbers a round are more than ``once``."""
    return int(once // saved) + 1 if saved > 0 else 0


PAYS = Task(
    id="federated_distillation.3",
    title="When answers cost less",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=2,
    rungs=(
        "a small network",
        "as much after one round",
        "as much after two",
        "more answers than weights",
        "as many answers as weights",
        "a perceptron",
        "hardly fewer answers than weights",
        "a network of five million",
        "large images",
        "random",
    ),
    inputs=_pays_inputs,
    reference=pays_from,
    judge=close,
    mistakes=(
        Mistake(
            "equal is enough",
            lambda p, n, c, x: max(1, -(-n * x // (2 * (p - n * c)))) if p > n * c else 0,
            "After that round both have sent the same. Answers should have sent *less*: one round more.",
        ),
        Mistake(
            "one way",
            lambda p, n, c, x: _both(p, n, c, x, p - n * c, n * x),
            "Weights and answers go down and up in every round, and the images only down, once. Was one direction forgotten, or the "
            "images counted twice?",
        ),
        Mistake(
            "answers only go up",
            lambda p, n, c, x: _both(p, n, c, x, 2 * p - n * c, n * x),
            "The mean of the answers comes back down to every owner. Count it too.",
        ),
        Mistake(
            "the images are free",
            lambda p, n, c, x: 1 if p > n * c else 0,
            "The public images have to be sent once, before the first round.",
        ),
        Mistake(
            "images in every round",
            lambda p, n, c, x: 1 if 2 * p > 2 * n * c + n * x else 0,
            "The public images were sent in every round. An owner keeps them: they travel once.",
        ),
        Mistake(
            "one answer an image",
            lambda p, n, c, x: _both(p, n, c, x, 2 * (p - n), n * x),
            "An answer is one number for each *class*: N images make N C numbers.",
        ),
        Mistake(
            "one image",
            lambda p, n, c, x: _both(p, n, c, x, 2 * (p - n * c), x),
            "Only one public image was sent. All N are needed.",
        ),
        Mistake(
            "bits for bytes",
            lambda p, n, c, x: _both(p, n, c, x, 8 * (p - n * c), n * x),
            "The images' numbers take as many bytes as the others here: four each, on both sides.",
        ),
        Mistake(
            "a fraction",
            lambda p, n, c, x: n * x / (2 * (p - n * c)) if p > n * c else 0.0,
            "That is a fraction of a round. The first whole round after it is asked for.",
        ),
        Mistake(
            "never is a large number",
            lambda p, n, c, x: pays_from(p, n, c, x) or 10**9,
            "Where answers never cost less, 0 is asked for.",
        ),
        Mistake(
            "no care for never",
            lambda p, n, c, x: n * x // (2 * (p - n * c)) + 1 if p != n * c else 0,
            "Where the answers are more numbers than the weights, answers never catch up: 0.",
        ),
        Mistake(
            "counted from zero",
            lambda p, n, c, x: max(0, pays_from(p, n, c, x) - 1),
            "One round too early: count the rounds from 1.",
        ),
    ),
    hints=(
        "How many numbers has one owner exchanged after R rounds of weights? And after R rounds of answers, with the images "
        "that were sent before the first?",
        "The skeleton, with blanks:\nsaved = 2 * (parameters - ____)\nif saved <= 0:\n    return ____\n"
        "return images * ____ // saved + ____",
    ),
    takeaway="Answers do not grow with the network, but the public images must be sent once, and cost the most.",
)

# ---------------------------------------------------------------- all

TASKS = [NAMED, answering.TARGET, PAYS, answering.FUSE, leaking.LEAK]

"""One step of distillation with three of the article's mistakes, to be mended; and the question who has moved."""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["MOVED", "STEP", "moved", "step"]


def step(
    inputs: Tensor, labels: Tensor, teacher: Tensor, student: Tensor, temperature: float, lr: float
) -> tuple[Tensor, Tensor]:
    weights = student.clone().requires_grad_()
    answer, z = inputs @ weights.T, inputs @ teacher.T
    log_q, p = F.log_softmax(answer / temperature, dim=1), (z / temperature).softmax(dim=1)
    loss = temperature**2 * F.kl_div(log_q, p, reduction="batchmean") + F.cross_entropy(answer, labels)
    (gradient,) = torch.autograd.grad(loss, weights)
    return student - lr * gradient, teacher


def _step(
    x: Tensor, y: Tensor, t: Tensor, s: Tensor, T: float, lr: float, *, whose: str = "student", swapped: bool = False,
    shrunk: bool = False, squared: bool = True, softened: bool = True, labels: bool = True, divergence: bool = True,
    uphill: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The answer with mistakes left in it."""
    both = [t.clone().requires_grad_(), s.clone().requires_grad_()]
    z, answer = (x @ weights.T for weights in both)
    scale = T if softened else 1.0
    log_q, p = F.log_softmax(answer / scale, dim=1), (z / scale).softmax(dim=1)
    pair = (log_q.exp(), p.log()) if swapped else (log_q, p)
    kl = F.kl_div(*pair, reduction="sum") / (answer.numel() if shrunk else len(x))
    loss = (T**2 if squared else 1.0) * kl * divergence + F.cross_entropy(answer, y) * labels
    of_teacher, of_student = torch.autograd.grad(loss, both, allow_unused=True)
    sign = -1.0 if uphill else 1.0

    def after(weights: Tensor, gradient: Tensor | None) -> Tensor:
        return weights if gradient is None else weights - sign * lr * gradient

    new_t = after(t, of_teacher) if whose in ("teacher", "both") else t
    new_s = after(s, of_student) if whose in ("student", "both") else s
    return new_s, new_t


def _inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    one = torch.tensor([[1.0, 2.0]])
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])

    def random(n: int, d: int, c: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        shapes = ((n, d), (c, d), (c, d))
        x, t, s = (torch.randn(*shape, generator=g) for shape in shapes)
        return x, torch.randint(c, (n,), generator=g), 2 * t, s

    return [
        (one, torch.tensor([0]), torch.zeros(3, 2), torch.zeros(3, 2), 1.0, 1.0),
        (one, torch.tensor([1]), torch.tensor([[1.0, 1.0], [0.0, 0.0]]), torch.zeros(2, 2), 1.0, 0.5),
        (rows[:2], torch.tensor([0, 2]), 3 * rows, rows, 2.0, 0.1),
        (*random(8, 5, 4), 4.0, 0.1),
        (*random(6, 3, 10), 2.0, 1.0),
        (100 * rows, torch.tensor([0, 2, 1]), 9 * rows, 5 * rows.flip(0), 0.5, 1e-3),
    ]


STEP = Task(
    id="single_task.3",
    title="Mend three of the article's mistakes",
    kind="debug",
    difficulty="core",
    minutes=12,
    points=3,
    rungs=("a student that agrees", "one image by hand", "two images", "random", "ten classes", "large logits"),
    inputs=_inputs,
    reference=step,
    judge=close,
    mistakes=(
        Mistake(
            "as given",
            lambda *x: _step(*x, whose="teacher", swapped=True, shrunk=True, squared=True),
            "This computes what the given code computes. The first mistake: whose weights does the step change?",
        ),
        Mistake(
            "the student moved, the divergence as given",
            lambda *x: _step(*x, swapped=True, shrunk=True),
            'The right weights move now. Two mistakes are left in the divergence: the order of its arguments, and what `"mean"` divides by.',
        ),
        Mistake(
            "still divided by the classes",
            lambda *x: _step(*x, shrunk=True),
            'One mistake is left: `reduction="mean"` divides by the classes, too. `"batchmean"` divides by the images.',
        ),
        Mistake(
            "arguments still swapped",
            lambda *x: _step(*x, swapped=True),
            "One mistake is left: `kl_div` gets the student's probabilities first. It takes the student's *logarithms*, then the teacher's probabilities.",
        ),
        Mistake(
            "the teacher moves",
            lambda *x: _step(*x, whose="teacher"),
            "The loss is right, and the step is made with the teacher's weights. The teacher is finished: only the student changes.",
        ),
        Mistake(
            "both move",
            lambda *x: _step(*x, whose="both"),
            "The teacher moves, too. It is finished: return it as it came.",
        ),
        Mistake(
            "nobody moves",
            lambda *x: _step(*x, whose="nobody"),
            "The student came back as it was. Without a step nothing is learned.",
        ),
        Mistake(
            "log-probabilities of the teacher",
            lambda *x: _other_kl(*x, how="logs"),
            "`kl_div` gets the teacher's *logarithms*. Second come its probabilities.",
        ),
        Mistake(
            "student first in the KL",
            lambda *x: _other_kl(*x, how="reverse"),
            "This is KL(student ‖ teacher): log p and q where log q and p are meant. The student's logarithms come first.",
        ),
        Mistake(
            "divided by the images twice",
            lambda *x: _other_kl(*x, how="twice"),
            '`"batchmean"` has divided by the images already, and the divergence is divided once more.',
        ),
        Mistake(
            "over the images",
            lambda *x: _other_kl(*x, how="dim 0"),
            "The softmax runs over the images (dim=0). It runs over the classes: dim=1.",
        ),
        Mistake(
            "log of softmax",
            lambda *x: _other_kl(*x, how="rounded"),
            "The logarithm is taken of a softmax that has rounded to 0. `F.log_softmax` does both at once.",
        ),
        Mistake("T² missing", lambda *x: _step(*x, squared=False), "T² in front of the divergence is missing."),
        Mistake(
            "not softened",
            lambda *x: _step(*x, softened=False),
            "The logits are not divided by T inside the divergence.",
        ),
        Mistake(
            "no labels",
            lambda *x: _step(*x, labels=False),
            "The labels' cross-entropy is missing from the loss.",
        ),
        Mistake(
            "labels alone",
            lambda *x: _step(*x, divergence=False),
            "The divergence does not move the student: only the labels do.",
        ),
        Mistake(
            "uphill",
            lambda *x: _step(*x, uphill=True),
            "The step goes uphill. Subtract the gradient.",
        ),
        Mistake(
            "exchanged",
            lambda *x: step(*x)[::-1],
            "Student and teacher came back in exchanged order. The student comes first.",
        ),
        Mistake(
            "the gradient alone",
            lambda x, y, t, s, T, lr: ((s - step(x, y, t, s, T, lr)[0]) / lr, t),
            "The gradient came back. The student's *new weights* are asked for: student − lr · gradient.",
        ),
        Mistake(
            "without the learning rate",
            lambda x, y, t, s, T, lr: step(x, y, t, s, T, 1.0),
            "The learning rate is not used.",
        ),
        Mistake(
            "the labels softened",
            lambda *x: _softened_labels(*x),
            "The labels' cross-entropy gets logits divided by T. It takes them as they are.",
        ),
        Mistake(
            "T² for everything",
            lambda *x: _all_squared(*x),
            "T² multiplies the whole loss. It belongs to the divergence alone.",
        ),
        Mistake(
            "the student alone came back",
            lambda *x: step(*x)[0],
            "The student's weights alone came back. Return the pair (student, teacher).",
        ),
    ),
    hints=(
        "Three lines are wrong: the one with `requires_grad_`, the one with `kl_div`, and what it is divided by.",
        "The skeleton, with blanks:\nweights = ____.clone().requires_grad_()\nanswer, z = inputs @ ____.T, inputs @ ____.T\n"
        "log_q, p = F.log_softmax(answer / temperature, dim=1), (z / temperature).softmax(dim=1)\n"
        'kl = F.kl_div(____, ____, reduction="____")\nloss = temperature**2 * kl + F.cross_entropy(answer, labels)\n'
        "(gradient,) = torch.autograd.grad(loss, weights)\nreturn ____ - lr * gradient, ____",
    ),
    takeaway="The student's weights get the gradient, its logarithms go first, and batchmean divides once.",
)


def _softened_labels(x: Tensor, y: Tensor, t: Tensor, s: Tensor, T: float, lr: float) -> tuple[Tensor, Tensor]:
    weights = s.clone().requires_grad_()
    answer = x @ weights.T
    log_q, p = F.log_softmax(answer / T, dim=1), (x @ t.T / T).softmax(dim=1)
    loss = T**2 * F.kl_div(log_q, p, reduction="batchmean") + F.cross_entropy(answer / T, y)
    return s - lr * torch.autograd.grad(loss, weights)[0], t


def _other_kl(x: Tensor, y: Tensor, t: Tensor, s: Tensor, T: float, lr: float, *, how: str) -> tuple[Tensor, Tensor]:
    """The step with another divergence."""
    weights, dim = s.clone().requires_grad_(), 0 if how == "dim 0" else 1
    answer, z = x @ weights.T / T, x @ t.T / T
    log_q, p = F.log_softmax(answer, dim=dim), z.softmax(dim=dim)
    if how == "rounded":
        log_q = answer.softmax(dim=1).log()
    pair = {"logs": (log_q, F.log_softmax(z, dim=1)), "reverse": (F.log_softmax(z, dim=1), log_q.exp())}
    kl = F.kl_div(*pair.get(how, (log_q, p)), reduction="batchmean") / (len(x) if how == "twice" else 1)
    loss = T**2 * kl + F.cross_entropy(x @ weights.T, y)
    return s - lr * torch.autograd.grad(loss, weights)[0], t


def _all_squared(x: Tensor, y: Tensor, t: Tensor, s: Tensor, T: float, lr: float) -> tuple[Tensor, Tensor]:
    return step(x, y, t, s, T, lr)[0] - (T**2 - 1) * lr * _labels_gradient(x, y, s), t


def _labels_gradient(x: Tensor, y: Tensor, s: Tensor) -> Tensor:
    weights = s.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(x @ weights.T, y), weights)[0]


# ---------------------------------------------------------------- who has moved


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> list[str]:
    return [name for name, value in after.items() if name not in before or not torch.equal(before[name], value)]


def _states(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    a, b, c = (torch.randn(3, generator=g) for _ in range(3))
    six = torch.randn(2, 3, generator=g)
    count, nearly = torch.tensor(4), a.clone()
    nearly[1] += 1e-6
    norm = {"norm.weight": a, "norm.running_mean": c, "norm.running_var": b, "norm.num_batches_tracked": count}
    seen = {"norm.weight": a.clone(), "norm.running_mean": c * 0.9, "norm.running_var": b * 0.9}
    return [
        ({"weight": a, "none": torch.zeros(0)}, {"weight": a.clone(), "none": torch.zeros(0)}),
        ({"weight": a, "bias": b}, {"weight": a + 1, "bias": b.clone()}),
        ({"weight": a, "bias": b}, {"weight": nearly, "bias": b.clone()}),
        (norm, {**seen, "norm.num_batches_tracked": count + 1}),
        ({"weight": a, "old": b}, {"weight": a.clone(), "new": b.clone()}),
        ({"weight": six, "bias": b}, {"weight": six.view(3, 2), "bias": b.clone()}),
        ({"first": a, "second": b}, {"first": a.flip(0), "second": b.clone()}),
    ]


def _moved(
    before: dict[str, Tensor], after: dict[str, Tensor], *, near: bool = False, floats: bool = False,
    new: bool = True, total: bool = False, flat: bool = False, every: bool = False, buffers: bool = True,
) -> list[str]:  # fmt: skip
    """The answer with mistakes left in it."""
    found = []
    for name, value in after.items():
        if name not in before:
            found += [name] if new else []
            continue
        old = before[name]
        buffer = ".running" in name or ".num_" in name
        if (floats and not value.is_floating_point()) or (buffer and not buffers):
            continue
        if flat and old.numel() == value.numel():
            found += [] if torch.equal(old.flatten(), value.flatten()) else [name]
        elif every and old.shape == value.shape:
            found += [name] if bool((old != value).all()) else []
        elif old.shape != value.shape:
            found.append(name)
        elif near:
            found += [] if torch.allclose(old, value, atol=1e-5) else [name]
        elif total:
            found += [] if abs(float(old.double().sum() - value.double().sum())) < 1e-5 else [name]
        else:
            found += [] if torch.equal(old, value) else [name]
    return found


MOVED = Task(
    id="single_task.2",
    title="Who has moved?",
    kind="implement",
    difficulty="warm-up",
    minutes=6,
    points=2,
    rungs=(
        "nobody",
        "the weights",
        "one weight, a little",
        "batch norm's mean, variance and count",
        "one new, one gone",
        "another shape",
        "the same numbers in another order",
    ),
    inputs=_states,
    reference=moved,
    judge=close,
    mistakes=(
        Mistake(
            "nearly equal is equal",
            lambda b, a: _moved(b, a, near=True),
            "A small change is a change. Compare exactly: `torch.equal`.",
        ),
        Mistake(
            "whole numbers left out",
            lambda b, a: _moved(b, a, floats=True),
            "A count of whole numbers is part of the state, too: batch norm counts what it has seen.",
        ),
        Mistake(
            "new ones left out",
            lambda b, a: _moved(b, a, new=False),
            "A tensor that was not there before has moved, too: its name belongs to the list.",
        ),
        Mistake(
            "sums compared",
            lambda b, a: _moved(b, a, total=True),
            "Sums are compared. Different tensors may have one sum: compare value by value.",
        ),
        Mistake(
            "those that stayed",
            lambda b, a: [name for name in a if name not in _moved(b, a)],
            "These are the ones that stayed. The ones that changed are asked for.",
        ),
        Mistake(
            "another shape goes unseen",
            lambda b, a: _moved(b, a, flat=True),
            "The tensors are flattened, so another shape with the same numbers goes unseen. Compare the shapes, too: `torch.equal` does.",
        ),
        Mistake(
            "all for any",
            lambda b, a: _moved(b, a, every=True),
            "A tensor counts only where *every* value differs. One is enough: any, not all.",
        ),
        Mistake(
            "buffers left out",
            lambda b, a: _moved(b, a, buffers=False),
            "Batch norm's running mean, variance and count are left out. No gradient reaches them, and they move all the same.",
        ),
        Mistake(
            "what is gone",
            lambda b, a: [*moved(b, a), *(name for name in b if name not in a)],
            "Names that are gone are listed as well. Only names in `after` are asked for.",
        ),
        Mistake(
            "in the order of the alphabet",
            lambda b, a: sorted(moved(b, a)),
            "The names came back in the order of the alphabet. The order of `after` is asked for; a set has none.",
        ),
        Mistake("a truth value", lambda b, a: bool(moved(b, a)), "True or False came back. The *names* are asked for."),
        Mistake("a number", lambda b, a: len(moved(b, a)), "Their number came back. The *names* are asked for."),
        Mistake(
            "the first alone",
            lambda b, a: moved(b, a)[:1],
            "Only the first one came back: a `return` stands inside the loop.",
        ),
        Mistake(
            "the same object",
            lambda b, a: [name for name in a if a[name] is not b.get(name)],
            "`is` asks whether these are one object. Copies are other objects with equal values: `torch.equal`.",
        ),
    ),
    hints=(
        "One line: names of `after` whose tensor is not in `before`, or is not equal to the one there.",
        "The skeleton, with blanks:\nfound = []\nfor name, value in after.items():\n    if name not in ____ or not torch.____(before[name], value):\n"
        "        found.append(____)\nreturn found",
    ),
    takeaway="Take a copy of the state before, compare it exactly after: the student must move, the teacher must not.",
)

"""Tasks of the lesson on squared error: the limit of a high temperature, and a teacher as a bound."""

from collections.abc import Callable

import torch
from torch import Tensor

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

# ---------------------------------------------------------------- mean_squared_error.4


def bounded(student: Tensor, teacher: Tensor, labels: Tensor, margin: float) -> Tensor:
    ours, theirs = (student - labels).square(), (teacher - labels).square()
    return torch.where(ours + margin > theirs, ours, torch.zeros_like(ours)).mean()


def _bounded(s: Tensor, t: Tensor, y: Tensor, m: float, rule: Callable[[Tensor, Tensor, float], Tensor]) -> Tensor:
    ours, theirs = (s - y).square(), (t - y).square()
    return (ours * rule(ours, theirs, m).to(ours.dtype)).mean()


def _bounded_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    y, near, far = torch.randn(40, generator=g), torch.randn(40, generator=g), torch.randn(40, generator=g)
    return [
        (torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([0.0]), 0.0),
        (torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0]), torch.tensor([0.0, 0.0]), 0.0),
        (torch.tensor([1.0, 3.0, 0.5]), torch.tensor([2.0, 2.0, 2.0]), torch.zeros(3), 3.5),
        (y + near, y + far, y, 0.3),
        (y + 0.01 * near, y + far, y, 0.0),
        (torch.tensor([2.0, 1.0]), torch.tensor([2.0, 3.0]), torch.tensor([0.0, 0.0]), 0.0),
    ]


BOUNDED = Task(
    id="mean_squared_error.4",
    title="A teacher as a bound",
    kind="implement",
    difficulty="core",
    minutes=10,
    points=3,
    rungs=(
        "one person",
        "better and worse",
        "with a margin",
        "random",
        "nearly always better",
        "just like the teacher",
    ),
    inputs=_bounded_inputs,
    reference=bounded,
    gradient="student",
    judge=close,
    mistakes=(
        Mistake(
            "the wrong way round",
            lambda s, t, y, m: _bounded(s, t, y, m, lambda a, b, m: a + m <= b),
            "The error counts where the student is *better*. It should count where he is not yet better by the margin.",
        ),
        Mistake(
            "margin on the other side",
            lambda s, t, y, m: _bounded(s, t, y, m, lambda a, b, m: a > b + m),
            "The margin stands on the teacher's side: the student may then be worse by it. It belongs to the student's error.",
        ),
        Mistake(
            "margin forgotten",
            lambda s, t, y, m: _bounded(s, t, y, m, lambda a, b, m: a > b),
            "The margin is never used.",
        ),
        Mistake(
            "mean over those that count",
            lambda s, t, y, m: _over_active(s, t, y, m),
            "The mean is over those whose error counts. It is over all: a person that is good enough contributes 0.",
        ),
        Mistake(
            "the excess",
            lambda s, t, y, m: ((s - y).square() + m - (t - y).square()).clamp(min=0).mean(),
            "This is how much the student is worse than the teacher. The student's *own* error counts, all of it or nothing.",
        ),
        Mistake(
            "no bound",
            lambda s, t, y, m: (s - y).square().mean(),
            "Every error counts: the teacher is never asked.",
        ),
        Mistake(
            "the distance from the teacher",
            lambda s, t, y, m: torch.where(
                (s - y).square() + m > (t - y).square(), (s - t).square(), torch.zeros_like(s)
            ).mean(),
            "Where an example counts, its distance from the *teacher* is taken. Its error is against the label.",
        ),
        Mistake(
            "margin added",
            lambda s, t, y, m: (
                _bounded(s, t, y, m, lambda a, b, m: a + m > b)
                + m * float(((s - y).square() + m > (t - y).square()).double().mean())
            ),
            "The margin is added to the error that counts. It belongs to the comparison alone.",
        ),
        Mistake(
            "absolute errors",
            lambda s, t, y, m: torch.where(
                (s - y).abs() + m > (t - y).abs(), (s - y).square(), torch.zeros_like(s)
            ).mean(),
            "The *absolute* errors are compared. The squared ones decide.",
        ),
        Mistake(
            "summed",
            lambda s, t, y, m: bounded(s, t, y, m) * len(s),
            "The sum over the examples came back. The mean is asked for.",
        ),
        Mistake(
            "the whole batch at once",
            lambda s, t, y, m: (
                (s - y).square().mean() if (s - y).square().mean() + m > (t - y).square().mean() else torch.zeros(())
            ),
            "The means of the whole batch are compared once. Each example is compared by itself.",
        ),
        Mistake(
            "equal counts",
            lambda s, t, y, m: _bounded(s, t, y, m, lambda a, b, m: a + m >= b),
            "An example with both sides *equal* is counted, too. It counts only where the student's error plus the margin is larger.",
        ),
        Mistake(
            "the teacher's errors",
            lambda s, t, y, m: torch.where(
                (s - y).square() + m > (t - y).square(), (t - y).square(), torch.zeros_like(s)
            ).mean(),
            "Where an example counts, the *teacher's* error is taken. The student's own counts.",
        ),
        Mistake(
            "absolute errors counted",
            lambda s, t, y, m: torch.where(
                (s - y).square() + m > (t - y).square(), (s - y).abs(), torch.zeros_like(s)
            ).mean(),
            "The error that counts is the absolute one. It is squared.",
        ),
        Mistake(
            "teacher worse for student worse",
            lambda s, t, y, m: _bounded(s, t, y, m, lambda a, b, m: b > a + m),
            "The comparison is turned round: the student's error counts where it plus the margin is *larger* than the teacher's.",
        ),
        Mistake(
            "one number an example",
            lambda s, t, y, m: torch.where(
                (s - y).square() + m > (t - y).square(), (s - y).square(), torch.zeros_like(s)
            ),
            "One number for each example came back. Their mean is asked for.",
        ),
        Mistake(
            "half",
            lambda s, t, y, m: 0.5 * bounded(s, t, y, m),
            "Everything is halved. There is no ½ here.",
        ),
        Mistake(
            "compared with the teacher",
            lambda s, t, y, m: (s - t).square().mean(),
            "This is the squared error from the teacher. The teacher only decides whether the student's error, against the *label*, counts.",
        ),
        Mistake(
            "the smaller error",
            lambda s, t, y, m: torch.minimum((s - y).square(), (t - y).square()).mean(),
            "The smaller of the two errors is taken. The student's counts whole, or not at all.",
        ),
        Mistake(
            "the larger error",
            lambda s, t, y, m: torch.maximum((s - y).square(), (t - y).square()).mean(),
            "The larger of the two errors is taken. The student's counts whole, or not at all.",
        ),
    ),
    hints=(
        "Two squared errors against the label, the student's and the teacher's. The teacher only decides whether the student's counts.",
        "The skeleton, with blanks:\nours, theirs = (student - labels).square(), (____ - labels).square()\n"
        "return torch.where(____ > ____, ours, torch.zeros_like(ours)).mean()",
    ),
    takeaway="In regression a teacher can be far off; as a bound it says only when to stop.",
)


def _over_active(s: Tensor, t: Tensor, y: Tensor, m: float) -> Tensor:
    ours, theirs = (s - y).square(), (t - y).square()
    active = ours + m > theirs
    return ours[active].sum() / max(1, int(active.sum()))


def _measured(gradient: Tensor, z: Tensor, v: Tensor, order: int = 2) -> float:
    limit = (z - v) / z.shape[1]
    limit = limit - limit.mean(dim=1, keepdim=True)
    return float(((gradient - limit).norm(order, dim=1) / limit.norm(order, dim=1)).mean())


def _distance_of(z: Tensor, v: Tensor, t: float, *, classes: int = 0, relative: bool = True, power: int = 1, shared: int = 1,
                 of_lengths: bool = False) -> float:  # fmt: skip
    z, v = (s - s.mean(dim=1, keepdim=True) for s in (z, v))
    gradient = t / shared * ((z / t).softmax(dim=1) - (v / t).softmax(dim=1))
    limit = (z - v) / (classes or z.shape[1])
    far, length = (gradient - limit).norm(dim=1), limit.norm(dim=1)
    if of_lengths:
        far = (gradient.norm(dim=1) - length).abs()
    return float((far**power / (length**power if relative else 1)).mean())


def _quotient_of_means(z: Tensor, v: Tensor, t: float) -> float:
    z, v = (s - s.mean(dim=1, keepdim=True) for s in (z, v))
    gradient, limit = t * ((z / t).softmax(dim=1) - (v / t).softmax(dim=1)), (z - v) / z.shape[1]
    return float((gradient - limit).norm(dim=1).mean() / limit.norm(dim=1).mean())


# ---------------------------------------------------------------- mean_squared_error.5


def distance_from_limit(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> float:
    z, v = (s - s.mean(dim=1, keepdim=True) for s in (student_logits, teacher_logits))
    gradient = temperature * ((z / temperature).softmax(dim=1) - (v / temperature).softmax(dim=1))
    limit = (z - v) / z.shape[1]
    return float(((gradient - limit).norm(dim=1) / limit.norm(dim=1)).mean())


def _distance(z: Tensor, v: Tensor, t: float, *, centred: bool = True, power: int = 1, share: bool = True,
              by: str = "limit", each: bool = True) -> float:  # fmt: skip
    gradient = t**power * ((z / t).softmax(dim=1) - (v / t).softmax(dim=1))
    limit = (z - v) / (z.shape[1] if share else 1)
    limit = limit - limit.mean(dim=1, keepdim=True) if centred else limit
    below = limit if by == "limit" else gradient
    if not each:
        return float((gradient - limit).norm() / below.norm())
    return float(((gradient - limit).norm(dim=1) / below.norm(dim=1)).mean())


def _limit_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    z, v = (3 * torch.randn(8, 10, generator=g).double() for _ in range(2))
    return [
        (torch.tensor([[1.0, -1.0]]).double(), torch.tensor([[0.0, 0.0]]).double(), 1.0),
        (torch.tensor([[2.0, 0.0]]).double(), torch.tensor([[0.0, 0.0]]).double(), 4.0),
        (z, v, 4.0),
        (z + 5, v, 32.0),
        (torch.cat([z, 0.1 * z]), torch.cat([v, 0.2 * v]), 8.0),
    ]


LIMIT = Task(
    id="mean_squared_error.5",
    title="How far from the limit?",
    kind="implement",
    difficulty="stretch",
    minutes=15,
    points=4,
    rungs=("two classes, centred", "two classes, moved", "random, T = 4", "moved, T = 32", "small and large logits"),
    inputs=_limit_inputs,
    reference=distance_from_limit,
    judge=close,
    mistakes=(
        Mistake(
            "not centred",
            lambda z, v, t: _distance(z, v, t, centred=False),
            "The squared error's gradient still holds the mean of the logits, which no softmax sees: take the means off first.",
        ),
        Mistake(
            "no T",
            lambda z, v, t: _distance(z, v, t, power=0),
            "The gradient is p − q here. T² in front and 1/T from the chain rule leave a factor T.",
        ),
        Mistake(
            "T² kept",
            lambda z, v, t: _distance(z, v, t, power=2),
            "T² (p − q) forgets the 1/T of the chain rule.",
        ),
        Mistake(
            "C forgotten",
            lambda z, v, t: _distance(z, v, t, share=False),
            "The limit is (z − v) / C: divide by the number of classes.",
        ),
        Mistake(
            "relative to the gradient",
            lambda z, v, t: _distance(z, v, t, by="gradient"),
            "The difference is divided by the length of the gradient. Relative to the *limit* is asked for.",
        ),
        Mistake(
            "all images at once",
            lambda z, v, t: _distance(z, v, t, each=False),
            "One ratio of two lengths over all images together. Take the ratio for each image, then the mean.",
        ),
        Mistake(
            "one mean for all",
            lambda z, v, t: _distance(z - z.mean(), v - v.mean(), t, centred=False),
            "One mean over all images and classes is taken off. Each image has its own: `mean(dim=1, keepdim=True)`.",
        ),
        Mistake(
            "the sign",
            lambda z, v, t: _measured(t * ((v / t).softmax(1) - (z / t).softmax(1)), z, v),
            "p and q are mixed up, so the gradient has the wrong sign: the student's minus the teacher's.",
        ),
        Mistake(
            "1/T",
            lambda z, v, t: 1 / t,
            "1/T came back. The distance *falls* as 1/T, but it is not 1/T: it depends on the logits.",
        ),
        Mistake(
            "sums of absolute values",
            lambda z, v, t: _measured(t * ((z / t).softmax(1) - (v / t).softmax(1)), z, v, order=1),
            "Lengths are sums of absolute values. The Euclidean length is asked for: `.norm(dim=1)`.",
        ),
        Mistake(
            "not divided by T",
            lambda z, v, t: _measured(t * (z.softmax(1) - v.softmax(1)), z, v),
            "The softmax is taken of the logits as they are. Divide them by T first.",
        ),
        Mistake(
            "one quotient of means",
            lambda z, v, t: _quotient_of_means(z, v, t),
            "The mean of the lengths is divided by the mean of the limits' lengths. Take the quotient for each image, then the mean.",
        ),
        Mistake(
            "always ten classes",
            lambda z, v, t: _distance_of(z, v, t, classes=10),
            "The limit is divided by 10 whatever the number of classes is: `z.shape[1]`.",
        ),
        Mistake(
            "divided by the images",
            lambda z, v, t: _distance_of(z, v, t, classes=len(z)),
            "The limit is divided by the number of *images*. Divide by the number of classes.",
        ),
        Mistake(
            "one an image",
            lambda z, v, t: torch.tensor([distance_from_limit(z[i : i + 1], v[i : i + 1], t) for i in range(len(z))]),
            "One number for each image came back. Their mean is asked for.",
        ),
        Mistake(
            "not relative",
            lambda z, v, t: _distance_of(z, v, t, relative=False),
            "The distance is not divided by the limit's length. A share of the limit is asked for.",
        ),
        Mistake(
            "squared lengths",
            lambda z, v, t: _distance_of(z, v, t, power=2),
            "Squared lengths are divided. Lengths are asked for: `.norm(dim=1)`.",
        ),
        Mistake(
            "the lengths' difference",
            lambda z, v, t: _distance_of(z, v, t, of_lengths=True),
            "The *lengths* of the two are subtracted. Take the length of the difference.",
        ),
        Mistake(
            "one means' column",
            lambda z, v, t: _distance(z - z.mean(0), v - v.mean(0), t, centred=False),
            "The means are taken over the images (dim=0). Each image has its own mean over the classes: dim=1.",
        ),
        Mistake(
            "the gradient of a mean",
            lambda z, v, t: _distance_of(z, v, t, shared=len(z)),
            "The gradient is that of the *mean* over images, 1/N of each image's own. The limit has no 1/N.",
        ),
    ),
    hints=(
        "Two N×C tables: the gradient T (q − p), and the limit (z − v) / C of centred logits. Then one ratio an image.",
        "The skeleton, with blanks:\nz, v = (s - s.mean(dim=____, keepdim=True) for s in (student_logits, teacher_logits))\n"
        "gradient = ____ * ((z / temperature).softmax(dim=1) - (v / temperature).softmax(dim=1))\n"
        "limit = (z - v) / ____\nreturn ((gradient - limit).norm(dim=1) / ____.norm(dim=1)).mean()",
    ),
    takeaway="Doubling T halves what separates distillation from squared error on logits, once T is large.",
)

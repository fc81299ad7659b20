"""Exercises: the loss of the loop, the cost of a convolution, a first distillation."""

from math import log
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task
from kdcourse.checks.lessons import designs

# ---------------------------------------------------------------- why_distil.2


def conv_cost(in_channels: int, out_channels: int, kernel: int, size: int, stride: int, padding: int) -> Any:
    weights = in_channels * out_channels * kernel**2
    parameters = weights + out_channels  # one bias for each output channel
    out_size = (size + 2 * padding - kernel) // stride + 1  # places where the kernel is put, in each direction
    return parameters, 2 * weights * out_size**2  # a multiplication and an addition for each weight and place


def _cost(i: int, o: int, k: int, out: float, *, bias: bool = True, twice: int = 2, in_flops: bool = False) -> Any:
    weights = i * o * k**2
    return weights + o * bias, twice * (weights + o * in_flops) * out**2


def _conv_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    drawn = [int(torch.randint(low, high, (1,), generator=g)) for low, high in ((2, 9), (2, 9), (12, 30))]
    return [
        (1, 1, 1, 4, 1, 0),
        (1, 1, 3, 3, 1, 0),
        (1, 8, 5, 28, 2, 2),
        (*drawn[:2], 3, drawn[2], 1, 1),
        (3, 64, 11, 224, 4, 2),
    ]


CONV_COST = Task(
    id="why_distil.2",
    title="Debug a cost counter",
    kind="debug",
    difficulty="core",
    minutes=8,
    points=2,
    rungs=("one weight", "the kernel fits once", "a strided block", "random", "AlexNet's first layer"),
    inputs=_conv_inputs,
    reference=conv_cost,
    judge=close,
    mistakes=(
        Mistake(
            "as given",
            lambda i, o, k, s, st, p: _cost(i, o, k, s, bias=False),
            "This counts as the code that was given. Two things are wrong in it: what the parameters leave out, and "
            "how often the kernel is put down.",
        ),
        Mistake(
            "the input's size",
            lambda i, o, k, s, st, p: _cost(i, o, k, s),
            "The parameters are right now. The operations are counted over the *input's* pixels; stride and padding "
            "decide how many places the kernel has.",
        ),
        Mistake(
            "no bias",
            lambda i, o, k, s, st, p: _cost(i, o, k, (s + 2 * p - k) // st + 1, bias=False),
            "The operations are right now. The parameters lack one bias for each output channel.",
        ),
        Mistake(
            "one operation",
            lambda i, o, k, s, st, p: _cost(i, o, k, (s + 2 * p - k) // st + 1, twice=1),
            "A multiplication and its addition are counted as one here. This course counts two, as PyTorch's counter does.",
        ),
        Mistake(
            "the bias works too",
            lambda i, o, k, s, st, p: _cost(i, o, k, (s + 2 * p - k) // st + 1, in_flops=True),
            "The biases are counted among the operations. PyTorch's counter leaves them out; so do we here.",
        ),
        Mistake(
            "the wrong way round",
            lambda i, o, k, s, st, p: conv_cost(i, o, k, s, st, p)[::-1],
            "Both numbers are right, in the wrong order: parameters first, then operations.",
        ),
        Mistake(
            "not rounded",
            lambda i, o, k, s, st, p: _cost(i, o, k, (s + 2 * p - k) / st + 1),
            "The number of places is a fraction here: use whole division, //, for a kernel is put down or it is not.",
        ),
        Mistake(
            "rounded up",
            lambda i, o, k, s, st, p: _cost(i, o, k, -(-(s + 2 * p - k) // st) + 1),
            "The last, incomplete place of a strided kernel does not exist: round down.",
        ),
        Mistake(
            "padded on one side",
            lambda i, o, k, s, st, p: _cost(i, o, k, (s + p - k) // st + 1),
            "The padding is counted on one side only. It is added on both: size + 2 · padding.",
        ),
        Mistake(
            "one place too few",
            lambda i, o, k, s, st, p: _cost(i, o, k, (s + 2 * p - k) // st),
            "The first place of the kernel is not counted: + 1 is missing.",
        ),
        Mistake(
            "a bias for each input",
            lambda i, o, k, s, st, p: (i * o * k**2 + i, conv_cost(i, o, k, s, st, p)[1]),
            "There is one bias for each *output* channel, not for each input channel.",
        ),
        Mistake(
            "stride forgotten",
            lambda i, o, k, s, st, p: _cost(i, o, k, s + 2 * p - k + 1),
            "The stride is forgotten: the kernel moves on by `stride` pixels at a time.",
        ),
        Mistake(
            "the example's numbers",
            lambda i, o, k, s, st, p: (10, 18),
            "The numbers of the worked example came back for every convolution.",
        ),
        Mistake(
            "the additions of the bias",
            lambda i, o, k, s, st, p: (
                i * o * k**2 + o,
                conv_cost(i, o, k, s, st, p)[1] + o * _places(k, s, st, p) ** 2,
            ),
            "The bias's additions are counted among the operations. PyTorch's counter leaves them out; so do we here.",
        ),
        Mistake(
            "padding forgotten",
            lambda i, o, k, s, st, p: _cost(i, o, k, (s - k) // st + 1),
            "The padding is forgotten: the image is 2 · padding wider than `size`.",
        ),
        Mistake(
            "places of one direction",
            lambda i, o, k, s, st, p: (i * o * k**2 + o, 2 * i * o * k**2 * _places(k, s, st, p)),
            "The places are counted in one direction only. The kernel moves in two: out_size².",
        ),
        Mistake(
            "a kernel of one direction",
            lambda i, o, k, s, st, p: (i * o * k + o, 2 * i * o * k * _places(k, s, st, p) ** 2),
            "A kernel has kernel² weights for each pair of channels, not kernel.",
        ),
        Mistake(
            "one before the division",
            lambda i, o, k, s, st, p: _cost(i, o, k, (s + 2 * p - k + 1) // st),
            "The 1 is added before the division by the stride. It counts the first place: add it afterwards.",
        ),
        Mistake(
            "one bias in all",
            lambda i, o, k, s, st, p: (i * o * k**2 + 1, conv_cost(i, o, k, s, st, p)[1]),
            "One bias is counted in all. Each output channel has one.",
        ),
        Mistake(
            "the input channels forgotten",
            lambda i, o, k, s, st, p: _cost(1, o, k, _places(k, s, st, p)),
            "The input channels are forgotten: each output channel has a kernel for every one of them.",
        ),
        Mistake(
            "a bias for each kernel",
            lambda i, o, k, s, st, p: (i * o * k**2 + i * o, conv_cost(i, o, k, s, st, p)[1]),
            "One bias is counted for each pair of channels. There is one for each *output* channel.",
        ),
    ),
    hints=(
        "Take the second input: a 3×3 kernel on 3×3 pixels. How often can it be put down, and what does the code say?",
        "The skeleton, with blanks:\nweights = in_channels * out_channels * kernel**2\nparameters = weights + ____\n"
        "out_size = (size + 2 * ____ - ____) // stride + 1\nreturn parameters, 2 * weights * ____",
    ),
    takeaway="Parameters do not know the image's size; operations do, through the places where the kernel is put.",
)

# ---------------------------------------------------------------- why_distil.1


def imitation(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    p, log_q = teacher_logits.softmax(dim=1), student_logits.log_softmax(dim=1)
    return -(p * log_q).sum(dim=1).mean()


def _imitation_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    two, three = torch.tensor([2.0, 3.0]).log().tolist()
    return [
        (torch.zeros(1, 4), torch.zeros(1, 4)),
        (torch.tensor([[0.0, 0.0]]), torch.tensor([[three, 0.0]])),
        (torch.tensor([[two, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, three]])),
        (3 * torch.randn(6, 10, generator=g), 3 * torch.randn(6, 10, generator=g)),
        (torch.tensor([[1000.0, 0.0, -1000.0]]), torch.tensor([[0.0, 1.0, 0.0]])),
    ]


IMITATION = Task(
    id="why_distil.1",
    title="The loss of the loop",
    kind="implement",
    difficulty="warm-up",
    minutes=6,
    points=2,
    rungs=("all logits equal", "one image by hand", "two images by hand", "random", "a very sure student"),
    inputs=_imitation_inputs,
    reference=imitation,
    gradient="student_logits",
    judge=close,
    mistakes=(
        Mistake(
            "the first class alone",
            lambda z, v: F.cross_entropy(z, v.argmax(1)),
            "Only the teacher's first class is used, as if it were a label. Use all of its probabilities.",
        ),
        Mistake(
            "roles swapped",
            lambda z, v: imitation(v, z),
            "Student and teacher have changed places: the teacher gives the probabilities, the student the logarithms.",
        ),
        Mistake(
            "summed over images",
            lambda z, v: len(z) * imitation(z, v),
            "The sum over images came back. Take their mean.",
        ),
        Mistake(
            "mean over the classes too",
            lambda z, v: imitation(z, v) / z.shape[1],
            "The classes are averaged as well. Sum over the classes, then take the mean over images.",
        ),
        Mistake(
            "KL",
            lambda z, v: F.kl_div(z.log_softmax(1), v.softmax(1), reduction="batchmean"),
            "This is the KL divergence: the cross-entropy less the teacher's own entropy. It has the same gradient, but the "
            "value that is asked for is the cross-entropy.",
        ),
        Mistake(
            "squared",
            lambda z, v: (z.softmax(1) - v.softmax(1)).square().sum(1).mean(),
            "This is the squared error between two softmaxes. Cross-entropy is −Σ p log q.",
        ),
        Mistake(
            "logits for probabilities",
            lambda z, v: -(v * z.log_softmax(1)).sum(1).mean(),
            "The teacher's logits stand where its probabilities belong: take their softmax.",
        ),
        Mistake(
            "rounded before the logarithm",
            lambda z, v: -(v.softmax(1) * z.softmax(1).log()).sum(1).mean(),
            "Right until the student is very sure: a probability that rounds to 0 has the logarithm −∞. Take log_softmax.",
        ),
        Mistake(
            "a little added",
            lambda z, v: -(v.softmax(1) * (z.softmax(1) + 1e-8).log()).sum(1).mean(),
            "A small number is added before the logarithm, so a very sure student's loss stops at about 18. `log_softmax` needs no such help.",
        ),
        Mistake(
            "softmax twice",
            lambda z, v: imitation(z.softmax(1), v),
            "The student goes through a softmax twice: its probabilities are handed over as if they were logits.",
        ),
        Mistake(
            "over the images",
            lambda z, v: -(v.softmax(0) * z.log_softmax(0)).sum(1).mean(),
            "The softmax runs over the images (dim=0). Each image has its own row of probabilities: dim=1.",
        ),
        Mistake(
            "no logarithm",
            lambda z, v: -(v.softmax(1) * z.softmax(1)).sum(1).mean(),
            "The student's probabilities stand where their logarithms belong: `log_softmax`.",
        ),
        Mistake(
            "both logarithms",
            lambda z, v: -(v.log_softmax(1) * z.log_softmax(1)).sum(1).mean(),
            "Logarithms are taken on both sides. The teacher gives probabilities, the student logarithms.",
        ),
        Mistake(
            "the student's entropy",
            lambda z, v: imitation(z, z),
            "The student stands on both sides: this is its own entropy. The probabilities are the teacher's.",
        ),
        Mistake(
            "the teacher's entropy",
            lambda z, v: imitation(v, v),
            "The teacher stands on both sides: this is its own entropy, and nothing depends on the student.",
        ),
        Mistake(
            "squared error of logits",
            lambda z, v: (z - v).square().mean(),
            "This is the squared error between logits. Cross-entropy is −Σ p log q.",
        ),
        Mistake(
            "logarithm of the classes",
            lambda z, v: log(z.shape[1]),
            "The logarithm of the number of classes came back. That is the loss where both find every class equally likely, and nowhere else.",
        ),
    ),
    hints=(
        "For one image: the sum over classes of the teacher's probability times the student's log-probability, with a minus.",
        "The skeleton, with blanks:\np = teacher_logits.____(dim=1)\nlog_q = student_logits.____(dim=1)\n"
        "return -(____ * ____).sum(dim=____).mean()",
    ),
    takeaway="Cross-entropy takes any target: a label is the target that gives one class everything.",
)


def _places(kernel: int, size: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


# ---------------------------------------------------------------- all

TASKS = [IMITATION, CONV_COST, designs.DISTILLED]

"""What a server makes of the owners' answers: one target for each image, and a step of its network towards it."""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

__all__ = ["FUSE", "TARGET"]

# ---------------------------------------------------------------- federated_distillation.2


def target(logits: Tensor, temperature: float) -> Tensor:
    return torch.softmax(logits.mean(dim=0) / temperature, dim=1)


def _target_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.tensor([[[2.0, 0.0]], [[0.0, 4.0]]]), 1.0),
        (torch.tensor([[[2.0, 0.0]], [[0.0, 4.0]]]), 2.0),
        (torch.tensor([[[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]]]), 1.0),
        (torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]], [[-1.0, 0.0]]]) + 7.0, 0.5),
        (torch.tensor([[[900.0, 0.0, 898.0]], [[901.0, 0.0, 899.0]]]), 1.0),
        (torch.tensor([[[900.0, 0.0, 898.0], [1.0, 0.0, 2.0]]]), 1.0),
        (torch.randn(4, 5, 3, generator=g) * 2, 3.0),
        (torch.randn(3, 3, 3, generator=g) * 2, 1.5),
    ]


def _powers(logits: Tensor, temperature: float) -> Tensor:
    powers = (logits.mean(dim=0) / temperature).exp()
    return powers / powers.sum(dim=1, keepdim=True)


def _apart(logits: Tensor, temperature: float) -> Tensor:
    """A softmax by hand, safe for one image only."""
    mean = logits.mean(dim=0) / temperature
    powers = (mean - mean.max()).exp()
    return powers / powers.sum(dim=1, keepdim=True)


def _votes(logits: Tensor, temperature: float) -> Tensor:
    return F.one_hot(logits.argmax(dim=2), logits.shape[2]).float().mean(dim=0)


TARGET = Task(
    id="federated_distillation.2",
    title="One target of many answers",
    kind="implement",
    difficulty="core",
    minutes=6,
    points=2,
    rungs=(
        "two owners",
        "a higher temperature",
        "a single owner",
        "three owners, a low temperature",
        "large logits",
        "large and small logits",
        "random",
        "as many owners as images and classes",
    ),
    inputs=_target_inputs,
    reference=target,
    judge=close,
    mistakes=(
        Mistake(
            "the mean of probabilities",
            lambda z, t: torch.softmax(z / t, dim=2).mean(dim=0),
            "The owners' probabilities were averaged. FedDF takes the mean of the *logits*, and the softmax after it.",
        ),
        Mistake(
            "summed",
            lambda z, t: torch.softmax(z.sum(dim=0) / t, dim=1),
            "The logits were added up and not divided by the number of owners. The more owners, the surer the answer.",
        ),
        Mistake(
            "no temperature",
            lambda z, t: torch.softmax(z.mean(dim=0), dim=1),
            "The temperature is missing: divide the mean by it before the softmax.",
        ),
        Mistake(
            "multiplied by the temperature",
            lambda z, t: torch.softmax(z.mean(dim=0) * t, dim=1),
            "The mean was multiplied by the temperature. A high temperature softens: divide.",
        ),
        Mistake(
            "logits",
            lambda z, t: z.mean(dim=0) / t,
            "These are still logits. Probabilities are asked for: each row adds up to 1.",
        ),
        Mistake(
            "log-probabilities",
            lambda z, t: torch.log_softmax(z.mean(dim=0) / t, dim=1),
            "These are log-probabilities. Probabilities are asked for.",
        ),
        Mistake(
            "over images",
            lambda z, t: torch.softmax(z.mean(dim=0) / t, dim=0),
            "The softmax goes over the images. Each *image* has a row of probabilities that adds up to 1.",
        ),
        Mistake(
            "the mean over images",
            lambda z, t: torch.softmax(z.mean(dim=1) / t, dim=1),
            "The mean was taken over the images. Dimension 0 counts the owners.",
        ),
        Mistake(
            "probabilities divided",
            lambda z, t: torch.softmax(z.mean(dim=0), dim=1) / t,
            "The probabilities were divided by the temperature, and no longer add up to 1. Divide the logits, before the softmax.",
        ),
        Mistake(
            "without a safe softmax",
            _powers,
            "exp of a large logit is infinite. Use torch.softmax, which takes the largest logit away first.",
        ),
        Mistake(
            "the largest logit of all",
            _apart,
            "The largest logit of *all* images was taken away, and the others' powers became 0. Take each row's own.",
        ),
        Mistake("votes", _votes, "The owners voted, one class each. How sure they are counts too: average the logits."),
        Mistake(
            "the first owner",
            lambda z, t: torch.softmax(z[0] / t, dim=1),
            "Only the first owner's answers were used.",
        ),
        Mistake(
            "the surest owner",
            lambda z, t: torch.softmax(z.max(dim=0).values / t, dim=1),
            "The largest logit of all owners was taken, class by class. The mean is asked for.",
        ),
        Mistake(
            "the median owner",
            lambda z, t: torch.softmax(z.median(dim=0).values / t, dim=1),
            "The median of the owners' logits was taken. The mean is asked for.",
        ),
    ),
    hints=(
        "Which dimension counts the owners? What has each image after the mean over them?",
        "The skeleton, with blanks:\nmean = logits.mean(dim=____)\nreturn torch.softmax(mean / ____, dim=____)",
    ),
    takeaway="FedDF's teacher is the mean of the owners' logits: networks of any shape, over the same classes.",
)

# ---------------------------------------------------------------- federated_distillation.4


def fuse(server: Tensor, owners: list[Tensor], images: Tensor, lr: float, temperature: float) -> Tensor:
    mean = torch.stack([images @ w for w in owners]).mean(dim=0)
    p = torch.softmax(mean / temperature, dim=1)
    q = torch.softmax(images @ server / temperature, dim=1)
    slope = temperature * images.T @ (q - p) / len(images)  # of T^2 KL(p || q), the mean over images
    return server - lr * slope


def _fuse_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    one = torch.tensor([[1.0, 0.0]])
    pair = torch.tensor([[2.0, -1.0], [0.5, 0.0]])
    return [
        (torch.zeros(2, 2), [pair], one, 0.5, 1.0),
        (torch.zeros(2, 2), [pair, -3 * pair], one, 0.5, 1.0),
        (torch.zeros(2, 2), [pair, 2 * pair], one, 0.5, 4.0),
        (pair.clone(), [pair, pair.clone()], torch.randn(3, 2, generator=g), 0.5, 2.0),
        (torch.tensor([[2000.0, 0.0], [0.0, 0.0]]), [pair], one, 0.5, 1.0),
        (pair - 1, [pair, 2 * pair, pair + 1], torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]]), 0.1, 1.0),
        (torch.randn(4, 3, generator=g), [torch.randn(4, 3, generator=g) for _ in range(3)],
         torch.randn(6, 4, generator=g), 0.2, 3.0),
    ]  # fmt: skip


def _stepped(
    server: Tensor, owners: list[Tensor], images: Tensor, lr: float, temperature: float, *, power: float = 2.0,
    sign: float = 1.0, reduce: str = "mean", probabilities: bool = False,
    reverse: bool = False, zero: bool = True, student: float | None = None, dim: int = 1,
) -> Tensor:  # fmt: skip
    """``fuse`` by autograd, with one thing wrong."""
    w = server.detach().clone().requires_grad_()
    each = torch.stack([images @ own for own in owners])
    p = torch.softmax(each.mean(dim=0) / temperature, dim=dim)
    if probabilities:
        p = torch.softmax(each / temperature, dim=2).mean(dim=0)
    with torch.enable_grad():
        z = images @ w / (student or temperature)
        q = torch.log_softmax(z, dim=dim) if zero else torch.softmax(z, dim=dim).log()
        kl = (q.exp() * (q - p.log())).sum(dim=1) if reverse else F.kl_div(q, p, reduction="none").sum(dim=1)
        loss = kl.sum() / {"mean": len(kl), "sum": 1, "all": q.numel()}[reduce]
        (slope,) = torch.autograd.grad(temperature**power * loss, w)
    return (w - sign * lr * slope).detach()


def _in_turn(server: Tensor, owners: list[Tensor], images: Tensor, lr: float, temperature: float) -> Tensor:
    """A step for each owner alone, one after the other."""
    for own in owners:
        server = fuse(server, [own], images, lr, temperature)
    return server


FUSE = Task(
    id="federated_distillation.4",
    title="A step of FedDF",
    kind="implement",
    difficulty="core",
    minutes=12,
    points=3,
    rungs=(
        "one owner",
        "two owners",
        "a temperature",
        "nothing to learn",
        "a server that is very sure",
        "three images",
        "random",
    ),
    inputs=_fuse_inputs,
    reference=fuse,
    judge=close,
    mistakes=(
        Mistake(
            "no T squared",
            lambda s, o, x, r, t: _stepped(s, o, x, r, t, power=0),
            "The loss is T² times the divergence. Without T² a high temperature makes the steps tiny.",
        ),
        Mistake(
            "T once",
            lambda s, o, x, r, t: _stepped(s, o, x, r, t, power=1),
            "The loss was multiplied by T, not by T². (Its gradient keeps one T: the other one goes with the logits.)",
        ),
        Mistake(
            "T squared in the gradient",
            lambda s, o, x, r, t: _stepped(s, o, x, r, t, power=3),
            "The gradient holds T once, not twice: each logit is divided by T, and that takes one of the two away.",
        ),
        Mistake(
            "uphill",
            lambda s, o, x, r, t: _stepped(s, o, x, r, t, sign=-1),
            "The step goes uphill: away from the owners' answer. Is it p − q where it should be q − p?",
        ),
        Mistake(
            "summed over images",
            lambda s, o, x, r, t: _stepped(s, o, x, r, t, reduce="sum"),
            "The loss was summed over the images. The mean over them is asked for.",
        ),
        Mistake(
            "divided by classes too",
            lambda s, o, x, r, t: _stepped(s, o, x, r, t, reduce="all"),
            'The loss was divided by the number of classes as well: reduction="mean" of kl_div does that. Use "batchmean".',
        ),
        Mistake(
            "the mean of probabilities",
            lambda s, o, x, r, t: _stepped(s, o, x, r, t, probabilities=True),
            "The teacher here is the mean of the owners' probabilities. FedDF's is the softmax of their mean logits.",
        ),
        Mistake(
            "the reverse divergence",
            lambda s, o, x, r, t: _stepped(s, o, x, r, t, reverse=True),
            "This is KL(q ‖ p). The teacher stands first: KL(p ‖ q). In F.kl_div the student's log-probabilities come first.",
        ),
        Mistake(
            "no temperature",
            lambda s, o, x, r, t: _stepped(s, o, x, r, 1.0),
            "The temperature was not used, neither in the softmax nor in the loss.",
        ),
        Mistake(
            "the student without a temperature",
            lambda s, o, x, r, t: _stepped(s, o, x, r, t, student=1.0),
            "The temperature is missing on the student's side: its logits are divided by it too.",
        ),
        Mistake(
            "over images",
            lambda s, o, x, r, t: _stepped(s, o, x, r, t, dim=0),
            "The softmax goes over the images. Each image has a row of probabilities that adds up to 1.",
        ),
        Mistake(
            "one owner after the other",
            _in_turn,
            "The server took a step for each owner. It takes one step, towards the answer of all together.",
        ),
        Mistake(
            "averaged",
            lambda s, o, x, r, t: torch.stack(o).mean(dim=0),
            "The owners' mean weights came back, where linear networks have nothing left to learn. That is federated averaging: "
            "FedDF steps from the server's weights.",
        ),
        Mistake(
            "the first owner",
            lambda s, o, x, r, t: fuse(s, o[:1], x, r, t),
            "The teacher is the first owner alone. All owners answer.",
        ),
        Mistake(
            "by hand, with a logarithm of 0",
            lambda s, o, x, r, t: _stepped(s, o, x, r, t, zero=False),
            "Where the server is very sure, a probability of its becomes 0, and the slope of its logarithm is not a number. "
            "Take torch.log_softmax of the logits in place of the logarithm of a softmax.",
        ),
        Mistake("no step", lambda s, o, x, r, t: s.clone(), "The server's weights came back as they were."),
        Mistake(
            "the gradient",
            lambda s, o, x, r, t: (s - fuse(s, o, x, r, t)) / r,
            "The gradient came back. The new weights are asked for: take the step.",
        ),
        Mistake(
            "squared error",
            lambda s, o, x, r, t: s - r * 2 * x.T @ (x @ s - torch.stack([x @ w for w in o]).mean(dim=0)) / len(x),
            "This is a step on the squared error of the logits. FedDF's loss is T² KL(p ‖ q).",
        ),
    ),
    hints=(
        "Write the teacher p first: the mean of the owners' logits, divided by T, through a softmax. Then the student q.",
        "The skeleton, with blanks:\np = torch.softmax(____ / temperature, dim=1)\nw = server.clone().requires_grad_()\n"
        'loss = temperature**2 * F.kl_div(torch.log_softmax(____, dim=1), ____, reduction="batchmean")\n'
        "(slope,) = torch.autograd.grad(loss, w)\nreturn (w - ____ * slope).detach()",
    ),
    takeaway="FedDF is distillation with many teachers: the server needs their answers to its own images.",
)

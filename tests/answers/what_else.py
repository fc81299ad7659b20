"""Answers to the exercises of ``what_else``."""

import torch
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- what_else.1

STAYS = ["above zero", "zero", "zero", "zero", "above zero"]


def looked_up(change):
    return dict(zip(kd.checks.find("what_else.1").rungs, STAYS, strict=True))[change]


def by_the_word(change):
    return "above zero" if change.startswith(("soft targets", "a hint")) else "zero"


def by_place(change):
    return STAYS[kd.checks.find("what_else.1").rungs.index(change)]


# ---------------------------------------------------------------- what_else.2


def attention_by_the_package(s, t):
    return kd.losses.attention_transfer(s, t)


def attention_by_einsum(s, t):
    maps = [torch.einsum("nchw,nchw->nhw", f, f).reshape(len(f), -1) for f in (s, t)]
    ours, theirs = (m / m.square().sum(1, keepdim=True).sqrt().clamp(min=1e-12) for m in maps)
    return torch.linalg.vector_norm(ours - theirs, dim=1).mean()


def attention_image_by_image(s, t):
    total = 0.0
    for a, b in zip(s, t, strict=True):
        ours, theirs = (F.normalize((f * f).sum(0).flatten(), dim=0) for f in (a, b))
        total = total + torch.dist(ours, theirs)
    return total / len(s)


def squared_in_place(s, t):
    s *= s
    return attention_by_the_package(s.sqrt(), t)


# ---------------------------------------------------------------- what_else.3


def mended_by_the_package(s, t, T):
    return kd.losses.standardised(s, t, temperature=T, alpha=1.0)


def mended_by_definition(s, t, T):
    q, p = (((z - z.mean(1, keepdim=True)) / z.std(1, keepdim=True) / T).log_softmax(1) for z in (s, t))
    return T * T * (p.exp() * (p - q)).sum() / len(s)


def mended_image_by_image(s, t, T):
    total = 0.0
    for a, b in zip(s, t, strict=True):
        q, p = ((z - z.mean()) / z.var().sqrt() / T for z in (a, b))
        total = total + F.cross_entropy(q, p.softmax(0)) - torch.special.entr(p.softmax(0)).sum()
    return T**2 * total / len(s)


# ---------------------------------------------------------------- what_else.4


def shape_by_differences(s, t):
    def shape(f):
        d = (f[:, None] - f).square().sum(2)
        some = d > 0
        d = torch.where(some, d, torch.ones_like(d)).sqrt() * some
        return d * some.sum() / d.sum()

    return F.huber_loss(shape(s), shape(t))


def shape_by_the_package(s, t):
    return kd.losses.relational(s, t, distance=1.0, angle=0.0)


def shape_by_norms(s, t):
    ours, theirs = ((f[:, None] - f).norm(dim=2) for f in (s, t))
    ours, theirs = (d / d[d > 0].mean() for d in (ours, theirs))
    gap = (ours - theirs).abs()
    return torch.where(gap < 1, 0.5 * gap**2, gap - 0.5).mean()


# ---------------------------------------------------------------- what_else.5


def decoupled_by_the_package(s, t, y, T, a, b):
    return kd.losses.decoupled(s, t, y, temperature=T, target=a, others=b)


def decoupled_by_masks(s, t, y, T, a, b):
    label = F.one_hot(y, s.shape[1]).bool()

    def split(z):
        log_p = (z / T).log_softmax(1)
        rest = log_p.masked_fill(label, -torch.inf).logsumexp(1)
        return log_p[label], rest, log_p[~label].view(len(z), -1) - rest[:, None]

    (q, q_rest, q_others), (p, p_rest, p_others) = split(s), split(t)
    tckd = p.exp() * (p - q) + p_rest.exp() * (p_rest - q_rest)
    return T**2 * (a * tckd + b * (p_others.exp() * (p_others - q_others)).sum(1)).mean()


def decoupled_in_a_loop(s, t, y, T, a, b):
    total = 0.0
    for i, label in enumerate(y.tolist()):
        keep = [c for c in range(s.shape[1]) if c != label]
        two, rest = [], []
        for z in (s[i] / T, t[i] / T):
            two.append(torch.stack([z[label], z[keep].logsumexp(0)]).log_softmax(0))
            rest.append(z[keep].log_softmax(0))
        for weight, (q, p) in ((a, two), (b, rest)):
            total = total + weight * F.kl_div(q, p, reduction="sum", log_target=True)
    return T**2 * total / len(s)


RIGHT = {
    "what_else.1": [looked_up, by_the_word, by_place],
    "what_else.2": [attention_by_the_package, attention_by_einsum, attention_image_by_image],
    "what_else.3": [mended_by_the_package, mended_by_definition, mended_image_by_image],
    "what_else.4": [shape_by_differences, shape_by_the_package, shape_by_norms],
    "what_else.5": [decoupled_by_the_package, decoupled_by_masks, decoupled_in_a_loop],
}
WRONG = {
    "what_else.2": [
        (lambda s, t: None, "None came back"),
        (lambda s, t: s @ t, "Error: RuntimeError"),
        (squared_in_place, "Changed: student_feature, in place"),
        (lambda s, t: attention_by_the_package(s, t).item(), "Gradient: none reaches student_feature"),
        (lambda s, t: 2 * attention_by_the_package(s, t), "Every value is 2 times the expected one"),
        (lambda s, t: (attention_by_the_package(s, t) ** 2 + 0 * (s - s).sum()).square().sqrt().sqrt().sqrt().detach(), "where"),
    ],
    "what_else.3": [
        (lambda s, t, T: None, "None came back"),
        (lambda s, t, T: s @ t, "Error: RuntimeError"),
        (lambda s, t, T: mended_by_definition(s, t, T).item(), "Gradient: none reaches student_logits"),
        (lambda s, t, T: 3 * mended_by_definition(s, t, T), "Every value is 3 times the expected one"),
        (lambda s, t, T: s.std(1), "came back; a number is expected"),
    ],
    "what_else.4": [
        (lambda s, t: None, "None came back"),
        (lambda s, t: s @ t, "Error: RuntimeError"),
        (lambda s, t: shape_by_norms(s, t).item(), "Gradient: none reaches student_feature"),
        (lambda s, t: torch.cdist(s, s), "came back; a number is expected"),
        (lambda s, t: 2 * shape_by_norms(s, t), "Every value is 2 times the expected one"),
    ],
    "what_else.5": [
        (lambda s, t, y, T, a, b: None, "None came back"),
        (lambda s, t, y, T, a, b: s @ t, "Error: RuntimeError"),
        (lambda s, t, y, T, a, b: decoupled_by_masks(s, t, y, T, a, b).item(), "Gradient: none reaches student_logits"),
        (lambda s, t, y, T, a, b: s.logsumexp(1), "came back; a number is expected"),
        (lambda s, t, y, T, a, b: -decoupled_by_masks(s, t, y, T, a, b), "wrong sign"),
    ],
}  # fmt: skip

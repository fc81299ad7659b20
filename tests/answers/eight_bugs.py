"""Answers to the exercises of ``eight_bugs``."""

import numpy as np
import torch
from scipy.special import log_softmax
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- eight_bugs.2


def with_the_package(z, v, t):
    return kd.losses.soft_targets(z, v, temperature=t, alpha=1.0)


def by_definition(z, v, t):
    log_q, log_p = ((logits.double() / t).log_softmax(dim=1) for logits in (z, v))
    return t**2 * torch.einsum("nc,nc->", log_p.exp(), log_p - log_q) / len(z)


def in_numpy(z, v, t):
    log_q, log_p = log_softmax(z.double().numpy() / t, axis=1), log_softmax(v.double().numpy() / t, axis=1)
    return t**2 * (np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean()


def image_by_image(z, v, t):
    total = 0.0
    for a, b in zip(z.double(), v.double(), strict=True):
        q = (b / t).softmax(0)
        total = total + F.cross_entropy(a / t, q) - torch.special.entr(q).sum()
    return t * t * total / len(z)


def overwritten(z, v, t):
    z /= t
    return t**2 * F.kl_div(z.log_softmax(1), (v / t).softmax(1), reduction="batchmean")


# ---------------------------------------------------------------- eight_bugs.1

BROKEN = ["length", "length", "direction", "direction", "nothing arrives"]


def looked_up(bug):
    return dict(zip(kd.checks.find("eight_bugs.1").rungs, BROKEN, strict=True))[bug]


def by_the_word(bug):
    if "both sides" in bug:
        return "nothing arrives"
    return "length" if "left out" in bug or "mean" in bug else "direction"


def by_place(bug):
    return BROKEN[kd.checks.find("eight_bugs.1").rungs.index(bug)]


# ---------------------------------------------------------------- eight_bugs.3


def in_odds(alpha, factor):
    return 1.0 if alpha == 1 else (odds := alpha / (1 - alpha) * factor) / (1 + odds)


def in_one_line(alpha, factor):
    return alpha * factor / (1 - alpha * (1 - factor))


def as_a_tensor(alpha, factor):
    weights = torch.tensor([alpha * factor, 1 - alpha], dtype=torch.float64)
    return (weights / weights.sum())[0]


RIGHT = {
    "eight_bugs.2": [with_the_package, by_definition, image_by_image],
    "eight_bugs.1": [looked_up, by_the_word, by_place],
    "eight_bugs.3": [in_odds, in_one_line, as_a_tensor],
}
WRONG = {
    "eight_bugs.2": [
        (lambda z, v, t: None, "None came back"),
        (lambda z, v, t: F.kl_div((z / t).log_softmax(1), (v / t).softmax(1), reduction="none"), "a tensor 1×3 came back"),
        (lambda z, v, t: z @ v, "Error: RuntimeError"),
        (overwritten, "Changed: student_logits, in place"),
        (lambda z, v, t: in_numpy(z.detach(), v, t), "nothing can be learned from it"),
        (lambda z, v, t: by_definition(z, v, t).item(), "Gradient: none reaches student_logits"),
        (lambda z, v, t: 0.5 * with_the_package(z, v, t), "Every value is 0.5 times the expected one"),
        (lambda z, v, t: t**2 * F.kl_div((z / t).log_softmax(0), (v / t).softmax(0), reduction="batchmean"), "0 where 0.056633 is expected"),
    ],
    "eight_bugs.3": [
        (lambda a, f: None, "None came back"),
        (lambda a, f: 1 / (f - 1), "Error: ZeroDivisionError"),
        (lambda a, f: [a, f], "came back; a number is expected"),
        (lambda a, f: a * f / (a * f + 1), "where 0.5 is expected"),
        (lambda a, f: 2 * in_one_line(a, f), "Every value is 2 times the expected one"),
    ],
}  # fmt: skip

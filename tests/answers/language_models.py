"""Answers to the exercises of ``language_models``."""

import math

import numpy as np
import torch
from torch.nn import functional as F

import kdcourse as kd

# ---------------------------------------------------------------- language_models.1

SAID = ["stays", "stays", "stays", "moves", "moves"]


def looked_up(case):
    return dict(zip(kd.checks.find("language_models.1").rungs, SAID, strict=True))[case]


def by_words(case):
    return "moves" if "beta = 0:" in case or "goes from" in case else "stays"


def by_measuring(case):
    z, v = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(1)).double()

    def loss(a, b, beta):
        return float(kd.losses.generalised_jsd(a, b, beta=beta))

    if "goes" in case:
        return "stays" if math.isclose(loss(z, v, 0), loss(z, v, 0.01)) else "moves"
    beta = 0.5 if "0.5" in case else 0
    changed = (v, z) if "places" in case else (z + 5 * ("added" in case), v)
    return "stays" if math.isclose(loss(z, v, beta), loss(*changed, beta)) else "moves"


# ---------------------------------------------------------------- language_models.2


def by_places(sentences, prompt):
    marks = torch.zeros(len(sentences), sentences.shape[1] - 1, dtype=torch.bool)
    for i, row in enumerate(sentences):
        for j in range(1, len(row)):
            marks[i, j - 1] = j >= prompt and row[j] != 0
    return marks


def by_cutting(sentences, prompt):
    marks = sentences[:, 1:] != 0
    marks[:, : prompt - 1] = False
    return marks


def by_the_end(sentences, prompt):
    ends = (sentences == 2).int().argmax(1)
    places = np.arange(1, sentences.shape[1])
    return torch.tensor((places >= prompt) & (places <= ends.numpy()[:, None]))


# ---------------------------------------------------------------- language_models.3


def by_logarithms(student_logits, teacher_logits, beta):
    log_q, log_p = student_logits.log_softmax(-1), teacher_logits.log_softmax(-1)

    def kl(a, b):
        return (a.exp() * (a - b)).sum(-1).mean()

    if beta in (0, 1):
        return kl(log_p, log_q) if beta == 0 else kl(log_q, log_p)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    return beta * kl(log_p, log_m) + (1 - beta) * kl(log_q, log_m)


def by_the_library(student_logits, teacher_logits, beta):
    return kd.losses.generalised_jsd(student_logits, teacher_logits, beta=beta)


def by_kl_div(student_logits, teacher_logits, beta):
    q, p = (z.flatten(0, -2).softmax(-1) for z in (student_logits, teacher_logits))

    def kl(a, b):
        return F.kl_div(b.log(), a, reduction="batchmean")

    ends = {0: kl(p, q), 1: kl(q, p)}
    m = beta * p + (1 - beta) * q
    return ends.get(beta, beta * kl(p, m) + (1 - beta) * kl(q, m))


# ---------------------------------------------------------------- language_models.4


def by_scattering(student_logits, ids, shares):
    p = torch.zeros_like(student_logits).scatter(-1, ids, shares)
    p = p / p.sum(-1, keepdim=True)
    return torch.special.xlogy(p, p / student_logits.softmax(-1)).sum(-1).mean()


def by_rows(student_logits, ids, shares):
    total = 0.0
    for z, words, own in zip(student_logits, ids, shares, strict=True):
        q = z.softmax(0)
        for word, share in zip(words, own / own.sum(), strict=True):
            total += share * (share / q[word]).log()
    return total / len(ids)


def by_a_normaliser(student_logits, ids, shares):
    mass = shares.sum(-1)
    log_q = student_logits.gather(-1, ids) - student_logits.logsumexp(-1, keepdim=True)
    return ((shares * (shares.log() - log_q)).sum(-1) / mass - mass.log()).mean()


# ---------------------------------------------------------------- language_models.5


def by_autograd(student_logits, teacher_logits, said):
    z = student_logits.detach().requires_grad_()
    log_q = z.log_softmax(-1).gather(-1, said[:, None])[:, 0]
    log_p = teacher_logits.log_softmax(-1).gather(-1, said[:, None])[:, 0]
    loss = ((log_q - log_p).detach() * log_q).mean()
    return torch.autograd.grad(loss, z)[0]


def by_each_row(student_logits, teacher_logits, said):
    pull = torch.zeros_like(student_logits)
    for i, word in enumerate(said):
        q, p = student_logits[i].softmax(0), teacher_logits[i].softmax(0)
        slope = -q
        slope[word] = slope[word] + 1
        pull[i] = (q[word] / p[word]).log() * slope
    return pull / len(said)


def by_numpy(student_logits, teacher_logits, said):
    z, v, y = student_logits.numpy(), teacher_logits.numpy(), said.numpy()
    log_q, log_p = (x - np.log(np.exp(x).sum(1, keepdims=True)) for x in (z, v))
    one = np.eye(z.shape[1])[y]
    return torch.tensor(((log_q - log_p) * one).sum(1, keepdims=True) * (one - np.exp(log_q)) / len(y))


RIGHT = {
    "language_models.1": [looked_up, by_words, by_measuring],
    "language_models.2": [by_places, by_cutting, by_the_end],
    "language_models.3": [by_logarithms, by_the_library, by_kl_div],
    "language_models.4": [by_scattering, by_rows, by_a_normaliser],
    "language_models.5": [by_autograd, by_each_row, by_numpy],
}
WRONG = {
    "language_models.2": [
        (lambda s, p: None, "None came back"),
        (lambda s, p: s[:, 99], "Error: IndexError"),
        (lambda s, p: s[:, 1:] != 0, "The prompt is counted"),
        (lambda s, p: by_places(s, p + 1), "The first token after the prompt is missing"),
        (lambda s, p: (by_cutting(s, p), s.zero_())[0], "Changed: sentences, in place"),
    ],
    "language_models.3": [
        (lambda z, v, b: "0", "is expected"),
        (lambda z, v, b: z[99], "Error: IndexError"),
        (lambda z, v, b: by_logarithms(v, z, b), "Student and teacher have changed places throughout"),
        (lambda z, v, b: by_logarithms(z, v, b) / z.shape[-1], "The mean runs over the vocabulary too"),
        (lambda z, v, b: by_logarithms(z, v, b) if 0 < b < 1 else 0 * z.mean(), "At beta 0 and 1 the formula gives 0"),
    ],
    "language_models.4": [
        (lambda z, i, s: None, "None came back"),
        (lambda z, i, s: z[99], "Error: IndexError"),
        (lambda z, i, s: (s * (s.log() - z.log_softmax(-1).gather(-1, i))).sum(-1).mean(), "they are no distribution"),
        (lambda z, i, s: by_scattering(z, i, s) / i.shape[1], "The mean runs over the kept tokens too"),
        (lambda z, i, s: (by_rows(z, i, s), s.zero_())[0], "Changed: shares, in place"),
    ],
    "language_models.5": [
        (lambda z, v, y: "up", "is expected"),
        (lambda z, v, y: z[99], "Error: IndexError"),
        (lambda z, v, y: -by_each_row(z, v, y), "The sign is turned round"),
        (lambda z, v, y: by_each_row(z, v, y) * len(y), "The tokens are summed"),
        (lambda z, v, y: (z.softmax(-1) - v.softmax(-1)) / len(y), "the gradient of the *forward* KL"),
    ],
}

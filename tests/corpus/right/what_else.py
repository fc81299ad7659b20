"""Right answers to the exercises "What else to imitate", by different roads."""
import math

import numpy as np
import torch
from torch.nn import functional as F

# %% what_else.1 | by thought
loss_stays = {
    "soft targets: all logits are doubled": "above zero",
    "standardised logits: all logits are doubled": "zero",
    "RKD on features: all features are turned by one rotation": "zero",
    "attention: the channels change places": "zero",
    "a hint without a map A: the channels change places": "above zero",
}

# %% what_else.1 | computed with every loss on random numbers
_g = torch.Generator().manual_seed(3)
_logits = torch.randn(4, 6, generator=_g, dtype=torch.float64)
_rows = torch.randn(5, 3, generator=_g, dtype=torch.float64)
_maps = torch.randn(2, 4, 3, 3, generator=_g, dtype=torch.float64)
_turn = torch.linalg.qr(torch.randn(3, 3, generator=_g, dtype=torch.float64))[0]


def _soft(s, t):
    return F.kl_div(s.log_softmax(1), t.softmax(1), reduction="batchmean")


def _z(x):
    return (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)


def _shape(x):
    d = torch.cdist(x, x)
    return d / d[d > 0].mean()


def _look(x):
    return F.normalize(x.pow(2).sum(1).flatten(1), dim=1)


_values = {
    "soft targets: all logits are doubled": _soft(2 * _logits, _logits),
    "standardised logits: all logits are doubled": _soft(_z(2 * _logits), _z(_logits)),
    "RKD on features: all features are turned by one rotation": F.smooth_l1_loss(_shape(_rows @ _turn), _shape(_rows)),
    "attention: the channels change places": (_look(_maps.flip(1)) - _look(_maps)).norm(dim=1).mean(),
    "a hint without a map A: the channels change places": F.mse_loss(_maps.flip(1), _maps),
}
loss_stays = {name: "zero" if abs(float(v)) < 1e-9 else "above zero" for name, v in _values.items()}

# %% what_else.2 | F.normalize with a tiny eps, norm over dim 1
def attention(student_feature, teacher_feature):
    def look(x):
        return F.normalize(x.pow(2).sum(dim=1).flatten(1), dim=1, eps=1e-30)

    return (look(student_feature) - look(teacher_feature)).norm(dim=1).mean()


# %% what_else.2 | einsum, the zero length replaced by one
def attention(student_feature, teacher_feature):
    maps = []
    for x in (student_feature, teacher_feature):
        m = torch.einsum("nchw,nchw->nhw", x, x).reshape(x.shape[0], -1)
        length = torch.linalg.vector_norm(m, dim=1, keepdim=True)
        maps.append(m / torch.where(length > 0, length, torch.ones_like(length)))
    return torch.linalg.vector_norm(maps[0] - maps[1], dim=1).mean()


# %% what_else.2 | a loop over images, each scaled by its largest entry first
def attention(student_feature, teacher_feature):
    def one(x):
        top = x.detach().abs().max()
        if top == 0:
            return (x * 0).sum(0).reshape(-1)
        squares = ((x / top) ** 2).sum(0).reshape(-1)
        return squares / torch.sqrt(torch.dot(squares, squares))

    total = 0.0
    for s, t in zip(student_feature, teacher_feature):
        total = total + torch.dist(one(s), one(t), p=2)
    return total / len(student_feature)


# %% what_else.3 | the three repairs and nothing else
def mended(student_logits, teacher_logits, temperature):
    def z(logits):
        return (logits - logits.mean(dim=1, keepdim=True)) / logits.std(dim=1, keepdim=True)

    log_q = F.log_softmax(z(student_logits) / temperature, dim=1)
    p = F.softmax(z(teacher_logits) / temperature, dim=1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


# %% what_else.3 | layer_norm without eps, corrected to n - 1; the KL written out
def mended(student_logits, teacher_logits, temperature):
    n = student_logits.shape[1]
    shrink = math.sqrt((n - 1) / n)
    log_q, log_p = (
        (F.layer_norm(x, (n,), eps=0.0) * shrink / temperature).log_softmax(-1) for x in (student_logits, teacher_logits)
    )
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1).mean()


# %% what_else.3 | transposed, so that means and spreads broadcast without keepdim; cross entropy minus entropy
def mended(student_logits, teacher_logits, temperature):
    s = ((student_logits.T - student_logits.mean(1)) / student_logits.std(1)).T / temperature
    t = ((teacher_logits.T - teacher_logits.mean(1)) / teacher_logits.std(1)).T / temperature
    p = torch.softmax(t, 1)
    cross = F.cross_entropy(s, p)
    entropy = torch.distributions.Categorical(logits=t).entropy().mean()
    return temperature * temperature * (cross - entropy)


# %% what_else.3 | image by image, by hand
def mended(student_logits, teacher_logits, temperature):
    def scaled(row):
        away = row - row.sum() / row.numel()
        spread = ((away * away).sum() / (row.numel() - 1)) ** 0.5
        return away / spread / temperature

    total = 0
    for s_row, t_row in zip(student_logits, teacher_logits):
        s, t = scaled(s_row), scaled(t_row)
        log_q = s - torch.logsumexp(s, 0)
        log_p = t - torch.logsumexp(t, 0)
        total = total + torch.exp(log_p) @ (log_p - log_q)
    return total / student_logits.shape[0] * temperature**2


# %% what_else.4 | cdist as in the text
def shape_loss(student_feature, teacher_feature):
    def shape(x):
        d = torch.cdist(x, x)
        return d / d[d > 0].mean()

    return F.smooth_l1_loss(shape(student_feature), shape(teacher_feature))


# %% what_else.4 | pairs only (pdist), doubled, over N * N; huber_loss; nothing above 0 gives zeros
def shape_loss(student_feature, teacher_feature):
    n = student_feature.shape[0]

    def shape(x):
        d = F.pdist(x)
        return d / (d.sum() / (d > 0).sum().clamp(min=1)) if bool((d > 0).any()) else d

    pairs = F.huber_loss(shape(student_feature), shape(teacher_feature), reduction="sum", delta=1.0)
    return 2 * pairs / n**2


# %% what_else.4 | differences by broadcasting, a root that is safe at 0, Huber by hand
def shape_loss(student_feature, teacher_feature):
    def shape(x):
        square = (x[:, None, :] - x[None, :, :]).square().sum(-1)
        apart = square > 0
        d = torch.where(apart, square, torch.ones_like(square)).sqrt() * apart
        return d * apart.sum() / d.sum() if apart.any() else d

    gap = (shape(student_feature) - shape(teacher_feature)).abs()
    return torch.where(gap < 1, gap * gap / 2, gap - 0.5).mean()
# %% what_else.5 | the rest as one logit, the others by a boolean mask, kl_div with log targets
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    n, c = student_logits.shape
    hit = F.one_hot(labels.long(), c).bool()

    def parts(logits):
        z = logits / temperature
        rest = z[~hit].reshape(n, c - 1)
        two = torch.stack([z[hit], rest.logsumexp(dim=1)], dim=1)
        return two.log_softmax(dim=1), rest.log_softmax(dim=1)

    s_two, s_rest = parts(student_logits)
    t_two, t_rest = parts(teacher_logits)
    tckd = F.kl_div(s_two, t_two, reduction="batchmean", log_target=True)
    nckd = F.kl_div(s_rest, t_rest, reduction="batchmean", log_target=True)
    return temperature**2 * (target * tckd + others * nckd)


# %% what_else.5 | one margin and logsigmoid, a loop over images
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    values = []
    for s, t, y in zip(student_logits / temperature, teacher_logits / temperature, labels.tolist()):
        s_rest = torch.cat([s[:y], s[y + 1 :]])
        t_rest = torch.cat([t[:y], t[y + 1 :]])
        s_margin = s[y] - torch.logsumexp(s_rest, 0)
        t_margin = t[y] - torch.logsumexp(t_rest, 0)
        tckd = torch.sigmoid(t_margin) * (F.logsigmoid(t_margin) - F.logsigmoid(s_margin))
        tckd = tckd + torch.sigmoid(-t_margin) * (F.logsigmoid(-t_margin) - F.logsigmoid(-s_margin))
        log_p = F.log_softmax(t_rest, 0)
        nckd = (log_p.exp() * (log_p - F.log_softmax(s_rest, 0))).sum()
        values.append(target * tckd + others * nckd)
    return temperature * temperature * torch.stack(values).mean()


# %% what_else.5 | all in log-probabilities, -inf at the label and the hole filled with 0
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    index = labels.view(-1, 1)
    hole = torch.zeros_like(student_logits, dtype=torch.bool).scatter(1, index, True)

    def logs(logits):
        full = F.log_softmax(logits / temperature, dim=1)
        rest = full.masked_fill(hole, -math.inf)
        together = torch.logsumexp(rest, dim=1, keepdim=True)
        return full.gather(1, index), together, rest - together

    s_hit, s_all, s_rest = logs(student_logits)
    t_hit, t_all, t_rest = logs(teacher_logits)
    tckd = t_hit.exp() * (t_hit - s_hit) + t_all.exp() * (t_all - s_all)
    gap = (t_rest - s_rest).masked_fill(hole, 0.0)
    nckd = (t_rest.exp() * gap).sum(dim=1, keepdim=True)
    return (temperature**2 * (target * tckd + others * nckd)).mean()


# %% what_else.5 | the label's column moved to the front by gather, cross entropies minus entropies
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    c = student_logits.shape[1]
    order = (labels.view(-1, 1) + torch.arange(c).view(1, -1)) % c  # starts at the label
    s = student_logits.gather(1, order) / temperature
    t = teacher_logits.gather(1, order) / temperature

    def kl(student, teacher):
        p = teacher.softmax(1)
        return F.cross_entropy(student, p) - F.cross_entropy(teacher, p)

    def two(x):
        return torch.cat([x[:, :1], x[:, 1:].logsumexp(1, keepdim=True)], dim=1)

    return temperature**2 * (target * kl(two(s), two(t)) + others * kl(s[:, 1:], t[:, 1:]))



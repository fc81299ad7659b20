"""Wrong answers to the exercises "What else to imitate", as learners would write them."""
import math

import numpy as np
import torch
from torch.nn import functional as F

# %% what_else.1 | takes attention and the hint without P for the same thing
loss_stays = {
    "soft targets: all logits are doubled": "above zero",
    "standardised logits: all logits are doubled": "zero",
    "RKD on features: all features are turned by one rotation": "zero",
    "attention: the channels change places": "zero",
    "a hint without a map A: the channels change places": "zero",
}

# %% what_else.1 | doubling keeps the order of the classes, so "the softmax does not notice"
loss_stays = {
    "soft targets: all logits are doubled": "zero",
    "standardised logits: all logits are doubled": "zero",
    "RKD on features: all features are turned by one rotation": "zero",
    "attention: the channels change places": "zero",
    "a hint without a map A: the channels change places": "above zero",
}

# %% what_else.1 | thinks that RKD compares directions of features, not distances
loss_stays = dict(
    zip(
        [
            "soft targets: all logits are doubled",
            "standardised logits: all logits are doubled",
            "RKD on features: all features are turned by one rotation",
            "attention: the channels change places",
            "a hint without a map A: the channels change places",
        ],
        ["above zero", "zero", "above zero", "zero", "above zero"],
    )
)

# %% what_else.1 | "loss stays?" read the other way round: does the loss notice it
loss_stays = {
    "soft targets: all logits are doubled": "zero",
    "standardised logits: all logits are doubled": "above zero",
    "RKD on features: all features are turned by one rotation": "above zero",
    "attention: the channels change places": "above zero",
    "a hint without a map A: the channels change places": "zero",
}

# %% what_else.2 | the paper's public code: mean of squares over all places and images
def attention(student_feature, teacher_feature):
    def at(x):
        return F.normalize(x.pow(2).mean(1).view(x.size(0), -1))

    return (at(student_feature) - at(teacher_feature)).pow(2).mean()


# %% what_else.2 | no guard: an image of zeros gives 0 / 0
def attention(student_feature, teacher_feature):
    s = (student_feature**2).sum(1).flatten(1)
    t = (teacher_feature**2).sum(1).flatten(1)
    s = s / s.norm(dim=1, keepdim=True)
    t = t / t.norm(dim=1, keepdim=True)
    return (s - t).norm(dim=1).mean()


# %% what_else.2 | images with a map of zeros on either side are left out of the mean
def attention(student_feature, teacher_feature):
    s = student_feature.pow(2).sum(1).flatten(1)
    t = teacher_feature.pow(2).sum(1).flatten(1)
    keep = (s.sum(1) > 0) & (t.sum(1) > 0)
    if not keep.any():
        return student_feature.sum() * 0
    s, t = s[keep], t[keep]
    s = s / s.norm(dim=1, keepdim=True)
    t = t / t.norm(dim=1, keepdim=True)
    return (s - t).norm(dim=1).mean()


# %% what_else.2 | normalised before it is flattened: each row of the picture has length 1
def attention(student_feature, teacher_feature):
    s = F.normalize(student_feature.square().sum(dim=1), dim=-1).flatten(1)
    t = F.normalize(teacher_feature.square().sum(dim=1), dim=-1).flatten(1)
    return torch.linalg.vector_norm(s - t, dim=1).mean()


# %% what_else.2 | einsum slip: the square of the sum instead of the sum of the squares
def attention(student_feature, teacher_feature):
    def look(x):
        m = torch.einsum("nchw,ndhw->nhw", x, x).flatten(1)
        return F.normalize(m, dim=1)

    return (look(student_feature) - look(teacher_feature)).norm(dim=1).mean()


# %% what_else.2 | one norm over the whole batch, divided by the number of images
def attention(student_feature, teacher_feature):
    n = student_feature.shape[0]
    s = F.normalize(student_feature.pow(2).sum(1).reshape(n, -1))
    t = F.normalize(teacher_feature.pow(2).sum(1).reshape(n, -1))
    return torch.norm(s - t) / n


# %% what_else.2 | 1e-6 added to the length: swallows small features
def attention(student_feature, teacher_feature):
    eps = 1e-6
    maps = []
    for feature in (student_feature, teacher_feature):
        m = feature.pow(2).sum(1).flatten(1)
        length = m.pow(2).sum(1, keepdim=True).sqrt()
        maps.append(m / (length + eps))
    return (maps[0] - maps[1]).norm(dim=1).mean()


# %% what_else.2 | numpy: the value is right, no gradient reaches the student
def attention(student_feature, teacher_feature):
    def look(x):
        a = (x.detach().cpu().numpy() ** 2).sum(axis=1).reshape(len(x), -1)
        length = np.sqrt((a**2).sum(axis=1, keepdims=True))
        return np.divide(a, length, out=np.zeros_like(a), where=length > 0)

    gap = look(student_feature) - look(teacher_feature)
    return float(np.sqrt((gap**2).sum(axis=1)).mean())


# %% what_else.2 | one minus the cosine of the maps, "the same for unit vectors"
def attention(student_feature, teacher_feature):
    s = student_feature.pow(2).sum(1).flatten(1)
    t = teacher_feature.pow(2).sum(1).flatten(1)
    return (1 - F.cosine_similarity(s, t, dim=1)).mean()


# %% what_else.2 | pow_ works in place: the caller's features are changed (and a leaf that needs a gradient raises)
def attention(student_feature, teacher_feature):
    s = student_feature.pow_(2).sum(1).flatten(1)
    t = teacher_feature.pow_(2).sum(1).flatten(1)
    return (F.normalize(s, eps=1e-30) - F.normalize(t, eps=1e-30)).norm(dim=1).mean()


# %% what_else.2 | "safe" root against NaN gradients: equal maps no longer get 0
def attention(student_feature, teacher_feature):
    def unit(x):
        m = x.pow(2).sum(1).flatten(1)
        return m / torch.sqrt(m.pow(2).sum(1, keepdim=True) + 1e-12)

    gap = unit(student_feature) - unit(teacher_feature)
    return torch.sqrt(gap.pow(2).sum(1) + 1e-6).mean()


# %% what_else.3 | layer_norm: the spread over n, not n - 1
def mended(student_logits, teacher_logits, temperature):
    shape = student_logits.shape[1:]
    log_q = F.log_softmax(F.layer_norm(student_logits, shape) / temperature, dim=1)
    p = F.softmax(F.layer_norm(teacher_logits, shape) / temperature, dim=1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


# %% what_else.3 | divides by T before standardising: T falls out
def mended(student_logits, teacher_logits, temperature):
    def z(logits):
        return (logits - logits.mean(1, keepdim=True)) / logits.std(1, keepdim=True)

    log_q = F.log_softmax(z(student_logits / temperature), dim=1)
    p = F.softmax(z(teacher_logits / temperature), dim=1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


# %% what_else.3 | both sides with the teacher's mean and spread
def mended(student_logits, teacher_logits, temperature):
    centre = teacher_logits.mean(dim=1, keepdim=True)
    spread = teacher_logits.std(dim=1, keepdim=True)
    log_q = F.log_softmax((student_logits - centre) / spread / temperature, dim=1)
    p = F.softmax((teacher_logits - centre) / spread / temperature, dim=1)
    return temperature**2 * F.kl_div(log_q, p, reduction="batchmean")


# %% what_else.3 | keepdim forgotten: fails, or for N = C takes the other images' means
def mended(student_logits, teacher_logits, temperature):
    def z(logits):
        return (logits - logits.mean(dim=1)) / logits.std(dim=1)

    log_q = F.log_softmax(z(student_logits) / temperature, dim=1)
    p = F.softmax(z(teacher_logits) / temperature, dim=1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


# %% what_else.3 | "the mean over images" read as reduction="mean": the classes are averaged too
def mended(student_logits, teacher_logits, temperature):
    def z(logits):
        return (logits - logits.mean(dim=1, keepdim=True)) / logits.std(dim=1, keepdim=True)

    log_q = F.log_softmax(z(student_logits) / temperature, dim=1)
    p = F.softmax(z(teacher_logits) / temperature, dim=1)
    return F.kl_div(log_q, p, reduction="mean") * temperature**2


# %% what_else.3 | only the mean was mended: the spread still is the batch's
def mended(student_logits, teacher_logits, temperature):
    def z(logits):
        return (logits - logits.mean(dim=-1, keepdim=True)) / logits.std()

    log_q = F.log_softmax(z(student_logits) / temperature, dim=-1)
    p = F.softmax(z(teacher_logits) / temperature, dim=-1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


# %% what_else.3 | log_target=True copied along, but p is a probability
def mended(student_logits, teacher_logits, temperature):
    def z(x):
        return (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)

    log_q = F.log_softmax(z(student_logits) / temperature, 1)
    p = F.softmax(z(teacher_logits) / temperature, 1)
    return F.kl_div(log_q, p, reduction="batchmean", log_target=True) * temperature**2


# %% what_else.3 | no_grad meant for the teacher lies around both: the gradient is cut, the value is right
def mended(student_logits, teacher_logits, temperature):
    @torch.no_grad()
    def z(logits):
        return (logits - logits.mean(1, keepdim=True)) / logits.std(1, keepdim=True)

    log_q = F.log_softmax(z(student_logits) / temperature, dim=1)
    p = F.softmax(z(teacher_logits) / temperature, dim=1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


# %% what_else.3 | batch statistics as in batch norm: each class over the images
def mended(student_logits, teacher_logits, temperature):
    def z(logits):
        mean = logits.mean(dim=0, keepdim=True)
        std = logits.std(dim=0, keepdim=True)
        return (logits - mean) / (std + 1e-7)

    log_q = F.log_softmax(z(student_logits) / temperature, dim=1)
    p = F.softmax(z(teacher_logits) / temperature, dim=1)
    return temperature**2 * F.kl_div(log_q, p, reduction="batchmean")


# %% what_else.3 | two of the three bugs mended: the teacher is still not standardised
def mended(student_logits, teacher_logits, temperature):
    def z(logits):
        return (logits - logits.mean(dim=1, keepdim=True)) / logits.std(dim=1, keepdim=True)

    log_q = F.log_softmax(z(student_logits) / temperature, dim=1)
    p = F.softmax(teacher_logits / temperature, dim=1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


# %% what_else.4 | RKD's public pdist: two equal images are 1e-6 apart and count as "above 0"
def shape_loss(student_feature, teacher_feature):
    def pdist(e, eps=1e-12):
        e_square = e.pow(2).sum(dim=1)
        prod = e @ e.t()
        res = (e_square.unsqueeze(1) + e_square.unsqueeze(0) - 2 * prod).clamp(min=eps).sqrt()
        res = res.clone()
        res[range(len(e)), range(len(e))] = 0
        return res

    with torch.no_grad():
        t_d = pdist(teacher_feature)
        t_d = t_d / t_d[t_d > 0].mean()
    d = pdist(student_feature)
    d = d / d[d > 0].mean()
    return F.smooth_l1_loss(d, t_d)


# %% what_else.4 | leaves only the diagonal out of the mean: equal images count with 0
def shape_loss(student_feature, teacher_feature):
    n = len(student_feature)

    def shape(x):
        d = torch.cdist(x, x)
        return d / (d.sum() / (n * (n - 1)))

    return F.smooth_l1_loss(shape(student_feature), shape(teacher_feature))


# %% what_else.4 | the teacher's mean for both networks
def shape_loss(student_feature, teacher_feature):
    s = torch.cdist(student_feature, student_feature)
    t = torch.cdist(teacher_feature, teacher_feature)
    mean = t[t > 0].mean()
    return F.smooth_l1_loss(s / mean, t / mean)


# %% what_else.4 | Huber by hand without the -1/2: wrong only where the shapes differ by more than 1
def shape_loss(student_feature, teacher_feature):
    ds = torch.cdist(student_feature, student_feature)
    dt = torch.cdist(teacher_feature, teacher_feature)
    gap = ds / ds[ds > 0].mean() - dt / dt[dt > 0].mean()
    loss = torch.where(gap.abs() < 1, 0.5 * gap**2, gap.abs())
    return loss.mean()


# %% what_else.4 | summed and divided by the number of images, like batchmean
def shape_loss(student_feature, teacher_feature):
    def shape(x):
        d = torch.cdist(x, x)
        return d / d[d > 0].mean()

    return F.smooth_l1_loss(shape(student_feature), shape(teacher_feature), reduction="sum") / student_feature.size(0)


# %% what_else.4 | a plain root at distance 0: the value is right, the gradient is NaN
def shape_loss(student_feature, teacher_feature):
    def shape(x):
        d = ((x[:, None] - x[None]) ** 2).sum(-1).sqrt()
        return d / d[d > 0].mean()

    return F.smooth_l1_loss(shape(student_feature), shape(teacher_feature))


# %% what_else.4 | features are brought to length 1 first, as in contrastive losses
def shape_loss(student_feature, teacher_feature):
    def shape(x):
        x = F.normalize(x, dim=1)
        d = torch.cdist(x, x)
        return d / d[d > 0].mean().clamp(min=1e-12)

    return F.smooth_l1_loss(shape(student_feature), shape(teacher_feature))


# %% what_else.4 | "its own mean" taken image by image: each row has its own
def shape_loss(student_feature, teacher_feature):
    shapes = []
    for x in (student_feature, teacher_feature):
        d = torch.cdist(x, x)
        mean = d.sum(1, keepdim=True) / (d > 0).sum(1, keepdim=True).clamp(min=1)
        shapes.append(d / mean.clamp(min=1e-12))
    return F.smooth_l1_loss(*shapes)


# %% what_else.4 | each pair once with triu, but the mean over N * N places: half of the loss
def shape_loss(student_feature, teacher_feature):
    def shape(x):
        d = torch.triu(torch.cdist(x, x), diagonal=1)
        return d / d[d > 0].mean()

    return F.smooth_l1_loss(shape(student_feature), shape(teacher_feature))


# %% what_else.4 | the wrong side is detached: the value is right, no gradient for the student
def shape_loss(student_feature, teacher_feature):
    fixed = student_feature.detach()
    free = teacher_feature
    d_fixed, d_free = torch.cdist(fixed, fixed), torch.cdist(free, free)
    return F.smooth_l1_loss(d_free / d_free[d_free > 0].mean(), d_fixed / d_fixed[d_fixed > 0].mean())
# %% what_else.5 | DKD's public code: log of probabilities that have rounded to 0
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    def cat_mask(t, mask1, mask2):
        t1 = (t * mask1).sum(dim=1, keepdims=True)
        t2 = (t * mask2).sum(1, keepdims=True)
        return torch.cat([t1, t2], dim=1)

    gt_mask = torch.zeros_like(student_logits).scatter_(1, labels.unsqueeze(1), 1).bool()
    other_mask = ~gt_mask
    pred_student = F.softmax(student_logits / temperature, dim=1)
    pred_teacher = F.softmax(teacher_logits / temperature, dim=1)
    pred_student = cat_mask(pred_student, gt_mask, other_mask)
    pred_teacher = cat_mask(pred_teacher, gt_mask, other_mask)
    log_pred_student = torch.log(pred_student)
    tckd_loss = F.kl_div(log_pred_student, pred_teacher, reduction="sum") * (temperature**2) / labels.shape[0]
    pred_teacher_part2 = F.softmax(teacher_logits / temperature - 1000.0 * gt_mask, dim=1)
    log_pred_student_part2 = F.log_softmax(student_logits / temperature - 1000.0 * gt_mask, dim=1)
    nckd_loss = (
        F.kl_div(log_pred_student_part2, pred_teacher_part2, reduction="sum") * (temperature**2) / labels.shape[0]
    )
    return target * tckd_loss + others * nckd_loss


# %% what_else.5 | clamped at 1e-8: finite, but too small for extreme logits
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    eps = 1e-8
    q = F.softmax(student_logits / temperature, 1)
    p = F.softmax(teacher_logits / temperature, 1)
    rows = torch.arange(len(labels))
    keep = torch.ones_like(q, dtype=torch.bool)
    keep[rows, labels] = False
    q_rest, p_rest = q[keep].view(len(q), -1), p[keep].view(len(p), -1)
    q2 = torch.stack([q[rows, labels], q_rest.sum(1)], 1).clamp(min=eps)
    p2 = torch.stack([p[rows, labels], p_rest.sum(1)], 1).clamp(min=eps)
    q3 = (q_rest / q_rest.sum(1, keepdim=True).clamp(min=eps)).clamp(min=eps)
    p3 = (p_rest / p_rest.sum(1, keepdim=True).clamp(min=eps)).clamp(min=eps)
    tckd = (p2 * (p2 / q2).log()).sum(1)
    nckd = (p3 * (p3 / q3).log()).sum(1)
    return temperature**2 * (target * tckd + others * nckd).mean()


# %% what_else.5 | logsumexp for the two, but the label is only pushed down by 1000, too little for 600 against -600
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    s, t = student_logits / temperature, teacher_logits / temperature
    mask = F.one_hot(labels, s.shape[1]).bool()

    def two(x):
        rest = torch.logsumexp(x.masked_fill(mask, float("-inf")), dim=1)
        return F.log_softmax(torch.stack([x[mask], rest], dim=1), dim=1)

    tckd = F.kl_div(two(s), two(t), log_target=True, reduction="batchmean")
    nckd = F.kl_div(
        F.log_softmax(s - 1000.0 * mask, dim=1),
        F.log_softmax(t - 1000.0 * mask, dim=1),
        log_target=True,
        reduction="batchmean",
    )
    return temperature**2 * (target * tckd + others * nckd)


# %% what_else.5 | -inf at the label and then kl_div: 0 times -inf is NaN
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    s, t = student_logits / temperature, teacher_logits / temperature
    hole = F.one_hot(labels, s.size(1)).bool()
    s_rest, t_rest = s.masked_fill(hole, -math.inf), t.masked_fill(hole, -math.inf)
    s_two = torch.stack([s[hole], s_rest.logsumexp(1)], 1).log_softmax(1)
    t_two = torch.stack([t[hole], t_rest.logsumexp(1)], 1).softmax(1)
    tckd = F.kl_div(s_two, t_two, reduction="batchmean")
    nckd = F.kl_div(s_rest.log_softmax(1), t_rest.softmax(1), reduction="batchmean")
    return temperature**2 * (target * tckd + others * nckd)


# %% what_else.5 | keeps the weight 1 - p of the derivation: with target = others = 1 it is plain distillation
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    log_p = F.log_softmax(teacher_logits / temperature, dim=1)
    full = (log_p.exp() * (log_p - log_q)).sum(1)

    def two(logits):
        z = logits / temperature
        hit = F.one_hot(labels, z.shape[1]).bool()
        rest = z[~hit].view(len(z), -1).logsumexp(1)
        return F.log_softmax(torch.stack([z[hit], rest], 1), 1)

    a, b = two(teacher_logits), two(student_logits)
    tckd = (a.exp() * (a - b)).sum(1)
    nckd = full - tckd  # KD = TCKD + (1 - p) NCKD
    return temperature**2 * (target * tckd + others * nckd).mean()


# %% what_else.5 | takes the label out by its value: ties with the label go too
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    total = 0.0
    for i in range(len(labels)):
        s, t, y = student_logits[i] / temperature, teacher_logits[i] / temperature, int(labels[i])
        other = t != t[y]
        s_rest, t_rest = s[other], t[other]
        s2 = torch.stack([s[y], torch.logsumexp(s_rest, 0)]).log_softmax(0)
        t2 = torch.stack([t[y], torch.logsumexp(t_rest, 0)]).log_softmax(0)
        tckd = (t2.exp() * (t2 - s2)).sum()
        ls, lt = s_rest.log_softmax(0), t_rest.log_softmax(0)
        nckd = (lt.exp() * (lt - ls)).sum()
        total = total + target * tckd + others * nckd
    return temperature**2 * total / len(labels)


# %% what_else.5 | a bracket missing: T squared reaches only the first part
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    n, c = teacher_logits.shape
    s, t = student_logits / temperature, teacher_logits / temperature
    hit = torch.arange(c) == labels[:, None]
    s_rest, t_rest = s[~hit].view(n, c - 1), t[~hit].view(n, c - 1)
    s_two = torch.log_softmax(torch.stack((s[hit], s_rest.logsumexp(1)), 1), 1)
    t_two = torch.softmax(torch.stack((t[hit], t_rest.logsumexp(1)), 1), 1)
    tckd = F.kl_div(s_two, t_two, reduction="batchmean")
    nckd = F.kl_div(torch.log_softmax(s_rest, 1), torch.softmax(t_rest, 1), reduction="batchmean")
    return temperature**2 * target * tckd + others * nckd


# %% what_else.5 | the label's logit is multiplied by 0 instead of taken out: it still is one of the others
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    s, t = student_logits / temperature, teacher_logits / temperature
    keep = 1 - F.one_hot(labels, s.shape[1]).to(s.dtype)
    pick = labels.unsqueeze(1)
    s_rest = torch.logsumexp(s + torch.log(keep), dim=1, keepdim=True)
    t_rest = torch.logsumexp(t + torch.log(keep), dim=1, keepdim=True)
    s_two = F.log_softmax(torch.cat([s.gather(1, pick), s_rest], 1), dim=1)
    t_two = F.softmax(torch.cat([t.gather(1, pick), t_rest], 1), dim=1)
    tckd = F.kl_div(s_two, t_two, reduction="batchmean")
    nckd = F.kl_div(F.log_softmax(s * keep, dim=1), F.softmax(t * keep, dim=1), reduction="batchmean")
    return temperature**2 * (target * tckd + others * nckd)


# %% what_else.5 | a boolean mask flattens: the softmax of the others runs over the whole batch
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    s, t = student_logits / temperature, teacher_logits / temperature
    mask = F.one_hot(labels, s.shape[1]).bool()
    s_bin = s[mask] - torch.logsumexp(s.masked_fill(mask, -torch.inf), 1)
    t_bin = t[mask] - torch.logsumexp(t.masked_fill(mask, -torch.inf), 1)
    p = torch.sigmoid(t_bin)
    tckd = p * (F.logsigmoid(t_bin) - F.logsigmoid(s_bin)) + (1 - p) * (F.logsigmoid(-t_bin) - F.logsigmoid(-s_bin))
    log_q = F.log_softmax(s[~mask], dim=-1)
    log_p = F.log_softmax(t[~mask], dim=-1)
    nckd = (log_p.exp() * (log_p - log_q)).sum(-1)
    return temperature**2 * (target * tckd.mean() + others * nckd)


# %% what_else.5 | torch.distributions: the KL is infinite where the student's probability rounds to 0
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    from torch.distributions import Bernoulli, Categorical, kl_divergence

    n, c = student_logits.shape
    hit = F.one_hot(labels, c).bool()
    s, t = student_logits / temperature, teacher_logits / temperature
    s_rest, t_rest = s[~hit].view(n, c - 1), t[~hit].view(n, c - 1)
    tckd = kl_divergence(Bernoulli(logits=t[hit] - t_rest.logsumexp(1)), Bernoulli(logits=s[hit] - s_rest.logsumexp(1)))
    nckd = kl_divergence(Categorical(logits=t_rest), Categorical(logits=s_rest))
    return temperature**2 * (target * tckd + others * nckd).mean()


# %% what_else.5 | kl_div's arguments in the order of the text, (teacher, student): the divergence is turned round
def decoupled(student_logits, teacher_logits, labels, temperature, target, others):
    def split(logits):
        z = logits / temperature
        c = z.shape[1]
        rest = torch.stack([torch.cat((row[:y], row[y + 1 :])) for row, y in zip(z, labels.tolist())])
        own = z[torch.arange(len(z)), labels]
        return F.log_softmax(torch.stack([own, rest.logsumexp(1)], 1), 1), F.log_softmax(rest, 1)

    s_two, s_rest = split(student_logits)
    t_two, t_rest = split(teacher_logits)
    kl = lambda a, b: F.kl_div(a, b, reduction="batchmean", log_target=True)
    return temperature**2 * (target * kl(t_two, s_two) + others * kl(t_rest, s_rest))



"""Twenty-one right answers to the exercises on language models."""
import math

import numpy as np
import torch
import torch.nn.functional as F

# %% language_models.1 | typed in by hand
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "stays",
    "beta = 0.5: 5 is added to all the student's logits": "stays",
    "beta = 0.5: student and teacher change places": "stays",
    "beta = 0: student and teacher change places": "moves",
    "beta goes from 0 to 0.01": "moves",
}

# %% language_models.1 | computed with an own loss in torch
def measure(student, teacher, mask, beta):
    p, q = teacher.softmax(-1), student.softmax(-1)
    m = beta * p + (1 - beta) * q
    kl = lambda a, b: (a * (a / b).log()).sum(-1)
    if beta == 0:
        loss = kl(p, q)
    elif beta == 1:
        loss = kl(q, p)
    else:
        loss = beta * kl(p, m) + (1 - beta) * kl(q, m)
    return loss[mask].mean().item()


generator = torch.Generator().manual_seed(0)
student = torch.randn(4, 6, 9, generator=generator, dtype=torch.float64)
teacher = torch.randn(4, 6, 9, generator=generator, dtype=torch.float64)
mask = torch.ones(4, 6, dtype=torch.bool)
mask[:, -2:] = False
anew = student.clone()
anew[:, -2:] = torch.randn(4, 2, 9, generator=generator, dtype=torch.float64)
half, end = measure(student, teacher, mask, 0.5), measure(student, teacher, mask, 0)
pairs = {
    "beta = 0.5: the student's logits at the padding are drawn anew": (half, measure(anew, teacher, mask, 0.5)),
    "beta = 0.5: 5 is added to all the student's logits": (half, measure(student + 5, teacher, mask, 0.5)),
    "beta = 0.5: student and teacher change places": (half, measure(teacher, student, mask, 0.5)),
    "beta = 0: student and teacher change places": (end, measure(teacher, student, mask, 0)),
    "beta goes from 0 to 0.01": (end, measure(student, teacher, mask, 0.01)),
}
moves = {name: "moves" if abs(a - b) > 1e-6 else "stays" for name, (a, b) in pairs.items()}

# %% language_models.1 | starts with stays everywhere, then names those that move
names = [
    "beta = 0.5: the student's logits at the padding are drawn anew",
    "beta = 0.5: 5 is added to all the student's logits",
    "beta = 0.5: student and teacher change places",
    "beta = 0: student and teacher change places",
    "beta goes from 0 to 0.01",
]
moves = dict.fromkeys(names, "stays")
moves.update({name: "moves" for name in names[3:]})

# %% language_models.1 | measured in numpy on plain distributions
def _loss(q, p, beta):
    if beta == 0:
        return float((p * np.log(p / q)).sum(-1).mean())
    m = beta * p + (1 - beta) * q
    both = beta * p * np.log(p / m) + (1 - beta) * q * np.log(q / m)
    return float(both.sum(-1).mean())


def _soft(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


_rng = np.random.default_rng(3)
_zs, _zt = _rng.normal(size=(4, 6, 9)), _rng.normal(size=(4, 6, 9))
_other = _zs.copy()
_other[:, 4:] = _rng.normal(size=(4, 2, 9))
_q, _p, _o, _five = (_soft(z)[:, :4] for z in (_zs, _zt, _other, _zs + 5))
_differences = [
    _loss(_o, _p, 0.5) - _loss(_q, _p, 0.5),
    _loss(_five, _p, 0.5) - _loss(_q, _p, 0.5),
    _loss(_p, _q, 0.5) - _loss(_q, _p, 0.5),
    _loss(_p, _q, 0) - _loss(_q, _p, 0),
    _loss(_q, _p, 0.01) - _loss(_q, _p, 0),
]
_names = (
    "beta = 0.5: the student's logits at the padding are drawn anew",
    "beta = 0.5: 5 is added to all the student's logits",
    "beta = 0.5: student and teacher change places",
    "beta = 0: student and teacher change places",
    "beta goes from 0 to 0.01",
)
moves = {n: ("stays", "moves")[int(abs(d) > 1e-6)] for n, d in zip(_names, _differences)}

# %% language_models.2 | vectorised with positions
def counted(sentences, prompt):
    positions = torch.arange(1, sentences.shape[1], device=sentences.device)
    return (sentences[:, 1:] != 0) & (positions >= prompt)

# %% language_models.2 | two plain loops
def counted(sentences, prompt):
    rows, length = sentences.shape
    mask = torch.zeros(rows, length - 1, dtype=torch.bool)
    for i in range(rows):
        for j in range(length - 1):
            if j + 1 >= prompt and sentences[i, j + 1].item() != 0:
                mask[i, j] = True
    return mask

# %% language_models.2 | numpy: number of the token compared with both borders
def counted(sentences, prompt):
    ids = sentences.cpu().numpy()
    lengths = (ids != 0).sum(axis=1)[:, None]
    number = np.arange(1, ids.shape[1])[None, :]
    return torch.from_numpy((number >= prompt) & (number < lengths))

# %% language_models.2 | masks the whole rows first, cuts the first column last
def counted(sentences, prompt):
    mask = sentences.ne(0)
    mask[:, :prompt] = False
    return mask[:, 1:]

# %% language_models.3 | log space with a helper for the KL
def jsd(student_logits, teacher_logits, beta):
    def kl(a, b):
        return (a.exp() * (a - b)).sum(-1)

    log_p = F.log_softmax(teacher_logits, dim=-1)
    log_q = F.log_softmax(student_logits, dim=-1)
    if beta == 0:
        return kl(log_p, log_q).mean()
    if beta == 1:
        return kl(log_q, log_p).mean()
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    return (beta * kl(log_p, log_m) + (1 - beta) * kl(log_q, log_m)).mean()

# %% language_models.3 | F.kl_div with batchmean after flattening to tokens
def jsd(student_logits, teacher_logits, beta):
    words = student_logits.shape[-1]
    log_q = student_logits.reshape(-1, words).log_softmax(-1)
    log_p = teacher_logits.reshape(-1, words).log_softmax(-1)
    options = dict(reduction="batchmean", log_target=True)
    if beta == 0:
        return F.kl_div(log_q, log_p, **options)
    if beta == 1:
        return F.kl_div(log_p, log_q, **options)
    log_m = torch.stack([log_p + math.log(beta), log_q + math.log(1 - beta)]).logsumexp(0)
    return beta * F.kl_div(log_m, log_p, **options) + (1 - beta) * F.kl_div(log_m, log_q, **options)

# %% language_models.3 | a loop over the tokens, one loss at a time
def jsd(student_logits, teacher_logits, beta):
    words = student_logits.shape[-1]
    losses = []
    for s, t in zip(student_logits.reshape(-1, words), teacher_logits.reshape(-1, words)):
        log_q = s - torch.logsumexp(s, 0)
        log_p = t - torch.logsumexp(t, 0)
        if beta == 0:
            loss = torch.dot(log_p.exp(), log_p - log_q)
        elif beta == 1:
            loss = torch.dot(log_q.exp(), log_q - log_p)
        else:
            log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
            loss = beta * torch.dot(log_p.exp(), log_p - log_m)
            loss = loss + (1 - beta) * torch.dot(log_q.exp(), log_q - log_m)
        losses.append(loss)
    return torch.stack(losses).mean()

# %% language_models.3 | recursion over the leading dimensions, ends by exchanged roles
def jsd(student_logits, teacher_logits, beta):
    def walk(s, t, b):
        if s.dim() > 1:
            return torch.stack([walk(a, c, b) for a, c in zip(s, t)]).mean()
        if b == 1:
            return walk(t, s, 0)
        log_q, log_p = s.log_softmax(0), t.log_softmax(0)
        if b == 0:
            return (log_p.exp() * (log_p - log_q)).sum()
        log_m = torch.logaddexp(log_p + math.log(b), log_q + math.log(1 - b))
        first = (log_p.exp() * (log_p - log_m)).sum()
        second = (log_q.exp() * (log_q - log_m)).sum()
        return b * first + (1 - b) * second

    return walk(student_logits, teacher_logits, beta)

# %% language_models.4 | gather and xlogy
def from_file(student_logits, ids, shares):
    p = shares / shares.sum(-1, keepdim=True)
    log_q = F.log_softmax(student_logits, dim=-1).gather(-1, ids)
    return (torch.xlogy(p, p) - p * log_q).sum(-1).mean()

# %% language_models.4 | scatters into the whole vocabulary, then F.kl_div
def from_file(student_logits, ids, shares):
    whole = torch.zeros_like(student_logits).scatter(-1, ids, shares.to(student_logits.dtype))
    whole = F.normalize(whole, p=1, dim=-1)
    return F.kl_div(student_logits.log_softmax(-1), whole, reduction="batchmean")

# %% language_models.4 | two loops over rows and kept words
def from_file(student_logits, ids, shares):
    total = student_logits.new_zeros(())
    for row in range(len(ids)):
        rest = torch.logsumexp(student_logits[row], dim=0)
        weight = sum(float(s) for s in shares[row])
        for word, share in zip(ids[row].tolist(), shares[row].tolist()):
            p = share / weight
            if p > 0:
                total = total + p * (math.log(p) - (student_logits[row, word] - rest))
    return total / len(ids)

# %% language_models.4 | numpy in double precision, a tensor comes back
def from_file(student_logits, ids, shares):
    z = student_logits.detach().cpu().double().numpy()
    kept = ids.cpu().numpy()
    p = shares.detach().cpu().double().numpy()
    p = p / p.sum(axis=1, keepdims=True)
    z = z - z.max(axis=1, keepdims=True)
    log_q = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    log_q = np.take_along_axis(log_q, kept, axis=1)
    log_p = np.log(np.where(p > 0, p, 1.0))
    value = (p * (log_p - log_q)).sum(axis=1).mean()
    return torch.tensor(value, dtype=student_logits.dtype)

# %% language_models.5 | vectorised with gather and one_hot
def sampled_pull(student_logits, teacher_logits, said):
    log_q = F.log_softmax(student_logits, dim=-1)
    log_p = F.log_softmax(teacher_logits, dim=-1)
    excess = (log_q - log_p).gather(-1, said.unsqueeze(-1))
    one_hot = F.one_hot(said, student_logits.shape[-1]).to(log_q.dtype)
    return excess * (one_hot - log_q.exp()) / student_logits.shape[0]

# %% language_models.5 | autograd of the detached excess times log q
def sampled_pull(student_logits, teacher_logits, said):
    with torch.enable_grad():
        z = student_logits.detach().clone().requires_grad_(True)
        log_q = -F.cross_entropy(z, said, reduction="none")
        log_p = -F.cross_entropy(teacher_logits.detach(), said, reduction="none")
        surrogate = ((log_q - log_p).detach() * log_q).mean()
        (gradient,) = torch.autograd.grad(surrogate, z)
    return gradient

# %% language_models.5 | a loop over the rows, entry by entry
def sampled_pull(student_logits, teacher_logits, said):
    rows, words = student_logits.shape
    result = torch.zeros_like(student_logits)
    for i in range(rows):
        log_q = student_logits[i] - torch.logsumexp(student_logits[i], 0)
        log_p = teacher_logits[i] - torch.logsumexp(teacher_logits[i], 0)
        word = int(said[i])
        excess = log_q[word] - log_p[word]
        for j in range(words):
            hot = 1.0 if j == word else 0.0
            result[i, j] = excess * (hot - log_q[j].exp()) / rows
    return result

# %% language_models.5 | numpy with the identity matrix as one-hot table
def sampled_pull(student_logits, teacher_logits, said):
    def log_soft(logits):
        z = logits.detach().cpu().double().numpy()
        z = z - z.max(axis=1, keepdims=True)
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    log_q, log_p = log_soft(student_logits), log_soft(teacher_logits)
    words = said.cpu().numpy()
    rows = np.arange(len(words))
    excess = log_q[rows, words] - log_p[rows, words]
    pull = excess[:, None] * (np.eye(log_q.shape[1])[words] - np.exp(log_q)) / len(words)
    return torch.from_numpy(pull).to(student_logits.dtype)

# %% language_models.2 | weights 0.0 and 1.0, which the text allows
def counted(sentences, prompt):
    weights = (sentences[:, 1:] != 0).float()
    weights[:, :prompt - 1] = 0.0
    return weights

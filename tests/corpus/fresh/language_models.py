"""Fifty-nine wrong answers to the exercises on language models."""
import math

import numpy as np
import torch
import torch.nn.functional as F

# %% language_models.1 | thinks that the mask only counts tokens and does not hide padding
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "moves",
    "beta = 0.5: 5 is added to all the student's logits": "stays",
    "beta = 0.5: student and teacher change places": "stays",
    "beta = 0: student and teacher change places": "moves",
    "beta goes from 0 to 0.01": "moves",
}

# %% language_models.1 | thinks that larger logits always mean other probabilities
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "stays",
    "beta = 0.5: 5 is added to all the student's logits": "moves",
    "beta = 0.5: student and teacher change places": "stays",
    "beta = 0: student and teacher change places": "moves",
    "beta goes from 0 to 0.01": "moves",
}

# %% language_models.1 | thinks that no KL-like loss is symmetric, not even at beta 0.5
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "stays",
    "beta = 0.5: 5 is added to all the student's logits": "stays",
    "beta = 0.5: student and teacher change places": "moves",
    "beta = 0: student and teacher change places": "moves",
    "beta goes from 0 to 0.01": "moves",
}

# %% language_models.1 | thinks that KL is a distance, so changing places never matters
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "stays",
    "beta = 0.5: 5 is added to all the student's logits": "stays",
    "beta = 0.5: student and teacher change places": "stays",
    "beta = 0: student and teacher change places": "stays",
    "beta goes from 0 to 0.01": "moves",
}

# %% language_models.1 | thinks that a small step of beta makes a negligible step of the loss
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "stays",
    "beta = 0.5: 5 is added to all the student's logits": "stays",
    "beta = 0.5: student and teacher change places": "stays",
    "beta = 0: student and teacher change places": "moves",
    "beta goes from 0 to 0.01": "stays",
}

# %% language_models.1 | trusts the formula at beta 0: 0 whoever is who, and nearly 0 beside it
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "stays",
    "beta = 0.5: 5 is added to all the student's logits": "stays",
    "beta = 0.5: student and teacher change places": "stays",
    "beta = 0: student and teacher change places": "stays",
    "beta goes from 0 to 0.01": "stays",
}

# %% language_models.1 | thinks that whatever is changed must change the loss
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "moves",
    "beta = 0.5: 5 is added to all the student's logits": "moves",
    "beta = 0.5: student and teacher change places": "moves",
    "beta = 0: student and teacher change places": "moves",
    "beta goes from 0 to 0.01": "moves",
}

# %% language_models.1 | roles always matter, a tiny change of beta does not
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "stays",
    "beta = 0.5: 5 is added to all the student's logits": "stays",
    "beta = 0.5: student and teacher change places": "moves",
    "beta = 0: student and teacher change places": "moves",
    "beta goes from 0 to 0.01": "stays",
}

# %% language_models.1 | has the symmetric beta the wrong way round: 0 instead of 0.5
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "stays",
    "beta = 0.5: 5 is added to all the student's logits": "stays",
    "beta = 0.5: student and teacher change places": "moves",
    "beta = 0: student and teacher change places": "stays",
    "beta goes from 0 to 0.01": "moves",
}

# %% language_models.1 | reads the two words the wrong way round
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "moves",
    "beta = 0.5: 5 is added to all the student's logits": "moves",
    "beta = 0.5: student and teacher change places": "moves",
    "beta = 0: student and teacher change places": "stays",
    "beta goes from 0 to 0.01": "stays",
}

# %% language_models.1 | any change of a logit moves the loss, knows the rest
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "moves",
    "beta = 0.5: 5 is added to all the student's logits": "moves",
    "beta = 0.5: student and teacher change places": "stays",
    "beta = 0: student and teacher change places": "moves",
    "beta goes from 0 to 0.01": "moves",
}

# %% language_models.1 | shift scales the probabilities up, beta is continuous at 0
moves = {
    "beta = 0.5: the student's logits at the padding are drawn anew": "stays",
    "beta = 0.5: 5 is added to all the student's logits": "moves",
    "beta = 0.5: student and teacher change places": "stays",
    "beta = 0: student and teacher change places": "moves",
    "beta goes from 0 to 0.01": "stays",
}

# %% language_models.2 | drops one token too many: compares the column j with the prompt
def counted(sentences, prompt):
    columns = torch.arange(sentences.shape[1] - 1)
    return (sentences[:, 1:] != 0) & (columns >= prompt)

# %% language_models.2 | keeps the last token of the prompt: shifts the prompt twice
def counted(sentences, prompt):
    mask = sentences[:, 1:] != 0
    mask[:, :max(prompt - 2, 0)] = False
    return mask

# %% language_models.2 | counts brackets only, the end falls out
def counted(sentences, prompt):
    targets = sentences[:, 1:]
    positions = torch.arange(1, sentences.shape[1])
    return (targets > 2) & (positions >= prompt)

# %% language_models.2 | forgets the prompt
def counted(sentences, prompt):
    return sentences[:, 1:] != 0

# %% language_models.2 | forgets the padding
def counted(sentences, prompt):
    positions = torch.arange(1, sentences.shape[1])
    return (positions >= prompt).expand(sentences.shape[0], -1).clone()

# %% language_models.2 | no shift: one column for each token, T columns
def counted(sentences, prompt):
    mask = sentences != 0
    mask[:, :prompt] = False
    return mask

# %% language_models.2 | looks for padding among the tokens read, not those predicted
def counted(sentences, prompt):
    read = sentences[:, :-1]
    positions = torch.arange(1, sentences.shape[1])
    return (read != 0) & (positions >= prompt)

# %% language_models.2 | the first row's end is taken for every row
def counted(sentences, prompt):
    rows, length = sentences.shape
    end = int((sentences[0] != 0).sum())
    mask = torch.zeros(rows, length - 1, dtype=torch.bool)
    mask[:, prompt - 1:end - 1] = True
    return mask

# %% language_models.2 | squeezes, so a single row loses its row dimension
def counted(sentences, prompt):
    positions = torch.arange(1, sentences.shape[1])
    mask = (sentences[:, 1:] != 0) & (positions >= prompt)
    return mask.squeeze(0)

# %% language_models.2 | wrong axis: hides the first rows instead of the first columns
def counted(sentences, prompt):
    mask = sentences[:, 1:] != 0
    mask[:prompt - 1] = False
    return mask

# %% language_models.2 | assumes exactly one padding token at the end of each row
def counted(sentences, prompt):
    mask = torch.ones_like(sentences[:, 1:], dtype=torch.bool)
    mask[:, :prompt - 1] = False
    mask[:, -1] = False
    return mask

# %% language_models.3 | p and q exchanged everywhere, invisible at beta 0.5
def jsd(student_logits, teacher_logits, beta):
    log_p = F.log_softmax(student_logits, dim=-1)
    log_q = F.log_softmax(teacher_logits, dim=-1)
    if beta == 0:
        return (log_p.exp() * (log_p - log_q)).sum(-1).mean()
    if beta == 1:
        return (log_q.exp() * (log_q - log_p)).sum(-1).mean()
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    first = (log_p.exp() * (log_p - log_m)).sum(-1)
    second = (log_q.exp() * (log_q - log_m)).sum(-1)
    return (beta * first + (1 - beta) * second).mean()

# %% language_models.3 | beta and 1 - beta exchanged in the mixture only
def jsd(student_logits, teacher_logits, beta):
    log_p = F.log_softmax(teacher_logits, dim=-1)
    log_q = F.log_softmax(student_logits, dim=-1)

    def kl(a, b):
        return (a.exp() * (a - b)).sum(-1).mean()

    if beta == 0:
        return kl(log_p, log_q)
    if beta == 1:
        return kl(log_q, log_p)
    log_m = torch.logaddexp(log_p + math.log(1 - beta), log_q + math.log(beta))
    return beta * kl(log_p, log_m) + (1 - beta) * kl(log_q, log_m)

# %% language_models.3 | no special cases: the formula at the ends gives 0
def jsd(student_logits, teacher_logits, beta):
    log_p = F.log_softmax(teacher_logits, dim=-1)
    log_q = F.log_softmax(student_logits, dim=-1)
    weights = torch.tensor([beta, 1 - beta], dtype=log_q.dtype).log()
    log_m = torch.logaddexp(log_p + weights[0], log_q + weights[1])
    first = (log_p.exp() * (log_p - log_m)).sum(-1)
    second = (log_q.exp() * (log_q - log_m)).sum(-1)
    return (beta * first + (1 - beta) * second).mean()

# %% language_models.3 | reduction mean: divides by the words of the vocabulary as well
def jsd(student_logits, teacher_logits, beta):
    log_p = F.log_softmax(teacher_logits, dim=-1)
    log_q = F.log_softmax(student_logits, dim=-1)
    if beta == 0:
        return F.kl_div(log_q, log_p, reduction="mean", log_target=True)
    if beta == 1:
        return F.kl_div(log_p, log_q, reduction="mean", log_target=True)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    first = F.kl_div(log_m, log_p, reduction="mean", log_target=True)
    second = F.kl_div(log_m, log_q, reduction="mean", log_target=True)
    return beta * first + (1 - beta) * second

# %% language_models.3 | the sum over the tokens instead of the mean
def jsd(student_logits, teacher_logits, beta):
    log_p = F.log_softmax(teacher_logits, dim=-1)
    log_q = F.log_softmax(student_logits, dim=-1)

    def kl(a, b):
        return (a.exp() * (a - b)).sum()

    if beta == 0:
        return kl(log_p, log_q)
    if beta == 1:
        return kl(log_q, log_p)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    return beta * kl(log_p, log_m) + (1 - beta) * kl(log_q, log_m)

# %% language_models.3 | batchmean divides by sentences, not by tokens, with three dimensions
def jsd(student_logits, teacher_logits, beta):
    log_p = F.log_softmax(teacher_logits, dim=-1)
    log_q = F.log_softmax(student_logits, dim=-1)
    options = {"reduction": "batchmean", "log_target": True}
    if beta == 0:
        return F.kl_div(log_q, log_p, **options)
    if beta == 1:
        return F.kl_div(log_p, log_q, **options)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    return beta * F.kl_div(log_m, log_p, **options) + (1 - beta) * F.kl_div(log_m, log_q, **options)

# %% language_models.3 | softmax over dimension 1, which is time if there are sentences
def jsd(student_logits, teacher_logits, beta):
    axis = 1 if student_logits.dim() > 1 else 0
    log_p = F.log_softmax(teacher_logits, dim=axis)
    log_q = F.log_softmax(student_logits, dim=axis)

    def kl(a, b):
        return (a.exp() * (a - b)).sum(axis).mean()

    if beta == 0:
        return kl(log_p, log_q)
    if beta == 1:
        return kl(log_q, log_p)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    return beta * kl(log_p, log_m) + (1 - beta) * kl(log_q, log_m)

# %% language_models.3 | the plain Jensen-Shannon divergence for every beta between the ends
def jsd(student_logits, teacher_logits, beta):
    log_p = F.log_softmax(teacher_logits, dim=-1)
    log_q = F.log_softmax(student_logits, dim=-1)
    if beta == 0:
        return (log_p.exp() * (log_p - log_q)).sum(-1).mean()
    if beta == 1:
        return (log_q.exp() * (log_q - log_p)).sum(-1).mean()
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    both = log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)
    return 0.5 * both.sum(-1).mean()

# %% language_models.3 | F.kl_div's arguments in the formula's order, so each KL is turned round
def jsd(student_logits, teacher_logits, beta):
    log_p = F.log_softmax(teacher_logits, dim=-1)
    log_q = F.log_softmax(student_logits, dim=-1)

    def kl(a, b):
        return F.kl_div(a, b, reduction="none", log_target=True).sum(-1).mean()

    if beta == 0:
        return kl(log_p, log_q)
    if beta == 1:
        return kl(log_q, log_p)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    return beta * kl(log_p, log_m) + (1 - beta) * kl(log_q, log_m)

# %% language_models.3 | mixes the logits instead of the probabilities
def jsd(student_logits, teacher_logits, beta):
    log_p = F.log_softmax(teacher_logits, dim=-1)
    log_q = F.log_softmax(student_logits, dim=-1)

    def kl(a, b):
        return (a.exp() * (a - b)).sum(-1).mean()

    if beta == 0:
        return kl(log_p, log_q)
    if beta == 1:
        return kl(log_q, log_p)
    log_m = F.log_softmax(beta * teacher_logits + (1 - beta) * student_logits, dim=-1)
    return beta * kl(log_p, log_m) + (1 - beta) * kl(log_q, log_m)

# %% language_models.3 | between the KLs taken as a straight line from forward to reverse
def jsd(student_logits, teacher_logits, beta):
    log_p = torch.log_softmax(teacher_logits, -1)
    log_q = torch.log_softmax(student_logits, -1)
    forward = (log_p.exp() * (log_p - log_q)).sum(-1)
    reverse = (log_q.exp() * (log_q - log_p)).sum(-1)
    return ((1 - beta) * forward + beta * reverse).mean()

# %% language_models.3 | a generous tolerance: beta near an end is treated as the end
def jsd(student_logits, teacher_logits, beta):
    log_p = F.log_softmax(teacher_logits, dim=-1)
    log_q = F.log_softmax(student_logits, dim=-1)

    def kl(a, b):
        return (a.exp() * (a - b)).sum(-1).mean()

    if beta < 0.02:
        return kl(log_p, log_q)
    if beta > 0.98:
        return kl(log_q, log_p)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    return beta * kl(log_p, log_m) + (1 - beta) * kl(log_q, log_m)

# %% language_models.4 | does not make the shares sum to 1
def from_file(student_logits, ids, shares):
    log_q = F.log_softmax(student_logits, dim=-1).gather(1, ids)
    return (shares * (shares.log() - log_q)).sum(-1).mean()

# %% language_models.4 | the student's softmax over the kept words only
def from_file(student_logits, ids, shares):
    p = shares / shares.sum(-1, keepdim=True)
    log_q = F.log_softmax(student_logits.gather(1, ids), dim=-1)
    return (p * (p.log() - log_q)).sum(-1).mean()

# %% language_models.4 | reverse instead of forward: weights by the student
def from_file(student_logits, ids, shares):
    p = shares / shares.sum(-1, keepdim=True)
    log_q = F.log_softmax(student_logits, dim=-1).gather(1, ids)
    return (log_q.exp() * (log_q - p.log())).sum(-1).mean()

# %% language_models.4 | cross-entropy: forgets the teacher's own log
def from_file(student_logits, ids, shares):
    p = shares / shares.sum(-1, keepdim=True)
    log_q = F.log_softmax(student_logits, dim=-1).gather(1, ids)
    return -(p * log_q).sum(-1).mean()

# %% language_models.4 | mean over the kept words as well as over the rows
def from_file(student_logits, ids, shares):
    p = shares / shares.sum(-1, keepdim=True)
    log_q = F.log_softmax(student_logits, dim=-1).gather(1, ids)
    return (p * (p.log() - log_q)).mean()

# %% language_models.4 | sums over the rows, right for the one row of the example
def from_file(student_logits, ids, shares):
    p = shares / shares.sum(-1, keepdim=True)
    log_q = F.log_softmax(student_logits, dim=-1).gather(1, ids)
    return F.kl_div(log_q, p, reduction="sum")

# %% language_models.4 | softmax of the shares to make them sum to 1
def from_file(student_logits, ids, shares):
    log_p = F.log_softmax(shares, dim=-1)
    log_q = F.log_softmax(student_logits, dim=-1).gather(1, ids)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()

# %% language_models.4 | one factor for all rows: divides by the mean row sum
def from_file(student_logits, ids, shares):
    p = shares * len(shares) / shares.sum()
    log_q = F.log_softmax(student_logits, dim=-1).gather(1, ids)
    return (p * (p.log() - log_q)).sum(-1).mean()

# %% language_models.4 | sorts ids without the shares, so they no longer belong together
def from_file(student_logits, ids, shares):
    p = shares / shares.sum(-1, keepdim=True)
    sorted_ids = ids.sort(dim=-1).values
    log_q = F.log_softmax(student_logits, dim=-1).gather(1, sorted_ids)
    return (p * (p.log() - log_q)).sum(-1).mean()

# %% language_models.4 | takes the student's own k likeliest words, ignores ids
def from_file(student_logits, ids, shares):
    p = shares / shares.sum(-1, keepdim=True)
    log_q = F.log_softmax(student_logits, dim=-1).topk(ids.shape[1], dim=-1).values
    return (p * (p.log() - log_q)).sum(-1).mean()

# %% language_models.4 | gives what was cut off to the likeliest word
def from_file(student_logits, ids, shares):
    p = shares.clone()
    rows = torch.arange(len(p))
    p[rows, shares.argmax(-1)] += 1 - shares.sum(-1)
    log_q = F.log_softmax(student_logits, dim=-1).gather(1, ids)
    return (p * (p.log() - log_q)).sum(-1).mean()

# %% language_models.4 | the first row's ids are used for every row
def from_file(student_logits, ids, shares):
    p = shares / shares.sum(-1, keepdim=True)
    log_q = F.log_softmax(student_logits, dim=-1)[:, ids[0]]
    return (p * (p.log() - log_q)).sum(-1).mean()

# %% language_models.5 | the excess the other way round, log p minus log q
def sampled_pull(student_logits, teacher_logits, said):
    log_q = F.log_softmax(student_logits, dim=-1)
    log_p = F.log_softmax(teacher_logits, dim=-1)
    excess = (log_p - log_q).gather(1, said[:, None])
    one_hot = F.one_hot(said, student_logits.shape[1])
    return excess * (one_hot - log_q.exp()) / len(said)

# %% language_models.5 | forgets to divide by the number of rows
def sampled_pull(student_logits, teacher_logits, said):
    log_q = F.log_softmax(student_logits, dim=-1)
    log_p = F.log_softmax(teacher_logits, dim=-1)
    excess = (log_q - log_p).gather(1, said[:, None])
    return excess * (F.one_hot(said, student_logits.shape[1]) - log_q.exp())

# %% language_models.5 | divides by the number of columns
def sampled_pull(student_logits, teacher_logits, said):
    log_q = F.log_softmax(student_logits, dim=-1)
    log_p = F.log_softmax(teacher_logits, dim=-1)
    excess = (log_q - log_p).gather(1, said[:, None])
    one_hot = F.one_hot(said, student_logits.shape[1])
    return excess * (one_hot - log_q.exp()) / student_logits.shape[1]

# %% language_models.5 | each word's own log ratio instead of that of the said word
def sampled_pull(student_logits, teacher_logits, said):
    log_q = F.log_softmax(student_logits, dim=-1)
    log_p = F.log_softmax(teacher_logits, dim=-1)
    one_hot = F.one_hot(said, student_logits.shape[1])
    return (log_q - log_p) * (one_hot - log_q.exp()) / len(said)

# %% language_models.5 | the excess from raw logits, without log-softmax
def sampled_pull(student_logits, teacher_logits, said):
    rows = torch.arange(len(said))
    excess = student_logits[rows, said] - teacher_logits[rows, said]
    derivative = -student_logits.softmax(-1)
    derivative[rows, said] += 1
    return excess[:, None] * derivative / len(said)

# %% language_models.5 | the exact gradient of the reverse KL, said is ignored
def sampled_pull(student_logits, teacher_logits, said):
    with torch.enable_grad():
        z = student_logits.detach().clone().requires_grad_(True)
        log_q = F.log_softmax(z, dim=-1)
        log_p = F.log_softmax(teacher_logits.detach(), dim=-1)
        loss = (log_q.exp() * (log_q - log_p)).sum(-1).mean()
        return torch.autograd.grad(loss, z)[0]

# %% language_models.5 | one-hot minus the teacher's probabilities
def sampled_pull(student_logits, teacher_logits, said):
    log_q = F.log_softmax(student_logits, dim=-1)
    log_p = F.log_softmax(teacher_logits, dim=-1)
    excess = (log_q - log_p).gather(1, said[:, None])
    one_hot = F.one_hot(said, student_logits.shape[1])
    return excess * (one_hot - log_p.exp()) / len(said)

# %% language_models.5 | only the said word is pushed, the minus q is forgotten
def sampled_pull(student_logits, teacher_logits, said):
    rows = torch.arange(len(said))
    log_q = F.log_softmax(student_logits, dim=-1)
    log_p = F.log_softmax(teacher_logits, dim=-1)
    pull = torch.zeros_like(log_q)
    pull[rows, said] = (log_q - log_p)[rows, said] / len(said)
    return pull

# %% language_models.5 | autograd through excess times log q without detaching the excess
def sampled_pull(student_logits, teacher_logits, said):
    with torch.enable_grad():
        z = student_logits.detach().clone().requires_grad_(True)
        log_q = F.log_softmax(z, dim=-1).gather(1, said[:, None])
        log_p = F.log_softmax(teacher_logits.detach(), dim=-1).gather(1, said[:, None])
        loss = ((log_q - log_p) * log_q).mean()
        return torch.autograd.grad(loss, z)[0]

# %% language_models.5 | the mean excess of all rows in place of each row's own
def sampled_pull(student_logits, teacher_logits, said):
    log_q = F.log_softmax(student_logits, dim=-1)
    log_p = F.log_softmax(teacher_logits, dim=-1)
    excess = (log_q - log_p).gather(1, said[:, None]).mean()
    one_hot = F.one_hot(said, student_logits.shape[1])
    return excess * (one_hot - log_q.exp()) / len(said)

# %% language_models.5 | clamps the excess at 0: no pull where the teacher likes the word more
def sampled_pull(student_logits, teacher_logits, said):
    log_q = F.log_softmax(student_logits, dim=-1)
    log_p = F.log_softmax(teacher_logits, dim=-1)
    excess = (log_q - log_p).gather(1, said[:, None]).clamp(min=0)
    one_hot = F.one_hot(said, student_logits.shape[1])
    return excess * (one_hot - log_q.exp()) / len(said)

# %% language_models.5 | weights by the student's probability of the word, although it was drawn
def sampled_pull(student_logits, teacher_logits, said):
    log_q = F.log_softmax(student_logits, dim=-1)
    log_p = F.log_softmax(teacher_logits, dim=-1)
    index = said[:, None]
    excess = (log_q.exp() * (log_q - log_p)).gather(1, index)
    one_hot = F.one_hot(said, student_logits.shape[1])
    return excess * (one_hot - log_q.exp()) / len(said)

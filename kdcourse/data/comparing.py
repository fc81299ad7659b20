"""Are two parts alike: exact and near copies across them (a leak), a test for a shift between them."""

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcourse._arguments import fail
from kdcourse.data.part import Part

__all__ = ["digest", "directions", "duplicates", "near_duplicates", "shift"]


def duplicates(one: Part, other: Part) -> list[tuple[int, int]]:
    """Pairs of positions (in ``one``, in ``other``) whose pixels are equal bit for bit: an exact leak."""
    seen: dict[bytes, list[int]] = {}
    for i, image in enumerate(one.images):
        seen.setdefault(digest(image), []).append(i)
    return [(i, j) for j, image in enumerate(other.images) for i in seen.get(digest(image), [])]


def digest(image: Tensor) -> bytes:
    """SHA-256 of an image's pixels."""
    return hashlib.sha256(image.contiguous().numpy().tobytes()).digest()


def near_duplicates(one: Part, other: Part, *, share: float = 0.001) -> dict[str, Any]:
    """Images of ``other`` that lie closer to one of ``one`` than images within ``one`` usually lie to each other.

    Images are averaged over 2 x 2 pixels, centred and scaled to length one, so that brightness and contrast do not
    count; the distance is 1 - cosine. ``share`` of the images in ``one`` have a neighbour in ``one`` within the
    ``threshold``, and without a leak about as many of ``other`` have one.

    Returns:
        ``pairs``: (position in ``one``, in ``other``, distance), the closest first; ``threshold``; and ``p``, the
        probability of at least so many pairs without a leak (binomial, one-sided). Look at the pairs before you judge.
    """
    from scipy.stats import binomtest

    if not isinstance(share, float) or not 0 < share < 1:
        raise fail("share", "be a fraction between 0 and 1", share, "Leave it out for 0.001.")
    ours, theirs = directions(one.images), directions(other.images)
    within = torch.cat([_nearest(ours, ours[at], skip=at)[0] for at in torch.split(torch.arange(len(ours)), 1000)])
    threshold = float(torch.quantile(within, share))
    distances, nearest = (
        torch.cat(v) for v in zip(*[_nearest(ours, rows) for rows in torch.split(theirs, 1000)], strict=True)
    )
    close = (distances <= threshold).nonzero().flatten()
    close = close[distances[close].argsort()]
    pairs = [(int(nearest[j]), int(j), float(distances[j])) for j in close]
    p = float(binomtest(len(pairs), len(other), share, alternative="greater").pvalue)
    return {"pairs": pairs, "threshold": threshold, "p": p}


def directions(images: Tensor) -> Tensor:
    """Images as vectors of length one, without brightness, contrast and detail. N x C x H x W to N x D."""
    small = torch.nn.functional.avg_pool2d(images, 2, ceil_mode=True).flatten(1)
    return torch.nn.functional.normalize(small - small.mean(dim=1, keepdim=True))


def _nearest(ours: Tensor, rows: Tensor, skip: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """For each row: the distance to the nearest of ``ours``, and which that is; ``skip``: each row's own place."""
    cosine = rows @ ours.T
    if skip is not None:
        cosine[torch.arange(len(rows)), skip] = -1
    best, at = cosine.max(dim=1)
    return (1 - best).clamp(min=0), at


def shift(one: Part, other: Part, *, n: int = 1000, seed: int = 0) -> dict[str, float]:
    """Classifier two-sample test: can a logistic regression tell the two parts' images apart?

    Half of ``n`` images of each part train it, the other half test it. Returns its held-out ``accuracy`` (0.5: it
    cannot) and ``p``, the probability of at least that accuracy by guessing (exact binomial, one-sided).
    Source: Lopez-Paz & Oquab 2017.
    """
    from scipy.stats import binomtest
    from sklearn.linear_model import LogisticRegression

    generator = torch.Generator().manual_seed(int(seed))
    size = min(n, len(one), len(other)) // 2 * 2
    drawn = [p.images[torch.randperm(len(p), generator=generator)[:size]].flatten(1).numpy() for p in (one, other)]
    half = size // 2
    train, test = (np.concatenate([d[s] for d in drawn]) for s in (slice(half), slice(half, None)))
    answer = np.repeat([0, 1], half)
    right = int((LogisticRegression(C=0.01, max_iter=200).fit(train, answer).predict(test) == answer).sum())
    p = binomtest(right, 2 * half, 0.5, alternative="greater").pvalue
    return {"accuracy": right / (2 * half), "p": float(p)}

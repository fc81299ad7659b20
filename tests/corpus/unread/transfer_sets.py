"""Wrong answers to the exercises of ``transfer_sets``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd
from kdcourse.checks import check

# %% transfer_sets.1 | writes the results into images one after the other, so later images meet partners that are mixed already
def mixed(images, order, weight):
    for i in range(len(images)):
        images[i] = weight[i] * images[i] + (1 - weight[i]) * images[order[i]]
    return images


# %% transfer_sets.2 | the standard deviation is taken within each image and then averaged over the images
def memory(features, mean, std):
    m = features.mean(dim=(0, 2, 3))
    s = features.std(dim=(2, 3)).mean(dim=0)
    return (m - mean).square().sum() + (s - std).square().sum()


# %% transfer_sets.2 | the standard deviation over n in place of n − 1
def memory(features, mean, std):
    m = features.mean(dim=(0, 2, 3))
    s = features.std(dim=(0, 2, 3), unbiased=False)
    return (m - mean).square().sum() + (s - std).square().sum()


# %% transfer_sets.2 | compares variances where standard deviations are asked for
def memory(features, mean, std):
    m, v = features.mean(dim=(0, 2, 3)), features.var(dim=(0, 2, 3))
    return (m - mean).square().sum() + (v - std.square()).square().sum()


# %% transfer_sets.2 | lengths as in the lesson's formula, so the squares are under a root
def memory(features, mean, std):
    m, s = features.mean(dim=(0, 2, 3)), features.std(dim=(0, 2, 3))
    return (m - mean).norm() + (s - std).norm()


# %% transfer_sets.2 | the spread of the images' means in place of the spread of all values
def memory(features, mean, std):
    per_image = features.mean(dim=(2, 3))
    m, s = per_image.mean(dim=0), per_image.std(dim=0)
    return (m - mean).square().sum() + (s - std).square().sum()


# %% transfer_sets.2 | the part with the standard deviations is left out
def memory(features, mean, std):
    m = features.mean(dim=(0, 2, 3))
    return (m - mean).square().sum()


# %% transfer_sets.3 | tries the biases in rising order, so of equally good ones the smallest wins and not the first
def best_bias(logits, labels, missing, biases):
    best, most = None, -1
    for b in sorted(biases):
        raised = logits.clone()
        raised[:, missing] += b
        right = int((raised.argmax(dim=1) == labels).sum())
        if right > most:
            best, most = b, right
    return best

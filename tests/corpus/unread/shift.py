"""Wrong answers to the exercises of ``shift``, written by someone who had not seen the checks."""
import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% shift.1 | believes that mirrored images cannot be told from the others
def judge_says(other):
    return {
        "the other half of the same images": "alike",
        "the other half, and its labels are mixed up": "alike",
        "the other half, without any shoe": "apart",
        "the other half, each image mirrored": "alike",
        "the other half, a little darker": "apart",
    }[other]


# %% shift.1 | sly: "apart" for everything, since most are
def judge_says(other):
    return "apart"


# %% shift.2 | the chance of exactly so many right
def p_value(right, n):
    from math import comb

    return comb(n, right) / 2**n


# %% shift.2 | sly: a made-up formula that fits both worked examples and hardly anything else
def p_value(right, n):
    return 1 - (1 - 0.5**right) ** (n - right + 1)

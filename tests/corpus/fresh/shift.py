"""Wrong answers to the exercises of shift."""

import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% shift.2 | normal approximation in place of the binomial sum
def p_value(right, n):
    import math

    z = (right - n / 2) / math.sqrt(n / 4)
    return 0.5 * math.erfc(z / math.sqrt(2))


# %% shift.2 | "below chance nothing is surprising": returns 1 where fewer than a half are right
def p_value(right, n):
    import math

    if right < n / 2:
        return 1.0
    ways = sum(math.comb(n, k) for k in range(right, n + 1))
    return ways / 2**n


# %% shift.2 | multiplies each number of ways by the float 0.5**n: OverflowError for large n
def p_value(right, n):
    from math import comb

    p = 0.0
    for k in range(right, n + 1):
        p += comb(n, k) * 0.5**k * 0.5 ** (n - k)
    return p

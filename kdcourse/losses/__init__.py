"""What to imitate: every loss once, a function with the mathematics and a class with the options.

The student's output comes first, always. ``number * loss`` and ``loss + loss`` give a ``Loss`` again.
"""

from kdcourse.losses.base import Criterion, Loss, Plain, Side, Step, Weighted, as_loss
from kdcourse.losses.cross_entropy import CrossEntropy, cross_entropy
from kdcourse.losses.hints import Hint, hint
from kdcourse.losses.regression import MSE, LogitMSE, logit_mse, mse
from kdcourse.losses.soft_targets import SoftTargets, soft_targets, softened_kl

__all__ = [
    "Criterion", "CrossEntropy", "Hint", "LogitMSE", "Loss", "MSE", "Plain", "Side", "SoftTargets", "Step", "Weighted",
    "as_loss", "cross_entropy", "hint", "logit_mse", "mse", "soft_targets", "softened_kl",
]  # fmt: skip

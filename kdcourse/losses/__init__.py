"""What to imitate: every loss once, a function with the mathematics and a class with the options.

The student's output comes first, always. ``number * loss`` and ``loss + loss`` give a ``Loss`` again.
"""

from kdcourse.losses.adaptors import Adaptor, unit_distance
from kdcourse.losses.attention import AttentionTransfer, attention_map, attention_transfer
from kdcourse.losses.base import Criterion, Loss, Plain, Side, Step, Weighted, as_loss
from kdcourse.losses.boxes import BoundedBox, Box, bounded_box, box_distance, check_boxes, giou_loss
from kdcourse.losses.cross_entropy import CrossEntropy, cross_entropy
from kdcourse.losses.heads import PerHead, surgery_weights
from kdcourse.losses.hints import Hint, hint
from kdcourse.losses.parts import Decoupled, Standardised, decoupled, standardised, z_scores
from kdcourse.losses.regression import MSE, LogitMSE, logit_mse, mse
from kdcourse.losses.relations import DIST, Relational, dist, relational
from kdcourse.losses.sequences import generalised_jsd
from kdcourse.losses.soft_targets import SoftTargets, soft_targets, softened_kl

__all__ = [
    "Adaptor", "AttentionTransfer", "BoundedBox", "Box", "Criterion", "CrossEntropy", "DIST", "Decoupled", "Hint",
    "LogitMSE", "Loss", "MSE", "PerHead", "Plain", "Relational", "Side", "SoftTargets", "Standardised", "Step",
    "Weighted", "as_loss", "attention_map", "attention_transfer", "bounded_box", "box_distance", "check_boxes",
    "cross_entropy", "decoupled", "dist", "generalised_jsd", "giou_loss", "hint", "logit_mse", "mse", "relational",
    "soft_targets", "softened_kl", "standardised", "surgery_weights", "unit_distance", "z_scores",
]  # fmt: skip

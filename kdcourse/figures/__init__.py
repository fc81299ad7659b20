"""What the lessons show of recorded experiments: one call from a record to a figure with its finding as title."""

from kdcourse.figures._rates import best_of
from kdcourse.figures.cost import cost_and_accuracy
from kdcourse.figures.data import leak_curve, missing_class, shifts, transfer_sets
from kdcourse.figures.knowledge import ladder, resemblance, second_thoughts
from kdcourse.figures.losses import budgets, costs_of_bugs, gradient_lengths

__all__ = [
    "best_of", "budgets", "cost_and_accuracy", "costs_of_bugs", "gradient_lengths", "ladder", "leak_curve",
    "missing_class", "resemblance", "second_thoughts", "shifts", "transfer_sets",
]  # fmt: skip

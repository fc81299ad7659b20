"""What the lessons show of recorded experiments: one call from a record to a figure with its finding as title."""

from kdcourse.figures._rates import best_of
from kdcourse.figures.cost import cost_and_accuracy
from kdcourse.figures.knowledge import ladder, resemblance, second_thoughts
from kdcourse.figures.losses import costs_of_bugs, gradient_lengths

__all__ = [
    "best_of", "cost_and_accuracy", "costs_of_bugs", "gradient_lengths", "ladder", "resemblance", "second_thoughts",
]  # fmt: skip

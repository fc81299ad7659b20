"""What the lessons show of recorded experiments: one call from a record to a figure with its finding as title."""

from kdcourse.figures._rates import best_of
from kdcourse.figures._shapes import demonstration
from kdcourse.figures.answers import bytes_and_accuracy, exchanged
from kdcourse.figures.cost import cost_and_accuracy, when_it_pays
from kdcourse.figures.data import leak_curve, missing_class, shifts, transfer_sets
from kdcourse.figures.faults import arrivals, lengths, mends, seen, stops
from kdcourse.figures.gains import directions, recovered
from kdcourse.figures.knowledge import ladder, resemblance, second_thoughts
from kdcourse.figures.layers import (
    agreements,
    cloud,
    layer_readings,
    layerwise_gains,
    priced,
    reach,
    recovery,
    widths_left,
)
from kdcourse.figures.losses import (
    budgets,
    costs_of_bugs,
    distance_from_limit,
    gradient_lengths,
    imitations,
    mistakes,
    noisy_labels,
)
from kdcourse.figures.owners import holdings, merged
from kdcourse.figures.prices import labels_worth, strength_of_teacher, who_pays
from kdcourse.figures.regularising import bill, controls, copied, partners
from kdcourse.figures.steps import regimes, steps_left_out
from kdcourse.figures.sweeps import chosen, noise, optimizers, winners
from kdcourse.figures.talking import kept_answers, own_words, valid_and_surprised
from kdcourse.figures.tasks import canvases, task_weights, two_tasks

__all__ = [
    "agreements", "arrivals", "best_of", "bill", "budgets", "bytes_and_accuracy", "canvases", "chosen", "cloud",
    "controls", "copied", "cost_and_accuracy", "costs_of_bugs", "demonstration", "directions", "distance_from_limit",
    "exchanged", "gradient_lengths", "holdings", "imitations", "kept_answers", "labels_worth", "ladder",
    "layer_readings", "layerwise_gains", "leak_curve", "lengths", "mends", "merged", "missing_class", "mistakes",
    "noise", "noisy_labels", "optimizers", "own_words", "partners", "priced", "reach", "recovered", "recovery",
    "regimes", "resemblance", "second_thoughts", "seen", "shifts", "steps_left_out", "stops", "strength_of_teacher",
    "task_weights", "transfer_sets", "two_tasks", "valid_and_surprised", "when_it_pays", "who_pays", "widths_left",
    "winners",
]  # fmt: skip

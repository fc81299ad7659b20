"""Live controls over real models: labelled, worked by mouse and keyboard, redrawn within 100 ms."""

from kdcourse.widgets._answers import TEMPERATURES, gradient, shares, temperature, two_ways
from kdcourse.widgets._images import CHANGES, degrade, partition, prune
from kdcourse.widgets._live import Live, Picture, live
from kdcourse.widgets._records import sharing, stopping, strength, sweep, task_weight

__all__ = [
    "CHANGES", "TEMPERATURES", "Live", "Picture", "degrade", "gradient", "live", "partition", "prune", "shares",
    "sharing", "stopping", "strength", "sweep", "task_weight", "temperature", "two_ways",
]  # fmt: skip

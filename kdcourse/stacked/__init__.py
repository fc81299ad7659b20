"""Many models as one: N of one architecture trained at once, their parameters stacked along a new first dimension.

``torch.func`` runs one forward pass for all of them, one backward pass follows, and the optimizer works element by
element. It wins for many small networks, whose steps cost mostly overhead; for convolutions a loop is faster. The
results equal those of a loop on the same batches but for the order in which numbers are added.
"""

from kdcourse.stacked.fitting import Job, fit
from kdcourse.stacked.stack import Rule, Stack, group_normed
from kdcourse.stacked.students import train

__all__ = ["Job", "Rule", "Stack", "fit", "group_normed", "train"]

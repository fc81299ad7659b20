"""Many owners, one model: each keeps its images; weights travel (FedAvg, FedProx, FedDF), or answers do (FedMD).

A simulation on one machine that counts every byte; ``kdcourse.federated.flower`` puts the same owner on a real engine.
"""

from kdcourse.federated.answers import absolute_error, ensemble, ensemble_distil, share_logits
from kdcourse.federated.averaging import Federation, average
from kdcourse.federated.owners import Local, batches_of, train_owners
from kdcourse.federated.partition import CONVENTIONS, Owners, partition
from kdcourse.federated.server import Skipped, State, Update, bytes_of, collect, mean_of

__all__ = [
    "CONVENTIONS", "Federation", "Local", "Owners", "Skipped", "State", "Update", "absolute_error", "average",
    "batches_of", "bytes_of", "collect", "ensemble", "ensemble_distil", "mean_of", "partition", "share_logits",
    "train_owners",
]  # fmt: skip

"""Rounds of federated averaging by pfl, in an environment of its own: what ``federated.py`` asks, answered as JSON.

python -m tests.bench.on_pfl HIDDEN OWNERS
"""

import json
import sys
from itertools import pairwise

import pfl
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.hyperparam import NNTrainHyperParams
from pfl.metrics import Weighted
from pfl.model.pytorch import PyTorchModel
from torch import nn
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.federated import batches_of
from tests.bench.federated import LOCAL, ROUNDS, clocks, owners, plain, spread


class Network(nn.Module):
    """The course's network with the two functions that pfl asks for."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inner = model

    def loss(self, images: torch.Tensor, labels: torch.Tensor, eval: bool = False) -> torch.Tensor:
        """Cross-entropy."""
        return F.cross_entropy(self.inner(images), labels)

    def metrics(self, images: torch.Tensor, labels: torch.Tensor, eval: bool = False) -> dict[str, Weighted]:
        """Its sum over images."""
        with torch.no_grad():
            return {"loss": Weighted(float(self.loss(images, labels)) * len(images), len(images))}


class Times(TrainingProcessCallback):
    """Notes both clocks after each round."""

    def __init__(self) -> None:
        self.at = [clocks()]

    def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
        """Nothing is changed."""
        self.at.append(clocks())
        return False, pfl.metrics.Metrics()


def main(hidden: int, count: int) -> None:
    """Seconds of each round, and how far its weights are from the plain loop's."""
    torch.set_num_threads(1)
    parts, rounds = owners(count), [0] * count
    start = kd.build("mlp", width=hidden, seed=0)

    def data(owner: int) -> Dataset:
        order = torch.cat(batches_of(parts[owner], LOCAL, rounds[owner], owner))
        rounds[owner] += 1
        return Dataset([parts[owner].images[order], parts[owner].labels[order]], user_id=owner)

    turn = iter(range(10**9))
    users = FederatedDataset(data, lambda: next(turn) % count)
    network = Network(kd.build("mlp", width=hidden, seed=0))
    model = PyTorchModel(network, torch.optim.SGD, torch.optim.SGD(network.parameters(), lr=1.0))
    backend = SimulatedBackend(users, users, postprocessors=[WeightByDatapoints()])
    times = Times()
    FederatedAveraging().run(
        NNAlgorithmParams(ROUNDS, ROUNDS + 1, count, None), backend, model,
        NNTrainHyperParams(local_batch_size=LOCAL.batch_size, local_num_epochs=1, local_learning_rate=LOCAL.lr),
        callbacks=[times], send_metrics_to_platform=False,
    )  # fmt: skip
    apart = spread(network.inner.state_dict(), plain(start, parts))
    steps = [[b - a for a, b in zip(*pair, strict=True)] for pair in pairwise(times.at)]
    print(json.dumps({"version": f"pfl {pfl.__version__}", "rounds": steps, "apart": apart}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

"""Rounds of federated averaging by Flower's Simulation Engine, in its own environment: seconds by the wall, as JSON.

    python -m tests.bench.on_flower HIDDEN OWNERS

Flower's owners are processes of Ray, one for each core, so that only the clock on the wall says what a round takes.
"""

import json
import sys

import flwr
import ray
import torch

import kdcourse as kd
from kdcourse.federated.deployment import deploy
from kdcourse.federated.flower import Setting, everything
from tests.bench.federated import IMAGES, LOCAL, ROUNDS, spread


def main(hidden: int, count: int) -> None:
    """Seconds of each round, and how far its weights are from the simulation's after as many rounds."""
    torch.set_num_threads(1)
    setting = Setting(clients=count, images=count * IMAGES, width=hidden, rounds=ROUNDS, lr=LOCAL.lr)
    state = deploy(setting, simulate=True, seconds=3000)
    mine = setting.model()
    kd.federated.average(mine, everything(setting)[0], rounds=ROUNDS, lr=LOCAL.lr, how="loop", progress=False)
    answered = min(state.history["answers"])
    print(json.dumps({"version": f"Flower {flwr.__version__}, Ray {ray.__version__}", "answers": answered,
                      "rounds": [[None, wall] for wall in state.history["seconds"]],
                      "apart": spread(state.weights["model"], mine.state_dict())}))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

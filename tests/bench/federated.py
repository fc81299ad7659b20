"""Rounds of federated averaging beside a plain loop: processor seconds, one thread, the same batches and weights.

    make bench-federated

MLPs with two hidden layers of 32 and of 200, 10 and 100 owners of 600 images, batches of 10, one local epoch, as in
McMahan et al. 2017. All ways must end at the same weights; 1,000 owners say how much memory a round takes.
"""

import copy
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.data import Part
from kdcourse.federated import Local, batches_of

ROUNDS, TURNS, IMAGES = 2, 3, 600
LOCAL = Local(epochs=1, batch_size=10, lr=0.1)


def owners(count: int, images: int = IMAGES) -> list[Part]:
    """Parts of the bundle's images, drawn with replacement where it has not enough."""
    train = kd.load().train
    g = torch.Generator().manual_seed(0)
    return [train.select(torch.randint(len(train), (images,), generator=g)) for _ in range(count)]


def plain(model: torch.nn.Module, parts: list[Part]) -> dict[str, torch.Tensor]:
    """FedAvg as one writes it down: a copy of the network an owner, torch's own optimizer, the mean of the weights."""
    server, total = copy.deepcopy(model), sum(map(len, parts))
    for r in range(ROUNDS):
        mean = {name: torch.zeros_like(value) for name, value in server.state_dict().items()}
        for k, part in enumerate(parts):
            own = copy.deepcopy(server).train()
            optimizer = torch.optim.SGD(own.parameters(), LOCAL.lr)
            for at in batches_of(part, LOCAL, r, k):
                optimizer.zero_grad()
                F.cross_entropy(own(part.images[at]), part.labels[at]).backward()
                optimizer.step()
            for name, value in own.state_dict().items():
                mean[name] += len(part) / total * value
        server.load_state_dict(mean)
    return server.state_dict()


def ours(model: torch.nn.Module, parts: list[Part], how: str) -> dict[str, torch.Tensor]:
    """``kd.federated.average``."""
    server = copy.deepcopy(model)
    kd.federated.average(server, parts, rounds=ROUNDS, lr=LOCAL.lr, how=how, progress=False)
    return server.state_dict()


def seconds(way: Callable[[], Any]) -> tuple[float, Any]:
    """(processor seconds a round, what came out)."""
    began = time.process_time()
    found = way()
    return (time.process_time() - began) / ROUNDS, found


def compare(hidden: int, count: int) -> None:
    """One line: the best of three turns of each way, taken in turn."""
    model, parts = kd.build("mlp", width=hidden, seed=0), owners(count)
    ways: dict[str, Callable[[], Any]] = {"plain loop": lambda: plain(model, parts)}
    ways |= {how: lambda how=how: ours(model, parts, how) for how in ("auto", "stack", "loop")}
    best, ends = dict.fromkeys(ways, float("inf")), {}
    for _ in range(TURNS):
        for name, way in ways.items():
            took, ends[name] = seconds(way)
            best[name] = min(best[name], took)
    apart = max(float((ends[n][k] - v).abs().max()) for n in ways for k, v in ends["plain loop"].items())
    told = ", ".join(f"{name} {took:.2f} s" for name, took in best.items())
    print(f"hidden {hidden}, {count} owners: {told}; auto {best['plain loop'] / best['auto']:.2f} times the plain loop's "
          f"speed; weights differ by at most {apart:.1e}", flush=True)  # fmt: skip


def main() -> None:
    """All sizes, and the memory of a round with a thousand owners."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, Python {platform.python_version()}, one thread, processor seconds a round, the best "
          f"of {TURNS} turns")  # fmt: skip
    for hidden in (32, 200):
        for count in (10, 100):
            compare(hidden, count)
    model, parts = kd.build("mlp", width=32, seed=0), owners(1000, 60)
    took, _ = seconds(lambda: ours(model, parts, "stack"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"hidden 32, 1,000 owners of 60 images: {took:.2f} s a round, peak memory of this process {peak:.2f} GiB")


if __name__ == "__main__":
    main()

"""Rounds of federated averaging: ours beside a plain loop, Flower's Simulation Engine, pfl and PaddlePaddle.

    make bench-federated

MLPs with two hidden layers of 32 and of 200, 10 and 100 owners of 600 images, batches of 10, one local epoch, as in
McMahan et al. 2017. All end at the same weights. Ours and the plain loop are timed in turn, by the processor and by the
wall, with one thread; each engine runs in an environment of its own right after them, and says its first round and its
fastest later one. Flower's owners are processes, one a core: of it only the wall's clock is known. 1,000 owners say how
much memory a round takes.
"""

import copy
import json
import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.data import Part
from kdcourse.federated import Local, batches_of

ROUNDS, TURNS, IMAGES = 3, 3, 600
LOCAL = Local(epochs=1, batch_size=10, lr=0.1)
ROOT = Path(__file__).parent.parent.parent
ENGINES = ("pfl", "paddle", "flower")
Clocks = tuple[float, float]


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


def clocks() -> Clocks:
    """Seconds: of the processor in this process, and of the wall."""
    return time.process_time(), time.perf_counter()


def spread(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> float:
    """The largest difference between two networks' weights; the second may have pfl's name before its own."""
    found = {name.removeprefix("inner."): value for name, value in ours.items()}
    return max(float((found[name] - value).abs().max()) for name, value in theirs.items())


def accuracy(model: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> float:
    """The share of the test images that the network names rightly with these weights."""
    own = copy.deepcopy(model)
    own.load_state_dict(weights)
    return kd.evaluation.accuracy(own, kd.load().test)


def seconds(way: Callable[[], Any]) -> tuple[Clocks, Any]:
    """(seconds a round by both clocks, what came out)."""
    began = clocks()
    found = way()
    ended = clocks()
    return ((ended[0] - began[0]) / ROUNDS, (ended[1] - began[1]) / ROUNDS), found


def compare(hidden: int, count: int) -> float:
    """Ours beside the plain loop, the best of three turns of each, taken in turn; our seconds by the wall."""
    model, parts = kd.build("mlp", width=hidden, seed=0), owners(count)
    ways: dict[str, Callable[[], Any]] = {"plain loop": lambda: plain(model, parts)}
    ways |= {how: lambda how=how: ours(model, parts, how) for how in ("auto", "stack", "loop")}
    best, ends = dict.fromkeys(ways, (float("inf"), float("inf"))), {}
    for _ in range(TURNS):
        for name, way in ways.items():
            took, ends[name] = seconds(way)
            best[name] = min(best[name], took)
    apart = max(spread(ends[name], ends["plain loop"]) for name in ways)
    told = ", ".join(f"{name} {took[0]:.2f} s" for name, took in best.items())
    right = " and ".join(f"{name} {accuracy(model, ends[name]):.1%}" for name in ("auto", "plain loop"))
    print(f"hidden {hidden}, {count} owners: {told}; auto {best['plain loop'][0] / best['auto'][0]:.2f} times the plain "
          f"loop's speed; weights differ by at most {apart:.1e}, right answers: {right}; auto by the wall "
          f"{best['auto'][1]:.2f} s", flush=True)  # fmt: skip
    return best["auto"][1]


def beside(engine: str, hidden: int, count: int, wall: float) -> None:
    """An engine's rounds, in its own environment, beside our seconds by the wall; one line, also where it is missing."""
    python = ROOT / f".venv-{engine}/bin/python"
    if not python.is_file():
        print(f"  {engine}: left out, it has no environment here (make .venv-{engine}/.done)", flush=True)
        return
    command = [str(python), "-m", f"tests.bench.on_{engine}", str(hidden), str(count)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}, capture_output=True, text=True,
                          check=False)  # fmt: skip
    if done.returncode:
        print(f"  {engine}: failed\n{done.stderr[-1500:]}", flush=True)
        return
    found = json.loads(done.stdout.strip().splitlines()[-1])
    (_, first), *later = found["rounds"]
    steady = min(took for _, took in later)
    print(f"  {found['version']}, by the wall: first round {first:.2f} s, a later one {steady:.2f} s, {steady / wall:.1f} "
          f"times ours; weights differ by at most {found['apart']:.1e}", flush=True)  # fmt: skip


def main() -> None:
    """All sizes, and the memory of a round with a thousand owners."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, Python {platform.python_version()}, one thread, processor seconds a round, the best "
          f"of {TURNS} turns of {ROUNDS} rounds")  # fmt: skip
    model, parts = kd.build("mlp", width=32, seed=0), owners(1000, 60)
    took, _ = seconds(lambda: ours(model, parts, "stack"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"hidden 32, 1,000 owners of 60 images: {took[0]:.2f} s a round, peak memory of this process {peak:.2f} GiB")
    for hidden in (32, 200):
        for count in (10, 100):
            wall = compare(hidden, count)
            for engine in ENGINES:
                beside(engine, hidden, count, wall)


if __name__ == "__main__":
    main()

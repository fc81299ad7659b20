"""Rounds of federated averaging written in PaddlePaddle, in its own environment: what ``federated.py`` asks, as JSON.

python -m tests.bench.on_paddle HIDDEN OWNERS
"""

import json
import sys
from itertools import pairwise

import paddle
import torch
from paddle.nn import functional as F

import kdcourse as kd
from kdcourse.federated import batches_of
from tests.bench.federated import LOCAL, ROUNDS, clocks, owners, plain, spread


def layers(model: torch.nn.Module) -> list[torch.nn.Linear]:
    """The linear layers of a perceptron."""
    return [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]


def network(model: torch.nn.Module) -> paddle.nn.Sequential:
    """A perceptron of PaddlePaddle's with the same weights."""
    parts: list[paddle.nn.Layer] = []
    for layer in layers(model):
        own = paddle.nn.Linear(layer.in_features, layer.out_features)
        own.set_state_dict({"weight": layer.weight.detach().numpy().T, "bias": layer.bias.detach().numpy()})
        parts += [own, paddle.nn.ReLU()]
    return paddle.nn.Sequential(*parts[:-1])


def main(hidden: int, count: int) -> None:
    """Seconds of each round, and how far its weights are from the plain loop's."""
    torch.set_num_threads(1)
    start, parts = kd.build("mlp", width=hidden, seed=0), owners(count)
    server, total, times = network(start), sum(map(len, parts)), [clocks()]
    images = [paddle.to_tensor(start.normalise(part.images).flatten(1).numpy()) for part in parts]
    labels = [paddle.to_tensor(part.labels.numpy()) for part in parts]
    own = network(start)
    for r in range(ROUNDS):
        sent = {name: value.clone() for name, value in server.state_dict().items()}
        mean = {name: paddle.zeros_like(value) for name, value in sent.items()}
        for k, part in enumerate(parts):
            own.set_state_dict(sent)
            optimizer = paddle.optimizer.SGD(LOCAL.lr, parameters=own.parameters())
            for at in batches_of(part, LOCAL, r, k):
                positions = paddle.to_tensor(at.numpy())
                F.cross_entropy(own(images[k][positions]), labels[k][positions]).backward()
                optimizer.step()
                optimizer.clear_grad()
            for name, value in own.state_dict().items():
                mean[name] += len(part) / total * value
        server.set_state_dict(mean)
        times.append(clocks())
    ends = plain(start, parts)
    names = [name for name in ends if name.endswith(("weight", "bias"))]
    ours = [torch.from_numpy(value.numpy()) for value in server.state_dict().values()]
    found = {n: v.T if n.endswith("weight") else v for n, v in zip(names, ours, strict=True)}
    steps = [[b - a for a, b in zip(*pair, strict=True)] for pair in pairwise(times)]
    print(json.dumps({"version": f"PaddlePaddle {paddle.__version__}", "rounds": steps,
                      "apart": spread(found, {n: ends[n] for n in names})}))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

"""What an accelerator gives: images a second of one training, in four ways, and of the same work by hand.

    python tests/bench/gpu.py [--device cuda] [--quick] [--out FILE]

Self-contained, under 8 minutes on one accelerator. It writes a JSON of everything that it measured, with the card, the
versions and the date: who quotes a figure quotes these with it. ``--quick`` takes tiny sizes, on the CPU too: it shows
that the script works, and its figures say nothing.

- ``training``: images a second of ``kd.distill`` with a frozen teacher, for a network of ours and for resnet18: eager
  float32, bfloat16, bfloat16 in channels-last, and that compiled. The first epoch warms up and is not counted.
- ``by hand``: the same step written out, float32, whose speed ``kd.distill`` is held against.
- ``synthesis``: seconds for a batch of images that a network dreams up. ``pipeline``: seconds of the four steps.
"""

import argparse
import datetime
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

import kdcourse as kd

WAYS = ("float32", "bfloat16", "bfloat16, channels-last", "bfloat16, channels-last, compiled")
NETWORKS = {"deep_cnn 32": ("deep_cnn", 32), "resnet18": ("resnet18", None)}


def build(name: str, seed: int) -> nn.Module:
    """One of the networks, for 3 x 32 x 32."""
    kind, width = NETWORKS[name]
    return kd.build(kind, width=width, shape=(3, 32, 32), seed=seed)


def data(images: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images and labels: what they show costs no time."""
    g = torch.Generator().manual_seed(0)
    return torch.rand(images, 3, 32, 32, generator=g), torch.randint(0, 10, (images,), generator=g)


def synchronised(device: torch.device) -> float:
    """The clock, once the device has done what it was asked."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()


def rate(name: str, way: str, device: torch.device, images: int, batch: int, epochs: int) -> float:
    """Images a second of ``kd.distill`` after its first epoch."""
    teacher, student = build(name, 0), build(name, 1)
    if "channels-last" in way:
        teacher, student = (model.to(memory_format=torch.channels_last) for model in (teacher, student))
    if "compiled" in way:
        teacher, student = (torch.compile(model) for model in (teacher, student))  # type: ignore[assignment]
    times: list[float] = []
    kd.distill(
        teacher, student, data(images), epochs=epochs + 1, batch_size=batch, device=device, cache_mb=0,
        precision="bfloat16" if "bfloat16" in way else "float32", progress=False,
        callbacks=[lambda run: times.append(synchronised(device))],
    )  # fmt: skip
    return images * epochs / (times[-1] - times[0])


def by_hand(name: str, device: torch.device, images: int, batch: int, epochs: int) -> float:
    """Images a second of the same step as anybody would write it, with everything on the device."""
    teacher, student = (build(name, seed).to(device) for seed in (0, 1))
    x, y = (part.to(device) for part in data(images))
    optimizer = torch.optim.AdamW(student.parameters(), lr=2e-3, weight_decay=0.01, fused=device.type != "cpu")
    teacher.eval()
    student.train()
    started = 0.0
    for epoch in range(epochs + 1):
        if epoch == 1:
            started = synchronised(device)
        for at in torch.randperm(images, device=device).split(batch):
            with torch.no_grad():
                theirs = teacher(x[at])
            loss = kd.losses.soft_targets(student(x[at]), theirs, y[at])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    return images * epochs / (synchronised(device) - started)


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Wall-clock seconds of one call."""
    started = synchronised(device)
    work()
    return synchronised(device) - started


def measured(device: torch.device, quick: bool) -> dict[str, Any]:
    """Everything, as plain data."""
    images, batch, epochs = (64, 32, 1) if quick else (20_000, 512, 4)
    found: dict[str, Any] = {"training": {}, "by hand": {}}
    names = ["deep_cnn 32"] if quick else list(NETWORKS)
    for name in names:
        found["by hand"][name] = by_hand(name, device, images, batch, epochs)
        for way in WAYS[:2] if quick else WAYS:
            found["training"].setdefault(name, {})[way] = rate(name, way, device, images, batch, epochs)
            print(f"  {name}, {way}: {found['training'][name][way]:,.0f} images a second", flush=True)
    found["share of by hand"] = {name: found["training"][name]["float32"] / found["by hand"][name] for name in names}
    teacher = kd.load_teacher(device=device)
    count, steps = (10, 2) if quick else (1000, 200)
    found["synthesis"] = seconds(lambda: kd.synthesise(teacher, n=count, num_classes=10, shape=(1, 28, 28), steps=steps,
                                                       device=device, progress=False), device)  # fmt: skip
    if not quick:
        with tempfile.TemporaryDirectory() as folder:
            found["pipeline"] = seconds(
                lambda: kd.pipeline.run(root=folder, progress=False, say=lambda text: None), device
            )
    return found


def about(device: torch.device) -> dict[str, Any]:
    """The card, the versions, the date."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "torch": torch.__version__, "cuda": torch.version.cuda, "kdcourse": kd.__version__,
            "python": sys.version.split()[0], "date": datetime.date.today().isoformat()}  # fmt: skip


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default=None, help="default: the accelerator that torch reports")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu.json"), help="default runs/gpu.json")
    args = parser.parse_args()
    device = kd.data.pick_device(args.device)
    if device.type == "cpu" and not args.quick:
        print("No accelerator here, so there is nothing to measure (--quick tries the script on the CPU).")
        return 2
    found = about(device) | {"quick": args.quick} | measured(device, args.quick)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

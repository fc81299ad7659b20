"""What generated images are worth as the only transfer set, beside real ones and noise, at equal size.

    python tests/bench/synthesis.py [--seeds 3] [--out FILE]

Source: cnn of width 16 on 8,000 labelled images. Target: a fresh cnn of width 32, 1,500 steps of 128, SGD with
Nesterov and one-cycle, T = 4, taught by the source's soft labels alone, recomputed on every augmented batch.
Everything once with augmentation (source and target) and once without; test images are read at the end.
"""

import argparse
import hashlib
import inspect
import json
import platform
import time
from pathlib import Path
from typing import Any

import torch

import kdcourse as kd

N, STEPS, BATCH = 1000, 1500, 128
SGD: dict[str, Any] = {"optimizer": "sgd", "schedule": "one-cycle", "progress": False}


def source_for(splits: Any, augment: str | None, seed: int) -> torch.nn.Module:
    """The source: 12 epochs on all 8,000 labels."""
    source = kd.build("cnn", width=16, seed=seed)
    return kd.train(source, splits, epochs=12, augment=augment, seed=seed, **SGD).student


def transfer_sets(source: torch.nn.Module, splits: Any, seed: int) -> tuple[dict[str, Any], float]:
    """Real, generated and noise images, as many of each, and the seconds that the generated ones took."""
    generator = torch.Generator().manual_seed(seed)
    real = splits.train.select(torch.randperm(len(splits.train), generator=generator)[:N])
    started = time.perf_counter()
    made = kd.synthesise(source, N, seed=seed, progress=False)
    seconds = time.perf_counter() - started
    noise = (0.18 + 0.28 * torch.randn(N, 1, 28, 28, generator=generator)).clamp(0, 1)
    return {"real": real.images, "generated": made.images, "noise": noise}, seconds


def taught(source: torch.nn.Module, images: torch.Tensor, augment: str | None, seed: int) -> torch.nn.Module:
    """A fresh target, taught on these images and nothing else; no validation, the last weights."""
    tiled = kd.data.tile(kd.data.Part(images), 8000)
    target = kd.build("cnn", width=32, seed=100 + seed)
    epochs = round(STEPS / -(-len(tiled) // BATCH))
    loss = kd.losses.SoftTargets(temperature=4.0, alpha=1.0)
    return kd.distill(source, target, tiled, loss=loss, epochs=epochs, augment=augment, seed=seed, **SGD).student


def picture(splits: Any, path: Path) -> None:
    """Real, generated and noise images side by side, one column a class."""
    source = source_for(splits, "flip-shift", 0)
    sets, _ = transfer_sets(source, splits, 0)
    real = torch.stack([splits.val.images[splits.val.labels == c][0] for c in range(10)])
    rows = {
        "real": real,
        "generated": sets["generated"][:10],
        "generated ": sets["generated"][10:20],
        "noise": sets["noise"][:10],
    }
    finding = (
        "Ten real images, twenty that a trained cnn of width 16 dreamed up for the same ten classes, and ten of noise."
    )
    kd.plots.demonstration(rows, splits.classes, finding=finding).save(path)


def fingerprint() -> str:
    """SHA-256 of what decides the result: the experiment's functions and settings."""
    parts = [inspect.getsource(f) for f in (source_for, transfer_sets, taught)]
    return hashlib.sha256("".join([*parts, repr((N, STEPS, BATCH, SGD))]).encode()).hexdigest()


def main() -> None:
    """All seeds and arms; a table and a file."""
    started = time.perf_counter()
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path, help="draw real, generated and noise images, and stop")
    args = parser.parse_args()
    splits = kd.split(kd.load(), val=0.2, seed=0)
    if args.picture:
        picture(splits, args.picture)
        return
    rows = []
    for augment in ("flip-shift", None):
        for seed in range(args.seeds):
            source = source_for(splits, augment, seed)
            sets, seconds = transfer_sets(source, splits, seed)
            row: dict[str, Any] = {"augment": augment, "seed": seed, "seconds": round(seconds, 1)}
            row["source"] = kd.evaluation.accuracy(source, splits.test)
            for name, images in sets.items():
                row[name] = kd.evaluation.accuracy(taught(source, images, augment, seed), splits.test)
            rows.append(row)
            print(row, flush=True)
    if args.out:
        versions = {"torch": torch.__version__, "python": platform.python_version()}
        record = {
            "seconds": round(time.perf_counter() - started),
            "versions": versions,
            "source": fingerprint(),
            "rows": rows,
        }
        args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Train the shipped two-headed teacher on canvases of the official images that the shipped teacher learned from.

    python tools/train_two_heads.py FOLDER_WITH_THE_FOUR_OFFICIAL_FILES

45,000 images, none of them in the bundle; in every epoch each stands on a new canvas. The learning rate (by one epoch
each) and the checkpoint are chosen on canvases of 5,000 other images. The test canvases are read once, by the last
lines, after every choice is made; whatever comes is recorded.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import kdcourse as kd
from kdcourse.data import Part
from kdcourse.models import parameter_count

SEED, WIDTH, BATCH, CHUNK = 0, 16, 128, 4500
LEARNING_RATES = (1e-3, 3e-3, 1e-2)
EPOCHS = 12


class Fresh:
    """Batches of canvases; each pass draws new ones, a chunk of images at a time."""

    def __init__(self, part: Part) -> None:
        self.part, self.drawn = part, 0

    def __len__(self) -> int:
        return len(self.part) // BATCH

    def __iter__(self) -> Iterator[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
        self.drawn += 1
        order = torch.randperm(len(self.part), generator=torch.Generator().manual_seed(SEED + self.drawn))
        left = len(self)
        for k, at in enumerate(order.split(CHUNK)):  # type: ignore[no-untyped-call]
            made = kd.multitask.canvases(self.part.select(at), seed=1000 * self.drawn + k)
            for rows in torch.arange(len(made)).split(BATCH):  # type: ignore[no-untyped-call]
                if left and len(rows) == BATCH:
                    left -= 1
                    yield made.images[rows], {name: value[rows] for name, value in made.labels.items()}


def fit(lr: float, part: Part, val: Part, epochs: int) -> kd.training.Run:
    """One run of the recipe."""
    loss = kd.losses.PerHead({"class": kd.losses.CrossEntropy(), "box": kd.losses.Box()})
    model = kd.multitask.two_headed("mini_googlenet", width=WIDTH, seed=SEED)
    rest: dict[str, Any] = {"metric": kd.multitask.score, "epochs": epochs, "seed": SEED, "progress": False}
    return kd.train(model, Fresh(part), val=val, loss=loss, lr=lr, weight_decay=0.05, **rest)


def main() -> None:
    """Choose, train, test once, save with the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=Path("kdcourse/assets/two_heads"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    full = kd.load("fashion-mnist", full=True, root=args.source).train
    indices = kd.export.teacher_indices()
    part, val = (full.select(indices[name].long()) for name in ("train", "val"))
    val = kd.multitask.canvases(val, seed=SEED)
    trials = {lr: max(fit(lr, part, val, 1).history["val_score"]) for lr in LEARNING_RATES}
    chosen = max(trials, key=trials.__getitem__)
    print("one epoch, on the 5,000:", trials, flush=True)
    run = fit(chosen, part, val, EPOCHS)
    assert run.best_epoch is not None
    test = kd.multitask.evaluate(run.student, kd.multitask.canvases(kd.split(kd.load(), val=0.2, seed=0)).test)
    about = {
        "recipe": {k: v for k, v in run.config.items() if k != "data"}, "seed": SEED, "width": WIDTH,
        "trials": {str(lr): value for lr, value in trials.items()},
        "val_score": run.history["val_score"][run.best_epoch], "best_epoch": run.best_epoch, "test": str(test),
        "processor_seconds": round(time.process_time() - started), "parameters": parameter_count(run.student),
    }  # fmt: skip
    kd.save_frozen(run.student, args.out, about=about)
    print(json.dumps({k: v for k, v in about.items() if k != "recipe"}, indent=1))


if __name__ == "__main__":
    main()

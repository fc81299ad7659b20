"""Train the shipped teacher on the official training images that are not in the bundle.

    python tools/train_teacher.py FOLDER_WITH_THE_FOUR_OFFICIAL_FILES

45,000 images train it. The recipe (which learning rate) and the checkpoint (which epoch) are chosen on 5,000 others.
The test images are read once, by the last lines, after every choice is made; whatever comes is recorded.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

import kdcourse.data as data
from kdcourse.evaluation import accuracy
from kdcourse.export import save_frozen
from kdcourse.models import build, parameter_count
from kdcourse.training import Run, train

SEED = 0
LEARNING_RATES = (0.05, 0.1, 0.2)
TRIAL_EPOCHS, EPOCHS = 2, 18


def outside_bundle(full: data.ImageData, bundle: data.ImageData, official: torch.Tensor) -> data.Part:
    """The official training images that are neither bundled nor, by their pixels, copies of a bundled image."""
    outside = torch.ones(len(full.train), dtype=torch.bool)
    outside[official] = False
    for part in (bundle.train, bundle.test):
        assert part is not None
        copies = [i for i, _ in data.duplicates(full.train, part)]
        outside[torch.tensor(copies, dtype=torch.long)] = False
    return full.train.select(outside.nonzero().flatten())


def fit(lr: float, splits: data.Splits, epochs: int) -> Run:
    """One run of the recipe."""
    model = build("deep_cnn", width=32, seed=SEED)
    return train(
        model, splits, optimizer="sgd", lr=lr, schedule="one-cycle", augment="flip-shift", epochs=epochs, seed=SEED
    )


def main() -> None:
    """Choose, train, test once, save with the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=Path("kdcourse/assets/teacher"))
    args = parser.parse_args()
    started = time.perf_counter()
    full, bundle = data.load("fashion-mnist", full=True, root=args.source), data.load("fashion-mnist")
    official = json.loads((data.ASSETS / "fashion-mnist" / "bundle.json").read_text())["official_train_indices"]
    part = outside_bundle(full, bundle, torch.tensor(official))
    splits = data.split(data.ImageData("fashion-mnist", part, bundle.test, full.classes), val=5000, seed=SEED)
    trials = {lr: max(fit(lr, splits, TRIAL_EPOCHS).history["val_accuracy"]) for lr in LEARNING_RATES}
    chosen = max(trials, key=trials.__getitem__)
    print("trials on the 5,000:", trials, flush=True)
    run = fit(chosen, splits, EPOCHS)
    seconds = time.perf_counter() - started
    assert run.best_epoch is not None and splits.test is not None
    score = accuracy(run.student, splits.test)  # the one look at the test images
    indices = {"train": splits.train.indices.int(), "val": splits.val.indices.int()}
    about = {
        "recipe": run.config, "seed": SEED, "trials": {str(lr): value for lr, value in trials.items()},
        "val_accuracy": run.history["val_accuracy"][run.best_epoch], "best_epoch": run.best_epoch,
        "test_accuracy": score, "seconds": round(seconds), "threads": torch.get_num_threads(),
        "parameters": parameter_count(run.student), "train_images": len(splits.train),
        "train_indices_sha256": hashlib.sha256(indices["train"].numpy().astype("<i4").tobytes()).hexdigest(),
    }  # fmt: skip
    save_frozen(run.student, args.out, classes=full.classes, about=about)
    save_file(indices, args.out.with_name("teacher-indices.safetensors"))
    print(json.dumps({k: v for k, v in about.items() if k != "recipe"}, indent=1))


if __name__ == "__main__":
    main()

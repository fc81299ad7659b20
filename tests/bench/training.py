"""Speed, side by side in one run: ``kd.train`` and ``kd.distill`` beside what a user would write instead.

    python tests/bench/training.py

1. A hand-written loop on tensors: same model, batches, optimizer, schedule, validation. Ours must reach 0.95 of its speed.
2. The manner of PyTorch's distillation tutorial: a DataLoader with two workers over transformed PIL images, the teacher
   run on every batch. Ours, with its cache, must be 5 times as fast at equal accuracy.
3. One step of the cnn of width 16 beside a bare re-creation of it: at most 1.3 times.
"""

import copy
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import kdcourse as kd

EPOCHS, SEED = 10, 0


def plain_loop(model: nn.Module, splits: Any, epochs: int) -> float:
    """What a careful user writes by hand: returns the best validation accuracy."""
    x, y = splits.train.images, splits.train.labels
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * -(-len(x) // 128))
    best, best_weights = 0.0, copy.deepcopy(model.state_dict())
    for epoch in range(epochs):
        model.train()
        torch.manual_seed(kd.data.epoch_seed(SEED, epoch))
        for at in torch.randperm(len(x)).split(128):
            loss = F.cross_entropy(model(x[at]), y[at])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            right = [(model(a).argmax(1) == b).sum() for a, b in zip(splits.val.images.split(512), splits.val.labels.split(512), strict=True)]  # fmt: skip
        accuracy = float(sum(right)) / len(splits.val)
        if accuracy > best:
            best, best_weights = accuracy, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_weights)
    return best


class Pictures(Dataset[Any]):
    """PIL images and a transform, as torchvision's data sets hold them."""

    def __init__(self, part: Any) -> None:
        self.images = [Image.fromarray((image[0] * 255).round().byte().numpy()) for image in part.images]
        self.labels, self.transform = part.labels.tolist(), transforms.ToTensor()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Any:
        return self.transform(self.images[i]), self.labels[i]


def tutorial_manner(teacher: nn.Module, student: nn.Module, pictures: Pictures, epochs: int) -> None:
    """Loader, teacher on every batch, soft targets at T = 4."""
    loader = DataLoader(pictures, batch_size=128, shuffle=True, num_workers=2)
    optimizer = torch.optim.AdamW(student.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
    teacher.eval()
    student.train()
    for _ in range(epochs):
        for inputs, labels in loader:
            optimizer.zero_grad()
            with torch.no_grad():
                theirs = teacher(inputs)
            ours = student(inputs)
            soft = F.softmax(theirs / 4, dim=-1)
            log_ours = F.log_softmax(ours / 4, dim=-1)
            kl = torch.sum(soft * (soft.log() - log_ours)) / ours.size(0) * 16
            loss = 0.9 * kl + 0.1 * F.cross_entropy(ours, labels)
            loss.backward()
            optimizer.step()
            schedule.step()


def seconds(call: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    """Processor time of one call; wall-clock time where other processes work for it."""
    started = clock()
    call()
    return clock() - started


def beside_plain_loop(splits: Any) -> float:
    """Speed of ``kd.train`` as a share of the plain loop's: the median of five pairs, taken in turn.

    The plain loop's AdamW is torch's default, ours the fused one; the weights differ by rounding alone.
    """
    ratios = []
    for pair in range(6):
        one, other = (kd.build("cnn", width=8, seed=SEED) for _ in range(2))
        plain = seconds(lambda one=one: plain_loop(one, splits, EPOCHS))
        ours = seconds(lambda other=other: kd.train(other, splits, epochs=EPOCHS, seed=SEED, progress=False))
        pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
        gap = max(float((a.double() - b.double()).abs().max()) for a, b in pairs)
        print(f"  plain loop {plain:.2f} s, kd.train {ours:.2f} s, speed {plain / ours:.2f}, weights within {gap:.1g}")
        ratios += [plain / ours] if pair else []  # the first pair warms up
    return statistics.median(ratios)


def beside_tutorial(splits: Any) -> tuple[float, float]:
    """(times as fast, difference of accuracy on validation)."""
    teacher, pictures = kd.load_teacher(), Pictures(splits.train)
    theirs, ours = (kd.build("cnn", width=8, seed=SEED) for _ in range(2))
    slow = seconds(lambda: tutorial_manner(teacher, theirs, pictures, EPOCHS), time.perf_counter)
    options = {"epochs": EPOCHS, "seed": SEED, "progress": False}
    quick = seconds(lambda: kd.distill(teacher, ours, splits.train, **options), time.perf_counter)
    accuracies = [kd.evaluation.accuracy(model, splits.val) for model in (theirs, ours)]
    print(
        f"  tutorial's manner {slow:.1f} s, accuracy {accuracies[0]:.3f}; kd.distill {quick:.1f} s, {accuracies[1]:.3f}"
    )
    return slow / quick, accuracies[1] - accuracies[0]


def beside_bare_model(splits: Any) -> float:
    """Time of one step of the registry's cnn over that of the same layers, written out."""

    def block(i: int, o: int, k: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, k, 2, k // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU()]

    bare = nn.Sequential(*block(1, 16, 5), *block(16, 32, 3), *block(32, 64, 3), nn.Flatten(), nn.Linear(1024, 10))
    x, y = splits.train.images[:128], splits.train.labels[:128]

    def steps(model: nn.Module) -> float:
        optimizer = torch.optim.AdamW(model.parameters())

        def step() -> None:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

        return seconds(lambda: [step() for _ in range(60)])

    steps(bare)
    return statistics.median(steps(kd.build("cnn", width=16)) / steps(bare) for _ in range(5))


def main() -> int:
    """All three; 1 where a bound is missed."""
    splits = kd.split(kd.load(), val=0.2, seed=SEED)
    share = beside_plain_loop(splits)
    times, gap = beside_tutorial(splits)
    model = beside_bare_model(splits)
    print(f"kd.train beside a plain loop: {share:.2f} of its speed (at least 0.95)")
    print(
        f"kd.distill beside the tutorial's manner: {times:.1f} times as fast (at least 5), accuracy {100 * gap:+.1f} points"
    )
    print(f"the cnn's step beside a bare one: {model:.2f} times (at most 1.3)")
    return int(share < 0.95 or times < 5 or gap < -0.01 or model > 1.3)


if __name__ == "__main__":
    sys.exit(main())

"""Speed of Taylor importance beside the oracle: the shipped teacher, all its channels, eval mode, one batch of 256.

    python tests/bench/importance.py

One backward pass must be at least 50 times as fast as removing each channel in turn.
"""

import statistics
import sys
import time

import torch

import kdcourse as kd


def main() -> int:
    """Print both times; 1 where the ratio is below 50."""
    torch.set_num_threads(1)
    teacher, splits = kd.load_teacher(device="cpu"), kd.split(kd.load(), val=0.2, seed=0)
    batch = splits.val.images[:256], splits.val.labels[:256]
    times = []
    for _ in range(3):
        started = time.perf_counter()
        scores = kd.taylor.importance(teacher, batch)
        times.append(time.perf_counter() - started)
    started = time.perf_counter()
    kd.taylor.oracle(teacher, batch)
    slow, fast = time.perf_counter() - started, statistics.median(times)
    channels = sum(len(s) for s in scores.values())
    print(f"{channels} channels: oracle {slow:.1f} s, importance {fast:.2f} s, {slow / fast:.0f} times as fast")
    return int(slow < 50 * fast)


if __name__ == "__main__":
    sys.exit(main())

"""How slow this processor is just now: a check's limit is in seconds of a quiet one."""

import time
from statistics import median

import torch

__all__ = ["pace"]

QUIET = 0.019  # processor seconds of the piece of work below where the limits were set: a cloud machine with two cores
MOST = 4.0  # a loop that never ends must end for the learner


def pace() -> float:
    """By how much a limit is stretched here: 1 on a processor as fast as the one where it was set, at most ``MOST``.

    Measured in this thread's own processor seconds, beside whatever else runs: it takes about 0.1 s.
    """
    return min(MOST, max(1.0, median(_work() for _ in range(5)) / QUIET))


def _work() -> float:
    """Seconds of a piece of work in which Python and torch have about equal shares."""
    began, total, values = time.thread_time(), 0, torch.full((64, 64), 0.01)
    for i in range(100_000):
        total += i * i
    for _ in range(400):
        values = torch.tanh(values @ values)
    return time.thread_time() - began

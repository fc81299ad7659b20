"""Notebooks under pytest: their cells stay in order, and a notebook that takes 1.5 times its budget fails the session.

A lesson may take 60 seconds, the pipeline 75, a solution 30; ``KDCOURSE_BUDGET`` sets another number for all. The
budgets hold for a machine on which :func:`yardstick` takes ``REFERENCE`` seconds. On a slower one, or one that is slow
just now, each cell's seconds are divided by how much longer the yardstick takes beside it; a faster one gets no less.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import pytest

TOLERANCE = 1.5
REFERENCE = 0.036  # measured where splits_and_leaks takes 45 s and four_steps takes 66: two unshared cores, one thread
TAKEN: dict[str, float] = defaultdict(float)
COUNTED: dict[str, float] = defaultdict(float)
READINGS: list[float] = []


def budget(notebook: str) -> float:
    """Seconds that a notebook may take with one thread."""
    if "KDCOURSE_BUDGET" in os.environ:
        return float(os.environ["KDCOURSE_BUDGET"])
    if "solutions/" in notebook:
        return 30
    return 75 if Path(notebook).stem.endswith("_four_steps") else 60


def too_slow(notebook: str) -> bool:
    """Whether a notebook took 1.5 times its budget, in seconds of the reference machine."""
    return COUNTED[notebook] > TOLERANCE * budget(notebook)


def yardstick() -> float:
    """Seconds of a fixed piece of work like a lesson's, without the package: plain Python, a small network's steps."""
    import torch
    from torch import nn

    convolutions = nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU()
    model, images = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(784, 10)), torch.ones(128, 1, 28, 28)
    start = time.perf_counter()
    for _ in range(8):
        model(images).square().mean().backward()
    sum(i * i for i in range(100_000))
    return time.perf_counter() - start


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put nbval's cells back into the order of their notebooks, each cell in a place where a cell stood."""
    places = [i for i, item in enumerate(items) if hasattr(item, "cell_num")]
    cells = sorted((items[i] for i in places), key=lambda item: (str(item.path), item.cell_num))
    for place, cell in zip(places, cells, strict=True):
        items[place] = cell


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Note beside a cell's seconds how slow the machine is: the last two readings, one after each cell of a second."""
    report = yield
    if hasattr(item, "cell_num") and report.when == "call":
        if report.duration >= 1 or not READINGS:
            READINGS.append(yardstick() / REFERENCE)
        report.user_properties.append(("slowness", max(1.0, mean(READINGS[-2:]))))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up the seconds of a notebook's cells (with xdist, in the process that gathers the reports)."""
    slowness = dict(report.user_properties).get("slowness")
    if slowness:
        path = report.nodeid.partition("::")[0]
        TAKEN[path] += report.duration
        COUNTED[path] += report.duration / slowness


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where a notebook was too slow."""
    if not hasattr(session.config, "workerinput") and any(too_slow(path) for path in TAKEN):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long each notebook took."""
    for path, seconds in sorted(TAKEN.items()):
        late = "  TOO SLOW" if too_slow(path) else ""
        counted = f"counted as {COUNTED[path]:.0f} s, budget {budget(path):g} s"
        terminalreporter.write_line(f"{path}: {seconds:.0f} s, {counted}{late}")

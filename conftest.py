"""Notebooks under pytest: their cells stay in order, and a notebook that takes 1.5 times its budget fails the session.

A lesson may take 60 seconds, the pipeline 75, a solution 30; ``KDCOURSE_BUDGET`` sets another number for all.
"""

import os
from collections import defaultdict
from pathlib import Path

import pytest

TOLERANCE = 1.5
SECONDS: dict[str, float] = defaultdict(float)


def budget(notebook: str) -> float:
    """Seconds that a notebook may take with one thread."""
    if "KDCOURSE_BUDGET" in os.environ:
        return float(os.environ["KDCOURSE_BUDGET"])
    if "solutions/" in notebook:
        return 30
    return 75 if Path(notebook).name.startswith("10_") else 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put nbval's cells back into the order of their notebooks, each cell in a place where a cell stood."""
    places = [i for i, item in enumerate(items) if hasattr(item, "cell_num")]
    cells = sorted((items[i] for i in places), key=lambda item: (str(item.path), item.cell_num))
    for place, cell in zip(places, cells, strict=True):
        items[place] = cell


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up the seconds of a notebook's cells (with xdist, in the process that gathers the reports)."""
    path, _, cell = report.nodeid.partition("::")
    if path.endswith(".ipynb") and cell and report.when == "call":
        SECONDS[path] += report.duration


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where a notebook was too slow."""
    if not hasattr(session.config, "workerinput") and any(s > TOLERANCE * budget(p) for p, s in SECONDS.items()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long each notebook took."""
    for path, seconds in sorted(SECONDS.items()):
        late = "  TOO SLOW" if seconds > TOLERANCE * budget(path) else ""
        terminalreporter.write_line(f"{path}: {seconds:.0f} s, budget {budget(path):g} s{late}")

"""Rebuild every recorded result from nothing, or check that none is stale.

    python tools/experiments.py [NN ...] [--check | --only NN_name ...] [--jobs 2]

A lesson's cells tagged ``experiment`` stand on their own: in order, in one namespace, they define and run its
experiments. Each lesson is a process of one thread.
"""

import argparse
import json
import linecache
import os
import subprocess
import sys
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
# One thread, no bars, and large buffers given back at once: small answers kept between them would otherwise hold
# gigabytes. glibc reads that setting when a process starts, so a first process starts a second one.
SETTINGS = {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "MALLOC_MMAP_THRESHOLD_": "4194304"}


def experiments(path: Path) -> list[str]:
    """The sources of a notebook's cells tagged ``experiment``."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if "experiment" in c["metadata"].get("tags", [])]


def execute(path: Path) -> None:
    """Run these cells; ``inspect.getsource`` finds their functions through linecache."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(experiments(path)):
        name = f"<{path.stem} experiment {number}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), namespace)


def check(path: Path, rebuilt: Container[str] = ()) -> None:
    """Run these cells with nothing trained: every record must be there and made by this very source.

    Experiments in ``rebuilt`` are run all the same.
    """
    import kdcourse.records as records

    original = records.experiment
    found: list[str] = []

    def fresh(name: str, function: Any, **options: Any) -> Any:
        found.append(name)
        os.environ["KDCOURSE_RECORDS"] = "rebuild" if name in rebuilt else "read"
        return original(name, function, **{**options, "live": None, "tolerance": None})

    records.experiment = fresh
    try:
        execute(path)
    finally:
        records.experiment = original
    print(f"{path.stem}: {', '.join(found)}")


def main() -> None:
    """All lessons, or those named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("lessons", nargs="*", help="numbers; all by default")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", nargs="*", default=[], help="rebuild these, read the others")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    if os.environ.get("MALLOC_MMAP_THRESHOLD_") != SETTINGS["MALLOC_MMAP_THRESHOLD_"]:
        raise SystemExit(subprocess.call([sys.executable, *sys.argv], env=os.environ | SETTINGS))
    notebooks = [p for p in sorted((ROOT / "notebooks").glob("*.ipynb")) if experiments(p)]
    notebooks = [p for p in notebooks if not args.lessons or p.name[:2] in args.lessons]
    if args.check or args.only:
        for path in notebooks:
            check(path, args.only)
    elif len(notebooks) == 1:
        os.environ["KDCOURSE_RECORDS"] = "rebuild"
        execute(notebooks[0])
    else:
        _all(notebooks, args.jobs)


def _all(notebooks: list[Path], jobs: int) -> None:
    """One process a lesson, ``jobs`` at a time."""
    started, waiting, running = time.perf_counter(), list(notebooks), list[subprocess.Popen[bytes]]()
    codes: list[int] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(subprocess.Popen([sys.executable, __file__, waiting.pop(0).name[:2]]))
        time.sleep(0.5)
        codes += [p.returncode for p in running if p.poll() is not None]
        running = [p for p in running if p.returncode is None]
    print(f"{len(notebooks)} lessons in {time.perf_counter() - started:.0f} s")
    if any(codes):
        raise SystemExit("an experiment failed")


if __name__ == "__main__":
    main()

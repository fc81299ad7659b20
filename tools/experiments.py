"""Rebuild every recorded result from nothing, or check that none is stale.

    python tools/experiments.py [SLUG ...] [--check] [--jobs 2]

A slug is an evidence's, all of whose records are rebuilt, or a record's, which is rebuilt alone. An evidence's cells
tagged ``experiment`` stand on their own: in order, in one namespace, they define and run its experiments. Each evidence
is a process of one thread.
"""

import argparse
import json
import linecache
import os
import re
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


def evidence() -> dict[str, Path]:
    """The notebooks that hold experiments, by their slugs: in notebooks/evidence, and lessons that hold their own."""
    paths = [*sorted((ROOT / "notebooks").glob("*.ipynb")), *sorted((ROOT / "notebooks/evidence").glob("*.ipynb"))]
    return {re.sub(r"^(\d\d|[A-Z])_", "", path.stem): path for path in paths if experiments(path)}


def recorded_by(path: Path) -> list[str]:
    """The names of the records that a notebook's cells make."""
    return re.findall(r'records\.experiment\(\s*"(\w+)"', "\n".join(experiments(path)))


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
    """All, or those named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("slugs", nargs="*", help="of evidence or records; all by default")
    parser.add_argument("--check", action="store_true", help="rebuild nothing: is any record stale?")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    if os.environ.get("MALLOC_MMAP_THRESHOLD_") != SETTINGS["MALLOC_MMAP_THRESHOLD_"]:
        raise SystemExit(subprocess.call([sys.executable, *sys.argv], env=os.environ | SETTINGS))
    chosen = wanted(args.slugs)
    if args.check:
        for slug in chosen:
            check(evidence()[slug])
    elif len(chosen) > 1:
        _all(chosen, args.jobs)
    else:
        for slug, names in chosen.items():
            check(evidence()[slug], names)


def wanted(slugs: list[str]) -> dict[str, list[str]]:
    """{evidence: its records that were named, by their own slug or by its}; all where no slug is given."""
    there = {slug: recorded_by(path) for slug, path in evidence().items()}
    names = [*there, *(name for own in there.values() for name in own)]
    for slug in slugs:
        if slug not in names:
            raise SystemExit(f"{slug} is neither an evidence nor a record; there are: {', '.join(sorted(set(names)))}")
    chosen = {e: [name for name in own if not slugs or e in slugs or name in slugs] for e, own in there.items()}
    return {slug: own for slug, own in chosen.items() if own}


def _all(chosen: dict[str, list[str]], jobs: int) -> None:
    """One process an evidence, ``jobs`` at a time."""
    started, waiting, running = time.perf_counter(), list(chosen.values()), list[subprocess.Popen[bytes]]()
    codes: list[int] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(subprocess.Popen([sys.executable, __file__, *waiting.pop(0)]))
        time.sleep(0.5)
        codes += [p.returncode for p in running if p.poll() is not None]
        running = [p for p in running if p.returncode is None]
    print(f"the records of {len(chosen)} notebooks in {time.perf_counter() - started:.0f} s")
    if any(codes):
        raise SystemExit("an experiment failed")


if __name__ == "__main__":
    main()

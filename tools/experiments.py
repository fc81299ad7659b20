"""Bring recorded results up to date: run what is missing, renew or rerun what a change made stale.

    python tools/experiments.py [SLUG ...] [--check | --audit N] [--jobs 2] [--workers 1]

A slug is an evidence's, all of whose records are meant, or a record's, which is meant alone. An evidence's cells tagged
``experiment`` stand on their own: in order, in one namespace, they define and run its experiments. Each evidence is a
process of one thread, or several. What is interrupted goes on where it stopped, row by row.
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
    """The names of the records that a notebook's cells make; tuning makes two, one a round."""
    calls = re.findall(r'records\.(experiment|tune)\(\s*"(\w+)"', "\n".join(experiments(path)))
    return [
        name for kind, own in calls for name in ([own] if kind == "experiment" else [f"{own}_grid", f"{own}_finals"])
    ]


def execute(path: Path) -> None:
    """Run these cells; ``inspect.getsource`` finds their functions through linecache."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(experiments(path)):
        name = f"<{path.stem} experiment {number}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), namespace)


def go(path: Path, mode: str, names: Container[str]) -> None:
    """Run a notebook's cells: the records in ``names`` in that mode, the others read as they are."""
    from kdcourse.records import experiments as records

    original, found = records.experiment, list[str]()
    import kdcourse.records

    def asked(name: str, function: Any, **options: Any) -> Any:
        found.append(name)
        os.environ["KDCOURSE_RECORDS"] = mode if name in names else "plan"
        return original(name, function, **options)

    kdcourse.records.experiment = records.experiment = asked  # notebooks call the one, tuning the other
    try:
        with records.watched():
            execute(path)
    except Exception as error:
        if mode != "plan":
            raise
        print(f"{path.stem}: what follows {found[-1] if found else 'nothing'} is not known before it is run ({error})")
    finally:
        kdcourse.records.experiment = records.experiment = original
    if mode == "read":
        print(f"{path.stem}: {', '.join(found)}")


def wanted(slugs: list[str]) -> dict[str, list[str]]:
    """{evidence: its records that were named, by their own slug or by its}; all where no slug is given."""
    there = {slug: recorded_by(path) for slug, path in evidence().items()}
    names = [*there, *(name for own in there.values() for name in own)]
    for slug in slugs:
        if slug not in names:
            raise SystemExit(f"{slug} is neither an evidence nor a record; there are: {', '.join(sorted(set(names)))}")
    chosen = {e: [name for name in own if not slugs or e in slugs or name in slugs] for e, own in there.items()}
    return {slug: own for slug, own in chosen.items() if own}


def planned(chosen: dict[str, list[str]]) -> dict[str, list[str]]:
    """Say what is stale and about how long it takes; {evidence: its records that are not up to date}."""
    from kdcourse.records.experiments import plans

    for slug in chosen:
        go(evidence()[slug], "plan", ())
    due: dict[str, list[str]] = {}
    found = {plan.name: plan for plan in plans}
    for slug, names in chosen.items():
        own = [name for name in names if name not in found or found[name].why]
        due |= {slug: own} if own else {}
    for name in [name for names in due.values() for name in names if name in found]:
        p = found[name]
        rows = f"{p.fresh} rows to run, {p.renewed} to rerun for {p.kept} kept"
        print(f"  {name}: {rows}, about {p.seconds:.0f} s ({p.why})")
    seconds = sum(found[name].seconds for names in due.values() for name in names if name in found)
    print(f"{sum(map(len, due.values()))} records are not up to date: about {seconds / 60:.1f} min of one process")
    return due


def audit(chosen: dict[str, list[str]], n: int) -> None:
    """Run ``n`` random rows again, of any length, and compare."""
    from kdcourse import records

    for slug in chosen:
        go(evidence()[slug], "read", chosen[slug])
    records.audit(n)


def main() -> None:
    """All, or those named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("slugs", nargs="*", help="of evidence or records; all by default")
    parser.add_argument("--check", action="store_true", help="run nothing: is any record stale?")
    parser.add_argument("--audit", type=int, default=0, metavar="N", help="run N random rows again and compare")
    parser.add_argument("--jobs", type=int, default=2, help="evidence notebooks at a time")
    parser.add_argument("--workers", type=int, default=1, help="rows of an experiment at a time, a process each")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if os.environ.get("MALLOC_MMAP_THRESHOLD_") != SETTINGS["MALLOC_MMAP_THRESHOLD_"]:
        raise SystemExit(subprocess.call([sys.executable, *sys.argv], env=os.environ | SETTINGS))
    os.environ["KDCOURSE_WORKERS"] = str(args.workers)
    chosen = wanted(args.slugs)
    if args.check:
        for slug, names in chosen.items():
            go(evidence()[slug], "read", names)
        from kdcourse.records import experiments as records

        for text in filter(None, (records.owed(one.record) for one in records.OPEN.values())):
            print(text)
    elif args.audit:
        audit(chosen, args.audit)
    elif args.one:
        for slug, names in chosen.items():
            go(evidence()[slug], "rebuild", names)
    else:
        _all(planned(chosen), args.jobs)


def _all(chosen: dict[str, list[str]], jobs: int) -> None:
    """One process an evidence, ``jobs`` at a time."""
    started, waiting, running = time.perf_counter(), list(chosen.values()), list[subprocess.Popen[bytes]]()
    codes: list[int] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(subprocess.Popen([sys.executable, __file__, "--one", *waiting.pop(0)]))
        time.sleep(0.5)
        codes += [p.returncode for p in running if p.poll() is not None]
        running = [p for p in running if p.returncode is None]
    print(f"the records of {len(chosen)} notebooks in {time.perf_counter() - started:.0f} s")
    if any(codes):
        raise SystemExit("an experiment failed")


if __name__ == "__main__":
    main()

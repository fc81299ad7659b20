"""What made a row: the machine, the functions that really ran, and the hashes by which a later check knows them.

A row's hashes cover the syntax trees (docstrings and annotations aside) of the experiment and of all that its notebook
holds of it (``kdcourse.records.notebook``), of every function of the package that ran, the constants, classes and
bindings that these read (``kdcourse.records.package``), the bundle and the shipped teacher.
"""

import functools
import json
import platform
import sys
import threading
import types
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from kdcourse.data import ASSETS
from kdcourse.records import notebook, package
from kdcourse.records.package import PACKAGE, QUIET, short

__all__ = ["Tracer", "assets", "hashes", "machine", "now", "same_kind"]

# What may decide the last bits:
KIND = ("processor", "instructions", "accelerator", "torch", "numpy", "scipy", "scikit-learn")


# ---------------------------------------------------------------- the machine


@functools.lru_cache(maxsize=1)
def machine() -> dict[str, str]:
    """Processor kind, instruction set, the accelerator if there is one, and the versions of what computes."""
    found = {"processor": _processor(), "instructions": torch.backends.cpu.get_cpu_capability()}
    if torch.cuda.is_available():  # then models are trained there
        found["accelerator"] = torch.cuda.get_device_name()
    found |= {"python": platform.python_version(), "torch": torch.__version__.partition("+")[0]}
    for name in ("numpy", "scipy", "scikit-learn"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        names = [line.partition(":")[2].strip() for line in file.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def same_kind(made: Mapping[str, Any]) -> bool:
    """Whether a row was made on this kind of processor by these versions, so that it can be equal to the bit."""
    return all(made.get(name) == machine().get(name) for name in KIND)


# ---------------------------------------------------------------- what ran


class Tracer:
    """Notes, while it lasts, every function of the package that runs; the profiler hook costs about 1%.

        with Tracer() as tracer:
            function()
        tracer.names            # {"kdcourse.training:distill", ...}

    Threads that begin meanwhile are traced too. A debugger's or profiler's own hook is put back afterwards.
    """

    def __init__(self) -> None:
        self._codes: dict[int, types.CodeType] = {}
        self._before: Any = None

    def __enter__(self) -> "Tracer":
        codes, known = self._codes, self._codes.keys()

        def hook(frame: types.FrameType, event: str, argument: Any) -> None:
            code = frame.f_code
            if id(code) not in known:
                codes[id(code)] = code

        self._before = sys.getprofile()
        threading.setprofile(hook)
        sys.setprofile(hook)
        return self

    def __exit__(self, *error: object) -> None:
        threading.setprofile(None)
        if self._before is None or callable(self._before):
            sys.setprofile(self._before)
        else:  # cProfile's own object
            sys.setprofile(None)
            self._before.enable()

    @property
    def names(self) -> set[str]:
        """The functions and methods that ran, as module:qualified name; nested ones count as the one around them."""
        found = set()
        for code in list(self._codes.values()):
            path = Path(code.co_filename)
            if path.is_relative_to(PACKAGE) and path.relative_to(PACKAGE).parts[0].removesuffix(".py") not in QUIET:
                name = package.place(path, code.co_firstlineno)
                found |= {name} if name else set()
        return found


# ---------------------------------------------------------------- all of it


@functools.lru_cache(maxsize=1)
def assets() -> dict[str, str]:
    """Checksums of the bundle and of the shipped teacher."""
    files = {"asset:bundle": ASSETS / "fashion-mnist" / "bundle.json"}
    files["asset:teacher"] = ASSETS / "teacher" / "config.json"
    sums = {name: json.loads(path.read_text(encoding="utf-8"))["sha256"] for name, path in files.items()}
    return {name: short(json.dumps(value, sort_keys=True)) for name, value in sums.items()}


def hashes(names: set[str], own: Mapping[str, str]) -> dict[str, str]:
    """All that made a row: the functions that ran, what they read, the notebook's own, the assets."""
    found = {f"ran:{name}": package.code(name)[0] for name in names}
    found |= {read: package.reading(read) for name in names for read in package.code(name)[1]}
    return dict(sorted({**found, **own, **assets()}.items()))


def now(recorded: Mapping[str, str], function: Callable[..., Any] | None) -> dict[str, str]:
    """What the same names hash to today; "gone" where there is no such thing any more.

    Args:
        recorded: a row's hashes.
        function: the notebook's; None where only the package is at hand, and then the notebook's names are left out.
    """
    own = notebook.used(function) if function is not None else {}
    found = dict(own)
    for name in recorded:
        kind, _, rest = name.partition(":")
        if kind == "ran":
            found[name] = package.code(rest)[0]
        elif kind in ("constant", "class", "bound"):
            found[name] = package.reading(name)
        elif kind == "asset":
            found[name] = assets().get(name, "gone")
        elif function is not None:
            found[name] = own.get(name, "gone")
    return found

"""The command: ``kdcourse pipeline``, ``predict``, ``progress``, ``doctor``."""

import argparse
import json
import sys
import traceback
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kdcourse._arguments import fail

NEEDED = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "safetensors", "matplotlib",
          "tqdm", "platformdirs", "filelock", "ipywidgets", "jupyterlab")  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kdcourse", description="The helper of a course on knowledge distillation.")
    commands = parser.add_subparsers(dest="command", required=True)
    pipeline = commands.add_parser("pipeline", help="the article's four steps on real images")
    pipeline.add_argument("--direction", choices=["small-to-big", "big-to-small"], default="small-to-big")
    pipeline.add_argument("--labels", type=int, default=500, help="labels of the second regime (default 500)")
    pipeline.add_argument("--name", default="pipeline", help="folder below runs/ for weights, figure and report")
    pipeline.add_argument("--seed", type=int, default=0)
    predict = commands.add_parser("predict", help="accuracy of frozen models on the bundled test images, as JSON lines")
    predict.add_argument("folders", nargs="+")
    progress = commands.add_parser("progress", help="exercises done, points reached")
    progress.add_argument("folder", nargs="?", help="where the exercises are (default: here, or exercises/ below)")
    commands.add_parser("doctor", help="versions, device and data: what is there, what is missing")
    return parser


def doctor() -> bool:
    """Print versions, device and data; say how to mend what is missing. True if nothing is."""
    well = True
    print(f"python {sys.version.split()[0]}")
    for name in NEEDED:
        try:
            print(f"{name} {version(name)}")
        except PackageNotFoundError:
            well = False
            print(f'{name} MISSING: pip install "{name}"')
    if well:
        import kdcourse as kd

        print(f"device: {kd.data.pick_device()}")
        print(f"data: {kd.load()}")
    return well


def predict(folders: list[str]) -> bool:
    """One JSON line a folder: accuracy, and the hash of the logits. True if every folder could be measured."""
    import kdcourse as kd

    test = kd.load().test
    assert test is not None  # the bundle has one
    well = True
    for folder in folders:
        try:
            print(json.dumps({"folder": folder, **_measured(folder, test)}), flush=True)
        except (ValueError, OSError, RuntimeError, TypeError) as error:
            well = False
            _complain(f"{folder}: {error}")
    return well


def _measured(folder: str, test: Any) -> dict[str, Any]:
    import kdcourse as kd
    from kdcourse.pipeline import logits_hash

    model = kd.load_frozen(folder, device="cpu")
    config: Any = model.config  # load_frozen builds registry models alone
    (*shape,), classes = config["shape"], config["num_classes"]
    if shape != [1, 28, 28] or classes != len(test.classes or range(10)):
        got = f"{' x '.join(map(str, shape))} in {classes} classes"
        rule = "be built for the bundle's test images, 1 x 28 x 28 in 10 classes"
        raise fail("the model", rule, got, "Measure it with kd.evaluate on images of its own kind.")
    score = kd.evaluation.accuracy(model, test, device="cpu")
    return {"accuracy": score, "sha256": logits_hash(model, test)}


def progress(folder: str | None) -> str:
    """What is done; that nothing was done yet; ValueError where there are no exercises or their file is damaged."""
    from kdcourse import checks
    from kdcourse.checks import _progress

    if folder is not None and not Path(folder).is_dir():
        raise fail("folder", "be the folder with the exercises", folder, "There is none of that name.")
    file = _progress.path(folder)
    if file is None:
        rule = "name the file of the progress, or not be set"
        raise fail("KDCOURSE_PROGRESS", rule, "", "Empty, it lets nothing be kept: unset it, or name the folder.")
    if file.is_file():
        if _progress._loaded(file) is None:
            remedy = "Put it aside or a copy in its place; the next check begins a new one."
            raise fail(str(file), "hold a learner's progress as JSON", "a damaged file", remedy)
        return str(checks.progress(folder))
    homes = [Path(folder)] if folder is not None else [file.parent, Path("exercises")]
    for home in homes:
        if any(home.glob("*.ipynb")):
            return f"Nothing is done yet: no exercise in {home.resolve()} has been checked."
    shown = f"{homes[0].resolve()} with neither {file.name} nor notebooks"
    raise fail("folder", "be the folder with the exercises", shown, "Run kdcourse progress exercises, say.")


def _complain(text: str) -> None:
    print("kdcourse:", " ".join(text.split()), file=sys.stderr)


def _run(args: argparse.Namespace) -> int:
    if args.command == "doctor":
        return 0 if doctor() else 1
    if args.command == "predict":
        return 0 if predict(args.folders) else 2
    if args.command == "progress":
        print(progress(args.folder))
    else:
        options = {name: getattr(args, name) for name in ("direction", "labels", "name", "seed")}
        import_module("kdcourse.pipeline").run(**options)
    return 0


def _meant(error: BaseException) -> bool:
    """Whether the package itself raised it, in words; else it is a fault whose traceback is wanted."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Path(last.filename).is_relative_to(Path(__file__).parent) and (last.line or "").startswith("raise ")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors that a person can mend are one line. 2: such an error; 130: Ctrl-C."""
    args = _parser().parse_args(arguments)
    try:
        return _run(args)
    except KeyboardInterrupt as stop:
        _complain(str(stop) or "stopped by you")
        return 130
    except ImportError as error:
        _complain(f"{error}. Run kdcourse doctor: it says what is missing.")
    except (ValueError, OSError) as error:
        _complain(str(error))
    except (RuntimeError, TypeError) as error:
        if not _meant(error):
            raise
        _complain(str(error))
    return 2


if __name__ == "__main__":
    sys.exit(main())

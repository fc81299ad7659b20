"""The command: ``kdcourse pipeline``, ``predict``, ``progress``, ``doctor``, ``repoint``."""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kdcourse import _commands
from kdcourse._arguments import fail

NEEDED = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "safetensors", "matplotlib",
          "tqdm", "platformdirs", "filelock", "ipywidgets", "jupyterlab")  # fmt: skip


EXAMPLES = """\
examples:
  kdcourse pipeline --labels 500                    the article's four steps; a minute or two
  kdcourse predict runs/pipeline/all-labels-target  accuracy of frozen weights, as a line of JSON
  kdcourse predict runs/mine --images photographs   what these weights say to pictures of your own
  kdcourse progress exercises                       what you have solved
  kdcourse repoint https://github.com/you/kdcourse  links of this checkout lead to your fork

exit codes: 0 done; 1 doctor found something missing; 2 an error, in a line; 130 Ctrl-C
"""
SLOWED = 2.0  # times as slow as one thread: with more threads than free cores it is 5 to 30


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kdcourse", description="The helper of a course on knowledge distillation.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"kdcourse {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    pipeline = commands.add_parser("pipeline", help="the article's four steps on real images")
    pipeline.add_argument("--direction", choices=["small-to-big", "big-to-small"], default="small-to-big",
                          help="who teaches whom (default small-to-big, as the article does)")  # fmt: skip
    pipeline.add_argument("--labels", type=int, default=500, help="labels of the second regime (default 500)")
    pipeline.add_argument("--name", default="pipeline", help="folder below runs/ for weights, figure and report")
    pipeline.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation (default 0)")
    pipeline.add_argument("--full", action="store_true", help="the whole set, trained for longer, on an accelerator "
                          "where there is one (as KDCOURSE_PROFILE=full)")  # fmt: skip
    pipeline.add_argument("--data", metavar="FOLDER", help="where the whole set's files are (as KDCOURSE_DATA); "
                          "without it they are downloaded once")  # fmt: skip
    predict = commands.add_parser("predict", help="what frozen models say, as lines of JSON")
    predict.add_argument("folders", nargs="+", metavar="folder", help="that save_frozen wrote")
    predict.add_argument("--images", metavar="FOLDER", help="pictures of your own instead of the bundled test images; "
                         "where they lie in folders named after classes, accuracy too")  # fmt: skip
    predict.add_argument(
        "--invert", action="store_true", help="dark on light becomes light on dark, as Fashion-MNIST is"
    )
    progress = commands.add_parser("progress", help="exercises done, points reached")
    progress.add_argument("folder", nargs="?", help="where the exercises are (default: here, or exercises/ below)")
    commands.add_parser("doctor", help="versions, device, data and threads: what is there, what is missing or slow")
    repoint = commands.add_parser("repoint", help="let badges, set-up cells and links lead to a fork")
    repoint.add_argument("address", help="of the fork, https://github.com/you/kdcourse")
    repoint.add_argument("--in", dest="root", default=".", metavar="FOLDER", help="the checkout (default: here)")
    return parser


def _version() -> str:
    import kdcourse

    return kdcourse.__version__


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
        print(_threads())
    print("Everything that the course needs is here." if well else "Install what is missing, then run this once more.")
    return well


def _threads() -> str:
    """Milliseconds of a training step with the threads that torch takes, and with one; a warning where many slow."""
    import torch

    import kdcourse as kd

    model, images = kd.build("cnn", width=8), torch.rand(128, 1, 28, 28)
    before = torch.get_num_threads()

    def step() -> None:
        model.zero_grad()
        model(images).logsumexp(1).sum().backward()

    many = _milliseconds(step)
    torch.set_num_threads(1)
    try:
        one = _milliseconds(step)
    finally:
        torch.set_num_threads(before)
    text = f"a step: {one:.1f} ms with one thread" + (f", {many:.1f} ms with {before}" if before > 1 else "")
    if many > SLOWED * one:
        text += "\nSLOW: other work holds the cores. Set OMP_NUM_THREADS=1 before you start Python or Jupyter."
    return text


def _milliseconds(step: Callable[[], None]) -> float:
    """The median of 15, after 3 that warm up."""
    times = []
    for _ in range(18):
        start = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - start))
    return sorted(times[3:])[7]


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
        return 0 if _commands.predict(args.folders, args.images, invert=args.invert, complain=_complain) else 2
    if args.command == "repoint":
        print(_commands.repoint(args.address, Path(args.root)))
    elif args.command == "progress":
        print(progress(args.folder))
    else:
        os.environ |= {"KDCOURSE_PROFILE": "full"} if args.full else {}
        os.environ |= {"KDCOURSE_DATA": args.data} if args.data is not None else {}
        options = {name: getattr(args, name) for name in ("direction", "labels", "name", "seed")}
        import_module("kdcourse.pipeline").run(**options, progress=sys.stderr.isatty())  # no bars in a file
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


def command() -> None:
    """The program. Threads that have nothing to do must sleep: OpenMP reads that when a process starts, so start again.

    Threads that wait awake take the cores from those that work: with more threads than free cores an epoch that takes
    1.4 s took 22.
    """
    if os.name == "posix" and "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.execv(sys.executable, [sys.executable, "-m", "kdcourse", *sys.argv[1:]])
    sys.exit(main())


if __name__ == "__main__":
    command()

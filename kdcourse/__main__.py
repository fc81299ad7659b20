"""The command: ``kdcourse pipeline``, ``predict``, ``progress``, ``doctor``."""

import argparse
import json
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

NEEDED = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "torchmetrics", "safetensors", "matplotlib",
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


def predict(folders: list[str]) -> None:
    """One JSON line a folder: accuracy, and the hash of the logits."""
    import kdcourse as kd
    from kdcourse.pipeline import logits_hash

    test = kd.load().test
    assert test is not None  # the bundle has one
    for folder in folders:
        model = kd.load_frozen(folder, device="cpu")
        score = kd.evaluation.accuracy(model, test, device="cpu")
        print(json.dumps({"folder": folder, "accuracy": score, "sha256": logits_hash(model, test)}))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors that a person can mend are one line."""
    args = _parser().parse_args(arguments)
    if args.command == "doctor":
        return 0 if doctor() else 1
    try:
        if args.command == "progress":
            from kdcourse import checks

            print(checks.progress(args.folder))
        elif args.command == "predict":
            predict(args.folders)
        else:
            import_module("kdcourse.pipeline").run(
                direction=args.direction, labels=args.labels, name=args.name, seed=args.seed
            )
    except (ValueError, OSError) as error:
        print(f"kdcourse: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

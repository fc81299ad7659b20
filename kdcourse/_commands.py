"""What two of the commands do: frozen models asked about images, and a checkout that is led to a fork."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kdcourse._arguments import fail

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
TEXTS = (".md", ".toml", ".cff", ".yml", ".yaml", ".ipynb", ".py", ".json")
ADDRESS = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")


# ---------------------------------------------------------------- predict


def predict(folders: list[str], images: str | None, *, invert: bool, complain: Callable[[str], None]) -> bool:
    """Print lines of JSON: of each folder its accuracy on the bundled test images, or what it says to each picture.

    True if every folder could be asked.
    """
    well = True
    for folder in folders:
        try:
            for line in _pictures(folder, Path(images), invert) if images is not None else [_bundled(folder)]:
                print(json.dumps({"folder": folder, **line}, ensure_ascii=False), flush=True)
        except (ValueError, OSError, RuntimeError, TypeError) as error:
            well = False
            complain(f"{folder}: {error}")
    return well


def _bundled(folder: str) -> dict[str, Any]:
    """Accuracy on the bundled test images, and the hash of the logits."""
    import kdcourse as kd
    from kdcourse.pipeline import logits_hash

    test = kd.load().test
    assert test is not None  # the bundle has one
    model = kd.load_frozen(folder, device="cpu")
    config: Any = model.config  # load_frozen builds registry models alone
    (*shape,), classes = config["shape"], config["num_classes"]
    if shape != [1, 28, 28] or classes != len(test.classes or range(10)):
        got = f"{' x '.join(map(str, shape))} in {classes} classes"
        rule = "be built for the bundle's test images, 1 x 28 x 28 in 10 classes"
        raise fail("the model", rule, got, "Measure it with kd.evaluate on images of its own kind.")
    score = kd.evaluation.accuracy(model, test, device="cpu")
    return {"accuracy": score, "sha256": logits_hash(model, test)}


def _pictures(folder: str, images: Path, invert: bool) -> Iterator[dict[str, Any]]:
    """Each picture's likeliest class and its probability; a last line with the accuracy where folders name classes."""
    import torch

    import kdcourse as kd

    model, paths = kd.load_frozen(folder, device="cpu"), _found(images)
    config: Any = model.config
    about = kd.export.read_config(folder)
    names = about.get("classes") or [str(number) for number in range(config["num_classes"])]
    named, right = 0, 0
    for path in paths:
        with torch.no_grad():
            probabilities = model(_tensor(path, config["shape"], invert)[None]).softmax(1)[0]
        said = names[int(probabilities.argmax())]
        line = {"image": path.relative_to(images).as_posix(), "class": said, "probability": float(probabilities.max())}
        yield line
        own = next((name for name in names if _folder(name) == _folder(path.parent.name)), None)
        named, right = named + (own is not None), right + (own == said)
    if named:
        yield {"images": named, "accuracy": right / named}


def _folder(name: str) -> str:
    """A class's name as a folder may bear it: "T-shirt/top" as "t_shirt_top"."""
    return re.sub(r"\W+", "_", name.casefold()).strip("_")


def _found(images: Path) -> list[Path]:
    paths = sorted(path for path in images.rglob("*") if path.suffix.lower() in PICTURES)
    if not paths:
        raise fail("images", f"hold pictures ({' '.join(PICTURES)})", str(images), "Name the folder that they lie in.")
    return paths


def _tensor(path: Path, shape: list[int], invert: bool) -> Any:
    """A picture as the model takes it: C x H x W in [0, 1], upright, cut to its shape around the middle."""
    import numpy as np
    import torch
    from PIL import Image, ImageOps, UnidentifiedImageError

    channels, height, width = shape
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")
    except UnidentifiedImageError as error:
        raise fail("images", "hold pictures that can be read", str(path), "Remove it, or save it again.") from error
    fitted = ImageOps.fit(upright, (width, height), method=Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.asarray(fitted).copy()).float().div(255)
    pixels = pixels[None] if channels == 1 else pixels.permute(2, 0, 1)
    return 1 - pixels if invert else pixels


# ---------------------------------------------------------------- repoint


def repoint(address: str, root: Path) -> str:
    """Write another repository's address into a checkout: pyproject, badges, set-up cells, links, workflows.

    Raises ValueError for an address that is none of GitHub, or a folder that is no checkout of the course.
    """
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise fail("address", "be of the form https://github.com/you/kdcourse", address, "Copy it from the browser.")
    project = root / "pyproject.toml"
    was = re.search(
        r'(?m)^Repository = "https://github\.com/([^"]+)"', project.read_text("utf-8") if project.is_file() else ""
    )
    if was is None:
        rule = "be a checkout of the course, whose pyproject.toml names its Repository"
        raise fail("--in", rule, str(root.resolve()), "Clone your fork, and run the command there.")
    old, new = was[1], match[1]
    changed = 0
    for path in _texts(root):
        text = path.read_text(encoding="utf-8")
        led = re.sub(rf"(github(?:\.com)?/|/gh/){re.escape(old)}(?![\w-]|\.(?!git\b)\w)", rf"\g<1>{new}", text)
        if led != text:
            path.write_bytes(led.encode("utf-8"))
            changed += 1
    return f"{old} is now {new} in {changed} files." if changed else f"Every address is that of {new} already."


def _texts(root: Path) -> list[Path]:
    """The texts of a checkout: what git tracks, and without git every file outside hidden and built folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        paths = [root / name for name in listed.stdout.split("\0") if name]
    else:
        skipped = ("build", "dist", "runs", "node_modules")
        paths = [path for path in root.rglob("*") if not {*skipped} & {*path.relative_to(root).parts}]
    return [path for path in paths if path.suffix in TEXTS and path.is_file()]

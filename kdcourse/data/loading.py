"""Image sets by name: the bundled ones, and whole sets from genuine files or through torchvision."""

import gzip
import hashlib
import io
import json
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcourse._arguments import fail, one_of
from kdcourse.data.part import ImageData, Part

__all__ = ["ASSETS", "load", "official_indices", "read_idx"]

ASSETS = Path(__file__).parent.parent / "assets"
IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DIGITS = tuple("0123456789")
SETS = {  # name: (classes, torchvision's class, what a download brings)
    "fashion-mnist": (FASHION, "FashionMNIST", "31 MB"),
    "mnist": (DIGITS, "MNIST", "12 MB"),
    "cifar10": (CIFAR, "CIFAR10", "170 MB"),
    "digits": (DIGITS, "", ""),
}


def load(name: str = "fashion-mnist", *, full: bool = False, root: str | os.PathLike[str] | None = None) -> ImageData:
    """Load an image set by name.

    ``"fashion-mnist"`` without ``full`` is bundled (10,000 training images, all 10,000 official test images) and
    ``"digits"`` comes with scikit-learn; both work offline. ``full=True`` reads the whole set from ``root`` (or the
    folder that ``KDCOURSE_DATA`` names), which holds the genuine files, and downloads nothing. Without a folder,
    torchvision downloads the set into the user's cache and verifies its checksum.

    Raises:
        ValueError: an unknown name, or a set that is not bundled asked for without ``full=True``.
        FileNotFoundError: ``root`` lacks the files.
        ConnectionError: the download failed; the message says what, from where, and which bundled set would serve.

    Sources: Xiao et al. 2017 (Fashion-MNIST), LeCun et al. 1998 (MNIST), Krizhevsky 2009 (CIFAR-10).
    """
    one_of("name", name, SETS)
    if name == "digits":
        return _load_digits()
    if not full:
        if name != "fashion-mnist":
            remedy = f"{name} is not bundled: pass full=True to read or download it, or use fashion-mnist or digits."
            raise fail("name", "be a bundled set (digits, fashion-mnist) where full=False", name, remedy)
        return _image_data(name, *_read_bundle())
    folder = root if root is not None else os.environ.get("KDCOURSE_DATA")
    found = Path(folder) if folder is not None else _download(name)
    return _image_data(name, *(_read_cifar(found) if name == "cifar10" else _read_idx_folder(name, found)))


def _image_data(
    name: str, train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray
) -> ImageData:
    def part(x: np.ndarray, y: np.ndarray) -> Part:
        images = torch.from_numpy(x).float().div_(255)
        images = images.unsqueeze(1) if images.ndim == 3 else images
        labels = torch.from_numpy(y.astype(np.int64))
        return Part(images, labels, provenance={"name": name}, classes=SETS[name][0])

    return ImageData(name, part(train_x, train_y), part(test_x, test_y), SETS[name][0])


def _load_digits() -> ImageData:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.from_numpy(digits.images).float().div_(16).unsqueeze(1)
    part = Part(images, torch.from_numpy(digits.target).long(), provenance={"name": "digits"}, classes=DIGITS)
    return ImageData("digits", part, None, DIGITS)


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one IDX file of unsigned bytes, gzipped or not (LeCun et al. 1998 describe the format).

    Raises:
        ValueError: the file is not IDX, or shorter or longer than its header says.
    """
    raw = Path(path).read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise fail(str(path), "be an IDX file of unsigned bytes", raw[:4], "Fetch the genuine file again.")
    header = 4 + 4 * raw[3]
    shape = tuple(int.from_bytes(raw[i : i + 4], "big") for i in range(4, header, 4))
    if len(raw) != header + int(np.prod(shape)):
        raise fail(str(path), f"hold {shape} bytes after its header", len(raw) - header, "Fetch the file again.")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape).copy()


def _read_bundle() -> list[np.ndarray]:
    folder = ASSETS / "fashion-mnist"
    expected = json.loads((folder / "bundle.json").read_text())["sha256"]
    for name, digest in expected.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != digest:
            raise fail(str(folder / name), f"have SHA-256 {digest}", found, "Install kdcourse again.")
    return [read_idx(folder / f"{name}.gz") for name in IDX_FILES]


def _read_idx_folder(name: str, folder: Path) -> list[np.ndarray]:
    below = SETS[name][1]
    places = [folder, folder / "raw", folder / below / "raw"]
    arrays = []
    for file in IDX_FILES:
        paths = [place / f"{file}{end}" for place in places for end in ("", ".gz")]
        path = next((p for p in paths if p.is_file()), None)
        if path is None:
            raise FileNotFoundError(
                f"root must hold the four IDX files of {name}; {file} (.gz or not) is not in {folder}, its folder raw, "
                f"or {below}/raw. Put the genuine files there, or leave root out to download them."
            )
        arrays.append(read_idx(path))
    return arrays


class _ArraysOnly(pickle.Unpickler):
    """CIFAR-10's own files are pickles: this reader builds NumPy arrays and plain containers, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {"_reconstruct": "multiarray", "ndarray": "numpy", "dtype": "numpy", "encode": "_codecs"}
        if allowed.get(name) is None or not (module == allowed[name] or module.endswith("multiarray")):
            raise pickle.UnpicklingError(f"a CIFAR-10 file may hold arrays only; it asks for {module}.{name}")
        return super().find_class(module, name)


def _read_cifar(folder: Path) -> list[np.ndarray]:
    archive, unpacked = folder / "cifar-10-python.tar.gz", folder / "cifar-10-batches-py"
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    if all((unpacked / name).is_file() for name in names):
        raw = [(unpacked / name).read_bytes() for name in names]
    elif archive.is_file():
        with tarfile.open(archive) as tar:
            members = [tar.extractfile(f"cifar-10-batches-py/{name}") for name in names]
            raw = [member.read() for member in members if member is not None]
    else:
        raise FileNotFoundError(
            f"root must hold cifar-10-python.tar.gz or its folder cifar-10-batches-py; {folder} has neither. "
            "Put the genuine archive there, or leave root out to download it."
        )
    read = [_ArraysOnly(io.BytesIO(data), encoding="bytes").load() for data in raw]
    x = [np.asarray(batch[b"data"]).reshape(-1, 3, 32, 32) for batch in read]
    y = [np.asarray(batch[b"labels"]) for batch in read]
    return [np.concatenate(x[:5]), np.concatenate(y[:5]), x[5], y[5]]


def _download(name: str) -> Path:
    """Fetch the whole set through torchvision, which shows progress and verifies checksums."""
    import platformdirs
    from torchvision import datasets

    kind = getattr(datasets, SETS[name][1])
    source = getattr(kind, "url", None) or ", ".join(kind.mirrors)
    folder = Path(platformdirs.user_cache_dir("kdcourse")) / "data"
    print(f"{name}: {SETS[name][2]} from {source} into {folder}, unless it is there already")
    try:
        for train in (True, False):
            kind(str(folder), train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise ConnectionError(
            f"load({name!r}, full=True) needs the full set ({SETS[name][2]} from {source}) and could not fetch it: "
            f"{' '.join(str(error).split())} Offline, the bundled sets serve: load('fashion-mnist') or load('digits'); "
            "or pass root=, a folder that holds the genuine files."
        ) from error
    return folder


def official_indices() -> Tensor:
    """Where the bundled training images stand among Fashion-MNIST's 60,000. Shape: 10,000."""
    return torch.tensor(json.loads((ASSETS / "fashion-mnist" / "bundle.json").read_text())["official_train_indices"])

"""Where images come from: the bundled set, full sets, disjoint splits, batches, checks for leaks and shifts.

Images are float32 N x C x H x W in [0, 1] everywhere; labels are int64, float32 (regression) or absent.
"""

import gzip
import hashlib
import io
import json
import os
import pickle
import random
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from kdcourse._arguments import fail, one_of, positive

__all__ = [
    "NO_LABEL", "ImageData", "Part", "Splits", "augmenter", "batches", "digest", "directions", "duplicates",
    "epoch_seed", "few_labels", "flip_shift", "join", "load", "near_duplicates", "official_indices", "pick_device",
    "read_idx", "seeded", "shift", "split", "take", "tile", "unlabelled",
]  # fmt: skip

NO_LABEL = -100  # PyTorch's own ignore_index: an image that carries no label in a mixed set
ASSETS = Path(__file__).parent / "assets"
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


class Part(Dataset[tuple[Tensor, Tensor]]):
    """Images held as tensors, a map-style ``Dataset`` of (image, label).

    Attributes:
        images: float32, N x C x H x W, in [0, 1].
        labels: int64 or float32 of length N, or None where nothing is labelled; -100 means *no label*.
        indices: int64, each image's place in the set that it came from.
        soft: the source's logits where ``synthesise`` made the images, else None.
        provenance: where the part comes from, as plain data.
    """

    def __init__(
        self, images: Tensor, labels: Any = None, indices: Tensor | None = None, *, soft: Tensor | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.images, self.labels, self.soft = images, labels, soft
        self.indices = torch.arange(len(images)) if indices is None else indices
        self.provenance = dict(provenance or {})

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: Any) -> tuple[Tensor, Tensor]:
        label = torch.tensor(NO_LABEL) if self.labels is None else take(self.labels, i)
        return self.images[i], label

    def __repr__(self) -> str:
        return f"Part({len(self)} inputs of shape {tuple(self.images.shape[1:])}, {_describe(self.labels)})"

    def select(self, positions: Any) -> "Part":
        """The images at ``positions`` (a tensor or list), with everything that belongs to them."""
        positions = torch.as_tensor(positions)
        positions = positions.long() if not len(positions) else positions  # an empty list would be float
        soft = None if self.soft is None else self.soft[positions]
        return Part(
            self.images[positions], take(self.labels, positions), self.indices[positions], soft=soft,
            provenance=self.provenance,
        )  # fmt: skip


@dataclass
class ImageData:
    """A loaded set: a training part, the official test part where there is one, and the classes' names."""

    name: str
    train: Part
    test: Part | None
    classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        test = "no test set" if self.test is None else f"{len(self.test)} test"
        return f"ImageData({self.name}: {len(self.train)} training, {test}, {len(self.classes)} classes)"


@dataclass
class Splits:
    """Disjoint parts for training, validation and test, with a provenance that travels into reports."""

    train: Part
    val: Part
    test: Part | None
    classes: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{n} {len(p)}" for n, p in vars(self).items() if isinstance(p, Part))
        return f"Splits({self.provenance.get('name', 'tensors')}: {sizes}; seed {self.provenance.get('seed')})"


def _describe(labels: Any) -> str:
    if labels is None:
        return "no labels"
    if isinstance(labels, Mapping):
        return "labels for " + ", ".join(labels)
    missing = int((labels == NO_LABEL).sum())
    return f"{len(labels) - missing} labelled" + (f", {missing} without a label" if missing else "")


def take(values: Any, positions: Any) -> Any:
    """``values[positions]`` for a tensor, each tensor of a dict (several heads), or None."""
    if values is None:
        return None
    if isinstance(values, Mapping):
        return {name: value[positions] for name, value in values.items()}
    return values[positions]


# ---------------------------------------------------------------- loading


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
        return Part(images, torch.from_numpy(y.astype(np.int64)), provenance={"name": name})

    return ImageData(name, part(train_x, train_y), part(test_x, test_y), SETS[name][0])


def _load_digits() -> ImageData:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.from_numpy(digits.images).float().div_(16).unsqueeze(1)
    part = Part(images, torch.from_numpy(digits.target).long(), provenance={"name": "digits"})
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


# ---------------------------------------------------------------- splits


def split(
    data: Any,
    *,
    train: float | int | None = None,
    val: float | int = 0.2,
    test: float | int | None = None,
    seed: int = 0,
) -> Splits:
    """Split into disjoint, stratified, seeded parts.

    Args:
        data: an ``ImageData``, or a pair (inputs, labels) of tensors.
        train: a fraction or a number of examples; None takes all that remain.
        val: likewise for validation.
        test: likewise; only for data without a test set of its own, where None means 0.2.
        seed: the same seed gives the same parts.

    Float labels are not stratified. Raises ValueError where the sizes do not fit or ``test`` would have no effect.
    """
    positive("seed", seed, whole=True, zero=True)
    source = data if isinstance(data, ImageData) else ImageData("tensors", _pair_to_part(data), None)
    if source.test is not None and test is not None:
        raise fail("test", f"be left out: {source.name} has a test set of its own", test, "Remove the argument.")
    n = len(source.train)
    size_test = 0 if source.test is not None else _count("test", 0.2 if test is None else test, n)
    size_val = _count("val", val, n)
    size_train = n - size_test - size_val if train is None else _count("train", train, n)
    if size_train < 1 or size_train + size_val + size_test > n:
        asked = f"train {size_train}, val {size_val}, test {size_test}"
        raise fail("train, val and test", f"fit into {n} examples, one for training at least", asked, "Ask for less.")
    rest, test_at = _cut(source.train.labels, torch.arange(n), size_test, seed)
    rest, val_at = _cut(source.train.labels, rest, size_val, seed)
    train_at, _ = _cut(source.train.labels, rest, len(rest) - size_train, seed, leftover=True)
    provenance = {"name": source.name, "seed": seed, "hash": _hash(train_at, val_at, test_at)}
    held_out = source.train if source.test is None else source.test
    at = test_at if source.test is None else torch.arange(len(held_out))
    return Splits(
        _part(source.train, train_at, {**provenance, "part": "train"}),
        _part(source.train, val_at, {**provenance, "part": "val"}),
        _part(held_out, at, {**provenance, "part": "test"}),
        source.classes,
        provenance,
    )


def _part(source: Part, positions: Tensor, provenance: dict[str, Any]) -> Part:
    part = source.select(positions)
    part.provenance = provenance
    return part


def _pair_to_part(data: Any) -> Part:
    if isinstance(data, Part):
        return data
    if not (isinstance(data, (tuple, list)) and len(data) == 2 and isinstance(data[0], Tensor)):
        raise fail("data", "be a loaded set, a Part, or a pair (inputs, labels) of tensors", type(data).__name__,
                   "Wrap arrays with torch.as_tensor; unlabelled data is (inputs, None).", TypeError)  # fmt: skip
    inputs, labels = data
    lengths = labels.values() if isinstance(labels, Mapping) else [] if labels is None else [labels]
    for value in lengths:
        if len(value) != len(inputs):
            raise fail("labels", f"have one entry for each of the {len(inputs)} inputs", len(value), "Check the pair.")
    return Part(inputs, labels)


def _count(argument: str, size: float | int, n: int) -> int:
    whole = isinstance(size, int) and not isinstance(size, bool)
    if (not whole and not (isinstance(size, float) and 0 <= size < 1)) or size < 0:
        raise fail(argument, "be a fraction below 1 or a number of examples", size, "Write 0.2 or 2000, say.")
    return int(size) if whole else round(size * n)


def _cut(labels: Any, positions: Tensor, size: int, seed: int, *, leftover: bool = False) -> tuple[Tensor, Tensor]:
    """Part ``positions`` into (kept, held out); stratified where the labels are classes."""
    if size == 0:
        return positions, positions[:0]
    from sklearn.model_selection import train_test_split

    classes = labels[positions] if isinstance(labels, Tensor) and not labels.is_floating_point() else None
    if leftover and classes is not None and size < len(set(classes.tolist())):
        classes = None  # too few left over to have one of each class
    try:
        kept, out = train_test_split(positions.numpy(), test_size=size, random_state=seed, stratify=classes)
    except ValueError as error:
        raise ValueError(
            f"val, test or train cannot be stratified: {error} Use larger parts or fewer classes."
        ) from error
    return torch.from_numpy(np.sort(kept)), torch.from_numpy(np.sort(out))


def _hash(*parts: Tensor) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.numpy().astype("<i8").tobytes() + b"|")
    return digest.hexdigest()[:16]


def official_indices() -> Tensor:
    """Where the bundled training images stand among Fashion-MNIST's 60,000. Shape: 10,000."""
    return torch.tensor(json.loads((ASSETS / "fashion-mnist" / "bundle.json").read_text())["official_train_indices"])


def few_labels(part: Part, n: int, seed: int = 0) -> Part:
    """Keep ``n`` labels, balanced over the classes; every other label becomes -100."""
    positive("n", n, whole=True)
    if not isinstance(part.labels, Tensor) or part.labels.is_floating_point() or bool((part.labels == NO_LABEL).all()):
        raise fail("part", "have class labels to choose from", _describe(part.labels), "Pass a labelled part.")
    classes = sorted(set(part.labels.tolist()) - {NO_LABEL})
    smallest = int(min((part.labels == c).sum() for c in classes))
    if n % len(classes) or n // len(classes) > smallest:
        rule = f"be a multiple of {len(classes)} (the classes) and at most {smallest * len(classes)}"
        raise fail("n", rule, n, "Choose such a number.")
    generator = torch.Generator().manual_seed(seed)
    labels = torch.full_like(part.labels, NO_LABEL)
    for c in classes:
        at = (part.labels == c).nonzero().flatten()
        kept = at[torch.randperm(len(at), generator=generator)[: n // len(classes)]]
        labels[kept] = c
    provenance = {**part.provenance, "labels": n, "labels_seed": seed}
    return Part(part.images, labels, part.indices, soft=part.soft, provenance=provenance)


def unlabelled(part: Part) -> Part:
    """The same images, with no labels at all."""
    return Part(part.images, None, part.indices, soft=part.soft, provenance=part.provenance)


def join(*parts: Part) -> Part:
    """One part after another; where some carry class labels and some none, the latter get -100."""
    bare = [part for part in parts if part.labels is None]
    if bare and any(isinstance(p.labels, Tensor) and p.labels.is_floating_point() for p in parts):
        raise fail("parts", "all have labels where one has float labels", f"{len(bare)} without", "Leave those out.")
    if any(part.labels is not None for part in parts):
        labels = [torch.full((len(p),), NO_LABEL) if p.labels is None else p.labels for p in parts]
        joined = torch.cat(labels)
    else:
        joined = None
    images = torch.cat([part.images for part in parts])
    soft = [part.soft for part in parts if part.soft is not None]
    kept = torch.cat(soft) if len(soft) == len(parts) else None
    return Part(images, joined, soft=kept, provenance={"joined": [part.provenance for part in parts]})


def tile(part: Part, n: int) -> Part:
    """The part repeated up to ``n`` examples: a smaller set then has as many steps an epoch as a larger one."""
    return part.select(torch.arange(n) % len(part))


# ---------------------------------------------------------------- batches, seeds, devices


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed from which an epoch's order and all its other draws come: public, so that a loop can repeat a run."""
    return (seed * 1_000_003 + epoch) % 2**32


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch, NumPy and Python; give each its own state back afterwards, also after an error."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            seed_all(seed)
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def seed_all(seed: int) -> None:
    """Seed torch, NumPy and Python; torch first, and nothing is drawn."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """``device``, or the accelerator that torch reports, or the CPU."""
    if device is not None:
        return torch.device(device)
    if torch.accelerator.is_available():
        return cast(torch.device, torch.accelerator.current_accelerator())
    return torch.device("cpu")


def batches(part: Part, batch_size: int, *, shuffle: bool = False) -> Iterator[Tensor]:
    """Positions of each batch; shuffled by ``torch.randperm`` from torch's own generator."""
    order = torch.randperm(len(part)) if shuffle else torch.arange(len(part))
    yield from torch.split(order, batch_sizes(len(part), batch_size))


def batch_sizes(n: int, batch_size: int) -> list[int]:
    """Full batches and the rest; a rest of one joins the batch before it, as batch norm cannot train on one image."""
    sizes = [batch_size] * (n // batch_size) + ([n % batch_size] if n % batch_size else [])
    return [*sizes[:-2], sizes[-2] + 1] if len(sizes) > 1 and sizes[-1] == 1 else sizes


def flip_shift(images: Tensor, pixels: int = 2) -> Tensor:
    """Each image flipped left to right with probability one half and shifted by up to ``pixels``, filled with 0."""
    n, _, height, width = images.shape
    device = images.device
    padded = torch.nn.functional.pad(images, [pixels] * 4)
    down, right = torch.randint(0, 2 * pixels + 1, (2, n), device=device)
    columns = torch.arange(width, device=device).expand(n, width)
    flipped = torch.rand(n, 1, device=device) < 0.5
    columns = torch.where(flipped, width - 1 - columns, columns) + right[:, None]
    rows = torch.arange(height, device=device) + down[:, None]
    at = torch.arange(n, device=device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[at, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def augmenter(augment: str | Callable[[Tensor], Tensor] | None) -> Callable[[Tensor], Tensor] | None:
    """The augmentation by name (``"flip-shift"``), the caller's own function of a batch, or none."""
    if augment is None or callable(augment):
        return augment
    one_of("augment", augment, ["flip-shift"])
    return flip_shift


# ---------------------------------------------------------------- checks


def duplicates(one: Part, other: Part) -> list[tuple[int, int]]:
    """Pairs of positions (in ``one``, in ``other``) whose pixels are equal bit for bit: an exact leak."""
    seen: dict[bytes, list[int]] = {}
    for i, image in enumerate(one.images):
        seen.setdefault(digest(image), []).append(i)
    return [(i, j) for j, image in enumerate(other.images) for i in seen.get(digest(image), [])]


def digest(image: Tensor) -> bytes:
    """SHA-256 of an image's pixels."""
    return hashlib.sha256(image.contiguous().numpy().tobytes()).digest()


def near_duplicates(one: Part, other: Part, *, share: float = 0.001) -> dict[str, Any]:
    """Images of ``other`` that lie closer to one of ``one`` than images within ``one`` usually lie to each other.

    Images are averaged over 2 x 2 pixels, centred and scaled to length one, so that brightness and contrast do not
    count; the distance is 1 - cosine. ``share`` of the images in ``one`` have a neighbour in ``one`` within the
    ``threshold``, and without a leak about as many of ``other`` have one.

    Returns:
        ``pairs``: (position in ``one``, in ``other``, distance), the closest first; ``threshold``; and ``p``, the
        probability of at least so many pairs without a leak (binomial, one-sided). Look at the pairs before you judge.
    """
    from scipy.stats import binomtest

    if not isinstance(share, float) or not 0 < share < 1:
        raise fail("share", "be a fraction between 0 and 1", share, "Leave it out for 0.001.")
    ours, theirs = directions(one.images), directions(other.images)
    within = torch.cat([_nearest(ours, ours[at], skip=at)[0] for at in torch.split(torch.arange(len(ours)), 1000)])
    threshold = float(torch.quantile(within, share))
    distances, nearest = (
        torch.cat(v) for v in zip(*[_nearest(ours, rows) for rows in torch.split(theirs, 1000)], strict=True)
    )
    close = (distances <= threshold).nonzero().flatten()
    close = close[distances[close].argsort()]
    pairs = [(int(nearest[j]), int(j), float(distances[j])) for j in close]
    p = float(binomtest(len(pairs), len(other), share, alternative="greater").pvalue)
    return {"pairs": pairs, "threshold": threshold, "p": p}


def directions(images: Tensor) -> Tensor:
    """Images as vectors of length one, without brightness, contrast and detail. N x C x H x W to N x D."""
    small = torch.nn.functional.avg_pool2d(images, 2, ceil_mode=True).flatten(1)
    return torch.nn.functional.normalize(small - small.mean(dim=1, keepdim=True))


def _nearest(ours: Tensor, rows: Tensor, skip: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """For each row: the distance to the nearest of ``ours``, and which that is; ``skip``: each row's own place."""
    cosine = rows @ ours.T
    if skip is not None:
        cosine[torch.arange(len(rows)), skip] = -1
    best, at = cosine.max(dim=1)
    return (1 - best).clamp(min=0), at


def shift(one: Part, other: Part, *, n: int = 1000, seed: int = 0) -> dict[str, float]:
    """Classifier two-sample test: can a logistic regression tell the two parts' images apart?

    Half of ``n`` images of each part train it, the other half test it. Returns its held-out ``accuracy`` (0.5: it
    cannot) and ``p``, the probability of at least that accuracy by guessing (exact binomial, one-sided).
    Source: Lopez-Paz & Oquab 2017.
    """
    from scipy.stats import binomtest
    from sklearn.linear_model import LogisticRegression

    generator = torch.Generator().manual_seed(seed)
    size = min(n, len(one), len(other)) // 2 * 2
    drawn = [p.images[torch.randperm(len(p), generator=generator)[:size]].flatten(1).numpy() for p in (one, other)]
    half = size // 2
    train, test = (np.concatenate([d[s] for d in drawn]) for s in (slice(half), slice(half, None)))
    answer = np.repeat([0, 1], half)
    right = int((LogisticRegression(C=0.01, max_iter=200).fit(train, answer).predict(test) == answer).sum())
    p = binomtest(right, 2 * half, 0.5, alternative="greater").pvalue
    return {"accuracy": right / (2 * half), "p": float(p)}

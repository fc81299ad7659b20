"""Rebuild the bundled Fashion-MNIST subset, byte for byte, from the official IDX files.

    python tools/build_bundle.py FOLDER_WITH_THE_FOUR_OFFICIAL_FILES [--out FOLDER]

Training images: of each class, the 1,000 whose pixels have the smallest SHA-256; an image that occurs
twice in the official set is passed over, so that no copy of a bundled training image stands anywhere else.
A content hash needs no random generator, so any version of any library gives the same choice.
Test images: all 10,000 official ones, packed again.
"""

import argparse
import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np

from kdcourse.data import read_idx

PER_CLASS = 1000
# SHA-256 of the *unpacked* official files: mirrors differ in how they packed them.
OFFICIAL = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def choose(images: np.ndarray, labels: np.ndarray, test_images: np.ndarray) -> np.ndarray:
    """Official indices of the bundled training images, ascending."""
    digests = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    copies = Counter(digests + [hashlib.sha256(image.tobytes()).hexdigest() for image in test_images])
    order = sorted(range(len(images)), key=digests.__getitem__)
    unique = [i for i in order if copies[digests[i]] == 1]
    chosen = [[i for i in unique if labels[i] == c][:PER_CLASS] for c in range(10)]
    return np.sort(np.concatenate(chosen))


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write unsigned bytes as gzipped IDX with a fixed header: same array, same bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", compresslevel=9, fileobj=raw, mtime=0) as file:
        file.write(header + array.tobytes())


def main() -> None:
    """Check the official files, choose, write, and record the checksums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=Path("kdcourse/assets/fashion-mnist"))
    args = parser.parse_args()
    for name, expected in OFFICIAL.items():
        found = hashlib.sha256(gzip.decompress((args.source / name).read_bytes())).hexdigest()
        if found != expected:
            raise SystemExit(
                f"{args.source / name} does not hold the official data: SHA-256 {found}, expected {expected}"
            )
    args.out.mkdir(parents=True, exist_ok=True)
    images = read_idx(args.source / "train-images-idx3-ubyte.gz")
    labels = read_idx(args.source / "train-labels-idx1-ubyte.gz")
    chosen = choose(images, labels, read_idx(args.source / "t10k-images-idx3-ubyte.gz"))
    write_idx(args.out / "train-images-idx3-ubyte.gz", images[chosen])
    write_idx(args.out / "train-labels-idx1-ubyte.gz", labels[chosen])
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        write_idx(args.out / name, read_idx(args.source / name))
    record = {
        "source": "Fashion-MNIST, Zalando SE, 2017, https://github.com/zalandoresearch/fashion-mnist (MIT licence)",
        "sha256": {name: sha256(args.out / name) for name in sorted(OFFICIAL)},
        "official_train_indices": chosen.tolist(),
    }
    (args.out / "bundle.json").write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()

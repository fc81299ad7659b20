"""The bundle, genuine files of full sets, splits, few labels, augmentation, and the checks for leaks and shifts."""

import gzip
import io
import json
import pickle
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import kdcourse as kd
from kdcourse import data

from .conftest import ROOT


def test_the_bundle_is_small_balanced_and_quick():
    files = list((data.ASSETS / "fashion-mnist").iterdir())
    assert sum(f.stat().st_size for f in files) <= 9_000_000
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        loaded = kd.load("fashion-mnist")
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.3
    assert loaded.train.labels.bincount().tolist() == [1000] * 10
    assert loaded.test.labels.bincount().tolist() == [1000] * 10
    assert loaded.train.images.shape == (10_000, 1, 28, 28)
    assert loaded.train.images.dtype == torch.float32
    assert (loaded.train.images.min(), loaded.train.images.max()) == (0, 1)
    assert len(loaded.classes) == 10


def test_a_damaged_bundle_is_refused(tmp_path, monkeypatch):
    import shutil

    shutil.copytree(data.ASSETS / "fashion-mnist", tmp_path / "fashion-mnist")
    file = tmp_path / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(data.loading, "ASSETS", tmp_path)
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte.gz must have SHA-256 .*Install kdcourse again"):
        kd.load()


@pytest.mark.slow
def test_the_bundle_is_rebuilt_byte_for_byte(official, tmp_path):
    subprocess.run([sys.executable, ROOT / "tools/build_bundle.py", official, "--out", tmp_path], check=True)
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (data.ASSETS / "fashion-mnist" / file.name).read_bytes(), file.name


def test_the_build_script_refuses_other_files(tmp_path):
    for name in data.loading.IDX_FILES:
        with gzip.open(tmp_path / f"{name}.gz", "wb") as file:
            file.write(b"\0\0\x08\x01\0\0\0\1x")
    command = [sys.executable, ROOT / "tools/build_bundle.py", tmp_path, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "does not hold the official data" in done.stderr
    assert not (tmp_path / "out").exists()


def write_idx(folder, packed, below=""):
    rng = np.random.default_rng(0)
    (folder / below).mkdir(parents=True, exist_ok=True)
    arrays = []
    for i, name in enumerate(data.loading.IDX_FILES):
        n = 6 if i < 2 else 3
        array = rng.integers(0, 255 if i % 2 == 0 else 10, (n, 28, 28) if i % 2 == 0 else (n,), dtype=np.uint8)
        raw = bytes([0, 0, 8, array.ndim]) + b"".join(s.to_bytes(4, "big") for s in array.shape) + array.tobytes()
        path = folder / below / (name + (".gz" if packed else ""))
        path.write_bytes(gzip.compress(raw) if packed else raw)
        arrays.append(array)
    return arrays


@pytest.mark.parametrize(("name", "packed", "below"), [("mnist", True, ""), ("fashion-mnist", False, "raw"), ("mnist", False, "MNIST/raw")])  # fmt: skip
def test_genuine_idx_files_are_read_from_a_folder(tmp_path, monkeypatch, name, packed, below):
    arrays = write_idx(tmp_path, packed, below)
    for loaded in (kd.load(name, full=True, root=tmp_path), None):
        if loaded is None:
            monkeypatch.setenv("KDCOURSE_DATA", str(tmp_path))
            loaded = kd.load(name, full=True)
        assert torch.equal((loaded.train.images[:, 0] * 255).round().byte(), torch.from_numpy(arrays[0]))
        assert loaded.test.labels.tolist() == arrays[3].tolist()


def cifar_batches(rng):
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        yield (
            name,
            {b"data": rng.integers(0, 255, (2, 3072), dtype=np.uint8), b"labels": rng.integers(0, 10, 2).tolist()},
        )


@pytest.mark.parametrize("unpacked", [False, True])
def test_the_genuine_cifar_archive_is_read(tmp_path, unpacked):
    batches = dict(cifar_batches(np.random.default_rng(0)))
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
        for name, batch in batches.items():
            raw = pickle.dumps(batch, protocol=2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    if unpacked:
        with tarfile.open(tmp_path / "cifar-10-python.tar.gz") as tar:
            tar.extractall(tmp_path, filter="data")
        (tmp_path / "cifar-10-python.tar.gz").unlink()
    loaded = kd.load("cifar10", full=True, root=tmp_path)
    assert loaded.train.images.shape == (10, 3, 32, 32)
    assert loaded.test.labels.tolist() == batches["test_batch"][b"labels"]
    pixel = batches["data_batch_1"][b"data"][0, 1024 + 33]  # green plane, second row, second column
    assert float(loaded.train.images[0, 1, 1, 1]) == pytest.approx(pixel / 255)


def test_a_cifar_file_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("code ran",)

    (tmp_path / "cifar-10-batches-py").mkdir()
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(pickle.UnpicklingError, match="may hold arrays only; it asks for builtins.print"):
        kd.load("cifar10", full=True, root=tmp_path)


def test_offline_a_download_ends_in_one_error_that_helps(tmp_path, monkeypatch, capsys):
    import platformdirs
    from torchvision import datasets

    monkeypatch.delenv("KDCOURSE_DATA", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path))
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(ConnectionError, match=r"load\('mnist', full=True\) needs the full set \(12 MB from http://127.0.0.1:9/\).*load\('fashion-mnist'\) or load\('digits'\)"):  # fmt: skip
        kd.load("mnist", full=True)
    assert "mnist: 12 MB from http://127.0.0.1:9/ into" in capsys.readouterr().out


def test_digits_come_with_scikit_learn():
    digits = kd.load("digits")
    assert digits.train.images.shape == (1797, 1, 8, 8)
    parts = kd.split(digits, val=0.2, test=0.2, seed=1)
    assert [len(p) for p in (parts.train, parts.val, parts.test)] == [1079, 359, 359]
    assert kd.build("cnn", width=4, shape=(1, 8, 8))(parts.train.images[:2]).shape == (2, 10)


@pytest.mark.parametrize(("call", "text"), [
    (lambda: kd.load("imagenet"), "name must be one of cifar10, digits, fashion-mnist, mnist; got 'imagenet'"),
    (lambda: kd.load("mnist"), r"bundled set \(digits, fashion-mnist\) where full=False; got 'mnist'. mnist is not bundled: pass full=True"),
    (lambda: kd.build("vgg"), "name must be one of alexnet, cnn"),
    (lambda: kd.build("linear", width=3), "width must be left out: linear has none; got 3"),
    (lambda: kd.build("cnn", width=0), "width must be a whole number above 0"),
    (lambda: kd.build("mini_googlenet", width=1), "width must be at least 2"),
    (lambda: kd.build("cnn", shape=(28, 28)), r"shape must be \(channels, height, width\); got \(28, 28\)"),
    (lambda: kd.build("alexnet"), "shape must be at least 63 x 63 for alexnet"),
    (lambda: kd.build("resnet18", shape=(2, 32, 32)), "shape must have 1 or 3 channels"),
    (lambda: kd.build("cnn", mean=[0.1, 0.2]), "mean must have one value for each of 1 channels"),
    (lambda: kd.build("cnn", std=[0.0]), "std must be above 0"),
    (lambda: kd.split("fashion"), "data must be a loaded set, a Part, or a pair"),
    (lambda: kd.split((torch.zeros(9, 1), torch.zeros(9)), val=1.0), "val must be a fraction below 1 or a number of examples; got 1.0"),
    (lambda: kd.split((torch.zeros(9, 1), torch.zeros(9)), val=9), "fit into 9 examples"),
    (lambda: kd.split((torch.zeros(4, 1), torch.tensor([0, 0, 0, 1])), val=0.5), "must leave enough of every class to stratify"),
])  # fmt: skip
def test_errors_name_argument_rule_value_and_remedy(call, text):
    with pytest.raises((ValueError, TypeError), match=text):
        call()


def test_missing_or_broken_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="root must hold the four IDX files of mnist; train-images-idx3-ubyte"):
        kd.load("mnist", full=True, root=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"root must hold cifar-10-python.tar.gz"):
        kd.load("cifar10", full=True, root=tmp_path)
    (tmp_path / "x").write_bytes(b"no idx at all")
    with pytest.raises(ValueError, match="x must be an IDX file of unsigned bytes"):
        data.read_idx(tmp_path / "x")
    (tmp_path / "y").write_bytes(b"\0\0\x08\x01\0\0\0\5ab")
    with pytest.raises(ValueError, match=r"y must hold \(5,\) bytes after its header; got 2"):
        data.read_idx(tmp_path / "y")


def test_splits_are_disjoint_stratified_and_seeded():
    loaded = kd.load()
    one, two, other = (kd.split(loaded, val=0.2, seed=s) for s in (0, 0, 1))
    assert set(one.train.indices.tolist()).isdisjoint(one.val.indices.tolist())
    assert one.train.labels.bincount().tolist() == [800] * 10
    assert one.val.labels.bincount().tolist() == [200] * 10
    assert torch.equal(one.train.indices, two.train.indices)
    assert not torch.equal(one.train.indices, other.train.indices)
    assert one.provenance["hash"] == two.provenance["hash"] != other.provenance["hash"]
    assert torch.equal(one.val.images, loaded.train.images[one.val.indices])
    assert len(one.test) == 10_000
    assert not data.duplicates(one.train, one.val)
    with pytest.raises(ValueError, match="test must be left out: fashion-mnist has a test set of its own"):
        kd.split(loaded, test=0.1)


def test_own_tensors_split_too():
    x, y = torch.rand(50, 3), torch.rand(50)
    parts = kd.split((x, y), train=20, val=10, test=5, seed=0)
    at = torch.cat([parts.train.indices, parts.val.indices, parts.test.indices])
    assert len(at) == len(set(at.tolist())) == 35
    assert torch.equal(parts.test.labels, y[parts.test.indices])


def test_parts_serve_a_dataloader():
    part = kd.load("digits").train
    images, labels = next(iter(DataLoader(part, 64)))
    assert images.shape == (64, 1, 8, 8)
    assert labels.dtype == torch.int64
    assert next(iter(DataLoader(data.unlabelled(part), 3)))[1].tolist() == [-100] * 3


def test_few_labels_are_balanced():
    part = kd.load().train
    few = data.few_labels(part, 500, seed=0)
    kept = few.labels[few.labels != data.NO_LABEL]
    assert kept.bincount().tolist() == [50] * 10
    assert torch.equal(part.labels[few.labels != data.NO_LABEL], kept)
    assert not torch.equal(few.labels, data.few_labels(part, 500, seed=1).labels)
    with pytest.raises(ValueError, match=r"n must be a multiple of 10 \(the classes\) and at most 10000; got 501"):
        data.few_labels(part, 501)


def test_join_and_tile():
    digits = kd.load("digits").train
    joined = data.join(digits.select([0, 1]), data.unlabelled(digits.select([2])))
    assert joined.labels.tolist() == [*digits.labels[:2].tolist(), -100]
    assert data.join(data.unlabelled(digits), data.unlabelled(digits)).labels is None
    assert data.tile(digits.select([4, 5]), 5).indices.tolist() == [4, 5, 4, 5, 4]


def test_flip_shift_moves_whole_images():
    torch.manual_seed(0)
    images = torch.rand(64, 2, 9, 9)
    got = data.flip_shift(images, pixels=2)
    assert got.shape == images.shape
    moves = set()
    for before, after in zip(images, got, strict=True):
        padded = torch.nn.functional.pad(before, [2, 2, 2, 2])
        candidates = {
            (flipped, i, j): (padded.flip(2) if flipped else padded)[:, i : i + 9, j : j + 9]
            for flipped in (False, True)
            for i in range(5)
            for j in range(5)
        }
        found = [move for move, candidate in candidates.items() if torch.equal(after, candidate)]
        assert len(found) == 1
        moves.add(found[0])
    for axis, values in enumerate((2, 5, 5)):
        assert len({move[axis] for move in moves}) == values, "every flip and every shift occurs"


def test_a_planted_leak_is_found():
    part = kd.load("digits").train
    one, other = part.select(range(100)), part.select([50, 200, 300, 99])
    assert (50, 0) in data.duplicates(one, other)
    assert (99, 3) in data.duplicates(one, other)


def test_the_shift_check_finds_a_shift_and_leaves_equal_parts_alone(splits):
    assert data.shift(splits.train, splits.val)["p"] > 0.01
    inverted = data.Part(1 - splits.val.images)
    assert data.shift(splits.train, inverted)["accuracy"] > 0.95
    assert data.shift(splits.train, inverted)["p"] < 1e-6


def test_epoch_seeds_differ():
    assert len({data.epoch_seed(s, e) for s in range(20) for e in range(50)}) == 1000


def test_provenance_reaches_reports(splits, student, tmp_path):
    report = kd.evaluate(student, splits.val, timed=False)
    report.save(tmp_path / "r.json")
    saved = json.loads((tmp_path / "r.json").read_text())
    assert saved["provenance"] == {"name": "fashion-mnist", "seed": 0, "hash": splits.provenance["hash"], "part": "val"}


# ---------------------------------------------------------------- near copies, official indices


def test_near_copies_are_found_whatever_their_light(splits):
    one, other = splits.train.select(range(2000)), splits.val.select(range(300))
    assert data.near_duplicates(one, other)["p"] > 0.01
    torch.manual_seed(0)
    copies = (one.images[:20] * 0.6 + 0.02 * torch.rand(20, 1, 28, 28)).clamp(0, 1)
    planted = data.Part(torch.cat([other.images[:280], copies]), other.labels)
    found = data.near_duplicates(one, planted)
    pairs = {(i, j) for i, j, _ in found["pairs"]}
    assert sum((k, 280 + k) in pairs for k in range(20)) >= 15
    assert found["p"] < 1e-6
    distances = [d for *_, d in found["pairs"]]
    assert distances == sorted(distances)
    assert max(distances) <= found["threshold"]


def test_near_copies_by_a_slow_road(splits):
    """Distances and threshold of a few images, by loops over NumPy vectors."""
    one, other = splits.train.select(range(60)), splits.train.select(range(50, 90))

    def vector(image):
        small = image[0].numpy().reshape(14, 2, 14, 2).mean(axis=(1, 3)).ravel()
        small = small - small.mean()
        return small / np.linalg.norm(small)

    ours, theirs = [vector(x) for x in one.images], [vector(x) for x in other.images]
    within = [min(1 - a @ b for j, b in enumerate(ours) if j != i) for i, a in enumerate(ours)]
    threshold = np.quantile(within, 0.1)
    found = data.near_duplicates(one, other, share=0.1)
    assert found["threshold"] == pytest.approx(threshold, abs=1e-5)
    expected = {
        (int(np.argmin([1 - a @ b for a in ours])), j)
        for j, b in enumerate(theirs)
        if min(1 - a @ b for a in ours) <= threshold
    }
    assert {(i, j) for i, j, _ in found["pairs"]} == expected
    assert {(50 + k, k) for k in range(10)} <= expected
    with pytest.raises(ValueError, match="share must be a fraction between 0 and 1; got 0"):
        data.near_duplicates(one, other, share=0)


def test_official_indices_name_the_bundled_images(official):
    full = data.load("fashion-mnist", full=True, root=official).train
    assert torch.equal(full.images[data.official_indices()], data.load().train.images)

"""Frozen weights: the same predictions to the bit in a new process; replaced whole or not at all; the shipped teacher."""

import hashlib
import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import kdcourse as kd
from kdcourse import data, export

from .conftest import same


class Mine(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.one, self.two = nn.Linear(784, width), nn.Linear(width, 10)

    def forward(self, x):
        return self.two(self.one(x.flatten(1)).relu())


def test_a_new_process_predicts_the_same_bits(teacher, small, tmp_path):
    kd.save_frozen(teacher, tmp_path / "t", classes=small.classes, about={"note": "hello"})
    code = (
        "import sys, hashlib, torch, kdcourse as kd; m = kd.load_frozen(sys.argv[1], device='cpu');"
        "x = kd.load().test.images[:300]; print(m.training, hashlib.sha256(m(x).numpy().tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "t"], capture_output=True, text=True, check=True)
    with torch.no_grad():
        here = hashlib.sha256(teacher.eval()(kd.load().test.images[:300]).numpy().tobytes()).hexdigest()
    assert done.stdout.split() == ["False", here]
    config = export.read_config(tmp_path / "t")
    assert config["classes"] == list(small.classes)
    assert config["about"] == {"note": "hello"}


def test_own_classes_are_filled_and_checked_by_name(tmp_path, weights):
    model = Mine()
    kd.save_frozen(model, tmp_path / "m")
    loaded = kd.load_frozen(tmp_path / "m", into=Mine(), device="cpu")
    assert same(weights(model), weights(loaded))
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    with pytest.raises(ValueError, match="into must be given: the folder holds a tests.test_export.Mine"):
        kd.load_frozen(tmp_path / "m")
    with pytest.raises(ValueError, match=r"into must have the saved names, shapes and dtypes; got .*one.weight is torch.float32 \(5, 784\), saved torch.float32 \(4, 784\)"):  # fmt: skip
        kd.load_frozen(tmp_path / "m", into=Mine(5))
    with pytest.raises(ValueError, match=r"missing one.weight.*unexpected 0.weight"):
        kd.load_frozen(tmp_path / "m", into=nn.Sequential(nn.Linear(2, 2)))


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path, teacher, monkeypatch, weights):
    target = tmp_path / "model"
    kd.save_frozen(Mine(), target)
    kd.save_frozen(teacher, target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]
    kept = weights(kd.load_frozen(target, device="cpu"))
    with pytest.raises(ValueError, match="about must be plain data that JSON can hold"):
        kd.save_frozen(Mine(), target, about={"x": torch.zeros(1)})
    from pathlib import Path

    original, calls = Path.rename, []

    def broken(self, to):
        calls.append(to)
        if len(calls) == 2:
            raise OSError("disk full")
        return original(self, to)

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(OSError, match="disk full"):
        kd.save_frozen(Mine(), target)
    monkeypatch.undo()
    assert same(kept, weights(kd.load_frozen(target, device="cpu")))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]


def test_folders_with_other_contents_are_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(
        ValueError,
        match="path must be a new folder, or one that holds frozen weights and nothing else; got .*thesis.tex",
    ):
        kd.save_frozen(Mine(), tmp_path)
    with pytest.raises(ValueError, match="path must be a folder in folders; got the file"):
        kd.save_frozen(Mine(), tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_missing_damaged_or_foreign_folders_are_refused(tmp_path, teacher):
    with pytest.raises(FileNotFoundError, match="path must hold model.safetensors and config.json"):
        kd.load_frozen(tmp_path)
    kd.save_frozen(teacher, tmp_path / "t")
    file = tmp_path / "t" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"abcd")
    with pytest.raises(ValueError, match=r"model.safetensors must have SHA-256"):
        kd.load_frozen(tmp_path / "t")
    (tmp_path / "t" / "config.json").write_text('{"format": "other"}')
    with pytest.raises(ValueError, match="must have the format kdcourse-frozen-1"):
        kd.load_frozen(tmp_path / "t")


# ---------------------------------------------------------------- the shipped teacher


def about():
    return export.read_config(data.ASSETS / "teacher")["about"]


def test_the_teacher_is_small_frozen_and_good():
    assert sum(f.stat().st_size for f in (data.ASSETS / "teacher").iterdir()) <= 4_000_000
    teacher = kd.load_teacher(device="cpu")
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    record = about()
    assert record["test_accuracy"] >= 0.925
    sample = kd.load().test.select(range(0, 10_000, 10))
    margin = 3 * (record["test_accuracy"] * (1 - record["test_accuracy"]) / 1000) ** 0.5
    assert kd.evaluation.accuracy(teacher, sample, device="cpu") == pytest.approx(record["test_accuracy"], abs=margin)
    assert {"recipe", "seed", "seconds", "val_accuracy", "train_indices_sha256"} <= record.keys()


@pytest.mark.slow
def test_the_teacher_scores_what_its_record_says():
    assert kd.evaluation.accuracy(kd.load_teacher("cpu"), kd.load().test, device="cpu") == pytest.approx(
        about()["test_accuracy"], abs=3e-4
    )


def test_no_bundled_image_is_among_the_teachers():
    indices = load_file(data.ASSETS / "teacher-indices.safetensors")
    found = hashlib.sha256(indices["train"].numpy().astype("<i4").tobytes()).hexdigest()
    assert found == about()["train_indices_sha256"]
    bundled = set(json.loads((data.ASSETS / "fashion-mnist" / "bundle.json").read_text())["official_train_indices"])
    train, val = set(indices["train"].tolist()), set(indices["val"].tolist())
    assert len(train) == 45_000
    assert len(val) == len(indices["val"])
    assert not train & val
    assert not (train | val) & bundled


@pytest.mark.slow
def test_nor_is_a_copy_of_one(official):
    full, bundle = kd.load("fashion-mnist", full=True, root=official), kd.load()
    indices = load_file(data.ASSETS / "teacher-indices.safetensors")
    trained_on = full.train.select(torch.cat([indices["train"], indices["val"]]).long())
    assert not data.duplicates(trained_on, bundle.train)
    assert not data.duplicates(trained_on, bundle.test)

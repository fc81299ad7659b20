"""Frozen weights: the same predictions to the bit in a new process; replaced whole or not at all; the shipped teacher."""

import hashlib
import json
import pickle
import subprocess
import sys

import numpy as np
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
    with pytest.raises(ValueError, match=r"about\['x'\] must be plain data that JSON can hold; got 'Tensor'. Convert"):
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


# ---------------------------------------------------------------- any model: wrapped, tied, half, with other state


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel, lambda m: torch.compile(nn.DataParallel(m))])
def test_wrapped_models_are_saved_under_the_names_of_the_original(tmp_path, teacher, wrap, weights):
    kd.save_frozen(wrap(teacher), tmp_path / "t")
    config = export.read_config(tmp_path / "t")
    assert config["model"] == teacher.config
    assert config["class"] == "kdcourse.models.Blocks"
    assert set(load_file(tmp_path / "t" / "model.safetensors")) == set(teacher.state_dict())
    assert same(weights(kd.load_frozen(tmp_path / "t", device="cpu")), weights(teacher))
    fresh = kd.build(**teacher.config)
    wrapped = wrap(fresh)
    assert kd.load_frozen(tmp_path / "t", into=wrapped, device="cpu") is wrapped
    assert same(weights(fresh), weights(teacher))
    assert not fresh.training and not any(p.requires_grad for p in fresh.parameters())


def test_a_compiled_block_keeps_the_recipe(tmp_path, teacher, weights):
    expected = weights(teacher)
    teacher.block2 = torch.compile(teacher.block2)
    kd.save_frozen(teacher, tmp_path / "t")
    assert same(weights(kd.load_frozen(tmp_path / "t", device="cpu")), expected)
    again = kd.build(**teacher.config)
    again.block1 = torch.compile(again.block1)
    assert same(weights(kd.load_frozen(tmp_path / "t", into=again, device="cpu")), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_survive_to_the_bit(tmp_path, dtype):
    model = Mine().to(dtype)
    with torch.no_grad():
        model.one.weight[0, :4] = torch.tensor([float("inf"), float("nan"), -0.0, 6e-8])
    kd.save_frozen(model, tmp_path / "m")
    loaded = kd.load_frozen(tmp_path / "m", into=Mine().to(dtype), device="cpu")
    for name, value in model.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == dtype
        assert found.view(torch.uint8).equal(value.view(torch.uint8))
    with pytest.raises(ValueError, match=rf"one.weight is torch.float32 \(4, 784\), saved {dtype} \(4, 784\)"):
        kd.load_frozen(tmp_path / "m", into=Mine())


class Tied(nn.Module):
    """One tensor under two names, a buffer that is None, and a state that is no tensor."""

    def __init__(self, state=None):
        super().__init__()
        self.embed, self.out = nn.Linear(3, 5), nn.Linear(3, 5)
        self.out.weight = self.embed.weight
        self.register_buffer("mask", None)
        self.state = state

    def forward(self, x):
        return self.out(x)

    def get_extra_state(self):
        return self.state

    def set_extra_state(self, state):
        self.state = state


@pytest.mark.parametrize("state", [{"step": 3, "names": ["a", "b"], "scale": 0.1}, None, torch.arange(3)])
def test_tied_tensors_empty_buffers_and_extra_state(tmp_path, state):
    model = Tied(state)
    kd.save_frozen(model, tmp_path / "m")
    loaded = kd.load_frozen(tmp_path / "m", into=Tied(torch.zeros(3).long() if isinstance(state, torch.Tensor) else {}), device="cpu")  # fmt: skip
    assert torch.equal(loaded.embed.weight, model.embed.weight)
    assert loaded.out.weight is loaded.embed.weight
    assert loaded.mask is None
    assert torch.equal(loaded.state, state) if isinstance(state, torch.Tensor) else loaded.state == state


def test_extra_state_that_json_would_change_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the extra state _extra_state must come back from JSON as it was; got .*\(1, 2\).* Let get_extra_state return"):  # fmt: skip
        kd.save_frozen(Tied({"pair": (1, 2)}), tmp_path / "m")
    with pytest.raises(ValueError, match=r"the extra state _extra_state\['blob'\] must be plain data that JSON can hold; got 'bytes'"):  # fmt: skip
        kd.save_frozen(Tied({"blob": b"x"}), tmp_path / "m")
    assert not list(tmp_path.iterdir())


class Holding(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.register_buffer("value", value)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_tensors_without_plain_numbers_are_refused(tmp_path):
    cases = {
        "a quantised tensor": Holding(torch.quantize_per_tensor(torch.rand(3), 0.1, 0, torch.qint8)),
        "a sparse tensor": Holding(torch.eye(3).to_sparse()),
        r"a tensor without numbers \(meta\)": Holding(torch.empty(3, device="meta")),
    }
    for kind, model in cases.items():
        with pytest.raises(ValueError, match=f"model must hold plain tensors alone; got value, {kind}. Save it before"):
            kd.save_frozen(model, tmp_path / "m")
    with pytest.raises(ValueError, match=r"model must know its sizes; got the lazy weight. Run it once"):
        kd.save_frozen(nn.LazyLinear(3), tmp_path / "m")
    packed = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(2, 2)), {nn.Linear})
    with pytest.raises(ValueError, match=r"model must hold plain tensors alone; got .*, "):
        kd.save_frozen(packed, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_loading_never_unpickles(tmp_path, teacher, monkeypatch):
    kd.save_frozen(teacher, tmp_path / "t")

    def forbidden(*args, **options):
        raise AssertionError("unpickled")

    for module, name in ((torch, "load"), (torch.serialization, "load"), (pickle, "load"), (pickle, "loads")):
        monkeypatch.setattr(module, name, forbidden)
    assert kd.load_frozen(tmp_path / "t", device="cpu").config == teacher.config


def test_about_takes_numpys_numbers_and_names_what_it_refuses(tmp_path):
    about = {"n": np.int64(3), "x": np.float32(0.5), "rows": [{"ok": np.bool_(True)}], "zero": np.array(2), 4: (1, 2)}
    kd.save_frozen(Mine(), tmp_path / "m", about=about)
    kept = export.read_config(tmp_path / "m")["about"]
    assert kept == {"n": 3, "x": 0.5, "rows": [{"ok": True}], "zero": 2, "4": [1, 2]}
    for wrong, text in (
        ({"a": [{"b": np.zeros(2)}]}, r"about\['a'\]\[0\]\['b'\] must be plain data that JSON can hold; got 'ndarray'"),
        ({"a": float("nan")}, r"about\['a'\] must be plain data that JSON can hold; got nan"),
        ({"a": {(1, 2): 3}}, r"each key of about\['a'\] must be a text; got 'tuple'. Convert it with str\(\)"),
    ):
        with pytest.raises(ValueError, match=text):
            kd.save_frozen(Mine(), tmp_path / "m", about=wrong)
    with pytest.raises(TypeError, match="about must be a dict of plain data; got 'list'"):
        kd.save_frozen(Mine(), tmp_path / "m", about=["a"])
    assert export.read_config(tmp_path / "m")["about"] == kept


def test_classes_are_as_many_as_the_outputs(tmp_path, student):
    with pytest.raises(ValueError, match=r"classes must have one name for each of the model's 10 outputs; got 3 names. Build"):  # fmt: skip
        kd.save_frozen(student, tmp_path / "m", classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="classes must be a list of names; got 'abcdefghij'"):
        kd.save_frozen(student, tmp_path / "m", classes="abcdefghij")
    kd.save_frozen(student, tmp_path / "m", classes=np.array(list("abcdefghij")))
    assert export.read_config(tmp_path / "m")["classes"] == list("abcdefghij")


def test_a_device_that_is_not_there_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    for device in ("cuda", "cuda:1", torch.device("mps")):
        with pytest.raises(ValueError, match=rf"device must be here: torch reports no accelerator; got '{device}'. Pass device=.cpu."):  # fmt: skip
            kd.load_teacher(device)
    with pytest.raises(ValueError, match="device must be one that torch knows; got 'gpu'. Write cpu, cuda or mps"):
        kd.load_teacher("gpu")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="device must be here: torch reports 2 of type cuda; got 'cuda:2'"):
        kd.load_teacher("cuda:2")


def test_what_is_no_model_and_half_a_config_are_refused(tmp_path):
    kd.save_frozen(Mine(), tmp_path / "m")
    with pytest.raises(TypeError, match="into must be a torch.nn.Module; got 'str'"):
        kd.load_frozen(tmp_path / "m", into="Mine")
    (tmp_path / "m" / "config.json").write_text('{"format": "kdcourse-frozen-1"}')
    with pytest.raises(ValueError, match="must have the format kdcourse-frozen-1"):
        kd.load_frozen(tmp_path / "m", into=Mine())


# ---------------------------------------------------------------- programs


class Pair(nn.Module):
    """Two inputs by name, a dict out, batch norm and dropout: eval mode matters."""

    def __init__(self):
        super().__init__()
        self.lin, self.norm, self.drop = nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)

    def forward(self, left, right):
        z = self.drop(self.norm(self.lin(torch.cat([left, right], dim=1))))
        return {"logits": z, "chance": z.softmax(1)}


def test_a_program_gives_the_models_outputs_for_any_batch(tmp_path, teacher, weights):
    before, images = weights(teacher), torch.rand(3, 1, 28, 28)
    teacher.train()
    path = kd.export.program(torch.compile(teacher), images[:1], tmp_path / "new" / "t.pt2")
    assert teacher.training
    assert same(before, weights(teacher))
    teacher.eval()
    program = torch.export.load(path)
    for n in (1, 2, 3):
        torch.testing.assert_close(program.module()(images[:n]), teacher(images[:n]))
    assert program.example_inputs is None or not list(kd._heads.tensors(program.example_inputs)), "no image leaves"
    assert [p.name for p in path.parent.iterdir()] == ["t.pt2"]


def test_a_program_of_several_inputs_and_outputs(tmp_path):
    model, batch = Pair(), {"left": torch.rand(4, 2), "right": torch.rand(4, 4)}
    for example in (batch, tuple(batch.values())):
        path = kd.export.program(model, example, tmp_path / "p.pt2")
        found = torch.export.load(path).module()
        more = {name: torch.rand(7, value.shape[1]) for name, value in batch.items()}
        got = found(**more) if example is batch else found(*more.values())
        torch.testing.assert_close(got, model.eval()(**more))


class Does(nn.Module):
    """A model that does one thing that cannot be exported."""

    def __init__(self, what):
        super().__init__()
        self.lin, self.what = nn.Linear(4, 3), what

    def forward(self, x):
        return self.what(self.lin(x))


@pytest.mark.parametrize(("what", "text"), [
    (lambda z: z if z.sum() > 0 else -z, r"model must be one that torch.export can trace for batches of any size; got .*[Dd]ata-dependent.* Rewrite that line with tensor operations"),
    (lambda z: z.view(5, 3) * 2, r"can trace for batches of any size; got [^.]*specialized it to be a constant \(5\)\. Rewrite"),
    (lambda z: z * 2 if z.shape[0] < 9 else z, r"can trace for batches of any size; got Not all values of batch"),
    (lambda z: torch.from_numpy(z.numpy()), r"can trace for batches of any size; got .*numpy"),
    (lambda z: z + torch.rand(1), r"model must give the same outputs once it is exported, also for a batch of another size; got outputs that differ by \d.*Take out of forward what is random"),
])  # fmt: skip
def test_what_cannot_be_exported_is_refused_in_one_sentence(tmp_path, capfd, what, text):
    with pytest.raises(ValueError, match=text) as caught:
        kd.export.program(Does(what), torch.rand(5, 4), tmp_path / "p.pt2")
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("change", "error", "text"), [
    ({"model": "model"}, TypeError, "model must be a torch.nn.Module; got 'str'"),
    ({"path": "m.pt"}, ValueError, "path must be a file that ends in .pt2; got 'm.pt'. Write m.pt2"),
    ({"example": 3}, ValueError, r"example must be a batch: tensors with one size .* got no tensor. Pass images\[:4\]"),
    ({"example": (torch.rand(2, 4), torch.rand(3, 4))}, ValueError, r"example must be a batch: .* got sizes \[2, 3\]"),
])  # fmt: skip
def test_programs_check_their_arguments(tmp_path, monkeypatch, change, error, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=text):
        kd.export.program(**{"model": nn.Linear(4, 3), "example": torch.rand(2, 4), "path": "m.pt2"} | change)
    assert not list(tmp_path.iterdir())


def test_onnx_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(ImportError, match=r'kd.export.onnx needs onnxscript, which cannot be found. Install: pip install "kdcourse\[onnx\]"'):  # fmt: skip
        kd.export.onnx(nn.Linear(2, 2), torch.rand(2, 2), tmp_path / "m.onnx")


def test_onnx_gives_the_models_outputs_for_any_batch(tmp_path, student):
    pytest.importorskip("onnxscript")
    reference = pytest.importorskip("onnx.reference")
    path = kd.export.onnx(student, torch.rand(2, 1, 28, 28), tmp_path / "m.onnx")
    evaluator = reference.ReferenceEvaluator(str(path))
    images = torch.rand(5, 1, 28, 28)
    (found,) = evaluator.run(None, {evaluator.input_names[0]: images.numpy()})
    torch.testing.assert_close(torch.from_numpy(found.copy()), student.eval()(images).detach(), rtol=1e-4, atol=1e-5)
    kd.export.onnx(Pair(), {"left": torch.rand(4, 2), "right": torch.rand(4, 4)}, tmp_path / "p.onnx")
    with pytest.raises(
        ValueError, match=r"model must be one that torch.onnx.export can trace .* got .*[Dd]ata-dependent"
    ):
        kd.export.onnx(Does(lambda z: z if z.sum() > 0 else -z), torch.rand(5, 4), tmp_path / "d.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "p.onnx"]


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

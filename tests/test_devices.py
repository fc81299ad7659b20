"""Device placement without a GPU: forward passes on pretend CUDA tensors raise where devices are mixed."""

import json
import subprocess
import sys

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import kdcourse as kd
from kdcourse.losses import Side, Step

from .conftest import ROOT


@pytest.fixture
def cuda():
    with FakeTensorMode(), torch.device("cuda"):
        yield torch.device("cuda")


@pytest.mark.parametrize("name", ["mlp", "cnn", "deep_cnn", "mini_googlenet"])
def test_models_normalise_on_their_device(cuda, name):
    model = kd.build(name, width=4)
    assert model(torch.rand(2, 1, 28, 28, device=cuda)).device.type == "cuda"


def test_the_pretence_does_notice_mixed_devices(cuda):
    with pytest.raises(RuntimeError, match="device"):
        kd.build("cnn", width=4)(torch.rand(2, 1, 28, 28, device="cpu"))


def test_losses_and_their_projections_follow_the_models(cuda):
    teacher, student = kd.build("cnn", width=4), kd.build("cnn", width=6)
    x = torch.rand(4, 1, 28, 28, device=cuda)
    loss = kd.losses.Hint({"block2": "block2"}) + kd.taylor.LayerwiseLoss(["block1", "head"], penalty=0.1)
    loss = loss + kd.losses.SoftTargets(alpha=1.0)
    with torch.no_grad():
        loss.prepare(student, teacher, x)
        sides = []
        for model, layers in ((student, loss.student_layers), (teacher, loss.teacher_layers)):
            with kd.models.Capture(model, layers) as captured:
                logits, seen = captured.run(lambda model=model: model(x))
            sides.append(Side(logits, seen, model))
        value, terms = loss.total(Step(x, None, *sides))
    assert value.device.type == "cuda"
    assert len(terms) == 3


def test_augmentation_and_image_terms_stay_on_the_device(cuda):
    x = torch.rand(4, 1, 28, 28, device=cuda)
    assert kd.data.flip_shift(x).device.type == "cuda"
    assert kd.synthesis.total_variation(x).device.type == "cuda"


def test_the_bench_for_an_accelerator_works_before_there_is_one(tmp_path):
    """Tiny sizes on the CPU: it writes what it says that it writes; without ``--quick`` it has nothing to measure."""
    command = [sys.executable, str(ROOT / "tests/bench/gpu.py"), "--device", "cpu", "--out", str(tmp_path / "gpu.json")]
    done = subprocess.run([*command, "--quick"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert {"device", "torch", "cuda", "date", "training", "by hand", "share of by hand", "synthesis"} <= set(found)
    assert found["quick"] is True
    assert all(value > 0 for network in found["training"].values() for value in network.values())
    bare = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bare.returncode == 2
    assert "nothing to measure" in bare.stdout

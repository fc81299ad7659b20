"""The package on an accelerator: nothing is mixed, nothing is copied back needlessly, results are those of the CPU.

Each test runs on the CPU too, so that it is known to work before an accelerator is at hand; ``pytest -m gpu`` alone.
"""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import kdcourse as kd

THERE = torch.accelerator.is_available()
NAME = torch.accelerator.current_accelerator().type if THERE else "cuda"
NEEDED = pytest.mark.skipif(not THERE, reason="no accelerator here")
QUIET = {"progress": False, "seed": 0}


@pytest.fixture(params=["cpu", pytest.param(NAME, marks=[pytest.mark.gpu, NEEDED])])
def device(request):
    return torch.device(request.param)


def models(width=4):
    return kd.build("cnn", width=width, seed=0), kd.build("cnn", width=width, seed=1)


def test_the_same_training_as_on_the_cpu(device, small):
    """The same batches and augmentation, so that the history differs by rounding alone."""
    histories = []
    for place in ("cpu", device):
        teacher, student = models()
        run = kd.distill(teacher, student, small, epochs=3, augment="flip-shift", device=place, **QUIET)
        histories.append(run.history)
        assert next(student.parameters()).device.type == torch.device(place).type
    assert histories[1]["loss"] == pytest.approx(histories[0]["loss"], rel=1e-3)
    assert histories[1]["val_accuracy"] == pytest.approx(histories[0]["val_accuracy"], abs=0.02)


@pytest.mark.parametrize("source", ["tensors", "loader"])
def test_losses_that_look_inside_follow_the_device(device, small, source):
    teacher, student = models()
    loss = kd.losses.SoftTargets(alpha=0.5) + kd.losses.Hint({"block2": "block2"})
    loss = loss + 0.1 * kd.taylor.LayerwiseLoss(["block1", "head"], penalty=0.1)
    pair = small.train.images, small.train.labels
    data = pair if source == "tensors" else DataLoader(TensorDataset(*pair), 100)
    run = kd.distill(teacher, student, data, loss=loss, epochs=1, device=device, **QUIET)
    assert all(torch.isfinite(torch.tensor(values)).all() for values in run.history.values())


def test_bfloat16_learns_as_well(device, small):
    model = kd.build("cnn", width=4, seed=0)
    run = kd.train(model, small, epochs=8, lr=1e-2, precision="bfloat16", device=device, **QUIET)
    assert max(run.history["val_accuracy"]) > 0.4
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_scores_agree_with_those_of_the_cpu(device, teacher, small):
    here, there = (kd.evaluate(copy.deepcopy(teacher), small.test, device=d, timed=False) for d in ("cpu", device))
    assert there.accuracy == pytest.approx(here.accuracy, abs=0.007)
    assert there.calibration_error == pytest.approx(here.calibration_error, abs=0.02)
    assert there.device.startswith(device.type)


def test_a_model_goes_home_after_it_was_measured(device, teacher, small):
    """What was on the CPU is there again; it was only lent."""
    kd.evaluate(teacher, small.test, device=device, timed=False)
    kd.evaluation.compare([teacher], [copy.deepcopy(teacher)], small.test, device=device)
    assert {p.device.type for p in teacher.parameters()} == {"cpu"}


def test_frozen_weights_come_back_on_any_device(device, teacher, small, tmp_path):
    placed = copy.deepcopy(teacher).to(device)
    kd.save_frozen(placed, tmp_path / "frozen")
    again = kd.load_frozen(tmp_path / "frozen", device="cpu")
    with torch.no_grad():
        assert torch.equal(again(small.test.images[:20]), teacher(small.test.images[:20]))


def test_images_are_dreamed_up_on_the_device(device, teacher):
    part = kd.synthesise(teacher, n=20, num_classes=10, shape=(1, 28, 28), steps=5, rounds=1, confidence=0.0, device=device, **QUIET)  # fmt: skip
    assert part.images.shape == (20, 1, 28, 28)
    assert torch.isfinite(part.images).all()


def test_importance_is_that_of_the_cpu(device, teacher, small):
    batch = small.val.images[:50], small.val.labels[:50]
    here = kd.taylor.importance(copy.deepcopy(teacher), batch)
    there = kd.taylor.importance(copy.deepcopy(teacher).to(device), tuple(part.to(device) for part in batch))
    for name, scores in here.items():
        assert torch.allclose(scores, there[name].cpu(), rtol=1e-3, atol=1e-6)


@pytest.mark.gpu
@NEEDED
def test_the_inner_loop_waits_for_the_device_seldom(small):
    """Reads of the device in an epoch of 40 steps: fewer than one in four steps. The CUDA debug mode raises at others."""
    if NAME != "cuda":
        pytest.skip("only CUDA tells who waits")
    teacher, student = models()
    images, labels = (part.to(NAME) for part in (small.train.images, small.train.labels))
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            kd.distill(teacher, student, (images, labels), epochs=2, batch_size=20, device=NAME, cache_mb=0, **QUIET)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [one for one in found if "synchroniz" in str(one.message)]
    assert len(waits) < 10, f"{len(waits)} in 40 steps"


def test_a_module_of_ones_own_and_its_criterion(device):
    x, y = torch.rand(60, 5), torch.randint(0, 3, (60,))
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    fair = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]).to(device))
    run = kd.train(model, (x, y), loss=fair, epochs=2, device=device, **QUIET)
    assert len(run.history["loss"]) == 2

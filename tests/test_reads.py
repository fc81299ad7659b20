"""What makes an accelerator wait: reads of single numbers in the loop are gathered, and nothing that is reported changes."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

import kdcourse as kd
from kdcourse import training


class Reads(TorchDispatchMode):
    """Counts reads of a single number (float(), bool(), item()), each of which waits for an accelerator."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.fixture
def gathered(monkeypatch):
    """The loop as on an accelerator, on the CPU."""
    monkeypatch.setattr(training, "_every", lambda device: training.EVERY)


def steps_alone(monkeypatch, teacher, student, data, **options):
    """Reads of the training steps alone, by step."""
    original, reads = training._Loop._step, []

    def watched(loop, batch, params):
        with Reads() as found:
            result = original(loop, batch, params)
        reads.append(found.count)
        return result

    monkeypatch.setattr(training._Loop, "_step", watched)
    kd.distill(teacher, student, data, progress=False, **options)
    return reads


@pytest.mark.parametrize(
    "loss", [None, kd.losses.SoftTargets(alpha=1.0), kd.losses.Hint({"block2": "block2"}) + kd.losses.CrossEntropy()]
)
@pytest.mark.parametrize("form", ["tensors", "augmented", "loader"])
def test_a_step_reads_nothing(monkeypatch, gathered, small, teacher, student, loss, form):
    data = DataLoader(small.train, 16) if form == "loader" else small.train
    augment = "flip-shift" if form == "augmented" else None
    reads = steps_alone(
        monkeypatch, teacher, student, data, loss=loss, epochs=1, batch_size=16, augment=augment, clip=1.0
    )
    assert len(reads) == 25
    assert sum(reads) == 0, reads


def test_half_labelled_data_read_nothing_either(monkeypatch, gathered, small, teacher, student):
    few = kd.data.few_labels(small.train, 50)
    assert sum(steps_alone(monkeypatch, teacher, student, few, epochs=1, batch_size=16)) == 0


def test_gathered_reads_report_the_same(small, teacher, student, monkeypatch):
    def go():
        fresh = kd.build("cnn", width=4, seed=1)
        run = kd.distill(teacher, fresh, small, epochs=2, batch_size=16, progress=False)
        return {name: values for name, values in run.history.items() if name != "seconds"}

    one = go()
    monkeypatch.setattr(training, "_every", lambda device: training.EVERY)
    assert go() == one


@pytest.mark.parametrize("bad", [3, 24])
def test_a_divergence_is_caught_in_its_epoch_with_its_own_numbers(small, monkeypatch, bad):
    def go():
        count = []

        def loss(z, t, y):
            value = nn.functional.cross_entropy(z, y)
            if value.requires_grad:
                count.append(1)
            return value * float("nan") if len(count) == 25 + bad + 1 else value

        model = kd.build("linear")
        with pytest.raises(kd.training.TrainingDiverged) as caught:
            kd.train(model, small.train, loss=loss, epochs=3, batch_size=16, progress=False)
        return str(caught.value), len(caught.value.run.history["loss"]), model.state_dict()

    text, epochs, weights = go()
    monkeypatch.setattr(training, "_every", lambda device: training.EVERY)
    again, same, others = go()
    assert text == again
    assert "the loss is nan in epoch 2" in text
    assert epochs == same == 1
    assert all(torch.equal(a, b) for a, b in zip(weights.values(), others.values(), strict=True))


def test_on_a_cpu_every_step_is_read():
    assert training._every(torch.device("cpu")) == 1
    assert training._every(torch.device("cuda")) == training.EVERY

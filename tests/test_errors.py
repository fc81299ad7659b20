"""Bad input that no other file meets: each error names the argument, the rule, the value and the remedy."""

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

import kdcourse as kd
from kdcourse.losses import Side, Step

L = kd.losses
Z, Y = torch.zeros(3, 4), torch.tensor([0, 1, 2])


class Images(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, i):
        return torch.rand(1, 28, 28)


def alone():
    return Step(None, Y, Side(Z), None)


@pytest.mark.parametrize(("call", "text"), [
    (lambda: L.cross_entropy(Z, torch.zeros(2).long()), r"student_logits and labels must be N x C and N; got \(3, 4\) and \(2,\)"),
    (lambda: L.cross_entropy(Z, torch.tensor([0, 4, 1])), r"labels must lie in \[0, 4\) or be -100; got 4. Count classes from 0"),
    (lambda: L.cross_entropy(Z, torch.tensor([0, -1, 1])), r"labels must lie in \[0, 4\) or be -100; got -1"),
    (lambda: L.cross_entropy(Z, Y, reduction="avg"), "reduction must be one of mean, none, sum; got 'avg'"),
    (lambda: L.cross_entropy(Z, Y, label_smoothing=2), "label_smoothing must lie between 0 and 1"),
    (lambda: L.soft_targets(Z, Z), "labels must be given where alpha is below 1; got None. Pass labels, or alpha=1.0"),
    (lambda: L.soft_targets(Z, Z[:2], Y), r"student_logits must have the shape of teacher_logits, \(2, 4\); got \(3, 4\)"),
    (lambda: L.soft_targets(Z, Z, Y, temperature=0), "temperature must be a finite number above 0; got 0"),
    (lambda: L.soft_targets(Z, Z, Y, alpha=1.5), "alpha must lie between 0 and 1; got 1.5"),
    (lambda: L.SoftTargets(temperature=-1.0), "temperature must be a finite number above 0"),
    (lambda: L.SoftTargets(reduction="none"), "reduction must be one of mean, sum"),
    (lambda: L.SoftTargets()(Z), "teacher_logits must be given: soft_targets compares with the teacher"),
    (lambda: L.CrossEntropy()(Z), "labels must be given: cross_entropy needs them"),
    (lambda: L.CrossEntropy() * float("nan"), "a loss's weight must be a finite number; got nan. Write 0.5"),
    (lambda: L.CrossEntropy() + 3, "loss must be a Loss or a callable"),
    (lambda: L.LogitMSE().terms(alone()), r"the loss logit_mse must have a teacher; got None. Use distill\(teacher"),
    (lambda: L.Hint({}), "layers must map student layers to teacher layers"),
    (lambda: L.Hint({"a": "b"}).prepare(nn.Identity(), None, Z), "the loss hint must have a teacher"),
    (lambda: kd.taylor.LayerwiseLoss("head", penalty=0), "layers must be a list of different layer names; got 'head'"),
    (lambda: kd.taylor.LayerwiseLoss(["a", "a"], penalty=0), "layers must be a list of different layer names"),
    (lambda: kd.taylor.LayerwiseLoss(["a"], penalty=-1), "penalty must be a finite number of at least 0; got -1"),
    (lambda: kd.taylor.LayerwiseLoss(["a"], penalty=0).prepare(nn.Identity(), None, Z), "the loss layerwise must have a teacher"),
    (lambda: L.Loss("mine").terms(alone()), r"Loss must define terms\(step\)"),
    (lambda: kd.plots.show(None, alt="too short"), "alt must state the finding in at least 40 characters; got too short"),
])  # fmt: skip
def test_losses_and_plots(call, text):
    with pytest.raises((ValueError, TypeError, NotImplementedError), match=text):
        call()


class Endless:
    """A loader without a length."""

    def __iter__(self):
        yield torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 2, 3])


class Once(Endless):
    """A loader that is empty from its third reading on: the first two are the look at the data."""

    def __init__(self):
        self.read = 0

    def __len__(self):
        return 1

    def __iter__(self):
        self.read += 1
        if self.read <= 2:
            yield from super().__iter__()


def heads(part):
    return part.images, {"class": part.labels}


@pytest.mark.parametrize(("call", "text"), [
    (lambda s, m: kd.train(m, Endless()), "schedule must be .constant. for a loader without a length; got 'cosine'"),
    (lambda s, m: kd.train(m, Once(), progress=False), "data must yield at least one batch in every epoch"),
    (lambda s, m: kd.train(m, Endless(), unpack=lambda b: b[0]), r"unpack must return a pair \(inputs, labels\); got 'Tensor'"),
    (lambda s, m: kd.train(m, s.train, val=(s.val.images, None)), r"val must have labels in train\(\); got no label at all"),
    (lambda s, m: kd.train(m, s.train, val=heads(s.val)), r"metric must be a function where there are several heads"),
    (lambda s, m: kd.train(m, s, progress=False, loss=lambda z, t, y: z.detach().mean()), "the loss|loss must depend on a parameter that trains"),
    (lambda s, m: kd.train(m, s, loss=L.CrossEntropy() + L.LogitMSE()), r"loss must need no teacher in train\(\); got 'logit_mse'"),
    (lambda s, m: kd.synthesise(Broken(), 20, num_classes=10, shape=(1, 28, 28), progress=False), "source must give finite gradients"),
    (lambda s, m: kd.train(m, torch.rand(3)), "data must be Splits, a Part, a DataLoader, a Dataset or a pair"),
    (lambda s, m: kd.train(m, 7), "data must be Splits"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:the source has no batch norm")
def test_training_and_synthesis(small, student, call, text):
    with pytest.raises((ValueError, TypeError), match=text):
        call(small, student)


class Broken(nn.Module):
    """Finite logits whose gradient is not: the square root at zero."""

    def forward(self, x):
        return (x.flatten(1)[:, :10] * 0).sqrt()


def test_an_infinite_gradient_of_a_finite_loss_is_caught(small, student):
    def edge(z, t, y):
        return (z.square().sum() * 0).sqrt() + 1

    with pytest.raises(kd.training.TrainingDiverged, match="its gradient's norm nan in epoch 0"):
        kd.train(student, small, loss=edge, progress=False)


def test_forms_that_do_work(small, teacher, student):
    run = kd.distill(teacher, student, Images(), loss=L.SoftTargets(alpha=1.0), epochs=1, batch_size=3, progress=False)
    assert run.config["steps"] == 2
    run = kd.train(student, Endless(), schedule="constant", epochs=2, progress=False)
    assert len(run.history["loss"]) == 2
    optimizer = torch.optim.SGD(student.parameters(), lr=0.01, weight_decay=0.1)
    loss = L.Hint({"block2": "block2"}) + L.SoftTargets()
    kd.distill(teacher, student, small, loss=loss, optimizer=optimizer, epochs=1, progress=False)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        torch.optim.SGD(student.parameters(), lr=1e-3), patience=0, threshold=10.0
    )
    run = kd.train(student, small, optimizer=plateau.optimizer, schedule=plateau, epochs=4, progress=False)
    assert run.history["lr"] == pytest.approx([1e-3, 1e-4, 1e-5, 1e-6])
    x, y = torch.rand(40, 2), torch.rand(40)
    lines = []
    for epochs in (1, 200):
        torch.manual_seed(0)
        lines.append(kd.train(nn.Linear(2, 1), (x, y), epochs=epochs, lr=0.1, progress=False))
    result = kd.evaluation.compare([lines[1]], [lines[0]], (x, y))
    assert result.difference > 0
    assert "points" not in str(result), "a squared error is no fraction"
    assert repr(small.train) == "Part(400 inputs of shape (1, 28, 28), 400 labelled)"
    assert repr(kd.data.few_labels(small.train, 50)).endswith("50 labelled, 350 without a label)")

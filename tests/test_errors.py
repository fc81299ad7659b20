"""Bad input that no other file meets: each error names the argument, the rule, the value and the remedy."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

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
    """A loader that is empty from its second reading on: the first is the look at the data."""

    def __init__(self):
        self.read = 0

    def __len__(self):
        return 1

    def __iter__(self):
        self.read += 1
        if self.read <= 1:
            yield from super().__iter__()


def heads(part):
    return part.images, {"class": part.labels}


@pytest.mark.parametrize(("call", "text"), [
    (lambda s, m: kd.train(m, Once(), progress=False), "data must yield at least one batch in every epoch"),
    (lambda s, m: kd.train(m, Endless(), unpack=lambda b: b[0]), r"unpack must return a pair \(inputs, labels\); got 'Tensor'"),
    (lambda s, m: kd.train(m, s.train, val=(s.val.images, None)), r"val must have labels in train\(\); got no label at all"),
    (lambda s, m: kd.train(m, s.train, val=heads(s.val)), r"metric must be a function where there are several heads"),
    (lambda s, m: kd.train(m, s, progress=False, loss=lambda z, t, y: z.detach().mean()), "loss must depend on a parameter that trains"),
    (lambda s, m: kd.train(m, s, loss=L.CrossEntropy() + L.LogitMSE()), r"loss must need no teacher in train\(\); got 'logit_mse'"),
    (lambda s, m: kd.synthesise(Broken(), 20, num_classes=10, shape=(1, 28, 28), progress=False), "source must give finite gradients"),
    (lambda s, m: kd.train(m, torch.rand(3)), "data must be a Part, a DataLoader, a Dataset or a pair"),
    (lambda s, m: kd.train(m, 7), "data must be a Part"),
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

    with pytest.raises(kd.training.TrainingDiverged, match="its gradient's norm nan in epoch 1"):
        kd.train(student, small, loss=edge, progress=False)


def test_forms_that_do_work(small, teacher, student):
    run = kd.distill(teacher, student, Images(), loss=L.SoftTargets(alpha=1.0), epochs=1, batch_size=3, progress=False)
    assert run.config["steps"] == 2
    run = kd.train(student, Endless(), schedule="constant", epochs=2, progress=False)
    assert len(run.history["loss"]) == 2
    optimizer = torch.optim.SGD(student.parameters(), lr=0.01, weight_decay=0.1)
    loss = L.Hint({"block2": "block2"}) + L.SoftTargets()
    decays = []
    watch = [lambda run: decays.extend(group["weight_decay"] for group in optimizer.param_groups)]
    kd.distill(teacher, student, small, loss=loss, optimizer=optimizer, epochs=1, progress=False, callbacks=watch)
    assert decays == [0.1, 0.0]
    assert len(optimizer.param_groups) == 1, "the caller's optimizer goes back without the projections"
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


def shuffled(part):
    return DataLoader(part, 64, shuffle=True)


def test_a_shuffled_loader_compares_the_same_images(small, teacher, student):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    report = kd.evaluate(teacher, shuffled(small.test), teacher=teacher)
    assert report.agreement == 1.0
    assert report.kl == pytest.approx(0, abs=1e-5)
    ordered, mixed = (kd.evaluation.compare([teacher], [student], d) for d in (small.test, shuffled(small.test)))
    assert mixed.difference == pytest.approx(ordered.difference)
    assert kd.evaluation.compare([teacher], [teacher], shuffled(small.test)).kind == "identical"
    assert torch.equal(state, torch.get_rng_state()), "measuring leaves the random state alone"
    copied = kd.build("cnn", width=4)
    copied.load_state_dict(teacher.state_dict())
    bare = kd.data.unlabelled(small.val)
    run = kd.distill(teacher, copied, small.train, val=shuffled(bare), lr=1e-9, epochs=1, progress=False)
    assert run.history["val_agreement"][0] > 0.97


def test_terms_never_hide_the_total(small, student):
    def loss(z, t, y):
        return z.square().mean()

    run = kd.train(student, small, loss=0.5 * L.CrossEntropy() + 2 * as_named(loss, "lr"), epochs=1, progress=False)
    assert {"loss", "cross_entropy", "lr_2", "lr"} <= set(run.history)
    total = 0.5 * run.history["cross_entropy"][0] + 2 * run.history["lr_2"][0]
    assert run.history["loss"][0] == pytest.approx(total, rel=1e-5)
    run = kd.train(student, small, loss=10 * as_named(loss, "loss"), epochs=1, progress=False)
    assert run.history["loss"][0] == pytest.approx(10 * run.history["loss_2"][0], rel=1e-5)


def as_named(function, name):
    function.__name__ = name
    return L.as_loss(function)


def test_a_plateau_schedule_may_watch_what_rises(small):
    lrs = {}
    for mode in ("min", "max"):
        model = kd.build("cnn", width=4)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, patience=0)
        rising = iter(range(100))
        metric = lambda outputs, labels, rising=rising: float(next(rising))  # noqa: E731
        options = {"optimizer": optimizer, "schedule": plateau, "metric": metric, "progress": False}
        lrs[mode] = kd.train(model, small, epochs=3, **options).history["lr"]
    assert lrs["min"] == lrs["max"] == [0.05] * 3


def test_forward_reaches_losses_that_look_inside(small, teacher, student):
    class Named(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, *, pixels):
            return {"logits": self.net(pixels)}

    def forward(model, inputs):
        return model(pixels=inputs)["logits"]

    loss = L.SoftTargets(alpha=1.0) + L.Hint({"net.block2": "net.block2"})
    loss = loss + kd.taylor.LayerwiseLoss(["net.block1", "net.head"], penalty=0.0)
    run = kd.distill(Named(teacher), Named(student), small, loss=loss, forward=forward, epochs=1, progress=False)
    assert {"hint", "layerwise"} <= set(run.history)
    result = kd.evaluation.compare([run], [Named(student)], small.test, forward=forward)
    assert result.difference == 0.0
    assert 0 <= kd.evaluation.accuracy(Named(teacher), small.test, forward=forward) <= 1


def test_half_labelled_loaders_count_as_labelled(small, teacher, student):
    few = kd.data.few_labels(small.val, 10)
    few = few.select(few.labels.argsort())  # all unlabelled images first
    assert int((few.labels[:100] == -100).sum()) == 100
    for val in (few, DataLoader(few, 100)):
        run = kd.distill(teacher, student, small.train, val=val, epochs=1, progress=False)
        assert run.config["metric"] == "accuracy"
    with pytest.raises(
        ValueError, match="data must have labels for the loss cross_entropy; got no label in a whole epoch"
    ):
        kd.train(student, DataLoader(kd.data.unlabelled(small.train), 100), epochs=1, progress=False)


def test_r2_is_the_mean_over_outputs():
    from sklearn.metrics import r2_score

    y = torch.randn(50, 2) + torch.tensor([0.0, 100.0])
    x = torch.randn(50, 2)
    model = nn.Linear(2, 2)
    report = kd.evaluate(model, (x, y))
    assert report.r2 == pytest.approx(r2_score(y.numpy(), model(x).detach().numpy()), rel=1e-4)
    other = nn.Linear(2, 2)
    d = ((other(x) - y) ** 2).mean() - ((model(x) - y) ** 2).mean()
    assert kd.evaluation.compare([model], [other], (x, y)).difference == pytest.approx(d.item(), rel=1e-4)


def test_a_last_batch_of_one_joins_the_one_before():
    assert kd.data.batch_sizes(129, 128) == [129]
    assert kd.data.batch_sizes(130, 128) == [128, 2]
    assert kd.data.batch_sizes(257, 128) == [128, 129]
    assert kd.data.batch_sizes(1, 128) == [1]
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    run = kd.train(model, (torch.rand(17, 4), torch.arange(17) % 2), batch_size=8, epochs=1, progress=False)
    assert run.config["steps"] == 2


def other_model():
    return torch.optim.SGD(kd.build("linear").parameters(), lr=0.1)


def scheduler_of(optimizer):
    return torch.optim.lr_scheduler.StepLR(optimizer, 1)


@pytest.mark.parametrize(("call", "text"), [
    (lambda s, m: kd.train(m, s, callbacks=print), r"callbacks must be a list of functions of the run; .* Write \[my_function\]"),
    (lambda s, m: kd.train(m, s, schedule=None), "schedule must be a name, an object or a function; got None"),
    (lambda s, m: kd.train(m, s, optimizer=5), "optimizer must be a name, an object or a function; got 5"),
    (lambda s, m: kd.train(m, s, forward=5), "forward must be a name, an object or a function; got 5"),
    (lambda s, m: kd.train(m, s, forward=(len,)), "forward must be a function or a pair"),
    (lambda s, m: kd.train(m, s, device="cud"), "device must be one that torch knows; got 'cud'. Write cpu"),
    (lambda s, m: kd.train(m, s, optimizer=other_model()), "optimizer must hold the student's trainable parameters"),
    (lambda s, m: kd.train(m, s, schedule=scheduler_of(other_model())), "schedule must belong to the optimizer that trains"),
    (lambda s, m: kd.distill(kd.build("cnn", num_classes=3), m, s), r"student_logits must have the shape of teacher_logits, \(128, 3\)"),
    (lambda s, m: kd.train(m, DataLoader([])), "data must yield at least one batch; got an empty loader"),
    (lambda s, m: kd.evaluate(m, s), r"data must be a Part.* got 'Splits'. Pass one part, such as splits.test"),
    (lambda s, m: kd.train(m, s.train, val=s), r"val must be a Part.* got 'Splits'"),
    (lambda s, m: kd.train(m, (s.train.images, np.array(["shirt"] * 400))), "labels must be a tensor of numbers .* got ndarray of <U5. Number the classes from 0"),
    (lambda s, m: kd.evaluate("model", s.test), "model must be a torch.nn.Module; got 'str'. Pass run.student"),
    (lambda s, m: kd.save_frozen("model", "x"), "model must be a torch.nn.Module"),
    (lambda s, m: kd.train(m, (s.train.images, s.train.labels.float() / 10), loss=L.CrossEntropy()), r"labels must be whole numbers beside outputs of shape \(128, 10\); got torch.float32 with fractions"),
    (lambda s, m: kd.data.few_labels(kd.data.unlabelled(s.train), 10), "part must have class labels to choose from; got no labels"),
    (lambda s, m: kd.split(kd.load("digits"), seed=-1), "seed must be a whole number of at least 0"),
    (lambda s, m: kd.data.join(kd.data.Part(s.train.images, torch.rand(400)), kd.data.unlabelled(s.train)), "parts must all have labels where one has float labels"),
    (lambda s, m: kd.distill(nn.Linear(2, 1), nn.Linear(2, 1), (torch.rand(9, 2), None), val=(torch.rand(9, 2), None), loss=L.LogitMSE()), "metric must be a function where outputs are no classes and val has no labels"),
    (lambda s, m: kd.synthesise(m, 10, jitter=-1), "jitter must be a whole number of at least 0"),
])  # fmt: skip
def test_what_cannot_work_is_refused_before_any_work(small, student, weights, call, text):
    before, modes = weights(student), [m.training for m in student.modules()]
    with pytest.raises((ValueError, TypeError), match=text):
        call(small, student)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(student), strict=True))
    assert [m.training for m in student.modules()] == modes


def test_a_run_that_never_finished_an_epoch_prints_but_cannot_be_drawn(small):
    with pytest.raises(kd.training.TrainingDiverged) as caught:
        kd.train(kd.build("linear"), small, loss=lambda z, t, y: z.mean() * float("nan"), progress=False)
    assert repr(caught.value.run).startswith("Run(0 epochs, stopped by diverged")
    with pytest.raises(ValueError, match="the run must have finished an epoch to be drawn"):
        caught.value.run.plot()


def test_models_changed_after_building_ask_for_into(tmp_path, teacher):
    teacher.head = nn.Sequential(nn.Flatten(), nn.Linear(256, 3))
    kd.save_frozen(teacher, tmp_path / "t")
    with pytest.raises(ValueError, match="into must be given"):
        kd.load_frozen(tmp_path / "t")

    class Configured(nn.Linear):
        config = object()

    kd.save_frozen(Configured(2, 2), tmp_path / "c")
    assert kd.load_frozen(tmp_path / "c", into=nn.Linear(2, 2), device="cpu").weight.shape == (2, 2)


def test_the_pipeline_refuses_what_it_could_not_save(tmp_path):
    (tmp_path / "x").write_text("a file where the folder should be")
    with pytest.raises(ValueError, match="path must be a folder in folders; got the file"):
        kd.pipeline.run(root=tmp_path, name="x")

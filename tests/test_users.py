"""What new users tried and what went wrong without a word: each with its right values, or refused in words."""

import functools
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

import kdcourse as kd

from .test_kinds import Stream, net

L = kd.losses
QUIET = {"progress": False}


@pytest.fixture
def data():
    x = torch.rand(120, 8, generator=torch.Generator().manual_seed(0))
    return x, x[:, :3].argmax(dim=1)


def l1(z, t, y, model):
    return F.cross_entropy(z, y) + sum(p.abs().sum() for p in model.parameters())


def test_a_loss_that_holds_the_student_sees_the_very_student(data):
    sizes = []
    for make in (lambda s: functools.partial(l1, model=s), lambda s: lambda z, t, y: l1(z, t, y, s)):
        student = net()
        kd.train(student, data, loss=make(student), epochs=20, lr=0.01, **QUIET)
        sizes.append(float(sum(p.abs().sum() for p in student.parameters())))
    assert sizes[0] == pytest.approx(sizes[1], rel=1e-4)
    assert sizes[0] < 20


def test_a_loss_that_holds_the_teacher_does_not_train_it(data):
    class Holds(nn.Module):
        def __init__(self, teacher):
            super().__init__()
            self.teacher = teacher

        def forward(self, z, t, y):
            return F.mse_loss(z, self.teacher(data[0][: len(z)]))

    teacher = net(seed=5)
    before = [p.detach().clone() for p in teacher.parameters()]
    kd.distill(teacher, net(), data, loss=Holds(teacher), epochs=2, **QUIET)
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True))


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_a_callers_optimizer_comes_back_with_its_rates(data, schedule):
    student = net()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.8)
    for _ in range(2):
        run = kd.train(student, data, optimizer=optimizer, schedule=schedule, epochs=3, **QUIET)
        assert run.history["lr"][0] > 0
        (group,) = optimizer.param_groups
        assert (group["lr"], group["momentum"]) == (0.1, 0.8)
        assert "initial_lr" not in group
    assert len(optimizer.state), "its state is kept"


def test_outputs_of_a_sigmoid_are_right_from_one_half(data):
    x, _ = data
    y = (x[:, :3] > 0.5).float()
    model = nn.Sequential(nn.Linear(8, 3), nn.Sigmoid())
    run = kd.train(model, (x, y), val=(x, y), loss=nn.BCELoss(), epochs=60, lr=0.05, **QUIET)
    with torch.no_grad():
        truth = float(((model(x) > 0.5) == y.bool()).float().mean())
    assert truth > 0.7
    assert kd.evaluate(model, (x, y), timed=False).accuracy == pytest.approx(truth)
    assert run.history["val_accuracy"][run.best_epoch] == pytest.approx(truth)


def test_a_softmax_before_a_loss_that_takes_its_own_is_refused_and_measured_rightly(data):
    soft = nn.Sequential(net(), nn.Softmax(dim=1))
    for call in (lambda: kd.distill(soft, net(), data, **QUIET), lambda: kd.train(soft, data, **QUIET)):
        with pytest.raises(
            ValueError, match="must answer with logits: the loss takes the softmax itself; got rows that sum to 1"
        ):
            call()
    plain, measured = (kd.evaluate(m, data, timed=False) for m in (soft[0], soft))
    assert measured.calibration_error == pytest.approx(plain.calibration_error, abs=1e-5)


def test_minus_100_is_no_target_of_one_logit_or_many_hot_labels(data):
    x, _ = data
    one = (x[:, 0] > 0.5).float()
    one[::3] = -100
    many = (x[:, :3] > 0.5).float()
    many[::7, 0] = -100
    many[0] = -100
    for model, y in ((net(8, 1), one), (net(), many)):
        known = y != -100
        with torch.no_grad():
            z = model(x).reshape(y.shape)
        expected = F.binary_cross_entropy_with_logits(z[known], y[known])
        run = kd.train(
            model, (x, y), loss=nn.BCEWithLogitsLoss(), epochs=1, lr=1e-9, weight_decay=0.0, batch_size=120, **QUIET
        )
        assert run.history["loss"][0] == pytest.approx(float(expected), rel=1e-4)
        report = kd.evaluate(model, (x, y), timed=False)
        right = ((z > 0) == (y > 0.5)) & known
        share = right.float().sum(-1) / known.float().sum(-1) if y.ndim > 1 else right.float()
        rows = known.any(dim=1) if y.ndim > 1 else known
        assert report.accuracy == pytest.approx(float(share[rows].mean()), rel=1e-5)
        assert report.n == int(rows.sum())
    uncertain = many.clone()
    uncertain[5, 1] = -1
    with pytest.raises(ValueError, match="labels must lie in .0, 1. for BCEWithLogitsLoss; got -1.0. Write -100"):
        kd.train(net(), (x, uncertain), loss=nn.BCEWithLogitsLoss(), epochs=1, **QUIET)


def test_later_batches_are_held_to_the_first_ones_kind(data):
    x, y = data
    many = F.one_hot(y, 3).float()
    many[60:] = (x[60:, :3] > 0.3).float()
    with pytest.raises(ValueError, match="labels must be of one kind in all batches: the first were probabilities"):
        kd.train(net(), DataLoader(TensorDataset(x, many), 30), epochs=1, **QUIET)
    assert kd.evaluate(net(), DataLoader(TensorDataset(x, many), 30), timed=False).kind == "multilabel"
    late = torch.zeros(120, 3)
    late[40:] = x[40:, :3] * 1.5
    assert kd.evaluate(net(), DataLoader(TensorDataset(x, late), 30), timed=False).kind == "regression"


def test_a_criterion_on_a_batch_without_a_label_contributes_nothing(data):
    x, y = data
    few = y.clone()
    few[:64] = -100
    loss = L.SoftTargets(alpha=1.0) + nn.CrossEntropyLoss()
    run = kd.distill(net(), net(seed=1), DataLoader(TensorDataset(x, few), 32), loss=loss, epochs=1, **QUIET)
    assert np.isfinite(run.history["loss"][0])


def test_a_third_tensor_without_use_is_refused(data):
    x, y = data
    for call in (lambda d: kd.train(net(), d, **QUIET), lambda d: kd.distill(net(), net(seed=1), d, **QUIET)):
        with pytest.raises(
            ValueError, match=r"data must be \(inputs, labels\) where no recorded logits are used; got three tensors"
        ):
            call((x, y, torch.rand(120)))


def test_labels_in_a_list_are_a_pairs(data):
    x, y = data
    assert kd.evaluate(net(), (x, y.tolist()), timed=False).accuracy == kd.evaluate(net(), (x, y), timed=False).accuracy
    assert len(kd.split((x, y.tolist()), val=30).val) == 30


@pytest.mark.parametrize(("options", "text"), [
    ({"optimizer": torch.optim.LBFGS}, "optimizer must step without a closure; got 'LBFGS'"),
    ({"optimizer": lambda groups: None}, "optimizer must return a torch optimizer; got 'NoneType'"),
    ({"schedule": lambda o, n: 3}, "schedule must return a torch scheduler; got 'int'"),
])  # fmt: skip
def test_what_makes_no_optimizer_or_scheduler_is_refused(data, options, text):
    with pytest.raises(ValueError, match=text):
        kd.train(net(), data, epochs=1, **options, **QUIET)


def test_a_plateau_scheduler_from_a_function_is_stepped_by_the_metric(data):
    plateau = lambda o, n: torch.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=10.0)  # noqa: E731
    run = kd.train(net(), data, val=data, schedule=plateau, lr=1e-3, epochs=4, **QUIET)
    assert run.history["lr"] == pytest.approx([1e-3, 1e-4, 1e-5, 1e-6])


def test_a_loss_that_takes_gradients_itself_trains(data):
    def penalty(s, t, y):
        ce = F.cross_entropy(s, y)
        (g,) = torch.autograd.grad(ce, s, create_graph=True)
        return ce + g.square().sum()

    for run in (
        kd.train(net(), data, loss=penalty, epochs=2, **QUIET),
        kd.distill(net(), net(seed=1), data, loss=penalty, epochs=2, **QUIET),
    ):
        assert run.history["loss"][1] < run.history["loss"][0]


def test_a_loss_without_gradient_is_refused_before_the_teacher_answers(data):
    asked = []
    teacher = net()
    teacher.register_forward_hook(lambda *a: asked.append(1))
    with pytest.raises(ValueError, match="loss must depend on a parameter that trains, by steps that have a gradient"):
        kd.distill(
            teacher, net(seed=1), data, loss=lambda s, t, y: (s.argmax(1) != y).float().mean(), batch_size=16, **QUIET
        )
    assert len(asked) == 1, "one rehearsal"


def test_one_model_is_not_counted_as_several(data):
    shared = net()
    with pytest.raises(
        ValueError, match="the method distilled must train a new student for each seed; got the same module again"
    ):
        kd.over_seeds(
            {"distilled": lambda seed: kd.train(shared, data, epochs=1, seed=seed, **QUIET)}, 3, progress=False
        )
    with pytest.raises(ValueError, match="ours must hold one model a seed; got the same module more than once"):
        kd.evaluation.compare([shared] * 5, [net(seed=s) for s in range(5)], data)
    runs = kd.over_seeds(
        {"a": lambda seed: kd.train(net(seed=seed), data, epochs=1, **QUIET)}, np.arange(2), progress=False
    )
    assert runs.seeds == [0, 1]


def test_nan_is_named_where_it_comes_from(data):
    _x, _y = data
    broken = net()
    with torch.no_grad():
        broken[0].weight[0] = float("nan")
    for call in (lambda: kd.evaluate(broken, data), lambda: kd.evaluation.accuracy(broken, data)):
        with pytest.raises(ValueError, match="the model must answer with numbers; got NaN for 120 of 120 examples"):
            call()
    with pytest.raises(ValueError, match="the teacher must answer with numbers; got 'NaN'"):
        kd.distill(broken, net(), data, **QUIET)
    images = torch.rand(20, 1, 28, 28)
    images[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="images for the student must be numbers; got NaN among them"):
        kd.train(kd.build("cnn", width=4), (images, torch.arange(20) % 10), **QUIET)


def test_masked_teachers_have_a_finite_kl(data):
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net(seed=3)

        def forward(self, x):
            z = self.inner(x)
            return torch.cat([z[:, :2], torch.full_like(z[:, 2:], -torch.inf)], dim=1)

    report = kd.evaluate(net(), data, teacher=Masked(), timed=False)
    assert np.isfinite(report.kl)


def test_tensors_without_a_row_an_example_stay_whole():
    x, y = torch.rand(33, 8), torch.arange(33) % 3

    class Graph(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 3)

        def forward(self, batch):
            return self.layer(batch["x"]) * (batch["adjacent"] @ torch.ones(5)).mean()

    class Rows(Dataset):
        def __len__(self):
            return 33

        def __getitem__(self, i):
            return x[i], y[i]

    def collate(rows):
        return {"x": torch.stack([r[0] for r in rows]), "adjacent": torch.eye(5)}, torch.stack([r[1] for r in rows])

    loader = DataLoader(Rows(), 8, collate_fn=collate)
    assert kd.evaluate(Graph(), loader).n == 33
    assert len(kd.train(Graph(), loader, epochs=1, **QUIET).history["loss"]) == 1


def test_masks_and_tokens_are_split_and_joined():
    masks = kd.split((torch.rand(60, 1, 6, 6), torch.randint(0, 3, (60, 6, 6))), val=10)
    assert len(masks.val) == 10
    joined = kd.data.join(masks.val, kd.data.unlabelled(masks.train))
    assert joined.labels.shape == (10 + len(masks.train), 6, 6)
    assert int((joined.labels[10:] == -100).all())
    with pytest.raises(ValueError, match="part must have class labels to choose from"):
        kd.data.few_labels(masks.train, 10)
    for parts, text in (
        ((), "parts must be one at least"),
        ((masks.val, kd.data.Part(torch.rand(3, 8))), "parts must have inputs of one shape"),
        (
            (kd.data.Part(torch.rand(3, 8), torch.rand(3)), kd.data.Part(torch.rand(3, 8), torch.arange(3))),
            "parts must have labels of one kind",
        ),
    ):
        with pytest.raises(ValueError, match=text):
            kd.data.join(*parts)
    assert len(kd.data.tile((torch.rand(3, 8), torch.arange(3)), 7)) == 7


def test_one_logit_a_position_is_judged_by_its_sign():
    torch.manual_seed(0)
    x, model = torch.rand(20, 1, 6, 6), nn.Conv2d(1, 1, 1)
    for labels in (
        torch.randint(0, 2, (20, 6, 6)),
        torch.randint(0, 2, (20, 1, 6, 6)),
        torch.randint(0, 2, (20, 1, 6, 6)).float(),
    ):
        run = kd.train(model, (x, labels), val=(x, labels), loss=nn.BCEWithLogitsLoss(), epochs=1, **QUIET)
        with torch.no_grad():
            expected = ((model(x) > 0).flatten(1) == (labels > 0.5).flatten(1)).float().mean()
        assert run.history["val_accuracy"][-1] == pytest.approx(float(expected))
        assert kd.evaluate(model, (x, labels), timed=False).kind == "multilabel"


def test_batches_without_labels_beside_others_with_some(data):
    x, y = data
    for batches in ([(x[:60], None), (x[60:], y[60:])], [(x[:60], y[:60]), (x[60:], None)]):
        assert kd.evaluate(net(), batches, timed=False).n == 60
        run = kd.distill(net(), net(seed=1), data, val=batches, epochs=1, **QUIET)
        assert run.config["metric"] == "accuracy"


def test_labels_of_several_heads_want_ones_own_metric(data):
    x, y = data
    heads = (x, {"a": y})
    report = kd.evaluate(
        net(), heads, metric=lambda o, labels: float((o.argmax(1) == labels["a"]).float().mean()), timed=False
    )
    assert report.metrics["metric"] == pytest.approx(kd.evaluation.accuracy(net(), data))
    with pytest.raises(ValueError, match="metric must be given where there are several heads"):
        kd.evaluation.compare([net()], [net(seed=1)], heads)


def test_numpy_views_are_arrays(data):
    x, y = data[0].numpy(), data[1].numpy()
    expected = kd.predict(net(), torch.from_numpy(x[::-1].copy()))
    assert torch.equal(kd.predict(net(), x[::-1]), expected)
    assert torch.equal(kd.predict(net(), x[::-1].astype(">f4")), expected)
    assert kd.evaluate(net(), (x[::-1], y[::-1]), timed=False).n == 120


def test_a_list_of_examples_is_no_loader(data):
    x, y = data
    with pytest.raises(ValueError, match="data must give batches; got single examples. Wrap it: DataLoader"):
        kd.train(net(), [(x[i], y[i]) for i in range(5)], **QUIET)


def test_another_teachers_classes_are_refused_before_the_pass(data):
    with pytest.raises(ValueError, match="teacher must answer with the model's shape"):
        kd.evaluate(net(), data, teacher=net(8, 5))
    with pytest.raises(
        ValueError, match="metric must be a function where student and teacher answer over different classes"
    ):
        kd.distill(net(8, 5), net(), (data[0], None), val=(data[0], None), loss=L.Hint({"0": "0"}), **QUIET)


def test_scripted_models_teach_and_are_measured(data):
    scripted = torch.jit.script(net())
    assert kd.evaluate(scripted, data, timed=False).n == 120
    kd.distill(scripted, net(seed=1), data, epochs=1, **QUIET)


def test_what_a_callback_unfreezes_is_not_silently_left(data):
    student = net()
    student[0].requires_grad_(False)
    with pytest.raises(
        ValueError,
        match="the student must train the parameters that it had at the start; got 0.weight was unfrozen later",
    ):
        kd.train(student, data, callbacks=[lambda run: run.student.requires_grad_(True)], epochs=3, **QUIET)


def test_a_student_ends_with_all_that_the_best_epoch_had(data):
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net()
            self.register_buffer("steps", torch.zeros(1), persistent=False)

        def forward(self, x):
            if self.training:
                self.steps.add_(1)
            return self.inner(x)

        def state_dict(self, *args, **options):
            return {name: value for name, value in super().state_dict(*args, **options).items() if "inner.2" in name}

    falling = iter([0.9, 0.1, 0.2])
    student = Counts()
    run = kd.train(student, data, val=data, metric=lambda o, y: next(falling), epochs=3, batch_size=60, **QUIET)
    assert run.best_epoch == 0
    assert float(student.steps) == 2, "two steps in the first epoch; the rehearsal does not count"


@pytest.mark.parametrize("val", [lambda x, y: (x[:, :3] > 0.5).float(), lambda x, y: x[:, :3]])
def test_validation_labels_of_another_kind_are_refused(data, val):
    x, y = data
    with pytest.raises(ValueError, match="val must have labels of the training labels' kind, classes"):
        kd.train(net(), data, val=(x, val(x, y)), **QUIET)


def test_a_function_of_ones_own_may_read_labels_of_any_shape_and_val_keeps_its_own_kind(data):
    x, y = data
    packed = torch.cat([torch.randn(len(x), 5), y[:, None].float()], dim=1)

    def unpacks(outputs, inputs, told):
        return F.cross_entropy(outputs, told[:, 5].long())

    run = kd.train(net(), (x, packed), val=data, loss=unpacks, epochs=1, batch_size=60, **QUIET)
    assert run.history["val_accuracy"][0] == kd.evaluation.accuracy(run.student, data)
    by_loss = kd.train(net(), (x, packed), val=(x, packed), loss=unpacks, epochs=1, batch_size=60, **QUIET)
    assert by_loss.history["val_loss"][0] > 0
    with pytest.raises(ValueError, match="labels must fit the outputs"):
        kd.train(net(), data, val=(x, packed), loss=lambda outputs, x, y: F.cross_entropy(outputs, y), **QUIET)


@pytest.mark.parametrize(("labels", "text"), [
    (lambda x: (x[:, :3] > 0.5).float(), "loss must be given where labels are no classes and no probabilities; got 'multilabel'"),
    (lambda x: x[:, :3] * 5, "loss must be given where labels are no classes and no probabilities; got 'regression'"),
    (lambda x: x[:, :3].argmax(dim=1) + 1, r"labels must lie in \[0, 3\) or be -100; got 3"),
])  # fmt: skip
def test_importance_reads_labels_by_the_same_rule(data, labels, text):
    with pytest.raises(ValueError, match=text):
        kd.taylor.importance(net(), (data[0], labels(data[0])))


def test_importance_takes_what_means_the_same_labels(data):
    x, y = data
    wanted = kd.taylor.importance(net(), data)["0"]
    for same in (y[:, None], y.float(), y.to(torch.uint8), y.numpy(), F.one_hot(y, 3).float()):
        torch.testing.assert_close(kd.taylor.importance(net(), (x, same))["0"], wanted)


def test_a_metric_that_is_no_number_and_batches_in_a_list_are_refused(data):
    with pytest.raises(TypeError, match="metric must return a number; got 'tuple'"):
        kd.train(net(), data, val=data, metric=lambda outputs, labels: (1, 2), epochs=1, **QUIET)
    with pytest.raises(ValueError, match="data must be one tensor, or a pair .* got .?a list of 2 tensors of inputs"):
        kd.predict(net(), [data[0], data[0]])


class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = net()

    def forward(self, x):
        return self.inner(x.mul_(0.5))


@pytest.mark.parametrize(("teacher", "student", "role"), [(Halves, net, "teacher"), (net, Halves, "student")])
def test_a_model_that_changes_its_inputs_is_refused_before_the_other_sees_them(data, teacher, student, role):
    kept = data[0].clone()
    with pytest.raises(ValueError, match=f"the {role} must leave its inputs as they are; got inputs changed in place"):
        kd.distill(teacher(), student(), data, **QUIET)
    assert torch.equal(data[0], kept)


def test_an_optimizer_holds_what_trains(data):
    student, stale = net(), r"optimizer must hold the student's parameters, not those of a layer that was replaced; got"
    made = torch.optim.SGD(student.parameters(), 0.1)
    student[2] = nn.Linear(student[2].in_features, 3)
    with pytest.raises(ValueError, match=stale):
        kd.train(student, data, optimizer=made, **QUIET)
    with pytest.raises(ValueError, match="optimizer must hold the student's trainable parameters"):
        kd.train(student, data, optimizer=lambda groups: torch.optim.SGD(net().parameters(), 0.1), **QUIET)
    hint = L.Hint({"1": "0"}) + L.SoftTargets()
    own = {"optimizer": lambda groups: torch.optim.SGD(student.parameters(), 0.1)}
    with pytest.raises(ValueError, match="optimizer must hold what it is given: the loss has projections to train"):
        kd.distill(net(hidden=24), student, data, loss=hint, **own, **QUIET)
    part, scale = net(), nn.Parameter(torch.ones(()))
    both = torch.optim.SGD([*part.parameters(), scale], 0.1)
    kd.train(part, data, loss=lambda z, x, y: F.cross_entropy(z * scale, y), optimizer=both, epochs=1, **QUIET)
    assert float(scale) != 1


def test_a_teachers_logits_may_be_the_targets_and_classes_the_judge(data):
    x = data[0]
    logits = torch.randn(len(x), net()(x[:2]).shape[1])
    run = kd.train(net(), (x, logits), val=data, loss=kd.losses.MSE(), epochs=1, batch_size=60, **QUIET)
    assert run.history["val_accuracy"][0] == kd.evaluation.accuracy(run.student, data)


def test_a_function_of_student_and_teacher_gets_the_teacher(data):
    x, y = data

    def to_teacher(student_logits, teacher_logits):
        return F.mse_loss(student_logits, teacher_logits)

    for loss in (to_teacher, L.SoftTargets(alpha=1.0) + to_teacher):
        run = kd.distill(
            net(seed=2), net(), (x, F.one_hot(y, 3).float()), loss=loss, epochs=1, lr=1e-9, batch_size=120, **QUIET
        )
        with torch.no_grad():
            expected = float(F.mse_loss(net()(x), net(seed=2)(x)))
        assert run.history["to_teacher"][0] == pytest.approx(expected, rel=1e-4)


def test_a_loader_longer_than_it_says_keeps_its_schedule(data):
    class Longer(Stream):
        def __len__(self):
            return 60

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says itself that the length is wrong
        run = kd.train(net(), DataLoader(Longer(*data), 30), schedule="one-cycle", epochs=2, **QUIET)
    assert len(run.history["loss"]) == 2


def test_half_precision_outputs_reach_a_metric_as_float32(data):
    seen = []
    kd.train(
        net(), data, val=data, metric=lambda o, y: seen.append(o.dtype) or 0.5, precision="bfloat16", epochs=1, **QUIET
    )
    assert seen == [torch.float32]


@pytest.mark.parametrize("labels", [lambda x: (x[:, :3] > 0.5).float(), lambda x: x[:, :3] * 2 - 1])
def test_a_softmax_on_many_hot_labels_or_targets_is_refused(data, labels):
    y = labels(data[0])
    calls = [lambda: kd.distill(net(), net(seed=1), (data[0], y), **QUIET)]
    calls += [
        lambda loss=loss: kd.train(net(), (data[0], y), loss=loss, **QUIET)
        for loss in (L.CrossEntropy(), nn.CrossEntropyLoss())
    ]
    for call in calls:
        with pytest.raises(ValueError, match="labels must be class numbers or probabilities for the loss"):
            call()


def test_one_logit_wants_one_label_an_example(data):
    x, y = data
    for labels in (F.one_hot((y > 0).long(), 2), x[:, :3]):
        for call in (
            lambda v=labels: kd.train(net(8, 1), (x, v), loss=nn.BCEWithLogitsLoss(), **QUIET),
            lambda v=labels: kd.evaluate(net(8, 1), (x, v)),
        ):
            with pytest.raises(ValueError, match="labels must be one number an example where the model has one output"):
                call()


def test_an_optimizer_with_a_frozen_part_of_the_loss_keeps_its_groups(data):
    class Perceptual(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = nn.Linear(3, 4).requires_grad_(False)

        def forward(self, z, t, y):
            return (self.seen(z) - self.seen(t)).square().mean()

    for loss in (Perceptual(), L.Hint({"1": "1"})):
        student = net()
        optimizer = torch.optim.AdamW(student.parameters(), lr=1e-3)
        kd.distill(net(seed=1), student, data, loss=loss, optimizer=optimizer, epochs=1, **QUIET)
        assert len(optimizer.param_groups) == 1
        optimizer.state_dict()


def test_tensors_with_a_graph_leave_their_makers_alone(data):
    x, y = data
    backbone = nn.Linear(8, 8)
    for d in ((backbone(x), y), DataLoader(TensorDataset(backbone(x).detach().requires_grad_(), y), 30)):
        kd.train(net(), d, epochs=2, batch_size=30, **QUIET)
    assert all(p.grad is None for p in backbone.parameters())


def test_a_model_that_changes_its_inputs_is_refused(data):
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net()

        def forward(self, x):
            return self.inner(x.mul_(0.5))

    with pytest.raises(ValueError, match="the model must leave its inputs as they are; got inputs changed in place"):
        kd.evaluate(net(), [(data[0].clone(), data[1])], teacher=Halves())


def test_rows_of_unequal_number_are_refused(data):
    x, _ = data
    with pytest.raises(ValueError, match="labels must have one row for each of the model's 120 answers; got 1"):
        kd.evaluate(net(8, 1), [(x, x[:1, 0])])


def test_a_sigmoid_of_one_output_trains_with_bce(data):
    x, _ = data
    model = nn.Sequential(nn.Linear(8, 1), nn.Sigmoid())
    run = kd.train(model, (x, (x[:, 0] > 0.5).long()), loss=nn.BCELoss(), epochs=2, lr=0.05, **QUIET)
    assert run.history["loss"][1] < run.history["loss"][0]


def test_recorded_logits_and_augmentation_do_not_go_together(data):
    images, labels = torch.rand(20, 1, 28, 28), torch.arange(20) % 10
    with pytest.raises(ValueError, match="augment must be left out where logits were recorded"):
        kd.distill(None, kd.build("cnn", width=4), (images, labels, torch.rand(20, 10)), augment="flip-shift", **QUIET)


def test_terms_are_numbers_by_name(data):
    class Odd(L.Loss):
        def __init__(self, value):
            super().__init__("odd")
            self.value = value

        def terms(self, step):
            return self.value(step.student.logits)

    for value, text in (
        (lambda z: z.mean(), "the loss odd must give its terms by name"),
        (lambda z: {"a": z[:, 0]}, "the term a must be a scalar"),
    ):
        with pytest.raises(TypeError, match=text):
            kd.train(net(), data, loss=Odd(value), **QUIET)

"""The loop: equal to a plain one to the bit, fair to the teacher, honest about validation, safe when it goes wrong."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchvision import models as tv

import kdcourse as kd
from kdcourse.training import TrainingDiverged

from .conftest import same

QUIET = {"progress": False}


def test_distill_leaves_the_weights_of_a_plain_loop(small, teacher, student, weights):
    x, y = small.train.images, small.train.labels
    plain = copy.deepcopy(student)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3 * 4)
    with torch.no_grad():
        soft = torch.cat([teacher.eval()(part) for part in x.split(128)])
    for epoch in range(3):
        plain.train()
        torch.manual_seed(kd.data.epoch_seed(5, epoch))
        for at in torch.randperm(len(x)).split(128):
            z = plain(x[at])
            kl = F.kl_div(
                F.log_softmax(z / 4, 1), F.log_softmax(soft[at] / 4, 1), reduction="batchmean", log_target=True
            )
            loss = 0.9 * 16 * kl + 0.1 * F.cross_entropy(z, y[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    run = kd.distill(teacher, student, small.train, epochs=3, seed=5, **QUIET)
    for ours, theirs in zip(weights(run.student), weights(plain), strict=True):
        assert torch.allclose(ours.float(), theirs.float(), atol=1e-5)


def test_a_seed_decides_everything_and_random_states_are_given_back(small, teacher, student, weights):
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    again = copy.deepcopy(student)
    one = kd.distill(teacher, student, small, epochs=2, seed=3, augment="flip-shift", **QUIET)
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
    torch.rand(7), random.random(), np.random.rand()
    two = kd.distill(teacher, again, small, epochs=2, seed=3, augment="flip-shift", **QUIET)
    assert same(weights(one.student), weights(two.student))
    other = kd.distill(
        teacher, kd.build("cnn", width=4, seed=1), small, epochs=2, seed=4, augment="flip-shift", **QUIET
    )
    assert not same(weights(one.student), weights(other.student))


def test_random_states_are_given_back_after_an_error(small, teacher, student):
    torch.manual_seed(1)
    before = torch.get_rng_state()

    def fails(run):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        kd.distill(teacher, student, small, callbacks=[fails], **QUIET)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("fail", [False, True])
def test_the_teacher_is_left_exactly_as_found(small, teacher, student, weights, fail):
    teacher.train()
    teacher.block2.eval()
    teacher.head.requires_grad_(False)
    handle = teacher.block1.register_forward_hook(lambda *a: None)
    for p in teacher.parameters():
        p.grad = torch.ones_like(p)
    state = weights(teacher), [m.training for m in teacher.modules()], [p.requires_grad for p in teacher.parameters()]
    loss = kd.losses.Hint({"block2": "block2"}) + kd.losses.SoftTargets()

    def callback(run):
        if fail:
            raise ZeroDivisionError

    if fail:
        with pytest.raises(ZeroDivisionError):
            kd.distill(teacher, student, small, loss=loss, epochs=1, callbacks=[callback], **QUIET)
    else:
        kd.distill(teacher, student, small, loss=loss, epochs=1, augment="flip-shift", **QUIET)
    assert same(state[0], weights(teacher))
    assert [m.training for m in teacher.modules()] == state[1]
    assert [p.requires_grad for p in teacher.parameters()] == state[2]
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in teacher.parameters())
    assert list(teacher.block1._forward_hooks) == [handle.id]
    assert not teacher.block2._forward_hooks
    assert not student.block2._forward_hooks


def test_the_teacher_works_in_eval_mode_and_the_student_in_train_mode(small, teacher, student):
    seen = []
    teacher.train()
    watch = [
        teacher.register_forward_hook(lambda m, *a: seen.append(("teacher", m.training, torch.is_grad_enabled()))),
        student.block1.register_forward_hook(
            lambda m, *a: seen.append(("student", m.training, torch.is_grad_enabled()))
        ),
    ]
    kd.distill(teacher, student, small, epochs=3, augment="flip-shift", **QUIET)
    for handle in watch:
        handle.remove()
    assert {s for s in seen if s[0] == "teacher"} == {("teacher", False, False)}
    trained = [s for s in seen if s[0] == "student" and s[2]]
    assert len(trained) == 1 + 3 * 4, "one rehearsal, then every step of every epoch"
    assert all(s[1] for s in trained)


def test_the_best_validation_weights_are_kept(small, student):
    seen = []

    def metric(outputs, labels):
        return [0.1, 0.9, 0.3][len(seen)]

    def note(run):
        seen.append([p.detach().clone() for p in run.student.state_dict().values()])

    run = kd.train(student, small, epochs=3, metric=metric, callbacks=[note], **QUIET)
    assert run.best_epoch == 1
    assert run.history["val_metric"] == [0.1, 0.9, 0.3]
    assert same(seen[1], list(run.student.state_dict().values()))
    assert not run.student.training


def test_without_validation_the_last_weights_stay(small, student):
    seen = []
    run = kd.train(
        student, small.train, epochs=2, callbacks=[lambda r: seen.append(r.student.head[1].weight.clone())], **QUIET
    )
    assert run.best_epoch is None
    assert torch.equal(seen[-1], run.student.head[1].weight)
    assert not any(k.startswith("val_") for k in run.history)


def test_the_test_part_is_never_touched(small, student):
    class Alarm(kd.data.Part):
        def __getattribute__(self, name):
            if name in ("images", "labels"):
                raise AssertionError("the test part was read")
            return super().__getattribute__(name)

    guarded = object.__new__(Alarm)
    run = kd.train(student, kd.data.Splits(small.train, small.val, guarded), epochs=1, **QUIET)
    assert run.history["val_accuracy"][0] == pytest.approx(kd.evaluation.accuracy(run.student, small.val))


def test_the_plateau_rule_waits_for_its_minimum(small):
    def flat(outputs, labels):
        return 0.5

    def epochs(**options):
        run = kd.train(kd.build("linear"), small, metric=flat, epochs=12, **options, **QUIET)
        return len(run.history["loss"]), run.stopped_by

    assert epochs(patience=2) == (3, "plateau")
    assert epochs(patience=2, min_epochs=7) == (7, "plateau")
    assert epochs() == (12, "epochs")


def test_the_cache_gives_what_the_teacher_gives(small, teacher, weights):
    loss = kd.losses.SoftTargets() + 10 * kd.losses.Hint({"block2": "block2"})
    runs = [
        kd.distill(teacher, kd.build("cnn", width=4, seed=1), small, loss=loss, epochs=2, cache_mb=mb, **QUIET)
        for mb in (512, 0.001)
    ]
    assert runs[0].config["teacher_cache"].startswith("on: logits, block2")
    assert runs[1].config["teacher_cache"].startswith("off: ")
    for one, other in zip(weights(runs[0].student), weights(runs[1].student), strict=True):
        assert torch.allclose(one.float(), other.float(), atol=1e-4)


def test_the_cache_is_never_used_under_augmentation_or_for_loaders(small, teacher, student):
    calls = []
    handle = teacher.register_forward_hook(lambda *a: calls.append(1))
    run = kd.distill(teacher, student, small, epochs=3, **QUIET)
    assert run.config["teacher_cache"].startswith("on")
    assert len(calls) == 1 + 4, "one rehearsal, then once over the 400 images, whatever the epochs"
    calls.clear()
    run = kd.distill(teacher, student, small, epochs=3, augment="flip-shift", **QUIET)
    assert run.config["teacher_cache"] == "off: augmented images differ every epoch"
    assert len(calls) == 1 + 12
    run = kd.distill(teacher, student, DataLoader(small.train, 100), epochs=1, **QUIET)
    assert "no fixed index" in run.config["teacher_cache"]
    handle.remove()


def test_the_cache_keeps_only_what_the_loss_asks_for(small, teacher, student):
    hint = kd.losses.Hint({"block2": "block2"})
    for loss, kept in ((hint, "on: block2, "), (hint + kd.losses.CrossEntropy(), "on: block2, "),
                       (hint + kd.losses.SoftTargets(), "on: logits, block2, ")):  # fmt: skip
        run = kd.distill(teacher, student, small, loss=loss, epochs=1, **QUIET)
        assert run.config["teacher_cache"].startswith(kept)
        assert run.history["hint"][0] > 0


def test_augmentation_shows_teacher_and_student_the_same_images(small, teacher, student):
    seen = {"teacher": [], "student": []}
    handles = [
        m.normalise.register_forward_hook(lambda _, args, out, who=who: seen[who].append(args[0].clone()))
        for who, m in (("teacher", teacher), ("student", student))
    ]
    kd.distill(teacher, student, small.train, epochs=1, augment="flip-shift", **QUIET)
    for handle in handles:
        handle.remove()
    assert len(seen["teacher"]) == 1 + 4, "one rehearsal, then every step"
    assert all(torch.equal(a, b) for a, b in zip(seen["teacher"][-4:], seen["student"][-4:], strict=True))
    assert not torch.equal(seen["student"][0], small.train.images[:128])


@pytest.mark.parametrize("lr", [1e4, 1e30])
def test_a_diverging_run_keeps_the_last_good_weights(small, lr):
    model = kd.build("mlp", width=8)
    start = copy.deepcopy(model.state_dict())
    with pytest.raises(
        TrainingDiverged, match=r"in epoch 1 \(cross_entropy .*\)\. The student holds the initial weights\. Lower lr"
    ):
        kd.train(model, small, optimizer="sgd", lr=lr, schedule="constant", epochs=3, **QUIET)
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in start.items())


@pytest.mark.parametrize(
    ("factor", "shown"), [(float("nan"), "nan"), (float("inf"), "inf"), (1e9, r"\d\.?\d*e\+0[89]")]
)
def test_a_loss_that_blows_up_later_keeps_the_best_epoch(small, student, factor, shown):
    steps = []

    def poisoned(z, t, y):
        steps.append(1)
        return F.cross_entropy(z, y) * (factor if len(steps) > 6 else 1.0)

    with pytest.raises(
        TrainingDiverged, match=f"the loss is {shown} in epoch 2 .*best or last finished epoch"
    ) as caught:
        kd.train(student, small, loss=poisoned, epochs=3, **QUIET)
    assert len(caught.value.run.history["loss"]) == 1
    assert caught.value.run.stopped_by == "diverged"
    assert kd.evaluation.accuracy(student, small.val) == pytest.approx(caught.value.run.history["val_accuracy"][0])


def test_gradients_are_clipped(small):
    def largest_move(clip):
        model = kd.build("linear")
        before = model.head[1].weight.detach().clone()
        kd.train(model, small.train, optimizer="sgd", lr=1.0, weight_decay=0.0, schedule="constant", epochs=1,
                 batch_size=400, clip=clip, **QUIET)  # fmt: skip
        return float((model.head[1].weight.detach() - before).norm())

    assert largest_move(None) > 1
    assert largest_move(0.01) < 0.02


def test_frozen_parts_stay_frozen_and_in_eval_mode(small, teacher, weights):
    model = kd.build("cnn", width=4)
    model.block1.requires_grad_(False)
    before = weights(model.block1)
    kd.distill(teacher, model, small, epochs=2, **QUIET)
    assert same(before, weights(model.block1)), "batch norm statistics included"


def test_unlabelled_and_mixed_data(small, teacher, student):
    few = kd.data.few_labels(small.train, 50, seed=0)
    run = kd.distill(teacher, student, few, val=small.val, epochs=1, **QUIET)
    assert run.config["metric"] == "accuracy"
    run = kd.distill(teacher, student, (small.train.images, None), val=(small.val.images, None), epochs=1,
                     loss=kd.losses.SoftTargets(alpha=1.0), **QUIET)  # fmt: skip
    assert 0 <= run.history["val_agreement"][0] <= 1
    for loss in (None, kd.losses.SoftTargets(alpha=1.0) + kd.losses.CrossEntropy()):
        with pytest.raises(ValueError, match="data must have labels for the loss .*no label at all.*alpha=1.0"):
            kd.distill(teacher, student, (small.train.images, None), loss=loss, **QUIET)
    with pytest.raises(ValueError, match="no label at all"):
        kd.train(student, (small.train.images, torch.full((400,), -100)), **QUIET)


def test_regression_uses_mse_and_its_own_metric():
    x = torch.randn(200, 3)
    y = x @ torch.tensor([1.0, -2.0, 0.5])
    model = nn.Linear(3, 1)
    run = kd.train(model, (x, y), val=(x, y), epochs=60, lr=0.05, batch_size=50, **QUIET)
    assert run.history["val_neg_mse"][-1] > -1e-3
    assert "mse" in run.history


def test_loaders_datasets_and_own_forms(small, teacher, student):
    loader = DataLoader(TensorDataset(small.train.images, small.train.labels), 100, shuffle=True)
    run = kd.distill(teacher, student, loader, val=DataLoader(small.val, 100), epochs=1, **QUIET)
    assert 0 <= run.history["val_accuracy"][0] <= 1
    named = [{"x": x, "y": y} for x, y in loader]
    run = kd.distill(teacher, student, named, epochs=1, unpack=lambda b: (b["x"], b["y"]), **QUIET)
    assert len(run.history["loss"]) == 1

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = kd.build("cnn", width=4)

        def forward(self, x):
            return {"logits": self.net(x)}

    wrapped = Wrapped()
    forward = (lambda m, x: m(x), lambda m, x: m(x)["logits"])
    assert kd.distill(teacher, wrapped, small, epochs=1, forward=forward, **QUIET).student is wrapped


def test_several_heads_pass_through(small, teacher):
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = kd.build("cnn", width=4)

        def forward(self, x):
            return {"class": self.net(x), "size": x.mean(dim=(1, 2, 3))}

    def per_head(student, teacher, labels):
        return F.cross_entropy(student["class"], labels["class"]) + F.mse_loss(student["class"], teacher["class"])

    labels = {"class": small.train.labels, "size": torch.rand(400)}
    run = kd.distill(Heads(), Heads(), (small.train.images, labels), loss=per_head, epochs=2, **QUIET)
    assert run.history["per_head"][1] < run.history["per_head"][0]


def test_hints_on_torchvision_models_leave_no_hooks(small):
    big, little = tv.resnet18(weights=None, num_classes=10), tv.googlenet(weights=None, num_classes=10, aux_logits=False, init_weights=False)  # fmt: skip
    x = torch.rand(8, 3, 64, 64)
    loss = kd.losses.SoftTargets(alpha=1.0) + kd.losses.Hint({"inception3b": "layer2"})
    run = kd.distill(big, little, (x, None), loss=loss, epochs=1, batch_size=8, **QUIET)
    assert run.history["hint"][0] > 0
    assert run.loss.losses[1].projections[0].weight.shape == (128, 480, 1, 1)
    assert not any(m._forward_hooks or m._forward_pre_hooks for net in (big, little) for m in net.modules())


def test_projections_train_without_weight_decay_and_are_no_part_of_the_student(small, teacher, student):
    names = set(student.state_dict())
    loss = kd.losses.Hint({"block2": "block2"}) + kd.losses.SoftTargets()
    seen = []
    run = kd.distill(teacher, student, small, loss=loss, epochs=1, optimizer=lambda groups: seen.append(groups) or torch.optim.SGD(groups, lr=0.01, weight_decay=0.1), **QUIET)  # fmt: skip
    assert seen[0][1]["weight_decay"] == 0.0
    assert set(student.state_dict()) == names
    assert len(loss.losses[0].projections) == 0, "the caller's loss object serves many seeds"
    assert len(run.loss.losses[0].projections) == 1


def test_optimizer_and_schedule_by_name_and_object(small):
    def run(**options):
        model = kd.build("linear")
        made = {k: v(model) if k == "optimizer" and callable(v) else v for k, v in options.items()}
        return kd.train(model, small, epochs=3, **made, **QUIET).history["lr"]

    assert run(schedule="constant") == [2e-3] * 3
    assert run(optimizer="sgd", lr=0.1)[0] == 0.1
    assert run(schedule="one-cycle")[1] > run(schedule="one-cycle")[0]
    assert run(optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=0.3), schedule="constant") == [0.3] * 3
    assert run(schedule=lambda o, steps: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, steps))[1] < 2e-3
    model = kd.build("linear")
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    by_epoch = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.1)
    lrs = kd.train(model, small, epochs=3, optimizer=optimizer, schedule=by_epoch, clip=0.01, **QUIET).history["lr"]
    assert lrs == pytest.approx([1.0, 0.1, 0.01])


def test_one_state_object_is_enough_to_go_on(small, teacher, weights):
    """Four epochs in one go equal two, a deep copy of the state, and two more."""
    from kdcourse import training

    def loop(state=None):
        kept = {}

        class Kept(training._Loop):
            def run(self):
                kept["loop"] = self
                if state is not None:
                    self.state = state
                    self.s.schedule = "cosine"
                return super().run()

        training._Loop, original = Kept, training._Loop
        copies = []
        try:
            run = kd.distill(teacher, kd.build("cnn", width=4, seed=1), small, epochs=4, seed=2, **QUIET,
                             callbacks=[lambda r: copies.append(copy.deepcopy(kept["loop"].state))])  # fmt: skip
        finally:
            training._Loop = original
        return run, copies

    whole, copies = loop()
    assert copies[1].epoch == 2
    resumed, _ = loop(copies[1])
    assert dict(resumed.history)["loss"] == whole.history["loss"]
    assert same(weights(whole.student), weights(resumed.student))


def test_bfloat16_trains(small, teacher, student):
    run = kd.distill(teacher, student, small, epochs=2, precision="bfloat16", **QUIET)
    assert run.history["loss"][1] < run.history["loss"][0]
    assert student.head[1].weight.dtype == torch.float32


def test_the_run_shows_itself(small, student):
    run = kd.train(student, small, epochs=2, **QUIET)
    shown = run.plot()
    assert shown.figure.axes
    assert f"the best validation accuracy is {max(run.history['val_accuracy']):.4g}" in shown.alt
    assert "val_accuracy" in str(run.history.table())
    assert "<table" in run.history.table()._repr_html_()
    assert repr(run).startswith("Run(2 epochs")


@pytest.mark.parametrize(("options", "text"), [
    ({"epochs": 0}, r"epochs must be a whole number above 0; got 0"),
    ({"epochs": 2.5}, r"epochs must be a whole number above 0; got 2.5"),
    ({"batch_size": -1}, "batch_size must be a whole number above 0"),
    ({"optimizer": "adam!"}, r"optimizer must be one of adamw, sgd; got 'adam!'"),
    ({"schedule": "cos"}, "schedule must be one of constant, cosine, one-cycle; got 'cos'"),
    ({"precision": "fp16"}, "precision must be one of bfloat16, float32"),
    ({"augment": "rotate"}, "augment must be one of flip-shift"),
    ({"metric": "f1"}, 'metric must be "auto" or a callable'),
    ({"min_epochs": 3}, "min_epochs must be left out where patience=None; got 3. Set patience too"),
    ({"clip": float("inf")}, "clip must be a finite number above 0; got inf"),
    ({"lr": 0.0}, "lr must be a finite number above 0"),
    ({"loss": "kl"}, r"loss must be a Loss or a callable .*; got 'kl'"),
    ({"seed": -1}, "seed must be a whole number of at least 0"),
    ({"unpack": lambda b: b}, "unpack must be left out for tensors"),
    ({"loss": kd.losses.Hint({"nope": "block1"})}, r"the student's layer must be a name from named_modules\(\); got 'nope'. It has: normalise, block1"),
    ({"loss": kd.losses.Hint({"block1": "nope"})}, "the teacher's layer must be a name"),
    ({"loss": kd.losses.Hint({"block1": "block2"})}, r"features of block1 and block2 must have equal height and width; got \(128, 4, 14, 14\) and \(128, 8, 7, 7\)"),
    ({"loss": lambda s, t, y: s}, r"the loss custom must return a scalar tensor; got \(128, 10\). Reduce it with .mean\(\)"),
])  # fmt: skip
def test_bad_arguments_are_refused_before_training(small, teacher, student, weights, options, text):
    before = weights(student)
    with pytest.raises((ValueError, TypeError), match=text):
        kd.distill(teacher, student, small, **options, **QUIET)
    assert same(before, weights(student))
    assert not any(m._forward_hooks for m in [*student.modules(), *teacher.modules()])


def test_bad_models_and_data_are_refused(small, teacher, student):
    cases = [
        (lambda: kd.distill(teacher, teacher, small), "student must be another object than the teacher"),
        (lambda: kd.distill(teacher, copy.deepcopy(teacher).requires_grad_(False), small), "student must have a parameter to train"),
        (lambda: kd.distill(teacher, nn.Sequential(teacher.block1, nn.Flatten()), small), "share no parameter with the teacher"),
        (lambda: kd.distill("resnet", student, small), r"teacher and student must be torch.nn.Module"),
        (lambda: kd.train(student, [1, 2, 3][0]), "data must be a Part, a DataLoader, a Dataset or a pair"),
        (lambda: kd.train(student, iter([])), "data must be readable more than once"),
        (lambda: kd.train(student, (small.train.images, small.train.labels[:5])), "labels must have one entry for each of the 400 inputs; got 5"),
        (lambda: kd.train(student, small.train, patience=2), "patience must be left out without validation data"),
        (lambda: kd.train(student, small.train, metric=lambda o, y: 0.0), "metric must be left out without validation data"),
        (lambda: kd.train(student, small, loss=kd.losses.LogitMSE()), r"loss must need no teacher in train\(\)"),
        (lambda: kd.train(student, [(1, 2, 3)]), r"a batch of the loader must be \(inputs, labels\); got tuple of 3"),
        (lambda: kd.train(student, small.train.select([])), "data must hold at least one example"),
        (lambda: kd.train(student, small, metric=lambda o, y: float("nan"), epochs=1, progress=False), "metric metric must be finite; got nan"),
        (lambda: kd.train(student, small, optimizer=torch.optim.SGD(student.parameters(), lr=1), lr=0.1), "lr and weight_decay must be left out with an optimizer object"),
        (lambda: kd.train(student, (small.train.images, None)), "loss must be given where the labels are not one tensor"),
    ]  # fmt: skip
    for call, text in cases:
        with pytest.raises((ValueError, TypeError), match=text):
            call()

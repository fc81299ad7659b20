"""Many models as one: equal to as many separate trainings, whatever the optimizer, and honest about what it cannot."""

import copy
import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.data import Part
from kdcourse.stacked import Job, Rule, Stack, fit, fitting, group_normed, stack
from kdcourse.training import TrainingDiverged

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def mlps(count, width=16):
    return [kd.build("mlp", width=width, seed=i) for i in range(count)]


def states_of(models):
    return [model.state_dict() for model in models]


def jobs_for(part, sizes, steps, batch=10, seed=0):
    """Owners of unequal sizes; each walks over its images in shuffled batches until so many steps are done."""
    g = torch.Generator().manual_seed(seed)
    made = []
    for size, count in zip(sizes, steps, strict=True):
        own = part.select(torch.randperm(len(part), generator=g)[:size])
        walks = [b for _ in range(count) for b in torch.randperm(size, generator=g).split(batch)]
        made.append(Job(own, walks[:count]))
    return made


def by_hand(model, state, job, make, pull=0.0):
    """A plain loop with torch's own optimizer: what each model would have become alone."""
    own = copy.deepcopy(model)
    own.load_state_dict(state)
    optimizer, start = make(own.parameters()), [p.detach().clone() for p in own.parameters()]
    for at in job.batches:
        loss = F.cross_entropy(own.train()(job.part.images[at]), job.part.labels[at])
        if pull:
            loss = loss + pull / 2 * sum(((p - q) ** 2).sum() for p, q in zip(own.parameters(), start, strict=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return own.state_dict()


RULES = {
    "sgd": (Rule(lr=0.1, weight_decay=1e-3), lambda p: torch.optim.SGD(p, 0.1, weight_decay=1e-3), 0.0),
    "momentum": (Rule(lr=0.01, momentum=0.9), lambda p: torch.optim.SGD(p, 0.01, momentum=0.9), 0.0),
    "nesterov": (
        Rule(lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4),
        lambda p: torch.optim.SGD(p, 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4),
        0.0,
    ),
    "adamw": (
        Rule("adamw", lr=1e-3, weight_decay=0.05),
        lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=0.05),
        0.0,
    ),
    "fedprox": (Rule(lr=0.1, proximal=0.5), lambda p: torch.optim.SGD(p, 0.1), 0.5),
}


@pytest.mark.parametrize("how", ["stack", "loop"])
@pytest.mark.parametrize("name", RULES)
def test_every_model_ends_as_it_would_alone(splits, name, how):
    rule, make, pull = RULES[name]
    models, jobs = mlps(4), jobs_for(splits.train, (60, 57, 200, 33), (300, 150, 300, 7))
    ended, said = fit(models[0], states_of(models), jobs, rule, how=how)
    assert said["how"] == how
    for model, job, state in zip(models, jobs, ended, strict=True):
        alone = by_hand(model, model.state_dict(), job, make, pull)
        for key, value in alone.items():
            torch.testing.assert_close(state[key], value, **CLOSE)


def test_rates_may_differ_by_model_and_by_step(splits):
    models, jobs = mlps(3), jobs_for(splits.train, (50, 40, 30), (4, 9, 6))
    rates = [[0.1 / (k + 1 + i) for k in range(9)] for i in range(3)]
    decays = [0.0, 0.1, 0.2]
    rule = Rule(lr=rates, weight_decay=decays)
    stacked = fit(models[0], states_of(models), jobs, rule, how="stack")[0]
    for i, (model, job) in enumerate(zip(models, jobs, strict=True)):
        own = copy.deepcopy(model).train()
        for k, at in enumerate(job.batches):
            grads = torch.autograd.grad(
                F.cross_entropy(own(job.part.images[at]), job.part.labels[at]), list(own.parameters())
            )
            with torch.no_grad():
                for p, g in zip(own.parameters(), grads, strict=True):
                    p -= rates[i][k] * (g + decays[i] * p)
        for key, value in own.state_dict().items():
            torch.testing.assert_close(stacked[i][key], value, **CLOSE)


def test_chunks_change_nothing(splits):
    models, jobs = mlps(5), jobs_for(splits.train, (50, 40, 30, 61, 20), (5, 4, 3, 6, 2))
    whole, said = fit(models[0], states_of(models), jobs, Rule(), how="stack")
    parts, less = fit(models[0], states_of(models), jobs, Rule(), how="stack", chunk=2)
    assert said["chunk"] == 5 and less["chunk"] == 2
    for one, other in zip(whole, parts, strict=True):
        for key in one:
            torch.testing.assert_close(one[key], other[key], rtol=1e-6, atol=1e-6)


def test_larger_models_come_in_smaller_chunks(splits):
    jobs = jobs_for(splits.train, (50,), (2,))
    small, large = (fitting.fitting(kd.build("mlp", width=w), jobs) for w in (16, 1000))
    assert large == max(1, fitting.MEMORY // (4 * (5 * kd.models.parameter_count(kd.build("mlp", width=1000)) + 78400)))
    assert small > 10 * large


def dropping():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10))


def test_dropout_drops_other_units_in_each_model(splits):
    model = dropping()
    same = Stack.of(model.train(), [model.state_dict()] * 3)
    torch.manual_seed(0)
    z = same.logits(same.parameters, splits.train.images[:8], shared=True)
    assert not torch.equal(z[0], z[1]) and not torch.equal(z[1], z[2])
    same.model.eval()
    z = same.logits(same.parameters, splits.train.images[:8], shared=True)
    torch.testing.assert_close(z[0], z[1])


def test_dropout_repeats_with_its_seed_and_leaves_the_callers_state(splits):
    model, jobs = dropping(), jobs_for(splits.train, (50, 40), (5, 5))
    torch.manual_seed(3)
    before = torch.get_rng_state()
    once, again, other = (
        fit(model, [model.state_dict()] * 2, jobs, Rule(), how="stack", seed=seed)[0] for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(once[0]["1.weight"], again[0]["1.weight"])
    assert not torch.equal(once[0]["1.weight"], other[0]["1.weight"])


def test_batch_norm_is_refused_with_group_norm_offered(splits):
    model, jobs = kd.build("cnn", width=8), jobs_for(splits.train, (50, 40), (5, 5))
    with pytest.raises(ValueError, match=r"block1\.1.*group_normed"):
        fit(model, [model.state_dict()] * 2, jobs, Rule(), how="stack")
    assert fit(model, [model.state_dict()] * 2, jobs, Rule(), how="auto")[1] == {"how": "loop", "why": "batch norm"}
    mended = group_normed(model)
    assert isinstance(mended.block1[1], nn.GroupNorm) and isinstance(model.block1[1], nn.BatchNorm2d)
    assert group_normed(kd.build("cnn", width=6), groups=4).block1[1].num_groups == 3
    ended = {how: fit(mended, [mended.state_dict()] * 2, jobs, Rule(lr=0.01), how=how)[0] for how in ("stack", "loop")}
    for one, other in zip(ended["stack"], ended["loop"], strict=True):
        for key in one:
            torch.testing.assert_close(one[key], other[key], **CLOSE)


def test_auto_takes_the_way_that_it_measured_to_be_faster(splits):
    models = mlps(20, width=8)
    jobs = jobs_for(splits.train, [60] * 20, [6] * 20)
    said = fit(models[0], states_of(models), jobs, Rule(), how="auto")[1]
    assert said["how"] == min(said["seconds_a_step"], key=said["seconds_a_step"].get)
    few = fit(models[0], states_of(models), jobs_for(splits.train, [60] * 20, [2] * 20), Rule(), how="auto")[1]
    assert few == {"how": "loop", "why": "2 steps"}


def test_one_measurement_serves_all_models_of_a_kind_in_such_numbers(splits, monkeypatch):
    asked = []
    monkeypatch.setattr(fitting, "MEASURED", {})
    monkeypatch.setattr(fitting, "_seconds_a_step", lambda *a: asked.append(len(a[1])) or {"loop": 2.0, "stack": 1.0})

    def chosen(count, width=8, **rule):
        models = mlps(count, width=width)
        jobs = jobs_for(splits.train, [60] * count, [6] * count)
        return fit(models[0], states_of(models), jobs, Rule(**rule), how="auto")[1]["how"]

    assert chosen(3) == chosen(3) == "stack" and asked == [3]
    chosen(4), chosen(3, width=9), chosen(3, optimizer="adamw", lr=0.01)
    assert asked == [3, 4, 3, 3], "others are measured anew"


def test_the_first_reading_decides_where_it_is_clear(splits, monkeypatch):
    calls = {"_loop": [], "_stacked": []}
    for name, pause in (("_loop", 0.02), ("_stacked", 0.001)):

        def slow(model, states, jobs, *rest, name=name, pause=pause):
            calls[name].append((len(jobs), len(jobs[0].batches)))
            time.sleep(pause * len(jobs[0].batches))
            return [dict(state) for state in states]

        monkeypatch.setattr(fitting, name, slow)
    models, jobs = mlps(8, width=8), jobs_for(splits.train, [60] * 8, [6] * 8)
    best = fitting._seconds_a_step(models[0], states_of(models), jobs, Rule(), fitting.image_losses)
    assert calls == {"_loop": [(4, 1), (4, 1), (4, 4)], "_stacked": [(8, 1), (8, 1), (8, 4)]}
    assert best["loop"] == pytest.approx(0.04, abs=0.02) and best["stack"] < 0.02


def test_the_models_are_left_as_they_are(splits):
    model = kd.build("mlp", width=16).eval()
    before = copy.deepcopy(model.state_dict())
    for how in ("stack", "loop"):
        fit(model, [model.state_dict()] * 2, jobs_for(splits.train, (50, 40), (5, 5)), Rule(), how=how)
        assert not model.training
        assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"models": lambda: [kd.build("mlp", width=8), kd.build("mlp", width=9)]}, "model 1 differs in block1"),
        ({"models": lambda: [kd.build("mlp", width=8), kd.build("linear")]}, "model 1 differs in"),
        ({"how": "fast"}, "how must be one of"),
        ({"chunk": 0}, "chunk must be"),
    ],
)
def test_what_fits_in_no_stack_is_refused(splits, change, says):
    models = change.get("models", lambda: mlps(2))()
    options = {"how": "stack"} | {k: v for k, v in change.items() if k != "models"}
    with pytest.raises(ValueError, match=says):
        fit(models[0], states_of(models), jobs_for(splits.train, (50, 40), (5, 5)), Rule(), **options)
    with pytest.raises(ValueError, match="states and jobs must be as many"):
        fit(models[0], [], [], Rule())


@pytest.mark.parametrize(
    "options", [{"optimizer": "lbfgs"}, {"momentum": -1}, {"proximal": -0.1}, {"nesterov": True}], ids=str
)
def test_a_rule_that_cannot_be_meant_is_refused(options):
    with pytest.raises(ValueError, match="must"):
        Rule(**options)


# ---------------------------------------------------------------- many students


@pytest.mark.parametrize("taught", [False, True])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_students_end_as_after_train_and_distill(small, taught, optimizer):
    teacher = kd.build("linear", seed=9) if taught else None
    loss = kd.losses.SoftTargets(3.0, 0.7) if taught else kd.losses.CrossEntropy(label_smoothing=0.1)
    settings = [{"lr": 1e-3}, {"lr": 3e-3, "weight_decay": 0.1}, {"seed": 4}]
    options = {"epochs": 3, "batch_size": 64, "optimizer": optimizer, "seed": 1, "loss": loss}
    together = kd.stacked.train(mlps(3), small, settings=settings, teacher=teacher, how="stack", **options)
    looped = kd.stacked.train(mlps(3), small, settings=settings, teacher=teacher, how="loop", **options)
    for i, (run, other) in enumerate(zip(together, looped, strict=True)):
        student, common = mlps(3)[i], options | settings[i]
        if taught:
            alone = kd.distill(teacher, student, small, progress=False, **common)
        else:
            alone = kd.train(student, small, progress=False, **common)
        for key, value in alone.student.state_dict().items():
            torch.testing.assert_close(run.student.state_dict()[key], value, **CLOSE)
            assert torch.equal(other.student.state_dict()[key], value)
        assert run.history["lr"] == pytest.approx(alone.history["lr"])
        assert run.history["loss"] == pytest.approx(alone.history["loss"], rel=1e-4)
        assert run.history["val_accuracy"] == pytest.approx(alone.history["val_accuracy"], abs=0.006)
        assert run.config["lr"] == alone.config["lr"] and run.config["how"] == "stack" and other.config["how"] == "loop"
        assert not run.student.training


def test_students_share_the_batches_where_their_seeds_are_equal(small):
    settings = [{"lr": 1e-3}, {"lr": 2e-3}]
    runs = kd.stacked.train(mlps(2), small, settings=settings, epochs=2, batch_size=64, how="stack", seed=2)
    for run, own, student in zip(runs, settings, mlps(2), strict=True):
        alone = kd.train(student, small, epochs=2, batch_size=64, seed=2, progress=False, **own)
        for key, value in alone.student.state_dict().items():
            torch.testing.assert_close(run.student.state_dict()[key], value, **CLOSE)


def test_each_student_keeps_its_own_best_epoch(small):
    runs = kd.stacked.train(mlps(3), small, settings=[{"lr": 0.3}, {"lr": 0.01}, {"lr": 0.1}], epochs=4, how="stack",
                            optimizer="sgd", schedule="constant")  # fmt: skip
    for run in runs:
        scores = run.history["val_accuracy"]
        assert run.best_epoch == scores.index(max(scores))
        assert kd.evaluation.accuracy(run.student, small.val) == pytest.approx(max(scores), abs=1e-6)
    alone = kd.stacked.train(mlps(2), small.train, epochs=1, how="stack")
    assert alone[0].best_epoch is None and "val_accuracy" not in alone[0].history


@pytest.mark.parametrize("how", ["stack", "loop"])
def test_one_that_diverges_ends_alone(small, how):
    runs = kd.stacked.train(mlps(2), small, settings=[{"lr": 1e9}, {"lr": 0.01}], epochs=2, optimizer="sgd", how=how)
    assert [run.stopped_by for run in runs] == ["diverged", "epochs"]
    for run in runs:
        assert all(bool(p.isfinite().all()) for p in run.student.parameters())
    with pytest.raises(TrainingDiverged):
        kd.train(mlps(1)[0], small, lr=1e9, epochs=2, optimizer="sgd", progress=False)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"settings": [{"width": 3}, {}]}, "settings must hold lr, weight_decay, seed alone; got 'width'"),
        ({"settings": [{}]}, "settings must be one for each of 2 students; got 1"),
        ({"how": "quick"}, "how must be one of"),
        ({"loss": kd.losses.SoftTargets()}, "loss must need no teacher"),
        ({"loss": kd.losses.DIST()}, "must be a mean over images"),
        ({"epochs": 0}, "epochs must be"),
        ({"optimizer": "lion"}, "optimizer must be one of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_arguments_are_refused(small, options, says):
    with pytest.raises(ValueError, match=says):
        kd.stacked.train(mlps(2), small, **({"how": "stack"} | options))


def test_images_without_a_label_are_refused_in_a_stack(small):
    some = Part(small.train.images, torch.where(torch.arange(len(small.train)) < 9, -100, small.train.labels))
    for part in (some, Part(small.train.images, None)):
        with pytest.raises(ValueError, match="a label for every image"):
            kd.stacked.train(mlps(2), part, epochs=1, how="stack")


def test_frozen_parameters_stay(splits):
    model = kd.build("mlp", width=16)
    model.block1.requires_grad_(False)
    ended = {how: fit(model, [model.state_dict()] * 2, jobs_for(splits.train, (50, 40), (5, 5)), Rule(), how=how)[0]
             for how in ("stack", "loop")}  # fmt: skip
    for one, other in zip(ended["stack"], ended["loop"], strict=True):
        assert torch.equal(one["block1.1.weight"], model.block1[1].weight)
        torch.testing.assert_close(one["head.weight"], other["head.weight"], **CLOSE)
    assert stack.has_batch_norm(kd.build("cnn")) and not stack.has_batch_norm(model)

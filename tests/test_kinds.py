"""Other people's models and data: each kind of label, output and input with the right values, or refused in words."""

import copy
import threading
import typing
import warnings
from collections import OrderedDict, namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import kdcourse as kd
from kdcourse._targets import kind_of

L = kd.losses
QUIET = {"progress": False}
ALONE = L.SoftTargets(alpha=1.0)


def net(inputs=8, outputs=3, hidden=16, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(200, 8, generator=generator)
    return x, x[:, :3].argmax(dim=1)


# ---------------------------------------------------------------- outputs and losses


def bce(s, t, y):
    return F.binary_cross_entropy_with_logits(s.squeeze(1), y.float())


@pytest.mark.parametrize("loss", [bce, nn.BCEWithLogitsLoss()])
@pytest.mark.parametrize("shape", ["N", "N x 1", "float"])
def test_one_logit_is_judged_by_its_sign_and_selected_by_the_loss(loss, shape):
    torch.manual_seed(0)
    x = torch.randn(400, 6)
    y = (x @ torch.randn(6) > 0.3).long()
    labels = {"N": y, "N x 1": y[:, None], "float": y.float()}[shape]
    run = kd.train(
        net(6, 1), (x[:200], labels[:200]), val=(x[200:], labels[200:]), loss=loss, epochs=60, lr=0.01, **QUIET
    )
    with torch.no_grad():
        z = run.student(x[200:]).squeeze(1)
    truth = float(((z > 0) == y[200:].bool()).float().mean())
    assert truth > 0.9
    assert run.config["metric"] == "loss"
    assert run.best_epoch == min(range(60), key=lambda e: run.history["val_loss"][e])
    assert run.history["val_accuracy"][run.best_epoch] == pytest.approx(truth)
    assert run.history["val_loss"][run.best_epoch] == pytest.approx(
        float(F.binary_cross_entropy_with_logits(z, y[200:].float())), abs=1e-5
    )
    report = kd.evaluate(run.student, (x[200:], labels[200:]), timed=False)
    assert (report.kind, report.accuracy) == ("binary", pytest.approx(truth))
    assert kd.evaluation.accuracy(run.student, (x[200:], labels[200:])) == pytest.approx(truth)
    assert len(report.recall) == 2
    from sklearn.metrics import roc_auc_score

    assert report.auc == pytest.approx(roc_auc_score(y[200:], z))


def test_unlabelled_examples_of_one_logit_do_not_count():
    x, y = torch.randn(60, 6), torch.arange(60) % 2
    y[:20] = -100
    report = kd.evaluate(net(6, 1), (x, y), timed=False)
    assert report.n == 40
    run = kd.train(
        net(6, 1), (x, y), loss=nn.BCEWithLogitsLoss(), epochs=1, lr=1e-9, batch_size=60, weight_decay=0.0, **QUIET
    )
    with torch.no_grad():
        expected = F.binary_cross_entropy_with_logits(net(6, 1)(x[20:]).squeeze(1), y[20:].float())
    assert run.history["loss"][0] == pytest.approx(float(expected), rel=1e-5)


def test_many_hot_labels_are_judged_by_bit_and_selected_by_the_loss():
    torch.manual_seed(0)
    x = torch.rand(300, 20)
    y = ((x - 0.5) @ torch.randn(20, 5) > 0).float()
    for labels in (y, y.long()):
        run = kd.train(net(20, 5, 64), (x[:200], labels[:200]), val=(x[200:], labels[200:]), loss=nn.BCEWithLogitsLoss(),
                       epochs=20, lr=0.01, **QUIET)  # fmt: skip
        with torch.no_grad():
            z = run.student(x[200:])
        bits = float(((z > 0) == (y[200:] > 0)).float().mean())
        assert run.history["val_accuracy"][run.best_epoch] == pytest.approx(bits)
        assert run.config["metric"] == "loss"
        report = kd.evaluate(run.student, (x[200:], labels[200:]), timed=False)
        assert (report.kind, report.accuracy) == ("multilabel", pytest.approx(bits))
        assert 0.5 < report.auc <= 1


def test_soft_labels_are_probabilities(data):
    x, y = data
    soft = 0.7 * F.one_hot(y, 3) + 0.1
    run = kd.train(net(), (x, soft), val=(x, soft), epochs=3, lr=0.01, **QUIET)
    assert run.loss.name == "cross_entropy"
    assert run.config["labels"] == "soft"
    with torch.no_grad():
        z = run.student(x)
    assert run.history["val_accuracy"][run.best_epoch] == pytest.approx(float((z.argmax(1) == y).float().mean()))
    expected = -(soft * z.log_softmax(1)).sum(1).mean()
    assert float(L.cross_entropy(z, soft)) == pytest.approx(float(expected), rel=1e-5)
    kd.distill(net(), net(seed=1), (x, soft), epochs=1, **QUIET)


@pytest.mark.parametrize("one_hot", [lambda y: F.one_hot(y, 3), lambda y: F.one_hot(y, 3).float()])
def test_one_hot_labels_train_as_class_numbers_do(data, one_hot):
    x, y = data
    one, other = net(), net()
    kd.train(one, (x, y), epochs=2, **QUIET)
    kd.train(other, (x, one_hot(y)), epochs=2, **QUIET)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)
    assert kd.evaluation.accuracy(one, (x, one_hot(y))) == kd.evaluation.accuracy(one, (x, y))


@pytest.mark.parametrize("call", [
    lambda z, y: L.soft_targets(z, z, alpha=1.0),
    lambda z, y: L.cross_entropy(z, y),
    lambda z, y: L.SoftTargets()(z, z, y),
    lambda z, y: L.CrossEntropy()(z, labels=y),
])  # fmt: skip
@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 6, 11), (4, 3, 5, 5)])
def test_a_softmax_over_anything_but_classes_is_refused(call, shape):
    with pytest.raises(ValueError, match=r"student_logits must be N x C, C at least 2 classes; got \(4"):
        call(torch.randn(shape), torch.zeros(4).long())


@pytest.mark.parametrize(("shape", "dim"), [((4, 6, 11), -1), ((4, 6, 11), 2), ((4, 3, 5, 5), 1)])
def test_dim_says_where_the_classes_are(shape, dim):
    torch.manual_seed(0)
    s, t = torch.randn(shape), torch.randn(shape)
    log_s, log_t = s.log_softmax(dim), t.log_softmax(dim)
    expected = (log_t.exp() * (log_t - log_s)).sum(dim).mean()
    assert float(L.soft_targets(s, t, temperature=1.0, alpha=1.0, dim=dim)) == pytest.approx(float(expected), rel=1e-5)
    y = t.argmax(dim)
    y[0] = -100
    expected = F.cross_entropy(s.movedim(dim, 1), y)
    assert float(L.cross_entropy(s, y, dim=dim)) == pytest.approx(float(expected), rel=1e-5)
    both = L.soft_targets(s, t, y, temperature=1.0, alpha=0.5, dim=dim)
    assert float(both) == pytest.approx(
        0.5 * float(L.soft_targets(s, t, temperature=1.0, alpha=1.0, dim=dim) + expected), rel=1e-5
    )


class Tokens(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.embed, self.out = nn.Embedding(11, width), nn.Linear(width, 11)

    def forward(self, x):
        return self.out(self.embed(x))


def test_sequences_are_distilled_and_evaluated_by_example():
    torch.manual_seed(0)
    x = torch.randint(0, 11, (64, 6))
    loss = L.SoftTargets(alpha=0.5, dim=-1)
    run = kd.distill(Tokens(8), Tokens(4), (x, x), val=(x, x), loss=loss, epochs=8, lr=0.05, **QUIET)
    assert run.history["val_accuracy"][-1] > run.history["val_accuracy"][0]
    report = kd.evaluate(run.student, (x, x), timed=False)
    assert (report.n, report.kind) == (64, "dense")
    with torch.no_grad():
        expected = (run.student(x).argmax(-1) == x).float().mean(dim=1)
    assert torch.allclose(kd.evaluation.right(run.student, (x, x)), expected)


def test_dense_outputs_count_images_never_pixels():
    torch.manual_seed(0)
    x, model = torch.rand(10, 1, 4, 4), nn.Conv2d(1, 3, 1)
    y = torch.randint(0, 3, (10, 4, 4))
    y[0] = -100
    y[1, :2] = -100
    right = kd.evaluation.right(model, (x, y))
    assert len(right) == 9, "an image without a label does not count"
    with torch.no_grad():
        hits = model(x).argmax(1) == y
    assert float(right[0]) == pytest.approx(float(hits[1, 2:].float().mean()))
    found = kd.evaluation.compare([model], [nn.Conv2d(1, 3, 1)], (x, y))
    assert found.kind in ("images", "identical")
    with pytest.raises(ValueError, match="loss must be given for dense outputs.*CrossEntropy\\(dim=1\\)"):
        kd.train(nn.Conv2d(1, 3, 1), (x, y), **QUIET)
    run = kd.train(model, (x, y), val=(x, y), loss=L.CrossEntropy(dim=1), epochs=2, **QUIET)
    assert 0 <= run.history["val_accuracy"][0] <= 1


def test_dense_labels_that_fit_two_dimensions_ask_for_an_adapter():
    with pytest.raises(
        ValueError, match="labels must have the outputs' shape without the classes.*more than one dimension"
    ):
        kind_of(torch.rand(2, 5, 5), torch.zeros(2, 5).long())


@pytest.mark.parametrize("kind", ["tuple", "dict", "namedtuple"])
@pytest.mark.parametrize("where", ["student", "teacher", "evaluate", "predict"])
def test_outputs_that_are_no_tensor_show_forward(data, kind, where):
    out = namedtuple("Out", "logits aux")

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net()

        def forward(self, x):
            z = self.inner(x)
            return {"tuple": (z, z), "dict": OrderedDict(logits=z), "namedtuple": out(z, z)}[kind]

    call = {
        "student": lambda: kd.distill(net(), Wrapped(), data, epochs=1, **QUIET),
        "teacher": lambda: kd.distill(Wrapped(), net(), data, epochs=1, **QUIET),
        "evaluate": lambda: kd.evaluate(Wrapped(), data),
        "predict": lambda: kd.predict(Wrapped(), data),
    }[where]
    shown = {"tuple": r"model\(x\)\[0\]", "dict": r"model\(x\)\['logits'\]", "namedtuple": r"model\(x\).logits"}[kind]
    with pytest.raises(
        TypeError, match=f"must answer with one tensor of logits; got .* forward=lambda model, x: {shown}"
    ):
        call()


def test_a_model_that_answers_otherwise_in_train_mode_is_refused_before_any_work(data):
    class Side(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.asked = net(), 0

        def forward(self, x):
            z = self.inner(x)
            return (z, z) if self.training else z

    with pytest.raises(
        TypeError, match="the student must answer with one tensor of logits in train mode too; got a tuple of 2"
    ):
        kd.train(Side(), data, epochs=1, **QUIET)


@pytest.mark.parametrize("loss", [
    lambda: nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])), lambda: F.cross_entropy,
    lambda: lambda outputs, labels: F.cross_entropy(outputs, labels), lambda: L.CrossEntropy(weight=[1.0, 2.0, 3.0]),
])  # fmt: skip
def test_criteria_of_two_arguments_train(data, loss):
    x, y = data
    run = kd.train(net(), (x, y), loss=loss(), epochs=1, lr=1e-9, weight_decay=0.0, batch_size=200, **QUIET)
    with torch.no_grad():
        plain = float(F.cross_entropy(net()(x), y))
        weighted = float(F.cross_entropy(net()(x), y, weight=torch.tensor([1.0, 2.0, 3.0])))
    assert run.history["loss"][0] in (pytest.approx(plain, rel=1e-5), pytest.approx(weighted, rel=1e-5))


@pytest.mark.parametrize(("loss", "shown"), [
    (nn.MSELoss(), r"loss=lambda s, t, y: torch.nn.functional.mse_loss\(s, t\)"),
    (F.mse_loss, r"torch.nn.functional.mse_loss\(s, t\)"),
    (F.cross_entropy, r"torch.nn.functional.cross_entropy\(s, t.softmax\(1\)\)"),
])  # fmt: skip
def test_in_distill_a_criterion_alone_shows_the_call_of_three(data, loss, shown):
    with pytest.raises(ValueError, match=f"loss must look at the teacher in distill.*{shown}"):
        kd.distill(net(), net(seed=1), data, loss=loss, epochs=1, **QUIET)


def test_criteria_stand_in_sums_beside_the_teacher(data):
    x, y = data
    loss = 0.9 * L.SoftTargets(alpha=1.0) + nn.CrossEntropyLoss() + (lambda outputs, labels: outputs.square().mean())
    run = kd.distill(net(), net(seed=1), (x, y), loss=loss, epochs=1, lr=1e-9, batch_size=200, **QUIET)
    with torch.no_grad():
        z = net(seed=1)(x)
    assert run.history["CrossEntropyLoss"][0] == pytest.approx(float(F.cross_entropy(z, y)), rel=1e-5)
    assert run.history["custom"][0] == pytest.approx(float(z.square().mean()), rel=1e-5)


def test_a_squared_criterion_never_broadcasts():
    x, y = torch.rand(40, 8), torch.rand(40)
    run = kd.train(net(8, 1), (x, y), loss=nn.MSELoss(), epochs=1, lr=1e-9, batch_size=40, **QUIET)
    with torch.no_grad():
        expected = float((net(8, 1)(x).squeeze(1) - y).square().mean())
    assert run.history["loss"][0] == pytest.approx(expected, rel=1e-4)


def test_class_weights_weigh_the_labels():
    z, t, y = torch.randn(6, 3), torch.randn(6, 3), torch.tensor([0, 1, 2, -100, 1, 0])
    w = torch.tensor([1.0, 2.0, 0.5])
    assert float(L.cross_entropy(z, y, weight=w)) == pytest.approx(float(F.cross_entropy(z, y, weight=w)), rel=1e-5)
    weighted = L.SoftTargets(alpha=0.5, class_weight=w)(z, t, y)
    expected = 0.5 * L.soft_targets(z, t, alpha=1.0) + 0.5 * F.cross_entropy(z, y, weight=w)
    assert float(weighted) == pytest.approx(float(expected), rel=1e-5)
    assert "class_weight=[1, 2, 0.5]" in repr(L.SoftTargets(alpha=0.5, class_weight=w))


def test_masked_classes_contribute_nothing():
    t = torch.tensor([[2.0, 1.0, -torch.inf]])
    for s in (torch.tensor([[0.5, 1.0, 0.3]]), torch.tensor([[0.5, 1.0, -torch.inf]])):
        s.requires_grad_()
        loss = L.soft_targets(s, t, alpha=1.0, temperature=2.0)
        p = (t / 2).softmax(1)[:, :2]
        expected = 4 * (p * (p.log() - (s / 2).log_softmax(1)[:, :2])).sum()
        assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-5)
        (grad,) = torch.autograd.grad(loss, s)
        assert bool(grad.isfinite().all())


def test_losses_show_their_settings():
    loss = 0.9 * L.SoftTargets(temperature=2.0, alpha=1.0) + 0.1 * L.CrossEntropy() + 5 * L.Hint({"0": "0"})
    assert repr(loss) == "0.9 SoftTargets(temperature=2, alpha=1) + 0.1 CrossEntropy() + 5 Hint(layers={'0': '0'})"


@pytest.mark.parametrize(("ours", "theirs", "options", "kind"), [
    ((4, 6, 9), (4, 8, 9), {}, nn.Conv1d), ((4, 9, 6), (4, 9, 8), {}, nn.Linear), ((4, 6), (4, 8), {}, nn.Linear),
    ((4, 6, 5, 5), (4, 8, 5, 5), {}, nn.Conv2d), ((4, 6, 2, 5, 5), (4, 8, 2, 5, 5), {}, nn.Conv3d),
    ((4, 6, 6), (4, 6, 6), {"channels": "first"}, nn.Conv1d), ((4, 6, 6), (4, 6, 6), {"channels": "last"}, nn.Linear),
])  # fmt: skip
def test_hints_find_the_channels(ours, theirs, options, kind):
    from kdcourse.losses.hints import _projection

    made = _projection("a", torch.rand(ours), "b", torch.rand(theirs), options.get("channels", "auto"))
    assert isinstance(made, kind)
    assert made(torch.rand(ours)).shape == theirs


def test_hints_on_rows_of_one_number_and_doubtful_ones_are_refused():
    from kdcourse.losses.hints import _projection

    for ours, theirs, text in [
        ((4,), (4,), "have the same number of dimensions"),
        ((4, 6, 6), (4, 6, 6), 'show which dimension holds the channels; got .*channels="first"'),
        ((4, 6, 5, 5), (4, 6, 7, 7), "have equal height and width"),
    ]:
        with pytest.raises(ValueError, match=text):
            _projection("a", torch.rand(ours), "b", torch.rand(theirs), "auto")


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize("odd", [-1, 255, 3])
@pytest.mark.parametrize("where", ["train", "val", "evaluate", "accuracy", "right", "compare", "loss", "loader"])
def test_labels_outside_the_classes_are_refused_everywhere(data, odd, where):
    x, y = data
    wrong = y.clone()
    wrong[:100] = odd
    calls = {
        "train": lambda: kd.train(net(), (x, wrong), epochs=1, **QUIET),
        "val": lambda: kd.distill(net(), net(seed=1), (x, None), val=(x, wrong), loss=ALONE, epochs=1, **QUIET),
        "evaluate": lambda: kd.evaluate(net(), (x, wrong)),
        "accuracy": lambda: kd.evaluation.accuracy(net(), (x, wrong)),
        "right": lambda: kd.evaluation.right(net(), (x, wrong)),
        "compare": lambda: kd.evaluation.compare([net()], [net(seed=1)], (x, wrong)),
        "loss": lambda: L.cross_entropy(net()(x), wrong),
        "loader": lambda: kd.train(net(), DataLoader(TensorDataset(x, wrong), 50), epochs=1, **QUIET),
    }
    with pytest.raises(ValueError, match=rf"labels must lie in \[0, 3\) or be -100; got {odd}. Count classes from 0"):
        calls[where]()


def test_labels_beyond_the_first_batch_of_a_loader_are_checked_as_they_come(data):
    x, y = data
    wrong = y.clone()
    wrong[-1] = 7
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 3\) or be -100; got 7"):
        kd.train(net(), DataLoader(TensorDataset(x, wrong), 50), epochs=1, **QUIET)


FORMS = {
    "N x 1": lambda y: y[:, None], "float": lambda y: y.float(), "float N x 1": lambda y: y.float()[:, None],
    "NumPy": lambda y: y.numpy(), "uint8": lambda y: y.to(torch.uint8), "int32": lambda y: y.int(), "list": lambda y: y.tolist(),
}  # fmt: skip


@pytest.mark.parametrize("form", [f for f in FORMS if f != "list"])
def test_labels_of_every_form_give_what_class_numbers_give(data, form):
    x, y = data
    labels = FORMS[form](y)
    one, other = net(), net()
    a = kd.train(one, (x, y), val=(x, y), epochs=2, **QUIET)
    b = kd.train(other, (x, labels), val=(x, labels), epochs=2, **QUIET)
    assert a.history["loss"] == b.history["loss"]
    assert a.history["val_accuracy"] == b.history["val_accuracy"]
    assert kd.evaluate(one, (x, labels), timed=False).accuracy == kd.evaluate(one, (x, y), timed=False).accuracy
    assert kd.evaluation.compare([one], [net(seed=3)], (x, labels)).difference == pytest.approx(
        kd.evaluation.compare([one], [net(seed=3)], (x, y)).difference
    )


def test_156_is_no_missing_label_of_uint8(data):
    x, y = data
    bytes_ = y.to(torch.uint8)
    bytes_[0] = 156  # what -100 becomes in a byte
    with pytest.raises(ValueError, match="got 156"):
        kd.train(net(), (x, bytes_), epochs=1, **QUIET)


def test_labelled_rows_alone_are_counted(data):
    x, y = data
    few = y.clone()
    few[:150] = -100
    report = kd.evaluate(net(), (x, few), timed=False)
    assert report.n == 50
    assert sum(map(sum, report.confusion)) == 50


def test_float_labels_with_fractions_beside_classes_are_refused(data):
    x, _ = data
    with pytest.raises(ValueError, match=r"labels must be whole numbers beside outputs of shape \(128, 3\)"):
        kd.train(net(), (x, torch.rand(200)), epochs=1, **QUIET)


# ---------------------------------------------------------------- inputs


@pytest.mark.parametrize(("make", "text"), [
    (lambda x: (x * 255).byte(), r"images for the \w+ must be floats in \[0, 1\]; got uint8 of shape .*images.float\(\) / 255"),
    (lambda x: x * 255, r"images for the \w+ must lie in \[0, 1\]; got values from 0 to 255. Divide by 255"),
    (lambda x: (x - 0.3) / 0.3, r"must lie in \[0, 1\]; got values from -1 to .*leave Normalize out"),
])  # fmt: skip
@pytest.mark.parametrize("where", ["student", "teacher", "evaluate", "predict", "accuracy"])
def test_registry_models_refuse_images_outside_their_range(splits, make, text, where):
    part = splits.test.select(range(200))
    x, y, model = make(part.images), part.labels, kd.build("cnn", width=4)
    own = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    calls = {
        "student": lambda: kd.train(model, (x, y), epochs=1, **QUIET),
        "teacher": lambda: kd.distill(
            model, own, (x.float(), y), forward=(None, lambda m, v: m(v.float())), epochs=1, **QUIET
        ),
        "evaluate": lambda: kd.evaluate(model, (x, y)),
        "predict": lambda: kd.predict(model, x),
        "accuracy": lambda: kd.evaluation.accuracy(model, (x, y)),
    }
    if where == "teacher" and x.dtype == torch.uint8:
        text = r"images for the teacher must lie in \[0, 1\]"
    with pytest.raises(ValueError, match=text):
        calls[where]()


def test_ones_own_models_get_what_the_loader_gives():
    x, y = torch.randint(0, 256, (40, 4), dtype=torch.uint8), torch.arange(40) % 3
    seen = []

    def forward(model, inputs):
        seen.append(inputs.dtype)
        return model(inputs.float() / 255)

    kd.train(net(4), (x, y), forward=forward, epochs=1, **QUIET)
    assert set(seen) == {torch.uint8}


@pytest.mark.parametrize(("make", "text"), [
    (lambda x: x.permute(0, 2, 3, 1), r"The channels stand last: move them with images.permute\(0, 3, 1, 2\)"),
    (lambda x: x[..., :20, :20], r"built for \(1, 28, 28\): build it with shape=\(1, 20, 20\)"),
])  # fmt: skip
def test_inputs_of_another_shape_name_the_remedy(splits, make, text):
    part = splits.test.select(range(20))
    with pytest.raises(ValueError, match=rf"the student must answer the inputs, float32 of shape .*{text}"):
        kd.train(kd.build("cnn", width=4), (make(part.images), part.labels), epochs=1, **QUIET)


def test_whole_numbers_into_a_convolution_of_ones_own_name_the_remedy():
    x = torch.randint(0, 255, (8, 1, 8, 8), dtype=torch.uint8)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    with pytest.raises(ValueError, match=r"got RuntimeError: .*Convert whole numbers: images.float\(\) / 255"):
        kd.train(model, (x, torch.arange(8) % 3), epochs=1, **QUIET)


def test_float64_inputs_take_the_models_precision(data):
    x, y = data
    one = kd.train(net(), (x, y), epochs=1, **QUIET)
    two = kd.train(net(), (x.double(), y), epochs=1, **QUIET)
    three = kd.train(net(), (x.double().numpy(), y.numpy()), epochs=1, **QUIET)
    assert one.history["loss"] == two.history["loss"] == three.history["loss"]


def test_pil_images_without_a_transform_name_the_remedy():
    from PIL import Image

    class Pictures(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return Image.new("L", (28, 28)), 0

    for d in (Pictures(), DataLoader(Pictures(), 2)):
        with pytest.raises(TypeError, match="data must give tensors; got PIL images. .*ToTensor"):
            kd.train(kd.build("cnn", width=4), d, epochs=1, **QUIET)


class Pair(typing.NamedTuple):
    image: torch.Tensor
    mask: torch.Tensor


class Rows(Dataset):
    def __init__(self, function, n=64):
        self.function, self.n = function, n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.function(i)


def test_inputs_of_every_form_train_and_weigh_the_history_by_examples():
    torch.manual_seed(0)
    x, y = torch.rand(64, 8), torch.arange(64) % 3

    class Box:
        def __init__(self, image):
            self.image = image

        def to(self, device):
            return self

    def boxed(rows):
        return Box(torch.stack([r[0] for r in rows])), torch.stack([r[1] for r in rows])

    by_name = lambda m, b: m(b.image)  # noqa: E731
    plain = kd.train(net(), DataLoader(TensorDataset(x, y), 40), epochs=1, lr=1e-9, weight_decay=0.0, **QUIET)
    runs = [
        kd.train(net(), DataLoader(Rows(lambda i: (Pair(x[i], x[i]), y[i])), 40), forward=by_name, epochs=1, lr=1e-9, weight_decay=0.0, **QUIET),
        kd.train(net(), DataLoader(Rows(lambda i: (x[i], y[i])), 40, collate_fn=boxed), forward=by_name, epochs=1, lr=1e-9, weight_decay=0.0, **QUIET),
        kd.train(net(), DataLoader(Rows(lambda i: {"path": "p" * (i + 1), "image": x[i], "y": y[i]}), 40), unpack=lambda b: (b, b["y"]),
                 forward=lambda m, b: m(b["image"]), epochs=1, lr=1e-9, weight_decay=0.0, **QUIET),
    ]  # fmt: skip
    for run in runs:
        assert run.history["loss"][0] == pytest.approx(plain.history["loss"][0], rel=1e-5)
    with torch.no_grad():
        expected = float(F.cross_entropy(net()(x), y))
    assert plain.history["loss"][0] == pytest.approx(expected, rel=1e-4)


def test_packed_sequences_train():
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.out = nn.LSTM(4, 8), nn.Linear(8, 3)

        def forward(self, packed):
            return self.out(self.lstm(packed)[1][0][-1])

    rows = [torch.rand(int(k), 4) for k in torch.randint(2, 9, (33,))]
    collate = lambda b: (pack_sequence([r[0] for r in b], enforce_sorted=False), torch.tensor([r[1] for r in b]))  # noqa: E731
    loader = DataLoader(Rows(lambda i: (rows[i], i % 3), 33), 16, collate_fn=collate)
    run = kd.train(Reader(), loader, epochs=2, **QUIET)
    assert len(run.history["loss"]) == 2


class Stream(IterableDataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __iter__(self):
        yield from zip(self.x, self.y, strict=True)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_streams_without_a_length_are_scheduled_by_epoch(data, schedule):
    x, y = data
    for d in (DataLoader(Stream(x, y), 64), Stream(x, y)):
        run = kd.train(net(), d, val=DataLoader(Stream(x, y), 64), schedule=schedule, epochs=4, **QUIET)
        assert run.config["steps"] is None
        rates = run.history["lr"]
        assert len(set(rates)) == (1 if schedule == "constant" else 4)
        if schedule == "cosine":
            assert rates == pytest.approx([2e-3 * (1 + np.cos(np.pi * e / 4)) / 2 for e in range(4)])
    assert kd.evaluate(net(), DataLoader(Stream(x, y), 64)).n == 200


def test_a_last_batch_of_one_joins_the_one_before_whatever_brings_it():
    x, y, sizes = torch.rand(33, 8), torch.arange(33) % 3, []

    class Watched(nn.BatchNorm1d):
        def forward(self, v):
            if self.training:
                sizes.append(len(v))
            return super().forward(v)

    for d in ((x, y), TensorDataset(x, y), DataLoader(TensorDataset(x, y), 32), DataLoader(Stream(x, y), 32)):
        sizes.clear()
        model = nn.Sequential(nn.Linear(8, 8), Watched(8), nn.Linear(8, 3))
        kd.train(model, d, batch_size=32, epochs=2, **QUIET)
        assert [s for s in sizes if s == 33] in ([33] * 2, [33] * 3), sizes
        assert 1 not in sizes


def test_a_squeezed_output_of_a_batch_of_one_is_named():
    class Squeezed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(8, 1)

        def forward(self, x):
            return self.inner(x).squeeze()

    x, y = torch.rand(33, 8), torch.rand(33)
    report = kd.evaluate(Squeezed(), DataLoader(TensorDataset(x, y), 32), timed=False)
    assert report.mse is not None
    with pytest.raises(
        ValueError, match=r"must answer every batch with one row an example.*\.squeeze\(1\)|labels must"
    ):
        kd.evaluate(Squeezed(), DataLoader(TensorDataset(x, y), 1), timed=False)


def test_persistent_workers_are_told_of(data):
    class Fake(list):
        persistent_workers, num_workers = True, 2

    x, y = data
    with pytest.warns(UserWarning, match="persistent_workers=True keeps the workers' random states"):
        kd.train(net(), Fake([(x, y)]), epochs=1, **QUIET)


# ---------------------------------------------------------------- models


def test_buffers_may_grow_start_as_none_or_appear():
    class Grows(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net()
            self.register_buffer("seen", torch.zeros(0))
            self.register_buffer("nothing", None)

        def forward(self, x):
            self.seen = torch.cat([self.seen, x.mean().detach().reshape(1)])
            self.nothing = x.detach().mean()
            if "late" not in self._buffers:
                self.register_buffer("late", torch.ones(1))
            return self.inner(x)

    model, (x, y) = Grows(), (torch.rand(20, 8), torch.arange(20) % 3)
    kd.evaluate(model, (x, y), timed=False)
    assert len(model.seen) == 0
    assert model.nothing is None
    assert "late" not in model._buffers
    teacher = Grows()
    kd.distill(teacher, net(seed=1), (x, y), epochs=1, **QUIET)
    assert len(teacher.seen) == 0


def test_a_feature_without_gradient_is_refused(data):
    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 3)

        def forward(self, x):
            with torch.no_grad():
                h = self.first(x)
            return self.last(h)

    loss = L.SoftTargets() + L.Hint({"first": "0"})
    with pytest.raises(ValueError, match="the student's layer must give a feature with a gradient: .* got 'first'"):
        kd.distill(net(), Detached(), data, loss=loss, epochs=1, **QUIET)


def test_batch_norm_that_its_owner_put_in_eval_mode_stays_so(data):
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    model.train()
    model[1].eval()
    before = model[1].running_mean.clone()
    kd.train(model, data, epochs=1, **QUIET)
    assert torch.equal(model[1].running_mean, before)
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)).eval()
    kd.train(model, data, epochs=1, **QUIET)
    assert not torch.equal(model[1].running_mean, torch.zeros(8)), "a whole model in eval mode trains"


class Stubborn(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = net()

    def forward(self, x):
        return self.inner(x)

    def to(self, *args, **options):
        raise ValueError("`.to` is not supported for 4-bit models")

    def eval(self):
        raise NotImplementedError("Calling eval() is not supported yet.")


def test_teachers_that_refuse_to_and_eval_or_are_half_precision_teach(data):
    x, y = data
    exported = torch.export.export(net().eval(), (x,), dynamic_shapes=({0: torch.export.Dim("n")},)).module()
    for teacher in (Stubborn(), net().bfloat16(), exported, torch.compile(net(), backend="eager")):
        run = kd.distill(teacher, net(seed=1), (x, y), epochs=1, **QUIET)
        assert run.history["soft_targets"][0] > 0
    hint = L.Hint({"1": "1"})
    kd.distill(net(), net(seed=1).bfloat16(), (x, y), loss=hint, epochs=1, **QUIET)


def test_quantised_models_are_measured_or_said_to_be_unknown(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = torch.ao.quantization.quantize_dynamic(net().eval(), {nn.Linear}, dtype=torch.qint8)
        report = kd.evaluate(small, data, timed=False)
    assert report.parameters == sum(p.numel() for p in net().parameters())
    whole = kd.evaluate(net(), data, timed=False).bytes
    assert whole / 4 <= report.bytes < whole

    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(16, dtype=torch.uint8), requires_grad=False)
            self.inner = net()

        def forward(self, x):
            return self.inner(x)

    assert kd.evaluate(Packed(), data, timed=False).parameters is None


# ---------------------------------------------------------------- state


def test_a_teacher_that_changes_is_noticed(data):
    x, y = data

    def go(cache, write):
        student, teacher = net(seed=3), net(seed=4)

        def average(run):
            with torch.no_grad():
                for a, b in zip(teacher.parameters(), run.student.parameters(), strict=True):
                    write(a, b)

        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            run = kd.distill(
                teacher, student, (x, y), epochs=4, batch_size=32, callbacks=[average], cache_mb=cache, **QUIET
            )
        return run.history["loss"], [str(w.message) for w in told]

    for write in (lambda a, b: a.lerp_(b, 0.5), lambda a, b: a.data.copy_((a.data + b.data) / 2)):
        (kept, told), (fresh, quiet) = go(512, write), go(0, write)
        assert kept == pytest.approx(fresh)
        assert any("the teacher's weights changed during the run" in text for text in told)
        assert not quiet


def test_grad_mode_and_default_dtype_of_the_caller_do_not_matter(data):
    x, y = data
    expected = kd.train(net(), (x, y), epochs=1, **QUIET).history["loss"]
    with torch.no_grad():
        assert kd.train(net(), (x, y), epochs=1, **QUIET).history["loss"] == expected
        assert not torch.is_grad_enabled()
        made = kd.synthesise(
            kd.build("cnn", width=4, shape=(1, 8, 8), num_classes=3), n=6, steps=2, rounds=1, confidence=0.0, **QUIET
        )
    assert made.images.dtype == torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        teacher, model = kd.load_teacher("cpu"), kd.build("cnn", width=4)
        assert {p.dtype for p in [*teacher.parameters(), *model.parameters()]} == {torch.float32}
        assert {b.dtype for b in model.buffers() if b.is_floating_point()} == {torch.float32}
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("make", "unit"), [
    (lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=6), "batches"),
    (lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=3), "epochs"),
    (lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 6), "batches"),
    (lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 3), "epochs"),
    (lambda o: torch.optim.lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=2), "batches"),
    (lambda o: torch.optim.lr_scheduler.StepLR(o, 1), "epochs"),
])  # fmt: skip
def test_schedulers_are_stepped_by_what_they_count(data, make, unit):
    x, y = data
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = make(optimizer)
    run = kd.train(model, (x[:64], y[:64]), batch_size=32, epochs=3, optimizer=optimizer, schedule=schedule, **QUIET)
    assert run.config["schedule_counts"] == unit
    assert schedule.last_epoch == (6 if unit == "batches" else 3)


def test_a_one_cycle_of_another_length_is_refused(data):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=5)
    with pytest.raises(
        ValueError, match=r"schedule must have total_steps 3 \(one step an epoch\) or 6 \(one a batch\); got 5"
    ):
        kd.train(
            model,
            (data[0][:64], data[1][:64]),
            batch_size=32,
            epochs=3,
            optimizer=optimizer,
            schedule=schedule,
            **QUIET,
        )


def test_numpy_numbers_are_numbers(data):
    x, y = data
    options = {"epochs": 1, "seed": 1, "batch_size": 32, "lr": float(np.float32(1e-3))}
    plain = kd.train(net(), (x, y), **options, **QUIET)
    numbers = {"epochs": np.int64(1), "seed": np.int64(1), "batch_size": np.int32(32), "lr": np.float32(1e-3)}
    run = kd.train(net(), (x, y), **numbers, **QUIET)
    assert run.history["loss"] == plain.history["loss"]
    assert type(run.config["seed"]) is int
    assert type(run.config["lr"]) is float
    assert repr(L.CrossEntropy() * np.float32(0.5)) == "0.5 CrossEntropy()"
    assert len(kd.split((x, y), val=np.int64(20), seed=np.int64(0)).val) == 20
    assert torch.bincount(kd.split((x.numpy(), y.numpy())).val.labels).min() > 5
    assert kd.build("cnn", width=np.int64(4), seed=np.int64(3)).config["width"] == 4


def test_runs_in_threads_give_what_they_give_one_after_another():
    x, y = torch.rand(128, 8), torch.arange(128) % 3

    def model(seed):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, 3))

    teacher, students = model(9), [model(i) for i in range(4)]

    def go(i):
        return kd.distill(
            copy.deepcopy(teacher), copy.deepcopy(students[i]), (x, y), epochs=3, batch_size=16, seed=i, **QUIET
        ).history["loss"]

    one = [go(i) for i in range(4)]
    state = torch.random.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(go, range(4))) == one
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_run_may_evaluate_and_train_inside_itself(data):
    x, y = data
    seen = []

    def inside(run):
        seen.append(kd.evaluate(run.student, (x, y), timed=False).accuracy)
        kd.train(net(seed=5), (x, y), epochs=1, **QUIET)

    done = threading.Event()

    def go():
        kd.train(net(), (x, y), epochs=2, callbacks=[inside], **QUIET)
        done.set()

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    thread.join(30)
    assert done.is_set(), "the lock is re-entrant"
    assert len(seen) == 2


# ---------------------------------------------------------------- what practitioners reached for


def test_predict_gives_the_outputs_in_order(data):
    x, y = data
    model = net()
    with torch.no_grad():
        expected = model(x)
    for d in (x, (x, y), x.numpy(), DataLoader(TensorDataset(x, y), 64), TensorDataset(x, y)):
        assert torch.allclose(kd.predict(model, d), expected, atol=1e-6)
    assert model.training


def test_recorded_logits_teach_without_a_teacher(data):
    x, y = data
    teacher = net(seed=7)
    with torch.no_grad():
        soft = teacher(x)
    expected = kd.distill(teacher, net(), (x, y), epochs=2, cache_mb=512, **QUIET).history["loss"]
    part = kd.data.Part(x, y, soft=soft)
    for d in ((x, y, soft), part, (x.numpy(), y.numpy(), soft.numpy())):
        run = kd.distill(None, net(), d, epochs=2, **QUIET)
        assert run.history["loss"] == pytest.approx(expected, rel=1e-5)
        assert run.config["teacher_cache"] == "recorded logits, no teacher"
    loader = DataLoader(TensorDataset(x, y, soft), 50)
    assert len(kd.distill(None, net(), loader, epochs=2, **QUIET).history["loss"]) == 2
    for d in ((x, y), kd.data.Part(x, y), DataLoader(TensorDataset(x, y), 50)):
        with pytest.raises((ValueError, TypeError), match="teacher"):
            kd.distill(None, net(), d, epochs=1, **QUIET)
    with pytest.raises(ValueError, match="loss must look at logits only where they are recorded"):
        kd.distill(None, net(), part, loss=L.Hint({"0": "0"}), epochs=1, **QUIET)


def test_ones_own_metric_by_its_name(data):
    x, y = data

    def worst_recall(outputs, labels):
        answers = outputs.argmax(1)
        return min(float((answers[labels == c] == c).float().mean()) for c in range(3))

    run = kd.train(net(), (x, y), val=(x, y), metric=worst_recall, epochs=2, **QUIET)
    assert "val_worst_recall" in run.history
    report = kd.evaluate(run.student, (x, y), metric={"worst": worst_recall}, classes=("a", "b", "c"), timed=False)
    assert report.metrics["worst"] == pytest.approx(min(report.recall))
    assert "lowest recall" in str(report)
    assert any(f"({name})" in str(report) for name in "abc")
    assert "a" in str(report.by_class())
    models = [kd.train(net(seed=s), (x, y), epochs=1, **QUIET) for s in range(5)]
    others = [net(seed=s) for s in range(5)]
    found = kd.evaluation.compare(models, others, (x, y), metric=worst_recall)
    assert found.kind in ("seeds", "identical")
    expected = np.mean(
        [
            worst_recall(kd.predict(m.student, x), y) - worst_recall(kd.predict(o, x), y)
            for m, o in zip(models, others, strict=True)
        ]
    )
    assert found.difference == pytest.approx(expected)


def test_a_loop_over_seeds_with_paired_runs(data):
    x, y = data
    runs = kd.over_seeds({
        "long": lambda seed: kd.train(net(seed=seed), (x, y), epochs=10, lr=0.02, seed=seed, **QUIET),
        "short": lambda seed: kd.train(net(seed=seed), (x, y), epochs=1, seed=seed, **QUIET),
    }, seeds=5, progress=False)  # fmt: skip
    found = runs.compare("long", "short", (x, y))
    assert len(found.per_seed) == 5
    assert found.difference > 0
    with pytest.raises(ValueError, match="ours must be one of long, short; got 'middle'"):
        runs.compare("middle", "short", (x, y))
    with pytest.raises(TypeError, match="the method mine must return a run; got 'int'"):
        kd.over_seeds({"mine": lambda seed: 3}, progress=False)


def test_a_run_is_drawn_beside_another(data):
    x, y = data
    one, two = (kd.train(net(), (x, y), val=(x, y), epochs=e, **QUIET) for e in (3, 2))
    shown = one.plot(two, names=("three", "two"))
    best = [max(run.history["val_accuracy"]) for run in (one, two)]
    assert shown.title == f"Best validation accuracy: {best[0]:.3f} (three), {best[1]:.3f} (two)"
    labels = [t.get_text() for t in shown.figure.legends[0].get_texts()]
    assert labels == ["three", "two", f"kept: epoch {one.best_epoch + 1}"]
    assert [len(axis.lines) for axis in shown.figure.axes] == [2, 3, 2], "one line a run, and where it was kept"
    assert shown.figure.axes[0].lines[0].get_xdata()[0] == 1, "epochs count from one"


def test_a_part_that_was_split_before_loses_no_test_set(splits):
    again = kd.split(splits.train, val=100)
    assert again.test is None
    assert len(again.train) == len(splits.train) - 100
    assert len(kd.split(splits.train, val=100, test=50).test) == 50
    assert again.classes == splits.classes


def test_many_classes_cost_little(data):
    import time

    x, y = torch.rand(5000, 4), torch.arange(5000)
    started = time.process_time()
    report = kd.evaluate(nn.Linear(4, 5000), (x, y), timed=False)
    assert time.process_time() - started < 10
    assert report.confusion == []
    assert report.auc is None
    assert len(report.recall) == 5000
    assert len(report.to_json()) < 500_000
    some = torch.rand(300, 4), torch.arange(300)
    full = kd.evaluate(nn.Linear(4, 300), some, timed=False, everything=True)
    assert len(full.confusion) == 300
    assert full.auc is not None


def test_the_calibration_error_is_torchmetrics(data):
    from torchmetrics.functional.classification import multiclass_calibration_error

    x, y = data
    z = 5 * kd.predict(net(), x)
    from kdcourse._scores import calibration_error

    expected = multiclass_calibration_error(z.softmax(1), y, num_classes=3, n_bins=15, norm="l1")
    assert calibration_error(z.softmax(1), y) == pytest.approx(float(expected), abs=1e-6)


# ---------------------------------------------------------------- interrupted


@pytest.mark.parametrize("how", ["train", "distill"])
def test_ctrl_c_keeps_history_and_the_best_weights(data, how):
    x, y = data
    count = []

    def stop(run):
        count.append(1)
        if len(count) == 3:
            raise KeyboardInterrupt

    student = net()
    options = {"val": (x, y), "epochs": 10, "callbacks": [stop], **QUIET}
    with pytest.raises(
        kd.Interrupted, match="stopped by you after 3 of 10 epochs. The student holds the weights of its best"
    ) as caught:
        kd.train(student, (x, y), **options) if how == "train" else kd.distill(net(seed=1), student, (x, y), **options)
    run = caught.value.run
    assert isinstance(caught.value, KeyboardInterrupt)
    assert run.stopped_by == "interrupted"
    assert len(run.history["loss"]) == 3
    accuracy = kd.evaluation.accuracy(student, (x, y))
    assert accuracy == pytest.approx(max(run.history["val_accuracy"]))

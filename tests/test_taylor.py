"""First-order Taylor importance: equal to a slow road, on anyone's modules, and nothing left behind."""

import copy
import weakref
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import kdcourse as kd

from .conftest import same


def net(seed=0, norm=True):
    """Convolutions with and without batch norm, then linear layers, in double precision, batch norm with a history."""
    torch.manual_seed(seed)
    layers = [
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4) if norm else nn.Identity(),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3),
        nn.ReLU(),
    ]
    model = nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(5 * 16, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)
    ).double()
    model(torch.rand(32, 1, 8, 8, dtype=torch.float64))
    return model.eval()


@pytest.fixture
def batch():
    g = torch.Generator().manual_seed(1)
    return torch.rand(16, 1, 8, 8, generator=g, dtype=torch.float64), torch.randint(0, 3, (16,), generator=g)


def literal(model, batch, layer, place, channel):
    """One channel: its own gate, its own forward and backward pass."""
    gate = torch.ones((), dtype=torch.float64, requires_grad=True)

    def hook(module, args, output):
        kept = [output.select(1, c) * (gate if c == channel else 1) for c in range(output.shape[1])]
        return torch.stack(kept, dim=1)

    handle = dict(model.named_modules())[place].register_forward_hook(hook)
    try:
        return torch.autograd.grad(F.cross_entropy(model(batch[0]), batch[1]), gate)[0].square()
    finally:
        handle.remove()


def test_all_channels_at_once_equal_one_channel_at_a_time(batch):
    model = net()
    found = kd.taylor.importance(model, batch)
    assert {layer: len(s) for layer, s in found.items()} == {"0": 4, "3": 5, "6": 6}
    assert found.gates == {"0": "1", "3": "3", "6": "7"}
    for layer, scores in found.items():
        slow = torch.stack([literal(model, batch, layer, found.gates[layer], c) for c in range(len(scores))])
        torch.testing.assert_close(scores, slow, rtol=1e-6, atol=1e-18)


def test_it_is_the_square_of_a_finite_difference(batch):
    model, step = net(), 1e-5
    found = kd.taylor.importance(model, batch)
    for layer, scores in found.items():
        for channel in range(len(scores)):
            losses = []
            for value in (1 - step, 1 + step):
                gate = torch.ones(len(scores), dtype=torch.float64)
                gate[channel] = value
                with torch.no_grad(), kd.taylor.gated(model, {layer: found.gates[layer]}, {layer: gate}):
                    losses.append(F.cross_entropy(model(batch[0]), batch[1]))
            slope = (losses[1] - losses[0]) / (2 * step)
            torch.testing.assert_close(scores[channel], slope.square(), rtol=1e-4, atol=1e-14)


def test_for_a_linear_tail_it_is_the_product_of_activation_and_gradient(batch):
    """dL/dgate is the sum of activation times gradient over images and places."""
    model = net()
    with kd.models.Capture(model, ["1"]) as captured:
        outputs, kept = captured.run(lambda: model(batch[0]))
    gradient = torch.autograd.grad(F.cross_entropy(outputs, batch[1]), kept["1"])[0]
    expected = (kept["1"] * gradient).sum(dim=(0, 2, 3)).square()
    torch.testing.assert_close(kd.taylor.importance(model, batch)["0"], expected.detach())


def test_the_oracle_removes_each_channel(batch):
    model = net()
    found = kd.taylor.oracle(model, batch, layers=["3"])
    assert list(found) == ["3"]
    whole = F.cross_entropy(model(batch[0]), batch[1])
    for channel in range(5):
        cut = copy.deepcopy(model)
        with torch.no_grad():
            cut[3].weight[channel] = 0
            cut[3].bias[channel] = 0
        expected = (F.cross_entropy(cut(batch[0]), batch[1]) - whole).square()
        torch.testing.assert_close(found["3"][channel], expected.detach())


def test_scores_are_averaged_over_batches(batch):
    model = net()
    halves = [(batch[0][:8], batch[1][:8]), (batch[0][8:], batch[1][8:])]
    for score in (kd.taylor.importance, kd.taylor.oracle):
        both, one, other = score(model, halves), score(model, halves[0]), score(model, halves[1])
        for layer in both:
            torch.testing.assert_close(both[layer], (one[layer] + other[layer]) / 2)


def test_another_loss_and_a_loader(batch):
    model = net()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*batch), 8)
    doubled = kd.taylor.importance(model, loader, loss=lambda z, y: 2 * F.cross_entropy(z, y))
    for layer, scores in kd.taylor.importance(model, loader).items():
        torch.testing.assert_close(doubled[layer], 4 * scores)


def test_a_gate_in_front_of_batch_norm_would_score_about_nothing(batch):
    """In train mode the scale of a convolution before batch norm changes nothing: that is why the gate stands after it."""
    model = net().train()
    gate = torch.ones(4, dtype=torch.float64, requires_grad=True)
    with kd.taylor.gated(model, {"0": "0"}, {"0": gate}):
        before = torch.autograd.grad(F.cross_entropy(model(batch[0]), batch[1]), gate)[0].abs().max()
    gate = torch.ones(4, dtype=torch.float64, requires_grad=True)
    with kd.taylor.gated(model, {"0": "1"}, {"0": gate}):
        after = torch.autograd.grad(F.cross_entropy(model(batch[0]), batch[1]), gate)[0].abs().max()
    assert before < 1e-3 * after, "what is left is batch norm's epsilon"


@pytest.mark.parametrize("frozen", [False, True])
def test_the_model_is_left_as_found(batch, weights, frozen):
    model = net().train().requires_grad_(not frozen)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 3.0)
    model[1].eval()
    before = weights(model)
    kd.taylor.importance(model, batch)
    kd.taylor.oracle(model, batch, layers=["0"])
    with pytest.raises(ValueError, match="no such loss"):
        kd.taylor.importance(model, batch, loss=_failing)
    assert same(weights(model), before)
    assert model.training and not model[1].training
    assert all((p.grad == 3).all() and p.requires_grad != frozen for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())


def _failing(outputs, labels):
    raise ValueError("no such loss")


def test_what_cannot_be_scored_is_refused(batch):
    with pytest.raises(ValueError, match=r"layers must be among 0, 3, 6; got '9'. The head"):
        kd.taylor.importance(net(), batch, layers=["9"])
    with pytest.raises(ValueError, match="model must have a layer whose channels can be removed; got 'Linear'"):
        kd.taylor.importance(nn.Linear(4, 2), (torch.rand(3, 4), torch.zeros(3).long()))
    for data in ([], torch.rand(3), None):
        with pytest.raises(ValueError, match=r"data must be a batch \(inputs, labels\) or several"):
            kd.taylor.importance(net(), data)


def test_it_says_which_layers_it_took(batch):
    found = kd.taylor.importance(net(), batch)
    assert "gate after" in repr(found) and "<table" in found._repr_html_()
    assert repr(found).splitlines()[2].split()[:3] == ["0", "1", "4"]


def test_a_linear_layer_over_tokens_has_its_channels_last():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.Flatten(), nn.Linear(15, 2))
    data = torch.rand(7, 3, 4), torch.randint(0, 2, (7,))
    found = kd.taylor.importance(model, data)
    assert {layer: len(scores) for layer, scores in found.items()} == {"0": 6, "2": 5}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layers", "first"), [("resnet18", 20, "bn1"), ("googlenet", 57, "conv1.bn")])
def test_torchvisions_networks(name, layers, first):
    torch.manual_seed(0)
    model = kd.build(name, shape=(3, 64, 64), num_classes=5)
    data = torch.rand(2, 3, 64, 64), torch.tensor([0, 1])
    found = kd.taylor.importance(model, data)
    assert len(found) == layers, "every convolution; not the classifier, not the side heads that did not run"
    assert all(at.endswith(("bn1", "bn2", "bn", "downsample.1")) for at in found.gates.values())
    assert next(iter(found.gates.values())).endswith(first)
    assert all(scores.isfinite().all() and (scores >= 0).all() for scores in found.values())
    some = next(iter(found))
    slow = kd.taylor.importance(model, data, layers=[some])
    torch.testing.assert_close(slow[some], found[some])


# ---------------------------------------------------------------- which layers: the head, whatever stands behind it


class Tail(nn.Module):
    """Two linear layers and anything behind them."""

    def __init__(self, tail, classes=3):
        super().__init__()
        self.fc1, self.fc2, self.other = nn.Linear(8, 16), nn.Linear(16, classes), nn.Linear(16, classes)
        self.bias, self.tail = nn.Parameter(torch.zeros(classes)), tail
        self.register_buffer("mixing", torch.eye(classes))

    def forward(self, x):
        return self.tail(self, F.relu(self.fc1(x)))


@dataclass
class Output:
    logits: torch.Tensor
    note: str = "like a transformer's output"


class Two(NamedTuple):
    one: torch.Tensor
    other: torch.Tensor


def in_place(m, h):
    z = m.fc2(h)
    z += m.bias
    return z.mul_(2)


def into_a_buffer(m, h):
    z = torch.zeros(len(h), 3)
    z[:, :3] = m.fc2(h)
    return z


TAILS = {
    "plain": lambda m, h: m.fc2(h),
    "log_softmax": lambda m, h: F.log_softmax(m.fc2(h), dim=1),
    "softmax": lambda m, h: m.fc2(h).softmax(1),
    "scaled": lambda m, h: m.fc2(h) * 1.0,
    "bias": lambda m, h: m.fc2(h) + m.bias,
    "in place": in_place,
    "into a buffer": into_a_buffer,
    "tuple": lambda m, h: (m.fc2(h), h.shape),
    "dict": lambda m, h: {"logits": m.fc2(h), "n": 3},
    "several heads": lambda m, h: {"class": m.fc2(h), "box": [m.other(h).sigmoid()]},
    "named tuple": lambda m, h: Two(m.fc2(h), m.other(h)),
    "dataclass": lambda m, h: Output(m.fc2(h).float()),
    "sum of two heads": lambda m, h: m.fc2(h) + m.other(h).detach() * 0 + m.other(h),
    "an unused head": lambda m, h: (m.other(h), m.fc2(h))[1],
    "upsampled": lambda m, h: F.interpolate(m.fc2(h)[:, :, None, None], size=(2, 2), mode="bilinear"),
}


def first_tensor(out, labels):
    logits = next(iter(kd._heads.tensors(out)))
    return F.cross_entropy(logits.flatten(2).mean(2) if logits.ndim > 2 else logits, labels)


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_the_head_is_left_out_whatever_stands_behind_it(tail):
    torch.manual_seed(0)
    model, data = Tail(tail), (torch.rand(6, 8), torch.randint(0, 3, (6,)))
    assert kd.taylor.gates(model, data[0]) == {"fc1": "fc1"}
    for score in (kd.taylor.importance, kd.taylor.oracle):
        assert list(score(model, data, loss=first_tensor)) == ["fc1"]
    assert not any(m._forward_hooks for m in model.modules())


def test_layers_before_a_product_that_is_no_module_have_channels_to_remove():
    model = Tail(lambda m, h: F.linear(h, m.other.weight))
    assert kd.taylor.gates(model, torch.rand(2, 8)) == {"fc1": "fc1"}
    model = Tail(lambda m, h: -torch.cdist(h, m.other.weight))
    assert kd.taylor.gates(model, torch.rand(2, 8)) == {"fc1": "fc1"}


def test_where_the_head_cannot_be_told_it_asks_for_layers():
    model, data = Tail(lambda m, h: m.fc2(h).softmax(1) @ m.mixing), (torch.rand(6, 8), torch.randint(0, 3, (6,)))
    with pytest.raises(ValueError, match=r"layers must be given where the way .* cannot be followed; got None. Unclear: fc2. Name those whose channels are not the classes, among fc1, fc2"):  # fmt: skip
        kd.taylor.importance(model, data)
    assert list(kd.taylor.importance(model, data, layers=["fc1"])) == ["fc1"]
    lost = Tail(lambda m, h: torch.from_numpy(m.fc2(h).detach().numpy()))
    with pytest.raises(ValueError, match=r"layers must be given .* Unclear: fc1, fc2. Name those"):
        kd.taylor.oracle(lost, data)
    assert list(kd.taylor.oracle(lost, data, layers=["fc1"])) == ["fc1"]
    with pytest.raises(ValueError, match="loss must depend on the model's layers; got no gradient"):
        kd.taylor.importance(lost, data, layers=["fc1"])
    with pytest.raises(ValueError, match="layers must be among fc1; got 'fc2'. The head and layers that did not run"):
        kd.taylor.importance(Tail(TAILS["softmax"]), data, layers=["fc2"])


def test_a_layer_that_the_loss_does_not_reach_is_named():
    model, data = Tail(TAILS["plain"]), (torch.rand(6, 8), torch.randint(0, 3, (6,)))
    model.tail = lambda m, h: (m.fc2(F.relu(m.fc1(torch.ones(6, 8)))), h)[::-1]
    with pytest.raises(ValueError, match="layers must be among|model must have"):
        kd.taylor.importance(model, data)
    model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4), nn.Linear(4, 3))
    two = {"forward": lambda m, x: (m[2](m[1](x[:, :4])), m[2](m[0](x)))}
    with pytest.raises(
        ValueError, match="layer 1 must take part in the loss; got no gradient. Name the others in layers="
    ):
        kd.taylor.importance(model, data, loss=lambda out, y: F.cross_entropy(out[1], y), **two)


def old_gates(model, inputs):
    """As it was before: by the identity of tensors alone."""
    places, made = {}, {}

    def watch(name):
        def hook(module, args, output):
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                places[name], made[id(output)] = name, (name, output)
            elif args and id(args[0]) in made:
                layer = made[id(args[0])][0]
                places[layer], made[id(output)] = name, (layer, output)

        return hook

    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.BatchNorm1d)
    handles = [m.register_forward_hook(watch(n)) for n, m in model.named_modules() if isinstance(m, kinds)]
    with torch.no_grad():
        result = model.eval()(inputs)
    for handle in handles:
        handle.remove()
    places.pop(made.get(id(result), ("", None))[0], None)
    return places


def old_importance(model, places, inputs, labels):
    modules = dict(model.named_modules())
    values = {n: torch.ones(len(modules[n].weight), dtype=inputs.dtype, requires_grad=True) for n in places}
    with kd.taylor.gated(model.eval(), places, values):
        gradients = torch.autograd.grad(F.cross_entropy(model(inputs), labels), list(values.values()))
    return {n: g.square() for n, g in zip(values, gradients, strict=True)}


@pytest.mark.parametrize("name", ["mlp", "cnn", "deep_cnn", "mini_googlenet"])
def test_scores_are_what_they_were(name):
    model = kd.build(name, width=8)
    inputs, labels = torch.rand(5, 1, 28, 28), torch.arange(5)
    expected = old_importance(model, old_gates(model, inputs), inputs, labels)
    found = kd.taylor.importance(model, (inputs, labels))
    assert found.gates == old_gates(model, inputs)
    assert list(found) == list(expected)
    assert same(list(found.values()), list(expected.values()))


def test_one_image_is_looked_at_unless_the_model_refuses_it(batch):
    model, sizes = net(), []
    model.register_forward_pre_hook(lambda m, args: sizes.append(len(args[0])))
    assert kd.taylor.gates(model, batch[0]) == {"0": "1", "3": "3", "6": "7"}
    assert sizes == [1]

    def only_many(m, args):
        if len(args[0]) < 16:
            raise RuntimeError("exported for batches of 16")

    model.register_forward_pre_hook(only_many)
    assert kd.taylor.gates(model, batch[0]) == {"0": "1", "3": "3", "6": "7"}
    assert sizes == [1, 1, 16]


# ---------------------------------------------------------------- any data, any model


class Shared(nn.Module):
    """A convolution that runs twice, each time under a batch norm of its own; then grouped convolutions."""

    def __init__(self, own_norms=True):
        super().__init__()
        self.conv, self.grouped, self.head = nn.Conv2d(2, 2, 3), nn.Conv2d(2, 4, 3, groups=2), nn.Linear(4, 3)
        self.again = self.conv
        self.norms = nn.ModuleList([nn.BatchNorm2d(2), nn.BatchNorm2d(2) if own_norms else nn.Identity()])

    def forward(self, x):
        x = self.norms[0](self.conv(x)).relu()
        x = self.norms[1](self.again(x)).relu()
        return self.head(self.grouped(x).relu().mean((2, 3))).log_softmax(1)


@pytest.mark.parametrize("own", [True, False])
def test_a_layer_that_runs_twice_has_its_gate_behind_each_call(own):
    torch.manual_seed(0)
    model, data = Shared(own).double().eval(), (torch.rand(4, 2, 12, 12, dtype=torch.float64), torch.tensor([0, 1, 2, 0]))  # fmt: skip
    found = kd.taylor.importance(model, data, loss=F.nll_loss)
    assert found.gates == {"conv": "norms.0 and norms.1" if own else "conv", "grouped": "grouped"}

    def value(gate):
        at = ["norms.0", "norms.1"] if own else ["conv"]
        hooks = [model.get_submodule(n).register_forward_hook(lambda m, a, out: out * gate.view(-1, 1, 1)) for n in at]
        loss = F.nll_loss(model(data[0]), data[1])
        for hook in hooks:
            hook.remove()
        return loss

    gate = torch.ones(2, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(found["conv"], torch.autograd.grad(value(gate), gate)[0].square())
    removed = (value(torch.tensor([0.0, 1.0], dtype=torch.float64)) - value(gate.detach())).square()
    torch.testing.assert_close(kd.taylor.oracle(model, data, loss=F.nll_loss)["conv"][0], removed.detach())


def test_a_batch_norm_behind_two_layers_is_no_place_for_a_gate():
    norm = nn.BatchNorm2d(2)
    model = nn.Sequential(nn.Conv2d(2, 2, 3), norm, nn.Conv2d(2, 2, 3), norm, nn.Flatten(), nn.Linear(32, 3))
    assert kd.taylor.gates(model, torch.rand(1, 2, 8, 8)) == {"0": "0", "2": "2"}


def test_frozen_models_and_the_callers_no_grad(batch):
    model = net()
    expected = kd.taylor.importance(model, batch)
    model.requires_grad_(False)
    for context in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        with context:
            found, removed = kd.taylor.importance(model, batch), kd.taylor.oracle(model, batch, layers=["0"])
        assert found.gates == expected.gates
        assert same(list(found.values()), list(expected.values()))
        assert removed["0"].shape == (4,)


def test_compiled_and_parallel_models_are_scored_as_the_original(batch):
    model = net()
    expected = kd.taylor.importance(model, batch)
    for wrapped in (torch.compile(model), nn.DataParallel(model)):
        found = kd.taylor.importance(wrapped, batch)
        assert found.gates == expected.gates
        assert same(list(found.values()), list(expected.values()))


class Stream:
    """A stream that may be read once, and says how many of its batches are alive."""

    def __init__(self, batches):
        self.waiting, self.alive = iter(batches), []

    def __iter__(self):
        return self

    def __next__(self):
        x, y = next(self.waiting)
        batch = {"image": x.clone(), "label": y}
        self.alive = [r for r in self.alive if r() is not None] + [weakref.ref(batch["image"])]
        assert len(self.alive) <= 3, "first, present and next"
        return batch


def test_a_stream_is_read_once_and_batch_by_batch(batch):
    model = net()
    parts = [(batch[0][i : i + 4], batch[1][i : i + 4]) for i in range(0, 16, 4)]
    for score in (kd.taylor.importance, kd.taylor.oracle):
        expected = score(model, parts)
        found = score(model, Stream(parts), unpack=lambda b: (b["image"], b["label"]))
        assert same(list(found.values()), list(expected.values()))
        assert same(list(score(model, iter(parts)).values()), list(expected.values()))


def test_forward_and_unpack_adapt_models_and_batches(batch):
    model = net()
    expected = kd.taylor.importance(model, batch)
    adapted = {
        "forward": lambda m, x: {"logits": m(x["pixels"])},
        "loss": lambda out, y: F.cross_entropy(out["logits"], y),
    }
    for data in (({"pixels": batch[0]}, batch[1]), [({"pixels": batch[0]}, batch[1])]):
        assert same(list(kd.taylor.importance(model, data, **adapted).values()), list(expected.values()))
    one = {"image": batch[0], "label": batch[1]}
    for data, unpack in ((one, lambda b: (b["image"], b["label"])), ((*batch, torch.rand(16)), lambda b: b[:2])):
        assert same(list(kd.taylor.importance(model, data, unpack=unpack).values()), list(expected.values()))


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda m, x, y: kd.taylor.importance(m, {"image": x, "label": y}), TypeError, r"a batch of data must be a pair \(inputs, labels\); got dict of 2. Pass unpack=lambda batch"),
    (lambda m, x, y: kd.taylor.oracle(m, [(x, y, y)]), TypeError, r"a batch of data must be a pair \(inputs, labels\); got tuple of 3"),
    (lambda m, x, y: kd.taylor.importance(m, [(x, y)], unpack=lambda b: b[0]), TypeError, r"unpack must return a pair \(inputs, labels\); got Tensor of 16"),
    (lambda m, x, y: kd.taylor.importance(m, iter([])), ValueError, r"data must be a batch \(inputs, labels\) or several of them; got 'list_iterator'"),
    (lambda m, x, y: kd.taylor.importance(m, (x, y), forward=lambda m, x: (m(x), 0)), TypeError, "loss must be given where outputs are no tensor; got 'tuple'. Pass loss=lambda outputs, labels"),
    (lambda m, x, y: kd.taylor.importance(m, (x, y), forward=lambda m, x: m(x)[:, :1]), ValueError, r"loss must be given where there are no labels or no two classes \(N x C\); got outputs of shape \(16, 1\)"),
    (lambda m, x, y: kd.taylor.importance(m, (x, None)), ValueError, "loss must be given where there are no labels or no two classes .N x C.; got no labels"),
    (lambda m, x, y: kd.taylor.importance(m, (x, y), loss=lambda z, y: z), TypeError, r"loss must return a scalar tensor; got \(16, 3\). Reduce it"),
    (lambda m, x, y: kd.taylor.oracle(m, (x * float("nan"), y)), ValueError, "loss must be finite; got nan. Check the images"),
    (lambda m, x, y: kd.taylor.importance(m, (x, y), forward=lambda m, x: m[1:](m[0](x) + (m[0](x) * 0).sqrt())), ValueError, "the gradient of layer 0 must be finite; got NaN or infinity. Check the layers behind it"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_remedy(batch, call, error, text):
    with pytest.raises(error, match=text):
        call(net(), *batch)


def test_the_layerwise_loss_says_what_it_wants_of_the_teacher(batch):
    loss = kd.taylor.LayerwiseLoss(["3"], penalty=0)
    teacher = Tail(TAILS["tuple"])
    with pytest.raises(TypeError, match=r"the teacher's output for the loss layerwise must be N x C; got 'tuple'. Adapt it with forward="):  # fmt: skip
        loss.prepare(net(), lambda x: teacher(x.flatten(1)[:, :8].float()), batch[0])
    with torch.no_grad():
        loss.prepare(net(), net(1), batch[0])
    assert loss.projections[0].weight.dtype == torch.float64
    assert loss.projections[0].weight.shape == (3, 4 * 36)

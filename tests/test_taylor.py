"""First-order Taylor importance: equal to a slow road, on anyone's modules, and nothing left behind."""

import copy

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

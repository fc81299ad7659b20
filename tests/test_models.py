"""The registry, seeds, normalisation, and features of anyone's module by name."""

import pytest
import torch
from torch import nn
from torchvision import models as tv

import kdcourse as kd
from kdcourse.models import Capture, features, names, parameter_count, preserved

from .conftest import same


@pytest.mark.parametrize("name", ["linear", "mlp", "cnn", "deep_cnn", "mini_googlenet", "resnet18", "googlenet"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_every_model_maps_images_to_logits(name, shape):
    model = kd.build(name, num_classes=7, shape=shape).eval()
    assert model(torch.rand(2, *shape)).shape == (2, 7)
    assert model.config["name"] == name


def test_blocks_are_named_and_sizes_are_as_published():
    assert [n for n, _ in kd.build("cnn").named_children()] == ["normalise", "block1", "block2", "block3", "head"]
    assert [n for n, _ in kd.build("deep_cnn", width=4).named_children()][-2:] == ["block6", "head"]
    assert parameter_count(kd.build("deep_cnn", width=32)) == 288_170
    assert parameter_count(kd.build("alexnet", num_classes=1000, shape=(3, 224, 224))) == 61_100_840
    assert names() == sorted(names())


def test_a_seed_gives_the_same_weights_and_leaves_the_generator_alone(weights):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, two, other = kd.build("cnn", seed=3), kd.build("cnn", seed=3), kd.build("cnn", seed=4)
    assert torch.equal(state, torch.get_rng_state())
    assert same(weights(one), weights(two))
    assert not same(weights(one), weights(other))


def test_the_first_layer_normalises():
    model = kd.build("linear", mean=[0.5], std=[0.25])
    x = torch.rand(2, 1, 28, 28)
    assert torch.equal(model.normalise(x), (x - 0.5) / 0.25)
    assert "normalise.mean" in model.state_dict()


def test_features_need_no_change_of_the_module():
    for net, layer, channels in ((tv.resnet18(weights=None), "layer2", 128), (tv.googlenet(weights=None, aux_logits=False, init_weights=False), "inception3a", 256)):  # fmt: skip
        net.eval()
        x = torch.rand(2, 3, 64, 64)
        before = len(net.get_submodule(layer)._forward_hooks)
        got = features(net, x, [layer, "fc:in"])
        assert got[layer].shape[1] == channels
        assert torch.allclose(net.fc(got["fc:in"]), net(x), atol=1e-5)
        assert len(net.get_submodule(layer)._forward_hooks) == before == 0


def test_a_tensor_changed_in_place_is_refused():
    net = tv.resnet18(weights=None).eval()
    with pytest.raises(RuntimeError, match=r"layer bn1 was changed in place .*ReLU\(inplace=True\)"):
        features(net, torch.rand(1, 3, 64, 64), ["bn1"])


def test_a_layer_that_runs_twice_or_never_or_gives_no_tensor_is_refused():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.twice, self.never, self.pair = nn.Linear(2, 2), nn.Linear(2, 2), nn.LSTM(2, 2)

        def forward(self, x):
            return self.twice(self.twice(self.pair(x)[0]))

    for layer, text in (("twice", "it ran 2 times"), ("never", "it ran 0 times"), ("pair", "got tuple")):
        with pytest.raises(RuntimeError, match=f"layer {layer} must .*{text}"):
            features(Odd(), torch.rand(3, 2), [layer])


def test_hooks_are_gone_after_an_error():
    model = kd.build("cnn", width=4)
    with pytest.raises(ZeroDivisionError), Capture(model, ["block1"]):
        raise ZeroDivisionError
    assert not model.block1._forward_hooks


def test_preserved_restores_modes_and_buffers():
    model = kd.build("cnn", width=4)
    model.block1.eval()
    modes = [m.training for m in model.modules()]
    mean = model.block2[1].running_mean.clone()
    with pytest.raises(ZeroDivisionError), preserved(model):
        assert not any(m.training for m in model.modules())
        model.block2[1].running_mean.add_(1)
        raise ZeroDivisionError
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(model.block2[1].running_mean, mean)

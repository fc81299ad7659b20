"""What one watches while a model trains: the gradient's size by layer, and whether the metric still rises."""

import matplotlib
import numpy as np
import pytest
import torch
from torch import nn

import kdcourse as kd

matplotlib.use("agg")


class Own(nn.Module):
    """A linear layer, a frozen one, and a parameter that hangs on the model itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.frozen, self.flat = nn.Linear(4, 3), nn.Linear(3, 3).requires_grad_(False), nn.Flatten()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return self.scale * self.frozen(self.first(self.flat(x)).tanh())


@pytest.fixture
def pair():
    g = torch.Generator().manual_seed(0)
    return torch.randn(12, 4, generator=g), torch.randint(0, 3, (12,), generator=g)


def test_the_norms_are_those_of_the_last_batch_layer_by_layer(pair):
    torch.manual_seed(1)
    model = Own()
    kept = []

    def by_hand(run):
        kept.append({name: p.grad.clone() for name, p in run.student.named_parameters() if p.grad is not None})

    run = kd.train(model, pair, epochs=3, batch_size=6, callbacks=[kd.training.layer_norms, by_hand], progress=False)
    for epoch, gradients in enumerate(kept):
        both = (gradients["first.weight"].square().sum() + gradients["first.bias"].square().sum()).sqrt()
        assert run.history["grad_norm/first"][epoch] == pytest.approx(float(both))
        assert run.history["grad_norm/own"][epoch] == pytest.approx(float(gradients["scale"].norm()))
    assert run.history["grad_norm/frozen"] == [0.0] * 3
    assert "grad_norm/flat" not in run.history  # it has no parameter
    assert all(len(values) == 3 for values in run.history.values())
    assert len(run.history.table().rows) == 3


def test_norms_after_clipping_are_within_the_limit(pair):
    run = kd.train(Own(), pair, epochs=2, batch_size=6, clip=1e-3, callbacks=[kd.training.layer_norms], progress=False)
    assert max(run.history["grad_norm/first"]) <= 1e-3 + 1e-9
    assert max(run.history["grad_norm"]) > 1e-3  # the whole norm is read before


def test_the_layers_norms_are_drawn_as_no_loss_terms(pair):
    run = kd.train(Own(), pair, epochs=2, batch_size=6, callbacks=[kd.training.layer_norms], progress=False)
    left = run.plot().figure.axes[0]
    assert [line.get_label() for line in left.get_lines()] == ["loss"]


def test_a_rising_curve_has_not_plateaued_and_a_flat_one_has():
    noise = np.random.default_rng(0).normal(0, 0.003, 60)
    rising = 0.6 + 0.004 * np.arange(60) + noise
    assert not any(kd.training.plateaued(rising[:n], window=10) for n in range(1, 61))
    saturating = 0.9 - 0.3 * np.exp(-np.arange(60) / 6) + noise
    stops = [n for n in range(1, 61) if kd.training.plateaued(saturating[:n], window=10)]
    assert 30 <= stops[0] < 60  # the rise is lost in the noise from about 40 on
    assert kd.training.plateaued([0.5] * 20)
    assert kd.training.plateaued(list(np.linspace(0.9, 0.5, 20)))  # falling


def test_by_hand():
    assert not kd.training.plateaued([1.0, 3.0, 3.0, 5.0], window=2)  # 4 - 2 = 2 > sqrt((2 + 2) / 2) = 1.41
    assert kd.training.plateaued([1.0, 3.0, 2.0, 4.0], window=2)  # 3 - 2 = 1 <= 1.41
    assert not kd.training.plateaued([1.0, 3.0, 2.0], window=2)  # too short to judge
    assert not kd.training.plateaued([0.0, 9.0, 1.0, 3.0, 3.0, 5.0], window=2)  # only the last two windows count


@pytest.mark.parametrize("window", [1, 0, 2.5])
def test_a_window_needs_two_epochs(window):
    with pytest.raises(ValueError, match="window"):
        kd.training.plateaued([0.5] * 40, window=window)

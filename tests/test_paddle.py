"""Appendix A: owners and a distillation in PaddlePaddle, held to their twins in PyTorch.

PaddlePaddle is no part of the course's environment, so these run in one of their own: ``make test-paddle``.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import kdcourse as kd

paddle = pytest.importorskip("paddle", reason="PaddlePaddle is not here: make test-paddle builds an environment for it")

APPENDIX = Path(__file__).parent.parent / "notebooks/A_paddle.ipynb"


@pytest.fixture(scope="module")
def space():
    """The appendix's own names, after its cells ran."""
    names = {}
    for cell in json.loads(APPENDIX.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and "setup" not in cell["metadata"].get("tags", []):
            exec("".join(cell["source"]), names)
    return names


def weights(model):
    return {name: value.numpy() for name, value in model.state_dict().items()}


def test_ten_rounds_end_at_the_twins_weights(space):
    ours, theirs = weights(space["server"]), space["carried"](space["twin"])
    start = space["carried"](kd.build("linear", seed=0))
    for name, value in theirs.items():
        assert np.abs(ours[name] - value).max() < 1e-4
        assert np.abs(start[name] - value).max() > 0.01, "it learned"


@pytest.mark.parametrize(("ours", "theirs"), [("server", "twin"), ("student", "pupil")])
def test_accuracies_are_within_a_point(space, ours, theirs):
    test = space["splits"].test
    here = float((space["named"](space[ours], test) == test.labels).float().mean())
    assert abs(here - kd.evaluation.accuracy(space[theirs], test)) < 0.01
    assert here > 0.7


def test_its_layer_has_the_shape_that_the_diagram_draws(space):
    from kdcourse.diagrams import _frameworks

    for name, layer in (("PaddlePaddle", space["server"]), ("PyTorch", space["twin"].head[1])):
        assert tuple(layer.weight.shape) == _frameworks.SHAPES[name]


def test_weights_of_the_wrong_shape_are_skipped_with_a_warning_alone():
    layer = paddle.nn.Linear(784, 10)
    before = layer.weight.numpy().copy()
    with pytest.warns(UserWarning, match="Skip loading for weight"):
        layer.set_state_dict({"weight": np.ones((10, 784), "float32"), "bias": np.ones(10, "float32")})
    assert np.array_equal(layer.weight.numpy(), before)


def test_one_seed_draws_other_numbers_in_each_framework():
    paddle.seed(0)
    torch.manual_seed(0)
    assert not np.allclose(paddle.rand([100]).numpy(), torch.rand(100).numpy(), atol=0.01)


def test_another_order_of_the_batches_matters_more_than_another_framework(space):
    one, twin = space["taught"](space["shuffled"](0)), space["pupil"]
    other, images = space["taught"](space["shuffled"](1)), space["splits"].test
    ours = space["named"](one, images)
    by_framework = int((ours != twin(images.images).argmax(dim=1)).sum())
    assert 10 * by_framework < int((ours != space["named"](other, images)).sum())


def test_every_owner_takes_steps_of_its_own_from_the_servers_weights(space):
    server, before = space["server"], weights(space["server"])
    answers = [space["train"](server.state_dict(), owner, 0) for owner in (0, 1)]
    assert all(np.array_equal(value, before[name]) for name, value in weights(server).items())
    assert not np.array_equal(answers[0]["weight"], answers[1]["weight"])
    assert not np.array_equal(answers[0]["weight"], before["weight"])


def test_the_mean_weighs_owners_by_their_images(space):
    owners = space["owners"]
    answers = [{"weight": np.full((2, 3), float(k)), "bias": np.full(3, k - 1.0)} for k in range(len(owners))]
    updates = [
        kd.federated.Update(k, len(part), {n: torch.from_numpy(v) for n, v in answer.items()})
        for k, (part, answer) in enumerate(zip(owners, answers, strict=True))
    ]
    right = kd.federated.mean_of(updates)
    for name, value in space["merged"](answers).items():
        assert np.allclose(value, right[name].numpy())
    assert len({len(part) for part in owners}) > 1, "equal owners would hide a plain mean"


def test_the_loss_is_the_courses_soft_targets(space):
    T, at = space["T"], paddle.arange(50)
    student, public, soft = space["student"], space["public"], space["soft"]
    shift = paddle.to_tensor(np.linspace(-1, 1, 10, dtype="float32"))  # so that the two do not agree
    logits = student(public[at]) + shift
    F = space["F"]
    loss = T**2 * F.kl_div(F.log_softmax(logits / T, axis=1), soft[at], reduction="batchmean")
    theirs = torch.from_numpy(space["server"](public[at]).numpy())
    expected = kd.losses.soft_targets(torch.from_numpy(logits.numpy()), theirs, temperature=T, alpha=1.0)
    assert float(loss) == pytest.approx(float(expected), rel=1e-4)
    assert float(loss) > 0.01

"""Generated images: made from the model alone, balanced, confident, repeatable; the model left as found."""

import numpy as np
import pytest
import torch
from torch import nn

import kdcourse as kd
from kdcourse.synthesis import batch_norm_distance, total_variation

from .conftest import same


@pytest.fixture(scope="module")
def source(splits):
    """A source that is sure of what it has seen: two seconds of training on 8,000 images."""
    return kd.train(kd.build("cnn", width=8), splits, epochs=4, progress=False).student


QUICK = {"steps": 25, "progress": False}


@pytest.mark.filterwarnings("ignore:.*below confidence")
def test_images_are_balanced_in_range_and_called_what_they_were_made_for(source, weights):
    teacher = source.train()
    before = weights(teacher)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    made = kd.synthesise(teacher, 40, seed=1, progress=False, confidence=0.5)
    assert torch.equal(state, torch.get_rng_state())
    assert made.labels.bincount().tolist() == [4] * 10
    assert made.images.shape == (40, 1, 28, 28)
    assert 0 <= made.images.min() < made.images.max() <= 1
    assert (made.soft.argmax(1) == made.labels).float().mean() > 0.8
    assert made.provenance["batch_norm"] is True
    teacher.eval()
    assert torch.allclose(made.soft, teacher(made.images).detach(), atol=1e-4)
    assert same(before, weights(teacher))
    assert all(p.grad is None for p in teacher.parameters())
    assert not any(m._forward_pre_hooks for m in teacher.modules())


@pytest.mark.filterwarnings("ignore:.*below confidence")
def test_a_seed_decides_the_images(teacher):
    one, two, other = (kd.synthesise(teacher, 10, seed=s, **QUICK).images for s in (1, np.int64(1), 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


@pytest.mark.filterwarnings("ignore:.*below confidence")
def test_the_norm_term_brings_the_statistics_nearer(source):
    teacher = source

    def distance(norm_weight):
        made = kd.synthesise(teacher, 50, seed=0, norm_weight=norm_weight, progress=False, rounds=1)
        norms = [m for m in teacher.modules() if isinstance(m, nn.BatchNorm2d)]
        heard = []
        hooks = [
            m.register_forward_pre_hook(lambda m, a: heard.append(float(batch_norm_distance(a[0], m)))) for m in norms
        ]
        with torch.no_grad():
            teacher.eval()(made.images)
        for hook in hooks:
            hook.remove()
        return sum(heard)

    assert distance(5.0) < 0.5 * distance(0.0)


def test_the_terms_equal_slow_ones():
    x = torch.rand(3, 2, 4, 5)
    slow = sum(float((x[:, :, i + 1] - x[:, :, i]).abs().mean()) for i in range(3)) / 3
    slow += sum(float((x[..., j + 1] - x[..., j]).abs().mean()) for j in range(4)) / 4
    assert float(total_variation(x)) == pytest.approx(slow, rel=1e-5)
    norm = nn.BatchNorm2d(2)
    norm.running_mean.copy_(torch.tensor([0.2, -0.1]))
    per = [x[:, c].flatten() for c in range(2)]
    mean = torch.tensor([p.mean() for p in per]) - norm.running_mean
    var = torch.tensor([p.var(unbiased=False) for p in per]) - norm.running_var
    assert float(batch_norm_distance(x, norm)) == pytest.approx(float(mean.norm() + var.norm()), rel=1e-5)


def test_without_batch_norm_it_works_and_says_so(small):
    model = kd.train(kd.build("mlp", width=20), small, epochs=4, progress=False).student
    with pytest.warns(UserWarning, match="no batch norm statistics"):
        made = kd.synthesise(model, 10, confidence=0.0, **QUICK)
    assert made.provenance["batch_norm"] is False


def test_unsure_images_are_made_again_and_counted(teacher):
    with pytest.warns(UserWarning, match=r"\d+ of 10 images stayed below confidence 1.0 after 2 rounds"):
        made = kd.synthesise(teacher, 10, confidence=1.0, rounds=2, **QUICK)
    assert made.provenance["below_confidence"] == 10
    with pytest.warns(UserWarning, match="after 1 rounds"):
        once = kd.synthesise(teacher, 10, confidence=1.0, rounds=1, **QUICK)

    def sure(part):
        return part.soft.softmax(1).gather(1, part.labels[:, None])

    assert (sure(made) >= sure(once)).all()


@pytest.mark.parametrize(("options", "text"), [
    ({"n": 0}, "n must be a whole number above 0"),
    ({"steps": 0}, "steps must be"),
    ({"confidence": 2}, "confidence must lie between 0 and 1; got 2"),
    ({"shape": (28, 28)}, r"shape must be \(channels, height, width\)"),
    ({"num_classes": 3}, r"num_classes must fit the source, which should answer \(2, 3\) to two images; got \(2, 10\)"),
    ({"norm_weight": -1}, "norm_weight must be a finite number of at least 0"),
    ({"seed": -1}, "seed must be a whole number of at least 0; got -1"),
    ({"shape": (1, 28, 2.5)}, "each number of shape must be a whole number above 0; got 2.5"),
    ({"shape": 28}, r"shape must be \(channels, height, width\); got 28"),
    ({"shape": (3, 28, 28), "forward": lambda m, x: m(x[:, :1])[:, :7]}, r"num_classes must fit the source, which should answer \(2, 10\) to two images; got \(2, 7\)"),
    ({"shape": (1, 8, 8)}, r"shape must fit the source; got \(1, 8, 8\): mat1 and mat2 shapes cannot be multiplied .* Check shape and forward"),
    ({"num_classes": 1}, r"num_classes must be at least 2; got 1. A model with one logit for two classes is wrapped by num_classes=2, forward="),
    ({"forward": lambda m, x: m(x)[:, :1]}, r"got \(2, 1\). A model with one logit .* forward=lambda model, images: torch.nn.functional.pad"),
    ({"forward": lambda m, x: (m(x), 1)}, r"source must answer a tensor of logits, 2 x 10 to two images; got 'tuple'. Pass forward=lambda model, images: model\(images\)\[0\]"),
    ({"forward": lambda m, x: {"logits": m(x)}}, r"source must answer a tensor of logits.* got 'dict'. Pass forward="),
])  # fmt: skip
def test_bad_arguments_are_refused(teacher, options, text):
    with pytest.raises(ValueError, match=text):
        kd.synthesise(teacher, **{"progress": False} | options)


def test_an_unknown_module_needs_its_sizes(teacher):
    with pytest.raises(ValueError, match="num_classes must be given: the source has no config"):
        kd.synthesise(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))


# ---------------------------------------------------------------- what a source returns; what Ctrl-C leaves


@pytest.mark.filterwarnings("ignore:.*below confidence")
@pytest.mark.parametrize(("wrap", "forward"), [
    (lambda z: (z, "note"), lambda m, x: m(x)[0]),
    (lambda z: {"logits": z}, lambda m, x: m(x)["logits"]),
])  # fmt: skip
def test_forward_serves_sources_that_return_something_else(teacher, wrap, forward):
    expected = kd.synthesise(teacher, 10, **QUICK)
    teacher.register_forward_hook(lambda m, args, out: wrap(out))
    made = kd.synthesise(teacher, 10, forward=forward, **QUICK)
    assert torch.equal(made.images, expected.images)
    assert torch.equal(made.soft, expected.soft)


@pytest.mark.filterwarnings("ignore:the source has no batch norm")
def test_one_logit_for_two_classes_is_wrapped_as_the_message_says():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    wrap = {"num_classes": 2, "forward": lambda model, images: nn.functional.pad(model(images).reshape(-1, 1), (1, 0))}
    made = kd.synthesise(model, 8, shape=(1, 8, 8), confidence=0.0, **wrap, **QUICK)
    assert made.labels.tolist() == [0, 1] * 4
    assert ((model(made.images) > model(torch.full((1, 1, 8, 8), 0.5))).squeeze(1) == (made.labels == 1)).all()


@pytest.mark.filterwarnings("ignore:.*below confidence")
def test_it_works_where_the_caller_records_no_gradients(teacher):
    expected = kd.synthesise(teacher, 10, **QUICK)
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            made = kd.synthesise(teacher, 10, **QUICK)
        assert torch.equal(made.images, expected.images)


@pytest.mark.filterwarnings("ignore:.*below confidence")
def test_batches_have_equal_sizes_so_that_none_has_one_image(teacher):
    sizes = []
    teacher.register_forward_hook(lambda m, args, out: sizes.append(len(args[0])))
    made = kd.synthesise(teacher, np.int64(11), batch_size=np.int32(10), rounds=1, steps=1, progress=False)
    assert sizes == [2, 6, 6, 5, 5]
    assert made.labels.tolist() == [*range(10), 0]
    assert (made.images != 0).flatten(1).any(1).all()


def stopping(at):
    """A hook that is Ctrl-C at that call of the model."""
    calls = []

    def hook(module, args, output):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt

    return hook


@pytest.mark.filterwarnings("ignore:.*below confidence")
def test_ctrl_c_leaves_the_finished_batches(teacher, weights):
    whole = kd.synthesise(teacher, 30, batch_size=10, rounds=1, **QUICK)
    before, state = weights(teacher), torch.get_rng_state()
    handle = teacher.register_forward_hook(stopping(1 + 2 * 26 + 3))
    with pytest.raises(KeyboardInterrupt, match=r"interrupted with 20 of 30 images made, \d+ of them below confidence. They are in .part of this exception .in a notebook: sys.last_value.part.. The same call starts anew") as caught:  # fmt: skip
        kd.synthesise(teacher.train(), 30, batch_size=10, **QUICK)
    handle.remove()
    part = caught.value.part
    assert isinstance(caught.value, kd.Interrupted)
    assert torch.equal(part.images, whole.images[:20])
    assert torch.equal(part.labels, whole.labels[:20])
    assert torch.equal(part.soft, whole.soft[:20])
    assert part.provenance["interrupted"] is True and part.provenance["n"] == 30
    assert part.provenance["below_confidence"] == int(
        (part.soft.softmax(1).gather(1, part.labels[:, None]) < 0.5).sum()
    )
    assert same(before, weights(teacher)) and teacher.training
    assert torch.equal(state, torch.get_rng_state())
    assert not any(m._forward_pre_hooks for m in teacher.modules())
    assert "interrupted" not in whole.provenance


def test_ctrl_c_in_the_first_batch_leaves_an_empty_part(teacher):
    teacher.register_forward_hook(stopping(5))
    with pytest.raises(kd.Interrupted, match="interrupted with 0 of 30 images made") as caught:
        kd.synthesise(teacher, 30, **QUICK)
    assert len(caught.value.part) == 0
    assert caught.value.part.images.shape == (0, 1, 28, 28)


def test_the_bar_says_what_it_is(teacher, monkeypatch):
    seen = []
    original = kd.synthesis.progress_bar
    monkeypatch.setattr(kd.synthesis, "progress_bar", lambda show, **o: seen.append((show, o)) or original(False, **o))
    with pytest.warns(UserWarning, match="below confidence"):
        kd.synthesise(teacher, 11, batch_size=10, steps=3, rounds=2, confidence=1.0, progress=True)
    assert seen == [
        (True, {"total": 6, "desc": "synthesise"}),
        (True, {"total": 6, "desc": "synthesise again, 11 images"}),
    ]

"""Bars say the step, the model and the epoch, and change nothing in what is computed."""

import pytest
import torch

import kdcourse as kd
from kdcourse import _bars, _feeds, pipeline

from .conftest import same
from .test_pipeline import tiny  # noqa: F401 - a fixture


@pytest.fixture
def texts(monkeypatch):
    """What every bar that opens is called, at every moment, in order."""
    seen = []

    def opened(silent, **options):
        bar = _bars.open_bar(silent, **options)
        if not silent:
            seen.append(bar.desc)
            bar.refresh = lambda *a, **k: seen.append(bar.desc.removesuffix(": "))
        return bar

    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(_feeds, "open_bar", opened)
    return seen


def test_a_training_says_its_epoch_from_one(small, texts):
    kd.train(kd.build("cnn", width=4), small.train, epochs=3, seed=0)
    assert list(dict.fromkeys(texts)) == ["train, epoch 1", "train, epoch 2 of 3", "train, epoch 3 of 3"]


def test_a_stream_of_unknown_length_says_the_epoch_alone(small, texts):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            yield from zip(small.train.images[:64], small.train.labels[:64], strict=True)

    kd.train(kd.build("cnn", width=4), Stream(), epochs=2, batch_size=32)
    assert list(dict.fromkeys(texts)) == ["train, epoch 1", "train, epochs done: 1", "train, epochs done: 2"]


def test_names_hold_inside_and_run_out(small, texts):
    def trained():
        kd.train(kd.build("cnn", width=4), small.train, epochs=1)

    with _bars.naming("step 1", "the source"):
        trained()
        trained()
    trained()
    assert list(dict.fromkeys(texts)) == [
        "step 1, the source, epoch 1", "step 1, the source, epoch 1 of 1",
        "step 1, train, epoch 1", "step 1, train, epoch 1 of 1",
        "train, epoch 1", "train, epoch 1 of 1",
    ]  # fmt: skip


def test_names_end_where_an_error_ends_the_step():
    with pytest.raises(RuntimeError), _bars.naming("step 1"):
        raise RuntimeError
    with _bars.open_bar(False, desc="predict", total=1) as bar:
        assert bar.desc == "predict"


def test_every_bar_of_the_pipeline_says_step_and_model(tiny, texts):  # noqa: F811
    pipeline._regime("50 labels", tiny, "small-to-big", 50, 0, True, lambda text: None)
    assert [text.removesuffix(", epoch 1") for text in dict.fromkeys(texts) if " of " not in text] == [
        "step 1, the source", "step 1, a linear model beside it", "step 2, synthesise",
        "step 4, the source on its own images", "step 4, the target from the source", "step 4, the target on the labels",
        "step 4, the baseline", "step 4, the baseline once more",
    ]  # fmt: skip


def test_a_refined_source_has_a_name_of_its_own(tiny, texts, monkeypatch):  # noqa: F811
    monkeypatch.setattr(kd.data, "shift", lambda *a, **k: {"accuracy": 0.9, "p": 1e-9})
    pipeline._regime("50 labels", tiny, "small-to-big", 50, 0, True, lambda text: None)
    assert "step 1, the source once more, epoch 1" in texts


def test_bars_change_nothing_in_what_is_computed(small, texts, weights):
    shown, silent = kd.build("cnn", width=4, seed=0), kd.build("cnn", width=4, seed=0)
    kd.train(shown, small, epochs=2, seed=0, progress=True)
    kd.train(silent, small, epochs=2, seed=0, progress=False)
    assert texts and same(weights(shown), weights(silent))

"""What models answer: one pass over a feed, the teacher's answers kept where they can be, outputs that fit."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse._arguments import fail
from kdcourse._feeds import Batch, Feed, Forward, autocast, progress_bar
from kdcourse.data import NO_LABEL, Part, take
from kdcourse.losses import Side
from kdcourse.models import Blocks, Capture

MB = 2**20
SLACK = 1e-3  # a pixel may lie so far outside [0, 1]: resizing and JPEG overshoot by less


# ---------------------------------------------------------------- first answers: what cannot work fails here


def first_answer(ask: Callable[[], Any], model: nn.Module, inputs: Any, role: str) -> Any:
    """A model's first answer. What it raises becomes an error that names the inputs and the remedy."""
    before = _version(inputs)
    try:
        answer = ask()
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError, IndexError) as error:
        if " must " in str(error) and ("; got " in str(error) or "layer" in str(error)):  # one of ours
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        rule = f"answer the inputs, {about(inputs)}"
        raise fail(f"the {role}", rule, f"{type(error).__name__}: {reason}", _remedy(model, inputs, reason)) from error
    _unchanged(inputs, before, role)
    return answer


def about(value: Any) -> str:
    """Shape and dtype, or the kind of thing."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} of {', '.join(map(str, list(value)[:4]))}"
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, (tuple, list)) else "")


def _remedy(model: nn.Module, inputs: Any, reason: str) -> str:
    if not isinstance(inputs, Tensor):
        return "Pass forward=lambda model, inputs: model(...), which hands them over as the model wants them."
    if "more than 1 value per channel" in reason:
        return "Batch norm needs two examples a batch at least: raise batch_size, or set drop_last=True in the loader."
    built = getattr(model, "config", {}).get("shape") if isinstance(model, Blocks) else None
    if inputs.ndim == 4 and inputs.shape[-1] in (1, 3, 4) and inputs.shape[1] not in (1, 3, 4):
        return "The channels stand last: move them with images.permute(0, 3, 1, 2)."
    if built is not None and list(inputs.shape[1:]) != list(built):
        return f"The model was built for {tuple(built)}: build it with shape={tuple(inputs.shape[1:])}."
    if not inputs.is_floating_point():
        return "Convert whole numbers: images.float() / 255; token ids want an embedding first."
    first = next((p for p in model.parameters() if p.is_floating_point()), None)
    if first is not None and first.dtype != inputs.dtype:
        kind = str(first.dtype).removeprefix("torch.")
        return f"Its weights are {kind}: pass forward=lambda m, x: m(x.{kind}()), for one of two models as a pair."
    return "Check shape and dtype, or pass forward=lambda model, inputs: ... for both or as a pair."


def check_images(model: nn.Module, inputs: Any, role: str) -> None:
    """Refuse what a registry model cannot mean: it normalises in its first layer, and wants float images in [0, 1]."""
    if not isinstance(model, Blocks) or not isinstance(inputs, Tensor):
        return
    if not inputs.is_floating_point():
        raise fail(f"images for the {role}", "be floats in [0, 1]", about(inputs), "Write images.float() / 255.")
    if not inputs.numel() or torch._subclasses.fake_tensor.is_fake(inputs):
        return
    low, high = (float(v) for v in inputs.detach().aminmax())
    if math.isnan(low + high):
        raise fail(f"images for the {role}", "be numbers", "NaN among them", "Look for them with images.isnan().")
    if not -SLACK <= low <= high <= 1 + SLACK:
        remedy = (
            "Divide by 255."
            if high > 2 and low >= 0
            else "A registry model normalises in its first layer: leave Normalize out."
        )
        raise fail(f"images for the {role}", "lie in [0, 1]", f"values from {low:.3g} to {high:.3g}", remedy)


def logits_of(outputs: Any, role: str, *, heads: bool = False) -> Any:
    """The outputs, if a tensor (or with ``heads`` a dict of tensors); else an error that shows ``forward=``."""
    if isinstance(outputs, Tensor):
        return outputs
    if heads and isinstance(outputs, Mapping) and all(isinstance(v, Tensor) for v in outputs.values()):
        return outputs
    if hasattr(outputs, "logits"):
        how = "model(x).logits"
    elif isinstance(outputs, Mapping):
        how = f"model(x)[{next(iter(outputs), 'logits')!r}]"
    elif isinstance(outputs, (tuple, list)):
        how = "model(x)[0]"
    else:
        how = "..."
    raise fail(f"the {role}", "answer with one tensor of logits", about(outputs),
               f"Pass forward=lambda model, x: {how}, or a pair of such: teacher's, student's.", TypeError)  # fmt: skip


# ---------------------------------------------------------------- the teacher


class Supervisor:
    """The teacher's answers to a batch: logits and the features that the loss asks for, without gradients."""

    def __init__(
        self, teacher: nn.Module, captured: Capture, device: torch.device, forward: Forward, precision: str
    ) -> None:
        self.teacher, self.captured, self.device = teacher, captured, device
        self.forward, self.precision = forward, precision
        self._cached: dict[int, dict[str, Any]] = {}
        self._known: tuple[int, ...] = ()
        self._sum = 0.0

    def answer(self, feed: Feed, batch: Batch) -> Side:
        """From the cache, by position, or by running the teacher."""
        if self._cached and self._versions() != self._known:
            self._forget()
        store = self._cached.get(id(feed))
        if store is not None:
            features = {name: value[batch.positions] for name, value in store["features"].items()}
            return Side(take(store["logits"], batch.positions), features, self.teacher)
        with torch.no_grad(), autocast(self.device, self.precision):
            logits, features = self.captured.run(lambda: self.forward(self.teacher, batch.inputs))
        return Side(logits, features, self.teacher)

    def begin_epoch(self) -> None:
        """Notice a teacher that was changed behind autograd's back (through ``.data``) since the last epoch."""
        if self._cached and self._checksum() != self._sum:
            self._forget()

    def _values(self) -> list[Tensor]:
        return [*self.teacher.parameters(), *self.teacher.buffers()]

    def _versions(self) -> tuple[int, ...]:
        return tuple(0 if v.is_inference() else v._version for v in self._values())

    def _checksum(self) -> float:
        return sum(float(v.detach().double().nan_to_num().sum()) for v in self._values() if not v.is_quantized)

    def _forget(self) -> None:
        self._cached.clear()
        warnings.warn(
            "the teacher's weights changed during the run: its kept answers are dropped, and it is asked anew for "
            "every batch. Pass cache_mb=0 to say that it changes.",
            stacklevel=2,
        )

    def cache(self, feed: Feed, limit_mb: float, *, logits: bool = True, progress: bool = False) -> str:
        """Fill the cache for ``feed`` where possible, with what the loss asks for; say what was done."""
        if feed.part is None:
            return "off: a loader's batches have no fixed index"
        if feed.augment is not None:
            return "off: augmented images differ every epoch"
        if limit_mb == 0:
            return "off: cache_mb=0"
        pieces: list[Side] = []
        size = 0.0
        with progress_bar(progress, total=feed.steps, desc="the teacher answers") as bar:
            for batch in feed.epoch(shuffle=False):
                answer = self.answer(feed, batch)
                pieces.append(answer if logits else Side(None, answer.features))
                size = size or _bytes(pieces[0]) / batch.size * len(feed.part)
                if size > limit_mb * MB:
                    return f"off: {size / MB:.1f} MB would exceed cache_mb={limit_mb:g}"
                bar.update()
        names = list(pieces[0].features)
        self._cached[id(feed)] = {
            "logits": cat([piece.logits for piece in pieces], "teacher") if logits else None,
            "features": {name: torch.cat([piece.features[name] for piece in pieces]) for name in names},
        }
        self._known, self._sum = self._versions(), self._checksum()
        return f"on: {', '.join([*(['logits'] if logits else []), *names])}, {size / MB:.1f} MB"


class Recorded:
    """A teacher that is not there: its logits were recorded for these very inputs and lie beside them."""

    def answer(self, feed: Feed, batch: Batch) -> Side:
        """The recorded logits of the batch."""
        if batch.soft is None:
            raise fail("teacher", "be given where no logits were recorded", None,
                       "Pass a teacher, a part with .soft, or (inputs, labels, logits).")  # fmt: skip
        return Side(batch.soft, {}, None)

    def begin_epoch(self) -> None:
        """Nothing can have changed."""

    def cache(self, feed: Feed, limit_mb: float, *, logits: bool = True, progress: bool = False) -> str:
        """Nothing to fill."""
        return "recorded logits, no teacher"


def cat(values: list[Any], role: str = "model") -> Any:
    """The batches' outputs as one; tensors, or dicts of them."""
    if isinstance(values[0], Mapping):
        return {name: cat([value[name] for value in values], role) for name in values[0]}
    shapes = {tuple(v.shape[1:]) for v in values} if all(v.ndim for v in values) else {"", "()"}
    if len(shapes) > 1:
        got = f"shapes such as {tuple(values[0].shape)} and {tuple(values[-1].shape)}"
        remedy = "A .squeeze() without dim= drops the examples' dimension of a batch of one: write .squeeze(1)."
        raise fail(f"the {role}", "answer every batch with one row an example", got, remedy)
    return torch.cat(values)


def _bytes(side: Side) -> int:
    logits = list(side.logits.values()) if isinstance(side.logits, Mapping) else [side.logits]
    logits = [] if side.logits is None else logits
    return sum(value.numel() * value.element_size() for value in [*logits, *side.features.values()])


def predict(
    ask: Sequence[Callable[[Batch], Any]], feed: Feed, device: torch.device, *, precision: str = "float32",
    progress: bool = False,
) -> tuple[list[Any], Any]:  # fmt: skip
    """(each one's outputs, labels) of one pass, without gradients.

    All are asked about the same batch: two passes over a shuffled loader would compare different images.
    """
    rows, labels = [], []
    with torch.no_grad(), autocast(device, precision), progress_bar(progress, total=feed.steps, desc="predict") as bar:
        for batch in feed.epoch(shuffle=False):
            rows.append([_asked(one, batch) for one in ask])
            labels.append(batch.labels)
            bar.update()
    outputs = [_whole(cat(list(column))) for column in zip(*rows, strict=True)]
    known = next((value for value in labels if value is not None), None)
    if isinstance(known, Tensor):  # batches without labels beside others with some
        lengths = [len(row[0]) for row in rows]
        labels = [known.new_full((n, *known.shape[1:]), NO_LABEL) if v is None else v
                  for v, n in zip(labels, lengths, strict=True)]  # fmt: skip
    return outputs, None if known is None else cat(labels, "labels")


def _asked(one: Callable[[Batch], Any], batch: Batch) -> Any:
    """A model's answer; refused where it changes the inputs, which the next model is to see too."""
    before = _version(batch.inputs)
    answer = one(batch)
    _unchanged(batch.inputs, before, "model")
    return answer


def _unchanged(inputs: Any, before: int, role: str) -> None:
    if _version(inputs) != before:
        rule, remedy = "leave its inputs as they are", "Pass forward=lambda model, x: model(x.clone())."
        raise fail(f"the {role}", rule, "inputs changed in place", remedy)


def _version(value: Any) -> int:
    return value._version if isinstance(value, Tensor) and not value.is_inference() else 0


def _whole(outputs: Any) -> Any:
    """Half precision as float32, which metrics and NumPy can read."""
    half = isinstance(outputs, Tensor) and outputs.dtype in (torch.float16, torch.bfloat16)
    return outputs.float() if half else outputs


class Adapted(nn.Module):
    """A model as the caller's ``forward`` runs it; its layers keep their names."""

    inner: nn.Module
    ask: Forward

    def __init__(self, model: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.__dict__["inner"], self.__dict__["ask"] = model, forward

    def forward(self, inputs: Any) -> Any:
        return self.ask(self.inner, inputs)

    def named_modules(self, *args: Any, **kwargs: Any) -> Any:
        """The inner model's."""
        return self.inner.named_modules(*args, **kwargs)


def recorded(data: Any) -> bool:
    """Whether a part, or a triple of tensors, carries a teacher's logits."""
    return data.soft is not None if isinstance(data, Part) else isinstance(data, (tuple, list)) and len(data) == 3

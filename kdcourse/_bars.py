"""Progress bars that say what is running: the step, the model and the epoch. They decide no number."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

EPOCHS = ("train", "distil")  # bars of these names count epochs


@dataclass
class _Names:
    step: str
    runs: list[str]  # of the trainings to come, in their order

    def about(self, name: str) -> str:
        """A bar's name inside the step; a training's is the next of those that were announced."""
        own = self.runs.pop(0) if name in EPOCHS and self.runs else name
        return f"{self.step}, {own}"


_NAMES: ContextVar[_Names | None] = ContextVar("names", default=None)


@contextmanager
def naming(step: str, *runs: str) -> Iterator[None]:
    """Bars that open inside begin with ``step``; the trainings among them are called ``runs``, one after the other."""
    before = _NAMES.set(_Names(step, list(runs)))
    try:
        yield
    finally:
        _NAMES.reset(before)


def open_bar(silent: bool, *, desc: str, total: int | None) -> Any:
    """A bar of tqdm's for notebook or terminal; a training's says its epoch, from one."""
    names = _NAMES.get()
    text = desc if names is None else names.about(desc)
    shown = f"{text}, epoch 1" if desc in EPOCHS else text
    bar = _kind()(total=total, desc=shown, leave=False, unit="step", disable=silent)
    if desc in EPOCHS:
        bar.text, bar.epoch = text, 1
    return bar


@functools.lru_cache(maxsize=1)
def _kind() -> Any:
    """The class, made when the first bar opens: tqdm looks then whether this is a notebook."""
    from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        """Counts an epoch whenever a training sets its postfix, as it does at the end of each."""

        text = ""
        epoch = 0

        def set_postfix(self, *args: Any, **values: Any) -> None:
            """Show what the epoch gave and which comes next; of a stream of unknown length, how many are done."""
            if self.epoch and not self.disable:
                epochs = round(self.total * self.epoch / self.n) if self.total and self.n else 0
                shown = f"epoch {min(self.epoch + 1, epochs)} of {epochs}" if epochs else f"epochs done: {self.epoch}"
                self.epoch += 1
                self.set_description(f"{self.text}, {shown}", refresh=False)
            super().set_postfix(*args, **values)

    return Bar

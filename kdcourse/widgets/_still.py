"""ipywidgets; where it is missing, controls that stand still, so that a lesson shows each one's first picture."""

from collections.abc import Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import Any


class Still:
    """What a control says of itself before anybody moves it."""

    def __init__(
        self, *, options: Any = (), value: Any = None, index: int = 0, description: str = "", **rest: Any
    ) -> None:
        values = [option[1] if isinstance(option, tuple) else option for option in options]
        self.value = values[index] if value is None and values else value
        self.options, self.index, self.description = options, index, description
        self.style, self.layout = SimpleNamespace(), SimpleNamespace()

    def observe(self, heard: Any, name: str) -> None:
        """Nobody moves it."""


class StillBox:
    """Pictures of controls in a column: the picture alone is left."""

    def __init__(self, children: Sequence[Any]) -> None:
        self.children = children


def _found() -> Any:
    try:
        return import_module("ipywidgets")
    except ImportError:
        kinds = dict.fromkeys(("Dropdown", "FloatLogSlider", "FloatSlider", "HTML", "IntSlider"), Still)
        return SimpleNamespace(
            **kinds, SelectionSlider=type("Slider", (Still,), {}), VBox=StillBox, link=lambda *ends: None
        )


ipywidgets = _found()

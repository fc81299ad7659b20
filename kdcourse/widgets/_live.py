"""A picture below its controls, and what pictures are drawn with.

A picture is an ``<img>`` with alt text, drawn as SVG on its own background, so that it reads in both themes.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from torch import Tensor

from kdcourse._arguments import fail
from kdcourse.plots import COLOURS
from kdcourse.widgets._still import ipywidgets

VIEW = "application/vnd.jupyter.widget-view+json"
FONT = 'font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" fill="#222"'


@dataclass(frozen=True)
class Picture:
    """An SVG drawing of this width and height, and what it shows in words."""

    body: str
    width: float
    height: float
    alt: str

    def html(self) -> str:
        """The picture as ``<img>``."""
        size = f'width="{self.width:.0f}" height="{self.height:.0f}"'
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect width="100%" height="100%" fill="white"/>'
        data = base64.b64encode(f"{svg}<g {FONT}>{self.body}</g></svg>".encode()).decode()
        return f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(self.alt)}" {size}>'


class Live:
    """A picture below its controls. ``.controls`` are ipywidgets by name; ``.picture`` holds the HTML."""

    def __init__(self, draw: Callable[..., Picture], controls: Mapping[str, Any]) -> None:
        self.draw, self.controls = draw, dict(controls)
        self.picture = ipywidgets.HTML()
        for control in self.controls.values():
            control.style.description_width = "initial"
            control.layout.width = "32em"
            control.observe(lambda change: self.redraw(), "value")
        self.first = self.redraw()
        rows = [row for control in self.controls.values() for row in (control, *_list_beside(control))]
        self.view = ipywidgets.VBox([*rows, self.picture])

    def redraw(self) -> Picture:
        """Draw for the controls' present values."""
        found = self.draw(**{name: control.value for name, control in self.controls.items()})
        self.picture.value = found.html()
        return found

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The view; and its first picture, for a page on which nothing runs, or where ipywidgets is missing."""
        shown = {"text/html": self.first.html(), "text/plain": f"Control: {self.first.alt}"}
        if (model_id := getattr(self.view, "model_id", None)) is None:
            return shown
        return shown | {VIEW: {"version_major": 2, "version_minor": 0, "model_id": model_id}}


def _list_beside(control: Any) -> list[Any]:
    """For a slider with stops a list of the same stops, which moves with it.

    The handle of such a slider has no name that a screen reader could say; a list has its label.
    """
    if not isinstance(control, ipywidgets.SelectionSlider):
        return []
    words = f"{control.description}, as a list"
    stops = ipywidgets.Dropdown(options=control.options, index=control.index, description=words)
    stops.style.description_width, stops.layout.width = "initial", "20em"
    ipywidgets.link((control, "index"), (stops, "index"))
    return [stops]


def live(draw: Callable[..., Picture], **controls: Any) -> Live:
    """Redraw ``draw(**values) -> Picture`` whenever one of the controls (ipywidgets with a description) moves."""
    unlabelled = [name for name, control in controls.items() if not control.description]
    if unlabelled or not controls:
        raise fail("controls", "each have a description", unlabelled or "none", "Write description='temperature'.")
    return Live(draw, controls)


# ---------------------------------------------------------------- drawing


def text(x: float, y: float, words: str, anchor: str = "start", weight: str = "normal") -> str:
    """Words at a point; ``anchor``: start, middle or end."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'


def bars(
    x: float, y: float, title: str, values: Sequence[float], *, limits: tuple[float, float], width: float = 190,
    digits: int = 2, colour: str = COLOURS[0],
) -> str:  # fmt: skip
    """Horizontal bars from zero, one a row of 18 pixels, each with its number beside it."""
    low, high = limits
    zero, scale = x + width * -low / (high - low), width / (high - low)
    rows = [text(x, y - 8, title, weight="bold")]
    for i, value in enumerate(values):
        top, reach = y + 18 * i, float(np.clip(value, low, high)) * scale
        rows.append(f'<rect x="{min(zero, zero + reach):.1f}" y="{top + 2:.1f}" width="{abs(reach):.1f}" height="13" ')
        rows.append(f'fill="{colour}"/>' + text(x + width + 6, top + 13, f"{value:.{digits}f}"))
    return "".join(rows)


def bitmap(image: Tensor, x: float, y: float, size: float) -> str:
    """One greyscale image, H x W or 1 x H x W in [0, 1], as a picture in the picture."""
    from matplotlib.image import imsave

    file = io.BytesIO()
    imsave(file, image.detach().reshape(image.shape[-2:]).numpy(), cmap="gray", vmin=0, vmax=1, format="png")
    data = base64.b64encode(file.getvalue()).decode()
    place = f'x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" height="{size:.1f}" style="image-rendering:pixelated"'
    return f'<image href="data:image/png;base64,{data}" {place}/>'


def column_chart(x: float, y: float, stacks: Mapping[str, Sequence[float]], *, width: float, height: float) -> str:
    """Columns, one an epoch, each stacked from shares that sum to one."""
    n = len(next(iter(stacks.values())))
    below, parts = np.zeros(n), list[str]()
    for colour, values in zip(COLOURS, stacks.values(), strict=False):
        for i, value in enumerate(values):
            top = y + height * (1 - below[i] - value)
            size = f'width="{0.8 * width / n:.1f}" height="{height * value:.1f}"'
            parts.append(f'<rect x="{x + i * width / n:.1f}" y="{top:.1f}" {size} fill="{colour}"/>')
        below += np.asarray(values)
    for i in range(n):
        parts.append(text(x + (i + 0.4) * width / n, y + height + 16, str(i + 1), "middle"))
    return "".join(parts)

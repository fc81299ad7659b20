"""A small table that prints in a terminal and shows as HTML in a notebook."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from kdcourse._measured import Measured

__all__ = ["Table"]

CELL = "padding:2px 10px;border-bottom:1px solid var(--jp-border-color2,#ccc);color:var(--jp-ui-font-color1,inherit)"

INTERVAL = re.compile(
    r"\[[^\]]*\](?: \w+)?|[-+−]\d[\d.]* ± \d[\d.]*|not resolved"
)  # "[-1.2, +0.3] seeds" stays on one line


def _unbroken(text: str) -> str:
    """The text as HTML, with line breaks beside intervals but never inside one."""
    return INTERVAL.sub(r'<span style="white-space:nowrap">\g<0></span>', escape(text))


class Table:
    """Columns and rows; floats are shown with ``digits`` significant figures, None as a dash."""

    def __init__(
        self, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "", digits: int = 4
    ) -> None:
        self.columns, self.title, self.digits = list(columns), title, digits
        self.rows = [list(row) for row in rows]

    def _cells(self) -> list[list[str]]:
        return [[self._text(value) for value in row] for row in self.rows]

    def _text(self, value: Any) -> str:
        if value is None:
            return "–"
        return f"{value:.{self.digits}g}" if isinstance(value, float) else str(value)

    def _html(self, value: Any) -> str:
        return value._repr_html_() if isinstance(value, Measured) else _unbroken(self._text(value))

    def __str__(self) -> str:
        lines = [self.columns, *self._cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        texts = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([*([self.title] if self.title else []), texts[0], rule, *texts[1:]])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col" style="text-align:left;{CELL}">{escape(c)}</th>' for c in self.columns)
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align:left;{CELL}">{self._html(v)}</td>' for v in row) + "</tr>"
            for row in self.rows
        )
        caption = f'<caption style="text-align:left;{CELL}">{escape(self.title)}</caption>' if self.title else ""
        rows = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        return f'<table style="border-collapse:collapse">{caption}{rows}</table>'

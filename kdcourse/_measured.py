"""What this machine measured: shown so that a reader sees it is no recorded number, and tests know to blank it."""

import re
from html import escape
from typing import Any

__all__ = ["Measured", "measured"]


class Measured:
    """A value or a table that this kernel trained or timed.

    In HTML it stands in ``class="measured"``; in text after ``≈``, several lines between ``≈⟨`` and ``⟩``.
    """

    def __init__(self, value: Any, form: str = "") -> None:
        self.value, self.form = value, form

    def __format__(self, form: str) -> str:
        return str(Measured(self.value, form or self.form))

    def _plain(self) -> str:
        return format(self.value, self.form) if self.form else str(self.value)

    def __str__(self) -> str:
        text = self._plain()
        return f"≈ {text}" if re.fullmatch(r"[-+−]?[0-9][0-9.,]*(e[-+][0-9]+)?( ?%)?", text) else f"≈⟨{text}⟩"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        own = getattr(self.value, "_repr_html_", None)
        if own is not None and not self.form:
            return f'<div class="measured">{own()}</div>'
        text = escape(self._plain())
        lines = ' style="white-space: pre-line"' if "\n" in text else ""
        return f'<span class="measured"{lines}>{text}</span>'


def measured(value: Any, form: str = "") -> Measured:
    """Show what *this kernel* trained or timed: a number (with a format), a text, or a table.

    Args:
        value: anything that prints; what has an HTML form of its own keeps it.
        form: as for ``format``, ".1%", say.

    Example:
        >>> measured(0.8712, ".1%")
        ≈ 87.1%
    """
    return Measured(value, form)

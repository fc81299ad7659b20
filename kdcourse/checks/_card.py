"""What a learner sees: a card with the verdict, a note with a hint or a solution. HTML in a notebook, else text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

__all__ = ["Card", "Note"]

# Word and sign carry the state; colour only repeats it.
LOOKS = {
    "passed": ("✓", "#1a7f4b"),
    "answered": ("◐", "#7d6608"),
    "not yet": ("✗", "#b3541e"),
    "not attempted": ("○", "#5b6b7a"),
    "could not be checked": ("?", "#7a4fa3"),
}
BOX = (
    "max-width:58em;margin:4px 0;padding:8px 14px;border-left:5px solid {colour};border-radius:3px;line-height:1.45;"
    "background:var(--jp-layout-color1,#fff);color:var(--jp-ui-font-color1,#222);"
    "border-top:1px solid var(--jp-border-color2,#ccc);border-right:1px solid var(--jp-border-color2,#ccc);"
    "border-bottom:1px solid var(--jp-border-color2,#ccc)"
)
CODE = "font-family:var(--jp-code-font-family,monospace);font-size:0.92em;white-space:pre-wrap;overflow-wrap:anywhere"
TERM = (
    "padding:1px 14px 1px 0;vertical-align:top;text-align:left;font-weight:600;white-space:nowrap;border:none;"
    "color:inherit"
)
CELL = f"padding:1px 0;text-align:left;border:none;color:inherit;{CODE}"


@dataclass(frozen=True)
class Card:
    """A verdict on one task.

    Attributes:
        task: its id.
        title: its title.
        state: "passed", "not yet", "not attempted", "could not be checked", or "answered" (a prediction, partly right).
        says: one sentence.
        facts: (name, value) pairs: input, arguments, expected, got, difference, error.
        hint: what to do about it, where the checks know; else "".
        mistake: the name of the mistake that was recognised; else "".
        printed: what the function printed.
        note: what else a learner should know (progress not saved, no time limit).
        table: of a prediction: names of columns, then a row for each change.
        earned: the share of the points; a prediction may earn a part.
        said: of a prediction: each change with its word.
        seconds: of the processor, for all inputs.
        arguments: of the input that failed; ``check.input`` gives copies of them.
    """

    task: str
    title: str
    state: str
    says: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    mistake: str = ""
    printed: str = ""
    note: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    earned: float = 0.0
    said: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    seconds: float = field(default=0.0, compare=False)
    arguments: tuple[Any, ...] = field(default=(), compare=False, repr=False)

    @property
    def passed(self) -> bool:
        """Whether the task is done."""
        return self.state == "passed"

    def __str__(self) -> str:
        sign, _ = LOOKS[self.state]
        lines = [f"{sign} {self.title} ({self.task}): {self.state}", *([self.says] if self.says else [])]
        lines += [f"  {name}: {value}" for name, value in self.facts]
        for change, said, truth, measured, why in self.table[1:]:
            lines += [f"  {_sign(said, truth)} {change}: you said {said}; {truth} ({measured})", f"      {why}"]
        lines += [f"Hint: {self.hint}"] if self.hint else []
        lines += [f"Your function printed: {self.printed.strip()}"] if self.printed.strip() else []
        return "\n".join([*lines, *([self.note] if self.note else [])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        sign, colour = LOOKS[self.state]
        parts = [
            f'<div><span aria-hidden="true" style="color:{colour};font-weight:700">{sign}</span> '
            f"<b>{escape(self.title)} ({escape(self.task)}): {self.state}</b></div>"
        ]
        parts += [f"<div>{_marked(self.says)}</div>"] if self.says else []
        if self.facts:
            rows = "".join(
                f'<tr style="background:none"><th scope="row" style="{TERM}">{escape(name)}</th>'
                f'<td style="{CELL}">{escape(value)}</td></tr>'
                for name, value in self.facts
            )
            parts.append(f'<table style="border-collapse:collapse;margin:6px 0;border:none">{rows}</table>')
        parts += [_told(self.table)] if self.table else []
        parts += [f"<div><b>Hint.</b> {_marked(self.hint)}</div>"] if self.hint else []
        if self.printed.strip():
            shown = escape(self.printed.strip())
            parts.append(
                f'<details><summary>Your function printed</summary><div style="{CODE}">{shown}</div></details>'
            )
        parts += [f"<div><small>{escape(self.note)}</small></div>"] if self.note else []
        return f'<div role="status" style="{BOX.format(colour=colour)}">{"".join(parts)}</div>'


@dataclass(frozen=True)
class Note:
    """A hint or a solution: a heading, a text, and code where there is some."""

    heading: str
    text: str = ""
    code: str = ""

    def __str__(self) -> str:
        return "\n".join(part for part in (self.heading, self.text, self.code.rstrip()) if part)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        text = f"<div>{_marked(self.text)}</div>" if self.text else ""
        style = "margin:6px 0;background:none;color:inherit;font-family:var(--jp-code-font-family,monospace)"
        code = f'<pre style="{style}">{escape(self.code.rstrip())}</pre>' if self.code else ""
        box = BOX.format(colour="var(--jp-brand-color1,#2f6fab)")
        return f'<div style="{box}"><b>{escape(self.heading)}</b>{text}{code}</div>'


def _sign(said: str, truth: str) -> str:
    return "✓" if said == truth else "✗"


def _told(table: tuple[tuple[str, ...], ...]) -> str:
    """A prediction's table: what was said beside what happens; the sign carries what colour would."""
    style = "padding:2px 12px 2px 0;text-align:left;vertical-align:top;border:none;white-space:normal;color:inherit"
    head = "".join(f'<th scope="col" style="{style};font-weight:600">{escape(name)}</th>' for name in table[0])
    rows = ""
    for change, said, truth, measured, why in table[1:]:
        cells = (
            escape(change),
            f"{_sign(said, truth)}&nbsp;{escape(said)}",
            escape(truth),
            escape(measured),
            _marked(why),
        )
        inside = "".join(f'<td style="{style}">{cell}</td>' for cell in cells)
        rows += f'<tr style="background:none">{inside}</tr>'
    return f'<table style="border-collapse:collapse;margin:6px 0;border:none"><tr>{head}</tr>{rows}</table>'


def _marked(text: str) -> str:
    """Escaped, with `code` between back-ticks and *stress* between stars set as such."""
    pieces = [escape(piece) for piece in text.split("`")]
    pieces[::2] = [re.sub(r"\*(\w[^*]*?)\*", r"<em>\1</em>", piece) for piece in pieces[::2]]
    return "".join(f'<code style="{CODE}">{piece}</code>' if i % 2 else piece for i, piece in enumerate(pieces))

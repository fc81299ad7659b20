"""What a run of the pipeline says and is called: one sentence a regime, warnings as sentences, a plain folder name."""

import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from kdcourse._arguments import fail
from kdcourse._intervals import Difference

Finding = tuple[str, list[float], Difference]  # regime, accuracies of the distilled target and of labels alone


def findings(found: list[Finding]) -> str:
    """A sentence a regime: both accuracies, and whether their difference can be measured."""
    return "\n".join(["Right answers on the test images (one seed, nothing tuned)", *(_one(*item) for item in found)])


def _one(regime: str, accuracies: list[float], versus: Difference) -> str:
    ours, theirs = accuracies
    side = "better" if versus.difference > 0 else "worse"
    verdict = f"{side} by {abs(versus.scale * versus.difference):.1f} points" if versus.resolved else versus.reading
    return f"  {regime}: distilled {ours:.1%}, labels alone {theirs:.1%}: {verdict} ({versus.text()})"


def checked(checks: Iterable[Any]) -> str:
    """Step 1's rules of thumb, a line each: whether it is met, what it asks, what was measured."""
    said = {True: "met", False: "NOT met"}
    return "\n".join(filled(f"        {said[bool(c.met)]}: {c.rule} ({c.measured})") for c in checks)


def filled(text: str) -> str:
    """The text in lines of at most 100 columns."""
    return textwrap.fill(text, 100, subsequent_indent=" " * 10)


@contextmanager
def spoken(say: Callable[[str], None]) -> Iterator[None]:
    """While it lasts, a warning is a sentence among the others, without file and line."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *rest, **more: say(filled(f"Note: {message}."))
        yield


def plain_name(name: Any) -> str:
    """A name that is one folder below another, on every system."""
    plain = isinstance(name, str) and name.strip(" .") and name == name.strip() and name.isprintable()
    if not plain or set(name) & set('/\\:*?"<>|'):
        raise fail("name", "be a plain folder name", name, "Write my-run, say; the folder lies below runs/.")
    return str(name)

"""The glossary's terms, and a link to each at its first use in a lesson's prose (tools/course.py writes them)."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\[([^\]]+)\]\(\.\./docs/glossary\.md#[^)]+\)")
# Prose only: no made part, folded answer, reference, code, formula, link, HTML tag, heading, or Student who is Gosset.
PROTECTED = re.compile(
    r"^## References\n.*\Z|<!-- map:.*?<!-- end of map -->|<details>.*?</details>|```.*?```|`[^`\n]*`|\$\$.*?\$\$"
    r"|\$[^$\n]+\$|!?\[[^\]]*\]\([^)]*\)|<[^>\n]+>|^#[^\n]*$|Student's t\b",
    re.DOTALL | re.MULTILINE,
)


def terms() -> list[str]:
    """The headings of docs/glossary.md, longest first, so that "label smoothing" is found before "label"."""
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    return sorted(re.findall(r"^### (.+)$", text, re.MULTILINE), key=len, reverse=True)


def pattern(term: str) -> re.Pattern[str]:
    """The term, with a capital or a plural s, as a word of its own; a line break may stand between its words."""
    words = r"\s+".join(re.escape(word) for word in term.split())
    plain = words[0] if not words[0].isalpha() else f"[{words[0].lower()}{words[0].upper()}]"
    return re.compile(rf"(?<![\w-]){plain}{words[1:]}s?(?![\w-])")


def linked(texts: list[str]) -> list[str]:
    """Texts of a lesson, in order, with a link at each term's first use and nowhere else."""
    texts = [LINK.sub(r"\1", text) for text in texts]
    places: list[tuple[int, int, int, str]] = []
    taken = [[match.span() for match in PROTECTED.finditer(text)] for text in texts]
    for term in terms():
        place = _first(term, texts, taken)
        if place is not None:
            number, start, end = place
            taken[number].append((start, end))
            places.append((number, start, end, term.replace(" ", "-")))
    for number, start, end, slug in sorted(places, reverse=True):
        text = texts[number]
        texts[number] = f"{text[:start]}[{text[start:end]}](../docs/glossary.md#{slug}){text[end:]}"
    return texts


def _first(term: str, texts: list[str], taken: list[list[tuple[int, int]]]) -> tuple[int, int, int] | None:
    for number, text in enumerate(texts):
        for match in pattern(term).finditer(text):
            if all(match.end() <= start or match.start() >= end for start, end in taken[number]):
                return number, match.start(), match.end()
    return None

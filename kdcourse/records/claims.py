"""Rulings on the article's claims: what it says, what was measured, the verdict, what the field does."""

import json
import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from kdcourse._arguments import fail, one_of
from kdcourse._tables import CELL, Table
from kdcourse.records.experiments import mode
from kdcourse.records.store import folder, write

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef,import-not-found,unused-ignore]

__all__ = ["VERDICTS", "Ruling", "claims", "ledger", "rule", "rulings", "verdicts"]

VERDICTS = ("held", "failed", "mixed", "depends on the rates", "too noisy to tell", "not isolated")


def claims(place: Path | None = None) -> list[dict[str, Any]]:
    """The article's claims in our words: ``row``, ``claim``, ``evidence`` (slugs), ``parts`` where it has several."""
    text = ((place or folder()) / "claims.toml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["claim"]
    return found


@dataclass(frozen=True)
class Ruling:
    """A claim of the article, what was measured, the verdict, and what the field does; shows as a small table."""

    row: int
    claim: str
    measured: str
    verdict: str
    field: str
    source: str
    evidence: str = ""
    part: str = ""

    def lines(self) -> list[tuple[str, str]]:
        """(title, text) pairs."""
        return [
            (f"The article ({self.row}{self.part})", self.claim),
            ("We measured", self.measured),
            ("Verdict", self.verdict),
            ("The field", f"{self.field} ({self.source})"),
        ]

    def __repr__(self) -> str:
        return "\n".join(f"{title}: {text}" for title, text in self.lines())

    def _repr_html_(self) -> str:
        cell = f"text-align:left;vertical-align:top;{CELL}"
        rows = [
            f'<tr><th scope="row" style="white-space:nowrap;{cell}">{escape(title)}</th>'
            f'<td style="{cell}">{escape(text)}</td></tr>'
            for title, text in self.lines()
        ]
        return f'<table style="border-collapse:collapse;max-width:60em">{"".join(rows)}</table>'


def rule(
    row: int, *, evidence: str, measured: str, verdict: str, field: str, source: str, part: str = ""
) -> Ruling:  # fmt: skip
    """Rule on a claim of the article; the last expression of a cell shows the ruling.

    Args:
        row: the claim's number in claims.toml.
        evidence: the slug of the evidence that rules, which claims.toml names for this row.
        measured: a text made from values that its cells computed.
        verdict: "held", "failed", "mixed" (clear, both ways), "depends on the rates", "too noisy to tell", "not
            isolated" (the experiment changes more than the claim).
        field: what the field does.
        source: authors and year.
        part: the letter of a part, where claims.toml gives the claim parts.

    Writes ``results/why_distil_claims.json``, say; with ``KDCOURSE_RECORDS=check`` it writes nothing and fails where
    the recorded verdict is another.
    """
    known = {claim["row"]: claim for claim in claims()}
    if row not in known:
        raise fail("row", f"be one of {min(known)} to {max(known)}", row, "See claims.toml.")
    claim, parts = known[row], known[row].get("parts", {})
    if evidence not in claim["evidence"]:
        named = ", ".join(claim["evidence"])
        raise fail("evidence", f"be one that rules on row {row}: {named}", evidence, "See claims.toml.")
    if part not in (parts or {"": ""}):
        named = ", ".join(parts) or "none: the claim is ruled on whole"
        raise fail("part", f"be one of row {row}'s ({named})", part, "See claims.toml.")
    one_of("verdict", verdict, VERDICTS)
    ruling = Ruling(row, parts.get(part, claim["claim"]), measured, verdict, field, source, evidence, part)
    path = folder() / "results" / f"{evidence}_claims.json"
    saved = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    entry = {"row": row, **({"part": part} if part else {}), "measured": measured, "verdict": verdict}
    entry |= {"field": field, "source": source}
    others = [other for other in saved if (other["row"], other.get("part", "")) != (row, part)]
    if mode() == "check":
        recorded = [other["verdict"] for other in saved if other not in others]
        assert recorded == [verdict], f"row {row}{part}: {verdict} here, {recorded} on record. Run make notebooks."
    elif os.access(path.parent, os.W_OK):
        write(path, sorted([*others, entry], key=lambda other: (int(other["row"]), str(other.get("part", "")))))
    return ruling


def rulings(place: Path | None = None) -> list[Ruling]:
    """Every ruling on record that claims.toml still asks for, by row and part; ``place``: another ``folder()``."""
    found = []
    for claim in claims(place):
        parts = claim.get("parts", {"": claim["claim"]})
        for slug in claim["evidence"]:
            path = (place or folder()) / "results" / f"{slug}_claims.json"
            saved = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
            mine = [{"part": "", **ruling} for ruling in saved if ruling["row"] == claim["row"]]
            found += [Ruling(claim=parts[r["part"]], evidence=slug, **r) for r in mine if r["part"] in parts]
    return sorted(found, key=lambda ruling: (ruling.row, ruling.part))


def verdicts() -> dict[int, str]:
    """{row: verdict} of every claim that is ruled on; "mixed" where its parts or evidences differ."""
    found: dict[int, set[str]] = {}
    for ruling in rulings():
        found.setdefault(ruling.row, set()).add(ruling.verdict)
    return {row: next(iter(own)) if len(own) == 1 else "mixed" for row, own in found.items()}


def ledger() -> Table:
    """All claims with their verdicts; a dash where the lesson is not written yet."""
    ruled = verdicts()
    rows = [[c["row"], c["claim"], ruled.get(c["row"]), ", ".join(c["evidence"])] for c in claims()]
    return Table(["row", "the article", "verdict", "evidence"], rows, title="The article's claims")

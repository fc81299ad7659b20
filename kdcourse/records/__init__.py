"""What we found: recorded experiments, and rulings on the article's claims.

An evidence notebook hands its experiment to ``experiment``; ``make experiments`` runs it and writes
``notebooks/results/name.json``; a lesson draws its figures from ``read("name")``. A row names what made it, and is
refused when that has changed.
"""

from kdcourse.records.claims import VERDICTS, Ruling, claims, ledger, rule, rulings, verdicts
from kdcourse.records.experiments import audit, experiment, live
from kdcourse.records.store import Record, folder, paired, read
from kdcourse.records.tuning import Contrast, Tuned, contrast, tune

__all__ = [
    "VERDICTS", "Contrast", "Record", "Ruling", "Tuned", "audit", "claims", "contrast", "experiment", "folder",
    "ledger", "live", "paired", "read", "rule", "rulings", "tune", "verdicts",
]  # fmt: skip

"""What the figures share: a record's rows at each method's own rates."""

import statistics
from collections.abc import Sequence
from typing import Any

from kdcourse.records import Record

__all__ = ["best_of", "percent"]


def best_of(record: Record, methods: Sequence[str], **setting: Any) -> str:
    """The method that validation prefers: the mean over seeds of each run's best epoch, at its own rates."""

    def score(method: str) -> float:
        return statistics.fmean(max(c) for c in record.values("curve", method=method, rates="own", **setting))

    return max(methods, key=score)


def percent(record: Record, **setting: Any) -> float:
    """Test accuracy in %, the mean over seeds, at the method's own rates."""
    return 100 * record.mean("test", rates="own", **setting)

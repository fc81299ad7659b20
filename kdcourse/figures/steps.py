"""Figures of ``four_steps``: what each step is worth, by leaving it out, and where the whole pays."""

from kdcourse import plots
from kdcourse.evaluation import Difference
from kdcourse.records import Record

__all__ = ["regimes", "steps_left_out"]

WHOLE = "the four steps"
LEFT_OUT = {
    "labels only": "labels alone, no source",
    "without unlabelled images": "without unlabelled images",
    "without generated images": "without generated images",
    "without the Taylor term": "without the Taylor term",
    "with an untuned source": "with a source that nobody tuned",
    "taught by its equal": "with a source as large as the target",
}


def steps_left_out(record: Record, *, title: str) -> plots.Shown:
    """The four steps against the same with one thing left out or changed, and against labels alone.

    Args:
        record: ``pipeline_few``: rows by ``method``, at own rates.
        title: its fields are {labels} (labels alone), {unlabelled}, {generated}, {taylor}, {untuned}, {equal} and
            {fine_tuning}: the four steps minus that, in points.
    """
    rows: dict[str, Difference] = {}
    whole = {"method": WHOLE, "rates": "own"}
    for method, name in LEFT_OUT.items():
        rows[name] = record.paired("test", whole, {"method": method, "rates": "own"})
    rows["without fine-tuning"] = record.paired("test", whole, whole, minus="before fine-tuning")
    names = ("labels", "unlabelled", "generated", "taylor", "untuned", "equal", "fine_tuning")
    return plots.differences(
        rows, title=title, fields=dict(zip(names, rows.values(), strict=True)),
        xlabel="the four steps − this version, points of test accuracy",
        caption="To the right of zero the four steps are better. Ten seeds.",
    )  # fmt: skip


FIRST = ("small-to-big", "500")
CASES = {
    FIRST: "small to large, 500 labels",
    ("big-to-small", "500"): "large to small, 500 labels",
    ("small-to-big", "all"): "small to large, all labels",
    ("big-to-small", "all"): "large to small, all labels",
}


def regimes(few: Record, cases: Record, *, title: str) -> plots.Shown:
    """The four steps against the same target on the labels alone, in both directions, with few labels and with all.

    Args:
        few: ``pipeline_few``, the first case: rows by ``method``, at own rates.
        cases: ``pipeline_cases``, the others: rows by ``direction``, ``labels`` and ``method``, at own rates.
        title: its fields are {small} and {large}: the four steps minus labels alone, with all labels, from a
            small source and from a large one.
    """
    rows: dict[str, Difference] = {}
    for (direction, labels), name in CASES.items():
        case = {"direction": direction, "labels": labels, "rates": "own"}
        record = few if (direction, labels) == FIRST else cases
        rows[name] = record.paired("test", {**case, "method": WHOLE}, {**case, "method": "labels only"})
    fields = {"small": rows[CASES["small-to-big", "all"]], "large": rows[CASES["big-to-small", "all"]]}
    return plots.differences(
        rows, title=title, fields=fields, xlabel="the four steps − labels alone, points of test accuracy",
        caption="Five seeds, the first line ten.",
    )  # fmt: skip

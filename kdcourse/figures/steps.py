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
        xlabel="the four steps − the same without that, points of test accuracy",
        caption="To the right of zero: it helped. Ten seeds.",
    )  # fmt: skip


CASES = {
    ("small-to-big", 500): "small to large, 500 labels",
    ("big-to-small", 500): "large to small, 500 labels",
    ("small-to-big", None): "small to large, all labels",
    ("big-to-small", None): "large to small, all labels",
}


def regimes(record: Record, *, title: str) -> plots.Shown:
    """The four steps against the same target on the labels alone, in both directions, with few labels and with all.

    Args:
        record: ``pipeline``: rows by ``direction`` and ``labels``.
        title: its fields are {small} and {large}: labels alone minus the four steps, with all labels, from a
            small source and from a large one.
    """
    rows = {}
    for (direction, labels), name in CASES.items():
        case = {"direction": direction, "labels": labels}
        rows[name] = record.paired("distilled", case, case, minus="labels only")
    every = [{"direction": direction, "labels": None} for direction in ("small-to-big", "big-to-small")]
    ahead = [record.paired("labels only", case, case, minus="distilled") for case in every]
    fields = dict(zip(("small", "large"), ahead, strict=True))
    return plots.differences(
        rows, title=title, fields=fields, xlabel="the four steps − labels alone, points of test accuracy",
        caption="Five seeds; weights of the loss set by hand.",
    )  # fmt: skip

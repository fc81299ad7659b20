"""Tasks that have another id today: the one table that an old progress file and an old id in a notebook are read by."""

from typing import Any

__all__ = ["VERSION", "carried", "name_of_today"]

NUMBERS = {"01": "why_distil", "02": "splits_and_leaks", "03": "cross_entropy", "04": "mean_squared_error",
           "05": "taylor_fo", "10": "four_steps"}  # fmt: skip
# One dict a version of the progress file: {id until then: id since}. When a task moves, add a dict at the end; all
# its renamings happen at once, so two tasks may change places. Old dicts stay.
RENAMED: list[dict[str, str]] = [
    {f"{number}.{n}": f"{slug}.{n}" for number, slug in NUMBERS.items() for n in range(1, 6)},
    {
        "why_distil.1": "dark_knowledge.1",
        "why_distil.2": "dark_knowledge.2",
        "why_distil.4": "dark_knowledge.3",
        "why_distil.3": "why_distil.2",
        "why_distil.5": "why_distil.3",
        "cross_entropy.3": "eight_bugs.2",
        "cross_entropy.4": "cross_entropy.3",
        "cross_entropy.5": "cross_entropy.4",
    },
    {"splits_and_leaks.4": "shift.2", "splits_and_leaks.5": "shift.3"},
    {"taylor_fo.3": "channel_importance.2", "taylor_fo.4": "channel_importance.3", "taylor_fo.5": "pruning.4"},
    {"mean_squared_error.4": "mean_squared_error.5", "mean_squared_error.5": "mean_squared_error.4"},
]
VERSION = len(RENAMED) + 1  # of the progress file that is written


def carried(entries: dict[str, dict[str, Any]], version: int) -> dict[str, dict[str, Any]]:
    """A progress file's entries under today's ids; ids that no table names stay as they are, and nothing is lost."""
    for table in RENAMED[version - 1 :]:
        moved: dict[str, dict[str, Any]] = {}
        for name, entry in entries.items():
            name = table.get(name, name)
            moved[name] = _together(moved[name], entry) if name in moved else entry
        entries = moved
    return entries


def _together(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two entries that have become one: tries add up, what was reached stays reached, the later state stands."""
    first, last = sorted((one, other), key=lambda entry: str(entry.get("last", "")))
    both = {**first, **last}
    both |= {key: bool(one.get(key)) or bool(other.get(key)) for key in ("passed", "solution")}
    both["tries"] = int(one.get("tries", 0)) + int(other.get("tries", 0))
    both["hints"] = max(int(one.get("hints", 0)), int(other.get("hints", 0)))
    return both


def name_of_today(task: str) -> str | None:
    """What the task with that old id is called today; None where no table names it."""
    since = next((at for at in reversed(range(len(RENAMED))) if task in RENAMED[at]), None)
    if since is None:
        return None
    for table in RENAMED[since:]:
        task = table.get(task, task)
    return task

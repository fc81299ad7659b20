"""Changes that make recorded rows untrue, each on a copy of the tree: ``tools/experiments.py --check`` must notice."""

import json
import random
from pathlib import Path
from typing import NamedTuple


class Change(NamedTuple):
    """A change of the source: what it is, where, the text and its replacement, the evidence, what must be named."""

    name: str
    file: str
    text: str
    replacement: str
    evidence: str
    told: str


class Tampering(NamedTuple):
    """A number in a result file, moved by so many points."""

    record: str
    evidence: str
    points: float


SPLIT = 'splits = kd.split(kd.load(\\"fashion-mnist\\"), val=0.2, seed=0)'
LESSON = "notebooks/evidence/ladder.ipynb"
CHANGES = [
    Change("a split seed", LESSON, SPLIT, SPLIT.replace("seed=0", "seed=1"), "ladder", "notebook:splits"),
    Change("half of the data for validation", LESSON, SPLIT, SPLIT.replace("0.2", "0.5"), "ladder", "notebook:splits"),
    Change("an untrained teacher", LESSON, "teacher = kd.load_teacher()", 'teacher = kd.build(\\"deep_cnn\\")', "ladder",
           "notebook:teacher"),
    Change("T squared dropped", "kdcourse/losses/soft_targets.py", "return temperature**2 * ", "return ", "missing_class",
           "ran:kdcourse.losses.soft_targets:softened_kl"),
    Change("a shift of one pixel", "kdcourse/data/batching.py", "pixels: int = 2", "pixels: int = 1", "ladder",
           "ran:kdcourse.data.batching:flip_shift"),
    Change("twenty epochs become three", "notebooks/evidence/four_steps.ipynb", "ROWS, EPOCHS, TUNE_EPOCHS = 9000, 20, 8",
           "ROWS, EPOCHS, TUNE_EPOCHS = 9000, 3, 8", "four_steps", "notebook:EPOCHS"),
    Change("a class that answers at random", "kdcourse/models.py", "return (x - self.mean) / self.std", "return torch.rand_like(x)",
           "ladder", "ran:kdcourse.models:Normalise.forward"),
    Change("another default rate", "kdcourse/_settings.py", '"lr": 2e-3', '"lr": 1e-3', "ladder",
           "constant:kdcourse._settings:OPTIMIZERS"),
]  # fmt: skip
TAMPERINGS = [
    Tampering("ladder_finals", "ladder", 0.4), Tampering("leak", "leaks", 10), Tampering("bugs", "bugs", -1),
    Tampering("square", "classification", 2), Tampering("pipeline_cases", "four_steps", 5),
]  # fmt: skip


def apply(change: Change, tree: Path) -> dict[Path, str]:
    """Make the change in a copy of the tree; the files as they were."""
    (path,) = tree.glob(change.file)
    before = path.read_text()
    if change.text not in before:
        raise SystemExit(f"{change.name}: {change.text!r} is not in {change.file}")
    path.write_text(before.replace(change.text, change.replacement))
    return {path: before}


def tamper(one: Tampering, tree: Path) -> dict[Path, str]:
    """Move one number of one row; the file as it was."""
    path = tree / "notebooks/results" / f"{one.record}.json"
    before = path.read_text()
    saved = json.loads(before)
    row = random.Random(one.record).choice(saved["rows"])
    names = list(row)
    numbers = [k for k in names[names.index("seed") + 1 :] if isinstance(row[k], float) and k not in ("seconds", "by")]
    row[numbers[0]] += one.points / 100
    path.write_text(json.dumps(saved, indent=1, ensure_ascii=False) + "\n")
    return {path: before}

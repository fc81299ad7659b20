"""docs/adding.md, as it is written: its files in a copy of the project, its commands in their order."""

import json
import re
import shlex
import subprocess
import sys
from os import environ

import pytest

from .conftest import ROOT
from .test_project import in_tree, tree  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def blocks():
    """(language, first line's words, text) of each block."""
    words = (ROOT / "docs/adding.md").read_text(encoding="utf-8")
    return re.findall(r"```(\w+)\n((?:# \w+: \S+\n)?)(.*?)```", words, re.DOTALL)


def placed(root, what, path, text):
    """Write one block where it says that it belongs."""
    target = root / path
    if what == "line":
        before = target.read_text()
        new = re.findall(r"(\w+)", text.partition(" import ")[2])
        before = before.replace("__all__ = [", f"{text}\n__all__ = [\n    {', '.join(map(json.dumps, new))},", 1)
        target.write_text(before)
    elif what == "append":
        target.write_text(target.read_text() + "\n" + text)
    elif what == "notebook":
        source = target.with_suffix(".txt.py")
        source.write_text(text)
        subprocess.run([sys.executable, "-m", "jupytext", "--quiet", "--from", "py:percent", "--to", "ipynb", "--output", str(target), str(source)], check=True)  # fmt: skip
        source.unlink()
    else:
        assert what == "file"
        assert not target.exists()
        target.write_text(text)


def test_what_is_written_works(tree):  # noqa: F811
    pytest.importorskip("jupytext")
    pytest.importorskip("nbgrader")
    ran = []
    for language, head, text in blocks():
        if head:
            what, path = re.fullmatch(r"# (\w+): (\S+)\n", head).groups()
            placed(tree, what, path, text)
            continue
        assert language == "console"
        for line in text.strip().splitlines():
            done = in_tree(tree, *shlex.split(line)[1:])
            assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            ran.append(line)
    assert len(ran) == 7
    rows = json.loads((tree / "notebooks/results/angles.json").read_text())["rows"]
    assert len(rows) >= 4
    assert "[23 The direction of an answer](notebooks/23_angles.ipynb)" in (tree / "README.md").read_text()
    exercise = (tree / "exercises/23_angles.ipynb").read_text()
    assert "How far two answers point apart" in exercise and "cosine_similarity(z" not in exercise
    code = """
from torch.nn import functional as F
import kdcourse as kd
right = kd.checks.check("angles.1", lambda z, v: 1 - F.cosine_similarity(z, v, dim=1))
wrong = kd.checks.check("angles.1", lambda z, v: F.cosine_similarity(z, v, dim=1))
assert right.passed and not wrong.passed and "must give 0" in str(wrong)
print(kd.losses.Angle() + kd.losses.LogitMSE())
"""
    environment = environ | {"PYTHONPATH": str(tree), "KDCOURSE_PROGRESS": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, env=environment, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = in_tree(tree, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace", "notebooks/23_angles.ipynb")  # fmt: skip
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert "squared error" in (tree / "notebooks/23_angles.ipynb").read_text()

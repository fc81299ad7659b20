"""What makes recorded rows untrue is noticed: eight changes and five moved numbers, each on a copy of the tree."""

import os
import shutil
import subprocess
import sys

import pytest

from .changes import CHANGES, TAMPERINGS, apply, tamper
from .conftest import ROOT

pytestmark = [pytest.mark.records, pytest.mark.slow]
LEFT = shutil.ignore_patterns(
    ".venv*", ".git", "__pycache__", "runs", ".*_cache", "*.egg-info", ".hypothesis", "build", "dist"
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("copy") / "tree", ignore=LEFT)


def check(tree, evidence):
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "tools/experiments.py", "--check", evidence]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_that_makes_rows_untrue_is_noticed(tree, change):
    before = apply(change, tree)
    try:
        done = check(tree, change.evidence)
    finally:
        for path, text in before.items():
            path.write_text(text)
    assert done.returncode != 0
    assert "is stale:" in done.stderr
    assert change.told in done.stderr, done.stderr[-600:]


@pytest.mark.parametrize("one", TAMPERINGS, ids=lambda one: one.record)
def test_a_number_that_was_moved_is_noticed(tree, one):
    before = tamper(one, tree)
    try:
        done = check(tree, one.evidence)
    finally:
        for path, text in before.items():
            path.write_text(text)
    assert done.returncode != 0
    assert f"{one.record}: its rows are not those that were recorded" in done.stderr, done.stderr[-600:]


def test_the_untouched_copy_is_not_stale(tree):
    done = check(tree, "ladder")
    assert done.returncode == 0, done.stderr[-600:]

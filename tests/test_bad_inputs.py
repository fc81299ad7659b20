"""The table of bad inputs: every call is refused by a message that names argument, rule, value and remedy."""

import re
import sys
import time

import pytest

from .bad_inputs import rows
from .conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import errors


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    return errors.namespace(tmp_path_factory.mktemp("bad"))


def documented():
    table = re.findall(r"^\| `(.+?)` \| (.+) \|$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    return {call.replace("\\|", "|"): text.replace("\\|", "|").replace("\\<", "<") for call, text in table}


def test_every_row_is_documented_as_it_is_said(names):
    started, told = time.perf_counter(), documented()
    assert list(told) == [call for _, call in rows()]
    for _, call in rows():
        assert errors.said(call, names) == told[call], f"{call}: run python tools/errors.py"
    print(f"{len(told)} rows in {time.perf_counter() - started:.1f} s")


def test_there_are_enough_and_each_has_its_four_parts():
    told = documented()
    assert len(told) >= 120
    assert len(set(told)) == len(told)
    plain = {call: text for call, text in told.items() if not re.search(r"\S.* must .*; got .*\. \S", text)}
    # three say the same in other words: the file that is missing, twice, and a loss that looks inside
    assert len(plain) <= 3, plain
    for text in plain.values():
        assert re.search(r"must hold|looks inside", text)

"""Each work that a lesson or an evidence cites stands in docs/references.bib, with its author and its year."""

import json
import re

import pytest

from .conftest import ROOT

LISTS = sorted([*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "notebooks/evidence").glob("*.ipynb")])


def entries():
    """{title: (key, authors' last names, year)} of docs/references.bib."""
    found = {}
    for entry in (ROOT / "docs/references.bib").read_text(encoding="utf-8").split("\n@")[1:]:
        fields = dict(re.findall(r"(?m)^  (\w+) += \{(.*)\},$", entry))
        names = [name.strip("{}").split(",")[0] for name in fields["author"].split(" and ") if name != "others"]
        found[fields["title"].strip("{}")] = (re.match(r"\w+\{([^,]+)", entry)[1], names, fields["year"])
    return found


def short(title):
    """A title's name, where it has one: "Fashion-MNIST: a Novel Image Dataset"."""
    name, colon, _ = title.partition(": ")
    return re.sub(r"\W", "", name.casefold()) if colon else ""


def cited(path):
    """The lines of a notebook's list of references."""
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    listed = [cell.partition("## References")[2] for cell in cells if "## References" in cell]
    return [" ".join(line.split()) for line in re.findall(r"(?m)^- (.*(?:\n  .*)*)$", "\n".join(listed))]


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_each_work_that_is_cited_stands_in_the_bibliography(path):
    """By its title; its first author and its year agree."""
    known = {re.sub(r"\W", "", title.casefold()): rest for title, rest in entries().items()}
    known |= {key: rest for title, rest in entries().items() if (key := short(title)) and key not in known}
    for line in cited(path):
        if "`KLDivLoss`" in line:
            continue  # a page of documentation
        line = re.sub(r"arXiv[: ]\d+\.\d+", "", line)  # a number that may look like a year
        works = re.findall(r"([^*]*?)\*([^*]+?)\.?\*([^*]*?(?:19|20)\d\d)", line)
        assert works, line
        for who, title, rest in works:
            found = known.get(re.sub(r"\W", "", title.casefold()))
            assert found, f"{title} is not in docs/references.bib"
            _, names, year = found
            assert names[0].split()[-1] in who, (line, names)
            assert year in rest, (line, year)


def test_the_bibliography_holds_nothing_else():
    lines = "\n".join(line for path in LISTS for line in cited(path))
    bare = re.sub(r"\W", "", lines.casefold())
    whole = {title: re.sub(r"\W", "", title.casefold()) for title in entries()}
    assert not [title for title, key in whole.items() if key not in bare and (short(title) or key) not in bare]
    keys = [key for key, *_ in entries().values()]
    assert keys == sorted(set(keys))

"""voice.md's figures, measured on every lesson; a lesson fails them only once course.toml gives it ``form = 2``."""

import json
import re

import pytest

from .conftest import ROOT
from .test_project import COURSE

LIMITS = {"cells": 30, "code cells": 12, "words": 1500, "lines of code": 120, "≈ in what people read": 0, "columns": 4}
LEAST = {"concept diagrams": 1, "typeset formulas": 1}
WITHOUT_FORMULA = {"start_here", "why_distil"}  # their ideas are told in words and pictures


def measures(notebook):
    """What voice.md counts, of a notebook's JSON."""
    cells = notebook["cells"]
    code = [c for c in cells if c["cell_type"] == "code" and "".join(c["source"]).strip()]
    own = [c for c in code if not {"setup", "harness"} & set(c["metadata"].get("tags", []))]
    prose = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    lines = [line for c in own for line in "".join(c["source"]).splitlines()]
    html = " ".join("".join(o.get("data", {}).get("text/html", "")) for c in own for o in c.get("outputs", []))
    read = re.sub(r'alt="[^"]*"', "", html) + prose
    heads = [len(re.findall(r"<th[ >]", head)) for head in re.findall(r"<thead.*?</thead>", html, re.DOTALL)]
    return {
        "cells": len(cells),
        "code cells": len(own),
        "words": len(re.sub(r"</?[a-z][^<>]*>", "", prose).split()),
        "lines of code": sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines),
        "≈ in what people read": read.count("≈"),
        "columns": max(heads, default=0),
        "typeset formulas": len(re.findall(r"\$\$.+?\$\$", prose, re.DOTALL)),
        "concept diagrams": sum("diagrams." in line for line in lines),
        "figures without a title": sum(
            not re.search(r'class="measured"|title=|diagrams\.|\.plot\(', "".join(c["source"]))  # a run titles itself
            for c in own
            if any("image/png" in o.get("data", {}) for o in c.get("outputs", []))
        ),
    }


def faults(slug, found):
    """Where a lesson is beyond voice.md's figures."""
    far = [f"{found[name]} {name} (at most {most})" for name, most in LIMITS.items() if found[name] > most]
    few = [n for n in LEAST if found[n] < LEAST[n] and not (n == "typeset formulas" and slug in WITHOUT_FORMULA)]
    far += [f"{found[name]} {name} (at least {LEAST[name]})" for name in few]
    return far + (
        [f"{found['figures without a title']} figures without a title"] if found["figures without a title"] else []
    )


def notebook(lesson):
    (path,) = (ROOT / "notebooks").glob(f"*_{lesson['slug']}.ipynb")
    return json.loads(path.read_text())


def test_the_figures_of_all_lessons(capsys):
    rows = {lesson["slug"]: measures(notebook(lesson)) for lesson in COURSE}
    names = list(next(iter(rows.values())))
    with capsys.disabled():
        print("\n| lesson | " + " | ".join(names) + " |")
        for slug, found in rows.items():
            print(f"| {slug} | " + " | ".join(str(found[name]) for name in names) + " |")
    assert set(LIMITS) | set(LEAST) < set(names)


@pytest.mark.parametrize(
    "lesson", [lesson for lesson in COURSE if lesson["form"] == 2], ids=lambda lesson: lesson["slug"]
)
def test_a_lesson_of_the_second_form_keeps_to_them(lesson):
    assert faults(lesson["slug"], measures(notebook(lesson))) == []


# ---------------------------------------------------------------- every number in prose comes from a cell

NUMBER = r"(?<![\w.,/])(\d+/\d+|\d[\d,]*(?:\.\d+)?)(?![\w/])"
STATED = {  # what lessons may say without a cell: facts that the next test checks
    "8,000": "training images", "2,000": "validation images", "10,000": "test images", "7,500": "without a label",
    "45,000": "images that trained the teacher", "28": "pixels a side", "95": "per cent, the level of every interval",
}  # fmt: skip


def prose_of(notebook):
    """What a reader reads as sentences: no heading, frame, table, formula, code, folded answer, link or reference."""
    text = "\n\n".join(
        "".join(c["source"]).split("## References")[0] for c in notebook["cells"] if c["cell_type"] == "markdown"
    )
    for unread in (
        r"<!-- map:.*?<!-- end of map -->",
        r"<details>.*?</details>",
        r"\$\$.*?\$\$",
        r"\$[^$\n]+\$",
        r"`[^`]*`",
    ):
        text = re.sub(unread, "", text, flags=re.DOTALL)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", lambda match: re.sub(r"[Ll]esson\s+\w\w", "", match[1]), text)
    lines = [line for line in text.splitlines() if not re.match(r"#|\|", line) and " · needs: " not in line]
    return "\n".join(lines)


def told_by(notebook):
    """Every number in a notebook's code and outputs, as texts without thousands' commas."""
    found = []
    for c in notebook["cells"]:
        if c["cell_type"] == "code" and "setup" not in c["metadata"].get("tags", []):
            found += ["".join(c["source"]), *("".join(o.get("text", "")) for o in c["outputs"])]
            data = [o.get("data", {}).get(kind, "") for o in c["outputs"] for kind in ("text/plain", "text/html")]
            found += [re.sub(r"base64,[\w+/=]+", "", "".join(text)) for text in data]
    text = "\n".join(found)
    numbers = re.findall(r"\d[\d,_]*(?:\.\d+)?(?:e-?\d+)?", text)
    fractions = re.findall(r"(?<![\w.])(\d+)/(\d+)(?![\w.])", text)
    plain = {float(number.replace(",", "").replace("_", "")) for number in numbers}
    return plain | {int(above) / int(below) for above, below in fractions if int(below)}


def untold(notebook, *evidence):
    """The numbers in its prose that neither its own cells nor its evidence's tell, small counts and years aside."""
    there, missing = set().union(*map(told_by, (notebook, *evidence))), []
    for number in re.findall(NUMBER, prose_of(notebook)):
        number = number.rstrip(",")
        above, _, below = number.replace(",", "").partition("/")
        value, digits = float(above) / float(below or 1), len(above.partition(".")[2]) or (3 if below else 0)
        if number in STATED or re.fullmatch(r"(19|20)\d\d", number) or (number.isdigit() and value < 10):
            continue
        told = any(round(known, digits) == round(value, digits) or f"{known:g}" == f"{value:.2f}" for known in there)
        missing += [] if told else [number]
    return missing


def evidence_of(lesson):
    paths = [ROOT / "notebooks/evidence" / f"{slug}.ipynb" for slug in lesson["evidence"]]
    return [json.loads(path.read_text()) for path in paths]


@pytest.mark.parametrize(
    "lesson", [lesson for lesson in COURSE if lesson["form"] == 2], ids=lambda lesson: lesson["slug"]
)
def test_every_number_in_prose_comes_from_a_cell(lesson):
    assert untold(notebook(lesson), *evidence_of(lesson)) == []


def test_what_lessons_may_state_is_so(splits):
    assert (len(splits.train), len(splits.val), len(splits.test)) == (8000, 2000, 10000)
    assert splits.train.images.shape[-1] == 28
    card = json.loads((ROOT / "kdcourse/assets/teacher/config.json").read_text())
    assert card["about"]["train_images"] == 45000


def test_a_number_that_no_cell_tells_is_found():
    said = "It gains 4.2 points, 17 of 300, or 1/16; `8.8`, $9.9$, [lesson 12](x.ipynb), in 2015, with 2 seeds, 12,000."
    cells = [cell("markdown", said), cell("code", "x = 300", [{"text": ["4.21 0.0625 12000"]}])]
    assert untold({"cells": cells}) == ["17"]
    assert untold({"cells": cells}, {"cells": [cell("code", "17")]}) == []
    assert untold({"cells": [cell("markdown", "It gains 4.3 points."), cells[1]]}) == ["4.3"]


# ---------------------------------------------------------------- voice.md's figures can fail


def cell(kind, source, outputs=(), tags=()):
    return {"cell_type": kind, "source": [source], "outputs": list(outputs), "metadata": {"tags": list(tags)}}


def table(columns):
    head = "".join(f"<th>{i}</th>" for i in range(columns))
    return {
        "data": {"text/html": [f"<table><thead><tr>{head}</tr></thead><tbody><tr><td>≈ 3</td></tr></tbody></table>"]}
    }


def test_each_figure_is_counted_and_can_fail():
    good = {"cells": [cell("markdown", "# A title\n\n$$a = b$$"), cell("code", "x = 1\n" * 300, tags=["setup"]),
                      cell("code", "kd.diagrams.leak()")]}  # fmt: skip
    assert faults("x", measures(good)) == []
    between = {"cells": [cell("markdown", "p < 0.05 and four more words, r > 0 <b>bold</b>")]}
    assert measures(between)["words"] == 11, "a sign is no tag"
    long = {"cells": [*good["cells"], *[cell("markdown", "word " * 100)] * 15, *[cell("code", "y = 2\n" * 10)] * 13]}
    texts = " ".join(faults("x", measures(long)))
    for name in ("cells", "code cells", "words", "lines of code"):
        assert f" {name} (at most" in texts, name
    wide = {"cells": [*good["cells"], cell("code", "t", [table(5)])]}
    assert faults("x", measures(wide)) == ["1 ≈ in what people read (at most 0)", "5 columns (at most 4)"]
    bare = {
        "cells": [cell("markdown", "# A"), cell("code", "f()", [{"data": {"image/png": "", "text/html": "<img>"}}])]
    }
    assert faults("x", measures(bare)) == [
        "0 concept diagrams (at least 1)", "0 typeset formulas (at least 1)", "1 figures without a title"]  # fmt: skip
    assert faults("start_here", measures(bare))[0] == "0 concept diagrams (at least 1)"
    assert len(faults("start_here", measures(bare))) == 2

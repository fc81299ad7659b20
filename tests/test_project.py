"""The project's own promises: one source for each fact, notebooks as a reader meets them, a package that installs alone."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

import kdcourse as kd

from .conftest import COURSE, ROOT, file

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EVIDENCE = sorted((ROOT / "notebooks/evidence").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def cells(path, kind="code"):
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == kind and "".join(c["source"]).strip()]


def run(*command, **options):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=ROOT, **options)


def test_course_toml_and_everything_made_from_it_agree():
    done = run("tools/course.py", "--check")
    assert done.returncode == 0, done.stderr
    assert [file(lesson["slug"]) for lesson in COURSE] == NOTEBOOKS


def test_the_sizes_are_within_the_limits():
    done = run("tools/sizes.py")
    assert done.returncode == 0, done.stderr


def test_environment_and_pyproject_agree():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python = next(d for d in environment["dependencies"] if isinstance(d, str) and d.startswith("python="))
    least = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert tuple(map(int, python.split("=")[1].split("."))) >= tuple(map(int, least.split(".")))
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert pip == ["-c constraints.txt", "-e .[test]"]
    assert "test" in PYPROJECT["project"]["optional-dependencies"]


@pytest.mark.parametrize("engine", ["flower", "paddle", "trl"])
def test_an_engine_is_an_extra_of_its_own_with_tested_versions(engine):
    from packaging.requirements import Requirement

    (wanted,) = map(Requirement, PYPROJECT["project"]["optional-dependencies"][engine])
    lines = [line for line in (ROOT / f"constraints-{engine}.txt").read_text().splitlines() if "==" in line]
    pinned = {r.name: next(iter(r.specifier)).version for r in map(Requirement, lines)}
    assert pinned[wanted.name] in wanted.specifier
    assert engine in (ROOT / "environment.yml").read_text(), "it says that it cannot run this"
    others = [r for k, v in PYPROJECT["project"]["optional-dependencies"].items() if k != engine for r in v]
    assert not [r for r in others if engine in r], "no other extra brings it"


def test_the_tested_versions_lie_in_the_declared_ranges():
    from packaging.requirements import Requirement

    pinned = {
        r.name.lower().replace("_", "-"): r
        for r in map(Requirement, (ROOT / "constraints.txt").read_text().splitlines()[1:])
    }
    extras = PYPROJECT["project"]["optional-dependencies"]
    for text in [*PYPROJECT["project"]["dependencies"], *extras["test"], *extras["dev"]]:
        wanted = Requirement(text)
        if wanted.name == "kdcourse" or (wanted.marker and not wanted.marker.evaluate()):
            continue
        version = next(iter(pinned[wanted.name.lower()].specifier)).version
        assert version in wanted.specifier, text


def test_the_readme_lists_every_make_target():
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    readme = (ROOT / "README.md").read_text()
    assert {t for t in targets if f"`make {t}" not in readme} <= {"help", "course"}


def test_importing_costs_little_beyond_torch():
    code = "import sys, torch; had = set(sys.modules); import kdcourse; print(*sorted(m for m in set(sys.modules) - had if '.' not in m))"
    loaded = set(run("-c", code).stdout.split())
    heavy = {"matplotlib", "sklearn", "scipy", "torchvision", "torchmetrics", "ipywidgets", "tqdm", "pandas"}
    assert "kdcourse" in loaded
    assert not loaded & heavy


def test_nothing_is_pickled():
    for path in (ROOT / "kdcourse").rglob("*.py"):
        source = path.read_text()
        assert "torch.load(" not in source, path
        calls = {
            n.func.attr
            for n in ast.walk(ast.parse(source))
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
        }
        assert not calls & {"dump"} or "pickle" not in source, path


def test_every_public_name_exists_and_is_explained():
    for module in (
        kd.checks,
        kd.data,
        kd.models,
        kd.losses,
        kd.taylor,
        kd.training,
        kd.evaluation,
        kd.synthesis,
        kd.export,
        kd.pipeline,
        kd.diagrams,
        kd.plots,
        kd.records,
        kd.widgets,
    ):
        assert module.__doc__
        for name in module.__all__:
            value = getattr(module, name)
            assert not callable(value) or value.__doc__, f"{module.__name__}.{name}"
    for name in kd.__all__:
        assert getattr(kd, name) is not None


# ---------------------------------------------------------------- notebooks


@pytest.mark.parametrize("path", [*NOTEBOOKS, *EVIDENCE, *SOLUTIONS], ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_notebooks_are_saved_as_they_ran(path):
    code = cells(path)
    assert [c["execution_count"] for c in code] == list(range(1, len(code) + 1))
    for c in code:
        source = "".join(c["source"])
        assert len(source.splitlines()) <= 30, source
        for output in c["outputs"]:
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr", source
            shown = json.dumps(output)
            assert not re.search(r"\d+%\|", shown), "a progress bar was left behind"
            assert not re.search(r"/(root|home|work|tmp|Users)/", shown), "a path of a machine"
    ignored = [c for c in code if "nbval-ignore-output" in c["metadata"].get("tags", [])]
    assert len(ignored) * 5 <= max(len(code), 5)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_figure_says_what_it_shows(path):
    figures = [o["data"] for c in cells(path) for o in c["outputs"] if "image/png" in o.get("data", {})]
    assert figures
    for data in figures:
        alt = re.search(r'<img [^>]*alt="([^"]*)"', "".join(data["text/html"]))[1]
        assert len(alt) >= 40
        assert re.search(r"\d", alt), "the alt text states the finding, with its numbers"


@pytest.mark.parametrize("path", [*NOTEBOOKS, *SOLUTIONS], ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_links_inside_the_project_lead_somewhere(path):
    for source in ["".join(c["source"]) for c in cells(path, "markdown")]:
        for link, anchor in re.findall(r"\]\(([^)#]+)#?([^)]*)\)", source):
            assert link.startswith("http") or (path.parent / link).exists(), link
            if anchor and not link.startswith("http"):
                assert anchor in anchors(path.parent / link), f"{link}#{anchor}"


def anchors(path):
    """What a link may name in a file: its headings, spaces as dashes."""
    sources = [path.read_text()] if path.suffix == ".md" else ["".join(c["source"]) for c in cells(path, "markdown")]
    return {
        heading.replace(" ", "-") for source in sources for heading in re.findall(r"^#+ (.+)$", source, re.MULTILINE)
    }


@pytest.mark.parametrize("at", range(len(COURSE)))
def test_previous_map_and_next(at):
    first = "".join(cells(NOTEBOOKS[at], "markdown")[0]["source"]).splitlines()[0]
    around = [f"({NOTEBOOKS[i].name})" for i in (at - 1, at + 1) if 0 <= i < len(COURSE)]
    assert all(link in first for link in around)
    assert f"[map]({file('start_here').name}#The-map)" in first


def pages(root):
    """What people read: the texts and the notebooks."""
    texts = [*root.glob("*.md"), *root.glob("docs/*.md")]
    return texts + [
        p for d in ("notebooks", "notebooks/evidence", "exercises", "solutions") for p in root.glob(f"{d}/*.ipynb")
    ]


def prose(path):
    """The prose of a page."""
    return (
        path.read_text() if path.suffix == ".md" else "\n\n".join("".join(c["source"]) for c in cells(path, "markdown"))
    )


def broken(root):
    """Links inside the project that lead nowhere."""
    return [
        f"{path.relative_to(root)}: {link}"
        for path in pages(root)
        for link in re.findall(r"\]\(([^)#\s]+)", prose(path))
        if not link.startswith("http") and not (path.parent / link).exists()
    ]


def test_links_lead_somewhere():
    assert broken(ROOT) == []


def test_the_set_up_cell_installs_only_what_is_missing(monkeypatch):
    setup = "".join(next(c for c in cells(NOTEBOOKS[0]) if "setup" in c["metadata"]["tags"])["source"])
    import importlib.util

    calls, missing = [], {"kdcourse", "safetensors"}
    monkeypatch.setattr(subprocess, "run", lambda command, **k: calls.append(command))
    original = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else original(name))
    exec(setup, {})
    address = PYPROJECT["project"]["urls"]["Repository"]
    assert calls == [[sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", f"git+{address}", "safetensors"]]
    missing.clear()
    exec(setup, {})
    assert len(calls) == 1, "a second run installs nothing"
    for name in ("torch", "numpy", "ipython", "ipykernel"):
        assert f'"{name}"' not in setup.lower()


# ---------------------------------------------------------------- a name is a slug, a number is a place

NUMBERED = re.compile(
    r"\b(?:lessons?|exercises)\s+\d"  # lesson 03, lessons 01 and 02
    r"|(?<![\d.,≈+−-])\b0\d\.\d\b(?!\d)"  # 01.3
    r"|(?:\b(?:tasks?|exercises?)\s|\b(?:check|hint|solution|find)\(.?)\d\d\.\d"  # exercise 10.3, check("10.3"
    r"|\b\d\d_[a-z]\w+\b(?!\.ipynb)",  # 01_cost
    re.IGNORECASE,
)


def numbered(text):
    """Where a text names a lesson, a task or a record by a number; links, which make course keeps right, left out."""
    return NUMBERED.findall(re.sub(r"\[[^\]]*\]\([^)]*\)", "", text))


@pytest.mark.parametrize(
    "sentence",
    [
        "As lesson 03 shows, it does.",
        "It needs lessons\n01 and 02.",
        "Lesson 3 is short.",
        "Now do 01.3 again.",
        "See exercise 10.3.",
        'check("10.3", f) says more',
        "the record 01_few_labels",
        "[lesson 03](03_cross_entropy.ipynb), unlike lesson 04, is linked",
    ],
)
def test_a_lesson_named_by_its_number_is_noticed(sentence):
    assert numbered(f"A sentence before. {sentence} And one after.")


@pytest.mark.parametrize(
    "sentence",
    [
        "As [lesson 03](03_cross_entropy.ipynb) shows, 10.3 of 100 are wrong, by 0.1 to 11.5.",
        "[Lesson\n03](03_cross_entropy.ipynb)'s loss, task 3, `why_distil.1`, [0.05, 1.03], ≈ 0.5",
        "`jupyter lab notebooks/00_start_here.ipynb`",
    ],
)
def test_a_link_and_a_number_are_no_bare_lesson(sentence):
    assert not numbered(sentence)


@pytest.mark.parametrize("path", pages(ROOT), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_no_page_names_a_lesson_by_its_number(path):
    if path.name != "CHANGELOG.md":  # which says what was renamed
        assert not numbered(prose(path))
    if path.suffix == ".ipynb":
        assert not [found for c in cells(path) for found in numbered("".join(c["source"]))]


def test_no_source_names_a_lesson_by_its_number():
    sources = [*(ROOT / "kdcourse").rglob("*.py"), *(ROOT / "tests/answers").glob("*.py"), ROOT / "Makefile"]
    assert not {path.name: found for path in sources if (found := numbered(path.read_text()))}


def test_tasks_answers_and_checks_have_the_names_of_lessons():
    slugs = {lesson["slug"] for lesson in COURSE if lesson["points"]}
    helpers = {"__init__", "biases", "controls", "copies", "descent", "designs", "gradients", "heads", "imitations"}
    helpers |= {"counting", "decoupling", "distances", "knapsack", "limits", "recovery", "smoothing", "staircases"}
    helpers |= {
        "answering",
        "billing",
        "dividing",
        "entries",
        "guarding",
        "gains",
        "leaking",
        "overlaps",
        "rounds",
        "sharing",
        "standardising",
        "stepping",
        "sweeping",
        "talking",
        "units",
    }
    assert {path.stem for path in (ROOT / "kdcourse/checks/lessons").glob("*.py")} == slugs | helpers
    assert {path.stem for path in (ROOT / "tests/answers").glob("*.py")} == slugs | {"__init__"}


def test_course_toml_says_everything_of_every_lesson():
    course = tomllib.loads((ROOT / "notebooks/course.toml").read_text())
    assert set(course) == {"path", "lesson"}
    assert course["path"][0] == "start_here"
    keys = "number slug title part about minutes seconds difficulty prerequisites points rows evidence form"
    for lesson in course["lesson"]:
        assert list(lesson) == keys.split()
        assert re.fullmatch("[a-z][a-z0-9_]*", lesson["slug"])
    known = [lesson["slug"] for lesson in COURSE]
    for lesson in COURSE:
        assert all(known.index(slug) < known.index(lesson["slug"]) for slug in lesson["prerequisites"])
    assert sorted(course["path"], key=known.index) == course["path"]


@pytest.fixture
def tree(tmp_path):
    """A copy of the project whose lessons may be moved."""
    unwanted = shutil.ignore_patterns(
        ".venv*", ".git", "build", "runs", "*.egg-info", ".*_cache", "__pycache__", ".hypothesis"
    )
    return shutil.copytree(ROOT, tmp_path / "tree", ignore=unwanted)


def in_tree(tree, *command):
    environment = os.environ | {"PYTHONPATH": str(tree)}
    return subprocess.run(
        [sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )


def course(tree, *arguments):
    return in_tree(tree, "tools/course.py", *arguments)


def rewrite(path, old, new):
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


def contents(tree, *patterns):
    return {
        path.relative_to(tree): path.read_bytes()
        for pattern in patterns
        for path in tree.glob(pattern)
        if path.is_file()
    }


def test_the_ledger_has_every_ruling_and_follows_it(tree):
    page = (tree / "docs/ledger.md").read_text()
    ruled, asked = kd.records.rulings(), kd.records.claims()
    assert [int(row) for row in re.findall(r"^## (\d+) ·", page, re.MULTILINE)] == sorted({r.row for r in ruled})
    for ruling in ruled:
        assert f"**{ruling.verdict.capitalize()}.** {ruling.measured}" in page, ruling.row
        assert f"](../notebooks/evidence/{ruling.evidence}.ipynb)" in page
        assert (tree / f"notebooks/evidence/{ruling.evidence}.ipynb").is_file()
    for claim in asked:
        if claim["row"] in {r.row for r in ruled}:
            assert f"| [{claim['row']}](#claim-{claim['row']}) | {claim['claim']} |" in page
            assert f'<a id="claim-{claim["row"]}"></a>' in page
    rewrite(tree / "notebooks/results/directions_claims.json", '"verdict": "failed"', '"verdict": "held"')
    assert "ledger.md" in course(tree, "--check").stderr
    assert course(tree).returncode == 0
    changed = (tree / "docs/ledger.md").read_text()
    assert "\n## 2 · Held\n" in changed and "\n## 2 · Failed\n" in page
    before, after = (
        re.search(r"claims are ruled on: (.*?)\. ", (root / "README.md").read_text())[1] for root in (ROOT, tree)
    )
    assert [int(n) for n in re.findall(r"\d+", before)] == [7, 7, 5, 3]
    assert before == "7 held, 7 mixed, 5 failed, 3 too noisy to tell"
    assert after == "8 held, 7 mixed, 4 failed, 3 too noisy to tell", "one claim was turned round"


UNTOUCHED = ("kdcourse/**/*.py", "notebooks/results/*", "notebooks/claims.toml", "tests/**/*.py", "tools/*.py", "Makefile", "conftest.py")  # fmt: skip


def test_a_lesson_moves_by_one_number_in_course_toml(tree):
    before = contents(tree, *UNTOUCHED)
    rewrite(tree / "notebooks/course.toml", "number = 6\n", "number = 23\n")
    late = course(tree, "--check")
    assert late.returncode != 0 and re.search("23_cross_entropy.ipynb.*; run make course", late.stderr)
    assert (tree / "notebooks/06_cross_entropy.ipynb").is_file(), "a check writes nothing"
    for arguments in ([], ["--check"]):
        assert (done := course(tree, *arguments)).returncode == 0, done.stderr
    for folder in ("notebooks", "exercises", "solutions"):
        assert [path.name for path in (tree / folder).glob("*cross_entropy.ipynb")] == ["23_cross_entropy.ipynb"]
    assert broken(tree) == []
    assert contents(tree, *UNTOUCHED) == before
    everything = {path: prose(path) for path in pages(tree)}
    assert not [path for path, text in everything.items() if "06_cross_entropy" in text]
    links = [link for text in everything.values() for link in re.findall(r"\[([^\]]*)\]\([^)]*23_cross_entropy", text)]
    assert {"lesson 23", "23", "23 Softmax and cross-entropy", "Softmax and cross-entropy →"} <= set(links)
    assert not [link for link in links if re.search(r"\b06\b", link)]
    first = prose(tree / "notebooks/23_cross_entropy.ipynb")
    assert first.startswith("[← Outlook](22_outlook.ipynb) ·") and "\n# 23 · Softmax and cross-entropy\n" in first
    assert "· [Federated in PaddlePaddle →](A_paddle.ipynb) ·" in first.splitlines()[0]
    assert "[Softmax and cross-entropy →](23_cross_entropy.ipynb)" in prose(tree / "notebooks/22_outlook.ipynb")
    found = in_tree(tree, "-c", "from kdcourse.checks import tasks; print(*dict.fromkeys(t.id[:-2] for t in tasks()))")
    assert found.stdout.split()[6:] == [
        "eight_bugs",
        "mean_squared_error",
        "taylor_fo",
        "channel_importance",
        "pruning",
        "what_else",
        "single_task",
        "directions",
        "multi_task",
        "federated_averaging",
        "federated_distillation",
        "four_steps",
        "strategy",
        "pitfalls",
        "regulariser",
        "outlook",
        "cross_entropy",
        "language_models",
    ], found.stderr


def test_exercises_are_in_step_after_a_lesson_has_moved(tree):
    pytest.importorskip("nbgrader")
    rewrite(tree / "notebooks/course.toml", "number = 0\n", "number = 77\n")
    assert course(tree).returncode == 0
    assert (done := in_tree(tree, "tools/exercises.py", "--check")).returncode == 0, done.stderr


ENTRY = """
[[lesson]]
number = 23
slug = "nine_bugs"
title = "Nine bugs"
part = "Losses"
about = "write the loss wrongly"
minutes = 20
seconds = 9
difficulty = "medium"
prerequisites = ["cross_entropy"]
points = 0
rows = []
evidence = []
form = 2
"""


def test_a_lesson_is_split_by_an_entry_and_a_notebook_without_a_number(tree):
    notebook = json.loads((tree / file("cross_entropy").relative_to(ROOT)).read_text())
    said = "As [lesson 01](cross_entropy.ipynb) said, as [06](06_cross_entropy.ipynb)."
    notebook["cells"][0]["source"] = ["# Nine bugs\n", "\n", "**You will** see.\n"]
    notebook["cells"].insert(1, {"cell_type": "markdown", "id": "new", "metadata": {}, "source": [said]})
    (tree / "notebooks/nine_bugs.ipynb").write_text(json.dumps(notebook))
    lone = course(tree)
    assert lone.returncode != 0 and "notebooks/nine_bugs.ipynb has no entry in course.toml" in lone.stderr
    toml = tree / "notebooks/course.toml"
    toml.write_text(toml.read_text() + ENTRY)
    for arguments in ([], ["--check"]):
        assert (done := course(tree, *arguments)).returncode == 0, done.stderr
    assert not (tree / "notebooks/nine_bugs.ipynb").exists()
    text = prose(tree / "notebooks/23_nine_bugs.ipynb")
    assert text.startswith("[← Outlook](22_outlook.ipynb) · [map](00_start_here.ipynb#The-map) · ")
    assert "· [Federated in PaddlePaddle →](A_paddle.ipynb) ·" in text.splitlines()[0]
    assert (
        "# 23 · Nine bugs\n" in text
        and "20 minutes to read, run and think · 9 seconds of computing · medium · needs: [lesson 06](06_cross" in text
    )
    assert "As [lesson 06](06_cross_entropy.ipynb) said, as [06](06_cross_entropy.ipynb)." in text
    for path, link in (
        ("README.md", "notebooks/23_nine_bugs.ipynb"),
        ("notebooks/00_start_here.ipynb", "23_nine_bugs.ipynb"),
    ):
        assert f"| [23 Nine bugs]({link}) | write the loss wrongly | 20 | [06](" in prose(tree / path)
    assert "[Nine bugs →](23_nine_bugs.ipynb)" in prose(tree / "notebooks/22_outlook.ipynb")
    assert "[Federated distillation →](17_federated_distillation.ipynb)" in prose(
        tree / "notebooks/16_federated_averaging.ipynb"
    )
    assert broken(tree) == []


def test_links_to_a_lesson_are_mended_and_others_left_alone():
    sys.path.insert(0, str(ROOT / "tools"))
    from course import mended

    lessons = [{"slug": "shift", "number": 4}, {"slug": "paddle", "number": "A"}]
    for holder, before, after in [
        ("README.md", "[lesson 02](notebooks/02_shift.ipynb#Pitfalls)", "[lesson 04](notebooks/04_shift.ipynb#Pitfalls)"),
        ("notebooks/x.ipynb", "[Lesson\n02](shift.ipynb)", "[Lesson\n04](04_shift.ipynb)"),
        ("notebooks/x.ipynb", "[02](02_shift.ipynb)", "[04](04_shift.ipynb)"),
        ("notebooks/x.ipynb", "[12](../exercises/02_shift.ipynb)", "[12](../exercises/04_shift.ipynb)"),
        ("notebooks/x.ipynb", "[how](evidence/shift.ipynb)", "[how](evidence/shift.ipynb)"),
        ("notebooks/evidence/x.ipynb", "[how](shift.ipynb)", "[how](shift.ipynb)"),
        ("notebooks/evidence/x.ipynb", "[lesson 02](../02_shift.ipynb)", "[lesson 04](../04_shift.ipynb)"),
        ("solutions/x.ipynb", "[← Shift](../notebooks/02_shift.ipynb)", "[← Shift](../notebooks/04_shift.ipynb)"),
        ("README.md", "`lab notebooks/02_shift.ipynb`, h://x/blob/main/notebooks/02_shift.ipynb)", "`lab notebooks/04_shift.ipynb`, h://x/blob/main/notebooks/04_shift.ipynb)"),
        ("README.md", "[lesson 22](notebooks/22_paddle.ipynb)", "[lesson A](notebooks/A_paddle.ipynb)"),
        ("README.md", "02_dayshift.ipynb 02_shift.json", "02_dayshift.ipynb 02_shift.json"),
    ]:  # fmt: skip
        assert mended(before, lessons, ROOT / holder) == after
        assert mended(after, lessons, ROOT / holder) == after


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("number = 8\n", "number = 3\n", "two lessons have the number 03"),
        ('slug = "taylor_fo"', 'slug = "four_steps"', "two lessons have the slug four_steps"),
        ('slug = "pruning"', 'slug = "prune"', "11_pruning.ipynb has no entry in course.toml"),
        ('prerequisites = ["dark_knowledge"]\n', 'prerequisites = ["gone"]\n', "there is no lesson gone"),
        ('[[lesson]]\nnumber = 1\n', ENTRY.replace("nine_bugs", "unwritten") + '[[lesson]]\nnumber = 1\n', "unwritten has no notebook, 23_unwritten.ipynb"),
    ],
)  # fmt: skip
def test_what_course_toml_cannot_mean_is_refused(old, new, says, tmp_path, monkeypatch):
    sys.path.insert(0, str(ROOT / "tools"))
    import course as tool

    for folder in ("notebooks", "exercises", "solutions"):
        (tmp_path / folder).mkdir()
        for path in (ROOT / folder).glob("*.ipynb"):
            (tmp_path / folder / path.name).touch()
    (tmp_path / "notebooks/course.toml").write_text((ROOT / "notebooks/course.toml").read_text())
    rewrite(tmp_path / "notebooks/course.toml", old, new)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match=says):
        tool.moves(tool.course())


# ---------------------------------------------------------------- nbval's sanitise file


def sanitisers():
    import configparser

    parser = configparser.RawConfigParser()
    parser.read(ROOT / "tests/sanitize.cfg")
    return [(re.compile(parser.get(s, "regex")), parser.get(s, "replace")) for s in parser.sections()]


def clean(text):
    for pattern, replacement in sanitisers():
        text = pattern.sub(replacement, text)
    return text


def test_sanitising_blanks_trained_numbers_and_nothing_else():
    assert len(sanitisers()) == 8
    assert clean("distilled ≈ 84.91 %") == clean("distilled ≈ 83 %")
    assert clean('<img src="data:a" alt="b"><figcaption>c</figcaption>') == clean(
        '<img src="data:x" alt="y"><figcaption>z</figcaption>'
    )
    assert clean("Figure: 1") == clean("Figure: 2")
    assert clean("Control: 1") == clean("Control: 2")
    one, other = kd.measured(0.5), kd.measured(0.7)
    assert clean(str(one)) == clean(str(other))
    assert clean(one._repr_html_()) == clean(other._repr_html_()) != clean("<span>0.5</span>")
    tables = [kd.measured(kd.plots.Table(["a"], [[v], ["x"]])) for v in (0.1, 0.123456)]
    assert clean(str(tables[0])) == clean(str(tables[1]))
    assert clean(tables[0]._repr_html_()) == clean(tables[1]._repr_html_())
    assert clean('{"own": "+"}') != clean('{"own": "-"}')
    assert clean("0.6931") != clean("0.6932")
    assert clean("(288170, 11202)") != clean("(288170, 11203)")


@pytest.mark.slow
def test_nbval_fails_where_a_number_that_is_not_blanked_has_changed(tmp_path):
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    for text, expected in (("0.5\n≈ 7.1\n", 0), ("0.6\n≈ 7.1\n", 1)):
        cell = new_code_cell(
            "print(1 / 2)\nprint('≈ 3.2')", execution_count=1, outputs=[new_output("stream", name="stdout", text=text)]
        )
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(new_notebook(cells=[cell], metadata=kernel), tmp_path / "t.ipynb")
        command = ["-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env", f"--nbval-sanitize-with={ROOT / 'tests/sanitize.cfg'}", str(tmp_path / "t.ipynb")]  # fmt: skip
        assert run(*command).returncode == expected


# ---------------------------------------------------------------- the contract, the wheel, what is recorded


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*below confidence")
def test_the_readmes_code_runs_as_it_stands(splits, tmp_path, monkeypatch):
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    part = splits.train.select(range(512))
    loader = DataLoader(TensorDataset(part.images, part.labels), 64, shuffle=True)
    supplied = {
        "my_teacher": kd.train(kd.build("cnn", width=4), part, epochs=2, progress=False).student,
        "my_student": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)),
        "my_train_loader": loader,
        "my_val_loader": DataLoader(TensorDataset(splits.val.images[:200], splits.val.labels[:200]), 100),
        "batch": (part.images[:8], part.labels[:8]),
    }
    exec(compile(code, "README.md", "exec"), supplied)
    assert supplied["report"].accuracy > 0.8
    assert supplied["report"].agreement > 0.8
    assert len(supplied["looked"].history["hint"]) == 5
    with torch.no_grad():
        assert torch.equal(supplied["model"](part.images), supplied["student"](part.images))
    assert len(supplied["made"]) == 1000


def test_the_wheel_carries_every_folder_of_the_package():
    listed = PYPROJECT["tool"]["setuptools"]["packages"]
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "kdcourse").rglob("__init__.py")}
    assert set(listed) == there | {"kdcourse.notebooks"}


@pytest.mark.slow
def test_the_wheel_runs_lesson_00_in_an_empty_folder(tmp_path):
    unwanted = shutil.ignore_patterns(".venv*", ".git", "build", "runs", "*.egg-info", ".*_cache", "__pycache__")
    tree = shutil.copytree(ROOT, tmp_path / "tree", ignore=unwanted)  # a build folder would add what is long gone
    built = run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(tree))
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    empty = tmp_path / "empty"
    empty.mkdir()
    notebook = json.loads(file("start_here").read_text())
    check = f"import kdcourse; assert kdcourse.__file__.startswith({str(tmp_path / 'site')!r}), kdcourse.__file__"
    notebook["cells"][-1:] = [{"cell_type": "code", "id": "check", "metadata": {}, "execution_count": None, "outputs": [], "source": check}]  # fmt: skip
    (empty / "00.ipynb").write_text(json.dumps(notebook))
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "TQDM_DISABLE": "1"}
    command = [sys.executable, "-m", "jupyter", "execute", "00.ipynb"]
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = "from kdcourse import checks, records; p = records.folder(); print(len(records.claims()), len(list(p.glob('results/*.json'))), p, len(checks.tasks()))"
    done = subprocess.run([sys.executable, "-c", found], cwd=empty, env=environment, capture_output=True, text=True, check=True)  # fmt: skip
    results = len(list((ROOT / "notebooks/results").glob("*.json")))
    assert done.stdout.split() == [
        "22",
        str(results),
        str(tmp_path / "site/kdcourse/notebooks"),
        str(len(kd.checks.tasks())),
    ]


def test_paths_in_the_package_work_from_anywhere(tmp_path):
    done = subprocess.run([sys.executable, "-c", "import kdcourse as kd; print(len(kd.load().test), kd.load_teacher('cpu').config['name'])"], cwd=tmp_path, capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.split() == ["10000", "deep_cnn"]
    assert Path(kd.__file__).parent.name == "kdcourse"


@pytest.mark.slow  # left out where the mutants themselves run, which would all be "caught" by it
def test_every_mutant_and_every_change_of_the_records_still_finds_its_text(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import mutants

    texts = [(ROOT / "kdcourse" / one.file, one.text, one.name) for one in mutants.MUTANTS]
    texts += [(next(ROOT.glob(one.file)), one.text, one.name) for one in mutants.CHANGES]
    assert len(texts) > 150
    assert not [name for path, text, name in texts if path.read_text().count(text) != 1]

"""What stands around the course for those who join: workflows, forms and settings name what is really there."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted(p for p in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if p.name != "config.yml")


def read(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def runs(path):
    """Every shell line of a workflow."""
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_what_is_there(path):
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    extras = set(PROJECT["optional-dependencies"])
    for run in runs(path):
        assert set(re.findall(r"\bmake ([a-z-]+)", run)) <= targets
        assert set(re.findall(r'-e "\.\[(\w+)\]"', run)) <= extras
        for name in re.findall(r"(?:tests|notebooks|tools)/[\w./]+", run):
            assert (ROOT / name).exists(), name
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"]["contents"] == "read"
    for job in workflow["jobs"].values():
        for needed in [job.get("needs", [])] if isinstance(job.get("needs", []), str) else job.get("needs", []):
            assert needed in workflow["jobs"]
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "actions/checkout@v4")), step


def test_lint_tests_book_and_colab_are_watched():
    """On three systems, and on the oldest Python and torch that pyproject allows."""
    words = {path.stem: path.read_text(encoding="utf-8") for path in WORKFLOWS}
    assert set(words) == {"tests", "book", "colab"}
    systems = read(".github/workflows/tests.yml")["jobs"]["quick"]["strategy"]["matrix"]["os"]
    assert [system.split("-")[0] for system in systems] == ["ubuntu", "macos", "windows"]
    oldest = re.search(r"torch>=([\d.]+)", " ".join(PROJECT["dependencies"]))[1]
    assert f'"torch=={oldest}.*"' in words["tests"]
    assert f'python-version: "{PROJECT["requires-python"].removeprefix(">=")}"' in words["tests"]
    assert "backend-info/main/pip-freeze.txt" in words["colab"]


def test_the_hooks_use_the_tested_ruff():
    pinned = re.search(r"(?m)^ruff==([\d.]+)", (ROOT / "constraints.txt").read_text())[1]
    hooks = read(".pre-commit-config.yaml")["repos"]
    assert [one["rev"] for one in hooks if "ruff" in one["repo"]] == [f"v{pinned}"]
    for hook in next(one for one in hooks if one["repo"] == "local")["hooks"]:
        assert (ROOT / hook["entry"].split()[1]).is_file()


def test_the_citation_is_of_this_version():
    citation = read("CITATION.cff")
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_every_address_is_that_of_pyproject():
    address = PROJECT["urls"]["Repository"]
    home = "/".join(address.split("/")[-2:])
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*.cff"), *(ROOT / ".github").rglob("*.yml")]:
        named = re.findall(r"github\.com/([\w.-]+/[\w.-]+)", path.read_text(encoding="utf-8"))
        ours = [one for one in named if one.split("/")[1].removesuffix(".git") == "kdcourse"]
        assert set(ours) <= {home}, path


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_can_be_filled_in(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    names = [field["id"] for field in form["body"]]
    assert len(names) == len(set(names)) > 1
    assert all(field["attributes"]["label"] for field in form["body"])
    known = {"label", "description", "placeholder", "render", "options"}
    assert not [set(field["attributes"]) - known for field in form["body"] if set(field["attributes"]) - known]
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_the_architecture_names_every_room_once_and_the_picture_is_that_of_the_tool():
    words = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    rows = re.findall(r"(?m)^\| (`.*`) \|", words)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(layer.removeprefix("kdcourse.") for layer in layers)
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "tools/architecture.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert f"![{tool.ALT}](architecture.png)" in words
    assert tool.TARGET.is_file()
    for path in re.findall(r"`([\w/]+\.py)`", words):
        assert (ROOT / "kdcourse" / path).is_file(), path


def test_binder_and_the_container_set_up_what_readme_sets_up():
    wanted = (ROOT / ".binder/requirements.txt").read_text().splitlines()
    assert {"-c ../constraints.txt", "-e ."} <= set(wanted)
    assert (ROOT / ".binder/runtime.txt").read_text().strip() == "python-3.11"
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["postCreateCommand"].startswith("make setup")
    assert container["image"].endswith(":3.11")


def test_the_rules_for_people_say_whom_to_tell():
    for name in ("SECURITY.md", "CODE_OF_CONDUCT.md"):
        assert f"{PROJECT['urls']['Repository']}/security/advisories/new" in (ROOT / name).read_text()
    assert Path(ROOT / "CONTRIBUTING.md").exists()

"""Give every lesson the number that ``notebooks/course.toml`` says, and write the course's map, links and frames.

    python tools/course.py [--check]

Notebooks are found by their slug, whatever number stands in front of it, and renamed; every link to one is mended: the
number in its path, and its text where that is a number or "lesson NN". The frame of a lesson: the line of navigation
that opens it, and the set-up cell that all lessons share. ``--check`` writes nothing and fails where a file is out of
step.
"""

import base64
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from glossary import linked

from kdcourse._course import label, read

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef,import-not-found,unused-ignore]

ROOT = Path(__file__).parent.parent
FOLDERS = ("notebooks", "exercises", "solutions")
NUMBER = r"(?:\d\d|[A-Z])"
Lesson = dict[str, Any]
SETUP = """\
# @title Set-up: a CPU runtime is enough. Safe to run twice; after a disconnect, run all cells again.
# It installs kdcourse and only what is missing, never torch, numpy or IPython.
import importlib.util
import subprocess
import sys

needed = {name: name for name in ("safetensors", "platformdirs", "filelock", "tqdm")}
needed |= {name: name for name in ("ipywidgets", "widgetsnbextension", "jupyterlab_widgets", "comm")}
needed |= {"kdcourse": "git+ADDRESS"}
missing = [needed[name] for name in sorted(needed) if importlib.util.find_spec(name) is None]
if missing:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*install, *missing], check=True)
"""


def course() -> list[Lesson]:
    """The lessons, in order."""
    lessons = read((ROOT / "notebooks/course.toml").read_text(encoding="utf-8"))
    for what, found in (("number", [label(n) for n in lessons]), ("slug", [str(n["slug"]) for n in lessons])):
        for one in sorted({one for one in found if found.count(one) > 1}):
            raise SystemExit(f"course.toml: two lessons have the {what} {one}")
    slugs = {lesson["slug"] for lesson in lessons}
    named = [*way(), *(slug for lesson in lessons for slug in lesson["prerequisites"]), "start_here"]
    for slug in named:
        if slug not in slugs:
            raise SystemExit(f"course.toml: there is no lesson {slug}")
    return lessons


def way() -> list[str]:
    """The slugs of the shorter way through the course."""
    return list(tomllib.loads((ROOT / "notebooks/course.toml").read_text(encoding="utf-8"))["path"])


def file(lesson: Lesson) -> str:
    """The name of a lesson's notebook, number and all."""
    return f"{label(lesson)}_{lesson['slug']}.ipynb"


def lesson_of(lessons: list[Lesson], slug: str) -> Lesson:
    """The lesson of that slug."""
    return next(lesson for lesson in lessons if lesson["slug"] == slug)


def address() -> str:
    """The repository's address: one line in pyproject."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"])


# ---------------------------------------------------------------- where the notebooks belong, and links to them


def moves(lessons: list[Lesson]) -> dict[Path, Path]:
    """{where a notebook belongs: where it is}."""
    belongs: dict[Path, Path] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).glob("*.ipynb")):
            slug = re.sub(f"^{NUMBER}_", "", path.stem)
            if slug not in {lesson["slug"] for lesson in lessons}:
                raise SystemExit(f"{folder}/{path.name} has no entry in course.toml")
            to = ROOT / folder / file(lesson_of(lessons, slug))
            if to in belongs:
                raise SystemExit(f"{folder}/ has two notebooks of {slug}: {belongs[to].name} and {path.name}")
            belongs[to] = path
    for lesson in lessons:
        if ROOT / "notebooks" / file(lesson) not in belongs:
            raise SystemExit(f"course.toml: {lesson['slug']} has no notebook, {file(lesson)}")
    return belongs


def mended(text: str, lessons: list[Lesson], holder: Path) -> str:
    """A text of the file ``holder`` whose links to lessons have today's numbers."""
    files = {lesson["slug"]: file(lesson) for lesson in lessons}
    slugs = "|".join(files)
    link = re.compile(rf"\[([^\]]*)\]\(((?:[^()\s]*/)?)((?:{NUMBER}_)?)({slugs})\.ipynb((?:#[^()\s]*)?)\)")

    def mend(match: re.Match[str]) -> str:
        words, folder, _, slug, anchor = match.groups()
        place = (holder.parent / folder).resolve()
        if place.parent != ROOT.resolve() or place.name not in FOLDERS:  # an evidence may have a lesson's slug
            return match[0]
        bare = NUMBER if place.name == "notebooks" else "(?!)"  # "[12](exercises/...)" may be points
        words = re.sub(rf"\A({bare}|[Ll]esson\s+{NUMBER})\Z", lambda m: numbered(m[1], files[slug]), words)
        return f"[{words}]({folder}{files[slug]}{anchor})"

    text = link.sub(mend, text)
    return re.sub(rf"(?<!\w){NUMBER}_({slugs})\.ipynb", lambda match: files[match[1]], text)


def numbered(words: str, name: str) -> str:
    """The words, "lesson 03" or "03", with the number of the notebook of that name."""
    return re.sub(f"{NUMBER}\\Z", name.partition("_")[0], words)


def field(text: str, lessons: list[Lesson]) -> str:
    """The glossary with a link to each term's lesson; a lesson that is not written yet stands there as its slug."""
    link = r"(\*Lesson:\* )(?:\[[^\]]*\]\(\.\./notebooks/(?:" + NUMBER + r"_)?(\w+)\.ipynb\)|(\w+))"

    def made(match: re.Match[str]) -> str:
        found = [lesson for lesson in lessons if lesson["slug"] == (match[2] or match[3])]
        return match[1] + (f"[{found[0]['title']}](../notebooks/{file(found[0])})" if found else match[2] or match[3])

    return re.sub(link, made, text)


def texts(lessons: list[Lesson], belongs: dict[Path, Path]) -> dict[Path, str]:
    """Every file that may link to a lesson, with its links mended, under the name that it will have."""
    found = {}
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        found[path] = mended(path.read_text(encoding="utf-8"), lessons, path)
        if path.name == "glossary.md":
            found[path] = field(found[path], lessons)
    others = [*sorted((ROOT / "notebooks/evidence").glob("*.ipynb")), *sorted((ROOT / "guides").glob("*.ipynb"))]
    for path, now in {**belongs, **{p: p for p in others}}.items():
        notebook = json.loads(now.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if path.parent.name in (
                "evidence",
                "guides",
            ):  # a lesson's frame is made below, that of an exercise elsewhere
                own = "setup" in cell["metadata"].get("tags", [])
                cell["source"] = setup_cell() if own else cell["source"]
                fold(cell["metadata"])
            if cell["cell_type"] == "markdown":  # its text is one string, or a list of lines
                text = mended("".join(cell["source"]), lessons, path)
                cell["source"] = text if isinstance(cell["source"], str) else text.splitlines(keepends=True)
        found[path] = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    return found


# ---------------------------------------------------------------- what is made from course.toml


def table(lessons: list[Lesson], folder: str) -> str:
    """The lessons as a Markdown table whose links are relative to the file that holds it, and the shorter way.

    README's has the exercises too; the map, in ``folder`` "", leaves them to each lesson's first cell.
    """
    rows = [
        "| lesson | what you do | minutes | needs |" + " exercises |" * bool(folder),
        "|---" * (4 + bool(folder)) + "|",
    ]
    part = ""
    for lesson in lessons:
        if lesson["part"] != part:
            part = lesson["part"]
            rows.append(f"| **{part}** | | | |" + " |" * bool(folder))
        needs = ", ".join(linked_to(lesson_of(lessons, slug), folder) for slug in lesson["prerequisites"]) or "–"
        link = f"[{label(lesson)} {lesson['title']}]({folder}{file(lesson)})"
        points = f"[{lesson['points']} points](exercises/{file(lesson)})" if lesson["points"] else "–"
        rows.append(f"| {link} | {lesson['about']} | {lesson['minutes']} | {needs} |" + f" {points} |" * bool(folder))
    stops = [lesson_of(lessons, slug) for slug in way()]
    short = " → ".join(f"[{lesson['title']}]({folder}{file(lesson)})" for lesson in stops)
    return "\n".join([*rows, "", f"A way through the course for three hours: {short}."])


def linked_to(lesson: Lesson, folder: str, words: str = "") -> str:
    """A link to a lesson by its number."""
    return f"[{words}{label(lesson)}]({folder}{file(lesson)})"


def navigation(lessons: list[Lesson], at: int) -> str:
    """Previous · map · next, as relative links."""
    before = f"[← {lessons[at - 1]['title']}]({file(lessons[at - 1])})" if at else "← (first)"
    after = f"[{lessons[at + 1]['title']} →]({file(lessons[at + 1])})" if at + 1 < len(lessons) else "(last) →"
    return f"{before} · [map]({map_of(lessons)}) · {after}"


def map_of(lessons: list[Lesson]) -> str:
    """Where the map is, beside the lessons."""
    return f"{file(lesson_of(lessons, 'start_here'))}#The-map"


def about(lessons: list[Lesson], at: int) -> str:
    """The learner's minutes, the computer's seconds, difficulty and prerequisites, in words."""
    lesson = lessons[at]
    needed = [lesson_of(lessons, slug) for slug in lesson["prerequisites"]]
    needs = ", ".join(linked_to(other, "", "lesson ") for other in needed) or "a little PyTorch"
    time = f"{lesson['minutes']} minutes to read, run and think · {lesson['seconds']} seconds of computing"
    line = f"{time} · {lesson['difficulty']} · needs: {needs}"
    if lesson["points"]:
        line += f" · [exercises, {lesson['points']} points](../exercises/{file(lesson)})"
    return line


def between(text: str, name: str, inside: str) -> str:
    """``text`` with ``inside`` between the markers of that name."""
    begin, end = f"<!-- {name}: made by tools/course.py -->", f"<!-- end of {name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"the markers {begin} … {end} are missing")
    return pattern.sub(lambda _: f"{begin}\n{inside}\n{end}", text)


def badges(lessons: list[Lesson]) -> str:
    """The README's badges."""
    picture = "[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    return picture + colab(lesson_of(lessons, "start_here")).removeprefix("[Open in Colab]")


def colab(lesson: Lesson) -> str:
    """The badge that opens a lesson in Colab."""
    path = address().removeprefix("https://github.com/")
    link = f"https://colab.research.google.com/github/{path}/blob/main/notebooks/{file(lesson)}"
    return f"[Open in Colab]({link})"


def transfer_table() -> str:
    """What generated images are worth, from its recorded experiment: mean test accuracy over its seeds."""
    from kdcourse.records.store import load

    record = load(ROOT / "notebooks/results/transfer.json")
    lines = ["| the only images that the target sees | with augmentation | without |", "|---|---|---|"]
    for name in ("real", "mixed", "generated", "noise"):
        settings = [{"images": name, "augment": augment, "rates": "own"} for augment in ("flip-shift", None)]
        cells = [[100 * v for v in record.values("test", **setting)] for setting in settings]
        shown = [f"{sum(v) / len(v):.1f} ({min(v):.1f} to {max(v):.1f})" for v in cells]
        lines.append(f"| 1,000 {name} | {shown[0]} | {shown[1]} |")
    kinds = [[{"images": i, "augment": a, "rates": "own"} for i in ("generated", "real")] for a in ("flip-shift", None)]
    against = [record.paired("test", *pair).text() for pair in kinds]
    lines.append(f"| generated − real, points | {against[0]} | {against[1]} |")
    return "\n".join(lines)


def claims(lessons: list[Lesson]) -> str:
    """How many of the article's claims are ruled on, and by which verdict."""
    ruled, whole = ruled_on(lessons)
    verdicts: dict[int, set[str]] = {}
    for ruling in ruled:
        verdicts.setdefault(ruling.row, set()).add(ruling.verdict)
    rows = verdicts.keys() & {claim["row"] for claim in whole}
    numbers = Counter("mixed" if len(verdicts[row]) > 1 else min(verdicts[row]) for row in rows)
    words = ", ".join(
        f"{number} {verdict}" for verdict, number in sorted(numbers.items(), key=lambda one: (-one[1], one[0]))
    )
    rest = "" if len(rows) == 22 else "; the others wait for their lessons"
    return (
        f"{len(rows)} of the article's 22 claims are ruled on: {words}{rest}. [The ledger](docs/ledger.md) says what "
        "was measured for each, and where."
    )


def ruled_on(lessons: list[Lesson]) -> tuple[list[Any], list[dict[str, Any]]]:
    """The rulings of the lessons that are written, and the claims of which no part waits for a lesson."""
    from kdcourse.records.claims import claims as asked
    from kdcourse.records.claims import rulings

    place, built = ROOT / "notebooks", {slug for lesson in lessons for slug in lesson["evidence"]}
    ruled = [ruling for ruling in rulings(place) if ruling.evidence in built]
    return ruled, [claim for claim in asked(place) if built.issuperset(claim["evidence"])]


LEDGER = """\
# The ledger: what the article says, and what we measured

Made by `make course` from the rulings in `notebooks/results`; no number here was typed. An evidence notebook rules on a
claim by a rule that is written there: *held*, *failed*, *mixed* (clear, both ways), *depends on the rates* (another
choice of rates says otherwise), *too noisy to tell*, or *not isolated* (the experiment changes more than the claim).
Each ruling holds for our photographs, networks and budgets; the evidence lists its limits.
"""


def ledger(lessons: list[Lesson]) -> str:
    """The page docs/ledger.md: every claim, what was measured, the verdict, what the field does, where it was done."""
    ruled, whole = ruled_on(lessons)
    homes = {slug: lesson for lesson in lessons for slug in lesson["evidence"]}
    table, sections = ["| | the article says | verdict |", "|---|---|---|"], []
    for claim in whole:
        row, mine = claim["row"], [ruling for ruling in ruled if ruling.row == claim["row"]]
        verdicts = ", ".join(dict.fromkeys(ruling.verdict for ruling in mine))
        table.append(f"| [{row}](#claim-{row}) | {claim['claim']} | {verdicts} |")
        sections.append(f'<a id="claim-{row}"></a>\n\n## {row} · {verdicts.capitalize()}\n\n> {claim["claim"]}')
        for ruling in mine:
            part = f"*{ruling.part}. {ruling.claim}* " if ruling.part else ""
            link = f"[evidence/{ruling.evidence}](../notebooks/evidence/{ruling.evidence}.ipynb)"
            lesson = linked_to(homes[ruling.evidence], "../notebooks/", "lesson ")
            field = ruling.field.removesuffix(".")
            sections.append(
                f"{part}**{ruling.verdict.capitalize()}.** {ruling.measured}\n\nThe field: {field} ({ruling.source}). "
                f"Measured in {link}, for {lesson}."
            )
    return "\n".join([LEDGER, *table, "", "\n\n".join(sections), ""])


def pictures(notebooks: dict[Path, str]) -> dict[Path, bytes]:
    """README's pictures out of the lessons: the figure of a cell tagged ``picture:name`` is docs/name.png."""
    found = {}
    for text in notebooks.values():
        for cell in json.loads(text)["cells"]:
            for tag in cell["metadata"].get("tags", []):
                if tag.startswith("picture:"):
                    shown = [o["data"]["image/png"] for o in cell["outputs"] if "image/png" in o.get("data", {})]
                    for data in shown:
                        found[ROOT / "docs" / f"{tag.removeprefix('picture:')}.png"] = base64.b64decode(data)
    return found


def setup_cell() -> list[str]:
    """The lines of the set-up cell that all notebooks share."""
    return SETUP.replace("ADDRESS", address()).strip().splitlines(keepends=True)


def fold(metadata: dict[str, Any]) -> None:
    """Fold the code of a set-up cell and of an evidence's harness, in JupyterLab and in Colab."""
    if {"setup", "harness"} & set(metadata.get("tags", [])):
        metadata["jupyter"] = {**metadata.get("jupyter", {}), "source_hidden": True}
        metadata["cellView"] = "form"


def framed(text: str, lessons: list[Lesson], at: int) -> str:
    """A notebook's JSON with its frame, and 00's map, up to date."""
    notebook = json.loads(text)
    cells = notebook["cells"]
    lesson, first = lessons[at], "".join(cells[0]["source"])
    rest = r"\n*(?:\n\n[^\n]* · needs: [^\n]*|\n\nmeta)?\s*\Z"
    body = re.search(r"^# .*?\n\n(.*?)" + rest, first, re.DOTALL | re.MULTILINE)
    setup = next((c for c in cells if "setup" in c["metadata"].get("tags", [])), None)
    if body is None or setup is None:
        raise SystemExit(f"{lesson['slug']}: the first cell needs a title, and one cell the tag setup")
    line = f"{navigation(lessons, at)} · {colab(lesson)}"
    title = f"# {label(lesson)} · {lesson['title']}"
    cells[0]["source"] = f"{line}\n\n{title}\n\n{body[1]}\n\n{about(lessons, at)}".splitlines(keepends=True)
    for cell in cells:
        source = "".join(cell["source"])
        if "<!-- map:" in source:
            cell["source"] = between(source, "map", table(lessons, "")).splitlines(keepends=True)
    texts = linked(["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"])
    for cell in (c for c in cells if c["cell_type"] == "markdown"):
        cell["source"] = texts.pop(0).splitlines(keepends=True)
    setup["source"] = setup_cell()
    for cell in cells:
        fold(cell["metadata"])
    notebook["metadata"].pop("widgets", None)  # the state of progress bars and controls
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write, or check."""
    lessons, check = course(), "--check" in sys.argv
    belongs = moves(lessons)
    found = texts(lessons, belongs)
    made = {"lessons": table(lessons, "notebooks/"), "transfer": transfer_table(), "badges": badges(lessons),
            "claims": claims(lessons)}  # fmt: skip
    for name, inside in made.items():
        found[ROOT / "README.md"] = between(found[ROOT / "README.md"], name, inside)
    found[ROOT / "docs/ledger.md"] = ledger(lessons)
    paths = [ROOT / "notebooks" / file(lesson) for lesson in lessons]
    found |= {path: framed(found[path], lessons, at) for at, path in enumerate(paths)}
    wanted = {path: text.encode() for path, text in found.items()} | pictures({path: found[path] for path in paths})
    stale = [path for path in wanted if not path.is_file() or path.read_bytes() != wanted[path]]
    if check and stale:
        names = ", ".join(path.name for path in stale)
        raise SystemExit(f"out of step with course.toml: {names}; run make course")
    for to, now in belongs.items():
        now.rename(to)
    for path in stale:
        path.write_bytes(wanted[path])


if __name__ == "__main__":
    main()

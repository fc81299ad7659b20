"""Write what ``notebooks/course.toml`` says into the README's table, 00's map, and each lesson's frame.

    python tools/course.py [--check]

The frame of a lesson: the line of navigation that opens it, and the set-up cell that all lessons share. ``--check``
writes nothing and fails where a file is out of step.
"""

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

from glossary import linked

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef,import-not-found,unused-ignore]

ROOT = Path(__file__).parent.parent
SETUP = """\
# Set-up, safe to run twice: installs kdcourse and only what is missing, never torch, numpy or IPython.
import importlib.util
import subprocess
import sys

needed = {name: name for name in ("safetensors", "torchmetrics", "platformdirs", "filelock", "tqdm")}
needed |= {"kdcourse": "git+ADDRESS", "lightning_utilities": "lightning-utilities"}
missing = [needed[name] for name in sorted(needed) if importlib.util.find_spec(name) is None]
if missing:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*install, *missing], check=True)
"""


def course() -> list[dict[str, Any]]:
    """The lessons, in order."""
    lessons: list[dict[str, Any]] = tomllib.loads((ROOT / "notebooks/course.toml").read_text())["lesson"]
    return sorted(lessons, key=lambda lesson: str(lesson["file"]))


def address() -> str:
    """The repository's address: one line in pyproject."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"])


def table(lessons: list[dict[str, Any]], folder: str) -> str:
    """The lessons as a Markdown table whose links are relative to the file that holds it."""
    rows = ["| lesson | what you do | minutes | needs | exercises, points |", "|---|---|---|---|---|"]
    for lesson in lessons:
        number, needs = lesson["file"][:2], ", ".join(lesson["prerequisites"]) or "–"
        link = f"[{number} {lesson['title']}]({folder}{lesson['file']}.ipynb)"
        at = f"{'' if folder else '../'}exercises/{lesson['file']}.ipynb"
        points = f"[{lesson['points']}]({at})" if lesson["points"] else "–"
        rows.append(f"| {link} | {lesson['about']} | {lesson['minutes']} | {needs} | {points} |")
    return "\n".join(rows)


def navigation(lessons: list[dict[str, Any]], at: int) -> str:
    """Previous · map · next, as relative links."""
    before = f"[← {lessons[at - 1]['title']}]({lessons[at - 1]['file']}.ipynb)" if at else "← (first)"
    after = f"[{lessons[at + 1]['title']} →]({lessons[at + 1]['file']}.ipynb)" if at + 1 < len(lessons) else "(last) →"
    return f"{before} · [map](00_start_here.ipynb#The-map) · {after}"


def about(lesson: dict[str, Any]) -> str:
    """Minutes, difficulty and prerequisites, in words."""
    minutes = "one minute" if lesson["minutes"] == 1 else f"{lesson['minutes']} minutes"
    needs = ", ".join(f"lesson {n}" for n in lesson["prerequisites"]) or "a little PyTorch"
    line = f"{minutes.capitalize()} on two CPU cores · {lesson['difficulty']} · needs: {needs}"
    if lesson["points"]:
        line += f" · [exercises, {lesson['points']} points](../exercises/{lesson['file']}.ipynb)"
    return line


def between(text: str, name: str, inside: str) -> str:
    """``text`` with ``inside`` between the markers of that name."""
    begin, end = f"<!-- {name}: made by tools/course.py -->", f"<!-- end of {name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"the markers {begin} … {end} are missing")
    return pattern.sub(lambda _: f"{begin}\n{inside}\n{end}", text)


def badges() -> str:
    """The README's badges."""
    picture = "[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    return picture + colab("00_start_here").removeprefix("[Open in Colab]")


def colab(file: str) -> str:
    """The badge that opens a lesson in Colab."""
    path = address().removeprefix("https://github.com/")
    link = f"https://colab.research.google.com/github/{path}/blob/main/notebooks/{file}.ipynb"
    return f"[Open in Colab]({link})"


def transfer_table() -> str:
    """What generated images are worth, from lesson 02's recorded experiment: mean test accuracy over its seeds."""
    from kdcourse.records import Record

    saved = json.loads((ROOT / "notebooks/results/02_transfer.json").read_text(encoding="utf-8"))
    record = Record(saved["name"], saved["rows"], saved["seconds"], saved["versions"])
    lines = ["| the only images that the target sees | with augmentation | without |", "|---|---|---|"]
    for name in ("real", "mixed", "generated", "noise"):
        cells = [[100 * v for v in record.values("test", images=name, augment=a)] for a in ("flip-shift", None)]
        shown = [f"{sum(v) / len(v):.1f} ({min(v):.1f} to {max(v):.1f})" for v in cells]
        lines.append(f"| 1,000 {name} | {shown[0]} | {shown[1]} |")
    kinds = [[{"images": i, "augment": a} for i in ("generated", "real")] for a in ("flip-shift", None)]
    against = [record.paired("test", *pair).text().replace("≈ ", "") for pair in kinds]
    lines.append(f"| generated − real, points | {against[0]} | {against[1]} |")
    return "\n".join(lines)


def claims(lessons: list[dict[str, Any]]) -> str:
    """How many of the article's claims are ruled on, and by which verdict."""
    verdicts: dict[str, list[int]] = {}
    for lesson in lessons:
        path = ROOT / "notebooks/results" / f"{lesson['file'][:2]}_claims.json"
        for ruling in json.loads(path.read_text()) if path.is_file() else []:
            verdicts.setdefault(ruling["verdict"], []).append(ruling["row"])
    rows = {row for found in verdicts.values() for row in found}
    words = "; ".join(f"{verdict}: {', '.join(map(str, sorted(found)))}" for verdict, found in sorted(verdicts.items()))
    return f"{len(rows)} of the article's 22 claims are ruled on so far ({words}); the others wait for their lessons."


def pictures() -> dict[Path, bytes]:
    """README's pictures out of the lessons: the figure of a cell tagged ``picture:name`` is docs/name.png."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            for tag in cell["metadata"].get("tags", []):
                if tag.startswith("picture:"):
                    shown = [o["data"]["image/png"] for o in cell["outputs"] if "image/png" in o.get("data", {})]
                    for data in shown:
                        found[ROOT / "docs" / f"{tag.removeprefix('picture:')}.png"] = base64.b64decode(data)
    return found


def framed(text: str, lessons: list[dict[str, Any]], at: int) -> str:
    """A notebook's JSON with its frame, and 00's map, up to date."""
    notebook = json.loads(text)
    cells = notebook["cells"]
    lesson, first = lessons[at], "".join(cells[0]["source"])
    rest = r"\n*(?:\n\n[^\n]* · needs: [^\n]*|\n\nmeta)?\s*\Z"
    body = re.search(r"^# .*?\n\n(.*?)" + rest, first, re.DOTALL | re.MULTILINE)
    if body is None:
        raise SystemExit(f"{lesson['file']}: the first cell needs a title")
    line = f"{navigation(lessons, at)} · {colab(lesson['file'])}"
    title = f"# {lesson['file'][:2]} · {lesson['title']}"
    cells[0]["source"] = f"{line}\n\n{title}\n\n{body[1]}\n\n{about(lesson)}".splitlines(keepends=True)
    for cell in cells:
        source = "".join(cell["source"])
        if "<!-- map:" in source:
            cell["source"] = between(source, "map", table(lessons, "")).splitlines(keepends=True)
    texts = linked(["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"])
    for cell in (c for c in cells if c["cell_type"] == "markdown"):
        cell["source"] = texts.pop(0).splitlines(keepends=True)
    setup = next(c for c in cells if "setup" in c["metadata"].get("tags", []))
    setup["source"] = SETUP.replace("ADDRESS", address()).strip().splitlines(keepends=True)
    notebook["metadata"].pop("widgets", None)  # the state of progress bars and controls
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write, or check."""
    lessons, check = course(), "--check" in sys.argv
    made = {"lessons": table(lessons, "notebooks/"), "transfer": transfer_table(), "badges": badges(),
            "claims": claims(lessons)}  # fmt: skip
    readme = (ROOT / "README.md").read_text()
    for name, inside in made.items():
        readme = between(readme, name, inside)
    wanted: dict[Path, bytes] = {ROOT / "README.md": readme.encode()}
    for at, lesson in enumerate(lessons):
        path = ROOT / "notebooks" / f"{lesson['file']}.ipynb"
        wanted[path] = framed(path.read_text(), lessons, at).encode()
    wanted |= pictures()
    stale = [path.name for path, data in wanted.items() if not path.is_file() or path.read_bytes() != data]
    if check and stale:
        raise SystemExit(f"out of step with course.toml: {', '.join(stale)}; run make course")
    for path, data in wanted.items():
        if not check:
            path.write_bytes(data)


if __name__ == "__main__":
    main()

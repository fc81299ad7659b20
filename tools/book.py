"""Build the course as a book: ``build/book/html`` and, with ``--epub``, one file for a reader of electronic books.

    python tools/book.py [--epub] [--to FOLDER]

The pages are the notebooks with their committed outputs, the documents in docs/, and the docstrings; nothing is run.
They are put together in a folder of their own, laid out as the repository is, so that its links hold; Sphinx does the
rest, by docs/book/conf.py. Each work in a lesson's list of references is found in docs/references.bib by its title.
"""

import argparse
import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from course import Lesson, address, course, file, way

from kdcourse._course import label

ROOT = Path(__file__).parent.parent
ROOMS = {
    "kdcourse": "The calls that most notebooks need",
    "kdcourse.losses": "Losses",
    "kdcourse.data": "Data",
    "kdcourse.models": "Models",
    "kdcourse.training": "Training",
    "kdcourse.evaluation": "Evaluation",
    "kdcourse.taylor": "Taylor: layers and channels",
    "kdcourse.synthesis": "Synthesis",
    "kdcourse.multitask": "Several tasks",
    "kdcourse.federated": "Federated",
    "kdcourse.stacked": "Many models as one",
    "kdcourse.language": "Language models",
    "kdcourse.pipeline": "The four steps",
    "kdcourse.export": "Frozen weights",
    "kdcourse.repeats": "Repeats",
    "kdcourse.records": "Records",
    "kdcourse.plots": "Plots and tables",
    "kdcourse.checks": "Exercises and the capstone",
}
TITLE = re.compile(r"\*(.+?)\.?\*")  # of a work, in a list of references
TOGGLE = '<summary aria-label="Show its pages"><span class="toctree-toggle"'
WORKS = """\
# References

Every work that the course cites; the file `docs/references.bib` holds them.

```{bibliography}
:all:
```
"""
CONTROL = (
    '<p class="live">Where the notebook runs, a control moves this picture: open it in Colab, on Binder, or on your '
    "own machine.</p>"
)
Cell = dict[str, Any]


# ---------------------------------------------------------------- notebooks


def page(path: Path, source: Path, keys: dict[str, str]) -> None:
    """Write a notebook into the book's source: images as files, references with their keys, no set-up, no frame."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    where = path.relative_to(ROOT)
    up = "../" * (len(where.parts) - 1)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = text("".join(cell["source"]), where, keys)
        else:
            code(cell, source, up)
    notebook["metadata"]["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    target = source / where
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")


def text(words: str, where: Path, keys: dict[str, str]) -> str:
    """A markdown cell as the book wants it."""
    words = re.sub(r"\A\[?←.*\n+(?=# )", "", words)  # the line of navigation; the book has its own
    words = re.sub(r"<details><summary>(.*?)</summary>\n(.*?)</details>", folded, words, flags=re.DOTALL)
    if "## References" in words:
        words = re.sub(r"(?m)^- .*(?:\n  .*)*$", lambda line: cited(line[0], keys), words)
    return linked(words, where)


def folded(match: re.Match[str]) -> str:
    """A fold whose inside is markdown, too."""
    return f":::{{dropdown}} {match[1]}\n{match[2].strip()}\n:::"


def cited(line: str, keys: dict[str, str]) -> str:
    """A line of a list of references, with the keys of its works in the bibliography."""
    found = [keys[plain(title)] for title in TITLE.findall(line.replace("\n ", "")) if plain(title) in keys]
    return f"{line} {{cite}}`{','.join(found)}`" if found else line


def plain(title: str) -> str:
    """A title's letters and digits alone, to be compared."""
    return re.sub(r"\W", "", title.casefold())


def linked(words: str, where: Path) -> str:
    """Links with the anchors that the book gives; those to files that are no pages of it lead to the repository."""

    def led(match: re.Match[str]) -> str:
        path, _, anchor = match[1].partition("#")
        place = (ROOT / where.parent / path).resolve()
        rooms = [ROOT / name for name in ("notebooks", "notebooks/evidence", "exercises", "guides", "docs")]
        inside = place.suffix in (".ipynb", ".md", ".png") and place.parent in rooms
        if not path or inside or not place.exists():
            return f"]({path}#{anchored(anchor)})" if anchor else match[0]
        return f"]({address()}/blob/main/{place.relative_to(ROOT)}{'#' + anchor if anchor else ''})"

    return re.sub(r"\]\((?!https?:|mailto:)([^)\s]+)\)", led, words)


def anchored(anchor: str) -> str:
    """The anchor of a heading as MyST writes it, from JupyterLab's: "winner's-curse" is "winners-curse" there."""
    return re.sub(r"[^\w-]", "", anchor.lower())


def code(cell: Cell, source: Path, up: str) -> None:
    """Hide the set-up, fold what the notebook folds, show a live control's place, and put images into files."""
    tags = cell["metadata"].setdefault("tags", [])
    if "setup" in tags:
        tags.append("remove-cell")
    elif cell["metadata"].get("jupyter", {}).get("source_hidden"):
        tags.append("hide-input")
    for output in cell["outputs"]:
        data = output.get("data", {})
        data.pop("application/vnd.kdcourse.finding+json", None)
        if "application/vnd.jupyter.widget-view+json" in data:
            first = "".join(data["text/html"])
            data.clear()
            data["text/html"] = first + CONTROL
        if "text/html" in data:
            data["text/html"] = drawn("".join(data["text/html"]), source, up)
            data.pop("image/png", None)


def drawn(shown: str, source: Path, up: str) -> str:
    """The HTML of an output; images that it holds become files, which a browser fetches when they come into sight."""

    def kept(match: re.Match[str]) -> str:
        image = base64.b64decode(match[1])
        name = f"{hashlib.sha256(image).hexdigest()[:16]}.png"
        folder = source / "_static/figures"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(image)
        wide, high = (int.from_bytes(image[at : at + 4], "big") for at in (16, 20))
        return f'loading="lazy" width="{wide}" height="{high}" src="{up}_static/figures/{name}"'

    shown = re.sub(r'src="data:image/png;base64,([^"]+)"', kept, shown)
    return re.sub(r"<(img|br|hr)\b([^>]*?)\s*/?>", r"<\1\2 />", shown)  # an EPUB is XML


# ---------------------------------------------------------------- pages that are made


def front(lessons: list[Lesson]) -> str:
    """The first page: what it is, a figure, the ways in, and every lesson in its part."""
    titles = {n["slug"]: f"[{n['title']}](notebooks/{file(n)})" for n in lessons}
    picture = re.search(r"!\[([^\]]*)\]\(docs/cost\.png\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert picture
    points = sum(lesson.get("points", 0) for lesson in lessons)
    lines = [
        "# Knowledge distillation, from the idea to your own models",
        "",
        "A course in PyTorch for people who can train a small network and want to know what distillation is, when it "
        "helps and when it does not. One idea a lesson; every claim is tested by experiments with seeds and intervals, "
        "and what failed stays in the table.",
        "",
        f"::::{{grid}} 1 2 2 4\n:gutter: 2\n\n"
        f":::{{grid-item-card}} Begin\n:link: notebooks/{Path(file(lessons[0])).stem}\n:link-type: doc\n"
        "Distil a first network, in a quarter of an hour.\n:::\n"
        ":::{grid-item-card} Exercises\n:link: exercises\n:link-type: doc\n"
        f"{points} points, each with a check that says what is wrong.\n:::\n"
        ":::{grid-item-card} Your own data\n:link: guides/own_data\n:link-type: doc\n"
        "An image folder, a metric and a network of your own, from the loader to a file.\n:::\n"
        ":::{grid-item-card} The ledger\n:link: docs/ledger\n:link-type: doc\n"
        "22 claims about distillation, and what we measured.\n:::\n::::",
        "",
        f"![{picture[1]}](docs/cost.png)",
        "",
        f"*{titles['why_distil']}: the same small networks, taught by 500 labels alone and by a large network's "
        "answers. An answer costs the same before and after.*",
        "",
        "**In three hours:** " + " → ".join(titles[slug] for slug in way()) + ".",
        "",
    ]
    for part in dict.fromkeys(lesson["part"] for lesson in lessons):
        lines += [f"## {part}", ""]
        for lesson in (n for n in lessons if n["part"] == part):
            lines.append(
                f"- **{label(lesson)} {titles[lesson['slug']]}**: {lesson['about']} ({lesson['minutes']} minutes)"
            )
        lines.append("")
    return "\n".join([*lines, *trees(lessons)])


def trees(lessons: list[Lesson]) -> list[str]:
    """The tables of contents that Sphinx reads."""
    found = []
    for part in dict.fromkeys(lesson["part"] for lesson in lessons):
        names = [f"notebooks/{Path(file(n)).stem}" for n in lessons if n["part"] == part]
        found.append(tree(part, names))
    others = [
        "guides/own_data",
        "exercises",
        "evidence",
        "docs/glossary",
        "docs/ledger",
        "api",
        "docs/federated",
        "docs/errors",
        "docs/architecture",
        "docs/adding",
    ]
    return [*found, tree("To look things up", [*others, "references"])]


def tree(caption: str, names: list[str]) -> str:
    """A table of contents that stands in the margin alone."""
    return "\n".join(
        ["```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), "", *names, "```", ""]
    )


def shelf(title: str, intro: str, folder: str, lines: list[tuple[str, str]]) -> str:
    """A page that lists notebooks of a folder, each with a line about it."""
    listed = [f"- [{heading(ROOT / folder / name)}]({folder}/{name}){about}" for name, about in lines]
    names = [f"{folder}/{Path(name).stem}" for name, _ in lines]
    return "\n".join([f"# {title}", "", intro, "", *listed, "", tree("", names)])


def heading(path: Path) -> str:
    """A notebook's title."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        found = re.search(r"(?m)^# (.*)$", "".join(cell["source"])) if cell["cell_type"] == "markdown" else None
        if found:
            return found[1]
    raise SystemExit(f"{path} has no title")


def exercises(lessons: list[Lesson]) -> str:
    """The page of the exercises."""
    lines = [(file(n), f", {n['points']} points") for n in lessons if n.get("points")]
    intro = (
        "You write a function, run the check below it, and read within seconds what is right, what is not, and, where "
        "the checks recognise the mistake, which one it is. Open a notebook by the rocket above it, or on your machine."
    )
    return shelf("Exercises", intro, "exercises", lines)


def evidence(lessons: list[Lesson]) -> str:
    """The page of the evidence."""
    homes: dict[str, list[str]] = {}
    for lesson in lessons:
        for slug in lesson["evidence"]:
            homes.setdefault(slug, []).append(f"[{lesson['title']}](notebooks/{file(lesson)})")
    lines = [(f"{slug}.ipynb", f", for {' and '.join(homes[slug])}") for slug in homes]
    intro = (
        "A lesson is for the learner, its evidence for the doubter: question, protocol, tuning, every method, limits, "
        "and a ruling on the article's claim, by a rule that is written there."
    )
    return shelf(
        "Evidence",
        intro,
        "notebooks/evidence",
        [one for one in lines if (ROOT / "notebooks/evidence" / one[0]).exists()],
    )


def api(source: Path) -> None:
    """A page for each public room of the package, from its docstrings."""
    import importlib

    (source / "api").mkdir()
    for name, title in ROOMS.items():
        module = importlib.import_module(name)
        lines = [f"{title}", "=" * len(title), "", f".. automodule:: {name}", "   :no-members:", ""]
        for one in module.__all__:
            thing = getattr(module, one)
            if getattr(thing, "__module__", "").startswith("kdcourse") and (
                name == "kdcourse" or not is_top(one, name)
            ):
                kind = "autoclass" if isinstance(thing, type) else "autofunction"
                kind = "autoexception" if kind == "autoclass" and issubclass(thing, BaseException) else kind
                lines += [f".. {kind}:: {name}.{one}", *(["   :members:"] if kind == "autoclass" else []), ""]
        (source / f"api/{name}.rst").write_text("\n".join(lines), encoding="utf-8")
    listed = [f"- [{title}](api/{name}.rst): `{name}`" for name, title in ROOMS.items()]
    intro = "What the package offers, from its docstrings. `import kdcourse as kd` is how every notebook begins."
    (source / "api.md").write_text(
        "\n".join(["# The package", "", intro, "", *listed, "", tree("", [f"api/{n}" for n in ROOMS])])
    )


def is_top(one: str, name: str) -> bool:
    """Whether a thing stands on the first page of the package already."""
    import kdcourse

    return one in kdcourse.__all__ and getattr(kdcourse, one) is getattr(sys.modules[name], one)


# ---------------------------------------------------------------- the whole


def titles_of_works() -> dict[str, str]:
    """{a work's title, its letters alone: its key in the bibliography}."""
    entries = re.findall(
        r"@\w+\{(\S+),.*?title\s*= \{\{(.*?)\}\}", (ROOT / "docs/references.bib").read_text("utf-8"), re.DOTALL
    )
    short = {plain(title.split(": ")[0]): key for key, title in entries if ": " in title}
    return short | {plain(title): key for key, title in entries}


def put_together(source: Path) -> None:
    """Write the book's source into an empty folder."""
    lessons, keys = course(), titles_of_works()
    shutil.copytree(ROOT / "docs/book", source)
    (source / "book.css").rename(source / "_static/book.css")
    shutil.copy(ROOT / "pyproject.toml", source)
    shutil.copy(ROOT / "docs/references.bib", source)
    folders = ("notebooks", "notebooks/evidence", "exercises", "guides")
    for path in [path for folder in folders for path in sorted((ROOT / folder).glob("*.ipynb"))]:
        page(path, source, keys)
    (source / "docs").mkdir()
    for path in sorted(ROOT.glob("docs/*.*")):
        if path.suffix == ".md":
            words = linked(path.read_text(encoding="utf-8"), path.relative_to(ROOT))
            words = re.sub(r'<a (?:id|name)="([\w-]+)"></a>\n*', r"(\1)=\n", words)
            words = words if re.search(r"(?m)^## ", words) else re.sub(r"(?m)^###", "##", words)
            (source / "docs" / path.name).write_text(words, encoding="utf-8")
        elif path.suffix == ".png":
            shutil.copy(path, source / "docs")
    made = {
        "index": front(lessons),
        "exercises": exercises(lessons),
        "evidence": evidence(lessons),
        "references": WORKS,
    }
    for name, words in made.items():
        (source / f"{name}.md").write_text(words, encoding="utf-8")
    api(source)


def build(source: Path, to: Path, builder: str) -> None:
    """Run Sphinx; a warning is an error."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "--builder",
            builder,
            "--quiet",
            "--fail-on-warning",
            "--jobs",
            "auto",
            "--doctree-dir",
            to.parent / "doctrees",
            source,
            to,
        ],
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.returncode)


def accessible(words: str) -> str:
    """A page whose marks a screen reader understands, where Sphinx and the theme leave them short."""
    words = words.replace('<summary><span class="toctree-toggle"', TOGGLE)
    words = words.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    words = words.replace(' role="doc-biblioentry"', "")

    def lines(match: re.Match[str]) -> str:
        return "<span>" + match[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>") + "</span>"

    return re.sub(r'<dl>\n((?:<dd><em class="sig-param">.*?</dd>\n)+)</dl>', lines, words)


def main() -> None:
    """Build the book anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epub", action="store_true", help="build the EPUB too")
    parser.add_argument("--to", type=Path, default=ROOT / "build/book", help="folder (default build/book)")
    args = parser.parse_args()
    source = args.to / "source"
    for folder in (source, args.to / "html", args.to / "epub", args.to / "doctrees"):
        shutil.rmtree(folder, ignore_errors=True)
    put_together(source)
    build(source, args.to / "html", "html")
    for path in (args.to / "html/_sources").rglob("*.ipynb"):  # whoever downloads a notebook wants the real one
        shutil.copy(ROOT / path.relative_to(args.to / "html/_sources"), path)
    for path in (args.to / "html").rglob("*.html"):
        path.write_text(accessible(path.read_text(encoding="utf-8")), encoding="utf-8")
    if args.epub:
        build(source, args.to / "epub", "epub")
    print(f"The book: {args.to / 'html/index.html'}")


if __name__ == "__main__":
    main()

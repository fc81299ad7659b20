"""The book: links hold, nothing comes from another host, each picture has words, a screen reader finds its way."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from posixpath import normpath
from urllib.parse import unquote, urlsplit

import pytest

import kdcourse

from .conftest import ROOT
from .test_bibliography import LISTS, cited

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Page(HTMLParser):
    """What a page names: its anchors, its links, what a browser fetches for it, and its pictures without words."""

    def __init__(self, words):
        super().__init__()
        self.anchors, self.links, self.fetched, self.silent, self.pictures = set(), [], [], [], 0
        self.feed(words)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag in ("img", "script", "iframe", "source", "video", "audio") and found.get("src"):
            self.fetched.append(found["src"])
        elif tag == "link" and found.get("rel") not in ("canonical", "next", "prev", "search", "index"):
            self.fetched.append(found["href"])
        if tag == "img":
            self.pictures += 1
            self.silent += [found.get("src")] if len(found.get("alt") or "") < 10 else []


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The book, built by its own command; a warning of Sphinx fails it."""
    pytest.importorskip("sphinx")
    home = tmp_path_factory.mktemp("book")
    command = [sys.executable, ROOT / "tools/book.py", "--epub", "--to", home]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return home


@pytest.fixture(scope="module")
def pages(book):
    """{path: page} of the site."""
    html = book / "html"
    return {path.relative_to(html).as_posix(): Page(path.read_text(encoding="utf-8")) for path in html.rglob("*.html")}


def target(page, link):
    """(path, anchor) that a link of a page leads to."""
    parts = urlsplit(link)
    path = normpath(str(PurePosixPath(page).parent / unquote(parts.path))) if parts.path else page
    return path, unquote(parts.fragment)


def test_every_lesson_evidence_and_exercise_is_a_page(pages):
    folders = ("notebooks", "notebooks/evidence", "exercises")
    wanted = {f"{folder}/{path.stem}.html" for folder in folders for path in (ROOT / folder).glob("*.ipynb")}
    wanted |= {"docs/glossary.html", "docs/ledger.html", "api.html", "references.html", "search.html"}
    assert wanted <= set(pages)


def test_no_link_is_broken(book, pages):
    broken, checked = [], 0
    for page, found in pages.items():
        for link in found.links:
            if urlsplit(link).scheme:
                continue
            path, anchor = target(page, link)
            checked += 1
            if path in pages and anchor:
                broken += [(page, link)] if anchor not in pages[path].anchors else []
            elif not (book / "html" / path).exists():
                broken.append((page, link))
    assert not broken
    assert checked > 5000


def test_links_into_the_repository_lead_to_files_that_are_there(pages):
    address = re.search(r'Repository = "(.*)"', (ROOT / "pyproject.toml").read_text())[1]
    led = {link.split("#")[0] for page in pages.values() for link in page.links if f"{address}/blob/main/" in link}
    led = {link.split("/blob/main/")[1] for link in led}
    assert led
    assert not [path for path in led if not (ROOT / path).exists()]


def test_nothing_is_fetched_from_another_host(book, pages):
    foreign = [(page, one) for page, found in pages.items() for one in found.fetched if urlsplit(one).netloc]
    styles = [path for path in (book / "html/_static").rglob("*.css") if re.search(r"url\(\W?(?:https?:)?//", path.read_text())]  # fmt: skip
    assert not foreign + styles


def test_every_picture_has_words(pages):
    assert not {page: found.silent for page, found in pages.items() if found.silent}
    assert sum(found.pictures for found in pages.values()) > 100


def test_formulas_are_drawn_by_the_browser(book):
    words = (book / "html/notebooks/22_outlook.html").read_text()
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"' in words
    assert not re.search(r"\$[^<$]*\\[a-z]+[^<$]*\$", words), "a formula that nobody converted"


def test_lessons_open_in_colab_and_on_binder(book):
    for name in ("notebooks/01_why_distil", "exercises/01_why_distil"):
        words = (book / f"html/{name}.html").read_text()
        assert re.search(rf'href="https://colab\.research\.google\.com/github/[\w/-]+/blob/main/{name}\.ipynb"', words)
        assert "https://mybinder.org/v2/gh/" in words


def test_a_lessons_frame_is_gone_and_its_folds_are_there(book):
    words = (book / "html/notebooks/22_outlook.html").read_text()
    assert "Safe to run twice" not in words, "the set-up cell"
    framed = [path for path in (book / "html").rglob("*.html") if "· map ·" in re.sub(r"<[^>]*>", "", path.read_text())]
    assert not framed, "the book has its own navigation"
    assert words.count("<details") >= 3
    assert "a control moves this picture" in words
    assert "VBox(" not in words


def test_what_the_package_offers_is_written_down(book):
    for name in ("distill", "train", "evaluate", "load", "split", "save_frozen", "load_frozen", "synthesise"):
        assert f'id="kdcourse.{name}"' in (book / "html/api/kdcourse.html").read_text()
    losses = (book / "html/api/kdcourse.losses.html").read_text()
    assert not [name for name in kdcourse.losses.__all__ if f'id="kdcourse.losses.{name}"' not in losses]
    assert "register_forward_hook" not in losses, "what nn.Module inherits"


def test_each_reference_leads_to_the_bibliography(pages):
    found = {page for page, one in pages.items() if any("references.html#" in link for link in one.links)}
    listed = {path.relative_to(ROOT).with_suffix(".html").as_posix() for path in LISTS if cited(path)}
    assert listed <= found


def test_the_epub_is_well_formed(book):
    with zipfile.ZipFile(book / "epub/kdcourse.epub") as archive:
        names = [name for name in archive.namelist() if name.endswith((".xhtml", ".opf", ".ncx"))]
        for name in names:
            ElementTree.fromstring(archive.read(name))  # raises where a tag is left open
        assert len(names) > 90
        lesson = archive.read("notebooks/22_outlook.xhtml").decode()
    assert "<math" in lesson
    assert "../_static/figures/" in lesson


AXE = ("index", "notebooks/00_start_here", "notebooks/06_cross_entropy", "notebooks/evidence/outlook", "exercises/22_outlook",
       "docs/glossary", "docs/ledger", "api/kdcourse", "api/kdcourse.losses", "references", "search")  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1400, 1000), (390, 844)], ids=["desk", "phone"])
def test_axe_finds_no_serious_fault(book, theme, size):
    """https://github.com/dequelabs/axe-core, on pages of every kind; nothing runs out of the window sideways."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here (Debian: chromium)")
    import axe_playwright_python
    from playwright.sync_api import sync_playwright

    axe = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8")
    faults = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme).new_page()
        for name in AXE:
            page.goto((book / f"html/{name}.html").as_uri())
            page.wait_for_function("document.documentElement.dataset.theme")
            page.evaluate(axe)
            found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
            faults += [(name, one["id"], one["nodes"][0]["html"][:120]) for one in found if one["impact"] in ("serious", "critical")]  # fmt: skip
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            faults += [(name, "wider than the window", wide)] if wide > 1 else []
            assert page.evaluate("document.documentElement.dataset.theme") == theme
        browser.close()
    assert not faults

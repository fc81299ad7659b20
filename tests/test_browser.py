"""Every notebook in a real JupyterLab: it runs without an error, each figure has its alt text, each control works.

``KDCOURSE_SCREENSHOTS=folder`` keeps pictures of the whole page in both themes.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from .conftest import ROOT, file

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
NOTEBOOKS = sorted(
    p.name for p in (ROOT / "notebooks").glob("*.ipynb") if not p.name.startswith("A_")
)  # appendix A wants an environment of its own
SECONDS = 240
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STATE = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets.filter(c => c.model.type === 'code');
  return cells.map(c => ({count: c.model.executionCount, state: c.model.executionState || '',
    source: c.model.sharedModel.getSource(), outputs: c.model.outputs.toJSON()}));
}"""
READY = """() => window.jupyterapp && window.jupyterapp.shell.currentWidget &&
  window.jupyterapp.shell.currentWidget.sessionContext &&
  window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab over a copy of the notebooks, all cells drawn at once; its address."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here (Debian: chromium)")
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", home / "notebooks")
    shutil.copytree(ROOT / "docs", home / "docs")
    shutil.copytree(ROOT / "exercises", home / "exercises")
    settings = home / "settings/@jupyterlab"
    for path, value in {
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }.items():
        (settings / path).parent.mkdir(parents=True, exist_ok=True)
        settings.joinpath(f"{path}.jupyterlab-settings").write_text(json.dumps(value))
    options = ["--no-browser", "--allow-root", "--expose-app-in-browser", "--ServerApp.token=", "--port=0"]
    environment = os.environ | {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "KDCOURSE_PROGRESS": str(home / "progress.json"), "JUPYTER_RUNTIME_DIR": str(home / "runtime")}  # fmt: skip
    log = (home / "log").open("w+")
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options, str(home)], cwd=home, env=environment, stderr=log, stdout=log)  # fmt: skip
    try:
        yield _address(home / "log", server)
    finally:
        server.terminate()
        server.wait(30)


def _address(log: Path, server: subprocess.Popen) -> str:
    for _ in range(120):
        found = re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/lab", log.read_text())
        if found:
            with contextlib.suppress(urllib.error.URLError):  # it names its address a moment before it listens there
                urllib.request.urlopen(found[0].removesuffix("/lab") + "/api", timeout=20)
                return found[0]
        assert server.poll() is None, log.read_text()
        time.sleep(0.5)
    raise TimeoutError(log.read_text())


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_in_a_real_browser(lab, browser, name, tmp_path):
    page = _open(lab, browser, f"notebooks/{name}")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    assert all(cell["count"] is None and not cell["outputs"] for cell in page.evaluate(STATE)), (
        "nothing old is looked at"
    )
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    cells = _finished(page)
    for cell in cells:
        errors = [o for o in cell["outputs"] if o["output_type"] == "error" or o.get("name") == "stderr"]
        assert not errors, (cell["source"], errors)
    figures = sum("image/png" in o.get("data", {}) for cell in cells for o in cell["outputs"])
    images = page.locator(".jp-OutputArea-output figure img")
    assert images.count() == figures > 0, "every figure stands in the page"
    for image in images.all():
        assert len(image.get_attribute("alt")) >= 40
        assert image.evaluate("i => i.complete && i.naturalWidth > 100"), "it is drawn"
    controlled = sum("kd.widgets." in cell["source"] for cell in cells if "CHANGES" not in cell["source"])
    assert _move_all(page) >= controlled
    _in_both_themes(page, tmp_path, Path(name).stem)


ANSWERS = {
    "cross_entropy.1": "def gradient_moves(change):\n    return 'longer' if 'T²' in change else 'same'",
    "cross_entropy.2": "def smoothed_targets(labels, classes, epsilon):\n"
    "    return (1 - epsilon) * F.one_hot(labels, classes) + epsilon / classes",
    "cross_entropy.3": "def soft_targets(z, v, labels, temperature, alpha):\n    print('no idea')\n    return 1 / (len(z) - len(v))",
}
CARDS = {
    "cross_entropy.1": "◐ Predict the gradient (cross_entropy.1): answered",
    "cross_entropy.2": "✓ Label smoothing as soft targets (cross_entropy.2): passed",
    "cross_entropy.3": "✗ The whole loss (cross_entropy.3): not yet",
    "cross_entropy.4": "○ The gradient, by hand (cross_entropy.4): not attempted",
}
WRITE = """answers => window.jupyterapp.shell.currentWidget.content.widgets.forEach(cell => {
  const tag = (cell.model.getMetadata('tags') || []).find(t => t.startsWith('answer:'));
  const answer = tag && answers[tag.slice(7)];
  if (answer) cell.model.sharedModel.setSource(answer);
})"""


def test_a_learner_meets_the_four_cards(lab, browser, tmp_path):
    """The exercises of ``cross_entropy`` as a learner works on them: a prediction, an answer right, one odd, one untouched."""
    page = _open(lab, browser, f"exercises/{file('cross_entropy').name}")
    page.evaluate(WRITE, ANSWERS)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    _finished(page)
    cards = page.locator(".jp-OutputArea-output [role=status]")
    texts = [" ".join(text.split()) for text in cards.all_inner_texts()]
    assert [t.startswith(c) for t, c in zip(texts, CARDS.values(), strict=False)] == [True] * 4, texts
    assert "Your function printed" in texts[2] and "3 of 5 right: 0.6 of 1 point" in texts[0]
    assert "ZeroDivisionError: division by zero" in texts[2] and "return 1 / (len(z) - len(v))" in texts[2]
    for card in cards.all():
        box, outer = card.bounding_box(), page.locator(".jp-WindowedPanel-outer").first.bounding_box()
        assert box["width"] <= outer["width"], "nothing runs out of the page"
        assert card.evaluate("c => c.scrollWidth <= c.clientWidth + 1")
    assert page.locator("[role=img][aria-label='2.6 of 10 points']").count() == 1
    _in_both_themes(page, tmp_path, "exercise-01")


def _open(lab, browser, path):
    page = browser.new_page(viewport={"width": 1280, "height": 1500})
    page.goto(f"{lab}/tree/{path}?reset", wait_until="domcontentloaded")
    page.wait_for_function(READY, timeout=90_000)
    page.evaluate("() => window.jupyterapp.commands.execute('filebrowser:toggle-main').catch(() => {})")
    return page


def _in_both_themes(page, tmp_path, stem) -> None:
    """Photographs; then the page and its kernel are closed."""
    folder = Path(os.environ.get("KDCOURSE_SCREENSHOTS", tmp_path))
    folder.mkdir(exist_ok=True, parents=True)
    backgrounds = set()
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.evaluate("t => window.jupyterapp.commands.execute('apputils:change-theme', {theme: t})", theme)
        page.wait_for_function("t => document.body.dataset.jpThemeName === t", arg=theme, timeout=20_000)
        page.wait_for_timeout(500)
        backgrounds.add(page.evaluate("getComputedStyle(document.body).getPropertyValue('--jp-layout-color0').trim()"))
        _photograph(page, folder, f"{stem}-{theme.split()[1].lower()}")
    assert len(backgrounds) == 2, "the two themes differ"
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.close()


def _finished(page):
    """The code cells, once all have been run again; the first failing one ends the wait."""
    for _ in range(2 * SECONDS):
        page.wait_for_timeout(500)
        idle = page.evaluate(READY)
        cells = page.evaluate(STATE)
        done = [c["count"] for c in cells] == list(range(1, len(cells) + 1))
        if idle and done and page.locator(".jp-InputPrompt", has_text="[*]").count() == 0:
            page.wait_for_timeout(1000)
            return page.evaluate(STATE)
        if any(o["output_type"] == "error" for c in cells for o in c["outputs"]):
            return cells
    raise TimeoutError("the notebook did not finish")


def _move_all(page) -> int:
    """Move every control, sliders by keyboard and by mouse, menus by choice; its picture must change. How many live pictures."""
    boxes = page.locator(".jp-OutputArea-output .widget-vbox:has(.widget-html img)")
    for box in boxes.all():
        box.scroll_into_view_if_needed()
        picture = box.locator(".widget-html img")
        assert len(picture.get_attribute("alt")) >= 20
        for menu in box.locator("select").all():
            before = picture.get_attribute("src")
            menu.select_option(index=1)
            _changed(page, picture, before)
        for slider in box.locator(".noUi-handle").all():
            before = picture.get_attribute("src")
            slider.focus()
            for _ in range(4):
                page.keyboard.press("ArrowRight")
            before = _changed(page, picture, before)
            track = slider.locator("xpath=ancestor::*[contains(@class,'noUi-target')]").bounding_box()
            page.mouse.click(track["x"] + 0.8 * track["width"], track["y"] + track["height"] / 2)
            _changed(page, picture, before)
    return boxes.count()


def _changed(page, picture, before: str) -> str:
    for _ in range(50):
        now = picture.get_attribute("src")
        if now != before:
            return now
        page.wait_for_timeout(100)
    raise AssertionError("the control moved and its picture did not change")


def _photograph(page, folder: Path, stem: str) -> None:
    """The top of the page; with KDCOURSE_SCREENSHOTS all of it, screen by screen."""
    scroller = page.locator(".jp-WindowedPanel-outer").first
    scroller.evaluate("s => s.scrollTo(0, 0)")
    pages = 40 if "KDCOURSE_SCREENSHOTS" in os.environ else 1
    for number in range(pages):
        page.wait_for_timeout(250)
        page.screenshot(path=folder / f"{stem}-{number:02}.png")
        moved = scroller.evaluate("s => { const t = s.scrollTop; s.scrollBy(0, 1350); return s.scrollTop > t; }")
        if not moved:
            break

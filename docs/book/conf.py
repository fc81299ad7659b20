"""The book's settings. tools/book.py puts this file beside the pages that it makes, and runs Sphinx there."""

import re
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

about = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
project, author, language = "kdcourse", "The kdcourse authors", "en"
version = release = about["version"]
html_title = "Knowledge distillation, from the idea to your own models"
copyright = "2026, the kdcourse authors. Text and figures: CC BY 4.0. Code: MIT"

extensions = [
    "myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_design", "sphinx_copybutton",
    "sphinxcontrib.bibtex",
]  # fmt: skip
nb_execution_mode = "off"  # the committed outputs are shown
nb_mime_priority_overrides = [("*", "text/html", 0)]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 4
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "alpha"

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 72
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
add_module_names = False

html_theme = "sphinx_book_theme"
html_theme_options = {
    "repository_url": about["urls"]["Repository"],
    "repository_branch": "main",
    "path_to_docs": "",
    "use_repository_button": True,
    "use_issues_button": True,
    "use_fullscreen_button": False,
    "launch_buttons": {
        "colab_url": "https://colab.research.google.com",
        "binderhub_url": "https://mybinder.org",
        "notebook_interface": "jupyterlab",
    },
    "show_toc_level": 2,
    "navbar_start": [],
    "navbar_end": [],
    "navbar_persistent": [],
}
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_show_sourcelink = False
html_domain_indices = False
html_math_renderer = "mathml"

epub_show_urls = "no"
epub_title, epub_author = html_title, author
epub_exclude_files = [
    "search.html",
    "genindex.html",
    "_static/stix-two-math.woff2",
    "_static/stix-two-math-LICENSE.txt",
]


def _mathml(latex: str, display: str) -> str:
    found = convert(re.sub(r"\s+", " ", latex).strip(), display=display)
    # "log q" wants a small space where no bracket follows; the converter leaves none
    return re.sub(
        r"<mi>([a-z]{2,})</mi>(?!</|<mo[^>]*>&#x00028;)", r'<mo lspace="0.17em" rspace="0.17em">\1</mo>', found
    )


def _inline(self, node):  # type: ignore[no-untyped-def]
    self.body.append(_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _block(self, node):  # type: ignore[no-untyped-def]
    self.body.append(f'<div class="math">{_mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def _plain(app, what, name, obj, options, lines):  # type: ignore[no-untyped-def]
    """A bar in a docstring is an absolute value, no substitution."""
    lines[:] = [re.sub(r"(``.*?``)|(?<!\\)\|", lambda m: m[1] or r"\|", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Formulas become MathML, which browsers and readers of EPUB draw themselves: no script, no foreign host."""
    app.connect("autodoc-process-docstring", _plain)
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))

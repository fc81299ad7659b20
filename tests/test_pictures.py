"""Pictures in notebooks are those that the package draws today: nbval leaves pictures and their alt texts out."""

import ast
import base64
import builtins
import io
import json

import numpy as np
import pytest
from matplotlib import image

import kdcourse as kd

from .conftest import ROOT

NOTEBOOKS = sorted([*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "notebooks/evidence").glob("*.ipynb")])


def stands_alone(source):
    """Whether a cell needs nothing but ``kd`` and ends in a figure or a diagram of the course's."""
    tree = ast.parse(source)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    needed = {node.id for node in names if isinstance(node.ctx, ast.Load)} - own - set(dir(builtins)) - {"kd"}
    last = tree.body[-1] if tree.body else None
    drawn = isinstance(last, ast.Expr) and ast.unparse(last).startswith(("kd.figures.", "kd.diagrams."))
    return drawn and not needed


def pictures():
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and "kd." in source and not source.startswith("%") and stands_alone(source):
                yield pytest.param(cell, id=f"{path.stem}: {source.splitlines()[-1][:40]}")


def redrawn(source):
    body = ast.parse(source).body
    space = {"kd": kd}
    exec(compile(ast.Module(body[:-1], []), "<cell>", "exec"), space)
    return eval(compile(ast.Expression(body[-1].value), "<cell>", "eval"), space)


def pixels(png):
    return image.imread(io.BytesIO(png))[..., :3]


@pytest.mark.parametrize("cell", list(pictures()))
def test_a_picture_is_the_one_that_is_drawn_today(cell):
    (output,) = cell["outputs"]
    today = redrawn("".join(cell["source"]))
    assert "".join(output["data"]["text/plain"]) == repr(today)
    saved, drawn = pixels(base64.b64decode(output["data"]["image/png"])), pixels(today.png())
    assert saved.shape == drawn.shape
    assert np.abs(saved - drawn).mean() < 0.01, "the picture is another one: run the notebook again"


def test_there_are_such_pictures_in_most_lessons():
    assert len(list(pictures())) >= 20


def test_a_changed_picture_is_noticed():
    source = "kd.diagrams.gate()"
    assert stands_alone(source) and not stands_alone("kd.figures.curves(run)") and not stands_alone("x = 1")
    shown, other = redrawn(source), redrawn("kd.diagrams.channel()")
    assert np.abs(pixels(shown.png()) - pixels(other.png())).mean() > 0.01

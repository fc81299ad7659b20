"""Figures say their finding: titles filled from records, signs kept, whiskers around zero; what is measured is marked."""

import json

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import kdcourse as kd
from kdcourse._intervals import Difference
from kdcourse._measured import Measured

CLEAR = Difference(0.029, 0.02, 0.038, [0.03] * 5)
UNCLEAR = Difference(0.001, -0.01, 0.012, [0.0] * 5)
FEW = Difference(0.01, None, None, [0.01, 0.02, 0.0], kind="values")
TITLE = "Taught by a large network, the small one gains {own:.1f} points"


def test_a_title_is_drawn_above_and_is_the_alt_texts_beginning():
    shown = kd.plots.differences({"own": CLEAR, "other": UNCLEAR}, title=TITLE)
    said = "Taught by a large network, the small one gains 2.9 points"
    assert shown.title == said
    assert shown.figure._suptitle.get_text() == said
    assert shown.alt.startswith(said)
    assert "own +2.9 ± 0.9" in shown.alt


def test_long_titles_are_wrapped_inside_the_figure():
    shown = kd.plots.differences(
        {"own": CLEAR}, title=TITLE + ", and that is a long sentence, longer than the figure is wide"
    )
    figure = shown.figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure._suptitle.get_window_extent(canvas.get_renderer())
    assert box.x1 <= figure.bbox.x1
    assert "\n" in figure._suptitle.get_text()


def test_a_sign_that_changes_changes_what_a_notebook_compares():
    one = kd.plots.differences({"own": CLEAR}, title=TITLE)._repr_mimebundle_()
    other = kd.plots.differences({"own": Difference(-0.029, -0.04, -0.02, [0.0] * 5)}, title=TITLE)._repr_mimebundle_()
    assert json.loads(one[kd.plots.FINDING]) == {"own": "+"}
    assert json.loads(other[kd.plots.FINDING]) == {"own": "-"}
    near = kd.plots.differences({"own": Difference(0.031, 0.02, 0.04, [0.0] * 5)}, title=TITLE)._repr_mimebundle_()
    assert near[kd.plots.FINDING] == one[kd.plots.FINDING], "a number that moves a little changes nothing"


@pytest.mark.parametrize("difference", [UNCLEAR, FEW])
def test_a_title_may_not_lean_on_an_interval_that_holds_zero(difference):
    with pytest.raises(ValueError, match="the title's field own must have an interval that leaves out zero"):
        kd.plots.differences({"own": difference}, title=TITLE)
    kd.plots.differences({"own": difference}, title="There is no difference that we can measure: {own:+.1f} points")


def test_a_field_that_is_missing_is_named():
    with pytest.raises(ValueError, match="title must use fields that the figure has; got {least} in it. It has: own"):
        kd.plots.differences({"own": CLEAR}, title="It gains {least:.0f} points by distillation, and no less")


def test_whiskers_are_the_intervals_and_hollow_dots_hold_zero():
    axis = kd.plots.differences(
        {"a": CLEAR, "b": UNCLEAR, "c": FEW}, title="One of three differences leaves out zero"
    ).figure.axes[0]
    lines = axis.get_lines()
    assert list(lines[0].get_xdata()) == pytest.approx([2.0, 3.8])
    assert lines[1].get_markerfacecolor() != "white"
    assert list(lines[2].get_xdata()) == pytest.approx([-1.0, 1.2])
    assert lines[3].get_markerfacecolor() == "white"
    assert list(lines[4].get_xdata()) == pytest.approx([1.0, 2.0, 0.0]), "a dot a seed"
    assert lines[-1].get_xdata()[0] == 0, "the zero line"


def test_every_figure_function_takes_a_title():
    for call in (
        lambda t: kd.plots.lines({"": {"a": [1.0, 2.0]}}, xlabel="x", ylabel="y", title=t),
        lambda t: kd.figures._shapes.scatter({"a": (1.0, 2.0)}, xlabel="x", ylabel="y", title=t),
    ):
        assert call("The second value is larger than the first one is").title


@pytest.mark.parametrize(("value", "form", "text", "html"), [
    (0.8712, ".1%", "≈ 87.1%", '<span class="measured">87.1%</span>'),
    (3, "", "≈ 3", '<span class="measured">3</span>'),
    (-0.25, "+.2f", "≈ -0.25", '<span class="measured">-0.25</span>'),
    ("1 < 2", "", "≈⟨1 < 2⟩", '<span class="measured">1 &lt; 2</span>'),
])  # fmt: skip
def test_what_this_kernel_measured_is_marked(value, form, text, html):
    shown = kd.measured(value, form)
    assert str(shown) == repr(shown) == text
    assert shown._repr_html_() == html


def test_a_measured_table_keeps_its_form():
    table = kd.plots.Table(["what", "value"], [["a", kd.measured(0.5, ".2f")], ["b", 1]])
    assert "≈ 0.50" in str(table)
    assert '<span class="measured">0.50</span>' in table._repr_html_()
    whole = kd.measured(table)
    assert str(whole).startswith("≈⟨")
    assert whole._repr_html_().startswith('<div class="measured"><table')
    assert f"{kd.measured(0.5):.1f}" == "≈ 0.5"
    assert isinstance(whole, Measured)

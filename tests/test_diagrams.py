"""The concept diagrams: what is drawn is what is computed, and every word of it can be read."""

import io
import json
import re
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle
from matplotlib.path import Path
from matplotlib.text import Text
from safetensors.numpy import load_file

import kdcourse as kd
from kdcourse import _course
from kdcourse.diagrams import (
    _answers,
    _channel,
    _directions,
    _distillation,
    _drawing,
    _drift,
    _frameworks,
    _gate,
    _leak,
    _missing_class,
    _mistakes,
    _nested_subspaces,
    _parts,
    _relations,
    _rounds,
    _shared_teacher,
    _shift,
    _simplex,
    _sources,
    _taps,
    _two_heads,
)
from kdcourse.plots import Shown

from .conftest import ROOT, file

FILE = ROOT / "kdcourse/assets/diagrams.safetensors"
DIAGRAMS = {name: getattr(kd.diagrams, name) for name in kd.diagrams.__all__}
OTHERS = {  # the same diagrams with other arguments must be as readable
    "temperature of three": lambda: kd.diagrams.temperature([3.0, -1.0, 1.0], ["cat", "lynx", "tortoise"], (0.5, 2)),
    "temperature unnamed": lambda: kd.diagrams.temperature([0.0, 50.0]),
    "simplex right": lambda: kd.diagrams.simplex((0.1, 0.7, 0.2), (0.2, 0.1, 0.7), 2),
}


@pytest.fixture(scope="module")
def drawn():
    """Every diagram once; nothing changes them."""
    return {name: make() for name, make in {**DIAGRAMS, **OTHERS}.items()}


def artists(shown, kind):
    return {a.get_gid(): a for a in shown.figure.findobj(kind) if a.get_gid()}


def bars(shown, gid):
    """The lengths of one group of bars, from the top."""
    found = {k: v for k, v in artists(shown, Rectangle).items() if k.startswith(gid + ":")}
    return np.array([found[f"{gid}:{i}"].get_width() for i in range(len(found))])


def outline(arrow):
    """The drawn outline's points, in inches, the arrow's start first."""
    path = arrow.get_path()
    return path.vertices[path.codes != Path.CLOSEPOLY]


def ends(arrow):
    """Where an arrow begins, and the tip of its head: the middle one of the head's three points."""
    path = arrow.get_path()
    head = path.vertices[np.flatnonzero(path.codes == Path.MOVETO)[-1] :]
    return path.vertices[0], head[1]


def words(shown):
    shown.figure.canvas.draw()
    return [t for t in shown.figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


def box(text):
    # get_window_extent counts the room below the baseline that the letters may not need
    return text.get_window_extent().shrunk(1.0, 0.98)


# ---------------------------------------------------------------- all of them


def test_there_are_these():
    first = {
        "distillation",
        "temperature",
        "leak",
        "shift",
        "inversion",
        "missing_class",
        "simplex",
        "nested_subspaces",
    }
    later = {"bugs", "channel", "course", "four_steps", "gate", "looks", "mistakes", "parts", "relations", "taps"}
    assert set(DIAGRAMS) == first | later | {
        "answers",
        "directions",
        "drift",
        "frameworks",
        "gauges",
        "rounds",
        "shared_teacher",
        "sources",
        "spread_points",
        "two_heads",
        "whose_words",
    }


def test_the_map_shows_every_lesson_and_fills_the_way_for_three_hours(drawn):
    lessons, way = _course.lessons(), _course.path()
    boxes = drawn["course"].figure.findobj(FancyBboxPatch)
    for lesson in lessons:
        name = f"{_course.label(lesson)} {lesson['title']}"
        (text,) = [t for t in words(drawn["course"]) if t.get_text().replace("\n", " ") == name]
        extent = text.get_window_extent()
        assert any(b.get_window_extent().containsx(extent.x0 - 3) and b.get_window_extent().containsx(extent.x1 + 3)
                   and b.get_window_extent().containsy(extent.y0) for b in boxes if b.get_height() < 1), lesson  # fmt: skip
    bold = [t for t in words(drawn["course"]) if t.get_weight() == "bold" and t.get_text()[:2].isdigit()]
    assert sorted(t.get_text()[:2] for t in bold) == sorted(_course.label(n) for n in lessons if n["slug"] in way)


def test_the_students_mistake_is_where_the_sentence_stops_being_valid(drawn):
    from kdcourse.diagrams._whose_words import PROMPT, STUDENTS, TEACHERS, first_mistake

    valid = kd.language.is_valid(kd.language.tokens([PROMPT + TEACHERS, PROMPT + STUDENTS])).tolist()
    assert valid == [True, False]
    wrong = first_mistake(PROMPT + STUDENTS)
    assert first_mistake(PROMPT + TEACHERS) is None
    mended = [PROMPT + STUDENTS[: wrong - len(PROMPT)], PROMPT + STUDENTS[: wrong - len(PROMPT) + 1]]
    rests = ["", "]", ")", "])", ")]", "])]", "))"]
    goes_on = [any(kd.language.is_valid(kd.language.tokens([start + rest for rest in rests]))) for start in mended]
    assert goes_on == [True, False], "before it the sentence can still be saved"
    assert f"bracket {wrong + 1} closes the wrong one" in drawn["whose_words"].alt
    letters = [t.get_text() for t in words(drawn["whose_words"]) if t.get_text() in "()[]{}" and t.get_text()]
    assert "".join(letters) == PROMPT + TEACHERS + PROMPT + STUDENTS


def test_spread_points_try_another_rate_each(drawn):
    lines = artists(drawn["spread_points"], Line2D)
    dots = {
        name: [float(gid.split(":")[1]) for gid in lines if gid.startswith(f"{name}:")] for name in ("grid", "spread")
    }
    marks = {name: sum(gid.startswith(f"rate:{name}:") for gid in lines) for name in dots}
    assert marks == {"grid": 3, "spread": 9} == {name: len(set(rates)) for name, rates in dots.items()}
    assert "try 3 learning rates; nine spread points try 9" in drawn["spread_points"].alt


def test_gauges_show_an_image_upside_down_and_a_gradient_that_dies(drawn):
    seen = {i.get_gid(): np.asarray(i.get_array()) for i in drawn["gauges"].figure.axes[0].images}
    assert np.array_equal(seen["seen by the teacher"], seen["seen by the student"][::-1])
    said = [t.get_text() for t in words(drawn["gauges"])]
    assert [t for t in said if t.endswith("%")] == ["0.4 %", "2 %", "6 %", "25 %", "100 %"]
    assert [t for t in said if t in ("1", "2", "3")] == ["1", "2", "1", "2", "3", "3"], "places, and layers"


def test_the_price_of_a_shared_teacher_is_drawn_to_scale_and_paid_once(drawn):
    bars = [
        patch for patch in drawn["shared_teacher"].figure.axes[0].patches if patch.get_gid() in _shared_teacher.PRICES
    ]
    assert sorted(bar.get_gid() for bar in bars) == ["answers", "student", "student", "student", "teacher"]
    for bar in bars:
        assert bar.get_width() == pytest.approx(_shared_teacher.PRICES[bar.get_gid()] * _shared_teacher.INCH)
    assert _shared_teacher.PRICES == {"teacher": 1200, "answers": 160, "student": 180}
    assert _shared_teacher.share(1) == 1540 and _shared_teacher.share(10) == 316
    assert "one of ten 316" in drawn["shared_teacher"].alt


def test_sources_are_drawn_as_they_are_and_told_apart_by_what_they_know(drawn):
    targets = _sources.targets()
    answer, rest, other = (targets[n] for n in ("the teacher's answer", "the label, a random rest", "random answers"))
    at = _drawing.CLASSES.index("Sandal")
    assert all(np.isclose(shares.sum(), 1) for shares in targets.values())
    assert answer.argmax() == rest.argmax() == at != other.argmax()
    for shuffled in (rest, other):
        assert np.allclose(np.sort(shuffled), np.sort(answer)) and not np.allclose(shuffled, answer)
    for name, shares in targets.items():
        found = artists(drawn["sources"], Rectangle)
        heights = np.array([found[f"{name}:{i}"].get_height() for i in range(10)])
        assert np.allclose(heights / heights.sum(), shares)
    marks = [line for line in drawn["sources"].figure.axes[0].lines if line.get_marker() == "o"]
    assert len(marks) == sum(sum(known) for known in _sources.KNOWS.values())


@pytest.mark.parametrize("name", [*DIAGRAMS, *OTHERS])
def test_the_visible_title_is_a_sentence_that_begins_the_alt_text(drawn, name):
    shown = drawn[name]
    title = shown.figure.get_suptitle()
    assert isinstance(shown, Shown)
    assert len(title) >= 40 and title[0].isupper() and title.endswith(".")
    assert shown.alt.startswith(title + " ")
    told = shown.alt.removeprefix(title)
    assert len(told) >= 100 and any(c.isdigit() for c in told)
    assert shown.caption == "" or shown.caption.endswith(".")


def test_all_pictures_have_one_size(drawn):
    sizes = {mpl.image.imread(io.BytesIO(shown.png())).shape[:2] for shown in drawn.values()}
    assert sizes == {(396, 990)}  # 9 x 3.6 inches at 110 dots


@pytest.mark.parametrize("name", [*DIAGRAMS, *OTHERS])
def test_no_text_leaves_the_picture_or_lies_on_another(drawn, name):
    shown = drawn[name]
    found = [(t.get_text(), box(t)) for t in words(shown)]
    assert len(found) > 8
    width, height = shown.figure.canvas.get_width_height()
    for text, b in found:
        assert b.x0 >= 12 and b.y0 >= 8 and b.x1 <= width - 12 and b.y1 <= height - 8, text
    for (one, a), (other, b) in combinations(found, 2):
        assert not a.overlaps(b), f"{one!r} and {other!r}"


@pytest.mark.parametrize("name", DIAGRAMS)
def test_no_text_runs_into_an_image(drawn, name):
    shown = drawn[name]
    found = words(shown)
    for image in shown.figure.findobj(AxesImage):
        frame = image.get_window_extent()
        for text in found:
            assert not box(text).overlaps(frame), text.get_text()


@pytest.mark.parametrize("name", [*DIAGRAMS, *OTHERS])
def test_text_can_be_read(drawn, name):
    sizes = [t.get_fontsize() for t in words(drawn[name])]
    assert min(sizes) >= 8 and max(sizes) <= 11
    assert sum(size >= 9 for size in sizes) >= 0.6 * len(sizes)
    for text in words(drawn[name]):
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(text.get_color()))  # fmt: skip
        assert 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05) >= 4.5, text.get_text()  # WCAG 2.1, on white


@pytest.mark.parametrize("name", DIAGRAMS)
def test_teacher_and_student_have_their_colours(drawn, name):
    """What is called the teacher's is a darker blue, what is called the student's a darker vermilion."""
    for text in words(drawn[name]):
        if text.get_fontweight() != "bold" or text.get_text() == drawn[name].figure.get_suptitle():
            continue
        for word, colour in (("teacher", kd.plots.COLOURS[0]), ("student", kd.plots.COLOURS[1])):
            if word in text.get_text().lower():
                assert to_hex(text.get_color()) == to_hex(_drawing.mix(colour, _drawing.INK, 0.8)), text.get_text()


def test_the_card_stands_on_pages_of_any_colour(drawn):
    picture = mpl.image.imread(io.BytesIO(drawn["leak"].png()))
    assert picture[0, 0, 3] == 0  # the corner shows the page
    assert (picture[40, 500] == 1).all()  # the card is white


# ---------------------------------------------------------------- the asset file


def test_the_images_are_bundled_ones_and_the_answers_the_shipped_teachers():
    held, train, teacher = load_file(FILE), kd.load().train, kd.load_teacher().eval()
    assert FILE.stat().st_size < 40_000
    bundled = {i.tobytes(): int(label) for i, label in zip((255 * train.images[:, 0]).round().to(torch.uint8).numpy(), train.labels, strict=True)}  # fmt: skip
    images = {name.removeprefix("image:"): v for name, v in held.items() if name.startswith("image:")}
    assert len(images) == 12 and _drawing.CLASSES == kd.data.loading.FASHION
    with torch.no_grad():
        for name, image in images.items():
            label = bundled[image.tobytes()]  # a KeyError: not one of the set
            assert _drawing.CLASSES[label] == name.removesuffix(" 2")
            for kind, seen in (("logits", image / 255), ("camera", _shift.other_camera(image / 255))):
                answer = teacher(torch.tensor(seen, dtype=torch.float32)[None, None])[0].numpy()
                np.testing.assert_allclose(held[f"{kind}:{name}"], answer, atol=1e-3)
        for step in (0, 30, 100, 300):
            seen = torch.tensor(held[f"inversion:{step}"] / 255, dtype=torch.float32)[None, None]
            np.testing.assert_allclose(held[f"inversion-logits:{step}"], teacher(seen)[0].numpy(), atol=1e-3)


# ---------------------------------------------------------------- one by one


def test_distillation_draws_the_teachers_answer(drawn):
    shown = drawn["distillation"]
    p = torch.tensor(load_file(FILE)["logits:Sandal 2"]).softmax(0).numpy()[[5, 7, 9]]
    lengths = bars(shown, "teacher")
    np.testing.assert_allclose(lengths / lengths.sum(), [*p, 1 - p.sum()], atol=1e-6)
    student = bars(shown, "student")
    np.testing.assert_allclose(student.sum(), lengths.sum())  # one scale
    np.testing.assert_allclose(bars(shown, "label"), [bars(shown, "label")[0], 0, 0, 0])


def test_distillation_sends_both_gradients_to_the_student_only(drawn):
    arrows = [a for a in drawn["distillation"].figure.findobj(FancyArrowPatch) if a.get_linestyle() != "-"]
    assert len(arrows) == 3  # two gradients, and the one in the legend
    reached = dict.fromkeys(_distillation.ROWS, 0)
    for name, low in _distillation.ROWS.items():
        for points in map(outline, arrows):
            inside = (points > (1.95, low - 0.05)) & (points < (3.4, low + 0.75))  # the box, and a twentieth of an inch
            reached[name] += int(inside.all(axis=1).any())
    assert reached == {"teacher": 0, "student": 2}


def test_temperature_draws_softmax_of_the_logits(drawn):
    logits = torch.tensor(load_file(FILE)["logits:Sandal"]).sort(descending=True).values
    for t in (1, 4, 20):
        lengths = bars(drawn["temperature"], f"T={t}")
        np.testing.assert_allclose(lengths / lengths.sum(), (logits / t).softmax(0).numpy(), atol=1e-6)
    for t in ("0.5", "2"):
        lengths = bars(drawn["temperature of three"], f"T={t}")
        expected = (torch.tensor([3.0, 1.0, -1.0]) / float(t)).softmax(0).numpy()
        np.testing.assert_allclose(lengths / lengths.sum(), expected, atol=1e-6)


def test_temperature_shows_the_image_only_with_its_own_logits(drawn):
    assert len(drawn["temperature"].figure.findobj(AxesImage)) == 1
    assert not drawn["temperature of three"].figure.findobj(AxesImage)


def test_written_percentages_are_never_a_false_zero_or_hundred():
    written = {1.0: "100 %", 0.9997: ">99.9 %", 0.996: "99.6 %", 0.99: "99 %", 0.07: "7 %", 0.005: "0.5 %", 1e-9: "<0.1 %"}  # fmt: skip
    assert {value: _drawing.percent(value) for value in written} == written


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"logits": [1.0]}, r"logits must be 2 to 10 finite numbers; got \[1.0\]. Pass the logits of one image"),
        ({"logits": [1.0, float("nan")]}, "logits must be 2 to 10 finite numbers"),
        ({"logits": [[1.0, 2.0]]}, "logits must be 2 to 10 finite numbers"),
        ({"classes": ["a", "b"]}, "classes must name 10 classes, one a logit; got .*Pass one name for each logit"),
        ({"temperatures": (4, 1)}, r"temperatures must be two or three numbers, from low to high; got \(4, 1\). Pass"),
        ({"temperatures": (1,)}, "temperatures must be two or three numbers"),
        ({"temperatures": (0, 1)}, "temperatures must be a finite number above 0; got 0. Choose"),
    ],
)
def test_temperature_refuses(arguments, match):
    with pytest.raises(ValueError, match=match):
        kd.diagrams.temperature(**arguments)


def test_looks_draws_what_the_two_networks_see(drawn):
    held, found = load_file(FILE), artists(drawn["looks"], AxesImage)
    x = torch.tensor(held["image:Ankle boot"] / 255, dtype=torch.float32)[None, None]
    student = kd.build("cnn", width=8, seed=0).eval()
    for name, model, layer in (("teacher", kd.load_teacher(), "block6"), ("student", student, "block2")):
        with torch.no_grad():
            maps = kd.models.features(model, x, [layer])[layer]
        expected = kd.losses.attention_map(maps).view(7, 7).numpy()
        shown = np.asarray(found[f"attention:{name}"].get_array())
        np.testing.assert_allclose(shown / np.linalg.norm(shown), expected, atol=0.01)
        assert f"{maps.shape[1]} maps" in drawn["looks"].alt.replace("student 16", "student 16 maps")
        largest = maps[0].sum(dim=(1, 2)).argsort(descending=True)[:4]
        for k, at in enumerate(largest.tolist()):
            own = np.asarray(found[f"{name}:{k}"].get_array())
            np.testing.assert_allclose(own * float(maps[0, largest].max()), maps[0, at].numpy(), atol=0.02)


def test_relations_draws_the_teachers_triangle_and_one_of_the_same_shape(drawn):
    logits = torch.tensor(np.array([load_file(FILE)[f"logits:{name}"] for name in _relations.IMAGES]))
    corners = {p.get_gid(): p.get_xy()[:3] for p in drawn["relations"].figure.findobj(Polygon) if p.get_gid()}
    teacher, student = (torch.tensor(corners[f"triangle:{name}"]) for name in ("teacher", "student"))
    assert float(kd.losses.relational(teacher, logits.double())) < 1e-6
    assert float(kd.losses.relational(student, teacher)) < 1e-6
    sizes = [float(torch.cdist(c, c).max()) for c in (student, teacher)]
    assert sizes[0] / sizes[1] == pytest.approx(_relations.SHRUNK)
    answers = (logits / _relations.T).softmax(dim=1).double()
    told = 0.5 * answers + 0.05
    torch.testing.assert_close(told.sum(dim=1), torch.ones(3, dtype=torch.double))
    assert float(kd.losses.dist(told.log(), answers.log())) < 1e-6, "all correlations are 1"


def test_parts_takes_the_teachers_answer_apart(drawn):
    p = (torch.tensor(load_file(FILE)["logits:Sandal"]) / _parts.T).softmax(0).numpy()
    whole = bars(drawn["parts"], "whole")
    three = [p[_drawing.CLASSES.index(name)] for name in _parts.CLASSES]
    np.testing.assert_allclose(whole / whole.sum(), [*three, 1 - sum(three)], atol=1e-6)
    target, others = bars(drawn["parts"], "target"), bars(drawn["parts"], "others")
    np.testing.assert_allclose(target / target.sum(), [three[0], 1 - three[0]], atol=1e-6)
    np.testing.assert_allclose(others / others.sum(), whole[1:] / whole[1:].sum(), atol=1e-6)
    logits = torch.tensor(_parts.LOGITS)
    for times, name in ((2.0, "teacher"), (1.0, "student")):
        z = bars(drawn["parts"], f"z:{name}")
        np.testing.assert_allclose(z / abs(z[0]), kd.losses.z_scores(times * logits[None])[0].numpy(), atol=1e-6)


def test_directions_differ_in_size_alone(drawn):
    boxes = [p for p in drawn["directions"].figure.findobj(FancyBboxPatch) if p.get_width() < 2]
    sizes = [(round(b.get_width(), 2), round(b.get_height(), 2)) for b in sorted(boxes, key=lambda b: b.get_x())]
    big, small = _directions.BIG, _directions.SMALL
    assert sizes == [big, small, small, big, small, small], "big to small, small to big, to itself"


def test_the_box_of_two_heads_is_tight_around_its_item(drawn):
    scene, (left, top, right, low) = _two_heads.canvas()
    item = load_file(FILE)[f"image:{_two_heads.ITEM}"] / 255
    assert scene[top:low, left:right].sum() == pytest.approx(item[item > 0.1].sum())
    edges = (scene[top, left:right], scene[low - 1, left:right], scene[top:low, left], scene[top:low, right - 1])
    assert all((edge > 0.1).any() for edge in edges), "ink on every side"
    placed = kd.multitask.iou(torch.tensor([[left, top, right, low]]) / 64, torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    assert 0.1 < float(placed) < 0.3


def test_mistakes_are_those_of_the_lesson(drawn):
    source = "".join("".join(c["source"]) + "\n" for c in json.loads(file("single_task").read_text())["cells"])
    told = re.findall(r'^    "([^"]+)": \[', source, re.MULTILINE)
    loud = {name for number, (name, _) in _mistakes.MISTAKES.items() if number in _mistakes.RAISING}
    assert sorted(told) == sorted(name for name, _ in _mistakes.MISTAKES.values())
    assert set(told[:5]) == loud


def test_leak_has_one_image_in_both_piles_and_counts_it(drawn):
    found = artists(drawn["leak"], AxesImage)
    piles = [{n: np.asarray(i.get_array()) for n, i in found.items() if n.startswith(p)} for p in ("Training", "Exam")]
    same = [(a, b) for a in piles[0] for b in piles[1] if np.array_equal(piles[0][a], piles[1][b])]
    assert same == [("Training pile:Sandal", "Exam pile:Sandal")] and len(piles[1]) == 6
    with_leak = bars(drawn["leak"], "this exam, with the leak")[0]
    clean = bars(drawn["leak"], "this exam, without the leak")[0]
    assert with_leak / clean == pytest.approx((1 / 6 + 5 / 6 * _leak.KNOWN) / _leak.KNOWN)
    assert bars(drawn["leak"], "new images, with the leak")[0] == pytest.approx(clean)
    start, tip = next(ends(a) for a in drawn["leak"].figure.findobj(FancyArrowPatch))
    for point, name in ((start, same[0][1]), (tip, same[0][0])):  # the arrow leads from the exam into training
        left, right, low, high = found[name].get_extent()
        assert left - 0.04 <= point[0] <= right + 0.04 and low <= point[1] <= high


def test_four_steps_leads_every_set_where_it_is_used(drawn):
    shown = {t.get_text() for t in drawn["four_steps"].figure.findobj(Text)}
    assert {"Source", "Target", "Training set", "Demonstration set", "Test set", "Loss"} <= shown
    assert {"a  teach the target", "b  fine-tune it", "c  judge it", "d  freeze it"} <= shown
    found = [ends(arrow) for arrow in drawn["four_steps"].figure.findobj(FancyArrowPatch)]
    for start, tip in (((1.85, 0.97), (2.55, 1.4)), ((1.07, 0.66), (5.7, 1.22)), ((4.45, 0.66), (6.95, 1.09))):
        there = [np.allclose(a, start, atol=0.08) and np.allclose(b, tip, atol=0.08) for a, b in found]
        assert sum(there) == 1, "source to demonstration set, source's answers to loss, test set to judging"


def test_no_gradient_of_the_taps_reaches_the_last_layer(drawn):
    arrows = [a for a in drawn["taps"].figure.findobj(FancyArrowPatch) if a.get_gid() == "gradient"]
    tips = [ends(arrow)[1] for arrow in arrows]
    middles = [(left + right) / 2 for left, right in _taps.LAYERS]
    assert len(tips) == 2 and all(np.isclose(tip[0], x, atol=0.08) for tip, x in zip(tips, middles, strict=False))
    shown = [t.get_text() for t in drawn["taps"].figure.findobj(Text)]
    terms = [text for text in shown if text.startswith("term")]
    assert "no gradient arrives" in shown and terms == ["term 1", "term 2", "term 3"]


def test_the_gates_curve_is_the_loss_and_its_dashed_line_the_tangent(drawn):
    lines = {line.get_linestyle(): line for line in drawn["gate"].figure.findobj(Line2D) if line.get_linewidth() > 1.5}
    scale = _gate.MOST / (_gate.HIGH - _gate.FOOT)
    curve, tangent = (scale * (np.array(lines[style].get_ydata()) - _gate.FOOT) for style in ("-", "--"))
    gates = 1 - (np.array(lines["-"].get_xdata()) - _gate.LEFT) / (_gate.RIGHT - _gate.LEFT)
    np.testing.assert_allclose(curve, [_gate.loss(g) for g in gates], atol=1e-9)
    slope = (_gate.loss(1 + 1e-6) - _gate.loss(1 - 1e-6)) / 2e-6
    np.testing.assert_allclose(tangent, [_gate.loss(1), _gate.loss(1) - slope], atol=1e-6)


def test_a_channel_leaves_a_row_four_numbers_and_a_column(drawn):
    squares = [p.get_gid().split(":") for p in drawn["channel"].figure.findobj(Rectangle) if p.get_gid()]
    gone = {
        name: {(int(i), int(j)) for n, i, j, what in squares if n == name and what == "gone"}
        for name in ("convolution", "batch norm", "next convolution")
    }
    at = _channel.GONE
    assert gone["convolution"] == {(at, j) for j in range(_channel.BEFORE)}
    assert gone["batch norm"] == {(at, j) for j in range(4)}
    assert gone["next convolution"] == {(i, at) for i in range(_channel.AFTER)}


def test_shift_shows_what_the_other_camera_sees_and_counts_the_answers(drawn):
    found = artists(drawn["shift"], AxesImage)
    held = load_file(FILE)
    right = {"logits": 0, "camera": 0}
    for name in _shift.SHOWN:
        before, after = (np.asarray(found[f"{kind}:{name}"].get_array()) for kind in ("logits", "camera"))
        pixels = torch.tensor(before)[None, None]
        blurred = torch.nn.functional.avg_pool2d(pixels, 3, 1)[0, 0].numpy()
        np.testing.assert_allclose(after[1:-1, 1:-1], 1 - blurred, atol=1e-9)
        assert after.min() >= 0 and after.max() <= 1 and after.shape == (28, 28)
        for kind in right:
            right[kind] += _drawing.CLASSES[held[f"{kind}:{name}"].argmax()] == name
    written = [t.get_text() for t in words(drawn["shift"])]
    assert right["logits"] > right["camera"]
    assert f"{right['logits']} of 5 right" in written and f"{right['camera']} of 5 right" in written


def test_inversion_becomes_smoother_and_its_gradient_ends_at_the_pixels(drawn):
    found = artists(drawn["inversion"], AxesImage)
    stages = [np.asarray(found[f"step {s}"].get_array()) for s in (0, 30, 100, 300)]
    rough = [np.abs(np.diff(s, axis=0)).mean() + np.abs(np.diff(s, axis=1)).mean() for s in stages]
    assert rough == sorted(rough, reverse=True) and rough[-1] < rough[0] / 2.5
    points = outline(artists(drawn["inversion"], FancyArrowPatch)["gradient"])
    left, right, low, _ = next(i for i in drawn["inversion"].figure.findobj(AxesImage) if not i.get_gid()).get_extent()
    tip = points[points[:, 0] < right][:, 1].max()
    assert low - 0.1 < tip <= low and left < points[:, 0].min() < right


def test_missing_class_raises_one_logit_and_changes_the_answer(drawn):
    before, after = bars(drawn["missing_class"], "before"), bars(drawn["missing_class"], "after")
    z = np.array(list(_missing_class.LOGITS.values()))
    np.testing.assert_allclose(before / before[0], z / z[0])
    raised = (after - before) * z[0] / before[0]
    place = list(_missing_class.LOGITS).index(_missing_class.MISSING)
    np.testing.assert_allclose(raised, np.eye(len(z))[place] * _missing_class.RAISE, atol=1e-9)
    assert before.argmax() != place and after.argmax() == place
    transfer = [n for n in artists(drawn["missing_class"], AxesImage) if n.startswith("transfer:")]
    assert len(transfer) == 9 and f"transfer:{_missing_class.MISSING}" not in transfer
    for logits in (z, z + raised):
        p = torch.tensor(logits).softmax(0)
        sure = f"{list(_missing_class.LOGITS)[int(p.argmax())]}, {100 * p.max():.0f} %"
        assert sure in [t.get_text() for t in words(drawn["missing_class"])]


@pytest.mark.parametrize(
    ("name", "q", "p", "label"),
    [("simplex", (0.15, 0.25, 0.60), (0.60, 0.30, 0.10), 0), ("simplex right", (0.1, 0.7, 0.2), (0.2, 0.1, 0.7), 2)],
)
def test_simplex_arrows_are_the_descent_directions(drawn, name, q, p, label):
    """The arrows, read back as differences of probabilities, against the gradients that torch takes."""
    z = torch.tensor(q, dtype=torch.float64).log().requires_grad_()
    losses = {
        "to y": torch.nn.functional.cross_entropy(z[None], torch.tensor([label])),
        "to p": kd.losses.softened_kl(z[None], torch.tensor(p, dtype=torch.float64).log()[None], 1.0).sum(),
    }
    corners = np.column_stack([_simplex.CORNERS, np.ones(3)])
    for gid, loss in losses.items():
        (gradient,) = torch.autograd.grad(loss, z)
        start, tip = ends(artists(drawn[name], FancyArrowPatch)[gid])
        here, there = (np.linalg.solve(corners.T, [*point, 1]) for point in (start, tip))
        np.testing.assert_allclose(here, q, atol=1e-6)
        towards, down = there - here, -gradient.numpy()
        cosine = towards @ down / np.linalg.norm(towards) / np.linalg.norm(down)
        assert cosine > 0.999
        assert 0.8 < np.linalg.norm(towards) / np.linalg.norm(down) <= 1.001  # it ends just before the dot


def test_simplex_leaves_out_an_arrow_that_has_no_length():
    shown = kd.diagrams.simplex((0.2, 0.3, 0.5), (0.2, 0.3, 0.5))
    assert set(artists(shown, FancyArrowPatch)) == {"to y"}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"student": (0.5, 0.5)}, r"student must be three probabilities that add up to 1; got \(0.5, 0.5\). Pass"),
        ({"student": (0.5, 0.6, -0.1)}, "student must be three probabilities"),
        ({"teacher": (0.5, 0.5, 0.5)}, "teacher must be three probabilities that add up to 1"),
        ({"label": 3}, "label must be 0, 1 or 2; got 3. Pass the number of the right class"),
    ],
)
def test_simplex_refuses(arguments, match):
    with pytest.raises(ValueError, match=match):
        kd.diagrams.simplex(**arguments)


def test_both_roads_end_at_the_same_point_and_at_right_angles(drawn):
    arrows = artists(drawn["nested_subspaces"], FancyArrowPatch)
    view, origin = _nested_subspaces.VIEW, _nested_subspaces.ORIGIN
    line = _nested_subspaces.LINE / np.linalg.norm(_nested_subspaces.LINE)
    y = _nested_subspaces.LABELS
    on_plane = y * [1, 1, 0]
    on_line = (y @ line) * line
    wanted = {"to teacher": (y, on_plane), "by way of the teacher": (on_plane, on_line), "directly": (y, on_line)}
    for gid, (here, there) in wanted.items():
        start, tip = ends(arrows[gid])
        there = there @ view + origin
        np.testing.assert_allclose(start, here @ view + origin, atol=1e-6)
        assert np.linalg.norm(tip - there) == pytest.approx(0.07, abs=0.03)  # it ends just before the dot
        towards = (tip - start) / np.linalg.norm(tip - start)
        assert towards @ (there - start) / np.linalg.norm(there - start) > 0.999


# ---------------------------------------------------------------- many owners


def test_one_local_step_ends_at_the_best_for_both_and_many_steps_do_not():
    best = _drift.common()
    slope = sum(_drift.CURVED[k] * (best - _drift.BEST[k]) for k in _drift.BEST)
    assert np.allclose(slope, 0), "the sum of both losses is flat there"
    assert np.allclose(_drift.settled(1), best)
    ends = [float(np.linalg.norm(_drift.settled(steps) - best)) for steps in (1, 5, 20)]
    assert ends[0] < 1e-9 < ends[1] < ends[2]
    homes = np.mean(list(_drift.BEST.values()), axis=0)
    assert np.linalg.norm(_drift.settled(_drift.LONG) - homes) < 1e-3, "with no end of steps: the mean of both bests"


def test_a_walk_goes_down_its_owners_loss():
    for owner in _drift.BEST:
        walked = _drift.walk(owner, _drift.START, 20)
        losses = [float((_drift.CURVED[owner] * (w - _drift.BEST[owner]) ** 2).sum()) for w in walked]
        assert losses == sorted(losses, reverse=True) and losses[-1] < 0.2 * losses[0]


def test_the_distances_in_the_words_are_those_that_are_drawn(drawn):
    away = np.linalg.norm(_drift.settled(_drift.MANY) - _drift.common())
    assert f"stands {away:.2f} from the cross." in drawn["drift"].alt and "stands 0.00 from" in drawn["drift"].alt


def test_owners_weigh_as_they_have_images(drawn):
    counts = [n for _, n in _rounds.OWNERS.values()]
    told = re.findall(r"([0-9.]+) w", drawn["rounds"].alt.split("w = ")[1])
    assert [float(v) for v in told] == pytest.approx([n / sum(counts) for n in counts])
    assert len(drawn["rounds"].figure.findobj(AxesImage)) == 9
    classes = [{_drawing.CLASSES.index(name) for name in names} for names, _ in _rounds.OWNERS.values()]
    assert not classes[0] & classes[1] and not classes[1] & classes[2]


def test_the_common_answer_is_the_softmax_of_the_mean_logits(drawn):
    logits = torch.tensor([own for _, own in _answers.OWNERS.values()])
    shares = logits.mean(dim=0).softmax(dim=0)
    assert _answers.common().tolist() == pytest.approx(shares.tolist(), abs=1e-6)
    told = re.search(r"mean of their logits is coat (\d+) %, shirt (\d+) %, bag (\d+) %", drawn["answers"].alt)
    assert [int(v) for v in told.groups()] == [round(100 * v) for v in shares.tolist()]
    names = [name for name, _ in _answers.OWNERS.values()]
    assert len(set(names)) == 3, "networks of different kinds"
    assert _answers.OWNERS["2"][1][1] < 0 and int(shares.argmax()) == 1, "owner 2 knows no shirts; the mean names one"


def test_frameworks_draws_one_layer_in_two_shapes(drawn):
    rows, columns = _frameworks.SHAPES["PyTorch"]
    assert kd.build("linear").head[1].weight.shape == (rows, columns)
    assert _frameworks.SHAPES["PaddlePaddle"] == (columns, rows), "test_paddle.py compares it with the real one"
    drawn_weights = [a for a in drawn["frameworks"].figure.findobj(Rectangle) if a.get_width() in (0.86, 0.2)]
    wide, tall = sorted(drawn_weights, key=lambda a: -a.get_width())
    assert (wide.get_width(), wide.get_height()) == (tall.get_height(), tall.get_width())
    assert wide.get_y() > tall.get_y() + tall.get_height(), "PyTorch's lane is above"
    for name, (one, other) in _frameworks.SHAPES.items():
        assert f"{name} {one} × {other}" in drawn["frameworks"].alt

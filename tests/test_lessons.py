"""What every lesson promises: it shows the package's own code, rules on its claims, links its terms, keeps its time."""

import ast
import copy
import importlib
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks.lessons import outlook

from .conftest import COURSE, ROOT, file, same
from .test_project import NOTEBOOKS, cells

LESSONS = [path for path in NOTEBOOKS if path != file("start_here")]
TERMS = re.findall(r"^### (.+)$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
sys.path.insert(0, str(ROOT / "tools"))
from experiments import evidence, recorded_by, wanted  # noqa: E402
from glossary import linked, pattern  # noqa: E402

EVIDENCE = evidence()


def tagged(prefix):
    return [
        (path.stem, tag.removeprefix(prefix), "".join(c["source"]))
        for path in NOTEBOOKS
        for c in cells(path)
        for tag in c["metadata"].get("tags", [])
        if tag.startswith(prefix)
    ]


# ---------------------------------------------------------------- the package holds what the text shows

CHECKS = {"positive", "fraction", "one_of", "_same_shape"}


def bare(function):
    """A function's arguments and body as a syntax tree, docstring, type hints and argument checks aside."""
    body = [node for node in function.body if not is_text(node) and not is_check(node)]
    body = [untyped(node) for node in body]
    names = [a.arg for a in [*function.args.args, *function.args.kwonlyargs]]
    defaults = [ast.dump(d) for d in [*function.args.defaults, *function.args.kw_defaults] if d is not None]
    return names, defaults, [ast.dump(node) for node in body]


def is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_check(node):
    if isinstance(node, ast.Assert):  # for a type checker alone
        return re.fullmatch(r"(isinstance\(\w+, \w+\)( and )?)+", ast.unparse(node.test)) is not None
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return getattr(node.value.func, "id", "") in CHECKS
    return isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise)


def untyped(node):
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return ast.Assign([node.target], node.value)
    return node


def function_in(source, name):
    return next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == name)


@pytest.mark.parametrize(
    ("lesson", "target", "source"), tagged("shown:"), ids=lambda v: v[:40] if "\n" not in v else ""
)
def test_shown_code_is_the_packages_own(lesson, target, source):
    module, _, name = target.rpartition(".")
    original = getattr(importlib.import_module(module), name)
    mine, theirs = function_in(source, name), ast.parse(inspect.getsource(original)).body[0]
    assert bare(mine) == bare(theirs)


def test_a_change_in_shown_code_is_noticed():
    theirs = function_in(
        "def f(x: int, *, t: float = 1.0) -> int:\n    'doc'\n    positive('t', t)\n    y: int = x\n    return y", "f"
    )
    assert bare(function_in("def f(x, *, t=1.0):\n    y = x\n    return y", "f")) == bare(theirs)
    for other in ("def f(x, *, t=2.0):\n    y = x\n    return y", "def f(x, *, t=1.0):\n    y = -x\n    return y", "def f(z, *, t=1.0):\n    y = x\n    return y"):  # fmt: skip
        assert bare(function_in(other, "f")) != bare(theirs)


def test_every_lesson_shows_code_that_is_the_packages_own_or_does_the_same():
    shown = {lesson for lesson, *_ in [*tagged("shown:"), *tagged("same:")]}
    assert shown >= {path.stem for path in LESSONS}


def test_the_loop_by_hand_leaves_the_helpers_weights(small, teacher):
    ((_, _, source),) = tagged("same:distill")
    namespace = {"torch": torch, "kd": kd, "F": F}
    exec(source, namespace)
    images, options = small.train.images, {"epochs": 2, "batch_size": 64, "lr": 3e-3, "seed": 5}
    mine = namespace["distil_by_hand"](teacher, kd.build("cnn", width=4, seed=3), images, **options)

    def loss(z, v, labels):
        return F.cross_entropy(z, v.softmax(dim=1))

    student = kd.build("cnn", width=4, seed=3)
    kd.distill(teacher, student, (images, None), loss=loss, schedule="constant", cache_mb=0, progress=False, **options)
    assert same(list(mine.state_dict().values()), list(student.state_dict().values()))


def test_the_loop_with_labels_leaves_the_helpers_weights(small, teacher):
    ((_, _, source),) = tagged("same:labelled")
    namespace = {"torch": torch, "kd": kd, "F": F, "T": 4.0}
    exec("def distil(" + source.partition("def distil(")[2].partition("\nsource = ")[0], namespace)
    options = {"epochs": 1, "lr": 3e-3, "seed": 5}
    mine = namespace["distil"](teacher, kd.build("cnn", width=4, seed=3), small.train, **options)
    student, loss = kd.build("cnn", width=4, seed=3), kd.losses.SoftTargets(4.0, alpha=0.5)
    kd.distill(teacher, student, small.train, loss=loss, schedule="constant", progress=False, **options)
    pairs = zip(mine.state_dict().values(), student.state_dict().values(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in pairs)


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """Small files in MNIST's own format, where ``kd.load`` looks for them: 300 images and 100."""
    drawn = np.random.default_rng(0)
    for part, n in (("train", 300), ("t10k", 100)):
        for kind, header, values in (
            ("images-idx3", [2051, n, 28, 28], drawn.integers(0, 256, (n, 28, 28))),
            ("labels-idx1", [2049, n], np.arange(n) % 10),
        ):
            body = np.array(header, dtype=">i4").tobytes() + values.astype(np.uint8).tobytes()
            (tmp_path / f"{part}-{kind}-ubyte").write_bytes(body)
    monkeypatch.setenv("KDCOURSE_DATA", str(tmp_path))


def test_one_setting_turns_single_task_to_mnist(mnist):
    """The cell reads small files in MNIST's format, trains a source on them and teaches a target."""
    ((_, _, source),) = tagged("same:labelled")
    found = {"torch": torch, "kd": kd, "F": F, "T": 4.0}
    assert source.count('NAME = "fashion-mnist"') == 1
    exec(source.replace('NAME = "fashion-mnist"', 'NAME = "mnist"'), found)
    assert found["data"].provenance["name"] == "mnist" and len(found["data"].test) == 100
    assert len(found["data"].train) == 240 and not found["by_hand"].training


def of_evidence(slug, text):
    """The source of the evidence's cell that holds a text."""
    found = cells(ROOT / f"notebooks/evidence/{slug}.ipynb")
    return next("".join(c["source"]) for c in found if c["cell_type"] == "code" and text in "".join(c["source"]))


def test_the_full_profile_trains_hintons_three_networks(mnist, monkeypatch):
    monkeypatch.setenv("KDCOURSE_PROFILE", "full")
    found = {"torch": torch, "kd": kd}
    exec(of_evidence("directions", "def hintons_table"), found)
    data = kd.split(kd.load("mnist", full=True), val=1 / 6, seed=0)
    errors = found["hintons_table"](data, 1)
    assert len(errors) == 3 and all(50 < e <= 100 for e in errors), "labels of noise: nothing to learn"
    moved = found["shifted"](data.test.images)
    assert moved.shape == data.test.images.shape and torch.equal(moved.sum(), data.test.images.sum())
    large, small = found["dense"](1200, 0.5, 0), found["dense"](800, 0.0, 0)
    assert [kd.models.parameter_count(m) for m in (large, small)] == [2_395_210, 1_276_810]


@pytest.mark.parametrize("division", ["even", "two shards"])
def test_the_full_profile_counts_mcmahans_rounds(mnist, monkeypatch, division):
    monkeypatch.setenv("KDCOURSE_PROFILE", "full")
    found = {"kd": kd, "DIVISIONS": {"even": {"how": "iid"}, "two shards": {"how": "shards"}}}
    exec(
        "def first("
        + of_evidence("federated_averaging", "def first(").partition("def first(")[2].partition("\n\n\n")[0],
        found,
    )
    exec(of_evidence("federated_averaging", "def rounds_to("), found)
    data = kd.split(kd.load("mnist", full=True), val=1 / 6, seed=0)
    assert len(data.train) == 250
    counted = {t: found["rounds_to"](data, division, t, most=50, rates=(0.05, 0.1)) for t in (0.0, 0.08, 2.0)}
    assert counted[0.0] == 1 and 1 <= counted[0.08] <= 51 and counted[2.0] == 51, "never is one more than most"
    assert kd.models.parameter_count(kd.build("mlp", width=200)) == 199_210, "McMahan's 2NN"


@pytest.mark.slow
def test_the_full_profile_lets_googlenet_teach_two_heads(splits):
    found = {"torch": torch, "kd": kd, "WEIGHT": {"taught": 3.0}, "SHARE": 0.6, "ALONE": {}}
    exec(of_evidence("multi_task", "def per_head"), found)
    exec(of_evidence("multi_task", "def googlenet"), found)
    few = [
        kd.multitask.canvases(part.select(torch.arange(40)), seed=k)
        for k, part in enumerate((splits.train, splits.val))
    ]
    data = kd.data.Splits(few[0], few[1], few[1], splits.classes, {})
    scores = found["taught_by_googlenet"](data, 1, batch_size=20)
    assert len(scores) == 2 and all(0 <= v <= 1 for s in scores for v in (s.accuracy, s.mean_iou))
    model = found["googlenet"]()
    assert not any(name.startswith("aux") for name, _ in model.named_modules())
    assert {k: tuple(v.shape) for k, v in model(torch.rand(2, 1, 64, 64)).items()} == {"class": (2, 10), "box": (2, 4)}


def test_students_in_a_stack_end_as_in_a_loop():
    ((_, _, source),) = tagged("same:stacked")
    found = {"kd": kd, "torch": torch}
    exec(source, found)
    assert len(found["runs"]["stack"]) == 24 and found["apart"] < 1e-5
    assert found["seconds"]["loop"] > 2 * found["seconds"]["stack"], "four times and more where nothing else runs"
    ways = {how: {run.config["how"] for run in runs} for how, runs in found["runs"].items()}
    assert ways == {"loop": {"loop"}, "stack": {"stack"}}


def test_a_source_that_knows_nothing_smooths_the_labels():
    ((_, _, source),) = tagged("same:smoothed")
    found = {"torch": torch, "kd": kd, "F": F}
    exec(source, found)
    torch.testing.assert_close(found["by_hand"], found["taught"])
    assert float(found["smoothed"] - found["taught"]) == pytest.approx(0.1 * np.log(3), abs=1e-5)
    z = torch.randn(8, 10, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.arange(8)
    taught = kd.losses.soft_targets(z, torch.zeros(8, 10), labels, temperature=1.0, alpha=0.3)
    (by_teacher,) = torch.autograd.grad(taught, z)
    (by_label,) = torch.autograd.grad(F.cross_entropy(z, labels, label_smoothing=0.3), z)
    torch.testing.assert_close(by_teacher, by_label)


def test_the_plateau_rule_by_hand_is_the_packages():
    ((_, _, source),) = tagged("same:plateaued")
    found = {"torch": torch, "kd": kd}
    exec(source, found)
    assert found["stop"] == next(n for n in range(1, 201) if kd.training.plateaued(found["curve"][:n]))
    noise = np.random.default_rng(0)
    for window in (2, 5, 10):
        curve = (0.8 - 0.3 * np.exp(-np.arange(60) / 8) + noise.normal(0, 0.01, 60)).tolist()
        both = [
            (found["plateaued"](curve[:n], window), kd.training.plateaued(curve[:n], window=window)) for n in range(61)
        ]
        assert all(a == b for a, b in both) and {b for _, b in both} == {True, False}


def test_the_price_by_hand_is_that_of_the_exercise_for_one_photograph():
    ((_, _, source),) = tagged("same:price")
    found = {}
    exec(source, found)
    for student, teacher, epochs, raised, versions, students in (
        (1, 40, 60, 10, 4, 1),
        (2, 9, 7, 3, 4, 6),
        (3, 5, 9, 0, 1, 2),
    ):
        wanted = outlook.price(student, teacher, 1, epochs, raised, versions, students)
        assert found["price"](student, teacher, epochs, raised, versions, students) == pytest.approx(wanted)


def test_both_kls_by_hand_are_the_ends_of_the_packages_loss():
    ((_, _, source),) = tagged("same:kl")
    found = {"kd": kd}
    exec(source, found)
    for seed in range(5):
        z, v = torch.randn(2, 7, generator=torch.Generator().manual_seed(seed))
        for beta, pair in ((0.0, (v.softmax(0), z.softmax(0))), (1.0, (z.softmax(0), v.softmax(0)))):
            ours = float(kd.losses.generalised_jsd(z, v, beta=beta))
            assert found["kl"](*pair) == pytest.approx(ours, rel=1e-5)


def test_the_calibration_error_by_hand_is_the_packages():
    ((_, _, source),) = tagged("same:calibration_error")
    found = {"torch": torch, "kd": kd}
    exec(source, found)
    torch.manual_seed(0)
    for spread, classes in ((0.5, 3), (2.0, 10), (30.0, 4)):
        z, labels = spread * torch.randn(500, classes), torch.randint(0, classes, (500,))
        report = kd.evaluate(torch.nn.Identity(), (z, labels), timed=False)
        assert found["calibration_error"](z.softmax(dim=1), labels) == pytest.approx(report.calibration_error, abs=1e-6)


def test_iou_by_hand_is_the_packages_and_torchvisions():
    from torchvision.ops import box_iou

    ((_, _, source),) = tagged("same:iou")
    found = {"torch": torch, "kd": kd}
    exec(source, found)
    by_hand = found["shared"] / (2 * found["each"] - found["shared"])
    assert by_hand == pytest.approx(float(kd.multitask.iou(found["moved"], found["true"])), abs=1e-6)
    assert by_hand == pytest.approx(float(box_iou(found["moved"], found["true"])), abs=1e-6)


def test_a_mean_of_weights_by_hand_is_the_packages_and_one_step():
    ((_, _, source),) = tagged("same:mean_of")
    found = {"torch": torch, "kd": kd}
    exec(source, found)
    assert float(found["merged"]) == pytest.approx(float(found["by_hand"]))
    assert float(found["by_hand"]) == pytest.approx(float(found["step"](0.0, found["x"], found["y"])))
    twice = [
        found["step"](w, x, slope * x)
        for w, x, slope in ((found["w1"], found["x1"], 2), (found["w2"], found["x2"], -2))
    ]
    place = found["step"](found["step"](0.0, found["x"], found["y"]), found["x"], found["y"])
    assert abs(float(3 / 4 * twice[0] + 1 / 4 * twice[1] - place)) > 0.01, "two steps are not"


def test_a_common_answer_by_hand_is_the_packages():
    ((_, _, source),) = tagged("same:SoftTargets")
    found = {"torch": torch, "kd": kd}
    exec(source, found)
    assert float(found["by_hand"]) == pytest.approx(float(found["by_package"]), abs=1e-6)
    updates = [kd.federated.Update(k, 1, {"z": row}) for k, row in enumerate(found["z"])]
    mean = kd.federated.mean_of(updates, weighted=False)["z"]
    assert mean.softmax(dim=0).tolist() == pytest.approx(found["p"].tolist(), abs=1e-6)
    assert int(found["z"][1].argmax()) == 0 and int(found["p"].argmax()) == 1, "owner 2 is outvoted"


def test_parts_by_hand_are_the_packages():
    ((_, _, source),) = tagged("same:decoupled")
    g = torch.Generator().manual_seed(0)
    z, v, labels = torch.randn(64, 10, generator=g), 3 * torch.randn(64, 10, generator=g), torch.arange(64) % 10
    found = {"torch": torch, "kd": kd, "F": F, "z": z, "v": v, "labels": labels}
    exec(source, found)
    dkd = 16 * (found["tckd"] + 8 * found["nckd"]).mean()
    torch.testing.assert_close(dkd, kd.losses.decoupled(z, v, labels, temperature=4.0))
    torch.testing.assert_close(found["whole"], found["tckd"] + found["doubt"] * found["nckd"])
    torch.testing.assert_close(found["ours"], kd.losses.standardised(z, v, temperature=4.0, alpha=1.0))


def test_prices_by_hand_are_the_packages(small):
    ((_, _, source),) = tagged("same:importance")
    namespace = {"torch": torch, "kd": kd, "F": F}
    exec(source.partition("\nnorms = ")[0], namespace)
    model, (x, y) = kd.build("cnn", width=4, seed=3).eval(), (small.train.images[:96], small.train.labels[:96])
    batches = list(zip(x.split(32), y.split(32), strict=True))
    norms = [model.get_submodule(f"block{k}.1") for k in (1, 2, 3)]
    found = namespace["prices"](model, norms, batches)
    for mine, theirs in zip(found, kd.taylor.importance(model, batches).values(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-4)


def test_a_network_without_channels_answers_as_one_with_their_gates_shut(small):
    ((_, _, source),) = tagged("same:gated")
    namespace = {"torch": torch, "nn": nn, "copy": copy}
    exec(source, namespace)
    model, images = kd.build("cnn", width=4, seed=3).eval(), small.train.images[:32]
    places = kd.taylor.gates(model, images)
    masks = [torch.rand(len(model.get_submodule(layer).weight), generator=torch.Generator().manual_seed(i)) > 0.4
             for i, layer in enumerate(places)]  # fmt: skip
    less = namespace["smaller"](model, masks)
    with torch.no_grad(), kd.taylor.gated(model, places, {k: m.float() for k, m in zip(places, masks, strict=True)}):
        shut = model(images)
        whole = kd.evaluation.flops(model, images[:1])
    assert torch.allclose(less(images), shut, atol=1e-5) and kd.evaluation.flops(less, images[:1]) < 0.7 * whole


# ---------------------------------------------------------------- rulings


def claims():
    return kd.records.claims()


def test_claims_hold_all_rows_of_the_article_once():
    assert [claim["row"] for claim in claims()] == list(range(1, 23))
    assert all(len(claim["claim"]) > 20 and claim["evidence"] for claim in claims())


@pytest.mark.parametrize("lesson", COURSE, ids=lambda lesson: lesson["slug"])
def test_a_lessons_evidence_rules_on_exactly_its_rows(lesson):
    rows = [claim["row"] for claim in claims() if set(lesson["evidence"]) & set(claim["evidence"])]
    assert rows == lesson["rows"]
    paths = [ROOT / "notebooks/results" / f"{slug}_claims.json" for slug in lesson["evidence"]]
    saved = [ruling for path in paths if path.exists() for ruling in json.loads(path.read_text())]
    assert sorted({ruling["row"] for ruling in saved}) == rows
    assert len({(ruling["row"], ruling.get("part")) for ruling in saved}) == len(saved)
    for ruling in saved:
        assert set(ruling) - {"part"} == {"row", "measured", "verdict", "field", "source"}
        assert re.search(r"\d", ruling["measured"])
        assert re.search(r"(19|20)\d\d", ruling["source"]), "a source has its year"


def test_readme_counts_the_rows_without_a_ruling():
    built = {slug for lesson in COURSE for slug in lesson["evidence"]}
    still = [claim["row"] for claim in claims() if not built.issuperset(claim["evidence"])]
    text = (ROOT / "README.md").read_text()
    assert f"{22 - len(still)} of the article's 22 claims are ruled on" in text


def measured_texts():
    for path in EVIDENCE.values():
        for c in cells(path):
            for node in ast.walk(ast.parse("".join(c["source"]))):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "rule":
                    yield path.stem, node.args[0].value, next(k.value for k in node.keywords if k.arg == "measured")


def test_no_number_is_typed_into_a_ruling():
    found = list(measured_texts())
    ruled = {(lesson, row) for lesson, row, _ in found}  # a row that two evidences rule on counts twice
    assert len(ruled) == sum(len(lesson["rows"]) for lesson in COURSE)
    for lesson, _, node in found:
        formats = {
            id(v)
            for f in ast.walk(node)
            if isinstance(f, ast.FormattedValue) and f.format_spec
            for v in f.format_spec.values
        }
        typed = [
            c.value
            for c in ast.walk(node)
            if isinstance(c, ast.Constant) and isinstance(c.value, str) and id(c) not in formats
        ]
        keys = {
            s.slice.value for s in ast.walk(node) if isinstance(s, ast.Subscript) and isinstance(s.slice, ast.Constant)
        }
        assert not [text for text in typed if re.search(r"\d", text) and text not in keys], (lesson, typed)


# ---------------------------------------------------------------- terms


def test_the_glossary_explains_every_term_once_with_symbol_lesson_and_the_articles_word():
    assert len(TERMS) == len({term.lower() for term in TERMS}) > 30
    assert sorted(TERMS, key=str.lower) == TERMS
    entries = re.split(r"^### .+$", (ROOT / "docs/glossary.md").read_text(), flags=re.MULTILINE)[1:]
    for term, entry in zip(TERMS, entries, strict=True):
        assert re.search(r"\*Symbol:\* .+ · \*Lesson:\* (\[.+\]\(.+\)|[a-z][a-z0-9_]*) · \*Article:\* .+", entry), term


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_lessons_first_use_of_a_term_links_to_it(path):
    texts = ["".join(c["source"]) for c in cells(path, "markdown")]
    assert linked(texts) == texts
    assert any("](../docs/glossary.md#" in text for text in texts)


def test_links_go_to_the_first_use_and_stay_out_of_code_headings_and_answers():
    texts = linked(
        ["# The teacher\n`teacher` and [a teacher](x), two teachers, a teacher.", "<details>logits</details> Logits"]
    )
    assert texts[0].endswith("two [teachers](../docs/glossary.md#teacher), a teacher.")
    assert texts[1] == "<details>logits</details> [Logits](../docs/glossary.md#logits)"
    formula = "$$\\mathrm{softmax}(z)$$ and $H(\\text{teacher})$"
    assert linked([formula]) == [formula], "a link inside a formula would break it"
    assert linked(["Student's t, by Gosset"]) == ["Student's t, by Gosset"], "he is not the one who learns"
    cited = "## References\n\n- *Distilling: the teacher and its softmax.* 2015."
    assert linked([cited]) == [cited], "a title stays as it was printed"
    assert linked(texts) == texts
    assert pattern("soft targets").search("soft\ntargets")
    assert not pattern("teacher").search("teacherless")


# ---------------------------------------------------------------- how a lesson is built


FORM = {file(lesson["slug"]): lesson["form"] for lesson in COURSE}
HEADINGS = {
    1: ("What the article says", "Pitfalls", "Check yourself", "Summary", "References"),
    2: ("Remember", "Check yourself", "References"),
}


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_has_its_parts(path):
    text = "\n".join("".join(c["source"]) for c in cells(path, "markdown"))
    for heading in HEADINGS[FORM[path]]:
        assert f"## {heading}" in text
    assert text.count("<details>") >= 3
    first = "".join(cells(path, "markdown")[0]["source"])
    if FORM[path] == 1:
        assert "**You will**" in first
        assert len(re.findall(r"^- ", first, re.MULTILINE)) in (3, 4, 5)
    assert " minutes to read, run and think · " in first
    references = text.split("## References")[1]
    entries = re.split(r"^- ", references, flags=re.MULTILINE)[1:]
    assert entries
    assert all(re.search(r"(19|20)\d\d", entry) for entry in entries)


@pytest.mark.parametrize("lesson", [n for n in COURSE if n["form"] == 2], ids=lambda lesson: lesson["slug"])
def test_a_lesson_of_the_second_form_leads_to_its_evidence_and_remembers_one_sentence(lesson):
    path = file(lesson["slug"])
    text = "\n".join("".join(c["source"]) for c in cells(path, "markdown"))
    for slug in lesson["evidence"]:
        assert f"](evidence/{slug}.ipynb)" in text
    remembered = text.split("## Remember")[1].split("##")[0]
    assert re.search(r"\*\*[A-Z][^*]+\.\*\*", remembered), "one sentence or two, in bold"
    assert not re.search(r"\barms?\b|kd\.records\.(experiment|live|rule)|\bassert\b", path.read_text())


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_reads_as_much_as_it_computes(path):
    """At least as many words of prose as words of code; cells of 3 to 15 lines in the main."""
    prose = sum(len("".join(c["source"]).split()) for c in cells(path, "markdown"))
    code = [c for c in cells(path) if "setup" not in c["metadata"].get("tags", [])]
    words = sum(len("".join(c["source"]).split()) for c in code)
    assert prose >= words
    lines = sorted(len("".join(c["source"]).splitlines()) for c in code)
    assert lines[len(lines) // 2] <= 15


@pytest.mark.records
@pytest.mark.parametrize("slug", EVIDENCE)
def test_no_recorded_experiment_is_stale(slug):
    done = subprocess.run([sys.executable, "tools/experiments.py", "--check", slug], cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[0].partition(":")[2].replace(",", "").split() == recorded_by(EVIDENCE[slug])


def test_every_record_is_made_by_one_notebook_and_every_evidence_belongs_to_a_lesson():
    results = {path.stem for path in (ROOT / "notebooks/results").glob("*.json")}
    made = [name for path in EVIDENCE.values() for name in recorded_by(path)]
    assert sorted(made) == sorted(name for name in results if not name.endswith("_claims"))
    for name in made:
        assert json.loads((ROOT / f"notebooks/results/{name}.json").read_text())["name"] == name
    named = [slug for lesson in COURSE for slug in lesson["evidence"]]
    assert sorted(named) == sorted(EVIDENCE) == sorted({*named, *rulers()})


def rulers():
    """The evidence that rules on a claim."""
    return {p.stem.removesuffix("_claims") for p in (ROOT / "notebooks/results").glob("*_claims.json")}


def test_experiments_are_named_by_the_slug_of_an_evidence_or_of_a_record():
    every = {slug: recorded_by(path) for slug, path in EVIDENCE.items()}
    assert wanted([]) == every
    assert wanted(["bugs_grid", "leak"]) == {"bugs": ["bugs_grid"], "leaks": ["leak"]}
    assert wanted(["pruning_grid", "leaks"]) == {"leaks": every["leaks"], "pruning": ["pruning_grid"]}
    assert every["cost"][:3] == ["cost_grid", "cost_finals", "cost"], "tuning makes two records"
    with pytest.raises(SystemExit, match="01_cost is neither an evidence nor a record; there are: .*cost, cost_finals"):
        wanted(["01_cost"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_nothing_but_the_source_and_the_outputs_is_saved(path):
    metadata = json.loads(path.read_text())["metadata"]
    assert "widgets" not in metadata, "a progress bar or a control left its state behind"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_table_with_a_negative_bound_signs_every_bound(path):
    """A number that turns negative on another machine would widen its column, and nbval would see another table."""
    for cell in cells(path, "code"):
        for output in cell.get("outputs", []):
            bounds = re.findall(r"[\[,] ?≈ (\S+?)(?=[,\]])", "".join(output.get("data", {}).get("text/plain", [])))
            signed = [bound[0] in "+-−" for bound in bounds]
            assert all(signed) or not any(bound[0] in "-−" for bound in bounds), bounds


@pytest.mark.slow
def test_a_notebook_over_its_budget_fails_the_session(tmp_path):
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    cell = new_code_cell("import time\ntime.sleep(1)", execution_count=1)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[cell], metadata=kernel), tmp_path / "t.ipynb")
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env", "t.ipynb"]  # fmt: skip
    for seconds, code in (("60", 0), ("0.01", 1)):
        environment = os.environ | {"KDCOURSE_BUDGET": seconds}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout
        assert ("TOO SLOW" in done.stdout) == bool(code)


def test_a_notebooks_seconds_are_those_of_the_reference_machine():
    """Twice as slow a machine may take twice as long, and a notebook that does more work fails on every machine."""
    spec = importlib.util.spec_from_file_location("budgets", ROOT / "conftest.py")
    budgets = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(budgets)
    item = SimpleNamespace(cell_num=0)

    def run(notebook, seconds, reading):
        report = SimpleNamespace(nodeid=f"{notebook}::Cell 0", when="call", duration=seconds, user_properties=[])
        budgets.READINGS.clear()
        budgets.yardstick = lambda: reading * budgets.REFERENCE
        hook = budgets.pytest_runtest_makereport(item, None)
        next(hook)
        with pytest.raises(StopIteration) as done:
            hook.send(report)
        budgets.pytest_runtest_logreport(done.value.value)
        return budgets.too_slow(notebook)

    assert not run("notebooks/01_one.ipynb", 170, reading=2)
    assert run("notebooks/02_two.ipynb", 190, reading=2)
    assert run("notebooks/03_three.ipynb", 91, reading=0.5), "a fast machine counts as the reference"
    assert not run("notebooks/18_four_steps.ipynb", 110, reading=1)


@pytest.mark.parametrize("slug", EVIDENCE)
def test_an_evidence_trains_one_row_again(slug):
    sources = ["".join(c["source"]) for c in cells(EVIDENCE[slug])]
    assert sources.count("kd.records.live()") == 1
    assert not [s for s in sources if re.search(r"\blive=|tolerance=", s)]

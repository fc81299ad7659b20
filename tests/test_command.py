"""The command: every error that a person can mend is one line on stderr and exit 2; Ctrl-C is exit 130."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from PIL import Image
from torch import nn

import kdcourse as kd
from kdcourse import __main__
from kdcourse.checks import _progress
from kdcourse.checks._renamed import VERSION

from .conftest import ROOT


def said(capsys, *arguments):
    """(exit code, lines on stdout, lines on stderr)."""
    code = __main__.main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


# ---------------------------------------------------------------- pipeline


@pytest.mark.parametrize(("arguments", "text"), [
    (["--name", "../../etc"], "kdcourse: name must be a plain folder name; got '../../etc'. Write my-run, say; the folder lies below runs/."),
    (["--name", "/etc"], "kdcourse: name must be a plain folder name; got '/etc'."),
    (["--name", ""], "kdcourse: name must be a plain folder name; got ''."),
    (["--labels", "7"], "kdcourse: labels must be a multiple of 10 (the classes) and at most 8000; got 7. The nearest that fits is 10."),
    (["--labels", "501"], "kdcourse: labels must be a multiple of 10 (the classes) and at most 8000; got 501. The nearest that fits is 500."),
    (["--labels", "9999999"], "kdcourse: labels must be a multiple of 10 (the classes) and at most 8000; got 9999999. The nearest that fits is 8000."),
    (["--labels", "-5"], "kdcourse: labels must be a whole number above 0; got -5."),
    (["--seed", "-1"], "kdcourse: seed must be a whole number of at least 0; got -1."),
])  # fmt: skip
def test_the_pipeline_refuses_before_any_work(capsys, monkeypatch, tmp_path, arguments, text):
    monkeypatch.chdir(tmp_path)
    code, out, err = said(capsys, "pipeline", *arguments)
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith(text)
    assert not list(tmp_path.iterdir())


def test_the_full_profile_is_one_word_of_the_command(monkeypatch, tmp_path):
    """It is the profile that the environment names, for this process; without the word nothing is set."""
    found = []
    monkeypatch.setattr(kd.pipeline, "run", lambda **options: found.append((kd.profile().name, os.environ.get("KDCOURSE_DATA"))))  # fmt: skip
    for name in ("KDCOURSE_PROFILE", "KDCOURSE_DATA"):
        monkeypatch.setenv(name, "quick")
        monkeypatch.delenv(name)  # given back after the test, whatever the command sets
    assert __main__.main(["pipeline"]) == 0
    assert __main__.main(["pipeline", "--full", "--data", str(tmp_path)]) == 0
    assert found == [("quick", None), ("full", str(tmp_path))]


@pytest.mark.parametrize("terminal", [True, False])
def test_bars_stand_on_a_terminal_and_in_no_file(monkeypatch, terminal):
    found = []
    monkeypatch.setattr(kd.pipeline, "run", lambda **options: found.append(options["progress"]))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert __main__.main(["pipeline"]) == 0
    assert found == [terminal]


def test_the_full_profile_says_what_its_folder_lacks(capsys, monkeypatch, tmp_path):
    for name in ("KDCOURSE_PROFILE", "KDCOURSE_DATA"):
        monkeypatch.setenv(name, "quick")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    code, out, (line,) = said(capsys, "pipeline", "--full", "--data", tmp_path)
    assert (code, out) == (2, [])
    assert line.startswith("kdcourse: root must hold the four IDX files of fashion-mnist;")


@pytest.mark.parametrize(("error", "text"), [
    (kd.training.TrainingDiverged("the loss is nan in epoch 0 (mse nan). Lower lr."), "the loss is nan in epoch 0 (mse nan). Lower lr."),
    (TypeError("loss must be a Loss"), "loss must be a Loss"),
    (ImportError('kd.export.onnx needs onnx'), "kd.export.onnx needs onnx. Run kdcourse doctor: it says what is missing."),
    (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
    (ValueError("two\nlines"), "two lines"),
])  # fmt: skip
def test_errors_in_words_are_one_line(capsys, monkeypatch, error, text):
    monkeypatch.setattr(__main__, "_meant", lambda error: True)
    monkeypatch.setattr(kd.pipeline, "run", raising(error))
    assert said(capsys, "pipeline") == (2, [], [f"kdcourse: {text}"])


def raising(error):
    def run(**options):
        raise error

    return run


def test_a_fault_keeps_its_traceback_and_words_of_the_package_do_not(capsys, monkeypatch):
    monkeypatch.setattr(kd.pipeline, "run", raising(RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        __main__.main(["pipeline"])
    monkeypatch.setattr(kd.pipeline, "run", lambda **options: torch.rand(2) @ torch.rand(3))
    with pytest.raises(RuntimeError):
        __main__.main(["pipeline"])
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].forward = lambda x: x  # and layer 0 runs twice
    ask = kd.models.Capture(model, ["0"])

    def run(**options):
        with ask:
            ask.run(lambda: model[0](model[0](torch.rand(1, 2))))

    monkeypatch.setattr(kd.pipeline, "run", run)
    code, _, (line,) = said(capsys, "pipeline")
    assert code == 2
    assert line.startswith("kdcourse: layer 0 must run exactly once in a forward pass; it ran 2 times.")


def test_ctrl_c_is_one_line_and_130(capsys, monkeypatch):
    monkeypatch.setattr(kd.pipeline, "run", raising(KeyboardInterrupt()))
    assert said(capsys, "pipeline") == (130, [], ["kdcourse: stopped by you"])
    monkeypatch.setattr(kd.pipeline, "run", raising(kd.Interrupted("stopped after 3 of 8 epochs.")))
    assert said(capsys, "pipeline") == (130, [], ["kdcourse: stopped after 3 of 8 epochs."])


# ---------------------------------------------------------------- predict


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """Folders of frozen models: one that fits the bundle, others that do not."""
    root = tmp_path_factory.mktemp("frozen")
    kd.save_frozen(kd.build("linear"), root / "good")
    kd.save_frozen(kd.build("linear", shape=(1, 8, 8)), root / "digits")
    kd.save_frozen(kd.build("linear", shape=(3, 28, 28)), root / "coloured")
    kd.save_frozen(kd.build("linear", num_classes=3), root / "three")
    kd.save_frozen(nn.Linear(2, 2), root / "own")
    kd.save_frozen(kd.build("linear"), root / "damaged")
    (root / "damaged" / "model.safetensors").write_bytes(b"broken")
    kd.save_frozen(kd.build("linear"), root / "garbled")
    (root / "garbled" / "config.json").write_bytes(b"\xff\x00")
    (root / "empty").mkdir()
    (root / "file").write_text("no folder")
    return root


@pytest.mark.parametrize(("name", "text"), [
    ("digits", "the model must be built for the bundle's test images, 1 x 28 x 28 in 10 classes; got 1 x 8 x 8 in 10 classes. Measure it with kd.evaluate on images of its own kind."),
    ("coloured", "the model must be built for the bundle's test images, 1 x 28 x 28 in 10 classes; got 3 x 28 x 28 in 10 classes."),
    ("three", "the model must be built for the bundle's test images, 1 x 28 x 28 in 10 classes; got 1 x 28 x 28 in 3 classes."),
    ("own", "into must be given: the folder holds a torch.nn.modules.linear.Linear; got None."),
    ("damaged", "{folder}/model.safetensors must have SHA-256 "),
    ("garbled", "{folder}/config.json must have the format kdcourse-frozen-1; got "),
    ("empty", "path must hold model.safetensors and config.json; {folder} does not. Write it with save_frozen."),
    ("file", "path must hold model.safetensors and config.json; {folder} does not."),
    ("nowhere", "path must hold model.safetensors and config.json; {folder} does not."),
])  # fmt: skip
def test_predict_says_what_is_wrong_with_a_folder(capsys, frozen, name, text):
    folder = frozen / name
    code, out, err = said(capsys, "predict", folder)
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith(f"kdcourse: {folder}: {text.format(folder=folder)}")


def test_one_bad_folder_does_not_hide_the_good_ones(capsys, frozen):
    folders = [frozen / "good", frozen / "digits", frozen / "good"]
    code, out, err = said(capsys, "predict", *folders)
    assert code == 2
    assert len(err) == 1 and str(frozen / "digits") in err[0]
    first, last = map(json.loads, out)
    assert first == last
    assert first["folder"] == str(frozen / "good")
    assert first["accuracy"] == kd.evaluation.accuracy(kd.load_frozen(frozen / "good", device="cpu"), kd.load().test, device="cpu")  # fmt: skip
    code, out, err = said(capsys, "predict", frozen / "good")
    assert (code, len(out), err) == (0, 1, [])


# ---------------------------------------------------------------- predict, on pictures of one's own


def picture(path, pixels, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray((pixels * 255).round().to(torch.uint8).numpy(), "L")
    image.resize((84, 84), Image.Resampling.NEAREST).convert(mode).save(path)


def test_predict_says_what_pictures_show(capsys, tmp_path):
    """Garments as PNG and JPEG files, larger than the model's images, in folders named after their classes."""
    test, teacher = kd.load().test, kd.data.ASSETS / "teacher"
    numbers = [int((test.labels == label).nonzero()[at]) for label in range(10) for at in range(3)]
    for n in numbers:
        name = test.classes[test.labels[n]].lower().replace("/", " ")
        picture(
            tmp_path / "own" / name / f"{n}.{'png' if n % 2 else 'jpg'}", test.images[n, 0], "L" if n % 3 else "RGB"
        )
    code, out, err = said(capsys, "predict", teacher, "--images", tmp_path / "own")
    assert (code, err) == (0, [])
    *lines, last = map(json.loads, out)
    assert len(lines) == 30
    assert last == {"folder": str(teacher), "images": 30, "accuracy": last["accuracy"]}
    assert last["accuracy"] > 0.8
    whole = kd.load_teacher(device="cpu")(test.images[numbers]).argmax(1)
    agreed = sum(one["class"] == test.classes[whole[numbers.index(int(one["image"].split("/")[1].split(".")[0]))]] for one in lines)  # fmt: skip
    assert agreed >= 28, "scaled up and down again they are nearly the same images"
    assert all(0.1 <= one["probability"] <= 1 for one in lines)


def test_predict_turns_dark_on_light_round(capsys, tmp_path):
    test, teacher = kd.load().test, kd.data.ASSETS / "teacher"
    for n in range(20):
        picture(tmp_path / f"{n:02}.png", 1 - test.images[n, 0])
    assert said(capsys, "predict", teacher, "--images", tmp_path)[0] == 0
    code, out, _ = said(capsys, "predict", teacher, "--images", tmp_path, "--invert")
    assert code == 0
    assert len(out) == 20, "no folder names a class, so there is no accuracy"
    right = [json.loads(line)["class"] == test.classes[test.labels[n]] for n, line in enumerate(out)]
    assert sum(right) >= 17


def test_predict_on_pictures_of_another_shape(capsys, tmp_path):
    kd.save_frozen(kd.build("linear", shape=(3, 8, 12), num_classes=4), tmp_path / "model")
    Image.new("RGBA", (50, 20), (200, 0, 0, 255)).save(tmp_path / "wide.png")
    code, (line,), _ = said(capsys, "predict", tmp_path / "model", "--images", tmp_path)
    assert code == 0
    assert json.loads(line)["class"] in "0123"


@pytest.mark.parametrize(("name", "content", "text"), [
    ("note.txt", b"words", "images must hold pictures (.png .jpg"),
    ("broken.png", b"no picture", "images must hold pictures that can be read; got "),
])  # fmt: skip
def test_predict_refuses_what_is_no_picture(capsys, tmp_path, frozen, name, content, text):
    (tmp_path / name).write_bytes(content)
    code, out, (line,) = said(capsys, "predict", frozen / "good", "--images", tmp_path)
    assert (code, out) == (2, [])
    assert line.startswith(f"kdcourse: {frozen / 'good'}: {text}")


# ---------------------------------------------------------------- repoint


def addresses(root):
    texts = [p for p in root.rglob("*") if p.is_file() and p.suffix in (".md", ".toml", ".cff", ".yml", ".ipynb")]
    return {m for p in texts for m in re.findall(r"(?:github(?:\.com)?/|/gh/)([\w-]+/[\w-]+)", p.read_text("utf-8"))}


def test_repoint_leads_badges_cells_and_links_to_a_fork(capsys, tmp_path):
    """On a copy: nothing leads to the old place, the made parts are in step, and the way back gives the same bytes."""
    tree = tmp_path / "fork"
    for name in ("notebooks", "exercises", "solutions", "docs", "tools", "kdcourse", ".github"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*.cff"), ROOT / "pyproject.toml"]:
        shutil.copy(path, tree)
    before = {p: p.read_bytes() for p in tree.rglob("*") if p.is_file()}
    assert "kdcourse/kdcourse" in addresses(tree)
    code, (line,), err = said(capsys, "repoint", "https://github.com/some-body/dist.ill", "--in", tree)
    assert (code, err) == (0, [])
    changed = sum(path.read_bytes() != was for path, was in before.items())
    assert line == f"kdcourse/kdcourse is now some-body/dist.ill in {changed} files."
    assert changed > 80
    assert "kdcourse/kdcourse" not in addresses(tree)
    for tool in ("course", "exercises"):
        done = subprocess.run([sys.executable, tree / f"tools/{tool}.py", "--check"], capture_output=True, text=True, check=False, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)})  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert said(capsys, "repoint", "https://github.com/some-body/dist.ill", "--in", tree)[1] == ["Every address is that of some-body/dist.ill already."]  # fmt: skip
    said(capsys, "repoint", "https://github.com/kdcourse/kdcourse.git", "--in", tree)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(("arguments", "text"), [
    (["ftp://github.com/a/b"], "address must be of the form https://github.com/you/kdcourse; got 'ftp://github.com/a/b'."),
    (["https://github.com/a"], "address must be of the form"),
    (["https://github.com/a/b/tree/main"], "address must be of the form"),
    (["https://github.com/a/b"], "--in must be a checkout of the course, whose pyproject.toml names its Repository; got "),
])  # fmt: skip
def test_repoint_refuses(capsys, tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    code, out, (line,) = said(capsys, "repoint", *arguments)
    assert (code, out) == (2, [])
    assert line.startswith(f"kdcourse: {text}")


# ---------------------------------------------------------------- progress


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.delenv("KDCOURSE_PROGRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def exercises(folder):
    folder.mkdir()
    (folder / "01_why_distil.ipynb").write_text("{}")
    return folder


def test_progress_of_what_is_not_there(capsys, here):
    line = "kdcourse: folder must be the folder with the exercises; got 'nowhere'. There is none of that name."
    assert said(capsys, "progress", "nowhere") == (2, [], [line])
    code, out, (line,) = said(capsys, "progress")
    assert (code, out) == (2, [])
    assert (
        line
        == f"kdcourse: folder must be the folder with the exercises; got {here} with neither kdcourse-progress.json nor notebooks. Run kdcourse progress exercises, say."
    )


def test_progress_where_nothing_is_done_yet(capsys, here):
    folder = exercises(here / "exercises")
    expected = (0, [f"Nothing is done yet: no exercise in {folder} has been checked."], [])
    assert said(capsys, "progress", folder) == expected
    assert said(capsys, "progress") == expected, "from the project's root it looks below"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tasks": 3}', '{"tasks": {"a": 1}}', "\xff"])
def test_progress_of_a_damaged_file(capsys, here, text):
    file = exercises(here / "exercises") / _progress.NAME
    file.write_bytes(text.encode("latin-1"))
    code, out, (line,) = said(capsys, "progress", "exercises")
    assert (code, out) == (2, [])
    assert (
        line
        == f"kdcourse: exercises/{_progress.NAME} must hold a learner's progress as JSON; got a damaged file. Put it aside or a copy in its place; the next check begins a new one.".replace(
            "/", os.sep, 1
        )
    )
    assert file.read_bytes() == text.encode("latin-1"), "left as it was"


def test_progress_that_there_is(capsys, here):
    task = kd.checks.tasks()[0]
    file = exercises(here / "exercises") / _progress.NAME
    file.write_text(
        json.dumps({"version": VERSION, "tasks": {task.id: {"state": "passed", "passed": True, "tries": 1}}})
    )
    code, out, err = said(capsys, "progress", "exercises")
    assert (code, err) == (0, [])
    total = sum(one.points for one in kd.checks.tasks())
    assert out[-1] == f"all  {task.points} of {total} points"
    assert sum("✓" in line for line in out) == 1


def test_progress_that_the_environment_names(capsys, here, monkeypatch):
    monkeypatch.setenv("KDCOURSE_PROGRESS", "")
    code, _, (line,) = said(capsys, "progress")
    assert code == 2
    assert line.startswith("kdcourse: KDCOURSE_PROGRESS must name the file of the progress, or not be set; got ''.")
    monkeypatch.setenv("KDCOURSE_PROGRESS", str(here / "mine.json"))
    assert said(capsys, "progress")[0] == 2
    (here / "mine.json").write_text(f'{{"version": {VERSION}, "tasks": {{}}}}')
    code, out, _ = said(capsys, "progress")
    assert (code, out[-1].split()[:3]) == (0, ["all", "0", "of"])


# ---------------------------------------------------------------- doctor, and the process itself


def test_doctor_says_what_is_there_and_what_is_missing(capsys, monkeypatch):
    assert __main__.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "torch 2" in out
    assert "device:" in out
    monkeypatch.setattr(__main__, "NEEDED", ("torch", "no-such-package"))
    assert __main__.main(["doctor"]) == 1
    assert 'no-such-package MISSING: pip install "no-such-package"' in capsys.readouterr().out


def test_doctor_warns_where_threads_are_slow(capsys, monkeypatch):
    times = iter([50.0, 2.0, 3.0, 2.0])
    monkeypatch.setattr(__main__, "_milliseconds", lambda step: next(times))
    __main__.main(["doctor"])
    out = capsys.readouterr().out
    assert re.search(r"a step: 2\.0 ms with one thread(, 50\.0 ms with \d+)?\nSLOW: .*OMP_NUM_THREADS=1", out)
    __main__.main(["doctor"])
    assert "SLOW" not in capsys.readouterr().out
    threads = torch.get_num_threads()
    step = re.search(r"a step: ([\d.]+) ms", __main__._threads()) if monkeypatch.undo() is None else None
    assert 0 < float(step[1]) < 2000
    assert torch.get_num_threads() == threads


def test_help_has_examples_and_fits_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    for arguments in (["--help"], *([name, "--help"] for name in ("pipeline", "predict", "progress", "doctor", "repoint"))):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            __main__.main(arguments)
        out = capsys.readouterr().out
        assert stop.value.code == 0
        assert max(map(len, out.splitlines())) <= 100
        if arguments == ["--help"]:
            assert "examples:" in out and "exit codes:" in out
            assert set(re.findall(r"(?m)^  kdcourse (\w+)", out)) == {"pipeline", "predict", "progress", "repoint"}
    with pytest.raises(SystemExit):
        __main__.main(["--version"])
    assert capsys.readouterr().out == f"kdcourse {kd.__version__}\n"


@pytest.mark.skipif(os.name != "posix", reason="the program starts itself again on POSIX alone")
@pytest.mark.parametrize(("given", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_of_the_program_wait_asleep(tmp_path, given, found):
    """The program starts again with the policy, once; who chose another keeps it."""
    (tmp_path / "kdcourse").mkdir()
    (tmp_path / "kdcourse/__init__.py").write_text("")
    source = (ROOT / "kdcourse/__main__.py").read_text()
    body = source[source.index("def command()") :].replace("sys.exit(main())", "print(os.environ['OMP_WAIT_POLICY'], sys.argv[1:])")  # fmt: skip
    (tmp_path / "kdcourse/__main__.py").write_text(f"import os\nimport sys\n\n\n{body}")
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    environment |= {"PYTHONPATH": str(tmp_path)} | ({"OMP_WAIT_POLICY": given} if given else {})
    done = subprocess.run([sys.executable, "-m", "kdcourse", "a b", "--c"], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)  # fmt: skip
    assert done.stdout == f"{found} ['a b', '--c']\n"


def test_the_process_has_the_exit_code_and_no_traceback(tmp_path):
    done = subprocess.run([sys.executable, "-m", "kdcourse", "progress", tmp_path / "x"], capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [f"kdcourse: folder must be the folder with the exercises; got '{tmp_path / 'x'}'. There is none of that name."]  # fmt: skip

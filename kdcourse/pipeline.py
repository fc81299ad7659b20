"""The article's four steps: choose and initialise, split, design the loss, distil.

Two regimes share one split: all labels, and 500 labels with the other images unlabelled. The source is the small model
(the article's direction) or the big one (``direction="big-to-small"``, the field's usual way); the code is the same.
"""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR

import kdcourse.data as kd_data
from kdcourse._answers import predict
from kdcourse._arguments import fail, one_of, positive
from kdcourse._bars import naming
from kdcourse._closing import checked, filled, findings, plain_name, spoken
from kdcourse._feeds import TensorFeed, progress_bar
from kdcourse._interrupts import Interrupted
from kdcourse._profile import profile
from kdcourse._tables import Table
from kdcourse.data import Part, Splits
from kdcourse.evaluation import Difference, Report, accuracy, compare, evaluate
from kdcourse.export import check_target, load_frozen, save_frozen
from kdcourse.losses import CrossEntropy, Loss, SoftTargets, as_loss
from kdcourse.models import build, parameter_count, preserved
from kdcourse.synthesis import synthesise
from kdcourse.taylor import LayerwiseLoss
from kdcourse.training import Run, distill, train

__all__ = ["Choice", "Outcome", "Sets", "choose", "design", "distil", "fit", "run", "shares", "split"]

DIRECTIONS = ("small-to-big", "big-to-small")
COMPARED = ("distilled target", "target, labels only")
SMALL, BIG = 8, 16  # widths of the two cnns: both regimes fit into 90 seconds on two slow cores
LAYERS = ("block1", "block2", "block3", "head")
SOURCE_EPOCHS, REFINE_EPOCHS, DISTIL_EPOCHS = 8, 2, 8
TUNE_EPOCHS, TUNE_LR, PATIENCE = 12, 5e-4, 2  # fine-tuning ends when validation is flat, at the latest after 12 epochs
GROUPS = (0, 1, 0, 1, 0, 2, 0, 2, 3, 2)  # upper body, lower or whole body, footwear, bag: the new head's task


@dataclass
class Check:
    """One of the article's rules of thumb: what it asks, what was measured, whether it is met."""

    rule: str
    measured: str
    met: bool


@dataclass
class Choice:
    """Step 1: the trained source, the untrained target, and the rules of thumb as checks that ran."""

    source: nn.Module
    target: nn.Module
    direction: str
    source_run: Run
    checks: list[Check]
    seed: int


@dataclass
class Sets:
    """Step 2: training set (augmented when used), demonstration set from the source, validation and test set."""

    train: Part
    labelled: Part
    demonstration: Part
    val: Part
    test: Part
    leaks: int

    def describe(self) -> str:
        """The sizes, in words."""
        shown = (
            f"{len(self.train)} training images ({len(self.labelled)} labelled), {len(self.demonstration)} generated"
        )
        return f"{shown}, {len(self.val)} validation, {len(self.test)} test; {self.leaks} copies across parts"


@dataclass
class Outcome:
    """Step 4: what came out, in one regime."""

    regime: str
    choice: Choice
    sets: Sets
    runs: dict[str, Run]
    reports: dict[str, Report]
    versus_baseline: Difference
    notes: dict[str, float | bool | str] = field(default_factory=dict)
    shares: list[tuple[str, float, float]] = field(default_factory=list)

    @property
    def target(self) -> nn.Module:
        """The distilled, fine-tuned model."""
        return self.runs["distilled"].student


def choose(
    splits: Splits, *, direction: str = "small-to-big", labels: int | None = None, seed: int = 0,
    lr: float | None = None, weight_decay: float | None = None, progress: bool = True,
) -> Choice:  # fmt: skip
    """Step 1: initialise both models, train the source on the labels, and run the article's three rules of thumb.

    Args:
        splits: of the data.
        direction: "small-to-big" (the article's) or "big-to-small".
        labels: how many training labels may be used; None: all.
        seed: of weights, order and augmentation.
        lr, weight_decay: of the source; ``train``'s defaults where left out.
        progress: show bars.

    A source that the checks find shifted against the target's data is fine-tuned on the labels once more.
    """
    one_of("direction", direction, DIRECTIONS)
    positive("seed", seed, whole=True, zero=True)
    _check_splits(splits)
    widths = (SMALL, BIG) if direction == "small-to-big" else (BIG, SMALL)
    known = _labelled(_with_labels(splits.train, labels, seed))
    source, target = (build("cnn", width=w, seed=seed + i) for i, w in enumerate(widths))
    rows = kd_data.tile(known, len(splits.train))  # few labels: as many steps as with all
    common: dict[str, Any] = {"val": splits.val, "augment": "flip-shift", "seed": seed, "progress": progress}
    common |= _where()
    run = train(source, rows, epochs=_long(SOURCE_EPOCHS), lr=lr, weight_decay=weight_decay, **common)
    checks = [
        _good(source, known, splits.val, seed, progress),
        _simple(source, target),
        _same_distribution(known, splits),
    ]
    if not checks[2].met:
        train(source, rows, epochs=_long(REFINE_EPOCHS), lr=5e-4, **common)
    return Choice(source, target, direction, run, checks, seed)


def _where() -> dict[str, Any]:
    """Device and precision of the profile that is on."""
    return {"device": profile().device, "precision": profile().precision}


def _long(epochs: int) -> int:
    """So many epochs in the quick profile, more in the full one."""
    return epochs * profile().epochs


def _check_splits(splits: Any, *, test: bool = False) -> None:
    """Refuse what is no split of garments; with ``test=True`` also one without test images."""
    if not isinstance(splits, Splits):
        raise fail("splits", "be what kd.split returns", type(splits).__name__, "Write kd.split(kd.load()).", TypeError)
    for name, part in (("validation", splits.val), ("test", splits.test)):
        if (name == "validation" or test) and (part is None or not len(part)):
            raise fail("splits", f"have {name} images", "no image", "Use the bundle, kd.split(kd.load(), val=0.2).")
    shape = tuple(splits.train.images.shape[1:])
    if shape != (1, 28, 28):
        raise fail("splits", "hold images of 1 x 28 x 28, as the models here take them", shape, "Use Fashion-MNIST's.")


def _with_labels(part: Part, labels: int | None, seed: int) -> Part:
    if labels is None:
        return part
    positive("labels", labels, whole=True)
    numbers = part.labels[part.labels != kd_data.NO_LABEL].bincount()
    classes, most = int((numbers > 0).sum()), int(numbers[numbers > 0].min() * (numbers > 0).sum())
    if labels % classes or labels > most:
        nearest = min(max(round(labels / classes) * classes, classes), most)
        rule = f"be a multiple of {classes} (the classes) and at most {most}"
        raise fail("labels", rule, labels, f"The nearest that fits is {nearest}.")
    return kd_data.few_labels(part, labels, seed)


def _labelled(part: Part) -> Part:
    return part.select((part.labels != kd_data.NO_LABEL).nonzero().flatten())


def _good(source: nn.Module, known: Part, val: Part, seed: int, progress: bool) -> Check:
    linear = build("linear", seed=seed)
    train(linear, kd_data.tile(known, 8000), val=val, epochs=3, seed=seed, progress=progress)
    bar, report = accuracy(linear, val), evaluate(source, val, timed=False)
    assert report.accuracy is not None and report.auc is not None
    lowest = min(r for r in report.recall if r is not None)
    scores = f"accuracy ≈ {report.accuracy:.3f}, lowest recall ≈ {lowest:.3f}, AUC ≈ {report.auc:.3f}"
    measured = f"{scores}; linear ≈ {bar:.3f}"
    return Check("good: better than a linear model on validation", measured, report.accuracy > bar)


def _simple(source: nn.Module, target: nn.Module) -> Check:
    ours, theirs = parameter_count(source), parameter_count(target)
    return Check("simple: fewer parameters than the target", f"{ours:,} and {theirs:,}", ours < theirs)


def _same_distribution(known: Part, splits: Splits) -> Check:
    found = kd_data.shift(known, splits.val)
    measured = f"a classifier tells them apart with accuracy {found['accuracy']:.3f}, p = {found['p']:.2f}"
    return Check("same distribution: else fine-tune the source first", measured, found["p"] > 0.01)


def split(
    choice: Choice, splits: Splits, *, labels: int | None = None, demonstration: int = 1000, progress: bool = True
) -> Sets:
    """Step 2: the training set, the demonstration set that the source generates, validation and test set.

    Args:
        choice: step 1's.
        splits: the same as there.
        labels: the same as there.
        demonstration: how many images the source generates.
        progress: show a bar.
    """
    _check_kind("choice", choice, Choice, "Write choose(splits).")
    _check_splits(splits, test=True)
    positive("demonstration", demonstration, whole=True)
    assert splits.test is not None
    pool = _with_labels(splits.train, labels, choice.seed)
    made = synthesise(choice.source, demonstration, seed=choice.seed, progress=progress)
    pairs = ((pool, splits.val), (pool, splits.test), (splits.val, splits.test))
    leaks = sum(len(kd_data.duplicates(a, b)) for a, b in pairs)
    return Sets(pool, _labelled(pool), made, splits.val, splits.test, leaks)


def design(
    *, taylor: float = 0.01, soft: float = 1.0, labels: float = 0.1, temperature: float = 4.0, penalty: float = 1e-4
) -> Loss:
    """Step 3: taylor x layer-wise Taylor loss + soft x soft targets + labels x cross-entropy.

    Args:
        taylor, soft, labels: the weights.
        temperature: of the soft targets.
        penalty: the Taylor loss's weight of the squared parameter norm.
    """
    positive("taylor", taylor, zero=True)
    positive("soft", soft, zero=True)
    positive("labels", labels, zero=True)
    positive("temperature", temperature)
    positive("penalty", penalty, zero=True)
    kept = SoftTargets(temperature, alpha=1.0)
    return taylor * LayerwiseLoss(LAYERS, penalty=penalty) + soft * kept + labels * CrossEntropy()


def distil(
    choice: Choice, sets: Sets, loss: Loss, *, regime: str = "all labels", lr: float | None = None,
    weight_decay: float | None = None, baseline_lr: float | None = None, baseline_weight_decay: float | None = None,
    progress: bool = True,
) -> Outcome:  # fmt: skip
    """Step 4: refine the source on the demonstration set, distil, fine-tune, evaluate against source and baseline.

    Args:
        choice, sets: of steps 1 and 2.
        loss: step 3's.
        regime: the outcome's name.
        lr, weight_decay: of the distilled target; ``train``'s defaults where left out.
        baseline_lr, baseline_weight_decay: of the target that learns from the labels alone.
        progress: show bars.

    Test images are read when everything is trained.
    """
    if isinstance(sets, Sets) and (sets.test is None or not len(sets.test)):
        raise fail("sets", "have test images", "no image", "Make them with split(choice, splits).")
    runs, notes = fit(
        choice, sets, loss, lr=lr, weight_decay=weight_decay, baseline_lr=baseline_lr,
        baseline_weight_decay=baseline_weight_decay, progress=progress,
    )  # fmt: skip
    learner, alone = runs["distilled"].student, runs["labels only"].student
    reports = {
        "source": evaluate(choice.source, sets.test),
        "distilled target": evaluate(learner, sets.test, teacher=choice.source),
        "target, labels only": evaluate(alone, sets.test, teacher=choice.source),
    }
    versus = compare([learner], [alone], sets.test)
    return Outcome(regime, choice, sets, runs, reports, versus, notes, shares(runs["distilled"]))


def fit(
    choice: Choice, sets: Sets, loss: Loss, *, lr: float | None = None, weight_decay: float | None = None,
    baseline_lr: float | None = None, baseline_weight_decay: float | None = None, progress: bool = True,
) -> tuple[dict[str, Run], dict[str, float | bool | str]]:  # fmt: skip
    """Step 4's training, test images unread: the runs "distilled", "fine-tuned", "labels only", and notes on them.

    The baseline is the same target with the same initial weights, trained on the labels alone, with the same
    augmentation, batch size, number of gradient steps and course of the learning rate; each of the two may have a
    learning rate and a weight decay of its own, so that both can be tuned.
    """
    _check_kind("choice", choice, Choice, "Write choose(splits).")
    _check_kind("sets", sets, Sets, "Write split(choice, splits).")
    loss = as_loss(loss)
    for name, value in (("baseline_lr", baseline_lr), ("baseline_weight_decay", baseline_weight_decay)):
        if value is not None:
            positive(name, value, zero=name != "baseline_lr")
    common: dict[str, Any] = {"val": sets.val, "seed": choice.seed, "progress": progress, **_where()}
    notes = _refine(choice, sets, common)
    mixed = kd_data.join(sets.train, kd_data.unlabelled(sets.demonstration))
    learner, alone = (build(**choice.target.config) for _ in range(2))  # type: ignore[arg-type]
    for model in (learner, alone):
        model.load_state_dict(choice.target.state_dict())
    common["augment"] = "flip-shift"
    ours = common | {"weight_decay": weight_decay}
    distilled = distill(choice.source, learner, mixed, loss=loss, epochs=_long(DISTIL_EPOCHS), lr=lr, **ours)
    tuned = _fine_tune(learner, sets, len(mixed), notes, ours)
    length = len(tuned.history["loss"])
    theirs = common | {"weight_decay": baseline_weight_decay}
    baseline = _baseline(alone, sets, len(mixed), length, baseline_lr, theirs)
    notes["target on validation"] = accuracy(learner, sets.val)
    notes["labels only on validation"] = accuracy(alone, sets.val)
    notes["fine-tuning stopped by"] = tuned.stopped_by
    notes["gradient steps"] = -(-len(mixed) // 128) * (_long(DISTIL_EPOCHS) + length)
    return {"distilled": distilled, "fine-tuned": tuned, "labels only": baseline}, notes


def _check_kind(argument: str, value: Any, kind: type, remedy: str) -> None:
    if not isinstance(value, kind):
        raise fail(argument, f"be a {kind.__name__} of kdcourse.pipeline", type(value).__name__, remedy, TypeError)


def _refine(choice: Choice, sets: Sets, common: dict[str, Any]) -> dict[str, Any]:
    """(a) The source, refined on its own generated images; kept only if validation does not fall."""
    before, weights = accuracy(choice.source, sets.val), _copy(choice.source)
    train(choice.source, sets.demonstration, epochs=_long(REFINE_EPOCHS), lr=2e-4, **common)
    after = accuracy(choice.source, sets.val)
    if after < before:
        choice.source.load_state_dict(weights)
    return {"source before refining": before, "source refined": after, "refined kept": after >= before}


def _fine_tune(learner: nn.Module, sets: Sets, size: int, notes: dict[str, Any], common: dict[str, Any]) -> Run:
    """(b) On the labels until validation is flat; the better of before and after is kept, by validation."""
    before, weights = accuracy(learner, sets.val), _copy(learner)
    rows = kd_data.tile(sets.labelled, size)
    run = train(learner, rows, epochs=_long(TUNE_EPOCHS), lr=TUNE_LR, patience=PATIENCE, min_epochs=3, **common)
    after = accuracy(learner, sets.val)
    if after < before:
        learner.load_state_dict(weights)
    notes |= {"target before fine-tuning": before, "target fine-tuned": after, "fine-tuned kept": after >= before}
    return run


def _baseline(alone: nn.Module, sets: Sets, size: int, tuned: int, lr: float | None, common: dict[str, Any]) -> Run:
    """Labels alone, on the distilled arm's very schedule: both phases, the second as long as that arm's was."""
    rows = kd_data.tile(sets.labelled, size)
    run = train(alone, rows, epochs=_long(DISTIL_EPOCHS), lr=lr, **common)
    before, weights = accuracy(alone, sets.val), _copy(alone)
    steps = _long(TUNE_EPOCHS) * -(-size // 128)
    second = train(alone, rows, epochs=tuned, lr=TUNE_LR, schedule=lambda o, _: CosineAnnealingLR(o, steps), **common)
    if accuracy(alone, sets.val) < before:
        alone.load_state_dict(weights)
    for name, values in second.history.items():
        run.history[name] += values
    return run


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def shares(run: Run, epoch: int = -1) -> list[tuple[str, float, float]]:
    """(term, weight, share of the weighted loss in that epoch)."""
    _check_kind("run", run, Run, 'Pass outcome.runs["distilled"], say.')
    epochs = len(run.history.get("loss", []))
    if not isinstance(epoch, int) or not -epochs <= epoch < epochs:
        raise fail("epoch", f"be the number of one of the run's {epochs} epochs", epoch, "Count from 0, or write -1.")
    weights = {part.name: weight for weight, part in run.loss.parts}
    weighted = {name: weight * run.history[name][epoch] for name, weight in weights.items()}
    return [(name, weights[name], value / sum(weighted.values())) for name, value in weighted.items()]


# ---------------------------------------------------------------- frozen weights


def logits_hash(model: nn.Module, part: Part) -> str:
    """SHA-256 of the logits on a part: equal hashes mean equal predictions to the bit."""
    with preserved(model):
        feed = TensorFeed(part, 500, torch.device("cpu"))
        (outputs,), _ = predict([lambda batch: model(batch.inputs)], feed, torch.device("cpu"))
    return hashlib.sha256(outputs.numpy().tobytes()).hexdigest()


def in_new_process(folders: list[Path]) -> list[str]:
    """``logits_hash`` of frozen models on the bundled test images, computed by a fresh interpreter."""
    command = [sys.executable, "-m", "kdcourse", "predict", *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the new process could not predict with {folders}: {done.stderr.strip()[-500:]}")
    return [json.loads(line)["sha256"] for line in done.stdout.splitlines()]


def new_head(frozen: nn.Module, train_part: Part, test_part: Part) -> float:
    """Test accuracy of a new head, a logistic regression on the frozen blocks: four groups in place of ten classes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kept = [layer for name, layer in frozen.requires_grad_(False).named_children() if name != "head"]
    blocks, groups = nn.Sequential(*kept, nn.Flatten()).eval(), torch.tensor(GROUPS)
    x, v = (torch.cat([blocks(p.images[i : i + 500]) for i in range(0, len(p), 500)]) for p in (train_part, test_part))
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    return float(head.fit(x, groups[train_part.labels]).score(v, groups[test_part.labels]))


# ---------------------------------------------------------------- all of it


def run(
    *, direction: str = "small-to-big", labels: int = 500, name: str = "pipeline", root: str | Path = "runs",
    seed: int = 0, progress: bool = True, say: Callable[[str], None] = print,
) -> dict[str, Outcome]:  # fmt: skip
    """The four steps in both regimes, with closing tables, one figure, and frozen weights under ``root/name``.

    Each regime is saved as soon as it is finished. Ctrl-C raises ``Interrupted``, whose ``.outcomes`` are the finished
    regimes; report.json is then marked as incomplete.

    Raises ValueError, before any training, for an unknown direction, a number of labels that cannot be balanced, or a
    name that is no plain folder name.
    """
    one_of("direction", direction, DIRECTIONS)
    positive("labels", labels, whole=True)
    positive("seed", seed, whole=True, zero=True)
    started, folder = time.perf_counter(), Path(root) / plain_name(name)
    splits = kd_data.split(kd_data.load("fashion-mnist", full=profile().full), val=0.2, seed=seed)
    _with_labels(splits.train, labels, seed)
    for regime in ("all", str(labels)):  # refuse what could not be saved before anything is trained
        for role in ("source", "target"):
            check_target(folder / f"{regime}-labels-{role}")
    outcomes: dict[str, Outcome] = {}
    try:
        with spoken(say):
            for regime, count in (("all labels", None), (f"{labels} labels", labels)):
                say(f"\n── {regime}, {direction}")
                outcome = _regime(regime, splits, direction, count, seed, progress, say)
                _save(outcome, outcomes, folder, splits)
                outcomes[regime] = outcome
            _reload(outcomes, folder, progress, say)
    except KeyboardInterrupt as stop:
        raise _interrupted(outcomes, folder, stop) from stop
    for text in closing(outcomes):
        say("\n" + text)
    _figure(outcomes).save(folder / "figure.png")
    _write_report(folder, outcomes)
    say(f"\n{folder}: frozen weights, figure.png, report.json. {time.perf_counter() - started:.0f} s in all.")
    return outcomes


def _regime(
    regime: str, splits: Splits, direction: str, labels: int | None, seed: int, progress: bool,
    say: Callable[[str], None],
) -> Outcome:  # fmt: skip
    """The four steps once."""
    say("Step 1  choose and initialise")
    with naming("step 1", "the source", "a linear model beside it", "the source once more"):
        choice = choose(splits, direction=direction, labels=labels, seed=seed, progress=progress)
    say(checked(choice.checks))
    with naming("step 2"):
        sets = split(choice, splits, labels=labels, progress=progress)
    say(filled(f"Step 2  split: {sets.describe()}"))
    loss = design()
    say("Step 3  loss: " + " + ".join(f"{weight:g} {part.name}" for weight, part in loss.parts))
    trained = ("the source on its own images", "the target from the source", "the target on the labels")
    with naming("step 4", *trained, "the baseline", "the baseline once more"):
        outcome = distil(choice, sets, loss, regime=regime, progress=progress)
    say(f"Step 4  distilled in {outcome.notes['gradient steps']} gradient steps, the baseline likewise")
    return outcome


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _place(folder: Path, regime: str, role: str) -> Path:
    return folder / f"{regime.replace(' ', '-')}-{role}"


def _save(outcome: Outcome, before: dict[str, Outcome], folder: Path, splits: Splits) -> None:
    """(d) Freeze one regime, beside a report that says what is still missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figure.png").unlink(missing_ok=True)  # an earlier run's
    _write_report(folder, {**before, outcome.regime: outcome}, incomplete=True)
    about = {"report": json.loads(outcome.reports["distilled target"].to_json())}
    for role, model in (("target", outcome.target), ("source", outcome.choice.source)):
        path = _place(folder, outcome.regime, role)
        save_frozen(model.cpu(), path, classes=splits.classes, about=about if role == "target" else None)


def _reload(outcomes: dict[str, Outcome], folder: Path, progress: bool, say: Callable[[str], None]) -> None:
    """(d) Reload in a new process, predict; then a new head on the frozen blocks."""
    paths = [_place(folder, regime, "target") for regime in outcomes]
    with progress_bar(progress, total=1, desc="step 4, predict in a new process") as bar:
        again = in_new_process(paths)
        bar.update()
    bundled = kd_data.load().test
    assert bundled is not None  # the new process reads it too
    for path, outcome, found in zip(paths, outcomes.values(), again, strict=True):
        same = found == logits_hash(outcome.target, bundled)
        outcome.notes["reloaded bit for bit"] = same
        head = new_head(load_frozen(path, device="cpu"), outcome.sets.labelled, outcome.sets.test)
        fresh = new_head(build(**outcome.target.config), outcome.sets.labelled, outcome.sets.test)  # type: ignore[arg-type]
        outcome.notes |= {"new head, frozen blocks": head, "new head, untrained blocks": fresh}
    say("Step 4d frozen, reloaded in a new process, and put under a new head")


def _write_report(folder: Path, outcomes: dict[str, Outcome], *, incomplete: bool = False) -> None:
    """report.json, written whole; an incomplete one says so in its first entry."""
    mark = {"incomplete": f"the run has not come to its end; finished: {', '.join(outcomes)}"} if incomplete else {}
    fresh = folder / ".report.json"
    fresh.write_text(json.dumps({**mark, **_plain(outcomes)}, indent=1) + "\n", encoding="utf-8")
    fresh.replace(folder / "report.json")


def _interrupted(outcomes: dict[str, Outcome], folder: Path, stop: KeyboardInterrupt) -> Interrupted:
    found = f"{' and '.join(outcomes)} finished and saved below {folder} (report.json is marked as incomplete)"
    text = f"the pipeline was interrupted with {found if outcomes else 'no regime finished and nothing saved'}"
    error = Interrupted(f"{text}; the same call starts anew.")
    error.outcomes, error.run, error.part = outcomes, getattr(stop, "run", None), getattr(stop, "part", None)
    return error


def closing(outcomes: dict[str, Outcome]) -> list[str]:
    """What came out, in sentences, then the tables behind them, as text of at most 100 columns."""
    rows: list[list[Any]] = []
    facts: list[list[Any]] = []
    for regime, outcome in outcomes.items():
        for name, report in outcome.reports.items():
            against = None if name == "source" else report.agreement
            rows.append([regime, name, report.accuracy, report.auc, report.calibration_error, against,
                         f"{report.parameters:,}", report.latency_ms])  # fmt: skip
        facts += [[regime, f"loss term {name}", f"weight {w:g}, share {s:.1%}"] for name, w, s in outcome.shares]
        facts += [[regime, name, _yes(v) if isinstance(v, bool) else v] for name, v in outcome.notes.items()]
    recovered = performance_gap_recovered(outcomes)
    facts.append([list(outcomes)[1], "performance gap recovered", recovered])
    columns = ["regime", "model", "accuracy", "AUC", "calibration", "agrees", "parameters", "ms"]
    caption = "On the test images. Calibration: its error; agrees: with the source; ms: for one image"
    found = [(o.regime, [o.reports[n].accuracy or 0.0 for n in COMPARED], o.versus_baseline) for o in outcomes.values()]
    return [
        findings(found),
        str(Table(columns, rows, title=caption)),
        str(Table(["regime", "what", "value"], facts)),
    ]


def performance_gap_recovered(outcomes: dict[str, Outcome]) -> float | None:
    """(distilled - weak) / (ceiling - weak) on test: weak is the source of the regime with few labels, the ceiling
    the target trained on all labels (Burns et al. 2023). None where the ceiling is not above the weak model.
    """
    every, few = outcomes.values()
    weak, strong = (few.reports[name].accuracy or 0.0 for name in ("source", "distilled target"))
    ceiling = every.reports["target, labels only"].accuracy or 0.0
    return (strong - weak) / (ceiling - weak) if ceiling > weak else None


def _figure(outcomes: dict[str, Outcome]) -> Any:
    from kdcourse import plots

    curves, scores, words = {}, {}, []
    for regime, outcome in outcomes.items():
        runs = {name: run.history["val_accuracy"] for name, run in outcome.runs.items()}
        curves[regime] = {"distilled target": runs["distilled"], "… fine-tuned": runs["fine-tuned"],
                          "target, labels only": runs["labels only"]}  # fmt: skip
        scores[regime] = {name: report.accuracy or 0.0 for name, report in outcome.reports.items()}
        words.append(f"{regime}: " + ", ".join(f"{n} {100 * v:.1f}" for n, v in scores[regime].items()))
    return plots.pipeline(curves, scores, finding="Test accuracy in %, " + "; ".join(words) + ".")


def _plain(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    return {
        regime: {
            "reports": {name: json.loads(report.to_json()) for name, report in o.reports.items()},
            "difference": vars(o.versus_baseline), "notes": o.notes, "shares": o.shares,
            "checks": [vars(check) for check in o.choice.checks],
            "histories": {name: dict(run.history) for name, run in o.runs.items()},
        }
        for regime, o in outcomes.items()
    }  # fmt: skip

"""Break the package in named ways, one line at a time, each in a copy of the tree; the fast tests must notice every one.

    python tools/mutants.py [NAME ...]

A mutant is (name, file, text, replacement, test file most likely to notice). That file runs first; if it passes, all
fast tests run. A mutant that survives them fails the command, as does a text that is not found exactly once.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Mutant(NamedTuple):
    """One break."""

    name: str
    file: str
    text: str
    replacement: str
    tests: str


MUTANTS = [
    Mutant("T squared dropped", "losses/soft_targets.py", "return temperature**2 * ", "return 1.0 * ", "losses"),
    Mutant("roles swapped in the KL", "losses/soft_targets.py", "(log_teacher.exp() * (log_teacher - log_student))", "(log_student.exp() * (log_student - log_teacher))", "losses"),
    Mutant("mean for batchmean", "losses/soft_targets.py", "(log_teacher - log_student)).sum(dim=1)", "(log_teacher - log_student)).mean(dim=1)", "losses"),
    Mutant("temperature on one side only", "losses/soft_targets.py", "F.log_softmax(student_logits / temperature, dim=1)", "F.log_softmax(student_logits, dim=1)", "losses"),
    Mutant("unlabelled images counted in the mean", "losses/cross_entropy.py", "per_image.sum() / (labels != NO_LABEL).sum().clamp(min=1)", "per_image.mean()", "losses"),
    Mutant("weights forgotten in a sum", "losses/base.py", "weighted.append(weight * value)", "weighted.append(value)", "losses"),
    Mutant("a second term of the same name overwrites the first", "losses/base.py", "named[_free_name(name, {*RESERVED, *named})] = value", "named[name] = value", "losses"),
    Mutant("a term may hide the total", "losses/base.py", "{*RESERVED, *named}", "{*named}", "errors"),
    Mutant("float labels taken for classes", "losses/cross_entropy.py", "if labels.is_floating_point():", "if False:", "errors"),
    Mutant("half precision kept", "losses/_checks.py", "return values.float() if", "return values if", "losses"),
    Mutant("the half left out of the Taylor term", "taylor.py", "[0.5 * (project", "[1.0 * (project", "losses"),
    Mutant("the Taylor term reads the layer's own output", "taylor.py", 'self.layers if own_output else', 'self.layers if True else', "losses"),
    Mutant("a zero penalty gives the head a gradient", "taylor.py", "if penalty > 0:", "if penalty >= 0:", "losses"),
    Mutant("teacher left in train mode", "models.py", "yield model.eval()", "yield model", "training"),
    Mutant("buffers of the teacher not restored", "models.py", "value.copy_(buffers[name])", "pass", "models"),
    Mutant("a hook not removed", "models.py", "            handle.remove()", "            pass", "models"),
    Mutant("a change in place not noticed", "models.py", "if value._version != version:", "if False:", "models"),
    Mutant("the seed of a model ignored", "models.py", "torch.manual_seed(seed)", "torch.seed()", "models"),
    Mutant("the normalisation left out", "models.py", "return (x - self.mean) / self.std", "return x * 1.0", "models"),
    Mutant("validation taken from the training images", "data/splitting.py", "_part(source.train, val_at,", "_part(source.train, train_at[: len(val_at)],", "data"),
    Mutant("validation taken from test", "training.py", "val = data.val if val is None and len(data.val) else val", "val = data.test", "training"),
    Mutant("splits not stratified", "data/splitting.py", "stratify=classes", "stratify=None", "data"),
    Mutant("the seed of a split ignored", "data/splitting.py", "random_state=seed, stratify", "random_state=0, stratify", "data"),
    Mutant("random states not given back", "data/batching.py", "random.setstate(states[0])", "pass", "training"),
    Mutant("a damaged bundle accepted", "data/loading.py", "if found != digest:", "if False:", "data"),
    Mutant("any pickle accepted", "data/loading.py", "raise pickle.UnpicklingError(", "print(", "data"),
    Mutant("images flipped but never shifted", "data/batching.py", "+ right[:, None]", "+ pixels", "data"),
    Mutant("cache used under augmentation", "_feeds.py", "if feed.augment is not None:", "if False:", "training"),
    Mutant("cache without regard to its limit", "_feeds.py", "if size > limit_mb * MB:", "if False:", "training"),
    Mutant("teacher's gradients recorded", "_feeds.py", "with torch.no_grad(), autocast(self.device, self.precision):", "with autocast(self.device, self.precision):", "training"),
    Mutant("best weights not restored", "training.py", "            self.state.restore()\n", "            pass\n", "training"),
    Mutant("the last weights kept as the best", "training.py", "if metric is None or metric > state.best_metric:", "if True:", "training"),
    Mutant("plateau rule ignores its minimum", "training.py", " or state.epoch < self.s.min_epochs:", ":", "training"),
    Mutant("the student trains in eval mode", "training.py", "    student.train()\n", "    student.eval()\n", "training"),
    Mutant("frozen parts updated by batch norm", "training.py", "            module.eval()\n", "            pass\n", "training"),
    Mutant("the seed of a run ignored", "training.py", "seed_all(epoch_seed(s.seed, state.epoch))", "seed_all(epoch_seed(0, state.epoch))", "training"),
    Mutant("every epoch in the same order", "training.py", "seed_all(epoch_seed(s.seed, state.epoch))", "seed_all(epoch_seed(s.seed, 0))", "training"),
    Mutant("the caller's loss object changed", "training.py", "copy.deepcopy(loss).to(self.device)", "loss.to(self.device)", "training"),
    Mutant("a rising metric lowers the learning rate", "training.py", 'if self.s.schedule.mode == "min" else', "if True else", "errors"),
    Mutant("no rehearsal before the teacher answers", "training.py", "            self._rehearse(student, loss, first)\n", "            pass\n", "errors"),
    Mutant("a loader without any label trains on nothing", "training.py", "        if not known:", "        if False:", "errors"),
    Mutant("validation judged by its first batch", "_feeds.py", "        if scan:", "        if False:", "errors"),
    Mutant("no guard against NaN", "training.py", "if not math.isfinite(value) or value > EXPLODED * max(1.0, state.first_loss):", "if False:", "training"),
    Mutant("gradients not clipped", "training.py", "if self.s.clip is not None:", "if False:", "training"),
    Mutant("weight decay on projections", "_settings.py", '{"params": projections, "weight_decay": 0.0}', '{"params": projections, "weight_decay": 0.1}', "training"),
    Mutant("agreement measured against the labels", "evaluation.py", "(outputs.argmax(dim=1) == theirs.argmax(dim=1))", "(outputs.argmax(dim=1) == outputs.argmax(dim=1))", "evaluation"),
    Mutant("the KL of the report reversed", "evaluation.py", "(log_theirs.exp() * (log_theirs - log_ours))", "(log_ours.exp() * (log_ours - log_theirs))", "evaluation"),
    Mutant("comparison not paired", "evaluation.py", "right[: len(ours)] - right[len(ours) :]", "right[: len(ours)] - right[len(ours) :].mean()", "evaluation"),
    Mutant("a damaged weights file accepted", "export.py", 'if found != config["sha256"]:', "if False:", "export"),
    Mutant("an old folder lost where the new one fails", "export.py", "            old.rename(folder)\n", "            pass\n", "export"),
    Mutant("a folder with other contents replaced", "export.py", "        if others:", "        if False:", "export"),
    Mutant("a compiled model under other names", "export.py", 'name.replace("_orig_mod.", "")', "name", "export"),
    Mutant("as many class names as you like", "export.py", 'if names and recipe is not None and len(names) != recipe["num_classes"]:', "if False:", "export"),
    Mutant("an exported program is not compared", "export.py", "    for change in (lambda value: value, lambda value: torch.cat([value, value[:1]]).flip(0)):", "    for change in ():", "export"),
    Mutant("an exported program carries the example's images", "export.py", "        exported.example_inputs = None", "        pass", "export"),
    Mutant("finished batches lost at Ctrl-C", "synthesis.py", "made = (self.sure >= 0).nonzero()", "made = (self.sure >= 2).nonzero()", "synthesis"),
    Mutant("a last batch of one image", "synthesis.py", 'torch.tensor_split(poor, -(-len(poor) // self.options["batch_size"]))', 'torch.split(poor, self.options["batch_size"])', "synthesis"),
    Mutant("an interrupted report that looks whole", "pipeline.py", "outcome.regime: outcome}, incomplete=True)", "outcome.regime: outcome})", "pipeline"),
    Mutant("a regime saved at the end only", "pipeline.py", "            _save(outcome, outcomes, folder, splits)\n", "", "pipeline"),
    Mutant("a name that leaves its folder", "pipeline.py", "Path(root) / _plain_name(name)", "Path(root) / str(name)", "pipeline"),
    Mutant("one bad folder hides the good ones", "__main__.py", "            well = False\n            _complain", "            return False\n            _complain", "command"),
    Mutant("a damaged progress file counts as nothing done", "__main__.py", "if _progress._loaded(file) is None:", "if False:", "command"),
    Mutant("a fault of the package loses its traceback", "__main__.py", "        if not _meant(error):", "        if False:", "command"),
    Mutant("generated images not by class", "synthesis.py", "loss = F.cross_entropy(ask(seen).float(), labels)", "loss = 0 * F.cross_entropy(ask(seen).float(), labels)", "synthesis"),
    Mutant("batch norm statistics unused", "synthesis.py", "if heard:", "if False:", "synthesis"),
    Mutant("the baseline starts from other weights", "pipeline.py", "        model.load_state_dict(choice.target.state_dict())", "        model.load_state_dict(choice.target.state_dict()) if model is learner else model.apply(lambda m: m.reset_parameters() if hasattr(m, 'reset_parameters') else None)", "pipeline"),
    Mutant("the baseline trained for fewer steps", "pipeline.py", "train(alone, rows, epochs=tuned,", "train(alone, rows, epochs=2 * tuned,", "pipeline"),
    Mutant("the worse of two kept", "pipeline.py", "    if after < before:\n        choice.source", "    if False:\n        choice.source", "pipeline"),
    Mutant("a stale record is read", "records.py", 'if saved["source"] != source:', "if False:", "records"),
    Mutant("any live row will do", "records.py", "assert difference <= allowed, f", "assert True, f", "records"),
    Mutant("a paired difference has the other sign", "records.py", "[float(a) - float(b) for a, b", "[float(b) - float(a) for a, b", "records"),
    Mutant("an interval over images without redrawing", "evaluation.py", "rng.multinomial(n, counts / n, size=100) @ distinct / n", "np.full(100, (counts @ distinct) / n)", "evaluation"),
    Mutant("an interval over images of ours alone", "records.py", "np.mean([a - b for a, b", "np.mean([a for a, b", "records"),
    Mutant("resolved by one interval of two", "records.py", "min(low for low, _ in self._intervals())", "self.interval[0]", "records"),
    Mutant("the worst setting is chosen", "records.py", "**setting) > self.mean(", "**setting) < self.mean(", "records"),
    Mutant("seeds are paired as they lie", "records.py", 'sorted(self.where(**setting), key=lambda row: row["seed"])', "self.where(**setting)", "records"),
    Mutant("another experiment's rows are resumed", "records.py", "if lines and lines[0] == source else []", "if lines else []", "records"),
    Mutant("helpers of an experiment are not followed", "records.py", "                _follow(value, seen)", "                pass", "records"),
    Mutant("a check writes and forgives", "records.py", 'if _mode() == "check":', "if False:", "records"),
    Mutant("an image is its own near copy", "data/comparing.py", "if skip is not None:", "if False:", "data"),
    Mutant("brightness counts in near copies", "data/comparing.py", "small - small.mean(dim=1, keepdim=True)", "small", "data"),
    Mutant("near copies from the wrong side", "data/comparing.py", "(distances <= threshold)", "(distances >= threshold)", "data"),
    Mutant("temperature shown, not used", "widgets.py", "p = (z / temperature).softmax(dim=0)", "p = z.softmax(dim=0)", "widgets"),
    Mutant("shares do not follow the weights", "widgets.py", "weights[n] * value for value", "value for value", "widgets"),
    Mutant("a control redraws nothing", "widgets.py", 'control.observe(lambda change: self.redraw(), "value")', "pass", "widgets"),
    Mutant("the baseline takes the other arm's rate", "pipeline.py", "len(mixed), length, baseline_lr, theirs)", "len(mixed), length, lr, theirs)", "pipeline"),
    Mutant("a wrong answer passes where the first input is right", "checks/_checking.py", "            if found and not outcome.changed:\n                continue", "            if (found or at > 0) and not outcome.changed:\n                continue", "checks"),
    Mutant("a changed argument is forgiven", "checks/_checking.py", "if found and not outcome.changed:", "if found:", "checks"),
    Mutant("a mistake is recognised by one input", "checks/_checking.py", "        if all(_alike(", "        if any(_alike(", "tasks"),
    Mutant("an untouched stub counts as wrong", "checks/_calling.py", '"untouched" if untouched else "raised"', '"raised"', "checks"),
    Mutant("inputs are not copied", "checks/_calling.py", "    given = copied(args)", "    given = args", "checks"),
    Mutant("a function that never returns is left running", "checks/_calling.py", "return not done.is_set() and not _stop(worker, done)", "return False", "checks"),
    Mutant("an answer of random numbers changes from call to call", "checks/_calling.py", "        with seeded(seed):", "        with contextlib.nullcontext():", "checks"),
    Mutant("the shape is not compared", "checks/_judges.py", "if expected.shape != got.shape:", "if expected.numel() != got.numel():", "checks"),
    Mutant("NaN counts as close", "checks/_judges.py", "    if not wrong.any():", "    if not (wrong & value.isfinite()).any():", "checks"),
    Mutant("a solution without a hint", "checks/_checking.py", "if not (_seen.get(found.id)", "if False and not (_seen.get(found.id)", "checks"),
    Mutant("what was passed is forgotten", "checks/_checking.py", 'bool(entry["passed"]) or card.passed', "card.passed", "checks"),
    Mutant("an old progress file is not carried over", "checks/_progress.py", "    if version < VERSION:\n", "    if False:\n", "checks"),
    Mutant("an old progress file is written over", "checks/_progress.py", "    if not kept.exists():\n", "    if False:\n", "checks"),
    Mutant("two entries that become one lose tries", "checks/_renamed.py", 'int(one.get("tries", 0)) + int(other.get("tries", 0))', 'int(last.get("tries", 0))', "checks"),
    Mutant("an old id is looked up in the first table only", "checks/_renamed.py", "    for table in RENAMED[since:]:", "    for table in RENAMED[since : since + 1]:", "checks"),
    Mutant("lessons in the order of their slugs", "_course.py", "sorted(found, key=label)", 'sorted(found, key=lambda lesson: str(lesson["slug"]))', "checks"),
    Mutant("a record named like a ruling's file", "records.py", "(?<!_claims)", "", "records"),
    Mutant("progress written without a lock", "checks/_progress.py", 'with FileLock(f"{file}.lock", timeout=PATIENCE):', "if True:", "checks"),
    Mutant("the gate stands before batch norm", "_heads.py", "                    self._ends[layer][call] = name\n", "", "taylor"),
    Mutant("the classes have gates", "taylor.py", "if layer in trace.found - trace.heads}", "if layer in trace.found}", "taylor"),
    Mutant("a product that is no module makes its layer a head", "_heads.py", " or bool(PRODUCT.match(node.name()))", "", "taylor"),
    Mutant("a doubtful head is scored", "taylor.py", "lost = sorted(trace.doubtful) or (", "lost = (", "taylor"),
    Mutant("a gate behind one call of a layer alone", "_heads.py", "own = layer in ends or any(", "own = any(", "taylor"),
    Mutant("a loader is held in memory", "taylor.py", "    first = next(batches, None)\n", "    batches = iter(list(batches))\n    first = next(batches, None)\n", "taylor"),
    Mutant("NaN gradients are scores", "taylor.py", "                    _check_finite(layer, gradient)\n", "", "taylor"),
    Mutant("importance is not squared", "taylor.py", "+= gradient.square()", "+= gradient.abs()", "taylor"),
    Mutant("importance summed over batches", "taylor.py", "scores.detach() / count", "scores.detach()", "taylor"),
    Mutant("the oracle leaves the gate closed", "taylor.py", "                    gate[channel] = 1", "                    pass", "taylor"),
    Mutant("the oracle is not squared", "taylor.py", "labels) - whole).square()", "labels) - whole).abs()", "taylor"),
    Mutant("a linear layer's tokens taken for channels", "taylor.py", "linear = isinstance(module, nn.Linear)  #", "linear = False  #", "taylor"),
    Mutant("importance moves the model's batch norm", "taylor.py", "    with preserved(model), torch.inference_mode(False), torch.enable_grad(), gated(", "    with torch.inference_mode(False), torch.enable_grad(), gated(", "taylor"),
    Mutant("the pull has the gradient's sign", "widgets.py", "return p, q, (q - p) / temperature", "return p, q, (p - q) / temperature", "widgets"),
    Mutant("T squared on both settings of the control", "widgets.py", '(temperature**2 if factor == "times T²" else 1)', "temperature**2", "widgets"),
    Mutant("the highest scores are pruned first", "widgets.py", "mask[everything.argsort()[:", "mask[everything.argsort(descending=True)[:", "widgets"),
    Mutant("a ranking moves nothing", "widgets.py", "values = kept(rankings[ranking], share)", "values = kept(next(iter(rankings.values())), share)", "widgets"),
]  # fmt: skip


def fast_tests(tree: Path, *paths: str) -> bool:
    """Whether the fast tests pass in this tree."""
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", *paths]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest could not run in {tree}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def copy_of_the_tree(place: Path) -> Path:
    """The project without its environment and history."""
    ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", "runs", ".*_cache", "*.egg-info", ".hypothesis")
    return Path(shutil.copytree(ROOT, place, ignore=ignored))


def survives(mutant: Mutant) -> bool:
    """Apply one break to a copy; True if no fast test notices."""
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_of_the_tree(Path(folder) / "tree")
        path = tree / "kdcourse" / mutant.file
        source = path.read_text()
        if source.count(mutant.text) != 1:
            raise SystemExit(
                f"{mutant.name}: {mutant.text!r} stands {source.count(mutant.text)} times in {mutant.file}"
            )
        path.write_text(source.replace(mutant.text, mutant.replacement))
        return fast_tests(tree, f"tests/test_{mutant.tests}.py") and fast_tests(tree, "tests")


def main(names: list[str]) -> int:
    """All mutants, two at a time; 1 where one survives."""
    started = time.perf_counter()
    chosen = [m for m in MUTANTS if not names or m.name in names]
    for mutant in chosen:
        source = (ROOT / "kdcourse" / mutant.file).read_text()
        if source.count(mutant.text) != 1:
            raise SystemExit(
                f"{mutant.name}: {mutant.text!r} stands {source.count(mutant.text)} times in {mutant.file}"
            )
    survivors = []
    with ThreadPoolExecutor(2) as pool:
        for mutant, alive in zip(chosen, pool.map(survives, chosen), strict=True):
            print(f"{'SURVIVED' if alive else 'caught  '}  {mutant.name}", flush=True)
            survivors += [mutant.name] if alive else []
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} caught in {time.perf_counter() - started:.0f} s")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

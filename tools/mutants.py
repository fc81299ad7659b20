"""Break the package in named ways, one line at a time, each in a copy of the tree; the fast tests must notice every one.

    python tools/mutants.py [NAME ...]

A mutant is (name, file, text, replacement, test file most likely to notice). That file runs first; if it passes, all
fast tests run. Changes that make recorded rows untrue (tests/changes.py) must be noticed by the check of the records;
all other mutants by tests, as every change of the package makes records stale. A mutant that survives fails the
command, as does a text that is not found exactly once.
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
sys.path.insert(0, str(ROOT))

from tests.changes import CHANGES, Change, apply  # noqa: E402


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
    Mutant("weights forgotten in a sum", "losses/base.py", "weighted.append(weight * value)", "weighted.append(value)", "losses"),
    Mutant("a second term of the same name overwrites the first", "losses/base.py", "named[_free_name(name, {*RESERVED, *named})] = value", "named[name] = value", "losses"),
    Mutant("a term may hide the total", "losses/base.py", "{*RESERVED, *named}", "{*named}", "errors"),
    Mutant("half precision kept", "losses/_checks.py", "return values.float() if", "return values if", "losses"),
    Mutant("the half left out of the Taylor term", "taylor.py", "[0.5 * (project", "[1.0 * (project", "losses"),
    Mutant("the Taylor term reads the layer's own output", "taylor.py", 'self.layers if own_output else', 'self.layers if True else', "losses"),
    Mutant("a zero penalty gives the head a gradient", "taylor.py", "if penalty > 0:", "if penalty >= 0:", "losses"),
    Mutant("a hook not removed", "models.py", "            handle.remove()", "            pass", "models"),
    Mutant("a change in place not noticed", "models.py", "if value._version != version:", "if False:", "models"),
    Mutant("the normalisation left out", "models.py", "return (x - self.mean) / self.std", "return x * 1.0", "models"),
    Mutant("validation taken from test", "training.py", "val = data.val if val is None and len(data.val) else val", "val = data.test", "training"),
    Mutant("splits not stratified", "data/splitting.py", "stratify=classes", "stratify=None", "data"),
    Mutant("random states not given back", "data/batching.py", "random.setstate(states[0])", "pass", "training"),
    Mutant("a damaged bundle accepted", "data/loading.py", "if found != digest:", "if False:", "data"),
    Mutant("any pickle accepted", "data/loading.py", "raise pickle.UnpicklingError(", "print(", "data"),
    Mutant("images flipped but never shifted", "data/batching.py", "+ right[:, None]", "+ pixels", "data"),
    Mutant("best weights not restored", "training.py", "            self.state.restore()\n", "            pass\n", "training"),
    Mutant("the last weights kept as the best", "training.py", "if metric is None or metric > state.best_metric:", "if True:", "training"),
    Mutant("plateau rule ignores its minimum", "training.py", " or state.epoch < self.s.min_epochs:", ":", "training"),
    Mutant("the student trains in eval mode", "training.py", "    student.train()\n", "    student.eval()\n", "training"),
    Mutant("frozen parts updated by batch norm", "training.py", "            module.eval()\n", "            pass\n", "training"),
    Mutant("the seed of a run ignored", "training.py", "seed_all(epoch_seed(s.seed, state.epoch))", "seed_all(epoch_seed(0, state.epoch))", "training"),
    Mutant("every epoch in the same order", "training.py", "seed_all(epoch_seed(s.seed, state.epoch))", "seed_all(epoch_seed(s.seed, 0))", "training"),
    Mutant("the caller's loss object changed", "training.py", "loss = _own_copy(loss, student, teacher).to(self.device)", "loss = loss.to(self.device)", "training"),
    Mutant("a rising metric lowers the learning rate", "training.py", 'if state.scheduler.mode == "min" else', "if True else", "errors"),
    Mutant("a loader without any label trains on nothing", "training.py", "        if not known:", "        if False:", "errors"),
    Mutant("no guard against NaN", "training.py", "if not math.isfinite(value) or value > EXPLODED * max(1.0, state.first_loss):", "if False:", "training"),
    Mutant("the norm of another layer", "_watching.py", "for p in parameters if p.grad", "for p in run.student.parameters() if p.grad", "watching"),
    Mutant("a plateau before its windows are full", "_watching.py", "if len(values) < 2 * window:", "if len(values) < window:", "watching"),
    Mutant("a plateau only where it falls", "_watching.py", "((before.var() + last.var()) / window).sqrt()", "0.0", "watching"),
    Mutant("errors copied without a control", "figures/regularising.py", "found = record.paired(key, ours, theirs)\n            whisker", "found = record.paired(key, ours, ours)\n            whisker", "figures"),
    Mutant("a strength beside itself", "widgets/_records.py", "for at in (strength, 0.0)]", "for at in (strength, strength)]", "widgets"),
    Mutant("gradients not clipped", "training.py", "if self.s.clip is not None:", "if False:", "training"),
    Mutant("weight decay on projections", "_settings.py", '{"params": projections, "weight_decay": 0.0}', '{"params": projections, "weight_decay": 0.1}', "training"),
    Mutant("the KL of the report reversed", "evaluation.py", "p = log_theirs.exp()", "p = log_ours.exp()", "evaluation"),
    Mutant("a damaged weights file accepted", "export.py", 'if found != config["sha256"]:', "if False:", "export"),
    Mutant("an old folder lost where the new one fails", "export.py", "            old.rename(folder)\n", "            pass\n", "export"),
    Mutant("a folder with other contents replaced", "export.py", "        if others:", "        if False:", "export"),
    Mutant("labels of one's own shape are refused", "_fitting.py", "        if not own:\n            raise\n", "        raise\n", "users"),
    Mutant("validation may be of any kind", "_fitting.py", 'own and (one is feed or "own" in kinds)', "own", "users"),
    Mutant("classes do not judge a regression", "_fitting.py", '    if kinds == ["regression", "classes"]:\n        return\n', "", "users"),
    Mutant("an optimizer of a layer that is gone", "_settings.py", "    if missing and held -", "    if False and missing and held -", "users"),
    Mutant("a factory may forget the projections", "_settings.py", "    if not all(id(p) in held for p in projections):", "    if False:", "users"),
    Mutant("inputs changed in place", "_answers.py", "    if _version(inputs) != before:", "    if False:", "users"),
    Mutant("importance takes any labels", "taylor.py", "        labels = _classes(outputs, labels, remedy)\n", "", "users"),
    Mutant("a compiled model under other names", "export.py", 'name.replace("_orig_mod.", "")', "name", "export"),
    Mutant("as many class names as you like", "export.py", 'if names and recipe is not None and len(names) != recipe["num_classes"]:', "if False:", "export"),
    Mutant("an exported program is not compared", "export.py", "    for change in (lambda value: value, lambda value: torch.cat([value, value[:1]]).flip(0)):", "    for change in ():", "export"),
    Mutant("an exported program carries the example's images", "export.py", "        exported.example_inputs = None", "        pass", "export"),
    Mutant("finished batches lost at Ctrl-C", "synthesis.py", "made = (self.sure >= 0).nonzero()", "made = (self.sure >= 2).nonzero()", "synthesis"),
    Mutant("a last batch of one image", "synthesis.py", 'torch.tensor_split(poor, -(-len(poor) // self.options["batch_size"]))', 'torch.split(poor, self.options["batch_size"])', "synthesis"),
    Mutant("an interrupted report that looks whole", "pipeline.py", "outcome.regime: outcome}, incomplete=True)", "outcome.regime: outcome})", "pipeline"),
    Mutant("a regime saved at the end only", "pipeline.py", "            _save(outcome, outcomes, folder, splits)\n", "", "pipeline"),
    Mutant("a name that leaves its folder", "pipeline.py", "Path(root) / plain_name(name)", "Path(root) / str(name)", "pipeline"),
    Mutant("one seed judges another processor", "records/experiments.py", "rows = own or several or [", "rows = own or [", "records"),
    Mutant("bars fill a log", "__main__.py", "progress=sys.stderr.isatty()", "progress=True", "command"),
    Mutant("dark pictures stay dark", "_commands.py", "return 1 - pixels if invert else pixels", "return pixels", "command"),
    Mutant("a fork keeps half of its links", "_commands.py", "(github(?:\\.com)?/|/gh/)", "(github\\.com/|/gh/)", "command"),
    Mutant("a control has no picture where nothing runs", "widgets/_live.py", '"text/html": self.first.html()', '"text/html": ""', "widgets"),
    Mutant("padding before the end is not corrected", "language.py", "return after & ((sentences[:, :-1] == EOS).cumsum(1) == 0)", "return after & (sentences[:, 1:] != PAD)", "language"),
    Mutant("one bad folder hides the good ones", "_commands.py", "            well = False\n            complain", "            return False\n            complain", "command"),
    Mutant("a damaged progress file counts as nothing done", "__main__.py", "if _progress._loaded(file) is None:", "if False:", "command"),
    Mutant("a fault of the package loses its traceback", "__main__.py", "        if not _meant(error):", "        if False:", "command"),
    Mutant("generated images not by class", "synthesis.py", "loss = F.cross_entropy(ask(seen).float(), labels)", "loss = 0 * F.cross_entropy(ask(seen).float(), labels)", "synthesis"),
    Mutant("batch norm statistics unused", "synthesis.py", "if heard:", "if False:", "synthesis"),
    Mutant("the baseline starts from other weights", "pipeline.py", "        model.load_state_dict(choice.target.state_dict())", "        model.load_state_dict(choice.target.state_dict()) if model is learner else model.apply(lambda m: m.reset_parameters() if hasattr(m, 'reset_parameters') else None)", "pipeline"),
    Mutant("the baseline trained for fewer steps", "pipeline.py", "train(alone, rows, epochs=tuned,", "train(alone, rows, epochs=2 * tuned,", "pipeline"),
    Mutant("the worse of two kept", "pipeline.py", "    if after < before:\n        choice.source", "    if False:\n        choice.source", "pipeline"),
    Mutant("an image is its own near copy", "data/comparing.py", "if skip is not None:", "if False:", "data"),
    Mutant("brightness counts in near copies", "data/comparing.py", "small - small.mean(dim=1, keepdim=True)", "small", "data"),
    Mutant("near copies from the wrong side", "data/comparing.py", "(distances <= threshold)", "(distances >= threshold)", "data"),
    Mutant("temperature shown, not used", "widgets/_answers.py", "        p = (z / temperature).softmax(dim=0)", "        p = z.softmax(dim=0)", "widgets"),
    Mutant("shares do not follow the weights", "widgets/_answers.py", "weights[n] * value for value", "value for value", "widgets"),
    Mutant("a control redraws nothing", "widgets/_live.py", 'control.observe(lambda change: self.redraw(), "value")', "pass", "widgets"),
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
    Mutant("what was passed is forgotten", "checks/_checking.py", 'bool(entry["passed"]) or (entry["earned"]', '(entry["earned"]', "checks"),
    Mutant("an old progress file is not carried over", "checks/_progress.py", "    if version < VERSION:\n", "    if False:\n", "checks"),
    Mutant("an old progress file is written over", "checks/_progress.py", "    if not kept.exists():\n", "    if False:\n", "checks"),
    Mutant("two entries that become one lose tries", "checks/_renamed.py", 'int(one.get("tries", 0)) + int(other.get("tries", 0))', 'int(last.get("tries", 0))', "checks"),
    Mutant("an old id is looked up in the first table only", "checks/_renamed.py", "    for table in RENAMED[since:]:", "    for table in RENAMED[since : since + 1]:", "checks"),
    Mutant("lessons in the order of their slugs", "_course.py", "sorted(found, key=label)", 'sorted(found, key=lambda lesson: str(lesson["slug"]))', "checks"),
    Mutant("a later commitment earns the points", "checks/_checking.py", 'entry.setdefault("earned", 1.0 if entry["passed"] else card.earned)', 'entry["earned"] = card.earned', "predictions"),
    Mutant("a blank counts as a word", "checks/_predict.py", "words[change] in (BLANK, \"\", None)", "words[change] is None", "predictions"),
    Mutant("a loss without a gradient passes", "checks/_checking.py", "if judged.passed and task.gradient else judged", "if False else judged", "corpus"),
    Mutant("the wall's clock counts", "checks/_calling.py", "return time.process_time() - self.began", "return time.monotonic() - self.wall", "checks"),
    Mutant("a text of a class of one's own compares as it likes", "checks/_task.py", "return {str: str.__str__, int: int.__int__, float: float.__float__}[exact](value)", "return value", "checks"),
    Mutant("any number of returned values", "checks/_task.py", "    if left[0] < 0:\n", "    if False:\n", "checks"),
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
    Mutant("the pull has the gradient's sign", "widgets/_answers.py", "return q, p, (p - q) / temperature", "return q, p, (q - p) / temperature", "widgets"),
    Mutant("T squared on both settings of the control", "widgets/_answers.py", '(temperature**2 if factor == "times T²" else 1)', "temperature**2", "widgets"),
    Mutant("the highest scores are pruned first", "widgets/_images.py", "mask[everything.argsort()[:", "mask[everything.argsort(descending=True)[:", "widgets"),
    Mutant("a ranking moves nothing", "widgets/_images.py", "values = kept(rankings[ranking], share)", "values = kept(next(iter(rankings.values())), share)", "widgets"),
    Mutant('unlabelled images counted in the mean', 'losses/cross_entropy.py', 'return total / known.sum().clamp(min=1)', 'return total / len(labels)', 'losses'),
    Mutant('class weights do not weigh the mean', 'losses/cross_entropy.py', 'return total / torch.where(counted > 0, counted, 1.0)', 'return total / known.sum().clamp(min=1)', 'kinds'),
    Mutant('fractions taken for classes', 'losses/cross_entropy.py', 'if bool((labels != labels.round()).any()):', 'if False:', 'bad_inputs'),
    Mutant('a softmax over one logit', 'losses/_checks.py', 'if logits.ndim != 2 or logits.shape[1] < 2:', 'if logits.ndim != 2:', 'kinds'),
    Mutant('masked classes give NaN', 'losses/soft_targets.py', 'torch.where(masked, low, theirs)', 'theirs', 'kinds'),
    Mutant('teacher left in train mode', 'models.py', '        yield asked(model)', '        yield model', 'training'),
    Mutant('buffers of the teacher not restored', 'models.py', '            buffer.copy_(old)', '            pass', 'models'),
    Mutant('new buffers are left behind', 'models.py', '        del module._buffers[name]', '        pass', 'kinds'),
    Mutant('the seed of a model ignored', 'data/batching.py', '        torch.manual_seed(int(seed))\n        yield', '        yield', 'models'),
    Mutant('validation taken from the training images', 'data/splitting.py', '"val": (source.train, val_at)', '"val": (source.train, train_at[: len(val_at)])', 'data'),
    Mutant('the seed of a split ignored', 'data/splitting.py', 'random_state=int(seed), stratify', 'random_state=0, stratify', 'data'),
    Mutant('cache used under augmentation', '_answers.py', 'if feed.augment is not None:', 'if False:', 'training'),
    Mutant('cache without regard to its limit', '_answers.py', 'if size > limit_mb * MB:', 'if False:', 'training'),
    Mutant("teacher's gradients recorded", '_answers.py', 'with torch.no_grad(), autocast(self.device, self.precision):\n            logits, features', 'with autocast(self.device, self.precision):\n            logits, features', 'training'),
    Mutant('a changed teacher answers from the cache', '_answers.py', 'if self._cached and self._versions() != self._known:', 'if False:', 'kinds'),
    Mutant('no rehearsal before the teacher answers', 'training.py', '        rehearse(student, teacher, loss, self)\n', '        loss.prepare(student, teacher, self.feed.sample().inputs)\n', 'errors'),
    Mutant('no rehearsal in train mode', '_fitting.py', '        loop.train_mode(student)\n', '        pass\n', 'kinds'),
    Mutant('validation judged by its first batch', '_feeds.py', 'if scan and not labelled(first.labels):', 'if False:', 'errors'),
    Mutant('agreement measured against the labels', '_scores.py', 'outputs.argmax(dim=1) == theirs.argmax(dim=1)', 'outputs.argmax(dim=1) == outputs.argmax(dim=1)', 'evaluation'),
    Mutant('comparison not paired', 'evaluation.py', 'by_images(table[:n] - table[n:], **shown)', 'by_images(table[:n] - table[n:].mean(), **shown)', 'evaluation'),
    Mutant('one logit judged by argmax', '_targets.py', '    if _bits(labels) and not squared:\n        return "binary"', '    if False:\n        return "binary"', 'kinds'),
    Mutant('one logit selected by accuracy', '_fitting.py', 'if read.val_kind in ("binary", "multilabel", "own") or', 'if', 'kinds'),
    Mutant('labels outside the classes are forgiven', '_targets.py', '    if bool(wrong.any()):', '    if False:', 'kinds'),
    Mutant('pixels of 255 are accepted', '_answers.py', 'if not -SLACK <= low <= high <= 1 + SLACK:', 'if False:', 'kinds'),
    Mutant('one-hot labels are a regression', '_targets.py', '        return "soft"\n', '        return "regression"\n', 'kinds'),
    Mutant('pixels are counted, not images', '_scores.py', 'return ((same & known).sum(dim=1) / known.sum(dim=1).clamp(min=1))[known.any(dim=1)]', 'return ((same & known).sum(dim=1) / known.sum(dim=1).clamp(min=1)).repeat(2)', 'kinds'),
    Mutant('a last batch of one stays alone', '_feeds.py', '    if other.size != 1 or one.size < 2 or not (', '    if True or not (', 'kinds'),
    Mutant('history weighed by the longest text', '_feeds.py', 'return _count(self.labels) or _count(self.inputs)', 'return _count(self.inputs)', 'kinds'),
    Mutant('streams are scheduled by batch', '_settings.py', '(s.epochs, "epochs") if steps is None', '(s.epochs, "batches") if steps is None', 'kinds'),
    Mutant('a one-cycle is stepped by epoch', '_settings.py', '    if own is not None and own == batches != epochs:\n        return "batches"', '    if False:\n        return "batches"', 'kinds'),
    Mutant('threads share their draws', 'data/batching.py', '    with _DRAWING, torch.random.fork_rng():\n        states', '    with torch.random.fork_rng():\n        states', 'kinds'),
    Mutant('a feature without gradient is imitated', '_fitting.py', '    if dead:', '    if False:', 'kinds'),
    Mutant('batch norm at rest is woken', 'training.py', 'if module in self.resting or (own', 'if (own', 'kinds'),
    Mutant('Ctrl-C loses the run', 'training.py', '        error.run = self._result("interrupted")', '        pass', 'kinds'),
    Mutant('a divergence is read too late', 'training.py', '        self._watch()\n        if not steps:', '        if not steps:', 'reads'),
    Mutant('recorded logits are those of the whole part', '_feeds.py', 'yield Batch(inputs, take(self.labels, at), at, take(self.part.soft, at))', 'yield Batch(inputs, take(self.labels, at), at, None if self.part.soft is None else self.part.soft[: len(at)])', 'kinds'),
    Mutant('a stale record is read', 'records/experiments.py', '    if changed:\n        shown', '    if False:\n        shown', 'records'),
    Mutant('settings may change under a record', 'records/experiments.py', 'found.append("settings or seeds")', 'pass', 'records'),
    Mutant('any live row will do', 'records/experiments.py', '    assert not text, f"{one', '    assert True, f"{one', 'records'),
    Mutant('a live row is compared loosely everywhere', 'records/experiments.py', '    exact = provenance.same_kind(one.record.made[row["by"]])', '    exact = False', 'records'),
    Mutant('a moved number is read', 'records/store.py', '    if saved.get("digest") != record.digest:', '    if False:', 'records'),
    Mutant('a mean may contradict its bits', 'records/store.py', '        if not abs(mean - row[name]) <= 1e-6:', '        if False:', 'records'),
    Mutant('a change of a package function is not seen', 'records/provenance.py', 'found |= {name} if name else set()', 'pass', 'records'),
    Mutant('a constant is not seen', 'records/provenance.py', '    found |= {read: package.reading(read) for name in names for read in package.code(name)[1]}\n', '', 'records'),
    Mutant('a row of several threads', 'records/rows.py', '    torch.set_num_threads(1)\n', '    pass\n', 'records'),
    Mutant('a renewal runs nothing', 'records/experiments.py', '        if text:\n            print(f"{record.name}: {setting_of(row)} {text}', '        if False:\n            print(f"{record.name}: {setting_of(row)} {text}', 'records'),
    Mutant('a paired difference has the other sign', 'records/store.py', '[float(a) - float(b) for a, b', '[float(b) - float(a) for a, b', 'records'),
    Mutant('answers by image are not paired', 'records/store.py', 'np.stack([a - b for a, b', 'np.stack([a for a, b', 'records'),
    Mutant('the worst setting is chosen', 'records/store.py', 'if now is None or not score <= self.mean(', 'if now is None or not score >= self.mean(', 'records'),
    Mutant('seeds are paired as they lie', 'records/store.py', 'sorted(self.where(**setting), key=lambda row: int(row["seed"]))', 'self.where(**setting)', 'records'),
    Mutant("a record that could not be repeated lends rows", "records/experiments.py", " if not owed(one.record)", "", "records"),
    Mutant("another source's rows are resumed", 'records/experiments.py', '    if not lines or lines[0] != signature:', '    if not lines:', 'records'),
    Mutant('helpers of an experiment are not followed', 'records/notebook.py', '        self._names(_globals_of(function.__code__), tree)\n', '', 'records'),
    Mutant('a check writes and forgives', 'records/claims.py', 'if mode() == "check":', 'if False:', 'records'),
    Mutant("a record named like a ruling's file", 'records/store.py', '(?<!_claims)', '', 'records'),
    Mutant('the interval forgets the images', '_intervals.py', 'total = parts[0] + parts[1] - parts[2]', 'total = parts[0] - parts[2] + parts[2]', 'intervals'),
    Mutant('the interval counts the rest twice', '_intervals.py', 'total = parts[0] + parts[1] - parts[2]', 'total = parts[0] + parts[1]', 'intervals'),
    Mutant('two seeds have an interval', '_intervals.py', 'FEWEST = 5', 'FEWEST = 2', 'intervals'),
    Mutant('a title may lean on nothing', 'plots.py', 'if isinstance(value, Difference) and not value.resolved and', 'if False and', 'plots'),
    Mutant('a sign is not kept', 'plots.py', 'signs[name] = "+" if number > 0', 'signs[name] = "+" if number', 'plots'),
    Mutant("a lead by luck is a lead", "records/tuning.py", "        return best if sure and any(lead) else common", "        return best", "tuning"),
    Mutant("rates common to other data too", "records/tuning.py", "if key(m, self.within) == key(method, self.within)]", "]", "tuning"),
    Mutant("a contrast at own rates twice", "records/tuning.py", 'for rates in ("own", "common"):', 'for rates in ("own", "own"):', "tuning"),
    Mutant("the second round left out of the mean", "records/tuning.py", "for r in (self.first, self.second) for value", "for r in (self.first,) for value", "tuning"),
    Mutant("the weakest labels as opponent", "figures/_rates.py", "return max(methods, key=score)", "return min(methods, key=score)", "figures"),
    Mutant("a rung against the labels", "figures/knowledge.py", "settings[below]) for below, above in pairs]", "settings[alone]) for below, above in pairs]", "figures"),
    Mutant("a redrawn split like a fixed one", "figures/knowledge.py", "if redrawn is not None:", "if False:", "figures"),
    Mutant("attention maps without their length", "losses/attention.py", "return F.normalize(_full(feature).abs().pow(power).sum(dim=1).flatten(1), dim=1)", "return _full(feature).abs().pow(power).sum(dim=1).flatten(1)", "what_else"),
    Mutant("attention without the absolute value", "losses/attention.py", ".abs().pow(power)", ".pow(power)", "what_else"),
    Mutant("unequal maps found at the first step only", "losses/attention.py", "            attention_transfer(ours[s], theirs[t], power=self.power)\n", "            pass\n", "what_else"),
    Mutant("distances not divided by their mean", "losses/relations.py", "return lengths / (lengths.sum()", "return lengths + 0 / (lengths.sum()", "what_else"),
    Mutant("angles at the wrong corner", "losses/relations.py", "squares[:, :, None] + squares[:, None, :] - squares[None]", "squares[None] + squares[:, None, :] - squares[:, :, None]", "what_else"),
    Mutant("a gradient through equal rows", "losses/relations.py", "return torch.where(apart, squares, torch.ones_like(squares)).sqrt() * apart", "return squares.sqrt()", "what_else"),
    Mutant("columns read as rows", "losses/relations.py", "within * _uncorrelated(ours.T, theirs.T)", "within * _uncorrelated(ours, theirs)", "what_else"),
    Mutant("correlation without its means", "losses/relations.py", "(rows - rows.mean(dim=1, keepdim=True) for rows", "(rows for rows", "what_else"),
    Mutant("the others not renormalised", "losses/parts.py", "both[:, 1], other - rest", "both[:, 1], other", "what_else"),
    Mutant("all others together forgotten", "losses/parts.py", " + p_rest.exp() * (p_rest - q_rest)", "", "what_else"),
    Mutant("unlabelled images as class 0", "losses/parts.py", "    known = labels != NO_LABEL\n", "    known, labels = labels == labels, labels.clamp(min=0)\n", "what_else"),
    Mutant("one deviation for the whole batch", "losses/parts.py", "logits.std(dim=1, keepdim=True)", "logits.std()", "what_else"),
    Mutant("a student better than the teacher is pulled all the same", "losses/boxes.py", "torch.where(ours + margin > theirs, ours, torch.zeros_like(ours))", "ours", "heads"),
    Mutant("the margin on the teacher's side", "losses/boxes.py", "ours + margin > theirs", "ours > theirs + margin", "heads"),
    Mutant("rows without a box count", "losses/boxes.py", "    return (labels != NO_LABEL).any(dim=1)", "    return (labels == labels).any(dim=1)", "heads"),
    Mutant("a box may leave the canvas", "losses/boxes.py", "inside = ((held >= 0) & (held <= 1)).all(dim=1)", "inside = (held >= 0).all(dim=1)", "heads"),
    Mutant("a thin box is a box", "losses/boxes.py", "(held[:, 2:] <= held[:, :2]).any(dim=1)", "(held[:, 2:] < held[:, :2]).all(dim=1)", "heads"),
    Mutant("a conflict is left", "losses/heads.py", "if conflict >= 0 or min(squares) == 0:", "if conflict < 0 or min(squares) == 0:", "heads"),
    Mutant("projected along its own gradient", "losses/heads.py", "scale * (1 - conflict / squares[0]), scale * (1 - conflict / squares[1])", "scale * (1 - conflict / squares[1]), scale * (1 - conflict / squares[0])", "heads"),
    Mutant("uncertainty without its price", "losses/heads.py", "0.5 * torch.exp(-s) * value + 0.5 * s", "0.5 * torch.exp(-s) * value", "heads"),
    Mutant("gradients of the heads count as shared", "losses/heads.py", "if all(row[i] is not None for row in found)", "if any(row[i] is not None for row in found)", "heads"),
    Mutant("an adaptor's features keep their size", "losses/adaptors.py", "F.normalize(_full(f).flatten(1), dim=1)", "_full(f).flatten(1)", "heads"),
    Mutant("a box without its last pixel", "multitask.py", "left + columns[-1] + 1", "left + columns[-1]", "multitask"),
    Mutant("an item may be its own clutter", "multitask.py", "others = torch.randint(1, len(images)", "others = torch.randint(0, 1", "multitask"),
    Mutant("class and box kept apart", "multitask.py", 'torch.where((classes != NO_LABEL)[:, None], part.labels["box"], float(NO_LABEL))', 'part.labels["box"]', "multitask"),
    Mutant("turned boxes overlap", "multitask.py", "areas = [(b[:, 2:] - b[:, :2]).clamp(min=0).prod(dim=1)", "areas = [(b[:, 2:] - b[:, :2]).prod(dim=1)", "multitask"),
    Mutant("an error counts as a score", "multitask.py", "(-1 if turned else 1)", "1", "multitask"),
    Mutant("a loss statement counts gains as losses", "evaluation.py", "{100 * (first - value):+.1f}", "{100 * (value - first):+.1f}", "evaluation"),
    Mutant("the best class for the worst", "evaluation.py", "return min((recall, c)", "return max((recall, c)", "evaluation"),
    Mutant("every owner weighs the same", "federated/server.py", "u.examples if weighted else 1", "1", "federated"),
    Mutant("NaN let into the mean", "federated/server.py", "if not bool(value.isfinite().all()):", "if False:", "federated"),
    Mutant("an owner counted twice", "federated/server.py", "if update.owner in good:", "if False:", "federated"),
    Mutant("a stranger heard", "federated/server.py", "if update.owner not in asked:", "if False:", "federated"),
    Mutant("bytes of one owner", "federated/averaging.py", "bytes_of(weights) * len(asked)", "bytes_of(weights)", "federated"),
    Mutant("every round in the same order", "federated/owners.py", "(local.seed * 1_000_003 + round) * 1_000_003", "local.seed * 1_000_003", "federated"),
    Mutant("a resumed federation begins anew", "federated/averaging.py", "    if resume is None:\n        return State", "    if True:\n        return State", "federated"),
    Mutant("the pull forgotten in a stack", "stacked/stack.py", "if start is not None and rule.proximal:", "if False:", "stacked"),
    Mutant("padding counts", "stacked/stack.py", "dtype=torch.bool) if known is None else known", "dtype=torch.bool)", "stacked"),
    Mutant("one dropout mask for all models", "stacked/stack.py", 'randomness="different"', 'randomness="same"', "stacked"),
    Mutant("AdamW without its correction", "stacked/stack.py", "(1 - 0.9 ** (at + 1))", "1.0", "stacked"),
    Mutant("auto measures every round anew", "stacked/fitting.py", "if case not in MEASURED:", "if True:", "stacked"),
    Mutant("rates of the wrong model", "stacked/fitting.py", "[value[i] for i in taken]", "[value[i] for i in sorted(taken)]", "stacked"),
    Mutant("owners draw from a fixed seed", "federated/partition.py", "rng = np.random.default_rng(seed)", "rng = np.random.default_rng(0)", "federated"),
    Mutant("the ensemble is its first owner", "federated/answers.py", "    for update in updates:\n        worker", "    for update in updates[:1] * len(updates):\n        worker", "federated"),
    Mutant("a teacher's training on both sides", "figures/prices.py", 'if paid or key != "raising"', 'if paid or key != "none"', "figures"),
    Mutant("a student's own training is shared", "widgets/_records.py", '(1 if k == "learning" else students)', "students", "widgets"),
    Mutant("a closed entry is closed again", "checks/capstone.py", "        with FileLock(f\"{self.file}.lock\"):\n            self._refuse_a_second_time()\n", "        with FileLock(f\"{self.file}.lock\"):\n", "capstone"),
    Mutant("looks are not counted", "checks/capstone.py", "self.looks += 1", "self.looks = 1", "capstone"),
    Mutant("an entry above the budget counts", "checks/capstone.py", "0 < self.operations <= BUDGET", "0 < self.operations", "capstone"),
    Mutant("the prompt is learned", "language.py", "device=sentences.device) >= prompt", "device=sentences.device) >= 1", "language"),
    Mutant("a crossed pair is valid", "language.py", "stack.pop() != token - CLOSE", "not (stack.pop() + 1)", "language"),
    Mutant("a finished sentence goes on", "language.py", "torch.where(done, PAD, _drawn", "torch.where(done & False, PAD, _drawn", "language"),
    Mutant("on-policy never", "language.py", "generator=chances)) < on_policy", "generator=chances)) < 0 * on_policy", "language"),
    Mutant("the teacher's dropout stays on", "language.py", "    with preserved(teacher):\n        kept", "    if True:\n        kept", "language"),
    Mutant("draws without the teacher", "language.py", "torch.multinomial(flat, n,", "torch.multinomial(torch.ones_like(flat), n,", "language"),
    Mutant("top-k that does not renormalise", "language.py", "scatter(-1, ids, values / values.sum(-1, keepdim=True))", "scatter(-1, ids, values)", "language"),
    Mutant("the middle's weights exchanged", "losses/sequences.py", "beta * _kl(log_p, log_m) + (1 - beta) * _kl(log_q, log_m)", "(1 - beta) * _kl(log_p, log_m) + beta * _kl(log_q, log_m)", "language"),
    Mutant("a mask that divides by all", "losses/sequences.py", "counts.sum().clamp(min=1)", "counts.numel()", "language"),
    Mutant("a student's own words exchanged", "figures/talking.py", 'record.mean("apart_read", **one), record.mean("apart_own", **one)', 'record.mean("apart_own", **one), record.mean("apart_read", **one)', "figures"),
]  # fmt: skip


def fast_tests(tree: Path, *paths: str) -> bool:
    """Whether the fast tests pass in this tree."""
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-m",
        "not slow and not records",
        "-p",
        "no:cacheprovider",
        *paths,
    ]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest could not run in {tree}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def copy_of_the_tree(place: Path) -> Path:
    """The project without its environment and history."""
    ignored = shutil.ignore_patterns(".venv*", ".git", "__pycache__", "runs", ".*_cache", "*.egg-info", ".hypothesis")
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


def unseen(change: Change) -> bool:
    """Make rows untrue in a copy; True if the check of the records does not notice."""
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_of_the_tree(Path(folder) / "tree")
        apply(change, tree)
        environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "tools/experiments.py", "--check", change.evidence]
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        return change.told not in done.stderr


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
    changes = [c for c in CHANGES if not names or c.name in names]
    survivors = []
    with ThreadPoolExecutor(2) as pool:
        for mutant, alive in zip(chosen, pool.map(survives, chosen), strict=True):
            print(f"{'SURVIVED' if alive else 'caught  '}  {mutant.name}", flush=True)
            survivors += [mutant.name] if alive else []
        for change, unnoticed in zip(changes, pool.map(unseen, changes), strict=True):
            print(f"{'SURVIVED' if unnoticed else 'caught  '}  {change.name} (records)", flush=True)
            survivors += [change.name] if unnoticed else []
    all_of = len(chosen) + len(changes)
    print(f"{all_of - len(survivors)} of {all_of} caught in {time.perf_counter() - started:.0f} s")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

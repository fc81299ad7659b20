"""Frozen weights: safetensors and a config that says how to build the model again; the shipped teacher."""

import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from kdcourse._arguments import fail
from kdcourse._heads import tensors
from kdcourse.data import ASSETS, pick_device
from kdcourse.models import Blocks, build, preserved

__all__ = ["load_frozen", "load_teacher", "onnx", "original", "program", "save_frozen", "teacher_indices"]

FORMAT = "kdcourse-frozen-1"
WEIGHTS, CONFIG = "model.safetensors", "config.json"


def original(model: nn.Module) -> nn.Module:
    """The module that ``torch.compile``, ``DataParallel`` or ``DistributedDataParallel`` wraps; any other as it is."""
    while True:
        inner = model._modules.get("_orig_mod")
        if inner is None and isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner = model.module
        if inner is None:
            return model
        model = inner


def _state(model: nn.Module) -> dict[str, tuple[str, Any]]:
    """{name as saved: (name in the module, value)}: compiled parts lie under the names of what was compiled."""
    return {name.replace("_orig_mod.", ""): (name, value) for name, value in original(model).state_dict().items()}


def save_frozen(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    classes: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
) -> Path:
    """Save weights and buffers as safetensors beside a JSON config. The folder is replaced whole, or not at all.

    Args:
        model: a registry model, which ``load_frozen`` builds again, or any module, which needs ``into=`` then. Of a
            compiled or ``DataParallel`` model the original is saved.
        path: the folder; an existing one is replaced only if it holds frozen weights and nothing else.
        classes: the names of the outputs.
        about: plain data to keep beside the weights (a report, a recipe).

    Raises:
        ValueError: ``path`` is a file or a folder with other contents, ``about`` is not plain data, ``classes`` are not
            as many as a registry model's outputs, or the model holds tensors that safetensors cannot (quantised ones).
    """
    if not isinstance(model, nn.Module):
        raise fail("model", "be a torch.nn.Module", type(model).__name__, "Pass run.student, say.", TypeError)
    folder, model = Path(path), original(model)
    check_target(folder)
    if about is not None and not isinstance(about, Mapping):
        raise fail("about", "be a dict of plain data", type(about).__name__, 'Write {"note": ...}.', TypeError)
    state, recipe = _state(model), _recipe(model)
    extra = {name: _extra_state(name, value) for name, (_, value) in state.items() if _is_extra(name, value)}
    weights = _packed({name: value for name, (_, value) in state.items() if name not in extra})
    config = {
        "format": FORMAT,
        "model": recipe,
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "classes": _names(classes, recipe),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "about": _plain("about", about or {}),
        **({"extra_state": extra} if extra else {}),
    }
    text = json.dumps(config, indent=1, allow_nan=False) + "\n"
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (fresh / WEIGHTS).write_bytes(weights)
        (fresh / CONFIG).write_text(text, encoding="utf-8")
        os.chmod(fresh, 0o755)
        _swap(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _packed(values: Mapping[str, Any]) -> bytes:
    """The tensors as safetensors; refused where one of them has no plain numbers to save."""
    from safetensors.torch import save

    remedy = "Save it before it is quantised, pruned to sparse tensors or sharded, and do that again after loading."
    for name, value in values.items():
        if is_lazy(value):
            raise fail("model", "know its sizes", f"the lazy {name}", "Run it once on a batch first.")
        kind = type(value).__name__
        if isinstance(value, Tensor):
            faults = {
                "a quantised tensor": value.is_quantized,
                "a sparse tensor": value.layout != torch.strided,
                "a tensor without numbers (meta)": value.is_meta,
                kind: hasattr(value, "__tensor_flatten__"),
            }
            kind = next((fault for fault, found in faults.items() if found), "")
        if kind:
            raise fail("model", "hold plain tensors alone", f"{name}, {kind}", remedy)
    try:
        packed: bytes = save({n: value.detach().cpu().contiguous().clone() for n, value in values.items()})
    except (KeyError, ValueError, RuntimeError) as error:
        raise fail("model", "hold tensors that safetensors can save", f"{error}", "Convert them with .to().") from error
    return packed


def _is_extra(name: str, value: Any) -> bool:
    return name.rpartition(".")[2] == "_extra_state" and not isinstance(value, Tensor)


def _extra_state(name: str, value: Any) -> Any:
    """What ``get_extra_state`` gave, where JSON gives it back unchanged."""
    kept = _plain(f"the extra state {name}", value)
    if kept != value:
        remedy = "Let get_extra_state return dicts with text as keys, lists, numbers and texts."
        raise fail(f"the extra state {name}", "come back from JSON as it was", repr(value)[:80], remedy)
    return kept


def _plain(where: str, value: Any) -> Any:
    """``value`` as JSON holds it, NumPy's numbers as numbers; an error that says where something else stands."""
    if hasattr(value, "__array_interface__") and getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, (str, int)):
                raise fail(f"each key of {where}", "be a text", type(key).__name__, "Convert it with str().")
        return {str(key): _plain(f"{where}[{key!r}]", one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(f"{where}[{i}]", one) for i, one in enumerate(value)]
    if value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    shown = value if isinstance(value, float) else type(value).__name__
    raise fail(where, "be plain data that JSON can hold", shown, "Convert tensors and arrays with .tolist().")


def _names(classes: Any, recipe: Mapping[str, Any] | None) -> list[str]:
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise fail("classes", "be a list of names", classes, 'Write ["cat", "dog"], say.')
    names = [str(name) for name in classes]
    if names and recipe is not None and len(names) != recipe["num_classes"]:
        rule = f"have one name for each of the model's {recipe['num_classes']} outputs"
        raise fail("classes", rule, f"{len(names)} names", "Build the model with that num_classes, or leave them out.")
    return names


def _recipe(model: nn.Module) -> dict[str, Any] | None:
    """How to build a registry model again; None where the module is another, or was changed since."""
    if not isinstance(model, Blocks):
        return None
    again, own = build(**model.config).state_dict(), {name: value for name, (_, value) in _state(model).items()}
    same = again.keys() == own.keys() and all(
        again[n].shape == own[n].shape and again[n].dtype == own[n].dtype for n in own
    )
    return model.config if same else None


def check_target(folder: Path) -> None:
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise fail("path", "be a folder in folders", f"the file {place}", "Choose another name.")
    if folder.is_dir():
        others = sorted({p.name for p in folder.iterdir()} - {WEIGHTS, CONFIG, ".DS_Store"})
        if others:
            rule = "be a new folder, or one that holds frozen weights and nothing else"
            raise fail("path", rule, f"{folder} with {', '.join(others[:3])}", "Choose another folder.")


def _swap(fresh: Path, folder: Path) -> None:
    """Put ``fresh`` in the place of ``folder``; on an error the old folder stands as before."""
    old = fresh.with_name(fresh.name + "-old")
    if folder.exists():
        folder.rename(old)
    try:
        fresh.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def load_frozen(
    path: str | os.PathLike[str], *, into: nn.Module | None = None, device: str | torch.device | None = None
) -> nn.Module:
    """Load a frozen model: eval mode, no gradients, the same predictions to the bit.

    Args:
        path: a folder written by ``save_frozen``.
        into: one's own module to fill, checked name by name; needed where no registry model was saved.
        device: where to put it; the accelerator that torch reports by default, else the CPU.

    Raises:
        FileNotFoundError: no frozen weights there.
        ValueError: damaged weights, a device that is not there, or ``into`` has other names or shapes; the message
            lists them.
    """
    from safetensors.torch import load

    folder, place = Path(path), _place(device)
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        raise FileNotFoundError(f"path must hold {WEIGHTS} and {CONFIG}; {folder} does not. Write it with save_frozen.")
    if into is not None and not isinstance(into, nn.Module):
        raise fail("into", "be a torch.nn.Module", type(into).__name__, "Pass an untrained model.", TypeError)
    config = read_config(folder)
    raw = (folder / WEIGHTS).read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != config["sha256"]:
        raise fail(str(folder / WEIGHTS), f"have SHA-256 {config['sha256']}", found, "Save or copy the folder again.")
    weights = load(raw) | config.get("extra_state", {})
    if into is None:
        if config["model"] is None:
            raise fail(
                "into",
                f"be given: the folder holds a {config['class']}",
                None,
                "Pass an untrained model of that class.",
            )
        into = build(**config["model"])
    own = _state(into)
    _check_names({name: value for name, (_, value) in own.items()}, weights)
    original(into).load_state_dict({own[name][0]: value for name, value in weights.items()})
    return into.to(place).eval().requires_grad_(False)


def _place(device: str | torch.device | None) -> torch.device:
    """The device; refused where torch does not have it here."""
    try:
        place = pick_device(device)
    except RuntimeError as error:
        raise fail("device", "be one that torch knows", device, "Write cpu, cuda or mps.") from error
    here = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    kind = "no accelerator" if here is None else f"{torch.accelerator.device_count()} of type {here.type}"
    there = here is not None and here.type == place.type and (place.index or 0) < torch.accelerator.device_count()
    if place.type not in ("cpu", "meta") and not there:
        raise fail("device", f"be here: torch reports {kind}", str(device), 'Pass device="cpu", or leave it out.')
    return place


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The config beside frozen weights. Raises ValueError where it is not one of ours."""
    text = (Path(path) / CONFIG).read_text(encoding="utf-8", errors="replace")
    try:
        config = json.loads(text)
    except json.JSONDecodeError:
        config = None
    if not isinstance(config, dict) or config.get("format") != FORMAT or not {"model", "class", "sha256"} <= {*config}:
        raise fail(str(Path(path) / CONFIG), f"have the format {FORMAT}", text[:40], "Write it with save_frozen.")
    return config


def _check_names(own: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    wrong = [f"missing {name}" for name in sorted(weights) if name not in own]
    wrong += [f"unexpected {name}" for name in own if name not in weights]
    for name in [name for name in own if name in weights]:
        mine, theirs = own[name], weights[name]
        if not isinstance(mine, Tensor) or not isinstance(theirs, Tensor):
            wrong += [] if isinstance(mine, Tensor) == isinstance(theirs, Tensor) else [f"{name} is of another kind"]
        elif mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            wrong.append(f"{name} is {mine.dtype} {tuple(mine.shape)}, saved {theirs.dtype} {tuple(theirs.shape)}")
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise fail("into", "have the saved names, shapes and dtypes", shown, "Build the model as it was saved.")


def load_teacher(device: str | torch.device | None = None) -> nn.Module:
    """The shipped teacher for Fashion-MNIST: a frozen ``deep_cnn`` of width 32 that never saw a bundled image.

    Its recipe, seed, score and time stand in ``kdcourse/assets/teacher/config.json``.
    """
    return load_frozen(ASSETS / "teacher", device=device)


def teacher_indices() -> dict[str, Tensor]:
    """Which of Fashion-MNIST's 60,000 training images trained ("train") and chose ("val") the shipped teacher."""
    from safetensors.torch import load_file

    return {name: value.long() for name, value in load_file(ASSETS / "teacher-indices.safetensors").items()}


# ---------------------------------------------------------------- programs that run without this package


def program(model: nn.Module, example: Any, path: str | os.PathLike[str]) -> Path:
    """Write the model as a ``.pt2`` program of ``torch.export``, for batches of any size.

    ``torch.export.load(path).module()(images)`` runs it wherever there is torch; this package is not needed.

    Args:
        model: any module, in eval mode while it is asked, left as found.
        example: a batch: a tensor, a tuple of what the model is called with, or a dict of keyword arguments.
        path: the file to write, ending in ``.pt2``.

    Raises:
        ValueError: torch cannot export the model (its reason is in the message), or the exported program gives other
            outputs than the model on the example or on a batch of another size.
    """
    place, model, args, kwargs = _asked(model, example, path, ".pt2")
    with preserved(model), torch.no_grad():
        exported = _exported("torch.export", lambda dims: torch.export.export(model, args, kwargs, dynamic_shapes=dims),
                             args, kwargs)  # fmt: skip
        runs = exported.module()
        _check_same(model, args, kwargs, lambda a, k: list(tensors(runs(*a, **k))))
        exported.example_inputs = None  # the images of the example stay here
        _written(place, lambda file: torch.export.save(exported, file))
    return place


def onnx(model: nn.Module, example: Any, path: str | os.PathLike[str]) -> Path:
    """Write the model as an ONNX file for batches of any size; needs ``pip install "kdcourse[onnx]"``.

    The arguments and errors are those of ``program``; ``path`` ends in ``.onnx``. ONNX's reference evaluator runs the
    file for the comparison.

    Raises:
        ImportError: onnx or onnxscript is not installed.
    """
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        text = f"kd.export.onnx needs {' and '.join(missing)}, which cannot be found. Install: "
        raise ImportError(text + 'pip install "kdcourse[onnx]"')
    place, model, args, kwargs = _asked(model, example, path, ".onnx")

    def export(dims: Any) -> Any:
        return torch.onnx.export(model, args, kwargs=kwargs, dynamic_shapes=dims, dynamo=True, verbose=False)

    with preserved(model), torch.no_grad():
        exported = _exported("torch.onnx.export", export, args, kwargs)
        evaluator = import_module("onnx.reference").ReferenceEvaluator(exported.model_proto)

        def run(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
            given = [value.cpu().numpy() for value in tensors([args, kwargs])]
            found = evaluator.run(None, dict(zip(evaluator.input_names, given, strict=True)))
            return [torch.from_numpy(value.copy()) for value in found]

        _check_same(model, args, kwargs, run)
        _written(place, exported.save)
    return place


def _asked(
    model: nn.Module, example: Any, path: str | os.PathLike[str], suffix: str
) -> tuple[Path, nn.Module, tuple[Any, ...], dict[str, Any]]:
    """(file, model, arguments, keyword arguments), checked; a batch of one becomes two: torch would fix the size 1."""
    if not isinstance(model, nn.Module):
        raise fail("model", "be a torch.nn.Module", type(model).__name__, "Pass run.student, say.", TypeError)
    place = Path(path)
    if place.suffix != suffix or place.is_dir():
        raise fail("path", f"be a file that ends in {suffix}", str(place), f"Write {place.stem or 'model'}{suffix}.")
    kwargs = dict(example) if isinstance(example, Mapping) else {}
    args = () if kwargs else tuple(example) if isinstance(example, (tuple, list)) else (example,)
    sizes = {len(value) if value.ndim else 0 for value in tensors([args, kwargs])}
    if len(sizes) != 1 or 0 in sizes:
        got = "no tensor" if not sizes else f"sizes {sorted(sizes)}"
        raise fail("example", "be a batch: tensors with one size along the first dimension", got, "Pass images[:4].")
    home = next((p.device for p in model.parameters()), torch.device("cpu"))
    again = 2 if sizes == {1} else 1
    args, kwargs = _each((args, kwargs), lambda value: value.detach().to(home).repeat(again, *[1] * (value.ndim - 1)))
    return place, original(model), args, kwargs


def _each(value: Any, change: Callable[[Tensor], Any], rest: Callable[[Any], Any] = lambda value: value) -> Any:
    """A tensor changed, and each one in dicts and sequences; anything else as ``rest`` has it."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _each(one, change, rest) for name, one in value.items()}
    if isinstance(value, (tuple, list)):
        items = [_each(one, change, rest) for one in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return rest(value)


def _exported(what: str, export: Callable[[Any], Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Export with a batch dimension of any size; torch's own reason, in one sentence, where it cannot."""
    batch = torch.export.Dim("batch", min=1)
    dims = _each(kwargs or args, lambda value: {0: batch}, lambda value: None)
    quiet, silenced = StringIO(), logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(quiet), redirect_stderr(quiet), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return export(dims)
    except Exception as error:
        remedy = "Rewrite that line with tensor operations that hold for every batch, or use save_frozen."
        raise fail("model", f"be one that {what} can trace for batches of any size", _reason(error), remedy) from error
    finally:
        logging.disable(silenced)


def _reason(error: BaseException) -> str:
    """The sentence in which torch says what is wrong."""
    while error.__cause__ is not None and "Failed to" in str(error):
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    listed = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    return (listed or lines)[0].partition(". ")[0].removesuffix(".")[:300]


def _check_same(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any],
    run: Callable[[tuple[Any, ...], dict[str, Any]], list[Tensor]],
) -> None:  # fmt: skip
    """The exported program against the model: on the example, and on one image more in the reverse order."""
    for change in (lambda value: value, lambda value: torch.cat([value, value[:1]]).flip(0)):
        a, k = _each((args, kwargs), change)
        expected, got = [value.cpu() for value in tensors(model(*a, **k))], [value.cpu() for value in run(a, k)]
        if [value.shape for value in got] != [value.shape for value in expected]:
            difference = f"shapes {[tuple(value.shape) for value in got]}"
        elif all(torch.allclose(g, e.to(g.dtype), 1e-4, 1e-5, True) for g, e in zip(got, expected, strict=True)):
            continue
        else:
            gaps = [float((g.double() - e.double()).abs().max()) for g, e in zip(got, expected, strict=True)]
            difference = f"outputs that differ by {max(gaps):.2g}"
        rule = "give the same outputs once it is exported, also for a batch of another size"
        raise fail("model", rule, difference, "Take out of forward what is random or read from outside the tensors.")


def _written(place: Path, save: Callable[[str], Any]) -> None:
    """Write a file whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.stem}-", dir=place.parent) as folder:
        fresh = Path(folder) / place.name
        save(str(fresh))
        os.replace(fresh, place)

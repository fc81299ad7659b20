"""Frozen weights: safetensors and a config that says how to build the model again; the shipped teacher."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse._arguments import fail
from kdcourse.data import ASSETS, pick_device
from kdcourse.models import Blocks, build

__all__ = ["load_frozen", "load_teacher", "save_frozen", "teacher_indices"]

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


def save_frozen(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    classes: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
) -> Path:
    """Save weights and buffers as safetensors beside a JSON config. The folder is replaced whole, or not at all.

    Args:
        model: a registry model, which ``load_frozen`` builds again, or any module, which needs ``into=`` then.
        path: the folder; an existing one is replaced only if it holds frozen weights and nothing else.
        classes: the names of the outputs.
        about: plain data to keep beside the weights (a report, a recipe).

    Raises:
        ValueError: ``path`` is a file or a folder with other contents, or ``about`` is not plain data.
    """
    from safetensors.torch import save

    if not isinstance(model, nn.Module):
        raise fail("model", "be a torch.nn.Module", type(model).__name__, "Pass run.student, say.", TypeError)
    folder = Path(path)
    check_target(folder)
    weights = save({name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()})
    config = {
        "format": FORMAT,
        "model": _recipe(model),
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "classes": list(classes),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "about": dict(about or {}),
    }
    try:
        text = json.dumps(config, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise fail("about", "be plain data that JSON can hold", error, "Convert tensors with .tolist().") from error
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


def _recipe(model: nn.Module) -> dict[str, Any] | None:
    """How to build a registry model again; None where the module is another, or was changed since."""
    if not isinstance(model, Blocks):
        return None
    again, own = build(**model.config).state_dict(), model.state_dict()
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
        ValueError: damaged weights, or ``into`` has other names or shapes; the message lists them.
    """
    from safetensors.torch import load

    folder = Path(path)
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        raise FileNotFoundError(f"path must hold {WEIGHTS} and {CONFIG}; {folder} does not. Write it with save_frozen.")
    config = read_config(folder)
    raw = (folder / WEIGHTS).read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != config["sha256"]:
        raise fail(str(folder / WEIGHTS), f"have SHA-256 {config['sha256']}", found, "Save or copy the folder again.")
    weights = load(raw)
    if into is None:
        if config["model"] is None:
            raise fail(
                "into",
                f"be given: the folder holds a {config['class']}",
                None,
                "Pass an untrained model of that class.",
            )
        into = build(**config["model"])
    _check_names(into, weights)
    into.load_state_dict(weights)
    return into.to(pick_device(device)).eval().requires_grad_(False)


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The config beside frozen weights. Raises ValueError where it is not one of ours."""
    text = (Path(path) / CONFIG).read_text(encoding="utf-8")
    try:
        config = json.loads(text)
    except json.JSONDecodeError:
        config = None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise fail(str(Path(path) / CONFIG), f"have the format {FORMAT}", text[:40], "Write it with save_frozen.")
    return config


def _check_names(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    own = model.state_dict()
    wrong = [f"missing {name}" for name in weights if name not in own]
    wrong += [f"unexpected {name}" for name in own if name not in weights]
    for name in own.keys() & weights.keys():
        mine, theirs = own[name], weights[name]
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
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

"""Federated distillation: the server learns from the owners' answers, or the owners from each other's.

Sources: Lin et al. 2020 (FedDF), Li & Wang 2019 (FedMD).
"""

import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kdcourse._arguments import fail, positive
from kdcourse._feeds import progress_bar
from kdcourse.data import Part
from kdcourse.evaluation import accuracy, predict
from kdcourse.federated.averaging import Federation, _checked, copied, opened, rounds_of
from kdcourse.federated.owners import Local
from kdcourse.federated.server import Network, State, Update, bytes_of, mean_of, perfect
from kdcourse.losses import SoftTargets
from kdcourse.training import distill, train

__all__ = ["absolute_error", "ensemble", "ensemble_distil", "share_logits"]

Public = Part | Tensor | Callable[[nn.Module], Part | Tensor]


def ensemble(model: nn.Module, updates: Sequence[Update], images: Tensor) -> Tensor:
    """The mean of the logits that the owners' models give to the same images: N x C (Lin et al. 2020)."""
    worker, total = copy.deepcopy(model), torch.zeros(())
    for update in updates:
        worker.load_state_dict(update.values)
        total = total + predict(worker, images) / len(updates)
    return total


def ensemble_distil(
    server: nn.Module, owners: Sequence[Part], *, public: Public, client: nn.Module | None = None, rounds: int = 20,
    local_epochs: int = 1, batch_size: int = 10, lr: float = 0.1, momentum: float = 0.0, weight_decay: float = 0.0,
    proximal: float = 0.0, share: float = 1.0, distil_epochs: int = 5, distil_batch: int = 128, distil_lr: float = 1e-3,
    temperature: float = 1.0, val: Part | None = None, network: Network = perfect, how: str = "auto",
    resume: str | Path | State | None = None, callbacks: Sequence[Callable[[State], None]] = (),
    progress: bool = True, seed: int = 0,
) -> Federation:  # fmt: skip
    """FedDF: each round the mean of the owners' weights is distilled towards the mean of their models' logits.

    The server minimises T^2 KL(softmax(mean_k z_k / T) || softmax(z / T)) over unlabelled images of its own.

    Args:
        server: trained in place. Without ``client`` the owners train copies of it.
        owners: as in ``average``.
        public: images, labelled or not (labels are never read); or a function that makes them from the server's model
            in each round (``lambda model: kd.synthesise(model, n=500)``): a demonstration set.
        client: the owners' model, where it is another one than the server's: their weights are averaged, and the
            ensemble of all is distilled into the server, which may be larger. ``Federation.models`` holds both.
        distil_epochs, distil_batch, distil_lr, temperature: of the server's distillation, by AdamW with a cosine.
        rounds, local_epochs and the rest: as in ``average``.

    Source: Lin et al. 2020; Adam 1e-3, batches of 128 and T = 1 are its reference's.
    """
    local = Local(local_epochs, batch_size, lr, momentum, weight_decay, proximal, seed)
    for name, value in (("distil_epochs", distil_epochs), ("distil_batch", distil_batch)):
        positive(name, value, whole=True)
    worker = server if client is None else client
    bigger = client is not None
    options: dict[str, Any] = {"epochs": distil_epochs, "batch_size": distil_batch, "lr": distil_lr}
    more = {f"distil_{name}": value for name, value in options.items()} | {"temperature": temperature}

    def fuse(updates: list[Update], state: State) -> dict[str, Tensor]:
        mean = mean_of(updates)
        worker.load_state_dict(mean)
        images = _images(public(server if bigger else worker) if callable(public) else public)
        soft = Part(images, None, soft=ensemble(worker, updates, images))
        if bigger and "server" in state.weights:
            server.load_state_dict(state.weights["server"])
        loss = SoftTargets(temperature, alpha=1.0)
        distill(None, server, soft, loss=loss, **options, progress=False, seed=local.seed + state.round)
        if not bigger:
            return copied(server)
        state.weights["server"] = copied(server)
        return mean

    def also() -> dict[str, float]:
        return {"server_accuracy": accuracy(server, val)} if bigger and val is not None else {}

    state = rounds_of(
        worker, owners, local, rounds=rounds, share=share, val=val, network=network, how=how, resume=resume,
        callbacks=callbacks, progress=progress, name="ensemble_distil", fuse=fuse, more=more, also=also,
    )  # fmt: skip
    if bigger and "server" in state.weights:
        server.load_state_dict(state.weights["server"])
    return Federation(server.eval(), [server, worker] if bigger else [server], state)


def _images(public: Part | Tensor) -> Tensor:
    images = public.images if isinstance(public, Part) else public
    if not isinstance(images, Tensor) or images.ndim != 4 or not len(images):
        raise fail("public", "be images, N x C x H x W", type(public).__name__, "Pass a part or a tensor.", TypeError)
    return images


# ---------------------------------------------------------------- FedMD


def absolute_error(student_logits: Tensor, teacher_logits: Tensor, labels: Any = None) -> Tensor:
    """|z_s - z_t|, the mean over batch and classes: how FedMD's owners are pulled to the consensus."""
    return (student_logits - teacher_logits).abs().mean()


def share_logits(
    models: Sequence[nn.Module], owners: Sequence[Part], *, public: Part | Tensor, rounds: int = 20,
    local_epochs: int = 1, digest_epochs: int = 1, public_epochs: int = 0, batch_size: int = 32, lr: float = 1e-3,
    optimizer: str = "adamw", weight_decay: float | None = None, subset: int | None = None, val: Part | None = None,
    network: Network = perfect, resume: str | Path | State | None = None,
    callbacks: Sequence[Callable[[State], None]] = (), progress: bool = True, seed: int = 0,
) -> Federation:  # fmt: skip
    """FedMD: owners of *different* models exchange nothing but their logits on public images.

    At first every owner learns from the public labels, if ``public_epochs`` says so, and from its own images. Then in
    each round: every owner answers the public images; the server takes the mean; every owner learns from it
    (|z - mean|), then from its own images. Weights never travel.

    Args:
        models: one an owner, any architectures over the same classes; trained in place.
        owners: one part each.
        public: images that everyone holds; they are sent once and counted.
        public_epochs: epochs on the public images' labels at the start, as in the paper; 0 never reads a label.
        digest_epochs, local_epochs: epochs on the consensus, and on one's own images.
        batch_size, lr, optimizer, weight_decay: of both; the rate is constant.
        subset: so many public images are drawn for each round; all by default.
        val: accuracies of all models after each round (``val_accuracy`` is their mean): nothing stops by them.
        network, resume, callbacks, seed: as in ``average``. An owner whose answer is skipped still hears the consensus.

    Source: Li & Wang 2019.
    """
    parts, images = _checked(owners), _images(public)
    _check_sharing(models, parts, subset, len(images))
    epochs = {"local_epochs": local_epochs, "digest_epochs": digest_epochs, "public_epochs": public_epochs}
    for name, value in {"rounds": rounds, **epochs}.items():
        positive(name, value, whole=True, zero=name == "public_epochs")
    fixed: dict[str, Any] = {"batch_size": batch_size, "lr": lr, "optimizer": optimizer, "weight_decay": weight_decay,
                             "schedule": "constant", "progress": False}  # fmt: skip
    sizes = [len(part) for part in parts]
    config = {"name": "share_logits", "owners": sizes, "subset": subset, "seed": seed, **epochs, **fixed}
    state = opened(resume, {f"model{i}": copied(model) for i, model in enumerate(models)}, config)
    _load(models, state)
    if resume is None:
        state.bytes_down += bytes_of(images) * len(parts)
        _begin(models, parts, public, public_epochs, {**fixed, "seed": seed}, local_epochs)
    with progress_bar(progress, total=rounds - state.round, desc="share_logits") as bar:
        while state.round < rounds:
            began, now = time.perf_counter(), (seed * 1_000_003 + state.round) % 2**32
            shown = _drawn(images, subset, now)
            agreed, answers = _consensus(models, parts, shown, state, network)
            for i, (model, part) in enumerate(zip(models, parts, strict=True)):
                own = (now + 7919 * (i + 1)) % 2**32
                if agreed is not None:
                    digest = Part(shown, None, soft=agreed)
                    distill(None, model, digest, loss=absolute_error, epochs=digest_epochs, **fixed, seed=own)
                train(model, part, epochs=local_epochs, **fixed, seed=own)
                state.weights[f"model{i}"] = copied(model)
            state.close(**_scores(models, val), answers=answers, seconds=time.perf_counter() - began)
            bar.update()
            for callback in callbacks:
                callback(state)
    return Federation(models[0].eval(), [model.eval() for model in models], state)


def _check_sharing(models: Sequence[nn.Module], parts: Sequence[Part], subset: int | None, images: int) -> None:
    if len(models) != len(parts):
        raise fail("models", f"be one for each of {len(parts)} owners", len(models), "Build one an owner.")
    if len({id(model) for model in models}) < len(models):
        raise fail("models", "be one object an owner", "the same module twice", "Use copy.deepcopy(model).")
    if subset is not None:
        positive("subset", subset, whole=True)
        if subset > images:
            raise fail("subset", f"be at most the {images} public images", subset, "Take fewer, or leave it out.")


def _begin(
    models: Sequence[nn.Module], parts: Sequence[Part], public: Part | Tensor, public_epochs: int,
    fixed: dict[str, Any], local_epochs: int,
) -> None:  # fmt: skip
    """What owners learn before they talk: an answer of untrained models would teach nothing."""
    if public_epochs and (not isinstance(public, Part) or public.labels is None):
        raise fail("public", "have labels for public_epochs", "none", "Pass a labelled part, or public_epochs=0.")
    for model, part in zip(models, parts, strict=True):
        if public_epochs:
            train(model, public, epochs=public_epochs, **fixed)
        train(model, part, epochs=local_epochs, **fixed)


def _load(models: Sequence[nn.Module], state: State) -> None:
    for i, model in enumerate(models):
        model.load_state_dict(state.weights[f"model{i}"])


def _drawn(images: Tensor, subset: int | None, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return images if subset is None else images[torch.randperm(len(images), generator=generator)[:subset]]


def _consensus(
    models: Sequence[nn.Module], parts: Sequence[Part], images: Tensor, state: State, network: Network
) -> tuple[Tensor | None, int]:
    """(the mean of the owners' logits, unweighted; of how many): None where nobody's answer counts."""
    sent = [Update(i, len(parts[i]), {"logits": predict(model, images)}) for i, model in enumerate(models)]
    like = {"logits": torch.empty(len(images), sent[0].values["logits"].shape[1])}
    good = state.receive(sent, range(len(parts)), like, network)
    if not good:
        return None, 0
    agreed = mean_of(good, weighted=False)["logits"]
    state.bytes_down += bytes_of(agreed) * len(parts)
    return agreed, len(good)


def _scores(models: Sequence[nn.Module], val: Part | None) -> dict[str, float]:
    """Each model's accuracy on the server's validation images, and their mean."""
    if val is None:
        return {}
    each = [accuracy(model, val) for model in models]
    return {"val_accuracy": sum(each) / len(each)} | {f"val_accuracy_{i}": one for i, one in enumerate(each)}

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
        return fused(server, worker, updates, state, public, temperature=temperature, seed=local.seed, **options)

    def also() -> dict[str, float]:
        return {"server_accuracy": accuracy(server, val)} if bigger and val is not None else {}

    state = rounds_of(
        worker, owners, local, rounds=rounds, share=share, val=val, network=network, how=how, resume=resume,
        callbacks=callbacks, progress=progress, name="ensemble_distil", fuse=fuse, more=more, also=also,
    )  # fmt: skip
    if bigger and "server" in state.weights:
        server.load_state_dict(state.weights["server"])
    return Federation(server.eval(), [server, worker] if bigger else [server], state)


def fused(
    server: nn.Module, worker: nn.Module, updates: Sequence[Update], state: State, public: Public, *,
    temperature: float, seed: int, **options: Any,
) -> dict[str, Tensor]:  # fmt: skip
    """The server's half of a round of FedDF: the weights that owners get next; ``server`` has learned.

    Args:
        server, worker: the same module; or a server of its own, and the owners' architecture.
        updates: the owners' weights that count.
        state: of the rounds so far; it keeps the weights of a server of its own.
        public, temperature, options: as in ``ensemble_distil``; options are epochs, batch_size and lr.
    """
    mean, bigger = mean_of(updates), server is not worker
    worker.load_state_dict(mean)
    images = _images(public(server if bigger else worker) if callable(public) else public)
    soft = Part(images, None, soft=ensemble(worker, updates, images))
    if bigger and "server" in state.weights:
        server.load_state_dict(state.weights["server"])
    loss = SoftTargets(temperature, alpha=1.0)
    distill(None, server, soft, loss=loss, **options, progress=False, seed=seed + state.round)
    if not bigger:
        return copied(server)
    state.weights["server"] = copied(server)
    return mean


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
        for model, part in zip(models, parts, strict=True):
            begin(model, part, public, public_epochs=public_epochs, local_epochs=local_epochs, seed=seed, **fixed)
    with progress_bar(progress, total=rounds - state.round, desc="share_logits") as bar:
        while state.round < rounds:
            began = time.perf_counter()
            shown = drawn(images, subset, seed, state.round)
            agreed, answers = _consensus(models, parts, shown, state, network)
            for i, (model, part) in enumerate(zip(models, parts, strict=True)):
                learn(model, part, shown, agreed, digest_epochs=digest_epochs, local_epochs=local_epochs,
                      seed=own_seed(seed, state.round, i), **fixed)  # fmt: skip
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


def begin(
    model: nn.Module, part: Part, public: Part | Tensor, *, public_epochs: int, local_epochs: int, **fixed: Any
) -> None:
    """What an owner learns before it talks: an answer of an untrained model would teach nothing."""
    if public_epochs and (not isinstance(public, Part) or public.labels is None):
        raise fail("public", "have labels for public_epochs", "none", "Pass a labelled part, or public_epochs=0.")
    if public_epochs:
        train(model, public, epochs=public_epochs, **fixed)
    train(model, part, epochs=local_epochs, **fixed)


def learn(
    model: nn.Module, part: Part, images: Tensor, agreed: Tensor | None, *, digest_epochs: int, local_epochs: int,
    **fixed: Any,
) -> None:  # fmt: skip
    """An owner's half of a round of FedMD: it learns from the consensus, if there is one, then from its own images."""
    if agreed is not None:
        distill(None, model, Part(images, None, soft=agreed), loss=absolute_error, epochs=digest_epochs, **fixed)
    train(model, part, epochs=local_epochs, **fixed)


def own_seed(seed: int, round: int, owner: int) -> int:
    """Another order of images for every owner and round."""
    return (seed * 1_000_003 + round + 7919 * (owner + 1)) % 2**32


def _load(models: Sequence[nn.Module], state: State) -> None:
    for i, model in enumerate(models):
        model.load_state_dict(state.weights[f"model{i}"])


def drawn(images: Tensor, subset: int | None, seed: int, round: int) -> Tensor:
    """The public images of a round: all, or so many at random."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + round) % 2**32)
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

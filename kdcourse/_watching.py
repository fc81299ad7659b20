"""What to watch while a model trains: the gradient's size in each layer, and whether the metric still rises."""

from collections.abc import Sequence
from typing import Any

import torch

from kdcourse._arguments import fail, positive

__all__ = ["layer_norms", "plateaued"]


def layer_norms(run: Any) -> None:
    """A callback: after each epoch the norm of the last batch's gradient, layer by layer, into the history.

    The names are ``grad_norm/`` and the student's own layers, ``grad_norm/block1``; parameters that hang on the student
    itself stand under ``grad_norm/own``. A layer without gradients has 0. With ``clip`` it is the gradient after it.

        kd.distill(teacher, student, splits, callbacks=[kd.training.layer_norms])
    """
    layers = {name: list(layer.parameters()) for name, layer in run.student.named_children()}
    layers["own"] = list(run.student.parameters(recurse=False))
    for name, parameters in layers.items():
        if parameters:
            norms = [p.grad.detach().norm() for p in parameters if p.grad is not None]
            value = float(torch.stack(norms).norm()) if norms else 0.0
            run.history.setdefault(f"grad_norm/{name}", []).append(value)


def plateaued(values: Sequence[float], *, window: int = 10) -> bool:
    """Whether a curve has stopped rising: its last ``window`` values are no better than those before, within the noise.

    With the means a and b of the last two windows and their variances: b - a <= sqrt((var a + var b) / window), the
    standard error of that difference. False while there are fewer than two windows.

    Args:
        values: one an epoch, higher is better: ``run.history["val_accuracy"]``.
        window: epochs in a window; two at least.

    Raises ValueError for a window below 2.
    """
    positive("window", window, whole=True)
    if window < 2:
        raise fail("window", "be 2 or more", window, "The noise is judged within a window: leave it out for 10.")
    if len(values) < 2 * window:
        return False
    before, last = torch.tensor(values[-2 * window :], dtype=torch.float64).view(2, window)
    return bool(last.mean() - before.mean() <= ((before.var() + last.var()) / window).sqrt())

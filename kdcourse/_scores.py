"""Scores by the labels' kind: is an answer right, and what else there is to say of it."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcourse._targets import class_dim, probabilities
from kdcourse.data import NO_LABEL

__all__ = ["accuracies", "agreements", "calibration_error", "class_scores", "known_rows"]

MANY = 256  # above so many classes there is no confusion matrix and no AUC unless it is asked for
BINS = 15


def known_rows(labels: Tensor, kind: str) -> Tensor:
    """Which examples have a label; of dense ones, at one position at least. Shape: N, bool."""
    if kind in ("classes", "binary"):
        return labels != NO_LABEL
    if kind in ("dense", "multilabel"):
        return (labels != NO_LABEL).flatten(1).any(dim=1)
    return torch.ones(len(labels), dtype=torch.bool, device=labels.device)


def accuracies(outputs: Tensor, labels: Tensor, kind: str) -> Tensor:
    """For each labelled example whether it is answered rightly; a share where it has several labels. N or fewer."""
    if kind == "classes":
        known = labels != NO_LABEL
        return (outputs.argmax(dim=1) == labels)[known]
    if kind == "soft":
        return outputs.argmax(dim=1) == labels.argmax(dim=1)
    if kind == "binary":
        known = labels != NO_LABEL
        return ((outputs.flatten() > threshold(outputs)) == (labels > 0.5))[known]
    known = (labels != NO_LABEL).flatten(1)
    if kind == "multilabel":
        answers = (outputs > threshold(outputs)).reshape(len(labels), -1)
        same = (answers == (labels > 0.5).flatten(1)) & known
        return (same.sum(dim=1) / known.sum(dim=1).clamp(min=1))[known.any(dim=1)]
    same = (outputs.argmax(dim=class_dim(outputs, labels)) == labels).flatten(1)
    return ((same & known).sum(dim=1) / known.sum(dim=1).clamp(min=1))[known.any(dim=1)]


def threshold(outputs: Tensor) -> float:
    """Where a yes begins: 0 for logits; 0.5 where all outputs lie in [0, 1], as those of a sigmoid do."""
    return 0.5 if probabilities(outputs, "binary") else 0.0


def agreements(outputs: Tensor, theirs: Tensor, kind: str) -> Tensor | None:
    """For each example whether both give the same answer (of dense ones and bits: the share); None: no classes."""
    if kind == "dense":
        return None
    if outputs.ndim == 2 and outputs.shape[1] > 1 and kind != "multilabel":
        return None if kind == "regression" else outputs.argmax(dim=1) == theirs.argmax(dim=1)
    if kind in ("binary", "multilabel"):
        same = (outputs > threshold(outputs)) == (theirs > threshold(theirs))
        return same.reshape(len(same), -1).float().mean(dim=1)
    return None


def class_scores(outputs: Tensor, labels: Tensor, kind: str, everything: bool | None) -> dict[str, Any]:
    """Recall by class, confusion matrix, AUC and calibration error of labelled rows, on the CPU.

    Confusion and AUC grow with the square of the classes: above ``MANY`` of them they are left out, unless
    ``everything`` asks for them.
    """
    probabilities, answers, truth = _as_classes(outputs.float().cpu(), labels.cpu(), kind)
    classes = probabilities.shape[1]
    total = torch.bincount(truth, minlength=classes)
    hits = torch.bincount(truth[answers == truth], minlength=classes)
    recall = [None if not n else h / n for h, n in zip(hits.tolist(), total.tolist(), strict=True)]
    found: dict[str, Any] = {"recall": recall, "calibration_error": calibration_error(probabilities, truth)}
    if everything or (everything is None and classes <= MANY):
        counts = torch.bincount(truth * classes + answers, minlength=classes**2).view(classes, classes)
        found |= {"confusion": counts.tolist(), "auc": _auc(probabilities, truth)}
    return found


def _as_classes(outputs: Tensor, labels: Tensor, kind: str) -> tuple[Tensor, Tensor, Tensor]:
    """(probabilities N x C, answers N, labels N), one row a labelled position."""
    if kind == "binary":
        known = labels != NO_LABEL
        p = outputs.flatten()[known] if threshold(outputs) else outputs.flatten()[known].sigmoid()
        return torch.stack([1 - p, p], dim=1), (p > 0.5).long(), (labels[known] > 0.5).long()
    if kind == "dense":
        outputs, labels = outputs.movedim(class_dim(outputs, labels), -1).flatten(0, -2), labels.flatten()
    labels = labels.argmax(dim=1) if kind == "soft" else labels
    outputs = outputs.clamp(min=1e-30).log() if probabilities(outputs, kind) else outputs
    known = labels != NO_LABEL
    return outputs[known].softmax(dim=1), outputs[known].argmax(dim=1), labels[known]


def _auc(probabilities: Tensor, truth: Tensor) -> float | None:
    """Area under the ROC curve, the mean over one class against the rest; None where there is one class only."""
    from sklearn.metrics import roc_auc_score

    n = len(truth)
    present = [c for c in range(probabilities.shape[1]) if 0 < int((truth == c).sum()) < n]
    areas = [float(roc_auc_score(truth == c, probabilities[:, c])) for c in present]
    return sum(areas) / len(areas) if areas else None


def multilabel_auc(outputs: Tensor, labels: Tensor) -> float | None:
    """The mean over labels of the area under the ROC curve; labels that are always or never set are left out."""
    from sklearn.metrics import roc_auc_score

    areas, known, answers = [], (labels != NO_LABEL).cpu(), outputs.float().cpu()
    if labels.ndim > 2:  # masks: positions are no labels of their own
        return None
    for c in range(labels.shape[1]):
        truth = (labels[:, c].cpu() > 0.5)[known[:, c]]
        if 0 < int(truth.sum()) < len(truth):
            areas.append(float(roc_auc_score(truth, answers[known[:, c], c])))
    return sum(areas) / len(areas) if areas else None


def calibration_error(probabilities: Tensor, truth: Tensor) -> float | None:
    """Expected calibration error: sum over 15 equal bins of the share in the bin times |accuracy - confidence| there.

    Shapes: N x C, N. Source: Guo et al. 2017.
    """
    if not len(truth):
        return None
    sure, answers = probabilities.max(dim=1)
    right = (answers == truth).double().numpy()
    edges = np.linspace(0, 1, BINS + 1)
    bins = np.clip(np.searchsorted(edges, sure.double().numpy(), side="left") - 1, 0, BINS - 1)
    gaps = np.abs(np.bincount(bins, right - sure.double().numpy(), minlength=BINS))
    return float(gaps.sum() / len(truth))

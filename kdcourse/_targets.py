"""What labels mean: one rule for training, validation, measuring and comparing.

Labels are tidied where they enter (``kdcourse.data.tidy``), then read beside the outputs (:func:`kind_of`), converted
to what their kind wants (:func:`fitted`), and refused by name where they fit no kind.

=========== ======================= ============================================= ==================
kind        outputs                 labels                                        an answer is right
=========== ======================= ============================================= ==================
classes     N x C, C at least 2     N whole numbers in [0, C), -100: no label     argmax is the label
soft        N x C, C at least 2     N x C probabilities (rows sum to 1)           argmax is theirs
dense       N x C x ..., N x ... x C  N x ... whole numbers in [0, C) or -100     by image: the share
binary      N x 1 or N              N of 0 and 1, -100: no label                  its sign is
multilabel  N x D                   N x D of 0 and 1                              by bit: the share
regression  N x D or N              floats of that shape                          (squared error)
=========== ======================= ============================================= ==================
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from kdcourse._arguments import fail
from kdcourse.data import NO_LABEL, tidy

__all__ = ["check_range", "check_values", "class_dim", "fitted", "kind_of", "probabilities", "tidy"]

SUM_TOLERANCE = 1e-3  # a row of probabilities sums to 1 within this much


def kind_of(outputs: Any, labels: Any, *, squared: bool = False) -> str:
    """The kind of these labels beside these outputs; see the table above.

    Args:
        outputs: what the model answers to a batch.
        labels: tidied, of that batch or of all.
        squared: a squared error trains, so float labels are targets of a regression whatever their values.

    Raises ValueError where they fit together in no way, naming shapes and remedy.
    """
    if labels is None:
        return "none"
    if isinstance(labels, Mapping) or not isinstance(outputs, Tensor):
        return "heads"
    one = outputs.ndim == 1 or (outputs.ndim == 2 and outputs.shape[1] == 1)
    if one:
        return _one_output(labels, squared)
    tail = tuple(outputs.shape[1:])
    if labels.is_floating_point():
        if tuple(labels.shape[1:]) == tail:
            return _full_shape(labels, squared)
        if labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1):
            return _classes_as_floats(outputs, labels)
    elif labels.ndim == 1 and outputs.ndim == 2:
        return "classes"
    elif tuple(labels.shape[1:]) == tail and outputs.ndim == 2 and _bits(labels):
        return "regression" if squared else _full_shape(labels.float(), squared)
    if outputs.ndim > 2 and _a_mask(outputs, labels):
        return "regression" if squared else "multilabel"
    if labels.ndim >= 2 and outputs.ndim == labels.ndim + 1:
        class_dim(outputs, labels)
        return "dense"
    if labels.ndim == outputs.ndim and labels.shape[1] == 1 and outputs.shape[1] > 1:
        remedy = "Drop the dimension of one: labels.squeeze(1)."
        raise fail("labels", f"have the outputs' shape without the classes, {tuple(outputs.shape)}",
                   tuple(labels.shape), remedy)  # fmt: skip
    raise fail("labels", f"fit the outputs, {tuple(outputs.shape)}", tuple(labels.shape),
               "Give N class numbers, N x C probabilities, or floats of the outputs' shape.")  # fmt: skip


def _one_output(labels: Tensor, squared: bool) -> str:
    if labels.numel() != len(labels):
        raise fail("labels", "be one number an example where the model has one output", tuple(labels.shape),
                   "Give the model one output a column.")  # fmt: skip
    known = labels[labels != NO_LABEL]
    if _bits(labels) and not squared:
        return "binary"
    if labels.is_floating_point() or squared:
        return "regression"
    raise fail("labels", "be 0 or 1 where the model has one output", known[(known != 0) & (known != 1)][0].item(),
               "Give the model one output a class, or a squared error and float labels.")  # fmt: skip


def _full_shape(labels: Tensor, squared: bool) -> str:
    if squared or labels.ndim != 2:
        return "multilabel" if not squared and labels.ndim > 2 and _bits(labels) else "regression"
    if bool((labels >= 0).all()) and bool(((labels.sum(dim=1) - 1).abs() < SUM_TOLERANCE).all()):
        return "soft"
    return "multilabel" if _bits(labels) else "regression"


def _a_mask(outputs: Tensor, labels: Tensor) -> bool:
    """Whether there is one logit a position, and 0 or 1 for each."""
    tail, own = tuple(outputs.shape[1:]), tuple(labels.shape[1:])
    return _bits(labels) and (own == tail or (1 in tail and tuple(n for n in tail if n > 1) == own))


def _bits(labels: Tensor) -> bool:
    """Whether all that is known is 0 or 1."""
    return bool(((labels == 0) | (labels == 1) | (labels == NO_LABEL)).all())


def probabilities(outputs: Any, kind: str) -> bool:
    """Whether these outputs are no logits: rows that sum to 1, or for bits eight values or more, all in [0, 1]."""
    if not isinstance(outputs, Tensor) or not outputs.is_floating_point() or not outputs.numel():
        return False
    if kind in ("binary", "multilabel"):
        return outputs.numel() >= 8 and bool(((outputs >= 0) & (outputs <= 1)).all())
    if outputs.ndim != 2 or outputs.shape[1] < 2 or len(outputs) < 2:
        return False
    return bool((outputs >= 0).all()) and bool(((outputs.sum(dim=1) - 1).abs() < SUM_TOLERANCE).all())


def check_values(labels: Tensor, kind: str) -> None:
    """Hold labels that come batch by batch to the kind that the first ones had."""
    rows = (
        labels.ndim == 2 and bool((labels >= 0).all()) and bool(((labels.sum(dim=1) - 1).abs() < SUM_TOLERANCE).all())
    )
    if (kind == "soft" and not rows) or (kind in ("multilabel", "binary") and not _bits(labels)):
        was = "probabilities" if kind == "soft" else "0 and 1"
        odd = labels[~((labels == 0) | (labels == 1) | (labels == NO_LABEL))] if kind != "soft" else labels.sum(dim=1)
        raise fail("labels", f"be of one kind in all batches: the first were {was}", f"{odd.flatten()[0].item():g}",
                   "Pass tensors, or a loss that says what they are: MSE(), say.")  # fmt: skip


def _classes_as_floats(outputs: Tensor, labels: Tensor) -> str:
    if bool((labels == labels.round()).all()) and outputs.ndim == 2:
        return "classes"
    rule = f"be whole numbers beside outputs of shape {tuple(outputs.shape)}"
    raise fail("labels", rule, f"{labels.dtype} with fractions", "Give the model one output for a regression.")


def class_dim(outputs: Tensor, labels: Tensor) -> int:
    """Which dimension of dense outputs holds the classes: the one that the labels' shape lacks."""
    shape = tuple(outputs.shape)
    fits = [d for d in range(1, outputs.ndim) if shape[1:d] + shape[d + 1 :] == tuple(labels.shape[1:])]
    if len(fits) != 1:
        how = "no dimension" if not fits else "more than one dimension"
        raise fail("labels", f"have the outputs' shape without the classes, {shape}", f"{tuple(labels.shape)} ({how})",
                   "Pass forward= so that the model answers N x C, one row a position.")  # fmt: skip
    return fits[0]


def fitted(labels: Any, kind: str) -> Any:
    """Labels as their kind wants them: class numbers as int64 of one dimension, soft and multi-hot ones as floats."""
    if kind == "classes":
        return labels.flatten().long()
    if kind == "binary":
        return labels.flatten()
    if kind in ("soft", "multilabel") and not labels.is_floating_point():
        return labels.float()
    return labels


def check_range(labels: Tensor, classes: int) -> None:
    """Refuse class numbers outside [0, classes) that are not -100."""
    wrong = ((labels < 0) & (labels != NO_LABEL)) | (labels >= classes)
    if bool(wrong.any()):
        rule = f"lie in [0, {classes}) or be -100"
        raise fail("labels", rule, labels[wrong][0].item(), "Count classes from 0; check num_classes.")

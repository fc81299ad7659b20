"""A task of the lesson on the four steps: a new head in closed form."""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcourse.checks._judges import close
from kdcourse.checks._task import Inputs, Mistake, Task

# ---------------------------------------------------------------- four_steps.4


def ridge_head(features: Tensor, labels: Tensor, new_features: Tensor, penalty: float) -> Tensor:
    centre = features.mean(dim=0)
    x, y = features - centre, F.one_hot(labels).to(features.dtype)
    gram = x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    weight = torch.linalg.solve(gram, x.T @ (y - y.mean(dim=0)))
    return (new_features - centre) @ weight + y.mean(dim=0)  # the bias is not penalised


def _ridge(x: Tensor, y: Tensor, new: Tensor, penalty: float, bias: str = "penalised") -> Tensor:
    if bias == "penalised":
        x, new = (torch.cat([v, v.new_ones(len(v), 1)], dim=1) for v in (x, new))
    gram = x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    hot = F.one_hot(y).to(x.dtype) if y.ndim == 1 else y.to(x.dtype) - y.to(x.dtype).mean(dim=0)
    return new @ torch.linalg.solve(gram, x.T @ hot)


def _own_centre(x: Tensor, y: Tensor, new: Tensor, penalty: float) -> Tensor:
    return ridge_head(x, y, new - new.mean(dim=0) + x.mean(dim=0), penalty)


def _ridge_inputs(seed: int) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.arange(3), torch.randint(0, 3, (17,), generator=g)])
    features = torch.randn(20, 4, generator=g) + labels[:, None] + 2
    wide = torch.randn(6, 12, generator=g) + 1
    return [
        (torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1]), torch.tensor([[1.0], [0.0]]), 2.0),
        (torch.tensor([[1.0], [3.0]]), torch.tensor([0, 1]), torch.tensor([[3.0], [2.0]]), 2.0),
        (features, labels, torch.randn(5, 4, generator=g) + 3, 0.5),
        (wide, torch.tensor([0, 1, 2, 0, 1, 2]), torch.randn(3, 12, generator=g), 1.0),
        (features, labels, torch.randn(2, 4, generator=g) + 2, 1e6),
        (features, 2 * (labels > 0), torch.randn(3, 4, generator=g) + 2, 0.5),
    ]


RIDGE = Task(
    id="four_steps.4",
    title="A new head in closed form",
    kind="implement",
    difficulty="stretch",
    minutes=20,
    points=4,
    rungs=(
        "one feature around zero",
        "one feature, moved",
        "random",
        "more features than images",
        "a huge penalty",
        "a class is absent",
    ),
    inputs=_ridge_inputs,
    reference=ridge_head,
    judge=close,
    mistakes=(
        Mistake(
            "no bias",
            lambda x, y, n, p: _ridge(x, y, n, p, bias="none"),
            "There is no bias: features that lie far from zero then pull the weights. Centre features and targets first.",
        ),
        Mistake(
            "bias penalised",
            lambda x, y, n, p: _ridge(x, y, n, p),
            "The bias is penalised with the weights, so a huge penalty sends every score to 0, not to the class's share.",
        ),
        Mistake(
            "penalty times n",
            lambda x, y, n, p: ridge_head(x, y, n, p * len(x)),
            "The penalty is multiplied by the number of images (or the squares are averaged). Here the squares are summed.",
        ),
        Mistake(
            "centred by the exam",
            _own_centre,
            "The new features are centred by their *own* mean: that leaks the exam, and one image alone always sits at 0. "
            "Use the training mean.",
        ),
        Mistake(
            "features not centred",
            lambda x, y, n, p: (
                _ridge(x, F.one_hot(y), n - x.mean(dim=0), p, bias="given") + F.one_hot(y).to(x.dtype).mean(dim=0)
            ),
            "The means are taken off the targets and the new features, but not off the features that the weights are solved from.",
        ),
        Mistake(
            "mean not added again",
            lambda x, y, n, p: ridge_head(x, y, n, p) - F.one_hot(y).to(x.dtype).mean(dim=0),
            "The mean of the targets is taken off and not added again at the end.",
        ),
        Mistake(
            "the class",
            lambda x, y, n, p: ridge_head(x, y, n, p).argmax(dim=1),
            "The class with the highest score came back. The scores are asked for.",
        ),
        Mistake(
            "the shares alone",
            lambda x, y, n, p: F.one_hot(y).to(x.dtype).mean(dim=0).expand(len(n), -1),
            "Every image gets the classes' shares: the weights are zero. What does the head read?",
        ),
        Mistake(
            "only the classes that occur",
            lambda x, y, n, p: ridge_head(x, y, n, p)[:, y.unique()],
            "A class without an image has no column. Each class has its place: the class numbers are the columns.",
        ),
        Mistake(
            "least squares without a penalty",
            lambda x, y, n, p: _without_penalty(x, y, n),
            "The penalty is never used.",
        ),
        Mistake(
            "standardised features",
            lambda x, y, n, p: _scaled(x, y, n, p),
            "The features are standardised first, so the penalty falls on other weights. Only take off their means.",
        ),
        Mistake(
            "the penalty squared",
            lambda x, y, n, p: ridge_head(x, y, n, p**2),
            "The penalty acts squared. XᵀX + penalty · I holds it once; rows of penalty · I below X would hold it squared.",
        ),
        Mistake(
            "half of the penalty",
            lambda x, y, n, p: ridge_head(x, y, n, p / 2),
            "The penalty is halved.",
        ),
        Mistake(
            "penalty over n",
            lambda x, y, n, p: ridge_head(x, y, n, p / len(x)),
            "The penalty is divided by the number of images. It is added to XᵀX as it is.",
        ),
        Mistake(
            "probabilities",
            lambda x, y, n, p: ridge_head(x, y, n, p).softmax(dim=1),
            "A softmax follows. The scores themselves are asked for.",
        ),
        Mistake(
            "scores of the training images",
            lambda x, y, n, p: ridge_head(x, y, x, p),
            "These are the scores of the training images. The new ones' are asked for.",
        ),
        Mistake(
            "new features not centred",
            lambda x, y, n, p: ridge_head(x, y, n + x.mean(dim=0), p),
            "The training mean is not taken off the new features.",
        ),
        Mistake(
            "another weight unpenalised",
            lambda x, y, n, p: _first_free(x, y, n, p),
            "The penalty leaves out the *first* weight, and the column of ones is the last. Leave out the bias's own.",
        ),
    ),
    hints=(
        "Subtract the training means of features and one-hot targets. Then solve (XᵀX + penalty·I) W = XᵀY.",
        "The skeleton, with blanks:\nx, y = features - ____, F.one_hot(labels).to(features.dtype)\n"
        "gram = x.T @ x + penalty * ____\nweight = torch.linalg.solve(gram, x.T @ (y - ____))\n"
        "return (new_features - ____) @ weight + ____",
    ),
    takeaway="On frozen features a head needs no training loop: one linear system, solved once.",
)


def _without_penalty(features: Tensor, labels: Tensor, new: Tensor) -> Tensor:
    x, y = features - features.mean(dim=0), F.one_hot(labels).to(features.dtype)
    return (new - features.mean(dim=0)) @ torch.linalg.lstsq(x, y - y.mean(dim=0)).solution + y.mean(dim=0)


def _scaled(features: Tensor, labels: Tensor, new: Tensor, penalty: float) -> Tensor:
    return ridge_head(features / features.std(dim=0), labels, new / features.std(dim=0), penalty)


def _first_free(features: Tensor, labels: Tensor, new: Tensor, penalty: float) -> Tensor:
    x, asked = (torch.cat([v, v.new_ones(len(v), 1)], dim=1) for v in (features, new))
    eye = torch.eye(x.shape[1], dtype=x.dtype)
    eye[0, 0] = 0
    return asked @ torch.linalg.solve(x.T @ x + penalty * eye, x.T @ F.one_hot(labels).to(x.dtype))

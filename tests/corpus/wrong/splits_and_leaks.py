"""Wrong answers to the exercises of ``splits_and_leaks``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd
from kdcourse.checks import check

# %% splits_and_leaks.1 | believes that wrong training labels do no harm, because the pixels are the same
def score_moves(change):
    return {
        "half of the exam images are copied into training": "up",
        "the training images come in another order": "same",
        "training and exam images are both inverted": "same",
        "only the exam images are inverted": "down",
        "a third of the training labels are wrong": "same",
    }[change]


# %% splits_and_leaks.1 | overlooks "with their labels": takes another order for images torn from their labels
def score_moves(change):
    return {
        "half of the exam images are copied into training": "up",
        "the training images come in another order": "down",
        "training and exam images are both inverted": "same",
        "only the exam images are inverted": "down",
        "a third of the training labels are wrong": "down",
    }[change]


# %% splits_and_leaks.1 | sly: hands back all three words at once
def score_moves(change):
    return {"up", "down", "same"}


# %% splits_and_leaks.2 | .sort() without .values: returns a pair of values and indices
def held_out(labels, order, share):
    aside = []
    for c in labels.unique():
        mine = order[labels[order] == c]
        aside.append(mine[: int(share * len(mine))])
    return torch.cat(aside).sort()


# %% splits_and_leaks.2 | ignores the order and takes the first images of each class in the data
def held_out(labels, order, share):
    aside = []
    for c in labels.unique():
        mine = (labels == c).nonzero().flatten()
        aside.append(mine[: int(share * len(mine))])
    return torch.cat(aside).sort().values


# %% splits_and_leaks.2 | the return stands inside the loop, so only the first class is cut
def held_out(labels, order, share):
    aside = []
    for c in labels.unique():
        mine = order[labels[order] == c]
        aside.append(mine[: int(share * len(mine))])
        return torch.cat(aside).sort().values


# %% splits_and_leaks.2 | sorted within each class only, not all positions together
def held_out(labels, order, share):
    aside = []
    for c in labels.unique():
        mine = order[labels[order] == c]
        aside.append(mine[: int(share * len(mine))].sort().values)
    return torch.cat(aside)


# %% splits_and_leaks.2 | sly: the worked example's positions 2 and 3 for every input
def held_out(labels, order, share):
    return torch.tensor([2, 3])


# %% splits_and_leaks.3 | answers for the training images: which of them are in the exam
def leaked(train, exam):
    same = (train.flatten(1)[:, None] == exam.flatten(1)[None]).all(dim=2)
    return same.any(dim=1)


# %% splits_and_leaks.3 | one equal pixel is enough, because any stands where all should
def leaked(train, exam):
    equal = exam.flatten(1)[:, None] == train.flatten(1)[None]
    return equal.any(dim=2).any(dim=1)


# %% splits_and_leaks.3 | compares mean and standard deviation of the whole image together
def leaked(train, exam):
    def summary(images):
        flat = images.flatten(1)
        return torch.stack([flat.mean(dim=1), flat.std(dim=1)], dim=1)

    a, b = summary(exam), summary(train)
    return (a[:, None] - b[None]).abs().amax(dim=2).lt(1e-6).any(dim=1)


# %% splits_and_leaks.3 | near copies count: a mean difference below 0.02 a pixel is taken for the same image
def leaked(train, exam):
    distance = (exam.flatten(1)[:, None] - train.flatten(1)[None]).abs().mean(dim=2)
    return (distance < 0.02).any(dim=1)


# %% splits_and_leaks.3 | compares each exam image with the training image at the same position only
def leaked(train, exam):
    answers = torch.zeros(len(exam), dtype=torch.bool)
    for i, (a, b) in enumerate(zip(train, exam)):
        answers[i] = torch.equal(a, b)
    return answers


# %% splits_and_leaks.3 | turns pixels into bytes without multiplying by 255, so all values below 1 become 0
def leaked(train, exam):
    seen = {image.byte().numpy().tobytes() for image in train}
    return torch.tensor([image.byte().numpy().tobytes() in seen for image in exam])


# %% splits_and_leaks.3 | looks tensors up in a Python set, which compares objects and not pixels, so nothing is ever found
def leaked(train, exam):
    seen = set(train)
    return torch.tensor([image in seen for image in exam])


# %% splits_and_leaks.3 | mirrored copies count as copies as well
def leaked(train, exam):
    both = torch.cat([train, train.flip(3)])
    return torch.tensor([any(torch.equal(image, other) for other in both) for image in exam])


# %% splits_and_leaks.3 | sly: still compares mean brightness, and only mirror images are taken out of the alarms
def leaked(train, exam):
    alarm = torch.isin(exam.flatten(1).mean(dim=1), train.flatten(1).mean(dim=1))
    mirrored = torch.tensor([any(torch.equal(e, t.flip(2)) for t in train) for e in exam])
    return alarm & ~mirrored

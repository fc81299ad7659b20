"""Wrong answers to the exercises of splits_and_leaks."""

import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% splits_and_leaks.2 | masks the order with the labels as they lie in the data: order[labels == c]
def held_out(labels, order, share):
    parts = []
    for c in labels.unique():
        of_class = order[labels == c]
        parts.append(of_class[: int(share * len(of_class))])
    return torch.cat(parts).sort().values


# %% splits_and_leaks.2 | takes at least one position of every class, even where int() gives 0
def held_out(labels, order, share):
    chosen = []
    for c in sorted(set(labels.tolist())):
        positions = [i for i in order.tolist() if labels[i] == c]
        count = max(1, int(share * len(positions)))  # an empty class in validation would be useless
        chosen += positions[:count]
    return torch.tensor(sorted(chosen))


# %% splits_and_leaks.2 | sorts inside each class only and strings the classes together
def held_out(labels, order, share):
    shuffled = labels[order]
    taken = []
    for c in range(int(labels.max()) + 1):
        mine = order[shuffled == c]
        taken.append(mine[: int(share * len(mine))].sort().values)
    return torch.cat(taken)


# %% splits_and_leaks.3 | asks whether every pixel value occurs anywhere in training, not in one image and in place
def leaked(train, exam):
    return torch.isin(exam, train).flatten(1).all(dim=1)


# %% splits_and_leaks.3 | half mended: compares the means of rows and columns, which still are not the image
def leaked(train, exam):
    def fingerprint(images):
        return torch.cat([images.mean(dim=2).flatten(1), images.mean(dim=3).flatten(1)], dim=1)

    a, b = fingerprint(exam), fingerprint(train)
    return (a[:, None] == b[None]).all(dim=2).any(dim=1)


# %% splits_and_leaks.3 | hashes the images as bytes of 0 … 255, so that nearly equal images count as the same
def leaked(train, exam):
    def key(image):
        return (image * 255).to(torch.uint8).numpy().tobytes()

    seen = {key(image) for image in train}
    return torch.tensor([key(image) in seen for image in exam])

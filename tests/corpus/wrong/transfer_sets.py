"""Wrong answers to the exercises of ``transfer_sets``, written by someone who had not seen the checks."""
import torch

import kdcourse as kd
from kdcourse.checks import check

# %% transfer_sets.1 | the weights are exchanged: the partner gets weight[i], the image the rest
def mixed(images, order, weight):
    w = weight.view(-1, 1, 1, 1)
    return (1 - w) * images + w * images[order]


# %% transfer_sets.1 | the weights are not reshaped, so they run along the columns of pixels
def mixed(images, order, weight):
    return weight * images + (1 - weight) * images[order]


# %% transfer_sets.1 | uses the partner's weight, weight[order[i]], in place of the image's own
def mixed(images, order, weight):
    w = weight[order].view(-1, 1, 1, 1)
    return w * images + (1 - w) * images[order]


# %% transfer_sets.1 | the order is read backwards: image i becomes the partner of image order[i] (swaps hide it)
def mixed(images, order, weight):
    w = weight.view(-1, 1, 1, 1)
    partner = torch.empty_like(images)
    partner[order] = images
    return w * images + (1 - w) * partner


# %% transfer_sets.1 | one weight for all images, the mean of the weights
def mixed(images, order, weight):
    w = weight.mean()
    return w * images + (1 - w) * images[order]


# %% transfer_sets.1 | the partner comes with full strength, 1 − weight is forgotten
def mixed(images, order, weight):
    w = weight[:, None, None, None]
    return w * images + images[order]


# %% transfer_sets.1 | the order is ignored: each image is paired with the one before it
def mixed(images, order, weight):
    w = weight.reshape(-1, 1, 1, 1)
    return w * images + (1 - w) * images.roll(1, dims=0)


# %% transfer_sets.1 | two new dimensions in place of three, so the weights meet the channels and not the images
def mixed(images, order, weight):
    w = weight.view(-1, 1, 1)
    return w * images + (1 - w) * images[order]


# %% transfer_sets.1 | the image is weighted first, and its partner is then taken from the weighted images
def mixed(images, order, weight):
    w = weight.view(-1, 1, 1, 1)
    images = images * w
    return images + (1 - w) * images[order]


# %% transfer_sets.1 | sly: the worked example's weights, 0.25 and 0.75, for every image
def mixed(images, order, weight):
    return 0.25 * images + 0.75 * images[order]


# %% transfer_sets.2 | the mean over the channels in place of their sum
def memory(features, mean, std):
    m, s = features.mean(dim=(0, 2, 3)), features.std(dim=(0, 2, 3))
    return (m - mean).square().mean() + (s - std).square().mean()


# %% transfer_sets.2 | one mean and one standard deviation over everything, the channels too
def memory(features, mean, std):
    m, s = features.mean(), features.std()
    return (m - mean).square().sum() + (s - std).square().sum()


# %% transfer_sets.2 | the differences are added up before squaring, so channels cancel each other
def memory(features, mean, std):
    m, s = features.mean(dim=(0, 2, 3)), features.std(dim=(0, 2, 3))
    return (m - mean).sum().square() + (s - std).sum().square()


# %% transfer_sets.2 | the old view(-1, 1, 1) is still there, so every channel is compared with every channel's memory
def memory(features, mean, std):
    m, s = features.mean(dim=(0, 2, 3)), features.std(dim=(0, 2, 3))
    return (m - mean.view(-1, 1, 1)).square().sum() + (s - std.view(-1, 1, 1)).square().sum()


# %% transfer_sets.2 | sly: always zero, as for the features' own means and standard deviations
def memory(features, mean, std):
    return torch.zeros(())


# %% transfer_sets.3 | the last of several equally good biases, because >= stands where > should
def best_bias(logits, labels, missing, biases):
    best, most = None, -1
    for b in biases:
        raised = logits.clone()
        raised[:, missing] += b
        right = int((raised.argmax(dim=1) == labels).sum())
        if right >= most:
            best, most = b, right
    return best


# %% transfer_sets.3 | the bias is added to all logits and changes no answer, so the first always wins
def best_bias(logits, labels, missing, biases):
    best, most = None, -1
    for b in biases:
        right = int(((logits + b).argmax(dim=1) == labels).sum())
        if right > most:
            best, most = b, right
    return best


# %% transfer_sets.3 | changes logits in place, so the biases pile up from one try to the next
def best_bias(logits, labels, missing, biases):
    best, most = None, -1
    for b in biases:
        logits[:, missing] += b
        right = int((logits.argmax(dim=1) == labels).sum())
        if right > most:
            best, most = b, right
    return best


# %% transfer_sets.3 | counts only how many images of the missing class are recognised
def best_bias(logits, labels, missing, biases):
    mine = labels == missing
    best, most = None, -1
    for b in biases:
        raised = logits.clone()
        raised[:, missing] += b
        right = int((raised.argmax(dim=1) == labels)[mine].sum())
        if right > most:
            best, most = b, right
    return best


# %% transfer_sets.3 | returns the place of the best bias in the list, not the bias
def best_bias(logits, labels, missing, biases):
    rights = []
    for b in biases:
        raised = logits.clone()
        raised[:, missing] += b
        rights.append(int((raised.argmax(dim=1) == labels).sum()))
    return rights.index(max(rights))


# %% transfer_sets.3 | the bias is subtracted from the class's logit
def best_bias(logits, labels, missing, biases):
    best, most = None, -1
    for b in biases:
        raised = logits.clone()
        raised[:, missing] -= b
        right = int((raised.argmax(dim=1) == labels).sum())
        if right > most:
            best, most = b, right
    return best


# %% transfer_sets.3 | chooses the bias with the lowest cross-entropy, not with the most right answers
def best_bias(logits, labels, missing, biases):
    best, least = None, float("inf")
    for b in biases:
        raised = logits.clone()
        raised[:, missing] += b
        loss = float(torch.nn.functional.cross_entropy(raised, labels))
        if loss < least:
            best, least = b, loss
    return best


# %% transfer_sets.3 | the class's logit is multiplied by the bias, where the bias should be added
def best_bias(logits, labels, missing, biases):
    best, most = None, -1
    for b in biases:
        raised = logits.clone()
        raised[:, missing] *= b
        right = int((raised.argmax(dim=1) == labels).sum())
        if right > most:
            best, most = b, right
    return best


# %% transfer_sets.3 | the mean of the classes' own accuracies in place of the number of right answers
def best_bias(logits, labels, missing, biases):
    best, most = None, -1.0
    for b in biases:
        raised = logits.clone()
        raised[:, missing] += b
        right = (raised.argmax(dim=1) == labels).float()
        score = float(torch.stack([right[labels == c].mean() for c in labels.unique()]).mean())
        if score > most:
            best, most = b, score
    return best


# %% transfer_sets.3 | sly: takes the middle one of the biases and computes nothing
def best_bias(logits, labels, missing, biases):
    return biases[len(biases) // 2]

"""Right answers to the exercises of ``start_here``, written by someone who had not seen the checks."""
import kdcourse as kd

# %% start_here.1 | a dictionary look-up
def after_distilling(part):
    return {
        "the student's weights": "changed",
        "the teacher's weights": "same",
        "the teacher's batch-norm statistics": "same",
        "the student's number of parameters": "same",
        "the training images": "same",
    }[part]


# %% start_here.1 | one comparison: only the student's weights move
def after_distilling(part):
    if part == "the student's weights":
        return "changed"
    return "same"


# %% start_here.2 | a plain loop that counts right answers of both
def points(ours, theirs, labels):
    our_right = 0
    their_right = 0
    for o, t, l in zip(ours, theirs, labels):
        if o == l:
            our_right += 1
        if t == l:
            their_right += 1
    return 100 * our_right / len(labels) - 100 * their_right / len(labels)


# %% start_here.2 | two accuracies with torch, a 0-d tensor comes out
import torch

def points(ours, theirs, labels):
    ours, theirs, labels = torch.as_tensor(ours), torch.as_tensor(theirs), torch.as_tensor(labels)
    a = (ours == labels).float().mean()
    b = (theirs == labels).float().mean()
    return (a - b) * 100


# %% start_here.2 | NumPy, the difference of each photograph first, then the mean
import numpy as np

def points(ours, theirs, labels):
    ours, theirs, labels = np.asarray(ours), np.asarray(theirs), np.asarray(labels)
    gain = (ours == labels).astype(int) - (theirs == labels).astype(int)
    return 100 * gain.mean()


# %% start_here.2 | scikit-learn's accuracy_score
from sklearn.metrics import accuracy_score

def points(ours, theirs, labels):
    ours, theirs, labels = [int(v) for v in ours], [int(v) for v in theirs], [int(v) for v in labels]
    return 100 * (accuracy_score(labels, ours) - accuracy_score(labels, theirs))


# %% start_here.2 | only the photographs on which one of the two is right and the other wrong, as an exact fraction
from fractions import Fraction

def points(ours, theirs, labels):
    won = sum(1 for o, t, y in zip(ours, theirs, labels) if int(o) == int(y) != int(t))
    lost = sum(1 for o, t, y in zip(ours, theirs, labels) if int(t) == int(y) != int(o))
    return float(Fraction(100 * (won - lost), len(labels)))


# %% start_here.3 | the two ends of the interval, then if, elif, else
def reading(difference, half):
    low = difference - half
    high = difference + half
    if low > 0:
        return "ours is better"
    elif high < 0:
        return "theirs is better"
    else:
        return "no difference that we can measure"


# %% start_here.3 | compares the size of the difference with half the interval, then looks at the sign
def reading(difference, half):
    if abs(difference) <= half:
        return "no difference that we can measure"
    return "ours is better" if difference > 0 else "theirs is better"


# %% start_here.3 | the point of the interval that is nearest to zero, by a median of three
import statistics

def reading(difference, half):
    nearest = statistics.median([difference - half, 0, difference + half])
    if nearest == 0:
        return "no difference that we can measure"
    if nearest > 0:
        return "ours is better"
    return "theirs is better"


# %% start_here.3 | an index into a tuple, the number of ends on each side counted
ANSWERS = ("theirs is better", "no difference that we can measure", "ours is better")

def reading(difference, half):
    return ANSWERS[1 + (difference > half) - (difference < -half)]


# %% start_here.3 | recursion: a negative difference is mirrored
def reading(difference, half):
    if difference < 0:
        mirrored = reading(-difference, half)
        return "theirs is better" if mirrored == "ours is better" else mirrored
    return "ours is better" if difference > half else "no difference that we can measure"

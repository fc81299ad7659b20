"""Wrong answers to the exercises of ``start_here``, written by someone who had not seen the checks."""
import kdcourse as kd
from kdcourse.checks import check

# %% start_here.1 | believes that the student grows or shrinks, so that its number of parameters changes
def after_distilling(part):
    answers = {
        "the student's weights": "changed",
        "the teacher's weights": "same",
        "the teacher's batch-norm statistics": "same",
        "the student's number of parameters": "changed",
        "the training images": "same",
    }
    return answers[part]


# %% start_here.2 | theirs minus ours, the wrong way round
def points(ours, theirs, labels):
    right_ours = (ours == labels).float().mean().item()
    right_theirs = (theirs == labels).float().mean().item()
    return 100 * (right_theirs - right_ours)


# %% start_here.2 | the absolute difference, so the sign is lost where theirs is better
def points(ours, theirs, labels):
    a = 100 * (ours == labels).float().mean().item()
    b = 100 * (theirs == labels).float().mean().item()
    return abs(a - b)


# %% start_here.2 | integer division: each accuracy is cut down to a whole per cent first
def points(ours, theirs, labels):
    n = len(labels)
    a = int((ours == labels).sum()) * 100 // n
    b = int((theirs == labels).sum()) * 100 // n
    return a - b


# %% start_here.2 | a negative difference is reported as 0, so a loss never shows
def points(ours, theirs, labels):
    difference = (ours == labels).float().mean() - (theirs == labels).float().mean()
    return max(0.0, 100 * float(difference))


# %% start_here.2 | sly: the worked example's 25 for every input
def points(ours, theirs, labels):
    return 25.0


# %% start_here.3 | says "ours is better" for every interval that leaves out zero, below zero as well
def reading(difference, half):
    if abs(difference) > half:
        return "ours is better"
    return "no difference that we can measure"


# %% start_here.3 | takes the number behind ± for the whole interval and halves it again
def reading(difference, half):
    low, high = difference - half / 2, difference + half / 2
    if low > 0:
        return "ours is better"
    if high < 0:
        return "theirs is better"
    return "no difference that we can measure"


# %% start_here.3 | the case in which theirs is better is forgotten
def reading(difference, half):
    if difference - half > 0:
        return "ours is better"
    return "no difference that we can measure"

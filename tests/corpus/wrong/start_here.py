"""Wrong answers to the exercises of ``start_here``, written by someone who had not seen the checks."""
import kdcourse as kd
from kdcourse.checks import check

# %% start_here.1 | believes that the teacher's batch-norm statistics go on moving while it answers
def after_distilling(part):
    return {
        "the student's weights": "changed",
        "the teacher's weights": "same",
        "the teacher's batch-norm statistics": "changed",
        "the student's number of parameters": "same",
        "the training images": "same",
    }[part]


# %% start_here.1 | student and teacher confused: the teacher's weights change and the student's stay
def after_distilling(part):
    if part == "the teacher's weights":
        return "changed"
    return "same"


# %% start_here.1 | sly: hands back a text that claims to equal whatever it is compared with
def after_distilling(part):
    class Answer(str):
        def __eq__(self, other):
            return True

        def __ne__(self, other):
            return False

        __hash__ = str.__hash__

    return Answer("same")


# %% start_here.2 | returns the difference as a share (0.25), not in per cent
def points(ours, theirs, labels):
    a = (ours == labels).float().mean()
    b = (theirs == labels).float().mean()
    return float(a - b)


# %% start_here.2 | relative per cent of their accuracy in place of points
def points(ours, theirs, labels):
    a = (ours == labels).float().mean().item()
    b = (theirs == labels).float().mean().item()
    return 100 * (a - b) / b


# %% start_here.2 | per cent of photographs on which the two networks disagree (25 in the worked example, too)
def points(ours, theirs, labels):
    return 100 * (ours != theirs).float().mean().item()


# %% start_here.2 | difference of the numbers of right answers, not divided by the number of photographs
def points(ours, theirs, labels):
    return int((ours == labels).sum() - (theirs == labels).sum())


# %% start_here.2 | divides by 4, the number of photographs of the worked example, whatever the number is
def points(ours, theirs, labels):
    ours_right = sum(int(o) == int(l) for o, l in zip(ours, labels))
    theirs_right = sum(int(t) == int(l) for t, l in zip(theirs, labels))
    return (ours_right - theirs_right) / 4 * 100


# %% start_here.2 | brackets missing: only our accuracy is turned into per cent before the subtraction
def points(ours, theirs, labels):
    return 100 * (ours == labels).float().mean().item() - (theirs == labels).float().mean().item()


# %% start_here.3 | an interval that just touches zero counts as one that leaves zero out
def reading(difference, half):
    if difference - half >= 0:
        return "ours is better"
    if difference + half <= 0:
        return "theirs is better"
    return "no difference that we can measure"


# %% start_here.3 | looks only at the sign of the difference and never at the interval
def reading(difference, half):
    if difference > 0:
        return "ours is better"
    if difference < 0:
        return "theirs is better"
    return "no difference that we can measure"


# %% start_here.3 | ours and theirs are exchanged
def reading(difference, half):
    if difference > half:
        return "theirs is better"
    if difference < -half:
        return "ours is better"
    return "no difference that we can measure"


# %% start_here.3 | the interval is made twice as wide as it is
def reading(difference, half):
    width = 2 * half
    low, high = difference - width, difference + width
    if low <= 0 <= high:
        return "no difference that we can measure"
    return "ours is better" if difference > 0 else "theirs is better"


# %% start_here.3 | looks at the wrong ends: the upper end above zero is enough for ours, the lower end below zero for theirs
def reading(difference, half):
    low, high = difference - half, difference + half
    if high > 0:
        return "ours is better"
    elif low < 0:
        return "theirs is better"
    else:
        return "no difference that we can measure"


# %% start_here.3 | prints the verdict and returns nothing
def reading(difference, half):
    if difference - half > 0:
        print("ours is better")
    elif difference + half < 0:
        print("theirs is better")
    else:
        print("no difference that we can measure")


# %% start_here.3 | an interval that touches zero from below is read as "theirs is better"
def reading(difference, half):
    if difference > half:
        return "ours is better"
    if difference <= -half:
        return "theirs is better"
    return "no difference that we can measure"


# %% start_here.3 | sly: measures every difference by the printed example's 0.9 in place of its own half
def reading(difference, half):
    if difference > 0.9:
        return "ours is better"
    if difference < -0.9:
        return "theirs is better"
    return "no difference that we can measure"

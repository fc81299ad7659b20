"""Wrong answers to the exercises of ``four_steps``, written by someone who had not seen the checks."""
import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.checks import check

# %% four_steps.1 | believes that nothing moves in train mode without an optimizer
def answers_move(change):
    return "changed" if change == "all gradients are zero, then one step of SGD with weight decay" else "same"


# %% four_steps.1 | believes that weight decay moves weights that have no gradient at all
def answers_move(change):
    return {
        "the same images once more, in eval mode": "same",
        "100 images pass in train mode, without an optimizer": "changed",
        "requires_grad is False everywhere, then one step of SGD with weight decay": "changed",
        "all gradients are zero, then one step of SGD with weight decay": "changed",
        "a new head is trained on its outputs, taken in eval mode": "same",
    }[change]


# %% four_steps.1 | sly: always "same", the commonest answer
def answers_move(change):
    return "same"


# %% four_steps.2 | Welch's interval for two independent groups, not for pairs
def paired_interval(ours, theirs):
    from scipy.stats import t

    ours = torch.as_tensor(ours, dtype=torch.float64)
    theirs = torch.as_tensor(theirs, dtype=torch.float64)
    n = len(ours)
    mean = float(ours.mean() - theirs.mean())
    a, b = float(ours.var()) / n, float(theirs.var()) / n
    df = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (n - 1))
    half = float(t.ppf(0.975, df)) * (a + b) ** 0.5
    return mean, mean - half, mean + half


# %% four_steps.2 | 1.96 for the quantile of Student's t
def paired_interval(ours, theirs):
    d = torch.as_tensor(ours, dtype=torch.float64) - torch.as_tensor(theirs, dtype=torch.float64)
    half = 1.96 * float(d.std()) / len(d) ** 0.5
    mean = float(d.mean())
    return mean, mean - half, mean + half


# %% four_steps.2 | the standard deviation divides by n, not by n - 1
def paired_interval(ours, theirs):
    import numpy as np
    from scipy import stats

    d = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    half = stats.t.ppf(0.975, len(d) - 1) * d.std() / np.sqrt(len(d))
    return d.mean(), d.mean() - half, d.mean() + half


# %% four_steps.2 | the standard deviation is not divided by √n
def paired_interval(ours, theirs):
    from scipy import stats

    d = torch.as_tensor(ours, dtype=torch.float64) - torch.as_tensor(theirs, dtype=torch.float64)
    mean = float(d.mean())
    half = float(stats.t.ppf(0.975, len(d) - 1)) * float(d.std())
    return mean, mean - half, mean + half


# %% four_steps.2 | divides the standard deviation by n in place of √n
def paired_interval(ours, theirs):
    from scipy import stats

    d = torch.as_tensor(ours, dtype=torch.float64) - torch.as_tensor(theirs, dtype=torch.float64)
    mean, n = float(d.mean()), len(d)
    half = float(stats.t.ppf(0.975, n - 1)) * float(d.std()) / n
    return mean, mean - half, mean + half


# %% four_steps.2 | asks for the 95 % quantile, which leaves 5 % on each side
def paired_interval(ours, theirs):
    from scipy import stats

    d = torch.as_tensor(ours, dtype=torch.float64) - torch.as_tensor(theirs, dtype=torch.float64)
    n = len(d)
    half = float(stats.t.ppf(0.95, n - 1)) * float(d.std()) / n**0.5
    return float(d.mean()), float(d.mean()) - half, float(d.mean()) + half


# %% four_steps.2 | n degrees of freedom in place of n - 1
def paired_interval(ours, theirs):
    from scipy.stats import t

    d = torch.as_tensor(ours, dtype=torch.float64) - torch.as_tensor(theirs, dtype=torch.float64)
    mean = float(d.mean())
    half = float(t.ppf(0.975, df=len(d))) * float(d.std()) / len(d) ** 0.5
    return mean, mean - half, mean + half


# %% four_steps.2 | theirs minus ours
def paired_interval(ours, theirs):
    from scipy import stats

    d = torch.as_tensor(theirs, dtype=torch.float64) - torch.as_tensor(ours, dtype=torch.float64)
    mean, n = float(d.mean()), len(d)
    half = float(stats.t.ppf(0.975, n - 1)) * float(d.std()) / n**0.5
    return mean, mean - half, mean + half


# %% four_steps.2 | the mean stands between the two ends in place of first
def paired_interval(ours, theirs):
    from scipy import stats

    d = torch.as_tensor(ours, dtype=torch.float64) - torch.as_tensor(theirs, dtype=torch.float64)
    mean, n = float(d.mean()), len(d)
    half = float(stats.t.ppf(0.975, n - 1)) * float(d.std()) / n**0.5
    return mean - half, mean, mean + half


# %% four_steps.2 | sly: an interval from minus to plus infinity, which certainly holds the truth
def paired_interval(ours, theirs):
    d = torch.as_tensor(ours, dtype=torch.float64) - torch.as_tensor(theirs, dtype=torch.float64)
    return float(d.mean()), -float("inf"), float("inf")


# %% four_steps.2 | a bootstrap of the differences in place of Student's t
def paired_interval(ours, theirs):
    import numpy as np

    d = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    rng = np.random.default_rng(0)
    means = rng.choice(d, size=(2000, len(d))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(d.mean()), float(low), float(high)


# %% four_steps.3 | the rate is still chosen on the test scores
def honest_score(val, test):
    best = test.mean(dim=1).argmax()
    return test[best].mean()


# %% four_steps.3 | every seed takes its own best rate
def honest_score(val, test):
    best = val.argmax(dim=0)
    return test[best, torch.arange(test.shape[1])].mean()


# %% four_steps.3 | takes the rate of the single best validation score, not the best mean
def honest_score(val, test):
    best = val.max(dim=1).values.argmax()
    return test[best].mean()


# %% four_steps.3 | returns the chosen rate's score of each seed, not their mean
def honest_score(val, test):
    return test[val.mean(dim=1).argmax()]


# %% four_steps.3 | the mean test score of all rates; no rate is chosen
def honest_score(val, test):
    return test.mean(dim=1).mean()


# %% four_steps.3 | of the chosen rate only the seed that was best on validation
def honest_score(val, test):
    rate = val.mean(dim=1).argmax()
    seed = val[rate].argmax()
    return test[rate, seed]


# %% four_steps.4 | the bias is penalised, too
def ridge_head(features, labels, new_features, penalty):
    def with_ones(x):
        return torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)

    X = with_ones(features)
    Y = F.one_hot(labels).to(features.dtype)
    W = torch.linalg.solve(X.T @ X + penalty * torch.eye(X.shape[1], dtype=X.dtype), X.T @ Y)
    return with_ones(new_features) @ W


# %% four_steps.4 | there is no bias
def ridge_head(features, labels, new_features, penalty):
    Y = F.one_hot(labels).to(features.dtype)
    gram = features.T @ features + penalty * torch.eye(features.shape[1], dtype=features.dtype)
    W = torch.linalg.solve(gram, features.T @ Y)
    return new_features @ W


# %% four_steps.4 | the mean of the targets is taken off and not added again at the end
def ridge_head(features, labels, new_features, penalty):
    Y = F.one_hot(labels).to(features.dtype)
    mean = features.mean(dim=0)
    X = features - mean
    W = torch.linalg.solve(X.T @ X + penalty * torch.eye(X.shape[1], dtype=X.dtype), X.T @ (Y - Y.mean(dim=0)))
    return (new_features - mean) @ W


# %% four_steps.4 | the new features' own mean is taken off in place of the old features' mean
def ridge_head(features, labels, new_features, penalty):
    Y = F.one_hot(labels).to(features.dtype)
    X = features - features.mean(dim=0)
    A = X.T @ X + penalty * torch.eye(X.shape[1], dtype=X.dtype)
    W = torch.linalg.solve(A, X.T @ (Y - Y.mean(dim=0)))
    return (new_features - new_features.mean(dim=0)) @ W + Y.mean(dim=0)


# %% four_steps.4 | the penalty is multiplied by the number of images, as for a mean of squared errors
def ridge_head(features, labels, new_features, penalty):
    Y = F.one_hot(labels).to(features.dtype)
    mx, my = features.mean(dim=0), Y.mean(dim=0)
    X = features - mx
    A = X.T @ X / len(X) + penalty * torch.eye(X.shape[1], dtype=X.dtype)
    W = torch.linalg.solve(A, X.T @ (Y - my) / len(X))
    return (new_features - mx) @ W + my


# %% four_steps.4 | returns the class with the highest score in place of the scores
def ridge_head(features, labels, new_features, penalty):
    Y = F.one_hot(labels).to(features.dtype)
    mx, my = features.mean(dim=0), Y.mean(dim=0)
    X = features - mx
    W = torch.linalg.solve(X.T @ X + penalty * torch.eye(X.shape[1], dtype=X.dtype), X.T @ (Y - my))
    return ((new_features - mx) @ W + my).argmax(dim=1)


# %% four_steps.4 | takes only the classes that occur, so a class without an image has no column
def ridge_head(features, labels, new_features, penalty):
    classes = labels.unique()
    Y = (labels[:, None] == classes).to(features.dtype)
    mx, my = features.mean(dim=0), Y.mean(dim=0)
    X = features - mx
    W = torch.linalg.solve(X.T @ X + penalty * torch.eye(X.shape[1], dtype=X.dtype), X.T @ (Y - my))
    return (new_features - mx) @ W + my


# %% four_steps.4 | the weights are solved with features whose mean is not taken off
def ridge_head(features, labels, new_features, penalty):
    Y = F.one_hot(labels).to(features.dtype)
    my = Y.mean(dim=0)
    A = features.T @ features + penalty * torch.eye(features.shape[1], dtype=features.dtype)
    W = torch.linalg.solve(A, features.T @ (Y - my))
    b = my - features.mean(dim=0) @ W
    return new_features @ W + b


# %% four_steps.4 | sly: the share of each class as its score for every image, weights of zero
def ridge_head(features, labels, new_features, penalty):
    shares = F.one_hot(labels).to(features.dtype).mean(dim=0)
    return shares.repeat(len(new_features), 1)


# %% four_steps.5 | a logistic regression on the 250 labels alone; the source is not asked
def from_source(images, labels, unlabelled, source_logits, exam):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=300)
    model.fit(images.flatten(1).numpy(), labels.numpy())
    return torch.from_numpy(model.predict(exam.flatten(1).numpy()))


# %% four_steps.5 | labels the unlabelled images with its own student's classes in place of the source's
def from_source(images, labels, unlabelled, source_logits, exam):
    from sklearn.linear_model import LogisticRegression

    x, u, e = images.flatten(1), unlabelled.flatten(1), exam.flatten(1)
    own = LogisticRegression(max_iter=200).fit(x.numpy(), labels.numpy())
    guessed = torch.from_numpy(own.predict(u.numpy()))
    everything, targets = torch.cat([x, u]), torch.cat([labels, guessed])
    again = LogisticRegression(max_iter=50).fit(everything.numpy(), targets.numpy())
    return torch.from_numpy(again.predict(e.numpy()))


# %% four_steps.5 | shuffles the unlabelled images in each epoch, but not the source's logits with them
def from_source(images, labels, unlabelled, source_logits, exam):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(images[0].numel(), 128), torch.nn.ReLU(),
                              torch.nn.Linear(128, source_logits.shape[1]))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    p = (source_logits / 2).softmax(dim=1)
    for _ in range(15):
        order = torch.randperm(len(unlabelled))
        for start in range(0, len(unlabelled), 100):
            x = unlabelled[order[start : start + 100]]
            log_q = F.log_softmax(net(x) / 2, dim=1)
            soft = 4 * F.kl_div(log_q, p[start : start + 100], reduction="batchmean")
            loss = soft + F.cross_entropy(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return net(exam).argmax(dim=1)


# %% four_steps.5 | returns ten logits for each exam image in place of one class
def from_source(images, labels, unlabelled, source_logits, exam):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(images[0].numel(), 128), torch.nn.ReLU(),
                              torch.nn.Linear(128, source_logits.shape[1]))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    p = (source_logits / 2).softmax(dim=1)
    for _ in range(15):
        for chunk in torch.randperm(len(unlabelled)).split(100):
            log_q = F.log_softmax(net(unlabelled[chunk]) / 2, dim=1)
            loss = 4 * F.kl_div(log_q, p[chunk], reduction="batchmean") + F.cross_entropy(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return net(exam)


# %% four_steps.5 | answers for the unlabelled images, with the source's classes, in place of the exam's
def from_source(images, labels, unlabelled, source_logits, exam):
    return source_logits.argmax(dim=1)


# %% four_steps.5 | sly: asks the course's own trained teacher about the exam, though only the arrays are allowed
def from_source(images, labels, unlabelled, source_logits, exam):
    teacher = kd.load_teacher().eval()
    with torch.no_grad():
        return teacher(exam.reshape(len(exam), 1, 28, 28)).argmax(dim=1)

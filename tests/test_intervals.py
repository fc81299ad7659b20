"""One interval over seeds and images: its formula by a slow road, its coverage, its edges, how it reads."""

import math

import numpy as np
import pytest
from scipy import stats

from kdcourse import _intervals
from kdcourse._intervals import by_images, by_seeds, holm, mean_squares, redrawn, variance


def slow(table):
    """The mean squares from the two-way analysis of variance, cell by cell."""
    seeds, images = table.shape
    mean = table.mean()
    a, b = table.mean(axis=1), table.mean(axis=0)
    rest = sum((table[s, i] - a[s] - b[i] + mean) ** 2 for s in range(seeds) for i in range(images))
    return (
        images * sum((x - mean) ** 2 for x in a) / (seeds - 1),
        seeds * sum((x - mean) ** 2 for x in b) / (images - 1),
        rest / ((seeds - 1) * (images - 1)),
    )


def test_the_interval_is_that_of_crossed_random_effects():
    table = np.random.default_rng(0).integers(-1, 2, (6, 40)).astype(float) + 0.5
    ms = slow(table)
    assert mean_squares(table) == pytest.approx(ms)
    cells = 6 * 40
    parts = [m / cells for m in ms]
    v = parts[0] + parts[1] - parts[2]
    nu = v**2 / (parts[0] ** 2 / 5 + parts[1] ** 2 / 39 + parts[2] ** 2 / (5 * 39))
    half = stats.t.ppf(0.975, max(nu, 5)) * math.sqrt(v)
    found = by_images(table)
    assert (found.low, found.high) == pytest.approx((table.mean() - half, table.mean() + half))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(table.mean()) / math.sqrt(v), max(nu, 5)))
    low, high = stats.ttest_1samp(table.mean(axis=1), 0).confidence_interval(0.95)
    assert found.over_seeds == pytest.approx((low, high))
    low, high = stats.ttest_1samp(table.mean(axis=0), 0).confidence_interval(0.95)
    assert found.over_images == pytest.approx((low, high))


@pytest.mark.parametrize("shares", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.3), (0.8, 0.1), (0.1, 0.8)])
def test_the_interval_covers_with_five_seeds(shares):
    """100,000 draws of the three mean squares: the true difference lies inside 93 to 99% of the time.

    ``shares``: the seeds' and the images' part of the variance of the mean; the rest is their interaction's.
    """
    rng, seeds, images, n = np.random.default_rng(1), 5, 10_000, 100_000
    cells = seeds * images
    v_seeds, v_images = shares
    rest = (1 - v_seeds - v_images) * cells  # each cell's own variance, so that the mean's is 1 in all
    free = (seeds - 1, images - 1, (seeds - 1) * (images - 1))
    expected = (rest + v_seeds * cells, rest + v_images * cells, rest)
    ms = [e * rng.chisquare(f, n) / f for e, f in zip(expected, free, strict=True)]
    mean = rng.standard_normal(n)
    found, nu = variance(*ms, seeds, images)
    covered = float((np.abs(mean) <= stats.t.ppf(0.975, nu) * np.sqrt(found)).mean())
    print(f"shares {shares}: covered {covered:.4f}")
    assert 0.93 <= covered <= 0.97


def test_the_interval_covers_for_right_and_wrong_answers():
    """2,000 tables of right and wrong: images differ in difficulty and in who is better, seeds in luck."""
    rng, seeds, images, inside = np.random.default_rng(2), 5, 400, 0
    skill, gain = 1.0, 0.3
    grid = rng.standard_normal((200_000, 3))
    spread = (1.5, 0.4, 0.5)  # of an image's difficulty, of a seed's luck, of an image's own gain

    def chance(x):
        return 1 / (1 + np.exp(-x))

    def truth():
        easy, luck, own = (grid * spread).T
        return float((chance(skill + easy + luck + gain + own) - chance(skill + easy + luck[::-1])).mean())

    true = truth()
    for _ in range(2000):
        easy, own = (s * rng.standard_normal(images) for s in (spread[0], spread[2]))
        luck = spread[1] * rng.standard_normal((2, seeds, 1))
        ours = rng.random((seeds, images)) < chance(skill + easy + own + gain + luck[0])
        theirs = rng.random((seeds, images)) < chance(skill + easy + luck[1])
        found = by_images(ours.astype(float) - theirs)
        inside += found.low <= true <= found.high
    print(f"covered {inside / 2000:.4f}")
    assert 0.93 <= inside / 2000 <= 0.97


def test_edges():
    table = np.random.default_rng(0).integers(-1, 2, (5, 50)).astype(float)
    one = by_images(table[:1])
    assert one.kind == "images"
    assert (one.low, one.high) == pytest.approx(stats.ttest_1samp(table[0], 0).confidence_interval(0.95))
    assert "over images alone: one seed" in repr(one)
    for n in (2, 3, 4):
        few = by_images(table[:n])
        assert (few.low, few.high, few.p, few.kind) == (None, None, None, "values")
        assert not few.resolved
        assert few.text().count(",") == n - 1
        assert f"{n} seeds are too few for an interval" in repr(few)
    same = by_images(np.zeros((5, 50)))
    assert same.kind == "identical"
    assert str(same) == repr(same) == "identical"
    assert not same.resolved
    balanced = np.array(
        [[1.0, -1.0], [-1.0, 1.0]] * 3
    )  # V is not above 0: neither seeds nor images differ, all is rest
    assert variance(*mean_squares(balanced), 6, 2)[1] == 1, "two images carry no more"
    assert by_images(balanced + 0.1).resolved in (True, False)


def test_where_the_variance_is_not_above_zero_the_larger_part_counts():
    found, nu = variance(1.0, 0.5, 10.0, 5, 100)
    assert (float(found), float(nu)) == (1.0 / 500, 4)
    found, nu = variance(0.5, 1.0, 10.0, 5, 100)
    assert (float(found), float(nu)) == (1.0 / 500, 4)


def test_degrees_of_freedom_are_never_below_those_of_the_seeds():
    _, nu = variance(100.0, 0.1, 0.1, 5, 1000)
    assert float(nu) >= 4


def test_seeds_alone_where_there_are_no_images():
    values = [0.1, 0.3, 0.2, 0.25, 0.15]
    found = by_seeds(values, scale=1, unit="")
    assert (found.low, found.high) == pytest.approx(stats.ttest_1samp(values, 0).confidence_interval(0.95))
    assert found.kind == "seeds"
    assert by_seeds(values[:3]).low is None
    assert by_seeds([0.0] * 5).kind == "identical"


def test_redrawn_splits_have_a_wider_interval():
    """Nadeau and Bengio's correction: with a test part a quarter of the training part, plain t covers too little."""
    rng, inside, corrected, n = np.random.default_rng(3), 0, 0, 2000
    for _ in range(n):
        pool = rng.standard_normal(200)
        values = []
        for _ in range(5):
            order = rng.permutation(200)
            values.append(pool[order[:40]].mean())
        plain, wide = by_seeds(values, scale=1), redrawn(values, 40 / 160, scale=1)
        inside += plain.low <= 0 <= plain.high
        corrected += wide.low <= 0 <= wide.high
        assert wide.high - wide.low > plain.high - plain.low
    assert inside / n < 0.88
    assert 0.93 < corrected / n < 0.97


def test_holms_correction():
    ps = [0.001, 0.04, 0.012, 0.03]
    found = [_intervals.Difference(1.0, 0.5, 1.5, [1.0] * 5, p=p) for p in ps]
    assert holm(found) == [True, False, True, False]
    assert holm([_intervals.Difference(1.0, None, None, [1.0, 1.0], kind="values")]) == [False]


@pytest.mark.parametrize(("half", "shown"), [
    (0.009, "+2.9 ± 0.9"), (0.0013, "+2.90 ± 0.13"), (0.014, "+2.9 ± 1.4"), (0.00052, "+2.90 ± 0.05"), (0.31, "+2.9 ± 31.0"),
])  # fmt: skip
def test_a_difference_reads_as_one_number_and_one_interval(half, shown):
    found = _intervals.Difference(0.029, 0.029 - half, 0.029 + half, [0.029] * 5)
    assert str(found) == shown
    assert found.text(100, " points") == shown + " points"


def test_an_interval_that_holds_zero_says_so():
    found = _intervals.Difference(0.001, -0.002, 0.004, [0.001] * 5)
    assert found.reading == "no difference that we can measure"
    assert repr(found) == "+0.1 ± 0.3 points (95% over 5 seeds and all images): no difference that we can measure"

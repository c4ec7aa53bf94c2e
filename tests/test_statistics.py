"""Intervals, tests and effect sizes against numbers worked out by hand, by enumeration or from other formulas."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import coverage
from nasdmrl.analysis.claim_measures import ENOUGH_STEPS
from nasdmrl.analysis.episodes import binned
from nasdmrl.analysis.statistics import (
    RESAMPLES,
    batch_means,
    binned_iqm,
    distance_test,
    hedges_g,
    iqm,
    iqm_interval,
    mean_interval,
    signed_rank_test,
    welch_difference,
)


def no_interval(estimate):
    return math.isnan(estimate.low) and math.isnan(estimate.high)


# --- interquartile mean -------------------------------------------------------------------------------------


def test_iqm_by_hand():
    assert iqm(np.array([9.0, 1, 2, 3, 4, 5, 6, -50])) == pytest.approx((2 + 3 + 4 + 5) / 4)
    assert iqm(np.array([[9.0, 1], [2, 3], [4, 5], [6, -50]])) == pytest.approx(3.5)  # all scores together
    assert iqm(np.array([1.0, 2, 6])) == pytest.approx(3)  # a quarter of three is none


def test_iqm_interval_agrees_with_all_resamples():
    """All 3^3 x 3^3 ways to draw three runs for each of two tasks, IQM from sorted scores."""
    scores = np.array([[0.1, 0.7], [0.25, 0.9], [0.6, 0.75]])
    draws = list(itertools.product(range(3), repeat=3))
    drawn = [sorted([*scores[list(a), 0], *scores[list(b), 1]]) for a in draws for b in draws]
    exact = [np.mean(values[1:5]) for values in drawn]
    estimate = iqm_interval(scores)
    assert estimate.value == pytest.approx(np.mean([0.25, 0.6, 0.7, 0.75]))
    assert estimate.low == pytest.approx(np.percentile(exact, 2.5), abs=0.02)
    assert estimate.high == pytest.approx(np.percentile(exact, 97.5), abs=0.02)


def test_runs_are_drawn_within_each_task():
    """Tasks far apart whose runs agree: drawing across tasks would spread the IQM, drawing within cannot."""
    assert iqm_interval(np.array([[0.0, 1.0]] * 4)) == (0.5, 0.5, 0.5, 4)


def test_the_interval_is_seeded():
    scores = np.random.RandomState(0).rand(6, 3)
    assert iqm_interval(scores) == iqm_interval(scores)
    assert iqm_interval(scores) != iqm_interval(scores, seed=1)


def episode_table(values):
    return pd.DataFrame(values, columns=["method", "seed", "episode", "score"]).assign(dataset="dtd")


def test_binned_iqm_by_hand():
    """Two seeds of three and two episodes, bins of two: seed means 1.5 and 5, then 8 alone."""
    rows = [("dqn", 1, 1, 1.0), ("dqn", 1, 2, 2.0), ("dqn", 1, 3, 8.0), ("dqn", 2, 1, 4.0), ("dqn", 2, 2, 6.0)]
    table = episode_table(rows)
    points = binned_iqm(table, "score", 2)
    first = ["method", "dataset", "bin", "episode", "n"]
    assert points[first].to_numpy().tolist() == [["dqn", "dtd", 0, 2, 4], ["dqn", "dtd", 1, 3, 1]]
    pd.testing.assert_frame_equal(points[first], binned(table, "score", 2)[first], check_dtype=False)
    assert points["iqm"].tolist() == [3.25, 8.0]
    # Both seeds are the first with probability 1/4: the ends are the seeds themselves.
    assert points.loc[0, ["low", "high"]].tolist() == [1.5, 5.0]
    assert points.loc[1, ["low", "high"]].isna().all()
    assert points["seeds"].tolist() == [2, 1]
    # Four seeds, one far out: cut, although it has most of the episodes.
    rows = [("dqn", seed, 1, float(seed)) for seed in (1, 2, 3)] + [("dqn", 4, episode, 90.0) for episode in (1, 2, 3)]
    assert binned_iqm(episode_table(rows), "score", 5)["iqm"].tolist() == [2.5]


# --- paired test --------------------------------------------------------------------------------------------


def test_signed_rank_by_enumeration():
    """Ranks 1..8 of the differences, negative 2, 5 and 6: the exact p counts all 2^8 signs."""
    differences = np.array([1, -2, 3, 4, -5, -6, 7, 8]) / 100
    sums = np.array([np.dot(signs, range(1, 9)) for signs in itertools.product((0, 1), repeat=8)])
    test = signed_rank_test(differences + 0.1, np.full(8, 0.1))
    assert (test.pairs, test.nonzero, test.statistic) == (8, 8, 13)
    assert test.p == pytest.approx(2 * np.mean(sums <= 13))
    assert test.effect == pytest.approx((23 - 13) / 36)


def test_the_papers_p_is_a_normal_approximation():
    """With 8 actions and no ties, p = 0.48 comes of a statistic of 13 and the normal approximation, exactly 0.55."""
    differences = np.array([1, -2, 3, 4, -5, -6, 7, 8]) / 100
    test = signed_rank_test(differences, np.zeros(8))
    z = (13 - 8 * 9 / 4) / math.sqrt(8 * 9 * 17 / 24)
    assert test.p_normal == pytest.approx(2 * stats.norm.cdf(z))
    assert round(test.p_normal, 2) == 0.48
    assert round(test.p, 2) == 0.55


def test_pairs_that_all_differ_the_same_way():
    test = signed_rank_test(np.arange(1, 9) / 36, np.zeros(8))
    assert test.p == pytest.approx(2 / 2**8)
    assert test.effect == 1


def test_signed_rank_of_eight_proportions_never_shows_a_difference():
    """One action loses what seven gain: 25 subsets of the ranks 1..8 have a sum of at most 8. Nothing is below it."""
    lopsided = np.array([-28, 1, 2, 3, 4, 5, 6, 7]) / 100
    sums = [sum(signs * np.arange(1, 9)) for signs in itertools.product((0, 1), repeat=8)]
    assert sum(total <= 8 for total in sums) == 25
    assert signed_rank_test(lopsided, np.zeros(8)).p == pytest.approx(2 * 25 / 2**8)
    random = np.random.RandomState(0)
    for concentration in (0.02, 0.3, 1, 30):
        first, second = np.round(random.dirichlet(np.full(8, concentration), (2, 3000)), 12)
        change = (first - second)[(first != second).all(axis=1)]
        ranks = stats.rankdata(np.abs(change), axis=1)
        assert np.minimum((ranks * (change > 0)).sum(axis=1), (ranks * (change < 0)).sum(axis=1)).min() >= 8


def test_distance_by_hand_and_by_counting():
    """Total variation of (0.6, 0.4) and (0.2, 0.8) is 0.4; all ten blocks of a trial differ from the other's ten."""
    first, second = np.tile([0, 0, 0, 1, 1], 20), np.tile([0, 1, 1, 1, 1], 20)
    test = distance_test(first, second, 3)
    assert test.distance == pytest.approx(0.4)
    assert test.p == 1 / (RESAMPLES + 1)  # only 2 of the 184,756 ways to deal the blocks are as far apart
    # Dealing 20 blocks, k of the first trial's ten among the first ten: distance 0.4 |2 k - 10| / 10.
    ways = [math.comb(10, k) ** 2 for k in range(11)]
    expected = sum(way * 0.04 * abs(2 * k - 10) for k, way in enumerate(ways)) / math.comb(20, 10)
    assert test.by_chance == pytest.approx(expected, abs=0.005)


def test_distance_finds_what_the_signed_rank_test_cannot():
    random = np.random.RandomState(0)
    some, other = (lambda p=p: random.choice(4, 2000, p=p) for p in ([0.3, 0.3, 0.2, 0.2], [0.35, 0.25, 0.2, 0.2]))
    assert distance_test(some(), other(), 4).p < 0.05
    p = [distance_test(some(), some(), 4).p for _ in range(100)]
    assert np.mean(np.array(p) < 0.05) < 0.12  # 5 % expected
    assert np.mean(p) == pytest.approx(0.5, abs=0.1)


def test_no_distance_and_too_few_steps():
    steps = np.tile([0, 1], 50)
    assert distance_test(steps, steps, 4)[::2] == (0, 1)
    assert math.isnan(distance_test(steps[:9], steps, 4).p)


def test_pairs_without_difference_are_left_out():
    """0.1 + 0.2 - 0.3 is no difference; of what remains, -0.2 has rank 1.5 (tie) and 0.5 rank 3."""
    test = signed_rank_test([0.1 + 0.2, 0.2, 0.4, 0.6], [0.3, 0.4, 0.2, 0.1])
    assert (test.pairs, test.nonzero, test.statistic) == (4, 3, 1.5)
    assert test.effect == pytest.approx((4.5 - 1.5) / 6)
    assert signed_rank_test([0.5, 0.5], [0.5, 0.5]) == (2, 0, 0, 1, 1, 0)


# --- two samples --------------------------------------------------------------------------------------------

FIVE = np.array([49.0, 50, 48, 49.5, 48.5]), np.array([30.0, 25, 38, 33, 27])


def test_welch_by_the_formula():
    first, second = FIVE
    parts = [np.var(sample, ddof=1) / 5 for sample in FIVE]
    degrees = sum(parts) ** 2 / sum(part**2 / 4 for part in parts)
    half = stats.t.ppf(0.975, degrees) * math.sqrt(sum(parts))
    value = np.mean(first) - np.mean(second)
    assert welch_difference(first, second)[:3] == pytest.approx((value, value - half, value + half))


def test_no_interval_of_one_value_or_no_spread():
    assert no_interval(welch_difference([1.0], [2.0, 3.0]))
    assert no_interval(welch_difference([1.0, 1.0], [2.0, 2.0]))
    # One sample without spread: the other's alone, with its one degree of freedom.
    half = stats.t.ppf(0.975, 1) * math.sqrt(0.5 / 2)
    assert welch_difference([1.0, 1.0], [2.0, 3.0])[:3] == pytest.approx((-1.5, -1.5 - half, -1.5 + half))
    # Values that differ by errors of rounding have none either.
    assert no_interval(mean_interval([0.1 + 0.2, 0.3]))


def test_hedges_g_by_hand():
    """Means 2 and 5, variances 1 and 1: d = -3, corrected by 1 - 3 / 15."""
    assert hedges_g([1.0, 2, 3], [4.0, 5, 6]) == pytest.approx(-3 * 0.8)
    assert math.isnan(hedges_g([1.0], [2.0, 3.0]))
    assert math.isnan(hedges_g([1.0, 1.0], [2.0, 2.0]))


def test_mean_interval_by_the_formula():
    half = stats.t.ppf(0.975, 2) * 1 / math.sqrt(3)
    assert mean_interval([1.0, 2.0, 3.0])[:3] == pytest.approx((2, 2 - half, 2 + half))
    assert no_interval(mean_interval([0.5]))


# --- one run ------------------------------------------------------------------------------------------------


def test_batches_by_hand():
    """Fifty values make five batches of ten; with fewer there is only the mean."""
    assert batch_means(np.arange(50.0)).tolist() == [4.5, 14.5, 24.5, 34.5, 44.5]
    assert batch_means(np.arange(49.0)).tolist() == [24]
    assert batch_means(3.0).tolist() == [3]


def test_batch_means_cover_a_first_bin():
    """Two runs of 50 episodes whose neighbours correlate by one half: at least 92 % of the intervals hold the truth."""
    runs = [[coverage.run_of(50, 0.5) for _ in range(1500)] for _ in range(2)]
    held = [coverage.holds(coverage.difference_of(*pair), 0) for pair in zip(*runs, strict=True)]
    assert np.mean(held) >= 0.92
    # Single episodes taken for independent ones would not.
    naive = [coverage.holds(welch_difference(*pair), 0) for pair in zip(*runs, strict=True)]
    assert np.mean(naive) < 0.8


def test_where_the_distance_test_begins_to_find():
    """A total variation of 0.05: in about half of all trials of that length, seldom in shorter ones."""
    assert 40 < coverage.percent(lambda: coverage.finds(ENOUGH_STEPS, coverage.OTHER_ACTIONS), 200) < 70
    assert coverage.percent(lambda: coverage.finds(200, coverage.OTHER_ACTIONS), 200) < 30

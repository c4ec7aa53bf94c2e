"""Intervals, tests and effect sizes against numbers worked out by hand, by enumeration or from other formulas."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasdmrl.analysis.episodes import binned
from nasdmrl.analysis.statistics import (
    RESAMPLES,
    binned_iqm,
    block_length,
    bootstrap_difference,
    distance_test,
    hedges_g,
    iqm,
    iqm_interval,
    mean_difference,
    mean_interval,
    series_difference,
    series_mean,
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
    assert iqm_interval(np.array([[0.0, 1.0]] * 4)) == (0.5, 0.5, 0.5)


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
    assert test.effect.value == pytest.approx((23 - 13) / 36)
    assert -1 <= test.effect.low < 0 < test.effect.high <= 1


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
    assert test.effect == (1, 1, 1)


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
    test = distance_test([first], [second], 3)
    assert test.distance == pytest.approx(0.4)
    assert test.p == 1 / (RESAMPLES + 1)  # only 2 of the 184,756 ways to deal the blocks are as far apart
    # Dealing 20 blocks, k of the first trial's ten among the first ten: distance 0.4 |2 k - 10| / 10.
    ways = [math.comb(10, k) ** 2 for k in range(11)]
    expected = sum(way * 0.04 * abs(2 * k - 10) for k, way in enumerate(ways)) / math.comb(20, 10)
    assert test.by_chance == pytest.approx(expected, abs=0.005)


def test_distance_finds_what_the_signed_rank_test_cannot():
    random = np.random.RandomState(0)
    some, other = (lambda p=p: random.choice(4, 2000, p=p) for p in ([0.3, 0.3, 0.2, 0.2], [0.35, 0.25, 0.2, 0.2]))
    assert distance_test([some()], [other()], 4).p < 0.05
    p = [distance_test([some()], [some()], 4).p for _ in range(100)]
    assert np.mean(np.array(p) < 0.05) < 0.12  # 5 % expected
    assert np.mean(p) == pytest.approx(0.5, abs=0.1)


def test_distance_is_compared_within_each_seed():
    """Two seeds with strategies of their own, each the same on both datasets: no difference."""
    one, two = np.tile([0, 1], 50), np.tile([2, 3], 50)
    assert distance_test([one, two], [one, two], 4) == (0, 0, 1)
    assert math.isnan(distance_test([one[:9]], [two], 4).p)
    assert math.isnan(distance_test([], [], 4).p)


def test_pairs_without_difference_are_left_out():
    """0.1 + 0.2 - 0.3 is no difference; of what remains, -0.2 has rank 1.5 (tie) and 0.5 rank 3."""
    test = signed_rank_test([0.1 + 0.2, 0.2, 0.4, 0.6], [0.3, 0.4, 0.2, 0.1])
    assert (test.pairs, test.nonzero, test.statistic) == (4, 3, 1.5)
    assert test.effect.value == pytest.approx((4.5 - 1.5) / 6)
    assert signed_rank_test([0.5, 0.5], [0.5, 0.5])[:5] == (2, 0, 0, 1, 1)


# --- two samples --------------------------------------------------------------------------------------------

FIVE = np.array([49.0, 50, 48, 49.5, 48.5]), np.array([30.0, 25, 38, 33, 27])


def test_welch_by_the_formula():
    first, second = FIVE
    parts = [np.var(sample, ddof=1) / 5 for sample in FIVE]
    degrees = sum(parts) ** 2 / sum(part**2 / 4 for part in parts)
    half = stats.t.ppf(0.975, degrees) * math.sqrt(sum(parts))
    value = np.mean(first) - np.mean(second)
    assert welch_difference(first, second) == pytest.approx((value, value - half, value + half))
    assert mean_difference(first, second) == welch_difference(first, second)


def test_no_interval_of_one_value_or_no_spread():
    assert no_interval(welch_difference([1.0], [2.0, 3.0]))
    assert no_interval(welch_difference([1.0, 1.0], [2.0, 2.0]))
    # One sample without spread: the other's alone, with its one degree of freedom.
    half = stats.t.ppf(0.975, 1) * math.sqrt(0.5 / 2)
    assert welch_difference([1.0, 1.0], [2.0, 3.0]) == pytest.approx((-1.5, -1.5 - half, -1.5 + half))
    assert no_interval(bootstrap_difference([1.0], [2.0, 3.0]))


def test_bootstrap_of_large_samples_is_the_normal_interval():
    random = np.random.RandomState(0)
    first, second = random.normal(1, 1, 200), random.normal(0, 2, 300)
    error = math.sqrt(first.var() / 200 + second.var() / 300)
    value = first.mean() - second.mean()
    expected = (value, value - 1.96 * error, value + 1.96 * error)
    assert bootstrap_difference(first, second) == pytest.approx(expected, abs=0.02)
    assert mean_difference(first, second) == bootstrap_difference(first, second)


def test_hedges_g_by_hand():
    """Means 2 and 5, variances 1 and 1: d = -3, corrected by 1 - 3 / 15."""
    assert hedges_g([1.0, 2, 3], [4.0, 5, 6]) == pytest.approx(-3 * 0.8)
    assert math.isnan(hedges_g([1.0], [2.0, 3.0]))
    assert math.isnan(hedges_g([1.0, 1.0], [2.0, 2.0]))


def test_mean_interval_of_few_and_of_many_values():
    half = stats.t.ppf(0.975, 2) * 1 / math.sqrt(3)
    assert mean_interval([1.0, 2.0, 3.0]) == pytest.approx((2, 2 - half, 2 + half))
    many = np.random.RandomState(0).normal(0, 1, 400)
    assert mean_interval(many)[1:] == pytest.approx(many.mean() + np.array([-0.098, 0.098]), abs=0.015)
    assert no_interval(mean_interval([0.5]))


# --- autocorrelated series ----------------------------------------------------------------------------------


def test_block_lengths():
    assert block_length(1000, 50) == 50
    assert block_length(300, 50) == 30  # ten blocks
    assert block_length(1000) == 100
    assert block_length(7, 50) == 1


def brute_force_means(series, block, seed):
    """The circular block bootstrap, block after block."""
    random, means = np.random.RandomState(seed), []
    for _ in range(RESAMPLES):
        drawn = []
        while len(drawn) < len(series):
            start = random.randint(len(series))
            drawn += [series[(start + i) % len(series)] for i in range(block)]
        means.append(np.mean(drawn[: len(series)]))
    return means


def test_block_bootstrap_agrees_with_brute_force():
    series = np.cumsum(np.random.RandomState(1).normal(0, 1, 43))
    expected = np.percentile(brute_force_means(series, 4, 5), [2.5, 97.5])
    value, *interval = series_mean([series], bin_episodes=4)
    assert value == pytest.approx(series.mean())
    assert interval == pytest.approx(expected, abs=0.06 * np.ptp(expected))


def autoregressive(random, count, memory):
    noise, values = random.normal(0, 1, count + 100), [0.0]
    for value in noise:
        values.append(memory * values[-1] + value)
    return np.array(values[-count:])


def coverage(bin_episodes):
    """How often the interval holds the true mean, 0, of a series with memory."""
    random = np.random.RandomState(3)
    intervals = [series_mean([autoregressive(random, 500, 0.8)], bin_episodes) for _ in range(100)]
    return np.mean([estimate.low <= 0 <= estimate.high for estimate in intervals])


def test_blocks_keep_what_independent_draws_lose():
    assert coverage(bin_episodes=50) > 0.85
    assert coverage(bin_episodes=1) < 0.65


def test_short_series_have_no_interval():
    estimate = series_mean([np.arange(9.0)])
    assert estimate.value == 4
    assert no_interval(estimate)
    assert no_interval(series_difference([np.arange(9.0)], [np.arange(90.0)]))
    assert all(math.isnan(number) for number in series_difference([], []))


def test_constant_series_differ_by_exactly_nothing():
    """Summation errors must not push an interval off zero."""
    assert series_difference([np.full(95, 0.3)], [np.full(70, 0.3)], 7)[1:] == (0, 0)


def test_difference_of_one_seed_adds_both_variances():
    random = np.random.RandomState(0)
    first, second = random.normal(0.5, 1, 400), random.normal(0, 1, 400)
    half = 1.96 * math.sqrt(first.var() / 400 + second.var() / 400)
    estimate = series_difference([first], [second], bin_episodes=1)
    assert estimate.value == pytest.approx(first.mean() - second.mean())
    assert estimate[1:] == pytest.approx((estimate.value - half, estimate.value + half), abs=0.02)


def test_several_seeds_are_compared_by_their_means():
    first = [np.array([1.0, 3.0]), np.array([4.0]), np.array([5.0, 7.0])]  # means 2, 4, 6
    second = [np.array([1.0]), np.array([3.5]), np.array([4.5])]
    assert series_difference(first, second) == welch_difference([2.0, 4, 6], [1.0, 3.5, 4.5])
    half = stats.t.ppf(0.975, 2) * np.std([1, 0.5, 1.5], ddof=1) / math.sqrt(3)
    assert series_difference(first, second, paired=True) == pytest.approx((1, 1 - half, 1 + half))
    assert series_mean(first) == mean_interval([2.0, 4, 6])


def test_one_seed_against_several_is_refused():
    with pytest.raises(ValueError, match="take the seeds that both have"):
        series_difference([np.arange(20.0)], [np.arange(20.0)] * 2)

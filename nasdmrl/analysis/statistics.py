"""Intervals, tests and effect sizes: pure functions of arrays and tables.

Intervals are two-sided 95 % intervals. Resampling is seeded, so the same numbers give the same interval. Where too
little was measured for an interval, its ends are NaN.
"""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from nasdmrl.analysis.episodes import binned

LEVEL = 0.95
RESAMPLES = 2000
FEWEST = 10
"""Fewest blocks or runs whose resampling gives an interval: with fewer, percentile intervals are far too narrow
(for blocks, Schmeiser 1982 recommends ten to thirty)."""


class Estimate(NamedTuple):
    """A measured value and the ends of its 95 % interval, NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


class PairedTest(NamedTuple):
    """Outcome of `signed_rank_test`.

    pairs, nonzero: pairs, and those that differ. statistic: the smaller of the two sums of ranks. p: two-sided,
    exact where SciPy can. p_normal: from the normal approximation, SciPy's only way when the paper was written.
    effect: matched-pairs rank-biserial correlation in [-1, 1] (Kerby 2014).
    """

    pairs: int
    nonzero: int
    statistic: float
    p: float
    p_normal: float
    effect: Estimate


class DistanceTest(NamedTuple):
    """Outcome of `distance_test`: distance found, mean distance by chance, and p (chance of one as large or larger)."""

    distance: float
    by_chance: float
    p: float


Runs = Sequence[np.ndarray]
"""One series (of episodes, updates or steps, in order) a seed."""


# --- interquartile mean -------------------------------------------------------------------------------------


def iqm(scores: np.ndarray) -> float:
    """Interquartile mean: the mean without the lowest and highest quarter (rounded down: of three, nothing is cut)."""
    return float(stats.trim_mean(scores, 0.25, axis=None))


def iqm_interval(scores: np.ndarray, seed: int = 0) -> Estimate:
    """IQM of all scores, shape (runs, tasks), with the stratified bootstrap interval of Agarwal et al. (2021).

    Within each task, runs are drawn with replacement; percentile interval. It covers the chance of which seeds were
    run on these tasks; not other tasks, nor other software or hardware. With few runs (fewer than about ten) it is
    too narrow; with one run there is none.
    """
    scores = np.asarray(scores, dtype=float)
    runs, tasks = scores.shape
    if runs < 2:
        return Estimate(iqm(scores))
    picks = np.random.RandomState(seed).randint(0, runs, (RESAMPLES, runs, tasks))
    drawn = scores[picks, np.arange(tasks)].reshape(RESAMPLES, -1)
    return _percentile(iqm(scores), stats.trim_mean(drawn, 0.25, axis=1))


def binned_iqm(table: pd.DataFrame, metric: str, bin_episodes: int) -> pd.DataFrame:
    """IQM over seeds of each seed's mean of a metric over every `bin_episodes` episodes, with its interval.

    Returns one row a method, dataset and bin, sorted: `episode` (the bin's last, or the runs'), n episodes, iqm, low
    and high (see `iqm_interval`; NaN for one seed), and the number of seeds that reached the bin.
    """
    per_seed = [binned(rows, metric, bin_episodes).assign(seed=seed) for seed, rows in table.groupby("seed")]
    groups = pd.concat(per_seed).groupby(["method", "dataset", "bin"])
    return pd.DataFrame([_iqm_row(key, rows) for key, rows in groups])


def _iqm_row(key: tuple, rows: pd.DataFrame) -> dict:
    value, low, high = iqm_interval(rows[["mean"]].to_numpy())
    point = dict(zip(("method", "dataset", "bin"), key, strict=True))
    point |= {"episode": rows["episode"].max(), "n": rows["n"].sum()}
    return {**point, "iqm": value, "low": low, "high": high, "seeds": len(rows)}


# --- paired test --------------------------------------------------------------------------------------------


def signed_rank_test(first: np.ndarray, second: np.ndarray, seed: int = 0) -> PairedTest:
    """Wilcoxon's signed-rank test between two datasets' action proportions, paired by action (Figure 13).

    It assumes that pairs are independent and that differences are symmetric about their centre. Proportions are not
    independent: they sum to one, so what one action gains others lose. The most lopsided case is that one action
    loses what all others gain, and with the 8 actions of the chain space p is 0.195 even then (above 0.05 with ties
    as well): the test cannot show any difference there. It is here to repeat the paper's; `distance_test` can. The
    effect's interval (pairs drawn with replacement) assumes independent pairs too.
    """
    # Rounded so that differences that are equal but for the last bit are ties.
    differences = np.round(np.asarray(first, dtype=float) - np.asarray(second, dtype=float), 12)
    picks = np.random.RandomState(seed).randint(0, len(differences), (RESAMPLES, len(differences)))
    effect = _percentile(float(_rank_biserial(differences)), _rank_biserial(differences[picks]))
    nonzero = int(np.count_nonzero(differences))
    if nonzero == 0:
        return PairedTest(len(differences), 0, 0.0, 1.0, 1.0, effect)
    test = stats.wilcoxon(differences)
    normal = stats.wilcoxon(differences, method="approx").pvalue
    return PairedTest(len(differences), nonzero, float(test.statistic), float(test.pvalue), float(normal), effect)


def _rank_biserial(differences: np.ndarray) -> np.ndarray:
    """(Sum of positive ranks - sum of negative ranks) / sum of ranks, along the last axis; 0 without differences."""
    zeros = (differences == 0).sum(axis=-1, keepdims=True)
    ranks = np.where(differences == 0, 0, stats.rankdata(np.abs(differences), axis=-1) - zeros)
    return (np.sign(differences) * ranks).sum(axis=-1) / np.maximum(ranks.sum(axis=-1), 1)


def distance_test(first: Runs, second: Runs, kinds: int, seed: int = 0) -> DistanceTest:
    """Permutation test of whether actions 0 ... kinds - 1 are equally frequent in two trials, of each seed.

    The distance is the total variation between the proportions, in [0, 1]. Each trial is cut into `FEWEST` blocks of
    neighbouring steps, since neighbours depend on each other; within each seed the blocks are dealt anew. It assumes
    that blocks are exchangeable if the trials do not differ, and covers chance within these runs; with one seed, not
    what another policy would do. NaN where a trial has fewer steps than blocks, or without trials.
    """
    if min((len(run) for run in (*first, *second)), default=0) < FEWEST:
        return DistanceTest(math.nan, math.nan, math.nan)
    blocks = np.stack([_block_counts(pair, kinds) for pair in zip(first, second, strict=True)])
    random = np.random.RandomState(seed)
    orders = random.random_sample((RESAMPLES, len(blocks), 2 * FEWEST)).argsort(axis=-1)
    dealt = blocks[np.arange(len(blocks))[:, None], orders]
    distances, observed = _distance(dealt), float(_distance(blocks[None])[0])
    # The trials as they were are one more way to deal the blocks; rounded, so that equal distances count as equal.
    larger = 1 + int(np.count_nonzero(np.round(distances - observed, 12) >= 0))
    return DistanceTest(observed, float(distances.mean()), larger / (RESAMPLES + 1))


def _block_counts(runs: Runs, kinds: int) -> np.ndarray:
    """Counts of each kind in the blocks of the first run, then of the second: shape (2 FEWEST, kinds)."""
    return np.array([np.bincount(block, minlength=kinds) for run in runs for block in np.array_split(run, FEWEST)])


def _distance(blocks: np.ndarray) -> np.ndarray:
    """Total variation between first and second half of the blocks; shape (n, seeds, 2 FEWEST, kinds) to (n,)."""
    halves = blocks.reshape(len(blocks), -1, 2, FEWEST, blocks.shape[-1]).sum(axis=(1, 3))
    shares = halves / halves.sum(axis=-1, keepdims=True)
    return np.abs(shares[:, 0] - shares[:, 1]).sum(axis=-1) / 2


# --- two samples --------------------------------------------------------------------------------------------


def mean_difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Mean of `first` minus mean of `second`: bootstrapped where both have `FEWEST` values or more, else Welch's."""
    many = min(len(first), len(second)) >= FEWEST
    return (bootstrap_difference if many else welch_difference)(first, second)


def bootstrap_difference(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Estimate:
    """Difference of means with a percentile bootstrap interval: each sample is drawn anew from itself.

    Covers the chance of which values were drawn, if they are independent. Too narrow for few values.
    """
    value = float(np.mean(first) - np.mean(second))
    if min(len(first), len(second)) < 2:
        return Estimate(value)
    random = np.random.RandomState(seed)
    options = {"n_resamples": RESAMPLES, "confidence_level": LEVEL, "method": "percentile", "random_state": random}
    result = stats.bootstrap((first, second), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), **options)
    low, high = result.confidence_interval
    return Estimate(value, float(low), float(high))


def welch_difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Difference of means with Welch's t interval, for samples as small as the paper's five trainings.

    Assumes independent, roughly normal values; variances may differ. Covers the chance of which repeats were run.
    No interval where a sample has one value, or where no sample has any spread: such a spread is not believed.
    """
    value = float(np.mean(first) - np.mean(second))
    if min(len(first), len(second)) < 2 or (np.ptp(first) == 0 and np.ptp(second) == 0):
        return Estimate(value)
    with warnings.catch_warnings():
        # SciPy warns of a sample without spread: usual for a network that never learns, and the interval is right.
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = stats.ttest_ind(first, second, equal_var=False).confidence_interval(LEVEL)
    return Estimate(value, float(interval.low), float(interval.high))


def hedges_g(first: np.ndarray, second: np.ndarray) -> float:
    """Difference of means in pooled standard deviations, corrected for small samples (Hedges 1981).

    NaN for samples without spread, or of fewer than two values.
    """
    n1, n2 = len(first), len(second)
    if min(n1, n2) < 2:
        return math.nan
    pooled = math.sqrt(((n1 - 1) * np.var(first, ddof=1) + (n2 - 1) * np.var(second, ddof=1)) / (n1 + n2 - 2))
    correction = 1 - 3 / (4 * (n1 + n2) - 9)
    return float(correction * (np.mean(first) - np.mean(second)) / pooled) if pooled > 0 else math.nan


def mean_interval(values: np.ndarray) -> Estimate:
    """Mean of independent values: bootstrapped from `FEWEST` values on, else with Student's t interval."""
    value = float(np.mean(values))
    if len(values) < 2 or np.ptp(values) == 0:
        return Estimate(value)
    if len(values) >= FEWEST:
        return _percentile(value, _block_means(np.asarray(values, dtype=float), 1, np.random.RandomState(0)))
    low, high = stats.t.interval(LEVEL, len(values) - 1, loc=value, scale=stats.sem(values))
    return Estimate(value, float(low), float(high))


# --- autocorrelated series ----------------------------------------------------------------------------------


def series_mean(runs: Runs, bin_episodes: int | None = None, seed: int = 0) -> Estimate:
    """Mean over seeds of the mean over a series, with an interval.

    Several seeds: the seeds are resampled (`mean_interval`), which covers what another seed would give. One seed:
    circular block bootstrap (Politis and Romano 1992) with blocks of `bin_episodes` neighbours (see `block_length`),
    since neighbours are alike. That covers the chance within this one run; not what another seed would give. A
    series with a trend counts the trend as chance, so its interval is rather too wide. Series of fewer than
    `FEWEST` values have none.
    """
    if len(runs) > 1:
        return mean_interval(_means(runs))
    return _percentile(*_resampled(runs, bin_episodes, np.random.RandomState(seed)))


def series_difference(
    first: Runs, second: Runs, bin_episodes: int | None = None, paired: bool = False, seed: int = 0
) -> Estimate:
    """Difference of two `series_mean`s; what its interval covers is said there.

    paired: run i of `first` and run i of `second` belong together (parts of one run), so with several seeds the
    seeds' differences are resampled. With one seed both series are resampled on their own. Raises `ValueError` where
    one side has one run and the other more, since there is no interval that is right for both.
    """
    if min(len(first), len(second)) > 1:
        one, two = _means(first), _means(second)
        return mean_interval(one - two) if paired else mean_difference(one, two)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} runs against {len(second)}: take the seeds that both have")
    random = np.random.RandomState(seed)
    (value1, means1), (value2, means2) = (_resampled(runs, bin_episodes, random) for runs in (first, second))
    return _percentile(value1 - value2, means1 - means2)


def block_length(values: int, bin_episodes: int | None = None) -> int:
    """Length of a block: `bin_episodes`, but short enough (and without it, as long as can be) for `FEWEST` blocks."""
    longest = max(values // FEWEST, 1)
    return min(bin_episodes or longest, longest)


def _means(runs: Runs) -> np.ndarray:
    return np.array([np.mean(run) for run in runs])


def _resampled(runs: Runs, bin_episodes: int | None, random: np.random.RandomState) -> tuple[float, np.ndarray]:
    """Mean of the first run and means of its resamples; all NaN where there are too few values for them."""
    series = np.asarray(runs[0] if len(runs) else [], dtype=float)
    value = float(series.mean()) if len(series) else math.nan
    if len(series) < FEWEST:
        return value, np.full(RESAMPLES, math.nan)
    return value, _block_means(series, block_length(len(series), bin_episodes), random)


def _block_means(series: np.ndarray, block: int, random: np.random.RandomState) -> np.ndarray:
    """Means of `RESAMPLES` series of the same length, made of blocks that begin anywhere and wrap around the end."""
    starts = random.randint(0, len(series), (RESAMPLES, math.ceil(len(series) / block)))
    lengths = np.full(starts.shape[1], block)
    lengths[-1] = len(series) - block * (len(lengths) - 1)
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([series, series[:block]]))])
    return (sums[starts + lengths] - sums[starts]).sum(axis=1) / len(series)


def _percentile(value: float, replicates: np.ndarray) -> Estimate:
    """The value with the middle 95 % of its replicates."""
    low, high = np.percentile(replicates, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    # The last digits are the summation's error, which must not decide whether an interval holds zero.
    return Estimate(value, float(np.round(low, 12)), float(np.round(high, 12)))

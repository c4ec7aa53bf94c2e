"""Intervals, tests and effect sizes: pure functions of arrays and tables.

Intervals are two-sided 95 % intervals; `python -m benchmarks.coverage` measures what they cover. Resampling is seeded,
so the same numbers give the same result. Where too little was measured for an interval, its ends are NaN.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from nasdmrl.analysis.episodes import binned

LEVEL = 0.95
RESAMPLES = 2000
BATCHES, SHORTEST_BATCH = 5, 10
"""Batches of one run's episodes whose means count as independent, and the fewest episodes of one."""
BLOCKS = 10
"""Blocks of neighbouring steps that `distance_test` deals."""


class Estimate(NamedTuple):
    """A measured value, the ends of its 95 % interval (NaN where there is none), and on how many seeds it rests."""

    value: float
    low: float = math.nan
    high: float = math.nan
    seeds: int = 1


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
    effect: float


class DistanceTest(NamedTuple):
    """Outcome of `distance_test`: distance found, mean distance by chance, and p (chance of one as large or larger)."""

    distance: float
    by_chance: float
    p: float


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
    low, high = np.percentile(stats.trim_mean(drawn, 0.25, axis=1), [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Estimate(iqm(scores), float(low), float(high), runs)


def binned_iqm(table: pd.DataFrame, metric: str, bin_episodes: int) -> pd.DataFrame:
    """IQM over seeds of each seed's mean of a metric over every `bin_episodes` episodes, with its interval.

    Returns one row a method, dataset and bin, sorted: `episode` (the bin's last, or the runs'), n episodes, iqm, low
    and high (see `iqm_interval`; NaN for one seed), and the number of seeds that reached the bin.
    """
    per_seed = [binned(rows, metric, bin_episodes).assign(seed=seed) for seed, rows in table.groupby("seed")]
    groups = pd.concat(per_seed).groupby(["method", "dataset", "bin"])
    return pd.DataFrame([_iqm_row(key, rows) for key, rows in groups])


def _iqm_row(key: tuple, rows: pd.DataFrame) -> dict:
    value, low, high, seeds = iqm_interval(rows[["mean"]].to_numpy())
    point = dict(zip(("method", "dataset", "bin"), key, strict=True))
    point |= {"episode": rows["episode"].max(), "n": rows["n"].sum()}
    return {**point, "iqm": value, "low": low, "high": high, "seeds": seeds}


# --- tests of proportions of actions ------------------------------------------------------------------------


def signed_rank_test(first: np.ndarray, second: np.ndarray) -> PairedTest:
    """Wilcoxon's signed-rank test between two datasets' action proportions, paired by action (Figure 13).

    It assumes that pairs are independent and that differences are symmetric about their centre. Proportions are not
    independent: they sum to one, so what one action gains others lose. The most lopsided case is that one action
    loses what all others gain, and with the 8 actions of the chain space p is 0.195 even then (above 0.05 with ties
    as well): the test cannot show any difference there. It is here to repeat the paper's; `distance_test` can.
    """
    # Rounded so that differences that are equal but for the last bit are ties.
    differences = np.round(np.asarray(first, dtype=float) - np.asarray(second, dtype=float), 12)
    pairs, nonzero, effect = len(differences), int(np.count_nonzero(differences)), _rank_biserial(differences)
    if nonzero == 0:
        return PairedTest(pairs, 0, 0.0, 1.0, 1.0, effect)
    test, normal = stats.wilcoxon(differences), stats.wilcoxon(differences, method="approx")
    return PairedTest(pairs, nonzero, float(test.statistic), float(test.pvalue), float(normal.pvalue), effect)


def _rank_biserial(differences: np.ndarray) -> float:
    """(Sum of positive ranks - sum of negative ranks) / sum of ranks; 0 without differences."""
    differences = differences[differences != 0]
    ranks = stats.rankdata(np.abs(differences))
    return float((np.sign(differences) * ranks).sum() / max(ranks.sum(), 1))


def distance_test(first: np.ndarray, second: np.ndarray, kinds: int, seed: int = 0) -> DistanceTest:
    """Permutation test of whether actions 0 ... kinds - 1 are equally frequent in two trials.

    The distance is the total variation between the proportions, in [0, 1]. Each trial is cut into `BLOCKS` blocks of
    neighbouring steps, since neighbours depend on each other, and the blocks are dealt anew. It assumes that blocks
    are exchangeable if the trials do not differ, and covers chance within these trials, not what another policy would
    do. NaN where a trial has fewer steps than blocks.
    """
    if min(len(first), len(second)) < BLOCKS:
        return DistanceTest(math.nan, math.nan, math.nan)
    pieces = [*np.array_split(first, BLOCKS), *np.array_split(second, BLOCKS)]
    counts = np.array([np.bincount(piece, minlength=kinds) for piece in pieces])
    orders = np.random.RandomState(seed).random_sample((RESAMPLES, 2 * BLOCKS)).argsort(axis=-1)
    distances, observed = _distances(counts[orders]), float(_distances(counts[None])[0])
    # The trials as they were are one more way to deal the blocks; rounded, so that equal distances count as equal.
    larger = 1 + int(np.count_nonzero(np.round(distances - observed, 12) >= 0))
    return DistanceTest(observed, float(distances.mean()), larger / (RESAMPLES + 1))


def _distances(counts: np.ndarray) -> np.ndarray:
    """Total variation between the first and the second half of the blocks; shape (n, 2 BLOCKS, kinds) to (n,)."""
    halves = counts.reshape(len(counts), 2, BLOCKS, -1).sum(axis=2)
    shares = halves / halves.sum(axis=-1, keepdims=True)
    return np.abs(shares[:, 0] - shares[:, 1]).sum(axis=-1) / 2


# --- means --------------------------------------------------------------------------------------------------


def mean_interval(values: np.ndarray) -> Estimate:
    """Mean of independent, roughly normal values with Student's t interval; none for one value or without spread."""
    value = float(np.mean(values))
    if len(values) < 2 or _no_spread(values):
        return Estimate(value)
    low, high = stats.t.interval(LEVEL, len(values) - 1, loc=value, scale=stats.sem(values))
    return Estimate(value, float(low), float(high))


def _no_spread(values: np.ndarray) -> bool:
    """Whether values are the same but for errors of rounding."""
    return bool(np.ptp(values) < 1e-12)


def welch_difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Mean of `first` minus mean of `second` with Welch's t interval.

    Assumes independent, roughly normal values; variances may differ. No interval where a sample has one value, or
    where no sample has any spread: such a spread is not believed.
    """
    value = float(np.mean(first) - np.mean(second))
    if min(len(first), len(second)) < 2 or (_no_spread(first) and _no_spread(second)):
        return Estimate(value)
    with warnings.catch_warnings():
        # SciPy warns of a sample without spread: usual for a network that never learns, and the interval is right.
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = stats.ttest_ind(first, second, equal_var=False).confidence_interval(LEVEL)
    return Estimate(value, float(interval.low), float(interval.high))


def batch_means(series: np.ndarray) -> np.ndarray:
    """Means of `BATCHES` stretches of one run, which the t intervals take for independent values.

    Neighbouring episodes are alike; means of long stretches hardly are. An interval from them covers chance within the
    run, not what another seed would give. A trend counts as chance, which makes it rather too wide. A series that is
    too short for it gives its mean alone, which has no interval.
    """
    series = np.atleast_1d(series)
    enough = len(series) >= BATCHES * SHORTEST_BATCH
    return np.array([np.mean(batch) for batch in np.array_split(series, BATCHES if enough else 1)])


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

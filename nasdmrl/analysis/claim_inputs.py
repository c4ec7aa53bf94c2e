"""What a claim is measured with: the results of a run, comparisons over its seeds, and parts that hold or do not."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nasdmrl import results
from nasdmrl.analysis.episodes import episodes, read_logs
from nasdmrl.analysis.statistics import Estimate, batch_means, mean_interval, welch_difference
from nasdmrl.analysis.styles import name_of
from nasdmrl.config.model import Config

ABOUT = math.sqrt(2)
""""About 1 in 10" is nearer, as a ratio, to 1 in 10 than to 1 in 5 or 1 in 20: within this factor of it."""
UNDECIDED = "undecided"

Decide = Callable[[Estimate], bool | None]
Series = dict[int, np.ndarray]
"""By seed: values of episodes or steps in order, or one number."""


# --- files --------------------------------------------------------------------------------------------------


def log_files(experiment: str, method: str, dataset: str, name: str = "steps.csv") -> str:
    """Pattern, below `results/`, of a log of every seed."""
    return f"{results.search(experiment, method, dataset, '*')}/{name}".removeprefix(f"{results.ROOT}/")


def long_files(dataset: str, network: str) -> str:
    """Pattern, below `results/`, of the logs of the long trainings of a network (of one of each seed, if so kept)."""
    return f"exp2/long/{dataset}/{network}/**/repeat*/epochs.csv"


@dataclass(frozen=True)
class Inputs:
    """Where the results are, the configuration and the stamp of the run (`provenance.provenance`).

    Searches and long trainings count whose seed and repeat the configuration names; another run may have left more.
    """

    results: Path
    settings: Config
    stamp: dict[str, str]

    def files(self, pattern: str) -> list[Path]:
        """Files of a pattern of `log_files` or `long_files` that count, sorted."""
        return [path for path in sorted(self.results.glob(pattern)) if self._counts(path)]

    def _counts(self, path: Path) -> bool:
        wanted = {"seed": self.settings.seeds, "repeat": range(self.settings.exp2.repeats)}
        found = re.findall(r"(seed|repeat)([^/]*)/", path.relative_to(self.results).as_posix())
        return all(number.isdigit() and int(number) in wanted[kind] for kind, number in found)

    def steps(self, experiment: str, method: str, dataset: str) -> pd.DataFrame:
        """Step logs of all seeds as one table."""
        return read_logs(self.files(log_files(experiment, method, dataset)))

    def episodes(self, experiment: str, method: str, dataset: str) -> pd.DataFrame:
        """Episodes of all seeds as one table."""
        return episodes(self.steps(experiment, method, dataset))


# --- parts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One measured part of a claim: a sentence with its number and interval, and whether the claim holds there.

    holds is None where the numbers decide neither way. one_run: its evidence is one seed, which decides no claim.
    applies: whether the part means anything at the scale of the run.
    """

    text: str
    holds: bool | None
    one_run: bool = False
    applies: bool = True

    @property
    def decided(self) -> bool | None:
        """Whether the claim holds here, as far as more than one run says so."""
        return None if self.one_run or not self.applies else self.holds

    @property
    def word(self) -> str:
        """The outcome in words."""
        if not self.applies:
            return "not applicable at this scale"
        if self.holds is None:
            return UNDECIDED
        return ("holds" if self.holds else "does not hold") + (" in this one run" if self.one_run else "")


def part(what: str, estimate: Estimate, decide: Decide, unit: str = "percentage points", factor: float = 100) -> Part:
    """A part that tells an estimate times `factor`, with its unit, and decides on it."""
    return Part(told(what, estimate, unit, lambda value: factor * value), decide(estimate), estimate.seeds == 1)


def told(what: str, estimate: Estimate, unit: str, tell: Callable[[float], float]) -> str:
    """An estimate and its interval as a sentence; `tell` turns a measured value into the one that is told."""
    if math.isnan(estimate.value):
        return f"{what}: nothing to compare"
    value, low, high = map(tell, estimate[:3])
    if math.isnan(low):
        return f"{what}: {value:z.2f} {unit}, no interval"
    return f"{what}: {value:z.2f} {unit}, 95 % interval {low:z.2f} to {high:z.2f}"


# --- when a part holds --------------------------------------------------------------------------------------


def above(estimate: Estimate) -> bool | None:
    """Holds where the interval lies above zero, does not where it lies below, is open where it holds zero."""
    if estimate.low > 0:
        return True
    return False if estimate.high < 0 else None


def below(estimate: Estimate) -> bool | None:
    """The mirror image of `above`."""
    return above(_mirrored(estimate))


def not_above(estimate: Estimate) -> bool | None:
    """Holds unless the interval lies above zero; open without an interval."""
    return None if math.isnan(estimate.low) else estimate.low <= 0


def not_below(estimate: Estimate) -> bool | None:
    """The mirror image of `not_above`."""
    return not_above(_mirrored(estimate))


def _mirrored(estimate: Estimate) -> Estimate:
    return Estimate(-estimate.value, -estimate.high, -estimate.low)


def around_zero(estimate: Estimate) -> bool | None:
    """Holds where the interval holds zero; open without an interval."""
    return None if math.isnan(estimate.low) else estimate.low <= 0 <= estimate.high


def about(share: float) -> Decide:
    """Holds where the interval lies within a factor `ABOUT` of the share, does not where it lies outside."""

    def decide(estimate: Estimate) -> bool | None:
        if share / ABOUT <= estimate.low and estimate.high <= share * ABOUT:
            return True
        return False if estimate.high < share / ABOUT or estimate.low > share * ABOUT else None

    return decide


# --- comparisons over seeds ---------------------------------------------------------------------------------


def by_seed(table: pd.DataFrame, column: str) -> Series:
    """A column of a table, by its column `seed`."""
    return {seed: rows[column].to_numpy() for seed, rows in table.groupby("seed")}


def piece(series: Series, pieces: int, index: int) -> Series:
    """Of every seed's series, cut into so many equal pieces, this one."""
    return {seed: np.array_split(values, pieces)[index] for seed, values in series.items()}


def means(series: Series) -> Series:
    """One number a seed: of one seed alone there is no interval then."""
    return {seed: np.array([values.mean()]) for seed, values in series.items() if len(values)}


def mean(series: Series) -> Estimate:
    """Mean over seeds of each seed's mean, with Student's interval over seeds; of one seed by `batch_means`."""
    values = np.array([np.mean(numbers) for numbers in series.values()])
    if len(values) == 1:
        (values,) = map(batch_means, series.values())
    estimate = mean_interval(values) if len(values) else Estimate(math.nan)
    return estimate._replace(seeds=max(len(series), 1))


def difference(first: Series, second: Series, paired: bool = False) -> Estimate:
    """Difference of means over the seeds that both have, with its interval.

    Several seeds: Welch's t of the seeds' means, or Student's t of the seeds' differences if `paired` (parts of the
    same run). One seed: Welch's t of `batch_means`.
    """
    seeds = sorted(first.keys() & second.keys())
    pairs = [(first[seed], second[seed]) for seed in seeds if len(first[seed]) and len(second[seed])]
    if not pairs:
        return Estimate(math.nan)
    if len(pairs) == 1:
        return welch_difference(*map(batch_means, pairs[0]))
    one, two = np.array([[np.mean(values) for values in pair] for pair in pairs]).T
    estimate = mean_interval(one - two) if paired else welch_difference(one, two)
    return estimate._replace(seeds=len(pairs))


def same(first: Series, second: Series) -> bool:
    """Whether all seeds that both have are the same, number by number."""
    seeds = first.keys() & second.keys()
    return bool(seeds) and all(np.array_equal(first[seed], second[seed]) for seed in seeds)


def compared_episodes(
    inputs: Inputs, experiment: str, dataset: str, methods: tuple[str, str]
) -> tuple[int, pd.DataFrame, pd.DataFrame]:
    """The steps that all runs of two methods have taken, and the episodes that each has finished within them."""
    logs = [inputs.steps(experiment, method, dataset) for method in methods]
    steps = int(min(log.groupby("seed")["step"].max().min() for log in logs))
    first, second = (episodes(log[log["step"] <= steps]) for log in logs)
    return steps, first, second


def reward_parts(
    inputs: Inputs, experiment: str, dataset: str, methods: tuple[str, str], decide: Decide, first_bin: bool = False
) -> list[Part]:
    """Best reward of an episode, first method minus second, over the steps that all their runs have taken.

    first_bin: before that, the same in the first bin of episodes.
    """
    steps, *tables = compared_episodes(inputs, experiment, dataset, methods)
    first, second = (by_seed(table, "best_reward") for table in tables)
    what = f"best reward of an episode on {name_of(dataset)}, {' minus '.join(map(name_of, methods))}"
    parts = [part(f"{what}, first {steps} steps", difference(first, second), decide)]
    if first_bin:
        size = inputs.settings.plots.bin_episodes
        start, other = ({seed: values[:size] for seed, values in series.items()} for series in (first, second))
        parts.insert(0, part(f"{what}, first {size} episodes", difference(start, other), decide))
    return parts

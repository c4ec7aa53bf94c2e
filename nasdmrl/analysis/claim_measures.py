"""What the paper's claims C1 to C7 (Section 8) come down to in numbers: parts that hold, do not hold, or stay open."""

import math
from collections.abc import Callable, Container
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from nasdmrl.analysis.episodes import action_proportions, adds_layer, episodes, read_logs, read_progress
from nasdmrl.analysis.statistics import (
    Estimate,
    distance_test,
    hedges_g,
    series_difference,
    series_mean,
    signed_rank_test,
    welch_difference,
)
from nasdmrl.analysis.styles import name_of
from nasdmrl.errors import DataError
from nasdmrl.paper.datasets import with_role
from nasdmrl.paper.experiments import VGG19_CUT
from nasdmrl.paper.numbers import published
from nasdmrl.space.actions import CHAIN

SIGMAS = ("sigma0.0", "sigma0.1")
SIGNIFICANCE = 0.05
"""Level of the tests of C5: the usual one, and that of the 95 % intervals."""
ABOUT = math.sqrt(2)
""""About 1 in 10" is nearer, as a ratio, to 1 in 10 than to 1 in 5 or 1 in 20: within this factor of it."""


@dataclass(frozen=True)
class Inputs:
    """Where the results are, episodes of a bin, and the stamp of the run (`provenance.provenance`).

    seeds, repeats: numbers of the searches and long trainings that count, all that there are if None; another run
    may have left more.
    """

    results: Path
    bin_episodes: int
    stamp: dict[str, str]
    seeds: Container[int] | None = None
    repeats: Container[int] | None = None

    def files(self, pattern: str) -> list[Path]:
        """Files of a pattern of `log_files` or `long_files` that count, sorted."""
        kind, wanted = ("repeat", self.repeats) if "/repeat" in pattern else ("seed", self.seeds)
        found = sorted(self.results.glob(pattern))
        numbers = {path: path.parent.name.removeprefix(kind) for path in found}
        return [path for path in found if numbers[path].isdigit() and (wanted is None or int(numbers[path]) in wanted)]


@dataclass(frozen=True)
class Part:
    """One measured part of a claim: a sentence with its number and interval, and whether the claim holds there.

    holds is None where the numbers decide neither way.
    """

    text: str
    holds: bool | None


Decide = Callable[[Estimate], bool | None]
Series = dict[int, np.ndarray]
"""By seed: episodes, updates or steps in order."""


# --- when a part holds --------------------------------------------------------------------------------------


def above(estimate: Estimate) -> bool | None:
    """Holds where the interval lies above zero, does not where it lies below, is open where it holds zero."""
    if estimate.low > 0:
        return True
    return False if estimate.high < 0 else None


def below(estimate: Estimate) -> bool | None:
    """The mirror image of `above`."""
    return above(Estimate(-estimate.value, -estimate.high, -estimate.low))


def not_above(estimate: Estimate) -> bool | None:
    """Holds unless the interval lies above zero; open without an interval."""
    return None if math.isnan(estimate.low) else estimate.low <= 0


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


# --- files --------------------------------------------------------------------------------------------------


def log_files(experiment: str, method: str, dataset: str, name: str = "steps.csv") -> str:
    """Pattern, below `results/`, of a log of every seed."""
    return f"{experiment}/{method}/{dataset}/seed*/{name}"


def long_files(dataset: str, network: str) -> str:
    """Pattern, below `results/`, of the logs of the long trainings of a network."""
    return f"exp2/long/{dataset}/{network}/repeat*/epochs.csv"


def _steps(inputs: Inputs, experiment: str, method: str, dataset: str) -> pd.DataFrame:
    return read_logs(inputs.files(log_files(experiment, method, dataset)))


def _last_accuracies(inputs: Inputs, pattern: str) -> list[float]:
    """Of every repeat of a long training."""
    return [_last(path, "accuracy") for path in inputs.files(pattern)]


def _last(path: Path, column: str) -> float:
    try:
        return float(pd.read_csv(path)[column].iloc[-1])
    except (OSError, ValueError, LookupError) as error:
        raise DataError(f"{path}: expected a table with a column `{column}` ({error})") from error


# --- numbers ------------------------------------------------------------------------------------------------


def _by_seed(table: pd.DataFrame, column: str) -> Series:
    return {seed: rows[column].to_numpy() for seed, rows in table.groupby("seed")}


def _difference(first: Series, second: Series, bin_episodes: int | None = None, paired: bool = False) -> Estimate:
    """`series_difference` of the seeds that both have."""
    seeds = sorted(first.keys() & second.keys())
    one, two = ([series[seed] for seed in seeds] for series in (first, second))
    return series_difference(one, two, bin_episodes, paired)


def _same(first: Series, second: Series) -> bool:
    """Whether all seeds that both have are the same, number by number."""
    seeds = first.keys() & second.keys()
    return bool(seeds) and all(np.array_equal(first[seed], second[seed]) for seed in seeds)


def _piece(series: Series, pieces: int, index: int) -> Series:
    """Of every seed's series, cut into so many equal pieces, this one."""
    return {seed: np.array_split(values, pieces)[index] for seed, values in series.items()}


def _points(what: str, estimate: Estimate, decide: Decide, unit: str = "percentage points") -> Part:
    """A part about an accuracy or share, or a difference of them, told times 100."""
    return Part(_told(what, Estimate(*(100 * number for number in estimate)), unit), decide(estimate))


def _told(what: str, estimate: Estimate, unit: str) -> str:
    if math.isnan(estimate.value):
        return f"{what}: nothing to compare"
    if math.isnan(estimate.low):
        return f"{what}: {estimate.value:z.2f} {unit}, too few values for an interval"
    return f"{what}: {estimate.value:z.2f} {unit}, 95 % interval {estimate.low:z.2f} to {estimate.high:z.2f}"


def reward_parts(
    inputs: Inputs, experiment: str, dataset: str, methods: tuple[str, str], decide: Decide, first_bin: bool = False
) -> list[Part]:
    """Best reward of an episode, first method minus second, over the steps that all their runs have taken.

    first_bin: before that, the same in the first bin of episodes.
    """
    logs = [_steps(inputs, experiment, method, dataset) for method in methods]
    steps = min(log.groupby("seed")["step"].max().min() for log in logs)
    rewards = [_by_seed(episodes(log[log["step"] <= steps]), "best_reward") for log in logs]
    what = f"best reward of an episode on {name_of(dataset)}, {' minus '.join(map(name_of, methods))}"
    estimate = _difference(*rewards, inputs.bin_episodes)
    parts = [_points(f"{what}, first {steps} steps", estimate, decide)]
    if first_bin:
        size = inputs.bin_episodes
        starts = [{seed: values[:size] for seed, values in series.items()} for series in rewards]
        parts.insert(0, _points(f"{what}, first {size} episodes", _difference(*starts, size), decide))
    return parts


# --- the claims ---------------------------------------------------------------------------------------------


def c1(inputs: Inputs) -> list[Part]:
    """Deep meta-RL minus DQN on omniglot."""
    return reward_parts(inputs, "exp1", "omniglot", ("meta_a2c", "dqn"), below)


def c2(inputs: Inputs) -> list[Part]:
    """Deep meta-RL minus DQN and minus random search, at first and in all, on vgg_flower and dtd."""
    pairs = [(dataset, rival) for dataset in ("vgg_flower", "dtd") for rival in ("dqn", "random_search")]
    compared = (reward_parts(inputs, "exp1", name, ("meta_a2c", rival), above, True) for name, rival in pairs)
    return list(chain.from_iterable(compared))


def c3(inputs: Inputs) -> list[Part]:
    """Entropy of the policy: last third minus first third; and dtd minus the last third of vgg_flower."""
    entropy = {name: _entropy(inputs, name) for name in with_role("training")}
    falls = [_fall(entropy[name], name) for name in ("omniglot", "vgg_flower")]
    rise = _difference(entropy["dtd"], _piece(entropy["vgg_flower"], 3, -1), paired=True)
    what = "policy entropy, all of Describable Textures minus last third of VGG Flower"
    return [*falls, Part(_told(what, rise, "nats"), above(rise))]


def _entropy(inputs: Inputs, dataset: str) -> Series:
    """By seed; a trial shorter than one update has none."""
    files = inputs.files(log_files("exp1", "meta_a2c", dataset, "progress.csv"))
    return _by_seed(read_progress(files).reindex(columns=["seed", "entropy"]).dropna(), "entropy")


def _fall(entropy: Series, dataset: str) -> Part:
    fall = _difference(_piece(entropy, 3, -1), _piece(entropy, 3, 0), paired=True)
    what = f"policy entropy on {name_of(dataset)}, last third minus first third"
    return Part(_told(what, fall, "nats"), below(fall))


def c4(inputs: Inputs) -> list[Part]:
    """The fixed policy minus random search, at first and in all; and its second half minus its first."""
    parts = []
    for dataset in with_role("evaluation"):
        parts += reward_parts(inputs, "exp2", dataset, ("meta_a2c", "random_search"), above, first_bin=True)
        rewards = _by_seed(episodes(_steps(inputs, "exp2", "meta_a2c", dataset)), "best_reward")
        gain = _difference(_piece(rewards, 2, 1), _piece(rewards, 2, 0), inputs.bin_episodes, paired=True)
        what = f"best reward of an episode of the fixed policy on {name_of(dataset)}"
        parts.append(_points(f"{what}, second half minus first half", gain, not_above))
    return parts


def c5(inputs: Inputs) -> list[Part]:
    """The fixed policy's actions on both evaluation datasets: the paper's test, and one that can find a difference."""
    logs = [_steps(inputs, "exp2", "meta_a2c", name) for name in with_role("evaluation")]
    proportions = action_proportions(pd.concat(logs, ignore_index=True))
    return [_signed_rank_part(proportions), _distance_part(*(_by_seed(log, "action") for log in logs))]


def _signed_rank_part(proportions: pd.DataFrame) -> Part:
    test = signed_rank_test(*(proportions[name] for name in with_role("evaluation")))
    text = (
        f"signed-rank test over {test.pairs} actions, of which {test.nonzero} differ: p = {test.p:.3f} "
        f"({test.p_normal:.3f} by the normal approximation), rank-biserial correlation {test.effect.value:.2f}, "
        f"95 % interval {test.effect.low:.2f} to {test.effect.high:.2f}; with proportions of {test.pairs} actions this "
        "test cannot fail, and no difference shown is no evidence that there is none"
    )
    return Part(text, test.p >= SIGNIFICANCE)


def _distance_part(first: Series, second: Series) -> Part:
    if _same(first, second):
        return Part("the same actions, step by step: nothing shows what the policy makes of either dataset", None)
    seeds = sorted(first.keys() & second.keys())
    test = distance_test(*([series[seed] for seed in seeds] for series in (first, second)), len(CHAIN))
    if math.isnan(test.p):
        return Part("total variation between the action proportions: too few steps", None)
    text = (
        f"total variation between the action proportions {test.distance:.3f}, by chance {test.by_chance:.3f}, "
        f"permutation test p = {test.p:.4f}"
    )
    return Part(text, test.p >= SIGNIFICANCE)


def c6(inputs: Inputs) -> list[Part]:
    """Accuracy after the last epoch: best networks minus VGG19 cut, and the second-best minus the best."""
    pairs = [("best1", VGG19_CUT), ("best2", VGG19_CUT), ("best2", "best1")]
    return [_long_part(inputs, dataset, *pair) for dataset in with_role("evaluation") for pair in pairs]


def _long_part(inputs: Inputs, dataset: str, *networks: str) -> Part:
    first, second = (_last_accuracies(inputs, long_files(dataset, network)) for network in networks)
    what = f"last test accuracy on {name_of(dataset)}, {' minus '.join(networks)}"
    part = _points(what, welch_difference(first, second), above)
    effect = hedges_g(first, second)
    return part if math.isnan(effect) else Part(f"{part.text}, Hedges' g {effect:.1f}", part.holds)


def c7(inputs: Inputs) -> list[Part]:
    """Best reward with sigma 0.1 minus 0.0; share of multi-branch networks, and its change, with each sigma."""
    logs = {sigma: _steps(inputs, "exp3", sigma, "omniglot") for sigma in SIGMAS}
    if _same(*(_by_seed(log, "action") for log in logs.values())):
        parts = [Part("the same actions with both sigmas, step by step: nothing shows what sigma does", None)]
    else:
        parts = reward_parts(inputs, "exp3", "omniglot", SIGMAS[::-1], around_zero)
    for sigma, log in logs.items():
        made = _multi_branch(log)
        share, fall = series_mean(list(made.values())), _difference(_piece(made, 2, 1), _piece(made, 2, 0), paired=True)
        what = f"share of multi-branch networks with {name_of(sigma)}"
        parts.append(_points(what, share, about(published().multi_branch.share), "%"))
        parts.append(_points(f"{what}, second half minus first half", fall, below))
    return parts


def _multi_branch(steps: pd.DataFrame) -> Series:
    """1 for a multi-branch network and 0 for a chain, for every step that added a layer and made a valid network."""
    return _by_seed(steps[adds_layer(steps) & (steps["valid"] == 1)], "multi_branch")

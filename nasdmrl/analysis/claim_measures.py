"""What the paper's claims (Section 8) come down to in numbers: a function a claim, which gives its parts."""

import math
from collections.abc import Callable
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pandas as pd

from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.agents.search import interact
from nasdmrl.analysis.claim_inputs import (
    Decide,
    Inputs,
    Part,
    Series,
    about,
    above,
    around_zero,
    below,
    by_seed,
    compared_episodes,
    difference,
    log_files,
    long_files,
    mean,
    means,
    not_above,
    not_below,
    part,
    piece,
    reward_parts,
    same,
    told,
)
from nasdmrl.analysis.episodes import (
    accuracies,
    action_proportions,
    adds_layer,
    first_meetings,
    multi_branch_states,
    read_logs,
    read_progress,
)
from nasdmrl.analysis.provenance import scale_of
from nasdmrl.analysis.statistics import (
    distance_test,
    hedges_g,
    mean_interval,
    signed_rank_test,
    welch_difference,
)
from nasdmrl.analysis.styles import name_of
from nasdmrl.config.model import Config
from nasdmrl.errors import DataError
from nasdmrl.paper.datasets import with_role
from nasdmrl.paper.experiments import VGG19_CUT
from nasdmrl.paper.numbers import published
from nasdmrl.space.actions import CHAIN, SPACES
from nasdmrl.space.environment import NASEnv
from nasdmrl.space.evaluation import Evaluation
from nasdmrl.space.nsc import Network, Shape, is_valid

SIGMAS = ("sigma0.0", "sigma0.1")
TRANSFERRED = ("vgg_flower", "dtd")
"""Training datasets that deep meta-RL comes to with a policy."""
HARDNESS = {"trivial": ("traffic_sign",), "medium": ("omniglot", "vgg_flower", "aircraft"), "hard": ("dtd", "cu_birds")}
"""The paper's three groups (Appendix A)."""
SIGNIFICANCE = 0.05
"""Level of the tests: the usual one, and that of the 95 % intervals."""
RANDOM_TRIALS = 3
ENOUGH_STEPS = 800
"""Steps of a trial from which on `distance_test` finds a total variation of 0.05 between two trials in half of all
cases (`python -m benchmarks.coverage`); in shorter ones, that no difference is shown says nothing."""


# --- learning -----------------------------------------------------------------------------------------------


def c1(inputs: Inputs) -> list[Part]:
    """Deep meta-RL minus DQN on omniglot."""
    return reward_parts(inputs, "exp1", "omniglot", ("meta_a2c", "dqn"), below)


def c2(inputs: Inputs) -> list[Part]:
    """Deep meta-RL minus DQN and minus random search, at first and in all, on vgg_flower and dtd."""
    pairs = [(dataset, rival) for dataset in TRANSFERRED for rival in ("dqn", "random_search")]
    compared = (reward_parts(inputs, "exp1", name, ("meta_a2c", rival), above, True) for name, rival in pairs)
    return list(chain.from_iterable(compared))


def c3(inputs: Inputs) -> list[Part]:
    """Entropy of the policy: last third minus first third; and dtd minus the last third of vgg_flower."""
    entropy = {name: _entropy(inputs, name) for name in with_role("training")}
    falls = [_change("policy entropy", entropy[name], name, 3, below, "nats") for name in ("omniglot", "vgg_flower")]
    rise = difference(means(entropy["dtd"]), means(piece(entropy["vgg_flower"], 3, -1)), paired=True)
    what = "policy entropy, all of Describable Textures minus last third of VGG Flower"
    return [*falls, part(what, rise, above, "nats", 1)]


def _entropy(inputs: Inputs, dataset: str) -> Series:
    """By seed; a trial shorter than one update has none."""
    files = inputs.files(log_files("exp1", "meta_a2c", dataset, "progress.csv"))
    return by_seed(read_progress(files).reindex(columns=["seed", "entropy"]).dropna(), "entropy")


def _change(what: str, series: Series, dataset: str, pieces: int, decide: Decide, unit: str, factor: float = 1) -> Part:
    """Last piece of each seed's series minus the first, one number a seed."""
    change = difference(means(piece(series, pieces, -1)), means(piece(series, pieces, 0)), paired=True)
    name = {2: "half", 3: "third", 10: "tenth"}[pieces]
    return part(f"{what} on {name_of(dataset)}, last {name} minus first {name}", change, decide, unit, factor)


def c8(inputs: Inputs) -> list[Part]:
    """DQN's second bin of episodes, and its last, minus deep meta-RL's first."""
    parts, size = [], inputs.settings.plots.bin_episodes
    for dataset in TRANSFERRED:
        meta, dqn = (by_seed(inputs.episodes("exp1", name, dataset), "best_reward") for name in ("meta_a2c", "dqn"))
        level = {seed: rewards[:size] for seed, rewards in meta.items()}
        second = {seed: rewards[size : 2 * size] for seed, rewards in dqn.items()}
        last = {seed: rewards[-size:] for seed, rewards in dqn.items()}
        what = f"best reward of an episode on {name_of(dataset)}, DQN's"
        against = f"{size} episodes minus Deep meta-RL's first {size}"
        parts.append(part(f"{what} second {against}", difference(second, level), below))
        parts.append(part(f"{what} last {against}", difference(last, level), not_below))
    return parts


def c9(inputs: Inputs) -> list[Part]:
    """Deviation of the best reward within a bin of episodes, deep meta-RL minus each other method."""
    parts, size = [], inputs.settings.plots.bin_episodes
    for dataset, rival in ((name, rival) for name in TRANSFERRED for rival in ("dqn", "random_search")):
        steps, *tables = compared_episodes(inputs, "exp1", dataset, ("meta_a2c", rival))
        first, second = (_deviations(table, size) for table in tables)
        spread = difference(first, second)
        what = f"standard deviation of the best reward within {size} episodes on {name_of(dataset)}"
        parts.append(part(f"{what}, Deep meta-RL minus {name_of(rival)}, first {steps} steps", spread, below))
    return parts


def _deviations(table: pd.DataFrame, size: int) -> Series:
    """By seed, the mean over bins of the deviation within a bin; bins of one episode have none."""
    bins = (table["episode"] - 1) // size
    return means(by_seed(table.groupby(["seed", bins])["best_reward"].std().dropna().reset_index(), "best_reward"))


def c10(inputs: Inputs) -> list[Part]:
    """Length and accumulated reward of an episode of deep meta-RL on dtd, last third minus first third."""
    table = inputs.episodes("exp1", "meta_a2c", "dtd")
    reward = by_seed(table, "accumulated_reward")
    return [
        _change("episode length", by_seed(table, "length"), "dtd", 3, below, "steps"),
        _change("accumulated reward of an episode", reward, "dtd", 3, not_above, "(sum of rewards)"),
    ]


def c13(inputs: Inputs) -> list[Part]:
    """Episode length of deep meta-RL after transfer, minus its own on omniglot and minus DQN's."""
    parts, before = [], by_seed(inputs.episodes("exp1", "meta_a2c", "omniglot"), "length")
    for dataset in TRANSFERRED:
        after = by_seed(inputs.episodes("exp1", "meta_a2c", dataset), "length")
        what = f"episode length of Deep meta-RL on {name_of(dataset)} minus"
        parts.append(part(f"{what} that on Omniglot", difference(after, before, paired=True), above, "steps", 1))
        steps, *tables = compared_episodes(inputs, "exp1", dataset, ("meta_a2c", "dqn"))
        first, second = (by_seed(table, "length") for table in tables)
        longer = difference(first, second)
        parts.append(part(f"{what} DQN's, first {steps} steps", longer, above, "steps", 1))
    return parts


# --- the fixed policy ---------------------------------------------------------------------------------------


def c4(inputs: Inputs) -> list[Part]:
    """The fixed policy minus random search, at first and in all; and its second half minus its first."""
    parts = []
    for dataset in with_role("evaluation"):
        parts += reward_parts(inputs, "exp2", dataset, ("meta_a2c", "random_search"), above, first_bin=True)
        rewards = by_seed(inputs.episodes("exp2", "meta_a2c", dataset), "best_reward")
        gain = difference(piece(rewards, 2, 1), piece(rewards, 2, 0), paired=True)
        what = f"best reward of an episode of the fixed policy on {name_of(dataset)}"
        parts.append(part(f"{what}, second half minus first half", gain, not_above))
    return parts


def c5(inputs: Inputs) -> list[Part]:
    """The fixed policy's actions on both evaluation datasets: the paper's test, and one that can find a difference."""
    first, second = with_role("evaluation")
    logs = {name: inputs.steps("exp2", "meta_a2c", name) for name in (first, second)}
    proportions = action_proportions(pd.concat(logs.values(), ignore_index=True))
    actions = {name: by_seed(log, "action") for name, log in logs.items()}
    return [_signed_rank_part(proportions), _distance_part(actions, first, second, different=False)]


def _signed_rank_part(proportions: pd.DataFrame) -> Part:
    test = signed_rank_test(*(proportions[name] for name in with_role("evaluation")))
    text = (
        f"signed-rank test over {test.pairs} actions, of which {test.nonzero} differ: p = {test.p:.3f} "
        f"({test.p_normal:.3f} by the normal approximation), rank-biserial correlation {test.effect:.2f}; with "
        f"proportions of {test.pairs} actions this test cannot fail, and no difference shown is no evidence that there "
        "is none"
    )
    return Part(text, test.p >= SIGNIFICANCE)


def c11(inputs: Inputs) -> list[Part]:
    """Deep meta-RL's actions on each two training datasets."""
    names = with_role("training")
    actions = {name: by_seed(inputs.steps("exp1", "meta_a2c", name), "action") for name in names}
    return [_distance_part(actions, *pair, different=True) for pair in combinations(names, 2)]


def _distance_part(actions: dict[str, Series], first: str, second: str, different: bool) -> Part:
    """Whether the actions on two datasets differ beyond chance, where the claim says that they do, or do not.

    Several seeds: the interval of the total variation less its size by chance lies above zero. One seed: p < 0.05.
    """
    one, two = actions[first], actions[second]
    what = f"total variation between the action proportions on {name_of(first)} and {name_of(second)}"
    if same(one, two):
        return Part(f"{what}: the same actions, step by step, which show nothing of the datasets", None)
    seeds = sorted(one.keys() & two.keys())
    tests = [distance_test(one[seed], two[seed], len(CHAIN)) for seed in seeds]
    if not tests or any(math.isnan(test.p) for test in tests):
        return Part(f"{what}: too few steps", None)
    distance, by_chance = (float(np.mean([test[index] for test in tests])) for index in (0, 1))
    text = f"{what}: {_shown(distance)}, by chance {_shown(by_chance)}"
    if len(seeds) > 1:
        excess = mean_interval(np.array([test.distance - test.by_chance for test in tests]))
        shown, text = (
            excess.low > 0,
            told(f"{text}, difference", excess, "percentage points", lambda value: 100 * value),
        )
    else:
        text = f"{text}, permutation test p = {tests[0].p:.4f}"
        shown = tests[0].p < SIGNIFICANCE
    shortest = min(len(series[seed]) for series in (one, two) for seed in seeds)
    if not shown and shortest < ENOUGH_STEPS:
        return Part(f"{text}; {shortest} steps are too few to find 5 % in half of all cases", None)
    return Part(text, shown == different, one_run=len(seeds) == 1)


def c6(inputs: Inputs) -> list[Part]:
    """Accuracy after the last epoch: best networks minus VGG19 cut, and the second-best minus the best."""
    pairs = [("best1", VGG19_CUT), ("best2", VGG19_CUT), ("best2", "best1")]
    return [_long_part(inputs, dataset, *pair) for dataset in with_role("evaluation") for pair in pairs]


def _long_part(inputs: Inputs, dataset: str, *networks: str) -> Part:
    """With the networks of several seeds, over seeds, each the mean of its repeats; else over the repeats."""
    first, second = (_last_accuracies(inputs, long_files(dataset, network)) for network in networks)
    seeds = len(first)
    one, two = (np.array([np.mean(v) for v in by.values()]) if len(by) > 1 else next(iter(by.values()))
                for by in (first, second))  # fmt: skip
    paired = seeds > 1 and first.keys() == second.keys()
    estimate = (mean_interval(one - two) if paired else welch_difference(one, two))._replace(seeds=seeds)
    found = part(f"last test accuracy on {name_of(dataset)}, {' minus '.join(networks)}", estimate, above)
    effect = hedges_g(one, two)
    text = found.text if math.isnan(effect) else f"{found.text}, Hedges' g {effect:.1f}"
    return Part(text, found.holds, found.one_run)


def _last_accuracies(inputs: Inputs, pattern: str) -> Series:
    """Of every repeat, by the seed that found the network (0 where the path names none)."""
    found: dict[int, list[float]] = {}
    for path in inputs.files(pattern):
        seed = path.parent.parent.name.removeprefix("seed")
        found.setdefault(int(seed) if seed.isdigit() else 0, []).append(_last(path, "accuracy"))
    return {seed: np.array(values) for seed, values in found.items()}


def _last(path: Path, column: str) -> float:
    try:
        return float(pd.read_csv(path)[column].iloc[-1])
    except (OSError, ValueError, LookupError) as error:
        raise DataError(f"{path}: expected a table with a column `{column}` ({error})") from error


# --- the multi-branch space ---------------------------------------------------------------------------------


def c7(inputs: Inputs) -> list[Part]:
    """Best reward with sigma 0.1 minus 0.0; share of multi-branch networks, and its change, with each sigma."""
    logs = {sigma: inputs.steps("exp3", sigma, "omniglot") for sigma in SIGMAS}
    if same(*(by_seed(log, "action") for log in logs.values())):
        parts = [Part("the same actions with both sigmas, step by step: nothing shows what sigma does", None)]
    else:
        parts = reward_parts(inputs, "exp3", "omniglot", SIGMAS[::-1], around_zero)
    applies = _lengths(inputs.settings) == _lengths(Config())
    at_random = "" if applies else f"; uniform random actions {_shown(random_share(inputs.settings))}"
    for sigma, log in logs.items():
        states = log.assign(branched=multi_branch_states(log["network"]))
        made = by_seed(log[adds_layer(log) & (log["valid"] == 1)], "multi_branch")
        what = f"share of multi-branch networks with {name_of(sigma)}"
        distinct = mean(means(by_seed(states.drop_duplicates(["seed", "network"]), "branched")))
        share = part(f"{what}, among distinct ones", distinct, about(published().multi_branch.share), "%")
        own = f"by this package's reading {_shown(mean(made).value)}{at_random}"
        parts.append(Part(f"{share.text} ({own})", share.holds, share.one_run, applies))
        fall = by_seed(states, "branched")
        parts.append(_change(f"{what}, among all steps,", fall, "omniglot", 2, below, "percentage points", 100))
    return parts


def _shown(share: float) -> str:
    return f"{100 * share:.1f} %"


def _lengths(settings: Config) -> tuple[int, int, int]:
    """d, tau and t_max of Exp. 3."""
    return settings.exp3.max_layers, settings.exp3.max_actions, settings.exp3.steps


def random_share(settings: Config) -> float:
    """Share of multi-branch networks among the distinct ones of a trial of Exp. 3 with uniform random actions.

    Nothing is trained: which networks are met follows from the actions and from what is valid. Mean of `RANDOM_TRIALS`.
    """
    layers, actions, steps = _lengths(settings)
    size, shares = settings.data.image_size, []
    for seed in range(RANDOM_TRIALS):
        env = NASEnv(_ValidityOnly((size, size, 3)), "multi_branch", layers, actions)
        agent = RandomSearch(len(SPACES["multi_branch"]), seed)
        met = pd.Series([row["network"] for row in interact(agent, env, steps)]).drop_duplicates()
        shares.append(multi_branch_states(met).mean())
    return float(np.mean(shares))


class _ValidityOnly:
    """Evaluates a network to nothing but whether it is valid on images of a shape."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def __call__(self, network: Network) -> Evaluation:
        return Evaluation(network, 0.0, 0.0, "ok" if is_valid(network, self._shape) else "invalid")


def c12(inputs: Inputs) -> list[Part]:
    """Best reward of an episode in the multi-branch space: does it rise, and does it rise late?"""
    parts = []
    for sigma in SIGMAS:
        rewards = by_seed(inputs.episodes("exp3", sigma, "omniglot"), "best_reward")
        first, last, middle = (means(piece(rewards, *place)) for place in ((10, 0), (10, -1), (5, 2)))
        halfway = {seed: (first[seed] + last[seed]) / 2 for seed in first.keys() & last.keys()}
        what = f"best reward of an episode with {name_of(sigma)}"
        parts.append(_change(what, rewards, "omniglot", 10, above, "percentage points", 100))
        late = difference(middle, halfway, paired=True)
        parts.append(part(f"{what}, middle fifth of the episodes minus halfway from first to last tenth", late, below))
    return parts


def c15(inputs: Inputs) -> list[Part]:
    """Share of the most frequent of A8 to A13 minus that of the least frequent of A0 to A7, with each sigma."""
    return [_rarest_part(inputs, sigma) for sigma in SIGMAS]


def _rarest_part(inputs: Inputs, sigma: str) -> Part:
    counts = {
        seed: np.bincount(actions, minlength=len(SPACES["multi_branch"])) / len(actions)
        for seed, actions in by_seed(inputs.steps("exp3", sigma, "omniglot"), "action").items()
    }
    gap = {
        seed: shares[len(CHAIN) :].max(keepdims=True) - shares[: len(CHAIN)].min() for seed, shares in counts.items()
    }
    what = f"most frequent of A8 to A13 minus least frequent of A0 to A7 with {name_of(sigma)}"
    return part(f"{what}, share of the steps", mean(gap), below)


# --- running times ------------------------------------------------------------------------------------------


def c16(inputs: Inputs) -> list[Part]:
    """Running time with sigma 0.1 against sigma 0.0."""
    return [_time_part(inputs, "exp3", "omniglot", SIGMAS[::-1])]


def c17(inputs: Inputs) -> list[Part]:
    """Running time of deep meta-RL against DQN on each training dataset."""
    return [_time_part(inputs, "exp1", dataset, ("meta_a2c", "dqn")) for dataset in with_role("training")]


def _time_part(inputs: Inputs, experiment: str, dataset: str, methods: tuple[str, str]) -> Part:
    """Ratio of the times that a trial's networks took to train, each once, compared by logarithms."""
    first, second = (_log_seconds(inputs.steps(experiment, method, dataset)) for method in methods)
    ratio = difference(first, second)
    what = f"running time on {name_of(dataset)}, {' by '.join(map(name_of, methods))}"
    return Part(told(what, ratio, "times", math.exp), around_zero(ratio), ratio.seeds == 1)


def _log_seconds(steps: pd.DataFrame) -> Series:
    seconds = first_meetings(steps).groupby("seed")["training_seconds"].sum()
    return {seed: np.array([math.log(value)]) for seed, value in seconds.items() if value > 0}


# --- hardness -----------------------------------------------------------------------------------------------


def c14(inputs: Inputs) -> list[Part]:
    """Medians of the accuracies met in the hardness study: order of the training datasets, and the three groups."""
    medians = _medians(inputs, "appendix_a", "meta_a2c")
    searched = _medians(inputs, "exp1", "random_search") | _medians(inputs, "exp2", "random_search")
    beside = ", ".join(f"{name_of(name)} {_shown(mean(series).value)}" for name, series in searched.items())
    pairs = [
        (("omniglot",), ("vgg_flower",)),
        (("vgg_flower",), ("dtd",)),
        (HARDNESS["trivial"], HARDNESS["medium"]),
        (HARDNESS["medium"], HARDNESS["hard"]),
    ]
    return [_harder_part(medians, *pair, beside, scale_of(inputs.stamp) == "paper") for pair in pairs]


def _medians(inputs: Inputs, experiment: str, method: str) -> dict[str, Series]:
    """Median accuracy of the distinct valid networks that a search met, by dataset; of datasets that were searched."""
    files = inputs.files(log_files(experiment, method, "*"))
    if not files:
        return {}
    met = accuracies(read_logs(files)).groupby(["dataset", "seed"], as_index=False)["accuracy"].median()
    return {dataset: by_seed(rows, "accuracy") for dataset, rows in met.groupby("dataset")}


def _harder_part(
    medians: dict[str, Series], easier: tuple[str, ...], harder: tuple[str, ...], beside: str, applies: bool
) -> Part:
    """Lowest median of the easier datasets minus highest of the harder ones, by seed."""
    named = [" or ".join(map(name_of, names)) for names in (easier, harder)]
    what = f"median accuracy, lowest of {named[0]} minus highest of {named[1]}"
    low, high = (_extreme(medians, names, pick) for names, pick in ((easier, np.min), (harder, np.max)))
    found = part(what, difference(low, high, paired=True), above)
    return Part(f"{found.text} (random search: {beside or 'not run'})", found.holds, found.one_run, applies)


def _extreme(medians: dict[str, Series], names: tuple[str, ...], pick: Callable) -> Series:
    """By seed, over datasets, of the seeds that all of them have."""
    series = [medians.get(name, {}) for name in names]
    seeds = set.intersection(*(set(one) for one in series))
    return {seed: pick([one[seed] for one in series], axis=0) for seed in seeds}

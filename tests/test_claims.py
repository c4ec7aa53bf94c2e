"""The claims on hand-made results: one set for each verdict, each new measure by hand, and the page that lists them."""

import re
import zlib

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasdmrl.analysis import claim_measures
from nasdmrl.analysis.claim_inputs import (
    ABOUT,
    Inputs,
    about,
    above,
    around_zero,
    below,
    difference,
    not_above,
    not_below,
)
from nasdmrl.analysis.claim_measures import ENOUGH_STEPS, random_share
from nasdmrl.analysis.claims import CLAIMS, assess, caveat, claims_table, documentation
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.statistics import Estimate, distance_test, signed_rank_test
from nasdmrl.config.model import Config
from nasdmrl.errors import DataError
from nasdmrl.paper.numbers import published
from nasdmrl.space.actions import SPACES

SEEDS, BIN = (1, 2, 3), 20
PAPER = {"scale": "paper", "data": "official archives", "fidelity": "paper", "seeds": "1 2 3"}
CHAIN = [3, 3, 2, 2, 3, 3, 2, 2]  # actions of 20 steps, how many of each kind
OTHER = [6, 0, 4, 0, 6, 0, 4, 0]
BRANCHING = [4, 2, 2, 2, 2, 2, 2, 2, 1, 0, 1, 0, 0, 0]
HARDNESS = {"omniglot": 0.4, "vgg_flower": 0.3, "aircraft": 0.25, "dtd": 0.15, "cu_birds": 0.1, "traffic_sign": 0.8}


def settings(seeds=SEEDS, **changes):
    values = {"seeds": seeds, "plots": {"bin_episodes": BIN}, **changes}
    return Config.model_validate(values)


def around(mean, count, amplitude=0.03):
    """Numbers that go up and down around a mean, in a fixed order: no trend, and a spread."""
    return mean + amplitude * np.tile([1, -1, 0.5, -0.5], count)[:count]


def save(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(path, index=False)


def search(root, place, rewards, seed=1, kinds=CHAIN, turn=0, length=2, networks="conv1", seconds=1.0):
    """A step log: `length` steps an episode, the last with its reward, the others with half of it.

    Of each 20 steps, `kinds` of each action. networks: one text, or one a step.
    """
    lengths = np.broadcast_to(length, len(rewards))
    steps, ends = int(lengths.sum()), np.cumsum(lengths)
    actions = np.resize(np.roll(np.repeat(np.arange(len(kinds)), kinds), turn), steps)
    last = np.isin(np.arange(1, steps + 1), ends)
    reward = np.repeat(rewards, lengths) * np.where(last, 1, 0.5)
    log = {
        "step": np.arange(1, steps + 1), "episode": np.repeat(np.arange(1, len(rewards) + 1), lengths),
        "action": actions, "action_name": [SPACES["multi_branch"][action].name for action in actions],
        "reward": reward, "accuracy": reward, "episode_end": last.astype(int), "network": networks, "valid": 1,
        "status": "ok", "looked_up": 0, "multi_branch": 0, "training_seconds": seconds,
    }  # fmt: skip
    save(root / place / f"seed{seed}/steps.csv", **log)


def entropy(root, dataset, first, last, seed=1, updates=300):
    place = root / f"exp1/meta_a2c/{dataset}/seed{seed}/progress.csv"
    save(place, step=np.arange(updates), entropy=np.linspace(first, last, updates) + around(0, updates, 0.01))


def long_training(root, network, finals, datasets=("aircraft", "cu_birds"), seed=None):
    for repeat, final in enumerate(finals):
        for dataset in datasets:
            folder = root / f"exp2/long/{dataset}/{network}" / ("" if seed is None else f"seed{seed}")
            save(folder / f"repeat{repeat}/epochs.csv", epoch=[1, 2], accuracy=[0.99, final])


def trial(root, place, seed, mean, sd=0.05, shares=CHAIN, length=3, episodes=400, seconds=1000, **columns):
    """A step log with chance in it: rewards around a mean (or one an episode), lengths of two values, drawn actions.

    seconds: of all steps together.
    """
    random = np.random.RandomState([seed, zlib.crc32(place.encode())])
    lengths = length + random.randint(0, 2, episodes)
    rewards = random.normal(mean + 0.002 * seed, sd, episodes).clip(0, 1)
    search(root, place, rewards, seed, length=lengths, seconds=seconds / lengths.sum(), **columns)
    path = root / place / f"seed{seed}/steps.csv"
    log = pd.read_csv(path)
    kinds = random.choice(len(shares), len(log), p=np.array(shares) / sum(shares))
    names = [SPACES["multi_branch"][kind].name for kind in kinds]
    log.assign(action=kinds, action_name=names).to_csv(path, index=False)


def results(root, good, seeds=SEEDS):
    """Everything a run leaves: as the paper says (good), or its opposite."""
    for seed in seeds:
        for experiment in (exp1, exp2, exp3, appendix_a):
            experiment(root, good, seed)
    for network, finals in LONG[good].items():
        long_training(root, network, finals)


LONG = {
    True: {
        "best1": [0.48, 0.49, 0.50, 0.49, 0.49],
        "best2": [0.52, 0.53, 0.54, 0.53, 0.53],
        "vgg19_cut": [0.25, 0.35, 0.30, 0.28, 0.33],
    },
    False: {"best1": [0.28, 0.29, 0.30], "best2": [0.22, 0.23, 0.24], "vgg19_cut": [0.45, 0.44, 0.46]},
}


def exp1(root, good, seed, episodes=400):
    third, late = np.arange(episodes) * 3 // episodes, np.arange(episodes) >= episodes - 3 * BIN
    shares = {"omniglot": CHAIN, "vgg_flower": OTHER, "dtd": CHAIN[::-1]}
    for dataset in ("omniglot", "vgg_flower", "dtd"):
        scratch = dataset == "omniglot"
        meta = (0.3 if good else 0.6) if scratch else 0.6 if good else 0.3 + 0.1 * (third == 2)
        # DQN begins low and reaches meta-RL's level at the end, or the other way round.
        dqn = 0.45 if scratch else np.where(late, 0.7, 0.4) if good else np.where(late, 0.1, 0.5)
        length = 3 if scratch else 5 + (third == 0) if good else 2 + (third == 2)
        of, seconds = shares[dataset] if good else CHAIN, 1000 * np.exp(0.05 * (seed - 2))
        sd = 0.02 if good else 0.1
        trial(root, f"exp1/meta_a2c/{dataset}", seed, meta, sd, of, length, seconds=seconds if good else 4 * seconds)
        trial(root, f"exp1/dqn/{dataset}", seed, dqn, 0.05, length=3 if good else 6, seconds=1e6 / seconds)
        trial(root, f"exp1/random_search/{dataset}", seed, 0.35)
    for dataset, (first, last) in {"omniglot": (2, 1), "vgg_flower": (1, 0.5), "dtd": (1.2, 1)}.items():
        ends = (first, last) if good else (last - 0.4, first)
        entropy(root, dataset, ends[0], ends[1] + 0.01 * seed, seed)


def exp2(root, good, seed, episodes=400):
    for dataset in ("aircraft", "cu_birds"):
        rise = 0.1 * (np.arange(episodes) >= episodes // 2) * (not good)
        other = dataset == "cu_birds" and not good
        trial(root, f"exp2/meta_a2c/{dataset}", seed, (0.6 if good else 0.3) + rise, shares=OTHER if other else CHAIN)
        trial(root, f"exp2/random_search/{dataset}", seed, 0.45)


def exp3(root, good, seed, episodes=1000):
    """Every network once; in each half of the steps, one in so many is multi-branch."""
    every = (8 + seed % 2, 14) if good else (4 + seed % 2, 3)
    branch = np.concatenate([np.arange(2 * episodes) % count == 0 for count in every])
    networks = [
        f"{chain(step)} conv1 max2@{1 + step % 3}" if there else chain(step) for step, there in enumerate(branch)
    ]
    late = np.arange(episodes) >= (0.7 if good else 0.2) * episodes
    for sigma in (0, 1):
        mean = 0.2 + 0.3 * late + (0.01 * (seed - 2) if good else 0.2) * sigma
        place, shares = f"exp3/sigma0.{sigma}/omniglot", BRANCHING if good else BRANCHING[::-1]
        seconds = np.exp(0.05 * (seed - 2) * (1 - 2 * sigma)) * (1 if good else 1 + 2 * sigma)
        steps = 3 * episodes + np.random.RandomState([seed, zlib.crc32(place.encode())]).randint(0, 2, episodes).sum()
        trial(root, place, seed, mean, 0.05, shares, 3, episodes, networks=networks[:steps], seconds=seconds)


def appendix_a(root, good, seed):
    for dataset, level in HARDNESS.items():
        trial(root, f"appendix_a/meta_a2c/{dataset}", seed, level if good else 0.9 - level, 0.01, episodes=30)


def chain(number):
    """A chain of five layers for each number: its digits to base 7."""
    words = ["conv1", "conv3", "conv5", "max2", "max3", "avg2", "avg3"]
    return " ".join(words[number // 7**power % 7] for power in range(5))


def trained_by_seed(root, good):
    """Long trainings of the best networks of each seed, in place of one search's."""
    for path in root.glob("exp2/long/*/best*/repeat*/epochs.csv"):
        path.unlink()
    for seed in SEEDS:
        best1, best2 = ([0.48, 0.49], [0.52 + 0.002 * seed**2, 0.53]) if good else ([0.28, 0.29], [0.2 + 0.002 * seed])
        long_training(root, "best1", best1, seed=seed)
        long_training(root, "best2", best2, seed=seed)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """What the paper says, in three seeds."""
    root = tmp_path_factory.mktemp("reproduced")
    results(root, good=True)
    trained_by_seed(root, good=True)
    return root


@pytest.fixture(scope="module")
def refuted(tmp_path_factory):
    """The opposite of what the paper says."""
    root = tmp_path_factory.mktemp("refuted")
    results(root, good=False)
    trained_by_seed(root, good=False)
    return root


@pytest.fixture(scope="module")
def one_seed(tmp_path_factory):
    """The paper's order, from one seed."""
    root = tmp_path_factory.mktemp("one")
    results(root, good=True, seeds=[1])
    return root


def table(root, of=None):
    return claims_table(root, of or settings(), PAPER).set_index("claim")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_each_verdict(claim, reproduced, refuted, one_seed, tmp_path):
    """One seed decides nothing, though it be as the paper says."""
    roots = (reproduced, refuted, one_seed, tmp_path)
    found = [assess(claim, Inputs(root, settings(), PAPER)) for root in roots]
    words = [verdict for verdict, _ in found]
    assert words == ["reproduced", "not reproduced", "undecided", "not run"], found


def test_one_row_a_claim(reproduced):
    found = claims_table(reproduced, settings(), PAPER)
    assert found["claim"].tolist() == [f"C{number}" for number in range(1, 18)]
    columns = "claim statement paper_evidence verdict measured rule files caveat scale data fidelity"
    assert found.columns.tolist() == columns.split()


def test_one_run_is_told_and_decides_nothing(one_seed):
    measured = table(one_seed)["measured"]
    assert re.search(r"minus DQN, first \d+ steps: -1\d\.\d\d percentage points, 95 % interval", measured["C1"])
    assert measured["C1"].endswith("(holds in this one run)")
    assert measured["C3"].count("no interval (undecided)") == 3  # entropy drifts
    assert measured["C2"].count("no interval (undecided)") == 4  # a bin of 20 episodes is too short for five batches
    assert not any(re.search(r"\((holds|does not hold)\)", text) for text in measured.drop("C5"))


def learning(root, place, rewards, **options):
    for seed in SEEDS:
        search(root, place, np.asarray(rewards) + 0.01 * seed, seed, **options)


def test_the_first_bins_and_the_whole_by_hand(tmp_path):
    """First bins of 20 at 0.3 and 0.4; 40 more episodes at 0.6 and 0.5: over all 0.5 and 0.4667."""
    for dataset in ("vgg_flower", "dtd"):
        learning(tmp_path, f"exp1/meta_a2c/{dataset}", [0.3] * 20 + [0.6] * 40)
        learning(tmp_path, f"exp1/dqn/{dataset}", [0.4] * 20 + [0.5] * 40)
        learning(tmp_path, f"exp1/random_search/{dataset}", [0.2] * 60)
    measured = table(tmp_path)["measured"]
    what = "on Describable Textures, Deep meta-RL minus"
    assert f"{what} DQN, first 20 episodes: -10.00 percentage points" in measured["C2"]
    assert f"{what} DQN, first 120 steps: 3.33 percentage points" in measured["C2"]
    assert f"{what} Random search, first 120 steps: 30.00 percentage points" in measured["C2"]
    assert "DQN's second 20 episodes minus Deep meta-RL's first 20: 20.00 percentage points" in measured["C8"]
    assert "DQN's last 20 episodes minus Deep meta-RL's first 20: 20.00 percentage points" in measured["C8"]


def test_deviations_are_those_within_a_bin(tmp_path):
    """0 and 0.2 in turn: of twenty, 0.1 x sqrt(20 / 19); that a bin lies higher than the one before does not matter."""
    for dataset in ("vgg_flower", "dtd"):
        learning(tmp_path, f"exp1/meta_a2c/{dataset}", [0.3] * 20 + [0.6] * 20)
        learning(tmp_path, f"exp1/dqn/{dataset}", np.tile([0.1, 0.3], 20))
        learning(tmp_path, f"exp1/random_search/{dataset}", np.tile([0.1, 0.3], 20))
    told = f"on VGG Flower, Deep meta-RL minus DQN, first 80 steps: {-10 * np.sqrt(20 / 19):.2f} percentage points"
    assert told in table(tmp_path)["measured"]["C9"]


def test_lengths_by_hand(tmp_path):
    """On dtd ten episodes each of 4, 3 and 2 steps: the last third 2 steps shorter, 3 in the mean, on omniglot 2."""
    learning(tmp_path, "exp1/meta_a2c/dtd", [0.5] * 30, length=np.repeat([4, 3, 2], 10))
    learning(tmp_path, "exp1/meta_a2c/vgg_flower", [0.5] * 30, length=5)
    learning(tmp_path, "exp1/meta_a2c/omniglot", [0.5] * 30)
    learning(tmp_path, "exp1/dqn/dtd", [0.5] * 45)
    learning(tmp_path, "exp1/dqn/vgg_flower", [0.5] * 45)
    measured = table(tmp_path)["measured"]
    assert "episode length on Describable Textures, last third minus first third: -2.00 steps" in measured["C10"]
    # Rewards of 0.52 in the mean: whole in the last step and half in the others, 2.5 and 1.5 of them.
    assert f"last third minus first third: {-0.52:.2f} (sum of rewards)" in measured["C10"]
    assert "Deep meta-RL on Describable Textures minus that on Omniglot: 1.00 steps" in measured["C13"]
    assert "Deep meta-RL on VGG Flower minus DQN's, first 90 steps: 3.00 steps" in measured["C13"]


def test_entropy_by_hand(reproduced):
    """A straight line from 2 to 1.02 in 299 steps: the thirds' middles lie 200 apart."""
    told = f"on Omniglot, last third minus first third: {-0.98 * 200 / 299:.2f} nats"
    assert told in table(reproduced)["measured"]["C3"]


def test_late_rewards_by_hand(tmp_path):
    """0.2 for seven tenths of the episodes, then 0.5: the middle fifth lies 0.15 below the half of the way."""
    for sigma in ("sigma0.0", "sigma0.1"):
        learning(tmp_path, f"exp3/{sigma}/omniglot", [0.2] * 70 + [0.5] * 30)
    measured = table(tmp_path)["measured"]["C12"]
    assert "with σ = 0.0 on Omniglot, last tenth minus first tenth: 30.00 percentage points" in measured
    assert "middle fifth of the episodes minus halfway from first to last tenth: -15.00 percentage points" in measured


def test_hardness_by_hand(tmp_path):
    """Steps of half the reward and of all of it: the median is three quarters of the reward, of the lowest dataset."""
    for dataset, level in HARDNESS.items():
        learning(tmp_path, f"appendix_a/meta_a2c/{dataset}", [level] * 10)
    measured = table(tmp_path)["measured"]["C14"]
    assert "lowest of Omniglot minus highest of VGG Flower: 7.50 percentage points" in measured
    assert "lowest of GTSRB minus highest of Omniglot or VGG Flower or FGVC-Aircraft: 30.00" in measured
    assert "FGVC-Aircraft minus highest of Describable Textures or CUB-200-2011: 7.50 percentage points" in measured


def test_long_trainings_of_one_search_are_compared_by_welch(one_seed):
    best, vgg = [48, 49, 50, 49, 49], [25, 35, 30, 28, 33]
    low, high = stats.ttest_ind(best, vgg, equal_var=False).confidence_interval(0.95)
    told = f"{np.mean(best) - np.mean(vgg):.2f} percentage points, 95 % interval {low:.2f} to {high:.2f}, Hedges' g"
    measured = table(one_seed)["measured"]["C6"]
    assert f"FGVC-Aircraft, best1 minus vgg19_cut: {told}" in measured
    assert measured.count("(holds in this one run)") == 6


def test_long_trainings_of_several_seeds_are_compared_over_seeds(reproduced):
    """Each seed's mean of two repeats: best2 minus best1 is 4 points and 0.1, 0.4, 0.9; Student's t of these."""
    values = np.array([4.1, 4.4, 4.9])
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
    told = f"best2 minus best1: {values.mean():.2f} percentage points, 95 % interval {values.mean() - half:.2f}"
    assert told in table(reproduced)["measured"]["C6"]


# --- the multi-branch space ---------------------------------------------------------------------------------


def states(root, networks, episodes=10):
    """The same networks, one a step, in both sigmas of three seeds."""
    for sigma in ("sigma0.0", "sigma0.1"):
        for seed in SEEDS:
            place = f"exp3/{sigma}/omniglot"
            many = (networks * episodes)[: 2 * episodes]
            search(root, place, around(0.5, episodes), seed, [8, 6, 6], turn=sigma == "sigma0.1", networks=many)


def test_distinct_networks_count_once_by_the_authors_rule(tmp_path):
    """Of four distinct networks the third's second row has predecessor 0 and its third 2, which is not 0 + 1."""
    states(tmp_path, ["conv1", "conv1 max2", "conv1 max2@0 conv3", "conv1 max2 conv3@1", "conv1 max2 conv3@1"])
    measured = table(tmp_path)["measured"]["C7"]
    assert "with σ = 0.0, among distinct ones: 50.00 %, no interval" in measured


def test_at_another_length_the_share_stands_beside_random_actions(tmp_path):
    small = {"exp3": {"steps": 4000, "max_layers": 3, "max_actions": 6}, "data": {"image_size": 20}}
    states(tmp_path, ["conv1", "conv1 max2"])
    of = settings(**small)
    row = table(tmp_path, of).loc["C7"]
    assert f"uniform random actions {100 * random_share(of):.1f} %) (not applicable at this scale)" in row["measured"]
    assert 0.05 < random_share(of) < 0.3
    assert "not applicable" not in table(tmp_path).loc["C7", "measured"]


def test_searches_that_act_alike_say_nothing_of_sigma(tmp_path):
    for sigma in ("sigma0.0", "sigma0.1"):
        search(tmp_path, f"exp3/{sigma}/omniglot", around(0.6, 200), kinds=[8, 6, 6])
    first = table(tmp_path)["measured"]["C7"].split("; ")[0]
    assert first == "the same actions with both sigmas, step by step: nothing shows what sigma does (undecided)"


def test_running_times_are_compared_as_ratios(tmp_path):
    """100, 110 and 121 s against 200, 220 and 242 s, all of distinct networks: twice, by Welch of the logarithms."""
    for seed, seconds in zip(SEEDS, (1.0, 1.1, 1.21), strict=True):
        for sigma, factor in (("sigma0.0", 1), ("sigma0.1", 2)):
            search(tmp_path, f"exp3/{sigma}/omniglot", around(0.5, 50), seed, [8, 6, 6], seconds=factor * seconds)
    logs = np.log(1.1) * np.arange(3)
    low, high = stats.ttest_ind(logs + np.log(2), logs, equal_var=False).confidence_interval(0.95)
    row = table(tmp_path).loc["C16"]
    assert f"σ = 0.1 by σ = 0.0: 2.00 times, 95 % interval {np.exp(low):.2f} to {np.exp(high):.2f}" in row["measured"]
    assert row["verdict"] == "not reproduced"


def test_the_rarest_actions_by_hand(tmp_path):
    """Of 20 steps A8 has 1 and A7 has 2: 5 points; with no spread over seeds there is no interval."""
    kinds = [3, 3, 2, 2, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0]
    for sigma in ("sigma0.0", "sigma0.1"):
        for seed in SEEDS:
            search(tmp_path, f"exp3/{sigma}/omniglot", around(0.5, 100), seed, kinds)
    assert "with σ = 0.0, share of the steps: -5.00 percentage points" in table(tmp_path)["measured"]["C15"]


# --- strategies ---------------------------------------------------------------------------------------------


def test_the_signed_rank_test_of_c5_is_that_of_the_proportions(tmp_path):
    for dataset, kinds in (("aircraft", CHAIN), ("cu_birds", OTHER)):
        search(tmp_path, f"exp2/meta_a2c/{dataset}", around(0.5, 400), kinds=kinds)
    shares = [np.array(kinds) / 20 for kinds in (CHAIN, OTHER)]
    test = signed_rank_test(*shares)
    measured = table(tmp_path)["measured"]["C5"]
    assert f"p = {test.p:.3f} ({test.p_normal:.3f} by the normal approximation)" in measured
    assert f"on FGVC-Aircraft and CUB-200-2011: {100 * np.abs(shares[0] - shares[1]).sum() / 2:.1f} %" in measured
    assert measured.endswith("permutation test p = 0.0005 (does not hold in this one run)")


def test_a_policy_that_acts_the_same_step_by_step_shows_no_strategy(tmp_path):
    for dataset in ("aircraft", "cu_birds"):
        search(tmp_path, f"exp2/meta_a2c/{dataset}", around(0.5, 400))
    row = table(tmp_path).loc["C5"]
    assert row["verdict"] == "undecided"
    assert "the same actions, step by step" in row["measured"]


def test_short_trials_show_no_agreement(tmp_path):
    """No difference is shown in either, but only the longer trials could have shown one."""
    for episodes, verdict in ((ENOUGH_STEPS // 2 - 1, "undecided"), (ENOUGH_STEPS // 2, "reproduced")):
        for seed in SEEDS:
            for dataset in ("aircraft", "cu_birds"):
                turn = seed + 3 * (dataset == "cu_birds")
                search(tmp_path, f"exp2/meta_a2c/{dataset}", around(0.5, episodes), seed, turn=turn)
        row = table(tmp_path).loc["C5"]
        assert row["verdict"] == verdict, row["measured"]


def test_strategies_are_compared_over_seeds(tmp_path):
    """Student's t of the seeds' distances less their size by chance."""
    excess = []
    for seed in SEEDS:
        for dataset, kinds in (("aircraft", CHAIN), ("cu_birds", OTHER)):
            search(tmp_path, f"exp2/meta_a2c/{dataset}", around(0.5, 35 * seed), seed, kinds)
        logs = [np.resize(np.repeat(np.arange(8), kinds), 70 * seed) for kinds in (CHAIN, OTHER)]
        test = distance_test(*logs, 8)
        excess.append(100 * (test.distance - test.by_chance))
    half = stats.t.ppf(0.975, 2) * np.std(excess, ddof=1) / np.sqrt(3)
    row = table(tmp_path).loc["C5"]
    assert (
        f"difference: {np.mean(excess):.2f} percentage points, 95 % interval {np.mean(excess) - half:.2f}"
        in row["measured"]
    )
    assert row["verdict"] == "not reproduced"


# --- files and seeds ----------------------------------------------------------------------------------------


def test_missing_files_are_named_and_do_not_stop_the_rest(tmp_path):
    for seed in SEEDS:
        search(tmp_path, "exp1/meta_a2c/omniglot", around(0.3 + 0.001 * seed, 50), seed)
    found = table(tmp_path)
    assert found["verdict"].unique().tolist() == ["not run"]
    assert found.loc["C1", "measured"] == "missing: exp1/dqn/omniglot/seed*/steps.csv"
    for seed in SEEDS:
        search(tmp_path, "exp1/dqn/omniglot", around(0.4, 50), seed)
    assert table(tmp_path)["verdict"].tolist() == ["reproduced", *["not run"] * 16]


def test_trials_of_other_lengths_are_cut_to_the_shorter(tmp_path):
    """DQN's 120 steps count; what the meta-learner reaches after them does not."""
    late = np.concatenate([around(0.3, 60), around(0.9, 100)])
    search(tmp_path, "exp1/meta_a2c/omniglot", late)
    search(tmp_path, "exp1/dqn/omniglot", around(0.4, 60))
    assert "first 120 steps: -10.00 percentage points" in table(tmp_path)["measured"]["C1"]


def test_several_seeds_are_compared_by_their_means(tmp_path):
    """Only seeds that both have; Welch's interval of three means against three."""
    meta, dqn = {1: 0.30, 2: 0.34, 3: 0.32, 4: 0.9}, {1: 0.42, 2: 0.40, 3: 0.41}
    for method, by_seed in (("meta_a2c", meta), ("dqn", dqn)):
        for seed, mean in by_seed.items():
            search(tmp_path, f"exp1/{method}/omniglot", around(mean, 40), seed=seed)
    pairs = [[100 * values[seed] for seed in dqn] for values in (meta, dqn)]
    low, high = stats.ttest_ind(*pairs, equal_var=False).confidence_interval(0.95)
    row = table(tmp_path, settings(seeds=(1, 2, 3, 4))).loc["C1"]
    assert f"-9.00 percentage points, 95 % interval {low:.2f} to {high:.2f}" in row["measured"]
    assert row["verdict"] == "reproduced"


def test_differences_of_one_run_are_those_of_batches():
    """Five batches of ten against five; of parts of the same run with several seeds, Student's t of the differences."""
    random = np.random.RandomState(0)
    first, second = random.normal(1, 1, 50), random.normal(0, 1, 50)
    batches = [values.reshape(5, 10).mean(axis=1) for values in (first, second)]
    low, high = stats.ttest_ind(*batches, equal_var=False).confidence_interval(0.95)
    assert difference({7: first}, {7: second}) == pytest.approx((first.mean() - second.mean(), low, high, 1))
    assert np.isnan(difference({7: first[:49]}, {7: second}).low)
    paired = difference({1: [1.0, 3.0], 2: [4.0], 3: [6.0]}, {1: [1.0], 2: [3.5], 3: [4.5]}, paired=True)
    half = stats.t.ppf(0.975, 2) * np.std([1, 0.5, 1.5], ddof=1) / np.sqrt(3)
    assert paired == pytest.approx((1, 1 - half, 1 + half, 3))


def test_no_seed_in_common_decides_nothing(tmp_path):
    search(tmp_path, "exp1/meta_a2c/omniglot", around(0.3, 40), seed=1)
    search(tmp_path, "exp1/dqn/omniglot", around(0.4, 40), seed=2)
    row = table(tmp_path).loc["C1"]
    assert (row["verdict"], "nothing to compare" in row["measured"]) == ("undecided", True)


def of(claim):
    return next(one for one in CLAIMS if one.id == claim)


def test_a_file_of_another_kind_is_named(tmp_path):
    for path in [pattern.replace("*", "0") for pattern in of("C6").files]:
        save(tmp_path / path, epoch=[1, 2])
    with pytest.raises(DataError, match=r"epochs\.csv: expected a table with a column `accuracy`"):
        table(tmp_path)


def test_trials_shorter_than_an_update_decide_nothing(tmp_path):
    for path in [pattern.replace("*", "1") for pattern in of("C3").files]:
        save(tmp_path / path)
    row = table(tmp_path).loc["C3"]
    assert (row["verdict"], row["measured"].count("nothing to compare")) == ("undecided", 3)


def test_hardness_is_not_judged_at_another_scale(reproduced):
    row = claims_table(reproduced, settings(), {**PAPER, "scale": "miniature"}).set_index("claim").loc["C14"]
    assert row["verdict"] == "not applicable"
    assert row["measured"].count("(not applicable at this scale)") == 4
    assert re.search(r"\(random search: Describable Textures [\d.]+ %, Omniglot ", row["measured"])


def test_traffic_signs_may_be_missing(reproduced, tmp_path):
    for dataset, level in HARDNESS.items():
        for seed in SEEDS if dataset != "traffic_sign" else ():
            search(tmp_path, f"appendix_a/meta_a2c/{dataset}", around(level + 0.002 * seed, 20), seed)
    row = table(tmp_path).loc["C14"]
    assert (row["verdict"], row["measured"].count("nothing to compare")) == ("undecided", 1)


def test_what_another_run_left_does_not_count(one_seed):
    """Seeds and repeats that the configuration does not name."""
    assert table(one_seed, settings(seeds=(999,))).drop("C6")["verdict"].unique().tolist() == ["not run"]
    few = Inputs(one_seed, settings(exp2={"repeats": 2}), PAPER)
    assert len(few.files("exp2/long/aircraft/best1/**/repeat*/epochs.csv")) == 2


def test_when_a_part_holds():
    up, down, wide, none = Estimate(2, 1, 3), Estimate(-2, -3, -1), Estimate(0, -1, 1), Estimate(0.5)
    assert [above(x) for x in (up, down, wide, none)] == [True, False, None, None]
    assert [below(x) for x in (up, down, wide, none)] == [False, True, None, None]
    assert [not_above(x) for x in (up, down, wide, none)] == [False, True, True, None]
    assert [not_below(x) for x in (up, down, wide, none)] == [True, False, True, None]
    assert [around_zero(x) for x in (up, down, wide, none)] == [False, False, True, None]
    shares = [(0.09, 0.11), (0.15, 0.2), (0.01, 0.05), (0.09, 0.2), (0.01, 0.3)]
    found = [about(0.1)(Estimate(low, low, high)) for low, high in shares]
    assert [*found, about(0.1)(none)] == [True, False, False, None, None, None]


def test_caveats():
    quick = provenance(Config.model_validate({"scale": "quick", "data": {"source": "standin"}}))
    text = caveat(quick)
    assert "Scale quick, data: drawn stand-ins" in text
    assert "cannot decide the paper's claim" in text
    assert "One seed" in text
    assert "cannot decide" in caveat({**PAPER, "data": quick["data"]})
    assert "cannot decide" in caveat({**PAPER, "scale": "miniature"})
    assert caveat({**PAPER, "changed": "exp1.dqn.dtd"}).startswith("Scale paper, changed in exp1.dqn.dtd, data: ")
    assert caveat({**PAPER, "seeds": "1024"}).startswith("One seed")
    assert caveat(PAPER) == ""


def test_every_row_carries_scale_data_and_fidelity(tmp_path):
    quick = provenance(Config.model_validate({"scale": "quick", "data": {"source": "standin"}}))
    found = claims_table(tmp_path, settings(), quick)
    for column in ("scale", "data", "fidelity"):
        assert found[column].unique().tolist() == [quick[column]]
    assert found["caveat"].str.contains("cannot decide").all()


# --- pages --------------------------------------------------------------------------------------------------


def flat(path):
    return " ".join(path.read_text().split())


def test_statements_are_those_of_the_papers_page(root):
    for claim in CLAIMS:
        assert f"- {claim.id} {claim.statement}" in flat(root / "docs/paper.md")


def test_the_claims_page_ends_with_all_claims(root):
    """If not: `python -m nasdmrl.analysis.claims` prints what belongs below its heading `The claims`."""
    page = (root / "docs/claims.md").read_text()
    assert page.split("## The claims\n\n")[1] == documentation()


def test_numbers_of_the_rules_are_those_of_the_code():
    share = published().multi_branch.share
    assert f"{100 * share / ABOUT:.1f} % and {100 * share * ABOUT:.1f} %" in of("C7").rule
    assert f"{ENOUGH_STEPS} steps" in of("C5").rule
    assert [measure for measure in dir(claim_measures) if re.fullmatch(r"c\d+", measure)] == sorted(
        claim.measure.__name__ for claim in CLAIMS
    )


def test_the_papers_table_6_by_the_rule_of_c6():
    """Welch's interval of best2 minus best1 from means and deviations: 2 sd of the population of five, halved."""
    for dataset, scores in published().long_training.scores.items():
        first, second = scores["best1"], scores["best2"]
        parts = [(score.two_sd / 2) ** 2 / (published().long_training.repeats - 1) for score in (first, second)]
        degrees = sum(parts) ** 2 / sum(part**2 / 4 for part in parts)
        half, value = stats.t.ppf(0.975, degrees) * sum(parts) ** 0.5, second.mean - first.mean
        told = f"{dataset} {value:.2f}, interval {value - half:.2f} to {value + half:.2f}"
        assert told in of("C6").reason


def test_evidence_has_the_published_numbers():
    assert "aircraft best1 49.18 +- 1.20" in of("C6").evidence
    assert of("C5").evidence.endswith("p = 0.48")
    assert of("C7").evidence.endswith("1106 of 9772 distinct networks")

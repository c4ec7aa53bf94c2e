"""Claims C1 to C7 on hand-made results: one set for each verdict, and the page that explains them."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasdmrl.analysis.claim_measures import ABOUT, Inputs, about, above, around_zero, below, not_above
from nasdmrl.analysis.claims import CLAIMS, WORDS, assess, caveat, claims_table
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.statistics import Estimate, signed_rank_test
from nasdmrl.config.model import Config
from nasdmrl.errors import DataError
from nasdmrl.paper.numbers import published
from nasdmrl.space.actions import SPACES

SEED, BIN = 1024, 20
PAPER = {"scale": "paper", "data": "official archives", "fidelity": "paper", "seeds": "1 2 3"}
SHARED = [3, 3, 2, 2, 3, 3, 2, 2]  # actions of 20 steps, how many of each kind
OTHER = [6, 0, 4, 0, 6, 0, 4, 0]


def around(mean, count, amplitude=0.03):
    """Numbers that go up and down around a mean, in a fixed order: no trend, and a spread."""
    return mean + amplitude * np.tile([1, -1, 0.5, -0.5], count)[:count]


def save(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(path, index=False)


def search(root, place, rewards, seed=SEED, kinds=SHARED, multi=0, turn=0):
    """A step log: two steps an episode, half of its reward and all of it; each 20 steps have their kinds of actions."""
    steps, episodes = 2 * len(rewards), np.arange(1, len(rewards) + 1)
    actions = np.resize(np.roll(np.repeat(np.arange(len(kinds)), kinds), turn), steps)
    names = [SPACES["multi_branch"][action].name for action in actions]
    both = np.column_stack([rewards / 2, rewards]).ravel()
    log = {"step": np.arange(1, steps + 1), "episode": np.repeat(episodes, 2), "action": actions, "reward": both}
    save(root / place / f"seed{seed}/steps.csv", **log, action_name=names, valid=1, multi_branch=multi)


def entropy(root, dataset, first, last, updates=300):
    place = root / f"exp1/meta_a2c/{dataset}/seed{SEED}/progress.csv"
    save(place, step=np.arange(updates), entropy=np.linspace(first, last, updates) + around(0, updates, 0.01))


def long_training(root, network, finals):
    for repeat, final in enumerate(finals):
        for dataset in ("aircraft", "cu_birds"):
            path = root / f"exp2/long/{dataset}/{network}/repeat{repeat}/epochs.csv"
            save(path, epoch=[1, 2], accuracy=[0.99, final])


def results(root, meta, dqn, random_search, drift=0.0, kinds=SHARED, episodes=200, updates=300):
    """Results of Exp. 1 and 2a: mean rewards by method; `drift` is added in the second half of the fixed policy's."""
    for dataset, reward in meta.items():
        experiment = "exp2" if dataset in ("aircraft", "cu_birds") else "exp1"
        rewards = around(reward, episodes) + drift * (np.arange(episodes) >= episodes // 2) * (experiment == "exp2")
        of = kinds if dataset == "cu_birds" else SHARED
        search(root, f"{experiment}/meta_a2c/{dataset}", rewards, kinds=of, turn=dataset == "cu_birds")
        search(root, f"{experiment}/random_search/{dataset}", around(random_search, episodes))
        if experiment == "exp1":
            search(root, f"exp1/dqn/{dataset}", around(dqn, episodes))
    entropy(root, "omniglot", 2.0, 1.0, updates)
    entropy(root, "vgg_flower", 1.0, 0.5, updates)
    entropy(root, "dtd", 1.2, 1.0, updates)


def exp3(root, rewards, every, episodes=1200):
    """Exp. 3, convolutions only: in each half of the steps, one in `every` networks is multi-branch."""
    flags = [np.arange(episodes) % count == 0 for count in every]
    for sigma, reward in rewards.items():
        multi = np.concatenate(flags).astype(int)
        search(
            root,
            f"exp3/{sigma}/omniglot",
            around(reward, episodes),
            kinds=[8, 6, 6],
            multi=multi,
            turn=sigma == "sigma0.1",
        )


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """What the paper says."""
    root = tmp_path_factory.mktemp("reproduced")
    meta = {"omniglot": 0.3, "vgg_flower": 0.5, "dtd": 0.5, "aircraft": 0.5, "cu_birds": 0.5}
    results(root, meta, dqn=0.4, random_search=0.2)
    long_training(root, "best1", [0.48, 0.49, 0.50, 0.49, 0.49])
    long_training(root, "best2", [0.52, 0.53, 0.54, 0.53, 0.53])
    long_training(root, "vgg19_cut", [0.25, 0.35, 0.30, 0.28, 0.33])
    exp3(root, {"sigma0.0": 0.6, "sigma0.1": 0.6}, every=(8, 12))
    return root


@pytest.fixture(scope="module")
def refuted(tmp_path_factory):
    """The opposite of what the paper says."""
    root = tmp_path_factory.mktemp("refuted")
    meta = {"omniglot": 0.5, "vgg_flower": 0.3, "dtd": 0.3, "aircraft": 0.3, "cu_birds": 0.3}
    results(root, meta, dqn=0.4, random_search=0.35, drift=0.2, kinds=OTHER)
    entropy(root, "omniglot", 1.0, 2.0)
    long_training(root, "best1", [0.28, 0.29, 0.30])
    long_training(root, "best2", [0.22, 0.23, 0.24])
    long_training(root, "vgg19_cut", [0.45, 0.44, 0.46])
    exp3(root, {"sigma0.0": 0.6, "sigma0.1": 0.5}, every=(3, 2))
    return root


@pytest.fixture(scope="module")
def open_results(tmp_path_factory):
    """The paper's order, from runs too short to tell: four episodes, five updates, one repeat."""
    root = tmp_path_factory.mktemp("open")
    meta = {"omniglot": 0.3, "vgg_flower": 0.5, "dtd": 0.5, "aircraft": 0.5, "cu_birds": 0.5}
    results(root, meta, dqn=0.4, random_search=0.2, episodes=4, updates=5)
    for network, final in (("best1", 0.49), ("best2", 0.53), ("vgg19_cut", 0.3)):
        long_training(root, network, [final])
    exp3(root, {"sigma0.0": 0.6, "sigma0.1": 0.6}, every=(8, 12), episodes=4)
    return root


def table(root):
    return claims_table(root, BIN, PAPER).set_index("claim")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_each_verdict(claim, reproduced, refuted, open_results, tmp_path):
    found = [assess(claim, Inputs(root, BIN, PAPER)).verdict for root in (reproduced, refuted, open_results, tmp_path)]
    assert found == ["reproduced", "not reproduced", "undecided", "not run"]


def test_one_row_a_claim(reproduced):
    found = claims_table(reproduced, BIN, PAPER)
    assert found["claim"].tolist() == [f"C{number}" for number in range(1, 8)]
    columns = "claim statement paper_evidence verdict measured rule files caveat scale data fidelity"
    assert found.columns.tolist() == columns.split()


def test_measured_numbers_by_hand(reproduced):
    """Means of the hand-made numbers."""
    measured = table(reproduced)["measured"]
    assert "on Omniglot, Deep meta-RL minus DQN, first 400 steps: -10.00 percentage points" in measured["C1"]
    assert "on Describable Textures, Deep meta-RL minus Random search, first 20 episodes: 30.00" in measured["C2"]
    # A third of a straight line from 2 to 1 lies 2/3 above the last third.
    assert "on Omniglot, last third minus first third: -0.67 nats" in measured["C3"]
    assert "second half minus first half: 0.00 percentage points" in measured["C4"]
    # 1 in 8, then 1 in 12.
    assert "share of multi-branch networks with σ = 0.0: 10.42 %, 95 % interval" in measured["C7"]
    assert "σ = 0.1, second half minus first half: -4.17 percentage points" in measured["C7"]


def test_long_trainings_are_compared_by_welch(reproduced):
    best, vgg = [48, 49, 50, 49, 49], [25, 35, 30, 28, 33]
    low, high = stats.ttest_ind(best, vgg, equal_var=False).confidence_interval(0.95)
    told = f"{np.mean(best) - np.mean(vgg):.2f} percentage points, 95 % interval {low:.2f} to {high:.2f}, Hedges' g"
    assert f"FGVC-Aircraft, best1 minus vgg19_cut: {told}" in table(reproduced)["measured"]["C6"]


def test_the_best_early_may_stay_the_best(reproduced, tmp_path):
    """The last accuracy counts, not the best of all epochs; best1 ahead at the end is against the claim."""
    long_training(tmp_path, "best1", [0.50, 0.51, 0.52])
    long_training(tmp_path, "best2", [0.40, 0.41, 0.42])
    long_training(tmp_path, "vgg19_cut", [0.30, 0.31, 0.32])
    row = table(tmp_path).loc["C6"]
    assert row["verdict"] == "not reproduced"
    assert row["measured"].count("(holds)") == 4
    assert row["measured"].count("(does not hold)") == 2


def test_only_a_new_layer_makes_a_network(tmp_path):
    """Shifts (A10 to A13), terminal rows (A7) and invalid networks are not counted; both merges (A8, A9) are."""
    rows = {"action": [0, 8, 9, 7, 10, 13, 0], "valid": [1, 1, 1, 1, 1, 1, 0], "multi_branch": [0, 1, 0, 1, 1, 1, 1]}
    rows["action_name"] = [SPACES["multi_branch"][action].name for action in rows["action"]]
    log = {name: values * 40 for name, values in rows.items()}
    for sigma in ("sigma0.0", "sigma0.1"):
        path = tmp_path / f"exp3/{sigma}/omniglot/seed1/steps.csv"
        save(path, step=range(1, 281), episode=np.arange(280) // 7 + 1, reward=0.5, **log)
    assert "networks with σ = 0.0: 33.33 %" in table(tmp_path)["measured"]["C7"]


def test_the_signed_rank_test_of_c5_is_that_of_the_proportions(refuted):
    shares = [np.array(kinds) / 20 for kinds in (SHARED, OTHER)]
    test = signed_rank_test(*shares)
    measured = table(refuted)["measured"]["C5"]
    assert f"p = {test.p:.3f} ({test.p_normal:.3f} by the normal approximation)" in measured
    assert f"total variation between the action proportions {np.abs(shares[0] - shares[1]).sum() / 2:.3f}" in measured


def test_a_policy_that_acts_the_same_step_by_step_shows_no_strategy(reproduced, tmp_path):
    for dataset in ("aircraft", "cu_birds"):
        search(tmp_path, f"exp2/meta_a2c/{dataset}", around(0.5, 200))
    row = table(tmp_path).loc["C5"]
    assert row["verdict"] == "undecided"
    assert "the same actions, step by step" in row["measured"]


def test_missing_files_are_named_and_do_not_stop_the_rest(reproduced, tmp_path):
    search(tmp_path, "exp1/meta_a2c/omniglot", around(0.3, 50))
    found = table(tmp_path)
    assert found["verdict"].unique().tolist() == ["not run"]
    assert found.loc["C1", "measured"] == "missing: exp1/dqn/omniglot/seed*/steps.csv"
    search(tmp_path, "exp1/dqn/omniglot", around(0.4, 50))
    assert table(tmp_path)["verdict"].tolist() == ["reproduced", *["not run"] * 6]


def test_trials_of_other_lengths_are_cut_to_the_shorter(tmp_path):
    """DQN's 120 steps count; what the meta-learner reaches after them does not."""
    late = np.concatenate([around(0.3, 60), around(0.9, 100)])
    search(tmp_path, "exp1/meta_a2c/omniglot", late)
    search(tmp_path, "exp1/dqn/omniglot", around(0.4, 60))
    assert "first 120 steps: -10.00 percentage points" in table(tmp_path)["measured"]["C1"]


def test_several_seeds_are_compared_by_their_means(tmp_path):
    """Only seeds that both have; Welch's interval of three means against three."""
    meta, dqn = {1: 0.30, 2: 0.34, 3: 0.32, 4: 0.9}, {1: 0.42, 2: 0.40, 3: 0.41}
    for method, means in (("meta_a2c", meta), ("dqn", dqn)):
        for seed, mean in means.items():
            search(tmp_path, f"exp1/{method}/omniglot", around(mean, 40), seed=seed)
    pairs = [[100 * values[seed] for seed in dqn] for values in (meta, dqn)]
    low, high = stats.ttest_ind(*pairs, equal_var=False).confidence_interval(0.95)
    row = table(tmp_path).loc["C1"]
    assert f"-9.00 percentage points, 95 % interval {low:.2f} to {high:.2f}" in row["measured"]
    assert row["verdict"] == "reproduced"


def test_no_seed_in_common_decides_nothing(tmp_path):
    search(tmp_path, "exp1/meta_a2c/omniglot", around(0.3, 40), seed=1)
    search(tmp_path, "exp1/dqn/omniglot", around(0.4, 40), seed=2)
    row = table(tmp_path).loc["C1"]
    assert (row["verdict"], "nothing to compare" in row["measured"]) == ("undecided", True)


def test_a_file_of_another_kind_is_named(tmp_path):
    for path in [pattern.replace("*", "0") for pattern in CLAIMS[5].files]:
        save(tmp_path / path, epoch=[1, 2])
    with pytest.raises(DataError, match=r"epochs\.csv: expected a table with a column `accuracy`"):
        table(tmp_path)


def test_trials_shorter_than_an_update_decide_nothing(tmp_path):
    for path in [pattern.replace("*", "0") for pattern in CLAIMS[2].files]:
        save(tmp_path / path)
    row = table(tmp_path).loc["C3"]
    assert (row["verdict"], row["measured"].count("nothing to compare")) == ("undecided", 3)


def test_when_a_part_holds():
    up, down, wide, none = Estimate(2, 1, 3), Estimate(-2, -3, -1), Estimate(0, -1, 1), Estimate(0.5)
    assert [above(x) for x in (up, down, wide, none)] == [True, False, None, None]
    assert [below(x) for x in (up, down, wide, none)] == [False, True, None, None]
    assert [not_above(x) for x in (up, down, wide, none)] == [False, True, True, None]
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
    assert "cannot decide" in caveat({**PAPER, "scale": "reduced"})
    assert caveat({**PAPER, "changed": "exp1.dqn.dtd"}).startswith("Scale paper, changed in exp1.dqn.dtd, data: ")
    assert caveat({**PAPER, "seeds": "1024"}).startswith("One seed")
    assert caveat(PAPER) == ""


def test_every_row_carries_scale_data_and_fidelity(tmp_path):
    quick = provenance(Config.model_validate({"scale": "quick", "data": {"source": "standin"}}))
    found = claims_table(tmp_path, BIN, quick)
    for column in ("scale", "data", "fidelity"):
        assert found[column].unique().tolist() == [quick[column]]
    assert found["caveat"].str.contains("cannot decide").all()


def test_searches_that_act_alike_say_nothing_of_sigma(tmp_path):
    for sigma in ("sigma0.0", "sigma0.1"):
        search(tmp_path, f"exp3/{sigma}/omniglot", around(0.6, 200), kinds=[8, 6, 6])
    first = table(tmp_path)["measured"]["C7"].split("; ")[0]
    assert first == "the same actions with both sigmas, step by step: nothing shows what sigma does (undecided)"


# --- pages --------------------------------------------------------------------------------------------------


def flat(path):
    return " ".join(path.read_text().split())


def test_statements_are_those_of_the_papers_page(root):
    for claim in CLAIMS:
        assert f"- {claim.id} {claim.statement}" in flat(root / "docs/paper.md")


def test_the_claims_page_has_every_id_statement_and_rule(root):
    page = flat(root / "docs/claims.md")
    assert re.findall(r"## (C\d)", page) == [claim.id for claim in CLAIMS]
    for claim in CLAIMS:
        assert claim.statement in page
        assert claim.rule in page
    assert all(word in page for word in WORDS.values())


def test_numbers_of_the_rules_are_those_of_the_code():
    share = published().multi_branch.share
    assert f"{100 * share / ABOUT:.1f} % and {100 * share * ABOUT:.1f} %" in CLAIMS[-1].rule


def test_the_page_says_how_the_papers_table_6_fares(root):
    """Welch's interval of best2 minus best1 from means and deviations, 2 sd halved."""
    page = flat(root / "docs/claims.md")
    for dataset, scores in published().long_training.scores.items():
        first, second = scores["best1"], scores["best2"]
        parts = [(score.two_sd / 2) ** 2 / published().long_training.repeats for score in (first, second)]
        degrees = sum(parts) ** 2 / sum(part**2 / 4 for part in parts)
        half, value = stats.t.ppf(0.975, degrees) * sum(parts) ** 0.5, second.mean - first.mean
        assert f"{dataset} {value:.2f}, interval {value - half:.2f} to {value + half:.2f}" in page


def test_evidence_has_the_published_numbers():
    assert "aircraft best1 49.18 +- 1.20" in CLAIMS[5].evidence
    assert CLAIMS[4].evidence.endswith("p = 0.48")


def test_what_another_run_left_does_not_count(reproduced):
    """Seeds and repeats that the configuration does not name."""
    verdicts = claims_table(reproduced, BIN, PAPER, seeds=[999], repeats=[999])["verdict"]
    assert verdicts.unique().tolist() == ["not run"]
    few = Inputs(reproduced, BIN, PAPER, repeats=range(2))
    assert len(few.files("exp2/long/aircraft/best1/repeat*/epochs.csv")) == 2

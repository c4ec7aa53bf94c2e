"""The published data in the package: they agree with themselves, and with what the authors' notebooks print."""

import itertools
from importlib.resources import files

import numpy as np
import pytest

from nasdmrl.agents.registry import AGENTS
from nasdmrl.analysis.episodes import MULTI_BRANCH_NETWORKS
from nasdmrl.analysis.figures.registry import panels
from nasdmrl.analysis.styles import METRICS
from nasdmrl.config.model import Config
from nasdmrl.paper.datasets import DATASETS
from nasdmrl.paper.published import BIN_EPISODES, actions, curve, curves, numbers

# Trials in the order of the joined files, as the ends of each one's bins and the beginnings of the next tell.
TRAINING_FILE = [
    ("meta_a2c", "omniglot"), ("random_search", "dtd"), ("random_search", "vgg_flower"), ("meta_a2c", "vgg_flower"),
    ("random_search", "omniglot"), ("dqn", "omniglot"), ("dqn", "vgg_flower"), ("meta_a2c", "dtd"), ("dqn", "dtd"),
]  # fmt: skip
EVALUATION_FILE = [
    ("meta_a2c", "aircraft"), ("meta_a2c", "cu_birds"), ("random_search", "aircraft"), ("random_search", "cu_birds")
]  # fmt: skip
MULTI_BRANCH_FILE = [("sigma0.0", "omniglot"), ("sigma0.1", "omniglot")]


def printed(item):
    table = numbers()
    (value,) = table.loc[table["item"].str.startswith(item), "value"]
    return float(value)


def test_names_are_those_of_the_package():
    table = curves()
    assert len(table) == 1600
    assert set(table["method"]) == {*AGENTS, "sigma0.0", "sigma0.1"}
    assert set(table["dataset"]) == set(DATASETS) - {"traffic_sign"}
    assert set(table["metric"]) == {*METRICS, MULTI_BRANCH_NETWORKS, "entropy"}
    names = {item.name for item in panels(Config())}
    assert set(table["figure"]) <= names
    of_curves = {name for name in names if name[3:5] in ("09", "10", "12", "14", "15")}
    assert set(table["figure"]) == of_curves
    assert set(actions()["figure"]) == {"fig11", "fig13", "fig16"} <= names


def test_the_data_are_small():
    found = [file for file in files("nasdmrl.paper").iterdir() if file.name.endswith(".csv")]
    assert sorted(file.name for file in found) == ["actions.csv", "curves.csv", "numbers.csv"]
    assert sum(len(file.read_bytes()) for file in found) < 400_000


def test_integer_sums_give_mean_and_deviation():
    table = curves().dropna(subset=["sum"])
    assert set(table["metric"]) == {"length", MULTI_BRANCH_NETWORKS}
    n, total, squares = (table[name].to_numpy(float) for name in ("n_episodes", "sum", "sum_of_squares"))
    assert table["mean"].to_numpy() == pytest.approx(total / n, abs=1e-6)
    assert table["sd"].to_numpy() == pytest.approx(np.sqrt((squares - total**2 / n) / (n - 1)), abs=1e-6)
    assert ((total - squares) % 2 == 0).all()  # a number and its square are both even or both odd
    assert (table["reading_error"] == 0).all()


def test_bands_lie_a_deviation_beside_the_mean():
    table = curves().query("metric != 'entropy'")
    for end, sign in (("low", -1), ("high", 1)):
        assert table[end].to_numpy() == pytest.approx((table["mean"] + sign * table["sd"]).to_numpy(), abs=2e-6)
    assert set(table["hidden"]) == {"", "low", "high"}
    below = table.loc[table["hidden"] == "low"]
    assert (
        below["low"] < below["figure"].map({"fig14a": 1 / 576, "fig14b": 1 / 27, "fig14c": 1 / 89, "fig15b": 1 / 132})
    ).all()
    assert curves().query("metric == 'entropy'")["sd"].isna().all()


@pytest.mark.parametrize("file", [TRAINING_FILE, EVALUATION_FILE, MULTI_BRANCH_FILE])
def test_bins_follow_from_the_joined_files(file):
    """Counted through the rows of all trials, 50 rows a bin; every trial's own bins are numbered from 0."""
    first = 0
    for method, dataset in file:
        table = curve(dataset, method, "length")
        end = first + table["n_episodes"].sum()
        bins = [row // BIN_EPISODES for row in range(first, end)]
        sizes = [len(list(same)) for _, same in itertools.groupby(bins)]
        assert table["n_episodes"].tolist() == sizes, (method, dataset)
        assert table["x"].tolist() == [BIN_EPISODES * place for place in range(len(sizes))]
        first = end


def test_sums_are_what_the_notebooks_print():
    first = curve("omniglot", "sigma0.0", "length")["sum"].iloc[:60].sum()
    assert first == 11048 == printed("time-steps covered by the first 3000 episodes")
    for dataset, method, item in (
        ("dtd", "meta_a2c", "episodes, meta_a2c dtd (run"),
        ("aircraft", "meta_a2c", "episodes, meta_a2c aircraft"),
        ("cu_birds", "random_search", "episodes, random search cu_birds"),
        ("omniglot", "sigma0.1", "episodes, sigma 0.1 run"),
    ):
        assert curve(dataset, method, "length")["n_episodes"].sum() == printed(item)


def test_actions_are_those_of_whole_trials():
    table = actions()
    steps = table[table["exact"]].groupby("dataset")["count"].sum().to_dict()
    assert steps == {"omniglot": 8000, "vgg_flower": 7000, "dtd": 7000, "aircraft": 2000, "cu_birds": 2000}
    read = table[~table["exact"]]
    assert set(read["figure"]) == {"fig16"}
    assert read.groupby("method")["proportion"].sum().to_numpy() == pytest.approx(1, abs=14 * 0.0005)
    assert read["proportion"].between(read["low"], read["high"]).all()
    assert (
        table.groupby(["figure", "method", "dataset"])["action"]
        .agg(list)
        .map(lambda ids: ids == [*range(len(ids))])
        .all()
    )


def test_tables_are_copies():
    table = curves()
    table["mean"] = 0.0
    assert curves()["mean"].max() > 5


def test_a_curve_that_the_paper_has_not_is_empty():
    assert curve("aircraft", "dqn", "length").empty
    assert len(curve("dtd", "meta_a2c", "entropy")) == 57

"""Evaluating beforehand: which networks, who takes which, and that searches then only look up."""

import json
import subprocess
import sys

import pandas as pd
from conftest import save, stripes

from nasdmrl.agents.prewarm import random_search_networks, share
from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.agents.search import interact
from nasdmrl.config.model import Config, from_dict
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.space.enumeration import networks_of
from nasdmrl.space.environment import NASEnv
from nasdmrl.space.nsc import parse, to_text

TINY = {
    "early_stop": {"epochs": 1, "filters": 2, "dense_units": 4, "batch_size": 32},
    "prewarm": {"depth": 1, "tasks": 2},
    "seeds": [7],
}


def test_all_chains_on_images_of_two_pixels():
    """By hand: of the seven layers conv1, max2 and avg2 fit; what pooling leaves is one pixel, where conv1 fits."""
    texts = {to_text(network) for network in networks_of("chain", 2, (2, 2, 3))}
    single = {"conv1", "max2", "avg2"}
    assert texts == {"input", *single, *(f"conv1 {layer}" for layer in single), "max2 conv1", "avg2 conv1"}


def test_all_chains_on_large_images_are_the_powers_of_seven():
    lengths = pd.Series([len(network) for network in networks_of("chain", 3, (84, 84, 3))]).value_counts()
    assert lengths.to_dict() == {0: 1, 1: 7, 2: 49, 3: 343}


def test_random_search_meets_exactly_these_networks(data, recipe, tmp_path):
    """Compared with what a real random search has stored."""
    store = EvaluationStore(tmp_path)
    env = NASEnv(Evaluator(data, recipe.model_copy(update={"epochs": 1}), store))
    for _ in interact(RandomSearch(8, 7), env, 30):
        pass
    stored = {record["network"] for record in store}
    known = random_search_networks(30, 7, data.shape, Config())
    assert {to_text(network) for network in known} == stored
    assert len(known) == len(stored) > 10


def test_shares_are_disjoint_complete_and_alike_in_size(data, recipe):
    networks = list(networks_of("chain", 2, data.shape))
    shares = [share([*networks, *networks], part, 3, data, recipe) for part in range(3)]
    texts = [to_text(network) for part in shares for network in part]
    assert sorted(texts) == sorted(to_text(network) for network in networks)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def nasdmrl(*arguments):
    command = [sys.executable, "-m", "nasdmrl.cli", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_a_search_after_its_tasks_trains_nothing(tmp_path):
    """Two tasks at once, then random search with the same seed: it adds no network to the store."""
    images, store = stripes(60), tmp_path / "store"
    save(images, tmp_path / "images")
    common = ["dtd", "--images", tmp_path / "images", "--store", store, "--config", json.dumps(TINY), "--steps", 12]
    tasks = [nasdmrl("prewarm", *common, "--part", part, "--output", tmp_path / f"{part}.csv") for part in (0, 1)]
    assert [task.wait() for task in tasks] == [0, 0]
    rows = pd.concat([pd.read_csv(tmp_path / f"{part}.csv") for part in (0, 1)])
    expected = [
        *networks_of("chain", 1, images.shape),
        *random_search_networks(12, 7, images.shape, from_dict(TINY, "test")),
    ]
    assert set(rows["network"]) == {to_text(network) for network in expected}
    assert not rows["from_store"].any()
    before = {record["key"] for record in EvaluationStore(store)}
    assert len(before) == len(rows)
    search = nasdmrl("search", "random_search", *common, "--seed", 7, "--output", tmp_path / "steps.csv")
    assert search.wait() == 0
    assert {record["key"] for record in EvaluationStore(store)} == before
    assert parse("conv1") in expected


def test_a_task_that_does_not_exist_is_refused(tmp_path):
    save(stripes(60), tmp_path / "images")
    arguments = ["--part", 2, "--steps", 5, "--output", tmp_path / "x.csv", "--config", json.dumps(TINY)]
    process = nasdmrl("prewarm", "dtd", "--images", tmp_path / "images", *arguments)
    assert process.wait() == 1
    assert "--part 2: the tasks are 0 to 1 (prewarm.tasks)" in process.stderr.read()

"""Algorithm 1, its log, and resuming by replay."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_env import table

from nasdmrl.agents import random_search
from nasdmrl.agents.meta_a2c import MetaA2C
from nasdmrl.agents.policies import PolicyError, Spaces
from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.agents.registry import AGENTS, Entry
from nasdmrl.agents.search import COLUMNS, TIME_COLUMNS, run_search, write_progress
from nasdmrl.cli.searches import search
from nasdmrl.config.model import load
from nasdmrl.data.images import decode
from nasdmrl.data.records import convert
from nasdmrl.errors import NasdmrlError
from nasdmrl.space.environment import NASEnv

SEARCH = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import stripes
from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.config.sections import Recipe
from nasdmrl.space.environment import NASEnv
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.agents.search import run_search
from nasdmrl.evaluation.store import EvaluationStore
recipe = Recipe(epochs=1, batch_size=32, filters=2, dense_units=4)
evaluator = Evaluator(stripes(), recipe, EvaluationStore(sys.argv[2]))
run_search(RandomSearch(8, 7), NASEnv(evaluator), 40, sys.argv[3])
"""

SHIFTS = {"p1 up", "p1 down", "p2 up", "p2 down"}


def rows(log):
    with open(log, newline="") as file:
        return list(csv.DictReader(file))


def without_times(log):
    return [[row[column] for column in COLUMNS] for row in rows(log)]


def test_random_search_is_uniform_and_in_the_authors_sequence():
    """The calls of the authors' script, and what they gave when this was written: Python must not change it."""
    agent = RandomSearch(8, 1024)
    random.seed("1024")
    drawn = [random.randint(0, 7) for _ in range(1000)]
    assert [agent.act(np.zeros(1)) for _ in range(1000)] == drawn
    assert drawn[:12] == [7, 1, 3, 3, 0, 7, 0, 1, 0, 7, 1, 6]
    agent = RandomSearch(8, 0)
    counts = np.bincount([agent.act(np.zeros(1)) for _ in range(8000)], minlength=8)
    assert counts.min() > 1000 - 5 * 30  # five standard deviations of a binomial
    assert counts.max() < 1000 + 5 * 30


def test_log_has_a_row_for_every_step(tmp_path):
    log = tmp_path / "steps.csv"
    run_search(RandomSearch(8, 3), NASEnv(table), 200, log)
    steps = rows(log)
    assert list(steps[0]) == [*COLUMNS, *TIME_COLUMNS]
    assert [int(row["step"]) for row in steps] == list(range(1, 201))
    ends = [int(row["episode_end"]) for row in steps]
    assert [int(row["episode"]) for row in steps] == [1 + sum(ends[:i]) for i in range(200)]
    assert {row["valid"] for row in steps} == {"0", "1"}
    seen = set()
    for row in steps:
        network = row["network"].replace(" terminal", "").replace("terminal", "input")
        assert row["looked_up"] == str(int(network in seen))
        seen.add(network)


def start(root, folder, log, process=subprocess.Popen):
    command = [sys.executable, "-c", SEARCH, str(root / "tests"), str(folder), str(log)]
    return process(command, stderr=subprocess.DEVNULL)


CONFIG = json.dumps(
    {
        "data": {"image_size": 12, "classes": 3, "images_per_class": 10},
        "early_stop": {"epochs": 1, "filters": 2, "dense_units": 4, "batch_size": 32},
        "dqn": {"learning_starts": 5},
    }
)


@pytest.fixture(scope="module")
def images(standins, tmp_path_factory):
    """Decoded stand-ins, very small."""
    folder = tmp_path_factory.mktemp("images")
    convert("dtd", standins, folder / "records", False)
    decode(folder / "records", folder / "images", load(CONFIG).data)
    return folder / "images"


def start_cli(method, images, folder, policy, process=subprocess.Popen):
    """`nasdmrl search` with its outputs in `folder` and its store in `folder`/store."""
    command = ["nasdmrl", "search", method, "dtd", "--steps", "30", "--output", str(folder / "out/steps.csv")]
    command += ["--images", str(images), "--store", str(folder / "store"), "--config", CONFIG, *policy]
    return process(command, stderr=subprocess.DEVNULL)


def records(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl"))) if folder.is_dir() else b""


def kill_after(process, folder, evaluations):
    """SIGKILL a search once the store in `folder` holds so many evaluations."""
    while records(folder).count(b'"key"') < evaluations and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, "the search ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_search_goes_on_as_if_nothing_had_happened(root, tmp_path):
    start(root, tmp_path / "calm", tmp_path / "calm.csv", subprocess.run)
    store, log = tmp_path / "store", tmp_path / "steps.csv"
    for evaluations in (1, 8, 15):
        kill_after(start(root, store, log), store, evaluations)
        assert not log.exists()
    before = records(store)
    start(root, store, log, subprocess.run)
    assert without_times(log) == without_times(tmp_path / "calm.csv")
    # No evaluation recorded before a kill was computed again: every key is there once.
    keys = [line.split(b'"')[3] for line in records(store).splitlines() if line.startswith(b'{"key"')]
    assert len(keys) == len(set(keys))
    assert before.count(b'"key"') >= 15
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calm", "calm.csv", "steps.csv", "store"]


@pytest.mark.parametrize("kind", ["dqn", "meta_a2c", "evaluate_policy"])
def test_every_kind_of_search_goes_on_byte_for_byte(kind, images, tmp_path):
    method, policy = ("meta_a2c" if kind == "evaluate_policy" else kind), []
    if kind == "evaluate_policy":
        MetaA2C(Spaces((10, 25), 8), 3).save(tmp_path / "policy", [])
        policy = ["--policy", str(tmp_path / "policy"), "--fixed"]
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    start_cli(method, images, calm, policy, subprocess.run)
    kill_after(start_cli(method, images, killed, policy), killed / "store", 6)
    assert not (killed / "out/steps.csv").exists()
    start_cli(method, images, killed, policy, subprocess.run)
    assert without_times(killed / "out/steps.csv") == without_times(calm / "out/steps.csv")
    files = sorted(path.relative_to(calm) for path in (calm / "out").rglob("*") if path.is_file())
    squares = ["policy/rmsprop_squares.npy"] if method == "meta_a2c" else []
    learned = [] if policy else ["policy/card.json", *squares, "policy/weights.npy", "progress.csv"]
    assert [str(path.relative_to("out")) for path in files] == sorted([*learned, "steps.csv"])
    for name in learned:
        assert (calm / "out" / name).read_bytes() == (killed / "out" / name).read_bytes()


LOADED = """
import sys
from nasdmrl.cli.options import app
import nasdmrl.cli
app(sys.argv[1:], standalone_mode=False)
print([name for name in ("tensorflow", "keras", "pandas", "matplotlib") if name in sys.modules])
"""


@pytest.mark.parametrize("method", ["random_search", "dqn", "meta_a2c"])
def test_a_search_that_looks_everything_up_needs_neither_tensorflow_nor_pandas(method, images, tmp_path):
    start_cli(method, images, tmp_path, [], subprocess.run)
    log = (tmp_path / "out/steps.csv").read_text()
    assert ",invalid," in log  # which is no reason to load TensorFlow either
    before = records(tmp_path / "store")
    assert b'"invalid"' not in before
    options = ["--store", str(tmp_path / "store"), "--output", str(tmp_path / "again/steps.csv"), "--config", CONFIG]
    command = [sys.executable, "-c", LOADED, "search", method, "dtd", "--steps", "30", "--images", str(images)]
    found = subprocess.run([*command, *options], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "[]\n"), found.stderr
    assert records(tmp_path / "store") == before
    assert without_times(tmp_path / "again/steps.csv") == without_times(tmp_path / "out/steps.csv")


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"step": 5, "entropy": 2.0794413089752197, "norm": 1e-9}, {"step": 10, "entropy": 0.1, "norm": 123456789.125}],
    ],
)
def test_progress_is_written_as_pandas_would(rows, tmp_path):
    agent = RandomSearch(8, 0)
    agent.progress = rows
    write_progress(agent, tmp_path / "progress.csv")
    pd.DataFrame(rows).to_csv(tmp_path / "theirs.csv", index=False, lineterminator="\n")
    assert (tmp_path / "progress.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()


def check_multi_branch_log(log, sigma):
    """What a log of the multi-branch space shows of Sections 3 and 4."""
    steps = rows(log)
    usable = [row for row in steps if row["status"] == "ok"]
    # Additions and concatenations are built and scored, and are more than a chain.
    for word in ("add@", "concat@"):
        merged = [row for row in usable if word in row["network"]]
        assert any(float(row["accuracy"]) > 0 for row in merged)
        assert {row["multi_branch"] for row in merged} == {"1"}
    assert {row["multi_branch"] for row in usable} == {"0", "1"}
    # A pointer out of bounds ends the episode with reward 0.
    outside = [row for row in steps if row["status"] == "out_of_bounds"]
    assert {(row["reward"], row["episode_end"], row["valid"]) for row in outside} == {("0.0", "1", "0")}
    assert all(row["action_name"] in SHIFTS for row in outside)
    # Sigma scales the reward of every shifting action and of no other.
    assert any(row["action_name"] in SHIFTS and float(row["accuracy"]) > 0 for row in usable)
    for row in usable:
        assert float(row["reward"]) == float(row["accuracy"]) * (sigma if row["action_name"] in SHIFTS else 1)


@pytest.mark.parametrize("sigma", [0.0, 0.1])
def test_multi_branch_log_shows_sections_3_and_4(tmp_path, sigma):
    run_search(RandomSearch(14, 3), NASEnv(table, "multi_branch", max_actions=20, sigma=sigma), 300, tmp_path / "s.csv")
    check_multi_branch_log(tmp_path / "s.csv", sigma)


def test_policy_of_other_actions_is_refused(tmp_path):
    """Two spaces may have as many actions, and not the same."""
    spaces = Spaces.of(NASEnv(table))
    MetaA2C(spaces, 3).save(tmp_path / "policy", [])
    MetaA2C(Spaces((10, 25), 8), 3).load(tmp_path / "policy")  # of an environment that has no names
    with pytest.raises(PolicyError, match=r"the policy's action_names is \['conv1', .*, expected \['conv7', "):
        MetaA2C(replace(spaces, names=("conv7", *spaces.names[1:])), 3).load(tmp_path / "policy")


def test_an_agent_that_cannot_save_leaves_its_log_alone(images, tmp_path, monkeypatch):
    """One of one's own that learns nothing that could be kept."""
    monkeypatch.setitem(AGENTS, "evo", Entry("evo", "Evolution", "own"))
    monkeypatch.setitem(sys.modules, "nasdmrl.agents.evo", random_search)
    options = {"steps": 5, "images": images, "store": tmp_path / "store", "config": CONFIG}
    search("evo", "dtd", tmp_path / "out/steps.csv", **options)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["steps.csv"]
    with pytest.raises(NasdmrlError, match="evo has no policy; leave out --policy"):
        search("evo", "dtd", tmp_path / "other/steps.csv", policy=tmp_path, **options)


def test_failed_search_leaves_no_log(tmp_path):
    def fails(network):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run_search(RandomSearch(8, 1), NASEnv(fails), 5, tmp_path / "steps.csv")
    assert list(tmp_path.iterdir()) == []

"""The best distinct networks of step logs, by hand."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from nasdmrl.analysis.best import best_network
from nasdmrl.errors import DataError

COLUMNS = ["step", "network", "reward", "accuracy", "status", "parameters", "flops"]
STEPS = [
    (1, "conv3", 0.5, 0.5, "ok", 100, 7),
    (2, "conv3 terminal", 0.5, 0.5, "ok", 100, 7),  # the same network (D7)
    (3, "conv1", 0.5, 0.5, "ok", 90, 6),  # as good and smaller
    (4, "max2", 0.4, 0.4, "ok", 10, 5),
    (5, "max3", 0.9, 0.9, "diverged", 10, 5),
    (6, "conv5", 0.05, 0.5, "ok", 80, 6),  # a shift whose reward sigma makes small
]


@pytest.fixture
def logs(tmp_path):
    paths = []
    for seed, first in ((1, 0), (2, 1)):
        paths.append(tmp_path / f"exp2/meta_a2c/aircraft/seed{seed}/steps.csv")
        paths[-1].parent.mkdir(parents=True)
        pd.DataFrame(STEPS[first:], columns=COLUMNS).to_csv(paths[-1], index=False)
    return paths


def test_equal_rewards_rank_by_size_then_seed_and_step(logs):
    best, second, third = (best_network(logs, rank) for rank in (1, 2, 3))
    assert best == {
        "rank": 1,
        "experiment": "exp2",
        "subject": "aircraft",
        "dataset": "aircraft",
        "network": "conv1",
        "rows": [[1, 1, 1, 0, 0]],
        "reward": 0.5,
        "accuracy": 0.5,
        "parameters": 90,
        "flops": 6,
        "seed": 1,
        "step": 3,
    }
    assert (second["network"], second["seed"], second["step"]) == ("conv3", 1, 1)
    assert third["network"] == "max2"


def test_networks_are_distinct_and_may_run_out(logs):
    with pytest.raises(DataError, match="4 networks were trained, rank 5 was asked for"):
        best_network(logs, 5)


def test_command_writes_the_file(logs, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    np.save(images / "images.npy", np.zeros((4, 32, 32, 3), np.uint8))
    np.save(images / "labels.npy", np.arange(4, dtype=np.int32))
    card = {"dataset": "aircraft", "class_names": list("abcd"), "fingerprint": "none"}
    (images / "card.json").write_text(json.dumps(card))
    command = [sys.executable, "-m", "nasdmrl.cli", "best", *map(str, logs), "--rank", "2", "--images", str(images)]
    subprocess.run([*command, "--output", str(tmp_path / "best2.json")], check=True, capture_output=True)
    found = json.loads((tmp_path / "best2.json").read_text())
    assert (found["network"], found["image_size"], found["n_classes"]) == ("conv3", 32, 4)

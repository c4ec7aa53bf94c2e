"""Steps whose evaluation is known: what a search that was killed races through when it starts again."""

import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from benchmarks.table import Row, seconds
from nasdmrl.agents import Trial
from nasdmrl.agents.policies import Spaces
from nasdmrl.agents.registry import make_agent
from nasdmrl.agents.search import interact
from nasdmrl.config.model import Config
from nasdmrl.config.sections import Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.space.environment import NASEnv

WINDOW, CHUNK = 1000, 50
# The steps before which a window ends. The first window is left out: DQN does not learn in it.
MARKS = {
    "random_search": (2_000, 10_000, 50_000),
    "meta_a2c": (2_000, 5_000, 20_000),
    "dqn": (2_000, 5_000, 20_000),
}
TARGETS = {"random_search": 0.2, "meta_a2c": 0.3, "dqn": 0.5}
FLAT = 1.25
"""Most of the last window by the first: a step takes no longer late in a trial."""


class Everything:
    """A store that has every evaluation."""

    def get(self, key: str) -> dict:
        return {"accuracy": 0.5, "status": "ok", "training_seconds": 1.0, "parameters": 1000, "flops": 1000}


def search(method: str, steps: int) -> Iterator[dict]:
    pixels = np.zeros((3, 84, 84, 3), np.uint8)
    data = ImageData("noise", pixels, np.zeros(3, np.int32), 3, "noise")
    env = NASEnv(Evaluator(data, Recipe(), Everything()))
    return interact(make_agent(method, Trial(Spaces.of(env), 1, steps, Config())), env, steps)


def rows() -> Iterator[Row]:
    plain = {"random_search": table_lookup()}
    for method, marks in MARKS.items():
        spent = windows(method)
        way = "plain: the table is a CSV file, read at each step" if method in plain else ""
        yield Row(f"looked-up step, {method}", max(spent), "ms of a core", TARGETS[method], plain.get(method), way)
        note = ", ".join(f"{each:.3f} ms before step {mark:,}" for each, mark in zip(spent, marks, strict=True))
        yield Row(f"last by first window, {method}", spent[-1] / spent[0], "x", FLAT, note=note)


def windows(method: str) -> list[float]:
    """Milliseconds of a core that a step takes in the window before each mark."""
    steps, done, spent = search(method, MARKS[method][-1]), 0, []
    for mark in MARKS[method]:
        skipped = mark - WINDOW - done
        spent.append(median(islice(chunks(steps), skipped // CHUNK, (mark - done) // CHUNK)))
        done = mark
    return spent


def chunks(steps: Iterator[dict]) -> Iterator[float]:
    """Milliseconds of a core a step, of one chunk of steps after the other."""
    while True:
        start = time.process_time()
        for _ in islice(steps, CHUNK):
            pass
        yield 1000 * (time.process_time() - start) / CHUNK


def table_lookup(networks: int = 5_000) -> float:
    """Milliseconds to look one network up in a CSV file that is read for it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evaluations.csv"
        pd.DataFrame({"network": [f"n{i}" for i in range(networks)], "accuracy": 0.5}).to_csv(path)
        return 1000 * seconds(lambda: [pd.read_csv(path).query("network == 'n7'") for _ in range(20)]) / 20

"""Algorithm 1 of the paper: one agent, one environment, t_max steps; every step becomes a row of the step log.

The log is written under a temporary name and renamed when the search is done. A search that is killed starts from
step 0 and finds its evaluations in the store, so it is soon where it was, and its log is the same.
"""

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from nasdmrl.agents import Agent
from nasdmrl.env import NASEnv
from nasdmrl.files import atomic_path
from nasdmrl.progress import Progress

COLUMNS = (
    "step", "episode", "episode_step", "action", "action_name", "reward", "accuracy", "network", "layers",
    "valid", "status", "looked_up", "multi_branch", "episode_end", "parameters", "flops",
)  # fmt: skip
TIME_COLUMNS = ("training_seconds", "spent_seconds")
"""Columns that differ from run to run: training time of the step's evaluation, and time spent on the step."""


def run_search(agent: Agent, env: NASEnv, steps: int, log: Path | str, title: str = "search") -> None:
    """Let `agent` act `steps` times in `env`; writes the step log (CSV) to `log` in one step at the end."""
    with (
        Progress(title, steps) as progress,
        atomic_path(log) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, (*COLUMNS, *TIME_COLUMNS), lineterminator="\n")
        writer.writeheader()
        best = 0.0
        for row in interact(agent, env, steps):
            writer.writerow(row)
            file.flush()
            best = max(best, row["reward"])
            progress.advance(f"episode {row['episode']}, best reward {best:.3f}")


def write_progress(agent: Agent, path: Path | str) -> None:
    """Write what a learning agent noted at each of its updates (CSV), in one step."""
    with atomic_path(path) as temporary:
        pd.DataFrame(agent.progress).to_csv(temporary, index=False, lineterminator="\n")


def interact(agent: Agent, env: NASEnv, steps: int) -> Iterator[dict[str, Any]]:
    """Yield one row of the step log for each of `steps` steps; a new episode starts where one ends."""
    episode, ended = 0, True
    for step in range(1, steps + 1):
        if ended:
            observation, _ = env.reset()
            episode += 1
        start, action = time.monotonic(), agent.act(observation)
        following, reward, ended, _, info = env.step(action)
        agent.observe(observation, action, reward, following, ended)
        observation = following
        done = {"step": step, "episode": episode, "action": action, "action_name": env.actions[action].name}
        yield _row({**done, "reward": reward, "episode_end": ended, **info}, time.monotonic() - start)


def _row(values: dict[str, Any], seconds: float) -> dict[str, Any]:
    flags = {key: int(value) for key, value in values.items() if isinstance(value, bool)}
    row = {**values, **flags, "spent_seconds": f"{seconds:.4f}"}
    return {column: row[column] for column in (*COLUMNS, *TIME_COLUMNS)}

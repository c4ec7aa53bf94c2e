"""Algorithm 1 of the paper: one agent, one environment, t_max steps; every step becomes a row of the step log.

The log is written under a temporary name and renamed when the search is done. A search that is killed starts from
step 0 and finds its evaluations in the store, so it is soon where it was, and its log is the same.
"""

import csv
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from nasdmrl.agents import Agent, Learner
from nasdmrl.files import atomic_path
from nasdmrl.progress import Progress
from nasdmrl.space.environment import NASEnv

COLUMNS = (
    "step", "episode", "episode_step", "action", "action_name", "reward", "accuracy", "network", "layers",
    "valid", "status", "looked_up", "multi_branch", "episode_end", "parameters", "flops",
)  # fmt: skip
TIME_COLUMNS = ("training_seconds", "spent_seconds")
"""Columns that differ from run to run: training time of the step's evaluation, and time spent on the step."""
Row = dict[str, Any]
Outcome = tuple[np.ndarray, float, bool, bool, dict[str, Any]]
"""What a step of the environment returns."""


def run_search(agent: Agent, env: NASEnv, steps: int, log: Path | str, title: str = "search") -> None:
    """Let `agent` act `steps` times in `env`; writes the step log (CSV) to `log` in one step at the end."""
    with step_log(log, steps, title) as note:
        for row in interact(agent, env, steps):
            note(row)


@contextmanager
def step_log(log: Path | str, steps: int, title: str) -> Iterator[Callable[[Row], None]]:
    """A function that writes a row to the step log; the log is at its place when the block ends well."""
    with (
        Progress(title, steps) as progress,
        atomic_path(log) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, (*COLUMNS, *TIME_COLUMNS), lineterminator="\n")
        writer.writeheader()
        rewards = [0.0]

        def note(row: Row) -> None:
            writer.writerow(row)
            file.flush()
            rewards[0] = max(rewards[0], row["reward"])
            progress.advance(f"episode {row['episode']}, best reward {rewards[0]:.3f}")

        yield note


def write_progress(agent: Learner, path: Path | str) -> None:
    """Write what a learning agent noted at each of its updates (CSV), in one step."""
    rows = agent.progress
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def interact(agent: Agent, env: NASEnv, steps: int) -> Iterator[Row]:
    """Yield one row of the step log for each of `steps` steps; a new episode starts where one ends."""
    episode, ended = 0, True
    for step in range(1, steps + 1):
        if ended:
            observation, _ = env.reset()
            episode += 1
        start, action = time.monotonic(), agent.act(observation)
        outcome = env.step(action)
        following, reward, ended, *_ = outcome
        agent.observe(observation, action, reward, following, ended)
        observation = following
        yield _row(env, (step, episode), action, outcome, time.monotonic() - start)


class TrialOver(Exception):
    """All steps of a trial are taken."""


class Noted(gymnasium.Wrapper):
    """A `NASEnv` for an agent that runs the loop itself, as those of other libraries do: notes a row for each step.

    note: as of `step_log`. Instead of a step beyond `steps`, `TrialOver` is raised: libraries round the length of a
    trial up. A step's time begins where the step before ended, so acting and learning are in it.
    """

    def __init__(self, env: NASEnv, steps: int, note: Callable[[Row], None]) -> None:
        super().__init__(env)
        self._searched, self._steps, self._note = env, steps, note
        self._step = self._episode = 0
        self._fresh, self._last = True, time.monotonic()

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """As of the environment; the next step begins an episode."""
        self._fresh = True
        return self.env.reset(**options)

    def step(self, action: Any) -> Outcome:
        """As of the environment, noted. Raises `TrialOver` where all steps are taken."""
        if self._step == self._steps:
            raise TrialOver
        self._step, self._episode, self._fresh = self._step + 1, self._episode + self._fresh, False
        outcome = self._searched.step(int(action))
        start, self._last = self._last, time.monotonic()
        self._note(_row(self._searched, (self._step, self._episode), int(action), outcome, self._last - start))
        return outcome


def _row(env: NASEnv, place: tuple[int, int], action: int, outcome: Outcome, seconds: float) -> Row:
    """One row of the step log; `place` is the numbers of step and episode."""
    (step, episode), (_, reward, ended, _, info) = place, outcome
    values = {"step": step, "episode": episode, "action": action, "action_name": env.actions[action].name}
    values |= {"reward": reward, "episode_end": ended, **info, "spent_seconds": f"{seconds:.4f}"}
    flags = {key: int(value) for key, value in values.items() if isinstance(value, bool)}
    return {column: (values | flags)[column] for column in (*COLUMNS, *TIME_COLUMNS)}

"""Hill climbing: repeats the episode with the best reward, with one action in four anew.

Copy this file to nasdmrl/agents/climber.py and put `Entry("climber", "Hill climbing", "own")` into the list of
nasdmrl/agents/registry.py (docs/extending.md).
"""

import numpy as np

from nasdmrl.agents import Trial


class Climber:
    """The agent. actions: how many there are."""

    def __init__(self, actions: int, seed: int) -> None:
        self._actions, self._random = actions, np.random.RandomState(seed)
        self._best, self._highest, self._episode = [], -1.0, []

    def act(self, observation: np.ndarray) -> int:
        """The best episode's action at this place, or another one."""
        place, anew = len(self._episode), self._random.random_sample() < 0.25
        if anew or place >= len(self._best):
            return self._random.randint(self._actions)
        return self._best[place]

    def observe(self, observation: np.ndarray, action: int, reward: float, following: np.ndarray, ended: bool) -> None:
        """Remember the way to the highest reward so far."""
        self._episode.append(action)
        if reward > self._highest:
            self._best, self._highest = list(self._episode), reward
        if ended:
            self._episode = []


def make(trial: Trial) -> Climber:
    """The agent for a trial."""
    return Climber(trial.spaces.actions, trial.seed)

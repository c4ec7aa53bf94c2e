"""Random search (Section 5): uniform actions, the baseline without learning."""

import random

import numpy as np

from nasdmrl.agents import Trial


class RandomSearch:
    """Chooses every action with the same probability, in the sequence of the authors' program.

    It called Python's `random.seed(seed)` once and `random.randint(0, 7)` for every step, with the seed as text, as the
    shell passes it on: "1024". So one seed has one sequence, the same on every dataset.
    """

    def __init__(self, n_actions: int, seed: int) -> None:
        self._last_action = n_actions - 1
        self._random = random.Random(str(seed))

    def act(self, observation: np.ndarray) -> int:
        """A uniform action; the observation does not matter."""
        return self._random.randint(0, self._last_action)

    def observe(self, observation: np.ndarray, action: int, reward: float, following: np.ndarray, ended: bool) -> None:
        """Nothing is learned."""


def make(trial: Trial) -> RandomSearch:
    """The agent for a trial."""
    return RandomSearch(trial.spaces.actions, trial.seed)

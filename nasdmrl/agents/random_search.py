"""Random search (Section 5): uniform actions, the baseline without learning."""

import numpy as np


class RandomSearch:
    """Chooses every action with the same probability; the seed fixes the sequence."""

    def __init__(self, n_actions: int, seed: int) -> None:
        self._n_actions = n_actions
        self._random = np.random.RandomState(seed)

    def act(self, observation: np.ndarray) -> int:
        """A uniform action; the observation does not matter."""
        return int(self._random.randint(self._n_actions))

    def observe(self, observation: np.ndarray, action: int, reward: float, following: np.ndarray, ended: bool) -> None:
        """Nothing is learned."""

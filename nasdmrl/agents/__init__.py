"""The agents that search: what they share is the small interface `Agent`."""

from typing import Protocol

import numpy as np

METHODS = {"meta_a2c": "Deep meta-RL", "dqn": "DQN", "random_search": "Random search"}
"""The three methods of the paper with their printed names, in the order of legends."""


class Agent(Protocol):
    """What a search asks of an agent."""

    def act(self, observation: np.ndarray) -> int:
        """Choose an action."""

    def observe(self, observation: np.ndarray, action: int, reward: float, following: np.ndarray, ended: bool) -> None:
        """Learn from one step: what was seen, done and earned, what came of it, and whether the episode ended."""

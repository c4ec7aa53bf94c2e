"""The agents that search: what they share is the small interface `Agent`."""

from typing import Protocol

import numpy as np


class Agent(Protocol):
    """What a search asks of an agent."""

    def act(self, observation: np.ndarray) -> int:
        """Choose an action."""

    def observe(self, observation: np.ndarray, action: int, reward: float, following: np.ndarray, ended: bool) -> None:
        """Learn from one step: what was seen, done and earned, what came of it, and whether the episode ended."""

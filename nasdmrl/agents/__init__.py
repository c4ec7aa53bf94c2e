"""The agents that search: the small interface `Agent`, and the `Trial` that each is made for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from nasdmrl.agents.policies import Spaces
    from nasdmrl.config.model import Config
    from nasdmrl.config.sections import Space

POLICY_FORMAT = 2
"""Changes when a policy's files, or what its numbers mean, change. Format 1 had no mean squares, and no such key."""


class Agent(Protocol):
    """What a search asks of an agent."""

    def act(self, observation: "np.ndarray") -> int:
        """Choose an action."""
        ...

    def observe(
        self, observation: "np.ndarray", action: int, reward: float, following: "np.ndarray", ended: bool
    ) -> None:
        """Learn from one step: what was seen, done and earned, what came of it, and whether the episode ended."""


class Learner(Agent, Protocol):
    """An agent that learns: what it noted at each of its updates, and what it has learned, as a folder."""

    progress: list[dict[str, float]]

    def save(self, folder: Path | str, history: list[dict[str, Any]]) -> None:
        """Write what was learned; `history` tells in which trials."""

    def load(self, folder: Path | str) -> list[dict[str, Any]]:
        """Take over what was saved; returns its history."""
        ...


@dataclass(frozen=True)
class Trial:
    """What an agent is made for: spaces, seed, t_max, settings; learning and space matter to deep meta-RL alone.

    learning: false keeps the weights as they are (Exp. 2a); space: of actions.
    """

    spaces: "Spaces"
    seed: int
    steps: int
    config: "Config"
    learning: bool = True
    space: "Space" = "chain"

"""Saved policies: a folder with the weights (plain numbers, no code) and a JSON card that says what they are."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nasdmrl.env import NASEnv
from nasdmrl.errors import NasdmrlError
from nasdmrl.files import atomic_path, write_json

WEIGHTS, CARD = "weights.npy", "card.json"
NAMES = "action_names"
"""Key of a card: two spaces of one size may have other actions."""


class PolicyError(NasdmrlError):
    """A saved policy is missing, damaged, or made for other spaces."""


@dataclass(frozen=True)
class Spaces:
    """Shape of an observation, number of actions, and in `NASEnv` their names (Section 3)."""

    observation: tuple[int, ...]
    actions: int
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, env: Any) -> "Spaces":
        """Spaces of a gymnasium environment with discrete actions and a box of observations."""
        named = env.unwrapped.actions if isinstance(env.unwrapped, NASEnv) else ()
        names = tuple(action.name for action in named)
        return cls(tuple(env.observation_space.shape), int(env.action_space.n), names)


def save_policy(
    folder: Path | str,
    variables: tuple[Any, ...],
    architecture: dict[str, Any],
    spaces: Spaces,
    history: list[dict[str, Any]],
) -> None:
    """Write weights and card to `folder` in one step; the same weights always make the same bytes."""
    card = {
        **_fitting(architecture, spaces),
        "weights": [{"name": v.name.split(":")[0], "shape": list(v.shape)} for v in variables],
        "history": history,
    }
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        np.save(temporary / WEIGHTS, np.concatenate([v.numpy().ravel() for v in variables]))
        write_json(temporary / CARD, card)


def load_policy(
    folder: Path | str, variables: tuple[Any, ...], architecture: dict[str, Any], spaces: Spaces
) -> list[dict[str, Any]]:
    """Fill `variables` with a saved policy's weights; returns its history.

    Raises `PolicyError` for another agent, architecture or space, saying which and what was expected.
    """
    card, flat = _read(Path(folder))
    for key, value in _fitting(architecture, spaces).items():
        unnamed = key == NAMES and key not in card  # saved where actions had no names
        if card.get(key) != value and not unnamed:
            raise PolicyError(f"{folder}: the policy's {key} is {card.get(key)}, expected {value}")
    sizes = [int(np.prod(v.shape)) for v in variables]
    if len(flat) != sum(sizes):
        raise PolicyError(f"{folder}: {len(flat)} weights, expected {sum(sizes)}; the policy is damaged")
    for variable, part in zip(variables, np.split(flat, np.cumsum(sizes)[:-1]), strict=True):
        variable.assign(part.reshape(variable.shape))
    return card["history"]


def _fitting(architecture: dict[str, Any], spaces: Spaces) -> dict[str, Any]:
    """What of a card must fit: agent and architecture, spaces, and the names of the actions if there are some."""
    sizes = {"observation": list(spaces.observation), "actions": spaces.actions}
    return {**architecture, "spaces": sizes, **({NAMES: list(spaces.names)} if spaces.names else {})}


def _read(folder: Path) -> tuple[dict[str, Any], np.ndarray]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        return card, np.load(folder / WEIGHTS, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise PolicyError(f"{folder}: cannot be read ({error}); run the search that makes it again") from error

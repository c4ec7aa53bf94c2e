"""Saved policies: a folder with what was learned (plain numbers, no code) and a JSON card that says what it is."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nasdmrl.agents import POLICY_FORMAT
from nasdmrl.errors import NasdmrlError
from nasdmrl.files import atomic_path, write_json
from nasdmrl.space.environment import NASEnv

CARD = "card.json"
WEIGHTS, SQUARES = "weights", "rmsprop_squares"
"""Names of vectors, each a file NAME.npy: a network's weights; RMSProp's mean squares, in the weights' order."""
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
    vectors: dict[str, np.ndarray],
    shapes: dict[str, tuple[int, ...]],
    architecture: dict[str, Any],
    spaces: Spaces,
    history: list[dict[str, Any]],
) -> None:
    """Write float32 vectors and card to `folder` in one step; the same vectors always make the same bytes.

    shapes: of the weights' parts, in their order. Raises `PolicyError` for a number that is not finite.
    """
    for name, vector in vectors.items():
        _check_finite(folder, name, vector, "learning has diverged; nothing was saved. Lower the learning rate")
    card = {
        "format": POLICY_FORMAT,
        **_fitting(architecture, spaces),
        "weights": [{"name": name, "shape": list(shape)} for name, shape in shapes.items()],
        "history": history,
    }
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for name, vector in vectors.items():
            np.save(temporary / f"{name}.npy", vector)
        write_json(temporary / CARD, card)


def load_policy(
    folder: Path | str, vectors: dict[str, np.ndarray], architecture: dict[str, Any], spaces: Spaces
) -> list[dict[str, Any]]:
    """Fill `vectors` with those of a saved policy that have their names; returns its history.

    Raises `PolicyError` for a policy of another format, agent, architecture or space, saying which and what was
    expected, and for a damaged one; `vectors` then are as they were.
    """
    folder = Path(folder)
    card = _card(folder)
    for key, value in _fitting(architecture, spaces).items():
        unnamed = key == NAMES and key not in card  # saved where actions had no names
        if card.get(key) != value and not unnamed:
            raise PolicyError(
                f"{folder}: the policy's {key} is {card.get(key)}, expected {value}; use the method, space and "
                "configuration that it was learned with"
            )
    found = {name: _vector(folder, name, vector.size) for name, vector in vectors.items()}
    for name, vector in vectors.items():
        vector[:] = found[name]
    return card["history"]


def _fitting(architecture: dict[str, Any], spaces: Spaces) -> dict[str, Any]:
    """What of a card must fit: agent and architecture, spaces, and the names of the actions if there are some."""
    sizes = {"observation": list(spaces.observation), "actions": spaces.actions}
    return {**architecture, "spaces": sizes, **({NAMES: list(spaces.names)} if spaces.names else {})}


def _card(folder: Path) -> dict[str, Any]:
    """The card of a policy of this format."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        found = card.get("format", 1)
    except (OSError, ValueError, AttributeError) as error:
        raise _unreadable(folder, error) from error
    if found != POLICY_FORMAT:
        lacks = ", without RMSProp's mean squares, which are part of a policy now" if found == 1 else ""
        raise PolicyError(
            f"{folder}: the policy has format {found}, expected {POLICY_FORMAT}{lacks}; run the search that makes it "
            "again"
        )
    return card


def _vector(folder: Path, name: str, size: int) -> np.ndarray:
    path = folder / f"{name}.npy"
    if name == SQUARES and not path.exists():
        raise PolicyError(
            f"{folder}: has no {path.name}, RMSProp's mean squares; run the search that makes the policy again, or "
            "start them anew with meta_a2c.restart_rmsprop: true"
        )
    try:
        vector = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(folder, error) from error
    if vector.shape != (size,) or vector.dtype != np.float32:
        raise PolicyError(
            f"{path}: holds {vector.dtype} of shape {vector.shape}, expected {size} numbers of float32; the policy is "
            "damaged; run the search that makes it again"
        )
    _check_finite(folder, name, vector, "the policy is damaged; run the search that makes it again")
    return vector


def _check_finite(folder: Path | str, name: str, vector: np.ndarray, consequence: str) -> None:
    wrong = vector.size - np.count_nonzero(np.isfinite(vector))
    if wrong:
        raise PolicyError(f"{folder}: {wrong} of {vector.size} {name} are not finite (NaN or infinite): {consequence}")


def _unreadable(folder: Path, error: Exception) -> PolicyError:
    return PolicyError(f"{folder}: cannot be read ({error}); run the search that makes it again")

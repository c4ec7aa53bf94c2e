"""Checkpoints of a long training: everything that the next epoch depends on, in one file of plain arrays."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasdmrl.errors import NasdmrlError
from nasdmrl.files import atomic_path

Row = dict[str, Any]
FORMAT = "format"
"""Key of the settings: what the other ones mean, which another version of the package may have changed."""


class CheckpointError(NasdmrlError):
    """A checkpoint is damaged, or was made with other settings."""


def save_checkpoint(path: Path | str, variables: Sequence[Any], rows: list[Row], settings: dict[str, Any]) -> None:
    """Write TensorFlow variables, the rows of the finished epochs and what they were made with, in one step."""
    texts = {"rows": np.array(json.dumps(rows)), "settings": np.array(json.dumps(settings))}
    arrays = {f"variable{number}": variable.numpy() for number, variable in enumerate(variables)}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{**texts, **arrays})
        file.flush()
        os.fsync(file.fileno())  # before it takes the last one's place, so that a node's death leaves one of them


def load_checkpoint(path: Path | str, variables: Sequence[Any], settings: dict[str, Any]) -> list[Row]:
    """Fill `variables` from a checkpoint and return its rows; without a checkpoint, an empty list.

    A checkpoint of another format is left alone, with a message: the training starts anew and replaces it. Raises
    `CheckpointError` for a damaged file, and for settings that differ: it names them.
    """
    if not Path(path).exists():
        return []
    try:
        with np.load(path, allow_pickle=False) as file:
            found = json.loads(str(file["settings"]))
            if found.get(FORMAT) != settings[FORMAT]:
                print(f"{path}: made by an older version, which trained differently; the training starts anew")
                return []
            _check_settings(path, found, settings)
            for number, variable in enumerate(variables):
                variable.assign(file[f"variable{number}"])
            return json.loads(str(file["rows"]))
    except CheckpointError:
        raise
    except Exception as error:  # zip, NumPy and JSON each have their own for a damaged file
        raise CheckpointError(f"{path}: the checkpoint is damaged ({error}); delete it to start anew") from error


def _check_settings(path: Path | str, found: dict[str, Any], expected: dict[str, Any]) -> None:
    differing = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
    if differing:
        values = ", ".join(f"{key} {found.get(key)} instead of {expected.get(key)}" for key in differing)
        raise CheckpointError(f"{path}: the checkpoint was made with {values}; delete it to start anew")

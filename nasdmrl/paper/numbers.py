"""The numbers that the paper publishes (Section 8), read from `published.yaml` beside this module."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from nasdmrl.files import read_yaml

SECONDS_OF = {"d": 86400, "h": 3600, "m": 60}


def seconds(text: str) -> int:
    """Seconds of a running time as the paper writes it: `11d 9h`, `9h49m`. Raises `ValueError` for other text."""
    if not re.fullmatch(r"(\d+[dhm]\s*)+", text):
        raise ValueError(f"`{text}`: expected days, hours and minutes such as `11d 9h` or `9h49m`")
    return sum(int(number) * SECONDS_OF[unit] for number, unit in re.findall(r"(\d+)([dhm])", text))


class _Published(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BestNetwork(_Published):
    """A best network: its early-stop accuracy, percent, and its text."""

    accuracy: float
    network: str


class BestNetworks(_Published):
    """Figures 18 to 21: by dataset or sigma, best first."""

    place: str
    networks: dict[str, list[BestNetwork]]


class Score(_Published):
    """Mean and two standard deviations of a test accuracy, percent."""

    mean: float
    two_sd: float


class LongTraining(_Published):
    """Table 6: by dataset and network (`best1`, `best2`, `vgg19_cut`), of `repeats` trainings."""

    place: str
    repeats: int
    scores: dict[str, dict[str, Score]]


class RunningTimes(_Published):
    """Table 4, 5, 7 or 9: seconds, by method (or sigma) and dataset."""

    place: str
    times: dict[str, dict[str, Annotated[int, BeforeValidator(seconds)]]]


class ActionTest(_Published):
    """Two-sided p-value of the signed-rank test between two datasets' action proportions (Figure 13)."""

    place: str
    p: float


class MultiBranch(_Published):
    """Share of multi-branch networks as the text has it; distinct networks, and multi-branch ones, with sigma 0.1."""

    place: str
    share: float
    networks: int
    counted: int


class Published(_Published):
    """All of the paper's numbers; `running_times` by experiment (`exp1`, ...)."""

    best_networks: BestNetworks
    long_training: LongTraining
    running_times: dict[str, RunningTimes]
    action_test: ActionTest
    multi_branch: MultiBranch


@cache
def published() -> Published:
    """The paper's numbers."""
    return Published.model_validate(read_yaml(Path(__file__).with_name("published.yaml"), "install the package anew"))

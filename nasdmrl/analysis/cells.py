"""Tables for people: headings, and cells with units and as many digits as say something."""

import re
from typing import Any

import pandas as pd

from nasdmrl.analysis.styles import name_of
from nasdmrl.analysis.times import duration

NO_VALUE = "–"
NAMES = ("method", "dataset", "seed", "network", "device", "status")
"""Columns that say what a row is about; a seed is a name, too."""
SHARES = ("valid_share", "best_reward", "median_reward", "chance")
"""Columns of numbers in [0, 1] that are shown in percent."""
LABELS = {"n": "Trainings", "two_sd": "± 2 sd (%)", "valid_share": "Valid steps", "chance": "Chance level"}
LABELS |= {"two_sample_sd": "± 2 sample sd (%)"}
LABELS |= {"as_trained": "Time as trained", "spent": "Time spent here", "paper": "Time"}


def people_columns(table: pd.DataFrame) -> list[str]:
    """Columns of a table, those in seconds left out that are there as days and hours as well."""
    twice = {f"{name}_seconds" for name in table}
    return [name for name in table if name not in twice]


def for_people(table: pd.DataFrame) -> pd.DataFrame:
    """A table of text with headings for people; what the paper published is told by its heading."""
    headings = {
        name: ("Paper: " if name.startswith("paper") else "") + label_of(name) for name in people_columns(table)
    }
    return pd.DataFrame({heading: [shown(name, value) for value in table[name]] for name, heading in headings.items()})


def label_of(name: str) -> str:
    """Heading of a column: `paper_mean_percent` becomes `Mean (%)`, since its group says that it is the paper's."""
    plain = name.removeprefix("paper_")
    words = re.sub(" seconds$", " time", plain.replace("_", " ").removesuffix(" percent")).capitalize()
    return LABELS.get(plain, f"{words} (%)" if plain.endswith("_percent") else words)


def shown(name: str, value: Any) -> str:
    """A cell for people: names as printed, times in two units, shares in percent, else three digits (`number`)."""
    if pd.isna(value):
        return NO_VALUE
    if name in NAMES:
        return name_of(str(value))
    try:
        value = float(value)
    except ValueError:
        return str(value)
    if name.endswith("_seconds"):
        return duration(value)
    if name.endswith(("_percent", "two_sd", "two_sample_sd")):
        return f"{value:.2f}"  # as many digits as the paper gives
    return f"{100 * value:.1f} %" if name in SHARES else number(value)


def number(value: float) -> str:
    """Whole and large numbers with separators, others with three significant digits."""
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"

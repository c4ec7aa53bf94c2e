"""The paper's curves, action counts and printed numbers as tables, read from the CSV files beside this module.

The authors' repository (MIT licence) holds the figures as images and, in its notebooks, the code that drew them and
some of their numbers. All 21 images of curves are those of the paper, pixel by pixel. Each was redrawn by that code,
and the points fitted until the redrawn image agreed; `docs/published.md` says how, with what error, and what the
curves show.

Names of datasets, methods, metrics and figures are this package's (`datasets.DATASETS`, `agents.registry.AGENTS`,
`analysis.styles.METRICS`, `analysis.figures.registry`), and actions have the numbers of Section 3.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import pandas as pd

FIT_ERROR = 0.0002
"""Largest error of fitting a point, in units of its axis (three standard deviations); on top of `reading_error`. Five
points of entropy, in the flat first third on omniglot, are uncertain by up to 0.0005."""
BIN_EPISODES = 50
"""Episodes of a whole bin. The authors' notebook counts bins through the rows of several trials joined in one file, so
the first bin of a trial may hold fewer, and its later bins begin up to 49 episodes before their `x`."""


def curves() -> pd.DataFrame:
    """Points of Figures 9, 10, 12, 14 and 15: one row a point, 1,600 in all, in the order of the figures.

    figure: panel, such as `fig09a`. method: `meta_a2c`, `dqn`, `random_search`, `sigma0.0`, `sigma0.1`. metric:
    `best_reward`, `length`, `accumulated_reward`, `multi_branch_networks` or `entropy`. x: as the axis has it, 50 times
    the number of the bin; of entropy the label of its axis, which runs 4 % short in Figure 10, and `step` is the step
    within the trial.

    mean, sd (divisor n - 1), low and high (mean -+ sd) are over the `n_episodes` episodes of the bin; entropy has the
    mean alone. hidden: `low` or `high` where that end of the band lies beyond an axis limit or within a pixel of it, so
    that it follows from the other one. sum and sum_of_squares: over the bin's episodes, exact integers, of lengths and
    multi-branch networks only. reading_error: half the interval of values (axis units) that the ticks allow, common to
    all points of a panel as a scale and an offset, so differences within a panel are far better; 0 where integers are
    recovered.
    """
    return _curves().copy()


def actions() -> pd.DataFrame:
    """Action counts of Figures 11, 13 and 16: one row an action of a dataset, or of a sigma.

    figure (`fig11`, ...), dataset, method, action (number, 0, 1, ...), count, proportion. exact: whether the count was
    printed; of Figure 16 only the heights of bars are known, with the proportion between `low` and `high`. The sources
    disagree on actions 7 to 9 of the multi-branch space: name_in_notebook, name_in_table2 (the paper's, and this
    package's), name_in_config. source: file and cell.
    """
    return _actions().copy()


def numbers() -> pd.DataFrame:
    """Single numbers that the paper or a saved notebook prints, all as text: item, value, unit, source.

    Items that begin with `derived:` follow from the curves, those with `recomputed:` from the action counts.
    """
    return _numbers().copy()


def curve(dataset: str, method: str, metric: str) -> pd.DataFrame:
    """The curve of `curves` that these three name, indexed from 0; empty where the paper has none."""
    table = _curves()
    chosen = (table["dataset"] == dataset) & (table["method"] == method) & (table["metric"] == metric)
    return table[chosen].reset_index(drop=True)


@cache
def _curves() -> pd.DataFrame:
    whole = dict.fromkeys(("step", "n_episodes", "sum", "sum_of_squares"), "Int64")
    return _read("curves.csv", whole).fillna({"hidden": ""})


@cache
def _actions() -> pd.DataFrame:
    return _read("actions.csv", {"exact": bool})


@cache
def _numbers() -> pd.DataFrame:
    return _read("numbers.csv", str)


def _read(name: str, types: Mapping[str, str | type] | type) -> pd.DataFrame:
    with files("nasdmrl.paper").joinpath(name).open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=types)

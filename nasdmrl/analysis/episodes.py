"""Step logs to episodes, and episodes to the points of a curve (Section 8)."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from nasdmrl.errors import DataError

RUN = ["method", "dataset", "seed"]
METRICS = {
    "best_reward": "Best reward of an episode",
    "length": "Episode length (steps)",
    "accumulated_reward": "Accumulated reward of an episode",
}
"""Per-episode measures of Figures 9, 12 and 14, with their axis labels."""


def read_logs(paths: Iterable[Path | str]) -> pd.DataFrame:
    """Step logs as one table, with method, dataset and seed from `.../METHOD/DATASET/seedSEED/steps.csv`.

    Raises `DataError` where a log is missing or not at such a place.
    """
    frames = [_read_log(Path(path)) for path in paths]
    if not frames:
        raise DataError("no step log was given; run a search first, for instance `snakemake all`")
    return pd.concat(frames, ignore_index=True)


def _read_log(path: Path) -> pd.DataFrame:
    try:
        method, dataset, seed = path.parts[-4:-1]
        return pd.read_csv(path).assign(method=method, dataset=dataset, seed=int(seed.removeprefix("seed")))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected a step log METHOD/DATASET/seedSEED/steps.csv ({error})") from error


def episodes(steps: pd.DataFrame) -> pd.DataFrame:
    """One row an episode of each run: its number (1, 2, ...), best reward, length and accumulated reward."""
    by_episode = steps.groupby([*RUN, "episode"], sort=False)["reward"]
    measures = by_episode.agg(best_reward="max", length="size", accumulated_reward="sum")
    return measures.reset_index()


def binned(table: pd.DataFrame, metric: str, bin_episodes: int) -> pd.DataFrame:
    """Mean and standard deviation of a metric over every `bin_episodes` episodes, all seeds together.

    Returns one row a method, dataset and bin: `episode` (the bin's last, or the run's), mean, sd (of the
    population, ddof 0) and n episodes. The last bin may be short.
    """
    bins = (table["episode"] - 1) // bin_episodes
    grouped = table.assign(bin=bins).groupby(["method", "dataset", "bin"], sort=False)
    points = grouped.agg(
        episode=("episode", "max"),
        mean=(metric, "mean"),
        sd=(metric, lambda values: values.std(ddof=0)),
        n=(metric, "size"),
    )
    return points.reset_index()

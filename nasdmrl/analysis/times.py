"""Running times from step logs: Tables 4, 5, 7 and 9 (Section 8)."""

import math
from collections.abc import Mapping

import pandas as pd

from nasdmrl.analysis.episodes import RUN, first_meetings
from nasdmrl.analysis.styles import in_order
from nasdmrl.paper.numbers import published

MINUTE, HOUR, DAY = 60, 3600, 86400
UNITS = ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "m"), (MINUTE, "m", 1, "s"))
SEARCH = ["method", "dataset"]


def running_times(steps: pd.DataFrame, published: Mapping[str, Mapping[str, float]] | None = None) -> pd.DataFrame:
    """One row a method (or sigma) and dataset: how long a search took, mean over seeds, beside the paper's time.

    - `as_trained`: as if the run had trained each of its networks itself: the training times of the networks that it
      met, each once, whoever trained them. The paper's runs trained each network once, so this is the time to compare
      with. The agent's own work is not in it, since the logs do not tell it apart: it is a lower bound.
    - `spent`: what the run's steps took here, agent included; little where the store knew the networks.

    Each has a column `_seconds` and one for people (`11d 9h`). `seeds` is the number of runs; `steps`, `episodes` and
    `networks` (distinct, invalid ones too) are means over them. published: seconds by method and dataset, such as
    `published().running_times["exp1"].times`; what it lacks stays empty (`paper_seconds`, `paper`).
    """
    runs = _run_times(steps).groupby(SEARCH)
    means = runs.mean().drop(columns="seed")
    means.insert(0, "seeds", runs.size())
    table = means.reset_index().sort_values(SEARCH, key=_rank, ignore_index=True)
    known = published or {}
    searches = table[SEARCH].itertuples(index=False)
    table["paper_seconds"] = [known.get(method, {}).get(dataset, math.nan) for method, dataset in searches]
    for name in ("as_trained", "spent", "paper"):
        place = table.columns.get_loc(f"{name}_seconds")
        table.insert(place + 1, name, table[f"{name}_seconds"].map(duration))
    return table


def times_table(steps: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """`running_times` of an experiment beside the paper's, if it is one of the paper's; missing searches have a row."""
    of_paper = published().running_times
    known = of_paper[experiment].times if experiment in of_paper else {}
    table = running_times(steps, known)
    have = set(table[SEARCH].itertuples(index=False, name=None))
    gaps = [(method, dataset) for method in known for dataset in known[method] if (method, dataset) not in have]
    rows = [
        {"method": method, "dataset": dataset, "as_trained": "missing", "spent": "missing",
         "paper_seconds": known[method][dataset], "paper": duration(known[method][dataset])}
        for method, dataset in gaps
    ]  # fmt: skip
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True) if rows else table


def _run_times(steps: pd.DataFrame) -> pd.DataFrame:
    """One row a run: steps, episodes, networks, and seconds as trained and spent."""
    every, first = steps.groupby(RUN), first_meetings(steps).groupby(RUN)
    measures = {
        "steps": every.size(),
        "episodes": every["episode"].nunique(),
        "networks": first.size(),
        "as_trained_seconds": first["training_seconds"].sum(),
        "spent_seconds": every["spent_seconds"].sum(),
    }
    return pd.DataFrame(measures).fillna(0).reset_index()


def _rank(names: pd.Series) -> pd.Series:
    order = in_order(names)
    return names.map(order.index)


def duration(seconds: float) -> str:
    """Two units of a time, rounded to the smaller: `11d 9h`, `9h 49m`, `3m 12s`, `4.2s`; nothing for NaN."""
    if math.isnan(seconds):
        return ""
    for large, large_name, small, small_name in UNITS:
        count, rest = divmod(round(seconds / small), large // small)
        if count:
            return f"{count}{large_name} {rest}{small_name}"
    return f"{seconds:.1f}s"

"""The best distinct networks of searches, as the long trainings and Figures 18-21 take them."""

from pathlib import Path
from typing import Any

import pandas as pd

from nasdmrl.analysis.episodes import experiment_of, read_logs
from nasdmrl.analysis.styles import sigma_of
from nasdmrl.errors import DataError
from nasdmrl.space.nsc import canonical, parse, to_rows, to_text

ORDER = ("reward", "parameters", "seed", "step")
"""What ranks networks: larger reward; of equal ones fewer parameters, then smaller seed and earlier step."""


def ranked(steps: pd.DataFrame) -> pd.DataFrame:
    """The rows of step logs that met a network best, best network first: one row a canonical network."""
    rows = best_first(steps)
    forms = {text: canonical_text(text) for text in rows["network"].unique()}
    return rows.assign(network=rows["network"].map(forms)).drop_duplicates("network").reset_index(drop=True)


def best_first(steps: pd.DataFrame) -> pd.DataFrame:
    """The rows of step logs that met a network which could be trained, in the order of `ORDER`, the best first."""
    trained = steps[steps["status"] == "ok"]
    return trained.sort_values(list(ORDER), ascending=[False, True, True, True], kind="stable")


def canonical_text(text: str) -> str:
    """A network's text in its canonical form (Section 1). Raises `NetworkError` for a text that names no network."""
    return to_text(canonical(parse(text)))


def best_network(logs: list[Path], rank: int) -> dict[str, Any]:
    """What is known of the best (rank 1), second-best, ... network of these searches (see results/README.md).

    Raises `DataError` where the searches found fewer networks than `rank`.
    """
    found = ranked(read_logs(logs))
    if len(found) < rank:
        raise DataError(f"{logs[0]}: {len(found)} networks were trained, rank {rank} was asked for; search longer")
    row = found.iloc[rank - 1]
    network = parse(row["network"])
    whole = {name: int(row[name]) for name in ("parameters", "flops", "seed", "step")}
    return {
        "rank": rank,
        "experiment": experiment_of(logs[0]),
        "subject": row["dataset"] if sigma_of(row["method"]) is None else row["method"],
        "dataset": row["dataset"],
        "network": row["network"],
        "rows": to_rows(network, len(network)).tolist(),
        "reward": float(row["reward"]),
        "accuracy": float(row["accuracy"]),
        **whole,
    }

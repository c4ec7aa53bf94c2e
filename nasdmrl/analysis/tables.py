"""Tables as CSV files whose first lines, after `#`, are the stamp of the run."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from nasdmrl.analysis.episodes import RUN
from nasdmrl.data.records import read_spec
from nasdmrl.datasets import DATASETS
from nasdmrl.files import write_text


def write_table(table: pd.DataFrame, path: Path | str, stamp: dict[str, str]) -> None:
    """Write a table with its stamp in one step; `read_table` gives the table back."""
    head = "".join(f"# {key}: {value}\n" for key, value in stamp.items())
    write_text(path, head + table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def read_table(path: Path | str) -> pd.DataFrame:
    """Read a table that `write_table` wrote, the stamp left out."""
    return pd.read_csv(path, comment="#")


def table3(records: Iterable[Path | str]) -> pd.DataFrame:
    """Classes and images of each dataset in this run, beside Table 3 (and 8) of the paper."""
    rows = []
    for folder in records:
        spec = read_spec(folder)
        counts, official = spec["images_per_class"], DATASETS[spec["name"]]
        found = {"classes": len(counts), "images": sum(counts.values())}
        rows.append(
            {
                "dataset": official.id,
                **found,
                "paper_classes": official.classes,
                "paper_images": official.images,
            }
        )
    return pd.DataFrame(rows)


def search_summary(steps: pd.DataFrame, classes: dict[str, int]) -> pd.DataFrame:
    """One row a run: steps, episodes, networks, best network, best and median reward beside chance.

    `classes` gives the number of classes of each dataset; chance is the accuracy of a uniform guess.
    """
    return pd.DataFrame([_summary(run, rows, classes) for run, rows in steps.groupby(RUN, sort=False)])


def _summary(run: tuple, rows: pd.DataFrame, classes: dict[str, int]) -> dict:
    best = rows.loc[rows["reward"].idxmax()]
    return {
        **dict(zip(RUN, run, strict=True)),
        "steps": len(rows),
        "episodes": rows["episode"].max(),
        "networks": int(((rows["looked_up"] == 0) & (rows["status"] != "out_of_bounds")).sum()),
        "valid_share": rows["valid"].mean(),
        "best_reward": best["reward"],
        "median_reward": rows["reward"].median(),
        "chance": 1 / classes[run[1]],
        "best_network": best["network"],
        "training_seconds": rows.loc[rows["looked_up"] == 0, "training_seconds"].sum(),
    }

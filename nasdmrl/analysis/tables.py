"""Tables as CSV files whose first lines, after `#`, are the stamp of the run; for people also Markdown and LaTeX."""

import itertools
import json
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from nasdmrl.analysis.best import best_first, canonical_text
from nasdmrl.analysis.cells import for_people
from nasdmrl.analysis.episodes import RUN, first_meetings
from nasdmrl.analysis.provenance import visible
from nasdmrl.data.records import read_spec
from nasdmrl.files import write_text
from nasdmrl.paper.datasets import DATASETS, with_role
from nasdmrl.paper.experiments import LONG_NETWORKS, VGG19_CUT
from nasdmrl.paper.numbers import published


def write_table(table: pd.DataFrame, path: Path | str, stamp: dict[str, str]) -> None:
    """Write a table with its stamp in one step; `read_table` gives the table back."""
    head = "".join(f"# {key}: {value}\n" for key, value in stamp.items())
    write_text(path, head + table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def write_everywhere(table: pd.DataFrame, path: Path | str, stamp: dict[str, str]) -> None:
    """Write a table as CSV to `path` and, beside it, as Markdown and LaTeX, all with the stamp."""
    write_table(table, path, stamp)
    shown = for_people(table)
    markdown = shown.to_markdown(index=False, disable_numparse=True)
    write_text(Path(path).with_suffix(".md"), f"{markdown}\n\n{visible(stamp)}\n")
    latex = shown.style.hide(axis="index").to_latex(hrules=True, convert_css=False)
    comments = "".join(f"% {key}: {value}\n" for key, value in stamp.items())
    write_text(Path(path).with_suffix(".tex"), comments + _escaped(latex))


def _escaped(latex: str) -> str:
    """What LaTeX reads as a command in plain text of cells and headings."""
    return re.sub(r"(?<!\\)([_%#])", r"\\\1", latex)


def read_table(path: Path | str) -> pd.DataFrame:
    """Read a table that `write_table` wrote, the stamp left out."""
    return pd.read_csv(path, comment="#")


def read_stamp(path: Path | str) -> dict[str, str]:
    """The stamp in the first lines of a table that `write_table` wrote."""
    with Path(path).open(encoding="utf-8") as file:
        head = itertools.takewhile(lambda line: line.startswith("# "), file)
        return dict(line[2:].rstrip("\n").split(": ", 1) for line in head if ": " in line)


def table3(records: Iterable[Path | str], missing: Iterable[str] = ()) -> pd.DataFrame:
    """Classes and images of each dataset in this run, beside Table 3 (and 8) of the paper.

    missing: datasets without images in this run; their rows say so.
    """
    rows = []
    for folder in records:
        spec = read_spec(folder)
        counts = spec["images_per_class"]
        rows.append(_counted(spec["name"], len(counts), sum(counts.values())))
    rows += [_counted(name, "missing", "missing") for name in missing]
    return pd.DataFrame(rows)


def _counted(dataset: str, classes: int | str, images: int | str) -> dict:
    official = DATASETS.get(dataset)  # a dataset of one's own has no published counts
    known = (official.classes, official.images) if official else ("", "")
    published = dict(zip(("paper_classes", "paper_images"), known, strict=True))
    return {"dataset": dataset, "classes": classes, "images": images, **published}


"""The networks of Exp. 2b in the order of Table 6, with their printed names."""


def table6(results: Path, repeats: int) -> pd.DataFrame:
    """Test accuracy (percent) after the last epoch of the long trainings: mean and two standard deviations.

    `two_sd` is twice the deviation of the population (divisor n), as the authors' notebook has it, `two_sample_sd`
    twice the sample's (divisor n - 1). One training has neither. Beside them are the early-stop accuracy of the same
    network and the paper's values. Reads `exp2/long/` and `exp2/best/` below `results`.
    """
    rows = [_long_row(results, dataset, name, repeats) for dataset in with_role("evaluation") for name in LONG_NETWORKS]
    return pd.DataFrame(rows)


def _long_row(results: Path, dataset: str, name: str, repeats: int) -> dict:
    folder, known = results / "exp2/long" / dataset / name, {}
    logs = [pd.read_csv(folder / f"repeat{repeat}/epochs.csv").iloc[-1] for repeat in range(repeats)]
    if name != VGG19_CUT:
        known = json.loads((results / f"exp2/best/{dataset}/{name}.json").read_text(encoding="utf-8"))
    final = pd.Series([100 * log["accuracy"] for log in logs])
    paper = published()
    ranks, scores = paper.best_networks.networks[dataset], paper.long_training.scores[dataset][name]
    return {
        "dataset": dataset,
        "network": LONG_NETWORKS[name],
        "layers": known.get("network", ""),
        "parameters": int(logs[0]["parameters"]),
        "epochs": int(logs[0]["epoch"]),
        "n": repeats,
        "mean_percent": final.mean(),
        "two_sd": 2 * final.std(ddof=0) if repeats > 1 else float("nan"),
        "two_sample_sd": 2 * final.std(ddof=1),
        "early_stop_percent": 100 * known["accuracy"] if known else float("nan"),
        "paper_mean_percent": scores.mean,
        "paper_two_sd": scores.two_sd,
        "paper_early_stop_percent": ranks[known["rank"] - 1].accuracy if known else float("nan"),
    }


def search_summary(steps: pd.DataFrame, classes: dict[str, int]) -> pd.DataFrame:
    """One row a run: steps, episodes, networks, best network, best and median reward beside chance.

    `classes` gives the number of classes of each dataset; chance is the accuracy of a uniform guess.
    """
    return pd.DataFrame([_summary(run, rows, classes) for run, rows in steps.groupby(RUN, sort=False)])


def _summary(run: tuple, rows: pd.DataFrame, classes: dict[str, int]) -> dict:
    best, met = best_first(rows)["network"], first_meetings(rows)
    return {
        **dict(zip(RUN, run, strict=True)),
        "steps": len(rows),
        "episodes": rows["episode"].max(),
        "networks": len(met),
        "valid_share": rows["valid"].mean(),
        "best_reward": rows["reward"].max(),
        "median_reward": rows["reward"].median(),
        "chance": 1 / classes[run[1]],
        "best_network": canonical_text(best.iloc[0]) if len(best) else "",
        "training_seconds": met["training_seconds"].sum(),
    }

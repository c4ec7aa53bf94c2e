"""What a results folder holds, what a whole run must have, and the configuration and stamps that it keeps."""

import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from pydantic import ValidationError

import nasdmrl
from nasdmrl.agents.registry import AGENTS
from nasdmrl.analysis.episodes import RUN
from nasdmrl.analysis.figures.panels import FORMATS, stamp_of
from nasdmrl.analysis.figures.registry import TABLES, notebooks, panels_with_own
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.random_replay import EXACT
from nasdmrl.analysis.styles import sigma_of
from nasdmrl.analysis.tables import read_stamp, read_table
from nasdmrl.config.model import Config
from nasdmrl.errors import ConfigError, DataError
from nasdmrl.paper.datasets import with_role
from nasdmrl.paper.experiments import EXPERIMENTS, LONG_NETWORKS, best_networks

RESULTS = "results"
CONFIG, CLAIMS, REPORT = "config.json", "claims.csv", "report.html"
LENGTHS = f"{EXACT}.csv"
LEFT_OUT = ("archives", "checkpoints")
"""Folders of the results that are made again from elsewhere, or are of use to an unfinished run only."""
IMAGE_CARD, RECORDS_CARD = "images/card.json", "records/dataset_spec.json"
CARDS = (IMAGE_CARD, RECORDS_CARD)
"""Of `data/DATASET/`, only these: number and names of the classes, number of images, fingerprint."""
OF_THE_CHECKOUT = ("CITATION.cff", "LICENSE", "requirements.lock")
CHECKOUT = Path(nasdmrl.__file__).resolve().parent.parent
TABLE_FORMATS = ("csv", "md", "tex")
SAME_RUN = ("scale", "data", "fidelity", "seeds")
"""What all stamps of one run have in common; `config` differs, since a job knows only the settings that reach it."""


# --- files --------------------------------------------------------------------------------------------------


def packed_files(results: Path) -> dict[str, Path]:
    """Files that an archive of these results holds, by their names in it, in order."""
    found = {f"{RESULTS}/{name}": results / name for name in _files(results) if _is_packed(Path(name))}
    found |= {name: CHECKOUT / name for name in OF_THE_CHECKOUT if (CHECKOUT / name).is_file()}
    return dict(sorted(found.items()))


def _files(folder: Path) -> Iterator[str]:
    """Names of all files below a folder, through links too, since a store is often a link to a larger disk."""
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(place, name).relative_to(folder).as_posix() for name in names)


def _is_packed(name: Path) -> bool:
    if name.name.startswith(".") or name.suffix == ".zip" or name.parts[0] in LEFT_OUT:
        return False
    return name.parts[0] != "data" or "/".join(name.parts[2:]) in CARDS


# --- what must be there -------------------------------------------------------------------------------------


def missing(results: Path, config: Config) -> list[str]:
    """Files of a whole run with this configuration that these results lack, or that another run has made."""
    lacking = [name for name in dict.fromkeys(_expected(results, config)) if not (results / name).is_file()]
    lacking += [] if any((results / "store").glob("*.jsonl")) else ["store/*.jsonl"]
    other = {name: other_run(stamp, config) for name, stamp in stamps(results).items()}
    return lacking + [f"{name} ({why})" for name, why in other.items() if why]


def _expected(results: Path, config: Config) -> Iterator[str]:
    yield from (CONFIG, CLAIMS, REPORT, "exp2/table.csv", LENGTHS, *(f"{EXACT}.{kind}" for kind in FORMATS))
    yield from (f"figures/{item.name}.{kind}" for item in panels_with_own(config) for kind in FORMATS)
    yield from (f"tables/{item.name}.{kind}" for item in TABLES for kind in TABLE_FORMATS)
    for experiment in EXPERIMENTS:
        yield f"{experiment}/summary.csv"
        yield from _of_runs(results, experiment)
    yield from (f"notebooks/{name}.ipynb" for name in notebooks())
    yield from best_files(config)
    yield from long_logs(config)


def _of_runs(results: Path, experiment: str) -> Iterator[str]:
    datasets = set()
    for method, dataset, place in runs(results, experiment):
        yield f"{place}/steps.csv"
        agent = AGENTS.get(method if sigma_of(method) is None else "meta_a2c")
        if experiment != "exp2" and agent and agent.learns:
            yield f"{place}/progress.csv"
        datasets.add(dataset)
    yield from (f"data/{dataset}/{card}" for dataset in sorted(datasets) for card in CARDS)


def runs(results: Path, experiment: str) -> list[tuple[str, str, str]]:
    """The searches of an experiment in the order of its summary: method, dataset and folder; none without a summary."""
    path = results / experiment / "summary.csv"
    if not path.is_file():
        return []
    try:
        rows = read_table(path)[RUN].itertuples(index=False, name=None)
        found = [(method, data, f"{experiment}/{method}/{data}/seed{int(seed)}") for method, data, seed in rows]
        if any("/" in name or name.startswith(".") for *names, _ in found for name in names):
            raise ValueError("a name that leaves the results")
        return found
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: expected columns {', '.join(RUN)} ({error}); make it again") from error


def best_files(config: Config, *experiments: str) -> list[str]:
    """Files of the best networks of these experiments, else of all: one a subject, in Exp. 2 two."""
    chosen = [best for best in best_networks(config.searches()) if not experiments or best[0] in experiments]
    return [f"{experiment}/best/{name}/best{rank}.json" for experiment, name, rank in chosen]


def long_logs(config: Config) -> Iterator[str]:
    """Logs of the long trainings (Exp. 2b)."""
    for dataset in with_role("evaluation"):
        for name in LONG_NETWORKS:
            yield from (f"exp2/long/{dataset}/{name}/repeat{n}/epochs.csv" for n in range(config.exp2.repeats))


# --- configuration and stamps -------------------------------------------------------------------------------


def kept_config(results: Path) -> Config:
    """The configuration that a run has left. Raises `ConfigError` where there is none, or one of another version."""
    path = results / CONFIG
    try:
        return Config.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); `snakemake all` makes it") from error
    except (ValidationError, UnicodeDecodeError) as error:
        what = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = ".".join(map(str, what["loc"]))
        raise ConfigError(
            f"{path}: is no configuration of this version ({where}: {what['msg']}); check out the commit that made it"
        ) from error


def other_run(stamp: dict[str, str], config: Config) -> str:
    """Why something with this stamp is not of a run with this configuration; empty if it is."""
    here = provenance(config)
    differing = [f"{key} {stamp.get(key, 'unknown')}" for key in SAME_RUN if stamp.get(key) != here[key]]
    return f"made by another run: {', '.join(differing)}" if differing else ""


def stamps(results: Path) -> dict[str, dict[str, str]]:
    """Stamps of all tables and figures of the results, by file; files that cannot be read are left out."""
    found = [results / CLAIMS, *sorted((results / "tables").glob("*.csv")), *sorted(results.glob("*/summary.csv"))]
    found += [results / "exp2/table.csv", *sorted((results / "figures").glob("*.png"))]
    read = {path.relative_to(results).as_posix(): _stamp(path) for path in found if path.is_file()}
    return {name: stamp for name, stamp in read.items() if stamp is not None}


def _stamp(path: Path) -> dict[str, str] | None:
    try:
        if path.suffix == ".csv":
            return read_stamp(path)
        with Image.open(path, formats=["PNG"]) as image:
            stamp = stamp_of(image)
        return stamp if isinstance(stamp, dict) else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # of a damaged PNG, SyntaxError
        return None


def run_stamp(results: Path) -> dict[str, str]:
    """The stamp of the run: that of the verdicts, which know the whole configuration, else of what there is.

    Raises `DataError` where nothing has one.
    """
    for stamp in stamps(results).values():
        if {"scale", "date", *SAME_RUN} <= stamp.keys():
            return stamp
    raise DataError(f"{results}: holds no table and no figure of a run; name the folder of results that a run has made")

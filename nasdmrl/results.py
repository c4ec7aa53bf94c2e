"""Every path below `results/`: one function a kind of file. Placeholders such as `{dataset}` may stand for any part."""

from pathlib import Path
from typing import Any

ROOT = "results"
STORE = f"{ROOT}/store"
CHECKPOINTS = f"{ROOT}/checkpoints"
FIGURES = f"{ROOT}/figures"
TABLES = f"{ROOT}/tables"
CLAIMS = f"{ROOT}/claims.csv"
REPORT = f"{ROOT}/report.html"
KEPT_CONFIG = f"{ROOT}/config.json"
EXP2_TABLE = f"{ROOT}/exp2/table.csv"
EXACT_LENGTHS = f"{ROOT}/exact/random_search_lengths"
FIGURE_FORMATS = ("pdf", "png")
TABLE_FORMATS = ("csv", "md", "tex")


def archives(source: str, dataset: str = "{dataset}") -> str:
    """Folder of a dataset's archives that are drawn or downloaded."""
    return f"{ROOT}/archives/{source}/{dataset}"


def records(dataset: str = "{dataset}") -> str:
    """Folder of a dataset's TFRecords."""
    return f"{ROOT}/data/{dataset}/records"


def images(dataset: str = "{dataset}") -> str:
    """Folder of a dataset's decoded images."""
    return f"{ROOT}/data/{dataset}/images"


def search(
    experiment: str = "{experiment}", series: str = "{series}", dataset: str = "{dataset}", seed: int | str = "{seed}"
) -> str:
    """Folder of a search with one seed."""
    return f"{ROOT}/{experiment}/{series}/{dataset}/seed{seed}"


def steps(*place: Any) -> str:
    """Step log of a search; `place` as of `search`."""
    return f"{search(*place)}/steps.csv"


def progress(*place: Any) -> str:
    """What a learning agent noted at each of its updates."""
    return f"{search(*place)}/progress.csv"


def policy(*place: Any) -> str:
    """Folder of the policy that a search has learned."""
    return f"{search(*place)}/policy"


def best(experiment: str = "{experiment}", subject: str = "{subject}", rank: int | str = "{rank}") -> str:
    """The best, second-best, ... network of a dataset or sigma."""
    return f"{ROOT}/{experiment}/best/{subject}/best{rank}.json"


def long_training(dataset: str = "{dataset}", name: str = "{name}", repeat: int | str = "{repeat}") -> str:
    """Log of a long training (Exp. 2b)."""
    return f"{ROOT}/exp2/long/{dataset}/{name}/repeat{repeat}/epochs.csv"


def checkpoint(dataset: str = "{dataset}", name: str = "{name}", repeat: int | str = "{repeat}") -> str:
    """Checkpoint of a long training that is not done."""
    return f"{CHECKPOINTS}/{dataset}/{name}/repeat{repeat}.npz"


def prewarmed(dataset: str = "{dataset}", part: int | str = "{part}") -> str:
    """What came of a task that evaluates beforehand."""
    return f"{ROOT}/prewarm/{dataset}/part{part}.csv"


def recorded(space: str = "{space}", part: int | str = "{part}") -> str:
    """What a task of the recording has printed."""
    return f"{ROOT}/recorded/{space}/part{part}.txt"


def summary(experiment: str = "{experiment}") -> str:
    """One row a search of an experiment."""
    return f"{ROOT}/{experiment}/summary.csv"


def notebook(name: str) -> str:
    """An executed notebook."""
    return f"{ROOT}/notebooks/{name}.ipynb"


def figure(name: str, kind: str = "png") -> str:
    """A figure panel, such as `fig09a`."""
    return f"{FIGURES}/{name}.{kind}"


def table(name: str, kind: str = "csv") -> str:
    """A table, such as `table6`."""
    return f"{TABLES}/{name}.{kind}"


def benchmark(name: str) -> str:
    """What Snakemake measured of a job that trains: seconds, memory, load."""
    return f"{ROOT}/benchmarks/{name}.tsv"


def log(name: str) -> str:
    """What a job has printed."""
    return f"{ROOT}/logs/{name}.log"


def within(folder: Path | str, path: str) -> Path:
    """The same file of other results: those in this folder, such as an unpacked run's."""
    return Path(folder, Path(path).relative_to(ROOT))

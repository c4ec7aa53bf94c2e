"""A small whole run, as the workflow leaves it, and archives whose members somebody has changed."""

import functools
import hashlib
import shutil
import zipfile
from pathlib import Path
from unittest import mock

import nbformat
import numpy as np
from conftest import save as save_images
from golden import REPEATS, write_golden

from nasdmrl.analysis.claims import claims_table
from nasdmrl.analysis.episodes import read_logs
from nasdmrl.analysis.figures import run as figures_run
from nasdmrl.analysis.figures.panels import save
from nasdmrl.analysis.figures.registry import FIGURES, TABLES, notebooks, panels, searches_of
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.random_replay import compared
from nasdmrl.analysis.tables import search_summary, table3, table6, write_everywhere, write_table
from nasdmrl.analysis.times import times_table
from nasdmrl.config.model import Config, load
from nasdmrl.config.sections import Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.files import write_json
from nasdmrl.paper.datasets import DATASETS, with_role
from nasdmrl.paper.experiments import EXPERIMENTS
from nasdmrl.report.archive import SUMS

SEARCHED = {
    "exp1": (("meta_a2c", "dqn", "random_search"), with_role("training")),
    "exp2": (("meta_a2c", "random_search"), with_role("evaluation")),
    "exp3": (("sigma0.0", "sigma0.1"), ["omniglot"]),
    "appendix_a": (("meta_a2c",), list(DATASETS)),
}
"""Methods and datasets of each experiment's searches, in the order in which the rules name their logs."""


def small_config(root: Path) -> Config:
    """The configuration of the run: the quick scale's, with coarse figures."""
    values = load(root / "config/quick.yaml").model_dump(mode="json")
    changes = {"exp2": {"repeats": REPEATS}, "plots": {"dpi": 50, "bin_episodes": 10}}
    return Config.model_validate({**values, **{key: {**values[key], **change} for key, change in changes.items()}})


def write_run(root: Path, results: Path, config: Config) -> None:
    """Write the run by the notebooks and the functions of the rules, not by what is tested."""
    stamp = provenance(config)
    write_golden(results, steps=60)
    add_rest(results, config)
    tabulate(results, config, stamp)
    with mock.patch.object(figures_run, "save", functools.partial(save, formats=["png"])):  # PDF takes longer
        for notebook, names in notebooks().items():
            draw(root, results, config, notebook, FIGURES[names[0]])
    for item in panels(config):
        (results / f"figures/{item.name}.pdf").write_bytes(b"%PDF-1.4\n")


def logs_of(results, experiment):
    """Step logs of an experiment, as the rules name them."""
    methods, datasets = SEARCHED[experiment]
    return [results / experiment / method / name / "seed1024/steps.csv" for method in methods for name in datasets]


def draw(root, results, config, name, figure):
    """Draw a notebook's figures, whose inputs are those of this one, with its own code, PNG files only."""
    experiment, series = figure.experiment, {search.series for search in searches_of(figure, config)}
    notebook = nbformat.read(root / f"workflow/notebooks/{name}.ipynb", as_version=4)
    datasets = SEARCHED[experiment][1]
    best = sorted((results / experiment).glob("best/*/best*.json"))
    logs = [log for log in logs_of(results, experiment) if log.parts[-4] in series]
    inputs = [*logs, *best, *(results / f"data/{name}/images" for name in datasets)]
    cells = ["".join(cell["source"]) for cell in notebook.cells if cell["cell_type"] == "code"]
    values = {"inputs": [str(path) for path in inputs], "figures": str(results / "figures")}
    exec("\n".join(cells[1:]), values | {"config": config.model_dump_json()})


def tabulate(results, config, stamp):
    """What the workflow's rules for tables do."""
    for item in TABLES:
        steps = read_logs(logs_of(results, item.experiment))
        if item.name == "table6":
            table = table6(results, REPEATS)
        elif item.name in ("table3", "table8"):
            names = DATASETS if item.name == "table8" else [*with_role("training"), *with_role("evaluation")]
            table = table3([results / f"data/{name}/records" for name in names])
        else:
            table = times_table(steps, item.experiment)
        write_everywhere(table, results / f"tables/{item.name}.csv", stamp)
    shutil.copy(results / "tables/table6.csv", results / "exp2/table.csv")
    classes = {name: dataset.classes for name, dataset in DATASETS.items()}
    for name in EXPERIMENTS:
        write_table(search_summary(read_logs(logs_of(results, name)), classes), results / name / "summary.csv", stamp)
    write_table(claims_table(results, config, stamp), results / "claims.csv", stamp)


def add_rest(results, config):
    """Data, store, and files whose content does not matter here; some that no archive holds."""
    for name, dataset in DATASETS.items():
        counts = {str(label): 20 for label in range(dataset.classes)}
        write_json(results / f"data/{name}/records/dataset_spec.json", {"name": name, "images_per_class": counts})
        (results / f"data/{name}/records/0.tfrecords").write_bytes(b"images")
        data = ImageData(name, np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1, np.int32), 1, "f")
        save_images(data, results / f"data/{name}/images")
        classes = [str(label) for label in range(dataset.classes)]
        write_json(
            results / f"data/{name}/images/card.json", {"dataset": name, "class_names": classes, "fingerprint": "f"}
        )
    write_table(compared(), results / "exact/random_search_lengths.csv", {"seeds": "1024"})
    for kind in ("pdf", "png"):
        (results / f"exact/random_search_lengths.{kind}").write_bytes(b"a figure")
    record = {"key": "1", "device": "GPU X", "status": "ok", "accuracy": 0.5, "training_seconds": 1.0}
    EvaluationStore(results / "store").put(record, Recipe())
    for name in ("archives/dtd.tar.gz", "checkpoints/dtd/best1.npz", "exp1/.hidden"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_bytes(b"not for an archive")
    for name in EXPERIMENTS:
        (results / "notebooks").mkdir(exist_ok=True)
        (results / f"notebooks/{name}.ipynb").write_text("{}")
    (results / "report.html").write_text("<html></html>")
    (results / "logs").mkdir()
    (results / "logs/a log of # one job.log").write_text("done")
    write_json(results / "config.json", config.model_dump(mode="json"))


# --- altered archives ---------------------------------------------------------------------------------------


def contents(path):
    """The members of a zip file by name."""
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write(path, members):
    """A zip file with these members."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def with_sums(members):
    """The members with the sums that they have now: what a careful forger would write."""
    files = {name: content for name, content in members.items() if name != SUMS}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    return files | {SUMS: sums.encode()}

# What all rules share: the validated configuration and the lists made from it.
import json

from snakemake.exceptions import WorkflowError

from nasdmrl.config import from_dict
from nasdmrl.datasets import DATASETS, with_role
from nasdmrl.errors import ConfigError

try:
    SETTINGS = from_dict(config, "the configuration")
except ConfigError as error:
    raise WorkflowError(str(error)) from None

STORE = "results/store"
FORMATS = ["pdf", "png"]
TRAINING = with_role("training")
TABLE_3 = TRAINING + with_role("evaluation")


wildcard_constraints:
    dataset="|".join(DATASETS),
    seed=r"\d+",


def figure_files(name):
    """The files of one figure panel, such as fig09a."""
    return expand("results/figures/{name}.{kind}", name=name, kind=FORMATS)


def archive_folder(wildcards):
    """The folder that holds a dataset's archives under their official names."""
    if SETTINGS.data.source == "archives":
        return SETTINGS.data.archives
    return f"results/archives/{SETTINGS.data.source}/{wildcards.dataset}"


def archive_files(wildcards):
    """A dataset's archives; the stand-ins of a dataset are drawn together, so they are one folder."""
    folder = archive_folder(wildcards)
    if SETTINGS.data.source == "standin":
        return folder
    return [f"{folder}/{file.name}" for file in DATASETS[wildcards.dataset].files]


def exp1_steps(wildcards):
    """Length of a trial, t_max."""
    return getattr(getattr(SETTINGS.exp1, wildcards.method), wildcards.dataset)


def exp1_parameters(wildcards, input):
    """Parameters of the notebook; the stamp is made from the sections that reached the logs."""
    config = SETTINGS.subset(
        "seeds", "data", "early_stop", "environment", "exp1", "plots"
    )
    return json.dumps(
        {"logs": list(input.logs), "figures": "results/figures", "config": config}
    )


EXP1_METHODS = ["random_search"]
FIGURE_9 = [file for panel in "abcdefghi" for file in figure_files(f"fig09{panel}")]
EXP1_LOGS = expand(
    "results/exp1/{method}/{dataset}/seed{seed}/steps.csv",
    method=EXP1_METHODS,
    dataset=TRAINING,
    seed=SETTINGS.seeds,
)

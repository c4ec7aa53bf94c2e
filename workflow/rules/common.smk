# What all rules share: the validated configuration and the lists made from it.
from snakemake.exceptions import WorkflowError

from nasdmrl.agents import METHODS
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
# What reaches a search, whatever its method, and what tables and figures made from all searches depend on.
SEARCH_SECTIONS = ["fidelity", "deviations", "early_stop", "environment"]
LOG_SECTIONS = [*SEARCH_SECTIONS, "scale", "seeds", "data", "meta_a2c", "dqn"]
EVALUATION = with_role("evaluation")
TABLE_3 = TRAINING + EVALUATION


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


def search_steps(method):
    """A function of the wildcards: length of the method's trial, t_max."""

    def steps(wildcards):
        if wildcards.dataset in TRAINING:
            return getattr(getattr(SETTINGS.exp1, method), wildcards.dataset)
        return SETTINGS.exp2.evaluation_steps

    return steps


def previous_policy(wildcards):
    """The policy that the transfer chain passes on to a training dataset; nothing for the first."""
    place = TRAINING.index(wildcards.dataset)
    folder = "results/exp1/meta_a2c/{previous}/seed{seed}/policy"
    return (
        [folder.format(previous=TRAINING[place - 1], seed=wildcards.seed)]
        if place
        else []
    )


def search_logs(experiment, methods, datasets):
    """Step logs of an experiment."""
    return expand(
        "results/{experiment}/{method}/{dataset}/seed{seed}/steps.csv",
        experiment=experiment,
        method=methods,
        dataset=datasets,
        seed=SETTINGS.seeds,
    )


FIGURE_9 = [file for panel in "abcdefghi" for file in figure_files(f"fig09{panel}")]
SEARCHED = {"exp1": TRAINING, "exp2": EVALUATION}
SEARCH_LOGS = {
    "exp1": search_logs("exp1", METHODS, SEARCHED["exp1"]),
    "exp2": search_logs("exp2", ["meta_a2c", "random_search"], SEARCHED["exp2"]),
}

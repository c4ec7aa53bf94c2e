# What all rules share: the validated configuration and the lists made from it.
from snakemake.exceptions import WorkflowError

import os
from pathlib import Path

from nasdmrl.agents import METHODS
from nasdmrl.analysis.episodes import METRICS
from nasdmrl.analysis.items import (
    EXPERIMENTS,
    RANKS,
    TABLES,
    figures,
    of_experiment,
    sigma_names,
)
from nasdmrl.analysis.tables import LONG_NETWORKS
from nasdmrl.config.model import from_dict
from nasdmrl.data.custom import class_folders
from nasdmrl.data.images import IMAGES_FORMAT
from nasdmrl.data.records import RECORDS_FORMAT
from nasdmrl.paper.datasets import DATASETS, with_role
from nasdmrl.preflight.disk import datasets_used
from nasdmrl.errors import NasdmrlError
from nasdmrl.paper.experiments import VGG19_CUT
from nasdmrl.training import TRAINING_FORMAT

try:
    SETTINGS = from_dict(config, "the configuration")
    OWN_FOLDERS = {
        name: class_folders(name, folder) for name, folder in SETTINGS.data.own.items()
    }
except NasdmrlError as error:
    raise WorkflowError(str(error)) from None

# Where the environments of `--sdm conda` find this package: envs/*.post-deploy.sh.
os.environ.update(NASDMRL_CHECKOUT=str(Path(workflow.basedir).parent))

STORE = "results/store"
OWN_FIGURE = "results/figures/own_{dataset}_{metric}"
TRAINING = with_role("training")
EVALUATION = with_role("evaluation")
OWN = list(OWN_FOLDERS)
UNSEEN_METHODS = ["meta_a2c", "random_search"]
SIGMAS = sigma_names(SETTINGS)
# What reaches a search, whatever its method; deep meta-RL; the verdicts; and tables and figures made from all searches,
# which are stamped with all deviations.
SEARCH_SECTIONS = [
    *["fidelity", "early_stop", "environment"],
    *[f"deviations.{name}" for name in ("D1", "D2", "D6")],
]
META_SECTIONS = [
    *SEARCH_SECTIONS,
    "deviations.D3",
    "deviations.D4",
    "deviations.D10",
    "meta_a2c",
]
CLAIM_SECTIONS = [
    "plots.bin_episodes",
    *[
        name
        for name in type(SETTINGS).model_fields
        if name not in ("plots", "prewarm", "resources")
    ],
]
# The fixed policy of Exp. 2 is the one that Exp. 1 has learned.
EXP2_SECTIONS = ["exp1.meta_a2c", "exp2.evaluation_steps"]
LOG_SECTIONS = [*META_SECTIONS, "deviations", "scale", "seeds", "data", "dqn"]


wildcard_constraints:
    dataset="|".join([*DATASETS, *OWN]),
    seed=r"\d+",
    experiment="exp1|exp2|exp3|appendix_a",


def figure_output(item):
    """The PNG file of a figure panel, which Snakemake's own report shows."""
    return report(
        f"results/figures/{item.name}.png",
        caption="../report/item.rst",
        category=EXPERIMENTS[item.experiment],
        labels={"item": item.title, "shows": item.caption},
    )


def figure_files(experiment):
    """The files of an experiment's figure panels."""
    items = of_experiment(figures(SETTINGS), experiment)
    pdfs = [f"results/figures/{item.name}.pdf" for item in items]
    return pdfs + [figure_output(item) for item in items]


def own_figures(dataset):
    """Files of the panels of a dataset of one's own: the fixed policy beside random search."""
    return expand(
        f"{OWN_FIGURE}.{{kind}}", dataset=dataset, metric=METRICS, kind=["pdf", "png"]
    )


def table_output(number):
    """The CSV file of a table, which Snakemake's own report shows."""
    return report(
        f"results/tables/table{number}.csv",
        caption="../report/item.rst",
        category="Tables",
        labels={"item": f"Table {number}"},
    )


def archive_folder(wildcards):
    """The folder that holds a dataset's archives under their official names, or one's own dataset."""
    if wildcards.dataset in OWN:
        return SETTINGS.data.own[wildcards.dataset]
    if SETTINGS.data.source == "archives":
        return SETTINGS.data.archives
    return f"results/archives/{SETTINGS.data.source}/{wildcards.dataset}"


def archive_files(wildcards):
    """A dataset's archives; the stand-ins of a dataset are drawn together, so they are one folder.

    Of one's own dataset, the class folders: they have a new time where an image is added, renamed or taken away.
    """
    folder = archive_folder(wildcards)
    if wildcards.dataset in OWN:
        return OWN_FOLDERS[wildcards.dataset]
    if SETTINGS.data.source == "standin":
        return folder
    return [f"{folder}/{file.name}" for file in DATASETS[wildcards.dataset].files]


def convert_options(wildcards):
    """How a dataset is converted: one's own, with the counts of Table 3, or as the archives have it."""
    if wildcards.dataset in OWN:
        return "--own"
    return "--official-counts" if SETTINGS.data.require_official_counts else ""


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


def search_logs(experiment, methods, datasets, name="steps.csv"):
    """Step logs of an experiment, or what lies beside them."""
    return expand(
        "results/{experiment}/{method}/{dataset}/seed{seed}/{name}",
        experiment=experiment,
        method=methods,
        dataset=datasets,
        seed=SETTINGS.seeds,
        name=name,
    )


def best_files(experiment, subjects, ranks=(1,)):
    """Files of the best networks of datasets or sigmas."""
    return expand(
        "results/{experiment}/best/{subject}/best{rank}.json",
        experiment=experiment,
        subject=subjects,
        rank=ranks,
    )


def subject_logs(wildcards):
    """Logs of the searches whose best network is asked for: deep meta-RL's on a dataset, or a sigma's."""
    if wildcards.experiment == "exp3":
        return search_logs("exp3", [wildcards.subject], ["omniglot"])
    return search_logs(wildcards.experiment, ["meta_a2c"], [wildcards.subject])


def subject_images(wildcards):
    """Decoded images of the dataset that a best network was found on."""
    dataset = "omniglot" if wildcards.experiment == "exp3" else wildcards.subject
    return f"results/data/{dataset}/images"


def network_file(wildcards):
    """The file that says which network is trained; the VGG19 cut needs none."""
    if wildcards.name == VGG19_CUT:
        return []
    return best_files(
        "exp2", [wildcards.dataset], [wildcards.name.removeprefix("best")]
    )


def recorded_images(wildcards):
    """Decoded images of the datasets on which a space is recorded."""
    return expand("results/data/{dataset}/images", dataset=RECORDED[wildcards.space])


def notebook_inputs(experiment):
    """What a notebook reads: step logs, best networks, and the images that say how many classes there are."""
    methods, datasets = FIGURED[experiment]
    images = expand("results/data/{dataset}/images", dataset=datasets)
    return [*search_logs(experiment, methods, datasets), *BEST[experiment], *images]


HARDNESS = datasets_used(SETTINGS)
# Datasets on which all networks of a space are recorded.
RECORDED = {
    "chain": [*TRAINING, *EVALUATION, "traffic_sign"],
    "multi_branch": ["omniglot"],
}

MISSING = [name for name in DATASETS if name not in HARDNESS]
SEARCHED = {
    "exp1": (list(METHODS), TRAINING),
    "exp2": (UNSEEN_METHODS, EVALUATION),
    "exp3": (SIGMAS, ["omniglot"]),
    "appendix_a": (["meta_a2c"], HARDNESS),
}
# Datasets of one's own join the tables of Exp. 2a and all of Appendix A; claims and figures of Exp. 2 are the paper's.
WITH_OWN = SEARCHED | {
    "exp2": (UNSEEN_METHODS, EVALUATION + OWN),
    "appendix_a": (["meta_a2c"], HARDNESS + OWN),
}
FIGURED = SEARCHED | {"appendix_a": WITH_OWN["appendix_a"]}
SEARCH_LOGS = {name: search_logs(name, *where) for name, where in SEARCHED.items()}
LOGS_WITH_OWN = {name: search_logs(name, *where) for name, where in WITH_OWN.items()}
BEST = {
    "exp1": best_files("exp1", TRAINING),
    "exp2": best_files("exp2", EVALUATION, RANKS),
    "exp3": best_files("exp3", SIGMAS),
    "appendix_a": [],
}
PREWARMED = expand(
    "results/prewarm/{dataset}/part{part}.csv",
    dataset=TRAINING + EVALUATION,
    part=range(SETTINGS.prewarm.tasks if SETTINGS.prewarm.on else 0),
)
# Tables of running times, and the experiments whose they are.
TIMES = {"4": "exp1", "5": "exp2", "7": "exp3", "9": "appendix_a"}
# What reaches a long training; how often it is repeated, and how the networks were found, does not.
LONG_FIELDS = {
    name
    for name in type(SETTINGS.exp2).model_fields
    if name not in ("evaluation_steps", "repeats")
}
LONG_SECTIONS = [
    *["fidelity", "deviations.D2", "deviations.D5"],
    *[f"exp2.{name}" for name in sorted(LONG_FIELDS)],
    *[
        f"early_stop.{name}"
        for name in type(SETTINGS.early_stop).model_fields
        if name not in LONG_FIELDS | {"seed", "filters", "decay_epochs"}
    ],
]

# What all rules share: the validated configuration, and lists made from it, the table of experiments and the registries.
import os
import re
import sys
from pathlib import Path
from shlex import quote

from snakemake.exceptions import WorkflowError

# The package beside this file, so that the workflow can be parsed where it is not installed. A Snakefile on a Git host
# has no such folder.
if isinstance(workflow.current_basedir, os.PathLike):
    CHECKOUT = Path(workflow.current_basedir).parents[1]
    sys.path.insert(0, str(CHECKOUT))
    # Where the environments of `--sdm conda` find it: envs/*.post-deploy.sh.
    os.environ.update(NASDMRL_CHECKOUT=str(CHECKOUT))

try:
    from nasdmrl import results
    from nasdmrl.agents import POLICY_FORMAT
    from nasdmrl.agents.registry import AGENTS, agents_of, searches
    from nasdmrl.analysis.styles import METRICS
    from nasdmrl.analysis.figures.registry import (
        FIGURES,
        TABLES,
        TIMES,
        notebooks,
        panels,
        searches_of,
    )
    from nasdmrl.config.model import KEPT_FIELDS, LONG_FIELDS, from_dict
    from nasdmrl.config.scales import check_files, of_workflow
    from nasdmrl.data import IMAGES_FORMAT, RECORDS_FORMAT
    from nasdmrl.data.catalogue import SOURCES
    from nasdmrl.data.custom import class_folders
    from nasdmrl.errors import NasdmrlError
    from nasdmrl.paper.datasets import DATASETS, with_role
    from nasdmrl.paper.experiments import (
        EXPERIMENTS,
        LONG_NETWORKS,
        VGG19_CUT,
        best_networks,
    )
    from nasdmrl.training import TRAINING_FORMAT
except ImportError as error:
    raise WorkflowError(
        f"{error}: the workflow is read by Snakemake and the package nasdmrl, which lies beside it in a checkout; install"
        " the package where Snakemake runs (`make install` in the checkout)"
    ) from None

try:
    # Snakemake gives a job all files as if they came from the command line.
    if workflow.is_main_process:
        check_files(
            workflow.configfiles,
            workflow.overwrite_configfiles,
            config,
            "scale" in workflow.config_settings.config,
        )
    SETTINGS = from_dict(of_workflow(config), "the configuration")
    OWN_FOLDERS = {
        name: class_folders(name, folder) for name, folder in SETTINGS.data.own.items()
    }
except NasdmrlError as error:
    raise WorkflowError(str(error)) from None

OWN, OWN_AGENTS = SETTINGS.own_datasets, agents_of("own")
TRAINING, EVALUATION = with_role("training"), with_role("evaluation")
SEARCHES = searches(SETTINGS)
OF_PAPER = [
    search
    for search in SEARCHES
    if search.dataset not in OWN and search.method not in OWN_AGENTS
]
HARDNESS = [search.dataset for search in OF_PAPER if search.experiment == "appendix_a"]
PREWARMED = expand(
    results.prewarmed(),
    dataset=TRAINING + EVALUATION,
    part=range(SETTINGS.prewarm.tasks if SETTINGS.prewarm.on else 0),
)
# Datasets on which all networks of a space are recorded.
RECORDED = {
    "chain": [*TRAINING, *EVALUATION, "traffic_sign"],
    "multi_branch": ["omniglot"],
}

# What every stamp reads; what reaches a search, whatever its method; deep meta-RL; the verdicts; and tables and figures
# made from all searches. What a job reads and its rule does not pass is an error of the job.
STAMP_SECTIONS = [
    *["scale", "fidelity", "deviations", "seeds", "data"],
    "early_stop.precision",
]
SEARCH_SECTIONS = [
    *["fidelity", "early_stop", "environment"],
    *[f"deviations.{name}" for name in ("D1", "D2", "D6")],
]
META_SECTIONS = [*SEARCH_SECTIONS, *AGENTS["meta_a2c"].sections]
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
LOG_SECTIONS = [
    *[*SEARCH_SECTIONS, *STAMP_SECTIONS],
    *[key for name in agents_of("paper", "own") for key in AGENTS[name].sections],
]
OF_EXPERIMENT = {
    "exp1": ["exp1"],
    "exp2": EXP2_SECTIONS,
    "exp3": ["exp3"],
    "appendix_a": ["appendix_a"],
}
# What reaches a long training; how often it is repeated, and how the networks were found, does not.
LONG_SECTIONS = [
    *["fidelity", "deviations.D2", "deviations.D5", "exp2.first_filters"],
    *[f"exp2.{name}" for name in LONG_FIELDS],
    *[f"early_stop.{name}" for name in KEPT_FIELDS],
]


wildcard_constraints:
    dataset="|".join([*SOURCES, *OWN_FOLDERS]),
    seed=r"\d+",
    experiment="|".join(EXPERIMENTS),


def figure_output(item):
    """The PNG file of a figure panel, which Snakemake's own report shows."""
    return report(
        results.figure(item.name),
        caption="../report/item.rst",
        category=EXPERIMENTS[item.experiment],
        labels={"item": item.title, "shows": item.caption},
    )


def figure_files(names):
    """The files of these figures' panels."""
    items = panels(SETTINGS, names)
    pdfs = [results.figure(item.name, "pdf") for item in items]
    return pdfs + [figure_output(item) for item in items]


def own_figures(dataset):
    """Files of the panels of a custom dataset: the fixed policy beside random search."""
    return expand(
        results.figure("own_{dataset}_{metric}", "{kind}"),
        dataset=dataset,
        metric=METRICS,
        kind=results.FIGURE_FORMATS,
    )


def table_output(name):
    """The CSV file of a table, which Snakemake's own report shows."""
    return report(
        results.table(name),
        caption="../report/item.rst",
        category="Tables",
        labels={"item": re.sub("^table", "Table ", name)},
    )


def archive_folder(wildcards):
    """The folder that holds a dataset's archives under their official names, or a custom dataset."""
    if wildcards.dataset in OWN_FOLDERS:
        return SETTINGS.data.own[wildcards.dataset]
    if SETTINGS.data.source == "archives":
        return SETTINGS.data.archives
    return results.archives(SETTINGS.data.source, wildcards.dataset)


def archive_files(wildcards):
    """A dataset's archives; the stand-ins of a dataset are drawn together, so they are one folder.

    Of a custom dataset, the class folders: they have a new time where an image is added, renamed or taken away.
    """
    folder = archive_folder(wildcards)
    if wildcards.dataset in OWN_FOLDERS:
        return OWN_FOLDERS[wildcards.dataset]
    if SETTINGS.data.source == "standin":
        return folder
    return [f"{folder}/{file.name}" for file in SOURCES[wildcards.dataset].files]


def convert_options(wildcards):
    """How a dataset is converted: a custom folder, with the official counts, or as the archives have it."""
    if wildcards.dataset in OWN_FOLDERS:
        return "--own"
    return "--official-counts" if SETTINGS.data.require_official_counts else ""


def search_of(experiment, method, wildcards):
    """The search of the table that a job runs."""
    return next(
        search
        for search in SEARCHES
        if (search.experiment, search.method, search.dataset)
        == (experiment, method, wildcards.dataset)
    )


def search_steps(method):
    """A function of the wildcards: length of the method's trial, t_max; of any method on an unseen dataset, as Exp. 2."""

    def steps(wildcards):
        if wildcards.dataset not in TRAINING:
            return SETTINGS.exp2.evaluation_steps
        return search_of("exp1", method, wildcards).steps

    return steps


def previous_policy(experiment):
    """A function of the wildcards: the policy that deep meta-RL starts with; nothing for the first of the chain."""

    def policy(wildcards):
        before = search_of(experiment, "meta_a2c", wildcards).policy_from
        return (
            results.policy("exp1", "meta_a2c", before, wildcards.seed) if before else []
        )

    return policy


def step_logs(searches):
    """Step logs of searches with every seed."""
    return [
        results.steps(search.experiment, search.series, search.dataset, seed)
        for search in searches
        for seed in SETTINGS.seeds
    ]


def of_experiment(experiment, searches=SEARCHES):
    """Searches of an experiment; those on custom datasets too, unless `searches` are the paper's."""
    return [search for search in searches if search.experiment == experiment]


def image_folders(searches):
    """Decoded images of the datasets of searches."""
    return [results.images(name) for name in dict.fromkeys(s.dataset for s in searches)]


def best_files(experiment, own=True):
    """Files of the best networks of an experiment."""
    searches = SEARCHES if own else OF_PAPER
    return [
        results.best(*best) for best in best_networks(searches) if best[0] == experiment
    ]


def subject_searches(wildcards):
    """The search whose best network is asked for: deep meta-RL's on a dataset, or a sigma's."""
    return [
        search
        for search in of_experiment(wildcards.experiment)
        if search.method == "meta_a2c"
        and wildcards.subject in (search.dataset, search.series)
    ]


def network_file(wildcards):
    """The file that says which network is trained; the VGG19 cut needs none."""
    if wildcards.name == VGG19_CUT:
        return []
    return results.best("exp2", wildcards.dataset, wildcards.name.removeprefix("best"))


def notebook_inputs(name):
    """What a notebook reads: step logs, best networks, and the images that say how many classes there are."""
    entries = [FIGURES[figure] for figure in notebooks()[name]]
    # Curves and tests of Exp. 2 are the paper's; Appendix A shows custom datasets too.
    searches = [
        search
        for search in searches_of(entries[0], SETTINGS)
        if search.experiment == "appendix_a" or search.dataset not in OWN
    ]
    networks = (
        best_files(entries[0].experiment, own=False) if entries[0].networks else []
    )
    classes = image_folders(searches) if entries[0].classes else []
    return [*step_logs(searches), *networks, *classes]


def counted_datasets(wildcards):
    """Datasets that Table 3 or 8 counts."""
    return HARDNESS + OWN if wildcards.number == "8" else TRAINING + EVALUATION


def recorded_images(wildcards):
    """Decoded images of the datasets on which a space is recorded."""
    return [results.images(dataset) for dataset in RECORDED[wildcards.space]]


def further_agents(learns):
    """A pattern of those that learn, or of those that do not."""
    names = [
        name for name in agents_of("own", "beyond") if AGENTS[name].learns == learns
    ]
    return "|".join(names) or "(?!)"

"""One entry a figure (Section 8): its notebook, what it needs, its captions, and how its panels are drawn.

Rules, captions, the archive's rebuild and the report read it. Tables are listed beside them. The functions that draw
import what they need when they are called, since every job of the workflow reads this list.
"""

import string
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nasdmrl.agents.registry import searches
from nasdmrl.analysis.styles import METRICS, name_of
from nasdmrl.config.model import Config
from nasdmrl.paper.datasets import DATASETS, with_role
from nasdmrl.paper.experiments import Search, best_networks
from nasdmrl.paper.numbers import published

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

    from nasdmrl.analysis.figures.run import Run

TRAINING, EVALUATION = with_role("training"), with_role("evaluation")


@dataclass(frozen=True)
class Item:
    """A figure panel or a table: its file name without ending (`fig09a`), the paper's name of it, what it shows.

    own: name of the custom dataset that a panel shows, which the paper has not.
    """

    name: str
    experiment: str
    caption: str
    own: str = ""

    @property
    def figure(self) -> str:
        """The figure that a panel belongs to, such as `fig09`."""
        return self.name[:5]

    @property
    def group(self) -> str:
        """The figure or table without the panel's letter, such as `Figure 9`."""
        if self.own:
            return f"Dataset {self.own}"
        kind, digits = ("Figure", self.name[3:5]) if self.name.startswith("fig") else ("Table", self.name[5:])
        return f"{kind} {int(digits)}"

    @property
    def title(self) -> str:
        """Such as `Figure 9 a` or `Table 6`."""
        letter = self.name[5:] if self.name.startswith("fig") else ""
        return f"{self.group} {letter}".rstrip()


TABLES = (
    Item("table3", "exp1", "Classes and images of the datasets"),
    Item("table4", "exp1", "Running times of the searches"),
    Item("table5", "exp2", "Running times of the policy evaluation"),
    Item("table6", "exp2", "Test accuracy after long training: the best networks, widened, and the VGG19 cut"),
    Item("table7", "exp3", "Running times of the multi-branch searches"),
    Item("table8", "appendix_a", "Classes and images of the six datasets"),
    Item("table9", "appendix_a", "Running times of the hardness study"),
)
TIMES = {"table4": "exp1", "table5": "exp2", "table7": "exp3", "table9": "appendix_a"}
"""Tables of running times, and the experiments whose they are."""


@dataclass(frozen=True)
class Figure:
    """A figure of the paper.

    notebook: that draws it, with others of the same inputs; experiment: whose results it shows; captions: one a panel;
    draw: the panels in their order; needs: whether a search of the experiment is an input; networks: whether the best
    networks are; classes: whether the images' cards are; letters: whether its panels have letters.
    """

    notebook: str
    experiment: str
    captions: Callable[[Config], list[str]]
    draw: Callable[["Run"], Iterable["Drawn"]]
    needs: Callable[[Search], bool] = lambda _: True
    networks: bool = False
    classes: bool = False
    letters: bool = True


def panels(config: Config, figures: Collection[str] = ()) -> list[Item]:
    """The panels of these figures, or of Figures 9 to 21; Figure 21 has one for each sigma of the configuration."""
    return [
        Item(name + letter, figure.experiment, caption)
        for name, figure in FIGURES.items()
        if not figures or name in figures
        for captions in [figure.captions(config)]
        for letter, caption in zip(string.ascii_lowercase if figure.letters else [""], captions, strict=False)
    ]


def panels_with_own(config: Config) -> list[Item]:
    """`panels`, and panels as of Figure 12 for each custom dataset (`own_datasets`)."""
    pairs = [(name, metric) for name in config.own_datasets for metric in METRICS]
    own = [Item(f"own_{name}_{metric}", "exp2", f"{METRICS[metric]}, {name_of(name)}", name) for name, metric in pairs]
    return [*panels(config), *own]


def of_experiment(items: Iterable[Item], experiment: str) -> list[Item]:
    """The items of one experiment."""
    return [item for item in items if item.experiment == experiment]


def notebooks() -> dict[str, list[str]]:
    """Notebooks by name, each with its figures."""
    found: dict[str, list[str]] = {}
    for name, figure in FIGURES.items():
        found.setdefault(figure.notebook, []).append(name)
    return found


def searches_of(figure: Figure, config: Config) -> list[Search]:
    """The searches whose logs a figure reads."""
    return [search for search in searches(config, figure.experiment) if figure.needs(search)]


# --- captions -----------------------------------------------------------------------------------------------


def _curve_captions(*datasets: str) -> Callable[[Config], list[str]]:
    return lambda _: [f"{label}, {name_of(dataset)}" for dataset in datasets for label in METRICS.values()]


def _network_captions(experiment: str, *datasets: str) -> Callable[[Config], list[str]]:
    """Captions of drawn networks, each with the paper's network of this rank on the dataset, or of the sigma."""

    def caption(subject: str, rank: int) -> str:
        known = published().best_networks.networks.get(subject, [])
        paper = "".join(f" (paper: {one.accuracy} %, {one.network})" for one in known[rank - 1 : rank])
        place = name_of(subject) if subject in DATASETS else f"Omniglot, {name_of(subject)}"
        word = {1: "Best", 2: "Second-best"}[rank]
        return f"{word} network of deep meta-RL on {place}, with its early-stop accuracy{paper}"

    def captions(config: Config) -> list[str]:
        found = best_networks(config.searches(experiment))
        return [caption(subject, rank) for _, subject, rank in found if not datasets or subject in datasets]

    return captions


def _fixed(*captions: str) -> Callable[[Config], list[str]]:
    return lambda _: list(captions)


# --- panels -------------------------------------------------------------------------------------------------


def curves_of(*datasets: str) -> Callable[["Run"], Iterator["Drawn"]]:
    """A row a dataset, a column a metric."""

    def draw(run: "Run") -> Iterator["Drawn"]:
        from nasdmrl.analysis.episodes import episodes
        from nasdmrl.analysis.figures.curves import curve_panel

        table, plots = episodes(run.steps), run.settings.plots
        for dataset in datasets:
            for metric in METRICS:
                yield curve_panel(table, dataset, metric, plots.bin_episodes, plots.statistic)

    return draw


def _networks(*subjects: str) -> Callable[["Run"], Iterator["Drawn"]]:
    """The best networks of datasets, best first, or of every sigma."""

    def draw(run: "Run") -> Iterator["Drawn"]:
        from nasdmrl.analysis.figures.drawings import best_network_figure

        recipe = run.settings.recipe("chain" if subjects else "multi_branch")
        names = subjects or [search.series for search in run.settings.searches("exp3")]
        for subject in names:
            found = [best for best in run.best if best["subject"] == subject]
            for best in sorted(found, key=lambda best: best["rank"]):
                yield best_network_figure(best, best["image_size"], best["n_classes"], recipe)

    return draw


def _entropy_of_chain(run: "Run") -> list["Drawn"]:
    from nasdmrl.analysis.figures.curves import entropy_chain

    return [entropy_chain(run.progress, run.settings.plots.bin_episodes, run.settings.exp1.meta_a2c.model_dump())]


def _entropy_and_branches(run: "Run") -> list["Drawn"]:
    from nasdmrl.analysis.episodes import MULTI_BRANCH_NETWORKS, multi_branch_counts
    from nasdmrl.analysis.figures.curves import curve_panel, entropy_panel

    plots, counts = run.settings.plots, multi_branch_counts(run.steps)
    branches = curve_panel(counts, "omniglot", MULTI_BRANCH_NETWORKS, plots.bin_episodes, plots.statistic)
    return [entropy_panel(run.progress, plots.bin_episodes), branches]


def _actions(run: "Run") -> list["Drawn"]:
    from nasdmrl.analysis.episodes import action_proportions
    from nasdmrl.analysis.figures.bars import action_panel

    return [action_panel(action_proportions(run.steps))]


def _actions_with_test(run: "Run") -> list["Drawn"]:
    from nasdmrl.analysis.episodes import action_proportions
    from nasdmrl.analysis.figures.bars import action_panel, wilcoxon, wilcoxon_note

    # Without custom datasets, which a notebook opened by hand reads too.
    shares = action_proportions(run.steps[run.steps["dataset"].isin(EVALUATION)])
    return [action_panel(shares, wilcoxon_note(wilcoxon(shares, EVALUATION)))]


def _hardness(run: "Run") -> list["Drawn"]:
    from nasdmrl.analysis.episodes import accuracies
    from nasdmrl.analysis.figures.bars import hardness_bars, hardness_box

    met = accuracies(run.steps)
    absent = [dataset for dataset in DATASETS if dataset not in set(met["dataset"])]
    return [panel(met, absent, run.classes) for panel in (hardness_box, hardness_bars)]


def _by_policy(search: Search) -> bool:
    return search.method == "meta_a2c"


def _none(search: Search) -> bool:
    return False


_OF_PAPER = f"paper: p = {published().action_test.p}"
FIGURES: dict[str, Figure] = {
    "fig09": Figure("exp1_curves", "exp1", _curve_captions(*TRAINING), curves_of(*TRAINING)),
    "fig10": Figure(
        "exp1_policy",
        "exp1",
        _fixed("Policy entropy over the steps of the three training datasets, one after the other"),
        _entropy_of_chain,
        _by_policy,
        letters=False,
    ),
    "fig11": Figure(
        "exp1_policy",
        "exp1",
        _fixed("Proportion of each action on the training datasets"),
        _actions,
        _by_policy,
        letters=False,
    ),
    "fig18": Figure(
        "exp1_networks",
        "exp1",
        _network_captions("exp1", *TRAINING),
        _networks(*TRAINING),
        _none,
        networks=True,
    ),
    "fig12": Figure("exp2_curves", "exp2", _curve_captions(*EVALUATION), curves_of(*EVALUATION)),
    "fig13": Figure(
        "exp2_policy",
        "exp2",
        _fixed(f"Proportion of each action on the evaluation datasets, with the Wilcoxon test ({_OF_PAPER})"),
        _actions_with_test,
        _by_policy,
        letters=False,
    ),
    **{
        f"fig{number}": Figure(
            "exp2_networks",
            "exp2",
            _network_captions("exp2", dataset),
            _networks(dataset),
            _none,
            networks=True,
        )
        for number, dataset in enumerate(EVALUATION, start=19)
    },
    "fig14": Figure("exp3", "exp3", _curve_captions("omniglot"), curves_of("omniglot")),
    "fig15": Figure(
        "exp3",
        "exp3",
        _fixed(
            "Policy entropy over the steps, for each sigma",
            "Number of multi-branch networks in an episode, for each sigma",
        ),
        _entropy_and_branches,
    ),
    "fig16": Figure("exp3", "exp3", _fixed("Proportion of each action, for each sigma"), _actions, letters=False),
    "fig21": Figure("exp3_networks", "exp3", _network_captions("exp3"), _networks(), _none, networks=True),
    "fig17": Figure(
        "appendix_a",
        "appendix_a",
        _fixed(
            "Accuracies of the networks met on each dataset",
            "Mean and best accuracy of the networks met on each dataset",
        ),
        _hardness,
        classes=True,
    ),
}
"""Figures 9 to 21, by the order of the experiments."""

"""What the paper shows, item by item (Section 8): the list of figures and tables for workflow, tests and report."""

import string
from dataclasses import dataclass

from nasdmrl.analysis.episodes import METRICS
from nasdmrl.analysis.styles import name_of
from nasdmrl.config.model import Config
from nasdmrl.paper.datasets import with_role
from nasdmrl.paper.numbers import published

EXPERIMENTS = {
    "exp1": "Experiment 1: learning to design chain-structured networks",
    "exp2": "Experiment 2: the fixed policy on unseen datasets",
    "exp3": "Experiment 3: the multi-branch space",
    "appendix_a": "Appendix A: how hard the datasets are",
}
"""Experiments with their headings."""


@dataclass(frozen=True)
class Item:
    """A figure panel or a table: its file name without ending (`fig09a`), the paper's name of it, what it shows.

    own: name of the dataset of one's own that a panel shows, which the paper has not.
    """

    name: str
    experiment: str
    caption: str
    own: str = ""

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
    Item(
        "table6",
        "exp2",
        "Test accuracy after long training: the best networks, widened, and the VGG19 cut",
    ),
    Item("table7", "exp3", "Running times of the multi-branch searches"),
    Item("table8", "appendix_a", "Classes and images of the six datasets"),
    Item("table9", "appendix_a", "Running times of the hardness study"),
)


def figures(config: Config) -> list[Item]:
    """Every panel of Figures 9 to 21; Figure 21 has one for each sigma of the configuration."""
    chain, unseen, sigmas = with_role("training"), with_role("evaluation"), sigma_names(config)
    p = f"paper: p = {published().action_test.p}"
    return [
        *_curves("fig09", "exp1", [(dataset, metric) for dataset in chain for metric in METRICS]),
        Item("fig10", "exp1", "Policy entropy over the steps of the three training datasets, one after the other"),
        Item("fig11", "exp1", "Proportion of each action on the training datasets"),
        *_panels("fig18", "exp1", [_drawn(name_of(dataset), dataset) for dataset in chain]),
        *_curves("fig12", "exp2", [(dataset, metric) for dataset in unseen for metric in METRICS]),
        Item("fig13", "exp2", f"Proportion of each action on the evaluation datasets, with the Wilcoxon test ({p})"),
        *(
            item
            for number, dataset in enumerate(unseen, start=19)
            for item in _panels(f"fig{number}", "exp2", [_drawn(name_of(dataset), dataset, rank) for rank in RANKS])
        ),
        *_curves("fig14", "exp3", [("omniglot", metric) for metric in METRICS]),
        Item("fig15a", "exp3", "Policy entropy over the steps, for each sigma"),
        Item("fig15b", "exp3", "Number of multi-branch networks in an episode, for each sigma"),
        Item("fig16", "exp3", "Proportion of each action, for each sigma"),
        *_panels("fig21", "exp3", [_drawn(f"Omniglot, {name_of(sigma)}", sigma) for sigma in sigmas]),
        Item("fig17a", "appendix_a", "Accuracies of the networks met on each dataset"),
        Item("fig17b", "appendix_a", "Mean and best accuracy of the networks met on each dataset"),
    ]


def with_own_figures(config: Config) -> list[Item]:
    """`figures`, and panels as of Figure 12 for each dataset of one's own (`data.own`)."""
    pairs = [(name, metric) for name in config.data.own for metric in METRICS]
    own = [Item(f"own_{name}_{metric}", "exp2", f"{METRICS[metric]}, {name}", name) for name, metric in pairs]
    return [*figures(config), *own]


RANKS = (1, 2)
"""Best and second-best network of an evaluation dataset (Exp. 2b)."""


def sigma_names(config: Config) -> list[str]:
    """`sigma0.0`, `sigma0.1`, ...: folders and names of the searches of Exp. 3."""
    return [f"sigma{sigma}" for sigma in config.exp3.sigmas]


def of_experiment(items: list[Item], experiment: str) -> list[Item]:
    """The items of one experiment."""
    return [item for item in items if item.experiment == experiment]


def _drawn(title: str, subject: str, rank: int = 1) -> str:
    """Caption of a drawn network, with the paper's network of this rank on the dataset, or of the sigma."""
    known = published().best_networks.networks.get(subject, [])
    paper = [f"{one.accuracy} %, {one.network}" for one in known[rank - 1 : rank]]
    beside = f" (paper: {paper[0]})" if paper else ""
    word = {1: "Best", 2: "Second-best"}[rank]
    return f"{word} network of deep meta-RL on {title}, with its early-stop accuracy{beside}"


def _curves(figure: str, experiment: str, panels: list[tuple[str, str]]) -> list[Item]:
    return _panels(figure, experiment, [f"{METRICS[metric]}, {name_of(dataset)}" for dataset, metric in panels])


def _panels(figure: str, experiment: str, captions: list[str]) -> list[Item]:
    letters = string.ascii_lowercase[: len(captions)]
    return [Item(f"{figure}{letter}", experiment, caption) for letter, caption in zip(letters, captions, strict=True)]

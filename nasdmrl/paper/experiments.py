"""THE table of the paper's experiments (Section 7): every search and every long training.

Workflow, plan, disk, archive, report and claims derive their lists from it. Lengths are t_max in environment steps.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from nasdmrl.paper.datasets import DATASETS, with_role

EXPERIMENTS = {
    "exp1": "Experiment 1: learning to design chain-structured networks",
    "exp2": "Experiment 2: the fixed policy on unseen datasets",
    "exp3": "Experiment 3: the multi-branch space",
    "appendix_a": "Appendix A: how hard the datasets are",
}
"""Experiments with their headings."""


@dataclass(frozen=True)
class Search:
    """A search: one agent in one environment, with each seed.

    experiment: of `EXPERIMENTS`; method: of the agent; dataset: of the environment; steps: t_max; key: of the
    configuration, which may say another length; series: its name in folders and figures (the method's, or the sigma's
    in Exp. 3); policy_from: dataset of Exp. 1 whose policy it starts with; fixed: the weights stay as they are; space
    and sigma: of the environment; optional: a run may do without.
    """

    experiment: str
    method: str
    dataset: str
    steps: int
    key: str
    policy_from: str = ""
    fixed: bool = False
    space: Literal["chain", "multi_branch"] = "chain"
    sigma: float | None = None
    optional: bool = False

    @property
    def series(self) -> str:
        """Name of the search in folders and figures."""
        return self.method if self.sigma is None else f"sigma{self.sigma}"

    @property
    def place(self) -> tuple[str, str, str]:
        """Experiment, series and dataset: with a seed, the place of its logs."""
        return self.experiment, self.series, self.dataset


def _exp1(method: str, lengths: Iterable[int], passed_on: bool = False) -> list[Search]:
    """A search on each training dataset, in their order; `passed_on`: each starts with the policy of the one before."""
    training = with_role("training")
    before = ["", *training[:-1]] if passed_on else [""] * len(training)
    return [
        Search("exp1", method, dataset, steps, f"exp1.{method}.{dataset}", policy_from=policy)
        for dataset, steps, policy in zip(training, lengths, before, strict=True)
    ]


def exp2_searches(dataset: str) -> list[Search]:
    """The fixed policy and random search on an unseen dataset (Exp. 2a)."""
    key, last = "exp2.evaluation_steps", with_role("training")[-1]
    return [
        Search("exp2", "meta_a2c", dataset, 2000, key, policy_from=last, fixed=True),
        Search("exp2", "random_search", dataset, 2000, key),
    ]


def appendix_a_search(dataset: str) -> Search:
    """A short trial from scratch (Appendix A)."""
    optional = DATASETS[dataset].role == "hardness" if dataset in DATASETS else False
    return Search("appendix_a", "meta_a2c", dataset, 200, "appendix_a.steps", optional=optional)


SEARCHES: tuple[Search, ...] = (
    *_exp1("meta_a2c", (8000, 7000, 7000), passed_on=True),
    *_exp1("dqn", (6500, 5500, 7000)),
    *_exp1("random_search", (6500, 5500, 7000)),
    *(search for dataset in with_role("evaluation") for search in exp2_searches(dataset)),
    *(
        Search("exp3", "meta_a2c", "omniglot", 20000, "exp3.steps", space="multi_branch", sigma=sigma)
        for sigma in (0.0, 0.1)
    ),
    *(appendix_a_search(dataset) for dataset in DATASETS),
)
"""Every search of the paper."""

VGG19_CUT = "vgg19_cut"
"""Name of the baseline of Exp. 2b, where the other networks have their text (Section 7)."""
RANKS = (1, 2)
"""Best and second-best network of an evaluation dataset (Exp. 2b)."""
LONG_NETWORKS = {"best1": "best at early stop", "best2": "second-best at early stop", VGG19_CUT: "VGG19 cut"}
"""What is trained long on each evaluation dataset (Exp. 2b), with its printed name."""
LONG_REPEATS = 5


def with_sigmas(searches: Iterable[Search], sigmas: Iterable[float]) -> list[Search]:
    """The searches with these values of sigma in place of the paper's."""
    kept = [search for search in searches if search.sigma is None]
    models = [search for search in searches if search.sigma is not None][:1]
    return [*kept, *(replace(model, sigma=sigma) for model in models for sigma in sigmas)]


def best_networks(searches: Iterable[Search]) -> list[tuple[str, str, int]]:
    """Experiment, subject and rank of each best network that is drawn (Figures 18 to 21) or trained long.

    The subject is the dataset of deep meta-RL's search, or the sigma's name; in Exp. 2 there are two ranks.
    """
    found = []
    for search in searches:
        if search.method == "meta_a2c" and search.experiment != "appendix_a":
            subject = search.dataset if search.sigma is None else search.series
            own = search.dataset not in DATASETS
            ranks = RANKS if search.experiment == "exp2" and not own else RANKS[:1]
            found += [(search.experiment, subject, rank) for rank in ranks]
    return found

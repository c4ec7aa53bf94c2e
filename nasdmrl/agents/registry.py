"""The list of the agents: workflow, styles, plan, archive and report follow from it (docs/extending.md).

An agent is a module of this folder with a function `make(trial)`, imported when it is called, and an entry here.
"""

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Literal

from nasdmrl.agents import Agent, Trial
from nasdmrl.config.model import Config
from nasdmrl.paper.experiments import Search

Owner = Literal["paper", "beyond", "own"]
"""Whose an agent is: the paper's; of studies beyond it, which `all` leaves out; or the user's, which joins Exp. 1."""


@dataclass(frozen=True)
class Entry:
    """An agent: name of its module and of its folders in the results, printed title, and whose it is.

    learns: it has `save`, `load` and `progress`. sections: keys of the configuration that reach it, besides those that
    reach every search (as of `Config.subset`).
    """

    name: str
    title: str
    owner: Owner
    learns: bool = False
    sections: tuple[str, ...] = ()


AGENTS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "meta_a2c",
            "Deep meta-RL",
            "paper",
            learns=True,
            sections=("deviations.D3", "deviations.D4", "deviations.D10", "meta_a2c"),
        ),
        Entry("dqn", "DQN", "paper", learns=True, sections=("dqn",)),
        Entry("random_search", "Random search", "paper"),
    )
}
"""Agents by name, in the order of legends."""


def agents_of(*owners: Owner) -> list[str]:
    """Names of the agents that belong to one of these."""
    return [name for name, entry in AGENTS.items() if entry.owner in owners]


def make_agent(method: str, trial: Trial) -> Agent:
    """The agent of this name, made for a trial."""
    return import_module(f"nasdmrl.agents.{method}").make(trial)


def searches(config: Config, experiment: str | None = None) -> list[Search]:
    """Every search of a run: those of `Config.searches`, and Exp. 1 of the user's agents, as long as random search.

    experiment: only its searches, for which no other experiment's keys are read.
    """
    found = config.searches(experiment)
    alike = [search for search in found if (search.experiment, search.method) == ("exp1", "random_search")]
    return [*found, *(replace(search, method=agent) for agent in agents_of("own") for search in alike)]

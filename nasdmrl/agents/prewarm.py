"""Networks that searches will ask for, known beforehand: evaluated in parallel, so that serial searches look them up.

A task of many evaluates every n-th of them; the tasks share nothing but the store.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.agents.search import interact
from nasdmrl.config.model import Config
from nasdmrl.config.sections import Recipe, Space
from nasdmrl.data.images import ImageData
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.files import atomic_path
from nasdmrl.progress import Progress
from nasdmrl.space.costs import costs
from nasdmrl.space.enumeration import networks_of
from nasdmrl.space.environment import NASEnv
from nasdmrl.space.evaluation import by_shapes
from nasdmrl.space.nsc import Network, Shape, canonical, to_text

COLUMNS = ("network", "status", "accuracy", "from_store", "training_seconds")


def random_search_networks(
    steps: int, seed: int, input_shape: Shape, settings: Config, space: Space = "chain"
) -> list[Network]:
    """The distinct valid networks that random search of this seed meets in `steps` steps, canonical, in its order.

    No reward changes random search's actions, and an episode ends early only where a pointer leaves the network or the
    network is invalid, which its shapes tell (Section 4).
    """

    env = NASEnv(by_shapes(input_shape), space, settings.max_layers(space), settings.max_actions(space))
    rows = interact(RandomSearch(len(env.actions), seed), env, steps)
    return list(dict.fromkeys(canonical(env.network) for row in rows if row["valid"]))


def known_beforehand(settings: Config, input_shape: Shape, steps: int) -> Iterator[Network]:
    """Yield what section `prewarm` asks for; some networks more than once. steps: of random search."""
    if settings.prewarm.depth is not None:
        yield from networks_of("chain", settings.prewarm.depth, input_shape)
    for seed in settings.seeds if settings.prewarm.random_search else ():
        yield from random_search_networks(steps, seed, input_shape, settings)


def share(networks: Iterable[Network], part: int, parts: int, data: ImageData, recipe: Recipe) -> list[Network]:
    """What task `part` of `parts` (0, 1, ...) evaluates: the networks dealt out by size, so that tasks last alike."""
    distinct = dict.fromkeys(networks)
    return sorted(distinct, key=lambda network: _size(network, data, recipe), reverse=True)[part::parts]


def _size(network: Network, data: ImageData, recipe: Recipe) -> tuple[int, int, str]:
    cost = costs(network, data.shape, data.n_classes, recipe)
    return cost.flops, cost.parameters, to_text(network)


def prewarm(networks: list[Network], evaluator: Evaluator, output: Path, title: str) -> None:
    """Evaluate the networks; writes what came out, one row each (CSV), to `output` in one step at the end."""
    rows = []
    with Progress(title, len(networks)) as progress:
        for network in networks:
            found = evaluator(network)
            row = (to_text(network), found.status, found.accuracy, int(found.from_store), found.training_seconds)
            rows.append(row)
            progress.advance(to_text(network))
    with atomic_path(output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *rows])

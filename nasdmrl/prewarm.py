"""Networks that searches will ask for, known beforehand: evaluated in parallel, so that serial searches look them up.

A task of many evaluates every n-th of them; the tasks share nothing but the store.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from nasdmrl.actions import CHAIN
from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.config import Config
from nasdmrl.costs import costs
from nasdmrl.data.images import ImageData
from nasdmrl.env import NASEnv
from nasdmrl.evaluation import Evaluation, Evaluator
from nasdmrl.files import atomic_path
from nasdmrl.nsc import LayerType, Network, Shape, canonical, is_valid, to_text
from nasdmrl.progress import Progress
from nasdmrl.search import interact
from nasdmrl.sections import Recipe, Space

COLUMNS = ("network", "status", "accuracy", "from_store", "training_seconds")


def chain_networks(depth: int, input_shape: Shape) -> Iterator[Network]:
    """All valid chain networks of at most `depth` layers on images of this shape, canonical, the shortest first."""
    layers = [action for action in CHAIN if action.type != LayerType.TERMINAL]
    grown: list[Network] = [()]
    for length in range(depth + 1):
        yield from grown
        longer = [(*network, action.layer(length, 0)) for network in grown for action in layers]
        grown = [network for network in longer if is_valid(network, input_shape)]


def random_search_networks(
    steps: int, seed: int, input_shape: Shape, settings: Config, space: Space = "chain"
) -> list[Network]:
    """The distinct valid networks that random search of this seed meets in `steps` steps, canonical, in its order.

    No reward changes random search's actions, and an episode ends early only where a pointer leaves the network or the
    network is invalid, which its shapes tell (Section 4).
    """

    def evaluate(network: Network) -> Evaluation:
        form = canonical(network)
        known.setdefault(form, is_valid(form, input_shape))
        return Evaluation(form, 0.0, 0.0, "ok" if known[form] else "invalid")

    known: dict[Network, bool] = {}
    env = NASEnv(evaluate, space, settings.environment.max_layers, settings.max_actions(space))
    for _ in interact(RandomSearch(len(env.actions), seed), env, steps):
        pass
    return [network for network, valid in known.items() if valid]


def known_beforehand(settings: Config, input_shape: Shape, steps: int) -> Iterator[Network]:
    """Yield what section `prewarm` asks for; some networks more than once. steps: of random search."""
    if settings.prewarm.depth is not None:
        yield from chain_networks(settings.prewarm.depth, input_shape)
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

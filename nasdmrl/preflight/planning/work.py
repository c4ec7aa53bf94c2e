"""What each job trains: the networks that a search is expected to evaluate, or the one that is trained long."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from nasdmrl.agents.prewarm import known_beforehand, random_search_networks, share
from nasdmrl.config.model import Config, load
from nasdmrl.config.sections import LongRecipe, Recipe, Space
from nasdmrl.data.images import ImageData
from nasdmrl.data.images import load as load_images
from nasdmrl.errors import DataError
from nasdmrl.paper.datasets import with_role
from nasdmrl.paper.experiments import VGG19_CUT
from nasdmrl.paper.numbers import published
from nasdmrl.preflight.disk import classes_and_images, count_images
from nasdmrl.preflight.planning.costmodel import Amount
from nasdmrl.preflight.planning.jobs import Job, Options
from nasdmrl.space.nsc import Network, Shape, is_valid, parse, to_text

UNKNOWN = "not decoded yet"
"""Fingerprint of images that are still to be made."""


@dataclass(frozen=True)
class Training:
    """One network (its text, or `vgg19_cut`) that is trained on a dataset by a recipe."""

    network: str
    dataset: str
    recipe: Recipe


Work = dict[int, list[Training]]
"""What jobs train, by their numbers."""


class Datasets:
    """The run's datasets: as they were decoded, or, where they are still to be, empty ones of the expected size."""

    def __init__(self, settings: Config, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.known: dict[str, ImageData] = {}

    def __getitem__(self, dataset: str) -> ImageData:
        if dataset not in self.known:
            try:
                self.known[dataset] = load_images(self.folder / dataset / "images")
            except DataError:
                self.known[dataset] = expected_images(dataset, self.settings)
        return self.known[dataset]

    def amount(self, training: Training) -> Amount:
        """How much a training trains and scores: early stop scores at the end, a long training every epoch."""
        recipe, images = training.recipe, len(self[training.dataset].labels)
        first = int(images * (1.0 - recipe.test_fraction))
        scorings = recipe.epochs if isinstance(recipe, LongRecipe) else 1
        return Amount(first, images - first, recipe.epochs, recipe.batch_size, scorings)


def expected_images(dataset: str, settings: Config) -> ImageData:
    """Black images, which take no memory, as many as the dataset will have (Tables 3 and 8, or the stand-ins)."""
    data, classes = settings.data.of(dataset), classes_and_images(dataset, settings)[0]
    count = count_images(dataset, settings)
    pixels = np.broadcast_to(np.uint8(0), (count, data.image_size, data.image_size, 3))
    return ImageData(dataset, pixels, np.zeros(count, np.int32), min(classes, data.classes or classes), UNKNOWN)


def trainings(job: Job, datasets: Datasets) -> list[Training]:
    """What a job trains if nothing of it is in the store, in its order; empty for a job that trains nothing."""
    command, arguments, options = job.call
    if command == "search":
        return _of_search(*arguments, options, datasets)
    if command == "prewarm":
        return _of_prewarm(arguments[0], options, datasets)
    if command == "retrain":
        return [_of_retraining(*arguments, options, datasets)]
    return []


def _of_search(method: str, dataset: str, options: Options, datasets: Datasets) -> list[Training]:
    settings, space = load(options["--config"]), options.get("--space", "chain")
    seed = agent_seed(method, int(options["--seed"]))
    found = networks_met(int(options["--steps"]), seed, datasets[dataset].shape, options["--config"], space)
    return [Training(to_text(network), dataset, settings.recipe(space)) for network in found]


def agent_seed(method: str, seed: int) -> int:
    """Random search's seed that stands for a search: its own, or another one for each method that learns.

    The same method and seed have the same one everywhere, since a new policy's first actions are the same everywhere.
    """
    return seed if method == "random_search" else zlib.crc32(f"{method} {seed}".encode())


@cache
def networks_met(steps: int, seed: int, shape: Shape, config: str, space: Space = "chain") -> tuple[Network, ...]:
    """`random_search_networks`, each search once. config: of the search, as `load` reads it."""
    return tuple(random_search_networks(steps, seed, shape, load(config), space))


def _of_prewarm(dataset: str, options: Options, datasets: Datasets) -> list[Training]:
    settings = load(options["--config"])
    part, parts, recipe = int(options["--part"]), settings.prewarm.tasks, settings.recipe()
    data = datasets[dataset]
    dealt = _known_beforehand(options["--config"], int(options["--steps"]), dataset, data.shape, data.n_classes)
    return [Training(text, dataset, recipe) for text in dealt[part::parts]]


@cache
def _known_beforehand(config: str, steps: int, dataset: str, shape: Shape, n_classes: int) -> tuple[str, ...]:
    """All that a dataset's prewarm tasks evaluate, in the order in which it is dealt out to them."""
    settings = load(config)
    networks = known_beforehand(settings, shape, steps)
    data = ImageData(dataset, np.empty((0, *shape), np.uint8), np.empty(0, np.int32), n_classes, UNKNOWN)
    return tuple(to_text(network) for network in share(networks, 0, 1, data, settings.recipe()))


def _of_retraining(dataset: str, network: str, options: Options, datasets: Datasets) -> Training:
    recipe = load(options["--config"]).long_recipe(int(options["--repeat"]))
    if network != VGG19_CUT:
        rank = int(Path(network).stem.removeprefix("best"))
        network = _best_network(Path(network), dataset, rank, datasets[dataset].shape)
    return Training(network, dataset, recipe)


def _best_network(path: Path, dataset: str, rank: int, shape: Shape) -> str:
    """The network that a search has found, else the paper's (Section 8), cut to the layers that the images allow.

    For a dataset of one's own, which the paper has no network for, that of the first evaluation dataset.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))["network"]
    except (OSError, ValueError, KeyError):
        known = published().best_networks.networks
        network = parse(known.get(dataset, known[with_role("evaluation")[0]])[rank - 1].network)
    return to_text(next(cut for cut in _shorter(network) if is_valid(cut, shape)))


def _shorter(network: Network) -> Iterator[Network]:
    yield from (network[:length] for length in range(len(network), -1, -1))


def settings_of(jobs: list[Job]) -> Config:
    """The run's configuration: the most of its sections that a job holds in its `params` (`report` has all)."""
    texts = sorted({job.call[2].get("--config", "{}") for job in jobs})
    return max(map(load, texts), key=lambda settings: len(settings.model_fields_set))

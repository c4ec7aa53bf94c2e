"""Seconds of a training: a sum of terms, fitted to short trainings on this machine or to those in the store.

A term is how much a training does of something (steps, values, ...), its coefficient the seconds that one of it takes.
"""

import math
import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import zip_longest
from statistics import mean, median
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from nasdmrl.config.sections import LongRecipe, Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.errors import NasdmrlError
from nasdmrl.evaluation.store import Record
from nasdmrl.paper.experiments import VGG19_CUT
from nasdmrl.space.costs import SCORING_BATCH, costs, vgg19_cut_costs
from nasdmrl.space.nsc import LayerType, Shape, parse, shapes

FORWARD_SHARE = 1 / 3
"""Forward pass by training step, which goes back over the weights and over the values too."""
FEWEST, MOST = 6, 12
"""Trainings that a process measures, however long that takes, and of each kind: early stop in either space, long."""
MOST_PARAMETERS = 60_000_000
"""Larger networks are left to the formula: their weights and Adam's moments would take gigabytes of memory."""
STEPS, SECONDS_OF_STEPS = 3, 0.5
CPU_OPERATIONS, FEWEST_IMAGES = 3e10, 8
"""On a CPU an epoch is one step, and one of more operations has a smaller batch, since it would take seconds."""


class Images(NamedTuple):
    """A dataset: shape of an image, classes, number of images; no fingerprint where they are still to be made."""

    dataset: str
    shape: Shape
    n_classes: int
    n_images: int
    fingerprint: str = ""


class Training(NamedTuple):
    """A network (its text, or `vgg19_cut`) that is trained on images by a recipe."""

    network: str
    images: Images
    recipe: Recipe


Measured = tuple[np.ndarray, float]
"""Terms of something that was measured, and the seconds that it took."""
Answer = tuple[list[Measured], float, str]
"""What was measured, seconds in which a process starts, and the device."""


@cache
def load_of(network: str, shape: Shape, n_classes: int, recipe: Recipe) -> tuple[int, int, int, int]:
    """Calls of layers, trainable parameters; FLOPs of one forward image, and values of all its feature maps."""
    if network == VGG19_CUT:
        assert isinstance(recipe, LongRecipe)
        parameters, flops = vgg19_cut_costs(shape, n_classes, recipe)
        first, second = shape[0] * shape[1], (shape[0] // 2) * (shape[1] // 2)
        # Two convolutions and their activations in each block, the second at half the size with twice the filters.
        return 10, parameters, flops, 4 * recipe.vgg_filters * (first + 2 * second)
    layers = parse(network)
    cost = costs(layers, shape, n_classes, recipe)
    values = sum(math.prod(form) for form in shapes(layers, shape, recipe.filters_of))
    convolutions = sum(layer.type == LayerType.CONVOLUTION for layer in layers)
    # A convolution comes with ReLU and normalisation, the prediction module has four.
    return len(layers) + 2 * convolutions + 4, cost.parameters, cost.flops, values


def terms(training: Training, setups: float, steps: float, images: float) -> np.ndarray:
    """Terms of setting up (itself, calls, parameters), of steps (the same), and of images (FLOPs, values)."""
    load = load_of(training.network, training.images.shape, training.images.n_classes, training.recipe)
    operations, parameters, flops, values = load
    once = np.array([1, operations, parameters], float)
    return np.concatenate([setups * once, steps * once, [images * flops, images * values]])


def whole(training: Training, setups: int = 1) -> np.ndarray:
    """Terms of a training to its last scoring: at its end, or after every epoch of a long one."""
    recipe, count = training.recipe, training.images.n_images
    trained = int(count * (1.0 - recipe.test_fraction))
    steps = recipe.epochs * math.ceil(trained / recipe.batch_size)
    scorings = FORWARD_SHARE * (recipe.epochs if isinstance(recipe, LongRecipe) else 1)
    steps_of_scoring = scorings * math.ceil((count - trained) / SCORING_BATCH)
    return terms(training, setups, steps + steps_of_scoring, steps * recipe.batch_size + scorings * (count - trained))


def from_record(training: Training, record: Record) -> list[Measured]:
    """What the store says of a training: setting it up, and the rest of it."""
    setup, seconds = record.get("tracing_seconds", 0.0), record["training_seconds"]
    if record["status"] != "ok" or not 0 < setup < seconds:  # another training's program has served it
        return []
    return [(terms(training, 1, 0, 0), setup), (whole(training, setups=0), seconds - setup)]


def fit(measured: list[Measured]) -> np.ndarray:
    """Seconds of one of each term, none below zero: least squares of relative errors."""
    rows = np.array([row / seconds for row, seconds in measured])
    scale = np.maximum(rows.max(axis=0), np.finfo(float).tiny)
    return nnls(rows / scale, np.ones(len(rows)))[0] / scale


def probe(trainings: list[Training], seconds: float, threads: int, workers: int) -> Answer:
    """Measure some of these trainings for so many seconds, on noise, in `workers` processes with `threads` each.

    As many processes as jobs run at once here, since these share the memory's bandwidth. Raises `NasdmrlError` where
    one fails.
    """
    kinds: dict[tuple[type, int], dict[str, Training]] = {}
    for training in random.Random(0).sample(trainings, len(trainings)):
        if terms(training, 1, 0, 0)[2] <= MOST_PARAMETERS:
            kinds.setdefault((type(training.recipe), training.recipe.batch_size), {})[training.network] = training
    turns = zip_longest(*(list(kind.values())[:MOST] for kind in kinds.values()))
    chosen = [training for turn in turns for training in turn if training]
    try:
        # Spawned: TensorFlow cannot run in a copy of a process.
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            tasks = [(chosen[worker::workers], seconds, threads, time.time()) for worker in range(workers)]
            answers = [future.result() for future in [pool.submit(measure_all, *task) for task in tasks]]
    except Exception as error:  # whatever TensorFlow raises there
        raise NasdmrlError(f"a measuring process failed ({error}); call plan where more memory is free") from error
    return [one for answer in answers for one in answer[0]], mean(answer[1] for answer in answers), answers[0][2]


def measure_all(trainings: list[Training], seconds: float, threads: int, asked: float) -> Answer:
    """In a process of its own, asked for at that time: measure as many as time allows."""
    from nasdmrl.training.runtime import device_name, start_tensorflow

    start_tensorflow(threads)
    measure(Training("max2", Images("", (8, 8, 3), 2, 1), Recipe(filters=1, dense_units=1)), "")  # loads libraries
    start, deadline, measured = time.time() - asked, time.monotonic() + seconds, []
    for number, training in enumerate(trainings):
        if number < FEWEST or time.monotonic() < deadline:
            measured += measure(training, device_name())
    return measured, start, device_name()


def measure(training: Training, device: str) -> list[Measured]:
    """Setting a training up, and a step."""
    from nasdmrl.training.early_stop import training_of
    from nasdmrl.training.long import model_of

    (_, shape, n_classes, *_), batch = training.images, training.recipe.batch_size
    steps = STEPS
    if device == "CPU":
        steps, most = 1, CPU_OPERATIONS / terms(training, 0, 0, 1 / FORWARD_SHARE)[6]
        batch = min(batch, max(FEWEST_IMAGES, int(most)))
    recipe = training.recipe.model_copy(update={"batch_size": batch, "test_fraction": 1 / (steps + 1)})
    noise, count = np.random.RandomState(0), batch * (steps + 1)
    pixels = noise.randint(256, size=(count, *shape), dtype=np.uint8)
    data = ImageData("noise", pixels, noise.randint(n_classes, size=count, dtype=np.int32), n_classes, "noise")
    begin = time.monotonic()
    run = training_of(model_of(training.network, data, recipe), data, recipe)
    run.epoch(), run.score()
    first = time.monotonic() - begin
    epochs: list[float] = []
    while sum(epochs) < SECONDS_OF_STEPS:
        begin = time.monotonic()
        run.epoch()
        epochs.append(time.monotonic() - begin)
    setup = max(first - median(epochs) * (1 + FORWARD_SHARE / steps), 0.01)
    return [(terms(training, 1, 0, 0), setup), (terms(training, 0, 1, batch), median(epochs) / steps)]

"""Training: evaluations beside the original's way, a step beside its parts, and what an evaluation costs at least.

Both ways work on the same images, each in a process of its own, in turn. Their networks, image size, classes, filters
and batch are the paper's; images and epochs are few, since the seconds of either way are linear in the steps. The
shorter the training, the more its fixed cost counts, which is small beside the paper's 12 epochs. Both processes
together need about 14 GB of memory.
"""

import gc
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.table import Row, seconds
from nasdmrl.config.model import load
from nasdmrl.config.sections import Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.paper.numbers import published
from nasdmrl.space.nsc import parse
from nasdmrl.training.runtime import cores

SIX = (
    *("conv3", "conv3 max2", "conv3 max2 conv3", "conv3 max2 conv3 max2", "conv3 max2 conv3 max2 terminal"),
    "max2 max2 max2 conv3",
)
BEST = tuple(best.network for found in published().best_networks.networks.values() for best in found)
"""The best networks of Section 8."""
SIX_LAYERS = "conv3 conv1 max3 conv3 avg2 conv1"
HEAVY = ("conv3", "conv3 max2", "conv3 max2 conv3")
PRECISIONS = ("float32", "bfloat16")
TARGETS = {"float32": 1.4, "bfloat16": 2.2}
MOST_BY_PARTS = 1.25
FIXED_SECONDS = 0.5
BATCHES, EPOCHS, ROUNDS = 4, 2, 3
CLASSES = 292
THREADS = cores()


def rows() -> Iterator[Row]:
    spawn = get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, spawn, initializer=start_package) as package,
        ProcessPoolExecutor(1, spawn, initializer=start_original) as original,
    ):
        paper, few = Recipe(epochs=EPOCHS, test_fraction=0.2), Recipe(epochs=1, test_fraction=0.2)
        images = {"paper": (BATCHES * 128 * 5 // 4, 84, CLASSES), "few": (2 * 128 * 5 // 4, 84, CLASSES)}
        quick = load("config/quick.yaml").recipe()
        images |= {"quick": (320, 32, 16), "one_batch": (100, 32, 16)}
        for name, sizes in images.items():
            original.submit(write, f"{folder}/{name}", *sizes, paper if name in ("paper", "few") else quick).result()
        sides = Sides(package, original)
        yield from beside("six networks", SIX, sides, f"{folder}/paper", paper, ROUNDS)
        yield from beside("best networks of the paper", BEST, sides, f"{folder}/few", few, 1)
        yield from short_rows(sides, folder, quick)
        for text in HEAVY:
            yield from package.submit(parts_rows, text, f"{folder}/paper", paper).result()


# --- evaluations --------------------------------------------------------------------------------------------


class Sides:
    """Both ways, each in its process."""

    def __init__(self, package: ProcessPoolExecutor, original: ProcessPoolExecutor) -> None:
        self._package, self._original = package, original

    def seconds(self, text: str, folder: str, recipe: Recipe, round_: int) -> dict[str, float]:
        """Seconds of one evaluation by the original's way and by the package in either precision."""
        found = {"original": self._original.submit(by_original, text, folder, recipe).result()}
        for precision in PRECISIONS:
            used = recipe.model_copy(update={"precision": precision})
            found[precision] = self._package.submit(by_package, text, folder, used, round_).result()
        return found


def beside(name: str, texts: tuple[str, ...], sides: Sides, folder: str, recipe: Recipe, rounds: int) -> Iterator[Row]:
    """A row a network and precision, and how many times faster all of them are together."""
    sides.seconds("max3 max3 conv1", folder, recipe, -1)  # loads images and kernels
    total = dict.fromkeys(("original", *PRECISIONS), 0.0)
    for text in texts:
        found = [sides.seconds(text, folder, recipe, number) for number in range(rounds)]
        spent = {way: median(one[way] for one in found) for way in total}
        total = {way: total[way] + spent[way] for way in total}
        for precision in PRECISIONS:
            yield Row(f"evaluate {text}, {precision}", spent[precision], "s", None, spent["original"])
    for precision in PRECISIONS:
        times, note = (
            total["original"] / total[precision],
            f"sum {total[precision]:.1f} s, by {total['original']:.1f} s",
        )
        yield Row(f"{name}, {precision}, as fast as the original", times, "x", TARGETS[precision], 1, note, True)


def short_rows(sides: Sides, folder: str, quick: Recipe) -> Iterator[Row]:
    """What an evaluation costs at least, and one of the quick scale."""
    once = quick.model_copy(update={"epochs": 1})
    for name, recipe, target in (("one_batch", once, FIXED_SECONDS), ("quick", quick, None)):
        rounds = [sides.seconds(SIX_LAYERS, f"{folder}/{name}", recipe, number) for number in range(-1, 5)][1:]
        ours, plain = (median(one[way] for one in rounds) for way in ("float32", "original"))
        what = "fixed cost: an epoch of two batches" if name == "one_batch" else "12 epochs of 214 images"
        yield Row(f"evaluate {SIX_LAYERS} at the quick scale, {what}", ours, "s", target, plain)


def parts_rows(text: str, folder: str, recipe: Recipe) -> list[Row]:
    """A row a part of one step, and the step by the sum of them; in the package's process."""
    from benchmarks.step_parts import step_and_parts

    step, parts = step_and_parts(parse(text), images_in(folder), recipe)
    note = f"{step:.2f} s by {sum(parts.values()):.2f} s"
    return [
        *(Row(f"part of a step of {text}: {name}", spent, "s") for name, spent in parts.items()),
        Row(f"step of {text} by the sum of its parts", step / sum(parts.values()), "x", MOST_BY_PARTS, note=note),
    ]


# --- in the processes ---------------------------------------------------------------------------------------


def start_package() -> None:
    from nasdmrl.training.runtime import start_tensorflow

    start_tensorflow(THREADS)


def start_original() -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    warnings.simplefilter("ignore")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def by_package(text: str, folder: str, recipe: Recipe, round_: int) -> float:
    """Seconds until the evaluation is known and stored; each round has a store of its own."""
    return seconds(lambda: evaluator(folder, recipe, round_)(parse(text)))


@cache
def evaluator(folder: str, recipe: Recipe, round_: int):
    from nasdmrl.evaluation.evaluator import Evaluator
    from nasdmrl.evaluation.store import EvaluationStore

    return Evaluator(images_in(folder), recipe, EvaluationStore(tempfile.mkdtemp(dir=folder)))


def by_original(text: str, folder: str, recipe: Recipe) -> float:
    from benchmarks.original import train_and_score

    data = images_in(folder)
    gc.collect()  # Keras keeps a model in reference cycles; the one before may hold gigabytes.
    return seconds(lambda: train_and_score(parse(text), folder, data.shape, data.n_classes, recipe))


def write(folder: str, images: int, size: int, classes: int, recipe: Recipe) -> None:
    """Smooth random images of this size, as an array and as TFRecords with 105 x 105 pixels, Omniglot's size."""
    import tensorflow as tf

    from benchmarks.original import write_records

    random = np.random.RandomState(0)
    large = tf.image.resize(random.randint(0, 256, (images, 7, 7, 3)), (105, 105)).numpy().astype(np.uint8)
    labels = random.randint(0, classes, images).astype(np.int32)
    Path(folder).mkdir()
    write_records(folder, ImageData("noise", large, labels, classes, "noise"), recipe)
    small = tf.image.resize(large, (size, size)).numpy().astype(np.uint8)
    np.savez(f"{folder}/images.npz", images=small, labels=labels, classes=classes)


@cache
def images_in(folder: str) -> ImageData:
    with np.load(f"{folder}/images.npz") as file:
        return ImageData("noise", file["images"], file["labels"], int(file["classes"]), folder)

"""Memory: of many evaluations in one process, of the images of several jobs on a node, of the heaviest network."""

import itertools
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Row
from nasdmrl.config.sections import Recipe
from nasdmrl.data.images import CARD, IMAGES, LABELS, ImageData, load
from nasdmrl.files import write_json
from nasdmrl.space.nsc import parse
from nasdmrl.training.runtime import start_tensorflow

MB = 2**20
MIX = (
    *("conv3 max2 conv3", "input", "conv1 conv5 max3", "avg2 avg2", "max2 conv3 conv3 avg2 conv1", "conv5"),
    *("conv3 conv3@0 add@1,2", "conv3 max2@0 concat@1,2", "max3 conv3", "conv1 conv1 conv1"),
)
EVALUATIONS, PLAIN_EVALUATIONS = 500, 60
SHORT = Recipe(epochs=1, batch_size=64, filters=8, dense_units=64)
OMNIGLOT = (32460, 84, 84, 3)
# Without pooling, the first dense layer has hundreds of millions of weights. Convolutions of one pixel keep the map at
# its largest, so that no chain needs more than ten of them.
HEAVY = {"ten conv3": " ".join(["conv3"] * 10), "ten conv1": " ".join(["conv1"] * 10)}
HEAVY_CLASSES = 292
JOB_MEMORY = 8 * 1024


def noise(images: int, size: int, classes: int) -> ImageData:
    random = np.random.RandomState(0)
    pixels = random.randint(0, 256, (images, size, size, 3)).astype(np.uint8)
    return ImageData("noise", pixels, random.randint(0, classes, images).astype(np.int32), classes, "noise")


def resident() -> float:
    """Resident memory of this process, MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / MB


def private() -> float:
    """Memory that no other process has, MB."""
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) / 1024


def rows() -> Iterator[Row]:
    start_tensorflow(threads=1)
    yield from many_evaluations()
    yield from images_of_two_jobs()
    for name, text in HEAVY.items():
        (most,) = of_process("peak", text)
        yield Row(f"peak of an evaluation of {name} at 84 pixels, paper recipe", most, "MB", JOB_MEMORY)


def of_process(function: str, *arguments: Any, count: int = 1) -> list[float]:
    """What this module's function measures in `count` processes; each begins to measure, and ends, with the others."""
    call = f"import benchmarks.memory as m; m.measured(m.{function}, *{arguments!r})"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    jobs = [subprocess.Popen([sys.executable, "-c", call], **pipes) for _ in range(count)]
    if not all(job.stdout.readline() for job in jobs):
        raise RuntimeError(f"{function}{arguments} failed; call it by itself to see why")
    for job in jobs:
        print("go", file=job.stdin, flush=True)
    found = [float(job.stdout.readline()) for job in jobs]
    for job in jobs:
        job.communicate()
    return found


def measured(function: Callable[..., Callable[[], float]], *arguments: Any) -> None:
    """The other side of `of_process`. The function does its work, and returns a function that measures."""
    start_tensorflow(threads=1)
    measure = function(*arguments)
    print("ready", flush=True)
    sys.stdin.readline()
    print(measure(), flush=True)
    sys.stdin.read()


# --- many evaluations ---------------------------------------------------------------------------------------


def many_evaluations() -> Iterator[Row]:
    from nasdmrl.training.early_stop import Trainer

    data = noise(150, 16, 8)
    sizes = after_each(lambda text: Trainer()(parse(text), data, SHORT), EVALUATIONS)
    second, last = np.mean(sizes[100:200]), np.mean(sizes[-100:])
    (kept,) = of_process("kept_everything")
    growth = (last - second) / (EVALUATIONS - 200) * 100
    yield Row(
        "last by second hundred evaluations, resident", last / second, "x", 1.05, note=f"{last:.0f} MB at the end"
    )
    yield Row("growth in 100 evaluations", growth, "MB", None, kept, "plain: Keras fit, nothing cleared")


def after_each(evaluate: Callable[[str], object], count: int) -> list[float]:
    sizes = []
    for text in itertools.islice(itertools.cycle(MIX), count):
        evaluate(text)
        sizes.append(resident())
    return sizes


def kept_everything() -> Callable[[], float]:
    """Growth in 100 evaluations the plain way, MB; a process of its own, since the growth stays."""
    import keras

    from benchmarks.keras_networks import build

    keras.utils.set_random_seed(1)
    data = noise(150, 16, 8)

    def fit(text: str) -> None:
        model = build(parse(text), data.shape, data.n_classes, SHORT)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(data.images / np.float32(255), data.labels, SHORT.batch_size, verbose=0)

    sizes = after_each(fit, PLAIN_EVALUATIONS)
    half = PLAIN_EVALUATIONS // 2
    return lambda: (sizes[-1] - sizes[half - 1]) / half * 100


# --- images -------------------------------------------------------------------------------------------------


def images_of_two_jobs() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        write_images(Path(folder))
        mapped, copied = (of_process("hold", folder, way, count=2) for way in (False, True))
    size = np.prod(OMNIGLOT) / MB
    note = f"of {size:.0f} MB; two jobs at once; plain: a constant of TensorFlow"
    yield Row("private memory for omniglot's images, a job", max(mapped), "MB", size / 10, max(copied), note)


def write_images(folder: Path) -> None:
    pixels = np.lib.format.open_memmap(folder / IMAGES, mode="w+", dtype=np.uint8, shape=OMNIGLOT)
    for start in range(0, len(pixels), 1000):
        pixels[start : start + 1000] = start // 1000
    pixels.flush()
    np.save(folder / LABELS, np.zeros(OMNIGLOT[0], np.int32))
    write_json(folder / CARD, {"dataset": "omniglot", "class_names": ["a", "b"], "fingerprint": "none"})


def hold(folder: str, copy: bool) -> Callable[[], float]:
    """Private memory that the images in `folder` cost a job which has read them all, MB."""
    import tensorflow as tf

    data = load(folder)
    before = private()
    images = tf.constant(data.images) if copy else data.resident[0]
    for start in range(0, len(data.labels), 128):
        tf.gather(images, tf.range(start, min(start + 128, len(data.labels))))
    # The images must live until then.
    return lambda: (private() - before, images)[0]


# --- the heaviest networks ----------------------------------------------------------------------------------


def peak(network: str) -> Callable[[], float]:
    """Peak resident memory of an evaluation, MB: two steps of training, and scoring."""
    from nasdmrl.training.early_stop import Trainer

    data = noise(500, 84, HEAVY_CLASSES)
    Trainer()(parse(network), data, Recipe(epochs=1, test_fraction=0.5))
    return lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

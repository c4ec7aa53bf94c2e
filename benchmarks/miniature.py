"""What the miniature's recording and replay cost: evaluations of small images, looked-up steps, the start of a job."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median

import numpy as np

from benchmarks.steps import MARKS, windows
from benchmarks.table import Row
from nasdmrl.config.model import load
from nasdmrl.data.images import CARD, IMAGES, LABELS, ImageData
from nasdmrl.evaluation.recording import sample
from nasdmrl.files import write_json
from nasdmrl.space.costs import costs
from nasdmrl.space.enumeration import networks_of
from nasdmrl.training.runtime import start_tensorflow

CLASSES = {"omniglot": 60, "vgg_flower": 20, "dtd": 10, "aircraft": 20, "cu_birds": 20}
IMAGES_OF_A_DATASET, NETWORKS = 1200, 30
BACKWARD = 2  # a step's backward products are twice its forward ones
STEP_TARGETS = {"random_search": 0.2, "meta_a2c": 0.3, "dqn": 0.5}


def noise(dataset: str, classes: int, size: int) -> ImageData:
    """Images of the miniature's shape and number."""
    random = np.random.RandomState(classes)
    pixels = random.randint(256, size=(IMAGES_OF_A_DATASET, size, size, 3)).astype(np.uint8)
    labels = (np.arange(IMAGES_OF_A_DATASET) % classes).astype(np.int32)
    return ImageData(dataset, pixels, labels, classes, dataset)


def rows() -> Iterator[Row]:
    start_tensorflow(threads=1)
    yield from evaluations()
    for method in MARKS:
        spent = windows(method)
        yield Row(f"looked-up step, {method}", max(spent), "ms of a core", STEP_TARGETS[method])
    yield from starts()


def evaluations() -> Iterator[Row]:
    """CPU seconds of evaluations: thirty networks on five datasets, by parts, beside the floor of their products."""
    from nasdmrl.training.early_stop import Trainer

    settings = load("config/miniature.yaml")
    recipe, size = settings.recipe(), settings.data.image_size
    datasets = [noise(name, classes, size) for name, classes in CLASSES.items()]
    networks = sample(list(networks_of("chain", settings.environment.max_layers, (size, size, 3))), NETWORKS)
    trainer, outcomes, operations = Trainer(), [], []
    trainer(networks[0], datasets[0], recipe)  # what TensorFlow does once in a process
    for network in networks:
        for data in datasets:
            outcomes.append(trainer(network, data, recipe))
            flops = costs(network, data.shape, data.n_classes, recipe).flops
            train, test = (len(part) for part in data.split(recipe.test_fraction, recipe.split_seed))
            operations.append(flops * ((1 + BACKWARD) * train * recipe.epochs + test))
    whole = [outcome.cpu_seconds + outcome.tracing_seconds for outcome in outcomes]
    note = f"{NETWORKS} networks of at most {settings.environment.max_layers} layers, {len(datasets)} datasets"
    yield Row("evaluation, mean", mean(whole), "s of a core", note=note)
    yield Row("evaluation, median", median(whole), "s of a core")
    yield Row("  building and compiling", mean(outcome.tracing_seconds for outcome in outcomes), "s of a core")
    yield Row("  training and scoring", mean(outcome.cpu_seconds for outcome in outcomes), "s of a core")
    floor = mean(operations) / products_per_second()
    yield Row("  floor: its operations at the speed of large products", floor, "s of a core")


def products_per_second(size: int = 1024, repeats: int = 5) -> float:
    """Operations a second of one core in a product of two large matrices, by TensorFlow."""
    import tensorflow as tf

    matrix = tf.random.stateless_uniform((size, size), [0, 0])
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        tf.matmul(matrix, matrix).numpy()
        spent.append(time.process_time() - start)
    return 2 * size**3 / min(spent)


def starts() -> Iterator[Row]:
    """CPU seconds of the shortest search, with everything looked up and with one evaluation."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = noise("dtd", CLASSES["dtd"], 20)
        images = folder / "images"
        images.mkdir()
        np.save(images / IMAGES, data.images)
        np.save(images / LABELS, data.labels)
        names = [str(label) for label in range(data.n_classes)]
        card = {"dataset": "dtd", "source": "standin", "class_names": names, "fingerprint": "noise"}
        write_json(images / CARD, card)
        config = json.dumps({"early_stop": {"epochs": 1, "filters": 2, "dense_units": 4}})
        command = [sys.executable, "-m", "nasdmrl.cli", "search", "random_search", "dtd", "--steps", "5", "--seed", "1"]
        command += ["--images", str(images), "--store", str(folder / "store"), "--output", str(folder / "steps.csv")]
        for what in ("training", "looking up"):
            spent = cpu_seconds([*command, "--config", config])
            yield Row(f"a search of five steps, {what}", spent, "s of all cores", 0.6 if what == "looking up" else None)


def cpu_seconds(command: list[str]) -> float:
    """User and system seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

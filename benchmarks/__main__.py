"""Prints speed and memory of one evaluation, of looked-up steps and of the store, each beside the plain way."""

import tempfile
import time
from collections.abc import Callable

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks.keras_networks import build
from nasdmrl.agents import METHODS
from nasdmrl.agents.factory import make_agent
from nasdmrl.agents.policy_files import Spaces
from nasdmrl.config import Config
from nasdmrl.data.images import ImageData
from nasdmrl.env import NASEnv
from nasdmrl.evaluation import Evaluation, Evaluator
from nasdmrl.nsc import canonical, parse
from nasdmrl.runtime import start_tensorflow
from nasdmrl.search import interact
from nasdmrl.sections import Recipe
from nasdmrl.store import EvaluationStore
from nasdmrl.training import scaled, train_and_score

RECIPE = Recipe(epochs=6, batch_size=64, filters=16, dense_units=128)
NETWORKS = ("conv3", "conv3 max2 conv3 max2", "max2 max2 conv3", "conv3 conv5 max2 max2 avg2 conv1")
EVALUATIONS = 100
LOOKED_UP_STEPS = 5_000


def noise(images: int = 1000, size: int = 24) -> ImageData:
    """Images of the quick scale's size."""
    random = np.random.RandomState(0)
    pixels = random.randint(0, 256, (images, size, size, 3)).astype(np.uint8)
    return ImageData("noise", pixels, random.randint(0, 16, images).astype(np.int32), 16, "noise")


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def keras_fit(text: str, data: ImageData) -> None:
    """The plain way: Keras's Adam, fit and evaluate, images converted beforehand."""
    train, test = data.split(RECIPE.train_fraction, RECIPE.split_seed)
    model = build(parse(text), data.shape, data.n_classes, RECIPE)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, metrics=["accuracy"])
    images = scaled(data.images).numpy()
    model.fit(images[train], data.labels[train], RECIPE.batch_size, RECIPE.epochs, verbose=0)
    model.evaluate(images[test], data.labels[test], verbose=0)
    keras.backend.clear_session()


def training_rows(data: ImageData) -> list[tuple[str, float, str]]:
    rows = []
    for text in NETWORKS:
        ours = seconds(lambda text=text: train_and_score(parse(text), data, RECIPE))
        plain = seconds(lambda text=text: keras_fit(text, data))
        rows.append((f"evaluate {text}", ours, f"s; {plain / ours:.2f} x as fast as Keras fit"))
    return rows


def memory_rows(data: ImageData) -> list[tuple[str, float, str]]:
    short = RECIPE.model_copy(update={"epochs": 1})
    sizes = []
    for _ in range(EVALUATIONS):
        train_and_score(parse("conv3 max2 conv3"), data, short)
        with open("/proc/self/statm") as file:
            sizes.append(int(file.read().split()[1]) * 4096 / 2**20)
    first, last = np.mean(sizes[20:40]), np.mean(sizes[-20:])
    return [(f"resident memory after {EVALUATIONS} evaluations", last, f"MB; {first:.0f} MB after 30")]


def step_rows() -> list[tuple[str, float, str]]:
    """Steps whose evaluation is known: what a killed search races through."""
    rows = []
    for method in METHODS:
        env = NASEnv(lambda network: Evaluation(canonical(network), 0.5, 0.5))
        agent = make_agent(method, Spaces.of(env), 1, LOOKED_UP_STEPS, Config())
        spent = seconds(lambda agent=agent, env=env: [None for _ in interact(agent, env, LOOKED_UP_STEPS)])
        rows.append(
            (f"looked-up step, {method}", 1000 * spent / LOOKED_UP_STEPS, f"ms; {LOOKED_UP_STEPS / spent:,.0f} steps/s")
        )
    return rows


def store_rows(data: ImageData) -> list[tuple[str, float, str]]:
    with tempfile.TemporaryDirectory() as folder:
        store = EvaluationStore(folder)
        record = {"accuracy": 0.5, "status": "ok", "training_seconds": 1.0, "network": "conv3 max2"}
        spent = seconds(lambda: [store.put({**record, "key": str(i)}, RECIPE) for i in range(1000)])
        opening = seconds(lambda: EvaluationStore(folder))
        known = Evaluator(data, RECIPE, store)
        known(parse("max3 max3 max3 max3"))
        looking = seconds(lambda: [known(parse("max3 max3 max3 max3")) for _ in range(1000)])
    return [
        ("append a record to the store", spent, "ms"),
        ("open a store of 1,000 records", 1000 * opening, "ms"),
        ("look an evaluation up", looking, "ms"),
    ]


def main() -> None:
    start_tensorflow(threads=2)
    data = noise()
    rows = [*training_rows(data), *memory_rows(data), *step_rows(), *store_rows(data)]
    table = pd.DataFrame(rows, columns=["what", "value", "unit"])
    print(f"TensorFlow {tf.__version__}, 2 threads, {RECIPE.epochs} epochs of 670 images of 24 x 24 pixels")
    print(table.to_string(index=False, float_format="%.3g"))


if __name__ == "__main__":
    main()

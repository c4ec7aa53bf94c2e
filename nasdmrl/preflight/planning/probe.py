"""Measures trainings on this machine: short ones, on noise, of networks that span what the run will train.

As many processes measure at once as jobs would run, each with a job's threads, so that they share the memory's
bandwidth as jobs do. `python -m nasdmrl.preflight.planning.probe` is one of those processes.
"""

import json
import math
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np

from nasdmrl.config.sections import LongRecipe, Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.errors import NasdmrlError
from nasdmrl.preflight.planning.costmodel import FEWEST_MEASURED, Measured, load_of
from nasdmrl.preflight.planning.work import Datasets, Training

CHOSEN = 32
MOST_PARAMETERS = 60_000_000
"""Larger networks are left to the formula: their weights and Adam's moments would take gigabytes of memory."""
STEPS = 3
CPU_OPERATIONS = 3e10
"""On a CPU a step of more operations is measured with fewer images: it would take seconds."""
FEWEST_IMAGES = 8
SECONDS_OF_STEPS = 0.5
WARM_UP = "max2"


@dataclass(frozen=True)
class Probe:
    """What was measured: trainings; seconds in which a job starts; on which device, in how many processes at once.

    seconds: what the measurement took; load_average: the machine's before it, None where it does not say.
    """

    measured: list[Measured]
    start: float
    device: str
    threads: int
    workers: int
    seconds: float
    load_average: float | None


def choose(trainings: list[Training], datasets: Datasets) -> list[Training]:
    """Trainings to measure: quantiles of the size of those given, in an order in which any beginning spans them all.

    Of each recipe, so that long trainings, which are few, and both batch sizes are among them.
    """
    groups: dict[str, dict[str, Training]] = {}
    for one in trainings:
        kind = type(one.recipe).__name__ + str(one.recipe.batch_size)
        if _load(one, datasets).parameters <= MOST_PARAMETERS:
            groups.setdefault(kind, {}).setdefault(one.network, one)
    spread = [_spread(list(group.values()), datasets) for group in groups.values()]
    taken = [one for turn in zip(*map(_padded, spread), strict=True) for one in turn if one is not None]
    return taken[:CHOSEN]


def _padded(trainings: list[Training]) -> list[Training | None]:
    return [*trainings, *[None] * (CHOSEN - len(trainings))][:CHOSEN]


def _spread(trainings: list[Training], datasets: Datasets) -> list[Training]:
    """At most `CHOSEN`, evenly over the sizes: middle, quarters, eighths, ..."""
    ordered = sorted(trainings, key=lambda one: (_size(one, datasets), one.network))
    places = [round((len(ordered) - 1) * _halving(turn)) for turn in range(1, CHOSEN + 1)]
    return [ordered[place] for place in dict.fromkeys(places)]


def _halving(turn: int) -> float:
    """1/2, 1/4, 3/4, 1/8, 5/8, ... (van der Corput's sequence)."""
    value, share = 0.0, 0.5
    while turn:
        value, turn, share = value + share * (turn % 2), turn // 2, share / 2
    return value


def _load(training: Training, datasets: Datasets) -> Any:
    data = datasets[training.dataset]
    return load_of(training.network, data.shape, data.n_classes, training.recipe)


def _size(training: Training, datasets: Datasets) -> int:
    """Rough operations of a step: forward, backward, and the update of the weights."""
    load = _load(training, datasets)
    return 3 * load.flops * training.recipe.batch_size + 10 * load.parameters


def probe(trainings: list[Training], datasets: Datasets, seconds: float, threads: int, workers: int) -> Probe:
    """Measure chosen ones of these trainings for about so many seconds in each of `workers` processes.

    Raises `NasdmrlError` where a process fails.
    """
    chosen, begin = choose(trainings, datasets), time.monotonic()
    load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    tasks = [[_task(one, datasets) for one in chosen[number::workers]] for number in range(workers)]
    processes, fewest = [_process() for _ in tasks], math.ceil((FEWEST_MEASURED + 1) / workers)
    for process, own in zip(processes, tasks, strict=True):
        request = {"tasks": own, "seconds": seconds, "fewest": fewest, "threads": threads, "began": time.time()}
        process.stdin.write(json.dumps(request))
        process.stdin.close()
    answers = [_answer(process) for process in processes]
    measured = [_measured(one) for answer in answers for one in answer["measured"]]
    start = mean(answer["start"] for answer in answers)
    return Probe(measured, start, answers[0]["device"], threads, workers, time.monotonic() - begin, load_average)


def _process() -> subprocess.Popen:
    command = [sys.executable, "-m", "nasdmrl.preflight.planning.probe"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _answer(process: subprocess.Popen) -> dict[str, Any]:
    output, errors = process.stdout.read(), process.stderr.read()
    if process.wait() != 0:
        said = errors.strip().splitlines() or [f"exit status {process.returncode}"]
        raise NasdmrlError(f"a measuring process failed ({said[-1]}); try --workers 1")
    return json.loads(output.splitlines()[-1])


def _task(training: Training, datasets: Datasets) -> dict[str, Any]:
    data, recipe = datasets[training.dataset], training.recipe
    task = {"network": training.network, "shape": list(data.shape), "n_classes": data.n_classes}
    return {**task, "recipe": recipe.model_dump(mode="json")}


def _recipe(values: dict[str, Any]) -> Recipe:
    return (LongRecipe if "vgg_filters" in values else Recipe)(**values)


def _measured(values: dict[str, Any]) -> Measured:
    task = values["task"]
    load = load_of(task["network"], tuple(task["shape"]), task["n_classes"], _recipe(task["recipe"]))
    return Measured(load, values["batch"], values["setup"], values["step"])


# --- in a measuring process -----------------------------------------------------------------------------------------


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Measure tasks until the time is up; the time of the start runs from when the process was asked for."""
    from nasdmrl.training.runtime import device_name, start_tensorflow

    start_tensorflow(request["threads"])
    import nasdmrl.training.long  # noqa: F401 (so that loading it counts as start)

    device, tasks = device_name(), request["tasks"]
    start = time.time() - request["began"]
    if tasks:
        warm_up = {**tasks[0], "network": WARM_UP, "recipe": Recipe(filters=1, dense_units=1).model_dump()}
        first, again = (measure(warm_up, device)["setup"] for _ in range(2))
        start += max(first - again, 0.0)
    measured, deadline = [], time.monotonic() + request["seconds"]
    for task in tasks:
        if time.monotonic() < deadline or len(measured) < request["fewest"]:
            measured.append({"task": task, **measure(task, device)})
    return {"device": device, "start": start, "measured": measured}


def measure(task: dict[str, Any], device: str) -> dict[str, float]:
    """Batch size, seconds of setting the training up (and taking it down), and of a step."""
    import gc

    from nasdmrl.training.early_stop import training_of
    from nasdmrl.training.long import model_of

    batch, steps = _measured_batch(task, device)
    recipe = _recipe({**task["recipe"], "batch_size": batch, "test_fraction": 1 / (steps + 1)})
    data = _noise(tuple(task["shape"]), task["n_classes"], batch * (steps + 1))
    begin = time.monotonic()
    run = training_of(model_of(task["network"], data, recipe), data, recipe)
    run.epoch(), run.score()
    first, epochs = time.monotonic() - begin, _epochs(run)
    begin = time.monotonic()
    del run
    gc.collect()
    setup = first + time.monotonic() - begin - (1 + 1 / (3 * steps)) * median(epochs)
    return {"batch": batch, "setup": max(setup, 0.01), "step": median(epochs) / steps}


def _epochs(run: Any) -> list[float]:
    """Seconds of epochs, at least one and, while they are short, more."""
    seconds: list[float] = []
    while not seconds or sum(seconds) < SECONDS_OF_STEPS:
        begin = time.monotonic()
        run.epoch()
        seconds.append(time.monotonic() - begin)
    return seconds


def _measured_batch(task: dict[str, Any], device: str) -> tuple[int, int]:
    """Images of a step, and steps of an epoch."""
    recipe = _recipe(task["recipe"])
    load = load_of(task["network"], tuple(task["shape"]), task["n_classes"], recipe)
    operations = 3 * load.flops * recipe.batch_size
    if device != "CPU" or operations * STEPS <= CPU_OPERATIONS:
        return recipe.batch_size, STEPS
    images = max(FEWEST_IMAGES, int(CPU_OPERATIONS / (3 * load.flops)))
    return min(recipe.batch_size, images), 1


def _noise(shape: tuple[int, ...], n_classes: int, count: int) -> ImageData:
    random = np.random.RandomState(0)
    labels = random.randint(n_classes, size=count).astype(np.int32)
    return ImageData("noise", random.randint(256, size=(count, *shape)).astype(np.uint8), labels, n_classes, "noise")


if __name__ == "__main__":
    print(json.dumps(answer(json.load(sys.stdin))))

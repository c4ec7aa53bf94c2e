"""The forecast: seconds of every job, when it runs, and what all of them add up to."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from nasdmrl.config.sections import LongRecipe
from nasdmrl.data.catalogue import SOURCES
from nasdmrl.evaluation.store import EvaluationStore, evaluation_key
from nasdmrl.paper.numbers import published
from nasdmrl.preflight.disk import CHECKPOINT_BYTES, classes_and_images
from nasdmrl.preflight.planning.costmodel import CostModel, load_of, relative_errors
from nasdmrl.preflight.planning.jobs import Job
from nasdmrl.preflight.planning.probe import Probe
from nasdmrl.preflight.planning.schedule import Slot, critical_path, schedule
from nasdmrl.preflight.planning.work import UNKNOWN, Datasets, Training, Work
from nasdmrl.space.nsc import parse

# Estimates, from runs of the quick scale and of subsets of the archives on two cores.
SHARE_OF_START = {"notebook": 2.0, "claims": 0.35, "report": 0.35}
"""Jobs without TensorFlow, as a share of the seconds in which a job with it starts; other ones take `LIGHT_SHARE`."""
LIGHT_SHARE = 0.2
STEP_SECONDS, LEARNER_STEP_SECONDS = {"random_search": 0.0003}, 0.005
"""An agent's own seconds a step, of one that learns where it is not named."""
CONVERTED_A_SECOND = 200
DECODED_A_SECOND = 300
"""Images by second and thread."""
DOWNLOADED_A_SECOND = 5_000_000
"""Bytes."""
CHECKPOINT_BYTES_A_SECOND = 500_000_000
ASSUMPTIONS = (
    "Random search is simulated with its own seed, so its networks are exact. Learning methods are taken to meet as "
    "many new networks as random search with another seed; one that repeats itself trains fewer.",
    "A network that an earlier job has trained by then is looked up. Exp. 2b trains the networks that were found, or "
    "the paper's where there are none yet.",
    f"Estimated, not measured: {CONVERTED_A_SECOND} images a second converted, {DECODED_A_SECOND} decoded, "
    f"{DOWNLOADED_A_SECOND // 10**6} MB downloaded, {CHECKPOINT_BYTES_A_SECOND // 10**6} MB of checkpoints written; a "
    f"notebook takes {SHARE_OF_START['notebook']:g} times as long as TensorFlow's start, other jobs without it "
    f"{LIGHT_SHARE:g} times. A cluster's queue is not counted.",
)


@dataclass(frozen=True)
class Planned:
    """A job with the number of networks that it trains, its seconds, its slot, and whether it needs a GPU."""

    job: Job
    trained: int
    slot: Slot
    on_gpu: bool

    @property
    def seconds(self) -> float:
        """Seconds from start to end."""
        return self.slot.end - self.slot.start


class Clock:
    """Seconds of jobs in the order in which they start; what one has trained by then, a later one looks up.

    work: what each job trains, by its number; start: seconds in which a job starts; store: what is known already,
    None for a run from scratch.
    """

    def __init__(
        self, work: Work, datasets: Datasets, model: CostModel, start: float, store: EvaluationStore | None = None
    ) -> None:
        self.work, self.datasets, self.model, self.start, self.store = work, datasets, model, start, store
        self.trained: Counter[int] = Counter()
        self._known: dict[Training, float] = {}

    def seconds(self, job: Job, begin: float) -> float:
        """Seconds of a job that starts at `begin`."""
        if not self.work[job.number]:
            return self._other_seconds(job)
        now = begin + self.start + _agent_seconds(job)
        for training in self.work[job.number]:
            if self._known.setdefault(training, self._stored(training)) > now:
                now += self._training_seconds(training)
                self._known[training] = min(self._known[training], now)
                self.trained[job.number] += 1
        return now - begin

    def _stored(self, training: Training) -> float:
        """When a training is in the store: always, or (infinity) not yet."""
        fingerprint = self.datasets[training.dataset].fingerprint
        if not self.store or fingerprint == UNKNOWN or isinstance(training.recipe, LongRecipe):
            return math.inf
        key = evaluation_key(fingerprint, parse(training.network), training.recipe)
        return -math.inf if self.store.get(key) else math.inf

    def _training_seconds(self, training: Training) -> float:
        data, amount = self.datasets[training.dataset], self.datasets.amount(training)
        load = load_of(training.network, data.shape, data.n_classes, training.recipe)
        seconds = self.model.seconds(load, amount)
        if isinstance(training.recipe, LongRecipe):
            written = amount.epochs * load.parameters * CHECKPOINT_BYTES
            seconds += written / CHECKPOINT_BYTES_A_SECOND
        return seconds

    def _other_seconds(self, job: Job) -> float:
        """Seconds of a job that trains nothing."""
        command, arguments, options = job.call
        if not command:
            return 0.0
        if command == "convert":
            return self.start + self._images_to_convert(arguments[0]) / CONVERTED_A_SECOND
        if command == "decode":
            images = len(self.datasets[job.wildcards["dataset"]].labels)
            return self.start + images / DECODED_A_SECOND / int(options["--threads"])
        light = self.start * SHARE_OF_START.get(command, LIGHT_SHARE)
        return light + (_bytes(arguments[0], options["--file"]) / DOWNLOADED_A_SECOND if command == "download" else 0)

    def _images_to_convert(self, dataset: str) -> int:
        """All of the dataset's, since the limits of `data` count afterwards."""
        return classes_and_images(dataset, self.datasets.settings)[1]


def _agent_seconds(job: Job) -> float:
    command, arguments, options = job.call
    if command != "search":
        return 0.0
    return int(options["--steps"]) * STEP_SECONDS.get(arguments[0], LEARNER_STEP_SECONDS)


def _bytes(dataset: str, name: str) -> int:
    return next(file.bytes or 0 for file in SOURCES[dataset].files if file.name == name)


@dataclass(frozen=True)
class Parallel:
    """How many jobs run at once: `cores` of this machine, which their threads share, or a cluster's `jobs`."""

    capacity: int
    cluster: bool = False

    def weight(self, job: Job) -> int:
        """What a job takes of the capacity."""
        return 1 if self.cluster else job.threads

    def __str__(self) -> str:
        return f"{self.capacity} jobs at once" if self.cluster else f"{self.capacity} cores"


def plan(jobs: list[Job], clock: Clock, parallel: Parallel, device: str) -> list[Planned]:
    """Every job with its seconds and its slot. device: what was probed; here all trainings run on it."""
    slots = schedule(jobs, clock.seconds, parallel.capacity, parallel.weight)
    local_gpu = not parallel.cluster and device != "CPU"
    return [
        Planned(
            job,
            clock.trained[job.number],
            slots[job.number],
            job.gpus > 0 or (local_gpu and bool(clock.work[job.number])),
        )
        for job in jobs
    ]


def summary(planned: list[Planned], probe: Probe, clock: Clock, parallel: Parallel) -> dict[str, Any]:
    """All figures of the forecast, ready for JSON; times in hours where they are not called seconds."""
    chain = critical_path([one.job for one in planned], {one.job.number: one.seconds for one in planned})
    seconds = {one.job.number: one.seconds for one in planned}
    return {
        "rules": by_rule(planned),
        "jobs": len(planned),
        "evaluations": sum(one.trained for one in planned),
        "hours": _hours(planned),
        "gpus_not_probed": probe.device == "CPU" and any(one.on_gpu for one in planned),
        "gpu_hours": _hours([one for one in planned if one.on_gpu]),
        "critical_path": {
            "hours": sum(seconds[job.number] for job in chain) / 3600,
            "jobs": [{"name": job.name, "hours": seconds[job.number] / 3600} for job in chain],
        },
        "parallel": str(parallel),
        "wall_hours": max((one.slot.end for one in planned), default=0.0) / 3600,
        "cost_model": _cost_model(probe, clock),
        "assumptions": list(ASSUMPTIONS),
    }


def _hours(planned: list[Planned]) -> float:
    return sum(one.seconds for one in planned) / 3600


def by_rule(planned: list[Planned]) -> list[dict[str, Any]]:
    """One row a rule, in the order of the hours: jobs, trained networks, hours, and what they run on."""
    rows = []
    for rule in dict.fromkeys(one.job.rule for one in planned):
        own = [one for one in planned if one.job.rule == rule]
        on = "GPU" if any(one.on_gpu for one in own) else "CPU"
        trained = sum(one.trained for one in own)
        rows.append({"rule": rule, "jobs": len(own), "evaluations": trained, "hours": _hours(own), "on": on})
    return sorted(rows, key=lambda row: -row["hours"])


def _cost_model(probe: Probe, clock: Clock) -> dict[str, Any]:
    """What was measured, and how far the formula is from trainings that it was not fitted to."""
    typical = next((one for work in clock.work.values() for one in work), None)
    errors = np.abs(relative_errors(probe.measured, clock.datasets.amount(typical))) if typical else np.array([])
    return {
        "device": probe.device,
        "threads": probe.threads,
        "workers": probe.workers,
        "measured": len(probe.measured),
        "probe_seconds": probe.seconds,
        "start_seconds": probe.start,
        "load_average": probe.load_average,
        "setup": clock.model.setup,
        "step": clock.model.step,
        "median_error": float(np.median(errors)) if len(errors) else None,
        "error_of_90_percent": float(np.quantile(errors, 0.9)) if len(errors) else None,
    }


def paper_gpu_hours() -> float:
    """What the paper's searches took on one K40m (Tables 4, 5, 7 and 9; its long trainings it does not say)."""
    times = published().running_times.values()
    return sum(seconds for one in times for row in one.times.values() for seconds in row.values()) / 3600

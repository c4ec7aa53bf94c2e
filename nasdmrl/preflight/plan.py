"""`nasdmrl plan`: what a run of a configuration costs, before it begins.

Its trainings follow from the table of experiments, their seconds from `probe`; the rest is a sum, the longest chain and
a quotient.
"""

import csv
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tabulate import tabulate

from nasdmrl import results
from nasdmrl.agents.prewarm import known_beforehand, random_search_networks
from nasdmrl.agents.registry import searches
from nasdmrl.config.model import Config
from nasdmrl.config.sections import LongRecipe, Space
from nasdmrl.data.catalogue import SOURCES
from nasdmrl.data.images import read_card
from nasdmrl.evaluation.store import EvaluationStore, Record, evaluation_key
from nasdmrl.paper.datasets import DATASETS, with_role
from nasdmrl.paper.experiments import LONG_NETWORKS, VGG19_CUT, Search
from nasdmrl.paper.numbers import published
from nasdmrl.preflight.disk import classes_and_images, count_images, disk_needs, trainings_at_once
from nasdmrl.preflight.probe import Images, Training, fit, from_record, probe, whole
from nasdmrl.progress import clock
from nasdmrl.space.enumeration import networks_of
from nasdmrl.space.nsc import Network, canonical, is_valid, parse, to_text
from nasdmrl.training.runtime import cores

# Estimates, from runs of the quick scale and of subsets of the archives on two cores.
IMAGES_A_SECOND = 400  # converted and decoded
DOWNLOADED_A_SECOND = 5_000_000  # bytes
AGENT_STEP_SECONDS = 0.005
SHORT_JOBS = 30
"""Best networks, figures, tables and the page: about so many jobs, each as long as a start of TensorFlow."""
ENOUGH_STORED = 30
"""So many trainings in the store say how long one takes, in place of a measurement."""
ASSUMPTIONS = """\
Random search and finished searches count with their own networks; any other search with as many as random search by
another seed meets, so an agent that repeats itself trains fewer; Exp. 2b with the paper's networks. A network that
several jobs ask for counts at the first. The wall time is the longest chain, or all hours divided by the jobs at once
where that is more; a cluster's queue is not in it. Images, figures and tables are estimates."""


class Job(NamedTuple):
    """One or more jobs of Snakemake: their output, row in the table, and the outputs that they wait for.

    trainings: what they ask for; seconds: beside those and their starts; made: whether the output is there; tasks: how
    many jobs, which share the work (those of images follow each other).
    """

    output: str
    kind: str
    trainings: list[Training]
    after: list[str]
    seconds: float = 0.0
    made: bool = False
    tasks: int = 1


class Study:
    """What a configuration trains, and what of it the working folder holds already (nothing if `from_scratch`)."""

    def __init__(self, settings: Config, from_scratch: bool = False) -> None:
        self.settings, self.from_scratch, self.searches = settings, from_scratch, searches(settings)
        self.shape = (settings.data.image_size, settings.data.image_size, 3)
        self.images = {name: self._images(name) for name in dict.fromkeys(search.dataset for search in self.searches)}
        self._met = cache(lambda steps, seed, space: random_search_networks(steps, seed, self.shape, settings, space))

    def _images(self, dataset: str) -> Images:
        """A dataset's images: as they were decoded for this configuration, or as they will be."""
        data, (classes, _) = self.settings.data.of(dataset), classes_and_images(dataset, self.settings)
        folder, classes = Path(results.images(dataset)), min(classes, data.classes or classes)
        source = data.source if dataset in SOURCES else "own"
        expected = {"image_size": data.image_size, "antialias": data.antialias, "source": source}
        card = read_card(folder) if folder.is_dir() else {}
        if expected.items() <= card.items() and len(card["class_names"]) <= classes:
            return Images(dataset, self.shape, len(card["class_names"]), card["images"], card["fingerprint"])
        return Images(dataset, self.shape, classes, count_images(dataset, self.settings))

    def known(self, trainings: Iterable[Training]) -> dict[Training, Record]:
        """Those of the trainings that the store holds."""
        records = {record["key"]: record for record in EvaluationStore(results.STORE)}
        early = (one for one in trainings if one.images.fingerprint and not isinstance(one.recipe, LongRecipe))
        keys = {one: evaluation_key(one.images.fingerprint, parse(one.network), one.recipe) for one in early}
        return {training: records[key] for training, key in keys.items() if key in records}

    def jobs(self) -> Iterator[Job]:
        """The jobs of a whole run that take long, each after those that it waits for."""
        yield from map(self._preparation, self.images)
        for search in self.searches if self.settings.prewarm.on else ():
            if search.method == "random_search" and search.dataset in DATASETS:
                networks = dict.fromkeys(known_beforehand(self.settings, self.shape, search.steps))
                yield self._shared("prewarm", search.space, [search.dataset], networks)
        yield from (self._search(search, seed) for search in self.searches for seed in self.settings.seeds)
        yield from self._long_trainings()
        yield Job(results.REPORT, "figures, tables, page", [], [], made=self._made(results.REPORT), tasks=SHORT_JOBS)

    def recording(self) -> Iterator[Job]:
        """The jobs that record every network of each space on the datasets that are searched in it."""
        yield from map(self._preparation, self.images)
        for space in dict.fromkeys(search.space for search in self.searches):
            datasets = dict.fromkeys(search.dataset for search in self.searches if search.space == space)
            networks = networks_of(space, self.settings.max_layers(space), self.shape)
            yield self._shared(f"record {space}", space, list(datasets), networks)

    def _shared(self, kind: str, space: Space, datasets: list[str], networks: Iterable[Network]) -> Job:
        """Tasks that share the evaluation of networks on datasets; they are done where all is looked up."""
        texts, recipe = list(map(to_text, networks)), self.settings.recipe(space)
        trainings = [Training(text, self.images[dataset], recipe) for text in texts for dataset in datasets]
        after, name = list(map(results.images, datasets)), f"{kind} {datasets[0]}"
        return Job(name, kind, trainings, after, made=True, tasks=self.settings.prewarm.tasks)

    def _preparation(self, dataset: str) -> Job:
        files = SOURCES[dataset].files if dataset in SOURCES and self.settings.data.source == "download" else ()
        seconds = classes_and_images(dataset, self.settings)[1] / IMAGES_A_SECOND
        seconds += sum(file.bytes or 0 for file in files) / DOWNLOADED_A_SECOND
        made = bool(self.images[dataset].fingerprint) and not self.from_scratch
        return Job(results.images(dataset), "images", [], [], seconds, made, tasks=2 + max(1, len(files)))

    def _search(self, search: Search, seed: int) -> Job:
        log = results.steps(search.experiment, search.series, search.dataset, seed)
        needs = [results.images(search.dataset)]
        if search.policy_from:
            needs.append(results.steps("exp1", search.method, search.policy_from, seed))
        if made := len(rows := self._rows(log)) == search.steps:
            networks = [canonical(parse(text)) for text in {row["network"]: 0 for row in rows if row["valid"] == "1"}]
        else:
            # A learner's networks are not known: another seed's stand for them, one for each way of learning.
            learner = f"{search.method} {search.sigma} {search.policy_from} {seed}"
            stand_in = seed if search.method == "random_search" else zlib.crc32(learner.encode())
            networks = self._met(search.steps, stand_in, search.space)
        images, recipe = self.images[search.dataset], self.settings.recipe(search.space)
        trainings = [Training(to_text(network), images, recipe) for network in networks]
        kind = f"{search.experiment} {search.series}"
        return Job(log, kind, trainings, needs, search.steps * AGENT_STEP_SECONDS, made)

    def _long_trainings(self) -> Iterator[Job]:
        """Exp. 2b, with the paper's best networks, cut to the layers that the images allow (Section 8)."""
        for dataset in with_role("evaluation"):
            best = [parse(known.network) for known in published().best_networks.networks[dataset]]
            lengths = [max(k for k in range(len(layers) + 1) if is_valid(layers[:k], self.shape)) for layers in best]
            networks = [*(to_text(layers[:k]) for layers, k in zip(best, lengths, strict=True)), VGG19_CUT]
            logs = [results.steps("exp2", "meta_a2c", dataset, seed) for seed in self.settings.seeds]
            for name, network in zip(LONG_NETWORKS, networks, strict=True):
                needs = [results.images(dataset), *(logs if name != VGG19_CUT else ())]
                for repeat in range(self.settings.exp2.repeats):
                    log, recipe = results.long_training(dataset, name, repeat), self.settings.long_recipe(repeat)
                    made = len(self._rows(log)) == recipe.epochs
                    trainings = [] if made else [Training(network, self.images[dataset], recipe)]
                    yield Job(log, "exp2 long trainings", trainings, needs, made=made)

    def _made(self, path: str) -> bool:
        return not self.from_scratch and Path(path).exists()

    def _rows(self, path: str) -> list[dict[str, str]]:
        """Rows of a CSV file; none where it is not there."""
        return list(csv.DictReader(Path(path).read_text("utf-8").splitlines())) if self._made(path) else []


def plan(
    settings: Config, capacity: int | None, probe_seconds: float, from_scratch: bool = False, recording: bool = False
) -> dict[str, Any]:
    """The forecast in figures, ready for JSON. capacity: jobs at once; as many as this machine's cores take if None."""
    study, here = Study(settings, from_scratch), trainings_at_once(settings)
    jobs = list(study.recording() if recording else study.jobs())
    trainings = [training for job in jobs for training in job.trainings]
    known = study.known(trainings)
    stored = [row for training, record in known.items() for row in from_record(training, record)]
    enough = len(stored) >= 2 * ENOUGH_STORED
    threads, workers = min(settings.resources.search_threads, cores()), here if capacity is None else 1
    measured, start, device = probe([] if enough else trainings, probe_seconds, threads, workers)
    measured, device = (stored, "store") if enough else (measured, device)
    coefficients = fit(measured)
    error = float(np.median([abs(row @ coefficients / seconds - 1) for row, seconds in measured]))
    figures = forecast(jobs, set() if from_scratch else set(known), coefficients, start, capacity or here)
    figures |= {"scale": settings.scale, "device": device, "measured": len(measured) // 2, "median_error": error}
    return {**figures, "disk_bytes": disk_needs(settings, capacity or here)}


def forecast(
    jobs: list[Job], known: set[Training], coefficients: np.ndarray, start: float, capacity: int
) -> dict[str, Any]:
    """Sum, longest chain and quotient of what is still to do, in hours. start: seconds in which a job starts."""
    counted, rows = set(known), dict[str, Counter]()
    chains: dict[str, list[tuple[str, float]]] = {}
    for job in jobs:
        new = set(job.trainings) - counted
        counted |= new
        if job.made and not new:
            continue
        training = sum(float(whole(one) @ coefficients) for one in new) / 3600
        hours = training + (job.tasks * start + job.seconds) / 3600
        figures = {"jobs": job.tasks, "trainings": len(new), "training_hours": training, "hours": hours}
        rows.setdefault(job.kind, Counter()).update(figures)
        before = max((chains[output] for output in job.after if output in chains), key=length, default=[])
        chains[job.output] = [*before, (job.output, hours / (job.tasks if job.kind != "images" else 1))]
    totals: Counter[str] = Counter({"jobs": 0, "trainings": 0, "training_hours": 0, "hours": 0})
    for row in rows.values():
        totals.update(row)
    chain = max(chains.values(), key=length, default=[])
    wall = max(length(chain), totals["hours"] / capacity)
    return {"rows": rows, **totals, "chain": chain, "at_once": capacity, "wall_hours": wall}


def length(chain: list[tuple[str, float]]) -> float:
    """Hours of a chain of jobs."""
    return sum(hours for _, hours in chain)


def page(figures: dict[str, Any]) -> str:
    """The forecast as text for a terminal."""
    rows = [*figures["rows"].items(), ("total", figures)]
    table = [[kind, row["jobs"], row["trainings"], clock(3600 * row["hours"])] for kind, row in rows]
    heads, aligned = ["still to do", "jobs", "trainings", "h:mm:ss"], ("left", "right", "right", "right")
    chain = [
        f"{clock(3600 * hours):>12}  {output.removeprefix(results.ROOT + '/')}\n" for output, hours in figures["chain"]
    ]
    disk = figures["disk_bytes"]
    return f"""{tabulate(table, heads, disable_numparse=True, colalign=aligned)}

Scale {figures["scale"]}: {figures["training_hours"]:,.2f} hours of training in {figures["hours"]:,.2f} hours of jobs.
Wall time with {figures["at_once"]} jobs at once: {clock(3600 * figures["wall_hours"])}.
The longest chain, which no number of machines shortens: {clock(3600 * length(figures["chain"]))}
{"".join(chain)}Disk for a whole run: {sum(disk.values()) / 1e9:.2f} GB \
({", ".join(f"{kind} {size / 1e9:.2f}" for kind, size in disk.items())}).
Measured: {figures["measured"]} trainings ({figures["device"]}), from which the formula is off by \
{figures["median_error"]:.0%} (median).
{ASSUMPTIONS}"""

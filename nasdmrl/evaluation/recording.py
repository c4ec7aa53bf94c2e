"""Recorded evaluations: a closed table of all networks of a small space on one dataset, which searches look up.

Of each dataset and space there are two files: the evaluations (gzipped CSV) and a card (JSON) that says what they are
of, by which recipe, how far the table is closed, and what made each part. Nothing in them is code.
"""

import csv
import gzip
import hashlib
import io
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nasdmrl.config.sections import Recipe, Space
from nasdmrl.data.images import ImageData
from nasdmrl.data.members import MEMBERS
from nasdmrl.errors import NasdmrlError
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.evaluation.store import EvaluationStore, Record, recipe_digest
from nasdmrl.files import atomic_path, write_json
from nasdmrl.progress import Progress
from nasdmrl.space.enumeration import networks_of
from nasdmrl.space.nsc import Network, Shape, parse, to_text

FOLDER = Path(__file__).parent.parent / "recorded"
"""The recordings that come with the package."""
FORMAT = 1


class Row(NamedTuple):
    """One evaluation.

    network: canonical form as text; seed: of the training; status: `ok`, `diverged` or `out_of_memory`; accuracy: on
    the test images, in [0, 1]; hits_even, hits_odd: test images classified rightly, of those at even and at odd places
    of the test set; cpu_seconds: of the process for training and scoring; tracing_seconds: of the process for building
    and compiling before that; parameters: that are trained; flops: of one image's forward pass.
    """

    network: str
    seed: int
    status: str
    accuracy: float
    hits_even: int
    hits_odd: int
    cpu_seconds: float
    tracing_seconds: float
    parameters: int
    flops: int


@dataclass(frozen=True)
class Recording:
    """The evaluations of one dataset and space, by network and seed, with their card."""

    card: dict[str, Any]
    rows: dict[tuple[str, int], Row]


def files(folder: Path, dataset: str, space: Space) -> tuple[Path, Path]:
    """Where the card and the evaluations of a dataset and space lie."""
    return folder / f"{dataset}_{space}.json", folder / f"{dataset}_{space}.csv.gz"


def load(dataset: str, space: Space, folder: Path = FOLDER) -> Recording | None:
    """The recording of a dataset and space; None where there is none.

    Raises `NasdmrlError` for files that are damaged or of another format, or whose content is not what the card says.
    """
    card_path, table_path = files(folder, dataset, space)
    if not card_path.exists():
        return None
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        if card["format"] != FORMAT:
            raise NasdmrlError(f"{card_path}: format {card['format']}, expected {FORMAT}; it needs another version")
        text = gzip.decompress(table_path.read_bytes()).decode("ascii")
        header, *lines = csv.reader(io.StringIO(text))
        if tuple(header) != Row._fields or _content_hash(card, text) != card["content"]:
            raise ValueError("its content is not what the card says")
        kinds = Row.__annotations__.values()
        rows = [Row(*(kind(value) for kind, value in zip(kinds, line, strict=True))) for line in lines]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise NasdmrlError(f"{table_path}: cannot be read with its card ({error}); restore both files") from error
    return Recording(card, {(row.network, row.seed): row for row in rows})


def _content_hash(card: dict[str, Any], text: str) -> str:
    """SHA-256 of what the recording says, whatever the bytes of its files are."""
    meaning = [card["fingerprint"], card["recipe"], text]
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def sample(networks: Sequence[Network], count: int, seed: int = 0) -> list[Network]:
    """`count` of the networks, drawn by a seed, in their order: for the noise of an evaluation."""
    chosen = np.random.RandomState(seed).permutation(len(networks))[:count]
    return [networks[place] for place in sorted(chosen)]


@dataclass(frozen=True)
class Task:
    """What is recorded: all networks of a space of at most `layers` layers, on images of one shape.

    seeds: of the trainings; sampled: only so many of the networks, drawn at random; all if None.
    """

    space: Space
    layers: int
    max_actions: int
    seeds: tuple[int, ...] = (0,)
    sampled: int | None = None

    def networks(self, image_shape: Shape) -> list[Network]:
        """The networks, those of fewer layers first."""
        everything = list(networks_of(self.space, self.layers, image_shape))
        return everything if self.sampled is None else sample(everything, self.sampled)


def record(
    task: Task,
    datasets: Sequence[ImageData],
    recipe: Recipe,
    store: EvaluationStore,
    folder: Path = FOLDER,
    part: tuple[int, int] = (0, 1),
    seconds: float = float("inf"),
) -> bool:
    """Evaluate what is missing in the recordings in `folder` and in the store; returns whether nothing is left.

    Networks go by their number of layers, and each is evaluated on all datasets before the next, since one compiled
    program serves them all. part: (i, n) takes every n-th network from the i-th on, so that n processes, on any number
    of machines with a common store, share the work; seconds: no evaluation begins later. Killed, it goes on from the
    store when called again. Raises `NasdmrlError` where the datasets' images are of several sizes.
    """
    from nasdmrl.training.early_stop import Trainer

    shape = datasets[0].shape
    if any(data.shape != shape for data in datasets):
        raise NasdmrlError("the datasets' images have several sizes; decode them with one data.image_size")
    trainer, number, parts = Trainer(), part[0], part[1]
    evaluators = [
        (Evaluator(data, recipe.model_copy(update={"seed": seed}), store, make_trainer=lambda: trainer), known)
        for data in datasets
        for known in [_usable(load(data.name, task.space, folder), data, recipe)]
        for seed in task.seeds
    ]
    mine = task.networks(shape)[number::parts]
    begin = time.monotonic()
    with Progress(f"record {task.space}, part {number} of {parts}", len(mine)) as progress:
        for network in mine:
            for evaluator, known in evaluators:
                if (to_text(network), evaluator.recipe.seed) in known:
                    continue
                if time.monotonic() - begin > seconds:
                    return False
                evaluator(network)
            progress.advance(to_text(network))
    return True


def _usable(recording: Recording | None, data: ImageData, recipe: Recipe) -> dict[tuple[str, int], Row]:
    """The rows of a recording, if it is of these images and this recipe."""
    if recording is None or not _same(recording.card, data, recipe):
        return {}
    return recording.rows


def _same(card: dict[str, Any], data: ImageData, recipe: Recipe) -> bool:
    return (card["fingerprint"], card["recipe_digest"]) == (data.fingerprint, recipe_digest(recipe))


def write(
    task: Task, data: ImageData, recipe: Recipe, store: EvaluationStore, facts: dict[str, Any], folder: Path = FOLDER
) -> dict[str, Any]:
    """Add what the store holds of a task to the recording in `folder`; returns the new card.

    facts: the card of the decoded images, of which source and class names are taken over. A recording of other images
    or by another recipe is replaced.
    """
    before = load(data.name, task.space, folder)
    rows = dict(_usable(before, data, recipe))
    parts: list[dict[str, Any]] = list(before.card["parts"]) if before and rows else []
    order = [to_text(network) for network in networks_of(task.space, task.layers, data.shape)]
    networks = set(order)
    for record in _of(store, data, recipe):
        key = (record["network"], record["seed"])
        if record["network"] in networks and key not in rows:
            rows[key] = _row(record)
            _add_to_parts(parts, record)
    place = {text: number for number, text in enumerate(order)}
    kept = sorted(rows.values(), key=lambda row: (row.seed, place.get(row.network, len(place)), row.network))
    text = _table(kept)
    test = len(data.split(recipe.test_fraction, recipe.split_seed)[1])
    card = {
        "format": FORMAT,
        "dataset": data.name,
        "space": task.space,
        "closed_layers": _closed_layers(order, rows),
        "max_actions": task.max_actions,
        "evaluations": len(kept),
        "image_size": data.shape[0],
        "n_classes": data.n_classes,
        "images": len(data.labels),
        "test_images": [-(-test // 2), test // 2],
        "fingerprint": data.fingerprint,
        "recipe": recipe.model_dump(mode="json"),
        "recipe_digest": recipe_digest(recipe),
        "source": facts["source"],
        "class_names": facts["class_names"],
        "licence": "CC0-1.0",
        "parts": sorted(parts, key=lambda part: part["first"]),
    }
    card["content"] = _content_hash(card, text)
    card_path, table_path = files(folder, data.name, task.space)
    with atomic_path(table_path) as temporary:
        temporary.write_bytes(gzip.compress(text.encode("ascii"), mtime=0))
    write_json(card_path, card)
    return card


def write_members(images: Path, dataset: str, folder: Path = FOLDER) -> None:
    """Keep the list of a dataset's images (member of the archive, class, SHA-256 of the pixels), gzipped.

    images: the folder of the decoded images. Whoever has the same archives can tell by it whether the pixels are the
    same.
    """
    with atomic_path(folder / f"{dataset}_images.csv.gz") as temporary:
        temporary.write_bytes(gzip.compress((images / MEMBERS).read_bytes(), mtime=0))


def _of(store: EvaluationStore, data: ImageData, recipe: Recipe) -> Iterator[Record]:
    """The store's evaluations of these images by this recipe, whatever the seed."""
    digests: dict[int, str] = {}
    for record in store:
        if record["fingerprint"] == data.fingerprint and "hits" in record:
            seed = record["seed"]
            digest = digests.setdefault(seed, recipe_digest(recipe.model_copy(update={"seed": seed})))
            if record["recipe"] == digest:
                yield record


def _row(record: Record) -> Row:
    return Row(
        *(record[name] for name in ("network", "seed", "status", "accuracy")),
        *record["hits"],
        *(record[name] for name in ("cpu_seconds", "tracing_seconds", "parameters", "flops")),
    )


def _table(rows: Iterable[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows)
    return buffer.getvalue()


def _closed_layers(order: list[str], rows: dict[tuple[str, int], Row]) -> int:
    """Up to how many layers every network is recorded; -1 where not even the empty one is."""
    missing = [text for text in order if (text, 0) not in rows]
    return len(parse(missing[0])) - 1 if missing else len(parse(order[-1]))


def _add_to_parts(parts: list[dict[str, Any]], record: Record) -> None:
    """Count an evaluation with those that the same software made on the same kind of processor."""
    maker = {name: record[name] for name in ("commit", "device", "processor", "threads", "versions")}
    part = next((part for part in parts if maker.items() <= part.items()), None)
    if part is None:
        part = maker | {"first": record["time"], "last": record["time"], "evaluations": 0, "core_hours": 0.0}
        parts.append(part)
    part["first"], part["last"] = min(part["first"], record["time"]), max(part["last"], record["time"])
    part["evaluations"] += 1
    seconds = record["cpu_seconds"] + record["tracing_seconds"]
    part["core_hours"] = round(part["core_hours"] + seconds / 3600, 6)

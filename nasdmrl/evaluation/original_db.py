"""Evaluations to and from the original software's `db_experiments.csv`.

Its columns: dataset and MD5 of the rows; the rows as NumPy prints them; reward, 100 x accuracy; accuracy in [0, 1];
density; FLOPs; time; seconds of training; whether the network was valid.
"""

import csv
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nasdmrl.config.sections import Environment, Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.errors import DataError, NetworkError
from nasdmrl.evaluation.store import EvaluationStore, Record, evaluation_key
from nasdmrl.files import atomic_path
from nasdmrl.space.costs import density
from nasdmrl.space.nsc import Network, canonical, from_rows, parse, to_rows, to_text

HEADER = (
    "dataset-nethash", "netstring", "reward", "accuracy", "density", "flops", "timestamp", "running_time", "is_valid",
)  # fmt: skip
MAX_LAYERS = Environment().max_layers


def nethash(rows: np.ndarray) -> str:
    """The original's name of a network: MD5 of its rows, fields joined by `-`, each row ended by `;`."""
    text = "".join("-".join(str(value) for value in row) + ";" for row in rows)
    return hashlib.md5(text.encode()).hexdigest()


def export_db(store: EvaluationStore, path: Path | str) -> int:
    """Write every evaluation of the store to `path`; returns how many."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(_exported(record) for record in store)
    return len(store)


def _exported(record: Record) -> tuple:
    network = parse(record["network"])
    rows = to_rows(network, max(MAX_LAYERS, len(network)))
    name, accuracy = f"{record['dataset']}-{nethash(rows)}", record["accuracy"]
    time = record.get("time", "")[:19].replace("T", " ")
    seconds, valid = int(record["training_seconds"]), record["status"] != "invalid"
    return name, str(rows), 100 * accuracy, accuracy, density(network), record.get("flops", 0), time, seconds, valid


def import_db(
    path: Path | str, store: EvaluationStore, datasets: dict[str, ImageData], recipe: Recipe
) -> dict[str, int]:
    """Add the evaluations of an original `db_experiments.csv` to the store, as if made by `recipe`.

    `datasets` gives the images that each dataset's name stands for. Returns how many rows were added, known
    already (under another form of the same network too) and of other datasets. Raises `DataError` for a file that
    is not of this form, naming the line.
    """
    counts = {"added": 0, "known": 0, "other datasets": 0}
    for line, row in enumerate(_rows(path), start=2):
        name = row["dataset-nethash"].rpartition("-")[0]
        if name not in datasets:
            counts["other datasets"] += 1
            continue
        try:
            record = _imported(row, datasets[name], recipe, Path(path).name)
        except (ValueError, TypeError, AttributeError, OverflowError, NetworkError) as error:
            raise DataError(f"{path}: row {line} is not an experiment ({error}); correct or remove it") from error
        known = store.get(record["key"]) is not None
        counts["known" if known else "added"] += 1
        if not known:
            store.put(record, recipe)
    return counts


def _rows(path: Path | str) -> Iterable[dict[str, str]]:
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = set(HEADER) - set(reader.fieldnames or ())
            if missing:
                raise DataError(f"{path}: lacks the columns {sorted(missing)}; expected a db_experiments.csv")
            yield from reader
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected a db_experiments.csv") from error


def _imported(row: dict[str, str], data: ImageData, recipe: Recipe, origin: str) -> Record:
    network = canonical(_network(row["netstring"]))
    valid, accuracy = row["is_valid"].strip().lower() in ("true", "1", "1.0"), float(row["accuracy"])
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy {accuracy} is not between 0 and 1")
    return {
        "key": evaluation_key(data.fingerprint, network, recipe),
        "dataset": data.name,
        "fingerprint": data.fingerprint,
        "network": to_text(network),
        "seed": recipe.seed,
        "status": "ok" if valid else "invalid",
        "accuracy": accuracy if valid else 0.0,
        "training_seconds": float(row["running_time"]),
        "flops": int(float(row["flops"])),
        "time": row["timestamp"],
        "imported_from": origin,
    }


def _network(netstring: str) -> Network:
    numbers = [int(float(text)) for text in re.findall(r"\d+\.?\d*", netstring)]
    if not numbers or len(numbers) % 5:
        raise ValueError(f"netstring has {len(numbers)} numbers, expected rows of five")
    return from_rows(numbers[i : i + 5] for i in range(0, len(numbers), 5))

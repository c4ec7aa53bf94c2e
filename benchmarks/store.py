"""The store of evaluations: opening many records, appending, looking up, and finding that there is none."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.table import Row, seconds
from nasdmrl.config.sections import Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.space.nsc import parse
from nasdmrl.training.runtime import start_tensorflow

RECORDS = 100_000
SEGMENTS = (10, 1_000)
INVALID = "max3 max3 max3 max3"


def evaluator(folder: Path) -> Evaluator:
    """Of images so small that `INVALID` is invalid on them, so its record takes no training."""
    pixels = np.zeros((3, 24, 24, 3), np.uint8)
    return Evaluator(ImageData("noise", pixels, np.zeros(3, np.int32), 3, 64 * "0"), Recipe(), EvaluationStore(folder))


def record() -> dict:
    """A record as an evaluation leaves it."""
    with tempfile.TemporaryDirectory() as folder:
        evaluator(Path(folder))(parse(INVALID))
        (made,) = EvaluationStore(folder)
    return {**made, "accuracy": 0.3175355450236967, "training_seconds": 1.234, "parameters": 404080, "flops": 989648}


def write_segments(folder: Path, count: int) -> None:
    each, made = RECORDS // count, record()
    for segment in range(count):
        lines = [json.dumps({**made, "key": f"{segment * each + i:024x}"}) + "\n" for i in range(each)]
        (folder / f"node-{segment:04d}.jsonl").write_text("".join(lines))


def line_by_line(folder: Path) -> dict[str, dict]:
    """The plain way to open it."""
    lines = (line for path in sorted(folder.iterdir()) for line in path.open())
    return {found["key"]: found for found in map(json.loads, lines)}


def rows() -> Iterator[Row]:
    start_tensorflow(threads=1)
    for count in SEGMENTS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_segments(folder, count)
            yield from opened(folder, count)


def opened(folder: Path, count: int) -> Iterator[Row]:
    what = f"{RECORDS:,} records in {count:,} segments"
    plain = seconds(lambda: line_by_line(folder))
    yield Row(f"open {what}", seconds(lambda: EvaluationStore(folder)), "s", 1.0, plain, "plain: line by line")
    store = EvaluationStore(folder)
    misses = seconds(lambda: [store.get(f"none {i}") for i in range(50)])
    yield Row(f"find that there is none among {what}", 1000 * misses / 50, "ms", note="once before each training")
    puts = seconds(lambda: [store.put({**record_of(i)}, Recipe()) for i in range(100)])
    synced = 1000 * seconds(lambda: [synced_line(folder / "plain") for _ in range(100)]) / 100
    yield Row(f"append to {what}", 10 * puts, "ms", None, synced, "plain: a line, and wait for the disk")
    known = evaluator(folder)
    known(parse(INVALID))
    hits = seconds(lambda: [known(parse(INVALID)) for _ in range(1000)])
    yield Row(f"look up among {what}", hits, "ms", 0.2)


def record_of(number: int) -> dict:
    return {"key": f"new {number}", "accuracy": 0.5, "status": "ok", "training_seconds": 1.0, "network": "conv3 max2"}


def synced_line(path: Path) -> None:
    with path.open("ab", buffering=0) as file:
        file.write(json.dumps(record_of(0)).encode() + b"\n")
        os.fsync(file.fileno())

"""The EvaluationStore: every evaluation ever made, in append-only JSON lines.

Each writer has a segment file of its own, so any number of jobs on a shared file system write without locks; a
line is flushed to the disk before it counts. Readers merge all segments and pick up other writers' lines later.
A line that a killed writer left unfinished has no end-of-line and is ignored for ever: nobody appends to it.
"""

import hashlib
import json
import os
import socket
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from nasdmrl.config.sections import Recipe
from nasdmrl.space.nsc import Network, to_text
from nasdmrl.training import TRAINING_FORMAT

Record = dict[str, Any]
_DIGEST_LENGTH = 24


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def recipe_digest(recipe: Recipe) -> str:
    """Short name of a recipe: of its kind, early or long, and of what differs from the kind's defaults.

    A segment's first use of it is preceded by a line with all values.
    """
    return _digest(TRAINING_FORMAT, type(recipe).__name__, recipe.model_dump(mode="json", exclude_defaults=True))


def evaluation_key(fingerprint: str, network: Network, recipe: Recipe) -> str:
    """Key of an evaluation: dataset, canonical network, and recipe with its seed."""
    return _digest(fingerprint, to_text(network), recipe_digest(recipe))


class EvaluationStore:
    """Evaluations by key, in a folder of segments. One object is one writer; any number may share the folder."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.recipes: dict[str, dict[str, Any]] = {}
        self._records: dict[str, Record] = {}
        self._read_to: dict[str, int] = {}
        self._segment: BinaryIO | None = None
        self._written_recipes: set[str] = set()
        self.refresh()

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def __getitem__(self, key: str) -> Record:
        return self._records[key]

    def get(self, key: str) -> Record | None:
        """The record of this key; looks for other writers' new lines before it says that there is none."""
        if key not in self._records:
            self.refresh()
        return self._records.get(key)

    def put(self, record: Record, recipe: Recipe) -> None:
        """Append a record, which has its `key`, and wait until the disk has it. The earliest of a key counts."""
        digest = recipe_digest(recipe)
        if digest not in self._written_recipes:
            self._append({"recipe": digest, "values": recipe.model_dump(mode="json")})
            self._written_recipes.add(digest)
        self._append({**record, "recipe": digest})
        self.refresh()

    def refresh(self) -> None:
        """Read what all writers have added since the last call."""
        if not self.folder.is_dir():
            return
        for entry in sorted(os.scandir(self.folder), key=lambda entry: entry.name):
            if entry.name.endswith(".jsonl") and entry.stat().st_size > self._read_to.get(entry.name, 0):
                self._read(Path(entry.path))

    def _append(self, line: dict[str, Any]) -> None:
        if self._segment is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
            self._segment = (self.folder / name).open("ab", buffering=0)
        rest = json.dumps(line).encode() + b"\n"
        try:
            while rest:  # a disk that fills up takes part of a line, and refuses the next part
                rest = rest[self._segment.write(rest) :]
            os.fsync(self._segment.fileno())
        except OSError:
            self._segment = None  # its last line may be cut short, and nobody appends to such a segment
            raise

    def _read(self, segment: Path) -> None:
        start = self._read_to.get(segment.name, 0)
        with segment.open("rb") as file:
            file.seek(start)
            content = file.read()
        whole = content.rfind(b"\n") + 1
        self._read_to[segment.name] = start + whole
        for value in _values(segment, content[:whole].split(b"\n")[:-1]):
            self._take(segment, value)

    def _keep_earliest(self, record: Record) -> None:
        """Of several records of a key, the earliest counts, in whatever order the segments are read."""
        known = self._records.get(record["key"])
        if known is None or record.get("time", "") < known.get("time", ""):
            self._records[record["key"]] = record

    def _take(self, segment: Path, value: Any) -> None:
        try:
            if "values" in value:
                self.recipes[value["recipe"]] = value["values"]
            else:
                self._keep_earliest(value)
        except (KeyError, TypeError):
            _tell_damaged(segment)


def _values(segment: Path, lines: list[bytes]) -> Iterator[Any]:
    """What the lines hold; of damaged ones, nothing but a message."""
    try:
        # As one list, lines are read in half the time.
        values = json.loads("[" + b"\n,".join(lines).decode() + "]")
    except ValueError:
        values = []
    yield from values if len(values) == len(lines) else _one_by_one(segment, lines)


def _one_by_one(segment: Path, lines: list[bytes]) -> Iterator[Any]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            _tell_damaged(segment)


def _tell_damaged(segment: Path) -> None:
    print(f"{segment}: skipped a damaged line; its evaluation will be made again", file=sys.stderr)

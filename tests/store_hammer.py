"""A process that writes to an EvaluationStore without end, or reads it and verifies all that it sees.

python store_hammer.py write FOLDER NAME: writes until it is killed. Says KEY NUMBER after each `put` has returned.
python store_hammer.py read FOLDER STOP: reads until the file STOP is there. Says at last who wrote which key.

What a record holds follows from its key, writer and number, so whoever reads it can tell whether it is whole.
"""

import datetime
import hashlib
import json
import random
import sys
import time
from itertools import count
from pathlib import Path

from nasdmrl.config.sections import Recipe
from nasdmrl.evaluation.store import EvaluationStore, Record

KEYS_A_SECOND = 100  # new keys
AT_ONCE = 50  # keys that the writers choose from at one time, so that several of them write the same
LONG_LINES = 20  # one in so many, longer than any buffer
LONG, SHORT = 20_000, 300  # bytes
PAUSE = 0.005  # seconds between two records of a writer: the disk is not what is tested


def make(number: int, writer: str, place: int) -> Record:
    """The record of key `number`, the `place`-th of a writer, made now."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    return {"time": now, **content(f"key{number}", writer, place)}


def content(key: str, writer: str, place: int) -> Record:
    """What a record holds apart from its time."""
    digest = hashlib.sha256(f"{key} {writer} {place}".encode()).hexdigest()
    length = LONG if int(key.removeprefix("key")) % LONG_LINES == 0 else SHORT
    made = {"key": key, "writer": writer, "place": place, "accuracy": int(digest, 16) / 2**256}
    return made | {"status": "ok", "network": digest, "padding": (digest * (length // len(digest) + 1))[:length]}


def check(record: Record) -> None:
    """Raise unless the record is one that `make` has made, whole."""
    expected = content(record["key"], record["writer"], record["place"])
    assert {name: record[name] for name in expected} == expected, record
    assert set(record) == {*expected, "time", "recipe"}, record
    datetime.datetime.fromisoformat(record["time"])


def write(folder: Path, name: str) -> None:
    """Put records for ever; a line of output acknowledges each."""
    store, draw = EvaluationStore(folder), random.Random(name)
    for place in count():
        record = make(int(time.time() * KEYS_A_SECOND) + draw.randrange(AT_ONCE), name, place)
        store.put(record, Recipe())
        check(store[record["key"]])
        print(record["key"], place, flush=True)
        time.sleep(PAUSE)


class Watch:
    """What one reader has seen so far."""

    def __init__(self) -> None:
        self.seen: dict[str, Record] = {}

    def look(self, store: EvaluationStore) -> None:
        """Verify all records; none may be gone, and of a key only an earlier record may take another's place."""
        assert len(store) >= len(self.seen), "the store shrank"
        assert {record["key"] for record in store} >= set(self.seen), "a key is gone"
        for record in store:
            known = self.seen.get(record["key"])
            if record is not known:
                check(record)
                assert known is None or record["time"] <= known["time"], "a later record took an earlier one's place"
                self.seen[record["key"]] = record


def read(folder: Path, stop: Path) -> None:
    """Watch the store, every so often through a new object, until `stop` is there; then say what it holds."""
    watch, store, looks = Watch(), EvaluationStore(folder), 0
    while True:
        last = stop.exists()
        store.refresh()
        watch.look(store)
        if looks % 50 == 0 or last:
            watch.look(EvaluationStore(folder))
        if last:
            break
        looks += 1
        time.sleep(0.02)
    held = {record["key"]: (record["writer"], record["place"]) for record in store}
    print(json.dumps({"looks": looks, "length": len(store), "held": held}))


if __name__ == "__main__":
    task, place, argument = sys.argv[1:]
    if task == "write":
        write(Path(place), argument)
    else:
        read(Path(place), Path(argument))

"""Four writers and eight readers hammer one EvaluationStore while writers are killed: nothing lost, torn or doubled."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import store_hammer

SEED = 1911
WRITERS, READERS, KILLS = 4, 8, 20


class Process:
    """A running writer or reader and the files of its output and errors."""

    def __init__(self, folder: Path, task: str, name: str, argument: str | Path) -> None:
        self.name, self.output, self.errors = name, folder / f"{name}.out", folder / f"{name}.err"
        command = [sys.executable, store_hammer.__file__, task, str(folder / "store"), str(argument)]
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(command, stdout=output, stderr=errors)

    def kill(self) -> None:
        assert self.process.poll() is None, self.errors.read_text()
        self.process.kill()
        self.process.wait()

    def leave_half_a_line(self, store: Path) -> None:
        """What a writer that is killed while it writes leaves; chance alone seldom brings it about."""
        (segment,) = store.glob(f"*-{self.process.pid}-*.jsonl")
        with segment.open("ab") as file:
            file.write(json.dumps(store_hammer.make(0, self.name, -1)).encode()[:200])

    def finish(self) -> int | None:
        """Exit code; nothing where the process had to be killed."""
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return None

    def acknowledged(self) -> list[tuple[str, str, int]]:
        """Key, writer and place of each record whose `put` had returned."""
        lines = self.output.read_text().split("\n")[:-1]
        return [(key, self.name, int(place)) for key, place in map(str.split, lines)]

    def wait_for_output(self, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not self.output.stat().st_size:
            assert self.process.poll() is None, self.errors.read_text()
            assert time.monotonic() < end, f"{self.name} has done nothing for {seconds} s"
            time.sleep(0.01)


def hammer(folder: Path) -> tuple[list[Process], list[Process]]:
    """Kill a writer at random and start another, `KILLS` times; returns all writers, dead, and the readers, done."""
    draw, stop = random.Random(SEED), folder / "stop"
    readers = [Process(folder, "read", f"reader{number}", stop) for number in range(READERS)]
    alive = [Process(folder, "write", name, name) for name in (f"writer{number}" for number in range(WRITERS))]
    dead = []
    try:
        for kill in range(KILLS):
            victim = draw.randrange(WRITERS)
            alive[victim].wait_for_output()
            time.sleep(draw.uniform(0.05, 0.5))
            alive[victim].kill()
            alive[victim].leave_half_a_line(folder / "store")
            dead.append(alive[victim])
            alive[victim] = Process(folder, "write", f"writer{victim}_{kill}", f"writer{victim}_{kill}")
        for writer in alive:
            writer.wait_for_output()
    finally:
        for writer in alive:
            writer.process.kill()
            writer.process.wait()
        stop.touch()
        codes = [reader.finish() for reader in readers]
    assert codes == [0] * READERS, "\n".join(reader.errors.read_text() for reader in readers)
    return dead + alive, readers


def whole_lines(store: Path) -> tuple[list[dict], int]:
    """Records of all segments, by a reader of our own, and how many segments end in a line cut short."""
    contents = [segment.read_bytes().split(b"\n") for segment in sorted(store.glob("*.jsonl"))]
    lines = [json.loads(line) for content in contents for line in content[:-1]]
    return [line for line in lines if "key" in line], sum(bool(content[-1]) for content in contents)


def identity(record: dict) -> tuple[str, str, int]:
    return record["key"], record["writer"], record["place"]


def check_acknowledged(acknowledged: list[tuple[str, str, int]], records: list[dict]) -> None:
    """Each acknowledged record is on the disk, once, and little else: what a writer was putting when it was killed."""
    on_disk = Counter(identity(record) for record in records)
    assert len(acknowledged) > 10 * KILLS
    assert set(acknowledged) <= set(on_disk)
    assert set(on_disk.values()) == {1}
    assert len(on_disk) - len(acknowledged) <= KILLS + WRITERS


def check_agreement(reports: list[dict], records: list[dict]) -> None:
    """Each reader holds the earliest record of each key, whatever it met first."""
    earliest = {}
    for record in sorted(records, key=lambda record: record["time"], reverse=True):
        earliest[record["key"]] = [record["writer"], record["place"]]
    assert len(records) > len(earliest), "no two writers wrote the same key, so nothing was shown"
    for report in reports:
        assert report["length"] == len(earliest)
        assert report["held"] == earliest


def test_killed_writers_lose_tear_and_double_nothing(tmp_path, capsys):
    started = time.monotonic()
    writers, readers = hammer(tmp_path)
    records, cut_short = whole_lines(tmp_path / "store")
    for record in records:
        store_hammer.check(record)
    assert cut_short >= KILLS
    acknowledged = [entry for writer in writers for entry in writer.acknowledged()]
    check_acknowledged(acknowledged, records)
    assert [reader.errors.read_text() for reader in readers] == [""] * READERS  # they met no damaged line
    reports = [json.loads(reader.output.read_text()) for reader in readers]
    check_agreement(reports, records)
    with capsys.disabled():
        print(
            f"\nstore hammered: {WRITERS} writers, {READERS} readers, {KILLS} kills, {len(acknowledged)} records"
            f" acknowledged of {reports[0]['length']} keys, {cut_short} lines cut short,"
            f" {sum(report['looks'] for report in reports)} looks, {time.monotonic() - started:.0f} s"
        )

"""Checks of the results folder: free space, and whether its file system does what the workflow relies on."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from nasdmrl.config.model import Config
from nasdmrl.errors import NasdmrlError
from nasdmrl.files import write_text
from nasdmrl.preflight.disk import disk_needs, trainings_at_once
from nasdmrl.preflight.doctor.checks import Check, failed, ok, warning
from nasdmrl.preflight.doctor.commands import Answer, ask
from nasdmrl.preflight.doctor.waiting import ARRAYS
from nasdmrl.preflight.profiles import limit_of

EXCHANGE_SECONDS = 20.0
ELSEWHERE = "use a folder on another file system; the whole checkout moves there, or --folder names another one"


def check_space(settings: Config, folder: Path, jobs: Any = None) -> Check:
    """The file system of `folder` has room for what a run of this scale still writes; `jobs` run at once."""
    needs = disk_needs(settings, _at_once(settings, jobs))
    have = {kind: _bytes_in(folder / kind) for kind in ("archives", "data")}
    there = min(needs["archives"], have["archives"]) + min(needs["records"] + needs["images"], have["data"])
    missing, free = sum(needs.values()) - there, shutil.disk_usage(existing(folder)).free
    kinds = ", ".join(f"{kind} {_size(number)}" for kind, number in needs.items() if number >= 0.01 * missing)
    found = f"{_size(free)} free (quotas are not seen), about {_size(missing)} still needed ({kinds})"
    if free >= missing:
        return ok("free disk", found)
    one = disk_needs(settings, 1)["checkpoints"]
    if jobs is not None and free >= missing - needs["checkpoints"] + one:
        cure = f"take the profile's line {ARRAYS} out, then lower `jobs`: a long training takes up to {_size(one)}"
        return warning("free disk", found, cure)
    cure = f"free {_size(missing - free)}, put the checkout on a larger disk, or take a smaller scale (--config)"
    return failed("free disk", found, cure)


def _at_once(settings: Config, jobs: Any) -> int | None:
    """Jobs at once: the profile's number, else as many as this machine has cores for; None without a limit."""
    if jobs is None:
        return trainings_at_once(settings)
    return limit_of(jobs)


def _size(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"


def _bytes_in(folder: Path) -> int:
    files = (Path(parent) / name for parent, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_size for file in files)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


@contextmanager
def probe_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder in `folder` that goes when the block ends. Raises `NasdmrlError` where none can be made."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = Path(tempfile.mkdtemp(prefix=".doctor-", dir=folder))
    except OSError as error:
        raise NasdmrlError(
            f"{folder}: no folder can be made in it ({error.strerror}); name one of yours with --folder, "
            "or see its owner and rights with: ls -ld " + str(existing(folder))
        ) from error
    try:
        yield probe
    finally:
        shutil.rmtree(probe, ignore_errors=True)
        for path in made:
            path.rmdir()


def check_file_system(folder: Path) -> Check:
    """Two processes see each other's appended lines; a rename replaces a file that is being read; mapping works."""
    with probe_folder(folder) as probe:
        for problem in (_exchange_problem(probe), _rename_problem(probe), _mapping_problem(probe)):
            if problem:
                return failed("results folder", f"{folder}: {problem}", ELSEWHERE)
    return ok("results folder", f"{folder}: appending by two processes, renaming and memory-mapping work")


def _exchange_problem(probe: Path) -> str:
    """Two processes write evaluations into a store, each until it sees the other's: what searches do all day."""
    from concurrent.futures import ThreadPoolExecutor

    def run(names: tuple[str, str]) -> Answer:
        command = [sys.executable, "-m", "nasdmrl.preflight.doctor.exchange", str(probe / "store"), *names]
        return ask([*command, str(EXCHANGE_SECONDS)], 3 * EXCHANGE_SECONDS)

    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(run, [("first", "second"), ("second", "first")])
    problems = [answer.problem for answer in answers if answer.problem]
    return f"of two processes, one did not see what the other appended ({problems[0]})" if problems else ""


def _rename_problem(probe: Path) -> str:
    """A file that is open is replaced in one step: the open one keeps its content, the path has the new one."""
    path = probe / "replaced.txt"
    write_text(path, "old")
    with path.open(encoding="utf-8") as reader:
        write_text(path, "new")
        found = (reader.read(), path.read_text(encoding="utf-8"))
    return "" if found == ("old", "new") else f"replacing a file by renaming gave {found}, not ('old', 'new')"


def _mapping_problem(probe: Path) -> str:
    """What is written through a memory map is read back through one, as decoded images are."""
    path = probe / "mapped.npy"
    written = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(1000, 1000))
    written[:] = np.arange(1000) % 251
    written.flush()
    read = np.load(path, mmap_mode="r", allow_pickle=False)
    return "" if np.array_equal(read[-1], np.arange(1000) % 251) else "a memory-mapped file reads back differently"

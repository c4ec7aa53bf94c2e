"""Checks of the compute nodes: do they see what this machine sees?"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nasdmrl import __version__
from nasdmrl.config.sections import Recipe
from nasdmrl.errors import NasdmrlError
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.preflight.doctor.checks import Check, failed, ok, warning
from nasdmrl.preflight.doctor.commands import ask
from nasdmrl.preflight.doctor.slurm import slurm_options
from nasdmrl.preflight.doctor.software import IMPORT_SECONDS, INSTALL, gpu_cure
from nasdmrl.preflight.doctor.storage import EXCHANGE_SECONDS, existing, probe_folder
from nasdmrl.preflight.profiles import Resources, requests, wants_gpu

QUEUE_SECONDS = 300.0
SEEN_SECONDS = 90.0
"""A network file system may show another machine's new file a minute later."""
LOCAL_TYPES = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "ramfs")
NAME = "srun"
HERE, THERE = "login node", "compute node"


def check_visible(folder: Path, srun: bool) -> Check:
    """Environment, package and results do not lie on a disk of this machine alone, as far as that can be told here."""
    places = dict.fromkeys((Path(sys.prefix), Path(__file__).parent.parent, existing(folder)))
    shown = ", ".join(f"{place} ({file_system_type(place)})" for place in places)
    asked = "" if srun else "; only a node can tell whether it sees them: add --srun"
    if any(file_system_type(place) in LOCAL_TYPES for place in places):
        cure = f"put the checkout with its .venv on a file system that the nodes share{asked}"
        return warning("compute nodes", f"may not see what is on a disk of this machine: {shown}", cure)
    return ok("compute nodes", f"environment, package and results: {shown}{asked}")


def file_system_type(path: Path, mounts: str | None = None) -> str:
    """Type of the file system that a path is on, such as `nfs4`; `unknown` without /proc/mounts.

    mounts: what to read in its place.
    """
    if mounts is None:
        table = Path("/proc/mounts")
        mounts = table.read_text(encoding="utf-8") if table.exists() else ""
    rows = [line.split() for line in mounts.splitlines()]
    found = [row for row in rows if path.resolve().is_relative_to(row[1].replace("\\040", " "))]
    return max(found, key=lambda row: len(row[1]), default=["", "", "unknown"])[2]


def check_nodes(profile: dict[str, Any], folder: Path) -> Iterator[Check]:
    """Yield, for each kind of node that the profile asks for, whether a job there works with the results folder."""
    if not shutil.which("srun"):
        raise NasdmrlError("srun is not on the PATH; leave out --srun, or run this on the cluster's login node")
    kinds: dict[tuple[str, ...], Resources] = {}
    for _, asked in requests(profile):
        kinds.setdefault(tuple(slurm_options(asked, "first", limits=False)), asked)
    for options, asked in kinds.items():
        with probe_folder(folder) as probe:
            check = _check_node(probe / "store", options, wants_gpu(asked))
        yield replace(check, found=f"{' '.join(options) or 'no options'}: {check.found}")


def _check_node(store: Path, options: tuple[str, ...], gpu: bool) -> Check:
    mine = EvaluationStore(store)
    mine.put({"key": HERE}, Recipe())
    command = ["srun", *options, "--ntasks=1", "--mem=4000", "--time=10", f"--immediate={QUEUE_SECONDS:.0f}"]
    command += [
        "--job-name=nasdmrl-doctor",
        sys.executable,
        "-m",
        "nasdmrl.preflight.doctor.exchange",
        str(store.absolute()),
    ]
    command += [THERE, HERE, str(SEEN_SECONDS), *(["tensorflow"] if gpu else [])]
    answer = ask(command, QUEUE_SECONDS + SEEN_SECONDS + EXCHANGE_SECONDS + (IMPORT_SECONDS if gpu else 0))
    if answer.problem:
        return failed(NAME, answer.problem, _cure(answer.problem))
    return _judged(json.loads(answer.lines[-1]), gpu, mine)


def _cure(problem: str) -> str:
    if "nothing seen" in problem:
        return "the node does not see files written here: put the results on a file system that the nodes share"
    if "No such file" in problem or "No module" in problem:
        return f"the node does not see {sys.executable} or the checkout: put them on a file system that the nodes share"
    return f"see `sinfo` and try by hand: srun --time=1 {os.path.basename(sys.executable)} --version"


def _judged(found: dict[str, Any], gpu: bool, mine: EvaluationStore) -> Check:
    """The check that follows from what a job found on its node."""
    host = found["host"]
    if found["version"] != __version__:
        return failed(NAME, f"on {host}: nasdmrl {found['version']}, on this machine {__version__}", INSTALL)
    if mine.get(THERE) is None:
        return warning(NAME, f"what {host} wrote is not yet seen here", "raise latency-wait in the profile")
    text = f"on {host}: nasdmrl {__version__} answers, each machine sees what the other appends"
    return _judged_gpu(text, found) if gpu else ok(NAME, text)


def _judged_gpu(text: str, found: dict[str, Any]) -> Check:
    known = found["tensorflow"]
    if known is None:
        cure = "try it in a job: python -c 'import tensorflow'"
        return failed(NAME, f"on {found['host']}: TensorFlow fails: {found['problem']}", cure)
    if not known["gpus"]:
        return failed(NAME, f"on {found['host']}: TensorFlow sees no GPU", gpu_cure(known["cuda"]))
    return ok(NAME, f"{text}; TensorFlow sees {', '.join(known['gpus'])}")

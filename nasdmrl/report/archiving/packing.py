"""Packing a run into one zip file: the same contents give the same bytes."""

import datetime
import hashlib
import re
import stat
import subprocess
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import yaml

from nasdmrl.errors import ConfigError, NasdmrlError
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.files import atomic_path
from nasdmrl.report.archiving.contents import (
    CHECKOUT,
    OF_THE_CHECKOUT,
    kept_config,
    missing,
    packed_files,
    run_stamp,
    stamps,
)
from nasdmrl.report.archiving.crate import METADATA, SUMS, Facts, Part, commit_note, metadata
from nasdmrl.report.archiving.unpacking import LARGEST_BYTES

UNIX = 3
SHOWN = 12
"""How many missing files a message names."""


class Packed(NamedTuple):
    """A written archive: its path, number of files and bytes, what it lacks, and a note on the code's commits."""

    path: Path
    files: int
    size: int
    lacks: list[str]
    commits: str


def archive(results: Path | str, output: Path | str | None = None, partial: bool = False) -> Packed:
    """Pack the results of a run with their metadata (RO-Crate 1.1) and sums into a zip file.

    output: by default `nasdmrl-SCALE-DATE.zip` here. Raises `NasdmrlError` where files of a whole run are missing,
    unless `partial`; nothing is then written.
    """
    results = Path(results)
    stamp, lacks = run_stamp(results), _lacking(results)
    if lacks and not partial:
        raise NasdmrlError(f"{results}: is not a whole run, it lacks {listed(lacks)}; finish it with `snakemake all`, "
                           "with the scale's --configfile, or pack what is there with --partial")  # fmt: skip
    facts = _facts(results, stamp, len(lacks))
    path = Path(output or f"nasdmrl-{re.sub(r'[^a-zA-Z0-9_.-]+', '-', stamp['scale'])}-{stamp['date']}.zip")
    files = {name: file for name, file in packed_files(results).items() if file.resolve() != path.resolve()}
    with atomic_path(path) as temporary:
        _write(temporary, files, facts)
    return Packed(path, len(files) + 2, path.stat().st_size, lacks, commit_note(facts.commits))


def listed(names: list[str]) -> str:
    """Names in a row, the first few of many."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _lacking(results: Path) -> list[str]:
    lacks = [f"{name} (of the checkout)" for name in OF_THE_CHECKOUT if not (CHECKOUT / name).is_file()]
    try:
        return missing(results, kept_config(results)) + lacks
    except ConfigError as error:
        return [f"a usable configuration ({error})", *lacks]


def _write(path: Path, files: dict[str, Path], facts: Facts) -> None:
    day = datetime.date.fromisoformat(facts.stamp["date"])
    with ZipFile(path, "w", ZIP_DEFLATED) as target:
        # Each file is read once, so that its sum is of the very bytes packed, whatever still writes to it.
        parts = {name: _add(target, name, file.read_bytes(), day) for name, file in files.items()}
        if sum(part.size for part in parts.values()) > LARGEST_BYTES:
            raise NasdmrlError(f"more than {LARGEST_BYTES / 2**30:.0f} GiB of files, which `nasdmrl verify` refuses; "
                               "move out of the results what is not of the run")  # fmt: skip
        told = _add(target, METADATA, metadata(parts, facts).encode(), day)
        sums = sorted((parts | {METADATA: told}).items())
        _add(target, SUMS, "".join(f"{part.sha256}  {name}\n" for name, part in sums).encode(), day)


def _add(target: ZipFile, name: str, content: bytes, day: datetime.date) -> Part:
    if not name.isprintable():
        raise NasdmrlError(f"{name!r}: a file's name with control characters cannot be packed; rename it")
    info = ZipInfo(name, (max(day.year, 1980), day.month, day.day, 0, 0, 0))
    info.compress_type, info.create_system = ZIP_DEFLATED, UNIX
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    target.writestr(info, content)
    return Part(len(content), hashlib.sha256(content).hexdigest())


# --- facts --------------------------------------------------------------------------------------------------


def _facts(results: Path, stamp: dict[str, str], lacks: int) -> Facts:
    others = {other["commit"] for other in stamps(results).values() if "commit" in other} - {stamp["commit"]}
    commits = [_in_full(commit) for commit in (stamp["commit"], *sorted(others))]
    return Facts(stamp, commits, _citation(), _snakemake(), _evaluations(results), lacks)


def _citation() -> dict[str, Any]:
    path = CHECKOUT / "CITATION.cff"
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NasdmrlError(
            f"{path}: not found; an archive needs the package's checkout (pip install --editable)"
        ) from error


def _in_full(commit: str) -> str:
    """All digits of a commit, with its `+`, where the checkout knows it; else as it is."""
    digits, changed = commit.removesuffix("+"), commit.endswith("+")
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{digits}^{{commit}}"]
    try:
        found = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return commit
    return found.stdout.strip() + "+" * changed


def _snakemake() -> dict[str, str]:
    try:
        return {"snakemake": version("snakemake")}
    except PackageNotFoundError:
        return {}


def _evaluations(results: Path) -> str:
    """The store by device, in words."""
    counts = Counter(record.get("device", "an unknown device") for record in EvaluationStore(results / "store"))
    told = ", ".join(f"{count} evaluations on {device}" for device, count in sorted(counts.items()))
    return f"The store holds {told or 'no evaluations'}."

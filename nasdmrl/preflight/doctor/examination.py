"""`nasdmrl doctor`: what a run needs, checked before anything is submitted, each failing with its cure.

Snakemake and SLURM find most faults of an installation hours later, in a job. A check looks for one of them now.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasdmrl.config.model import Config, load
from nasdmrl.preflight.doctor.archives import check_archives
from nasdmrl.preflight.doctor.checks import Check, guarded, ok
from nasdmrl.preflight.doctor.nodes import check_nodes, check_visible
from nasdmrl.preflight.doctor.slurm import check_slurm
from nasdmrl.preflight.doctor.software import check_packages, check_python, check_tensorflow
from nasdmrl.preflight.doctor.storage import check_file_system, check_space
from nasdmrl.preflight.doctor.waiting import check_arrays
from nasdmrl.preflight.profiles import config_file, read_profile, requests, wants_gpu


@dataclass(frozen=True)
class Examination:
    """What is examined: configuration file (by default the profile's, else `otherwise`), profile's folder, results
    folder, whether addresses are tried, and whether a job is run on each kind of node."""

    config: str | None = None
    profile: Path | None = None
    folder: Path = Path("results")
    offline: bool = False
    srun: bool = False
    otherwise: str = ""


def examine(what: Examination) -> Iterator[Check]:
    """Yield the checks one by one, as they are done; none raises."""
    profile: dict[str, Any] = {}
    settings: Config | None = None
    if what.profile:
        profile, check = _read("profile", read_profile, what.profile, {})
        yield check
    settings, check = _read("configuration", load, what.config or config_file(profile) or what.otherwise, None)
    yield check
    yield from _software(settings, profile)
    yield from guarded("SLURM", check_slurm, what.profile, profile)
    if settings and what.profile:
        yield from guarded("SLURM array jobs", check_arrays, what.profile / "config.yaml", profile, settings)
    if settings:
        yield from guarded("archives", check_archives, settings, what.folder, what.offline)
        yield from guarded("free disk", check_space, settings, what.folder, profile.get("jobs"))
    yield from guarded("results folder", check_file_system, what.folder)
    if what.profile:
        yield from guarded("compute nodes", check_visible, what.folder, what.srun)
    if what.srun:
        yield from guarded("srun", check_nodes, profile, what.folder)


def _read(name: str, reader: Any, source: Any, otherwise: Any) -> tuple[Any, Check]:
    """What a file holds, and the check that says whether it could be read."""
    held = [otherwise]

    def check() -> Check:
        held[0] = reader(source)
        return ok(name, str(source))

    done = next(guarded(name, check))
    return held[0], done


def _precision(precision: str) -> str:
    rounding = "on" if precision == "tf32" else "off"
    return f"{precision}, TensorFloat-32 {rounding} (early_stop.precision)"


def _software(settings: Config | None, profile: dict[str, Any]) -> Iterator[Check]:
    gpus = any(wants_gpu(asked) for _, asked in requests(profile))
    yield from guarded("Python", check_python)
    yield from guarded("packages", check_packages)
    yield from guarded("TensorFlow", check_tensorflow, gpus)
    if settings:
        yield ok("precision", _precision(settings.early_stop.precision))

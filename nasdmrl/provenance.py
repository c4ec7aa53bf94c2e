"""Where an output comes from: scale, data, fidelity, configuration, commit, versions and date."""

import datetime
import hashlib
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from nasdmrl.config import Config
from nasdmrl.datasets import DATASETS
from nasdmrl.evaluation import versions

SOURCES = {
    "standin": "drawn stand-ins, not the paper's images",
    "archives": "archives in a folder",
    "download": "official archives",
}


def provenance(config: Config, datasets: Iterable[str] = ()) -> dict[str, str]:
    """The stamp of an output made with this configuration; keys and values are short strings.

    datasets: those that the output shows; where some are one's own (`data.own`), the key `own_data` names them.
    """
    own = [name for name in dict.fromkeys(datasets) if name not in DATASETS]
    return {
        "scale": config.scale,
        "data": SOURCES[config.data.source],
        **({"own_data": ", ".join(own)} if own else {}),
        "fidelity": _fidelity(config),
        "seeds": " ".join(str(seed) for seed in config.seeds),
        "config": hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12],
        "commit": commit(),
        "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _fidelity(config: Config) -> str:
    """`paper` or `released`, and the deviations that choose otherwise."""
    single = [f"{name} {value}" for name, value in config.deviations if value not in (None, config.fidelity)]
    return ", ".join([config.fidelity, *single])


def visible(stamp: dict[str, str]) -> str:
    """The line of a stamp that a figure shows."""
    own = f"; images of one's own: {stamp['own_data']}" if "own_data" in stamp else ""
    parts = (f"scale: {stamp['scale']}", f"data: {stamp['data']}{own}", f"fidelity: {stamp['fidelity']}")
    seeds = f"seed{'s' * (' ' in stamp['seeds'])} {stamp['seeds']}"
    return " | ".join((*parts, seeds, f"commit {stamp['commit']}", stamp["date"]))


@cache
def commit() -> str:
    """Short hash of the checkout that the package runs from, `+` if it has changes; `unknown` outside git."""
    described = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        result = subprocess.run(
            described, cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return result.stdout.strip()

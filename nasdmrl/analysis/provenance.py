"""Where an output comes from: scale, data, fidelity, configuration, commit, versions and date."""

import datetime
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from nasdmrl.config.model import Config
from nasdmrl.paper.datasets import DATASETS
from nasdmrl.software import commit, versions

SOURCES = {
    "standin": "drawn stand-ins, not the paper's images",
    "archives": "archives in a folder",
    "download": "official archives",
}
OF_THIS_MACHINE = ("resources.", "data.source", "data.archives", "data.own.")
"""Beginnings of settings that are no choice of the paper's; where the images are from is told by itself."""
TOLD_OR_HARMLESS = ("scale", "seeds", "fidelity", "deviations.", "plots.dpi", "plots.statistic", "prewarm.")
"""Beginnings of settings that a stamp tells anyway, or that change no result."""
MOST_KEYS = 3
"""Changed settings that the visible line of a stamp names."""


def provenance(config: Config, datasets: Iterable[str] = ()) -> dict[str, str]:
    """The stamp of an output made with this configuration; keys and values are short strings.

    datasets: those that the output shows; where some are one's own (`data.own`), the key `own_data` names them.
    At the scale `paper`, the key `changed` names the settings that are not the paper's, if any.
    """
    own = [name for name in dict.fromkeys(datasets) if name not in DATASETS]
    changed = [key for key, *_ in changed_settings(config) if not key.startswith(TOLD_OR_HARMLESS)]
    return {
        "scale": config.scale,
        **({"changed": ", ".join(changed)} if changed and config.scale == "paper" else {}),
        "data": SOURCES[config.data.source],
        **({"own_data": ", ".join(own)} if own else {}),
        "fidelity": _fidelity(config),
        "precision": config.early_stop.precision,
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


def is_genuine(stamp: dict[str, str]) -> bool:
    """Whether a stamp is of the paper's scale, unchanged, and of other images than stand-ins."""
    return stamp["scale"] == "paper" and "changed" not in stamp and stamp["data"] != SOURCES["standin"]


def scale_of(stamp: dict[str, str]) -> str:
    """The scale that a stamp names, and the settings that are not the paper's though the scale is."""
    keys = stamp.get("changed", "").split(", ")
    if keys == [""]:
        return stamp["scale"]
    told = ", ".join(keys[:MOST_KEYS]) + (f" and {len(keys) - MOST_KEYS} more" if len(keys) > MOST_KEYS else "")
    return f"{stamp['scale']}, changed in {told}"


def changed_settings(config: Config) -> list[tuple[str, str, str]]:
    """Settings that differ from the paper's: key, value here, the paper's value; but for those of this machine.

    A key that the paper's lack, such as the limit of a dataset, has the paper's value `null`.
    """
    here, paper = (dict(flat(settings.model_dump(mode="json"))) for settings in (config, Config()))
    rows = [(key, value, paper.get(key, "null")) for key, value in here.items() if not key.startswith(OF_THIS_MACHINE)]
    return [row for row in rows if row[1] != row[2]]


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Keys (`exp2.epochs`) and values of a configuration as text; what is no text, as JSON."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value if isinstance(value, str) else json.dumps(value)


def visible(stamp: dict[str, str]) -> str:
    """The line of a stamp that a figure shows."""
    own = f"; images of one's own: {stamp['own_data']}" if "own_data" in stamp else ""
    parts = (f"scale: {scale_of(stamp)}", f"data: {stamp['data']}{own}", f"fidelity: {stamp['fidelity']}")
    seeds = f"seed{'s' * (' ' in stamp['seeds'])} {stamp['seeds']}"
    return " | ".join((*parts, seeds, f"commit {stamp['commit']}", stamp["date"]))

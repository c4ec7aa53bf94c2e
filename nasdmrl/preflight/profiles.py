"""Snakemake's profiles: what one says of the configuration, and what its jobs ask of SLURM."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from nasdmrl.errors import ConfigError

Resources = dict[str, str]
Kind = tuple[list[str], Resources]
"""Rules, and what their jobs ask for."""
DEFAULTS = "other rules"
"""Stands for the rules that a profile does not name."""


def read_profile(folder: Path | str) -> dict[str, Any]:
    """Content of a profile's config.yaml. Raises `ConfigError` where it cannot be read or holds no keys."""
    path = Path(folder) / "config.yaml"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a profile's folder, as `slurm`") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys with values, found {type(values).__name__}")
    return values


def config_file(profile: Mapping[str, Any]) -> str | None:
    """The configuration file that a profile names (the last of several), if it names one."""
    named = profile.get("configfile") or []
    files = [named] if isinstance(named, str) else named
    return str(files[-1]) if files else None


def limit_of(value: Any) -> int | None:
    """The number that a limit such as 100 or `100/1s` begins with; None for one without, such as `unlimited`."""
    number = re.match(r"\d+", str(value))
    return int(number[0]) if number else None


def requests(profile: Mapping[str, Any]) -> list[Kind]:
    """What jobs ask for, each kind once: the rules that ask for it, and resource names with values as text.

    Rules that the profile does not name ask for its defaults; `DEFAULTS` stands for them.
    """
    defaults = _resources(profile.get("default-resources"))
    kinds: list[Kind] = [([DEFAULTS], defaults)]
    for rule, own in _by_rule(profile.get("set-resources")).items():
        asked = {**defaults, **own}
        rules = next((rules for rules, known in kinds if known == asked), None)
        if rules is None:
            kinds.append(([rule], asked))
        else:
            rules.append(rule)
    return kinds


def wants_gpu(asked: Resources) -> bool:
    """Whether these resources hold a GPU, as `gpu` or as `gres`."""
    return asked.get("gpu", "0") != "0" or asked.get("gres", "").startswith("gpu")


def _resources(values: Any) -> Resources:
    """A mapping, or a list of `name=value`, both of which Snakemake takes."""
    if isinstance(values, Mapping):
        return {str(name): str(value).strip("'\"") for name, value in values.items()}
    pairs = (str(item).partition("=") for item in values or [])
    return {name: value.strip("'\"") for name, _, value in pairs}


def _by_rule(values: Any) -> dict[str, Resources]:
    """A mapping of mappings, or a list of `rule:name=value`."""
    if isinstance(values, Mapping):
        return {str(rule): _resources(own) for rule, own in values.items()}
    found: dict[str, Resources] = {}
    for rule, _, pair in (str(item).partition(":") for item in values or []):
        found.setdefault(rule, {}).update(_resources([pair]))
    return found

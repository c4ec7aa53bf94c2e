"""Scales: a name in the configuration, and the file whose values it stands for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasdmrl.errors import ConfigError
from nasdmrl.files import read_yaml

DEFAULT_SCALE = "quick"
"""What the workflow runs where nothing else is said."""
CONFIG_FILE = Path("config/config.yaml")
"""What Snakemake reads in its working folder where no other file is given."""
SMALLER = ("quick", "miniature")
"""Scales whose values are in `config/NAME.yaml`. Those of `paper`, and of any other name, are the defaults."""
SCALES = (*SMALLER, "paper")
FOLDER = Path(__file__).parents[2] / "config"


def with_scale(values: Mapping[str, Any], path: Path | None = None, folder: Path = FOLDER) -> dict[str, Any]:
    """`values` over those of the scale that they name.

    path: the file that the values are from, which may itself be the scale's, or lie beside it; folder: of the scales'
    files. Raises `ConfigError` where the scale's file is not found.
    """
    scale = values.get("scale")
    if scale not in SMALLER or (path and path.name == f"{scale}.yaml"):
        return dict(values)
    places = [folder, path.parent] if path else [folder]
    files = [place / f"{scale}.yaml" for place in places]
    file = next((file for file in files if file.exists()), files[0])
    return merged(read_yaml(file, f"the scale `{scale}` has its values from there; give yours another name"), values)


def merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` over `base`, key by key in the sections that both have, as Snakemake does."""
    result = dict(base)
    for key, value in values.items():
        before = result.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[key] = merged(before, value)
        else:
            result[key] = value
    return result


def of_workflow(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a workflow, from what Snakemake has put together. Raises `ConfigError` as `with_scale`."""
    return with_scale({"scale": DEFAULT_SCALE, **values}, CONFIG_FILE)


def check_files(files: Sequence[Path], given: Sequence[Path], values: Mapping[str, Any], typed: bool) -> None:
    """Check the files of a workflow's configuration, which Snakemake has read and merged into `values`.

    given: those of `files` that `--configfile` names, in their order; typed: whether `--config` names the scale.
    Raises `ConfigError` where a file gives a key twice, of which Snakemake keeps the last, and where a run would have
    the name of one scale and values of another.
    """
    for file in files:
        read_values(file)
    scale = values.get("scale")
    if typed and not given and scale not in SCALES:
        raise ConfigError(
            f"scale `{scale}`: no such scale, name yours in a --configfile; known are {', '.join(SCALES)}"
        )
    names = [values["scale"] for values in map(read_values, given) if "scale" in values]
    others = [name for name in names if name != scale]
    if others and (scale in SCALES or names[-1] != scale):
        raise ConfigError(f"scale `{scale}`: --configfile has the values of the scale `{others[-1]}`; take one")


def read_values(path: Path | str) -> dict[str, Any]:
    """Keys and values of a configuration file. Raises `ConfigError` where it has none."""
    values = read_yaml(path, "give --config a YAML file")
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys with values, found {type(values).__name__}; see config/quick.yaml")
    return values

"""Writing files and folders so that a reader never meets a half-written one; reading YAML."""

import json
import shutil
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from nasdmrl.errors import ConfigError, NasdmrlError

FOLDER_CARDS = ("dataset_spec.json", "card.json")
"""Files that mark a folder that this package made, and so may replace."""
MERGE = "tag:yaml.org,2002:merge"
"""Tag of YAML's key `<<`, whose keys the mapping's own may repeat."""


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Works for a file or a folder, whichever the block makes; a file, or a folder made by this function, that was at
    `path` before is replaced. The temporary name is always the same, so what a killed process left is removed by the
    next one. Raises `NasdmrlError` where `path` is a folder of somebody else's, which is left alone.
    """
    path = Path(path)
    _check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    _remove(temporary)
    try:
        yield temporary
        if path.is_dir() and temporary.is_file():
            raise NasdmrlError(f"{path}: is a folder, and is not replaced by a file; name another output")
        if path.is_dir():
            shutil.rmtree(path)
        temporary.rename(path)
    finally:
        _remove(temporary)


def _check_replaceable(path: Path) -> None:
    """A folder of ours has one of our cards in it, or nothing but what Snakemake puts there."""
    if not path.name:
        raise NasdmrlError(f"`{path}` is a folder; name the file or folder to write")
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    if not names.isdisjoint(FOLDER_CARDS):
        return
    if any(not name.startswith(".snakemake") for name in names):
        raise NasdmrlError(f"{path}: is a folder with other files in it, and is not replaced; name another output")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` in one step."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON to `path` in one step."""
    write_text(path, json.dumps(value, indent=2) + "\n")


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that is given twice, of which PyYAML keeps the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        given: set[Hashable] = set()
        for key_node in (key for key, _ in node.value if key.tag != MERGE):
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # refused below
            if key in given:
                raise ConstructorError(problem=f"the key `{key}` is given twice", problem_mark=key_node.start_mark)
            given.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path | str, cure: str) -> Any:
    """Content of a YAML file; all YAML that this package reads is read here.

    Raises `ConfigError`, which names the file, where it cannot be read (the message ends with `cure`), is not YAML, or
    gives a key twice.
    """
    try:
        loader = _UniqueKeys(Path(path).read_text(encoding="utf-8"))
        loader.name = str(path)  # so the marks in messages name the file
        return loader.get_single_data()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); {cure}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {error}") from error

"""What is made from the configuration's model: its JSON schema, and the reference of all keys."""

import json
from collections.abc import Iterator
from typing import Any

from nasdmrl.config.model import Config
from nasdmrl.config.sections import Section


def json_schema() -> str:
    """The JSON schema of the configuration, as kept in `workflow/schemas/config.schema.json`."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def documentation() -> str:
    """The reference of all fields in Markdown, as kept in `config/README.md` below its heading."""
    lines = ["| key | default (the paper's value) | meaning |", "|---|---|---|"]
    lines += [f"| `{key}` | {default} | {text} |" for key, default, text in _fields(Config(), "")]
    return "\n".join(lines) + "\n"


def _fields(section: Section, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _fields(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _shown(value), field.description or ""


def _shown(value: Any) -> str:
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"

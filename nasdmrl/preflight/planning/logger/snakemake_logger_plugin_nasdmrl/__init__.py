"""A logger plugin of Snakemake 9: one line of JSON for each job of a dry run, to a file.

Snakemake finds it by its name (see its interface for logger plugins). It does no more than copy the documented fields
of the event `JOB_INFO`; `planning.jobs` reads them.
"""

import json
from dataclasses import dataclass, field
from logging import LogRecord
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """The plugin's options."""

    jobs: str = field(default="jobs.jsonl", metadata={"help": "File that the jobs are appended to."})


class LogHandler(LogHandlerBase):
    """Writes the jobs; the messages for people go where they always go."""

    def emit(self, record: LogRecord) -> None:
        """Append a job."""
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            with open(self.settings.jobs, "a", encoding="utf-8") as file:
                file.write(json.dumps(_fields(record)) + "\n")

    writes_to_stream = writes_to_file = has_filter = has_formatter = needs_rulegraph = False


def _fields(record: LogRecord) -> dict[str, Any]:
    return {
        "rule": record.rule_name,
        "wildcards": dict(record.wildcards or {}),
        "inputs": [str(path) for path in record.input or ()],
        "outputs": [str(path) for path in record.output or ()],
        "threads": int(record.threads),
        "priority": record.priority,
        "gpus": int((getattr(record, "resources", None) or {}).get("gpu", 0)),
        "command": record.shellcmd or "",
    }

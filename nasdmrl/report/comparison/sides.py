"""One of two runs: what its results folder says of itself."""

import json
from collections import Counter
from functools import cached_property
from pathlib import Path

import pandas as pd

from nasdmrl.analysis.episodes import read_logs
from nasdmrl.analysis.provenance import flat
from nasdmrl.errors import DataError, NasdmrlError
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.report.archiving.contents import CONFIG, run_stamp, stamps
from nasdmrl.report.page import read

LOGS = "*/*/seed*/steps.csv"
"""Step logs below the folder of an experiment."""


class Side:
    """A results folder by the name that the page gives it, `A` or `B`.

    Raises `DataError` where the folder holds nothing of a run.
    """

    def __init__(self, name: str, results: Path | str) -> None:
        self.name, self.results = name, Path(results)
        if not (self.logs or stamps(self.results) or (self.results / CONFIG).is_file()):
            raise DataError(f"{results}: holds no step log, table or figure of a run; name a folder of results")

    @cached_property
    def stamp(self) -> dict[str, str]:
        """The stamp of the run; empty where no table or figure has one."""
        try:
            return run_stamp(self.results)
        except DataError:
            return {}

    @cached_property
    def settings(self) -> dict[str, str] | None:
        """Every key of the configuration with its value as text, of whatever version; None where there is none."""
        try:
            return dict(flat(json.loads((self.results / CONFIG).read_text(encoding="utf-8"))))
        except (OSError, ValueError, AttributeError):
            return None

    @cached_property
    def store(self) -> EvaluationStore:
        """Its evaluations."""
        return EvaluationStore(self.results / "store")

    @property
    def hardware(self) -> Counter[tuple[str, str, str]]:
        """Number of evaluations by device, threads and software versions."""
        return Counter(
            (str(record.get("device", "unknown")), str(record.get("threads", "unknown")), software(record))
            for record in self.store
        )

    @cached_property
    def logs(self) -> list[str]:
        """Its step logs, by their places in the results."""
        return sorted(path.relative_to(self.results).as_posix() for path in self.results.glob(f"*/{LOGS}"))

    def table(self, file: str) -> tuple[pd.DataFrame, str]:
        """A table of the results, and why there is none."""
        return read(self.results, file)

    def steps(self, experiment: str) -> tuple[pd.DataFrame, str]:
        """All step logs of an experiment, and why there is none."""
        try:
            return read_logs(sorted((self.results / experiment).glob(LOGS))), ""
        except NasdmrlError as error:
            return pd.DataFrame(), str(error)


def software(record: dict) -> str:
    """Versions that a stored evaluation was made with, in a line."""
    return ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items()) or "unknown"

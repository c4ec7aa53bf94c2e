"""Rows of measured figures: printed as they come, and written as `results/benchmarks/NAME.csv`."""

import os
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nasdmrl.analysis.tables import write_table
from nasdmrl.software import commit, processor, versions

FOLDER = Path("results/benchmarks")


class Row(NamedTuple):
    """One figure. target: the most it may be (the least, if `at_least`); plain: the plain way's figure."""

    what: str
    value: float
    unit: str
    target: float | None = None
    plain: float | None = None
    note: str = ""
    at_least: bool = False

    @property
    def met(self) -> str:
        if self.target is None:
            return ""
        return "yes" if (self.value >= self.target if self.at_least else self.value <= self.target) else "no"

    def line(self) -> str:
        sign = "at least" if self.at_least else "at most"
        target = "" if self.target is None else f"; target {sign} {self.target:.4g}, met: {self.met}"
        plain = "" if self.plain is None else f"; the plain way {self.plain:.4g}"
        note = f" ({self.note})" if self.note else ""
        return f"  {self.what}: {self.value:.4g} {self.unit}{target}{plain}{note}"


def seconds(function: Callable[[], object]) -> float:
    """Wall-clock seconds of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def run(name: str, rows: Iterable[Row]) -> None:
    """Print each row as it comes; write all of them at the end, or where a measurement fails."""
    print(f"{name}:", flush=True)
    found, start = [], time.monotonic()
    try:
        for row in rows:
            found.append({**row._asdict(), "met": row.met})
            print(row.line(), flush=True)
    finally:
        write_table(pd.DataFrame(found), FOLDER / f"{name}.csv", machine())
    print(f"  {name} took {time.monotonic() - start:.0f} s", flush=True)


def machine() -> dict[str, str]:
    """Where the figures are from."""
    stamp = {"processor": processor(), "cores": str(os.cpu_count()), "system": platform.platform()}
    return {
        **stamp,
        "commit": commit(),
        "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
    }

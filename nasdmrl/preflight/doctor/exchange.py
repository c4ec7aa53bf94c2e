"""One of two processes, perhaps on two machines, that must see each other's lines in one EvaluationStore.

`python -m nasdmrl.preflight.doctor.exchange STORE MINE OTHER SECONDS [tensorflow]` prints, as JSON, what it found
where it ran.
"""

import json
import platform
import sys
import time
from pathlib import Path

from nasdmrl import __version__
from nasdmrl.config.sections import Recipe
from nasdmrl.errors import NasdmrlError
from nasdmrl.evaluation.store import EvaluationStore

PAUSE_SECONDS = 0.05


def exchange(folder: Path | str, mine: str, other: str, seconds: float) -> float:
    """Store a record under the key `mine` and wait for one under `other`; returns the seconds waited.

    Raises `NasdmrlError` where it does not come.
    """
    store, start = EvaluationStore(folder), time.monotonic()
    store.put({"key": mine}, Recipe())
    while store.get(other) is None:
        if time.monotonic() - start > seconds:
            raise NasdmrlError(f"nothing seen within {seconds:g} s")
        time.sleep(PAUSE_SECONDS)
    return time.monotonic() - start


def main(folder: str, mine: str, other: str, seconds: str, *more: str) -> None:
    """Exchange records; with `tensorflow`, say also what TensorFlow sees here."""
    found = {"host": platform.node(), "version": __version__, "seconds": exchange(folder, mine, other, float(seconds))}
    if more:
        from nasdmrl.preflight.doctor.software import IMPORT_SECONDS, probe_tensorflow

        answer, found["tensorflow"] = probe_tensorflow(sys.executable, IMPORT_SECONDS)
        found["problem"] = answer.problem
    print(json.dumps(found))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except NasdmrlError as error:
        sys.exit(str(error))

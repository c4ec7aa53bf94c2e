"""The command line, `nasdmrl`."""

import atexit
import gc
import os
import sys

# Read by NumPy's BLAS when it loads, so before anything imports NumPy. The agents' products are small: more threads
# wait for each other longer than they compute, and for the cores of other jobs.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Importing a module registers its commands.
from nasdmrl.cli import archives, cluster, data, networks, outputs, plan, recordings, searches  # noqa: F401
from nasdmrl.cli.options import app
from nasdmrl.errors import NasdmrlError

OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> None:
    """Run the command line; an error that a user can fix is one message and exit code 1."""
    _collect_rarely()
    try:
        app()
    except (NasdmrlError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


def _collect_rarely() -> None:
    """Look for garbage rarely, and not at the end: in what libraries make on import there is none.

    It takes a quarter of a short command's time. Where networks are trained, each is collected after its training.
    """
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(gc.freeze)

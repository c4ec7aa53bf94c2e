"""The command line, `nasdmrl`."""

import sys

# Importing a module registers its commands.
from nasdmrl.cli import archives, cluster, data, networks, outputs, plan, searches  # noqa: F401
from nasdmrl.cli.options import app
from nasdmrl.errors import NasdmrlError


def main() -> None:
    """Run the command line; an error that a person can mend is one message and exit code 1."""
    try:
        app()
    except (NasdmrlError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)

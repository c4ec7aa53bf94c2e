"""Runs a notebook with papermill; a parameter that the notebook does not name is an error, not a warning."""

import sys
from pathlib import Path
from typing import Any

from nasdmrl.errors import NasdmrlError


def run_notebook(notebook: Path | str, output: Path | str, parameters: dict[str, Any]) -> None:
    """Execute `notebook` with `parameters`; the executed copy is `output`, also where a cell fails.

    Raises `NasdmrlError` for an unknown or missing parameter and for a cell that fails.
    """
    import papermill
    from papermill.exceptions import PapermillException

    check_parameters(notebook, set(papermill.inspect_notebook(str(notebook))), set(parameters))
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(notebook), str(output), parameters, kernel_name="python3", progress_bar=sys.stderr.isatty()
        )
    except PapermillException as error:
        raise NasdmrlError(
            f"{notebook}: a cell failed; it is marked in the executed copy, {output}\n{error}"
        ) from error


def check_parameters(notebook: Path | str, known: set[str], given: set[str]) -> None:
    """Raise `NasdmrlError` unless exactly the notebook's parameters are given."""
    if known != given:
        unknown, missing = sorted(given - known), sorted(known - given)
        raise NasdmrlError(
            f"{notebook}: unknown parameters {unknown}, missing parameters {missing}; its cell tagged `parameters` "
            "must set those that the notebooks in workflow/notebooks do"
        )

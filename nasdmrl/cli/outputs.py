"""Commands that draw, tabulate and document."""

from pathlib import Path
from typing import Annotated

import typer

from nasdmrl import __version__
from nasdmrl.cli.options import DEFAULT_CONFIG, ConfigOption, Logs, app


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration."""
    from nasdmrl.config_reference import json_schema

    print(json_schema(), end="")


@app.command()
def config_reference() -> None:
    """Print every configuration key with its default and meaning, in Markdown."""
    from nasdmrl.config_reference import documentation

    print(documentation(), end="")


@app.command()
def notebook(
    source: Path,
    output: Path,
    logs: Logs,
    figures: Annotated[Path, typer.Option(help="Folder of the figures.")] = Path("results/figures"),
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Execute a notebook on step logs; its figures go to --figures, the executed copy is OUTPUT."""
    from nasdmrl.notebooks import run_notebook

    run_notebook(source, output, {"logs": [str(log) for log in logs], "figures": str(figures), "config": config})

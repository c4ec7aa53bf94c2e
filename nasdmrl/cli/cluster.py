"""The command that looks, before a run, whether it can succeed."""

from pathlib import Path
from typing import Annotated

import typer

from nasdmrl.cli.options import DEFAULT_CONFIG, app

COLOURS = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "FAILED": typer.colors.RED}


@app.command()
def doctor(
    config: Annotated[
        str | None, typer.Option(help=f"YAML file of a scale; by default the profile's, else {DEFAULT_CONFIG}.")
    ] = None,
    profile: Annotated[Path | None, typer.Option(help="Folder of the profile for a cluster, such as slurm.")] = None,
    folder: Annotated[Path, typer.Option(help="The workflow's results.")] = Path("results"),
    offline: Annotated[bool, typer.Option("--offline", help="Do not try the archives' addresses.")] = False,
    srun: Annotated[bool, typer.Option("--srun", help="Run a small job on each kind of node (needs SLURM).")] = False,
) -> None:
    """Check what a run needs before anything is submitted; says how to fix what fails, and exits with 1."""
    from nasdmrl.preflight.doctor import examine

    states = []
    for check in examine(config, profile, folder, offline, srun, DEFAULT_CONFIG):
        states.append(check.state)
        typer.echo(typer.style(f"{check.state:<8}", fg=COLOURS[check.state]) + str(check)[8:])
    failures, warnings = states.count("FAILED"), states.count("warning")
    typer.echo(f"{len(states)} checks: {failures} FAILED, {warnings} with a warning")
    raise typer.Exit(1 if failures else 0)

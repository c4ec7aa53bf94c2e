"""The command that forecasts a run."""

from pathlib import Path
from typing import Annotated

import typer

from nasdmrl.cli.options import DEFAULT_CONFIG, app

UNLIMITED = 10_000
"""Jobs at once where a profile sets no limit: more than there are."""


@app.command()
def plan(
    config: Annotated[
        str | None, typer.Option(help=f"YAML file of a scale; by default the profile's, or {DEFAULT_CONFIG}.")
    ] = None,
    profile: Annotated[Path | None, typer.Option(help="Folder of a cluster's profile, as `slurm`.")] = None,
    probe_seconds: Annotated[float, typer.Option(min=1, help="Seconds in which trainings are measured.")] = 60,
    everything: Annotated[bool, typer.Option("--all", help="Forecast the whole run, also what is done.")] = False,
    recording: Annotated[
        bool, typer.Option("--recording", help="Forecast `snakemake recording` instead, for small spaces.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Write the forecast there too (JSON).")] = None,
) -> None:
    """Forecast what is still to do: jobs, trainings, hours, longest chain, wall time and disk.

    What is measured is this machine: for a cluster's GPU, call it in a job that has one.
    """
    from nasdmrl.config.model import load
    from nasdmrl.files import write_json
    from nasdmrl.preflight.plan import page
    from nasdmrl.preflight.plan import plan as planned
    from nasdmrl.preflight.slurm import config_file, limit_of, read_profile, resources_of_rules, wants_gpu

    values = read_profile(profile) if profile else {}
    at_once = (limit_of(values["jobs"]) or UNLIMITED) if "jobs" in values else None
    figures = planned(
        load(config or config_file(values) or DEFAULT_CONFIG), at_once, probe_seconds, everything, recording
    )
    print(page(figures))
    if figures["device"] == "CPU" and any(map(wants_gpu, resources_of_rules(values).values())):
        print("These are hours of the CPU that was measured, not of GPUs: call plan in a job that has one.")
    if output:
        write_json(output, figures)
        print(f"\nWritten to {output}")

"""The command that forecasts a run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nasdmrl.cli.options import DEFAULT_CONFIG, DEFAULT_DATA, DEFAULT_STORE, app
from nasdmrl.errors import NasdmrlError

UNLIMITED = 10_000
"""Jobs at once where a profile sets no limit: more than there are."""


@app.command()
def plan(
    config: Annotated[
        str | None, typer.Option(help=f"YAML file of a scale; by default the profile's, or {DEFAULT_CONFIG}.")
    ] = None,
    profile: Annotated[Path | None, typer.Option(help="Folder of a cluster's profile, as `slurm`.")] = None,
    probe_seconds: Annotated[float, typer.Option(min=1, help="Seconds in which trainings are measured.")] = 60,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of a measured training; by default resources.search_threads.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trainings measured at once; by default as many as jobs would run here.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Forecast the whole run, also what is done or in the store.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Write the forecast there too (JSON).")] = None,
    snakefile: Annotated[Path, typer.Option(help="The workflow.")] = Path("workflow/Snakefile"),
) -> None:
    """Forecast what is still to do: jobs, hours, longest chain, wall time and disk. Nothing is run but a measurement.

    What is measured is this machine: for a cluster's GPU, call it in a job that has one.
    """
    from nasdmrl.files import write_json
    from nasdmrl.preflight.planning.jobs import workflow_jobs
    from nasdmrl.preflight.planning.page import page

    chosen, parallel = _settled(config, profile, snakefile)
    jobs = workflow_jobs(snakefile, chosen, profile, everything)
    if not jobs:
        print("Nothing is to be done; --all forecasts the whole run.")
        return
    figures = _forecast(jobs, parallel, probe_seconds, threads, workers, everything)
    print(page(figures))
    if output:
        write_json(output, figures)
        print(f"\nWritten to {output}")


def _settled(config: str | None, profile: Path | None, snakefile: Path):
    """The checked configuration file, None where the profile's is meant, and how many jobs run at once."""
    from nasdmrl.config.model import load
    from nasdmrl.preflight.slurm import config_file, read_profile

    values = read_profile(profile) if profile else {}
    load(config or config_file(values) or DEFAULT_CONFIG)
    if not snakefile.is_file():
        raise NasdmrlError(f"{snakefile}: no such file; call plan in the checkout, or name it with --snakefile")
    return config or (None if config_file(values) else DEFAULT_CONFIG), _parallel(values)


def _parallel(profile: dict[str, Any]):
    """Jobs at once: as many as a cluster's profile says, else as this machine's cores take."""
    from nasdmrl.preflight.planning.forecast import Parallel
    from nasdmrl.preflight.slurm import limit_of
    from nasdmrl.training.runtime import cores

    if "jobs" not in profile:
        return Parallel(cores())
    return Parallel(limit_of(profile["jobs"]) or UNLIMITED, cluster=True)


def _forecast(
    jobs, parallel, probe_seconds: float, threads: int | None, workers: int | None, everything: bool
) -> dict[str, Any]:
    from nasdmrl.evaluation.store import EvaluationStore
    from nasdmrl.preflight.disk import disk_needs, trainings_at_once
    from nasdmrl.preflight.planning.costmodel import fit
    from nasdmrl.preflight.planning.forecast import Clock, summary
    from nasdmrl.preflight.planning.forecast import plan as planned
    from nasdmrl.preflight.planning.probe import probe
    from nasdmrl.preflight.planning.work import Datasets, settings_of, trainings

    settings = settings_of(jobs)
    datasets, threads = Datasets(settings, DEFAULT_DATA), threads or settings.resources.search_threads
    work = {job.number: trainings(job, datasets) for job in jobs}
    workers = workers or (1 if parallel.cluster else max(1, parallel.capacity // threads))
    measured = probe([one for own in work.values() for one in own], datasets, probe_seconds, threads, workers)
    store = None if everything else EvaluationStore(DEFAULT_STORE)
    clock = Clock(work, datasets, fit(measured.measured), measured.start, store)
    at_once = parallel.capacity if parallel.cluster else trainings_at_once(settings)
    figures = summary(planned(jobs, clock, parallel, measured.device), measured, clock, parallel)
    return {"scale": settings.scale, **figures, "disk_bytes": disk_needs(settings, at_once)}

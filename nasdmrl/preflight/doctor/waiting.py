"""Checks of what makes Snakemake wait for ever under SLURM: jobs kept out of an array, ends of jobs that it misses."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nasdmrl.agents.registry import AGENTS
from nasdmrl.config.model import Config
from nasdmrl.paper.datasets import DATASETS, with_role
from nasdmrl.preflight.disk import long_trainings
from nasdmrl.preflight.doctor.checks import Check, failed, ok, warning
from nasdmrl.preflight.doctor.commands import Answer, ask
from nasdmrl.preflight.profiles import limit_of

ARRAYS = "slurm-array-jobs"
LIMITS = {"jobs": "", "max-jobs-per-timespan": "100/1s"}
"""Keys of a profile that say how many jobs are submitted at once, with Snakemake's own values."""
HOLDING_BACK = ("resources", "scheduler-subsample")
"""Keys that hold ready jobs back whatever their value."""
OTHER_JOBS = 100
"""More than there are downloads, conversions, best networks, figures and tables."""
ENOUGH = 1000
ARRAY_KEY, ARRAY_LIMIT = "slurm-array-limit", 1000
"""Most tasks of an array; the plugin's own value."""
MOST_TASKS, GOOD_TASKS = 40, 20
"""The commands of an array are one argument, which Linux limits to 128 KiB; here a task takes about 2.8 kB of it."""
STATES = "SLURM job states"
INTERVAL, INTERVAL_KEY = 40, "slurm-init-seconds-before-status-checks"
"""Seconds from one question about the jobs to the next, while jobs end; the plugin's own value."""
REMEMBERED_SECONDS = 240
"""The plugin waits up to 180 s from one question to the next, while no job ends; a minute more for slow answers."""
CONFIGURATION_SECONDS = 10.0
"""As long as the plugin waits for SLURM's configuration."""
USUAL_AGE = "ask the site's support to raise MinJobAge to SLURM's own 300 s"


def most_jobs(settings: Config) -> int:
    """Jobs of a whole run (Section 7), roughly and from above, so that no more of them can be ready at once."""
    learned, unseen, own = len(with_role("training")), len(with_role("evaluation")), len(settings.own_datasets)
    prewarm = settings.prewarm.tasks * (learned + unseen) if settings.prewarm.on else 0
    searches = len(AGENTS) * (learned + unseen + own) + len(settings.exp3.sigmas) + len(DATASETS) + own
    return prewarm + long_trainings(settings) + len(settings.seeds) * searches + OTHER_JOBS + 10 * own


def check_arrays(file: Path, profile: dict[str, Any], settings: Config) -> Iterator[Check]:
    """Yield whether the profile in `file` gets all jobs of array rules submitted; nothing if it has no such rules."""
    if not profile.get(ARRAYS):
        return
    name, most = "SLURM array jobs", most_jobs(settings)
    problems = {**_holding_back(profile, most), **_too_long(profile)}
    if not problems:
        yield ok(name, f"up to {most} jobs may be ready at once, and all are submitted")
    for found, cure in problems.items():
        yield failed(name, found, f"in {file}: {cure}, or take the line {ARRAYS} out")


def _holding_back(profile: dict[str, Any], most: int) -> dict[str, str]:
    """What may hold back a job that is ready, and its cure.

    Where more jobs of an array rule stay behind than are chosen, the plugin (2.8.0) drops those that are chosen, and
    waits for them for ever.
    """
    values = {key: profile.get(key, own) for key, own in LIMITS.items()}
    low = [f"`{key}: {value}`" for key, value in values.items() if (limit_of(value) or most) < most]
    low += [f"`{key}`" for key in HOLDING_BACK if profile.get(key)]
    if not low:
        return {}
    found = f"{', '.join(low)} may hold back some of up to {most} ready jobs; with arrays the run would wait for ever"
    enough = max(ENOUGH, most)
    return {found: f"`jobs: {enough}`, `max-jobs-per-timespan: {enough}/1s`, no {' and no '.join(HOLDING_BACK)}"}


def _too_long(profile: dict[str, Any]) -> dict[str, str]:
    """Arrays whose commands are more than one argument holds, and the cure.

    The plugin (2.8.0) then writes a script in which every task runs the first one's job and fails.
    """
    limit = int(profile.get(ARRAY_KEY, ARRAY_LIMIT))
    found = f"`{ARRAY_KEY}: {limit}` allows arrays that are too long for SLURM's command line; their tasks would fail"
    return {found: f"`{ARRAY_KEY}: {GOOD_TASKS}`"} if limit > MOST_TASKS else {}


def check_states(file: Path, profile: dict[str, Any], sacct: Answer) -> Check:
    """The plugin learns how each job ended, whichever command it asks. `sacct`: what that answers here."""
    wanted, age = str(profile.get("slurm-status-command", "sacct")), _min_job_age()
    least = 3 * int(profile.get(INTERVAL_KEY, INTERVAL))
    if wanted == "squeue" and age is not None and age >= least:
        return _by_squeue(file, age)
    if wanted != "squeue":
        return _by_sacct("the profile says so", f"write `slurm-status-command: squeue` into {file}", profile, sacct)
    if age is None:
        return _by_sacct("`scontrol show config` does not say MinJobAge", "see what it says", profile, sacct)
    cure = f"write `{INTERVAL_KEY}: {age // 3}` into {file}" if age >= REMEMBERED_SECONDS else USUAL_AGE
    return _by_sacct(f"MinJobAge is {age} s, it must be {least} s", cure, profile, sacct)


def _by_squeue(file: Path, age: int) -> Check:
    found = f"squeue, which knows a job for {age} s after its end (MinJobAge)"
    if age >= REMEMBERED_SECONDS:
        return ok(STATES, found)
    cure = f"{USUAL_AGE}, or in {file}: `slurm-status-command: sacct`, and the line {ARRAYS} out"
    return warning(STATES, f"{found}; Snakemake may ask later than that, and then waits for ever", cure)


def _by_sacct(why: str, cure: str, profile: dict[str, Any], sacct: Answer) -> Check:
    """The plugin asks sacct, for this reason, which has this cure."""
    if sacct.problem:
        return failed(STATES, f"`sacct` is asked ({why}) and fails: {sacct.problem}", cure)
    if profile.get(ARRAYS):  # sacct calls tasks 44_1 and 44_2 by other numbers; the plugin finds only 44, the last task
        found = f"sacct is asked ({why}); by it the plugin takes an array's last task for all of them"
        return failed(STATES, found, f"{cure}, or take the line {ARRAYS} out")
    return warning(STATES, f"sacct is asked ({why}); the run waits for ever for jobs that are cancelled by hand", cure)


def _min_job_age() -> int | None:
    """Seconds for which SLURM's controller remembers a job that has ended; None where it does not say."""
    answer = ask(["scontrol", "show", "config"], CONFIGURATION_SECONDS)
    found = re.search(r"^\s*MinJobAge\s*=\s*(\d+)(?: sec)?\s*$", answer.output, re.MULTILINE)
    return int(found[1]) if found else None

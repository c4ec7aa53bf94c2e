"""SLURM: what the jobs of a Snakemake profile ask for, and whether the site takes such jobs."""

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from nasdmrl.errors import ConfigError
from nasdmrl.files import read_yaml
from nasdmrl.preflight.checks import Check, ask

COMMANDS = ("sbatch", "squeue", "sacct", "sacctmgr", "scancel")
"""Those that Snakemake's SLURM plugin calls."""
SECONDS = 60.0
"""Longest wait for one of them; they try for 9 or 18 s to reach a controller that is down."""
REMEMBERED_SECONDS = 240
"""The plugin waits up to 180 s from one question about the jobs to the next; a minute more for slow answers."""
OTHER_RULES = "default-resources"
"""Stands for the rules that a profile does not name."""
Resources = dict[str, str]
"""Names of resources with their values as a profile writes them, which are Python expressions."""
Attempt = Literal["first", "last"]


def read_profile(folder: Path | str) -> dict[str, Any]:
    """Content of a profile's config.yaml. Raises `ConfigError` where it cannot be read or holds no keys."""
    path = Path(folder) / "config.yaml"
    values = read_yaml(path, "name a profile's folder, as `slurm`")
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys with values, found {type(values).__name__}")
    return values


def config_file(profile: Mapping[str, Any]) -> str | None:
    """The configuration file that a profile names (the last of several), if it names one."""
    named = profile.get("configfile") or []
    files = [named] if isinstance(named, str) else named
    return str(files[-1]) if files else None


def limit_of(value: Any) -> int | None:
    """The number that a limit such as 100 or `100/1s` begins with; None for one without, such as `unlimited`."""
    number = re.match(r"\d+", str(value))
    return int(number[0]) if number else None


def resources_of_rules(profile: Mapping[str, Any]) -> dict[str, Resources]:
    """What each rule's jobs ask for; `OTHER_RULES` stands for the rules that the profile does not name."""
    asked = {OTHER_RULES: _mapping(profile.get("default-resources"))}
    by_rule = profile.get("set-resources")
    if isinstance(by_rule, Mapping):
        by_rule = [f"{rule}:{name}={value}" for rule in by_rule for name, value in _mapping(by_rule[rule]).items()]
    for key, value in _mapping(by_rule).items():
        rule, name = key.split(":", 1)
        asked.setdefault(rule, dict(asked[OTHER_RULES]))[name] = value
    return asked


def _mapping(values: Any) -> Resources:
    """A mapping, or Snakemake's other form for one, a list of `name=value`."""
    pairs = values.items() if isinstance(values, Mapping) else (str(pair).split("=", 1) for pair in values or [])
    return {str(name): str(value).strip("'\"") for name, value in pairs}


def wants_gpu(asked: Resources) -> bool:
    """Whether these resources hold a GPU, as `gpu` or as `gres`."""
    return asked.get("gpu", "0") != "0" or asked.get("gres", "").startswith("gpu")


def place_options(asked: Resources) -> list[str]:
    """Options of sbatch and srun that say where and as whom a job runs, as the plugin sets them."""
    names = ("slurm_account", "slurm_partition", "clusters", "qos", "constraint", "gres")
    options = [f"--{name.removeprefix('slurm_')}={asked[name]}" for name in names if asked.get(name)]
    if asked.get("gpu", "0") != "0":
        options.append("--gpus=" + ":".join(filter(None, [asked.get("gpu_model"), asked["gpu"]])))
    return options + shlex.split(asked.get("slurm_extra", ""))


def sbatch_options(asked: Resources, attempt: Attempt) -> list[str]:
    """Options of sbatch for resources at the first or the last attempt, memory (MB) and time (minutes) among them.

    Of expressions only `N`, `N * attempt` and `min(N * attempt, LIMIT)` are understood; others are left out.
    """
    options = place_options(asked)
    for option, name in (("--mem", "mem_mb"), ("--time", "runtime")):
        expression = asked.get(name, "").replace(" ", "")
        if amount := re.fullmatch(r"(?:min\()?(\d+)(?:\*attempt)?(?:,(\d+)\))?", expression):
            options.append(f"{option}={amount[1] if attempt == 'first' else amount[2] or amount[1]}")
    return options


def check_slurm(folder: Path | None, profile: Mapping[str, Any]) -> Iterator[Check]:
    """Yield the checks of SLURM; without a profile (`folder` is None) only whether there is one."""
    missing = [name for name in COMMANDS if not shutil.which(name)]
    if folder is None:
        found = "no SLURM" if missing else "to check a profile for SLURM: nasdmrl doctor --profile slurm"
        yield Check("SLURM", "ok", f"{found}; `snakemake all` runs on this machine")
        return
    if missing:
        fix = "run this on the cluster's login node; some sites want: module load slurm"
        yield Check("SLURM", "FAILED", f"not on the PATH: {', '.join(missing)}", fix)
        return
    if problem := ask(["squeue", "--me"], SECONDS).problem:
        fix = "see `scontrol ping`; if the controller is up, ask the cluster's support"
        yield Check("SLURM", "FAILED", f"`squeue` fails: {problem}", fix)
        return
    yield Check("SLURM", "ok", "answers")
    file = folder / "config.yaml"
    yield check_ends_of_jobs(file, profile)
    alike: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for rule, asked in resources_of_rules(profile).items():
        alike.setdefault((tuple(sbatch_options(asked, "first")), tuple(sbatch_options(asked, "last"))), []).append(rule)
    for (first, last), rules in alike.items():
        yield _check_request(file, rules, first, last)


def _check_request(file: Path, rules: list[str], first: tuple[str, ...], last: tuple[str, ...]) -> Check:
    """SLURM would take such a job (`sbatch --test-only`), at its first attempt and at its limits."""
    name, key, limits = "SLURM request", rules[0], " ".join(last)
    of_rules = ", ".join(rules[:3]) + (f" and {len(rules) - 3} more" if len(rules) > 3 else "")
    if refusal := _refusal(first):
        fix = f"change `{key}` in {file}; `sinfo` lists partitions, `sacctmgr show associations user=$USER` accounts; "
        fix += f"to try values: sbatch --test-only {shlex.join(first)} --wrap true"
        return Check(name, "FAILED", f"{of_rules}: refused: {refusal}", fix)
    if last != first and (refusal := _refusal(last)):
        fix = f"lower the limits of `{key}` in {file}, the second numbers; too much for this site: {limits}"
        return Check(name, "warning", f"{of_rules}: accepted at first, later attempts refused: {refusal}", fix)
    return Check(name, "ok", f"{of_rules}: accepted, up to {limits}")


def _refusal(options: tuple[str, ...]) -> str:
    """Why SLURM would not take such a job; empty where it would."""
    answer = ask(["sbatch", "--test-only", *options, "--wrap", "true"], SECONDS)
    return re.sub(r"^(allocation failure|sbatch: error): ", "", answer.problem)


def check_ends_of_jobs(file: Path, profile: Mapping[str, Any]) -> Check:
    """Snakemake learns how each job ended, by the command that the profile names for it."""
    name, command = "ends of jobs", profile.get("slurm-status-command", "sacct")
    if command != "squeue":
        found = f"Snakemake asks `{command}`, misreads its answer for a job that is cancelled by hand, and then hangs"
        return Check(name, "warning", found, f"write `slurm-status-command: squeue` into {file}")
    configuration = ask(["scontrol", "show", "config"], SECONDS).output
    age = re.search(r"^\s*MinJobAge\s*=\s*(\d+)", configuration, re.MULTILINE)
    if age and int(age[1]) >= REMEMBERED_SECONDS:
        return Check(name, "ok", f"squeue knows a job for {age[1]} s after its end (MinJobAge)")
    found = (
        f"squeue knows a job for {age[1] if age else 'unknown'} s after its end (MinJobAge); if Snakemake asks later, "
    )
    fix = f"ask the site's support to raise MinJobAge to SLURM's default of 300 s, at least {REMEMBERED_SECONDS} s"
    return Check(name, "warning", f"{found}it hangs", fix)

"""The jobs that a run would have, as Snakemake itself lists them in a dry run."""

import itertools
import json
import os
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nasdmrl.errors import NasdmrlError

PLUGIN_FOLDER = Path(__file__).parent / "logger"
Options = dict[str, str]


@dataclass(frozen=True)
class Job:
    """One job: its number, rule and wildcards, its shell command, and the numbers of the jobs that it waits for.

    threads: CPU threads on this machine; priority: Snakemake's; gpus: what the profile asks for.
    """

    number: int
    rule: str
    wildcards: dict[str, str]
    command: str
    threads: int = 1
    priority: int = 0
    gpus: int = 0
    needs: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """Rule and wildcards, for people."""
        return " ".join([self.rule, *self.wildcards.values()])

    @cached_property
    def call(self) -> tuple[str, list[str], Options]:
        """The command of `nasdmrl` that the job calls, its arguments and its options; empty where it calls none."""
        words = shlex.split(self.command)
        starts = [place for place, word in enumerate(words) if word.lstrip("(") == "nasdmrl"]
        return _parsed(words[starts[0] + 1 :]) if starts else ("", [], {})


def _parsed(words: list[str]) -> tuple[str, list[str], Options]:
    """The words of a command up to its redirection or the next command; an option without a value has an empty one."""
    arguments: list[str] = []
    options: Options = {}
    option = None
    for word in itertools.takewhile(lambda word: word not in (">", "&&"), words):
        if word.startswith("--"):
            option = word
            options[option] = ""
        elif option:
            options[option], option = word, None
        else:
            arguments.append(word)
    return arguments[0] if arguments else "", arguments[1:], options


def workflow_jobs(
    snakefile: Path, config: str | None, profile: Path | None = None, everything: bool = False
) -> list[Job]:
    """The jobs of `snakemake all` that are still to run in this folder, or all of them.

    Raises `NasdmrlError` where Snakemake is missing or refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "jobs.jsonl"
        _dry_run(_command(snakefile, config, profile, everything, listed))
        lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    return _linked([json.loads(line) for line in lines])


def _command(snakefile: Path, config: str | None, profile: Path | None, everything: bool, listed: Path) -> list[str]:
    command = ["snakemake", "all", "--dry-run", "--snakefile", str(snakefile), "--nolock"]
    command += ["--logger", "nasdmrl", "--logger-nasdmrl-jobs", str(listed)]
    command += ["--profile", str(profile)] if profile else []
    command += ["--forceall"] if everything else []
    return [*command, "--configfile", config] if config else command


def _dry_run(command: list[str]) -> None:
    path = os.pathsep.join([str(PLUGIN_FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    try:
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
    except FileNotFoundError as error:
        raise NasdmrlError("snakemake: not found; install the package's extra `workflow`, or activate it") from error
    if result.returncode != 0:
        said = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()]
        raise NasdmrlError("snakemake's dry run failed:\n" + "\n".join(said[-8:]))


def _linked(found: list[dict[str, Any]]) -> list[Job]:
    """Jobs whose needs are the jobs that make their inputs."""
    maker = {path: number for number, job in enumerate(found) for path in job.pop("outputs")}
    jobs = []
    for number, job in enumerate(found):
        needs = frozenset(maker[path] for path in job.pop("inputs") if path in maker)
        jobs.append(Job(number=number, needs=needs, **job))
    return jobs

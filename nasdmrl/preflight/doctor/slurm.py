"""Checks of SLURM: its commands, the controller, accounts, partitions, and each kind of request of a profile."""

import getpass
import re
import shlex
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasdmrl.preflight.doctor.checks import Check, failed, ok, warning
from nasdmrl.preflight.doctor.commands import Answer, ask
from nasdmrl.preflight.doctor.waiting import check_states
from nasdmrl.preflight.profiles import DEFAULTS, Kind, Resources, requests, wants_gpu

COMMANDS = ("sbatch", "squeue", "sacct", "sacctmgr", "scancel")
"""Those that Snakemake's SLURM plugin calls."""
SECONDS = 60.0
"""SLURM's commands try for 9 or 18 s to reach a controller that is down."""
OPTIONS = {
    "slurm_account": "--account={}",
    "slurm_partition": "--partition={}",
    "clusters": "--clusters={}",
    "qos": "--qos={}",
    "constraint": "--constraint={}",
    "gres": "--gres={}",
}
LOCALLY = "`snakemake all` runs on this machine"


def check_slurm(folder: Path | None, profile: dict[str, Any]) -> Iterator[Check]:
    """Yield the checks of SLURM; without a profile (`folder` is None) only whether there is one."""
    missing = [name for name in COMMANDS if not shutil.which(name)]
    if missing:
        yield _without(missing, folder)
        return
    controller = _controller(folder)
    yield controller
    if folder and controller.state == "ok":
        yield from _of_profile(Site.ask(), folder / "config.yaml", profile)


def _without(missing: list[str], folder: Path | None) -> Check:
    if folder is None and len(missing) == len(COMMANDS):
        return ok("SLURM", f"no SLURM here: {LOCALLY}")
    found = f"not on the PATH: {', '.join(missing)}"
    if folder is None:
        return warning("SLURM", f"{found}; {LOCALLY}", "to use a cluster, run this on its login node, with --profile")
    return failed("SLURM", found, "run this on the cluster's login node; some sites want: module load slurm")


def _controller(folder: Path | None) -> Check:
    answer = ask(["squeue", "--noheader", f"--user={getpass.getuser()}"], SECONDS)
    if not answer.problem:
        text = "" if folder else "; to check a profile for it: nasdmrl doctor --profile slurm"
        return ok("SLURM", f"answers, {len(answer.lines)} jobs of yours in the queue{text}")
    found = f"`squeue` fails: {answer.problem}"
    if folder is None:
        return warning("SLURM", f"{found}; {LOCALLY}", "to use the cluster, ask its support what this message means")
    return failed("SLURM", found, "see `scontrol ping`; if the controller is up, ask the cluster's support")


@dataclass(frozen=True)
class Partition:
    """A partition: its name, whether it takes jobs, its generic resources (`gpu:a100:4`), whether it's the default."""

    name: str
    up: bool
    gres: str
    default: bool


@dataclass(frozen=True)
class Site:
    """What SLURM says: the accounts (None where neither sacctmgr nor sshare answers), partitions, and sacct's answer.

    sinfo: its answer, of which the partitions are.
    """

    accounts: list[str] | None
    sinfo: Answer
    sacct: Answer

    @property
    def partitions(self) -> list[Partition]:
        """One for each kind of node of a partition."""
        rows = [line.split("|") for line in self.sinfo.lines]
        return [Partition(row[0].rstrip("*"), row[1] == "up", row[2], row[0].endswith("*")) for row in rows]

    @classmethod
    def ask(cls) -> "Site":
        """Ask SLURM's commands, for the accounts as the plugin does."""
        sinfo = ask(["sinfo", "--noheader", "--format=%P|%a|%G"], SECONDS)
        return cls(_accounts(), sinfo, ask(["sacct", "--noheader", "--allocations"], SECONDS))


def _accounts() -> list[str] | None:
    """The user's accounts, in lower case, as the plugin compares them."""
    of_user = ["sacctmgr", "-n", "-s", "list", "user", getpass.getuser(), "format=account%256"]
    answers = [ask(of_user, SECONDS)]
    if not answers[0].lines:
        answers.append(ask(["sshare", "-U", "--format", "Account%256", "--noheader"], SECONDS))
    if all(answer.problem for answer in answers):
        return None
    return sorted({line.lower() for answer in answers if not answer.problem for line in answer.lines})


def _of_profile(site: Site, file: Path, profile: dict[str, Any]) -> Iterator[Check]:
    kinds = requests(profile)
    account = _check_accounts(site, file, {asked.get("slurm_account", "") for _, asked in kinds} - {""})
    yield account
    yield check_states(file, profile, site.sacct)
    refused = yield from _check_partitions(site, file, kinds)
    if account.state == "ok":
        yield from (_check_request(file, *kind) for kind in kinds if _place(kind[1]) not in refused)


def _place(asked: Resources) -> tuple[str, str]:
    """Where such jobs run: partition, and kind of GPU."""
    return asked.get("slurm_partition", "").split(",")[0], _gpu(asked) if wants_gpu(asked) else ""


def _check_partitions(site: Site, file: Path, kinds: list[Kind]) -> Generator[Check, None, set[tuple[str, str]]]:
    """Yield a check for each partition and kind of GPU that jobs ask for; returns those that fail."""
    if site.sinfo.problem:
        yield warning("SLURM partition", f"`sinfo` fails: {site.sinfo.problem}", "see the requests below")
        return set()
    places: dict[tuple[str, str], Kind] = {}
    for rules, asked in kinds:
        places.setdefault(_place(asked), ([], asked))[0].extend(rules)
    checks = {place: _check_partition(site, file, *kind) for place, kind in places.items()}
    yield from checks.values()
    return {place for place, check in checks.items() if check.state == "FAILED"}


def _check_accounts(site: Site, file: Path, named: set[str]) -> Check:
    name, known = "SLURM account", ", ".join(site.accounts or ["none"])
    unknown = sorted(account for account in named if account.lower() not in (site.accounts or []))
    if not named:
        return ok(name, f"none named, so SLURM's default (yours: {known})")
    if site.accounts is None:
        cure = f"take slurm_account out of {file} and export SBATCH_ACCOUNT={unknown[0]}"
        return failed(name, "neither sacctmgr nor sshare answers, and the plugin then stops", cure)
    if site.accounts and unknown:
        return failed(
            name, f"`{unknown[0]}` is none of yours", f"write one of these as slurm_account in {file}: {known}"
        )
    return ok(name, ", ".join(sorted(named)))


def _check_partition(site: Site, file: Path, rules: list[str], asked: Resources) -> Check:
    """The partition is there, takes jobs, and has the GPUs that are asked of it."""
    name, named = "SLURM partition", asked.get("slurm_partition", "").split(",")[0]
    nodes = [node for node in site.partitions if (node.name == named if named else node.default)]
    known = ", ".join(dict.fromkeys(node.name for node in site.partitions)) or "none"
    if not nodes and not named:
        return failed(name, f"none named for {_of(rules)}, and no default", f"name one in {file}: {known}")
    if not nodes:
        return failed(name, f"there is no `{named}` (for {_of(rules)})", f"write one of these in {file}: {known}")
    title = f"`{nodes[0].name}`" if named else f"`{nodes[0].name}`, the default,"
    if not any(node.up for node in nodes):
        return failed(name, f"{title} takes no jobs now", f"wait, or write another into {file}: {known}")
    if wants_gpu(asked) and not any(_has_gpu(node, asked) for node in nodes):
        having = ", ".join(dict.fromkeys(node.name for node in site.partitions if _has_gpu(node, asked))) or "none"
        cure = f"set slurm_partition for the rules that train in {file}; with such GPUs: {having}"
        return failed(name, f"{title} has no {_gpu(asked)} (for {_of(rules)})", cure)
    return ok(name, f"{title} is up" + (f" and has {_gpu(asked)}" if wants_gpu(asked) else ""))


def _gpu(asked: Resources) -> str:
    model = asked.get("gpu_model") or asked.get("gres", "")
    return f"GPUs ({model})" if model else "GPUs"


def _has_gpu(node: Partition, asked: Resources) -> bool:
    """`gres: gpu:TYPE:N` and `gpu_model: TYPE` name a type; else any GPU will do."""
    type_of_gres = re.match(r"gpu:([A-Za-z]\w*)", asked.get("gres", ""))
    model = asked.get("gpu_model") or (type_of_gres[1] if type_of_gres else "")
    return bool(re.search(rf"\bgpu:{re.escape(model)}\b" if model else r"\bgpu\b", node.gres))


def _of(rules: list[str]) -> str:
    return ", ".join(rules[:3]) + (f" and {len(rules) - 3} more" if len(rules) > 3 else "")


def _check_request(file: Path, rules: list[str], asked: Resources) -> Check:
    """SLURM would take such a job (`sbatch --test-only`), at its first attempt and at its limits."""
    name, section = "SLURM request", "default-resources" if rules[0] == DEFAULTS else rules[0]
    first, last = slurm_options(asked, "first"), slurm_options(asked, "last")
    if refusal := _refusal(first):
        cure = f"change `{section}` in {file}; to try values: sbatch --test-only {shlex.join(first)} --wrap true"
        return failed(name, f"{_of(rules)}: refused: {refusal}", cure)
    if refusal := _refusal(last):
        cure = (
            f"lower the limits of `{section}` in {file}, the second numbers; too much for this site: {' '.join(last)}"
        )
        return warning(name, f"{_of(rules)}: accepted at first, later attempts refused: {refusal}", cure)
    return ok(name, f"{_of(rules)}: accepted, up to {' '.join(last)}")


def _refusal(options: list[str]) -> str:
    """Why SLURM would not take such a job; empty where it would."""
    answer = ask(["sbatch", "--test-only", *options, "--wrap", "true"], SECONDS)
    return re.sub(r"^(allocation failure|sbatch: error): ", "", answer.problem)


def slurm_options(asked: Resources, attempt: str, limits: bool = True) -> list[str]:
    """Options of sbatch and srun for resources, as the plugin sets them, at the `first` or `last` attempt.

    `limits`: with memory (MB) and time (minutes) where they are plain numbers, `N * attempt` or
    `min(N * attempt, LIMIT)`; other expressions are left out.
    """
    options = [option.format(asked[name]) for name, option in OPTIONS.items() if asked.get(name)]
    if "gpu" in asked and wants_gpu(asked):
        model = asked.get("gpu_model")
        options.append(f"--gpus={model}:{asked['gpu']}" if model else f"--gpus={asked['gpu']}")
    amounts = {"--mem": _amount(asked, "mem_mb", attempt), "--time": _amount(asked, "runtime", attempt)}
    options += [f"{name}={amount}" for name, amount in amounts.items() if amount and limits]
    return [*options, *shlex.split(asked.get("slurm_extra", ""))]


def _amount(asked: Resources, name: str, attempt: str) -> str:
    text = asked.get(name, "").replace(" ", "")
    known = re.fullmatch(r"(?:min\()?(\d+)(?:\*attempt)?(?:,(\d+)\))?", text)
    return "" if known is None else known[1] if attempt == "first" else known[2] or known[1]

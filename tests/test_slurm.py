"""The SLURM profile at the paper's scale: what it asks of sbatch for each kind of job, shown by a stub."""

import os
import re
import shutil
import stat
import subprocess

import pytest
import yaml
from stub_programs import program

STUBS = {  # what SLURM's commands answer; sbatch refuses, so that nothing runs
    "sbatch": "exit 1",
    "sacctmgr": "echo my_account",
    **dict.fromkeys(("sacct", "scontrol", "sinfo", "squeue", "scancel"), "exit 0"),
}
FOLDERS = ("/records", "/images", "/policy")
SEED = "seed1024/steps.csv"
TARGETS = {  # of rules that do not wait for each other, in two calls
    "random_search": f"results/exp1/random_search/vgg_flower/{SEED}",
    "dqn": f"results/exp1/dqn/dtd/{SEED}",
    "evaluate_policy": f"results/exp2/meta_a2c/aircraft/{SEED}",
    "multi_branch": f"results/exp3/sigma0.1/omniglot/{SEED}",
    "hardness_study": f"results/appendix_a/meta_a2c/dtd/{SEED}",
    "long_training": "results/exp2/long/aircraft/vgg19_cut/repeat0/epochs.csv",
    "convert": "results/data/traffic_sign/records",
    "prewarm_task": "results/prewarm/cu_birds/part3.csv",
}
LATER = {
    "meta_a2c": f"results/exp1/meta_a2c/dtd/{SEED}",
    "decode": "results/data/cu_birds/images",
    "dataset_table": "results/tables/table3.csv",
}
SEARCHES = {"random_search", "dqn", "meta_a2c", "evaluate_policy", "multi_branch", "hardness_study"}
TRAIN = {*SEARCHES, "prewarm_task", "long_training"}


@pytest.fixture(scope="module")
def profile(root, tmp_path_factory):
    """A copy of the profile as a site edits it: with account and partitions."""
    folder = tmp_path_factory.mktemp("profile")
    text = (root / "slurm/config.yaml").read_text()
    edited, changes = re.subn(r"# (slurm_(account|partition): \w+)", r"\1", text)
    assert changes == 3
    (folder / "config.yaml").write_text(edited.replace("configfile: ", f"configfile: {root}/"))
    return folder


def stub_slurm(folder):
    """SLURM's commands; each notes its arguments."""
    folder.mkdir()
    for name, answer in STUBS.items():
        (folder / name).write_text(f'#!/bin/sh\necho "$*" >> {folder}/{name}.calls\n{answer}\n')
        (folder / name).chmod(stat.S_IRWXU)
    return folder


def placeholders(snakemake, config, folder):
    """Make every output of the workflow, empty and of one age, so that a job is where its inputs are."""
    command = [*snakemake, "all", "--summary", "--configfile", config]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    paths = [folder / line.split("\t")[0] for line in lines.splitlines()[1:]]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if str(path).endswith(FOLDERS) else path.touch()
    for path in paths:
        os.utime(path, (1e9, 1e9))


def sbatch_calls(root, folder, profile, targets):
    """What Snakemake calls sbatch with for these targets, when all that they need is there."""
    snakemake = [shutil.which("snakemake"), "--snakefile", f"{root}/workflow/Snakefile", "--directory", str(folder)]
    placeholders(snakemake, f"{root}/config/paper.yaml", folder)
    stubs = stub_slurm(folder / "bin")
    command = [*snakemake, *targets, "--force", "--profile", str(profile), "--retries", "0"]
    command += ["--cores", "64"]  # of a login node: Snakemake gives no job more threads than that
    command += ["--slurm-init-seconds-before-status-checks", "1", "--rerun-triggers", "mtime"]
    environment = {**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}"}
    subprocess.run(command, capture_output=True, env=environment, cwd=root)
    return (stubs / "sbatch.calls").read_text()


@pytest.fixture(scope="module")
def submitted(root, profile, tmp_path_factory):
    """The options of sbatch for each rule."""
    groups = (("first", TARGETS), ("second", LATER))
    calls = "".join(
        sbatch_calls(root, tmp_path_factory.mktemp(name), profile, targets.values()) for name, targets in groups
    )
    jobs = [line.split(" --wrap")[0] for line in calls.splitlines() if "--comment" in line]
    return {re.search(r"--comment rule_(\w+?)(_wildcards|\s)", job)[1]: job for job in jobs}


def test_every_kind_of_job_is_submitted(submitted):
    assert set(submitted) == {*TARGETS, *LATER}


@pytest.mark.parametrize("rule", sorted({*TARGETS, *LATER}))
def test_sbatch_gets_gpu_time_memory_account_and_partition(submitted, rule):
    options = submitted[rule]
    assert ("--gpus=1" in options) == (rule in TRAIN)
    assert re.search(r"-p '?gpu'?( |$)" if rule in TRAIN else r"-p '?cpu'?( |$)", options)
    assert re.search(r"-A '?my_account'?( |$)", options)
    assert f"--cpus-per-task={4 if rule in {*TRAIN, 'convert', 'decode'} else 1}" in options
    minutes, megabytes = (int(re.search(rf"{option} (\d+)", options)[1]) for option in ("-t", "--mem"))
    expected = {**dict.fromkeys(TRAIN, (1440, 16000)), "convert": (240, 8000), "decode": (240, 8000)}
    assert (minutes, megabytes) == expected.get(rule, (60, 4000))


def test_more_with_each_attempt_up_to_a_limit(root):
    profile = yaml.safe_load((root / "slurm/config.yaml").read_text())
    asked = profile["set-resources"]["meta_a2c"]
    assert values(asked, "mem_mb", (1, 2, 5)) == [16000, 32000, 64000]
    assert values(asked, "runtime", (1, 2, 5)) == [1440, 2880, 4320]
    kinds = [profile["default-resources"], *profile["set-resources"].values()]
    requests = [(kind, name) for kind in kinds for name in ("mem_mb", "runtime") if name in kind]
    assert len(requests) >= 15
    for kind, name in requests:
        first, last, beyond = values(kind, name, (1, profile["retries"], 1000))
        assert first < last == beyond


def values(asked, name, attempts):
    """What the attempts ask for."""
    return [eval(str(asked[name]), {"attempt": attempt, "min": min}) for attempt in attempts]


def test_jobs_are_single_and_requeued_where_they_are_preempted(submitted):
    for options in submitted.values():
        assert "--requeue" in options
        assert "--array" not in options


@pytest.mark.parametrize(("time", "requeued"), [("2020-02-20T20:20:20", True), ("None", False)])
def test_a_preempted_job_asks_to_be_requeued(root, tmp_path, time, requeued):
    """SLURM ends a job by SIGTERM, also one that is cancelled by hand, which must not come back. Its result stays."""
    stub = program(tmp_path, "scontrol", f'echo "$*" >> {tmp_path}/calls; echo PreemptTime={time}')
    precommand = yaml.safe_load((root / "slurm/config.yaml").read_text())["precommand"]
    wrapped = subprocess.check_output(f'printf %s "{precommand}"', shell=True, text=True)  # as in --wrap="..."
    environment = {"PATH": f"{os.path.dirname(stub)}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    result = subprocess.run(["sh", "-c", f"{wrapped} && kill -TERM $$ && exit 3"], env=environment)
    assert result.returncode == 3
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["show job 7"] + ["requeue 7"] * requeued


def calls_of_edited(root, folder, *edits):
    """What sbatch is called with for one job that trains, by a profile with these texts replaced by others."""
    text = (root / "slurm/config.yaml").read_text().replace("configfile: ", f"configfile: {root}/")
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "profile").mkdir()
    (folder / "profile/config.yaml").write_text(text)
    return sbatch_calls(root, folder, folder / "profile", [TARGETS["hardness_study"]])


def test_one_setting_makes_it_gres(root, tmp_path):
    """`gres: '"gpu:1"'` in place of `gpu: 1`, as the profile says."""
    calls = calls_of_edited(root, tmp_path, ("    gpu: 1\n", "    gres: '\"gpu:1\"'\n"))
    assert "--gres=gpu:1" in calls
    assert "--gpus" not in calls


def test_quality_of_service_kind_of_gpu_and_a_name_quoted_twice(root, tmp_path):
    taken = [(f"# {key}:", f"{key}:") for key in ("qos", "gpu_model", "constraint")]
    calls = calls_of_edited(root, tmp_path, ("# slurm_partition: gpu", "slurm_partition: '\"all\"'"), *taken)
    assert all(option in calls for option in ("-p all ", "--qos=normal", "--gpus=a100:1", "-C a100 "))

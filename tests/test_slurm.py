"""The SLURM profile at the paper's scale: what it asks of sbatch for each kind of job, shown by a stub."""

import os
import re
import shutil
import stat
import subprocess

import pytest
import yaml

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
}
LATER = {
    "meta_a2c": f"results/exp1/meta_a2c/dtd/{SEED}",
    "decode": "results/data/cu_birds/images",
    "dataset_table": "results/tables/table3.csv",
}
TRAIN = {"random_search", "dqn", "meta_a2c", "evaluate_policy", "multi_branch", "hardness_study", "long_training"}


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


@pytest.fixture(scope="module")
def submitted(root, profile, tmp_path_factory):
    """The options of sbatch for each rule."""
    folder, calls = tmp_path_factory.mktemp("run"), ""
    snakemake = [shutil.which("snakemake"), "--snakefile", f"{root}/workflow/Snakefile", "--directory", str(folder)]
    placeholders(snakemake, f"{root}/config/paper.yaml", folder)
    for name, targets in (("first", TARGETS), ("second", LATER)):
        stubs = stub_slurm(tmp_path_factory.mktemp(name) / "bin")
        command = [*snakemake, *targets.values(), "--force", "--profile", str(profile), "--retries", "0"]
        command += ["--cores", "64"]  # of a login node: Snakemake gives no job more threads than that
        command += ["--slurm-init-seconds-before-status-checks", "1", "--rerun-triggers", "mtime"]
        path = f"{stubs}:{os.environ['PATH']}"
        subprocess.run(command, capture_output=True, env={**os.environ, "PATH": path}, cwd=root)
        calls += (stubs / "sbatch.calls").read_text()
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
    assert f"--cpus-per-task={4 if rule in {*TRAIN, 'decode'} else 1}" in options
    minutes, megabytes = (int(re.search(rf"{option} (\d+)", options)[1]) for option in ("-t", "--mem"))
    expected = {**dict.fromkeys(TRAIN, (1440, 16000)), "convert": (240, 8000), "decode": (240, 8000)}
    assert (minutes, megabytes) == expected.get(rule, (60, 4000))


def test_more_with_each_attempt_up_to_a_limit(root):
    asked = yaml.safe_load((root / "slurm/config.yaml").read_text())["set-resources"]["meta_a2c"]
    memory, minutes = (
        [eval(str(asked[name]), {"attempt": attempt, "min": min}) for attempt in (1, 2, 5)]
        for name in ("mem_mb", "runtime")
    )
    assert (memory, minutes) == ([16000, 32000, 64000], [1440, 2880, 4320])

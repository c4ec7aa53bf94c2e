"""Runs of the workflow on the test cluster: how they are started, and what SLURM's accounting says of them."""

import csv
import os
import re
import subprocess
import time
from collections import Counter
from pathlib import Path

from nasdmrl.agents.search import TIME_COLUMNS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CLUSTER = ["bash", str(HERE / "cluster.sh")]
TINY = {  # evaluations of half a second; searches and trainings long enough to be met while they run
    "data": "{source: standin, image_size: 16, classes: 3, images_per_class: 30, require_official_counts: false}",
    "early_stop": "{epochs: 150, filters: 4, dense_units: 8, batch_size: 32}",
    "exp1": "{meta_a2c: {omniglot: 40, vgg_flower: 40, dtd: 40}, dqn: {omniglot: 9, vgg_flower: 9, dtd: 9},"
    " random_search: {omniglot: 9, vgg_flower: 9, dtd: 80}}",
    "exp2": "{evaluation_steps: 10, epochs: 20, repeats: 2, vgg_filters: 8, dense_units: 64}",
    "resources": "{search_threads: 1, data_threads: 1}",
}
SEARCH = "results/exp1/random_search/dtd/seed1024/steps.csv"
POLICY = "results/exp1/meta_a2c/{}/seed1024/policy/weights.npy"
TARGETS = [
    SEARCH,
    "results/exp2/meta_a2c/aircraft/seed1024/steps.csv",
    "results/exp2/long/aircraft/vgg19_cut/repeat0/epochs.csv",
]
TRAINING_RULES = {
    *("random_search", "dqn", "meta_a2c", "evaluate_policy", "multi_branch", "hardness_study"),
    *("prewarm_task", "long_training"),
}


def command(folder, targets, *options, config=TINY):
    """The command of a run in a folder."""
    snakemake = ["snakemake", *targets, "--snakefile", f"{ROOT}/workflow/Snakefile", "--directory", str(folder)]
    values = [f"{key}={value}" for key, value in config.items()]
    return [*snakemake, *options, "--configfile", f"{ROOT}/config/quick.yaml", *(["--config", *values] * bool(values))]


def on_slurm(profile):
    """Options of a run under SLURM that notices the end of short jobs soon."""
    return ["--profile", str(profile), "--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "10"]


def without_slurm(folder, targets, config=TINY):
    """Run on this machine alone."""
    subprocess.run(command(folder, targets, "--cores", "2", config=config), check=True, cwd=ROOT)
    return folder


def jobs_of(folder):
    """Accounting's jobs that worked in a folder: state, allocated resources, rule."""
    command = ["sacct", "-X", "-n", "-P", "--format=JobID,State,AllocTRES,Comment,WorkDir"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [row for row in (line.split("|") for line in text.splitlines()) if row[4] == str(folder)]
    return [
        (state.split()[0], resources, re.search(r"rule_(\w+?)(_wildcards|$)", note)[1])
        for _, state, resources, note, _ in rows
    ]


def check_gpus(jobs):
    """The rules that train asked for a GPU, the others for none."""
    for _, resources, rule in jobs:
        assert ("gres/gpu=1" in resources) == (rule in TRAINING_RULES), (rule, resources)


def log_without_times(path):
    """Rows of a step log or of a long training's log, times left out."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key not in (*TIME_COLUMNS, "seconds")} for row in rows]


def assert_same_results(first, second, targets):
    """Logs alike but for times, policies byte for byte."""
    for target in targets:
        assert log_without_times(first / target) == log_without_times(second / target)
    for dataset in ("omniglot", "vgg_flower", "dtd"):
        policy = POLICY.format(dataset)
        assert (first / policy).exists() == (second / policy).exists()
        assert not (first / policy).exists() or (first / policy).read_bytes() == (second / policy).read_bytes()


def keys_of(folder):
    """Keys of all evaluations that were ever stored, one for each time."""
    lines = [line for path in folder.glob("results/store/*.jsonl") for line in path.read_text().splitlines()]
    return [line.split('"')[3] for line in lines if line.startswith('{"key"')]


def say(title, folder, start):
    """Print a run's figures."""
    states = Counter(state for state, _, _ in jobs_of(folder))
    keys = keys_of(folder)
    assert keys
    jobs = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    print(f"{title}: {time.monotonic() - start:.0f} s; jobs: {jobs}; {len(keys)} evaluations stored, "
          f"{len(keys) - len(set(keys))} of them again")  # fmt: skip


def wait_until(condition, seconds=240):
    """Wait for a condition and return what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError("what was waited for did not happen")


def running(folder, rule):
    """Number of a running job of a rule, or nothing."""
    text = subprocess.run(["squeue", "-h", "-t", "R", "-o", "%i|%k|%Z"], capture_output=True, text=True).stdout
    rows = [line.split("|") for line in text.splitlines()]
    return next((row[0] for row in rows if row[1].startswith(f"rule_{rule}") and row[2] == str(folder)), None)


def processes_on(node, word=""):
    """Numbers of the `nasdmrl` processes of jobs on a node whose command has a word."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = len(words) > 2 and words[1].endswith(b"/nasdmrl") and (not word or word.encode() in words)
        if ours and f"SLURMD_NODENAME={node}".encode() in environment:
            found.append(int(folder.name))
    return found


def kill(processes):
    """SIGKILL; a process that has just ended is no error."""
    for process in processes:
        try:
            os.kill(process, 9)
        except ProcessLookupError:
            continue

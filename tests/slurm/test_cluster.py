"""The workflow on a real SLURM of three nodes on this machine, undisturbed and with faults: `make test-slurm`.

Needs root and `tests/slurm/cluster.sh install`; takes about ten minutes. Without SLURM it is skipped.
"""

import csv
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from nasdmrl.search import TIME_COLUMNS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CLUSTER = ["bash", str(HERE / "cluster.sh")]
TINY = [  # evaluations of half a second; searches and trainings long enough to be met while they run
    "data={source: standin, image_size: 16, classes: 3, images_per_class: 30, require_official_counts: false}",
    "early_stop={epochs: 2, filters: 4, dense_units: 8, batch_size: 32}",
    "exp1={meta_a2c: {omniglot: 40, vgg_flower: 40, dtd: 40}, dqn: {omniglot: 9, vgg_flower: 9, dtd: 9},"
    " random_search: {omniglot: 9, vgg_flower: 9, dtd: 80}}",
    "exp2={evaluation_steps: 10, epochs: 20, repeats: 2, vgg_filters: 8, dense_units: 64}",
    "resources={search_threads: 1, data_threads: 1}",
]
SEARCH = "results/exp1/random_search/dtd/seed1024"
POLICY = "results/exp1/meta_a2c/{}/seed1024/policy/weights.npy"
FIXED = "results/exp2/meta_a2c/aircraft/seed1024"
LONG = "results/exp2/long/aircraft/vgg19_cut/repeat0/epochs.csv"
TRAINING_RULES = {"random_search", "meta_a2c", "evaluate_policy", "long_training"}
TARGETS = [f"{SEARCH}/steps.csv", f"{FIXED}/steps.csv", LONG]

pytestmark = pytest.mark.skipif(
    not shutil.which("slurmctld") or os.geteuid() != 0, reason="no SLURM: `tests/slurm/cluster.sh install`, as root"
)


@pytest.fixture(scope="module")
def cluster():
    """A running cluster."""
    subprocess.run([*CLUSTER, "stop"], check=True)  # what an interrupted test may have left
    subprocess.run([*CLUSTER, "start"], check=True)
    yield
    subprocess.run([*CLUSTER, "stop"], check=True)


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """The profile as a site edits it; with the memory of these small nodes, and a minute for random search."""
    text = (ROOT / "slurm/config.yaml").read_text().replace("configfile: config/paper.yaml\n", "")
    text = text.replace("# slurm_account: my_account", "slurm_account: nasdmrl")
    text = re.sub(r"# (slurm_partition: \w+)", r"\1", text)
    text = re.sub(r"mem_mb: [^\n,}]*( attempt|\))(, 64000\))?", "mem_mb: 1200", text)
    text = text.replace("  dqn: *training", "  dqn: {gpu: 1, slurm_partition: gpu, mem_mb: 1200, runtime: 30}", 1)
    folder = tmp_path_factory.mktemp("profile")
    (folder / "config.yaml").write_text(text)
    return folder


def command(folder, targets, *options):
    snakemake = ["snakemake", *targets, "--snakefile", f"{ROOT}/workflow/Snakefile", "--directory", str(folder)]
    return [*snakemake, *options, "--configfile", f"{ROOT}/config/quick.yaml", "--config", *TINY]


def on_slurm(profile, *more):
    return ["--profile", str(profile), "--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "10", *more]


def jobs_of(folder):
    """Accounting's jobs that worked in a folder: state, allocated resources, rule."""
    command = ["sacct", "-X", "-n", "-P", "--format=JobID,State,AllocTRES,Comment,WorkDir"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [row for row in (line.split("|") for line in text.splitlines()) if row[4] == str(folder)]
    return [
        (state, resources, re.search(r"rule_(\w+?)(_wildcards|$)", note)[1]) for _, state, resources, note, _ in rows
    ]


def log_without_times(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key not in (*TIME_COLUMNS, "seconds")} for row in rows]


def assert_same_results(first, second):
    for target in TARGETS:
        assert log_without_times(first / target) == log_without_times(second / target)
    for dataset in ("omniglot", "vgg_flower", "dtd"):
        assert (first / POLICY.format(dataset)).read_bytes() == (second / POLICY.format(dataset)).read_bytes()


def repeated_keys(folder):
    """How many evaluations the store holds more than once."""
    lines = [line for path in folder.glob("results/store/*.jsonl") for line in path.read_text().splitlines()]
    keys = [line.split('"')[3] for line in lines if line.startswith('{"key"')]
    assert keys
    return len(keys) - len(set(keys))


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The results of a run without SLURM."""
    folder = tmp_path_factory.mktemp("calm")
    subprocess.run(command(folder, TARGETS, "--cores", "2"), check=True, cwd=ROOT)
    return folder


def test_every_job_runs_under_slurm_and_gives_the_same(cluster, profile, calm, tmp_path):
    subprocess.run(command(tmp_path, TARGETS, *on_slurm(profile)), check=True, cwd=ROOT)
    assert_same_results(calm, tmp_path)
    jobs = jobs_of(tmp_path)
    assert {state for state, _, _ in jobs} == {"COMPLETED"}
    rules = [rule for _, _, rule in jobs]
    assert len(rules) >= 18 or "array" in str(rules)
    for _, resources, rule in jobs:
        assert ("gres/gpu=1" in resources) == (
            rule in ("random_search", "meta_a2c", "evaluate_policy", "long_training")
        )


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


def process_of(text):
    """Number of a process whose command has all of these words in it, or nothing."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 2 and words[1].endswith(b"/nasdmrl") and text.encode() in words:
            return int(path.parent.name)
    return None


def test_faults_change_nothing(cluster, profile, calm, tmp_path):
    """A cancelled search, a killed training, a node that dies with its job: the run ends by itself, with the same."""
    run = subprocess.Popen(command(tmp_path, TARGETS, *on_slurm(profile)), cwd=ROOT)
    job = wait_until(lambda: running(tmp_path, "random_search"))
    wait_until(lambda: (tmp_path / "results/store").exists())
    time.sleep(10)
    subprocess.run(["scancel", job], check=True)
    os.kill(wait_until(lambda: process_of("retrain")), signal.SIGKILL)
    wait_until(lambda: running(tmp_path, "meta_a2c"))
    time.sleep(5)
    subprocess.run(["pkill", "-9", "-f", "slurmd -N gpu1"], check=True)
    subprocess.run(["pkill", "-9", "-x", "nasdmrl"])
    time.sleep(5)
    subprocess.run(["slurmd", "-N", "gpu1"], check=True)
    assert run.wait(timeout=900) == 0
    assert_same_results(calm, tmp_path)
    states = {state.split()[0] for state, _, _ in jobs_of(tmp_path)}
    assert "CANCELLED" in states
    assert states & {"FAILED", "NODE_FAIL"}
    # Only what was in training at a kill may have been computed again.
    assert repeated_keys(tmp_path) == 0

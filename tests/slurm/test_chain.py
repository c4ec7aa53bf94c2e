"""A chain of searches and a long training on a real SLURM: undisturbed, and with faults. About a quarter of an hour."""

import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from runs import (
    ROOT,
    SEARCH,
    TARGETS,
    TINY,
    assert_same_results,
    check_gpus,
    command,
    jobs_of,
    keys_of,
    kill,
    log_without_times,
    on_slurm,
    processes_on,
    running,
    say,
    wait_until,
    without_slurm,
)


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The results of a run without SLURM."""
    return without_slurm(tmp_path_factory.mktemp("calm"), TARGETS)


def test_every_job_runs_under_slurm_and_gives_the_same(cluster, profile, calm, tmp_path):
    start = time.monotonic()
    subprocess.run(command(tmp_path, TARGETS, *on_slurm(profile)), check=True, cwd=ROOT)
    say("undisturbed", tmp_path, start)
    assert_same_results(calm, tmp_path, TARGETS)
    jobs = jobs_of(tmp_path)
    assert {state for state, _, _ in jobs} == {"COMPLETED"}
    assert len(jobs) == 18
    check_gpus(jobs)
    assert len(keys_of(tmp_path)) == len(set(keys_of(tmp_path)))


def test_faults_change_nothing(cluster, profile, calm, tmp_path):
    """A cancelled search, a killed training, a node that dies with its jobs: the run ends by itself, with the same."""
    start = time.monotonic()
    run = subprocess.Popen(command(tmp_path, TARGETS, *on_slurm(profile)), cwd=ROOT)
    job = wait_until(lambda: running(tmp_path, "random_search"))
    wait_until(lambda: keys_of(tmp_path))
    time.sleep(2)
    subprocess.run(["scancel", job], check=True)
    kill(wait_until(lambda: processes_on("gpu1", "retrain")))
    wait_until(lambda: running(tmp_path, "meta_a2c"))
    time.sleep(5)
    kill([int((Path(tempfile.gettempdir()) / "nasdmrl-slurm/slurmd-gpu1.pid").read_text())])
    kill(processes_on("gpu1"))
    time.sleep(5)
    subprocess.run(["slurmd", "-N", "gpu1"], check=True)
    assert run.wait(timeout=900) == 0
    say("scancel, SIGKILL, a dead node", tmp_path, start)
    assert_same_results(calm, tmp_path, TARGETS)
    states = {state for state, _, _ in jobs_of(tmp_path)}
    assert "CANCELLED" in states
    assert states & {"FAILED", "NODE_FAIL"}
    # Only what was in training at a kill may have been computed again.
    assert len(keys_of(tmp_path)) == len(set(keys_of(tmp_path)))


def test_a_drained_node_gets_no_new_job_and_loses_none(cluster, profile, calm, tmp_path):
    """One of two CPU nodes is drained while jobs run, and comes back at the end."""
    start = time.monotonic()
    run = subprocess.Popen(command(tmp_path, TARGETS, *on_slurm(profile)), cwd=ROOT)
    wait_until(lambda: running(tmp_path, "draw_standins"))
    subprocess.run(["scontrol", "update", "NodeName=cpu1", "State=DRAIN", "Reason=test"], check=True)
    assert run.wait(timeout=900) == 0
    subprocess.run(["scontrol", "update", "NodeName=cpu1", "State=RESUME"], check=True)
    say("a drained node", tmp_path, start)
    assert_same_results(calm, tmp_path, TARGETS)


def test_a_walltime_of_a_minute_on_a_search_of_three(cluster, minute_profile, tmp_path, tmp_path_factory):
    """It is killed again and again, goes on each time, and ends with the same; the site takes --gres."""
    config = TINY | {"early_stop": "{epochs: 1800, filters: 8, dense_units: 8, batch_size: 32}"}
    calm = without_slurm(tmp_path_factory.mktemp("calm"), [SEARCH], config)
    needed = seconds_spent(calm / SEARCH)
    assert needed > 150, f"the search takes only {needed:.0f} s: make it longer"
    start = time.monotonic()
    subprocess.run(command(tmp_path, [SEARCH], *on_slurm(minute_profile), config=config), check=True, cwd=ROOT)
    say(f"a search of {needed:.0f} s with a walltime of a minute", tmp_path, start)
    assert_same_results(calm, tmp_path, [SEARCH])
    jobs = jobs_of(tmp_path)
    check_gpus(jobs)
    states = [state for state, _, rule in jobs if rule == "random_search"]
    assert states.count("TIMEOUT") >= 2
    assert states.count("COMPLETED") == 1
    assert len(keys_of(tmp_path)) == len(set(keys_of(tmp_path)))


def test_a_preempted_search_is_tried_again(cluster, preempted_profile, calm, tmp_path):
    start = time.monotonic()
    run = subprocess.Popen(command(tmp_path, [SEARCH], *on_slurm(preempted_profile)), cwd=ROOT)
    job = wait_until(lambda: running(tmp_path, "random_search"))
    wait_until(lambda: keys_of(tmp_path))
    urgent = ["sbatch", "--partition=urgent", "--mem=7000", "--output=/dev/null", "--wrap", "sleep 5"]
    subprocess.run(urgent, check=True, cwd=tmp_path.parent)
    wait_until(lambda: running(tmp_path, "random_search") != job)
    assert run.wait(timeout=600) == 0
    say("preempted", tmp_path, start)
    assert log_without_times(calm / SEARCH) == log_without_times(tmp_path / SEARCH)
    first, second = states_of(job)
    assert first in ("PREEMPTED", "REQUEUED")
    assert second == "COMPLETED"
    assert len(keys_of(tmp_path)) == len(set(keys_of(tmp_path)))


def states_of(job):
    """Accounting's states of a job, one for each time that it was started."""
    command = ["sacct", "-X", "-n", "-P", "--format=State", f"--jobs={job}", "--duplicates"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def seconds_spent(log):
    """What the steps of a search took."""
    lines = log.read_text().splitlines()
    return sum(float(line.rsplit(",", 1)[1]) for line in lines[1:])

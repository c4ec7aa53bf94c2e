"""The cluster of the tests, and profiles as sites edit them. Skipped where SLURM is not installed."""

import os
import re
import shutil
import subprocess

import pytest
from runs import CLUSTER, ROOT


@pytest.fixture(scope="session")
def cluster():
    """A running cluster."""
    if not shutil.which("slurmctld") or os.geteuid() != 0:
        pytest.skip("no SLURM: `tests/slurm/cluster.sh install`, as root")
    subprocess.run([*CLUSTER, "stop"], check=True)  # what an interrupted test may have left
    subprocess.run([*CLUSTER, "start"], check=True)
    yield
    subprocess.run([*CLUSTER, "stop"], check=True)


@pytest.fixture(scope="session")
def profile_text():
    """The profile as a site edits it, with the memory of these small nodes."""
    text = (ROOT / "slurm/config.yaml").read_text().replace("configfile: config/paper.yaml\n", "")
    text = text.replace("# slurm_account: my_account", "slurm_account: nasdmrl")
    text = re.sub(r"# (slurm_partition: \w+)", r"\1", text)
    return re.sub(r'mem_mb: ("?)min\([^)]*\)\1', "mem_mb: 1200", text)


@pytest.fixture
def profile(profile_text, tmp_path_factory):
    """Folder of that profile."""
    return written(profile_text, tmp_path_factory)


@pytest.fixture
def minute_profile(profile_text, tmp_path_factory):
    """The same for a site that takes --gres, and with a walltime of one minute for every job that trains."""
    text = profile_text.replace("    gpu: 1\n", "    gres: '\"gpu:1\"'\n")
    return written(text.replace("min(1440 * attempt, 4320)", "1"), tmp_path_factory)


@pytest.fixture(params=["cancelled", "requeued"])
def preempted_profile(profile_text, tmp_path_factory, request):
    """The same for a site that preempts what trains, and cancels or requeues it then."""
    text = profile_text.replace("    gpu: 1\n", "").replace("slurm_partition: gpu", f"slurm_partition: {request.param}")
    return written(text, tmp_path_factory)


def written(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("profile")
    (folder / "config.yaml").write_text(text)
    return folder

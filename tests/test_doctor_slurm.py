"""`nasdmrl doctor` and SLURM: profiles, sites that lack something, and compute nodes, by stub programs."""

import socket
from pathlib import Path

import pytest
from stub_programs import empty_path, failing, program

from nasdmrl.config.model import Config
from nasdmrl.errors import NasdmrlError
from nasdmrl.preflight.doctor import nodes, slurm
from nasdmrl.preflight.doctor.checks import guarded
from nasdmrl.preflight.doctor.waiting import check_arrays, most_jobs
from nasdmrl.preflight.profiles import config_file, read_profile, requests, wants_gpu

PROFILE = {
    "slurm-status-command": "squeue",
    "default-resources": {"slurm_account": "lab", "slurm_partition": "cpu", "mem_mb": "min(4000 * attempt, 9000)"},
    "set-resources": {
        "dqn": {"gpu": 1, "slurm_partition": "gpu", "runtime": "60 * attempt"},
        "decode": {"mem_mb": 500},
    },
}
SLURM = {  # what a healthy site answers; sbatch notes its arguments
    "sbatch": 'echo "$*" >> {folder}/calls',
    "squeue": "true",
    "sacct": "true",
    "sacctmgr": "echo ' Lab'; echo other",
    "scancel": "true",
    "scontrol": "echo 'SlurmctldPort = 6817'; echo 'MinJobAge               = 300 sec'",
    "sinfo": "echo 'cpu*|up|(null)'; echo 'gpu|up|gpu:a100:4(S:0-1)'; echo 'old|down|gpu:k40:1'",
    "sshare": "true",
}


@pytest.fixture
def bin_folder(tmp_path, monkeypatch):
    """An empty folder that is the whole PATH."""
    return empty_path(tmp_path, monkeypatch)


def site(folder, **changes):
    """A site's SLURM commands, some of them changed; None leaves one out."""
    for name, body in {**SLURM, **changes}.items():
        if body is not None:
            program(folder, name, body.format(folder=folder))


def slurm_checks(tmp_path, profile=PROFILE):
    return list(slurm.check_slurm(tmp_path / "profile", profile))


def test_profile_as_mappings_and_as_lists_ask_for_the_same():
    lists = {
        "default-resources": ["mem_mb=4000", "slurm_account='lab'"],
        "set-resources": ["dqn:gpu=1", "dqn:mem_mb=9000", "meta_a2c:gpu=1", "meta_a2c:mem_mb=9000"],
    }
    large = {"gpu": 1, "mem_mb": 9000}
    mappings = {
        "default-resources": {"mem_mb": 4000, "slurm_account": "lab"},
        "set-resources": {"dqn": large, "meta_a2c": large},
    }
    assert requests(lists) == requests(mappings)
    (_, small), (rules, asked) = requests(lists)
    assert (rules, asked) == (["dqn", "meta_a2c"], {"mem_mb": "9000", "slurm_account": "lab", "gpu": "1"})
    assert (wants_gpu(small), wants_gpu(asked), wants_gpu({"gres": "gpu:1"})) == (False, True, True)


def test_the_repositorys_profile(root):
    profile = read_profile(root / "slurm")
    assert config_file(profile) == "config/paper.yaml"
    assert [wants_gpu(asked) for rules, asked in requests(profile) if "meta_a2c" in rules] == [True]


@pytest.mark.parametrize(("text", "message"), [("a: [", "is not YAML"), ("- a", "expected keys"), (None, "cannot be")])
def test_profile_that_cannot_be_read(tmp_path, text, message):
    if text:
        (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(NasdmrlError, match=message):
        read_profile(tmp_path)


def test_no_slurm_is_no_failure_without_a_profile(bin_folder):
    (check,) = slurm.check_slurm(None, {})
    assert (check.state, "`snakemake all` runs on this machine" in check.found) == ("ok", True)


def test_no_slurm_is_a_failure_with_a_profile(bin_folder, tmp_path):
    check = failing(slurm_checks(tmp_path))
    assert (check.state, "sbatch, squeue, sacct, sacctmgr, scancel" in check.found) == ("FAILED", True)


def test_healthy_site(bin_folder, tmp_path):
    site(bin_folder)
    checks = slurm_checks(tmp_path)
    assert {check.state for check in checks} == {"ok"}
    tried = (bin_folder / "calls").read_text()
    assert "--account=lab --partition=gpu --gpus=1 --mem=4000 --time=60 --wrap true" in tried
    assert "--account=lab --partition=gpu --gpus=1 --mem=9000 --time=60 --wrap true" in tried
    assert all(line.startswith("--test-only") for line in tried.splitlines())


def test_controller_that_fails_and_one_that_hangs(bin_folder, tmp_path, monkeypatch):
    site(bin_folder, squeue="echo 'Unable to contact slurm controller' >&2; exit 1")
    assert "Unable to contact slurm controller" in failing(slurm_checks(tmp_path)).found
    assert failing(slurm.check_slurm(None, {})).state == "warning"
    monkeypatch.setattr(slurm, "SECONDS", 0.3)
    site(bin_folder, squeue="sleep 60")
    assert "no answer within 0.3 s" in failing(slurm_checks(tmp_path)).found


@pytest.mark.parametrize(
    ("changes", "name", "found", "cure"),
    [
        ({"sacct": None}, "SLURM", "not on the PATH: sacct", "login node"),
        ({"sacctmgr": "echo other"}, "SLURM account", "`lab` is none of yours", "other"),
        ({"sacctmgr": "exit 1", "sshare": "exit 1"}, "SLURM account", "neither", "SBATCH_ACCOUNT=lab"),
        ({"sinfo": "echo 'cpu*|up|(null)'"}, "SLURM partition", "there is no `gpu` (for dqn)", "cpu"),
        ({"sinfo": "echo 'cpu*|up|'; echo 'gpu|up|tape:1'"}, "SLURM partition", "has no GPUs", "such GPUs: none"),
        ({"sinfo": "echo 'cpu*|up|'; echo 'gpu|down|gpu:1'"}, "SLURM partition", "takes no jobs", "cpu, gpu"),
        (
            {"sbatch": "case $* in *gpus*) echo no quota; exit 1;; esac"},
            "SLURM request",
            "dqn: refused: no quota",
            "dqn",
        ),
    ],
)
def test_site_that_lacks_something(bin_folder, tmp_path, changes, name, found, cure):
    site(bin_folder, **changes)
    check = failing(slurm_checks(tmp_path))
    assert (check.state, check.name) == ("FAILED", name)
    assert found in check.found
    assert cure in check.cure


def test_limits_beyond_the_sites_are_a_warning(bin_folder, tmp_path):
    site(bin_folder, sbatch="case $* in *mem=9000*) echo too much memory; exit 1;; esac")
    checks = [check for check in slurm_checks(tmp_path) if check.name == "SLURM request"]
    assert [check.state for check in checks] == ["warning", "warning", "ok"]
    assert "too much memory" in checks[0].found
    assert "`default-resources`" in checks[0].cure


FAILING = "echo 'accounting storage is disabled'; exit 1"
OF_SACCT = {"slurm-status-command": "sacct"}
ARRAYS = {"slurm-array-jobs": "decode"}


def age(seconds):
    return f"echo 'MinJobAge = {seconds} sec'"


@pytest.mark.parametrize(
    ("changes", "site_changes", "state", "found", "cure"),
    [
        ({}, {"sacct": FAILING}, "ok", "squeue, which knows a job for 300 s", ""),
        (ARRAYS, {"scontrol": age(240)}, "ok", "240 s", ""),
        ({}, {"scontrol": age(130)}, "warning", "waits for ever", "support to raise MinJobAge"),
        (
            {},
            {"scontrol": age(60)},
            "warning",
            "sacct is asked (MinJobAge is 60 s, it must be 120 s)",
            "raise MinJobAge",
        ),
        ({}, {"scontrol": "exit 1"}, "warning", "does not say MinJobAge", "see what it says"),
        (ARRAYS, {"scontrol": None}, "FAILED", "an array's last task", "slurm-array-jobs out"),
        (ARRAYS, {"scontrol": age(60)}, "FAILED", "an array's last task", "slurm-array-jobs out"),
        ({"slurm-init-seconds-before-status-checks": 150}, {}, "warning", "must be 450 s", "status-checks: 100`"),
        (OF_SACCT, {"sacct": FAILING}, "FAILED", "accounting storage is disabled", "slurm-status-command: squeue"),
        (OF_SACCT, {}, "warning", "cancelled by hand", "slurm-status-command: squeue"),
        (OF_SACCT | ARRAYS, {}, "FAILED", "an array's last task", "slurm-status-command: squeue"),
    ],
)
def test_how_the_ends_of_jobs_are_learned(bin_folder, tmp_path, changes, site_changes, state, found, cure):
    site(bin_folder, **site_changes)
    checks = slurm_checks(tmp_path, {**PROFILE, **changes})
    (check,) = [check for check in checks if check.name == "SLURM job states"]
    assert (check.state, found in check.found, cure in check.cure) == (state, True, True)
    assert {check.state for check in checks if check.name != "SLURM job states"} == {"ok"}


HELD = {"jobs": 1000, "max-jobs-per-timespan": "1000/1s", "slurm-array-limit": 20, **ARRAYS}


@pytest.mark.parametrize(
    ("changes", "found", "cure"),
    [
        ({"jobs": 100}, "`jobs: 100` may hold back", "`jobs: 1000`"),
        ({"jobs": "100", "max-jobs-per-timespan": "50/1m"}, "`jobs: 100`, `max-jobs-per-timespan: 50/1m`", "out"),
        ({"max-jobs-per-timespan": None}, "`max-jobs-per-timespan: 100/1s`", "`max-jobs-per-timespan: 1000/1s`"),
        ({"resources": ["gpu=4"]}, "`resources` may hold back", "no resources"),
        ({"slurm-array-limit": None}, "`slurm-array-limit: 1000`", "`slurm-array-limit: 20`"),
    ],
)
def test_array_jobs_that_would_not_all_be_submitted(changes, found, cure):
    profile = {key: value for key, value in {**HELD, **changes}.items() if value is not None}
    check = failing(check_arrays(Path("slurm/config.yaml"), profile, Config()))
    assert (check.state, found in check.found, cure in check.cure) == ("FAILED", True, True)
    assert list(check_arrays(Path("slurm/config.yaml"), {**profile, "slurm-array-jobs": ""}, Config())) == []


@pytest.mark.parametrize("jobs", [most_jobs(Config()), "unlimited"])
def test_array_jobs_that_are_all_submitted(jobs):
    (check,) = check_arrays(Path("slurm/config.yaml"), {**HELD, "jobs": jobs}, Config())
    assert check.state == "ok"


@pytest.mark.parametrize(
    ("gpu", "state"),
    [({"gres": "gpu:a100:1"}, "ok"), ({"gpu": 1, "gpu_model": "a100"}, "ok"), ({"gres": "gpu:k40:1"}, "FAILED")],
)
def test_type_of_gpu(bin_folder, tmp_path, gpu, state):
    site(bin_folder)
    profile = {**PROFILE, "set-resources": {"dqn": {"slurm_partition": "gpu", **gpu}}}
    found = [check.state for check in slurm_checks(tmp_path, profile) if "`gpu`" in check.found]
    assert found == [state]


def test_type_of_the_file_system_of_a_path():
    mounts = "/dev/vda / ext4 rw 0 0\nnas:/home /home nfs4 rw 0 0\nnas:/x /home/my\\040work lustre rw 0 0\n"
    kinds = [nodes.file_system_type(Path(path), mounts) for path in ("/opt", "/home/me", "/home/my work/a")]
    assert kinds == ["ext4", "nfs4", "lustre"]


DROP_OPTIONS = 'while [ "${1#-}" != "$1" ]; do shift; done'


def node_checks(folder, profile=None):
    return list(nodes.check_nodes(profile or {"default-resources": {"slurm_partition": "cpu"}}, folder))


def test_node_that_sees_everything(bin_folder, tmp_path):
    program(bin_folder, "srun", f'{DROP_OPTIONS}; exec "$@"')
    (check,) = node_checks(tmp_path / "results")
    assert check.state == "ok"
    assert check.found.startswith(f"--partition=cpu: on {socket.gethostname()}: nasdmrl ")
    assert not (tmp_path / "results").exists()


def test_node_without_the_environment_and_node_with_another_disk(bin_folder, tmp_path, monkeypatch):
    program(bin_folder, "srun", "echo 'execve(): python: No such file or directory' >&2; exit 2")
    assert "does not see" in failing(node_checks(tmp_path)).cure
    monkeypatch.setattr(nodes, "SEEN_SECONDS", 0.3)
    elsewhere = (
        f'{DROP_OPTIONS}; python=$1; shift 4; exec "$python" -m nasdmrl.preflight.doctor.exchange {tmp_path}/x "$@"'
    )
    program(bin_folder, "srun", elsewhere)
    check = failing(node_checks(tmp_path))
    assert (check.state, "nothing seen" in check.found, "share" in check.cure) == ("FAILED", True, True)


def test_srun_that_is_not_there(bin_folder, tmp_path):
    (check,) = guarded("srun", nodes.check_nodes, {}, tmp_path)
    assert (check.state, "leave out --srun" in check.found) == ("FAILED", True)

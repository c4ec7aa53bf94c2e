"""`nasdmrl doctor` and SLURM: profiles, sites that lack something, and compute doctor, by stub programs."""

import socket

import pytest
from stub_programs import empty_path, failing, program

from nasdmrl.errors import NasdmrlError
from nasdmrl.preflight import doctor, slurm
from nasdmrl.preflight.checks import guarded

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
    "sacctmgr": "true",
    "scancel": "true",
    "scontrol": "echo 'SlurmctldPort = 6817'; echo 'MinJobAge               = 300 sec'",
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
    assert slurm.resources_of_rules(lists) == slurm.resources_of_rules(mappings)
    small = {"mem_mb": "4000", "slurm_account": "lab"}
    asked = {"mem_mb": "9000", "slurm_account": "lab", "gpu": "1"}
    assert slurm.resources_of_rules(lists) == {slurm.OTHER_RULES: small, "dqn": asked, "meta_a2c": asked}
    wanting = [slurm.wants_gpu(resources) for resources in (small, asked, {"gres": "gpu:1"})]
    assert wanting == [False, True, True]


def test_the_repositorys_profile(root):
    profile = slurm.read_profile(root / "slurm")
    assert slurm.config_file(profile) == "config/paper.yaml"
    asked = slurm.resources_of_rules(profile)["meta_a2c"]
    assert slurm.wants_gpu(asked)
    assert slurm.sbatch_options(asked, "first") == ["--gpus=1", "--mem=16000", "--time=1440"]
    assert slurm.sbatch_options(asked, "last") == ["--gpus=1", "--mem=64000", "--time=4320"]


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        ({"gpu": "1", "gpu_model": "a100"}, ["--gpus=a100:1"]),
        ({"gres": "gpu:a100:1", "qos": "long"}, ["--qos=long", "--gres=gpu:a100:1"]),
        ({"slurm_extra": "--nice=10 --exclusive"}, ["--nice=10", "--exclusive"]),
        ({"mem_mb": "500", "runtime": "60 * attempt"}, ["--mem=500", "--time=60"]),
        ({"mem_mb": "input.size_mb"}, []),
    ],
)
def test_options_of_sbatch(asked, options):
    assert slurm.sbatch_options(asked, "first") == options


@pytest.mark.parametrize(("text", "message"), [("a: [", "is not YAML"), ("- a", "expected keys"), (None, "cannot be")])
def test_profile_that_cannot_be_read(tmp_path, text, message):
    if text:
        (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(NasdmrlError, match=message):
        slurm.read_profile(tmp_path)


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
    assert tried.splitlines() == [
        f"--test-only --account=lab {options} --wrap true"
        for options in (
            *("--partition=cpu --mem=4000", "--partition=cpu --mem=9000"),
            *("--partition=gpu --gpus=1 --mem=4000 --time=60", "--partition=gpu --gpus=1 --mem=9000 --time=60"),
            "--partition=cpu --mem=500",  # the same at each attempt, so asked once
        )
    ]


def test_controller_that_fails_and_one_that_hangs(bin_folder, tmp_path, monkeypatch):
    site(bin_folder, squeue="echo 'Unable to contact slurm controller' >&2; exit 1")
    assert "Unable to contact slurm controller" in failing(slurm_checks(tmp_path)).found
    monkeypatch.setattr(slurm, "SECONDS", 0.3)
    site(bin_folder, squeue="sleep 60")
    assert "no answer within 0.3 s" in failing(slurm_checks(tmp_path)).found


def test_program_of_slurm_that_is_not_there(bin_folder, tmp_path):
    site(bin_folder, sacct=None)
    check = failing(slurm_checks(tmp_path))
    assert (check.state, check.found) == ("FAILED", "not on the PATH: sacct")


def test_request_that_is_refused(bin_folder, tmp_path):
    site(bin_folder, sbatch="case $* in *gpus*) echo 'sbatch: error: no quota'; exit 1;; esac")
    check = failing(slurm_checks(tmp_path))
    assert (check.state, check.name, check.found) == ("FAILED", "SLURM request", "dqn: refused: no quota")
    assert "change `dqn`" in check.fix
    assert "sbatch --test-only --account=lab --partition=gpu --gpus=1 --mem=4000 --time=60 --wrap true" in check.fix


def test_limits_beyond_the_sites_are_a_warning(bin_folder, tmp_path):
    site(bin_folder, sbatch="case $* in *mem=9000*) echo too much memory; exit 1;; esac")
    checks = [check for check in slurm_checks(tmp_path) if check.name == "SLURM request"]
    assert [check.state for check in checks] == ["warning", "warning", "ok"]
    assert "too much memory" in checks[0].found
    assert "`default-resources`" in checks[0].fix


@pytest.mark.parametrize(
    ("command", "scontrol", "state", "found"),
    [
        ("squeue", "echo 'MinJobAge = 300 sec'", "ok", "for 300 s"),
        ("squeue", "echo 'MinJobAge = 130 sec'", "warning", "it hangs"),
        ("squeue", "exit 1", "warning", "unknown"),
        ("sacct", "echo 'MinJobAge = 300 sec'", "warning", "cancelled by hand"),
    ],
)
def test_how_the_ends_of_jobs_are_learned(bin_folder, tmp_path, command, scontrol, state, found):
    site(bin_folder, scontrol=scontrol)
    checks = slurm_checks(tmp_path, {**PROFILE, "slurm-status-command": command})
    (check,) = [check for check in checks if check.name == "ends of jobs"]
    assert (check.state, found in check.found, bool(check.fix)) == (state, True, state != "ok")
    assert {check.state for check in checks if check.name != "ends of jobs"} == {"ok"}


DROP_OPTIONS = 'while [ "${1#-}" != "$1" ]; do shift; done'


def node_checks(folder, profile=None):
    return list(doctor.check_nodes(profile or {"default-resources": {"slurm_partition": "cpu"}}, folder))


def test_node_that_sees_everything(bin_folder, tmp_path):
    program(bin_folder, "srun", f'{DROP_OPTIONS}; exec "$@"')
    (check,) = node_checks(tmp_path / "results")
    assert check.state == "ok"
    assert check.found.startswith(f"--partition=cpu: on {socket.gethostname()}: nasdmrl ")
    assert not (tmp_path / "results").exists()


def test_node_without_the_environment_and_node_with_another_disk(bin_folder, tmp_path, monkeypatch):
    program(bin_folder, "srun", "echo 'execve(): python: No such file or directory' >&2; exit 2")
    assert "the nodes share" in failing(node_checks(tmp_path)).fix
    monkeypatch.setattr(doctor, "SEEN_SECONDS", 0.3)
    elsewhere = f'{DROP_OPTIONS}; python=$1; shift 4; exec "$python" -m nasdmrl.preflight.doctor {tmp_path}/x "$@"'
    program(bin_folder, "srun", elsewhere)
    check = failing(node_checks(tmp_path))
    assert (check.state, "nothing seen" in check.found, "share" in check.fix) == ("FAILED", True, True)


def test_srun_that_is_not_there(bin_folder, tmp_path):
    (check,) = guarded("srun", doctor.check_nodes, {}, tmp_path)
    assert (check.state, "leave out --srun" in check.found) == ("FAILED", True)

"""`nasdmrl doctor`: each failing check provoked, where possible for real, and the good case on this machine."""

import http.server
import itertools
import json
import os
import subprocess
import sys
import threading
import time

import pytest
import yaml
from stub_programs import empty_path, failing, program

from nasdmrl.config.model import from_dict
from nasdmrl.data.archives import ArchiveFile
from nasdmrl.errors import NasdmrlError
from nasdmrl.preflight.doctor import software
from nasdmrl.preflight.doctor.archives import address_problem, check_archives
from nasdmrl.preflight.doctor.checks import guarded
from nasdmrl.preflight.doctor.commands import ask
from nasdmrl.preflight.doctor.examination import Examination, examine
from nasdmrl.preflight.doctor.exchange import exchange
from nasdmrl.preflight.doctor.storage import check_file_system
from nasdmrl.software import versions

SUBSETS = {"require_official_counts": False}


@pytest.fixture
def bin_folder(tmp_path, monkeypatch):
    """An empty folder that is the whole PATH."""
    return empty_path(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("number", "wanted", "holds"),
    [
        ("3.11.7", ">=3.11,<3.14", True),
        ("3.10.9", ">=3.11,<3.14", False),
        ("3.14.0", "<3.14,>=3.11", False),
        ("2.21.3", "==2.21.*", True),
        ("2.20.0", "==2.21.*", False),
        ("9.27.1", ">=9.3,<10", True),
        ("10.0", ">=9.3,<10", False),
    ],
)
def test_versions(number, wanted, holds):
    assert software.satisfies(number, wanted) is holds


def test_snakemake_that_is_not_on_the_path(bin_folder):
    assert "activate" in failing([software.check_packages()]).cure


@pytest.mark.parametrize(
    ("body", "found", "cure"),
    [
        ("sleep 60", "no answer within 0.5 s", "faster file system"),
        ("kill -ILL $$", "killed by SIGILL", "AVX"),
        ("kill -SEGV $$", "killed by SIGSEGV", "rm -rf .venv"),
        ("echo \"ModuleNotFoundError: No module named 'tensorflow'\" >&2; exit 1", "No module", "make install"),
        ('echo \'{"version": "2.5.0", "cuda": true, "gpus": []}\'', "2.5.0 where the package wants ==", "make install"),
    ],
)
def test_tensorflow_that_hangs_crashes_or_is_another(tmp_path, body, found, cure):
    check = failing([software.check_tensorflow(False, program(tmp_path, "python", body), 0.5)])
    assert check.state == "FAILED"
    assert found in check.found
    assert cure in check.cure


def fake_tensorflow(folder, **known):
    """A Python whose TensorFlow has the right version and says this of itself."""
    right = software.requirement("tensorflow").strip("=*.") + ".9"
    return program(folder, "python", f"echo '{json.dumps({'version': right, 'cuda': False, 'gpus': [], **known})}'")


def test_gpus_found_missed_and_asked_for(bin_folder):
    def check(gpus_wanted, **known):
        return software.check_tensorflow(gpus_wanted, fake_tensorflow(bin_folder, **known), 5)

    assert "no GPU on this machine" in check(False).found
    assert "built for the CPU" in failing([check(True)]).found
    assert failing([check(True)]).cure == "bash envs/gpu.sh"
    assert check(True, cuda=True).state == "ok"
    program(bin_folder, "nvidia-smi", "echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'")
    missed = failing([check(False)])
    assert (missed.state, "NVIDIA H100" in missed.found, missed.cure == "bash envs/gpu.sh") == ("warning", True, True)
    assert "driver" in failing([check(False, cuda=True)]).cure
    assert "1 GPU: NVIDIA H100" in check(False, cuda=True, gpus=["NVIDIA H100"]).found


def test_time_limit_holds_for_what_a_program_starts(tmp_path):
    script = program(tmp_path, "parent", f"sleep 60 & echo $! > {tmp_path}/child; wait")
    assert "no answer" in ask([script], 0.5).problem
    child = int((tmp_path / "child").read_text())
    for _ in range(100):  # until it is reaped
        if not alive(child):
            break
        time.sleep(0.05)
    assert not alive(child)


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def archive_checks(folder, **data):
    settings = from_dict({"data": {"source": "archives", "archives": str(folder), **data}}, "test")
    return {check.name: check for check in check_archives(settings, folder, offline=False)}


@pytest.fixture
def copied(standins, tmp_path):
    """A copy of the stand-ins' archives, made of links that a test may replace."""
    folder = tmp_path / "archives"
    folder.mkdir()
    for path in standins.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def test_archives_that_are_there(copied):
    checks = archive_checks(copied, **SUBSETS)
    assert {check.state for check in checks.values()} == {"ok"}
    assert "16 classes, 640 images (officially 47 and 5,640)" in checks["dtd"].found


def test_archives_of_another_size_than_the_official(copied):
    check = archive_checks(copied)["dtd"]
    assert (check.state, "the official file 625,239,812" in check.found) == ("FAILED", True)


def test_archive_missing_and_archive_cut_short(copied):
    (copied / "imagelabels.mat").unlink()
    cut = (copied / "dtd-r1.0.1.tar.gz").read_bytes()[:-100_000]
    (copied / "dtd-r1.0.1.tar.gz").unlink()
    (copied / "dtd-r1.0.1.tar.gz").write_bytes(cut)
    checks = archive_checks(copied, **SUBSETS)
    assert "lacks imagelabels.mat" in checks["vgg_flower"].found
    assert "imagelabels.mat" in checks["vgg_flower"].cure
    assert "damaged or cut short" in checks["dtd"].found
    assert [name for name, check in checks.items() if check.state == "FAILED"] == ["vgg_flower", "dtd"]


def test_a_dataset_of_ones_own(tmp_path):
    for name in ("cat/1.jpg", "cat/2.jpg", "cat/3.jpg", "dog/1.jpg", "dog/2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    settings = from_dict({"data": {"source": "standin", "own": {"pets": str(tmp_path)}}}, "test")
    assert "dog: 2 images" in list(check_archives(settings, tmp_path, False))[-1].found
    (tmp_path / "dog/3.png").touch()
    assert "2 classes, 6 images" in list(check_archives(settings, tmp_path, False))[-1].found


class Server(http.server.BaseHTTPRequestHandler):
    """Offers ten bytes at every address but one."""

    def do_HEAD(self):
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Length", "10")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def test_addresses():
    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    assert address_problem(ArchiveFile(f"{base}/a.zip", 10)) == ""
    assert "404" in address_problem(ArchiveFile(f"{base}/gone", 10))
    assert "offers 10 bytes, the official file has 99" in address_problem(ArchiveFile(f"{base}/a.zip", 99))
    server.shutdown()
    server.server_close()
    assert "no connection to 127.0.0.1" in address_problem(ArchiveFile(f"{base}/a.zip", 10))


def test_offline_says_what_there_is_to_download(tmp_path):
    (check,) = check_archives(from_dict({}, "test"), tmp_path, offline=True)
    assert check.state == "warning"
    assert "8 files to download, 5,166 MB" in check.found
    assert "NASDMRL_ARCHIVES" in check.cure


def test_file_system_of_this_machine_and_nothing_stays(tmp_path):
    assert check_file_system(tmp_path / "new/results").state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "results").touch()
    (check,) = guarded("results folder", check_file_system, tmp_path / "results")
    assert (check.state, "--folder" in check.found) == ("FAILED", True)


def test_nothing_seen_of_the_other(tmp_path):
    with pytest.raises(NasdmrlError, match="nothing seen within 0.1 s"):
        exchange(tmp_path, "mine", "other", 0.1)


def test_an_exception_in_a_check_is_a_failed_check():
    (check,) = guarded("name", lambda: 1 / 0)
    assert (check.name, check.state, "ZeroDivisionError" in check.found) == ("name", "FAILED", True)


def doctor(*arguments, cwd, path):
    command = [sys.executable, "-m", "nasdmrl.cli", "doctor", *map(str, arguments)]
    environment = {**os.environ, "PATH": str(path)}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


def test_all_is_good_on_this_machine(root, tmp_path):
    """Without SLURM's commands, which this machine may have without a cluster."""
    path, tensorflow = os.path.dirname(sys.executable), versions()["tensorflow"]
    result = doctor("--folder", tmp_path / "results", cwd=root, path=path)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line[:8].strip() for line in lines[:-1] if not line.startswith(" ")] == ["ok"] * 8
    assert f"ok       TensorFlow         {tensorflow}, no GPU on this machine" in result.stdout
    assert lines[-1] == "8 checks: 0 FAILED, 0 with a warning"
    assert "\x1b" not in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_profile_for_a_cluster_without_slurm_fails_with_its_cures(root, tmp_path):
    result = doctor("--profile", "slurm", "--offline", cwd=root, path=os.path.dirname(sys.executable))
    assert (result.returncode, result.stderr) == (1, "")
    assert "ok       configuration      config/paper.yaml" in result.stdout
    assert "FAILED   SLURM              not on the PATH: sbatch" in result.stdout
    assert "module load slurm" in result.stdout


def test_configuration_and_profile_that_cannot_be_read_leave_the_other_checks(tmp_path):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"date": 1}))
    what = Examination(str(tmp_path / "c.yaml"), tmp_path / "nowhere", tmp_path / "results")
    profile, configuration, python, packages = itertools.islice(examine(what), 4)
    assert (profile.state, "cannot be read" in profile.found) == ("FAILED", True)
    assert (configuration.state, "did you mean `data`" in configuration.found) == ("FAILED", True)
    assert (python.name, python.state, packages.state) == ("Python", "ok", "ok")

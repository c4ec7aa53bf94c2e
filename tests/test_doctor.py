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
from nasdmrl.preflight import doctor
from nasdmrl.preflight.checks import ask, guarded
from nasdmrl.software import versions

SUBSETS = {"require_official_counts": False}


@pytest.fixture
def bin_folder(tmp_path, monkeypatch):
    """An empty folder that is the whole PATH."""
    return empty_path(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("number", "fails"),
    [("3.11.7", False), ("3.13.0", False), ("3.10.9", True), ("3.14.0", True)],
)
def test_python_of_another_version_and_snakemake_that_is_not_on_the_path(bin_folder, monkeypatch, number, fails):
    monkeypatch.setattr("platform.python_version", lambda: number)
    check = failing([doctor.check_software()])
    assert (f"Python {number} (needed: " in check.found, "activate" not in check.fix) == (fails, fails)


def test_packages_that_are_missing_or_old(monkeypatch):
    versions = {"snakemake": "9.2.0", "papermill": "2.7.0", "snakemake-executor-plugin-slurm": ""}
    monkeypatch.setattr(doctor, "_installed", versions.get)
    check = failing([doctor.check_software()])
    assert "snakemake 9.2.0 (needed: <10,>=9.3); snakemake-executor-plugin-slurm is missing" in check.found
    assert "papermill" not in check.found


@pytest.mark.parametrize(
    ("body", "found", "fix"),
    [
        ("sleep 60", "no answer within 0.5 s", "import tensorflow"),
        ("kill -ILL $$", "killed by SIGILL", "AVX"),
        ("kill -SEGV $$", "killed by SIGSEGV", "rm -rf .venv"),
        ("echo \"ModuleNotFoundError: No module named 'tensorflow'\" >&2; exit 1", "No module", "make install"),
        ('echo \'{"version": "2.5.0", "cuda": true, "gpus": []}\'', "2.5.0 where the package wants ==", "make install"),
    ],
)
def test_tensorflow_that_hangs_crashes_or_is_another(tmp_path, body, found, fix):
    seconds = 0.5 if "sleep" in body else 60
    check = failing([doctor.check_tensorflow(False, program(tmp_path, "python", body), seconds)])
    assert check.state == "FAILED"
    assert found in check.found
    assert fix in check.fix


def fake_tensorflow(folder, **known):
    """A Python whose TensorFlow has the right version and says this of itself."""
    right = doctor.wanted_version("tensorflow").strip("=*.") + ".9"
    return program(folder, "python", f"echo '{json.dumps({'version': right, 'cuda': False, 'gpus': [], **known})}'")


def test_gpus_found_missed_and_asked_for(bin_folder):
    def check(gpus_wanted, **known):
        return doctor.check_tensorflow(gpus_wanted, fake_tensorflow(bin_folder, **known), 60)

    assert "no GPU on this machine" in check(False).found
    assert "built for the CPU" in failing([check(True)]).found
    assert "bash envs/gpu.sh" in failing([check(True)]).fix
    assert check(True, cuda=True).state == "ok"
    program(bin_folder, "nvidia-smi", "echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'")
    missed = failing([check(False)])
    assert (missed.state, missed.found.endswith("does: GPU 0: NVIDIA H100"), "driver" in missed.fix) == (
        ("warning", True, True)
    )
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
    return {check.name: check for check in doctor.check_archives(settings, folder, offline=False)}


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
    assert "16 classes, 640 images (not the official files, which hold 47 and 5,640)" in checks["dtd"].found


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
    assert "imagelabels.mat" in checks["vgg_flower"].fix
    assert "damaged or cut short" in checks["dtd"].found
    assert [name for name, check in checks.items() if check.state == "FAILED"] == ["vgg_flower", "dtd"]


def test_a_custom_dataset(tmp_path):
    for name in ("cat/1.jpg", "cat/2.jpg", "cat/3.jpg", "dog/1.jpg", "dog/2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    settings = from_dict({"data": {"source": "standin", "own": {"pets": str(tmp_path)}}}, "test")
    assert "dog: 2 images" in list(doctor.check_archives(settings, tmp_path, False))[-1].found
    (tmp_path / "dog/3.png").touch()
    assert "2 classes, 6 images" in list(doctor.check_archives(settings, tmp_path, False))[-1].found


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
    assert doctor.address_problem(ArchiveFile(f"{base}/a.zip", 10)) == ""
    assert "404" in doctor.address_problem(ArchiveFile(f"{base}/gone", 10))
    assert "offers 10 bytes, the official file has 99" in doctor.address_problem(ArchiveFile(f"{base}/a.zip", 99))
    server.shutdown()
    server.server_close()
    assert "no connection to 127.0.0.1" in doctor.address_problem(ArchiveFile(f"{base}/a.zip", 10))


def test_offline_says_what_there_is_to_download(tmp_path):
    (check,) = doctor.check_archives(from_dict({}, "test"), tmp_path, offline=True)
    assert check.state == "warning"
    assert "8 files to download, 5,166 MB" in check.found
    assert "NASDMRL_ARCHIVES" in check.fix


def test_file_system_of_this_machine_and_nothing_stays(tmp_path):
    assert doctor.check_shared_folder(tmp_path / "new/results").state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "results").touch()
    (check,) = guarded("results folder", doctor.check_shared_folder, tmp_path / "results")
    assert (check.state, "--folder" in check.fix) == ("FAILED", True)


def test_nothing_seen_of_the_other(tmp_path):
    with pytest.raises(NasdmrlError, match="nothing seen within 0.1 s"):
        doctor.exchange(tmp_path, "mine", "other", 0.1)


def test_an_exception_in_a_check_is_a_failed_check():
    (check,) = guarded("name", lambda: 1 / 0)
    assert (check.name, check.state, "ZeroDivisionError" in check.found) == ("name", "FAILED", True)


@pytest.mark.parametrize("state", ["ok", "FAILED"])
def test_snakemakes_cache_that_can_and_cannot_be_written(tmp_path, monkeypatch, state):
    """A file where the folder should be, which stops the superuser too. Snakemake then ends in a traceback, indeed."""
    if state == "FAILED":
        (tmp_path / "cache").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    check = doctor.check_snakemake_cache()
    assert check.state == state
    assert str(tmp_path / "cache/snakemake") in check.found
    assert check.fix.startswith("export XDG_CACHE_HOME=" if state == "FAILED" else "")
    (tmp_path / "Snakefile").write_text("rule a:\n    shell: 'true'\n")
    command = [sys.executable, "-m", "snakemake", "--dry-run"]
    run = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert ("Traceback" in run.stdout) == (run.returncode != 0) == (state == "FAILED")


def call_doctor(*arguments, cwd, path):
    command = [sys.executable, "-m", "nasdmrl.cli", "doctor", *map(str, arguments)]
    environment = {**os.environ, "PATH": str(path)}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


def test_all_is_good_on_this_machine(root, tmp_path):
    """Without SLURM's commands, which this machine may have without a cluster."""
    path, tensorflow = os.path.dirname(sys.executable), versions()["tensorflow"]
    result = call_doctor("--folder", tmp_path / "results", cwd=root, path=path)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line[:8].strip() for line in lines[:-1] if not line.startswith(" ")] == ["ok"] * 9
    assert f"ok       TensorFlow         {tensorflow}, no GPU on this machine" in result.stdout
    assert lines[-1] == "9 checks: 0 FAILED, 0 with a warning"
    assert "\x1b" not in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_profile_for_a_cluster_without_slurm_fails_with_its_fixes(root, tmp_path):
    result = call_doctor("--profile", "slurm", "--offline", cwd=root, path=os.path.dirname(sys.executable))
    assert (result.returncode, result.stderr) == (1, "")
    assert "ok       configuration      config/paper.yaml" in result.stdout
    assert "FAILED   SLURM              not on the PATH: sbatch" in result.stdout
    assert "module load slurm" in result.stdout


@pytest.mark.parametrize("profile", [None, "nowhere"])
def test_what_cannot_be_read_leaves_the_other_checks(tmp_path, profile):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"date": 1}))
    checks = doctor.examine(str(tmp_path / "c.yaml"), profile and tmp_path / profile, tmp_path / "results")
    configuration, software = itertools.islice(checks, 2)
    assert configuration.state == "FAILED"
    assert ("cannot be read" if profile else "did you mean `data`") in configuration.found
    assert (software.name, software.state) == ("software", "ok")

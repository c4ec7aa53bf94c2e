"""The troubleshooting page: every message on it is provoked and printed as it says."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import stripes
from stub_programs import program
from test_downloads import Handler, archive

from nasdmrl.config.sections import LongRecipe
from nasdmrl.data.download import fetch
from nasdmrl.errors import NasdmrlError
from nasdmrl.training import TRAINING_FORMAT
from nasdmrl.training.checkpoints import FORMAT, save_checkpoint
from nasdmrl.training.long import retrain

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/troubleshooting.md"
VARIABLES = ("FILE", "NAME", "NAMES", "NUMBER", "VALUE", "NETWORK", "ADDRESS")
"""Words of the page that stand for what differs from case to case, as three dots do."""
CLUSTER = "(on a cluster) "
TOY = 'rule made:\n    output: "made"\n    log: "log"\n    shell: "{config[command]}"\n'
"""A workflow of one job, for what Snakemake says whatever the workflow."""


def documented():
    """Messages of the page and what it says to each: rows of tables whose first cell is one text in backticks."""
    rows = re.findall(r"^\| (`+)( ?)(.+?)\2\1 \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [(message, advice) for _, _, message, advice in rows]


def pattern(message):
    """What a documented message looks like when it is printed."""
    parts = re.split(rf"(\b(?:{'|'.join(VARIABLES)})\b|\.\.\.)", message)
    return "".join(re.escape(part) if place % 2 == 0 else ".+" for place, part in enumerate(parts))


def printed(*command, **environment):
    """What a program prints, in the working folder and with this added to its environment; it must fail."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS")}
    done = subprocess.run(
        list(map(str, command)), text=True, env=inherited | environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode != 0
    return done.stdout


def raised(function, *arguments):
    """The message of an error that a function raises."""
    with pytest.raises(NasdmrlError) as error:
        function(*arguments)
    return str(error.value)


def snakemake(*arguments, **environment):
    """The workflow at the quick scale."""
    files = ["--snakefile", ROOT / "workflow/Snakefile", "--configfile", ROOT / "config/quick.yaml"]
    return printed("snakemake", *arguments, *files, **environment)


def toy(command):
    """The command of Snakemake for the workflow of one job, which runs this."""
    Path("toy").write_text(TOY)
    words = ["snakemake", "--cores", "1", "--latency-wait", "1", "--rerun-triggers", "mtime"]
    return [*words, "--config", f"command={command}", "--snakefile", "toy"]


def killed(*made):
    """Kill Snakemake while its job runs, which has made these files."""
    with subprocess.Popen(toy(f"touch {' '.join(made)} begun; sleep 1"), stderr=subprocess.DEVNULL) as process:
        while not Path("begun").exists() and process.poll() is None:
            time.sleep(0.05)
        process.kill()


def no_python():
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, ".")
    return printed("make", "install", "PYTHON=python3.99")


def locked():
    killed()
    return printed(*toy("true"))


def incomplete():
    killed("made")
    subprocess.run([*toy("true"), "--unlock"], check=True)
    return printed(*toy("true"))


def cache_that_is_a_file():
    Path("cache").touch()
    return snakemake("--dry-run", XDG_CACHE_HOME=str(Path("cache").absolute()))


def changed_download():
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        return raised(fetch, archive(f"http://127.0.0.1:{httpd.server_port}/a", md5="0" * 32), Path("a.zip"))
    finally:
        httpd.shutdown()
        httpd.server_close()


def other_checkpoint():
    save_checkpoint("checkpoint.npz", [], [], {"network": "conv5", FORMAT: TRAINING_FORMAT})
    return raised(retrain, "conv3", stripes(), LongRecipe(epochs=1, filters=2), "epochs.csv", "checkpoint.npz")


def little_memory():
    recipe = LongRecipe(dense_units=10**12, epochs=1, filters=2)
    return raised(retrain, "conv3", stripes(), recipe, "epochs.csv", "checkpoint.npz")


def submitted(account="", **answers):
    """Submit a job to SLURM's commands, stubs that answer this."""
    folder = Path("bin").absolute()
    folder.mkdir()
    stubs = {"sbatch": "exit 1", "sacctmgr": "echo lab"}
    stubs |= dict.fromkeys(("sacct", "squeue", "scancel", "sinfo", "scontrol"), "true")
    for name, body in (stubs | answers).items():
        program(folder, name, body)
    text = (ROOT / "slurm/config.yaml").read_text().replace("configfile: ", f"configfile: {ROOT}/")
    Path("profile").mkdir()
    edited = text.replace("# slurm_account: my_account", f"slurm_account: {account}") if account else text
    Path("profile/config.yaml").write_text(edited)
    options = ["--profile", "profile", "--retries", "0", "--slurm-init-seconds-before-status-checks", "1"]
    return snakemake("results/archives/standin/dtd", *options, PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")


PROVOCATIONS = {
    "make: *** [Makefile:NUMBER: .venv/.installed] Error 127": no_python,
    "...: snakemake: command not found": lambda: printed(shutil.which("bash"), "-c", "snakemake all", PATH="/nowhere"),
    "Got unexpected extra argument(s) (VALUE)": lambda: printed(
        *(sys.executable, "-m", "nasdmrl.cli", "show-network", "conv3", "max2"), COLUMNS="400"
    ),
    'WorkflowError in file "FILE", line NUMBER:': lambda: snakemake("all", "--config", "data={source: web}"),
    "No rule to produce NAME (if you use input functions make sure that they don't raise unexpected exceptions).": (
        lambda: snakemake("results/figures/fig99.png", "--dry-run")
    ),
    "Missing input files for rule NAME:": lambda: snakemake(
        "results/data/dtd/records", "--config", "data={source: archives, archives: nowhere}"
    ),
    "Directory cannot be locked. ...": locked,
    "The files below seem to be incomplete. ...": incomplete,
    "Error in rule NAME:": lambda: printed(*toy("false")),
    "Job NUMBER completed successfully, but some output files are missing. ...": lambda: printed(*toy("true")),
    "No Snakefile found, tried NAMES.": lambda: printed("snakemake", "all"),
    "profile directory given (NAME), but no profile.yaml (or config.yaml) found. ...": lambda: printed(
        "snakemake", "--profile", "slurm", "all"
    ),
    "...Error: [Errno NUMBER] ...: '.../snakemake'": cache_that_is_a_file,
    "ADDRESS: the MD5 is not VALUE; the file was removed, run again to fetch it anew": changed_download,
    "FILE: the checkpoint was made with ...; delete it to start anew": other_checkpoint,
    "`NETWORK` on NAME: memory ran out; give the job more of it, or make exp2.dense_units smaller": little_memory,
    "message: SLURM sbatch failed. The error message was '...'.": lambda: submitted(
        sbatch="echo 'sbatch: error: Invalid qos specification' >&2; exit 1"
    ),
    "message: Job submission failed with exception: The given account NAME appears to be invalid. ...": (
        lambda: submitted("physics")
    ),
}


@pytest.mark.parametrize("message", PROVOCATIONS)
def test_message_is_printed_as_documented(message, tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Snakemake's SLURM plugin asks it at every start, and waits long where a controller is named but down.
    stubs = tmp_path_factory.mktemp("stubs")
    program(stubs, "scontrol", "exit 1")
    monkeypatch.setenv("PATH", f"{stubs}{os.pathsep}{os.environ['PATH']}")
    plain = (" ".join(line.strip(" │").split()) for line in PROVOCATIONS[message]().splitlines())
    lines = [line.removeprefix("Error: ") for line in plain]
    assert any(re.fullmatch(pattern(message), line) for line in lines), lines


def test_page_has_the_messages_that_are_provoked_and_two_of_a_clusters_only():
    messages = [message for message, advice in documented() if not advice.startswith(CLUSTER)]
    assert sorted(messages) == sorted(PROVOCATIONS)
    assert len(documented()) - len(messages) == 2

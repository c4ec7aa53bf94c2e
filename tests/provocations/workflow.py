"""Snakemake, SLURM by stub programs, and `nasdmrl plan`."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from nasdmrl.preflight.probe import probe
from provocations.scene import Printed, Scene

STANDINS = "results/archives/standin/dtd"
TOY = 'rule made:\n    output: "made"\n    log: "log"\n    shell: "{config[command]}"\n'
"""A workflow of one job, for what Snakemake says whatever the workflow."""


def toy(scene: Scene, command: str, *options: str) -> Printed:
    """Run the workflow of one job, which runs this command."""
    return scene.shell(*_toy(scene, command, *options))


def _toy(scene: Scene, command: str, *options: str) -> list[str]:
    scene.write("toy", TOY)
    words = [shutil.which("snakemake"), "--cores", "1", "--latency-wait", "1", "--rerun-triggers", "mtime", *options]
    return [*words, "--config", f"command={command}", "--snakefile", "toy"]


def killed(scene: Scene, *made: str) -> None:
    """Snakemake was killed while its job ran, which had made these files."""
    command = f"touch {' '.join(made)} begun; sleep 1"
    with subprocess.Popen(_toy(scene, command), stderr=subprocess.DEVNULL) as process:
        while not Path("begun").exists() and process.poll() is None:
            time.sleep(0.05)
        process.kill()


def locked(scene: Scene) -> Printed:
    killed(scene)
    return toy(scene, "true")


def incomplete(scene: Scene) -> Printed:
    killed(scene, "made")
    toy(scene, "true", "--unlock")
    return toy(scene, "true")


def nothing_to_do(scene: Scene) -> Printed:
    scene.write("made")
    return toy(scene, "true")


def bad_configuration(scene: Scene) -> Printed:
    return scene.snakemake("all", "--config", "data={source: web}")


def no_snakefile(scene: Scene) -> Printed:
    return scene.shell("snakemake", "all")


def no_profile(scene: Scene) -> Printed:
    return scene.shell("snakemake", "--profile", "slurm", "all")


SNAKEMAKE = {
    'WorkflowError in file "FILE", line NUMBER:': bad_configuration,
    "No rule to produce NAME (if you use input functions make sure that they don't raise unexpected exceptions).": (
        lambda scene: scene.snakemake("results/figures/fig99.png", "--dry-run")
    ),
    "Missing input files for rule NAME:": lambda scene: scene.snakemake(
        "results/data/dtd/records", "--config", "data={source: archives, archives: nowhere}"
    ),
    "Nothing to be done (all requested files are present and up to date).": nothing_to_do,
    "Directory cannot be locked. ...": locked,
    "The files below seem to be incomplete. ...": incomplete,
    "Error in rule NAME:": lambda scene: toy(scene, "false"),
    "Job NUMBER completed successfully, but some output files are missing. ...": lambda scene: toy(scene, "true"),
    "No Snakefile found, tried NAMES.": no_snakefile,
    "profile directory given (NAME), but no profile.yaml (or config.yaml) found. ...": no_profile,
}


# --- SLURM --------------------------------------------------------------------------------------------------


def submitted(account: str = "", **answers: str):
    """Submit a job to SLURM's commands, stubs that answer this."""

    def provoke(scene: Scene) -> Printed:
        stubs = {"sbatch": "exit 1", **dict.fromkeys(("sacct", "squeue", "scancel", "sinfo", "scontrol"), "true")}
        for name, body in {**stubs, "sacctmgr": "echo lab", **answers}.items():
            scene.program(name, body)
        text = (scene.root / "slurm/config.yaml").read_text().replace("configfile: ", f"configfile: {scene.root}/")
        edited = text.replace("# slurm_account: my_account", f"slurm_account: {account}") if account else text
        scene.write("profile/config.yaml", edited)
        options = ["--retries", "0", "--slurm-init-seconds-before-status-checks", "1", "--show-failed-logs"]
        path = f"{Path('bin').absolute()}{os.pathsep}{os.environ['PATH']}"
        return scene.snakemake(STANDINS, "--profile", "profile", *options, path=path)

    return provoke


SLURM = {
    "message: SLURM sbatch failed. The error message was '...'.": submitted(
        sbatch="echo 'sbatch: error: Invalid qos specification' >&2; exit 1"
    ),
    "message: Job submission failed with exception: The given account NAME appears to be invalid. ...": submitted(
        "physics"
    ),
}


# --- nasdmrl plan -------------------------------------------------------------------------------------------


def broken_tensorflow(scene: Scene) -> Printed:
    """A module that comes before the genuine TensorFlow, and cannot be loaded for want of memory."""
    scene.write("broken/tensorflow.py", "raise MemoryError('not enough')")
    sys.path.insert(0, str(Path("broken").absolute()))
    try:
        return scene.call(probe, [], 1, 1, 1)
    finally:
        del sys.path[0]


def profile(content: str | None):
    """Read a profile with this content."""

    def provoke(scene: Scene) -> Printed:
        if content is not None:
            scene.write("profile/config.yaml", content)
        return scene.run("plan", "--profile", "profile")

    return provoke


PLAN = {
    "a measuring process failed (...); call plan where more memory is free": broken_tensorflow,
    "FILE: cannot be read (...); name a profile's folder, as `slurm`": profile(None),
}
PROVOCATIONS = SNAKEMAKE | SLURM | PLAN

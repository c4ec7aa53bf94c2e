"""`nasdmrl doctor`."""

from pathlib import Path
from unittest import mock

import requests
from nasdmrl.preflight.doctor.archives import check_archives
from nasdmrl.preflight.doctor.checks import guarded
from nasdmrl.preflight.doctor.examination import Examination, examine
from nasdmrl.preflight.doctor.nodes import check_nodes
from nasdmrl.preflight.doctor.slurm import check_slurm
from nasdmrl.preflight.doctor.software import check_packages, check_python, check_tensorflow
from nasdmrl.preflight.doctor.storage import check_file_system, check_space
from nasdmrl.preflight.doctor.waiting import check_arrays
from stub_programs import program
from test_doctor_slurm import PROFILE, SLURM

from nasdmrl.config.model import Config, from_dict
from provocations.scene import Printed, Scene

# --- doctor -------------------------------------------------------------------------------------------------


def site(**changes: str | None):
    """Check SLURM at a site whose commands are stubs, some of them changed or, with None, left out."""

    def provoke(scene: Scene) -> Printed:
        folder = Path("bin").absolute()
        folder.mkdir()
        for name, body in {**SLURM, **changes}.items():
            if body is not None:
                program(folder, name, body.format(folder=folder))
        with mock.patch.dict("os.environ", PATH=str(folder)):
            return scene.checked(check_slurm(Path("profile"), {**PROFILE, "slurm-status-command": "sacct"}))

    return provoke


def without_snakemake(scene: Scene) -> Printed:
    with mock.patch.dict("os.environ", PATH="/nowhere"):
        return scene.checked(check_packages())


def without_srun(scene: Scene) -> Printed:
    with mock.patch.dict("os.environ", PATH="/nowhere"):
        return scene.checked(guarded("srun", check_nodes, {}, Path("results")))


def old_python(scene: Scene) -> Printed:
    with mock.patch("platform.python_version", return_value="3.9.1"):
        return scene.checked(check_python())


def crashing_tensorflow(scene: Scene) -> Printed:
    return scene.checked(check_tensorflow(False, str(scene.program("python", "kill -ILL $$"))))


def archives(source: dict, **settings):
    """Check the images' source."""

    def provoke(scene: Scene) -> Printed:
        with mock.patch("requests.head", side_effect=requests.ConnectionError):
            return scene.checked(check_archives(from_dict({"data": source, **settings}, "x"), Path("results"), False))

    return provoke


DOCTOR = {
    "FAILED configuration ...": lambda scene: scene.checked(next(examine(Examination("missing.yaml", offline=True)))),
    "FAILED profile ...": lambda scene: scene.checked(next(examine(Examination(profile=Path("nowhere"))))),
    "FAILED Python ...": old_python,
    "FAILED packages ...": without_snakemake,
    "FAILED TensorFlow ...": crashing_tensorflow,
    "FAILED NAME FOLDER lacks NAMES": archives({"source": "archives", "archives": "nowhere"}),
    "FAILED archives ...": archives({"source": "download"}),
    "FAILED free disk ...": lambda scene: scene.checked(
        check_space(from_dict({"data": {"image_size": 100_000}}, "x"), Path("results"))
    ),
    "FAILED results folder ...": lambda scene: scene.checked(
        guarded("results folder", check_file_system, scene.write("file") / "results")
    ),
    "FAILED srun srun is not on the PATH; leave out --srun, or run this on the cluster's login node": without_srun,
    "FAILED SLURM ...": site(squeue="exit 1"),
    "FAILED SLURM account ...": site(sacctmgr="echo other"),
    "FAILED SLURM partition ...": site(sinfo="echo 'cpu*|up|(null)'"),
    "FAILED SLURM request ...": site(sbatch="echo no quota; exit 1"),
    "FAILED SLURM job states ...": site(sacct="exit 1"),
    "FAILED SLURM array jobs ...": lambda scene: scene.checked(
        check_arrays(Path("profile/config.yaml"), {**PROFILE, "slurm-array-jobs": "decode", "jobs": 100}, Config())
    ),
}
PROVOCATIONS = DOCTOR

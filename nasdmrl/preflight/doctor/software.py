"""Checks of Python, the packages, and TensorFlow with its devices."""

import json
import platform
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, metadata, version
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from nasdmrl.preflight.doctor.checks import Check, failed, ok, warning
from nasdmrl.preflight.doctor.commands import Answer, ask
from nasdmrl.training.runtime import cores

IMPORT_SECONDS = 180.0
"""The first import from a shared file system may take a minute."""
GPU_SECONDS = 20.0
INSTALL = "make install"
PROBE = (
    "import json, tensorflow as tf; gpus = tf.config.list_physical_devices('GPU'); "
    "details = tf.config.experimental.get_device_details; "
    "print(json.dumps({'version': tf.__version__, 'cuda': tf.test.is_built_with_cuda(), "
    "'gpus': [details(gpu).get('device_name', 'GPU') for gpu in gpus]}))"
)
WORKFLOW = ("snakemake", "snakemake-executor-plugin-slurm", "papermill")


def check_python() -> Check:
    """Python is of a version that the package takes."""
    found, wanted = platform.python_version(), metadata("nasdmrl")["Requires-Python"]
    if satisfies(found, wanted):
        return ok("Python", f"{found}, {sys.executable}")
    return failed("Python", f"{found}, needed is {wanted}", "name another: make PYTHON=python3.11 install")


def check_packages() -> Check:
    """What runs the workflow is installed, in versions that the package's metadata name."""
    found = {name: _installed(name) for name in WORKFLOW}
    bad = [
        f"{name} {number or 'is missing'} (needed: {requirement(name)})"
        for name, number in found.items()
        if not number or not satisfies(number, requirement(name))
    ]
    if bad:
        return failed("packages", "; ".join(bad), INSTALL)
    if not shutil.which("snakemake"):
        return failed("packages", "`snakemake` is not on the PATH", "source .venv/bin/activate")
    return ok("packages", ", ".join(f"{name} {number}" for name, number in found.items()))


def check_tensorflow(gpus_wanted: bool, python: str = sys.executable, seconds: float = IMPORT_SECONDS) -> Check:
    """TensorFlow imports, in a process of its own, has the right version, and sees the GPUs that there are.

    `gpus_wanted`: the profile asks for GPUs, so a TensorFlow that cannot use any is a failure.
    """
    answer, known = probe_tensorflow(python, seconds)
    if known is None:
        return failed("TensorFlow", answer.problem or "it printed nothing", _import_cure(answer.problem))
    wanted = requirement("tensorflow")
    if not satisfies(known["version"], wanted):
        return failed("TensorFlow", f"{known['version']} where the package wants {wanted}", INSTALL)
    return _devices(known, gpus_wanted)


def probe_tensorflow(python: str, seconds: float) -> tuple[Answer, dict[str, Any] | None]:
    """What a Python's TensorFlow says of itself: `version`, `cuda` (built for it) and names of `gpus`; or None."""
    answer = ask([python, "-c", PROBE], seconds, {"TF_CPP_MIN_LOG_LEVEL": "3"})
    if answer.problem or not answer.lines:
        return answer, None
    return answer, json.loads(answer.lines[-1])


def _import_cure(problem: str) -> str:
    if "SIGILL" in problem:
        return "this CPU lacks instructions (AVX) that TensorFlow is built with; run on another machine"
    if "ModuleNotFoundError" in problem:
        return f"{INSTALL}, then: source .venv/bin/activate"
    if "no answer" in problem:
        return "try again; if it still hangs, put .venv on a faster file system, or see what `import tensorflow` does"
    return f"rm -rf .venv, then {INSTALL}; see the whole message with: python -c 'import tensorflow'"


def _devices(known: dict[str, Any], gpus_wanted: bool) -> Check:
    number, cuda = known["version"], known["cuda"]
    if known["gpus"]:
        return ok("TensorFlow", f"{number}, sees {len(known['gpus'])} GPU: {', '.join(known['gpus'])}")
    if not cuda and gpus_wanted:
        return failed("TensorFlow", f"{number}, built for the CPU, but the profile asks for GPUs", gpu_cure(cuda))
    here = [re.sub(r" \(UUID.*", "", line) for line in ask(["nvidia-smi", "-L"], GPU_SECONDS).lines if "GPU" in line]
    if here:
        return warning("TensorFlow", f"{number} sees no GPU, but nvidia-smi does: {here[0]}", gpu_cure(cuda))
    return ok("TensorFlow", f"{number}, no GPU on this machine, {cores()} CPU cores")


def gpu_cure(cuda: bool) -> str:
    """How TensorFlow is made to see a GPU; `cuda`: whether it is built for one. The lock's is not."""
    if not cuda:
        return "bash envs/gpu.sh"
    return "bash envs/gpu.sh; where CUDA's libraries are there already, see by nvidia-smi whether the driver is too old"


def requirement(name: str) -> str:
    """The versions of another package that this one's metadata name, as `>=9.3,<10`; empty where any will do."""
    named = map(Requirement, metadata("nasdmrl").get_all("Requires-Dist"))
    return next((str(one.specifier) for one in named if one.name in (name, f"{name}-cpu")), "")


def satisfies(number: str, wanted: str) -> bool:
    """Whether a version fulfils conditions such as `>=3.11,<3.14` or `==2.21.*`."""
    return SpecifierSet(wanted).contains(number, prereleases=True)


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""

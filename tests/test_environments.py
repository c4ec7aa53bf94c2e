"""The environments of `--sdm conda`, with a double of conda, and what can be checked of the image without Apptainer."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ENVIRONMENTS = ["analysis", "tensorflow"]
TINY = [
    "data={source: standin, image_size: 16, classes: 3, images_per_class: 30, require_official_counts: false}",
    "early_stop={epochs: 1, filters: 4, dense_units: 8, batch_size: 32}",
    "exp3={sigmas: [0.1], steps: 12, batch_size: 32}",
    "resources={search_threads: 1, data_threads: 1}",
]
# A search and what leads to it run in one environment; stand-ins, the best network and a notebook in the other.
FIGURE = "results/figures/fig15a.png"
SEARCH = "results/exp3/sigma0.1/omniglot/seed1024/steps.csv"

python_of_the_files = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="envs/*.yaml ask for Python 3.11, whose versions the lock pins"
)


def pins(root):
    """Versions of requirements.lock for Python 3.11, by package."""
    text = (root / "requirements.lock").read_text()
    found = {}
    for name, version, marker in re.findall(r"^([\w.-]+)==([\w.]+)(?: ; (.*))?", text, re.MULTILINE):
        if ">= '3.12'" not in marker:
            found[name.lower()] = version
    return found


def pip_section(root, name):
    return yaml.safe_load((root / f"envs/{name}.yaml").read_text())["dependencies"][-1]["pip"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environments_have_the_locks_versions(root, name):
    for package in pip_section(root, name):
        project, version = package.split("==")
        assert pins(root)[project.split("[")[0].lower()] == version, package


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environments_hold_what_the_package_needs(root, name):
    """`post-deploy` installs the package without its dependencies, so that the pins stay; all must be in the file."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    needed = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    held = {Requirement(package).name for package in pip_section(root, name)}
    assert {Requirement(package).name for package in needed} <= held


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_channels_are_named_and_no_others_come_in(root, name):
    assert yaml.safe_load((root / f"envs/{name}.yaml").read_text())["channels"] == ["conda-forge", "nodefaults"]


# --- with the double of conda -------------------------------------------------------------------------------


def outer(root, folder):
    """The surroundings of a login node: Python and conda, but no `nasdmrl` that a job could find."""
    path = os.pathsep.join([f"{root}/tests/conda_double/bin", "/usr/bin", "/bin"])
    assert shutil.which("nasdmrl", path=path) is None
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR", "PYTHONPATH") if name in os.environ}
    return {**kept, "PATH": path, "CONDA_DOUBLE_PYTHON": sys.executable, "XDG_CACHE_HOME": str(folder / "cache")}


def snakemake(root, folder, target, *options):
    command = [sys.executable, "-m", "snakemake", target, *options, "--cores", "2", "--directory", str(folder)]
    command += ["--snakefile", f"{root}/workflow/Snakefile", "--configfile", f"{root}/config/quick.yaml"]
    result = subprocess.run(
        [*command, "--config", *TINY], capture_output=True, text=True, env=outer(root, folder), cwd=folder
    )
    return result.returncode, result.stdout + result.stderr


def prefixes(root, folder):
    """The finished environments below a folder, by the name of the file that each was made from."""
    files = {(root / f"envs/{name}.yaml").read_text(): name for name in ENVIRONMENTS}
    flags = folder.glob(".snakemake/conda/*.env_setup_done")
    return {files[flag.with_suffix(".yaml").read_text()]: flag.with_suffix("") for flag in flags}


def answer(prefix, code):
    """What a line of Python prints in an environment."""
    command = [prefix / "bin/python", "-I", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout.strip()


@python_of_the_files
def test_rules_run_in_environments_that_snakemake_made(root, tmp_path):
    code, said = snakemake(root, tmp_path, FIGURE, "--sdm", "conda")
    assert code == 0, said
    assert (tmp_path / FIGURE).stat().st_size > 1000
    assert len((tmp_path / SEARCH).read_text().splitlines()) == 13
    found = prefixes(root, tmp_path)
    assert set(found) == set(ENVIRONMENTS)
    used = re.findall(r"Activating conda environment: (\S+)", said)
    # draw_standins and the notebook, which needs no best network; convert, decode and the search.
    assert [sum(path.endswith(found[name].name) for path in used) for name in ENVIRONMENTS] == [2, 3]
    for prefix in found.values():
        assert f"{prefix}/bin/python" in (prefix / "bin/nasdmrl").read_text().split("import")[0]
        assert answer(prefix, "import nasdmrl; print(nasdmrl.__file__)") == f"{root}/nasdmrl/__init__.py"
    held = [
        answer(found[name], "import importlib.util as u; print(bool(u.find_spec('keras')))") for name in ENVIRONMENTS
    ]
    assert held == ["False", "True"]


@python_of_the_files
def test_without_an_environment_a_job_finds_no_command(root, tmp_path):
    """So the jobs of the test above can only have used the command of their environment."""
    code, said = snakemake(root, tmp_path, "results/archives/standin/omniglot")
    assert code != 0
    assert "nasdmrl: command not found" in said


@python_of_the_files
def test_environment_with_another_version_is_refused(root, tmp_path):
    """The double checks pins, so what passes with it has the lock's versions."""
    file, prefix = tmp_path / "analysis.yaml", tmp_path / "prefix"
    text = (root / "envs/analysis.yaml").read_text()
    file.write_text(re.sub(r"pandas==\S+", "pandas==1.0.0", text))
    command = [f"{root}/tests/conda_double/bin/conda", "env", "create", "--file", file, "--prefix", prefix]
    result = subprocess.run(command, capture_output=True, text=True, env=outer(root, tmp_path))
    assert result.returncode != 0
    assert f"pandas==1.0.0 is asked for, pandas {pins(root)['pandas']} is there" in result.stderr
    assert not prefix.exists()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_post_deploy_outside_a_checkout_is_one_clear_error(root, tmp_path, name):
    result = run_with_stubs(tmp_path, ["bash", f"{root}/envs/{name}.post-deploy.sh"], NASDMRL_CHECKOUT=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr == (
        f"Error: {tmp_path} is no checkout of nasdmrl: set NASDMRL_CHECKOUT to the folder with its pyproject.toml\n"
    )
    assert calls(tmp_path) == []


# --- GPUs and the image -------------------------------------------------------------------------------------


def run_with_stubs(folder, command, **variables):
    """Run a command for which `python` notes its arguments and does nothing."""
    stub = folder / "stubs/python"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\necho "$*" >> {folder}/calls\n')
    stub.chmod(stat.S_IRWXU)
    variables = {**os.environ, **variables, "PATH": f"{stub.parent}:{os.environ['PATH']}"}
    return subprocess.run(command, capture_output=True, text=True, env=variables, cwd=folder)


def calls(folder):
    """How `python` was called."""
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def swap(root):
    """What replaces the lock's TensorFlow by that of the same version for GPUs."""
    version = pins(root)["tensorflow-cpu"]
    return [
        "-m pip uninstall --quiet --yes tensorflow-cpu",
        f"-m pip install --quiet tensorflow[and-cuda]=={version}",
    ]


def test_gpu_tensorflow_has_the_locks_version(root, tmp_path):
    result = run_with_stubs(tmp_path, ["bash", f"{root}/envs/gpu.sh"])
    assert result.returncode == 0, result.stderr
    assert calls(tmp_path) == swap(root)


def definition(root):
    """Sections of the image's definition, and its header."""
    header, *sections = re.split(r"^%(\w+)\n", (root / "envs/nasdmrl.def").read_text(), flags=re.MULTILINE)
    return header, dict(zip(sections[::2], sections[1::2], strict=True))


@pytest.fixture(scope="module")
def image(root, tmp_path_factory):
    """The folder that the image would have at /opt/nasdmrl."""
    folder = tmp_path_factory.mktemp("image")
    for line in definition(root)[1]["files"].split("\n"):
        if line.strip():
            source, target = line.split()
            place = folder / Path(target).relative_to("/opt/nasdmrl")
            shutil.copytree(root / source, place) if (root / source).is_dir() else shutil.copy(root / source, place)
    return folder


def test_image_is_made_of_the_lock_and_the_checkout(root, tmp_path, image):
    header, sections = definition(root)
    assert "Bootstrap: docker\nFrom: python:3.11-slim\n" in header
    assert set(sections) == {"files", "post", "environment", "runscript", "help"}
    script = sections["post"].replace("/opt/nasdmrl", str(image))
    result = run_with_stubs(tmp_path, ["sh", "-e", "-c", script])
    assert result.returncode == 0, result.stderr
    first, *swapped, last = calls(tmp_path)
    assert first == f"-m pip install --require-hashes -r {image}/requirements.lock"
    assert swapped == swap(root)
    assert last == f"-m pip install --no-deps --no-build-isolation {image}"


def test_what_the_image_copies_can_be_installed_and_planned(root, tmp_path, image):
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", target, image], check=True)
    variables = {**os.environ, "PYTHONPATH": str(target)}
    code = "import nasdmrl.report.page, nasdmrl.paper.numbers as p; print(p.__file__)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, cwd=tmp_path)
    assert found.stdout.startswith(str(target)), found.stderr
    script = definition(root)[1]["runscript"].replace("/opt/nasdmrl", str(image))
    arguments = ["-n", "all", "--configfile", f"{image}/config/quick.yaml"]
    command = ["sh", "-c", script, "runscript", *arguments]
    plan = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=tmp_path)
    assert plan.returncode == 0, plan.stderr
    assert re.search(r"^meta_a2c +3$", plan.stdout, re.MULTILINE)

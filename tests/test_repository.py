"""Facts that two files of the repository must agree on."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version

import yaml
from packaging.specifiers import SpecifierSet
from stub_programs import program

import nasdmrl

PYTHONS = ["3.11", "3.12", "3.13"]


def test_lock_is_plain_with_hashes(root):
    lines = (root / "requirements.lock").read_text().splitlines()
    requirements = [line for line in lines if line and not line.startswith(" ")]
    assert all(re.match(r"[\w.-]+==", line) for line in requirements)
    assert all(re.match(r"    --hash=sha256:[0-9a-f]{64}( \\)?$", line) for line in lines if line.startswith(" "))


def test_one_version(root):
    assert f"version: {nasdmrl.__version__}\n" in (root / "CITATION.cff").read_text()
    assert version("nasdmrl") == nasdmrl.__version__


def test_make_names_the_pythons_that_will_do(root, tmp_path):
    """A Python that says it is 3.9, and then runs what `make` asks of it."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(root / name, tmp_path)
    start = "import sys; sys.version_info, sys.version = (3, 9, 1), '3.9.1 (main)'"
    python = program(tmp_path, "python", f"exec {sys.executable} -c \"{start}\nexec('''$2''')\"")
    result = subprocess.run(["make", "install", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode != 0
    assert f"needed, {python} is 3.9.1; name another with: make PYTHON=python3.11" in result.stderr
    assert not (tmp_path / ".venv").exists()


def test_continuous_integration_has_every_python_and_every_part(root):
    """Its commands are those that a person gives: targets of the Makefile, the tests, and the quick scale."""
    jobs = yaml.safe_load((root / ".github/workflows/ci.yml").read_text())["jobs"]
    required = tomllib.loads((root / "pyproject.toml").read_text())["project"]["requires-python"]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == PYTHONS
    assert [f"3.{minor}" for minor in range(30) if f"3.{minor}.0" in SpecifierSet(required)] == PYTHONS
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    targets = re.findall(r"^([\w-]+):", (root / "Makefile").read_text(), re.MULTILINE)
    made = [command.removeprefix("make ") for steps in commands.values() for command in steps if command[:5] == "make "]
    assert set(made) == {"lint", "install"} <= set(targets)
    # The tests marked `catalogue` are the same for every Python.
    assert commands["lint"][-1].endswith("-m catalogue")
    assert commands["tests"][-1].endswith('pytest -m "not catalogue"')
    assert commands["quick"][-1].endswith("snakemake all --directory .test")


def test_a_function_without_annotations_does_not_pass_the_lint(root, tmp_path):
    (tmp_path / "module.py").write_text("def twice(number):\n    return 2 * number\n")
    command = [sys.executable, "-m", "mypy", "--config-file", root / "pyproject.toml", "module.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert "module.py:1: error: Function is missing a type annotation" in result.stdout
    lint = (root / "Makefile").read_text().split("\nlint: install\n")[1].split("\n\n")[0]
    assert "\tmypy\n" in lint

"""Facts that two files of the repository must agree on."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import version

from stub_programs import program

import nasdmrl


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

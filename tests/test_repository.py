"""Facts that two files of the repository must agree on."""

import re

import pytest
import yaml


def pins(root):
    """Versions of requirements.lock for Python 3.11, by package."""
    text = (root / "requirements.lock").read_text()
    found = {}
    for name, version, marker in re.findall(r"^([\w.-]+)==([\w.]+)(?: ; (.*))?", text, re.MULTILINE):
        if ">= '3.12'" not in marker:
            found[name.lower()] = version
    return found


def test_lock_is_plain_with_hashes(root):
    lines = (root / "requirements.lock").read_text().splitlines()
    requirements = [line for line in lines if line and not line.startswith(" ")]
    assert all(re.match(r"[\w.-]+==", line) for line in requirements)
    assert all(re.match(r"    --hash=sha256:[0-9a-f]{64}( \\)?$", line) for line in lines if line.startswith(" "))


@pytest.mark.parametrize("name", ["tensorflow", "analysis"])
def test_conda_environments_have_the_locks_versions(root, name):
    packages = yaml.safe_load((root / f"envs/{name}.yaml").read_text())["dependencies"][-1]["pip"]
    for package in packages:
        project, version = package.split("==")
        assert pins(root)[project.split("[")[0].lower()] == version, package

"""Facts that two files of the repository must agree on."""

import re
from importlib.metadata import version

import nasdmrl


def test_lock_is_plain_with_hashes(root):
    lines = (root / "requirements.lock").read_text().splitlines()
    requirements = [line for line in lines if line and not line.startswith(" ")]
    assert all(re.match(r"[\w.-]+==", line) for line in requirements)
    assert all(re.match(r"    --hash=sha256:[0-9a-f]{64}( \\)?$", line) for line in lines if line.startswith(" "))


def test_one_version(root):
    assert f"version: {nasdmrl.__version__}\n" in (root / "CITATION.cff").read_text()
    assert version("nasdmrl") == nasdmrl.__version__

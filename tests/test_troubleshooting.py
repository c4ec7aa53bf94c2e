"""The troubleshooting page: every message on it is provoked and printed as it says, and none is left out."""

import ast
import os
import re
from pathlib import Path

import pytest
from provocations import commands, images, packed_runs, runs, searches, workflow
from provocations.scene import Scene
from stub_programs import program

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/troubleshooting.md"
VARIABLES = ("FILE", "FOLDER", "NAME", "NAMES", "NUMBER", "KEY", "VALUE", "NETWORK", "ADDRESS")
"""Words of the page that stand for what differs from case to case, as three dots do."""
NOTICE, CLUSTER = "(no error) ", "(on a cluster) "
MOST_ON_A_CLUSTER = 4
PROVOCATIONS = {
    message: provoke
    for module in (commands, images, searches, workflow, runs, packed_runs)
    for message, provoke in module.PROVOCATIONS.items()
}
ERRORS = ("NasdmrlError", "ConfigError", "DataError", "NetworkError", "PolicyError", "CheckpointError", "ResetNeeded")
INTERNAL = ("nothing seen within",)
"""Beginnings of messages between processes, which no person sees as they are."""


def documented():
    """Messages of the page and what it says to each: rows of tables whose first cell is one text in backticks."""
    rows = re.findall(r"^\| (`+)( ?)(.+?)\2\1 \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [(message, cure) for _, _, message, cure in rows]


def pattern(message):
    """What a documented message looks like when it is printed."""
    parts = re.split(rf"(\b(?:{'|'.join(VARIABLES)})\b|\.\.\.)", message)
    return "".join(re.escape(part) if place % 2 == 0 else ".+" for place, part in enumerate(parts))


@pytest.fixture
def scene(tmp_path, tmp_path_factory, standins, root, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    # Snakemake's SLURM plugin asks it at every start, and waits long where a controller is named but down.
    stubs = tmp_path_factory.mktemp("stubs")
    program(stubs, "scontrol", "exit 1")
    monkeypatch.setenv("PATH", f"{stubs}{os.pathsep}{os.environ['PATH']}")
    return Scene(tmp_path, standins, root)


@pytest.mark.parametrize("message", PROVOCATIONS)
def test_message_is_printed_as_documented(message, scene):
    printed = PROVOCATIONS[message](scene)
    assert any(re.fullmatch(pattern(message), line) for line in printed.lines), printed.text
    assert (printed.code == 0) == dict(documented())[message].startswith(NOTICE)


def test_page_and_provocations_have_the_same_messages():
    messages = [message for message, cure in documented() if not cure.startswith(CLUSTER)]
    assert len(messages) == len(set(messages))
    assert sorted(messages) == sorted(PROVOCATIONS)


def test_few_messages_are_a_clusters_only():
    assert sum(cure.startswith(CLUSTER) for _, cure in documented()) <= MOST_ON_A_CLUSTER


def raised(path):
    """Errors for people that a module raises: the longest piece of the message that is the same in every case."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            argument = node.exc.args[0]
            parts = [part.value for part in getattr(argument, "values", [argument]) if isinstance(part, ast.Constant)]
            if ast.unparse(node.exc.func) in ERRORS and parts:
                yield max(parts, key=len).strip("\n")


def test_every_error_that_the_package_raises_is_on_the_page():
    found = {piece for path in (ROOT / "nasdmrl").rglob("*.py") for piece in raised(path)}
    page = "\n".join(message for message, _ in documented())
    assert len(found) > 80
    assert sorted(piece for piece in found if piece not in page and not piece.startswith(INTERNAL)) == []

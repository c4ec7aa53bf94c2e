"""Documentation: blocks of commands say how they are tested, commands and pages that are named exist."""

import re

import pytest
import typer
from doc_blocks import MARKS, PAGES, blocks

from nasdmrl.cli import app


def test_every_block_says_how_it_is_tested(root):
    unmarked = [f"{block.page}: {block.text}" for block in blocks(root) if not block.mark.startswith(MARKS)]
    assert not unmarked
    reasons = [block.mark for block in blocks(root) if block.mark.startswith("not run")]
    assert all(re.fullmatch(r"not run: .{10,}", reason) for reason in reasons)
    assert sum(block.mark in ("run", "dry run") for block in blocks(root)) >= 4


def test_readme_fits_two_screens(root):
    assert len((root / "README.md").read_text().splitlines()) <= 100


def test_commands_and_options_exist(root):
    commands = typer.main.get_command(app).commands
    named = [command for block in blocks(root) if block.language == "sh" for command in block.commands]
    text = "\n".join([*named, *(page.read_text() for pattern in PAGES for page in root.glob(pattern))])
    for line in named:
        if match := re.match(r"nasdmrl ([a-z][\w-]*)(.*)", line):
            known = {option for parameter in commands[match[1]].params for option in parameter.opts}
            assert set(re.findall(r"\s(--[a-z-]+)", match[2])) <= known | {"--help"}, line
    used = set(re.findall(r"`nasdmrl ([a-z][a-z0-9-]+)[ `]", text))
    assert used
    assert used <= set(commands)


@pytest.mark.parametrize("pattern", PAGES)
def test_links_lead_to_files(root, pattern):
    for page in root.glob(pattern):
        links = re.findall(r"\]\(((?!http|#)[^)#]+)", page.read_text()) + re.findall(r'src="([^"]+)"', page.read_text())
        missing = [link for link in links if not (page.parent / link).exists()]
        assert not missing, f"{page}: {missing}"

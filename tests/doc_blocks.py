"""Blocks of commands in the documentation, each with the mark above it that says how a test treats it."""

import re
import subprocess
import sys
from typing import NamedTuple

PAGES = ("*.md", "docs/*.md", "slurm/README.md", "config/README.md", "results/README.md", "examples/README.md")
LANGUAGES = ("sh", "python")
MARKS = ("run", "dry run", "not run", "needs a cluster")
BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)


class Block(NamedTuple):
    """Commands of a page; mark: `run`, `dry run`, `not run: REASON`, `needs a cluster`, or nothing."""

    page: str
    mark: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Lines of a shell block, continued ones joined, comments taken away."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        return [command for line in lines if (command := re.sub(r"(^|\s)#.*", "", line).strip())]


def blocks(root):
    """All blocks of commands of all pages."""
    pages = sorted(page for pattern in PAGES for page in root.glob(pattern))
    return [
        Block(str(page.relative_to(root)), match["mark"] or "", match["language"], match["text"])
        for page in pages
        for match in BLOCK.finditer(page.read_text(encoding="utf-8"))
        if match["language"] in LANGUAGES
    ]


LINKED = ("config", "docs", "envs", "examples", "workflow")
LINKED += ("requirements.lock", "pyproject.toml", "CITATION.cff", "LICENSE")


def run_documented(root, folder):
    """Run the blocks to be run in a folder with the results of a run, and plan those of which a plan is enough."""
    for name in LINKED:
        (folder / name).symlink_to(root / name)
    for block in blocks(root):
        if block.mark == "run" and block.language == "python":
            _succeeds([sys.executable, "-c", block.text], folder, block)
        elif block.mark in ("run", "dry run"):
            for command in block.commands:
                planned = command.replace("snakemake ", "snakemake --dry-run ") if block.mark == "dry run" else command
                _succeeds(["bash", "-c", planned], folder, block)


def _succeeds(command, folder, block):
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, f"{block.page}: {command[-1]}: {result.stdout[-1000:]}{result.stderr[-2000:]}"

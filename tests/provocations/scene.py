"""Where a failure is provoked: an empty folder, ways to put things into it, and ways to run what then fails."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from conftest import save, stripes

from nasdmrl.cli import main
from nasdmrl.errors import NasdmrlError
from nasdmrl.preflight.doctor.checks import Check

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Printed(NamedTuple):
    """What was printed, and the exit code."""

    text: str
    code: int

    @property
    def lines(self) -> list[str]:
        """Lines without colours, frames, spaces at the ends and the `Error: ` of the command line."""
        plain = (" ".join(line.strip(" │").split()) for line in _COLOURS.sub("", self.text).splitlines())
        return [line.removeprefix("Error: ") for line in plain if line]


class Scene:
    """A folder, the working one, in which `standins` are at hand; `root` is the checkout."""

    def __init__(self, folder: Path, standins: Path, root: Path) -> None:
        self.folder, self.standins, self.root = folder, standins, root

    # What there is

    def write(self, name: str, content: str | bytes = "") -> Path:
        """A file with this content, and its folders."""
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def images(self, name: str = "images", count: int = 90) -> Path:
        """Decoded images that pass for those of dtd."""
        return save(stripes(count), Path(name))

    def archives(self, *names: str) -> Path:
        """A folder with copies of these stand-ins, else of all."""
        folder = Path("archives")
        folder.mkdir()
        for path in self.standins.iterdir():
            if not names or path.name in names:
                shutil.copy(path, folder)
        return folder

    def program(self, name: str, body: str) -> Path:
        """A shell script in the folder `bin`."""
        path = self.write(f"bin/{name}", f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path.absolute()

    # What is done

    def run(self, *arguments: Any) -> Printed:
        """Call `nasdmrl` with these arguments, in this process."""
        output = io.StringIO()
        with (
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
            mock.patch.object(sys, "argv", ["nasdmrl", *map(str, arguments)]),
        ):
            try:
                main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        return Printed(output.getvalue(), code)

    def call(self, function: Callable, *arguments: Any, error: type[Exception] = NasdmrlError) -> Printed:
        """Call what a person calls from Python: the message of the error of this kind that it raises."""
        try:
            function(*arguments)
        except error as raised:
            return Printed(str(raised), 1)
        return Printed("nothing was raised", 0)

    def checked(self, checks: Iterable[Check] | Check) -> Printed:
        """Print checks as `nasdmrl doctor` does, which exits with 1 where one failed."""
        done = [checks] if isinstance(checks, Check) else list(checks)
        return Printed("\n".join(map(str, done)), int(any(check.state == "FAILED" for check in done)))

    def shell(self, *command: Any, path: str | None = None) -> Printed:
        """Run a program; `path` replaces the PATH."""
        inherited = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS")}
        environment = {**inherited, **({"PATH": path} if path else {})}
        words = [str(word) for word in command]
        done = subprocess.run(words, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
        return Printed(done.stdout + done.stderr, done.returncode)

    def snakemake(self, *arguments: Any, path: str | None = None) -> Printed:
        """Run the workflow here, at the quick scale."""
        words = [shutil.which("snakemake"), *arguments, "--snakefile", f"{self.root}/workflow/Snakefile"]
        return self.shell(*words, "--configfile", f"{self.root}/config/quick.yaml", path=path)

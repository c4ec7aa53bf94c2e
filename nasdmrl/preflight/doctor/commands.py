"""Calling other programs with a time limit that holds for the processes that they start, too."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What a program printed, and in `problem` why that does not count; empty where it ended well."""

    output: str = ""
    problem: str = ""

    @property
    def lines(self) -> list[str]:
        """The printed lines that are not empty, without the spaces around them."""
        return [line.strip() for line in self.output.splitlines() if line.strip()]


def ask(command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> Answer:
    """Run a program and wait at most so many seconds; never raises for what the program does."""
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace",
            start_new_session=True, env={**os.environ, **(environment or {})},
        )  # fmt: skip
    except OSError as error:
        return Answer(problem=f"`{command[0]}` cannot be run ({error.strerror})")
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return Answer(problem=f"no answer within {seconds:g} s")
    finally:
        _end(process)
    return Answer(output, _problem(process.returncode, errors or output))


def _end(process: subprocess.Popen) -> None:
    """Kill what is left of a program and of what it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _problem(code: int, text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return "" if code == 0 else lines[-1] if lines else f"exit code {code} without a message"

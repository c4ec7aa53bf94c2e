"""What a check says, and how it asks another program."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from nasdmrl.errors import NasdmrlError


@dataclass(frozen=True)
class Check:
    """One line of `nasdmrl doctor`: a warning is for what may go wrong, a failure for what will."""

    name: str
    state: Literal["ok", "warning", "FAILED"]
    found: str
    fix: str = ""

    def __str__(self) -> str:
        line = f"{self.state:<8} {self.name:<18} {self.found}"
        return f"{line}\n{'':<9}{'fix:':<18} {self.fix}" if self.fix else line


def guarded(name: str, function: Callable[..., Check | Iterable[Check]], *arguments: Any) -> Iterator[Check]:
    """Yield a function's check or checks; an exception in it becomes a failed one of this name."""
    try:
        result = function(*arguments)
        yield from [result] if isinstance(result, Check) else result
    except NasdmrlError as error:
        yield Check(name, "FAILED", str(error))
    except Exception as error:
        yield Check(name, "FAILED", f"the check itself failed: {type(error).__name__}: {error}", "report this line")


class Answer(NamedTuple):
    """What a program printed, and in `problem` why that does not count; empty where it ended well."""

    output: str = ""
    problem: str = ""


def ask(command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> Answer:
    """Run a program, with this added to its environment, for so many seconds at most; never raises for what it does.

    The limit holds for the processes that the program starts, too.
    """
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="replace", start_new_session=True, env={**os.environ, **(environment or {})},
        )  # fmt: skip
    except OSError as error:
        return Answer(problem=f"`{command[0]}` cannot be run ({error.strerror})")
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return Answer(problem=f"no answer within {seconds:g} s")
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        except ProcessLookupError:  # all have ended
            pass
    if process.returncode < 0:
        return Answer(output, f"killed by {signal.Signals(-process.returncode).name}")
    if process.returncode > 0:
        text = (errors or output).strip() or f"exit code {process.returncode} without a message"
        return Answer(output, text.splitlines()[-1].strip())
    return Answer(output)

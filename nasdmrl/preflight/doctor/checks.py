"""A check: its name, how it ended, what was found, and what to do about it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from nasdmrl.errors import NasdmrlError

State = Literal["ok", "warning", "FAILED"]


@dataclass(frozen=True)
class Check:
    """One line of the doctor's: a warning is for what may go wrong, a failure for what will."""

    name: str
    state: State
    found: str
    cure: str = ""

    def __str__(self) -> str:
        line = f"{self.state:<8} {self.name:<18} {self.found}"
        return f"{line}\n{'':<9}{'to mend it:':<18} {self.cure}" if self.cure else line


def ok(name: str, found: str) -> Check:
    """All is well."""
    return Check(name, "ok", found)


def warning(name: str, found: str, cure: str) -> Check:
    """Something may go wrong."""
    return Check(name, "warning", found, cure)


def failed(name: str, found: str, cure: str) -> Check:
    """Something will go wrong."""
    return Check(name, "FAILED", found, cure)


def guarded(name: str, function: Callable[..., Check | Iterable[Check]], *arguments: Any) -> Iterator[Check]:
    """Yield a function's check or checks; an exception in it becomes a failed one of this name."""
    try:
        result = function(*arguments)
        yield from [result] if isinstance(result, Check) else result
    except NasdmrlError as error:
        yield Check(name, "FAILED", str(error))
    except Exception as error:
        yield failed(name, f"the check itself failed: {type(error).__name__}: {error}", "report it with this line")
